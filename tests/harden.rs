//! What somebody on the same host or network may try against a `qscope` that runs, end to end: it goes on, it keeps
//! what is not its own, and it says what was lost.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const QSCOPE: &str = env!("CARGO_BIN_EXE_qscope");
/// How long something may take that takes a moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// A pcap file's header.
fn header() -> Vec<u8> {
    [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1].iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// PINGs of a leader and their answers on one link, as pcap records: two frames for each, half a second apart.
fn pings(link: u32, numbers: std::ops::Range<u32>) -> Vec<u8> {
    let (leader, learner) = ((0x0ac8_0001_u32, 2888_u16), (0x0ac8_0100 + link, 40_000_u16));
    let ping = [&5_u32.to_be_bytes()[..], &0x1_0000_0001_u64.to_be_bytes(), &[0xff; 8]].concat();
    let pong = [&5_u32.to_be_bytes()[..], &0x1_0000_0001_u64.to_be_bytes(), &[0; 4], &[0xff; 4]].concat();
    let mut out = Vec::new();
    for number in numbers {
        // Every connection begins at a number of its own.
        let seq = 1 + link * 1_000_003 + number * 20;
        let at = (1_795_248_000 + number / 2, number % 2 * 500_000 + link % 1_000);
        segment(&mut out, at, (leader, learner), (seq, seq), &ping);
        segment(&mut out, (at.0, at.1 + 200), (learner, leader), (seq, seq + 20), &pong);
    }
    out
}

/// A PING of a leader whose learner answered those before `answered`, and is silent since.
fn unanswered(link: u32, answered: u32, number: u32) -> Vec<u8> {
    let (leader, learner) = ((0x0ac8_0001_u32, 2888_u16), (0x0ac8_0100 + link, 40_000_u16));
    let ping = [&5_u32.to_be_bytes()[..], &0x1_0000_0001_u64.to_be_bytes(), &[0xff; 8]].concat();
    let first = 1 + link * 1_000_003;
    let at = (1_795_248_000 + number / 2, number % 2 * 500_000 + link % 1_000);
    let mut out = Vec::new();
    segment(&mut out, at, (leader, learner), (first + number * 20, first + answered * 20), &ping);
    out
}

/// The same records, so many seconds later.
fn later(records: &[u8], seconds: u32) -> Vec<u8> {
    let mut out = records.to_vec();
    let mut at = 0;
    while at < out.len() {
        let word = |out: &[u8], at: usize| u32::from_le_bytes(out[at..at + 4].try_into().unwrap());
        let time = word(&out, at) + seconds;
        out[at..at + 4].copy_from_slice(&time.to_le_bytes());
        at += 16 + word(&out, at + 8) as usize;
    }
    out
}

fn segment(
    out: &mut Vec<u8>,
    (seconds, micros): (u32, u32),
    (src, dst): ((u32, u16), (u32, u16)),
    (seq, ack): (u32, u32),
    payload: &[u8],
) {
    let len = u32::try_from(54 + payload.len()).unwrap();
    [seconds, micros, len, len].iter().for_each(|word| out.extend(word.to_le_bytes()));
    let mut head = [0; 54];
    head[12..14].copy_from_slice(&[8, 0]);
    head[14] = 0x45;
    head[16..18].copy_from_slice(&u16::try_from(len - 14).unwrap().to_be_bytes());
    head[18..20].copy_from_slice(&seq.to_be_bytes()[2..]);
    head[22..24].copy_from_slice(&[64, 6]);
    head[26..30].copy_from_slice(&src.0.to_be_bytes());
    head[30..34].copy_from_slice(&dst.0.to_be_bytes());
    head[34..36].copy_from_slice(&src.1.to_be_bytes());
    head[36..38].copy_from_slice(&dst.1.to_be_bytes());
    head[38..42].copy_from_slice(&seq.to_be_bytes());
    head[42..46].copy_from_slice(&ack.to_be_bytes());
    head[46..48].copy_from_slice(&[0x50, 0x10]);
    out.extend(head);
    out.extend(payload);
}

/// A `qscope live --follow` that runs.
struct Watched {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Watched {
    fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = read_lines(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn follow(folder: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(QSCOPE);
        command.args(["live", "--format", "json", "--follow"]).arg(folder).args(args);
        let watched = Self::of(command);
        watched.until("start");
        watched
    }

    /// The first line of a kind, waited for.
    fn until(&self, event: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let found = self.lines.lock().unwrap().iter().find(|line| line["event"] == event).cloned();
            if let Some(found) = found {
                return found;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("no {event}: {:?}", self.lines.lock().unwrap());
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Its last report, once it has ended.
    fn end(mut self, signal: &str) -> Value {
        let reports = |lines: &[Value]| lines.iter().filter(|line| line["event"] == "report").count();
        let before = reports(&self.lines.lock().unwrap());
        self.signal(signal);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        let until = Instant::now() + PATIENCE;
        while reports(&self.lines.lock().unwrap()) == before {
            assert!(Instant::now() < until, "it ended without a report");
            thread::sleep(Duration::from_millis(5));
        }
        let lines = self.lines.lock().unwrap();
        lines.iter().rfind(|line| line["event"] == "report").unwrap()["report"].clone()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(out: ChildStdout) -> Arc<Mutex<Vec<Value>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&lines);
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            all.lock().unwrap().push(serde_json::from_str(&line).unwrap());
        }
    });
    lines
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let until = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < until, "{address}: {error}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn is_healthy(address: SocketAddr) -> bool {
    // One that is pushed out by others asks again, as a collector does.
    (0..20).any(|_| {
        let mut stream = connect(address);
        let mut answer = String::new();
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\n\r\n");
        let _ = stream.read_to_string(&mut answer);
        answer.ends_with("ok\n")
    })
}

/// Frames that are written until the guard goes; how many, in the end.
struct Flow {
    is_over: Arc<AtomicBool>,
    thread: thread::JoinHandle<u32>,
}

impl Flow {
    fn start(path: PathBuf) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let mut file = File::create(path).unwrap();
            file.write_all(&header()).unwrap();
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                file.write_all(&pings(0, number..number + 50)).unwrap();
                number += 50;
                thread::sleep(Duration::from_millis(5));
            }
            2 * number
        });
        Self { is_over, thread }
    }

    fn end(self) -> u32 {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

#[test]
fn nobody_ends_or_blinds_the_watching_by_its_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_port();
    // As few descriptors as leave it none for more connections than it takes.
    let script = format!(
        "ulimit -n 40; exec {QSCOPE} live --format json --metrics {address} --follow {}",
        folder.path().display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    let watched = Watched::of(command);
    watched.until("start");
    let flow = Flow::start(folder.path().join("a.pcap"));
    for length in ["18446744073709551615", "-1", "99999999999999999999999"] {
        let mut stream = connect(address);
        let _ = write!(stream, "POST /metrics HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
        assert!(is_healthy(address), "{length}");
    }
    // Reset right after their requests.
    for _ in 0..600 {
        let _ = connect(address).write_all(b"GET /metrics HTTP/1.1\r\n\r\nand more");
    }
    assert!(is_healthy(address), "after resets");
    // Idle, and in the middle of their heads.
    let idle: Vec<_> = (0..120).map(|_| connect(address)).collect();
    idle.iter().for_each(|mut stream| drop(stream.write_all(b"GET /metrics HTTP/1.1\r\nA: ")));
    assert!(is_healthy(address), "beside idle connections");
    // A head without end.
    let mut endless = connect(address);
    let sent = (0..25_600).take_while(|_| endless.write_all(&[b'a'; 4_096]).is_ok()).count();
    assert!(sent < 25_600, "100 MiB of head were taken");
    // A body that never comes, and an answer that nobody reads.
    let mut unsent = connect(address);
    unsent.write_all(b"GET /metrics HTTP/1.1\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n").unwrap();
    let mut unread = connect(address);
    unread.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    assert!(is_healthy(address), "in the end");
    assert!(peak(&watched.child) < 128, "{} MiB", peak(&watched.child));
    let written = flow.end();
    thread::sleep(Duration::from_millis(500));
    let report = watched.end("-INT");
    assert_eq!(report["input"]["frames"], written, "frames were lost meanwhile");
}

#[test]
fn output_that_nobody_reads_blocks_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_port();
    let mut child = Command::new(QSCOPE)
        .args(["live", "--format", "json", "--metrics", &address.to_string(), "--follow"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    assert!(is_healthy(address));
    // Each of these is announced twice; a pipe and the queue hold some thousand.
    for number in 0..6_000 {
        fs::write(folder.path().join(format!("no-capture-{number}")), "nonsense").unwrap();
    }
    let flow = Flow::start(folder.path().join("z.pcap"));
    let until = Instant::now() + PATIENCE;
    let is_read = |address| {
        let mut stream = connect(address);
        let mut answer = String::new();
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n");
        let _ = stream.read_to_string(&mut answer);
        let frames = answer.lines().find_map(|line| line.strip_prefix("quorumscope_frames_total "));
        frames.is_some_and(|frames| frames.parse::<u64>().unwrap() > 0)
    };
    while !is_read(address) {
        assert!(Instant::now() < until, "frames are not read any more");
        thread::sleep(Duration::from_millis(50));
    }
    // The reader is back.
    let mut watched = Watched { child, lines: read_lines(out) };
    let dropped = loop {
        let lines = watched.lines.lock().unwrap().clone();
        let what =
            lines.iter().filter(|line| line["event"] == "problem").find_map(|line| line["what"].as_str());
        if let Some(what) = what.filter(|what| what.contains("were dropped")) {
            break what.to_owned();
        }
        assert!(Instant::now() < until, "drops are not told");
        // Something to announce.
        fs::write(folder.path().join(format!("again-{}", lines.len())), "nonsense").unwrap();
        thread::sleep(Duration::from_millis(20));
    };
    assert!(dropped.split(' ').next().unwrap().parse::<u64>().unwrap() > 100, "{dropped}");
    let written = flow.end();
    thread::sleep(Duration::from_millis(500));
    watched.signal("-INT");
    assert!(watched.child.wait().unwrap().success());
    assert_eq!(watched.until("report")["report"]["input"]["frames"], written);
}

/// Whether what is started from here ignores SIGHUP.
fn is_hangup_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(ignored.trim(), 16).unwrap() & 1 == 1
}

#[test]
fn every_way_of_ending_it_gives_a_report() {
    let folder = tempfile::tempdir().unwrap();
    for signals in [&["-HUP"][..], &["-TERM"], &["-INT"], &["-TERM", "-INT"]] {
        // Under nohup a hangup is to be survived.
        if signals == ["-HUP"] && is_hangup_ignored() {
            eprintln!("SKIPPED: a hangup is ignored here, as under nohup");
            continue;
        }
        let watched = Watched::follow(folder.path(), &[]);
        let (last, before) = signals.split_last().unwrap();
        before.iter().for_each(|signal| watched.signal(signal));
        watched.end(last);
    }
}

#[test]
fn a_second_signal_of_one_kind_ends_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["-TERM", "-INT"] {
        let mut command = Command::new(QSCOPE);
        command.args(["live", "--format", "json", "--follow"]).arg(folder.path());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        // It has begun, and more is announced than a pipe takes that nobody reads any more.
        out.read_exact(&mut [0; 2]).unwrap();
        for number in 0..3_000 {
            fs::write(folder.path().join(format!("no-capture{signal}-{number}")), "nonsense").unwrap();
        }
        let send = || {
            assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success())
        };
        thread::sleep(Duration::from_millis(2_000));
        send();
        thread::sleep(Duration::from_millis(1_000));
        send();
        let until = Instant::now() + Duration::from_secs(5);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > until {
                child.kill().unwrap();
                panic!("{signal} twice, and it goes on");
            }
            thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(status.code(), Some(2), "{signal}");
        drop(out);
    }
}

