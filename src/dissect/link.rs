//! What both directions of a link know together: epoch, phase, numbering, what is still hidden.

use super::event::{AuthSeen, ByteSums, Direction, Observer, PacketSeen, PerDirection, Protection};
use super::framer::HiddenSpan;
use super::hidden::{Facts, Item, Known, Reading, Room, Solved, SpanSolved, read_to_leader, read_to_learner};
use crate::address::Endpoint;
use crate::frame::FrameRef;
use crate::proto::quorum::{Glimpse, Head, fixed_data_len};
use crate::proto::{PacketType, Zxid, auth, jute};
use crate::stream::Slot;
use crate::time::{Span, Timestamp};

/// Packets and spans that may wait for a reading; beyond, the oldest reading is given up.
const ITEMS_MAX: usize = 512;
/// Items whose memory a link keeps for the next group.
const ITEMS_SPARE: usize = 32;
/// Spans read together at most.
const SPANS_MAX: usize = 48;
/// PINGs remembered until they are answered.
const PINGS_MAX: usize = 16;
/// Spacings of PINGs that can be a leader's beat: half a tickTime of 40 ms to two minutes.
const BEATS: std::ops::RangeInclusive<Span> = Span::from_millis(20)..=Span::from_millis(60_000);
/// How far a zxid's counter may lie from the last known one to count as its neighbour.
const NEAR: u32 = 1 << 20;
/// Epochs that a history may reach back.
const EPOCHS_BACK: u32 = 64;
/// The largest PROPOSAL that is believed where the epoch is not known yet: ZooKeeper's own limit.
const BELIEVED_MAX: u32 = jute::DEFAULT_LIMIT;

/// What the dissector lends to a link while a frame of it is read.
pub(super) struct Outlet<'a, O> {
    pub(super) observer: &'a mut O,
    pub(super) sizes: &'a mut Sizes,
    pub(super) room: &'a mut Room,
    pub(super) slot: Slot,
}

/// Sizes of PROPOSALs by leader and zxid, as any link showed them: every follower of a leader is sent
/// the same bytes. A fixed table in which the newer entry wins.
#[derive(Clone, Debug)]
pub(super) struct Sizes {
    entries: Box<[SizeEntry]>,
    newleader: Option<(u32, u64)>,
    /// Usual sizes of the leaders that were asked for last.
    usual: Vec<(u32, Box<[u32]>)>,
    /// Entries made since usual sizes were counted.
    fresh: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct SizeEntry {
    zxid: Zxid,
    leader: u32,
    size: u32,
}

impl Sizes {
    /// Entries: enough for a second of the busiest ensemble, small enough for the cache.
    const ENTRIES: usize = 8192;
    /// How often a size must be among them to be a usual one.
    const USUAL_COUNT: u32 = 4;
    /// How many usual sizes there can be: with more, any length is a sum of some.
    const USUAL_MAX: usize = 12;
    /// Entries after which the usual sizes are counted anew.
    const USUAL_EVERY: u32 = 512;
    /// Leaders whose usual sizes are remembered.
    const USUAL_LEADERS: usize = 16;

    pub(super) fn new() -> Self {
        let entries = vec![SizeEntry::default(); Self::ENTRIES].into_boxed_slice();
        Self { entries, newleader: None, usual: Vec::new(), fresh: 0 }
    }

    const fn place(leader: u32, zxid: Zxid) -> usize {
        (zxid.counter() ^ leader) as usize % Self::ENTRIES
    }

    #[inline]
    fn put(&mut self, leader: u32, zxid: Zxid, size: u64) {
        if let Some(entry) = self.entries.get_mut(Self::place(leader, zxid)) {
            *entry = SizeEntry { zxid, leader, size: u32::try_from(size).unwrap_or(0) };
            self.fresh = self.fresh.saturating_add(1);
        }
    }

    fn size(&self, leader: u32, zxid: Zxid) -> Option<u32> {
        let entry = self.entries.get(Self::place(leader, zxid))?;
        (entry.zxid == zxid && entry.leader == leader && entry.size > 0).then_some(entry.size)
    }

