//! Where frames come from: capture files, in the order of their times.
//!
//! Paths go in, [`Batch`]es of frames come out. A rotation is one capture: files are put in order by
//! their first frame, whatever their names; files that overlap in time are merged. Every file is
//! read as far as it goes, and its [`FileInfo`] says where and why it stopped. No clock is asked, and
//! memory is bounded by the constants in this room, whatever the files' sizes.

mod ahead;
mod batch;
mod clock;
mod reader;
mod replay;
mod rotation;
mod unpack;

use crate::frame::LinkType;
use crate::pcapfile::Format;
use crate::time::Timestamp;

pub use batch::Batch;
pub use clock::ClockCorrection;
pub use replay::{OpenError, Replay, ReplayOptions};

/// How a file is packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, of one or more members.
    Gzip,
    /// Zstandard, of one or more frames.
    Zstd,
}

impl Compression {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// What one file of the input was and how far it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileInfo {
    /// Its path as given or found; `-` for standard input.
    pub path: String,
    /// The format; `None` where it is no capture.
    pub format: Option<Format>,
    /// How it is packed.
    pub compression: Compression,
    /// Its link type; of several interfaces the first one's.
    pub link_type: Option<LinkType>,
    /// Its snaplen; of several interfaces the first one's; `None` where unlimited or unknown.
    pub snaplen: Option<u32>,
    /// Whether its timestamps have more digits than microseconds.
    pub nanos: bool,
    /// Frames read.
    pub frames: u64,
    /// Bytes of frames that were kept.
    pub captured_bytes: u64,
    /// Bytes of frames on the wire.
    pub wire_bytes: u64,
    /// Frames that were cut.
    pub cut_frames: u64,
    /// The first frame's time.
    pub first: Option<Timestamp>,
    /// The last frame's time.
    pub last: Option<Timestamp>,
    /// What stopped the reading of this file, or what is wrong with its end.
    pub problem: Option<String>,
}

/// What a file that is held in memory was found to hold.
#[cfg(any(test, feature = "fuzzing"))]
#[derive(Debug)]
pub(crate) struct FileRead {
    /// The frames with their bytes.
    pub(crate) frames: Vec<(crate::pcapfile::Head, Vec<u8>)>,
    /// What it was, and how far it could be read.
    pub(crate) info: FileInfo,
    /// The longest that a buffer became.
    pub(crate) held: usize,
}

/// Reads a file that is held in memory, about `portion` bytes at once.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_bytes(data: Vec<u8>, portion: usize) -> FileRead {
    let source = unpack::Unpacker::new(Box::new(std::io::Cursor::new(data)), std::sync::Arc::default());
    let mut reader = reader::Reader::new("-".to_owned(), source, false);
    let mut batch = Batch::new();
    let (mut frames, mut held) = (Vec::new(), 0);
    while reader.fill(&mut batch, portion) {
        held = held.max(batch.bytes.len());
        frames.extend(
            batch.frames().zip(&batch.entries).map(|(frame, entry)| {
                (crate::pcapfile::Head { start: 0, ..entry.head }, frame.data.to_vec())
            }),
        );
    }
    FileRead { frames, info: reader.info, held }
}

#[cfg(test)]
mod tests;
