//! The same connection on both sides of an address translation.
//!
//! A node that translates a service's address (Kubernetes' ClusterIP, Swarm's VIP, a load balancer) shows each of
//! its frames twice: once with the service's address, once with the server's. Such connections begin with the same
//! segment, one right behind the other, so the first segment of a connection waits for the next frames. Of the two
//! the one with the server's own address is the link, and the other one's frames are copies.
//!
//! One segment is easily forged, and a connection that was taken for a copy would be hidden by it. So the copy is held
//! against the link for as long as both last: every frame of it has to be one of the link's, byte for byte, within
//! the time that a translation takes. Where some are not, it is a connection of its own, with the frames that made
//! the difference.

use crate::address::Endpoint;
use crate::frame::FrameRef;
use crate::packet::{Segment, SegmentHeader};
use crate::stream::{ConnectionSlot, FlowKey, Side};
use crate::time::{Span, Timestamp};
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

/// How far apart the two frames of a translation may be.
const TOGETHER: Span = Span::from_millis(2);
/// Frames of other connections between the two.
const MAX_BETWEEN: u8 = 8;
/// Pairs watched at once. Beyond, a connection is taken for no copy.
const MAX_PAIRS: usize = 1_024;
/// Frames remembered of each side of a pair: more than come within [`TOGETHER`].
const MAX_FRAMES: usize = 32;
/// Payload kept of a frame that waits for its twin; what is beyond counts as cut.
const MAX_KEPT: usize = 256;
/// What a frame without a twin weighs, where one with a twin makes up for 1: a capture that lacks 5 % of its frames
/// stays far below the limit.
const WEIGHT: u32 = 2;
/// The weight from which on a copy is none: four frames in a row.
const MAX_WEIGHT: u32 = 8;
/// Frames that are given back where a copy turns out to be none are no older than this.
const GIVEN_BACK: Span = Span::from_millis(1_000);

/// The first segment of a connection, until the next frames have come.
#[derive(Clone, Debug)]
pub(super) struct First {
    pub(super) slot: ConnectionSlot,
    pub(super) side: Side,
    src: Endpoint,
    dst: Endpoint,
    header: SegmentHeader,
    payload: Box<[u8]>,
    /// Frames of other connections that came meanwhile.
    passed: u8,
}

impl First {
    /// A segment that may have a twin: one that nothing else looks like.
    pub(super) fn of(slot: ConnectionSlot, side: Side, segment: &Segment<'_>) -> Option<Self> {
        let is_unique = segment.timestamps.is_some() || segment.ip_id != 0;
        is_unique.then(|| Self::held(slot, side, segment))
    }

    /// A segment that is kept.
    pub(super) fn held(slot: ConnectionSlot, side: Side, segment: &Segment<'_>) -> Self {
        let Segment { src, dst, header, payload } = *segment;
        Self { slot, side, src, dst, header, payload: payload.into(), passed: 0 }
    }

    pub(super) fn segment(&self) -> Segment<'_> {
        Segment { src: self.src, dst: self.dst, header: self.header, payload: &self.payload }
    }

    /// Whether its twin may still come after this segment: it is another connection's, and one of the few that a
    /// capture may show in between.
    pub(super) fn waits(&mut self, segment: &Segment<'_>) -> bool {
        self.passed = self.passed.saturating_add(1);
        let is_same = FlowKey::of(self.src, self.dst).0 == FlowKey::of(segment.src, segment.dst).0;
        !is_same && self.passed <= MAX_BETWEEN && is_together(segment.at, self.header.at)
    }

    pub(super) const fn frame(&self) -> FrameRef {
        self.header.frame
    }

    /// Whether a segment is the same one with another address.
    pub(super) fn is_twin(&self, segment: &Segment<'_>) -> bool {
        let same = |header: &SegmentHeader| {
            let SegmentHeader { seq, ack, len, timestamps, window, ip_id, flags, .. } = *header;
            (seq, ack, len, timestamps, window, ip_id, flags)
        };
        let is_translated = (self.src == segment.src) != (self.dst == segment.dst);
        is_translated
            && same(&self.header) == same(&segment.header)
            && is_together(segment.at, self.header.at)
    }

    /// Whether the later of two has the server's own address: on the way to the server it is translated last, on the
    /// way back first.
    pub(super) fn is_later_real(&self, is_listened: impl Fn(u16) -> bool) -> bool {
        is_listened(self.dst.port) && !is_listened(self.src.port)
    }
}

/// A frame of a copy whose twin was not seen yet.
#[derive(Clone, Debug)]
struct Alone {
    mark: u64,
    frame: First,
    is_weighed: bool,
}

/// A link, and the connection whose frames are copies of its own.
#[derive(Clone, Debug)]
struct Pair {
    link: ConnectionSlot,
    copy: ConnectionSlot,
    /// The copy's first segment, while no other one had a twin.
    first: Option<First>,
    /// The link's last frames.
    seen: VecDeque<(u64, Timestamp)>,
    /// The copy's frames without a twin.
    alone: VecDeque<Alone>,
    weight: u32,
}

