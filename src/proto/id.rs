//! Identifiers and numbers of the ZooKeeper quorum protocols, each a type of its own.

use std::fmt;

/// A transaction id: the epoch in the high 32 bits, a counter in the low 32.
///
/// Source: `apache/zookeeper: zookeeper-server/.../server/util/ZxidUtils.java`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zxid(pub u64);

impl Zxid {
    /// The zxid of packets that have none (REQUEST, REVALIDATE, UPTODATE): −1.
    pub const NONE: Self = Self(u64::MAX);

    /// A zxid of its halves.
    #[must_use]
    pub const fn new(epoch: u32, counter: u32) -> Self {
        Self(((epoch as u64) << 32) | counter as u64)
    }

    /// The epoch: which leadership made it.
    #[must_use]
    pub const fn epoch(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The place within the epoch; 0 is the NEWLEADER pseudo-transaction.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
    pub const fn counter(self) -> u32 {
        self.0 as u32
    }

    /// The zxid `n` places further on in the same numbering.
    #[must_use]
    pub const fn plus(self, n: u64) -> Self {
        Self(self.0.wrapping_add(n))
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A server id, the number in `myid` and in `server.N=` lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid(pub i64);

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A client session's id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// The type of a QuorumPacket, `Leader.REQUEST` and its neighbours in
/// `apache/zookeeper: zookeeper-server/.../server/quorum/Leader.java`. Numbers that no release
/// knows are kept as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PacketType {
    /// 1, learner to leader: a client's write, forwarded.
    Request,
    /// 2, leader to participants: a transaction to log.
    Proposal,
    /// 3, learner to leader: logged.
    Ack,
    /// 4, leader to participants: apply it.
    Commit,
    /// 5, both ways: are you there.
    Ping,
    /// 6, both ways: a client re-attached its session.
    Revalidate,
    /// 7, leader to learner: answer to a client's `sync`.
    Sync,
    /// 8, leader to observer: a committed transaction.
    Inform,
    /// 9, leader to participants: COMMIT of a reconfiguration (3.5+).
    CommitAndActivate,
    /// 10, leader to learner: the history is complete.
    NewLeader,
    /// 11, follower to leader: first packet of a link.
    FollowerInfo,
    /// 12, leader to learner: serve clients now.
    UpToDate,
    /// 13, leader to learner: history follows as transactions.
    Diff,
    /// 14, leader to learner: cut your log back.
    Trunc,
    /// 15, leader to learner: a snapshot follows.
    Snap,
    /// 16, observer to leader: first packet of a link.
    ObserverInfo,
    /// 17, leader to learner: the new epoch (3.4+).
    LeaderInfo,
    /// 18, learner to leader: epoch accepted (3.4+).
    AckEpoch,
    /// 19, leader to observer: INFORM of a reconfiguration (3.5+).
    InformAndActivate,
    /// Any other number.
    Unknown(i32),
}

impl PacketType {
    /// The type of a number on the wire.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        match number {
            1 => Self::Request,
            2 => Self::Proposal,
            3 => Self::Ack,
            4 => Self::Commit,
            5 => Self::Ping,
            6 => Self::Revalidate,
            7 => Self::Sync,
            8 => Self::Inform,
            9 => Self::CommitAndActivate,
            10 => Self::NewLeader,
            11 => Self::FollowerInfo,
            12 => Self::UpToDate,
            13 => Self::Diff,
            14 => Self::Trunc,
            15 => Self::Snap,
            16 => Self::ObserverInfo,
            17 => Self::LeaderInfo,
            18 => Self::AckEpoch,
            19 => Self::InformAndActivate,
            other => Self::Unknown(other),
        }
    }

    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Request => 1,
            Self::Proposal => 2,
            Self::Ack => 3,
            Self::Commit => 4,
            Self::Ping => 5,
            Self::Revalidate => 6,
            Self::Sync => 7,
            Self::Inform => 8,
            Self::CommitAndActivate => 9,
            Self::NewLeader => 10,
            Self::FollowerInfo => 11,
            Self::UpToDate => 12,
            Self::Diff => 13,
            Self::Trunc => 14,
            Self::Snap => 15,
            Self::ObserverInfo => 16,
            Self::LeaderInfo => 17,
            Self::AckEpoch => 18,
            Self::InformAndActivate => 19,
            Self::Unknown(other) => other,
        }
    }

    /// Its name as ZooKeeper spells it; `UNKNOWN` where there is none.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "REQUEST",
            Self::Proposal => "PROPOSAL",
            Self::Ack => "ACK",
            Self::Commit => "COMMIT",
            Self::Ping => "PING",
            Self::Revalidate => "REVALIDATE",
            Self::Sync => "SYNC",
            Self::Inform => "INFORM",
            Self::CommitAndActivate => "COMMITANDACTIVATE",
            Self::NewLeader => "NEWLEADER",
            Self::FollowerInfo => "FOLLOWERINFO",
            Self::UpToDate => "UPTODATE",
            Self::Diff => "DIFF",
            Self::Trunc => "TRUNC",
            Self::Snap => "SNAP",
            Self::ObserverInfo => "OBSERVERINFO",
            Self::LeaderInfo => "LEADERINFO",
            Self::AckEpoch => "ACKEPOCH",
            Self::InformAndActivate => "INFORMANDACTIVATE",
            Self::Unknown(_) => "UNKNOWN",
        }
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(number) => write!(f, "UNKNOWN({number})"),
            known => f.write_str(known.name()),
        }
    }
}

/// What a server says of itself in an election notification, `QuorumPeer.ServerState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerState {
    /// 0: looking for a leader.
    Looking,
    /// 1: following one.
    Following,
    /// 2: leading.
    Leading,
    /// 3: observing.
    Observing,
    /// Any other number.
    Unknown(i32),
}

impl ServerState {
    /// The state of a number on the wire.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        match number {
            0 => Self::Looking,
            1 => Self::Following,
            2 => Self::Leading,
            3 => Self::Observing,
            other => Self::Unknown(other),
        }
    }

    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Looking => 0,
            Self::Following => 1,
            Self::Leading => 2,
            Self::Observing => 3,
            Self::Unknown(other) => other,
        }
    }

    /// Its name as ZooKeeper prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Looking => "LOOKING",
            Self::Following => "FOLLOWING",
            Self::Leading => "LEADING",
            Self::Observing => "OBSERVING",
            Self::Unknown(_) => "UNKNOWN",
        }
    }
}
