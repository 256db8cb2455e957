//! What each host was heard saying to each other one, by quarters of a second: on its links, on its election
//! connections, and in its attempts to connect.
//!
//! Whoever asks why a link fell silent needs more than that link: whether the same host was heard elsewhere in
//! the meantime, whether its kernel answered, and what arrived where. All of it stands here by pair of hosts and
//! by the host of the capture, so that what one host sent and what the other received can be told apart.
//!
//! Only quarters of a second in which something came by take room. Of a long capture those near long waits and
//! closed connections are kept, and of the others the latest.

mod half;
mod way;

use crate::address::{Address, Endpoint};
use crate::dissect::{Port, SegmentSeen};
use crate::frame::FrameRef;
use crate::packet::{Flags, Segment};
use crate::stream::Fate;
use crate::time::{Span, Timestamp};
use crate::track::quarter::{QUARTER_NANOS, QuarterSecond};
use half::HalfState;
use std::collections::{BTreeMap, VecDeque};
use way::flags;
pub use way::{Kinds, SlotWay};

/// Length of a slot, in nanoseconds.
pub const SLOT_NANOS: i64 = QUARTER_NANOS;
/// Slots kept of all channels together.
const MAX_SLOTS: usize = 262_144;
/// Channels kept: three for each pair of hosts.
const MAX_CHANNELS: usize = 8_192;
/// Connections that are no links kept; beyond, the oldest are let go.
const MAX_CONNECTIONS: usize = 8_192;
/// Slots near a time that is worth keeping, to either side: a minute.
const KEPT_AROUND: i64 = 240;
/// The latest slots, which are kept in any case: five minutes.
const KEPT_LATEST: i64 = 1_200;
/// Times worth keeping that are remembered.
const MAX_MARKS: usize = 4_096;
/// A retransmission sooner than this after the last segment is a probe (RFC 8985, section 7): it shows no loss. The
/// timer's take at least 200 ms on Linux.
const PROBE_NANOS: i64 = 100_000_000;
/// A frame that looks the same within this time in the same capture was captured twice.
const CAPTURED_TWICE: Span = Span::from_millis(2);

/// A quarter of a second of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its number: times since 1970.
    pub number: i64,
    /// From the lower address to the higher, and back.
    pub ways: [SlotWay; 2],
}

/// What one capture shows of two hosts.
#[derive(Clone, Debug)]
pub struct Channel {
    /// The lower address.
    pub low: Address,
    /// The higher address.
    pub high: Address,
    /// The host of the capture, as far as it is known beforehand.
    pub host: Option<Address>,
    /// The file that showed it first.
    pub file: u32,
    /// In order of time.
    pub slots: Vec<Slot>,
    /// When the last segment with payload came, each way, in nanoseconds.
    last: [i64; 2],
}

impl Channel {
    /// Notes when a side sent something, and whether that is later than a probe would be.
    #[inline]
    fn is_late(&mut self, side: usize, at: Timestamp) -> bool {
        let Some(last) = self.last.get_mut(side) else { return false };
        let now = at.nanos();
        now.saturating_sub(std::mem::replace(last, now)) >= PROBE_NANOS
    }
}

/// How an election connection, or an attempt to connect, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelEnd {
    /// When.
    pub at: Timestamp,
    /// The frame.
    pub frame: FrameRef,
    /// Who sent the FIN or RST.
    pub by: Address,
    /// Whether it was a RST.
    pub is_reset: bool,
    /// Whether it was a RST without an acknowledgment.
    pub is_bare: bool,
}

/// An election connection.
#[derive(Clone, Debug)]
pub struct ElectionConnection {
    /// Who dialed, where that was seen; else the lower end.
    pub dialer: Endpoint,
    /// The other end.
    pub acceptor: Endpoint,
    /// Its first frame.
    pub opened: Timestamp,
    /// Whether it was established: anything but a SYN and a refusal was seen.
    pub is_established: bool,
    /// Its first FIN or RST.
    pub ended: Option<ChannelEnd>,
    /// The last frame of the dialer's, and of the acceptor's.
    pub last_at: [Option<Timestamp>; 2],
    halves: [[HalfState; 3]; 2],
}

