//! Elections that nobody needed: who called one had heard its leader until then.

use super::candidate::{Blame, RaftCandidate};
use super::election::LeaderChange;
use super::scene::{RaftScene, Stretch};
use crate::findings::Cause;
use crate::findings::incident::PeerReason;
use crate::track::raft::mark::{MarkKind, SaidAt};

/// Heartbeats that it must have answered before: one flush after a silence is none of them.
const MIN_ANSWERED: usize = 3;
/// And within how many heartbeats before its vote the last of them lies. The election timeout is five at least
/// (`embed.Config.Validate`), so that nobody campaigns of himself as soon as that.
const RECENT: i64 = 3;

/// A new leader that called the election though it answered the old one's heartbeats until then, and was not asked to.
///
/// Only what it sends to the old leader is looked at: heartbeats' answers and votes take the same stream, in order.
pub(super) fn needless(scene: &RaftScene<'_>, change: &LeaderChange) -> Option<RaftCandidate> {
    let (_, old) = change.last.filter(|(_, old)| *old != change.leader)?;
    let way = (change.leader, old);
    let patience = scene.times.election;
    let is_vote = |kind| matches!(kind, MarkKind::Vote | MarkKind::PreVote);
    let is_asked = |kind| matches!(kind, MarkKind::TimeoutNow | MarkKind::TransferVote);
    let vote = scene.between(way, (change.at.minus(patience), change.at)).find(|mark| is_vote(mark.kind))?;
    let before = (vote.at.minus(patience), vote.at);
    let answers: Vec<&SaidAt> =
        scene.between(way, before).filter(|mark| mark.kind == MarkKind::HeartbeatResp).collect();
    let last = answers.last()?;
    let is_recent = vote.at.since(last.at) <= scene.times.tick.times(RECENT);
    // What arrived late may have been said long before.
    let is_late = |kind| matches!(kind, MarkKind::Resent | MarkKind::Hole | MarkKind::Rst | MarkKind::Fin);
    let earlier = (vote.at.minus(patience.times(2)), vote.at);
    let is_disturbed = scene.count(way, earlier, is_late) + scene.count((old, way.0), earlier, is_late) > 0;
    // Somebody else's vote may have deposed the leader before; and whoever hands the lead over asks for one.
    let members = scene.members();
    let others = members.iter().filter(|member| **member != change.leader);
    let is_second = others.map(|member| scene.count_of(*member, earlier, is_vote)).sum::<usize>() > 0;
    let is_handed =
        members.iter().any(|member| scene.count_of(*member, (earlier.0, change.at), is_asked) > 0);
    if answers.len() < MIN_ANSWERED || !is_recent || is_disturbed || is_second || is_handed {
        return None;
    }
    Some(RaftCandidate {
        root: Cause::ElectionNeedless,
        blame: Blame::Member(change.leader),
        stretch: Stretch { start: vote.at, end: Some(change.at), until: change.at },
        is_proven: false,
        reason: PeerReason::CalledNeedlessly {
            member: change.leader,
            leader: old,
            heard_ms: vote.at.since(last.at).millis(),
        },
        members: vec![old],
        frames: vec![(last.frame, last.at), (vote.frame, vote.at)],
    })
}
