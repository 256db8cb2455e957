//! The dissector: from segments to links, packets and notifications.
//!
//! In: segments in capture order. Out, through an [`Observer`]: the events of each link between a leader and
//! a learner, and of each election connection. The ports, or the content of the streams, show which side is
//! the leader. Deterministic: the same segments give the same events.

mod byte_sums;
mod election;
mod event;
mod events;
mod flow;
mod framer;
mod inference;
mod link;
mod raft;
mod segment_match;
mod span;
mod twin;

pub use byte_sums::ByteSums;
pub use event::{
    AuthSeen, Direction, ElectionMessage, ElectionSeen, ElectionTotals, Event, FramingLoss, FramingLosses,
    Gap, LinkOpened, LinkTotals, Observer, PacketSeen, PerDirection, Port, Protection, SegmentMatch,
    SegmentSeen, SnapshotSeen, Unread,
};
pub use raft::{PeerConnection, PeerEvent, PeerRecord, PeerRecordKind, PeerSegment, PeerTotals};
pub use segment_match::Hosts;

pub use events::{Events, Replayer};

use crate::packet::{IgnoreReason, Segment};
use crate::stream::{ConnectionSlot, ConnectionTable, FlowKey, Limits, Lookup, Side};
use crate::time::{Span, Timestamp};
use flow::{Disposition, Flow};
use inference::Scratch;
use link::{LinkContext, Sizes};
use std::collections::BTreeMap;
use twin::{First, Paired, Pairs};

/// One slot is checked for eviction per this many segments.
const SWEEP_EVERY: u32 = 64;
/// How long a closed connection is kept for late frames.
const LINGER: Span = Span::from_millis(60_000);
/// How long a connection that never became a link is kept.
const FORGET: Span = Span::from_millis(300_000);

/// First segments held at once; of a connection beyond these no copy is looked for.
const MAX_FIRSTS: usize = 16;

/// Options of the dissector.
#[derive(Clone, Debug)]
pub struct DissectOptions {
    /// Ports on which leaders listen to learners.
    pub quorum_ports: Vec<u16>,
    /// Ports of leader election.
    pub election_ports: Vec<u16>,
    /// Ports on which etcd's members listen to each other.
    pub peer_ports: Vec<u16>,
    /// Limits of reassembly.
    pub limits: Limits,
    /// The hosts of the files, if there are captures of several hosts.
    pub hosts: Hosts,
}

impl Default for DissectOptions {
    /// The conventional ports of ZooKeeper and of etcd.
    fn default() -> Self {
        Self {
            quorum_ports: vec![2888],
            election_ports: vec![3888],
            peer_ports: vec![2380],
            limits: Limits::default(),
            hosts: Hosts::default(),
        }
    }
}

/// Counters of the dissector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Duplicate frames.
    pub duplicates: u64,
    /// Frames of connections on neither a quorum nor an election port.
    pub other_port: u64,
    /// Byte sums of the election connections.
    pub election_bytes: ByteSums,
    /// How often the shared memory limit made a stream drop something.
    pub held_bytes_hit: u64,
}

/// The dissector: all connections of a capture.
#[derive(Clone, Debug)]
pub struct Dissector {
    settings: DissectOptions,
    has_ends: bool,
    table: ConnectionTable,
    flows: Vec<Option<Flow>>,
    sizes: Sizes,
    scratch: Scratch,
    sweep: u32,
    sweep_at: usize,
    /// Slots finished after the end of the capture.
    ended: usize,
    last_at: Timestamp,
    /// Memory of the flows in bytes: held segments and incomplete records.
    held_bytes: usize,
    /// The first segments of new connections, until the next frames tell whether they have a twin.
    firsts: Vec<First>,
    /// Connections whose frames are copies of another's.
    pairs: Pairs,
    /// What passed so far.
    pub counts: Counts,
}

