//! Events to facts: servers, links, round trips, headroom, elections.
//!
//! Everything here is driven by the events' own times; the same events give the same facts.

pub mod activity;
mod baseline;
pub mod commits;
pub mod counts;
mod delivery;
pub mod dial;
mod electing;
mod election;
pub mod facts;
mod finish;
pub mod flight;
mod holes;
pub mod link;
mod link_vantage;
mod mark;
pub mod one_way;
mod packet;
pub mod quarter;
pub mod raft;
mod running;
pub mod samples;
pub mod series;
mod server;
mod session;
mod sessions;
mod sight;
mod summary;
mod tick;
pub mod timeline;
mod vantage;
mod violation;
mod voice;
pub mod wait;
pub mod wait_log;
mod weight;
pub mod witness;

use crate::address::Address;
use crate::common_host::CommonHost;
use crate::dissect::{
    ByteSums, Direction, ElectionMessage, ElectionSeen, ElectionTotals, Event, LinkOpened, LinkTotals,
    Observer, Port, SegmentMatch, SegmentSeen, SnapshotSeen, Unread,
};
use crate::findings::{Closed, Origin, Role, Settings, Strangers, VotesCut};
use crate::packet::Segment;
use crate::proto::{PacketType, Sid, config};
use crate::stream::{Closing, ConnectionSlot, Fate};
use crate::time::{Span, Timestamp};
use election::ElectionTrack;
use holes::Holes;
use link::LinkTrack;
use quarter::{LastQuarter, QuarterSecond};
use raft::facts::PeerOptions;
use series::{SeriesBook, SeriesOptions};
use server::Servers;
use std::net::IpAddr;
use summary::shown_name;
use tick::TickEstimator;
use timeline::CountsBySecond;
use vantage::Vantages;
use voice::{Meaning, Voices};
use wait_log::WaitLog;
use witness::Witness;

/// Links held at once; beyond, a new one is not looked at.
const MAX_LINKS: usize = 65_536;
/// Links that are over and kept for the report; beyond, the oldest of them are to go.
pub(crate) const MAX_CLOSED_LINKS: usize = 8_192;
/// How many go at once: each time all are looked at.
pub(crate) const CLOSED_AT_ONCE: usize = MAX_CLOSED_LINKS / 4;
/// PINGs after which it is asked anew how long a wait must be to matter.
const PINGS_BETWEEN: u32 = 256;

/// The shortest syncLimit that closes may show, in ticks.
pub(crate) const MIN_SYNC_LIMIT: u32 = 2;

/// A server that a configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedServer {
    /// Its id.
    pub sid: Sid,
    /// The name to show: its host as the configuration has it, or `server.N` where that is an address.
    pub name: String,
    /// Its address, where the configuration gives one.
    pub address: Option<IpAddr>,
}

/// What the trackers are told.
#[derive(Clone, Debug, Default)]
pub struct TrackerOptions {
    /// tickTime in milliseconds, and where it came from; `None` to take it from the pings.
    pub tick_ms: Option<(u32, Origin)>,
    /// syncLimit in ticks.
    pub sync_limit: Option<(u32, Origin)>,
    /// initLimit in ticks.
    pub init_limit: Option<(u32, Origin)>,
    /// From which share of a deadline a wait is listed as a near miss, in percent.
    pub warn_at_percent: u32,
    /// Servers that a configuration names.
    pub servers: Vec<NamedServer>,
    /// What a configuration says of etcd's members.
    pub peers: PeerOptions,
    /// Whether the single values of links that are over stay until [`Tracker::compact`].
    pub keeps_values: bool,
    /// Bytes of memory that PROPOSALs in flight, waits and durations of all links may take; `None` for 256 MiB.
    pub max_held_bytes: Option<usize>,
    /// The hosts that the files were taken at, by their index, as far as that is known beforehand.
    pub hosts: Vec<Option<Address>>,
    /// Whether to keep the links' numbers over time, and how many.
    pub series: Option<SeriesOptions>,
    /// Where long waits are noted, if anybody asks for all of them.
    pub wait_log: WaitLog,
}

