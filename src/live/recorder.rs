//! The flight recorder: the last seconds of raw frames, in memory, and on disk once something happened.
//!
//! Frames lie in a ring of batches, bounded by their age and by their bytes. When a stall is told, the
//! ring is held, and some time after it is written by a thread of its own, with the verdict of that moment:
//! a slow disk holds up nothing. It asks no clock.

use crate::capture::Batch;
use crate::findings::Stall;
use crate::frame::Frame;
use crate::report::annotated::{Annotated, HINT, Notes};
use crate::report::live::What;
use crate::time::{Span, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// Bytes of a batch of the ring: what is let go at once.
const BATCH_BYTES: usize = 64 * 1024;
/// What a frame weighs beside its bytes.
const FRAME_WEIGHT: usize = 40;
/// How the names of recordings begin and end.
const NAME: (&str, &str) = ("qscope-", ".pcapng");
/// Stalls of one recording; more are recorded without their verdicts.
const MAX_STALLS: usize = 64;

/// What is recorded, and where to.
#[derive(Clone, Debug)]
pub struct RecorderOptions {
    /// The folder.
    pub folder: PathBuf,
    /// How long before the announcement of a stall.
    pub before: Span,
    /// How long after.
    pub after: Span,
    /// Bytes of frames that are held in memory at most; while a recording is written, twice as many.
    pub most_bytes: usize,
    /// Recordings kept; beyond, the oldest are removed.
    pub keep: usize,
    /// Bytes of a frame that are captured.
    pub snaplen: u32,
}

/// A stall as a person reads it, and as data.
#[derive(Clone, Debug)]
struct ToldStall {
    sentence: String,
    stall: Stall,
}

/// A recording that waits for its end.
#[derive(Clone, Debug)]
struct Due {
    from: Timestamp,
    until: Timestamp,
    told_at: Timestamp,
    verdicts: BTreeMap<u32, ToldStall>,
}

/// The recorder.
#[derive(Debug)]
pub struct Recorder {
    settings: RecorderOptions,
    ring: VecDeque<Arc<Batch>>,
    filling: Batch,
    filling_bytes: usize,
    bytes: VecDeque<usize>,
    total: usize,
    /// Time of the last frame that was let go for want of room.
    cut_at: Option<Timestamp>,
    due: Option<Due>,
    writing: Option<JoinHandle<What>>,
}

impl Recorder {
    /// A recorder that holds nothing yet.
    ///
    /// # Errors
    /// One sentence: the folder cannot be written to.
    pub fn new(settings: RecorderOptions) -> Result<Self, String> {
        let probe = settings.folder.join(".qscope-probe");
        let wrong = |error: io::Error| {
            let folder = settings.folder.display();
            format!("--record {folder}: {error}: 'chown' gives it to the user that qscope runs as (-Z)")
        };
        fs::create_dir_all(&settings.folder).and_then(|()| create(&probe)).map_err(wrong)?;
        fs::remove_file(&probe).map_err(wrong)?;
        Ok(Self {
            settings,
            ring: VecDeque::new(),
            filling: Batch::new(),
            filling_bytes: 0,
            bytes: VecDeque::new(),
            total: 0,
            cut_at: None,
            due: None,
            writing: None,
        })
    }

    /// Bytes held, all counted.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.total + self.filling_bytes
    }

    /// Holds a frame.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        self.filling.add(frame);
        self.filling_bytes += frame.data.len() + FRAME_WEIGHT;
        if self.filling_bytes >= BATCH_BYTES {
            self.turn();
        }
        while self.held_bytes() > self.settings.most_bytes {
            let Some(gone) = self.drop_first() else { break };
            self.cut_at = self.cut_at.max(last(&gone));
        }
    }

    /// Notes a stall that was told, or told anew; `sentence` is what was told.
    pub fn stall(&mut self, at: Timestamp, stall: &Stall, sentence: String, is_over: bool) {
        if is_over && self.due.is_none() {
            return;
        }
        let RecorderOptions { before, after, .. } = self.settings;
        let due = self.due.get_or_insert_with(|| Due {
            from: at.minus(before),
            until: at.plus(after),
            told_at: at,
            verdicts: BTreeMap::new(),
        });
        if !is_over {
            due.from = due.from.min(stall.start);
        }
        if due.verdicts.len() < MAX_STALLS || due.verdicts.contains_key(&stall.id) {
            due.verdicts.insert(stall.id, ToldStall { sentence, stall: stall.clone() });
        }
    }

    /// Lets time pass: what is too old is let go, and a recording that is complete is written.
    #[must_use]
    pub fn time(&mut self, now: Timestamp) -> Option<What> {
        let from = self.due.as_ref().map_or_else(|| now.minus(self.settings.before), |due| due.from);
        while self.ring.front().is_some_and(|batch| last(batch) < Some(from)) {
            self.drop_first();
        }
        let said = self.writing.take_if(|thread| thread.is_finished()).map(said);
        if self.writing.is_none() && self.due.as_ref().is_some_and(|due| now >= due.until) {
            self.write();
        }
        said
    }

    /// Ends the recording: what is under way is written now.
    #[must_use]
    pub fn finish(&mut self) -> Vec<What> {
        let mut all: Vec<_> = self.writing.take().map(said).into_iter().collect();
        self.write();
        all.extend(self.writing.take().map(said));
        all
    }

    /// Closes the batch that is being filled.
    fn turn(&mut self) {
        let batch = std::mem::take(&mut self.filling);
        self.ring.push_back(Arc::new(batch));
        self.bytes.push_back(self.filling_bytes);
        self.total += std::mem::take(&mut self.filling_bytes);
    }

    fn drop_first(&mut self) -> Option<Arc<Batch>> {
        self.total -= self.bytes.pop_front().unwrap_or(0);
        self.ring.pop_front()
    }

    /// Begins to write what is due, on a thread of its own.
    fn write(&mut self) {
        let Some(due) = self.due.take() else { return };
        self.turn();
        let cut_at = self.cut_at.filter(|cut_at| *cut_at >= due.from);
        let job = Job {
            batches: self.ring.iter().cloned().collect(),
            due,
            cut_at,
            settings: self.settings.clone(),
        };
        let thread = thread::Builder::new().name("record".to_owned()).spawn(move || job.run());
        self.writing = thread.ok();
    }
}

