//! Classic pcap: a file header of 24 bytes, then records with a header of 16 bytes and a frame each.
//!
//! | offset | size | file header | | offset | size | record header |
//! |---|---|---|---|---|---|---|
//! | 0 | 4 | magic: byte order, micro- or nanoseconds | | 0 | 4 | seconds since 1970, unsigned |
//! | 4 | 2 + 2 | version 2.4 | | 4 | 4 | micro- or nanoseconds |
//! | 8 | 4 + 4 | unused | | 8 | 4 | bytes kept |
//! | 16 | 4 | snaplen | | 12 | 4 | bytes on the wire |
//! | 20 | 4 | link type; FCS length in the high bits | | | | |
//!
//! Source: draft-ietf-opsawg-pcap.

use super::{ByteOrder, Description, Format, Head, MAX_CAPTURED, Problem, ProblemKind, Progress};
use crate::frame::{Frame, LinkType};
use crate::time::Timestamp;

const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
/// Written by a patched libpcap of the 1990s, with longer record headers.
const MAGIC_PATCHED: u32 = 0xa1b2_cd34;
const FILE_HEADER_LEN: usize = 24;
const RECORD_HEADER_LEN: usize = 16;
/// The only major version.
const VERSION: u16 = 2;
/// The link type's bits; above them stand the length of the FCS and flags.
const LINK_TYPE_BITS: u32 = 0xffff;
/// A snaplen of 0 or of more than this means that nothing was cut.
const UNLIMITED: u32 = 0x7fff_ffff;
/// How far a frame may exceed the file's snaplen before its header counts as invalid: some tools write a
/// wrong snaplen, so only a gross excess counts.
const SNAPLEN_SLACK: u32 = 65_536;

/// Reads a pcap file. See [`super::Decoder`] for the rules.
#[derive(Debug)]
pub struct Decoder {
    order: ByteOrder,
    nanos: bool,
    header: Option<Header>,
    /// Offset of the next unused byte in the file.
    offset: u64,
    frames: u32,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    link: LinkType,
    snaplen: u32,
}

impl Decoder {
    /// The decoder for a file that starts with these bytes; `None` if it is not pcap.
    #[must_use]
    pub fn sniff(start: &[u8]) -> Option<Self> {
        let magic = *start.first_chunk()?;
        let (order, nanos) =
            [ByteOrder::Little, ByteOrder::Big].into_iter().find_map(|order| match order.u32(magic) {
                MAGIC_MICROS | MAGIC_PATCHED => Some((order, false)),
                MAGIC_NANOS => Some((order, true)),
                _ => None,
            })?;
        Some(Self { order, nanos, header: None, offset: 0, frames: 0 })
    }

    /// The file's description of itself.
    #[must_use]
    pub fn description(&self) -> Description {
        Description {
            format: Format::Pcap,
            link_type: self.header.map(|header| header.link),
            snaplen: self.header.map(|header| header.snaplen).filter(|len| (1..UNLIMITED).contains(len)),
            nanos: self.nanos,
        }
    }

    /// What is wrong with the file, if it ends with `rest` unused bytes.
    #[must_use]
    pub fn finish(&self, rest: usize) -> Option<Problem> {
        match self.header {
            None => Some(self.problem(ProblemKind::EndsInHeader)),
            Some(_) if rest > 0 => Some(self.problem(ProblemKind::EndsInside)),
            Some(_) => None,
        }
    }

    /// Decodes `bytes`, the next ones of the file, and calls `found` with the head of each frame.
    #[inline]
    pub fn decode(&mut self, bytes: &[u8], found: &mut impl FnMut(Head)) -> Progress {
        let (header, used) = match self.header {
            Some(header) => (header, 0),
            None => {
                let Some(head) = bytes.first_chunk() else {
                    return Progress { used: 0, needed: FILE_HEADER_LEN, problem: None };
                };
                match self.read_header(*head) {
                    Ok(header) => (header, FILE_HEADER_LEN),
                    Err(kind) => return Progress { used: 0, needed: 0, problem: Some(self.problem(kind)) },
                }
            }
        };
        let records = Records { bytes, at: used, number: self.frames, header, order: self.order };
        // One loop for each byte order and resolution, so that neither is tested per frame.
        let (records, ending) = match (self.order, self.nanos) {
            (ByteOrder::Little, false) => records.find::<false, 1_000>(found),
            (ByteOrder::Little, true) => records.find::<false, 1>(found),
            (ByteOrder::Big, false) => records.find::<true, 1_000>(found),
            (ByteOrder::Big, true) => records.find::<true, 1>(found),
        };
        self.offset += records.at as u64;
        self.frames = records.number;
        let (needed, problem) = match ending {
            Ending::Needs(needed) => (needed, None),
            Ending::Problem(kind) => (0, Some(self.problem(kind))),
        };
        Progress { used: records.at, needed, problem }
    }

