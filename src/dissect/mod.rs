//! Joins streams and protocol: from segments to links, packets and notifications.
//!
//! In: segments in capture order. Out, through an [`Observer`]: what happened on each link between a
//! leader and a learner and on each election connection. Which side leads follows from the ports, or
//! from what the streams say. Deterministic: the same segments give the same events.

mod election;
mod event;
mod events;
mod framer;
mod inference;
mod link;
mod segment_match;
mod span;

pub use event::{
    AuthSeen, ByteSums, Direction, ElectionMessage, ElectionSeen, ElectionTotals, Event, Gap, LinkOpened,
    LinkTotals, Observer, PacketSeen, PerDirection, Protection, SegmentMatch, SegmentSeen, SnapshotSeen,
    Trouble, Unread,
};
pub use segment_match::Hosts;

pub use events::{Events, Replayer};

use crate::address::Address;
use crate::packet::{Flags, IgnoreReason, Segment};
use crate::proto::quorum::Head;
use crate::proto::{PacketType, election::Hello};
use crate::stream::{Chunk, Connection, FlowKey, Limits, Lookup, Membership, Side, Sink, Slot, Table};
use crate::time::{Span, Timestamp};
use election::ElectionFramer;
use framer::Framer;
use inference::Scratch;
use link::{LinkContext, LinkState, Sizes};
use segment_match::SegmentMatcher;
use std::collections::BTreeMap;

/// Segments of a connection on unknown ports that are looked at before it is left alone.
const MAX_PROBES: u8 = 8;
/// One slot is looked at for being over per this many segments.
const SWEEP_EVERY: u32 = 64;
/// How long a closed connection is remembered for its late frames.
const LINGER: Span = Span::from_millis(60_000);
/// How long a connection that never came to anything is remembered.
const FORGET: Span = Span::from_millis(300_000);

/// What the dissector is told.
#[derive(Clone, Debug)]
pub struct DissectOptions {
    /// Ports on which leaders listen to learners.
    pub quorum_ports: Vec<u16>,
    /// Ports of leader election.
    pub election_ports: Vec<u16>,
    /// Bounds of reassembly.
    pub limits: Limits,
    /// Where the files were taken, where there are captures of several hosts.
    pub hosts: Hosts,
}

impl Default for DissectOptions {
    /// ZooKeeper's customary ports.
    fn default() -> Self {
        Self {
            quorum_ports: vec![2888],
            election_ports: vec![3888],
            limits: Limits::default(),
            hosts: Hosts::default(),
        }
    }
}

/// A connection that joins a leader and a learner.
#[derive(Clone, Debug)]
struct Link {
    leader_side: Side,
    state: LinkState,
    to_leader: Framer,
    to_learner: Framer,
    is_announced: bool,
    is_closed: bool,
    picked_up: bool,
    /// What is on its way, once both ends were captured.
    matcher: Option<Box<SegmentMatcher>>,
}

#[derive(Clone, Debug)]
enum Kind {
    Undecided(u8),
    Quorum(Box<Link>),
    Election(Box<[ElectionFramer; 2]>),
    Other,
}

#[derive(Clone, Debug)]
struct Flow {
    connection: Connection,
    kind: Kind,
    first: crate::frame::FrameRef,
    /// What it takes of [`Dissector::held_bytes`].
    held_bytes: usize,
}

/// Counts of what passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Copies of frames seen before.
    pub duplicates: u64,
    /// Frames of connections that are neither quorum's nor election's.
    pub other_port: u64,
    /// Byte sums of the election connections.
    pub election_bytes: ByteSums,
    /// How often a stream had to let go of something because all streams together held too much.
    pub held_bytes_hit: u64,
}

/// The dissector: all connections of a capture.
#[derive(Clone, Debug)]
pub struct Dissector {
    settings: DissectOptions,
    has_ends: bool,
    table: Table,
    flows: Vec<Option<Flow>>,
    sizes: Sizes,
    scratch: Scratch,
    sweep: u32,
    sweep_at: usize,
    /// Slots ended, once the capture is over.
    ended: usize,
    last_at: Timestamp,
    /// Bytes of memory that the flows hold: waiting segments, and records that are not whole yet.
    held_bytes: usize,
    /// What passed so far.
    pub counts: Counts,
}

