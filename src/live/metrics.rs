//! Metrics over HTTP, in the text formats of OpenMetrics and Prometheus.
//!
//! `GET /metrics` and `GET /healthz`, and nothing else. A separate thread answers from a copy of the numbers,
//! so watching is delayed at most for the time of a copy. A thread that fails is reported and restarted: see
//! [`Metrics::check`].

use super::error::LiveError;
use super::exposition::{MetricsForm, classic};
use super::http::{HttpCounts, HttpRequest, HttpServer, Response};
use super::numbers::{BUCKETS_US, Numbers, PairLabels, Tally, seconds};
use super::raft_numbers::{RaftNumbers, RaftWay};
use crate::findings::Deadline;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Without new numbers for so long, the watching is not well.
const STALE: Duration = Duration::from_secs(10);
/// Connections that could not be accepted are reported at most so often.
const REFUSED_EVERY: Duration = Duration::from_secs(60);

/// What `quorumscope_headroom_ratio` holds.
const HEADROOM: &str = "What the longest wait of the last minute left of a deadline: 0 at the limit";
/// Its name before units were in the singular, as Prometheus has them; until 0.2.
const HEADROOM_BEFORE: &str = "The same as quorumscope_headroom_ratio, by its old name: goes with 0.2";

/// What watching and answering share.
#[derive(Debug)]
struct MetricsState {
    numbers: Mutex<(Arc<Numbers>, Instant)>,
}

impl MetricsState {
    fn numbers(&self) -> (Arc<Numbers>, Instant) {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The server, and where numbers are left for it.
#[derive(Debug)]
pub struct Metrics {
    address: SocketAddr,
    listener: TcpListener,
    shared: Arc<MetricsState>,
    counts: Arc<HttpCounts>,
    thread: JoinHandle<io::Result<()>>,
    /// How many refused connections were reported, and when.
    reported: (u64, Option<Instant>),
}

impl Metrics {
    /// Begins to answer at an address.
    ///
    /// # Errors
    /// The address is taken, or is none of this host, or needs rights that were given up.
    pub fn serve(address: SocketAddr) -> Result<Self, LiveError> {
        let listener = TcpListener::bind(address).map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need root, whose rights are given up: take another"
                }
                _ => "'ss -ltnp' lists who listens where",
            };
            LiveError::with(format!("--metrics {address}"), error).hint(hint)
        })?;
        let shared =
            Arc::new(MetricsState { numbers: Mutex::new((Arc::new(Numbers::new()), Instant::now())) });
        let counts = Arc::new(HttpCounts::default());
        let thread = start(&listener, Answers::new(Arc::clone(&shared)), &counts)
            .map_err(|error| LiveError::with(format!("--metrics {address}"), error))?;
        Ok(Self { address, listener, shared, counts, thread, reported: (0, None) })
    }

    /// Leaves new numbers.
    pub fn publish(&self, numbers: &Numbers) {
        let numbers = Arc::new(numbers.shown());
        *self.shared.numbers.lock().unwrap_or_else(PoisonError::into_inner) = (numbers, Instant::now());
    }

    /// Starts the thread again where it has failed. What does not work, as a sentence.
    pub fn check(&mut self, now: Instant) -> Option<String> {
        if self.thread.is_finished() {
            return Some(self.restart());
        }
        let (reported, at) = self.reported;
        let refused = self.counts.refused.load(Ordering::Relaxed);
        if refused == reported || at.is_some_and(|at| now.saturating_duration_since(at) < REFUSED_EVERY) {
            return None;
        }
        self.reported = (refused, Some(now));
        Some(format!(
            "--metrics {}: {} connections could not be accepted: 'ls /proc/$(pidof qscope)/fd' shows what is open",
            self.address,
            refused.saturating_sub(reported)
        ))
    }

    fn restart(&mut self) -> String {
        let address = self.address;
        let again = match start(&self.listener, Answers::new(Arc::clone(&self.shared)), &self.counts) {
            Ok(thread) => thread,
            // The one that failed stays finished: the next check tries again.
            Err(error) => {
                return format!("--metrics {address}: not served, and not to be started again: {error}");
            }
        };
        match std::mem::replace(&mut self.thread, again).join() {
            Ok(Err(error)) => format!("--metrics {address}: serving failed and was started again: {error}"),
            _ => format!("--metrics {address}: serving broke off and was started again"),
        }
    }
}