/// All pairs.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs {
    list: Vec<Pair>,
    hash: RandomState,
}

/// What a frame is among the pairs.
#[derive(Debug)]
pub(super) enum Paired {
    /// None of a copy's.
    Own,
    /// One of a copy's.
    Copy,
    /// One of a connection that was taken for a copy and is none, with its frames before.
    Split(Vec<First>),
}

impl Pairs {
    pub(super) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Watches a pair; false where there are too many.
    pub(super) fn add(&mut self, link: ConnectionSlot, copy: ConnectionSlot, first: First) -> bool {
        if self.list.len() >= MAX_PAIRS {
            return false;
        }
        let (seen, alone) = (VecDeque::new(), VecDeque::new());
        self.list.push(Pair { link, copy, first: Some(first), seen, alone, weight: 0 });
        true
    }

    /// Lets go of the pairs of a slot whose connection is over. Those whose link it was have copies that are none of
    /// it any more: their slots.
    pub(super) fn forget(&mut self, slot: ConnectionSlot) -> Vec<ConnectionSlot> {
        let copies = self.list.iter().filter(|pair| pair.link == slot).map(|pair| pair.copy).collect();
        self.list.retain(|pair| pair.link != slot && pair.copy != slot);
        copies
    }

    /// Looks at the next frame of a connection.
    #[cold]
    pub(super) fn look(&mut self, slot: ConnectionSlot, side: Side, segment: &Segment<'_>) -> Paired {
        let mark = self.mark(segment);
        for pair in self.list.iter_mut().filter(|pair| pair.link == slot) {
            pair.of_link(mark, segment.at);
        }
        let Some(index) = self.list.iter().position(|pair| pair.copy == slot) else { return Paired::Own };
        let Some(pair) = self.list.get_mut(index) else { return Paired::Own };
        if pair.of_copy(mark, slot, side, segment) {
            return Paired::Copy;
        }
        let pair = self.list.swap_remove(index);
        Paired::Split(pair.given_back(segment.at))
    }

    /// The capture is over: copies of whose frames none but the first had a twin are connections of their own.
    pub(super) fn end(&mut self) -> Vec<Vec<First>> {
        let pairs = std::mem::take(&mut self.list).into_iter();
        let alone = pairs.filter(|pair| pair.first.is_some() && !pair.alone.is_empty());
        alone.map(|pair| pair.given_back(Timestamp::MIN)).collect()
    }

    fn mark(&self, segment: &Segment<'_>) -> u64 {
        let SegmentHeader { seq, ack, len, timestamps, window, ip_id, flags, .. } = segment.header;
        self.hash.hash_one((seq, ack, len, timestamps, window, ip_id, flags, segment.payload))
    }
}

impl Pair {
    /// A frame of the link, which may be the twin of some that came just before.
    fn of_link(&mut self, mark: u64, at: Timestamp) {
        if self.seen.len() >= MAX_FRAMES {
            self.seen.pop_front();
        }
        self.seen.push_back((mark, at));
        let before = self.alone.len();
        self.alone.retain(|alone| alone.mark != mark || !is_together(alone.frame.header.at, at));
        if self.alone.len() < before {
            self.agrees();
        }
    }

    /// A frame of the copy. False where too many of them had no twin.
    fn of_copy(&mut self, mark: u64, slot: ConnectionSlot, side: Side, segment: &Segment<'_>) -> bool {
        let at = segment.at;
        if self.seen.iter().any(|(seen, when)| *seen == mark && is_together(*when, at)) {
            self.agrees();
            return true;
        }
        self.weigh(|alone| !is_together(alone.frame.header.at, at));
        if self.weight >= MAX_WEIGHT {
            return false;
        }
        if self.alone.len() >= MAX_FRAMES {
            self.weigh(|_| true);
            self.alone.pop_front();
        }
        let mut frame = First::held(slot, side, segment);
        frame.payload = segment.payload.get(..MAX_KEPT).unwrap_or(segment.payload).into();
        self.alone.push_back(Alone { mark, frame, is_weighed: false });
        true
    }

    fn agrees(&mut self) {
        self.first = None;
        self.weight = self.weight.saturating_sub(1);
        if self.weight == 0 {
            self.alone.retain(|alone| !alone.is_weighed);
        }
    }

    /// Weighs the frames that cannot have a twin any more.
    fn weigh(&mut self, is_late: impl Fn(&Alone) -> bool) {
        for alone in self.alone.iter_mut().filter(|alone| !alone.is_weighed && is_late(alone)) {
            alone.is_weighed = true;
            self.weight = self.weight.saturating_add(WEIGHT);
        }
    }

    /// The frames that were hidden, the first one among them if no other had a twin.
    fn given_back(self, now: Timestamp) -> Vec<First> {
        let alone = self.alone.into_iter().map(|alone| alone.frame);
        let all = self.first.into_iter().chain(alone);
        all.filter(|frame| now.since(frame.header.at) <= GIVEN_BACK).collect()
    }
}

fn is_together(a: Timestamp, b: Timestamp) -> bool {
    a.since(b) <= TOGETHER && b.since(a) <= TOGETHER
}
