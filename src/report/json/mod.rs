//! The report as one JSON object, `quorumscope.report/1`.
//!
//! A type per object of the contract, its fields in the contract's order. Times are RFC 3339 strings in
//! UTC with every digit the capture has, ids are `"0x..."` strings, durations are whole numbers whose
//! names end in their unit, and what is not known is `null`.

mod event;
mod input;
mod link;
pub mod live;
mod log;

use super::clock::{Digits, rfc3339};
use super::escape;
use crate::dissect::PerDirection;
use crate::findings::Report;
use crate::time::Timestamp;
use event::{ElectionView, NearMissView, StallView, ViolationView};
use input::{InputView, ServerView, SettingsView};
use link::LinkView;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Name and number of the form.
pub const SCHEMA: &str = "quorumscope.report/1";

/// Writes a report, with a line feed at its end.
///
/// # Errors
/// What the writer says.
pub fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let json = serde_json::to_string_pretty(&ReportView::of(report))?;
    out.write_all(escape::json(&json).as_bytes())?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct ReportView<'a> {
    schema: &'static str,
    input: InputView<'a>,
    settings: SettingsView<'a>,
    servers: Vec<ServerView<'a>>,
    links: Vec<LinkView>,
    stalls: Vec<StallView<'a>>,
    near_misses: Vec<NearMissView>,
    elections: Vec<ElectionView>,
    violations: Vec<ViolationView<'a>>,
    limits_hit: &'a BTreeMap<&'static str, u64>,
}

impl<'a> ReportView<'a> {
    fn of(report: &'a Report) -> Self {
        let ctx = &Context::of(report);
        Self {
            schema: SCHEMA,
            input: InputView::of(report, ctx),
            settings: SettingsView::of(&report.settings, &report.clocks, ctx),
            servers: report.servers.iter().map(|server| ServerView::of(server, ctx)).collect(),
            links: report.links.iter().map(|link| LinkView::of(link, ctx)).collect(),
            stalls: report.stalls.iter().map(|stall| StallView::of(stall, ctx)).collect(),
            near_misses: report.near_misses.iter().map(|miss| NearMissView::of(miss, ctx)).collect(),
            elections: report.elections.iter().map(|election| ElectionView::of(election, ctx)).collect(),
            violations: report.violations.iter().map(|violation| ViolationView::of(violation, ctx)).collect(),
            limits_hit: &report.limits_hit,
        }
    }
}

/// What all parts need to be written.
struct Context<'a> {
    digits: Digits,
    files: Vec<&'a str>,
}

impl<'a> Context<'a> {
    fn of(report: &'a Report) -> Self {
        let files = &report.input.files;
        Self {
            digits: Digits::of(files.iter().any(|file| file.nanos)),
            files: files.iter().map(|file| file.path.as_str()).collect(),
        }
    }

    fn time(&self, at: Timestamp) -> String {
        rfc3339(at, self.digits)
    }

    fn maybe(&self, at: Option<Timestamp>) -> Option<String> {
        at.map(|at| self.time(at))
    }

    /// A file's path; `None` where the index is none.
    fn file(&self, index: u32) -> Option<&'a str> {
        self.files.get(index as usize).copied()
    }
}

/// A value for each direction.
#[derive(Serialize)]
struct Both<T> {
    to_leader: T,
    to_learner: T,
}

impl<T> Both<T> {
    fn of<V>(values: &PerDirection<V>, view: impl Fn(&V) -> T) -> Self {
        Self { to_leader: view(&values.to_leader), to_learner: view(&values.to_learner) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
