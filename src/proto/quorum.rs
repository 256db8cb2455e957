//! The packets between a leader and its learners (the quorum port, 2888 by convention).
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | type |
//! | 4 | 8 | zxid |
//! | 12 | 4 | data length, −1 for null |
//! | 16 | n | data |
//! | 16 + n | 4 | authinfo count, −1 for null |
//! | 20 + n | | authinfo: [`Id`]s, in REQUESTs only |
//!
//! There is no outer length: the end of a packet follows from its fields. [`Head`] is the first 16 bytes,
//! which are enough for framing; [`Packet`] is the whole packet, and [`Body`](super::body::Body) its decoded data.
//!
//! Source: `apache/zookeeper: zookeeper-jute/src/main/resources/zookeeper.jute`, QuorumPacket, and
//! `zookeeper-server/.../server/quorum/Leader.java` for the types.

use nom::Parser;

use super::error::{DecodeErrorKind, Decoded};
use super::id::{PacketType, Zxid};
use super::jute::{self, Fault, Id, List, Parsed};

/// The most identities in a packet. ZooKeeper sets no such bound; a client adds one with each `addauth`, so
/// no real client has a thousand.
pub const MAX_AUTHINFO: i32 = 1024;

/// The first 16 bytes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its type.
    pub kind: PacketType,
    /// Its zxid, whose meaning depends on the type.
    pub zxid: Zxid,
    /// The length of its data, −1 for null.
    pub data_len: i32,
}

impl Head {
    /// Bytes in a head.
    pub const LEN: usize = 16;

    /// Decodes the head at the start of `bytes`; `None` below 16 bytes. Any 16 bytes are some head: see
    /// [`Head::plausible`].
    #[inline]
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first_chunk::<4>()?;
        let (zxid, rest) = rest.split_first_chunk::<8>()?;
        let data_len = rest.first_chunk::<4>()?;
        Some(Self {
            kind: PacketType::from_number(i32::from_be_bytes(*kind)),
            zxid: Zxid(u64::from_be_bytes(*zxid)),
            data_len: i32::from_be_bytes(*data_len),
        })
    }

    /// Appends the 16 bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        jute::put_int(out, self.kind.number());
        jute::put_id(out, self.zxid.0);
        jute::put_int(out, self.data_len);
    }

    /// The length of the data; 0 for null.
    #[inline]
    #[must_use]
    pub fn body_len(&self) -> u64 {
        u64::from(self.data_len.max(0).unsigned_abs())
    }

    /// The packet's size on the wire if its authinfo is null, as it is in everything but REQUESTs.
    #[inline]
    #[must_use]
    pub fn size_without_authinfo(&self) -> u64 {
        self.body_len() + 20
    }

    /// Whether a packet in this direction can have this head: a type that this side sends, a data length that
    /// the type can have (at most `limit`), and a valid zxid for the type.
    ///
    /// This does not check the epoch; where the link's epoch is known, compare the zxid with it as well.
    #[inline]
    #[must_use]
    pub fn plausible(&self, to_leader: bool, limit: u32) -> bool {
        let len = self.data_len;
        let at_least = |least: i32| len >= least && len.unsigned_abs() <= limit;
        // The three most frequent types first.
        let is_transaction = self.zxid.0.cast_signed() >= 0 && self.zxid.counter() != 0;
        match (self.kind, to_leader) {
            (PacketType::Proposal, false) => return at_least(32) && is_transaction,
            (PacketType::Commit, false) => return len == -1 && is_transaction,
            (PacketType::Ack, true) => return len == -1 && self.zxid.0.cast_signed() >= 0,
            _ => {}
        }
        let fits = match (self.kind, to_leader) {
            (PacketType::Request, true) => at_least(16),
            (PacketType::Ping, true) => at_least(0) && len % 12 == 0,
            (PacketType::FollowerInfo, true) => matches!(len, -1 | 8 | 12 | 20),
            (PacketType::ObserverInfo, true) => matches!(len, 8 | 12 | 20),
            (PacketType::Proposal | PacketType::Inform, false) => at_least(32),
            (PacketType::InformAndActivate, false) => at_least(40),
            (PacketType::NewLeader, false) => len == -1 || at_least(0),
            (kind, _) => fixed_data_len(kind, to_leader) == Some(len),
        };
        fits && self.zxid_fits()
    }

    /// Whether the type can have this zxid: −1 or 0 where that is fixed, no negative epoch otherwise; counter
    /// 0 where the zxid names an epoch, and never where it names a transaction.
    fn zxid_fits(&self) -> bool {
        match self.kind {
            PacketType::Request | PacketType::Revalidate | PacketType::UpToDate => self.zxid == Zxid::NONE,
            PacketType::Sync => self.zxid == Zxid(0),
            _ if self.zxid.0.cast_signed() < 0 => false,
            PacketType::LeaderInfo => self.zxid.counter() == 0,
            PacketType::Proposal
            | PacketType::Commit
            | PacketType::Inform
            | PacketType::CommitAndActivate
            | PacketType::InformAndActivate => self.zxid.counter() != 0,
            _ => true,
        }
    }
}

