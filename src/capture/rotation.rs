//! Several files as one capture: sorted by their first frames, merged where they overlap.
//!
//! Only files that overlap the current time are open. A single open file is read directly into the caller's
//! batch; if several are open, each has a small batch of its own, and frames are copied from these in order
//! of (time, file). Frames of one file keep their order even if their times step back. With several threads,
//! compressed files are decompressed in parallel, including the next ones to be opened; the order of frames
//! is the same.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::FileInfo;
use super::ahead::FileFrames;
use super::batch::{Batch, FileOver};
use super::clock::ClockCorrection;
use crate::time::Timestamp;

/// Bytes held in memory for each of several overlapping files.
const MERGED_BYTES: usize = 64 * 1024;

/// A file not read yet, or only up to its first frame.
pub(super) struct WaitingFile {
    /// Its first frame's time.
    pub(super) first: Timestamp,
    /// Its index in the input.
    pub(super) file: u32,
    /// The correction of its clock; `first` is already corrected.
    pub(super) clock: Option<ClockCorrection>,
    /// How to open it.
    pub(super) entry: QueuedFile,
    /// Whether it is compressed, so that reading it is worth a thread.
    pub(super) is_packed: bool,
    /// Whether opening it failed.
    pub(super) late: bool,
}

/// A waiting file: not opened yet, or already read ahead.
pub(super) enum QueuedFile {
    Shut(Box<dyn FnOnce() -> OpenFile + Send>),
    Begun(Box<OpenFile>),
}

impl WaitingFile {
    const fn is_begun(&self) -> bool {
        matches!(self.entry, QueuedFile::Begun(_))
    }

    /// Opens it, on a thread of its own if `ahead`.
    fn open(self, ahead: bool) -> OpenFile {
        match self.entry {
            QueuedFile::Begun(open) => *open,
            QueuedFile::Shut(open) => {
                let mut open = open();
                open.frames.set_place(self.file, self.clock);
                if ahead && self.is_packed {
                    open.frames = open.frames.run_ahead();
                }
                open
            }
        }
    }

    /// Starts to read it ahead.
    fn begin(self) -> Self {
        let Self { first, file, clock, is_packed, late, .. } = self;
        let open = self.open(true);
        Self { first, file, clock, is_packed, late, entry: QueuedFile::Begun(Box::new(open)) }
    }
}

/// A file being read.
pub(super) struct OpenFile {
    pub(super) frames: FileFrames,
    /// Frames read ahead, from `next` on.
    pub(super) ahead: Batch,
    pub(super) next: usize,
}

impl OpenFile {
    /// The time of the next frame read ahead.
    fn time(&self) -> Option<Timestamp> {
        self.ahead.entries.get(self.next).map(|entry| entry.head.at)
    }

    /// The sort key of the next frame.
    fn key(&self) -> Option<(Timestamp, u32)> {
        self.time().map(|at| (at, self.frames.file()))
    }

    /// Copies the frames before `limit` to `out`, as far as there is space.
    fn pour(&mut self, limit: Option<(Timestamp, u32)>, target: usize, out: &mut Batch) {
        let file = self.frames.file();
        for entry in self.ahead.entries.get(self.next..).unwrap_or_default() {
            if limit.is_some_and(|limit| (entry.head.at, file) >= limit) || out.weight() >= target {
                return;
            }
            out.push(&self.ahead, entry);
            self.next += 1;
        }
    }
}

/// The files of a replay, in order.
pub(super) struct Rotation {
    /// In order of first frame.
    waiting: VecDeque<WaitingFile>,
    open: Vec<OpenFile>,
    most_open: usize,
    /// How many files may be read ahead.
    most_ahead: usize,
    target: usize,
    /// Files that ended while the batch was filled.
    over: Vec<FileOver>,
}

impl Rotation {
    /// A rotation of files sorted by their first frames, with ascending `file`. At most `most_open` are open
    /// at once, at most `most_ahead` are read ahead, and a batch has about `target` bytes.
    pub(super) fn new(
        waiting: VecDeque<WaitingFile>,
        most_open: usize,
        most_ahead: usize,
        target: usize,
    ) -> Self {
        let (open, over) = (Vec::new(), Vec::new());
        Self { waiting, open, most_open: most_open.max(1), most_ahead, target, over }
    }

    /// Sets the clock corrections of the files, by index, and sorts them again. Call it before the first
    /// frame is read.
    pub(super) fn set_clocks(&mut self, clocks: &[Option<ClockCorrection>]) {
        for waiting in &mut self.waiting {
            if let Some(Some(clock)) = clocks.get(waiting.file as usize) {
                waiting.clock = Some(*clock);
                waiting.first = clock.correct(waiting.first);
            }
        }
        self.waiting.make_contiguous().sort_by_key(|waiting| (waiting.first, waiting.file));
    }

    /// Clears `out` and fills it with the next frames; false at the end. `finished` receives the information
    /// on each file that was read to its end.
    pub(super) fn fill(&mut self, out: &mut Batch, finished: &mut impl FnMut(u32, FileInfo)) -> bool {
        let is_more = self.fill_frames(out, finished);
        out.over.append(&mut self.over);
        is_more
    }

