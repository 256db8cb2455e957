//! What a capture at the learner's end adds to a link that the leader's capture shows.

use super::LinkTrack;
use crate::address::Address;
use crate::dissect::{Direction, PerDirection, SegmentMatch, SegmentSeen};
use crate::packet::Flags;
use crate::time::Timestamp;
use crate::track::one_way::Delivery;
use crate::track::wait::{Ended, Mark};

impl LinkTrack {
    /// A frame as the learner's capture shows it, where the leader's runs too.
    pub fn at_learner(&mut self, seen: &SegmentSeen<'_>) {
        self.one_way.get_or_insert_default();
        self.frames.of_file(seen.segment.frame.file);
        let mark = Mark { frame: seen.segment.frame, at: seen.segment.at };
        if self.reader.to_learner.is_over {
            return;
        }
        let is_end = seen.segment.flags.intersects(Flags::FIN | Flags::RST);
        if is_end && seen.new_bytes == 0 {
            self.reader.to_learner.is_over = true;
            self.end_wait(Direction::ToLearner, mark.at, Ended::Closed, Some(mark.frame));
        } else if seen.direction.is_to_leader() {
            self.other_came(seen, mark);
        } else {
            self.came(seen, mark);
        }
    }

    /// Whether a host is at one of its ends.
    pub(in crate::track) fn is_of(&self, host: Address) -> bool {
        [self.opened.leader.address, self.opened.learner.address].contains(&host)
    }

    /// What became of a segment on its way.
    pub fn segment_match(&mut self, segment_match: &SegmentMatch) {
        self.one_way.get_or_insert_default().segment_match(segment_match, &mut self.waits.list);
    }

    pub(super) fn delivery_between(&self, from: Timestamp, to: Timestamp) -> PerDirection<Delivery> {
        self.one_way.as_ref().map(|one_way| one_way.sum(from, to)).unwrap_or_default()
    }
}
