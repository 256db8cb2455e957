//! The state of the ensemble around a stall: not why it came about, but what else a reader would ask.

use crate::address::Address;
use crate::findings::{Context, Election, LearnerLoad, Stall, Sync};
use crate::time::{Span, Timestamp};
use crate::track::link::LinkTrack;
use crate::track::timeline::Timeline;

/// How long before a stall is looked at.
const BEFORE: Span = Span::from_millis(10_000);
/// Learners and links listed.
const LISTED_MOST: usize = 64;

/// What went on around a stall, which lasted up to `end`.
pub(super) fn of(
    stall: &Stall,
    links: &[LinkTrack],
    timeline: &Timeline,
    elections: &[Election],
    end: Timestamp,
) -> Context {
    let (start, end) = (stall.start, stall.end.unwrap_or(end));
    let is_own = |link: &&LinkTrack| stall.links.contains(&link.id);
    let leader = links.iter().find(is_own).map(|link| link.opened.leader.address);
    let before = timeline.writes(start.minus(BEFORE), start);
    let during = timeline.writes(start, end);
    let largest = before.iter().chain(&during).map(|writes| u64::from(writes.largest)).max();
    let waits = links.iter().filter(is_own).flat_map(|link| &link.waits);
    let in_flight = waits
        .filter(|wait| wait.start <= end && wait.end >= start)
        .map(|wait| u64::from(wait.in_flight))
        .max();
    let lasts =
        |link: &&LinkTrack| link.opened.at <= end && link.closed.is_none_or(|closed| closed.at >= start);
    Context {
        writes_per_s_before: before.map(|writes| writes.per_second),
        writes_per_s_during: during.map(|writes| writes.per_second),
        largest_proposal_bytes: largest.filter(|largest| *largest > 0),
        proposals_in_flight: in_flight,
        learners: links
            .iter()
            .filter(|link| Some(link.opened.leader.address) == leader)
            .filter(lasts)
            .take(LISTED_MOST)
            .map(load)
            .collect(),
        snapshots: links.iter().filter(|link| sends_snapshot(link, start, end)).map(|link| link.id).collect(),
        is_election: elections
            .iter()
            .any(|election| election.start <= end && election.end.is_none_or(|ended| ended >= start)),
        resent_elsewhere: elsewhere(stall, links, leader, timeline, end),
    }
}

fn load(link: &LinkTrack) -> LearnerLoad {
    LearnerLoad {
        learner: link.opened.learner.address,
        link: link.id,
        sessions: link.sessions,
        ping_bytes: link.ping_bytes,
        hash_collisions: link.hash_collisions,
    }
}

/// Whether a learner was being sent a snapshot.
fn sends_snapshot(link: &LinkTrack, start: Timestamp, end: Timestamp) -> bool {
    let closed = link.closed.map(|closed| closed.at);
    link.sync == Some(Sync::Snap)
        && link.phases.synchronization.is_some_and(|begun| begun <= end)
        && link.phases.broadcast.or(closed).is_none_or(|over| over >= start)
}

/// Segments sent again on other links of the two hosts of a stall.
fn elsewhere(
    stall: &Stall,
    links: &[LinkTrack],
    leader: Option<Address>,
    timeline: &Timeline,
    end: Timestamp,
) -> Vec<(u32, u64)> {
    let is_near = |id: u32| {
        links.iter().find(|link| link.id == id).is_some_and(|link| {
            let ends = [link.opened.leader.address, link.opened.learner.address];
            ends.contains(&stall.subject) || leader.is_some_and(|leader| ends.contains(&leader))
        })
    };
    timeline
        .resent_between(stall.start, end)
        .into_iter()
        .filter(|(id, _)| !stall.links.contains(id) && is_near(*id))
        .take(LISTED_MOST)
        .collect()
}
