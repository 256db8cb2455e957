//! The leader's own disk, as its COMMITs show it.
//!
//! A leader counts its own acknowledgement with its followers' once its log is synced (`SyncRequestProcessor`,
//! `AckRequestProcessor`). Where the followers' come at once, lack one of a quorum, and no COMMIT comes, it is the
//! leader's own that is late.

use crate::address::Address;
use crate::dissect::Direction;
use crate::findings::incident::{Confidence, Incident, Outage, OutageKind, Reason};
use crate::findings::{Cause, Deadline, Report, Role, Suspect};
use crate::time::{Span, Timestamp};
use crate::track::link::LinkTrack;
use crate::track::wait::Wait;
use std::collections::BTreeSet;

/// Outages of one leader that follow each other so soon are one incident.
const AGAIN_WITHIN: Span = Span::from_millis(10_000);

/// Incidents of leaders' disks, with the outages that they explain. `report` holds outages, servers and coverage.
pub(super) fn incidents(report: &Report, links: &[LinkTrack]) -> Vec<Incident> {
    let mut found: Vec<Incident> = Vec::new();
    for outage in report.outages.iter().filter(|outage| outage.kind == OutageKind::NoCommit) {
        let Some(slow) = slow_disk(outage, report, links) else { continue };
        let is_same = |held: &&mut Incident| {
            held.suspect == slow.suspect && held.end.is_some_and(|end| slow.start.since(end) <= AGAIN_WITHIN)
        };
        match found.last_mut().filter(|held| is_same(held)) {
            Some(held) => again(held, slow),
            None => found.push(slow),
        }
    }
    found
}

fn again(held: &mut Incident, slow: Incident) {
    held.end = slow.end;
    held.duration_ms = slow.end.unwrap_or(slow.start).since(held.start).millis();
    held.outages.extend(slow.outages);
    held.links.extend(slow.links);
    held.links.sort_unstable();
    held.links.dedup();
    held.count += 1;
}

/// The links of one leader's followers all through an outage.
struct Followers<'a> {
    leader: Address,
    links: Vec<&'a LinkTrack>,
}

fn slow_disk(outage: &Outage, report: &Report, links: &[LinkTrack]) -> Option<Incident> {
    let end = outage.end?;
    // An ACK or a COMMIT may be among what a capture lacks.
    if report.coverage.gaps.iter().any(|gap| gap.from < end && gap.to > outage.start) {
        return None;
    }
    let half = Span::from_nanos(end.since(outage.start).nanos() / 2);
    let followers = followers(outage.start, end, links)?;
    let voters = voters(report);
    let quorum = voters / 2 + 1;
    let is_late = |wait: &Wait| wait.end.min(end).since(wait.start.max(outage.start)) > half;
    // Both ends of each link were heard: the leader lives, and what it is sent arrives.
    if followers
        .links
        .iter()
        .any(|link| link.waits.list.iter().any(|wait| wait.deadline != Deadline::Ack && is_late(wait)))
    {
        return None;
    }
    let is_prompt = |link: &&&LinkTrack| {
        let late = link.waits.list.iter().any(|wait| wait.deadline == Deadline::Ack && is_late(wait));
        !late && link.last_heard(Direction::ToLeader) >= end
    };
    let prompt: Vec<_> = followers.links.iter().filter(is_prompt).collect();
    let hosts: BTreeSet<_> = prompt.iter().map(|link| link.opened.learner.address).collect();
    if voters < 2 || hosts.len() + 1 != quorum {
        return None;
    }
    let is_at_leader = |id: u32| {
        let link = report.links.iter().find(|link| link.id == id);
        link.is_some_and(|link| link.seen_from.contains(&followers.leader))
    };
    // Elsewhere others' acknowledgements are out of sight, and one that was sent may be lost on the way.
    if !prompt.iter().all(|link| is_at_leader(link.id)) {
        return None;
    }
    Some(Incident {
        id: 0,
        root: Cause::DiskSlow,
        suspect: Some(Suspect::Host(followers.leader)),
        // A leader that is too busy to count them looks the same.
        confidence: Confidence::Likely,
        start: outage.start,
        end: Some(end),
        duration_ms: end.since(outage.start).millis(),
        stalls: Vec::new(),
        links: prompt.iter().map(|link| link.id).collect(),
        elections: Vec::new(),
        members: Vec::new(),
        outages: vec![outage.id],
        why: vec![
            Reason::OwnAckMissing { leader: followers.leader, prompt: hosts.len(), quorum },
            Reason::RunnerUp { cause: Cause::ProcessStalled, suspect: Some(Suspect::Host(followers.leader)) },
        ],
        evidence: Vec::new(),
        count: 1,
    })
}

/// The followers' links that served from a time to another, where they are one leader's.
fn followers(from: Timestamp, to: Timestamp, links: &[LinkTrack]) -> Option<Followers<'_>> {
    let is_its = |link: &&LinkTrack| {
        link.opened.at <= from
            && link.serves_now()
            && link.handshake.role != Some(Role::Observer)
            && link.teardown.closed.is_none_or(|closed| closed.at > to)
            && link.last_frame_at() > to
    };
    let links: Vec<_> = links.iter().filter(is_its).collect();
    let leader = links.first()?.opened.leader.address;
    links.iter().all(|link| link.opened.leader.address == leader).then_some(Followers { leader, links })
}

/// How many servers vote, as far as they are known.
fn voters(report: &Report) -> usize {
    let observes = |role: Role| role == Role::Observer;
    let is_voter = |server: &&crate::findings::Server| !server.roles.iter().any(|span| observes(span.role));
    let named = report.coverage.hosts_expected.and_then(|hosts| usize::try_from(hosts).ok()).unwrap_or(0);
    let observers = report.servers.iter().filter(|server| !is_voter(server)).count();
    report.servers.iter().filter(is_voter).count().max(named.saturating_sub(observers))
}
