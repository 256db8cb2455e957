//! Identifiers of the quorum protocols: zxid, sid, session, packet type, server state.

use super::wire_enum::wire_enum;
use std::fmt;

/// A transaction id: the epoch in the high 32 bits, a counter in the low 32.
///
/// ```
/// use quorumscope::proto::Zxid;
///
/// let zxid = Zxid(0x5_0000_0012);
/// assert_eq!((zxid.epoch(), zxid.counter()), (5, 18));
/// assert_eq!(zxid.plus(1).to_string(), "0x500000013");
/// ```
///
/// Source: `apache/zookeeper: zookeeper-server/.../server/util/ZxidUtils.java`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zxid(pub u64);

impl Zxid {
    /// The zxid of packets without one (REQUEST, REVALIDATE, UPTODATE): −1.
    pub const NONE: Self = Self(u64::MAX);

    /// A zxid from its epoch and counter.
    #[must_use]
    pub const fn new(epoch: u32, counter: u32) -> Self {
        Self(((epoch as u64) << 32) | counter as u64)
    }

    /// The epoch, which each new leader increments.
    #[must_use]
    pub const fn epoch(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The number within the epoch; 0 is the NEWLEADER pseudo-transaction.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
    pub const fn counter(self) -> u32 {
        self.0 as u32
    }

    /// The zxid `n` transactions later.
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

wire_enum! {
    /// The type of a QuorumPacket, `Leader.REQUEST` and its neighbours in
    /// `apache/zookeeper: zookeeper-server/.../server/quorum/Leader.java`.
    pub enum PacketType {
        /// 1, learner to leader: a client's write, forwarded.
        Request = 1, "REQUEST";
        /// 2, leader to followers: a transaction to log.
        Proposal = 2, "PROPOSAL";
        /// 3, learner to leader: the transaction is logged.
        Ack = 3, "ACK";
        /// 4, leader to followers: apply the transaction.
        Commit = 4, "COMMIT";
        /// 5, both ways: heartbeat and its answer.
        Ping = 5, "PING";
        /// 6, both ways: a client re-attached its session.
        Revalidate = 6, "REVALIDATE";
        /// 7, leader to learner: the answer to a client's `sync`.
        Sync = 7, "SYNC";
        /// 8, leader to observer: a committed transaction.
        Inform = 8, "INFORM";
        /// 9, leader to followers: COMMIT of a reconfiguration (3.5+).
        CommitAndActivate = 9, "COMMITANDACTIVATE";
        /// 10, leader to learner: the history is complete.
        NewLeader = 10, "NEWLEADER";
        /// 11, follower to leader: first packet of a link.
        FollowerInfo = 11, "FOLLOWERINFO";
        /// 12, leader to learner: start to serve clients.
        UpToDate = 12, "UPTODATE";
        /// 13, leader to learner: the missing history follows as transactions.
        Diff = 13, "DIFF";
        /// 14, leader to learner: truncate your log.
        Trunc = 14, "TRUNC";
        /// 15, leader to learner: a snapshot follows.
        Snap = 15, "SNAP";
        /// 16, observer to leader: first packet of a link.
        ObserverInfo = 16, "OBSERVERINFO";
        /// 17, leader to learner: the new epoch (3.4+).
        LeaderInfo = 17, "LEADERINFO";
        /// 18, learner to leader: epoch accepted (3.4+).
        AckEpoch = 18, "ACKEPOCH";
        /// 19, leader to observer: INFORM of a reconfiguration (3.5+).
        InformAndActivate = 19, "INFORMANDACTIVATE";
        _ = "UNKNOWN";
    }
}

wire_enum! {
    /// A server's state in an election notification, `QuorumPeer.ServerState`.
    pub enum ServerState {
        /// 0: looking for a leader.
        Looking = 0, "LOOKING";
        /// 1: following a leader.
        Following = 1, "FOLLOWING";
        /// 2: leading.
        Leading = 2, "LEADING";
        /// 3: observing a leader.
        Observing = 3, "OBSERVING";
        _ = "UNKNOWN";
    }
}
