//! The fast path for the shape that nearly every frame has.
//!
//! Ethernet without VLAN tags, IPv4 without options, TCP with timestamps and no other option: the headers are
//! one array of known length, so one length check covers them all. Any other frame takes the general path
//! through [`super::link`], [`super::ip`] and [`super::tcp`]. A test checks that both give the same result.

use pnet_packet::ethernet::EtherTypes;
use pnet_packet::ip::IpNextHeaderProtocols as Protocol;

use super::tcp::COMMON;
use super::{Flags, Segment, SegmentHeader};
use crate::address::{Address, Endpoint};
use crate::frame::{Frame, LinkType};

/// Bytes before the IP header.
const LINK_LEN: usize = 14;
/// Bytes of IP and TCP headers together.
const HEADERS_LEN: usize = 20 + 32;
/// IPv4: version 4, five words of header.
const V4_PLAIN: u8 = 0x45;
/// TCP: eight words of header, reserved bits clear or not.
const WORDS: u8 = 8;
/// IPv4: the more-fragments bit and the offset.
const FRAGMENT: u16 = 0x3fff;

/// The segment of a frame of the common shape.
#[inline(always)]
pub(super) fn segment<'a>(frame: &Frame<'a>) -> Option<Segment<'a>> {
    let head = frame.data.first_chunk::<{ LINK_LEN + HEADERS_LEN }>()?;
    let [
        link @ ..,
        version,
        _,
        t0,
        t1,
        i0,
        i1,
        f0,
        f1,
        ttl,
        protocol,
        _,
        _,
        s0,
        s1,
        s2,
        s3,
        d0,
        d1,
        d2,
        d3,
        p0,
        p1,
        o0,
        o1,
        q0,
        q1,
        q2,
        q3,
        a0,
        a1,
        a2,
        a3,
        words,
        flags,
        w0,
        w1,
        c0,
        c1,
        _,
        _,
        n0,
        n1,
        n2,
        n3,
        v0,
        v1,
        v2,
        v3,
        e0,
        e1,
        e2,
        e3,
    ] = *head;
    let [.., type0, type1] = link;
    let total = usize::from(u16::from_be_bytes([t0, t1]));
    let wire_len = (frame.orig_len as usize).max(frame.data.len());
    let is_usual = frame.link == LinkType::Ethernet
        && u16::from_be_bytes([type0, type1]) == EtherTypes::Ipv4.0
        && version == V4_PLAIN
        && protocol == Protocol::Tcp.0
        && u16::from_be_bytes([f0, f1]) & FRAGMENT == 0
        && words >> 4 == WORDS
        && [n0, n1, n2, n3] == COMMON
        && total >= HEADERS_LEN
        && total + LINK_LEN <= wire_len;
    if !is_usual {
        return None;
    }
    let end = (LINK_LEN + total).min(frame.data.len());
    Some(Segment {
        src: Endpoint {
            address: Address::v4(u32::from_be_bytes([s0, s1, s2, s3])),
            port: u16::from_be_bytes([p0, p1]),
        },
        dst: Endpoint {
            address: Address::v4(u32::from_be_bytes([d0, d1, d2, d3])),
            port: u16::from_be_bytes([o0, o1]),
        },
        header: SegmentHeader {
            at: frame.at,
            frame: frame.id,
            seq: u32::from_be_bytes([q0, q1, q2, q3]),
            ack: u32::from_be_bytes([a0, a1, a2, a3]),
            len: u32::try_from(total - HEADERS_LEN).unwrap_or(0),
            timestamps: Some((u32::from_be_bytes([v0, v1, v2, v3]), u32::from_be_bytes([e0, e1, e2, e3]))),
            window: u16::from_be_bytes([w0, w1]),
            ip_id: u16::from_be_bytes([i0, i1]),
            checksum: u16::from_be_bytes([c0, c1]),
            window_scale: None,
            ttl,
            flags: Flags(flags),
            sack: false,
        },
        payload: frame.data.get(LINK_LEN + HEADERS_LEN..end).unwrap_or_default(),
    })
}
