//! How each link fared over time: `series` of the report.

use super::Deadline;
use crate::dissect::PerDirection;
use crate::time::{Span, Timestamp};

/// The numbers of all links over time, in intervals of one width.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// The width of an interval: 100 ms, doubled until everything fits.
    pub width: Span,
    /// When the first interval begins: a multiple of the width since 1970.
    pub from: Timestamp,
    /// How many intervals there are from the first to the last of any link.
    pub intervals: usize,
    /// Links in detail, in order of their ids.
    pub links: Vec<LinkSeries>,
    /// The others together; `None` where all are in detail.
    pub rest: Option<LinkSeries>,
}

/// The numbers of one link, or of several together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkSeries {
    /// The link's id; 0 of the others together.
    pub link: u32,
    /// Which interval of [`Series`] the first one here is, from 0.
    pub first: usize,
    /// Its intervals, one after the other.
    pub intervals: Vec<Interval>,
}

/// What happened in one interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interval {
    /// The longest that was waited by any moment of it, for each of [`Deadline::ALL`].
    pub waits: [Option<Span>; Deadline::ALL.len()],
    /// PINGs answered in it.
    pub ping: Option<Trips>,
    /// PROPOSALs acknowledged in it.
    pub ack: Option<Trips>,
    /// PROPOSALs committed in it.
    pub commit: Option<Trips>,
    /// Records of any type, seen or inferred.
    pub records: PerDirection<u64>,
    /// PROPOSALs among them, but for those that bring a learner up to date.
    pub proposals: u64,
    /// Segments that were retransmitted.
    pub retransmits: PerDirection<u64>,
    /// Bytes that the capture lacks.
    pub missing: PerDirection<u64>,
    /// The most client sessions that the learner named in one PING; `None` where it sent none.
    pub sessions: Option<u64>,
    /// PINGs, ACKs and COMMITs by how long they took, in order; empty where nobody asked.
    pub buckets: [Vec<Bucket>; 3],
}

/// Round trips that took about as long: histograms of these can be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// How long, in microseconds, to 2 %.
    pub us: u64,
    /// How many.
    pub count: u64,
}

/// Round trips that ended in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trips {
    /// How many.
    pub count: u64,
    /// All of them together, in microseconds.
    pub sum_us: u64,
    /// The median in microseconds, to 2 %.
    pub p50_us: u64,
    /// The 99th percentile in microseconds, to 2 %.
    pub p99_us: u64,
    /// The longest in microseconds, exactly.
    pub max_us: u64,
}
