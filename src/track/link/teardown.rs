//! The end of a link: what still waits then, and what is let go.

use super::{BEFORE, LinkTrack, Samples};
use crate::dissect::{Direction, PerDirection, SegmentSeen};
use crate::findings::Closed;
use crate::frame::FrameRef;
use crate::packet::Flags;
use crate::stream::Fate;
use crate::time::{Span, Timestamp};
use crate::track::wait::{Ended, Mark, Wait};

/// How long after a close the other side may go on without having heard of it.
const UNHEARD: Span = Span::from_millis(1_000);

/// How a link ended.
#[derive(Clone, Debug, Default)]
pub struct Teardown {
    /// The first FIN or RST that counts.
    pub closed: Option<Closed>,
    /// The first frame of the other side behind the close.
    pub after_close: Option<Mark>,
    /// How often the FIN was sent again without an answer.
    pub repeats: u32,
    /// How often although there had been an answer: it did not arrive.
    pub repeats_answered: u32,
    /// The wait of the other side, which hears nothing of a close: from the last new bytes to the last
    /// repetition of the FIN.
    pub unanswered: Option<Box<Wait>>,
    /// The last time that it was.
    pub last_repeat: Option<Mark>,
    /// The number behind the first FIN, which acknowledges it.
    fin_end: Option<u32>,
    is_heard: bool,
    is_reopened: bool,
}

/// What a frame behind the close says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BehindClose {
    /// Nothing new.
    Nothing,
    /// The other side goes on: it has not heard of the close.
    GoesOn,
    /// The other side gave up by itself, without having heard.
    GaveUp,
}

impl Teardown {
    /// A frame before the close: it may be the FIN whose acknowledgment shows later that the close was heard.
    #[inline]
    pub(super) fn before_close(&mut self, seen: &SegmentSeen<'_>) {
        let segment = seen.segment;
        if segment.flags.contains(Flags::FIN) {
            self.fin_end.get_or_insert(segment.seq.wrapping_add(segment.len).wrapping_add(1));
        }
    }

    /// Whether the link was closed, went on all the same, and this frame ends it.
    #[inline]
    pub(super) fn is_closed_again(&self, seen: &SegmentSeen<'_>) -> bool {
        self.is_reopened && seen.segment.flags.intersects(Flags::FIN | Flags::RST)
    }

    /// A frame behind the close.
    fn behind_close(&mut self, closed: &Closed, seen: &SegmentSeen<'_>, mark: Mark) -> BehindClose {
        let is_by_closer = closed.by_leader != seen.direction.is_to_leader();
        if is_by_closer {
            if seen.segment.flags.contains(Flags::FIN) {
                self.repeats = self.repeats.saturating_add(1);
                self.repeats_answered = self.repeats_answered.saturating_add(u32::from(self.is_heard));
                if self.after_close.is_none() {
                    self.last_repeat = Some(mark);
                }
            }
            return BehindClose::Nothing;
        }
        self.is_heard |= match self.fin_end {
            Some(end) => {
                seen.segment.flags.contains(Flags::ACK)
                    && seen.segment.ack.wrapping_sub(end).cast_signed() >= 0
            }
            None => seen.acked_more,
        };
        self.after_close.get_or_insert(mark);
        if self.is_heard || mark.at.since(closed.at) < UNHEARD {
            return BehindClose::Nothing;
        }
        if seen.segment.flags.intersects(Flags::FIN | Flags::RST) {
            return BehindClose::GaveUp;
        }
        let goes_on = seen.new_bytes > 0 || seen.fate == Fate::Retransmission;
        if goes_on { BehindClose::GoesOn } else { BehindClose::Nothing }
    }

    /// The other side has not heard of the close.
    fn reopen(&mut self) {
        self.closed = None;
        self.after_close = None;
        self.is_reopened = true;
    }

    /// Whose bytes are still waited for although the link was closed, and the last repetition of the FIN: where no
    /// answer to the close was seen.
    fn unanswered_since(&self) -> Option<(Closed, Mark)> {
        let (closed, last) = self.closed.zip(self.last_repeat)?;
        let is_answered = self.after_close.is_some_and(|mark| mark.at <= last.at);
        (!is_answered && self.repeats_answered == 0).then_some((closed, last))
    }
}

