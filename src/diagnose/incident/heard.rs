//! Questions to what was heard: who spoke when, whose kernel answered, which way was open.

use crate::address::Address;
use crate::time::Timestamp;
use crate::track::witness::{Channel, ElectionConnection, Kinds, SLOT_NANOS, Slot, SlotWay, Witness, number};
use std::collections::{BTreeMap, BTreeSet};

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// The sum of what one host sent to another in a stretch of time, as one capture shows it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeardFlow {
    pub(super) fresh: u32,
    pub(super) acked: u32,
    pub(super) bare: u32,
    pub(super) again: u32,
    pub(super) frames: u32,
    pub(super) kinds: Kinds,
    pub(super) first_fresh: Option<Timestamp>,
    pub(super) last_fresh: Option<Timestamp>,
}

/// What was heard, by host.
pub(super) struct Heard<'a> {
    channels: Vec<(&'a Channel, Option<Address>)>,
    by_host: BTreeMap<Address, Vec<usize>>,
    captured: BTreeSet<Address>,
    witness: &'a Witness,
}

impl<'a> Heard<'a> {
    /// `vantage` is the host that every connection has in common: the one captured, where the files do not tell.
    pub(super) fn new(witness: &'a Witness, vantage: Option<Address>) -> Self {
        let channels: Vec<_> =
            witness.channels().iter().map(|channel| (channel, channel.host.or(vantage))).collect();
        let mut by_host: BTreeMap<Address, Vec<usize>> = BTreeMap::new();
        let mut captured = BTreeSet::new();
        for (index, (channel, host)) in channels.iter().enumerate() {
            by_host.entry(channel.low).or_default().push(index);
            by_host.entry(channel.high).or_default().push(index);
            captured.extend(host.filter(|host| *host == channel.low || *host == channel.high));
        }
        Self { channels, by_host, captured, witness }
    }

    /// Whether there is a capture of this host.
    pub(super) fn is_captured(&self, host: Address) -> bool {
        self.captured.contains(&host)
    }