#[test]
fn what_is_written_anew_too_early_is_said_to_be_lost() {
    let folder = tempfile::tempdir().unwrap();
    let watched = Watched::follow(folder.path(), &[]);
    let ring: Vec<_> = (0..3).map(|number| folder.path().join(format!("ring{number}"))).collect();
    let mut written = 0_u32;
    for turn in 0..60 {
        let mut file = File::create(&ring[turn % 3]).unwrap();
        file.write_all(&header()).unwrap();
        for _ in 0..10 {
            file.write_all(&pings(0, written..written + 100)).unwrap();
            written += 100;
        }
        thread::sleep(Duration::from_millis(30));
    }
    thread::sleep(Duration::from_millis(2_500));
    let lines = Arc::clone(&watched.lines);
    let report = watched.end("-INT");
    let read = report["input"]["frames"].as_u64().unwrap();
    let is_told = lines
        .lock()
        .unwrap()
        .iter()
        .any(|line| line["what"].as_str().is_some_and(|what| what.contains("lost")));
    assert!(read == u64::from(2 * written) || is_told, "{read} of {} frames without a word", 2 * written);
}

/// Runs it, and answers what it said.
fn replay(args: &[&str]) -> Output {
    Command::new(QSCOPE).arg("replay").args(args).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn annotating_destroys_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let captures = folder.path().join("captures");
    fs::create_dir(&captures).unwrap();
    let capture = captures.join("a.pcap").display().to_string();
    let content = [header(), pings(0, 0..20)].concat();
    fs::write(&capture, &content).unwrap();
    fs::write(captures.join("notes.txt"), "precious").unwrap();
    fs::write(path("zoo.cfg"), "tickTime=2000\ndynamicConfigFile=zoo.dynamic\n").unwrap();
    fs::write(path("zoo.dynamic"), "server.1=10.200.0.1:2888:3888\n").unwrap();
    fs::write(path("zk.log"), "precious").unwrap();
    symlink(&capture, path("soft.pcapng")).unwrap();
    fs::hard_link(&capture, path("hard.pcapng")).unwrap();
    let inputs = ["--zoo-cfg", &path("zoo.cfg"), "--log", &path("zk.log"), captures.to_str().unwrap()]
        .map(str::to_owned);
    let notes = captures.join("notes.txt").display().to_string();
    let names = ["soft.pcapng", "hard.pcapng", "zoo.cfg", "zoo.dynamic", "zk.log"].map(path);
    for target in names.iter().chain([&capture, &notes]) {
        for force in [&["--force"][..], &[]] {
            let args = [&["--annotate", target], force].concat();
            let args: Vec<&str> = args.into_iter().chain(inputs.iter().map(String::as_str)).collect();
            let said = replay(&args);
            assert_eq!(said.status.code(), Some(2), "{args:?}");
            let said = String::from_utf8(said.stderr).unwrap();
            assert!(said.contains("one of the files that are read"), "{args:?}: {said}");
        }
    }
    assert_eq!(fs::read(&capture).unwrap(), content);
    assert_eq!(fs::read(&notes).unwrap(), b"precious");
    // Another file is replaced where that is asked for, and only then; its mode is that of all we write.
    let other = path("other.pcapng");
    fs::write(&other, "old").unwrap();
    let said = replay(&["--annotate", &other, &capture]);
    assert!(String::from_utf8(said.stderr).unwrap().contains("--force"));
    assert_eq!(fs::read(&other).unwrap(), b"old");
    assert!(replay(&["--annotate", &other, "--force", &capture]).status.success());
    assert!(fs::read(&other).unwrap().starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]));
    assert_eq!(fs::metadata(&other).unwrap().permissions().mode() & 0o137, 0);
    let left = fs::read_dir(folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(".part"));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("a.pcap");
    let mut content = header();
    // A stall in the middle, so that there is something to write.
    content.extend(pings(0, 0..200));
    content.extend(later(&pings(0, 200..400), 20));
    fs::write(&capture, content).unwrap();
    let out = folder.path().join("out.pcapng");
    fs::write(&out, "old").unwrap();
    // The shell's units are blocks of 512 bytes; the signal is ignored, so that writing fails.
    let script = format!(
        "trap '' XFSZ; ulimit -f 8; exec {QSCOPE} replay --tick-time 1000 --annotate {} --force {}",
        out.display(),
        capture.display()
    );
    let said = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    assert_eq!(fs::read(&out).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "half a file is left");
}

