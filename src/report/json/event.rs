//! Stalls, near misses, elections and violations.

use super::ViewContext;
use super::log::{LogLineView, LogVerdictView};
use crate::findings::{Cause, Context, Election, Evidence, LearnerLoad, NearMiss, Stall, Suspect, Violation};
use crate::frame::FrameRef;
use crate::report::wording;
use crate::time::Timestamp;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct StallView<'a> {
    id: u32,
    incident: Option<u32>,
    links: &'a [u32],
    subject: String,
    subject_sid: Option<i64>,
    deadlines: Vec<&'static str>,
    start: String,
    end: Option<String>,
    duration_ms: u64,
    limit_ms: u64,
    outcome: &'static str,
    cause: &'static str,
    suspect: Option<SuspectView>,
    evidence: Vec<EvidenceView<'a>>,
    /// Index into the report's elections, of the one that followed.
    election: Option<usize>,
    notes: Vec<String>,
    context: ContextView,
    log: Vec<LogLineView<'a>>,
    log_says: Vec<LogVerdictView>,
}

impl<'a> StallView<'a> {
    pub(super) fn of(stall: &'a Stall, ctx: &ViewContext<'a>) -> Self {
        Self {
            id: stall.id,
            incident: (stall.incident > 0).then_some(stall.incident),
            links: &stall.links,
            subject: stall.subject.to_string(),
            subject_sid: ctx.subject_sid(stall),
            deadlines: stall.deadlines.iter().map(|deadline| deadline.name()).collect(),
            start: ctx.time(stall.start),
            end: ctx.maybe(stall.end),
            duration_ms: stall.duration_ms,
            limit_ms: stall.limit_ms,
            outcome: stall.outcome.name(),
            cause: stall.cause.name(),
            suspect: stall.suspect.as_ref().map(SuspectView::of),
            evidence: stall.evidence.iter().map(|evidence| EvidenceView::of(evidence, ctx)).collect(),
            election: stall.election,
            notes: stall.notes.iter().map(wording::note).collect(),
            context: ContextView::of(&stall.context),
            log: stall.log.iter().map(|line| LogLineView::of(line, ctx)).collect(),
            log_says: stall.log_says.iter().map(|verdict| LogVerdictView::of(verdict, ctx)).collect(),
        }
    }
}

/// The state of the ensemble around a stall.
#[derive(Serialize)]
struct ContextView {
    writes_per_s_before: Option<f64>,
    writes_per_s_during: Option<f64>,
    largest_proposal_bytes: Option<u64>,
    proposals_in_flight: Option<u64>,
    learners: Vec<LoadView>,
    snapshots: Vec<u32>,
    election: bool,
    resent_elsewhere: Vec<ResentView>,
}

#[derive(Serialize)]
struct LoadView {
    learner: String,
    link: u32,
    sessions: u64,
    ping_bytes: u64,
    hash_collisions: Option<u64>,
}

#[derive(Serialize)]
struct ResentView {
    link: u32,
    segments: u64,
}

