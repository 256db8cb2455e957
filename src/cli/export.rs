//! `qscope export`: captures to tables.

use super::args::{EnsembleArgs, InputArgs, LimitArgs, connections, threads};
use super::exit::{ExitStatus, Failure};
use super::replay::{self, ReplayRequest};
use crate::address::Address;
use crate::capture::Replay;
use crate::diagnose::Analyzer;
use crate::dissect::{Event, Observer};
use crate::export::{self, Partition, Table, Tables, bounds, customary_name, parse_day, rows};
use crate::findings::Settings;
use crate::findings::incident::StallCoverage;
use crate::output::FileId;
use crate::proto::PacketType;
use crate::time::{Span, Timestamp};
use crate::track::TrackerOptions;
use crate::track::series::SeriesOptions;
use crate::track::wait_log::WaitLog;
use clap::Args;
use jiff::tz::TimeZone;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::mem;
use std::num::NonZero;
use std::path::{Path, PathBuf};

pub(super) const HELP: &str = "\
Examples:
  qscope export --parquet tables DIR
      Tables of one capture, or of all files in a folder, below tables/.
  qscope export --parquet tables --site fra1 --ensemble payments --date 2026-11-21 DIR
      Only what happened on that day; the files of an hour before and after are read with it.
  duckdb -c \"from read_parquet('tables/incidents/**/*.parquet', hive_partitioning = true)\"

Tables and columns: docs/export.md.";

/// Percent of a deadline from which on a wait is counted as a near miss.
const WARN_AT: u32 = 50;
/// What is read behind a day, so that what began on it is seen to end.
const LEAD_OUT: Span = Span::from_millis(3_600_000);
/// Events after which it is looked whether there are many waits: each brings at most a few.
const EVENTS_BETWEEN: u32 = 1 << 15;
/// Bytes of a site's, an ensemble's or a run's name.
const MAX_NAME: usize = 64;

#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    /// Captures: files, directories (every capture directly in them), or - for standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// The folder below which tables are written: TABLE/site=S/ensemble=E/date=D/RUN.parquet.
    #[arg(long, value_name = "DIR")]
    parquet: PathBuf,

    /// The site that the ensemble is at.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = name)]
    site: String,

    /// The ensemble.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = name)]
    ensemble: String,

    /// Write only what happened on this day of UTC: YYYY-MM-DD.
    ///
    /// What is before is read all the same, so that the state of every connection is known; what comes more than an
    /// hour after is not.
    #[arg(long, value_name = "DAY", value_parser = day)]
    date: Option<i64>,

    /// The name of the run, and of its files: the day of --date, else one made of the captures' names and times.
    #[arg(long, value_name = "NAME", value_parser = name)]
    run: Option<String>,

    /// Write each record too, to the table records: several times the rest together.
    #[arg(long)]
    records: bool,

    /// Replace the files of an earlier run of the same name.
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    ensemble_settings: EnsembleArgs,

    #[command(flatten)]
    limits: LimitArgs,

    /// Connections tracked at once; beyond that the longest idle is let go, and counted.
    #[arg(long, value_name = "N", default_value_t = 16_384, value_parser = connections)]
    max_connections: usize,

    /// Threads to work with: 1 does all in one. The tables are the same.
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<NonZero<usize>>,
}

fn day(text: &str) -> Result<i64, String> {
    parse_day(text).ok_or_else(|| "give a day as YYYY-MM-DD".to_owned())
}

fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MAX_NAME || text.chars().any(char::is_control) {
        return Err(format!("give a name of 1 to {MAX_NAME} bytes, without control characters"));
    }
    Ok(text.to_owned())
}

impl From<export::ExportError> for Failure {
    fn from(error: export::ExportError) -> Self {
        Self::wrong(format!("--parquet: {error}"))
    }
}

/// Reads everything, and writes the tables.
pub(super) fn run(args: &ExportArgs) -> Result<ExitStatus, Failure> {
    let input = args.input();
    let mut asked = ReplayRequest::of(&input)?;
    asked.selection.to = args.date.map(|day| bounds(day).1.plus(LEAD_OUT));
    let (status, tables) = if args.records {
        written::<true>(args, &input, &asked)
    } else {
        written::<false>(args, &input, &asked)
    }?;
    say_rows(&tables)?;
    Ok(status)
}

