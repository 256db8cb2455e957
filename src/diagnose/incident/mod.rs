//! Incidents: one entry per root cause, from everything that all captures show of the ensemble.
//!
//! Each link's stall is read with all that was heard of its two ends as witnesses. What then has one culprit at
//! one time is one incident, and what follows from it belongs to it.

pub(super) mod dial;
mod ending;
mod heard;
mod join_loop;
mod near_miss;
mod runner_up;
mod scope;
pub(super) mod sync_limit;
mod unit;

use super::surroundings::Surroundings;
use crate::address::Address;
use crate::findings::incident::{Confidence, CoverageGap, Incident, Reason};
use crate::findings::{Cause, Deadline, Election, Stall, Suspect};
use crate::time::{Span, Timestamp};
use crate::track::link::LinkTrack;
use crate::track::wait::Wait;
use crate::track::witness::Witness;
use dial::DialsSeen;
use heard::Heard;
pub(super) use near_miss::explain;
use std::collections::BTreeMap;
use unit::{Unit, Verdict};

/// Incidents of one root that start so close together are one.
const ONE_START: Span = Span::from_millis(1_000);
/// Frames of evidence per incident.
const MAX_EVIDENCE: usize = 16;

/// Everything that incidents are found in.
pub(super) struct Scene<'a> {
    pub(super) around: &'a Surroundings<'a>,
    /// What hosts were heard saying.
    pub(super) witness: &'a Witness,
    /// Stretches of time that the captures lack.
    pub(super) gaps: &'a [CoverageGap],
    /// Attempts to connect that failed.
    pub(super) dials: &'a DialsSeen,
}

/// A part of an incident on its way.
#[derive(Clone, Debug)]
struct IncidentPart {
    verdict: Verdict,
    stalls: Vec<usize>,
    links: Vec<u32>,
    /// From its first to its last trace, whatever the root's own times are.
    from: Timestamp,
    to: Timestamp,
    /// The hosts whose links it hurt.
    hosts: Vec<Address>,
    /// Whether it only concerns learners that were being brought up to date.
    is_init: bool,
}

/// The incidents of a scene, in order of their starts. Each stall is given its incident, and with it the
/// incident's cause and suspect.
pub(super) fn incidents(scene: &Scene<'_>, stalls: &mut [Stall]) -> Vec<Incident> {
    let heard = Heard::new(scene.witness, scene.around.vantage);
    let limit = Span::from_millis(scene.around.settings.stall_limit_ms().cast_signed());
    let limit_of = |wait: &Wait| super::limit(wait.deadline, scene.around.settings);
    let mut parts: Vec<IncidentPart> = Vec::new();
    for unit in units(scene, stalls) {
        let stall = unit.stall.and_then(|index| stalls.get(index));
        let verdict = unit.judge(&heard, stall, scene.gaps);
        if unit.stall.is_none() && verdict.cause != Cause::NetworkLoss {
            continue;
        }
        parts.push(IncidentPart {
            stalls: unit.stall.into_iter().collect(),
            links: vec![unit.link.id],
            from: unit.start.min(verdict.start),
            to: unit.end.max(verdict.end.filter(|_| unit.stall.is_none()).unwrap_or(unit.end)),
            hosts: vec![unit.leader(), unit.learner()],
            is_init: unit.waits.iter().all(|wait| wait.deadline == Deadline::Init),
            verdict,
        });
    }
    // What follows a close tells whether a process ended or the network was cut.
    let may_follow = |verdict: &Verdict, gap: &CoverageGap| {
        gap.to > verdict.start && gap.from.since(verdict.start) <= limit
    };
    let ended = ending::ended(scene.around.links, &heard, scene.around.capture_end).into_iter();
    let is_followed = |verdict: &Verdict| !scene.gaps.iter().any(|gap| may_follow(verdict, gap));
    for (verdict, links) in ended.filter(|(verdict, _)| is_followed(verdict)) {
        parts.push(IncidentPart::without_stall(verdict, links));
    }
    for (verdict, links) in
        ending::reset(scene.around.links, &heard, limit, &limit_of, scene.around.capture_end)
    {
        parts.push(IncidentPart::without_stall(verdict, links));
    }
    parts.sort_by_key(|part| part.from);
    let mut parts = scope::join(parts, &heard, limit);
    let around = scene.around;
    let dials = dial::parts(
        scene.dials,
        around.links,
        &heard,
        &parts,
        around.settings,
        scene.gaps,
        around.capture_end,
    );
    parts.extend(dials);
    let told = |id: u32| parts.iter().any(|part| part.links.contains(&id));
    let loops = join_loop::parts(around.links, told);
    parts.extend(dial::unexplained(loops, &parts, around.settings, around.capture_end));
    parts.iter_mut().for_each(|part| runner_up::name(&mut part.verdict, &heard));
    finish(scene, parts, stalls)
}

