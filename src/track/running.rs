//! A capture that goes on: what its trackers can be asked at any time, and what they let go of.
//!
//! A finished capture is asked once, by [`Tracker::finish`]. One that runs for months is asked what there is by
//! now, and gives up its links that are over.

use super::commits::Quiet;
use super::holes::BeganUnseen;
use super::link::{AsOf, LinkTrack, OpenWait};
use super::raft::facts::{PeerFacts, WayFacts};
use super::summary::name_of;
use super::timeline::CountsBySecond;
use super::witness::Witness;
use super::{MAX_CLOSED_LINKS, Tracker, shown_name};
use crate::address::Address;
use crate::dissect::LinkOpened;
use crate::findings::{Election, Link, Server, Violation};
use crate::proto::Sid;
use crate::time::{Span, Timestamp};
use std::collections::HashSet;

/// What goes on for longer without an incident becomes none: the end of an election that one host does not see.
const MAX_UNEASY: Span = Span::from_millis(120_000);

impl Tracker {
    /// The links held, in no order: connections on which a packet was recognised.
    pub fn links(&self) -> impl Iterator<Item = &LinkTrack> {
        self.links.iter().filter(|link| link.is_recognised)
    }

    /// A link by its number.
    #[must_use]
    pub fn link_by_id(&self, id: u32) -> Option<&LinkTrack> {
        self.links().find(|link| link.id == id)
    }

    /// What a server is called: its name, else `server.N`, else its address.
    #[must_use]
    pub fn name(&self, address: Address) -> String {
        shown_name(&self.options.servers, address, self.servers.sid(address))
    }

    /// The address of a server, where both are known.
    #[must_use]
    pub fn address_of(&self, sid: Sid) -> Option<Address> {
        self.servers.address(sid)
    }

    /// How many elections there were by now, and the last one.
    #[must_use]
    pub fn last_election(&self) -> (u64, Option<Election>) {
        self.elections.last(|address| self.servers.sid(address))
    }

    /// Bytes of all links' streams by now that lie in frames which the capture lacks.
    #[must_use]
    pub const fn missing_bytes(&self) -> u64 {
        self.missing_bytes
    }

    /// Whether anybody named syncLimit.
    #[must_use]
    pub const fn is_sync_limit_named(&self) -> bool {
        self.options.sync_limit.is_some()
    }

    /// What the links show of syncLimit, as it was told last.
    #[must_use]
    pub const fn sync_limit_shown(&self) -> Option<u32> {
        self.sync_limit_shown
    }

    /// Reckons with a syncLimit that the links show, where nobody named it.
    pub const fn shows_sync_limit(&mut self, ticks: Option<u32>) {
        self.sync_limit_shown = ticks;
    }

    /// The elections by now, in order.
    #[must_use]
    pub fn elections(&self) -> Vec<Election> {
        self.elections.clone().finish(|address| self.servers.sid(address))
    }

    /// What was written and retransmitted when.
    #[must_use]
    pub const fn timeline(&self) -> &CountsBySecond {
        &self.timeline
    }

    /// What every host was heard saying.
    #[must_use]
    pub const fn witness(&self) -> &Witness {
        &self.witness
    }

    /// The host that a file was taken at, as far as the files tell.
    #[must_use]
    pub fn host_of(&self, file: u32) -> Option<Address> {
        let told = self.options.hosts.get(file as usize).copied().flatten();
        told.or_else(|| self.vantages.host(file)).or_else(|| self.vantage.host())
    }

    /// The host that every connection has in common.
    #[must_use]
    pub fn host(&self) -> Option<Address> {
        self.vantage.host()
    }

    /// From which share of a deadline a wait is listed as a near miss, in percent.
    #[must_use]
    pub const fn warn_at_percent(&self) -> u32 {
        self.options.warn_at_percent
    }

