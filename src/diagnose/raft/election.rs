//! Who led when, and how one leader followed another.

use super::candidate::{Blame, RaftCandidate};
use super::scene::{MUTE, RaftScene, Stretch};
use crate::address::Address;
use crate::findings::Cause;
use crate::findings::incident::PeerReason;
use crate::findings::raft::PeerElection;
use crate::time::{Span, Timestamp};
use crate::track::raft::mark::{MarkKind, SaidAt};

/// Marks of a new leader, without one of the old, that make it the leader: what a thawed one has left to say is one
/// flush.
const MIN_SAID: usize = 3;
/// Votes before a change that belong to it, in election timeouts: split votes take several rounds.
const ROUNDS: i64 = 10;

/// A new leader, as one view shows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeaderChange {
    /// The last word of the old leader as such; `None` for the first leader that is seen.
    pub(super) last: Option<(Timestamp, Address)>,
    /// The first word of the new one.
    pub(super) at: Timestamp,
    pub(super) leader: Address,
}

/// Who led in turn.
pub(super) fn changes(scene: &RaftScene<'_>) -> Vec<LeaderChange> {
    let said = said(scene);
    let window = scene.times.tick.times(6);
    let mut changes: Vec<LeaderChange> = Vec::new();
    let mut last: Option<(Timestamp, Address)> = None;
    for (index, (at, leader)) in said.iter().enumerate() {
        if let Some((before, _)) = last.filter(|(_, known)| known == leader) {
            // The same leader again, after votes: the term is another one.
            let is_again = at.since(before) >= scene.times.election && has_votes(scene, (before, *at));
            if is_again {
                changes.push(LeaderChange { last, at: *at, leader: *leader });
            }
            last = Some((*at, *leader));
            continue;
        }
        let ahead = said.get(index..).unwrap_or_default();
        let ahead = || ahead.iter().take_while(|(next, _)| next.since(*at) <= window);
        let own = ahead().filter(|(_, by)| by == leader).count();
        let others = ahead().filter(|(_, by)| by != leader).count();
        if own >= MIN_SAID && others == 0 {
            changes.push(LeaderChange { last, at: *at, leader: *leader });
            last = Some((*at, *leader));
        }
    }
    changes
}

