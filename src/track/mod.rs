//! Events to facts: servers, links, round trips, headroom, elections.
//!
//! Everything here is driven by the events' own times; the same events give the same facts.

pub mod activity;
mod baseline;
pub mod commits;
pub mod counts;
mod electing;
mod election;
pub mod facts;
pub mod flight;
mod holes;
pub mod link;
mod link_vantage;
pub mod one_way;
mod running;
pub mod samples;
pub mod series;
mod server;
mod session;
mod summary;
mod tick;
pub mod timeline;
mod vantage;
mod violation;
mod voice;
pub mod wait;
mod weight;
pub mod witness;

use crate::address::Address;
use crate::common_host::CommonHost;
use crate::dissect::{
    ByteSums, Direction, ElectionMessage, ElectionSeen, Event, LinkOpened, LinkTotals, Observer, PacketSeen,
    Port, SegmentMatch, SegmentSeen, SnapshotSeen, Unread,
};
use crate::findings::{Closed, Link, Origin, Role, Settings, Strangers, Violation};
use crate::packet::Segment;
use crate::proto::{PacketType, Sid, config, quorum::Head};
use crate::stream::{Closing, Fate, Slot};
use crate::time::{Span, Timestamp};
use election::Elections;
use facts::CaptureFacts;
use holes::Holes;
use link::LinkTrack;
use series::{SeriesBook, SeriesOptions};
use server::Servers;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use summary::{name_of, shown, shown_name};
use tick::TickEstimator;
use timeline::Timeline;
use vantage::Vantages;
use violation::{EMBEDDED_END, MAX_TOLD};
use voice::{Heard, Voices};
use witness::Witness;

/// Links held at once; beyond, a new one is not looked at.
const MAX_LINKS: usize = 65_536;
/// Links that are over and kept for the report; beyond, the oldest of them are to go.
pub(crate) const MAX_CLOSED_LINKS: usize = 8_192;
/// How many go at once: each time all are looked at.
pub(crate) const CLOSED_AT_ONCE: usize = MAX_CLOSED_LINKS / 4;
/// PINGs after which it is asked anew how long a wait must be to matter.
const PINGS_BETWEEN: u32 = 256;

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
    /// Whether the single values of links that are over stay until [`Tracker::compact`].
    pub keeps_values: bool,
    /// Bytes of memory that PROPOSALs in flight, waits and durations of all links may take; `None` for 256 MiB.
    pub max_held_bytes: Option<usize>,
    /// The hosts that the files were taken at, by their index, as far as that is known beforehand.
    pub hosts: Vec<Option<Address>>,
    /// Whether to keep the links' numbers over time, and how many.
    pub series: Option<SeriesOptions>,
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
    election_bytes: ByteSums,
    servers: Servers,
    elections: Elections,
    voices: Voices,
    commits: commits::Commits,
    holes: Holes,
    ticks: TickEstimator,
    last_at: Option<Timestamp>,
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
    timeline: Timeline,
    witness: Witness,
    series: SeriesBook,
}

impl Tracker {
    /// Trackers that have seen nothing yet.
    #[must_use]
    pub fn new(options: TrackerOptions) -> Self {
        Self { series: SeriesBook::new(options.series), options, ..Self::default() }
    }

    #[inline]
    fn link(&mut self, slot: Slot) -> Option<&mut LinkTrack> {
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
        let (sync_limit, sync_limit_from) =
            self.options.sync_limit.unwrap_or((default.sync_limit, Origin::Default));
        let (init_limit, init_limit_from) =
            self.options.init_limit.unwrap_or((default.init_limit, Origin::Default));
        Settings { tick_ms, tick_from, sync_limit, sync_limit_from, init_limit, init_limit_from }
    }

