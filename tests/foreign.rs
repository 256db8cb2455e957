//! Other protocols on the quorum and election ports: they produce no findings, and are counted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{list, testdata};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

fn report(paths: &[PathBuf]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_qscope"))
        .args(["replay", "--format", "json"])
        .args(paths)
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    // 3 says that nothing could be judged.
    let expected = if report["coverage"]["stalls"] == "none" { 3 } else { 0 };
    assert_eq!(output.status.code(), Some(expected), "{}", String::from_utf8_lossy(&output.stderr));
    report
}

fn count(report: &Value, pointer: &str) -> u64 {
    report.pointer(pointer).and_then(Value::as_u64).unwrap()
}

fn foreign() -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        testdata().join("foreign").read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert_eq!(paths.len(), 9);
    paths
}

#[test]
fn nothing_comes_of_another_protocol() {
    for path in foreign() {
        let report = report(std::slice::from_ref(&path));
        for key in ["stalls", "near_misses", "elections", "violations"] {
            assert!(list(&report, key).is_empty(), "{key} of {}", path.display());
        }
        let strangers = count(&report, "/input/strangers/connections");
        let bytes = count(&report, "/input/strangers/bytes");
        if path.to_str().unwrap().contains("tls") {
            // TLS may protect a quorum link.
            assert_eq!(strangers, 0);
            for link in list(&report, "links") {
                assert_eq!(link["protection"], "tls");
                assert_eq!(link["records"], serde_json::json!({"to_leader": {}, "to_learner": {}}));
            }
        } else {
            assert!(list(&report, "links").is_empty(), "{}", path.display());
            assert!(list(&report, "servers").is_empty(), "{}", path.display());
            assert!(strangers >= 4, "{strangers} in {}", path.display());
            assert!(bytes > 0);
            // Includes both ports; those of the election port are in its sums too.
            let election = count(&report, "/input/election_bytes/stream");
            assert_eq!(count(&report, "/input/election_bytes/decoded"), 0, "{}", path.display());
            assert!((1..bytes).contains(&election), "{election} of {bytes} in {}", path.display());
        }
    }
}

#[test]
fn an_ensemble_beside_them_is_read_as_alone() {
    let folder = testdata().join("freeze-follower");
    let ensemble: Vec<_> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains(".pcap"))
        .collect();
    let alone = report(&ensemble);
    assert_eq!(list(&alone, "stalls").len(), 1);
    let others = foreign().into_iter().filter(|path| !path.to_str().unwrap().contains("tls"));
    let among = report(&ensemble.into_iter().chain(others).collect::<Vec<_>>());
    for key in ["near_misses", "elections", "violations", "servers"] {
        assert_eq!(list(&among, key), list(&alone, key), "{key}");
    }
    for part in ["subject", "cause", "suspect", "start", "end", "duration_ms", "outcome", "deadlines"] {
        let told = &alone["stalls"][0][part];
        assert!(!told.is_null(), "{part}");
        assert_eq!(&among["stalls"][0][part], told, "{part}");
    }
    assert!(count(&among, "/input/strangers/connections") > 50);
}