/// Serves a listener on a thread of its own.
fn start(
    listener: &TcpListener,
    mut answers: Answers,
    counts: &Arc<HttpCounts>,
) -> io::Result<JoinHandle<io::Result<()>>> {
    let mut server =
        HttpServer::new(listener.try_clone()?, Arc::clone(counts), move |request: &HttpRequest<'_>| {
            answers.to(request)
        })?;
    thread::Builder::new().name("metrics".to_owned()).spawn(move || server.run())
}

/// Numbers, and their text in one form.
type MetricsText = (Arc<Numbers>, Arc<[u8]>);

/// What is answered, from the numbers of the moment.
struct Answers {
    shared: Arc<MetricsState>,
    registry: Registry,
    /// The text of numbers that were asked for before, by its form: asking often costs no more.
    texts: [Option<MetricsText>; 2],
}

impl Answers {
    fn new(shared: Arc<MetricsState>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Gathered(Arc::clone(&shared))));
        Self { shared, registry, texts: [None, None] }
    }

    fn to(&mut self, request: &HttpRequest<'_>) -> Response {
        match request.path {
            "/metrics" => {
                let form = MetricsForm::of(request.accept);
                match self.text(form) {
                    Ok(body) => Response { status: 200, content_type: form.content_type(), body },
                    Err(error) => Response::text(500, &error.to_string()),
                }
            }
            "/healthz" => {
                let age = self.shared.numbers().1.elapsed();
                if age < STALE {
                    Response::text(200, "ok")
                } else {
                    Response::text(503, &format!("nothing new for {} s", age.as_secs()))
                }
            }
            _ => Response::text(404, "/metrics or /healthz"),
        }
    }

    fn text(&mut self, form: MetricsForm) -> Result<Arc<[u8]>, fmt::Error> {
        let numbers = self.shared.numbers().0;
        let slot = match form {
            MetricsForm::OpenMetrics => 0,
            MetricsForm::Prometheus => 1,
        };
        if let Some(Some((of, text))) = self.texts.get(slot)
            && Arc::ptr_eq(of, &numbers)
        {
            return Ok(Arc::clone(text));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        let text = if form == MetricsForm::Prometheus { classic(&text) } else { text };
        let text: Arc<[u8]> = text.into_bytes().into();
        if let Some(place) = self.texts.get_mut(slot) {
            *place = Some((numbers, Arc::clone(&text)));
        }
        Ok(text)
    }
}

/// The numbers, as the registry asks for them.
#[derive(Debug)]
struct Gathered(Arc<MetricsState>);

impl Collector for Gathered {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let numbers = self.0.numbers().0;
        let out = &mut encoder;
        round_trips(out, "ping", "From a PING to its answer", &numbers, |pair| &pair.ping)?;
        round_trips(out, "ack", "From a PROPOSAL to the learner's ACK", &numbers, |pair| &pair.ack)?;
        round_trips(out, "commit", "From a PROPOSAL to its COMMIT", &numbers, |pair| &pair.commit)?;
        headroom(out, HEADROOM, &Unit::Other("ratio".to_owned()), &numbers)?;
        headroom(out, HEADROOM_BEFORE, &Unit::Ratios, &numbers)?;
        let sessions = numbers.pairs.values().filter(|pair| pair.headroom.is_some());
        let sessions = sessions.map(|pair| (labels(pair), pair.sessions));
        gauges(out, "sessions", "Client sessions that the learner names", sessions)?;
        let stalls = numbers.stalls.iter().map(|(cause, count)| (vec![label("cause", cause)], *count));
        counters(out, "stalls", "Stalls that are over", stalls)?;
        gauges(out, "stalls_open", "Stalls under way", one(numbers.stalls_open))?;
        let incidents = numbers.incidents.iter().map(|(root, count)| (vec![label("root", root)], *count));
        counters(out, "incidents", "Incidents that are over, by root", incidents)?;
        gauges(out, "incidents_open", "Incidents under way", one(numbers.incidents_open))?;
        counters(out, "elections", "Elections that began", one(numbers.elections))?;
        let epoch = numbers.epoch.map(|epoch| (Vec::new(), u64::from(epoch)));
        gauges(out, "epoch", "The highest epoch of a link", epoch.into_iter())?;
        let records = numbers.records.iter().map(|(kind, count)| {
            let name = kind.map_or_else(|| "other".to_owned(), |kind| kind.to_string());
            (vec![label("type", &name)], *count)
        });
        counters(out, "records", "Records on quorum links, those that the cut hid too", records)?;
        counters(
            out,
            "missing_bytes",
            "Bytes of streams that the capture lacks",
            one(numbers.missing_bytes),
        )?;
        counters(out, "frames", "Frames that were dissected", one(numbers.frames))?;
        let all = numbers.received;
        let drops = [
            ("kernel", all.dropped_kernel),
            ("interface", all.dropped_interface),
            ("here", all.dropped_here),
        ];
        let drops = drops.into_iter().map(|(by, count)| (vec![label("by", by)], count));
        counters(out, "dropped_frames", "Frames that were dropped", drops)?;
        counters(
            out,
            "pairs_refused",
            "Looks at pairs of servers beyond the most that are told",
            one(numbers.pairs_refused),
        )?;
        raft(out, &numbers.raft)
    }
}

