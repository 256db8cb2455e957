//! Drops that a log tells of and the capture does not show.
//!
//! A read timeout, a transaction timeout or a lost quorum is a deadline that passed; a learner whose part ends with an
//! exception was dropped. Where no incident of the wire is
//! about the same servers at the same time, it is one of its own: a capture may be of another host, lack what decides,
//! or begin too late. What caused it the logs do not tell, unless the JVM itself measured a pause.

use super::Placed;
use crate::address::Address;
use crate::findings::incident::{Confidence, Incident, Reason};
use crate::findings::log::LogEventKind;
use crate::findings::{Cause, Link, Report, Role, Suspect};
use crate::time::{Span, Timestamp};

/// Incidents that are found so, at most.
const MAX_FOUND: usize = 256;
/// Lines that tell of one incident, at most.
const MAX_LINES: usize = 8;
/// How far a line may be from what it tells of: the servers' clocks, and a busy logger.
const TOLERATED: Span = Span::from_millis(2_000);

/// The learner to whom a leader says goodbye right after a line.
fn parted_from(line: &Placed<'_>, placed: &[Placed<'_>]) -> Option<Address> {
    let is_it = |other: &&Placed<'_>| {
        other.server == line.server
            && other.event.kind == LogEventKind::Goodbye
            && other.at >= line.at
            && other.at.since(line.at) <= TOLERATED
    };
    placed.iter().find(is_it).and_then(|other| other.event.peer).map(|peer| peer.address)
}

/// A deadline that passed, as a log has it.
struct Drop<'a> {
    line: &'a Placed<'a>,
    leader: Option<Address>,
    learner: Option<Address>,
}

