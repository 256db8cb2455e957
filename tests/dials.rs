//! What goes wrong before there is a link, or with one that is let go of again and again: synthetic captures, each of
//! one thing, through the binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

#[path = "common/capture.rs"]
mod capture;
mod common;

use capture::{Captured, as_pcap};
use common::list;
use quorumscope::pcapfile::ByteOrder;
use quorumscope::time::{Span, Timestamp};
use serde_json::Value;
use std::fs;
use std::process::{Command, Stdio};

const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 0x10;
const FIN_ACK: u8 = 0x11;
const LEADER: (u8, u16) = (3, 2888);

/// A host of 10.9.0.0/24, and a port.
type End = (u8, u16);

/// Frames of a capture, by time.
#[derive(Default)]
struct Wire(Vec<Captured>);

/// A connection that is under way.
struct Talk {
    ends: [End; 2],
    seq: [u32; 2],
}

impl Wire {
    /// A segment at so many milliseconds; of `len` bytes of payload these were captured.
    fn segment(
        &mut self,
        millis: i64,
        ends: [End; 2],
        flags: u8,
        numbers: [u32; 2],
        payload: &[u8],
        len: usize,
    ) {
        let [(src, src_port), (dst, dst_port)] = ends;
        let mut data = vec![2; 12];
        data.extend([8, 0, 0x45, 0]);
        // As with segmentation offload, where one frame is longer than the field can say: 0.
        data.extend(u16::try_from(40 + len).unwrap_or(0).to_be_bytes());
        data.extend((self.0.len() as u16).to_be_bytes());
        data.extend([0x40, 0, 64, 6, 0, 0, 10, 9, 0, src, 10, 9, 0, dst]);
        data.extend(src_port.to_be_bytes());
        data.extend(dst_port.to_be_bytes());
        data.extend(numbers[0].to_be_bytes());
        data.extend(numbers[1].to_be_bytes());
        data.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        data.extend_from_slice(payload);
        let at = Timestamp::from_nanos(1_700_000_000_000_000_000).plus(Span::from_millis(millis));
        self.0.push(Captured { at, orig_len: u32::try_from(54 + len).unwrap(), data });
    }

    /// A connection is made.
    fn connect(&mut self, millis: i64, dialer: End, acceptor: End) -> Talk {
        let ends = [dialer, acceptor];
        let back = [acceptor, dialer];
        self.segment(millis, ends, SYN, [1_000, 0], &[], 0);
        self.segment(millis, back, SYN | ACK, [9_000, 1_001], &[], 0);
        self.segment(millis, ends, ACK, [1_001, 9_001], &[], 0);
        Talk { ends, seq: [1_001, 9_001] }
    }

    /// One side says something of `len` bytes, of which these were captured, and the other acknowledges it.
    fn says(&mut self, millis: i64, talk: &mut Talk, by_dialer: bool, payload: &[u8], len: usize) {
        let [a, b] = talk.ends;
        let (ends, own) = if by_dialer { ([a, b], 0) } else { ([b, a], 1) };
        let numbers = [talk.seq[own], talk.seq[1 - own]];
        self.segment(millis, ends, ACK | 8, numbers, payload, len);
        talk.seq[own] += u32::try_from(len).unwrap();
        self.segment(millis, [ends[1], ends[0]], ACK, [talk.seq[1 - own], talk.seq[own]], &[], 0);
    }

    fn closes(&mut self, millis: i64, talk: &Talk, by_dialer: bool) {
        let [a, b] = talk.ends;
        let (ends, own) = if by_dialer { ([a, b], 0) } else { ([b, a], 1) };
        self.segment(millis, ends, FIN_ACK, [talk.seq[own], talk.seq[1 - own]], &[], 0);
        let back = [talk.seq[1 - own], talk.seq[own] + 1];
        self.segment(millis, [ends[1], ends[0]], FIN_ACK, back, &[], 0);
    }