impl Dissector {
    /// A dissector that has seen nothing yet.
    #[must_use]
    pub fn new(settings: DissectOptions) -> Self {
        Self {
            table: Table::new(settings.limits.connections),
            has_ends: !settings.hosts.is_one(),
            settings,
            flows: Vec::new(),
            sizes: Sizes::new(),
            scratch: Scratch::default(),
            sweep: 0,
            sweep_at: 0,
            ended: 0,
            last_at: Timestamp::MIN,
            held_bytes: 0,
            counts: Counts::default(),
        }
    }

    /// Which limits were reached, and how often.
    #[must_use]
    pub fn limits_hit(&self) -> BTreeMap<&'static str, u64> {
        let counts = [("connections", self.table.evicted), ("held_bytes", self.counts.held_bytes_hit)];
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// No frame comes any more of a file, by its index in the input.
    pub fn file_over(&mut self, file: u32) {
        self.settings.hosts.over(file);
    }

    /// Takes the next segment of the capture.
    #[inline]
    pub fn segment<O: Observer>(&mut self, segment: &Segment<'_>, observer: &mut O) -> Option<IgnoreReason> {
        self.last_at = self.last_at.max(segment.at);
        let (slot, side) = match self.table.find_recent(&segment.src, &segment.dst, segment.at) {
            Some(found) => found,
            None => self.find(segment, observer),
        };
        self.sweep += 1;
        if self.sweep >= SWEEP_EVERY {
            self.sweep(segment.at, observer);
        }
        let Some(Some(flow)) = self.flows.get_mut(slot.index()) else { return None };
        let mut out = LinkContext { observer, sizes: &mut self.sizes, scratch: &mut self.scratch, slot };
        if self.has_ends
            && let Some(outcome) = flow.cross(side, segment, &mut self.settings, &mut out)
        {
            self.counts.duplicates += u64::from(matches!(outcome, Disposition::Copy));
            if flow.is_holding(side) || flow.crosses() || flow.held_bytes > 0 {
                self.weigh(slot, segment.at, observer);
            }
            return outcome.ignored();
        }
        let outcome = flow.push(side, segment, &self.settings.limits, &mut out);
        if flow.is_holding(side) || flow.held_bytes > 0 {
            self.weigh(slot, segment.at, observer);
        }
        match outcome {
            Disposition::Taken => None,
            Disposition::Copy => {
                self.counts.duplicates += 1;
                Some(IgnoreReason::Duplicate)
            }
            Disposition::Other => {
                self.counts.other_port += 1;
                Some(IgnoreReason::OtherPort)
            }
            Disposition::Another => {
                let flow = self.flows.get(slot.index()).and_then(Option::as_ref);
                let since = flow.and_then(|flow| flow.connection.other_stream_since()).unwrap_or(segment.at);
                observer.event(Event::LinkUnwatched(slot, since));
                self.evict(slot, segment.at, observer);
                self.enter(slot, &FlowKey::of(segment.src, segment.dst).0, side, segment);
                let Some(Some(flow)) = self.flows.get_mut(slot.index()) else { return None };
                let mut out =
                    LinkContext { observer, sizes: &mut self.sizes, scratch: &mut self.scratch, slot };
                flow.push(side, segment, &self.settings.limits, &mut out);
                None
            }
        }
    }

    /// The slot of a segment's connection, a new one's if need be, and which side sent it.
    fn find<O: Observer>(&mut self, segment: &Segment<'_>, observer: &mut O) -> (Slot, Side) {
        let (key, side) = FlowKey::of(segment.src, segment.dst);
        let slot = match self.table.find(&key, segment.at) {
            Lookup::Known(slot) => slot,
            Lookup::New(slot) => self.enter(slot, &key, side, segment),
            Lookup::Instead(slot) => {
                observer.event(Event::LinkUnwatched(slot, segment.at));
                self.evict(slot, segment.at, observer);
                self.enter(slot, &key, side, segment)
            }
        };
        (slot, side)
    }