    fn fill_frames(&mut self, out: &mut Batch, finished: &mut impl FnMut(u32, FileInfo)) -> bool {
        out.clear();
        loop {
            self.refill(out.len(), finished);
            self.start_due();
            match self.open.as_mut_slice() {
                [] if self.waiting.is_empty() => return !out.is_empty(),
                [] => self.start_next(),
                // A single file with nothing buffered: no copying.
                [only] if only.time().is_none() => {
                    if !out.is_empty() {
                        return true;
                    }
                    if only.frames.fill(out, self.target) {
                        self.hold_back(out);
                        if !out.is_empty() {
                            return true;
                        }
                    } else {
                        self.finish(0, out.len(), finished);
                    }
                }
                _ => {
                    self.merge(out);
                    if out.weight() >= self.target {
                        return true;
                    }
                }
            }
        }
    }

    /// Refills every file whose buffer is empty, unless it is the only one. The batch has `filled` frames.
    fn refill(&mut self, filled: usize, finished: &mut impl FnMut(u32, FileInfo)) {
        let mut index = 0;
        while self.open.len() > 1
            && let Some(open) = self.open.get_mut(index)
        {
            if open.time().is_none() {
                open.next = 0;
                if !open.frames.fill(&mut open.ahead, MERGED_BYTES) {
                    self.finish(index, filled, finished);
                    continue;
                }
            }
            index += 1;
        }
    }

    /// Opens the next file if it begins before the next frame of the open ones. At most one per call: whether
    /// another is due depends on this one's frames.
    fn start_due(&mut self) {
        let Some(at) = self.open.iter().filter_map(OpenFile::time).min() else { return };
        if self.open.len() < self.most_open && self.waiting.front().is_some_and(|waiting| waiting.first < at)
        {
            self.start_next();
        }
    }

    fn start_next(&mut self) {
        let Some(waiting) = self.waiting.pop_front() else { return };
        let (file, late) = (waiting.file, waiting.late);
        let may_run = waiting.is_begun() || self.running() < self.most_ahead;
        let mut open = waiting.open(may_run);
        for entry in &mut open.ahead.entries {
            entry.file = file;
        }
        if late {
            let problem = format!("more than {} files overlap in time: read after those", self.most_open);
            open.frames.has_problem(problem);
        }
        self.open.push(open);
        self.begin_next();
    }

    /// The number of files being read ahead.
    fn running(&self) -> usize {
        let open = self.open.iter().filter(|open| open.frames.is_ahead()).count();
        open + self.waiting.iter().take(self.most_ahead).filter(|waiting| waiting.is_begun()).count()
    }

    /// Starts to read ahead the next files, as far as there are threads.
    fn begin_next(&mut self) {
        let mut running = self.running();
        for index in 0..self.most_ahead {
            let is_wanted =
                |waiting: &WaitingFile| waiting.is_packed && !waiting.is_begun() && running < self.most_ahead;
            if self.waiting.get(index).is_some_and(is_wanted)
                && let Some(waiting) = self.waiting.remove(index)
            {
                self.waiting.insert(index, waiting.begin());
                running += 1;
            }
        }
    }

    /// Moves the frames from the next file's start on back from `out`, for merging.
    fn hold_back(&mut self, out: &mut Batch) {
        if let (Some(waiting), [only]) = (self.waiting.front(), self.open.as_mut_slice())
            && let Some(index) = out.entries.iter().position(|entry| entry.head.at > waiting.first)
        {
            out.split_off(index, &mut only.ahead);
            only.next = 0;
        }
    }

    /// Copies frames in order until `out` is full or a file has to be read or opened.
    fn merge(&mut self, out: &mut Batch) {
        let is_full = self.open.len() >= self.most_open;
        let waiting = self.waiting.front().filter(|_| !is_full).map(|waiting| (waiting.first, waiting.file));
        // The next frame of each file with the file's index, earliest first.
        let next: Option<BinaryHeap<_>> = self
            .open
            .iter()
            .zip(0_usize..)
            .map(|(open, index)| Some(Reverse((open.key()?, index))))
            .collect();
        let Some(mut next) = next else { return };
        while out.weight() < self.target
            && let Some(Reverse((key, index))) = next.pop()
            && waiting.is_none_or(|waiting| key < waiting)
            && let Some(open) = self.open.get_mut(index)
        {
            let second = next.peek().map(|Reverse((key, _))| *key);
            open.pour([waiting, second].into_iter().flatten().min(), self.target, out);
            let Some(key) = open.key() else { break };
            next.push(Reverse((key, index)));
        }
        if is_full && let (Some(waiting), Some(entry)) = (self.waiting.front_mut(), out.entries.last()) {
            waiting.late |= waiting.first < entry.head.at;
        }
    }

    /// Closes a file whose frames are all delivered, the last of them before the frame at `filled`.
    fn finish(&mut self, index: usize, filled: usize, finished: &mut impl FnMut(u32, FileInfo)) {
        let OpenFile { frames, .. } = self.open.remove(index);
        self.over.push(FileOver { index: filled, file: frames.file() });
        finished(frames.file(), frames.into_info());
    }
}
