//! Segment matching: one-way delay and loss of a link captured at both ends (RFC 7679, RFC 7680).
//!
//! The leader's capture alone drives the link's events, as if there were no other. The learner's capture adds
//! which of the leader's segments arrived and when, and which of the learner's never did. A segment was sent
//! if its sender's capture holds it, and has arrived if its receiver's capture holds it too. Two segments
//! match if they cover the same bytes with the same TCP timestamp. A segment that was sent while the
//! receiver's capture was running and is not in it was lost, unless the receiver acknowledged it: then its
//! capture lacks the frame.

use super::event::{Direction, PerDirection, SegmentMatch, SegmentSeen};
use crate::address::{Address, Endpoint};
use crate::frame::FrameRef;
use crate::packet::{Flags, Segment, SegmentHeader};
use crate::stream::Fate;
use crate::time::{Span, Timestamp};
use std::collections::VecDeque;

/// How long a segment may be in flight before it counts as lost.
const MAX_ONE_WAY_DELAY: Span = Span::from_millis(5_000);
/// Segments in flight remembered per direction; beyond that the oldest stay undecided.
const MAX_SENT: usize = 4_096;
/// Segments that arrived before they were seen sent, as inexact clocks make it look.
const MAX_UNMATCHED: usize = 64;
/// How long such a segment waits for its match before the sender's capture is taken to lack it. This is less
/// than the grace time of reassembly for acknowledged bytes.
const EARLY_FOR: Span = Span::from_millis(30);
/// Bytes kept of such a segment.
const EARLY_BYTES: usize = 4_096;
/// How often to check for overdue segments.
const LOOKED_EVERY: Span = Span::from_millis(10);
/// How far sequence numbers may jump before matching starts over.
const MAX_JUMP: u32 = 1 << 24;

/// The host of each file of the input, and which hosts are still being captured.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// For each file, the index of its host plus one; 0 if unknown.
    of_file: Vec<u32>,
    hosts: Vec<Watcher>,
}

/// A host with captures of its own.
#[derive(Clone, Copy, Debug)]
struct Watcher {
    address: Address,
    /// Its files that have not ended.
    files: u32,
    /// When its captures last showed anything.
    last: Option<Timestamp>,
}

impl Hosts {
    /// The host of each file, by its index in the input.
    #[must_use]
    pub fn new(of_file: &[Option<Address>]) -> Self {
        let mut hosts: Vec<Watcher> = Vec::new();
        let of_file = of_file
            .iter()
            .map(|address| {
                let Some(address) = *address else { return 0 };
                let known = hosts.iter().position(|host| host.address == address);
                let index = known.unwrap_or_else(|| {
                    hosts.push(Watcher { address, files: 0, last: None });
                    hosts.len() - 1
                });
                if let Some(host) = hosts.get_mut(index) {
                    host.files += 1;
                }
                u32::try_from(index + 1).unwrap_or(0)
            })
            .collect();
        Self { of_file, hosts }
    }

    /// Whether no link can have two captured ends.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.hosts.len() < 2
    }

    /// Notes a frame of a file; returns the file's host.
    pub(super) fn saw(&mut self, file: u32, at: Timestamp) -> Option<Address> {
        let index = self.of_file.get(file as usize)?.checked_sub(1)?;
        let host = self.hosts.get_mut(index as usize)?;
        host.last = host.last.max(Some(at));
        Some(host.address)
    }

    /// The host of a file, by its number from 1; 0 where it is not known.
    pub(super) fn number(&self, file: u32) -> u32 {
        self.of_file.get(file as usize).copied().unwrap_or(0)
    }

    /// Notes that a file has ended.
    pub(super) fn over(&mut self, file: u32) {
        let index = self.of_file.get_mut(file as usize).map(std::mem::take).and_then(|i| i.checked_sub(1));
        if let Some(host) = index.and_then(|index| self.hosts.get_mut(index as usize)) {
            host.files = host.files.saturating_sub(1);
        }
    }

    /// Whether a host is being captured now.
    pub(super) fn watches(&self, address: Address) -> bool {
        self.hosts.iter().any(|host| host.address == address && host.files > 0 && host.last.is_some())
    }

    /// When captures of a host last showed anything.
    fn last(&self, address: Address) -> Option<Timestamp> {
        self.hosts.iter().find(|host| host.address == address)?.last
    }
}