/// Everything that hosts were heard saying.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    channels: Vec<Channel>,
    index: BTreeMap<(Address, Address, Option<Address>), u32>,
    slots: usize,
    connections: VecDeque<ElectionConnection>,
    /// Connections let go of the front of `connections`.
    gone: u64,
    open: BTreeMap<(Endpoint, Endpoint), u64>,
    marks: VecDeque<i64>,
}

/// A channel that a link has found before: the file, and the channel's index and one.
pub type FoundChannel = Option<(u32, u32)>;

impl Witness {
    /// All channels.
    #[must_use]
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// Settles where the channels were captured, as far as that was not known beforehand.
    pub fn settle_hosts(&mut self, host_of: impl Fn(u32) -> Option<Address>) {
        for channel in &mut self.channels {
            channel.host = channel.host.or_else(|| host_of(channel.file));
        }
    }

    /// The election connections that are kept, in order of their first frames.
    pub fn connections(&self) -> impl Iterator<Item = &ElectionConnection> {
        self.connections.iter().filter(|connection| connection.is_established)
    }

    /// A frame of a link. `found` is what the link has found before.
    #[inline(always)]
    pub fn link_segment(
        &mut self,
        found: &mut FoundChannel,
        seen: &SegmentSeen<'_>,
        quarter: QuarterSecond,
        hosts: &[Option<Address>],
    ) {
        let segment = seen.segment;
        let index = match *found {
            Some((file, index)) if file == segment.frame.file => index,
            _ => {
                let Some(index) = self.look_for_channel(found, segment, hosts) else { return };
                index
            }
        };
        let Some(channel) = self.channels.get_mut(index as usize) else { return };
        let side = usize::from(segment.src.address != channel.low);
        let is_late = segment.len > 0 && channel.is_late(side, segment.at);
        let QuarterSecond { number, part } = quarter;
        let way = if channel.slots.last().is_some_and(|slot| slot.number == number) {
            channel.slots.last_mut().and_then(|slot| slot.ways.get_mut(side))
        } else {
            self.other_way(index, number, segment)
        };
        let Some(way) = way else { return };
        way.last = part;
        if seen.new_bytes > 0 {
            if way.fresh == 0 {
                way.first_fresh = part;
            }
            way.last_fresh = part;
            way.fresh = way.fresh.saturating_add(1);
            way.longest_fresh = way.longest_fresh.max(short(segment.len));
        }
        if seen.acked_more {
            way.acked = way.acked.saturating_add(1);
        }
        let is_plain = seen.new_bytes > 0
            && seen.fate == Fate::InOrder
            && !segment.sack
            && !segment.flags.intersects(Flags::SYN | Flags::FIN | Flags::RST);
        if !is_plain {
            rare(way, seen, is_late);
        }
    }

    /// The channel of a link's frame in another file than its last.
    #[cold]
    #[inline(never)]
    fn look_for_channel(
        &mut self,
        found: &mut FoundChannel,
        segment: &Segment<'_>,
        hosts: &[Option<Address>],
    ) -> Option<u32> {
        let host = hosts.get(segment.frame.file as usize).copied().flatten();
        let index = self.channel(segment, host)?;
        *found = Some((segment.frame.file, index));
        Some(index)
    }

    /// A capture lacks bytes of a link that the other side got: what came behind them came behind no loss. `from` is
    /// who sent them, between two times.
    #[cold]
    pub fn not_lost(&mut self, found: FoundChannel, from: Address, since: Timestamp, until: Timestamp) {
        let channel = found.and_then(|(_, index)| self.channels.get_mut(index as usize));
        let Some(channel) = channel else { return };
        let side = usize::from(from != channel.low);
        let (first, last) = (number(since), number(until));
        let start = channel.slots.partition_point(|slot| slot.number < first);
        for slot in channel.slots.iter_mut().skip(start).take_while(|slot| slot.number <= last) {
            if let Some(way) = slot.ways.get_mut(side) {
                way.kinds = way.kinds.without(Kinds::HOLE);
            }
        }
    }

