#![expect(clippy::unwrap_used, reason = "a test may fail")]

use super::super::Decoder as AnyDecoder;
use super::*;
use crate::testkit::file::{ORDERS, decode, pcap, small};

const SECOND: i64 = 1_000_000_000;

fn three() -> [Frame<'static>; 3] {
    [
        small(7 * SECOND + 1_999, b"one", 60),
        small(7 * SECOND + 2_000, b"two", 3),
        small(9 * SECOND, b"ten", 1_514),
    ]
}

#[test]
fn both_byte_orders_and_resolutions_are_read() {
    for order in ORDERS {
        for nanos in [false, true] {
            let file = pcap(order, nanos, &three());
            for chunk in [1, 7, file.len()] {
                let (found, problem) = decode(&file, chunk);
                assert_eq!(problem, None);
                assert_eq!(found.len(), 3);
                for ((head, bytes), (frame, number)) in found.iter().zip(three().iter().zip(1..)) {
                    let at = if nanos { frame.at.nanos() } else { frame.at.nanos() / 1_000 * 1_000 };
                    assert_eq!(head.at.nanos(), at);
                    assert_eq!((head.orig_len, head.len, head.number), (frame.orig_len, 3, number));
                    assert_eq!((head.link, &bytes[..]), (LinkType::Ethernet, frame.data));
                }
            }
        }
    }
}

