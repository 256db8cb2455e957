//! What other programs take from `qscope live`: metrics and the alert rules on them, as Prometheus's own `promtool`
//! judges them, and lines of JSON for log shippers.
//!
//! promtool comes with Prometheus (`apt-get install prometheus`); without, that part is skipped, loudly.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Looks at the endpoint, a tenth of a second apart, before it is given up.
const MAX_LOOKS: u32 = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// A `qscope live` over a folder of captures; it ends with this.
struct Live(Child, SocketAddr);

impl Live {
    fn start(folder: &Path, lines: Stdio) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_qscope"))
            .args(["live", "--json", "--metrics", &address.to_string(), "--follow"])
            .arg(folder)
            .stdout(lines)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child, address)
    }

    /// The body that somebody gets who accepts this; none while nobody listens.
    fn ask(&self, accept: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.1).ok()?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\n{accept}\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.split_once("\r\n\r\n")?.1.to_owned())
    }

    /// The same once a link was seen.
    fn ask_until_there_are_links(&self, accept: &str) -> String {
        self.ask_until(accept, "learner=")
    }

    /// The same once something is in it.
    fn ask_until(&self, accept: &str, what: &str) -> String {
        for _ in 0..MAX_LOOKS {
            if let Some(body) = self.ask(accept).filter(|body| body.contains(what)) {
                return body;
            }
            sleep(Duration::from_millis(100));
        }
        panic!("no {what} in the metrics")
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Gives a text to promtool; false where there is none.
fn promtool(args: &[&str], input: &str) -> bool {
    let child = Command::new("promtool")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("!!! SKIPPED: promtool is not installed");
        return false;
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "promtool {args:?}: {said}\n{input}");
    true
}

/// A folder with a capture.
fn captures() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let capture = "zk1-261121-080258.pcap";
    fs::copy(root().join("testdata/freeze-follower").join(capture), folder.path().join(capture)).unwrap();
    folder
}

#[test]
fn a_log_shipper_gets_an_object_a_line_with_a_time_and_an_event() {
    let folder = captures();
    let lines = tempfile::NamedTempFile::new().unwrap();
    let mut live = Live::start(folder.path(), lines.reopen().unwrap().into());
    live.ask_until_there_are_links("");
    let end = Command::new("kill").args(["-INT", &live.0.id().to_string()]).status().unwrap();
    assert!(end.success() && live.0.wait().unwrap().success());
    let text = fs::read_to_string(lines.path()).unwrap();
    let contract = fs::read_to_string(root().join("CONTRACT.md")).unwrap();
    let mut events = Vec::new();
    for line in text.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        let at = object["at"].as_str().unwrap();
        assert!(at.parse::<jiff::Timestamp>().is_ok() && at.ends_with('Z'), "{at}");
        events.push(object["event"].as_str().unwrap().to_owned());
    }
    assert_eq!((events.first().unwrap().as_str(), events.last().unwrap().as_str()), ("start", "report"));
    // Those that the example of the page picks out, too.
    events.extend(["stall", "stall_over", "incident", "incident_over", "problem"].map(str::to_owned));
    for event in events {
        assert!(contract.contains(&format!("`{event}`")), "CONTRACT.md does not know {event}");
    }
}

#[test]
fn promtool_finds_no_fault_with_the_metrics() {
    let folder = captures();
    let live = Live::start(folder.path(), Stdio::null());
    // As curl asks, and as Prometheus before OpenMetrics did.
    for accept in ["", "Accept: */*\r\n", "Accept: text/plain;version=0.0.4\r\n"] {
        let body = live.ask_until_there_are_links(accept);
        assert!(!body.contains("# EOF") && !body.contains("# UNIT"), "{body}");
        promtool(&["check", "metrics"], &body);
    }
    let body = live.ask_until_there_are_links("");
    for name in [
        "headroom_ratio{",
        "headroom_ratios{",
        "ping_seconds_bucket{",
        "frames_total ",
        "incidents_total{root=",
        "incidents_open ",
        "stalls_total{cause=",
    ] {
        assert!(body.contains(&format!("\nquorumscope_{name}")), "{name} is not in {body}");
    }
    let body = live.ask_until_there_are_links("Accept: application/openmetrics-text;version=1.0.0\r\n");
    assert!(body.ends_with("# EOF\n"), "{body}");
    assert!(body.contains("\n# UNIT quorumscope_headroom_ratio ratio\n"), "{body}");
}

#[test]
fn what_members_of_etcd_say_is_counted_each_way() {
    let folder = tempfile::tempdir().unwrap();
    let packed = fs::File::open(root().join("tests/etcd/freeze-leader/zk3.pcap.gz")).unwrap();
    let mut capture = Vec::new();
    flate2::read::MultiGzDecoder::new(packed).read_to_end(&mut capture).unwrap();
    fs::write(folder.path().join("zk3.pcap"), capture).unwrap();
    let live = Live::start(folder.path(), Stdio::null());
    let body = live.ask_until("", "quorumscope_raft_term");
    promtool(&["check", "metrics"], &body);
    let value = |name: &str, labels: &str| -> f64 {
        let begin = format!("quorumscope_raft_{name}{labels} ");
        let line = body.lines().find_map(|line| line.strip_prefix(&begin));
        line.unwrap_or_else(|| panic!("{begin} is not in {body}")).parse().unwrap()
    };
    // After the first leader stood still, the second one leads: it asks, this host answers.
    let way = "{from=\"10.255.0.102\",to=\"10.255.0.103\"}";
    let (answers, took) =
        (value("heartbeat_answers_total", way), value("heartbeat_answer_seconds_total", way));
    assert!(answers > 50.0 && took / answers < 0.1, "{answers} {took}");
    assert!(value("append_answers_total", way) > 10.0);
    assert!(value("records_total", "{type=\"MsgHeartbeat\"}") > 100.0);
    for name in ["kernel_answers_total", "retransmits_total", "dials_total", "dials_refused_total"] {
        assert!(value(name, way) >= 0.0);
    }
    assert!(value("term", "") >= 2.0);
    // Of ZooKeeper's captures there is none of it.
    let folder = captures();
    let live = Live::start(folder.path(), Stdio::null());
    assert!(!live.ask_until_there_are_links("").contains("quorumscope_raft_"));
}

#[test]
fn the_alert_rules_are_valid_and_of_metrics_there_are() {
    promtool(&["check", "rules", root().join("contrib/alerts.yml").to_str().unwrap()], "");
    let page = fs::read_to_string(root().join("docs/live.md")).unwrap();
    for file in ["contrib/alerts.yml", "contrib/grafana.json"] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        for rest in text.split("quorumscope_").skip(1) {
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let name = name.trim_end_matches("_bucket");
            assert!(page.contains(&format!("`{name}`")), "{file}: docs/live.md has no {name}");
        }
    }
}
