//! Which waits are stalls, and what is said of each.
//!
//! A stall is a wait longer than a deadline that ZooKeeper keeps, with all waits that are the same event.

use super::link_index::{LinkIndex, LinkLife};
use super::link_stall::{LinkStall, gather, limit, of_link};
use super::surroundings::Surroundings;
use super::{cause, context};
use crate::address::Address;
use crate::findings::{Context, Deadline, Election, NearMiss, Outcome, Settings, Stall};
use crate::time::{Span, Timestamp};
use crate::track::link::LinkTrack;
use crate::track::wait::{Ended, Wait};

/// Near misses that are listed.
const MAX_NEAR_MISSES: usize = 100;
/// Stalls of single links that are looked at; beyond, the oldest are left out: each is held against every link.
const MAX_LINK_STALLS: usize = 1_024;

/// The stalls of the links that are asked for, in order of their starts, and how many older ones were too
/// many to be looked at.
pub(super) fn stalls(
    around: &Surroundings<'_>,
    is_asked_for: &dyn Fn(&LinkTrack) -> bool,
) -> (Vec<Stall>, u64) {
    let asked_for = around.links.iter().filter(|link| is_asked_for(link));
    let mut waiting: Vec<LinkStall<'_>> = asked_for.flat_map(|link| of_link(link, around.settings)).collect();
    waiting.sort_by_key(|stall| (stall.start, stall.link.id));
    let excess = waiting.len().saturating_sub(MAX_LINK_STALLS);
    waiting.drain(..excess);
    let index = LinkIndex::new(if waiting.is_empty() { &[] } else { around.links });
    waiting.retain(|stall| !is_unfinished(stall, &index) && !is_left(stall, around));
    let tick = Span::from_millis(i64::from(around.settings.tick_ms));
    let mut stalls = Vec::new();
    while !waiting.is_empty() {
        let first = waiting.remove(0);
        let mut group = gather(first, &mut waiting, &index, tick);
        if let [alone] = group.as_mut_slice() {
            if is_closed_unseen(alone, around.settings) {
                continue;
            }
            end_where_left(alone, around);
        }
        stalls.push(stall(&group, &index, around));
    }
    number(&mut stalls);
    (stalls, excess as u64)
}

/// Whether a link was given up out of sight while its learner was being brought up to date: the learner came back
/// on another link, and how long it had waited on this one is not known.
fn is_unfinished(stall: &LinkStall<'_>, index: &LinkIndex<'_>) -> bool {
    let is_open = |wait: &&Wait| wait.deadline == Deadline::Init && wait.ended == Ended::CaptureEnd;
    let link = stall.link;
    let is_later = |life: &LinkLife<'_>| {
        life.learner == link.opened.learner.address && life.id > link.id && life.opened > stall.start
    };
    stall.waits.iter().all(is_open) && index.of(link.opened.leader.address).iter().any(is_later)
}

/// When a server had a new link that was a learner on one of which the capture lacks frames and the close: it can be a
/// learner of one leader only, so it had closed the old one before. (To what comes later its kernel answers RST.)
fn left_at(stall: &LinkStall<'_>, links: &[LinkTrack]) -> Option<Timestamp> {
    let link = stall.link;
    let is_closed = link.teardown.closed.is_some_and(|closed| closed.by_leader || !closed.reset);
    if !link.frames.has_gaps || is_closed {
        return None;
    }
    let learner = link.opened.learner.address;
    let is_its = |other: &&LinkTrack| {
        let is_same_learner = other.opened.learner.address == learner
            && other.handshake.learner_sid.is_some()
            && other.handshake.learner_sid == link.handshake.learner_sid;
        other.id > link.id
            && !other.opened.picked_up
            && other.opened.at > stall.start
            && (is_same_learner || other.opened.leader.address == learner)
    };
    links.iter().filter(is_its).map(|other| other.opened.at).min()
}

/// Whether a link was left out of sight before anybody had waited too long on it: its learner was elsewhere.
fn is_left(stall: &LinkStall<'_>, around: &Surroundings<'_>) -> bool {
    let is_open = |wait: &&Wait| wait.ended == Ended::CaptureEnd;
    let left = left_at(stall, around.links).filter(|_| stall.waits.iter().all(is_open));
    left.is_some_and(|left| {
        let is_within = |wait: &&Wait| left.since(wait.start) <= limit(wait.deadline, around.settings);
        stall.waits.iter().all(is_within)
    })
}

