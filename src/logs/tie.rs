//! Assigns log lines to stalls.
//!
//! A stall gets the lines of the servers at both ends, from one limit before the stall to two limits after
//! it, or until the quiet server is back, except lines that name another connection. It also gets every
//! server's lines about the election that followed.

use super::Placed;
use crate::address::Address;
use crate::findings::{
    Link, Report, Stall,
    log::{Kind, LogLine},
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
    let lines_of = |stall| {
        let scope = Scope::of(stall, report);
        let start = placed.partition_point(|line| line.at < scope.from);
        let rest = placed.get(start..).unwrap_or_default();
        let lines = rest.iter().take_while(|line| line.at <= scope.last());
        most_telling(lines.filter(|line| scope.holds(line)).collect())
    };
    let lines: Vec<_> = report.stalls.iter().map(lines_of).collect();
    for (stall, lines) in report.stalls.iter_mut().zip(lines) {
        stall.log = lines;
    }
}

/// The lines that belong to a stall.
struct Scope<'a> {
    subject: Address,
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
            links,
            others,
            from: stall.start.minus(limit),
            to,
            subject_to: back.map(|link| link.opened.plus(AFTERMATH)).min().unwrap_or(to).max(to),
            election,
        }
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
        let in_election = self.election.is_some_and(|(from, to)| from <= line.at && line.at <= to);
        if in_election && line.event.kind.is_of_election() {
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
fn most_telling(lines: Vec<&Placed<'_>>) -> Vec<LogLine> {
    let mut seen: BTreeMap<(Option<Address>, Kind), usize> = BTreeMap::new();
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
