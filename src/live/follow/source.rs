//! A growing file: opened without following links or blocking, and read as far as it is written.

use crate::capture::{self, Batch, Compression, unreadable};
use crate::frame::{Frame, FrameRef};
use crate::pcapfile::{Decoder, Description};
use crate::time::Timestamp;
use nix::fcntl::OFlag;
use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

/// Bytes at a file's start by which it is known again: a capture's header and its first frames' times lie in them.
const PREFIX: usize = 256;
/// Bytes before which nothing can be said of a file.
pub(super) const MIN_LEN: u64 = Decoder::MAGIC_LEN as u64;

/// A file as far as it was read, to be known when it is seen again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FileMark {
    pub(super) inode: u64,
    pub(super) len: u64,
    pub(super) prefix: Vec<u8>,
    /// Frames that were read.
    pub(super) frames: u64,
    /// When it was last written to before that.
    pub(super) changed: Option<SystemTime>,
    /// Whether nothing that was in it was left unread.
    pub(super) is_whole: bool,
    /// Whether nothing can be read of this content, however it grows.
    pub(super) is_hopeless: bool,
}

/// The result of reading on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadOutcome {
    /// There may be more at once.
    More,
    /// All that is written was read.
    End,
    /// The packed data stop in the middle: they may go on later.
    Unfinished(String),
    /// Another content has taken the file's place.
    Rewritten,
    /// Nothing more can be read of it.
    Broken(String),
}

/// An open file.
pub(super) struct FollowedFile {
    pub(super) name: OsString,
    /// Beside `bytes`, for what the file is by now.
    raw: File,
    bytes: Box<dyn Read + Send>,
    pub(super) compression: Compression,
    decoder: Option<Decoder>,
    rest: Vec<u8>,
    prefix: Vec<u8>,
    inode: u64,
    /// Bytes that were read, as they lie in the file; of packed files those of the last look.
    position: u64,
    /// Frames that were read before the file was opened anew, and are not read twice.
    skip: u64,
    pub(super) frames: u64,
    /// The file's number, and the last frame's in it.
    frame: FrameRef,
}

impl FollowedFile {
    /// Opens a file of a folder. Links, pipes, devices and folders are refused.
    ///
    /// # Errors
    /// What the system says, or that it is no regular file.
    pub(super) fn open(folder: &Path, name: &OsString) -> io::Result<Self> {
        Self::of(open_regular(&folder.join(name))?, name)
    }

