//! A link: frames both streams of a connection between a leader and a learner.

use super::Disposition;
use crate::address::Address;
use crate::dissect::DissectOptions;
use crate::dissect::Protection;
use crate::dissect::event::{
    Direction, Event, Gap, LinkOpened, LinkTotals, Observer, PerDirection, Port, SegmentMatch, SegmentSeen,
};
use crate::dissect::framer::Framer;
use crate::dissect::link::{LinkContext, LinkState};
use crate::dissect::segment_match::{Hosts, SegmentMatcher};
use crate::frame::FrameRef;
use crate::packet::{Flags, Segment};
use crate::stream::{Chunk, Connection, FlowKey, Limits, Membership, Side, Sink};
use crate::time::Timestamp;

/// A connection that joins a leader and a learner.
#[derive(Clone, Debug)]
pub(super) struct LinkFlow {
    leader_side: Side,
    state: LinkState,
    to_leader: Framer,
    to_learner: Framer,
    is_announced: bool,
    is_closed: bool,
    picked_up: bool,
    /// Matches segments, once both ends are captured.
    matcher: Option<Box<SegmentMatcher>>,
}

impl LinkFlow {
    /// The link of a connection, seen from its first byte on (`from_start`) or picked up inside.
    pub(super) fn new(key: &FlowKey, leader_side: Side, from_start: bool) -> Self {
        let (leader, learner) = (key.endpoint(leader_side), key.endpoint(leader_side.other()));
        Self {
            leader_side,
            state: LinkState::new(leader, learner),
            to_leader: Framer::new(Direction::ToLeader, from_start),
            to_learner: Framer::new(Direction::ToLearner, from_start),
            is_announced: false,
            is_closed: false,
            picked_up: !from_start,
            matcher: None,
        }
    }

    pub(super) const fn direction(&self, side: Side) -> Direction {
        match (side, self.leader_side) {
            (Side::A, Side::A) | (Side::B, Side::B) => Direction::ToLearner,
            _ => Direction::ToLeader,
        }
    }

    #[inline(always)]
    pub(super) fn push<O: Observer>(
        &mut self,
        connection: &mut Connection,
        first: FrameRef,
        side: Side,
        segment: &Segment<'_>,
        limits: &Limits,
        out: &mut LinkContext<'_, O>,
    ) -> Disposition {
        if self.is_announced {
            // Each direction has code of its own.
            let is_taken = match self.direction(side) {
                Direction::ToLeader => self.push_plain(Direction::ToLeader, connection, side, segment, out),
                Direction::ToLearner => self.push_plain(Direction::ToLearner, connection, side, segment, out),
            };
            if is_taken {
                return Disposition::Taken;
            }
        }
        self.push_any(connection, first, side, segment, limits, out)
    }

    /// A segment with the next bytes, or an acknowledgment of more, while nothing about the connection is out of the
    /// ordinary: with the same outcome as [`Self::push_any`]. False where it is another, and nothing was done.
    #[inline(always)]
    fn push_plain<O: Observer>(
        &mut self,
        direction: Direction,
        connection: &mut Connection,
        side: Side,
        segment: &Segment<'_>,
        out: &mut LinkContext<'_, O>,
    ) -> bool {
        let Some(plain) = connection.take_plain(side, segment) else { return false };
        if let Some(chunk) = &plain.chunk {
            let Self { state, to_leader, to_learner, .. } = &mut *self;
            let framer = match direction {
                Direction::ToLeader => to_leader,
                Direction::ToLearner => to_learner,
            };
            framer.plain_chunk(direction, chunk, state, out);
        }
        let seen = SegmentSeen {
            direction,
            segment,
            fate: plain.fate(),
            new_bytes: u64::from(segment.len),
            acked_more: plain.acked_more,
            both_ends_captured: self.both_ends_captured(),
        };
        out.observer.event(Event::Segment(out.slot, &seen));
        true
    }

    /// Whether both ends are being captured.
    #[inline(always)]
    fn both_ends_captured(&self) -> bool {
        self.matcher.as_ref().is_some_and(|matcher| matcher.both_ends_captured)
    }

