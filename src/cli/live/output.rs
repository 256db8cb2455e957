//! Announcements and reports to standard output, each written out at once.

use super::args::LiveArgs;
use crate::cli::args::Format;
use crate::cli::replay::is_coloured;
use crate::findings::{Report, selection::Selection};
use crate::report::clock::{Digits, WallClock};
use crate::report::live::Event;
use crate::report::{json, text};
use crate::time::Timestamp;
use jiff::tz::TimeZone;
use std::io::{self, Write};

/// Where it is told.
pub(super) enum Output {
    Text { lines: text::live::Lines, style: text::Style },
    Json(json::live::Lines),
}

impl Output {
    pub(super) fn new(args: &LiveArgs, nanos: bool, sources: Vec<String>) -> Self {
        let digits = Digits::of(nanos);
        let clock = WallClock { zone: args.tz.clone(), digits };
        match args.format {
            Format::Json => Self::Json(json::live::Lines { digits, files: sources }),
            Format::Text => Self::Text {
                lines: text::live::Lines { clock: clock.clone(), is_coloured: is_coloured(args.color) },
                style: text::Style {
                    clock,
                    is_coloured: is_coloured(args.color),
                    warn_at_percent: args.warn_at,
                    selection: Selection::default(),
                },
            },
        }
    }

    /// Notes the path of one more file.
    pub(super) fn file(&mut self, path: &str) {
        if let Self::Json(lines) = self
            && lines.files.len() <= super::session::MAX_FILES as usize
        {
            lines.files.push(path.to_owned());
        }
    }

    /// Writes an announcement.
    pub(super) fn event(&self, event: &Event) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self {
            Self::Text { lines, .. } => lines.event(event, &mut out)?,
            Self::Json(lines) => lines.event(event, &mut out)?,
        }
        out.flush()
    }

    /// What an announcement says, without its time.
    pub(super) fn sentence(&self, event: &Event) -> String {
        match self {
            Self::Text { lines, .. } => lines.sentence(&event.what),
            Self::Json(json) => {
                let clock = WallClock { zone: TimeZone::UTC, digits: json.digits };
                text::live::Lines { clock, is_coloured: false }.sentence(&event.what)
            }
        }
    }

    /// Writes a report.
    pub(super) fn report(&self, at: Timestamp, report: &Report) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self {
            Self::Text { style, .. } => {
                writeln!(out)?;
                text::write(report, style, &mut out)?;
                writeln!(out)?;
            }
            Self::Json(lines) => lines.report(at, report, &mut out)?,
        }
        out.flush()
    }
}
