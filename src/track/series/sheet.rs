//! The intervals of one link.

use super::histogram::OpenHistogram;
use super::interval::{IntervalCounts, LongestWaits, Peak, TripStores};
use super::{MAX_CELLS, MAX_INTERVALS, MAX_NOTED_TRIPS, MAX_NOTED_WAITS, NOTED_AT_ONCE, Trip, WIDTH};
use crate::dissect::{Direction, PerDirection};
use crate::findings::Deadline;
use crate::findings::series::Interval;
use crate::time::{Span, Timestamp};

/// No width makes fewer of them: those of all representable times.
pub(super) const FEW: usize = 4;

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

/// Round trips, in the order in which they were noted. They are not moved as they become more.
#[derive(Clone, Debug, Default)]
struct TripLog {
    full: Vec<Vec<NotedTrip>>,
    last: Vec<NotedTrip>,
}

impl TripLog {
    /// Takes one more. Whether there is room for another.
    #[inline(always)]
    fn push(&mut self, trip: NotedTrip) -> bool {
        if self.last.len() == self.last.capacity() {
            self.go_on();
        }
        self.last.push(trip);
        self.last.len() < NOTED_AT_ONCE || self.full.len() + 1 < MAX_NOTED_TRIPS / NOTED_AT_ONCE
    }

    #[cold]
    fn go_on(&mut self) {
        let last = std::mem::replace(&mut self.last, Vec::with_capacity(NOTED_AT_ONCE));
        if !last.is_empty() {
            self.full.push(last);
        }
    }

    fn iter(&self) -> impl Iterator<Item = &NotedTrip> {
        self.full.iter().flatten().chain(&self.last)
    }

    fn shrink(&mut self) {
        self.last.shrink_to_fit();
    }

