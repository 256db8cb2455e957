//! Which waits are one event of the world.
//!
//! Waits on one link that overlap, or follow each other within a limit, belong together; so do those of all
//! links of a leader that goes quiet towards all its learners.

use super::link_index::{LinkIndex, LinkLife};
use crate::findings::{Deadline, Settings};
use crate::time::{Span, Timestamp};
use crate::track::link::{LinkTrack, OpenWait};
use crate::track::wait::{Ended, Wait};
use std::collections::BTreeSet;

/// For so many limits a wait is doubted at most.
const DOUBTED_FOR: i64 = 10;

/// The time after which a wait under way is a stall: its limit; much longer where its answer may be hidden in bytes
/// that are not decided yet, since the leader closes the link if it is not, and that tells.
#[must_use]
pub const fn told_after(wait: &OpenWait, settings: &Settings) -> Span {
    let limit = limit(wait.deadline, settings);
    if wait.is_doubtful { limit.times(DOUBTED_FOR) } else { limit }
}

/// The limit of a deadline.
#[must_use]
pub const fn limit(deadline: Deadline, settings: &Settings) -> Span {
    let ms = match deadline {
        Deadline::Init => settings.init_limit_ms(),
        _ => settings.stall_limit_ms(),
    };
    Span::from_millis(ms.cast_signed())
}

/// Waits of one link that belong together.
#[derive(Clone, Debug)]
pub(super) struct LinkStall<'a> {
    pub(super) link: &'a LinkTrack,
    pub(super) waits: Vec<&'a Wait>,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl LinkStall<'_> {
    fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether the leader said nothing on another link of it either, through the later half or until that was closed:
    /// where the capture lacks frames, a link that is not seen to close does not go on for that, nor does one whose
    /// learner's capture shows nothing.
    pub(super) fn is_silent_on(&self, other: &LinkTrack) -> bool {
        let is_hidden = |(from, to): &(Timestamp, Timestamp)| *from < self.end && self.start < *to;
        if other.frames.unseen.iter().any(is_hidden) {
            return true;
        }
        other.waits.list.iter().filter(|wait| wait.for_leader).any(|wait| {
            let until = if wait.ended == Ended::Closed { self.end.min(wait.end) } else { self.end };
            let half = self.start.plus(until.since(self.start).over(2));
            until > self.start && wait.start <= half && wait.end >= until
        })
    }

    /// Whether the leader was waited for.
    pub(super) fn is_for_leader(&self) -> bool {
        self.waits.iter().any(|wait| wait.for_leader)
    }

    /// Whether the learner was waited for.
    pub(super) fn is_for_learner(&self) -> bool {
        self.waits.iter().any(|wait| !wait.for_leader)
    }
}

/// The waits of a link beyond their deadlines, put together.
pub(super) fn of_link<'a>(link: &'a LinkTrack, settings: &Settings) -> Vec<LinkStall<'a>> {
    let mut over: Vec<&Wait> =
        link.waits.list.iter().filter(|wait| wait.len() > limit(wait.deadline, settings)).collect();
    // Who waits is at the other end of the capture, and nothing here shows what it does then.
    if over.iter().all(|wait| wait.ended != Ended::Closed) {
        over.extend(
            link.teardown.unanswered.as_deref().filter(|wait| wait.len() > limit(wait.deadline, settings)),
        );
    }
    over.sort_by_key(|wait| (wait.start, wait.end));
    let together = limit(Deadline::LeaderRead, settings);
    let mut stalls: Vec<LinkStall<'a>> = Vec::new();
    for wait in over {
        match stalls.last_mut() {
            Some(last) if wait.start.since(last.end) < together => {
                last.end = last.end.max(wait.end);
                last.waits.push(wait);
            }
            _ => stalls.push(LinkStall { link, waits: vec![wait], start: wait.start, end: wait.end }),
        }
    }
    stalls
}

/// Adds to a link's stall those of the same leader's other links that are the same event: the leader
/// went quiet towards all of them. `tick` is the time between two PINGs of it, or longer.
pub(super) fn gather<'a>(
    first: LinkStall<'a>,
    others: &mut Vec<LinkStall<'a>>,
    index: &LinkIndex<'_>,
    tick: Span,
) -> Vec<LinkStall<'a>> {
    let leader = first.link.opened.leader.address;
    let is_of_leader =
        |other: &&LinkStall<'_>| other.link.opened.leader.address == leader && other.is_for_leader();
    let quiet_from: Vec<_> =
        std::iter::once(&first).chain(others.iter()).filter(is_of_leader).map(|stall| stall.start).collect();
    // Where frames are missing, or nothing is read, a link may not show that its leader was waited for: it went quiet
    // within a tick of another that does.
    let may_be = |stall: &LinkStall<'_>| {
        let is_unclear = stall.link.frames.has_gaps || !stall.link.is_recognised;
        let is_near = |from: &Timestamp| stall.start.since(*from) <= tick && from.since(stall.start) <= tick;
        stall.is_for_leader() || is_unclear && quiet_from.iter().any(is_near)
    };
    if !may_be(&first) {
        return vec![first];
    }
    let is_same = |other: &LinkStall<'_>| {
        other.link.opened.leader.address == leader && may_be(other) && other.overlaps(&first)
    };
    // Learners, not links: one that comes back in the middle of it has two. Those that were there at once are
    // different ones, though they may share an address.
    let was_there = |stall: &&LinkStall<'_>| stall.link.opened.at < first.start;
    let waiting: BTreeSet<u32> = std::iter::once(&first)
        .chain(others.iter().filter(|other| is_same(other)).filter(was_there))
        .map(|stall| stall.link.id)
        .collect();
    if waiting.len() < 2 {
        return vec![first];
    }
    let is_open = |life: &&LinkLife<'_>| life.opened < first.start && life.closed > first.start;
    let mut open = BTreeSet::new();
    let says_something = |life: &&LinkLife<'_>| waiting.contains(&life.id) || !first.is_silent_on(life.link);
    for life in index.of(leader).iter().filter(is_open).filter(says_something) {
        if open.insert(life.id) && open.len() > waiting.len() {
            return vec![first];
        }
    }
    let (same, rest): (Vec<_>, Vec<_>) = std::mem::take(others).into_iter().partition(is_same);
    *others = rest;
    std::iter::once(first).chain(same).collect()
}
