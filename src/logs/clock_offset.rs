//! In which zone a log's clock runs: what it tells is looked for on the wire.
//!
//! A link's close, with the learner's port in the GOODBYE line, belongs to one event of the wire; a
//! server that turns LOOKING or finds its leader to some. Each such pair says by how much the log is
//! ahead; the true distance is the one that most lines agree on within a second. It is a whole number of
//! quarter hours, as zones are, and a small difference between two clocks.

use super::event::Event;
use super::{Log, utc};
use crate::address::Address;
use crate::findings::{Report, Role, log::Kind};
use crate::time::{Span, Timestamp};
use jiff::tz::TimeZone;

const SECOND: i64 = 1_000_000_000;
/// Zones lie whole quarter hours from UTC, up to 14 h.
const QUARTER: i64 = 900 * SECOND;
const FARTHEST: i64 = 14 * 4;
/// How far two clocks may differ where a line names the very connection.
const MAX_DIFFERENCE: i64 = 120 * SECOND;
/// And where it does not: what is further away is another event.
const DIFFERENCE_LOOSE: i64 = 5 * SECOND;
/// How near the pairs of one distance lie to each other.
const WITHIN: i64 = SECOND;
/// Pairs of a window that are looked at: more prove no more.
const MAX_WINDOW: usize = 256;
/// Pairs compared; a real capture has some hundred.
const MAX_PAIRS: usize = 200_000;

/// What happens within that time of each other is one occasion: a leader that stood still writes all its
/// lines late, and by the same.
const OCCASION: i64 = 10 * SECOND;

/// The distance that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClockOffset {
    /// The zone's, in seconds.
    pub(super) offset_s: i32,
    /// By how much the clock is ahead beyond that.
    pub(super) difference: Span,
    /// Lines that agree on it.
    pub(super) matched: u64,
    /// On how many occasions.
    occasions: usize,
    /// Whether one of the lines names its connection.
    is_named: bool,
}

impl ClockOffset {
    /// Whether so much agrees that times may be moved by the difference.
    pub(super) const fn is_sure(&self) -> bool {
        self.occasions >= 2 && self.matched >= 2
    }

    const fn is_near(&self) -> bool {
        self.difference.nanos().abs() <= WITHIN
    }

    /// The larger, the more credible.
    fn weight(&self) -> (usize, bool, bool, u64, i64, i64) {
        let far = i64::from(self.offset_s).abs();
        let lines = self.matched.min(4);
        (self.occasions, self.is_near(), self.is_named, lines, -far, -self.difference.nanos().abs())
    }
}

/// A line and what may be the same on the wire.
#[derive(Clone, Copy, Debug)]
struct Pair {
    ahead: i64,
    line: usize,
    wire: Timestamp,
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
) -> Option<ClockOffset> {
    let is_known = zone.is_some() || log.contents.first.is_some_and(|stamp| stamp.offset_s.is_some());
    let mut pairs = Vec::new();
    // The latest lines first: a capture is seldom older than its log's end.
    for (line, event) in log.contents.events.iter().enumerate().rev() {
        let at = utc(event.stamp, zone);
        pairs.extend(same(event, server, report).map(|(wire, names_it)| Pair {
            ahead: at.since(wire).nanos(),
            line,
            wire,
            names_it,
        }));
        if pairs.len() >= MAX_PAIRS {
            break;
        }
    }
    pairs.retain(|pair| {
        let most = if pair.names_it { MAX_DIFFERENCE } else { DIFFERENCE_LOOSE };
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

/// The window of [`WITHIN`] that says most.
fn best(pairs: &[Pair]) -> Option<ClockOffset> {
    let windows = pairs.iter().enumerate().filter_map(|(start, first)| {
        let rest = pairs.get(start..)?;
        let end = rest.partition_point(|pair| pair.ahead - first.ahead <= WITHIN);
        found(rest.get(..end.min(MAX_WINDOW))?)
    });
    windows.filter(is_credible).max_by_key(ClockOffset::weight)
}

/// One line that may have been written at any election proves no zone.
const fn is_credible(found: &ClockOffset) -> bool {
    let is_at_home = found.offset_s == 0 && found.is_near();
    let is_tight = found.difference.nanos().abs() <= DIFFERENCE_LOOSE;
    is_at_home || is_tight && (found.is_named || found.matched >= 2) || found.is_named && found.occasions >= 2
}

fn found(window: &[Pair]) -> Option<ClockOffset> {
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
