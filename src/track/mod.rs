//! Events to facts: servers, links, round trips, headroom, elections.
//!
//! Everything here is driven by the events' own times; the same events give the same facts.

pub mod activity;
mod beat;
mod election;
pub mod flight;
pub mod link;
pub mod samples;
mod server;
mod vantage;
mod violation;
pub mod wait;

use crate::address::Address;
use crate::diagnose;
use crate::dissect::{
    AuthSeen, Direction, ElectionMessage, ElectionSeen, LinkOpened, LinkTotals, Observer, PacketSeen,
    PerDirection, SegmentSeen, SnapshotSeen,
};
use crate::proto::{PacketType, ServerState, Sid, config, quorum::Head};
use crate::report::model::{
    Closed, Deadline, Headroom, Link, Origin, Report, Role, RoundTrips, Settings, TcpCounts,
};
use crate::stream::{Closing, HalfCounts, Slot};
use crate::time::{Span, Timestamp};
use beat::Beat;
use election::Elections;
use link::LinkTrack;
use samples::Samples;
use server::Servers;
use std::net::IpAddr;
use vantage::{Vantage, Vantages};
use violation::EMBEDDED_END;

/// Links kept for the report; beyond, the oldest that are over are let go.
const LINKS_MOST: usize = 65_536;

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
pub struct Options {
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
}

/// The trackers of a capture.
#[derive(Debug, Default)]
pub struct Tracker {
    options: Options,
    links: Vec<LinkTrack>,
    /// For each slot, the index of its link and one; 0 where there is none.
    slots: Vec<u32>,
    servers: Servers,
    elections: Elections,
    beat: Beat,
    last_at: Option<Timestamp>,
    links_refused: u64,
    vantage: Vantage,
    vantages: Vantages,
}

