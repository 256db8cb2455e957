//! The shared state of both directions of a link: epoch, phase, numbering, pending spans.

mod inference;
mod sizes;
mod start;

pub(super) use sizes::Sizes;
pub(super) use start::opens;

use super::byte_sums::ByteSums;
use super::event::{AuthSeen, Direction, Event, Observer, PacketSeen, PerDirection, Protection};
use super::inference::{Item, Numbering, Scratch};
use super::span::HiddenSpan;
use crate::address::Endpoint;
use crate::frame::FrameRef;
use crate::hash::{fold, mix};
use crate::proto::quorum::Head;
use crate::proto::{PacketType, Zxid, auth, jute};
use crate::stream::ConnectionSlot;
use crate::time::{Span, Timestamp};
use inference::infer;

/// PINGs remembered until they are answered.
const MAX_PINGS: usize = 16;
/// Plausible PING intervals: half a tickTime of 40 ms to two minutes.
const BEATS: std::ops::RangeInclusive<Span> = Span::from_millis(20)..=Span::from_millis(60_000);

/// What the dissector lends to a link while it processes a frame.
pub(super) struct LinkContext<'a, O> {
    pub(super) observer: &'a mut O,
    pub(super) sizes: &'a mut Sizes,
    pub(super) scratch: &'a mut Scratch,
    pub(super) slot: ConnectionSlot,
}

/// A PING without a visible answer.
#[derive(Clone, Copy, Debug)]
struct UnansweredPing {
    at: Timestamp,
    zxid: Zxid,
    /// A later PING was answered, so the answer to this one must be hidden.
    is_skipped: bool,
}

/// Spans of one direction that wait for interpretation, and the packets between them.
#[derive(Clone, Debug, Default)]
struct PendingSpans {
    numbering: Numbering,
    items: Vec<Item>,
    spans: usize,
    /// What must be seen after the last span before it can be interpreted.
    needs_main: bool,
    needs_commit: bool,
    needs_ping: bool,
}

/// The state of a link that both directions share.
#[derive(Clone, Debug)]
pub(super) struct LinkState {
    pub(super) leader: Endpoint,
    pub(super) learner: Endpoint,
    /// A hash of the leader's endpoint, for tables that links share.
    leader_tag: u32,
    pub(super) protection: Protection,
    epoch: Option<u32>,
    /// The epoch in the last cut heads, and how many in a row named it.
    glimpsed: (u32, u8),
    is_observer: bool,
    is_follower: bool,
    has_packets: bool,
    numbering: Numbering,
    /// The learner's last zxid, from ACKEPOCH.
    learner_zxid: Option<Zxid>,
    ping_every: Option<Span>,
    /// The last spacing of two PINGs.
    ping_spacing: Option<Span>,
    pings: Vec<UnansweredPing>,
    revalidates_open: u32,
    /// NEWLEADER may have been in the cut end of a snapshot.
    newleader_maybe_passed: bool,
    /// Lengths of authinfo seen after REQUESTs.
    authinfo: [u16; 4],
    /// Implausibly long rests, which are accepted when they come again.
    long_rests: [u64; 4],
    pending: PerDirection<Option<Box<PendingSpans>>>,
    /// The memory of the last group of each direction.
    spare: PerDirection<Option<Box<PendingSpans>>>,
    /// Bytes of spans that were interpreted or abandoned.
    pub(super) sums: PerDirection<ByteSums>,
}

impl LinkState {
    pub(super) fn new(leader: Endpoint, learner: Endpoint) -> Self {
        let tag = mix(0, fold(leader.address.bits()) ^ u64::from(leader.port) << 32);
        Self {
            leader,
            learner,
            leader_tag: (tag >> 32) as u32,
            protection: Protection::None,
            epoch: None,
            glimpsed: (0, 0),
            is_observer: false,
            is_follower: false,
            has_packets: false,
            numbering: Numbering::default(),
            learner_zxid: None,
            ping_every: None,
            ping_spacing: None,
            pings: Vec::new(),
            revalidates_open: 0,
            newleader_maybe_passed: false,
            authinfo: [0; 4],
            long_rests: [0; 4],
            pending: PerDirection { to_leader: None, to_learner: None },
            spare: PerDirection { to_leader: None, to_learner: None },
            sums: PerDirection::default(),
        }
    }

    pub(super) const fn has_packets(&self) -> bool {
        self.has_packets
    }

    pub(super) const fn epoch(&self) -> Option<u32> {
        self.epoch
    }