#[test]
fn nothing_that_a_terminal_obeys_leaves_it() {
    const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}\u{9b}31m";
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join(format!("a{HOSTILE}.pcap"));
    fs::write(&capture, [header(), pings(0, 0..200), later(&pings(0, 200..400), 20)].concat()).unwrap();
    let config = folder.path().join("zoo.cfg");
    fs::write(&config, format!("tickTime=1000\nserver.1=zk{HOSTILE}:2888:3888\nserver.2={HOSTILE}\nserver.7=10.200.0.1:2888:3888\n")).unwrap();
    let (capture, config) = (capture.display().to_string(), config.display().to_string());
    let annotated = folder.path().join("out.pcapng").display().to_string();
    let argument = format!("--no-such{HOSTILE}");
    let is_safe = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control() && c != '\u{202e}')
    };
    for args in [
        &["replay", &argument][..],
        &["replay", "--warn-at", HOSTILE, "x"],
        &["replay", &format!("no{HOSTILE}file")],
        &["replay", "--zoo-cfg", &config, &capture],
        &["replay", "--zoo-cfg", &config, "--annotate", &annotated, &capture],
        &["replay", "--format", "json", "--zoo-cfg", &config, &capture],
        &["replay", "--server", HOSTILE, &capture],
        &["replay", "--log", &capture, &capture],
        &["dump", "-v", &capture],
        &["dump", "--type", HOSTILE, &capture],
        &["live", "-i", HOSTILE],
        &["live", "--follow", HOSTILE],
        &["live", "-i", "lo", "-Z", HOSTILE],
        &[HOSTILE],
    ] {
        let said = Command::new(QSCOPE).args(args).stdin(Stdio::null()).output().unwrap();
        assert!(is_safe(&said.stdout), "{args:?}: {}", String::from_utf8_lossy(&said.stdout));
        assert!(is_safe(&said.stderr), "{args:?}: {}", String::from_utf8_lossy(&said.stderr));
    }
    let written = fs::read(&annotated).unwrap();
    let has = |text: &str| written.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!has("\u{1b}]0;") && !has("\u{202e}"), "comments carry them");
}

