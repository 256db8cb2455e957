//! Incidents.

use super::ViewContext;
use super::event::{EvidenceView, SuspectView};
use super::log::{LogLineView, LogVerdictView};
use crate::findings::Report;
use crate::findings::incident::Incident;
use crate::report::wording::IncidentWords;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct IncidentView<'a> {
    id: u32,
    root: &'static str,
    suspect: Option<SuspectView>,
    confidence: &'static str,
    start: String,
    end: Option<String>,
    duration_ms: u64,
    summary: String,
    stalls: &'a [u32],
    links: &'a [u32],
    members: Vec<String>,
    elections: &'a [usize],
    outages: &'a [u32],
    count: u64,
    from_log: bool,
    followed: Vec<String>,
    why: Vec<String>,
    checks: Vec<String>,
    evidence: Vec<EvidenceView<'a>>,
    /// Of etcd's members, where their logs were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Vec<LogLineView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_says: Option<Vec<LogVerdictView>>,
}

impl<'a> IncidentView<'a> {
    pub(super) fn of(incident: &'a Incident, report: &'a Report, ctx: &ViewContext<'a>) -> Self {
        let words = IncidentWords::in_utc(report);
        let told = report.raft.logs.iter().find(|told| told.incident == incident.id);
        Self {
            id: incident.id,
            root: incident.root.name(),
            suspect: incident.suspect.as_ref().map(SuspectView::of),
            confidence: incident.confidence.name(),
            start: ctx.time(incident.start),
            end: ctx.maybe(incident.end),
            duration_ms: incident.duration_ms,
            summary: words.summary(incident),
            stalls: &incident.stalls,
            links: &incident.links,
            members: incident.members.iter().map(ToString::to_string).collect(),
            elections: &incident.elections,
            outages: &incident.outages,
            count: incident.count,
            from_log: incident.is_from_log(),
            followed: words.followed(incident),
            why: words.why(incident),
            checks: words.checks(incident),
            evidence: incident.evidence.iter().map(|evidence| EvidenceView::of(evidence, ctx)).collect(),
            log: told.map(|told| told.lines.iter().map(|line| LogLineView::of(line, ctx)).collect()),
            log_says: told.map(|told| told.says.iter().map(|says| LogVerdictView::of(says, ctx)).collect()),
        }
    }
}
