//! Round trips of appends: from entries to the answer that has them.
//!
//! Answers are cumulative: one names the last index that its sender has, and stands for all before. Each Ready of
//! raft's sends the last one only (`etcdserver/raft.go processMessages`). Where the cut hides the index, an answer is
//! taken for one of entries only where nothing else of the leader's waits for one.

use crate::time::{Span, Timestamp};
use std::collections::VecDeque;

/// What waits for an answer, at most.
const MAX_OPEN: usize = 4_096;
/// How long after answers that could be to several things the next one without an index is not counted: they follow
/// each other within a round trip.
const MURKY_FOR: Span = Span::from_millis(50);

/// What a leader sent to a follower and waits for.
#[derive(Clone, Debug, Default)]
pub(super) struct Appends {
    open: VecDeque<SentAppend>,
    /// Whether an answer's index was ever captured: else the cut hides all.
    sees_indices: bool,
    /// When it was last not clear what an answer was to.
    murky: Option<Timestamp>,
    /// Appends of which that is not clear.
    unclear: u64,
}

#[derive(Clone, Copy, Debug)]
struct SentAppend {
    at: Timestamp,
    /// Its last entry.
    index: Option<u64>,
    /// Whether it has entries; one without is answered too.
    has_entries: bool,
}

impl Appends {
    /// Appends that were answered in sight, but not so that it is clear by which answer.
    pub(super) const fn unclear(&self) -> u64 {
        self.unclear
    }

    /// The leader sent entries up to `index`, or its commit index alone.
    pub(super) fn sent(&mut self, at: Timestamp, has_entries: bool, index: Option<u64>) {
        if self.open.len() >= MAX_OPEN {
            self.give_up(at);
        }
        self.open.push_back(SentAppend { at, index, has_entries });
    }

    /// What lies in a stream that ends is answered by nobody.
    pub(super) fn ends(&mut self, at: Timestamp) {
        self.open.clear();
        self.murky = Some(at);
    }

    /// The cut hides what it was, and so what was answered.
    pub(super) fn hidden(&mut self, at: Timestamp) {
        if self.sees_indices {
            self.murky = Some(at);
        } else {
            self.give_up(at);
        }
    }

    fn give_up(&mut self, at: Timestamp) {
        self.unclear += self.open.iter().filter(|sent| sent.has_entries).count() as u64;
        self.ends(at);
    }

    /// An answer with that index, if it was captured: how long each of the appends took that it has.
    pub(super) fn answered(&mut self, at: Timestamp, index: Option<u64>) -> Vec<Span> {
        let mut trips = Vec::new();
        let Some(index) = index else {
            trips.extend(self.answered_unseen(at));
            return trips;
        };
        self.sees_indices = true;
        while let Some(first) = self.open.front() {
            // An answer that the cut hid may have had it.
            let is_murky = self.murky.is_some_and(|murky| murky >= first.at);
            match first.index {
                Some(sent) if first.has_entries && sent > index => break,
                Some(_) if first.has_entries && !is_murky => trips.push(at.since(first.at)),
                _ => self.unclear += u64::from(first.has_entries),
            }
            self.open.pop_front();
        }
        trips
    }

    /// An answer without its index is to what waits alone.
    fn answered_unseen(&mut self, at: Timestamp) -> Option<Span> {
        let is_murky = |sent: Timestamp| self.murky.is_some_and(|murky| sent.since(murky) < MURKY_FOR);
        match self.open.make_contiguous() {
            [] if is_murky(at) => self.murky = Some(at),
            [] => {}
            [only] if !is_murky(only.at) => {
                let trip = only.has_entries.then(|| at.since(only.at));
                self.open.clear();
                return trip;
            }
            _ => self.hidden(at),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    fn ms(trips: Vec<Span>) -> Vec<u64> {
        trips.into_iter().map(Span::millis).collect()
    }

    #[test]
    fn the_last_answer_counts_for_all_before() {
        let mut appends = Appends::default();
        for (sent, index) in [(0, 7), (10, 8), (20, 11)] {
            appends.sent(at(sent), true, Some(index));
        }
        appends.sent(at(25), false, None);
        assert_eq!(ms(appends.answered(at(30), Some(8))), [30, 20]);
        // One to a stale leader names nothing.
        assert_eq!(ms(appends.answered(at(31), Some(0))), [0; 0]);
        assert_eq!(ms(appends.answered(at(40), Some(11))), [20]);
        assert_eq!(ms(appends.answered(at(41), Some(11))), [0; 0]);
    }

    #[test]
    fn without_an_index_only_what_is_clear_counts() {
        let mut appends = Appends::default();
        appends.sent(at(0), true, Some(7));
        assert_eq!(ms(appends.answered(at(3), None)), [3]);
        // A commit alone is answered too, and is no append.
        appends.sent(at(4), false, None);
        assert_eq!(ms(appends.answered(at(5), None)), [0; 0]);
        // Two things wait: whichever is answered, and what soon follows, is not counted.
        appends.sent(at(100), true, Some(8));
        appends.sent(at(101), false, None);
        assert_eq!(ms(appends.answered(at(103), None)), [0; 0]);
        appends.sent(at(104), true, Some(9));
        assert_eq!(ms(appends.answered(at(105), None)), [0; 0]);
        appends.sent(at(200), true, Some(10));
        assert_eq!(ms(appends.answered(at(209), None)), [9]);
        assert_eq!(appends.unclear(), 2);
    }

    #[test]
    fn what_a_hidden_answer_may_have_had_is_not_counted() {
        let mut appends = Appends::default();
        appends.sent(at(0), true, Some(7));
        assert_eq!(ms(appends.answered(at(1), Some(7))), [1]);
        appends.sent(at(100), true, Some(8));
        appends.sent(at(150), true, Some(9));
        appends.hidden(at(200));
        appends.sent(at(210), true, Some(10));
        assert_eq!(ms(appends.answered(at(240), Some(10))), [30]);
        assert_eq!(appends.unclear(), 2);
    }

    #[test]
    fn what_is_never_answered_is_bounded() {
        let mut appends = Appends::default();
        for index in 0..10_000 {
            appends.sent(at(0), true, Some(index));
        }
        assert!(appends.open.len() <= MAX_OPEN, "{}", appends.open.len());
        assert_eq!(appends.unclear() + appends.open.len() as u64, 10_000);
    }
}
