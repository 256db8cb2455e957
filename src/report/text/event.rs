//! Near misses, elections, violations.

use super::page::{Page, Paint, count, percent};
use super::stall;
use crate::report::clock;
use crate::report::escape;

/// Near misses shown, the worst first.
const NEAR_MISSES: usize = 10;
/// Elections shown, the newest first.
const ELECTIONS: usize = 10;
/// Violations shown, the first ones.
const VIOLATIONS: usize = 20;

pub(super) fn near_misses(page: &mut Page<'_>) {
    let misses = &page.report.near_misses;
    if misses.is_empty() {
        return;
    }
    let remark = format!("waits of {} % of a deadline or more, worst first", page.style.warn_at_percent);
    page.heading(&count(misses.len() as u64, "NEAR MISS", "NEAR MISSES"), &remark);
    for miss in misses.iter().take(NEAR_MISSES) {
        let Some(link) = page.link(miss.link) else { continue };
        let share = format!("{:>3} %", percent(miss.wait_ms, miss.limit_ms));
        let line = format!(
            "{} of {}, {} with {}, {}: {}",
            clock::millis(miss.wait_ms),
            clock::millis(miss.limit_ms),
            page.name(link.learner.address),
            page.name(link.leader.address),
            page.clock().full(miss.at),
            stall::meaning(miss.deadline),
        );
        let share = page.paint(Paint::Yellow, &share);
        page.labelled(2, &format!("{share}  "), 7, &line);
    }
    more(page, misses.len(), NEAR_MISSES);
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
            violation.rule,
            escape::text(&violation.what),
            page.place(violation.place),
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