#[test]
fn a_pipe_in_the_folder_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.pcap");
    fs::write(&file, [header(), pings(0, 0..10)].concat()).unwrap();
    let watched = Watched::follow(folder.path(), &[]);
    thread::sleep(Duration::from_millis(300));
    fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    thread::sleep(Duration::from_millis(600));
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.path().join("b.pcap"))
        .unwrap()
        .write_all(&[header(), pings(0, 10..20)].concat())
        .unwrap();
    thread::sleep(Duration::from_millis(2_500));
    assert_eq!(watched.end("-INT")["input"]["frames"], 40);
}

/// MiB that a process has held at most by now.
fn peak(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}

/// MiB that the unit allows.
fn unit_limit() -> u64 {
    let unit =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/qscope.service")).unwrap();
    let limit = unit.lines().find_map(|line| line.strip_prefix("MemoryMax=")).unwrap();
    limit.trim_end_matches('M').parse().unwrap()
}

#[test]
fn the_units_memory_holds_the_worst_that_our_own_limits_allow() {
    const LINKS: u32 = 4_096;
    const ROUNDS: u32 = 84;
    let (folder, recordings) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let record = recordings.path().display().to_string();
    let args =
        ["--record", &record, "--after", "1s", "--tick-time", "500", "--warn-at", "100", "--before", "1h"];
    let watched = Watched::follow(folder.path(), &args);
    let mut file = File::create(folder.path().join("a.pcap")).unwrap();
    file.write_all(&header()).unwrap();
    let since = |rounds: u32| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        u32::try_from(now).unwrap() - 1_795_248_000 - rounds / 2
    };
    let to_now = since(ROUNDS);
    // All links at once, round after round, until the ring of the recorder is full.
    for round in 0..ROUNDS {
        let round: Vec<u8> = (0..LINKS).flat_map(|link| pings(link, round..round + 1)).collect();
        file.write_all(&later(&round, to_now)).unwrap();
    }
    // All learners but one fall silent: a stall of each, and a recording.
    let is_told = |event: &str| watched.lines.lock().unwrap().iter().any(|line| line["event"] == event);
    let mut is_asked = false;
    let mut round = ROUNDS;
    let mut written = u64::from(2 * LINKS * ROUNDS);
    // Time passes with the frames.
    while !is_told("recording") || !is_told("report") {
        assert!(round < 600, "no stall, no recording or no report");
        let frames: Vec<u8> = (0..LINKS)
            .flat_map(|link| match link {
                1 => pings(link, round..round + 1),
                _ => unanswered(link, ROUNDS, round),
            })
            .collect();
        file.write_all(&later(&frames, since(round))).unwrap();
        written += u64::from(LINKS) + 1;
        round += 1;
        if !is_asked && is_told("stall") {
            is_asked = true;
            watched.signal("-USR1");
        }
        thread::sleep(Duration::from_millis(200));
    }
    let report = watched.until("report")["report"].clone();
    assert_eq!(report["links"].as_array().unwrap().len(), LINKS as usize);
    let peak = peak(&watched.child);
    eprintln!(
        "{peak} MiB at most, with {LINKS} links, a recording, and a report of {} bytes",
        report.to_string().len()
    );
    // The kernel's buffer and batches under way come on top where an interface is read.
    assert!(peak + 16 + 20 < unit_limit(), "{peak} MiB");
    let lines = Arc::clone(&watched.lines);
    let frames = watched.end("-INT")["input"]["frames"].clone();
    let problems = lines.lock().unwrap().iter().filter(|line| line["event"] == "problem").count();
    assert!(frames == written || problems > 0, "{frames} of {written} frames without a word");
}

