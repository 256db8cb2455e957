//! The servers' own logs beside a capture: the events assigned to the stall, and the detected time zone.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A follower frozen for 15 s, whose log then blames the disk.
fn frozen() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/freeze-follower")
}

fn run(args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qscope"));
    let output = command.arg("replay").args(args).arg(frozen()).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn report(args: &[&str]) -> Value {
    let (code, out, err) = run(&[&["--format", "json"], args].concat());
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

fn log(name: &str) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(fs::File::open(frozen().join(name)).unwrap()).read_to_string(&mut text).unwrap();
    text
}

/// The log with every clock 5 h 30 min ahead: from 08:02:42 to 13:32:42.
fn in_kolkata(text: &str) -> String {
    let shifted = |line: &str| {
        let minutes: Option<u32> = line.get(14..16).and_then(|minutes| minutes.parse().ok());
        match (line.strip_prefix("2026-11-21 08:"), minutes) {
            (Some(rest), Some(minutes)) if minutes < 30 => {
                format!("2026-11-21 13:{:02}{}", minutes + 30, rest.get(2..).unwrap())
            }
            _ => line.to_owned(),
        }
    };
    text.lines().map(shifted).map(|line| line + "\n").collect()
}

fn kinds(stall: &Value) -> Vec<&str> {
    stall["log"].as_array().unwrap().iter().map(|line| line["kind"].as_str().unwrap()).collect()
}

fn words(stall: &Value) -> Vec<(Option<bool>, &str)> {
    let words = stall["log_says"].as_array().unwrap();
    words.iter().map(|word| (word["agrees"].as_bool(), word["what"].as_str().unwrap())).collect()
}

#[test]
fn lines_are_tied_to_the_stall_and_judged_by_the_wire() {
    let (one, five) = (frozen().join("zk1.log.gz"), frozen().join("zk5.log.gz"));
    let report = report(&["--log", one.to_str().unwrap(), "--log", five.to_str().unwrap()]);
    let stall = &report["stalls"][0];
    assert_eq!(stall["cause"], "process_stalled");
    let first = &stall["log"][0];
    assert_eq!((&first["server"], &first["kind"]), (&"10.255.0.105".into(), &"read_timeout".into()));
    assert_eq!(first["at"], "2026-11-21T08:02:42.493000Z");
    assert_eq!(first["peer"], "10.255.0.101:45744");
    for kind in ["goodbye", "learner_failed", "fsync", "election_took"] {
        assert!(kinds(stall).contains(&kind), "{kind}");
    }
    assert!(!kinds(stall).contains(&"zxid_gap"), "expected 0x1 is harmless");
    let words = words(stall);
    assert_eq!(words.iter().map(|word| word.0).collect::<Vec<_>>(), [Some(true), Some(false), None]);
    assert!(words[0].1.contains("Read timed out"), "{words:?}");
    assert!(words[1].1.contains("15006 ms"), "{words:?}");
    assert!(words[1].1.contains("the process stood still"), "{words:?}");
}

#[test]
fn local_time_is_found_from_what_the_wire_shows_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for name in ["zk1", "zk5"] {
        let path = folder.path().join(format!("{name}.log"));
        fs::write(&path, in_kolkata(&log(&format!("{name}.log.gz")))).unwrap();
        paths.push(path.display().to_string());
    }
    let args = ["--log", &paths[0], "--log", &paths[1]];
    let found = report(&args);
    for log in found["input"]["logs"].as_array().unwrap() {
        assert_eq!((&log["zone_from"], &log["offset_s"]), (&"wire".into(), &19_800.into()), "{log}");
        assert_eq!(log["moved"], false);
    }
    assert_eq!(found["stalls"][0]["log"][0]["at"], "2026-11-21T08:02:42.493000Z");
    let told = report(&[&args[..], &["--log-tz", "Asia/Kolkata"]].concat());
    assert_eq!(told["stalls"], found["stalls"]);
    assert_eq!(told["input"]["logs"][0]["zone_from"], "option");
    let (_, text, _) = run(&[&["-v"], &args[..]].concat());
    assert!(text.contains("UTC+05:30"), "{text}");
}

#[test]
fn a_clock_that_is_off_is_moved_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zookeeper.out");
    // 20 s ahead, if that stays within the minute.
    let moved = |line: &str| match line.get(17..19).and_then(|seconds| seconds.parse::<u32>().ok()) {
        Some(seconds) if line.starts_with("2026-") && seconds < 40 => {
            format!("{}{:02}{}\n", &line[..17], seconds + 20, &line[19..])
        }
        Some(seconds) if line.starts_with("2026-11-21 08:02") => {
            format!("2026-11-21 08:03:{:02}{}\n", seconds - 40, &line[19..])
        }
        _ => format!("{line}\n"),
    };
    let text: String = log("zk1.log.gz").lines().map(moved).collect();
    fs::write(&path, text).unwrap();
    let report = report(&["--log", &format!("10.255.0.101={}", path.display())]);
    let log = &report["input"]["logs"][0];
    // No line of this log names its connection, so such a large difference is not accepted.
    assert_eq!((&log["server"], &log["moved"]), (&"10.255.0.101".into(), &false.into()));
    assert_eq!((&log["zone_from"], &log["difference_ms"]), (&"default".into(), &Value::Null));
}

