//! The servers' own logs: lines inside a stall, what they say to the wire, and the files.

use super::page::{Page, Paint, count};
use crate::findings::{
    Stall,
    log::{LogEventKind, LogFile, LogLine, LogVerdict, ZoneFrom},
};
use crate::report::escape;
use crate::report::wording::{self, Names};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Lines shown of a stall, the most telling.
const LINES: usize = 10;
/// Of one server and kind, how many before others come first.
const ALIKE: usize = 2;
/// Characters shown of a line.
const TEXT: usize = 240;
/// Logs listed.
const FILES: usize = 40;

/// A stall's lines, and what they say.
pub(super) fn of_stall(page: &mut Page<'_>, stall: &Stall, width: usize) {
    lines(page, &stall.log, stall.start, width);
    says(page, &stall.log_says, stall.start, width);
}

/// What the logs of etcd's members say, incident by incident.
pub(super) fn of_members(page: &mut Page<'_>) {
    const LABEL: usize = 9;
    let (raft, incidents) = (&page.report.raft, &page.report.incidents);
    if raft.logs.is_empty() && raft.log_only.is_empty() {
        return;
    }
    page.heading("LOGS OF MEMBERS", "beside what the wire shows");
    for told in &raft.logs {
        let Some(incident) = incidents.iter().find(|incident| incident.id == told.incident) else { continue };
        let line = format!("#{} from {}", incident.id, page.clock().full(incident.start));
        page.line(&line);
        lines(page, &told.lines, incident.start, LABEL);
        says(page, &told.says, incident.start, LABEL);
    }
    if let Some(first) = raft.log_only.first() {
        page.line("the wire shows nothing of these");
        lines(page, &raft.log_only, first.at, LABEL);
    }
}

fn lines(page: &mut Page<'_>, lines: &[LogLine], start: Timestamp, width: usize) {
    let shown = chosen(lines);
    for (index, line) in shown.iter().enumerate() {
        let text = format!(
            "{} {} {} {}",
            line.server.map_or_else(|| "?".to_owned(), |server| page.name(server)),
            page.clock().beside(line.at, start),
            line.level.name(),
            escape::text(&cut(&line.text)),
        );
        page.labelled(4, if index == 0 { "log" } else { "" }, width, &text);
    }
    if let Some(more) = lines.len().checked_sub(shown.len()).filter(|more| *more > 0) {
        page.labelled(
            4,
            "",
            width,
            &format!("and {}, see --format json", count(more as u64, "line", "lines")),
        );
    }
}

fn says(page: &mut Page<'_>, says: &[LogVerdict], start: Timestamp, width: usize) {
    let names = Names::of(page.report);
    for (index, verdict) in says.iter().enumerate() {
        let agrees = match verdict.agrees {
            Some(true) => page.paint(Paint::Green, "agrees:"),
            Some(false) => page.paint(Paint::Yellow, "differs:"),
            None => "beside:".to_owned(),
        };
        let at = verdict.at.map_or_else(String::new, |at| format!(" {}", page.clock().beside(at, start)));
        let text = format!("{agrees}{at} {}", escape::text(&wording::log_says(&verdict.says, &names)));
        page.labelled(4, if index == 0 { "log says" } else { "" }, width, &text);
    }
}

/// The most telling lines, in order of time.
fn chosen(lines: &[LogLine]) -> Vec<&LogLine> {
    let mut seen: BTreeMap<(_, LogEventKind), usize> = BTreeMap::new();
    let mut ranked: Vec<_> = lines
        .iter()
        .map(|line| {
            let number = seen.entry((line.server, line.kind)).or_default();
            *number += 1;
            ((*number > ALIKE, line.kind.rank(), line.at), line)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.truncate(LINES);
    ranked.sort_by_key(|(_, line)| line.at);
    ranked.into_iter().map(|(_, line)| line).collect()
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(TEXT).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    short
}

/// The files: whose, how much, in which zone.
pub(super) fn files(page: &mut Page<'_>, width: usize) {
    let logs = &page.report.input.logs;
    for log in logs.iter().take(FILES) {
        let text = file(page, log);
        page.labelled(2, "log", width, &text);
    }
    if let Some(more) = logs.len().checked_sub(FILES).filter(|more| *more > 0) {
        page.labelled(2, "", width, &format!("and {}", count(more as u64, "log", "logs")));
    }
}

fn file(page: &Page<'_>, log: &LogFile) -> String {
    let whose = log.server.map_or_else(|| "of no server known".to_owned(), |server| page.name(server));
    let mut text = format!(
        "{}: {whose}, {}, {} that matter",
        escape::text(&log.path),
        count(log.lines, "line", "lines"),
        count(log.events, "event", "events"),
    );
    if let Some((first, last)) = log.first.zip(log.last) {
        let clock = page.clock();
        text.push_str(&format!(", {} to {}", clock.full(first), clock.beside(last, first)));
    }
    text.push_str(&format!("; written in {}, {}", zone(log.offset_s), how(log)));
    if let Some(ms) = log.difference_ms {
        let side = if ms < 0 { "behind" } else { "ahead of" };
        let moved = if log.is_moved { ", and its times were moved by that" } else { "" };
        text.push_str(&format!("; {} ms {side} the capture{moved}", ms.abs()));
    }
    if let Some(problem) = &log.problem {
        text.push_str(&format!("; {}", page.paint(Paint::Yellow, &escape::text(problem))));
    }
    text
}

/// `UTC`, `UTC+05:30`.
fn zone(offset_s: i32) -> String {
    let minutes = offset_s / 60;
    if minutes == 0 {
        return "UTC".to_owned();
    }
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("UTC{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

fn how(log: &LogFile) -> String {
    match log.zone_from {
        ZoneFrom::Option => "as --log-tz says".to_owned(),
        ZoneFrom::Lines => "as its lines say".to_owned(),
        ZoneFrom::Wire => format!("found by {} seen on the wire too", count(log.matched, "line", "lines")),
        ZoneFrom::OtherLogs => "as the other logs are".to_owned(),
        ZoneFrom::Default => {
            "assumed: nothing in it was found on the wire, --log-tz names another".to_owned()
        }
    }
}
