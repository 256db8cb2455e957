//! A capture that goes on: what its trackers can be asked at any time, and what they let go of.
//!
//! A finished capture is asked once, by [`Tracker::finish`]. One that runs for months is asked which waits
//! are under way, which stalls there are by now, and for a report of everything so far; and it gives up
//! its links that are over, of which the stalls stay.

use super::link::{AsOf, LinkTrack, OpenWait};
use super::{Tracker, shown_name};
use crate::address::Address;
use crate::diagnose;
use crate::findings::{Election, NearMiss, Outcome, Report, Stall, Violation};
use crate::proto::Sid;
use crate::time::{Span, Timestamp};
use std::collections::HashSet;

/// Stalls kept of links that were let go; beyond, the oldest are let go too.
const MAX_STALLS: usize = 1_024;
/// Violations and near misses kept of links that were let go.
const MAX_OTHERS: usize = 256;

/// What is left of links that were let go.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    stalls: Vec<Stall>,
    violations: Vec<Violation>,
    near_misses: Vec<NearMiss>,
    /// Links let go.
    links: u64,
    /// Stalls, violations and near misses let go with them.
    forgotten: u64,
}

impl Past {
    /// Adds what is left to a report of what is still held.
    pub(super) fn add_to(self, report: &mut Report) {
        if self.links == 0 {
            return;
        }
        let limit_ms = report.settings.stall_limit_ms();
        for mut stall in self.stalls {
            let last = stall.end.unwrap_or(stall.start);
            stall.election = diagnose::election_after(&report.elections, stall.start, last, limit_ms);
            report.stalls.push(stall);
        }
        report.stalls.sort_by_key(|stall| stall.start);
        for (id, stall) in (1..).zip(&mut report.stalls) {
            stall.id = id;
        }
        report.violations.extend(self.violations);
        report.violations.sort_by_key(|violation| violation.at);
        report.near_misses.extend(self.near_misses);
        report.near_misses.sort_by_key(|miss| std::cmp::Reverse(miss.wait_ms * 1000 / miss.limit_ms.max(1)));
        report.limits_hit.insert("links_let_go", self.links);
        if self.forgotten > 0 {
            report.limits_hit.insert("stalls_let_go", self.forgotten);
        }
    }

    fn trim(&mut self) {
        let mut over = self.stalls.len().saturating_sub(MAX_STALLS);
        self.forgotten += over as u64;
        self.stalls.drain(..over);
        over = self.violations.len().saturating_sub(MAX_OTHERS);
        self.forgotten += over as u64;
        self.violations.drain(..over);
        over = self.near_misses.len().saturating_sub(MAX_OTHERS);
        self.forgotten += over as u64;
        self.near_misses.drain(..over);
    }
}

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
        self.elections.last()
    }

    /// Bytes of all links' streams by now that lie in frames which the capture lacks.
    #[must_use]
    pub const fn missing_bytes(&self) -> u64 {
        self.missing_bytes
    }

    /// The elections by now, in order.
    #[must_use]
    pub fn elections(&self) -> Vec<Election> {
        self.elections.clone().finish(|address| self.servers.sid(address))
    }

    /// The stalls that were not over before `since`, as they stand at `now`; what goes on has the outcome
    /// [`Outcome::Open`].
    ///
    /// Links of a leader that falls silent pass their limits one after another, within half a tick. So
    /// that they are one stall from the first on, all is judged as though every silence lasted one tick
    /// longer; a stall is told only once one of its waits has passed its limit.
    #[must_use]
    pub fn stalls_at(&mut self, now: Timestamp, since: Timestamp) -> Vec<Stall> {
        let settings = self.settings();
        let ahead = Span::from_millis(i64::from(settings.tick_ms));
        let as_of = AsOf { now, later: now.plus(ahead), since };
        let age = |wait: &OpenWait| now.since(wait.start);
        let is_over = |wait: &OpenWait| age(wait) > diagnose::limit(wait.deadline, &settings);
        let is_due = |wait: &OpenWait| {
            age(wait).nanos() > diagnose::limit(wait.deadline, &settings).nanos() - ahead.nanos()
        };
        let mut links: Vec<_> = self
            .links
            .iter_mut()
            .filter(|link| link.is_recognised && link.closed.is_none_or(|closed| closed.at >= since))
            .map(|link| link.so_far(as_of, is_due))
            .collect();
        links.sort_by_key(|link| link.id);
        let elections = self.elections();
        let (mut stalls, _) = diagnose::stalls(
            &links,
            &|_| true,
            &settings,
            &elections,
            &self.timeline,
            self.vantage.host(),
            now,
        );
        stalls.retain(|stall| {
            let mut links = stall.links.iter().filter_map(|id| self.link_by_id(*id));
            stall.outcome != Outcome::Open || links.any(|link| link.pending().any(|wait| is_over(&wait)))
        });
        stalls
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

    /// Lets the oldest links that are over go, until `most` are held; their stalls stay. Answers how many
    /// went. `now` is the present.
    pub fn evict(&mut self, most: usize, now: Timestamp) -> usize {
        self.prune_timeline();
        let held = self.links.len().saturating_sub(self.free.len());
        let Some(excess) = held.checked_sub(most).filter(|excess| *excess > 0) else { return 0 };
        let mut is_going = vec![false; self.links.len()];
        for index in std::mem::take(&mut self.free) {
            // What strangers left behind goes too.
            if let Some(is_going) = is_going.get_mut(index as usize) {
                *is_going = true;
            }
        }
        let is_over = |(index, link): &(usize, &LinkTrack)| {
            link.totals.is_some() && is_going.get(*index) == Some(&false)
        };
        let mut over: Vec<_> =
            self.links.iter().enumerate().filter(is_over).map(|(index, link)| (link.id, index)).collect();
        over.sort_unstable();
        over.truncate(excess);
        let ids: Vec<u32> = over.iter().map(|(id, _)| *id).collect();
        self.keep_stalls(&ids, now);
        for (_, index) in &over {
            if let Some(is_going) = is_going.get_mut(*index) {
                *is_going = true;
            }
        }
        self.remove(&is_going);
        self.over = self.over.saturating_sub(ids.len());
        self.past.links += ids.len() as u64;
        ids.len()
    }

    /// Notes what the links that go have to tell.
    fn keep_stalls(&mut self, going: &[u32], now: Timestamp) {
        let settings = self.settings();
        let is_gone = |id: &u32| going.binary_search(id).is_ok();
        for link in self.links.iter_mut().filter(|link| !link.is_recognised && is_gone(&link.id)) {
            link.forget_waits();
        }
        let elections = self.elections();
        let is_going = |link: &LinkTrack| is_gone(&link.id);
        let host = self.vantage.host();
        let (stalls, forgotten) =
            diagnose::stalls(&self.links, &is_going, &settings, &elections, &self.timeline, host, now);
        self.past.stalls.extend(stalls);
        self.past.forgotten += forgotten;
        let near = diagnose::near_misses(&self.links, &settings, self.options.warn_at_percent);
        self.past.near_misses.extend(near.into_iter().filter(|miss| is_gone(&miss.link)));
        for link in self.links.iter_mut().filter(|link| is_gone(&link.id)) {
            self.past.violations.extend(link.violations());
        }
        self.past.trim();
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
