//! Durations of one kind on one link, in microseconds, to three digits.
//!
//! Ten thousand links with several kinds each must fit into memory, and a histogram with three digits up
//! to an hour takes 100 KB. What is kept is how often each value came, the values that came and no
//! others. The values are the buckets of a histogram of `hdrhistogram` with three digits, so the quantiles are
//! that histogram's too. What lies beyond an hour is counted as an hour and told apart.

use crate::findings::Quantiles;
use hdrhistogram::Histogram;

/// The least number of values kept one by one before they are counted, together: that costs a fraction of
/// counting each where it comes up, among everything else that the cache holds.
const FEW: usize = 512;
/// The longest duration that is told exactly: one hour.
const MAX_US: u64 = 3_600_000_000;

/// Durations of one kind.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// The last ones, not yet counted.
    few: Vec<Short>,
    /// All the others: each value with how often it came, in order.
    many: Vec<(Short, u32)>,
    /// How many there are.
    count: u64,
    /// Nothing more will come: what is shown is all that is kept.
    sealed: Option<Box<Quantiles>>,
    /// The least and the most, exactly.
    ends: Option<(u64, u64)>,
    /// Durations beyond the most that is told exactly.
    pub clamped: u64,
    /// Those of the window before, where there are windows.
    before: Option<Box<Self>>,
}

/// A duration to three digits in two bytes: 11 bits of mantissa, the first of them implied from 2048
/// on, and an exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Short(u16);

impl Short {
    /// Bits of mantissa that are written down.
    const BITS: u32 = 11;

    #[expect(clippy::cast_possible_truncation, reason = "MAX_US has 32 bits, so the exponent is at most 21")]
    #[inline]
    const fn of(us: u64) -> Self {
        let width = u64::BITS - us.leading_zeros();
        let exponent = width.saturating_sub(Self::BITS);
        Self((((exponent as u64) << (Self::BITS - 1)) + (us >> exponent)) as u16)
    }

    /// The most that is written so. Zero is counted as a microsecond.
    const fn last_us(self) -> u64 {
        let exponent = (self.0 as u64 >> (Self::BITS - 1)).saturating_sub(1);
        let last = self.us() + (1 << exponent) - 1;
        if last == 0 { 1 } else { last }
    }

    /// The least duration that is written so.
    const fn us(self) -> u64 {
        let bits = self.0 as u64;
        let exponent = (bits >> (Self::BITS - 1)).saturating_sub(1);
        if exponent == 0 { bits } else { (bits - (exponent << (Self::BITS - 1))) << exponent }
    }
}

impl Samples {
    /// Adds a duration in microseconds.
    #[inline]
    pub fn record(&mut self, us: u64) {
        self.clamped += u64::from(us > MAX_US);
        let us = us.min(MAX_US);
        self.ends = match self.ends {
            Some((least, most)) if least <= us && us <= most => self.ends,
            Some((least, most)) => Some((least.min(us), most.max(us))),
            None => Some((us, us)),
        };
        self.count += 1;
        // As many as are counted already, so that merging costs the same for each, however many they are.
        if self.few.len() >= self.many.len().max(FEW) {
            self.drain();
        }
        self.few.push(Short::of(us));
    }

    /// Lets the single values go: nothing more will come.
    pub fn seal(&mut self) {
        self.sealed = self.quantiles().map(Box::new);
        self.ends = self.sealed.as_ref().map(|all| (all.min, all.max));
        self.count = self.count();
        (self.few, self.many, self.before) = (Vec::new(), Vec::new(), None);
    }

