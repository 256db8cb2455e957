//! Stores events and replays them: the way from the dissecting thread to the tracking thread.
//!
//! [`Events`] is an [`Observer`] that stores each event, compact and in order, and [`Replayer`] passes them
//! to another one. So one thread and several do the same work in the same order, and the report does not
//! depend on the number of threads. The event of a frame takes about one cache line; rare events are stored
//! separately. Only the bytes that the observer needs are copied.

use std::fmt;
use std::marker::PhantomData;

use super::event::{
    AuthSeen, Direction, ElectionMessage, ElectionSeen, ElectionTotals, Event, Gap, LinkOpened, LinkTotals,
    Observer, PacketSeen, Port, SegmentMatch, SegmentSeen, SnapshotSeen, Unread,
};
use super::raft::PeerEvent;
use crate::address::Endpoint;
use crate::frame::FrameRef;
use crate::packet::{Segment, SegmentHeader};
use crate::proto::election::{Hello, Notification};
use crate::proto::{PacketType, Zxid};
use crate::stream::{Closing, ConnectionSlot, Fate};
use crate::time::Timestamp;

/// Events per piece: few enough for the CPU's cache.
const FULL: usize = 2_048;
/// Bytes per piece.
const FULL_BYTES: usize = 128 * 1024;

/// Events stored for an observer of type `O`.
pub struct Events<O> {
    events: Vec<Stored>,
    /// Rare events, in the order of their [`Stored::Rare`] entries.
    rare: Vec<Rare>,
    bytes: Vec<u8>,
    reader: PhantomData<fn() -> O>,
}

/// A range of the stored bytes.
#[derive(Clone, Copy, Debug, Default)]
struct ByteRange {
    start: u32,
    len: u32,
}

#[derive(Clone, Copy, Debug)]
enum Stored {
    Segment(StoredSegment),
    AtLearner(StoredSegment),
    Packet(StoredRecord),
    Rare,
}

/// A segment without its payload and its endpoints, which are the link's.
#[derive(Clone, Copy, Debug)]
struct StoredSegment {
    header: SegmentHeader,
    new_bytes: u64,
    slot: ConnectionSlot,
    fate: Fate,
    direction: Direction,
    acked_more: bool,
    both_ends_captured: bool,
}

/// A packet within one frame whose head was seen: nearly all packets.
#[derive(Clone, Copy, Debug)]
struct StoredRecord {
    at: Timestamp,
    zxid: Zxid,
    frame: FrameRef,
    kind: PacketType,
    slot: ConnectionSlot,
    data_len: i32,
    size: u32,
    cut: u32,
    seen: ByteRange,
    direction: Direction,
}

#[derive(Clone, Debug)]
enum Rare {
    Packet(ConnectionSlot, PacketSeen<'static>, ByteRange),
    LinkOpened(ConnectionSlot, LinkOpened),
    SegmentMatch(ConnectionSlot, SegmentMatch),
    Snapshot(ConnectionSlot, SnapshotSeen),
    LinkClosed(ConnectionSlot, Direction, Closing),
    LinkEncrypted(ConnectionSlot),
    Gap(ConnectionSlot, Direction, Gap),
    Unread(ConnectionSlot, Direction, Unread),
    LinkUnwatched(ConnectionSlot, Timestamp),
    LinkOver(ConnectionSlot, Box<LinkTotals>),
    ElectionOver(Box<ElectionTotals>),
    Election(Box<ElectionSeen<'static>>, [ByteRange; 2]),
    Auth(Box<AuthSeen>),
    Peer(Box<PeerEvent>),
    Aside(Box<Segment<'static>>, Port),
}

impl<O> Default for Events<O> {
    fn default() -> Self {
        Self { events: Vec::with_capacity(FULL), rare: Vec::new(), bytes: Vec::new(), reader: PhantomData }
    }
}

impl<O> fmt::Debug for Events<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("events", &self.events.len()).finish_non_exhaustive()
    }
}

impl<O> Events<O> {
    /// Whether the piece is full.
    #[must_use]
    #[inline]
    pub const fn is_full(&self) -> bool {
        self.events.len() >= FULL || self.bytes.len() >= FULL_BYTES
    }

    /// Whether there are no events.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Removes all events and keeps the memory.
    pub fn clear(&mut self) {
        self.events.clear();
        self.rare.clear();
        self.bytes.clear();
        // Do not keep the memory of an exceptionally long piece.
        self.bytes.shrink_to(FULL_BYTES);
    }

    fn keep(&mut self, bytes: &[u8]) -> ByteRange {
        if bytes.is_empty() {
            return ByteRange::default();
        }
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(bytes);
        ByteRange { start, len: u32::try_from(bytes.len()).unwrap_or(0) }
    }

    #[inline]
    fn part(&self, part: ByteRange) -> &[u8] {
        let start = part.start as usize;
        self.bytes.get(start..start + part.len as usize).unwrap_or_default()
    }

