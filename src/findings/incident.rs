//! Incidents: what happened to the ensemble, one entry per root cause, and what it cost.
//!
//! Named as in the report's JSON form (`incidents`, `outages`, `coverage`, `sessions`).

use super::{Cause, Evidence, Suspect};
use crate::address::{Address, Endpoint};
use crate::proto::{PacketType, Sid, Zxid};
use crate::time::Timestamp;

/// How sure an incident's root is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Nothing decides.
    #[default]
    Unknown,
    /// The best of several hypotheses; [`Incident::why`] names the runner-up.
    Likely,
    /// Frames show it, and refute the other causes.
    Proven,
}

impl Confidence {
    /// Its name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Likely => "likely",
            Self::Proven => "proven",
        }
    }
}

/// A root cause with everything that follows from it.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Its number, from 1.
    pub id: u32,
    /// What it was.
    pub root: Cause,
    /// Who or what is to blame; `None` where nothing decides.
    pub suspect: Option<Suspect>,
    /// How sure that is.
    pub confidence: Confidence,
    /// When the root began, not what it led to: of a process that stood still, its last sign of life.
    pub start: Timestamp,
    /// When the root ended: of a process that stood still, its first new byte after. `None` where the capture does
    /// not show it.
    pub end: Option<Timestamp>,
    /// From its start to its end, to the capture's end where that comes first, in milliseconds.
    pub duration_ms: u64,
    /// Ids of the stalls it explains; may be empty: a killed leader makes none.
    pub stalls: Vec<u32>,
    /// Ids of the links it hurt.
    pub links: Vec<u32>,
    /// etcd's members that it hurt; empty where ZooKeeper's servers are meant.
    pub members: Vec<Address>,
    /// Indices into [`super::Report::elections`] of the elections it led to.
    pub elections: Vec<usize>,
    /// Ids of the outages it led to.
    pub outages: Vec<u32>,
    /// Why this root and not another.
    pub why: Vec<Reason>,
    /// The frames that show it.
    pub evidence: Vec<Evidence>,
    /// How often it happened: above 1 for a loop that is told once.
    pub count: u64,
}

impl Incident {
    /// Whether only servers' logs tell of it.
    #[must_use]
    pub fn is_from_log(&self) -> bool {
        self.why.iter().any(|reason| matches!(reason, Reason::Logged { .. }))
    }
}

/// Why an incident has its root and not another. [`crate::report`] words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The hypothesis that came next, and that the captures at hand do not refute.
    RunnerUp {
        /// Its cause.
        cause: Cause,
        /// Whom it would blame.
        suspect: Option<Suspect>,
    },
    /// A capture at this host would decide.
    CaptureWouldDecide {
        /// The host.
        host: Address,
    },
    /// Its kernel answered while its process said nothing.
    KernelAnswered {
        /// The host.
        host: Address,
        /// Answers seen.
        answers: u32,
        /// Hosts that it was silent to, of those that the captures show.
        silent_to: usize,
    },
    /// What was sent did not arrive.
    NothingArrived {
        /// The leader.
        leader: Address,
        /// The learner.
        learner: Address,
        /// Whether that is known of what the leader sent.
        to_learner: bool,
        /// Whether that is known of what the learner sent.
        to_leader: bool,
    },
    /// Segments got through, but only when they had been retransmitted, again and again.
    GotThroughAfterRetransmission {
        /// How often something got through after a retransmission.
        recoveries: usize,
        /// Retransmissions.
        again: u32,
    },
    /// What was sent arrived, but late.
    ArrivedLate {
        /// The leader.
        leader: Address,
        /// The learner.
        learner: Address,
    },
    /// The learner was silent because its leader sent it no PING, though it ought to every half tick.
    NoPing {
        /// The leader.
        leader: Address,
        /// The learner.
        learner: Address,
    },
    /// Long segments were retransmitted in vain while short ones arrived.
    LongSegmentsVanish,
    /// A host closed all its connections in one moment.
    ClosedAllAtOnce {
        /// The host.
        host: Address,
        /// How many.
        connections: usize,
    },
    /// Attempts to connect failed again and again.
    DialsFailed {
        /// Who dialed.
        from: Address,
        /// Whom.
        to: Endpoint,
        /// How often.
        attempts: u64,
        /// Whether a RST answered; else nothing did.
        is_refused: bool,
    },
    /// A server let go of each election connection of another one, as the one with the higher id does, and had none of its
    /// own that stood.
    TurnedAway {
        /// Who dialed.
        from: Address,
        /// Who let go, and should dial back.
        to: Address,
        /// How often.
        times: u64,
    },
    /// Votes were retransmitted and never acknowledged, while the path was alive.
    VotesIntoTheVoid {
        /// Who sent them.
        from: Address,
        /// To whom.
        to: Address,
        /// Retransmissions.
        again: u32,
        /// Whether a RST of the other side answered at last.
        is_reset: bool,
    },
    /// A learner let go of its link when a large transaction came.
    TooLarge {
        /// The learner.
        learner: Address,
        /// PROPOSAL or INFORM.
        kind: PacketType,
        /// Its length on the wire, in bytes.
        size: u64,
        /// The znode, where that was captured.
        path: Option<String>,
        /// How often it let go.
        times: u64,
    },
    /// What etcd's members show.
    Peer(PeerReason),
    /// A learner joined and was gone again before it was up to date, over and over.
    JoinsLost {
        /// The learner.
        learner: Address,
        /// How often.
        times: u64,
        /// What most of the joins died of.
        of: JoinsLost,
    },
    /// A leader's COMMITs waited though its followers had acknowledged, and their acknowledgements and its own make a
    /// quorum.
    OwnAckMissing {
        /// The leader.
        leader: Address,
        /// Followers that were seen to acknowledge at once.
        prompt: usize,
        /// How many acknowledgements, its own included, make a quorum.
        quorum: usize,
    },
    /// A learner acknowledged a PROPOSAL before NEWLEADER, and was never told UPTODATE (ZOOKEEPER-4685).
    AckedTooEarly {
        /// The learner.
        learner: Address,
        /// Its leader.
        leader: Address,
    },
    /// The clock of a host may be off by so much that what came first does not show.
    ClockUncertain {
        /// The host.
        host: Address,
        /// By how much, in microseconds; `None` where nothing tells.
        by_us: Option<u64>,
    },
    /// A server's own log tells of it, and the captures do not.
    Logged {
        /// Whose log, where that is known.
        server: Option<Address>,
        /// Whether it led then.
        leads: bool,
        /// Of whom it speaks.
        peer: Option<Address>,
        /// When, by the captures' clock.
        at: Timestamp,
        /// What it says.
        line: String,
    },
    /// A link was reset, and both processes went on.
    BothWentOn {
        /// Whose address the RST bore.
        by: Address,
        /// Who got it.
        to: Address,
        /// Whether the sender's own capture shows that it never sent it.
        is_forged: bool,
    },
}

