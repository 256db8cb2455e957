//! More captures never make an answer worse: what a part of the hosts shows does not contradict what all show.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{list, report, testdata};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// How far apart the same thing may be told to have begun, by who sees which part of it: a limit and a tick.
const APART: f64 = 6.0;

/// The captures of odd situations.
fn odd() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/variety")
}

/// The folders with captures of several hosts.
fn folders() -> Vec<PathBuf> {
    let inside = |path: PathBuf| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let all = inside(testdata()).chain(inside(odd()));
    let mut paths: Vec<_> = all.filter(|path| path.join("truth.json").exists()).collect();
    paths.sort();
    paths
}

/// The captures of a folder at 96 bytes, by host.
fn hosts(folder: &Path) -> Vec<Vec<PathBuf>> {
    let mut by_host: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.contains(".pcap") && !name.contains(".full.") {
            by_host.entry(name[..3].to_owned()).or_default().push(path);
        }
    }
    by_host.into_values().collect()
}

fn seconds(time: &Value) -> f64 {
    let time: Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_duration().as_secs_f64()
}

/// The hosts that a suspect names.
fn named(suspect: &Value) -> BTreeSet<String> {
    let ends =
        suspect["path"].as_array().into_iter().flatten().chain([&suspect["host"], &suspect["host_network"]]);
    ends.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn is_network(root: &Value) -> bool {
    root.as_str().unwrap().starts_with("network_")
}

/// Whether two incidents may be the same: alike in kind, and of a host in common.
fn agrees(part: &Value, whole: &Value) -> bool {
    let is_alike = part["root"] == whole["root"]
        || is_network(&part["root"]) && is_network(&whole["root"])
        || part["root"] == "unknown"
        || whole["root"] == "unknown";
    let (a, b) = (named(&part["suspect"]), named(&whole["suspect"]));
    is_alike && (a.is_empty() || b.is_empty() || !a.is_disjoint(&b))
}

fn overlaps(part: &Value, whole: &Value) -> bool {
    let end = |incident: &Value| if incident["end"].is_null() { f64::MAX } else { seconds(&incident["end"]) };
    seconds(&part["start"]) <= end(whole) + APART && seconds(&whole["start"]) <= end(part) + APART
}

#[test]
fn no_subset_of_the_hosts_contradicts_all_of_them() {
    let work: Vec<_> = folders().into_iter().map(|folder| (hosts(&folder), folder)).collect();
    let work: Vec<_> = work.into_iter().filter(|(hosts, _)| (2..=3).contains(&hosts.len())).collect();
    assert!(work.len() >= 12, "{}", work.len());
    let (next, wrong) = (Mutex::new(work.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from).min(8) {
            scope.spawn(|| {
                loop {
                    let Some((hosts, folder)) = next.lock().unwrap().next() else { break };
                    let found = contradictions(&hosts, &folder);
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn contradictions(hosts: &[Vec<PathBuf>], folder: &Path) -> Vec<String> {
    let all: Vec<PathBuf> = hosts.iter().flatten().cloned().collect();
    let whole = report(&folder.join("zoo.cfg"), &all);
    let mut wrong = Vec::new();
    for subset in 1..(1_u32 << hosts.len()) - 1 {
        let chosen = hosts.iter().enumerate().filter(|(index, _)| subset >> index & 1 == 1);
        let files: Vec<PathBuf> = chosen.flat_map(|(_, files)| files.iter().cloned()).collect();
        let part = report(&folder.join("zoo.cfg"), &files);
        // One that broke no deadline is told where it cost more than half of it: how much it did, the end that
        // waits knows better than the other.
        let is_told = |incident: &&Value| {
            incident["root"] != "unknown"
                && !(is_network(&incident["root"]) && list(incident, "stalls").is_empty())
        };
        for incident in list(&part, "incidents").iter().filter(is_told) {
            let told = list(&whole, "incidents");
            let mut near = told.iter().filter(|other| overlaps(incident, other));
            if !near.any(|other| agrees(incident, other)) {
                wrong.push(format!("{}, hosts {subset:03b}: {}", folder.display(), incident["summary"]));
            }
        }
    }
    wrong
}
