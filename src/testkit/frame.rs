//! Builds frames, with one function per layer.

use crate::frame::{Frame, FrameRef, LinkType};
use crate::time::Timestamp;

/// NOP, NOP, timestamps 7 and 9: the options of most segments.
pub(crate) const TIMESTAMPS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9];

/// A TCP header from port 40000 to 2888 with these options (a multiple of 4 bytes), and a payload.
pub(crate) fn tcp(options: &[u8], payload: &[u8]) -> Vec<u8> {
    let words = u8::try_from(5 + options.len() / 4).unwrap();
    let mut bytes = Vec::new();
    bytes.extend(40_000_u16.to_be_bytes());
    bytes.extend(2888_u16.to_be_bytes());
    bytes.extend(0x0102_0304_u32.to_be_bytes());
    bytes.extend(0x0506_0708_u32.to_be_bytes());
    bytes.extend([words << 4, 0x18]);
    bytes.extend(501_u16.to_be_bytes());
    bytes.extend([0xca, 0xfe, 0, 0]);
    bytes.extend_from_slice(options);
    bytes.extend_from_slice(payload);
    bytes
}

/// An IPv4 header from 10.0.0.1 to 10.0.0.2 with these options (a multiple of 4 bytes), and its payload.
pub(crate) fn ipv4(options: &[u8], carried: &[u8]) -> Vec<u8> {
    let words = u8::try_from(5 + options.len() / 4).unwrap();
    let total = u16::try_from(usize::from(words) * 4 + carried.len()).unwrap();
    let mut bytes = vec![0x40 | words, 0];
    bytes.extend(total.to_be_bytes());
    bytes.extend([0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend_from_slice(options);
    bytes.extend_from_slice(carried);
    bytes
}

/// An IPv6 header from fd00::1 to fd00::2 with extension headers, each a protocol number and the bytes after
/// its first one, and its payload.
pub(crate) fn ipv6(extensions: &[(u8, &[u8])], carried: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let following = extensions.iter().skip(1).map(|(kind, _)| *kind).chain([6]);
    for ((_, rest), next) in extensions.iter().zip(following) {
        body.push(next);
        body.extend_from_slice(rest);
    }
    body.extend_from_slice(carried);
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend([extensions.first().map_or(6, |(kind, _)| *kind), 63]);
    for last in [1, 2] {
        bytes.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    bytes.extend(body);
    bytes
}

/// An IP packet with an Ethernet header and these VLAN tags, outermost first.
pub(crate) fn ethernet(tags: &[u16], packet: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1];
    for tag in tags {
        bytes.extend(tag.to_be_bytes());
        bytes.extend([0x00, 0x64]);
    }
    bytes.extend(ethertype(packet).to_be_bytes());
    bytes.extend_from_slice(packet);
    bytes
}

/// The Ethernet type of an IP packet.
pub(crate) fn ethertype(packet: &[u8]) -> u16 {
    if packet.first().is_some_and(|first| first >> 4 == 6) { 0x86dd } else { 0x0800 }
}

/// A complete frame of these bytes.
pub(crate) fn frame(link: LinkType, data: &[u8]) -> Frame<'_> {
    Frame {
        at: Timestamp::from_parts(1_795_248_000, 123_456_000),
        link,
        orig_len: u32::try_from(data.len()).unwrap(),
        data,
        id: FrameRef { file: 0, number: 1 },
    }
}

/// The same frame, cut at `snaplen`.
pub(crate) fn cut(frame: Frame<'_>, snaplen: usize) -> Frame<'_> {
    Frame { data: frame.data.get(..snaplen).unwrap_or(frame.data), ..frame }
}
