//! Announcements and reports to standard output, each written out at once by a thread of its own.

use super::args::LiveArgs;
use super::view::ScreenView;
use super::writer::Writer;
use crate::cli::args::OutputFormat;
use crate::cli::exit::Failure;
use crate::cli::replay::is_coloured;
use crate::findings::{Report, selection::Selection};
use crate::report::clock::{Digits, WallClock};
use crate::report::live::{Announcement, What};
use crate::report::{json, text};
use crate::time::Timestamp;
use jiff::tz::TimeZone;
use std::io::{self, Write};
use std::time::Duration;

/// How long the end waits for a reader.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where it is announced.
pub(super) struct Output {
    form: AnnouncementForm,
    writer: Writer,
    /// What stands on the terminal instead of lines.
    view: Option<ScreenView>,
}

enum AnnouncementForm {
    Text { lines: text::live::TextLines, style: text::Style },
    Json(json::live::JsonLines),
}

impl Output {
    /// Begins to write to standard output.
    ///
    /// # Errors
    /// It cannot be written to, or is no terminal where a screen is asked for.
    pub(super) fn new(args: &LiveArgs, nanos: bool, sources: Vec<String>) -> Result<Self, Failure> {
        let digits = Digits::of(nanos);
        let clock = WallClock { zone: args.tz.clone(), digits };
        let writer = Writer::start(io::stdout())?;
        let view = ScreenView::start(args, &clock)?;
        let form = match args.format() {
            OutputFormat::Json => AnnouncementForm::Json(json::live::JsonLines { digits, files: sources }),
            OutputFormat::Text => AnnouncementForm::Text {
                lines: text::live::TextLines { clock: clock.clone(), is_coloured: is_coloured(args.color) },
                style: text::Style {
                    clock,
                    is_coloured: is_coloured(args.color),
                    warn_at_percent: args.warn_at,
                    is_verbose: true,
                    selection: Selection::default(),
                },
            },
        };
        Ok(Self { form, writer, view })
    }

    /// The screen, for whoever puts it back.
    pub(super) const fn take_view(&mut self) -> Option<ScreenView> {
        self.view.take()
    }

    /// Shows this screen from here on.
    pub(super) fn put_view(&mut self, view: ScreenView) {
        self.view = Some(view);
    }

    /// Whether there is a screen.
    pub(super) const fn has_view(&self) -> bool {
        self.view.is_some()
    }

    /// Ends the screen: lines are written from here on.
    pub(super) fn end_view(&mut self) {
        self.view = None;
    }

    /// How many digits times have.
    pub(super) const fn digits(&self) -> Digits {
        match &self.form {
            AnnouncementForm::Text { style, .. } => style.clock.digits,
            AnnouncementForm::Json(lines) => lines.digits,
        }
    }

    /// Notes the path of one more file, by its number.
    pub(super) fn file(&mut self, number: u32, path: &str) {
        if let AnnouncementForm::Json(lines) = &mut self.form
            && lines.files.len() <= number as usize
        {
            lines.files.push(path.to_owned());
        }
    }

    /// Writes an announcement, and before it how many were dropped.
    ///
    /// # Errors
    /// The output is gone.
    pub(super) fn event(&mut self, event: &Announcement) -> io::Result<()> {
        if let Some(view) = &self.view {
            if view.event(event) {
                return Ok(());
            }
            // It broke off.
            self.view = None;
        }
        self.say_dropped(event.at)?;
        let bytes = self.line(event)?;
        self.writer.put(bytes)
    }

    fn say_dropped(&mut self, at: Timestamp) -> io::Result<()> {
        let Some(dropped) = self.writer.dropped() else { return Ok(()) };
        let what = format!("{dropped} announcements or reports were dropped: nobody read the output");
        let bytes = self.line(&Announcement { at, what: What::Problem(what) })?;
        self.writer.put(bytes)
    }

    fn line(&self, event: &Announcement) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        match &self.form {
            AnnouncementForm::Text { lines, .. } => lines.event(event, &mut out)?,
            AnnouncementForm::Json(lines) => lines.event(event, &mut out)?,
        }
        Ok(out)
    }

    /// What an announcement says, without its time.
    pub(super) fn sentence(&self, event: &Announcement) -> String {
        match &self.form {
            AnnouncementForm::Text { lines, .. } => lines.sentence(&event.what),
            AnnouncementForm::Json(json) => {
                let clock = WallClock { zone: TimeZone::UTC, digits: json.digits };
                text::live::TextLines { clock, is_coloured: false }.sentence(&event.what)
            }
        }
    }

    /// Writes a report.
    ///
    /// # Errors
    /// The output is gone.
    pub(super) fn report(&mut self, at: Timestamp, report: &Report) -> io::Result<()> {
        self.say_dropped(at)?;
        let mut out = Vec::new();
        match &self.form {
            AnnouncementForm::Text { style, .. } => {
                writeln!(out)?;
                text::write(report, style, &mut out)?;
                writeln!(out)?;
            }
            AnnouncementForm::Json(lines) => lines.report(at, report, &mut out)?,
        }
        self.writer.put(out)
    }

    /// Waits until all is written, if anybody reads it.
    ///
    /// # Errors
    /// It could not be written.
    pub(super) fn finish(self) -> io::Result<()> {
        self.writer.finish(PATIENCE)
    }
}
