//! PINGs and their answers: round trips, and the sessions that the answers name.

use crate::dissect::PacketSeen;
use crate::proto::Zxid;
use crate::proto::body::{Body, TouchedSessions};
use crate::proto::quorum::Head;
use crate::time::Timestamp;
use crate::track::baseline::Baseline;
use crate::track::samples::Samples;
use crate::track::session::collisions;
use std::collections::VecDeque;

/// PINGs without an answer that are remembered.
const MAX_PINGS: usize = 64;

#[derive(Clone, Copy, Debug)]
struct SentPing {
    zxid: Option<Zxid>,
    at: Timestamp,
    counts: bool,
}

/// PINGs of a link, and what their answers say.
#[derive(Clone, Debug, Default)]
pub struct Pings {
    /// PING to its answer.
    pub round_trips: Samples,
    /// PINGs that were never answered.
    pub unanswered: u64,
    /// The most client sessions named in one PING.
    pub sessions: u64,
    /// The longest data of one PING's answer, in bytes.
    pub bytes: u64,
    /// PINGs, and answers to some, that waited for their other half and were forgotten.
    pub forgotten: u64,
    /// Sessions of one that share their hash with another; `None` where none was captured whole.
    pub hash_collisions: Option<u64>,
    baseline: Baseline,
    sent: VecDeque<SentPing>,
    skipped: VecDeque<SentPing>,
    /// Answers whose PING is not known, or not yet.
    loose: VecDeque<SentPing>,
    last_at: Option<Timestamp>,
}

/// A PING was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct PingAnswered {
    /// When its answer came.
    pub(super) at: Timestamp,
    /// How long that took, in microseconds.
    pub(super) us: u64,
    /// Whether that is late for this link.
    pub(super) is_late: bool,
}

impl Pings {
    /// The leader's PING to a learner that serves or not. Answers whether an answer that came by earlier is its own.
    pub(super) fn leader_ping(&mut self, packet: &PacketSeen<'_>, serves: bool) -> Option<PingAnswered> {
        self.last_at = Some(packet.at);
        if self.sent.len() >= MAX_PINGS {
            self.sent.pop_front();
            self.forgotten += 1;
            self.unanswered += u64::from(serves);
        }
        let ping = SentPing { zxid: packet.zxid, at: packet.at, counts: packet.timed };
        if !packet.inferred {
            self.sent.push_back(ping);
            return None;
        }
        // An inferred one comes late: its answer may have come by already.
        let Some(index) = self.loose.iter().position(|pong| pong.at >= ping.at) else {
            let index = self.sent.partition_point(|other| other.at <= ping.at);
            self.sent.insert(index, ping);
            return None;
        };
        let pong = self.loose.remove(index).filter(|_| ping.counts)?;
        let us = pong.at.since(ping.at).micros();
        self.round_trips.record(us);
        Some(PingAnswered { at: pong.at, us, is_late: false })
    }

    /// A PING's answer echoes its zxid; answers come in order. `is_first` is that of a learner which did not serve.
    pub(super) fn pong(&mut self, packet: &PacketSeen<'_>, is_first: bool) -> Option<PingAnswered> {
        let is_it = |ping: &SentPing| {
            ping.at <= packet.at && (ping.zxid == packet.zxid || ping.zxid.is_none() || packet.zxid.is_none())
        };
        if is_first {
            // What the leader sent before UPTODATE is consumed and never answered.
            let answered = self.sent.iter().rposition(is_it).unwrap_or(self.sent.len());
            self.sent.drain(..answered);
        }
        if packet.inferred
            && let Some(index) = self.skipped.iter().rposition(is_it)
        {
            let ping = self.skipped.remove(index)?;
            return self.answered(&ping, packet);
        }
        let Some(index) = self.sent.iter().position(is_it) else {
            if self.loose.len() >= MAX_PINGS {
                self.loose.pop_front();
                self.forgotten += 1;
            }
            self.loose.push_back(SentPing { zxid: packet.zxid, at: packet.at, counts: packet.timed });
            return None;
        };
        for _ in 0..index {
            if let Some(ping) = self.sent.pop_front() {
                if self.skipped.len() >= MAX_PINGS {
                    self.skipped.pop_front();
                    self.forgotten += 1;
                    self.unanswered += 1;
                }
                self.skipped.push_back(ping);
            }
        }
        let ping = self.sent.pop_front()?;
        self.answered(&ping, packet)
    }

    fn answered(&mut self, ping: &SentPing, packet: &PacketSeen<'_>) -> Option<PingAnswered> {
        if !ping.counts || !packet.timed {
            return None;
        }
        let us = packet.at.since(ping.at).micros();
        self.round_trips.record(us);
        Some(PingAnswered { at: packet.at, us, is_late: self.baseline.is_late(us) })
    }

    /// How many sessions the learner names in an answer, and whether their hashes meet.
    pub(super) fn load(&mut self, packet: &PacketSeen<'_>) -> Option<u64> {
        let len = packet.data_len.and_then(|len| u64::try_from(len).ok())?;
        let sessions = len / TouchedSessions::EACH as u64;
        self.bytes = self.bytes.max(len);
        // Ids change slowly: it is enough to look when there are more.
        if sessions > self.sessions
            && let Some(Body::Ping(named)) = packet.head().and_then(|head| body(&head, packet))
        {
            self.hash_collisions = self.hash_collisions.max(Some(collisions(&named)));
        }
        self.sessions = self.sessions.max(sessions);
        Some(sessions)
    }

    /// Those that were sent before a time expect no answer: it is consumed before UPTODATE, or may be among bytes of
    /// the learner that are missing.
    pub(super) fn forget_sent_before(&mut self, at: Timestamp) {
        self.sent.retain(|ping| ping.at >= at);
    }

    /// The learner's bytes up to a time are missing: answers to what was sent before may be among them, so the next
    /// one that is seen answers none of these.
    pub(super) fn gap(&mut self, at: Timestamp) {
        self.forget_sent_before(at);
        self.skipped.retain(|ping| ping.at >= at);
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self) {
        self.unanswered += (self.sent.len() + self.skipped.len()) as u64;
        self.sent.clear();
        self.skipped.clear();
    }

    /// Lets go of what no report shows.
    pub(super) fn compact(&mut self) {
        self.sent = VecDeque::new();
        self.skipped = VecDeque::new();
        self.loose = VecDeque::new();
    }

    /// When the leader last sent one.
    pub(super) const fn last_at(&self) -> Option<Timestamp> {
        self.last_at
    }
}

/// A packet's data, decoded as far as it was captured whole.
fn body<'a>(head: &Head, packet: &PacketSeen<'a>) -> Option<Body<'a>> {
    let len = usize::try_from(head.data_len).ok()?;
    let data = packet.seen.get(Head::LEN..Head::LEN + len)?;
    Body::decode(head.kind, packet.direction.is_to_leader(), Some(data)).ok()
}
