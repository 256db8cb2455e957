//! Tunnels: which of them a frame came through, and what their headers look like.
//!
//! Sources: VXLAN RFC 7348 (and its generic extension, draft-ietf-nvo3-vxlan-gpe), Geneve RFC 8926, GRE RFC 2784
//! and 2890, NVGRE RFC 7637, ERSPAN draft-foschiano-erspan, IP in IP RFC 2003, 6in4 RFC 4213, MPLS RFC 3032
//! and 7510, PPPoE RFC 2516, `EtherIP` RFC 3378.

use super::IgnoreReason;
use super::rest::{IPV4, IPV6, MPLS, NextHeader, Rest};

/// A kind of tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunnel {
    /// VXLAN, on UDP 4789, 4790 or 8472.
    Vxlan,
    /// Geneve, on UDP 6081.
    Geneve,
    /// GRE with IP or Ethernet inside, NVGRE among it.
    Gre,
    /// ERSPAN, types I to III.
    Erspan,
    /// IP in IP, 4 or 6 in either.
    IpInIp,
    /// MPLS, below IP or above it.
    Mpls,
    /// A PPPoE session.
    Pppoe,
    /// Ethernet in IP (`EtherIP`).
    EtherIp,
    /// IEEE 802.1Q or 802.1ad tags.
    Vlan,
}

impl Tunnel {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 9] = [
        Self::Vxlan,
        Self::Geneve,
        Self::Gre,
        Self::Erspan,
        Self::IpInIp,
        Self::Mpls,
        Self::Pppoe,
        Self::EtherIp,
        Self::Vlan,
    ];

    /// Its name in reports; stable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
            Self::Gre => "gre",
            Self::Erspan => "erspan",
            Self::IpInIp => "ip_in_ip",
            Self::Mpls => "mpls",
            Self::Pppoe => "pppoe",
            Self::EtherIp => "ether_ip",
            Self::Vlan => "vlan",
        }
    }
}

/// The most tunnels inside each other that are opened.
const MAX_DEPTH: u8 = 8;
/// What lies between an outer IP header and the inner one, where a cut hides it: UDP, VXLAN, Ethernet.
const USUAL_OVERHEAD: usize = 8 + 8 + 14;
/// From an IPv4 header to the 30th byte of TCP payload: what is left behind an Ethernet header by the snaplen of
/// 96 bytes that is enough without tunnels.
const NEEDED_FROM_IP: usize = 96 - 14;
/// Bytes that an IPv6 header is longer.
const V6_EXCESS: usize = 20;
/// Payload bytes that a record's header takes.
const NEEDED_PAYLOAD: usize = 30;

/// What was opened on the way to one frame's segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Opened {
    kinds: u16,
    depth: u8,
    /// Where the innermost IP header begins, or must.
    ip_at: usize,
}

impl Opened {
    /// Notes a tunnel; an error where there are too many.
    pub(super) fn enter(&mut self, kind: Tunnel, rest: &Rest<'_>) -> Result<(), IgnoreReason> {
        self.kinds |= 1 << kind as u16;
        self.ip_at = rest.used + USUAL_OVERHEAD;
        // Tags are of a fixed length and the frame ends, so any number does.
        if kind != Tunnel::Vlan {
            self.depth += 1;
        }
        if self.depth > MAX_DEPTH { Err(IgnoreReason::TooDeep) } else { Ok(()) }
    }

    /// Notes where an IP header begins.
    pub(super) fn ip(&mut self, rest: &Rest<'_>) {
        let is_v6 = rest.data.first().is_some_and(|first| first >> 4 == 6);
        self.ip_at = rest.used + if is_v6 { V6_EXCESS } else { 0 };
    }
}

/// What frames came through, and what a cut hid of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tunnels {
    counts: [u64; Tunnel::ALL.len()],
    /// Frames of which the cut left too few bytes behind their headers, or not even these.
    pub cut: u64,
    /// The snaplen that would have left enough of each; 0 where `cut` is.
    pub snaplen_needed: u32,
}

