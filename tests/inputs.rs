//! The same traffic, as other people's captures have it: changed in the ways of [`change`], for every folder of
//! `testdata`. What is told of it is what is told of the unchanged capture, or `unknown`, or nothing where the
//! report says what it could not see: never another cause, and never a stall more.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

#[path = "common/capture.rs"]
mod capture;
#[path = "common/change.rs"]
mod change;
mod common;

use capture::{Captured, as_pcap, frames};
use change::Wrapping;
use common::{list, report, testdata};
use quorumscope::pcapfile::ByteOrder;
use quorumscope::time::Span;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One capture of a folder.
struct Source {
    name: String,
    config: PathBuf,
    frames: Vec<Captured>,
    report: Value,
}

/// The smallest capture of each folder that is not one of a rotation.
static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let mut folders: Vec<_> = fs::read_dir(testdata())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("truth.json").exists())
        .collect();
    folders.sort();
    let choose = |folder: &PathBuf| {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let packed = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            (name.ends_with(".pcap.gz") || name.ends_with(".pcap.zst")) && !name.contains('-')
        };
        files.filter(packed).min_by_key(|path| (fs::metadata(path).unwrap().len(), path.clone()))
    };
    let found: Vec<_> = folders.iter().filter_map(|folder| Some((folder.clone(), choose(folder)?))).collect();
    together(&found, |(folder, path)| {
        let (config, frames) = (folder.join("zoo.cfg"), frames(path));
        let report = read(&config, &as_pcap(ByteOrder::Little, true, &frames));
        let name = format!(
            "{}/{}",
            folder.file_name().unwrap().to_str().unwrap(),
            path.file_name().unwrap().to_str().unwrap()
        );
        Source { name, config, frames, report }
    })
});

