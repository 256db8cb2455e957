//! The data of a packet, decoded by its type and direction.

use nom::Parser;

use super::config;
use super::error::{DecodeError, DecodeErrorKind};
use super::id::{PacketType, SessionId, Sid, Zxid};
use super::jute::{self, Parsed};
use super::learner::LearnerInfo;
use super::quorum::{Authinfo, Head, Packet};
use super::request::Request;
use super::txn::Txn;

/// The data of a packet, decoded.
///
/// Source: `apache/zookeeper: zookeeper-server/.../server/quorum/`, Leader, Learner, LearnerHandler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// No data, in a type that has none or need not have any.
    Empty,
    /// REQUEST.
    Request(Request<'a>),
    /// PROPOSAL.
    Proposal(Txn<'a>),
    /// INFORM.
    Inform(Txn<'a>),
    /// A learner's PING: the sessions that were active since its last one.
    Ping(TouchedSessions<'a>),
    /// REVALIDATE to the leader: is this session alive?
    RevalidateRequest {
        /// The session.
        session: SessionId,
        /// Its timeout in milliseconds.
        timeout_ms: i32,
    },
    /// REVALIDATE to the learner.
    RevalidateAnswer {
        /// The session.
        session: SessionId,
        /// Whether it is alive.
        is_valid: bool,
    },
    /// NEWLEADER (3.5+; without data before): the ensemble.
    NewLeader(config::ConfigText<'a>),
    /// FOLLOWERINFO, with or without data.
    FollowerInfo(LearnerInfo),
    /// OBSERVERINFO.
    ObserverInfo(LearnerInfo),
    /// LEADERINFO.
    LeaderInfo {
        /// The leader's protocol version, [`LearnerInfo::PROTOCOL`].
        protocol_version: i32,
    },
    /// ACKEPOCH.
    AckEpoch {
        /// The learner's current epoch; `None` (−1) if it had accepted the leader's already.
        current_epoch: Option<u32>,
    },
    /// COMMITANDACTIVATE.
    CommitAndActivate {
        /// The sid of the designated leader after the reconfiguration.
        leader: Sid,
    },
    /// INFORMANDACTIVATE.
    InformAndActivate {
        /// Who is to lead from here on.
        leader: Sid,
        /// The reconfiguration.
        txn: Txn<'a>,
    },
    /// Data of a type that has none in this direction, or that no release knows.
    Unknown(&'a [u8]),
}

impl<'a> Body<'a> {
    /// Decodes the data of a packet of type `kind`, sent to the leader or by it.
    ///
    /// # Errors
    /// If the data is not valid for the type. Offsets count from the data's first byte.
    pub fn decode(kind: PacketType, to_leader: bool, data: Option<&'a [u8]>) -> Result<Self, DecodeError> {
        let Some(data) = data else {
            return Self::without_data(kind, to_leader);
        };
        match (kind, to_leader) {
            (PacketType::Request, true) => Request::decode(data).map(Self::Request),
            (PacketType::Proposal, false) => Txn::decode(data).map(Self::Proposal),
            (PacketType::Inform, false) => Txn::decode(data).map(Self::Inform),
            (PacketType::Ping, true) => TouchedSessions::decode(data).map(Self::Ping),
            (PacketType::Revalidate, true) => jute::whole(data, revalidate_request),
            (PacketType::Revalidate, false) => jute::whole(data, revalidate_answer),
            (PacketType::NewLeader, false) => Ok(Self::NewLeader(config::ConfigText(data))),
            (PacketType::FollowerInfo, true) => Ok(Self::FollowerInfo(LearnerInfo::decode(data))),
            (PacketType::ObserverInfo, true) => Ok(Self::ObserverInfo(LearnerInfo::decode(data))),
            (PacketType::LeaderInfo, false) => jute::whole(data, leader_info),
            (PacketType::AckEpoch, true) => jute::whole(data, ack_epoch),
            (PacketType::CommitAndActivate, false) => jute::whole(data, commit_and_activate),
            (PacketType::InformAndActivate, false) => inform_and_activate(data),
            _ => Ok(Self::Unknown(data)),
        }
    }

    fn without_data(kind: PacketType, to_leader: bool) -> Result<Self, DecodeError> {
        match (kind, to_leader) {
            (PacketType::FollowerInfo, true) => Ok(Self::FollowerInfo(LearnerInfo::default())),
            (PacketType::ObserverInfo, true) => Ok(Self::ObserverInfo(LearnerInfo::default())),
            (PacketType::Request | PacketType::AckEpoch, true)
            | (PacketType::Revalidate, _)
            | (
                PacketType::Proposal
                | PacketType::Inform
                | PacketType::LeaderInfo
                | PacketType::CommitAndActivate
                | PacketType::InformAndActivate,
                false,
            ) => Err(DecodeError { field: "data", offset: 0, kind: DecodeErrorKind::BadValue(-1) }),
            _ => Ok(Self::Empty),
        }
    }

    /// Appends the data to `out`, without the length before it.
    ///
    /// Decoded data encodes to the same bytes, except where a value has several encodings: booleans become 0
    /// or 1, and bytes that readers ignore are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Empty => {}
            Self::Request(request) => request.encode(out),
            Self::Proposal(txn) | Self::Inform(txn) => txn.encode(out),
            Self::Ping(sessions) => out.extend_from_slice(sessions.raw),
            Self::RevalidateRequest { session, timeout_ms } => {
                jute::put_id(out, session.0);
                jute::put_int(out, timeout_ms);
            }
            Self::RevalidateAnswer { session, is_valid } => {
                jute::put_id(out, session.0);
                jute::put_bool(out, is_valid);
            }
            Self::NewLeader(config::ConfigText(bytes)) | Self::Unknown(bytes) => out.extend_from_slice(bytes),
            Self::FollowerInfo(info) | Self::ObserverInfo(info) => info.encode(out),
            Self::LeaderInfo { protocol_version } => jute::put_int(out, protocol_version),
            Self::AckEpoch { current_epoch } => {
                out.extend_from_slice(&current_epoch.unwrap_or(NO_EPOCH).to_be_bytes());
            }
            Self::CommitAndActivate { leader } => jute::put_long(out, leader.0),
            Self::InformAndActivate { leader, txn } => {
                jute::put_long(out, leader.0);
                txn.encode(out);
            }
        }
    }

    /// Whether the packet's data is null, not just empty.
    const fn is_null(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::FollowerInfo(info) | Self::ObserverInfo(info) => info.sid.is_none(),
            _ => false,
        }
    }
}

/// Appends a whole packet to `out`.
pub fn encode(kind: PacketType, zxid: Zxid, body: &Body<'_>, authinfo: &Authinfo<'_>, out: &mut Vec<u8>) {
    let mut data = Vec::new();
    body.encode(&mut data);
    let data = (!body.is_null()).then_some(data.as_slice());
    Packet { authinfo: *authinfo, ..Packet::new(kind, zxid, data) }.encode(out);
}

impl<'a> Packet<'a> {
    /// Decodes its data.
    ///
    /// # Errors
    /// If the data is not valid for the type; the packet itself is still framed correctly. Offsets count from
    /// the packet's first byte.
    pub fn body(&self, to_leader: bool) -> Result<Body<'a>, DecodeError> {
        Body::decode(self.head.kind, to_leader, self.data).map_err(|error| error.behind(Head::LEN))
    }
}

/// ACKEPOCH's −1: the learner had already accepted the epoch.
const NO_EPOCH: u32 = u32::MAX;

fn revalidate_request(input: &[u8]) -> Parsed<'_, Body<'_>> {
    (jute::id("session").map(SessionId), jute::int("timeout"))
        .map(|(session, timeout_ms)| Body::RevalidateRequest { session, timeout_ms })
        .parse(input)
}

fn revalidate_answer(input: &[u8]) -> Parsed<'_, Body<'_>> {
    (jute::id("session").map(SessionId), jute::boolean("valid"))
        .map(|(session, is_valid)| Body::RevalidateAnswer { session, is_valid })
        .parse(input)
}

fn leader_info(input: &[u8]) -> Parsed<'_, Body<'_>> {
    jute::int("protocol version").map(|protocol_version| Body::LeaderInfo { protocol_version }).parse(input)
}

fn ack_epoch(input: &[u8]) -> Parsed<'_, Body<'_>> {
    jute::int("current epoch")
        .map(|epoch| epoch.cast_unsigned())
        .map(|epoch| Body::AckEpoch { current_epoch: (epoch != NO_EPOCH).then_some(epoch) })
        .parse(input)
}

fn commit_and_activate(input: &[u8]) -> Parsed<'_, Body<'_>> {
    jute::long("leader").map(|leader| Body::CommitAndActivate { leader: Sid(leader) }).parse(input)
}

fn inform_and_activate(data: &[u8]) -> Result<Body<'_>, DecodeError> {
    let (leader, used) = jute::front(data, jute::long("leader").map(Sid))?;
    let txn = Txn::decode(data.get(used..).unwrap_or_default()).map_err(|error| error.behind(used))?;
    Ok(Body::InformAndActivate { leader, txn })
}

