//! The stalls one by one, newest first: every wait that passed a deadline, whatever its root.

use super::page::{Page, Paint, count, percent};
use crate::address::Address;
use crate::findings::{Deadline, Election, Stall, Suspect};
use crate::report::clock;
use crate::report::{escape, wording};

/// Stalls told in full; the older ones have a line each.
const FULL: usize = 12;
/// Stalls that have a line each.
const BRIEF: usize = 200;
/// Frames of evidence shown for a stall.
const EVIDENCE: usize = 8;
/// Width of the labels.
const LABEL: usize = 10;

pub(super) fn write(page: &mut Page<'_>) {
    let report = page.report;
    if report.stalls.is_empty() {
        return;
    }
    let number = report.stalls.len();
    let heading = count(number as u64, "STALL", "STALLS");
    let zone = page.clock().zone_name(report.input.first);
    let order = if number > 1 { ", newest first" } else { "" };
    page.heading(&heading, &format!("times are {zone}{order}"));
    let mut stalls: Vec<_> = report.stalls.iter().collect();
    stalls.sort_by_key(|stall| std::cmp::Reverse((stall.start, stall.id)));
    for (index, stall) in stalls.iter().take(FULL + BRIEF).enumerate() {
        if index < FULL {
            full(page, stall);
        } else {
            brief(page, stall);
        }
    }
    if let Some(more) = number.checked_sub(FULL + BRIEF).filter(|more| *more > 0) {
        page.paragraph(2, &format!("and {more} earlier ones; --to, --server or --format json show them"));
    }
}

fn full(page: &mut Page<'_>, stall: &Stall) {
    let title = format!("#{} {}", stall.id, who(page, stall));
    let title = page.paint(Paint::Red, &title);
    page.paragraph(0, &title);
    let when = when(page, stall);
    page.labelled(4, "when", LABEL, &when);
    for (index, deadline) in stall.deadlines.iter().enumerate() {
        let label = if index == 0 { "deadline" } else { "" };
        page.labelled(4, label, LABEL, &format!("{}: {}", deadline.name(), wording::deadline(*deadline)));
    }
    page.labelled(4, "outcome", LABEL, wording::outcome(stall.outcome));
    page.labelled(4, "cause", LABEL, &format!("{}: {}", stall.cause.name(), wording::cause(stall.cause)));
    if let Some(suspect) = &stall.suspect {
        let suspect = self::suspect(page, suspect);
        page.labelled(4, "suspect", LABEL, &suspect);
    }
    evidence(page, stall);
    super::log::of_stall(page, stall, LABEL);
    if let Some(election) = stall.election.and_then(|index| page.report.elections.get(index)) {
        let then = format!("an election: {}", self::election(page, election));
        page.labelled(4, "then", LABEL, &then);
    }
    super::context::of_stall(page, stall, LABEL);
    for (index, note) in stall.notes.iter().enumerate() {
        page.labelled(4, if index == 0 { "notes" } else { "" }, LABEL, &escape::text(&wording::note(note)));
    }
}

fn brief(page: &mut Page<'_>, stall: &Stall) {
    let line = format!(
        "#{} {} {}, {}: {}, {}",
        stall.id,
        page.clock().full(stall.start),
        page.name(stall.subject),
        stall.cause.name(),
        clock::millis(stall.duration_ms),
        wording::outcome(stall.outcome),
    );
    page.paragraph(0, &line);
}

/// `zk1 (10.255.0.101, sid 1) went quiet towards its leader zk5`
fn who(page: &Page<'_>, stall: &Stall) -> String {
    let links: Vec<_> = stall.links.iter().filter_map(|id| page.link(*id)).collect();
    let mut towards: Vec<Address> = Vec::new();
    for link in &links {
        let other =
            if link.leader.address == stall.subject { link.learner.address } else { link.leader.address };
        if !towards.contains(&other) {
            towards.push(other);
        }
    }
    let leads = links.iter().any(|link| link.leader.address == stall.subject);
    let subject = page.full_name(stall.subject);
    let others = page.list(&towards, 12);
    let did = did(&stall.deadlines);
    match (leads, towards.len()) {
        (_, 0) => format!("{subject} went quiet"),
        (true, 1) => format!("{subject}, the leader, {did} {others}"),
        (true, number) => format!("{subject}, the leader, {did} {number} learners: {others}"),
        (false, _) => format!("{subject} {did} its leader {others}"),
    }
}

