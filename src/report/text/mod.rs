//! The report as text, for a terminal 100 columns wide.
//!
//! First what happened, then how near the others came, then what was read and what could not be: a
//! reader who was just woken stops after the first lines and knows. Long lists are cut, and say how
//! long they are. Nothing that came off the wire is written but through [`escape`](super::escape).

mod clock;
mod context;
mod event;
mod hint;
mod input;
mod link;
pub mod live;
mod log;
mod page;
mod stall;

use super::clock::WallClock;
use crate::findings::{Report, selection::Selection};
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
    /// What was left out of the report.
    pub selection: Selection,
}

/// Writes a report.
///
/// # Errors
/// What the writer says.
pub fn write(report: &Report, style: &Style, out: &mut impl Write) -> io::Result<()> {
    let mut page = Page::new(report, style);
    stall::write(&mut page);
    hint::write(&mut page);
    event::near_misses(&mut page);
    link::write(&mut page);
    clock::on_the_way(&mut page);
    event::elections(&mut page);
    event::violations(&mut page);
    input::write(&mut page);
    out.write_all(page.text.as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
