//! What stays of links that were let go: a capture may run for months.

use super::{incident, stall};
use crate::findings::incident::Incident;
use crate::findings::{NearMiss, Report, Stall, Violation};

/// Stalls kept of links that were let go; beyond, the oldest are dropped.
const MAX_STALLS: usize = 1_024;
/// Violations kept of links that were let go, and near misses.
const MAX_OTHERS: usize = 256;

/// What is left of links that were let go.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    stalls: Vec<Stall>,
    incidents: Vec<Incident>,
    /// Incidents kept so far: each has a number that no other has.
    numbers: u32,
    pub(super) violations: Vec<Violation>,
    pub(super) near_misses: Vec<NearMiss>,
    /// Links let go.
    pub(super) links: u64,
    /// Stalls, violations and near misses dropped for want of room.
    pub(super) dropped: u64,
    /// Incidents dropped for want of room.
    incidents_dropped: u64,
}

impl Past {
    /// Keeps the stalls and the incidents of links that go.
    pub(super) fn keep(&mut self, stalls: Vec<Stall>, incidents: Vec<Incident>) {
        let first = self.numbers;
        let number = |id: u32| first.saturating_add(id);
        self.stalls
            .extend(stalls.into_iter().map(|stall| Stall { incident: number(stall.incident), ..stall }));
        for incident in incidents {
            self.numbers = self.numbers.max(number(incident.id));
            self.incidents.push(Incident { id: number(incident.id), ..incident });
        }
    }

    /// Adds what is left to a report of what is still held.
    pub(super) fn add_to(self, report: &mut Report) {
        if self.links == 0 {
            return;
        }
        let limit_ms = report.settings.stall_limit_ms();
        let past = self.stalls.len();
        for mut stall in self.stalls {
            let last = stall.end.unwrap_or(stall.start);
            stall.election = stall::election_after(&report.elections, stall.start, last, limit_ms);
            report.stalls.push(stall);
        }
        // Numbers beyond those of the incidents that are still held.
        let held = report.incidents.len();
        let beyond = |id: u32| id.saturating_add(u32::try_from(held).unwrap_or(u32::MAX));
        let kept = report.stalls.len() - past;
        for stall in report.stalls.iter_mut().skip(kept) {
            stall.incident = beyond(stall.incident);
        }
        let older =
            self.incidents.into_iter().map(|incident| Incident { id: beyond(incident.id), ..incident });
        report.incidents.extend(older);
        stall::number(&mut report.stalls);
        incident::number(&mut report.incidents, &mut report.stalls);
        report.violations.extend(self.violations);
        report.violations.sort_by_key(|violation| violation.at);
        report.near_misses.extend(self.near_misses);
        report.near_misses.sort_by_key(|miss| std::cmp::Reverse(miss.wait_ms * 1000 / miss.limit_ms.max(1)));
        report.limits_hit.insert("links_let_go", self.links);
        if self.dropped > 0 {
            report.limits_hit.insert("stalls_let_go", self.dropped);
        }
        if self.incidents_dropped > 0 {
            report.limits_hit.insert("incidents_let_go", self.incidents_dropped);
        }
    }

    /// Drops the oldest of what is too much.
    pub(super) fn trim(&mut self) {
        self.dropped += drop_oldest(&mut self.stalls, MAX_STALLS);
        self.incidents_dropped += drop_oldest(&mut self.incidents, MAX_STALLS);
        self.dropped += drop_oldest(&mut self.violations, MAX_OTHERS);
        self.dropped += drop_oldest(&mut self.near_misses, MAX_OTHERS);
    }
}

/// Drops the first items until `most` are left; answers how many.
fn drop_oldest<T>(items: &mut Vec<T>, most: usize) -> u64 {
    let excess = items.len().saturating_sub(most);
    items.drain(..excess);
    excess as u64
}
