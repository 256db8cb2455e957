//! The first screen: what happened, what followed, what to look at next, and what these captures can tell.

use super::COLUMNS;
use super::page::{Page, Paint, count, percent, visible_len};
use crate::dissect::Protection;
use crate::findings::incident::{Blind, Confidence, Incident, StallCoverage};
use crate::findings::{Deadline, Headroom, Link, Origin, Report};
use crate::report::clock;
use crate::report::escape;
use crate::report::wording::{self, IncidentWords};
use std::cmp::Reverse;

/// Incidents told in full, the newest; the worst is always among them.
const FULL: usize = 8;
/// Earlier ones that have a line each.
const BRIEF: usize = 40;
/// Frames shown of an incident.
const FRAMES: usize = 3;
/// Files that are named for their problems.
const PROBLEMS: usize = 4;
/// How far a sentence's further lines stand to the right.
const INDENT: usize = 2;

pub(super) fn write(page: &mut Page<'_>) {
    let report = page.report;
    match (report.incidents.is_empty(), report.stalls.is_empty()) {
        (false, _) => incidents(page),
        (true, false) => super::stall::write(page),
        (true, true) => quiet(page),
    }
    super::hint::write(page);
    seen(page);
    problems(page);
    if !page.style.is_verbose {
        more(page);
    }
}

fn incidents(page: &mut Page<'_>) {
    let report = page.report;
    let words = IncidentWords::new(report, page.clock().clone());
    let worst = worst(report).map(|incident| incident.id);
    let number = report.incidents.len();
    if number > 1 {
        let heading = count(number as u64, "INCIDENT", "INCIDENTS");
        let of_worst = report.incidents.iter().find(|incident| Some(incident.id) == worst);
        let worst = of_worst.map_or_else(String::new, |incident| {
            format!("newest last. The worst is #{}: {}", incident.id, escape::text(&words.headline(incident)))
        });
        let heading = page.paint(Paint::Bold, &heading);
        page.hanging(0, INDENT, &format!("{heading}, {worst}"));
    }
    let earlier = number.saturating_sub(FULL);
    let cut = earlier.saturating_sub(BRIEF);
    if cut > 0 {
        page.paragraph(0, &format!("{cut} earlier ones: --to, --server or --json show them"));
    }
    for (index, incident) in report.incidents.iter().enumerate() {
        let is_worst = Some(incident.id) == worst;
        if index >= earlier || is_worst {
            full(page, &words, incident, number > 1, is_worst);
        } else if index >= cut {
            brief(page, &words, incident);
        }
    }
}

/// The incident that hurt most: by how long nothing was committed, how many links it broke, how long it lasted.
fn worst(report: &Report) -> Option<&Incident> {
    let out = |incident: &Incident| -> u64 {
        let outages = report.outages.iter().filter(|outage| incident.outages.contains(&outage.id));
        outages.map(|outage| outage.duration_ms).sum()
    };
    report
        .incidents
        .iter()
        .max_by_key(|incident| (out(incident), incident.links.len(), incident.duration_ms, incident.start))
}

fn full(
    page: &mut Page<'_>,
    words: &IncidentWords<'_>,
    incident: &Incident,
    is_numbered: bool,
    is_worst: bool,
) {
    headline(page, words, incident, is_numbered, is_worst);
    let followed = words.followed(incident).join("; ");
    if !followed.is_empty() {
        page.paragraph(INDENT, &escape::text(&followed));
    }
    let why = words.why(incident);
    if !why.is_empty() && (page.style.is_verbose || incident.confidence != Confidence::Proven) {
        page.paragraph(INDENT, &escape::text(&format!("why: {}", why.join("; "))));
    }
    for check in words.checks(incident) {
        page.paragraph(INDENT, &escape::text(&check));
    }
    frames(page, incident);
}

fn headline(
    page: &mut Page<'_>,
    words: &IncidentWords<'_>,
    incident: &Incident,
    is_numbered: bool,
    is_worst: bool,
) {
    let number = if is_numbered { format!("#{} ", incident.id) } else { String::new() };
    let headline = format!("{number}{}", escape::text(&words.headline(incident)));
    let mark = if is_numbered && is_worst { ", the worst" } else { "" };
    let confidence = format!("{}{mark}", incident.confidence.name());
    let meaning = words.meaning(incident);
    let paint = if is_worst { Paint::Red } else { Paint::Bold };
    let painted: Vec<_> = headline.split(' ').map(|word| page.paint(paint, word)).collect();
    let painted = painted.join(" ");
    let (whole, short) =
        (format!("{painted} ({meaning})   {confidence}"), format!("{painted}   {confidence}"));
    if visible_len(&whole) <= COLUMNS {
        return page.line(&whole);
    }
    match visible_len(&short) <= COLUMNS {
        true => page.line(&short),
        false => page.hanging(0, INDENT, &short),
    }
    page.paragraph(INDENT, meaning);
}

