//! Frames off an interface, by libpcap, on a thread of its own.
//!
//! Batches go round through bounded channels, as they do when files are read. When those who take them
//! are behind, frames wait in the kernel's buffer for a moment, and then are let go on purpose and counted:
//! what is told late helps nobody. The thread also says up to when nothing more was waiting, so that
//! silence can be told from being behind.

use crate::capture::Batch;
use crate::findings::Received;
use crate::frame::{Frame, FrameRef, LinkType};
use crate::time::{Span, Timestamp};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use pcap::{Active, Capture, Device, Error, Precision, Stat};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Frames of one batch at most.
const BATCH_FRAMES: usize = 2_048;
/// Batches under way at most: with those in hand some 20 MiB at a snaplen of 256.
const BATCHES: usize = 32;
/// How long the thread sleeps where there is no frame. libpcap's own waiting ends with a frame alone, and
/// silence is what is looked for here; and frames that come together are cheaper than frames one by one.
const NAP: Duration = Duration::from_millis(2);
/// How long frames are left in the kernel's buffer when all batches are under way.
const BEHIND: Duration = Duration::from_millis(50);
/// How often the kernel is asked what it dropped.
const COUNT_EVERY: Duration = Duration::from_millis(500);
/// Whether the kernel gives nanoseconds to those who ask.
const NANOS: bool = cfg!(target_os = "linux");
/// What has just arrived may not be readable yet.
const ARRIVING: Span = Span::from_millis(1);

/// What to capture.
#[derive(Clone, Debug)]
pub struct InterfaceRequest {
    /// The interface's name; `any` for all.
    pub interface: String,
    /// A filter in libpcap's language.
    pub filter: String,
    /// Bytes of each frame that are kept.
    pub snaplen: u32,
    /// The kernel's buffer, in MiB.
    pub buffer_mib: u32,
    /// Whether frames for others are wanted too, as on a mirror port.
    pub promiscuous: bool,
}

/// An interface that is open, and not read yet.
pub struct Opened {
    capture: Capture<Active>,
    /// What frames begin with.
    pub link_type: LinkType,
    /// Whether times have nanoseconds.
    pub nanos: bool,
}

/// Opens an interface.
///
/// # Errors
/// One sentence: what is wrong, and the command that helps.
pub fn open(asked: &InterfaceRequest) -> Result<Opened, String> {
    let wrong = |error: &Error| explain(&asked.interface, &words(error));
    let buffer = i32::try_from(asked.buffer_mib.saturating_mul(1 << 20)).unwrap_or(i32::MAX);
    let capture = Capture::from_device(asked.interface.as_str())
        .map_err(|error| wrong(&error))?
        .promisc(asked.promiscuous && asked.interface != "any")
        .snaplen(i32::try_from(asked.snaplen).unwrap_or(i32::MAX))
        .buffer_size(buffer)
        .precision(if NANOS { Precision::Nano } else { Precision::Micro })
        .immediate_mode(true);
    let capture = capture.open().map_err(|error| wrong(&error))?;
    let mut capture = capture.setnonblock().map_err(|error| wrong(&error))?;
    capture
        .filter(&asked.filter, true)
        .map_err(|error| format!("--filter: {}: '{}'", words(&error), asked.filter))?;
    let number = capture.get_datalink().0;
    let link_type = LinkType::from_number(u32::try_from(number).unwrap_or(u32::MAX));
    if let LinkType::Other(number) = link_type {
        return Err(format!("{}: frames of link type {number} cannot be read here", asked.interface));
    }
    Ok(Opened { capture, link_type, nanos: NANOS })
}

