//! The end of a link: what still waits then, and what is let go.

use super::{BEFORE, LinkTrack, Samples};
use crate::dissect::{Direction, PerDirection};
use crate::time::{Span, Timestamp};
use crate::track::wait::{Ended, Wait};
use std::collections::VecDeque;

/// Waits kept of a link that is over.
const WAITS_KEPT: usize = 64;

impl LinkTrack {
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