    /// Grows when something happened that no wait tells of and that may be an incident: an attempt to connect, an
    /// election, a new term of etcd's.
    #[must_use]
    pub fn signs(&self) -> u64 {
        let (elections, _) = self.elections.begun();
        self.dials.syns + elections + self.peers.terms_seen() as u64
    }

    /// Whether something goes on that may become an incident without a wait: servers look for a leader, or a PROPOSAL
    /// waits for its COMMIT for longer than a tick.
    #[must_use]
    pub fn is_uneasy(&self, now: Timestamp) -> bool {
        let tick = Span::from_millis(i64::from(self.settings().tick_ms));
        let looking_since = self.elections.begun().1;
        looking_since.is_some_and(|since| now.since(since) < MAX_UNEASY)
            || self.commits.waits_since().is_some_and(|since| {
                let waits = now.since(since);
                waits > tick && waits < MAX_UNEASY
            })
    }

    /// What a report of now shows of these links, and of the servers.
    #[must_use]
    pub fn shown_by_now(&self, links: &[LinkTrack]) -> (Vec<Link>, Vec<Server>) {
        let settings = self.settings();
        let named = &self.options.servers;
        let shown = links.iter().map(|link| self.shown(link, &settings)).collect();
        (shown, self.servers.clone().finish(|address, sid| name_of(named, address, sid)))
    }

    /// How many servers a configuration names.
    #[must_use]
    pub fn servers_named(&self) -> u64 {
        self.options.servers.len() as u64
    }

    /// Stretches of time without a COMMIT that were not over before `since`.
    #[must_use]
    pub fn quiets_by(&self, now: Timestamp, since: Timestamp) -> Vec<Quiet> {
        let mut quiets = self.commits.finish(now);
        quiets.retain(|quiet| quiet.to >= since);
        quiets
    }

    /// What etcd's members were seen to say by now.
    #[must_use]
    pub fn peers_by_now(&self) -> Option<PeerFacts> {
        (!self.peers.is_empty())
            .then(|| PeerFacts { told: self.options.peers.clone(), ..self.peers.clone().finish() })
    }

    /// What was counted of etcd's members by now, each way.
    pub fn peer_ways(&self) -> impl Iterator<Item = ((Address, Address), &WayFacts)> {
        self.peers.ways()
    }

    /// The highest term that was seen.
    #[must_use]
    pub fn peer_term(&self) -> Option<u64> {
        self.peers.highest_term()
    }

    /// A member's name, else its address.
    #[must_use]
    pub fn peer_name(&self, address: Address) -> String {
        self.options.peers.names.get(&address).cloned().unwrap_or_else(|| address.to_string())
    }

    /// The links that were not over before `as_of.since`, as a capture that ends now would show them, by their
    /// numbers: [`LinkTrack::so_far`]. What was waited for over a stretch that the capture lacks is no wait.
    #[must_use]
    pub fn so_far(&mut self, as_of: AsOf, is_due: impl Fn(&OpenWait) -> bool) -> Vec<LinkTrack> {
        let mut links: Vec<_> = self
            .links
            .iter_mut()
            .filter(|link| {
                (link.is_recognised || link.is_tls())
                    && link.teardown.closed.is_none_or(|closed| closed.at >= as_of.since)
            })
            .map(|link| link.so_far(as_of, &is_due))
            .collect();
        links.sort_by_key(|link| link.id);
        for link in &mut links {
            let lost = self.holes.hides_from(link, &self.options.hosts);
            if let Some(lost) = lost.filter(|_| link.teardown.closed.is_none()) {
                link.ends_out_of_sight(lost);
            }
            self.holes.forget_waits(link, &self.options.hosts);
            if !link.is_recognised {
                link.forget_waits();
            }
        }
        links
    }

