//! IPv4 (RFC 791) and IPv6 (RFC 8200): who, to whom, and which bytes are TCP or a tunnel.

use pnet_packet::ip::IpNextHeaderProtocols as Protocol;

use super::rest::{NextHeader, Rest};
use super::tunnel::{self, Opened};
use super::{IgnoreReason, be16};
use crate::address::Address;

/// An IPv4 header without options.
const V4_LEN: usize = 20;
/// The fixed IPv6 header.
const V6_LEN: usize = 40;
/// The longest segment that a capture can hold before segmentation offload: Linux's limit for BIG TCP
/// (`GSO_MAX_SIZE`, 8 times 65,535), and the longest headers.
const MAX_OFFLOADED: usize = 8 * 65_535 + 120;
/// IPv4: the more-fragments bit and the offset.
const V4_FRAGMENT: u16 = 0x3fff;
/// IPv6: the offset and the more-fragments bit.
const V6_FRAGMENT: u16 = 0xfff9;

const TCP: u8 = Protocol::Tcp.0;
const UDP: u8 = Protocol::Udp.0;
const IPV4: u8 = Protocol::Ipv4.0;
const IPV6: u8 = Protocol::Ipv6.0;
const GRE: u8 = Protocol::Gre.0;
const ETHER_IP: u8 = Protocol::Etherip.0;
const MPLS: u8 = Protocol::MplsInIp.0;
const HOP_BY_HOP: u8 = Protocol::Hopopt.0;
const ROUTING: u8 = Protocol::Ipv6Route.0;
const FRAGMENT: u8 = Protocol::Ipv6Frag.0;
const AUTHENTICATION: u8 = Protocol::Ah.0;
const DESTINATION: u8 = Protocol::Ipv6Opts.0;
const MOBILITY: u8 = Protocol::MobilityHeader.0;
const HIP: u8 = Protocol::Hip.0;
const SHIM6: u8 = Protocol::Shim6.0;

/// What an IP header says, and what it carries.
pub(super) struct IpPacket<'a> {
    pub(super) src: Address,
    pub(super) dst: Address,
    pub(super) ttl: u8,
    pub(super) id: u16,
    /// TCP, or a tunnel.
    protocol: u8,
    /// What follows the header, without padding.
    pub(super) rest: Rest<'a>,
}

impl IpPacket<'_> {
    pub(super) const fn is_tcp(&self) -> bool {
        self.protocol == TCP
    }
}

/// The IP packet that comes next, where it carries TCP or a tunnel.
#[inline]
pub(super) fn packet<'a>(rest: &Rest<'a>) -> Result<IpPacket<'a>, IgnoreReason> {
    match rest.data.first().map(|byte| byte >> 4) {
        Some(4) => v4(rest),
        Some(6) => v6(rest),
        Some(_) => Err(IgnoreReason::BadIpHeader),
        None => Err(IgnoreReason::CutHeader),
    }
}

/// Passes the header of a tunnel that IP carries.
pub(super) fn tunnel(packet: &mut IpPacket<'_>, opened: &mut Opened) -> Result<NextHeader, IgnoreReason> {
    let rest = &mut packet.rest;
    match packet.protocol {
        UDP => tunnel::udp(rest, opened),
        GRE => tunnel::gre(rest, opened),
        IPV4 | IPV6 => tunnel::ip_in_ip(rest, opened),
        MPLS => tunnel::mpls(rest, opened),
        ETHER_IP => tunnel::ether_ip(rest, opened),
        _ => Err(IgnoreReason::NotTcp),
    }
}

/// Whether IP carries something that is looked into: `data` is what was captured of it.
fn is_wanted(protocol: u8, data: &[u8]) -> bool {
    match protocol {
        TCP | IPV4 | IPV6 | GRE | MPLS | ETHER_IP => true,
        UDP => be16(data, 2).is_some_and(tunnel::is_tunnel_port),
        _ => false,
    }
}

