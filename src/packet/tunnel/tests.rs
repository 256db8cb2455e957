#![expect(clippy::unwrap_used, reason = "a test may fail")]

use super::super::{segment, segment_counting};
use super::*;
use crate::frame::LinkType;
use crate::testkit::frame::{TIMESTAMPS, cut, ethernet, frame, ipv4, ipv6, tcp};

const PAYLOAD: [u8; 40] = *b"a proposal, two acks and a commit, maybe";

fn inner_packets() -> [Vec<u8>; 2] {
    [ipv4(&[], &tcp(&TIMESTAMPS, &PAYLOAD)), ipv6(&[], &tcp(&TIMESTAMPS, &PAYLOAD))]
}

/// IPv4 or IPv6 with another protocol than TCP.
fn carrying(protocol: u8, is_v6: bool, carried: &[u8]) -> Vec<u8> {
    let mut packet = if is_v6 { ipv6(&[], carried) } else { ipv4(&[], carried) };
    packet[if is_v6 { 6 } else { 9 }] = protocol;
    packet
}

fn udp(port: u16, carried: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + carried.len()).unwrap();
    [&[0xd0, 0x01][..], &port.to_be_bytes(), &len.to_be_bytes(), &[0, 0], carried].concat()
}

fn ethernet_type(packet: &[u8]) -> [u8; 2] {
    crate::testkit::frame::ethertype(packet).to_be_bytes()
}

/// Each way to wrap an IP packet into another one, without the Ethernet header around all: what it counts as.
fn wrapped(inner: &[u8], is_v6: bool) -> Vec<(&'static str, Vec<u8>)> {
    let bridged = ethernet(&[], inner);
    let kind = ethernet_type(inner);
    let vxlan = [&[8, 0, 0, 0, 0, 0, 42, 0][..], &bridged].concat();
    let geneve = [&[2, 0, 0x65, 0x58, 0, 0, 42, 0][..], &[0; 8], &bridged].concat();
    let gre = |flags: [u8; 2], kind: [u8; 2], words: usize, carried: &[u8]| {
        carrying(47, is_v6, &[&flags[..], &kind, &vec![7; words * 4], carried].concat())
    };
    let in_ip = if inner[0] >> 4 == 6 { 41 } else { 4 };
    vec![
        ("vxlan", carrying(17, is_v6, &udp(4789, &vxlan))),
        ("vxlan", carrying(17, is_v6, &udp(8472, &vxlan))),
        ("vxlan", carrying(17, is_v6, &udp(4790, &[&[0x0c, 0, 0, 3, 0, 0, 42, 0][..], &bridged].concat()))),
        ("geneve", carrying(17, is_v6, &udp(6081, &geneve))),
        (
            "geneve",
            carrying(17, is_v6, &udp(6081, &[&[0, 0, kind[0], kind[1], 0, 0, 1, 0][..], inner].concat())),
        ),
        ("gre", gre([0, 0], kind, 0, inner)),
        ("gre", gre([0x20, 0], kind, 1, inner)),
        ("gre", gre([0xb0, 0], kind, 3, inner)),
        // NVGRE.
        ("gre", gre([0x20, 0], [0x65, 0x58], 1, &bridged)),
        // Version 1 carries PPP.
        (
            "gre",
            gre([0x30, 0x81], [0x88, 0x0b], 3, &[&[0xff, 3, 0, ppp_protocol(inner)][..], inner].concat()),
        ),
        ("erspan", gre([0, 0], [0x88, 0xbe], 0, &bridged)),
        ("erspan", gre([0x10, 0], [0x88, 0xbe], 1, &[&[0x10, 1, 0, 1, 0, 0, 0, 0][..], &bridged].concat())),
        ("erspan", gre([0x10, 0], [0x22, 0xeb], 1, &[&[0x20; 11][..], &[0], &bridged].concat())),
        ("erspan", gre([0x10, 0], [0x22, 0xeb], 1, &[&[0x20; 10][..], &[0, 1], &[9; 8], &bridged].concat())),
        ("erspan", gre([0x10, 0], [0x22, 0xeb], 1, &[&[0x20; 10][..], &[8, 0], inner].concat())),
        ("ip_in_ip", carrying(in_ip, is_v6, inner)),
        ("ether_ip", carrying(97, is_v6, &[&[0x30, 0][..], &bridged].concat())),
        ("mpls", carrying(137, is_v6, &[&[0, 1, 1, 64][..], inner].concat())),
        ("mpls", carrying(17, is_v6, &udp(6635, &[&[0, 1, 1, 64][..], inner].concat()))),
    ]
}