#[test]
fn what_cannot_be_used_is_said() {
    let (code, _, err) = run(&["--log", "/nowhere/zk1.log"]);
    assert_eq!(code, 2);
    assert!(err.contains("/nowhere/zk1.log"), "{err}");
    let path = frozen().join("zoo.cfg").display().to_string();
    let (code, _, err) = run(&["--log", &format!("zk77={path}")]);
    assert_eq!(code, 2);
    assert!(err.contains("no server is called zk77"), "{err}");
    let (code, out, err) = run(&["-v", "--log", &path]);
    assert_eq!(code, 0);
    assert!(err.contains("no line with a time"), "{err}");
    assert!(out.contains("of no server known"), "{out}");
}

#[test]
fn a_log_cannot_touch_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evil.log");
    let evil = log("zk5.log.gz").replace("Read timed out", "Read timed out\x1b]0;owned\x07\u{202e}");
    fs::write(&path, evil).unwrap();
    let path = path.display().to_string();
    let (_, text, _) = run(&["-v", "--log", &path]);
    assert!(text.contains("\\u{1b}]0;owned\\u{7}\\u{202e}"), "{text}");
    assert!(!text.contains(['\x1b', '\x07', '\u{202e}']));
    let (_, json, _) = run(&["--format", "json", "--log", &path]);
    assert!(!json.contains(['\x1b', '\x07', '\u{202e}']));
}

/// 35 % loss at zk1, captured at zk2, which shows nothing of the link that suffered.
#[test]
fn a_drop_that_only_logs_tell_of_is_an_incident() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let captures = root.join("testdata/loss-follower");
    let told = |capture: &str, logs: &[&str]| -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qscope"));
        command.args(["replay", "--format", "json", "--zoo-cfg"]).arg(captures.join("zoo.cfg"));
        for log in logs {
            command.arg("--log").arg(root.join("tests/logs").join(log));
        }
        let output = command.arg(captures.join(capture)).stdin(Stdio::null()).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert!(told("zk2.pcap.zst", &[])["incidents"].as_array().unwrap().is_empty());
    let report = told("zk2.pcap.zst", &["zk1.log", "zk3.log"]);
    let incidents = report["incidents"].as_array().unwrap();
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    let incident = &incidents[0];
    assert_eq!((&incident["root"], &incident["confidence"]), (&"unknown".into(), &"likely".into()));
    assert_eq!((&incident["from_log"], &incident["suspect"]), (&true.into(), &Value::Null));
    assert_eq!(incident["start"], "2026-11-21T08:10:19.079000Z");
    assert_eq!(incident["end"], "2026-11-21T08:10:21.345000Z");
    let (summary, why) = (incident["summary"].as_str().unwrap(), incident["why"].to_string());
    assert!(summary.starts_with("CONTACT WAS LOST BETWEEN LEADER server.3 AND server.1 "), "{summary}");
    assert!(why.contains("transaction timeout") && why.contains("Connection reset"), "{why}");
    // Where the wire shows it, the log is no incident of its own; its lines belong to the one there is.
    let report = told("zk3.pcap.zst", &["zk1.log", "zk3.log"]);
    let incidents = report["incidents"].as_array().unwrap();
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    assert_eq!(incidents[0]["root"], "network_loss");
    assert_eq!(incidents[0]["from_log"], false);
}

#[test]
fn a_pause_millennia_ago_explains_no_drop() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let pause = |at: &str, millis: i64| {
        format!(
            "{at} [myid:1] - WARN  [JvmPauseMonitor:JvmPauseMonitor$JVMMonitor@200] - Detected pause in JVM or host \
             machine (eg GC): pause of approximately {millis}ms\n"
        )
    };
    let root_with = |more: &str| -> Value {
        let captures = root.join("testdata/loss-follower");
        let one = folder.path().join("zk1.log");
        fs::write(&one, fs::read_to_string(root.join("tests/logs/zk1.log")).unwrap() + more).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_qscope"));
        command.args(["replay", "--format", "json", "--zoo-cfg"]).arg(captures.join("zoo.cfg"));
        command.arg("--log").arg(one).arg("--log").arg(root.join("tests/logs/zk3.log"));
        let output = command.arg(captures.join("zk2.pcap.zst")).stdin(Stdio::null()).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["incidents"][0]["root"].clone()
    };
    // The ends of what 64 bits of nanoseconds hold lie in the years 1677 and 2262.
    for at in ["0001-01-01 00:00:00,000", "1677-09-22 00:00:00,000", "9999-12-30 23:59:59,999"] {
        assert_eq!(root_with(&pause(at, i64::MAX)), "unknown", "{at}");
    }
    assert_eq!(root_with(&pause("2026-11-21 08:10:19,000", i64::MAX)), "process_stalled");
}