/// The trackers of a capture.
#[derive(Clone, Debug, Default)]
pub struct Tracker {
    options: TrackerOptions,
    links: Vec<LinkTrack>,
    /// For each slot, the index of its link and one; 0 where there is none.
    slots: Vec<u32>,
    /// Places in `links` that were strangers', free again.
    free: Vec<u32>,
    links_seen: u32,
    strangers: Strangers,
    votes_cut: VotesCut,
    election_bytes: ByteSums,
    servers: Servers,
    elections: ElectionTrack,
    voices: Voices,
    commits: commits::Commits,
    holes: Holes,
    ticks: TickEstimator,
    last_at: Option<Timestamp>,
    quarter: LastQuarter,
    links_refused: u64,
    /// Waits that are shorter are not remembered.
    least_wait: Span,
    pings_seen: u32,
    /// Packets and segments, see [`weight`].
    passed: u32,
    /// Links of `links` that are over.
    over: usize,
    missing_bytes: u64,
    vantage: CommonHost,
    vantages: Vantages,
    timeline: CountsBySecond,
    witness: Witness,
    series: SeriesBook,
    dials: dial::Dials,
    peers: raft::Peers,
    sessions: sessions::SessionTrack,
    /// syncLimit as the links show it, where nobody named it.
    sync_limit_shown: Option<u32>,
}

impl Tracker {
    /// Trackers that have seen nothing yet.
    #[must_use]
    pub fn new(options: TrackerOptions) -> Self {
        Self { series: SeriesBook::new(options.series), options, ..Self::default() }
    }

    #[inline]
    fn link(&mut self, slot: ConnectionSlot) -> Option<&mut LinkTrack> {
        let index = (*self.slots.get(slot.index())?).checked_sub(1)?;
        self.links.get_mut(index as usize)
    }

    /// ZooKeeper's limits, as far as they are known by now.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let default = Settings::default();
        let (tick_ms, tick_from) = self
            .options
            .tick_ms
            .or_else(|| self.ticks.tick_ms().map(|tick| (tick, Origin::Pings)))
            .unwrap_or((default.tick_ms, Origin::Default));
        let shown = self.sync_limit_shown.map(|ticks| (ticks, Origin::Closes));
        let (sync_limit, sync_limit_from) =
            self.options.sync_limit.or(shown).unwrap_or((default.sync_limit, Origin::Default));
        let (init_limit, init_limit_from) =
            self.options.init_limit.unwrap_or((default.init_limit, Origin::Default));
        Settings { tick_ms, tick_from, sync_limit, sync_limit_from, init_limit, init_limit_from }
    }

    /// The shortest wait that a report may list.
    fn near(&self) -> Span {
        let settings = self.settings();
        let percent = u64::from(self.options.warn_at_percent.clamp(1, 100));
        // Where nobody named syncLimit, closes may show that it is shorter.
        let is_known = self.options.sync_limit.is_some();
        let ticks = if is_known { settings.sync_limit } else { settings.sync_limit.min(MIN_SYNC_LIMIT) };
        let limit = u64::from(settings.tick_ms) * u64::from(ticks);
        let near = limit.min(settings.init_limit_ms()).saturating_mul(percent) / 100;
        Span::from_millis(near.cast_signed())
    }

    /// A packet shows that a connection is a link: its ends are servers.
    #[cold]
    fn recognise(&mut self, index: usize, kind: PacketType) {
        let Some(link) = self.links.get_mut(index) else { return };
        link.recognise();
        link.series = self.series.keeper();
        link.waits.log = self.options.wait_log.clone();
        let opened = link.opened;
        self.welcome(&opened);
        if opened.picked_up && matches!(kind, PacketType::Ping | PacketType::Proposal | PacketType::Commit) {
            self.began_unseen(&opened);
        }
    }

    fn welcome(&mut self, opened: &LinkOpened) {
        let (leader, learner) = (opened.leader.address, opened.learner.address);
        self.servers.leads_more(leader);
        self.servers.seen(learner);
        if opened.picked_up {
            self.servers.becomes(leader, Role::Leader, opened.at);
            self.servers.becomes(learner, Role::Follower, opened.at);
        }
    }

    /// The host of a file, where that is known beforehand.
    fn known_host(&self, file: u32) -> Option<Address> {
        self.options.hosts.get(file as usize).copied().flatten()
    }

    /// No frame had come for this long: longer than between PINGs, the capture may lack something.
    #[cold]
    fn no_frame_for(&mut self, segment: &Segment<'_>, quiet: Span) {
        if quiet.nanos() >= i64::from(self.settings().tick_ms) * 1_000_000 {
            let (file, at) = (segment.frame.file, segment.at);
            let is_hole = self.known_host(file).is_some_and(|host| {
                // What was sent before may be under way for as long as anything ever was.
                let slowest = self
                    .links
                    .iter()
                    .filter(|link| link.is_of(host))
                    .filter_map(|link| link.one_way.as_ref());
                let slowest = slowest.map(|one_way| one_way.slowest()).max().unwrap_or(Span::ZERO);
                self.witness.is_heard_elsewhere(host, at.minus(quiet).plus(slowest), at)
            });
            self.holes.quiet(file, at, quiet, is_hole);
        }
    }

    #[cold]
    fn resent(&mut self, link: u32, at: Timestamp) {
        self.timeline.resent(link, at);
        self.prune_timeline();
    }

    /// Keeps the timeline within its bounds; looked at when something rare happens.
    fn prune_timeline(&mut self) {
        if !self.timeline.is_full() {
            return;
        }
        let least = Span::from_millis(self.settings().stall_limit_ms().cast_signed());
        let waits: Vec<_> = self
            .links
            .iter()
            .flat_map(|link| &link.waits.list)
            .filter(|wait| wait.len() >= least)
            .map(|wait| (wait.start, wait.end))
            .collect();
        self.timeline.prune(&waits);
    }

    /// Learns, now and then, how short a wait can be without ever being told. What is known of tickTime may
    /// still change: a quarter of what is told is remembered.
    fn learn_least_wait(&mut self) {
        self.pings_seen = self.pings_seen.wrapping_add(1);
        if self.pings_seen % PINGS_BETWEEN == 1 && self.settings().tick_from != Origin::Default {
            self.least_wait = Span::from_nanos(self.near().nanos() / 4);
            let settings = self.settings();
            let least_ms = settings.stall_limit_ms().min(settings.init_limit_ms()) / 10;
            self.options.wait_log.notes_from(Span::from_millis(least_ms.cast_signed()));
        }
    }

    /// Learns ids and addresses from a configuration on the wire.
    fn learn_config(&mut self, text: &[u8]) {
        for server in config::ConfigText(text).servers() {
            for address in server.addresses() {
                if let Ok(ip) = address.host.parse::<IpAddr>() {
                    self.servers.is_called(Address::from(ip), server.sid);
                }
            }
        }
    }
}