impl Dissector {
    /// A new dissector.
    #[must_use]
    pub fn new(settings: DissectOptions) -> Self {
        Self {
            table: ConnectionTable::new(settings.limits.connections),
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
            firsts: Vec::new(),
            pairs: Pairs::default(),
            counts: Counts::default(),
        }
    }

    /// Which limits were reached, and how often.
    #[must_use]
    pub fn limits_hit(&self) -> BTreeMap<&'static str, u64> {
        let counts = [("connections", self.table.evicted), ("held_bytes", self.counts.held_bytes_hit)];
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// Notes that no more frames of a file will come; `file` is its index in the input.
    pub fn file_over(&mut self, file: u32) {
        self.settings.hosts.over(file);
    }

    /// Processes the next segment of the capture.
    #[inline]
    pub fn segment<O: Observer>(&mut self, segment: &Segment<'_>, observer: &mut O) -> Option<IgnoreReason> {
        self.segment_in_place(segment, observer)
    }

    /// The same, for the one place where nearly all come by: what is known of them there need not be looked up.
    #[inline(always)]
    pub(crate) fn segment_in_place<O: Observer>(
        &mut self,
        segment: &Segment<'_>,
        observer: &mut O,
    ) -> Option<IgnoreReason> {
        self.last_at = self.last_at.max(segment.at);
        if !self.firsts.is_empty() && self.is_copy_of_first(segment, observer) {
            return Some(IgnoreReason::Duplicate);
        }
        let (slot, side) = match self.table.find_recent(&segment.src, &segment.dst, segment.at) {
            Some(found) => found,
            None => {
                let (slot, side) = self.find(segment, observer);
                if self.firsts.last().is_some_and(|first| first.frame() == segment.frame) {
                    return None;
                }
                (slot, side)
            }
        };
        if !self.pairs.is_empty() {
            self.look_at_pairs(slot, side, segment, observer);
        }
        self.take(slot, side, segment, observer)
    }

