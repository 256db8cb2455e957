//! A connection: recognizes its protocol, and passes its streams to the framing.

mod link;

use super::DissectOptions;
use super::byte_sums::ByteSums;
use super::election::ElectionFramer;
use super::event::{ElectionTotals, Event, Observer, Port};
use super::link::LinkContext;
use super::raft::{self, Passed, PeerFlow};
use super::segment_match::Hosts;
use crate::frame::FrameRef;
use crate::packet::{Flags, IgnoreReason, Segment};
use crate::proto::quorum::Head;
use crate::proto::{PacketType, election::Hello};
use crate::stream::{Chunk, Connection, FlowKey, Limits, Membership, Side, Sink};
use crate::time::Timestamp;
use link::{LinkFlow, LinkSink};

/// Segments of a connection on unknown ports that are inspected before it is ignored.
const MAX_PROBES: u8 = 8;

#[derive(Clone, Debug)]
enum FlowKind {
    Undecided(u8),
    Quorum(Box<LinkFlow>),
    Election(Box<[ElectionFramer; 2]>),
    Peer(Box<PeerFlow>),
    Other,
    /// The same frames as another connection's, before or after an address translation.
    Copy,
}

#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) connection: Connection,
    kind: FlowKind,
    first: FrameRef,
    /// Its share of [`super::Dissector::held_bytes`].
    pub(super) held_bytes: usize,
}

/// What became of a segment.
pub(super) enum Disposition {
    Taken,
    Copy,
    Other,
    Another,
}

impl FlowKind {
    fn quorum(key: &FlowKey, leader_side: Side, segment: &Segment<'_>) -> Self {
        Self::Quorum(Box::new(LinkFlow::new(key, leader_side, segment.flags.contains(Flags::SYN))))
    }

    /// An election connection, and who dialed it, where its start was seen.
    fn election(key: &FlowKey, dialer: Option<Side>) -> Self {
        let begins = |side: Side| dialer.map(|dialer| dialer == side);
        Self::Election(Box::new([
            ElectionFramer::new(key.a, key.b, begins(Side::A)),
            ElectionFramer::new(key.b, key.a, begins(Side::B)),
        ]))
    }

    fn peer(key: &FlowKey, ports: &[u16]) -> Self {
        Self::Peer(Box::new(PeerFlow::new(key, ports)))
    }
}

impl Flow {
    /// The state of a new connection, whose protocol its ports or its first segment may show.
    pub(super) fn new(key: &FlowKey, side: Side, segment: &Segment<'_>, settings: &DissectOptions) -> Self {
        let is_leader = |port| settings.quorum_ports.contains(&port);
        let is_election = |port| settings.election_ports.contains(&port);
        let kind = match (is_leader(segment.src.port), is_leader(segment.dst.port)) {
            (true, false) => FlowKind::quorum(key, side, segment),
            (false, true) => FlowKind::quorum(key, side.other(), segment),
            // Both ports are quorum ports: the leader is the side that was dialed.
            (true, true) if segment.flags.contains(Flags::SYN) && segment.flags.contains(Flags::ACK) => {
                FlowKind::quorum(key, side, segment)
            }
            (true, true) => FlowKind::quorum(key, side.other(), segment),
            (false, false) if is_election(segment.src.port) || is_election(segment.dst.port) => {
                let answers = segment.flags.contains(Flags::ACK);
                let dialer =
                    segment.flags.contains(Flags::SYN).then_some(if answers { side.other() } else { side });
                FlowKind::election(key, dialer)
            }
            (false, false)
                if settings.peer_ports.contains(&segment.src.port)
                    || settings.peer_ports.contains(&segment.dst.port) =>
            {
                FlowKind::peer(key, &settings.peer_ports)
            }
            (false, false) => FlowKind::Undecided(0),
        };
        Self { connection: Connection::new(segment.at), kind, first: segment.frame, held_bytes: 0 }
    }

