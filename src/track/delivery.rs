//! What became of the segments that both ends' captures could show.

use super::mark::Mark;
use crate::dissect::SegmentMatch;
use crate::time::Span;

/// From which time on the way on a segment is late: no path within an ensemble takes a tenth of it.
const LATE: Span = Span::from_millis(500);

/// What became of the segments of one direction in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Those that arrived, but for the last moment.
    pub arrived: u32,
    /// Those that arrived in the last moment: what ended the wait, or a FIN behind it.
    pub arrived_at_end: u32,
    /// Those that did not.
    pub lost: u32,
    /// The first that did not, where it was sent.
    pub first_lost: Option<Mark>,
    /// Those that arrived although they were sent behind a lost one; the last moment left out.
    pub arrived_since: u32,
    /// Those that took half a second and more.
    pub late: u32,
}

impl Delivery {
    /// Those that were sent.
    #[must_use]
    pub const fn sent(&self) -> u32 {
        self.arrived.saturating_add(self.arrived_at_end).saturating_add(self.lost)
    }

    pub(super) fn add(&mut self, segment_match: &SegmentMatch, is_at_end: bool) {
        let is_late = segment_match.arrived.is_some_and(|arrived| arrived.since(segment_match.sent) >= LATE);
        self.late = self.late.saturating_add(u32::from(is_late));
        if segment_match.arrived.is_some() && is_at_end {
            self.arrived_at_end = self.arrived_at_end.saturating_add(1);
        } else if segment_match.arrived.is_some() {
            self.arrived = self.arrived.saturating_add(1);
            let is_behind = self.first_lost.is_some_and(|lost| lost.at < segment_match.sent);
            self.arrived_since = self.arrived_since.saturating_add(u32::from(is_behind));
        } else {
            self.lost = self.lost.saturating_add(1);
            self.first_lost.get_or_insert(Mark { frame: segment_match.frame, at: segment_match.sent });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_without_end_are_counted_up_to_the_last_number() {
        let full = Delivery { arrived: u32::MAX, arrived_at_end: 1, lost: 1, ..Delivery::default() };
        assert_eq!(full.sent(), u32::MAX);
    }
}