fn ppp_protocol(packet: &[u8]) -> u8 {
    if packet[0] >> 4 == 6 { 0x57 } else { 0x21 }
}

/// Asserts that the frame carries the segment, and says what it came through.
fn opened(link: LinkType, data: &[u8]) -> Vec<(&'static str, u64)> {
    let frame = frame(link, data);
    let mut tunnels = Tunnels::default();
    let segment = segment_counting(&frame, &mut tunnels).unwrap();
    assert_eq!((segment.payload, segment.len), (&PAYLOAD[..], 40));
    assert_eq!((segment.src.port, segment.dst.port, segment.seq), (40_000, 2888, 0x0102_0304));
    assert_eq!(tunnels.cut, 0);
    tunnels.counts().collect()
}

#[test]
fn every_tunnel_is_opened_and_counted() {
    for inner in inner_packets() {
        for is_v6 in [false, true] {
            for (kind, packet) in wrapped(&inner, is_v6) {
                assert_eq!(opened(LinkType::Ethernet, &ethernet(&[], &packet)), [(kind, 1)]);
                assert_eq!(opened(LinkType::RawIp, &packet), [(kind, 1)]);
                let tagged = opened(LinkType::Ethernet, &ethernet(&[0x88a8, 0x9200, 0x8100], &packet));
                assert_eq!(tagged, [(kind, 1), ("vlan", 1)]);
            }
        }
    }
}

