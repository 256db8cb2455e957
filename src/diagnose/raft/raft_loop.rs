//! Members whose process lives while raft's loop stands still: it waits for the write-ahead log's disk.
//!
//! A follower's loop saves before it answers, a leader's before it ticks on (`etcdserver/raft.go`). Streams' writers
//! and the HTTP server go on beside it: link heartbeats and answers come while raft's messages do not.

use super::candidate::{Blame, RaftCandidate};
use super::scene::{MUTE, RaftScene, Stretch};
use super::silence::short;
use crate::address::Address;
use crate::findings::Cause;
use crate::findings::incident::PeerReason;
use crate::time::{Span, Timestamp};
use crate::track::raft::mark::MarkKind;

/// Waits that make a pattern, where none of them is an election timeout long.
const MIN_WAITS: usize = 5;
/// Waits farther apart belong to different troubles.
const APART: Span = Span::from_millis(3_000);

/// All of a view.
pub(super) fn blocked(scene: &RaftScene<'_>) -> Vec<RaftCandidate> {
    let mut found = Vec::new();
    for (asker, member) in scene.view.voices.keys() {
        found.extend(answers(scene, *asker, *member));
        found.extend(heartbeats(scene, *member, *asker));
    }
    found
}

/// How long a wait must be to count: one tick may be late.
fn least(scene: &RaftScene<'_>) -> Span {
    scene.times.tick.times(18).over(10)
}

/// A follower that answers its leader late, in bursts.
fn answers(scene: &RaftScene<'_>, leader: Address, member: Address) -> Vec<RaftCandidate> {
    let (ask, answer) = ((leader, member), (member, leader));
    let asks = scene.voice(ask.0, ask.1).into_iter().flat_map(|voice| voice.marks().iter());
    let asks = asks.filter(|mark| mark.kind.is_of_leader()).map(|mark| (mark.at, true));
    let replies = scene.voice(answer.0, answer.1).into_iter().flat_map(|voice| voice.marks().iter());
    let replies = replies
        .filter(|mark| mark.kind.is_of_raft() || mark.kind == MarkKind::Skipped)
        .map(|mark| (mark.at, false));
    let mut all: Vec<_> = asks.chain(replies).collect();
    all.sort_by_key(|(at, is_ask)| (*at, *is_ask));
    let mut waits = waits_of(&all, least(scene), scene);
    // What was asked last may be on its way.
    waits.retain(|wait| wait.end.is_some() || wait.len() >= scene.times.election);
    waits.retain(|wait| is_undisturbed(scene, ask, wait));
    let of = |waits: &[Stretch], longest: Span| RaftCandidate {
        root: Cause::DiskSlow,
        blame: Blame::Member(member),
        is_proven: longest >= scene.times.election,
        reason: PeerReason::RaftWaited {
            member,
            waits: short(waits.len()),
            longest_ms: longest.millis(),
            leads: false,
        },
        members: vec![leader],
        frames: frames(scene, answer, waits),
        stretch: whole(waits),
    };
    episodes(scene, member, waits).iter().map(|(waits, longest)| of(waits, *longest)).collect()
}

/// From a question to the next answer, for as long as it is asked again and again: a leader that is none any more
/// asks no more, and gets no answer. The last one has no end where none was seen.
fn waits_of(all: &[(Timestamp, bool)], least: Span, scene: &RaftScene<'_>) -> Vec<Stretch> {
    let patience = scene.times.tick.times(6);
    let mut waits = Vec::new();
    let mut open: Option<(Timestamp, Timestamp)> = None;
    for (at, is_ask) in all {
        match (open, *is_ask) {
            (Some((start, last)), true) if at.since(last) <= patience => open = Some((start, *at)),
            (_, true) => open = Some((*at, *at)),
            (Some((start, last)), false) => {
                open = None;
                if at.since(start) >= least && at.since(last) <= patience {
                    waits.push(Stretch { start, end: Some(*at), until: *at });
                }
            }
            (None, false) => {}
        }
    }
    if let Some((start, last)) = open
        && scene.view.last.since(last) <= patience
    {
        waits.push(Stretch { start, end: None, until: scene.view.last });
    }
    waits
}

/// A leader that sends its heartbeats late, and goes on leading.
fn heartbeats(scene: &RaftScene<'_>, leader: Address, member: Address) -> Vec<RaftCandidate> {
    let way = (leader, member);
    let mut waits = scene.gaps(way, least(scene), MarkKind::is_of_leader);
    waits.retain(|wait| {
        wait.end.is_some() && is_undisturbed(scene, way, wait) && !is_contested(scene, leader, wait)
    });
    let of = |waits: &[Stretch], longest: Span| RaftCandidate {
        root: Cause::DiskSlow,
        blame: Blame::Member(leader),
        is_proven: false,
        reason: PeerReason::RaftWaited {
            member: leader,
            waits: short(waits.len()),
            longest_ms: longest.millis(),
            leads: true,
        },
        members: vec![member],
        frames: frames(scene, way, waits),
        stretch: whole(waits),
    };
    episodes(scene, leader, waits).iter().map(|(waits, longest)| of(waits, *longest)).collect()
}

