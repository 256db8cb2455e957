//! In which zone a log's clock runs: what it tells is looked for on the wire.
//!
//! A link's close, with the learner's port in the GOODBYE line, belongs to one event of the wire; a
//! server that turns LOOKING or finds its leader to some. Each such pair says by how much the log is
//! ahead; the true distance is the one that most lines agree on within a second. It is a whole number of
//! quarter hours, as zones are, and a small difference between two clocks.

use super::event::Event;
use super::{Log, utc};
use crate::address::Address;
use crate::report::log::Kind;
use crate::report::model::{Report, Role};
use crate::time::{Span, Timestamp};
use jiff::tz::TimeZone;

const SECOND: i64 = 1_000_000_000;
/// Zones lie whole quarter hours from UTC, up to 14 h.
const QUARTER: i64 = 900 * SECOND;
const FARTHEST: i64 = 14 * 4;
/// How far two clocks may differ where a line names the very connection.
const DIFFERENCE_MOST: i64 = 120 * SECOND;
/// And where it does not: what is further away is another event.
const DIFFERENCE_LOOSE: i64 = 5 * SECOND;
/// How near the pairs of one distance lie to each other.
const WITHIN: i64 = SECOND;
/// Pairs compared; a real capture has some hundred.
const PAIRS_MOST: usize = 200_000;

/// The distance that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The zone's, in seconds.
    pub(super) offset_s: i32,
    /// By how much the clock is ahead beyond that.
    pub(super) difference: Span,
    /// Lines that agree on it.
    pub(super) matched: u64,
    /// How many of them name their connection.
    named: u64,
}

impl Found {
    /// Whether so much agrees that times may be moved by the difference.
    pub(super) const fn is_sure(&self) -> bool {
        self.matched >= 2 && self.named >= 1 || self.matched >= 4
    }
}

/// A line and what may be the same on the wire.
#[derive(Clone, Copy, Debug)]
struct Pair {
    ahead: i64,
    line: usize,
    names_it: bool,
}

impl Pair {
    const fn quarters(&self) -> i64 {
        (self.ahead + QUARTER / 2).div_euclid(QUARTER)
    }

    const fn difference(&self) -> i64 {
        self.ahead - self.quarters() * QUARTER
    }
}

/// By how much a log is ahead of the capture.
pub(super) fn find(
    log: &Log,
    server: Option<Address>,
    report: &Report,
    zone: Option<&TimeZone>,
) -> Option<Found> {
    let is_known = zone.is_some() || log.contents.first.is_some_and(|stamp| stamp.offset_s.is_some());
    let mut pairs = Vec::new();
    // The latest lines first: a capture is seldom older than its log's end.
    for (line, event) in log.contents.events.iter().enumerate().rev() {
        let at = utc(event.stamp, zone);
        pairs.extend(same(event, server, report).map(|(wire, names_it)| Pair {
            ahead: at.since(wire).nanos(),
            line,
            names_it,
        }));
        if pairs.len() >= PAIRS_MOST {
            break;
        }
    }
    pairs.retain(|pair| {
        let most = if pair.names_it { DIFFERENCE_MOST } else { DIFFERENCE_LOOSE };
        let quarters = pair.quarters().abs();
        pair.difference().abs() <= most && quarters <= if is_known { 0 } else { FARTHEST }
    });
    pairs.sort_by_key(|pair| pair.ahead);
    best(&pairs)
}

/// The times on the wire at which a line may have been written, and whether it names the connection.
fn same<'a>(
    event: &'a Event,
    server: Option<Address>,
    report: &'a Report,
) -> impl Iterator<Item = (Timestamp, bool)> + 'a {
    let is_close = matches!(event.kind, Kind::Goodbye | Kind::HandlerFailed | Kind::ReadTimeout);
    let named = event.peer.filter(|_| is_close);
    let by_name =
        report.links.iter().filter(move |link| named == Some(link.learner)).filter_map(move |link| {
            let closed = link.closed?;
            server.is_none_or(|server| server == link.leader.address).then_some((closed.at, true))
        });
    let is_learners_close =
        matches!(event.kind, Kind::LearnerFailed | Kind::ReadTimeout) && event.peer.is_none();
    let is_found = matches!(event.kind, Kind::ElectionTook) && !event.text.starts_with("LEADING");
    let of_server = report.links.iter().filter(move |link| server == Some(link.learner.address));
    let by_link = of_server.filter_map(move |link| {
        let closed = link.closed.map(|closed| closed.at).filter(|_| is_learners_close);
        let opened = Some(link.opened).filter(|_| is_found && !link.picked_up);
        closed.or(opened).map(|at| (at, false))
    });
    let is_begun = event.kind == Kind::ElectionBegun;
    let looks = report.servers.iter().filter(move |own| is_begun && server == Some(own.address));
    let by_role = looks.flat_map(|own| own.roles.iter().filter(|span| span.role == Role::Looking));
    by_name.chain(by_link).chain(by_role.map(|span| (span.from, false)))
}

/// The window of [`WITHIN`] that holds most lines, those that name their connection twice.
fn best(pairs: &[Pair]) -> Option<Found> {
    let mut best: Option<(i64, Found)> = None;
    for (start, first) in pairs.iter().enumerate() {
        let rest = pairs.get(start..).unwrap_or_default();
        let window = rest.partition_point(|pair| pair.ahead - first.ahead <= WITHIN);
        let Some(found) = rest.get(..window).and_then(found) else { continue };
        let score = i64::try_from(found.matched + found.named).unwrap_or(i64::MAX);
        let key = |score: i64, found: &Found| {
            let far = i64::from(found.offset_s).abs();
            (score, -far, -found.difference.nanos().abs())
        };
        if best.as_ref().is_none_or(|(top, held)| key(score, &found) > key(*top, held)) {
            best = Some((score, found));
        }
    }
    best.map(|(_, found)| found).filter(is_credible)
}

/// One line that may have been written at any election proves no zone.
const fn is_credible(found: &Found) -> bool {
    let is_near = found.difference.nanos().abs() <= DIFFERENCE_LOOSE;
    let is_at_home = found.offset_s == 0 && is_near;
    is_at_home || found.matched >= 2 && is_near || found.named >= 1 && is_near || found.named >= 2
}

fn found(window: &[Pair]) -> Option<Found> {
    // More lines than these prove no more.
    let window = window.get(..window.len().min(256)).unwrap_or(window);
    let middle = window.get(window.len() / 2)?;
    let mut lines: Vec<_> = window.iter().map(|pair| (pair.line, !pair.names_it)).collect();
    lines.sort_unstable();
    lines.dedup_by_key(|(line, _)| *line);
    Some(Found {
        offset_s: i32::try_from(middle.quarters() * QUARTER / SECOND).ok()?,
        difference: Span::from_nanos(middle.difference()),
        matched: lines.len() as u64,
        named: lines.iter().filter(|(_, is_loose)| !is_loose).count() as u64,
    })
}
