#![expect(clippy::unwrap_used, reason = "a test may fail")]

use pnet_packet::Packet;
use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::tcp::TcpPacket;

use super::*;
use crate::frame::LinkType;
use crate::testkit::frame::{TIMESTAMPS, cut, ethernet, ethertype, frame, ipv4, ipv6, tcp};

const PAYLOAD: [u8; 40] = *b"a proposal, two acks and a commit, maybe";

fn plain() -> Vec<u8> {
    ethernet(&[], &ipv4(&[], &tcp(&TIMESTAMPS, &PAYLOAD)))
}

fn reason(link: LinkType, data: &[u8]) -> IgnoreReason {
    segment(&frame(link, data)).unwrap_err()
}

/// Asserts that a complete frame carries the standard segment.
fn assert_whole(link: LinkType, data: &[u8]) {
    let frame = frame(link, data);
    let segment = segment(&frame).unwrap();
    assert_eq!(segment.payload, PAYLOAD);
    assert_eq!(segment.len, 40);
    assert_eq!((segment.src.port, segment.dst.port), (40_000, 2888));
    assert_eq!((segment.seq, segment.ack), (0x0102_0304, 0x0506_0708));
    assert_eq!(segment.timestamps, Some((7, 9)));
}

#[test]
fn every_field_arrives() {
    let bytes = plain();
    let frame = frame(LinkType::Ethernet, &bytes);
    let segment = segment(&frame).unwrap();
    assert_eq!(segment.at, frame.at);
    assert_eq!(segment.frame, frame.id);
    assert_eq!(segment.src.to_string(), "10.0.0.1:40000");
    assert_eq!(segment.dst.to_string(), "10.0.0.2:2888");
    assert!(
        segment.flags.contains(Flags::PSH)
            && segment.flags.contains(Flags::ACK)
            && !segment.flags.contains(Flags::SYN)
    );
    assert_eq!((segment.window, segment.checksum), (501, 0xcafe));
    assert_eq!((segment.ttl, segment.ip_id), (64, 0x1234));
    assert_eq!((segment.window_scale, segment.sack), (None, false));
    assert_whole(LinkType::Ethernet, &bytes);
}

#[test]
fn an_independent_parser_agrees() {
    let bytes = plain();
    let frame = frame(LinkType::Ethernet, &bytes);
    let segment = segment(&frame).unwrap();
    let ip = Ipv4Packet::new(&bytes[14..]).unwrap();
    let tcp = TcpPacket::new(ip.payload()).unwrap();
    assert_eq!(segment.src.address.ip(), ip.get_source());
    assert_eq!((segment.seq, segment.ack), (tcp.get_sequence(), tcp.get_acknowledgement()));
    assert_eq!(segment.payload, tcp.payload());
    assert_eq!(segment.flags.0, tcp.get_flags());
}

#[test]
fn tags_are_passed_over_however_many() {
    for tags in [&[0x8100][..], &[0x88a8, 0x8100], &[0x9100, 0x8100, 0x8100]] {
        assert_whole(LinkType::Ethernet, &ethernet(tags, &ipv4(&[], &tcp(&TIMESTAMPS, &PAYLOAD))));
        assert_whole(LinkType::Ethernet, &ethernet(tags, &ipv6(&[], &tcp(&TIMESTAMPS, &PAYLOAD))));
    }
}

#[test]
fn every_link_type_is_read() {
    for packet in [ipv4(&[], &tcp(&TIMESTAMPS, &PAYLOAD)), ipv6(&[], &tcp(&TIMESTAMPS, &PAYLOAD))] {
        let protocol = ethertype(&packet).to_be_bytes();
        assert_whole(LinkType::RawIp, &packet);

        let mut sll = vec![0; 14];
        sll.extend(protocol);
        assert_whole(LinkType::LinuxSll, &[&sll[..], &packet].concat());
        let mut tagged = vec![0; 14];
        tagged.extend([0x81, 0, 0, 100]);
        tagged.extend(protocol);
        assert_whole(LinkType::LinuxSll, &[&tagged[..], &packet].concat());

        let mut sll2 = protocol.to_vec();
        sll2.extend([0; 18]);
        assert_whole(LinkType::LinuxSll2, &[&sll2[..], &packet].concat());

        let families = if packet[0] == 0x45 { &[2_u32][..] } else { &[10, 24, 28, 30] };
        for family in families {
            assert_whole(LinkType::Loopback, &[&family.to_be_bytes()[..], &packet].concat());
            assert_whole(LinkType::Loopback, &[&family.to_le_bytes()[..], &packet].concat());
        }
    }
    assert_eq!(reason(LinkType::Other(195), &plain()), IgnoreReason::UnknownLinkType);
}

