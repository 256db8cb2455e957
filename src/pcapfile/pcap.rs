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
//! Variants have more fields at the end of each record header, which nothing but the distance of the records
//! tells: so the second one's header is looked at before the first frame is handed on.
//!
//! Source: draft-ietf-opsawg-pcap; for the variants the comments of Wireshark's `wiretap/libpcap.c`.

use super::{ByteOrder, Description, Format, FrameHead, MAX_CAPTURED, Problem, ProblemKind, Progress};
use crate::frame::{Frame, LinkType};
use crate::time::Timestamp;

const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
/// Written by Alexey Kuznetsov's libpcap of the nineties, with longer record headers.
const MAGIC_KUZNETSOV: u32 = 0xa1b2_cd34;
const FILE_HEADER_LEN: usize = 24;
const RECORD_HEADER_LEN: usize = 16;
/// The only major version.
const VERSION: u16 = 2;
/// What AIX writes as the minor version, with nanoseconds and with link types of its own.
const AIX_MINOR: u16 = 2;
/// Bytes that record headers are longer than usual, the first that fits: Nokia's, Red Hat 6.1's.
const EXTRA: [usize; 3] = [0, 4, 8];
/// The same under [`MAGIC_KUZNETSOV`]: its own, and SUSE 6.3's.
const EXTRA_KUZNETSOV: [usize; 2] = [8, 12];
/// How far apart the first two frames of a file may be without a look at the variants.
const SECOND_WITHIN_SECS: u32 = 31 * 86_400;
/// The longest frame that a variant's record is believed.
const VARIANT_MAX: u32 = 1 << 20;
/// The link type's bits; above them stand the length of the FCS and flags.
const LINK_TYPE_BITS: u32 = 0xffff;
/// A snaplen of 0 or of more than this means that nothing was cut.
const UNLIMITED: u32 = 0x7fff_ffff;
/// How far a frame may exceed the file's snaplen before its header counts as invalid: some tools write a
/// wrong snaplen, so only a gross excess counts.
const SNAPLEN_SLACK: u32 = 65_536;

/// Reads a pcap file. See [`super::Decoder`] for the rules.
#[derive(Debug)]
pub struct PcapDecoder {
    order: ByteOrder,
    nanos: bool,
    is_kuznetsov: bool,
    header: Option<RecordHeader>,
    /// Whether the file has no more bytes than were given.
    is_whole: bool,
    /// Offset of the next unused byte in the file.
    offset: u64,
    frames: u32,
}

#[derive(Clone, Copy, Debug)]
struct RecordHeader {
    link: LinkType,
    snaplen: u32,
    /// Bytes that its record headers are longer than usual.
    extra: usize,
}

impl RecordHeader {
    /// The most bytes a record may claim to hold.
    fn max_captured(&self) -> u32 {
        match self.snaplen {
            0 => MAX_CAPTURED,
            snaplen => snaplen.saturating_add(SNAPLEN_SLACK).min(MAX_CAPTURED),
        }
    }
}

impl PcapDecoder {
    /// The decoder for a file that starts with these bytes; `None` if it is not pcap.
    #[must_use]
    pub fn sniff(start: &[u8]) -> Option<Self> {
        let magic = *start.first_chunk()?;
        let (order, nanos, is_kuznetsov) =
            [ByteOrder::Little, ByteOrder::Big].into_iter().find_map(|order| match order.u32(magic) {
                MAGIC_MICROS => Some((order, false, false)),
                MAGIC_KUZNETSOV => Some((order, false, true)),
                MAGIC_NANOS => Some((order, true, false)),
                _ => None,
            })?;
        Some(Self { order, nanos, is_kuznetsov, header: None, is_whole: false, offset: 0, frames: 0 })
    }

    /// The file has no bytes beyond those given so far. True where that decides something: then give the rest
    /// once more.
    pub fn end_of_file(&mut self) -> bool {
        self.is_whole = true;
        self.header.is_none()
    }

