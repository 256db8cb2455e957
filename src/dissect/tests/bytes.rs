//! Encoded packets, as servers write them.

use crate::proto::body::{Body, encode};
use crate::proto::quorum::{Authinfo, Head, Packet};
use crate::proto::{LearnerInfo, PacketType, Sid, Zxid};

pub(super) const EPOCH: u32 = 5;

pub(super) const fn zxid(counter: u32) -> Zxid {
    Zxid::new(EPOCH, counter)
}

pub(super) fn packet(kind: PacketType, zxid: Zxid, data: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    Packet::new(kind, zxid, data).encode(&mut out);
    out
}

fn body(kind: PacketType, zxid: Zxid, body: &Body<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(kind, zxid, body, &Authinfo::NULL, &mut out);
    out
}

pub(super) fn follower_info(sid: i64) -> Vec<u8> {
    let info = LearnerInfo {
        sid: Some(Sid(sid)),
        protocol_version: Some(LearnerInfo::PROTOCOL),
        config_version: Some(0),
    };
    body(PacketType::FollowerInfo, Zxid::new(EPOCH - 1, 0), &Body::FollowerInfo(info))
}

pub(super) fn leader_info() -> Vec<u8> {
    body(PacketType::LeaderInfo, zxid(0), &Body::LeaderInfo { protocol_version: LearnerInfo::PROTOCOL })
}

pub(super) fn ack_epoch(last: Zxid) -> Vec<u8> {
    body(PacketType::AckEpoch, last, &Body::AckEpoch { current_epoch: Some(EPOCH - 1) })
}

pub(super) fn small(kind: PacketType, zxid: Zxid) -> Vec<u8> {
    packet(kind, zxid, None)
}

/// A transaction with this size on the wire (at least 52): a TxnHeader and filler.
pub(super) fn transaction(kind: PacketType, zxid: Zxid, size: usize) -> Vec<u8> {
    let mut data = Vec::new();
    data.extend(0x0100_0b54_a300_0000_u64.to_be_bytes());
    data.extend((zxid.counter() % 50).to_be_bytes());
    data.extend(zxid.0.to_be_bytes());
    data.extend((1_795_248_000_000_u64 + u64::from(zxid.counter())).to_be_bytes());
    data.extend(5_i32.to_be_bytes());
    data.resize(size - 20, b'x');
    packet(kind, zxid, Some(&data))
}

pub(super) fn proposal(zxid: Zxid, size: usize) -> Vec<u8> {
    transaction(PacketType::Proposal, zxid, size)
}

pub(super) fn ack(zxid: Zxid) -> Vec<u8> {
    small(PacketType::Ack, zxid)
}

pub(super) fn commit(zxid: Zxid) -> Vec<u8> {
    small(PacketType::Commit, zxid)
}

pub(super) fn ping(zxid: Zxid) -> Vec<u8> {
    small(PacketType::Ping, zxid)
}

/// A learner's answer to a PING, with this many sessions.
pub(super) fn pong(zxid: Zxid, sessions: usize) -> Vec<u8> {
    let mut data = Vec::new();
    for session in 0..sessions as u64 {
        data.extend((0x0100_0b54_a300_0000 + session).to_be_bytes());
        data.extend(10_000_i32.to_be_bytes());
    }
    packet(PacketType::Ping, zxid, Some(&data))
}

/// A client's write with this many bytes of path and data, from an address or without authinfo.
pub(super) fn request(cxid: u32, len: usize, from: Option<&str>) -> Vec<u8> {
    let mut data = Vec::new();
    data.extend(0x0100_0b54_a300_0000_u64.to_be_bytes());
    data.extend(cxid.to_be_bytes());
    data.extend(5_i32.to_be_bytes());
    data.resize(16 + len, b'y');
    let mut out = packet(PacketType::Request, Zxid::NONE, Some(&data));
    if let Some(address) = from {
        out.truncate(out.len() - 4);
        out.extend(1_i32.to_be_bytes());
        for text in ["ip", address] {
            out.extend((text.len() as u32).to_be_bytes());
            out.extend(text.as_bytes());
        }
    }
    out
}

/// A client's new session.
pub(super) fn create_session() -> Vec<u8> {
    let mut data = Vec::new();
    data.extend(0x0100_0b54_a300_0001_u64.to_be_bytes());
    data.extend(0_i32.to_be_bytes());
    data.extend((-10_i32).to_be_bytes());
    data.extend(10_000_i32.to_be_bytes());
    packet(PacketType::Request, Zxid::NONE, Some(&data))
}

pub(super) fn revalidate(to_leader: bool) -> Vec<u8> {
    packet(PacketType::Revalidate, Zxid::NONE, Some(&[1; 12][..if to_leader { 12 } else { 9 }]))
}

/// NEWLEADER with a configuration of this many bytes.
pub(super) fn newleader(len: usize) -> Vec<u8> {
    packet(PacketType::NewLeader, zxid(0), Some(&vec![b's'; len]))
}

pub(super) fn uptodate() -> Vec<u8> {
    small(PacketType::UpToDate, Zxid::NONE)
}

/// A snapshot of one node with this many bytes of data.
pub(super) fn snapshot(len: usize) -> Vec<u8> {
    let mut out = vec![0; 8];
    out.extend([0; 4]);
    out.extend((len as u32).to_be_bytes());
    out.extend(vec![b'd'; len]);
    out.extend([0xff; 8]);
    out.extend([0; 60]);
    out.extend(b"\0\0\0\x01/\0\0\0\x0aBenWasHere");
    out
}

/// The head of a packet and nothing more.
pub(super) fn head(kind: PacketType, zxid: Zxid, data_len: i32) -> Vec<u8> {
    let mut out = Vec::new();
    Head { kind, zxid, data_len }.encode(&mut out);
    out
}
