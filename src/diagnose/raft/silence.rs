//! Who fell silent, and whether its kernel, its path or its process did.
//!
//! The order of proof: no sign of the kernel, then it is the path or the host; the kernel answers and neither link
//! heartbeats nor answers come, then the process stands still.

use super::candidate::{Blame, RaftCandidate};
use super::scene::{MUTE, RaftScene, Stretch};
use crate::address::Address;
use crate::findings::Cause;
use crate::findings::incident::PeerReason;
use crate::frame::FrameRef;
use crate::time::{Span, Timestamp};
use crate::track::raft::mark::MarkKind;

/// Retransmissions of the silent side that show it alive: a tail loss probe or two are nothing (RFC 8985).
const MIN_RESENT: usize = 3;
/// How soon after a closed connection a dial is refused where the process ended: members dial every 0.1 s.
const REFUSED_WITHIN: Span = Span::from_millis(1_500);
/// Connections that a kernel closes at once when a process ends: two streams at least.
const MIN_CLOSED: u16 = 2;
/// A stream that is up brings a link heartbeat every 5/3 s.
const UP_WITHIN: Span = Span::from_millis(5_000);
/// How far apart their FINs may be.
const CLOSED_WITHIN: Span = Span::from_millis(150);

/// All silences of a view that show a cause.
pub(super) fn silences(scene: &RaftScene<'_>, ended: &[RaftCandidate]) -> Vec<RaftCandidate> {
    let mut found = Vec::new();
    for member in scene.members() {
        if scene.view.host == Some(member) {
            found.extend(own(scene, member));
            continue;
        }
        for (other, _) in scene.voices_of(member) {
            found.extend(of_pair(scene, member, other));
        }
    }
    let is_over = |one: &RaftCandidate| {
        ended.iter().any(|end| {
            let Blame::Member(dead) = end.blame else { return false };
            one.blame.names(dead)
                && end.stretch.overlaps(&one.stretch)
                && one.stretch.start.plus(MUTE) > end.stretch.start.minus(MUTE)
                && one.stretch.start.since(end.stretch.start) > Span::from_millis(-2_100)
        })
    };
    found.retain(|one| !is_over(one));
    found
}

const fn is_data(kind: MarkKind) -> bool {
    matches!(kind, MarkKind::Data)
}

/// The captured host's own process writes nothing to anybody, while its kernel acknowledges what arrives.
fn own(scene: &RaftScene<'_>, member: Address) -> Vec<RaftCandidate> {
    let mut found = Vec::new();
    for stretch in scene.gaps_of(member, scene.times.election, is_data) {
        let time = stretch.middle();
        let acks = scene.count_of(member, time, |kind| kind == MarkKind::Ack);
        let resent = scene.count_of(member, time, |kind| kind == MarkKind::Resent);
        let dials = scene.count_of(member, time, |kind| kind == MarkKind::Syn);
        let arrived = scene.count_to(member, time, is_data);
        let ways: Vec<_> = scene.voices_of(member).map(|(to, _)| (member, to)).collect();
        let mut up = ways.iter().filter(|way| was_up(scene, **way, stretch.start)).peekable();
        // A stream to a member that is cut off owes nothing: all that are up must have fallen silent.
        let was_up = up.peek().is_some();
        let is_mute = stretch.len() >= MUTE || up.all(|way| is_due(scene, *way, &stretch));
        if acks > 0 && arrived > 0 && resent < MIN_RESENT && dials == 0 && is_mute && was_up {
            found.push(RaftCandidate {
                root: Cause::ProcessStalled,
                blame: Blame::Member(member),
                is_proven: true,
                reason: PeerReason::KernelAnswered { member, answers: short(acks), is_own: true },
                members: ways.iter().map(|way| way.1).collect(),
                frames: ways.iter().flat_map(|way| around(scene, *way, &stretch)).take(4).collect(),
                stretch,
            });
        }
    }
    found
}

fn is_due(scene: &RaftScene<'_>, way: (Address, Address), stretch: &Stretch) -> bool {
    scene.is_link_heartbeat_due(way, (stretch.start, stretch.until))
}