/// Whether a leader that seems to be elected again led all the time, as another host's captures show: whoever was cut
/// off campaigned unheard, and hears it again.
pub(super) fn is_denied(scenes: &[RaftScene<'_>], change: &LeaderChange) -> bool {
    let Some((last, leader)) = change.last.filter(|(_, old)| *old == change.leader) else { return false };
    scenes.iter().any(|scene| {
        let patience = scene.times.election;
        let voices =
            scene.voices_of(leader).flat_map(|(to, _)| scene.between((leader, to), (last, change.at)));
        let mut said: Vec<Timestamp> =
            voices.filter(|mark| mark.kind.is_of_leader()).map(|mark| mark.at).collect();
        said.sort_unstable();
        let (mut heard, mut longest) = (last, Span::ZERO);
        for at in said.into_iter().chain([change.at]) {
            longest = longest.max(at.since(heard));
            heard = at;
        }
        longest < patience
    })
}

/// Whether anybody asked for votes.
fn has_votes(scene: &RaftScene<'_>, time: (Timestamp, Timestamp)) -> bool {
    let is_vote = |kind| matches!(kind, MarkKind::Vote | MarkKind::PreVote);
    scene.view.voices.keys().any(|way| scene.count(*way, time, is_vote) > 0)
}

/// What leaders say, in order of time.
fn said(scene: &RaftScene<'_>) -> Vec<(Timestamp, Address)> {
    let mut said = Vec::new();
    for ((from, _), voice) in &scene.view.voices {
        let marks = voice.marks().iter().filter(|mark| mark.kind.is_of_leader());
        said.extend(marks.map(|mark| (mark.at, *from)));
    }
    said.sort_unstable();
    said
}

/// An election that led to a change.
pub(super) fn election(scene: &RaftScene<'_>, change: &LeaderChange) -> PeerElection {
    let from = change.at.minus(scene.times.election.times(ROUNDS));
    let from = change.last.map_or(from, |(last, _)| from.max(last.minus(scene.times.election.times(2))));
    let mut votes: Vec<(Timestamp, Address)> = Vec::new();
    let mut is_transfer = false;
    let is_asked = |kind| matches!(kind, MarkKind::Vote | MarkKind::PreVote);
    for way in scene.view.voices.keys() {
        for mark in scene.between(*way, (from, change.at)) {
            is_transfer |=
                mark.kind == MarkKind::TimeoutNow && change.at.since(mark.at) < scene.times.election;
            if is_asked(mark.kind) {
                votes.push((mark.at, way.0));
            }
        }
    }
    votes.sort_unstable();
    let mut by: Vec<Address> = votes.iter().map(|(_, member)| *member).collect();
    by.sort_unstable();
    by.dedup();
    let mut terms = scene.view.terms.iter().filter(|(at, _)| *at <= change.at.plus(Span::from_millis(1_000)));
    PeerElection {
        start: votes.first().map_or(change.at, |(at, _)| *at),
        end: change.at,
        leader: change.leader,
        before: change.last.map(|(_, leader)| leader),
        term: terms.next_back().map(|(_, term)| *term),
        votes: votes.len() as u64,
        by,
        is_transfer,
        incident: None,
    }
}

/// A leader whose raft loop fell silent and was replaced, while its process spoke on: its disk, unless it was deposed.
pub(super) fn mute_leader(scene: &RaftScene<'_>, change: &LeaderChange) -> Option<RaftCandidate> {
    let (start, old) = change.last.filter(|(_, old)| *old != change.leader)?;
    let patience = Span::from_nanos(scene.times.election.nanos() / 100 * 85);
    let gap = (start.plus(Span::from_millis(30)), change.at);
    let late = change.at.plus(scene.times.election.times(2));
    let is_vote = |kind| matches!(kind, MarkKind::Vote | MarkKind::PreVote | MarkKind::TimeoutNow);
    let members = scene.members();
    // A candidate that did not wait for the election timeout deposed it.
    let early = (start.minus(scene.times.election.times(3)), start.plus(patience));
    let is_deposed = members.iter().any(|member| scene.count_of(*member, early, is_vote) > 0);
    // Raft's loop ran on: it answered, or voted.
    let has_answered = scene.count_of(old, gap, MarkKind::is_of_raft) > 0;
    let beside = scene.count_of(old, (gap.0, late), MarkKind::is_beside_raft);
    let ways: Vec<_> = scene.voices_of(old).map(|(to, _)| (old, to)).collect();
    let around = Stretch { start, end: None, until: late };
    let is_data = |kind| kind == MarkKind::Data;
    let is_mute =
        ways.iter().any(|way| scene.gaps(*way, MUTE, is_data).iter().any(|gap| gap.overlaps(&around)));
    let is_end = |kind| matches!(kind, MarkKind::Refusal | MarkKind::Rst | MarkKind::Resent);
    let is_disturbed = scene.count_of(old, (start, change.at), is_end)
        + scene.count_to(old, (start, change.at), |kind| kind == MarkKind::Resent)
        > 0;
    if is_deposed || has_answered || is_mute || is_disturbed || beside == 0 || term_jump(scene, change) {
        return None;
    }
    // Its loop is free again when it says something as raft again, whatever that is.
    let next = ways.iter().filter_map(|way| {
        let mut marks = scene.between(*way, (change.at, Timestamp::MAX));
        marks.find(|mark| mark.kind.is_of_raft()).map(|mark| mark.at)
    });
    let end = next.min();
    Some(RaftCandidate {
        root: Cause::DiskSlow,
        blame: Blame::Member(old),
        stretch: Stretch { start, end, until: end.unwrap_or(scene.view.last) },
        is_proven: false,
        reason: PeerReason::LeaderMute { member: old, beside: super::silence::short(beside) },
        members: ways.iter().map(|way| way.1).collect(),
        frames: first_vote(scene, gap).into_iter().map(|mark| (mark.frame, mark.at)).collect(),
    })
}

fn first_vote<'a>(scene: &RaftScene<'a>, time: (Timestamp, Timestamp)) -> Option<&'a SaidAt> {
    let ways = scene.view.voices.keys();
    let votes = ways.flat_map(|way| scene.between(*way, time));
    votes.filter(|mark| matches!(mark.kind, MarkKind::Vote | MarkKind::PreVote)).min_by_key(|mark| mark.at)
}

/// Whether the term rose by more than one: somebody had campaigned unheard, and deposed the leader.
fn term_jump(scene: &RaftScene<'_>, change: &LeaderChange) -> bool {
    let before = scene.view.terms.iter().filter(|(at, _)| *at < change.at).map(|(_, term)| *term).max();
    let soon = change.at.plus(scene.times.election.times(3));
    let after = scene
        .view
        .terms
        .iter()
        .filter(|(at, _)| *at >= change.at && *at <= soon)
        .map(|(_, term)| *term)
        .max();
    before.zip(after).is_some_and(|(before, after)| after > before + 1)
}