    /// A learner joins: the link as far as UPTODATE and its ACK.
    fn joins(&mut self, millis: i64, learner: End, sid: u8) -> Talk {
        let mut talk = self.connect(millis, learner, LEADER);
        let zxid = (1u64 << 32).to_be_bytes();
        let mut info = packet(11, 0, &[0, 0, 0, 0, 0, 0, 0, sid, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.says(millis + 1, &mut talk, true, &info, info.len());
        info = packet(17, 1 << 32, &[0, 1, 0, 0]);
        self.says(millis + 2, &mut talk, false, &info, info.len());
        info = packet(18, 0, &[0, 0, 0, 0]);
        self.says(millis + 3, &mut talk, true, &info, info.len());
        for kind in [13, 10] {
            info = bare(kind, u64::from_be_bytes(zxid));
            self.says(millis + 4, &mut talk, false, &info, info.len());
        }
        info = bare(3, 1 << 32);
        self.says(millis + 5, &mut talk, true, &info, info.len());
        info = bare(12, u64::MAX);
        self.says(millis + 6, &mut talk, false, &info, info.len());
        info = bare(3, 1 << 32);
        self.says(millis + 7, &mut talk, true, &info, info.len());
        talk
    }

    /// PINGs and answers to it every 500 ms.
    fn pings(&mut self, from: i64, to: i64, talk: &mut Talk) {
        for millis in (from..to).step_by(500) {
            let ping = bare(5, 1 << 32);
            self.says(millis, talk, false, &ping, ping.len());
            let answer = packet(5, 1 << 32, &[]);
            self.says(millis + 1, talk, true, &answer, answer.len());
        }
    }

    fn report(mut self) -> Value {
        self.0.sort_by_key(|frame| frame.at);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pcap");
        fs::write(&path, as_pcap(ByteOrder::Little, true, &self.0)).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_qscope"))
            .args(["replay", "--format", "json", "--tick-time", "1000", "--sync-limit", "4"])
            .arg(&path)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 3)), "{error}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// A quorum packet with data.
fn packet(kind: u32, zxid: u64, data: &[u8]) -> Vec<u8> {
    let len = u32::try_from(data.len()).unwrap();
    [&kind.to_be_bytes()[..], &zxid.to_be_bytes(), &len.to_be_bytes(), data, &[0xff; 4]].concat()
}

/// A quorum packet without.
fn bare(kind: u32, zxid: u64) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &zxid.to_be_bytes(), &[0xff; 8]].concat()
}

fn roots(report: &Value) -> Vec<&str> {
    list(report, "incidents").iter().map(|incident| incident["root"].as_str().unwrap()).collect()
}

#[test]
fn a_server_that_nobody_listens_on_is_told() {
    let mut wire = Wire::default();
    for attempt in 0..12u16 {
        let dialer = (1, 40_000 + attempt);
        let millis = i64::from(attempt) * 1_000;
        wire.segment(millis, [dialer, (2, 3888)], SYN, [7, 0], &[], 0);
        wire.segment(millis, [(2, 3888), dialer], RST | ACK, [0, 8], &[], 0);
    }
    let report = wire.report();
    assert_eq!(roots(&report), ["connect_refused"]);
    assert_eq!(report["incidents"][0]["suspect"]["host"], "10.9.0.2");
    assert_eq!(report["incidents"][0]["confidence"], "proven");
    assert_eq!(report["dials"][0]["refused"], 12);
    assert_eq!(report["dials"][0]["to"], "10.9.0.2:3888");
}

#[test]
fn a_server_that_is_late_by_a_few_seconds_is_no_incident() {
    let mut wire = Wire::default();
    for attempt in 0..3u16 {
        let dialer = (1, 40_000 + attempt);
        let millis = i64::from(attempt) * 1_000;
        wire.segment(millis, [dialer, (2, 3888)], SYN, [7, 0], &[], 0);
        wire.segment(millis, [(2, 3888), dialer], RST | ACK, [0, 8], &[], 0);
    }
    let mut talk = wire.connect(3_000, (1, 40_100), (2, 3888));
    wire.says(3_001, &mut talk, true, &[0, 0, 0, 0, 0, 0, 0, 1], 8);
    let report = wire.report();
    assert_eq!(roots(&report), [""; 0]);
    assert_eq!(report["dials"][0]["refused"], 3);
    assert_eq!(report["dials"][0]["accepted"], 1);
}