/// A segment in flight.
#[derive(Clone, Copy, Debug)]
struct Sent {
    seq: u32,
    /// Its length in sequence numbers.
    len: u32,
    stamp: Option<u32>,
    ip_id: u16,
    at: Timestamp,
    frame: FrameRef,
    has_arrived: bool,
    /// Whether its bytes arrived in another segment.
    is_covered: bool,
    /// The highest end of all segments up to this one: ascending, in spite of retransmissions.
    highest: u32,
}

impl Sent {
    fn of(segment: &Segment<'_>) -> Option<Self> {
        let len = segment.len
            + u32::from(segment.flags.contains(Flags::SYN))
            + u32::from(segment.flags.contains(Flags::FIN));
        (len > 0).then_some(Self {
            seq: segment.seq,
            len,
            highest: segment.seq.wrapping_add(len),
            stamp: segment.timestamps.map(|(value, _)| value),
            ip_id: segment.ip_id,
            at: segment.at,
            frame: segment.frame,
            has_arrived: false,
            is_covered: false,
        })
    }

    const fn end(&self) -> u32 {
        self.seq.wrapping_add(self.len)
    }

    /// Whether the two have bytes in common.
    const fn overlaps(&self, other: &Self) -> bool {
        other.end().wrapping_sub(self.seq).cast_signed() > 0
            && self.end().wrapping_sub(other.seq).cast_signed() > 0
    }

    /// Whether the two match: one may be a part of the other.
    fn is(&self, other: &Self) -> bool {
        let is_same = match (self.stamp, other.stamp) {
            (Some(a), Some(b)) => a == b,
            _ => self.ip_id == other.ip_id,
        };
        is_same && self.overlaps(other)
    }
}

/// A segment that arrived and was not seen sent.
#[derive(Clone, Debug)]
struct UnmatchedArrival {
    arrived: Sent,
    src: Endpoint,
    dst: Endpoint,
    header: SegmentHeader,
    payload: Box<[u8]>,
}

impl UnmatchedArrival {
    fn of(arrived: Sent, segment: &Segment<'_>) -> Self {
        let Segment { src, dst, header, payload } = *segment;
        let payload = payload.get(..EARLY_BYTES).unwrap_or(payload).into();
        Self { arrived, src, dst, header, payload }
    }
}

/// A segment of the leader that its own capture lacks, as received by the learner.
#[derive(Clone, Debug)]
pub(super) struct Unsent(UnmatchedArrival);

impl Unsent {
    /// The segment.
    pub(super) fn segment(&self) -> Segment<'_> {
        let UnmatchedArrival { src, dst, header, payload, .. } = &self.0;
        Segment { src: *src, dst: *dst, header: *header, payload }
    }
}

/// Segments of one direction.
#[derive(Clone, Debug, Default)]
struct MatchWay {
    sent: VecDeque<Sent>,
    early: VecDeque<UnmatchedArrival>,
    /// The highest sequence number that arrived.
    arrived_to: Option<u32>,
}

impl MatchWay {
    fn remember(&mut self, mut sent: Sent) {
        if let Some(last) = self.sent.back() {
            let ahead = sent.end().wrapping_sub(last.highest);
            match ahead.cast_signed() {
                1.. => {}
                _ => sent.highest = last.highest,
            }
            // Another stream or forged: the numbers cannot be compared.
            if ahead > MAX_JUMP && ahead.wrapping_neg() > MAX_JUMP {
                self.sent.clear();
                sent.highest = sent.end();
            }
        }
        if self.sent.len() >= MAX_SENT {
            self.sent.pop_front();
        }
        self.sent.push_back(sent);
    }

    /// The segments from the first one that ends after a sequence number on: usually the last few.
    fn not_below(&mut self, seq: u32) -> impl Iterator<Item = &mut Sent> {
        let first = self.sent.partition_point(|sent| sent.highest.wrapping_sub(seq).cast_signed() <= 0);
        self.sent.range_mut(first..)
    }
}

/// The state of a direction in the learner's capture, to tell new bytes from old ones.
#[derive(Clone, Copy, Debug, Default)]
struct Far {
    next: Option<u32>,
    acked: Option<u32>,
}

