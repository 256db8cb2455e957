//! Incidents before there is a link, and those that let go of it again and again: nobody listens, nobody answers, an
//! election connection is dead and its sender does not know, a transaction is larger than a server reads.
//!
//! What another incident of the same hosts explains is no root: whoever is cut off or down answers no SYN either.

use super::IncidentPart;
use super::heard::{Heard, Window};
use super::unit::Verdict;
use crate::address::Address;
use crate::findings::incident::{Confidence, CoverageGap, Reason};
use crate::findings::{Cause, DialFailure, Settings, Suspect};
use crate::time::{Span, Timestamp};
use crate::track::dial::{DeadConnection, DialRun};
use crate::track::link::LinkTrack;
use std::collections::BTreeSet;

/// Attempts that fail for so long go on, where their acceptor had been heard before: a server that restarts is back
/// sooner.
const GOES_ON: Span = Span::from_millis(30_000);
/// Attempts that make a run.
const MIN_ATTEMPTS: u64 = 3;
/// Election connections of one pair that were turned away, one after the other, and make a loop: each pair does so once
/// by design, and once more for each restart.
const MIN_TURNED_AWAY: u64 = 5;
/// jute.maxbuffer where nothing sets it, in bytes.
const DEFAULT_MAX_BUFFER: u64 = 0x000f_ffff;
/// A learner that refuses a packet is back within this time.
const BACK_WITHIN: Span = Span::from_millis(10_000);
/// How soon it lets go again, when the same packet comes again.
const LETS_GO_WITHIN: Span = Span::from_millis(2_000);

/// What the captures show of dials and of connections that are no links.
#[derive(Clone, Debug, Default)]
pub(in crate::diagnose) struct DialsSeen {
    pub(in crate::diagnose) runs: Vec<DialRun>,
    pub(in crate::diagnose) dead: Vec<DeadConnection>,
}

/// Parts that nothing of `others` explains.
pub(super) fn parts(
    seen: &DialsSeen,
    links: &[LinkTrack],
    heard: &Heard<'_>,
    others: &[IncidentPart],
    settings: &Settings,
    gaps: &[CoverageGap],
    capture_end: Timestamp,
) -> Vec<IncidentPart> {
    let limit = Span::from_millis(settings.stall_limit_ms().cast_signed());
    let explained = |hosts: &[Address], from: Timestamp, to: Timestamp| {
        others.iter().any(|part| part.explains(hosts, from, to, limit, capture_end))
    };
    let mut parts: Vec<IncidentPart> = Vec::new();
    for run in seen.runs.iter().filter(|run| goes_on(run, heard, limit)) {
        if !explained(&[run.acceptor.address], run.first, run.last) {
            add_run(&mut parts, run);
        }
    }
    for dead in &seen.dead {
        let is_pair =
            explained(&[dead.from], dead.since, dead.last) || explained(&[dead.to], dead.since, dead.last);
        if !is_pair && is_path_alive(dead, heard) {
            parts.push(IncidentPart::without_stall(dead_verdict(dead), Vec::new()));
        }
    }
    parts.extend(
        refused(links, gaps).into_iter().map(|(verdict, links)| IncidentPart::without_stall(verdict, links)),
    );
    parts
}

/// Those parts that none of `others` explains.
pub(super) fn unexplained(
    parts: Vec<IncidentPart>,
    others: &[IncidentPart],
    settings: &Settings,
    capture_end: Timestamp,
) -> Vec<IncidentPart> {
    let limit = Span::from_millis(settings.stall_limit_ms().cast_signed());
    let is_root = |part: &IncidentPart| {
        !others.iter().any(|other| other.explains(&part.hosts, part.from, part.to, limit, capture_end))
    };
    parts.into_iter().filter(is_root).collect()
}

impl IncidentPart {
    /// Whether it explains what went wrong with hosts in a stretch of time.
    fn explains(
        &self,
        hosts: &[Address],
        from: Timestamp,
        to: Timestamp,
        limit: Span,
        end: Timestamp,
    ) -> bool {
        let margin = limit.times(2);
        let over = if self.verdict.end.is_some() || !self.stalls.is_empty() {
            self.to.max(self.verdict.end.unwrap_or(self.to))
        } else {
            end
        };
        let is_its = hosts.iter().all(|host| self.hosts.contains(host));
        is_its && self.from.minus(margin) <= to && from <= over.plus(margin)
    }
}

/// Whether a run of failures is more than a server that is just starting.
fn goes_on(run: &DialRun, heard: &Heard<'_>, limit: Span) -> bool {
    match run.failure {
        DialFailure::Refused | DialFailure::Unanswered => {}
        DialFailure::TurnedAway => return run.attempts >= MIN_TURNED_AWAY,
        DialFailure::Empty => return false,
    }
    let lasted = run.last.since(run.first);
    let was_there = heard.last_word(run.acceptor.address, run.first).is_some();
    let is_long = if was_there { lasted >= GOES_ON } else { lasted >= limit };
    run.attempts >= MIN_ATTEMPTS && is_long
}