    /// Whether captures of others show frames of a host to those that its own capture shows it talk to, more than once in
    /// a stretch of time: then its own lacks them.
    #[cold]
    pub fn is_heard_elsewhere(&self, host: Address, from: Timestamp, to: Timestamp) -> bool {
        let shows = |channel: &&Channel| {
            channel.host.is_some_and(|at| at != host)
                && (channel.low == host || channel.high == host)
                && self.index.contains_key(&(channel.low, channel.high, Some(host)))
        };
        let channels: Vec<&Channel> = self.channels.iter().filter(shows).collect();
        // Those at the edges hold what came before and after.
        let (first, last) = (number(from).saturating_add(1), number(to).saturating_sub(1));
        let heard = channels.iter().flat_map(|channel| {
            let side = usize::from(host != channel.low);
            let start = channel.slots.partition_point(|slot| slot.number < first);
            let slots = channel.slots.iter().skip(start).take_while(move |slot| slot.number <= last);
            slots.filter(move |slot| slot.ways.get(side).is_some_and(|way| way.frames() > 0))
        });
        let mut numbers = heard.map(|slot| slot.number);
        numbers.next().is_some_and(|one| numbers.any(|other| other != one))
    }

    /// A frame of a connection that is no link: an election connection, or an attempt to open a link.
    pub fn aside(&mut self, segment: &Segment<'_>, port: Port, hosts: &[Option<Address>]) {
        let is_election = port == Port::Election;
        let host = hosts.get(segment.frame.file as usize).copied().flatten();
        let Some(index) = self.channel(segment, host) else { return };
        let (a, b) = (segment.src.min(segment.dst), segment.src.max(segment.dst));
        let is_low = segment.src.address <= segment.dst.address;
        let view = match host {
            Some(host) if host == segment.src.address.min(segment.dst.address) => 0,
            Some(_) => 1,
            None => 2,
        };
        let is_opening = segment.flags.intersects(Flags::SYN) && !segment.flags.intersects(Flags::ACK);
        let key = (a, b);
        let known = self.open.get(&key).copied().and_then(|number| number.checked_sub(self.gone));
        let known = known.and_then(|number| usize::try_from(number).ok()).filter(|index| {
            self.connections.get(*index).is_some_and(|held| !(is_opening && held.ended.is_some()))
        });
        let place = known.unwrap_or_else(|| self.enter(segment, key, is_opening));
        let Some(held) = self.connections.get_mut(place) else { return };
        let is_established = held.is_established;
        let side = usize::from(segment.src != held.dialer);
        if let Some(last) = held.last_at.get_mut(side) {
            *last = (*last).max(Some(segment.at));
        }
        let ways = held.halves.get_mut(usize::from(!is_low));
        let Some(half) = ways.and_then(|half| half.get_mut(view)) else { return };
        let shape = (segment.seq, segment.ack, segment.len, segment.flags.0, segment.ip_id, segment.at);
        if half.last.is_some_and(|last| {
            (last.0, last.1, last.2, last.3, last.4) == (shape.0, shape.1, shape.2, shape.3, shape.4)
                && segment.at.since(last.5) < CAPTURED_TWICE
        }) {
            return;
        }
        half.last = Some(shape);
        let (new, is_again, is_hole, is_filled) = half.takes(segment);
        let acked_more = half.acknowledges(segment);
        let is_end = segment.flags.intersects(Flags::FIN | Flags::RST);
        let is_refusal = segment.flags.intersects(Flags::RST) && !is_established;
        held.is_established |= segment.len > 0
            || segment.flags.intersects(Flags::FIN)
            || segment.flags.intersects(Flags::ACK) && !segment.flags.intersects(Flags::SYN | Flags::RST);
        if is_end && !is_refusal && held.ended.is_none() && is_election {
            held.ended = Some(ChannelEnd {
                at: segment.at,
                frame: segment.frame,
                by: segment.src.address,
                is_reset: segment.flags.intersects(Flags::RST),
                is_bare: segment.flags.intersects(Flags::RST) && !segment.flags.intersects(Flags::ACK),
            });
            self.mark(segment.at);
        }
        let is_late = self.is_late(index, segment);
        let QuarterSecond { number, part } = QuarterSecond::of(segment.at);
        let Some(way) = self.way(index, number, segment) else { return };
        way.last = part;
        if new {
            if way.fresh == 0 {
                way.first_fresh = part;
            }
            way.last_fresh = part;
            way.fresh = way.fresh.saturating_add(1);
            way.longest_fresh = way.longest_fresh.max(short(segment.len));
            way.kinds.add(Kinds::VOTE);
        } else if is_again && is_election && is_late {
            way.again_election = way.again_election.saturating_add(1);
        } else if is_again && is_late {
            way.again = way.again.saturating_add(1);
        } else if !acked_more {
            way.bare = way.bare.saturating_add(1);
        }
        way.acked = way.acked.saturating_add(u8::from(acked_more));
        for (is_it, kind) in [(is_hole, Kinds::HOLE), (segment.sack, Kinds::SACK)] {
            if is_it {
                way.kinds.add(kind);
            }
        }
        if is_filled {
            way.fills(is_late);
        }
        way.kinds.add(flags(segment.flags, !is_refusal));
    }

