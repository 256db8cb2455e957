//! What is usual on a link, and so what is late.

/// What a duration usually is on this link: a slow average that outliers hardly move.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Baseline {
    /// In microseconds, times 16.
    average: u64,
}

impl Baseline {
    /// Delayed ACKs, 40 ms on Linux, are no lateness.
    const DELAYED_ACK_US: u64 = 40_000;

    /// Whether a duration is late: beyond ten times the usual one and a delayed ACK. What is late does
    /// not count towards the usual.
    #[inline]
    pub(super) fn is_late(&mut self, us: u64) -> bool {
        if us > Self::DELAYED_ACK_US && self.average > 0 && us > Self::DELAYED_ACK_US + self.average / 16 * 10
        {
            return true;
        }
        self.average = if self.average == 0 { us * 16 } else { self.average - self.average / 16 + us }.max(1);
        false
    }
}
