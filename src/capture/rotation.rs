//! Several files as one capture: in order of their first frames, merged where they overlap.
//!
//! Only files that overlap the current time are open. While that is a single one, it is read straight
//! into the caller's batch; where several are, each has a small batch of its own, and frames are
//! copied from these in order of (time, file). Inside a file, frames keep their order even where
//! their times step back.

use std::collections::VecDeque;

use super::FileInfo;
use super::batch::Batch;
use super::reader::Reader;
use crate::time::Timestamp;

/// How much of each of several files that overlap is held in memory.
const MERGED_BYTES: usize = 64 * 1024;

/// A file that is not read yet, or only as far as its first frame.
pub(super) struct Waiting {
    /// Its first frame's time.
    pub(super) first: Timestamp,
    /// Its index in the input.
    pub(super) file: u32,
    /// Opens it.
    pub(super) open: Box<dyn FnOnce() -> Open + Send>,
    /// Whether it could not be opened when it was due.
    pub(super) late: bool,
}

/// A file being read.
pub(super) struct Open {
    pub(super) reader: Reader,
    /// Frames read ahead, from `next` on.
    pub(super) ahead: Batch,
    pub(super) next: usize,
}

impl Open {
    /// The time of the next frame read ahead.
    fn time(&self) -> Option<Timestamp> {
        self.ahead.entries.get(self.next).map(|entry| entry.head.at)
    }

    /// The next frame's place in the order of the whole.
    fn key(&self) -> Option<(Timestamp, u32)> {
        self.time().map(|at| (at, self.reader.file))
    }

    /// Copies the frames before `limit` to `out`, as far as that has room.
    fn pour(&mut self, limit: Option<(Timestamp, u32)>, target: usize, out: &mut Batch) {
        let file = self.reader.file;
        for entry in self.ahead.entries.get(self.next..).unwrap_or_default() {
            if limit.is_some_and(|limit| (entry.head.at, file) >= limit) || out.weight() >= target {
                return;
            }
            out.push(&self.ahead, entry);
            self.next += 1;
        }
    }
}

/// Files in order.
pub(super) struct Rotation {
    /// In order of first frame.
    waiting: VecDeque<Waiting>,
    open: Vec<Open>,
    most_open: usize,
    target: usize,
}

impl Rotation {
    /// A rotation of files in order of their first frames, `file` counting up. At most `most_open`
    /// are open at once, and a batch has about `target` bytes.
    pub(super) fn new(waiting: VecDeque<Waiting>, most_open: usize, target: usize) -> Self {
        Self { waiting, open: Vec::new(), most_open: most_open.max(1), target }
    }

    /// Fills `out`, cleared before, with the next frames; false at the end. `finished` gets what is
    /// known of each file that was read to its end.
    pub(super) fn fill(&mut self, out: &mut Batch, finished: &mut impl FnMut(u32, FileInfo)) -> bool {
        out.clear();
        loop {
            self.refill(finished);
            self.start_due();
            match self.open.as_mut_slice() {
                [] if self.waiting.is_empty() => return !out.is_empty(),
                [] => self.start_next(),
                // Alone and nothing read ahead: no copying.
                [only] if only.time().is_none() => {
                    if !out.is_empty() {
                        return true;
                    }
                    if only.reader.fill(out, self.target) {
                        self.hold_back(out);
                        if !out.is_empty() {
                            return true;
                        }
                    } else {
                        self.finish(0, finished);
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

    /// Reads ahead in every file that ran dry, unless it is the only one.
    fn refill(&mut self, finished: &mut impl FnMut(u32, FileInfo)) {
        let mut index = 0;
        while self.open.len() > 1
            && let Some(open) = self.open.get_mut(index)
        {
            if open.time().is_none() {
                open.next = 0;
                if !open.reader.fill(&mut open.ahead, MERGED_BYTES) {
                    self.finish(index, finished);
                    continue;
                }
            }
            index += 1;
        }
    }

    /// Opens files that begin before the next frame of those that are open.
    fn start_due(&mut self) {
        let Some(at) = self.open.iter().filter_map(Open::time).min() else { return };
        while let Some(waiting) = self.waiting.front_mut()
            && waiting.first < at
        {
            if self.open.len() >= self.most_open {
                waiting.late = true;
                return;
            }
            self.start_next();
        }
    }

    fn start_next(&mut self) {
        let Some(waiting) = self.waiting.pop_front() else { return };
        let mut open = (waiting.open)();
        open.reader.file = waiting.file;
        for entry in &mut open.ahead.entries {
            entry.file = waiting.file;
        }
        if waiting.late {
            let problem = format!("more than {} files overlap in time: read after those", self.most_open);
            open.reader.info.problem = Some(problem);
        }
        self.open.push(open);
    }

    /// Takes the frames after the next file's first one back from `out`, for merging.
    fn hold_back(&mut self, out: &mut Batch) {
        if let (Some(waiting), [only]) = (self.waiting.front(), self.open.as_mut_slice())
            && let Some(index) = out.entries.iter().position(|entry| entry.head.at > waiting.first)
        {
            out.split_off(index, &mut only.ahead);
            only.next = 0;
        }
    }

    /// Copies frames in order until `out` is full, or a file has to be read or opened.
    fn merge(&mut self, out: &mut Batch) {
        let waiting = self.waiting.front().filter(|_| self.open.len() < self.most_open);
        let waiting = waiting.map(|waiting| (waiting.first, waiting.file));
        while out.weight() < self.target {
            // The file with the earliest frame, and the frame it may not pass.
            let mut earliest: Option<((Timestamp, u32), &mut Open)> = None;
            let mut limit = waiting;
            for open in &mut self.open {
                let Some(key) = open.key() else { return };
                let passed = match &earliest {
                    Some((least, _)) if *least < key => Some(key),
                    _ => earliest.replace((key, open)).map(|(least, _)| least),
                };
                limit = [limit, passed].into_iter().flatten().min();
            }
            let Some((key, open)) = earliest else { return };
            if limit.is_some_and(|limit| limit <= key) {
                return;
            }
            open.pour(limit, self.target, out);
        }
    }

    fn finish(&mut self, index: usize, finished: &mut impl FnMut(u32, FileInfo)) {
        let Open { reader, .. } = self.open.remove(index);
        finished(reader.file, reader.info);
    }
}