    /// The same file from its beginning, whatever its name leads to by now; this one must not be read any more.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn again(&self) -> io::Result<Self> {
        let mut raw = self.raw.try_clone()?;
        raw.rewind()?;
        Self::of(raw, &self.name)
    }

    fn of(raw: File, name: &OsString) -> io::Result<Self> {
        let inode = raw.metadata()?.ino();
        let mut prefix = vec![0; PREFIX];
        let len = raw.read_at(&mut prefix, 0)?;
        prefix.truncate(len);
        let (bytes, compression) = capture::unpacked(raw.try_clone()?)?;
        if compression == Compression::None {
            // Known from what is read itself, so that both belong to the same content.
            prefix.clear();
        }
        let (decoder, rest, name) = (None, Vec::new(), name.clone());
        let (position, skip, frames, frame) = (0, 0, 0, FrameRef::default());
        Ok(Self {
            name,
            raw,
            bytes,
            compression,
            decoder,
            rest,
            prefix,
            inode,
            position,
            skip,
            frames,
            frame,
        })
    }

    /// Continues where a file was left, if this is still the same content: its frames up to there are passed over.
    pub(super) fn resumes(&mut self, mark: &FileMark) -> bool {
        let mut start = vec![0; mark.prefix.len()];
        // Numbers of inodes come again: without a byte of content nothing is known again.
        let is_same = self.inode == mark.inode
            && !mark.prefix.is_empty()
            && self.raw.metadata().is_ok_and(|about| about.len() >= mark.len)
            && self.raw.read_exact_at(&mut start, 0).is_ok()
            && start == mark.prefix;
        self.skip = if is_same { mark.frames } else { 0 };
        is_same
    }

    /// Numbers the file's frames.
    pub(super) const fn is_file(&mut self, file: u32) {
        self.frame = FrameRef { file, number: 0 };
    }

    pub(super) const fn file(&self) -> u32 {
        self.frame.file
    }

    /// What the file says of itself, once that is known.
    pub(super) fn description(&self) -> Option<Description> {
        // Of a pcapng it is known with its first interface.
        self.decoder.as_ref().map(Decoder::description).filter(|about| about.link_type.is_some())
    }

    /// The file as far as it was read.
    pub(super) fn mark(&self, is_whole: bool) -> FileMark {
        FileMark {
            inode: self.inode,
            len: self.position,
            prefix: self.prefix.clone(),
            frames: self.frames.max(self.skip),
            changed: self.raw.metadata().and_then(|about| about.modified()).ok(),
            is_whole,
            is_hopeless: false,
        }
    }

    /// Whether nobody can reach the file by a name any more: it will not be written anew.
    pub(super) fn is_unlinked(&self) -> bool {
        self.raw.metadata().is_ok_and(|about| about.nlink() == 0)
    }

    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        self.raw.metadata()
    }

    pub(super) const fn inode(&self) -> u64 {
        self.inode
    }

    /// Bytes that are written and were not read; of packed files those that came since the last look.
    pub(super) fn unread(&self) -> u64 {
        self.raw.metadata().map_or(0, |about| about.len().saturating_sub(self.position))
    }

    /// Bytes behind the last frame, those in hand too; of packed files nothing tells how many that are.
    pub(super) fn undecoded(&self) -> Option<u64> {
        (self.compression == Compression::None).then(|| self.unread().saturating_add(self.rest.len() as u64))
    }

    /// Reads on, once; frames go to the end of a batch, their times as `place` puts them.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        place: &dyn Fn(Timestamp) -> Timestamp,
        batch: &mut Batch,
    ) -> ReadOutcome {
        if self.compression != Compression::None {
            // Before the reading: what comes meanwhile counts as unread.
            self.position = self.raw.metadata().map_or(self.position, |about| about.len());
        }
        let read = match self.bytes.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return ReadOutcome::More,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return if self.is_rewritten(0) {
                    ReadOutcome::Rewritten
                } else {
                    ReadOutcome::Unfinished(error.to_string())
                };
            }
            Err(error) => return ReadOutcome::Broken(error.to_string()),
        };
        // After the reading: what was read belongs to the content that is there before and after it.
        if self.is_rewritten(read) {
            return ReadOutcome::Rewritten;
        }
        let bytes = buffer.get(..read).unwrap_or_default();
        if self.compression == Compression::None {
            let missing = PREFIX.saturating_sub(self.prefix.len());
            self.prefix.extend_from_slice(bytes.get(..missing.min(read)).unwrap_or_default());
            self.position = self.position.saturating_add(read as u64);
        }
        self.rest.extend_from_slice(bytes);
        match self.decode(place, batch) {
            Err(problem) => ReadOutcome::Broken(problem),
            Ok(()) if read > 0 => ReadOutcome::More,
            Ok(()) => ReadOutcome::End,
        }
    }

    /// Whether other bytes stand where those stood that were read: a ring that begins anew, or a file that was made
    /// shorter. `more` bytes were read that are not counted yet.
    fn is_rewritten(&self, more: usize) -> bool {
        let Ok(about) = self.raw.metadata() else { return false };
        let read = match self.compression {
            Compression::None => self.position.saturating_add(more as u64),
            _ => self.position,
        };
        if about.len() < read {
            return true;
        }
        let mut start = [0; PREFIX];
        let start = start.get_mut(..self.prefix.len()).unwrap_or_default();
        self.raw.read_exact_at(start, 0).is_err() || *start != *self.prefix
    }

    fn decode(&mut self, place: &dyn Fn(Timestamp) -> Timestamp, batch: &mut Batch) -> Result<(), String> {
        if self.decoder.is_none() && self.rest.len() >= Decoder::MAGIC_LEN {
            self.decoder = Some(Decoder::sniff(&self.rest).ok_or_else(|| unreadable::reason(&self.rest))?);
        }
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        let mut heads = Vec::new();
        let progress = decoder.decode(&self.rest, &mut |head| heads.push(head));
        for head in heads {
            self.frames = self.frames.saturating_add(1);
            self.frame.number = self.frame.number.saturating_add(1);
            if self.frames <= self.skip {
                continue;
            }
            let start = head.start as usize;
            let data = self.rest.get(start..start.saturating_add(head.len as usize)).unwrap_or_default();
            let (at, frame) = (place(head.at), self.frame);
            batch.add(&Frame { at, link: head.link, orig_len: head.orig_len, data, id: frame });
        }
        self.rest.drain(..progress.used.min(self.rest.len()));
        progress.problem.map_or(Ok(()), |problem| Err(problem.to_string()))
    }
}

/// Opens a file for reading, if it is a regular one: `open` waits for nobody, and `fstat` tells of what was opened.
fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
}
