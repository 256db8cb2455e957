#![expect(clippy::unwrap_used, reason = "a test may fail")]

use super::super::Decoder as AnyDecoder;
use super::*;
use crate::testkit::file::{ORDERS, decode, pcapng, small};

const SECOND: i64 = 1_000_000_000;

fn three() -> [Frame<'static>; 3] {
    [small(7 * SECOND + 1, b"one", 60), small(7 * SECOND + 2, b"two", 3), small(9 * SECOND, b"ten", 1_514)]
}

fn kind(problem: Option<Problem>) -> Option<ProblemKind> {
    problem.map(|problem| problem.kind)
}

#[test]
fn both_byte_orders_are_read() {
    for order in ORDERS {
        let file = pcapng(order, &three());
        for chunk in [1, 7, file.len()] {
            let (found, problem) = decode(&file, chunk);
            assert_eq!(problem, None);
            assert_eq!(found.len(), 3);
            for ((head, bytes), (frame, number)) in found.iter().zip(three().iter().zip(1..)) {
                assert_eq!((head.at, head.link, head.number), (frame.at, LinkType::Ethernet, number));
                assert_eq!((head.orig_len, &bytes[..]), (frame.orig_len, frame.data));
            }
        }
        let mut decoder = AnyDecoder::sniff(&file).unwrap();
        decoder.decode(&file, &mut |_| {});
        let expected = Description {
            format: Format::Pcapng,
            link_type: Some(LinkType::Ethernet),
            snaplen: Some(96),
            nanos: true,
            dropped: None,
        };
        assert_eq!(decoder.description(), expected);
    }
}

/// The time of a frame after so many ticks of a clock with these options.
fn time(resolution: u8, offset: i64, ticks: u64) -> Option<i64> {
    let times = ORDERS.map(|order| {
        let encoder = PcapngEncoder { order };
        let mut file = Vec::new();
        encoder.section("", &mut file);
        encoder.interface_with_clock(1, 0, resolution, offset, &mut file);
        encoder.packet(0, ticks, &small(0, b"one", 3), "", &mut file);
        let (found, problem) = decode(&file, file.len());
        assert_eq!(kind(problem), found.is_empty().then_some(ProblemKind::BadClock(resolution)));
        found.first().map(|(head, _)| head.at.nanos())
    });
    assert_eq!(times[0], times[1]);
    times[0]
}

#[test]
fn clocks_of_every_resolution_and_offset_are_read() {
    assert_eq!(time(0, 0, 7), Some(7 * SECOND));
    assert_eq!(time(3, 0, 7_001), Some(7_001_000_000));
    assert_eq!(time(6, 0, 7_000_001), Some(7_000_001_000));
    assert_eq!(time(9, 0, 7), Some(7));
    assert_eq!(time(12, 0, 7_999), Some(7));
    assert_eq!(time(19, 0, u64::MAX), Some(1_844_674_407));
    assert_eq!(time(20, 0, 7), None);
    assert_eq!(time(127, 0, 7), None);
    assert_eq!(time(0x80, 0, 7), Some(7 * SECOND));
    assert_eq!(time(0x80 | 10, 0, 1_536), Some(1_500_000_000));
    assert_eq!(time(0x80 | 32, 0, 1 << 31), Some(500_000_000));
    assert_eq!(time(0x80 | 63, 0, 1 << 62), Some(500_000_000));
    assert_eq!(time(0x80 | 64, 0, 7), None);
    assert_eq!(time(6, 1_795_248_000, 1), Some(1_795_248_000_000_001_000));
    assert_eq!(time(6, -3, 1_000_000), Some(-2 * SECOND));
    assert_eq!(time(0, 0, u64::MAX), Some(Timestamp::MAX.nanos()));
    assert_eq!(time(0, i64::MAX, u64::MAX), Some(Timestamp::MAX.nanos()));
    assert_eq!(time(0, i64::MIN, 0), Some(Timestamp::MIN.nanos()));
}

#[test]
fn sections_have_a_byte_order_and_interfaces_of_their_own() {
    let [little, big] = ORDERS.map(|order| PcapngEncoder { order });
    let mut file = Vec::new();
    little.section("", &mut file);
    little.interface(1, 96, &mut file);
    little.interface_with_clock(276, 0, 6, 0, &mut file);
    little.packet(1, 5, &small(0, b"one", 3), "why it is here", &mut file);
    little.packet(0, 6, &small(0, b"two", 3), "", &mut file);
    big.section("another", &mut file);
    big.interface_with_clock(101, 0, 3, 0, &mut file);
    big.packet(0, 7, &small(0, b"ten", 3), "", &mut file);
    big.packet(1, 8, &small(0, b"no!", 3), "", &mut file);
    let (found, problem) = decode(&file, 9);
    let seen: Vec<_> = found.iter().map(|(head, bytes)| (head.link, head.at.nanos(), &bytes[..])).collect();
    let expected: [(_, _, &[u8]); 3] = [
        (LinkType::LinuxSll2, 5_000, b"one"),
        (LinkType::Ethernet, 6, b"two"),
        (LinkType::RawIp, 7_000_000, b"ten"),
    ];
    assert_eq!(seen, expected);
    assert_eq!(kind(problem), Some(ProblemKind::UnknownInterface(1)));
}