#[inline]
fn v4<'a>(rest: &Rest<'a>) -> Result<IpPacket<'a>, IgnoreReason> {
    let head: [u8; V4_LEN] = rest.first_chunk()?;
    let [first, _, total_hi, total_lo, id_hi, id_lo, fragment_hi, fragment_lo, ttl, protocol, ..] = head;
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = head;
    let header_len = usize::from(first & 0x0f) * 4;
    if header_len < V4_LEN {
        return Err(IgnoreReason::BadIpHeader);
    }
    if !is_wanted(protocol, rest.data.get(header_len..).unwrap_or_default()) {
        return Err(IgnoreReason::NotTcp);
    }
    if u16::from_be_bytes([fragment_hi, fragment_lo]) & V4_FRAGMENT != 0 {
        return Err(IgnoreReason::Fragment);
    }
    let total = match usize::from(u16::from_be_bytes([total_hi, total_lo])) {
        // A super segment, captured before the interface cut it up.
        0 => super_len(rest.wire_len)?,
        total if total > rest.wire_len => return Err(IgnoreReason::LengthContradiction),
        total => total,
    };
    let carried = total.checked_sub(header_len).ok_or(IgnoreReason::BadIpHeader)?;
    Ok(IpPacket {
        src: Address::v4(u32::from_be_bytes([s0, s1, s2, s3])),
        dst: Address::v4(u32::from_be_bytes([d0, d1, d2, d3])),
        ttl,
        id: u16::from_be_bytes([id_hi, id_lo]),
        protocol,
        rest: after(rest, header_len, carried)?,
    })
}

fn v6<'a>(rest: &Rest<'a>) -> Result<IpPacket<'a>, IgnoreReason> {
    let head: [u8; V6_LEN] = rest.first_chunk()?;
    let [_, _, _, _, len_hi, len_lo, next, hop_limit, addresses @ ..] = &head;
    let (src, dst) = addresses.split_first_chunk::<16>().ok_or(IgnoreReason::CutHeader)?;
    let dst = dst.first_chunk::<16>().ok_or(IgnoreReason::CutHeader)?;
    let carried = rest.wire_len.saturating_sub(V6_LEN);
    let payload_len = match usize::from(u16::from_be_bytes([*len_hi, *len_lo])) {
        // Captured before segmentation offload, or a jumbogram (RFC 2675); the same rule covers both.
        0 => super_len(carried)?,
        len if len > carried => return Err(IgnoreReason::LengthContradiction),
        len => len,
    };
    let (protocol, extensions_len) = extensions(rest.data.get(V6_LEN..).unwrap_or_default(), *next)?;
    let carried = payload_len.checked_sub(extensions_len).ok_or(IgnoreReason::BadIpHeader)?;
    Ok(IpPacket {
        src: Address::v6(u128::from_be_bytes(*src)),
        dst: Address::v6(u128::from_be_bytes(*dst)),
        ttl: *hop_limit,
        id: 0,
        protocol,
        rest: after(rest, V6_LEN + extensions_len, carried)?,
    })
}

/// The length of a packet whose own length field is 0. Only the capture's record gives it, and that may claim
/// up to 4 GiB.
fn super_len(wire_len: usize) -> Result<usize, IgnoreReason> {
    if wire_len > MAX_OFFLOADED { Err(IgnoreReason::LengthContradiction) } else { Ok(wire_len) }
}

/// What comes behind the extension headers, and their length. Ends, since each is at least 8 bytes.
fn extensions(data: &[u8], mut next: u8) -> Result<(u8, usize), IgnoreReason> {
    let mut at = 0;
    loop {
        if is_wanted(next, data.get(at..).unwrap_or_default()) {
            return Ok((next, at));
        }
        let [following, len] = *data.get(at..).and_then(<[u8]>::first_chunk).ok_or(match next {
            HOP_BY_HOP | ROUTING | DESTINATION | FRAGMENT | AUTHENTICATION | MOBILITY | HIP | SHIM6 => {
                IgnoreReason::CutHeader
            }
            _ => IgnoreReason::NotTcp,
        })?;
        at += match next {
            HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY | HIP | SHIM6 => (usize::from(len) + 1) * 8,
            // Counts in words of 4 bytes, less two (RFC 4302).
            AUTHENTICATION => (usize::from(len) + 2) * 4,
            FRAGMENT => match be16(data, at + 2) {
                // A packet in a single fragment is complete (RFC 6946).
                Some(place) if place & V6_FRAGMENT == 0 => 8,
                Some(_) => return Err(IgnoreReason::Fragment),
                None => return Err(IgnoreReason::CutHeader),
            },
            _ => return Err(IgnoreReason::NotTcp),
        };
        next = following;
    }
}

/// What follows a header of `header_len` bytes: `carried` of them, without padding.
#[inline]
fn after<'a>(rest: &Rest<'a>, header_len: usize, carried: usize) -> Result<Rest<'a>, IgnoreReason> {
    let mut rest = *rest;
    rest.skip(header_len)?;
    rest.data = rest.data.get(..carried).unwrap_or(rest.data);
    rest.wire_len = carried;
    Ok(rest)
}
