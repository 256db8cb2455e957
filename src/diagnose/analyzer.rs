//! From events to a report: the trackers keep the facts, and here they are judged.
//!
//! The same rules judge a finished capture and one that runs: [`Analyzer::finish`] and [`Analyzer::report_at`].

use super::incident::dial::DialsSeen;
use super::incident::{self, Scene};
use super::link_stall::told_after;
use super::past::Past;
use super::raft;
use super::stall;
use super::surroundings::Surroundings;
use super::{leader_disk, outage, sessions};
use crate::dissect::{Event, Observer};
use crate::findings::incident::{CoverageGap, Incident};
use crate::findings::{Origin, Outcome, Report};
use crate::proto::PacketType;
use crate::time::{Span, Timestamp};
use crate::track::commits::Quiet;
use crate::track::facts::CaptureFacts;
use crate::track::link::{AsOf, LinkTrack, OpenWait};
use crate::track::{CLOSED_AT_ONCE, Tracker, TrackerOptions};

/// Takes the events of a capture and judges what they show.
#[derive(Clone, Debug, Default)]
pub struct Analyzer {
    tracker: Tracker,
    past: Past,
}

impl Analyzer {
    /// An analyzer that has seen nothing yet.
    #[must_use]
    pub fn new(options: TrackerOptions) -> Self {
        Self { tracker: Tracker::new(options), past: Past::default() }
    }

    /// The facts by now.
    #[must_use]
    pub const fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// The report, but for its input; `ends` are the times of the files' last frames.
    #[must_use]
    pub fn finish(self, ends: &[Option<Timestamp>]) -> Report {
        let mut report = judged(self.tracker.finish_with(ends, sync_limit_of));
        self.past.add_to(&mut report);
        report
    }

    /// What a report says at `now` of what was not over before `since`: stalls, incidents and outages, and the links,
    /// servers and elections that they name. What goes on has the outcome [`Outcome::Open`].
    ///
    /// Links of a leader that falls silent pass their limits one after another, within half a tick. So
    /// that they are one stall from the first on, all is judged as though every silence lasted one tick
    /// longer; a stall is told only once one of its waits has passed its limit.
    #[must_use]
    pub fn report_at(&mut self, now: Timestamp, since: Timestamp) -> Report {
        self.learn_sync_limit();
        let settings = self.tracker.settings();
        let ahead = Span::from_millis(i64::from(settings.tick_ms));
        let age = |wait: &OpenWait| now.since(wait.start);
        let is_due = |wait: &OpenWait| age(wait).nanos() > told_after(wait, &settings).less(ahead).nanos();
        let links = self.tracker.so_far(AsOf { now, later: now.plus(ahead), since }, is_due);
        let elections = self.tracker.elections();
        let around = Surroundings {
            links: &links,
            settings: &settings,
            elections: &elections,
            timeline: self.tracker.timeline(),
            vantage: self.tracker.host(),
            capture_end: now,
        };
        let (mut stalls, _) = stall::stalls(&around, &|_| true);
        let (gaps, dials) = (self.tracker.gaps(), self.dials(now));
        let mut incidents = incident::incidents(&self.scene(&around, &gaps, &dials), &mut stalls);
        let is_over = |wait: OpenWait| age(&wait) > told_after(&wait, &settings);
        stalls.retain(|stall| {
            let mut links = stall.links.iter().filter_map(|id| self.tracker.link_by_id(*id));
            stall.outcome != Outcome::Open || links.any(|link| link.pending().any(is_over))
        });
        incidents.retain_mut(|incident| {
            let had_none = incident.stalls.is_empty();
            incident.stalls.retain(|id| stalls.iter().any(|stall| stall.id == *id));
            had_none || !incident.stalls.is_empty()
        });
        let (shown, servers) = self.tracker.shown_by_now(&links);
        let mut report = Report { settings, servers, links: shown, incidents, stalls, ..Report::default() };
        report.elections = elections;
        report.coverage.hosts_expected = Some(self.tracker.servers_named()).filter(|named| *named > 0);
        report.coverage.gaps = gaps;
        add_outages(&mut report, &self.tracker.quiets_by(now, since), &links, now);
        if let Some(peers) = self.tracker.peers_by_now() {
            add_peers(&mut report, raft::judge(&peers, self.tracker.warn_at_percent()));
        }
        report
    }

