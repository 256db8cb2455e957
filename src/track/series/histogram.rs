//! Histograms of durations in microseconds: six bits each, so that a value is told to 2 %.

use crate::findings::series::{Bucket, Trips};

/// Bits of a duration that are kept.
const BITS: u32 = 6;
/// Longer durations are counted as this one: an hour.
const MAX_US: u64 = 3_600_000_000;
/// Cells that no interval has any more, beside half of all.
const MAX_UNUSED: usize = 4_096;
/// Buckets up to [`MAX_US`].
const BUCKETS: usize = bucket(MAX_US) as usize + 1;

/// The bucket of a duration: up to 6 bits itself, then 32 buckets for each power of two.
#[expect(clippy::cast_possible_truncation, reason = "MAX_US has 32 bits: at most 26 times 32, and 63")]
const fn bucket(us: u64) -> u16 {
    let us = if us < MAX_US { us } else { MAX_US };
    let width = u64::BITS - us.leading_zeros();
    if width <= BITS {
        return us as u16;
    }
    let exponent = width - BITS;
    (exponent as u16) * (1 << (BITS - 1)) + (us >> exponent) as u16
}

/// The middle of a bucket.
const fn middle(bucket: u16) -> u64 {
    let half = 1 << (BITS - 1);
    if bucket < 2 * half {
        return bucket as u64;
    }
    let exponent = bucket / half - 1;
    let mantissa = (bucket - exponent * half) as u64;
    (mantissa << exponent) + ((1 << exponent) >> 1)
}

/// How many durations fell into one bucket.
type Cell = (u16, u32);

/// The round trips of one interval, of one sort. Their cells lie in a [`CellStore`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IntervalTrips {
    start: u32,
    len: u32,
    sums: TripSums,
}

/// What all round trips of an interval have in common.
#[derive(Clone, Copy, Debug, Default)]
struct TripSums {
    count: u64,
    max_us: u64,
    sum_us: u64,
}

impl TripSums {
    #[inline]
    fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.max_us = self.max_us.max(other.max_us);
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }
}

impl IntervalTrips {
    /// Whether there are none.
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    const fn start(&self) -> usize {
        self.start as usize
    }

    const fn end(&self) -> usize {
        self.start() + self.len as usize
    }
}

/// Counts by bucket of all intervals of a link, only of those that occurred: a run for each interval, in order of the
/// buckets. One list for all of them, since most runs are short.
#[derive(Clone, Debug, Default)]
pub(super) struct CellStore {
    cells: Vec<Cell>,
    /// Cells that no interval has any more.
    unused: usize,
}

impl CellStore {
    /// Cells that it takes.
    pub(super) const fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether so many are not used that it should be built anew.
    pub(super) const fn is_wasteful(&self) -> bool {
        self.unused > MAX_UNUSED + self.cells.len() / 2
    }