/// Nothing new of a member reaches another one.
fn of_pair(scene: &RaftScene<'_>, member: Address, other: Address) -> Vec<RaftCandidate> {
    let way = (member, other);
    let gaps = scene.gaps(way, scene.times.election, is_data);
    gaps.into_iter().filter_map(|stretch| judge(scene, way, stretch)).collect()
}

fn judge(
    scene: &RaftScene<'_>,
    (member, other): (Address, Address),
    stretch: Stretch,
) -> Option<RaftCandidate> {
    let way = (member, other);
    if !is_expected(scene, way, &stretch) || is_lossy(scene, way, &stretch) {
        return None;
    }
    let signs = Signs::of(scene, way, &stretch);
    let of = |root, blame, is_proven, reason| RaftCandidate {
        root,
        blame,
        is_proven,
        reason,
        members: vec![other],
        frames: around(scene, way, &stretch),
        stretch,
    };
    // Kernels retransmit for processes that stand still, and for those that ended.
    if signs.frames == 0 && (signs.again > 1 || signs.is_awake && signs.again > 0) {
        let reason = PeerReason::NothingCame { member, other, again: short(signs.again) };
        return Some(of(Cause::NetworkCut, Blame::Path(member, other), signs.again > 1, reason));
    }
    // Whoever stands still himself expects nothing, and cannot tell.
    if signs.frames == 0 || !signs.is_awake {
        return None;
    }
    if signs.acks == 0 && (signs.resent >= 2 || signs.dials > 0) && signs.again > 0 {
        let again = short(signs.resent + signs.dials);
        let reason = PeerReason::HeardButNotHearing { member, other, again };
        return Some(of(Cause::NetworkCut, Blame::OneWay(other, member), true, reason));
    }
    let is_mute = stretch.len() >= MUTE || is_due(scene, way, &stretch);
    if signs.acks > 0 && signs.resent < MIN_RESENT && signs.dials == 0 && is_mute {
        let reason = PeerReason::KernelAnswered { member, answers: short(signs.acks), is_own: false };
        return Some(of(Cause::ProcessStalled, Blame::Member(member), true, reason));
    }
    None
}

/// What passed in the middle of a silence.
struct Signs {
    /// Frames of the silent one.
    frames: usize,
    /// Its kernel's acknowledgments and accepted connections.
    acks: usize,
    /// What it retransmitted.
    resent: usize,
    /// Connections that it dialed.
    dials: usize,
    /// What the other one retransmitted to it.
    again: usize,
    /// Whether the other one's process ran.
    is_awake: bool,
}

impl Signs {
    fn of(scene: &RaftScene<'_>, (member, other): (Address, Address), stretch: &Stretch) -> Self {
        let time = stretch.middle();
        let count = |is: fn(MarkKind) -> bool| scene.count((member, other), time, is);
        let is_awake = |kind| matches!(kind, MarkKind::Data | MarkKind::Syn);
        Self {
            frames: count(MarkKind::is_frame),
            acks: count(|kind| matches!(kind, MarkKind::Ack | MarkKind::SynAck)),
            resent: count(|kind| kind == MarkKind::Resent),
            dials: count(|kind| kind == MarkKind::Syn),
            again: scene.count((other, member), time, |kind| kind == MarkKind::Resent),
            is_awake: scene.count_of(other, time, is_awake) > 0,
        }
    }
}

/// Whether segments were missing on the path shortly before the silence, or well after it: then it may be one of
/// TCP's long retransmission timeouts.
fn is_lossy(scene: &RaftScene<'_>, (member, other): (Address, Address), stretch: &Stretch) -> bool {
    let around = Span::from_millis(10_000);
    let settled = Span::from_millis(1_500);
    let before = (stretch.start.minus(around), stretch.start);
    let after = (stretch.until.plus(settled), stretch.until.plus(around));
    let ways = [(member, other), (other, member)];
    let holes = ways.into_iter().flat_map(|way| [before, after].map(|time| (way, time)));
    let holes = holes.map(|(way, time)| scene.count(way, time, |kind| kind == MarkKind::Hole));
    holes.sum::<usize>() > 1
}

