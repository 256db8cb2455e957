//! Durations of one kind on one link, in microseconds, to three digits.
//!
//! Ten thousand links with several kinds each must fit into memory, and a histogram with three digits up
//! to an hour takes 100 KB. What is kept is how often each value came, the values that came and no
//! others. The values are the buckets of a histogram of `hdrhistogram` with three digits, so the quantiles are
//! that histogram's too. What lies beyond an hour is counted as an hour and told apart.

use crate::findings::Quantiles;
use hdrhistogram::Histogram;

/// Values up to which a quantile is one of them; of more it is the upper end of a bucket.
const FEW: usize = 512;
/// The most values that are kept one by one; more are counted as they come. Counts take more room: ten thousand links
/// must fit into memory.
const LISTED: usize = 2_048;
/// The longest duration that is told exactly: one hour.
const MAX_US: u64 = 3_600_000_000;

/// Durations of one kind.
#[derive(Clone, Debug)]
pub struct Samples {
    /// All of them in order of coming, while they are few.
    few: Vec<Short>,
    /// Once they are many, how often each value came.
    many: Option<Box<ValueCounts>>,
    /// How many there are.
    count: u64,
    /// Nothing more will come: what is shown is all that is kept.
    sealed: Option<Box<Quantiles>>,
    /// The least, exactly; the most there can be where there is none.
    least: u64,
    /// The most, exactly.
    most: u64,
    /// Durations beyond the most that is told exactly.
    pub clamped: u64,
    /// Those of the window before, where there are windows.
    before: Option<Box<Self>>,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            few: Vec::new(),
            many: None,
            count: 0,
            sealed: None,
            least: u64::MAX,
            most: 0,
            clamped: 0,
            before: None,
        }
    }
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
        let us = if us > MAX_US { self.clamp() } else { us };
        self.least = self.least.min(us);
        self.most = self.most.max(us);
        self.count += 1;
        let value = Short::of(us);
        match &mut self.many {
            Some(many) => many.add(value),
            None if self.few.len() < LISTED => self.few.push(value),
            None => self.count_all(value),
        }
    }

    /// Notes that a duration is longer than the longest that is told exactly, and answers that one.
    #[cold]
    const fn clamp(&mut self) -> u64 {
        self.clamped += 1;
        MAX_US
    }

    /// Counts what was kept one by one, and one more.
    #[cold]
    #[inline(never)]
    fn count_all(&mut self, last: Short) {
        let mut many = Box::<ValueCounts>::default();
        std::mem::take(&mut self.few).into_iter().chain([last]).for_each(|value| many.add(value));
        self.many = Some(many);
    }

    /// Lets the single values go: nothing more will come.
    pub fn seal(&mut self) {
        self.sealed = self.quantiles().map(Box::new);
        (self.least, self.most) = self.sealed.as_ref().map_or(NOTHING, |all| (all.min, all.max));
        self.count = self.count();
        (self.few, self.many, self.before) = (Vec::new(), None, None);
    }

    /// Bytes of memory that the values take, where they are many.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let before = self.before.as_ref().map_or(0, |before| before.held_bytes());
        let few = if self.few.capacity() > FEW { self.few.capacity() * size_of::<Short>() } else { 0 };
        few + self.many.as_ref().map_or(0, |many| many.held_bytes()) + before
    }

    /// Lets the values so far go; answers how many. The count, the least and the most stay, and the quantiles
    /// are those of what comes.
    pub fn forget_values(&mut self) -> u64 {
        let mut known = 0;
        self.each_value(|_, count| known += u64::from(count));
        (self.least, self.most) = self.all_ends().unwrap_or(NOTHING);
        self.count = self.count();
        (self.few, self.many, self.before) = (Vec::new(), None, None);
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

    /// Calls `found` with each value and how often it came, in no order; with nothing once it is sealed.
    fn each_value(&self, mut found: impl FnMut(Short, u32)) {
        for own in [self.before.as_deref(), Some(self)].into_iter().flatten() {
            own.few.iter().for_each(|value| found(*value, 1));
            if let Some(many) = &own.many {
                many.each(&mut found);
            }
        }
    }

    /// Calls `found` with every duration in microseconds, to three digits, and how often there was one, those
    /// of the window before too. Nothing once it is sealed.
    pub fn each(&self, mut found: impl FnMut(u64, u64)) {
        self.each_value(|value, count| found(value.us(), u64::from(count)));
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count + self.before.as_ref().map_or(0, |before| before.count)
    }

    /// The least and the most, with those of the window before.
    /// The longest, in microseconds.
    pub(super) fn most(&self) -> Option<u64> {
        self.all_ends().map(|(_, most)| most)
    }

    fn all_ends(&self) -> Option<(u64, u64)> {
        let before = self.before.as_ref().map_or(NOTHING, |before| (before.least, before.most));
        let (least, most) = (self.least.min(before.0), self.most.max(before.1));
        (least <= most).then_some((least, most))
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
        self.many.as_ref().map_or_else(|| of_few(&self.few, min, max), |many| of_many(many, min, max))
    }

    /// The quantiles of two windows together.
    fn of_windows(&self, min: u64, max: u64) -> Option<Quantiles> {
        // Three digits from 1 µs up to the most there was, at least twice the least: valid bounds.
        let mut all = Histogram::<u64>::new_with_bounds(1, max.max(2), 3).ok()?;
        self.each_value(|value, count| all.saturating_record_n(value.us().max(1), u64::from(count)));
        if all.is_empty() {
            return None;
        }
        // A histogram answers with the upper end of a bucket, which may lie beyond the most.
        let at = |quantile| all.value_at_quantile(quantile).clamp(min, max);
        Some(Quantiles { min, p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max })
    }
}

