//! PROPOSALs and their ACKs: round trips, and the waits for the ACKs.

use super::{LinkTrack, clock_step};
use crate::dissect::{Direction, PacketSeen, Unread};
use crate::findings::{Deadline, Role};
use crate::frame::FrameRef;
use crate::proto::{PacketType, Zxid};
use crate::time::{Span, Timestamp};
use crate::track::flight::{Answered, InFlight};
use crate::track::samples::Samples;
use crate::track::series::Trip;
use crate::track::wait::{Ended, Wait};

/// Bytes of an ACK.
const ACK_LEN: u64 = 20;

/// The last large transaction that the leader sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Large {
    /// PROPOSAL or INFORM.
    pub kind: PacketType,
    /// Its zxid.
    pub zxid: Option<Zxid>,
    /// Its length on the wire, in bytes.
    pub size: u64,
    /// The znode, where that was captured.
    pub path: Option<String>,
    /// When it began.
    pub at: Timestamp,
    /// The frame of its head.
    pub frame: FrameRef,
}

/// PROPOSALs of a link, and what answers them.
#[derive(Clone, Debug, Default)]
pub struct Proposals {
    /// PROPOSAL to ACK.
    pub ack: Samples,
    /// PROPOSAL to COMMIT.
    pub commit: Samples,
    /// PROPOSALs under way.
    pub flight: InFlight,
    /// The highest zxid that the leader proposed on it, and that the learner acknowledged.
    pub last_proposed: Option<Zxid>,
    /// See `last_proposed`.
    pub last_acked: Option<Zxid>,
    /// The longest time that an ACK took, or surely took.
    worst_answered: Option<(Span, Timestamp)>,
    /// The last large transaction that the leader sent.
    pub(super) large: Option<Box<Large>>,
    /// What may hold ACKs and is not decided yet.
    pub(super) hidden: HiddenAcks,
}

/// Bytes of the learner's that were cut: what they hold is told by what comes later.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HiddenAcks {
    came: Option<Timestamp>,
    came_before: Option<Timestamp>,
    decided: Option<Timestamp>,
}

impl HiddenAcks {
    #[inline]
    pub(super) const fn came(&mut self, at: Timestamp) {
        (self.came_before, self.came) = (self.came, Some(at));
    }

    /// A packet with cut bytes: those of its own hide nothing, but behind an ACK others may be hidden.
    pub(super) fn packet(&mut self, packet: &PacketSeen<'_>) {
        if packet.inferred {
            self.decided_until(packet.last_at);
        } else if packet.kind != PacketType::Ack && self.came == Some(packet.last_at) {
            self.came = self.came_before;
        }
    }

    pub(super) fn decided_until(&mut self, at: Timestamp) {
        self.decided = self.decided.max(Some(at));
    }

    /// Whether some of them, later than a PROPOSAL, are not decided: its ACK may be among them.
    pub(super) fn may_answer(&self, proposed: Timestamp) -> bool {
        self.came > self.decided && self.came > Some(proposed)
    }
}

impl LinkTrack {
    pub(super) fn proposal(&mut self, packet: &PacketSeen<'_>) {
        self.handshake.set_epoch(packet);
        if self.handshake.is_up_to_date() {
            self.handshake.role = self.handshake.role.or(Some(Role::Follower));
        }
        let Some(zxid) = packet.zxid else { return };
        self.proposals.last_proposed = self.proposals.last_proposed.max(Some(zxid));
        let counts = packet.timed && self.handshake.is_armed_at(packet.at);
        let mut early: [Option<Answered>; 2] = [None; 2];
        self.proposals.flight.proposal(zxid, packet.at, packet.frame, counts, |answered| {
            if let Some(free) = early.iter_mut().find(|free| free.is_none()) {
                *free = Some(answered);
            }
        });
        if early.first().is_some_and(Option::is_some) {
            early.iter().flatten().for_each(|answered| self.answered(answered));
        }
    }

    #[inline(always)]
    pub(super) fn acked(&mut self, packet: &PacketSeen<'_>) {
        let Some(zxid) = packet.zxid else { return };
        if zxid.counter() == 0 {
            self.handshake.arm(packet.at);
            if self.handshake.awaits_up_to_date() {
                self.reader.to_learner.deadline = Deadline::LearnerRead;
            }
            return;
        }
        self.handshake.acks_proposal();
        self.proposals.last_acked = self.proposals.last_acked.max(Some(zxid));
        self.answer(packet, true);
    }

    #[inline(always)]
    pub(super) fn answer(&mut self, packet: &PacketSeen<'_>, is_ack: bool) {
        self.handshake.set_epoch(packet);
        let Some(zxid) = packet.zxid else { return };
        if let Some(answered) =
            self.proposals.flight.answer(zxid, packet.at, packet.frame, is_ack, packet.timed)
        {
            self.answered_now(&answered);
        }
    }