    /// Bytes of memory that it takes.
    pub(super) const fn held_bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
    }

    /// Makes room for so many cells.
    pub(super) fn reserve(&mut self, cells: usize) {
        self.cells.reserve(cells);
    }

    /// Takes no more memory than it needs.
    pub(super) fn shrink(&mut self) {
        self.cells.shrink_to_fit();
    }

    fn of(&self, trips: &IntervalTrips) -> &[Cell] {
        self.cells.get(trips.start()..trips.end()).unwrap_or_default()
    }

    /// Takes over the trips of several intervals of another store as those of one: whose trips those here are not yet.
    pub(super) fn take<'a>(
        &mut self,
        from: &Self,
        all: impl Iterator<Item = &'a IntervalTrips> + Clone,
        scratch: &mut OpenHistogram,
    ) -> IntervalTrips {
        let start = self.cells.len();
        let mut trips = IntervalTrips::default();
        let mut several = all.filter(|trips| !trips.is_empty());
        match (several.next(), several.next()) {
            (None, _) => return trips,
            (Some(only), None) => {
                self.cells.extend_from_slice(from.of(only));
                trips.sums = only.sums;
            }
            (Some(one), Some(other)) => {
                for trips in [one, other].into_iter().chain(several) {
                    scratch.add(from.of(trips), &trips.sums);
                }
                trips.sums = scratch.drain_to(&mut self.cells);
            }
        }
        self.set(&mut trips, start);
        trips
    }

    /// Moves all that an open histogram counted to the trips of its interval.
    #[inline]
    pub(super) fn drain(&mut self, open: &mut OpenHistogram, trips: &mut IntervalTrips) {
        if trips.is_empty() {
            let start = self.cells.len();
            trips.sums = open.drain_to(&mut self.cells);
            self.set(trips, start);
        } else {
            let mut cells = Vec::new();
            let sums = open.drain_to(&mut cells);
            self.add(trips, &cells, &sums);
        }
    }

    /// Adds cells, in order, to the trips of an interval.
    fn add(&mut self, trips: &mut IntervalTrips, more: &[Cell], sums: &TripSums) {
        trips.sums.add(sums);
        let own = self.of(trips);
        let is_last = trips.end() == self.cells.len();
        if is_last && own.last().map(|(last, _)| *last) < more.first().map(|(first, _)| *first) {
            // They come behind all that there are.
            self.cells.extend_from_slice(more);
            return self.set(trips, trips.start());
        }
        let own = own.to_vec();
        if is_last {
            self.cells.truncate(trips.start());
        } else {
            self.unused += own.len();
        }
        let start = self.cells.len();
        self.push_merged(&own, more);
        self.set(trips, start);
    }

    /// Adds the cells of two lists in order at the end.
    fn push_merged(&mut self, one: &[Cell], other: &[Cell]) {
        let mut rest = other.iter().copied().peekable();
        for (bucket, count) in one {
            while let Some(less) = rest.next_if(|(other, _)| other < bucket) {
                self.cells.push(less);
            }
            let same = rest.next_if(|(other, _)| other == bucket).map_or(0, |(_, count)| count);
            self.cells.push((*bucket, count.saturating_add(same)));
        }
        self.cells.extend(rest);
    }

    /// Says that an interval's cells are those from there to the end.
    fn set(&self, trips: &mut IntervalTrips, start: usize) {
        // A store of as many as fit in 32 bits takes 32 GiB.
        trips.start = u32::try_from(start).unwrap_or(u32::MAX);
        trips.len = u32::try_from(self.cells.len() - start).unwrap_or(0);
    }

    /// Count, quantiles and maximum; `None` where there are none.
    pub(super) fn trips(&self, trips: &IntervalTrips) -> Option<Trips> {
        let cells = self.of(trips);
        let TripSums { count, max_us, sum_us } = trips.sums;
        (count > 0).then(|| Trips {
            count,
            sum_us,
            p50_us: reached(cells.iter(), count.div_ceil(2)).min(max_us),
            // The hundredth part and one, from above.
            p99_us: reached(cells.iter().rev(), count / 100 + 1).min(max_us),
            max_us,
        })
    }

    /// What is in it, each bucket by its middle, in order.
    pub(super) fn buckets(&self, trips: &IntervalTrips) -> Vec<Bucket> {
        let bucket = |(bucket, count): &Cell| Bucket { us: middle(*bucket), count: u64::from(*count) };
        self.of(trips).iter().map(bucket).collect()
    }
}

/// The middle of the bucket with which so many are reached.
fn reached<'a>(mut cells: impl Iterator<Item = &'a Cell>, rank: u64) -> u64 {
    let mut so_far = 0;
    let reached = cells.find(|(_, count)| {
        so_far += u64::from(*count);
        so_far >= rank
    });
    reached.map_or(u64::MAX, |(bucket, _)| middle(*bucket))
}

/// Counts by bucket of one interval: a count costs a few instructions, and so does to find those that there are.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenHistogram {
    /// One for each bucket; empty where nothing was recorded yet.
    counts: Vec<u32>,
    /// Which of them are not 0: a bit for each.
    touched: [u64; WORDS],
    /// Which of those words are not 0.
    words: u16,
    /// Their number is not kept: it is that of all counts.
    sums: TripSums,
}

/// Words with a bit for each bucket; a bit for each of them has room in 16.
const WORDS: usize = BUCKETS.div_ceil(64);
const _: () = assert!(WORDS <= 16);

impl OpenHistogram {
    /// Whether nothing was recorded.
    pub(super) const fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// Adds a duration.
    #[inline]
    pub(super) fn record(&mut self, us: u64) {
        self.sums.max_us = self.sums.max_us.max(us);
        self.sums.sum_us = self.sums.sum_us.saturating_add(us);
        self.count(bucket(us), 1);
    }

