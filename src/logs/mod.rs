//! The servers' own logs, correlated with the capture.
//!
//! [`read`] extracts the relevant events of a log in bounded memory. [`apply`] determines the server and the
//! time zone of each log, assigns the events to stalls, reports where log and capture agree and where
//! they do not, and adds the drops that only a log tells of. The verdict still comes from the capture: seen from inside, a paused process looks like a
//! slow disk, and a network cut like a silent peer.

mod clock_offset;
pub mod event;
pub mod line;
pub mod member;
mod members;
mod reader;
mod tie;
mod unseen;
mod verdict;

pub use reader::{Contents, read};

use crate::address::Address;
use crate::findings::{
    Report,
    log::{LogFile, ZoneFrom},
    selection::ServerChoice,
};
use crate::time::{Span, Timestamp};
use clock_offset::ClockOffset;
use event::LogEvent;
use jiff::tz::TimeZone;
use line::Stamp;
use std::net::IpAddr;

/// A smaller clock difference is ignored: logging a close can take this long.
const DIFFERENCE_TOLERATED: Span = Span::from_millis(1_000);

/// A log and its server.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Its path.
    pub path: String,
    /// The server, if the caller named it.
    pub server: Option<Address>,
    /// Its content.
    pub contents: Contents,
}

/// An event with its server and its time by the capture's clock.
#[derive(Clone, Debug)]
struct Placed<'a> {
    server: Option<Address>,
    at: Timestamp,
    event: &'a LogEvent,
    /// Whether its time is known: its zone is told, or what the log tells was found on the wire.
    is_sure: bool,
}

/// Assigns the logs' events to the report's stalls; `zone` is that of `--log-tz`.
pub fn apply(report: &mut Report, logs: &[Log], zone: Option<&TimeZone>) {
    let servers: Vec<_> = logs.iter().map(|log| log.server.or_else(|| owner(log, report))).collect();
    let found: Vec<_> = logs
        .iter()
        .zip(&servers)
        .map(|(log, server)| clock_offset::find(log, *server, report, zone))
        .collect();
    let clocks: Vec<_> =
        logs.iter().zip(&found).map(|(log, own)| LogClock::of(log, *own, &found, zone)).collect();
    let mut placed = Vec::new();
    for ((log, server), clock) in logs.iter().zip(&servers).zip(&clocks) {
        report.input.logs.push(file(log, *server, clock));
        placed.extend(log.contents.events.iter().map(|event| Placed {
            server: *server,
            at: clock.time(event.stamp),
            event,
            is_sure: clock.from != ZoneFrom::Default,
        }));
    }
    placed.sort_by_key(|placed| placed.at);
    tie::tie(report, &placed);
    verdict::say(report);
    members::tell(report, &placed);
    unseen::add(report, &placed);
    for (name, count) in [
        ("log_lines_cut", logs.iter().map(|log| log.contents.cut).sum::<u64>()),
        ("log_events_dropped", logs.iter().map(|log| log.contents.dropped).sum()),
    ] {
        if count > 0 {
            report.limits_hit.insert(name, count);
        }
    }
}

/// Determines the server of a log: by the id in its lines, else by its file name.
fn owner(log: &Log, report: &Report) -> Option<Address> {
    let by_member = |id: u64| report.raft.members.iter().find(|member| member.id == Some(id));
    if let Some(member) = log.contents.member.and_then(by_member) {
        return Some(member.address);
    }
    let by_sid = |sid: i64| report.servers.iter().find(|server| server.sid.is_some_and(|own| own.0 == sid));
    if let Some(sid) = log.contents.sid {
        return by_sid(sid).map(|server| server.address);
    }
    let name = log.path.rsplit('/').next().unwrap_or(&log.path);
    let parts = name
        .split(|c: char| !(c.is_alphanumeric() || c == '.' || c == '-'))
        .chain([name, name.trim_end_matches(".gz").trim_end_matches(".log").trim_end_matches(".out")]);
    let is_named = |address: Address, own: Option<&str>| {
        parts.clone().any(|part| {
            let is_address = part.parse::<IpAddr>().is_ok_and(|ip| Address::from(ip) == address);
            is_address || own.is_some_and(|own| own.eq_ignore_ascii_case(part))
        })
    };
    let server = report.servers.iter().find(|server| is_named(server.address, server.name.as_deref()));
    let member =
        || report.raft.members.iter().find(|member| is_named(member.address, member.name.as_deref()));
    server.map(|server| server.address).or_else(|| member().map(|member| member.address))
}

