//! Which links there were when: what each incident is held against.
//!
//! A link's whole track is large, and where there are tens of thousands of them, to walk them all for each
//! incident is to walk through memory. So what is asked of all of them stands here close together.

use crate::address::Address;
use crate::findings::Sync;
use crate::time::Timestamp;
use crate::track::link::LinkTrack;

/// The life of a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkLife<'a> {
    leader: Address,
    pub(super) learner: Address,
    pub(super) id: u32,
    pub(super) opened: Timestamp,
    /// The end of time while it is open.
    pub(super) closed: Timestamp,
    pub(super) epoch: Option<u32>,
    pub(super) link: &'a LinkTrack,
}

/// The lives of all links.
#[derive(Clone, Debug)]
pub(super) struct LinkIndex<'a> {
    /// By leader, and in the order of their numbers.
    lifetimes: Vec<LinkLife<'a>>,
    /// Numbers of the links in order, each with its place in `lives`.
    by_id: Vec<(u32, usize)>,
    /// Places of those that were sent a snapshot.
    snapshots: Vec<usize>,
}

impl<'a> LinkIndex<'a> {
    /// The lives of these links.
    pub(super) fn new(links: &'a [LinkTrack]) -> Self {
        let life = |link: &'a LinkTrack| LinkLife {
            leader: link.opened.leader.address,
            learner: link.opened.learner.address,
            id: link.id,
            opened: link.opened.at,
            closed: link.teardown.closed.map_or(Timestamp::MAX, |closed| closed.at),
            epoch: link.handshake.epoch,
            link,
        };
        let mut lifetimes: Vec<_> = links.iter().map(life).collect();
        lifetimes.sort_unstable_by_key(|life| (life.leader, life.id));
        let mut by_id: Vec<_> =
            lifetimes.iter().enumerate().map(|(position, life)| (life.id, position)).collect();
        by_id.sort_unstable();
        let sent = |(_, position): &&(u32, usize)| {
            lifetimes.get(*position).is_some_and(|life| life.link.handshake.sync == Some(Sync::Snap))
        };
        let snapshots = by_id.iter().filter(sent).map(|(_, position)| *position).collect();
        Self { lifetimes, by_id, snapshots }
    }

    /// The links of a leader.
    pub(super) fn of(&self, leader: Address) -> &[LinkLife<'a>] {
        let from = self.lifetimes.partition_point(|life| life.leader < leader);
        let rest = self.lifetimes.get(from..).unwrap_or_default();
        rest.get(..rest.partition_point(|life| life.leader == leader)).unwrap_or_default()
    }

    /// A link by its number.
    pub(super) fn link(&self, id: u32) -> Option<&'a LinkTrack> {
        let index = self.by_id.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.by_id.get(index).and_then(|(_, position)| self.lifetimes.get(*position)).map(|life| life.link)
    }

    /// The links whose learners were sent a snapshot, in the order of their numbers.
    pub(super) fn snapshots(&self) -> impl Iterator<Item = &'a LinkTrack> {
        self.snapshots.iter().filter_map(|position| self.lifetimes.get(*position)).map(|life| life.link)
    }
}
