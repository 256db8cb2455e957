//! `qscope replay`: captures to a report.

use super::args::{Color, InputArgs, LimitArgs, OutputFormat, ReplayArgs, is_one_form};
use super::config::{Config, setting_of};
use super::exit::{ExitStatus, Failure, complain};
use super::progress::ReadProgress;
use super::reader::FrameCounts;
use super::zone::{self, Fold};
use super::{pager, pipeline};
use crate::address::Address;
use crate::capture::{Replay, ReplayOptions};
use crate::clocks::estimate::Estimate;
use crate::clocks::{self, HostCaptures, Survey};
use crate::diagnose::{self, Analyzer};
use crate::dissect::{DissectOptions, Dissector, Hosts, Observer};
use crate::findings::{
    self, HostClock, Report,
    incident::StallCoverage,
    selection::{Selection, ServerChoice},
};
use crate::logs;
use crate::report::clock::{Digits, WallClock};
use crate::report::{html, json, text};
use crate::stream::Limits;
use crate::time::Timestamp;
use crate::track::{self, series::SeriesOptions, wait_log::WaitLog};
use std::env;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZero;

/// Files of a folder that are named where none is a capture.
const MAX_NAMED: usize = 4;

/// Reads everything and writes the report.
pub(super) fn run(args: &ReplayArgs) -> Result<ExitStatus, Failure> {
    let says_json = args.json.then_some("--json").or(args.series.then_some("--series"));
    is_one_form(args.format, says_json)?;
    let asked = ReplayRequest::of(&args.input)?;
    if let Some(path) = &args.annotate {
        super::annotate::check(args, path)?;
    }
    super::picture::check(args)?;
    let mut report = read(args, &asked)?;
    if !args.log.is_empty() {
        let logs = super::logs::read(&args.log, &asked.config, &report)?;
        logs::apply(&mut report, &logs, args.log_tz.as_ref());
    }
    asked.selection.apply(&mut report);
    let is_of_somebody = match &asked.selection.server {
        Some(choice) => is_seen(choice, &asked.config, &report)?,
        None => true,
    };
    say_what_is_empty(&report, args, &asked);
    if let Some(path) = &args.annotate {
        super::annotate::write(&report, args, path)?;
    }
    super::picture::write(&report, args, &style(&report, args, &asked))?;
    if !args.series {
        report.series = None;
    }
    write(&report, args, &asked)?;
    let is_bad = args.fail_on_stall && !(report.stalls.is_empty() && report.incidents.is_empty());
    Ok(if is_bad {
        ExitStatus::StallsFound
    } else if report.coverage.stalls == StallCoverage::None || !is_of_somebody {
        ExitStatus::NothingAnalyzed
    } else {
        ExitStatus::Done
    })
}

/// What was asked for, with the configuration read and times understood.
#[derive(Debug)]
pub(super) struct ReplayRequest {
    pub(super) config: Config,
    pub(super) selection: Selection,
}

impl ReplayRequest {
    /// Reads what the arguments name, but for the captures.
    pub(super) fn of(args: &InputArgs) -> Result<Self, Failure> {
        let config = Config::of(&args.ensemble)?;
        let moment = |name, text: &Option<String>, fold| match text {
            None => Ok(None),
            Some(text) => zone::moment(text, &args.tz, fold)
                .map(Some)
                .map_err(|what| Failure::wrong(format!("{name}: {what}"))),
        };
        let from = moment("--from", &args.from, Fold::Earlier)?;
        let to = moment("--to", &args.to, Fold::Later)?;
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            return Err(Failure::wrong("--from lies after --to"));
        }
        Ok(Self { config, selection: Selection { from, to, server: args.server.clone() } })
    }

    /// A dissector for the ports in use.
    pub(super) fn dissector(&self, args: &InputArgs, hosts: Hosts) -> Dissector {
        Dissector::new(self.settings(args, hosts))
    }

    /// The ports in use, and the limits of reassembly.
    pub(super) fn settings(&self, args: &InputArgs, hosts: Hosts) -> DissectOptions {
        let customary = DissectOptions::default();
        let mut settings = DissectOptions {
            quorum_ports: ports(&args.ensemble.quorum_port, customary.quorum_ports),
            election_ports: ports(&args.ensemble.election_port, customary.election_ports),
            peer_ports: ports(&args.ensemble.peer_port, customary.peer_ports),
            limits: Limits { connections: args.max_connections, ..Limits::default() },
            hosts,
        };
        settings.quorum_ports.extend(&self.config.quorum_ports);
        settings.election_ports.extend(&self.config.election_ports);
        settings.peer_ports.extend(&self.config.etcd.ports);
        settings
    }

    fn analyzer(&self, args: &ReplayArgs, hosts: Vec<Option<Address>>) -> Analyzer {
        let max_intervals = if args.series { usize::MAX } else { html::MAX_INTERVALS };
        let is_wanted = args.series || args.html.is_some() || args.trace.is_some();
        let series = is_wanted.then_some(SeriesOptions { max_intervals, buckets: false });
        let customary = options(&args.limits, args.warn_at, &self.config);
        Analyzer::new(track::TrackerOptions { hosts, series, ..customary })
    }
}

