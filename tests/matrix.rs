//! The same traffic in every form: cut at several lengths, split, converted, reordered, duplicated.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/capture.rs"]
mod capture;
mod common;

use capture::{Captured, as_pcap, frames, read};
use common::{list, testdata};
use quorumscope::pcapfile::{ByteOrder, pcapng};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The snap lengths; the last one is unlimited.
const CUTS: [(&str, usize); 4] = [("96", 96), ("128", 128), ("200", 200), ("whole", usize::MAX)];

/// Nanoseconds within which the network may change the order of segments.
const SWAPPED_WITHIN: i64 = 1_000_000;

/// Addresses and ports of a frame with payload: Ethernet and IPv4 without options.
fn way(frame: &Captured) -> Option<[u8; 12]> {
    let header = usize::from(*frame.data.get(46)? >> 4) * 4;
    let length = usize::from(u16::from_be_bytes([frame.data[16], frame.data[17]]));
    (length > 20 + header).then(|| frame.data.get(26..38).unwrap().try_into().unwrap())
}

/// A pcapng file of them, whose clock ticks 10^`digits` times a second.
fn as_pcapng(order: ByteOrder, digits: u8, frames: &[Captured]) -> Vec<u8> {
    let encoder = pcapng::PcapngEncoder { order };
    let mut bytes = Vec::new();
    encoder.section("made by a test", &mut bytes);
    encoder.interface_with_clock(1, 262_144, digits, 0, &mut bytes);
    for frame in frames {
        let ticks = frame.at.nanos().unsigned_abs() / 10_u64.pow(u32::from(9 - digits));
        encoder.packet(0, ticks, &frame.frame(), "", &mut bytes);
    }
    bytes
}

fn as_gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn as_zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn plain(config: &Path, frames: &[Captured]) -> Value {
    read(config, &[("a.pcap", as_pcap(ByteOrder::Little, false, frames))])
}

/// A complete capture, and its report at each snap length.
struct Source {
    name: String,
    config: PathBuf,
    frames: Vec<Captured>,
    /// In the order of [`CUTS`].
    reports: Vec<Value>,
}

/// All complete captures.
static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let mut paths = Vec::new();
    let folders = fs::read_dir(testdata()).unwrap().map(|entry| entry.unwrap().path());
    for folder in folders.filter(|path| path.join("truth.json").exists()) {
        paths.extend(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    paths.retain(|path| path.display().to_string().contains(".full.pcap"));
    paths.sort();
    let source = |path: &PathBuf| {
        let (folder, file) = (path.parent().unwrap(), path.file_name().unwrap().to_str().unwrap());
        let (config, frames) = (folder.join("zoo.cfg"), frames(path));
        let cut = |snaplen| frames.iter().map(|frame| frame.cut(snaplen)).collect::<Vec<_>>();
        let reports = CUTS.iter().map(|(_, snaplen)| plain(&config, &cut(*snaplen))).collect();
        let name = format!("{}/{}", folder.file_name().unwrap().to_str().unwrap(), &file[..3]);
        Source { name, config, frames, reports }
    };
    let half = paths.len() / 2;
    std::thread::scope(|scope| {
        let first = scope.spawn(|| paths[..half].iter().map(source).collect::<Vec<_>>());
        let second: Vec<_> = paths[half..].iter().map(source).collect();
        first.join().unwrap().into_iter().chain(second).collect()
    })
});

/// The stalls without their evidence.
fn stalls(report: &Value) -> Vec<String> {
    let keys = ["subject", "deadlines", "start", "end", "outcome", "cause", "suspect"];
    list(report, "stalls").iter().map(|stall| keys.map(|key| stall[key].to_string()).join(" ")).collect()
}

/// Records by link, direction and type.
type Counts = BTreeMap<(String, String, String), u64>;

