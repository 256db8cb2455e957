//! `qscope replay --annotate`: the frames around every stall, with what was found written beside them.
//!
//! The captures are read a second time, since only the end of the first tells what to write.

use super::args::ReplayArgs;
use super::exit::Failure;
use super::replay::open;
use crate::capture::Batch;
use crate::findings::{Report, Stall};
use crate::report::annotated::{Annotated, HINT, Notes};
use crate::report::clock::{Digits, WallClock};
use crate::report::live::What;
use crate::report::text;
use crate::time::{Span, Timestamp};
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

/// What is written of the time before a stall, and of that after it.
const BEFORE: Span = Span::from_millis(60_000);
const AFTER: Span = Span::from_millis(30_000);

/// Writes the frames around a report's stalls.
pub(super) fn write(report: &Report, args: &ReplayArgs, path: &Path) -> Result<(), Failure> {
    if args.input.paths.iter().any(|path| path.as_os_str() == "-") {
        return Err(Failure::wrong(
            "--annotate reads the captures twice, and standard input comes once: name files",
        ));
    }
    frames(report, args, path).map_err(|error| match error {
        Wrong::Input(failure) => failure,
        Wrong::Output(error) => Failure::wrong(format!("--annotate {}: {error}", path.display())),
    })
}

enum Wrong {
    Input(Failure),
    Output(io::Error),
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

fn frames(report: &Report, args: &ReplayArgs, path: &Path) -> Result<(), Wrong> {
    let mut replay = open(&args.input).map_err(Wrong::Input)?;
    let mut notes = Notes::default();
    report.stalls.iter().for_each(|stall| notes.add(stall));
    let around = around(&report.stalls, report.input.last.unwrap_or(Timestamp::MAX));
    let snaplens = report.input.files.iter().map(|file| file.snaplen.unwrap_or(0));
    let snaplen = if snaplens.clone().any(|snaplen| snaplen == 0) { 0 } else { snaplens.max().unwrap_or(0) };
    let out = BufWriter::new(File::create(path)?);
    let mut file = Annotated::new(out, &comment(report, args), notes.clone(), snaplen)?;
    let mut batch = Batch::new();
    while replay.fill(&mut batch) {
        for frame in batch.frames() {
            let next = around.partition_point(|(from, _)| *from <= frame.at);
            let is_inside = next
                .checked_sub(1)
                .and_then(|index| around.get(index))
                .is_some_and(|(_, to)| frame.at <= *to);
            if is_inside || notes.has(frame.id) {
                file.frame(&frame)?;
            }
        }
    }
    file.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(())
}

/// The times around stalls, in order, none overlapping another.
fn around(stalls: &[Stall], last: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let mut around: Vec<(Timestamp, Timestamp)> = Vec::new();
    for stall in stalls {
        let (from, to) = (stall.start.minus(BEFORE), stall.end.unwrap_or(last).plus(AFTER));
        match around.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => around.push((from, to)),
        }
    }
    around
}

/// The verdicts.
fn comment(report: &Report, args: &ReplayArgs) -> String {
    let digits = Digits::of(report.input.files.iter().any(|file| file.nanos));
    let clock = WallClock { zone: args.input.tz.clone(), digits };
    let lines = text::live::Lines { clock, is_coloured: false };
    let mut all: Vec<_> = report
        .stalls
        .iter()
        .map(|stall| format!("stall {}", lines.sentence(&What::StallOver(Box::new(report.news(stall))))))
        .collect();
    if all.is_empty() {
        all.push("no stall".to_owned());
    }
    all.push(HINT.to_owned());
    all.join("\n")
}
