//! The intervals of one link.

use super::histogram::{OpenHistogram, SparseHistogram};
use super::{MAX_CELLS, MAX_INTERVALS, Trip, WIDTH};
use crate::dissect::{Direction, PerDirection};
use crate::findings::Deadline;
use crate::findings::series::Interval;
use crate::time::{Span, Timestamp};
use std::collections::VecDeque;

/// No width makes fewer of them: those of all representable times.
pub(super) const FEW: usize = 4;

/// What is counted in an interval.
#[derive(Clone, Debug, Default)]
struct IntervalCounts {
    waits: [Option<Span>; Deadline::ALL.len()],
    trips: [SparseHistogram; 3],
    records: PerDirection<u64>,
    proposals: u64,
    retransmits: PerDirection<u64>,
    missing: PerDirection<u64>,
    sessions: Option<u64>,
}

impl IntervalCounts {
    fn merge(&mut self, other: &Self) {
        self.waits.iter_mut().zip(other.waits).for_each(|(own, other)| *own = (*own).max(other));
        self.trips.iter_mut().zip(&other.trips).for_each(|(own, other)| own.merge(other));
        let sums = [
            (&mut self.records, &other.records),
            (&mut self.retransmits, &other.retransmits),
            (&mut self.missing, &other.missing),
        ];
        for (own, other) in sums {
            own.to_leader = own.to_leader.saturating_add(other.to_leader);
            own.to_learner = own.to_learner.saturating_add(other.to_learner);
        }
        self.proposals = self.proposals.saturating_add(other.proposals);
        self.sessions = self.sessions.max(other.sessions);
    }

    fn cells(&self) -> usize {
        self.trips.iter().map(SparseHistogram::len).sum()
    }

    fn wait(&mut self, deadline: Deadline, len: Span) {
        if let Some(longest) = self.waits.get_mut(deadline as usize) {
            *longest = (*longest).max(Some(len));
        }
    }

    fn shown(&self, with_buckets: bool) -> Interval {
        let [ping, ack, commit] = &self.trips;
        let buckets = if with_buckets {
            self.trips.each_ref().map(SparseHistogram::buckets)
        } else {
            Default::default()
        };
        Interval {
            waits: self.waits,
            ping: ping.trips(),
            ack: ack.trips(),
            commit: commit.trips(),
            records: self.records,
            proposals: self.proposals,
            retransmits: self.retransmits,
            missing: self.missing,
            sessions: self.sessions,
            buckets,
        }
    }
}

/// The intervals of a link. The latest one is open; what comes late goes to those before.
#[derive(Clone, Debug)]
pub struct Sheet {
    width: Span,
    /// The number of the open interval: its start in widths since 1970. `None` where there is none yet.
    open_at: Option<i64>,
    /// The times of the open interval; none where there is none.
    from: Timestamp,
    to: Timestamp,
    open: IntervalCounts,
    /// Round trips of the open interval, in the order of [`Trip`].
    trips: [OpenHistogram; 3],
    /// The intervals before the open one, without holes.
    before: VecDeque<IntervalCounts>,
    cells: usize,
}

impl Default for Sheet {
    fn default() -> Self {
        Self {
            width: WIDTH,
            open_at: None,
            from: Timestamp::MAX,
            to: Timestamp::MIN,
            open: IntervalCounts::default(),
            trips: Default::default(),
            before: VecDeque::new(),
            cells: 0,
        }
    }
}

impl Sheet {
    pub(super) const fn width(&self) -> Span {
        self.width
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.open_at.is_none()
    }

    /// How many intervals there are.
    pub(super) fn len(&self) -> usize {
        self.before.len() + usize::from(self.open_at.is_some())
    }

    /// The number of the first interval.
    pub(super) fn first(&self) -> i64 {
        self.open_at.unwrap_or(0).saturating_sub_unsigned(self.before.len() as u64)
    }

    /// All intervals, once it is sealed.
    pub(super) fn intervals(&self, with_buckets: bool) -> Vec<Interval> {
        let all = self.before.iter().chain(self.open_at.map(|_| &self.open));
        all.map(|counts| counts.shown(with_buckets)).collect()
    }

