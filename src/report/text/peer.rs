//! etcd's members: what the first screen says where nothing happened, and what was reckoned with.

use super::page::{Page, Paint, fit, grouped, percent};
use crate::findings::Origin;
use crate::findings::incident::StallCoverage;
use crate::findings::raft::{PathWay, PeerRoundTrips};
use crate::report::clock;
use crate::report::escape;
use crate::report::wording;

/// Ways that are listed.
const WAYS: usize = 40;
/// The widest two names that are shown in full.
const WIDEST: usize = 34;

/// Nothing happened among the members: how far that reaches, and how near it was.
pub(super) fn quiet(page: &mut Page<'_>) {
    let coverage = &page.report.coverage;
    let paint = if coverage.stalls == StallCoverage::Full { Paint::Green } else { Paint::Yellow };
    let words: Vec<_> =
        wording::no_stall(coverage.stalls, None).split(' ').map(|word| page.paint(paint, word)).collect();
    let mut line = words.join(" ");
    if coverage.stalls != StallCoverage::Full {
        let mut not_seen = wording::not_seen(coverage, &page.names, page.clock());
        if not_seen.is_empty() {
            not_seen.push(wording::OTHER_LINKS.to_owned());
        }
        line.push_str(&format!(" {}.", escape::text(&not_seen.join("; "))));
    }
    if let Some(miss) = page.report.raft.near_misses.first() {
        let (waited, limit) = clock::against(miss.wait_ms, miss.limit_ms);
        line.push_str(&format!(
            " Nearest to an election: {} waited {waited} of {limit} ({} %) for its leader {}, from {}.",
            page.name(miss.member),
            percent(miss.wait_ms, miss.limit_ms),
            page.name(miss.leader),
            page.clock().full(miss.at)
        ));
    }
    page.paragraph(0, &line);
}

/// What passed between two members, each way, and how long it took.
pub(super) fn paths(page: &mut Page<'_>) {
    let paths = &page.report.raft.paths;
    if paths.is_empty() {
        return;
    }
    page.heading("PATHS", "between etcd's members: mean and longest, as seen where the capture was taken");
    let ends = |from, to| format!("{} > {}", page.name(from), page.name(to));
    let rows: Vec<(String, &PathWay)> = paths
        .iter()
        .flat_map(|path| {
            let ([a, b], [there, back]) = (path.members, &path.ways);
            [(ends(a, b), there), (ends(b, a), back)]
        })
        .collect();
    let width = rows.iter().map(|(ends, _)| ends.chars().count()).max().unwrap_or(0).min(WIDEST);
    let heading = format!(
        "  {} {:^16}{:^16}{:^16}{:>8}{:>8}",
        fit("from, to", width),
        "MsgHeartbeat",
        "MsgApp",
        "kernel",
        "resent",
        "dialed"
    );
    let heading = page.paint(Paint::Dim, &heading);
    page.line(&heading);
    for (ends, way) in rows.iter().take(WAYS) {
        let mut row = format!("  {} ", fit(ends, width));
        row.extend([&way.heartbeat, &appends(way), &way.kernel].map(trips));
        row.push_str(&format!("{:>8}{:>8}", grouped(way.retransmits), grouped(way.dialed)));
        page.line(&row);
    }
    let hidden = rows.len().saturating_sub(WAYS);
    if hidden > 0 {
        page.paragraph(2, &format!("and {hidden} more; --format json has all"));
    }
}

/// Of appends no mean where many are unclear: those that wait long are the ones.
const fn appends(way: &PathWay) -> PeerRoundTrips {
    let is_biased = way.append_unclear.saturating_mul(10) > way.append.count;
    PeerRoundTrips { mean_us: if is_biased { None } else { way.append.mean_us }, ..way.append }
}

/// Mean and longest in 16 columns.
fn trips(trips: &PeerRoundTrips) -> String {
    let of = |us: Option<u64>| us.map_or_else(|| "-".to_owned(), clock::micros);
    format!("{:>8}{:>7} ", of(trips.mean_us), of(trips.max_us))
}

/// What a configuration says, and whether it is that of these members.
pub(super) fn configured(page: &Page<'_>) -> Option<String> {
    let raft = &page.report.raft;
    let settings = &raft.settings;
    let is_told = [settings.heartbeat_from, settings.election_from].contains(&Origin::Config);
    if raft.is_empty() || !is_told {
        return None;
    }
    let mut text = format!(
        "heartbeats every {} ms, an election timeout of {}",
        settings.heartbeat_ms,
        clock::millis(settings.election_ms)
    );
    // Late timers add a little; another interval is another file's.
    let is_off = |measured: &u64| measured.abs_diff(settings.heartbeat_ms) * 5 > settings.heartbeat_ms;
    if let Some(measured) = settings.measured_ms.filter(is_off) {
        text.push_str(&format!(
            "; yet the leader's heartbeats come every {measured} ms: is it these members' file?"
        ));
    }
    Some(text)
}

/// `heartbeats every 100 ms, as measured, and an election timeout of 1.0 s`, where nobody named it.
pub(super) fn assumed(page: &Page<'_>) -> Option<String> {
    let raft = &page.report.raft;
    let settings = &raft.settings;
    (!raft.is_empty() && settings.election_from == Origin::Default).then(|| {
        let known = match settings.heartbeat_from {
            Origin::Pings => "measured",
            Origin::Config => "by --etcd-conf",
            _ => "etcd's default",
        };
        format!(
            "an election timeout of {}, ten heartbeats of {} ms ({known}): --etcd-conf names yours",
            clock::millis(settings.election_ms),
            settings.heartbeat_ms
        )
    })
}