/// Does something with each of several things, in two threads.
fn together<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            match all.get(index) {
                Some(one) => done.push((index, work(one))),
                None => return done,
            }
        }
    };
    let mut done = std::thread::scope(|scope| {
        let other = scope.spawn(run);
        let mut done = run();
        done.extend(other.join().unwrap());
        done
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

fn read(config: &Path, bytes: &[u8]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pcap");
    fs::write(&path, bytes).unwrap();
    report(config, &[path])
}

/// Seconds of a time in a report.
fn seconds(time: &Value) -> f64 {
    let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_nanosecond() as f64 / 1e9
}

/// From when to when a stall went.
fn stretch(stall: &Value) -> (f64, f64) {
    let start = seconds(&stall["start"]);
    (start, start + stall["duration_ms"].as_f64().unwrap() / 1e3)
}

/// The two ends of the path that a stall is blamed on.
fn path(stall: &Value) -> Vec<&str> {
    let ends = stall["suspect"]["path"].as_array().into_iter().flatten();
    let mut ends: Vec<_> = ends.filter_map(Value::as_str).collect();
    ends.sort_unstable();
    ends
}

/// Whether the report says that it did not see all.
fn says_blind(report: &Value) -> bool {
    let coverage = &report["coverage"];
    coverage["stalls"] != "full" || coverage["blind"].as_array().is_some_and(|blind| !blind.is_empty())
}

/// What is wrong with the stalls of a changed capture.
fn judge(source: &Source, changed: &Value, is_readdressed: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let truth = list(&source.report, "stalls");
    let stalls = list(changed, "stalls");
    let mut found = vec![0; truth.len()];
    for stall in stalls {
        let (start, end) = stretch(stall);
        let what = format!("{} of {} from {}", stall["cause"], stall["subject"], stall["start"]);
        let same = |other: &Value| {
            let (from, to) = stretch(other);
            // Of a path nobody is the one who went quiet; who is blamed matters more than who went quiet.
            let is_of_path = !stall["suspect"]["path"].is_null() && path(stall) == path(other);
            let is_of_suspect = !stall["suspect"].is_null() && stall["suspect"] == other["suspect"];
            let is_same = is_of_path || is_of_suspect || stall["subject"] == other["subject"];
            start < to && from < end && (is_readdressed || is_same)
        };
        // Of several that it may be, one that was not told yet, of the same cause, and for as long as it went.
        let likeness = |index: &usize| {
            let (from, to) = stretch(&truth[*index]);
            let shared = end.min(to) - start.max(from);
            (found[*index] == 0, truth[*index]["cause"] == stall["cause"], (shared * 1e6) as i64)
        };
        match (0..truth.len()).filter(|index| same(&truth[*index])).max_by_key(likeness) {
            None => wrong.push(format!("{what} is invented")),
            Some(index) => {
                found[index] += 1;
                let cause = &truth[index]["cause"];
                if stall["cause"] != "unknown" && stall["cause"] != *cause {
                    wrong.push(format!("{what}: the cause is {cause}"));
                }
            }
        }
    }
    for (stall, count) in truth.iter().zip(found) {
        let what = format!("{} of {} from {}", stall["cause"], stall["subject"], stall["start"]);
        match count {
            0 if !says_blind(changed) => wrong.push(format!("{what} is lost, and nothing says why")),
            0 | 1 => {}
            _ => wrong.push(format!("{what} is told {count} times")),
        }
    }
    wrong
}

/// Holds every capture against itself, changed.
fn holds(what: &str, is_readdressed: bool, change: impl Fn(usize, &Source) -> Vec<Captured> + Sync) {
    let sources: Vec<_> = SOURCES.iter().enumerate().collect();
    assert!(sources.len() >= 30, "{}", sources.len());
    let wrong: Vec<_> = together(&sources, |(index, source)| {
        let bytes = as_pcap(ByteOrder::Little, true, &change(*index, source));
        let changed = read(&source.config, &bytes);
        judge(source, &changed, is_readdressed)
            .into_iter()
            .map(|wrong| format!("{}, {what}: {wrong}", source.name))
            .collect::<Vec<_>>()
    });
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn frames_that_the_capture_dropped_are_no_loss() {
    holds("2 % dropped", false, |index, source| change::drop_frames(&source.frames, 2, index as u64));
    holds("5 % dropped", false, |index, source| change::drop_frames(&source.frames, 5, index as u64));
}

/// A link that is not seen to close does not show that the leader went on with it.
#[test]
fn a_leader_that_stood_still_is_blamed_where_closes_are_missing_too() {
    let folder = testdata().join("freeze-leader-of-five");
    let (config, all) = (folder.join("zoo.cfg"), frames(&folder.join("zk5.pcap.zst")));
    for seed in 0..12 {
        let dropped = change::drop_frames(&all, 5, seed);
        let changed = read(&config, &as_pcap(ByteOrder::Little, true, &dropped));
        let stalls = list(&changed, "stalls");
        assert!(!stalls.is_empty(), "{seed}");
        let incidents = list(&changed, "incidents");
        let roots: Vec<_> = incidents.iter().map(|incident| &incident["root"]).collect();
        assert_eq!(roots.len(), 1, "{seed}: {roots:?}");
        for stall in stalls {
            let is_unknown = stall["cause"] == "unknown";
            assert!(is_unknown || stall["suspect"]["host"] == "10.255.0.105", "{seed}: {stall:#}");
        }
    }
}

#[test]
fn a_reset_that_the_capture_dropped_is_no_silence() {
    holds("a reset dropped", false, |_, source| change::without_first_reset(&source.frames));
}

#[test]
fn without_timestamps_or_ids_nothing_else_is_told() {
    holds("no timestamps", false, |_, source| change::without_timestamps(&source.frames));
    holds("no ids and no timestamps", false, |_, source| {
        change::without_ids(&change::without_timestamps(&source.frames))
    });
}

#[test]
fn over_ipv6_nothing_else_is_told() {
    holds("IPv6", true, |_, source| change::as_ipv6(&source.frames));
}

#[test]
fn the_order_of_the_file_does_not_matter() {
    holds("out of order by 300 us", false, |index, source| {
        change::jittered(&source.frames, 300, index as u64)
    });
    holds("out of order by 0.9 s", false, |index, source| {
        change::jittered(&source.frames, 900_000, index as u64)
    });
}

#[test]
fn in_tunnels_nothing_else_is_told() {
    const WRAPPINGS: [Wrapping; 7] = [
        Wrapping::Vxlan,
        Wrapping::Geneve,
        Wrapping::Gre,
        Wrapping::IpInIp,
        Wrapping::Mpls,
        Wrapping::Pppoe,
        Wrapping::Vlan,
    ];
    holds("wrapped", false, |index, source| {
        change::wrapped(&source.frames, WRAPPINGS[index % WRAPPINGS.len()])
    });
}

#[test]
fn at_any_snaplen_nothing_else_is_told() {
    const SNAPLENS: [usize; 8] = [54, 60, 64, 66, 68, 74, 80, 90];
    holds("cut", false, |index, source| {
        let snaplen = SNAPLENS[index % SNAPLENS.len()];
        source.frames.iter().map(|frame| frame.cut(snaplen)).collect()
    });
}

#[test]
fn under_tls_nothing_is_made_up() {
    holds("TLS", false, |_, source| change::as_tls(&source.frames));
}

#[test]
fn what_lies_in_a_hole_of_the_capture_is_not_known() {
    holds("7 s taken out", false, |index, source| {
        let (first, last) = (source.frames[0].at, source.frames.last().unwrap().at);
        let part = i64::try_from(index % 5).unwrap();
        let from = first.plus(Span::from_nanos(last.since(first).nanos() / 6 * (part + 1)));
        change::without_stretch(&source.frames, from, from.plus(Span::from_millis(7_000)))
    });
}

#[test]
fn both_sides_of_an_address_translation_are_one_connection() {
    holds("both sides of NAT", true, |_, source| {
        let leader =
            list(&source.report, "links").first().map(|link| link["leader"].as_str().unwrap().to_owned());
        let Some(leader) = leader else { return source.frames.clone() };
        let address: std::net::SocketAddrV4 = leader.parse().unwrap();
        change::both_sides_of_nat(&source.frames, address.ip().octets(), [10, 96, 0, 5])
    });
}

#[test]
fn learners_behind_one_address_are_told_apart_or_not_at_all() {
    holds("one address", true, |_, source| {
        change::one_address_for_dialers(&source.frames, [10, 255, 0, 254])
    });
}
