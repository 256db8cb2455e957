//! Counters and round trips for Prometheus, collected from the trackers at intervals.
//!
//! Counters only grow: the increase of each link since the last collection is added to its pair of servers.
//! So the number of servers bounds the labels, and links may come and go. No clock is read here.

use super::raft_numbers::RaftNumbers;
use crate::address::Address;
use crate::diagnose;
use crate::findings::{Cause, Deadline, Received, Role};
use crate::proto::PacketType;
use crate::time::{Span, Timestamp};
use crate::track::Tracker;
use crate::track::link::LinkTrack;
use crate::track::samples::Samples;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Pairs of servers told apart; further ones are counted, and not told.
pub const MAX_PAIRS: usize = 256;
/// Upper ends of the buckets, in microseconds: from a healthy network's round trip to beyond any limit.
pub const BUCKETS_US: [u64; 15] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];
/// How far back the headroom reaches.
pub const HEADROOM_OF: Span = Span::from_millis(60_000);

/// Durations by buckets, as they add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many up to each of [`BUCKETS_US`] and above the one before it, and beyond all.
    pub buckets: [u64; BUCKETS_US.len() + 1],
    /// Their sum, in microseconds.
    pub sum_us: u64,
}

impl Tally {
    /// The tally of samples.
    #[must_use]
    pub fn of(samples: &Samples) -> Self {
        let mut tally = Self::default();
        samples.each(|us, count| {
            let index = BUCKETS_US.partition_point(|end| *end < us);
            if let Some(bucket) = tally.buckets.get_mut(index) {
                *bucket += count;
            }
            tally.sum_us = tally.sum_us.saturating_add(us.saturating_mul(count));
        });
        tally
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Adds what `now` has more than `before`.
    fn grow(&mut self, now: &Self, before: &Self) {
        for ((own, now), before) in self.buckets.iter_mut().zip(now.buckets).zip(before.buckets) {
            *own += now.saturating_sub(before);
        }
        self.sum_us += now.sum_us.saturating_sub(before.sum_us);
    }
}

/// A leader and a learner.
#[derive(Clone, Debug, Default)]
pub struct PairLabels {
    /// What they are called.
    pub leader: String,
    /// See `leader`.
    pub learner: String,
    /// Follower or observer.
    pub role: Option<Role>,
    /// PING to its answer.
    pub ping: Tally,
    /// PROPOSAL to ACK.
    pub ack: Tally,
    /// PROPOSAL to COMMIT.
    pub commit: Tally,
    /// What is left of each deadline, in the order of [`Deadline::ALL`]: 1 where nothing waits, 0 at the
    /// limit, below 0 beyond it; `None` where the link is closed.
    pub headroom: Option<[f64; 4]>,
    /// Client sessions that the learner names.
    pub sessions: u64,
    /// The longest wait of the last minute against each deadline.
    worst: [Span; 4],
    is_open: bool,
}

/// What a link showed when it was looked at last.
#[derive(Clone, Debug, Default)]
struct ShownLink {
    ping: Tally,
    ack: Tally,
    commit: Tally,
    records: BTreeMap<PacketType, u64>,
}

/// All numbers.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// By leader and learner.
    pub pairs: BTreeMap<(Address, Address), PairLabels>,
    /// Records by type, those that were inferred too; all types that no release knows as `None`.
    pub records: BTreeMap<Option<PacketType>, u64>,
    /// Stalls that are over, by cause.
    pub stalls: BTreeMap<&'static str, u64>,
    /// Stalls under way.
    pub stalls_open: u64,
    /// Incidents that are over, by root.
    pub incidents: BTreeMap<&'static str, u64>,
    /// Incidents under way.
    pub incidents_open: u64,
    /// Elections.
    pub elections: u64,
    /// The highest epoch of a link that is open.
    pub epoch: Option<u32>,
    /// Bytes of streams in frames that the capture lacks.
    pub missing_bytes: u64,
    /// Frames that were dissected.
    pub frames: u64,
    /// What the capture got.
    pub received: Received,
    /// Pairs that were not told apart because there were too many.
    pub pairs_refused: u64,
    /// What etcd's members say to each other.
    pub raft: RaftNumbers,
    shown: HashMap<u32, ShownLink>,
}

impl Numbers {
    /// Numbers in which every cause has its count, so that the first stall is a growth.
    #[must_use]
    pub fn new() -> Self {
        let causes = [
            Cause::ProcessStalled,
            Cause::DiskSlow,
            Cause::NetworkCut,
            Cause::NetworkLoss,
            Cause::NetworkSlow,
            Cause::SyncSlow,
            Cause::Unknown,
        ];
        Self {
            stalls: causes.map(|cause| (cause.name(), 0)).into(),
            incidents: Cause::ALL.map(|cause| (cause.name(), 0)).into(),
            ..Self::default()
        }
    }

    /// A copy without what only gathering needs.
    #[must_use]
    pub fn shown(&self) -> Self {
        Self {
            pairs: self.pairs.clone(),
            records: self.records.clone(),
            stalls: self.stalls.clone(),
            incidents: self.incidents.clone(),
            raft: self.raft.clone(),
            shown: HashMap::new(),
            ..*self
        }
    }

    /// Counts a stall that is over.
    pub fn stall(&mut self, cause: Cause) {
        *self.stalls.entry(cause.name()).or_default() += 1;
    }

    /// Counts an incident that is over.
    pub fn incident(&mut self, root: Cause) {
        *self.incidents.entry(root.name()).or_default() += 1;
    }