    /// [`Self::answered_now`], where that is rare.
    #[cold]
    fn answered(&mut self, answered: &Answered) {
        self.answered_now(answered);
    }

    /// A PROPOSAL has its answer.
    #[inline(always)]
    fn answered_now(&mut self, answered: &Answered) {
        if !answered.counts {
            return;
        }
        let end = self.clock_steps.without(answered.sent_at, answered.at);
        let len = end.since(answered.sent_at);
        if !answered.is_ack {
            self.proposals.commit.record(len.micros());
            self.series.trip(Trip::Commit, answered.at, len.micros());
            return;
        }
        self.proposals.ack.record(len.micros());
        self.series.trip(Trip::Ack, answered.at, len.micros());
        self.ack_waited(answered.sent_at, answered.sent_frame, end, Ended::Heard, Some(answered.frame));
    }

    /// The wait for an ACK has ended.
    pub(super) fn ack_wait(
        &mut self,
        start: Timestamp,
        from: FrameRef,
        end: Timestamp,
        ended: Ended,
        to: Option<FrameRef>,
    ) {
        self.ack_waited(start, from, self.clock_steps.without(start, end), ended, to);
    }

    /// The same, with the clock's steps taken out of its end.
    #[inline(always)]
    fn ack_waited(
        &mut self,
        start: Timestamp,
        from: FrameRef,
        end: Timestamp,
        ended: Ended,
        to: Option<FrameRef>,
    ) {
        let len = end.since(start);
        if ended == Ended::CaptureEnd && len >= clock_step::NEVER {
            return;
        }
        self.note_worst(Deadline::Ack, len, start);
        if self.waits.log.wants(len) {
            self.note_wait(Deadline::Ack, start, len, ended, false);
        }
        if ended == Ended::Heard && self.proposals.worst_answered.is_none_or(|(longest, _)| len > longest) {
            self.proposals.worst_answered = Some((len, start));
        }
        if len >= self.waits.remembers() {
            self.remember_ack(start, from, end, ended, to);
        }
    }

    /// Among these bytes ACKs may have gone by unseen: a PROPOSAL without its own may have waited no longer than
    /// up to them.
    pub fn unread(&mut self, direction: Direction, unread: &Unread) {
        let Unread { from, to, len } = *unread;
        if !direction.is_to_leader() {
            return;
        }
        self.proposals.hidden.decided_until(to);
        if len < ACK_LEN {
            return;
        }
        let oldest = self.proposals.flight.oldest_unacked();
        if !self.proposals.flight.doubt(to, len / ACK_LEN) {
            return;
        }
        // It comes late: what was said meanwhile is taken back.
        let is_ack = |wait: &Wait| wait.deadline == Deadline::Ack && wait.ended != Ended::Heard;
        for wait in
            self.waits.list.iter_mut().filter(|wait| is_ack(wait) && wait.start < to && wait.end > from)
        {
            (wait.end, wait.ended, wait.to) = (from.max(wait.start), Ended::Heard, None);
        }
        self.waits.log.correct(self.id, |wait| {
            let is_unanswered = wait.deadline == Deadline::Ack && wait.ended != Ended::Heard;
            if is_unanswered && wait.start < to && wait.start.plus(wait.len) > from {
                (wait.len, wait.ended) = (from.max(wait.start).since(wait.start), Ended::Heard);
            }
        });
        let least = self.waits.remembers();
        self.waits.list.retain(|wait| wait.deadline != Deadline::Ack || wait.len() >= least);
        if let Some(worst) = self.waits.worst.get_mut(Deadline::Ack as usize)
            && worst.is_some_and(|(_, start)| start < to)
        {
            let waits = self.waits.list.iter().filter(|wait| wait.deadline == Deadline::Ack);
            let waited = waits.map(|wait| (wait.len(), wait.start));
            *worst = waited.chain(self.proposals.worst_answered).max_by_key(|(len, _)| *len);
        }
        self.series.take_back(Deadline::Ack, from, Timestamp::MAX);
        match (oldest, self.teardown.closed) {
            (Some(oldest), None) if oldest.at < from => {
                self.ack_wait(oldest.at, oldest.frame, from, Ended::Heard, None);
            }
            (Some(_), Some(closed)) => {
                let is_told = |start: Timestamp| {
                    self.waits
                        .list
                        .iter()
                        .any(|wait| is_ack(wait) && (wait.start, wait.end) == (start, closed.at))
                };
                let oldest = self.proposals.flight.oldest_unacked().filter(|oldest| oldest.at < closed.at);
                if let Some(oldest) = oldest.filter(|oldest| !is_told(oldest.at)) {
                    self.ack_wait(oldest.at, oldest.frame, closed.at, Ended::Closed, Some(closed.frame));
                }
            }
            _ => {}
        }
    }
}