    /// Counts the sizes that a leader's PROPOSALs usually have, now and then.
    fn count_usual(&mut self, leader: u32) {
        if self.fresh >= Self::USUAL_EVERY {
            self.fresh = 0;
            self.usual.clear();
        }
        if self.usual.iter().any(|(of, _)| *of == leader) {
            return;
        }
        let mut counts = std::collections::BTreeMap::<u32, u32>::new();
        for entry in self.entries.iter().filter(|entry| entry.leader == leader && entry.size > 0) {
            *counts.entry(entry.size).or_default() += 1;
        }
        counts.retain(|_, count| *count >= Self::USUAL_COUNT);
        let sizes =
            if counts.len() > Self::USUAL_MAX { Box::default() } else { counts.into_keys().collect() };
        self.usual.truncate(Self::USUAL_LEADERS - 1);
        self.usual.insert(0, (leader, sizes));
    }

    /// The sizes that a leader's PROPOSALs usually have, as counted last; empty where they have too many.
    fn usual(&self, leader: u32) -> &[u32] {
        self.usual.iter().find(|(of, _)| *of == leader).map_or(&[], |(_, sizes)| sizes)
    }
}

/// A PING that the learner has not answered, as far as is seen.
#[derive(Clone, Copy, Debug)]
struct SentPing {
    at: Timestamp,
    zxid: Zxid,
    /// A later PING was answered, so this one's answer must be hidden.
    is_skipped: bool,
}

/// Packets and spans that wait for a reading, in one direction.
#[derive(Clone, Debug, Default)]
struct Pending {
    known: Known,
    items: Vec<Item>,
    spans: usize,
    /// What must be seen behind the last span before it can be read.
    needs_main: bool,
    needs_commit: bool,
    needs_ping: bool,
}

/// The state of a link that both directions share.
#[derive(Clone, Debug)]
pub(super) struct LinkState {
    pub(super) leader: Endpoint,
    pub(super) learner: Endpoint,
    /// A number that differs between leaders, mixed into what is shared between links.
    leader_tag: u32,
    pub(super) protection: Protection,
    epoch: Option<u32>,
    is_observer: bool,
    is_follower: bool,
    has_packets: bool,
    known: Known,
    /// The learner's last zxid, from ACKEPOCH.
    learner_zxid: Option<Zxid>,
    ping_every: Option<Span>,
    /// The last spacing of two PINGs.
    ping_spacing: Option<Span>,
    pings: Vec<SentPing>,
    revalidates_open: u32,
    /// NEWLEADER may have gone by with the cut end of a snapshot.
    newleader_maybe_passed: bool,
    /// Lengths of authinfo seen behind REQUESTs.
    authinfo: [u16; 4],
    pending: PerDirection<Option<Box<Pending>>>,
    /// What the last group of each direction was held in, empty.
    spare: PerDirection<Option<Box<Pending>>>,
    /// Bytes of spans, once they are read or given up.
    pub(super) sums: PerDirection<ByteSums>,
}

impl LinkState {
    pub(super) fn new(leader: Endpoint, learner: Endpoint) -> Self {
        let bits = leader.address.bits();
        #[expect(clippy::cast_possible_truncation, reason = "a hash")]
        let folded = (bits as u64 ^ (bits >> 64) as u64 ^ u64::from(leader.port) << 32)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self {
            leader,
            learner,
            leader_tag: (folded >> 32) as u32,
            protection: Protection::None,
            epoch: None,
            is_observer: false,
            is_follower: false,
            has_packets: false,
            known: Known::default(),
            learner_zxid: None,
            ping_every: None,
            ping_spacing: None,
            pings: Vec::new(),
            revalidates_open: 0,
            newleader_maybe_passed: false,
            authinfo: [0; 4],
            pending: PerDirection { to_leader: None, to_learner: None },
            spare: PerDirection { to_leader: None, to_learner: None },
            sums: PerDirection::default(),
        }
    }

    pub(super) const fn has_packets(&self) -> bool {
        self.has_packets
    }

    pub(super) const fn knows_epoch(&self) -> bool {
        self.epoch.is_some()
    }

    pub(super) const fn is_tls(&mut self) {
        self.protection = Protection::Tls;
    }

    pub(super) fn auth<O: Observer>(
        &mut self,
        direction: Direction,
        head: &auth::Head,
        cut: u64,
        at: Timestamp,
        place: FrameRef,
        out: &mut Outlet<'_, O>,
    ) {
        self.protection = Protection::Sasl;
        let (src, dst) = match direction {
            Direction::ToLeader => (self.learner, self.leader),
            Direction::ToLearner => (self.leader, self.learner),
        };
        out.observer.auth(&AuthSeen { src, dst, head: *head, cut, at, place });
    }

