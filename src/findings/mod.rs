//! What trackers and rules find and every output shows: the report as data, named as in its JSON form.
//! [`log`] is what servers' logs add to it; [`selection`] leaves out what was not asked for.
//!
//! Times, addresses and ids are kept as values; how they are written is the formats' work. The JSON
//! form is a contract with other programs: fields are added, never changed in meaning.

mod dial;
mod evidence;
pub mod incident;
mod input;
mod link;
pub mod log;
mod note;
pub mod raft;
#[cfg(test)]
pub(crate) mod sample;
pub mod selection;
pub mod series;
pub mod session;
mod times;
mod violation;

pub use dial::{Dial, DialFailure};
pub use evidence::{Evidence, Shows};
pub use input::{ClockStep, HeadersCut, HostClock, Input, LiveInput, Received, Strangers, VotesCut};
pub use link::{
    Closed, End, Headroom, KnownBy, Link, Phases, Quantiles, RoundTrips, Sync, TcpCounts, Vantage,
};
pub use note::{Arrivals, Note};
pub use violation::{Breach, Violation};

use crate::address::Address;
use crate::proto::{Sid, Zxid};
use crate::time::{Span, Timestamp};
use incident::{Coverage, Incident, Outage};
use log::{LogLine, LogVerdict};
use session::Sessions;
use std::collections::BTreeMap;

/// The whole report.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was read.
    pub input: Input,
    /// What was reckoned with.
    pub settings: Settings,
    /// The hosts that were captured, where there are several.
    pub clocks: Vec<HostClock>,
    /// All servers seen, by address.
    pub servers: Vec<Server>,
    /// All links, in order of their first frames.
    pub links: Vec<Link>,
    /// What happened to the ensemble: one entry per root cause, in order of their starts.
    pub incidents: Vec<Incident>,
    /// When the ensemble served no writes.
    pub outages: Vec<Outage>,
    /// What the captures can tell.
    pub coverage: Coverage,
    /// Client sessions.
    pub sessions: Sessions,
    /// etcd's members, where the captures show any.
    pub raft: raft::Raft,
    /// All waits beyond a deadline, in order of their starts.
    pub stalls: Vec<Stall>,
    /// Waits that came near a deadline without passing it, worst first.
    pub near_misses: Vec<NearMiss>,
    /// All elections, in order of their starts.
    pub elections: Vec<Election>,
    /// What a healthy ensemble never sends.
    pub violations: Vec<Violation>,
    /// Where the bytes of the election connections went.
    pub election_bytes: crate::dissect::ByteSums,
    /// What else spoke to the ports.
    pub strangers: Strangers,
    /// Votes of which the snaplen left too little.
    pub votes_cut: VotesCut,
    /// Attempts to connect, by who dials whom: those of which one failed.
    pub dials: Vec<Dial>,
    /// When the capture's clock was set forward, for all that the servers' own show.
    pub clock_steps: Vec<ClockStep>,
    /// The links' numbers over time, where they were asked for.
    pub series: Option<series::Series>,
    /// Counters of limits that were reached, by name; only those above 0.
    pub limits_hit: BTreeMap<&'static str, u64>,
}

impl Report {
    /// The stall of the same link in whose time a near miss lies: another deadline of the same silence.
    #[must_use]
    pub fn stall_of(&self, miss: &NearMiss) -> Option<u32> {
        let end = miss.at.plus(Span::from_millis(i64::try_from(miss.wait_ms).unwrap_or(i64::MAX)));
        let is_its = |stall: &&Stall| {
            let is_over_before = stall.end.is_some_and(|over| over < miss.at);
            stall.links.contains(&miss.link) && stall.start <= end && !is_over_before
        };
        self.stalls.iter().find(is_its).map(|stall| stall.id)
    }
}

/// Where a setting came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// An option on the command line.
    Option,
    /// A `zoo.cfg`.
    Config,
    /// The beat of the leader's pings.
    Pings,
    /// Links that were closed after a silence of so long.
    Closes,
    /// ZooKeeper's default.
    #[default]
    Default,
}

impl Origin {
    /// Its name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Option => "option",
            Self::Config => "config",
            Self::Pings => "pings",
            Self::Closes => "closes",
            Self::Default => "default",
        }
    }
}

/// ZooKeeper's time limits, as reckoned with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// tickTime in milliseconds.
    pub tick_ms: u32,
    /// Where it came from.
    pub tick_from: Origin,
    /// syncLimit in ticks.
    pub sync_limit: u32,
    /// Where it came from.
    pub sync_limit_from: Origin,
    /// initLimit in ticks.
    pub init_limit: u32,
    /// Where it came from.
    pub init_limit_from: Origin,
}

impl Settings {
    /// The limit on reads and on unacknowledged PROPOSALs: syncLimit × tickTime.
    #[must_use]
    pub const fn stall_limit_ms(&self) -> u64 {
        self.tick_ms as u64 * self.sync_limit as u64
    }