    /// The election connections.
    pub(super) fn connections(&self) -> impl Iterator<Item = &'a ElectionConnection> {
        self.witness.connections()
    }

    /// The hosts that talked with this one.
    pub(super) fn peers(&self, host: Address) -> BTreeSet<Address> {
        self.of(host).map(|(channel, _)| other(channel, host)).collect()
    }

    fn of(&self, host: Address) -> impl Iterator<Item = (&'a Channel, Option<Address>)> {
        let indices = self.by_host.get(&host).map_or(&[][..], Vec::as_slice);
        indices.iter().filter_map(|index| self.channels.get(*index).copied())
    }

    /// The channels that tell what a host sent: its own capture's where there is one, else those where it
    /// arrived.
    fn replayer(&self, host: Address) -> impl Iterator<Item = (&'a Channel, Option<Address>)> {
        let is_own = self.is_captured(host);
        self.of(host).filter(move |(_, at)| !is_own || *at == Some(host))
    }

    /// What a host sent to another, as the capture of `at` shows it.
    pub(super) fn flow(&self, from: Address, to: Address, at: Address, window: Window) -> HeardFlow {
        let mut flow = HeardFlow::default();
        for (channel, _) in
            self.of(from).filter(|(channel, host)| other(channel, from) == to && *host == Some(at))
        {
            add_to(&mut flow, channel, from, window);
        }
        flow
    }

    /// The same, whatever capture shows it.
    pub(super) fn any_flow(&self, from: Address, to: Address, window: Window) -> HeardFlow {
        let mut flow = HeardFlow::default();
        for (channel, _) in self.of(from).filter(|(channel, _)| other(channel, from) == to) {
            add_to(&mut flow, channel, from, window);
        }
        flow
    }

    /// Which kinds of segments came by in the slots that a window touches, whatever capture shows it.
    pub(super) fn any_flow_edges(&self, from: Address, to: Address, window: Window) -> Kinds {
        let pairs = self.of(from).filter(|(channel, _)| other(channel, from) == to);
        pairs
            .flat_map(|(channel, _)| within(channel, window).filter_map(|slot| way(channel, slot, from)))
            .fold(Kinds::default(), |kinds, way| kinds.plus(way.kinds))
    }

    /// The same, as the capture of `at` shows it.
    pub(super) fn flow_edges(&self, from: Address, to: Address, at: Address, window: Window) -> Kinds {
        let pairs = self.of(from).filter(|(channel, host)| other(channel, from) == to && *host == Some(at));
        pairs
            .flat_map(|(channel, _)| within(channel, window).filter_map(|slot| way(channel, slot, from)))
            .fold(Kinds::default(), |kinds, way| kinds.plus(way.kinds))
    }

    /// What a host sent to anybody.
    pub(super) fn sent(&self, from: Address, window: Window) -> HeardFlow {
        let mut flow = HeardFlow::default();
        for (channel, _) in self.replayer(from) {
            add_to(&mut flow, channel, from, window);
        }
        flow
    }

    /// The last new bytes of a host up to a time.
    pub(super) fn last_word(&self, host: Address, until: Timestamp) -> Option<Timestamp> {
        let last = |(channel, _): (&'a Channel, _)| {
            before(channel, until)
                .filter_map(|slot| {
                    let way = way(channel, slot, host)?;
                    let last = way.last_fresh_at(slot.number).filter(|at| *at <= until);
                    last.or_else(|| way.first_fresh_at(slot.number).filter(|at| *at <= until))
                })
                .next()
        };
        self.replayer(host).filter_map(last).max()
    }

    /// The first sign of a process that stood still from a time on: new bytes, an attempt to connect, a close.
    pub(super) fn first_word(&self, host: Address, from: Timestamp) -> Option<Timestamp> {
        self.first_sign(host, from, Kinds::SYN.plus(Kinds::FIN).plus(Kinds::RST))
    }

    /// The first sign of a process that was started from a time on. The kernel alone resets what it does not know,
    /// and refuses what nobody listens for.
    pub(super) fn first_start(&self, host: Address, from: Timestamp) -> Option<Timestamp> {
        self.first_sign(host, from, Kinds::SYN.plus(Kinds::SYN_ACK))
    }

    fn first_sign(&self, host: Address, from: Timestamp, kinds: Kinds) -> Option<Timestamp> {
        let first = |(channel, _): (&'a Channel, _)| {
            after(channel, from)
                .filter_map(|slot| {
                    let way = way(channel, slot, host)?;
                    let fresh = way.first_fresh_at(slot.number).filter(|at| *at >= from);
                    let fresh = fresh.or_else(|| way.last_fresh_at(slot.number).filter(|at| *at >= from));
                    let is_other = way.kinds.has(kinds);
                    fresh.or_else(|| Some(way.last_at(slot.number)).filter(|at| is_other && *at >= from))
                })
                .next()
        };
        self.replayer(host).filter_map(first).min()
    }

    /// The first frame from one host to another that a capture at the other shows from a time on; where there
    /// is none, that any shows.
    pub(super) fn first_frame(&self, from: Address, to: Address, since: Timestamp) -> Option<Timestamp> {
        let is_captured = self.is_captured(to);
        let pairs = self.of(from).filter(|(channel, _)| other(channel, from) == to);
        pairs
            .filter(|(_, at)| !is_captured || *at == Some(to))
            .filter_map(|(channel, _)| {
                after(channel, since).find_map(|slot| {
                    let way = way(channel, slot, from)?;
                    Some(way.last_at(slot.number)).filter(|at| way.frames() > 0 && *at >= since)
                })
            })
            .min()
    }

    /// How loss shows on what one host sends to another.
    ///
    /// Where it is sent, something is acknowledged after it was retransmitted; where it arrives, a gap is filled.
    pub(super) fn loss(&self, from: Address, to: Address, window: Window) -> HeardLoss {
        let mut loss = HeardLoss::default();
        let is_captured = self.is_captured(from) || self.is_captured(to);
        let at_sender = self.is_captured(from);
        let shows = |at: Option<Address>| match (is_captured, at_sender) {
            (true, true) => at == Some(from),
            (true, false) => at == Some(to),
            (false, _) => true,
        };
        for (channel, _) in self.of(from).filter(|(channel, at)| other(channel, from) == to && shows(*at)) {
            let mut is_armed = false;
            for slot in within(channel, window) {
                let Some((way, back)) = way(channel, slot, from).zip(way(channel, slot, to)) else {
                    continue;
                };
                let at = Timestamp::from_nanos(slot.number.saturating_mul(SLOT_NANOS));
                loss.fresh += u32::from(way.fresh);
                loss.is_acknowledged |= loss.holes > 0 && back.acked > 0;
                loss.holes += u32::from(way.kinds.has(Kinds::HOLE));
                loss.gaps_reported += u32::from(back.kinds.has(Kinds::SACK));
                if back.acked > 0 {
                    loss.reported_in_vain = 0;
                }
                loss.reported_in_vain += u32::from(back.kinds.has(Kinds::SACK));
                if at_sender || !is_captured {
                    is_armed |= way.again > 0;
                    loss.retransmitted(way, at);
                    if is_armed && back.acked > 0 {
                        is_armed = false;
                        loss.recoveries.push(at);
                    }
                } else {
                    if way.kinds.has(Kinds::FILLED) {
                        let mut filled = way;
                        filled.again = filled.again.max(1);
                        loss.retransmitted(filled, at);
                        loss.recoveries.push(at);
                    } else {
                        loss.retransmitted(way, at);
                    }
                }
                if back.kinds.has(Kinds::SACK) && is_armed {
                    loss.answers_to_repeats += 1;
                }
            }
        }
        loss
    }
}