    /// A link was first seen in its midst: where the capture had been on, it lacks how it began.
    #[cold]
    pub(super) fn began_unseen(&mut self, opened: &LinkOpened) {
        let settings = self.settings();
        let longest_ms = settings.stall_limit_ms().max(settings.init_limit_ms());
        self.holes.began_unseen(BeganUnseen {
            host: self.known_host(opened.frame.file),
            at: opened.at,
            longest: Span::from_millis(longest_ms.cast_signed()),
        });
    }

    /// Lets go of what no report shows of links that are over: see [`TrackerOptions::keeps_values`].
    ///
    /// [`TrackerOptions::keeps_values`]: super::TrackerOptions::keeps_values
    pub fn compact(&mut self) {
        let near = self.near();
        for link in self.links.iter_mut().filter(|link| link.is_to_be_compact()) {
            link.compact(near);
        }
    }

    /// All links held, in no order, those too on which nothing was recognised.
    #[must_use]
    pub fn held_links(&self) -> &[LinkTrack] {
        &self.links
    }

    /// How many links must go before another is held, so that no more than `MAX_CLOSED_LINKS` are over.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.over >= MAX_CLOSED_LINKS
    }

    /// How many links are held.
    #[must_use]
    pub fn links_held(&self) -> usize {
        self.links.len().saturating_sub(self.free.len())
    }

    /// The numbers of the oldest links that are over, in order, as many as must go until `most` are held;
    /// `None` where none must.
    #[must_use]
    pub fn surplus(&mut self, most: usize) -> Option<Vec<u32>> {
        self.prune_timeline();
        let excess = self.links_held().checked_sub(most).filter(|excess| *excess > 0)?;
        let is_free: HashSet<usize> = self.free.iter().map(|index| *index as usize).collect();
        let is_over = |(index, link): &(usize, &LinkTrack)| link.totals.is_some() && !is_free.contains(index);
        let mut over: Vec<u32> =
            self.links.iter().enumerate().filter(is_over).map(|(_, link)| link.id).collect();
        over.sort_unstable();
        over.truncate(excess);
        Some(over)
    }

    /// Ends links that are to go, `ids` in order: what is left of them is their waits, and these violations.
    #[must_use]
    pub fn part_from(&mut self, ids: &[u32]) -> Vec<Violation> {
        let is_going = |link: &LinkTrack| ids.binary_search(&link.id).is_ok();
        let mut violations = Vec::new();
        for link in self.links.iter_mut().filter(|link| is_going(link)) {
            if !link.is_recognised {
                link.forget_waits();
            }
            violations.extend(link.violations());
        }
        violations
    }

    /// Lets links go, `ids` in order, and what strangers left behind.
    pub fn let_go(&mut self, ids: &[u32]) {
        let mut is_going: Vec<bool> =
            self.links.iter().map(|link| ids.binary_search(&link.id).is_ok()).collect();
        for index in std::mem::take(&mut self.free) {
            if let Some(is_going) = is_going.get_mut(index as usize) {
                *is_going = true;
            }
        }
        self.remove(&is_going);
        self.over = self.over.saturating_sub(ids.len());
    }

    /// Removes links, and numbers the slots of the others anew.
    fn remove(&mut self, is_going: &[bool]) {
        let mut moved_to = Vec::with_capacity(is_going.len());
        let mut next = 0;
        for is_going in is_going {
            next += u32::from(!is_going);
            moved_to.push(if *is_going { 0 } else { next });
        }
        for slot in &mut self.slots {
            *slot = slot.checked_sub(1).and_then(|old| moved_to.get(old as usize).copied()).unwrap_or(0);
        }
        let mut going = is_going.iter();
        self.links.retain(|_| !going.next().copied().unwrap_or(false));
        let held: HashSet<u32> = self.links.iter().map(|link| link.id).collect();
        self.ticks.retain(|link| held.contains(&link));
    }

    /// Begins a new window of the links' figures: [`LinkTrack::rotate`].
    pub fn rotate(&mut self) {
        let near = self.near();
        for link in &mut self.links {
            link.rotate(near);
        }
    }
}
