//! What a healthy ensemble never puts on the wire.
//!
//! PROPOSALs count up by one, COMMITs and ACKs follow them in order, a leader names no epoch below
//! its learner's, UPTODATE follows the learner's ACK. A break in a numbering is only suspected at
//! first: what the cut hid may fill it later, and a gap in the capture is no violation. It is reported
//! when the link is over and every byte of its stream is explained.
//!
//! Source: `apache/zookeeper: zookeeper-server/.../server/quorum/`, Leader, Follower and LearnerHandler.

use crate::dissect::{ByteSums, Direction, PacketSeen, PerDirection};
use crate::findings::{Breach, Violation};
use crate::frame::FrameRef;
use crate::proto::{PacketType, Zxid};
use crate::time::Timestamp;

/// Where a PROPOSAL carries its zxid a second time: packet head, session and cxid come before it.
const EMBEDDED_AT: usize = 28;
/// Where it ends, the last byte of a PROPOSAL that is looked at.
pub(super) const EMBEDDED_END: usize = EMBEDDED_AT + 8;

/// Suspicions and violations kept per link.
const MAX_KEPT: usize = 64;
/// Those that a link keeps in any case.
const MIN_KEPT: usize = 4;
/// Violations told of all links, the first ones.
pub(super) const MAX_TOLD: usize = 1_024;

/// A break in a numbering that may yet be explained.
#[derive(Clone, Debug)]
struct Suspicion {
    kind: PacketType,
    direction: Direction,
    /// The first and the last zxid that were skipped; equal to each other and to the packet's own
    /// where it went back.
    skipped: (Zxid, Zxid),
    /// How many of them have turned up.
    found: u64,
    /// The packet, and the one it follows.
    packet: (PacketType, Zxid),
    last: Zxid,
    at: Timestamp,
    frame: FrameRef,
}

impl Suspicion {
    /// The violation that it is, of link `link`, where nothing has explained it.
    fn violation(&self, link: u32) -> Violation {
        let (kind, zxid) = self.packet;
        let breach = Breach::Numbering { kind, zxid, last: self.last };
        Violation { link, at: self.at, frame: self.frame, breach }
    }
}

/// The checks of one link.
#[derive(Clone, Debug, Default)]
pub(super) struct Checks {
    proposal: Option<Zxid>,
    commit: Option<Zxid>,
    ack: Option<Zxid>,
    accepted_epoch: Option<u32>,
    newleader: Option<Zxid>,
    has_acked_newleader: bool,
    suspicions: Vec<Suspicion>,
    certain: Vec<Violation>,
    /// Those beyond [`MAX_KEPT`].
    pub(super) forgotten: u64,
    /// Suspicions beyond it, which may have been explained later.
    unjudged: PerDirection<u64>,
}

impl Checks {
    /// Looks at a packet of link `link`.
    #[inline(always)]
    pub(super) fn packet(&mut self, link: u32, packet: &PacketSeen<'_>) {
        let Some(zxid) = packet.zxid else {
            // It is one of those that were skipped or will be, and which one is not known.
            if let Some(last) = self.last(packet.kind) {
                *last = None;
            }
            return self.suspicions.retain(|suspicion| suspicion.kind != numbering(packet.kind));
        };
        if packet.inferred {
            return self.explain(numbering(packet.kind), zxid);
        }
        match (packet.direction, packet.kind) {
            (Direction::ToLearner, PacketType::Proposal | PacketType::Inform) => {
                self.embedded(link, packet, zxid);
                let last = self.proposal.replace(zxid);
                self.number(packet, zxid, last);
            }
            (Direction::ToLearner, PacketType::Commit | PacketType::CommitAndActivate) => {
                let last = self.commit.replace(zxid);
                self.number(packet, zxid, last);
            }
            (Direction::ToLeader, PacketType::Ack) if zxid.counter() != 0 => {
                let last = self.ack.replace(zxid);
                self.number(packet, zxid, last);
            }
            (Direction::ToLeader, PacketType::Ack) => {
                self.has_acked_newleader |= Some(zxid) == self.newleader
            }
            (Direction::ToLeader, PacketType::FollowerInfo | PacketType::ObserverInfo) => {
                self.accepted_epoch = Some(zxid.epoch());
            }
            (Direction::ToLearner, PacketType::LeaderInfo)
                if self.accepted_epoch.is_some_and(|accepted| zxid.epoch() < accepted) =>
            {
                let breach = Breach::EpochBackwards { epoch: zxid.epoch() };
                self.certain(violation(link, packet, breach));
            }
            (Direction::ToLearner, PacketType::NewLeader) => self.newleader = Some(zxid),
            (Direction::ToLearner, PacketType::Diff | PacketType::Snap | PacketType::Trunc) => self.restart(),
            _ => {}
        }
    }

    /// The last zxid of a type's numbering.
    const fn last(&mut self, kind: PacketType) -> Option<&mut Option<Zxid>> {
        match kind {
            PacketType::Proposal | PacketType::Inform => Some(&mut self.proposal),
            PacketType::Commit | PacketType::CommitAndActivate => Some(&mut self.commit),
            PacketType::Ack => Some(&mut self.ack),
            _ => None,
        }
    }

