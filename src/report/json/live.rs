//! Announcements as JSON lines, `quorumscope.live/1`.

use super::event::{ElectionView, StallView};
use super::incident::IncidentView;
use super::{ReportView, ViewContext};
use crate::findings::{LiveInput, Received, Report};
use crate::report::clock::Digits;
use crate::report::escape;
use crate::report::live::{Announcement, IncidentNews, IncidentState, Named, NearWait, StallNews, What};
use crate::report::wording::Names;
use crate::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// Name and number of the form.
pub const SCHEMA: &str = "quorumscope.live/1";

/// Writes announcements and reports, one object a line.
#[derive(Clone, Debug)]
pub struct JsonLines {
    /// Digits of a second.
    pub digits: Digits,
    /// The name of what frames come from.
    pub files: Vec<String>,
}

impl JsonLines {
    /// Writes an announcement.
    ///
    /// # Errors
    /// What the writer says.
    pub fn event(&self, event: &Announcement, out: &mut impl Write) -> io::Result<()> {
        let ctx = &self.context();
        let (name, fields) = match &event.what {
            What::Start { source, filter } => ("start", json!({ "source": source, "filter": filter })),
            What::Warning(wait) => ("warning", near(wait, ctx)),
            What::WarningOver(wait) => ("warning_over", near(wait, ctx)),
            What::Stall(news) => ("stall", stall(news, ctx)?),
            What::StallOver(news) => ("stall_over", stall(news, ctx)?),
            What::Incident(news) => ("incident", incident(news, ctx)?),
            What::IncidentOver(news) => ("incident_over", incident(news, ctx)?),
            What::Election { by } => ("election", json!({ "by": list(by) })),
            What::ElectionOver { election, winner } => (
                "election_over",
                json!({ "election": value(&ElectionView::of(election, ctx))?, "winner": winner.as_ref().map(named) }),
            ),
            What::Drops { since, all } => ("drops", json!({ "since": since, "all": received(all) })),
            What::Recording { path, frames, stall } => {
                ("recording", json!({ "path": path, "frames": frames, "stall": stall }))
            }
            What::Page { path, incidents, stall } => {
                ("page", json!({ "path": path, "incidents": incidents, "stall": stall }))
            }
            What::Problem(what) => ("problem", json!({ "what": what })),
            What::Notice(what) => ("notice", json!({ "what": what })),
        };
        line(name, &ctx.time(event.at), fields, out)
    }

    /// Writes a report.
    ///
    /// # Errors
    /// What the writer says.
    pub fn report(&self, at: Timestamp, report: &Report, out: &mut impl Write) -> io::Result<()> {
        let fields = json!({ "report": value(&ReportView::of(report, &ViewContext::of(report)))? });
        line("report", &self.context().time(at), fields, out)
    }

    fn context(&self) -> ViewContext<'_> {
        ViewContext {
            digits: self.digits,
            files: self.files.iter().map(String::as_str).collect(),
            names: Names::default(),
            report: None,
        }
    }
}

fn line(event: &str, at: &str, fields: Value, out: &mut impl Write) -> io::Result<()> {
    let mut object = Map::new();
    object.insert("schema".to_owned(), SCHEMA.into());
    object.insert("event".to_owned(), event.into());
    object.insert("at".to_owned(), at.into());
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    let text = serde_json::to_string(&object)?;
    out.write_all(escape::json(&text).as_bytes())?;
    out.write_all(b"\n")
}

fn value(view: &impl Serialize) -> io::Result<Value> {
    Ok(serde_json::to_value(view)?)
}

fn named(named: &Named) -> Value {
    json!({ "address": named.address.to_string(), "name": named.name })
}

fn list(all: &[Named]) -> Vec<Value> {
    all.iter().map(named).collect()
}

fn near(wait: &NearWait, ctx: &ViewContext<'_>) -> Value {
    json!({
        "link": wait.link,
        "subject": named(&wait.subject),
        "waiter": named(&wait.waiter),
        "deadline": wait.deadline.name(),
        "start": ctx.time(wait.start),
        "wait_ms": wait.wait_ms,
        "limit_ms": wait.limit_ms,
        "limit_at": ctx.time(wait.limit_at),
    })
}

fn stall(news: &StallNews, ctx: &ViewContext<'_>) -> io::Result<Value> {
    Ok(json!({
        "stall": value(&StallView::of(&news.stall, ctx))?,
        "subject": named(&news.subject),
        "towards": list(&news.others),
        "past_limit_ms": news.past_limit_ms,
    }))
}

fn incident(news: &IncidentNews, ctx: &ViewContext<'_>) -> io::Result<Value> {
    let view = news.incident().map(|incident| IncidentView::of(incident, &news.report, ctx));
    let part_of = match news.state {
        IncidentState::PartOf(id) => Some(id),
        _ => None,
    };
    Ok(json!({ "incident": value(&view)?, "state": news.state.name(), "part_of": part_of }))
}

/// What the capture got.
fn received(all: &Received) -> Value {
    json!({
        "received": all.received,
        "dropped_kernel": all.dropped_kernel,
        "dropped_interface": all.dropped_interface,
        "dropped_here": all.dropped_here,
    })
}

/// Where frames come from, for a report.
pub(super) fn input(live: &LiveInput) -> Value {
    json!({
        "source": live.source,
        "received": live.received.as_ref().map(received),
        "behind_ms": live.behind_ms,
    })
}