fn add_run(parts: &mut Vec<IncidentPart>, run: &DialRun) {
    let (dialer, acceptor) = (run.dialer, run.acceptor.address);
    if run.failure == DialFailure::TurnedAway {
        parts.push(turned_away(run));
        return;
    }
    let is_refused = run.failure == DialFailure::Refused;
    let cause = if is_refused { Cause::ConnectRefused } else { Cause::ConnectUnanswered };
    let is_same = |part: &&mut IncidentPart| {
        part.verdict.cause == cause
            && part.hosts.contains(&acceptor)
            && part.from <= run.last
            && run.first <= part.to
    };
    let reason = Reason::DialsFailed { from: dialer, to: run.acceptor, attempts: run.attempts, is_refused };
    if let Some(part) = parts.iter_mut().find(is_same) {
        (part.from, part.to) = (part.from.min(run.first), part.to.max(run.last));
        part.verdict.start = part.from;
        part.verdict.end = part.verdict.end.zip(run.until).map(|(a, b)| a.max(b));
        if !is_refused && !part.hosts.contains(&dialer) {
            part.verdict.suspect = Some(Suspect::HostNetwork(acceptor));
        }
        part.hosts.push(dialer);
        part.verdict.why.push(reason);
        return;
    }
    let suspect = if is_refused { Suspect::Host(acceptor) } else { Suspect::Path(dialer, acceptor) };
    let verdict = Verdict {
        cause,
        suspect: Some(suspect),
        confidence: if is_refused { Confidence::Proven } else { Confidence::Likely },
        start: run.first,
        end: run.until,
        why: vec![reason],
    };
    let mut part = IncidentPart::without_stall(verdict, Vec::new());
    part.to = run.last;
    part.hosts = vec![acceptor, dialer];
    parts.push(part);
}

/// A loop of election connections, of which the server with the higher id lets go of each.
fn turned_away(run: &DialRun) -> IncidentPart {
    let (dialer, acceptor) = (run.dialer, run.acceptor.address);
    let verdict = Verdict {
        cause: Cause::ConnectRefused,
        suspect: Some(Suspect::Path(acceptor, dialer)),
        confidence: Confidence::Likely,
        start: run.first,
        end: None,
        why: vec![Reason::TurnedAway { from: dialer, to: acceptor, times: run.attempts }],
    };
    let mut part = IncidentPart::without_stall(verdict, Vec::new());
    part.to = run.last;
    part.hosts = vec![acceptor, dialer];
    part
}

/// Whether the two hosts of a dead connection heard each other on another one meanwhile.
fn is_path_alive(dead: &DeadConnection, heard: &Heard<'_>) -> bool {
    let meanwhile = Window { from: dead.since, to: dead.last.plus(Span::from_millis(2_000)) };
    let back = heard.any_flow(dead.to, dead.from, meanwhile);
    back.fresh + back.acked > 0
}

fn dead_verdict(dead: &DeadConnection) -> Verdict {
    Verdict {
        cause: Cause::ElectionLinkDead,
        suspect: Some(Suspect::Path(dead.from, dead.to)),
        confidence: if dead.is_reset { Confidence::Proven } else { Confidence::Likely },
        start: dead.since,
        end: Some(dead.last).filter(|_| dead.is_reset),
        why: vec![Reason::VotesIntoTheVoid {
            from: dead.from,
            to: dead.to,
            again: dead.again,
            is_reset: dead.is_reset,
        }],
    }
}

/// Transactions that a learner refuses: it lets go of the link when one comes, is back at once, and lets go again.
fn refused(links: &[LinkTrack], gaps: &[CoverageGap]) -> Vec<(Verdict, Vec<u32>)> {
    let mut found = Vec::new();
    let mut told: BTreeSet<u32> = BTreeSet::new();
    for link in links.iter().filter(|link| link.refused().is_some()) {
        let Some((large, closed)) = link.refused().zip(link.teardown.closed) else { continue };
        if !told.insert(link.id) {
            continue;
        }
        let learner = link.opened.learner.address;
        let mut own: Vec<u32> = vec![link.id];
        let mut last = closed.at;
        let mut is_over = None;
        for other in
            links.iter().filter(|other| other.id > link.id && other.opened.learner.address == learner)
        {
            if other.opened.at.since(last) > BACK_WITHIN && !is_hidden(last, other.opened.at, gaps) {
                break;
            }
            if is_cut_short(other, gaps) {
                last = other.last_frame_at();
                continue;
            }
            let lets_go = other.teardown.closed.filter(|again| {
                let since = other.refused().map_or(other.opened.at, |large| large.at);
                !again.by_leader && again.at.since(since) <= LETS_GO_WITHIN
            });
            let Some(again) = lets_go else {
                is_over = Some(other.opened.at);
                break;
            };
            told.insert(other.id);
            own.push(other.id);
            last = again.at;
        }
        let is_back = own.len() > 1 || is_over.is_some();
        if own.len() < 2 && (large.size <= DEFAULT_MAX_BUFFER || !is_back) {
            continue;
        }
        let why = vec![Reason::TooLarge {
            learner,
            kind: large.kind,
            size: large.size,
            path: large.path.clone(),
            times: own.len() as u64,
        }];
        let verdict = Verdict {
            cause: Cause::PacketTooLarge,
            suspect: Some(Suspect::Host(learner)),
            confidence: if own.len() > 2 { Confidence::Proven } else { Confidence::Likely },
            start: large.at,
            end: is_over,
            why,
        };
        found.push((verdict, own));
    }
    found
}

/// Whether a link was about to be let go of when the captures' gap began.
fn is_cut_short(link: &LinkTrack, gaps: &[CoverageGap]) -> bool {
    let last = link.last_frame_at();
    let is_young = last.since(link.opened.at) <= LETS_GO_WITHIN;
    let begins = |gap: &CoverageGap| gap.to > last && gap.from.since(last) <= LETS_GO_WITHIN;
    link.teardown.closed.is_none() && is_young && gaps.iter().any(begins)
}

/// Whether the captures lack most of a stretch of time.
fn is_hidden(from: Timestamp, to: Timestamp, gaps: &[CoverageGap]) -> bool {
    let half = to.since(from).nanos() / 2;
    gaps.iter().any(|gap| gap.to.min(to).since(gap.from.max(from)).nanos() > half)
}
