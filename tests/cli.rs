//! The binary end to end over captures, intact and damaged.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

/// A follower of five servers without a fault, cut at 96 bytes.
fn healthy() -> PathBuf {
    data("healthy/zk1.pcap.gz")
}

/// Another one, frozen for 15 s; four files of a rotation, the last one not compressed.
fn frozen() -> PathBuf {
    data("freeze-follower")
}

fn qscope(args: &[&str], paths: &[&Path]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qscope"));
    command.args(args).args(paths).stdin(Stdio::null()).env_remove("NO_COLOR");
    command
}

fn run(args: &[&str], paths: &[&Path]) -> Output {
    qscope(args, paths).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The report of a run that must succeed.
fn report(args: &[&str], paths: &[&Path]) -> Value {
    let output = run(&[&["replay", "--format", "json"], args].concat(), paths);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn frames(report: &Value) -> u64 {
    report["input"]["frames"].as_u64().unwrap()
}

/// The bytes of the rotation's last file, which is plain pcap.
fn plain() -> Vec<u8> {
    fs::read(frozen().join("zk1-261121-080258.pcap")).unwrap()
}

/// A file with these bytes; gone with the folder.
fn file(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_capture_becomes_a_report() {
    let report = report(&[], &[&healthy()]);
    assert_eq!(report["schema"], "quorumscope.report/1");
    assert_eq!(frames(&report), 7_974);
    assert_eq!(report["input"]["files"][0]["compression"], "gzip");
    assert_eq!(report["input"]["files"][0]["snaplen"], 96);
    assert_eq!(report["input"]["first"], "2026-11-21T08:03:19.201019Z");
    assert_eq!(report["input"]["files"][0]["problem"], Value::Null);
    assert_eq!(report["stalls"].as_array().unwrap().len(), 0);
}

#[test]
fn a_rotation_is_one_capture_in_any_order() {
    let whole = report(&[], &[&frozen()]);
    assert_eq!(frames(&whole), 8_335);
    let mut files: Vec<_> = fs::read_dir(frozen())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.display().to_string().contains(".pcap"))
        .collect();
    files.sort();
    files.reverse();
    let paths: Vec<_> = files.iter().map(PathBuf::as_path).collect();
    let mut one_by_one = report(&[], &paths);
    // Other files of the directory are reported only if the directory was given.
    one_by_one["input"]["skipped"] = whole["input"]["skipped"].clone();
    assert_eq!(one_by_one, whole);
}

#[test]
fn one_thread_and_many_give_the_same_report() {
    let mut compared = 0;
    for folder in
        fs::read_dir(data("")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        for format in ["json", "text"] {
            let with =
                |threads| run(&["replay", "-v", "--threads", threads, "--format", format], &[&folder]).stdout;
            let one = with("1");
            assert!(one.len() > 500, "{}", folder.display());
            assert!(one == with("2") && one == with("8"), "{} as {format}", folder.display());
            compared += 1;
        }
    }
    assert!(compared >= 40, "{compared}");
}

#[test]
fn standard_input_is_read_like_a_file() {
    let mut child = qscope(&["replay", "--format", "json", "-"], &[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = fs::read(healthy()).unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((frames(&report), code(&output)), (7_974, 0));
    assert_eq!(report["input"]["files"][0]["path"], "-");
}

#[test]
fn a_file_cut_in_the_middle_is_read_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = plain();
    let half = file(&folder, "half.pcap", &bytes[..bytes.len() / 2 + 7]);
    let packed = fs::read(healthy()).unwrap();
    let torn = file(&folder, "torn.pcap.gz", &packed[..packed.len() / 2]);
    for path in [&half, &torn] {
        let report = report(&[], &[path]);
        assert!(frames(&report) > 1_000, "{}", path.display());
        assert!(report["input"]["files"][0]["problem"].is_string(), "{}", path.display());
        let text = run(&["replay"], &[path]);
        let problem = report["input"]["files"][0]["problem"].as_str().unwrap();
        let shown = stdout(&text).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains(problem), "{problem} is not in\n{shown}");
    }
}

#[test]
fn what_is_no_capture_is_named_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = file(&folder, "notes.txt", b"these are notes, and no packets at all\n");
    let empty = file(&folder, "empty.pcap", b"");
    let missing = folder.path().join("missing.pcap");
    for path in [&text, &empty, &missing] {
        let alone = run(&["replay"], &[path]);
        assert_eq!(code(&alone), 2);
        assert!(stderr(&alone).contains(path.to_str().unwrap()), "{}", stderr(&alone));
        assert!(alone.stdout.is_empty());
        let both = run(&["replay", "--format", "json"], &[path, &healthy()]);
        assert_eq!(code(&both), 0);
        assert!(stderr(&both).contains(path.to_str().unwrap()), "{}", stderr(&both));
        let report: Value = serde_json::from_slice(&both.stdout).unwrap();
        assert_eq!(frames(&report), 7_974);
        let files = report["input"]["files"].as_array().unwrap();
        let problem = files.iter().find(|file| file["path"] == path.to_str().unwrap()).unwrap();
        assert!(problem["problem"].is_string() && problem["format"].is_null());
    }
}

#[test]
fn a_folder_without_captures_is_nothing_to_read() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(code(&run(&["replay"], &[folder.path()])), 2);
    file(&folder, "notes.txt", b"these are notes, and no packets at all\n");
    let output = run(&["replay"], &[folder.path()]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).starts_with("qscope: "), "{}", stderr(&output));
}

