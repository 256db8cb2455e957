//! The position of framing in a chunk.

use crate::frame::FrameRef;
use crate::stream::Chunk;
use crate::time::Timestamp;

/// The unprocessed rest of a chunk.
pub(super) struct Cursor<'a> {
    pub(super) offset: u64,
    pub(super) seen: &'a [u8],
    pub(super) len: u64,
    pub(super) at: Timestamp,
    pub(super) frame: FrameRef,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(chunk: &Chunk<'a>) -> Self {
        let seen = chunk.seen.get(..chunk.len as usize).unwrap_or(chunk.seen);
        Self { offset: chunk.offset, seen, len: u64::from(chunk.len), at: chunk.at, frame: chunk.frame }
    }

    /// Advances by `n` bytes of the stream; returns their captured part.
    pub(super) fn take(&mut self, n: u64) -> (&'a [u8], u64) {
        let n = n.min(self.len);
        let seen = usize::try_from(n).unwrap_or(usize::MAX).min(self.seen.len());
        let (taken, rest) = self.seen.split_at(seen);
        self.seen = rest;
        self.offset += n;
        self.len -= n;
        (taken, n - seen as u64)
    }

    /// Whether the captured rest is followed by cut bytes.
    pub(super) const fn is_cut(&self) -> bool {
        self.len > self.seen.len() as u64
    }
}
