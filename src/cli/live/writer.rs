//! Standard output on a thread of its own: whoever does not read it holds up nothing but the output.
//!
//! What is to be written waits in a queue of bounded length. Where that is full it is dropped and counted.

use crossbeam_channel::{Sender, TrySendError, bounded};
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Announcements and reports that wait.
const MAX_WAITING: usize = 1_024;
/// Bytes of them; a longer one waits alone.
const MAX_WAITING_BYTES: usize = 16 << 20;

#[derive(Debug, Default)]
struct Backlog {
    /// Bytes that wait, those that are being written among them.
    waiting: AtomicUsize,
    failed: Mutex<Option<io::Error>>,
}

/// The queue, and the thread behind it.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Sender<Vec<u8>>,
    shared: Arc<Backlog>,
    thread: JoinHandle<()>,
    dropped: u64,
}

impl Writer {
    /// Begins to write.
    pub(super) fn start(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, taken) = bounded::<Vec<u8>>(MAX_WAITING);
        let shared = Arc::new(Backlog::default());
        let state = Arc::clone(&shared);
        let thread = thread::Builder::new().name("output".to_owned()).spawn(move || {
            for bytes in taken {
                if let Err(error) = out.write_all(&bytes).and_then(|()| out.flush()) {
                    *state.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return;
                }
                state.waiting.fetch_sub(bytes.len(), Ordering::AcqRel);
            }
        })?;
        Ok(Self { queue, shared, thread, dropped: 0 })
    }

    /// Writes some bytes when it is their turn, or drops and counts them.
    ///
    /// # Errors
    /// What came before could not be written.
    pub(super) fn put(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.check()?;
        let len = bytes.len();
        let waiting = self.shared.waiting.load(Ordering::Acquire);
        if waiting > 0 && waiting.saturating_add(len) > MAX_WAITING_BYTES {
            self.dropped = self.dropped.saturating_add(1);
            return Ok(());
        }
        self.shared.waiting.fetch_add(len, Ordering::AcqRel);
        match self.queue.try_send(bytes) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                self.shared.waiting.fetch_sub(len, Ordering::AcqRel);
                self.dropped = self.dropped.saturating_add(1);
                Ok(())
            }
            Err(TrySendError::Disconnected(_)) => self.check(),
        }
    }

    /// How much was dropped, once the reader is back.
    pub(super) fn dropped(&mut self) -> Option<u64> {
        let is_back = self.shared.waiting.load(Ordering::Acquire) == 0;
        (is_back && self.dropped > 0).then(|| std::mem::take(&mut self.dropped))
    }

    /// Waits for what is under way, but not for ever.
    ///
    /// # Errors
    /// It could not be written, or nobody has read it.
    pub(super) fn finish(self, patience: Duration) -> io::Result<()> {
        let Self { queue, shared, thread, dropped } = self;
        drop(queue);
        let until = Instant::now() + patience;
        while !thread.is_finished() {
            if Instant::now() >= until {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads it"));
            }
            thread::sleep(Duration::from_millis(2));
        }
        if thread.join().is_err() {
            return Err(io::Error::other("the writing broke off"));
        }
        match shared.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None if dropped > 0 => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("{dropped} announcements or reports were dropped: nobody read them"),
            )),
            None => Ok(()),
        }
    }

    fn check(&self) -> io::Result<()> {
        let failed = self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner);
        // The error itself stays, for the end.
        failed.as_ref().map_or(Ok(()), |error| Err(io::Error::new(error.kind(), error.to_string())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// A reader that reads when it is let.
    struct Reluctant {
        evict: crossbeam_channel::Receiver<()>,
        read: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Once the other end is gone nothing holds it any more.
            let _ = self.evict.recv();
            self.read.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whoever_does_not_read_holds_up_nobody() {
        let (held, evict) = bounded(0);
        let read = Arc::new(Mutex::new(Vec::new()));
        let mut writer = Writer::start(Reluctant { evict, read: Arc::clone(&read) }).unwrap();
        let sent = 5_000;
        (0..sent).for_each(|_| writer.put(b"line\n".to_vec()).unwrap());
        assert_eq!(writer.dropped(), None, "it is told when the reader is back");
        drop(held);
        let dropped = loop {
            if let Some(dropped) = writer.dropped() {
                break dropped;
            }
            thread::yield_now();
        };
        writer.finish(Duration::from_secs(10)).unwrap();
        assert_eq!(read.lock().unwrap().len() as u64 / 5 + dropped, sent);
        assert!(dropped >= sent - MAX_WAITING as u64 - 1);
    }

    #[test]
    fn what_waits_is_bounded_in_bytes() {
        let (_held, evict) = bounded(0);
        let mut writer = Writer::start(Reluctant { evict, read: Arc::default() }).unwrap();
        (0..5).for_each(|_| writer.put(vec![0; MAX_WAITING_BYTES / 2]).unwrap());
        assert_eq!(writer.dropped, 3);
        assert!(writer.finish(Duration::ZERO).is_err());
    }

    #[test]
    fn an_output_that_is_gone_is_an_error() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = Writer::start(Gone).unwrap();
        let error = loop {
            if let Err(error) = writer.put(b"x".to_vec()) {
                break error;
            }
            thread::yield_now();
        };
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(writer.finish(Duration::from_secs(1)).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
