//! Frames: a segment lies in its frame, and a shorter capture of the frame never contradicts it.

use super::cuts;
use crate::frame::{Frame, FrameRef, LinkType};
use crate::packet::{self, IgnoreReason, Segment, Tunnels};
use crate::time::Timestamp;

const LINKS: [LinkType; 6] = [
    LinkType::Ethernet,
    LinkType::RawIp,
    LinkType::Loopback,
    LinkType::LinuxSll,
    LinkType::LinuxSll2,
    LinkType::Other(147),
];

/// A frame: a byte for the link type, two for the number of bytes not captured, then the frame.
///
/// Properties: the payload is a part of the frame and no longer than on the wire; cut anywhere, the frame
/// gives the same segment with less payload, or none because its headers were cut, or the same reason.
pub fn segment(data: &[u8]) {
    let [link, cut_hi, cut_lo, data @ ..] = data else { return };
    let link = LINKS[usize::from(*link) % LINKS.len()];
    let orig_len = data.len() as u32 + u32::from(u16::from_be_bytes([*cut_hi, *cut_lo]));
    let frame = Frame { at: Timestamp::default(), link, orig_len, data, id: FrameRef::default() };
    holds(&frame);
}

/// A frame in a tunnel: a byte for the tunnel, two for the number of bytes not captured, then what is inside.
///
/// Properties: those of [`segment`]; what came through tunnels is counted at most once for each header, and what the
/// snaplen cut needs a longer one.
pub fn tunnel(data: &[u8]) {
    let [kind, cut_hi, cut_lo, inside @ ..] = data else { return };
    let data = wrapped(*kind, inside);
    let orig_len = data.len() as u32 + u32::from(u16::from_be_bytes([*cut_hi, *cut_lo]));
    let (at, id) = (Timestamp::default(), FrameRef::default());
    let frame = Frame { at, link: LinkType::Ethernet, orig_len, data: &data, id };
    let mut tunnels = Tunnels::default();
    let outcome = packet::segment_counting(&frame, &mut tunnels);
    assert_eq!(outcome.err(), packet::segment(&frame).err());
    assert!(tunnels.counts().all(|(_, count)| count == 1));
    assert!(tunnels.cut <= 1 && (tunnels.cut == 0 || tunnels.snaplen_needed as usize > data.len()));
    holds(&frame);
}

/// An Ethernet frame in which `inside` lies in a tunnel.
fn wrapped(kind: u8, inside: &[u8]) -> Vec<u8> {
    let udp = |port: u16, header: &[u8]| {
        let len = (8 + header.len() + inside.len()) as u16;
        (17, [&[0xd0, 1][..], &port.to_be_bytes(), &len.to_be_bytes(), &[0, 0], header].concat())
    };
    let (protocol, headers) = match kind % 12 {
        0 => udp(4789, &[8, 0, 0, 0, 0, 0, 42, 0]),
        1 => udp(8472, &[8, 0, 0, 0, 0, 0, 42, 0]),
        2 => udp(6081, &[0, 0, 0x65, 0x58, 0, 0, 42, 0]),
        3 => udp(6081, &[]),
        4 => (47, vec![0, 0, 8, 0]),
        5 => (47, vec![0x20, 0, 0x65, 0x58, 0, 0, 0, 9]),
        6 => (47, vec![0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 1, 0, 1, 0, 0, 0, 0]),
        7 => (47, vec![0x10, 0, 0x22, 0xeb, 0, 0, 0, 1]),
        8 => (4, Vec::new()),
        9 => (41, Vec::new()),
        10 => (137, vec![0, 1, 1, 64]),
        _ => (97, vec![0x30, 0]),
    };
    let total = (20 + headers.len() + inside.len()) as u16;
    let mut frame = vec![2; 12];
    frame.extend([8, 0, 0x45, 0]);
    frame.extend(total.to_be_bytes());
    frame.extend([0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(inside);
    frame
}

/// What holds for a frame and for each cut of it.
fn holds(frame: &Frame<'_>) {
    let data = frame.data;
    let whole = packet::segment(frame);
    if let Ok(segment) = &whole {
        check(frame, segment);
    }
    for len in cuts(data.len()) {
        match (&whole, packet::segment(&Frame { data: &data[..len], ..*frame })) {
            (Ok(whole), Ok(cut)) => agree(whole, &cut),
            // A port of UDP that was cut names no tunnel.
            (Ok(_), Err(reason)) => {
                assert!(
                    matches!(reason, IgnoreReason::CutHeader | IgnoreReason::NotTcp),
                    "{reason:?} at {len}"
                );
            }
            (Err(reason), Err(cut)) => {
                assert!(
                    cut == *reason || matches!(cut, IgnoreReason::CutHeader | IgnoreReason::NotTcp),
                    "{cut:?} at {len}, {reason:?} whole"
                );
            }
            (Err(reason), Ok(_)) => panic!("a segment at {len}, {reason:?} whole"),
        }
    }
}

fn check(frame: &Frame<'_>, segment: &Segment<'_>) {
    assert!(segment.payload.len() as u64 <= u64::from(segment.len));
    assert!(segment.len <= frame.orig_len);
    if !segment.payload.is_empty() {
        let (inside, outside) = (segment.payload.as_ptr_range(), frame.data.as_ptr_range());
        assert!(outside.start <= inside.start && inside.end <= outside.end);
    }
}

fn agree(whole: &Segment<'_>, cut: &Segment<'_>) {
    let key = |s: &Segment<'_>| (s.src, s.dst, s.seq, s.ack, s.flags, s.len, s.ttl, s.ip_id);
    assert_eq!(key(cut), key(whole));
    assert!(whole.payload.starts_with(cut.payload));
    assert!(cut.window == whole.window || cut.window == 0);
    assert!(cut.checksum == whole.checksum || cut.checksum == 0);
    assert!(cut.timestamps.is_none() || cut.timestamps == whole.timestamps);
    assert!(cut.window_scale.is_none() || cut.window_scale == whole.window_scale);
    // A SACK whose blocks were cut counts as a report of a gap, though the whole one may say that something came twice.
}
