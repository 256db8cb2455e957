//! The packets of links: what each says of the link, and of the ensemble.

use super::Tracker;
use crate::dissect::PacketSeen;
use crate::findings::Role;
use crate::proto::PacketType;
use crate::proto::quorum::Head;
use crate::stream::ConnectionSlot;

impl Tracker {
    /// A packet of a link. Nearly all are ACKs and COMMITs.
    #[inline(always)]
    pub(super) fn packet(&mut self, slot: ConnectionSlot, packet: &PacketSeen<'_>) {
        let Some(index) = self.slots.get(slot.index()).and_then(|entry| entry.checked_sub(1)) else { return };
        let index = index as usize;
        self.passes();
        match self.links.get_mut(index) {
            Some(link) if link.is_recognised && packet.kind == PacketType::Ack => link.packet(packet),
            Some(link) if link.is_recognised && packet.kind == PacketType::Commit => {
                link.packet(packet);
                self.commits.commit(packet.zxid, packet.at);
            }
            Some(_) => self.any_packet(index, packet),
            None => {}
        }
    }

    /// A packet of any type.
    #[inline(never)]
    fn any_packet(&mut self, index: usize, packet: &PacketSeen<'_>) {
        if self.links.get(index).is_some_and(|link| !link.is_recognised) {
            self.recognise(index, packet.kind);
        }
        let Some(link) = self.links.get_mut(index) else { return };
        let last_ping = link.last_ping_at();
        link.packet(packet);
        let (id, serves) = (link.id, link.serves_now());
        let opened = link.opened;
        let (leader, learner) = (opened.leader.address, opened.learner.address);
        self.sessions.packet(learner, packet, serves);
        match packet.kind {
            // What a learner is sent to catch up was written earlier.
            PacketType::Proposal if serves => {
                self.commits.proposal(packet.zxid, packet.at);
                self.timeline.write(id, packet.at, packet.size);
            }
            PacketType::Ping if !packet.direction.is_to_leader() && !packet.inferred => {
                if let Some(last) = last_ping {
                    self.ticks.add(id, packet.at.since(last));
                }
                if let Some(zxid) = packet.zxid.filter(|zxid| zxid.0 > 0) {
                    self.elections.epoch_seen(zxid.epoch());
                    self.commits.leader_speaks(zxid.epoch(), packet.at);
                }
                if serves {
                    self.commits.serves(id, None);
                }
                self.prune_timeline();
                self.learn_least_wait();
                if let Some(link) = self.links.get_mut(index) {
                    link.remembers_from(self.least_wait);
                }
            }
            PacketType::FollowerInfo | PacketType::ObserverInfo => {
                let is_follower = packet.kind == PacketType::FollowerInfo;
                let sid = link.handshake.learner_sid;
                if let Some(sid) = sid {
                    self.servers.is_called(learner, sid);
                }
                self.joins((leader, learner), is_follower, packet);
            }
            PacketType::UpToDate => self.commits.serves(id, Some(packet.at)),
            PacketType::Commit => self.commits.commit(packet.zxid, packet.at),
            PacketType::Inform => {
                self.commits.commit(packet.zxid, packet.at);
                if opened.picked_up {
                    self.servers.becomes(learner, Role::Observer, opened.at);
                }
            }
            PacketType::LeaderInfo => self.names_epoch((leader, learner), packet),
            PacketType::CommitAndActivate => {
                self.commits.commit(packet.zxid, packet.at);
                self.hands_over(leader, packet);
            }
            PacketType::NewLeader => {
                if let Some(text) = packet.seen.get(Head::LEN..).filter(|_| packet.cut == 0) {
                    self.learn_config(text);
                }
            }
            _ => {}
        }
    }
}
