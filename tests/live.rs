//! `qscope live` end to end: captures of `testdata` are sent over a virtual link and watched.
//!
//! Each test has its own network namespace with a veth pair. Where that is not permitted, the tests are
//! skipped with a message.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{list, testdata};
use quorumscope::capture::{Batch, Replay, ReplayOptions};
use quorumscope::pcapfile::{ByteOrder, pcapng};
use quorumscope::time::{Span, Timestamp};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The sending interface, and the watched one.
const ENDS: [&str; 2] = ["qs-sent", "qs-seen"];
/// How much faster than recorded the capture is sent.
const SPEED: i64 = 5;
/// How late a stall may be reported, in seconds. The promise is a quarter of a second; the rest is for busy
/// machines.
const LATE: f64 = 1.0;
/// tickTime of the capture, at that speed.
const TICK_MS: &str = "400";

/// A network namespace with a veth pair, removed on drop.
struct Wire {
    namespace: String,
}

impl Wire {
    /// Creates one; `None`, with a message, if that is not permitted.
    fn new(name: &str) -> Option<Self> {
        let wire = Self { namespace: format!("qscope-{name}-{}", std::process::id()) };
        let made = ip(&["netns", "add", &wire.namespace])
            && wire.ip(&["link", "add", ENDS[0], "type", "veth", "peer", "name", ENDS[1]])
            && ENDS.iter().all(|end| wire.ip(&["link", "set", end, "mtu", "65535", "up"]));
        if made {
            return Some(wire);
        }
        // Bypasses the test harness, which captures output.
        let _ = writeln!(
            std::io::stderr(),
            "\n!!! SKIPPED: {name}: no network namespace can be made here: run as root, with iproute2"
        );
        None
    }

    fn ip(&self, args: &[&str]) -> bool {
        ip(&[&["-n", self.namespace.as_str()], args].concat())
    }

    /// A command that runs inside.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program.as_ref()).stdin(Stdio::null());
        command
    }

    /// Sends the captures of a directory from one end, `SPEED` times as fast; `copy` records what was sent.
    fn send(&self, folder: &str, copy: &Path) -> Child {
        let sender = Path::new(env!("CARGO_BIN_EXE_qscope")).with_file_name("examples").join("send");
        assert!(sender.exists(), "cargo build --example send makes {}", sender.display());
        self.command(sender)
            .args([ENDS[0].as_ref(), testdata().join(folder).as_os_str()])
            .args([SPEED.to_string().as_ref(), copy.as_os_str()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Watches the other end.
    fn watch(&self, args: &[&str]) -> Watched {
        let mut command = self.command(env!("CARGO_BIN_EXE_qscope"));
        command
            .args(["live", "-i", ENDS[1], "--format", "json", "-s", "96", "--tick-time", TICK_MS])
            .args(["--sync-limit", "5", "--init-limit", "10"])
            .args(args);
        Watched::of(command)
    }
}

impl Watched {
    /// Starts it, and waits until it is capturing.
    fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (lines_in, lines) = channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if lines_in.send((since_1970(), line)).is_err() {
                    return;
                }
            }
        });
        let watched = Self { child, is_ending: false, lines };
        watched.next("start", Duration::from_secs(10));
        watched
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        ip(&["netns", "delete", &self.namespace]);
    }
}

