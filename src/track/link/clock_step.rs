//! Steps of the capture's clock, which look like silences.
//!
//! A clock that is set while the capture runs lets seconds or years pass between two frames. Whoever sends
//! them has a clock of its own in its TCP timestamps (RFC 7323, section 5.4). One of these alone may stand
//! still, with the virtual machine that it belongs to; where those of both ends say that far less time has
//! passed, there was no silence, and the capture's clock was set.

use super::{Deadline, Direction, LinkTrack, Span, Timestamp};
use crate::findings::ClockStep;

/// Silences that are looked at: shorter steps make no stall.
pub(super) const MIN_SILENCE: Span = Span::from_millis(1_000);
/// For so long nobody is silent on a connection that goes on or that nobody closes, whatever its limits and
/// whoever tells.
pub(super) const NEVER: Span = Span::from_millis(24 * 3_600_000);
/// How long a sender's clock must have been watched before its rate is believed.
const WATCHED: Span = Span::from_millis(500);
/// Steps of a link that are remembered.
const MAX_STEPS: usize = 16;

/// A clock that a sender writes into its segments.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SenderClock {
    /// Its first value since the capture's clock is steady.
    first: Option<(u32, Timestamp)>,
    last: Option<(u32, Timestamp)>,
}

impl SenderClock {
    #[inline]
    pub(super) fn saw(&mut self, value: u32, at: Timestamp) {
        self.last = Some((value, at));
        if self.first.is_none() {
            self.first = self.last;
        }
    }

    /// How long it was from its last value to `value` by itself, where its rate is known.
    fn passed(&self, value: u32) -> Option<Span> {
        let ((first, began), (last, at)) = self.first.zip(self.last)?;
        let watched = at.since(began);
        let ticks = last.wrapping_sub(first);
        if watched < WATCHED || ticks == 0 {
            return None;
        }
        let passed = i64::from(value.wrapping_sub(last).cast_signed()).max(0);
        let nanos = i128::from(watched.nanos()) * i128::from(passed) / i128::from(ticks);
        Some(Span::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX)))
    }
}

/// Steps of the capture's clock that a link has shown.
#[derive(Clone, Debug, Default)]
pub struct ClockSteps {
    /// In the order in which they were seen.
    pub list: Vec<ClockStep>,
}

impl ClockSteps {
    /// Adds one. Answers whether there was room.
    fn add(&mut self, step: ClockStep) -> bool {
        let has_room = self.list.len() < MAX_STEPS;
        if has_room {
            self.list.push(step);
        }
        has_room
    }

    /// The end of a wait that may have gone on over steps, as if there had been none.
    #[inline]
    pub(super) fn without(&self, start: Timestamp, end: Timestamp) -> Timestamp {
        let within = self.list.iter().filter(|step| start <= step.from && end >= step.to);
        within.fold(end, |end, step| start.plus(end.since(start).less(step.by)))
    }
}

impl LinkTrack {
    /// New bytes of a direction end a silence: was there one? Notes it where the other direction's says the
    /// same, and takes back what both have made of it.
    #[inline]
    pub(super) fn look_for_step(&mut self, direction: Direction, at: Timestamp, value: Option<u32>) {
        let reader = self.reader.of(direction);
        if at.since(reader.last.at) >= MIN_SILENCE || at < reader.last.at {
            self.silence_ends(direction, value, at);
        }
    }

