//! A rotation followed as it grows: new files, the file that is being written, files that vanish.
//!
//! It is polled. Plain files are read as far as they are written; packed ones once they are complete, and
//! only if their plain self was not read before. What was there before the newest file when it began is left
//! alone. It is told the present; how far the files are behind it is learned from how they grow.

use crate::capture::{Batch, Compression, Replay, ReplayOptions};
use crate::frame::{Frame, FrameRef};
use crate::pcapfile::{Decoder, Description};
use crate::time::{Span, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;
/// A packed file is complete when it has not changed for so long.
const COMPLETE: Span = Span::from_millis(2_000);
/// Growths by which it is told how late files are written.
const GROWTHS: usize = 32;
/// Files remembered by name, so that they are not read again once they are packed.
const MAX_PLAIN: usize = 4_096;
/// Files of a folder that are looked at.
const MAX_FILES: usize = 65_536;

/// What a poll brought beside frames.
#[derive(Debug, Default)]
pub struct Polled {
    /// A file was begun: its path. Frames from now on are of the next file.
    pub began: Option<PathBuf>,
    /// What the file says of itself, once that is known.
    pub description: Option<(Description, Compression)>,
    /// What is worth knowing.
    pub notices: Vec<String>,
    /// Whether there is more to read at once.
    pub more: bool,
}

/// What is known of a file of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileState {
    inode: u64,
    len: u64,
    changed: SystemTime,
}

/// The file that is read.
#[derive(Debug)]
enum FileReader {
    Plain {
        file: File,
        decoder: Option<Decoder>,
        rest: Vec<u8>,
    },
    Packed(Box<Replay>),
    /// Nothing more can be read of it.
    Broken,
}

#[derive(Debug)]
struct Current {
    path: PathBuf,
    reading: FileReader,
    /// Whether all of it had been read when it was last looked at.
    is_at_end: bool,
    is_described: bool,
}

impl FileReader {
    fn description(&self) -> Option<(Description, Compression)> {
        match self {
            Self::Plain { decoder, .. } => {
                // Of a pcapng it is known with its first interface.
                let about = decoder.as_ref().map(Decoder::description)?;
                about.link_type.is_some().then_some((about, Compression::None))
            }
            Self::Packed(replay) => {
                let file = replay.files().first()?;
                let (format, link_type) = (file.format?, file.link_type);
                let about = Description { format, link_type, snaplen: file.snaplen, nanos: file.nanos };
                Some((about, file.compression))
            }
            Self::Broken => None,
        }
    }
}

/// Follows a folder.
#[derive(Debug)]
pub struct Follower {
    folder: PathBuf,
    /// Files that were read or passed over, as they were then.
    known: BTreeMap<PathBuf, FileState>,
    /// Plain files that were read or passed over: their packed selves hold nothing new.
    plain: VecDeque<PathBuf>,
    current: Option<Current>,
    has_begun: bool,
    /// Whether the current file is read to its end once more, since another one has come.
    is_leaving: bool,
    /// Files begun.
    begun: u32,
    /// The number that frames' places have for the current file; and the last frame's in it.
    id: FrameRef,
    files_most: u32,
    /// How late the last growths were: from the first frame's time to when it could be read.
    late: VecDeque<Span>,
    last_at: Option<Timestamp>,
    buffer: Vec<u8>,
}