impl Tunnels {
    /// Frames that came through each kind of tunnel; only those above 0.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Tunnel::ALL.into_iter().map(Tunnel::name).zip(self.counts).filter(|(_, count)| *count > 0)
    }

    /// Adds what one frame of so many captured bytes was found to be: `seen` of `len` payload bytes, or nothing.
    pub(super) fn note(
        &mut self,
        opened: &Opened,
        captured: usize,
        found: Result<(usize, u32), IgnoreReason>,
    ) {
        for (kind, count) in Tunnel::ALL.into_iter().zip(&mut self.counts) {
            *count += u64::from(opened.kinds >> kind as u16 & 1);
        }
        let lacks = match found {
            Ok((seen, len)) if opened.kinds != 0 => NEEDED_PAYLOAD.min(len as usize).saturating_sub(seen),
            Err(IgnoreReason::CutHeader) => NEEDED_PAYLOAD,
            _ => 0,
        };
        if lacks > 0 {
            self.cut += 1;
            // Headers may be longer than usual.
            let needed = (opened.ip_at + NEEDED_FROM_IP).max(captured + lacks).next_multiple_of(16);
            self.snaplen_needed = self.snaplen_needed.max(u32::try_from(needed).unwrap_or(u32::MAX));
        }
    }
}

/// UDP's ports of tunnels: VXLAN by its registration, by Linux's default of old and with other protocols
/// inside; Geneve; MPLS.
const VXLAN_PORTS: [u16; 2] = [4789, 8472];
const VXLAN_GPE_PORT: u16 = 4790;
const GENEVE_PORT: u16 = 6081;
const MPLS_PORT: u16 = 6635;
const UDP_LEN: usize = 8;

/// Whether a tunnel ends at this UDP port.
pub(super) fn is_tunnel_port(port: u16) -> bool {
    VXLAN_PORTS.contains(&port) || matches!(port, VXLAN_GPE_PORT | GENEVE_PORT | MPLS_PORT)
}

/// What a UDP datagram to a tunnel's port carries.
pub(super) fn udp(rest: &mut Rest<'_>, opened: &mut Opened) -> Result<NextHeader, IgnoreReason> {
    let port = rest.be16(2)?;
    rest.skip(UDP_LEN)?;
    match port {
        GENEVE_PORT => geneve(rest, opened),
        MPLS_PORT => Ok(NextHeader::Typed(MPLS)),
        _ => vxlan(rest, opened, port == VXLAN_GPE_PORT),
    }
}

/// Flags, three reserved bytes, the network's number, one more reserved byte.
fn vxlan(rest: &mut Rest<'_>, opened: &mut Opened, is_generic: bool) -> Result<NextHeader, IgnoreReason> {
    const HAS_NETWORK: u8 = 0x08;
    const HAS_PROTOCOL: u8 = 0x04;
    let [flags, _, _, protocol] = rest.first_chunk()?;
    if flags & HAS_NETWORK == 0 {
        return Err(IgnoreReason::NotTcp);
    }
    opened.enter(Tunnel::Vxlan, rest)?;
    rest.skip(8)?;
    if !is_generic || flags & HAS_PROTOCOL == 0 {
        return Ok(NextHeader::Ethernet);
    }
    match protocol {
        1 | 2 => Ok(NextHeader::Ip),
        3 => Ok(NextHeader::Ethernet),
        5 => Ok(NextHeader::Typed(MPLS)),
        _ => Err(IgnoreReason::NotIp),
    }
}

/// Version and length of options, flags, an Ethernet type, the network's number.
fn geneve(rest: &mut Rest<'_>, opened: &mut Opened) -> Result<NextHeader, IgnoreReason> {
    let [first, _, kind0, kind1] = rest.first_chunk()?;
    if first >> 6 != 0 {
        return Err(IgnoreReason::NotTcp);
    }
    opened.enter(Tunnel::Geneve, rest)?;
    rest.skip(8 + usize::from(first & 0x3f) * 4)?;
    Ok(NextHeader::Typed(u16::from_be_bytes([kind0, kind1])))
}

