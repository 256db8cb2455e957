//! etcd's peer connections: from segments to raft's records.
//!
//! Every host's captures are read for themselves: what one host sent and what another received are two accounts of
//! the same, and the difference between them is what tells a dead path from a mute process.

mod event;
mod framer;

pub use event::{PeerConnection, PeerEvent, PeerRecord, PeerRecordKind, PeerSegment, PeerTotals};

use crate::dissect::{Event, Observer};
use crate::packet::{Flags, Segment};
use crate::raft::{Codec, PeerRequest, chunk_head, starts_message};
use crate::stream::{Chunk, Connection, Fate, FlowKey, Limits, Membership, Side, Sink};
use crate::time::{Span, Timestamp};
use framer::{ConnectionTerms, FoundRecord, HalfFramer};

/// Hosts whose captures show one connection: its two ends, and one in between.
const MAX_VIEWS: usize = 3;

/// Whether only a member of etcd would begin a segment so: a request of raft's, or a chunk with a message.
pub(super) fn is_distinctive(payload: &[u8]) -> bool {
    if PeerRequest::read(payload).is_some_and(PeerRequest::is_distinctive) {
        return true;
    }
    let Some(head) = chunk_head(payload) else { return false };
    let data = payload.get(head.len..).unwrap_or_default();
    starts_message(head.size, data) == Some(Codec::Message)
}

/// A peer connection, as each host's captures show it.
#[derive(Clone, Debug)]
pub(super) struct PeerFlow {
    key: FlowKey,
    views: Vec<RaftConnection>,
    ports: Vec<u16>,
}

/// What became of a segment.
pub(super) enum Passed {
    /// It took part.
    Taken,
    /// A duplicate of a captured frame.
    Duplicate,
}

impl PeerFlow {
    pub(super) fn new(key: &FlowKey, ports: &[u16]) -> Self {
        Self { key: *key, views: Vec::new(), ports: ports.to_vec() }
    }

    /// The next segment that the captures of a host hold.
    pub(super) fn push<O: Observer>(
        &mut self,
        view: u32,
        side: Side,
        segment: &Segment<'_>,
        limits: &Limits,
        observer: &mut O,
    ) -> Passed {
        let Some(index) = self.view(view, segment) else { return Passed::Taken };
        let Some(of) = self.views.get_mut(index) else { return Passed::Taken };
        match of.push(side, segment, limits, observer) {
            Membership::Part(_) => Passed::Taken,
            Membership::DuplicateFrame => Passed::Duplicate,
            Membership::NewConnection => {
                of.finish(segment.at, observer);
                *of = RaftConnection::new(view, &self.key, &self.ports, segment);
                of.push(side, segment, limits, observer);
                Passed::Taken
            }
        }
    }

    fn view(&mut self, view: u32, segment: &Segment<'_>) -> Option<usize> {
        if let Some(known) = self.views.iter().position(|held| held.id.view == view) {
            return Some(known);
        }
        if self.views.len() >= MAX_VIEWS {
            return None;
        }
        self.views.push(RaftConnection::new(view, &self.key, &self.ports, segment));
        Some(self.views.len() - 1)
    }

    /// Lets timeouts expire.
    pub(super) fn settle<O: Observer>(&mut self, now: Timestamp, limits: &Limits, observer: &mut O) {
        for view in &mut self.views {
            let (connection, mut sink) = view.parts();
            connection.settle(now, limits, &mut sink);
            view.tell(observer);
        }
    }

    /// Gives up on gaps, to free memory.
    pub(super) fn push_out<O: Observer>(&mut self, now: Timestamp, observer: &mut O) {
        for view in &mut self.views {
            let (connection, mut sink) = view.parts();
            connection.push_out(now, &mut sink);
            view.tell(observer);
        }
    }

    /// Ends all.
    pub(super) fn finish<O: Observer>(&mut self, now: Timestamp, observer: &mut O) {
        for view in &mut self.views {
            view.finish(now, observer);
        }
    }

