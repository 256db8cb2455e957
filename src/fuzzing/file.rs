//! Capture files: the frames do not depend on the piece size, and encoding them again loses nothing.

use std::ops::Range;

use super::Dice;
use crate::frame::{Frame, FrameRef, LinkType};
use crate::pcapfile::{ByteOrder, Decoder, Description, FrameHead, MAX_CAPTURED, Problem, pcap, pcapng};

/// The smallest record: a simple packet block.
const MIN_RECORD_LEN: usize = 16;

/// A pcap file's header: with less of it a file holds nothing.
const HEADER: usize = 24;

/// What was found in a file.
#[derive(Debug, PartialEq)]
struct DecodedFile {
    frames: Vec<(FrameHead, Range<usize>)>,
    problem: Option<Problem>,
    description: Description,
}

/// A capture file, pcap, pcapng or snoop.
///
/// Properties: frames lie within the file, in order, numbered from 1, none shorter on the wire than captured;
/// a decoder requests only bytes that it does not have; pieces of any size give the same frames and the same
/// problem; frames encoded as pcap and as pcapng, in both byte orders, decode to the same frames.
pub fn capture_file(data: &[u8]) {
    let Some(whole) = read(data, || usize::MAX) else { return };
    check(data, &whole);
    let mut dice = Dice::of(data);
    let most = [1, 7, 64, 1024][dice.below(4)];
    let pieces = read(data, || 1 + dice.below(most)).unwrap();
    assert_eq!(pieces, whole, "in pieces of up to {most} bytes");
    for order in [ByteOrder::Little, ByteOrder::Big] {
        again_as_pcap(data, &whole, order);
        again_as_pcapng(data, &whole, order);
    }
}

/// A snoop file: its link type and what follows its header.
///
/// Properties: those of [`capture_file`].
pub fn snoop(data: &[u8]) {
    let Some((link, records)) = data.split_first() else { return };
    let header = [&b"snoop\0\0\0"[..], &[0, 0, 0, 2, 0, 0, 0, *link]].concat();
    capture_file(&[&header, records].concat());
}

/// Feeds a decoder piece by piece; `None` if the file is not a capture.
fn read(data: &[u8], mut piece: impl FnMut() -> usize) -> Option<DecodedFile> {
    let mut decoder = Decoder::sniff(data)?;
    let mut frames = Vec::new();
    let (mut used, mut end) = (0, 0);
    let problem = loop {
        // Once more with the same bytes, where it makes a difference that they are all there is.
        if end == data.len() && !(data.len() - used >= HEADER && decoder.end_of_file()) {
            break decoder.finish(data.len() - used);
        }
        end = data.len().min(end.saturating_add(piece()));
        let held = &data[used..end];
        let progress = decoder.decode(held, &mut |head| {
            let start = head.start as usize;
            let range = used + start..used + start + head.len as usize;
            assert!(range.end <= end, "frame {} lies beyond what was given", head.number);
            frames.push((FrameHead { start: 0, ..head }, range));
        });
        assert!(progress.used <= held.len());
        if progress.problem.is_some() {
            break progress.problem;
        }
        let rest = held.len() - progress.used;
        assert!(progress.needed == 0 || progress.needed > rest, "it has that much");
        assert!(progress.needed <= 2 * MAX_CAPTURED as usize, "no record is that long");
        used += progress.used;
    };
    Some(DecodedFile { frames, problem, description: decoder.description() })
}

fn check(data: &[u8], reading: &DecodedFile) {
    assert!(reading.frames.len() * MIN_RECORD_LEN <= data.len());
    let mut end = 0;
    for ((head, range), number) in reading.frames.iter().zip(1..) {
        assert_eq!(head.number, number);
        assert!(head.len <= head.orig_len && head.len <= MAX_CAPTURED);
        assert!(range.start >= end, "frame {number} overlaps the one before");
        end = range.end;
    }
    if let Some(problem) = reading.problem {
        assert!(problem.offset <= data.len() as u64);
        assert_eq!(problem.frame as usize, reading.frames.len() + 1);
        assert!(!problem.to_string().is_empty());
    }
}

/// The frames that a pcap of this link type can hold: with seconds in 32 bits, and not an all-zero record,
/// which marks the end of an incompletely written file.
fn again_as_pcap(data: &[u8], whole: &DecodedFile, order: ByteOrder) {
    let Some(link) = whole.frames.first().and_then(|(head, _)| number(head.link)) else { return };
    let fits = |head: &FrameHead| {
        let secs = head.at.nanos() / 1_000_000_000;
        head.at.nanos() >= 0
            && u32::try_from(secs).is_ok()
            && (head.orig_len, secs) != (0, 0)
            && number(head.link) == Some(link)
    };
    let encoder = pcap::PcapEncoder { order, nanos: true };
    let mut bytes = Vec::new();
    encoder.header(u32::from(link), MAX_CAPTURED, &mut bytes);
    let kept: Vec<_> = whole.frames.iter().filter(|(head, _)| fits(head)).collect();
    for (head, range) in &kept {
        encoder.frame(&frame(head, &data[range.clone()]), &mut bytes);
    }
    compare(data, &kept, &bytes);
}

/// The frames that a pcapng can hold: an interface for each link type, times from 1970 on.
fn again_as_pcapng(data: &[u8], whole: &DecodedFile, order: ByteOrder) {
    let encoder = pcapng::PcapngEncoder { order };
    let mut bytes = Vec::new();
    encoder.section("again", &mut bytes);
    let mut links = Vec::new();
    let mut kept = Vec::new();
    for entry in &whole.frames {
        let (head, range) = entry;
        let Some(link) = number(head.link).filter(|_| head.at.nanos() >= 0) else { continue };
        let interface = links.iter().position(|known| *known == link).unwrap_or_else(|| {
            encoder.interface(link, 0, &mut bytes);
            links.push(link);
            links.len() - 1
        });
        let comment = if head.number % 2 == 0 { "odd ones have none" } else { "" };
        encoder.frame(interface as u32, &frame(head, &data[range.clone()]), comment, &mut bytes);
        kept.push(entry);
    }
    compare(data, &kept, &bytes);
}

fn compare(data: &[u8], kept: &[&(FrameHead, Range<usize>)], bytes: &[u8]) {
    let again = read(bytes, || usize::MAX).unwrap();
    assert_eq!(again.problem, None);
    assert_eq!(again.frames.len(), kept.len());
    for ((head, range), (expected, place)) in again.frames.iter().zip(kept) {
        assert_eq!(FrameHead { number: 0, ..*head }, FrameHead { number: 0, ..*expected });
        assert_eq!(bytes[range.clone()], data[place.clone()]);
    }
}

fn frame<'a>(head: &FrameHead, data: &'a [u8]) -> Frame<'a> {
    Frame { at: head.at, link: head.link, orig_len: head.orig_len, data, id: FrameRef::default() }
}

/// A link type's number, if it fits into 16 bits.
fn number(link: LinkType) -> Option<u16> {
    u16::try_from(link.number()).ok()
}
