//! Durations of one kind on one link, in microseconds: exact while few, a histogram once many.
//!
//! Ten thousand links with three kinds each must fit into memory, so a histogram is only made for
//! those that need one. Three digits are kept; what lies beyond an hour is counted as an hour and
//! told apart.

use crate::report::model::Quantiles;
use hdrhistogram::Histogram;

/// Values kept as they are before a histogram takes over.
const FEW: usize = 256;
/// The longest duration that is told exactly: one hour.
const MOST_US: u64 = 3_600_000_000;

/// Durations of one kind.
#[derive(Clone, Debug)]
pub struct Samples {
    store: Store,
    /// Durations beyond the most that is told exactly.
    pub clamped: u64,
}

#[derive(Clone, Debug)]
enum Store {
    Few(Vec<u32>),
    Many(Box<Histogram<u32>>),
}

impl Default for Samples {
    fn default() -> Self {
        Self { store: Store::Few(Vec::new()), clamped: 0 }
    }
}

impl Samples {
    /// Adds a duration in microseconds.
    #[inline]
    pub fn record(&mut self, us: u64) {
        self.clamped += u64::from(us > MOST_US);
        let us = us.min(MOST_US);
        match &mut self.store {
            Store::Few(values) if values.len() < FEW => {
                // MOST_US fits into 32 bits.
                values.push(u32::try_from(us).unwrap_or(u32::MAX));
            }
            Store::Few(_) => self.promote(us),
            Store::Many(histogram) => histogram.saturating_record(us.max(1)),
        }
    }

    #[cold]
    fn promote(&mut self, us: u64) {
        let Store::Few(values) = &mut self.store else { return };
        // Three digits from 1 µs up to an hour: bounds that are always valid.
        let Ok(mut histogram) = Histogram::new_with_bounds(1, MOST_US, 3) else { return };
        for value in values.drain(..) {
            histogram.saturating_record(u64::from(value).max(1));
        }
        histogram.saturating_record(us.max(1));
        self.store = Store::Many(Box::new(histogram));
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        match &self.store {
            Store::Few(values) => values.len() as u64,
            Store::Many(histogram) => histogram.len(),
        }
    }

    /// Values at the quantiles that reports show; `None` where there are no values.
    #[must_use]
    pub fn quantiles(&self) -> Option<Quantiles> {
        match &self.store {
            Store::Few(values) if values.is_empty() => None,
            Store::Few(values) => {
                let mut sorted = values.clone();
                sorted.sort_unstable();
                let at = |permille: usize| {
                    let rank = (sorted.len() * permille).div_ceil(1000).max(1);
                    sorted.get(rank - 1).copied().map_or(0, u64::from)
                };
                Some(Quantiles {
                    min: at(0),
                    p50: at(500),
                    p90: at(900),
                    p99: at(990),
                    p999: at(999),
                    max: at(1000),
                })
            }
            Store::Many(histogram) => Some(Quantiles {
                min: histogram.min(),
                p50: histogram.value_at_quantile(0.5),
                p90: histogram.value_at_quantile(0.9),
                p99: histogram.value_at_quantile(0.99),
                p999: histogram.value_at_quantile(0.999),
                max: histogram.max(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
