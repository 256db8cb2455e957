//! `qscope live --tui` end to end: a rotation is followed, and the screen is looked at, in tmux at two sizes and on a
//! terminal of the test's own.
//!
//! Without tmux the tests that need it are skipped with a message.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::testdata;
use jiff::tz::TimeZone;
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{FlowArg, LocalFlags, Termios, tcflow, tcgetattr};
use nix::unistd::Pid;
use quorumscope::capture::{Batch, Replay, ReplayOptions};
use quorumscope::live::screen::{State, Terminal};
use quorumscope::pcapfile::{ByteOrder, pcapng};
use quorumscope::report::clock::{Digits, WallClock};
use quorumscope::time::Timestamp;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How much faster than recorded the capture passes.
const SPEED: i64 = 5;
/// tickTime of the capture at that speed.
const TICK_MS: &str = "400";
/// How long something may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that a capture of `testdata` is written to as it passes.
struct Feed {
    folder: tempfile::TempDir,
    writer: Option<JoinHandle<()>>,
}

impl Feed {
    fn start(capture: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.pcapng");
        fs::create_dir(folder.path().join("recordings")).unwrap();
        let writer = thread::spawn(move || write(capture, &path));
        Self { folder, writer: Some(writer) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    fn recordings(&self) -> PathBuf {
        self.folder.path().join("recordings")
    }

    fn is_written(&mut self) {
        self.writer.take().unwrap().join().unwrap();
    }
}

fn write(capture: &str, path: &Path) {
    let encoder = pcapng::PcapngEncoder { order: ByteOrder::Little };
    let mut head = Vec::new();
    encoder.section("", &mut head);
    encoder.interface(1, 96, &mut head);
    let mut file = File::create(path).unwrap();
    file.write_all(&head).unwrap();
    let mut replay = Replay::open(&[testdata().join(capture)], &ReplayOptions::default()).unwrap();
    let (mut batch, mut first) = (Batch::new(), None);
    let began = Instant::now();
    while replay.fill(&mut batch) {
        for mut frame in batch.frames() {
            let first = *first.get_or_insert(frame.at);
            let due = Duration::from_micros(frame.at.since(first).over(SPEED).micros());
            thread::sleep(due.saturating_sub(began.elapsed()));
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            frame.at = Timestamp::from_nanos(i64::try_from(now.as_nanos()).unwrap());
            let mut bytes = Vec::new();
            encoder.frame(0, &frame, "", &mut bytes);
            file.write_all(&bytes).unwrap();
        }
    }
}

fn arguments(feed: &Feed) -> Vec<String> {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let mut all: Vec<_> = ["live", "--tui", "--tick-time", TICK_MS, "--before", "5s", "--after", "1s"]
        .map(str::to_owned)
        .into();
    all.extend(["--follow".to_owned(), text(&feed.path()), "--record".to_owned(), text(&feed.recordings())]);
    all
}

/// Tries until it works.
fn wait_for<T>(what: &str, mut tried: impl FnMut() -> Result<T, String>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        match tried() {
            Ok(found) => return found,
            Err(seen) if Instant::now() >= until => panic!("{what} did not come; there is:\n{seen}"),
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// A pane of tmux in which the screen is shown.
struct Pane {
    socket: String,
    width: usize,
}

impl Pane {
    fn start(name: &str, width: usize, height: usize, feed: &Feed) -> Self {
        let pane = Self { socket: format!("qscope-{name}-{width}-{}", std::process::id()), width };
        let qscope = env!("CARGO_BIN_EXE_qscope");
        let command =
            format!("{qscope} {}; echo exit: $?; stty -a; exec sleep 600", arguments(feed).join(" "));
        let (columns, lines) = (width.to_string(), height.to_string());
        let made = pane.tmux(&["-u", "new-session", "-d", "-x", &columns, "-y", &lines, &command]);
        assert!(made.is_ok(), "{made:?}");
        pane
    }

    fn tmux(&self, args: &[&str]) -> Result<String, String> {
        let output = Command::new("tmux")
            .args(["-L", &self.socket, "-f", "/dev/null"])
            .args(args)
            .env("LC_ALL", "C.UTF-8")
            .env_remove("TMUX")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// The lines that are shown, once they are as they should be.
    fn lines(&self, what: &str, is: impl Fn(&[String]) -> bool) -> Vec<String> {
        wait_for(what, || {
            let text = self.tmux(&["capture-pane", "-p"])?;
            let lines: Vec<_> = text.lines().map(str::to_owned).collect();
            if is(&lines) { Ok(lines) } else { Err(text) }
        })
    }

    fn has(&self, what: &str) -> Vec<String> {
        let lines = self.lines(what, |lines| lines.iter().any(|line| line.contains(what)));
        assert!(lines.iter().all(|line| line.chars().count() <= self.width), "{lines:#?}");
        lines
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat()).unwrap();
    }
}

impl Drop for Pane {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]);
    }
}

fn has_tmux(name: &str) -> bool {
    let has =
        Command::new("tmux").arg("-V").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    if !has {
        // Bypasses the test harness, which captures output.
        let _ = writeln!(std::io::stderr(), "\n!!! SKIPPED: {name}: there is no tmux: apt-get install tmux");
    }
    has
}

/// The announcements of a pane: their times and first words.
fn announced(lines: &[String]) -> Vec<(String, String)> {
    let from = lines.iter().position(|line| line.starts_with("announcements")).unwrap() + 1;
    let entries = lines[from..].iter().take_while(|line| !line.starts_with("details"));
    let words = entries.filter_map(|line| {
        let mut words = line.get(2..)?.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    });
    words.collect()
}

fn is_alarm(line: &str) -> bool {
    [" STALL ", " INCIDENT "].iter().any(|word| line.contains(word)) && !line.contains(" over ")
}

#[test]
fn a_small_and_a_wide_window_show_a_stall_and_keys_work() {
    if !has_tmux("a_small_and_a_wide_window_show_a_stall_and_keys_work") {
        return;
    }
    let feed = Feed::start("freeze-follower");
    let panes = [Pane::start("small", 80, 24, &feed), Pane::start("wide", 200, 50, &feed)];
    let [small, wide] = &panes;
    let marked = |lines: &[String]| lines.iter().any(|line| line.starts_with("! "));
    for pane in &panes {
        let lines = pane.lines("a link beyond its limit", marked);
        assert!(lines[0].starts_with("qscope live"), "{lines:#?}");
        let lines = pane.lines("an alarm", |lines| lines.iter().any(|line| is_alarm(line)));
        assert!(lines[0].contains(" link") && lines[1].contains("ack"), "{lines:#?}");
        assert!(lines.iter().any(|line| line.trim_start().starts_with("leader ")), "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains(" fol")), "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains(" behind")), "{lines:#?}");
    }
    // Both show the same announcements: the small one has room for fewer, and either may be a moment ahead.
    let words = |lines: &[String]| announced(lines).into_iter().map(|(_, word)| word).collect::<Vec<_>>();
    wide.lines("what the small one shows", |lines| {
        let few = words(&small.lines("an announcement", |lines| !words(lines).is_empty()));
        let many = words(lines);
        many.first().is_some_and(|word| word == "START") && few.iter().all(|word| many.contains(word))
    });
    for pane in &panes {
        pane.keys(&["p"]);
        pane.has("PAUSED");
    }
    for pane in &panes {
        pane.keys(&["p"]);
        pane.keys(&["?"]);
        pane.has("PgUp");
        pane.keys(&["x", "/"]);
        pane.keys(&["-l", "no such thing"]);
        pane.has("filter: no such thing_");
        pane.keys(&["Escape"]);
        pane.lines("all again", |lines| lines.iter().any(|line| is_alarm(line)));
        pane.keys(&["r"]);
    }
    wide.has("RECORDING");
    for pane in &panes {
        pane.keys(&["q"]);
        // The terminal is as it was, with the report on it.
        let lines = pane.has("exit: 0");
        assert!(lines.iter().any(|line| line.split_whitespace().any(|word| word == "echo")), "{lines:#?}");
        assert!(lines.iter().any(|line| line.split_whitespace().any(|word| word == "icanon")), "{lines:#?}");
    }
    let all = wide.tmux(&["capture-pane", "-p", "-S", "-500"]).unwrap();
    assert!(all.contains("limit") && !all.contains("q quit"), "{all}");
}