    /// A time near which everything is to be kept.
    #[cold]
    pub fn mark(&mut self, at: Timestamp) {
        let number = number(at);
        if self.marks.back().is_some_and(|last| number - last < 8 && number >= *last) {
            return;
        }
        if self.marks.len() >= MAX_MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(number);
    }

    #[cold]
    fn enter(&mut self, segment: &Segment<'_>, key: (Endpoint, Endpoint), is_opening: bool) -> usize {
        if self.connections.len() >= MAX_CONNECTIONS {
            self.let_go_of_oldest();
        }
        self.open.insert(key, self.gone + self.connections.len() as u64);
        let is_answer = segment.flags.intersects(Flags::SYN) && !is_opening;
        let (dialer, acceptor) = match (is_opening, is_answer) {
            (true, _) => (segment.src, segment.dst),
            (_, true) => (segment.dst, segment.src),
            _ => key,
        };
        self.connections.push_back(ElectionConnection {
            dialer,
            acceptor,
            opened: segment.at,
            is_established: false,
            ended: None,
            last_at: [None; 2],
            halves: [[HalfState::default(); 3]; 2],
        });
        self.connections.len() - 1
    }

    fn let_go_of_oldest(&mut self) {
        let Some(oldest) = self.connections.pop_front() else { return };
        let ends = (oldest.dialer.min(oldest.acceptor), oldest.dialer.max(oldest.acceptor));
        // The same ends may have a later one.
        if self.open.get(&ends) == Some(&self.gone) {
            self.open.remove(&ends);
        }
        self.gone += 1;
    }

    #[cold]
    fn channel(&mut self, segment: &Segment<'_>, host: Option<Address>) -> Option<u32> {
        let (low, high) =
            (segment.src.address.min(segment.dst.address), segment.src.address.max(segment.dst.address));
        if let Some(index) = self.index.get(&(low, high, host)) {
            return Some(*index);
        }
        if self.channels.len() >= MAX_CHANNELS {
            return None;
        }
        let index = u32::try_from(self.channels.len()).ok()?;
        self.index.insert((low, high, host), index);
        self.channels.push(Channel {
            low,
            high,
            host,
            file: segment.frame.file,
            slots: Vec::new(),
            last: [i64::MIN; 2],
        });
        Some(index)
    }

    /// Notes a segment's time, and whether it comes later than a probe would.
    #[inline]
    fn is_late(&mut self, index: u32, segment: &Segment<'_>) -> bool {
        let Some(channel) = self.channels.get_mut(index as usize) else { return false };
        channel.is_late(usize::from(segment.src.address != channel.low), segment.at)
    }

    /// The counts of a segment's time and direction, to add to.
    #[inline]
    fn way(&mut self, index: u32, number: i64, segment: &Segment<'_>) -> Option<&mut SlotWay> {
        let is_last = self
            .channels
            .get(index as usize)
            .and_then(|channel| channel.slots.last())
            .is_some_and(|slot| slot.number == number);
        if !is_last {
            return self.other_way(index, number, segment);
        }
        let channel = self.channels.get_mut(index as usize)?;
        let side = usize::from(segment.src.address != channel.low);
        channel.slots.last_mut()?.ways.get_mut(side)
    }

    #[cold]
    #[inline(never)]
    fn other_way(&mut self, index: u32, number: i64, segment: &Segment<'_>) -> Option<&mut SlotWay> {
        if self.slots >= MAX_SLOTS {
            self.prune(number);
        }
        let channel = self.channels.get_mut(index as usize)?;
        let side = usize::from(segment.src.address != channel.low);
        let place = match channel.slots.last() {
            Some(last) if last.number > number => {
                // Frames come nearly in order of time.
                let place = channel.slots.partition_point(|slot| slot.number < number);
                if channel.slots.get(place).is_none_or(|slot| slot.number != number) {
                    channel.slots.insert(place, Slot { number, ways: [SlotWay::default(); 2] });
                    self.slots += 1;
                }
                place
            }
            Some(last) if last.number == number => channel.slots.len() - 1,
            _ => {
                channel.slots.push(Slot { number, ways: [SlotWay::default(); 2] });
                self.slots += 1;
                channel.slots.len() - 1
            }
        };
        channel.slots.get_mut(place)?.ways.get_mut(side)
    }

