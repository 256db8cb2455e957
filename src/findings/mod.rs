//! What trackers and rules find and every output shows: the report as data, named as in its JSON form.
//! [`log`] is what servers' logs add to it; [`selection`] leaves out what was not asked for.
//!
//! Times, addresses and ids are kept as values; how they are written is the formats' work. The JSON
//! form is a contract with other programs: fields are added, never changed in meaning.

mod evidence;
pub mod incident;
pub mod log;
mod note;
#[cfg(test)]
pub(crate) mod sample;
pub mod selection;
mod violation;

pub use evidence::{Evidence, Shows};
pub use note::{Arrivals, Note};
pub use violation::{Breach, Violation};

use crate::address::{Address, Endpoint};
use crate::dissect::{FramingLosses, PerDirection, Protection};
use crate::frame::FrameRef;
use crate::proto::{PacketType, Sid, Zxid};
use crate::time::{Span, Timestamp};
use incident::{Coverage, Incident, Outage, Sessions};
use log::{LogFile, LogLine, LogVerdict};
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
    /// When the capture's clock was set forward, for all that the servers' own show.
    pub clock_steps: Vec<ClockStep>,
    /// Counters of limits that were reached, by name; only those above 0.
    pub limits_hit: BTreeMap<&'static str, u64>,
}

/// The capture's clock was set forward between two frames: in the TCP timestamps of both ends of a link far less
/// time has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// The last sign of life before.
    pub from: Timestamp,
    /// The first one after.
    pub to: Timestamp,
    /// By how much, about.
    pub by: Span,
}

/// Connections to a quorum or an election port that are neither links nor a ballot, for all that was
/// captured of them: not one packet was recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strangers {
    /// How many.
    pub connections: u64,
    /// Bytes of their streams.
    pub bytes: u64,
}

/// What the capture got and did not get, all from its beginning on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Frames that passed the filter, as the kernel counts them.
    pub received: u64,
    /// Frames that the kernel had no room for.
    pub dropped_kernel: u64,
    /// Frames that the interface or its driver dropped.
    pub dropped_interface: u64,
    /// Frames that were let go here, because the dissection was behind.
    pub dropped_here: u64,
}

impl Received {
    /// Frames dropped anywhere.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped_kernel + self.dropped_interface + self.dropped_here
    }
}

/// Where frames come from while they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveInput {
    /// The interface, or the folder that is followed.
    pub source: String,
    /// What it got; `None` where files are followed.
    pub received: Option<Received>,
    /// How far behind the present the last frame was when it was read, where that is known.
    pub behind_ms: Option<u64>,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// The files, in the order of [`FrameRef::file`].
    pub files: Vec<crate::capture::FileInfo>,
    /// Frames of all files.
    pub frames: u64,
    /// Bytes of them that were captured.
    pub captured_bytes: u64,
    /// Bytes they had on the wire.
    pub wire_bytes: u64,
    /// Frames of which the snaplen cut something.
    pub cut_frames: u64,
    /// Time of the first frame.
    pub first: Option<Timestamp>,
    /// Time of the last frame.
    pub last: Option<Timestamp>,
    /// Frames that took no part, by reason; only those above 0.
    pub ignored: BTreeMap<&'static str, u64>,
    /// Files of the directories given that are no captures.
    pub skipped: Vec<String>,
    /// The servers' own logs.
    pub logs: Vec<LogFile>,
    /// Where frames came from while they came; `None` where files were read.
    pub live: Option<LiveInput>,
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

/// How a leader brought a learner up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// With transactions.
    Diff,
    /// With a snapshot.
    Snap,
    /// By cutting the learner's log back.
    Trunc,
}

impl Sync {
    /// Its name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Diff => "DIFF",
            Self::Snap => "SNAP",
            Self::Trunc => "TRUNC",
        }
    }
}

/// How a link was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// When.
    pub at: Timestamp,
    /// Whether the leader did it (else the learner).
    pub by_leader: bool,
    /// Whether with a RST (else a FIN).
    pub reset: bool,
    /// The frame.
    pub frame: FrameRef,
}

/// The phases of a link's life, each with the time it began; `None` where not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// FOLLOWERINFO or OBSERVERINFO.
    pub discovery: Option<Timestamp>,
    /// DIFF, SNAP or TRUNC.
    pub synchronization: Option<Timestamp>,
    /// UPTODATE.
    pub broadcast: Option<Timestamp>,
    /// Bytes from DIFF, SNAP or TRUNC up to UPTODATE, the snapshot included.
    pub sync_bytes: Option<u64>,
}

/// Round trips of one kind, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundTrips {
    /// How many were completed.
    pub count: u64,
    /// How many never were.
    pub unanswered: u64,
    /// Values at quantiles; `None` where `count` is 0.
    pub quantiles: Option<Quantiles>,
}

/// Values at quantiles, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// The least.
    pub min: u64,
    /// The median.
    pub p50: u64,
    /// 90 %.
    pub p90: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    pub p999: u64,
    /// The most.
    pub max: u64,
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

/// How near a link came to a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headroom {
    /// The deadline.
    pub limit_ms: u64,
    /// The longest wait; `None` where there was none to measure.
    pub worst_ms: Option<u64>,
    /// When that wait began.
    pub at: Option<Timestamp>,
}

