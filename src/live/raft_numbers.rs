//! The numbers of etcd's members for Prometheus: what the trackers count, by who says it to whom.

use crate::address::Address;
use crate::track::Tracker;
use std::collections::BTreeMap;

/// Ways between members that are told; further ones are counted, and not told.
const MAX_WAYS: usize = 256;

/// All of etcd's.
#[derive(Clone, Debug, Default)]
pub struct RaftNumbers {
    /// Each way between two members that were seen.
    pub ways: BTreeMap<(Address, Address), RaftWay>,
    /// Records by type, those that were inferred too.
    pub records: BTreeMap<&'static str, u64>,
    /// The highest term that was seen.
    pub term: Option<u64>,
    /// Ways that were not told because there were too many.
    pub ways_refused: u64,
}

/// What one member says to another one.
#[derive(Clone, Debug, Default)]
pub struct RaftWay {
    /// What they are called.
    pub from: String,
    /// See `from`.
    pub to: String,
    /// Heartbeats that were answered, and how long all of them took, in microseconds.
    pub heartbeat: (u64, u64),
    /// Appends, likewise.
    pub append: (u64, u64),
    /// Segments with payload, likewise, to the other kernel's acknowledgment.
    pub kernel: (u64, u64),
    /// Segments sent again.
    pub retransmits: u64,
    /// Connections dialed, and of them those that were refused.
    pub dialed: u64,
    /// See `dialed`.
    pub refused: u64,
}

impl RaftNumbers {
    /// Looks at the trackers. What they count only grows.
    pub(super) fn gather(&mut self, tracker: &Tracker) {
        self.term = self.term.max(tracker.peer_term());
        self.records.clear();
        let mut refused = 0;
        for ((from, to), facts) in tracker.peer_ways() {
            for (name, count) in facts.records.iter().chain(&facts.inferred) {
                *self.records.entry(name).or_default() += count;
            }
            if self.ways.len() >= MAX_WAYS && !self.ways.contains_key(&(from, to)) {
                refused += 1;
                continue;
            }
            let two = |(count, sum, _): (u64, u64, u64)| (count, sum);
            let way = RaftWay {
                from: tracker.peer_name(from),
                to: tracker.peer_name(to),
                heartbeat: two(facts.heartbeat_us),
                append: two(facts.append_us),
                kernel: two(facts.kernel_us),
                retransmits: facts.retransmits,
                dialed: facts.dialed,
                refused: facts.refused,
            };
            self.ways.insert((from, to), way);
        }
        self.ways_refused = self.ways_refused.max(refused);
    }
}