impl IncidentPart {
    fn without_stall(verdict: Verdict, links: Vec<u32>) -> Self {
        let hosts = match verdict.suspect {
            Some(Suspect::Host(a) | Suspect::HostNetwork(a)) => vec![a],
            Some(Suspect::Path(a, b) | Suspect::OneWay(a, b)) => vec![a, b],
            None => Vec::new(),
        };
        Self {
            stalls: Vec::new(),
            links,
            from: verdict.start,
            to: verdict.start,
            hosts,
            is_init: false,
            verdict,
        }
    }
}

/// The stalls, link by link; and long waits that broke no deadline.
fn units<'a>(scene: &Scene<'a>, stalls: &[Stall]) -> Vec<Unit<'a>> {
    let mut units = Vec::new();
    for link in scene.around.links {
        let limit_of = |wait: &Wait| super::limit(wait.deadline, scene.around.settings);
        let mut is_told: Vec<&Wait> = Vec::new();
        for (index, stall) in stalls.iter().enumerate().filter(|(_, stall)| stall.links.contains(&link.id)) {
            let until = stall.end.unwrap_or(Timestamp::MAX);
            let waits: Vec<&Wait> = link
                .waits
                .list
                .iter()
                .chain(link.teardown.unanswered.as_deref())
                .filter(|wait| wait.len() > limit_of(wait) && wait.start <= until && wait.end >= stall.start)
                .collect();
            units.extend(unit(Some(index), stall.subject, link, scene.around.links, &waits, &limit_of));
            is_told.extend(waits);
        }
        units.extend(near(link, &is_told, &limit_of).and_then(|wait| {
            unit(None, link.opened.learner.address, link, scene.around.links, &[wait], &limit_of)
        }));
    }
    units
}

/// The longest of a link's waits that came near a deadline, apart from what is told of it.
fn near<'a>(link: &'a LinkTrack, told: &[&Wait], limit_of: &dyn Fn(&Wait) -> Span) -> Option<&'a Wait> {
    let is_near = |wait: &&Wait| {
        let is_apart = told.iter().all(|told| wait.end < told.start || told.end < wait.start);
        wait.len().times(2) > limit_of(wait) && is_apart
    };
    link.waits.list.iter().filter(is_near).max_by_key(|wait| wait.len())
}

fn unit<'a>(
    stall: Option<usize>,
    subject: Address,
    link: &'a LinkTrack,
    links: &[LinkTrack],
    waits: &[&'a Wait],
    limit_of: &dyn Fn(&Wait) -> Span,
) -> Option<Unit<'a>> {
    let limit = waits.iter().map(|wait| limit_of(wait)).min()?;
    let start = waits.iter().map(|wait| wait.start).min()?;
    let end = waits.iter().map(|wait| wait.end).max()?;
    // A link that nobody was heard to close ends where its learner is back on another.
    let is_later = |other: &&LinkTrack| {
        other.id > link.id
            && other.opened.learner.address == link.opened.learner.address
            && other.opened.at > start.plus(limit)
    };
    let back = links.iter().filter(is_later).map(|other| other.opened.at).min();
    let end = back.map_or(end, |back| end.min(back));
    let is_address_shared = links.iter().any(|other| {
        other.id != link.id
            && other.opened.learner.address == link.opened.learner.address
            && other.opened.at < start
            && other.last_frame_at() > start.plus(limit)
            && other.teardown.closed.is_none_or(|closed| closed.at > start)
    });
    Some(Unit { stall, link, waits: waits.to_vec(), start, end, limit, subject, is_address_shared })
}

/// Parts to incidents.
fn finish(scene: &Scene<'_>, mut parts: Vec<IncidentPart>, stalls: &mut [Stall]) -> Vec<Incident> {
    parts.sort_by_key(|part| part.verdict.start);
    let mut incidents = Vec::new();
    for (id, part) in (1..).zip(parts) {
        let IncidentPart { verdict, stalls: own, mut links, to, .. } = part;
        let mut evidence = Vec::new();
        let mut ids = Vec::new();
        for index in own {
            let Some(stall) = stalls.get_mut(index) else { continue };
            stall.incident = id;
            if stall.cause != verdict.cause {
                // They say why the link alone was read in another way.
                stall.notes.clear();
            }
            (stall.cause, stall.suspect) = (verdict.cause, verdict.suspect);
            evidence.extend(stall.evidence.iter().cloned());
            ids.push(stall.id);
        }
        ids.sort_unstable();
        ids.dedup();
        links.sort_unstable();
        links.dedup();
        evidence.sort_by_key(|evidence| evidence.at);
        evidence.dedup_by_key(|evidence| evidence.frame);
        evidence.truncate(MAX_EVIDENCE);
        let count = times(&verdict.why);
        let end = verdict.end.filter(|end| *end >= verdict.start);
        let until = to.max(end.unwrap_or(to));
        let elections = elections_of(scene, verdict.start, until);
        incidents.push(Incident {
            id,
            root: verdict.cause,
            suspect: verdict.suspect,
            confidence: if verdict.cause == Cause::Unknown {
                Confidence::Unknown
            } else {
                verdict.confidence
            },
            start: verdict.start,
            end,
            duration_ms: end
                .unwrap_or(scene.around.capture_end.max(verdict.start))
                .since(verdict.start)
                .millis(),
            stalls: ids,
            members: Vec::new(),
            links,
            elections,
            outages: Vec::new(),
            why: reasons(verdict.why),
            evidence,
            count,
        });
    }
    share_elections(scene, &mut incidents);
    incidents
}