impl LinkTrack {
    /// A frame behind the close.
    pub(super) fn behind_close(&mut self, closed: &Closed, seen: &SegmentSeen<'_>, mark: Mark) {
        match self.teardown.behind_close(closed, seen, mark) {
            BehindClose::Nothing => {}
            BehindClose::GoesOn => self.reopen(),
            BehindClose::GaveUp => {
                self.reopen();
                self.close_by(seen, mark);
            }
        }
    }

    /// A frame closes the link.
    pub(super) fn close_by(&mut self, seen: &SegmentSeen<'_>, mark: Mark) {
        self.close(Closed {
            at: mark.at,
            by_leader: !seen.direction.is_to_leader(),
            reset: seen.segment.flags.contains(Flags::RST),
            frame: mark.frame,
        });
    }

    /// The other side has not heard of the close: seen from there the link goes on. (A capture from both
    /// ends shows the last words of a host that nobody hears any more.)
    fn reopen(&mut self) {
        // What the learner waited for its own capture knows.
        let both_ends_captured = self.one_way.is_some();
        self.waits.list.retain(|wait| wait.ended != Ended::Closed || wait.for_leader && both_ends_captured);
        self.teardown.reopen();
        self.reader.to_leader.is_over = false;
        self.reader.to_learner.is_over &= both_ends_captured;
    }

    /// The first FIN or RST.
    pub fn close(&mut self, closed: Closed) {
        self.end_waits(closed.at, Ended::Closed, Some(closed.frame));
        self.teardown.closed = Some(closed);
    }

    pub(super) fn end_waits(&mut self, at: Timestamp, ended: Ended, to: Option<FrameRef>) {
        for direction in [Direction::ToLeader, Direction::ToLearner] {
            // The learner may not have heard of it yet.
            if !direction.is_to_leader() && self.one_way.is_some() && ended == Ended::Closed && to.is_some() {
                continue;
            }
            if !std::mem::replace(&mut self.reader.of_mut(direction).is_over, true) {
                self.end_wait(direction, at, ended, to);
            }
        }
        if let Some(oldest) = self.proposals.flight.oldest_unacked() {
            self.ack_wait(oldest.at, oldest.frame, at, ended, to);
        }
    }

    /// The capture, or what it holds of the link, is over.
    pub fn finish(&mut self, at: Timestamp) {
        match self.teardown.closed {
            None => {
                let end = if self.frames.is_one_sided() { at.min(self.frames.last_at) } else { at };
                self.end_waits(end, Ended::CaptureEnd, None);
            }
            Some(closed) if !self.reader.to_learner.is_over && self.one_way.is_some() => {
                self.reader.to_learner.is_over = true;
                let end = closed.at.max(self.reader.to_learner.last.at);
                self.end_wait(Direction::ToLearner, end, Ended::Closed, Some(closed.frame));
            }
            Some(_) => {}
        }
        self.note_unanswered_close();
        self.proposals.flight.finish();
        self.pings.finish();
    }

    /// Where a close was never answered, the other side still waits: its own deadline runs on.
    pub(super) fn note_unanswered_close(&mut self) {
        let Some((closed, last)) = self.teardown.unanswered_since() else { return };
        if self.one_way.is_some() {
            return;
        }
        let direction = if closed.by_leader { Direction::ToLearner } else { Direction::ToLeader };
        let reader = self.reader.of(direction);
        let start = reader.last.at;
        self.teardown.unanswered = Some(Box::new(Wait {
            deadline: reader.deadline,
            start,
            end: last.at,
            ended: Ended::Closed,
            for_leader: closed.by_leader,
            from: reader.last.frame,
            to: Some(last.frame),
            silence: Some(reader.silence),
            activity: self.went_on(start, last.at),
            delivery: PerDirection::default(),
            in_flight: self.proposals.flight.waiting(),
            before: self.went_on(start.minus(BEFORE), start),
        }));
    }

    /// The link is over and closed: lets go of all that no report shows. `near` is the shortest wait
    /// that may still be shown.
    pub fn compact(&mut self, near: Span) {
        self.is_compact = true;
        self.samples_mut().for_each(Samples::seal);
        self.waits.compact(near);
        self.activity = None;
        if let Some(one_way) = &mut self.one_way {
            one_way.seal();
        }
        self.proposals.flight = self.proposals.flight.over();
        self.pings.compact();
    }
}
