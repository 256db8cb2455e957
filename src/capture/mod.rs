//! Where frames come from: capture files, in the order of their times.
//!
//! Paths go in, [`Batch`]es of frames come out. A rotation is one capture: files are put in order by
//! their first frame, whatever their names; files that overlap in time are merged. Every file is
//! read as far as it goes, and its [`FileInfo`] says where and why it stopped. No clock is asked, and
//! memory is bounded by the constants in this room, whatever the files' sizes.

mod ahead;
mod batch;
mod reader;
mod replay;
mod rotation;
mod unpack;

use crate::frame::LinkType;
use crate::pcapfile::Format;
use crate::time::Timestamp;

pub use batch::Batch;
pub use replay::{OpenError, Options, Replay};

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

#[cfg(test)]
mod tests;
