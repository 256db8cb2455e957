//! What packets and notifications tell of elections and of the roles that servers take.

use super::{Meaning, Role, Tracker};
use crate::address::Address;
use crate::dissect::{ElectionSeen, PacketSeen};
use crate::proto::election::Notification;
use crate::proto::quorum::Head;
use crate::proto::{ServerState, Sid};

/// A vote's length, and what it needs to tell whom it is for: state, leader, zxid and round.
const MIN_READ: u64 = 4 + 28;

impl Tracker {
    /// A vote, or an answer to one.
    pub(super) fn notification(&mut self, seen: &ElectionSeen<'_>, notification: &Notification<'_>) {
        let (src, at) = (seen.src.address, seen.at);
        if notification.state == ServerState::Leading {
            self.servers.is_called(src, notification.leader);
        }
        self.servers.seen(src);
        let serves = self.servers.serves(src);
        let heard = self.voices.notification((seen.src, seen.dst), notification, at, serves);
        self.elections.counts(
            at,
            if let Meaning::Settled(settled) = &heard { Some((src, &settled.vote)) } else { None },
        );
        match heard {
            Meaning::Looks(looking) => {
                self.servers.becomes(src, Role::Looking, looking.since);
                let servers = &self.servers;
                self.elections.looks(src, &looking, at, |address| servers.sid(address));
            }
            Meaning::Settled(settled) => {
                if let Some(voted) = settled.voted {
                    self.servers.becomes(src, Role::Looking, voted.since);
                    let servers = &self.servers;
                    self.elections.looks(src, &voted, voted.since, |address| servers.sid(address));
                }
                self.servers.ceases(src, Role::Looking, settled.until);
                let voices = &self.voices;
                self.elections.settled(src, &settled.vote, at, |address| voices.looks_since(address));
            }
            Meaning::Unclear => {}
        }
    }

    /// A message of which nothing could be read.
    pub(super) fn vote_unread(&mut self, seen: &ElectionSeen<'_>) {
        let read = seen.size.saturating_sub(seen.cut);
        if seen.cut > 0 && read < MIN_READ {
            self.votes_cut.votes += 1;
            let lacking = u32::try_from(MIN_READ - read).unwrap_or(u32::MAX);
            self.votes_cut.lacking = self.votes_cut.lacking.max(lacking);
        }
    }

    /// A learner turns to a leader.
    pub(super) fn joins(
        &mut self,
        (leader, learner): (Address, Address),
        is_follower: bool,
        packet: &PacketSeen<'_>,
    ) {
        let at = packet.at;
        let looked = self.acts(learner, !is_follower, packet);
        self.servers.becomes(learner, if is_follower { Role::Follower } else { Role::Observer }, at);
        if is_follower {
            let accepted = packet.zxid.map(|zxid| zxid.epoch());
            self.elections.followed((leader, learner), accepted, looked, at);
        }
    }

    /// LEADERINFO: a leader names its epoch to a learner.
    pub(super) fn names_epoch(&mut self, (leader, learner): (Address, Address), packet: &PacketSeen<'_>) {
        if self.is_relay(leader, learner) {
            return;
        }
        if let Some(epoch) = packet.zxid.map(|zxid| zxid.epoch()) {
            if !self.servers.serves(leader) {
                self.acts(leader, false, packet);
            }
            self.elections.epoch(leader, epoch, packet.at);
        }
        self.servers.becomes(leader, Role::Leader, packet.at);
    }

    /// A server's election is over: it acts. Answers its last vote, if it had looked.
    fn acts(
        &mut self,
        address: Address,
        is_observer: bool,
        packet: &PacketSeen<'_>,
    ) -> Option<super::voice::Vote> {
        let looked = self.voices.acts(address, packet.at, is_observer)?;
        let servers = &self.servers;
        let is_new = !servers.looks(address);
        if is_new {
            // Its vote had been held back.
            self.elections.looks(address, &looked, looked.since, |address| servers.sid(address));
            self.servers.becomes(address, Role::Looking, looked.since);
        }
        Some(looked.vote)
    }

    /// COMMITANDACTIVATE: where it names another server than the leader, that one is to lead.
    pub(super) fn hands_over(&mut self, leader: Address, packet: &PacketSeen<'_>) {
        let sid = packet.seen.get(Head::LEN..).and_then(|data| data.first_chunk::<8>());
        let Some(sid) = sid.map(|sid| Sid(i64::from_be_bytes(*sid))) else { return };
        if self.servers.sid(leader).is_some_and(|own| own != sid) {
            self.elections.hands_over(sid, packet.at);
        }
    }

    /// Whether the server at the leader's end of a link is known to follow another: an observer's master, which
    /// serves observers (`observerMasterPort`, 3.6+) and does not lead.
    fn is_relay(&self, leader: Address, learner: Address) -> bool {
        let is_observer = self.servers.role(learner) == Some(Role::Observer);
        let follows = self.servers.role(leader) == Some(Role::Follower) || self.voices.follows(leader);
        is_observer && follows
    }
}
