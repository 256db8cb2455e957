//! From the bytes of a file to the report, along the path of every command.

use serde_json::Value;

use super::Dice;
use crate::address::Address;
use crate::capture::read_bytes;
use crate::diagnose::Analyzer;
use crate::dissect::{DissectOptions, Dissector, Hosts};
use crate::findings::{Input, Origin, Report, selection::Selection};
use crate::frame::{Frame, FrameRef};
use crate::packet;
use crate::pcapfile::FrameHead;
use crate::report::clock::{Digits, WallClock};
use crate::report::{json, text, trace};
use crate::stream::Limits;
use crate::track::{TrackerOptions, series::SeriesOptions};
use jiff::tz::TimeZone;

/// A capture file, compressed or not, through every layer to the report in both formats.
///
/// Holds: the JSON is JSON, and what it says is sound (see [`check`]); neither form has a character that a
/// terminal would obey; the same bytes give the same report, in pieces and without the lanes.
pub fn report(data: &[u8]) {
    let found = made_of(data, 1 << 16, true);
    let json = as_json(&found);
    check(&serde_json::from_str(&json).expect("valid JSON"));
    is_harmless(&json);
    is_harmless(&as_text(&found));
    let trace = as_trace(&found);
    is_harmless(&trace);
    assert!(serde_json::from_str::<Value>(&trace).expect("valid JSON")["traceEvents"].is_array());
    assert_eq!(as_json(&made_of(data, 700, true)), json);
    assert_eq!(as_json(&made_of(data, 1 << 16, false)), json);
}

fn made_of(data: &[u8], portion: usize, lanes: bool) -> Report {
    let file = read_bytes(data.to_vec(), portion);
    let mut dice = Dice::of(data);
    // Limits short enough to make many silences stalls.
    let ticks = [None, Some((20, Origin::Option)), Some((100, Origin::Option)), Some((1000, Origin::Option))];
    let tick_ms = ticks[dice.below(ticks.len())];
    let sync_limit = tick_ms.map(|_| (2, Origin::Option));
    // Sometimes memory is very limited, or both ends of the first connection were captured.
    let is_narrow = dice.below(4) == 0;
    let narrow = Limits { connections: 2, held_segments: 2, held_bytes: 512, ..Limits::default() };
    let limits = Limits { lanes, ..if is_narrow { narrow } else { Limits::default() } };
    let hosts = if dice.below(3) == 0 { ends(&file.frames) } else { Vec::new() };
    let settings = DissectOptions { limits, hosts: Hosts::new(&hosts), ..DissectOptions::default() };
    let mut dissector = Dissector::new(settings);
    let series = Some(SeriesOptions { max_intervals: 64, buckets: true });
    let options = TrackerOptions {
        warn_at_percent: 50,
        tick_ms,
        sync_limit,
        hosts,
        series,
        ..TrackerOptions::default()
    };
    let both_ends_captured = !options.hosts.is_empty();
    let mut analyzer = Analyzer::new(options);
    for (head, bytes) in &file.frames {
        let index = if both_ends_captured { dice.below(2) as u32 } else { 0 };
        let id = FrameRef { file: index, number: head.number };
        let frame = Frame { at: head.at, link: head.link, orig_len: head.orig_len, data: bytes, id };
        if let Ok(segment) = packet::segment(&frame) {
            dissector.segment(&segment, &mut analyzer);
        }
    }
    dissector.finish(&mut analyzer);
    let mut report = analyzer.finish(&[file.info.last, file.info.last]);
    let files = if both_ends_captured { vec![file.info.clone(), file.info] } else { vec![file.info] };
    report.input = Input { files, ..Input::default() };
    report
}

/// The two ends of the first connection, as the hosts where two files were captured.
fn ends(frames: &[(FrameHead, Vec<u8>)]) -> Vec<Option<Address>> {
    let id = FrameRef::default();
    let first = frames.iter().find_map(|(head, data)| {
        let frame = Frame { at: head.at, link: head.link, orig_len: head.orig_len, data, id };
        packet::segment(&frame).ok().map(|segment| [segment.src.address, segment.dst.address])
    });
    first.iter().flatten().copied().map(Some).collect()
}

fn as_json(report: &Report) -> String {
    let mut out = Vec::new();
    json::write(report, &mut out).unwrap();
    String::from_utf8(out).expect("UTF-8")
}

fn as_trace(report: &Report) -> String {
    let mut out = Vec::new();
    trace::write(report, &mut out).unwrap();
    String::from_utf8(out).expect("UTF-8")
}

fn as_text(report: &Report) -> String {
    let style = text::Style {
        clock: WallClock { zone: TimeZone::UTC, digits: Digits::Six },
        is_coloured: false,
        warn_at_percent: 50,
        is_verbose: true,
        selection: Selection::default(),
    };
    let mut out = Vec::new();
    text::write(report, &style, &mut out).unwrap();
    String::from_utf8(out).expect("UTF-8")
}

fn is_harmless(text: &str) {
    let obeyed = text.chars().find(|c| {
        *c != '\n'
            && (c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    });
    assert_eq!(obeyed, None);
}

/// Every byte of a link is accounted for, waits end after they begin and exceed their limits, quantiles
/// ascend, numbers over time add up, and references are valid.
fn check(report: &Value) {
    let links = report["links"].as_array().unwrap();
    for link in links {
        for direction in ["to_leader", "to_learner"] {
            let bytes = &link["bytes"][direction];
            let count = |name: &str| bytes[name].as_u64().unwrap();
            let parts = count("decoded") + count("unframed") + count("cut") + count("missing");
            assert_eq!(count("stream"), parts, "{bytes}");
            assert!(count("cut_unframed") <= count("cut"), "{bytes}");
        }
        for kind in ["ping", "ack", "commit"] {
            let trips = &link["round_trips"][kind];
            let names = ["min_us", "p50_us", "p90_us", "p99_us", "p999_us", "max_us"];
            let values: Vec<_> = names.iter().filter_map(|name| trips[name].as_u64()).collect();
            assert!(values.is_sorted(), "{trips}");
            assert_eq!(values.len(), if trips["count"] == 0 { 0 } else { names.len() }, "{trips}");
        }
    }
    for own in report["series"]["links"].as_array().unwrap() {
        let Some(link) = links.iter().find(|link| link["id"] == own["link"]) else { continue };
        for kind in ["ping", "ack", "commit"] {
            let counts = own[kind]["count"].as_array().unwrap().iter().filter_map(Value::as_u64);
            assert_eq!(counts.sum::<u64>(), link["round_trips"][kind]["count"], "{kind} of {link}");
        }
    }
    for stall in report["stalls"].as_array().unwrap() {
        let (duration, limit) = (stall["duration_ms"].as_u64().unwrap(), stall["limit_ms"].as_u64().unwrap());
        assert!(duration >= limit, "{stall}");
        assert!(!stall["deadlines"].as_array().unwrap().is_empty(), "{stall}");
        let named = stall["links"].as_array().unwrap();
        let is_there = |id: &Value| links.iter().any(|link| link["id"] == *id);
        assert!(!named.is_empty() && named.iter().all(is_there), "{stall}");
        assert!(stall["end"].is_string() || stall["outcome"] == "open", "{stall}");
    }
}