impl Tracker {
    /// Trackers that have seen nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
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
            .or_else(|| self.beat.tick_ms().map(|tick| (tick, Origin::Pings)))
            .unwrap_or((default.tick_ms, Origin::Default));
        let (sync_limit, sync_limit_from) =
            self.options.sync_limit.unwrap_or((default.sync_limit, Origin::Default));
        let (init_limit, init_limit_from) =
            self.options.init_limit.unwrap_or((default.init_limit, Origin::Default));
        Settings { tick_ms, tick_from, sync_limit, sync_limit_from, init_limit, init_limit_from }
    }

    /// The report, but for its input; `ends` are the times of the files' last frames.
    #[must_use]
    pub fn finish(mut self, ends: &[Option<Timestamp>]) -> Report {
        let end = ends.iter().copied().flatten().max().or(self.last_at).unwrap_or_default();
        for link in &mut self.links {
            let (leader, learner) = (link.opened.leader.address, link.opened.learner.address);
            link.finish(self.vantages.end_for(leader, learner, ends).unwrap_or(end));
            self.servers.reached(link.opened.leader.address, link.last_proposed);
            self.servers.reached(link.opened.learner.address, link.last_acked);
            if let Some(sid) = link.learner_sid {
                self.servers.is_called(link.opened.learner.address, sid);
            }
        }
        let mut violations: Vec<_> = self.links.iter_mut().flat_map(LinkTrack::violations).collect();
        violations.sort_by_key(|violation| violation.at);
        let settings = self.settings();
        let servers = &self.servers;
        let elections = std::mem::take(&mut self.elections).finish(|address| servers.sid(address));
        let found = diagnose::stalls(&self.links, &settings, &elections, self.vantage.host(), end);
        let near_misses = diagnose::near_misses(&self.links, &settings, self.options.warn_at_percent);
        let mut report = Report {
            settings,
            links: self.links.iter().map(|link| shown(link, &settings)).collect(),
            stalls: found,
            near_misses,
            elections,
            violations,
            ..Report::default()
        };
        if self.links_refused > 0 {
            report.limits_hit.insert("links", self.links_refused);
        }
        if self.servers.refused > 0 {
            report.limits_hit.insert("servers", self.servers.refused);
        }
        let named = &self.options.servers;
        report.servers = self.servers.finish(|address, sid| name_of(named, address, sid));
        for link in &mut report.links {
            let server = report.servers.iter().find(|server| server.address == link.learner.address);
            link.learner_sid = link.learner_sid.or_else(|| server.and_then(|server| server.sid));
        }
        report
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

/// What a configuration calls a server.
fn name_of(named: &[NamedServer], address: Address, sid: Option<Sid>) -> (Option<Sid>, Option<String>) {
    let by_address = named.iter().find(|server| server.address.map(Address::from) == Some(address));
    let found = by_address.or_else(|| named.iter().find(|server| Some(server.sid) == sid));
    (found.map(|server| server.sid), found.map(|server| server.name.clone()))
}

/// A link as the report shows it.
fn shown(link: &LinkTrack, settings: &Settings) -> Link {
    let round_trips = |samples: &Samples, unanswered| RoundTrips {
        count: samples.count(),
        unanswered,
        quantiles: samples.quantiles(),
    };
    let headroom = Deadline::ALL.map(|deadline| {
        let worst = link.worst.get(deadline as usize).copied().flatten();
        let limit_ms = match deadline {
            Deadline::Init => settings.init_limit_ms(),
            _ => settings.stall_limit_ms(),
        };
        Headroom { limit_ms, worst_ms: worst.map(|(len, _)| len.millis()), at: worst.map(|(_, at)| at) }
    });
    let totals = link.totals;
    let tcp = |counts: HalfCounts| TcpCounts {
        retransmits: counts.retransmits,
        out_of_order: counts.out_of_order,
        duplicates: counts.duplicates,
        zero_windows: counts.zero_windows,
    };
    let kernel = |direction| link.kernel_rtt(direction).quantiles();
    let rtt =
        PerDirection { to_leader: kernel(Direction::ToLeader), to_learner: kernel(Direction::ToLearner) };
    Link {
        id: link.id,
        leader: link.opened.leader,
        learner: link.opened.learner,
        learner_sid: link.learner_sid,
        role: link.role,
        opened: link.opened.at,
        closed: link.closed,
        picked_up: link.opened.picked_up,
        epoch: link.epoch,
        sync: link.sync,
        protection: totals.map(|totals| totals.protection).unwrap_or_default(),
        phases: link.phases,
        records: PerDirection {
            to_leader: link.records.to_leader.map(),
            to_learner: link.records.to_learner.map(),
        },
        inferred: PerDirection {
            to_leader: link.inferred.to_leader.map(),
            to_learner: link.inferred.to_learner.map(),
        },
        ping: round_trips(&link.ping, link.pings_unanswered),
        ack: round_trips(&link.ack, link.flight.unacked),
        commit: round_trips(&link.commit, link.flight.uncommitted),
        headroom,
        tcp: totals
            .map(|t| PerDirection { to_leader: tcp(t.tcp.to_leader), to_learner: tcp(t.tcp.to_learner) })
            .unwrap_or_default(),
        rtt_p50_us: PerDirection {
            to_leader: rtt.to_leader.map(|q| q.p50),
            to_learner: rtt.to_learner.map(|q| q.p50),
        },
        rtt_max_us: PerDirection {
            to_leader: rtt.to_leader.map(|q| q.max),
            to_learner: rtt.to_learner.map(|q| q.max),
        },
        bytes: totals.map(|totals| totals.bytes).unwrap_or_default(),
        losses: totals.map(|totals| totals.losses).unwrap_or_default(),
        sessions: link.sessions,
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

    fn link_opened(&mut self, slot: Slot, opened: &LinkOpened) {
        if self.links.len() >= LINKS_MOST {
            self.links_refused += 1;
            return;
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded by LINKS_MOST")]
        let id = self.links.len() as u32 + 1;
        self.links.push(LinkTrack::new(id, opened));
        if self.slots.len() <= slot.index() {
            self.slots.resize(slot.index() + 1, 0);
        }
        if let Some(place) = self.slots.get_mut(slot.index()) {
            *place = id;
        }
        let (leader, learner) = (opened.leader.address, opened.learner.address);
        self.vantage.pair(leader, learner);
        self.servers.leads_more(leader);
        self.servers.seen(learner);
        if opened.picked_up {
            self.servers.becomes(leader, Role::Leader, opened.at);
            self.servers.becomes(learner, Role::Follower, opened.at);
        }
    }

    #[inline(always)]
    fn segment(&mut self, slot: Slot, seen: &SegmentSeen<'_>) {
        let segment = seen.segment;
        self.vantages.pair(segment.place.file, segment.src.address, segment.dst.address);
        if let Some(link) = self.link(slot) {
            link.segment(seen);
        }
    }

    #[inline]
    fn packet(&mut self, slot: Slot, packet: &PacketSeen<'_>) {
        let Some(link) = self.link(slot) else { return };
        let last_ping = link.last_ping_at();
        link.packet(packet);
        if matches!(packet.kind, PacketType::Proposal | PacketType::Ack | PacketType::Commit) {
            return;
        }
        let opened = link.opened;
        let (leader, learner) = (opened.leader.address, opened.learner.address);
        match packet.kind {
            PacketType::Ping if !packet.direction.is_to_leader() && !packet.inferred => {
                if let Some(last) = last_ping {
                    self.beat.add(packet.at.since(last));
                }
            }
            PacketType::FollowerInfo | PacketType::ObserverInfo => {
                let is_follower = packet.kind == PacketType::FollowerInfo;
                let sid = link.learner_sid;
                self.servers.becomes(
                    learner,
                    if is_follower { Role::Follower } else { Role::Observer },
                    packet.at,
                );
                if let Some(sid) = sid {
                    self.servers.is_called(learner, sid);
                }
                self.elections.followed(leader, self.servers.sid(leader), packet.at);
            }
            PacketType::Inform if opened.picked_up => {
                self.servers.becomes(learner, Role::Observer, opened.at)
            }
            PacketType::LeaderInfo => {
                self.servers.becomes(leader, Role::Leader, packet.at);
                if let Some(zxid) = packet.zxid {
                    self.elections.epoch(leader, zxid.epoch());
                }
            }
            PacketType::NewLeader => {
                if let Some(text) = packet.seen.get(Head::LEN..).filter(|_| packet.cut == 0) {
                    self.learn_config(text);
                }
            }
            _ => {}
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
        link.close(Closed { at: closing.at, by_leader, reset: closing.reset, place: closing.place });
        let (opened, role) = (link.opened, link.role);
        if let Some(role) = role {
            self.servers.ceases(opened.learner.address, role, closing.at);
        }
        self.servers.leads_less(opened.leader.address, closing.at);
    }

    fn gap(&mut self, slot: Slot, direction: Direction, _len: u64, at: Timestamp) {
        if let Some(link) = self.link(slot) {
            link.gap(direction, at);
        }
    }

    fn link_over(&mut self, slot: Slot, totals: &LinkTotals) {
        let settings = self.settings();
        let percent = u64::from(self.options.warn_at_percent.clamp(1, 100));
        let near = settings.stall_limit_ms().min(settings.init_limit_ms()) * percent / 100;
        let servers = &mut self.servers;
        let index = self.slots.get(slot.index()).copied().unwrap_or(0).checked_sub(1);
        if let Some(link) = index.and_then(|index| self.links.get_mut(index as usize)) {
            link.totals = Some(*totals);
            if let Some(closed) = link.closed {
                link.finish(closed.at);
                servers.reached(link.opened.leader.address, link.last_proposed);
                servers.reached(link.opened.learner.address, link.last_acked);
                link.compact(Span::from_millis(near.cast_signed()));
            }
        }
        if let Some(place) = self.slots.get_mut(slot.index()) {
            *place = 0;
        }
    }

    fn election(&mut self, seen: &ElectionSeen<'_>) {
        self.last_at = self.last_at.max(Some(seen.at));
        let src = seen.src.address;
        self.vantage.pair(src, seen.dst.address);
        self.vantages.pair(seen.place.file, src, seen.dst.address);
        match &seen.message {
            ElectionMessage::Hello(hello) => self.servers.is_called(src, hello.sid()),
            ElectionMessage::Notification(notification) => {
                match notification.state {
                    ServerState::Looking => self.servers.becomes(src, Role::Looking, seen.at),
                    ServerState::Leading => self.servers.is_called(src, notification.leader),
                    _ => self.servers.seen(src),
                }
                self.elections.notification(src, notification, seen.at);
                if let Some(config) = notification.config {
                    self.learn_config(config);
                }
            }
            ElectionMessage::Unread => {}
        }
    }

    fn auth(&mut self, _auth: &AuthSeen) {}
}
