//! What is announced while a capture runs, held against the report of the same capture once it is over: every incident
//! is told when it begins and when it is over, by the root that the report gives it, and nothing is told that the
//! report denies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use quorumscope::capture::{Batch, Replay, ReplayOptions};
use quorumscope::diagnose::Analyzer;
use quorumscope::dissect::{DissectOptions, Dissector};
use quorumscope::findings::incident::Incident;
use quorumscope::findings::{Cause, Origin, Report, Suspect};
use quorumscope::live::Watch;
use quorumscope::packet;
use quorumscope::report::clock::{Digits, WallClock};
use quorumscope::report::live::{Announcement, IncidentNews, IncidentState, What};
use quorumscope::report::text::live::TextLines;
use quorumscope::time::{Span, Timestamp};
use quorumscope::track::TrackerOptions;
use std::fs;
use std::path::{Path, PathBuf};

/// How often the present is looked at.
const TICK: Span = Span::from_millis(100);
/// What two judgements of one incident may differ by in time.
const NEAR: Span = Span::from_millis(5_000);

/// What was told of a capture, and its report.
struct Streamed {
    events: Vec<Announcement>,
    report: Report,
    judgements: u64,
}

fn options(folder: &Path) -> TrackerOptions {
    let configs = ["zoo.cfg", "zk1.cfg"].map(|name| fs::read_to_string(folder.join(name)));
    let text = configs.into_iter().find_map(Result::ok).unwrap_or_default();
    let number = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.and_then(|value| value.trim().parse().ok()).map(|value| (value, Origin::Config))
    };
    TrackerOptions {
        tick_ms: number("tickTime"),
        sync_limit: number("syncLimit"),
        init_limit: number("initLimit"),
        warn_at_percent: 50,
        keeps_values: true,
        ..TrackerOptions::default()
    }
}

/// Plays a capture as though it came just now.
fn stream(file: &Path, options: TrackerOptions) -> Streamed {
    let mut replay = Replay::open(&[file.to_owned()], &ReplayOptions::default()).unwrap();
    let (mut dissector, mut analyzer) = (Dissector::new(DissectOptions::default()), Analyzer::new(options));
    let mut watch = Watch::new(50);
    let (mut batch, mut events) = (Batch::new(), Vec::new());
    let (mut now, mut looked_at) = (Timestamp::MIN, Timestamp::MIN);
    while replay.fill(&mut batch) {
        for frame in batch.frames() {
            // Time passes without frames too.
            while looked_at > Timestamp::MIN && frame.at.since(looked_at) >= TICK {
                looked_at = looked_at.plus(TICK);
                dissector.tick(looked_at, &mut analyzer);
                events.extend(watch.look(&mut analyzer, looked_at));
            }
            now = now.max(frame.at);
            if looked_at == Timestamp::MIN {
                looked_at = now;
            }
            if let Ok(segment) = packet::segment(&frame) {
                let _ = dissector.segment(&segment, &mut analyzer);
            }
        }
    }
    dissector.tick(now, &mut analyzer);
    events.extend(watch.finish(&mut analyzer, now));
    dissector.finish(&mut analyzer);
    Streamed { events, report: analyzer.finish(&[Some(now)]), judgements: watch.judgements() }
}

fn hosts(suspect: Option<Suspect>) -> Vec<String> {
    match suspect {
        Some(Suspect::Host(a) | Suspect::HostNetwork(a)) => vec![a.to_string()],
        Some(Suspect::Path(a, b) | Suspect::OneWay(a, b)) => vec![a.to_string(), b.to_string()],
        None => Vec::new(),
    }
}

fn describe(incident: &Incident) -> String {
    let (from, end) =
        (incident.start.nanos() / 100_000_000, incident.end.map(|end| end.nanos() / 100_000_000));
    format!(
        "{} {:?} {} {from}..{end:?} links {:?}",
        incident.root.name(),
        hosts(incident.suspect),
        incident.confidence.name(),
        incident.links
    )
}

fn is_same(a: &Incident, b: &Incident) -> bool {
    let apart = if a.start > b.start { a.start.since(b.start) } else { b.start.since(a.start) };
    // A path has no first end.
    let ends = |incident: &Incident| match incident.suspect {
        Some(Suspect::Path(a, b)) => Some(Suspect::Path(a.min(b), a.max(b))),
        other => other,
    };
    a.root == b.root && ends(a) == ends(b) && apart <= NEAR
}