    #[inline(always)]
    pub(super) fn push<O: Observer>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        limits: &Limits,
        out: &mut LinkContext<'_, O>,
    ) -> Disposition {
        if let FlowKind::Undecided(probes) = self.kind {
            self.decide(&FlowKey::of(segment.src, segment.dst).0, side, probes, segment);
        }
        let Self { connection, kind, first, .. } = self;
        match kind {
            FlowKind::Quorum(link) => link.push(connection, *first, side, segment, limits, out),
            FlowKind::Election(framers) => {
                out.observer.event(Event::Aside(segment, Port::Election));
                let mut sink = ElectionSink { framers, observer: out.observer };
                Disposition::of(connection.push(side, segment, limits, &mut sink), Disposition::Taken)
            }
            FlowKind::Copy => {
                connection.last_at = segment.at;
                Disposition::Copy
            }
            FlowKind::Peer(peer) => {
                let passed = peer.push(0, side, segment, limits, out.observer);
                connection.last_at = connection.last_at.max(segment.at);
                connection.done = peer.is_done();
                passed.into()
            }
            FlowKind::Undecided(_) | FlowKind::Other => {
                Disposition::of(connection.push(side, segment, limits, &mut Nowhere), Disposition::Other)
            }
        }
    }

    /// [`Self::push`] for the first segment of what proved to be another connection.
    #[cold]
    #[inline(never)]
    pub(super) fn push_first<O: Observer>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        limits: &Limits,
        out: &mut LinkContext<'_, O>,
    ) {
        self.push(side, segment, limits, out);
    }

    /// Inspects the first bytes on unknown ports for what only ZooKeeper sends.
    #[cold]
    fn decide(&mut self, key: &FlowKey, side: Side, probes: u8, segment: &Segment<'_>) {
        if segment.payload.is_empty() {
            return;
        }
        let is_fresh = self.connection.half(side).delivered() == 0 && self.connection.opened_by.is_some();
        let first = segment.payload.first_chunk::<8>().map(|first| i64::from_be_bytes(*first));
        let is_learner = Head::decode(segment.payload).is_some_and(|head| {
            matches!(head.kind, PacketType::FollowerInfo | PacketType::ObserverInfo)
                && head.data_len >= 8
                && head.plausible(true, 64)
        });
        self.kind = if is_learner && is_fresh {
            FlowKind::Quorum(Box::new(LinkFlow::new(key, side.other(), true)))
        } else if is_fresh && matches!(first, Some(Hello::V1 | Hello::V2)) {
            FlowKind::election(key, Some(side))
        } else if let Some(leader_side) = says_quorum(segment.payload, side) {
            FlowKind::quorum(key, leader_side, segment)
        } else if raft::is_distinctive(segment.payload) {
            FlowKind::peer(key, &[])
        } else if probes >= MAX_PROBES {
            FlowKind::Other
        } else {
            FlowKind::Undecided(probes + 1)
        };
    }

    pub(super) fn settle<O: Observer>(
        &mut self,
        now: Timestamp,
        limits: &Limits,
        out: &mut LinkContext<'_, O>,
    ) {
        match &mut self.kind {
            FlowKind::Quorum(link) => self.connection.settle(now, limits, &mut LinkSink { link, out }),
            FlowKind::Election(framers) => {
                self.connection.settle(now, limits, &mut ElectionSink { framers, observer: out.observer });
            }
            FlowKind::Peer(peer) => peer.settle(now, limits, out.observer),
            FlowKind::Undecided(_) | FlowKind::Other | FlowKind::Copy => {
                self.connection.settle(now, limits, &mut Nowhere)
            }
        }
    }

    pub(super) fn push_out<O: Observer>(&mut self, now: Timestamp, out: &mut LinkContext<'_, O>) {
        match &mut self.kind {
            FlowKind::Quorum(link) => self.connection.push_out(now, &mut LinkSink { link, out }),
            FlowKind::Election(framers) => {
                self.connection.push_out(now, &mut ElectionSink { framers, observer: out.observer });
            }
            FlowKind::Peer(peer) => peer.push_out(now, out.observer),
            FlowKind::Undecided(_) | FlowKind::Other | FlowKind::Copy => {
                self.connection.push_out(now, &mut Nowhere)
            }
        }
    }

    /// Matches a segment of a link whose two ends may be captured. Returns an outcome if it is from the
    /// learner's capture, so that the leader's capture alone drives the link.
    #[cold]
    pub(super) fn cross<O: Observer>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        settings: &mut DissectOptions,
        out: &mut LinkContext<'_, O>,
    ) -> Option<Disposition> {
        let host = settings.hosts.saw(segment.frame.file, segment.at)?;
        let link = match &mut self.kind {
            FlowKind::Quorum(link) => link,
            FlowKind::Peer(peer) => {
                let view = settings.hosts.number(segment.frame.file);
                let passed = peer.push(view, side, segment, &settings.limits, out.observer);
                self.connection.last_at = self.connection.last_at.max(segment.at);
                self.connection.done = peer.is_done();
                return Some(passed.into());
            }
            _ => return None,
        };
        link.cross(&mut self.connection, host, side, segment, settings, out)
    }

    /// Whether the last segment of a side may have pushed the flow above its free allowance of memory.
    #[inline(always)]
    pub(super) fn is_holding(&self, side: Side) -> bool {
        self.connection.is_holding()
            || match &self.kind {
                FlowKind::Quorum(link) => link.is_holding(side),
                FlowKind::Election(framers) => framers.iter().any(|framer| framer.kept_bytes() > 0),
                FlowKind::Peer(peer) => peer.is_holding(),
                FlowKind::Undecided(_) | FlowKind::Other | FlowKind::Copy => false,
            }
    }

    /// Whether segments in flight between two captured ends are remembered.
    pub(super) fn crosses(&self) -> bool {
        matches!(&self.kind, FlowKind::Quorum(link) if link.has_matcher())
    }

    /// Bytes of memory held.
    pub(super) fn weight(&self) -> usize {
        let more = match &self.kind {
            FlowKind::Quorum(link) => link.held_bytes(),
            FlowKind::Election(framers) => framers.iter().map(ElectionFramer::kept_bytes).sum(),
            FlowKind::Peer(peer) => peer.held_bytes(),
            FlowKind::Undecided(_) | FlowKind::Other | FlowKind::Copy => 0,
        };
        self.connection.held_bytes() + more
    }

    /// Frees memory without losing framing: drops the rest of large records, pending spans, and segments in
    /// flight.
    pub(super) fn lighten<O: Observer>(&mut self, out: &mut LinkContext<'_, O>) {
        match &mut self.kind {
            FlowKind::Quorum(link) => link.lighten(out),
            FlowKind::Election(framers) => framers.iter_mut().for_each(ElectionFramer::keep_less),
            FlowKind::Peer(_) | FlowKind::Undecided(_) | FlowKind::Other | FlowKind::Copy => {}
        }
    }

    /// Whether its ports say that it is a link or an election connection.
    pub(super) const fn is_wanted(&self) -> bool {
        matches!(self.kind, FlowKind::Quorum(_) | FlowKind::Election(_))
    }

    /// Its frames are copies of another connection's.
    pub(super) fn is_copy(&mut self) {
        self.kind = FlowKind::Copy;
    }

    /// Whether this frame is its first.
    pub(super) fn begins_with(&self, frame: FrameRef) -> bool {
        self.first == frame
    }

    pub(super) const fn matters(&self) -> bool {
        match &self.kind {
            FlowKind::Quorum(link) => link.is_announced(),
            FlowKind::Election(_) | FlowKind::Peer(_) => true,
            FlowKind::Undecided(_) | FlowKind::Other | FlowKind::Copy => false,
        }
    }

    /// Finishes the connection; returns the byte sums of an election connection.
    pub(super) fn finish<O: Observer>(
        &mut self,
        now: Timestamp,
        hosts: &Hosts,
        out: &mut LinkContext<'_, O>,
    ) -> ByteSums {
        match &mut self.kind {
            FlowKind::Quorum(link) => {
                self.connection.finish(now, &mut LinkSink { link, out });
                link.settle(&self.connection, now, hosts, out);
                link.finish(&self.connection, out);
                ByteSums::default()
            }
            FlowKind::Election(framers) => {
                self.connection.finish(now, &mut ElectionSink { framers, observer: out.observer });
                let [a, b] = &mut **framers;
                a.finish();
                b.finish();
                let sums = a.sums.plus(&b.sums);
                let is_tls = a.is_tls() || b.is_tls();
                let is_empty =
                    sums.stream() == 0 && self.connection.accepted && self.connection.closing.is_some();
                let is_stranger =
                    !is_tls && !a.has_spoken() && !b.has_spoken() && (sums.unframed > 0 || is_empty);
                let totals = ElectionTotals { bytes: sums, is_tls, is_stranger };
                out.observer.event(Event::ElectionOver(&totals));
                sums
            }
            FlowKind::Peer(peer) => {
                peer.finish(now, out.observer);
                ByteSums::default()
            }
            FlowKind::Undecided(_) | FlowKind::Other | FlowKind::Copy => ByteSums::default(),
        }
    }
}

