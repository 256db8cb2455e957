//! The present time on the monotonic clock, and its relation to the system clock.
//!
//! Deadlines use the monotonic clock. Frames carry the system time, which may be set at any time, by hand or
//! after a suspend. On Linux NTP adjusts the rate of both clocks equally, so their difference changes only in
//! steps. Times here are on a timeline that starts with the system time and advances steadily. A frame's
//! timestamp is converted to the timeline with the difference of its moment, and times are displayed in the
//! system time of their moment.

use crate::time::{Span, Timestamp};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Steps that are shorter are not told: reading two clocks takes a moment, and no deadline is this short.
const MIN_STEP: Span = Span::from_millis(250);
/// Both clocks are read within this time, or read again later.
const MAX_READING: Duration = Duration::from_millis(1);
/// Distances that are remembered, the present one among them.
const MAX_DISTANCES: usize = 8;
/// Steps that are remembered, for showing times.
const MAX_STEPS: usize = 64;

/// The system's time.
#[must_use]
pub fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_parts(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
}

/// A timeline: where it began, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    wall: Timestamp,
    monotonic: Instant,
}

impl Timeline {
    /// A timeline that begins now.
    #[must_use]
    pub fn start() -> Self {
        Self { wall: wall(), monotonic: Instant::now() }
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    fn at(&self, monotonic: Instant) -> Timestamp {
        let passed = monotonic.saturating_duration_since(self.monotonic);
        self.wall.plus(Span::from_nanos(i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// The system's clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSet {
    /// When it was last seen to be as before, on the timeline.
    pub before: Timestamp,
    /// When it was seen to be set.
    pub after: Timestamp,
    /// By how much, negative for back.
    pub by: Span,
}

/// How far the system's clock is ahead of the timeline, now and before.
#[derive(Clone, Debug)]
pub struct Distance {
    timeline: Timeline,
    /// The present one last.
    all: Vec<Span>,
    looked_at: Timestamp,
}

impl Distance {
    /// None yet: the timeline begins with the system's time.
    #[must_use]
    pub fn new(timeline: Timeline) -> Self {
        Self { timeline, all: vec![Span::ZERO], looked_at: timeline.wall }
    }

    /// Reads both clocks: whether the system's was set since the last time.
    pub fn look(&mut self) -> Option<ClockSet> {
        let began = Instant::now();
        let wall = wall();
        if began.elapsed() > MAX_READING {
            return None;
        }
        self.compare(wall, self.timeline.at(began))
    }

    /// Compares both clocks, read at once.
    fn compare(&mut self, wall: Timestamp, now: Timestamp) -> Option<ClockSet> {
        let before = std::mem::replace(&mut self.looked_at, now);
        let distance = wall.since(now);
        let present = self.all.last().copied().unwrap_or_default();
        let by = Span::from_nanos(distance.nanos().saturating_sub(present.nanos()));
        if by.nanos().unsigned_abs() < MIN_STEP.nanos().unsigned_abs() {
            return None;
        }
        if self.all.len() >= MAX_DISTANCES {
            self.all.remove(0);
        }
        self.all.push(distance);
        Some(ClockSet { before, after: now, by })
    }

    /// The present distance.
    #[must_use]
    pub fn now(&self) -> Span {
        self.all.last().copied().unwrap_or_default()
    }

    /// Puts a stamp on the timeline, by the distance that brings it next to the present: it may have been made before
    /// the clock was set, or on another host.
    #[must_use]
    pub fn place(&self, stamp: Timestamp, now: Timestamp) -> Timestamp {
        if let [only] = self.all.as_slice() {
            return stamp.minus(*only);
        }
        let placed = self.all.iter().map(|distance| stamp.minus(*distance));
        placed.min_by_key(|at| now.since(*at).nanos().unsigned_abs()).unwrap_or(stamp)
    }
}

/// How times of the timeline are shown: by the system's clock of their moment.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// From when on the system's clock is how far ahead.
    steps: Vec<(Timestamp, Span)>,
}

impl Shown {
    /// Notes that the clock was set.
    pub fn set(&mut self, step: &ClockSet) {
        let before = self.steps.last().map_or(Span::ZERO, |(_, ahead)| *ahead);
        if self.steps.len() >= MAX_STEPS {
            self.steps.remove(0);
        }
        let ahead = Span::from_nanos(before.nanos().saturating_add(step.by.nanos()));
        self.steps.push((step.after, ahead));
    }

    /// Whether times are shown as they are.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.steps.is_empty()
    }

    /// The system's time at a time of the timeline.
    #[must_use]
    pub fn at(&self, time: Timestamp) -> Timestamp {
        let ahead = self.steps.iter().rev().find(|(from, _)| *from <= time);
        ahead.map_or(time, |(_, ahead)| time.plus(*ahead))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_parts(1_000_000, 0).plus(Span::from_millis(millis))
    }

    fn distance() -> Distance {
        Distance::new(Timeline { wall: at(0), monotonic: Instant::now() })
    }

    #[test]
    fn a_clock_that_is_set_is_seen_and_nothing_else() {
        let mut distance = distance();
        for ms in 1..1_000 {
            assert_eq!(distance.compare(at(ms).plus(Span::from_micros(ms)), at(ms)), None);
        }
        let set = distance.compare(at(1_000 - 600_000), at(1_000)).unwrap();
        assert_eq!((set.before, set.after, set.by), (at(999), at(1_000), Span::from_millis(-600_000)));
        assert_eq!(distance.compare(at(1_001 - 600_000), at(1_001)), None);
        let set = distance.compare(at(3_000), at(3_000)).unwrap();
        assert_eq!(set.by, Span::from_millis(600_000));
    }

    #[test]
    fn stamps_go_on_steadily_over_steps() {
        let mut distance = distance();
        assert_eq!(distance.place(at(10), at(11)), at(10));
        distance.compare(at(1_000 - 600_000), at(1_000));
        assert_eq!(distance.place(at(1_001 - 600_000), at(1_002)), at(1_001));
        assert_eq!(distance.place(at(999), at(1_002)), at(999), "it was captured just before");
        distance.compare(at(5_000), at(5_000));
        assert_eq!(distance.place(at(5_000), at(5_001)), at(5_000));
        for hour in 0..100 {
            distance.compare(at(6_000 + hour * 3_600_000), at(6_000 + hour));
        }
        assert!(distance.all.len() <= MAX_DISTANCES);
    }

    #[test]
    fn times_are_shown_by_the_clock_of_their_moment() {
        let mut shown = Shown::default();
        assert_eq!((shown.is_plain(), shown.at(at(5))), (true, at(5)));
        shown.set(&ClockSet { before: at(9), after: at(10), by: Span::from_millis(-600_000) });
        shown.set(&ClockSet { before: at(19), after: at(20), by: Span::from_millis(1_000) });
        assert_eq!(shown.at(at(9)), at(9));
        assert_eq!(shown.at(at(10)), at(10 - 600_000));
        assert_eq!(shown.at(at(25)), at(25 - 599_000));
    }
}
