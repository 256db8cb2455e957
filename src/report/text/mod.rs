//! The report as text, for a terminal 100 columns wide.
//!
//! The first screen is the answer: what happened, what followed, what to look at next, and what the captures can tell.
//! A reader who was just woken stops there and knows. The rest comes with [`Style::is_verbose`], in order of need.
//! Long lists are cut, and say how long they are. Nothing that came off the wire is written but through
//! [`escape`](super::escape).

mod answer;
mod clock;
mod context;
mod event;
mod hint;
mod input;
mod link;
pub mod live;
mod log;
mod page;
mod peer;
mod session;
mod stall;

use super::clock::WallClock;
use crate::findings::{Report, selection::Selection};
use jiff::tz::TimeZone;
use page::Page;
use std::io::{self, Write};

/// How wide the text is.
const COLUMNS: usize = 100;

/// How to write it.
#[derive(Clone, Debug)]
pub struct Style {
    /// How times are shown.
    pub clock: WallClock,
    /// Whether to use colour.
    pub is_coloured: bool,
    /// From which share of a deadline on a wait is a near miss.
    pub warn_at_percent: u32,
    /// Whether everything is told, rather than the first screen.
    pub is_verbose: bool,
    /// What was left out of the report.
    pub selection: Selection,
}

impl Style {
    /// The same in UTC, without colour, and no more than the first screen.
    #[must_use]
    pub fn plain(&self) -> Self {
        let clock = WallClock { zone: TimeZone::UTC, digits: self.clock.digits };
        Self { clock, is_coloured: false, is_verbose: false, ..self.clone() }
    }
}

/// Writes a report.
///
/// # Errors
/// What the writer says.
pub fn write(report: &Report, style: &Style, out: &mut impl Write) -> io::Result<()> {
    let mut page = Page::new(report, style);
    answer::write(&mut page);
    if style.is_verbose {
        // Where no incident explains them, the first screen tells them.
        if !report.incidents.is_empty() {
            stall::write(&mut page);
        }
        log::of_members(&mut page);
        event::near_misses(&mut page);
        event::elections(&mut page);
        event::violations(&mut page);
        link::write(&mut page);
        peer::paths(&mut page);
        clock::on_the_way(&mut page);
        session::write(&mut page);
        input::write(&mut page);
    }
    out.write_all(page.text.as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
