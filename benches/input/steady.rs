//! Makes a large capture of the same links going on: what they say between their first and their last segments, again and
//! again, with the numbers of TCP and ZooKeeper counting on.

use crate::large::{ACK, FLAGS, HAS_ACK, Held, PORTS, SEQ, SNAPLEN, header, read};
use std::collections::HashMap;
use std::error::Error;
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;

const QUORUM: u16 = 2888;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
/// Where the IP header's identification lies, and TCP's timestamps where there is no other option.
const IP_ID: usize = 14 + 4;
const TIMESTAMPS: usize = PORTS + 24;
/// How far the head of a packet reaches that is changed: its type and zxid.
const ZXID: Range<usize> = 4..12;

/// Addresses and ports of a direction.
type Way = [u8; 12];

/// Writes `frames` frames cut at 96 bytes as one classic pcap.
pub(crate) fn write_steady(
    out: &mut impl Write,
    frames: u64,
    inputs: &[PathBuf],
) -> Result<(), Box<dyn Error>> {
    let held = read(inputs)?;
    let middle = middle(&held).ok_or("no links that go on for a while")?;
    let (before, rest) = held.split_at(middle.start);
    let body: Vec<&Held> = rest.iter().take(middle.len()).filter(|frame| is_quorum(&frame.data)).collect();
    let (Some(first), Some(last)) = (body.first(), body.last()) else { return Err("no frames".into()) };
    let span = last.at - first.at + 1_000_000;
    let steps = Steps::of(&body, span);
    out.write_all(&header())?;
    let again = (0u32..).flat_map(|round| body.iter().map(move |frame| (round, *frame)));
    let all = before.iter().map(|frame| (0, frame)).chain(again);
    for (_, (round, frame)) in (0..frames).zip(all) {
        let mut data = frame.data.clone();
        steps.take(&mut data, round);
        let at = frame.at + i64::from(round) * span;
        let (secs, micros) = (u32::try_from(at / 1_000_000_000)?, u32::try_from(at % 1_000_000_000 / 1_000)?);
        for word in [secs, micros, u32::try_from(data.len().min(SNAPLEN as usize))?, frame.orig_len] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(&data)?;
    }
    out.flush()?;
    Ok(())
}

/// The frames between the last SYN of the first part and the first FIN or RST behind it, without their first tenth.
fn middle(held: &[Held]) -> Option<Range<usize>> {
    let has = |frame: &Held, flags: u8| {
        is_quorum(&frame.data) && frame.data.get(FLAGS).is_some_and(|found| found & flags != 0)
    };
    let part = held.len() * 6 / 10;
    let start = held.iter().take(part).rposition(|frame| has(frame, FIN | SYN | RST))?;
    let end =
        held.iter().skip(part).position(|frame| has(frame, FIN | RST)).map_or(held.len(), |at| part + at);
    let start = start + (end - start) / 10;
    (start < end).then_some(start..end)
}

/// By how much the numbers grow from one round to the next.
struct Steps {
    bytes: HashMap<Way, u32>,
    zxids: u64,
    millis: u32,
}

impl Steps {
    fn of(body: &[&Held], span: i64) -> Self {
        let mut ends: HashMap<Way, (u32, u32)> = HashMap::new();
        let (mut least, mut most) = (u64::MAX, 0);
        for frame in body {
            let (Some(way), Some(seq)) = (way(&frame.data), word(&frame.data, SEQ)) else { continue };
            let end = seq.wrapping_add(payload_len(&frame.data));
            let (_, last) = ends.entry(way).or_insert((seq, end));
            if end.wrapping_sub(*last).cast_signed() > 0 {
                *last = end;
            }
            for at in heads(&frame.data) {
                if word(&frame.data, at) == Some(2)
                    && let Some(zxid) = long(&frame.data, at + ZXID.start)
                {
                    (least, most) = (least.min(zxid), most.max(zxid));
                }
            }
        }
        let bytes = ends.into_iter().map(|(way, (first, last))| (way, last.wrapping_sub(first))).collect();
        Self {
            bytes,
            zxids: most.saturating_sub(least) + 1,
            millis: u32::try_from(span / 1_000_000).unwrap_or(0),
        }
    }