    pub(super) const fn is_tls(&mut self) {
        self.protection = Protection::Tls;
    }

    pub(super) fn auth<O: Observer>(
        &mut self,
        direction: Direction,
        head: &auth::SaslHead,
        cut: u64,
        at: Timestamp,
        frame: FrameRef,
        out: &mut LinkContext<'_, O>,
    ) {
        self.protection = Protection::Sasl;
        let (src, dst) = match direction {
            Direction::ToLeader => (self.learner, self.leader),
            Direction::ToLearner => (self.leader, self.learner),
        };
        out.observer.event(Event::Auth(&AuthSeen { src, dst, head: *head, cut, at, frame }));
    }

    /// Whether to accept a packet head where a packet must begin. Unknown types and lengths are accepted
    /// within reason; contradictory ones are not.
    #[inline]
    pub(super) fn accepts(&self, head: &Head, direction: Direction) -> bool {
        if head.plausible(direction.is_to_leader(), jute::MAX_BUFFER_LIMIT) {
            return true;
        }
        let len = head.data_len;
        match head.kind {
            PacketType::Unknown(number) => (20..256).contains(&number) && (-1..=1 << 20).contains(&len),
            PacketType::FollowerInfo | PacketType::ObserverInfo | PacketType::AckEpoch => {
                direction.is_to_leader() && (4..=4096).contains(&len)
            }
            PacketType::LeaderInfo => !direction.is_to_leader() && (4..=4096).contains(&len),
            _ => false,
        }
    }

    /// The length of a REQUEST's authinfo, if it was cut: `rest` is the length of the segment after the data.
    /// A learner flushes after each REQUEST, so usually it is all of `rest`, unless that is too long for one
    /// identity and a known authinfo length fits. `None` if it is too long for any authinfo, as when many
    /// flushes are retransmitted in one segment, unless the same length was seen before, since a client's
    /// identities do not change.
    pub(super) fn request_rest(&mut self, data_len: i32, rest: u64) -> Option<u64> {
        const COUNT: u64 = 4;
        /// Count, scheme `ip`, and the longest IPv6 address.
        const MAX_IDENTITY: u64 = COUNT + 4 + 2 + 4 + 45;
        /// Several identities, such as a digest or a distinguished name besides the address.
        const MAX_IDENTITIES: u64 = 256;
        const MAX_ACKS: u64 = 10 * 20;
        /// The smallest segment size of any path in an ensemble: the minimum MTU of IPv6 without headers.
        const FULL_SEGMENT: u64 = 1_200;
        /// The data of `createSession`, which has no client connection.
        const CREATE_SESSION: i32 = 20;
        if rest <= COUNT {
            return Some(rest);
        }
        if data_len == CREATE_SESSION {
            return Some(COUNT);
        }
        let known = self.authinfo.iter().map(|len| u64::from(*len)).filter(|len| *len > 0);
        if known.clone().any(|len| len == rest) || rest <= MAX_IDENTITY && known.clone().next().is_none() {
            return Some(rest);
        }
        // A few ACKs that waited for the flush may follow.
        let is_acks = |len: u64| (20..=MAX_ACKS).contains(&len) && len.is_multiple_of(20);
        let with_acks = known.clone().find(|len| rest.checked_sub(*len).is_some_and(is_acks));
        if with_acks.is_some() || rest <= MAX_IDENTITIES {
            return with_acks.or(Some(rest));
        }
        // Full segments have the same length, whatever they contain.
        let size = Head::LEN as u64 + u64::from(data_len.max(0).unsigned_abs()) + rest;
        if size >= FULL_SEGMENT {
            return None;
        }
        if self.long_rests.contains(&rest) {
            return Some(rest);
        }
        self.long_rests.rotate_right(1);
        if let Some(first) = self.long_rests.first_mut() {
            *first = rest;
        }
        None
    }

    fn learn_authinfo(&mut self, packet: &PacketSeen<'_>) {
        let (Some(size), Some(data_len)) = (packet.size, packet.data_len) else { return };
        let rest = size.saturating_sub(16 + u64::from(data_len.max(0).unsigned_abs()));
        let Ok(rest) = u16::try_from(rest) else { return };
        if rest > 4 && !self.authinfo.contains(&rest) {
            self.authinfo.rotate_right(1);
            if let Some(first) = self.authinfo.first_mut() {
                *first = rest;
            }
        }
    }

