//! Near misses, elections, violations.

use super::page::{Page, Paint, count, percent};
use super::stall;
use crate::findings::{NearMiss, Report};
use crate::report::clock;
use crate::report::wording::IncidentWords;
use crate::report::{escape, wording};
use crate::time::Timestamp;
use std::fmt::Write;

/// Near misses shown, the worst first.
const NEAR_MISSES: usize = 10;
/// Elections shown, the newest first.
const ELECTIONS: usize = 10;
/// Violations shown, the first ones.
const VIOLATIONS: usize = 20;

pub(super) fn near_misses(page: &mut Page<'_>) {
    let groups = groups(page.report);
    if groups.is_empty() {
        return;
    }
    let remark = format!(
        "waits of {} % of a deadline or more, beside the stalls; the worst of each link",
        page.style.warn_at_percent
    );
    page.heading(&count(groups.len() as u64, "NEAR MISS", "NEAR MISSES"), &remark);
    let words = IncidentWords::new(page.report, page.clock().clone());
    for NearMissGroup { worst, number, first, last } in groups.iter().take(NEAR_MISSES) {
        let Some(link) = page.link(worst.link) else { continue };
        let share = format!("{:>3} %", percent(worst.wait_ms, worst.limit_ms));
        let (waited, limit) = clock::against(worst.wait_ms, worst.limit_ms);
        let mut line = format!(
            "{waited} of {limit}, {} with {}, {}: {}",
            page.name(link.learner.address),
            page.name(link.leader.address),
            page.clock().full(worst.at),
            wording::deadline(worst.deadline),
        );
        if *number > 1 {
            let (from, to) = (page.clock().full(*first), page.clock().beside(*last, *first));
            let _ = write!(line, "; {number} such waits from {from} to {to}");
        }
        if let Some(cause) = worst.cause {
            let _ = write!(line, "; most likely {}", escape::text(&words.thing(cause, worst.suspect)));
        }
        let share = page.paint(Paint::Yellow, &share);
        page.labelled(2, &format!("{share}  "), 7, &line);
    }
    more(page, groups.len(), NEAR_MISSES);
}

/// How many near misses are told.
pub(super) fn near_miss_count(report: &Report) -> usize {
    groups(report).len()
}

/// Near misses of one link against one deadline.
struct NearMissGroup<'a> {
    worst: &'a NearMiss,
    number: usize,
    first: Timestamp,
    last: Timestamp,
}

/// Near misses by link and deadline, the worst first; those inside a stall of the same link belong to it.
fn groups(report: &Report) -> Vec<NearMissGroup<'_>> {
    let mut groups: Vec<NearMissGroup<'_>> = Vec::new();
    for miss in report.near_misses.iter().filter(|miss| report.stall_of(miss).is_none()) {
        let is_same = |group: &&mut NearMissGroup<'_>| {
            (group.worst.link, group.worst.deadline) == (miss.link, miss.deadline)
        };
        match groups.iter_mut().find(is_same) {
            Some(group) => {
                group.number += 1;
                group.first = group.first.min(miss.at);
                group.last = group.last.max(miss.at);
            }
            // They come worst first, so the first of a group is its worst.
            None => groups.push(NearMissGroup { worst: miss, number: 1, first: miss.at, last: miss.at }),
        }
    }
    groups
}

pub(super) fn elections(page: &mut Page<'_>) {
    let elections = &page.report.elections;
    if elections.is_empty() {
        return;
    }
    let order = if elections.len() > 1 { "newest first" } else { "" };
    page.heading(&count(elections.len() as u64, "ELECTION", "ELECTIONS"), order);
    for election in elections.iter().rev().take(ELECTIONS) {
        let line = stall::election(page, election);
        page.labelled(2, "", 2, &line);
    }
    more(page, elections.len(), ELECTIONS);
}

pub(super) fn violations(page: &mut Page<'_>) {
    let violations = &page.report.violations;
    if violations.is_empty() {
        return;
    }
    let heading = count(violations.len() as u64, "VIOLATION", "VIOLATIONS");
    let heading = page.paint(Paint::Red, &heading);
    page.heading(&heading, "what a healthy ensemble never sends");
    for violation in violations.iter().take(VIOLATIONS) {
        let who = page.link(violation.link).map_or_else(String::new, |link| {
            format!(" {} with {}", page.name(link.learner.address), page.name(link.leader.address))
        });
        let line = format!(
            "{}{who}: {}: {} [{}]",
            page.clock().full(violation.at),
            violation.breach.rule(),
            escape::text(&wording::breach(&violation.breach)),
            page.frame(violation.frame),
        );
        page.labelled(2, "", 2, &line);
    }
    more(page, violations.len(), VIOLATIONS);
}

fn more(page: &mut Page<'_>, all: usize, shown: usize) {
    if let Some(more) = all.checked_sub(shown).filter(|more| *more > 0) {
        page.paragraph(4, &format!("and {more} more; --format json has them all"));
    }
}