/// The sessions in a learner's PING: as many as the data has room for, in no particular order.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 12 i | 8 | session |
/// | 12 i + 8 | 4 | its timeout in milliseconds |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TouchedSessions<'a> {
    raw: &'a [u8],
}

impl<'a> TouchedSessions<'a> {
    /// Bytes per session.
    pub const EACH: usize = 12;

    /// The sessions that fill `data`.
    ///
    /// # Errors
    /// If the length is not a multiple of 12.
    pub fn decode(data: &'a [u8]) -> Result<Self, DecodeError> {
        match data.len() % Self::EACH {
            0 => Ok(Self { raw: data }),
            left => {
                let offset = data.len().saturating_sub(left);
                Err(DecodeError { field: "sessions", offset, kind: DecodeErrorKind::Trailing(left) })
            }
        }
    }

    /// The sessions that were captured completely.
    #[must_use]
    pub fn decode_cut(data: &'a [u8]) -> Self {
        let whole = data.len().saturating_sub(data.len() % Self::EACH);
        Self { raw: data.get(..whole).unwrap_or_default() }
    }

    /// The number of sessions.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.raw.len() / Self::EACH
    }

    /// Whether there are no sessions.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Each session and its timeout in milliseconds.
    pub fn iter(&self) -> impl Iterator<Item = (SessionId, i32)> + use<'a> {
        self.raw.chunks_exact(Self::EACH).filter_map(|entry| {
            let (session, timeout) = entry.split_first_chunk()?;
            let timeout_ms = i32::from_be_bytes(*timeout.first_chunk()?);
            Some((SessionId(u64::from_be_bytes(*session)), timeout_ms))
        })
    }
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

    use crate::proto::config::ConfigText;
    use crate::proto::examples::{QUORUM, hex, named};

    fn body_of(name: &str) -> Body<'static> {
        let example = named(name);
        let data: &'static [u8] = example.data().leak();
        let data = (example.size > 20 || name.starts_with("PING reply")).then_some(data);
        Body::decode(example.kind, example.to_leader, data).unwrap()
    }

    #[test]
    fn the_handshake_says_who_and_what() {
        let info = |config_version| LearnerInfo {
            sid: Some(Sid(1)),
            protocol_version: Some(LearnerInfo::PROTOCOL),
            config_version,
        };
        assert_eq!(body_of("FOLLOWERINFO 3.5+"), Body::FollowerInfo(info(Some(0x1_0000_0000))));
        assert_eq!(body_of("FOLLOWERINFO 3.4"), Body::FollowerInfo(info(None)));
        let bare = LearnerInfo { sid: Some(Sid(1)), ..LearnerInfo::default() };
        assert_eq!(body_of("FOLLOWERINFO 3.2/3.3"), Body::FollowerInfo(bare));
        assert_eq!(body_of("LEADERINFO"), Body::LeaderInfo { protocol_version: 0x10000 });
        assert_eq!(body_of("ACKEPOCH, new epoch"), Body::AckEpoch { current_epoch: Some(4) });
        assert_eq!(body_of("ACKEPOCH, re-join"), Body::AckEpoch { current_epoch: None });
        assert_eq!(body_of("NEWLEADER 3.4"), Body::Empty);
        let Body::NewLeader(text) = body_of("NEWLEADER 3.5+") else { panic!() };
        assert_eq!(text.version(), Some(0x5_0000_0000));
        assert_eq!(text, ConfigText(b"server.1=a:2888:3888:participant\nversion=500000000"));
    }

    #[test]
    fn the_small_ones_say_what_they_have() {
        let session = SessionId(0x0100_000b_54a3_0000);
        let expected = Body::RevalidateRequest { session, timeout_ms: 10_000 };
        assert_eq!(body_of("REVALIDATE to leader"), expected);
        let expected = Body::RevalidateAnswer { session, is_valid: true };
        assert_eq!(body_of("REVALIDATE to learner"), expected);
        assert_eq!(body_of("COMMITANDACTIVATE"), Body::CommitAndActivate { leader: Sid(2) });
        let Body::InformAndActivate { leader, txn } = body_of("INFORMANDACTIVATE") else { panic!() };
        assert_eq!((leader, txn.path()), (Sid(2), Some(&b"/zookeeper/config"[..])));
        assert_eq!(txn.header.zxid, Zxid::new(5, 12));
    }

    #[test]
    fn a_pings_sessions_are_counted_and_a_cut_leaves_whole_ones() {
        let Body::Ping(sessions) = body_of("PING reply, 1 session") else { panic!() };
        let expected = (SessionId(0x0100_000b_54a3_0000), 10_000);
        assert_eq!(sessions.iter().collect::<Vec<_>>(), [expected]);
        let Body::Ping(none) = body_of("PING reply, idle") else { panic!() };
        assert!(none.is_empty());
        assert_eq!(body_of("PING to learner"), Body::Empty);
        let data = [0; 30];
        assert_eq!(TouchedSessions::decode_cut(&data).len(), 2);
        let error = TouchedSessions::decode(&data).unwrap_err();
        assert_eq!((error.offset, error.kind), (24, DecodeErrorKind::Trailing(6)));
    }

    #[test]
    fn data_cut_or_lengthened_is_never_mistaken() {
        for example in QUORUM {
            let data = example.data();
            // Their data may have any length, or many.
            let free = [PacketType::NewLeader, PacketType::FollowerInfo, PacketType::ObserverInfo];
            if data.is_empty() || free.contains(&example.kind) {
                continue;
            }
            for len in 0..data.len() {
                let Ok(body) = Body::decode(example.kind, example.to_leader, Some(&data[..len])) else {
                    continue;
                };
                // Without its digest a transaction is still one; without its body a closeSession; and no sessions are.
                let allowed: &[usize] = match example.name {
                    "PROPOSAL create 3.6+" => &[72, 76],
                    "PROPOSAL create up to 3.5" => &[72],
                    "PROPOSAL closeSession 3.6+" => &[32, 42],
                    "PING reply, 1 session" => &[0],
                    _ => &[],
                };
                assert!(allowed.contains(&len), "{} at {len}: {body:?}", example.name);
            }
            let mut long = data.clone();
            long.push(0);
            let error = Body::decode(example.kind, example.to_leader, Some(&long)).unwrap_err();
            let trailing =
                matches!(error.kind, DecodeErrorKind::Trailing(_) | DecodeErrorKind::TooShort { .. });
            assert!(trailing, "{}: {error}", example.name);
        }
    }

    #[test]
    fn null_is_no_body_for_what_must_have_one() {
        for example in QUORUM {
            let body = Body::decode(example.kind, example.to_leader, None);
            let may =
                [PacketType::NewLeader, PacketType::FollowerInfo, PacketType::ObserverInfo, PacketType::Ping];
            let empty = example.data().is_empty() || may.contains(&example.kind);
            assert_eq!(body.is_ok(), empty, "{}", example.name);
        }
    }

    #[test]
    fn data_where_there_should_be_none_is_kept() {
        assert_eq!(Body::decode(PacketType::Ack, true, Some(b"x")), Ok(Body::Unknown(b"x")));
        assert_eq!(Body::decode(PacketType::Proposal, true, Some(b"x")), Ok(Body::Unknown(b"x")));
        assert_eq!(Body::decode(PacketType::Proposal, true, None), Ok(Body::Empty));
    }

    #[test]
    fn offsets_in_errors_count_from_the_packets_first_byte() {
        let bytes = hex("00000012 0000000400000000 00000003 010203 FFFFFFFF");
        let (packet, _) = Packet::decode(&bytes, 100).record().unwrap();
        let error = packet.body(true).unwrap_err();
        assert_eq!((error.field, error.offset), ("current epoch", 16));
        let bytes = hex("00000013 0000000400000001 0000000A 0000000000000002 0102 FFFFFFFF");
        let (packet, _) = Packet::decode(&bytes, 100).record().unwrap();
        assert_eq!(packet.body(false).unwrap_err().offset, 24);
    }
}