#[test]
fn what_is_not_tcp_over_ip_is_told_apart() {
    let mut arp = plain();
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    assert_eq!(reason(LinkType::Ethernet, &arp), IgnoreReason::NotIp);
    assert_eq!(reason(LinkType::Loopback, &[0, 0, 0, 7, 0x45]), IgnoreReason::NotIp);
    let mut udp = plain();
    udp[14 + 9] = 17;
    assert_eq!(reason(LinkType::Ethernet, &udp), IgnoreReason::NotTcp);
    let mut icmp6 = ipv6(&[], &tcp(&[], &[]));
    icmp6[6] = 58;
    assert_eq!(reason(LinkType::RawIp, &icmp6), IgnoreReason::NotTcp);
    // Nothing follows, and no bytes either.
    assert_eq!(
        reason(LinkType::RawIp, &[&icmp6[..6], &[59], &icmp6[7..40]].concat()),
        IgnoreReason::LengthContradiction
    );
    assert_eq!(reason(LinkType::RawIp, &[0x55; 60]), IgnoreReason::BadIpHeader);
}

#[test]
fn ipv4_options_are_passed_over() {
    for words in 1..=10 {
        assert_whole(LinkType::RawIp, &ipv4(&vec![1; words * 4], &tcp(&TIMESTAMPS, &PAYLOAD)));
    }
    let mut short = ipv4(&[], &tcp(&[], &[]));
    short[0] = 0x44;
    assert_eq!(reason(LinkType::RawIp, &short), IgnoreReason::BadIpHeader);
}

