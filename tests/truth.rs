//! Compares the report of every directory of `testdata` with the injected faults in its `truth.json`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{list, report, testdata};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

/// Faults without a stall: deadlines were kept, or a process and its connections ended.
const QUIET: [&str; 7] =
    ["delay", "healthy", "kill-restart", "loss-mild", "observer-3.6.2", "slow-disk-leader", "snap-sync"];

/// A fault from `truth.json`.
#[derive(Debug)]
struct Fault {
    kind: String,
    /// The affected host; the follower, if the path between a leader and a follower was cut.
    subject: String,
    host: String,
    /// Whether it was the leader.
    leader: bool,
    /// Whether it was down at the start, so that the fault affects its return.
    down: bool,
    start: f64,
    end: f64,
}

/// A directory of `testdata`.
#[derive(Debug)]
struct Folder {
    name: String,
    path: PathBuf,
    faults: Vec<Fault>,
    start: f64,
    tick: f64,
    /// Names by address.
    hosts: BTreeMap<String, String>,
    /// The leader before the first fault.
    leader: String,
}

/// One or more captures of a directory, and their report.
#[derive(Debug)]
struct Run {
    folder: usize,
    /// The capturing host; `None` for all hosts.
    host: Option<String>,
    /// `cut`, `whole`, `rotated` or `all` (every file of the directory).
    form: &'static str,
    report: Value,
}

fn folders() -> Vec<Folder> {
    let mut paths: Vec<_> = fs::read_dir(testdata())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("truth.json").exists())
        .collect();
    paths.sort();
    paths.into_iter().map(folder).collect()
}

fn folder(path: PathBuf) -> Folder {
    let truth: Value = serde_json::from_slice(&fs::read(path.join("truth.json")).unwrap()).unwrap();
    let address = |name: &str| truth["hosts"][name].as_str().unwrap().to_owned();
    let roles = &truth["roles"][0];
    let leader = truth["hosts"].as_object().unwrap().keys().find(|name| roles[*name] == "leader");
    let faults = list(&truth, "faults").iter().map(|fault| Fault {
        kind: fault["kind"].as_str().unwrap().to_owned(),
        subject: fault["peer"].as_str().unwrap_or_else(|| fault["ip"].as_str().unwrap()).to_owned(),
        host: fault["ip"].as_str().unwrap().to_owned(),
        leader: fault["role"] == "leader" && fault["peer"].is_null(),
        down: fault["role"] == "?",
        start: fault["start"].as_f64().unwrap(),
        end: fault["end"].as_f64().unwrap(),
    });
    Folder {
        name: path.file_name().unwrap().to_str().unwrap().to_owned(),
        faults: faults.collect(),
        start: truth["start"].as_f64().unwrap(),
        tick: truth["scenario"]["tick_ms"].as_f64().unwrap() / 1e3,
        hosts: truth["hosts"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, address)| (address.as_str().unwrap().to_owned(), name.clone()))
            .collect(),
        leader: address(leader.unwrap()),
        path,
    }
}

impl Folder {
    /// The captures to read: by host, cut and whole, and all of them.
    fn runs(&self) -> Vec<(Option<String>, &'static str, Vec<PathBuf>)> {
        let mut by_host: BTreeMap<(String, &'static str), Vec<PathBuf>> = BTreeMap::new();
        let mut files: Vec<_> =
            fs::read_dir(&self.path).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let name = file.file_name().unwrap().to_str().unwrap();
            if !name.contains(".pcap") {
                continue;
            }
            let form = match name {
                _ if name.contains(".full.") => "whole",
                _ if name.contains('-') => "rotated",
                _ => "cut",
            };
            by_host.entry((name[..3].to_owned(), form)).or_default().push(file);
        }
        let all: Vec<_> = by_host
            .iter()
            .filter(|((_, form), _)| *form != "whole")
            .flat_map(|(_, files)| files.iter().cloned())
            .collect();
        let mut runs: Vec<_> =
            by_host.into_iter().map(|((host, form), files)| (Some(host), form, files)).collect();
        // The whole directory in one run, with hosts that captured twice, cut and whole.
        if runs.iter().any(|(_, form, _)| *form == "whole") {
            runs.push((None, "all", vec![self.path.clone()]));
        }
        if runs.iter().filter(|(_, form, _)| *form == "cut").count() > 1 {
            runs.push((None, "cut", all));
        }
        runs
    }

