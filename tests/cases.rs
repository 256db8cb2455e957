//! Captures as people bring them: the folders of `tests/cases`, and what the report must tell of each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/capture.rs"]
mod capture;
#[path = "common/change.rs"]
mod change;
mod common;

use common::list;
use quorumscope::pcapfile::ByteOrder;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the report must tell of a capture.
struct Case {
    file: &'static str,
    /// Each stall: who went quiet, and the causes that are right.
    stalls: &'static [(&'static str, &'static [&'static str])],
    /// Words that a sentence of `coverage.blind` holds; empty where it need not be blind.
    blind: &'static str,
    /// What else must hold.
    holds: fn(&Value) -> bool,
}

impl Case {
    const fn new(file: &'static str, holds: fn(&Value) -> bool) -> Self {
        Self { file, stalls: &[], blind: "", holds }
    }

    const fn blind(file: &'static str, blind: &'static str, holds: fn(&Value) -> bool) -> Self {
        Self { file, stalls: &[], blind, holds }
    }

    const fn stalls(
        file: &'static str,
        stalls: &'static [(&'static str, &'static [&'static str])],
        holds: fn(&Value) -> bool,
    ) -> Self {
        Self { file, stalls, blind: "", holds }
    }
}

const LEADER_FROZE: &[(&str, &[&str])] = &[("10.255.0.102", &["process_stalled"])];
const CUT: &[(&str, &[&str])] = &[("10.255.0.101", &["network_cut"])];
const LOST: &[&str] = &["network_mtu", "network_loss", "network_cut"];

const CASES: &[Case] = &[
    Case::stalls(
        "capture-drops-are-no-retransmissions/zk1-5-percent-dropped.pcap.gz",
        LEADER_FROZE,
        |report| {
            blames(report, "10.255.0.102") && tcp(report, "out_of_order") + tcp(report, "retransmits") == 0
        },
    ),
    Case::stalls(
        "capture-drops-are-no-retransmissions/zk1-nothing-dropped.pcap.gz",
        LEADER_FROZE,
        |report| blames(report, "10.255.0.102"),
    ),
    Case::stalls("election-winner-from-a-stale-vote/zk1-s96.pcap.gz", LEADER_FROZE, third_leads),
    Case::stalls("election-winner-from-a-stale-vote/zk1-whole.pcap.gz", LEADER_FROZE, third_leads),
    Case::new("foreign-on-election-port/dns-probe-4zeros.pcap", is_stranger),
    Case::new("foreign-on-election-port/dns-probe.pcap", is_stranger),
    Case::new("foreign-on-election-port/empty.pcap", is_stranger),
    Case::new("foreign-on-election-port/kafka-apiversions.pcap", is_stranger),
    Case::new("foreign-on-election-port/ruok.pcap", is_stranger),
    Case::new("foreign-on-election-port/zeros.pcap", is_stranger),
    Case::new("foreign-on-election-port/zkclient-on-3888.pcap", is_stranger),
    Case::new("hole-in-the-capture-is-a-cut/zk3-7s-missing.pcap.gz", |report| {
        let gaps = list(&report["coverage"], "gaps");
        list(report, "incidents").iter().all(|incident| incident["root"] != "network_cut") && gaps.len() == 1
    }),
    Case::new("limit-reached-that-was-not/capture.pcap.gz", |report| report["limits_hit"] == json!({})),
    Case::stalls(
        "merged-hosts-one-ends-early/merged.pcapng.gz",
        &[("10.255.0.101", &["process_stalled"])],
        |report| list(report, "incidents").len() == 1 && list(report, "outages").is_empty(),
    ),
    Case::stalls("mtu-black-hole-blames-the-learner/leader-host.pcap", &[("10.9.0.1", LOST)], is_to_learner),
    Case::stalls("mtu-black-hole-blames-the-learner/learner-host.pcap", &[("10.9.0.1", LOST)], is_to_learner),
    Case::blind("no-stall-though-nothing-read/s64.pcap.gz", "-s 96", nothing_told),
    Case::blind("no-stall-though-nothing-read/s66.pcap.gz", "-s 96", nothing_told),
    Case::blind("no-stall-though-nothing-read/s68.pcap.gz", "-s 96", nothing_told),
    // What TCP shows of it is right, and no more than likely.
    Case {
        file: "no-stall-though-nothing-read/tls.pcap.gz",
        stalls: LEADER_FROZE,
        blind: "TLS",
        holds: |report| {
            report["coverage"]["stalls"] != "full" && report["incidents"][0]["confidence"] == "likely"
        },
    },
    Case::stalls("no-stall-though-nothing-read/whole.pcap.gz", LEADER_FROZE, |report| {
        report["stalls"][0]["duration_ms"] == 5012
    }),
    Case::new("pcap-variants/kuznetzov-modified.pcap", |report| report["input"]["frames"] == 44),
    Case::new("pcap-variants/snoop.cap", |report| {
        report["input"]["frames"] == 44 && report["input"]["files"][0]["format"] == "snoop"
    }),
    Case::blind("pcap-variants/simple-packet-blocks.pcapng", "when", |report| {
        report["input"]["first"].is_null() && nothing_told(report)
    }),
    Case::new("ping-answer-lost/capture.pcap", |report| {
        let ping = &report["links"][0]["round_trips"]["ping"];
        ping["count"] == 19 && ping["max_us"] == 1_000
    }),
    Case::stalls("retransmissions-without-id-and-timestamps/zk3-ipv6-nots.pcap.gz", CUT, eight_retransmits),
    Case::stalls("retransmissions-without-id-and-timestamps/zk3-ipv6.pcap.gz", CUT, eight_retransmits),
    Case::stalls("same-connection-on-both-sides-of-nat/zk1-any-dnat.pcap.gz", LEADER_FROZE, |report| {
        list(report, "servers").len() == 3 && list(report, "links").len() == 2
    }),
    Case::stalls(
        "servers-behind-one-address/snat-zk5.pcap.gz",
        &[("10.255.0.254", &["process_stalled", "unknown"]), ("10.255.0.254", &["disk_slow", "unknown"])],
        |report| {
            let sids: Vec<_> =
                list(report, "links").iter().map(|link| link["learner_sid"].as_i64()).collect();
            sids == [None, None, None, None, Some(2), Some(1)]
        },
    ),
    Case::new("stall-on-link-without-a-byte/fin-only.pcap", is_stranger),
    Case::new("stall-on-link-without-a-byte/fin-then-ack.pcap", is_stranger),
    Case::blind("tls-idle-is-sync-slow/capture.pcap", "TLS", |report| {
        report["links"][0]["protection"] == "tls" && list(report, "incidents").is_empty()
    }),
];