fn written<const RECORDS: bool>(
    args: &ExportArgs,
    input: &InputArgs,
    asked: &ReplayRequest,
) -> Result<(ExitStatus, Tables), Failure> {
    let begin = |replay: &Replay, hosts| Exporter::<RECORDS>::new(args, asked, replay, hosts);
    let (mut exporter, source) = replay::observe(input, asked, args.threads, begin)?;
    if let Some(error) = exporter.failed.take() {
        return Err(error.into());
    }
    let report = source.report(mem::take(&mut exporter.analyzer), asked);
    exporter.take_waits(&report.settings);
    if let Some(error) = exporter.failed.take() {
        return Err(error.into());
    }
    if RECORDS {
        exporter.tables.finish(Table::Records)?;
    }
    rows::report(&report, &mut exporter.tables)?;
    let is_blind = report.coverage.stalls == StallCoverage::None;
    let status = if is_blind { ExitStatus::NothingAnalyzed } else { ExitStatus::Done };
    Ok((status, exporter.tables))
}

/// Rows by table, on standard output.
fn say_rows(tables: &Tables) -> io::Result<()> {
    let mut said = String::new();
    for table in Table::ALL.into_iter().chain([Table::Records]) {
        if table != Table::Records || tables.rows(table) > 0 {
            // A String takes everything.
            let _ = writeln!(said, "{:9} {}", table.name(), tables.rows(table));
        }
    }
    io::stdout().write_all(said.as_bytes())
}

impl ExportArgs {
    fn input(&self) -> InputArgs {
        InputArgs {
            paths: self.paths.clone(),
            ensemble: self.ensemble_settings.clone(),
            tz: TimeZone::UTC,
            from: None,
            to: None,
            server: None,
            max_connections: self.max_connections,
        }
    }

    fn tables(&self, replay: &Replay) -> Tables {
        let files = replay.files().iter().map(|file| (file.path.as_str(), file.first));
        let day = || self.date.map(export::show_day);
        let name = self.run.clone().or_else(day).unwrap_or_else(|| customary_name(files));
        let partition = Partition { site: self.site.clone(), ensemble: self.ensemble.clone() };
        let mut tables = Tables::new(&self.parquet, partition, &name, self.force, self.inputs(replay));
        let first: Option<Timestamp> = replay.files().iter().filter_map(|file| file.first).min();
        tables.set_home(first, self.date);
        tables
    }

    /// Whatever is read: captures, what lies beside them in their folders, configurations.
    fn inputs(&self, replay: &Replay) -> Vec<FileId> {
        let captures = replay.files().iter().map(|file| file.path.as_str()).map(Path::new);
        let beside = replay.skipped().iter().map(Path::new);
        let configs = self.ensemble_settings.files().into_iter();
        let named = captures.chain(beside).filter_map(FileId::of);
        named.chain(configs.filter_map(|path| FileId::of(&path))).collect()
    }
}

/// Analyzes, and writes what no report keeps: long waits, and records where they are asked for.
struct Exporter<const RECORDS: bool> {
    analyzer: Analyzer,
    wait_log: WaitLog,
    tables: Tables,
    records: rows::RecordRows,
    events: u32,
    failed: Option<export::ExportError>,
}

impl<const RECORDS: bool> Exporter<RECORDS> {
    fn new(
        args: &ExportArgs,
        asked: &ReplayRequest,
        replay: &Replay,
        hosts: Vec<Option<Address>>,
    ) -> Result<Self, Failure> {
        let tables = args.tables(replay);
        tables.check()?;
        let wait_log = WaitLog::new();
        let options = TrackerOptions {
            hosts,
            series: Some(SeriesOptions { max_intervals: usize::MAX, buckets: true }),
            wait_log: wait_log.clone(),
            ..replay::options(&args.limits, WARN_AT, &asked.config)
        };
        let analyzer = Analyzer::new(options);
        let records = rows::RecordRows::default();
        Ok(Self { analyzer, wait_log, tables, records, events: 0, failed: None })
    }

    /// Writes the waits that were noted.
    #[cold]
    fn take_waits(&mut self, settings: &Settings) {
        let waits = self.wait_log.take();
        if let Err(error) = rows::waits(&waits, settings, &mut self.tables) {
            self.failed.get_or_insert(error);
        }
    }

    #[cold]
    fn look_after_waits(&mut self) {
        self.events = 0;
        if self.wait_log.is_full() {
            let settings = self.analyzer.tracker().settings();
            self.take_waits(&settings);
        }
    }
}

impl<const RECORDS: bool> Observer for Exporter<RECORDS> {
    #[inline]
    fn looks_at(kind: PacketType) -> usize {
        if RECORDS { usize::MAX } else { Analyzer::looks_at(kind) }
    }

    #[inline(always)]
    fn event(&mut self, event: Event<'_>) {
        if RECORDS
            && self.failed.is_none()
            && let Err(error) = self.records.event(&event, &mut self.tables)
        {
            self.failed = Some(error);
        }
        self.analyzer.event(event);
        self.events += 1;
        if self.events >= EVENTS_BETWEEN {
            self.look_after_waits();
        }
    }
}
