//! What was read, what could not be, and what was reckoned with.

use super::page::{Page, Paint, bytes, count, grouped, percent};
use crate::dissect::{ByteSums, Protection};
use crate::findings::{Link, Strangers};
use crate::proto::PacketType;
use crate::report::clock;
use crate::report::escape;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Files without a problem that are listed.
const FILES: usize = 8;
/// Ticks beside the ensemble's that are listed.
const TICKS: usize = 8;
/// Width of the labels.
const LABEL: usize = 11;

pub(super) fn write(page: &mut Page<'_>) {
    page.heading("READ", "");
    frames(page);
    files(page);
    super::clock::vantage(page, LABEL);
    super::clock::clocks(page, LABEL);
    super::clock::steps(page, LABEL);
    super::log::files(page, LABEL);
    links(page);
    strangers(page);
    dials(page);
    limits(page);
    page.heading("RECKONED WITH", "");
    settings(page);
}

fn label(page: &mut Page<'_>, label: &str, text: &str) {
    page.labelled(2, label, LABEL, text);
}

fn frames(page: &mut Page<'_>) {
    let input = &page.report.input;
    let mut text = format!(
        "{} in {}",
        count(input.frames, "frame", "frames"),
        match &input.live {
            Some(live) => escape::text(&live.source).into_owned(),
            None => count(input.files.len() as u64, "file", "files"),
        }
    );
    if let Some((first, last)) = input.first.zip(input.last) {
        let clock = page.clock();
        text.push_str(&format!(
            ", {} to {} {} ({})",
            clock.full(first),
            clock.beside(last, first),
            clock.zone_name(Some(first)),
            clock::between(first, last)
        ));
    }
    text.push_str(&format!(
        "; {} of {} captured, {} % of the frames cut",
        bytes(input.captured_bytes),
        bytes(input.wire_bytes),
        percent(input.cut_frames, input.frames)
    ));
    label(page, "frames", &text);
    if let Some(all) = input.live.as_ref().and_then(|live| live.received.as_ref()) {
        let text = format!(
            "{} received, {} dropped by the kernel, {} by the interface, {} here",
            grouped(all.received),
            grouped(all.dropped_kernel),
            grouped(all.dropped_interface),
            grouped(all.dropped_here)
        );
        label(page, "capture", &text);
    }
    if !input.ignored.is_empty() {
        let each: Vec<_> =
            input.ignored.iter().map(|(reason, number)| format!("{} {reason}", grouped(*number))).collect();
        label(page, "ignored", &each.join(", "));
    }
    if !input.tunnels.is_empty() {
        let each: Vec<_> =
            input.tunnels.iter().map(|(kind, number)| format!("{} {kind}", grouped(*number))).collect();
        label(page, "tunnels", &each.join(", "));
    }
    if let Some(cut) = &input.headers_cut {
        let text = format!(
            "the snaplen ends inside the headers of {}; capture with -s {}",
            count(cut.frames, "frame", "frames"),
            cut.snaplen_needed
        );
        label(page, "cut short", &text);
    }
}

fn files(page: &mut Page<'_>) {
    let input = &page.report.input;
    let is_short = input.files.len() <= FILES;
    for (index, file) in input.files.iter().enumerate() {
        if !is_short && file.problem.is_none() {
            continue;
        }
        let mut text = format!("{}: {}", page.file(index), count(file.frames, "frame", "frames"));
        if let Some((first, last)) = file.first.zip(file.last) {
            let clock = page.clock();
            text.push_str(&format!(", {} to {}", clock.full(first), clock.beside(last, first)));
        }
        if let Some(problem) = &file.problem {
            let problem = escape::text(problem);
            let painted: Vec<_> = problem.split(' ').map(|word| page.paint(Paint::Yellow, word)).collect();
            text.push_str(&format!("; {}", painted.join(" ")));
        }
        label(page, "file", &text);
    }
    if !input.skipped.is_empty() {
        let text =
            format!("{} beside the captures, not read", count(input.skipped.len() as u64, "file", "files"));
        label(page, "skipped", &text);
    }
}

fn links(page: &mut Page<'_>) {
    let links = &page.report.links;
    if links.is_empty() {
        return;
    }
    let seen = total(links, |link| [&link.records.to_leader, &link.records.to_learner]);
    let inferred = total(links, |link| [&link.inferred.to_leader, &link.inferred.to_learner]);
    let text = format!(
        "{} seen, {} more that the cut hid proved by arithmetic ({} % of all)",
        grouped(seen),
        grouped(inferred),
        percent(inferred, seen + inferred)
    );
    label(page, "records", &text);
    let sums = links.iter().fold(ByteSums::default(), |sums, link| {
        let ByteSums { decoded, cut, missing, unframed, cut_unframed } = sums;
        let add = |to: u64, value: fn(&ByteSums) -> u64| {
            to + value(&link.bytes.to_leader) + value(&link.bytes.to_learner)
        };
        ByteSums {
            decoded: add(decoded, |sums| sums.decoded),
            cut: add(cut, |sums| sums.cut),
            missing: add(missing, |sums| sums.missing),
            unframed: add(unframed, |sums| sums.unframed),
            cut_unframed: add(cut_unframed, |sums| sums.cut_unframed),
        }
    });
    let text = format!(
        "{} of streams: {} in records, {} cut ({} of it in no record), {} missing, {} in no record",
        bytes(sums.stream()),
        bytes(sums.decoded),
        bytes(sums.cut),
        bytes(sums.cut_unframed),
        bytes(sums.missing),
        bytes(sums.unframed)
    );
    label(page, "bytes", &text);
    let gaps: Vec<_> = links
        .iter()
        .filter(|link| link.bytes.to_leader.missing + link.bytes.to_learner.missing > 0)
        .map(|link| link.id)
        .collect();
    if !gaps.is_empty() {
        let text =
            format!("the capture lacks frames of {}: waits there may be shorter than they look", ids(&gaps));
        label(page, "gaps", &text);
    }
    let tls: Vec<_> =
        links.iter().filter(|link| link.protection == Protection::Tls).map(|link| link.id).collect();
    if !tls.is_empty() {
        label(page, "tls", &format!("{} encrypted: nothing inside can be read", ids(&tls)));
    }
    other_ticks(page);
}

