//! Ensembles with several faults, in odd situations: what is told is what was done, and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{list, report};
use jiff::Timestamp;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The captures of odd situations.
fn odd() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/variety")
}

fn folders() -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(odd())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    paths.sort();
    paths
}

fn seconds(time: &Value) -> f64 {
    let time: Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_duration().as_secs_f64()
}

/// The root that a fault is told as.
fn root(kind: &str) -> &'static str {
    match kind {
        "freeze" => "process_stalled",
        "restart" | "stop" => "process_ended",
        "slow_disk" => "disk_slow",
        "cut" => "network_cut",
        other => panic!("what is {other}?"),
    }
}

fn is_host(suspect: &Value, address: &str) -> bool {
    suspect["host"] == address || suspect["host_network"] == address
}

/// What was done to processes, disks and hosts' networks, each once.
#[test]
fn each_fault_is_one_incident_and_nothing_is_invented() {
    let mut wrong = Vec::new();
    for folder in folders() {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let truth: Value = serde_json::from_slice(&fs::read(folder.join("truth.json")).unwrap()).unwrap();
        let told = report(&folder.join("zoo.cfg"), std::slice::from_ref(&folder));
        let incidents = list(&told, "incidents");
        let faults: Vec<_> = list(&truth, "faults").iter().filter(|fault| fault["ip"].is_string()).collect();
        for fault in &faults {
            let start = fault["start"].as_f64().unwrap();
            let found = incidents.iter().filter(|incident| {
                incident["root"] == root(fault["kind"].as_str().unwrap())
                    && is_host(&incident["suspect"], fault["ip"].as_str().unwrap())
                    && (seconds(&incident["start"]) - start).abs() <= 1.0
            });
            if found.count() != 1 {
                wrong.push(format!("{name}: {} of {} at {start}", fault["kind"], fault["node"]));
            }
        }
        // Flows that something between drops end no link, but the election connections are dead.
        let flows = list(&truth, "faults").iter().filter(|fault| fault["kind"] == "drop_flows").count();
        let dead = incidents.iter().filter(|incident| incident["root"] == "election_link_dead").count();
        if dead != flows || incidents.len() != faults.len() + flows {
            let all: Vec<_> = incidents.iter().map(|incident| incident["summary"].to_string()).collect();
            wrong.push(format!("{name}: {} faults, told {all:#?}", faults.len()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The number that is held against what failed above ZooKeeper.
#[test]
fn a_lost_leader_is_an_outage_of_its_own_length() {
    for (name, least_ms, most_ms) in [
        ("rolling-restart", 500, 1_500),
        ("election-idle-timeout", 22_000, 24_500),
        ("live-freeze-disk-leader", 4_000, 5_500),
    ] {
        let folder = odd().join(name);
        let told = report(&folder.join("zoo.cfg"), std::slice::from_ref(&folder));
        let lost: Vec<_> =
            list(&told, "outages").iter().filter(|outage| outage["kind"] == "no_leader").collect();
        assert_eq!(lost.len(), 1, "{name}: {lost:#?}");
        let took = lost[0]["duration_ms"].as_u64().unwrap();
        assert!((least_ms..=most_ms).contains(&took), "{name}: {took} ms");
    }
}

/// What is encrypted is not called seen.
#[test]
fn behind_tls_coverage_is_partial_and_says_why() {
    let folder = odd().join("tls");
    let told = report(&folder.join("zoo.cfg"), std::slice::from_ref(&folder));
    assert_eq!(told["coverage"]["stalls"], "partial");
    assert!(told["coverage"]["blind"].to_string().contains("TLS"), "{}", told["coverage"]);
    let proven = list(&told, "incidents").iter().filter(|incident| incident["confidence"] == "proven");
    assert!(proven.clone().all(|incident| incident["root"] == "network_cut"), "what was said is not known");
}

/// A learner whose ACK of a PROPOSAL stands before that of NEWLEADER waits for UPTODATE no longer than syncLimit.
#[test]
fn who_acknowledges_too_early_waits_the_shorter_limit() {
    let folder = odd().join("two-of-three-zk4685");
    for capture in ["zk2", "zk3"] {
        let of_host = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(capture);
        let files: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| of_host(path) && path.to_str().unwrap().contains(".pcap"))
            .collect();
        let told = report(&folder.join("zoo.cfg"), &files);
        let stalls = list(&told, "stalls");
        let vain = stalls.iter().find(|stall| stall["start"].as_str().unwrap().contains("T09:20:56."));
        let vain = vain.unwrap_or_else(|| panic!("{capture}: {stalls:#?}"));
        assert_eq!(vain["deadlines"], serde_json::json!(["learner_read"]), "{capture}");
        assert_eq!(vain["outcome"], "closed_by_learner", "{capture}");
        assert_eq!(vain["limit_ms"], 4_000, "{capture}");
        // It prolonged what the frozen leader had begun.
        let frozen = list(&told, "incidents").iter().find(|incident| incident["id"] == vain["incident"]);
        let frozen = frozen.unwrap();
        assert_eq!(frozen["suspect"]["host"], "10.255.0.102", "{capture}");
        assert!(frozen["why"].to_string().contains("ZOOKEEPER-4685"), "{capture}: {}", frozen["why"]);
    }
}

/// While one server is down for long, what stops the ensemble later is not its doing.
#[test]
fn an_outage_and_an_election_belong_to_what_began_with_them() {
    let folder = odd().join("two-of-three-zk4685");
    let told = report(&folder.join("zoo.cfg"), std::slice::from_ref(&folder));
    let incidents = list(&told, "incidents");
    let of_root =
        |root: &str| incidents.iter().filter(|incident| incident["root"] == root).collect::<Vec<_>>();
    let (down, frozen) = (of_root("process_ended"), of_root("process_stalled"));
    assert_eq!((down.len(), frozen.len()), (1, 2), "{incidents:#?}");
    // Its own return may be one.
    let own = list(down[0], "elections");
    let others: Vec<_> = frozen.iter().flat_map(|incident| list(incident, "elections")).collect();
    assert!(own.iter().all(|election| !others.contains(&election)), "{own:?} of {others:?}");
    let longest = list(&told, "outages").iter().max_by_key(|outage| outage["duration_ms"].as_u64()).unwrap();
    assert!(longest["duration_ms"].as_u64().unwrap() > 6_000, "{longest}");
    assert!(frozen.iter().any(|incident| incident["id"] == longest["incident"]), "{longest}");
    assert!(frozen.iter().all(|incident| !list(incident, "elections").is_empty()), "{frozen:#?}");
}
