//! What a capture at the learner's end adds to a link that the leader's capture shows.

use super::LinkTrack;
use crate::dissect::{Crossed, Direction, PerDirection, SegmentSeen};
use crate::packet::Flags;
use crate::time::Timestamp;
use crate::track::ends::Passage;
use crate::track::wait::{Ended, Mark};

impl LinkTrack {
    /// A frame as the learner's capture shows it, where the leader's runs too.
    pub fn at_learner(&mut self, seen: &SegmentSeen<'_>) {
        self.ends.get_or_insert_default();
        self.of_file(seen.segment.place.file);
        let mark = Mark { place: seen.segment.place, at: seen.segment.at };
        if self.reading.to_learner.is_over {
            return;
        }
        let is_end = seen.segment.flags.has(Flags::FIN | Flags::RST);
        if is_end && seen.new_bytes == 0 {
            self.reading.to_learner.is_over = true;
            self.end_wait(Direction::ToLearner, mark.at, Ended::Closed, Some(mark.place));
        } else if seen.direction.is_to_leader() {
            self.other_came(seen, mark);
        } else {
            self.came(seen, mark);
        }
    }

    /// What became of a segment on its way.
    pub fn crossed(&mut self, crossed: &Crossed) {
        self.ends.get_or_insert_default().crossed(crossed, &mut self.waits);
    }

    pub(super) fn crossed_between(&self, from: Timestamp, to: Timestamp) -> PerDirection<Passage> {
        self.ends.as_ref().map(|ends| ends.sum(from, to)).unwrap_or_default()
    }
}