/// Both directions of a link.
#[derive(Clone, Debug, Default)]
pub(super) struct SegmentMatcher {
    ways: PerDirection<MatchWay>,
    far: PerDirection<Far>,
    /// Whether both ends are being captured now.
    pub(super) both_ends_captured: bool,
    /// When overdue segments were last checked.
    looked_at: Option<Timestamp>,
}

impl SegmentMatcher {
    /// Notes a segment in its sender's capture; new results go to `out`.
    pub(super) fn sent(
        &mut self,
        direction: Direction,
        segment: &Segment<'_>,
        out: &mut impl FnMut(SegmentMatch),
    ) {
        let Some(mut sent) = Sent::of(segment) else { return };
        let way = self.ways.of_mut(direction);
        // Two captures of the same host both hold it.
        if way.sent.iter().rev().take(8).any(|other| {
            other.is(&sent) && other.seq == sent.seq && other.len == sent.len && other.ip_id == sent.ip_id
        }) {
            return;
        }
        sent.is_covered = way.arrived_to.is_some_and(|to| to.wrapping_sub(sent.end()).cast_signed() >= 0);
        if let Some(index) = way.early.iter().position(|early| sent.is(&early.arrived)) {
            sent.has_arrived = true;
            if let Some(early) = way.early.remove(index) {
                out(segment_match(direction, &sent, Some(early.arrived.at)));
            }
        }
        way.remember(sent);
    }

    /// Notes a segment in its receiver's capture.
    pub(super) fn arrived(
        &mut self,
        direction: Direction,
        segment: &Segment<'_>,
        out: &mut impl FnMut(SegmentMatch),
    ) {
        let Some(here) = Sent::of(segment) else { return };
        let way = self.ways.of_mut(direction);
        let is_farther = way.arrived_to.is_none_or(|to| here.end().wrapping_sub(to).cast_signed() > 0);
        if is_farther {
            way.arrived_to = Some(here.end());
        }
        let mut is_known = false;
        for sent in way.not_below(here.seq) {
            if sent.is(&here) {
                is_known = true;
                if !std::mem::replace(&mut sent.has_arrived, true) {
                    out(segment_match(direction, sent, Some(here.at)));
                }
            } else if sent.overlaps(&here) {
                sent.is_covered = true;
            }
        }
        if !is_known {
            if way.early.len() >= MAX_UNMATCHED {
                way.early.pop_front();
            }
            way.early.push_back(UnmatchedArrival::of(here, segment));
        }
    }

    /// Decides overdue segments. `receivers` are the receiving hosts of the directions.
    pub(super) fn settle(
        &mut self,
        now: Timestamp,
        hosts: &Hosts,
        receivers: &PerDirection<Address>,
        acked: &PerDirection<Option<u32>>,
        out: &mut impl FnMut(SegmentMatch),
    ) {
        if self.looked_at.is_some_and(|last| now.since(last) < LOOKED_EVERY && now >= last) {
            return;
        }
        self.looked_at = Some(now);
        for direction in [Direction::ToLeader, Direction::ToLearner] {
            let way = self.ways.of_mut(direction);
            let seen_to = hosts.last(*receivers.of(direction));
            while let Some(sent) = way.sent.front().copied() {
                if now.since(sent.at) < MAX_ONE_WAY_DELAY {
                    break;
                }
                way.sent.pop_front();
                let is_watched = seen_to.is_some_and(|last| last > sent.at);
                let is_known_there =
                    acked.of(direction).is_some_and(|to| to.wrapping_sub(sent.end()).cast_signed() >= 0);
                // Acknowledged, though not seen to arrive: the receiver's capture lacks it.
                let is_unseen = is_known_there && !sent.is_covered;
                if !sent.has_arrived && is_watched && !is_unseen {
                    out(segment_match(direction, &sent, None));
                }
            }
        }
        let to_leader = &mut self.ways.to_leader.early;
        while to_leader.front().is_some_and(|early| now.since(early.arrived.at) >= MAX_ONE_WAY_DELAY) {
            to_leader.pop_front();
        }
    }

