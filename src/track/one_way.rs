//! A link of which both ends were captured: how long its segments were on the way, and which never
//! arrived.
//!
//! What was lost is asked for by time, for the waits of the link: a ring of quarters of a second keeps the
//! last half minute, and what is decided about a segment after a wait has ended is added to that wait.

pub use super::delivery::Delivery;
use super::mark::Mark;
use super::samples::Samples;
use super::wait::Wait;
use crate::dissect::{Direction, PerDirection, SegmentMatch};
use crate::time::{Span, Timestamp};
use std::cmp::Ordering;
use std::collections::VecDeque;

/// Quarters of a second kept.
const SLOTS: usize = 128;
/// Length of one, in nanoseconds.
const SLOT_NANOS: i64 = 250_000_000;
/// Lost segments remembered one by one.
const MAX_LOST: usize = 64;
/// Waits that a late word may still concern.
const WAITS_LATE: usize = 64;
/// The last moment of a wait, and the one after it: what arrives there ends it, or comes of its end.
const EDGE: Span = Span::from_millis(500);

/// What both captures together show of a link.
#[derive(Clone, Debug, Default)]
pub struct OneWay {
    /// Times on the way, of those that arrived.
    pub delay: PerDirection<Samples>,
    /// Segments that were sent and not seen to arrive.
    pub lost: PerDirection<u64>,
    slots: VecDeque<(i64, PerDirection<Delivery>)>,
    lost_lately: VecDeque<(Direction, Mark)>,
}

impl OneWay {
    /// The longest time on the way.
    pub(super) fn slowest(&self) -> Span {
        let most = |direction| self.delay.of(direction).most().unwrap_or(0);
        let us = most(Direction::ToLeader).max(most(Direction::ToLearner));
        Span::from_micros(i64::try_from(us).unwrap_or(i64::MAX))
    }

    /// Notes what became of a segment, for the link and for the waits in which it was sent.
    pub(super) fn segment_match(&mut self, segment_match: &SegmentMatch, waits: &mut [Wait]) {
        match segment_match.arrived {
            Some(arrived) => {
                self.delay.of_mut(segment_match.direction).record(arrived.since(segment_match.sent).micros())
            }
            None => {
                *self.lost.of_mut(segment_match.direction) += 1;
                if self.lost_lately.len() >= MAX_LOST {
                    self.lost_lately.pop_front();
                }
                self.lost_lately.push_back((
                    segment_match.direction,
                    Mark { frame: segment_match.frame, at: segment_match.sent },
                ));
            }
        }
        if let Some(delivery) = self.slot(segment_match.sent) {
            delivery.of_mut(segment_match.direction).add(segment_match, false);
        }
        for wait in waits.iter_mut().rev().take(WAITS_LATE) {
            if segment_match.sent > wait.start && segment_match.sent <= wait.end.plus(EDGE) {
                let is_at_end = segment_match.sent > wait.end.minus(EDGE);
                wait.delivery.of_mut(segment_match.direction).add(segment_match, is_at_end);
            }
        }
    }

    fn slot(&mut self, at: Timestamp) -> Option<&mut PerDirection<Delivery>> {
        let number = at.nanos().div_euclid(SLOT_NANOS);
        // Words come nearly in order, so the place is near the end.
        let behind = self.slots.iter().rev().take_while(|(held, _)| *held > number).count();
        let index = self.slots.len() - behind;
        let is_there =
            index.checked_sub(1).and_then(|i| self.slots.get(i)).is_some_and(|(held, _)| *held == number);
        if is_there {
            return self.slots.get_mut(index - 1).map(|(_, delivery)| delivery);
        }
        if self.slots.len() >= SLOTS {
            if index == 0 {
                return None;
            }
            self.slots.pop_front();
            self.slots.insert(index - 1, (number, PerDirection::default()));
            return self.slots.get_mut(index - 1).map(|(_, delivery)| delivery);
        }
        self.slots.insert(index, (number, PerDirection::default()));
        self.slots.get_mut(index).map(|(_, delivery)| delivery)
    }

    /// What was sent between two points in time, as far as is decided by now; the first quarter of a second,
    /// in which what was waited for still came, is left out.
    pub(super) fn sum(&self, from: Timestamp, to: Timestamp) -> PerDirection<Delivery> {
        let number = |at: Timestamp| at.nanos().div_euclid(SLOT_NANOS);
        let mut sum: PerDirection<Delivery> = PerDirection::default();
        for (held, delivery) in
            self.slots.iter().filter(|(held, _)| *held > number(from) && *held <= number(to.plus(EDGE)))
        {
            for direction in [Direction::ToLeader, Direction::ToLearner] {
                let (sum, more) = (sum.of_mut(direction), delivery.of(direction));
                if *held <= number(to.minus(EDGE)) {
                    sum.arrived += more.arrived;
                } else {
                    sum.arrived_at_end += more.arrived;
                }
                sum.lost += more.lost;
                sum.late += more.late;
            }
        }
        for (direction, mark) in self.lost_lately.iter().filter(|(_, mark)| mark.at > from) {
            sum.of_mut(*direction).first_lost.get_or_insert(*mark);
        }
        for direction in [Direction::ToLeader, Direction::ToLearner] {
            let sum = sum.of_mut(direction);
            let Some(lost) = sum.first_lost else { continue };
            let since = self.slots.iter().filter(|(held, _)| *held <= number(to.minus(EDGE)));
            sum.arrived_since = since
                .map(|(held, delivery)| (held.cmp(&number(lost.at)), delivery.of(direction)))
                .map(|(order, way)| match order {
                    Ordering::Less => 0,
                    Ordering::Equal => way.arrived_since,
                    Ordering::Greater => way.arrived,
                })
                .sum();
        }
        sum
    }

    /// Lets go of what only a link under way needs.
    pub(super) fn seal(&mut self) {
        self.slots = VecDeque::new();
        self.lost_lately = VecDeque::new();
    }
}