/// The server that the user named.
#[must_use]
pub fn server(choice: &ServerChoice, report: &Report) -> Option<Address> {
    let is_it = |server: &&crate::findings::Server| {
        choice.is(Some(server.address), server.sid, server.name.as_deref())
    };
    let is_member = |member: &&crate::findings::raft::Member| {
        choice.is(Some(member.address), None, member.name.as_deref())
    };
    let member = || report.raft.members.iter().find(is_member).map(|member| member.address);
    report.servers.iter().find(is_it).map(|server| server.address).or_else(member)
}

/// How to convert a log's times.
#[derive(Clone, Debug)]
struct LogClock<'a> {
    zone: Option<&'a TimeZone>,
    offset_s: i32,
    from: ZoneFrom,
    moved: Span,
    found: Option<ClockOffset>,
}

impl<'a> LogClock<'a> {
    fn of(
        log: &Log,
        own: Option<ClockOffset>,
        all: &[Option<ClockOffset>],
        zone: Option<&'a TimeZone>,
    ) -> Self {
        let others = || all.iter().flatten().max_by_key(|found| found.matched);
        let names_zone = log.contents.first.is_some_and(|stamp| stamp.offset_s.is_some());
        let (from, offset_s) = match (own, zone) {
            _ if names_zone => (ZoneFrom::Lines, 0),
            (_, Some(_)) => (ZoneFrom::Option, 0),
            (Some(found), None) => (ZoneFrom::Wire, found.offset_s),
            (None, None) => {
                others().map_or((ZoneFrom::Default, 0), |found| (ZoneFrom::OtherLogs, found.offset_s))
            }
        };
        let too_much = |found: &ClockOffset| found.difference.abs() > DIFFERENCE_TOLERATED;
        let moved =
            own.filter(ClockOffset::is_sure).filter(too_much).map_or(Span::ZERO, |found| found.difference);
        Self { zone, offset_s, from, moved, found: own }
    }

    /// A line's time by the capture's clock.
    fn time(&self, stamp: Stamp) -> Timestamp {
        utc(stamp, self.zone).minus(Span::from_millis(i64::from(self.offset_s) * 1_000)).minus(self.moved)
    }
}

/// A line's time in the zone that it names, else in `zone`, else in UTC.
fn utc(stamp: Stamp, zone: Option<&TimeZone>) -> Timestamp {
    let wall = stamp.wall;
    match (stamp.offset_s, zone) {
        (Some(offset), _) => wall.minus(Span::from_millis(i64::from(offset) * 1_000)),
        (None, None) => wall,
        (None, Some(zone)) => {
            let instant = jiff::Timestamp::from_nanosecond(i128::from(wall.nanos())).unwrap_or_default();
            let civil = TimeZone::UTC.to_datetime(instant);
            let there = zone.to_timestamp(civil).ok().and_then(|at| i64::try_from(at.as_nanosecond()).ok());
            there.map_or(wall, Timestamp::from_nanos)
        }
    }
}

/// The report's entry for a log.
fn file(log: &Log, server: Option<Address>, clock: &LogClock<'_>) -> LogFile {
    let contents = &log.contents;
    let shift = |last: Stamp| last.wall.since(clock.time(last)).nanos().saturating_sub(clock.moved.nanos());
    let seconds = contents.last.map_or(0, |last| shift(last) / 1_000_000_000);
    LogFile {
        path: log.path.clone(),
        server,
        lines: contents.lines,
        events: contents.events.len() as u64,
        first: contents.first.map(|first| clock.time(first)),
        last: contents.last.map(|last| clock.time(last)),
        zone_from: clock.from,
        offset_s: i32::try_from(seconds).unwrap_or(0),
        matched: clock.found.map_or(0, |found| found.matched),
        difference_ms: clock.found.map(|found| found.difference.nanos() / 1_000_000),
        is_moved: clock.moved != Span::ZERO,
        problem: contents.problem.clone(),
    }
}