fn news(event: &Announcement) -> Option<(&IncidentNews, bool)> {
    match &event.what {
        What::Incident(news) => Some((news, false)),
        What::IncidentOver(news) => Some((news, true)),
        _ => None,
    }
}

/// What is wrong with what was told of a capture.
fn faults(streamed: &Streamed) -> Vec<String> {
    let mut faults = Vec::new();
    let all: Vec<_> = streamed.events.iter().filter_map(|event| Some((event.at, news(event)?))).collect();
    let incident = |news: &IncidentNews| news.incident().unwrap().clone();
    // The last word on each.
    let ids: Vec<u32> = {
        let mut ids: Vec<u32> = all.iter().map(|(_, (news, _))| incident(news).id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let mut last_words = Vec::new();
    for id in ids {
        let own: Vec<_> = all.iter().filter(|(_, (news, _))| incident(news).id == id).collect();
        let begun = own.iter().filter(|(_, (_, is_over))| !is_over).count();
        let over = own.iter().filter(|(_, (_, is_over))| *is_over).count();
        if begun != 1 || over > 1 {
            faults.push(format!("#{id} was told to begin {begun} times and to be over {over} times"));
        }
        let (at, (news, is_over)) = own.last().unwrap();
        match news.state {
            IncidentState::PartOf(_) => continue,
            IncidentState::Denied => {
                faults.push(format!("denied: {}", describe(&incident(news))));
                continue;
            }
            _ => {}
        }
        last_words.push((incident(news), *is_over, *at));
    }
    for (told, is_over, at) in &last_words {
        let is_there = streamed.report.incidents.iter().any(|incident| is_same(incident, told));
        if !is_there {
            let at = at.nanos() / 100_000_000;
            faults.push(format!("told, over {is_over}, at {at}, and not in the report: {}", describe(told)));
        }
    }
    for incident in &streamed.report.incidents {
        if !last_words.iter().any(|(told, ..)| is_same(incident, told)) {
            faults.push(format!("in the report and not told: {}", describe(incident)));
        }
    }
    // At the limit: whoever is named then is named in the end, or shares the blame.
    for (_, (news, _)) in all.iter().filter(|(_, (_, is_over))| !is_over) {
        let told = incident(news);
        let own = last_words.iter().find(|(last, ..)| last.id == told.id);
        let Some((last, ..)) = own.filter(|(last, ..)| last.suspect.is_some()) else { continue };
        let (first, last_hosts) = (hosts(told.suspect), hosts(last.suspect));
        if told.root != Cause::Unknown && !first.iter().any(|host| last_hosts.contains(host)) {
            faults.push(format!("first {}, then {}", describe(&told), describe(last)));
        }
    }
    faults
}

/// All single captures of a folder of folders.
fn captures(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let mut own: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        own.retain(|path| path.to_string_lossy().contains(".pcap") && path.is_file());
        own.sort();
        files.extend(own);
    }
    files
}

#[test]
fn what_is_told_is_what_the_report_says() {
    let root = std::env::var_os("QSCOPE_STREAM")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata"), PathBuf::from);
    let mut wrong = Vec::new();
    let (mut told, mut count) = (0, 0);
    for file in captures(&root) {
        let streamed = stream(&file, options(file.parent().unwrap()));
        count += 1;
        told += streamed.events.iter().filter_map(news).filter(|(_, is_over)| !is_over).count();
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        if std::env::var_os("QSCOPE_STREAM_TELLS").is_some() {
            let clock = WallClock { zone: jiff::tz::TimeZone::UTC, digits: Digits::Six };
            let lines = TextLines { clock, is_coloured: false };
            let mut out = Vec::new();
            streamed.events.iter().for_each(|event| lines.event(event, &mut out).unwrap());
            eprintln!("{name}: {} judgements\n{}", streamed.judgements, String::from_utf8_lossy(&out));
        }
        wrong.extend(faults(&streamed).into_iter().map(|fault| format!("{name}: {fault}")));
    }
    assert!(wrong.is_empty(), "{} of {count} captures, {told} told:\n{}", wrong.len(), wrong.join("\n"));
    assert!(told > 50, "{told}");
}

#[test]
fn a_leader_that_stands_still_is_named_at_the_limit_from_a_followers_host() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/freeze-leader");
    for capture in ["zk1.pcap.gz", "zk3.pcap.gz"] {
        let streamed = stream(&folder.join(capture), options(&folder));
        let first = streamed.events.iter().find_map(news).unwrap();
        let told = first.0.incident().unwrap();
        assert_eq!(told.root, Cause::ProcessStalled, "{capture}: {}", describe(told));
        assert_eq!(hosts(told.suspect), ["10.255.0.102"], "{capture}");
        assert_eq!((first.0.state, told.end), (IncidentState::Open, None), "{capture}");
        let warned = streamed.events.iter().find_map(|event| match &event.what {
            What::Warning(wait) => Some(wait),
            _ => None,
        });
        let warned = warned.unwrap();
        assert_eq!(warned.subject.address.to_string(), "10.255.0.102", "{capture}");
        assert_eq!(warned.limit_at.since(warned.start), Span::from_millis(5_000), "{capture}");
    }
}

