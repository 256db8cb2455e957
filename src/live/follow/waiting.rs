//! Frames of one file that wait for those of others.

use crate::capture::Batch;
use crate::time::Timestamp;

/// Bytes that wait in one file's batch; beyond, it is not read on.
pub(super) const MAX_WAITING: usize = 1 << 20;

/// Frames of one file that wait for those of others.
#[derive(Debug, Default)]
pub(super) struct WaitingFrames {
    pub(super) batch: Batch,
    pub(super) next: usize,
    pub(super) bytes: usize,
    /// When the first of them was read.
    pub(super) since: Option<Timestamp>,
    /// The latest time that the file has shown.
    pub(super) last_at: Option<Timestamp>,
}

impl WaitingFrames {
    /// Notes that the batch has grown, from `before` on.
    pub(super) fn grew(&mut self, before: usize, now: Timestamp) {
        for index in before..self.batch.len() {
            let Some(frame) = self.batch.frame(index) else { continue };
            self.bytes = self.bytes.saturating_add(frame.data.len()).saturating_add(64);
            self.last_at = self.last_at.max(Some(frame.at));
            self.since.get_or_insert(now);
        }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.bytes >= MAX_WAITING
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next >= self.batch.len()
    }

    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.batch.frame(self.next).map(|frame| frame.at)
    }

    /// Forgets the frames that were passed on, once all were.
    pub(super) fn tidy(&mut self) {
        if self.is_empty() {
            self.batch.clear();
            (self.next, self.bytes, self.since) = (0, 0, None);
        }
    }
}
