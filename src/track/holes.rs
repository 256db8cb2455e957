//! Stretches of time that a capture lacks: bytes went by on a link and no frame of it was captured.

use crate::address::Address;
use crate::findings::incident::CoverageGap;
use crate::time::{Span, Timestamp};

/// Shorter ones are lost segments rather than a capture that stood still.
const MIN_HOLE: Span = Span::from_millis(1_000);
/// Holes kept.
const MAX_HOLES: usize = 256;

/// The holes of all captures.
#[derive(Clone, Debug, Default)]
pub(super) struct Holes(Vec<(Option<u32>, Timestamp, Timestamp)>);

impl Holes {
    /// Bytes are missing on a link of which no frame came between two times.
    pub(super) fn add(&mut self, file: Option<u32>, from: Timestamp, to: Timestamp) {
        if to.since(from) < MIN_HOLE {
            return;
        }
        let is_same =
            |hole: &&mut (Option<u32>, Timestamp, Timestamp)| hole.0 == file && hole.1 < to && from < hole.2;
        let is_room = self.0.len() < MAX_HOLES;
        match self.0.iter_mut().find(is_same) {
            // What any link shows was captured.
            Some(hole) => (hole.1, hole.2) = (hole.1.max(from), hole.2.min(to)),
            None if is_room => self.0.push((file, from, to)),
            None => {}
        }
    }

    /// All of them, by time; `host_of` tells where a file was taken.
    pub(super) fn finish(&self, host_of: impl Fn(u32) -> Option<Address>) -> Vec<CoverageGap> {
        let gap = |hole: &(Option<u32>, Timestamp, Timestamp)| CoverageGap {
            host: hole.0.and_then(&host_of),
            from: hole.1,
            to: hole.2,
        };
        let mut gaps: Vec<_> = self.0.iter().map(gap).collect();
        gaps.sort_by_key(|gap| (gap.from, gap.to));
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lack_the_same_time_show_one_hole() {
        let at = |millis| Timestamp::from_nanos(0).plus(Span::from_millis(millis));
        let mut holes = Holes::default();
        holes.add(Some(0), at(0), at(999));
        holes.add(Some(0), at(1_000), at(8_000));
        holes.add(Some(0), at(1_400), at(8_100));
        assert_eq!(holes.finish(|_| None), [CoverageGap { host: None, from: at(1_400), to: at(8_000) }]);
        for second in 0..1_000 {
            holes.add(Some(1), at(second * 2_000), at(second * 2_000 + 1_500));
        }
        assert_eq!(holes.finish(|_| None).len(), MAX_HOLES);
    }
}