    /// Bytes of memory that the values take, where they are many.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let before = self.before.as_ref().map_or(0, |before| before.held_bytes());
        let few = if self.few.capacity() > FEW { self.few.capacity() * size_of::<Short>() } else { 0 };
        few + self.many.capacity() * size_of::<(Short, u32)>() + before
    }

    /// Lets the values so far go; answers how many. The count, the least and the most stay, and the quantiles
    /// are those of what comes.
    pub fn forget_values(&mut self) -> u64 {
        let known: u64 = self.values().map(|(_, count)| u64::from(count)).sum();
        self.ends = self.all_ends();
        self.count = self.count();
        (self.few, self.many, self.before) = (Vec::new(), Vec::new(), None);
        known
    }

    /// Begins a new window. What is told is that of the window and the one before it.
    pub fn rotate(&mut self) {
        if self.sealed.is_some() {
            return;
        }
        self.before = None;
        let before = std::mem::take(self);
        self.before = (before.count > 0).then(|| Box::new(before));
    }

    /// The values with how often they came, in no order; nothing once it is sealed.
    fn values(&self) -> impl Iterator<Item = (Short, u32)> {
        let windows = [self.before.as_deref(), Some(self)].into_iter().flatten();
        windows.flat_map(|own| {
            let few = own.few.iter().map(|value| (*value, 1));
            own.many.iter().copied().chain(few)
        })
    }

    /// Calls `found` with every duration in microseconds, to three digits, and how often there was one, those
    /// of the window before too. Nothing once it is sealed.
    pub fn each(&self, mut found: impl FnMut(u64, u64)) {
        self.values().for_each(|(value, count)| found(value.us(), u64::from(count)));
    }

    /// Counts the single values.
    #[cold]
    fn drain(&mut self) {
        self.many = self.counted();
        self.few.clear();
    }

    /// Each value of this window with how often it came, in order: both lists are merged.
    fn counted(&self) -> Vec<(Short, u32)> {
        let mut merged = Vec::with_capacity(self.many.len() + 64);
        let mut many = self.many.as_slice();
        in_order(&self.few, |value, mut count| {
            while let [(less, known), rest @ ..] = many
                && *less <= value
            {
                many = rest;
                if *less == value {
                    count = count.saturating_add(*known);
                } else {
                    merged.push((*less, *known));
                }
            }
            merged.push((value, count));
        });
        merged.extend_from_slice(many);
        merged
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count + self.before.as_ref().map_or(0, |before| before.count)
    }

    /// The least and the most, with those of the window before.
    fn all_ends(&self) -> Option<(u64, u64)> {
        match (self.ends, self.before.as_ref().and_then(|before| before.ends)) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        }
    }

    /// Values at the quantiles that reports show; `None` where there are no values.
    #[must_use]
    pub fn quantiles(&self) -> Option<Quantiles> {
        let (min, max) = self.all_ends()?;
        if let Some(sealed) = &self.sealed {
            return Some(**sealed);
        }
        if self.before.is_some() {
            return self.of_windows(min, max);
        }
        if self.many.is_empty() { of_few(&self.few, min, max) } else { of_many(&self.counted(), min, max) }
    }

    /// The quantiles of two windows together.
    fn of_windows(&self, min: u64, max: u64) -> Option<Quantiles> {
        self.values().next()?;
        // Three digits from 1 µs up to the most there was, at least twice the least: valid bounds.
        let mut all = Histogram::<u64>::new_with_bounds(1, max.max(2), 3).ok()?;
        for (value, count) in self.values() {
            all.saturating_record_n(value.us().max(1), u64::from(count));
        }
        // A histogram answers with the upper end of a bucket, which may lie beyond the most.
        let at = |quantile| all.value_at_quantile(quantile).clamp(min, max);
        Some(Quantiles { min, p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max })
    }
}

/// The quantiles of few values.
fn of_few(few: &[Short], min: u64, max: u64) -> Option<Quantiles> {
    if few.is_empty() {
        return None;
    }
    let ranks = [500, 900, 990, 999].map(|permille| (few.len() * permille).div_ceil(1000).max(1));
    let mut found = [min; 4];
    let (mut next, mut so_far) = (0, 0);
    in_order(few, |value, count| {
        so_far += count as usize;
        while let (Some(rank), Some(place)) = (ranks.get(next), found.get_mut(next))
            && *rank <= so_far
        {
            *place = value.us().clamp(min, max);
            next += 1;
        }
    });
    let [p50, p90, p99, p999] = found;
    Some(Quantiles { min, p50, p90, p99, p999, max })
}

/// The quantiles of values in order, each with how often it came: what a histogram of three digits answers, which is
/// the upper end of a bucket. That may lie beyond the most.
fn of_many(values: &[(Short, u32)], min: u64, max: u64) -> Option<Quantiles> {
    let total: u64 = values.iter().map(|(_, count)| u64::from(*count)).sum();
    if total == 0 {
        return None;
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the rank of a quantile, as hdrhistogram finds it"
    )]
    let ranks = [0.5, 0.9, 0.99, 0.999].map(|quantile: f64| ((quantile * total as f64).ceil() as u64).max(1));
    let mut values = values.iter();
    let (mut so_far, mut last) = (0, Short(0));
    let [p50, p90, p99, p999] = ranks.map(|rank| {
        while so_far < rank
            && let Some((value, count)) = values.next()
        {
            so_far += u64::from(*count);
            last = *value;
        }
        last.last_us().clamp(min, max)
    });
    Some(Quantiles { min, p50, p90, p99, p999, max })
}

/// Values that are counted at once: how far they may lie from the least.
const COUNTED: usize = 4_096;
/// Values of a page: as many as a word has bits.
const PAGE: usize = u64::BITS as usize;