#[test]
fn a_server_that_does_not_answer_is_told() {
    let mut wire = Wire::default();
    for attempt in 0..4u16 {
        for repeat in [0, 1_000, 3_000] {
            let millis = i64::from(attempt) * 5_000 + repeat;
            wire.segment(millis, [(1, 40_000 + attempt), (2, 3888)], SYN, [7, 0], &[], 0);
        }
    }
    let report = wire.report();
    assert_eq!(roots(&report), ["connect_unanswered"]);
    assert_eq!(report["dials"][0]["unanswered"], 4);
    let path = &report["incidents"][0]["suspect"]["path"];
    assert_eq!(path, &serde_json::json!(["10.9.0.1", "10.9.0.2"]));
}

#[test]
fn an_election_connection_that_is_dead_is_told_where_the_path_is_alive() {
    let vote = [0u8; 16];
    let dead = |is_alive: bool| {
        let mut wire = Wire::default();
        let mut talk = wire.connect(0, (2, 50_000), (1, 3888));
        wire.says(1, &mut talk, true, &[0, 0, 0, 0, 0, 0, 0, 2], 8);
        wire.says(2, &mut talk, false, &vote, 16);
        let mut other = wire.joins(100, (1, 40_000), 1);
        let mut own = wire.connect(200, (2, 50_001), (1, 3888));
        for millis in [90_000, 90_200, 90_600, 91_400, 93_000] {
            wire.segment(millis, [(1, 3888), (2, 50_000)], ACK | 8, [talk.seq[1], talk.seq[0]], &vote, 16);
        }
        if is_alive {
            wire.says(91_000, &mut own, true, &[0, 0, 0, 0, 0, 0, 0, 2], 8);
            wire.segment(93_001, [(2, 50_000), (1, 3888)], RST, [talk.seq[0], 0], &[], 0);
        }
        wire.pings(600, 95_000, &mut other);
        wire.report()
    };
    let report = dead(true);
    assert!(roots(&report).contains(&"election_link_dead"), "{:?}", report["incidents"]);
    assert!(!roots(&dead(false)).contains(&"election_link_dead"));
}

/// A learner that lets go at the same transaction so many times, every 200 ms from 10 s on, and serves in the end.
fn refuses(rounds: u16) -> Wire {
    let mut wire = Wire::default();
    let mut other = wire.joins(0, (2, 41_000), 2);
    wire.pings(500, 60_000, &mut other);
    let mut talk = wire.joins(100, (1, 40_000), 1);
    wire.pings(600, 9_000, &mut talk);
    let mut millis = 10_000;
    for round in 0..rounds {
        if round > 0 {
            talk = wire.joins(millis, (1, 40_000 + round), 1);
        }
        let data =
            [&[0u8; 12][..], &((1u64 << 32) + 1).to_be_bytes(), &[0; 11], &[5, 0, 0, 0, 4], b"/big"].concat();
        let head =
            [&[0, 0, 0, 2][..], &((1u64 << 32) + 1).to_be_bytes(), &300_101u32.to_be_bytes(), &data].concat();
        wire.says(millis + 50, &mut talk, false, &head, 60_000);
        wire.closes(millis + 60, &talk, true);
        millis += 200;
    }
    let mut talk = wire.joins(millis + 1_000, (1, 42_000), 1);
    wire.pings(millis + 1_500, 60_000, &mut talk);
    wire
}

#[test]
fn a_transaction_that_a_learner_refuses_is_told_once() {
    let report = refuses(5).report();
    assert_eq!(roots(&report), ["packet_too_large"]);
    let incident = &report["incidents"][0];
    assert_eq!(incident["suspect"]["host"], "10.9.0.1");
    assert!(incident["summary"].as_str().unwrap().contains("300,121 BYTES"), "{}", incident["summary"]);
    assert!(incident["why"][0].as_str().unwrap().contains("5 times"), "{}", incident["why"]);
    assert!(incident["why"][0].as_str().unwrap().contains("/big"), "{}", incident["why"]);
}

#[test]
fn a_stretch_that_the_capture_lacks_parts_no_loop() {
    // The last link before it had just begun; of the first one behind it the beginning is lost, or not.
    for (from, to) in [(14_020, 34_020), (14_040, 33_990)] {
        let mut wire = refuses(200);
        let at = |millis: i64| Timestamp::from_nanos(wire.0[0].at.nanos() + millis * 1_000_000);
        let hole = at(from)..at(to);
        wire.0.retain(|frame| !hole.contains(&frame.at));
        let report = wire.report();
        assert_eq!(roots(&report), ["packet_too_large"], "{:?}", report["coverage"]["gaps"]);
        let count = report["incidents"][0]["count"].as_u64().unwrap();
        assert!((95..=101).contains(&count), "{count}");
    }
}