/// Adds an incident for each drop that no incident of the report explains.
pub(super) fn add(report: &mut Report, placed: &[Placed<'_>]) {
    let limit = Span::from_millis(report.settings.stall_limit_ms().cast_signed());
    let seen = report.input.first.zip(report.input.last);
    // What led to a line, and what came of it, may be out of sight.
    let is_within = |at: Timestamp| {
        seen.is_some_and(|(first, last)| first.plus(TOLERATED) <= at && at.plus(TOLERATED) <= last)
    };
    let mut found: Vec<Incident> = Vec::new();
    for line in placed.iter().filter(|line| line.is_sure && is_within(line.at)) {
        let Some(drop) = Drop::of(line, placed, report) else { continue };
        if report.incidents.iter().any(|incident| drop.is_explained_by(incident, report, limit)) {
            continue;
        }
        let is_full = found.len() >= MAX_FOUND;
        match found.iter_mut().rev().find(|held| drop.belongs_to(held, limit)) {
            Some(held) => drop.join(held),
            None if is_full => *report.limits_hit.entry("log_incidents").or_default() += 1,
            None => found.push(drop.incident(report, placed, limit)),
        }
    }
    let after = report.incidents.iter().map(|incident| incident.id).max().unwrap_or(0);
    report.incidents.extend((after + 1..).zip(found).map(|(id, incident)| Incident { id, ..incident }));
    report.incidents.sort_by_key(|incident| incident.start);
}

impl<'a> Drop<'a> {
    /// The drop that a line tells of, if it tells of one.
    fn of(line: &'a Placed<'a>, placed: &[Placed<'_>], report: &Report) -> Option<Self> {
        let server = line.server;
        let peer = line.event.peer.map(|peer| peer.address);
        let (leader, learner) = match line.event.kind {
            LogEventKind::TransactionTimeout => (server, peer.or_else(|| parted_from(line, placed))),
            LogEventKind::LostQuorum => (server, None),
            // The leader's part for a learner names it; a learner's own does not name its leader.
            LogEventKind::ReadTimeout if peer.is_some() => (server, peer),
            // One that found none was not dropped.
            LogEventKind::LearnerFailed if line.event.text.contains("Failed connect") => return None,
            LogEventKind::ReadTimeout | LogEventKind::LearnerFailed => {
                (server.and_then(|server| leader_of(server, line.at, report)), server)
            }
            _ => return None,
        };
        (leader.is_some() || learner.is_some()).then_some(Self { line, leader, learner })
    }

    fn hosts(&self) -> impl Iterator<Item = Address> {
        [self.leader, self.learner].into_iter().flatten()
    }

    /// Whether an incident is about one of the two at the time.
    fn is_explained_by(&self, incident: &Incident, report: &Report, limit: Span) -> bool {
        let links = report.links.iter().filter(|link| incident.links.contains(&link.id));
        let of_links: Vec<Address> =
            links.flat_map(|link| [link.leader.address, link.learner.address]).collect();
        let blamed = suspects(incident.suspect);
        // A leader has several links: of those of an incident one is the learner's, or the leader is to blame.
        let is_its = match self.learner {
            Some(learner) => of_links.contains(&learner) || blamed.contains(&Some(learner)),
            None => self.leader.is_some_and(|leader| of_links.contains(&leader)),
        };
        let is_leaders = self.leader.is_some_and(|leader| blamed.contains(&Some(leader)));
        let stalls = report.stalls.iter().filter(|stall| incident.stalls.contains(&stall.id));
        let until = stalls.filter_map(|stall| stall.end).chain(incident.end).max().unwrap_or(incident.start);
        let at = self.line.at;
        let is_then =
            incident.start.minus(TOLERATED) <= at && at <= until.plus(limit.times(2)).plus(TOLERATED);
        (is_its || is_leaders) && is_then
    }

    /// Whether an incident that was found before is of the same servers and time.
    fn belongs_to(&self, held: &Incident, limit: Span) -> bool {
        let told: Vec<Address> = held.why.iter().filter_map(of_log).flatten().collect();
        let until = held.end.unwrap_or(held.start).plus(limit.times(2));
        self.line.at <= until && self.hosts().any(|host| told.contains(&host))
    }

    fn join(&self, held: &mut Incident) {
        held.end = Some(self.line.at);
        held.duration_ms = self.line.at.since(held.start).millis();
        let reason = self.reason();
        let is_told = |held: &Reason| match (held, &reason) {
            (Reason::Logged { server: a, line: told, .. }, Reason::Logged { server: b, line, .. }) => {
                a == b && told == line
            }
            _ => false,
        };
        if held.why.len() < MAX_LINES && !held.why.iter().any(is_told) {
            held.why.push(reason);
        }
    }

    fn reason(&self) -> Reason {
        let Placed { server, at, event, .. } = self.line;
        let peer = self.hosts().find(|host| Some(*host) != *server);
        let leads = self.leader.is_some() && self.leader == *server;
        Reason::Logged { server: *server, leads, peer, at: *at, line: event.text.clone() }
    }

    fn incident(&self, report: &Report, placed: &[Placed<'_>], limit: Span) -> Incident {
        let at = self.line.at;
        let is_open = |link: &&Link| {
            link.opened <= at && link.closed.is_none_or(|closed| closed.at.plus(TOLERATED) >= at)
        };
        let is_its = |link: &&Link| {
            self.leader.is_none_or(|leader| link.leader.address == leader)
                && self.learner.is_none_or(|learner| link.learner.address == learner)
        };
        let links = report.links.iter().filter(is_open).filter(is_its).map(|link| link.id).collect();
        let is_pause = |line: &&Placed<'_>| {
            line.event.kind == LogEventKind::Pause
                && line
                    .event
                    .took_ms
                    .is_some_and(|took| took.saturating_mul(2) >= report.settings.stall_limit_ms())
                && line.server.is_some_and(|server| self.hosts().any(|host| host == server))
                && line.at.since(at).abs() <= limit.times(2)
        };
        let pause = placed.iter().find(is_pause);
        let mut why = vec![self.reason()];
        why.extend(pause.map(|pause| Reason::Logged {
            server: pause.server,
            leads: self.leader == pause.server,
            peer: None,
            at: pause.at,
            line: pause.event.text.clone(),
        }));
        Incident {
            id: 0,
            root: if pause.is_some() { Cause::ProcessStalled } else { Cause::Unknown },
            suspect: pause.and_then(|pause| pause.server).map(Suspect::Host),
            confidence: Confidence::Likely,
            start: at,
            end: Some(at),
            duration_ms: 0,
            stalls: Vec::new(),
            links,
            members: Vec::new(),
            elections: Vec::new(),
            outages: Vec::new(),
            why,
            evidence: Vec::new(),
            count: 1,
        }
    }
}

/// Whom a learner followed at a time: as its own link tells, else the one that led.
fn leader_of(learner: Address, at: Timestamp, report: &Report) -> Option<Address> {
    let is_then =
        |from: Timestamp, to: Option<Timestamp>| from <= at && to.is_none_or(|to| to.plus(TOLERATED) >= at);
    let own = report.links.iter().rev().find(|link| {
        link.learner.address == learner && is_then(link.opened, link.closed.map(|closed| closed.at))
    });
    let led = || {
        let leads = |server: &&crate::findings::Server| {
            let spans = server.roles.iter().filter(|span| span.role == Role::Leader);
            server.address != learner && spans.into_iter().any(|span| is_then(span.from, span.to))
        };
        report.servers.iter().find(leads).map(|server| server.address)
    };
    own.map(|link| link.leader.address).or_else(led)
}

fn of_log(reason: &Reason) -> Option<impl Iterator<Item = Address>> {
    match reason {
        Reason::Logged { server, peer, .. } => Some([*server, *peer].into_iter().flatten()),
        _ => None,
    }
}

const fn suspects(suspect: Option<Suspect>) -> [Option<Address>; 2] {
    match suspect {
        Some(Suspect::Host(a) | Suspect::HostNetwork(a)) => [Some(a), None],
        Some(Suspect::Path(a, b) | Suspect::OneWay(a, b)) => [Some(a), Some(b)],
        None => [None, None],
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::*;
    use crate::findings::log::Level;
    use crate::findings::sample::{self, address, at};
    use crate::logs::event::LogEvent;
    use crate::logs::line::Stamp;

    #[test]
    fn incidents_that_only_logs_tell_of_are_limited() {
        let mut report = sample::report();
        report.incidents.clear();
        let event = LogEvent {
            stamp: Stamp { wall: at(40_000), offset_s: None },
            level: Level::Warn,
            kind: LogEventKind::LostQuorum,
            peer: None,
            peer_sid: None,
            peer_member: None,
            took_ms: None,
            text: "Shutdown called: Not sufficient followers synced".to_owned(),
        };
        let more = 44;
        let placed: Vec<_> = (0..MAX_FOUND + more)
            .map(|number| Placed {
                server: Some(address(10_000 + number as u32)),
                at: event.stamp.wall,
                event: &event,
                is_sure: true,
            })
            .collect();
        add(&mut report, &placed);
        assert_eq!(report.incidents.len(), MAX_FOUND);
        assert_eq!(report.limits_hit.get("log_incidents"), Some(&(more as u64)));
    }
}