    #[cold]
    fn rare(&mut self, rare: Rare) {
        self.rare.push(rare);
        self.events.push(Stored::Rare);
    }
}

/// From this length on a packet is large, in bytes.
const LARGE: u64 = 32 * 1024;
/// What is kept of a large one: heads and a path.
const LARGE_SEEN: usize = 320;

impl<O: Observer> Events<O> {
    #[inline]
    fn packet(&mut self, slot: ConnectionSlot, packet: &PacketSeen<'_>) {
        let most = O::looks_at(packet.kind);
        // Of a large one the path may be asked for, which is rare.
        let most = if packet.size >= Some(LARGE) { most.max(LARGE_SEEN) } else { most };
        let wanted = packet.seen.len().min(most);
        let seen = packet.seen.get(..wanted).unwrap_or_default();
        let seen = if seen.is_empty() { ByteRange::default() } else { self.keep(seen) };
        if let (Some(zxid), Some(data_len), Some(size)) = (packet.zxid, packet.data_len, packet.size)
            && packet.last_at == packet.at
            && packet.timed
            && !packet.inferred
            && let (Ok(size), Ok(cut)) = (u32::try_from(size), u32::try_from(packet.cut))
        {
            self.events.push(Stored::Packet(StoredRecord {
                at: packet.at,
                zxid,
                frame: packet.frame,
                kind: packet.kind,
                slot,
                data_len,
                size,
                cut,
                seen,
                direction: packet.direction,
            }));
        } else {
            self.rare(Rare::Packet(slot, PacketSeen { seen: &[], ..*packet }, seen));
        }
    }

    fn election(&mut self, seen: &ElectionSeen<'_>) {
        let (message, parts) = match seen.message {
            ElectionMessage::Hello(Hello::Addressed { protocol, sid, text }) => {
                let text = self.keep(text);
                let hello = Hello::Addressed { protocol, sid, text: &[] };
                (ElectionMessage::Hello(hello), [text, ByteRange::default()])
            }
            ElectionMessage::Hello(Hello::Bare { sid }) => {
                (ElectionMessage::Hello(Hello::Bare { sid }), [ByteRange::default(); 2])
            }
            ElectionMessage::Notification(said) => {
                let parts = [self.keep(said.config.unwrap_or_default()), self.keep(said.rest)];
                let said = Notification { config: said.config.map(|_| &[][..]), rest: &[], ..said };
                (ElectionMessage::Notification(said), parts)
            }
            ElectionMessage::Unread => (ElectionMessage::Unread, [ByteRange::default(); 2]),
        };
        self.rare(Rare::Election(Box::new(ElectionSeen { message, ..*seen }), parts));
    }
}

impl<O: Observer> Observer for Events<O> {
    #[inline(always)]
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Segment(slot, seen) => self.events.push(Stored::Segment(StoredSegment::of(slot, seen))),
            Event::AtLearner(slot, seen) => {
                self.events.push(Stored::AtLearner(StoredSegment::of(slot, seen)))
            }
            Event::Packet(slot, packet) => self.packet(slot, packet),
            Event::LinkOpened(slot, opened) => self.rare(Rare::LinkOpened(slot, *opened)),
            Event::SegmentMatch(slot, segment_match) => self.rare(Rare::SegmentMatch(slot, *segment_match)),
            Event::Snapshot(slot, snapshot) => self.rare(Rare::Snapshot(slot, *snapshot)),
            Event::LinkEncrypted(slot) => self.rare(Rare::LinkEncrypted(slot)),
            Event::LinkClosed(slot, direction, closing) => {
                self.rare(Rare::LinkClosed(slot, direction, *closing));
            }
            Event::Gap(slot, direction, gap) => self.rare(Rare::Gap(slot, direction, *gap)),
            Event::Unread(slot, direction, unread) => self.rare(Rare::Unread(slot, direction, *unread)),
            Event::LinkUnwatched(slot, at) => self.rare(Rare::LinkUnwatched(slot, at)),
            Event::LinkOver(slot, totals) => self.rare(Rare::LinkOver(slot, Box::new(*totals))),
            Event::ElectionOver(totals) => self.rare(Rare::ElectionOver(Box::new(*totals))),
            Event::Election(seen) => self.election(seen),
            Event::Aside(segment, port) => {
                self.rare(Rare::Aside(Box::new(Segment { payload: &[], ..*segment }), port));
            }
            Event::Auth(auth) => self.rare(Rare::Auth(Box::new(*auth))),
            Event::Peer(seen) => self.rare(Rare::Peer(Box::new(*seen))),
        }
    }
}

/// Replays events; holds what pieces have in common.
#[derive(Clone, Debug, Default)]
pub struct Replayer {
    /// Leader and learner of the link in each slot.
    ends: Vec<(Endpoint, Endpoint)>,
}

