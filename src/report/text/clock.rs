//! Captures of several hosts: their clocks, where links were seen from, and what went on between the ends.

use super::page::{Page, Paint, count, grouped};
use crate::findings::{End, HostClock, Link, RoundTrips};
use crate::report::clock::{micros, millis};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Hosts that have a line each.
const HOSTS: usize = 12;
/// Links in the table of what was on the way.
const LINKS: usize = 24;
/// Steps of the capture's clock that are listed.
const STEPS: usize = 8;

/// A line for each host whose clock differs, or one that they agree.
pub(super) fn clocks(page: &mut Page<'_>, label: usize) {
    let clocks = &page.report.clocks;
    if clocks.len() < 2 {
        return;
    }
    let reference = clocks.iter().find(|clock| clock.is_reference).and_then(|clock| clock.host);
    let Some(reference) = reference.map(|host| page.name(host)) else {
        let line = "captures of several hosts share no segments: their clocks are believed";
        return page.labelled(2, "clocks", label, line);
    };
    let mut agree = Vec::new();
    let mut lines = Vec::new();
    for clock in clocks.iter().filter(|clock| !clock.is_reference) {
        let name = clock.host.map_or_else(|| "a host not known".to_owned(), |host| page.name(host));
        match (clock.offset_us, clock.uncertainty_us) {
            (Some(offset), Some(within)) if clock.is_corrected => {
                lines.push(format!("{name}: {}", corrected(clock, offset, within, &reference)));
            }
            (Some(_), Some(within)) => agree.push((name, within)),
            _ => lines.push(format!("{name}: nothing shared with the others, believed")),
        }
    }
    if let Some(within) = agree.iter().map(|(_, within)| *within).max() {
        let names: Vec<_> = agree.into_iter().take(HOSTS).map(|(name, _)| name).collect();
        lines.insert(0, format!("{}: the same as {reference}'s within {}", names.join(", "), micros(within)));
    }
    let more = lines.len().saturating_sub(HOSTS);
    lines.truncate(HOSTS);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    for (index, line) in lines.iter().enumerate() {
        page.labelled(2, if index == 0 { "clocks" } else { "" }, label, line);
    }
}

/// `137.000 s behind that of zk5, drifting 40.0 ppm: corrected, within 12us`
fn corrected(clock: &HostClock, offset: i64, within: u64, reference: &str) -> String {
    let way = if offset > 0 { "behind" } else { "ahead of" };
    let seconds = offset.unsigned_abs();
    let drift = if clock.drift_ppm == 0.0 {
        String::new()
    } else {
        format!(", drifting {:.1} ppm", -clock.drift_ppm)
    };
    let step = clock.step.map_or_else(String::new, |(_, by)| {
        let set = by.unsigned_abs();
        format!(", then set forward by {}.{:06} s", set / 1_000_000, set % 1_000_000)
    });
    format!(
        "{}.{:06} s {way} that of {reference}{drift}{step}: corrected, within {}",
        seconds / 1_000_000,
        seconds % 1_000_000,
        micros(within)
    )
}

/// When the capture's clock was set.
pub(super) fn steps(page: &mut Page<'_>, label: usize) {
    let steps = &page.report.clock_steps;
    for step in steps.iter().take(STEPS) {
        let line = format!(
            "set forward by {} after {}: the servers' own show it, and waits are told without it",
            millis(step.by.millis()),
            page.clock().full(step.from)
        );
        page.labelled(2, "clock", label, &line);
    }
    if let Some(more) = steps.len().checked_sub(STEPS).filter(|more| *more > 0) {
        page.labelled(2, "clock", label, &format!("and {more} times more"));
    }
}

/// Which end links were seen from.
pub(super) fn vantage(page: &mut Page<'_>, label: usize) {
    let mut ends: BTreeMap<&'static str, u64> = BTreeMap::new();
    for link in &page.report.links {
        let end = match link.vantage.end {
            End::Leader => "at the leader's end",
            End::Learner => "at the learner's end",
            End::Both => "at both ends",
            End::Between => "between the ends",
            End::Unknown => "at an end that cannot be told",
        };
        *ends.entry(end).or_default() += 1;
    }
    if ends.is_empty() {
        return;
    }
    let parts: Vec<_> =
        ends.iter().map(|(end, number)| format!("{} {end}", count(*number, "link", "links"))).collect();
    page.labelled(2, "taken", label, &parts.join(", "));
}

/// The table of links that were captured at both ends.
pub(super) fn on_the_way(page: &mut Page<'_>) {
    let links: Vec<_> = page.report.links.iter().filter(|link| link.one_way.to_leader.is_some()).collect();
    if links.is_empty() {
        return;
    }
    page.heading("ON THE WAY", "p50, p99 and the longest from end to end, and segments that never arrived");
    let heading = format!(
        "{:>4} {:<24}{:^22}{:>6} {:^22}{:>6}",
        "id", "learner", "to the leader", "lost", "to the learner", "lost"
    );
    let heading = page.paint(Paint::Dim, &heading);
    page.line(&heading);
    for link in links.iter().take(LINKS) {
        row(page, link);
    }
    if let Some(more) = links.len().checked_sub(LINKS).filter(|more| *more > 0) {
        page.paragraph(2, &format!("and {more} more; --format json shows all"));
    }
}

fn row(page: &mut Page<'_>, link: &Link) {
    let name: String = page.name(link.learner.address).chars().take(23).collect();
    let mut row = format!("{:>4} {name:<24}", link.id);
    let ways = [
        (&link.one_way.to_leader, link.lost_on_the_way.to_leader),
        (&link.one_way.to_learner, link.lost_on_the_way.to_learner),
    ];
    for (trips, lost) in ways {
        let _ = write!(row, "{}{:>6} ", quantiles(trips.as_ref()), grouped(lost.unwrap_or(0)));
    }
    page.line(row.trim_end());
}

fn quantiles(trips: Option<&RoundTrips>) -> String {
    match trips.and_then(|trips| trips.quantiles) {
        None => format!("{:>7}{:>15}", "-", ""),
        Some(at) => {
            let [p50, p99, max] = [at.p50, at.p99, at.max].map(micros);
            format!("{p50:>7}{p99:>7}{max:>7} ")
        }
    }
}