#[test]
fn no_cut_of_any_tunnel_is_told_as_something_else() {
    for inner in inner_packets() {
        for (kind, packet) in wrapped(&inner, false) {
            let bytes = ethernet(&[], &packet);
            let whole = frame(LinkType::Ethernet, &bytes);
            for snaplen in 0..bytes.len() {
                let part = cut(whole, snaplen);
                let mut tunnels = Tunnels::default();
                match segment_counting(&part, &mut tunnels) {
                    Ok(segment) => {
                        assert_eq!((segment.len, segment.dst.port), (40, 2888), "{kind} at {snaplen}")
                    }
                    Err(IgnoreReason::CutHeader) => assert_eq!(tunnels.cut, 1, "{kind} at {snaplen}"),
                    // A port that was cut names no tunnel.
                    Err(reason) => {
                        assert!(reason == IgnoreReason::NotTcp && snaplen < 38, "{kind}: {reason:?}")
                    }
                }
                // What is cut earlier does not show that IPv6 is inside.
                if tunnels.snaplen_needed > 0 && snaplen > 90 {
                    let enough = cut(whole, tunnels.snaplen_needed as usize);
                    assert!(
                        segment(&enough).unwrap().payload.len() >= 30,
                        "{kind} at {snaplen}: {tunnels:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn labels_and_sessions_below_ip_are_opened() {
    for inner in inner_packets() {
        let mpls = |kind: u8, labels: &[u8], carried: &[u8]| {
            [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, kind][..], labels, carried].concat()
        };
        let two = [0, 1, 0, 64, 0, 2, 1, 64];
        assert_eq!(opened(LinkType::Ethernet, &mpls(0x47, &two, &inner)), [("mpls", 1)]);
        assert_eq!(opened(LinkType::Ethernet, &mpls(0x48, &two[4..], &inner)), [("mpls", 1)]);
        let pseudowire = ethernet(&[0x8100], &inner);
        let controlled = [&[0; 4][..], &pseudowire].concat();
        for carried in [&ethernet(&[], &inner), &controlled] {
            let found = opened(LinkType::Ethernet, &mpls(0x47, &two, carried));
            assert!(found.contains(&("mpls", 1)));
        }

        let len = u16::try_from(2 + inner.len()).unwrap().to_be_bytes();
        let session =
            [&[0x11, 0, 0, 9, len[0], len[1], 0, ppp_protocol(&inner)][..], &inner, &[0; 6]].concat();
        let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0x64];
        bytes.extend(&session);
        assert_eq!(opened(LinkType::Ethernet, &bytes), [("pppoe", 1)]);
        assert_eq!(opened(LinkType::PppEther, &session), [("pppoe", 1)]);
    }
}

#[test]
fn other_link_types_are_read() {
    for inner in inner_packets() {
        let (kind, protocol) = (ethernet_type(&inner), ppp_protocol(&inner));
        let snap = [&[0xaa, 0xaa, 3, 0, 0, 0][..], &kind, &inner].concat();
        let len = u16::try_from(snap.len()).unwrap().to_be_bytes();
        let mut llc = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, len[0], len[1]];
        llc.extend(&snap);
        llc.extend([0; 4]);
        assert_eq!(opened(LinkType::Ethernet, &llc), []);
        let cooked = [&[0; 14][..], &[0, 4], &snap].concat();
        assert_eq!(opened(LinkType::LinuxSll, &cooked), []);
        for header in [&[0xff, 3, 0, protocol][..], &[0, protocol], &[protocol]] {
            let bytes = [header, &inner].concat();
            assert_eq!(opened(LinkType::Ppp, &bytes), []);
            assert_eq!(opened(LinkType::PppWithDirection, &[&[1][..], &bytes].concat()), []);
        }
        assert_eq!(opened(LinkType::CiscoHdlc, &[&[0x0f, 0][..], &kind, &inner].concat()), []);
        assert_eq!(opened(LinkType::IpOverInfiniBand, &[&[0; 40][..], &kind, &[0, 0], &inner].concat()), []);
        let plain = ethernet(&[], &inner);
        assert_eq!(opened(LinkType::Netanalyzer, &[&[0; 4][..], &plain, &[1; 4]].concat()), []);
        assert_eq!(opened(LinkType::NetanalyzerTransparent, &[&[0; 12][..], &plain].concat()), []);

        let family = if inner[0] >> 4 == 6 { 10 } else { 2 };
        let payload_len = u16::try_from(4 + inner.len()).unwrap();
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            let attribute =
                |len: u16, kind: u16, value: &[u8]| [&order(len)[..], &order(kind), value].concat();
            let bytes = [
                &[family, 0, 0, 5][..],
                &attribute(8, 1, &[8, 0, 3, 0]),
                &attribute(5, 10, &[0, 0, 0, 0]),
                &attribute(payload_len, 9, &inner),
            ];
            assert_eq!(opened(LinkType::Nflog, &bytes.concat()), []);
        }
    }
}

#[test]
fn eight_tunnels_are_opened_and_not_nine() {
    let mut packet = ipv4(&[], &tcp(&TIMESTAMPS, &PAYLOAD));
    for depth in 1..=9 {
        packet = carrying(if packet[0] >> 4 == 6 { 41 } else { 4 }, depth % 2 == 0, &packet);
        let frame = frame(LinkType::RawIp, &packet);
        let expected = if depth > 8 { Err(IgnoreReason::TooDeep) } else { Ok(40) };
        assert_eq!(segment(&frame).map(|segment| segment.len), expected, "{depth}");
    }
}

#[test]
fn what_only_looks_like_a_tunnel_is_none() {
    let inner = ethernet(&[], &ipv4(&[], &tcp(&TIMESTAMPS, &PAYLOAD)));
    let reason = |packet: &[u8]| segment(&frame(LinkType::RawIp, packet)).unwrap_err();
    for (port, header) in [(4789, [0, 0, 0, 0]), (6081, [0xc0, 0, 0x65, 0x58]), (53, [8, 0, 0, 0])] {
        let packet = carrying(17, false, &udp(port, &[&header[..], &[0, 0, 42, 0], &inner].concat()));
        assert_eq!(reason(&packet), IgnoreReason::NotTcp, "{port}");
    }
    for flags in [[0x40, 0], [0, 2], [0, 1]] {
        let packet = carrying(47, false, &[&flags[..], &[8, 0], &inner[14..]].concat());
        assert_eq!(reason(&packet), IgnoreReason::NotTcp, "{flags:?}");
    }
}

#[test]
fn no_bytes_whatever_make_it_panic() {
    let inner = ipv4(&[], &tcp(&TIMESTAMPS, &PAYLOAD));
    for (_, packet) in wrapped(&inner, false) {
        let good = ethernet(&[], &packet);
        for at in 12..good.len() - PAYLOAD.len() {
            for value in [0, 1, 4, 6, 0x45, 0x60, 0x7f, 0x80, 0xff] {
                let mut bytes = good.clone();
                bytes[at] = value;
                for snaplen in [at, bytes.len()] {
                    if let Ok(segment) = segment(&cut(frame(LinkType::Ethernet, &bytes), snaplen)) {
                        assert!(segment.payload.len() <= segment.len as usize);
                    }
                }
            }
        }
    }
}