impl Replayer {
    /// Passes the stored events to `observer` in the same order. Use the same `Replayer` for all pieces of a
    /// capture, since slots identify links.
    pub fn tell<O: Observer>(&mut self, events: &Events<O>, observer: &mut O) {
        let mut rare = events.rare.iter();
        for event in &events.events {
            match event {
                Stored::Segment(line) => {
                    line.show(self.ends(line.slot), |seen| observer.event(Event::Segment(line.slot, seen)));
                }
                Stored::AtLearner(line) => {
                    line.show(self.ends(line.slot), |seen| observer.event(Event::AtLearner(line.slot, seen)));
                }
                Stored::Packet(record) => record.tell(events.part(record.seen), observer),
                Stored::Rare => {
                    let Some(rare) = rare.next() else { continue };
                    self.rare(rare, events, observer);
                }
            }
        }
    }

    #[inline]
    fn ends(&self, slot: ConnectionSlot) -> (Endpoint, Endpoint) {
        self.ends.get(slot.index()).copied().unwrap_or_default()
    }

    #[cold]
    fn rare<O: Observer>(&mut self, rare: &Rare, events: &Events<O>, observer: &mut O) {
        match rare {
            Rare::Packet(slot, packet, seen) => {
                let packet = PacketSeen { seen: events.part(*seen), ..*packet };
                observer.event(Event::Packet(*slot, &packet));
            }
            Rare::LinkOpened(slot, opened) => {
                let index = slot.index();
                if self.ends.len() <= index {
                    self.ends.resize(index + 1, Default::default());
                }
                if let Some(ends) = self.ends.get_mut(index) {
                    *ends = (opened.leader, opened.learner);
                }
                observer.event(Event::LinkOpened(*slot, opened));
            }
            Rare::SegmentMatch(slot, segment_match) => {
                observer.event(Event::SegmentMatch(*slot, segment_match))
            }
            Rare::Snapshot(slot, snapshot) => observer.event(Event::Snapshot(*slot, snapshot)),
            Rare::LinkEncrypted(slot) => observer.event(Event::LinkEncrypted(*slot)),
            Rare::LinkClosed(slot, direction, closing) => {
                observer.event(Event::LinkClosed(*slot, *direction, closing));
            }
            Rare::Gap(slot, direction, gap) => observer.event(Event::Gap(*slot, *direction, gap)),
            Rare::Unread(slot, direction, unread) => observer.event(Event::Unread(*slot, *direction, unread)),
            Rare::LinkUnwatched(slot, at) => observer.event(Event::LinkUnwatched(*slot, *at)),
            Rare::ElectionOver(totals) => observer.event(Event::ElectionOver(totals)),
            Rare::LinkOver(slot, totals) => observer.event(Event::LinkOver(*slot, totals)),
            Rare::Election(seen, [first, second]) => {
                let (first, second) = (events.part(*first), events.part(*second));
                let message = match seen.message {
                    ElectionMessage::Hello(Hello::Addressed { protocol, sid, .. }) => {
                        ElectionMessage::Hello(Hello::Addressed { protocol, sid, text: first })
                    }
                    ElectionMessage::Notification(said) => ElectionMessage::Notification(Notification {
                        config: said.config.map(|_| first),
                        rest: second,
                        ..said
                    }),
                    other => other,
                };
                observer.event(Event::Election(&ElectionSeen { message, ..**seen }));
            }
            Rare::Aside(segment, port) => observer.event(Event::Aside(segment, *port)),
            Rare::Auth(auth) => observer.event(Event::Auth(auth)),
            Rare::Peer(seen) => observer.event(Event::Peer(seen)),
        }
    }
}

impl StoredSegment {
    #[inline(always)]
    fn of(slot: ConnectionSlot, seen: &SegmentSeen<'_>) -> Self {
        let SegmentSeen { direction, segment, fate, new_bytes, acked_more, both_ends_captured } = *seen;
        Self { header: segment.header, new_bytes, slot, fate, direction, acked_more, both_ends_captured }
    }

    #[inline(always)]
    fn show(&self, (leader, learner): (Endpoint, Endpoint), to: impl FnOnce(&SegmentSeen<'_>)) {
        let Self { header, new_bytes, fate, direction, acked_more, both_ends_captured, .. } = *self;
        let (src, dst) = match direction {
            Direction::ToLeader => (learner, leader),
            Direction::ToLearner => (leader, learner),
        };
        let segment = &Segment { src, dst, header, payload: &[] };
        to(&SegmentSeen { direction, segment, fate, new_bytes, acked_more, both_ends_captured });
    }
}

impl StoredRecord {
    #[inline]
    fn tell(&self, seen: &[u8], observer: &mut impl Observer) {
        let packet = PacketSeen {
            direction: self.direction,
            kind: self.kind,
            zxid: Some(self.zxid),
            data_len: Some(self.data_len),
            size: Some(u64::from(self.size)),
            at: self.at,
            last_at: self.at,
            frame: self.frame,
            seen,
            cut: u64::from(self.cut),
            inferred: false,
            timed: true,
        };
        observer.event(Event::Packet(self.slot, &packet));
    }
}
