//! Example records for the tests: made by hand from the layouts, and verified with the classes of ZooKeeper
//! 3.8.0, which read each of them to its last byte.

use super::id::PacketType;

/// The bytes of hexadecimal text; white space is ignored.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap() as u8).collect();
    assert_eq!(digits.len() % 2, 0, "an odd number of digits");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A packet of the quorum port.
pub(super) struct Example {
    pub(super) name: &'static str,
    pub(super) kind: PacketType,
    pub(super) to_leader: bool,
    pub(super) size: usize,
    hex: &'static str,
}

impl Example {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let bytes = hex(self.hex);
        assert_eq!(bytes.len(), self.size, "{}", self.name);
        bytes
    }

    /// The data, between the head and the authinfo.
    pub(super) fn data(&self) -> Vec<u8> {
        let bytes = self.bytes();
        let len = i32::from_be_bytes(bytes[12..16].try_into().unwrap()).max(0) as usize;
        bytes[16..16 + len].to_vec()
    }
}

/// The example of that name.
pub(super) fn named(name: &str) -> &'static Example {
    QUORUM.iter().find(|example| example.name == name).unwrap()
}

const fn to_leader(name: &'static str, kind: PacketType, size: usize, hex: &'static str) -> Example {
    Example { name, kind, to_leader: true, size, hex }
}

const fn to_learner(name: &'static str, kind: PacketType, size: usize, hex: &'static str) -> Example {
    Example { name, kind, to_leader: false, size, hex }
}