#[test]
fn ipv6_extension_headers_are_passed_over() {
    let eight: &[u8] = &[0, 1, 4, 0, 0, 0, 0];
    let sixteen: &[u8] = &[1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    // The length of an AH counts words of 4 less 2: 24 bytes.
    let authentication: &[u8] = &[4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let whole_in_one_fragment: &[u8] = &[0, 0, 0, 0, 0, 0, 1];
    let all: &[(u8, &[u8])] = &[
        (0, eight),
        (60, sixteen),
        (43, eight),
        (44, whole_in_one_fragment),
        (51, authentication),
        (60, eight),
    ];
    for count in 0..=all.len() {
        let packet = ipv6(&all[..count], &tcp(&TIMESTAMPS, &PAYLOAD));
        assert_whole(LinkType::RawIp, &packet);
        for snaplen in 0..packet.len() {
            let result = segment(&cut(frame(LinkType::RawIp, &packet), snaplen));
            let enough = snaplen + PAYLOAD.len() + TIMESTAMPS.len() + 6 >= packet.len();
            assert_eq!(
                result.map(|segment| segment.len).ok(),
                enough.then_some(40),
                "{snaplen} of {}",
                packet.len()
            );
            assert!(enough || result.is_err_and(|reason| reason == IgnoreReason::CutHeader));
        }
    }
}

#[test]
fn fragments_take_no_part() {
    for (offset, flags) in [(0, 0x20), (185, 0x20), (185, 0)] {
        let mut packet = ipv4(&[], &tcp(&TIMESTAMPS, &PAYLOAD));
        packet[6] = flags;
        packet[7] = offset;
        assert_eq!(reason(LinkType::RawIp, &packet), IgnoreReason::Fragment);
    }
    for place in [[0, 0, 1], [0, 5, 0xb8], [0, 5, 0xb9]] {
        let mut rest = place.to_vec();
        rest.extend([0, 0, 0, 1]);
        let packet = ipv6(&[(44, &rest)], &tcp(&TIMESTAMPS, &PAYLOAD));
        assert_eq!(reason(LinkType::RawIp, &packet), IgnoreReason::Fragment);
    }
}

#[test]
fn a_super_segment_takes_its_length_from_the_frame() {
    let payload = vec![7; 60_000];
    let mut v4 = ethernet(&[0x8100], &ipv4(&[], &tcp(&TIMESTAMPS, &payload)));
    v4[18 + 2..18 + 4].fill(0);
    let mut v6 = ethernet(&[], &ipv6(&[], &tcp(&TIMESTAMPS, &payload)));
    v6[14 + 4..14 + 6].fill(0);
    for bytes in [v4, v6] {
        let whole = frame(LinkType::Ethernet, &bytes);
        assert_eq!(segment(&whole).unwrap().len, 60_000);
        let cut = segment(&cut(whole, 128)).unwrap();
        assert_eq!(cut.len, 60_000);
        assert!(cut.payload.len() < 128 && cut.payload.iter().all(|byte| *byte == 7));
    }
    // More than an IP length field can hold.
    let bytes = {
        let mut bytes = ethernet(&[], &ipv4(&[], &tcp(&TIMESTAMPS, &PAYLOAD)));
        bytes[14 + 2..14 + 4].fill(0);
        bytes
    };
    let big = Frame { orig_len: 190_066, ..frame(LinkType::Ethernet, &bytes) };
    assert_eq!(segment(&big).unwrap().len, 190_000);
}

#[test]
fn a_frame_of_gigabytes_is_a_contradiction_not_a_segment() {
    let mut v4 = ipv4(&[], &tcp(&[], &PAYLOAD));
    v4[2..4].fill(0);
    let mut v6 = ipv6(&[], &tcp(&[], &PAYLOAD));
    v6[4..6].fill(0);
    for bytes in [v4, v6] {
        let of = |orig_len| segment(&Frame { orig_len, ..frame(LinkType::RawIp, &bytes) });
        assert!(of(8 * 65_535).is_ok());
        for orig_len in [600_000, 2_147_483_647, u32::MAX] {
            assert_eq!(of(orig_len).unwrap_err(), IgnoreReason::LengthContradiction, "{orig_len}");
        }
    }
}

#[test]
fn padding_is_no_payload() {
    for packet in [ipv4(&[], &tcp(&[], b"ab")), ipv6(&[], &tcp(&[], b"ab"))] {
        let mut bytes = ethernet(&[], &packet);
        bytes.extend([0; 30]);
        let frame = frame(LinkType::Ethernet, &bytes);
        let segment = segment(&frame).unwrap();
        assert_eq!((segment.len, segment.payload), (2, &b"ab"[..]));
    }
}

#[test]
fn lengths_that_contradict_each_other_are_refused() {
    let mut long = plain();
    long[14 + 3] += 1;
    assert_eq!(reason(LinkType::Ethernet, &long), IgnoreReason::LengthContradiction);
    let mut long = ipv6(&[], &tcp(&[], &PAYLOAD));
    long[5] += 1;
    assert_eq!(reason(LinkType::RawIp, &long), IgnoreReason::LengthContradiction);
    let mut short = plain();
    short[14 + 2..14 + 4].copy_from_slice(&[0, 19]);
    assert_eq!(reason(LinkType::Ethernet, &short), IgnoreReason::BadIpHeader);
    short[14 + 2..14 + 4].copy_from_slice(&[0, 39]);
    assert_eq!(reason(LinkType::Ethernet, &short), IgnoreReason::BadTcpHeader);
    for words in [0, 4, 15] {
        let mut bytes = ethernet(&[], &ipv4(&[], &tcp(&[], &[])));
        bytes[14 + 20 + 12] = words << 4;
        assert_eq!(reason(LinkType::Ethernet, &bytes), IgnoreReason::BadTcpHeader);
    }
}

#[test]
fn a_cut_leaves_what_was_kept() {
    let bytes = plain();
    let headers = 14 + 20;
    for snaplen in 0..=bytes.len() {
        let result = segment(&cut(frame(LinkType::Ethernet, &bytes), snaplen));
        if snaplen < headers + 14 {
            assert_eq!(result.unwrap_err(), IgnoreReason::CutHeader, "{snaplen}");
            continue;
        }
        let segment = result.unwrap();
        assert_eq!((segment.len, segment.seq), (40, 0x0102_0304), "{snaplen}");
        assert_eq!(segment.payload.len(), snaplen.saturating_sub(headers + 32), "{snaplen}");
        assert_eq!(segment.timestamps.is_some(), snaplen >= headers + 32, "{snaplen}");
        assert_eq!(segment.window, if snaplen >= headers + 20 { 501 } else { 0 }, "{snaplen}");
    }
}

/// The options of a segment that has these.
fn options(bytes: &[u8]) -> (Option<(u32, u32)>, Option<u8>, bool) {
    let bytes = ipv4(&[], &tcp(bytes, &PAYLOAD));
    let frame = frame(LinkType::RawIp, &bytes);
    let segment = segment(&frame).unwrap();
    assert_eq!((segment.payload, segment.len), (&PAYLOAD[..], 40));
    (segment.timestamps, segment.window_scale, segment.sack)
}

#[test]
fn options_are_found_in_any_order() {
    assert_eq!(options(&[]), (None, None, false));
    // A SYN of Linux: MSS, SACK permitted, timestamps, NOP, window scale.
    let syn = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
    assert_eq!(options(&syn), (Some((1, 0)), Some(7), false));
    let sack = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 5, 10, 5, 6, 7, 30, 5, 6, 7, 40];
    assert_eq!(options(&sack), (Some((1, 2)), None, true));
    // What came twice, with all before it acknowledged, and behind it a gap.
    let twice = [1, 1, 5, 10, 5, 6, 7, 1, 5, 6, 7, 8];
    assert_eq!(options(&twice), (None, None, false));
    let both = [1, 1, 5, 18, 5, 6, 7, 1, 5, 6, 7, 8, 5, 6, 7, 30, 5, 6, 7, 40];
    assert_eq!(options(&both), (None, None, true));
    let ended = [0, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    assert_eq!(options(&ended), (None, None, false));
}

#[test]
fn of_an_option_that_is_there_twice_the_first_counts_cut_or_not() {
    let twice = [3, 3, 7, 3, 3, 9, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 8, 10, 0, 0, 0, 3, 0, 0, 0, 4, 1, 1];
    assert_eq!(options(&twice), (Some((1, 2)), Some(7), false));
    let bytes = ipv4(&[], &tcp(&twice, &PAYLOAD));
    let part = cut(frame(LinkType::RawIp, &bytes), 40 + 16);
    assert_eq!(segment(&part).unwrap().timestamps, Some((1, 2)));
}

#[test]
fn garbage_in_options_ends_their_walk() {
    for garbage in [[8, 0, 0, 0], [8, 1, 0, 0], [8, 255, 0, 0], [1, 1, 1, 8], [3, 4, 1, 2], [5, 2, 0, 0]] {
        assert_eq!(options(&garbage), (None, None, false), "{garbage:?}");
    }
    // Every kind and length in front of a window scale.
    for kind in 0..=u8::MAX {
        for len in 0..=u8::MAX {
            let _ = options(&[kind, len, 3, 3, 7, 0, 0, 0]);
        }
    }
}

#[test]
fn no_bytes_whatever_make_it_panic() {
    let bytes = plain();
    let links = [0, 1, 101, 113, 276].map(LinkType::from_number);
    for at in 0..bytes.len() {
        for value in 0..=u8::MAX {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            for link in links {
                let whole = frame(link, &bytes);
                for snaplen in [bytes.len(), 96, 66, 60, at] {
                    for orig_len in [0, whole.orig_len, u32::MAX] {
                        if let Ok(segment) = segment(&Frame { orig_len, ..cut(whole, snaplen) }) {
                            assert!(segment.payload.len() <= segment.len as usize);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_short_way_and_the_general_one_agree() {
    let good = plain();
    let mut taken = 0;
    // Every byte of the headers wrong in every bit, and every cut, at three lengths on the wire.
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            for kept in [at, good.len() - 7, good.len()] {
                for extra in [0, 6, 70_000] {
                    let mut frame = frame(LinkType::Ethernet, &bytes[..kept]);
                    frame.orig_len = u32::try_from(good.len()).unwrap() - 3 + extra;
                    let Some(short) = fast_path::segment(&frame) else {
                        continue;
                    };
                    taken += 1;
                    assert_eq!(
                        any(&frame, &mut Tunnels::default()),
                        Ok(short),
                        "byte {at}, bit {bit}, {kept} kept, {extra} more"
                    );
                }
            }
        }
    }
    assert!(taken > 1_000, "{taken}");
    let is_short = |link| fast_path::segment(&frame(link, &good)).is_some();
    assert!(is_short(LinkType::Ethernet) && !is_short(LinkType::RawIp));
}