    /// All that is known, the capture being over; `ends` are the times of the files' last frames.
    #[must_use]
    pub fn finish(mut self, ends: &[Option<Timestamp>]) -> CaptureFacts {
        let end = ends.iter().copied().flatten().max().or(self.last_at).unwrap_or_default();
        self.series.detach(self.links.iter_mut().map(|link| &mut link.series));
        self.part_from_strangers();
        self.end_links(ends, end);
        let violations = self.violations();
        let settings = self.settings();
        let mut limits_hit = self.limits_hit();
        if violations.len() > MAX_TOLD {
            *limits_hit.entry("violations").or_default() += (violations.len() - MAX_TOLD) as u64;
        }
        let elections = self.elections();
        let series = std::mem::take(&mut self.series).finish(&mut self.links);
        let mut witness = std::mem::take(&mut self.witness);
        witness.settle_hosts(|file| self.file_host(file));
        let mut summaries: Vec<_> = self.links.iter().map(|link| self.shown(link, &settings)).collect();
        let hosts = self.hosts(&summaries);
        let gaps = std::mem::take(&mut self.holes).finish(|file| self.file_host(file));
        let named = &self.options.servers;
        let servers = self.servers.finish(|address, sid| name_of(named, address, sid));
        for link in &mut summaries {
            let server = servers.iter().find(|server| server.address == link.learner.address);
            link.learner_sid = link.learner_sid.or_else(|| server.and_then(|server| server.sid));
        }
        CaptureFacts {
            settings,
            hosts,
            servers_named: self.options.servers.len() as u64,
            gaps,
            quiets: self.commits.finish(end),
            warn_at_percent: self.options.warn_at_percent,
            summaries,
            servers,
            elections,
            host: self.vantage.host(),
            end,
            violations: violations.into_iter().take(MAX_TOLD).collect(),
            clock_steps: link::clock_step::all(self.links.iter()),
            election_bytes: self.election_bytes,
            strangers: self.strangers,
            limits_hit,
            timeline: self.timeline,
            witness,
            series,
            links: self.links,
        }
    }

    /// The hosts at which frames were captured, as far as is known.
    fn hosts(&self, links: &[Link]) -> Vec<Address> {
        let told = self.options.hosts.iter().copied().flatten().chain(self.vantage.host());
        let seen_from = links.iter().flat_map(|link| link.seen_from.iter().copied());
        told.chain(seen_from).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Ends the waits of all links, each when the captures that could have shown it end.
    fn end_links(&mut self, ends: &[Option<Timestamp>], end: Timestamp) {
        for link in &mut self.links {
            let (leader, learner) = (link.opened.leader.address, link.opened.learner.address);
            link.finish(self.vantages.end_for(leader, learner, ends, &self.options.hosts).unwrap_or(end));
            self.servers.reached(link.opened.leader.address, link.last_proposed);
            self.servers.reached(link.opened.learner.address, link.last_acked);
            if let Some(sid) = link.learner_sid {
                self.servers.is_called(link.opened.learner.address, sid);
            }
        }
        for link in self.links.iter_mut().filter(|link| !link.is_recognised) {
            link.forget_waits();
        }
    }

    /// The violations of all links, in order of time.
    fn violations(&mut self) -> Vec<Violation> {
        let mut violations: Vec<_> = self.links.iter_mut().flat_map(LinkTrack::violations).collect();
        violations.sort_by_key(|violation| violation.at);
        violations
    }

    /// The host that a file was taken at, as far as is known.
    fn file_host(&self, file: u32) -> Option<Address> {
        let told = self.options.hosts.get(file as usize).copied().flatten();
        told.or_else(|| self.vantages.host(file))
    }

    /// The shortest wait that a report may list.
    fn near(&self) -> Span {
        let settings = self.settings();
        let percent = u64::from(self.options.warn_at_percent.clamp(1, 100));
        let near = settings.stall_limit_ms().min(settings.init_limit_ms()) * percent / 100;
        Span::from_millis(near.cast_signed())
    }

    /// A packet shows that a connection is a link: its ends are servers.
    #[cold]
    fn recognise(&mut self, index: usize) {
        let Some(link) = self.links.get_mut(index) else { return };
        link.recognise();
        link.series = self.series.keeper();
        let opened = link.opened;
        self.welcome(&opened);
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

    /// Leaves only links: what else spoke to the ports is counted and forgotten.
    fn part_from_strangers(&mut self) {
        let mut links = std::mem::take(&mut self.links);
        links.retain(|link| {
            if !link.may_be_link() {
                return false;
            }
            if !link.is_recognised {
                self.welcome(&link.opened);
            }
            true
        });
        links.sort_by_key(|link| link.id);
        self.links = links;
    }

    fn shown(&self, link: &LinkTrack, settings: &Settings) -> Link {
        let seen = link_vantage::of(link, &self.vantages, self.vantage.host(), &self.options.hosts);
        Link { tick_ms: self.ticks.of_link(link.id), ..shown(link, settings, seen) }
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
            .flat_map(|link| &link.waits)
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
        }
    }

    /// Which limits were reached, and how often.
    fn limits_hit(&self) -> BTreeMap<&'static str, u64> {
        let near = self.near();
        let sum = |count: fn(&LinkTrack) -> u64| self.links.iter().map(count).sum();
        let pushed_out =
            |totals: &LinkTotals| totals.tcp.to_leader.pushed_out + totals.tcp.to_learner.pushed_out;
        let counts: [(_, u64); 13] = [
            ("links", self.links_refused),
            ("servers", self.servers.refused),
            ("roles", self.servers.roles_let_go),
            ("elections", self.elections.evicted),
            ("looking", self.elections.unnamed),
            (
                "held_segments",
                self.links.iter().filter_map(|link| link.totals.as_ref()).map(pushed_out).sum(),
            ),
            ("proposals_in_flight", sum(|link| link.flight.evicted)),
            ("pings", sum(|link| link.forgotten.pings)),
            ("waits", self.links.iter().map(|link| link.waits_forgotten(near)).sum()),
            ("samples", sum(|link| link.forgotten.samples)),
            ("clock_steps", sum(|link| link.forgotten.steps)),
            ("unknown_types", sum(|link| link.forgotten.types)),
            ("violations", sum(LinkTrack::violations_forgotten)),
        ];
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// Learns ids and addresses from a configuration on the wire.
    fn learn_config(&mut self, text: &[u8]) {
        for server in config::Text(text).servers() {
            for address in server.addresses() {
                if let Ok(ip) = address.host.parse::<IpAddr>() {
                    self.servers.is_called(Address::from(ip), server.sid);
                }
            }
        }
    }
}

impl Tracker {
    fn slot_is_free(&mut self, slot: Slot) {
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
            PacketType::Proposal | PacketType::Inform => EMBEDDED_END,
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
            Event::LinkClosed(slot, direction, closing) => self.link_closed(slot, direction, closing),
            Event::Gap(slot, direction, gap) => self.gap(slot, direction, gap.len, gap.at),
            Event::Unread(slot, direction, unread) => self.unread(slot, direction, unread),
            Event::LinkUnwatched(slot, at) => self.link_unwatched(slot, at),
            Event::LinkOver(slot, totals) => self.link_over(slot, totals),
            Event::Election(seen) => self.election(seen),
            Event::ElectionOver(totals) => self.election_over(&totals.bytes, totals.is_tls),
            Event::Aside(segment, port) => self.aside(segment, port),
            // A link's totals say what protected it.
            Event::Auth(_) => {}
        }
    }
}

