//! What both ends of a link show together: not inferred, seen.
//!
//! Where a link was captured at both ends, it is known of each segment whether it arrived. That settles
//! whether the network is to blame, and in which direction; the rules that infer it from one end are then
//! not asked.

use super::facts::{Finding, StallFacts};
use crate::address::Address;
use crate::dissect::{Direction, PerDirection};
use crate::findings::{Arrivals, Cause, Evidence, Note, Shows, Suspect};
use crate::time::Span;
use crate::track::one_way::Delivery;

/// Segments that must all be lost for a direction to be cut: a lone one may be chance.
const MIN_CUT_SEGMENTS: u32 = 2;
/// Late segments that show a slow path, at least.
const MIN_LATE_SEGMENTS: u32 = 2;
/// How long after its start a wait's cut may begin.
const FIRST_MOMENT: Span = Span::from_millis(500);
/// Lost segments that are loss, at least.
const MIN_LOST_SEGMENTS: u32 = 5;

/// What became of the segments of the wait that decides.
pub(super) fn delivery(facts: &StallFacts<'_>) -> Option<PerDirection<Delivery>> {
    facts.first.link.one_way.as_ref()?;
    let delivery = facts.wait.delivery;
    (delivery.to_leader.sent() + delivery.to_learner.sent() > 0).then_some(delivery)
}

/// Whether everything that was sent arrived: then the network is not to blame.
pub(super) fn is_sound(facts: &StallFacts<'_>) -> bool {
    delivery(facts).is_some_and(|delivery| {
        let is_whole = |way: &Delivery| way.lost < MIN_CUT_SEGMENTS && way.lost * 10 < way.sent().max(1);
        is_whole(&delivery.to_leader) && is_whole(&delivery.to_learner)
    })
}

/// *The network is cut*, or loses: what was sent at one end did not arrive at the other.
pub(super) fn is_seen_to_vanish(facts: &StallFacts<'_>) -> Option<Finding> {
    let delivery = delivery(facts)?;
    let link = facts.first.link;
    let (leader, learner) = (link.opened.leader.address, link.opened.learner.address);
    let ends =
        |direction: Direction| if direction.is_to_leader() { (learner, leader) } else { (leader, learner) };
    let is_cut = |direction: Direction| {
        let way = delivery.of(direction);
        // What was sent in its first moment may have been before the cut, on a path that had lost nothing.
        let is_cut_at_once = facts.wait.before.again == [0; 2]
            && way.first_lost.is_some_and(|lost| lost.at.since(facts.wait.start) <= FIRST_MOMENT);
        way.arrived == 0 && way.lost >= MIN_CUT_SEGMENTS
            || is_cut_at_once && way.arrived_since == 0 && way.lost >= MIN_LOST_SEGMENTS
    };
    // Some get through the other way: what is lost here is lost by the same chance.
    let loses = |direction: Direction| {
        let way = delivery.of(direction);
        way.arrived > 0 && way.lost >= MIN_LOST_SEGMENTS && way.lost * 10 >= way.arrived + way.lost
    };
    let arrivals = |direction: Direction| {
        let way = delivery.of(direction);
        let (from, to) = ends(direction);
        Arrivals { from, to, sent: way.arrived + way.lost, arrived: way.arrived }
    };
    let both = || Note::Arrived {
        to_leader: arrivals(Direction::ToLeader),
        to_learner: arrivals(Direction::ToLearner),
    };
    let suspect = match (is_cut(Direction::ToLeader), is_cut(Direction::ToLearner)) {
        (true, true) => facts.path(),
        (true, false) if loses(Direction::ToLearner) => return Some(loss(facts, both())),
        (false, true) if loses(Direction::ToLeader) => return Some(loss(facts, both())),
        (true, false) => one_way(facts, &delivery, Direction::ToLeader, ends(Direction::ToLeader)),
        (false, true) => one_way(facts, &delivery, Direction::ToLearner, ends(Direction::ToLearner)),
        (false, false) => {
            let (to_leader, to_learner) = (delivery.to_leader, delivery.to_learner);
            let (lost, sent) = (to_leader.lost + to_learner.lost, to_leader.sent() + to_learner.sent());
            let is_loss = lost >= MIN_LOST_SEGMENTS && lost * 10 >= sent;
            return is_loss.then(|| loss(facts, both()));
        }
    };
    Some((Cause::NetworkCut, Some(suspect), both()))
}

/// *The network is slow*: what was sent arrived, most of it late.
pub(super) fn is_seen_late(facts: &StallFacts<'_>) -> Option<Finding> {
    let delivery = delivery(facts)?;
    let link = facts.first.link;
    let (leader, learner) = (link.opened.leader.address, link.opened.learner.address);
    let is_late = |way: &Delivery| way.late >= MIN_LATE_SEGMENTS && way.late * 2 >= way.sent();
    let (suspect, way, from, to) = match (is_late(&delivery.to_leader), is_late(&delivery.to_learner)) {
        (true, true) => (facts.path(), delivery.to_leader, learner, leader),
        (true, false) => (Suspect::OneWay(learner, leader), delivery.to_leader, learner, leader),
        (false, true) => (Suspect::OneWay(leader, learner), delivery.to_learner, leader, learner),
        (false, false) => return None,
    };
    let why = Note::TookLong { from, to, late: way.late, of: way.sent() };
    Some((Cause::NetworkSlow, Some(suspect), why))
}

const fn loss(facts: &StallFacts<'_>, why: Note) -> Finding {
    (Cause::NetworkLoss, Some(facts.path()), why)
}

/// One direction is cut. The other is known to be open where something came through.
fn one_way(
    facts: &StallFacts<'_>,
    delivery: &PerDirection<Delivery>,
    cut: Direction,
    (from, to): (Address, Address),
) -> Suspect {
    let other = delivery.of(cut.other());
    let is_open =
        other.arrived > 0 || other.arrived_at_end > 0 && other.lost == 0 || facts.hears(cut.other());
    if is_open { Suspect::OneWay(from, to) } else { facts.path() }
}

/// The first segment of each direction that is lost.
pub(super) fn evidence(facts: &StallFacts<'_>) -> Vec<Evidence> {
    let Some(delivery) = delivery(facts) else { return Vec::new() };
    let link = facts.first.link;
    let (leader, learner) = (link.opened.leader.address, link.opened.learner.address);
    let of = |way: &Delivery, from: Address, to: Address| {
        way.first_lost.map(|mark| Evidence {
            frame: mark.frame,
            at: mark.at,
            shows: Shows::Lost { from, to },
        })
    };
    [of(&delivery.to_leader, learner, leader), of(&delivery.to_learner, leader, learner)]
        .into_iter()
        .flatten()
        .collect()
}