    /// A packet whose head was seen.
    #[inline(always)]
    pub(super) fn packet<O: Observer>(&mut self, packet: &PacketSeen<'_>, out: &mut LinkContext<'_, O>) {
        self.has_packets = true;
        out.observer.event(Event::Packet(out.slot, packet));
        let (Some(zxid), direction) = (packet.zxid, packet.direction) else { return };
        match direction {
            Direction::ToLearner => self.learn_from_leader(packet, zxid, out),
            Direction::ToLeader => self.learn_from_learner(packet, zxid, out),
        }
        if let Some(pending) = self.pending.of_mut(direction) {
            pending.items.push(Item::Seen { kind: packet.kind, zxid, at: packet.at });
            self.try_reading(direction, packet.kind, zxid, out);
        }
        self.note(packet.kind, zxid, packet.at, direction);
    }

    /// Updates the numbering after a packet that was seen.
    #[inline(always)]
    fn note(&mut self, kind: PacketType, zxid: Zxid, at: Timestamp, direction: Direction) {
        match (direction, kind) {
            (
                Direction::ToLearner,
                PacketType::Proposal | PacketType::Inform | PacketType::InformAndActivate,
            ) => {
                self.numbering.proposal = Some(zxid);
            }
            (Direction::ToLearner, PacketType::Commit | PacketType::CommitAndActivate) => {
                self.numbering.commit = Some(zxid);
            }
            (Direction::ToLearner, PacketType::Ping) => self.numbering.ping_at = Some(at),
            (Direction::ToLeader, PacketType::Ack) if zxid.counter() != 0 => self.numbering.ack = Some(zxid),
            _ => {}
        }
    }

    #[inline(always)]
    fn learn_from_leader<O: Observer>(
        &mut self,
        packet: &PacketSeen<'_>,
        zxid: Zxid,
        out: &mut LinkContext<'_, O>,
    ) {
        match packet.kind {
            PacketType::Proposal | PacketType::Inform => {
                self.is_observer |= packet.kind == PacketType::Inform;
                self.epoch.get_or_insert(zxid.epoch());
                if let Some(size) = packet.size {
                    out.sizes.put(self.leader_tag, zxid, size);
                }
            }
            PacketType::Commit => {
                self.epoch.get_or_insert(zxid.epoch());
            }
            PacketType::Ping => self.leader_ping(zxid, packet.at),
            PacketType::LeaderInfo => self.epoch = Some(zxid.epoch()),
            PacketType::Revalidate => self.revalidates_open = self.revalidates_open.saturating_sub(1),
            _ => self.synchronize(packet, zxid, out),
        }
    }

    fn synchronize<O: Observer>(
        &mut self,
        packet: &PacketSeen<'_>,
        zxid: Zxid,
        out: &mut LinkContext<'_, O>,
    ) {
        match packet.kind {
            PacketType::Diff | PacketType::Snap | PacketType::Trunc => {
                self.epoch.get_or_insert(zxid.epoch());
                self.numbering.awaits_newleader = true;
                self.numbering.awaits_uptodate = true;
                let base = match packet.kind {
                    // The history starts at the learner's last zxid, unless that is in another epoch.
                    PacketType::Diff => self.learner_zxid.filter(|last| last.epoch() == zxid.epoch()),
                    _ => Some(zxid),
                };
                self.numbering.proposal = base;
                self.numbering.commit = base;
                self.numbering.history_end = (packet.kind == PacketType::Diff).then_some(zxid);
            }
            PacketType::NewLeader => {
                self.epoch = Some(zxid.epoch());
                self.newleader_maybe_passed = false;
                self.numbering.awaits_newleader = false;
                if let Some(size) = packet.size {
                    out.sizes.newleader = Some((self.leader_tag, size));
                }
            }
            PacketType::UpToDate => {
                if std::mem::take(&mut self.newleader_maybe_passed) {
                    // UPTODATE comes only after NEWLEADER was acknowledged.
                    let span = HiddenSpan::new(packet.at, packet.frame);
                    infer(Direction::ToLearner, PacketType::NewLeader, None, None, &span, false, out);
                }
                self.numbering.awaits_newleader = false;
                self.numbering.awaits_uptodate = false;
            }
            _ => {}
        }
    }

    fn leader_ping(&mut self, zxid: Zxid, at: Timestamp) {
        if zxid.0 != 0 {
            self.epoch.get_or_insert(zxid.epoch());
        }
        if let Some(last) = self.numbering.ping_at {
            self.learn_beat(at.since(last));
        }
        if self.numbering.awaits_uptodate {
            return;
        }
        if self.pings.len() >= MAX_PINGS {
            self.pings.remove(0);
        }
        self.pings.push(UnansweredPing { at, zxid, is_skipped: false });
    }

