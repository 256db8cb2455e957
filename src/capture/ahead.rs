//! Read-ahead: decompresses a file on a thread of its own before its frames are needed.
//!
//! Decompression is the most expensive step for a compressed capture, and one file can only be decompressed
//! sequentially. So each open compressed file, and the next ones of a rotation, get a thread each, at most
//! [`MAX_FILES`] at once. Each thread runs a few batches ahead and then waits: memory is bounded, and frames
//! come in the same order as without threads.

use std::io;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::FileInfo;
use super::batch::Batch;
use super::clock::ClockCorrection;
use super::reader::Reader;

/// The most files decompressed at once.
pub(super) const MAX_FILES: usize = 8;
/// Batches that a thread may be ahead.
const BATCHES: usize = 8;
/// Bytes of frames in each; with [`MAX_FILES`] files 20 MiB at most.
const BATCH_BYTES: usize = 256 * 1024;

/// One file's frames, read on demand or ahead.
pub(super) enum Frames {
    Here(Box<Reader>),
    Ahead(Ahead),
}

/// A file read by another thread.
pub(super) struct Ahead {
    file: u32,
    full: Receiver<Message>,
    empty: Sender<Batch>,
    info: FileInfo,
    /// A problem with the file as a whole, unless reading it finds another.
    problem: Option<String>,
}

enum Message {
    Frames(Batch),
    End(FileInfo),
}

impl Frames {
    /// Reads frames on demand.
    pub(super) fn here(reader: Reader) -> Self {
        Self::Here(Box::new(reader))
    }

    /// Moves reading to another thread, or stays on this one if none can be started.
    pub(super) fn run_ahead(self) -> Self {
        let Self::Here(reader) = self else { return self };
        let (give, take) = bounded::<Box<Reader>>(1);
        let (full_in, full) = bounded(BATCHES);
        let (empty, empty_out) = bounded(BATCHES + 2);
        let run = move || {
            if let Ok(reader) = take.recv() {
                read(*reader, &full_in, &empty_out);
            }
        };
        if thread::Builder::new().name("unpack".to_owned()).spawn(run).is_err() {
            return Self::Here(reader);
        }
        for _ in 0..BATCHES {
            // The channel has room for all of them.
            let _ = empty.send(Batch::new());
        }
        let (file, info) = (reader.file, reader.info.clone());
        // The thread has just been started, and waits.
        let _ = give.send(reader);
        Self::Ahead(Ahead { file, full, empty, info, problem: None })
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
            Self::Ahead(Ahead { info, problem, .. }) => {
                FileInfo { problem: info.problem.clone().or(problem), ..info }
            }
        }
    }
}

impl Ahead {
    fn fill(&mut self, batch: &mut Batch) -> bool {
        match self.full.recv() {
            Ok(Message::Frames(frames)) => {
                let mut done = std::mem::replace(batch, frames);
                done.clear();
                // Fails only at the end, when the batch is no longer needed.
                let _ = self.empty.send(done);
                true
            }
            Ok(Message::End(info)) => {
                batch.clear();
                self.info = info;
                false
            }
            Err(_) => {
                batch.clear();
                false
            }
        }
    }
}

/// Reads a file to its end, or until the receiver is gone.
fn read(mut reader: Reader, full: &Sender<Message>, empty: &Receiver<Batch>) {
    while let Ok(mut batch) = empty.recv() {
        if !reader.fill(&mut batch, BATCH_BYTES) {
            let _ = full.send(Message::End(reader.info));
            return;
        }
        if full.send(Message::Frames(batch)).is_err() {
            return;
        }
    }
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
