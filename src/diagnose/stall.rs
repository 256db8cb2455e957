//! Which waits are stalls, and which of them are one event of the world.
//!
//! A stall is a wait longer than a deadline that ZooKeeper keeps. Waits on one link that overlap, or
//! follow each other within a limit, are one incident; a leader that goes quiet towards all its
//! learners is one incident with all links named.

use super::link_index::{LinkIndex, LinkLife};
use super::{cause, context};
use crate::address::Address;
use crate::findings::{Context, Deadline, Election, NearMiss, Outcome, Settings, Stall};
use crate::time::{Span, Timestamp};
use crate::track::link::LinkTrack;
use crate::track::timeline::Timeline;
use crate::track::wait::{Ended, Wait};
use std::collections::BTreeSet;

/// Near misses that are listed.
const MAX_NEAR_MISSES: usize = 100;

/// The limit of a deadline.
#[must_use]
pub const fn limit(deadline: Deadline, settings: &Settings) -> Span {
    let ms = match deadline {
        Deadline::Init => settings.init_limit_ms(),
        _ => settings.stall_limit_ms(),
    };
    Span::from_millis(ms.cast_signed())
}

/// Incidents looked at; beyond, the oldest are left out: each is held against every link.
const MAX_INCIDENTS: usize = 1_024;

/// Waits of one link that belong together.
#[derive(Clone, Debug)]
pub(super) struct LinkStall<'a> {
    pub(super) link: &'a LinkTrack,
    pub(super) waits: Vec<&'a Wait>,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl LinkStall<'_> {
    fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether the leader was waited for.
    pub(super) fn is_for_leader(&self) -> bool {
        self.waits.iter().any(|wait| wait.for_leader)
    }

    /// Whether the learner was waited for.
    pub(super) fn is_for_learner(&self) -> bool {
        self.waits.iter().any(|wait| !wait.for_leader)
    }
}

/// The stalls of the links that are asked for, in order of their starts, and how many older incidents were
/// too many to be looked at. `links` are all there are.
#[must_use]
pub fn stalls(
    links: &[LinkTrack],
    is_asked_for: &dyn Fn(&LinkTrack) -> bool,
    settings: &Settings,
    elections: &[Election],
    timeline: &Timeline,
    vantage: Option<Address>,
    capture_end: Timestamp,
) -> (Vec<Stall>, u64) {
    let mut incidents: Vec<LinkStall<'_>> = links
        .iter()
        .filter(|link| is_asked_for(link))
        .flat_map(|link| incidents_of(link, settings))
        .collect();
    incidents.sort_by_key(|incident| (incident.start, incident.link.id));
    let excess = incidents.len().saturating_sub(MAX_INCIDENTS);
    incidents.drain(..excess);
    let mut stalls = Vec::new();
    let index = LinkIndex::new(if incidents.is_empty() { &[] } else { links });
    while !incidents.is_empty() {
        let first = incidents.remove(0);
        let group = gather(first, &mut incidents, &index);
        let mut stall = stall(&group, &index, settings, elections, capture_end);
        let verdict = cause::judge(&group, stall.subject, vantage, settings);
        (stall.cause, stall.suspect) = (verdict.cause, verdict.suspect);
        (stall.evidence, stall.notes) = (verdict.evidence, verdict.notes);
        stall.context = context::of(&stall, &index, timeline, elections, capture_end);
        stalls.push(stall);
    }
    stalls.sort_by_key(|stall| stall.start);
    for (id, stall) in (1..).zip(&mut stalls) {
        stall.id = id;
    }
    (stalls, excess as u64)
}

/// The waits of a link beyond their deadlines, put together.
fn incidents_of<'a>(link: &'a LinkTrack, settings: &Settings) -> Vec<LinkStall<'a>> {
    let mut over: Vec<&Wait> =
        link.waits.iter().filter(|wait| wait.len() > limit(wait.deadline, settings)).collect();
    // Who waits is at the other end of the capture, and nothing here shows what it does then.
    if over.iter().all(|wait| wait.ended != Ended::Closed) {
        over.extend(
            link.unanswered_close.as_deref().filter(|wait| wait.len() > limit(wait.deadline, settings)),
        );
    }
    over.sort_by_key(|wait| (wait.start, wait.end));
    let together = limit(Deadline::LeaderRead, settings);
    let mut incidents: Vec<LinkStall<'a>> = Vec::new();
    for wait in over {
        match incidents.last_mut() {
            Some(last) if wait.start.since(last.end) < together => {
                last.end = last.end.max(wait.end);
                last.waits.push(wait);
            }
            _ => incidents.push(LinkStall { link, waits: vec![wait], start: wait.start, end: wait.end }),
        }
    }
    incidents
}

