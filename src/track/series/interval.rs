//! What is counted in one interval.

use super::histogram::{CellStore, IntervalTrips, OpenHistogram};
use crate::dissect::PerDirection;
use crate::findings::Deadline;
use crate::findings::series::Interval;
use crate::time::Span;

/// The most of something; nothing at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Peak(i64);

impl Default for Peak {
    fn default() -> Self {
        Self(i64::MIN)
    }
}

impl Peak {
    pub(super) const fn of_span(span: Span) -> Self {
        // The shortest of all, minus 292 years, is taken for none.
        Self(span.nanos())
    }

    fn of_count(count: u64) -> Self {
        Self(i64::try_from(count).unwrap_or(i64::MAX))
    }

    pub(super) const fn is_none(self) -> bool {
        self.0 == i64::MIN
    }

    fn span(self) -> Option<Span> {
        (!self.is_none()).then(|| Span::from_nanos(self.0))
    }

    fn count(self) -> Option<u64> {
        u64::try_from(self.0).ok()
    }
}

/// The longest waits for each of [`Deadline::ALL`].
pub(super) type LongestWaits = [Peak; Deadline::ALL.len()];

/// What few intervals have.
#[derive(Clone, Debug, Default)]
struct Losses {
    retransmits: PerDirection<u64>,
    missing: PerDirection<u64>,
}

/// What is counted in an interval.
#[derive(Clone, Debug, Default)]
pub(super) struct IntervalCounts {
    pub(super) waits: LongestWaits,
    pub(super) records: PerDirection<u64>,
    pub(super) proposals: u64,
    sessions: Peak,
    /// `None` as long as they are only noted.
    trips: Option<Box<[IntervalTrips; 3]>>,
    losses: Option<Box<Losses>>,
}

impl IntervalCounts {
    /// Bytes of memory that one takes at most, what few have included.
    pub(super) const MAX_BYTES: usize =
        size_of::<Self>() + size_of::<[IntervalTrips; 3]>() + size_of::<Losses>();

    /// Whether nothing was counted.
    pub(super) fn is_empty(&self) -> bool {
        self.records.to_leader == 0
            && self.records.to_learner == 0
            && self.waits.iter().all(|longest| longest.is_none())
            && self.trips.is_none()
            && self.losses.is_none()
            && self.sessions.is_none()
    }

    #[inline(always)]
    pub(super) fn wait(&mut self, deadline: Deadline, longest: Peak) {
        if let Some(own) = self.waits.get_mut(deadline as usize) {
            *own = (*own).max(longest);
        }
    }

    pub(super) fn add(&mut self, records: &PerDirection<u64>, proposals: u64, waits: LongestWaits) {
        add(&mut self.records, records);
        self.proposals = self.proposals.saturating_add(proposals);
        self.waits.iter_mut().zip(waits).for_each(|(own, other)| *own = (*own).max(other));
    }

    /// Adds all of another but its trips.
    fn merge(&mut self, other: Self) {
        self.add(&other.records, other.proposals, other.waits);
        self.sessions = self.sessions.max(other.sessions);
        let Some(losses) = other.losses else { return };
        let own = self.losses.get_or_insert_default();
        add(&mut own.retransmits, &losses.retransmits);
        add(&mut own.missing, &losses.missing);
    }

    pub(super) fn sessions(&mut self, count: u64) {
        self.sessions = self.sessions.max(Peak::of_count(count));
    }

    pub(super) fn retransmits(&mut self) -> &mut PerDirection<u64> {
        &mut self.losses.get_or_insert_default().retransmits
    }

    pub(super) fn missing(&mut self) -> &mut PerDirection<u64> {
        &mut self.losses.get_or_insert_default().missing
    }
}

fn add(own: &mut PerDirection<u64>, other: &PerDirection<u64>) {
    own.to_leader = own.to_leader.saturating_add(other.to_leader);
    own.to_learner = own.to_learner.saturating_add(other.to_learner);
}

/// The round trips of a link: of PINGs, ACKs and COMMITs.
#[derive(Clone, Debug, Default)]
pub(super) struct TripStores {
    stores: [CellStore; 3],
}

impl TripStores {
    /// Cells that they take.
    pub(super) fn len(&self) -> usize {
        self.stores.iter().map(CellStore::len).sum()
    }

    /// Bytes of memory that they take.
    pub(super) fn held_bytes(&self) -> usize {
        self.stores.iter().map(CellStore::held_bytes).sum()
    }

    /// Makes room for about so many trips.
    pub(super) fn reserve(&mut self, trips: usize) {
        self.stores.iter_mut().for_each(|store| store.reserve(trips / 2));
    }

    /// See [`CellStore::is_wasteful`].
    pub(super) fn are_wasteful(&self) -> bool {
        self.stores.iter().any(CellStore::is_wasteful)
    }

    /// They take no more memory than they need.
    pub(super) fn shrink(&mut self) {
        self.stores.iter_mut().for_each(CellStore::shrink);
    }

    /// Moves what was counted in an interval to it.
    #[inline]
    pub(super) fn drain(&mut self, open: &mut [OpenHistogram; 3], interval: &mut IntervalCounts) {
        for ((store, open), trips) in
            self.stores.iter_mut().zip(open).zip(interval.trips.get_or_insert_default().iter_mut())
        {
            if !open.is_empty() {
                store.drain(open, trips);
            }
        }
    }

    /// One interval of several, whose trips are in other stores: from here on they are in these.
    pub(super) fn take(
        &mut self,
        from: &Self,
        several: &mut [(i64, IntervalCounts)],
        scratch: &mut OpenHistogram,
    ) -> IntervalCounts {
        let stores = self.stores.iter_mut().zip(&from.stores).enumerate();
        let mut trips = None;
        if several.iter().any(|(_, counts)| counts.trips.is_some()) {
            let own: &mut Box<[IntervalTrips; 3]> = trips.get_or_insert_default();
            for ((sort, (store, from)), own) in stores.zip(own.iter_mut()) {
                let all = several.iter().filter_map(|(_, counts)| counts.trips.as_ref()?.get(sort));
                *own = store.take(from, all, scratch);
            }
        }
        let mut several = several.iter_mut().map(|(_, counts)| std::mem::take(counts));
        let mut own = several.next().unwrap_or_default();
        several.for_each(|other| own.merge(other));
        own.trips = trips;
        own
    }

    /// An interval as the report has it.
    pub(super) fn shown(&self, interval: &IntervalCounts, with_buckets: bool) -> Interval {
        let losses = interval.losses.as_deref();
        let mut shown = Interval {
            waits: interval.waits.map(Peak::span),
            records: interval.records,
            proposals: interval.proposals,
            retransmits: losses.map(|losses| losses.retransmits).unwrap_or_default(),
            missing: losses.map(|losses| losses.missing).unwrap_or_default(),
            sessions: interval.sessions.count(),
            ..Interval::default()
        };
        let [ping, ack, commit] = &self.stores;
        if let Some([pings, acks, commits]) = interval.trips.as_deref() {
            (shown.ping, shown.ack, shown.commit) =
                (ping.trips(pings), ack.trips(acks), commit.trips(commits));
            if with_buckets {
                shown.buckets = [ping.buckets(pings), ack.buckets(acks), commit.buckets(commits)];
            }
        }
        shown
    }
}
