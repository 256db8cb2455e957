//! What an incident led to: who gave up on whom, who led next, how long nothing was committed, who came back.

use super::IncidentWords;
use super::peer::is_of_peers;
use crate::address::Address;
use crate::findings::incident::{Incident, Outage, StallCoverage};
use crate::findings::session::ClosedBy;
use crate::findings::{Deadline, Election, Outcome, Role, Stall, Suspect};
use crate::report::clock;
use crate::report::wording::number;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Outages named one by one.
const OUTAGES: usize = 2;

/// One end of a link closed it on the other.
struct GaveUp {
    who: Address,
    on: Address,
    by_leader: bool,
    at: Timestamp,
    wait_ms: u64,
    limit_ms: u64,
}

impl GaveUp {
    /// Whether the close came by so long after the limit that it was made before, and had been on its way.
    const fn is_late(&self, tick_ms: u64) -> bool {
        self.wait_ms > self.limit_ms + 2 * tick_ms
    }
}

impl IncidentWords<'_> {
    /// What followed, a clause each, in order of time.
    #[must_use]
    pub fn followed(&self, incident: &Incident) -> Vec<String> {
        if is_of_peers(incident) {
            return self.peer_followed(incident);
        }
        let gave_up = self.gave_up(incident);
        let mut clauses = self.giving_up(incident, &gave_up);
        clauses.extend(self.waited(incident));
        clauses.extend(self.elected(incident, &gave_up));
        clauses.extend(self.out(incident));
        clauses.extend(self.back(incident, &gave_up));
        clauses.extend(self.expired(incident));
        if clauses.is_empty() && incident.stalls.is_empty() && !incident.is_from_log() {
            clauses.push("no deadline passed".to_owned());
        }
        clauses
    }

    fn gave_up(&self, incident: &Incident) -> Vec<GaveUp> {
        let mut all = Vec::new();
        for stall in self.stalls(incident) {
            let by_leader = match stall.outcome {
                Outcome::ClosedByLeader => true,
                Outcome::ClosedByLearner => false,
                Outcome::Recovered | Outcome::Open => continue,
            };
            let is_single = stall.links.len() == 1;
            for link in stall.links.iter().filter_map(|id| self.link(*id)) {
                let closed = link.closed.filter(|_| !is_single);
                let by_leader = closed.map_or(by_leader, |closed| closed.by_leader);
                let end = stall.end.unwrap_or(stall.start);
                let at = closed.map_or(end, |closed| closed.at.min(end));
                let (leader, learner) = (link.leader.address, link.learner.address);
                let (who, on) = if by_leader { (leader, learner) } else { (learner, leader) };
                let (wait_ms, limit_ms) = (at.since(stall.start).millis(), stall.limit_ms);
                all.push(GaveUp { who, on, by_leader, at, wait_ms, limit_ms });
            }
        }
        all
    }

    /// `4 followers gave up on it after 5.0 s`.
    fn giving_up(&self, incident: &Incident, gave_up: &[GaveUp]) -> Vec<String> {
        let mut groups: BTreeMap<(bool, Address), Vec<&GaveUp>> = BTreeMap::new();
        for one in gave_up {
            // Several learners give up on one leader, or one leader on several learners.
            let leader = if one.by_leader { one.who } else { one.on };
            groups.entry((one.by_leader, leader)).or_default().push(one);
        }
        let culprit = culprit(incident);
        groups
            .into_iter()
            .map(|((by_leader, leader), group)| {
                let mut learners: Vec<Address> =
                    group.iter().map(|one| if one.by_leader { one.on } else { one.who }).collect();
                learners.sort_unstable();
                learners.dedup();
                let leader_is_culprit = culprit == Some(leader);
                let is_its_leader =
                    group.iter().all(|one| culprit == Some(one.who) || culprit == Some(one.on));
                let leader = match (leader_is_culprit, is_its_leader) {
                    (true, _) => "it".to_owned(),
                    (false, true) => format!("its leader {}", self.name(leader)),
                    (false, false) => format!("leader {}", self.name(leader)),
                };
                let learners = match learners.as_slice() {
                    [learner] if culprit == Some(*learner) => "it".to_owned(),
                    _ => self.names_or_count(&learners, "learners"),
                };
                let (who, on) = if by_leader { (leader, learners) } else { (learners, leader) };
                let after = range(group.iter().map(|one| one.wait_ms));
                let is_late = |one: &&GaveUp| one.is_late(u64::from(self.report.settings.tick_ms));
                match group.iter().copied().find(is_late) {
                    Some(late) if matches!(group.as_slice(), [_]) => {
                        let limit = clock::millis(late.limit_ms);
                        format!("the link was seen closed by {who} only after {after}; the limit is {limit}")
                    }
                    _ => format!("{who} gave up on {on} after {after}"),
                }
            })
            .collect()
    }

    /// Waits past a deadline that broke no link.
    fn waited(&self, incident: &Incident) -> Vec<String> {
        let culprit = culprit(incident);
        let clause = |stall: &Stall| {
            let end = match stall.outcome {
                Outcome::Recovered => "and kept the link",
                Outcome::Open => "and was still waiting when the capture ended",
                Outcome::ClosedByLeader | Outcome::ClosedByLearner => return None,
            };
            let link = stall.links.iter().find_map(|id| self.link(*id))?;
            let is_leader = link.leader.address == stall.subject;
            let waiter = if is_leader { link.learner.address } else { link.leader.address };
            let subject = if culprit == Some(stall.subject) { "it" } else { &self.name(stall.subject) };
            let what = if stall.deadlines.as_slice() == [Deadline::Ack] {
                format!("the ACK of {subject}").replace("the ACK of it", "its ACK")
            } else {
                subject.to_owned()
            };
            let waiter = if culprit == Some(waiter) { "it".to_owned() } else { self.name(waiter) };
            let (waited, limit) = clock::against(stall.duration_ms, stall.limit_ms);
            Some(format!("{waiter} waited {waited} for {what}, past its limit of {limit}, {end}"))
        };
        self.stalls(incident).filter_map(clause).take(OUTAGES).collect()
    }

    /// `zk4 led 1.3 s later`.
    fn elected(&self, incident: &Incident, gave_up: &[GaveUp]) -> Option<String> {
        let led_before = |host: Address| {
            incident.links.iter().filter_map(|id| self.link(*id)).any(|link| link.leader.address == host)
        };
        let address = |election: &Election| {
            let sid = election.leader_sid?;
            self.report.servers.iter().find(|server| server.sid == Some(sid)).map(|server| server.address)
        };
        // A server that comes back to a standing ensemble elects nobody.
        let is_rejoin =
            |election: &&Election| election.by.len() == 1 && address(election).is_some_and(led_before);
        let all = incident.elections.iter().filter_map(|index| self.report.elections.get(*index));
        let election = all.filter(|election| !is_rejoin(election)).max_by_key(|election| election.start)?;
        let until = election.end.unwrap_or(election.start);
        let last = gave_up.iter().map(|one| one.at).filter(|at| *at <= until).max();
        let from = last.unwrap_or(incident.start).min(until);
        let later = clock::between(from, until);
        // Where no link of the new epoch was in sight then, its end was heard of later than it was.
        let later = if election.epoch.is_none() { format!("at most {later}") } else { later };
        let winner = address(election);
        let name = winner
            .map(|host| self.name(host))
            .or_else(|| election.leader_sid.map(|sid| format!("server.{sid}")));
        Some(match (election.end, name) {
            (Some(_), Some(name)) if winner.is_some_and(led_before) => {
                format!("{name} led again {later} later")
            }
            (Some(_), Some(name)) => format!("{name} led {later} later"),
            (Some(_), None) => format!("a leader these captures do not name led {later} later"),
            (None, _) => format!("an election began {later} later, and these captures do not show its end"),
        })
    }

    /// `no write was committed for 6.6 s`.
    fn out(&self, incident: &Incident) -> Option<String> {
        let mut outages: Vec<&Outage> = incident
            .outages
            .iter()
            .filter_map(|id| self.report.outages.iter().find(|outage| outage.id == *id))
            .collect();
        outages.sort_by_key(|outage| outage.start);
        let first = outages.first()?;
        let each: Vec<_> = outages
            .iter()
            .take(OUTAGES)
            .map(|outage| {
                let lasted = clock::millis(outage.duration_ms);
                if outage.end.is_some() { lasted } else { format!("at least {lasted}") }
            })
            .collect();
        let more = outages.len().saturating_sub(OUTAGES);
        let more = if more > 0 { format!(" and {more} more times") } else { String::new() };
        let seen = if first.is_certain { "was" } else { "was seen to be" };
        Some(format!("no write {seen} committed for {}{more}", each.join(" and again for ")))
    }

    /// When the culprit had a link again, if it lost one.
    fn back(&self, incident: &Incident, gave_up: &[GaveUp]) -> Option<String> {
        let host = culprit(incident)?;
        let lost = gave_up.iter().filter(|one| one.who == host || one.on == host).map(|one| one.at).max()?;
        let links = self.report.links.iter().filter(|link| {
            let is_its = link.learner.address == host || link.leader.address == host;
            is_its && !link.picked_up && link.opened > lost
        });
        let Some(first) = links.min_by_key(|link| link.opened) else {
            let is_known = self.report.coverage.stalls == StallCoverage::Full;
            return is_known.then(|| "it was not back when the captures ended".to_owned());
        };
        let led = self.role(incident, host) == Some(Role::Leader);
        let role = if led && first.learner.address == host { " as a follower" } else { "" };
        Some(format!("it was back{role} at {}", self.moment(first.opened)))
    }

    /// `12 client sessions expired`.
    fn expired(&self, incident: &Incident) -> Option<String> {
        let sessions = &self.report.sessions;
        let is_its = |closed_by| closed_by == Some(ClosedBy::Expiry);
        let all = sessions.list.iter().filter(|session| session.incident == Some(incident.id));
        let number = all.filter(|session| is_its(session.closed_by)).count() as u64;
        let least = if sessions.seen > sessions.list.len() as u64 { "at least " } else { "" };
        (number > 0)
            .then(|| format!("{least}{} expired", number::count(number, "client session", "client sessions")))
    }
}

/// The one host that is to blame.
const fn culprit(incident: &Incident) -> Option<Address> {
    match incident.suspect {
        Some(Suspect::Host(host) | Suspect::HostNetwork(host)) => Some(host),
        _ => None,
    }
}

/// `5.0 s`, `5.0 s to 5.2 s`.
fn range(waits: impl Iterator<Item = u64> + Clone) -> String {
    let (least, most) = (waits.clone().min().unwrap_or(0), waits.max().unwrap_or(0));
    let (least, most) = (clock::millis(least), clock::millis(most));
    if least == most { least } else { format!("{least} to {most}") }
}
