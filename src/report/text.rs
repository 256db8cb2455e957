//! The report as text.

use super::clock::WallClock;
use super::model::Report;
use super::selection::Selection;
use std::io::{self, Write};

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
pub fn write(report: &Report, _style: &Style, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} frames", report.input.frames)
}