    /// Lets go of slots that are near nothing worth keeping, and where that is not enough, of the oldest.
    #[cold]
    fn prune(&mut self, now: i64) {
        let mut marks: Vec<i64> = self.marks.iter().copied().collect();
        marks.sort_unstable();
        let is_near = |number: i64| {
            let index = marks.partition_point(|mark| *mark < number - KEPT_AROUND);
            marks.get(index).is_some_and(|mark| *mark <= number + KEPT_AROUND)
        };
        let latest = now - KEPT_LATEST;
        for channel in &mut self.channels {
            channel.slots.retain(|slot| slot.number >= latest || is_near(slot.number));
        }
        self.count();
        let share = MAX_SLOTS / 2 / self.channels.len().max(1);
        while self.slots > MAX_SLOTS / 4 * 3 {
            for channel in self.channels.iter_mut().filter(|channel| channel.slots.len() > share) {
                let most = channel.slots.len() - (channel.slots.len() - share).div_ceil(2);
                channel.slots.drain(..channel.slots.len() - most);
            }
            self.count();
        }
    }

    fn count(&mut self) {
        self.slots = self.channels.iter().map(|channel| channel.slots.len()).sum();
    }
}

/// What only some segments of a link are.
#[inline]
fn rare(way: &mut SlotWay, seen: &SegmentSeen<'_>, is_late: bool) {
    let segment = seen.segment;
    match seen.fate {
        Fate::Retransmission if is_late => {
            way.again = way.again.saturating_add(1);
            way.shortest_again = shortest(way.shortest_again, segment.len);
        }
        Fate::OutOfOrder => way.kinds.add(Kinds::HOLE),
        Fate::FillsGap => way.fills(is_late),
        _ => {}
    }
    if seen.new_bytes == 0 && !seen.acked_more && !(seen.fate == Fate::Retransmission && is_late) {
        way.bare = way.bare.saturating_add(1);
    }
    if segment.sack {
        way.kinds.add(Kinds::SACK);
    }
    if segment.flags.intersects(Flags::SYN | Flags::FIN | Flags::RST) {
        way.kinds.add(flags(segment.flags, true));
    }
}

/// The number of a time's slot.
#[must_use]
#[inline]
pub const fn number(at: Timestamp) -> i64 {
    QuarterSecond::of(at).number
}

fn short(len: u32) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

fn shortest(so_far: u16, len: u32) -> u16 {
    let len = short(len);
    if so_far == 0 { len } else { so_far.min(len) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::testkit::segment::{endpoint, segment};

    #[test]
    fn what_is_let_go_of_takes_nothing_of_a_later_connection_with_it() {
        let mut witness = Witness::default();
        let server = endpoint(9, 3888);
        let says = |witness: &mut Witness, port: u16, flags: u8| {
            let mut said = segment(endpoint(1, port), server, 1, 1, b"");
            said.header.flags = Flags(flags);
            witness.aside(&said, Port::Election, &[]);
        };
        // One connection is over, and the same ends have another.
        for flags in [Flags::SYN, Flags::ACK, Flags::FIN | Flags::ACK, Flags::SYN] {
            says(&mut witness, 1, flags);
        }
        assert_eq!((witness.connections.len(), witness.open.len()), (2, 1));
        let ends = (server.min(endpoint(1, 1)), server.max(endpoint(1, 1)));
        for port in 100..100 + u16::try_from(MAX_CONNECTIONS).unwrap() - 1 {
            says(&mut witness, port, Flags::SYN);
        }
        assert_eq!((witness.connections.len(), witness.gone), (MAX_CONNECTIONS, 1));
        assert_eq!(witness.open.get(&ends), Some(&1), "the later one is found by its ends");
        says(&mut witness, 50, Flags::SYN);
        assert_eq!((witness.connections.len(), witness.gone), (MAX_CONNECTIONS, 2));
        assert_eq!((witness.open.get(&ends), witness.open.len()), (None, MAX_CONNECTIONS));
    }
}
