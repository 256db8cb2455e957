//! `qscope replay --html` in a headless Chromium: what a reader sees, and what nobody can make the page do.
//!
//! It wants chromium; without, the tests of the page are skipped, loudly.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/browser.rs"]
mod browser;
mod common;

use browser::{Browser, installed};
use common::{list, testdata};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What must never run, as part of an element and of an attribute.
const EVIL: &str = "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=1>";

fn captures(folder: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(testdata().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let is_capture = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.contains(".pcap") && !name.contains(".full.")
    };
    let mut files: Vec<_> = files.filter(is_capture).collect();
    files.sort();
    files
}

/// The page of these captures, and the report as `--json` prints it in the same run.
fn page(into: &Path, args: &[&str], captures: &[PathBuf]) -> (PathBuf, Value) {
    let path = into.join("report.html");
    let output = Command::new(env!("CARGO_BIN_EXE_qscope"))
        .args(["replay", "--json", "--force", "--html"])
        .arg(&path)
        .args(args)
        .args(captures)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (path, serde_json::from_slice(&output.stdout).unwrap())
}

fn of_testdata(into: &Path, folder: &str) -> (PathBuf, Value) {
    let config = testdata().join(folder).join("zoo.cfg");
    page(into, &["--zoo-cfg", config.to_str().unwrap()], &captures(folder))
}

