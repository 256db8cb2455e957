//! Capture file formats as pure codecs: bytes in, the places of frames in them out.
//!
//! A [`Decoder`] is fed whatever bytes there are, from the start of the file on, and says how many it
//! used; the caller keeps the rest and feeds it again with more behind it. Frames are never copied
//! here. Nothing here opens files, unpacks or panics; lengths are checked against the limits below
//! before anything is done with them.

pub mod pcap;
pub mod pcapng;

use std::fmt;

use crate::frame::LinkType;
use crate::time::Timestamp;

/// The most bytes of one frame that a capture may hold; libpcap's own limit.
pub const MAX_CAPTURED: u32 = 262_144;

/// A capture file's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Classic pcap, as tcpdump writes it.
    Pcap,
    /// pcapng, as Wireshark writes it.
    Pcapng,
}

impl Format {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
        }
    }
}

/// Byte order of a file or a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// A number of two bytes.
    #[must_use]
    #[inline]
    pub const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// A number of four bytes.
    #[must_use]
    #[inline]
    pub const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// The bytes of a number of two.
    #[must_use]
    pub const fn bytes16(self, number: u16) -> [u8; 2] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    /// The bytes of a number of four.
    #[must_use]
    pub const fn bytes32(self, number: u32) -> [u8; 4] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }
}

/// Where a frame lies in the bytes that were decoded, and what its record says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// When the capture saw it.
    pub at: Timestamp,
    /// What its first bytes are.
    pub link: LinkType,
    /// Its length on the wire; never less than `len`.
    pub orig_len: u32,
    /// Index of its first byte.
    pub start: u32,
    /// How many bytes of it were kept.
    pub len: u32,
    /// Its number in the file, from 1.
    pub number: u32,
}

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// The format.
    pub format: Format,
    /// The link type; of several interfaces the first one's.
    pub link_type: Option<LinkType>,
    /// The snaplen; of several interfaces the first one's; `None` where unlimited.
    pub snaplen: Option<u32>,
    /// Whether its timestamps have more digits than microseconds.
    pub nanos: bool,
}

/// What one call of [`Decoder::decode`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many bytes it used; the caller drops them.
    pub used: usize,
    /// How many bytes, from the first unused one, the next step needs; 0 where any will do.
    pub needed: usize,
    /// Why the file cannot be read any further. No frame comes after it.
    pub problem: Option<Problem>,
}

/// What stopped the reading of a file, and where: an offset into the unpacked file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub kind: ProblemKind,
    /// Offset of the record it stopped at.
    pub offset: u64,
    /// The number that the next frame would have had.
    pub frame: u32,
}

/// The kinds of [`Problem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The file ends inside a record.
    EndsInside,
    /// The file ends inside its own header.
    EndsInHeader,
    /// A record header that no capture would write.
    Senseless,
    /// A pcapng block whose parts contradict each other; its type.
    BadBlock(u32),
    /// A pcapng packet of an interface that its section never described; which.
    UnknownInterface(u32),
    /// More interfaces in a pcapng section than the limit.
    TooManyInterfaces,
    /// A pcapng interface whose clock ticks at a rate that cannot be counted; its `if_tsresol`.
    BadClock(u8),
    /// A pcap variant or version that is not read here.
    UnsupportedVariant,
    /// More frames than can be numbered.
    TooManyFrames,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, offset, frame } = self;
        match kind {
            ProblemKind::EndsInside => write!(f, "ends inside the record of frame {frame}, at byte {offset}"),
            ProblemKind::EndsInHeader => write!(f, "ends inside its header"),
            ProblemKind::Senseless => {
                write!(f, "the record header of frame {frame}, at byte {offset}, makes no sense")
            }
            ProblemKind::BadBlock(kind) => {
                write!(f, "the block at byte {offset} (type {kind:#x}), before frame {frame}, makes no sense")
            }
            ProblemKind::UnknownInterface(id) => {
                write!(
                    f,
                    "frame {frame}, at byte {offset}, is of interface {id}, which the file does not describe"
                )
            }
            ProblemKind::TooManyInterfaces => {
                write!(f, "too many interfaces at byte {offset}, before frame {frame}")
            }
            ProblemKind::BadClock(resolution) => write!(
                f,
                "the interface at byte {offset}, before frame {frame}, has a clock that cannot be read \
                 (if_tsresol {resolution:#x})"
            ),
            ProblemKind::UnsupportedVariant => write!(f, "a variant of pcap that is not supported"),
            ProblemKind::TooManyFrames => write!(f, "more frames than can be numbered, at byte {offset}"),
        }
    }
}

/// Reads one capture file, of either format.
#[derive(Debug)]
pub enum Decoder {
    /// Classic pcap.
    Pcap(pcap::Decoder),
    /// pcapng.
    Pcapng(pcapng::Decoder),
}

impl Decoder {
    /// How many bytes of a file [`Self::sniff`] needs to see.
    pub const MAGIC_LEN: usize = 4;

    /// The decoder for a file that starts with these bytes; `None` where it is no capture.
    #[must_use]
    pub fn sniff(start: &[u8]) -> Option<Self> {
        pcap::Decoder::sniff(start)
            .map(Self::Pcap)
            .or_else(|| pcapng::Decoder::sniff(start).map(Self::Pcapng))
    }

    /// Finds the frames in `bytes`, the file's next, and calls `found` with the head of each.
    #[inline]
    pub fn decode(&mut self, bytes: &[u8], found: &mut impl FnMut(Head)) -> Progress {
        match self {
            Self::Pcap(decoder) => decoder.decode(bytes, found),
            Self::Pcapng(decoder) => decoder.decode(bytes, found),
        }
    }

    /// What the file says of itself; complete once a frame was found.
    #[must_use]
    pub fn description(&self) -> Description {
        match self {
            Self::Pcap(decoder) => decoder.description(),
            Self::Pcapng(decoder) => decoder.description(),
        }
    }

    /// What is wrong with a file that ends with `rest` unused bytes.
    #[must_use]
    pub fn finish(&self, rest: usize) -> Option<Problem> {
        match self {
            Self::Pcap(decoder) => decoder.finish(rest),
            Self::Pcapng(decoder) => decoder.finish(rest),
        }
    }
}