/// The leader's side, if these bytes are a distinctive packet that only one side sends.
fn says_quorum(payload: &[u8], side: Side) -> Option<Side> {
    let head = Head::decode(payload)?;
    let tail = payload.get(16..20)?;
    let is_small = head.data_len == -1 && tail == [0xff; 4] && head.zxid.epoch() > 0;
    match head.kind {
        PacketType::Ack if is_small => Some(side.other()),
        PacketType::Commit | PacketType::Ping if is_small => Some(side),
        PacketType::Ping if head.data_len == 0 && tail == [0xff; 4] && head.zxid.epoch() > 0 => {
            Some(side.other())
        }
        _ => None,
    }
}

impl Disposition {
    pub(super) const fn ignored(&self) -> Option<IgnoreReason> {
        match self {
            Self::Copy => Some(IgnoreReason::Duplicate),
            Self::Other => Some(IgnoreReason::OtherPort),
            Self::Taken | Self::Another => None,
        }
    }

    const fn of(verdict: Membership, taken: Self) -> Self {
        match verdict {
            Membership::Part(_) => taken,
            Membership::DuplicateFrame => Self::Copy,
            Membership::NewConnection => Self::Another,
        }
    }
}

impl From<Passed> for Disposition {
    fn from(passed: Passed) -> Self {
        match passed {
            Passed::Taken => Self::Taken,
            Passed::Duplicate => Self::Copy,
        }
    }
}

struct ElectionSink<'a, O> {
    framers: &'a mut [ElectionFramer; 2],
    observer: &'a mut O,
}

impl<O: Observer> Sink for ElectionSink<'_, O> {
    fn chunk(&mut self, side: Side, chunk: Chunk<'_>) {
        let [a, b] = &mut *self.framers;
        match side {
            Side::A => a.chunk(&chunk, self.observer),
            Side::B => b.chunk(&chunk, self.observer),
        }
    }

    fn gap(&mut self, side: Side, _offset: u64, len: u64, _at: Timestamp) {
        let [a, b] = &mut *self.framers;
        match side {
            Side::A => a.gap(len),
            Side::B => b.gap(len),
        }
    }
}

/// A sink that ignores everything.
struct Nowhere;

impl Sink for Nowhere {
    fn chunk(&mut self, _side: Side, _chunk: Chunk<'_>) {}
    fn gap(&mut self, _side: Side, _offset: u64, _len: u64, _at: Timestamp) {}
}