/// Whether anybody asked for votes in that time, or led: then the leader may have stepped down.
fn is_contested(scene: &RaftScene<'_>, leader: Address, wait: &Stretch) -> bool {
    let time = (wait.start, wait.until);
    let is_vote = |kind| {
        matches!(
            kind,
            MarkKind::Vote
                | MarkKind::PreVote
                | MarkKind::VoteResp
                | MarkKind::PreVoteResp
                | MarkKind::TimeoutNow
        )
    };
    scene.members().into_iter().any(|member| {
        scene.count_of(member, time, is_vote) > 0
            || member != leader && scene.count_of(member, time, MarkKind::is_of_leader) > 0
    })
}

/// Whether the network is out of the question: nothing sent again, no gap in what arrived, no connection lost.
fn is_undisturbed(scene: &RaftScene<'_>, way: (Address, Address), wait: &Stretch) -> bool {
    let time = (wait.start, wait.until);
    let is_trouble = |kind| {
        matches!(
            kind,
            MarkKind::Resent
                | MarkKind::Hole
                | MarkKind::Late
                | MarkKind::Syn
                | MarkKind::Fin
                | MarkKind::Rst
                | MarkKind::Refusal
        )
    };
    // A probe dials every 4 s, and closes what it dialed.
    let is_loss = |kind| is_trouble(kind) && !matches!(kind, MarkKind::Syn | MarkKind::Fin);
    scene.count(way, time, is_loss) + scene.count((way.1, way.0), time, is_loss) == 0
}

/// Waits of one trouble, and the longest of them: those that show raft's loop blocked.
fn episodes(scene: &RaftScene<'_>, member: Address, waits: Vec<Stretch>) -> Vec<(Vec<Stretch>, Span)> {
    let mut groups: Vec<Vec<Stretch>> = Vec::new();
    for wait in waits {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| wait.start.since(last.until) <= APART) => {
                group.push(wait);
            }
            _ => groups.push(vec![wait]),
        }
    }
    let judged = groups.into_iter().map(|group| {
        let longest = group.iter().map(Stretch::len).max().unwrap_or_default();
        (group, longest)
    });
    judged.filter(|(group, longest)| is_blocked(scene, member, group, *longest)).collect()
}

/// Whether the process spoke beside raft all the while.
fn is_blocked(scene: &RaftScene<'_>, member: Address, waits: &[Stretch], longest: Span) -> bool {
    let whole = whole(waits);
    let spoke = |wait: &Stretch| {
        let slack = Span::from_millis(30);
        let time = (wait.start.plus(slack), wait.until.minus(slack));
        time.0 < time.1 && scene.count_of(member, time, MarkKind::is_beside_raft) > 0
    };
    let long = || waits.iter().filter(|wait| wait.len() >= scene.times.election);
    let half = scene.times.election.over(2);
    let halves = waits.iter().filter(|wait| wait.len() >= half && spoke(wait)).count();
    if longest >= scene.times.election && long().any(spoke) || halves > 1 {
        return true;
    }
    // Short waits: a link heartbeat falls into few of them, but each comes in time.
    let margin = Span::from_millis(2_000);
    let time = (whole.start.minus(margin), whole.until.plus(margin));
    let beats = scene.count_of(member, time, |kind| kind == MarkKind::LinkHeartbeat);
    let is_mute = scene.voices_of(member).any(|(to, _)| {
        scene
            .gaps((member, to), MUTE, |kind| kind == MarkKind::LinkHeartbeat)
            .iter()
            .any(|gap| gap.overlaps(&whole))
    });
    waits.len() >= MIN_WAITS && beats > 0 && !is_mute && whole.len() >= scene.times.election
}

fn whole(waits: &[Stretch]) -> Stretch {
    let start = waits.first().map_or(Timestamp::MIN, |wait| wait.start);
    let last = waits.last();
    Stretch { start, end: last.and_then(|wait| wait.end), until: last.map_or(start, |wait| wait.until) }
}

fn frames(
    scene: &RaftScene<'_>,
    way: (Address, Address),
    waits: &[Stretch],
) -> Vec<(crate::frame::FrameRef, Timestamp)> {
    let longest = waits.iter().max_by_key(|wait| wait.len());
    let end = longest.and_then(|wait| wait.end);
    let mark = end.and_then(|end| scene.between(way, (end, end)).find(|mark| mark.kind.is_of_raft()));
    mark.map(|mark| (mark.frame, mark.at)).into_iter().collect()
}
