//! Clock correction between captures: an offset and a drift.
//!
//! Each captured host has its own clock. Times are corrected where frames are read, so that everything after
//! that sees one clock. The module `clocks` estimates the numbers; here they are only applied.

use crate::time::{Span, Timestamp};

/// A linear relation between two clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClockCorrection {
    /// The time, by the clock to be corrected, at which `offset` holds.
    pub anchor: Timestamp,
    /// The offset to add at the anchor.
    pub offset: Span,
    /// The additional offset per unit of time after the anchor: 40e-6 if the clock loses 40 µs per second.
    pub drift: f64,
    /// Where the clock was set in the middle of it.
    pub step: Option<SetClock>,
}

/// A clock that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetClock {
    /// From this time on, by the clock to be corrected.
    pub at: Timestamp,
    /// What is added from then on, beside the offset.
    pub by: Span,
}

impl ClockCorrection {
    /// Converts a time to the other clock.
    #[must_use]
    pub fn correct(&self, at: Timestamp) -> Timestamp {
        let step = self.step.filter(|step| at >= step.at).map_or(Span::ZERO, |step| step.by);
        at.plus(self.offset).plus(self.drifted(at)).plus(step)
    }

    /// The drift since the anchor. A float is exact to far less than a microsecond here.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "saturates, and is small"
    )]
    fn drifted(&self, at: Timestamp) -> Span {
        if self.drift == 0.0 {
            return Span::ZERO;
        }
        Span::from_nanos((at.since(self.anchor).nanos() as f64 * self.drift).round() as i64)
    }

    /// This correction followed by another. Of two clocks that were set, only the first's step is known.
    #[must_use]
    pub fn then(&self, next: &Self) -> Self {
        let (own, others) = (self.smooth(), next.smooth());
        let there = own.correct(self.anchor);
        let offset = Span::from_nanos(others.correct(there).since(self.anchor).nanos());
        let step =
            self.step.or_else(|| next.step.map(|step| SetClock { at: own.back().correct(step.at), ..step }));
        Self { anchor: self.anchor, offset, drift: (1.0 + self.drift) * (1.0 + next.drift) - 1.0, step }
    }

    /// The same without its step.
    const fn smooth(&self) -> Self {
        Self { step: None, ..*self }
    }

    /// The inverse correction.
    #[must_use]
    pub fn back(&self) -> Self {
        Self {
            anchor: self.smooth().correct(self.anchor),
            offset: Span::from_nanos(self.offset.nanos().saturating_neg()),
            drift: 1.0 / (1.0 + self.drift) - 1.0,
            // It lies anywhere in the time that the clock left out: in the middle, as far as is known.
            step: self.step.map(|step| SetClock {
                at: self.smooth().correct(step.at).plus(step.by.over(2)),
                by: Span::from_nanos(step.by.nanos().saturating_neg()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_nanos(1_795_248_000_000_000_000);

    #[test]
    fn a_clock_there_and_back_is_the_same_clock() {
        let clock =
            ClockCorrection { anchor: START, offset: Span::from_millis(-137_000), drift: 40e-6, step: None };
        let later = START.plus(Span::from_millis(100_000));
        assert_eq!(clock.correct(later), START.plus(Span::from_millis(-37_000 + 4)));
        let back = clock.back().correct(clock.correct(later));
        assert!(back.since(later).nanos().abs() < 1_000, "{back:?}");
        let twice = clock.then(&clock.back()).correct(later);
        assert!(twice.since(later).nanos().abs() < 1_000, "{twice:?}");
    }

    #[test]
    fn a_clock_that_was_set_is_corrected_from_then_on() {
        let second = |n: i64| START.plus(Span::from_millis(n * 1_000));
        let step = SetClock { at: second(10).plus(Span::from_millis(2_250)), by: Span::from_millis(-4_500) };
        let clock = ClockCorrection { anchor: START, step: Some(step), ..ClockCorrection::default() };
        assert_eq!(clock.correct(second(9)), second(9));
        assert_eq!(clock.correct(second(20)), second(20).plus(step.by));
        for at in [second(9), second(20)] {
            assert_eq!(clock.back().correct(clock.correct(at)), at);
        }
        let chained = clock.then(&ClockCorrection { offset: Span::from_millis(1_000), ..Default::default() });
        assert_eq!(chained.correct(second(20)), second(21).plus(step.by));
    }

    #[test]
    fn nothing_overflows() {
        let clock = ClockCorrection {
            anchor: Timestamp::MIN,
            offset: Span::from_nanos(i64::MAX),
            drift: 1.0,
            step: Some(SetClock { at: Timestamp::MIN, by: Span::from_nanos(i64::MAX) }),
        };
        assert_eq!(clock.correct(Timestamp::MAX), Timestamp::MAX);
        let _ = clock.back().then(&clock).correct(Timestamp::MIN);
    }
}