    fn name_of(&self, address: &str) -> String {
        self.hosts.get(address).cloned().unwrap_or_else(|| address.to_owned())
    }

    /// The reference for times: the start of the first fault, or of the run.
    fn zero(&self) -> f64 {
        self.faults.first().map_or(self.start, |fault| fault.start)
    }
}

/// All folders, and all reports; made once, on all cores.
static RUNS: LazyLock<(Vec<Folder>, Vec<Run>)> = LazyLock::new(|| {
    let folders = folders();
    let work: Vec<_> = folders
        .iter()
        .enumerate()
        .flat_map(|(index, folder)| folder.runs().into_iter().map(move |run| (index, run)))
        .collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from).min(8) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((folder, (host, form, files))) = work.get(number) else { break };
                    let report = report(&folders[*folder].path.join("zoo.cfg"), files);
                    let run = Run { folder: *folder, host: host.clone(), form, report };
                    done.lock().unwrap().insert(number, run);
                }
            });
        }
    });
    (folders, done.into_inner().unwrap().into_values().collect())
});

fn seconds(time: &Value) -> f64 {
    let time: Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_duration().as_secs_f64()
}

/// Whether a host's capture has to show a fault.
fn shows(folder: &Folder, fault: &Fault, host: Option<&String>) -> bool {
    let Some(host) = host else { return true };
    let address = folder.hosts.iter().find(|(_, name)| *name == host).unwrap().0;
    fault.leader || *address == folder.leader || *address == fault.subject
}

/// The causes that a fault may be reported as.
fn causes(fault: &Fault) -> &'static [&'static str] {
    match fault.kind.as_str() {
        _ if fault.down => &["sync_slow", "network_loss"],
        "freeze" | "busy" => &["process_stalled"],
        "cut" | "cut_in" | "cut_out" | "cut_pair" | "crash" => &["network_cut"],
        "slow_disk" => &["disk_slow"],
        // The capture of a learner that loses everything for a while shows no more than this.
        "loss" if fault.leader => &["network_loss", "network_cut"],
        "loss" => &["network_loss"],
        // Seen from one end, a path that delays everything for seconds looks like a cut.
        "delay" => &["network_slow", "network_cut", "unknown"],
        other => panic!("what is {other}?"),
    }
}

/// The deadlines, one of which must have been exceeded.
fn deadlines(fault: &Fault) -> &'static [&'static str] {
    match fault.kind.as_str() {
        _ if fault.down => &["init"],
        "slow_disk" => &["ack"],
        "busy" => &["leader_read", "ack"],
        "loss" => &["leader_read", "learner_read", "ack"],
        "freeze" | "crash" if fault.leader => &["learner_read"],
        "freeze" => &["leader_read"],
        _ => &["leader_read", "learner_read"],
    }
}

/// How far the stall's start may be from the fault's. The stall starts with the last sign of life before the
/// fault: PINGs come every half tick, and a slow disk shows with the first PROPOSAL after its start.
fn starts(folder: &Folder, fault: &Fault) -> (f64, f64) {
    match fault.kind.as_str() {
        _ if fault.down => (fault.start, fault.end),
        "loss" | "busy" => (fault.start - folder.tick / 2.0, fault.end),
        "slow_disk" => (fault.start - 0.05, fault.start + 1.0),
        _ => (fault.start - folder.tick / 2.0, fault.start + folder.tick / 2.0),
    }
}

