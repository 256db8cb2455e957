//! Spans of exactly known length in which no packet head was captured.

use super::event::Unread;
use crate::frame::FrameRef;
use crate::proto::quorum::Glimpse;
use crate::time::Timestamp;

/// The bytes between two certain packet starts in which no head was captured.
#[derive(Clone, Copy, Debug)]
pub(super) struct HiddenSpan {
    /// Length on the wire.
    pub(super) len: u64,
    /// The captured part of the first packet's head.
    pub(super) hint: [u8; 15],
    pub(super) hint_len: u8,
    /// Captured bytes, including the hint.
    pub(super) seen: u64,
    /// Time and frame of the first byte.
    pub(super) at: Timestamp,
    pub(super) frame: FrameRef,
    /// Time of the last piece.
    pub(super) last_at: Timestamp,
    /// The number of segments it covers.
    pub(super) pieces: u32,
}

impl HiddenSpan {
    /// What the captured start of its first packet shows.
    pub(super) fn glimpse(&self) -> Option<Glimpse> {
        Glimpse::decode(self.hint())
    }

    pub(super) fn hint(&self) -> &[u8] {
        self.hint.get(..usize::from(self.hint_len)).unwrap_or_default()
    }

    pub(super) const fn cut(&self) -> u64 {
        self.len - self.seen
    }

    /// The event to report if it cannot be interpreted.
    pub(super) const fn unread(&self) -> Unread {
        Unread { from: self.at, to: self.last_at, len: self.len }
    }

    pub(super) const fn new(at: Timestamp, frame: FrameRef) -> Self {
        Self { len: 0, hint: [0; 15], hint_len: 0, seen: 0, at, frame, last_at: at, pieces: 0 }
    }

    #[expect(clippy::cast_possible_truncation, reason = "at most 15")]
    pub(super) fn take_hint(&mut self, bytes: &[u8]) {
        let n = bytes.len().min(self.hint.len());
        if let (Some(to), Some(from)) = (self.hint.get_mut(..n), bytes.get(..n)) {
            to.copy_from_slice(from);
            self.hint_len = n as u8;
        }
    }
}
