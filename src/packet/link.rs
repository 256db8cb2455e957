//! Link layers: which bytes of a frame are its IP packet.
//!
//! Sources: IEEE 802.3 and 802.1Q; `LINKTYPE_LINUX_SLL`, `LINKTYPE_LINUX_SLL2` and `LINKTYPE_NULL`
//! in tcpdump's registry of link types.

use pnet_packet::ethernet::EtherTypes;

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

const IPV4: u16 = EtherTypes::Ipv4.0;
const IPV6: u16 = EtherTypes::Ipv6.0;
/// 802.1Q, 802.1ad, and the type that older switches use for the outer of two tags.
const VLAN: u16 = EtherTypes::Vlan.0;
const SERVICE_VLAN: u16 = EtherTypes::PBridge.0;
const OLD_QINQ: u16 = EtherTypes::QinQ.0;

/// The IP packet of a frame, with whatever padding follows it.
#[inline]
pub(super) fn network(link: LinkType, data: &[u8]) -> Result<&[u8], IgnoreReason> {
    match link {
        LinkType::Ethernet => typed(data, be16(data, ETHERNET_LEN - 2), ETHERNET_LEN),
        LinkType::LinuxSll => typed(data, be16(data, SLL_LEN - 2), SLL_LEN),
        LinkType::LinuxSll2 => typed(data, be16(data, 0), SLL2_LEN),
        LinkType::RawIp => Ok(data),
        LinkType::Loopback => loopback(data),
        LinkType::Other(_) => Err(IgnoreReason::UnknownLinkType),
    }
}

/// What follows a header of `len` bytes with this type, past any tags.
#[inline]
fn typed(data: &[u8], ethertype: Option<u16>, len: usize) -> Result<&[u8], IgnoreReason> {
    match ethertype {
        Some(IPV4 | IPV6) => data.get(len..).ok_or(IgnoreReason::CutHeader),
        Some(VLAN | SERVICE_VLAN | OLD_QINQ) => tagged(data, len),
        Some(_) => Err(IgnoreReason::NotIp),
        None => Err(IgnoreReason::CutHeader),
    }
}

/// What follows the tags, the first of which starts at `at`.
#[cold]
fn tagged(data: &[u8], mut at: usize) -> Result<&[u8], IgnoreReason> {
    loop {
        let ethertype = be16(data, at + 2).ok_or(IgnoreReason::CutHeader)?;
        at += TAG_LEN;
        match ethertype {
            IPV4 | IPV6 => return data.get(at..).ok_or(IgnoreReason::CutHeader),
            VLAN | SERVICE_VLAN | OLD_QINQ => {}
            _ => return Err(IgnoreReason::NotIp),
        }
    }
}

/// What follows the 4-byte family, which is in the order of the host that captured it.
fn loopback(data: &[u8]) -> Result<&[u8], IgnoreReason> {
    let (family, rest) = data.split_first_chunk().ok_or(IgnoreReason::CutHeader)?;
    match u32::from_be_bytes(*family).min(u32::from_le_bytes(*family)) {
        // IPv4 everywhere; IPv6 on Linux, Windows, NetBSD and OpenBSD, FreeBSD, macOS.
        2 | 10 | 23 | 24 | 28 | 30 => Ok(rest),
        _ => Err(IgnoreReason::NotIp),
    }
}