    /// The limit on synchronisation: initLimit × tickTime.
    #[must_use]
    pub const fn init_limit_ms(&self) -> u64 {
        self.tick_ms as u64 * self.init_limit as u64
    }
}

impl Default for Settings {
    /// tickTime 3000 where nothing is set (`QuorumPeer`), the shipped sample's 10 and 5 ticks.
    fn default() -> Self {
        Self {
            tick_ms: 3000,
            tick_from: Origin::Default,
            sync_limit: 5,
            sync_limit_from: Origin::Default,
            init_limit: 10,
            init_limit_from: Origin::Default,
        }
    }
}

/// What a server was at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Leads the ensemble.
    Leader,
    /// Follows, and votes.
    Follower,
    /// Follows without a vote.
    Observer,
    /// Looks for a leader.
    Looking,
}

impl Role {
    /// Its name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Observer => "observer",
            Self::Looking => "looking",
        }
    }
}

/// A role for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleSpan {
    /// Which.
    pub role: Role,
    /// Since when.
    pub from: Timestamp,
    /// Until when; `None` where the capture ends first.
    pub to: Option<Timestamp>,
}

/// A server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its address.
    pub address: Address,
    /// Its id, once it or another server named it.
    pub sid: Option<Sid>,
    /// Its name, from a `zoo.cfg` given.
    pub name: Option<String>,
    /// What it was, when.
    pub roles: Vec<RoleSpan>,
    /// The highest zxid it was seen to propose or acknowledge.
    pub last_zxid: Option<Zxid>,
}

/// ZooKeeper's four deadlines on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deadline {
    /// The leader's read timeout: the learner says nothing.
    LeaderRead,
    /// The learner's read timeout: the leader says nothing.
    LearnerRead,
    /// The leader's check of unacknowledged PROPOSALs.
    Ack,
    /// Both read timeouts while synchronising.
    Init,
}

impl Deadline {
    /// All four.
    pub const ALL: [Self; 4] = [Self::LeaderRead, Self::LearnerRead, Self::Ack, Self::Init];

    /// Its name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LeaderRead => "leader_read",
            Self::LearnerRead => "learner_read",
            Self::Ack => "ack",
            Self::Init => "init",
        }
    }
}

/// What ended a stall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The quiet one spoke again.
    Recovered,
    /// The leader closed the link.
    ClosedByLeader,
    /// The learner did.
    ClosedByLearner,
    /// Nothing, up to the end of the capture.
    Open,
}

impl Outcome {
    /// Its name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::ClosedByLeader => "closed_by_leader",
            Self::ClosedByLearner => "closed_by_learner",
            Self::Open => "open",
        }
    }
}

/// Why a stall came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// The kernel lives, the process does not run, or too seldom.
    ProcessStalled,
    /// Pings are answered, ACKs of PROPOSALs are late.
    DiskSlow,
    /// Nothing gets through, one way or both.
    NetworkCut,
    /// Some gets through, after retransmissions.
    NetworkLoss,
    /// All gets through, late.
    NetworkSlow,
    /// Synchronisation outlasts initLimit.
    SyncSlow,
    /// Long segments vanish, short ones pass.
    NetworkMtu,
    /// A server's process died or was restarted: its own kernel closed its connections.
    ProcessEnded,
    /// A RST that neither process meant: both go on.
    LinkReset,
    /// Nobody listens: a RST answers each attempt to connect.
    ConnectRefused,
    /// Nothing answers an attempt to connect.
    ConnectUnanswered,
    /// An election connection was forgotten by something in between: votes were retransmitted into the void.
    ElectionLinkDead,
    /// A transaction is larger than a server reads (`jute.maxbuffer`).
    PacketTooLarge,
    /// A database on its way to a follower for longer than etcd's deadlines allow.
    SnapshotSlow,
    /// Another leader, though the old one was heard in time.
    ElectionNeedless,
    /// A learner joins and is gone again, over and over.
    SyncLoop,
    /// The evidence does not decide.
    #[default]
    Unknown,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::ProcessStalled,
        Self::DiskSlow,
        Self::NetworkCut,
        Self::NetworkLoss,
        Self::NetworkSlow,
        Self::SyncSlow,
        Self::NetworkMtu,
        Self::ProcessEnded,
        Self::LinkReset,
        Self::ConnectRefused,
        Self::ConnectUnanswered,
        Self::ElectionLinkDead,
        Self::PacketTooLarge,
        Self::SnapshotSlow,
        Self::ElectionNeedless,
        Self::SyncLoop,
        Self::Unknown,
    ];

    /// Its name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProcessStalled => "process_stalled",
            Self::DiskSlow => "disk_slow",
            Self::NetworkCut => "network_cut",
            Self::NetworkLoss => "network_loss",
            Self::NetworkSlow => "network_slow",
            Self::SyncSlow => "sync_slow",
            Self::NetworkMtu => "network_mtu",
            Self::ProcessEnded => "process_ended",
            Self::LinkReset => "link_reset",
            Self::ConnectRefused => "connect_refused",
            Self::ConnectUnanswered => "connect_unanswered",
            Self::ElectionLinkDead => "election_link_dead",
            Self::PacketTooLarge => "packet_too_large",
            Self::SnapshotSlow => "snapshot_slow",
            Self::ElectionNeedless => "election_needless",
            Self::SyncLoop => "sync_loop",
            Self::Unknown => "unknown",
        }
    }
}

