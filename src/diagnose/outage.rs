//! When the ensemble served no writes.
//!
//! No leader: another epoch began after an election, from the old leader's last COMMIT to the new one's first.
//! No commit: a PROPOSAL waited for longer than a tick. Where nothing is written, nothing is missed.

use crate::address::Address;
use crate::findings::incident::{Incident, Outage, OutageKind};
use crate::findings::{ClockStep, Election, Report};
use crate::time::{Span, Timestamp};
use crate::track::commits::Quiet;
use std::collections::BTreeSet;

/// Outages that are told; beyond, the shortest are left out.
const MAX_OUTAGES: usize = 1_024;

/// How long after an incident an outage may begin that it led to: the next COMMIT would have come by then.
const AFTERMATH: Span = Span::from_millis(2_000);

/// The outages, in order of their starts. `report` holds the links, elections and servers.
#[must_use]
pub(super) fn outages(quiets: &[Quiet], report: &Report, end: Timestamp) -> Vec<Outage> {
    let mut outages: Vec<Outage> = Vec::new();
    for quiet in quiets.iter().filter(|quiet| !is_clock_step(quiet, &report.clock_steps)) {
        outages.extend(no_leader(quiet, report).or_else(|| no_commit(quiet, report, end)));
    }
    // What the captures lack may hold COMMITs.
    outages.retain_mut(|outage| {
        let until = outage.end.unwrap_or(end);
        let blind = blind(report, outage.start, until);
        outage.is_certain &= blind == Span::ZERO;
        outage.kind != OutageKind::NoCommit || until.since(outage.start).less(blind) > tick(report)
    });
    let elected: Vec<_> =
        outages.iter().filter(|outage| outage.kind == OutageKind::NoLeader).copied().collect();
    // What waited when the leader was lost is a part of that.
    outages.retain(|outage| {
        outage.kind == OutageKind::NoLeader || !elected.iter().any(|other| overlap(other, outage))
    });
    if outages.len() > MAX_OUTAGES {
        outages.sort_by_key(|outage| std::cmp::Reverse(outage.duration_ms));
        outages.truncate(MAX_OUTAGES);
    }
    outages.sort_by_key(|outage| outage.start);
    for (id, outage) in (1..).zip(&mut outages) {
        outage.id = id;
    }
    outages
}

/// Ties each outage to the incident that lasted longest in it, of those that began with it or at most a limit before,
/// where there is one: what the ensemble had borne for longer did not stop it. Of those that are alike, to the earliest.
pub(super) fn join(outages: &mut [Outage], incidents: &mut [Incident], limit: Span) {
    for outage in outages {
        // What was found by the outage itself explains it.
        if let Some(incident) = incidents.iter().find(|incident| incident.outages.contains(&outage.id)) {
            outage.incident = Some(incident.id);
            continue;
        }
        let until = outage.end.unwrap_or(Timestamp::MAX);
        let shared = |incident: &Incident| {
            let end = incident.end.unwrap_or(Timestamp::MAX).min(until);
            end.since(incident.start.max(outage.start))
        };
        // What a moment's fault leads to begins after it.
        let led_to =
            |incident: &Incident| incident.start <= until && shared(incident).nanos() >= -AFTERMATH.nanos();
        let cause = incidents.iter_mut().filter(|incident| led_to(incident)).max_by_key(|incident| {
            let began_with_it = incident.start.plus(limit).plus(AFTERMATH) >= outage.start;
            (began_with_it, shared(incident), std::cmp::Reverse(incident.start))
        });
        if let Some(incident) = cause {
            outage.incident = Some(incident.id);
            incident.outages.push(outage.id);
        }
    }
}

fn overlap(a: &Outage, b: &Outage) -> bool {
    let end = |outage: &Outage| outage.end.unwrap_or(Timestamp::MAX);
    a.start < end(b) && b.start < end(a)
}

