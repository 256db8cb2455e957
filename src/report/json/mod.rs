//! The report as one JSON object, `quorumscope.report/1`.
//!
//! A type per object of the contract, its fields in the contract's order. Times are RFC 3339 strings in
//! UTC with every digit the capture has, ids are `"0x..."` strings, durations are whole numbers whose
//! names end in their unit, and what is not known is `null`.

mod coverage;
mod dial;
mod event;
mod incident;
mod input;
mod link;
pub mod live;
mod log;
mod outage;
mod raft;
mod series;
mod session;

use super::clock::{Digits, rfc3339};
use super::escape;
use super::wording::Names;
use crate::dissect::PerDirection;
use crate::findings::incident::Outage;
use crate::findings::{Dial, Link, Report, Stall, Violation};
use crate::time::Timestamp;
use coverage::CoverageView;
use dial::DialView;
use event::{ElectionView, NearMissView, StallView, ViolationView};
use incident::IncidentView;
use input::{InputView, ServerView, SettingsView};
use link::LinkView;
use outage::OutageView;
use raft::{MemberView, PathView, PeerElectionView, RaftSettingsView};
use serde::Serialize;
use serde::ser::SerializeSeq;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter};
use series::SeriesView;
use session::SessionsView;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

/// Name and number of the form.
pub const SCHEMA: &str = "quorumscope.report/1";

/// Writes a report, with a line feed at its end.
///
/// # Errors
/// What the writer says.
pub fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let ctx = ViewContext::of(report);
    let mut out = BufWriter::new(out);
    let mut serializer = Serializer::with_formatter(&mut out, Harmless(Indented::default()));
    ReportView::of(report, &ctx).serialize(&mut serializer)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes a report in one line.
///
/// # Errors
/// What the writer says.
pub(super) fn write_compact(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let ctx = ViewContext::of(report);
    write_value(&ReportView::of(report, &ctx), out)
}

/// Writes something in one line, with no string that holds what a terminal obeys.
///
/// # Errors
/// What the writer says.
pub(super) fn write_value(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    value.serialize(&mut Serializer::with_formatter(&mut out, Harmless(CompactFormatter)))?;
    out.flush()
}

/// JSON in which no string holds what a terminal obeys: see [`escape::json`]. Bytes are JSON already, and of ours.
struct Harmless<F>(F);

impl<F: Formatter> Formatter for Harmless<F> {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, is_first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, is_first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, is_first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, is_first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        out.write_all(escape::json(fragment).as_bytes())
    }

    fn write_byte_array<W: ?Sized + Write>(&mut self, out: &mut W, json: &[u8]) -> io::Result<()> {
        out.write_all(json)
    }
}

/// JSON as serde_json's `PrettyFormatter` writes it, with each line's start written at once.
#[derive(Default)]
struct Indented {
    depth: usize,
    has_value: bool,
}

impl Indented {
    /// A comma where there is one, a line break, and two spaces for each level.
    fn line<W: ?Sized + Write>(&self, out: &mut W, comma: bool) -> io::Result<()> {
        const START: &[u8] = b",\n                                ";
        let from = usize::from(!comma);
        match START.get(from..2 + 2 * self.depth) {
            Some(start) => out.write_all(start),
            None => {
                out.write_all(START.get(from..2).unwrap_or_default())?;
                (0..self.depth).try_for_each(|_| out.write_all(b"  "))
            }
        }
    }

    fn begin<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.has_value = false;
        out.write_all(bracket)
    }

    fn end<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.has_value {
            self.line(out, false)?;
        }
        out.write_all(bracket)
    }
}

impl Formatter for Indented {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, is_first: bool) -> io::Result<()> {
        self.line(out, !is_first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, is_first: bool) -> io::Result<()> {
        self.line(out, !is_first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }
}

/// A list whose items are put into their form one by one, as they are written.
struct Each<'a, T, V> {
    items: &'a [T],
    ctx: &'a ViewContext<'a>,
    view: fn(&'a T, &ViewContext<'a>) -> V,
}

impl<T, V: Serialize> Serialize for Each<'_, T, V> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.items.iter().map(|item| (self.view)(item, self.ctx)))
    }
}

