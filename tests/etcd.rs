//! Real etcd members of 3.4 to 3.6, hurt on purpose: what is told from every host alone, and from all together.
//!
//! Each folder of `tests/etcd` is a stretch of a run's captures, cut out of the middle, so that no connection's
//! beginning is in it. What was done, to whom and when, stands in the table.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What was done to a member.
struct Fault {
    folder: &'static str,
    /// What the report is to say; `None` where nothing went wrong.
    root: Option<&'static str>,
    host: &'static str,
    /// Seconds since 1970.
    from: f64,
    to: f64,
    /// Hosts whose captures cannot show it: they have no raft messages of that member.
    blind: &'static [&'static str],
}

const FAULTS: [Fault; 10] = [
    fault("freeze-leader", "process_stalled", "10.255.0.101", 1_795_597_637.37, 1_795_597_649.37),
    fault("disk-leader", "disk_slow", "10.255.0.103", 1_795_598_012.70, 1_795_598_024.70),
    Fault {
        blind: &["zk2"],
        ..fault("disk-follower", "disk_slow", "10.255.0.101", 1_795_597_560.27, 1_795_597_574.27)
    },
    fault("cut-follower", "network_cut", "10.255.0.102", 1_795_597_797.99, 1_795_597_801.03),
    fault("cut-out-leader", "network_cut", "10.255.0.101", 1_795_598_190.67, 1_795_598_202.69),
    fault("delay", "network_slow", "10.255.0.102", 1_795_598_702.11, 1_795_598_716.13),
    fault("restart", "process_ended", "10.255.0.103", 1_795_598_562.11, 1_795_598_568.22),
    fault("snap-36", "process_stalled", "10.255.0.101", 1_795_599_074.08, 1_795_599_080.08),
    fault("tls", "process_stalled", "10.255.0.101", 1_795_600_046.95, 1_795_600_058.95),
    Fault { root: None, ..fault("healthy5", "", "", 0.0, 0.0) },
];

const fn fault(folder: &'static str, root: &'static str, host: &'static str, from: f64, to: f64) -> Fault {
    Fault { folder, root: Some(root), host, from, to, blind: &[] }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/etcd").join(name)
}