/// The records with a visible head, and the same with the inferred ones.
fn counts(report: &Value) -> (Counts, Counts) {
    let (mut seen, mut all) = (Counts::new(), Counts::new());
    for link in list(report, "links") {
        for part in ["records", "inferred"] {
            for (direction, types) in link[part].as_object().unwrap() {
                for (kind, count) in types.as_object().unwrap() {
                    let count = count.as_u64().unwrap();
                    let key =
                        (format!("{} {}", link["id"], link["learner"]), direction.clone(), kind.clone());
                    *all.entry(key.clone()).or_default() += count;
                    *seen.entry(key).or_default() += if part == "records" { count } else { 0 };
                }
            }
        }
    }
    (seen, all)
}

/// By type alone.
fn by_type(counts: &Counts) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for ((_, _, kind), count) in counts {
        *sums.entry(kind.clone()).or_default() += count;
    }
    sums
}

/// Retransmissions are long segments, and the cut hides most of their records.
fn sent_again(report: &Value) -> u64 {
    let links = list(report, "links").iter().map(|link| &link["tcp"]["retransmits"]);
    links.flat_map(|counts| ["to_leader", "to_learner"].map(|way| counts[way].as_u64().unwrap_or(0))).sum()
}

#[test]
fn every_cut_tells_the_same_stalls() {
    let mut found = 0;
    for Source { name, reports, .. } in &*SOURCES {
        let whole = stalls(&reports[3]);
        for ((cut, _), report) in CUTS.iter().zip(reports) {
            assert_eq!(stalls(report), whole, "{name} at {cut}");
        }
        found += whole.len();
    }
    assert!(found >= 10, "{found} stalls");
}