#[test]
fn wrong_usage_is_told_apart_from_a_bad_night() {
    let healthy = healthy();
    let wrong: [&[&str]; 8] = [
        &[],
        &["replay"],
        &["replay", "--tz", "Mars/Olympus"],
        &["replay", "--from", "yesterday"],
        &["replay", "--from", "2026-11-21 09:00", "--to", "2026-11-21 08:00"],
        &["replay", "--zoo-cfg", "/nowhere/zoo.cfg"],
        &["replay", "--server", "nobody"],
        &["dump", "--type", "nonsense"],
    ];
    for args in wrong {
        let paths: &[&Path] = if args.len() > 1 { &[&healthy] } else { &[] };
        let output = run(args, paths);
        assert_eq!(code(&output), 2, "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    assert_eq!(code(&run(&["--help"], &[])), 0);
    assert_eq!(code(&run(&["replay", "--fail-on-stall"], &[&healthy])), 0);
}

#[test]
fn stalls_are_told_by_the_exit_code_only_when_asked() {
    let config = frozen().join("zoo.cfg");
    let args = ["replay", "--format", "json", "--fail-on-stall", "--zoo-cfg", config.to_str().unwrap()];
    let output = run(&args, &[&frozen()]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["settings"]["tick_ms"], 2_000);
    assert_eq!(report["settings"]["tick_from"], "config");
    assert_eq!(report["stalls"][0]["subject"], "10.255.0.101");
    assert_eq!(code(&run(&["replay"], &[&frozen()])), 0);
}

#[test]
fn a_reader_who_has_enough_is_no_error() {
    for args in [&["dump", "-v"][..], &["replay", "--format", "json"]] {
        let mut child =
            qscope(args, &[&healthy()]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 16];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((code(&output), stderr(&output)), (0, String::new()), "{args:?}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    let Ok(full) = fs::File::options().write(true).open("/dev/full") else { return };
    let output = qscope(&["dump"], &[&healthy()]).stdout(full).output().unwrap();
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("cannot write the output"));
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask() {
    let plain = stdout(&run(&["replay"], &[&healthy()]));
    assert!(!plain.contains('\x1b'));
    assert!(plain.lines().all(|line| line.chars().count() <= 100), "{plain}");
    assert!(stdout(&run(&["replay", "--color", "always"], &[&healthy()])).contains('\x1b'));
}

#[test]
fn a_path_alone_is_replayed_and_json_is_short_for_its_format() {
    let whole = run(&["replay", "--format", "json"], &[&healthy()]);
    for args in [&["--json"][..], &["--format", "json"], &["replay", "--json"]] {
        let short = run(args, &[&healthy()]);
        assert!(short.stdout == whole.stdout && code(&short) == 0, "{args:?}");
    }
    let text = stdout(&run(&["replay"], &[&frozen()]));
    assert_eq!(stdout(&run(&[], &[&frozen()])), text);
    let slip = run(&["repaly"], &[&frozen()]);
    assert_eq!(code(&slip), 2);
    assert!(stderr(&slip).contains("'replay'"), "{}", stderr(&slip));
    let lines = stdout(&run(&["dump", "--json", "--type", "uptodate"], &[&healthy()]));
    assert!(lines.starts_with('{'), "{lines}");
}

#[test]
fn the_rest_comes_with_verbose() {
    let cfg = frozen().join("zoo.cfg");
    let args = ["--zoo-cfg", cfg.to_str().unwrap()];
    let (first, all) = (run(&args, &[&frozen()]), run(&[&["-v"], &args[..]].concat(), &[&frozen()]));
    let (first, all) = (stdout(&first), stdout(&all));
    assert!(first.lines().count() <= 24, "{first}");
    assert!(first.contains("server.1"), "{first}");
    for heading in ["\nLINKS  ", "\nROUND TRIPS  ", "\nREAD\n", "\nRECKONED WITH\n"] {
        assert!(all.contains(heading) && !first.contains(heading), "{heading}");
    }
    assert!(first.contains("with -v: ") && !all.contains("with -v: "));
}

#[test]
fn a_pipe_gets_no_pager() {
    let plain = run(&[], &[&frozen()]);
    let paged = qscope(&[], &[&frozen()]).env("PAGER", "false").output().unwrap();
    assert!(paged.stdout == plain.stdout && code(&paged) == 0);
}

#[test]
fn a_window_ends_the_reading() {
    let report = report(&["--to", "2026-11-21T08:03:30Z"], &[&healthy()]);
    assert!(report["input"]["last"].as_str().unwrap() < "2026-11-21T08:03:30.000001Z");
    assert!((100..7_000).contains(&frames(&report)), "what lies beyond was not read");
    assert_eq!(report["input"]["files"][0]["frames"], frames(&report));
    assert_eq!(report["input"]["files"][0]["last"], report["input"]["last"]);
    let lines = |args: &[&str]| {
        let output = run(&[&["dump", "--format", "json"], args].concat(), &[&healthy()]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stdout(&output).lines().count()
    };
    let all = lines(&[]);
    let early = lines(&["--to", "2026-11-21 08:03:40"]);
    let late = lines(&["--from", "2026-11-21 09:03:40.000001", "--tz", "Europe/Berlin"]);
    assert_eq!(early + late, all);
    assert!(early > 0 && late > 0);
}

#[test]
fn a_dump_has_a_line_per_record() {
    let output = run(&["dump", "--format", "json"], &[&healthy()]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let records: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for record in &records {
        for key in ["file", "frame", "at", "src", "dst", "proto", "type", "length", "cut"] {
            assert!(record.get(key).is_some(), "{key} is missing in {record}");
        }
    }
    let count = |kind: &str| records.iter().filter(|record| record["type"] == kind).count();
    assert_eq!(["FOLLOWERINFO", "LEADERINFO", "ACKEPOCH", "NEWLEADER", "UPTODATE"].map(count), [1; 5]);
    assert_eq!(count("PING"), 114);
    assert!(count("NOTIFICATION") > 10 && count("HELLO") > 10);
    let learner = records.iter().find(|record| record["type"] == "FOLLOWERINFO").unwrap();
    assert_eq!((&learner["sid"], &learner["dst"]), (&1.into(), &"10.255.0.105:2888".into()));
}

#[test]
fn a_dump_shows_only_what_was_asked_for() {
    let text = |args: &[&str]| stdout(&run(&[&["dump"], args].concat(), &[&healthy()]));
    let pings = text(&["--type", "ping"]);
    assert_eq!(pings.lines().count(), 114);
    assert!(pings.lines().all(|line| line.contains(" PING ")));
    let other = text(&["--server", "10.255.0.102"]);
    assert!(!other.is_empty() && other.lines().all(|line| line.contains("10.255.0.102:")));
    assert_eq!(text(&["--server", "10.255.0.222"]), "");
    let verbose = text(&["-v", "--type", "proposal"]);
    assert!(verbose.lines().all(|line| line.ends_with(']') && line.contains("[zk1.pcap.gz#")));
}

#[test]
fn a_dump_of_a_broken_file_says_so_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = plain();
    let half = file(&folder, "half.pcap", &bytes[..bytes.len() / 2 + 7]);
    let output = run(&["dump"], &[&half]);
    assert_eq!(code(&output), 0);
    assert!(stdout(&output).lines().count() > 100);
    assert!(stderr(&output).contains("half.pcap"), "{}", stderr(&output));
}