    /// Memory of segments in flight, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        let of_way = |way: &MatchWay| {
            let early: usize =
                way.early.iter().map(|early| size_of::<UnmatchedArrival>() + early.payload.len()).sum();
            way.sent.capacity() * size_of::<Sent>() + early
        };
        of_way(&self.ways.to_leader) + of_way(&self.ways.to_learner)
    }

    /// Drops all segments in flight; they stay undecided.
    pub(super) fn forget(&mut self) {
        self.ways = PerDirection::default();
    }

    /// The next segment of the leader that its own capture lacks.
    pub(super) fn next_unsent(&mut self, now: Timestamp) -> Option<Unsent> {
        let early = &mut self.ways.to_learner.early;
        let is_due = early.front().is_some_and(|early| now.since(early.arrived.at) >= EARLY_FOR);
        is_due.then(|| early.pop_front().map(Unsent))?
    }

    /// A segment of the learner's capture as [`SegmentSeen`], from that capture's point of view.
    pub(super) fn at_learner<'a>(
        &mut self,
        direction: Direction,
        segment: &'a Segment<'a>,
    ) -> SegmentSeen<'a> {
        let far = self.far.of_mut(direction);
        let end = segment.seq.wrapping_add(segment.len);
        let ahead = far
            .next
            .map_or(segment.len, |next| u32::try_from(end.wrapping_sub(next).cast_signed()).unwrap_or(0));
        let new_bytes = if segment.len == 0 { 0 } else { ahead.min(segment.len) };
        if far.next.is_none() || ahead > 0 {
            far.next = Some(end);
        }
        let acks = segment.flags.contains(Flags::ACK);
        let acked_more =
            acks && far.acked.is_none_or(|acked| segment.ack.wrapping_sub(acked).cast_signed() > 0);
        if acked_more {
            far.acked = Some(segment.ack);
        }
        let fate = match (segment.len, new_bytes) {
            (0, _) => Fate::Empty,
            (_, 0) => Fate::Retransmission,
            _ => Fate::InOrder,
        };
        SegmentSeen {
            direction,
            segment,
            fate,
            new_bytes: u64::from(new_bytes),
            acked_more,
            both_ends_captured: true,
        }
    }
}

const fn segment_match(direction: Direction, sent: &Sent, arrived: Option<Timestamp>) -> SegmentMatch {
    SegmentMatch { direction, frame: sent.frame, sent: sent.at, arrived }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test fails by panicking")]
    use super::*;
    use crate::testkit::random::Random;
    use crate::testkit::segment::{endpoint, segment};

    fn sent(seq: u32, len: u32) -> Sent {
        let payload = vec![0; len as usize];
        Sent::of(&segment(endpoint(1, 2888), endpoint(2, 40_000), 1, seq, &payload)).unwrap()
    }

    #[test]
    fn none_that_may_matter_is_passed_over() {
        let mut random = Random::new(7);
        for base in [1_000, u32::MAX - 20_000] {
            let mut way = MatchWay::default();
            let mut next = base;
            for _ in 0..500 {
                // One in five is sent again, from further back.
                let is_again = random.index(5) == 0;
                let len = 1 + random.index(1_400) as u32;
                let seq = if is_again { next.wrapping_sub(random.index(20_000) as u32) } else { next };
                way.remember(sent(seq, len));
                next = if is_again { next } else { next.wrapping_add(len) };
            }
            for _ in 0..500 {
                let here =
                    sent(next.wrapping_sub(random.index(400_000) as u32), 1 + random.index(3_000) as u32);
                let all = way.sent.iter().filter(|sent| sent.overlaps(&here)).count();
                let found = way.not_below(here.seq).filter(|sent| sent.overlaps(&here)).count();
                assert_eq!(found, all);
            }
        }
    }

    #[test]
    fn a_jump_begins_anew() {
        let mut way = MatchWay::default();
        for seq in [100, 200, 1_000_000_000, 300, 400] {
            way.remember(sent(seq, 100));
        }
        assert_eq!(way.sent.iter().map(|sent| sent.seq).collect::<Vec<_>>(), [300, 400]);
        assert_eq!(way.not_below(400).count(), 1);
        let mut matcher = SegmentMatcher {
            ways: PerDirection { to_leader: way, to_learner: MatchWay::default() },
            ..SegmentMatcher::default()
        };
        assert!(matcher.held_bytes() > 0);
        matcher.forget();
        assert_eq!(matcher.held_bytes(), 0);
    }
}
