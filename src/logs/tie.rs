//! Assigns log lines to stalls.
//!
//! A stall gets the lines of the servers at both ends, from one limit before the stall to two limits after
//! it, or until the quiet server is back, except lines that name another connection. It also gets every
//! server's lines about the election that followed. A line that several stalls could claim belongs to the one that
//! is nearest in time.

use super::Placed;
use crate::address::Address;
use crate::findings::{
    Link, Report, Stall,
    log::{LogEventKind, LogLine},
};
use crate::time::{Span, Timestamp};
use std::collections::BTreeMap;

/// Lines kept per stall, the most relevant ones.
const MAX_LINES: usize = 32;
/// Lines of the same server and kind, before others take precedence.
const ALIKE: usize = 4;
/// How long after a learner's return its lines may still concern the stall.
const AFTERMATH: Span = Span::from_millis(1_000);

/// Assigns each stall its lines.
pub(super) fn tie(report: &mut Report, placed: &[Placed<'_>]) {
    let scopes: Vec<Scope<'_>> = report.stalls.iter().map(|stall| Scope::of(stall, report)).collect();
    let claimed: Vec<Vec<Claim>> = scopes.iter().map(|scope| scope.claims(placed)).collect();
    let mut nearest: BTreeMap<usize, Span> = BTreeMap::new();
    for claim in claimed.iter().flatten() {
        let least = nearest.entry(claim.line).or_insert(claim.distance);
        *least = claim.distance.min(*least);
    }
    let lines_of = |claims: &Vec<Claim>| {
        let own = claims.iter().filter(|claim| nearest.get(&claim.line) == Some(&claim.distance));
        most_telling(own.filter_map(|claim| placed.get(claim.line)).collect())
    };
    let lines: Vec<_> = claimed.iter().map(lines_of).collect();
    for (stall, lines) in report.stalls.iter_mut().zip(lines) {
        stall.log = lines;
    }
}

/// A line that may belong to a stall.
#[derive(Clone, Copy, Debug)]
struct Claim {
    /// Its index among all lines.
    line: usize,
    /// How far in time it lies from the stall, or from the election that followed.
    distance: Span,
}

/// The lines that belong to a stall.
struct Scope<'a> {
    subject: Address,
    start: Timestamp,
    end: Timestamp,
    links: Vec<&'a Link>,
    others: Vec<&'a Link>,
    from: Timestamp,
    to: Timestamp,
    subject_to: Timestamp,
    election: Option<(Timestamp, Timestamp)>,
}

impl<'a> Scope<'a> {
    fn of(stall: &Stall, report: &'a Report) -> Self {
        let limit = Span::from_millis(i64::try_from(stall.limit_ms).unwrap_or(i64::MAX));
        let end = stall.end.or(report.input.last).unwrap_or(stall.start);
        let back = report.links.iter().filter(|link| link.opened > stall.start);
        let back =
            back.filter(|link| link.learner.address == stall.subject || link.leader.address == stall.subject);
        let to = end.plus(limit.times(2));
        let election = stall.election.and_then(|index| report.elections.get(index)).map(|election| {
            (election.start.minus(AFTERMATH), election.end.unwrap_or(election.start).plus(limit))
        });
        let (links, others) = report.links.iter().partition(|link| stall.links.contains(&link.id));
        Self {
            subject: stall.subject,
            start: stall.start,
            end,
            links,
            others,
            from: stall.start.minus(limit),
            to,
            subject_to: back.map(|link| link.opened.plus(AFTERMATH)).min().unwrap_or(to).max(to),
            election,
        }
    }

