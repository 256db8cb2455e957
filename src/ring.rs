//! Pieces of work that go round between two threads: full ones one way, empty ones back.
//!
//! There are only so many, made once and filled again and again, so memory is that of a few and nothing is
//! allocated on the way. They come out in the order in which they went in.

#[cfg(feature = "live")]
use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::{Receiver, Sender, bounded};
#[cfg(feature = "live")]
use std::time::Duration;

/// Where pieces are filled. The ring ends when this end is dropped and what was sent has been taken.
#[derive(Debug)]
pub(crate) struct Filler<T> {
    full: Sender<T>,
    empty: Receiver<T>,
}

/// Where pieces are used, and emptied.
#[derive(Debug)]
pub(crate) struct Drainer<T> {
    full: Receiver<T>,
    empty: Sender<T>,
}

/// The other end is gone.
#[cfg(feature = "live")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingEnded;

/// A ring of so many pieces, all of them empty yet.
pub(crate) fn ring<T>(pieces: usize, new: impl Fn() -> T) -> (Filler<T>, Drainer<T>) {
    // Each channel has room for all pieces: nobody ever waits to send.
    let (full_in, full) = bounded(pieces);
    let (empty, empty_out) = bounded(pieces);
    for _ in 0..pieces {
        let _ = empty.send(new());
    }
    (Filler { full: full_in, empty: empty_out }, Drainer { full, empty })
}

impl<T> Filler<T> {
    /// The next empty piece, waited for; `None` where nobody wants any more.
    pub(crate) fn empty(&self) -> Option<T> {
        self.empty.recv().ok()
    }

    /// The next empty piece, waited for at most so long; `None` where all are under way.
    #[cfg(feature = "live")]
    pub(crate) fn empty_within(&self, patience: Duration) -> Result<Option<T>, RingEnded> {
        within(&self.empty, patience)
    }

    /// Hands a piece on; false where nobody wants it any more.
    pub(crate) fn send(&self, piece: T) -> bool {
        self.full.send(piece).is_ok()
    }
}

impl<T> Drainer<T> {
    /// The next full piece, waited for; `None` at the end.
    pub(crate) fn next(&self) -> Option<T> {
        self.full.recv().ok()
    }

    /// The next full piece, waited for at most so long; `None` where there is none yet.
    #[cfg(feature = "live")]
    pub(crate) fn next_within(&self, patience: Duration) -> Result<Option<T>, RingEnded> {
        within(&self.full, patience)
    }

    /// Whether a full piece is there without waiting.
    #[cfg(any(test, feature = "cli"))]
    pub(crate) fn is_ahead(&self) -> bool {
        !self.full.is_empty()
    }

    /// Gives a piece back, emptied, to be filled again.
    pub(crate) fn give_back(&self, piece: T) {
        // At the end nobody wants it.
        let _ = self.empty.send(piece);
    }
}

#[cfg(feature = "live")]
fn within<T>(from: &Receiver<T>, patience: Duration) -> Result<Option<T>, RingEnded> {
    match from.recv_timeout(patience) {
        Ok(piece) => Ok(Some(piece)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(RingEnded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn pieces_come_out_in_order_and_no_more_than_there_are() {
        let (filler, drainer) = ring(3, Vec::new);
        let thread = thread::spawn(move || {
            let mut made = 0;
            for number in 0..1_000 {
                let Some(mut piece) = filler.empty() else { break };
                made += usize::from(piece.is_empty());
                piece.clear();
                piece.push(number);
                assert!(filler.send(piece));
            }
            made
        });
        let mut got: Vec<u32> = Vec::new();
        while let Some(piece) = drainer.next() {
            got.extend(&piece);
            drainer.give_back(piece);
        }
        assert_eq!(got, (0..1_000).collect::<Vec<_>>());
        assert_eq!(thread.join().ok(), Some(3), "the same pieces all the time");
    }

    #[test]
    fn each_end_sees_that_the_other_is_gone() {
        let (filler, drainer) = ring(2, || 0);
        assert_eq!(filler.empty(), Some(0));
        assert!(filler.send(1));
        assert!(drainer.is_ahead());
        drop(filler);
        assert_eq!((drainer.next(), drainer.next(), drainer.is_ahead()), (Some(1), None, false));
        assert_eq!(drainer.next_within(Duration::ZERO), Err(RingEnded));
        drainer.give_back(0);

        let (filler, drainer) = ring(1, || 0);
        assert_eq!(filler.empty_within(Duration::ZERO), Ok(Some(0)));
        assert_eq!(filler.empty_within(Duration::ZERO), Ok(None), "all are under way");
        assert_eq!(drainer.next_within(Duration::ZERO), Ok(None));
        drop(drainer);
        assert!(!filler.send(1));
        assert_eq!(filler.empty(), None);
    }
}