    /// Any segment.
    #[inline(never)]
    fn push_any<O: Observer>(
        &mut self,
        connection: &mut Connection,
        first: FrameRef,
        side: Side,
        segment: &Segment<'_>,
        limits: &Limits,
        out: &mut LinkContext<'_, O>,
    ) -> Disposition {
        if !self.is_announced && !connects(segment) {
            out.observer.event(Event::Aside(segment, Port::Quorum));
        } else if !self.is_announced {
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
        let (membership, advance) =
            connection.push_advancing(side, segment, limits, &mut LinkSink { link: self, out });
        let fate = match membership {
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
            new_bytes: advance.new_bytes,
            acked_more: advance.acked_more,
            both_ends_captured: self.both_ends_captured(),
        };
        out.observer.event(Event::Segment(out.slot, &seen));
        if !self.is_closed
            && let Some(closing) = connection.closing
        {
            self.is_closed = true;
            if self.state.protection == Protection::Tls {
                out.observer.event(Event::LinkEncrypted(out.slot));
            }
            out.observer.event(Event::LinkClosed(out.slot, self.direction(closing.by), &closing));
        }
        Disposition::Taken
    }

    /// [`Self::push`] for a segment that its sender's capture lacks.
    #[cold]
    #[inline(never)]
    fn push_unsent<O: Observer>(
        &mut self,
        connection: &mut Connection,
        side: Side,
        segment: &Segment<'_>,
        limits: &Limits,
        out: &mut LinkContext<'_, O>,
    ) {
        self.push(connection, segment.frame, side, segment, limits, out);
    }

    /// See [`super::Flow::cross`].
    pub(super) fn cross<O: Observer>(
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
            // Sent by the leader but not in its capture.
            if is_announced && connection.half(leader_side).lacks(&unsent.segment()) {
                self.push_unsent(connection, leader_side, &unsent.segment(), limits, out);
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

    /// Decides the fate of segments in flight.
    pub(super) fn settle<O: Observer>(
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

    pub(super) fn finish<O: Observer>(&mut self, connection: &Connection, out: &mut LinkContext<'_, O>) {
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

    /// Whether it is known to be a link, and was shown.
    pub(super) const fn is_announced(&self) -> bool {
        self.is_announced
    }

    /// Whether segments in flight between two captured ends are remembered.
    pub(super) const fn has_matcher(&self) -> bool {
        self.matcher.is_some()
    }

    /// Whether the last segment of a side may have pushed the flow above its free allowance of memory.
    #[inline]
    pub(super) fn is_holding(&self, side: Side) -> bool {
        let direction = self.direction(side);
        let framer = match direction {
            Direction::ToLeader => &self.to_leader,
            Direction::ToLearner => &self.to_learner,
        };
        framer.kept_bytes() > 0 || self.state.waits_long(direction)
    }

    /// Bytes of memory that framing, inference and segment matching hold.
    pub(super) fn held_bytes(&self) -> usize {
        let matcher = self.matcher.as_ref().map_or(0, |matcher| matcher.held_bytes());
        self.to_leader.kept_bytes() + self.to_learner.kept_bytes() + self.state.held_bytes() + matcher
    }

    /// See [`super::Flow::lighten`].
    pub(super) fn lighten<O: Observer>(&mut self, out: &mut LinkContext<'_, O>) {
        self.to_leader.keep_less();
        self.to_learner.keep_less();
        self.state.read_all(out);
        if let Some(matcher) = &mut self.matcher {
            matcher.forget();
        }
    }
}

/// Whether a segment belongs to an established connection; a SYN and the RST that refuses it do not.
fn connects(segment: &Segment<'_>) -> bool {
    segment.len > 0
        || segment.flags.contains(Flags::ACK) && !segment.flags.intersects(Flags::SYN | Flags::RST)
}

pub(super) struct LinkSink<'a, 'o, O> {
    pub(super) link: &'a mut LinkFlow,
    pub(super) out: &'a mut LinkContext<'o, O>,
}

impl<O: Observer> Sink for LinkSink<'_, '_, O> {
    #[inline]
    fn chunk(&mut self, side: Side, chunk: Chunk<'_>) {
        let direction = self.link.direction(side);
        let LinkFlow { state, to_leader, to_learner, .. } = &mut *self.link;
        match direction {
            Direction::ToLeader => to_leader.chunk(&chunk, state, self.out),
            Direction::ToLearner => to_learner.chunk(&chunk, state, self.out),
        }
    }

    fn gap(&mut self, side: Side, offset: u64, len: u64, at: Timestamp) {
        let direction = self.link.direction(side);
        let LinkFlow { state, to_leader, to_learner, .. } = &mut *self.link;
        match direction {
            Direction::ToLeader => to_leader.gap(offset, len, at, state, self.out),
            Direction::ToLearner => to_learner.gap(offset, len, at, state, self.out),
        }
        if self.link.is_announced {
            self.out.observer.event(Event::Gap(self.out.slot, direction, &Gap { len, at }));
        }
    }
}
