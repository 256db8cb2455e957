//! Merges the frames of growing files in order of time.
//!
//! Writers buffer frames for a moment, so a frame is passed on only when no other file can still deliver an
//! earlier one. A file that has not grown for [`PATIENCE`] delays nothing.

use super::Active;
use crate::capture::Batch;
use crate::time::{Span, Timestamp};

/// How long frames wait for another file to catch up.
pub(super) const PATIENCE: Span = Span::from_millis(1_000);
/// Bytes that wait in one file's batch; beyond, it is not read on.
pub(super) const MAX_WAITING: usize = 1 << 20;

/// Frames of one file that wait for those of others.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) batch: Batch,
    next: usize,
    bytes: usize,
    /// When the first of them was read.
    since: Option<Timestamp>,
    /// The latest time that the file has shown.
    pub(super) last_at: Option<Timestamp>,
}

impl Waiting {
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

    fn next_at(&self) -> Option<Timestamp> {
        self.batch.frame(self.next).map(|frame| frame.at)
    }

    /// Forgets the frames that were passed on, once all were.
    fn tidy(&mut self) {
        if self.is_empty() {
            self.batch.clear();
            (self.next, self.bytes, self.since) = (0, 0, None);
        }
    }
}

/// Passes on the frames that no file can precede any more; frames before `from` are dropped and counted.
pub(super) fn pour(active: &mut [Active], now: Timestamp, out: &mut Batch) {
    let limit = if active.len() > 1 { limit(active, now) } else { Timestamp::MAX };
    loop {
        let next = active
            .iter_mut()
            .filter_map(|file| Some((file.waiting.next_at().filter(|at| *at <= limit)?, file)))
            .min_by_key(|(at, file)| (*at, file.source.file()));
        let Some((at, file)) = next else { break };
        let waiting = &mut file.waiting;
        if let Some(frame) = waiting.batch.frame(waiting.next)
            && file.from.is_none_or(|from| at > from)
        {
            out.add(&frame);
        } else {
            file.passed_over = file.passed_over.saturating_add(1);
        }
        waiting.next += 1;
    }
    active.iter_mut().for_each(|file| file.waiting.tidy());
}

/// Up to when frames may be passed on: a file that is behind, or that may grow on, holds the others up.
fn limit(active: &[Active], now: Timestamp) -> Timestamp {
    let is_behind = |file: &&Active| !file.is_at_end;
    let is_growing = |file: &&Active| !file.is_closed && now.since(file.grew_at) < PATIENCE;
    let behind = active.iter().filter(is_behind).map(|file| file.waiting.last_at).min();
    if let Some(behind) = behind {
        return behind.unwrap_or(Timestamp::MIN);
    }
    let waited = active.iter().filter_map(|file| file.waiting.since).min();
    if waited.is_some_and(|since| now.since(since) >= PATIENCE) {
        return Timestamp::MAX;
    }
    let growing = active.iter().filter(is_growing).filter_map(|file| file.waiting.last_at);
    growing.min().unwrap_or(Timestamp::MAX)
}
