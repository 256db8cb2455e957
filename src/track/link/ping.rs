//! PINGs and their answers: round trips, and the sessions that the answers name.

use super::{LinkTrack, MAX_PINGS, SentPing, body};
use crate::dissect::PacketSeen;
use crate::proto::quorum::{Body, Sessions};
use crate::time::Timestamp;
use crate::track::series::Trip;
use crate::track::session::collisions;

impl LinkTrack {
    pub(super) fn leader_ping(&mut self, packet: &PacketSeen<'_>) {
        self.set_epoch(packet);
        self.last_ping_at = Some(packet.at);
        if let Some(counts) = self.activity.as_mut().and_then(|activity| activity.at(packet.at)) {
            counts.pings = counts.pings.saturating_add(1);
        }
        if self.pings.len() >= MAX_PINGS {
            self.pings.pop_front();
            self.forgotten.pings += 1;
            self.pings_unanswered += u64::from(self.is_up_to_date);
        }
        let ping = SentPing { zxid: packet.zxid, at: packet.at, counts: packet.timed };
        if !packet.inferred {
            self.pings.push_back(ping);
            return;
        }
        // An inferred one comes late: its answer may have come by already.
        if let Some(index) = self.loose_pongs.iter().position(|pong| pong.at >= ping.at) {
            if let Some(pong) = self.loose_pongs.remove(index)
                && ping.counts
            {
                let us = pong.at.since(ping.at).micros();
                self.ping.record(us);
                self.series.trip(Trip::Ping, pong.at, us);
            }
        } else {
            let index = self.pings.partition_point(|other| other.at <= ping.at);
            self.pings.insert(index, ping);
        }
    }

    /// A PING's answer echoes its zxid; answers come in order.
    pub(super) fn pong(&mut self, packet: &PacketSeen<'_>) {
        let is_first = !self.is_up_to_date;
        self.serves(packet.at);
        if let Some(counts) = self.activity.as_mut().and_then(|activity| activity.at(packet.at)) {
            counts.pongs = counts.pongs.saturating_add(1);
        }
        self.load(packet);
        let is_it = |ping: &SentPing| {
            ping.at <= packet.at && (ping.zxid == packet.zxid || ping.zxid.is_none() || packet.zxid.is_none())
        };
        if is_first {
            // What the leader sent before UPTODATE is consumed and never answered.
            let answered = self.pings.iter().rposition(is_it).unwrap_or(self.pings.len());
            self.pings.drain(..answered);
        }
        if packet.inferred
            && let Some(index) = self.skipped.iter().rposition(is_it)
        {
            if let Some(ping) = self.skipped.remove(index) {
                self.ping_answered(&ping, packet);
            }
            return;
        }
        let Some(index) = self.pings.iter().position(is_it) else {
            if self.loose_pongs.len() >= MAX_PINGS {
                self.loose_pongs.pop_front();
                self.forgotten.pings += 1;
            }
            self.loose_pongs.push_back(SentPing { zxid: packet.zxid, at: packet.at, counts: packet.timed });
            return;
        };
        for _ in 0..index {
            if let Some(ping) = self.pings.pop_front() {
                if self.skipped.len() >= MAX_PINGS {
                    self.skipped.pop_front();
                    self.forgotten.pings += 1;
                    self.pings_unanswered += 1;
                }
                self.skipped.push_back(ping);
            }
        }
        if let Some(ping) = self.pings.pop_front() {
            self.ping_answered(&ping, packet);
        }
    }

    /// The learner's bytes up to a time are missing: answers to what was sent before may be among them, so the next
    /// one that is seen answers none of these.
    pub(super) fn pings_before_gap(&mut self, at: Timestamp) {
        self.pings.retain(|ping| ping.at >= at);
        self.skipped.retain(|ping| ping.at >= at);
    }

    /// How many sessions the learner names, and whether their hashes meet.
    fn load(&mut self, packet: &PacketSeen<'_>) {
        let Some(len) = packet.data_len.and_then(|len| u64::try_from(len).ok()) else { return };
        let sessions = len / Sessions::EACH as u64;
        self.ping_bytes = self.ping_bytes.max(len);
        // Ids change slowly: it is enough to look when there are more.
        if sessions > self.sessions
            && let Some(Body::Ping(named)) = packet.head().and_then(|head| body(&head, packet))
        {
            self.hash_collisions = self.hash_collisions.max(Some(collisions(&named)));
        }
        self.sessions = self.sessions.max(sessions);
        self.series.sessions(packet.at, sessions);
    }

    fn ping_answered(&mut self, ping: &SentPing, packet: &PacketSeen<'_>) {
        if ping.counts && packet.timed {
            let us = packet.at.since(ping.at).micros();
            self.ping.record(us);
            self.series.trip(Trip::Ping, packet.at, us);
            if self.ping_baseline.is_late(us)
                && let Some(counts) = self.activity.as_mut().and_then(|activity| activity.at(packet.at))
            {
                counts.late_pongs = counts.late_pongs.saturating_add(1);
            }
        }
    }
}