/// What etcd's members say to each other; nothing where there are none.
fn raft(out: &mut DescriptorEncoder<'_>, numbers: &RaftNumbers) -> fmt::Result {
    if numbers.ways.is_empty() {
        return Ok(());
    }
    let ways = |of: fn(&RaftWay) -> u64| {
        let labels = |way: &RaftWay| vec![label("from", &way.from), label("to", &way.to)];
        numbers.ways.values().map(move |way| (labels(way), of(way)))
    };
    raft_trips(out, "heartbeat", "Heartbeats", numbers, |way| way.heartbeat)?;
    raft_trips(out, "append", "Appends", numbers, |way| way.append)?;
    raft_trips(out, "kernel", "Segments", numbers, |way| way.kernel)?;
    counters(
        out,
        "raft_retransmits",
        "Segments between members that were sent again",
        ways(|way| way.retransmits),
    )?;
    counters(out, "raft_dials", "Connections between members that were dialed", ways(|way| way.dialed))?;
    counters(out, "raft_dials_refused", "Those that were refused", ways(|way| way.refused))?;
    let records = numbers.records.iter().map(|(kind, count)| (vec![label("type", kind)], *count));
    counters(out, "raft_records", "Records between members, those that the cut hid too", records)?;
    counters(
        out,
        "raft_ways_refused",
        "Pairs of members beyond the most that are told",
        one(numbers.ways_refused),
    )?;
    let term = numbers.term.map(|term| (Vec::new(), term));
    gauges(out, "raft_term", "The highest term that was seen", term.into_iter())
}

/// How many were answered, and how long all of them took.
fn raft_trips(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    what: &str,
    numbers: &RaftNumbers,
    of: impl Fn(&RaftWay) -> (u64, u64),
) -> fmt::Result {
    let labels = |way: &RaftWay| vec![label("from", &way.from), label("to", &way.to)];
    let counts = numbers.ways.values().map(|way| (labels(way), of(way).0));
    let help = format!("{what} between members that were answered");
    counters(out, &format!("raft_{name}_answers"), &help, counts)?;
    let full = format!("quorumscope_raft_{name}_answer");
    let help = format!("{what} to their answers, all together");
    let mut metric = out.encode_descriptor(&full, &help, Some(&Unit::Seconds), MetricType::Counter)?;
    let sums = numbers.ways.values().map(|way| (labels(way), seconds(of(way).1)));
    each(&mut metric, sums, |metric, value| metric.encode_counter::<NoLabelSet, _, f64>(value, None))
}

type Labels = Vec<(String, String)>;

