//! Durations of one kind on one link, in microseconds: compact while few, a histogram once many.
//!
//! Ten thousand links with several kinds each must fit into memory, so a histogram is only made for
//! those that need one. Three digits are kept either way; what lies beyond an hour is counted as an
//! hour and told apart.

use crate::report::model::Quantiles;
use hdrhistogram::Histogram;

/// Values kept one by one before a histogram takes over.
const FEW: usize = 512;
/// The longest duration that is told exactly: one hour.
const MOST_US: u64 = 3_600_000_000;

/// Durations of one kind.
#[derive(Clone, Debug)]
pub struct Samples {
    store: Store,
    /// The least and the most, exactly.
    ends: Option<(u64, u64)>,
    /// Durations beyond the most that is told exactly.
    pub clamped: u64,
    /// Those of the window before, where there are windows.
    before: Option<Box<Self>>,
}

#[derive(Clone, Debug)]
enum Store {
    Few(Vec<Short>),
    Many(Box<Histogram<u32>>),
    /// Nothing more will come: only what is shown is kept.
    Sealed(Box<(u64, Option<Quantiles>)>),
}

/// A duration to three digits in two bytes: 11 bits of mantissa, the first of them implied from 2048
/// on, and an exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Short(u16);

impl Short {
    /// Bits of mantissa that are written down.
    const BITS: u32 = 11;

    #[expect(clippy::cast_possible_truncation, reason = "MOST_US has 32 bits, so the exponent is at most 21")]
    const fn of(us: u64) -> Self {
        let width = u64::BITS - us.leading_zeros();
        if width <= Self::BITS {
            return Self(us as u16);
        }
        let exponent = width - Self::BITS;
        Self((((exponent as u64) << (Self::BITS - 1)) + (us >> exponent)) as u16)
    }

    /// The least duration that is written so.
    const fn us(self) -> u64 {
        let bits = self.0 as u64;
        let exponent = (bits >> (Self::BITS - 1)).saturating_sub(1);
        if exponent == 0 { bits } else { (bits - (exponent << (Self::BITS - 1))) << exponent }
    }
}

impl Default for Samples {
    fn default() -> Self {
        Self { store: Store::Few(Vec::new()), ends: None, clamped: 0, before: None }
    }
}

impl Samples {
    /// Adds a duration in microseconds.
    #[inline]
    pub fn record(&mut self, us: u64) {
        self.clamped += u64::from(us > MOST_US);
        let us = us.min(MOST_US);
        self.ends = Some(self.ends.map_or((us, us), |(least, most)| (least.min(us), most.max(us))));
        match &mut self.store {
            Store::Few(values) if values.len() < FEW => {
                values.push(Short::of(us));
            }
            Store::Few(_) => self.promote(us),
            Store::Many(histogram) => histogram.saturating_record(us.max(1)),
            Store::Sealed(_) => {}
        }
    }

    /// Lets the single values go: nothing more will come.
    pub fn seal(&mut self) {
        let sealed = (self.count(), self.quantiles());
        self.before = None;
        self.store = Store::Sealed(Box::new(sealed));
    }

    /// Begins a new window. What is told is that of the window and the one before it.
    pub fn rotate(&mut self) {
        if matches!(self.store, Store::Sealed(_)) {
            return;
        }
        self.before = None;
        let before = std::mem::take(self);
        self.before = (before.ends.is_some()).then(|| Box::new(before));
    }

    /// This window and the one before it as one.
    fn both(&self, before: &Self) -> Self {
        let mut both = before.histogram();
        if let (Some(both), Some(own)) = (&mut both, self.histogram()) {
            // The same bounds on both sides: nothing is refused.
            let _ = both.add(own);
        }
        let ends = match (before.ends, self.ends) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
        let store = both.map_or(Store::Few(Vec::new()), |both| Store::Many(Box::new(both)));
        Self { store, ends, clamped: 0, before: None }
    }

    /// The values as a histogram, whatever they are kept as.
    fn histogram(&self) -> Option<Histogram<u32>> {
        match &self.store {
            Store::Few(values) => {
                let mut histogram = Histogram::new_with_bounds(1, MOST_US, 3).ok()?;
                values.iter().for_each(|value| histogram.saturating_record(value.us().max(1)));
                Some(histogram)
            }
            Store::Many(histogram) => Some((**histogram).clone()),
            Store::Sealed(_) => None,
        }
    }

    #[cold]
    fn promote(&mut self, us: u64) {
        let Store::Few(values) = &mut self.store else { return };
        // Three digits from 1 µs up to an hour: bounds that are always valid.
        let Ok(mut histogram) = Histogram::new_with_bounds(1, MOST_US, 3) else { return };
        for value in values.drain(..) {
            histogram.saturating_record(value.us().max(1));
        }
        histogram.saturating_record(us.max(1));
        self.store = Store::Many(Box::new(histogram));
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        let before = self.before.as_ref().map_or(0, |before| before.count());
        before
            + match &self.store {
                Store::Few(values) => values.len() as u64,
                Store::Many(histogram) => histogram.len(),
                Store::Sealed(sealed) => sealed.0,
            }
    }

    /// Values at the quantiles that reports show; `None` where there are no values.
    #[must_use]
    pub fn quantiles(&self) -> Option<Quantiles> {
        if let Some(before) = &self.before {
            return self.both(before).quantiles();
        }
        let (min, max) = self.ends?;
        match &self.store {
            Store::Sealed(sealed) => sealed.1,
            Store::Few(values) => {
                let mut sorted = values.clone();
                sorted.sort_unstable();
                let at = |permille: usize| {
                    let rank = (sorted.len() * permille).div_ceil(1000).max(1);
                    sorted.get(rank - 1).copied().map_or(0, Short::us)
                };
                Some(Quantiles { min, p50: at(500), p90: at(900), p99: at(990), p999: at(999), max })
            }
            // A histogram answers with the upper end of a bucket, which may lie beyond the most.
            Store::Many(histogram) => Some(Quantiles {
                min,
                p50: histogram.value_at_quantile(0.5).clamp(min, max),
                p90: histogram.value_at_quantile(0.9).clamp(min, max),
                p99: histogram.value_at_quantile(0.99).clamp(min, max),
                p999: histogram.value_at_quantile(0.999).clamp(min, max),
                max,
            }),
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
        for us in (0..5_000).chain((5_000..MOST_US).step_by(777_777)).chain([MOST_US]) {
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
