//! Captures of several hosts, one with a clock that is minutes off and drifts: the same stalls. Captures
//! whose clock is set in between: the same stalls, and none because of that.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/capture.rs"]
mod capture;
mod common;

use capture::{Captured, as_pcap, frames, read};
use common::{list, testdata};
use quorumscope::capture::ClockCorrection;
use quorumscope::pcapfile::ByteOrder;
use quorumscope::time::Span;
use serde_json::Value;

/// Directories, the host whose clock is changed, and the others.
const FOLDERS: [(&str, &str, &[&str]); 8] = [
    ("cut-in", "zk1.pcap.gz", &["zk3.pcap.zst"]),
    ("cut-out", "zk3.pcap.zst", &["zk1.pcap.gz"]),
    ("crash-follower", "zk1.pcap.gz", &["zk3.pcap.zst"]),
    ("freeze-leader", "zk2.pcap.zst", &["zk1.pcap.gz", "zk3.pcap.gz"]),
    ("freeze-follower-hosts", "zk1.pcap.gz", &["zk2.pcap.zst", "zk5.pcap.zst"]),
    ("slow-disk-follower", "zk5.pcap.zst", &["zk1.pcap.zst"]),
    ("delay", "zk1.pcap.gz", &["zk3.pcap.zst"]),
    ("loss-follower", "zk1.pcap.gz", &["zk2.pcap.zst", "zk3.pcap.zst"]),
];

/// The report of a directory, with one host's clock off by `wrong`.
fn report(folder: &str, moved: &str, others: &[&str], wrong: Option<ClockCorrection>) -> Value {
    let folder = testdata().join(folder);
    let mut files: Vec<_> = others
        .iter()
        .map(|name| (&name[..3], as_pcap(ByteOrder::Little, true, &frames(&folder.join(name)))))
        .collect();
    let mut shifted = frames(&folder.join(moved));
    if let Some(clock) = wrong {
        let clock = ClockCorrection { anchor: shifted[0].at, ..clock };
        shifted.iter_mut().for_each(|frame| frame.at = clock.correct(frame.at));
    }
    files.push((&moved[..3], as_pcap(ByteOrder::Little, true, &shifted)));
    read(&folder.join("zoo.cfg"), &files)
}

/// A stall without its times, and its length, which no offset changes.
fn told(report: &Value) -> Vec<(String, Option<f64>)> {
    let seconds = |time: &Value| {
        let time: Option<jiff::Timestamp> = time.as_str().map(|time| time.parse().unwrap());
        time.map(|time| time.as_duration().as_secs_f64())
    };
    list(report, "stalls")
        .iter()
        .map(|stall| {
            let keys = ["subject", "deadlines", "outcome", "cause", "suspect", "links"];
            let what = keys.map(|key| stall[key].to_string()).join(" ");
            (what, seconds(&stall["start"]).zip(seconds(&stall["end"])).map(|(start, end)| end - start))
        })
        .collect()
}

#[test]
fn minutes_between_the_clocks_change_no_verdict() {
    for (folder, moved, others) in FOLDERS {
        let expected = report(folder, moved, others, None);
        for (offset_ms, drift) in [(137_000, 40e-6), (-137_000, -40e-6), (250, 0.0), (3_600_000, 0.0)] {
            let title = format!("{folder}, {moved} off by {offset_ms} ms and {drift}");
            let wrong =
                ClockCorrection { offset: Span::from_millis(offset_ms), drift, ..ClockCorrection::default() };
            let shifted = report(folder, moved, others, Some(wrong));
            let (was, is) = (told(&expected), told(&shifted));
            assert_eq!(was.len(), is.len(), "{title}: {is:#?}");
            for ((was, was_len), (is, is_len)) in was.iter().zip(&is) {
                assert_eq!(was, is, "{title}");
                let apart = was_len.zip(*is_len).map_or(0.0, |(was, is)| (was - is).abs());
                assert!(apart < 2e-3, "{title}: {apart} s apart");
            }
            let clocks = list(&shifted["settings"], "clocks");
            assert!(clocks.iter().any(|clock| clock["reference"] == true), "{title}: {clocks:#?}");
            let corrected: Vec<_> = clocks.iter().filter(|clock| clock["corrected"] == true).collect();
            assert!(!corrected.is_empty(), "{title}: {clocks:#?}");
            for clock in corrected {
                let off = clock["offset_us"].as_i64().unwrap().abs() - offset_ms.abs() * 1000;
                assert!(off.abs() < 50_000, "{title}: {clock}");
                let ppm = clock["drift_ppm"].as_f64().unwrap().abs() - drift.abs() * 1e6;
                assert!(ppm.abs() < 8.0, "{title}: {clock}");
                assert!(clock["uncertainty_us"].as_u64().unwrap() < 5_000, "{title}: {clock}");
            }
        }
    }
}