impl Tracker {
    fn link_opened(&mut self, slot: Slot, opened: &LinkOpened) {
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
    }

    #[inline(always)]
    fn segment(&mut self, slot: Slot, seen: &SegmentSeen<'_>) {
        let segment = seen.segment;
        self.passes();
        self.vantages.pair(segment.frame.file, segment.src.address, segment.dst.address);
        let Some(index) = self.slots.get(slot.index()).and_then(|entry| entry.checked_sub(1)) else { return };
        let Some(link) = self.links.get_mut(index as usize) else { return };
        link.segment(seen);
        self.witness.link_segment(&mut link.heard_at.0, seen, &self.options.hosts);
        let id = link.id;
        if seen.fate == Fate::Retransmission {
            self.resent(id, segment.at);
        }
    }

    #[inline]
    fn packet(&mut self, slot: Slot, packet: &PacketSeen<'_>) {
        let Some(index) = self.slots.get(slot.index()).and_then(|entry| entry.checked_sub(1)) else { return };
        let index = index as usize;
        self.passes();
        if self.links.get(index).is_some_and(|link| !link.is_recognised) {
            self.recognise(index);
        }
        let Some(link) = self.links.get_mut(index) else { return };
        let last_ping = link.last_ping_at();
        link.packet(packet);
        let (id, serves) = (link.id, link.serves_now());
        match packet.kind {
            PacketType::Ack => return,
            PacketType::Commit => return self.commits.commit(packet.zxid, packet.at),
            _ => {}
        }
        let opened = link.opened;
        let (leader, learner) = (opened.leader.address, opened.learner.address);
        match packet.kind {
            // What a learner is sent to catch up was written earlier.
            PacketType::Proposal if serves => {
                self.commits.proposal(packet.zxid, packet.at);
                self.timeline.write(id, packet.at, packet.size);
            }
            PacketType::Ping if !packet.direction.is_to_leader() && !packet.inferred => {
                if let Some(last) = last_ping {
                    self.ticks.add(id, packet.at.since(last));
                }
                if let Some(zxid) = packet.zxid.filter(|zxid| zxid.0 > 0) {
                    self.elections.epoch_seen(zxid.epoch());
                    self.commits.leader_speaks(zxid.epoch(), packet.at);
                }
                if serves {
                    self.commits.serves(id, None);
                }
                self.prune_timeline();
                self.learn_least_wait();
                if let Some(link) = self.links.get_mut(index) {
                    link.remembers_from(self.least_wait);
                }
            }
            PacketType::FollowerInfo | PacketType::ObserverInfo => {
                let is_follower = packet.kind == PacketType::FollowerInfo;
                let sid = link.learner_sid;
                if let Some(sid) = sid {
                    self.servers.is_called(learner, sid);
                }
                self.joins((leader, learner), is_follower, packet);
            }
            PacketType::UpToDate => self.commits.serves(id, Some(packet.at)),
            PacketType::Inform => {
                self.commits.commit(packet.zxid, packet.at);
                if opened.picked_up {
                    self.servers.becomes(learner, Role::Observer, opened.at);
                }
            }
            PacketType::LeaderInfo => self.names_epoch((leader, learner), packet),
            PacketType::CommitAndActivate => {
                self.commits.commit(packet.zxid, packet.at);
                self.hands_over(leader, packet);
            }
            PacketType::NewLeader => {
                if let Some(text) = packet.seen.get(Head::LEN..).filter(|_| packet.cut == 0) {
                    self.learn_config(text);
                }
            }
            _ => {}
        }
    }

