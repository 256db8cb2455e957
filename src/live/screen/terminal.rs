//! The terminal: its own thread, keys, and what it was before.
//!
//! The watching leaves the latest state in a slot and announcements in a queue of bounded length. Where the terminal
//! does not take what is written (a stopped one, a connection that hangs) the thread waits; the watching does not.

use super::draw::draw;
use super::entry::Announced;
use super::state::{Asked, ScreenKey, ScreenSnapshot, State};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use std::io::{self, IsTerminal, Stdout, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Announcements that wait.
const MAX_WAITING: usize = 1_024;
/// How often the screen looks for what is new.
const TICK: Duration = Duration::from_millis(100);
/// How long the end waits for a terminal that does not take what is written.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the terminal is not as it was.
static IS_CHANGED: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// What the watching and the screen share.
#[derive(Debug, Default)]
struct ScreenState {
    latest: Mutex<Option<ScreenSnapshot>>,
    /// Announcements that found the queue full.
    lost: AtomicU64,
    is_to_end: AtomicBool,
    asks_to_quit: AtomicBool,
    asks_to_record: AtomicBool,
}

/// The screen, shown on the terminal until it is dropped.
#[derive(Debug)]
pub struct Terminal {
    shared: Arc<ScreenState>,
    entries: Sender<Announced>,
    thread: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Begins to show the state on standard output, and to read keys.
    ///
    /// # Errors
    /// There is no terminal.
    pub fn start(state: State) -> io::Result<Self> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(io::Error::other("standard input and output are no terminal"));
        }
        HOOK.call_once(restore_on_panic);
        IS_CHANGED.store(true, Ordering::SeqCst);
        let shared = Arc::new(ScreenState::default());
        let (entries, taken) = bounded(MAX_WAITING);
        let begun = enable_raw_mode().and_then(|()| {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name("screen".to_owned()).spawn(move || run(state, &taken, &shared))
        });
        match begun {
            Ok(thread) => Ok(Self { shared, entries, thread: Some(thread) }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Shows an announcement when it is its turn; where too many wait it is counted. False where the screen is gone.
    #[must_use]
    pub fn announce(&self, entry: Announced) -> bool {
        match self.entries.try_send(entry) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.shared.lost.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }

    /// Shows this state from here on.
    pub fn update(&self, snapshot: ScreenSnapshot) {
        *self.shared.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
    }

    /// Whether a key asked to end the watching.
    #[must_use]
    pub fn asks_to_quit(&self) -> bool {
        self.shared.asks_to_quit.load(Ordering::Relaxed)
    }

    /// Whether a key asked for a recording since this was asked last.
    #[must_use]
    pub fn asks_to_record(&self) -> bool {
        self.shared.asks_to_record.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.shared.is_to_end.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return };
        let until = Instant::now() + PATIENCE;
        while !thread.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(2));
        }
        if thread.is_finished() {
            let _ = thread.join();
            restore();
        } else {
            // It hangs in a write; what needs no writing is put right all the same.
            let _ = disable_raw_mode();
        }
    }
}

/// Makes the terminal what it was before, if it is not.
pub fn restore() {
    if IS_CHANGED.swap(false, Ordering::SeqCst) {
        // The terminal may be gone; there is nobody to tell.
        let _ = disable_raw_mode();
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    }
}

/// A panic is told on a terminal that shows it, and leaves none that does not echo.
fn restore_on_panic() {
    let told = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        restore();
        told(info);
    }));
}

fn run(mut state: State, taken: &Receiver<Announced>, shared: &ScreenState) {
    // What goes wrong here ends the screen; the watching sees that nobody takes what it tells.
    let _ = show(&mut state, taken, shared);
    restore();
}

fn show(state: &mut State, taken: &Receiver<Announced>, shared: &ScreenState) -> io::Result<()> {
    execute!(io::stdout(), EnterAlternateScreen, Hide)?;
    let mut terminal = ratatui::Terminal::new(CrosstermBackend::new(io::stdout()))?;
    let mut renewed_at = Instant::now();
    while !shared.is_to_end.load(Ordering::Relaxed) {
        for _ in 0..MAX_WAITING {
            let Ok(entry) = taken.try_recv() else { break };
            state.announce(entry);
        }
        if let Some(latest) = shared.latest.lock().unwrap_or_else(PoisonError::into_inner).take() {
            renewed_at = Instant::now();
            state.update(latest);
        }
        state.lost(shared.lost.load(Ordering::Relaxed));
        paint(&mut terminal, state, renewed_at.elapsed())?;
        if event::poll(TICK)? {
            keys(&mut terminal, state, shared)?;
        }
    }
    Ok(())
}

type Screen = ratatui::Terminal<CrosstermBackend<Stdout>>;

fn paint(terminal: &mut Screen, state: &State, age: Duration) -> io::Result<()> {
    terminal.draw(|frame| {
        let area = frame.area();
        draw(state, age, area, frame.buffer_mut());
    })?;
    io::stdout().flush()
}

/// Takes the keys that wait.
fn keys(terminal: &mut Screen, state: &mut State, shared: &ScreenState) -> io::Result<()> {
    // Not for ever: somebody may lean on a key.
    for _ in 0..64 {
        match event::read()? {
            Event::Key(pressed) if pressed.kind != KeyEventKind::Release => {
                if is_redraw(pressed) {
                    terminal.clear()?;
                } else if let Some(key) = key(pressed) {
                    match state.key(key) {
                        Asked::Nothing => {}
                        Asked::Quit => shared.asks_to_quit.store(true, Ordering::Relaxed),
                        Asked::Record => shared.asks_to_record.store(true, Ordering::Relaxed),
                    }
                }
            }
            _ => {}
        }
        if !event::poll(Duration::ZERO)? {
            break;
        }
    }
    Ok(())
}

/// Ctrl-L, as everywhere.
fn is_redraw(pressed: KeyEvent) -> bool {
    pressed.code == KeyCode::Char('l') && pressed.modifiers.contains(KeyModifiers::CONTROL)
}

fn key(pressed: KeyEvent) -> Option<ScreenKey> {
    if pressed.modifiers.contains(KeyModifiers::CONTROL) {
        return matches!(pressed.code, KeyCode::Char('c' | 'd')).then_some(ScreenKey::Interrupt);
    }
    Some(match pressed.code {
        KeyCode::Char(c) => ScreenKey::Char(c),
        KeyCode::Up => ScreenKey::Up,
        KeyCode::Down => ScreenKey::Down,
        KeyCode::PageUp => ScreenKey::PageUp,
        KeyCode::PageDown => ScreenKey::PageDown,
        KeyCode::Home => ScreenKey::Home,
        KeyCode::End => ScreenKey::End,
        KeyCode::Enter => ScreenKey::Enter,
        KeyCode::Esc => ScreenKey::Escape,
        KeyCode::Backspace => ScreenKey::Backspace,
        _ => return None,
    })
}
