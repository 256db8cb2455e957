//! Stretches of time that the watching has missed.

use crate::findings::incident::CoverageGap;
use crate::time::Timestamp;

/// Stretches that are told one by one; later ones are joined with the last.
const MAX_GAPS: usize = 256;

/// What was missed.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps {
    all: Vec<CoverageGap>,
    /// Since when something is missing, until the next frame.
    open: Option<Timestamp>,
}

impl Gaps {
    /// Something is missing since then.
    pub(super) fn open(&mut self, from: Timestamp) {
        self.open = Some(self.open.map_or(from, |open| open.min(from)));
    }

    /// A frame has come.
    pub(super) fn close(&mut self, at: Timestamp) {
        if let Some(from) = self.open.take() {
            self.add(from, at.max(from));
        }
    }

    /// Notes a stretch.
    pub(super) fn add(&mut self, from: Timestamp, to: Timestamp) {
        // In order of time, and those that touch are one.
        let at = self.all.partition_point(|gap| gap.to < from);
        let end = self.all.partition_point(|gap| gap.from <= to).max(at);
        let joined =
            self.all.drain(at..end).fold((from, to), |(from, to), gap| (from.min(gap.from), to.max(gap.to)));
        self.all.insert(at, CoverageGap { host: None, from: joined.0, to: joined.1 });
        if self.all.len() > MAX_GAPS
            && let Some(last) = self.all.pop()
            && let Some(before) = self.all.last_mut()
        {
            before.to = before.to.max(last.to);
        }
    }

    /// All of them, as of now.
    pub(super) fn until(&self, now: Timestamp) -> Vec<CoverageGap> {
        let mut gaps = self.clone();
        gaps.close(now);
        gaps.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    #[test]
    fn gaps_end_with_the_next_frame_and_are_bounded() {
        let mut gaps = Gaps::default();
        gaps.close(at(1));
        gaps.open(at(10));
        gaps.open(at(11));
        assert_eq!(gaps.until(at(20)).len(), 1);
        gaps.close(at(15));
        assert_eq!(gaps.until(at(20)), [CoverageGap { host: None, from: at(10), to: at(15) }]);
        gaps.add(at(14), at(16));
        assert_eq!(gaps.all.len(), 1, "what overlaps is one");
        gaps.add(at(5), at(6));
        assert_eq!((gaps.all.len(), gaps.all[0].from), (2, at(5)), "what is known later may lie before");
        gaps.add(at(4), at(12));
        assert_eq!(gaps.all, [CoverageGap { host: None, from: at(4), to: at(16) }]);
        (0..1_000).for_each(|second| gaps.add(at(100 + 2 * second), at(101 + 2 * second)));
        assert_eq!((gaps.all.len(), gaps.all[MAX_GAPS - 1].to), (MAX_GAPS, at(2_099)));
    }
}
