//! Changes that a capture may have gone through before anybody reads it. Each takes frames of Ethernet and IPv4,
//! as the captures of `testdata` are, and leaves whatever else there is alone.

#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::cast_possible_truncation, reason = "numbers of a test are small")]

use crate::capture::Captured;
use quorumscope::time::{Span, Timestamp};
use std::collections::HashMap;

/// Before the IP header.
const ETHERNET: usize = 14;
/// An IPv4 header without options.
const IPV4: usize = 20;

/// Numbers that look random and are the same in every run (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// Whether it is IPv4 without options that carries TCP, captured as far as the TCP header.
fn is_tcp(data: &[u8]) -> bool {
    data.len() >= ETHERNET + IPV4 + 20 && data[12..15] == [8, 0, 0x45] && data[ETHERNET + 9] == 6
}

/// Where the payload of a segment begins, and how long it was on the wire.
fn payload(data: &[u8]) -> Option<(usize, usize)> {
    if !is_tcp(data) {
        return None;
    }
    let start = ETHERNET + IPV4 + usize::from(data[ETHERNET + IPV4 + 12] >> 4) * 4;
    let total = usize::from(u16::from_be_bytes([data[16], data[17]]));
    Some((start, (ETHERNET + total).checked_sub(start)?))
}

fn port(data: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([data[at], data[at + 1]])
}

/// Source and destination address and port.
fn ends(data: &[u8]) -> [([u8; 4], u16); 2] {
    let address = |at: usize| [data[at], data[at + 1], data[at + 2], data[at + 3]];
    let tcp = ETHERNET + IPV4;
    [(address(26), port(data, tcp)), (address(30), port(data, tcp + 2))]
}

fn each(frames: &[Captured], change: impl Fn(&mut Captured)) -> Vec<Captured> {
    let mut changed = frames.to_vec();
    changed.iter_mut().for_each(change);
    changed
}

/// So many percent of the frames taken out, as a kernel drops them.
pub(crate) fn drop_frames(frames: &[Captured], percent: u64, seed: u64) -> Vec<Captured> {
    let mut dice = Dice::new(seed);
    frames.iter().filter(|_| dice.below(100) >= percent).cloned().collect()
}

/// Without the one frame that ends a link at once, the first RST of a connection of port 2888 that carried data, and
/// without one of the frames that carried it.
pub(crate) fn without_first_reset(frames: &[Captured]) -> Vec<Captured> {
    let link = |data: &[u8]| {
        let mut ends = is_tcp(data).then(|| ends(data))?;
        ends.sort_unstable();
        ends.iter().any(|(_, port)| *port == 2888).then_some(ends)
    };
    let mut carried: HashMap<_, Vec<usize>> = HashMap::new();
    for (index, frame) in frames.iter().enumerate() {
        let Some(ends) = link(&frame.data) else { continue };
        if payload(&frame.data).is_some_and(|(_, len)| len > 0) {
            carried.entry(ends).or_default().push(index);
        }
        if let Some(carrying) = carried.get(&ends).filter(|_| frame.data[ETHERNET + IPV4 + 13] & 0b100 != 0) {
            let mut changed = frames.to_vec();
            changed.remove(index);
            changed.remove(carrying[carrying.len() / 2]);
            return changed;
        }
    }
    frames.to_vec()
}

/// TCP timestamps replaced by NOPs.
pub(crate) fn without_timestamps(frames: &[Captured]) -> Vec<Captured> {
    each(frames, |frame| {
        let Some((end, _)) = payload(&frame.data) else { return };
        let end = end.min(frame.data.len());
        let mut at = ETHERNET + IPV4 + 20;
        while at < end {
            match frame.data[at] {
                0 => return,
                1 => at += 1,
                kind => {
                    let Some(len) = frame.data.get(at + 1).map(|len| usize::from(*len).max(2)) else {
                        return;
                    };
                    if kind == 8 {
                        frame.data[at..(at + len).min(end)].fill(1);
                    }
                    at += len;
                }
            }
        }
    })
}

/// IP identification 0, as Linux leaves it on some paths and every IPv6.
pub(crate) fn without_ids(frames: &[Captured]) -> Vec<Captured> {
    each(frames, |frame| {
        if is_tcp(&frame.data) {
            frame.data[18..20].fill(0);
        }
    })
}

