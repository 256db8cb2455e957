//! IPv4 (RFC 791) and IPv6 (RFC 8200): the addresses, and which bytes are TCP.

use pnet_packet::ip::IpNextHeaderProtocols as Protocol;

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
const HOP_BY_HOP: u8 = Protocol::Hopopt.0;
const ROUTING: u8 = Protocol::Ipv6Route.0;
const FRAGMENT: u8 = Protocol::Ipv6Frag.0;
const AUTHENTICATION: u8 = Protocol::Ah.0;
const DESTINATION: u8 = Protocol::Ipv6Opts.0;
const MOBILITY: u8 = Protocol::MobilityHeader.0;
const HIP: u8 = Protocol::Hip.0;
const SHIM6: u8 = Protocol::Shim6.0;

/// What an IP header says about its TCP segment.
pub(super) struct Transport<'a> {
    pub(super) src: Address,
    pub(super) dst: Address,
    pub(super) ttl: u8,
    pub(super) id: u16,
    /// The captured bytes from the TCP header on, at most `wire_len`.
    pub(super) data: &'a [u8],
    /// Their length on the wire.
    pub(super) wire_len: usize,
}

/// The TCP segment in an IP packet for which the link layer carried `wire_len` bytes.
#[inline]
pub(super) fn transport(data: &[u8], wire_len: usize) -> Result<Transport<'_>, IgnoreReason> {
    match data.first().map(|byte| byte >> 4) {
        Some(4) => v4(data, wire_len),
        Some(6) => v6(data, wire_len),
        Some(_) => Err(IgnoreReason::BadIpHeader),
        None => Err(IgnoreReason::CutHeader),
    }
}

#[inline]
fn v4(data: &[u8], wire_len: usize) -> Result<Transport<'_>, IgnoreReason> {
    let head: &[u8; V4_LEN] = data.first_chunk().ok_or(IgnoreReason::CutHeader)?;
    let [first, _, total_hi, total_lo, id_hi, id_lo, fragment_hi, fragment_lo, ttl, protocol, ..] = *head;
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = *head;
    let header_len = usize::from(first & 0x0f) * 4;
    if header_len < V4_LEN {
        return Err(IgnoreReason::BadIpHeader);
    }
    if protocol != TCP {
        return Err(IgnoreReason::NotTcp);
    }
    if u16::from_be_bytes([fragment_hi, fragment_lo]) & V4_FRAGMENT != 0 {
        return Err(IgnoreReason::Fragment);
    }
    let total = match usize::from(u16::from_be_bytes([total_hi, total_lo])) {
        // Captured before segmentation offload.
        0 => super_len(wire_len)?,
        total if total > wire_len => return Err(IgnoreReason::LengthContradiction),
        total => total,
    };
    let wire_len = total.checked_sub(header_len).ok_or(IgnoreReason::BadIpHeader)?;
    Ok(Transport {
        src: Address::v4(u32::from_be_bytes([s0, s1, s2, s3])),
        dst: Address::v4(u32::from_be_bytes([d0, d1, d2, d3])),
        ttl,
        id: u16::from_be_bytes([id_hi, id_lo]),
        data: after(data, header_len, wire_len)?,
        wire_len,
    })
}

fn v6(data: &[u8], wire_len: usize) -> Result<Transport<'_>, IgnoreReason> {
    let (head, rest) = data.split_first_chunk::<V6_LEN>().ok_or(IgnoreReason::CutHeader)?;
    let [_, _, _, _, len_hi, len_lo, next, hop_limit, addresses @ ..] = head;
    let (src, dst) = addresses.split_first_chunk::<16>().ok_or(IgnoreReason::CutHeader)?;
    let dst = dst.first_chunk::<16>().ok_or(IgnoreReason::CutHeader)?;
    let carried = wire_len.saturating_sub(V6_LEN);
    let payload_len = match usize::from(u16::from_be_bytes([*len_hi, *len_lo])) {
        // Captured before segmentation offload, or a jumbogram (RFC 2675); the same rule covers both.
        0 => super_len(carried)?,
        len if len > carried => return Err(IgnoreReason::LengthContradiction),
        len => len,
    };
    let extensions_len = extensions(rest, *next)?;
    let wire_len = payload_len.checked_sub(extensions_len).ok_or(IgnoreReason::BadIpHeader)?;
    Ok(Transport {
        src: Address::v6(u128::from_be_bytes(*src)),
        dst: Address::v6(u128::from_be_bytes(*dst)),
        ttl: *hop_limit,
        id: 0,
        data: after(rest, extensions_len, wire_len)?,
        wire_len,
    })
}

/// The length of a packet whose own length field is 0. Only the capture's record gives it, and that may claim
/// up to 4 GiB.
fn super_len(wire_len: usize) -> Result<usize, IgnoreReason> {
    if wire_len > MAX_OFFLOADED { Err(IgnoreReason::LengthContradiction) } else { Ok(wire_len) }
}

/// The length of the extension headers before TCP. The loop ends, since each header is at least 8 bytes.
fn extensions(data: &[u8], mut next: u8) -> Result<usize, IgnoreReason> {
    let mut at = 0;
    while next != TCP {
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
    Ok(at)
}

/// The captured bytes of a header's payload: from `header_len` on, without padding.
#[inline]
fn after(data: &[u8], header_len: usize, wire_len: usize) -> Result<&[u8], IgnoreReason> {
    let data = data.get(header_len..).ok_or(IgnoreReason::CutHeader)?;
    Ok(data.get(..wire_len).unwrap_or(data))
}
