//! Waits that are long enough to be remembered: what went on during them is gathered at their ends.

use super::{
    BEFORE, Deadline, Direction, EDGE, Ended, FrameRef, LinkTrack, REMEMBERED, Span, Timestamp, Wait,
};
use crate::track::wait_log::{NotedWait, WaitLog};
use std::cmp::Reverse;

/// Waits remembered per link; beyond, the shorter half is let go.
pub(in crate::track) const MAX_WAITS: usize = 256;
/// Waits kept of a link that is over.
const WAITS_KEPT: usize = 64;
/// Waits that a link keeps in any case, the longest.
const MIN_WAITS: usize = 4;

/// The waits of a link.
#[derive(Clone, Debug)]
pub struct Waits {
    /// Those worth remembering.
    pub list: Vec<Wait>,
    /// How many there were that were worth remembering.
    pub noted: u64,
    /// The longest wait for each deadline, in the order of [`Deadline::ALL`].
    pub worst: [Option<(Span, Timestamp)>; 4],
    /// How long a wait must be to be remembered: longer than those that were let go for want of room.
    remembers: Span,
    /// Where long ones are noted.
    pub(in crate::track) log: WaitLog,
}

impl Default for Waits {
    fn default() -> Self {
        Self { list: Vec::new(), noted: 0, worst: [None; 4], remembers: REMEMBERED, log: WaitLog::default() }
    }
}

impl Waits {
    /// The longest of a deadline, if this one is.
    #[inline]
    pub(super) fn note_worst(&mut self, deadline: Deadline, len: Span, start: Timestamp) {
        if let Some(worst) = self.worst.get_mut(deadline as usize)
            && worst.is_none_or(|(longest, _)| len > longest)
        {
            *worst = Some((len, start));
        }
    }

    /// Whether there was one of a deadline that was as long.
    #[inline(always)]
    pub(super) fn is_not_worst(&self, deadline: Deadline, len: Span) -> bool {
        let worst = self.worst.get(deadline as usize).copied().flatten();
        worst.is_some_and(|(longest, _)| len <= longest)
    }

    /// How long one must be to be remembered.
    #[inline]
    pub(super) const fn remembers(&self) -> Span {
        self.remembers
    }

    /// Remembers one. Answers how many were let go for want of room.
    fn remember(&mut self, wait: Wait) -> u64 {
        self.noted += 1;
        self.list.push(wait);
        if self.list.len() >= MAX_WAITS { self.keep_longest(MAX_WAITS / 2) } else { 0 }
    }

    /// Keeps so many, the longest, and remembers none from here on that are shorter. Answers how many go.
    pub(super) fn keep_longest(&mut self, kept: usize) -> u64 {
        if self.list.len() <= kept {
            return 0;
        }
        let (_, middle, _) = self.list.select_nth_unstable_by_key(kept, |wait| Reverse(wait.len()));
        self.remembers = self.remembers.max(Span::from_nanos(middle.len().nanos().saturating_add(1)));
        let gone = (self.list.len() - kept) as u64;
        self.list.truncate(kept);
        self.list.sort_by_key(|wait| (wait.start, wait.end));
        gone
    }

    /// Remembers none that are shorter from here on, and lets those go that are.
    #[inline]
    pub(super) fn remembers_from(&mut self, least: Span) {
        if self.remembers < least {
            self.remembers = least;
            self.list.retain(|wait| wait.len() >= least);
        }
    }

    /// Lets those go that have become too short to be remembered.
    pub(super) fn drop_short(&mut self) {
        let least = self.remembers;
        self.list.retain(|wait| wait.len() >= least);
    }

    /// Lets those shorter than `near` go, which no report lists.
    pub(super) fn forget_short(&mut self, near: Span) {
        self.list.retain(|wait| wait.len() >= near);
        if self.list.len() < MAX_WAITS / 2 {
            self.remembers = REMEMBERED;
        }
    }

    /// The link is over: keeps the longest of those that may still be shown.
    pub(super) fn compact(&mut self, near: Span) {
        self.list.retain(|wait| wait.len() >= near);
        if self.list.len() > WAITS_KEPT {
            self.list.sort_by_key(|wait| Reverse(wait.len()));
            self.list.truncate(WAITS_KEPT);
        }
        self.list.shrink_to_fit();
    }

    /// Makes what is held as short as `bytes`. Answers how many are let go.
    pub(super) fn lighten(&mut self, bytes: usize) -> u64 {
        let gone = self.keep_longest((bytes / size_of::<Wait>()).max(MIN_WAITS));
        self.list.shrink_to_fit();
        gone
    }

    /// Bytes of memory that they take.
    pub(super) const fn held_bytes(&self) -> usize {
        self.list.capacity() * size_of::<Wait>()
    }
}

impl LinkTrack {
    /// Waits as long as this, or longer, were let go for want of room: how many, as far as was counted.
    pub(in crate::track) fn waits_forgotten(&self, near: Span) -> u64 {
        if self.waits.remembers > near { self.forgotten.waits } else { 0 }
    }

    /// Remembers no waits that are shorter from here on.
    #[inline]
    pub(in crate::track) fn remembers_from(&mut self, least: Span) {
        self.waits.remembers_from(least);
    }

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
        self.waits.log.note(&NotedWait {
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
            in_flight: self.proposals.flight.waiting(),
            before: self.went_on(start.minus(BEFORE.min(len)), start),
        };
        self.forgotten.waits += self.waits.remember(wait);
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
            in_flight: self.proposals.flight.waiting(),
            before,
        };
        self.forgotten.waits += self.waits.remember(wait);
    }

    /// Forgets who waited for whom: where no packet was recognised, nobody knows. Behind TLS a silence that ended
    /// with a close still shows, on a link that was not silent before; that it broke the deadline of a reader is
    /// inferred.
    pub fn forget_waits(&mut self) {
        let is_tls = self.is_tls();
        let mut waits = std::mem::take(&mut self.waits.list);
        let breaks: Vec<_> = waits.iter().map(|wait| is_tls && self.is_break(wait, &waits)).collect();
        let unanswered = self.teardown.unanswered.take();
        self.teardown.unanswered = unanswered.filter(|wait| is_tls && self.is_break(wait, &waits));
        let mut breaks = breaks.into_iter();
        waits.retain(|_| breaks.next().unwrap_or_default());
        self.waits.list = waits;
        for wait in &mut self.waits.list {
            wait.deadline = if wait.for_leader { Deadline::LearnerRead } else { Deadline::LeaderRead };
        }
        self.waits.worst = [None; 4];
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