/// For how long no capture showed anything in a stretch of time, since all lacked what came by.
fn blind(report: &Report, from: Timestamp, to: Timestamp) -> Span {
    let lacks = |host: Address| {
        let gaps = report.coverage.gaps.iter().filter(|gap| gap.host.is_none_or(|other| other == host));
        let within = gaps.map(|gap| gap.to.min(to).since(gap.from.max(from)).nanos().max(0));
        within.fold(0, i64::saturating_add)
    };
    Span::from_nanos(report.coverage.hosts.iter().map(|host| lacks(*host)).min().unwrap_or_default())
}

/// A capture's clock that was set makes no outage.
fn is_clock_step(quiet: &Quiet, steps: &[ClockStep]) -> bool {
    let within = steps.iter().filter(|step| step.from >= quiet.from && step.to <= quiet.to);
    let by = within.fold(0, |sum: i64, step| sum.saturating_add(step.by.nanos()));
    by > quiet.to.since(quiet.from).nanos() / 2
}

const fn tick(report: &Report) -> Span {
    Span::from_millis(report.settings.tick_ms as i64)
}

fn no_leader(quiet: &Quiet, report: &Report) -> Option<Outage> {
    let tick = tick(report);
    let within =
        |election: &&Election| election.start >= quiet.from.minus(tick) && election.start <= quiet.to;
    let mut elections = report.elections.iter().filter(within);
    let is_unread = quiet.is_over && (quiet.epoch_after.is_none() || quiet.epoch_before.is_none());
    let is_open = if is_unread {
        // COMMITs are cut before their zxids; who voted and found a leader says so.
        let is_it = |election: &Election| election.by.len() > 1 && election.leader_sid.is_some();
        if !elections.any(is_it) {
            return None;
        }
        false
    } else if quiet.epoch_after.is_some() && quiet.epoch_after != quiet.epoch_before {
        let is_it = |election: &Election| election.epoch.is_none_or(|epoch| Some(epoch) == quiet.epoch_after);
        if !elections.any(is_it) && !is_formed(quiet, report) {
            return None;
        }
        false
    } else if quiet.epoch_after.is_none() && !quiet.is_over {
        // Several look, and none of them was seen to follow.
        let election = elections.next_back().filter(|election| election.by.len() > 1)?;
        election.end.is_none() && election.leader_sid.is_none()
    } else {
        return None;
    };
    // An idle ensemble had a leader for as long as it was heard; one that is heard again once others vote had been
    // lost before.
    let voted = report.elections.iter().filter(within).map(|election| election.start).min();
    let is_before = |heard: &Timestamp| voted.is_none_or(|voted| *heard < voted);
    let start = quiet
        .leader_heard
        .filter(is_before)
        .filter(|heard| heard.since(quiet.from) > tick)
        .unwrap_or(quiet.from);
    let first = quiet.is_over.then_some(quiet.to);
    let is_idle = |up: &Timestamp| {
        quiet.to.since(*up) > tick && quiet.waits_since.is_none_or(|since| quiet.to.since(since) <= tick)
    };
    let back = if is_open { None } else { quiet.up_at.filter(is_idle).or(first) };
    Some(Outage {
        id: 0,
        kind: OutageKind::NoLeader,
        start,
        end: back,
        duration_ms: back.unwrap_or(quiet.to).since(start).millis(),
        incident: None,
        // The old leader's last COMMIT, and the new one's first.
        is_certain: is_in_sight(quiet.from, quiet.epoch_before, report)
            && (is_open || is_in_sight(quiet.to, quiet.epoch_after, report)),
    })
}

/// Whether several learners joined the new epoch at once: a leader came to lead.
fn is_formed(quiet: &Quiet, report: &Report) -> bool {
    let tick = tick(report);
    let joined = report.links.iter().filter(|link| {
        link.epoch == quiet.epoch_after
            && !link.picked_up
            && link.opened >= quiet.from
            && link.opened <= quiet.to
    });
    let mut joined: Vec<_> = joined.map(|link| (link.opened, link.learner.address)).collect();
    joined.sort_unstable();
    joined.windows(2).any(|pair| match pair {
        [(first, a), (second, b)] => a != b && second.since(*first) <= tick,
        _ => false,
    })
}