/// A child inherits all terminals that are open: so there is one at a time.
static TERMINAL: Mutex<()> = Mutex::new(());

/// A terminal of the test's own, on which the screen is shown.
struct Tty {
    ends: OpenptyResult,
    _only: MutexGuard<'static, ()>,
    before: Termios,
    child: Child,
}

impl Tty {
    fn start(feed: &Feed) -> Self {
        let only = TERMINAL.lock().unwrap_or_else(PoisonError::into_inner);
        let size = Winsize { ws_row: 50, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        let ends = openpty(&size, None).unwrap();
        let before = tcgetattr(&ends.slave).unwrap();
        let slave = || Stdio::from(ends.slave.as_fd().try_clone_to_owned().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_qscope"));
        command.args(arguments(feed)).stdin(slave()).stdout(slave()).stderr(Stdio::piped());
        let child = command.env("TERM", "xterm-256color").spawn().unwrap();
        let tty = Self { ends, _only: only, before, child };
        wait_for("raw mode", || if tty.echoes() { Err(String::new()) } else { Ok(()) });
        tty
    }

    /// A test of this file alone, with the terminal for all that it reads and writes.
    fn test(name: &str) -> Self {
        let only = TERMINAL.lock().unwrap_or_else(PoisonError::into_inner);
        let size = Winsize { ws_row: 50, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        let ends = openpty(&size, None).unwrap();
        let before = tcgetattr(&ends.slave).unwrap();
        let slave = || Stdio::from(ends.slave.as_fd().try_clone_to_owned().unwrap());
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([name, "--exact", "--ignored", "--nocapture"]);
        command.stdin(slave()).stdout(slave()).stderr(slave()).env("TERM", "xterm-256color");
        let child = command.spawn().unwrap();
        Self { ends, _only: only, before, child }
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.ends.slave).unwrap().local_flags.contains(LocalFlags::ECHO)
    }

    /// Reads what is shown, and lets it go.
    fn is_read(&self) -> JoinHandle<Vec<u8>> {
        let mut master = File::from(self.ends.master.try_clone().unwrap());
        thread::spawn(move || {
            let (mut all, mut bytes) = (Vec::new(), [0; 4_096]);
            while let Ok(len @ 1..) = master.read(&mut bytes) {
                all.extend_from_slice(&bytes[..len]);
            }
            all
        })
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    fn code(&mut self) -> Option<i32> {
        wait_for("its end", || self.child.try_wait().unwrap().ok_or_else(String::new)).code()
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether this process was begun with a signal ignored, as under nohup: so are its children.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    let ignored = u64::from_str_radix(ignored, 16).unwrap();
    ignored >> (signal as i32 - 1) & 1 == 1
}

#[test]
fn the_terminal_is_as_it_was_after_every_signal() {
    let feed = Feed::start("freeze-follower");
    let heeded = |signal: &Signal| !is_ignored(*signal);
    for signal in
        [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT].into_iter().filter(heeded)
    {
        let mut tty = Tty::start(&feed);
        let shown = tty.is_read();
        thread::sleep(Duration::from_millis(500));
        tty.signal(signal);
        let code = tty.code();
        assert_eq!(code, Some(0), "{signal}");
        assert_eq!(tcgetattr(&tty.ends.slave).unwrap(), tty.before, "{signal}");
        drop(tty);
        let shown = String::from_utf8_lossy(&shown.join().unwrap()).into_owned();
        let (enters, leaves) = (shown.find("\u{1b}[?1049h").unwrap(), shown.find("\u{1b}[?1049l").unwrap());
        assert!(enters < leaves && shown[leaves..].contains("\u{1b}[?25h"), "{signal}");
    }
}

#[test]
#[ignore = "run by the test below it, on a terminal"]
fn panics_while_the_screen_is_shown() {
    let clock = WallClock { zone: TimeZone::UTC, digits: Digits::default() };
    let _terminal = Terminal::start(State::new(clock)).unwrap();
    thread::sleep(Duration::from_millis(500));
    panic!("on purpose");
}

#[test]
fn a_panic_is_told_on_a_terminal_that_is_as_it_was() {
    let mut tty = Tty::test("panics_while_the_screen_is_shown");
    let shown = tty.is_read();
    let code = tty.code();
    assert_eq!(code, Some(101));
    assert_eq!(tcgetattr(&tty.ends.slave).unwrap(), tty.before);
    drop(tty);
    let shown = String::from_utf8_lossy(&shown.join().unwrap()).into_owned();
    let at = |what: &str| shown.find(what).unwrap_or_else(|| panic!("no {what:?} in {shown}"));
    let (enters, leaves, told) = (at("\u{1b}[?1049h"), at("\u{1b}[?1049l"), at("on purpose"));
    assert!(enters < leaves && leaves < told, "{shown}");
    // Told from the left edge on: the line before it ended as lines do where nothing is raw.
    assert!(shown[leaves..].contains("\r\n"), "{shown}");
}

#[test]
fn a_stopped_terminal_does_not_stop_the_watching() {
    let mut feed = Feed::start("freeze-follower");
    let mut tty = Tty::start(&feed);
    // As Ctrl-S did: whoever writes to it waits.
    tcflow(&tty.ends.slave, FlowArg::TCOOFF).unwrap();
    let recordings = feed.recordings();
    wait_for("a recording", || {
        let names: Vec<_> =
            fs::read_dir(&recordings).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        if names.iter().any(|name| name.to_string_lossy().ends_with(".pcapng")) {
            Ok(())
        } else {
            Err(format!("{names:?}"))
        }
    });
    feed.is_written();
    tty.signal(Signal::SIGTERM);
    // Nobody reads the report either: that is an error, and not a process that stays.
    let code = tty.code();
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
    assert!(tty.echoes(), "what needs no writing is put right");
    let mut said = String::new();
    tty.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("nobody reads it"), "{said}");
}

#[test]
fn a_screen_needs_a_terminal() {
    let feed = Feed::start("healthy");
    let output = Command::new(env!("CARGO_BIN_EXE_qscope"))
        .args(arguments(&feed))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("--tui: standard input and output are no terminal"),
        "{said}"
    );
    let output =
        Command::new(env!("CARGO_BIN_EXE_qscope")).args(arguments(&feed)).arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "lines for programs are no screen");
}