/// Whether the stall names the affected host; if a leader loses packets, each learner is late separately.
fn is_of(fault: &Fault, stall: &Value) -> bool {
    stall["subject"] == fault.subject.as_str() || fault.leader && fault.kind == "loss"
}

/// Whether the suspect is the host, or a path that ends there.
fn suspects(fault: &Fault, stall: &Value) -> bool {
    let suspect = &stall["suspect"];
    if stall["cause"] == "unknown" {
        return suspect.is_null();
    }
    match fault.kind.as_str() {
        "freeze" | "busy" | "slow_disk" if !fault.down => suspect["host"] == fault.host.as_str(),
        _ if fault.down && suspect["host"] == fault.host.as_str() => true,
        // All paths of the host that are seen, and none between others.
        kind if suspect["host_network"] == fault.host.as_str() => kind != "cut_pair",
        kind => {
            let ends = suspect["path"].as_array().map_or(&[][..], Vec::as_slice);
            let (from, to) = match suspect["direction"].as_str().and_then(|text| text.split_once('>')) {
                Some((from, to)) => (Some(from), Some(to)),
                None => (None, None),
            };
            let way = match kind {
                "cut_in" => from != Some(&fault.host),
                "cut_out" => to != Some(&fault.host),
                _ => true,
            };
            way && ends.iter().any(|end| *end == fault.subject.as_str())
        }
    }
}

/// The errors of a report.
fn judge(folder: &Folder, run: &Run) -> Vec<String> {
    let mut wrong = Vec::new();
    let stalls = list(&run.report, "stalls");
    let quiet = QUIET.contains(&folder.name.as_str());
    let faults: Vec<_> = folder
        .faults
        .iter()
        .filter(|fault| !quiet && fault.kind != "kill" && shows(folder, fault, run.host.as_ref()))
        .collect();
    for fault in &faults {
        let (from, to) = starts(folder, fault);
        let found =
            stalls.iter().any(|stall| is_of(fault, stall) && (from..=to).contains(&seconds(&stall["start"])));
        if !found {
            wrong.push(format!("{} of {} is not found", fault.kind, folder.name_of(&fault.subject)));
        }
    }
    for stall in stalls {
        let from = seconds(&stall["start"]);
        let fault = faults.iter().find(|fault| {
            let (first, _) = starts(folder, fault);
            is_of(fault, stall) && (first..=fault.end).contains(&from)
        });
        let what = format!(
            "{} {} of {} at {:+.3}",
            stall["cause"],
            stall["deadlines"],
            stall["subject"],
            from - folder.zero()
        );
        let Some(fault) = fault else {
            wrong.push(format!("{what} is invented"));
            continue;
        };
        if !causes(fault).iter().any(|cause| stall["cause"] == *cause) {
            wrong.push(format!("{what}: the cause is {:?}", causes(fault)));
        }
        if !list(stall, "deadlines").iter().any(|passed| deadlines(fault).iter().any(|name| passed == name)) {
            wrong.push(format!("{what}: the deadline is {:?}", deadlines(fault)));
        }
        if !suspects(fault, stall) {
            wrong.push(format!("{what}: suspects {}", stall["suspect"]));
        }
        if stall["duration_ms"].as_u64() < stall["limit_ms"].as_u64() {
            wrong.push(format!("{what}: {} ms are no stall", stall["duration_ms"]));
        }
        let limit = stall["limit_ms"].as_f64().unwrap() / 1e3;
        // The peer of a frozen process closes when its own timeout expires.
        if fault.kind == "freeze" && (seconds(&stall["end"]) - from - limit).abs() > folder.tick / 2.0 {
            wrong.push(format!("{what}: ends at {}", stall["end"]));
        }
        // A leader that goes silent is one incident with all of its links.
        let others = folder.hosts.len() - 1;
        if fault.leader && fault.kind != "loss" && run.host.is_none() && list(stall, "links").len() != others
        {
            wrong.push(format!("{what}: {} of {others} links", list(stall, "links").len()));
        }
        if list(stall, "evidence").is_empty() {
            wrong.push(format!("{what}: there is no evidence"));
        }
    }
    let found = |fault: &&Fault| stalls.iter().filter(|stall| is_of(fault, stall)).count();
    let is_once = |fault: &&&Fault| !fault.down && fault.kind != "slow_disk" && fault.kind != "loss";
    for fault in faults.iter().filter(is_once).filter(|fault| found(fault) > 1) {
        wrong.push(format!("{} of {} is told {} times", fault.kind, fault.subject, found(fault)));
    }
    for violation in list(&run.report, "violations") {
        wrong.push(format!("a violation is invented: {violation}"));
    }
    wrong
}