    /// Takes account of what a flow holds; where all hold too much, it is this one that lets go.
    #[cold]
    fn weigh<O: Observer>(&mut self, slot: Slot, now: Timestamp, observer: &mut O) {
        let Some(Some(flow)) = self.flows.get_mut(slot.index()) else { return };
        let mut out = LinkContext { observer, sizes: &mut self.sizes, scratch: &mut self.scratch, slot };
        let others = self.held_bytes - flow.held_bytes;
        flow.held_bytes = flow.weight();
        if others + flow.held_bytes > self.settings.limits.held_bytes {
            self.counts.held_bytes_hit += 1;
            flow.lighten(&mut out);
            while flow.connection.is_holding() && others + flow.weight() > self.settings.limits.held_bytes {
                flow.push_out(now, &mut out);
            }
            flow.held_bytes = flow.weight();
        }
        self.held_bytes = others + flow.held_bytes;
    }

    /// Lets time pass without a segment, so that what only time decides is decided.
    pub fn tick<O: Observer>(&mut self, now: Timestamp, observer: &mut O) {
        for (index, flow) in self.flows.iter_mut().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "slots are u32")]
            let slot = Slot(index as u32);
            if let Some(flow) = flow {
                let mut out =
                    LinkContext { observer, sizes: &mut self.sizes, scratch: &mut self.scratch, slot };
                flow.settle(now, &self.settings.limits, &mut out);
            }
        }
    }

    /// Ends everything: the capture is over.
    pub fn finish<O: Observer>(&mut self, observer: &mut O) {
        while self.finish_some(usize::MAX, observer) {}
    }

    /// Ends at most so many more connections of a capture that is over; false once all are ended.
    pub fn finish_some<O: Observer>(&mut self, most: usize, observer: &mut O) -> bool {
        let to = self.flows.len().min(self.ended.saturating_add(most));
        for index in self.ended..to {
            #[expect(clippy::cast_possible_truncation, reason = "slots are u32")]
            self.evict(Slot(index as u32), self.last_at, observer);
        }
        self.ended = to;
        to < self.flows.len()
    }

    /// A new connection's state.
    fn enter(&mut self, slot: Slot, key: &FlowKey, side: Side, segment: &Segment<'_>) -> Slot {
        let is_leader = |port| self.settings.quorum_ports.contains(&port);
        let is_election = |port| self.settings.election_ports.contains(&port);
        let kind = match (is_leader(segment.src.port), is_leader(segment.dst.port)) {
            (true, false) => Kind::quorum(key, side, segment),
            (false, true) => Kind::quorum(key, side.other(), segment),
            // Both ports are known ones: the one that is dialed is the leader's.
            (true, true) if segment.flags.has(Flags::SYN) && segment.flags.has(Flags::ACK) => {
                Kind::quorum(key, side, segment)
            }
            (true, true) => Kind::quorum(key, side.other(), segment),
            (false, false) if is_election(segment.src.port) || is_election(segment.dst.port) => {
                Kind::election(key, segment.flags.has(Flags::SYN))
            }
            (false, false) => Kind::Undecided(0),
        };
        let flow =
            Flow { connection: Connection::new(segment.at), kind, first: segment.frame, held_bytes: 0 };
        if self.flows.len() <= slot.index() {
            self.flows.resize_with(slot.index() + 1, || None);
        }
        if let Some(entry) = self.flows.get_mut(slot.index()) {
            *entry = Some(flow);
        }
        slot
    }

    /// Ends a connection and forgets it; its slot keeps its key.
    fn evict<O: Observer>(&mut self, slot: Slot, now: Timestamp, observer: &mut O) {
        let Some(mut flow) = self.flows.get_mut(slot.index()).and_then(Option::take) else { return };
        self.held_bytes -= flow.held_bytes;
        let mut out = LinkContext { observer, sizes: &mut self.sizes, scratch: &mut self.scratch, slot };
        let sums = flow.finish(now, &self.settings.hosts, &mut out);
        self.counts.election_bytes = self.counts.election_bytes.plus(&sums);
    }

    /// Looks at one slot: a connection that is over is let go.
    #[cold]
    fn sweep<O: Observer>(&mut self, now: Timestamp, observer: &mut O) {
        self.sweep = 0;
        if self.flows.is_empty() {
            return;
        }
        self.sweep_at = (self.sweep_at + 1) % self.flows.len();
        #[expect(clippy::cast_possible_truncation, reason = "slots are u32")]
        let slot = Slot(self.sweep_at as u32);
        let Some(Some(flow)) = self.flows.get_mut(self.sweep_at) else { return };
        if flow.held_bytes > 0 {
            // What waits on a connection that fell silent waits no longer than on any other.
            let mut out = LinkContext { observer, sizes: &mut self.sizes, scratch: &mut self.scratch, slot };
            flow.settle(now, &self.settings.limits, &mut out);
            self.weigh(slot, now, observer);
        }
        let Some(Some(flow)) = self.flows.get(self.sweep_at) else { return };
        let idle = now.since(flow.connection.last_at);
        let is_over = flow.connection.done && idle > LINGER || !flow.matters() && idle > FORGET;
        if is_over {
            self.evict(slot, now, observer);
            self.table.remove(slot);
        }
    }
}