    /// Adds those of an interval.
    fn add(&mut self, cells: &[Cell], sums: &TripSums) {
        self.sums.add(sums);
        cells.iter().for_each(|(bucket, count)| self.count(*bucket, *count));
    }

    #[inline]
    fn count(&mut self, bucket: u16, more: u32) {
        if self.counts.is_empty() {
            self.counts = vec![0; BUCKETS];
        }
        if let Some(count) = self.counts.get_mut(usize::from(bucket)) {
            *count = count.saturating_add(more);
        }
        if let Some(bits) = self.touched.get_mut(usize::from(bucket / 64)) {
            *bits |= 1 << (bucket % 64);
            self.words |= 1 << (bucket / 64);
        }
    }

    /// Moves all counts to the end of a list.
    #[expect(clippy::cast_possible_truncation, reason = "there are at most 64 zeros in a word")]
    fn drain_to(&mut self, cells: &mut Vec<Cell>) -> TripSums {
        let mut sums = std::mem::take(&mut self.sums);
        sums.count = 0;
        let mut words = std::mem::take(&mut self.words);
        while words != 0 {
            let index = words.trailing_zeros() as u16;
            words &= words - 1;
            let first = 64 * index;
            let Some(counts) = self.counts.get_mut(usize::from(first)..) else { continue };
            let mut bits = self.touched.get_mut(usize::from(index)).map(std::mem::take).unwrap_or_default();
            while bits != 0 {
                let bit = bits.trailing_zeros() as u16;
                bits &= bits - 1;
                let count = counts.get_mut(usize::from(bit)).map(std::mem::take).unwrap_or_default();
                sums.count += u64::from(count);
                cells.push((first + bit, count));
            }
        }
        sums
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::testkit::random::Random;

    #[test]
    fn a_bucket_is_within_two_percent() {
        for us in (0..5_000).chain((1..).map(|i| i * 7_777).take_while(|us| *us < MAX_US)) {
            let off = middle(bucket(us)).abs_diff(us);
            assert!(off * 100 <= us * 2, "{us} is told as {}", middle(bucket(us)));
        }
        assert!((0..MAX_US / 1000).all(|us| bucket(us) <= bucket(us + 1)));
        assert_eq!(usize::from(bucket(u64::MAX)), BUCKETS - 1);
    }

    #[test]
    fn parts_merged_are_the_whole() {
        let mut random = Random::new(7);
        let values: Vec<u64> = (0..4_000).map(|_| random.within(100..200_000)).collect();
        let mut store = CellStore::default();
        let mut open = OpenHistogram::default();
        let mut parts = Vec::new();
        for part in values.chunks(700) {
            part.iter().for_each(|us| open.record(*us));
            let mut trips = IntervalTrips::default();
            store.drain(&mut open, &mut trips);
            parts.push(trips);
        }
        let mut merged = CellStore::default();
        let all = merged.take(&store, parts.iter(), &mut open);
        let (mut own, mut other) = (IntervalTrips::default(), IntervalTrips::default());
        for us in &values {
            for trips in [&mut own, &mut other] {
                open.record(*us);
                merged.drain(&mut open, trips);
            }
        }
        assert!(merged.is_wasteful(), "{}", merged.unused);
        let mut whole = IntervalTrips::default();
        values.iter().for_each(|us| open.record(*us));
        store.drain(&mut open, &mut whole);
        assert_eq!(merged.of(&all), store.of(&whole));
        assert_eq!(merged.of(&own), store.of(&whole));
        assert_eq!(merged.trips(&other), store.trips(&whole));
        let trips = merged.trips(&all).unwrap();
        let mut sorted = values;
        sorted.sort_unstable();
        let (p50, p99, max) = (sorted[1_999], sorted[3_959], sorted[3_999]);
        assert_eq!((trips.count, trips.max_us, trips.sum_us), (4_000, max, sorted.iter().sum()));
        assert_eq!(merged.buckets(&all).iter().map(|bucket| bucket.count).sum::<u64>(), 4_000);
        assert!(trips.p50_us.abs_diff(p50) * 50 <= p50, "{} for {p50}", trips.p50_us);
        assert!(trips.p99_us.abs_diff(p99) * 50 <= p99, "{} for {p99}", trips.p99_us);
        assert_eq!(merged.trips(&IntervalTrips::default()), None);
    }
}
