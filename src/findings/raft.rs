//! What is found of etcd's members: beside ZooKeeper's servers and links, in the same report.

use super::log::{LogLine, LogVerdict};
use super::{Origin, RoleSpan};
use crate::address::Address;
use crate::dissect::ByteSums;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// All that is told of etcd's members.
#[derive(Clone, Debug, Default)]
pub struct Raft {
    /// Its times, as reckoned with.
    pub settings: PeerSettings,
    /// The members, by address.
    pub members: Vec<Member>,
    /// The paths between two members, each made of several connections.
    pub paths: Vec<Path>,
    /// Elections, in order of their ends.
    pub elections: Vec<PeerElection>,
    /// Waits for a leader that came near an election timeout, the longest first.
    pub near_misses: Vec<PeerNearMiss>,
    /// Pairs of members that the captures show, and pairs that there are.
    pub paths_expected: u64,
    /// What members' own logs tell of incidents.
    pub logs: Vec<MemberLog>,
    /// Lines of theirs that matter, and of which the wire shows nothing.
    pub log_only: Vec<LogLine>,
    /// Members whose processes ended right before the captures did.
    pub ended_last: u64,
    /// Whether what members say is under TLS.
    pub is_tls: bool,
}

impl Raft {
    /// Whether nothing of etcd was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// What members' own logs tell of an incident.
#[derive(Clone, Debug)]
pub struct MemberLog {
    /// The incident.
    pub incident: u32,
    /// The most telling lines, in order of time.
    pub lines: Vec<LogLine>,
    /// What they say to what the wire shows.
    pub says: Vec<LogVerdict>,
}

/// etcd's times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerSettings {
    /// The heartbeat interval in milliseconds.
    pub heartbeat_ms: u64,
    /// The same as the leader's heartbeats show it.
    pub measured_ms: Option<u64>,
    /// Where it came from: [`Origin::Pings`] where the leader's heartbeats show it.
    pub heartbeat_from: Origin,
    /// The election timeout in milliseconds.
    pub election_ms: u64,
    /// Where it came from.
    pub election_from: Origin,
}

/// A member.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its address.
    pub address: Address,
    /// Its name, where a configuration has it.
    pub name: Option<String>,
    /// Its id, once it or another one named it.
    pub id: Option<u64>,
    /// Releases whose link heartbeats have the size of its own.
    pub release: Option<&'static str>,
    /// What it was, when.
    pub roles: Vec<RoleSpan>,
    /// The highest index that it was seen to append, acknowledge or commit.
    pub last_index: Option<u64>,
}

/// A path between two members.
#[derive(Clone, Debug)]
pub struct Path {
    /// Its number, from 1.
    pub id: u32,
    /// The members, the lower address first.
    pub members: [Address; 2],
    /// What the first sends to the second, and back.
    pub ways: [PathWay; 2],
    /// The hosts whose captures show it.
    pub seen_from: Vec<Address>,
}

/// One direction of a path.
#[derive(Clone, Debug, Default)]
pub struct PathWay {
    /// Records, by name.
    pub records: BTreeMap<&'static str, u64>,
    /// Those that the cut hides and arithmetic proves.
    pub inferred: BTreeMap<&'static str, u64>,
    /// Where the bytes went.
    pub bytes: ByteSums,
    /// Segments sent again.
    pub retransmits: u64,
    /// Connections that this side dialed, and of them those that were refused.
    pub dialed: u64,
    /// See `dialed`.
    pub refused: u64,
    /// From a heartbeat of this side's to its answer.
    pub heartbeat: PeerRoundTrips,
    /// From entries of this side's to the answer that has them: of a batch the last one counts for all before.
    pub append: PeerRoundTrips,
    /// Appends beside them, of which the cut hides which answer has them.
    pub append_unclear: u64,
    /// From a segment to its acknowledgment by the other kernel.
    pub kernel: PeerRoundTrips,
}

/// Round trips, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerRoundTrips {
    /// How many.
    pub count: u64,
    /// Their mean.
    pub mean_us: Option<u64>,
    /// The longest.
    pub max_us: Option<u64>,
}

/// An election.
#[derive(Clone, Debug)]
pub struct PeerElection {
    /// The first vote that was asked for.
    pub start: Timestamp,
    /// The new leader's first word.
    pub end: Timestamp,
    /// Who won.
    pub leader: Address,
    /// Who led before; `None` where the captures do not show it.
    pub before: Option<Address>,
    /// The term that began, where it was captured.
    pub term: Option<u64>,
    /// Votes asked for.
    pub votes: u64,
    /// By whom.
    pub by: Vec<Address>,
    /// Whether the old leader handed the lead over (MsgTimeoutNow).
    pub is_transfer: bool,
    /// The incident that led to it.
    pub incident: Option<u32>,
}

/// A wait for a leader's word that came near an election timeout.
#[derive(Clone, Copy, Debug)]
pub struct PeerNearMiss {
    /// Who waited.
    pub member: Address,
    /// For whom.
    pub leader: Address,
    /// The last word before.
    pub at: Timestamp,
    /// How long.
    pub wait_ms: u64,
    /// The election timeout.
    pub limit_ms: u64,
}
