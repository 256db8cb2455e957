//! Every wait that is long as a share of its deadline, for whoever asks for all of them.
//!
//! A link remembers its longest waits, which are what a verdict needs. A table of waits wants each: they are handed
//! out here while the capture is read, and taken away by whoever asked, so that memory is bounded.

use super::wait::Ended;
use crate::address::Address;
use crate::findings::{Deadline, Settings};
use crate::time::{Span, Timestamp};
use std::mem;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Waits held at once; beyond, they are to be taken.
pub const MAX_NOTED: usize = 1 << 18;
/// While tickTime is not known, shorter waits are a share of no sensible deadline.
const LEAST: Span = Span::from_millis(20);

/// A wait against a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotedWait {
    /// The link's id.
    pub link: u32,
    /// The leader.
    pub leader: Address,
    /// The learner.
    pub learner: Address,
    /// Against which deadline it counts.
    pub deadline: Deadline,
    /// The last sign of life.
    pub start: Timestamp,
    /// How long it was.
    pub len: Span,
    /// What ended it.
    pub ended: Ended,
    /// Whether the leader was the one that was waited for.
    pub for_leader: bool,
}

#[derive(Debug)]
struct Shared {
    /// Shorter waits are not noted, in nanoseconds.
    least: AtomicI64,
    noted: Mutex<Vec<NotedWait>>,
}

/// Where links note their waits; copies share what is noted. Nothing is noted where nobody asks.
#[derive(Clone, Debug, Default)]
pub struct WaitLog(Option<Arc<Shared>>);

impl WaitLog {
    /// A log in which waits are noted.
    #[must_use]
    pub fn new() -> Self {
        Self(Some(Arc::new(Shared { least: AtomicI64::new(LEAST.nanos()), noted: Mutex::default() })))
    }

    /// Whether waits of this length are noted.
    #[inline]
    pub(super) fn wants(&self, len: Span) -> bool {
        self.0.as_ref().is_some_and(|shared| len.nanos() >= shared.least.load(Ordering::Relaxed))
    }

    /// Notes a wait.
    #[cold]
    pub(super) fn note(&self, wait: &NotedWait) {
        self.with(|noted| noted.push(*wait));
    }

    /// From here on waits count that are at least half as long as this: what is known of tickTime may still change.
    pub(super) fn notes_from(&self, len: Span) {
        if let Some(shared) = &self.0 {
            shared.least.store(len.over(2).nanos().max(1), Ordering::Relaxed);
        }
    }

    /// Has something changed in the waits of a link; those that it leaves without length go.
    #[cold]
    pub(super) fn correct(&self, link: u32, change: impl Fn(&mut NotedWait)) {
        self.with(|noted| {
            noted.iter_mut().filter(|wait| wait.link == link).for_each(change);
            noted.retain(|wait| wait.len > Span::ZERO);
        });
    }

    /// Whether there are so many that they are to be taken.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.is_some() && self.lock().is_some_and(|noted| noted.len() >= MAX_NOTED)
    }

    /// Takes all that were noted, in order of their ends as far as they were seen in that order.
    #[must_use]
    pub fn take(&self) -> Vec<NotedWait> {
        self.lock().map(|mut noted| mem::take(&mut *noted)).unwrap_or_default()
    }

    fn with(&self, change: impl FnOnce(&mut Vec<NotedWait>)) {
        if let Some(mut noted) = self.lock() {
            change(&mut noted);
        }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Vec<NotedWait>>> {
        self.0.as_ref()?.noted.lock().ok()
    }
}

impl NotedWait {
    /// The deadline's length under these settings.
    #[must_use]
    pub const fn limit_ms(&self, settings: &Settings) -> u64 {
        match self.deadline {
            Deadline::Init => settings.init_limit_ms(),
            _ => settings.stall_limit_ms(),
        }
    }

    /// Whether it took more than a tenth of its deadline.
    #[must_use]
    pub const fn is_long(&self, settings: &Settings) -> bool {
        self.len.micros() > self.limit_ms(settings).saturating_mul(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(link: u32, ms: i64) -> NotedWait {
        NotedWait {
            link,
            leader: Address::default(),
            learner: Address::default(),
            deadline: Deadline::LeaderRead,
            start: Timestamp::default(),
            len: Span::from_millis(ms),
            ended: Ended::Heard,
            for_leader: false,
        }
    }

    #[test]
    fn long_waits_are_noted_and_corrected() {
        let log = WaitLog::new();
        let note = |wait: NotedWait| {
            if log.wants(wait.len) {
                log.note(&wait);
            }
        };
        [wait(1, 19), wait(1, 20), wait(2, 5_000)].into_iter().for_each(note);
        log.notes_from(Span::from_millis(1_000));
        [wait(3, 499), wait(3, 500)].into_iter().for_each(note);
        log.correct(2, |wait| wait.len = Span::ZERO);
        assert_eq!(log.take(), [wait(1, 20), wait(3, 500)]);
        assert!(log.take().is_empty() && !log.is_full());
        let off = WaitLog::default();
        assert!(!off.wants(Span::from_millis(9_000)) && off.take().is_empty() && !off.is_full());
    }

    #[test]
    fn a_tenth_of_the_deadline_is_the_bound() {
        let settings = Settings { tick_ms: 2_000, ..Settings::default() };
        assert!(!wait(1, 1_000).is_long(&settings), "an idle follower answers a PING each second");
        assert!(wait(1, 1_001).is_long(&settings));
    }
}