fn brief(page: &mut Page<'_>, words: &IncidentWords<'_>, incident: &Incident) {
    let headline = format!("#{} {}", incident.id, escape::text(&words.headline(incident)));
    page.hanging(0, INDENT, &format!("{headline}   {}", incident.confidence.name()));
}

/// `frames: zk4.pcap#31174 (what it shows), ...`
fn frames(page: &mut Page<'_>, incident: &Incident) {
    let all = &incident.evidence;
    if all.is_empty() {
        return;
    }
    let most = if page.style.is_verbose { all.len() } else { FRAMES };
    // The first ones and the last: how it began, and how it ended.
    let is_shown = |index: usize| all.len() <= most || index + 1 < most || index + 1 == all.len();
    let shown: Vec<_> = all
        .iter()
        .enumerate()
        .filter(|(index, _)| is_shown(*index))
        .map(|(_, evidence)| {
            format!("{} ({})", page.frame(evidence.frame), escape::text(&wording::shows(&evidence.shows)))
        })
        .collect();
    let rest = if shown.len() < all.len() { format!("; all {}: -v", all.len()) } else { String::new() };
    page.paragraph(INDENT, &format!("frames: {}{rest}", shown.join(", ")));
}

/// No incident: how far that reaches, and how near it was.
fn quiet(page: &mut Page<'_>) {
    let report = page.report;
    if report.links.is_empty() && !report.raft.is_empty() {
        return super::peer::quiet(page);
    }
    if report.links.is_empty() {
        return nothing(page);
    }
    let coverage = &report.coverage;
    let (reach, tls) = if coverage.is_known() { (coverage.stalls, None) } else { reach_of(report) };
    let paint = match reach {
        StallCoverage::Full => Paint::Green,
        StallCoverage::Partial | StallCoverage::None => Paint::Yellow,
    };
    let is_in_doubt = super::hint::is_in_doubt(report);
    let paint = if is_in_doubt { Paint::Yellow } else { paint };
    let assumed = is_in_doubt.then_some(report.settings.sync_limit);
    let said = wording::no_stall(reach, assumed);
    let words: Vec<_> = said.split(' ').map(|word| page.paint(paint, word)).collect();
    let mut line = words.join(" ");
    if reach != StallCoverage::Full {
        let mut not_seen = wording::not_seen(coverage, &page.names, page.clock());
        not_seen.extend(tls.as_ref().map(wording::blind));
        if not_seen.is_empty() {
            not_seen.push(wording::OTHER_LINKS.to_owned());
        }
        line.push_str(&format!(" {}.", escape::text(&not_seen.join("; "))));
    }
    if reach != StallCoverage::None {
        line.push_str(&nearest_sentence(page));
    }
    page.paragraph(0, &line);
}

/// What the links tell where the report has no coverage: under TLS no wait can be measured.
fn reach_of(report: &Report) -> (StallCoverage, Option<Blind>) {
    let is_tls = |link: &&Link| link.protection == Protection::Tls;
    let hidden = report.links.iter().filter(is_tls).count();
    let reach = match hidden {
        0 => return (StallCoverage::Full, None),
        hidden if hidden == report.links.len() => StallCoverage::None,
        _ => StallCoverage::Partial,
    };
    (reach, Some(Blind::Tls { links: hidden as u64 }))
}

/// There was nobody to stall.
fn nothing(page: &mut Page<'_>) {
    let ports = "Learners dial their leader's quorum port, 2888 by custom: --quorum-port names another, \
                 --zoo-cfg takes it from the configuration.";
    let is_chosen = page.style.selection.server.is_some();
    let who = if is_chosen { " of that server" } else { "" };
    let line =
        page.paint(Paint::Yellow, &format!("No connection between a leader and a learner{who} was seen."));
    page.line(&line);
    if !is_chosen {
        page.paragraph(0, ports);
    }
}

/// ` Nearest to a deadline: zk3 waited 1.0 s of 10.0 s (10 %) for zk2, from 2026-11-21 08:02:32.512.`
fn nearest_sentence(page: &Page<'_>) -> String {
    let Some((link, deadline, headroom, worst)) = nearest(page) else { return String::new() };
    let (waited, limit) = clock::against(worst, headroom.limit_ms);
    let at = headroom.at.map_or_else(String::new, |at| format!(", from {}", page.clock().full(at)));
    let (leader, learner) = (page.name(link.leader.address), page.name(link.learner.address));
    let (waiter, what) = match deadline {
        Deadline::LeaderRead => (leader, format!("a word from {learner}")),
        Deadline::LearnerRead => (learner, format!("a word from {leader}")),
        Deadline::Ack => (leader, format!("an ACK of {learner}")),
        Deadline::Init => (leader, format!("{learner} to synchronize")),
    };
    let used = percent(worst, headroom.limit_ms);
    let misses = page.report.near_misses.iter();
    let mut misses = misses.filter(|miss| (miss.link, miss.deadline) == (link.id, deadline));
    let cause = misses.find(|miss| Some(miss.at) == headroom.at).and_then(|miss| {
        let words = IncidentWords::new(page.report, page.clock().clone());
        Some(format!("; most likely {}", escape::text(&words.thing(miss.cause?, miss.suspect))))
    });
    let cause = cause.unwrap_or_default();
    format!(" Nearest to a deadline: {waiter} waited {waited} of {limit} ({used} %) for {what}{at}{cause}.")
}