    /// Makes a frame that of a later round.
    fn take(&self, data: &mut [u8], round: u32) {
        let Some(way) = way(data).filter(|_| round > 0) else { return };
        let by = |way: &Way| self.bytes.get(way).map_or(0, |step| step.wrapping_mul(round));
        let has_ack = data.get(FLAGS).is_some_and(|flags| flags & HAS_ACK != 0);
        let heads: Vec<usize> = heads(data).collect();
        add(data, SEQ, by(&way));
        if has_ack {
            add(data, ACK, by(&back(&way)));
        }
        if header_words(data) == 8 {
            add(data, TIMESTAMPS, self.millis.wrapping_mul(round));
            add(data, TIMESTAMPS + 4, self.millis.wrapping_mul(round));
        }
        if let Some(place) = data.get_mut(IP_ID..IP_ID + 2).and_then(|place| place.first_chunk_mut::<2>()) {
            let id = u32::from(u16::from_be_bytes(*place)).wrapping_add(round.wrapping_mul(7));
            *place = u16::try_from(id & 0xffff).unwrap_or(0).to_be_bytes();
        }
        for at in heads {
            let is_numbered = matches!(word(data, at), Some(2..=4));
            let zxid = long(data, at + ZXID.start).filter(|zxid| is_numbered && zxid & 0xffff_ffff != 0);
            let Some(zxid) = zxid.filter(|zxid| zxid >> 63 == 0) else { continue };
            let moved = zxid.wrapping_add(self.zxids.wrapping_mul(u64::from(round)));
            if let Some(place) = data.get_mut(at + ZXID.start..at + ZXID.end) {
                place.copy_from_slice(&moved.to_be_bytes());
            }
        }
    }
}

/// Where packets begin in a frame, as far as they were captured.
fn heads(data: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = PORTS + header_words(data) * 4;
    let mut left = i64::from(payload_len(data));
    std::iter::from_fn(move || {
        let kind = word(data, at).filter(|kind| left >= 16 && (1..=19).contains(kind));
        let (_, data_len) = kind.zip(word(data, at + 12))?;
        let size = 20 + i64::from(data_len.cast_signed()).max(0);
        let here = at;
        at += usize::try_from(size).ok()?;
        left -= size;
        Some(here)
    })
}

fn is_quorum(data: &[u8]) -> bool {
    [PORTS, PORTS + 2].iter().any(|at| data.get(*at..*at + 2) == Some(QUORUM.to_be_bytes().as_slice()))
}

fn way(data: &[u8]) -> Option<Way> {
    data.get(PORTS - 8..PORTS + 4)?.first_chunk::<12>().copied()
}

fn back(way: &Way) -> Way {
    let [a, b, c, d, e, f, g, h, p, q, r, s] = *way;
    [e, f, g, h, a, b, c, d, r, s, p, q]
}

fn header_words(data: &[u8]) -> usize {
    data.get(PORTS + 12).map_or(5, |byte| usize::from(byte >> 4))
}

/// The length on the wire.
fn payload_len(data: &[u8]) -> u32 {
    let total =
        data.get(16..18).and_then(|len| len.first_chunk::<2>()).map_or(0, |len| u16::from_be_bytes(*len));
    u32::from(total).saturating_sub(20 + u32::try_from(header_words(data)).unwrap_or(0) * 4)
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at + 4)?.first_chunk::<4>().map(|word| u32::from_be_bytes(*word))
}

fn long(data: &[u8], at: usize) -> Option<u64> {
    data.get(at..at + 8)?.first_chunk::<8>().map(|long| u64::from_be_bytes(*long))
}

fn add(data: &mut [u8], at: usize, by: u32) {
    if let Some(place) = data.get_mut(at..at + 4).and_then(|place| place.first_chunk_mut::<4>()) {
        *place = u32::from_be_bytes(*place).wrapping_add(by).to_be_bytes();
    }
}
