//! Codecs for capture files (pcap and pcapng): bytes in, positions of frames out.
//!
//! The caller feeds a [`Decoder`] the bytes it has, from the start of the file on. The decoder returns how
//! many it used; the caller keeps the rest and feeds it again with more bytes appended. Frames are never
//! copied here. Nothing here opens files, decompresses or panics, and every length is checked against the
//! limits below before it is used.

pub mod pcap;
pub mod pcapng;
pub mod snoop;

use std::fmt;

use crate::frame::LinkType;
use crate::time::Timestamp;

/// The most captured bytes of a frame; libpcap's own limit.
pub const MAX_CAPTURED: u32 = 262_144;

/// A capture file's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Classic pcap, as tcpdump writes it.
    Pcap,
    /// pcapng, as Wireshark writes it.
    Pcapng,
    /// snoop, as Solaris writes it.
    Snoop,
}

impl Format {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
            Self::Snoop => "snoop",
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
    /// A 16-bit number from its bytes.
    #[must_use]
    #[inline]
    pub const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// A 32-bit number from its bytes.
    #[must_use]
    #[inline]
    pub const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// The bytes of a 16-bit number.
    #[must_use]
    pub const fn bytes16(self, number: u16) -> [u8; 2] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    /// The bytes of a 32-bit number.
    #[must_use]
    pub const fn bytes32(self, number: u32) -> [u8; 4] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }
}

/// The position of a frame in the decoded bytes, and its record's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Time of capture.
    pub at: Timestamp,
    /// The link layer of its first bytes.
    pub link: LinkType,
    /// Its length on the wire; never less than `len`.
    pub orig_len: u32,
    /// Index of its first byte.
    pub start: u32,
    /// Its captured length.
    pub len: u32,
    /// Its number in the file, from 1.
    pub number: u32,
}

/// A file's description of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// The format.
    pub format: Format,
    /// The link type; of the first interface if there are several.
    pub link_type: Option<LinkType>,
    /// The snaplen; of the first interface if there are several; `None` if unlimited.
    pub snaplen: Option<u32>,
    /// Whether its timestamps are finer than microseconds.
    pub nanos: bool,
    /// Frames that the capturing host dropped, where the file says so.
    pub dropped: Option<u64>,
}

/// The result of a call of [`Decoder::decode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes used; the caller drops them.
    pub used: usize,
    /// Bytes needed for the next step, from the first unused one on; 0 if any number will do.
    pub needed: usize,
    /// Why the file cannot be read any further. No frame follows.
    pub problem: Option<Problem>,
}

/// Why reading a file stopped, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The kind of problem.
    pub kind: ProblemKind,
    /// Offset of the record at which it stopped, in the decompressed file.
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
    /// A record header that no capture tool writes.
    Senseless,
    /// A pcapng block whose parts contradict each other; its type.
    BadBlock(u32),
    /// A pcapng packet of an interface that its section does not describe; the interface's number.
    UnknownInterface(u32),
    /// More interfaces in a pcapng section than supported.
    TooManyInterfaces,
    /// A pcapng interface with an unsupported timestamp resolution; its `if_tsresol`.
    BadClock(u8),
    /// An unsupported pcap variant or version.
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

/// Reads one capture file, of any format.
///
/// ```
/// use quorumscope::frame::{Frame, FrameRef, LinkType};
/// use quorumscope::pcapfile::{ByteOrder, Decoder, pcap};
/// use quorumscope::time::Timestamp;
///
/// let encoder = pcap::PcapEncoder { order: ByteOrder::Little, nanos: true };
/// let (mut file, at, id) = (Vec::new(), Timestamp::from_nanos(42), FrameRef::default());
/// encoder.header(LinkType::Ethernet.number(), 96, &mut file);
/// encoder.frame(&Frame { at, link: LinkType::Ethernet, orig_len: 1_000, data: b"abc", id }, &mut file);
///
/// let mut decoder = Decoder::sniff(&file).expect("a capture");
/// let mut heads = Vec::new();
/// let progress = decoder.decode(&file, &mut |head| heads.push(head));
/// assert_eq!((progress.used, progress.problem), (file.len(), None));
/// assert_eq!((heads[0].at, heads[0].len, heads[0].orig_len), (at, 3, 1_000));
/// assert_eq!(&file[heads[0].start as usize..], b"abc");
/// ```
#[derive(Debug)]
pub enum Decoder {
    /// Classic pcap.
    Pcap(pcap::PcapDecoder),
    /// pcapng.
    Pcapng(pcapng::PcapngDecoder),
    /// snoop.
    Snoop(snoop::SnoopDecoder),
}

impl Decoder {
    /// How many bytes of a file [`Self::sniff`] needs to see.
    pub const MAGIC_LEN: usize = 4;

    /// The decoder for a file that starts with these bytes; `None` if it is not a capture.
    #[must_use]
    pub fn sniff(start: &[u8]) -> Option<Self> {
        pcap::PcapDecoder::sniff(start)
            .map(Self::Pcap)
            .or_else(|| pcapng::PcapngDecoder::sniff(start).map(Self::Pcapng))
            .or_else(|| snoop::SnoopDecoder::sniff(start).map(Self::Snoop))
    }

    /// Decodes `bytes`, the next ones of the file, and calls `found` with the head of each frame.
    #[inline]
    pub fn decode(&mut self, bytes: &[u8], found: &mut impl FnMut(FrameHead)) -> Progress {
        match self {
            Self::Pcap(decoder) => decoder.decode(bytes, found),
            Self::Pcapng(decoder) => decoder.decode(bytes, found),
            Self::Snoop(decoder) => decoder.decode(bytes, found),
        }
    }

    /// The file has no bytes beyond those given so far. True where that decides something: then give the rest
    /// once more.
    pub fn end_of_file(&mut self) -> bool {
        match self {
            Self::Pcap(decoder) => decoder.end_of_file(),
            Self::Pcapng(_) | Self::Snoop(_) => false,
        }
    }

    /// The file's description of itself; complete once a frame was found.
    #[must_use]
    pub fn description(&self) -> Description {
        match self {
            Self::Pcap(decoder) => decoder.description(),
            Self::Pcapng(decoder) => decoder.description(),
            Self::Snoop(decoder) => decoder.description(),
        }
    }

    /// What is wrong with the file, if it ends with `rest` unused bytes.
    #[must_use]
    pub fn finish(&self, rest: usize) -> Option<Problem> {
        match self {
            Self::Pcap(decoder) => decoder.finish(rest),
            Self::Pcapng(decoder) => decoder.finish(rest),
            Self::Snoop(decoder) => decoder.finish(rest),
        }
    }
}
