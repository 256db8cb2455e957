//! Reads ahead on a thread of its own, and hands frames to the dissector.
//!
//! Batches go round: full ones come through one bounded channel, empty ones go back through another, so
//! memory is that of a few batches. What is read is the same whatever the threads do.

use crate::capture::{Batch, FileInfo, Replay};
use crate::dissect::{Dissector, Observer};
use crate::packet::{self, IgnoreReason};
use crate::report::model::Input;
use crate::time::Timestamp;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::thread::{self, JoinHandle};

/// Batches read ahead.
const AHEAD: usize = 4;

/// Frames on their way.
#[derive(Debug)]
pub(super) struct Reading {
    full: Receiver<Batch>,
    empty: Sender<Batch>,
    thread: JoinHandle<Replay>,
}

impl Reading {
    /// Begins to read.
    pub(super) fn start(mut replay: Replay) -> Self {
        let (full_in, full) = bounded(AHEAD);
        let (empty, empty_out) = bounded::<Batch>(AHEAD + 2);
        for _ in 0..AHEAD + 1 {
            // The channel has room for all of them.
            let _ = empty.send(Batch::new());
        }
        let thread = thread::spawn(move || {
            while let Ok(mut batch) = empty_out.recv() {
                if !replay.fill(&mut batch) || full_in.send(batch).is_err() {
                    break;
                }
            }
            replay
        });
        Self { full, empty, thread }
    }

    /// The next frames; `None` at the end.
    pub(super) fn next(&self) -> Option<Batch> {
        self.full.recv().ok()
    }

    /// Whether more frames are there without waiting.
    pub(super) fn is_ahead(&self) -> bool {
        !self.full.is_empty()
    }

    /// Gives a batch back, to be filled again.
    pub(super) fn done_with(&self, batch: Batch) {
        // At the end nobody wants it.
        let _ = self.empty.send(batch);
    }

    /// Ends the reading: what became of each file.
    pub(super) fn finish(self) -> Option<Replay> {
        let Self { full, empty, thread } = self;
        drop((full, empty));
        thread.join().ok()
    }
}

/// What became of the frames.
#[derive(Debug)]
pub(super) struct Passed {
    /// Frames that were looked at.
    frames: u64,
    ignored: [u64; IgnoreReason::COUNT],
    /// Time of the first.
    first: Option<Timestamp>,
    /// Latest time.
    pub(super) last: Option<Timestamp>,
    until: Timestamp,
    /// Whether a frame lay beyond the end that was asked for.
    pub(super) is_over: bool,
}

impl Passed {
    /// Nothing yet; frames after `until` are not looked at.
    pub(super) fn new(until: Option<Timestamp>) -> Self {
        Self {
            frames: 0,
            ignored: [0; IgnoreReason::COUNT],
            first: None,
            last: None,
            until: until.unwrap_or(Timestamp::MAX),
            is_over: false,
        }
    }

    /// Hands a batch of frames to the dissector, up to the end that was asked for.
    pub(super) fn batch<O: Observer>(&mut self, batch: &Batch, dissector: &mut Dissector, observer: &mut O) {
        for frame in batch.frames() {
            if frame.at > self.until {
                self.is_over = true;
                return;
            }
            self.frames += 1;
            self.first.get_or_insert(frame.at);
            self.last = self.last.max(Some(frame.at));
            let ignored = match packet::segment(&frame) {
                Ok(segment) => dissector.segment(&segment, observer),
                Err(reason) => Some(reason),
            };
            if let Some(count) = ignored.and_then(|reason| self.ignored.get_mut(reason.index())) {
                *count += 1;
            }
        }
    }

    /// What the report says of the input.
    pub(super) fn input(&self, files: &[FileInfo], skipped: &[String]) -> Input {
        let sum = |count: fn(&FileInfo) -> u64| files.iter().map(count).sum();
        let frames: u64 = sum(|file| file.frames);
        let mut ignored = self.ignored;
        if let Some(count) = ignored.get_mut(IgnoreReason::OutsideTime.index()) {
            *count += frames.saturating_sub(self.frames);
        }
        let named = IgnoreReason::ALL.into_iter().map(IgnoreReason::name).zip(ignored);
        Input {
            files: files.to_vec(),
            frames,
            captured_bytes: sum(|file| file.captured_bytes),
            wire_bytes: sum(|file| file.wire_bytes),
            cut_frames: sum(|file| file.cut_frames),
            first: self.first,
            last: self.last,
            ignored: named.filter(|(_, count)| *count > 0).collect(),
            skipped: skipped.to_vec(),
        }
    }
}