fn label(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn labels(pair: &PairLabels) -> Labels {
    let role = pair.role.map_or("unknown", |role| role.name());
    vec![label("leader", &pair.leader), label("learner", &pair.learner), label("role", role)]
}

fn one(value: u64) -> impl Iterator<Item = (Labels, u64)> {
    std::iter::once((Vec::new(), value))
}

/// A metric's values, each under its labels.
fn each<'a, V>(
    encoder: &mut MetricEncoder<'_>,
    values: impl Iterator<Item = (Labels, V)> + 'a,
    write: impl Fn(&mut MetricEncoder<'_>, &V) -> fmt::Result,
) -> fmt::Result {
    for (labels, value) in values {
        if labels.is_empty() {
            write(encoder, &value)?;
        } else {
            write(&mut encoder.encode_family(&labels)?, &value)?;
        }
    }
    Ok(())
}

fn counters(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (Labels, u64)>,
) -> fmt::Result {
    let name = format!("quorumscope_{name}");
    let mut metric = out.encode_descriptor(&name, help, None, MetricType::Counter)?;
    each(&mut metric, values, |metric, value| metric.encode_counter::<NoLabelSet, _, f64>(value, None))
}

fn gauges(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (Labels, u64)>,
) -> fmt::Result {
    let name = format!("quorumscope_{name}");
    let mut metric = out.encode_descriptor(&name, help, None, MetricType::Gauge)?;
    each(&mut metric, values, |metric, value| metric.encode_gauge(value))
}

fn headroom(out: &mut DescriptorEncoder<'_>, help: &str, unit: &Unit, numbers: &Numbers) -> fmt::Result {
    let mut metric = out.encode_descriptor("quorumscope_headroom", help, Some(unit), MetricType::Gauge)?;
    for pair in numbers.pairs.values() {
        let Some(left) = pair.headroom else { continue };
        let values = Deadline::ALL.into_iter().zip(left).map(|(deadline, left)| {
            let mut labels = labels(pair);
            labels.push(label("deadline", deadline.name()));
            (labels, left)
        });
        each(&mut metric, values, |metric, value| metric.encode_gauge(value))?;
    }
    Ok(())
}

fn round_trips(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    numbers: &Numbers,
    of: impl Fn(&PairLabels) -> &Tally,
) -> fmt::Result {
    let name = format!("quorumscope_{name}");
    let mut metric = out.encode_descriptor(&name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
    let ends: Vec<f64> = BUCKETS_US.iter().map(|us| seconds(*us)).chain([f64::MAX]).collect();
    let values = numbers.pairs.values().map(|pair| (labels(pair), of(pair)));
    each(&mut metric, values, |metric, tally| {
        let buckets: Vec<_> = ends.iter().copied().zip(tally.buckets).collect();
        metric.encode_histogram::<NoLabelSet>(seconds(tally.sum_us), tally.count(), &buckets, None)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn ask(address: SocketAddr, path: &str, accept: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nAccept: {accept}\r\n\r\n").unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    fn served() -> (Metrics, SocketAddr) {
        let metrics = Metrics::serve("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = metrics.listener.local_addr().unwrap();
        (metrics, address)
    }

    #[test]
    fn each_reader_gets_the_form_it_asks_for() {
        let (metrics, address) = served();
        let mut numbers = Numbers::new();
        numbers.frames = 7;
        metrics.publish(&numbers);
        let open = ask(address, "/metrics", "application/openmetrics-text;version=1.0.0,*/*;q=0.1");
        assert!(open.contains("\n# TYPE quorumscope_frames counter\n"), "{open}");
        assert!(open.contains("\nquorumscope_frames_total 7\n") && open.ends_with("# EOF\n"), "{open}");
        let plain = ask(address, "/metrics", "text/plain");
        assert!(plain.contains("Content-Type: text/plain; version=0.0.4"), "{plain}");
        assert!(plain.contains("\n# TYPE quorumscope_frames_total counter\n"), "{plain}");
        assert!(plain.contains("\nquorumscope_frames_total 7\n") && !plain.contains("EOF"), "{plain}");
        numbers.frames = 8;
        metrics.publish(&numbers);
        assert!(ask(address, "/metrics", "").contains("\nquorumscope_frames_total 8\n"));
        assert!(ask(address, "/healthz", "").ends_with("\r\n\r\nok\n"));
        assert!(ask(address, "/", "").starts_with("HTTP/1.1 404 "));
    }

    #[test]
    fn a_thread_that_fails_is_reported_and_started_again() {
        let (mut metrics, address) = served();
        assert_eq!(metrics.check(Instant::now()), None);
        let broken = thread::spawn(|| -> io::Result<()> { panic!("on purpose") });
        while !broken.is_finished() {
            thread::yield_now();
        }
        metrics.thread = broken;
        let said = metrics.check(Instant::now()).unwrap();
        assert!(said.contains("broke off and was started again"), "{said}");
        assert!(ask(address, "/healthz", "").ends_with("ok\n"));
        assert_eq!(metrics.check(Instant::now()), None);
    }

    #[test]
    fn connections_that_could_not_be_accepted_are_reported_now_and_then() {
        let (mut metrics, _) = served();
        let now = Instant::now();
        metrics.counts.refused.fetch_add(3, Ordering::Relaxed);
        assert!(metrics.check(now).unwrap().contains(" 3 connections could not be accepted"));
        metrics.counts.refused.fetch_add(1, Ordering::Relaxed);
        assert_eq!(metrics.check(now), None);
        assert!(metrics.check(now + REFUSED_EVERY).unwrap().contains(" 1 connections "));
    }
}