/// Every packet of the quorum port, in every form.
pub(super) const QUORUM: &[Example] = &[
    to_leader(
        "FOLLOWERINFO 3.5+",
        PacketType::FollowerInfo,
        40,
        "0000000B 0000000400000000 00000014 0000000000000001 00010000 0000000100000000 FFFFFFFF",
    ),
    to_leader(
        "FOLLOWERINFO 3.4",
        PacketType::FollowerInfo,
        32,
        "0000000B 0000000400000000 0000000C 0000000000000001 00010000 FFFFFFFF",
    ),
    to_leader(
        "FOLLOWERINFO 3.2/3.3",
        PacketType::FollowerInfo,
        28,
        "0000000B 000000040000002A 00000008 0000000000000001 FFFFFFFF",
    ),
    to_leader(
        "OBSERVERINFO 3.5+",
        PacketType::ObserverInfo,
        40,
        "00000010 0000000400000000 00000014 0000000000000004 00010000 0000000000000000 FFFFFFFF",
    ),
    to_learner(
        "LEADERINFO",
        PacketType::LeaderInfo,
        24,
        "00000011 0000000500000000 00000004 00010000 FFFFFFFF",
    ),
    to_leader(
        "ACKEPOCH, new epoch",
        PacketType::AckEpoch,
        24,
        "00000012 000000040000002A 00000004 00000004 FFFFFFFF",
    ),
    to_leader(
        "ACKEPOCH, re-join",
        PacketType::AckEpoch,
        24,
        "00000012 000000050000001F 00000004 FFFFFFFF FFFFFFFF",
    ),
    to_learner("DIFF", PacketType::Diff, 20, "0000000D 000000040000002B FFFFFFFF FFFFFFFF"),
    to_learner("TRUNC", PacketType::Trunc, 20, "0000000E 0000000400000029 FFFFFFFF FFFFFFFF"),
    to_learner("SNAP", PacketType::Snap, 20, "0000000F 000000040000002B FFFFFFFF FFFFFFFF"),
    to_learner("NEWLEADER 3.4", PacketType::NewLeader, 20, "0000000A 0000000500000000 FFFFFFFF FFFFFFFF"),
    to_learner(
        "NEWLEADER 3.5+",
        PacketType::NewLeader,
        70,
        "0000000A 0000000500000000 00000032 7365727665722E313D613A323838383A333838383A7061727469636970616E740A76657273696F6E3D3530303030 30303030 FFFFFFFF",
    ),
    to_leader(
        "ACK of NEWLEADER / UPTODATE",
        PacketType::Ack,
        20,
        "00000003 0000000500000000 FFFFFFFF FFFFFFFF",
    ),
    to_learner("UPTODATE", PacketType::UpToDate, 20, "0000000C FFFFFFFFFFFFFFFF FFFFFFFF FFFFFFFF"),
    to_learner(
        "PROPOSAL createSession up to 3.5",
        PacketType::Proposal,
        56,
        "00000002 0000000500000001 00000024 0100000B54A30000 00000000 0000000500000001 0000018B2C4D5E6F FFFFFFF6 00002710 FFFFFFFF",
    ),
    to_learner(
        "PROPOSAL create up to 3.5",
        PacketType::Proposal,
        96,
        "00000002 0000000500000007 0000004C 0100000B54A30000 00000003 0000000500000007 0000018B2C4D5E6F 00000001 00000002 2F61 00000002 6869 00000001 0000001F 00000005 776F726C64 00000006 616E796F6E65 00 00000001 FFFFFFFF",
    ),
    to_learner(
        "PROPOSAL create 3.6+",
        PacketType::Proposal,
        108,
        "00000002 0000000500000007 00000058 0100000B54A30000 00000003 0000000500000007 0000018B2C4D5E6F 00000001 00000002 2F61 00000002 6869 00000001 0000001F 00000005 776F726C64 00000006 616E796F6E65 00 00000001 00000002 000000001A2B3C4D FFFFFFFF",
    ),
    to_learner(
        "PROPOSAL setData",
        PacketType::Proposal,
        68,
        "00000002 0000000500000008 00000030 0100000B54A30000 00000004 0000000500000008 0000018B2C4D5E6F 00000005 00000002 2F61 00000002 796F 00000001 FFFFFFFF",
    ),
    to_learner(
        "PROPOSAL closeSession up to 3.5",
        PacketType::Proposal,
        52,
        "00000002 0000000500000009 00000020 0100000B54A30000 00000000 0000000500000009 0000018B2C4D5E6F FFFFFFF5 FFFFFFFF",
    ),
    to_learner(
        "PROPOSAL closeSession 3.6+",
        PacketType::Proposal,
        74,
        "00000002 0000000500000009 00000036 0100000B54A30000 00000000 0000000500000009 0000018B2C4D5E6F FFFFFFF5 00000001 00000002 2F65 00000002 000000001A2B3C4D FFFFFFFF",
    ),
    to_learner(
        "PROPOSAL error",
        PacketType::Proposal,
        56,
        "00000002 000000050000000A 00000024 0100000B54A30000 00000005 000000050000000A 0000018B2C4D5E6F FFFFFFFF FFFFFF92 FFFFFFFF",
    ),
    to_learner(
        "PROPOSAL multi",
        PacketType::Proposal,
        88,
        "00000002 000000050000000B 00000044 0100000B54A30000 00000006 000000050000000B 0000018B2C4D5E6F 0000000E 00000002 00000002 00000006 00000002 2F61 0000000D 0000000A 00000002 2F62 00000004 FFFFFFFF",
    ),
    to_leader("ACK", PacketType::Ack, 20, "00000003 0000000500000007 FFFFFFFF FFFFFFFF"),
    to_learner("COMMIT", PacketType::Commit, 20, "00000004 0000000500000007 FFFFFFFF FFFFFFFF"),
    to_learner(
        "COMMITANDACTIVATE",
        PacketType::CommitAndActivate,
        28,
        "00000009 000000050000000C 00000008 0000000000000002 FFFFFFFF",
    ),
    to_learner(
        "INFORMANDACTIVATE",
        PacketType::InformAndActivate,
        139,
        "00000013 000000050000000C 00000077 0000000000000002 0100000B54A30000 00000007 000000050000000C 0000018B2C4D5E6F 00000010 00000011 2F7A6F6F6B65657065722F636F6E666967 00000032 7365727665722E323D623A323838383A333838383A7061727469636970616E740A76657273 696F6E3D353030303030303063 FFFFFFFF FFFFFFFF",
    ),
    to_learner("PING to learner", PacketType::Ping, 20, "00000005 000000050000000B FFFFFFFF FFFFFFFF"),
    to_leader("PING reply, idle", PacketType::Ping, 20, "00000005 000000050000000B 00000000 FFFFFFFF"),
    to_leader(
        "PING reply, 1 session",
        PacketType::Ping,
        32,
        "00000005 000000050000000B 0000000C 0100000B54A30000 00002710 FFFFFFFF",
    ),
    to_leader(
        "REVALIDATE to leader",
        PacketType::Revalidate,
        32,
        "00000006 FFFFFFFFFFFFFFFF 0000000C 0100000B54A30000 00002710 FFFFFFFF",
    ),
    to_learner(
        "REVALIDATE to learner",
        PacketType::Revalidate,
        29,
        "00000006 FFFFFFFFFFFFFFFF 00000009 0100000B54A30000 01 FFFFFFFF",
    ),
    to_learner("SYNC", PacketType::Sync, 20, "00000007 0000000000000000 FFFFFFFF FFFFFFFF"),
    to_leader(
        "REQUEST createSession",
        PacketType::Request,
        40,
        "00000001 FFFFFFFFFFFFFFFF 00000014 0100000B54A30000 00000000 FFFFFFF6 00002710 FFFFFFFF",
    ),
    to_leader(
        "REQUEST create",
        PacketType::Request,
        97,
        "00000001 FFFFFFFFFFFFFFFF 0000003B 0100000B54A30000 00000003 00000001 00000002 2F61 00000002 6869 00000001 0000001F 00000005 776F726C64 00000006 616E796F6E65 00000000 00000001 00000002 6970 00000008 31302E302E302E37",
    ),
];