/// The fixed data length of this type in this direction (−1 for null); `None` if it varies or this side does
/// not send the type.
#[must_use]
pub const fn fixed_data_len(kind: PacketType, to_leader: bool) -> Option<i32> {
    Some(match (kind, to_leader) {
        (PacketType::Ack, true)
        | (
            PacketType::Commit
            | PacketType::Ping
            | PacketType::Sync
            | PacketType::UpToDate
            | PacketType::Diff
            | PacketType::Trunc
            | PacketType::Snap,
            false,
        ) => -1,
        (PacketType::LeaderInfo, false) | (PacketType::AckEpoch, true) => 4,
        (PacketType::CommitAndActivate, false) => 8,
        (PacketType::Revalidate, false) => 9,
        (PacketType::Revalidate, true) => 12,
        _ => return None,
    })
}

/// The captured part of a [`Head`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glimpse {
    /// The type; needs 4 captured bytes.
    pub kind: PacketType,
    /// The zxid; needs 12.
    pub zxid: Option<Zxid>,
    /// The data length; needs 16.
    pub data_len: Option<i32>,
}

impl Glimpse {
    /// Decodes what is there; `None` below 4 bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first_chunk::<4>()?;
        let zxid = rest.split_first_chunk::<8>();
        let data_len = zxid.and_then(|(_, rest)| rest.first_chunk::<4>());
        Some(Self {
            kind: PacketType::from_number(i32::from_be_bytes(*kind)),
            zxid: zxid.map(|(zxid, _)| Zxid(u64::from_be_bytes(*zxid))),
            data_len: data_len.map(|len| i32::from_be_bytes(*len)),
        })
    }

    /// The whole head, if the cut part follows from the type: a COMMIT has no data.
    #[must_use]
    pub fn head(&self, to_leader: bool) -> Option<Head> {
        let data_len = self.data_len.or_else(|| fixed_data_len(self.kind, to_leader))?;
        Some(Head { kind: self.kind, zxid: self.zxid?, data_len })
    }

    /// The packet's size on the wire with a null authinfo, if the data length or the type gives it.
    #[must_use]
    pub fn size_without_authinfo(&self, to_leader: bool) -> Option<u64> {
        let data_len = self.data_len.or_else(|| fixed_data_len(self.kind, to_leader))?;
        Some(u64::from(data_len.max(0).unsigned_abs()) + 20)
    }
}

/// The identities of the client connection that sent a REQUEST; null (count −1) in everything else.
pub type Authinfo<'a> = List<'a, Id<'a>>;

/// A whole packet; borrows its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Type, zxid and data length.
    pub head: Head,
    /// The encoded data; `None` is null, which is not the same as empty.
    pub data: Option<&'a [u8]>,
    /// The identities of the client that sent a REQUEST.
    pub authinfo: Authinfo<'a>,
}

impl<'a> Packet<'a> {
    /// A packet of any type without authinfo.
    #[must_use]
    pub fn new(kind: PacketType, zxid: Zxid, data: Option<&'a [u8]>) -> Self {
        let data_len = data.map_or(-1, |data| i32::try_from(data.len()).unwrap_or(i32::MAX));
        Self { head: Head { kind, zxid, data_len }, data, authinfo: Authinfo::NULL }
    }