    #[inline(always)]
    pub(super) fn record(&mut self, at: Timestamp, direction: Direction, is_write: bool) {
        let counts = self.at(at);
        *counts.records.of_mut(direction) += 1;
        counts.proposals += u64::from(is_write);
    }

    /// The interval of a time, its end not included.
    pub(super) fn interval_of(&self, at: Timestamp) -> (Timestamp, Timestamp) {
        let index = self.index(at);
        (self.start_of(index), self.start_of(index.saturating_add(1)))
    }

    /// What was gathered in the interval of a time.
    pub(super) fn add(
        &mut self,
        at: Timestamp,
        records: &PerDirection<u64>,
        proposals: u64,
        waits: [Option<Span>; Deadline::ALL.len()],
    ) {
        let counts = self.at(at);
        counts.records.to_leader += records.to_leader;
        counts.records.to_learner += records.to_learner;
        counts.proposals += proposals;
        counts.waits.iter_mut().zip(waits).for_each(|(own, other)| *own = (*own).max(other));
    }

    #[inline(always)]
    pub(super) fn trip(&mut self, trip: Trip, at: Timestamp, us: u64) {
        if !self.is_open(at) {
            self.open_at(at);
        }
        if self.is_open(at) {
            if let Some(open) = self.trips.get_mut(trip as usize) {
                open.record(us);
            }
        } else {
            self.cells += 1;
            if let Some(histogram) = self.late(at).trips.get_mut(trip as usize) {
                histogram.record(us);
            }
        }
    }

    #[inline(always)]
    pub(super) fn wait(&mut self, deadline: Deadline, start: Timestamp, len: Span) {
        if self.is_open(start) && self.is_open(start.plus(len)) {
            self.open.wait(deadline, len);
        } else {
            self.long_wait(deadline, start, len);
        }
    }

    /// A wait over several intervals: in each of them it had lasted for so long.
    fn long_wait(&mut self, deadline: Deadline, start: Timestamp, len: Span) {
        let end = start.plus(len);
        self.at(end).wait(deadline, len);
        let (mut index, first) = (self.index(end), self.index(start).max(self.first()));
        while index > first {
            let so_far = self.start_of(index).since(start);
            index -= 1;
            let Some(longest) = self.of(index).and_then(|counts| counts.waits.get_mut(deadline as usize))
            else {
                continue;
            };
            // A longer one has been here, and in all before.
            if *longest >= Some(so_far) {
                return;
            }
            *longest = Some(so_far);
        }
    }

    pub(super) fn retransmitted(&mut self, direction: Direction, at: Timestamp) {
        *self.at(at).retransmits.of_mut(direction) += 1;
    }

    pub(super) fn missing(&mut self, direction: Direction, at: Timestamp, len: u64) {
        let missing = self.at(at).missing.of_mut(direction);
        *missing = missing.saturating_add(len);
    }

    pub(super) fn sessions(&mut self, at: Timestamp, count: u64) {
        let counts = self.at(at);
        counts.sessions = counts.sessions.max(Some(count));
    }

    /// Forgets the waits for a deadline in a stretch of time.
    pub(super) fn take_back(&mut self, deadline: Deadline, from: Timestamp, to: Timestamp) {
        let (from, to, first) = (self.index(from), self.index(to), self.first());
        // Of a long capture it is the last few of many.
        let skipped = usize::try_from(from.saturating_sub(first)).unwrap_or(0).min(self.before.len());
        let begins = first.saturating_add_unsigned(skipped as u64);
        for (index, counts) in (begins..).zip(self.before.range_mut(skipped..).chain([&mut self.open])) {
            if index > to {
                break;
            }
            if index >= from
                && let Some(longest) = counts.waits.get_mut(deadline as usize)
            {
                *longest = None;
            }
        }
    }

    /// Nothing more will come: the open interval is as the others.
    pub(super) fn seal(&mut self) {
        self.gather();
        self.trips.iter_mut().for_each(OpenHistogram::close);
        self.before.shrink_to_fit();
    }

    /// Bytes of memory that it takes.
    pub(super) fn held_bytes(&self) -> usize {
        self.before.capacity() * size_of::<IntervalCounts>() + self.cells * size_of::<(u16, u32)>()
    }