/// The least and the most of nothing.
const NOTHING: (u64, u64) = (u64::MAX, 0);

/// How often each value came: a count for each, in pages that are there where one of their values came.
#[derive(Clone, Debug)]
struct ValueCounts {
    /// The place of each page in `pages` and one; 0 where it is not there.
    page_of: [u16; PAGES],
    pages: Vec<CountPage>,
}

/// The counts of values that are next to each other.
type CountPage = [u32; PAGE];

/// How many values of a page came.
fn sum(page: &CountPage) -> u64 {
    page.iter().map(|count| u64::from(*count)).sum()
}

impl Default for ValueCounts {
    fn default() -> Self {
        Self { page_of: [0; PAGES], pages: Vec::new() }
    }
}

impl ValueCounts {
    /// Counts a value.
    #[inline]
    fn add(&mut self, value: Short) {
        let (number, place) = (usize::from(value.0) / PAGE, usize::from(value.0) % PAGE);
        let page = self.page_of.get(number).map_or(0, |page| usize::from(*page));
        match self.pages.get_mut(page.wrapping_sub(1)).and_then(|page| page.get_mut(place)) {
            Some(count) => *count = count.saturating_add(1),
            None => self.begin_page(number, place),
        }
    }

    /// The first value of a page.
    #[cold]
    #[inline(never)]
    fn begin_page(&mut self, number: usize, place: usize) {
        let mut page = [0; PAGE];
        if let Some(count) = page.get_mut(place) {
            *count = 1;
        }
        self.pages.push(page);
        // At most PAGES of them.
        if let (Some(page), Ok(place)) = (self.page_of.get_mut(number), u16::try_from(self.pages.len())) {
            *page = place;
        }
    }

    /// The pages that are there, in order, each with its first value.
    fn in_order(&self) -> impl Iterator<Item = (u16, &CountPage)> {
        let places = (0..=u16::MAX).step_by(PAGE).zip(&self.page_of);
        places.filter_map(|(first, place)| {
            let page = self.pages.get(usize::from(*place).checked_sub(1)?)?;
            Some((first, page))
        })
    }

    /// Calls `found` with each value, in order, and how often it came.
    fn each(&self, mut found: impl FnMut(Short, u32)) {
        for (first, page) in self.in_order() {
            for (code, count) in (first..).zip(page) {
                if *count > 0 {
                    found(Short(code), *count);
                }
            }
        }
    }

    /// How many there are of all.
    fn total(&self) -> u64 {
        self.pages.iter().map(sum).sum()
    }

    /// The values at ascending ranks, from 1.
    fn at_ranks(&self, ranks: [u64; 4]) -> [Short; 4] {
        let mut pages = self.in_order();
        let (mut first, mut page, mut before) = (0, None, 0);
        ranks.map(|rank| {
            while page.is_none_or(|page| before + sum(page) < rank) {
                before += page.map_or(0, sum);
                let Some(next) = pages.next() else { break };
                (first, page) = (next.0, Some(next.1));
            }
            let mut so_far = before;
            let reaches = |count: &u32| {
                so_far += u64::from(*count);
                so_far >= rank
            };
            let place = page.and_then(|page| page.iter().position(reaches)).unwrap_or(0);
            Short(first + u16::try_from(place).unwrap_or(0))
        })
    }

    /// Bytes of memory that it takes.
    fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.pages.capacity() * size_of::<CountPage>()
    }
}

/// The quantiles of values that were kept one by one.
fn of_few(few: &[Short], min: u64, max: u64) -> Option<Quantiles> {
    if few.is_empty() {
        return None;
    }
    let is_few = few.len() <= FEW;
    let ranks = if is_few {
        [500, 900, 990, 999].map(|permille| (few.len() * permille).div_ceil(1000).max(1) as u64)
    } else {
        ranks(few.len() as u64)
    };
    let mut found = [min; 4];
    let (mut next, mut so_far) = (0, 0);
    in_order(few, |value, count| {
        so_far += u64::from(count);
        while let (Some(rank), Some(place)) = (ranks.get(next), found.get_mut(next))
            && *rank <= so_far
        {
            *place = (if is_few { value.us() } else { value.last_us() }).clamp(min, max);
            next += 1;
        }
    });
    let [p50, p90, p99, p999] = found;
    Some(Quantiles { min, p50, p90, p99, p999, max })
}

/// The quantiles of values that were counted.
fn of_many(counted: &ValueCounts, min: u64, max: u64) -> Option<Quantiles> {
    let values = counted.at_ranks(ranks(counted.total()));
    let [p50, p90, p99, p999] = values.map(|value| value.last_us().clamp(min, max));
    Some(Quantiles { min, p50, p90, p99, p999, max })
}

/// The ranks of the quantiles of so many values, from 1, as a histogram of three digits finds them. What it answers is
/// the upper end of a bucket, which may lie beyond the most.
fn ranks(total: u64) -> [u64; 4] {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the rank of a quantile, as hdrhistogram finds it"
    )]
    [0.5, 0.9, 0.99, 0.999].map(|quantile: f64| ((quantile * total as f64).ceil() as u64).max(1))
}

/// Values that are counted at once: how far they may lie from the least.
const COUNTED: usize = 4_096;
/// Values of a page: as many as a word has bits.
const PAGE: usize = u64::BITS as usize;
/// Pages of all values up to the longest that is told exactly.
const PAGES: usize = Short::of(MAX_US).0 as usize / PAGE + 1;

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
