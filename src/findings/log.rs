//! What the servers' own logs add to the report: the files, the lines tied to a stall, and where they
//! agree with the wire or do not.

use super::Cause;
use crate::address::{Address, Endpoint};
use crate::time::{Span, Timestamp};

/// What a log line tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogEventKind {
    /// A read came to its timeout: the other side said nothing for the whole limit.
    ReadTimeout,
    /// The leader waited too long for the ACK of a PROPOSAL.
    TransactionTimeout,
    /// A leader was left by its quorum.
    LostQuorum,
    /// The process began.
    Started,
    /// `JvmPauseMonitor` saw the process stand still.
    Pause,
    /// A packet was longer than `jute.maxbuffer`.
    UnreasonableLength,
    /// A write to the transaction log took long.
    Fsync,
    /// A learner's part ended with an exception.
    LearnerFailed,
    /// The leader's part for one learner ended with an exception.
    HandlerFailed,
    /// The leader has parted from a learner.
    Goodbye,
    /// A PROPOSAL did not follow the one before.
    ZxidGap,
    /// A leader or a learner ended its service.
    Shutdown,
    /// The leader closes a connection to a learner.
    Closing,
    /// A learner has parted from its leader.
    Disconnected,
    /// A server began to look for a leader.
    ElectionBegun,
    /// A server has found one.
    ElectionTook,
    /// A server is LOOKING, FOLLOWING, LEADING or OBSERVING.
    State,
    /// A learner could not connect to its leader.
    ConnectFailed,
    /// A member of etcd lost a stream from another one.
    StreamLost,
    /// It gave another one up, until it hears from it again.
    PeerInactive,
    /// Its probes of another one fail.
    ProbeFailed,
    /// Messages to another one were dropped: its queue is full.
    QueueFull,
    /// A leader sent its heartbeats late.
    HeartbeatLate,
    /// A write to the write-ahead log took long.
    WalSync,
    /// A request took long to apply.
    ApplySlow,
    /// A member campaigns.
    Campaign,
    /// A leader stepped down, since it heard no quorum.
    QuorumInactive,
    /// A member leads, or learnt or lost its leader.
    LeaderKnown,
    /// A database is on its way.
    SnapshotLogged,
    /// A member was removed from the cluster.
    MemberRemoved,
    /// A member's process began.
    MemberStarted,
}

impl LogEventKind {
    /// Its name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadTimeout => "read_timeout",
            Self::TransactionTimeout => "transaction_timeout",
            Self::LostQuorum => "lost_quorum",
            Self::Started => "started",
            Self::Pause => "pause",
            Self::UnreasonableLength => "unreasonable_length",
            Self::Fsync => "fsync",
            Self::LearnerFailed => "learner_failed",
            Self::HandlerFailed => "handler_failed",
            Self::Goodbye => "goodbye",
            Self::ZxidGap => "zxid_gap",
            Self::Shutdown => "shutdown",
            Self::Closing => "closing",
            Self::Disconnected => "disconnected",
            Self::ElectionBegun => "election_begun",
            Self::ElectionTook => "election_took",
            Self::State => "state",
            Self::ConnectFailed => "connect_failed",
            Self::StreamLost => "stream_lost",
            Self::PeerInactive => "peer_inactive",
            Self::ProbeFailed => "probe_failed",
            Self::QueueFull => "queue_full",
            Self::HeartbeatLate => "heartbeat_late",
            Self::WalSync => "wal_sync",
            Self::ApplySlow => "apply_slow",
            Self::Campaign => "campaign",
            Self::QuorumInactive => "quorum_inactive",
            Self::LeaderKnown => "leader",
            Self::SnapshotLogged => "snapshot",
            Self::MemberRemoved => "member_removed",
            Self::MemberStarted => "member_started",
        }
    }

    /// How much it tells of a stall: 0 the most.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::ReadTimeout
            | Self::TransactionTimeout
            | Self::LostQuorum
            | Self::Started
            | Self::Pause
            | Self::UnreasonableLength
            | Self::StreamLost
            | Self::WalSync
            | Self::HeartbeatLate
            | Self::QuorumInactive
            | Self::MemberRemoved
            | Self::MemberStarted => 0,
            Self::Fsync
            | Self::LearnerFailed
            | Self::HandlerFailed
            | Self::Campaign
            | Self::LeaderKnown
            | Self::SnapshotLogged
            | Self::QueueFull => 1,
            Self::Goodbye | Self::ZxidGap | Self::Shutdown | Self::PeerInactive | Self::ProbeFailed => 2,
            Self::Closing | Self::Disconnected | Self::ElectionBegun | Self::ElectionTook | Self::State => 3,
            Self::ConnectFailed | Self::ApplySlow => 4,
        }
    }

    /// Whether it belongs to an election.
    #[must_use]
    pub const fn is_of_election(self) -> bool {
        matches!(
            self,
            Self::ElectionBegun | Self::ElectionTook | Self::State | Self::LostQuorum | Self::Shutdown
        )
    }
}

/// A log line's level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// TRACE or DEBUG.
    Debug,
    /// INFO.
    Info,
    /// WARN.
    Warn,
    /// ERROR or FATAL.
    Error,
}

impl Level {
    /// As log4j spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// A log line tied to a stall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Whose; `None` where that could not be found out.
    pub server: Option<Address>,
    /// When, by the capture's clock as far as the difference is known.
    pub at: Timestamp,
    /// Its level.
    pub level: Level,
    /// What it tells of.
    pub kind: LogEventKind,
    /// How long that took, where it says so.
    pub took_ms: Option<u64>,
    /// The connection's other end, where it names it.
    pub peer: Option<Endpoint>,
    /// What it says, with the exception below it.
    pub text: String,
}