/// What the trackers are told.
pub(super) fn options(limits: &LimitArgs, warn_at_percent: u32, config: &Config) -> track::TrackerOptions {
    track::TrackerOptions {
        tick_ms: setting_of(limits.tick_time, config.tick_ms),
        sync_limit: setting_of(limits.sync_limit, config.sync_limit),
        init_limit: setting_of(limits.init_limit, config.init_limit),
        warn_at_percent,
        servers: config.servers.clone(),
        peers: config.etcd.peers.clone(),
        hosts: Vec::new(),
        keeps_values: false,
        max_held_bytes: None,
        series: None,
        wait_log: WaitLog::default(),
    }
}

fn ports(asked: &[u16], customary: Vec<u16>) -> Vec<u16> {
    if asked.is_empty() { customary } else { asked.to_vec() }
}

/// Opens the captures; what is none is named on standard error.
pub(super) fn open(args: &InputArgs) -> Result<Replay, Failure> {
    open_with(args, &ReplayOptions::default())
}

fn open_with(args: &InputArgs, options: &ReplayOptions) -> Result<Replay, Failure> {
    let replay = Replay::open(&args.paths, options).map_err(|error| {
        let problem = |problem: &Option<String>| problem.clone().unwrap_or_else(|| "no frames".to_owned());
        let sentences: Vec<_> =
            error.files.iter().map(|file| format!("{}: {}", file.path, problem(&file.problem))).collect();
        if sentences.is_empty() { no_captures(args, &error.skipped) } else { Failure::Wrong(sentences) }
    })?;
    for file in replay.files().iter().filter(|file| file.format.is_none()) {
        if let Some(problem) = &file.problem {
            complain(format_args!("{}: {problem}", file.path));
        }
    }
    Ok(replay)
}

/// Only folders were named, and no capture is in them.
fn no_captures(args: &InputArgs, others: &[String]) -> Failure {
    let folders: Vec<_> = args.paths.iter().map(|path| path.display().to_string()).collect();
    let named = others.iter().take(MAX_NAMED).map(|path| path.rsplit('/').next().unwrap_or(path));
    let more = if others.len() > MAX_NAMED { ", ..." } else { "" };
    let there = match others.len() {
        0 => "no file is there".to_owned(),
        _ => format!(
            "none of the {} files there is one: {}{more}",
            others.len(),
            named.collect::<Vec<_>>().join(", ")
        ),
    };
    Failure::wrong(format!(
        "{}: no capture in the folder: {there}. Name the folder that tcpdump writes to, or a file to learn what it is",
        folders.join(", ")
    ))
}

/// Sets the clocks of captures from several hosts to one, where their content allows it: what was found,
/// and where each file was taken.
pub(super) fn set_clocks(replay: &mut Replay) -> (Survey, Hosts) {
    let survey = clocks::survey(replay).unwrap_or_default();
    let files = replay.files().len();
    replay.set_clocks(&survey.corrections(files));
    let hosts = Hosts::new(&survey.hosts(files));
    (survey, hosts)
}

fn read(args: &ReplayArgs, asked: &ReplayRequest) -> Result<Report, Failure> {
    let analyzer = |_: &Replay, hosts| Ok(asked.analyzer(args, hosts));
    let (analyzer, source) = observe(&args.input, asked, args.threads, analyzer)?;
    Ok(source.report(analyzer, asked))
}

/// What was read, and what of it no observer knows.
pub(super) struct ReplayedInput {
    survey: Survey,
    read: pipeline::Dissected,
}

/// Reads everything into an observer, which is made once the files' beginnings are known and where they were taken.
pub(super) fn observe<O: Observer + 'static>(
    input: &InputArgs,
    asked: &ReplayRequest,
    threads: Option<NonZero<usize>>,
    begin: impl FnOnce(&Replay, Vec<Option<Address>>) -> Result<O, Failure>,
) -> Result<(O, ReplayedInput), Failure> {
    let threads = pipeline::threads(threads);
    let mut replay = open_with(input, &ReplayOptions { threads, ..ReplayOptions::default() })?;
    let (survey, hosts) = set_clocks(&mut replay);
    let settings = asked.settings(input, hosts);
    let mut observer = begin(&replay, survey.hosts(replay.files().len()))?;
    let passed = FrameCounts::new(asked.selection.to);
    let mut progress = ReadProgress::new(replay.total_bytes(), replay.bytes_read_counter(), true);
    let outcome = pipeline::run(replay, settings, passed, &mut observer, threads, || progress.update());
    drop(progress);
    let read = outcome.ok_or_else(|| Failure::wrong("reading broke off"))?;
    Ok((observer, ReplayedInput { survey, read }))
}