/// What the subject did: who answers pings is not quiet.
const fn did(deadlines: &[Deadline]) -> &'static str {
    match deadlines {
        [Deadline::Ack] => "was late with its ACKs to",
        [Deadline::Init] => "was slow to synchronise with",
        _ => "went quiet towards",
    }
}

fn when(page: &Page<'_>, stall: &Stall) -> String {
    let clock = page.clock();
    let start = clock.full(stall.start);
    let to = match stall.end {
        Some(end) => format!("to {}", clock.beside(end, stall.start)),
        None => "and on to the end of the capture".to_owned(),
    };
    let (length, limit) = clock::against(stall.duration_ms, stall.limit_ms);
    let length = page.paint(Paint::Bold, &length);
    let share = percent(stall.duration_ms, stall.limit_ms);
    format!("{start} {to}: {length}, {share} % of its limit of {limit}")
}

fn evidence(page: &mut Page<'_>, stall: &Stall) {
    for (index, evidence) in stall.evidence.iter().take(EVIDENCE).enumerate() {
        let line = format!(
            "{} {} {}",
            page.frame(evidence.frame),
            page.clock().beside(evidence.at, stall.start),
            escape::text(&wording::shows(&evidence.shows)),
        );
        page.labelled(4, if index == 0 { "evidence" } else { "" }, LABEL, &line);
    }
    if let Some(more) = stall.evidence.len().checked_sub(EVIDENCE).filter(|more| *more > 0) {
        page.labelled(4, "", LABEL, &format!("and {}", count(more as u64, "frame", "frames")));
    }
}

/// Who won, when, in how many rounds.
pub(super) fn election(page: &Page<'_>, election: &Election) -> String {
    let clock = page.clock();
    let winner = election.leader_sid.map(|sid| {
        let server = page.report.servers.iter().find(|server| server.sid == Some(sid));
        server.map_or_else(|| format!("sid {sid}"), |server| page.name(server.address))
    });
    let epoch = election.epoch.map_or_else(String::new, |epoch| format!(" for epoch {epoch}"));
    let start = clock.full(election.start);
    let end = match (election.end, winner) {
        (Some(end), Some(winner)) => format!(
            "to {}, {winner} won{epoch} after {}",
            clock.beside(end, election.start),
            clock::between(election.start, end)
        ),
        (Some(end), None) => format!("to {}, the winner not seen", clock.beside(end, election.start)),
        (None, Some(winner)) => format!("for {winner}{epoch}, its end not seen"),
        (None, None) => "its end not seen".to_owned(),
    };
    let votes = count(election.votes, "notification", "notifications");
    let rounds = count(election.rounds, "round", "rounds");
    let by = if election.by.is_empty() { "nobody seen".to_owned() } else { page.list(&election.by, 12) };
    let handover = election.handover_to.map_or_else(String::new, |sid| {
        format!("; a reconfiguration handed the lead to server.{sid} (COMMITANDACTIVATE)")
    });
    format!("{start} {end}; {votes}, {rounds}; looking: {by}{handover}")
}

fn suspect(page: &Page<'_>, suspect: &Suspect) -> String {
    match suspect {
        Suspect::Host(host) => format!("the host {}", page.full_name(*host)),
        Suspect::Path(a, b) => {
            format!("the network between {} and {}, both ways", page.name(*a), page.name(*b))
        }
        Suspect::OneWay(from, to) => format!("the network from {} to {}", page.name(*from), page.name(*to)),
        Suspect::HostNetwork(host) => format!("the network of {}", page.full_name(*host)),
    }
}
