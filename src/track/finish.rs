//! The end of a capture: what the trackers know is put together.

use super::dial::{DeadConnection, DialRun};
use super::facts::CaptureFacts;
use super::link::{self, LinkTrack};
use super::raft::facts::PeerFacts;
use super::summary::{name_of, shown};
use super::violation::MAX_TOLD;
use super::{Tracker, link_vantage, sight};
use crate::address::Address;
use crate::dissect::{Direction, LinkTotals};
use crate::findings::incident::CoverageGap;
use crate::findings::{Breach, Dial, Link, Settings, Violation};
use crate::proto::Sid;
use crate::time::{Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

impl Tracker {
    /// All that is known, the capture being over; `ends` are the times of the files' last frames.
    #[must_use]
    pub fn finish(self, ends: &[Option<Timestamp>]) -> CaptureFacts {
        self.finish_with(ends, Self::sync_limit_shown)
    }

    /// The same; `sync_limit` tells which syncLimit the links show, all waits being over.
    #[must_use]
    pub fn finish_with(
        mut self,
        ends: &[Option<Timestamp>],
        sync_limit: impl FnOnce(&Self) -> Option<u32>,
    ) -> CaptureFacts {
        let end = ends.iter().copied().flatten().max().or(self.last_at).unwrap_or_default();
        self.series.detach(self.links.iter_mut().map(|link| &mut link.series));
        self.part_from_strangers();
        let lost = self.end_links(ends, end);
        let mut witness = std::mem::take(&mut self.witness);
        witness.settle_hosts(|file| self.file_host(file));
        self.witness = witness;
        self.sync_limit_shown = sync_limit(&self);
        let violations = self.violations();
        let settings = self.settings();
        let mut limits_hit = self.limits_hit();
        if violations.len() > MAX_TOLD {
            *limits_hit.entry("violations").or_default() += (violations.len() - MAX_TOLD) as u64;
        }
        let elections = self.elections();
        let keepers = self.links.iter_mut().map(|link| (link.id, std::mem::take(&mut link.series)));
        let series = std::mem::take(&mut self.series).finish(keepers);
        let mut summaries: Vec<_> = self.links.iter().map(|link| self.shown(link, &settings)).collect();
        let hosts = self.hosts(&summaries);
        let gaps = self.gaps();
        let (dial_runs, dead_connections, mut dials) = self.dials(end);
        dials.retain(Dial::is_notable);
        let mut quiets = std::mem::take(&mut self.commits).finish(end);
        quiets.retain(|quiet| {
            let is_hidden = lost.iter().any(|lost| *lost < quiet.to);
            !is_hidden || sight::is_watched(&self.links, &lost, quiet.from, quiet.to)
        });
        let named = &self.options.servers;
        let servers = self.servers.finish(|address, sid| name_of(named, address, sid));
        for link in &mut summaries {
            // What another link from the same address said is that link's.
            let server = servers.iter().find(|server| server.address == link.learner.address);
            let configured = server.and_then(|server| name_of(named, server.address, None).0);
            let sid = server.and_then(|server| server.sid).filter(|sid| configured == Some(*sid));
            link.learner_sid = link.learner_sid.or(sid);
        }
        CaptureFacts {
            settings,
            sessions: std::mem::take(&mut self.sessions).finish(),
            hosts,
            servers_named: self.options.servers.len() as u64,
            gaps,
            quiets,
            warn_at_percent: self.options.warn_at_percent,
            summaries,
            servers,
            elections,
            host: self.vantage.host(),
            end,
            violations: violations.into_iter().take(MAX_TOLD).collect(),
            clock_steps: link::clock_step::all(self.links.iter()),
            election_bytes: self.election_bytes,
            votes_cut: self.votes_cut,
            dial_runs,
            dead_connections,
            dials,
            strangers: self.strangers,
            peers: PeerFacts {
                told: std::mem::take(&mut self.options.peers),
                ..std::mem::take(&mut self.peers).finish()
            },
            limits_hit,
            timeline: self.timeline,
            witness: self.witness,
            series,
            links: self.links,
        }
    }

    /// Attempts to connect that failed by now, election connections that are dead, and the counts by pair.
    pub(crate) fn dials(&self, now: Timestamp) -> (Vec<DialRun>, Vec<DeadConnection>, Vec<Dial>) {
        self.dials.so_far(now)
    }

    /// Stretches of time that the captures lack, as far as they have shown.
    pub(crate) fn gaps(&self) -> Vec<CoverageGap> {
        self.holes.finish(|file| self.file_host(file))
    }

    /// The hosts at which frames were captured, as far as is known.
    fn hosts(&self, links: &[Link]) -> Vec<Address> {
        let told = self.options.hosts.iter().copied().flatten().chain(self.vantage.host());
        let seen_from = links.iter().flat_map(|link| link.seen_from.iter().copied());
        told.chain(seen_from).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Ends the waits of all links, each when the captures that could have shown it end.
    /// Answers since when links are out of sight that serve.
    fn end_links(&mut self, ends: &[Option<Timestamp>], end: Timestamp) -> Vec<Timestamp> {
        let out_of_sight = sight::ends(&self.links, &self.holes, &self.options.hosts);
        for (link, lost) in self.links.iter_mut().zip(&out_of_sight) {
            let (leader, learner) = (link.opened.leader.address, link.opened.learner.address);
            let end = self.vantages.end_for(leader, learner, ends, &self.options.hosts).unwrap_or(end);
            link.finish(lost.map_or(end, |lost| lost.min(end)));
            self.holes.forget_waits(link, &self.options.hosts);
            self.servers.reached(link.opened.leader.address, link.proposals.last_proposed);
            self.servers.reached(link.opened.learner.address, link.proposals.last_acked);
            if let Some(sid) = link.handshake.learner_sid {
                self.servers.is_called(link.opened.learner.address, sid);
            }
        }
        for link in self.links.iter_mut().filter(|link| !link.is_recognised) {
            link.forget_waits();
        }
        let serving = self.links.iter().zip(out_of_sight).filter(|(link, _)| link.serves_now());
        serving.filter_map(|(_, lost)| lost).collect()
    }

    /// The violations of all links, in order of time.
    pub(super) fn violations(&mut self) -> Vec<Violation> {
        let mut violations: Vec<_> = self.links.iter_mut().flat_map(LinkTrack::violations).collect();
        violations.extend(twice(&self.links));
        violations.sort_by_key(|violation| violation.at);
        violations
    }

    /// The host that a file was taken at, as far as is known.
    pub(super) fn file_host(&self, file: u32) -> Option<Address> {
        let told = self.options.hosts.get(file as usize).copied().flatten();
        told.or_else(|| self.vantages.host(file))
    }

    /// Leaves only links: what else spoke to the ports is counted and forgotten.
    pub(super) fn part_from_strangers(&mut self) {
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

    pub(super) fn shown(&self, link: &LinkTrack, settings: &Settings) -> Link {
        let seen = link_vantage::of(link, &self.vantages, self.vantage.host(), &self.options.hosts);
        Link { tick_ms: self.ticks.of_link(link.id), ..shown(link, settings, seen) }
    }

    /// Which limits were reached, and how often.
    pub(super) fn limits_hit(&self) -> BTreeMap<&'static str, u64> {
        let near = self.near();
        let sum = |count: fn(&LinkTrack) -> u64| self.links.iter().map(count).sum();
        let pushed_out =
            |totals: &LinkTotals| totals.tcp.to_leader.pushed_out + totals.tcp.to_learner.pushed_out;
        let counts: [(_, u64); 15] = [
            ("sessions", self.sessions.let_go),
            ("links", self.links_refused),
            ("dials", self.dials.forgotten),
            ("servers", self.servers.refused),
            ("roles", self.servers.roles_let_go),
            ("elections", self.elections.evicted),
            ("looking", self.elections.unnamed),
            (
                "held_segments",
                self.links.iter().filter_map(|link| link.totals.as_ref()).map(pushed_out).sum(),
            ),
            ("proposals_in_flight", sum(|link| link.proposals.flight.evicted)),
            ("pings", sum(|link| link.pings.forgotten)),
            ("waits", self.links.iter().map(|link| link.waits_forgotten(near)).sum()),
            ("samples", sum(|link| link.forgotten.samples)),
            ("clock_steps", sum(|link| link.forgotten.steps)),
            ("unknown_types", sum(|link| link.forgotten.types)),
            ("violations", sum(LinkTrack::violations_forgotten)),
        ];
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// How long after another server has joined with its id a server must still speak.
const SPEAKS_ON: Span = Span::from_millis(1_000);
/// Learners of one id that are compared.
const MAX_COMPARED: usize = 64;

/// Two servers with one id: a server holds one link at a time, and here two of them go on.
fn twice(links: &[LinkTrack]) -> Vec<Violation> {
    let mut by_sid: BTreeMap<Sid, Vec<&LinkTrack>> = BTreeMap::new();
    let mut found: Vec<Violation> = Vec::new();
    for link in links {
        let Some((sid, joined)) = link.handshake.learner_sid.zip(link.handshake.phases.discovery) else {
            continue;
        };
        let others = by_sid.entry(sid).or_default();
        let is_told = |violation: &Violation| matches!(violation.breach, Breach::SidTwice { sid: told, .. } if told == sid);
        let other = others.iter().rev().take(MAX_COMPARED).find(|other| {
            let is_apart = other.handshake.phases.discovery.is_some_and(|at| joined.since(at) >= SPEAKS_ON);
            let speaks = other.last_heard(Direction::ToLeader).since(joined) >= SPEAKS_ON;
            let (a, b) = (other.opened, link.opened);
            a.leader == b.leader && a.learner.address != b.learner.address && is_apart && speaks
        });
        if let Some(other) = other.filter(|_| !found.iter().any(is_told)) {
            let (first, second) = (other.opened.learner.address, link.opened.learner.address);
            let breach = Breach::SidTwice { sid, first, second };
            found.push(Violation { link: link.id, at: joined, frame: link.opened.frame, breach });
        }
        others.push(link);
    }
    found
}
