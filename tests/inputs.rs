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
use quorumscope::time::{Span, Timestamp};
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

/// A host's name, and what it captured.
type OfHost = (String, Vec<Captured>);

/// What several hosts of one ensemble captured, with their names; the source's own frames are none.
static ENSEMBLES: LazyLock<Vec<(Source, Vec<OfHost>)>> = LazyLock::new(|| {
    let all = fs::read_dir(testdata()).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = all.filter(|path| path.join("truth.json").exists()).collect();
    folders.sort();
    let captures = |folder: &PathBuf| {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let host = |path: PathBuf| {
            let (host, rest) = path.file_name()?.to_str()?.split_once('.')?;
            let is_whole = matches!(rest, "pcap.gz" | "pcap.zst") && !host.contains('-');
            is_whole.then(|| (host.to_owned(), path.clone()))
        };
        let mut hosts: Vec<_> = files.filter_map(host).collect();
        hosts.sort();
        hosts
    };
    let found: Vec<_> = folders.iter().map(|folder| (folder, captures(folder))).collect();
    let found: Vec<_> = found.into_iter().filter(|(_, hosts)| hosts.len() > 1).collect();
    together(&found, |(folder, hosts)| {
        let hosts: Vec<_> = hosts.iter().map(|(host, path)| (host.clone(), frames(path))).collect();
        let config = folder.join("zoo.cfg");
        let report = read_all(&config, &hosts);
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        (Source { name, config, frames: Vec::new(), report }, hosts)
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

/// The report over the captures of several hosts.
fn read_all(config: &Path, hosts: &[OfHost]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let write = |(host, frames): &OfHost| {
        let path = folder.path().join(format!("{host}.pcap"));
        fs::write(&path, as_pcap(ByteOrder::Little, true, frames)).unwrap();
        path
    };
    let paths: Vec<_> = hosts.iter().map(write).collect();
    report(config, &paths)
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

/// Holds the captures of several hosts together against themselves, changed; each in its own way.
fn holds_together(what: &str, change: impl Fn(usize, &[Captured]) -> Vec<Captured> + Sync) {
    let all: Vec<_> = ENSEMBLES.iter().enumerate().collect();
    assert!(all.len() >= 30, "{}", all.len());
    let wrong: Vec<_> = together(&all, |(index, (source, hosts))| {
        let host =
            |(number, (host, frames)): (usize, &OfHost)| (host.clone(), change(index * 8 + number, frames));
        let hosts: Vec<_> = hosts.iter().enumerate().map(host).collect();
        let wrong = judge(source, &read_all(&source.config, &hosts), false);
        wrong.into_iter().map(|wrong| format!("{}, {what}: {wrong}", source.name)).collect::<Vec<_>>()
    });
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Seven seconds taken out, in one of five places.
fn with_hole(frames: &[Captured], place: usize) -> Vec<Captured> {
    let (first, last) = (frames[0].at, frames.last().unwrap().at);
    let part = i64::try_from(place % 5).unwrap() + 1;
    let from = first.plus(Span::from_nanos(last.since(first).nanos() / 6 * part));
    change::without_stretch(frames, from, from.plus(Span::from_millis(7_000)))
}

#[test]
fn what_several_hosts_dropped_is_no_loss() {
    holds_together("2 % dropped", |seed, frames| change::drop_frames(frames, 2, seed as u64));
}

#[test]
fn captures_of_several_hosts_are_told_alike_cut_and_out_of_order() {
    holds_together("cut to 96", |_, frames| frames.iter().map(|frame| frame.cut(96)).collect());
    holds_together("out of order by 300 us", |seed, frames| change::jittered(frames, 300, seed as u64));
}

#[test]
fn what_lies_in_a_hole_of_one_host_or_of_all_is_not_known() {
    holds_together("7 s taken out of one", |number, frames| match number % 8 {
        0 => with_hole(frames, number / 8),
        _ => frames.to_vec(),
    });
    holds_together("7 s taken out of the second", |number, frames| match number % 8 {
        1 => with_hole(frames, number / 8),
        _ => frames.to_vec(),
    });
    holds_together("7 s taken out of all", |number, frames| with_hole(frames, number / 8));
}

/// Nothing of the leader's reaches the learner: what the leader hears late of the learner's first vote afterwards was
/// acknowledged in a frame that the capture lacks.
#[test]
fn an_acknowledgment_that_the_capture_dropped_makes_no_network_slow() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs");
    let report = report(&folder.join("cut-in-with-drops.cfg"), &[folder.join("cut-in-with-drops.pcap.zst")]);
    let stalls = list(&report, "stalls");
    assert_eq!(stalls.len(), 1, "{stalls:#?}");
    assert_eq!(stalls[0]["cause"], "network_cut");
    assert_eq!(stalls[0]["suspect"]["direction"], "10.255.0.103>10.255.0.101");
}

/// The only word of what went by in the hole is an acknowledgment, in the last frame before a RST.
#[test]
fn a_hole_at_whose_end_the_link_is_reset_is_a_hole() {
    let folder = testdata().join("sasl");
    let changed = with_hole(&frames(&folder.join("zk1.full.pcap.zst")), 3);
    let report = read(&folder.join("zoo.cfg"), &as_pcap(ByteOrder::Little, true, &changed));
    let gaps = list(&report["coverage"], "gaps");
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let told: Vec<_> = list(&report, "stalls").iter().map(|stall| &stall["cause"]).collect();
    assert_eq!(told, [] as [&Value; 0]);
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
    holds("7 s taken out", false, |index, source| with_hole(&source.frames, index));
}

/// What follows a close tells whether a process ended, stood still, or was cut off.
#[test]
fn a_close_that_a_hole_follows_blames_nobody_else() {
    let ended = |report: &Value| {
        let is_ended = |incident: &&Value| incident["root"] == "process_ended";
        let of = |incident: &Value| {
            (incident["suspect"]["host"].as_str().unwrap_or_default().to_owned(), seconds(&incident["start"]))
        };
        list(report, "incidents").iter().filter(is_ended).map(of).collect::<Vec<_>>()
    };
    let told = together(&SOURCES, |source| {
        let mut closes: Vec<_> =
            list(&source.report, "links").iter().filter_map(|link| link["closed"].as_str()).collect();
        closes.sort_unstable();
        closes.dedup();
        // What was done to whom, where that was to end it.
        let truth: Value =
            serde_json::from_slice(&fs::read(source.config.with_file_name("truth.json")).unwrap()).unwrap();
        let is_end = |fault: &&Value| matches!(fault["kind"].as_str(), Some("kill" | "crash"));
        let faults = list(&truth, "faults").iter().filter(is_end);
        let mut ends: Vec<_> = faults
            .map(|fault| (fault["ip"].as_str().unwrap().to_owned(), fault["start"].as_f64().unwrap()))
            .collect();
        ends.extend(ended(&source.report));
        let is_true = |(host, at): &(String, f64)| {
            ends.iter().any(|(ip, start)| ip == host && (start - at).abs() < 5.0)
        };
        let mut wrong = Vec::new();
        for close in closes.iter().take(4) {
            let close: jiff::Timestamp = close.parse().unwrap();
            let from = Timestamp::from_nanos(close.as_nanosecond() as i64).plus(Span::from_millis(20));
            let changed = change::without_stretch(&source.frames, from, from.plus(Span::from_millis(7_000)));
            let report = read(&source.config, &as_pcap(ByteOrder::Little, true, &changed));
            let false_ends = ended(&report).into_iter().filter(|end| !is_true(end));
            wrong.extend(false_ends.map(|end| format!("{}, 7 s behind {close}: {end:?} ended", source.name)));
            // Who ended is held against the truth, above.
            let causes = judge(source, &report, false).into_iter();
            let causes = causes
                .filter(|wrong| wrong.contains("the cause is") && !wrong.starts_with("\"process_ended\""));
            wrong.extend(causes.map(|wrong| format!("{}, 7 s behind {close}: {wrong}", source.name)));
        }
        (closes.len(), wrong)
    });
    let closes: usize = told.iter().map(|(closes, _)| closes).sum();
    assert!(closes > 30, "{closes}");
    let wrong: Vec<_> = told.into_iter().flat_map(|(_, wrong)| wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A hole from the midst of a stall to beyond its end hides what decides: nobody's disk or process is blamed for that, and
/// nothing is said not to have been written.
#[test]
fn what_decides_and_lies_in_a_hole_blames_nobody() {
    let roots = |report: &Value| {
        let roots =
            list(report, "incidents").iter().map(|incident| incident["root"].as_str().unwrap().to_owned());
        roots.collect::<Vec<_>>()
    };
    let told = together(&SOURCES, |source| {
        let truth = roots(&source.report);
        let mut wrong = Vec::new();
        let stalls = list(&source.report, "stalls").iter().take(3);
        let stalls: Vec<_> = stalls.map(stretch).collect();
        for (start, end) in &stalls {
            let at = |seconds: f64| Timestamp::from_nanos((seconds * 1e9) as i64);
            let (from, to) = (at(start + 1.0), at(end + 3.0));
            let changed = change::without_stretch(&source.frames, from, to);
            let report = read(&source.config, &as_pcap(ByteOrder::Little, true, &changed));
            let others = roots(&report)
                .into_iter()
                .filter(|root| !truth.contains(root) && !matches!(root.as_str(), "unknown" | "link_reset"));
            wrong.extend(others.map(|root| format!("{}, from {start} on: {root}", source.name)));
            let is_seen = |outage: &&Value| {
                let (from, to) = stretch(outage);
                outage["kind"] == "no_commit" && from >= start + 0.5 && to <= end + 3.5 && to - from > 3.0
            };
            let outages = list(&report, "outages").iter().filter(is_seen);
            wrong.extend(outages.map(|outage| format!("{}, from {start} on: {outage}", source.name)));
        }
        (stalls.len(), wrong)
    });
    let stalls: usize = told.iter().map(|(stalls, _)| stalls).sum();
    assert!(stalls >= 30, "{stalls}");
    let wrong: Vec<_> = told.into_iter().flat_map(|(_, wrong)| wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
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
