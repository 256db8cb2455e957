//! How a link comes to serve: discovery, synchronisation, broadcast.

use crate::dissect::{Direction, LinkOpened, PacketSeen, SnapshotSeen};
use crate::findings::{Deadline, Phases, Role, Sync};
use crate::proto::quorum::Head;
use crate::proto::{LearnerInfo, PacketType, Sid, Zxid};
use crate::time::Timestamp;

/// How the learner came to serve.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// The learner's id.
    pub learner_sid: Option<Sid>,
    /// Follower or observer.
    pub role: Option<Role>,
    /// The epoch it served.
    pub epoch: Option<u32>,
    /// How the learner was brought up to date.
    pub sync: Option<Sync>,
    /// Its phases.
    pub phases: Phases,
    /// Since when the leader times this learner: its ACK of NEWLEADER.
    armed_at: Option<Timestamp>,
    is_up_to_date: bool,
    /// Whether it acknowledged a PROPOSAL before NEWLEADER (ZOOKEEPER-4685): its leader takes that for an ACK of another
    /// epoch, and may never tell it UPTODATE.
    pub acks_early: bool,
}

impl Handshake {
    /// That of a link that has just appeared. One that was picked up serves already.
    pub(super) fn new(opened: &LinkOpened) -> Self {
        Self {
            learner_sid: None,
            role: None,
            epoch: None,
            sync: None,
            phases: Phases::default(),
            armed_at: opened.picked_up.then_some(Timestamp::MIN),
            is_up_to_date: opened.picked_up,
            acks_early: false,
        }
    }

    /// Whether the learner was brought up to date.
    #[inline]
    pub(super) const fn is_up_to_date(&self) -> bool {
        self.is_up_to_date
    }

    /// Whether the leader times the learner at a time.
    #[inline]
    pub(super) fn is_armed_at(&self, at: Timestamp) -> bool {
        self.armed_at.is_some_and(|armed_at| at >= armed_at)
    }

    /// The ACK of NEWLEADER, from which on the leader keeps the shorter limit.
    pub(super) fn arm(&mut self, at: Timestamp) {
        self.armed_at.get_or_insert(at);
    }

    /// The ACK of a PROPOSAL.
    #[inline]
    pub(super) fn acks_proposal(&mut self) {
        let is_joining = self.phases.synchronization.is_some() && !self.is_up_to_date;
        self.acks_early |= is_joining && self.armed_at.is_none();
    }

    /// Whether the learner keeps the shorter limit though it is not up to date. From 3.7.0, 3.6.3 and 3.5.10 on it does
    /// so once it has acknowledged NEWLEADER (`Learner.syncWithLeader`); these are the versions that may acknowledge a
    /// PROPOSAL before it.
    pub(super) const fn awaits_up_to_date(&self) -> bool {
        self.acks_early && self.armed_at.is_some() && !self.is_up_to_date
    }

    /// The limit for the next bytes of a direction.
    #[inline]
    pub(super) const fn deadline(&self, direction: Direction) -> Deadline {
        match direction {
            Direction::ToLeader if self.armed_at.is_some() => Deadline::LeaderRead,
            Direction::ToLearner if self.is_up_to_date || self.awaits_up_to_date() => Deadline::LearnerRead,
            _ => Deadline::Init,
        }
    }

    /// Only a learner that was told UPTODATE answers PINGs and forwards requests.
    pub(super) fn serves(&mut self, at: Timestamp) {
        self.is_up_to_date = true;
        self.armed_at.get_or_insert(at);
    }

    /// Takes the epoch from a packet of a learner that serves.
    #[inline]
    pub(super) fn set_epoch(&mut self, packet: &PacketSeen<'_>) {
        if self.epoch.is_none()
            && self.is_up_to_date
            && let Some(zxid) = packet.zxid.filter(|zxid| zxid.0 != 0 && *zxid != Zxid::NONE)
        {
            self.epoch = Some(zxid.epoch());
        }
    }

    /// A packet that is no traffic of a learner that serves.
    pub(super) fn packet(&mut self, packet: &PacketSeen<'_>) {
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
                self.serves(packet.at);
            }
            _ => {}
        }
    }

    const fn begin_sync(&mut self) {
        self.is_up_to_date = false;
        self.armed_at = None;
        self.acks_early = false;
    }

    /// A snapshot of the synchronisation has ended.
    pub(super) const fn snapshot(&mut self, snapshot: &SnapshotSeen) {
        self.phases.sync_bytes = Some(snapshot.bytes);
    }
}
