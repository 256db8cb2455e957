//! Histograms of durations in microseconds: six bits each, so that a value is told to 2 %.

use crate::findings::series::{Bucket, Trips};

/// Bits of a duration that are kept.
const BITS: u32 = 6;
/// Longer durations are counted as this one: an hour.
const MAX_US: u64 = 3_600_000_000;
/// So many cells are put into their places one by one; more are merged as lists.
const FEW_CELLS: usize = 8;
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

/// Counts by bucket, only of those that occurred, in order: many of them can be kept, and merged.
#[derive(Clone, Debug, Default)]
pub(super) struct SparseHistogram {
    cells: Vec<(u16, u32)>,
    max_us: u64,
    sum_us: u64,
}

impl SparseHistogram {
    /// Cells that it takes.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    fn add(&mut self, bucket: u16, more: u32) {
        let index = self.cells.partition_point(|(other, _)| *other < bucket);
        match self.cells.get_mut(index).filter(|(other, _)| *other == bucket) {
            Some((_, count)) => *count = count.saturating_add(more),
            None => self.cells.insert(index, (bucket, more)),
        }
    }

    /// Adds all of another.
    pub(super) fn merge(&mut self, other: Self) {
        if self.cells.is_empty() {
            *self = other;
            return;
        }
        self.max_us = self.max_us.max(other.max_us);
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        if other.cells.len() <= FEW_CELLS {
            return other.cells.iter().for_each(|(bucket, count)| self.add(*bucket, *count));
        }
        let mut rest = other.cells.iter().copied().peekable();
        let mut merged = Vec::with_capacity(self.cells.len().max(other.cells.len()) + 8);
        for (bucket, count) in self.cells.drain(..) {
            while let Some(less) = rest.next_if(|(other, _)| *other < bucket) {
                merged.push(less);
            }
            let same = rest.next_if(|(other, _)| *other == bucket).map_or(0, |(_, count)| count);
            merged.push((bucket, count.saturating_add(same)));
        }
        merged.extend(rest);
        self.cells = merged;
    }

    /// Count, quantiles and maximum; `None` where it is empty.
    pub(super) fn trips(&self) -> Option<Trips> {
        let count = self.cells.iter().map(|(_, count)| u64::from(*count)).sum();
        (count > 0).then(|| Trips {
            count,
            sum_us: self.sum_us,
            p50_us: self.at(count.div_ceil(2)),
            p99_us: self.at((count * 99).div_ceil(100)),
            max_us: self.max_us,
        })
    }

    /// What is in it, each bucket by its middle, in order.
    pub(super) fn buckets(&self) -> Vec<Bucket> {
        let bucket = |(bucket, count): &(u16, u32)| Bucket { us: middle(*bucket), count: u64::from(*count) };
        self.cells.iter().map(bucket).collect()
    }

    /// The duration that so many, this one included, do not exceed.
    fn at(&self, rank: u64) -> u64 {
        let mut so_far = 0;
        let reached = self.cells.iter().find(|(_, count)| {
            so_far += u64::from(*count);
            so_far >= rank
        });
        reached.map_or(self.max_us, |(bucket, _)| middle(*bucket).min(self.max_us))
    }
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
    max_us: u64,
    sum_us: u64,
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
        if self.counts.is_empty() {
            self.counts = vec![0; BUCKETS];
        }
        self.max_us = self.max_us.max(us);
        self.sum_us = self.sum_us.saturating_add(us);
        let bucket = bucket(us);
        if let Some(count) = self.counts.get_mut(usize::from(bucket)) {
            *count = count.saturating_add(1);
        }
        if let Some(bits) = self.touched.get_mut(usize::from(bucket / 64)) {
            *bits |= 1 << (bucket % 64);
            self.words |= 1 << (bucket / 64);
        }
    }

    /// Moves all counts to `into`.
    pub(super) fn drain_into(&mut self, into: &mut SparseHistogram) {
        let mut own = SparseHistogram { cells: Vec::new(), max_us: self.max_us, sum_us: self.sum_us };
        let mut words = std::mem::take(&mut self.words);
        while words != 0 {
            let index = words.trailing_zeros() as usize;
            words &= words - 1;
            let Some(touched) = self.touched.get_mut(index) else { continue };
            let mut bits = std::mem::take(touched);
            own.cells.reserve(bits.count_ones() as usize);
            while bits != 0 {
                let bucket = 64 * index + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if let (Some(count), Ok(bucket)) = (self.counts.get_mut(bucket), u16::try_from(bucket)) {
                    own.cells.push((bucket, std::mem::take(count)));
                }
            }
        }
        (self.max_us, self.sum_us) = (0, 0);
        into.merge(own);
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
        let mut merged = SparseHistogram::default();
        let mut open = OpenHistogram::default();
        for part in values.chunks(700) {
            part.iter().for_each(|us| open.record(*us));
            let mut sparse = SparseHistogram::default();
            open.drain_into(&mut sparse);
            merged.merge(sparse);
        }
        let mut whole = SparseHistogram::default();
        values.iter().for_each(|us| open.record(*us));
        open.drain_into(&mut whole);
        assert_eq!(merged.cells, whole.cells);
        let trips = merged.trips().unwrap();
        let mut sorted = values;
        sorted.sort_unstable();
        let (p50, p99, max) = (sorted[1_999], sorted[3_959], sorted[3_999]);
        assert_eq!((trips.count, trips.max_us, trips.sum_us), (4_000, max, sorted.iter().sum()));
        assert_eq!(merged.buckets().iter().map(|bucket| bucket.count).sum::<u64>(), 4_000);
        assert!(trips.p50_us.abs_diff(p50) * 50 <= p50, "{} for {p50}", trips.p50_us);
        assert!(trips.p99_us.abs_diff(p99) * 50 <= p99, "{} for {p99}", trips.p99_us);
        assert_eq!(SparseHistogram::default().trips(), None);
    }
}