    /// Looks at the trackers as of `now`.
    pub fn gather(&mut self, tracker: &Tracker, now: Timestamp) {
        for pair in self.pairs.values_mut() {
            (pair.worst, pair.is_open, pair.headroom, pair.sessions) = ([Span::ZERO; 4], false, None, 0);
        }
        self.epoch = None;
        for link in tracker.links() {
            self.link(link, tracker, now);
        }
        for pair in self.pairs.values_mut().filter(|pair| pair.is_open) {
            pair.headroom = Some(headroom(pair.worst, tracker));
        }
        let held: HashSet<u32> = tracker.links().map(|link| link.id).collect();
        self.shown.retain(|id, _| held.contains(id));
        self.elections = tracker.last_election().0;
        self.missing_bytes = tracker.missing_bytes();
        self.raft.gather(tracker);
    }

    /// Looks at links that are over for the last time, before they become compact.
    pub fn gather_last(&mut self, tracker: &Tracker) {
        for link in tracker.links().filter(|link| link.is_to_be_compact()) {
            self.tally(link, tracker);
        }
    }

    /// Notes that links' figures begin anew, which loses nothing that was gathered.
    pub fn begin_anew(&mut self, tracker: &Tracker) {
        for link in tracker.links() {
            if let Some(shown) = self.shown.get_mut(&link.id) {
                shown.ping = Tally::of(&link.pings.round_trips);
                shown.ack = Tally::of(&link.proposals.ack);
                shown.commit = Tally::of(&link.proposals.commit);
            }
        }
    }

    fn link(&mut self, link: &LinkTrack, tracker: &Tracker, now: Timestamp) {
        if !link.is_compact {
            self.tally(link, tracker);
        }
        let (leader, learner) = (link.opened.leader.address, link.opened.learner.address);
        let Some(pair) = self.pairs.get_mut(&(leader, learner)) else { return };
        // A link that has closed within the last minute counts too.
        let is_open = link.teardown.closed.is_none() && link.totals.is_none();
        for (all, own) in pair.worst.iter_mut().zip(worst(link, now)) {
            *all = (*all).max(own);
        }
        pair.is_open |= is_open;
        if is_open {
            pair.sessions = pair.sessions.max(link.pings.sessions);
            self.epoch = self.epoch.max(link.handshake.epoch);
        }
    }

    /// Adds what a link shows more than when it was looked at last.
    fn tally(&mut self, link: &LinkTrack, tracker: &Tracker) {
        let (leader, learner) = (link.opened.leader.address, link.opened.learner.address);
        let shown = self.shown.entry(link.id).or_default();
        let records = records(link);
        for (kind, count) in &records {
            let before = shown.records.get(kind).copied().unwrap_or(0);
            let key = Some(*kind).filter(|kind| !matches!(kind, PacketType::Unknown(_)));
            *self.records.entry(key).or_default() += count.saturating_sub(before);
        }
        shown.records = records;
        if self.pairs.len() >= MAX_PAIRS && !self.pairs.contains_key(&(leader, learner)) {
            self.pairs_refused += 1;
            return;
        }
        let pair = self.pairs.entry((leader, learner)).or_default();
        (pair.leader, pair.learner) = (tracker.name(leader), tracker.name(learner));
        pair.role = link.handshake.role.or(pair.role);
        let each = [
            (&mut pair.ping, &mut shown.ping, &link.pings.round_trips),
            (&mut pair.ack, &mut shown.ack, &link.proposals.ack),
            (&mut pair.commit, &mut shown.commit, &link.proposals.commit),
        ];
        for (all, before, samples) in each {
            let tally = Tally::of(samples);
            all.grow(&tally, before);
            *before = tally;
        }
    }
}

/// Records of both directions, seen and inferred.
fn records(link: &LinkTrack) -> BTreeMap<PacketType, u64> {
    let mut all = BTreeMap::new();
    for counts in [&link.packets.seen, &link.packets.inferred]
        .map(|both| [&both.to_leader, &both.to_learner])
        .as_flattened()
    {
        for (kind, count) in counts.map() {
            *all.entry(kind).or_default() += count;
        }
    }
    all
}

/// The longest wait of the last minute against each deadline.
fn worst(link: &LinkTrack, now: Timestamp) -> [Span; 4] {
    let since = now.minus(HEADROOM_OF);
    let ended =
        link.waits.list.iter().filter(|wait| wait.end >= since).map(|wait| (wait.deadline, wait.len()));
    let pending = link.pending().map(|wait| (wait.deadline, now.since(wait.start)));
    let mut worst = [Span::ZERO; 4];
    for (deadline, len) in ended.chain(pending) {
        if let Some(worst) = worst.get_mut(deadline as usize) {
            *worst = (*worst).max(len);
        }
    }
    worst
}

/// What is left of each deadline after the longest wait.
fn headroom(worst: [Span; 4], tracker: &Tracker) -> [f64; 4] {
    let settings = tracker.settings();
    let mut left = [1.0; 4];
    for ((left, deadline), worst) in left.iter_mut().zip(Deadline::ALL).zip(worst) {
        let limit = diagnose::limit(deadline, &settings);
        *left = 1.0 - seconds(worst.micros()) / seconds(limit.micros()).max(f64::MIN_POSITIVE);
    }
    left
}

/// Seconds of microseconds.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 microseconds, 285 years")]
pub const fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_grows_by_what_is_new() {
        let mut samples = Samples::default();
        [100, 250, 251, 20_000_000].into_iter().for_each(|us| samples.record(us));
        let first = Tally::of(&samples);
        assert_eq!((first.buckets[0], first.buckets[1], first.buckets[15], first.count()), (2, 1, 1, 4));
        (0..2_000).for_each(|_| samples.record(3_000));
        let mut all = first;
        all.grow(&Tally::of(&samples), &first);
        assert_eq!((all.count(), all.buckets[4]), (2_004, 2_000));
        samples.rotate();
        assert_eq!(Tally::of(&samples).count(), 2_004, "the window before is still told");
    }
}