#[test]
fn clocks_that_agree_are_left_alone() {
    for (folder, moved, others) in FOLDERS {
        let report = report(folder, moved, others, None);
        let clocks = list(&report["settings"], "clocks");
        assert!(clocks.len() >= 2, "{folder}: {clocks:#?}");
        assert!(clocks.iter().all(|clock| clock["corrected"] == false), "{folder}: {clocks:#?}");
    }
}

#[test]
fn both_ends_tell_what_was_lost_on_the_way() {
    let lost = |folder: &str, moved: &str, others: &[&str]| {
        let report = report(folder, moved, others, None);
        let links = list(&report, "links");
        let link = links.iter().find(|link| link["vantage"]["end"] == "both").unwrap();
        assert_eq!(list(link, "seen_from").len(), 2, "{link}");
        assert!(link["one_way"]["to_leader"]["count"].as_u64() > Some(100), "{}", link["one_way"]);
        let lost = &link["lost_on_the_way"];
        [lost["to_leader"].as_u64().unwrap(), lost["to_learner"].as_u64().unwrap()]
    };
    let [to_leader, to_learner] = lost("cut-in", "zk1.pcap.gz", &["zk3.pcap.zst"]);
    assert!(to_leader == 0 && to_learner > 3, "{to_leader} and {to_learner}");
    let [to_leader, to_learner] = lost("cut-out", "zk1.pcap.gz", &["zk3.pcap.zst"]);
    assert!(to_leader > 3 && to_learner == 0, "{to_leader} and {to_learner}");
    assert_eq!(lost("freeze-3.5.9", "zk1.pcap.gz", &["zk3.pcap.zst"]), [0, 0]);
    assert_eq!(lost("delay", "zk1.pcap.gz", &["zk3.pcap.zst"]), [0, 0]);
}

/// Frames, with those from `first` on moved in time.
fn set(frames: &[Captured], first: usize, by: Span) -> Vec<Captured> {
    let shift = |(index, frame): (usize, &Captured)| {
        let at = if index < first { frame.at } else { frame.at.plus(by) };
        Captured { at, ..frame.clone() }
    };
    frames.iter().enumerate().map(shift).collect()
}

fn of_one(frames: &[Captured], folder: &str) -> Value {
    let file = ("capture.pcap", as_pcap(ByteOrder::Little, true, frames));
    read(&testdata().join(folder).join("zoo.cfg"), &[file])
}

#[test]
fn a_clock_that_is_set_makes_no_stall() {
    for name in ["zk1.full.pcap.zst", "zk5.pcap.zst"] {
        let all = frames(&testdata().join("healthy").join(name));
        for seconds in [30, 86_400 * 365, -30, -86_400 * 365] {
            for share in [2, 3] {
                let report =
                    of_one(&set(&all, all.len() / share, Span::from_millis(seconds * 1_000)), "healthy");
                assert_eq!(list(&report, "stalls").len(), 0, "{name} {seconds} s: {}", report["stalls"]);
                let steps: Vec<_> = list(&report["input"], "clock_steps")
                    .iter()
                    .map(|step| step["by_ms"].as_i64().unwrap())
                    .collect();
                match (seconds > 0, steps.as_slice()) {
                    (false, []) => {}
                    (true, [by]) => assert!((by - seconds * 1_000).abs() < 2_000, "{name} {seconds} s: {by}"),
                    _ => panic!("{name} {seconds} s: {steps:?}"),
                }
            }
        }
    }
}

#[test]
fn a_stall_is_told_as_it_was_before_and_after_the_clock_is_set() {
    let all = frames(&testdata().join("freeze-leader/zk2.pcap.zst"));
    let durations = |report: &Value| -> Vec<_> {
        let stalls = list(report, "stalls").iter();
        stalls
            .map(|stall| (stall["duration_ms"].clone(), stall["deadlines"].clone(), stall["cause"].clone()))
            .collect()
    };
    let expected = durations(&of_one(&all, "freeze-leader"));
    assert_eq!(expected.len(), 1);
    for share in [10, 20] {
        let report = of_one(&set(&all, all.len() / share, Span::from_millis(3_600_000)), "freeze-leader");
        assert_eq!(durations(&report), expected, "before the {share}th part");
        assert_eq!(list(&report["input"], "clock_steps").len(), 1);
    }
}

#[test]
fn a_hole_in_the_capture_makes_no_stall() {
    for name in ["zk1.full.pcap.zst", "zk5.pcap.zst"] {
        let all = frames(&testdata().join("healthy").join(name));
        let began = all[0].at;
        let is_kept = |frame: &&Captured| {
            !(Span::from_millis(15_000)..Span::from_millis(40_000)).contains(&frame.at.since(began))
        };
        let rest: Vec<_> = all.iter().filter(is_kept).cloned().collect();
        assert!(rest.len() > all.len() / 4 && rest.len() < all.len());
        let report = of_one(&rest, "healthy");
        assert_eq!(list(&report, "stalls").len(), 0, "{name}: {}", report["stalls"]);
        assert_eq!(list(&report["input"], "clock_steps").len(), 0, "{name}");
    }
}