fn title(folder: &Folder, run: &Run) -> String {
    format!("{}, {}, {}", folder.name, run.host.as_deref().unwrap_or("all"), run.form)
}

#[test]
fn reports_agree_with_the_truth() {
    let (folders, runs) = &*RUNS;
    let mut wrong = Vec::new();
    for run in runs {
        let folder = &folders[run.folder];
        wrong.extend(judge(folder, run).into_iter().map(|what| format!("{}: {what}", title(folder, run))));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is wrong with the incidents of a report: each stall belongs to one, each fault has exactly one root, and
/// where nothing was done there is none.
fn judge_incidents(folder: &Folder, run: &Run) -> Vec<String> {
    let mut wrong = Vec::new();
    let incidents = list(&run.report, "incidents");
    for stall in list(&run.report, "stalls") {
        let incident = incidents.iter().find(|incident| incident["id"] == stall["incident"]);
        let Some(incident) = incident else {
            wrong.push(format!("stall {} has no incident", stall["id"]));
            continue;
        };
        if !list(incident, "stalls").contains(&stall["id"]) {
            wrong.push(format!("incident {} does not name its stall", incident["id"]));
        }
        if incident["root"] != stall["cause"] || incident["suspect"] != stall["suspect"] {
            wrong.push(format!("stall {} has another cause than its incident", stall["id"]));
        }
    }
    let is_its = |fault: &Fault, incident: &Value| {
        let start = seconds(&incident["start"]);
        let end = if incident["end"].is_null() { f64::MAX } else { seconds(&incident["end"]) };
        start <= fault.end + folder.tick && end >= fault.start - folder.tick
    };
    let faults: Vec<_> =
        folder.faults.iter().filter(|fault| shows(folder, fault, run.host.as_ref())).collect();
    for incident in incidents {
        let what = format!("{} of {}", incident["root"], incident["suspect"]);
        if incident["summary"].as_str().is_none_or(str::is_empty) {
            wrong.push(format!("{what}: no summary"));
        }
        if list(incident, "evidence").is_empty() && !list(incident, "stalls").is_empty() {
            wrong.push(format!("{what}: no evidence"));
        }
        if !folder.faults.iter().any(|fault| is_its(fault, incident)) {
            wrong.push(format!("{what} is invented"));
        }
    }
    if QUIET.contains(&folder.name.as_str()) {
        return wrong;
    }
    for fault in faults {
        let found = incidents.iter().filter(|incident| is_its(fault, incident)).count();
        // One fault, one incident; faults that overlap share none.
        let others = folder.faults.iter().filter(|other| !std::ptr::eq(*other, fault));
        let alike = others
            .filter(|other| other.start <= fault.end + folder.tick && other.end >= fault.start - folder.tick);
        if !(1..=1 + alike.count()).contains(&found) {
            wrong.push(format!("{} of {}: {found} incidents", fault.kind, folder.name_of(&fault.subject)));
        }
    }
    wrong
}

/// What is wrong with the outages: a leader that is lost makes one, while it is, and nothing else does.
fn judge_outages(folder: &Folder, run: &Run) -> Vec<String> {
    let mut wrong = Vec::new();
    let outages = list(&run.report, "outages");
    let loses_leader =
        |fault: &&Fault| fault.leader && !matches!(fault.kind.as_str(), "slow_disk" | "loss" | "delay");
    for outage in outages.iter().filter(|outage| outage["certain"] == true) {
        let start = seconds(&outage["start"]);
        let is_its = |fault: &Fault| start <= fault.end + folder.tick && start >= fault.start - folder.tick;
        if !folder.faults.iter().any(is_its) {
            wrong.push(format!("{} at {:+.3} is invented", outage["kind"], start - folder.zero()));
        }
    }
    // A snaplen of 80 leaves 14 bytes of payload: no vote and no zxid is read.
    let is_short = list(&run.report["input"], "files").iter().any(|file| file["snaplen"].as_u64() < Some(96));
    if run.host.is_some() || is_short {
        return wrong;
    }
    for fault in folder.faults.iter().filter(loses_leader) {
        let is_its = |outage: &&Value| {
            outage["kind"] == "no_leader"
                && (fault.start - folder.tick..=fault.end).contains(&seconds(&outage["start"]))
        };
        if outages.iter().filter(is_its).count() != 1 {
            wrong.push(format!("{} of the leader made no outage, or several: {outages:?}", fault.kind));
        }
    }
    wrong
}

#[test]
fn incidents_agree_with_the_truth() {
    let (folders, runs) = &*RUNS;
    let mut wrong = Vec::new();
    for run in runs {
        let folder = &folders[run.folder];
        let found = judge_incidents(folder, run).into_iter().chain(judge_outages(folder, run));
        wrong.extend(found.map(|what| format!("{}: {what}", title(folder, run))));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// All hosts together show all there is; a follower alone sees one link.
#[test]
fn coverage_is_what_the_captures_hold() {
    let (folders, runs) = &*RUNS;
    for run in runs.iter().filter(|run| run.form == "cut") {
        let folder = &folders[run.folder];
        let coverage = &run.report["coverage"];
        let is_leader = run.host.as_ref().is_some_and(|host| *host == folder.name_of(&folder.leader));
        let is_changing = folder.faults.iter().any(|fault| fault.leader);
        let title = title(folder, run);
        let captured =
            folder.runs().iter().filter(|(host, form, _)| host.is_some() && *form == "cut").count();
        if run.host.is_none() && captured == folder.hosts.len() {
            assert_eq!(coverage["links_seen"], coverage["links_expected"], "{title}: {coverage}");
            assert_eq!(coverage["stalls"], "full", "{title}: {coverage}");
        } else if run.host.is_some() && !is_leader && !is_changing && folder.hosts.len() > 2 {
            assert_eq!(coverage["stalls"], "partial", "{title}: {coverage}");
        }
        assert_eq!(list(coverage, "gaps"), [] as [Value; 0], "{title}");
    }
}

#[test]
fn every_byte_is_accounted_for() {
    let (folders, runs) = &*RUNS;
    for run in runs {
        let links = list(&run.report, "links");
        assert!(!links.is_empty(), "{}", title(&folders[run.folder], run));
        for link in links {
            for direction in ["to_leader", "to_learner"] {
                let bytes = &link["bytes"][direction];
                let count = |name: &str| bytes[name].as_u64().unwrap();
                let title = title(&folders[run.folder], run);
                assert_eq!(
                    count("stream"),
                    count("decoded") + count("unframed") + count("cut") + count("missing"),
                    "{title}, link {}, {direction}: {bytes}",
                    link["id"]
                );
                assert!(count("cut_unframed") <= count("cut"), "{title}: {bytes}");
            }
        }
    }
}

/// What a stall is, without its deadlines and times, and those.
fn told(stall: &Value) -> (String, BTreeSet<String>, [f64; 2]) {
    let keys = ["subject", "outcome", "cause", "suspect"];
    let deadlines = list(stall, "deadlines").iter().map(Value::to_string).collect();
    let end = &stall["end"];
    let times = [seconds(&stall["start"]), if end.is_null() { f64::INFINITY } else { seconds(end) }];
    (keys.map(|key| stall[key].to_string()).join(" "), deadlines, times)
}

#[test]
fn cut_and_whole_tell_the_same_stalls() {
    let (folders, runs) = &*RUNS;
    let mut pairs = 0;
    for whole_run in runs.iter().filter(|run| run.form == "whole") {
        let title = title(&folders[whole_run.folder], whole_run);
        let cut = runs
            .iter()
            .find(|run| run.folder == whole_run.folder && run.host == whole_run.host && run.form == "cut")
            .unwrap();
        let all = |run: &Run| list(&run.report, "stalls").iter().map(told).collect::<Vec<_>>();
        let (cut, whole) = (all(cut), all(whole_run));
        assert_eq!(cut.len(), whole.len(), "{title}");
        // What is sent again comes in long segments, and the cut hides which ACKs are among them. So what it
        // leaves of a wait for one may be less, never more.
        let is_lossy = folders[whole_run.folder].faults.iter().any(|fault| fault.kind == "loss");
        for ((cut, cut_deadlines, cut_times), (whole, deadlines, times)) in cut.iter().zip(&whole) {
            assert_eq!(cut, whole, "{title}");
            assert!(cut_deadlines.is_subset(deadlines), "{title}: {cut_deadlines:?} and {deadlines:?}");
            assert!(is_lossy || cut_deadlines == deadlines, "{title}: {cut_deadlines:?} and {deadlines:?}");
            let ([cut_start, cut_end], [start, end]) = (cut_times, times);
            // Two tcpdumps wrote them; each has its own clock readings.
            let is_same = |cut: &f64, whole: &f64| cut == whole || (cut - whole).abs() < 1e-3;
            assert!(is_same(cut_end, end), "{title}: {cut_end} and {end}");
            assert!(
                is_same(cut_start, start) || is_lossy && cut_start > start,
                "{title}: {cut_start}, {start}"
            );
        }
        pairs += 1;
    }
    assert!(pairs >= 10, "{pairs} pairs");
}

#[test]
fn folders_have_what_they_promise() {
    let (folders, _) = &*RUNS;
    let names: BTreeSet<_> = folders.iter().map(|folder| folder.name.as_str()).collect();
    assert!(QUIET.iter().all(|quiet| names.contains(quiet)), "{names:?}");
    let readme = fs::read_to_string(testdata().join("README.md")).unwrap();
    for name in names {
        assert!(readme.contains(&format!("| {name} |")), "testdata/README.md says nothing of {name}");
    }
}

/// The suspect as words.
fn suspect(folder: &Folder, stall: &Value) -> String {
    let suspect = &stall["suspect"];
    let name = |address: &Value| address.as_str().map_or_else(String::new, |text| folder.name_of(text));
    match suspect["direction"].as_str().map(|text| (text, text.split_once('>'))) {
        Some((_, Some((from, to)))) => format!("{} to {}", folder.name_of(from), folder.name_of(to)),
        Some((way, None)) => {
            format!("{} and {}, {way}", name(&suspect["path"][0]), name(&suspect["path"][1]))
        }
        None if suspect.is_null() => "nobody".to_owned(),
        None if !suspect["host_network"].is_null() => {
            format!("network of {}", name(&suspect["host_network"]))
        }
        None => name(&suspect["host"]),
    }
}

fn row(folder: &Folder, run: &Run, stall: Option<&Value>, agrees: bool) -> String {
    let mut row = format!("| {} | {} | {} ", folder.name, run.host.as_deref().unwrap_or("all"), run.form);
    let zero = folder.zero();
    match stall {
        None => row.push_str("| none | | | | | | | "),
        Some(stall) => {
            let passed: Vec<_> = list(stall, "deadlines").iter().filter_map(Value::as_str).collect();
            let end = if stall["end"].is_null() {
                "-".to_owned()
            } else {
                format!("{:+.3}", seconds(&stall["end"]) - zero)
            };
            let _ = write!(
                row,
                "| {} | {} | {} | {} | {:+.3} | {end} | {} | ",
                folder.name_of(stall["subject"].as_str().unwrap()),
                passed.join(", "),
                stall["cause"].as_str().unwrap(),
                suspect(folder, stall),
                seconds(&stall["start"]) - zero,
                stall["outcome"].as_str().unwrap(),
            );
        }
    }
    row.push_str(if agrees { "yes |\n" } else { "NO |\n" });
    row
}

fn table(folders: &[Folder], runs: &[Run]) -> String {
    let mut text = "\
# What qscope says of these captures

Written by `tests/truth.rs` (`QSCOPE_BLESS=1 cargo test --test truth`), which holds each line against the
folder's `truth.json`: does the report of this capture agree with what was done? Seconds are told from the
start of the (first) fault; a negative one is the last sign of life before it. `all`: every host's captures
in one run; as a capture, cut and whole ones beside each other.

"
    .to_owned();
    for (index, folder) in folders.iter().enumerate() {
        let _ = writeln!(text, "## {}\n", folder.name);
        for fault in &folder.faults {
            let role = match (fault.leader, fault.down) {
                (true, _) => "leader",
                (_, true) => "down at first",
                _ => "learner",
            };
            let (from, to) = (fault.start - folder.zero(), fault.end - folder.zero());
            let who = folder.name_of(&fault.subject);
            let _ = writeln!(text, "- {}: {who}, {role}, from {from:+.3} to {to:+.3}", fault.kind);
        }
        if folder.faults.is_empty() {
            text.push_str("- nothing was done\n");
        }
        text.push_str("\n| folder | host | capture | subject | deadlines | cause | suspect | start | end | outcome | agrees |\n");
        text.push_str("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
        for run in runs.iter().filter(|run| run.folder == index) {
            let agrees = judge(folder, run).is_empty();
            let stalls = list(&run.report, "stalls");
            if stalls.is_empty() {
                text.push_str(&row(folder, run, None, agrees));
            }
            for stall in stalls {
                text.push_str(&row(folder, run, Some(stall), agrees));
            }
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_table_of_verdicts_is_checked_in() {
    let (folders, runs) = &*RUNS;
    common::checked_in("VERDICTS.md", &table(folders, runs));
}

/// Without a configuration, syncLimit is assumed; if the ensemble shows another one, the report reckons with it, or names
/// it where something else may be behind it.
#[test]
fn an_assumed_limit_is_doubted_only_in_favour_of_the_true_one() {
    const ASKED: &str = "Is the limit right?";
    const INFERRED: &str = "INFERRED ";
    let (folders, _) = &*RUNS;
    let (mut inferred, mut asked) = (0, 0);
    for folder in folders {
        let truth: Value =
            serde_json::from_slice(&fs::read(folder.path.join("truth.json")).unwrap()).unwrap();
        let output =
            Command::new(env!("CARGO_BIN_EXE_qscope")).arg("replay").arg(&folder.path).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let named_limit = &truth["scenario"]["sync_limit"];
        if let Some((_, told)) = text.split_once(INFERRED) {
            assert!(told.starts_with(&format!("syncLimit {named_limit}:")), "{}: {told:.300}", folder.name);
            inferred += 1;
        } else if let Some((_, hint)) = text.split_once(ASKED) {
            let limit = format!("--sync-limit {named_limit} says");
            assert!(hint.contains(&limit), "{}: {hint:.300}", folder.name);
            asked += 1;
        }
    }
    assert!(inferred >= 10 && asked >= 2, "{inferred} inferred, {asked} asked");
}