    /// Takes a segment of the connection in a slot.
    #[inline(always)]
    fn take<O: Observer>(
        &mut self,
        slot: ConnectionSlot,
        side: Side,
        segment: &Segment<'_>,
        observer: &mut O,
    ) -> Option<IgnoreReason> {
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
                flow.push_first(side, segment, &self.settings.limits, &mut out);
                None
            }
        }
    }

    /// Decides about the first segments of connections, now that the next frame is there. Whether that is a copy of
    /// one from the other side of an address translation, and is done with.
    #[cold]
    fn is_copy_of_first<O: Observer>(&mut self, segment: &Segment<'_>, observer: &mut O) -> bool {
        let mut held = std::mem::take(&mut self.firsts);
        let (mut is_paired, mut is_copy) = (false, false);
        held.retain_mut(|first| {
            if !is_paired && first.is_twin(segment) {
                is_paired = true;
                is_copy = self.pair(first, segment, observer);
                return false;
            }
            let waits = first.waits(segment);
            if !waits {
                self.take_held(first, observer);
            }
            waits
        });
        self.firsts = held;
        is_copy
    }

    /// Puts a held segment and its twin together. Whether that is a copy, and done with.
    fn pair<O: Observer>(&mut self, first: &First, segment: &Segment<'_>, observer: &mut O) -> bool {
        let is_listened = |port: u16| {
            self.settings.quorum_ports.contains(&port) || self.settings.election_ports.contains(&port)
        };
        if first.is_later_real(is_listened) {
            let (link, _) = self.find(segment, observer);
            if !self.is_copy(link, first.slot, first.clone()) {
                self.take_held(first, observer);
            }
            return false;
        }
        self.take_held(first, observer);
        let (slot, side) = self.find(segment, observer);
        self.is_copy(first.slot, slot, First::held(slot, side, segment))
    }

    /// Whether the connection in a slot begins with this segment.
    fn begins_with(&self, slot: ConnectionSlot, first: &First) -> bool {
        let flow = self.flows.get(slot.index()).and_then(Option::as_ref);
        flow.is_some_and(|flow| flow.begins_with(first.frame()))
    }

    /// The frames of a connection are copies of another's, as far as is known. False where that cannot be watched.
    fn is_copy(&mut self, link: ConnectionSlot, copy: ConnectionSlot, first: First) -> bool {
        // What was there before is no copy of what begins now.
        if link == copy || !self.begins_with(copy, &first) || !self.pairs.add(link, copy, first) {
            return false;
        }
        let Some(Some(flow)) = self.flows.get_mut(copy.index()) else { return false };
        self.counts.duplicates += 1;
        flow.is_copy();
        true
    }

    /// Holds copies against their links; one that differs is a connection of its own from then on.
    #[cold]
    fn look_at_pairs<O: Observer>(
        &mut self,
        slot: ConnectionSlot,
        side: Side,
        segment: &Segment<'_>,
        observer: &mut O,
    ) {
        match self.pairs.look(slot, side, segment) {
            Paired::Split(frames) => self.give_back(slot, side, segment, &frames, observer),
            Paired::Own | Paired::Copy => {}
        }
    }

    /// Lets go of the pairs of a connection that is over. What comes of its copies from then on is their own.
    fn forget_pairs<O: Observer>(&mut self, slot: ConnectionSlot, now: Timestamp, observer: &mut O) {
        for copy in self.pairs.forget(slot) {
            self.evict(copy, now, observer);
            self.table.remove(copy);
        }
    }

    /// Makes a connection of what was taken for a copy, and gives it the frames that were hidden.
    fn give_back<O: Observer>(
        &mut self,
        slot: ConnectionSlot,
        side: Side,
        segment: &Segment<'_>,
        frames: &[First],
        observer: &mut O,
    ) {
        let first = frames.first().map_or((side, *segment), |first| (first.side, first.segment()));
        self.evict(slot, segment.at, observer);
        self.enter(slot, &FlowKey::of(segment.src, segment.dst).0, first.0, &first.1);
        for frame in frames {
            self.counts.duplicates = self.counts.duplicates.saturating_sub(1);
            self.take(slot, frame.side, &frame.segment(), observer);
        }
    }

    /// Takes the segments that wait for the next frames: none come.
    fn take_first<O: Observer>(&mut self, observer: &mut O) {
        for first in std::mem::take(&mut self.firsts) {
            self.take_held(&first, observer);
        }
    }

    /// Takes a first segment that was held, unless its connection had to make room meanwhile.
    fn take_held<O: Observer>(&mut self, first: &First, observer: &mut O) {
        if self.begins_with(first.slot, first) {
            self.take(first.slot, first.side, &first.segment(), observer);
        }
    }

    /// The slot of a segment's connection, a new one's if need be, and which side sent it.
    fn find<O: Observer>(&mut self, segment: &Segment<'_>, observer: &mut O) -> (ConnectionSlot, Side) {
        let (key, side) = FlowKey::of(segment.src, segment.dst);
        let slot = match self.table.find(&key, segment.at) {
            Lookup::Known(slot) => slot,
            Lookup::New(slot) => {
                let slot = self.enter(slot, &key, side, segment);
                let is_wanted =
                    self.flows.get(slot.index()).and_then(Option::as_ref).is_some_and(Flow::is_wanted);
                if is_wanted && !self.has_ends && self.firsts.len() < MAX_FIRSTS {
                    self.firsts.extend(First::of(slot, side, segment));
                }
                slot
            }
            Lookup::Instead(slot) => {
                observer.event(Event::LinkUnwatched(slot, segment.at));
                self.evict(slot, segment.at, observer);
                self.forget_pairs(slot, segment.at, observer);
                self.enter(slot, &key, side, segment)
            }
        };
        (slot, side)
    }

    /// Updates the memory accounting of a flow; beyond the shared limit, this flow has to drop something.
    #[cold]
    fn weigh<O: Observer>(&mut self, slot: ConnectionSlot, now: Timestamp, observer: &mut O) {
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

    /// Advances the time without a segment, so that timeouts expire.
    pub fn tick<O: Observer>(&mut self, now: Timestamp, observer: &mut O) {
        self.take_first(observer);
        for (index, flow) in self.flows.iter_mut().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "slots are u32")]
            let slot = ConnectionSlot(index as u32);
            if let Some(flow) = flow {
                let mut out =
                    LinkContext { observer, sizes: &mut self.sizes, scratch: &mut self.scratch, slot };
                flow.settle(now, &self.settings.limits, &mut out);
            }
        }
    }

    /// The capture is over: finishes all connections.
    pub fn finish<O: Observer>(&mut self, observer: &mut O) {
        while self.finish_some(usize::MAX, observer) {}
    }

    /// Finishes at most `most` more connections of a capture that is over; false once all are finished.
    pub fn finish_some<O: Observer>(&mut self, most: usize, observer: &mut O) -> bool {
        self.take_first(observer);
        for frames in self.pairs.end() {
            let Some(first) = frames.first() else { continue };
            self.give_back(first.slot, first.side, &first.segment(), &frames, observer);
        }
        let to = self.flows.len().min(self.ended.saturating_add(most));
        for index in self.ended..to {
            #[expect(clippy::cast_possible_truncation, reason = "slots are u32")]
            self.evict(ConnectionSlot(index as u32), self.last_at, observer);
        }
        self.ended = to;
        to < self.flows.len()
    }

    /// A new connection's state.
    fn enter(
        &mut self,
        slot: ConnectionSlot,
        key: &FlowKey,
        side: Side,
        segment: &Segment<'_>,
    ) -> ConnectionSlot {
        let flow = Flow::new(key, side, segment, &self.settings);
        if self.flows.len() <= slot.index() {
            self.flows.resize_with(slot.index() + 1, || None);
        }
        if let Some(entry) = self.flows.get_mut(slot.index()) {
            *entry = Some(flow);
        }
        slot
    }

    /// Finishes a connection and drops its state; its slot keeps its key.
    fn evict<O: Observer>(&mut self, slot: ConnectionSlot, now: Timestamp, observer: &mut O) {
        let Some(mut flow) = self.flows.get_mut(slot.index()).and_then(Option::take) else { return };
        self.held_bytes -= flow.held_bytes;
        let mut out = LinkContext { observer, sizes: &mut self.sizes, scratch: &mut self.scratch, slot };
        let sums = flow.finish(now, &self.settings.hosts, &mut out);
        self.counts.election_bytes = self.counts.election_bytes.plus(&sums);
    }

    /// Checks one slot, and evicts its connection if it is over.
    #[cold]
    fn sweep<O: Observer>(&mut self, now: Timestamp, observer: &mut O) {
        self.sweep = 0;
        if self.flows.is_empty() {
            return;
        }
        self.sweep_at = (self.sweep_at + 1) % self.flows.len();
        #[expect(clippy::cast_possible_truncation, reason = "slots are u32")]
        let slot = ConnectionSlot(self.sweep_at as u32);
        let Some(Some(flow)) = self.flows.get_mut(self.sweep_at) else { return };
        if flow.held_bytes > 0 {
            // Timeouts expire on silent connections too.
            let mut out = LinkContext { observer, sizes: &mut self.sizes, scratch: &mut self.scratch, slot };
            flow.settle(now, &self.settings.limits, &mut out);
            self.weigh(slot, now, observer);
        }
        let Some(Some(flow)) = self.flows.get(self.sweep_at) else { return };
        let idle = now.since(flow.connection.last_at);
        let is_over = flow.connection.done && idle > LINGER || !flow.matters() && idle > FORGET;
        if is_over {
            self.evict(slot, now, observer);
            self.forget_pairs(slot, now, observer);
            self.table.remove(slot);
        }
    }
}

#[cfg(test)]
mod tests;
