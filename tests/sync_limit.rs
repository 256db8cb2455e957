//! Without a configuration syncLimit is told from the links that were closed after it, or is in doubt; it is never told
//! wrong, and with it everything is judged as with the configuration.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{list, report, testdata};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What `qscope replay` answers without a configuration.
fn without(captures: &[PathBuf], args: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qscope"));
    command.arg("replay").args(args).args(captures).stdin(Stdio::null());
    command.output().unwrap().stdout
}

fn odd() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/variety")
}

/// The configuration of a folder and its captures, those of each host alone and then all.
fn readings(folder: &Path) -> Option<(PathBuf, Vec<Vec<PathBuf>>)> {
    let paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let config = paths.iter().find(|path| path.extension().is_some_and(|extension| extension == "cfg"))?;
    let mut by_host: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in &paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.contains(".pcap") && !name.contains(".full.") {
            by_host.entry(name[..3].to_owned()).or_default().push(path.clone());
        }
    }
    let mut readings: Vec<_> = by_host.into_values().collect();
    if readings.len() > 1 {
        readings.push(readings.concat());
    }
    Some((config.clone(), readings))
}

/// Root and suspect of each incident.
fn blamed(told: &Value) -> Vec<(String, String)> {
    let of = |incident: &Value| (incident["root"].to_string(), incident["suspect"].to_string());
    list(told, "incidents").iter().map(of).collect()
}

#[test]
fn what_closes_tell_of_sync_limit_is_what_was_configured() {
    let inside = |path: PathBuf| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = inside(testdata()).chain(inside(odd())).filter(|path| path.is_dir()).collect();
    folders.sort();
    let (mut wrong, mut shown, mut shorter) = (Vec::new(), 0, 0);
    for (config, readings) in folders.iter().filter_map(|folder| readings(folder)) {
        let text = fs::read_to_string(&config).unwrap();
        let named: u64 =
            text.lines().find_map(|line| line.strip_prefix("syncLimit=")?.trim().parse().ok()).unwrap();
        for captures in readings {
            let told: Value = serde_json::from_slice(&without(&captures, &["--json"])).unwrap();
            if told["settings"]["sync_limit_from"] != "closes" {
                continue;
            }
            shown += 1;
            shorter += usize::from(named < 5);
            let configured = report(&config, &captures);
            if told["settings"]["sync_limit"] != named || blamed(&told) != blamed(&configured) {
                wrong.push(format!(
                    "{captures:?}: {} of {named}, {:?}",
                    told["settings"]["sync_limit"],
                    blamed(&told)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(shown >= 40 && shorter >= 20, "{shown}, {shorter} of them shorter than assumed");
}

#[test]
fn a_leader_that_was_dropped_after_four_ticks_is_no_all_clear() {
    let folder = odd().join("live-freeze-disk-leader");
    for host in ["zk1", "zk2", "zk3"] {
        let capture = [folder.join(format!("{host}.pcap.gz"))];
        let page = String::from_utf8(without(&capture, &[])).unwrap();
        let first = page.lines().take(4).collect::<Vec<_>>().join(" ");
        assert!(first.contains("LEADER server.3 STOOD STILL"), "{host}: {page}");
        assert!(page.contains("INFERRED syncLimit 4") && !page.contains("ASSUMED"), "{host}: {page}");
    }
}

#[test]
fn a_process_that_was_killed_shows_no_deadline() {
    for folder in [testdata().join("kill-restart"), odd().join("rolling-restart")] {
        let (_, readings) = readings(&folder).unwrap();
        for captures in readings {
            let told: Value = serde_json::from_slice(&without(&captures, &["--json"])).unwrap();
            assert_eq!(told["settings"]["sync_limit_from"], "default", "{captures:?}");
            assert_eq!(told["stalls"], serde_json::json!([]), "{captures:?}");
        }
    }
}