/// The wait that came nearest to its deadline.
fn nearest<'a>(page: &Page<'a>) -> Option<(&'a Link, Deadline, &'a Headroom, u64)> {
    let waits = page.report.links.iter().flat_map(|link| {
        let each = Deadline::ALL.into_iter().zip(&link.headroom);
        each.filter_map(move |(deadline, headroom)| Some((link, deadline, headroom, headroom.worst_ms?)))
    });
    // In thousandths, since whole percents tie; the first of equals.
    let share = |worst: u64, limit: u64| worst.saturating_mul(1_000) / limit.max(1);
    waits.min_by_key(|(_, _, headroom, worst)| Reverse(share(*worst, headroom.limit_ms)))
}

/// What the captures can tell; what they cannot, where the headline did not say it already.
fn seen(page: &mut Page<'_>) {
    let report = page.report;
    let coverage = &report.coverage;
    if coverage.from.is_some() {
        let seen = wording::seen(coverage, page.clock());
        labelled(page, "SEEN", &seen);
    }
    let is_told = report.incidents.is_empty()
        && coverage.stalls != StallCoverage::Full
        && !(report.links.is_empty() && report.raft.is_empty());
    if !is_told {
        for sentence in wording::not_seen(coverage, &page.names, page.clock()) {
            let sentence = escape::text(&sentence).into_owned();
            labelled(page, "NOT SEEN", &sentence);
        }
    }
    let settings = &report.settings;
    let (ticks, limit) = (settings.sync_limit, clock::millis(settings.stall_limit_ms()));
    match settings.sync_limit_from {
        _ if report.links.is_empty() => {}
        Origin::Default => {
            let text = format!(
                "syncLimit {ticks}, so that a wait of {limit} breaks a link: --zoo-cfg or --sync-limit names yours"
            );
            labelled(page, "ASSUMED", &text);
        }
        Origin::Closes => {
            let text = format!(
                "syncLimit {ticks}: links were closed after a silence of {limit}. --zoo-cfg or --sync-limit says it for sure"
            );
            labelled(page, "INFERRED", &text);
        }
        Origin::Option | Origin::Config | Origin::Pings => {}
    }
    if let Some(text) = super::peer::configured(page) {
        labelled(page, "BY --etcd-conf", &text);
    }
    if let Some(text) = super::peer::assumed(page) {
        labelled(page, "ASSUMED", &text);
    }
}

fn labelled(page: &mut Page<'_>, label: &str, text: &str) {
    let label = page.paint(Paint::Bold, label);
    page.hanging(0, INDENT, &format!("{label} {text}"));
}

/// Files that could not be read to their ends.
fn problems(page: &mut Page<'_>) {
    let files = &page.report.input.files;
    let broken: Vec<_> =
        files.iter().enumerate().filter_map(|(index, file)| Some((index, file.problem.as_ref()?))).collect();
    for (index, problem) in broken.iter().take(PROBLEMS) {
        let text = format!("{}: {}", page.file(*index), escape::text(problem));
        labelled(page, "PROBLEM", &text);
    }
    if let Some(more) = broken.len().checked_sub(PROBLEMS).filter(|more| *more > 0) {
        labelled(page, "PROBLEM", &format!("{} more; see -v", count(more as u64, "file has", "files have")));
    }
}

/// What `-v` holds.
fn more(page: &mut Page<'_>) {
    let report = page.report;
    let counts = [
        (report.stalls.len(), "stall", "stalls"),
        (super::event::near_miss_count(report), "near miss", "near misses"),
        (report.violations.len(), "protocol violation", "protocol violations"),
        (report.elections.len() + report.raft.elections.len(), "election", "elections"),
        (report.links.len(), "link with its waits and round trips", "links with their waits and round trips"),
        (report.sessions.list.len(), "client session", "client sessions"),
        (report.input.files.len(), "file", "files"),
    ];
    let parts: Vec<_> = counts
        .into_iter()
        .filter(|(number, ..)| *number > 0)
        .map(|(number, one, many)| count(number as u64, one, many))
        .collect();
    labelled(page, "MORE", &format!("with -v: {}", parts.join(", ")));
}