#[test]
fn a_server_that_is_turned_away_again_and_again_is_told_unless_it_is_dialed_back() {
    // Server 1 dials server 2, says who it is, and is let go of; whether 2 dials back, and whether that stands.
    let turned_away = |dials_back: bool, stands: bool| {
        let mut wire = Wire::default();
        for round in 0..6u16 {
            let millis = i64::from(round) * 3_000;
            let mut talk = wire.connect(millis, (1, 40_000 + round), (2, 3888));
            wire.says(millis + 1, &mut talk, true, &[0, 0, 0, 0, 0, 0, 0, 1], 8);
            wire.closes(millis + 2, &talk, false);
            if dials_back {
                let mut back = wire.connect(millis + 5, (2, 50_000 + round), (1, 3888));
                wire.says(millis + 6, &mut back, true, &[0, 0, 0, 0, 0, 0, 0, 2], 8);
                wire.says(millis + 7, &mut back, false, &[0, 0, 0, 40], 4);
                if !stands {
                    wire.closes(millis + 50, &back, true);
                }
            }
        }
        wire.report()
    };
    for report in [turned_away(false, false), turned_away(true, false)] {
        assert_eq!(roots(&report), ["connect_refused"]);
        let incident = &report["incidents"][0];
        assert_eq!(incident["suspect"]["path"], serde_json::json!(["10.9.0.2", "10.9.0.1"]));
        assert_eq!((&incident["confidence"], &incident["count"]), (&"likely".into(), &6.into()));
        let summary = incident["summary"].as_str().unwrap();
        assert!(summary.contains(" TURNED server.1 AWAY"), "{summary}");
    }
    assert_eq!(roots(&turned_away(true, true)), [""; 0]);
}

#[test]
fn joins_that_fail_over_and_over_are_one_incident() {
    let joins = |rounds: u16| {
        let mut wire = Wire::default();
        let mut other = wire.joins(0, (2, 41_000), 2);
        wire.pings(500, 30_000, &mut other);
        for round in 0..rounds {
            let millis = 10_000 + i64::from(round) * 500;
            let mut talk = wire.connect(millis, (1, 40_000 + round), LEADER);
            let info = packet(11, 0, &[0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            wire.says(millis + 1, &mut talk, true, &info, info.len());
            wire.closes(millis + 20, &talk, false);
        }
        let mut talk = wire.joins(20_000, (1, 42_000), 1);
        wire.pings(20_500, 30_000, &mut talk);
        wire.report()
    };
    let report = joins(6);
    assert_eq!(roots(&report), ["sync_loop"]);
    let incident = &report["incidents"][0];
    assert_eq!((&incident["suspect"]["host"], &incident["count"]), (&"10.9.0.1".into(), &6.into()));
    assert_eq!(incident["duration_ms"], 10_000);
    assert!(incident["why"][0].as_str().unwrap().contains("its leader closed most"), "{}", incident["why"]);
    // An election takes a join or two.
    assert_eq!(roots(&joins(2)), [""; 0]);
}

#[test]
fn two_servers_with_one_id_are_a_violation_and_one_that_comes_back_is_none() {
    let mut wire = Wire::default();
    let mut first = wire.joins(0, (1, 40_000), 1);
    wire.pings(500, 20_000, &mut first);
    let mut second = wire.joins(5_000, (2, 41_000), 1);
    wire.pings(5_500, 20_000, &mut second);
    let report = wire.report();
    let rules: Vec<_> = list(&report, "violations").iter().map(|violation| &violation["rule"]).collect();
    assert_eq!(rules, ["sid_twice"]);

    let mut wire = Wire::default();
    let mut first = wire.joins(0, (1, 40_000), 1);
    wire.pings(500, 5_000, &mut first);
    let mut second = wire.joins(6_000, (2, 41_000), 1);
    wire.pings(6_500, 20_000, &mut second);
    assert_eq!(list(&wire.report(), "violations"), [] as [Value; 0]);
}