impl ContextView {
    fn of(context: &Context) -> Self {
        // One digit behind the point: more is noise.
        let rounded = |rate: Option<f64>| rate.map(|rate| (rate * 10.0).round() / 10.0);
        let load = |load: &LearnerLoad| LoadView {
            learner: load.learner.to_string(),
            link: load.link,
            sessions: load.sessions,
            ping_bytes: load.ping_bytes,
            hash_collisions: load.hash_collisions,
        };
        Self {
            writes_per_s_before: rounded(context.writes_per_s_before),
            writes_per_s_during: rounded(context.writes_per_s_during),
            largest_proposal_bytes: context.largest_proposal_bytes,
            proposals_in_flight: context.proposals_in_flight,
            learners: context.learners.iter().map(load).collect(),
            snapshots: context.snapshots.clone(),
            election: context.is_election,
            resent_elsewhere: context
                .resent_elsewhere
                .iter()
                .map(|(link, segments)| ResentView { link: *link, segments: *segments })
                .collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum SuspectView {
    Host { host: String },
    Path { path: [String; 2], direction: String },
    HostNetwork { host_network: String },
}

impl SuspectView {
    pub(super) fn of(suspect: &Suspect) -> Self {
        match suspect {
            Suspect::Host(host) => Self::Host { host: host.to_string() },
            Suspect::Path(a, b) => {
                Self::Path { path: [a.to_string(), b.to_string()], direction: "both".to_owned() }
            }
            Suspect::OneWay(from, to) => {
                Self::Path { path: [from.to_string(), to.to_string()], direction: format!("{from}>{to}") }
            }
            Suspect::HostNetwork(host) => Self::HostNetwork { host_network: host.to_string() },
        }
    }
}

#[derive(Serialize)]
pub(super) struct EvidenceView<'a> {
    #[serde(flatten)]
    frame: FrameView<'a>,
    at: String,
    what: String,
}

impl<'a> EvidenceView<'a> {
    pub(super) fn of(evidence: &'a Evidence, ctx: &ViewContext<'a>) -> Self {
        Self {
            frame: FrameView::of(evidence.frame, ctx),
            at: ctx.time(evidence.at),
            what: wording::shows(&evidence.shows),
        }
    }
}

#[derive(Serialize)]
struct FrameView<'a> {
    file: Option<&'a str>,
    frame: u32,
}

impl<'a> FrameView<'a> {
    fn of(frame: FrameRef, ctx: &ViewContext<'a>) -> Self {
        Self { file: ctx.file(frame.file), frame: frame.number }
    }
}

#[derive(Serialize)]
pub(super) struct NearMissView {
    link: u32,
    deadline: &'static str,
    at: String,
    wait_ms: u64,
    limit_ms: u64,
    /// The stall in whose time it lies.
    stall: Option<u32>,
    cause: Option<&'static str>,
    suspect: Option<SuspectView>,
}

impl NearMissView {
    pub(super) fn of(miss: &NearMiss, stall: Option<u32>, ctx: &ViewContext<'_>) -> Self {
        Self {
            link: miss.link,
            deadline: miss.deadline.name(),
            at: ctx.time(miss.at),
            wait_ms: miss.wait_ms,
            limit_ms: miss.limit_ms,
            stall,
            cause: miss.cause.map(Cause::name),
            suspect: miss.suspect.as_ref().map(SuspectView::of),
        }
    }
}

#[derive(Serialize)]
pub(super) struct ElectionView {
    start: String,
    end: Option<String>,
    leader_sid: Option<i64>,
    epoch: Option<u32>,
    votes: u64,
    by: Vec<String>,
    rounds: u64,
    handover_to: Option<i64>,
}

impl ElectionView {
    pub(super) fn of(election: &Election, ctx: &ViewContext<'_>) -> Self {
        Self {
            start: ctx.time(election.start),
            end: ctx.maybe(election.end),
            leader_sid: election.leader_sid.map(|sid| sid.0),
            epoch: election.epoch,
            votes: election.votes,
            by: election.by.iter().map(ToString::to_string).collect(),
            rounds: election.rounds,
            handover_to: election.handover_to.map(|sid| sid.0),
        }
    }
}

#[derive(Serialize)]
pub(super) struct ViolationView<'a> {
    link: u32,
    at: String,
    #[serde(flatten)]
    frame: FrameView<'a>,
    rule: &'static str,
    what: String,
}

impl<'a> ViolationView<'a> {
    pub(super) fn of(violation: &'a Violation, ctx: &ViewContext<'a>) -> Self {
        let at: Timestamp = violation.at;
        Self {
            link: violation.link,
            at: ctx.time(at),
            frame: FrameView::of(violation.frame, ctx),
            rule: violation.breach.rule(),
            what: wording::breach(&violation.breach),
        }
    }
}
