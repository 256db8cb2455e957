//! Paths on which everything arrives late, or some of it only when it was sent again.

use super::candidate::{Blame, RaftCandidate};
use super::scene::{RaftScene, Stretch};
use super::silence::short;
use crate::address::Address;
use crate::findings::Cause;
use crate::findings::incident::PeerReason;
use crate::time::{Span, Timestamp};
use crate::track::raft::mark::{MarkKind, SaidAt};

/// Late acknowledgments, or filled gaps, that make a pattern.
const MIN_LATE: usize = 5;
/// See [`MIN_LATE`].
const MIN_HOLES: usize = 4;
/// What lies farther apart belongs to different troubles.
const APART: Span = Span::from_millis(5_000);
/// A pattern lasts at least so long.
const MIN_LASTS: Span = Span::from_millis(2_000);
/// Kernels delay acknowledgments by up to 40 ms, and by 200 ms at worst; beyond this it is the way.
const SLOW_MS: u64 = 150;

/// All of a view.
pub(super) fn troubles(scene: &RaftScene<'_>) -> Vec<RaftCandidate> {
    let ways = scene.view.voices.keys().copied();
    let mut found: Vec<RaftCandidate> = ways.flat_map(|way| slow(scene, way)).collect();
    found.extend(scene.view.voices.keys().flat_map(|way| lossy(scene, *way)));
    found
}

/// One kernel's acknowledgments of what the other one sends are late, nearly all of them.
fn slow(scene: &RaftScene<'_>, (member, other): (Address, Address)) -> Vec<RaftCandidate> {
    let limit = SLOW_MS.max(scene.times.tick.millis() * 3 / 2);
    let is_late = |mark: &SaidAt| mark.kind == MarkKind::Late && u64::from(mark.count) >= limit;
    let groups = groups(scene, (member, other), is_late);
    let judged = groups.into_iter().filter_map(|marks| {
        let stretch = whole(&marks)?;
        let time = (stretch.start, stretch.until);
        let prompt = scene.count((member, other), time, |kind| kind == MarkKind::Prompt);
        let is_slow = marks.len() >= MIN_LATE && prompt * 4 <= marks.len() && stretch.len() >= MIN_LASTS;
        let mut trips: Vec<_> = marks.iter().map(|mark| mark.count).collect();
        trips.sort_unstable();
        let middle = trips.get(trips.len() / 2).copied().unwrap_or(0);
        let reason = PeerReason::AcknowledgedLate {
            member,
            other,
            late: short(marks.len()),
            middle_ms: u64::from(middle),
        };
        is_slow.then(|| {
            // What is acknowledged late was sent by that much earlier.
            let start = stretch.start.minus(Span::from_millis(i64::from(middle)));
            candidate(Cause::NetworkSlow, (member, other), Stretch { start, ..stretch }, reason, &marks)
        })
    });
    judged.collect()
}

/// Segments are missing where they should arrive, again and again, and come when they are sent again.
fn lossy(scene: &RaftScene<'_>, (member, other): (Address, Address)) -> Vec<RaftCandidate> {
    let groups = groups(scene, (member, other), |mark| mark.kind == MarkKind::Hole);
    let judged = groups.into_iter().filter_map(|marks| {
        let stretch = whole(&marks)?;
        let time = (stretch.start, stretch.until);
        let again = scene.count((member, other), time, |kind| kind == MarkKind::Resent)
            + scene.count((other, member), time, |kind| kind == MarkKind::Resent);
        let is_lossy = marks.len() >= MIN_HOLES && stretch.len() >= MIN_LASTS;
        let reason =
            PeerReason::CameWhenSentAgain { member, other, holes: short(marks.len()), again: short(again) };
        is_lossy.then(|| candidate(Cause::NetworkLoss, (member, other), stretch, reason, &marks))
    });
    judged.collect()
}

fn candidate(
    root: Cause,
    (member, other): (Address, Address),
    stretch: Stretch,
    reason: PeerReason,
    marks: &[SaidAt],
) -> RaftCandidate {
    let ends = [marks.first(), marks.last()];
    RaftCandidate {
        root,
        blame: Blame::Path(member, other),
        stretch,
        is_proven: true,
        reason,
        members: vec![member, other],
        frames: ends.into_iter().flatten().map(|mark| (mark.frame, mark.at)).collect(),
    }
}

fn groups(scene: &RaftScene<'_>, way: (Address, Address), is: impl Fn(&SaidAt) -> bool) -> Vec<Vec<SaidAt>> {
    let mut groups: Vec<Vec<SaidAt>> = Vec::new();
    for mark in scene.between(way, (Timestamp::MIN, Timestamp::MAX)).filter(|mark| is(mark)) {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| mark.at.since(last.at) <= APART) => {
                group.push(*mark)
            }
            _ => groups.push(vec![*mark]),
        }
    }
    groups
}

fn whole(marks: &[SaidAt]) -> Option<Stretch> {
    let (first, last) = (marks.first()?, marks.last()?);
    Some(Stretch { start: first.at, end: Some(last.at), until: last.at })
}