#[test]
fn simple_and_obsolete_packets_are_read() {
    for order in ORDERS {
        let encoder = PcapngEncoder { order };
        let mut file = Vec::new();
        encoder.section("", &mut file);
        encoder.interface(1, 5, &mut file);
        encoder.packet(0, 42, &small(0, b"one", 3), "", &mut file);
        // More than the snaplen on the wire, then less, with padding.
        encoder.block(SIMPLE_PACKET, &[&order.bytes32(60)[..], b"fives..."].concat(), &mut file);
        encoder.block(SIMPLE_PACKET, &[&order.bytes32(2)[..], b"ab.."].concat(), &mut file);
        let mut obsolete = [order.bytes16(0), order.bytes16(9)].concat();
        for field in [1, 2, 3, 77] {
            obsolete.extend(order.bytes32(field));
        }
        obsolete.extend(b"old.");
        encoder.block(OBSOLETE_PACKET, &obsolete, &mut file);
        let (found, problem) = decode(&file, 11);
        assert_eq!(problem, None);
        let seen: Vec<_> =
            found.iter().map(|(head, bytes)| (head.at.nanos(), head.orig_len, &bytes[..])).collect();
        let none = Timestamp::UNKNOWN.nanos();
        let expected: [(_, _, &[u8]); 4] =
            [(42, 3, b"one"), (none, 60, b"fives"), (none, 2, b"ab"), ((1 << 32) + 2, 77, b"old")];
        assert_eq!(seen, expected);
    }
}

#[test]
fn statistics_say_what_was_dropped() {
    for order in ORDERS {
        let encoder = PcapngEncoder { order };
        let count = |number: u64| match order {
            ByteOrder::Little => number.to_le_bytes(),
            ByteOrder::Big => number.to_be_bytes(),
        };
        let statistics = |dropped: [u64; 2]| {
            let mut body = [order.bytes32(0), [0; 4], [0; 4]].concat();
            for (code, number) in [5, 7].into_iter().zip(dropped) {
                encoder.option(code, &count(number), &mut body);
            }
            encoder.option(OPTION_END, &[], &mut body);
            body
        };
        let mut file = pcapng(order, &three()[..1]);
        encoder.block(STATISTICS, &statistics([1, 2]), &mut file);
        encoder.block(STATISTICS, &statistics([3, 4]), &mut file);
        let mut decoder = AnyDecoder::sniff(&file).unwrap();
        assert_eq!(decoder.decode(&file, &mut |_| {}).problem, None);
        assert_eq!(decoder.description().dropped, Some(7));
    }
}

#[test]
fn blocks_without_frames_are_passed_over_whatever_their_size() {
    let encoder = PcapngEncoder { order: ByteOrder::Little };
    let mut file = pcapng(ByteOrder::Little, &three()[..1]);
    encoder.block(0x0bad, &vec![7; 1_000_000], &mut file);
    encoder.block(4, b"names...", &mut file);
    encoder.frame(0, &three()[1], "", &mut file);
    for chunk in [1_000, file.len()] {
        let (found, problem) = decode(&file, chunk);
        assert_eq!((found.len(), problem), (2, None));
    }
    let (found, problem) = decode(&file[..500_000], 4_096);
    assert_eq!((found.len(), kind(problem)), (1, Some(ProblemKind::EndsInside)));
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_frames() {
    for order in ORDERS {
        let file = pcapng(order, &three());
        let one = pcapng(order, &three()[..1]).len();
        let header = pcapng(order, &[]).len();
        for len in 4..=file.len() {
            let (found, problem) = decode(&file[..len], 13);
            let whole = len.saturating_sub(header) / (one - header);
            assert_eq!(found.len(), whole, "{len}");
            if (len.saturating_sub(header)) % (one - header) != 0 {
                assert_eq!(kind(problem), Some(ProblemKind::EndsInside), "{len}");
            }
        }
        assert_eq!(kind(decode(&file[..11], 11).1), Some(ProblemKind::EndsInHeader));
    }
}

#[test]
fn blocks_that_make_no_sense_end_the_file() {
    let file = pcapng(ByteOrder::Little, &three());
    let second = pcapng(ByteOrder::Little, &three()[..1]).len();
    let at = second as u64;
    for (offset, bytes, expected) in [
        (4, u32::MAX, ProblemKind::BadBlock(ENHANCED_PACKET)),
        (4, 8, ProblemKind::BadBlock(ENHANCED_PACKET)),
        (4, 37, ProblemKind::BadBlock(ENHANCED_PACKET)),
        (20, u32::MAX, ProblemKind::BadBlock(ENHANCED_PACKET)),
        (20, 5, ProblemKind::BadBlock(ENHANCED_PACKET)),
        (8, 1, ProblemKind::UnknownInterface(1)),
    ] {
        let mut file = file.clone();
        file[second + offset..second + offset + 4].copy_from_slice(&bytes.to_le_bytes());
        let (found, problem) = decode(&file, file.len());
        assert_eq!(found.len(), 1, "{offset} {bytes}");
        assert_eq!(problem, Some(Problem { kind: expected, offset: at, frame: 2 }));
    }
}

#[test]
fn interfaces_are_bounded() {
    let encoder = PcapngEncoder { order: ByteOrder::Little };
    let mut file = Vec::new();
    encoder.section("", &mut file);
    for _ in 0..=MAX_INTERFACES {
        encoder.interface(1, 96, &mut file);
    }
    assert_eq!(kind(decode(&file, file.len()).1), Some(ProblemKind::TooManyInterfaces));
}

#[test]
fn no_byte_whatever_makes_it_panic() {
    for order in ORDERS {
        let mut file = pcapng(order, &three());
        PcapngEncoder { order }.frame(0, &three()[1], "a comment", &mut file);
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
}
