//! The syncLimit that links show where nobody named it.
//!
//! A server lets go of a link once it has heard nothing for syncLimit ticks (`Learner.connectToLeader` and
//! `LearnerHandler.run` of 3.8.0 set the socket's read timeout to tickTime × syncLimit). So a close by who goes on with
//! others, after a silence of a whole number of ticks, tells the limit, where nothing else asked for that close.

use super::heard::{Heard, Window};
use crate::address::Address;
use crate::dissect::Direction;
use crate::findings::{Deadline, Settings};
use crate::time::{Span, Timestamp};
use crate::track::MIN_SYNC_LIMIT;
use crate::track::link::LinkTrack;
use crate::track::wait::{Ended, Wait};
use crate::track::witness::Witness;
use std::ops::RangeInclusive;

/// How much later than its deadline a thread wakes up and its close is on the wire, at most: 6 ms in captures of
/// 3.4 to 3.9, and more where the host is busy.
const WAKES_WITHIN: Span = Span::from_millis(40);
/// How much earlier it may seem to be: what the reader got a moment after it was captured.
const TOO_EARLY: Span = Span::from_millis(5);
/// Limits that are told from the traffic, in ticks; the longest is what is assumed otherwise. With a single tick every
/// second PING that is late would be a sign.
const SHOWN: RangeInclusive<u32> = MIN_SYNC_LIMIT..=5;
/// ZooKeeper looks for PROPOSALs without an ACK, and for a quorum, once in half a tick (`Leader.lead`).
const LOOKS_PER_TICK: u32 = 2;
/// A wait and a close are of one moment.
const ONE_MOMENT: Span = Span::from_millis(100);

/// A link that was closed after a silence.
struct Close<'a> {
    link: &'a LinkTrack,
    by_leader: bool,
    at: Timestamp,
    /// The whole ticks of the silence.
    ticks: u32,
}

/// The syncLimit that closes show, where they agree; `former` is what they showed when it was asked last, of links that
/// may have been let go.
pub(in crate::diagnose) fn shown(
    links: &[LinkTrack],
    witness: &Witness,
    vantage: Option<Address>,
    settings: &Settings,
    former: Option<u32>,
) -> Option<u32> {
    let tick = Span::from_millis(i64::from(settings.tick_ms));
    let read: Vec<&LinkTrack> =
        links.iter().filter(|link| link.is_recognised && !link.frames.has_gaps).collect();
    let closes: Vec<Close<'_>> = read.iter().filter_map(|link| close_after_ticks(link, tick)).collect();
    if closes.is_empty() && former.is_none() {
        return None;
    }
    let heard = Heard::new(witness, vantage);
    let mut shown = former;
    for close in closes.iter().filter(|close| goes_on(close, links, &heard, tick)) {
        if shown.is_some_and(|shown| shown != close.ticks) {
            // They do not agree.
            return None;
        }
        shown = Some(close.ticks);
    }
    let shown = shown.filter(|ticks| SHOWN.contains(ticks))?;
    let beyond = tick.times(i64::from(shown * LOOKS_PER_TICK + 1)).over(i64::from(LOOKS_PER_TICK));
    let is_outlasted = |link: &&LinkTrack| {
        link.waits.list.iter().any(|wait| wait.len() > beyond && is_endured(wait, link, &heard))
    };
    (!read.iter().any(is_outlasted)).then_some(shown)
}

/// The close of a link by who had heard nothing on it for whole ticks.
fn close_after_ticks(link: &LinkTrack, tick: Span) -> Option<Close<'_>> {
    let closed = link.teardown.closed?;
    let waits = || link.waits.list.iter().filter(|wait| wait.ended == Ended::Closed);
    // The learner's own capture shows its close, where that does not arrive.
    let is_alone =
        |wait: &&Wait| wait.for_leader && link.one_way.is_some() && closed.at.since(wait.end) > ONE_MOMENT;
    let is_its = |wait: &&Wait| {
        wait.for_leader != closed.by_leader && !closed.reset && closed.at.since(wait.end).abs() <= ONE_MOMENT
    };
    let is_read = |wait: &&Wait| {
        matches!(wait.deadline, Deadline::LeaderRead | Deadline::LearnerRead) && is_exact(wait, link)
    };
    let wait = waits().find(|wait| is_read(wait) && (is_alone(wait) || is_its(wait)))?;
    let ticks = wait.len().nanos().saturating_add(TOO_EARLY.nanos()) / tick.nanos().max(1);
    let late = wait.len().less(tick.times(ticks));
    // A PROPOSAL that waited for longer may have broken a deadline of its own.
    let is_for_ack = !wait.for_leader
        && waits().any(|other| {
            other.deadline == Deadline::Ack
                && other.len().less(wait.len()) > tick.over(i64::from(LOOKS_PER_TICK))
        });
    let ticks = u32::try_from(ticks).ok()?;
    (late <= WAKES_WITHIN && ticks >= *SHOWN.start() && !is_for_ack).then_some(Close {
        link,
        by_leader: !wait.for_leader,
        at: wait.end,
        ticks,
    })
}

/// Whether it shows what was heard, not what was sent: what had to be sent again may not have arrived, unless the
/// learner's own capture tells.
fn is_exact(wait: &Wait, link: &LinkTrack) -> bool {
    wait.silence.is_some_and(|silence| silence.again == 0) || wait.for_leader && link.one_way.is_some()
}

/// Whether who closed a link lives, and closed this one alone: a process that ends lets go of all it has, a leader
/// without a quorum of all its learners.
fn goes_on(close: &Close<'_>, links: &[LinkTrack], heard: &Heard<'_>, tick: Span) -> bool {
    let soon = close.at.plus(tick);
    let opened = close.link.opened;
    if !close.by_leader {
        let after = Window { from: close.at, to: soon };
        return heard.sent(opened.learner.address, after).fresh > 0;
    }
    links.iter().any(|other| {
        other.id != close.link.id
            && other.opened.leader.address == opened.leader.address
            && other.opened.at < close.at
            && other.last_heard(Direction::ToLearner) >= soon
    })
}

/// Whether somebody waited in peace, and still had the link: who stood still has no deadline, and a close may not have
/// arrived. (A leader speaks meanwhile; a learner is silent as long as its leader is.)
fn is_endured(wait: &Wait, link: &LinkTrack, heard: &Heard<'_>) -> bool {
    let half = wait.start.plus(wait.len().over(2));
    let later = Window { from: half, to: wait.end.minus(ONE_MOMENT) };
    let (leader, learner) = (link.opened.leader.address, link.opened.learner.address);
    matches!(wait.deadline, Deadline::LeaderRead | Deadline::LearnerRead)
        && wait.ended == Ended::Heard
        && is_exact(wait, link)
        && (wait.for_leader || heard.any_flow(leader, learner, later).fresh > 0)
}