#[test]
fn each_line_is_one_that_a_file_receiver_takes() {
    let folder = tempfile::tempdir().unwrap();
    let captures = folder.path().join("captures");
    fs::create_dir(&captures).unwrap();
    // As docs/live.md has it: appended to a file.
    let path = folder.path().join("live.jsonl");
    let out = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    let mut command = Command::new(QSCOPE);
    command.args(["live", "--json", "--follow"]).arg(&captures);
    let mut child = command.stdout(out).spawn().unwrap();
    let lines = || fs::read_to_string(&path).unwrap();
    let until = |what: &str| {
        let until = Instant::now() + PATIENCE;
        while !lines().contains(what) {
            assert!(Instant::now() < until, "no {what} in {}", lines());
            thread::sleep(Duration::from_millis(20));
        }
    };
    until("\"start\"");
    fs::write(captures.join("a \u{1b}[2J\n.pcap"), [header(), pings(0, 0..40)].concat()).unwrap();
    until("\"notice\"");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    let text = lines();
    assert!(text.ends_with('\n'), "the last line is whole");
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/live.md")).unwrap();
    let most = docs.lines().find_map(|line| line.strip_prefix("max_line_bytes = ")).unwrap();
    let most: usize = most.replace('_', "").parse().unwrap();
    let mut events = Vec::new();
    for line in text.lines() {
        assert!(line.len() < most && line.chars().all(|c| !c.is_control()), "{line:?}");
        let line: Value = serde_json::from_str(line).unwrap();
        // RFC 3339, UTC: 2026-11-25T08:02:00.123456Z
        let at = line["at"].as_str().unwrap();
        assert!(at.len() >= 20 && at.as_bytes()[10] == b'T' && at.ends_with('Z'), "{at}");
        events.push(line["event"].as_str().unwrap().to_owned());
    }
    assert_eq!((events.first().unwrap().as_str(), events.last().unwrap().as_str()), ("start", "report"));
}