    /// Lets the oldest links that are over go, until `most` are held; what was found of them stays. Answers how
    /// many went. `now` is the present.
    pub fn evict(&mut self, most: usize, now: Timestamp) -> usize {
        let Some(ids) = self.tracker.surplus(most) else { return 0 };
        self.judge_going(&ids, now);
        self.tracker.let_go(&ids);
        ids.len()
    }

    /// Keeps what the links that go have to tell.
    fn judge_going(&mut self, ids: &[u32], now: Timestamp) {
        let violations = self.tracker.part_from(ids);
        self.learn_sync_limit();
        let is_going = |id: u32| ids.binary_search(&id).is_ok();
        let settings = self.tracker.settings();
        let links = self.tracker.held_links();
        let around = Surroundings {
            links,
            settings: &settings,
            elections: &self.tracker.elections(),
            timeline: self.tracker.timeline(),
            vantage: self.tracker.host(),
            capture_end: now,
        };
        let (mut stalls, excess) = stall::stalls(&around, &|link| is_going(link.id));
        let (gaps, dials) = (self.tracker.gaps(), self.dials(now));
        let mut incidents = incident::incidents(&self.scene(&around, &gaps, &dials), &mut stalls);
        incidents.retain(|incident| incident.links.iter().any(|id| is_going(*id)));
        let mut near_misses = stall::near_misses(links, &settings, self.tracker.warn_at_percent());
        near_misses.retain(|miss| is_going(miss.link));
        incident::explain(&mut near_misses, &self.scene(&around, &gaps, &dials), &incidents);
        self.past.keep(stalls, incidents);
        self.past.near_misses.extend(near_misses);
        self.past.violations.extend(violations);
        self.past.links += ids.len() as u64;
        self.past.dropped += excess;
        self.past.trim();
    }

    /// Reckons from here on with the syncLimit that closes show.
    fn learn_sync_limit(&mut self) {
        let shown = sync_limit_of(&self.tracker);
        self.tracker.shows_sync_limit(shown);
    }

    fn dials(&self, now: Timestamp) -> DialsSeen {
        let (runs, dead, _) = self.tracker.dials(now);
        DialsSeen { runs, dead }
    }

    /// What incidents are found in.
    const fn scene<'a>(
        &'a self,
        around: &'a Surroundings<'a>,
        gaps: &'a [CoverageGap],
        dials: &'a DialsSeen,
    ) -> Scene<'a> {
        Scene { around, witness: self.tracker.witness(), gaps, dials }
    }

    /// Lets go of what no report shows of links that are over: see [`TrackerOptions::keeps_values`].
    pub fn compact(&mut self) {
        self.tracker.compact();
    }

    /// Begins a new window of the links' figures: [`Tracker::rotate`].
    pub fn rotate(&mut self) {
        self.tracker.rotate();
    }
}

/// The syncLimit that closes show, where nobody named it and tickTime is known.
fn sync_limit_of(tracker: &Tracker) -> Option<u32> {
    let settings = tracker.settings();
    if tracker.is_sync_limit_named() || settings.tick_from == Origin::Default {
        return None;
    }
    let former = tracker.sync_limit_shown();
    incident::sync_limit::shown(tracker.held_links(), tracker.witness(), tracker.host(), &settings, former)
}