    /// The lines that may belong to the stall.
    fn claims(&self, placed: &[Placed<'_>]) -> Vec<Claim> {
        let start = placed.partition_point(|line| line.at < self.from);
        let rest = placed.iter().enumerate().skip(start).take_while(|(_, line)| line.at <= self.last());
        let held = rest.filter(|(_, line)| self.holds(line));
        held.map(|(index, line)| Claim { line: index, distance: self.distance(line) }).collect()
    }

    fn distance(&self, line: &Placed<'_>) -> Span {
        if self.is_in_election(line) {
            return Span::ZERO;
        }
        self.start.since(line.at).max(line.at.since(self.end)).max(Span::ZERO)
    }

    /// Whether a line tells of the election that followed.
    fn is_in_election(&self, line: &Placed<'_>) -> bool {
        let is_then = self.election.is_some_and(|(from, to)| from <= line.at && line.at <= to);
        is_then && line.event.kind.is_of_election()
    }

    fn last(&self) -> Timestamp {
        self.subject_to.max(self.election.map_or(Timestamp::MIN, |(_, to)| to))
    }

    fn holds(&self, line: &Placed<'_>) -> bool {
        if let Some(peer) = line.event.peer {
            // A line about a connection: one of this stall, or one that is not in the capture.
            if self.others.iter().any(|link| link.learner == peer) {
                return false;
            }
            return self.links.iter().any(|link| link.learner.address == peer.address) && line.at <= self.to;
        }
        if self.is_in_election(line) {
            return true;
        }
        let Some(server) = line.server else { return false };
        let is_of_link = |link: &&Link| link.leader.address == server || link.learner.address == server;
        let is_here = server == self.subject || self.links.iter().any(is_of_link);
        let sid = line.event.peer_sid;
        let is_about = sid.is_none()
            || self.links.iter().any(|link| link.learner_sid.is_none_or(|own| Some(own.0) == sid));
        is_here && is_about && line.at <= if server == self.subject { self.subject_to } else { self.to }
    }
}

/// The most relevant lines, in order of time.
pub(super) fn most_telling(lines: Vec<&Placed<'_>>) -> Vec<LogLine> {
    let mut seen: BTreeMap<(Option<Address>, LogEventKind), usize> = BTreeMap::new();
    let mut ranked: Vec<_> = lines
        .into_iter()
        .map(|line| {
            let count = seen.entry((line.server, line.event.kind)).or_default();
            *count += 1;
            ((*count > ALIKE, line.event.kind.rank(), line.at), line)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.truncate(MAX_LINES);
    ranked.sort_by_key(|(_, line)| line.at);
    let line = |line: &Placed<'_>| LogLine {
        server: line.server,
        at: line.at,
        level: line.event.level,
        kind: line.event.kind,
        took_ms: line.event.took_ms,
        peer: line.event.peer,
        text: line.event.text.clone(),
    };
    ranked.into_iter().map(|(_, placed)| line(placed)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::log::Level;
    use crate::findings::sample::{self, address, at};
    use crate::logs::event::LogEvent;
    use crate::logs::line::Stamp;

    #[test]
    fn a_line_belongs_to_the_stall_that_is_nearest_in_time() {
        let mut report = sample::report();
        let first = Stall { election: None, ..report.stalls[0].clone() };
        let later = Stall { id: 2, start: at(52_000), end: Some(at(62_010)), ..first.clone() };
        report.stalls = vec![first, later];
        let event = |ms| LogEvent {
            stamp: Stamp { wall: at(ms), offset_s: None },
            level: Level::Warn,
            kind: LogEventKind::Goodbye,
            peer: None,
            peer_sid: None,
            peer_member: None,
            took_ms: None,
            text: format!("at {ms}"),
        };
        // One limit before the first, inside it, nearer to its end, nearer to the second's start, inside that.
        let events = [30_000, 40_000, 45_000, 51_000, 62_000].map(event);
        let placed: Vec<_> = events
            .iter()
            .map(|event| Placed { server: Some(address(3)), at: event.stamp.wall, event, is_sure: true })
            .collect();
        tie(&mut report, &placed);
        let texts = |index: usize| -> Vec<String> {
            report.stalls[index].log.iter().map(|line| line.text.clone()).collect()
        };
        assert_eq!(texts(0), ["at 30000", "at 40000", "at 45000"]);
        assert_eq!(texts(1), ["at 51000", "at 62000"]);
    }
}
