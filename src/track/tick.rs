//! tickTime from the beat of the leaders' PINGs: half a tick apart
//! (`apache/zookeeper: .../server/quorum/Leader.java`, `lead`).

use crate::time::Span;

/// Spacings up to this many milliseconds are counted; a tick of a minute is beyond any use.
const MAX_SPACING_MS: usize = 30_000;
/// Spacings needed before they are believed.
const MIN_SPACINGS: u64 = 4;

/// Spacings of PINGs on all links, by millisecond.
#[derive(Clone, Debug, Default)]
pub(super) struct TickEstimator {
    counts: Vec<u32>,
    total: u64,
}

impl TickEstimator {
    /// Adds the time between two PINGs on one link.
    pub(super) fn add(&mut self, spacing: Span) {
        let Ok(ms) = usize::try_from(spacing.nanos() / 1_000_000) else { return };
        if ms == 0 || ms >= MAX_SPACING_MS {
            return;
        }
        if self.counts.len() <= ms {
            self.counts.resize((ms + 1).next_power_of_two().min(MAX_SPACING_MS), 0);
        }
        if let Some(count) = self.counts.get_mut(ms) {
            *count = count.saturating_add(1);
            self.total += 1;
        }
    }

    /// tickTime in milliseconds: twice the median spacing, as a number that people set.
    #[must_use]
    pub(super) fn tick_ms(&self) -> Option<u32> {
        if self.total < MIN_SPACINGS {
            return None;
        }
        let mut left = self.total / 2;
        let median = self.counts.iter().position(|count| {
            let is_here = left < u64::from(*count);
            left = left.saturating_sub(u64::from(*count));
            is_here
        })?;
        let raw = u32::try_from(median).ok()? * 2;
        // A PING goes out late rather than early, by a millisecond or two, and half a tick is rounded down.
        let near = [500u32, 100, 50, 10].into_iter().find_map(|step| {
            let rounded = (raw + step / 2) / step * step;
            (rounded > 0 && rounded.abs_diff(raw) <= (rounded / 100).max(2)).then_some(rounded)
        });
        Some(near.unwrap_or(raw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tick_is_twice_the_beat() {
        for (spacings, tick) in [
            ([500, 501, 502, 501, 1003], 1000),
            ([1000, 1001, 1000, 1002, 999], 2000),
            ([125, 125, 126, 125, 125], 250),
        ] {
            let mut ticks = TickEstimator::default();
            spacings.into_iter().for_each(|ms| ticks.add(Span::from_millis(ms)));
            assert_eq!(ticks.tick_ms(), Some(tick));
        }
        assert_eq!(TickEstimator::default().tick_ms(), None);
    }
}