#[test]
fn the_header_says_link_type_snaplen_and_resolution() {
    for (link, snaplen, expected) in [(113, 96, Some(96)), (0x1400_0071, 0, None), (113, 0x7fff_ffff, None)] {
        let mut file = Vec::new();
        PcapEncoder { order: ByteOrder::Big, nanos: true }.header(link, snaplen, &mut file);
        let mut decoder = AnyDecoder::sniff(&file).unwrap();
        decoder.decode(&file, &mut |_| {});
        let description = decoder.description();
        assert_eq!(description.link_type, Some(LinkType::LinuxSll));
        assert_eq!((description.snaplen, description.nanos), (expected, true));
    }
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_frames() {
    let file = pcap(ByteOrder::Little, false, &three());
    for len in 4..=file.len() {
        for chunk in [1, len] {
            let (found, problem) = decode(&file[..len], chunk);
            let whole = len.saturating_sub(24) / 19;
            assert_eq!(found.len(), whole, "{len}");
            let kind = match len {
                0..24 => Some(ProblemKind::EndsInHeader),
                _ if (len - 24) % 19 == 0 => None,
                _ => Some(ProblemKind::EndsInside),
            };
            assert_eq!(problem.map(|problem| problem.kind), kind, "{len}");
            if let Some(Problem { kind: ProblemKind::EndsInside, offset, frame }) = problem {
                assert_eq!((offset, frame as usize), (24 + 19 * whole as u64, whole + 1));
            }
        }
    }
}

/// What stops the reading of a file whose second record has these four fields.
fn second_record(secs: u32, fraction: u32, captured: u32, orig_len: u32) -> Option<ProblemKind> {
    let mut file = pcap(ByteOrder::Little, false, &three()[..1]);
    for field in [secs, fraction, captured, orig_len] {
        file.extend(field.to_le_bytes());
    }
    file.extend(vec![0; captured.min(300_000) as usize]);
    let (found, problem) = decode(&file, file.len());
    assert_eq!(found.len(), if problem.is_none() { 2 } else { 1 });
    if let Some(problem) = problem {
        assert_eq!((problem.offset, problem.frame), (24 + 19, 2));
    }
    problem.map(|problem| problem.kind)
}

#[test]
fn records_that_make_no_sense_end_the_file() {
    let senseless = Some(ProblemKind::Senseless);
    // Zeros, as a file system leaves them after a crash.
    assert_eq!(second_record(0, 0, 0, 0), senseless);
    assert_eq!(second_record(7, 0, u32::MAX, u32::MAX), senseless);
    assert_eq!(second_record(7, 0, MAX_CAPTURED + 1, MAX_CAPTURED + 1), senseless);
    // Far beyond the snaplen of 96.
    assert_eq!(second_record(7, 0, 96 + SNAPLEN_SLACK + 1, 96 + SNAPLEN_SLACK + 1), senseless);
    // Odd in two ways.
    assert_eq!(second_record(7, 1_000_000, 4, 3), senseless);
    assert_eq!(second_record(7, 1_000_000, 97, 97), senseless);
    assert_eq!(second_record(7, 0, 97, 96), senseless);
}

#[test]
fn records_that_some_tool_writes_are_read() {
    assert_eq!(second_record(7, 1_000_000, 4, 4), None);
    assert_eq!(second_record(7, 0, 4, 3), None);
    assert_eq!(second_record(7, 0, 97, 97), None);
    assert_eq!(second_record(7, 0, 0, 60), None);
    // As `-s 96` leaves nearly every record.
    assert_eq!(second_record(7, 0, 96, 65_226), None);
}

/// Frames in records of which the header has `extra` more bytes, under this magic.
fn with_longer_headers(order: ByteOrder, magic: u32, extra: usize, frames: &[Frame<'_>]) -> Vec<u8> {
    let plain = pcap(order, false, frames);
    let mut file = [&order.bytes32(magic)[..], &plain[4..24]].concat();
    for record in plain[24..].chunks(19) {
        file.extend(&record[..16]);
        file.extend((0..extra).map(|at| [2, 0, 0, 0, 0, 8, 4, 0][at % 8]));
        file.extend(&record[16..]);
    }
    file
}

#[test]
fn variants_with_longer_record_headers_are_read() {
    // Nokia's, Red Hat 6.1's, Kuznetsov's, SUSE 6.3's.
    let variants = [(MAGIC_MICROS, 4), (MAGIC_MICROS, 8), (MAGIC_KUZNETSOV, 8), (MAGIC_KUZNETSOV, 12)];
    for order in ORDERS {
        for (magic, extra) in variants {
            let file = with_longer_headers(order, magic, extra, &three());
            for chunk in [1, 7, file.len()] {
                let (found, problem) = decode(&file, chunk);
                assert_eq!(problem, None, "{magic:x} {extra}");
                assert_eq!(found.len(), 3, "{magic:x} {extra}");
                for ((head, bytes), frame) in found.iter().zip(three()) {
                    assert_eq!(head.at.nanos(), frame.at.nanos() / 1_000 * 1_000);
                    assert_eq!((head.orig_len, &bytes[..]), (frame.orig_len, frame.data));
                }
            }
        }
    }
}

#[test]
fn a_file_of_one_frame_or_none_is_no_variant() {
    for count in 0..2 {
        let file = pcap(ByteOrder::Little, false, &three()[..count]);
        for chunk in [1, 24, file.len()] {
            let (found, problem) = decode(&file, chunk);
            assert_eq!((found.len(), problem), (count, None));
        }
    }
}

#[test]
fn aix_writes_nanoseconds_and_types_of_interfaces() {
    for (link, expected) in [(6, LinkType::Ethernet), (24, LinkType::Loopback)] {
        let mut file = pcap(ByteOrder::Big, false, &three());
        file[6..8].copy_from_slice(&[0, 2]);
        file[23] = link;
        let (found, problem) = decode(&file, 5);
        assert_eq!((found.len(), problem), (3, None));
        // The field holds the 1 that stands for a microsecond elsewhere.
        assert_eq!((found[0].0.at.nanos(), found[0].0.link), (7 * SECOND + 1, expected));
    }
}

#[test]
fn unknown_versions_are_named_not_guessed() {
    let mut file = pcap(ByteOrder::Little, false, &three());
    file[4] = 3;
    assert_eq!(decode(&file, 1).1.map(|problem| problem.kind), Some(ProblemKind::UnsupportedVariant));
    assert!(AnyDecoder::sniff(b"\x7fELF").is_none());
    assert!(AnyDecoder::sniff(b"\xd4\xc3").is_none());
}

#[test]
fn no_byte_whatever_makes_it_panic() {
    let file = pcap(ByteOrder::Little, false, &three());
    for at in 4..file.len() {
        for value in 0..=u8::MAX {
            let mut file = file.clone();
            file[at] = value;
            for chunk in [5, file.len()] {
                let (found, _) = decode(&file, chunk);
                assert!(found.iter().all(|(head, _)| head.len <= head.orig_len));
            }
        }
    }
}