    /// Takes at most about so many bytes.
    pub(super) fn keep_within(&mut self, bytes: usize) {
        while self.held_bytes() > bytes && self.before.len() > FEW {
            self.widen();
            self.before.shrink_to_fit();
        }
    }

    /// Makes its intervals as wide as that.
    pub(super) fn widen_to(&mut self, width: Span) {
        while self.width < width {
            self.widen();
        }
    }

    fn index(&self, at: Timestamp) -> i64 {
        at.nanos().div_euclid(self.width.nanos())
    }

    fn start_of(&self, index: i64) -> Timestamp {
        Timestamp::from_nanos(index.saturating_mul(self.width.nanos()))
    }

    #[inline(always)]
    fn is_open(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// The interval of a time.
    #[inline(always)]
    fn at(&mut self, at: Timestamp) -> &mut IntervalCounts {
        if !self.is_open(at) {
            self.open_at(at);
            if !self.is_open(at) {
                return self.late(at);
            }
        }
        &mut self.open
    }

    /// Opens the interval of a time, if it comes after the open one.
    #[cold]
    fn open_at(&mut self, at: Timestamp) {
        let Some(last) = self.open_at else {
            self.set_open(self.index(at));
            return;
        };
        if self.index(at) <= last {
            return;
        }
        self.gather();
        while self.index(at).saturating_sub(self.first()) >= MAX_INTERVALS as i64 || self.cells > MAX_CELLS {
            self.widen();
        }
        let (index, last) = (self.index(at), self.open_at.unwrap_or(0));
        if index > last {
            self.before.push_back(std::mem::take(&mut self.open));
            (last + 1..index).for_each(|_| self.before.push_back(IntervalCounts::default()));
        }
        self.set_open(index);
    }

    fn set_open(&mut self, index: i64) {
        self.open_at = Some(index);
        self.from = self.start_of(index);
        self.to = self.start_of(index.saturating_add(1));
    }

    /// The interval of a time before the open one.
    #[cold]
    fn late(&mut self, at: Timestamp) -> &mut IntervalCounts {
        while self.open_at.unwrap_or(0).saturating_sub(self.index(at)) >= MAX_INTERVALS as i64 {
            self.widen();
        }
        let index = self.index(at);
        while index < self.first() {
            self.before.push_front(IntervalCounts::default());
        }
        let place = usize::try_from(index - self.first()).unwrap_or(0);
        self.before.get_mut(place).unwrap_or(&mut self.open)
    }

    /// An interval that there is.
    fn of(&mut self, index: i64) -> Option<&mut IntervalCounts> {
        if Some(index) == self.open_at {
            return Some(&mut self.open);
        }
        let place = usize::try_from(index.checked_sub(self.first())?).ok()?;
        self.before.get_mut(place)
    }

    /// Moves the round trips of the open interval to it.
    fn gather(&mut self) {
        let had = self.open.cells();
        for (open, sparse) in self.trips.iter_mut().zip(&mut self.open.trips) {
            open.drain_into(sparse);
        }
        self.cells += self.open.cells() - had;
    }

    /// Makes one interval of two.
    fn widen(&mut self) {
        let Some(last) = self.open_at else {
            self.width = self.width.times(2);
            return;
        };
        self.gather();
        let first = self.first();
        let mut wide: VecDeque<(i64, IntervalCounts)> = VecDeque::with_capacity(self.before.len() / 2 + 2);
        let all = self.before.drain(..).chain([std::mem::take(&mut self.open)]);
        for (index, counts) in (first..).zip(all) {
            match wide.back_mut() {
                Some((half, own)) if *half == index.div_euclid(2) => own.merge(&counts),
                _ => wide.push_back((index.div_euclid(2), counts)),
            }
        }
        self.width = self.width.times(2);
        self.open = wide.pop_back().map(|(_, counts)| counts).unwrap_or_default();
        self.before = wide.into_iter().map(|(_, counts)| counts).collect();
        self.cells = self.before.iter().chain([&self.open]).map(IntervalCounts::cells).sum();
        self.set_open(last.div_euclid(2));
    }
}
