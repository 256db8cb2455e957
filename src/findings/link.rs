//! A connection between a leader and a learner.

use super::{Role, Settings};
use crate::address::{Address, Endpoint};
use crate::dissect::{FramingLosses, PerDirection, Protection};
use crate::frame::FrameRef;
use crate::proto::{PacketType, Sid};
use crate::time::Timestamp;
use std::collections::BTreeMap;

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
    /// Segments outside any window, as of another stream on the same ports, and those held for bytes that never
    /// came.
    pub out_of_window: u64,
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
    /// Headroom per deadline, in the order of [`Deadline::ALL`](super::Deadline::ALL).
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