    fn read_header(&mut self, head: [u8; FILE_HEADER_LEN]) -> Result<Header, ProblemKind> {
        let [m0, m1, m2, m3, v0, v1, _, _, _, _, _, _, _, _, _, _, s0, s1, s2, s3, l0, l1, l2, l3] = head;
        if self.order.u16([v0, v1]) != VERSION || self.order.u32([m0, m1, m2, m3]) == MAGIC_PATCHED {
            return Err(ProblemKind::UnsupportedVariant);
        }
        let header = Header {
            link: LinkType::from_number(self.order.u32([l0, l1, l2, l3]) & LINK_TYPE_BITS),
            snaplen: self.order.u32([s0, s1, s2, s3]),
        };
        self.header = Some(header);
        Ok(header)
    }

    fn problem(&self, kind: ProblemKind) -> Problem {
        Problem { kind, offset: self.offset, frame: self.frames.saturating_add(1) }
    }
}

/// A walk over the records in a piece of a file.
struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    number: u32,
    header: Header,
    order: ByteOrder,
}

/// Why the walk ended.
enum Ending {
    /// The next record needs this many bytes.
    Needs(usize),
    Problem(ProblemKind),
}

impl Records<'_> {
    #[inline]
    fn find<const BIG: bool, const NANOS: u64>(mut self, found: &mut impl FnMut(Head)) -> (Self, Ending) {
        let order = if BIG { ByteOrder::Big } else { ByteOrder::Little };
        debug_assert_eq!(order, self.order, "the caller chose the loop by it");
        let link = self.header.link;
        let most = self.most_captured();
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some((head, rest)) = rest.split_first_chunk::<RECORD_HEADER_LEN>() else {
                return (self, Ending::Needs(RECORD_HEADER_LEN));
            };
            let [s0, s1, s2, s3, f0, f1, f2, f3, c0, c1, c2, c3, o0, o1, o2, o3] = *head;
            let secs = order.u32([s0, s1, s2, s3]);
            let fraction = u64::from(order.u32([f0, f1, f2, f3]));
            let captured = order.u32([c0, c1, c2, c3]);
            let orig_len = order.u32([o0, o1, o2, o3]);
            let odd_fraction = fraction * NANOS >= 1_000_000_000;
            if captured > most
                || ((odd_fraction || captured > orig_len) && self.senseless(odd_fraction, captured, orig_len))
                || (orig_len | secs) == 0
            {
                return (self, Ending::Problem(ProblemKind::Senseless));
            }
            let len = captured as usize;
            if rest.len() < len {
                return (self, Ending::Needs(RECORD_HEADER_LEN + len));
            }
            let (Ok(start), Some(number)) =
                (u32::try_from(self.at + RECORD_HEADER_LEN), self.number.checked_add(1))
            else {
                return (self, Ending::Problem(ProblemKind::TooManyFrames));
            };
            let nanos = u64::from(secs) * 1_000_000_000 + fraction * NANOS;
            found(Head {
                at: Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX)),
                link,
                orig_len: orig_len.max(captured),
                start,
                len: captured,
                number,
            });
            self.number = number;
            self.at += RECORD_HEADER_LEN + len;
        }
    }

    /// The largest captured length that a record may claim.
    fn most_captured(&self) -> u32 {
        match self.header.snaplen {
            0 => MAX_CAPTURED,
            snaplen => snaplen.saturating_add(SNAPLEN_SLACK).min(MAX_CAPTURED),
        }
    }

    /// Whether a record header is invalid in two ways at once. Some tools write one alone: fractions of more
    /// than a second, frames longer than the snaplen or than their length on the wire.
    #[cold]
    fn senseless(&self, odd_fraction: bool, captured: u32, orig_len: u32) -> bool {
        let beyond_snaplen = self.header.snaplen != 0 && captured > self.header.snaplen;
        [odd_fraction, captured > orig_len, beyond_snaplen].into_iter().filter(|odd| *odd).count() >= 2
    }
}

/// Encodes pcap into memory; the caller writes it.
#[derive(Clone, Copy, Debug)]
pub struct Encoder {
    /// The byte order.
    pub order: ByteOrder,
    /// Nanoseconds rather than microseconds.
    pub nanos: bool,
}

impl Encoder {
    /// Appends the file header; `link` is the registry's number.
    pub fn header(self, link: u32, snaplen: u32, out: &mut Vec<u8>) {
        let magic = if self.nanos { MAGIC_NANOS } else { MAGIC_MICROS };
        out.extend(self.order.bytes32(magic));
        out.extend(self.order.bytes16(VERSION));
        out.extend(self.order.bytes16(4));
        for field in [0, 0, snaplen, link] {
            out.extend(self.order.bytes32(field));
        }
    }

    /// Appends a frame's record. Times before 1970 or after 2106 are clamped to that range.
    pub fn frame(self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        let nanos = frame.at.nanos().max(0).unsigned_abs();
        let fraction = (nanos % 1_000_000_000) / if self.nanos { 1 } else { 1_000 };
        for field in [nanos / 1_000_000_000, fraction, frame.data.len() as u64, u64::from(frame.orig_len)] {
            out.extend(self.order.bytes32(u32::try_from(field).unwrap_or(u32::MAX)));
        }
        out.extend_from_slice(frame.data);
    }
}

#[cfg(test)]
mod tests;
