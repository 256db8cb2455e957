//! etcd's members and the paths between them: `members[]`, `paths[]`, and their elections and near misses.

use super::ViewContext;
use super::link::BytesView;
use super::log::LogLineView;
use crate::findings::raft::{Member, Path, PathWay, PeerElection, PeerNearMiss, PeerRoundTrips, Raft};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
pub(super) struct MemberView {
    address: String,
    name: Option<String>,
    id: Option<String>,
    release: Option<&'static str>,
    roles: Vec<RoleSpanView>,
    last_index: Option<u64>,
}

#[derive(Serialize)]
struct RoleSpanView {
    role: &'static str,
    from: String,
    to: Option<String>,
}

impl MemberView {
    pub(super) fn of(member: &Member, ctx: &ViewContext<'_>) -> Self {
        let roles = member.roles.iter().map(|span| RoleSpanView {
            role: span.role.name(),
            from: ctx.time(span.from),
            to: ctx.maybe(span.to),
        });
        Self {
            address: member.address.to_string(),
            name: member.name.clone(),
            id: member.id.map(|id| format!("0x{id:x}")),
            release: member.release,
            roles: roles.collect(),
            last_index: member.last_index,
        }
    }
}

#[derive(Serialize)]
pub(super) struct PathView {
    id: u32,
    members: [String; 2],
    seen_from: Vec<String>,
    /// From the first member to the second, and back.
    ways: [WayView; 2],
}

#[derive(Serialize)]
struct WayView {
    from: String,
    to: String,
    records: BTreeMap<&'static str, u64>,
    inferred: BTreeMap<&'static str, u64>,
    bytes: BytesView,
    retransmits: u64,
    dialed: u64,
    refused: u64,
    heartbeat: RaftTripsView,
    append: RaftTripsView,
    append_unclear: u64,
    kernel: RaftTripsView,
}

#[derive(Serialize)]
struct RaftTripsView {
    count: u64,
    mean_us: Option<u64>,
    max_us: Option<u64>,
}

impl RaftTripsView {
    const fn of(trips: &PeerRoundTrips) -> Self {
        Self { count: trips.count, mean_us: trips.mean_us, max_us: trips.max_us }
    }
}

impl PathView {
    pub(super) fn of(path: &Path, _: &ViewContext<'_>) -> Self {
        let [a, b] = path.members.map(|member| member.to_string());
        let view = |way: &PathWay, from: &str, to: &str| WayView {
            from: from.to_owned(),
            to: to.to_owned(),
            records: way.records.clone(),
            inferred: way.inferred.clone(),
            bytes: BytesView::of(&way.bytes),
            retransmits: way.retransmits,
            dialed: way.dialed,
            refused: way.refused,
            heartbeat: RaftTripsView::of(&way.heartbeat),
            append: RaftTripsView::of(&way.append),
            append_unclear: way.append_unclear,
            kernel: RaftTripsView::of(&way.kernel),
        };
        let [there, back] = &path.ways;
        Self {
            id: path.id,
            ways: [view(there, &a, &b), view(back, &b, &a)],
            members: [a, b],
            seen_from: path.seen_from.iter().map(ToString::to_string).collect(),
        }
    }
}

/// An election of etcd's, beside ZooKeeper's: who has a sid and an epoch there has an address and a term here.
#[derive(Serialize)]
pub(super) struct PeerElectionView {
    start: String,
    end: Option<String>,
    leader_sid: Option<i64>,
    epoch: Option<u32>,
    votes: u64,
    by: Vec<String>,
    leader: String,
    leader_before: Option<String>,
    term: Option<u64>,
    handed_over: bool,
    incident: Option<u32>,
}

impl PeerElectionView {
    pub(super) fn of(election: &PeerElection, ctx: &ViewContext<'_>) -> Self {
        Self {
            start: ctx.time(election.start),
            end: Some(ctx.time(election.end)),
            leader_sid: None,
            epoch: None,
            votes: election.votes,
            by: election.by.iter().map(ToString::to_string).collect(),
            leader: election.leader.to_string(),
            leader_before: election.before.map(|before| before.to_string()),
            term: election.term,
            handed_over: election.is_transfer,
            incident: election.incident,
        }
    }
}

#[derive(Serialize)]
pub(super) struct RaftSettingsView<'a> {
    heartbeat_ms: u64,
    heartbeat_from: &'static str,
    heartbeat_measured_ms: Option<u64>,
    election_ms: u64,
    election_from: &'static str,
    tls: bool,
    near_misses: Vec<PeerNearMissView>,
    /// Lines of members' logs of which the wire shows nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    log_only: Vec<LogLineView<'a>>,
}

#[derive(Serialize)]
struct PeerNearMissView {
    member: String,
    leader: String,
    deadline: &'static str,
    at: String,
    wait_ms: u64,
    limit_ms: u64,
}

impl<'a> RaftSettingsView<'a> {
    pub(super) fn of(raft: &'a Raft, ctx: &ViewContext<'_>) -> Self {
        let heartbeat_from = match raft.settings.heartbeat_from {
            crate::findings::Origin::Pings => "heartbeats",
            other => other.name(),
        };
        let miss = |miss: &PeerNearMiss| PeerNearMissView {
            member: miss.member.to_string(),
            leader: miss.leader.to_string(),
            deadline: "election",
            at: ctx.time(miss.at),
            wait_ms: miss.wait_ms,
            limit_ms: miss.limit_ms,
        };
        Self {
            heartbeat_ms: raft.settings.heartbeat_ms,
            heartbeat_from,
            heartbeat_measured_ms: raft.settings.measured_ms,
            election_ms: raft.settings.election_ms,
            election_from: raft.settings.election_from.name(),
            tls: raft.is_tls,
            near_misses: raft.near_misses.iter().map(miss).collect(),
            log_only: raft.log_only.iter().map(|line| LogLineView::of(line, ctx)).collect(),
        }
    }
}