    /// The PING interval is the shortest spacing that came twice in a row: a longer one includes hidden or
    /// late PINGs, and a single shorter one comes from delayed PINGs that arrived in a burst.
    fn learn_beat(&mut self, spacing: Span) {
        let last = self.ping_spacing.replace(spacing);
        let is_steady = last.is_some_and(|last| {
            let off = last.nanos().saturating_sub(spacing.nanos()).unsigned_abs();
            off <= spacing.nanos().unsigned_abs() / 8
        });
        let is_shorter = self.ping_every.is_none_or(|every| spacing < every);
        if is_steady && is_shorter && BEATS.contains(&spacing) {
            self.ping_every = Some(spacing);
        }
    }

    #[inline(always)]
    fn learn_from_learner<O: Observer>(
        &mut self,
        packet: &PacketSeen<'_>,
        zxid: Zxid,
        out: &mut LinkContext<'_, O>,
    ) {
        if self.numbering.awaits_uptodate
            && matches!(packet.kind, PacketType::Ping | PacketType::Request | PacketType::Revalidate)
        {
            self.serves(packet, out);
        }
        match packet.kind {
            PacketType::Ack if zxid.counter() != 0 => {
                self.epoch.get_or_insert(zxid.epoch());
            }
            PacketType::Ping => self.ping_answer(zxid),
            PacketType::Request => self.learn_authinfo(packet),
            PacketType::Revalidate => self.revalidates_open = self.revalidates_open.saturating_add(1),
            PacketType::AckEpoch => self.learner_zxid = Some(zxid),
            PacketType::ObserverInfo => self.is_observer = true,
            PacketType::FollowerInfo => self.is_follower = true,
            _ => {}
        }
    }

    /// A learner that answers PINGs and forwards requests has received NEWLEADER and UPTODATE: if they were
    /// not seen, they were hidden.
    #[cold]
    fn serves<O: Observer>(&mut self, packet: &PacketSeen<'_>, out: &mut LinkContext<'_, O>) {
        if self.pending.to_learner.is_some() {
            self.read(Direction::ToLearner, true, out);
        }
        let span = HiddenSpan::new(packet.at, packet.frame);
        let passed = [
            (self.numbering.awaits_newleader || self.newleader_maybe_passed, PacketType::NewLeader),
            (self.numbering.awaits_uptodate, PacketType::UpToDate),
        ];
        for (_, kind) in passed.into_iter().filter(|(is_hidden, _)| *is_hidden) {
            infer(Direction::ToLearner, kind, None, None, &span, false, out);
        }
        self.newleader_maybe_passed = false;
        self.numbering.awaits_newleader = false;
        self.numbering.awaits_uptodate = false;
    }

    /// The answer to a PING echoes its zxid, and answers come in order.
    fn ping_answer(&mut self, zxid: Zxid) {
        let Some(answered) = self.pings.iter().position(|ping| !ping.is_skipped && ping.zxid == zxid) else {
            return;
        };
        for ping in self.pings.iter_mut().take(answered) {
            ping.is_skipped = true;
        }
        self.pings.remove(answered);
        if self.pending.to_leader.is_none() {
            self.pings.retain(|ping| !ping.is_skipped);
        }
    }

    /// Framing was lost in a direction: interprets the pending spans as far as possible, and resets the
    /// numbering.
    pub(super) fn lost<O: Observer>(&mut self, direction: Direction, out: &mut LinkContext<'_, O>) {
        self.read(direction, true, out);
        match direction {
            Direction::ToLeader => self.numbering.ack = None,
            Direction::ToLearner => {
                self.numbering.commit = None;
                self.numbering.proposal = None;
                self.numbering.ping_at = None;
            }
        }
    }

    /// A snapshot has ended; if its end was cut, the cut may include NEWLEADER.
    pub(super) const fn snapshot_ended(&mut self, is_blind: bool) {
        self.newleader_maybe_passed = is_blind;
        self.numbering.awaits_newleader = !is_blind;
    }

    /// The link is over: interprets the pending spans as far as possible.
    pub(super) fn finish<O: Observer>(&mut self, out: &mut LinkContext<'_, O>) {
        self.read(Direction::ToLearner, true, out);
        self.read(Direction::ToLeader, true, out);
    }
}
