//! Link layers: what follows the header that a frame begins with.
//!
//! Sources: IEEE 802.3, 802.1Q and 802.2; RFC 1042 (SNAP), 1661 and 1662 (PPP), 4391 (IP over `InfiniBand`);
//! the `LINKTYPE_` entries of tcpdump's registry of link types for cooked captures, loopback, NFLOG, Cisco HDLC and
//! netANALYZER.

use pnet_packet::ethernet::EtherTypes;

use super::rest::{IPV4, IPV6, MPLS, NextHeader, Rest};
use super::tunnel::{self, Opened, Tunnel};
use super::{IgnoreReason, be16};
use crate::frame::LinkType;

/// Ethernet header: two addresses and a type.
const ETHERNET_LEN: usize = 14;
/// Linux cooked header: the protocol is its last field.
const SLL_LEN: usize = 16;
/// Linux cooked header, version 2: the protocol is its first field.
const SLL2_LEN: usize = 20;
/// VLAN tag: a control field and the type of what follows.
const TAG_LEN: usize = 4;
/// IP over `InfiniBand`, as captures have it: a global route header, then a type and two reserved bytes.
const IPOIB_ROUTE_LEN: usize = 40;
/// Types up to this one are lengths, and an LLC header follows.
const LLC_MAX: u16 = 1500;

const MPLS_MULTICAST: u16 = EtherTypes::MplsMcast.0;
const PPPOE_SESSION: u16 = 0x8864;
/// Transparent Ethernet bridging: a whole frame.
const BRIDGED: u16 = 0x6558;
/// 802.1Q, 802.1ad, and the types that older switches use for the outer of two tags.
const VLAN: u16 = EtherTypes::Vlan.0;
const SERVICE_VLAN: u16 = EtherTypes::PBridge.0;
const OLD_QINQ: u16 = EtherTypes::QinQ.0;
const OLDER_QINQ: u16 = 0x9200;
/// What the protocol field of a cooked capture says where an LLC header follows.
const COOKED_LLC: u16 = 4;

/// Passes a frame's first header.
pub(super) fn first(link: LinkType, rest: &mut Rest<'_>) -> Result<NextHeader, IgnoreReason> {
    let (kind, len) = match link {
        LinkType::Ethernet => return Ok(NextHeader::Ethernet),
        LinkType::RawIp => return Ok(NextHeader::Ip),
        LinkType::Ppp => return Ok(NextHeader::Ppp),
        LinkType::Loopback => return loopback(rest),
        LinkType::Nflog => return nflog(rest),
        LinkType::PppEther => return Ok(NextHeader::Typed(PPPOE_SESSION)),
        LinkType::PppWithDirection => return behind(rest, 1, NextHeader::Ppp),
        LinkType::Netanalyzer => return behind(rest, 4, NextHeader::Ethernet),
        // With the preamble and the delimiter before the frame.
        LinkType::NetanalyzerTransparent => return behind(rest, 4 + 8, NextHeader::Ethernet),
        LinkType::LinuxSll => (rest.be16(SLL_LEN - 2)?, SLL_LEN),
        LinkType::LinuxSll2 => (rest.be16(0)?, SLL2_LEN),
        LinkType::CiscoHdlc => (rest.be16(2)?, 4),
        LinkType::IpOverInfiniBand => (rest.be16(IPOIB_ROUTE_LEN)?, IPOIB_ROUTE_LEN + 4),
        LinkType::Other(_) => return Err(IgnoreReason::UnknownLinkType),
    };
    let is_llc = kind == COOKED_LLC && matches!(link, LinkType::LinuxSll | LinkType::LinuxSll2);
    behind(rest, len, if is_llc { NextHeader::Llc } else { NextHeader::Typed(kind) })
}

fn behind(rest: &mut Rest<'_>, len: usize, next: NextHeader) -> Result<NextHeader, IgnoreReason> {
    rest.skip(len)?;
    Ok(next)
}

/// Passes an Ethernet header.
pub(super) fn ethernet(rest: &mut Rest<'_>) -> Result<NextHeader, IgnoreReason> {
    let kind = rest.be16(ETHERNET_LEN - 2)?;
    rest.skip(ETHERNET_LEN)?;
    if kind > LLC_MAX {
        return Ok(NextHeader::Typed(kind));
    }
    rest.limit(usize::from(kind));
    Ok(NextHeader::Llc)
}

