//! Waits: from the last sign of life of one side to the next, or to the end of the link.

use super::activity::Sum;
use super::delivery::Delivery;
pub use super::mark::Mark;
use crate::dissect::PerDirection;
use crate::findings::Deadline;
use crate::frame::FrameRef;
use crate::time::{Span, Timestamp};

/// Waits shorter than this are measured but not remembered: less than half of any sensible limit.
pub const REMEMBERED: Span = Span::from_millis(250);

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// What was waited for came.
    Heard,
    /// The link was closed.
    Closed,
    /// The capture ended.
    CaptureEnd,
}

/// What TCP showed while one side said nothing new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// Frames from the quiet side's kernel, of any kind.
    pub frames: u32,
    /// Those that acknowledged new bytes.
    pub acked: u32,
    /// Segments of the quiet side all of whose bytes had been seen.
    pub again: u32,
    /// The smallest window that the quiet side announced.
    pub window_min: Option<u16>,
    /// Segments of the other side with new bytes.
    pub other_fresh: u32,
    /// Segments of the other side all of whose bytes had been seen.
    pub other_again: u32,
    /// How often at most the other side sent the same bytes again in a row.
    pub other_repeats: u32,
    /// Sequence number and count of the other side's last repetition.
    last_repeat: (u32, u32),
    /// Frames of the quiet side between two repetitions of the other: it can be heard.
    pub frames_between_retransmissions: u32,
    /// Such frames since the last repetition.
    maybe_between_retransmissions: u32,
    /// The quiet side's first and last frame without new bytes.
    pub first_frame: Option<Mark>,
    /// See `first_frame`.
    pub last_frame: Option<Mark>,
    /// The last of them that acknowledged new bytes.
    pub last_acked: Option<Mark>,
    /// The last frame of the other side, and its first and last repetition.
    pub other_last: Option<Mark>,
    /// See `other_last`.
    pub first_repeat: Option<Mark>,
    /// See `other_last`.
    pub last_repeat_at: Option<Mark>,
}

impl Silence {
    /// A frame of the quiet side that brought nothing new.
    #[inline]
    pub fn quiet_frame(&mut self, mark: Mark, window: u16, acked_more: bool, is_again: bool) {
        self.frames = self.frames.saturating_add(1);
        self.acked = self.acked.saturating_add(u32::from(acked_more));
        self.again = self.again.saturating_add(u32::from(is_again));
        self.window_min = Some(self.window_min.map_or(window, |least| least.min(window)));
        self.maybe_between_retransmissions =
            self.maybe_between_retransmissions.saturating_add(u32::from(self.first_repeat.is_some()));
        self.first_frame.get_or_insert(mark);
        self.last_frame = Some(mark);
        if acked_more {
            self.last_acked = Some(mark);
        }
    }

    /// A frame of the other side.
    #[inline]
    pub fn other_frame(&mut self, mark: Mark, is_fresh: bool, again: Option<u32>) {
        self.other_fresh = self.other_fresh.saturating_add(u32::from(is_fresh));
        self.other_last = Some(mark);
        if let Some(seq) = again {
            self.other_again = self.other_again.saturating_add(1);
            self.first_repeat.get_or_insert(mark);
            self.frames_between_retransmissions = self
                .frames_between_retransmissions
                .saturating_add(std::mem::take(&mut self.maybe_between_retransmissions));
            self.last_repeat_at = Some(mark);
            let (last, count) = self.last_repeat;
            self.last_repeat = if last == seq { (seq, count.saturating_add(1)) } else { (seq, 1) };
            self.other_repeats = self.other_repeats.max(self.last_repeat.1);
        }
    }
}

/// One wait.
#[derive(Clone, Debug)]
pub struct Wait {
    /// Against which deadline it counts.
    pub deadline: Deadline,
    /// The last sign of life.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// What ended it.
    pub ended: Ended,
    /// Whether the leader was the one that was waited for.
    pub for_leader: bool,
    /// The frame at its start: the last new bytes, or the PROPOSAL without an ACK.
    pub from: FrameRef,
    /// The frame at its end.
    pub to: Option<FrameRef>,
    /// What TCP showed, where bytes were waited for.
    pub silence: Option<Silence>,
    /// What else went on on the link.
    pub activity: Sum,
    /// What became of segments on their way, where both ends were captured.
    pub delivery: PerDirection<Delivery>,
    /// PROPOSALs that waited for their ACK when it ended.
    pub in_flight: u32,
    /// What had gone on for as long before, at most five seconds.
    pub before: Sum,
}

impl Wait {
    /// How long it was.
    #[must_use]
    pub const fn len(&self) -> Span {
        self.end.since(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_without_end_are_counted_up_to_the_last_number() {
        let mark = Mark { frame: FrameRef::default(), at: Timestamp::default() };
        let mut silence = Silence { last_repeat: (7, u32::MAX), ..Silence::default() };
        silence.other_frame(mark, false, Some(7));
        assert_eq!(silence.other_repeats, u32::MAX);
        silence.maybe_between_retransmissions = u32::MAX;
        silence.quiet_frame(mark, 1, false, false);
        silence.other_frame(mark, false, Some(7));
        assert_eq!(silence.frames_between_retransmissions, u32::MAX);
    }
}
