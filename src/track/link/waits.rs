//! Waits that are long enough to be remembered: what went on during them is gathered at their ends.

use super::{
    BEFORE, Deadline, Direction, EDGE, Ended, FrameRef, LinkTrack, REMEMBERED, Span, Timestamp, Wait,
};
use crate::dissect::Protection;
use crate::track::wait_log::NotedWait;
use std::cmp::Reverse;

/// Waits remembered per link; beyond, the shorter half is let go.
pub(in crate::track) const MAX_WAITS: usize = 256;

impl LinkTrack {
    /// Notes a wait for whoever asks for all long ones.
    #[cold]
    pub(super) fn note_wait(
        &self,
        deadline: Deadline,
        start: Timestamp,
        len: Span,
        ended: Ended,
        for_leader: bool,
    ) {
        let (leader, learner) = (self.opened.leader.address, self.opened.learner.address);
        self.wait_log.note(&NotedWait {
            link: self.id,
            leader,
            learner,
            deadline,
            start,
            len,
            ended,
            for_leader,
        });
    }

    /// Remembers a wait for new bytes of a direction.
    #[cold]
    pub(super) fn remember_silence(
        &mut self,
        direction: Direction,
        at: Timestamp,
        ended: Ended,
        to: Option<FrameRef>,
    ) {
        let reader = self.reader.of(direction);
        let start = reader.last.at;
        let len = at.since(start);
        let wait = Wait {
            deadline: reader.deadline,
            start,
            end: at,
            ended,
            for_leader: !direction.is_to_leader(),
            from: reader.last.frame,
            to,
            silence: Some(reader.silence),
            activity: self.went_on(start, at.minus(EDGE)),
            delivery: self.delivery_between(start, at),
            in_flight: self.flight.waiting(),
            before: self.went_on(start.minus(BEFORE.min(len)), start),
        };
        self.remember(wait);
    }

    /// Remembers a wait for an ACK.
    #[cold]
    pub(super) fn remember_ack(
        &mut self,
        start: Timestamp,
        from: FrameRef,
        end: Timestamp,
        ended: Ended,
        to: Option<FrameRef>,
    ) {
        let activity = self.went_on(start, end.minus(EDGE));
        let before = self.went_on(start.minus(BEFORE.min(end.since(start))), start);
        let wait = Wait {
            deadline: Deadline::Ack,
            start,
            end,
            ended,
            for_leader: false,
            from,
            to,
            silence: None,
            activity,
            delivery: self.delivery_between(start, end),
            in_flight: self.flight.waiting(),
            before,
        };
        self.remember(wait);
    }

    fn remember(&mut self, wait: Wait) {
        self.waits_noted += 1;
        self.waits.push(wait);
        if self.waits.len() >= MAX_WAITS {
            self.keep_longest(MAX_WAITS / 2);
        }
    }

    /// Keeps so many waits, the longest, and remembers none from here on that are shorter.
    pub(super) fn keep_longest(&mut self, kept: usize) {
        if self.waits.len() <= kept {
            return;
        }
        let (_, middle, _) = self.waits.select_nth_unstable_by_key(kept, |wait| Reverse(wait.len()));
        self.remembers = self.remembers.max(Span::from_nanos(middle.len().nanos() + 1));
        self.forgotten.waits += (self.waits.len() - kept) as u64;
        self.waits.truncate(kept);
        self.waits.sort_by_key(|wait| (wait.start, wait.end));
    }

    /// Remembers no waits that are shorter from here on, and lets those go that are.
    #[inline]
    pub(in crate::track) fn remembers_from(&mut self, least: Span) {
        if self.remembers < least {
            self.remembers = least;
            self.waits.retain(|wait| wait.len() >= least);
        }
    }

    /// Waits as long as this, or longer, were let go for want of room: how many, as far as was counted.
    pub(in crate::track) fn waits_forgotten(&self, near: Span) -> u64 {
        if self.remembers > near { self.forgotten.waits } else { 0 }
    }

    /// Lets waits shorter than `near` go, which no report lists.
    pub(super) fn forget_short_waits(&mut self, near: Span) {
        self.waits.retain(|wait| wait.len() >= near);
        if self.waits.len() < MAX_WAITS / 2 {
            self.remembers = REMEMBERED;
        }
    }

    /// Forgets who waited for whom: where no packet was recognised, nobody knows. Behind TLS a silence that ended
    /// with a close still shows, on a link that was not silent before; that it broke the deadline of a reader is
    /// inferred.
    pub fn forget_waits(&mut self) {
        let is_tls = self.totals.is_some_and(|totals| totals.protection == Protection::Tls);
        let mut waits = std::mem::take(&mut self.waits);
        let breaks: Vec<_> = waits.iter().map(|wait| is_tls && self.is_break(wait, &waits)).collect();
        let unanswered = self.unanswered_close.take();
        self.unanswered_close = unanswered.filter(|wait| is_tls && self.is_break(wait, &waits));
        let mut breaks = breaks.into_iter();
        waits.retain(|_| breaks.next().unwrap_or_default());
        self.waits = waits;
        for wait in &mut self.waits {
            wait.deadline = if wait.for_leader { Deadline::LearnerRead } else { Deadline::LeaderRead };
        }
        self.worst = [None; 4];
    }

    /// Whether a silence ended with a close and broke a rhythm: PINGs go by at half a tick, and a deadline is
    /// several ticks. A connection that was never busy, or idle before, breaks none.
    fn is_break(&self, wait: &Wait, all: &[Wait]) -> bool {
        let half = Span::from_nanos(wait.len().nanos() / 2);
        let before = wait.start.minus(half);
        let is_idle = |other: &Wait| {
            other.for_leader == wait.for_leader
                && other.end > before
                && other.end <= wait.start
                && other.len() > half
        };
        wait.ended == Ended::Closed
            && wait.silence.is_some()
            && self.opened.at <= before
            && !all.iter().any(is_idle)
    }
}
