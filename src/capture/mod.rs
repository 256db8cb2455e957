//! Sources of frames: capture files, read in order of time.
//!
//! In: paths. Out: [`Batch`]es of frames. A rotation is one capture: files are sorted by their first frame,
//! whatever their names, and merged where they overlap in time. Every file is read as far as possible, and
//! its [`FileInfo`] says where and why reading stopped. No clock is read, and constants in this module bound
//! the memory, whatever the size of the files.

mod ahead;
mod batch;
mod clock;
mod order;
mod reader;
mod replay;
mod rotation;
mod unpack;
pub(crate) mod unreadable;

use crate::frame::LinkType;
use crate::pcapfile::Format;
use crate::time::Timestamp;

pub use batch::Batch;
pub use clock::{ClockCorrection, SetClock as ClockStep};
pub use replay::{OpenError, Replay, ReplayOptions};

/// How a file is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not compressed.
    #[default]
    None,
    /// gzip, of one or more members.
    Gzip,
    /// Zstandard, of one or more frames.
    Zstd,
    /// xz, of one or more streams.
    Xz,
    /// bzip2, of one or more streams.
    Bzip2,
    /// LZ4, of one or more frames.
    Lz4,
}

impl Compression {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
            Self::Lz4 => "lz4",
        }
    }
}

/// One file of the input, and how far it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileInfo {
    /// Its path, as given or found; `-` for standard input.
    pub path: String,
    /// The format; `None` if it is not a capture.
    pub format: Option<Format>,
    /// Its compression.
    pub compression: Compression,
    /// Its link type; of the first interface if there are several.
    pub link_type: Option<LinkType>,
    /// Its snaplen; of the first interface if there are several; `None` if unlimited or unknown.
    pub snaplen: Option<u32>,
    /// Whether its timestamps are finer than microseconds.
    pub nanos: bool,
    /// Frames read.
    pub frames: u64,
    /// Captured bytes of its frames.
    pub captured_bytes: u64,
    /// Bytes of its frames on the wire.
    pub wire_bytes: u64,
    /// Frames cut by the snaplen.
    pub cut_frames: u64,
    /// Frames that the capturing host dropped, where the file says so.
    pub dropped: Option<u64>,
    /// Frames that came up to a second too late in the file, and were put in their place.
    pub reordered_frames: u64,
    /// The first frame's time.
    pub first: Option<Timestamp>,
    /// The last frame's time.
    pub last: Option<Timestamp>,
    /// Why reading it stopped, or what is wrong with its end.
    pub problem: Option<String>,
}

/// A reader of a file's decompressed bytes, and the file's compression. For a plain file that grows, reading
/// continues once it has grown; truncated compressed data is an
/// [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof).
///
/// # Errors
/// If the start of the file cannot be read.
#[cfg(feature = "live")]
pub(crate) fn unpacked(file: std::fs::File) -> std::io::Result<(Box<dyn std::io::Read + Send>, Compression)> {
    let unpacker = unpack::Unpacker::new(Box::new(file), std::sync::Arc::default())?;
    let compression = unpacker.compression();
    Ok((Box::new(unpacker), compression))
}

#[cfg(feature = "fuzzing")]
pub(crate) use order::order_times;

/// The content of a file that is held in memory.
#[cfg(any(test, feature = "fuzzing"))]
#[derive(Debug)]
pub(crate) struct FileRead {
    /// The frames with their bytes.
    pub(crate) frames: Vec<(crate::pcapfile::FrameHead, Vec<u8>)>,
    /// What it is, and how far it could be read.
    pub(crate) info: FileInfo,
    /// The longest buffer that was needed.
    pub(crate) held: usize,
}

/// Reads a file that is held in memory, about `portion` bytes at a time.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_bytes(data: Vec<u8>, portion: usize) -> FileRead {
    read_by(reader::Reader::fill, data, portion)
}

/// The same in the order of the file. How late a frame may be to be put in its place depends on the portions.
#[cfg(feature = "fuzzing")]
pub(crate) fn read_bytes_as_written(data: Vec<u8>, portion: usize) -> FileRead {
    read_by(reader::Reader::fill_as_written, data, portion)
}

#[cfg(any(test, feature = "fuzzing"))]
fn read_by(
    fill: fn(&mut reader::Reader, &mut Batch, usize) -> bool,
    data: Vec<u8>,
    portion: usize,
) -> FileRead {
    let source = unpack::Unpacker::new(Box::new(std::io::Cursor::new(data)), std::sync::Arc::default());
    let mut reader = reader::Reader::new("-".to_owned(), source, false);
    let mut batch = Batch::new();
    let (mut frames, mut held) = (Vec::new(), 0);
    while fill(&mut reader, &mut batch, portion) {
        held = held.max(batch.bytes.len());
        frames.extend(batch.frames().zip(&batch.entries).map(|(frame, entry)| {
            (crate::pcapfile::FrameHead { start: 0, ..entry.head }, frame.data.to_vec())
        }));
    }
    FileRead { frames, info: reader.info, held }
}

#[cfg(test)]
mod tests;
