//! `qscope replay --annotate`: the frames around every stall, with what was found written beside them.
//!
//! The captures are read a second time, since only the end of the first tells what to write.

use super::args::ReplayArgs;
use super::exit::Failure;
use super::logs::LogArg;
use super::replay::open;
use crate::capture::{Batch, Replay};
use crate::findings::{Report, Stall};
use crate::output::{self, FileId, NewFile, Replace};
use crate::report::annotated::{Annotated, HINT, Notes};
use crate::report::clock::{Digits, WallClock};
use crate::report::live::What;
use crate::report::text;
use crate::time::{Span, Timestamp};
use std::io;
use std::path::Path;

/// What is written of the time before a stall, and of that after it.
const BEFORE: Span = Span::from_millis(60_000);
const AFTER: Span = Span::from_millis(30_000);

/// Whether the file could be written, before the captures are read.
pub(super) fn check(args: &ReplayArgs, path: &Path) -> Result<(), Failure> {
    let is_stdin = args.input.paths.iter().any(|path| path.as_os_str() == "-");
    let replay = if is_stdin { None } else { Some(open(&args.input)?) };
    let Some(replay) = replay.filter(Replay::is_repeatable) else {
        return Err(Failure::wrong("--annotate reads the captures twice, and a pipe comes once: name files"));
    };
    let inputs = inputs(&replay, args);
    NewFile::check(path, Replace { force: args.force, inputs: &inputs }).map_err(|error| failure(&error))
}

/// Writes the frames around a report's stalls.
pub(super) fn write(report: &Report, args: &ReplayArgs, path: &Path) -> Result<(), Failure> {
    frames(report, args, path).map_err(|error| match error {
        Wrong::Input(failure) => failure,
        Wrong::Output(error) => failure(&error),
    })
}

fn failure(error: &output::OutputError) -> Failure {
    Failure::wrong(format!("--annotate: {}", error.sentence()))
}

/// Whatever is read: captures, what lies beside them in their folders, logs, configurations.
fn inputs(replay: &Replay, args: &ReplayArgs) -> Vec<FileId> {
    let captures = replay.files().iter().map(|file| file.path.as_str()).map(Path::new);
    let beside = replay.skipped().iter().map(Path::new);
    let logs = args.log.iter().map(LogArg::path);
    let configs = args.input.ensemble.files().into_iter();
    let named = captures.chain(beside).chain(logs).filter_map(FileId::of);
    named.chain(configs.filter_map(|path| FileId::of(&path))).collect()
}

enum Wrong {
    Input(Failure),
    Output(output::OutputError),
}

impl From<output::OutputError> for Wrong {
    fn from(error: output::OutputError) -> Self {
        Self::Output(error)
    }
}

fn frames(report: &Report, args: &ReplayArgs, path: &Path) -> Result<(), Wrong> {
    let mut replay = open(&args.input).map_err(Wrong::Input)?;
    let inputs = inputs(&replay, args);
    let replace = Replace { force: args.force, inputs: &inputs };
    let wrong = |error: io::Error| output::OutputError::io(path, error);
    let mut notes = Notes::default();
    report.stalls.iter().for_each(|stall| notes.add(stall));
    let around = around(&report.stalls, report.input.last.unwrap_or(Timestamp::MAX));
    let snaplens = report.input.files.iter().map(|file| file.snaplen.unwrap_or(0));
    let snaplen = if snaplens.clone().any(|snaplen| snaplen == 0) { 0 } else { snaplens.max().unwrap_or(0) };
    let out = NewFile::begin(path, replace)?;
    let mut file = Annotated::new(out, &comment(report, args), notes.clone(), snaplen).map_err(wrong)?;
    let mut batch = Batch::new();
    while replay.fill(&mut batch) {
        for frame in batch.frames() {
            let next = around.partition_point(|(from, _)| *from <= frame.at);
            let is_inside = next
                .checked_sub(1)
                .and_then(|index| around.get(index))
                .is_some_and(|(_, to)| frame.at <= *to);
            if is_inside || notes.has(frame.id) {
                file.frame(&frame).map_err(wrong)?;
            }
        }
    }
    file.finish().map_err(wrong)?.finish(replace)?;
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
    let lines = text::live::TextLines { clock, is_coloured: false };
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