/// An election that began while several incidents lasted belongs to those of them that let go of a link just before.
fn share_elections(scene: &Scene<'_>, incidents: &mut [Incident]) {
    let limit = Span::from_millis(scene.around.settings.stall_limit_ms().cast_signed());
    for (index, election) in scene.around.elections.iter().enumerate() {
        let just_before = |at: Timestamp| {
            at >= election.start.minus(limit) && at <= election.start.plus(Span::from_millis(500))
        };
        let lets_go = |incident: &Incident| {
            let own = scene.around.links.iter().filter(|link| incident.links.contains(&link.id));
            own.filter_map(|link| link.teardown.closed).any(|closed| just_before(closed.at))
        };
        let is_its = |incident: &&mut Incident| incident.elections.contains(&index);
        let (led_to_it, others): (Vec<_>, Vec<_>) =
            incidents.iter_mut().filter(is_its).partition(|incident| lets_go(incident));
        if !led_to_it.is_empty() {
            for incident in others {
                incident.elections.retain(|own| *own != index);
            }
        }
    }
}

/// How often it happened: above 1 for what is told once though it came again and again.
fn times(why: &[Reason]) -> u64 {
    let of = |reason: &Reason| match reason {
        Reason::TooLarge { times, .. }
        | Reason::JoinsLost { times, .. }
        | Reason::TurnedAway { times, .. } => Some(*times),
        Reason::DialsFailed { attempts, .. } => Some(*attempts),
        _ => None,
    };
    why.iter().filter_map(of).sum::<u64>().max(1)
}

fn reasons(why: Vec<Reason>) -> Vec<Reason> {
    let mut kept: Vec<Reason> = Vec::new();
    for reason in why {
        if !kept.contains(&reason) && kept.len() < MAX_EVIDENCE {
            kept.push(reason);
        }
    }
    kept
}

/// The elections that began while it lasted or within a limit after.
fn elections_of(scene: &Scene<'_>, from: Timestamp, to: Timestamp) -> Vec<usize> {
    let until = to.plus(Span::from_millis(scene.around.settings.stall_limit_ms().cast_signed()));
    let is_its = |election: &Election| election.start >= from && election.start <= until;
    let found = scene.around.elections.iter().enumerate().filter(|(_, election)| is_its(election));
    found.map(|(index, _)| index).collect()
}

/// Puts incidents in order of their starts and numbers them, and tells their stalls so. What was found twice, with
/// links that went and again later, is one.
pub(super) fn number(incidents: &mut Vec<Incident>, stalls: &mut [Stall]) {
    incidents.sort_by_key(|incident| (incident.start, incident.id));
    let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
    let mut kept: Vec<Incident> = Vec::new();
    for mut incident in std::mem::take(incidents) {
        let is_same = |held: &Incident| {
            (held.root, held.suspect) == (incident.root, incident.suspect)
                && incident.start.since(held.start) <= ONE_START
        };
        if let Some(held) = kept.last_mut().filter(|held| is_same(held)) {
            numbers.insert(incident.id, held.id);
            held.links.extend(&incident.links);
            held.end = held.end.or(incident.end);
            continue;
        }
        let id = u32::try_from(kept.len() + 1).unwrap_or(u32::MAX);
        numbers.insert(incident.id, id);
        incident.id = id;
        incident.stalls.clear();
        kept.push(incident);
    }
    for stall in stalls {
        stall.incident = numbers.get(&stall.incident).copied().unwrap_or(0);
        let of_it = stall.incident.checked_sub(1).and_then(|index| kept.get_mut(index as usize));
        if let Some(incident) = of_it {
            incident.stalls.push(stall.id);
        }
    }
    for incident in &mut kept {
        incident.links.sort_unstable();
        incident.links.dedup();
    }
    *incidents = kept;
}
