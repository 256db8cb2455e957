//! A learner that joins and is gone again, over and over: one incident with a count, and what each join died of.

use super::IncidentPart;
use super::unit::Verdict;
use crate::address::Address;
use crate::findings::incident::{Confidence, JoinsLost, Reason};
use crate::findings::{Cause, Suspect, Sync};
use crate::time::{Span, Timestamp};
use crate::track::link::LinkTrack;
use std::collections::BTreeMap;

/// Joins that fail one after the other and make a loop: fewer are an election's.
const MIN_JOINS: usize = 4;
/// A learner that is in a loop is back within this time.
const BACK_WITHIN: Span = Span::from_millis(10_000);

/// The loops of each learner; links in `told` belong to something else.
pub(super) fn parts(links: &[LinkTrack], told: impl Fn(u32) -> bool) -> Vec<IncidentPart> {
    let mut by_learner: BTreeMap<Address, Vec<&LinkTrack>> = BTreeMap::new();
    for link in links.iter().filter(|link| !told(link.id)) {
        by_learner.entry(link.opened.learner.address).or_default().push(link);
    }
    by_learner.into_values().flat_map(|links| loops(&links)).collect()
}

fn loops(links: &[&LinkTrack]) -> Vec<IncidentPart> {
    let mut parts = Vec::new();
    let mut run: Vec<&LinkTrack> = Vec::new();
    for link in links {
        let is_back = run
            .last()
            .and_then(|last| last.teardown.closed)
            .is_some_and(|closed| link.opened.at.since(closed.at) <= BACK_WITHIN);
        if !run.is_empty() && !is_back {
            parts.extend(part(&run, None));
            run.clear();
        }
        if is_lost(link) {
            run.push(link);
        } else {
            parts.extend(part(&run, Some(link.opened.at)));
            run.clear();
        }
    }
    parts.extend(part(&run, None));
    parts
}

/// Whether a link was closed before its learner was up to date, having begun to join.
fn is_lost(link: &LinkTrack) -> bool {
    let has_begun = link.handshake.phases.discovery.is_some() && !link.opened.picked_up;
    has_begun && link.teardown.closed.is_some() && link.handshake.phases.broadcast.is_none()
}

/// A run of joins that were lost, as a part of what happened; `end` is when the learner came back for good.
fn part(run: &[&LinkTrack], end: Option<Timestamp>) -> Option<IncidentPart> {
    let first = run.first().filter(|_| run.len() >= MIN_JOINS)?;
    let learner = first.opened.learner.address;
    let verdict = Verdict {
        cause: Cause::SyncLoop,
        suspect: Some(Suspect::Host(learner)),
        confidence: Confidence::Likely,
        start: first.opened.at,
        end,
        why: vec![Reason::JoinsLost { learner, times: run.len() as u64, of: died_of(run) }],
    };
    let mut part = IncidentPart::without_stall(verdict, run.iter().map(|link| link.id).collect());
    part.to = run.last().and_then(|last| last.teardown.closed).map_or(part.to, |closed| closed.at);
    Some(part)
}

/// What most of the joins had in common at their ends.
fn died_of(run: &[&LinkTrack]) -> JoinsLost {
    let most =
        |is_it: &dyn Fn(&LinkTrack) -> bool| run.iter().filter(|link| is_it(link)).count() * 2 > run.len();
    let in_snapshot = |link: &LinkTrack| {
        link.handshake.sync == Some(Sync::Snap) && link.handshake.phases.sync_bytes.is_none()
    };
    let by_leader = |link: &LinkTrack| link.teardown.closed.is_some_and(|closed| closed.by_leader);
    let before_sync = |link: &LinkTrack| link.handshake.phases.synchronization.is_none();
    let last = run.last().and_then(|link| link.proposals.last_proposed);
    if most(&in_snapshot) {
        JoinsLost::InSnapshot
    } else if let Some(zxid) = last.filter(|last| most(&|link| link.proposals.last_proposed == Some(*last))) {
        JoinsLost::AfterProposal(zxid)
    } else if most(&|link| by_leader(link) && before_sync(link)) {
        JoinsLost::Refused
    } else {
        JoinsLost::Elsewhere
    }
}