/// Where the captures are.
fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn blames(report: &Value, host: &str) -> bool {
    list(report, "stalls").iter().all(|stall| stall["suspect"]["host"] == host)
}

/// The sum of a count of TCP over all links and both directions.
fn tcp(report: &Value, count: &str) -> u64 {
    let links = list(report, "links").iter();
    links.map(|link| &link["tcp"][count]).map(both).sum()
}

fn both(count: &Value) -> u64 {
    count["to_leader"].as_u64().unwrap() + count["to_learner"].as_u64().unwrap()
}

fn third_leads(report: &Value) -> bool {
    let elections = list(report, "elections");
    elections.len() == 1 && elections[0]["leader_sid"] == 3 && elections[0]["epoch"] == 2
}

fn is_stranger(report: &Value) -> bool {
    list(report, "servers").is_empty()
        && list(report, "elections").is_empty()
        && list(report, "links").is_empty()
        && report["input"]["strangers"]["connections"] == 1
}

fn nothing_told(report: &Value) -> bool {
    report["coverage"]["stalls"] == "none" && list(report, "incidents").is_empty()
}

fn is_to_learner(report: &Value) -> bool {
    let suspect = &report["stalls"][0]["suspect"];
    suspect["direction"] == "10.9.0.3>10.9.0.1"
}

fn eight_retransmits(report: &Value) -> bool {
    tcp(report, "retransmits") == 8 && tcp(report, "duplicates") == 0
}

