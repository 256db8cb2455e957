//! Paths to frames: finds the files, looks at each one's start, and reads them in order.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ahead::{self, Frames};
use super::batch::Batch;
use super::clock::ClockCorrection;
use super::reader::Reader;
use super::rotation::{Entry, Open, Rotation, Waiting};
use super::unpack::Unpacker;
use super::{Compression, FileInfo};
use crate::frame::Frame;

/// The most files open at once. With 64 KiB of frames and some 100 KiB of unpacker for each, they
/// stay within 32 MiB; rotations of one host need two.
const MAX_OPEN: usize = 128;
/// How many bytes of frames a batch holds: little enough to stay in a processor's second cache.
const BATCH_BYTES: usize = 256 * 1024;
/// How much of each file is read to learn its first frame's time.
const SNIFF_BYTES: usize = 16 * 1024;
/// The most files a replay takes; an index into them has 32 bits.
const MAX_FILES: usize = 100_000;
/// The path that means standard input.
const STDIN: &str = "-";

/// How to replay.
#[derive(Clone, Copy, Debug)]
pub struct ReplayOptions {
    /// The most files open at once; files that overlap beyond this are read after the others.
    pub most_open: usize,
    /// About how many bytes of frames a batch holds.
    pub batch_bytes: usize,
    /// Threads to work with: with one, packed files are unpacked by the thread that asks for their frames,
    /// with more by others ahead of it.
    pub threads: usize,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self { most_open: MAX_OPEN, batch_bytes: BATCH_BYTES, threads: ahead::processors() }
    }
}

/// Nothing that was given could be read.
#[derive(Debug)]
pub struct OpenError {
    /// What is wrong with each file.
    pub files: Vec<FileInfo>,
    /// Files of directories that are no captures.
    pub skipped: Vec<String>,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.files.is_empty() {
            return write!(f, "no capture file found ({} other files)", self.skipped.len());
        }
        for (index, file) in self.files.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", file.path, file.problem.as_deref().unwrap_or("no frames"))?;
        }
        Ok(())
    }
}

impl std::error::Error for OpenError {}

/// Capture files being read as one.
///
/// It is `Send`: a thread can fill batches ahead. What is wrong with a file never stops the others
/// and is no error of [`Self::fill`]; it is in [`Self::files`].
pub struct Replay {
    files: Vec<FileInfo>,
    /// Where those lie that can be read more than once.
    paths: Vec<Option<PathBuf>>,
    skipped: Vec<String>,
    rotation: Rotation,
    total_bytes: Option<u64>,
    bytes_read: Arc<AtomicU64>,
}