    /// Decodes the packet at the start of `input`. `limit` bounds the data, and the authinfo as a whole
    /// ([`jute::DEFAULT_MAX_BUFFER`] is ZooKeeper's own limit). Unknown types are packets too.
    #[must_use]
    pub fn decode(input: &'a [u8], limit: u32) -> Decoded<Self> {
        // With the authinfo, so that the caller has to read more only once.
        match Head::decode(input) {
            Some(head) if head.body_len() <= u64::from(limit) && head.data_len >= -1 => {
                let size = usize::try_from(head.size_without_authinfo()).unwrap_or(usize::MAX);
                if input.len() < size {
                    return Decoded::NeedMore { at_least: size };
                }
            }
            None => return Decoded::NeedMore { at_least: Head::LEN },
            Some(_) => {}
        }
        Decoded::of(jute::front(input, Self::parse(limit)))
    }

    fn parse(limit: u32) -> impl Fn(&'a [u8]) -> Parsed<'a, Self> {
        move |input| {
            let (after, head) = head(input)?;
            let len_at = input.get(12..).unwrap_or_default();
            let data_len =
                jute::length(head.data_len, limit).map_err(|kind| Fault::at("data", len_at, kind))?;
            let (after, data) = match data_len {
                None => (after, None),
                Some(len) => jute::bytes("data", len).map(Some).parse(after)?,
            };
            let most = usize::try_from(limit).unwrap_or(usize::MAX);
            let (after, authinfo) = Authinfo::parse_within("authinfo", MAX_AUTHINFO, most)(after)?;
            Ok((after, Self { head, data, authinfo }))
        }
    }

    /// Appends the packet to `out`; the data length is that of [`Packet::data`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        jute::put_int(out, self.head.kind.number());
        jute::put_id(out, self.head.zxid.0);
        jute::put_buffer(out, self.data);
        self.authinfo.encode(out);
    }
}

