//! `qscope live`: frames as they come to announcements as it happens.
//!
//! Here are the clock and the signals. [`session`] is what is done with frames and with time, whatever
//! they come from; this drives it from an interface.

mod args;
mod following;
mod gaps;
mod output;
mod page;
mod session;
#[cfg(feature = "tui")]
mod view;
#[cfg(not(feature = "tui"))]
#[path = "without_tui.rs"]
mod view;
mod writer;

pub(super) use args::{HELP, LiveArgs};

use super::args::is_one_form;
use super::exit::{ExitStatus, Failure};
use super::replay::{ReplayRequest, options};
use crate::dissect::{DissectOptions, Hosts};
use crate::live::clock::Timeline;
use crate::live::interface::{self, CaptureOver, Capturing};
use crate::live::metrics::Metrics;
use crate::live::pages::PageOptions;
use crate::live::recorder::{self, Recorder};
use crate::live::rights::{self, Becomes, Needs};
use crate::time::{Span, Timestamp};
use crate::track;
use output::Output;
use session::{KeepLimits, WatchSession};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1};
use signal_hook::flag;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What is said to who names nothing to watch.
const NOTHING_TO_WATCH: &str = "live: nothing to watch: give --interface NAME ('qscope live -D' lists them), \
                                or --follow DIR for the files that a tcpdump writes";
/// How often time passes at least.
const TICK: Span = Span::from_millis(100);
/// Between two looks at what has come lies at most this.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);
/// Between two looks at a deadline that passes now.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);
/// How often numbers are gathered for those who ask.
const COUNT_EVERY: Duration = Duration::from_secs(2);
/// Bytes that links may hold of their past. A report so far holds it twice: see MemoryMax in contrib/qscope.service.
const MAX_HELD_BYTES: usize = 64 << 20;
/// Drops are told at most so often.
const DROPS_EVERY: Duration = Duration::from_secs(10);

/// Watches until it is told to stop.
pub(super) fn run(args: &LiveArgs) -> Result<ExitStatus, Failure> {
    is_one_form(args.format, args.json.then_some("--json"))?;
    rights::gain_none()?;
    if args.list_interfaces {
        let mut out = io::stdout().lock();
        for line in interface::list() {
            writeln!(out, "{line}")?;
        }
        return Ok(ExitStatus::Done);
    }
    if args.interface.is_none() && args.follow.is_none() {
        return Err(Failure::wrong(NOTHING_TO_WATCH));
    }
    let input = args.input();
    let asked = ReplayRequest::of(&input)?;
    let settings = asked.settings(&input, Hosts::default());
    let signals = Signals::heed(args.tui).map_err(|error| Failure::wrong(format!("signals: {error}")))?;
    match &args.follow {
        Some(folder) => following::run(args, &asked, settings, &signals, folder),
        None => capture(args, &asked, settings, &signals),
    }
}

/// Watches an interface.
fn capture(
    args: &LiveArgs,
    asked: &ReplayRequest,
    settings: DissectOptions,
    signals: &Signals,
) -> Result<ExitStatus, Failure> {
    let name = args.interface.clone().unwrap_or_default();
    let request = interface::InterfaceRequest {
        interface: name.clone(),
        ports: [settings.quorum_ports.as_slice(), &settings.election_ports].concat(),
        more: args.filter.clone(),
        snaplen: args.snaplen,
        buffer_mib: args.buffer,
        promiscuous: !args.no_promiscuous,
    };
    let becomes = rights::whom(args.user.as_deref())?;
    let opened = interface::open(&request)?;
    give_up_rights(args, becomes.as_ref())?;
    let metrics = serve(args)?;
    let output = Output::new(args, opened.about.nanos, vec![name.clone()])?;
    let mut session = session(args, asked, settings, output, metrics)?;
    session.reads(&name, opened.about.link_type, args.snaplen, opened.about.nanos);
    let timeline = Timeline::start();
    session.start(timeline.now(), &request.filter())?;
    let capturing = Capturing::start(opened, timeline)?;
    let outcome = watch(&mut session, &capturing, timeline, signals);
    capturing.stop();
    let rest = outcome.and_then(|()| drain(&mut session, &capturing));
    session.received(capturing.received());
    let broken = capturing.finish();
    rest?;
    if let Some(problem) = &broken {
        session.problem(problem)?;
    }
    session.finish()?;
    match broken {
        Some(problem) => Err(Failure::wrong(problem)),
        None => Ok(ExitStatus::Done),
    }
}

/// From here on no rights are needed, and only what was named can be reached.
fn give_up_rights(args: &LiveArgs, becomes: Option<&Becomes>) -> Result<(), Failure> {
    let written = [("--record", &args.record), ("--html-on-incident", &args.html_on_incident)];
    let folders = || written.into_iter().filter_map(|(option, folder)| Some((option, folder.as_deref()?)));
    if let Some(becomes) = becomes {
        folders().try_for_each(|(option, folder)| becomes.makes_folder(option, folder))?;
    }
    rights::drop_to(becomes)?;
    folders().try_for_each(|(option, folder)| recorder::make_folder(option, folder))?;
    let (reads, writes) = (args.follow.as_deref(), written.map(|(_, folder)| folder.as_deref()));
    // Where the kernel does not know how, the other bounds are left.
    let _ = rights::confine(Needs { reads, writes, port: args.metrics.map(|address| address.port()) });
    Ok(())
}