/// Adds to an incident those of the same leader's other links that are the same event: the leader
/// went quiet towards all of them.
fn gather<'a>(
    first: LinkStall<'a>,
    others: &mut Vec<LinkStall<'a>>,
    index: &LinkIndex<'_>,
) -> Vec<LinkStall<'a>> {
    if !first.is_for_leader() {
        return vec![first];
    }
    let leader = first.link.opened.leader.address;
    let is_same = |other: &LinkStall<'_>| {
        other.link.opened.leader.address == leader && other.is_for_leader() && other.overlaps(&first)
    };
    // Learners, not links: one that comes back in the middle of it has two.
    let waiting: BTreeSet<Address> = std::iter::once(&first)
        .chain(others.iter().filter(|other| is_same(other)))
        .map(|incident| incident.link.opened.learner.address)
        .collect();
    if waiting.len() < 2 {
        return vec![first];
    }
    let is_open = |life: &&LinkLife<'_>| life.opened < first.start && life.closed > first.start;
    let mut open = BTreeSet::new();
    for life in index.of(leader).iter().filter(is_open) {
        if open.insert(life.learner) && open.len() > waiting.len() {
            return vec![first];
        }
    }
    let (same, rest): (Vec<_>, Vec<_>) = std::mem::take(others).into_iter().partition(is_same);
    *others = rest;
    std::iter::once(first).chain(same).collect()
}

fn stall(
    group: &[LinkStall<'_>],
    index: &LinkIndex<'_>,
    settings: &Settings,
    elections: &[Election],
    capture_end: Timestamp,
) -> Stall {
    let start = group.iter().map(|incident| incident.start).min().unwrap_or_default();
    let last = group.iter().map(|incident| incident.end).max().unwrap_or_default();
    let mut deadlines: Vec<Deadline> =
        group.iter().flat_map(|incident| incident.waits.iter().map(|wait| wait.deadline)).collect();
    deadlines.sort_unstable();
    deadlines.dedup();
    let outcome = outcome(group);
    let end = (outcome != Outcome::Open).then_some(last);
    // Where times run backwards, the last frame's is not the latest.
    let is_one_sided = group.iter().all(|incident| incident.link.is_one_sided());
    let open_to = if is_one_sided { last } else { capture_end.max(last) };
    let limit_ms = group
        .iter()
        .flat_map(|incident| &incident.waits)
        .min_by_key(|wait| wait.start.plus(limit(wait.deadline, settings)))
        .map_or(0, |wait| limit(wait.deadline, settings).millis());
    let mut ids: Vec<u32> = group.iter().map(|incident| incident.link.id).collect();
    ids.sort_unstable();
    Stall {
        id: 0,
        links: ids,
        subject: subject(group, index),
        deadlines,
        start,
        end,
        duration_ms: end.unwrap_or(open_to).since(start).millis(),
        limit_ms,
        outcome,
        election: election_after(elections, start, last, limit_ms),
        cause: crate::findings::Cause::Unknown,
        suspect: None,
        evidence: Vec::new(),
        notes: Vec::new(),
        context: Context::default(),
        log: Vec::new(),
        log_says: Vec::new(),
    }
}

/// What ended the incident: the link's own end if any of its waits ran into it, or all but did: what
/// comes in the very moment of the closing comes too late.
fn outcome(group: &[LinkStall<'_>]) -> Outcome {
    const MOMENT: Span = Span::from_millis(100);
    let too_late = group.iter().filter_map(|incident| incident.link.closed.map(|closed| (incident, closed)));
    if let Some((_, closed)) = too_late
        .into_iter()
        .find(|(incident, closed)| closed.at >= incident.end && closed.at.since(incident.end) <= MOMENT)
    {
        return if closed.by_leader { Outcome::ClosedByLeader } else { Outcome::ClosedByLearner };
    }
    let waits = group.iter().flat_map(|incident| incident.waits.iter().map(move |wait| (incident, wait)));
    match waits.max_by_key(|(_, wait)| (wait.ended == Ended::Closed, wait.end)) {
        Some((incident, wait)) if wait.ended == Ended::Closed => {
            if incident.link.closed.is_some_and(|closed| closed.by_leader) {
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
            && life.epoch == first.link.epoch
    });
    let others_go_on = index
        .of(leader)
        .iter()
        .any(|life| life.id != first.link.id && life.opened < first.start && life.closed > first.end);
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
#[must_use]
pub fn election_after(
    elections: &[Election],
    start: Timestamp,
    end: Timestamp,
    limit_ms: u64,
) -> Option<usize> {
    let until = end.plus(Span::from_millis(limit_ms.cast_signed()));
    elections.iter().position(|election| election.start >= start && election.start <= until)
}

/// Waits from `percent` of their deadline up to it, largest share first.
#[must_use]
pub fn near_misses(links: &[LinkTrack], settings: &Settings, percent: u32) -> Vec<NearMiss> {
    let mut near: Vec<NearMiss> = Vec::new();
    for link in links {
        let over: Vec<&Wait> =
            link.waits.iter().filter(|wait| wait.len() > limit(wait.deadline, settings)).collect();
        for wait in &link.waits {
            // What belongs to a stall is told with it.
            if over.iter().any(|stall| wait.start < stall.end && stall.start < wait.end) {
                continue;
            }
            let limit = limit(wait.deadline, settings);
            let share = wait.len().nanos().saturating_mul(100);
            if share >= limit.nanos().saturating_mul(i64::from(percent)) && wait.len() <= limit {
                near.push(NearMiss {
                    link: link.id,
                    deadline: wait.deadline,
                    at: wait.start,
                    wait_ms: wait.len().millis(),
                    limit_ms: limit.millis(),
                });
            }
        }
    }
    near.sort_by_key(|miss| (std::cmp::Reverse(miss.wait_ms * 1000 / miss.limit_ms.max(1)), miss.at));
    near.truncate(MAX_NEAR_MISSES);
    near
}
