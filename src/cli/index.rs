//! `qscope index`: which captures belong together.

use super::args::{EnsembleArgs, number};
use super::config::Config;
use super::exit::{ExitStatus, Failure};
use crate::capture::{Replay, ReplayOptions};
use crate::dissect::DissectOptions;
use crate::index::{self, Front, Grouping, Template};
use crate::report::clock::{Digits, rfc3339};
use crate::report::escape;
use crate::time::Timestamp;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

pub(super) const HELP: &str = "\
Examples:
  qscope index captures/ > index.jsonl
      All captures below a folder: a JSON line each, with the group that it belongs to and why.
  qscope index --template '{site}/{ensemble}/{host}/...' captures/
      Folders say whose captures they hold.

What a line says, and how captures are put together: docs/fleet.md.";

/// Folders below a folder that are looked into.
const MAX_DEPTH: usize = 16;
/// Folders that are looked into at all.
const MAX_FOLDERS: usize = 100_000;

#[derive(Args, Debug)]
pub(super) struct IndexArgs {
    /// Captures, and folders with captures anywhere below them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// What the folders below a PATH say: {site}, {ensemble}, {host} and {date}, * for anything, ... for the rest.
    ///
    /// Captures of different sites or ensembles are never put together, and those of one always.
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<Template>,

    /// Megabytes read of each file, as on disk.
    #[arg(long, value_name = "MB", default_value_t = 4, value_parser = number(1..=4_096_u64))]
    front: u64,

    /// Write the table captures below this folder too: captures/NAME.parquet.
    #[arg(long, value_name = "DIR")]
    parquet: Option<PathBuf>,

    /// The name of that file.
    #[arg(long, value_name = "NAME", default_value = "index", requires = "parquet")]
    run: String,

    /// Replace it if it is there.
    #[arg(long, requires = "parquet")]
    force: bool,

    #[command(flatten)]
    ensemble: EnsembleArgs,
}

/// Looks at all captures, and writes a line for each.
pub(super) fn run(args: &IndexArgs) -> Result<ExitStatus, Failure> {
    let config = Config::of(&args.ensemble)?;
    let options = options(args, &config);
    let replay = Replay::open(&all_folders(&args.paths), &ReplayOptions::default())
        .map_err(|error| Failure::wrong(error.to_string()))?;
    let most_bytes = args.front << 20;
    let count = u32::try_from(replay.files().len()).unwrap_or(u32::MAX);
    let fronts: Vec<Front> = (0..count)
        .map(|file| {
            let mut front = Front::of(&replay, file, most_bytes, &options);
            front.names = names(args, &front.path);
            front
        })
        .collect();
    let groups = index::groups(&fronts);
    let ensembles = index::ensembles(&fronts, &groups);
    let mut out = BufWriter::new(io::stdout().lock());
    for (front, group) in fronts.iter().zip(&groups) {
        let ensemble = ensembles.get(&group.ensemble).map_or("", String::as_str);
        let line = serde_json::to_string(&IndexLine::of(front, group, ensemble)).map_err(io::Error::from)?;
        writeln!(out, "{}", escape::json(&line))?;
    }
    out.flush()?;
    table::write(args, &fronts, &groups, &ensembles)?;
    Ok(ExitStatus::Done)
}

fn options(args: &IndexArgs, config: &Config) -> DissectOptions {
    let mut options = DissectOptions::default();
    for (asked, ports) in [
        (&args.ensemble.quorum_port, &mut options.quorum_ports),
        (&args.ensemble.election_port, &mut options.election_ports),
        (&args.ensemble.peer_port, &mut options.peer_ports),
    ] {
        if !asked.is_empty() {
            ports.clone_from(asked);
        }
    }
    options.quorum_ports.extend(&config.quorum_ports);
    options.election_ports.extend(&config.election_ports);
    options.peer_ports.extend(&config.etcd.ports);
    options
}

/// What the template says of a path, below the PATH that it was found in.
fn names(args: &IndexArgs, path: &str) -> BTreeMap<String, String> {
    let Some(template) = &args.template else { return BTreeMap::new() };
    let below = args.paths.iter().find_map(|root| Path::new(path).strip_prefix(root).ok());
    let below = below.and_then(Path::to_str).filter(|below| !below.is_empty()).unwrap_or(path);
    template.read(below).unwrap_or_default()
}

/// The paths, each folder with those below it.
fn all_folders(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut next: Vec<(PathBuf, usize)> = paths.iter().rev().map(|path| (path.clone(), 0)).collect();
    while let Some((path, depth)) = next.pop() {
        let mut below = Vec::new();
        // A link to a folder may lead back.
        let is_folder =
            depth == 0 && path.is_dir() || path.symlink_metadata().is_ok_and(|about| about.is_dir());
        if is_folder
            && depth < MAX_DEPTH
            && let Ok(entries) = fs::read_dir(&path)
        {
            let entries =
                entries.filter_map(Result::ok).filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir()));
            below.extend(entries.map(|entry| (entry.path(), depth + 1)));
        }
        below.sort();
        next.extend(below.into_iter().rev());
        all.push(path);
        if all.len() >= MAX_FOLDERS {
            break;
        }
    }
    all
}