/// What an Ethernet type announces.
pub(super) fn typed(kind: u16, rest: &mut Rest<'_>, opened: &mut Opened) -> Result<NextHeader, IgnoreReason> {
    match kind {
        IPV4 | IPV6 => Ok(NextHeader::Ip),
        VLAN | SERVICE_VLAN | OLD_QINQ | OLDER_QINQ => tag(rest, opened),
        MPLS | MPLS_MULTICAST => tunnel::mpls(rest, opened),
        PPPOE_SESSION => tunnel::pppoe(rest, opened),
        BRIDGED => Ok(NextHeader::Ethernet),
        _ => Err(IgnoreReason::NotIp),
    }
}

/// Passes a tag.
fn tag(rest: &mut Rest<'_>, opened: &mut Opened) -> Result<NextHeader, IgnoreReason> {
    opened.enter(Tunnel::Vlan, rest)?;
    let kind = rest.be16(2)?;
    rest.skip(TAG_LEN)?;
    if kind > LLC_MAX { Ok(NextHeader::Typed(kind)) } else { Ok(NextHeader::Llc) }
}

/// Passes an LLC header: with SNAP an Ethernet type follows, and IP has a number of its own.
pub(super) fn llc(rest: &mut Rest<'_>) -> Result<NextHeader, IgnoreReason> {
    match rest.first_chunk()? {
        // Of the two organisations, one stands for Ethernet itself, the other for bridges.
        [0xaa, 0xaa, 3, 0, 0, 0 | 0xf8, kind0, kind1] => {
            behind(rest, 8, NextHeader::Typed(u16::from_be_bytes([kind0, kind1])))
        }
        [6, 6, 3, ..] => behind(rest, 3, NextHeader::Ip),
        _ => Err(IgnoreReason::NotIp),
    }
}

/// Passes a PPP header, whose protocol has one byte where both sides agreed on that.
pub(super) fn ppp(rest: &mut Rest<'_>) -> Result<NextHeader, IgnoreReason> {
    let [mut first] = rest.first_chunk()?;
    if first == 0xff && rest.first_chunk()? == [0xff, 3] {
        rest.skip(2)?;
        [first] = rest.first_chunk()?;
    }
    let (protocol, len) = if first & 1 == 1 { (u16::from(first), 1) } else { (rest.be16(0)?, 2) };
    let next = match protocol {
        0x0021 | 0x0057 => NextHeader::Ip,
        0x0281 | 0x0283 => NextHeader::Typed(MPLS),
        _ => return Err(IgnoreReason::NotIp),
    };
    behind(rest, len, next)
}

/// Passes the 4-byte family, which is in the order of the host that captured it.
fn loopback(rest: &mut Rest<'_>) -> Result<NextHeader, IgnoreReason> {
    let family: [u8; 4] = rest.first_chunk()?;
    match u32::from_be_bytes(family).min(u32::from_le_bytes(family)) {
        // IPv4 everywhere; IPv6 on Linux, Windows, NetBSD and OpenBSD, FreeBSD, macOS.
        2 | 10 | 23 | 24 | 28 | 30 => behind(rest, 4, NextHeader::Ip),
        _ => Err(IgnoreReason::NotIp),
    }
}

/// Finds the packet among the attributes that netfilter's log writes: each has a length and a type, in the order
/// of the host that wrote them, and fills whole words. The length counts its own header.
fn nflog(rest: &mut Rest<'_>) -> Result<NextHeader, IgnoreReason> {
    const HEADER_LEN: usize = 4;
    const PAYLOAD: u16 = 9;
    rest.skip(HEADER_LEN)?;
    // Attributes are short but for the packet, which comes last: of both orders the smaller length is right.
    let is_big = be16(rest.data, 0).is_some_and(|len| len < len.swap_bytes());
    let number = |rest: &Rest<'_>, at| rest.be16(at).map(|it| if is_big { it } else { it.swap_bytes() });
    loop {
        let (len, kind) = (usize::from(number(rest, 0)?), number(rest, 2)?);
        if len < HEADER_LEN {
            return Err(IgnoreReason::NotIp);
        }
        if kind == PAYLOAD {
            rest.skip(HEADER_LEN)?;
            rest.limit(len - HEADER_LEN);
            return Ok(NextHeader::Ip);
        }
        rest.skip(len.next_multiple_of(4))?;
    }
}