impl ReplayedInput {
    /// The report on what was read.
    pub(super) fn report(self, analyzer: Analyzer, asked: &ReplayRequest) -> Report {
        let pipeline::Dissected { replay, passed, limits_hit } = self.read;
        // Where --to ends the reading, it ends the files too.
        let ends: Vec<_> = replay.files().iter().map(|file| file.last.min(passed.last)).collect();
        let mut report = analyzer.finish(&ends);
        report.clocks = self.survey.groups.iter().map(clock_of).collect();
        diagnose::doubt_clocks(&mut report);
        report.input = passed.input(replay.files(), replay.skipped());
        report.limits_hit.extend(limits_hit);
        report.coverage = diagnose::coverage(&report, (asked.selection.from, asked.selection.to));
        report
    }
}

/// A host's clock as the report shows it.
fn clock_of(group: &HostCaptures) -> HostClock {
    let of = |value: fn(&Estimate) -> i64| group.estimate.as_ref().map(value);
    HostClock {
        host: group.host,
        files: group.files.clone(),
        is_reference: group.is_reference,
        offset_us: of(|estimate| estimate.clock.offset.nanos() / 1_000),
        drift_ppm: group.estimate.map_or(0.0, |estimate| estimate.clock.drift * 1e6),
        step: group
            .estimate
            .and_then(|estimate| estimate.clock.step)
            .map(|step| (step.at, step.by.nanos() / 1_000)),
        uncertainty_us: group.estimate.map(|estimate| estimate.uncertainty.micros()),
        is_corrected: group.correction().is_some(),
        matched_segments: group.estimate.map_or(0, |estimate| estimate.matched as u64),
    }
}

/// Whether the captures show the server that was asked for. A name that stands for nothing is a mistake; an address,
/// or a server of the configuration, may simply not have been there, which is said.
fn is_seen(choice: &ServerChoice, config: &Config, report: &Report) -> Result<bool, Failure> {
    let is_it =
        |server: &findings::Server| choice.is(Some(server.address), server.sid, server.name.as_deref());
    let is_member =
        |member: &findings::raft::Member| choice.is(Some(member.address), None, member.name.as_deref());
    if report.servers.iter().any(is_it) || report.raft.members.iter().any(is_member) {
        return Ok(true);
    }
    let seen: Vec<_> = report
        .servers
        .iter()
        .map(|server| match &server.name {
            Some(name) => format!("{} ({name})", server.address),
            None => server.address.to_string(),
        })
        .collect();
    let seen = if seen.is_empty() { "none was".to_owned() } else { seen.join(", ") };
    let what = format!("--server {choice}: the captures do not show that server; they show {seen}");
    if config.names(choice) || matches!(choice, ServerChoice::Address(_)) {
        complain(format_args!("{what}"));
        return Ok(false);
    }
    Err(Failure::wrong(what))
}

/// Says why there is nothing to report where no frame was captured, or none of the time that was asked for.
fn say_what_is_empty(report: &Report, args: &ReplayArgs, asked: &ReplayRequest) {
    let files = &report.input.files;
    if files.iter().all(|file| file.first.is_none() && file.problem.is_none()) {
        for file in files {
            complain(format_args!(
                "{}: no frame in it: was anything on the wire, and does tcpdump's filter take ports 2888 and 3888?",
                file.path
            ));
        }
    }
    let clock = WallClock { zone: args.input.tz.clone(), digits: Digits::of(false) };
    let show = |at: Timestamp| format!("{} {}", clock.second(at), clock.zone_name(Some(at)));
    let first = files.iter().filter_map(|file| file.first).min();
    let last = files.iter().filter_map(|file| file.last).max();
    if let Some((from, last)) = asked.selection.from.zip(last).filter(|(from, last)| from > last) {
        complain(format_args!("--from {} lies after the captures, which end at {}", show(from), show(last)));
    }
    if let Some((to, first)) = asked.selection.to.zip(first).filter(|(to, first)| to < first) {
        complain(format_args!("--to {} lies before the captures, which begin at {}", show(to), show(first)));
    }
}

fn write(report: &Report, args: &ReplayArgs, asked: &ReplayRequest) -> Result<(), Failure> {
    if args.format() == OutputFormat::Json {
        let mut out = BufWriter::new(io::stdout().lock());
        json::write(report, &mut out)?;
        out.flush()?;
        return Ok(());
    }
    let mut page = Vec::new();
    text::write(report, &style(report, args, asked), &mut page)?;
    Ok(pager::write(&page, !args.no_pager)?)
}

fn style(report: &Report, args: &ReplayArgs, asked: &ReplayRequest) -> text::Style {
    let digits = Digits::of(report.input.files.iter().any(|file| file.nanos));
    text::Style {
        clock: WallClock { zone: args.input.tz.clone(), digits },
        is_coloured: is_coloured(args.color),
        warn_at_percent: args.warn_at,
        is_verbose: args.verbose,
        selection: asked.selection.clone(),
    }
}

/// Whether to write colours: on a terminal that can, unless asked otherwise (<https://no-color.org>).
pub(super) fn is_coloured(color: Color) -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
            io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
        }
    }
}
