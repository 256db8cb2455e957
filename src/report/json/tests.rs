use super::*;
use crate::findings::{
    Suspect,
    sample::{self, address},
};
use serde_json::{Value, json};

fn written(report: &Report) -> Value {
    let mut out = Vec::new();
    write(report, &mut out).unwrap();
    assert!(out.ends_with(b"}\n"));
    serde_json::from_slice(&out).unwrap()
}

/// All of `keys` are there, in this order.
fn has(value: &Value, keys: &str) {
    let object = value.as_object().unwrap();
    for key in keys.split_whitespace() {
        assert!(object.contains_key(key), "{key} is missing in {object:?}");
    }
}

#[test]
fn lines_are_indented_as_serde_json_does() {
    let mut deep = json!("last");
    for level in 0..24 {
        deep = if level % 3 == 0 {
            json!([level, deep, []])
        } else {
            json!({ "a": {}, "b": deep, "c": [1, "x"] })
        };
    }
    for value in [deep, json!([]), json!({}), json!([[], {}]), json!(null)] {
        let mut out = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut out, Harmless(Indented::default()));
        value.serialize(&mut serializer).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string_pretty(&value).unwrap());
    }
}

#[test]
fn every_key_of_the_contract_is_there() {
    let report = written(&sample::report());
    has(&report, "schema input settings servers links stalls elections violations");
    has(&report["input"], "files frames captured_bytes wire_bytes cut_frames first last ignored");
    has(&report["input"]["files"][0], "path format compression link_type snaplen frames first last problem");
    has(
        &report["settings"],
        "tick_ms sync_limit init_limit stall_limit_ms tick_from sync_limit_from init_limit_from",
    );
    has(&report["servers"][0], "address sid name roles last_zxid");
    has(&report["servers"][0]["roles"][0], "role from to");
    let link = &report["links"][0];
    has(
        link,
        "id leader learner learner_sid role opened closed closed_by close picked_up epoch sync protection",
    );
    has(link, "records inferred round_trips headroom tcp bytes losses losses_by_reason");
    has(&link["round_trips"], "ping ack commit");
    has(&link["round_trips"]["ack"], "count unanswered min_us p50_us p90_us p99_us p999_us max_us");
    has(&link["headroom"], "leader_read learner_read ack init");
    has(&link["headroom"]["init"], "limit_ms worst_ms at");
    has(&link["tcp"], "retransmits out_of_order duplicates zero_windows out_of_window rtt_p50_us rtt_max_us");
    for key in ["retransmits", "out_of_order", "duplicates", "zero_windows", "out_of_window"] {
        has(&link["tcp"][key], "to_leader to_learner");
    }
    for key in ["records", "inferred", "bytes", "losses", "losses_by_reason"] {
        has(&link[key], "to_leader to_learner");
    }
    has(&link["bytes"]["to_leader"], "stream decoded unframed cut missing cut_unframed");
    let stall = &report["stalls"][0];
    has(stall, "id links subject deadlines start end duration_ms limit_ms outcome cause suspect evidence");
    has(&stall["evidence"][0], "file frame at what");
    has(&report["elections"][0], "start end leader_sid epoch votes by");
    has(&report["violations"][0], "link at file frame rule what");
}

