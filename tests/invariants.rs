//! What holds of every report: the contract's sentences, over all captures of `testdata` and `tests/variety`, those of
//! each host alone and all together.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{list, report, testdata};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder's name, its host or `all`, and the report.
fn reports() -> Vec<(String, Value)> {
    let inside = |path: PathBuf| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let odd = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/variety");
    let mut told = Vec::new();
    for folder in inside(testdata()).chain(inside(odd)).filter(|path| path.is_dir()) {
        let mut by_host: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        let mut config = None;
        for path in inside(folder.clone()) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.contains(".pcap") && !name.contains(".full.") {
                by_host.entry(name[..3].to_owned()).or_default().push(path);
            } else if name.ends_with(".cfg") {
                config = Some(path);
            }
        }
        let Some(config) = config else { continue };
        let all: Vec<PathBuf> = by_host.values().flatten().cloned().collect();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        if by_host.len() > 1 {
            told.push((format!("{name} all"), report(&config, &all)));
        }
        told.extend(by_host.iter().map(|(host, files)| (format!("{name} {host}"), report(&config, files))));
    }
    assert!(told.len() > 100, "{}", told.len());
    told
}

#[test]
fn what_is_only_likely_says_why_and_numbers_agree() {
    let (mut wrong, mut likely, mut explained) = (Vec::new(), 0, 0);
    for (name, told) in reports() {
        let incidents = list(&told, "incidents");
        for incident in incidents {
            let is_likely = incident["confidence"] == "likely";
            likely += usize::from(is_likely);
            if is_likely && list(incident, "why").is_empty() {
                wrong.push(format!("{name}: likely without a reason: {}", incident["summary"]));
            }
            if (incident["root"] == "unknown") != (incident["confidence"] == "unknown") {
                wrong.push(format!("{name}: {} is {}", incident["root"], incident["confidence"]));
            }
        }
        for stall in list(&told, "stalls") {
            let own = incidents.iter().find(|incident| incident["id"] == stall["incident"]);
            if own.is_none_or(|own| own["root"] != stall["cause"] || own["suspect"] != stall["suspect"]) {
                wrong.push(format!("{name}: stall {} is not its incident's", stall["id"]));
            }
        }
        for miss in list(&told, "near_misses") {
            explained += usize::from(miss["cause"].is_string());
            if miss["cause"] == "unknown" || miss["cause"].is_null() && !miss["suspect"].is_null() {
                wrong.push(format!("{name}: {miss}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(likely > 20 && explained > 10, "{likely} likely, {explained} near misses explained");
}

/// With a longer limit than theirs, what broke a deadline only came near it: a disk that took 2.5 s for each write, and
/// a leader that was dropped after 5.0 s.
#[test]
fn a_near_miss_outside_of_incidents_has_its_cause() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("zoo.cfg");
    fs::write(&config, "tickTime=1000\nsyncLimit=8\ninitLimit=10\n").unwrap();
    for (name, capture, deadline, cause, host) in [
        ("slow-disk-follower", "zk1.pcap.zst", "ack", "disk_slow", "10.255.0.101"),
        ("slow-disk-follower", "zk5.pcap.zst", "ack", "disk_slow", "10.255.0.101"),
        ("freeze-leader", "zk1.pcap.gz", "learner_read", "process_stalled", "10.255.0.102"),
        ("freeze-leader", "zk2.pcap.zst", "learner_read", "process_stalled", "10.255.0.102"),
    ] {
        let told = report(&config, &[testdata().join(name).join(capture)]);
        assert_eq!(told["stalls"], serde_json::json!([]), "{name} {capture}");
        let misses = list(&told, "near_misses").iter();
        let own: Vec<_> = misses.filter(|miss| miss["deadline"] == deadline).collect();
        assert!(!own.is_empty(), "{name} {capture}");
        for miss in own {
            assert_eq!(miss["cause"], cause, "{name} {capture}: {miss}");
            assert_eq!(miss["suspect"], serde_json::json!({ "host": host }), "{name} {capture}: {miss}");
        }
    }
}

/// A host that was cut off for 1.1 s of a deadline of 2 s: its leader did not stand still.
#[test]
fn a_cut_that_was_over_soon_blames_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("zoo.cfg");
    fs::write(&config, "tickTime=1000\nsyncLimit=2\ninitLimit=10\n").unwrap();
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/invariants/zk1-cut-1.1s.pcap.gz");
    let told = report(&config, &[capture]);
    let misses = list(&told, "near_misses");
    assert!(!misses.is_empty());
    assert!(misses.iter().all(|miss| miss["cause"] != "process_stalled"), "{misses:#?}");
}
