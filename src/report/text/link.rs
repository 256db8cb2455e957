//! The links: how near each came to ZooKeeper's deadlines, and its round trips.

use super::COLUMNS;
use super::page::{Page, Paint, count, fit, grouped, percent};
use crate::address::Address;
use crate::findings::{Headroom, Link, Role, RoundTrips};
use crate::report::clock;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Links shown.
const LINKS: usize = 24;
/// Columns of the table of deadlines beside the learner's name and the two times.
const DEADLINE_COLUMNS: usize = 5 + 1 + 1 + CLOSER + 1 + 6 + 4 * 8;
/// Columns behind a closing's time: who, and how.
const CLOSER: usize = 12;
/// Columns of the table of round trips beside the learner's name.
const TRIP_COLUMNS: usize = 6 + 3 * 22 + 8;
/// The widest name shown in full.
const NAME: usize = 24;

pub(super) fn write(page: &mut Page<'_>) {
    let all = &page.report.links;
    if all.is_empty() {
        return;
    }
    let shown = choose(page);
    deadlines(page, &shown);
    trips(page, &shown);
    let hidden = all.len().saturating_sub(shown.len());
    if hidden > 0 {
        let ids: BTreeSet<u32> = shown.iter().map(|link| link.id).collect();
        let worst = all.iter().filter(|link| !ids.contains(&link.id)).map(worst_percent).max().unwrap_or(0);
        let hidden = count(hidden as u64, "link", "links");
        let line = format!(
            "and {hidden} more, none of which used more than {worst} % of a deadline; --server shows one \
             server's, --format json all"
        );
        page.paragraph(2, &line);
    }
}

/// The links to show, in order of their ids: those of stalls and near misses first, then those that came
/// nearest to a deadline.
fn choose<'a>(page: &Page<'a>) -> Vec<&'a Link> {
    let report = page.report;
    let named: BTreeSet<u32> = report
        .stalls
        .iter()
        .flat_map(|stall| &stall.links)
        .chain(report.near_misses.iter().map(|miss| &miss.link))
        .chain(report.violations.iter().map(|violation| &violation.link))
        .copied()
        .collect();
    let mut links: Vec<_> = report.links.iter().collect();
    links.sort_by_key(|link| (!named.contains(&link.id), std::cmp::Reverse(worst_percent(link)), link.id));
    links.truncate(LINKS);
    links.sort_by_key(|link| (link.leader.address, link.id));
    links
}

fn worst_percent(link: &Link) -> u64 {
    link.headroom.iter().filter_map(used).max().unwrap_or(0)
}

fn used(headroom: &Headroom) -> Option<u64> {
    headroom.worst_ms.map(|worst| percent(worst, headroom.limit_ms))
}

fn deadlines(page: &mut Page<'_>, links: &[&Link]) {
    page.heading(
        "LINKS",
        "the longest wait against each of ZooKeeper's deadlines; at 100 % the link is dropped",
    );
    let time = if page.is_one_day() { 12 } else { 14 };
    let width = name_width(page, links, COLUMNS.saturating_sub(DEADLINE_COLUMNS + 2 * time));
    let heading = format!(
        "{:>4} {} {} {} {:<5} {:>8}{:>8}{:>8}{:>8}",
        "id",
        fit("learner", width),
        fit("opened", time),
        fit("closed", time + CLOSER),
        "sync",
        "leader",
        "learner",
        "ack",
        "init",
    );
    let heading = page.paint(Paint::Dim, &heading);
    page.line(&heading);
    let mut leader = None;
    for link in links {
        of_leader(page, &mut leader, link);
        let opened = if link.picked_up { "earlier".to_owned() } else { page.time(link.opened) };
        let closed = match link.closed {
            None => "open".to_owned(),
            Some(closed) => {
                let by = if closed.by_leader { "leader" } else { "learner" };
                let how = if closed.reset { "RST" } else { "FIN" };
                format!("{} {by} {how}", page.time(closed.at))
            }
        };
        let mut row = format!(
            "{:>4} {} {} {} {:<5} ",
            link.id,
            fit(&learner(page, link), width),
            fit(&opened, time),
            fit(&closed, time + CLOSER),
            link.sync.map_or("-", |sync| sync.name()),
        );
        for headroom in &link.headroom {
            row.push_str(&share(page, headroom));
        }
        page.line(&row);
    }
}

/// A deadline's share, in eight columns.
fn share(page: &Page<'_>, headroom: &Headroom) -> String {
    let Some(used) = used(headroom) else { return format!("{:>8}", "-") };
    let text = format!("{:>8}", format!("{used} %"));
    if used >= 100 {
        page.paint(Paint::Red, &text)
    } else if used >= u64::from(page.style.warn_at_percent) {
        page.paint(Paint::Yellow, &text)
    } else {
        text
    }
}

fn trips(page: &mut Page<'_>, links: &[&Link]) {
    page.heading("ROUND TRIPS", "p50, p99 and the longest, as seen where the capture was taken");
    let width = name_width(page, links, COLUMNS.saturating_sub(TRIP_COLUMNS));
    let heading = format!(
        "{:>4} {} {:^22}{:^22}{:^22}{:>8}",
        "id",
        fit("learner", width),
        "PING",
        "PROPOSAL to ACK",
        "PROPOSAL to COMMIT",
        "resent",
    );
    let heading = page.paint(Paint::Dim, &heading);
    page.line(&heading);
    let mut leader = None;
    for link in links {
        of_leader(page, &mut leader, link);
        let resent = link.tcp.to_leader.retransmits + link.tcp.to_learner.retransmits;
        let mut row = format!("{:>4} {} ", link.id, fit(&learner(page, link), width));
        for trips in [&link.ping, &link.ack, &link.commit] {
            row.push_str(&quantiles(trips));
        }
        let _ = write!(row, "{:>8}", grouped(resent));
        page.line(&row);
    }
}

/// Three quantiles in 22 columns.
fn quantiles(trips: &RoundTrips) -> String {
    match &trips.quantiles {
        None => format!("{:>7}{:>15}", "-", ""),
        Some(at) => {
            let [p50, p99, max] = [at.p50, at.p99, at.max].map(clock::micros);
            format!("{p50:>7}{p99:>7}{max:>7} ")
        }
    }
}

/// A line where another leader's links begin.
fn of_leader(page: &mut Page<'_>, last: &mut Option<Address>, link: &Link) {
    if *last != Some(link.leader.address) {
        *last = Some(link.leader.address);
        let line = format!("  to {}", page.full_name(link.leader.address));
        page.line(&line);
    }
}

fn learner(page: &Page<'_>, link: &Link) -> String {
    let name = page.name(link.learner.address);
    if link.role == Some(Role::Observer) { format!("{name} (obs.)") } else { name }
}

/// Wide enough for all names, as far as there is room.
fn name_width(page: &Page<'_>, links: &[&Link], room: usize) -> usize {
    let longest = links.iter().map(|link| learner(page, link).chars().count()).max().unwrap_or(0);
    longest.clamp("learner".len(), NAME.max(room)).min(room.max(10))
}