/// Begins to answer those who ask for metrics, without any right that it could be abused for.
fn serve(args: &LiveArgs) -> Result<Option<Metrics>, Failure> {
    Ok(args.metrics.map(Metrics::serve).transpose()?)
}

fn session(
    args: &LiveArgs,
    asked: &ReplayRequest,
    settings: DissectOptions,
    output: Output,
    metrics: Option<Metrics>,
) -> Result<WatchSession, Failure> {
    let told = track::TrackerOptions {
        keeps_values: true,
        max_held_bytes: Some(MAX_HELD_BYTES),
        ..options(&args.limits, args.warn_at, &asked.config)
    };
    let pages = page::options_of(args, asked, &settings, output.digits());
    let kept = KeepLimits { links: args.max_links, window: span(args.window) };
    let mut session = WatchSession::new(settings, told, kept, output);
    if let Some(settings) = recording(args, pages) {
        session.records(Recorder::new(settings)?);
    }
    if let Some(metrics) = metrics {
        session.publishes(metrics);
    }
    Ok(session)
}

/// What is recorded, if anything.
fn recording(args: &LiveArgs, pages: Option<PageOptions>) -> Option<recorder::RecorderOptions> {
    if args.record.is_none() && pages.is_none() {
        return None;
    }
    Some(recorder::RecorderOptions {
        folder: args.record.clone(),
        pages,
        before: span(args.before),
        after: span(args.after),
        most_bytes: usize::from(args.max_mb) * 1_000_000,
        keep: usize::from(args.keep),
        snaplen: args.snaplen,
    })
}

/// Takes frames as they come, and lets time pass where none does.
fn watch(
    session: &mut WatchSession,
    capturing: &Capturing,
    timeline: Timeline,
    signals: &Signals,
) -> Result<(), Failure> {
    let (mut told_at, mut counted_at) = (Instant::now(), Instant::now());
    loop {
        if let Some(set) = capturing.clock_set() {
            session.clock_set(&set)?;
        }
        let quiet_until = capturing.quiet_until();
        if !take(session, capturing, sleep(session.next_due(), timeline.now()))? {
            return Ok(());
        }
        session.time(quiet_until);
        if session.is_due(TICK) {
            session.look()?;
        }
        if counted_at.elapsed() >= COUNT_EVERY {
            counted_at = Instant::now();
            session.received(capturing.received());
            session.publish()?;
        }
        if told_at.elapsed() >= DROPS_EVERY {
            told_at = Instant::now();
            session.tell_drops()?;
        }
        if signals.stop.load(Ordering::Relaxed) || !session.view(timeline.now()) {
            return Ok(());
        }
        if signals.report.swap(false, Ordering::Relaxed) {
            session.received(capturing.received());
            session.report()?;
        }
    }
}

/// Takes all frames there are, the first of them waited for. False where the capture is over.
fn take(session: &mut WatchSession, capturing: &Capturing, patience: Duration) -> Result<bool, Failure> {
    let mut patience = patience;
    // No longer than it takes to look at what has become due.
    for _ in 0..64 {
        match capturing.next(patience) {
            Ok(Some(batch)) => {
                session.batch(&batch)?;
                capturing.done_with(batch);
            }
            Ok(None) => return Ok(true),
            Err(CaptureOver) => return Ok(false),
        }
        patience = Duration::ZERO;
    }
    Ok(true)
}

/// Takes what was under way when the capture was told to stop.
fn drain(session: &mut WatchSession, capturing: &Capturing) -> Result<(), Failure> {
    while let Ok(Some(batch)) = capturing.next(LONGEST_SLEEP) {
        session.batch(&batch)?;
        capturing.done_with(batch);
    }
    session.time(capturing.quiet_until());
    Ok(())
}

/// How long nothing needs to be looked at.
fn sleep(next_due: Timestamp, now: Timestamp) -> Duration {
    let until = next_due.since(now).micros();
    Duration::from_micros(until).clamp(SHORTEST_SLEEP, LONGEST_SLEEP)
}

fn span(duration: Duration) -> Span {
    Span::from_millis(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

/// What the process was told from outside.
struct Signals {
    stop: Arc<AtomicBool>,
    report: Arc<AtomicBool>,
}

impl Signals {
    /// Begins to listen. SIGINT, SIGTERM and SIGHUP each end the watching with its report; a second one of the same kind
    /// ends the process at once. Where there is a screen, nothing ends or stops the process that would leave the terminal
    /// as it is.
    fn heed(has_screen: bool) -> io::Result<Self> {
        let (stop, report) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let mut came = Vec::new();
        if has_screen {
            flag::register(SIGQUIT, Arc::clone(&stop))?;
            flag::register(SIGTSTP, Arc::new(AtomicBool::new(false)))?;
        }
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if signal == SIGHUP && is_hangup_ignored() {
                continue;
            }
            let asked = Arc::new(AtomicBool::new(false));
            if has_screen {
                came.push(Arc::clone(&asked));
            } else {
                flag::register_conditional_shutdown(signal, 2, Arc::clone(&asked))?;
            }
            flag::register(signal, asked)?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        flag::register(SIGUSR1, Arc::clone(&report))?;
        if has_screen {
            view::end_on_second(came, 2)?;
        }
        Ok(Self { stop, report })
    }
}

/// Whether whoever started us has us outlive the terminal, as `nohup` does: SIGHUP is bit 0 of the mask.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