/// Flags and an Ethernet type, then what the flags say there is.
pub(super) fn gre(rest: &mut Rest<'_>, opened: &mut Opened) -> Result<NextHeader, IgnoreReason> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    /// Of version 1 (RFC 2637), which carries PPP.
    const ACKNOWLEDGMENT: u16 = 0x0080;
    const PPP: u16 = 0x880b;
    const ERSPAN: u16 = 0x88be;
    const ERSPAN_III: u16 = 0x22eb;
    let (flags, kind) = (rest.be16(0)?, rest.be16(2)?);
    let version = flags & 7;
    if version > 1 || flags & ROUTING != 0 || (version == 1) != (kind == PPP) {
        return Err(IgnoreReason::NotTcp);
    }
    let is_mirror = matches!(kind, ERSPAN | ERSPAN_III);
    opened.enter(if is_mirror { Tunnel::Erspan } else { Tunnel::Gre }, rest)?;
    let words = [CHECKSUM, KEY, SEQUENCE, ACKNOWLEDGMENT].iter().filter(|flag| flags & **flag != 0).count();
    rest.skip(4 + words * 4)?;
    match kind {
        PPP => Ok(NextHeader::Ppp),
        // Type I has neither a sequence number nor a header of its own.
        ERSPAN if flags & SEQUENCE == 0 => Ok(NextHeader::Ethernet),
        ERSPAN => {
            rest.skip(8)?;
            Ok(NextHeader::Ethernet)
        }
        ERSPAN_III => erspan_iii(rest),
        _ => Ok(NextHeader::Typed(kind)),
    }
}

/// Three words, the last bit of which announces two more, and five bits of which tell IP from Ethernet.
fn erspan_iii(rest: &mut Rest<'_>) -> Result<NextHeader, IgnoreReason> {
    const WITHOUT_ETHERNET: u16 = 2;
    let last = rest.be16(10)?;
    rest.skip(if last & 1 == 0 { 12 } else { 20 })?;
    Ok(if last >> 10 & 0x1f == WITHOUT_ETHERNET { NextHeader::Ip } else { NextHeader::Ethernet })
}

/// Labels of four bytes, the last of which says so. What follows has no type: IP begins with its version, and a
/// pseudowire with a control word of zeros or with the Ethernet frame itself.
pub(super) fn mpls(rest: &mut Rest<'_>, opened: &mut Opened) -> Result<NextHeader, IgnoreReason> {
    opened.enter(Tunnel::Mpls, rest)?;
    loop {
        let [_, _, bottom, _] = rest.first_chunk()?;
        rest.skip(4)?;
        if bottom & 1 == 1 {
            break;
        }
    }
    // A station's address may begin like an IP header; a type that makes sense where a frame has one decides.
    let is_frame = |at: usize| rest.be16(at).map(|kind| matches!(kind, IPV4 | IPV6));
    let [first] = rest.first_chunk()?;
    match first >> 4 {
        4 | 6 if !is_frame(12)? => Ok(NextHeader::Ip),
        // Where the type behind a control word was cut off, the one before it decides nothing.
        0 if is_frame(4 + 12)? || !is_frame(12)? => {
            rest.skip(4)?;
            Ok(NextHeader::Ethernet)
        }
        _ => Ok(NextHeader::Ethernet),
    }
}

/// Version and type, a code that is 0 for data, the session, the length of what follows.
pub(super) fn pppoe(rest: &mut Rest<'_>, opened: &mut Opened) -> Result<NextHeader, IgnoreReason> {
    let [version, code, _, _] = rest.first_chunk()?;
    let len = usize::from(rest.be16(4)?);
    if version != 0x11 || code != 0 {
        return Err(IgnoreReason::NotIp);
    }
    opened.enter(Tunnel::Pppoe, rest)?;
    rest.skip(6)?;
    rest.limit(len);
    Ok(NextHeader::Ppp)
}

/// An IP packet inside another.
pub(super) fn ip_in_ip(rest: &Rest<'_>, opened: &mut Opened) -> Result<NextHeader, IgnoreReason> {
    opened.enter(Tunnel::IpInIp, rest)?;
    Ok(NextHeader::Ip)
}

/// Version 3 in two bytes, then an Ethernet frame.
pub(super) fn ether_ip(rest: &mut Rest<'_>, opened: &mut Opened) -> Result<NextHeader, IgnoreReason> {
    opened.enter(Tunnel::EtherIp, rest)?;
    rest.skip(2)?;
    Ok(NextHeader::Ethernet)
}

#[cfg(test)]
mod tests;