/// Judges the facts of a finished capture. What else is found of them is added here.
fn judged(facts: CaptureFacts) -> Report {
    let around = Surroundings {
        links: &facts.links,
        settings: &facts.settings,
        elections: &facts.elections,
        timeline: &facts.timeline,
        vantage: facts.host,
        capture_end: facts.end,
    };
    let (mut stalls, excess) = stall::stalls(&around, &|_| true);
    let dials = DialsSeen { runs: facts.dial_runs, dead: facts.dead_connections };
    let scene = Scene { around: &around, witness: &facts.witness, gaps: &facts.gaps, dials: &dials };
    let incidents = incident::incidents(&scene, &mut stalls);
    let mut near_misses = stall::near_misses(&facts.links, &facts.settings, facts.warn_at_percent);
    incident::explain(&mut near_misses, &scene, &incidents);
    let mut limits_hit = facts.limits_hit;
    if excess > 0 {
        limits_hit.insert("stalls", excess);
    }
    let mut report = Report {
        settings: facts.settings,
        servers: facts.servers,
        links: facts.summaries,
        incidents,
        stalls,
        near_misses,
        elections: facts.elections,
        violations: facts.violations,
        election_bytes: facts.election_bytes,
        strangers: facts.strangers,
        votes_cut: facts.votes_cut,
        dials: facts.dials,
        clock_steps: facts.clock_steps,
        limits_hit,
        series: facts.series,
        ..Report::default()
    };
    report.coverage.hosts_expected = Some(facts.servers_named).filter(|named| *named > 0);
    report.coverage.hosts = facts.hosts;
    report.coverage.gaps = facts.gaps;
    add_outages(&mut report, &facts.quiets, &facts.links, facts.end);
    add_peers(&mut report, raft::judge(&facts.peers, facts.warn_at_percent));
    report.sessions = sessions::sessions(facts.sessions, &report.incidents, &report.links, &facts.links);
    report
}

/// Adds the outages to a report, and the incidents that they show.
fn add_outages(report: &mut Report, quiets: &[Quiet], links: &[LinkTrack], end: Timestamp) {
    report.outages = outage::outages(quiets, report, end);
    let disks = leader_disk::incidents(report, links);
    if !disks.is_empty() {
        // Numbered with the others by their starts; a number that nobody else has until then.
        let last = report.incidents.iter().map(|incident| incident.id).max().unwrap_or(0);
        report.incidents.extend((last + 1..).zip(disks).map(|(id, disk)| Incident { id, ..disk }));
        incident::number(&mut report.incidents, &mut report.stalls);
    }
    let limit = Span::from_millis(report.settings.stall_limit_ms().cast_signed());
    outage::join(&mut report.outages, &mut report.incidents, limit);
}

/// Adds what etcd's members show to the report; its numbers go on from ZooKeeper's.
fn add_peers(report: &mut Report, judged: raft::Judged) {
    let raft::Judged { raft, incidents, outages, hosts } = judged;
    if raft.is_empty() {
        return;
    }
    let after = report.incidents.iter().map(|incident| incident.id).max().unwrap_or(0);
    let outages_before = report.outages.iter().map(|outage| outage.id).max().unwrap_or(0);
    let elections_before = report.elections.len();
    report.incidents.extend(incidents.into_iter().map(|mut incident| {
        incident.id += after;
        incident.outages.iter_mut().for_each(|outage| *outage += outages_before);
        incident.elections.iter_mut().for_each(|election| *election += elections_before);
        incident
    }));
    report.outages.extend(outages.into_iter().map(|mut outage| {
        outage.id += outages_before;
        outage.incident = outage.incident.map(|incident| incident + after);
        outage
    }));
    report.incidents.sort_by_key(|incident| incident.start);
    report.coverage.hosts.extend(hosts);
    report.coverage.hosts.sort_unstable();
    report.coverage.hosts.dedup();
    report.raft = raft;
}

/// Events go to the trackers; before a link is opened that they have no room for, others are judged and let go.
impl Observer for Analyzer {
    #[inline]
    fn looks_at(kind: PacketType) -> usize {
        Tracker::looks_at(kind)
    }

    #[inline(always)]
    fn event(&mut self, event: Event<'_>) {
        if let Event::LinkOpened(_, opened) = event
            && self.tracker.is_crowded()
        {
            self.evict(self.tracker.links_held().saturating_sub(CLOSED_AT_ONCE), opened.at);
        }
        self.tracker.event(event);
    }
}