    pub(super) fn is_holding(&self) -> bool {
        self.views.iter().any(|view| view.connection.is_holding())
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.views.iter().map(|view| view.connection.held_bytes()).sum()
    }

    /// Whether each host that saw it saw its end.
    pub(super) fn is_done(&self) -> bool {
        self.views.iter().all(|view| view.connection.done)
    }
}

/// A connection as one host's captures show it.
#[derive(Clone, Debug)]
struct RaftConnection {
    id: PeerConnection,
    key: FlowKey,
    connection: Connection,
    shared: ConnectionTerms,
    framers: [HalfFramer; 2],
    timed: [Timed; 2],
    /// Who dialed.
    dialer: Option<Side>,
    /// What the last segment brought.
    found: Vec<PeerRecord>,
}

/// What of one direction is timed.
#[derive(Clone, Copy, Debug, Default)]
struct Timed {
    /// The end of bytes under way, and when they were sent.
    sent: Option<(u64, Timestamp)>,
    /// When the first segment beyond a gap came.
    hole: Option<Timestamp>,
    has_syn: bool,
    has_fin: bool,
}

impl RaftConnection {
    fn new(view: u32, key: &FlowKey, ports: &[u16], segment: &Segment<'_>) -> Self {
        let is_peer = |side: Side| ports.contains(&key.endpoint(side).port);
        let dialer = match (is_peer(Side::A), is_peer(Side::B)) {
            (true, false) => Some(Side::B),
            (false, true) => Some(Side::A),
            _ => None,
        };
        Self {
            id: PeerConnection { view, first: segment.frame },
            key: *key,
            connection: Connection::new(segment.at),
            shared: ConnectionTerms::default(),
            framers: [HalfFramer::default(), HalfFramer::default()],
            timed: [Timed::default(); 2],
            dialer,
            found: Vec::new(),
        }
    }

    fn parts<'a>(&'a mut self) -> (&'a mut Connection, PeerSink<'a>) {
        let Self { id, key, connection, shared, framers, found, .. } = self;
        (connection, PeerSink { id: *id, key: *key, shared, framers, found })
    }

    fn push<O: Observer>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        limits: &Limits,
        observer: &mut O,
    ) -> Membership {
        let before = (self.connection.half(side).delivered(), self.connection.half(side.other()).acked());
        let is_far = segment.len > 0 && self.connection.half(side).lacks(segment);
        let (connection, mut sink) = self.parts();
        let membership = connection.push(side, segment, limits, &mut sink);
        if let Membership::Part(fate) = membership {
            self.learn_dialer();
            let told = self.told(side, segment, fate, before, is_far);
            // The segment is told before what it brings.
            observer.event(Event::Peer(&PeerEvent::Segment(told)));
        }
        self.tell(observer);
        membership
    }

    /// Tells what was found.
    fn tell<O: Observer>(&mut self, observer: &mut O) {
        for record in self.found.drain(..) {
            observer.event(Event::Peer(&PeerEvent::Record(record)));
        }
    }

    /// Who dialed, where the ports leave it open: the SYN shows it, else the side that sends a stream was dialed.
    fn learn_dialer(&mut self) {
        if let Some(by) = self.connection.opened_by {
            self.dialer = Some(by);
        } else if self.dialer.is_none()
            && let Some(first) =
                self.found.iter().find(|record| matches!(record.kind, PeerRecordKind::Stream(..)))
        {
            let sender = if first.src == self.key.a { Side::A } else { Side::B };
            self.dialer = Some(sender.other());
        }
    }

    fn told(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        fate: Fate,
        (delivered, acked): (u64, u64),
        is_far: bool,
    ) -> PeerSegment {
        let connection = &self.connection;
        let (end, acked_now) = (connection.half(side).delivered(), connection.half(side.other()).acked());
        let new_bytes = match fate {
            Fate::InOrder | Fate::FillsGap => end.saturating_sub(delivered),
            Fate::OutOfOrder if is_far => u64::from(segment.len),
            _ => 0,
        };
        let is_refusal = segment.flags.contains(Flags::RST)
            && connection.opened_by == Some(side.other())
            && !connection.accepted
            && end == 0;
        let round_trip = self.timed_mut(side.other()).acknowledged(acked_now, segment.at);
        let timed = self.timed_mut(side);
        let filled_after = timed.sends(fate, end, new_bytes, segment.at);
        let is_repeated = timed.repeats(segment.flags);
        PeerSegment {
            connection: self.id,
            src: segment.src,
            dst: segment.dst,
            at: segment.at,
            frame: segment.frame,
            len: segment.len,
            new_bytes,
            flags: segment.flags,
            fate,
            acked_more: acked_now > acked,
            is_repeated,
            is_first_close: self.connection.closing.is_some_and(|closing| closing.frame == segment.frame),
            is_refusal,
            round_trip,
            filled_after,
            is_dialers: self.dialer.map(|dialer| dialer == side),
            is_stream: self.shared.codec.is_some(),
            is_tls: self.shared.is_tls,
        }
    }

    const fn timed_mut(&mut self, side: Side) -> &mut Timed {
        let [a, b] = &mut self.timed;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    fn finish<O: Observer>(&mut self, now: Timestamp, observer: &mut O) {
        let (connection, mut sink) = self.parts();
        connection.finish(now, &mut sink);
        self.tell(observer);
        let [a, b] = &self.framers;
        let totals = PeerTotals {
            connection: self.id,
            ends: [self.key.a, self.key.b],
            bytes: [a.sums, b.sums],
            losses: a.losses + b.losses,
        };
        observer.event(Event::Peer(&PeerEvent::Over(totals)));
    }
}

