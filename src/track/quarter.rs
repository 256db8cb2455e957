//! Quarters of a second, in which it is counted what goes on.

use crate::time::Timestamp;

/// Length of one, in nanoseconds.
pub(super) const QUARTER_NANOS: i64 = 250_000_000;

/// When something happened, by quarters of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuarterSecond {
    /// The number of the quarter, from 1970-01-01 on.
    pub number: i64,
    /// Nanoseconds from its start.
    pub part: u32,
}

impl QuarterSecond {
    /// That of a time.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "less than a quarter of a second")]
    pub const fn of(at: Timestamp) -> Self {
        Self {
            number: at.nanos().div_euclid(QUARTER_NANOS),
            part: at.nanos().rem_euclid(QUARTER_NANOS) as u32,
        }
    }
}

/// The quarter that was asked for last: no division where the next time lies in it too.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LastQuarter {
    /// Its start, in nanoseconds.
    start: i64,
    number: i64,
}

impl LastQuarter {
    /// [`QuarterSecond::of`] a time.
    #[inline(always)]
    pub(super) fn of(&mut self, at: Timestamp) -> QuarterSecond {
        match u32::try_from(at.nanos().wrapping_sub(self.start)) {
            Ok(part) if i64::from(part) < QUARTER_NANOS => QuarterSecond { number: self.number, part },
            _ => self.another(at),
        }
    }

    #[cold]
    #[inline(never)]
    fn another(&mut self, at: Timestamp) -> QuarterSecond {
        let quarter = QuarterSecond::of(at);
        (self.start, self.number) = (at.nanos().saturating_sub(i64::from(quarter.part)), quarter.number);
        quarter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_quarter_answers_as_a_division_does() {
        let mut last = LastQuarter::default();
        let times =
            [0, 1, 249_999_999, 250_000_000, 499_999_999, 499_999_998, 3, -1, -250_000_000, -250_000_001];
        let far = [i64::MAX, i64::MIN, i64::MAX - QUARTER_NANOS, 1_795_248_000_123_456_789];
        for at in times.into_iter().chain(far).map(Timestamp::from_nanos) {
            assert_eq!(last.of(at), QuarterSecond::of(at), "{at:?}");
            assert_eq!(last.of(at), QuarterSecond::of(at), "{at:?} once more");
        }
    }
}