/// What became of a segment.
enum Disposition {
    Taken,
    Copy,
    Other,
    Another,
}

impl Kind {
    fn quorum(key: &FlowKey, leader_side: Side, segment: &Segment<'_>) -> Self {
        let from_start = segment.flags.has(Flags::SYN);
        let (leader, learner) = (key.endpoint(leader_side), key.endpoint(leader_side.other()));
        Self::Quorum(Box::new(Link {
            leader_side,
            state: LinkState::new(leader, learner),
            to_leader: Framer::new(Direction::ToLeader, from_start),
            to_learner: Framer::new(Direction::ToLearner, from_start),
            is_announced: false,
            is_closed: false,
            picked_up: !from_start,
            matcher: None,
        }))
    }

    fn election(key: &FlowKey, from_start: bool) -> Self {
        Self::Election(Box::new([
            ElectionFramer::new(key.a, key.b, from_start),
            ElectionFramer::new(key.b, key.a, from_start),
        ]))
    }
}

impl Flow {
    #[inline(always)]
    fn push<O: Observer>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        limits: &Limits,
        out: &mut LinkContext<'_, O>,
    ) -> Disposition {
        if let Kind::Undecided(probes) = self.kind {
            self.decide(&FlowKey::of(segment.src, segment.dst).0, side, probes, segment);
        }
        let Self { connection, kind, first, .. } = self;
        match kind {
            Kind::Quorum(link) => link.push(connection, *first, side, segment, limits, out),
            Kind::Election(framers) => {
                let mut sink = ElectionSink { framers, observer: out.observer };
                Disposition::of(connection.push(side, segment, limits, &mut sink), Disposition::Taken)
            }
            Kind::Undecided(_) | Kind::Other => {
                Disposition::of(connection.push(side, segment, limits, &mut Nowhere), Disposition::Other)
            }
        }
    }

    /// Looks at the first bytes on unknown ports for what only ZooKeeper says.
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
            let Kind::Quorum(mut link) = Kind::quorum(key, side.other(), segment) else { return };
            link.to_leader = Framer::new(Direction::ToLeader, true);
            link.to_learner = Framer::new(Direction::ToLearner, true);
            link.picked_up = false;
            Kind::Quorum(link)
        } else if is_fresh && matches!(first, Some(Hello::V1 | Hello::V2)) {
            Kind::election(key, true)
        } else if let Some(leader_side) = says_quorum(segment.payload, side) {
            Kind::quorum(key, leader_side, segment)
        } else if probes >= MAX_PROBES {
            Kind::Other
        } else {
            Kind::Undecided(probes + 1)
        };
    }

    fn settle<O: Observer>(&mut self, now: Timestamp, limits: &Limits, out: &mut LinkContext<'_, O>) {
        match &mut self.kind {
            Kind::Quorum(link) => self.connection.settle(now, limits, &mut LinkSink { link, out }),
            Kind::Election(framers) => {
                self.connection.settle(now, limits, &mut ElectionSink { framers, observer: out.observer });
            }
            Kind::Undecided(_) | Kind::Other => self.connection.settle(now, limits, &mut Nowhere),
        }
    }

    fn push_out<O: Observer>(&mut self, now: Timestamp, out: &mut LinkContext<'_, O>) {
        match &mut self.kind {
            Kind::Quorum(link) => self.connection.push_out(now, &mut LinkSink { link, out }),
            Kind::Election(framers) => {
                self.connection.push_out(now, &mut ElectionSink { framers, observer: out.observer });
            }
            Kind::Undecided(_) | Kind::Other => self.connection.push_out(now, &mut Nowhere),
        }
    }

    /// Looks at a segment of a link of which both ends may be captured. Some outcome where the learner's
    /// capture holds it, and the leader's tells the same.
    #[cold]
    fn cross<O: Observer>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        settings: &mut DissectOptions,
        out: &mut LinkContext<'_, O>,
    ) -> Option<Disposition> {
        let host = settings.hosts.saw(segment.frame.file, segment.at)?;
        let Kind::Quorum(link) = &mut self.kind else { return None };
        link.cross(&mut self.connection, host, side, segment, settings, out)
    }

    /// Whether the last segment of a side may have left more held than a flow has for free.
    #[inline]
    fn is_holding(&self, side: Side) -> bool {
        self.connection.is_holding()
            || match &self.kind {
                Kind::Quorum(link) => match link.direction(side) {
                    Direction::ToLeader => {
                        link.to_leader.kept_bytes() > 0 || link.state.waits_long(Direction::ToLeader)
                    }
                    Direction::ToLearner => {
                        link.to_learner.kept_bytes() > 0 || link.state.waits_long(Direction::ToLearner)
                    }
                },
                Kind::Election(framers) => framers.iter().any(|framer| framer.kept_bytes() > 0),
                Kind::Undecided(_) | Kind::Other => false,
            }
    }

    /// Whether segments on their way between two captured ends are remembered.
    fn crosses(&self) -> bool {
        matches!(&self.kind, Kind::Quorum(link) if link.matcher.is_some())
    }

    /// Bytes of memory held.
    fn weight(&self) -> usize {
        let more = match &self.kind {
            Kind::Quorum(link) => {
                let matcher = link.matcher.as_ref().map_or(0, |matcher| matcher.held_bytes());
                link.to_leader.kept_bytes() + link.to_learner.kept_bytes() + link.state.held_bytes() + matcher
            }
            Kind::Election(framers) => framers.iter().map(ElectionFramer::kept_bytes).sum(),
            Kind::Undecided(_) | Kind::Other => 0,
        };
        self.connection.held_bytes() + more
    }

    /// Lets go of what is held for better knowledge, and of no byte of the stream: what a large record says
    /// behind its beginning, spans that a later packet would explain, segments on their way.
    fn lighten<O: Observer>(&mut self, out: &mut LinkContext<'_, O>) {
        match &mut self.kind {
            Kind::Quorum(link) => {
                link.to_leader.keep_less();
                link.to_learner.keep_less();
                link.state.read_all(out);
                if let Some(matcher) = &mut link.matcher {
                    matcher.forget();
                }
            }
            Kind::Election(framers) => framers.iter_mut().for_each(ElectionFramer::keep_less),
            Kind::Undecided(_) | Kind::Other => {}
        }
    }

    const fn matters(&self) -> bool {
        match &self.kind {
            Kind::Quorum(link) => link.is_announced,
            Kind::Election(_) => true,
            Kind::Undecided(_) | Kind::Other => false,
        }
    }

    /// Ends the connection; answers the byte sums of an election connection.
    fn finish<O: Observer>(
        &mut self,
        now: Timestamp,
        hosts: &Hosts,
        out: &mut LinkContext<'_, O>,
    ) -> ByteSums {
        match &mut self.kind {
            Kind::Quorum(link) => {
                self.connection.finish(now, &mut LinkSink { link, out });
                link.settle(&self.connection, now, hosts, out);
                link.finish(&self.connection, out);
                ByteSums::default()
            }
            Kind::Election(framers) => {
                self.connection.finish(now, &mut ElectionSink { framers, observer: out.observer });
                let [a, b] = &**framers;
                let sums = a.sums.plus(&b.sums);
                let totals = ElectionTotals { bytes: sums, is_tls: a.is_tls() || b.is_tls() };
                out.observer.event(Event::ElectionOver(&totals));
                sums
            }
            Kind::Undecided(_) | Kind::Other => ByteSums::default(),
        }
    }
}

