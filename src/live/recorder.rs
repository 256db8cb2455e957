//! The flight recorder: keeps the last seconds of raw frames in memory, and writes them to disk after a
//! stall.
//!
//! Frames are kept in a ring of batches, bounded by age and by bytes. When a stall is announced, the ring is
//! kept, and some time later a separate thread writes it with the verdict of that moment, so a slow disk
//! delays nothing. No clock is read here.

use super::error::LiveError;
use super::pages::{PageOptions, Pages};
use super::recordings::{CAPTURE, Recordings};
use crate::capture::Batch;
use crate::findings::Stall;
use crate::frame::Frame;
use crate::output::{self, Folder, NewFile, Replace};
use crate::report::annotated::{Annotated, HINT, Notes};
use crate::report::live::What;
use crate::time::{Span, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Bytes of a batch of the ring: what is let go at once.
const BATCH_BYTES: usize = 64 * 1024;
/// What a frame weighs beside its bytes.
const FRAME_WEIGHT: usize = 40;
/// Stalls of one recording; more are recorded without their verdicts.
const MAX_STALLS: usize = 64;

/// What is recorded, and where to.
#[derive(Clone, Debug)]
pub struct RecorderOptions {
    /// The folder; `None` where frames are held for pages alone.
    pub folder: Option<PathBuf>,
    /// The pages that are written of what is held.
    pub pages: Option<PageOptions>,
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
struct DueRecording {
    from: Timestamp,
    until: Timestamp,
    told_at: Timestamp,
    verdicts: BTreeMap<u32, ToldStall>,
}

/// The recorder.
#[derive(Debug)]
pub struct Recorder {
    settings: RecorderOptions,
    recordings: Option<Arc<Mutex<Recordings>>>,
    pages: Option<Pages>,
    ring: VecDeque<Arc<Batch>>,
    filling: Batch,
    filling_bytes: usize,
    bytes: VecDeque<usize>,
    total: usize,
    /// Time of the last frame that was let go for want of room.
    cut_at: Option<Timestamp>,
    due: Option<DueRecording>,
    writing: Option<JoinHandle<What>>,
    /// The present.
    now: Timestamp,
}

/// Makes the folder that an option names where there is none.
///
/// # Errors
/// It cannot be made, or is not to be written to.
pub fn make_folder(option: &str, path: &Path) -> Result<(), LiveError> {
    Folder::open_or_make(path, None).map(drop).map_err(|error| wrong(option, path, &error))
}

fn wrong(option: &str, path: &Path, error: &output::OutputError) -> LiveError {
    let hint = "'chown' gives it to the user that qscope runs as (-Z)";
    LiveError::new(format!("{option} {}: {}", path.display(), error.sentence())).hint(hint)
}

/// Opens the folder that an option names, which can be written to.
fn open_folder(option: &str, path: &Path) -> Result<Folder, LiveError> {
    let open = || {
        let folder = Folder::open_or_make(path, None)?;
        // Better known now than after the first stall; dropped, it leaves nothing.
        folder.begin("probe".as_ref(), Replace { force: true, inputs: &[] })?;
        Ok(folder)
    };
    open().map_err(|error: output::OutputError| wrong(option, path, &error))
}

impl Recorder {
    /// A recorder that holds nothing yet.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn new(settings: RecorderOptions) -> Result<Self, LiveError> {
        let keep = settings.keep;
        let folder = settings.folder.as_deref().map(|path| open_folder("--record", path)).transpose()?;
        let recordings = folder.map(|folder| Arc::new(Mutex::new(Recordings::new(folder, keep, CAPTURE))));
        let pages = match &settings.pages {
            Some(PageOptions { folder, write }) => {
                Some(Pages::new(open_folder("--html-on-incident", folder)?, keep, Arc::clone(write)))
            }
            None => None,
        };
        Ok(Self {
            settings,
            recordings,
            pages,
            ring: VecDeque::new(),
            filling: Batch::new(),
            filling_bytes: 0,
            bytes: VecDeque::new(),
            total: 0,
            cut_at: None,
            due: None,
            writing: None,
            now: Timestamp::MIN,
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
        let RecorderOptions { before, after, .. } = self.settings;
        if let Some(pages) = &mut self.pages {
            pages.stall(at, (stall.id, stall.start), is_over, before);
        }
        if is_over && self.due.is_none() || self.recordings.is_none() {
            return;
        }
        let due = self.due.get_or_insert_with(|| DueRecording {
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

    /// Somebody asked for a recording: as for a stall that is told now, unless one is under way.
    pub fn asked(&mut self, at: Timestamp) {
        if self.recordings.is_none() {
            return;
        }
        let RecorderOptions { before, after, .. } = self.settings;
        self.due.get_or_insert_with(|| DueRecording {
            from: at.minus(before),
            until: at.plus(after),
            told_at: at,
            verdicts: BTreeMap::new(),
        });
    }

    /// Lets time pass: what is too old is let go, and a recording that is complete is written.
    #[must_use]
    pub fn time(&mut self, now: Timestamp) -> Option<What> {
        self.now = now;
        let RecorderOptions { before, after, .. } = self.settings;
        let needed = [self.due.as_ref().map(|due| due.from), self.pages.as_ref().and_then(Pages::from)];
        let from = needed.into_iter().flatten().min().unwrap_or_else(|| now.minus(before));
        while self.ring.front().is_some_and(|batch| last(batch) < Some(from)) {
            self.drop_first();
        }
        let said = self.writing.take_if(|thread| thread.is_finished()).map(said);
        if said.is_none() && self.writing.is_none() && self.due.as_ref().is_some_and(|due| now >= due.until) {
            return self.write();
        }
        let is_page_due = self.pages.as_ref().is_some_and(|pages| pages.is_due(now, after));
        if said.is_none() && self.writing.is_none() && is_page_due {
            return self.write_page();
        }
        said
    }

    /// Ends the recording: what is under way is written now.
    #[must_use]
    pub fn finish(&mut self) -> Vec<What> {
        let mut all: Vec<_> = self.writing.take().map(said).into_iter().collect();
        all.extend(self.write());
        all.extend(self.writing.take().map(said));
        all.extend(self.write_page());
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

    /// Begins to write what is due, on a thread of its own; what does not work.
    fn write(&mut self) -> Option<What> {
        let (due, recordings) = self.due.take().zip(self.recordings.clone())?;
        self.turn();
        let cut_at = self.cut_at.filter(|cut_at| *cut_at >= due.from);
        let job = Job {
            batches: self.ring.iter().cloned().collect(),
            due,
            cut_at,
            snaplen: self.settings.snaplen,
            recordings,
        };
        self.spawn("recording", move || job.run())
    }

    /// Begins to write the page that is due, likewise.
    fn write_page(&mut self) -> Option<What> {
        self.turn();
        let batches = self.ring.iter().cloned().collect();
        let job = self.pages.as_mut()?.job(batches, self.cut_at, self.now)?;
        self.spawn("page", move || job.run())
    }

    fn spawn(&mut self, what: &str, job: impl FnOnce() -> What + Send + 'static) -> Option<What> {
        match thread::Builder::new().name("record".to_owned()).spawn(job) {
            Ok(thread) => {
                self.writing = Some(thread);
                None
            }
            Err(error) => Some(What::Problem(format!("a {what} could not be written: no thread: {error}"))),
        }
    }
}

/// The time of a batch's last frame.
fn last(batch: &Batch) -> Option<Timestamp> {
    batch.frame(batch.len().checked_sub(1)?).map(|frame| frame.at)
}

fn said(thread: JoinHandle<What>) -> What {
    thread.join().unwrap_or_else(|_| What::Problem("a recording broke off".to_owned()))
}

/// A recording to be written.
struct Job {
    batches: Vec<Arc<Batch>>,
    due: DueRecording,
    cut_at: Option<Timestamp>,
    snaplen: u32,
    recordings: Arc<Mutex<Recordings>>,
}

impl Job {
    fn run(self) -> What {
        let stall = self.due.verdicts.keys().next().copied().unwrap_or(0);
        let mut recordings = self.recordings.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = recordings.folder().path().to_owned();
        let written = recordings.begin(self.due.told_at, stall).and_then(|(name, file)| {
            let path = folder.join(&name);
            let (frames, file) = self.write(file).map_err(|error| output::OutputError::io(&path, error))?;
            let id = file.finish(Replace::default())?;
            recordings.wrote(name, id);
            Ok(What::Recording { path: path.display().to_string(), frames, stall })
        });
        written.unwrap_or_else(|error| {
            What::Problem(format!(
                "the recording of stall #{stall} could not be written: {}; the watching goes on ('df -h {}')",
                error.sentence(),
                folder.display()
            ))
        })
    }

    fn write(&self, out: NewFile) -> io::Result<(u64, NewFile)> {
        let mut notes = Notes::default();
        self.due.verdicts.values().for_each(|verdict| notes.add(&verdict.stall));
        let mut file = Annotated::new(out, &self.comment(), notes, self.snaplen)?;
        for frame in self.batches.iter().flat_map(|batch| batch.frames()) {
            if frame.at >= self.due.from {
                file.frame(&frame)?;
            }
        }
        Ok((file.frames, file.finish()?))
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