/// ZooKeeper's elections, then etcd's: incidents name them by their place in this list.
struct ElectionsView<'a> {
    report: &'a Report,
    ctx: &'a ViewContext<'a>,
}

impl Serialize for ElectionsView<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(None)?;
        for election in &self.report.elections {
            all.serialize_element(&ElectionView::of(election, self.ctx))?;
        }
        for election in &self.report.raft.elections {
            all.serialize_element(&PeerElectionView::of(election, self.ctx))?;
        }
        all.end()
    }
}

#[derive(Serialize)]
struct ReportView<'a> {
    schema: &'static str,
    input: InputView<'a>,
    settings: SettingsView<'a>,
    servers: Vec<ServerView<'a>>,
    links: Each<'a, Link, LinkView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raft: Option<RaftSettingsView<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<MemberView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    paths: Vec<PathView>,
    incidents: Vec<IncidentView<'a>>,
    stalls: Each<'a, Stall, StallView<'a>>,
    near_misses: Vec<NearMissView>,
    elections: ElectionsView<'a>,
    violations: Each<'a, Violation, ViolationView<'a>>,
    outages: Each<'a, Outage, OutageView>,
    dials: Each<'a, Dial, DialView>,
    sessions: SessionsView,
    coverage: CoverageView,
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<SeriesView>,
    limits_hit: &'a BTreeMap<&'static str, u64>,
}

impl<'a> ReportView<'a> {
    fn of(report: &'a Report, ctx: &'a ViewContext<'a>) -> Self {
        Self {
            schema: SCHEMA,
            input: InputView::of(report, ctx),
            settings: SettingsView::of(&report.settings, &report.clocks, ctx),
            servers: report.servers.iter().map(|server| ServerView::of(server, ctx)).collect(),
            links: Each { items: &report.links, ctx, view: LinkView::of },
            raft: (!report.raft.is_empty()).then(|| RaftSettingsView::of(&report.raft, ctx)),
            members: report.raft.members.iter().map(|member| MemberView::of(member, ctx)).collect(),
            paths: report.raft.paths.iter().map(|path| PathView::of(path, ctx)).collect(),
            incidents: report
                .incidents
                .iter()
                .map(|incident| IncidentView::of(incident, report, ctx))
                .collect(),
            stalls: Each { items: &report.stalls, ctx, view: StallView::of },
            near_misses: report
                .near_misses
                .iter()
                .map(|miss| NearMissView::of(miss, report.stall_of(miss), ctx))
                .collect(),
            elections: ElectionsView { report, ctx },
            violations: Each { items: &report.violations, ctx, view: ViolationView::of },
            outages: Each { items: &report.outages, ctx, view: OutageView::of },
            dials: Each { items: &report.dials, ctx, view: DialView::of },
            sessions: SessionsView::of(&report.sessions, ctx),
            coverage: CoverageView::of(&report.coverage, ctx),
            series: report.series.as_ref().map(|series| SeriesView::of(series, ctx)),
            limits_hit: &report.limits_hit,
        }
    }
}

/// What all parts need to be written.
struct ViewContext<'a> {
    digits: Digits,
    files: Vec<&'a str>,
    names: Names,
    /// The report, where all of it is there.
    report: Option<&'a Report>,
}

impl<'a> ViewContext<'a> {
    fn of(report: &'a Report) -> Self {
        let files = &report.input.files;
        Self {
            digits: Digits::of(files.iter().any(|file| file.nanos)),
            files: files.iter().map(|file| file.path.as_str()).collect(),
            names: Names::of(report),
            report: Some(report),
        }
    }

    fn time(&self, at: Timestamp) -> String {
        rfc3339(at, self.digits)
    }

    fn maybe(&self, at: Option<Timestamp>) -> Option<String> {
        at.map(|at| self.time(at))
    }

    /// The id of who went quiet, where its own link or its address alone tells it: several servers may share an address.
    fn subject_sid(&self, stall: &Stall) -> Option<i64> {
        let report = self.report?;
        let mut links = report.links.iter().filter(|link| stall.links.contains(&link.id));
        let own = links.find(|link| link.learner.address == stall.subject).map(|link| link.learner_sid);
        let server = || report.servers.iter().find(|server| server.address == stall.subject)?.sid;
        own.unwrap_or_else(server).map(|sid| sid.0)
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