#[test]
fn what_the_cut_hides_is_proved() {
    let mut wrong = Vec::new();
    for Source { name, reports, .. } in &*SOURCES {
        let (_, whole) = counts(&reports[3]);
        for ((cut, _), report) in CUTS.iter().zip(reports) {
            let (_, all) = counts(report);
            for (key, count) in &all {
                let truth = whole.get(key).copied().unwrap_or(0);
                if *count > truth {
                    wrong.push(format!("{name} at {cut}: {count} of {truth} {key:?}"));
                }
            }
            let all = by_type(&all);
            for (kind, truth) in by_type(&whole) {
                let count = all.get(&kind).copied().unwrap_or(0);
                // One in a hundred, or one where there are fewer; and what is sent again comes in long segments.
                if truth.saturating_sub(count) * 100 > truth.max(100) + 200 * sent_again(report) {
                    wrong.push(format!("{name} at {cut}: {count} of {truth} {kind}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn round_trips_are_the_same() {
    let mut wrong = Vec::new();
    for Source { name, reports, .. } in &*SOURCES {
        let whole = list(&reports[3], "links");
        for ((cut, _), report) in CUTS.iter().zip(reports) {
            assert_eq!(list(report, "links").len(), whole.len(), "{name} at {cut}");
            let sum = |links: &[Value], kind: &str| -> u64 {
                links.iter().filter_map(|link| link["round_trips"][kind]["count"].as_u64()).sum()
            };
            for kind in ["ping", "ack", "commit"] {
                let (count, truth) = (sum(list(report, "links"), kind), sum(whole, kind));
                // If several hypotheses remain, an inferred packet has a type but no exact time.
                let most_missing = (truth * 2).max(100) + 200 * sent_again(report);
                if count > truth || (truth - count) * 100 > most_missing {
                    wrong.push(format!("{name} at {cut}: {count} of {truth} {kind}"));
                }
            }
            for (link, whole) in list(report, "links").iter().zip(whole) {
                for kind in ["ping", "ack", "commit"] {
                    let (here, there) = (&link["round_trips"][kind], &whole["round_trips"][kind]);
                    let number = |trips: &Value, key: &str| trips[key].as_u64().unwrap_or(0);
                    let (count, truth) = (number(here, "count"), number(there, "count"));
                    if count > truth {
                        wrong
                            .push(format!("{name} at {cut}, link {}: {count} of {truth} {kind}", link["id"]));
                    }
                    // Three digits are kept.
                    let (median, truth) = (number(here, "p50_us"), number(there, "p50_us"));
                    if count == number(there, "count") && median.abs_diff(truth) > 1 + truth / 500 {
                        wrong.push(format!(
                            "{name} at {cut}, link {}: {kind} {median} and {truth} us",
                            link["id"]
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The length of a time with nine digits after the point.
const NANOS_LEN: usize = "2026-11-21T08:00:00.123456789Z".len();

/// A report without what depends on the form of the input: files and frame numbers.
fn formless(mut report: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("file");
                map.remove("frame");
                map.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            // A capture in nanoseconds shows three more digits.
            Value::String(text) if text.len() == NANOS_LEN && text.ends_with("000Z") => {
                text.replace_range(NANOS_LEN - 4.., "Z");
            }
            _ => {}
        }
    }
    report.as_object_mut().unwrap().remove("input");
    strip(&mut report);
    report
}

/// The first keys whose values differ, for a readable message.
fn differences(path: &str, left: &Value, right: &Value, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            for key in left.keys().chain(right.keys()).collect::<BTreeSet<_>>() {
                let side =
                    |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                differences(&format!("{path}.{key}"), &side(left), &side(right), found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                differences(&format!("{path}[{index}]"), left, right, found);
            }
        }
        _ if left == right => {}
        _ => found.push(format!("{path}: {left} and {right}")),
    }
}

fn same(what: &str, left: &Value, right: &Value, wrong: &mut Vec<String>) {
    let mut found = Vec::new();
    differences("", left, right, &mut found);
    wrong.extend(found.into_iter().take(5).map(|difference| format!("{what}: {difference}")));
}

/// The captures for this test: a frozen leader, a slow disk, a network cut, SASL, a SNAP; all but the second
/// cut at 96 bytes.
fn some() -> Vec<(&'static Source, Vec<Captured>)> {
    let names = ["freeze-leader/zk1", "slow-disk-follower/zk1", "cut-3.4.6/zk1", "sasl/zk1", "snap-sync/zk1"];
    let sources: Vec<_> = SOURCES.iter().filter(|source| names.contains(&source.name.as_str())).collect();
    assert_eq!(sources.len(), names.len());
    let cut = |source: &'static Source| {
        let snaplen = if source.name.starts_with("slow") { usize::MAX } else { 96 };
        (source, source.frames.iter().map(|frame| frame.cut(snaplen)).collect())
    };
    sources.into_iter().map(cut).collect()
}

#[test]
fn every_packing_gives_the_same_report() {
    let mut wrong = Vec::new();
    for (source, frames) in some() {
        let little = as_pcap(ByteOrder::Little, false, &frames);
        let expected = formless(plain(&source.config, &frames));
        let forms = [
            ("gzip", as_gzip(&little)),
            ("gzip of two members", [as_gzip(&little[..5_000]), as_gzip(&little[5_000..])].concat()),
            ("zstd", as_zstd(&little)),
            ("pcap, big-endian", as_pcap(ByteOrder::Big, false, &frames)),
            ("pcap, nanoseconds", as_pcap(ByteOrder::Little, true, &frames)),
            ("pcapng, microseconds", as_pcapng(ByteOrder::Little, 6, &frames)),
            ("pcapng, nanoseconds, big-endian", as_pcapng(ByteOrder::Big, 9, &frames)),
            ("pcapng, nanoseconds, gzip", as_gzip(&as_pcapng(ByteOrder::Little, 9, &frames))),
        ];
        for (form, bytes) in forms {
            // File names carry no meaning.
            let report = formless(read(&source.config, &[("capture.txt", bytes)]));
            same(&format!("{}, {form}", source.name), &expected, &report, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_rotation_gives_the_same_report() {
    // In the order of time; by name they come in another.
    let names: [&[&str]; 2] =
        [&["trace.pcap1", "trace.pcap0"], &["e.pcap.gz", "b.pcap", "d.gz", "a", "c.pcapng"]];
    let mut wrong = Vec::new();
    for (source, frames) in some() {
        let expected = formless(plain(&source.config, &frames));
        for names in names {
            let parts = frames.chunks(frames.len().div_ceil(names.len()));
            let files: Vec<_> = names
                .iter()
                .copied()
                .zip(parts.map(|part| as_pcap(ByteOrder::Little, false, part)))
                .collect();
            let report = formless(read(&source.config, &files));
            same(&format!("{}, {} files", source.name, names.len()), &expected, &report, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn frames_seen_twice_change_nothing_but_their_count() {
    fn uncounted(mut report: Value) -> Value {
        for link in report["links"].as_array_mut().unwrap() {
            link["tcp"].as_object_mut().unwrap().remove("duplicates");
        }
        formless(report)
    }
    let mut wrong = Vec::new();
    for (source, frames) in some() {
        let expected = uncounted(plain(&source.config, &frames));
        // Every frame twice in a row, as from a bridge and its port; and a capture together with its copy.
        let twice: Vec<_> = frames.iter().flat_map(|frame| [frame.clone(), frame.clone()]).collect();
        let report = plain(&source.config, &twice);
        let links = list(&report, "links");
        assert!(links.iter().any(|link| link["tcp"]["duplicates"]["to_leader"].as_u64() > Some(50)));
        same(&format!("{}, each frame twice", source.name), &expected, &uncounted(report), &mut wrong);
        let bytes = as_pcap(ByteOrder::Little, false, &frames);
        let report = read(&source.config, &[("a.pcap", bytes.clone()), ("b.pcap", bytes)]);
        same(&format!("{}, the file twice", source.name), &expected, &uncounted(report), &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Frames in which every third pair of neighbouring segments of a connection is swapped.
fn disordered(frames: &[Captured]) -> (Vec<Captured>, usize) {
    let mut frames = frames.to_vec();
    let (mut pairs, mut swapped, mut at) = (0, 0, 0);
    while at + 1 < frames.len() {
        let (first, second) = (&frames[at], &frames[at + 1]);
        let close = second.at.nanos() - first.at.nanos() < SWAPPED_WITHIN;
        if close && way(first).is_some() && way(first) == way(second) {
            pairs += 1;
            if pairs % 3 == 0 {
                let (early, late) = (first.at, second.at);
                frames.swap(at, at + 1);
                frames[at].at = early;
                frames[at + 1].at = late;
                swapped += 1;
                at += 1;
            }
        }
        at += 1;
    }
    (frames, swapped)
}

#[test]
fn segments_out_of_order_give_the_same_stalls_and_counts() {
    let mut wrong = Vec::new();
    let mut all = 0;
    for (source, frames) in some() {
        let (frames, swapped) = disordered(&frames);
        all += swapped;
        let index = if source.name.starts_with("slow") { 3 } else { 0 };
        let (expected, report) = (&source.reports[index], plain(&source.config, &frames));
        let told = |report: &Value| -> Vec<String> {
            let keys = ["subject", "deadlines", "outcome", "cause", "suspect"];
            list(report, "stalls")
                .iter()
                .map(|stall| keys.map(|key| stall[key].to_string()).join(" "))
                .collect()
        };
        let name = &source.name;
        if told(expected) != told(&report) {
            wrong.push(format!("{name}: {:?} and {:?}", told(expected), told(&report)));
        }
        for (before, after) in list(expected, "stalls").iter().zip(list(&report, "stalls")) {
            let length = |stall: &Value| stall["duration_ms"].as_u64().unwrap();
            if length(before).abs_diff(length(after)) > 2 {
                wrong.push(format!("{name}: {} ms and {} ms", length(before), length(after)));
            }
        }
        let (before, after) = (counts(expected).1, counts(&report).1);
        for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            if before.get(key) != after.get(key) {
                let (before, after) = (before.get(key), after.get(key));
                wrong.push(format!("{name}, {swapped} swapped: {key:?} {before:?} and {after:?}"));
            }
        }
    }
    assert!(all > 50, "{all} swapped");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[expect(clippy::cast_precision_loss, reason = "a share in per cent, with one digit")]
fn share(count: u64, of: u64) -> String {
    if of == 0 { "-".to_owned() } else { format!("{:.1}", count as f64 * 100.0 / of as f64) }
}

/// Records of a type or of a capture, at one cut.
#[derive(Clone, Copy, Default)]
struct Recovered {
    /// In the whole capture.
    whole: u64,
    /// Those with a visible head.
    seen: u64,
    /// Reported and correct.
    known: u64,
    /// Reported and wrong.
    refuted: u64,
}

impl Recovered {
    fn add(&mut self, other: Self) {
        self.whole += other.whole;
        self.seen += other.seen;
        self.known += other.known;
        self.refuted += other.refuted;
    }
}

/// Compares the report of a cut capture with that of the whole one, by type.
fn recovered(cut: &Value, whole: &Value) -> BTreeMap<String, Recovered> {
    let ((seen, all), (_, truth)) = (counts(cut), counts(whole));
    let mut sums: BTreeMap<_, Recovered> = BTreeMap::new();
    for key in all.keys().chain(truth.keys()).collect::<BTreeSet<_>>() {
        let count = |counts: &Counts| counts.get(key).copied().unwrap_or(0);
        let (told, truth) = (count(&all), count(&truth));
        sums.entry(key.2.clone()).or_default().add(Recovered {
            whole: truth,
            seen: count(&seen).min(truth),
            known: told.min(truth),
            refuted: told.saturating_sub(truth),
        });
    }
    sums
}

fn row(name: &str, cuts: &[Recovered; 3]) -> String {
    let mut row = format!("| {name} | {} |", cuts[0].whole);
    for Recovered { whole, seen, known, refuted } in cuts {
        let _ = write!(row, " {} | {} | {refuted} |", share(*seen, *whole), share(*known, *whole));
    }
    row + "\n"
}

#[test]
fn the_table_of_shares_is_checked_in() {
    let mut by_type: BTreeMap<String, [Recovered; 3]> = BTreeMap::new();
    let (mut all, mut rows) = ([Recovered::default(); 3], String::new());
    for Source { name, reports, .. } in &*SOURCES {
        let mut capture = [Recovered::default(); 3];
        for cut in 0..3 {
            for (kind, sum) in recovered(&reports[cut], &reports[3]) {
                by_type.entry(kind).or_default()[cut].add(sum);
                capture[cut].add(sum);
                all[cut].add(sum);
            }
        }
        rows += &row(name, &capture);
    }
    let mut text = "\
# How much of what the cut hides comes back

Written by `tests/matrix.rs` (`QSCOPE_BLESS=1 cargo test --test matrix`): every whole capture of these folders,
cut at 96, 128 and 200 bytes a frame. `seen`: the share of the records on quorum ports, in per cent, whose head
the cut left; `known`: with those that arithmetic proves; `refuted`: how many were told that the whole capture
does not have.

"
    .to_owned();
    let head = |first: &str| {
        let mut head = format!("| {first} | records |");
        for (cut, _) in &CUTS[..3] {
            let _ = write!(head, " seen at {cut} | known | refuted |");
        }
        format!("{head}\n|{}\n", " --- |".repeat(11))
    };
    text += &head("type");
    for (kind, cuts) in &by_type {
        text += &row(kind, cuts);
    }
    text += &row("all", &all);
    text += &format!("\n{}{rows}", head("capture"));
    println!("{text}");
    common::checked_in("RECOVERED.md", &text);
}

/// Snap lengths that leave less than a head of each packet: 14 and 10 bytes of payload, as many as 96 leave of
/// an IPv6 frame.
const SHORT: [usize; 2] = [80, 76];

#[test]
fn less_than_a_head_still_tells_who_went_quiet() {
    let mut wrong = Vec::new();
    let mut found = 0;
    for Source { name, config, frames, reports } in &*SOURCES {
        let (_, truth) = counts(&reports[3]);
        let whole = list(&reports[3], "stalls");
        for snaplen in SHORT {
            let report = plain(config, &frames.iter().map(|frame| frame.cut(snaplen)).collect::<Vec<_>>());
            let stalls = list(&report, "stalls");
            for stall in stalls {
                // ACK waits may be less certain, so times may differ; RFC 3339 times sort as text.
                let time = |stall: &Value, key: &str| stall[key].as_str().unwrap_or("9").to_owned();
                let is_it = |whole: &&Value| {
                    stall["subject"] == whole["subject"]
                        && time(stall, "start") < time(whole, "end")
                        && time(whole, "start") < time(stall, "end")
                };
                match whole.iter().find(is_it) {
                    Some(whole) if stall["cause"] == whole["cause"] || stall["cause"] == "unknown" => {}
                    _ => wrong.push(format!("{name} at {snaplen}: {}", stall["cause"])),
                }
            }
            let is_read = |stall: &&Value| {
                list(stall, "deadlines").iter().any(|name| name == "leader_read" || name == "learner_read")
            };
            for stall in whole.iter().filter(is_read) {
                let is_there = stalls.iter().any(|other| other["subject"] == stall["subject"]);
                found += u32::from(is_there);
                if !is_there {
                    wrong.push(format!("{name} at {snaplen}: {} is not found", stall["subject"]));
                }
            }
            for violation in list(&report, "violations") {
                wrong.push(format!("{name} at {snaplen}: {violation}"));
            }
            for (key, count) in counts(&report).1 {
                let most = truth.get(&key).copied().unwrap_or(0);
                if count > most {
                    wrong.push(format!("{name} at {snaplen}: {count} of {most} {key:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(found >= 10, "{found} stalls");
}

/// The frames of one direction of the links.
fn of_one_direction(frames: &[Captured], is_from_leader: bool) -> Vec<Captured> {
    let is_kept = |frame: &&Captured| {
        let Ok(segment) = quorumscope::packet::segment(&frame.frame()) else { return false };
        (segment.src.port == 2888) == is_from_leader && (segment.dst.port == 2888) != is_from_leader
    };
    frames.iter().filter(is_kept).cloned().collect()
}

/// A mirror of one direction, or a filter that passes only one: the other direction is missing, is counted,
/// and leads to no findings.
#[test]
fn one_direction_alone_makes_no_stall() {
    let mut compared = 0;
    for folder in
        ["healthy", "kill-restart", "snap-sync", "slow-disk-leader"].map(|name| testdata().join(name))
    {
        let paths = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        for path in paths.filter(|path| path.display().to_string().contains(".pcap.")) {
            let all = frames(&path);
            for is_from_leader in [true, false] {
                let report = plain(&folder.join("zoo.cfg"), &of_one_direction(&all, is_from_leader));
                assert_eq!(stalls(&report), Vec::<String>::new(), "{} {is_from_leader}", path.display());
                let hidden = if is_from_leader { "to_leader" } else { "to_learner" };
                for link in list(&report, "links") {
                    let bytes = &link["bytes"][hidden];
                    assert_eq!(bytes["stream"], bytes["missing"], "{} {bytes}", path.display());
                    compared += u32::from(bytes["missing"].as_u64() > Some(10_000));
                }
            }
        }
    }
    assert!(compared >= 10, "{compared}");
}

/// The silent server's own direction shows it: only ACKs from its kernel.
#[test]
fn one_direction_alone_shows_who_went_quiet_and_blames_nobody() {
    let config = testdata().join("freeze-follower-hosts/zoo.cfg");
    let all = frames(&testdata().join("freeze-follower-hosts/zk5.pcap.zst"));
    let report = plain(&config, &of_one_direction(&all, false));
    let [stall] = list(&report, "stalls") else { panic!("{}", report["stalls"]) };
    assert_eq!((&stall["subject"], &stall["cause"]), (&"10.255.0.101".into(), &"unknown".into()));
    let duration = stall["duration_ms"].as_u64().unwrap();
    // The leader's close after 10 s is not visible, but the learner's is, once it resumes.
    assert!((15_000..15_100).contains(&duration), "{duration}");
}