impl Tracker {
    fn slot_is_free(&mut self, slot: ConnectionSlot) {
        if let Some(entry) = self.slots.get_mut(slot.index()) {
            *entry = 0;
        }
    }
}

impl Observer for Tracker {
    #[inline]
    fn looks_at(kind: PacketType) -> usize {
        match kind {
            PacketType::Ack | PacketType::Commit => 0,
            PacketType::Proposal | PacketType::Inform => sessions::PROPOSAL_END,
            _ => usize::MAX,
        }
    }

    #[inline(always)]
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::LinkOpened(slot, opened) => self.link_opened(slot, opened),
            Event::Segment(slot, seen) => self.segment(slot, seen),
            Event::AtLearner(slot, seen) => self.at_learner(slot, seen),
            Event::SegmentMatch(slot, segment_match) => self.segment_match(slot, segment_match),
            Event::Packet(slot, packet) => self.packet(slot, packet),
            Event::Snapshot(slot, snapshot) => self.snapshot(slot, snapshot),
            Event::LinkEncrypted(slot) => {
                if let Some(link) = self.link(slot) {
                    link.is_encrypted = true;
                }
            }
            Event::LinkClosed(slot, direction, closing) => self.link_closed(slot, direction, closing),
            Event::Gap(slot, direction, gap) => self.gap(slot, direction, gap.len, gap.at),
            Event::Unread(slot, direction, unread) => self.unread(slot, direction, unread),
            Event::LinkUnwatched(slot, at) => self.link_unwatched(slot, at),
            Event::LinkOver(slot, totals) => self.link_over(slot, totals),
            Event::Election(seen) => self.election(seen),
            Event::ElectionOver(totals) => self.election_over(totals),
            Event::Aside(segment, port) => self.aside(segment, port),
            // A link's totals say what protected it.
            Event::Auth(_) => {}
            Event::Peer(seen) => self.peers.event(seen, &self.options.hosts),
        }
    }
}

