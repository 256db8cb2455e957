//! A batch of frames with the buffer that holds their bytes.

use crate::frame::{Frame, FrameRef};
use crate::pcapfile::FrameHead;

/// Frames in order of time, with the buffer that holds their bytes. Batches are reused: files are read
/// directly into the buffer, and frames are located in it without copying.
#[derive(Debug, Default)]
pub struct Batch {
    /// Raw bytes of a file, `filled` of which are valid; kept at full length, so that it is zeroed only once.
    pub(super) bytes: Vec<u8>,
    pub(super) filled: usize,
    pub(super) entries: Vec<BatchFrame>,
    /// Files that have ended, and after which frame.
    pub(super) over: Vec<FileOver>,
}

/// A file that has no frame from the one at `index` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileOver {
    pub(super) index: usize,
    pub(super) file: u32,
}

/// A frame of a batch; `head.start` is an index into the batch's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchFrame {
    pub(super) head: FrameHead,
    pub(super) file: u32,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many frames there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no frame.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The frame at `index`, from 0.
    #[must_use]
    #[inline]
    pub fn frame(&self, index: usize) -> Option<Frame<'_>> {
        self.entries.get(index).map(|entry| self.view(entry))
    }

    /// The frames, in order.
    #[inline]
    pub fn frames(&self) -> impl ExactSizeIterator<Item = Frame<'_>> + Clone {
        self.entries.iter().map(|entry| self.view(entry))
    }

    /// Appends a copy of a frame.
    pub fn add(&mut self, frame: &Frame<'_>) {
        let start = u32::try_from(self.append(frame.data)).unwrap_or(u32::MAX);
        let len = u32::try_from(frame.data.len()).unwrap_or(u32::MAX);
        let Frame { at, link, orig_len, id, .. } = *frame;
        let head = FrameHead { at, link, orig_len, start, len, number: id.number };
        self.entries.push(BatchFrame { head, file: id.file });
    }

    /// The frames in pieces that end where a file of the input ends; each with that file's index. Where files
    /// end does not depend on how frames are split into batches.
    pub fn pieces(&self) -> impl Iterator<Item = (impl ExactSizeIterator<Item = Frame<'_>>, Option<u32>)> {
        let ends = self.over.iter().map(|over| (over.index, Some(over.file)));
        ends.chain([(self.entries.len(), None)]).scan(0, |start, (end, file)| {
            let piece = self.entries.get(std::mem::replace(start, end)..end).unwrap_or_default();
            Some((piece.iter().map(|entry| self.view(entry)), file))
        })
    }

    /// Removes all frames and keeps the memory.
    pub fn clear(&mut self) {
        self.filled = 0;
        self.entries.clear();
        self.over.clear();
    }

    /// Bytes held, with each frame's record header, so that empty frames count too.
    #[inline]
    pub(super) fn weight(&self) -> usize {
        self.filled + self.entries.len() * size_of::<BatchFrame>() / 2
    }

    #[inline]
    fn view(&self, entry: &BatchFrame) -> Frame<'_> {
        let BatchFrame { head, file } = entry;
        let start = head.start as usize;
        Frame {
            at: head.at,
            link: head.link,
            orig_len: head.orig_len,
            data: self.bytes.get(start..start + head.len as usize).unwrap_or_default(),
            id: FrameRef { file: *file, number: head.number },
        }
    }

    /// Makes the buffer at least `len` bytes long.
    pub(super) fn reserve(&mut self, len: usize) {
        if self.bytes.len() < len {
            self.bytes.resize(len, 0);
        }
    }

    /// Appends `bytes` to the buffer, and returns their offset.
    pub(super) fn append(&mut self, bytes: &[u8]) -> usize {
        let start = self.filled;
        self.filled += bytes.len();
        self.reserve(self.filled);
        if let Some(room) = self.bytes.get_mut(start..self.filled) {
            room.copy_from_slice(bytes);
        }
        start
    }

    /// Appends a copy of a frame of another batch.
    #[inline]
    pub(super) fn push(&mut self, other: &Self, entry: &BatchFrame) {
        let start = self.append(other.view(entry).data);
        // A batch never gets near 4 GiB; if one did, the frame would have no bytes.
        let start = u32::try_from(start).unwrap_or(u32::MAX);
        self.entries.push(BatchFrame { head: FrameHead { start, ..entry.head }, file: entry.file });
    }

    /// Moves the frames from `index` on to `other`, which is cleared first.
    pub(super) fn split_off(&mut self, index: usize, other: &mut Self) {
        other.clear();
        for entry in self.entries.get(index..).unwrap_or_default() {
            other.push(self, entry);
        }
        self.entries.truncate(index);
    }
}
