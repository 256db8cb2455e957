#![allow(clippy::unwrap_used, reason = "a test may fail")]

use super::super::Decoder as AnyDecoder;
use super::*;
use crate::testkit::file::{decode, small};

const SECOND: i64 = 1_000_000_000;

fn file(frames: &[Frame<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_header(&mut bytes);
    for (frame, dropped) in frames.iter().zip([0, 0, 5]) {
        encode_frame(frame, dropped, &mut bytes);
    }
    bytes
}

fn three() -> [Frame<'static>; 3] {
    [
        small(7 * SECOND + 1_999, b"one", 60),
        small(7 * SECOND + 2_000, b"two", 3),
        small(9 * SECOND, b"ten", 1_514),
    ]
}

#[test]
fn frames_are_read_with_their_times() {
    let file = file(&three());
    for chunk in [1, 7, file.len()] {
        let (found, problem) = decode(&file, chunk);
        assert_eq!((found.len(), problem), (3, None));
        for ((head, bytes), (frame, number)) in found.iter().zip(three().iter().zip(1..)) {
            assert_eq!(head.at.nanos(), frame.at.nanos() / 1_000 * 1_000);
            assert_eq!((head.orig_len, head.number, head.link), (frame.orig_len, number, LinkType::Ethernet));
            assert_eq!(&bytes[..], frame.data);
        }
    }
}

#[test]
fn the_file_says_what_was_dropped() {
    let file = file(&three());
    let mut decoder = SnoopDecoder::sniff(&file).unwrap();
    assert_eq!(decoder.description().dropped, None);
    decoder.decode(&file, &mut |_| {});
    let description = decoder.description();
    assert_eq!((description.dropped, description.format), (Some(5), Format::Snoop));
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_frames() {
    let file = file(&three());
    for len in 4..=file.len() {
        let (found, problem) = decode(&file[..len], 9);
        assert_eq!(found.len(), len.saturating_sub(16) / 28, "{len}");
        let kind = match len {
            0..16 => Some(ProblemKind::EndsInHeader),
            _ if (len - 16) % 28 == 0 => None,
            _ => Some(ProblemKind::EndsInside),
        };
        assert_eq!(problem.map(|problem| problem.kind), kind, "{len}");
    }
}

#[test]
fn no_byte_whatever_makes_it_panic() {
    let file = file(&three());
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
    assert!(AnyDecoder::sniff(b"snoo").is_some() && AnyDecoder::sniff(b"snort").is_none());
}