impl Replay {
    /// Looks at the start of every file and puts them in order. A directory stands for every capture
    /// directly in it, `-` for standard input; a file given twice is read once.
    ///
    /// # Errors
    /// Where nothing at all can be read: what is wrong with each file.
    pub fn open(paths: &[PathBuf], options: &ReplayOptions) -> Result<Self, OpenError> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let mut found = InputFiles::default();
        for path in paths {
            found.add(path);
        }
        let InputFiles { sources, mut skipped, .. } = found;
        let mut candidates = Vec::new();
        for source in sources {
            match Candidate::new(source, &bytes_read) {
                Candidate { info, source, .. } if source.is_foreign(&info) => skipped.push(info.path),
                candidate => candidates.push(candidate),
            }
        }
        // Stable: files that begin together stay in the order they were given; those without any
        // frame come last.
        candidates.sort_by_key(|candidate| (candidate.info.first.is_none(), candidate.info.first));
        let mut files = Vec::new();
        let mut paths = Vec::new();
        let mut waiting = VecDeque::new();
        let mut total_bytes = Some(0);
        for (candidate, file) in candidates.into_iter().zip(0..) {
            let info = candidate.info.clone();
            let size = candidate.source.size();
            paths.push(candidate.source.is_file().then(|| candidate.source.path.clone()));
            match candidate.waiting(file, &bytes_read) {
                Some(entry) => {
                    total_bytes =
                        total_bytes.zip(size).map(|(total, size): (u64, u64)| total.saturating_add(size));
                    // The counts so far are those of its start, which is read again.
                    files.push(FileInfo {
                        frames: 0,
                        captured_bytes: 0,
                        wire_bytes: 0,
                        cut_frames: 0,
                        last: None,
                        ..info
                    });
                    waiting.push_back(entry);
                }
                None => files.push(info),
            }
        }
        if waiting.is_empty() && files.iter().all(|file| file.problem.is_some()) {
            return Err(OpenError { files, skipped });
        }
        let rotation =
            Rotation::new(waiting, options.most_open, ahead::most(options.threads), options.batch_bytes);
        Ok(Self { files, paths, skipped, rotation, total_bytes, bytes_read })
    }

    /// Fills `batch`, cleared before, with the next frames in order of time. False at the end, with
    /// the batch empty.
    pub fn fill(&mut self, batch: &mut Batch) -> bool {
        let Self { files, rotation, .. } = self;
        rotation.fill(batch, &mut |file, info| {
            if let Some(known) = files.get_mut(file as usize) {
                if info.format.is_some() {
                    *known = info;
                } else {
                    // It could not be opened a second time: what its start told is still true.
                    known.problem = info.problem;
                }
            }
        })
    }

    /// Whether every file can be read more than once: none is a pipe.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        self.paths.iter().all(Option::is_some)
    }

    /// Reads the start of a file beside the replay: at most `most_bytes` of it as it is packed, until
    /// `each` says false. Times are as the file has them. What is wrong with the file shows when the
    /// replay comes to it.
    pub fn look(&self, file: u32, most_bytes: u64, mut each: impl FnMut(&Frame<'_>) -> bool) {
        let Some(Some(path)) = self.paths.get(file as usize) else { return };
        let bytes_read = Arc::new(AtomicU64::new(0));
        let mut reader = Source::new(path).reader(Arc::clone(&bytes_read));
        reader.file = file;
        let mut batch = Batch::new();
        while bytes_read.load(Ordering::Relaxed) < most_bytes && reader.fill(&mut batch, BATCH_BYTES) {
            if !batch.frames().all(|frame| each(&frame)) {
                return;
            }
        }
    }

    /// Sets the times of files right, by their index: what is read from now on has the right times, and
    /// files come in the order of these. Call it before the first frame is read.
    pub fn set_clocks(&mut self, clocks: &[Option<ClockCorrection>]) {
        self.rotation.set_clocks(clocks);
        for (file, clock) in self.files.iter_mut().zip(clocks) {
            if let Some(clock) = clock {
                file.first = file.first.map(|first| clock.correct(first));
            }
        }
    }

    /// The files, in the order they are read; a frame's place is an index into them. Counts and
    /// problems are complete after the end.
    #[must_use]
    pub fn files(&self) -> &[FileInfo] {
        &self.files
    }

    /// Files in the directories given that are no captures.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Bytes of all files on disk, as they are packed; unknown where one is a pipe.
    #[must_use]
    pub fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    /// How many of these were read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// The counter behind [`Self::bytes_read`], for a thread that does not own the replay.
    #[must_use]
    pub fn bytes_read_counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes_read)
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("files", &self.files).finish_non_exhaustive()
    }
}

/// Where a file's bytes come from.
struct Source {
    path: PathBuf,
    kind: SourceKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SourceKind {
    /// Named by the user, or in a directory and named like a capture; of this size.
    File {
        size: u64,
    },
    /// In a directory, and not named like a capture.
    Stray {
        size: u64,
    },
    /// A pipe or a device, which can be read only once.
    Stream,
    Stdin,
}

impl Source {
    fn new(path: &Path) -> Self {
        let kind = if path.as_os_str() == STDIN {
            SourceKind::Stdin
        } else {
            match fs::metadata(path) {
                Ok(metadata) if !metadata.is_file() => SourceKind::Stream,
                metadata => SourceKind::File { size: metadata.map_or(0, |metadata| metadata.len()) },
            }
        };
        Self { path: path.to_owned(), kind }
    }

    /// Whether it can be read twice.
    fn is_file(&self) -> bool {
        matches!(self.kind, SourceKind::File { .. } | SourceKind::Stray { .. })
    }