#[test]
fn a_quiet_capture_is_hardly_ever_judged() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/slow-disk-leader");
    let streamed = stream(&folder.join("zk1.pcap.zst"), options(&folder));
    assert!(streamed.judgements <= 1, "{} judgements", streamed.judgements);
}

/// What nobody configured is learned while the capture runs: a leader that is dropped after four ticks.
#[test]
fn without_a_configuration_a_shorter_limit_is_learned_from_the_closes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/variety/live-freeze-disk-leader");
    let mut wrong = Vec::new();
    for capture in ["zk1.pcap.gz", "zk2.pcap.gz", "zk3.pcap.gz"] {
        let named = options(Path::new("/nowhere"));
        let streamed = stream(&folder.join(capture), named);
        let settings = streamed.report.settings;
        assert_eq!((settings.sync_limit, settings.sync_limit_from), (4, Origin::Closes), "{capture}");
        wrong.extend(faults(&streamed).into_iter().map(|fault| format!("{capture}: {fault}")));
        let is_it = |incident: &Incident| {
            incident.root == Cause::ProcessStalled && hosts(incident.suspect) == ["10.255.0.103"]
        };
        let told = streamed.events.iter().filter_map(news).filter_map(|(news, _)| news.incident());
        assert!(told.clone().any(is_it), "{capture}: {:?}", told.map(describe).collect::<Vec<_>>());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// That a link is under TLS is known when it closes, and so is what its silence was.
#[test]
fn behind_tls_a_silence_is_told_when_the_link_has_closed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/variety/tls");
    let frozen = (Cause::ProcessStalled, "10.255.0.101");
    let cut = (Cause::NetworkCut, "10.255.0.102");
    for (capture, shows) in [("zk1", vec![frozen]), ("zk2", vec![cut]), ("zk3", vec![frozen, cut])] {
        let streamed = stream(&folder.join(format!("{capture}.pcap.gz")), options(&folder));
        let wrong = faults(&streamed);
        assert!(wrong.is_empty(), "{capture}: {wrong:#?}");
        let told = streamed.events.iter().filter_map(news).filter(|(_, is_over)| !is_over);
        let told: Vec<_> = told.filter_map(|(news, _)| news.incident()).collect();
        assert_eq!(told.len(), shows.len(), "{capture}");
        for (incident, (root, host)) in told.iter().zip(shows) {
            assert_eq!(incident.root, root, "{capture}: {}", describe(incident));
            assert!(hosts(incident.suspect).iter().any(|named| named == host), "{}", describe(incident));
        }
    }
}

/// The last word on a process that stood still comes two limits after its last trace, once all links are heard again.
#[test]
fn the_last_word_on_a_process_waits_for_nothing_that_cannot_come() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/variety/live-freeze-disk-leader");
    let mut named = options(&folder);
    named.sync_limit = Some((4, Origin::Config));
    let streamed = stream(&folder.join("zk1.pcap.gz"), named);
    let over = streamed.events.iter().find(|event| news(event).is_some_and(|(_, is_over)| is_over)).unwrap();
    let end = news(over).and_then(|(news, _)| news.incident()).and_then(|incident| incident.end).unwrap();
    let took = over.at.since(end);
    assert!(took >= Span::from_millis(8_000), "{took}: what may still come is waited for");
    assert!(
        took <= Span::from_millis(11_000),
        "{took}: two and a half limits and three seconds would be 13 s"
    );
}