fn head(input: &[u8]) -> Parsed<'_, Head> {
    let short = DecodeErrorKind::TooShort { needed: Head::LEN, present: input.len() };
    let head = Head::decode(input).ok_or_else(|| Fault::at("head", input, short))?;
    Ok((input.get(Head::LEN..).unwrap_or_default(), head))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;
    use crate::proto::body::{Body, encode};

    use crate::proto::error::DecodeError;
    use crate::proto::examples::{QUORUM, hex, named};
    use crate::proto::jute::DEFAULT_MAX_BUFFER;
    use crate::testkit::random::Random;

    fn malformed(bytes: &[u8], limit: u32) -> DecodeError {
        match Packet::decode(bytes, limit) {
            Decoded::Malformed(error) => error,
            other => panic!("{other:?}"),
        }
    }

    fn with_data_len(len: i32) -> Vec<u8> {
        let mut bytes = Vec::new();
        Head { kind: PacketType::Proposal, zxid: Zxid::new(5, 1), data_len: len }.encode(&mut bytes);
        bytes
    }

    #[test]
    fn every_example_comes_out_as_it_went_in() {
        for example in QUORUM {
            let bytes = example.bytes();
            let (packet, used) = Packet::decode(&bytes, DEFAULT_MAX_BUFFER).record().unwrap();
            assert_eq!(used, bytes.len(), "{}", example.name);
            assert_eq!(packet.head.kind, example.kind, "{}", example.name);
            let mut again = Vec::new();
            packet.encode(&mut again);
            assert_eq!(again, bytes, "{}", example.name);

            let body = packet.body(example.to_leader).unwrap();
            assert!(!matches!(body, Body::Unknown(_)), "{}", example.name);
            let mut again = Vec::new();
            encode(packet.head.kind, packet.head.zxid, &body, &packet.authinfo, &mut again);
            assert_eq!(again, bytes, "{}", example.name);
        }
    }

    #[test]
    fn every_example_is_plausible_where_it_belongs_and_nowhere_else() {
        for example in QUORUM {
            let bytes = example.bytes();
            let head = Head::decode(&bytes).unwrap();
            assert!(head.plausible(example.to_leader, DEFAULT_MAX_BUFFER), "{}", example.name);
            assert!(!head.plausible(!example.to_leader, DEFAULT_MAX_BUFFER), "{}", example.name);
            let null_authinfo = example.name != "REQUEST create";
            assert_eq!(head.size_without_authinfo() == bytes.len() as u64, null_authinfo, "{}", example.name);
        }
    }

    #[test]
    fn a_packet_cut_anywhere_asks_for_more_and_never_for_too_much() {
        for example in QUORUM {
            let bytes = example.bytes();
            for len in 0..bytes.len() {
                match Packet::decode(&bytes[..len], DEFAULT_MAX_BUFFER) {
                    Decoded::NeedMore { at_least } => {
                        assert!(at_least > len && at_least <= bytes.len(), "{} at {len}", example.name);
                    }
                    other => panic!("{} at {len}: {other:?}", example.name),
                }
            }
        }
    }

    #[test]
    fn what_follows_a_packet_is_left_alone() {
        for example in QUORUM {
            let mut bytes = example.bytes();
            bytes.extend_from_slice(&[0xff; 40]);
            let (_, used) = Packet::decode(&bytes, DEFAULT_MAX_BUFFER).record().unwrap();
            assert_eq!(used, example.size, "{}", example.name);
        }
    }

    #[test]
    fn a_glimpse_shows_what_is_there() {
        let bytes = named("COMMIT").bytes();
        assert_eq!(Glimpse::decode(&bytes[..3]), None);
        let shown = Glimpse::decode(&bytes[..11]).unwrap();
        assert_eq!((shown.kind, shown.zxid, shown.data_len), (PacketType::Commit, None, None));
        assert_eq!(shown.size_without_authinfo(false), Some(20));
        assert_eq!(shown.size_without_authinfo(true), None);
        let shown = Glimpse::decode(&bytes[..15]).unwrap();
        assert_eq!((shown.zxid, shown.data_len), (Some(Zxid::new(5, 7)), None));
        assert_eq!(shown.head(false), Head::decode(&bytes));
        assert_eq!(shown.head(true), None, "no learner sends COMMITs");
        assert_eq!(Glimpse::decode(&bytes[..16]).unwrap().data_len, Some(-1));
        let proposal = named("PROPOSAL setData").bytes();
        assert_eq!(Glimpse::decode(&proposal[..15]).unwrap().size_without_authinfo(false), None);
        assert_eq!(Glimpse::decode(&proposal[..16]).unwrap().size_without_authinfo(false), Some(68));
    }

    #[test]
    fn data_lengths_are_held_against_the_limit_before_any_data_is_there() {
        let limit = 1000;
        for len in [-1_i32, 0, 1000] {
            let size = 20 + len.max(0).unsigned_abs() as usize;
            assert_eq!(Packet::decode(&with_data_len(len), limit), Decoded::NeedMore { at_least: size });
        }
        let error = malformed(&with_data_len(1001), limit);
        assert_eq!(error.kind, DecodeErrorKind::TooLong { len: 1001, limit: 1000 });
        assert_eq!((error.field, error.offset), ("data", 12));
        let most = DecodeErrorKind::TooLong { len: i32::MAX as u64, limit: 1000 };
        assert_eq!(malformed(&with_data_len(i32::MAX), limit).kind, most);
        assert_eq!(malformed(&with_data_len(-2), limit).kind, DecodeErrorKind::BadValue(-2));
        assert_eq!(
            malformed(&with_data_len(i32::MIN), limit).kind,
            DecodeErrorKind::BadValue(i32::MIN.into())
        );
    }

    #[test]
    fn authinfo_is_bounded_in_number_and_in_bytes() {
        let with_count = |count: i32| {
            let mut bytes = with_data_len(-1);
            jute::put_int(&mut bytes, count);
            bytes
        };
        for nothing in [-1, 0, -2, i32::MIN] {
            let bytes = with_count(nothing);
            let (packet, used) = Packet::decode(&bytes, 100).record().unwrap();
            assert_eq!((used, packet.authinfo.len(), packet.authinfo.is_null()), (20, 0, nothing == -1));
            let mut again = Vec::new();
            packet.encode(&mut again);
            assert_eq!(again, bytes);
        }
        assert_eq!(Packet::decode(&with_count(1024), 100), Decoded::NeedMore { at_least: 24 });
        let error = malformed(&with_count(1025), 100);
        assert_eq!((error.field, error.offset), ("authinfo", 16));
        assert_eq!(error.kind, DecodeErrorKind::TooLong { len: 1025, limit: 1024 });
        assert!(matches!(malformed(&with_count(i32::MAX), 100).kind, DecodeErrorKind::TooLong { .. }));

        let mut bytes = with_count(13);
        bytes.extend_from_slice(&[0; 13 * 8]);
        assert_eq!(malformed(&bytes, 100).kind, DecodeErrorKind::TooLong { len: 104, limit: 100 });
        assert!(Packet::decode(&bytes, 104).record().is_some());
    }

    #[test]
    fn a_request_names_who_is_behind_it() {
        let bytes = named("REQUEST create").bytes();
        let (packet, _) = Packet::decode(&bytes, DEFAULT_MAX_BUFFER).record().unwrap();
        let ids: Vec<_> = packet.authinfo.iter().collect();
        assert_eq!(ids, [Id { scheme: Some(b"ip"), id: Some(b"10.0.0.7") }]);
    }

    #[test]
    fn a_type_that_no_release_knows_is_a_packet_all_the_same() {
        let bytes = hex("00000063 0000000500000001 00000003 010203 FFFFFFFF");
        let (packet, used) = Packet::decode(&bytes, DEFAULT_MAX_BUFFER).record().unwrap();
        assert_eq!((packet.head.kind, used), (PacketType::Unknown(99), 23));
        assert_eq!(packet.body(true), Ok(Body::Unknown(&[1, 2, 3])));
        assert!(
            !packet.head.plausible(true, DEFAULT_MAX_BUFFER)
                && !packet.head.plausible(false, DEFAULT_MAX_BUFFER)
        );
    }

    #[test]
    fn plausible_is_strict_where_the_protocol_is() {
        let head = |kind, zxid, data_len| Head { kind, zxid, data_len };
        let txn = Zxid::new(5, 1);
        let to_learner = [
            (head(PacketType::Proposal, txn, 32), true),
            (head(PacketType::Proposal, txn, 31), false),
            (head(PacketType::Proposal, txn, 1000), true),
            (head(PacketType::Proposal, txn, 1001), false),
            (head(PacketType::Proposal, Zxid::new(5, 0), 32), false),
            (head(PacketType::Proposal, Zxid::NONE, 32), false),
            (head(PacketType::Commit, txn, 0), false),
            (head(PacketType::Ping, Zxid(0), -1), true),
            (head(PacketType::Ping, txn, 0), false),
            (head(PacketType::UpToDate, txn, -1), false),
            (head(PacketType::Sync, txn, -1), false),
            (head(PacketType::NewLeader, Zxid::new(5, 0), -1), true),
            (head(PacketType::NewLeader, Zxid::new(5, 0), -2), false),
            (head(PacketType::LeaderInfo, Zxid::new(5, 1), 4), false),
            (head(PacketType::Unknown(0), Zxid(0), -1), false),
        ];
        for (head, expected) in to_learner {
            assert_eq!(head.plausible(false, 1000), expected, "{head:?}");
        }
        let to_leader = [
            (head(PacketType::Ping, txn, 24), true),
            (head(PacketType::Ping, txn, 25), false),
            (head(PacketType::Ping, txn, -1), false),
            (head(PacketType::Request, Zxid::NONE, 16), true),
            (head(PacketType::Request, Zxid::NONE, 15), false),
            (head(PacketType::Request, txn, 16), false),
            (head(PacketType::FollowerInfo, Zxid::new(4, 0), 16), false),
            (head(PacketType::ObserverInfo, Zxid::new(4, 0), -1), false),
        ];
        for (head, expected) in to_leader {
            assert_eq!(head.plausible(true, 1000), expected, "{head:?}");
        }
    }

    /// Bytes changed at random, from a fixed seed: whatever decodes also encodes to the same bytes.
    #[test]
    fn spoilt_packets_are_packets_or_refused() {
        let mut random = Random::new(1);
        for round in 0..20_000 {
            let mut bytes = QUORUM[round % QUORUM.len()].bytes();
            for _ in 0..=random.index(3) {
                let at = random.index(bytes.len());
                bytes[at] = [0, 1, 2, 0x7f, 0xff, random.next() as u8][random.index(6)];
            }
            if let Decoded::Record { value, used } = Packet::decode(&bytes, 4096) {
                assert!(used <= bytes.len());
                let mut again = Vec::new();
                value.encode(&mut again);
                assert_eq!(again, bytes[..used]);
                for to_leader in [false, true] {
                    let Ok(body) = value.body(to_leader) else { continue };
                    let mut data = Vec::new();
                    body.encode(&mut data);
                    // The encoding may differ (a boolean of 7), the value may not.
                    let data = (value.data.is_some() && !matches!(body, Body::Empty)).then_some(&data[..]);
                    assert_eq!(Body::decode(value.head.kind, to_leader, data), Ok(body));
                }
            }
        }
    }
}