/// The interfaces, as `tcpdump -D` lists them: number, name, state and addresses.
///
/// # Errors
/// What libpcap says.
pub fn list() -> Result<Vec<String>, String> {
    let devices =
        Device::list().map_err(|error| format!("interfaces cannot be listed: {}", words(&error)))?;
    let line = |(number, device): (usize, Device)| {
        let flags = device.flags;
        let mut marks: Vec<String> = Vec::new();
        marks.extend(flags.is_up().then(|| "Up".to_owned()));
        marks.extend(flags.is_running().then(|| "Running".to_owned()));
        marks.extend(flags.is_loopback().then(|| "Loopback".to_owned()));
        marks.extend(device.addresses.iter().map(|address| address.addr.to_string()));
        let about = device.desc.map_or_else(String::new, |about| format!(" ({about})"));
        format!("{}.{}{about} [{}]", number + 1, device.name, marks.join(", "))
    };
    Ok(devices.into_iter().enumerate().map(line).collect())
}

/// libpcap's own words, on one line.
fn words(error: &Error) -> String {
    let text = match error {
        Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is wrong with an interface, and what helps.
fn explain(interface: &str, words: &str) -> String {
    let is = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    if is(&["permission", "Operation not permitted"]) {
        return format!(
            "no right to capture on {interface}: run it with sudo, or once 'sudo setcap cap_net_raw+ep \
             $(command -v qscope)'"
        );
    }
    if is(&["No such device", "doesn't exist", "SIOCGIFHWADDR"]) {
        return format!("there is no interface {interface}: 'qscope live -D' lists those there are");
    }
    if is(&["disappeared", "not up", "went down", "is down"]) {
        return format!(
            "the interface {interface} has gone away or is down: 'ip link show' says which there are, \
             'ip link set {interface} up' brings it up ({words})"
        );
    }
    format!("cannot capture on {interface}: {words}")
}

/// What thread and reader share.
#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    /// Up to when all frames were handed over: nanoseconds since 1970.
    quiet_until: AtomicI64,
    dropped_here: AtomicU64,
    kernel: Mutex<Received>,
}

/// Frames on their way from an interface.
#[derive(Debug)]
pub struct Capturing {
    full: Receiver<Batch>,
    empty: Sender<Batch>,
    shared: Arc<Shared>,
    thread: JoinHandle<Option<String>>,
}

impl Capturing {
    /// Begins to capture.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(opened: Opened, interface: String) -> Result<Self, String> {
        let (full_in, full) = bounded(BATCHES);
        let (empty, empty_out) = bounded(BATCHES);
        for _ in 0..BATCHES {
            // The channel has room for all of them.
            let _ = empty.send(Batch::new());
        }
        let shared = Arc::new(Shared::default());
        let state = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || {
                let Opened { capture, link_type, .. } = opened;
                let mut round = Round {
                    capture,
                    link_type,
                    number: 0,
                    full: full_in,
                    empty: empty_out,
                    state,
                    spared: None,
                };
                round.run().map(|error| explain(&interface, &words(&error)))
            })
            .map_err(|error| format!("no thread to capture on: {error}"))?;
        Ok(Self { full, empty, shared, thread })
    }

    /// Up to when nothing was waiting. Read it, then take all batches there are, then it is true.
    #[must_use]
    pub fn quiet_until(&self) -> Timestamp {
        Timestamp::from_nanos(self.shared.quiet_until.load(Ordering::Acquire))
    }

    /// The next frames, waited for at most so long; `None` where there are none yet.
    ///
    /// # Errors
    /// The capture is over: see [`Self::finish`].
    pub fn next(&self, patience: Duration) -> Result<Option<Batch>, Over> {
        match self.full.recv_timeout(patience) {
            Ok(batch) => Ok(Some(batch)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Over),
        }
    }

    /// Gives a batch back, to be filled again.
    pub fn done_with(&self, mut batch: Batch) {
        batch.clear();
        // At the end nobody wants it.
        let _ = self.empty.send(batch);
    }

    /// What the capture got by now.
    #[must_use]
    pub fn received(&self) -> Received {
        let kernel = *self.shared.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        Received { dropped_here: self.shared.dropped_here.load(Ordering::Relaxed), ..kernel }
    }

    /// Asks the thread to end; what is under way can still be taken.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for the thread's end: what broke the capture off, as a sentence.
    #[must_use]
    pub fn finish(self) -> Option<String> {
        self.stop();
        drop((self.full, self.empty));
        self.thread.join().unwrap_or_else(|_| Some("the capture broke off".to_owned()))
    }
}