impl Tracker {
    fn link_opened(&mut self, slot: ConnectionSlot, opened: &LinkOpened) {
        let id = self.links_seen.saturating_add(1);
        let index = match self.free.pop() {
            Some(free) => free as usize,
            None if self.links.len() < MAX_LINKS => self.links.len(),
            None => {
                self.links_refused += 1;
                return;
            }
        };
        self.links_seen = id;
        let link = LinkTrack::new(id, opened);
        match self.links.get_mut(index) {
            Some(stranger) => *stranger = link,
            None => self.links.push(link),
        }
        if self.slots.len() <= slot.index() {
            self.slots.resize(slot.index() + 1, 0);
        }
        if let Some(of_slot) = self.slots.get_mut(slot.index()) {
            // Bounded by MAX_LINKS.
            *of_slot = u32::try_from(index + 1).unwrap_or(0);
        }
        self.vantage.pair(opened.leader.address, opened.learner.address);
        self.dials.is_link(opened.learner, opened.leader, opened.at, opened.picked_up);
    }

    #[inline(always)]
    fn segment(&mut self, slot: ConnectionSlot, seen: &SegmentSeen<'_>) {
        let segment = seen.segment;
        self.passes();
        if let Some(quiet) = self.holes.frame(segment.frame.file, segment.at, &self.options.hosts) {
            self.no_frame_for(segment, quiet);
        }
        self.vantages.pair(segment.frame.file, segment.src.address, segment.dst.address);
        let Some(index) = self.slots.get(slot.index()).and_then(|entry| entry.checked_sub(1)) else { return };
        let Some(link) = self.links.get_mut(index as usize) else { return };
        let quarter = self.quarter.of(segment.at);
        link.segment(seen, quarter);
        self.witness.link_segment(&mut link.heard_at.0, seen, quarter, &self.options.hosts);
        if seen.fate == Fate::Retransmission {
            let id = link.id;
            self.resent(id, segment.at);
        }
    }

    fn at_learner(&mut self, slot: ConnectionSlot, seen: &SegmentSeen<'_>) {
        let segment = seen.segment;
        if let Some(quiet) = self.holes.frame(segment.frame.file, segment.at, &self.options.hosts) {
            self.no_frame_for(segment, quiet);
        }
        self.vantages.pair(segment.frame.file, segment.src.address, segment.dst.address);
        let Some(index) = self.slots.get(slot.index()).and_then(|entry| entry.checked_sub(1)) else { return };
        if let Some(link) = self.links.get_mut(index as usize) {
            link.at_learner(seen);
            let quarter = QuarterSecond::of(segment.at);
            self.witness.link_segment(&mut link.heard_at.1, seen, quarter, &self.options.hosts);
        }
    }

    fn aside(&mut self, segment: &Segment<'_>, port: Port) {
        if let Some(quiet) = self.holes.frame(segment.frame.file, segment.at, &self.options.hosts) {
            self.no_frame_for(segment, quiet);
        }
        self.vantage.pair(segment.src.address, segment.dst.address);
        self.vantages.pair(segment.frame.file, segment.src.address, segment.dst.address);
        self.witness.aside(segment, port, &self.options.hosts);
        self.dials.segment(segment, port, self.known_host(segment.frame.file));
    }

    fn segment_match(&mut self, slot: ConnectionSlot, segment_match: &SegmentMatch) {
        if let Some(link) = self.link(slot) {
            link.segment_match(segment_match);
        }
    }

    fn snapshot(&mut self, slot: ConnectionSlot, snapshot: &SnapshotSeen) {
        if let Some(link) = self.link(slot) {
            link.snapshot(snapshot);
        }
    }

    fn link_closed(&mut self, slot: ConnectionSlot, direction: Direction, closing: &Closing) {
        let Some(link) = self.link(slot) else { return };
        let by_leader = direction == Direction::ToLearner;
        link.close(Closed { at: closing.at, by_leader, reset: closing.reset, frame: closing.frame });
        let (id, opened, role, is_recognised) =
            (link.id, link.opened, link.handshake.role, link.is_recognised);
        self.witness.mark(closing.at);
        if !is_recognised {
            return;
        }
        self.commits.ends_serving(id, closing.at);
        if let Some(role) = role {
            self.servers.ceases(opened.learner.address, role, closing.at);
        }
        self.servers.leads_less(opened.leader.address, closing.at);
    }

