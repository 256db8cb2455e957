//! Segments that wait for those before them.

use crate::frame::FrameRef;
use crate::time::Timestamp;

/// An out-of-order segment, held until the gap before it is filled.
#[derive(Clone, Debug)]
pub(super) struct HeldSegment {
    pub(super) offset: u64,
    pub(super) len: u32,
    pub(super) seen: Box<[u8]>,
    pub(super) at: Timestamp,
    pub(super) frame: FrameRef,
    /// The expected offset when it arrived.
    pub(super) next_then: u64,
}

impl HeldSegment {
    pub(super) fn end(&self) -> u64 {
        self.offset + u64::from(self.len)
    }

    /// Its memory, in bytes.
    pub(super) const fn weight(&self) -> usize {
        self.seen.len() + size_of::<Self>()
    }
}

/// The captured part of a payload's bytes from `from` to `to`, and their length on the wire.
#[expect(clippy::cast_possible_truncation, reason = "offsets within a segment, whose length is a u32")]
pub(super) fn part(payload: &[u8], from: u64, to: u64) -> (&[u8], u32) {
    let clamp = |offset: u64| (offset as usize).min(payload.len());
    (payload.get(clamp(from)..clamp(to)).unwrap_or_default(), to.saturating_sub(from) as u32)
}
