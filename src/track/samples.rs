//! Durations of one kind on one link, in microseconds: compact while few, a histogram once many.
//!
//! Ten thousand links with several kinds each must fit into memory, so a histogram is only made for
//! those that need one. Three digits are kept either way; what lies beyond an hour is counted as an
//! hour and told apart.

use crate::report::model::Quantiles;
use hdrhistogram::Histogram;
use std::borrow::Cow;

/// Up to so many values are told one by one, more by a histogram.
const FEW: usize = 512;
/// Values kept one by one before the histogram takes them, together: it is larger than the caches next to
/// the processor, and has left them by the time that the next value comes up.
const HELD: usize = 4_096;
/// The longest duration that is told exactly: one hour.
const MOST_US: u64 = 3_600_000_000;

/// Durations of one kind.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// The last ones, not yet in the histogram.
    few: Vec<Short>,
    /// All the others, where there were too many.
    many: Option<Box<Histogram<u32>>>,
    /// Nothing more will come: what is shown is all that is kept.
    sealed: Option<Box<(u64, Option<Quantiles>)>>,
    /// The least and the most, exactly.
    ends: Option<(u64, u64)>,
    /// Durations beyond the most that is told exactly.
    pub clamped: u64,
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

impl Samples {
    /// Adds a duration in microseconds.
    #[inline]
    pub fn record(&mut self, us: u64) {
        self.clamped += u64::from(us > MOST_US);
        let us = us.min(MOST_US);
        self.ends = Some(self.ends.map_or((us, us), |(least, most)| (least.min(us), most.max(us))));
        if self.few.len() >= HELD {
            self.drain();
        }
        self.few.push(Short::of(us));
    }

    /// Lets the single values go: nothing more will come.
    pub fn seal(&mut self) {
        if self.many.is_some() {
            // So that the histogram need not be copied to be asked.
            self.drain();
        }
        let sealed = (self.count(), self.quantiles());
        (self.few, self.many) = (Vec::new(), None);
        self.sealed = Some(Box::new(sealed));
    }

    /// Moves the single values to the histogram.
    #[cold]
    fn drain(&mut self) {
        let many = self.many.take().or_else(histogram);
        let Some(mut many) = many else { return };
        for value in self.few.drain(..) {
            many.saturating_record(value.us().max(1));
        }
        self.many = Some(many);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        match &self.sealed {
            Some(sealed) => sealed.0,
            None => self.few.len() as u64 + self.many.as_ref().map_or(0, |many| many.len()),
        }
    }

    /// Values at the quantiles that reports show; `None` where there are no values.
    #[must_use]
    pub fn quantiles(&self) -> Option<Quantiles> {
        let (min, max) = self.ends?;
        if let Some(sealed) = &self.sealed {
            return sealed.1;
        }
        if self.many.is_none() && self.few.len() <= FEW {
            let mut sorted = self.few.clone();
            sorted.sort_unstable();
            let at = |permille: usize| {
                let rank = (sorted.len() * permille).div_ceil(1000).max(1);
                sorted.get(rank - 1).copied().map_or(0, Short::us)
            };
            return Some(Quantiles { min, p50: at(500), p90: at(900), p99: at(990), p999: at(999), max });
        }
        let mut all = match &self.many {
            Some(many) => Cow::Borrowed(&**many),
            None => Cow::Owned(*histogram()?),
        };
        for value in &self.few {
            all.to_mut().saturating_record(value.us().max(1));
        }
        // A histogram answers with the upper end of a bucket, which may lie beyond the most.
        let at = |quantile| all.value_at_quantile(quantile).clamp(min, max);
        Some(Quantiles { min, p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max })
    }
}

/// An empty one, for three digits from 1 µs up to an hour: bounds that are always valid.
fn histogram() -> Option<Box<Histogram<u32>>> {
    Histogram::new_with_bounds(1, MOST_US, 3).ok().map(Box::new)
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
    fn nothing_has_no_quantiles() {
        assert_eq!(Samples::default().quantiles(), None);
        let mut hour = Samples::default();
        hour.record(u64::MAX);
        assert_eq!((hour.count(), hour.clamped), (1, 1));
    }
}
