//! Runs the capture commands of `docs/capturing.md` against a local port, with smaller sizes.
//!
//! They need root and tcpdump; without, the tests are skipped with a message.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A closed port: each attempt is a SYN and a RST.
const PORT: u16 = 2888;
/// A file of a ring by size, in tcpdump's unit of a million bytes.
const FILE_BYTES: u64 = 1_000_000;
/// Long enough to fill every file, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

fn can_capture() -> bool {
    let may = Command::new("tcpdump")
        .args(["-i", "lo", "-c", "1", "-w", "/dev/null", "-Z", "root", "tcp port 1"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = may else {
        eprintln!("!!! SKIPPED: tcpdump is not installed");
        return false;
    };
    sleep(Duration::from_millis(500));
    let runs = child.try_wait().unwrap().is_none();
    let _ = child.kill();
    let _ = child.wait();
    if !runs {
        eprintln!("!!! SKIPPED: no right to capture on lo");
    }
    runs
}

/// The command of the page that contains these words, for `lo` and a directory, with its numbers scaled by
/// `scale`.
fn command(words: &str, folder: &Path, scale: &[(&str, &str)]) -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/capturing.md")).unwrap();
    let line = page.lines().find(|line| line.starts_with("tcpdump ") && line.contains(words)).unwrap();
    let mut line = line.replace("eth0", "lo").replace("/var/tmp", folder.to_str().unwrap());
    for (from, to) in scale {
        assert!(line.contains(from), "{line}");
        line = line.replace(from, to);
    }
    line
}

/// A capture that runs until it is dropped.
struct Running(Child);

impl Running {
    fn start(line: &str, path: Option<&Path>) -> Self {
        let search = std::env::var("PATH").unwrap();
        let search = path.map_or(search.clone(), |path| format!("{}:{search}", path.display()));
        let child = Command::new("sh")
            .args(["-c", &format!("exec {line}")])
            .env("PATH", search)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        sleep(Duration::from_millis(700));
        Self(child)
    }

    fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn files(folder: &Path) -> Vec<(String, u64)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())
    });
    let mut files: Vec<_> = entries.filter(|(name, _)| name.starts_with("zk")).collect();
    files.sort();
    files
}

/// Produces frames until `is_done`.
fn knock_until(is_done: &dyn Fn() -> bool) {
    let begun = Instant::now();
    let target = SocketAddr::from(([127, 0, 0, 1], PORT));
    while !is_done() {
        assert!(begun.elapsed() < PATIENCE, "nothing came of it in time");
        for _ in 0..500 {
            let _ = TcpStream::connect_timeout(&target, Duration::from_millis(200));
        }
    }
}

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().to_owned();
    (scratch, path)
}

#[test]
fn the_ring_by_size_keeps_its_files_and_goes_on() {
    if !can_capture() {
        return;
    }
    let (_scratch, folder) = scratch();
    let line = command("-C 500 -W 10 -w", &folder, &[("-C 500", "-C 1"), ("-W 10", "-W 2")]);
    let mut capture = Running::start(&line, None);
    // The first file is overwritten when the second is full: its start changes.
    let first = folder.join("zk.pcap0");
    knock_until(&|| files(&folder).len() == 2);
    let begun = fs::read(&first).unwrap().get(24..40).unwrap().to_vec();
    knock_until(&|| fs::read(&first).is_ok_and(|now| now.get(24..40).is_some_and(|now| now != begun)));
    assert!(capture.runs(), "{line}");
    let files = files(&folder);
    assert_eq!(files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["zk.pcap0", "zk.pcap1"]);
    assert!(files.iter().all(|(_, len)| *len <= FILE_BYTES + 200), "{files:?}");
}

#[test]
fn a_packed_ring_is_packed_anew_each_round() {
    if !can_capture() {
        return;
    }
    let (_scratch, folder) = scratch();
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/capturing.md")).unwrap();
    for line in page.lines().filter(|line| line.contains("/usr/local/bin/gzip-replace")) {
        let line = line.replace("/usr/local/bin", folder.to_str().unwrap());
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success(), "{line}");
    }
    let line = command("gzip-replace", &folder, &[("-C 500", "-C 1"), ("-W 10", "-W 2")]);
    let mut capture = Running::start(&line, Some(&folder));
    let packed = folder.join("zk.pcap0.gz");
    knock_until(&|| packed.exists());
    let begun = fs::read(&packed).unwrap();
    knock_until(&|| fs::read(&packed).is_ok_and(|now| now.len() > 1000 && now != begun));
    assert!(capture.runs(), "{line}");
    assert!(files(&folder).len() <= 4, "{:?}", files(&folder));
}

#[test]
fn the_ring_by_time_goes_on_into_the_next_file() {
    if !can_capture() {
        return;
    }
    let (_scratch, folder) = scratch();
    let line = command("-G 3600", &folder, &[("-G 3600", "-G 1"), ("%H", "%S")]);
    let mut capture = Running::start(&line, None);
    knock_until(&|| files(&folder).len() >= 3);
    assert!(capture.runs(), "{line}");
}
