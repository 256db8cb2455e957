//! The numbers over HTTP, in the text form of OpenMetrics.
//!
//! `GET /metrics` and `GET /healthz`, and nothing else. A thread of its own answers, from numbers that
//! the watching leaves for it; it never holds up the watching for longer than a copy takes.

use super::numbers::{BUCKETS_US, Numbers, Pair, Tally, seconds};
use crate::findings::Deadline;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tiny_http::{Header, Method, Request, Response, Server};

/// Without new numbers for so long, the watching is not well.
const STALE: Duration = Duration::from_secs(10);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What watching and answering share.
#[derive(Debug)]
struct Shared {
    numbers: Mutex<(Numbers, Instant)>,
}

/// Where the numbers are left.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Shared>);

impl Metrics {
    /// Begins to answer at an address.
    ///
    /// # Errors
    /// One sentence: the address is taken, or is none of this host.
    pub fn serve(address: SocketAddr) -> Result<Self, String> {
        let server = Server::http(address)
            .map_err(|error| format!("--metrics {address}: {error}: 'ss -ltnp' says who listens where"))?;
        let shared = Arc::new(Shared { numbers: Mutex::new((Numbers::new(), Instant::now())) });
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Gathered(Arc::clone(&shared))));
        let state = Arc::clone(&shared);
        thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || {
                for request in server.incoming_requests() {
                    answer(request, &registry, &state);
                }
            })
            .map_err(|error| format!("--metrics {address}: no thread: {error}"))?;
        Ok(Self(shared))
    }

    /// Leaves new numbers.
    pub fn publish(&self, numbers: &Numbers) {
        let mut held = self.0.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        *held = (numbers.clone(), Instant::now());
    }
}

fn answer(request: Request, registry: &Registry, state: &Shared) {
    let path = request.url().split('?').next().unwrap_or_default().to_owned();
    let (code, kind, text) = match (request.method(), path.as_str()) {
        (Method::Get, "/metrics") => {
            let mut text = String::new();
            match encode(&mut text, registry) {
                Ok(()) => (200, OPENMETRICS, text),
                Err(error) => (500, "text/plain", format!("{error}\n")),
            }
        }
        (Method::Get, "/healthz") => {
            let age = state.numbers.lock().unwrap_or_else(PoisonError::into_inner).1.elapsed();
            if age < STALE {
                (200, "text/plain", "ok\n".to_owned())
            } else {
                (503, "text/plain", format!("nothing new for {} s\n", age.as_secs()))
            }
        }
        (Method::Get, _) => (404, "text/plain", "/metrics or /healthz\n".to_owned()),
        _ => (405, "text/plain", "GET only\n".to_owned()),
    };
    let mut response = Response::from_string(text).with_status_code(code);
    if let Ok(header) = Header::from_bytes("Content-Type", kind) {
        response.add_header(header);
    }
    // Whoever asked may be gone.
    let _ = request.respond(response);
}

/// The numbers, as the registry asks for them.
#[derive(Debug)]
struct Gathered(Arc<Shared>);

impl Collector for Gathered {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let numbers = self.0.numbers.lock().unwrap_or_else(PoisonError::into_inner).0.clone();
        let out = &mut encoder;
        round_trips(out, "ping", "From a PING to its answer", &numbers, |pair| &pair.ping)?;
        round_trips(out, "ack", "From a PROPOSAL to the learner's ACK", &numbers, |pair| &pair.ack)?;
        round_trips(out, "commit", "From a PROPOSAL to its COMMIT", &numbers, |pair| &pair.commit)?;
        headroom(out, &numbers)?;
        let sessions = numbers.pairs.values().filter(|pair| pair.headroom.is_some());
        let sessions = sessions.map(|pair| (labels(pair), pair.sessions));
        gauges(out, "sessions", "Client sessions that the learner names", sessions)?;
        let stalls = numbers.stalls.iter().map(|(cause, count)| (vec![label("cause", cause)], *count));
        counters(out, "stalls", "Stalls that are over", stalls)?;
        gauges(out, "stalls_open", "Stalls under way", one(numbers.stalls_open))?;
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
        )
    }
}

type Labels = Vec<(String, String)>;

fn label(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn labels(pair: &Pair) -> Labels {
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

fn headroom(out: &mut DescriptorEncoder<'_>, numbers: &Numbers) -> fmt::Result {
    let help = "What the longest wait of the last minute left of a deadline: 0 at the limit";
    let mut metric =
        out.encode_descriptor("quorumscope_headroom", help, Some(&Unit::Ratios), MetricType::Gauge)?;
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
    of: impl Fn(&Pair) -> &Tally,
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