/// See [`Heard::loss`].
#[derive(Clone, Debug, Default)]
pub(super) struct HeardLoss {
    /// Retransmissions.
    pub(super) again: u32,
    /// Segments with new bytes.
    pub(super) fresh: u32,
    /// When something got through after it had been retransmitted, to a quarter of a second.
    pub(super) recoveries: Vec<Timestamp>,
    /// Quarters of a second in which segments arrived behind a gap.
    pub(super) holes: u32,
    /// Whether the other side acknowledged more after such a gap: it was filled.
    pub(super) is_acknowledged: bool,
    /// Quarters of a second in which the other side reported a gap in what it got.
    pub(super) gaps_reported: u32,
    /// The same since the other side last acknowledged more: a gap that nothing fills. No frame that a capture lacks
    /// makes one, since what is acknowledged later tells what was before.
    pub(super) reported_in_vain: u32,
    /// Quarters of a second in which the other side answered while something was being retransmitted.
    pub(super) answers_to_repeats: u32,
    /// The first and the last retransmission.
    pub(super) first: Option<Timestamp>,
    /// See `first`.
    pub(super) last: Option<Timestamp>,
    /// The shortest segment that was retransmitted.
    pub(super) shortest_again: u16,
}

impl HeardLoss {
    fn retransmitted(&mut self, way: SlotWay, at: Timestamp) {
        if way.again == 0 {
            return;
        }
        self.again += u32::from(way.again);
        self.first.get_or_insert(at);
        self.last = Some(at);
        if way.shortest_again > 0 && (self.shortest_again == 0 || way.shortest_again < self.shortest_again) {
            self.shortest_again = way.shortest_again;
        }
    }

    /// Both together.
    pub(super) fn plus(mut self, other: Self) -> Self {
        self.again += other.again;
        self.fresh += other.fresh;
        self.recoveries.extend(other.recoveries);
        self.recoveries.sort_unstable();
        self.holes += other.holes;
        self.gaps_reported += other.gaps_reported;
        self.reported_in_vain += other.reported_in_vain;
        self.is_acknowledged |= other.is_acknowledged;
        self.answers_to_repeats += other.answers_to_repeats;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = [self.last, other.last].into_iter().flatten().max();
        self
    }
}

fn other(channel: &Channel, host: Address) -> Address {
    if channel.low == host { channel.high } else { channel.low }
}

fn way(channel: &Channel, slot: &Slot, from: Address) -> Option<SlotWay> {
    slot.ways.get(usize::from(channel.low != from)).copied()
}

/// The slots that reach into a window.
fn within(channel: &Channel, window: Window) -> impl Iterator<Item = &Slot> {
    let (first, last) = (number(window.from), number(window.to));
    let start = channel.slots.partition_point(|slot| slot.number < first);
    channel.slots.iter().skip(start).take_while(move |slot| slot.number <= last)
}

/// The slots from a time on.
fn after(channel: &Channel, from: Timestamp) -> impl Iterator<Item = &Slot> {
    let start = channel.slots.partition_point(|slot| slot.number < number(from));
    channel.slots.iter().skip(start)
}

/// The slots up to a time, the latest first.
fn before(channel: &Channel, until: Timestamp) -> impl Iterator<Item = &Slot> {
    let end = channel.slots.partition_point(|slot| slot.number <= number(until));
    channel.slots.iter().take(end).rev()
}

/// Adds what a host sent within a window: of a slot at its edge only what surely lies within.
fn add_to(flow: &mut HeardFlow, channel: &Channel, from: Address, window: Window) {
    for slot in within(channel, window) {
        let Some(way) = way(channel, slot, from) else { continue };
        let fresh = [way.first_fresh_at(slot.number), way.last_fresh_at(slot.number)];
        let mut inside = fresh.into_iter().flatten().filter(|at| *at >= window.from && *at <= window.to);
        let first = inside.next();
        let last = inside.next_back().or(first);
        flow.first_fresh = [flow.first_fresh, first].into_iter().flatten().min();
        flow.last_fresh = [flow.last_fresh, last].into_iter().flatten().max();
        let begins = slot.number.saturating_mul(SLOT_NANOS);
        let is_whole =
            begins >= window.from.nanos() && begins.saturating_add(SLOT_NANOS) <= window.to.nanos();
        if is_whole {
            flow.fresh += u32::from(way.fresh);
            flow.acked += u32::from(way.acked);
            flow.bare += u32::from(way.bare);
            flow.again += u32::from(way.again) + u32::from(way.again_election);
            flow.frames += way.frames();
            flow.kinds = flow.kinds.plus(way.kinds);
        } else if first.is_some() {
            flow.fresh += 1;
            flow.frames += 1;
        } else {
            let last = way.last_at(slot.number);
            let is_inside = way.frames() > 0 && last >= window.from && last <= window.to;
            flow.frames += u32::from(is_inside);
            if is_inside && way.fresh == 0 && begins >= window.from.nanos() {
                // All of it lies behind the start, and its last frame before the end.
                flow.acked += u32::from(way.acked);
                flow.bare += u32::from(way.bare);
                flow.again += u32::from(way.again) + u32::from(way.again_election);
                flow.kinds = flow.kinds.plus(way.kinds);
            }
        }
    }
}
