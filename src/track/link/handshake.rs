//! How a link comes to serve: discovery, synchronisation, broadcast.

use super::LinkTrack;
use crate::dissect::{PacketSeen, SnapshotSeen};
use crate::findings::{Role, Sync};
use crate::proto::quorum::Head;
use crate::proto::{LearnerInfo, PacketType, Zxid};
use crate::time::Timestamp;

impl LinkTrack {
    /// Only a learner that was told UPTODATE answers PINGs and forwards requests.
    pub(super) fn serves(&mut self, at: Timestamp) {
        self.is_up_to_date = true;
        self.armed_at.get_or_insert(at);
    }

    pub(super) fn set_epoch(&mut self, packet: &PacketSeen<'_>) {
        if self.epoch.is_none()
            && self.is_up_to_date
            && let Some(zxid) = packet.zxid.filter(|zxid| zxid.0 != 0 && *zxid != Zxid::NONE)
        {
            self.epoch = Some(zxid.epoch());
        }
    }

    pub(super) fn handshake(&mut self, packet: &PacketSeen<'_>) {
        match packet.kind {
            PacketType::FollowerInfo | PacketType::ObserverInfo => {
                let is_follower = packet.kind == PacketType::FollowerInfo;
                self.role = Some(if is_follower { Role::Follower } else { Role::Observer });
                self.phases.discovery.get_or_insert(packet.at);
                self.begin_sync();
                let info = LearnerInfo::decode(packet.seen.get(Head::LEN..).unwrap_or_default());
                if packet.data_len.is_some_and(|len| len >= 8) {
                    self.learner_sid = info.sid.or(self.learner_sid);
                }
            }
            PacketType::LeaderInfo => self.epoch = packet.zxid.map(Zxid::epoch).or(self.epoch),
            PacketType::Diff | PacketType::Snap | PacketType::Trunc => {
                self.sync = Some(match packet.kind {
                    PacketType::Diff => Sync::Diff,
                    PacketType::Snap => Sync::Snap,
                    _ => Sync::Trunc,
                });
                self.phases.synchronization.get_or_insert(packet.at);
                self.begin_sync();
            }
            PacketType::NewLeader => self.epoch = packet.zxid.map(Zxid::epoch).or(self.epoch),
            PacketType::UpToDate => {
                self.phases.broadcast.get_or_insert(packet.at);
                if packet.timed {
                    self.pings.retain(|ping| ping.at >= packet.at);
                }
                self.serves(packet.at);
            }
            _ => {}
        }
    }

    pub(super) const fn begin_sync(&mut self) {
        self.is_up_to_date = false;
        self.armed_at = None;
    }

    /// A snapshot of the synchronisation has ended.
    pub const fn snapshot(&mut self, snapshot: &SnapshotSeen) {
        self.phases.sync_bytes = Some(snapshot.bytes);
    }
}
