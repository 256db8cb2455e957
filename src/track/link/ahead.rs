//! Segments that came ahead of others: evidence of loss, unless the capture itself lacks what lay before them.

use crate::dissect::SegmentSeen;
use crate::stream::Fate;

/// Segments that wait for bytes before them, as they were counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AheadSegments {
    count: u8,
}

impl AheadSegments {
    /// A segment of this direction.
    ///
    /// Answers how many came ahead of bytes that have come now: those were lost, or overtaken.
    #[inline]
    pub(super) const fn segment(&mut self, seen: &SegmentSeen<'_>) -> u8 {
        match seen.fate {
            Fate::OutOfOrder => {
                self.count = self.count.saturating_add(1);
                0
            }
            Fate::FillsGap => std::mem::replace(&mut self.count, 0),
            _ => 0,
        }
    }
}