fn no_commit(quiet: &Quiet, report: &Report, end: Timestamp) -> Option<Outage> {
    let tick = tick(report);
    let start = quiet.waits_since?.max(quiet.from);
    if quiet.to.since(start) <= tick {
        return None;
    }
    // What one follower does not hear may be said to all others.
    let is_heard =
        quiet.leader_heard.is_some_and(|heard| heard.since(start) >= Span::from_nanos(tick.nanos() / 2));
    let is_certain = is_in_sight(quiet.from, quiet.epoch_before, report);
    if !is_heard && !is_certain {
        return None;
    }
    let over = quiet.is_over.then_some(quiet.to);
    Some(Outage {
        id: 0,
        kind: OutageKind::NoCommit,
        start,
        end: over,
        duration_ms: over.unwrap_or_else(|| quiet.to.min(end)).since(start).millis(),
        incident: None,
        is_certain,
    })
}

/// Whether a COMMIT of an epoch could not have gone by unseen at a time: the leader's own capture shows all its links;
/// or so many of its followers' links are in sight that the others make no quorum.
fn is_in_sight(at: Timestamp, epoch: Option<u32>, report: &Report) -> bool {
    let then = report.links.iter().filter(|link| {
        let is_open = link.closed.is_none_or(|closed| closed.at >= at);
        link.opened <= at && is_open && (link.epoch.is_none() || link.epoch == epoch)
    });
    let mut learners: BTreeSet<Address> = BTreeSet::new();
    for link in then {
        if link.seen_from.contains(&link.leader.address) {
            return true;
        }
        if link.role != Some(crate::findings::Role::Observer) {
            learners.insert(link.learner.address);
        }
    }
    let is_voter = |server: &&crate::findings::Server| {
        !server.roles.iter().any(|span| span.role == crate::findings::Role::Observer)
    };
    let named = report.coverage.hosts_expected.and_then(|hosts| usize::try_from(hosts).ok()).unwrap_or(0);
    let voters = report.servers.iter().filter(is_voter).count().max(named);
    let quorum = voters / 2 + 1;
    let unseen = voters.saturating_sub(1 + learners.len());
    voters > 1 && !learners.is_empty() && unseen + 1 < quorum
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::findings::Settings;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(0).plus(Span::from_millis(millis))
    }

    fn quiet(from: i64, to: i64) -> Quiet {
        Quiet {
            from: at(from),
            to: at(to),
            is_over: true,
            epoch_before: Some(1),
            epoch_after: Some(1),
            waits_since: None,
            leader_heard: None,
            up_at: None,
        }
    }

    fn report() -> Report {
        Report { settings: Settings { tick_ms: 1_000, ..Settings::default() }, ..Report::default() }
    }

    fn election(start: i64, epoch: Option<u32>) -> Election {
        Election {
            start: at(start),
            end: epoch.map(|_| at(start + 300)),
            leader_sid: None,
            epoch,
            votes: 4,
            by: vec![Address::v4(1), Address::v4(2)],
            rounds: 1,
            handover_to: None,
        }
    }

    #[test]
    fn silence_without_writes_is_no_outage() {
        assert_eq!(outages(&[quiet(0, 60_000)], &report(), at(60_000)), []);
    }

    #[test]
    fn a_write_that_waits_while_the_leader_is_heard_is_one() {
        let waits =
            Quiet { waits_since: Some(at(50_000)), leader_heard: Some(at(53_000)), ..quiet(0, 53_500) };
        let found = outages(&[waits], &report(), at(60_000));
        assert_eq!(
            (found[0].kind, found[0].start, found[0].end),
            (OutageKind::NoCommit, at(50_000), Some(at(53_500)))
        );
        assert!(!found[0].is_certain);
        // One follower's view of a leader that it does not hear proves nothing.
        let unheard = Quiet { leader_heard: None, ..waits };
        assert_eq!(outages(&[unheard], &report(), at(60_000)), []);
        let short = Quiet { waits_since: Some(at(53_000)), ..waits };
        assert_eq!(outages(&[short], &report(), at(60_000)), []);
    }

    #[test]
    fn another_epoch_after_an_election_is_one_of_no_leader() {
        let report = Report { elections: vec![election(6_000, Some(2))], ..report() };
        let change = Quiet { epoch_after: Some(2), waits_since: Some(at(900)), ..quiet(1_000, 7_000) };
        let found = outages(&[change, Quiet { to: at(5_900), is_over: false, ..change }], &report, at(9_000));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].kind, found[0].duration_ms), (OutageKind::NoLeader, 6_000));
        // Idle: the leader was there for as long as it was heard, and the new one from its UPTODATE on.
        let idle = Quiet {
            waits_since: None,
            leader_heard: Some(at(5_500)),
            up_at: Some(at(6_500)),
            to: at(90_000),
            ..change
        };
        let found = outages(&[idle], &report, at(99_000));
        assert_eq!((found[0].start, found[0].end), (at(5_500), Some(at(6_500))));
    }

    #[test]
    fn steps_of_a_clock_by_centuries_add_up_to_the_longest_span() {
        let step = |nanos| ClockStep { from: at(1_100), to: at(1_200), by: Span::from_nanos(nanos) };
        let far = [step(i64::MAX), step(i64::MAX), step(1)];
        assert!(is_clock_step(&quiet(1_000, 70_000), &far));
        assert!(!is_clock_step(
            &quiet(1_000, 70_000),
            &far.map(|step| ClockStep { by: Span::from_nanos(i64::MIN), ..step })
        ));
    }

    #[test]
    fn an_epoch_that_changed_out_of_sight_is_none() {
        let change = Quiet { epoch_after: Some(2), ..quiet(1_000, 70_000) };
        assert_eq!(outages(&[change], &report(), at(99_000)), []);
    }

    #[test]
    fn an_outage_is_certain_only_where_its_end_was_in_sight_too() {
        let link = |id: u8, epoch: u32, leader: u32, from: i64, seen_from: u32| crate::findings::Link {
            id: u32::from(id),
            epoch: Some(epoch),
            leader: crate::testkit::segment::endpoint(leader, 2_888),
            learner: crate::testkit::segment::endpoint(9, 40_000 + u16::from(id)),
            opened: at(from),
            seen_from: vec![crate::testkit::segment::endpoint(seen_from, 0).address],
            ..crate::findings::sample::report().links.remove(0)
        };
        let is_certain = |new_seen_from: u32| {
            let mut old = link(1, 1, 200, 0, 200);
            old.closed = None;
            let mut new = link(2, 2, 201, 6_500, new_seen_from);
            new.closed = None;
            let report =
                Report { elections: vec![election(6_000, Some(2))], links: vec![old, new], ..report() };
            let change = Quiet { epoch_after: Some(2), waits_since: Some(at(900)), ..quiet(1_000, 7_000) };
            outages(&[change], &report, at(9_000)).first().map(|outage| outage.is_certain)
        };
        // From the new leader's host, and from a follower's of three servers or more that knows no others.
        assert_eq!((is_certain(201), is_certain(9)), (Some(true), Some(false)));
    }

    #[test]
    fn an_election_without_an_end_goes_on() {
        let report = Report { elections: vec![election(6_000, None)], ..report() };
        let open = Quiet { epoch_after: None, is_over: false, ..quiet(5_000, 20_000) };
        let found = outages(&[open], &report, at(20_000));
        assert_eq!((found[0].end, found[0].duration_ms), (None, 15_000));
    }

    #[test]
    fn a_clock_that_was_set_makes_none() {
        let step = ClockStep { from: at(100), to: at(50_000), by: Span::from_millis(49_000) };
        let report = Report { clock_steps: vec![step], ..report() };
        let waits = Quiet { waits_since: Some(at(90)), leader_heard: Some(at(50_100)), ..quiet(0, 50_200) };
        assert_eq!(outages(&[waits], &report, at(60_000)), []);
    }
}
