//! The state of the ensemble around a stall: not why it came about, but what else a reader would ask.

use super::link_index::LinkIndex;
use super::surroundings::Surroundings;
use crate::address::Address;
use crate::findings::{Context, LearnerLoad};
use crate::time::{Span, Timestamp};
use crate::track::link::LinkTrack;

/// How long before a stall is looked at.
const BEFORE: Span = Span::from_millis(10_000);
/// Learners and links listed.
const MAX_LISTED: usize = 64;

/// What went on around a stall of `links` that lasted from `start` to `end`.
pub(super) fn of(
    links: &[u32],
    subject: Address,
    (start, end): (Timestamp, Timestamp),
    index: &LinkIndex<'_>,
    around: &Surroundings<'_>,
) -> Context {
    let (timeline, elections) = (around.timeline, around.elections);
    let own = || links.iter().filter_map(|id| index.link(*id));
    let leader = own().next().map(|link| link.opened.leader.address);
    let before = timeline.writes(start.minus(BEFORE), start);
    let during = timeline.writes(start, end);
    let largest = before.iter().chain(&during).map(|writes| u64::from(writes.largest)).max();
    let in_flight = own()
        .flat_map(|link| &link.waits.list)
        .filter(|wait| wait.start <= end && wait.end >= start)
        .map(|wait| u64::from(wait.in_flight))
        .max();
    Context {
        writes_per_s_before: before.map(|writes| writes.per_second),
        writes_per_s_during: during.map(|writes| writes.per_second),
        largest_proposal_bytes: largest.filter(|largest| *largest > 0),
        proposals_in_flight: in_flight,
        learners: leader
            .map_or(&[][..], |leader| index.of(leader))
            .iter()
            .filter(|life| life.opened <= end && life.closed >= start)
            .take(MAX_LISTED)
            .map(|life| load(life.link))
            .collect(),
        snapshots: index
            .snapshots()
            .filter(|link| sends_snapshot(link, start, end))
            .map(|link| link.id)
            .collect(),
        is_election: elections
            .iter()
            .any(|election| election.start <= end && election.end.is_none_or(|ended| ended >= start)),
        resent_elsewhere: timeline
            .resent_between(start, end)
            .into_iter()
            .filter(|(id, _)| !links.contains(id) && is_near(*id, subject, leader, index))
            .take(MAX_LISTED)
            .collect(),
    }
}

fn load(link: &LinkTrack) -> LearnerLoad {
    LearnerLoad {
        learner: link.opened.learner.address,
        link: link.id,
        sessions: link.pings.sessions,
        ping_bytes: link.pings.bytes,
        hash_collisions: link.pings.hash_collisions,
    }
}

/// Whether a learner that was sent a snapshot was being sent it.
fn sends_snapshot(link: &LinkTrack, start: Timestamp, end: Timestamp) -> bool {
    let closed = link.teardown.closed.map(|closed| closed.at);
    link.handshake.phases.synchronization.is_some_and(|begun| begun <= end)
        && link.handshake.phases.broadcast.or(closed).is_none_or(|over| over >= start)
}

/// Whether a link ends at one of the two hosts of a stall.
fn is_near(id: u32, subject: Address, leader: Option<Address>, index: &LinkIndex<'_>) -> bool {
    index.link(id).is_some_and(|link| {
        let ends = [link.opened.leader.address, link.opened.learner.address];
        ends.contains(&subject) || leader.is_some_and(|leader| ends.contains(&leader))
    })
}