    #[cold]
    fn silence_ends(&mut self, direction: Direction, value: Option<u32>, at: Timestamp) {
        let reader = self.reader.of_mut(direction);
        let from = reader.last.at;
        let len = at.since(from);
        let passed = match value.and_then(|value| reader.clock.passed(value)) {
            Some(passed) => passed,
            None if len >= NEVER => Span::ZERO,
            None => len,
        };
        // It may have been set back just as well: from here on it is watched anew.
        let is_less = passed.nanos() < len.nanos() / 2;
        if is_less || at < from {
            reader.clock = SenderClock::default();
        }
        reader.unconfirmed_step = None;
        if !is_less {
            return;
        }
        let step = ClockStep { from, to: at, by: len.less(passed) };
        reader.unconfirmed_step = Some(step);
        let other = self.reader.of(direction.other());
        // Its last sign of life may be a later one before the step.
        let last = other.last.at;
        let is_before = last > from && at.since(last) >= NEVER;
        let alone = ClockStep { from: if is_before { last } else { from }, ..step };
        let other = if len >= NEVER { Some(alone) } else { other.unconfirmed_step };
        if let Some(other) = other.filter(|other| other.from < at && from < other.to) {
            let both = ClockStep {
                from: other.from.max(from),
                to: other.to.min(at),
                by: Span::from_nanos(other.by.nanos().min(step.by.nanos())),
            };
            self.take_back(&both);
            self.forgotten.steps += u64::from(!self.clock_steps.add(both));
        }
    }

    /// Takes from waits what a step has added to them.
    fn take_back(&mut self, step: &ClockStep) {
        let spans = |start: Timestamp, end: Timestamp| start <= step.from && end >= step.to;
        for wait in self.waits.list.iter_mut().filter(|wait| spans(wait.start, wait.end)) {
            wait.end = wait.start.plus(wait.len().less(step.by));
        }
        self.waits.log.correct(self.id, |wait| {
            if spans(wait.start, wait.start.plus(wait.len)) {
                wait.len = wait.len.less(step.by);
            }
        });
        self.waits.drop_short();
        for deadline in Deadline::ALL {
            self.series.take_back(deadline, step.from, step.to);
            let waits = self.waits.list.iter().filter(|wait| wait.deadline == deadline);
            let longest = waits.map(|wait| (wait.len(), wait.start)).max_by_key(|(len, _)| *len);
            if let Some(worst) = self.waits.worst.get_mut(deadline as usize)
                && worst.is_some_and(|(len, start)| spans(start, start.plus(len)))
            {
                *worst = longest;
            }
        }
    }
}

/// The steps that links have shown, in order, each but once.
pub(in crate::track) fn all<'a>(links: impl Iterator<Item = &'a LinkTrack>) -> Vec<ClockStep> {
    let mut steps: Vec<ClockStep> = links.flat_map(|link| &link.clock_steps.list).copied().collect();
    steps.sort_by_key(|step| step.from);
    steps.dedup_by(|step, last| {
        let is_same = step.from < last.to;
        if is_same {
            // Each link says when it was at the latest and at the earliest.
            (last.from, last.to) = (last.from.max(step.from), last.to.min(step.to));
            last.by = Span::from_nanos(last.by.nanos().min(step.by.nanos()));
        }
        is_same
    });
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Endpoint;
    use crate::dissect::LinkOpened;
    use crate::frame::FrameRef;

    #[test]
    fn steps_of_centuries_forth_and_back_are_borne() {
        let (min, max) = (Timestamp::MIN, Timestamp::MAX);
        let (leader, learner, frame) = (Endpoint::default(), Endpoint::default(), FrameRef::default());
        let opened = LinkOpened { leader, learner, at: min, frame, picked_up: true };
        let mut link = LinkTrack::new(1, &opened);
        let by = Span::from_nanos(i64::MAX);
        link.clock_steps.list = vec![ClockStep { from: min, to: max, by }; 4];
        assert!(link.clock_steps.without(min, max) <= max);
        assert!(link.clock_steps.without(max, min) <= max);
        for at in [min, max, min, Timestamp::from_nanos(0), max, min, max] {
            for direction in [Direction::ToLeader, Direction::ToLearner] {
                link.look_for_step(direction, at, Some(7));
                link.reader.of_mut(direction).clock.saw(7, at);
                link.look_for_step(direction, at, None);
            }
        }
    }

    #[test]
    fn steps_of_a_link_are_limited() {
        let mut steps = ClockSteps::default();
        let step = ClockStep { from: Timestamp::MIN, to: Timestamp::MAX, by: Span::ZERO };
        let added = (0..MAX_STEPS + 5).filter(|_| steps.add(step)).count();
        assert_eq!((added, steps.list.len()), (MAX_STEPS, MAX_STEPS));
    }
}
