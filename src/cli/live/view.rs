//! `qscope live --tui`: what the session knows, handed to the screen.

use super::args::LiveArgs;
use super::session::WatchSession;
use crate::cli::exit::Failure;
use crate::cli::replay::is_coloured;
use crate::live::screen::{Announced, Gauges, ScreenSnapshot, State, Terminal, restore};
use crate::report::clock::WallClock;
use crate::report::escape;
use crate::report::live::Announcement;
use crate::report::text::live::TextLines;
use crate::time::Timestamp;
use std::env;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How often the screen gets the state of the links.
const RENEW_EVERY: Duration = Duration::from_millis(250);
/// How often the signals are looked at that end all at once.
const SIGNALS_EVERY: Duration = Duration::from_millis(50);
/// How long a terminal that does not take what is written may hold up the end.
const PATIENCE: Duration = Duration::from_millis(500);

/// The screen, and what it is fed from.
pub(super) struct ScreenView {
    terminal: Terminal,
    gauges: Gauges,
    renewed_at: Option<Instant>,
    lines: TextLines,
}

impl ScreenView {
    /// Begins to show the screen, where it is asked for.
    pub(super) fn start(args: &LiveArgs, clock: &WallClock) -> Result<Option<Self>, Failure> {
        if !args.tui {
            return Ok(None);
        }
        let mut state = State::new(clock.clone());
        state.is_coloured = is_coloured(args.color);
        state.is_unicode = is_unicode();
        state.records = args.record.is_some();
        let terminal = Terminal::start(state).map_err(|error| Failure::wrong(format!("--tui: {error}")))?;
        let lines = TextLines { clock: clock.clone(), is_coloured: false };
        Ok(Some(Self { terminal, gauges: Gauges::default(), renewed_at: None, lines }))
    }

    /// Shows an announcement, where lines would have it. False where the screen is gone.
    pub(super) fn event(&self, event: &Announcement) -> bool {
        let mut line = Vec::new();
        let is_told = self.lines.event(event, &mut line).is_ok() && !line.is_empty();
        !is_told || self.terminal.announce(Announced::of(event, &self.lines))
    }

    /// Whether the state is to be shown anew.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.renewed_at.is_none_or(|at| at.elapsed() >= RENEW_EVERY);
        if is_due {
            self.renewed_at = Some(Instant::now());
        }
        is_due
    }

    /// Shows the state.
    pub(super) fn show(&mut self, session: &WatchSession, present: Timestamp) {
        let tracker = session.analyzer().tracker();
        self.gauges.gather(tracker, session.now());
        let settings = tracker.settings();
        let live = session.live();
        self.terminal.update(ScreenSnapshot {
            at: session.shown_now(),
            source: escape::text(&live.source).into_owned(),
            limits: format!(
                "tickTime {} ms, syncLimit {}, initLimit {}",
                settings.tick_ms, settings.sync_limit, settings.init_limit
            ),
            warn_at_percent: tracker.warn_at_percent(),
            links: self.gauges.rows(),
            refused: self.gauges.refused(),
            open_stalls: session.open_stalls(),
            frames: session.frames(),
            received: live.received,
            lag_ms: live.behind_ms.or_else(|| Some(present.since(session.now()).millis())),
        });
    }

    /// Whether a key asked for the end.
    pub(super) fn asks_to_quit(&self) -> bool {
        self.terminal.asks_to_quit()
    }

    /// Whether a key asked for a recording.
    pub(super) fn asks_to_record(&self) -> bool {
        self.terminal.asks_to_record()
    }
}

/// Whether the terminal shows more than ASCII, by what the environment says of the locale.
fn is_unicode() -> bool {
    let first = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    first.is_some_and(|locale| {
        let locale = locale.to_ascii_uppercase();
        locale.contains("UTF-8") || locale.contains("UTF8")
    })
}

/// Ends the process with this code once `signals`, each set whenever its signal comes, have come twice: the terminal is
/// put right before, if it takes that.
pub(super) fn end_on_second(signals: Vec<Arc<AtomicBool>>, code: i32) -> std::io::Result<()> {
    let watch = move || {
        let mut times = vec![0_u32; signals.len()];
        loop {
            for (signal, times) in signals.iter().zip(&mut times) {
                *times += u32::from(signal.swap(false, Ordering::Relaxed));
            }
            if times.iter().any(|times| *times >= 2) {
                restore_within(PATIENCE);
                process::exit(code);
            }
            thread::sleep(SIGNALS_EVERY);
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watch).map(drop)
}

fn restore_within(patience: Duration) {
    let until = Instant::now() + patience;
    let Ok(thread) = thread::Builder::new().name("restore".to_owned()).spawn(restore) else { return };
    while !thread.is_finished() && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
}
