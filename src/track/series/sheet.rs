//! The intervals of one link.

use super::histogram::{OpenHistogram, SparseHistogram};
use super::{MAX_CELLS, MAX_INTERVALS, MAX_NOTED_TRIPS, MAX_NOTED_WAITS, Trip, WIDTH};
use crate::dissect::{Direction, PerDirection};
use crate::findings::Deadline;
use crate::findings::series::Interval;
use crate::time::{Span, Timestamp};
use std::iter;

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
    fn is_empty(&self) -> bool {
        let none = PerDirection::default();
        self.waits.iter().all(Option::is_none)
            && self.trips.iter().all(|trips| trips.len() == 0)
            && self.records == none
            && self.retransmits == none
            && self.missing == none
            && self.sessions.is_none()
    }

    fn merge(&mut self, other: Self) {
        self.waits.iter_mut().zip(other.waits).for_each(|(own, other)| *own = (*own).max(other));
        self.trips.iter_mut().zip(other.trips).for_each(|(own, other)| own.merge(other));
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

/// A wait over several intervals: in each of them it had lasted for so long.
#[derive(Clone, Copy, Debug)]
struct LongWait {
    deadline: Deadline,
    start: Timestamp,
    end: Timestamp,
}

/// A round trip, in 16 bytes.
#[derive(Clone, Copy, Debug)]
struct NotedTrip {
    at: Timestamp,
    /// How long it took, 71 minutes at most.
    us: u32,
    trip: Trip,
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
    /// The intervals before the open one in which something happened, by number, in order.
    before: Vec<(i64, IntervalCounts)>,
    /// Waits that stand in the interval of their end, and not yet in those before it: the wider these are by then,
    /// the fewer there are to write to.
    long_waits: Vec<LongWait>,
    /// Round trips that stand in no interval yet, for the same reason.
    noted_trips: Vec<NotedTrip>,
    /// Cells of all histograms.
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
            before: Vec::new(),
            long_waits: Vec::new(),
            noted_trips: Vec::new(),
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

    /// The number of the first interval, and of the one behind the last, if they were as wide as that: a multiple of
    /// its width.
    pub(super) fn extent_at(&self, width: Span) -> (i64, i64) {
        let factor = self.factor(width);
        let last = self.open_at.unwrap_or(0);
        (self.first().div_euclid(factor), last.div_euclid(factor).saturating_add(1))
    }

    /// The number of the first interval.
    fn first(&self) -> i64 {
        self.before.first().map_or(self.open_at.unwrap_or(0), |(first, _)| *first)
    }

    /// All intervals, once it is sealed: none is left out, in which nothing happened either.
    pub(super) fn intervals(mut self, with_buckets: bool) -> Vec<Interval> {
        self.share_out();
        let Some(last) = self.open_at else { return Vec::new() };
        let mut happened = self.before.iter().map(|(index, counts)| (*index, counts)).peekable();
        let shown = (self.first()..last).map(|index| {
            let counts = happened.next_if(|(other, _)| *other == index);
            counts.map(|(_, counts)| counts.shown(with_buckets)).unwrap_or_default()
        });
        shown.chain([self.open.shown(with_buckets)]).collect()
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
        if self.noted_trips.len() >= MAX_NOTED_TRIPS {
            self.share_out_trips();
        }
        self.noted_trips.push(NotedTrip { at, us: u32::try_from(us).unwrap_or(u32::MAX), trip });
    }

    #[inline(always)]
    pub(super) fn wait(&mut self, deadline: Deadline, start: Timestamp, len: Span) {
        if self.is_open(start) && self.is_open(start.plus(len)) {
            self.open.wait(deadline, len);
        } else {
            self.long_wait(deadline, start, len);
        }
    }

    /// Whether a wait changes nothing: it lies in the open interval, which has one at least as long.
    #[inline(always)]
    pub(super) fn has_longer(&self, deadline: Deadline, start: Timestamp, end: Timestamp) -> bool {
        self.from <= start
            && end < self.to
            && self
                .open
                .waits
                .get(deadline as usize)
                .is_some_and(|longest| *longest >= Some(end.since(start)))
    }

    /// A wait over several intervals.
    fn long_wait(&mut self, deadline: Deadline, start: Timestamp, len: Span) {
        let end = start.plus(len);
        self.at(end).wait(deadline, len);
        if self.long_waits.len() >= MAX_NOTED_WAITS {
            self.share_out_waits();
        }
        self.long_waits.push(LongWait { deadline, start, end });
    }

    /// Puts into the intervals what is only noted.
    fn share_out(&mut self) {
        self.share_out_trips();
        self.share_out_waits();
    }

    /// Counts the round trips in the intervals of their ends.
    #[cold]
    fn share_out_trips(&mut self) {
        let noted = std::mem::take(&mut self.noted_trips);
        let Some(first) = noted.first() else { return };
        let mut open: [OpenHistogram; 3] = Default::default();
        let (mut from, mut to) = self.interval_of(first.at);
        let mut last = first.at;
        for noted in &noted {
            if !(from <= noted.at && noted.at < to) {
                self.count_trips(last, &mut open);
                (from, to) = self.interval_of(noted.at);
            }
            last = noted.at;
            if let Some(open) = open.get_mut(noted.trip as usize) {
                open.record(noted.us.into());
            }
        }
        self.count_trips(last, &mut open);
    }

    /// Counts round trips in the interval of a time.
    fn count_trips(&mut self, at: Timestamp, open: &mut [OpenHistogram; 3]) {
        let counts = self.at(at);
        let mut more = 0;
        for (open, sparse) in open.iter_mut().zip(&mut counts.trips).filter(|(open, _)| !open.is_empty()) {
            let had = sparse.len();
            open.drain_into(sparse);
            more += sparse.len() - had;
        }
        self.cells += more;
    }

    /// Writes the long waits to all intervals that they lasted in.
    #[cold]
    fn share_out_waits(&mut self) {
        if self.long_waits.is_empty() {
            return;
        }
        self.fill_holes();
        for wait in std::mem::take(&mut self.long_waits) {
            self.write_long_wait(wait);
        }
    }

    fn write_long_wait(&mut self, LongWait { deadline, start, end }: LongWait) {
        let first = self.first();
        let (mut index, from) = (self.index(end), self.index(start).max(first));
        while index > from {
            let so_far = self.start_of(index).since(start);
            index -= 1;
            // There are no holes.
            let place = usize::try_from(index - first).unwrap_or(usize::MAX);
            let counts = self.before.get_mut(place).map_or(&mut self.open, |(_, counts)| counts);
            let Some(longest) = counts.waits.get_mut(deadline as usize) else { return };
            // A longer one has been here, and in all before.
            if *longest >= Some(so_far) {
                return;
            }
            *longest = Some(so_far);
        }
    }

    /// Makes the intervals in which nothing happened.
    fn fill_holes(&mut self) {
        let Some(last) = self.open_at else { return };
        let first = self.first();
        let all = usize::try_from(last.saturating_sub(first)).unwrap_or(0);
        if self.before.len() == all {
            return;
        }
        let mut filled = Vec::with_capacity(all);
        let mut happened = self.before.drain(..).peekable();
        for index in first..last {
            let counts = happened.next_if(|(other, _)| *other == index);
            filled.push(counts.unwrap_or((index, IntervalCounts::default())));
        }
        drop(happened);
        self.before = filled;
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
        self.share_out_waits();
        let (from, to) = (self.index(from), self.index(to));
        // Of a long capture it is the last few of many.
        let begins = self.before.partition_point(|(index, _)| *index < from);
        let open = self.open_at.map(|index| (index, &mut self.open));
        let before = self.before.get_mut(begins..).unwrap_or_default().iter_mut();
        let later = before.map(|(index, counts)| (*index, counts)).chain(open);
        for (_, counts) in later.filter(|(index, _)| (from..=to).contains(index)) {
            if let Some(longest) = counts.waits.get_mut(deadline as usize) {
                *longest = None;
            }
        }
    }

    /// Nothing more will come.
    pub(super) fn seal(&mut self) {
        self.before.shrink_to_fit();
        self.noted_trips.shrink_to_fit();
        self.long_waits.shrink_to_fit();
    }

    /// Bytes of memory that it takes.
    pub(super) fn held_bytes(&self) -> usize {
        self.before.capacity() * size_of::<(i64, IntervalCounts)>()
            + self.long_waits.capacity() * size_of::<LongWait>()
            + self.noted_trips.capacity() * size_of::<NotedTrip>()
            + self.cells * size_of::<(u16, u32)>()
    }

    /// Takes at most about so many bytes.
    pub(super) fn keep_within(&mut self, bytes: usize) {
        if self.held_bytes() > bytes {
            self.share_out();
        }
        while self.held_bytes() > bytes && self.before.len() > FEW {
            self.widen_by(2);
            self.before.shrink_to_fit();
        }
    }

    /// Makes its intervals as wide as that: a multiple of their width.
    pub(super) fn widen_to(&mut self, width: Span) {
        let factor = self.factor(width);
        if factor > 1 {
            self.widen_by(factor);
        }
    }

    /// How many of its intervals are as wide as that.
    fn factor(&self, width: Span) -> i64 {
        (width.nanos() / self.width.nanos()).max(1)
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
        while self.index(at).saturating_sub(self.first()) >= MAX_INTERVALS as i64 || self.cells > MAX_CELLS {
            self.widen_by(2);
        }
        let (index, last) = (self.index(at), self.open_at.unwrap_or(0));
        if index > last && !self.open.is_empty() {
            self.before.push((last, std::mem::take(&mut self.open)));
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
            self.widen_by(2);
        }
        let index = self.index(at);
        if self.open_at == Some(index) {
            return &mut self.open;
        }
        let place = self.before.partition_point(|(other, _)| *other < index);
        if self.before.get(place).is_none_or(|(other, _)| *other != index) {
            self.before.insert(place, (index, IntervalCounts::default()));
        }
        self.before.get_mut(place).map_or(&mut self.open, |(_, counts)| counts)
    }

    /// Makes one interval of so many.
    fn widen_by(&mut self, factor: i64) {
        self.width = self.width.times(factor);
        let Some(last) = self.open_at else { return };
        let mut wide: Vec<(i64, IntervalCounts)> = Vec::new();
        let open = (last, std::mem::take(&mut self.open));
        for (index, counts) in self.before.drain(..).chain(iter::once(open)) {
            let index = index.div_euclid(factor);
            match wide.last_mut().filter(|(same, _)| *same == index) {
                Some((_, own)) => own.merge(counts),
                None => wide.push((index, counts)),
            }
        }
        self.open = wide.pop().map(|(_, counts)| counts).unwrap_or_default();
        self.cells =
            wide.iter().map(|(_, counts)| counts).chain([&self.open]).map(IntervalCounts::cells).sum();
        self.before = wide;
        self.set_open(last.div_euclid(factor));
    }
}