/// Which side leads, if these bytes are a packet that only one side sends and nothing else looks like.
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
    const fn ignored(&self) -> Option<IgnoreReason> {
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

impl Link {
    const fn direction(&self, side: Side) -> Direction {
        match (side, self.leader_side) {
            (Side::A, Side::A) | (Side::B, Side::B) => Direction::ToLearner,
            _ => Direction::ToLeader,
        }
    }

    #[inline]
    fn push<O: Observer>(
        &mut self,
        connection: &mut Connection,
        first: crate::frame::FrameRef,
        side: Side,
        segment: &Segment<'_>,
        limits: &Limits,
        out: &mut LinkContext<'_, O>,
    ) -> Disposition {
        if !self.is_announced && connects(segment) {
            self.is_announced = true;
            let opened = LinkOpened {
                leader: self.state.leader,
                learner: self.state.learner,
                at: connection.first_at,
                frame: first,
                picked_up: self.picked_up,
            };
            out.observer.event(Event::LinkOpened(out.slot, &opened));
        }
        let before = (connection.half(side).delivered(), connection.half(side.other()).acked());
        let fate = match connection.push(side, segment, limits, &mut LinkSink { link: self, out }) {
            Membership::Part(fate) => fate,
            verdict => return Disposition::of(verdict, Disposition::Taken),
        };
        if !self.is_announced {
            return Disposition::Taken;
        }
        let direction = self.direction(side);
        let seen = SegmentSeen {
            direction,
            segment,
            fate,
            new_bytes: connection.half(side).delivered() - before.0,
            acked_more: connection.half(side.other()).acked() > before.1,
            both_ends_captured: self.matcher.as_ref().is_some_and(|matcher| matcher.both_ends_captured),
        };
        out.observer.event(Event::Segment(out.slot, &seen));
        if !self.is_closed
            && let Some(closing) = connection.closing
        {
            self.is_closed = true;
            out.observer.event(Event::LinkClosed(out.slot, self.direction(closing.by), &closing));
        }
        Disposition::Taken
    }

    /// See [`Flow::cross`].
    fn cross<O: Observer>(
        &mut self,
        connection: &mut Connection,
        host: Address,
        side: Side,
        segment: &Segment<'_>,
        DissectOptions { hosts, limits, .. }: &DissectOptions,
        out: &mut LinkContext<'_, O>,
    ) -> Option<Disposition> {
        let (leader, learner) = (self.state.leader.address, self.state.learner.address);
        let is_captured_twice = hosts.watches(leader) && hosts.watches(learner);
        if !is_captured_twice && self.matcher.is_none() || host != leader && host != learner {
            return None;
        }
        let direction = self.direction(side);
        let is_announced = self.is_announced;
        let slot = out.slot;
        self.matcher.get_or_insert_default().both_ends_captured = is_captured_twice;
        self.settle(connection, segment.at, hosts, out);
        let leader_side = self.leader_side;
        while let Some(unsent) = self.matcher.as_mut().and_then(|matcher| matcher.next_unsent(segment.at)) {
            // What the leader's capture lacks, though it was sent there.
            if is_announced && connection.half(leader_side).lacks(&unsent.segment()) {
                self.push(connection, segment.frame, leader_side, &unsent.segment(), limits, out);
            }
        }
        let matcher = self.matcher.get_or_insert_default();
        let mut tell = |segment_match: SegmentMatch| {
            if is_announced {
                out.observer.event(Event::SegmentMatch(slot, &segment_match));
            }
        };
        if !is_captured_twice {
            return None;
        }
        if (host == leader) == direction.is_to_leader() {
            matcher.arrived(direction, segment, &mut tell);
        } else {
            matcher.sent(direction, segment, &mut tell);
        }
        if host == leader || !is_announced {
            return None;
        }
        let seen = matcher.at_learner(direction, segment);
        out.observer.event(Event::AtLearner(slot, &seen));
        connection.note_copy(side);
        Some(Disposition::Copy)
    }

    /// Decides what has become of segments on their way.
    fn settle<O: Observer>(
        &mut self,
        connection: &Connection,
        now: Timestamp,
        hosts: &Hosts,
        out: &mut LinkContext<'_, O>,
    ) {
        let Some(matcher) = self.matcher.as_mut().filter(|_| self.is_announced) else { return };
        let (leader, learner) = (self.state.leader.address, self.state.learner.address);
        let receivers = PerDirection { to_leader: leader, to_learner: learner };
        let acked = PerDirection {
            to_leader: connection.half(self.leader_side.other()).acked_seq(),
            to_learner: connection.half(self.leader_side).acked_seq(),
        };
        let slot = out.slot;
        matcher.settle(now, hosts, &receivers, &acked, &mut |segment_match| {
            out.observer.event(Event::SegmentMatch(slot, &segment_match))
        });
    }

    fn finish<O: Observer>(&mut self, connection: &Connection, out: &mut LinkContext<'_, O>) {
        let at = connection.last_at;
        self.to_leader.finish(at, &mut self.state, out);
        self.to_learner.finish(at, &mut self.state, out);
        self.state.finish(out);
        if !self.is_announced {
            return;
        }
        let learner_side = self.leader_side.other();
        let totals = LinkTotals {
            epoch: self.state.epoch(),
            bytes: PerDirection {
                to_leader: self.to_leader.sums.plus(&self.state.sums.to_leader),
                to_learner: self.to_learner.sums.plus(&self.state.sums.to_learner),
            },
            tcp: PerDirection {
                to_leader: connection.half(learner_side).counts,
                to_learner: connection.half(self.leader_side).counts,
            },
            protection: self.state.protection,
            losses: PerDirection { to_leader: self.to_leader.losses, to_learner: self.to_learner.losses },
        };
        out.observer.event(Event::LinkOver(out.slot, &totals));
    }
}

/// Whether a segment belongs to a connection that came about; a SYN and the RST that refuses it do not.
const fn connects(segment: &Segment<'_>) -> bool {
    segment.len > 0 || segment.flags.has(Flags::ACK) && !segment.flags.has(Flags::SYN | Flags::RST)
}

struct LinkSink<'a, 'o, O> {
    link: &'a mut Link,
    out: &'a mut LinkContext<'o, O>,
}

impl<O: Observer> Sink for LinkSink<'_, '_, O> {
    #[inline]
    fn chunk(&mut self, side: Side, chunk: Chunk<'_>) {
        let direction = self.link.direction(side);
        let Link { state, to_leader, to_learner, .. } = &mut *self.link;
        match direction {
            Direction::ToLeader => to_leader.chunk(&chunk, state, self.out),
            Direction::ToLearner => to_learner.chunk(&chunk, state, self.out),
        }
    }

    fn gap(&mut self, side: Side, offset: u64, len: u64, at: Timestamp) {
        let direction = self.link.direction(side);
        let Link { state, to_leader, to_learner, .. } = &mut *self.link;
        match direction {
            Direction::ToLeader => to_leader.gap(offset, len, at, state, self.out),
            Direction::ToLearner => to_learner.gap(offset, len, at, state, self.out),
        }
        if self.link.is_announced {
            self.out.observer.event(Event::Gap(self.out.slot, direction, &Gap { len, at }));
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

/// Where nobody listens.
struct Nowhere;

impl Sink for Nowhere {
    fn chunk(&mut self, _side: Side, _chunk: Chunk<'_>) {}
    fn gap(&mut self, _side: Side, _offset: u64, _len: u64, _at: Timestamp) {}
}

#[cfg(test)]
mod tests;
