//! The end of a link: what still waits then, and what is let go.

use super::{BEFORE, LinkTrack, Samples};
use crate::dissect::{Direction, PerDirection, SegmentSeen};
use crate::findings::Closed;
use crate::frame::FrameRef;
use crate::packet::Flags;
use crate::stream::Fate;
use crate::time::{Span, Timestamp};
use crate::track::wait::{Ended, Mark, Wait};
use std::collections::VecDeque;

/// How long after a close the other side may go on without having heard of it.
const UNHEARD: Span = Span::from_millis(1_000);
/// Waits kept of a link that is over.
const WAITS_KEPT: usize = 64;

impl LinkTrack {
    /// A frame behind the close.
    pub(super) fn behind_close(&mut self, closed: &Closed, seen: &SegmentSeen<'_>, mark: Mark) {
        let is_by_closer = closed.by_leader != seen.direction.is_to_leader();
        if is_by_closer {
            if seen.segment.flags.contains(Flags::FIN) {
                self.close_repeats = self.close_repeats.saturating_add(1);
                self.close_repeats_answered += u32::from(self.is_close_heard);
                if self.after_close.is_none() {
                    self.last_close_repeat = Some(mark);
                }
            }
            return;
        }
        self.is_close_heard |= match self.fin_end {
            Some(end) => {
                seen.segment.flags.contains(Flags::ACK)
                    && seen.segment.ack.wrapping_sub(end).cast_signed() >= 0
            }
            None => seen.acked_more,
        };
        self.after_close.get_or_insert(mark);
        let is_late = mark.at.since(closed.at) >= UNHEARD;
        if !self.is_close_heard && is_late && seen.segment.flags.intersects(Flags::FIN | Flags::RST) {
            // It gave up by itself, without having heard.
            let by_leader = !seen.direction.is_to_leader();
            let reset = seen.segment.flags.contains(Flags::RST);
            self.reopen();
            return self.close(Closed { at: mark.at, by_leader, reset, frame: mark.frame });
        }
        let goes_on = seen.new_bytes > 0 || seen.fate == Fate::Retransmission;
        if !self.is_close_heard && goes_on && is_late {
            self.reopen();
        }
    }

    /// The other side has not heard of the close: seen from there the link goes on. (A capture from both
    /// ends shows the last words of a host that nobody hears any more.)
    pub(super) fn reopen(&mut self) {
        // What the learner waited for its own capture knows.
        let both_ends_captured = self.one_way.is_some();
        self.waits.retain(|wait| wait.ended != Ended::Closed || wait.for_leader && both_ends_captured);
        self.closed = None;
        self.after_close = None;
        self.is_reopened = true;
        self.reader.to_leader.is_over = false;
        self.reader.to_learner.is_over &= both_ends_captured;
    }

    /// The first FIN or RST.
    pub fn close(&mut self, closed: Closed) {
        self.end_waits(closed.at, Ended::Closed, Some(closed.frame));
        self.closed = Some(closed);
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
        if let Some(oldest) = self.flight.oldest_unacked() {
            self.ack_wait(oldest.at, oldest.frame, at, ended, to);
        }
    }

    /// The capture, or what it holds of the link, is over.
    pub fn finish(&mut self, at: Timestamp) {
        match self.closed {
            None => {
                let end = if self.is_one_sided() { at.min(self.last_frame_at) } else { at };
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
        self.flight.finish();
        self.pings_unanswered += (self.pings.len() + self.skipped.len()) as u64;
        self.pings.clear();
        self.skipped.clear();
    }

    /// Where a close was never answered, the other side still waits: its own deadline runs on.
    pub(super) fn note_unanswered_close(&mut self) {
        let Some((closed, last)) = self.closed.zip(self.last_close_repeat) else { return };
        let direction = if closed.by_leader { Direction::ToLearner } else { Direction::ToLeader };
        let is_answered = self.after_close.is_some_and(|mark| mark.at <= last.at);
        if is_answered || self.close_repeats_answered > 0 || self.one_way.is_some() {
            return;
        }
        let reader = self.reader.of(direction);
        let start = reader.last.at;
        self.unanswered_close = Some(Box::new(Wait {
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
            in_flight: self.flight.waiting(),
            before: self.went_on(start.minus(BEFORE), start),
        }));
    }

    /// The link is over and closed: lets go of all that no report shows. `near` is the shortest wait
    /// that may still be shown.
    pub fn compact(&mut self, near: Span) {
        self.is_compact = true;
        self.samples_mut().for_each(Samples::seal);
        self.waits.retain(|wait| wait.len() >= near);
        if self.waits.len() > WAITS_KEPT {
            self.waits.sort_by_key(|wait| std::cmp::Reverse(wait.len()));
            self.waits.truncate(WAITS_KEPT);
        }
        self.waits.shrink_to_fit();
        self.activity = None;
        if let Some(one_way) = &mut self.one_way {
            one_way.seal();
        }
        self.flight = self.flight.over();
        self.pings = VecDeque::new();
        self.skipped = VecDeque::new();
        self.loose_pongs = VecDeque::new();
    }
}