/// The capture is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over;

/// The thread's own.
struct Round {
    capture: Capture<Active>,
    link_type: LinkType,
    /// Frames so far, modulo 2^32.
    number: u32,
    full: Sender<Batch>,
    empty: Receiver<Batch>,
    state: Arc<Shared>,
    /// A batch that nothing came into.
    spared: Option<Batch>,
}

impl Round {
    /// Captures until it is told to stop, or an error comes up.
    fn run(&mut self) -> Option<Error> {
        let mut counted_at = Instant::now();
        let mut last = self.count(None);
        loop {
            let outcome = self.step();
            if counted_at.elapsed() >= COUNT_EVERY {
                counted_at = Instant::now();
                last = self.count(last);
            }
            match outcome {
                Ok(true) if !self.state.stop.load(Ordering::Relaxed) => {}
                Ok(_) => {
                    self.count(last);
                    return None;
                }
                Err(error) => return Some(error),
            }
        }
    }

    /// Takes what there is, once. False where nobody wants it any more.
    fn step(&mut self) -> Result<bool, Error> {
        let Ok(mut batch) = self.empty_batch() else { return Ok(false) };
        let (link, number, mut dropped) = (self.link_type, &mut self.number, 0);
        let taken = self.capture.dispatch(Some(BATCH_FRAMES), |packet| {
            *number = number.wrapping_add(1).max(1);
            let Some(batch) = &mut batch else {
                dropped += 1;
                return;
            };
            let header = packet.header;
            let part = header.ts.tv_usec.max(0).unsigned_abs();
            let nanos = u32::try_from(if NANOS { part } else { part.saturating_mul(1_000) }).unwrap_or(0);
            batch.add(&Frame {
                at: Timestamp::from_parts(header.ts.tv_sec, nanos),
                link,
                orig_len: header.len.max(header.caplen),
                data: packet.data,
                id: FrameRef { file: 0, number: *number },
            });
        });
        self.state.dropped_here.fetch_add(dropped, Ordering::Relaxed);
        let taken = match taken {
            Ok(taken) => taken,
            Err(Error::TimeoutExpired) => 0,
            Err(error) => return Err(error),
        };
        let is_wanted = match batch {
            // It has room: as many batches as it has places are under way.
            Some(batch) if !batch.is_empty() => self.full.send(batch).is_ok(),
            Some(batch) => {
                self.spared = Some(batch);
                true
            }
            None => true,
        };
        if taken == 0 {
            let until = now().minus(ARRIVING);
            self.state.quiet_until.store(until.nanos(), Ordering::Release);
            thread::sleep(NAP);
        }
        Ok(is_wanted)
    }

    /// A batch to fill; none where all are under way, and stay so for a while.
    fn empty_batch(&mut self) -> Result<Option<Batch>, Over> {
        if let Some(batch) = self.spared.take() {
            return Ok(Some(batch));
        }
        match self.empty.recv_timeout(BEHIND) {
            Ok(batch) => Ok(Some(batch)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Over),
        }
    }

    /// Asks the kernel for its counts, and adds what is new: they are numbers of 32 bits.
    fn count(&mut self, last: Option<Stat>) -> Option<Stat> {
        let Ok(stat) = self.capture.stats() else { return last };
        let mut all = self.state.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        let since =
            |now: u32, field: fn(&Stat) -> u32| u64::from(now.wrapping_sub(last.as_ref().map_or(0, field)));
        all.received += since(stat.received, |stat| stat.received);
        all.dropped_kernel += since(stat.dropped, |stat| stat.dropped);
        all.dropped_interface += since(stat.if_dropped, |stat| stat.if_dropped);
        drop(all);
        Some(stat)
    }
}

/// The present, as captures have it.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_parts(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
}
