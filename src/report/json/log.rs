//! The servers' own logs, and their lines.

use super::ViewContext;
use crate::findings::log::{LogFile, LogLine, LogVerdict};
use crate::report::wording;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct LogLineView<'a> {
    server: Option<String>,
    at: String,
    level: &'static str,
    kind: &'static str,
    peer: Option<String>,
    took_ms: Option<u64>,
    text: &'a str,
}

impl<'a> LogLineView<'a> {
    pub(super) fn of(line: &'a LogLine, ctx: &ViewContext<'_>) -> Self {
        Self {
            server: line.server.map(|server| server.to_string()),
            at: ctx.time(line.at),
            level: line.level.name(),
            kind: line.kind.name(),
            peer: line.peer.map(|peer| peer.to_string()),
            took_ms: line.took_ms,
            text: &line.text,
        }
    }
}

#[derive(Serialize)]
pub(super) struct LogVerdictView {
    agrees: Option<bool>,
    at: Option<String>,
    what: String,
}

impl LogVerdictView {
    pub(super) fn of(verdict: &LogVerdict, ctx: &ViewContext<'_>) -> Self {
        let what = wording::log_says(&verdict.says, &ctx.names);
        Self { agrees: verdict.agrees, at: ctx.maybe(verdict.at), what }
    }
}

#[derive(Serialize)]
pub(super) struct LogFileView<'a> {
    path: &'a str,
    server: Option<String>,
    lines: u64,
    events: u64,
    first: Option<String>,
    last: Option<String>,
    zone_from: &'static str,
    offset_s: i32,
    matched: u64,
    /// By how much the log's clock is ahead of the capture's.
    difference_ms: Option<i64>,
    /// Whether the times above, and those of its lines, were moved by it.
    moved: bool,
    problem: Option<&'a str>,
}

impl<'a> LogFileView<'a> {
    pub(super) fn of(log: &'a LogFile, ctx: &ViewContext<'_>) -> Self {
        Self {
            path: &log.path,
            server: log.server.map(|server| server.to_string()),
            lines: log.lines,
            events: log.events,
            first: ctx.maybe(log.first),
            last: ctx.maybe(log.last),
            zone_from: log.zone_from.name(),
            offset_s: log.offset_s,
            matched: log.matched,
            difference_ms: log.difference_ms,
            moved: log.is_moved,
            problem: log.problem.as_deref(),
        }
    }
}