/// Every form of the dialer's first message on the election port.
pub(super) const HELLOS: &[(&str, &str)] = &[
    ("a bare sid", "0000000000000003"),
    ("one address", "FFFFFFFFFFFF0000 0000000000000003 0000000D 31302E302E302E333A33383838"),
    (
        "two addresses",
        "FFFFFFFFFFFF0001 0000000000000003 0000001B 31302E302E302E333A333838387C31302E312E302E333A33383838",
    ),
];

/// Notifications of every layout, each with its length before it.
pub(super) const NOTIFICATIONS: &[(&str, &str)] = &[
    (
        "notification 28 (LOOKING, leader 3, round 1)",
        "0000001C 00000000 0000000000000003 000000040000002B 0000000000000001",
    ),
    (
        "notification 36 (+ peerEpoch 4)",
        "00000024 00000000 0000000000000003 000000040000002B 0000000000000001 0000000000000004",
    ),
    (
        "notification 40 (+ version 1)",
        "00000028 00000000 0000000000000003 000000040000002B 0000000000000001 0000000000000004 00000001",
    ),
    (
        "notification 44+42",
        "00000056 00000000 0000000000000003 000000040000002B 0000000000000001 0000000000000004 00000002 0000002A 7365727665722E313D613A323838383A333838383A7061727469636970616E740A76657273696F6E3D30",
    ),
    (
        "notification, LOOKING observer (empty config for brevity)",
        "0000002C 00000000 8000000000000000 8000000000000000 0000000000000001 8000000000000000 00000002 00000000",
    ),
];

/// SASL packets.
pub(super) const AUTH: &[(&str, &str)] = &[
    ("QuorumAuth, first from learner (DIGEST-MD5: empty token)", "5F2435013501EDCC 00000000 00000000"),
    (
        "QuorumAuth SUCCESS",
        "5F2435013501EDCC 00000001 00000028 727370617574683D3031323334353637383961626364656630313233343536373839616263646566",
    ),
    ("QuorumAuth ERROR", "5F2435013501EDCC FFFFFFFF 00000000"),
];

/// What follows a SNAP packet: one session, one access control list, two znodes.
pub(super) const SNAPSHOT: &str = "00000001 0100000B54A30000 00002710 00000001 0000000000000001 00000001 0000001F 00000005 776F726C64 00000006 616E796F6E65 00000000 00000000 FFFFFFFFFFFFFFFF 0000000000000000 0000000000000000 0000000000000000 0000000000000000 00000000 00000001 00000000 0000000000000000 0000000400000001 00000002 2F61 00000002 6869 0000000000000001 0000000400000001 0000000400000001 0000018B2C4D5E6F 0000018B2C4D5E6F 00000000 00000000 00000000 0000000000000000 0000000400000001 00000001 2F 0000000A 42656E57617348657265";
