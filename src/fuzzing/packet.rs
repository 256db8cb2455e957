//! Frames: a segment lies in its frame, and a shorter capture of the frame never contradicts it.

use super::cuts;
use crate::frame::{Frame, FrameRef, LinkType};
use crate::packet::{self, IgnoreReason, Segment};
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
    let whole = packet::segment(&frame);
    if let Ok(segment) = &whole {
        check(&frame, segment);
    }
    for len in cuts(data.len()) {
        match (&whole, packet::segment(&Frame { data: &data[..len], ..frame })) {
            (Ok(whole), Ok(cut)) => agree(whole, &cut),
            (Ok(_), Err(reason)) => assert_eq!(reason, IgnoreReason::CutHeader, "at {len}"),
            (Err(reason), Err(cut)) => {
                assert!(
                    cut == *reason || cut == IgnoreReason::CutHeader,
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
    assert!(whole.sack || !cut.sack);
}