#[test]
fn values_are_written_as_the_contract_says() {
    let report = written(&sample::report());
    assert_eq!(report["schema"], "quorumscope.report/1");
    assert_eq!(report["input"]["first"], "2026-11-21T08:02:00.000000Z");
    assert_eq!(report["input"]["ignored"], json!({ "duplicate": 12, "not_tcp": 4 }));
    assert_eq!(report["settings"]["stall_limit_ms"], 10_000);
    assert_eq!(report["settings"]["tick_from"], "pings");
    assert_eq!(report["servers"][0]["last_zxid"], "0x20000002a");
    assert_eq!(report["servers"][3]["name"], Value::Null);
    let link = &report["links"][0];
    assert_eq!(link["learner"], "10.255.0.1:46850");
    assert_eq!(link["closed_by"], "leader");
    assert_eq!(link["close"], "fin");
    assert_eq!(link["sync"], Value::Null);
    assert_eq!(link["records"]["to_learner"], json!({ "PROPOSAL": 1955, "UNKNOWN(77)": 1 }));
    assert_eq!(link["inferred"]["to_learner"], json!({}));
    assert_eq!(link["tcp"]["rtt_max_us"], json!({ "to_leader": null, "to_learner": 40_000 }));
    assert_eq!(link["bytes"]["to_leader"]["stream"], 100_000);
    let open = &report["links"][1];
    assert_eq!([&open["closed"], &open["closed_by"], &open["close"]], [&Value::Null; 3]);
    assert_eq!(open["headroom"]["init"], json!({ "limit_ms": 20_000, "worst_ms": null, "at": null }));
    assert_eq!(report["links"][3]["protection"], "tls");
    assert_eq!(report["links"][3]["round_trips"]["ping"]["p50_us"], Value::Null);
    let stall = &report["stalls"][0];
    assert_eq!(stall["deadlines"], json!(["leader_read", "ack"]));
    assert_eq!(stall["outcome"], "closed_by_leader");
    assert_eq!(stall["suspect"], json!({ "host": "10.255.0.1" }));
    assert_eq!(stall["evidence"][0]["file"], "/captures/zk3-261121-080158.pcap.gz");
    assert_eq!(report["violations"][0]["file"], "/captures/zk3-261121-080245.pcap");
}

#[test]
fn suspects_have_three_forms() {
    let mut report = sample::report();
    report.stalls[0].suspect = Some(Suspect::Path(address(1), address(3)));
    let path = json!(["10.255.0.1", "10.255.0.3"]);
    assert_eq!(written(&report)["stalls"][0]["suspect"], json!({ "path": path, "direction": "both" }));
    report.stalls[0].suspect = Some(Suspect::OneWay(address(1), address(3)));
    let expected = json!({ "path": path, "direction": "10.255.0.1>10.255.0.3" });
    assert_eq!(written(&report)["stalls"][0]["suspect"], expected);
    report.stalls[0].suspect = None;
    assert_eq!(written(&report)["stalls"][0]["suspect"], Value::Null);
}

#[test]
fn a_capture_with_nanoseconds_keeps_them() {
    let mut report = sample::report();
    report.input.files[1].nanos = true;
    assert_eq!(written(&report)["input"]["first"], "2026-11-21T08:02:00.000000000Z");
}

#[test]
fn the_order_of_keys_is_the_contract_s() {
    let mut out = Vec::new();
    write(&sample::report(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let places: Vec<_> =
        ["schema", "input", "settings", "servers", "links", "stalls", "elections", "violations"]
            .iter()
            .map(|key| text.find(&format!("\n  \"{key}\"")).unwrap())
            .collect();
    assert!(places.is_sorted());
}

#[test]
fn a_report_of_nothing_has_no_made_up_values() {
    let report = written(&Report::default());
    assert_eq!(report["input"]["first"], Value::Null);
    assert_eq!(report["links"], json!([]));
}

/// Every time in a value, as text.
fn times(value: &Value, out: &mut Vec<jiff::Timestamp>) {
    match value {
        Value::String(text) => out.extend(text.parse::<jiff::Timestamp>().ok()),
        Value::Array(all) => all.iter().for_each(|value| times(value, out)),
        Value::Object(all) => all.values().for_each(|value| times(value, out)),
        _ => {}
    }
}

#[test]
fn all_times_change_together() {
    let hour = crate::time::Span::from_millis(3_600_000);
    let report = sample::report();
    let mut later = report.clone();
    later.change_times(&|at| at.plus(hour));
    let all = |report: &Report| {
        let mut out = Vec::new();
        write(report, &mut out).unwrap();
        let mut all = Vec::new();
        times(&serde_json::from_slice(&out).unwrap(), &mut all);
        all
    };
    let (before, after) = (all(&report), all(&later));
    assert!(before.len() > 20, "{}", before.len());
    let expected: Vec<_> = before.iter().map(|at| *at + jiff::SignedDuration::from_hours(1)).collect();
    assert_eq!(after, expected);
}