    /// Whether a packet that begins where one must begin is taken for one. Types and lengths that no
    /// release has are taken too, within reason; what contradicts itself is not.
    #[inline]
    pub(super) fn accepts(&self, head: &Head, direction: Direction) -> bool {
        if head.plausible(direction.is_to_leader(), jute::MAX_LIMIT) {
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

    /// Whether these captured bytes surely begin a packet, without knowing where packets begin.
    /// `is_all` says that nothing was cut off behind them.
    pub(super) fn is_strong_start(
        &self,
        bytes: &[u8],
        at: Timestamp,
        direction: Direction,
        is_all: bool,
    ) -> bool {
        match (Head::decode(bytes), self.epoch) {
            (Some(head), Some(epoch)) => {
                head.plausible(direction.is_to_leader(), jute::MAX_LIMIT)
                    && self.is_near(head.kind, head.zxid, epoch)
                    && !self.is_txn_header(&head, at)
            }
            (Some(head), None) => {
                head.plausible(direction.is_to_leader(), BELIEVED_MAX) && stands_alone(&head, bytes)
            }
            (None, Some(epoch)) if !is_all => self.is_near_glimpse(bytes, direction, epoch),
            _ => false,
        }
    }

    /// Whether this is the middle of a TxnHeader: a small cxid, the zxid and the upper half of the
    /// leader's clock in milliseconds look like a type, a zxid and a length.
    fn is_txn_header(&self, head: &Head, at: Timestamp) -> bool {
        let is_transaction = match head.kind {
            PacketType::Proposal => self.is_observer && !self.known.awaits_uptodate,
            PacketType::Inform => self.is_follower,
            _ => return false,
        };
        let clock = (at.nanos() / 1_000_000) >> 32;
        is_transaction || (i64::from(head.data_len) - clock).abs() <= 1
    }

    /// Whether a type's zxid lies where this link's are.
    fn is_near(&self, kind: PacketType, zxid: Zxid, epoch: u32) -> bool {
        match kind {
            PacketType::Request | PacketType::Revalidate | PacketType::UpToDate | PacketType::Sync => true,
            PacketType::Ping if zxid.0 == 0 => true,
            PacketType::NewLeader if zxid.counter() != 0 => false,
            _ if zxid.epoch() == epoch => {
                let last = self.known.proposal.or(self.known.commit).or(self.known.ack);
                match last {
                    Some(last) if last.epoch() == epoch && zxid.counter() != 0 => {
                        zxid.counter().abs_diff(last.counter()) < NEAR
                    }
                    _ => true,
                }
            }
            _ => zxid.epoch() < epoch && epoch - zxid.epoch() <= EPOCHS_BACK && self.known.awaits_uptodate,
        }
    }

    /// The same for a head that is cut behind the upper part of its zxid.
    fn is_near_glimpse(&self, bytes: &[u8], direction: Direction, epoch: u32) -> bool {
        let Some(glimpse) = Glimpse::decode(bytes) else { return false };
        let Some(top) = bytes.get(4..10).and_then(|top| top.first_chunk::<6>()) else { return false };
        let [a, b, c, d, e, f] = *top;
        let to_leader = direction.is_to_leader();
        let is_legal = fixed_data_len(glimpse.kind, to_leader).is_some()
            || matches!(
                (glimpse.kind, to_leader),
                (PacketType::Request | PacketType::Ping, true)
                    | (PacketType::Proposal | PacketType::Inform | PacketType::NewLeader, false)
            );
        if !is_legal {
            return false;
        }
        match glimpse.kind {
            PacketType::Request | PacketType::Revalidate | PacketType::UpToDate => *top == [0xff; 6],
            PacketType::Sync => *top == [0; 6],
            _ => {
                let counter_top = u32::from(u16::from_be_bytes([e, f]));
                let last = self.known.proposal.or(self.known.commit).or(self.known.ack);
                u32::from_be_bytes([a, b, c, d]) == epoch
                    && last.is_none_or(|last| (last.counter() >> 16).abs_diff(counter_top) <= NEAR >> 16)
            }
        }
    }

    /// How many bytes behind a REQUEST's data are its authinfo, where the cut hides them: `rest` is
    /// what the segment holds there. A learner flushes behind each REQUEST, so as a rule it is all of
    /// it; not where what remains is too long for one identity and another REQUEST's authinfo fits.
    pub(super) fn request_rest(&self, data_len: i32, rest: u64) -> u64 {
        const COUNT: u64 = 4;
        /// Count, scheme `ip` and an IPv6 address in full.
        const IDENTITY_MAX: u64 = COUNT + 4 + 2 + 4 + 45;
        /// `createSession`'s data, which has no client connection behind it.
        const CREATE_SESSION: i32 = 20;
        if rest <= COUNT {
            return rest;
        }
        if data_len == CREATE_SESSION {
            return COUNT;
        }
        let known = self.authinfo.iter().map(|len| u64::from(*len)).filter(|len| *len > 0);
        if known.clone().any(|len| len == rest) || rest <= IDENTITY_MAX && known.clone().next().is_none() {
            return rest;
        }
        // ACKs that waited for the flush may follow.
        known.clone().find(|len| rest > *len && (rest - len).is_multiple_of(20)).unwrap_or(rest)
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
    #[inline]
    pub(super) fn packet<O: Observer>(&mut self, packet: &PacketSeen<'_>, out: &mut Outlet<'_, O>) {
        self.has_packets = true;
        out.observer.packet(out.slot, packet);
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

    /// Notes the numbering behind a packet that was seen.
    #[inline]
    fn note(&mut self, kind: PacketType, zxid: Zxid, at: Timestamp, direction: Direction) {
        match (direction, kind) {
            (
                Direction::ToLearner,
                PacketType::Proposal | PacketType::Inform | PacketType::InformAndActivate,
            ) => {
                self.known.proposal = Some(zxid);
            }
            (Direction::ToLearner, PacketType::Commit | PacketType::CommitAndActivate) => {
                self.known.commit = Some(zxid);
            }
            (Direction::ToLearner, PacketType::Ping) => self.known.ping_at = Some(at),
            (Direction::ToLeader, PacketType::Ack) if zxid.counter() != 0 => self.known.ack = Some(zxid),
            _ => {}
        }
    }

    #[inline]
    fn learn_from_leader<O: Observer>(
        &mut self,
        packet: &PacketSeen<'_>,
        zxid: Zxid,
        out: &mut Outlet<'_, O>,
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

    fn synchronize<O: Observer>(&mut self, packet: &PacketSeen<'_>, zxid: Zxid, out: &mut Outlet<'_, O>) {
        match packet.kind {
            PacketType::Diff | PacketType::Snap | PacketType::Trunc => {
                self.epoch.get_or_insert(zxid.epoch());
                self.known.awaits_newleader = true;
                self.known.awaits_uptodate = true;
                let base = match packet.kind {
                    // History follows from where the learner stands, unless it stands in another epoch.
                    PacketType::Diff => self.learner_zxid.filter(|last| last.epoch() == zxid.epoch()),
                    _ => Some(zxid),
                };
                self.known.proposal = base;
                self.known.commit = base;
                self.known.history_end = (packet.kind == PacketType::Diff).then_some(zxid);
            }
            PacketType::NewLeader => {
                self.epoch = Some(zxid.epoch());
                self.newleader_maybe_passed = false;
                self.known.awaits_newleader = false;
                if let Some(size) = packet.size {
                    out.sizes.newleader = Some((self.leader_tag, size));
                }
            }
            PacketType::UpToDate => {
                if std::mem::take(&mut self.newleader_maybe_passed) {
                    // UPTODATE comes only after NEWLEADER was acknowledged.
                    let span = HiddenSpan::new(packet.at, packet.place);
                    infer(Direction::ToLearner, PacketType::NewLeader, None, None, &span, false, out);
                }
                self.known.awaits_newleader = false;
                self.known.awaits_uptodate = false;
            }
            _ => {}
        }
    }

    fn leader_ping(&mut self, zxid: Zxid, at: Timestamp) {
        if zxid.0 != 0 {
            self.epoch.get_or_insert(zxid.epoch());
        }
        if let Some(last) = self.known.ping_at {
            self.learn_beat(at.since(last));
        }
        if self.known.awaits_uptodate {
            return;
        }
        if self.pings.len() >= PINGS_MAX {
            self.pings.remove(0);
        }
        self.pings.push(SentPing { at, zxid, is_skipped: false });
    }

    /// The beat is the shortest spacing that came twice in a row: a longer one has PINGs hidden or late
    /// between, and a single shorter one is of PINGs that were held up and came in a burst.
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

    #[inline]
    fn learn_from_learner<O: Observer>(
        &mut self,
        packet: &PacketSeen<'_>,
        zxid: Zxid,
        out: &mut Outlet<'_, O>,
    ) {
        if self.known.awaits_uptodate
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

    /// A learner that answers PINGs and forwards requests was told NEWLEADER and UPTODATE: where they
    /// were not seen, they were hidden.
    #[cold]
    fn serves<O: Observer>(&mut self, packet: &PacketSeen<'_>, out: &mut Outlet<'_, O>) {
        if self.pending.to_learner.is_some() {
            self.read(Direction::ToLearner, true, out);
        }
        let span = HiddenSpan::new(packet.at, packet.place);
        let passed = [
            (self.known.awaits_newleader || self.newleader_maybe_passed, PacketType::NewLeader),
            (self.known.awaits_uptodate, PacketType::UpToDate),
        ];
        for (_, kind) in passed.into_iter().filter(|(is_hidden, _)| *is_hidden) {
            infer(Direction::ToLearner, kind, None, None, &span, false, out);
        }
        self.newleader_maybe_passed = false;
        self.known.awaits_newleader = false;
        self.known.awaits_uptodate = false;
    }

    /// A PING's answer echoes its zxid, and answers come in order.
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

    /// A span without a visible head, between two proven starts.
    pub(super) fn hidden<O: Observer>(
        &mut self,
        direction: Direction,
        span: HiddenSpan,
        out: &mut Outlet<'_, O>,
    ) {
        if self.pending.of(direction).is_none()
            && let Some(kind) = alone(&span, direction)
        {
            return self.read_alone(direction, &span, kind, out);
        }
        let known = self.known;
        let fits_main = match direction {
            Direction::ToLearner => span.len >= 52,
            Direction::ToLeader => !self.is_observer,
        };
        let fits_commit = direction == Direction::ToLearner && (!self.is_observer || known.awaits_newleader);
        let spare = self.spare.of_mut(direction);
        let pending = self.pending.of_mut(direction).get_or_insert_with(|| {
            let mut pending = spare.take().unwrap_or_default();
            *pending = Pending { known, items: std::mem::take(&mut pending.items), ..Pending::default() };
            pending
        });
        pending.items.push(Item::Span(span));
        pending.spans += 1;
        pending.needs_main |= fits_main;
        pending.needs_commit |= fits_commit;
        if pending.spans >= SPANS_MAX {
            self.read(direction, true, out);
        }
    }

    /// A span that is one packet of a known size.
    fn read_alone<O: Observer>(
        &mut self,
        direction: Direction,
        span: &HiddenSpan,
        kind: PacketType,
        out: &mut Outlet<'_, O>,
    ) {
        self.account(direction, span, true);
        let zxid = match kind {
            PacketType::Commit => self.known.commit.map(|last| last.plus(1)),
            PacketType::Ack => self.known.ack.map(|last| last.plus(1)),
            _ => None,
        };
        infer(direction, kind, zxid, Some(span.len), span, true, out);
        match (kind, direction) {
            (PacketType::Commit, _) if zxid.is_some() => self.known.commit = zxid,
            (PacketType::Ack, _) if zxid.is_some() => self.known.ack = zxid,
            (PacketType::Ping, Direction::ToLearner) => self.known.ping_at = Some(span.at),
            (PacketType::UpToDate, _) => {
                self.known.awaits_newleader = false;
                self.known.awaits_uptodate = false;
            }
            _ => {}
        }
    }

    /// Something was seen behind spans: perhaps they can be read now.
    fn try_reading<O: Observer>(
        &mut self,
        direction: Direction,
        kind: PacketType,
        zxid: Zxid,
        out: &mut Outlet<'_, O>,
    ) {
        let Some(pending) = self.pending.of_mut(direction) else { return };
        match kind {
            // The ACKs of NEWLEADER and UPTODATE are not part of the numbering.
            PacketType::Ack if zxid.counter() == 0 => {}
            PacketType::Proposal | PacketType::Inform | PacketType::Ack => pending.needs_main = false,
            PacketType::Commit | PacketType::CommitAndActivate => pending.needs_commit = false,
            PacketType::Ping => pending.needs_ping = false,
            // A link that begins to serve has nothing of its history left to come.
            PacketType::UpToDate => pending.needs_commit = false,
            _ => {}
        }
        let is_ready = !pending.needs_main && !pending.needs_commit && !pending.needs_ping;
        let is_full = pending.items.len() >= ITEMS_MAX;
        if is_ready || is_full {
            self.read(direction, is_full, out);
        }
    }

    /// Reads what waits in a direction. Unless it is the last chance, a reading that a later PING
    /// would decide waits for that.
    fn read<O: Observer>(&mut self, direction: Direction, is_last: bool, out: &mut Outlet<'_, O>) {
        let Some(mut pending) = self.pending.of_mut(direction).take() else { return };
        if direction == Direction::ToLeader {
            pending.known.proposal = self.known.proposal;
        }
        let pings = &self.pings;
        let may_answer = |at: Timestamp| {
            pings
                .iter()
                .any(|ping| ping.at <= at && (ping.is_skipped || at.since(ping.at) < Span::from_millis(1000)))
        };
        let newleader_size =
            out.sizes.newleader.filter(|(tag, _)| *tag == self.leader_tag).map(|(_, size)| size);
        let lacks_size = std::cell::Cell::new(false);
        let solve = |sizes: &Sizes, usual: Option<&[u32]>, room: &mut Room| {
            let size_of = |zxid| {
                let size = sizes.size(self.leader_tag, zxid);
                lacks_size.set(lacks_size.get() || size.is_none());
                size
            };
            let facts = Facts {
                is_observer: self.is_observer,
                size_of: &size_of,
                usual,
                newleader_size,
                ping_every: self.ping_every,
                revalidates_open: self.revalidates_open.min(4),
                may_answer_ping: &may_answer,
            };
            match direction {
                // Not a packet was seen: nothing says that it is quorum's at all.
                _ if !self.has_packets => None,
                Direction::ToLearner => read_to_learner(&pending.known, &pending.items, &facts, room),
                Direction::ToLeader => read_to_leader(&pending.known, &pending.items, &facts, room),
            }
        };
        let mut solved = solve(out.sizes, None, out.room);
        if lacks_size.get() && solved.as_ref().is_none_or(|solved| !solved.is_certain()) {
            out.sizes.count_usual(self.leader_tag);
            let usual = out.sizes.usual(self.leader_tag);
            if !usual.is_empty() {
                solved = solve(out.sizes, Some(usual), out.room).filter(Solved::is_certain).or(solved);
            }
        }
        let is_done = solved.as_ref().is_some_and(|solved| solved.is_complete);
        if !is_done && !is_last && direction == Direction::ToLearner && pending.items.len() < ITEMS_MAX / 2 {
            let saw_ping_behind = pending
                .items
                .iter()
                .rev()
                .take_while(|item| !matches!(item, Item::Span(_)))
                .any(|item| matches!(item, Item::Seen { kind: PacketType::Ping, .. }));
            if !saw_ping_behind {
                pending.needs_ping = true;
                self.pending.to_learner = Some(pending);
                return;
            }
        }
        self.report(direction, &pending, solved.as_ref(), out);
        if let Some(solved) = solved {
            out.room.reuse(solved);
        }
        // The next group finds the memory of this one, unless that was large.
        if pending.items.capacity() <= ITEMS_SPARE {
            pending.items.clear();
            *self.spare.of_mut(direction) = Some(pending);
        }
    }

    /// Hands on what was proved of a group of spans.
    fn report<O: Observer>(
        &mut self,
        direction: Direction,
        pending: &Pending,
        solved: Option<&Solved>,
        out: &mut Outlet<'_, O>,
    ) {
        let mut at = Numbering {
            main: match direction {
                Direction::ToLearner => pending.known.proposal,
                Direction::ToLeader => pending.known.ack,
            },
            commit: pending.known.commit,
            is_history: pending.known.awaits_newleader,
        };
        let mut index = 0;
        let mut last_span = None;
        for item in &pending.items {
            match item {
                Item::Seen { kind, zxid, .. } => at.note(*kind, *zxid, direction),
                Item::Span(span) => {
                    last_span = Some(*span);
                    let found = solved.and_then(|solved| solved.spans.get(index).copied());
                    let reading = found.map(|found| found.reading).unwrap_or_default();
                    let is_complete = solved.is_some_and(|solved| solved.is_complete);
                    at.forget(found.as_ref());
                    self.account(direction, span, is_complete);
                    if reading.is_empty() {
                        self.report_hint(direction, span, solved, out);
                    } else {
                        self.report_reading(direction, &reading, span, &mut at, span.pieces == 1, out);
                    }
                    index += 1;
                }
            }
        }
        if let (Some(solved), Some(span)) = (solved, last_span)
            && !solved.anywhere.is_empty()
        {
            at = Numbering { main: None, commit: None, ..at };
            self.report_reading(direction, &solved.anywhere, &span, &mut at, false, out);
        }
    }

    /// The type at least of a span's first packet, where that was captured.
    fn report_hint<O: Observer>(
        &mut self,
        direction: Direction,
        span: &HiddenSpan,
        solved: Option<&Solved>,
        out: &mut Outlet<'_, O>,
    ) {
        let is_proof = self.has_packets && span.hint().len() >= 10 && solved.is_none();
        let Some(glimpse) = span.glimpse().filter(|_| is_proof) else {
            return;
        };
        infer(direction, glimpse.kind, glimpse.zxid, None, span, true, out);
    }

    fn report_reading<O: Observer>(
        &mut self,
        direction: Direction,
        reading: &Reading,
        span: &HiddenSpan,
        at: &mut Numbering,
        timed: bool,
        out: &mut Outlet<'_, O>,
    ) {
        let main = match direction {
            Direction::ToLeader => PacketType::Ack,
            // Up to NEWLEADER an observer is sent its history as everybody is.
            Direction::ToLearner if self.is_observer && !at.is_history => PacketType::Inform,
            Direction::ToLearner => PacketType::Proposal,
        };
        for _ in 0..reading.main {
            let zxid = at.next_main();
            let size = match direction {
                Direction::ToLeader => Some(20),
                Direction::ToLearner => {
                    zxid.and_then(|zxid| out.sizes.size(self.leader_tag, zxid)).map(u64::from)
                }
            };
            infer(direction, main, zxid, size, span, timed, out);
        }
        for _ in 0..reading.commits {
            infer(direction, PacketType::Commit, at.next_commit(), Some(20), span, timed, out);
        }
        let rest = [
            (reading.pings, PacketType::Ping),
            (reading.requests, PacketType::Request),
            (reading.revalidates, PacketType::Revalidate),
            (reading.newleaders, PacketType::NewLeader),
            (reading.uptodates, PacketType::UpToDate),
        ];
        for (count, kind) in rest {
            for _ in 0..count {
                infer(direction, kind, None, None, span, timed, out);
            }
        }
        at.is_history &= reading.newleaders == 0;
        self.note_reading(direction, reading, span);
    }

    /// What a reading changes in what is known of the link.
    fn note_reading(&mut self, direction: Direction, reading: &Reading, span: &HiddenSpan) {
        if reading.newleaders > 0 {
            self.known.awaits_newleader = false;
        }
        if reading.uptodates > 0 {
            self.known.awaits_uptodate = false;
        }
        if reading.pings > 0 {
            match direction {
                Direction::ToLearner => self.known.ping_at = self.known.ping_at.max(Some(span.at)),
                Direction::ToLeader => self.pings.retain(|ping| !ping.is_skipped),
            }
        }
    }

    fn account(&mut self, direction: Direction, span: &HiddenSpan, is_read: bool) {
        let sums = self.sums.of_mut(direction);
        if is_read {
            sums.decoded += span.seen;
        } else {
            sums.unframed += span.seen;
            sums.cut_unframed += span.cut();
        }
    }

    /// A span behind which the thread is lost.
    pub(super) fn abandon(&mut self, direction: Direction, span: &HiddenSpan) {
        self.account(direction, span, false);
    }

    /// The thread is lost in a direction: what waits has its last chance, the numbering starts anew.
    pub(super) fn lost<O: Observer>(&mut self, direction: Direction, out: &mut Outlet<'_, O>) {
        self.read(direction, true, out);
        match direction {
            Direction::ToLeader => self.known.ack = None,
            Direction::ToLearner => {
                self.known.commit = None;
                self.known.proposal = None;
                self.known.ping_at = None;
            }
        }
    }

    /// A snapshot has ended; where its end was cut, NEWLEADER may have gone by behind it.
    pub(super) const fn snapshot_ended(&mut self, is_blind: bool) {
        self.newleader_maybe_passed = is_blind;
        self.known.awaits_newleader = !is_blind;
    }

    /// The link is over: what waits has its last chance.
    pub(super) fn finish<O: Observer>(&mut self, out: &mut Outlet<'_, O>) {
        self.read(Direction::ToLearner, true, out);
        self.read(Direction::ToLeader, true, out);
    }
}

/// The zxids that come next while a reading is reported.
struct Numbering {
    main: Option<Zxid>,
    commit: Option<Zxid>,
    /// Whether NEWLEADER has not come yet.
    is_history: bool,
}

impl Numbering {
    fn note(&mut self, kind: PacketType, zxid: Zxid, direction: Direction) {
        self.is_history &= kind != PacketType::NewLeader;
        match (direction, kind) {
            (Direction::ToLearner, PacketType::Proposal | PacketType::Inform) => {
                self.main = Some(zxid);
            }
            (Direction::ToLeader, PacketType::Ack) if zxid.counter() != 0 => self.main = Some(zxid),
            (Direction::ToLearner, PacketType::Commit) => self.commit = Some(zxid),
            _ => {}
        }
    }

    /// Forgets the numbers that are not certain from a span on.
    fn forget(&mut self, found: Option<&SpanSolved>) {
        if found.is_none_or(|found| !found.is_main_certain) {
            self.main = None;
        }
        if found.is_none_or(|found| !found.is_commit_certain) {
            self.commit = None;
        }
    }

    fn next_main(&mut self) -> Option<Zxid> {
        self.main = self.main.map(|last| last.plus(1));
        self.main
    }

    fn next_commit(&mut self) -> Option<Zxid> {
        self.commit = self.commit.map(|last| last.plus(1));
        self.commit
    }
}

/// The type of a span's only packet, where its captured front names a type whose size the span has.
fn alone(span: &HiddenSpan, direction: Direction) -> Option<PacketType> {
    let glimpse = span.glimpse().filter(|_| span.hint().len() >= 10)?;
    let size = u64::from(fixed_data_len(glimpse.kind, direction.is_to_leader())?.max(0).unsigned_abs()) + 20;
    (size == span.len).then_some(glimpse.kind)
}

/// Whether a head with what follows it is beyond doubt though the epoch is not known.
fn stands_alone(head: &Head, bytes: &[u8]) -> bool {
    let is_of_some_epoch = (1..1 << 24).contains(&head.zxid.epoch());
    if !is_of_some_epoch && head.zxid != Zxid::NONE && head.kind != PacketType::Sync {
        return false;
    }
    // A sid, or its time: other protocols have small numbers there.
    let is_session = |at: usize| word(bytes, at).is_none_or(|top| top >= 1 << 16);
    let is_said = match head.kind {
        PacketType::Proposal | PacketType::Inform => {
            let top = head.zxid.0.to_be_bytes();
            let is_embedded = match bytes.get(28..36) {
                Some(embedded) => embedded == top,
                None => bytes.get(28..30).is_none_or(|embedded| Some(embedded) == top.get(..2)),
            };
            is_embedded && (is_session(16) || bytes.get(16..24) == Some(&[0; 8]))
        }
        PacketType::Ping => head.data_len <= 0 || is_session(16),
        PacketType::FollowerInfo | PacketType::ObserverInfo => head.data_len >= 12 && opens(head, bytes),
        PacketType::LeaderInfo => opens(head, bytes),
        PacketType::NewLeader => head.zxid.counter() == 0 && opens(head, bytes),
        PacketType::InformAndActivate => false,
        _ => true,
    };
    is_said && (head.kind == PacketType::Request || has_tail(head, bytes))
}

/// Whether what was captured of a packet that opens a stream is what such a packet holds: the protocol's
/// version, or the text of a configuration.
pub(super) fn opens(head: &Head, bytes: &[u8]) -> bool {
    let is_protocol = |at: usize| word(bytes, at).is_none_or(|version| version == 0x0001_0000);
    let is_said = match head.kind {
        PacketType::FollowerInfo | PacketType::ObserverInfo => head.data_len < 12 || is_protocol(24),
        PacketType::LeaderInfo => is_protocol(16),
        PacketType::NewLeader => {
            let len = usize::try_from(head.body_len()).unwrap_or(usize::MAX);
            let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
            bytes.get(16..).unwrap_or_default().iter().take(len).all(is_text)
        }
        _ => false,
    };
    is_said && has_tail(head, bytes)
}

/// Whether a null authinfo ends the packet, as far as was captured.
fn has_tail(head: &Head, bytes: &[u8]) -> bool {
    let end = 16 + usize::try_from(head.body_len()).unwrap_or(usize::MAX).min(jute::MAX_LIMIT as usize);
    bytes.get(end..end + 4).is_none_or(|tail| tail == [0xff; 4])
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|word| u32::from_be_bytes(*word))
}

fn infer<O: Observer>(
    direction: Direction,
    kind: PacketType,
    zxid: Option<Zxid>,
    size: Option<u64>,
    span: &HiddenSpan,
    timed: bool,
    out: &mut Outlet<'_, O>,
) {
    let data_len = fixed_data_len(kind, direction.is_to_leader());
    let packet = PacketSeen {
        direction,
        kind,
        zxid,
        data_len,
        size,
        at: span.at,
        last_at: span.at,
        place: span.place,
        seen: &[],
        cut: size.unwrap_or(0),
        inferred: true,
        timed,
    };
    out.observer.packet(out.slot, &packet);
}
