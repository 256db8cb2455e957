//! snoop: a file header of 16 bytes, then records of 24 bytes, the frame's, and padding. All big-endian.
//!
//! | offset | size | file header | | offset | size | record header |
//! |---|---|---|---|---|---|---|
//! | 0 | 8 | `snoop` and zeros | | 0 | 4 | bytes on the wire |
//! | 8 | 4 | version 2 | | 4 | 4 | bytes kept |
//! | 12 | 4 | link type, of a registry of its own | | 8 | 4 | length of the whole record |
//! | | | | | 12 | 4 | frames dropped so far |
//! | | | | | 16 | 4 + 4 | seconds since 1970, microseconds |
//!
//! Source: RFC 1761; RFC 3827 for link types.

use super::{Description, Format, FrameHead, MAX_CAPTURED, Problem, ProblemKind, Progress};
use crate::frame::{Frame, LinkType};
use crate::time::Timestamp;

const MAGIC: [u8; 8] = *b"snoop\0\0\0";
const FILE_HEADER_LEN: usize = 16;
const RECORD_HEADER_LEN: usize = 24;
/// The same, as the file counts it.
const RECORD_HEADER: u32 = 24;
const VERSION: u32 = 2;
/// What is added to a data link's number that means another one to pcap, whose own have 16 bits.
const OWN_LINK_TYPES: u32 = 0x1_0000;
/// Padding beyond this is none that any program writes.
const MAX_PADDING: u32 = 65_536;

/// Reads a snoop file. See [`super::Decoder`] for the rules.
#[derive(Debug)]
pub struct SnoopDecoder {
    link: Option<LinkType>,
    /// Offset of the next unused byte in the file.
    offset: u64,
    frames: u32,
    /// Frames that the capturing host dropped, as the last record says.
    dropped: u32,
}

/// Why a walk over records ended.
enum SnoopEnd {
    Needs(usize),
    Problem(ProblemKind),
}

impl SnoopDecoder {
    /// The decoder for a file that starts with these bytes; `None` where it is no snoop file.
    #[must_use]
    pub fn sniff(start: &[u8]) -> Option<Self> {
        let magic = MAGIC.first_chunk::<{ super::Decoder::MAGIC_LEN }>()?;
        start.starts_with(magic).then_some(Self { link: None, offset: 0, frames: 0, dropped: 0 })
    }

    /// What the file says of itself.
    #[must_use]
    pub fn description(&self) -> Description {
        Description {
            format: Format::Snoop,
            link_type: self.link,
            snaplen: None,
            nanos: false,
            dropped: self.link.map(|_| u64::from(self.dropped)),
        }
    }

    /// What is wrong with a file that ends with `rest` unused bytes.
    #[must_use]
    pub fn finish(&self, rest: usize) -> Option<Problem> {
        match self.link {
            None => Some(self.problem(ProblemKind::EndsInHeader)),
            Some(_) if rest > 0 => Some(self.problem(ProblemKind::EndsInside)),
            Some(_) => None,
        }
    }

    /// Finds the frames in `bytes`, the file's next, and calls `found` with the head of each.
    pub fn decode(&mut self, bytes: &[u8], found: &mut impl FnMut(FrameHead)) -> Progress {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            match self.step(rest, used, found) {
                Ok(len) => {
                    used += len;
                    self.offset += len as u64;
                }
                Err(SnoopEnd::Needs(needed)) => return Progress { used, needed, problem: None },
                Err(SnoopEnd::Problem(kind)) => {
                    return Progress { used, needed: 0, problem: Some(self.problem(kind)) };
                }
            }
        }
    }

    /// Reads the file's header or a record, which starts at `at` in the bytes that were given: its length.
    fn step(
        &mut self,
        bytes: &[u8],
        at: usize,
        found: &mut impl FnMut(FrameHead),
    ) -> Result<usize, SnoopEnd> {
        let Some(link) = self.link else { return self.begin(bytes) };
        let head = bytes.first_chunk::<RECORD_HEADER_LEN>().ok_or(SnoopEnd::Needs(RECORD_HEADER_LEN))?;
        let [orig_len, len, record_len, dropped, secs, micros] = words(head);
        let padding = record_len.checked_sub(len).and_then(|rest| rest.checked_sub(RECORD_HEADER));
        if len > MAX_CAPTURED || padding.is_none_or(|padding| padding > MAX_PADDING) || micros >= 1_000_000 {
            return Err(SnoopEnd::Problem(ProblemKind::Senseless));
        }
        let record_len = record_len as usize;
        if bytes.len() < record_len {
            return Err(SnoopEnd::Needs(record_len));
        }
        let (Ok(start), Some(number)) = (u32::try_from(at + RECORD_HEADER_LEN), self.frames.checked_add(1))
        else {
            return Err(SnoopEnd::Problem(ProblemKind::TooManyFrames));
        };
        (self.frames, self.dropped) = (number, dropped);
        let at = Timestamp::from_parts(i64::from(secs), micros * 1_000);
        found(FrameHead { at, link, orig_len: orig_len.max(len), start, len, number });
        Ok(record_len)
    }

    fn begin(&mut self, bytes: &[u8]) -> Result<usize, SnoopEnd> {
        let head = bytes.first_chunk::<FILE_HEADER_LEN>().ok_or(SnoopEnd::Needs(FILE_HEADER_LEN))?;
        let [_, _, version, link] = words(head);
        if !head.starts_with(&MAGIC) || version != VERSION {
            return Err(SnoopEnd::Problem(ProblemKind::UnsupportedVariant));
        }
        self.link = Some(match link {
            // Ethernet, by its two standards.
            0 | 4 => LinkType::Ethernet,
            other => LinkType::Other(other.saturating_add(OWN_LINK_TYPES)),
        });
        Ok(FILE_HEADER_LEN)
    }

    fn problem(&self, kind: ProblemKind) -> Problem {
        Problem { kind, offset: self.offset, frame: self.frames.saturating_add(1) }
    }
}

/// The numbers that a header consists of.
fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut numbers = [0; N];
    for (number, word) in numbers.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *number = u32::from_be_bytes(*word);
    }
    numbers
}

/// Appends a file header for Ethernet.
pub fn encode_header(out: &mut Vec<u8>) {
    out.extend(MAGIC);
    out.extend(VERSION.to_be_bytes());
    out.extend(4_u32.to_be_bytes());
}

/// Appends a frame's record. Times before 1970 or after 2106 are clamped to that.
pub fn encode_frame(frame: &Frame<'_>, dropped: u32, out: &mut Vec<u8>) {
    let nanos = frame.at.nanos().max(0).unsigned_abs();
    let padded = frame.data.len().next_multiple_of(4);
    for field in [
        u64::from(frame.orig_len),
        frame.data.len() as u64,
        (RECORD_HEADER_LEN + padded) as u64,
        u64::from(dropped),
        nanos / 1_000_000_000,
        nanos % 1_000_000_000 / 1_000,
    ] {
        out.extend(u32::try_from(field).unwrap_or(u32::MAX).to_be_bytes());
    }
    out.extend_from_slice(frame.data);
    out.resize(out.len() + padded - frame.data.len(), 0);
}

#[cfg(test)]
mod tests;