fn ip(args: &[&str]) -> bool {
    let done = Command::new("ip")
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    done.is_ok_and(|status| status.success())
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// A running `qscope live`.
struct Watched {
    child: Child,
    is_ending: bool,
    lines: Receiver<(Duration, String)>,
}

impl Watched {
    /// The next line of a kind, and its time of arrival.
    fn next(&self, event: &str, patience: Duration) -> (Duration, Value) {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok((at, line)) => {
                    let value: Value = serde_json::from_str(&line).unwrap();
                    assert_eq!(value["schema"], "quorumscope.live/1");
                    if value["event"] == event {
                        return (at, value);
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no {event} within {patience:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("no {event} before the end"),
            }
        }
    }

    /// Ends it like Ctrl-C; returns the lines before the report.
    fn interrupt(&mut self) {
        self.is_ending = true;
        self.signal("-INT");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Ends it like Ctrl-C; returns the report.
    fn end(mut self) -> Value {
        // A second one would end it at once.
        if !std::mem::replace(&mut self.is_ending, true) {
            self.signal("-INT");
        }
        let (_, report) = self.next("report", Duration::from_secs(10));
        assert!(self.child.wait().unwrap().success());
        report["report"].clone()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds since 1970 of a time in an event.
fn seconds(time: &Value) -> f64 {
    let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_duration().as_secs_f64()
}

fn wait_until(began: Instant, after: Span) {
    let due = began + Duration::from_micros(after.micros());
    thread::sleep(due.saturating_duration_since(Instant::now()));
}

/// The part of a link that does not depend on the capturing clock.
const OF_LINK: [&str; 14] = [
    "id",
    "leader",
    "learner",
    "learner_sid",
    "role",
    "epoch",
    "sync",
    "picked_up",
    "closed_by",
    "close",
    "bytes",
    "records",
    "inferred",
    "losses",
];

/// The same of a stall.
const OF_STALL: [&str; 7] = ["links", "subject", "deadlines", "limit_ms", "outcome", "cause", "suspect"];

/// Asserts that two reports agree on these keys.
fn same(live: &Value, file: &Value, key: &str, parts: &[&str]) {
    let (live, file) = (list(live, key), list(file, key));
    assert_eq!(live.len(), file.len(), "{key}");
    for (live, file) in live.iter().zip(file) {
        for part in parts {
            assert_eq!(live[part], file[part], "{key} {}: {part}", file["id"]);
        }
    }
}

#[test]
fn the_wire_gives_the_report_of_the_file() {
    let Some(wire) = Wire::new("report") else { return };
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("sent.pcapng");
    // Whoever it becomes has to get there.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let recordings = folder.path().join("recordings");
    let mut watched =
        wire.watch(&["--record", recordings.to_str().unwrap(), "--before", "60s", "--after", "60s"]);
    check_rights(&watched);
    let mut sender = wire.send("freeze-follower", &copy);
    let (came, told) = watched.next("stall", Duration::from_secs(30));
    assert_eq!(told["subject"]["address"], "10.255.0.101");
    assert_eq!(told["stall"]["cause"], "process_stalled");
    let passed = seconds(&told["stall"]["start"]) + 2.0;
    let late = came.as_secs_f64() - passed;
    eprintln!("told {:.1} ms after the limit", late * 1e3);
    assert!((-0.01..LATE).contains(&late), "told {late} s after the limit");
    let (_, over) = watched.next("stall_over", Duration::from_secs(10));
    assert_eq!(over["stall"]["outcome"], "closed_by_leader");
    watched.signal("-USR1");
    let (_, so_far) = watched.next("report", Duration::from_secs(10));
    assert_eq!(list(&so_far["report"], "stalls").len(), 1);
    assert!(sender.wait().unwrap().success());
    thread::sleep(Duration::from_millis(300));
    watched.interrupt();
    // The recording is complete, and is written now.
    let (_, recording) = watched.next("recording", Duration::from_secs(10));
    let live = watched.end();
    let seen = check_recording(&recording, &recordings);
    // The very frames with their very times.
    let file = replay(&seen);
    same(&live, &file, "links", &OF_LINK);
    same(&live, &file, "links", &["opened", "closed", "round_trips", "phases", "sessions", "tcp"]);
    same(&live, &file, "stalls", &OF_STALL);
    same(&live, &file, "stalls", &["start", "end", "duration_ms"]);
    same(&live, &file, "elections", &["start", "end", "epoch", "leader_sid", "by", "rounds", "votes"]);
    same(&live, &file, "violations", &["link", "rule", "frame"]);
    // What was sent, with the times at which it was to be.
    let file = replay(&copy);
    for key in ["frames", "captured_bytes", "wire_bytes", "cut_frames", "ignored"] {
        assert_eq!(live["input"][key], file["input"][key], "{key}");
    }
    assert_eq!(live["input"]["live"]["received"]["dropped_here"], 0);
    same(&live, &file, "links", &["leader", "learner", "role", "sync", "closed_by", "close"]);
    same(&live, &file, "stalls", &OF_STALL);
    let lasted = |report: &Value| report["stalls"][0]["duration_ms"].as_u64().unwrap();
    assert!(lasted(&live).abs_diff(lasted(&file)) < 1000, "{} {}", lasted(&live), lasted(&file));
}

/// No thread has a right, or can gain one.
fn check_rights(watched: &Watched) {
    let tasks: Vec<_> = fs::read_dir(format!("/proc/{}/task", watched.child.id())).unwrap().collect();
    assert!(tasks.len() > 1, "{tasks:?}");
    for task in tasks {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
        assert!(!status.contains("Uid:\t0\t"), "{status}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert!(status.contains(&format!("{set}:\t0000000000000000")), "{set}: {status}");
        }
    }
}

#[test]
fn ambient_rights_are_gone_once_the_interface_is_open() {
    let Some(wire) = Wire::new("ambient") else { return };
    if !Command::new("setpriv").arg("--version").output().is_ok_and(|output| output.status.success()) {
        let _ =
            writeln!(std::io::stderr(), "\n!!! SKIPPED: ambient: there is no setpriv: install util-linux");
        return;
    }
    // As the unit starts it.
    let mut command = wire.command("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    command.args(["--inh-caps", "+net_raw", "--ambient-caps", "+net_raw", env!("CARGO_BIN_EXE_qscope")]);
    command.args(["live", "-i", ENDS[1], "--format", "json", "--metrics", "127.0.0.1:0"]);
    check_rights(&Watched::of(command));
}

/// The report of a file at the speed of the tests.
fn replay(path: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_qscope"))
        .args([
            "replay",
            "--format",
            "json",
            "--tick-time",
            TICK_MS,
            "--sync-limit",
            "5",
            "--init-limit",
            "10",
        ])
        .arg(path)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A recording contains the stall, its verdict, and the sentences of its evidence.
fn check_recording(told: &Value, folder: &Path) -> PathBuf {
    let path = PathBuf::from(told["path"].as_str().unwrap());
    assert_eq!(path.parent(), Some(folder));
    let bytes = fs::read(&path).unwrap();
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("stall #1 server.1 quiet towards its leader server.5"));
    assert!(has("the leader closed the link"), "the verdict is that of the end");
    assert!(has("stall #1: the last new bytes from 10.255.0.101"));
    let frames = Replay::open(std::slice::from_ref(&path), &ReplayOptions::default()).map(|mut replay| {
        let (mut batch, mut frames) = (Batch::new(), 0);
        while replay.fill(&mut batch) {
            frames += batch.len() as u64;
        }
        frames
    });
    assert_eq!(frames.unwrap(), told["frames"].as_u64().unwrap());
    assert!(told["frames"].as_u64().unwrap() > 1_000);
    path
}

#[test]
fn a_full_disk_ends_no_watching() {
    let Some(wire) = Wire::new("disk") else { return };
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    // `ip netns exec` gives a mount namespace of its own.
    let script = format!(
        "mount -t tmpfs -o size=16k none {0} && exec {1} live -i {2} --format json --tick-time 200 --warn-at 100 \
         --record {0} --after 1s -Z root",
        disk.display(),
        env!("CARGO_BIN_EXE_qscope"),
        ENDS[1]
    );
    let mut command = wire.command("sh");
    command.args(["-c", &script]);
    let watched = Watched::of(command);
    let mut sender = wire.send("freeze-follower", &folder.path().join("sent.pcapng"));
    let (_, problem) = watched.next("problem", Duration::from_secs(30));
    assert!(problem["what"].as_str().unwrap().contains("could not be written"), "{problem}");
    sender.kill().unwrap();
    sender.wait().unwrap();
    assert!(!list(&watched.end(), "stalls").is_empty());
}

#[test]
fn a_stall_is_told_though_nothing_comes_any_more() {
    let Some(wire) = Wire::new("silence") else { return };
    let folder = tempfile::tempdir().unwrap();
    let watched = wire.watch(&["--warn-at", "60"]);
    let mut sender = wire.send("freeze-follower", &folder.path().join("sent.pcapng"));
    // The follower is frozen 31.1 s after the capture's start.
    thread::sleep(Duration::from_millis(31_100 / SPEED.unsigned_abs() + 600));
    sender.kill().unwrap();
    sender.wait().unwrap();
    let (_, warning) = watched.next("warning", Duration::from_secs(3));
    assert!((1_200..1_450).contains(&warning["wait_ms"].as_u64().unwrap()), "{warning}");
    let (came, told) = watched.next("stall", Duration::from_secs(3));
    let late = came.as_secs_f64() - seconds(&told["stall"]["start"]) - 2.0;
    eprintln!("told {:.1} ms after the limit", late * 1e3);
    assert!((-0.01..LATE).contains(&late), "told {late} s after the limit");
    let report = watched.end();
    assert_eq!(report["stalls"][0]["outcome"], "open");
}

/// Writes a capture of `testdata` as a growing rotation: files of a few seconds, compressed once they are
/// complete; and everything to `copy`.
fn rotate(capture: &str, folder: &Path, copy: &Path) {
    let encoder = pcapng::PcapngEncoder { order: ByteOrder::Little };
    let mut head = Vec::new();
    encoder.section("", &mut head);
    encoder.interface(1, 96, &mut head);
    let mut copy = File::create(copy).unwrap();
    copy.write_all(&head).unwrap();
    let mut replay = Replay::open(&[testdata().join(capture)], &ReplayOptions::default()).unwrap();
    let (mut batch, mut first, mut open) = (Batch::new(), None, None::<(u64, PathBuf, File)>);
    let began = Instant::now();
    while replay.fill(&mut batch) {
        for mut frame in batch.frames() {
            let first = *first.get_or_insert(frame.at);
            wait_until(began, frame.at.since(first).over(SPEED));
            let part = began.elapsed().as_secs() / 5;
            if open.as_ref().is_none_or(|(open, ..)| *open != part) {
                let path = folder.join(format!("trace-{part}.pcap"));
                let mut file = File::create(&path).unwrap();
                file.write_all(&head).unwrap();
                if let Some((_, old, _)) = open.replace((part, path, file)) {
                    let packed = File::create(old.with_extension("pcap.gz")).unwrap();
                    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
                    packed.write_all(&fs::read(&old).unwrap()).unwrap();
                    packed.finish().unwrap();
                    fs::remove_file(&old).unwrap();
                }
            }
            let nanos = i64::try_from(since_1970().as_nanos()).unwrap();
            frame.at = Timestamp::from_nanos(nanos);
            let mut bytes = Vec::new();
            encoder.frame(0, &frame, "", &mut bytes);
            copy.write_all(&bytes).unwrap();
            open.as_mut().unwrap().2.write_all(&bytes).unwrap();
        }
    }
}

/// The response to a request.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let accept = "application/openmetrics-text;version=1.0.0,*/*;q=0.1";
    write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn check_metrics(address: SocketAddr) {
    thread::sleep(Duration::from_millis(3_500));
    let text = ask(address, "GET /metrics");
    for part in [
        "HTTP/1.1 200",
        "application/openmetrics-text; version=1.0.0",
        "\nquorumscope_stalls_total{cause=\"process_stalled\"} 1\n",
        "\nquorumscope_stalls_total{cause=\"disk_slow\"} 0\n",
        "\nquorumscope_stalls_open 0\n",
        "\nquorumscope_elections_total 1\n",
        "\nquorumscope_epoch 1\n",
        "\nquorumscope_frames_total ",
        "\nquorumscope_ping_seconds_bucket{le=\"0.001\",leader=\"server.5\",learner=\"server.1\",role=\"follower\"}",
        "\nquorumscope_headroom_ratio{leader=\"server.5\",learner=\"server.1\",role=\"follower\",deadline=\"ack\"}",
        "\n# EOF\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert!(ask(address, "GET /healthz").ends_with("\r\n\r\nok\n"));
    assert!(ask(address, "GET /").starts_with("HTTP/1.1 404"));
    assert!(ask(address, "POST /metrics").starts_with("HTTP/1.1 405"));
}

/// Links are counted up to their ends, including those that came and went between two polls.
fn check_records(counted: &str, report: &Value) {
    for kind in ["PING", "PROPOSAL", "ACK", "FOLLOWERINFO"] {
        let mut shown = 0;
        for link in list(report, "links") {
            for (key, way) in
                ["records", "inferred"].iter().flat_map(|k| ["to_leader", "to_learner"].map(|w| (k, w)))
            {
                shown += link[*key][way][kind].as_u64().unwrap_or(0);
            }
        }
        let line = format!("\nquorumscope_records_total{{type=\"{kind}\"}} {shown}\n");
        assert!(counted.contains(&line), "{line} is not in {counted}");
    }
}

#[test]
fn a_rotation_is_followed_as_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let (files, copy) = (folder.path().join("files"), folder.path().join("copy.pcapng"));
    fs::create_dir(&files).unwrap();
    fs::write(files.join("older.pcap"), "long over").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_qscope"));
    command.args(["live", "--format", "json", "--tick-time", TICK_MS, "--follow"]).arg(&files);
    let metrics = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    command.args(["--metrics", &metrics.to_string()]);
    let (writer_files, writer_copy) = (files.clone(), copy.clone());
    let writer = thread::spawn(move || rotate("freeze-follower", &writer_files, &writer_copy));
    thread::sleep(Duration::from_millis(300));
    let watched = Watched::of(command);
    let (_, notice) = watched.next("notice", Duration::from_secs(5));
    assert!(notice["what"].as_str().unwrap().ends_with("trace-0.pcap"), "{notice}");
    let (_, notice) = watched.next("notice", Duration::from_secs(5));
    assert!(notice["what"].as_str().unwrap().starts_with("1 older file"), "{notice}");
    let (came, told) = watched.next("stall", Duration::from_secs(30));
    let late = came.as_secs_f64() - seconds(&told["stall"]["start"]) - 2.0;
    eprintln!("told {:.1} ms after the limit", late * 1e3);
    assert!((-0.01..LATE).contains(&late), "told {late} s after the limit");
    watched.next("stall_over", Duration::from_secs(10));
    check_metrics(metrics);
    writer.join().unwrap();
    thread::sleep(Duration::from_millis(3_500));
    let counted = ask(metrics, "GET /metrics");
    let mut live = watched.end();
    check_records(&counted, &live);
    // The end of the files is a silence too.
    live["stalls"].as_array_mut().unwrap().retain(|stall| stall["outcome"] != "open");
    let file = replay(&copy);
    assert_eq!(list(&live["input"], "files").len(), 3, "{}", live["input"]["files"]);
    assert_eq!(live["input"]["files"][0]["format"], "pcapng");
    assert_eq!(live["input"]["files"][0]["link_type"], "ethernet");
    assert_eq!(live["input"]["frames"], file["input"]["frames"]);
    same(&live, &file, "links", &OF_LINK);
    same(&live, &file, "stalls", &OF_STALL);
    same(&live, &file, "stalls", &["start", "end", "duration_ms"]);
}

/// The report that a page holds.
fn report_of(page: &Path) -> Value {
    let page = fs::read_to_string(page).unwrap();
    let (_, behind) = page.split_once("id=\"report\">").unwrap();
    let (json, _) = behind.split_once("</script>").unwrap();
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_page_is_written_when_an_incident_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let [files, recordings, pages] = ["files", "recordings", "pages"].map(|name| folder.path().join(name));
    let copy = folder.path().join("copy.pcapng");
    fs::create_dir(&files).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_qscope"));
    command.args(["live", "--format", "json", "--tick-time", TICK_MS, "--before", "30s", "--after", "1s"]);
    command.arg("--follow").arg(&files).arg("--record").arg(&recordings);
    command.arg("--html-on-incident").arg(&pages);
    let (writer_files, writer_copy) = (files.clone(), copy.clone());
    let writer = thread::spawn(move || rotate("freeze-follower", &writer_files, &writer_copy));
    thread::sleep(Duration::from_millis(300));
    let mut watched = Watched::of(command);
    let (_, recording) = watched.next("recording", Duration::from_secs(30));
    writer.join().unwrap();
    // On a busy machine the silence at the end of the file begins in time to be on the page too.
    watched.interrupt();
    let (_, told) = watched.next("page", Duration::from_secs(30));
    watched.end();
    let path = |told: &Value| PathBuf::from(told["path"].as_str().unwrap());
    let page = path(&told);
    assert_eq!(page.parent(), Some(pages.as_path()));
    assert_eq!(page.file_stem(), path(&recording).file_stem(), "it lies beside the recording");
    assert_eq!(fs::metadata(&page).unwrap().permissions().mode() & 0o777, 0o640);
    let report = report_of(&page);
    let incident = &list(&report, "incidents")[0];
    assert_eq!(Some(list(&report, "incidents").len() as u64), told["incidents"].as_u64());
    // It is over: what the whole capture shows of it.
    let whole = replay(&copy);
    for key in ["root", "start", "end", "confidence"] {
        assert_eq!(incident[key], list(&whole, "incidents")[0][key], "{key}");
    }
    // Its frames have the numbers that they have in the recording, which is there in full by then.
    let recorded = replay(&path(&recording));
    assert_eq!(recorded["input"]["first"], report["input"]["first"]);
    let begins = |report: &Value| list(&report["stalls"][0], "evidence")[0].clone();
    assert_eq!(begins(&recorded)["frame"], begins(&report)["frame"]);
    assert!(!list(&report["series"], "links").is_empty(), "with charts");
}

#[test]
fn what_does_not_work_is_said_in_a_sentence() {
    let live = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_qscope")).arg("live").args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = live(&["-i", "qs-nowhere"]);
    assert!(said.contains("qscope live -D") || said.contains("setcap"), "{said}");
    let said = live(&["-i", "lo", "-Z", "no-such-user"]);
    assert!(said.contains("getent passwd") || said.contains("sudo"), "{said}");
    assert!(live(&[]).contains("--interface"));
    let Some(wire) = Wire::new("errors") else { return };
    let said = wire
        .command(env!("CARGO_BIN_EXE_qscope"))
        .args(["live", "-i", ENDS[1], "--filter", "no such filter"])
        .output()
        .unwrap();
    let expected =
        if cfg!(libpcap) { "qscope: --filter: " } else { "qscope: --filter needs libpcap, and this qscope" };
    assert!(String::from_utf8_lossy(&said.stderr).starts_with(expected), "{said:?}");
    let watched = wire.watch(&[]);
    assert!(wire.ip(&["link", "delete", ENDS[1]]));
    let (_, problem) = watched.next("problem", Duration::from_secs(5));
    assert!(problem["what"].as_str().unwrap().contains("ip link"), "{problem}");
    watched.next("report", Duration::from_secs(5));
}