/// A capture's line.
#[derive(Serialize)]
struct IndexLine<'a> {
    schema: &'static str,
    path: &'a str,
    group: u64,
    ensemble: &'a str,
    site: Option<&'a str>,
    host: Option<String>,
    first: Option<String>,
    last: Option<String>,
    bytes: Option<u64>,
    whole: bool,
    servers: Vec<IndexServerView>,
    epochs: Vec<u32>,
    why: &'a [String],
    problem: Option<&'a str>,
}

#[derive(Serialize)]
struct IndexServerView {
    address: String,
    sid: Option<i64>,
}

impl<'a> IndexLine<'a> {
    fn of(front: &'a Front, group: &'a Grouping, ensemble: &'a str) -> Self {
        let show = |at: Timestamp| rfc3339(at, Digits::Six);
        Self {
            schema: index::SCHEMA,
            path: &front.path,
            group: group.group,
            ensemble,
            site: front.names.get("site").map(String::as_str),
            host: front.host.map(|host| host.to_string()),
            first: front.first.map(show),
            last: front.last.map(show),
            bytes: front.bytes,
            whole: front.is_whole,
            servers: front
                .servers
                .iter()
                .map(|(address, sid)| IndexServerView {
                    address: address.to_string(),
                    sid: sid.map(|sid| sid.0),
                })
                .collect(),
            epochs: front.epochs.iter().copied().collect(),
            why: &group.why,
            problem: front.problem.as_deref(),
        }
    }
}

#[cfg(feature = "export")]
mod table {
    //! The same as a table.

    use super::{Failure, Front, Grouping, IndexArgs};
    use crate::export::{self, Table, TableFile, Value};
    use crate::output::{FileId, Folder, NewFile, Replace};
    use std::collections::BTreeMap;
    use std::path::Path;

    /// Writes the table, if it is asked for.
    pub(super) fn write(
        args: &IndexArgs,
        fronts: &[Front],
        groups: &[Grouping],
        ensembles: &BTreeMap<u64, String>,
    ) -> Result<(), Failure> {
        let Some(root) = &args.parquet else { return Ok(()) };
        written(args, root, fronts, groups, ensembles).map_err(Failure::from)
    }

    fn written(
        args: &IndexArgs,
        root: &Path,
        fronts: &[Front],
        groups: &[Grouping],
        ensembles: &BTreeMap<u64, String>,
    ) -> Result<(), export::ExportError> {
        let inputs: Vec<_> = fronts.iter().filter_map(|front| FileId::of(Path::new(&front.path))).collect();
        let replace = Replace { force: args.force, inputs: &inputs };
        Folder::open_or_make(root, None)?;
        let folder = Folder::open_or_make(&root.join(Table::Captures.name()), None)?;
        let name = format!("{}.parquet", export::escaped(&args.run));
        let mut file: TableFile<NewFile> =
            TableFile::new(Table::Captures, folder.begin(name.as_ref(), replace)?)?;
        for (front, group) in fronts.iter().zip(groups) {
            file.row(&row(front, group, ensembles.get(&group.ensemble)))?;
        }
        file.finish()?.finish(replace)?;
        Ok(())
    }

    fn row<'a>(front: &'a Front, group: &Grouping, ensemble: Option<&'a String>) -> [Value<'a>; 13] {
        let servers = front.servers.iter().map(|(address, sid)| match sid {
            Some(sid) => format!("{address}={sid}"),
            None => address.to_string(),
        });
        let epochs = front.epochs.iter().map(ToString::to_string);
        [
            front.path.as_str().into(),
            group.group.into(),
            front.names.get("site").map(String::as_str).into(),
            ensemble.map(String::as_str).into(),
            front.host.map(|host| host.to_string()).into(),
            front.first.into(),
            front.last.into(),
            front.bytes.into(),
            front.is_whole.into(),
            servers.collect::<Vec<_>>().join(" ").into(),
            epochs.collect::<Vec<_>>().join(" ").into(),
            group.why.join("; ").into(),
            front.problem.as_deref().into(),
        ]
    }
}

#[cfg(not(feature = "export"))]
mod table {
    //! No tables in this build.

    use super::{Failure, Front, Grouping, IndexArgs};
    use std::collections::BTreeMap;

    /// Says so, if one is asked for.
    pub(super) fn write(
        args: &IndexArgs,
        _fronts: &[Front],
        _groups: &[Grouping],
        _ensembles: &BTreeMap<u64, String>,
    ) -> Result<(), Failure> {
        match args.parquet {
            None => Ok(()),
            Some(_) => Err(Failure::wrong("--parquet: this qscope was built without the feature export")),
        }
    }
}