/// The same over IPv6: fd00:: and the IPv4 address.
pub(crate) fn as_ipv6(frames: &[Captured]) -> Vec<Captured> {
    each(frames, |frame| {
        if !is_tcp(&frame.data) {
            return;
        }
        let data = &frame.data;
        let len = u16::from_be_bytes([data[16], data[17]]) - 20;
        let mut changed = data[..12].to_vec();
        changed.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        changed.extend(len.to_be_bytes());
        changed.extend([6, data[ETHERNET + 8]]);
        for at in [26, 30] {
            changed.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            changed.extend_from_slice(&data[at..at + 4]);
        }
        changed.extend_from_slice(&data[ETHERNET + IPV4..]);
        frame.data = changed;
        frame.orig_len += 20;
    })
}

/// A configuration whose servers have the addresses of [`as_ipv6`].
pub(crate) fn config_as_ipv6(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let server = line.split_once('=').filter(|(key, _)| key.starts_with("server."));
        let address = server.and_then(|(key, value)| Some((key, value.split_once(':')?)));
        match address
            .and_then(|(key, (host, rest))| Some((key, host.parse::<std::net::Ipv4Addr>().ok()?, rest)))
        {
            Some((key, host, rest)) => {
                let [a, b, c, d] = host.octets();
                format!(
                    "{key}=[fd00::{:x}:{:x}]:{rest}",
                    u16::from_be_bytes([a, b]),
                    u16::from_be_bytes([c, d])
                )
            }
            None => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Frames that stand up to so many microseconds too late in the file, their times right.
pub(crate) fn jittered(frames: &[Captured], micros: u64, seed: u64) -> Vec<Captured> {
    let mut dice = Dice::new(seed);
    let mut order: Vec<_> = frames
        .iter()
        .map(|frame| frame.at.plus(Span::from_micros(dice.below(micros).cast_signed())))
        .zip(frames)
        .collect();
    order.sort_by_key(|(at, _)| *at);
    order.into_iter().map(|(_, frame)| frame.clone()).collect()
}

/// All frames of a stretch of time taken out, as where a file of a rotation is lost.
pub(crate) fn without_stretch(frames: &[Captured], from: Timestamp, to: Timestamp) -> Vec<Captured> {
    frames.iter().filter(|frame| frame.at < from || frame.at >= to).cloned().collect()
}

/// Payloads replaced by what a TLS connection shows: records of application data.
pub(crate) fn as_tls(frames: &[Captured]) -> Vec<Captured> {
    each(frames, |frame| {
        let Some((start, len)) = payload(&frame.data) else { return };
        let Some(seen) = frame.data.get_mut(start..).filter(|_| len > 0) else { return };
        let length = u16::try_from(len.saturating_sub(5)).unwrap_or(u16::MAX).to_be_bytes();
        let header = [0x17, 3, 3, length[0], length[1]];
        for (at, byte) in seen.iter_mut().enumerate() {
            *byte = header.get(at).copied().unwrap_or((at as u8).wrapping_mul(0x9d) ^ 0x5a);
        }
    })
}

/// Two captures put into one file, in order of time.
pub(crate) fn merged(a: &[Captured], b: &[Captured]) -> Vec<Captured> {
    let mut frames = [a, b].concat();
    frames.sort_by_key(|frame| frame.at);
    frames
}

/// What a node shows that translates a service's address: every frame to and from `server`'s port 2888 twice, once
/// with the service's address.
pub(crate) fn both_sides_of_nat(frames: &[Captured], server: [u8; 4], service: [u8; 4]) -> Vec<Captured> {
    let mut changed = Vec::new();
    for frame in frames {
        let to = is_tcp(&frame.data) && ends(&frame.data)[1] == (server, 2888);
        let from = is_tcp(&frame.data) && ends(&frame.data)[0] == (server, 2888);
        if !to && !from {
            changed.push(frame.clone());
            continue;
        }
        let mut other = frame.clone();
        let at = if to { 30 } else { 26 };
        other.data[at..at + 4].copy_from_slice(&service);
        let mut pair = if to { [other, frame.clone()] } else { [frame.clone(), other] };
        pair[1].at = pair[1].at.plus(Span::from_micros(5));
        changed.extend(pair);
    }
    changed.sort_by_key(|frame| frame.at);
    changed
}

/// Every dialer behind one address, as a translating host or a mesh's proxy shows them: the ports that are listened
/// on keep theirs.
pub(crate) fn one_address_for_dialers(frames: &[Captured], address: [u8; 4]) -> Vec<Captured> {
    each(frames, |frame| {
        if !is_tcp(&frame.data) {
            return;
        }
        let [(_, src), (_, dst)] = ends(&frame.data);
        let is_listened = |port| matches!(port, 2888 | 3888);
        if is_listened(dst) && !is_listened(src) {
            frame.data[26..30].copy_from_slice(&address);
        } else if is_listened(src) && !is_listened(dst) {
            frame.data[30..34].copy_from_slice(&address);
        }
    })
}

/// Each address replaced by another one, as in [`HashMap`].
pub(crate) fn readdressed(frames: &[Captured], addresses: &HashMap<[u8; 4], [u8; 4]>) -> Vec<Captured> {
    each(frames, |frame| {
        if !is_tcp(&frame.data) {
            return;
        }
        for at in [26, 30] {
            let old: [u8; 4] = frame.data[at..at + 4].try_into().expect("four bytes");
            if let Some(new) = addresses.get(&old) {
                frame.data[at..at + 4].copy_from_slice(new);
            }
        }
    })
}

/// Ways to wrap a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wrapping {
    Vxlan,
    Geneve,
    Gre,
    IpInIp,
    Mpls,
    Pppoe,
    Vlan,
}

/// Every frame inside a tunnel from one node to another.
pub(crate) fn wrapped(frames: &[Captured], wrapping: Wrapping) -> Vec<Captured> {
    each(frames, |frame| {
        if !is_tcp(&frame.data) {
            return;
        }
        let before = frame.data.len();
        let inner_len = frame.orig_len as usize;
        let (stations, packet) = (frame.data[..12].to_vec(), frame.data[ETHERNET..].to_vec());
        let packet_len = inner_len - ETHERNET;
        let outer = |protocol: u8, header: &[u8], carried: &[u8], carried_len: usize| {
            let total = u16::try_from(IPV4 + header.len() + carried_len).expect("a frame is short");
            let mut bytes = stations.clone();
            bytes.extend([8, 0, 0x45, 0]);
            bytes.extend(total.to_be_bytes());
            bytes.extend([0, 1, 0, 0, 64, protocol, 0, 0, 172, 16, 0, 1, 172, 16, 0, 2]);
            bytes.extend_from_slice(header);
            bytes.extend_from_slice(carried);
            bytes
        };
        let udp = |port: u16, header: [u8; 8]| {
            let len = u16::try_from(16 + inner_len).expect("a frame is short");
            let mut bytes = vec![0xd0, 1];
            bytes.extend(port.to_be_bytes());
            bytes.extend(len.to_be_bytes());
            bytes.extend([0, 0]);
            bytes.extend(header);
            bytes
        };
        let typed = |kind: [u8; 2], header: &[u8]| [&stations[..], &kind, header, &packet].concat();
        let ppp_len = u16::try_from(2 + packet_len).expect("a frame is short").to_be_bytes();
        frame.data = match wrapping {
            Wrapping::Vxlan => outer(17, &udp(4789, [8, 0, 0, 0, 0, 0, 7, 0]), &frame.data, inner_len),
            Wrapping::Geneve => outer(17, &udp(6081, [0, 0, 0x65, 0x58, 0, 0, 7, 0]), &frame.data, inner_len),
            Wrapping::Gre => outer(47, &[0x20, 0, 8, 0, 0, 0, 0, 9], &packet, packet_len),
            Wrapping::IpInIp => outer(4, &[], &packet, packet_len),
            Wrapping::Mpls => typed([0x88, 0x47], &[0, 1, 0, 64, 0, 2, 1, 64]),
            Wrapping::Pppoe => typed([0x88, 0x64], &[0x11, 0, 0, 9, ppp_len[0], ppp_len[1], 0, 0x21]),
            Wrapping::Vlan => typed([0x81, 0], &[0, 5, 0x92, 0, 0, 6, 8, 0]),
        };
        frame.orig_len += u32::try_from(frame.data.len() - before).expect("headers are short");
    })
}