    /// Bytes of memory that it takes.
    fn held_bytes(&self) -> usize {
        (self.full.len() * NOTED_AT_ONCE + self.last.capacity()) * size_of::<NotedTrip>()
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
    /// From one to the other, in nanoseconds.
    open_len: u64,
    open: IntervalCounts,
    /// The intervals before the open one in which something happened, by number, in order.
    before: Vec<(i64, IntervalCounts)>,
    /// Waits that stand in the interval of their end, and not yet in those before it: the wider these are by then,
    /// the fewer there are to write to.
    long_waits: Vec<LongWait>,
    /// Round trips that stand in no interval yet, for the same reason.
    noted_trips: TripLog,
    /// The others.
    trips: TripStores,
}

impl Default for Sheet {
    fn default() -> Self {
        Self {
            width: WIDTH,
            open_at: None,
            from: Timestamp::MAX,
            to: Timestamp::MIN,
            open_len: 0,
            open: IntervalCounts::default(),
            before: Vec::new(),
            long_waits: Vec::new(),
            noted_trips: TripLog::default(),
            trips: TripStores::default(),
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
        let trips = &self.trips;
        let mut happened = self.before.iter().map(|(index, counts)| (*index, counts)).peekable();
        let shown = (self.first()..last).map(|index| {
            let counts = happened.next_if(|(other, _)| *other == index);
            counts.map(|(_, counts)| trips.shown(counts, with_buckets)).unwrap_or_default()
        });
        shown.chain([trips.shown(&self.open, with_buckets)]).collect()
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
        waits: LongestWaits,
    ) {
        self.at(at).add(records, proposals, waits);
    }

    #[inline(always)]
    pub(super) fn trip(&mut self, trip: Trip, at: Timestamp, us: u64) {
        if !self.is_open(at) {
            self.open_at(at);
        }
        if !self.noted_trips.push(NotedTrip { at, us: u32::try_from(us).unwrap_or(u32::MAX), trip }) {
            self.share_out_trips();
        }
    }

    #[inline(always)]
    pub(super) fn wait(&mut self, deadline: Deadline, start: Timestamp, len: Span) {
        if self.is_open(start) && self.is_open(start.plus(len)) {
            self.open.wait(deadline, Peak::of_span(len));
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
                .is_some_and(|longest| *longest >= Peak::of_span(end.since(start)))
    }

    /// A wait over several intervals.
    fn long_wait(&mut self, deadline: Deadline, start: Timestamp, len: Span) {
        let end = start.plus(len);
        self.at(end).wait(deadline, Peak::of_span(len));
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
        let Some(first) = noted.iter().next() else { return };
        self.trips.reserve(noted.iter().count());
        let mut open: [OpenHistogram; 3] = Default::default();
        let (mut from, mut to) = self.interval_of(first.at);
        let mut last = first.at;
        for noted in noted.iter() {
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
        if self.trips.are_wasteful() {
            self.widen_by(1);
        }
    }

    /// Counts round trips in the interval of a time.
    fn count_trips(&mut self, at: Timestamp, open: &mut [OpenHistogram; 3]) {
        let place = if self.is_open(at) { None } else { self.late(at) };
        let counts = place.and_then(|place| self.before.get_mut(place)).map(|(_, counts)| counts);
        self.trips.drain(open, counts.unwrap_or(&mut self.open));
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
            let so_far = Peak::of_span(self.start_of(index).since(start));
            index -= 1;
            // There are no holes.
            let place = usize::try_from(index - first).unwrap_or(usize::MAX);
            let counts = self.before.get_mut(place).map_or(&mut self.open, |(_, counts)| counts);
            let Some(longest) = counts.waits.get_mut(deadline as usize) else { return };
            // A longer one has been here, and in all before.
            if *longest >= so_far {
                return;
            }
            *longest = so_far;
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
        let retransmits = self.at(at).retransmits().of_mut(direction);
        *retransmits = retransmits.saturating_add(1);
    }

    pub(super) fn missing(&mut self, direction: Direction, at: Timestamp, len: u64) {
        let missing = self.at(at).missing().of_mut(direction);
        *missing = missing.saturating_add(len);
    }

    pub(super) fn sessions(&mut self, at: Timestamp, count: u64) {
        self.at(at).sessions(count);
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
                *longest = Peak::default();
            }
        }
    }

    /// Nothing more will come.
    pub(super) fn seal(&mut self) {
        self.trips.shrink();
        self.before.shrink_to_fit();
        self.noted_trips.shrink();
        self.long_waits.shrink_to_fit();
    }

    /// Bytes of memory that it takes.
    pub(super) fn held_bytes(&self) -> usize {
        self.before.capacity() * (size_of::<i64>() + IntervalCounts::MAX_BYTES)
            + self.long_waits.capacity() * size_of::<LongWait>()
            + self.noted_trips.held_bytes()
            + self.trips.held_bytes()
    }

    /// Takes at most about so many bytes.
    pub(super) fn keep_within(&mut self, bytes: usize) {
        if self.held_bytes() > bytes {
            self.share_out();
            self.trips.shrink();
        }
        while self.held_bytes() > bytes && self.before.len() > FEW {
            self.widen_by(2);
            self.trips.shrink();
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
        // One comparison for both ends: what is before the first is very far behind it.
        at.nanos().wrapping_sub(self.from.nanos()).cast_unsigned() < self.open_len
    }

    /// The interval of a time.
    #[inline(always)]
    fn at(&mut self, at: Timestamp) -> &mut IntervalCounts {
        if !self.is_open(at) {
            self.open_at(at);
            if !self.is_open(at) {
                return self.late_counts(at);
            }
        }
        &mut self.open
    }

    #[cold]
    fn late_counts(&mut self, at: Timestamp) -> &mut IntervalCounts {
        let place = self.late(at);
        place.and_then(|place| self.before.get_mut(place)).map_or(&mut self.open, |(_, counts)| counts)
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
        while self.index(at).saturating_sub(self.first()) >= MAX_INTERVALS as i64
            || self.trips.len() > MAX_CELLS
        {
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
        self.open_len = self.to.since(self.from).nanos().cast_unsigned();
    }

    /// Which of the intervals before the open one is that of a time; `None` where it is the open one.
    fn late(&mut self, at: Timestamp) -> Option<usize> {
        while self.open_at.unwrap_or(0).saturating_sub(self.index(at)) >= MAX_INTERVALS as i64 {
            self.widen_by(2);
        }
        let index = self.index(at);
        if self.open_at == Some(index) {
            return None;
        }
        let place = self.before.partition_point(|(other, _)| *other < index);
        if self.before.get(place).is_none_or(|(other, _)| *other != index) {
            self.before.insert(place, (index, IntervalCounts::default()));
        }
        Some(place)
    }

    /// Makes one interval of so many.
    fn widen_by(&mut self, factor: i64) {
        self.width = self.width.times(factor);
        let Some(last) = self.open_at else { return };
        let trips = std::mem::take(&mut self.trips);
        let mut scratch = OpenHistogram::default();
        self.before.push((last, std::mem::take(&mut self.open)));
        let wide = |index: &i64| index.div_euclid(factor);
        let mut before = Vec::with_capacity(self.before.len() / 2 + 1);
        for several in self.before.chunk_by_mut(|(one, _), (other, _)| wide(one) == wide(other)) {
            let Some(index) = several.first().map(|(index, _)| wide(index)) else { continue };
            before.push((index, self.trips.take(&trips, several, &mut scratch)));
        }
        self.open = before.pop().map(|(_, counts)| counts).unwrap_or_default();
        self.before = before;
        self.set_open(wide(&last));
    }
}