impl Timed {
    /// The other side acknowledges up to `acked`: how long the timed bytes were under way.
    fn acknowledged(&mut self, acked: u64, at: Timestamp) -> Option<Span> {
        let (_, sent) = self.sent.take_if(|(end, _)| acked >= *end)?;
        Some(at.since(sent))
    }

    /// A segment of this side: what it starts to time; how long the gap that it fills was open.
    fn sends(&mut self, fate: Fate, end: u64, new_bytes: u64, at: Timestamp) -> Option<Span> {
        match fate {
            Fate::Retransmission => self.sent = None,
            Fate::OutOfOrder => {
                self.hole.get_or_insert(at);
            }
            Fate::InOrder if new_bytes > 0 => {
                self.sent.get_or_insert((end, at));
            }
            Fate::FillsGap => {
                self.sent = None;
                return self.hole.take().map(|hole| at.since(hole));
            }
            _ => {}
        }
        None
    }

    /// Whether a SYN or a FIN came before.
    const fn repeats(&mut self, flags: Flags) -> bool {
        let (syn, fin) = (flags.contains(Flags::SYN), flags.contains(Flags::FIN));
        let is_repeated = syn && self.has_syn || fin && self.has_fin;
        self.has_syn |= syn;
        self.has_fin |= fin;
        is_repeated
    }
}

/// Takes what reassembly delivers to the framing of its direction.
struct PeerSink<'a> {
    id: PeerConnection,
    key: FlowKey,
    shared: &'a mut ConnectionTerms,
    framers: &'a mut [HalfFramer; 2],
    found: &'a mut Vec<PeerRecord>,
}

impl Sink for PeerSink<'_> {
    fn chunk(&mut self, side: Side, chunk: Chunk<'_>) {
        let (src, dst) = (self.key.endpoint(side), self.key.endpoint(side.other()));
        let Self { id, shared, framers: [a, b], found, .. } = self;
        let framer = if side == Side::A { a } else { b };
        framer.chunk(&chunk, shared, &mut |one: FoundRecord| {
            found.push(PeerRecord {
                connection: *id,
                src,
                dst,
                at: chunk.at,
                frame: chunk.frame,
                kind: one.kind,
                size: one.size,
                cut: one.cut,
                count: one.count,
                is_inferred: one.is_inferred,
            });
        });
    }

    fn gap(&mut self, side: Side, _offset: u64, len: u64, _at: Timestamp) {
        let [a, b] = &mut *self.framers;
        if side == Side::A { a.gap(len) } else { b.gap(len) }
    }
}
