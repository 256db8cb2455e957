//! Determines a log's time zone and clock offset by finding its events in the capture.
//!
//! A GOODBYE line names the learner's port, so it matches one close in the capture; a server that turns
//! LOOKING, or finds its leader, matches several events. Each such pair gives a possible offset. The true
//! offset is the one that most lines agree on within a second: a whole number of quarter hours, as time zones
//! are, plus a small difference between two clocks.

use super::event::LogEvent;
use super::{Log, utc};
use crate::address::Address;
use crate::findings::{Report, Role, log::LogEventKind};
use crate::time::{Span, Timestamp};
use jiff::tz::TimeZone;

const SECOND: i64 = 1_000_000_000;
/// Time zones are whole quarter hours from UTC, up to 14 h.
const QUARTER: i64 = 900 * SECOND;
const FARTHEST: i64 = 14 * 4;
/// How far two clocks may differ if a line names the connection.
const MAX_DIFFERENCE: i64 = 120 * SECOND;
/// The same if it does not: an event further away is another one.
const DIFFERENCE_LOOSE: i64 = 5 * SECOND;
/// How far the pairs of one offset may differ.
const WITHIN: i64 = SECOND;
/// Pairs considered per window: more would not prove more.
const MAX_WINDOW: usize = 256;
/// Pairs compared; a real capture has a few hundred.
const MAX_PAIRS: usize = 200_000;

/// Lines within this time count as one occasion: a leader that was paused writes all its lines late by the
/// same amount.
const OCCASION: i64 = 10 * SECOND;

/// The offset of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClockOffset {
    /// The time zone's offset from UTC in seconds.
    pub(super) offset_s: i32,
    /// How far the clock is ahead beyond that.
    pub(super) difference: Span,
    /// Lines that agree on it.
    pub(super) matched: u64,
    /// The number of independent occasions.
    occasions: usize,
    /// Whether one of the lines names its connection.
    is_named: bool,
}

impl ClockOffset {
    /// Whether the evidence suffices to correct times by the difference.
    pub(super) const fn is_sure(&self) -> bool {
        self.occasions >= 2 && self.matched >= 2
    }

    const fn is_near(&self) -> bool {
        self.difference.nanos().abs() <= WITHIN
    }

    /// The weight of the evidence.
    fn weight(&self) -> (usize, bool, bool, u64, i64, i64) {
        let far = i64::from(self.offset_s).abs();
        let lines = self.matched.min(4);
        (self.occasions, self.is_near(), self.is_named, lines, -far, -self.difference.nanos().abs())
    }
}

/// A line and an event in the capture that it may report.
#[derive(Clone, Copy, Debug)]
struct LogPair {
    ahead: i64,
    line: usize,
    wire: Timestamp,
    names_it: bool,
    /// Whether the line's time is of whole seconds, as raft's own logger has them.
    is_coarse: bool,
}

impl LogPair {
    const fn quarters(&self) -> i64 {
        self.ahead.saturating_add(QUARTER / 2).div_euclid(QUARTER)
    }

    const fn difference(&self) -> i64 {
        self.ahead.saturating_sub(self.quarters().saturating_mul(QUARTER))
    }
}

/// Finds how far a log is ahead of the capture.
pub(super) fn find(
    log: &Log,
    server: Option<Address>,
    report: &Report,
    zone: Option<&TimeZone>,
) -> Option<ClockOffset> {
    let is_known = zone.is_some() || log.contents.first.is_some_and(|stamp| stamp.offset_s.is_some());
    let mut pairs = Vec::new();
    // The latest lines first: a capture is rarely older than the end of its log.
    for (line, event) in log.contents.events.iter().enumerate().rev() {
        let at = utc(event.stamp, zone);
        pairs.extend(same(event, server, report).map(|(wire, names_it)| LogPair {
            ahead: at.since(wire).nanos(),
            line,
            wire,
            names_it,
            is_coarse: matches!(event.kind, LogEventKind::Campaign | LogEventKind::LeaderKnown),
        }));
        if pairs.len() >= MAX_PAIRS {
            break;
        }
    }
    pairs.retain(|pair| {
        let most = match (pair.names_it, pair.is_coarse) {
            (true, _) => MAX_DIFFERENCE,
            (false, true) => WITHIN,
            (false, false) => DIFFERENCE_LOOSE,
        };
        let quarters = pair.quarters().abs();
        pair.difference().abs() <= most && quarters <= if is_known { 0 } else { FARTHEST }
    });
    pairs.sort_by_key(|pair| pair.ahead);
    best(&pairs)
}