/// Whether nothing was complained of, and nothing fetched but the page itself.
fn is_quiet(browser: &Browser) {
    assert!(browser.errors().is_empty(), "{:#?}", browser.errors());
    let others: Vec<_> = browser.requests().into_iter().filter(|url| !url.ends_with("report.html")).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn a_reader_sees_every_incident_and_can_zoom_to_it() {
    let Some(command) = installed() else { return };
    let mut browser = Browser::start(command, 1400, 1200);
    for folder in ["freeze-leader", "two-faults", "kill-restart", "freeze-follower", "healthy"] {
        let temporary = tempfile::tempdir().unwrap();
        let (path, report) = of_testdata(temporary.path(), folder);
        browser.open(&path);
        let incidents = list(&report, "incidents");
        let cards = browser.eval("[...document.querySelectorAll('article')].map((one) => one.textContent)");
        assert_eq!(cards.as_array().unwrap().len(), incidents.len(), "{folder}");
        for (incident, card) in incidents.iter().zip(cards.as_array().unwrap()) {
            let card = card.as_str().unwrap();
            assert!(card.contains(incident["summary"].as_str().unwrap()), "{folder}: {card}");
            assert!(card.contains(incident["confidence"].as_str().unwrap()), "{folder}: {card}");
        }
        let bands = browser.eval("document.querySelectorAll('#timeline .band').length");
        assert_eq!(bands, incidents.len(), "{folder}");
        let lanes = browser.eval("document.querySelectorAll('#timeline text.name').length");
        assert_eq!(lanes, list(&report, "servers").len(), "{folder}");
        if let Some(first) = incidents.first() {
            zooms_to(&mut browser, first);
        } else {
            let said = browser.eval("document.querySelector('#incidents').textContent");
            assert!(said.as_str().unwrap().contains("No stall"), "{said}");
        }
    }
    is_quiet(&browser);
}

#[test]
fn members_of_etcd_have_lanes_and_labels_do_not_overlap() {
    let Some(command) = installed() else { return };
    let mut browser = Browser::start(command, 1280, 1200);
    let temporary = tempfile::tempdir().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/etcd/freeze-leader");
    let (path, report) = page(temporary.path(), &[], &[folder]);
    browser.open(&path);
    let members = list(&report, "members").len();
    assert!(members >= 3);
    let names =
        browser.eval("[...document.querySelectorAll('#timeline text.name')].map((one) => one.textContent)");
    assert_eq!(names.as_array().unwrap().len(), members, "{names}");
    assert!(names.to_string().contains(report["members"][0]["address"].as_str().unwrap()), "{names}");
    // Two incidents that begin nearly at once.
    let (path, report) = of_testdata(temporary.path(), "two-faults");
    browser.open(&path);
    assert_eq!(list(&report, "incidents").len(), 2);
    let boxes = "[...document.querySelectorAll('#timeline text.label')].map((one) => one.getBoundingClientRect())\
                 .map((one) => [one.left, one.right])";
    let boxes = browser.eval(boxes);
    let edge = |label: usize, side: usize| boxes[label][side].as_f64().unwrap();
    assert!(boxes.as_array().unwrap().len() == 2 && edge(0, 1) <= edge(1, 0), "{boxes}");
    is_quiet(&browser);
}

/// A click on an incident's band zooms to it and shows its frames, with filters; a second one lets it go.
fn zooms_to(browser: &mut Browser, incident: &Value) {
    let band = format!("#timeline .band[data-incident=\"{}\"]", incident["id"]);
    let before = browser.eval("view.to - view.from").as_f64().unwrap();
    browser.click(&band);
    let after = browser.eval("view.to - view.from").as_f64().unwrap();
    assert!(after < before, "{after} of {before}");
    let evidence = list(incident, "evidence");
    let rows = browser.eval("document.querySelectorAll('article.chosen tr').length");
    assert_eq!(rows, evidence.len() + usize::from(!evidence.is_empty()), "a row for each, and a head");
    let filters =
        "[...document.querySelectorAll('article.chosen code')].map((one) => one.textContent).join(' ')";
    let filters = browser.eval(filters).as_str().unwrap().to_owned();
    assert!(filters.contains("frame.time_epoch >= "), "{filters}");
    for frame in evidence.iter().map(|one| one["frame"].to_string()) {
        assert!(filters.contains("frame.number in {") && filters.contains(&frame), "{frame}: {filters}");
    }
    browser.press("Escape");
    let last = browser.eval("view.to - view.from").as_f64().unwrap();
    assert!((last - before).abs() < 1e-6, "{last} of {before}");
}

#[test]
fn charts_are_drawn_and_hovering_shows_values() {
    let Some(command) = installed() else { return };
    let temporary = tempfile::tempdir().unwrap();
    let (path, _) = of_testdata(temporary.path(), "freeze-leader");
    let mut browser = Browser::start(command, 1400, 1200);
    browser.open(&path);
    let legend = "[...document.querySelectorAll('.u-legend')][0].textContent";
    browser.hover("#charts .u-over");
    let hovered = browser.eval(legend);
    assert!(hovered.as_str().unwrap().contains(" %"), "{hovered}");
    assert!(hovered.as_str().unwrap().contains(":"), "{hovered}");
    browser.hover("#timeline .leader");
    let tip = browser.eval("document.querySelector('#tip').textContent");
    assert!(tip.as_str().unwrap().contains("leading"), "{tip}");
    assert_eq!(browser.eval("document.querySelector('#tip').hidden"), false);
    // Keys zoom the timeline and every chart.
    let scale =
        "charts.find((one) => one.plot).plot.scales.x.max - charts.find((one) => one.plot).plot.scales.x.min";
    let before = browser.eval(scale).as_f64().unwrap();
    browser.press("+");
    let after = browser.eval(scale).as_f64().unwrap();
    let window = browser.eval("view.to - view.from").as_f64().unwrap();
    assert!(after < before && (after - window).abs() < 1e-3, "{before} {after} {window}");
    browser.press("0");
    // The zone of all times.
    browser.eval("addZone('Asia/Kolkata', 'Asia/Kolkata'); zone = zones.at(-1); drawAll()");
    let when = browser.eval("document.querySelector('article dl').textContent");
    assert!(
        when.as_str().unwrap().contains("13:38:4") && when.as_str().unwrap().contains("Asia/Kolkata"),
        "{when}"
    );
    for key in ["z", "t", "t"] {
        browser.press(key);
    }
    browser.eval("dispatchEvent(new Event('beforeprint'))");
    assert_eq!(browser.eval("charts.every((one) => one.plot !== null)"), true, "all is drawn for print");
    is_quiet(&browser);
}

/// A capture of freeze-leader whose znode paths, name and folder try to run something, and a configuration that does too.
fn hostile(into: &Path) -> (PathBuf, PathBuf) {
    let whole = fs::read(testdata().join("freeze-leader/zk1.full.pcap.gz")).unwrap();
    let mut bytes = Vec::new();
    MultiGzDecoder::new(&whole[..]).read_to_end(&mut bytes).unwrap();
    // Paths are /lab/NNNN: as long as what they become.
    let is_path = |bytes: &[u8]| bytes.starts_with(b"/lab/") && bytes[5..9].iter().all(u8::is_ascii_digit);
    let places: Vec<_> = (0..bytes.len() - 9).filter(|at| is_path(&bytes[*at..at + 9])).collect();
    assert!(!places.is_empty(), "no znode's path");
    places.iter().for_each(|at| bytes[*at..at + 9].copy_from_slice(b"</script>"));
    let folder = into.join("a<");
    fs::create_dir(&folder).unwrap();
    let capture = folder.join("script><script>window.pwned=1<!--.pcap");
    fs::write(&capture, bytes).unwrap();
    let config = into.join("zoo.cfg");
    let servers = (1..=3).map(|sid| format!("server.{sid}={EVIL}:2888:3888\n"));
    fs::write(&config, format!("tickTime=1000\nsyncLimit=5\ninitLimit=10\n{}", servers.collect::<String>()))
        .unwrap();
    (capture, config)
}

#[test]
fn nothing_runs_but_the_page_itself() {
    let Some(command) = installed() else { return };
    let temporary = tempfile::tempdir().unwrap();
    let (capture, config) = hostile(temporary.path());
    let (path, report) = page(temporary.path(), &["--zoo-cfg", config.to_str().unwrap()], &[capture]);
    assert!(report.to_string().contains("<script>"), "the names are in the report");
    let mut browser = Browser::start(command, 1200, 900);
    browser.open(&path);
    browser.press("n");
    assert!(
        browser.eval("document.body.textContent").as_str().unwrap().contains("onerror"),
        "they are shown as text"
    );
    assert_eq!(browser.eval("document.querySelectorAll('img').length"), 0);
    assert_eq!(browser.eval("typeof window.pwned"), "undefined");
    is_quiet(&browser);
    // Whatever would get a script or a handler into the page: the policy does not let it run, or fetch.
    browser.eval("{ const one = document.createElement('script'); one.textContent = 'window.pwned = 1'; document.body.append(one); }");
    browser.eval("{ const one = document.createElement('div'); one.innerHTML = '<img src=x onerror=\"window.pwned = 1\">'; document.body.append(one); }");
    browser.settle();
    assert_eq!(browser.eval("typeof window.pwned"), "undefined");
    let fetched = browser.eval("fetch('data:text/plain,x').then(() => 'fetched', () => 'refused')");
    assert_eq!(fetched, "refused");
    assert!(!browser.errors().is_empty(), "the browser says that it refused");
}

#[test]
fn the_page_is_small_and_replaces_nothing_unasked() {
    let temporary = tempfile::tempdir().unwrap();
    let (path, report) = of_testdata(temporary.path(), "two-faults");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.len() < 1_000_000, "{}", text.len());
    let embedded = text.split_once("id=\"report\">").unwrap().1.split_once("</script>").unwrap().0;
    let mut embedded: Value = serde_json::from_str(embedded).unwrap();
    assert!(embedded.as_object_mut().unwrap().remove("series").is_some());
    assert_eq!(embedded, report, "the page is the report for machines too");
    let capture = captures("two-faults").remove(0);
    for (option, target) in
        [("--html", path.as_path()), ("--html", capture.as_path()), ("--trace", path.as_path())]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_qscope"))
            .args(["replay", option])
            .arg(target)
            .arg(&capture)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.contains(option)), (Some(2), true), "{said}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn the_trace_has_what_the_report_has() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("trace.json");
    let output = Command::new(env!("CARGO_BIN_EXE_qscope"))
        .args(["replay", "--json", "--trace"])
        .arg(&path)
        .args(captures("freeze-leader"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let trace: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let events = list(&trace, "traceEvents");
    let begun = |kind: &str| events.iter().filter(|one| one["ph"] == "b" && one["cat"] == kind).count();
    assert_eq!(begun("incident"), list(&report, "incidents").len());
    assert_eq!(begun("election"), list(&report, "elections").len());
    assert!(events.iter().any(|one| one["ph"] == "C"), "numbers over time are there");
    assert!(report.get("series").is_none(), "nobody asked for it");
}

#[test]
fn series_add_up_to_the_links_totals() {
    let config = testdata().join("freeze-leader/zoo.cfg");
    let run = |more: &[&str]| -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_qscope"))
            .args(["replay", "--zoo-cfg"])
            .arg(&config)
            .args(more)
            .args(captures("freeze-leader"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let with = run(&["--series"]);
    let series = &with["series"];
    assert!(series["width_ms"].as_u64().unwrap() >= 100 && series["rest"].is_null());
    for own in list(series, "links") {
        let link = list(&with, "links").iter().find(|link| link["id"] == own["link"]).unwrap();
        let sum =
            |row: &Value| row.as_array().unwrap().iter().map(|one| one.as_u64().unwrap_or(0)).sum::<u64>();
        for kind in ["ping", "ack", "commit"] {
            assert_eq!(
                sum(&own[kind]["count"]),
                link["round_trips"][kind]["count"],
                "{kind} of {}",
                own["link"]
            );
            let max = own[kind]["max_us"].as_array().unwrap().iter().filter_map(Value::as_u64).max();
            assert_eq!(max, link["round_trips"][kind]["max_us"].as_u64(), "{kind} of {}", own["link"]);
        }
        for way in ["to_leader", "to_learner"] {
            let types = ["records", "inferred"].map(|key| {
                link[key][way].as_object().unwrap().values().map(|one| one.as_u64().unwrap()).sum::<u64>()
            });
            assert_eq!(sum(&own["records"][way]), types[0] + types[1], "records {way} of {}", own["link"]);
            assert_eq!(
                sum(&own["missing_bytes"][way]),
                link["bytes"][way]["missing"],
                "missing {way} of {}",
                own["link"]
            );
        }
        for deadline in ["leader_read", "learner_read", "ack"] {
            let most = own["waits_ms"][deadline].as_array().unwrap().iter().filter_map(Value::as_u64).max();
            assert_eq!(
                most,
                link["headroom"][deadline]["worst_ms"].as_u64(),
                "{deadline} of {}",
                own["link"]
            );
        }
    }
    let mut with = with;
    with.as_object_mut().unwrap().remove("series");
    assert_eq!(with, run(&["--json"]), "nothing else changes");
}
