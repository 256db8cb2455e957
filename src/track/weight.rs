//! What all links together remember of their past has a bound.
//!
//! On each link it has bounds of its own, wide enough for a storm of writes. Thousands of links, forged
//! perhaps, must not take so much each: now and then all are weighed, and where they are too heavy those
//! above an equal share let go of their oldest, shortest and most.

use super::Tracker;
use super::link::LinkTrack;

/// Bytes of memory that PROPOSALs in flight, waits and durations of all links may take, unless told otherwise: see
/// [`TrackerOptions::max_held_bytes`](super::TrackerOptions::max_held_bytes).
pub(super) const MAX_HELD: usize = 256 * 1024 * 1024;
/// Packets and segments between two weighings. What they add meanwhile is small against the bound.
const WEIGHED_EVERY: u32 = 65_536;

impl Tracker {
    /// Something passes that a link may remember.
    #[inline(always)]
    pub(super) fn passes(&mut self) {
        self.passed = self.passed.wrapping_add(1);
        if self.passed.is_multiple_of(WEIGHED_EVERY) {
            self.weigh(self.options.max_held_bytes.unwrap_or(MAX_HELD));
        }
    }

    /// Makes all links together no heavier than `most` bytes.
    #[cold]
    pub(super) fn weigh(&mut self, most: usize) {
        let weight: usize = self.links.iter().map(LinkTrack::held_bytes).sum();
        if weight <= most {
            return;
        }
        let heavy = self.links.iter().filter(|link| link.held_bytes() > 0).count();
        // Half of it, so that it is not the same again at once.
        let share = most / 2 / heavy.max(1);
        self.links.iter_mut().filter(|link| link.held_bytes() > share).for_each(|link| link.lighten(share));
    }
}