/// The times in the capture at which a line may have been written, and whether it names the connection.
fn same<'a>(
    event: &'a LogEvent,
    server: Option<Address>,
    report: &'a Report,
) -> impl Iterator<Item = (Timestamp, bool)> + 'a {
    let is_close =
        matches!(event.kind, LogEventKind::Goodbye | LogEventKind::HandlerFailed | LogEventKind::ReadTimeout);
    let named = event.peer.filter(|_| is_close);
    let by_name =
        report.links.iter().filter(move |link| named == Some(link.learner)).filter_map(move |link| {
            let closed = link.closed?;
            server.is_none_or(|server| server == link.leader.address).then_some((closed.at, true))
        });
    let is_learners_close =
        matches!(event.kind, LogEventKind::LearnerFailed | LogEventKind::ReadTimeout) && event.peer.is_none();
    let is_found = matches!(event.kind, LogEventKind::ElectionTook) && !event.text.starts_with("LEADING");
    let of_server = report.links.iter().filter(move |link| server == Some(link.learner.address));
    let by_link = of_server.filter_map(move |link| {
        let closed = link.closed.map(|closed| closed.at).filter(|_| is_learners_close);
        let opened = Some(link.opened).filter(|_| is_found && !link.picked_up);
        closed.or(opened).map(|at| (at, false))
    });
    let is_begun = event.kind == LogEventKind::ElectionBegun;
    let looks = report.servers.iter().filter(move |own| is_begun && server == Some(own.address));
    let by_role = looks.flat_map(|own| own.roles.iter().filter(|span| span.role == Role::Looking));
    // Of etcd's members: who campaigned, and who led then.
    let leads = event.kind == LogEventKind::LeaderKnown && event.text.contains(" became leader at term");
    let campaigns = event.kind == LogEventKind::Campaign;
    let by_election = report.raft.elections.iter().filter_map(move |election| {
        let is_candidate = campaigns && server.is_some_and(|server| election.by.contains(&server));
        let has_won = leads && server == Some(election.leader);
        let at = Some(election.start).filter(|_| is_candidate).or(Some(election.end).filter(|_| has_won));
        at.map(|at| (at, false))
    });
    by_name.chain(by_link).chain(by_role.map(|span| (span.from, false))).chain(by_election)
}

/// The window of [`WITHIN`] with the most evidence.
fn best(pairs: &[LogPair]) -> Option<ClockOffset> {
    let windows = pairs.iter().enumerate().filter_map(|(start, first)| {
        let rest = pairs.get(start..)?;
        let end = rest.partition_point(|pair| pair.ahead.saturating_sub(first.ahead) <= WITHIN);
        found(rest.get(..end.min(MAX_WINDOW))?)
    });
    windows.filter(is_credible).max_by_key(ClockOffset::weight)
}

/// A single line that fits any election proves no time zone.
const fn is_credible(found: &ClockOffset) -> bool {
    let is_at_home = found.offset_s == 0 && found.is_near();
    let is_tight = found.difference.nanos().abs() <= DIFFERENCE_LOOSE;
    is_at_home || is_tight && (found.is_named || found.matched >= 2) || found.is_named && found.occasions >= 2
}

fn found(window: &[LogPair]) -> Option<ClockOffset> {
    let middle = window.get(window.len() / 2)?;
    let mut lines: Vec<_> = window.iter().map(|pair| pair.line).collect();
    lines.sort_unstable();
    lines.dedup();
    let mut times: Vec<_> = window.iter().map(|pair| pair.wire).collect();
    times.sort_unstable();
    times.dedup_by(|next, held| next.since(*held).nanos() <= OCCASION);
    Some(ClockOffset {
        offset_s: i32::try_from(middle.quarters() * QUARTER / SECOND).ok()?,
        difference: Span::from_nanos(middle.difference()),
        matched: lines.len() as u64,
        occasions: times.len(),
        is_named: window.iter().any(|pair| pair.names_it),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_frames_may_be_centuries_apart() {
        let pair =
            |ahead| LogPair { ahead, line: 0, wire: Timestamp::default(), names_it: true, is_coarse: false };
        for ahead in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX] {
            let pair = pair(ahead);
            assert!(
                pair.difference().unsigned_abs() <= QUARTER.unsigned_abs(),
                "{ahead}: {}",
                pair.difference()
            );
        }
        let sorted = [pair(i64::MIN), pair(0), pair(i64::MAX)];
        assert_eq!(best(&sorted).map(|found| found.matched), Some(1));
    }
}
