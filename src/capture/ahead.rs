//! Read-ahead: decompresses a file on a thread of its own before its frames are needed.
//!
//! Decompression is the most expensive step for a compressed capture, and one file can only be decompressed
//! sequentially. So each open compressed file, and the next ones of a rotation, get a thread each, at most
//! [`MAX_FILES`] at once. Each thread runs a few batches ahead and then waits: memory is bounded, and frames
//! come in the same order as without threads.

use std::io;
use std::thread::{self, JoinHandle};

use crossbeam_channel::bounded;

use super::FileInfo;
use super::batch::Batch;
use super::clock::ClockCorrection;
use super::reader::Reader;
use crate::ring::{Drainer, Filler, ring};

/// The most files decompressed at once.
pub(super) const MAX_FILES: usize = 8;
/// Batches that a thread may be ahead.
const BATCHES: usize = 8;
/// Bytes of frames in each; with [`MAX_FILES`] files 20 MiB at most.
const BATCH_BYTES: usize = 256 * 1024;

/// One file's frames, read on demand or ahead.
pub(super) enum FileFrames {
    Here(Box<Reader>),
    Ahead(Box<ReadAhead>),
}

/// A file read by another thread.
pub(super) struct ReadAhead {
    file: u32,
    batches: Drainer<Batch>,
    /// What the thread knows of the file at its end, and until then what was known at the start.
    thread: Option<JoinHandle<Option<FileInfo>>>,
    info: FileInfo,
    /// A problem with the file as a whole, unless reading it finds another.
    problem: Option<String>,
}

impl FileFrames {
    /// Reads frames on demand.
    pub(super) fn here(reader: Reader) -> Self {
        Self::Here(Box::new(reader))
    }

    /// Moves reading to another thread, or stays on this one if none can be started.
    pub(super) fn run_ahead(self) -> Self {
        let Self::Here(reader) = self else { return self };
        let (give, take) = bounded::<Box<Reader>>(1);
        let (filler, batches) = ring(BATCHES, Batch::new);
        let run = move || take.recv().ok().map(|reader| read(*reader, &filler));
        let Ok(thread) = thread::Builder::new().name("unpack".to_owned()).spawn(run) else {
            return Self::Here(reader);
        };
        let (file, info) = (reader.file, reader.info.clone());
        // The thread has just been started, and waits.
        let _ = give.send(reader);
        Self::Ahead(Box::new(ReadAhead { file, batches, thread: Some(thread), info, problem: None }))
    }

    pub(super) const fn is_ahead(&self) -> bool {
        matches!(self, Self::Ahead(_))
    }

    /// The file's index in the input.
    pub(super) fn file(&self) -> u32 {
        match self {
            Self::Here(reader) => reader.file,
            Self::Ahead(ahead) => ahead.file,
        }
    }

    /// Sets the file's index in the input and its clock correction. Call it before [`Self::run_ahead`].
    pub(super) fn set_place(&mut self, file: u32, clock: Option<ClockCorrection>) {
        if let Self::Here(reader) = self {
            (reader.file, reader.clock) = (file, clock);
        }
    }

    /// Notes a problem with the file as a whole.
    pub(super) fn has_problem(&mut self, problem: String) {
        match self {
            Self::Here(reader) => reader.info.problem = Some(problem),
            Self::Ahead(ahead) => ahead.problem = Some(problem),
        }
    }

    /// Clears the batch and fills it with the file's next frames: about `target` bytes of them, or as many as
    /// are ready. False at the end of what can be read.
    pub(super) fn fill(&mut self, batch: &mut Batch, target: usize) -> bool {
        match self {
            Self::Here(reader) => reader.fill(batch, target),
            Self::Ahead(ahead) => ahead.fill(batch),
        }
    }

    /// What is known of the file.
    pub(super) fn into_info(self) -> FileInfo {
        match self {
            Self::Here(reader) => reader.info,
            Self::Ahead(ahead) => {
                let ReadAhead { info, problem, .. } = *ahead;
                FileInfo { problem: info.problem.clone().or(problem), ..info }
            }
        }
    }
}

impl ReadAhead {
    fn fill(&mut self, batch: &mut Batch) -> bool {
        if let Some(frames) = self.batches.next() {
            let mut done = std::mem::replace(batch, frames);
            done.clear();
            self.batches.give_back(done);
            return true;
        }
        batch.clear();
        // It has nothing more to send, and ends.
        if let Some(info) = self.thread.take().and_then(|thread| thread.join().ok().flatten()) {
            self.info = info;
        }
        false
    }
}

/// Reads a file to its end, or until the receiver is gone. Returns what is known of it by then.
fn read(mut reader: Reader, batches: &Filler<Batch>) -> FileInfo {
    while let Some(mut batch) = batches.empty() {
        if !reader.fill(&mut batch, BATCH_BYTES) || !batches.send(batch) {
            break;
        }
    }
    reader.info
}

/// How many files to read ahead with so many threads. With a single one there is nothing to gain.
pub(super) fn most(threads: usize) -> usize {
    if threads < 2 { 0 } else { threads.min(MAX_FILES) }
}

/// The number of processors.
pub(super) fn processors() -> usize {
    let count: io::Result<_> = thread::available_parallelism();
    count.map_or(1, std::num::NonZero::get)
}