/// Why an incident of etcd's members has its root and not another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerReason {
    /// Its kernel acknowledged while its process wrote nothing, not even link heartbeats.
    KernelAnswered {
        /// The member.
        member: Address,
        /// Acknowledgments seen in the middle of the silence.
        answers: u32,
        /// Whether its own captures show it.
        is_own: bool,
    },
    /// No frame of a member reached another one, which retransmitted in vain.
    NothingCame {
        /// The member.
        member: Address,
        /// The other one.
        other: Address,
        /// Retransmissions.
        again: u32,
    },
    /// A member retransmits to another one whose answers do not reach it.
    HeardButNotHearing {
        /// The member.
        member: Address,
        /// The other one.
        other: Address,
        /// Its retransmissions and dials.
        again: u32,
    },
    /// The kernel closed all connections at once, and refused the next ones.
    ClosedAndRefused {
        /// The member.
        member: Address,
    },
    /// Raft's loop stood still while streams' writers and the HTTP server went on.
    RaftWaited {
        /// The member.
        member: Address,
        /// Waits.
        waits: u32,
        /// The longest of them.
        longest_ms: u64,
        /// Whether it led: then its heartbeats waited, else its answers.
        leads: bool,
    },
    /// A leader's raft loop fell silent and it was replaced, while its process spoke on.
    LeaderMute {
        /// The leader.
        member: Address,
        /// Link heartbeats and answers meanwhile.
        beside: u32,
    },
    /// Acknowledgments of a member's kernel came late.
    AcknowledgedLate {
        /// The member.
        member: Address,
        /// Who sent what was acknowledged.
        other: Address,
        /// How many.
        late: u32,
        /// The middle of their round trips.
        middle_ms: u64,
    },
    /// Segments were missing where they should have arrived, and came when they were sent again.
    CameWhenSentAgain {
        /// Who sent them.
        member: Address,
        /// Who got them.
        other: Address,
        /// How often.
        holes: u32,
        /// Retransmissions, both ways.
        again: u32,
    },
    /// A member called an election though it had heard its leader until then.
    CalledNeedlessly {
        /// The member.
        member: Address,
        /// The leader.
        leader: Address,
        /// How long before it had answered it.
        heard_ms: u64,
    },
    /// A database took long on its way to a follower, or to be saved there.
    SnapshotTook {
        /// The leader.
        from: Address,
        /// The follower.
        to: Address,
        /// Bytes of it, as far as they were seen.
        bytes: u64,
        /// How long they took.
        sent_ms: u64,
        /// How long the answer took from then on.
        waited_ms: u64,
    },
    /// Captures contradict each other, or one alone cannot decide.
    Undecided,
    /// Another leader came, and these captures do not show why.
    LeaderChanged {
        /// The old one.
        from: Address,
        /// The new one.
        to: Address,
    },
}