fn report_of(path: &Path) -> Value {
    let config = path.with_file_name("zoo.cfg");
    let config = config.exists().then(|| ["--zoo-cfg".into(), config.into_os_string()]);
    let output = Command::new(env!("CARGO_BIN_EXE_qscope"))
        .args(["replay", "--format", "json"])
        .args(config.into_iter().flatten())
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "{}: {}",
        path.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What is wrong with the report of a case.
fn wrong(case: &Case, report: &Value) -> Option<String> {
    let stalls = list(report, "stalls");
    let is_right = |(stall, (subject, causes)): (&Value, &(&str, &[&str]))| {
        stall["subject"] == *subject && causes.iter().any(|cause| stall["cause"] == *cause)
    };
    let told: Vec<_> =
        stalls.iter().map(|stall| format!("{} of {}", stall["cause"], stall["subject"])).collect();
    let blind = list(&report["coverage"], "blind");
    if stalls.len() != case.stalls.len() || !stalls.iter().zip(case.stalls).all(is_right) {
        return Some(format!("{}: stalls {told:?}", case.file));
    }
    if !blind.iter().any(|blind| blind.as_str().unwrap().contains(case.blind)) && !case.blind.is_empty() {
        return Some(format!("{}: blind {blind:?}", case.file));
    }
    (!(case.holds)(report)).then(|| format!("{}: {}", case.file, report["incidents"]))
}

#[test]
fn every_case_is_told_as_it_is() {
    let wrong: Vec<_> =
        CASES.iter().filter_map(|case| wrong(case, &report_of(&cases().join(case.file)))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_capture_of_the_folder_is_a_case() {
    let files = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let folders = files(cases()).filter(|path| path.is_dir());
    let captures = folders.flat_map(files).filter(|path| path.extension().is_some_and(|ext| ext != "cfg"));
    for path in captures.filter(|path| !path.ends_with("file-order-is-not-time-order/zk5.pcap.gz")) {
        assert!(CASES.iter().any(|case| path.ends_with(case.file)), "{}", path.display());
    }
}

#[test]
fn records_out_of_order_by_300_us_change_nothing() {
    let path = cases().join("file-order-is-not-time-order/zk5.pcap.gz");
    let frames = change::jittered(&capture::frames(&path), 300, 1);
    let folder = tempfile::tempdir().unwrap();
    fs::copy(path.with_file_name("zoo.cfg"), folder.path().join("zoo.cfg")).unwrap();
    let jittered = folder.path().join("zk5.pcap");
    fs::write(&jittered, capture::as_pcap(ByteOrder::Little, true, &frames)).unwrap();
    let report = report_of(&jittered);
    assert_eq!(list(&report, "links").len(), 4);
    let unanswered = list(&report, "links").iter().map(|link| &link["round_trips"]["ping"]["unanswered"]);
    assert!(unanswered.into_iter().all(|unanswered| *unanswered == 0));
    assert_eq!(tcp(&report, "out_of_order"), 0);
    assert!(report["input"]["files"][0]["reordered_frames"].as_u64().unwrap() > 0);
}

#[test]
fn a_stranger_s_records_are_not_dumped() {
    for case in CASES.iter().filter(|case| case.file.starts_with("foreign-on-election-port/")) {
        let output = Command::new(env!("CARGO_BIN_EXE_qscope"))
            .arg("dump")
            .arg(cases().join(case.file))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{}", case.file);
    }
}

#[test]
fn an_mtu_black_hole_of_which_frames_are_lacking_is_no_other_cause() {
    let folder = tempfile::tempdir().unwrap();
    let dropped = folder.path().join("dropped.pcap");
    for (name, seeds) in [("leader-host.pcap", 0..12), ("learner-host.pcap", 0..12)] {
        let plain = fs::read(cases().join("mtu-black-hole-blames-the-learner").join(name)).unwrap();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&plain).unwrap();
        fs::write(&dropped, packed.finish().unwrap()).unwrap();
        let whole = capture::frames(&dropped);
        let mut known = 0;
        for seed in seeds {
            let frames = change::drop_frames(&whole, 2, seed);
            fs::write(&dropped, capture::as_pcap(ByteOrder::Little, true, &frames)).unwrap();
            let report = report_of(&dropped);
            for stall in list(&report, "stalls") {
                let cause = stall["cause"].as_str().unwrap();
                assert!(matches!(cause, "network_mtu" | "unknown"), "{name}, seed {seed}: {cause}");
                known += u32::from(cause == "network_mtu");
            }
        }
        assert!(known >= 6, "{name}: {known} of 12");
    }
}

/// A pcapng file whose records have these times, in microseconds since 1970, of all 64 bits.
fn with_times(frames: &[capture::Captured], time: impl Fn(usize) -> u64) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let mut padded = body.to_vec();
        padded.resize(body.len().next_multiple_of(4), 0);
        let len = u32::try_from(padded.len() + 12).unwrap().to_le_bytes();
        [&kind.to_le_bytes()[..], &len, &padded, &len].concat()
    };
    let section = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
    let mut file = [block(0x0a0d_0d0a, &section), block(1, &[1, 0, 0, 0, 0xff, 0xff, 0, 0])].concat();
    for (index, frame) in frames.iter().enumerate() {
        let at = time(index);
        let [high, low] = [at >> 32, at & 0xffff_ffff].map(|half| u32::try_from(half).unwrap());
        let len = u32::try_from(frame.data.len()).unwrap();
        let head: Vec<u8> =
            [0, high, low, len, frame.orig_len].iter().flat_map(|word| word.to_le_bytes()).collect();
        file.extend(block(6, &[head, frame.data.clone()].concat()));
    }
    file
}

#[test]
fn times_from_one_end_to_the_other_overflow_nothing() {
    let path = cases().join("capture-drops-are-no-retransmissions/zk1-nothing-dropped.pcap.gz");
    let frames = capture::frames(&path);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("times.pcapng");
    // What of nanoseconds fits into 63 bits, in microseconds.
    let last = i64::MAX.cast_unsigned() / 1_000;
    let count = frames.len() as u64;
    let ways: [&dyn Fn(usize) -> u64; 4] = [
        &|index| if index % 2 == 0 { index as u64 } else { last - count + index as u64 },
        &|index| if index < frames.len() / 2 { index as u64 } else { last - count + index as u64 },
        &|index| index as u64 * (last / count),
        &|index| u64::MAX - index as u64,
    ];
    for (number, way) in ways.into_iter().enumerate() {
        fs::write(&file, with_times(&frames, way)).unwrap();
        let report = report_of(&file);
        assert_eq!(report["input"]["frames"], count, "way {number}");
    }
}
