//! Reads ahead on a thread of its own, and hands frames to the dissector.
//!
//! What is read is the same whatever the threads do.

use crate::capture::{Batch, FileInfo, Replay};
use crate::dissect::{Dissector, Observer};
use crate::findings::{HeadersCut, Input};
use crate::frame::Frame;
use crate::packet::{self, IgnoreReason, Tunnels};
use crate::ring::{Drainer, ring};
use crate::time::Timestamp;
use std::thread::{self, JoinHandle};

/// Batches under way: most of them read ahead, one in hand at each end.
const BATCHES: usize = 5;

/// Frames on their way.
#[derive(Debug)]
pub(super) struct ReaderThread {
    batches: Drainer<Batch>,
    thread: JoinHandle<Replay>,
}

impl ReaderThread {
    /// Begins to read.
    pub(super) fn start(mut replay: Replay) -> Self {
        let (filler, batches) = ring(BATCHES, Batch::new);
        let thread = thread::spawn(move || {
            while let Some(mut batch) = filler.empty() {
                if !replay.fill(&mut batch) || !filler.send(batch) {
                    break;
                }
            }
            replay
        });
        Self { batches, thread }
    }

    /// The next frames; `None` at the end.
    pub(super) fn next(&self) -> Option<Batch> {
        self.batches.next()
    }

    /// Whether more frames are there without waiting.
    pub(super) fn is_ahead(&self) -> bool {
        self.batches.is_ahead()
    }

    /// Gives a batch back, to be filled again.
    pub(super) fn done_with(&self, batch: Batch) {
        self.batches.give_back(batch);
    }

    /// Ends the reading: what became of each file.
    pub(super) fn finish(self) -> Option<Replay> {
        let Self { batches, thread } = self;
        drop(batches);
        thread.join().ok()
    }
}

/// What became of the frames.
#[derive(Debug)]
pub(super) struct FrameCounts {
    ignored: [u64; IgnoreReason::COUNT],
    tunnels: Tunnels,
    /// Time of the first.
    first: Option<Timestamp>,
    /// Latest time.
    pub(super) last: Option<Timestamp>,
    until: Timestamp,
    /// Where reading may end early: what was looked at of each file, by its index.
    tally: Option<Vec<FileInfo>>,
    /// Whether frames without a time are passed on: to a dump, which measures nothing.
    takes_untimed: bool,
    /// Whether a frame lay beyond the end that was asked for.
    pub(super) is_over: bool,
}

impl FrameCounts {
    /// Nothing yet; frames after `until` are not looked at.
    pub(super) fn new(until: Option<Timestamp>) -> Self {
        Self {
            ignored: [0; IgnoreReason::COUNT],
            tunnels: Tunnels::default(),
            first: None,
            last: None,
            until: until.unwrap_or(Timestamp::MAX),
            tally: until.map(|_| Vec::new()),
            takes_untimed: false,
            is_over: false,
        }
    }

    /// Hands a batch of frames to the dissector, up to the end that was asked for.
    pub(super) fn batch<O: Observer>(&mut self, batch: &Batch, dissector: &mut Dissector, observer: &mut O) {
        for (frames, ended) in batch.pieces() {
            self.frames(frames, dissector, observer);
            if self.is_over {
                return;
            }
            if let Some(file) = ended {
                dissector.file_over(file);
            }
        }
    }

    #[inline]
    fn frames<'a, O: Observer>(
        &mut self,
        frames: impl Iterator<Item = Frame<'a>>,
        dissector: &mut Dissector,
        observer: &mut O,
    ) {
        let mut last = self.last.unwrap_or(Timestamp::MIN);
        for frame in frames {
            if frame.at == Timestamp::UNKNOWN && !self.takes_untimed {
                self.without_time();
                continue;
            }
            if frame.at > self.until {
                self.is_over = true;
                break;
            }
            if let Some(tally) = &mut self.tally {
                count(tally, &frame);
            }
            self.first.get_or_insert(frame.at);
            last = last.max(frame.at);
            // The commonest shape has a way of its own, on which it is known what its headers have and lack.
            let ignored = match packet::common(&frame) {
                Some(segment) => dissector.segment_in_place(&segment, observer),
                None => self.any(&frame, dissector, observer),
            };
            if let Some(count) = ignored.and_then(|reason| self.ignored.get_mut(reason.index())) {
                *count += 1;
            }
        }
        self.last = self.first.map(|_| last);
    }

    /// Hands on a frame of any shape. Answers why it is ignored, where it is.
    #[inline(never)]
    fn any<O: Observer>(
        &mut self,
        frame: &Frame<'_>,
        dissector: &mut Dissector,
        observer: &mut O,
    ) -> Option<IgnoreReason> {
        // By reference: a segment is large.
        match &packet::segment_counting(frame, &mut self.tunnels) {
            Ok(segment) => dissector.segment(segment, observer),
            Err(reason) => Some(*reason),
        }
    }

    /// Nothing can be said of when: a frame without a time has no part in what is measured.
    #[cold]
    fn without_time(&mut self) {
        if let Some(count) = self.ignored.get_mut(IgnoreReason::NoTime.index()) {
            *count += 1;
        }
    }

    /// The same, and frames without a time are passed on: to a dump, which measures nothing.
    pub(super) fn of_any_time(until: Option<Timestamp>) -> Self {
        Self { takes_untimed: true, ..Self::new(until) }
    }

    /// What the report says of the input. Where reading ended early, what lies beyond was not read, and
    /// is not counted.
    pub(super) fn input(&self, files: &[FileInfo], skipped: &[String]) -> Input {
        let mut files = files.to_vec();
        if let Some(tally) = self.tally.as_ref().filter(|_| self.is_over) {
            let nothing = FileInfo::default();
            for (index, file) in files.iter_mut().enumerate() {
                let seen = tally.get(index).unwrap_or(&nothing);
                file.frames = seen.frames;
                file.captured_bytes = seen.captured_bytes;
                file.wire_bytes = seen.wire_bytes;
                file.cut_frames = seen.cut_frames;
                file.last = seen.last;
            }
        }
        let sum = |count: fn(&FileInfo) -> u64| files.iter().map(count).sum();
        let named = IgnoreReason::ALL.into_iter().map(IgnoreReason::name).zip(self.ignored);
        Input {
            frames: sum(|file| file.frames),
            captured_bytes: sum(|file| file.captured_bytes),
            wire_bytes: sum(|file| file.wire_bytes),
            cut_frames: sum(|file| file.cut_frames),
            first: self.first,
            last: self.last,
            ignored: named.filter(|(_, count)| *count > 0).collect(),
            tunnels: self.tunnels.counts().collect(),
            headers_cut: (self.tunnels.cut > 0).then_some(HeadersCut {
                frames: self.tunnels.cut,
                snaplen_needed: self.tunnels.snaplen_needed,
            }),
            skipped: skipped.to_vec(),
            logs: Vec::new(),
            live: None,
            files,
        }
    }
}

/// Adds a frame to its file's figures.
fn count(tally: &mut Vec<FileInfo>, frame: &Frame<'_>) {
    let index = frame.id.file as usize;
    if tally.len() <= index {
        tally.resize(index + 1, FileInfo::default());
    }
    let Some(file) = tally.get_mut(index) else { return };
    let captured = frame.data.len() as u64;
    let wire = u64::from(frame.orig_len);
    file.frames += 1;
    file.captured_bytes += captured;
    file.wire_bytes += wire;
    file.cut_frames += u64::from(captured < wire);
    file.last = Some(frame.at);
}