/// Calls `found` with each value, in order, and how often it came. Most lie near the least: each of those has a count.
/// The others are put in order.
fn in_order(values: &[Short], mut found: impl FnMut(Short, u32)) {
    let Some(least) = values.iter().min().copied() else { return };
    let mut beyond = Vec::new();
    // A bit for each value that comes, and its count; counts only where there are values.
    let mut words = [0u64; COUNTED / PAGE];
    let mut page_of = [0u8; COUNTED / PAGE];
    let mut pages: Vec<[u32; PAGE]> = Vec::new();
    for value in values {
        let index = usize::from(value.0 - least.0);
        let (Some(word), Some(page)) = (words.get_mut(index / PAGE), page_of.get_mut(index / PAGE)) else {
            beyond.push(*value);
            continue;
        };
        if *word == 0 {
            *page = u8::try_from(pages.len()).unwrap_or(u8::MAX);
            pages.push([0; PAGE]);
        }
        *word |= 1 << (index % PAGE);
        if let Some(counts) = pages.get_mut(usize::from(*page))
            && let Some(count) = counts.get_mut(index % PAGE)
        {
            *count += 1;
        }
    }
    for ((from, word), page) in (usize::from(least.0)..).step_by(PAGE).zip(words).zip(page_of) {
        let Some(counts) = pages.get(usize::from(page)).filter(|_| word != 0) else { continue };
        let mut left = word;
        while left != 0 {
            let at = left.trailing_zeros() as usize;
            left &= left - 1;
            let count = counts.get(at).copied().unwrap_or(0);
            found(Short(u16::try_from(from + at).unwrap_or(u16::MAX)), count);
        }
    }
    beyond.sort_unstable();
    for run in beyond.chunk_by(Short::eq) {
        if let Some(value) = run.first() {
            found(*value, u32::try_from(run.len()).unwrap_or(u32::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_short_keeps_three_digits_and_the_order() {
        let mut last = 0;
        for us in (0..5_000).chain((5_000..MAX_US).step_by(777_777)).chain([MAX_US]) {
            let short = Short::of(us);
            assert!(short.us() <= us && (us - short.us()) * 1000 <= us, "{us} {}", short.us());
            assert!(short.us() >= last);
            last = short.us();
        }
    }

    #[test]
    fn few_and_many_agree_to_three_digits() {
        let mut few = Samples::default();
        let mut many = Samples::default();
        for i in 1..=200u64 {
            few.record(i * 37);
        }
        for _ in 0..10 {
            for i in 1..=200u64 {
                many.record(i * 37);
            }
        }
        let (few, many) = (few.quantiles().unwrap(), many.quantiles().unwrap());
        assert_eq!(few.min, 37);
        for (a, b) in [(few.p50, many.p50), (few.p90, many.p90), (few.p99, many.p99), (few.max, many.max)] {
            assert!(a.abs_diff(b) * 1000 <= a, "{a} {b}");
        }
    }

    #[test]
    fn many_have_the_quantiles_of_a_histogram_with_three_digits() {
        use crate::testkit::random::Random;
        let mut random = Random::new(1);
        for n in [513, 600, 1_024, 1_500, 5_000, 20_000] {
            for most in [1, 2, 7, 900, 3_000, 1_000_000, MAX_US + 9] {
                let mut samples = Samples::default();
                let mut all = Histogram::<u64>::new_with_bounds(1, MAX_US, 3).unwrap();
                for i in 0..n {
                    let us = random.within(0..most + 1) >> random.within(0..12);
                    samples.record(us);
                    all.saturating_record(us.clamp(1, MAX_US));
                    if n == 1_500 && i == 700 {
                        samples.rotate();
                    }
                }
                let found = samples.quantiles().unwrap();
                let at = |quantile| all.value_at_quantile(quantile).clamp(found.min, found.max);
                let expected = [at(0.5), at(0.9), at(0.99), at(0.999)];
                assert_eq!([found.p50, found.p90, found.p99, found.p999], expected, "{n} up to {most}");
            }
        }
    }

    #[test]
    fn few_have_the_quantiles_of_their_ranks() {
        let values: Vec<u64> = (0..512).map(|i| (i * 7_919) % 2_039).collect();
        for n in 1..=values.len() {
            let mut samples = Samples::default();
            values[..n].iter().for_each(|us| samples.record(*us));
            let mut sorted = values[..n].to_vec();
            sorted.sort_unstable();
            let at = |permille: usize| sorted[(n * permille).div_ceil(1000).max(1) - 1];
            let found = samples.quantiles().unwrap();
            assert_eq!([found.p50, found.p90, found.p99, found.p999], [500, 900, 990, 999].map(at), "{n}");
        }
    }

    #[test]
    fn no_quantile_lies_outside_of_what_there_was() {
        let mut one = Samples::default();
        one.record(9_044);
        let quantiles = one.quantiles().unwrap();
        assert_eq!(
            (quantiles.min, quantiles.p50, quantiles.p999, quantiles.max),
            (9_044, 9_044, 9_044, 9_044)
        );
    }

    #[test]
    fn a_window_is_told_with_the_one_before_it() {
        let mut samples = Samples::default();
        (1..=1000).for_each(|us| samples.record(us));
        samples.rotate();
        (1..=3).for_each(|i| samples.record(i * 10_000));
        let both = samples.quantiles().unwrap();
        assert_eq!((samples.count(), both.min, both.max), (1003, 1, 30_000));
        samples.rotate();
        assert_eq!((samples.count(), samples.quantiles().unwrap().min), (3, 10_000));
        samples.rotate();
        assert_eq!((samples.count(), samples.quantiles()), (0, None));
    }

    #[test]
    fn nothing_has_no_quantiles() {
        assert_eq!(Samples::default().quantiles(), None);
        let mut hour = Samples::default();
        hour.record(u64::MAX);
        assert_eq!((hour.count(), hour.clamped), (1, 1));
    }
}