    /// A synchronisation begins the numbering anew.
    const fn restart(&mut self) {
        self.proposal = None;
        self.commit = None;
        self.ack = None;
    }

    /// A packet's zxid against the one that its transaction carries.
    #[inline]
    fn embedded(&mut self, link: u32, packet: &PacketSeen<'_>, zxid: Zxid) {
        let Some(inner) =
            packet.seen.get(EMBEDDED_AT..EMBEDDED_END).and_then(|bytes| bytes.first_chunk::<8>())
        else {
            return;
        };
        let inner = Zxid(u64::from_be_bytes(*inner));
        if inner != zxid {
            let breach = Breach::HeaderZxid { kind: packet.kind, zxid, carried: inner };
            self.certain(violation(link, packet, breach));
        }
    }

    /// A zxid against the last one of its numbering.
    #[inline(always)]
    fn number(&mut self, packet: &PacketSeen<'_>, zxid: Zxid, last: Option<Zxid>) {
        let Some(last) = last else { return };
        // The same again is let pass: leaders repeat one for a learner that joins meanwhile.
        if zxid == last.plus(1) || zxid == last || zxid.epoch() != last.epoch() {
            return;
        }
        self.breaks(packet, zxid, last);
    }

    /// A numbering is broken.
    #[cold]
    fn breaks(&mut self, packet: &PacketSeen<'_>, zxid: Zxid, last: Zxid) {
        let skipped = if zxid > last { (last.plus(1), Zxid(zxid.0 - 1)) } else { (zxid, zxid) };
        if self.suspicions.len() >= MAX_KEPT {
            // The oldest is the likeliest to have been explained.
            let oldest = self.suspicions.remove(0);
            *self.unjudged.of_mut(oldest.direction) += 1;
        }
        self.suspicions.push(Suspicion {
            kind: numbering(packet.kind),
            direction: packet.direction,
            skipped,
            found: 0,
            packet: (packet.kind, zxid),
            last,
            at: packet.at,
            frame: packet.frame,
        });
    }

    /// An inferred packet fills a break.
    fn explain(&mut self, kind: PacketType, zxid: Zxid) {
        if let Some(last) = self.last(kind)
            && last.is_some_and(|last| last.plus(1) == zxid)
        {
            *last = Some(zxid);
            return;
        }
        for suspicion in &mut self.suspicions {
            let (first, last) = suspicion.skipped;
            if suspicion.kind == kind && first <= zxid && zxid <= last {
                suspicion.found += 1;
            }
        }
        self.suspicions.retain(|s| s.found <= s.skipped.1.0 - s.skipped.0.0);
    }

    /// Bytes are missing in a direction.
    pub(super) fn gap(&mut self, direction: Direction) {
        match direction {
            Direction::ToLeader => self.ack = None,
            Direction::ToLearner => {
                self.proposal = None;
                self.commit = None;
            }
        }
    }

    fn certain(&mut self, violation: Violation) {
        if self.certain.len() < MAX_KEPT {
            self.certain.push(violation);
        } else {
            self.forgotten += 1;
        }
    }

    /// Bytes of memory that suspicions and violations take.
    pub(super) const fn held_bytes(&self) -> usize {
        self.suspicions.len() * size_of::<Suspicion>() + self.certain.len() * size_of::<Violation>()
    }

    /// Keeps but the first violations and the last suspicions.
    pub(super) fn lighten(&mut self) {
        let old = self.suspicions.len().saturating_sub(MIN_KEPT);
        for suspicion in self.suspicions.drain(..old) {
            *self.unjudged.of_mut(suspicion.direction) += 1;
        }
        self.suspicions.shrink_to_fit();
        self.forgotten += self.certain.len().saturating_sub(MIN_KEPT) as u64;
        self.certain.truncate(MIN_KEPT);
        self.certain.shrink_to_fit();
    }

    /// What is left of the suspicions when the link is over.
    pub(super) fn finish(&mut self, link: u32, bytes: &PerDirection<ByteSums>) -> Vec<Violation> {
        let is_explained = |direction| {
            let sums = bytes.of(direction);
            sums.unframed == 0 && sums.missing == 0 && sums.cut_unframed == 0
        };
        let mut violations = std::mem::take(&mut self.certain);
        let suspicions = std::mem::take(&mut self.suspicions);
        for direction in [Direction::ToLeader, Direction::ToLearner] {
            let left = suspicions.iter().filter(|suspicion| suspicion.direction == direction);
            let mut left = left.filter(|_| is_explained(direction)).peekable();
            if left.peek().is_some() {
                // Where all later ones were explained, so were the earlier ones.
                self.forgotten += std::mem::take(self.unjudged.of_mut(direction));
            }
            violations.extend(left.map(|suspicion| suspicion.violation(link)));
        }
        violations
    }
}

/// The type whose numbering a packet takes part in: an observer's INFORMs go on where the PROPOSALs of
/// its history end.
const fn numbering(kind: PacketType) -> PacketType {
    match kind {
        PacketType::Inform => PacketType::Proposal,
        PacketType::CommitAndActivate => PacketType::Commit,
        other => other,
    }
}

const fn violation(link: u32, packet: &PacketSeen<'_>, breach: Breach) -> Violation {
    Violation { link, at: packet.at, frame: packet.frame, breach }
}
