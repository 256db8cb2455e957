//! `qscope replay --html` and `--trace`: the report as a page, and as a trace.

use super::args::ReplayArgs;
use super::exit::Failure;
use super::logs::LogArg;
use crate::findings::Report;
use crate::output::{self, FileId, NewFile, Replace};
use crate::report::text::Style;
use crate::report::{html, trace};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Whether the files could be written, before the captures are read.
pub(super) fn check(args: &ReplayArgs) -> Result<(), Failure> {
    let inputs = inputs(args);
    for (option, path) in asked(args) {
        let replace = Replace { force: args.force, inputs: &inputs };
        NewFile::check(path, replace).map_err(|error| failure(option, &error))?;
    }
    Ok(())
}

/// Writes what was asked for.
pub(super) fn write(report: &Report, args: &ReplayArgs, style: &Style) -> Result<(), Failure> {
    let inputs = inputs(args);
    let replace = Replace { force: args.force, inputs: &inputs };
    if let Some(path) = &args.html {
        let written = into(path, replace, |out| html::write(report, style, out));
        written.map_err(|error| failure("--html", &error))?;
    }
    if let Some(path) = &args.trace {
        let written = into(path, replace, |out| trace::write(report, out));
        written.map_err(|error| failure("--trace", &error))?;
    }
    Ok(())
}

fn asked(args: &ReplayArgs) -> impl Iterator<Item = (&'static str, &Path)> {
    let both = [("--html", &args.html), ("--trace", &args.trace)];
    both.into_iter().filter_map(|(option, path)| Some((option, path.as_deref()?)))
}

fn into(
    path: &Path,
    replace: Replace<'_>,
    write: impl FnOnce(&mut NewFile) -> io::Result<()>,
) -> Result<(), output::OutputError> {
    let mut file = NewFile::begin(path, replace)?;
    write(&mut file).map_err(|error| output::OutputError::io(path, error))?;
    file.finish(replace)?;
    Ok(())
}

fn failure(option: &str, error: &output::OutputError) -> Failure {
    Failure::wrong(format!("{option}: {}", error.sentence()))
}

/// Whatever is read: captures, what lies beside them in their folders, logs, configurations.
fn inputs(args: &ReplayArgs) -> Vec<FileId> {
    let captures = args.input.paths.iter().flat_map(|path| match fs::read_dir(path) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect::<Vec<PathBuf>>(),
        Err(_) => vec![path.clone()],
    });
    let logs = args.log.iter().map(LogArg::path).map(Path::to_path_buf);
    let configs = args.input.ensemble.files().into_iter();
    captures.chain(logs).chain(configs).filter_map(|path| FileId::of(&path)).collect()
}
