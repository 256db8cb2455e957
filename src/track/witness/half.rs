//! One direction of a connection that is no link, as one capture shows it.

use crate::packet::{Flags, Segment};
use crate::time::Timestamp;

/// How far one direction has come in one capture.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HalfState {
    next: Option<u32>,
    acked: Option<u32>,
    has_hole: bool,
    pub(super) last: Option<(u32, u32, u32, u8, u16, Timestamp)>,
}

impl HalfState {
    /// Takes a segment's payload: whether any of it is new, was sent before, lies beyond a gap, or fills one.
    pub(super) fn takes(&mut self, segment: &Segment<'_>) -> (bool, bool, bool, bool) {
        let begins = segment.flags.intersects(Flags::SYN);
        let len = segment.len.saturating_add(u32::from(begins));
        let end = segment.seq.wrapping_add(len);
        let Some(next) = self.next else {
            self.next = Some(end);
            return (segment.len > 0, false, false, false);
        };
        if begins {
            let is_again = next == end;
            self.next = Some(end);
            return (false, is_again, false, false);
        }
        if segment.flags.intersects(Flags::FIN) && segment.len == 0 {
            let is_again = next == end.wrapping_add(1);
            self.next = Some(end.wrapping_add(1));
            return (false, is_again, false, false);
        }
        if segment.len == 0 {
            return (false, false, false, false);
        }
        if end.wrapping_sub(next).cast_signed() > 0 {
            let is_hole = segment.seq.wrapping_sub(next).cast_signed() > 0;
            self.has_hole |= is_hole;
            self.next = Some(end);
            return (true, false, is_hole, false);
        }
        let is_filled = std::mem::take(&mut self.has_hole);
        (false, true, false, is_filled)
    }

    /// Whether a segment acknowledges more than any before it.
    pub(super) fn acknowledges(&mut self, segment: &Segment<'_>) -> bool {
        if !segment.flags.intersects(Flags::ACK) || segment.flags.intersects(Flags::RST) {
            return false;
        }
        let is_more = self.acked.is_some_and(|acked| segment.ack.wrapping_sub(acked).cast_signed() > 0);
        if is_more || self.acked.is_none() {
            self.acked = Some(segment.ack);
        }
        is_more
    }
}