    /// Whether it was only found in a directory, and is nothing to report.
    fn is_foreign(&self, info: &FileInfo) -> bool {
        matches!(self.kind, SourceKind::Stray { .. }) && info.format.is_none()
    }

    fn size(&self) -> Option<u64> {
        match self.kind {
            SourceKind::File { size } | SourceKind::Stray { size } => Some(size),
            SourceKind::Stream | SourceKind::Stdin => None,
        }
    }

    fn reader(&self, count: Arc<AtomicU64>) -> Reader {
        let source: io::Result<Box<dyn Read + Send>> = match self.kind {
            SourceKind::Stdin => Ok(Box::new(io::stdin())),
            _ => File::open(&self.path).map(|file| Box::new(file) as _),
        };
        let source = source.and_then(|source| Unpacker::new(source, count));
        Reader::new(self.path.display().to_string(), source, !self.is_file())
    }
}

/// A source whose start was read.
struct Candidate {
    info: FileInfo,
    source: Source,
    /// Of a source that cannot be read twice: the reader, with what it read.
    open: Option<Open>,
}

impl Candidate {
    fn new(source: Source, bytes_read: &Arc<AtomicU64>) -> Self {
        let count = if source.is_file() { Arc::default() } else { Arc::clone(bytes_read) };
        let mut reader = source.reader(count);
        let mut ahead = Batch::new();
        reader.fill(&mut ahead, SNIFF_BYTES);
        let info = reader.info.clone();
        let open = (!source.is_file()).then_some(Open { frames: Frames::here(reader), ahead, next: 0 });
        Self { info, source, open }
    }

    /// The file's entry in the order; none where it has no frame.
    fn waiting(self, file: u32, bytes_read: &Arc<AtomicU64>) -> Option<Waiting> {
        let Self { info, source, open } = self;
        let count = Arc::clone(bytes_read);
        let is_packed = info.compression != Compression::None;
        let open = move || {
            open.unwrap_or_else(|| Open {
                frames: Frames::here(source.reader(count)),
                ahead: Batch::new(),
                next: 0,
            })
        };
        let entry = Entry::Shut(Box::new(open));
        Some(Waiting { first: info.first?, file, entry, is_packed, late: false, clock: None })
    }
}

/// The files that paths stand for.
#[derive(Default)]
struct InputFiles {
    sources: Vec<Source>,
    skipped: Vec<String>,
    /// Where they really are, to know one that was given twice.
    real: HashSet<PathBuf>,
}

impl InputFiles {
    fn add(&mut self, path: &Path) {
        if path.as_os_str() != STDIN && path.is_dir() {
            self.add_directory(path);
        } else {
            self.add_file(Source::new(path));
        }
    }

    fn add_file(&mut self, source: Source) {
        let real = fs::canonicalize(&source.path).unwrap_or_else(|_| source.path.clone());
        if !self.real.insert(real) {
            return;
        }
        if self.sources.len() < MAX_FILES {
            self.sources.push(source);
        } else {
            self.skipped.push(source.path.display().to_string());
        }
    }

    /// Adds what lies directly in a directory. One that cannot be listed is an entry of its own, and
    /// opening it says why.
    fn add_directory(&mut self, directory: &Path) {
        let Ok(entries) = fs::read_dir(directory) else {
            return self.add_file(Source { path: directory.to_owned(), kind: SourceKind::File { size: 0 } });
        };
        let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let mut source = Source::new(&path);
            match source.kind {
                SourceKind::File { size } if !is_named_like_capture(&path) => {
                    source.kind = SourceKind::Stray { size };
                    self.add_file(source);
                }
                SourceKind::File { .. } => self.add_file(source),
                // Folders and pipes in a directory are nobody's capture.
                SourceKind::Stream | SourceKind::Stray { .. } | SourceKind::Stdin => {}
            }
        }
    }
}

/// Whether a file without content, or with none that is known, was meant to be a capture. Content
/// decides wherever there is any.
fn is_named_like_capture(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.contains(".pcap") || name.contains(".cap")
}