/// The time of a batch's last frame.
fn last(batch: &Batch) -> Option<Timestamp> {
    batch.frame(batch.len().checked_sub(1)?).map(|frame| frame.at)
}

fn said(thread: JoinHandle<What>) -> What {
    thread.join().unwrap_or_else(|_| What::Problem("a recording broke off".to_owned()))
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(path)
}

/// A recording to be written.
struct Job {
    batches: Vec<Arc<Batch>>,
    due: Due,
    cut_at: Option<Timestamp>,
    settings: RecorderOptions,
}

impl Job {
    fn run(self) -> What {
        let first = self.due.verdicts.keys().next().copied().unwrap_or(0);
        let seconds = self.due.told_at.nanos() / 1_000_000_000;
        let stamp = jiff::Timestamp::from_second(seconds).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ");
        let path = self.settings.folder.join(format!("{}{stamp}-stall{first}{}", NAME.0, NAME.1));
        let part = path.with_extension("part");
        let written = self.write(&part).and_then(|frames| fs::rename(&part, &path).map(|()| frames));
        match written {
            Ok(frames) => {
                remove_old(&self.settings);
                What::Recording { path: path.display().to_string(), frames, stall: first }
            }
            Err(error) => {
                // Half of it helps nobody, and the room is needed.
                let _ = fs::remove_file(&part);
                What::Problem(format!(
                    "{} could not be written: {error}; the watching goes on ('df -h {}')",
                    path.display(),
                    self.settings.folder.display()
                ))
            }
        }
    }

    fn write(&self, path: &Path) -> io::Result<u64> {
        let mut notes = Notes::default();
        self.due.verdicts.values().for_each(|verdict| notes.add(&verdict.stall));
        let out = BufWriter::new(create(path)?);
        let mut file = Annotated::new(out, &self.comment(), notes, self.settings.snaplen)?;
        for frame in self.batches.iter().flat_map(|batch| batch.frames()) {
            if frame.at >= self.due.from {
                file.frame(&frame)?;
            }
        }
        let frames = file.frames;
        file.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(frames)
    }

    fn comment(&self) -> String {
        let mut lines: Vec<_> =
            self.due.verdicts.values().map(|verdict| format!("stall {}", verdict.sentence)).collect();
        if self.cut_at.is_some() {
            lines.push("Earlier frames were let go for want of memory (--max-mb).".to_owned());
        }
        lines.push(HINT.to_owned());
        lines.join("\n")
    }
}

/// Removes the oldest recordings. Their names begin with their times.
fn remove_old(settings: &RecorderOptions) {
    let Ok(entries) = fs::read_dir(&settings.folder) else { return };
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(NAME.0) && name.ends_with(NAME.1)
    };
    let mut ours: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_ours).collect();
    ours.sort();
    for path in ours.iter().take(ours.len().saturating_sub(settings.keep)) {
        // One that somebody else removed is gone all the same.
        let _ = fs::remove_file(path);
    }
}