impl Follower {
    /// A follower of a folder; frames of the file `files_most` and of all behind it have the same place.
    ///
    /// # Errors
    /// One sentence: it cannot be listed.
    pub fn new(folder: &Path, files_most: u32) -> Result<Self, String> {
        fs::read_dir(folder).map_err(|error| format!("--follow {}: {error}", folder.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
            known: BTreeMap::new(),
            plain: VecDeque::new(),
            current: None,
            has_begun: false,
            is_leaving: false,
            begun: 0,
            id: FrameRef::default(),
            files_most,
            late: VecDeque::new(),
            last_at: None,
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Up to when all frames were surely seen, as of `now`: behind the present by as much as files were lately
    /// written late. `None` before that is known.
    #[must_use]
    pub fn quiet_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.late.iter().max().map(|late| now.minus(*late))
    }

    /// The last frame's time.
    #[must_use]
    pub const fn last_at(&self) -> Option<Timestamp> {
        self.last_at
    }

    /// Looks at the folder for files that come after what is read: once in a while is enough.
    #[must_use]
    pub fn look(&mut self, now: Timestamp) -> Polled {
        let mut step = Polled::default();
        let Ok(entries) = fs::read_dir(&self.folder) else {
            step.notices.push(format!("{}: the folder cannot be listed any more", self.folder.display()));
            return step;
        };
        let mut found = BTreeMap::new();
        for entry in entries.filter_map(Result::ok).take(MAX_FILES) {
            let Ok(about) = entry.metadata() else { continue };
            if about.is_file() {
                let changed = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                found.insert(entry.path(), FileState { inode: about.ino(), len: about.len(), changed });
            }
        }
        self.known.retain(|path, _| found.contains_key(path));
        let is_open = self.current.as_ref().is_some_and(|current| !current.is_at_end);
        if is_open {
            return step;
        }
        let mut new: Vec<_> =
            found.iter().filter(|(path, mark)| self.is_new(path, mark, &found, now)).collect();
        new.sort_by_key(|(_, mark)| mark.changed);
        if !std::mem::replace(&mut self.has_begun, true) {
            // It begins with what is being written, not with what is over.
            let passed = new.len().saturating_sub(1);
            let left_alone: Vec<_> = new.drain(..passed).map(|(path, mark)| (path.clone(), *mark)).collect();
            if passed > 0 {
                step.notices.push(format!(
                    "{passed} older {} left alone: qscope replay reads {}",
                    if passed == 1 { "file is" } else { "files are" },
                    if passed == 1 { "it" } else { "them" }
                ));
            }
            left_alone.iter().for_each(|(path, _)| self.passes(path.clone()));
            self.known.extend(left_alone);
        }
        let first = new.first().map(|(path, mark)| ((*path).clone(), **mark));
        if let Some((path, mark)) = first {
            if self.current.is_some() && !std::mem::replace(&mut self.is_leaving, true) {
                // Its last frames may have been written since.
                step.more = true;
            } else {
                self.begin(path, mark, &mut step);
            }
        }
        step
    }

    /// Whether a file is one to read: not read yet, or written anew under its old name.
    fn is_new(
        &self,
        path: &Path,
        mark: &FileState,
        found: &BTreeMap<PathBuf, FileState>,
        now: Timestamp,
    ) -> bool {
        if mark.len == 0
            || self.current.as_ref().is_some_and(|current| current.path == path && !self.is_anew(path, mark))
        {
            return false;
        }
        if is_packed(path) {
            let plain = path.with_extension("");
            let is_twin = found.contains_key(&plain) || self.plain.contains(&plain);
            let changed = mark.changed.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let changed =
                Timestamp::from_parts(i64::try_from(changed.as_secs()).unwrap_or(0), changed.subsec_nanos());
            return !is_twin && !self.known.contains_key(path) && now.since(changed) >= COMPLETE;
        }
        !self.known.contains_key(path) || self.is_anew(path, mark)
    }

    /// Whether a file has shrunk or is another one.
    fn is_anew(&self, path: &Path, mark: &FileState) -> bool {
        self.known.get(path).is_some_and(|known| known.inode != mark.inode || mark.len < known.len)
    }

    /// Notes that a file's packed self is not wanted.
    fn passes(&mut self, path: PathBuf) {
        if self.plain.len() >= MAX_PLAIN {
            self.plain.pop_front();
        }
        self.plain.push_back(path);
    }

    fn begin(&mut self, path: PathBuf, mark: FileState, step: &mut Polled) {
        self.is_leaving = false;
        self.passes(path.clone());
        self.known.insert(path.clone(), mark);
        let reading = if is_packed(&path) {
            Replay::open(std::slice::from_ref(&path), &ReplayOptions::default())
                .map(|replay| FileReader::Packed(Box::new(replay)))
                .map_err(|error| error.to_string())
        } else {
            let plain = |file| FileReader::Plain { file, decoder: None, rest: Vec::new() };
            File::open(&path).map(plain).map_err(|error| error.to_string())
        };
        match reading {
            Ok(reading) => {
                self.id = FrameRef { file: self.begun.min(self.files_most), number: 0 };
                self.begun = self.begun.saturating_add(1);
                step.began = Some(path.clone());
                step.more = true;
                self.current = Some(Current { path, reading, is_at_end: false, is_described: false });
            }
            Err(error) => step.notices.push(format!("{}: {error}: it is passed over", path.display())),
        }
    }

    /// Reads what there is, as far as it fits, into a batch that was cleared; `now` is the present.
    #[must_use]
    pub fn read(&mut self, batch: &mut Batch, now: Timestamp) -> Polled {
        let mut step = Polled::default();
        let Some(mut current) = self.current.take() else { return step };
        let was_at_end = current.is_at_end;
        let before = batch.len();
        let outcome = match &mut current.reading {
            FileReader::Plain { file, decoder, rest } => {
                grow(file, decoder, rest, &mut self.buffer, &mut self.id, batch)
            }
            FileReader::Packed(replay) => {
                let mut own = Batch::new();
                let more = replay.fill(&mut own);
                for frame in own.frames() {
                    self.id.number = self.id.number.saturating_add(1);
                    batch.add(&Frame { id: self.id, ..frame });
                }
                Ok(more)
            }
            FileReader::Broken => Ok(false),
        };
        match outcome {
            Ok(more) => {
                if !current.is_described {
                    step.description = current.reading.description();
                    current.is_described = step.description.is_some();
                }
                current.is_at_end = !more;
                step.more = more;
                if let (FileReader::Plain { file, .. }, Some(known)) =
                    (&current.reading, self.known.get_mut(&current.path))
                    && let Ok(about) = file.metadata()
                {
                    known.len = about.len();
                }
            }
            Err(problem) => {
                step.notices
                    .push(format!("{}: {problem}: the rest of it is passed over", current.path.display()));
                current.is_at_end = true;
                current.reading = FileReader::Broken;
            }
        }
        if let Some(first) = batch.frame(before).map(|frame| frame.at) {
            if was_at_end {
                if self.late.len() >= GROWTHS {
                    self.late.pop_front();
                }
                self.late.push_back(now.since(first).max(Span::ZERO));
            }
            self.last_at = batch.frame(batch.len() - 1).map(|frame| frame.at).max(self.last_at);
        }
        self.current = Some(current);
        step
    }
}

/// Reads on in a plain file: whether there may be more.
fn grow(
    file: &mut File,
    decoder: &mut Option<Decoder>,
    rest: &mut Vec<u8>,
    buffer: &mut [u8],
    id: &mut FrameRef,
    batch: &mut Batch,
) -> Result<bool, String> {
    let read = match file.read(buffer) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
        Err(error) => return Err(error.to_string()),
    };
    rest.extend_from_slice(buffer.get(..read).unwrap_or_default());
    if decoder.is_none() && rest.len() >= Decoder::MAGIC_LEN {
        *decoder = Some(Decoder::sniff(rest).ok_or("not a capture file")?);
    }
    let Some(decoder) = decoder else { return Ok(read > 0) };
    let mut heads = Vec::new();
    let progress = decoder.decode(rest, &mut |head| heads.push(head));
    for head in heads {
        id.number = id.number.saturating_add(1);
        let start = head.start as usize;
        let data = rest.get(start..start + head.len as usize).unwrap_or_default();
        batch.add(&Frame { at: head.at, link: head.link, orig_len: head.orig_len, data, id: *id });
    }
    rest.drain(..progress.used.min(rest.len()));
    match progress.problem {
        Some(problem) => Err(problem.to_string()),
        None => Ok(read > 0),
    }
}

fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz" || extension == "zst")
}