    fn at_learner(&mut self, slot: Slot, seen: &SegmentSeen<'_>) {
        let segment = seen.segment;
        self.vantages.pair(segment.frame.file, segment.src.address, segment.dst.address);
        let Some(index) = self.slots.get(slot.index()).and_then(|entry| entry.checked_sub(1)) else { return };
        if let Some(link) = self.links.get_mut(index as usize) {
            link.at_learner(seen);
            self.witness.link_segment(&mut link.heard_at.1, seen, &self.options.hosts);
        }
    }

    fn aside(&mut self, segment: &Segment<'_>, port: Port) {
        self.vantage.pair(segment.src.address, segment.dst.address);
        self.vantages.pair(segment.frame.file, segment.src.address, segment.dst.address);
        self.witness.aside(segment, port, &self.options.hosts);
    }

    fn segment_match(&mut self, slot: Slot, segment_match: &SegmentMatch) {
        if let Some(link) = self.link(slot) {
            link.segment_match(segment_match);
        }
    }

    fn snapshot(&mut self, slot: Slot, snapshot: &SnapshotSeen) {
        if let Some(link) = self.link(slot) {
            link.snapshot(snapshot);
        }
    }

    fn link_closed(&mut self, slot: Slot, direction: Direction, closing: &Closing) {
        let Some(link) = self.link(slot) else { return };
        let by_leader = direction == Direction::ToLearner;
        link.close(Closed { at: closing.at, by_leader, reset: closing.reset, frame: closing.frame });
        let (id, opened, role, is_recognised) = (link.id, link.opened, link.role, link.is_recognised);
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

    fn gap(&mut self, slot: Slot, direction: Direction, len: u64, at: Timestamp) {
        self.missing_bytes = self.missing_bytes.saturating_add(len);
        let Some(link) = self.link(slot) else { return };
        let (since, file, is_open) = (link.last_frame_at(), link.last_file(), link.closed.is_none());
        link.gap(direction, len, at);
        if is_open {
            self.holes.add(file, since, at);
        }
        if direction == Direction::ToLearner {
            self.commits.unknown(since, at);
        }
    }

    fn unread(&mut self, slot: Slot, direction: Direction, unread: &Unread) {
        if let Some(link) = self.link(slot) {
            link.unread(direction, unread);
        }
    }

    fn link_unwatched(&mut self, slot: Slot, at: Timestamp) {
        let Some(link) = self.link(slot) else { return };
        link.unwatched = Some(at);
        let id = link.id;
        self.commits.ends_serving(id, at);
    }

    fn link_over(&mut self, slot: Slot, totals: &LinkTotals) {
        let near = self.near();
        let keeps_values = self.options.keeps_values;
        let servers = &mut self.servers;
        let index = self.slots.get(slot.index()).copied().unwrap_or(0).checked_sub(1);
        if let Some(link) = index.and_then(|index| self.links.get_mut(index as usize)) {
            link.totals = Some(*totals);
            link.epoch = link.epoch.or(totals.epoch);
            if !link.may_be_link() {
                self.strangers.connections += 1;
                self.strangers.bytes += totals.bytes.to_leader.stream() + totals.bytes.to_learner.stream();
                self.free.extend(index);
                return self.slot_is_free(slot);
            }
            self.over += 1;
            if let Some(at) = link.closed.map(|closed| closed.at).or(link.unwatched) {
                link.finish(at);
                link.series.seal();
                servers.reached(link.opened.leader.address, link.last_proposed);
                servers.reached(link.opened.learner.address, link.last_acked);
                if !keeps_values {
                    link.compact(near);
                }
            }
        }
        self.slot_is_free(slot);
    }

    fn election_over(&mut self, bytes: &ByteSums, is_tls: bool) {
        self.election_bytes = self.election_bytes.plus(bytes);
        if bytes.decoded == 0 && bytes.unframed > 0 && !is_tls {
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
            ElectionMessage::Unread => {}
        }
    }
}

#[cfg(test)]
mod tests;
