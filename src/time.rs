//! Points in time and spans between them, in nanoseconds, with arithmetic that saturates.
//!
//! A timestamp is what the capture wrote; nothing here reads a clock. Years 1824 to 2116 fit, and readers
//! clamp others to that range: so no span between two of them overflows.

use std::fmt;

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z.
///
/// ```
/// use quorumscope::time::{Span, Timestamp};
///
/// let sent = Timestamp::from_parts(1_700_000_000, 250_000_000);
/// let answered = sent.plus(Span::from_millis(40));
/// assert_eq!(answered.since(sent).millis(), 40);
/// assert_eq!(Timestamp::MAX.plus(Span::from_millis(1)), Timestamp::MAX);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A length of time in nanoseconds; negative where the second point lies before the first.
///
/// ```
/// use quorumscope::time::Span;
///
/// assert_eq!(Span::from_millis(10_002).to_string(), "10.002 s");
/// assert_eq!(Span::from_micros(1_999).millis(), 1);
/// assert_eq!(Span::from_millis(-3).millis(), 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

impl Timestamp {
    /// The earliest representable time.
    pub const MIN: Self = Self(-(1 << 62));
    /// No time: the capture does not say when it saw the frame.
    pub const UNKNOWN: Self = Self::MIN;
    /// The latest representable time.
    pub const MAX: Self = Self((1 << 62) - 1);

    /// A time from nanoseconds since 1970, clamped to what fits.
    #[must_use]
    #[inline]
    pub const fn from_nanos(nanos: i64) -> Self {
        if nanos < Self::MIN.0 {
            Self::MIN
        } else if nanos > Self::MAX.0 {
            Self::MAX
        } else {
            Self(nanos)
        }
    }

    /// A time from seconds and nanoseconds since 1970, clamped to what fits.
    #[must_use]
    pub const fn from_parts(secs: i64, nanos: u32) -> Self {
        Self::from_nanos(secs.saturating_mul(1_000_000_000).saturating_add(nanos as i64))
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The span from `earlier` to this time.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        // Both have 62 bits and a sign: see [`Self::MAX`].
        Span(self.0.wrapping_sub(earlier.0))
    }

    /// This time moved by `span`.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self::from_nanos(self.0.saturating_add(span.0))
    }

    /// This time moved back by `span`.
    #[must_use]
    pub const fn minus(self, span: Span) -> Self {
        Self::from_nanos(self.0.saturating_sub(span.0))
    }
}

impl Span {
    /// The empty span.
    pub const ZERO: Self = Self(0);

    /// A span of nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// A span of microseconds.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// A span of milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Whole microseconds, rounded down; 0 where the span is negative.
    #[must_use]
    pub const fn micros(self) -> u64 {
        if self.0 < 0 { 0 } else { self.0.unsigned_abs() / 1_000 }
    }

    /// Whole milliseconds, rounded down; 0 where the span is negative.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.micros() / 1_000
    }

    /// This span `n` times over.
    #[must_use]
    pub const fn times(self, n: i64) -> Self {
        Self(self.0.saturating_mul(n))
    }

    /// This span less another.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Its length, whichever way it goes.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// This span divided by `n`; unchanged if `n` is 0.
    #[must_use]
    pub const fn over(self, n: i64) -> Self {
        if n == 0 { self } else { Self(self.0 / n) }
    }
}

impl fmt::Display for Span {
    /// Writes seconds with milliseconds: `10.002 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0 / 1_000_000;
        let sign = if ms < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:03} s", ms.abs() / 1_000, ms.abs() % 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX.plus(Span::from_nanos(1)), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.since(Timestamp::MIN), Span::from_nanos(i64::MAX));
        assert_eq!(Timestamp::MIN.since(Timestamp::MAX), Span::from_nanos(-i64::MAX));
        assert_eq!(Timestamp::from_nanos(i64::MIN).plus(Span::from_nanos(i64::MIN)), Timestamp::MIN);
        assert_eq!(Timestamp::from_parts(i64::MAX, 999), Timestamp::MAX);
        assert_eq!(Span::from_nanos(i64::MIN).less(Span::from_nanos(i64::MAX)), Span::from_nanos(i64::MIN));
        assert_eq!(Timestamp::MIN.since(Timestamp::MAX).abs(), Span::from_nanos(i64::MAX));
    }

    #[test]
    fn spans_round_down_and_never_below_zero() {
        assert_eq!(Span::from_nanos(1_999).micros(), 1);
        assert_eq!(Span::from_nanos(-5).micros(), 0);
        assert_eq!(Span::from_millis(10_002).to_string(), "10.002 s");
    }
}
