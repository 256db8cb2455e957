//! Finds the files, reads the start of each, and replays them in order.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ahead::{self, FileFrames};
use super::batch::Batch;
use super::clock::ClockCorrection;
use super::reader::Reader;
use super::rotation::{OpenFile, QueuedFile, Rotation, WaitingFile};
use super::unpack::Unpacker;
use super::{Compression, FileInfo};
use crate::frame::Frame;
use crate::time::Timestamp;

/// The most files open at once. With 64 KiB of frames and about 100 KiB of decompressor each, they stay
/// within 32 MiB; the rotation of one host needs two.
const MAX_OPEN: usize = 128;
/// Bytes of frames in a batch: few enough for the L2 cache.
const BATCH_BYTES: usize = 256 * 1024;
/// Bytes read of each file to find the time of its first frame.
const SNIFF_BYTES: usize = 16 * 1024;
/// The most files of a replay.
const MAX_FILES: usize = 100_000;
/// The path that means standard input.
const STDIN: &str = "-";

/// Options of a replay.
#[derive(Clone, Copy, Debug)]
pub struct ReplayOptions {
    /// The most files open at once; if more overlap, the rest is read after the others.
    pub most_open: usize,
    /// About how many bytes of frames a batch holds.
    pub batch_bytes: usize,
    /// The number of threads: with one, compressed files are decompressed on demand; with more, ahead on
    /// other threads.
    pub threads: usize,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self { most_open: MAX_OPEN, batch_bytes: BATCH_BYTES, threads: ahead::processors() }
    }
}