/// A stretch of time in which the ensemble served no writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Its number, from 1.
    pub id: u32,
    /// Which kind.
    pub kind: OutageKind,
    /// The last COMMIT in sight before it.
    pub start: Timestamp,
    /// The first COMMIT after it; `None` where the capture does not show one.
    pub end: Option<Timestamp>,
    /// From its start to its end, to the capture's end where that comes first, in milliseconds.
    pub duration_ms: u64,
    /// The incident that led to it.
    pub incident: Option<u32>,
    /// Whether every link that could have shown a COMMIT was in sight.
    pub is_certain: bool,
}

/// Why nothing was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageKind {
    /// No leader: an election lay between the old leader's last COMMIT and the new one's first.
    NoLeader,
    /// A leader, writes waiting, and no COMMIT for longer than a tick.
    NoCommit,
}

impl OutageKind {
    /// Its name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoLeader => "no_leader",
            Self::NoCommit => "no_commit",
        }
    }
}

/// How far stalls could have been seen at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StallCoverage {
    /// Every stall of the links that are known of would have shown.
    Full,
    /// Some would have.
    Partial,
    /// None would have: `stalls: []` says nothing.
    #[default]
    None,
}

impl StallCoverage {
    /// Its name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::None => "none",
        }
    }
}

/// What the captures can tell.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// How far stalls could have been seen.
    pub stalls: StallCoverage,
    /// The hosts at which frames were captured.
    pub hosts: Vec<Address>,
    /// Servers that the configuration or the traffic names.
    pub hosts_expected: Option<u64>,
    /// Links between a leader and a learner of which anything was seen, by pair of servers at once.
    pub links_seen: u64,
    /// Links that there must have been; `None` where nothing tells.
    pub links_expected: Option<u64>,
    /// The first frame's time.
    pub from: Option<Timestamp>,
    /// The last frame's time.
    pub to: Option<Timestamp>,
    /// Stretches of time that a host's capture lacks.
    pub gaps: Vec<CoverageGap>,
    /// What blinds. [`crate::report`] words it.
    pub blind: Vec<Blind>,
    /// Addresses behind which several servers are.
    pub shared_addresses: Vec<SharedAddress>,
}

/// Several servers that have one address in the captures: behind a translation (SNAT), a proxy, or on one host. What
/// is heard of the address is not of one of them alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedAddress {
    /// The address.
    pub address: Address,
    /// Their ids, in order.
    pub sids: Vec<Sid>,
}

impl Coverage {
    /// Whether it was worked out, and says something.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.from.is_some() || !self.blind.is_empty()
    }
}

/// A stretch of time that a capture lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoverageGap {
    /// The host of the capture; `None` where its captures do not tell.
    pub host: Option<Address>,
    /// From when.
    pub from: Timestamp,
    /// To when.
    pub to: Timestamp,
}

/// What keeps a capture from showing a stall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blind {
    /// No frame of a quorum or election port was read.
    NothingRead,
    /// Links that carry records of which none could be read: the frames are cut too short.
    SnaplenTooShort {
        /// The shortest snaplen of the files, in bytes.
        snaplen: u32,
        /// The snaplen that would do, in bytes.
        needed: u32,
    },
    /// Frames of which the snaplen left not even the headers.
    HeadersCut {
        /// How many.
        frames: u64,
        /// The snaplen that would do, in bytes.
        needed: u32,
    },
    /// Votes of which the snaplen left too little: elections may be missing.
    VotesCut {
        /// How many.
        votes: u64,
        /// The snaplen that would do, in bytes.
        needed: u32,
    },
    /// Frames of which the capture does not say when they came by.
    NoTimes {
        /// How many.
        frames: u64,
    },
    /// Connections to the ports on which nobody spoke ZooKeeper, and no others.
    Strangers {
        /// How many.
        connections: u64,
    },
    /// Links under TLS: silence and close show, records do not.
    Tls {
        /// How many.
        links: u64,
    },
    /// Links of which only one direction was captured.
    OneDirection {
        /// How many.
        links: u64,
    },
    /// The capture was taken at a host that does not lead: other links are out of its sight.
    Bystander {
        /// Links that must have existed and were not seen.
        unseen: u64,
    },
    /// Members' processes that ended right before the captures did: what came of it is out of sight.
    EndedLast {
        /// How many.
        members: u64,
    },
    /// Nothing of the asked-for window lies in the captures.
    WindowOutside,
    /// Frames or bytes are missing from the captures themselves.
    Dropped {
        /// Frames that the capturing reported as dropped; `None` where only missing bytes show it.
        frames: Option<u64>,
    },
    /// Files whose reading stopped before their ends.
    EndsEarly {
        /// How many.
        files: u64,
    },
    /// Frames inside tunnels that were not opened.
    Tunnels {
        /// How many.
        frames: u64,
    },
}

/// What most of the joins of a loop died of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinsLost {
    /// Amid a snapshot.
    InSnapshot,
    /// After the same PROPOSAL.
    AfterProposal(Zxid),
    /// The leader closed the link before it began to synchronize.
    Refused,
    /// Something else, or not the same thing.
    Elsewhere,
}