/// Whether the silent one ought to have spoken: link heartbeats of both streams are out, or it leads, or its leader
/// asks it.
fn is_expected(scene: &RaftScene<'_>, (member, other): (Address, Address), stretch: &Stretch) -> bool {
    if !was_up(scene, (member, other), stretch.start) {
        return false;
    }
    if stretch.len() >= MUTE {
        return true;
    }
    let before = (stretch.start.minus(scene.times.tick.times(2)), stretch.start);
    let led = scene.count((member, other), before, MarkKind::is_of_leader) > 0;
    let asked = scene.count((other, member), stretch.middle(), MarkKind::is_of_leader) > 0;
    led || asked
}

/// Whether streams were up: link heartbeats or raft's messages came. A member that starts accepts connections long
/// before it answers.
fn was_up(scene: &RaftScene<'_>, way: (Address, Address), start: Timestamp) -> bool {
    let is_sign = |kind: MarkKind| kind == MarkKind::LinkHeartbeat || kind.is_of_raft();
    scene.count(way, (start.minus(UP_WITHIN), start), is_sign) > 0
}

/// The frames before and after.
fn around(scene: &RaftScene<'_>, way: (Address, Address), stretch: &Stretch) -> Vec<(FrameRef, Timestamp)> {
    let at = |at: Timestamp| scene.between(way, (at, at)).find(|mark| is_data(mark.kind));
    [Some(stretch.start), stretch.end]
        .into_iter()
        .flatten()
        .filter_map(at)
        .map(|mark| (mark.frame, mark.at))
        .collect()
}

/// Processes that ended: the kernel closed their connections at once, and refuses the next ones.
pub(super) fn endings(scene: &RaftScene<'_>) -> Vec<RaftCandidate> {
    let mut found: Vec<RaftCandidate> = Vec::new();
    for ((member, other), voice) in &scene.view.voices {
        let way = (*member, *other);
        let marks = voice.marks();
        let refusals = marks.iter().filter(|mark| mark.kind == MarkKind::Refusal);
        let mut until = Timestamp::MIN;
        for refusal in refusals {
            if refusal.at <= until {
                continue;
            }
            let back = refusal.at.minus(REFUSED_WITHIN);
            let Some(start) = closed_at_once(scene, way, (back, refusal.at)) else { continue };
            let next = scene.between(way, (refusal.at, Timestamp::MAX)).find(|mark| is_data(mark.kind));
            let end = next.map(|mark| mark.at);
            until = end.unwrap_or(Timestamp::MAX);
            let stretch = Stretch { start, end, until: end.unwrap_or(scene.view.last) };
            found.push(RaftCandidate {
                root: Cause::ProcessEnded,
                blame: Blame::Member(*member),
                is_proven: true,
                reason: PeerReason::ClosedAndRefused { member: *member },
                members: vec![*other],
                frames: vec![(refusal.frame, refusal.at)],
                stretch,
            });
        }
    }
    found
}

/// When a kernel closed several connections of a process that had just spoken, unless the other side ended its
/// streams first, as members do with one that was removed.
fn closed_at_once(
    scene: &RaftScene<'_>,
    (member, other): (Address, Address),
    time: (Timestamp, Timestamp),
) -> Option<Timestamp> {
    let is_close = |kind| matches!(kind, MarkKind::Fin | MarkKind::Rst);
    let closes: Vec<_> = scene.between((member, other), time).filter(|mark| is_close(mark.kind)).collect();
    let sum_from = |at: Timestamp| {
        let within = closes.iter().filter(|mark| mark.at >= at && mark.at.since(at) <= CLOSED_WITHIN);
        within.fold(0_u16, |sum, mark| sum.saturating_add(mark.count))
    };
    let first = closes.iter().find(|mark| sum_from(mark.at) >= MIN_CLOSED)?;
    let before = (first.at.minus(Span::from_millis(2_000)), first.at);
    let around = (first.at.minus(Span::from_millis(1_000)), time.1);
    let ends =
        |way| scene.between(way, around).find(|mark| mark.kind == MarkKind::StreamEnd).map(|mark| mark.at);
    let is_removed = match (ends((other, member)), ends((member, other))) {
        (Some(theirs), Some(own)) => theirs < own,
        (theirs, _) => theirs.is_some(),
    } || scene.count((other, member), (before.0, time.1), |kind| kind == MarkKind::Removed)
        > 0;
    let has_spoken = scene.count((member, other), before, is_data) > 0;
    (has_spoken && !is_removed).then_some(first.at)
}

/// A count as evidence holds it.
pub(super) fn short(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
