//! The packets between a leader and its learners (the quorum port, 2888 by custom).
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
//! There is no outer length: where a packet ends follows from its fields. [`Head`] is the first 16
//! bytes, all that a cut capture need show; [`Packet`] is the whole, and [`Body`] what is in its data.
//!
//! Source: `apache/zookeeper: zookeeper-jute/src/main/resources/zookeeper.jute`, QuorumPacket, and
//! `zookeeper-server/.../server/quorum/Leader.java` for the types.

use nom::Parser;

pub use super::body::{Body, Sessions, encode};

use super::error::{DecodeErrorKind, Step};
use super::id::{PacketType, Zxid};
use super::jute::{self, Fault, Id, List, Parsed};

/// The most identities that a packet may carry. ZooKeeper has no such bound; a client adds one by each
/// `addauth`, so a thousand is beyond any use.
pub const AUTHINFO_LIMIT: i32 = 1024;

/// The first 16 bytes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it is.
    pub kind: PacketType,
    /// Its zxid; what that means depends on the type.
    pub zxid: Zxid,
    /// The length of its data, −1 for null.
    pub data_len: i32,
}

impl Head {
    /// Bytes in a head.
    pub const LEN: usize = 16;

    /// The head at the front of `bytes`, or `None` below 16 bytes. Every 16 bytes are some head:
    /// see [`Head::plausible`].
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

    /// Writes the 16 bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        jute::put_int(out, self.kind.number());
        jute::put_id(out, self.zxid.0);
        jute::put_int(out, self.data_len);
    }

    /// Bytes of data: 0 for null.
    #[inline]
    #[must_use]
    pub fn body_len(&self) -> u64 {
        u64::from(self.data_len.max(0).unsigned_abs())
    }

    /// The packet's size on the wire if its authinfo is null, which only a REQUEST's is not.
    #[inline]
    #[must_use]
    pub fn size_without_authinfo(&self) -> u64 {
        self.body_len() + 20
    }

    /// Whether a packet can start with this head in this direction: a type that this side sends, data
    /// of a length that the type has (`limit` at most), and a zxid that it can have.
    ///
    /// It does not know which epoch it is; hold the zxid against that too where it is known.
    #[inline]
    #[must_use]
    pub fn plausible(&self, to_leader: bool, limit: u32) -> bool {
        let len = self.data_len;
        let at_least = |least: i32| len >= least && len.unsigned_abs() <= limit;
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

    /// Whether the type can have this zxid: −1 and 0 where they are fixed, no negative epoch anywhere
    /// else, counter 0 where it is an epoch's and never where it is a transaction's.
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

/// The data length that every packet of this type has in this direction (−1 for null), or `None` where
/// it varies or this side does not send the type.
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

/// As much of a [`Head`] as a cut leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glimpse {
    /// The type: 4 bytes.
    pub kind: PacketType,
    /// The zxid: 12 bytes.
    pub zxid: Option<Zxid>,
    /// The data length: 16 bytes.
    pub data_len: Option<i32>,
}

impl Glimpse {
    /// What the front of a packet shows; `None` below 4 bytes.
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

    /// The packet's size on the wire with a null authinfo, from its data length or from its type alone.
    #[must_use]
    pub fn size_without_authinfo(&self, to_leader: bool) -> Option<u64> {
        let data_len = self.data_len.or_else(|| fixed_data_len(self.kind, to_leader))?;
        Some(u64::from(data_len.max(0).unsigned_abs()) + 20)
    }
}

/// The identities of the client connection behind a REQUEST; null (count −1) in everything else.
pub type Authinfo<'a> = List<'a, Id<'a>>;

/// A whole packet, over the bytes it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Type, zxid and data length.
    pub head: Head,
    /// The data as it is on the wire; `None` is null, and not the same as empty.
    pub data: Option<&'a [u8]>,
    /// Who is behind a REQUEST.
    pub authinfo: Authinfo<'a>,
}

impl<'a> Packet<'a> {
    /// A packet of any type without authinfo.
    #[must_use]
    pub fn new(kind: PacketType, zxid: Zxid, data: Option<&'a [u8]>) -> Self {
        let data_len = data.map_or(-1, |data| i32::try_from(data.len()).unwrap_or(i32::MAX));
        Self { head: Head { kind, zxid, data_len }, data, authinfo: Authinfo::NULL }
    }

    /// The packet at the front of `input`. `limit` bounds the data, and the authinfo as a whole
    /// ([`jute::DEFAULT_LIMIT`] is ZooKeeper's own). Types that no release knows are packets too.
    #[must_use]
    pub fn decode(input: &'a [u8], limit: u32) -> Step<Self> {
        // Authinfo included, so that a reader asks once and not twice.
        match Head::decode(input) {
            Some(head) if head.body_len() <= u64::from(limit) && head.data_len >= -1 => {
                let size = usize::try_from(head.size_without_authinfo()).unwrap_or(usize::MAX);
                if input.len() < size {
                    return Step::NeedMore { at_least: size };
                }
            }
            None => return Step::NeedMore { at_least: Head::LEN },
            Some(_) => {}
        }
        Step::of(jute::front(input, Self::parse(limit)))
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
            let (after, authinfo) = Authinfo::parse_within("authinfo", AUTHINFO_LIMIT, most)(after)?;
            Ok((after, Self { head, data, authinfo }))
        }
    }

    /// Writes the packet; the head's data length is written as it stands in [`Packet::data`].
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