/// Each tick that is not the ensemble's, and the links that show it: those of most links first.
fn other_ticks(page: &mut Page<'_>) {
    let report = page.report;
    let ensembles = report.settings.tick_ms;
    let mut by_tick: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for link in report.links.iter().filter(|link| link.has_another_tick(&report.settings)) {
        link.tick_ms.into_iter().for_each(|tick| by_tick.entry(tick).or_default().push(link.id));
    }
    let mut all: Vec<_> = by_tick.into_iter().collect();
    all.sort_by_key(|(_, links)| Reverse(links.len()));
    for (tick, links) in all.iter().take(TICKS) {
        let text = format!(
            "{}: PINGs as of a tickTime of {tick} ms; the limits here are those of {ensembles} ms",
            ids(links)
        );
        label(page, "other tick", &text);
    }
    if let Some(more) = all.len().checked_sub(TICKS).filter(|more| *more > 0) {
        label(page, "other tick", &format!("and {}", count(more as u64, "more", "more")));
    }
}

fn total<'a>(links: &'a [Link], maps: impl Fn(&'a Link) -> [&'a BTreeMap<PacketType, u64>; 2]) -> u64 {
    links.iter().flat_map(maps).flat_map(BTreeMap::values).sum()
}

/// `link 3`, `links 1, 2, 3 and 5 more`
fn ids(ids: &[u32]) -> String {
    const MAX_IDS: usize = 12;
    let shown: Vec<_> = ids.iter().take(MAX_IDS).map(u32::to_string).collect();
    let more = ids.len().saturating_sub(MAX_IDS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{} {}{more}", if ids.len() == 1 { "link" } else { "links" }, shown.join(", "))
}

fn strangers(page: &mut Page<'_>) {
    let Strangers { connections, bytes: sum } = page.report.strangers;
    if connections > 0 {
        let text = format!(
            "{} to these ports in which not one packet was recognised, with {}",
            count(connections, "connection", "connections"),
            bytes(sum)
        );
        label(page, "strangers", &text);
    }
}

/// Attempts to connect that failed, a line for each pair.
fn dials(page: &mut Page<'_>) {
    const MAX_SHOWN: usize = 8;
    let all = &page.report.dials;
    for dial in all.iter().take(MAX_SHOWN) {
        let kinds = [
            ("accepted", dial.accepted),
            ("refused", dial.refused),
            ("unanswered", dial.unanswered),
            ("without a byte", dial.empty),
            ("turned away", dial.turned_away),
        ];
        let kinds: Vec<_> = kinds
            .iter()
            .filter(|(_, number)| *number > 0)
            .map(|(kind, number)| format!("{number} {kind}"))
            .collect();
        let text = format!("{} to {}: {}", page.names.name(dial.from), dial.to, kinds.join(", "));
        label(page, "dials", &text);
    }
    if let Some(more) = all.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
        label(page, "dials", &format!("and {}", count(more as u64, "more pair", "more pairs")));
    }
}

fn limits(page: &mut Page<'_>) {
    for (name, number) in &page.report.limits_hit {
        let text = format!("{name}: reached {}", count(*number, "time", "times"));
        label(page, "limit", &text);
    }
}

fn settings(page: &mut Page<'_>) {
    let settings = &page.report.settings;
    let text = format!(
        "tickTime {} ms ({}), syncLimit {} ({}), initLimit {} ({}): a wait beyond {} is a stall, beyond {} \
         while synchronising",
        settings.tick_ms,
        settings.tick_from.name(),
        settings.sync_limit,
        settings.sync_limit_from.name(),
        settings.init_limit,
        settings.init_limit_from.name(),
        clock::millis(settings.stall_limit_ms()),
        clock::millis(settings.init_limit_ms()),
    );
    label(page, "limits", &text);
    let selection = &page.style.selection;
    let clock = page.clock();
    let mut window = Vec::new();
    window.extend(selection.from.map(|from| format!("from {}", clock.full(from))));
    window.extend(selection.to.map(|to| format!("to {}", clock.full(to))));
    if !window.is_empty() {
        let text = format!("{}; the links' figures count what was read before it too", window.join(" "));
        label(page, "window", &text);
    }
}