/// Whether one link alone ended out of sight: both sides fell silent at once, nothing was retransmitted, and nobody was
/// seen to give up though the deadline is long past. So the close is among what the capture lacks.
fn is_closed_unseen(stall: &LinkStall<'_>, settings: &Settings) -> bool {
    let is_long_over = |wait: &&Wait| {
        wait.ended == Ended::CaptureEnd && wait.len() > limit(wait.deadline, settings).times(2)
    };
    let is_sound = |wait: &&Wait| wait.before.again == [0; 2] && wait.activity.again == [0; 2];
    stall.link.frames.has_gaps
        && stall.waits.iter().all(is_sound)
        && stall.link.teardown.closed.is_none()
        && stall.is_for_leader()
        && stall.is_for_learner()
        && stall.waits.iter().all(is_long_over)
}

/// A stall of one link lasts no longer than its learner had the link.
fn end_where_left(stall: &mut LinkStall<'_>, around: &Surroundings<'_>) {
    let is_past = |left: &Timestamp| {
        stall.waits.iter().any(|wait| left.since(wait.start) > limit(wait.deadline, around.settings))
    };
    if let Some(left) = left_at(stall, around.links).filter(is_past) {
        stall.end = stall.end.min(left);
    }
}

/// Puts stalls in order of their starts, and numbers them.
pub(super) fn number(stalls: &mut [Stall]) {
    stalls.sort_by_key(|stall| stall.start);
    for (id, stall) in (1..).zip(stalls) {
        stall.id = id;
    }
}

