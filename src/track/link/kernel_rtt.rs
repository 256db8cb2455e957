//! How long a kernel takes to acknowledge: one sample at a time (RFC 6298, section 4).

use crate::dissect::{PerDirection, SegmentSeen};
use crate::packet::Flags;
use crate::time::Timestamp;
use crate::track::baseline::Baseline;
use crate::track::samples::Samples;

/// Round trips of the data of one direction.
#[derive(Clone, Debug, Default)]
pub(super) struct KernelRtt {
    /// The sequence number behind the timed segment, and when it was sent.
    timed: Option<(u32, Timestamp)>,
    pub(super) samples: Samples,
    baseline: Baseline,
}

impl KernelRtt {
    /// A segment that ends before `end` was sent.
    #[inline(always)]
    fn sent(&mut self, end: u32, at: Timestamp, is_fresh: bool, is_again: bool) {
        if is_again {
            // The ACK of bytes that were sent twice tells nothing (Karn's algorithm).
            self.timed = None;
        } else if is_fresh && self.timed.is_none() {
            self.timed = Some((end, at));
        }
    }

    /// Everything up to `ack` was acknowledged: whether the timed segment's ACK was late, where it is this one.
    #[inline(always)]
    fn acked(&mut self, ack: u32, at: Timestamp) -> Option<bool> {
        let (_, sent_at) = self.timed.filter(|(end, _)| ack.wrapping_sub(*end).cast_signed() >= 0)?;
        self.timed = None;
        let us = at.since(sent_at).micros();
        self.samples.record(us);
        Some(self.baseline.is_late(us))
    }
}

/// Times the kernels' ACKs of both directions by a segment. Answers whether it ends a round trip, and whether a late one.
#[inline(always)]
pub(super) fn time(
    both: &mut PerDirection<KernelRtt>,
    seen: &SegmentSeen<'_>,
    is_fresh: bool,
    is_again: bool,
) -> Option<bool> {
    let segment = seen.segment;
    let end = segment.seq.wrapping_add(segment.len);
    both.of_mut(seen.direction).sent(end, segment.at, is_fresh, is_again);
    if !segment.flags.contains(Flags::ACK) {
        return None;
    }
    both.of_mut(seen.direction.other()).acked(segment.ack, segment.at)
}