/// The captures of a folder, by host.
fn captures(name: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> = folder(name).read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn run(args: &[&str], paths: &[PathBuf]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_qscope")).args(args).args(paths).output().unwrap();
    assert!(output.status.success(), "{args:?} {paths:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn report(paths: &[PathBuf]) -> Value {
    serde_json::from_slice(&run(&["replay", "--json"], paths)).unwrap()
}

/// Seconds since 1970 of a time of the report; all lie within one day.
fn seconds(at: &Value) -> f64 {
    const MIDNIGHT: f64 = 1_795_564_800.0;
    let (_, clock) = at.as_str().unwrap().trim_end_matches('Z').split_once('T').unwrap();
    let parts: Vec<f64> = clock.split(':').map(|part| part.parse().unwrap()).collect();
    MIDNIGHT + parts[0] * 3600.0 + parts[1] * 60.0 + parts[2]
}

/// Every host's captures alone, and all together.
fn vantages(name: &str) -> Vec<(String, Vec<PathBuf>)> {
    let all = captures(name);
    let name_of = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap()[..3].to_owned();
    let mut vantages: Vec<_> = all.iter().map(|path| (name_of(path), vec![path.clone()])).collect();
    vantages.push(("all".to_owned(), all));
    vantages
}

#[test]
fn every_host_tells_what_was_done() {
    for fault in &FAULTS {
        for (vantage, paths) in vantages(fault.folder) {
            let report = report(&paths);
            let context = format!("{} from {vantage}: {:#}", fault.folder, report["incidents"]);
            let incidents = report["incidents"].as_array().unwrap();
            let root = fault.root.filter(|_| !fault.blind.contains(&vantage.as_str()));
            let Some(root) = root else {
                assert!(incidents.is_empty(), "{context}");
                continue;
            };
            let [incident] = incidents.as_slice() else { panic!("{context}") };
            assert_eq!(incident["root"], root, "{context}");
            assert!(incident["suspect"].to_string().contains(fault.host), "{context}");
            assert!((seconds(&incident["start"]) - fault.from).abs() < 2.0, "{context}");
            if let Value::String(_) = incident["end"] {
                let late = seconds(&incident["end"]) - fault.to;
                // What is slow is seen to be so where something waits for it: between two followers seldom.
                let is_early = late < -2.5 && !matches!(root, "disk_slow" | "network_slow");
                assert!(late < 2.5 && !is_early, "{context}");
            }
            assert!(incident["members"].as_array().unwrap().len() > 1, "{context}");
        }
    }
}

#[test]
fn a_lost_leader_is_an_outage_until_the_next_one() {
    for (folder, host, least, most) in
        [("freeze-leader", "zk3", 2_000, 2_500), ("disk-leader", "zk1", 1_300, 1_500)]
    {
        let path = self::folder(folder).join(format!("{host}.pcap.gz"));
        let report = report(&[path]);
        let [outage] = report["outages"].as_array().unwrap().as_slice() else {
            panic!("{:#}", report["outages"])
        };
        let lasted = outage["duration_ms"].as_u64().unwrap();
        assert!((least..most).contains(&lasted), "{folder}: {lasted}");
        assert_eq!(outage["kind"], "no_leader");
        assert_eq!(outage["incident"], report["incidents"][0]["id"]);
        let elections = report["elections"].as_array().unwrap();
        let led_to = &report["incidents"][0]["elections"];
        let last = elections.last().unwrap();
        assert_eq!(led_to[0], elections.len() - 1);
        assert_eq!(last["leader_before"], report["incidents"][0]["suspect"]["host"], "{folder}");
    }
}

#[test]
fn a_handed_over_lead_is_no_outage() {
    let report = report(&captures("healthy5"));
    assert_eq!(report["outages"].as_array().unwrap().len(), 0);
    let elections = report["elections"].as_array().unwrap();
    let last = elections.last().unwrap();
    assert_eq!((&last["handed_over"], &last["leader"]), (&true.into(), &"10.255.0.101".into()));
    assert_eq!(report["coverage"]["stalls"], "full");
    assert_eq!(report["members"].as_array().unwrap().len(), 5);
    assert_eq!(report["paths"].as_array().unwrap().len(), 10);
}

#[test]
fn what_a_host_cannot_see_is_no_all_clear() {
    let path = folder("disk-follower").join("zk2.pcap.gz");
    let report = report(&[path]);
    assert_eq!(report["coverage"]["stalls"], "partial");
    assert!(!report["coverage"]["blind"].as_array().unwrap().is_empty());
}

#[test]
fn every_byte_is_accounted_for() {
    for (_, paths) in FAULTS.iter().flat_map(|fault| vantages(fault.folder)) {
        let report = report(&paths);
        let mut all = 0;
        for way in
            report["paths"].as_array().unwrap().iter().flat_map(|path| path["ways"].as_array().unwrap())
        {
            let number = |name: &str| way["bytes"][name].as_u64().unwrap();
            let parts = number("decoded") + number("unframed") + number("cut") + number("missing");
            assert_eq!(number("stream"), parts, "{way:#}");
            all += parts;
        }
        assert!(all > 0, "{paths:?}");
    }
}

#[test]
fn heartbeats_that_a_broken_stream_swallowed_shift_no_round_trip() {
    // Each of these stood still for 12 s, with its streams closed by the others meanwhile.
    for name in ["freeze-leader", "snap-36"] {
        let report = report(&captures(name));
        for path in report["paths"].as_array().unwrap() {
            for way in path["ways"].as_array().unwrap() {
                let longest = way["heartbeat"]["max_us"].as_u64().unwrap_or(0);
                assert!(longest < 3_000_000, "{name}: {way}");
            }
        }
    }
}

#[test]
fn a_dump_tells_each_message() {
    let path = folder("disk-follower").join("zk3.pcap.gz");
    let lines = String::from_utf8(run(&["dump", "--json", "--type", "msgappresp"], &[path])).unwrap();
    let records: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(records.len() > 300, "{}", records.len());
    // 128 bytes of a frame show the index that is acknowledged; what the cut hides is marked.
    let seen = records.iter().filter(|record| record["inferred"] != true);
    let indices: Vec<u64> = seen.filter_map(|record| record["index"].as_u64()).collect();
    assert!(indices.len() > 250, "{}", indices.len());
    assert!(records.iter().all(|record| record["proto"] == "raft" && record["type"] == "MsgAppResp"));
    let inferred = records.iter().filter(|record| record["inferred"] == true);
    assert!(inferred.clone().count() > 0 && inferred.clone().all(|record| record["index"].is_null()));
}

#[test]
fn another_port_is_known_by_what_is_said_on_it() {
    // Nobody names the port: chunks with raft's messages are enough.
    let path = folder("freeze-leader").join("zk2.pcap.gz");
    let report: Value =
        serde_json::from_slice(&run(&["replay", "--json", "--peer-port", "9"], &[path])).unwrap();
    assert_eq!(report["members"].as_array().unwrap().len(), 3);
    let incidents = report["incidents"].as_array().unwrap();
    assert!(incidents.iter().any(|incident| incident["root"] == "process_stalled"), "{incidents:#?}");
}

#[test]
fn the_first_screen_speaks_of_members() {
    let path = folder("disk-follower").join("zk3.pcap.gz");
    let text = String::from_utf8(run(&["replay", "--color", "never", "--no-pager"], &[path])).unwrap();
    assert!(text.starts_with("THE DISK OF"), "{text}");
    assert!(text.contains("10.255.0.101") && text.contains("write-ahead log"), "{text}");
    assert!(text.contains("ASSUMED an election timeout of 1.0 s"), "{text}");
    assert!(!text.contains("PING") && !text.contains("zookeeper"), "{text}");
}

#[test]
fn a_configuration_names_members_and_their_intervals() {
    let temporary = tempfile::tempdir().unwrap();
    let conf = temporary.path().join("etcd.conf");
    let path = folder("freeze-leader").join("zk2.pcap.gz");
    let read = |text: &str| -> Value {
        std::fs::write(&conf, text).unwrap();
        let args = ["replay", "--json", "--etcd-conf", conf.to_str().unwrap()];
        serde_json::from_slice(&run(&args, std::slice::from_ref(&path))).unwrap()
    };
    let cluster = "zk1=http://10.255.0.101:2380,zk2=http://10.255.0.102:2380,zk3=http://10.255.0.103:2380";
    let yaml =
        format!("name: zk1\nheartbeat-interval: 100\nelection-timeout: 1000\ninitial-cluster: {cluster}\n");
    let unit = format!(
        "ExecStart=/usr/bin/etcd --name zk1 --heartbeat-interval=100 \\\n  --election-timeout 1000 --initial-cluster={cluster}\n"
    );
    let variables = format!(
        "ETCD_NAME=zk1\nETCD_HEARTBEAT_INTERVAL=100\nETCD_ELECTION_TIMEOUT=1000\nETCD_INITIAL_CLUSTER=\"{cluster}\"\n"
    );
    for text in [yaml, unit, variables] {
        let report = read(&text);
        let names: Vec<_> =
            report["members"].as_array().unwrap().iter().map(|member| &member["name"]).collect();
        assert_eq!(names, ["zk1", "zk2", "zk3"], "{text}");
        let raft = &report["raft"];
        assert_eq!((&raft["heartbeat_from"], &raft["election_from"]), (&"config".into(), &"config".into()));
        assert_eq!((&raft["heartbeat_ms"], &raft["election_ms"]), (&100.into(), &1_000.into()));
        let summary = report["incidents"][0]["summary"].as_str().unwrap();
        assert!(summary.contains("zk1"), "{summary}");
    }
    // A longer patience, since somebody set it: what was no election is none, and nothing is measured anew.
    let raft = &read("election-timeout: 4000\n")["raft"];
    assert_eq!((&raft["heartbeat_from"], &raft["heartbeat_ms"]), (&"heartbeats".into(), &100.into()));
    assert_eq!((&raft["election_from"], &raft["election_ms"]), (&"config".into(), &4_000.into()));
    let without: Value =
        serde_json::from_slice(&run(&["replay", "--json"], std::slice::from_ref(&path))).unwrap();
    assert_eq!(without["raft"]["election_from"], "default");
    // Somebody else's file is told.
    std::fs::write(&conf, "heartbeat-interval: 500\nelection-timeout: 5000\n").unwrap();
    let args = ["replay", "--color", "never", "--no-pager", "--etcd-conf", conf.to_str().unwrap()];
    let text = String::from_utf8(run(&args, &[path])).unwrap();
    assert!(text.contains("BY --etcd-conf heartbeats every 500 ms"), "{text}");
    assert!(text.contains("come every 100 ms"), "{text}");
}

#[test]
fn appends_are_timed_to_the_answer_that_has_them() {
    // 128 bytes show the index of an answer; the disk of the first stood still for 2.5 s at a time.
    let report = report(&[folder("disk-follower").join("zk3.pcap.gz")]);
    let mut seen = 0;
    for way in report["paths"].as_array().unwrap().iter().flat_map(|path| path["ways"].as_array().unwrap()) {
        let append = &way["append"];
        if way["from"] != "10.255.0.103" {
            assert_eq!(append["count"], 0, "{way}");
            continue;
        }
        seen += 1;
        let (count, longest) = (append["count"].as_u64().unwrap(), append["max_us"].as_u64().unwrap());
        let unclear = way["append_unclear"].as_u64().unwrap();
        assert!(count > 100, "{way}");
        if way["to"] == "10.255.0.101" {
            assert!((2_000_000..2_600_000).contains(&longest) && unclear > count / 10, "{way}");
        } else {
            assert!(longest < 100_000 && unclear < count / 10, "{way}");
        }
    }
    assert_eq!(seen, 2);
    let args = ["replay", "-v", "--color", "never", "--no-pager"];
    let text = String::from_utf8(run(&args, &[folder("disk-follower").join("zk3.pcap.gz")])).unwrap();
    let row = text.lines().find(|line| line.contains("10.255.0.103 > 10.255.0.102")).unwrap();
    assert!(text.contains("PATHS") && row.contains("us"), "{text}");
}

/// What the logs say to the incidents of a folder, and the lines of each by kind.
fn told_by_logs(name: &str, logs: &[&str], more: &[&str]) -> Value {
    let logs: Vec<String> = logs
        .iter()
        .map(|log| format!("--log={}", folder("logs").join(format!("{name}-{log}.log.gz")).display()))
        .collect();
    let args: Vec<&str> = ["replay", "--json"]
        .into_iter()
        .chain(more.iter().copied())
        .chain(logs.iter().map(String::as_str))
        .collect();
    serde_json::from_slice(&run(&args, &captures(name))).unwrap()
}

fn kinds(incident: &Value) -> Vec<&str> {
    incident["log"].as_array().unwrap().iter().map(|line| line["kind"].as_str().unwrap()).collect()
}

fn says(incident: &Value) -> Vec<(Option<bool>, &str)> {
    let says = incident["log_says"].as_array().unwrap().iter();
    says.map(|says| (says["agrees"].as_bool(), says["what"].as_str().unwrap())).collect()
}

#[test]
fn a_slow_disk_that_the_log_measures_too_is_confirmed() {
    let report = told_by_logs("disk-leader", &["zk3"], &[]);
    let log = &report["input"]["logs"][0];
    assert_eq!((&log["server"], &log["offset_s"]), (&"10.255.0.103".into(), &0.into()));
    let incident = &report["incidents"][0];
    assert_eq!(incident["root"], "disk_slow");
    assert!(kinds(incident).contains(&"wal_sync"), "{incident:#}");
    let says = says(incident);
    assert_eq!(says[0].0, Some(true), "{says:?}");
    assert!(
        says[0].1.contains("write-ahead log (2500 ms)") && says[0].1.contains("link heartbeats"),
        "{says:?}"
    );
}

#[test]
fn a_member_that_stood_still_blames_its_disk_and_is_contradicted() {
    let report = told_by_logs("freeze-leader", &["zk1", "zk3"], &[]);
    let incident = &report["incidents"][0];
    assert_eq!(incident["root"], "process_stalled");
    let says = says(incident);
    assert_eq!(says.iter().map(|says| says.0).collect::<Vec<_>>(), [Some(false), Some(true), Some(true)]);
    assert!(
        says[0].1.contains("late heartbeats") && says[0].1.contains("the process stood still"),
        "{says:?}"
    );
    assert!(says[1].1.contains("10.255.0.103 lost streams from 10.255.0.101"), "{says:?}");
    assert!(says[2].1.contains("as the wire shows"), "{says:?}");
    let lost = incident["log"].as_array().unwrap().iter().find(|line| line["kind"] == "stream_lost").unwrap();
    assert_eq!((&lost["server"], &lost["level"]), (&"10.255.0.103".into(), &"WARN".into()));
    // In another zone: found by the elections that the wire shows too, or named.
    let named = told_by_logs("freeze-leader", &["zk1", "zk3"], &["--log-tz", "UTC"]);
    assert_eq!(named["incidents"], report["incidents"]);
    let mut args = vec!["replay", "-v", "--color", "never", "--no-pager"];
    let log = format!("--log={}", folder("logs").join("freeze-leader-zk3.log.gz").display());
    args.push(&log);
    let text = String::from_utf8(run(&args, &captures("freeze-leader"))).unwrap();
    assert!(text.contains("LOGS OF MEMBERS") && text.contains("agrees:"), "{text}");
}

#[test]
fn a_log_that_has_no_word_of_it_is_said_to_be_silent() {
    // 3.6 writes JSON with the zone; no stream is lost in a freeze, since the dialer has no read timeout.
    let report = told_by_logs("snap-36", &["zk2"], &[]);
    let log = &report["input"]["logs"][0];
    assert_eq!((&log["server"], &log["zone_from"]), (&"10.255.0.102".into(), &"lines".into()));
    let incident = &report["incidents"][0];
    assert_eq!((incident["root"].as_str(), kinds(incident).len()), (Some("process_stalled"), 0));
    let says = says(incident);
    assert_eq!(says.len(), 1);
    assert!(says[0].0.is_none() && says[0].1.contains("say nothing"), "{says:?}");
    // Without logs nothing is said of them.
    assert!(self::report(&captures("snap-36"))["incidents"][0].get("log").is_none());
}