/// TCP's counts of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpCounts {
    /// Segments sent again.
    pub retransmits: u64,
    /// Segments that came before an earlier one.
    pub out_of_order: u64,
    /// Frames seen twice.
    pub duplicates: u64,
    /// Announcements of a closed window.
    pub zero_windows: u64,
}

/// A connection between a leader and a learner.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its number in the report, from 1.
    pub id: u32,
    /// The leader's end.
    pub leader: Endpoint,
    /// The learner's end.
    pub learner: Endpoint,
    /// The learner's id.
    pub learner_sid: Option<Sid>,
    /// Follower or observer.
    pub role: Option<Role>,
    /// Time of its first frame.
    pub opened: Timestamp,
    /// How it ended.
    pub closed: Option<Closed>,
    /// Whether the capture began inside it.
    pub picked_up: bool,
    /// The epoch it served.
    pub epoch: Option<u32>,
    /// How the learner was brought up to date.
    pub sync: Option<Sync>,
    /// What protected it.
    pub protection: Protection,
    /// Its phases.
    pub phases: Phases,
    /// Packets whose head was seen, by type.
    pub records: PerDirection<BTreeMap<PacketType, u64>>,
    /// Packets that the cut hid and arithmetic proves, by type.
    pub inferred: PerDirection<BTreeMap<PacketType, u64>>,
    /// PING to its answer.
    pub ping: RoundTrips,
    /// PROPOSAL to this learner's ACK.
    pub ack: RoundTrips,
    /// PROPOSAL to COMMIT.
    pub commit: RoundTrips,
    /// Headroom per deadline, in the order of [`Deadline::ALL`].
    pub headroom: [Headroom; 4],
    /// TCP's counts.
    pub tcp: PerDirection<TcpCounts>,
    /// Median time to the kernel's ACK, in microseconds, per direction of the data.
    pub rtt_p50_us: PerDirection<Option<u64>>,
    /// The longest, per direction of the data.
    pub rtt_max_us: PerDirection<Option<u64>>,
    /// Where its bytes went.
    pub bytes: PerDirection<crate::dissect::ByteSums>,
    /// How often framing was lost, by reason.
    pub losses: PerDirection<FramingLosses>,
    /// tickTime in milliseconds as its leader's PINGs show it; `None` where too few were seen.
    pub tick_ms: Option<u32>,
    /// Client sessions that the learner named in its pings, at most at once.
    pub sessions: u64,
    /// Where the capture was taken that shows it.
    pub vantage: Vantage,
    /// Hosts whose captures show it.
    pub seen_from: Vec<Address>,
    /// Times on the way, where both ends were captured, per direction.
    pub one_way: PerDirection<Option<RoundTrips>>,
    /// Segments sent at one end and not seen to arrive at the other, where both were captured.
    pub lost_on_the_way: PerDirection<Option<u64>>,
}

impl Link {
    /// Whether its leader pings at another pace than the limits are reckoned with, by more than 2 %.
    #[must_use]
    pub fn has_another_tick(&self, settings: &Settings) -> bool {
        self.tick_ms.is_some_and(|tick| tick.abs_diff(settings.tick_ms) > tick.max(settings.tick_ms) / 50)
    }
}

/// Which end of a link a capture shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// The leader's.
    Leader,
    /// The learner's.
    Learner,
    /// Both, in captures of both hosts.
    Both,
    /// Neither: somewhere on the way.
    Between,
    /// Not known.
    #[default]
    Unknown,
}

impl End {
    /// Its name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Learner => "learner",
            Self::Both => "both",
            Self::Between => "between",
            Self::Unknown => "unknown",
        }
    }
}

/// How it is known where a capture was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// Every connection in the file has that host as an end; or none is one of all.
    Connections,
    /// Segments shared with another host's capture were seen earlier on one side.
    OtherCapture,
    /// The kernel at that end answers much faster than the other.
    RoundTrips,
    /// Frames of that end have not been through a router, those of the other have.
    TimeToLive,
}

impl KnownBy {
    /// Its name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::OtherCapture => "other_capture",
            Self::RoundTrips => "round_trips",
            Self::TimeToLive => "ttl",
        }
    }
}

/// Where a link was seen from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vantage {
    /// Which end.
    pub end: End,
    /// How that is known; `None` where it is not.
    pub known_by: Option<KnownBy>,
}

/// The captures of one host, and how its clock differs from the others'.
#[derive(Clone, Debug, Default)]
pub struct HostClock {
    /// The host; `None` where its captures do not tell.
    pub host: Option<Address>,
    /// Its files: indices into [`Input::files`].
    pub files: Vec<u32>,
    /// Whether all times are by its clock.
    pub is_reference: bool,
    /// What the report added to its times, or would have, at the middle of what was compared, in
    /// microseconds; `None` where nothing tells.
    pub offset_us: Option<i64>,
    /// How much slower than the reference it runs.
    pub drift_ppm: f64,
    /// How far off that may be, in microseconds.
    pub uncertainty_us: Option<u64>,
    /// Whether times were corrected: not where the clocks agree as far as can be seen.
    pub is_corrected: bool,
    /// Segments that were compared.
    pub matched_segments: u64,
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
    /// The evidence does not decide.
    #[default]
    Unknown,
}

impl Cause {
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
}