/// One stall, judged. Its number comes with its place among the others.
pub(super) fn stall(group: &[LinkStall<'_>], index: &LinkIndex<'_>, around: &Surroundings<'_>) -> Stall {
    let stall = without_context(group, index, around);
    let span = (stall.start, stall.end.unwrap_or(around.capture_end));
    let context = context::of(&stall.links, stall.subject, span, index, around);
    Stall { context, ..stall }
}

/// The same without what else went on, which takes the most time to find.
pub(super) fn without_context(
    group: &[LinkStall<'_>],
    index: &LinkIndex<'_>,
    around: &Surroundings<'_>,
) -> Stall {
    let start = group.iter().map(|stall| stall.start).min().unwrap_or_default();
    let last = group.iter().map(|stall| stall.end).max().unwrap_or_default();
    let outcome = outcome(group);
    let end = (outcome != Outcome::Open).then_some(last);
    // Where times run backwards, the last frame's is not the latest.
    let is_one_sided = group.iter().all(|stall| stall.link.is_one_sided());
    let open_to = if is_one_sided { last } else { around.capture_end.max(last) };
    let limit_ms = first_limit_ms(group, around.settings);
    let mut links: Vec<u32> = group.iter().map(|stall| stall.link.id).collect();
    links.sort_unstable();
    let subject = subject(group, index);
    let verdict = cause::judge(group, subject, around.vantage, around.settings);
    Stall {
        id: 0,
        incident: 0,
        subject,
        deadlines: deadlines(group),
        start,
        end,
        duration_ms: end.unwrap_or(open_to).since(start).millis(),
        limit_ms,
        outcome,
        election: election_after(around.elections, start, last, limit_ms),
        cause: verdict.cause,
        suspect: verdict.suspect,
        evidence: verdict.evidence,
        notes: verdict.notes,
        context: Context::default(),
        links,
        log: Vec::new(),
        log_says: Vec::new(),
    }
}

/// The deadlines that were passed, each once.
fn deadlines(group: &[LinkStall<'_>]) -> Vec<Deadline> {
    let waits = group.iter().flat_map(|stall| &stall.waits);
    let mut deadlines: Vec<_> = waits.map(|wait| wait.deadline).collect();
    deadlines.sort_unstable();
    deadlines.dedup();
    deadlines
}

/// The deadline that was passed first.
fn first_limit_ms(group: &[LinkStall<'_>], settings: &Settings) -> u64 {
    let waits = group.iter().flat_map(|stall| &stall.waits);
    let first = waits.min_by_key(|wait| wait.start.plus(limit(wait.deadline, settings)));
    first.map_or(0, |wait| limit(wait.deadline, settings).millis())
}

/// What ended the stall: the link's own end if any of its waits ran into it, or all but did: what
/// comes in the very moment of the closing comes too late.
fn outcome(group: &[LinkStall<'_>]) -> Outcome {
    const MOMENT: Span = Span::from_millis(100);
    let too_late = group.iter().filter_map(|stall| stall.link.teardown.closed.map(|closed| (stall, closed)));
    if let Some((_, closed)) = too_late
        .into_iter()
        .find(|(stall, closed)| closed.at >= stall.end && closed.at.since(stall.end) <= MOMENT)
    {
        return if closed.by_leader { Outcome::ClosedByLeader } else { Outcome::ClosedByLearner };
    }
    let waits = group.iter().flat_map(|stall| stall.waits.iter().map(move |wait| (stall, wait)));
    // Nothing waits longer than its stall but what the learner left out of sight.
    if waits.clone().any(|(stall, wait)| wait.end > stall.end) {
        return Outcome::ClosedByLearner;
    }
    match waits.max_by_key(|(_, wait)| (wait.ended == Ended::Closed, wait.end)) {
        Some((stall, wait)) if wait.ended == Ended::Closed => {
            if stall.link.teardown.closed.is_some_and(|closed| closed.by_leader) {
                Outcome::ClosedByLeader
            } else {
                Outcome::ClosedByLearner
            }
        }
        Some((_, wait)) if wait.ended == Ended::CaptureEnd => Outcome::Open,
        _ => Outcome::Recovered,
    }
}

/// Who went quiet.
fn subject(group: &[LinkStall<'_>], index: &LinkIndex<'_>) -> Address {
    let Some(first) = group.first() else { return Address::default() };
    let (leader, learner) = (first.link.opened.leader.address, first.link.opened.learner.address);
    if group.len() > 1 {
        return leader;
    }
    if !first.is_for_leader() {
        return learner;
    }
    // A learner that comes back to the same leader in the same epoch shows that the leader had kept
    // its quorum, so it was not the leader that was away.
    let came_back = index.of(leader).iter().any(|life| {
        life.learner == learner
            && life.opened > first.start
            && life.epoch.is_some()
            && life.epoch == first.link.handshake.epoch
    });
    let others_go_on = index.of(leader).iter().any(|life| {
        life.id != first.link.id
            && life.opened < first.start
            && life.closed > first.end
            && !first.is_silent_on(life.link)
    });
    if came_back || others_go_on {
        return learner;
    }
    if !first.is_for_learner() {
        return leader;
    }
    // Both were quiet: the one whose last word came first owed the next.
    let earliest = |for_leader: bool| {
        first.waits.iter().filter(|wait| wait.for_leader == for_leader).map(|wait| wait.start).min()
    };
    if earliest(true) <= earliest(false) { leader } else { learner }
}

/// The election that a stall led to: the first that began while it lasted or soon after.
pub(super) fn election_after(
    elections: &[Election],
    start: Timestamp,
    end: Timestamp,
    limit_ms: u64,
) -> Option<usize> {
    let until = end.plus(Span::from_millis(limit_ms.cast_signed()));
    elections.iter().position(|election| election.start >= start && election.start <= until)
}

/// Waits from `percent` of their deadline up to it, largest share first; those in the time of a stall too
/// ([`Report::stall_of`](crate::findings::Report::stall_of)).
pub(super) fn near_misses(links: &[LinkTrack], settings: &Settings, percent: u32) -> Vec<NearMiss> {
    let mut near: Vec<NearMiss> = Vec::new();
    for link in links {
        for wait in &link.waits.list {
            let limit = limit(wait.deadline, settings);
            let share = wait.len().nanos().saturating_mul(100);
            if share >= limit.nanos().saturating_mul(i64::from(percent)) && wait.len() <= limit {
                near.push(NearMiss {
                    link: link.id,
                    deadline: wait.deadline,
                    at: wait.start,
                    wait_ms: wait.len().millis(),
                    limit_ms: limit.millis(),
                    cause: None,
                    suspect: None,
                });
            }
        }
    }
    near.sort_by_key(|miss| (std::cmp::Reverse(miss.wait_ms * 1000 / miss.limit_ms.max(1)), miss.at));
    near.truncate(MAX_NEAR_MISSES);
    near
}
