//! PROPOSALs and their ACKs: round trips, and the waits for the ACKs.

use super::{LinkTrack, clock_step};
use crate::dissect::{Direction, PacketSeen, Unread};
use crate::findings::{Deadline, Role};
use crate::frame::FrameRef;
use crate::time::Timestamp;
use crate::track::flight::Answered;
use crate::track::series::Trip;
use crate::track::wait::{Ended, Wait};

/// Bytes of an ACK.
const ACK_LEN: u64 = 20;

impl LinkTrack {
    pub(super) fn proposal(&mut self, packet: &PacketSeen<'_>) {
        self.set_epoch(packet);
        if self.is_up_to_date {
            self.role = self.role.or(Some(Role::Follower));
        }
        let Some(zxid) = packet.zxid else { return };
        self.last_proposed = self.last_proposed.max(Some(zxid));
        let counts = packet.timed && self.armed_at.is_some_and(|armed_at| packet.at >= armed_at);
        let mut early: [Option<Answered>; 2] = [None; 2];
        self.flight.proposal(zxid, packet.at, packet.frame, counts, |answered| {
            if let Some(free) = early.iter_mut().find(|free| free.is_none()) {
                *free = Some(answered);
            }
        });
        for answered in early.into_iter().flatten() {
            self.answered(&answered);
        }
    }

    pub(super) fn acked(&mut self, packet: &PacketSeen<'_>) {
        let Some(zxid) = packet.zxid else { return };
        if zxid.counter() == 0 {
            // The ACK of NEWLEADER, from which on the leader keeps the shorter limit.
            self.armed_at.get_or_insert(packet.at);
            return;
        }
        self.last_acked = self.last_acked.max(Some(zxid));
        self.answer(packet, true);
    }

    #[inline]
    pub(super) fn answer(&mut self, packet: &PacketSeen<'_>, is_ack: bool) {
        self.set_epoch(packet);
        let Some(zxid) = packet.zxid else { return };
        if let Some(answered) = self.flight.answer(zxid, packet.at, packet.frame, is_ack, packet.timed) {
            self.answered(&answered);
        }
    }

    #[inline]
    pub(super) fn answered(&mut self, answered: &Answered) {
        if !answered.counts {
            return;
        }
        let len = self.without_steps(answered.sent_at, answered.at).since(answered.sent_at);
        if !answered.is_ack {
            self.commit.record(len.micros());
            self.series.trip(Trip::Commit, answered.at, len.micros());
            return;
        }
        self.ack.record(len.micros());
        self.series.trip(Trip::Ack, answered.at, len.micros());
        self.ack_wait(answered.sent_at, answered.sent_frame, answered.at, Ended::Heard, Some(answered.frame));
    }

    #[inline]
    pub(super) fn ack_wait(
        &mut self,
        start: Timestamp,
        from: FrameRef,
        end: Timestamp,
        ended: Ended,
        to: Option<FrameRef>,
    ) {
        let end = self.without_steps(start, end);
        let len = end.since(start);
        if ended == Ended::CaptureEnd && len >= clock_step::NEVER {
            return;
        }
        self.note_worst(Deadline::Ack, len, start);
        if self.wait_log.wants(len) {
            self.note_wait(Deadline::Ack, start, len, ended, false);
        }
        if ended == Ended::Heard && self.worst_answered.is_none_or(|(longest, _)| len > longest) {
            self.worst_answered = Some((len, start));
        }
        if len >= self.remembers {
            self.remember_ack(start, from, end, ended, to);
        }
    }

    /// Among these bytes ACKs may have gone by unseen: a PROPOSAL without its own may have waited no longer than
    /// up to them.
    pub fn unread(&mut self, direction: Direction, unread: &Unread) {
        let Unread { from, to, len } = *unread;
        if !direction.is_to_leader() || len < ACK_LEN {
            return;
        }
        let oldest = self.flight.oldest_unacked();
        if !self.flight.doubt(to, len / ACK_LEN) {
            return;
        }
        // It comes late: what was said meanwhile is taken back.
        let is_ack = |wait: &Wait| wait.deadline == Deadline::Ack && wait.ended != Ended::Heard;
        for wait in self.waits.iter_mut().filter(|wait| is_ack(wait) && wait.start < to && wait.end > from) {
            (wait.end, wait.ended, wait.to) = (from.max(wait.start), Ended::Heard, None);
        }
        self.wait_log.correct(self.id, |wait| {
            let is_unanswered = wait.deadline == Deadline::Ack && wait.ended != Ended::Heard;
            if is_unanswered && wait.start < to && wait.start.plus(wait.len) > from {
                (wait.len, wait.ended) = (from.max(wait.start).since(wait.start), Ended::Heard);
            }
        });
        let least = self.remembers;
        self.waits.retain(|wait| wait.deadline != Deadline::Ack || wait.len() >= least);
        if let Some(worst) = self.worst.get_mut(Deadline::Ack as usize)
            && worst.is_some_and(|(_, start)| start < to)
        {
            let waits = self.waits.iter().filter(|wait| wait.deadline == Deadline::Ack);
            let waited = waits.map(|wait| (wait.len(), wait.start));
            *worst = waited.chain(self.worst_answered).max_by_key(|(len, _)| *len);
        }
        self.series.take_back(Deadline::Ack, from, Timestamp::MAX);
        match (oldest, self.closed) {
            (Some(oldest), None) if oldest.at < from => {
                self.ack_wait(oldest.at, oldest.frame, from, Ended::Heard, None);
            }
            (Some(_), Some(closed)) => {
                let is_told = |start: Timestamp| {
                    self.waits.iter().any(|wait| is_ack(wait) && (wait.start, wait.end) == (start, closed.at))
                };
                let oldest = self.flight.oldest_unacked().filter(|oldest| oldest.at < closed.at);
                if let Some(oldest) = oldest.filter(|oldest| !is_told(oldest.at)) {
                    self.ack_wait(oldest.at, oldest.frame, closed.at, Ended::Closed, Some(closed.frame));
                }
            }
            _ => {}
        }
    }
}