/// What is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspect {
    /// A server: its process, its disk, its host.
    Host(Address),
    /// The network between two servers, both ways.
    Path(Address, Address),
    /// The network from the first to the second.
    OneWay(Address, Address),
    /// A server's own network: every path of that host that is seen, and none between others.
    HostNetwork(Address),
}

/// One incident: a wait longer than a deadline.
#[derive(Clone, Debug)]
pub struct Stall {
    /// Its number, from 1.
    pub id: u32,
    /// The number of its incident.
    pub incident: u32,
    /// The links that waited.
    pub links: Vec<u32>,
    /// Who went quiet.
    pub subject: Address,
    /// Which deadlines were passed.
    pub deadlines: Vec<Deadline>,
    /// The last sign of life.
    pub start: Timestamp,
    /// When the wait ended; `None` where the capture ends first.
    pub end: Option<Timestamp>,
    /// How long it lasted, to the capture's end where that comes first.
    pub duration_ms: u64,
    /// The deadline that was passed first.
    pub limit_ms: u64,
    /// What ended it.
    pub outcome: Outcome,
    /// The election that followed: an index into [`Report::elections`].
    pub election: Option<usize>,
    /// Why.
    pub cause: Cause,
    /// Who.
    pub suspect: Option<Suspect>,
    /// The frames that show it.
    pub evidence: Vec<Evidence>,
    /// What a reader should know beside: what would have decided, what else was going on.
    pub notes: Vec<Note>,
    /// What else was going on.
    pub context: Context,
    /// Lines of the servers' own logs that belong to it, in order of time.
    pub log: Vec<LogLine>,
    /// Where the logs agree with the wire, and where they do not.
    pub log_says: Vec<LogVerdict>,
}

/// The state of the ensemble around a stall.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// PROPOSALs a second in the ten seconds before, on the link that shows most of them; `None` where the
    /// capture has no such time.
    pub writes_per_s_before: Option<f64>,
    /// The same while it lasted.
    pub writes_per_s_during: Option<f64>,
    /// The longest PROPOSAL on the wire in that time, in bytes.
    pub largest_proposal_bytes: Option<u64>,
    /// PROPOSALs that waited for this learner's ACK, at most, when one of its waits ended.
    pub proposals_in_flight: Option<u64>,
    /// The leader's learners.
    pub learners: Vec<LearnerLoad>,
    /// Links on which a snapshot was under way.
    pub snapshots: Vec<u32>,
    /// Whether an election was under way.
    pub is_election: bool,
    /// Other links of the two hosts on which segments were sent again meanwhile, and how many.
    pub resent_elsewhere: Vec<(u32, u64)>,
}

/// What a learner has to answer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LearnerLoad {
    /// The learner.
    pub learner: Address,
    /// Its link.
    pub link: u32,
    /// Client sessions in its pings, at most.
    pub sessions: u64,
    /// The longest of its pings, in bytes of data.
    pub ping_bytes: u64,
    /// Sessions of a ping whose ids have a hash that another one has too; `None` where no ping with sessions
    /// was captured whole.
    pub hash_collisions: Option<u64>,
}

/// A wait that came near a deadline.
#[derive(Clone, Copy, Debug)]
pub struct NearMiss {
    /// The link.
    pub link: u32,
    /// The deadline.
    pub deadline: Deadline,
    /// When the wait began.
    pub at: Timestamp,
    /// How long it was.
    pub wait_ms: u64,
    /// The deadline's length.
    pub limit_ms: u64,
    /// Why, where that shows.
    pub cause: Option<Cause>,
    /// Who.
    pub suspect: Option<Suspect>,
}

/// An election.
#[derive(Clone, Debug)]
pub struct Election {
    /// The first LOOKING notification.
    pub start: Timestamp,
    /// When a leader was followed; `None` where that was not seen.
    pub end: Option<Timestamp>,
    /// Who won.
    pub leader_sid: Option<Sid>,
    /// The epoch that began.
    pub epoch: Option<u32>,
    /// Notifications seen.
    pub votes: u64,
    /// Which servers were LOOKING.
    pub by: Vec<Address>,
    /// Rounds: the highest election epoch seen less the lowest, and one.
    pub rounds: u64,
    /// The server to which a reconfiguration handed the lead over (COMMITANDACTIVATE); `None` where nobody did.
    pub handover_to: Option<Sid>,
}
