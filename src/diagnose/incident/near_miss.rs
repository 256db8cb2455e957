//! Why a wait came near a deadline: the rules are those of waits that passed one.

use super::heard::{Heard, Window};
use super::unit::Verdict;
use super::{Scene, unit};
use crate::diagnose::link_index::LinkIndex;
use crate::diagnose::link_stall::LinkStall;
use crate::diagnose::stall;
use crate::findings::incident::{Confidence, Incident, Reason};
use crate::findings::{Cause, Deadline, NearMiss, Suspect};
use crate::time::{Span, Timestamp};
use crate::track::link::LinkTrack;
use crate::track::wait::Wait;

/// Within this time after a cut retransmissions arrive: two of the shortest timers of Linux (`TCP_RTO_MIN`).
const AFTER: Span = Span::from_millis(400);

/// What hosts were heard saying is kept in quarters of a second: of a shorter silence it does not show whether a kernel
/// answered in its middle or only at its end.
const MIN_SHOWN: Span = Span::from_millis(1_500);

/// Finds why waits came near their deadlines; `incidents` are those of the same scene.
pub(in crate::diagnose) fn explain(near: &mut [NearMiss], scene: &Scene<'_>, incidents: &[Incident]) {
    if near.is_empty() {
        return;
    }
    let heard = Heard::new(scene.witness, scene.around.vantage);
    let index = LinkIndex::new(scene.around.links);
    for miss in near {
        let Some(link) = index.link(miss.link) else { continue };
        let found = of_incident(miss, incidents, scene.around.capture_end)
            .or_else(|| found(miss, link, scene, &heard, &index));
        if let Some((cause, suspect)) = found {
            (miss.cause, miss.suspect) = (Some(cause), suspect);
        }
    }
}

/// What an incident says of a wait on its links in its time.
fn of_incident(miss: &NearMiss, incidents: &[Incident], end: Timestamp) -> Option<(Cause, Option<Suspect>)> {
    let until = miss.at.plus(Span::from_millis(miss.wait_ms.cast_signed()));
    let makes_wait = |cause: Cause| {
        matches!(
            cause,
            Cause::ProcessStalled
                | Cause::DiskSlow
                | Cause::NetworkCut
                | Cause::NetworkLoss
                | Cause::NetworkSlow
                | Cause::NetworkMtu
        )
    };
    let is_its = |incident: &&Incident| {
        makes_wait(incident.root)
            && incident.links.contains(&miss.link)
            && incident.start <= until
            && incident.end.unwrap_or(end) >= miss.at
    };
    incidents.iter().find(is_its).map(|incident| (incident.root, incident.suspect))
}

/// What all that was heard says of a wait, with the others of its link at the same time.
fn found(
    miss: &NearMiss,
    link: &LinkTrack,
    scene: &Scene<'_>,
    heard: &Heard<'_>,
    index: &LinkIndex<'_>,
) -> Option<(Cause, Option<Suspect>)> {
    let around = scene.around;
    let limit_of = |wait: &Wait| crate::diagnose::limit(wait.deadline, around.settings);
    let list = &link.waits.list;
    let own = list.iter().find(|wait| wait.start == miss.at && wait.deadline == miss.deadline)?;
    // While a learner is brought up to date, it may take what it takes.
    if own.deadline == Deadline::Init {
        return None;
    }
    let is_with_it = |wait: &&Wait| {
        wait.deadline != Deadline::Init
            && wait.start < own.end
            && own.start < wait.end
            && wait.len().times(2) >= limit_of(own)
    };
    let waits: Vec<&Wait> = list.iter().filter(is_with_it).collect();
    let start = waits.iter().map(|wait| wait.start).min()?;
    let end = waits.iter().map(|wait| wait.end).max()?;
    let group = [LinkStall { link, waits: waits.clone(), start, end }];
    let alone = stall::without_context(&group, index, around);
    let verdict = unit(Some(0), alone.subject, link, around.links, &waits, &limit_of)?.judge(
        heard,
        Some(&alone),
        scene.gaps,
    );
    // Short of a limit, a cut that was over soon looks like a process that stood still, but for its retransmissions.
    let amid = Window { from: start, to: end.plus(AFTER) };
    let (leader, learner) = (link.opened.leader.address, link.opened.learner.address);
    let again = heard.loss(leader, learner, amid).again + heard.loss(learner, leader, amid).again;
    let is_known = verdict.confidence != Confidence::Unknown
        && is_shown(&verdict)
        && (verdict.cause != Cause::ProcessStalled || again == 0 && end.since(start) >= MIN_SHOWN);
    is_known.then_some((verdict.cause, verdict.suspect.map(either_way)))
}

/// Whether all that was heard shows the cause. What one link alone is read as rests on how it ended, and this one goes
/// on; but for ACKs that are late while PINGs are answered.
fn is_shown(verdict: &Verdict) -> bool {
    let shows = |reason: &Reason| {
        matches!(
            reason,
            Reason::KernelAnswered { .. }
                | Reason::NoPing { .. }
                | Reason::NothingArrived { .. }
                | Reason::GotThroughAfterRetransmission { .. }
        )
    };
    verdict.cause == Cause::DiskSlow || verdict.why.iter().any(shows)
}

/// What is over so soon does not show in which direction it was.
const fn either_way(suspect: Suspect) -> Suspect {
    match suspect {
        Suspect::OneWay(from, to) => Suspect::Path(from, to),
        other => other,
    }
}
