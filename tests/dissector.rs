//! The Wireshark dissector against `qscope dump`: on whole captures both see the same records.
//!
//! It wants tshark; without, it is skipped, loudly.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/capture.rs"]
mod capture;
mod common;

use capture::{as_pcap, frames};
use quorumscope::pcapfile::ByteOrder;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FIELDS: [&str; 4] = ["zab.type", "fle.type", "zab.auth.status", "fle.auth.status"];

fn has_tshark() -> bool {
    let mut version = Command::new("tshark");
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    let has = version.status().is_ok_and(|status| status.success());
    if !has {
        eprintln!("!!! SKIPPED: tshark is not installed, or wants a library that is not");
    }
    has
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// What tshark prints of these fields, a line a frame.
fn tshark(capture: &Path, options: &[&str], fields: &[&str]) -> String {
    let script = format!("lua_script:{}", root().join("contrib/quorumscope.lua").display());
    let mut command = Command::new("tshark");
    command.args(["-X", &script, "-r"]).arg(capture).args(options).args(["-Y", "zab || fle", "-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !errors.contains("Lua"), "{}: {errors}", capture.display());
    String::from_utf8(output.stdout).unwrap()
}

fn qscope(command: &str, capture: &Path) -> Vec<serde_json::Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_qscope"))
        .args([command, "--format", "json"])
        .arg(capture)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    serde_json::Deserializer::from_slice(&output.stdout).into_iter().map(Result::unwrap).collect()
}

fn whole_captures() -> Vec<PathBuf> {
    let folders = fs::read_dir(root().join("testdata")).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.filter(|folder| folder.is_dir()).flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().contains(".full.pcap"));
    files.sort();
    files
}

/// A copy that every tshark reads: some are built without zstd.
fn unpacked(path: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join("unpacked.pcap");
    fs::write(&copy, as_pcap(ByteOrder::Little, false, &frames(path))).unwrap();
    copy
}

/// Whether the capture has every byte of its links' streams: behind a gap Wireshark waits, and qscope goes on.
fn lacks_nothing(capture: &Path) -> bool {
    let report = qscope("replay", capture).remove(0);
    report["links"].as_array().unwrap().iter().all(|link| {
        ["to_leader", "to_learner"]
            .iter()
            .all(|way| link["bytes"][way]["missing"] == 0 && link["tcp"]["out_of_order"][way] == 0)
    })
}

#[test]
fn whole_captures_hold_the_records_that_qscope_dumps() {
    if !has_tshark() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for path in whole_captures() {
        let capture = unpacked(&path, scratch.path());
        if !lacks_nothing(&capture) {
            continue;
        }
        let mut theirs: BTreeMap<String, usize> = BTreeMap::new();
        let printed = tshark(&capture, &["-o", "tcp.reassemble_out_of_order:TRUE"], &FIELDS);
        for word in printed.split(['\n', '\t', ',']).filter(|word| !word.is_empty()) {
            *theirs.entry(word.to_owned()).or_default() += 1;
        }
        let mut ours: BTreeMap<String, usize> = BTreeMap::new();
        for record in qscope("dump", &capture) {
            *ours.entry(record["type"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert_eq!(theirs, ours, "{}", path.display());
        compared += usize::from(!ours.is_empty());
    }
    assert!(compared >= 12, "only {compared} captures were compared");
}

#[test]
fn cut_frames_show_what_was_captured_and_say_where_it_ends() {
    if !has_tshark() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let whole = unpacked(&whole_gz(), scratch.path());
    let cut: Vec<_> = frames(&whole_gz()).iter().map(|frame| frame.cut(96)).collect();
    let capture = scratch.path().join("cut.pcap");
    fs::write(&capture, as_pcap(ByteOrder::Little, false, &cut)).unwrap();
    let fields = ["frame.number", "zab.type", "zab.zxid", "zab.cut"];
    // The first record of each frame is the same, whole or cut; of a cut one it is said that it is cut.
    let first = |text: &str| -> BTreeMap<u64, (String, String)> {
        let lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let heads = lines.filter_map(|line| {
            let word =
                |at: usize| line.get(at).and_then(|word| word.split(',').next()).unwrap_or("").to_owned();
            (!word(1).is_empty()).then(|| (word(0).parse().unwrap(), (word(1), word(2))))
        });
        heads.collect()
    };
    let shown = tshark(&capture, &[], &fields);
    let (cut, whole) = (first(&shown), first(&tshark(&whole, &[], &fields)));
    assert!(cut.len() > 1_000, "{}", cut.len());
    // A segment that ends inside a record makes the next one begin inside it: only whole captures join them.
    let same = cut.iter().filter(|(number, head)| whole.get(number) == Some(head)).count();
    assert!(same * 100 >= cut.len() * 99, "{same} of {}", cut.len());
    assert!(shown.lines().any(|line| line.split('\t').nth(3).is_some_and(|cut| !cut.is_empty())));
}

fn whole_gz() -> PathBuf {
    root().join("testdata/busy/zk1.full.pcap.gz")
}