    fn gap(&mut self, slot: ConnectionSlot, direction: Direction, len: u64, at: Timestamp) {
        self.missing_bytes = self.missing_bytes.saturating_add(len);
        let Some(link) = self.link(slot) else { return };
        let (heard, since) = (link.last_heard(direction), link.last_frame_at());
        let (file, is_open) = (link.last_file(), link.teardown.closed.is_none_or(|closed| at < closed.at));
        let (found, opened) = (link.heard_at.0, link.opened);
        let files = link.frames.files.clone();
        link.gap(direction, len, at);
        let from = if direction.is_to_leader() { opened.learner } else { opened.leader };
        // Whichever capture shows the link, none showed these bytes.
        let hosts: Vec<_> = files.iter().map(|file| self.known_host(*file)).collect();
        if is_open {
            self.witness.not_lost(found, from.address, heard, at);
        }
        let host = file.and_then(|file| self.known_host(file));
        // What the other side acknowledged was not lost on the way, nor is what a host's own capture lacks.
        if is_open || host.or(self.vantage.host()) == Some(from.address) {
            self.holes.missing(&hosts, heard, at);
        }
        if direction == Direction::ToLearner {
            self.commits.unknown(since, at);
        }
    }

    fn unread(&mut self, slot: ConnectionSlot, direction: Direction, unread: &Unread) {
        if let Some(link) = self.link(slot) {
            link.unread(direction, unread);
        }
    }

    fn link_unwatched(&mut self, slot: ConnectionSlot, at: Timestamp) {
        let Some(link) = self.link(slot) else { return };
        link.unwatched = Some(at);
        let id = link.id;
        self.commits.ends_serving(id, at);
    }

    fn link_over(&mut self, slot: ConnectionSlot, totals: &LinkTotals) {
        let near = self.near();
        let keeps_values = self.options.keeps_values;
        let servers = &mut self.servers;
        let index = self.slots.get(slot.index()).copied().unwrap_or(0).checked_sub(1);
        if let Some(link) = index.and_then(|index| self.links.get_mut(index as usize)) {
            link.totals = Some(*totals);
            link.handshake.epoch = link.handshake.epoch.or(totals.epoch);
            if !link.may_be_link() {
                let (opened, is_empty) =
                    (link.opened, totals.bytes.to_leader.stream() + totals.bytes.to_learner.stream() == 0);
                if let Some(closed) = link.teardown.closed.filter(|_| is_empty && !opened.picked_up) {
                    self.dials.was_empty(opened.learner, opened.leader, closed.at, closed.frame);
                }
                self.strangers.connections += 1;
                self.strangers.bytes += totals.bytes.to_leader.stream() + totals.bytes.to_learner.stream();
                self.free.extend(index);
                return self.slot_is_free(slot);
            }
            self.over += 1;
            if let Some(at) = link.teardown.closed.map(|closed| closed.at).or(link.unwatched) {
                link.finish(at);
                link.series.seal();
                servers.reached(link.opened.leader.address, link.proposals.last_proposed);
                servers.reached(link.opened.learner.address, link.proposals.last_acked);
                if !keeps_values {
                    link.compact(near);
                }
            }
        }
        self.slot_is_free(slot);
    }

    fn election_over(&mut self, totals: &ElectionTotals) {
        let bytes = &totals.bytes;
        self.election_bytes = self.election_bytes.plus(bytes);
        if totals.is_stranger {
            self.strangers.connections += 1;
            self.strangers.bytes += bytes.stream();
        }
    }

    fn election(&mut self, seen: &ElectionSeen<'_>) {
        self.last_at = self.last_at.max(Some(seen.at));
        let src = seen.src.address;
        self.vantage.pair(src, seen.dst.address);
        self.vantages.pair(seen.frame.file, src, seen.dst.address);
        match &seen.message {
            ElectionMessage::Hello(hello) => {
                self.servers.is_called(src, hello.sid());
                self.voices.hello(seen.src, seen.dst);
            }
            ElectionMessage::Notification(notification) => {
                self.notification(seen, notification);
                if let Some(config) = notification.config {
                    self.learn_config(config);
                }
            }
            ElectionMessage::Unread => self.vote_unread(seen),
        }
    }
}

#[cfg(test)]
mod tests;
