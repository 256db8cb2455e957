//! What is known of etcd's members once a capture is over: facts, none of them judged.

use super::mark::Voice;
use crate::address::Address;
use crate::dissect::{ByteSums, PeerConnection};
use crate::frame::FrameRef;
use crate::time::{Span, Timestamp};
use std::collections::BTreeMap;

/// What the trackers are told of etcd's members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerOptions {
    /// The heartbeat interval in milliseconds; `None` to take it from the leader's heartbeats.
    pub heartbeat_ms: Option<u32>,
    /// The election timeout in milliseconds; `None` for ten heartbeats.
    pub election_ms: Option<u32>,
    /// The members' names.
    pub names: BTreeMap<Address, String>,
}

/// All that is known.
#[derive(Clone, Debug, Default)]
pub struct PeerFacts {
    /// What each host's captures show.
    pub views: Vec<RaftFacts>,
    /// The members, by address.
    pub members: BTreeMap<Address, MemberFacts>,
    /// The paths between them, each way.
    pub ways: BTreeMap<(Address, Address), WayFacts>,
    /// The spacing of the leader's heartbeats: the middle of those without a context. `None` where too few were seen.
    pub tick: Option<Span>,
    /// Connections on the peer port that were not recognised and not refused: how many, their bytes.
    pub strangers: (u64, u64),
    /// What a configuration says.
    pub told: PeerOptions,
    /// Marks and pairs that there was no room for.
    pub refused: u64,
}

/// What one host's captures show.
#[derive(Clone, Debug, Default)]
pub struct RaftFacts {
    /// The host, as far as it is known.
    pub host: Option<Address>,
    /// The first frame's time.
    pub first: Timestamp,
    /// The last frame's.
    pub last: Timestamp,
    /// What each member said to each other one.
    pub voices: BTreeMap<(Address, Address), Voice>,
    /// Terms as they were seen to rise: when, and to what.
    pub terms: Vec<(Timestamp, u64)>,
    /// Snapshots under way.
    pub snapshots: Vec<SnapshotFacts>,
    /// Whether what is said is under TLS.
    pub is_tls: bool,
}

/// A database that was sent.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotFacts {
    /// The leader.
    pub from: Address,
    /// The follower.
    pub to: Address,
    /// The request.
    pub at: Timestamp,
    /// Its frame.
    pub frame: FrameRef,
    /// The answer; `None` where none was seen.
    pub answered: Option<Timestamp>,
    /// Its connection.
    pub connection: PeerConnection,
    /// The last new bytes that the leader sent on it before the answer.
    pub last_body: Timestamp,
    /// New bytes that it sent.
    pub bytes: u64,
    /// When the connection was closed, the answer aside.
    pub closed: Option<Timestamp>,
}

/// A member.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemberFacts {
    /// Its id, once it or another one named it.
    pub id: Option<u64>,
    /// Bytes of its link heartbeats on the message stream: 36 in 3.3, 38 in 3.4 and 3.5, 28 in 3.6.
    pub link_heartbeat: Option<u64>,
    /// The highest index that it was seen to append, acknowledge or commit.
    pub last_index: Option<u64>,
}

/// One direction of a path.
#[derive(Clone, Debug, Default)]
pub struct WayFacts {
    /// Records, by name.
    pub records: BTreeMap<&'static str, u64>,
    /// Those that arithmetic proves and the cut hides.
    pub inferred: BTreeMap<&'static str, u64>,
    /// Where the bytes went.
    pub bytes: ByteSums,
    /// Segments sent again.
    pub retransmits: u64,
    /// Connections that this side dialed.
    pub dialed: u64,
    /// Of them those that were refused.
    pub refused: u64,
    /// Streams of raft's messages that this side dialed.
    pub streams: u64,
    /// Heartbeats to their answers, in microseconds: count, sum, longest.
    pub heartbeat_us: (u64, u64, u64),
    /// Entries of this side's to the answer that has them, likewise.
    pub append_us: (u64, u64, u64),
    /// Appends of which it is not clear which answer has them.
    pub append_unclear: u64,
    /// What this side sent to its acknowledgment by the other kernel, likewise.
    pub kernel_us: (u64, u64, u64),
    /// How often framing was lost.
    pub losses: u64,
}