/// None of the input could be read.
#[derive(Debug)]
pub struct OpenError {
    /// The problem of each file.
    pub files: Vec<FileInfo>,
    /// Files in the given directories that are not captures.
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

/// Replays capture files as one capture.
///
/// It is `Send`, so another thread can fill batches ahead. A problem with one file does not stop the others
/// and is not an error of [`Self::fill`]; see [`Self::files`].
pub struct Replay {
    files: Vec<FileInfo>,
    /// The paths of the files that can be read more than once.
    paths: Vec<Option<PathBuf>>,
    skipped: Vec<String>,
    rotation: Rotation,
    total_bytes: Option<u64>,
    bytes_read: Arc<AtomicU64>,
}

impl Replay {
    /// Reads the start of every file and sorts them. A directory stands for the captures directly in it, `-`
    /// for standard input; a file given twice is read once.
    ///
    /// # Errors
    /// If none of the input can be read; it names the problem of each file.
    pub fn open(paths: &[PathBuf], options: &ReplayOptions) -> Result<Self, OpenError> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let mut found = InputFiles::default();
        for path in paths {
            found.add(path);
        }
        let InputFiles { sources, mut skipped, .. } = found;
        let mut candidates = Vec::new();
        for source in sources {
            match StartedSource::new(source, &bytes_read) {
                StartedSource { info, source, .. } if source.is_foreign(&info) => skipped.push(info.path),
                candidate => candidates.push(candidate),
            }
        }
        // A stable sort: files that begin at the same time stay in the given order; those without frames come
        // last.
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
                    // The counts so far cover the start, which will be read again.
                    files.push(FileInfo {
                        frames: 0,
                        captured_bytes: 0,
                        wire_bytes: 0,
                        cut_frames: 0,
                        reordered_frames: 0,
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

    /// Clears `batch` and fills it with the next frames in order of time. False at the end, with an empty
    /// batch.
    pub fn fill(&mut self, batch: &mut Batch) -> bool {
        let Self { files, rotation, .. } = self;
        rotation.fill(batch, &mut |file, info| {
            if let Some(known) = files.get_mut(file as usize) {
                if info.format.is_some() {
                    *known = info;
                } else {
                    // It could not be opened a second time; keep what its start showed.
                    known.problem = info.problem;
                }
            }
        })
    }

    /// Whether every file can be read more than once, that is, none is a pipe.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        self.paths.iter().all(Option::is_some)
    }

    /// Reads the start of a file apart from the replay: at most `most_bytes` of it on disk, until `each`
    /// returns false. Times are not corrected. Problems are reported when the replay reads the file.
    pub fn look(&self, file: u32, most_bytes: u64, mut each: impl FnMut(&Frame<'_>) -> bool) {
        let Some(Some(path)) = self.paths.get(file as usize) else { return };
        let bytes_read = Arc::new(AtomicU64::new(0));
        let mut reader = FileSource::new(path).reader(Arc::clone(&bytes_read));
        reader.file = file;
        let mut batch = Batch::new();
        while bytes_read.load(Ordering::Relaxed) < most_bytes && reader.fill(&mut batch, BATCH_BYTES) {
            if !batch.frames().all(|frame| each(&frame)) {
                return;
            }
        }
    }

    /// Sets the clock corrections of the files, by index, and sorts the files by their corrected times. Call
    /// it before the first frame is read.
    pub fn set_clocks(&mut self, clocks: &[Option<ClockCorrection>]) {
        self.rotation.set_clocks(clocks);
        for (file, clock) in self.files.iter_mut().zip(clocks) {
            if let Some(clock) = clock {
                file.first = file.first.map(|first| clock.correct(first));
            }
        }
    }

    /// The files, in the order they are read; [`crate::frame::FrameRef::file`] is an index into them. Counts
    /// and problems are complete after the end.
    #[must_use]
    pub fn files(&self) -> &[FileInfo] {
        &self.files
    }

    /// Files in the given directories that are not captures.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Total size of all files on disk; unknown if one is a pipe.
    #[must_use]
    pub fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    /// Bytes read so far, of [`Self::total_bytes`].
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

/// A file of the input.
struct FileSource {
    path: PathBuf,
    kind: SourceKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SourceKind {
    /// Given by the user, or in a directory with the name of a capture; its size.
    File {
        size: u64,
    },
    /// In a directory, without the name of a capture.
    Stray {
        size: u64,
    },
    /// A pipe or a device: it can be read only once.
    Stream,
    Stdin,
}

impl FileSource {
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

    /// Whether it was only found in a directory and need not be reported.
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
struct StartedSource {
    info: FileInfo,
    source: FileSource,
    /// The reader, with what it has read, if the source cannot be read twice.
    open: Option<OpenFile>,
}

impl StartedSource {
    fn new(source: FileSource, bytes_read: &Arc<AtomicU64>) -> Self {
        let count = if source.is_file() { Arc::default() } else { Arc::clone(bytes_read) };
        let mut reader = source.reader(count);
        let mut ahead = Batch::new();
        reader.fill(&mut ahead, SNIFF_BYTES);
        let info = reader.info.clone();
        let open =
            (!source.is_file()).then_some(OpenFile { frames: FileFrames::here(reader), ahead, next: 0 });
        Self { info, source, open }
    }

    /// The file's entry in the rotation; none if it has no frame.
    fn waiting(self, file: u32, bytes_read: &Arc<AtomicU64>) -> Option<WaitingFile> {
        let Self { info, source, open } = self;
        let count = Arc::clone(bytes_read);
        let is_packed = info.compression != Compression::None;
        let open = move || {
            open.unwrap_or_else(|| OpenFile {
                frames: FileFrames::here(source.reader(count)),
                ahead: Batch::new(),
                next: 0,
            })
        };
        let entry = QueuedFile::Shut(Box::new(open));
        // One whose frames have no times has its turn like any other.
        let first = info.first.or((info.frames > 0).then_some(Timestamp::UNKNOWN))?;
        Some(WaitingFile { first, file, entry, is_packed, late: false, clock: None })
    }
}

/// The files that paths stand for.
#[derive(Default)]
struct InputFiles {
    sources: Vec<FileSource>,
    skipped: Vec<String>,
    /// Canonical paths, to detect a file that was given twice.
    real: HashSet<PathBuf>,
}

impl InputFiles {
    fn add(&mut self, path: &Path) {
        if path.as_os_str() != STDIN && path.is_dir() {
            self.add_directory(path);
        } else {
            self.add_file(FileSource::new(path));
        }
    }

    fn add_file(&mut self, source: FileSource) {
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

    /// Adds the files directly in a directory. A directory that cannot be listed is added itself, so that
    /// opening it reports why.
    fn add_directory(&mut self, directory: &Path) {
        let Ok(entries) = fs::read_dir(directory) else {
            return self
                .add_file(FileSource { path: directory.to_owned(), kind: SourceKind::File { size: 0 } });
        };
        let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let mut source = FileSource::new(&path);
            match source.kind {
                SourceKind::File { size } if !is_named_like_capture(&path) => {
                    source.kind = SourceKind::Stray { size };
                    self.add_file(source);
                }
                SourceKind::File { .. } => self.add_file(source),
                // Directories and pipes in a directory are not captures.
                SourceKind::Stream | SourceKind::Stray { .. } | SourceKind::Stdin => {}
            }
        }
    }
}

/// Whether a file with no or unknown content has the name of a capture. If there is content, the content
/// decides.
fn is_named_like_capture(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.contains(".pcap") || name.contains(".cap")
}