    /// The file's description of itself.
    #[must_use]
    pub fn description(&self) -> Description {
        Description {
            format: Format::Pcap,
            link_type: self.header.map(|header| header.link),
            snaplen: self.header.map(|header| header.snaplen).filter(|len| (1..UNLIMITED).contains(len)),
            nanos: self.nanos,
            dropped: None,
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
    pub fn decode(&mut self, bytes: &[u8], found: &mut impl FnMut(FrameHead)) -> Progress {
        let (header, used) = match self.header {
            Some(header) => (header, 0),
            None => match self.begin(bytes) {
                Ok(header) => (header, FILE_HEADER_LEN),
                Err(PcapEnd::Needs(needed)) => return Progress { used: 0, needed, problem: None },
                Err(PcapEnd::Problem(kind)) => {
                    return Progress { used: 0, needed: 0, problem: Some(self.problem(kind)) };
                }
            },
        };
        // A start has 32 bits. What lies beyond is decoded with the next bytes.
        let bytes = bytes.get(..u32::MAX as usize).unwrap_or(bytes);
        let records = Records { bytes, at: used, number: self.frames, header, order: self.order };
        // One loop for each byte order and resolution, with none of it tested for each frame.
        let (records, ending) = match (self.order, self.nanos, header.extra) {
            (ByteOrder::Little, false, 0) => records.find::<false, 1_000, false>(found),
            (ByteOrder::Little, true, 0) => records.find::<false, 1, false>(found),
            (ByteOrder::Big, false, 0) => records.find::<true, 1_000, false>(found),
            (ByteOrder::Big, true, 0) => records.find::<true, 1, false>(found),
            (ByteOrder::Little, ..) => records.find::<false, 1_000, true>(found),
            (ByteOrder::Big, ..) => records.find::<true, 1_000, true>(found),
        };
        self.offset += records.at as u64;
        self.frames = records.number;
        let (needed, problem) = match ending {
            PcapEnd::Needs(needed) => (needed, None),
            PcapEnd::Problem(kind) => (0, Some(self.problem(kind))),
        };
        Progress { used: records.at, needed, problem }
    }

    /// Reads the file's header, and finds out how long its records' are.
    #[cold]
    fn begin(&mut self, bytes: &[u8]) -> Result<RecordHeader, PcapEnd> {
        let (head, records) =
            bytes.split_first_chunk::<FILE_HEADER_LEN>().ok_or(PcapEnd::Needs(FILE_HEADER_LEN))?;
        let [_, _, _, _, v0, v1, n0, n1, _, _, _, _, _, _, _, _, s0, s1, s2, s3, l0, l1, l2, l3] = *head;
        if self.order.u16([v0, v1]) != VERSION {
            return Err(PcapEnd::Problem(ProblemKind::UnsupportedVariant));
        }
        let link = self.order.u32([l0, l1, l2, l3]) & LINK_TYPE_BITS;
        let aix_link = match link {
            _ if self.nanos || self.is_kuznetsov || self.order.u16([n0, n1]) != AIX_MINOR => None,
            // Types of interfaces (RFC 1573): Ethernet, token ring, FDDI, loopback.
            6 => Some(1),
            9 => Some(6),
            15 => Some(10),
            24 => Some(0),
            _ => None,
        };
        let mut header = RecordHeader {
            link: LinkType::from_number(aix_link.unwrap_or(link)),
            snaplen: self.order.u32([s0, s1, s2, s3]),
            extra: 0,
        };
        let nanos = self.nanos || aix_link.is_some();
        if aix_link.is_none() && !self.nanos {
            header.extra = self.extra(&header, records)?;
        }
        self.nanos = nanos;
        self.header = Some(header);
        Ok(header)
    }

    /// How many bytes record headers are longer than usual: none, unless the second record makes no sense where it
    /// then is, and does where a variant has it.
    fn extra(&self, header: &RecordHeader, records: &[u8]) -> Result<usize, PcapEnd> {
        let choices = if self.is_kuznetsov { &EXTRA_KUZNETSOV[..] } else { &EXTRA };
        let usual = choices.first().copied().unwrap_or(0);
        let Some(first) = self.record(header, records) else { return self.needs(0, usual) };
        if !first.is_sound {
            return Ok(usual);
        }
        for extra in choices {
            let at = RECORD_HEADER_LEN + extra + first.captured as usize;
            let Some(second) = self.record(header, records.get(at..).unwrap_or_default()) else {
                return self.needs(at, usual);
            };
            if second.is_sound && second.secs.abs_diff(first.secs) < SECOND_WITHIN_SECS {
                return Ok(*extra);
            }
        }
        Ok(usual)
    }

    /// That a record header is needed at `at`; the usual, where there will be none.
    const fn needs(&self, at: usize, usual: usize) -> Result<usize, PcapEnd> {
        if self.is_whole { Ok(usual) } else { Err(PcapEnd::Needs(FILE_HEADER_LEN + at + RECORD_HEADER_LEN)) }
    }

    /// The record header that `bytes` begin with.
    fn record(&self, header: &RecordHeader, bytes: &[u8]) -> Option<RecordStart> {
        let [s0, s1, s2, s3, f0, f1, f2, f3, c0, c1, c2, c3, o0, o1, o2, o3] = *bytes.first_chunk()?;
        let captured = self.order.u32([c0, c1, c2, c3]);
        let orig_len = self.order.u32([o0, o1, o2, o3]);
        let is_sound = self.order.u32([f0, f1, f2, f3]) < 1_000_000
            && (1..=VARIANT_MAX).contains(&orig_len)
            && captured <= orig_len
            && captured <= header.max_captured();
        Some(RecordStart { secs: self.order.u32([s0, s1, s2, s3]), captured, is_sound })
    }

    fn problem(&self, kind: ProblemKind) -> Problem {
        Problem { kind, offset: self.offset, frame: self.frames.saturating_add(1) }
    }
}

/// A record header, as far as it tells a variant.
struct RecordStart {
    secs: u32,
    captured: u32,
    is_sound: bool,
}

/// A walk over the records in a piece of a file.
struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    number: u32,
    header: RecordHeader,
    order: ByteOrder,
}

/// Why the walk ended.
enum PcapEnd {
    /// The next record needs this many bytes.
    Needs(usize),
    Problem(ProblemKind),
}

impl Records<'_> {
    #[inline]
    fn find<const BIG: bool, const NANOS: u64, const VARIANT: bool>(
        mut self,
        found: &mut impl FnMut(FrameHead),
    ) -> (Self, PcapEnd) {
        let order = if BIG { ByteOrder::Big } else { ByteOrder::Little };
        debug_assert_eq!(order, self.order, "the caller chose the loop by it");
        let link = self.header.link;
        let most = self.header.max_captured();
        let header_len = RECORD_HEADER_LEN + if VARIANT { self.header.extra } else { 0 };
        let mut left = self.bytes.get(self.at..).unwrap_or_default();
        let ending = loop {
            let Some((head, rest)) = left.split_first_chunk::<RECORD_HEADER_LEN>() else {
                break PcapEnd::Needs(RECORD_HEADER_LEN);
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
                break PcapEnd::Problem(ProblemKind::Senseless);
            }
            let len = captured as usize + header_len - RECORD_HEADER_LEN;
            let Some(next) = rest.get(len..) else { break PcapEnd::Needs(RECORD_HEADER_LEN + len) };
            let Some(number) = self.number.checked_add(1) else {
                break PcapEnd::Problem(ProblemKind::TooManyFrames);
            };
            // Below 2^63: both have 32 bits.
            let nanos = u64::from(secs) * 1_000_000_000 + fraction * NANOS;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the caller cut what is longer than 32 bits tell"
            )]
            let start = (self.bytes.len() - left.len() + header_len) as u32;
            found(FrameHead {
                at: Timestamp::from_nanos(nanos.cast_signed()),
                link,
                orig_len: orig_len.max(captured),
                start,
                len: captured,
                number,
            });
            self.number = number;
            left = next;
        };
        self.at = self.bytes.len() - left.len();
        (self, ending)
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
pub struct PcapEncoder {
    /// The byte order.
    pub order: ByteOrder,
    /// Nanoseconds rather than microseconds.
    pub nanos: bool,
}

impl PcapEncoder {
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
