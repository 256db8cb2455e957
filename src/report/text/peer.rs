//! etcd's members: what the first screen says where nothing happened, and what was reckoned with.

use super::page::{Page, Paint, percent};
use crate::findings::Origin;
use crate::findings::incident::StallCoverage;
use crate::report::clock;
use crate::report::escape;
use crate::report::wording;

/// Nothing happened among the members: how far that reaches, and how near it was.
pub(super) fn quiet(page: &mut Page<'_>) {
    let coverage = &page.report.coverage;
    let paint = if coverage.stalls == StallCoverage::Full { Paint::Green } else { Paint::Yellow };
    let words: Vec<_> =
        wording::no_stall(coverage.stalls).split(' ').map(|word| page.paint(paint, word)).collect();
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