/// What the logs say to what the wire shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogVerdict {
    /// Whether they agree; `None` where they only add something, or say nothing.
    pub agrees: Option<bool>,
    /// The time of the line it is about.
    pub at: Option<Timestamp>,
    /// What they say.
    pub says: LogSays,
}

/// What logs say of a stall, or leave out. [`crate::report::wording`] has the sentences.
///
/// A `line` is a log's own text; `early` is how long before the wire showed a close it was logged, where that
/// is worth a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSays {
    /// The leader closed, and its log gives a reason.
    LeaderClosed {
        /// The leader.
        leader: Address,
        /// Whether that is the reason that the wire shows.
        is_seen: bool,
        /// How long before the close was seen.
        early: Option<Span>,
        /// The line.
        line: String,
    },
    /// The leader parted from the learner, and its log names no deadline.
    LeaderParted {
        /// The leader.
        leader: Address,
        /// The line.
        line: String,
    },
    /// Learners gave their leader up.
    GaveUpLeader {
        /// The learners.
        learners: Vec<Address>,
        /// Whether the leader's bytes of that time are in the capture.
        is_leader_heard: bool,
        /// How long before the close was seen.
        early: Option<Span>,
        /// The first one's line.
        line: String,
    },
    /// A log breaks off and begins anew.
    BeginsAnew {
        /// Whose logs.
        whose: Whose,
    },
    /// A log says nothing of the close.
    SilentOnClose {
        /// Whose logs.
        whose: Whose,
        /// Whether a RST closed the link, which a kernel may send by itself.
        is_reset: bool,
    },
    /// The leader's log says nothing of a wait that ended without a close.
    SilentOnWait {
        /// The leader.
        leader: Address,
    },
    /// The log says nothing of a slow fsync, which the wire shows.
    SilentOnFsync {
        /// The server.
        server: Address,
    },
    /// The log has a slow fsync.
    Fsync {
        /// The server.
        server: Address,
        /// How long it took, in milliseconds.
        took_ms: u64,
        /// What the wire makes of it.
        wire: FsyncOnWire,
    },
    /// The server's `JvmPauseMonitor` saw it stand still.
    Paused {
        /// The server.
        server: Address,
        /// For how long, in milliseconds.
        took_ms: u64,
    },
    /// The server noticed the close late.
    NoticedLate {
        /// The server.
        server: Address,
        /// How long after the close.
        late: Span,
        /// The line.
        line: String,
    },
    /// A member of etcd has a slow write to its write-ahead log, or late heartbeats that it puts down to its disk.
    MemberSlow {
        /// The member.
        member: Address,
        /// Whether heartbeats were late; else the write itself is told.
        heartbeats: bool,
        /// How long, in milliseconds.
        took_ms: Option<u64>,
        /// What the wire shows of it.
        wire: Cause,
        /// Whether that is what the line says.
        is_seen: Option<bool>,
    },
    /// Members lost their streams from another one.
    MembersLost {
        /// The members.
        members: Vec<Address>,
        /// The other one, where the lines name it.
        peer: Option<Address>,
        /// The first one's line.
        line: String,
    },
    /// A member began anew.
    MemberBegan {
        /// The member.
        member: Address,
    },
    /// Members campaign, or learn of another leader.
    LeadChanged {
        /// The members.
        members: Vec<Address>,
        /// Whether the wire shows an election then.
        is_seen: bool,
        /// The last line of it.
        line: String,
    },
    /// The logs of members say nothing of what the wire shows.
    MembersSilent {
        /// The members.
        members: Vec<Address>,
    },
    /// The leader lost its quorum.
    LostQuorum {
        /// The leader, where the log's owner is known.
        leader: Option<Address>,
        /// The line.
        line: String,
    },
}

/// Whose logs something is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The leader's.
    Leader(Address),
    /// Those of learners.
    Learners(Vec<Address>),
}

/// What the wire makes of a slow fsync in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsyncOnWire {
    /// PINGs were answered meanwhile: the disk was slow.
    PingsAnswered,
    /// PINGs were not answered either: the process stood still.
    PingsUnanswered,
    /// It may be a part of why synchronisation took so long.
    Synchronising,
    /// The wire does not decide.
    Undecided,
    /// The wire shows something else.
    Other(Cause),
}

/// From where a log's time zone is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZoneFrom {
    /// `--log-tz`.
    Option,
    /// The lines name it.
    Lines,
    /// What the log tells was found on the wire.
    Wire,
    /// Another log given beside it.
    OtherLogs,
    /// From nowhere: UTC.
    #[default]
    Default,
}

impl ZoneFrom {
    /// Its name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Option => "option",
            Self::Lines => "lines",
            Self::Wire => "wire",
            Self::OtherLogs => "other_logs",
            Self::Default => "default",
        }
    }
}

/// A log that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFile {
    /// Its path.
    pub path: String,
    /// Whose it is.
    pub server: Option<Address>,
    /// Lines in it that have a time.
    pub lines: u64,
    /// Those that tell of something that matters here.
    pub events: u64,
    /// Time of its first line.
    pub first: Option<Timestamp>,
    /// Time of its last.
    pub last: Option<Timestamp>,
    /// From where its zone is known.
    pub zone_from: ZoneFrom,
    /// The zone's distance from UTC at the last line, in seconds.
    pub offset_s: i32,
    /// Lines that were found on the wire.
    pub matched: u64,
    /// By how much its clock is ahead of the capture's; what a close takes to be logged is part of it.
    pub difference_ms: Option<i64>,
    /// Whether its times were moved by that difference, since it was too large to pass over.
    pub is_moved: bool,
    /// What stopped the reading of it.
    pub problem: Option<String>,
}