#[test]
fn a_link_that_pings_at_another_pace_falsifies_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("a.pcap");
    let mut records: Vec<(u64, Vec<u8>)> = Vec::new();
    for link in 0..4 {
        for number in 0..if link == 2 { 120 } else { 132 } {
            // One second apart: a tickTime of 2 s. One of the links is silent for 12 s.
            let silence = if link == 2 && number >= 60 { 12 } else { 0 };
            let at = u64::from(number + silence) * 1_000_000 + u64::from(link);
            records.push((at, pings(link, number..number + 1)));
        }
    }
    // Forged, in the leader's name, every 10 ms.
    (0..13_200).for_each(|number| records.push((u64::from(number) * 10_000, pings(77, number..number + 1))));
    records.sort_by_key(|(at, _)| *at);
    let mut content = header();
    for (at, mut record) in records {
        // A PING and its answer, 200 us later.
        for (start, later) in [(0, 0), (16 + 74, 200)] {
            let at = at + later;
            let seconds = 1_795_248_000 + u32::try_from(at / 1_000_000).unwrap();
            record[start..start + 4].copy_from_slice(&seconds.to_le_bytes());
            record[start + 4..start + 8]
                .copy_from_slice(&u32::try_from(at % 1_000_000).unwrap().to_le_bytes());
        }
        content.extend(record);
    }
    fs::write(&capture, content).unwrap();
    let said = replay(&["--format", "json", capture.to_str().unwrap()]);
    let report: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(
        (&report["settings"]["tick_ms"], &report["settings"]["tick_from"]),
        (&2000.into(), &"pings".into())
    );
    let stalls = report["stalls"].as_array().unwrap();
    assert_eq!(stalls.len(), 1, "{stalls:#?}");
    let ticks: Vec<_> =
        report["links"].as_array().unwrap().iter().map(|link| link["tick_ms"].as_u64()).collect();
    assert_eq!(ticks.iter().filter(|tick| **tick == Some(2000)).count(), 4, "{ticks:?}");
    assert!(ticks.contains(&Some(20)), "{ticks:?}");
    let text = String::from_utf8(replay(&["-v", capture.to_str().unwrap()]).stdout).unwrap();
    assert!(text.contains("PINGs as of a tickTime of 20 ms"), "{text}");
}
