//! The report in the trace event format, for tools that draw timelines (Perfetto, `chrome://tracing`).
//!
//! Servers are processes, their roles and links are threads of them, each deadline of a link is one too. What belongs to
//! the whole ensemble (incidents, elections, outages) is a process of its own. Times are microseconds since the
//! capture's first frame. Format: "Trace Event Format", phases `X`, `b`, `e`, `i`, `C` and `M`.

use super::wording::IncidentWords;
use crate::address::Address;
use crate::findings::series::LinkSeries;
use crate::findings::{Deadline, Link, Report, Server};
use crate::time::{Span, Timestamp};
use serde_json::{Value, json};
use std::io::{self, Write};

/// The process of the whole ensemble; those of servers follow.
const ENSEMBLE: usize = 1;
/// Threads of a link: its life, and one for each deadline.
const THREADS: usize = 1 + Deadline::ALL.len();

/// Writes the trace of a report, with a line for each event.
///
/// # Errors
/// What the writer says.
pub fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let start = report.input.first.unwrap_or_default();
    let end = report.input.last.unwrap_or(start);
    let mut trace = Trace { report, start, end, events: Vec::new() };
    trace.ensemble();
    trace.servers();
    trace.links();
    trace.waits();
    trace.series();
    out.write_all(b"{\"displayTimeUnit\":\"ms\",\"otherData\":")?;
    serde_json::to_writer(
        &mut *out,
        &json!({ "start": super::clock::rfc3339(start, super::clock::Digits::Six) }),
    )?;
    out.write_all(b",\"traceEvents\":[")?;
    for (index, event) in trace.events.iter().enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        out.write_all(super::escape::json(&event.to_string()).as_bytes())?;
    }
    out.write_all(b"\n]}\n")
}

/// Where an event is drawn.
#[derive(Clone, Copy)]
struct Track {
    process: usize,
    thread: usize,
}

struct Trace<'a> {
    report: &'a Report,
    start: Timestamp,
    end: Timestamp,
    events: Vec<Value>,
}

impl Trace<'_> {
    fn micros(&self, at: Timestamp) -> f64 {
        micros(at.since(self.start))
    }

    fn process(&mut self, process: usize, name: &str) {
        self.events.push(
            json!({ "ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": { "name": name } }),
        );
        self.events.push(
            json!({ "ph": "M", "name": "process_sort_index", "pid": process, "tid": 0, "args": { "sort_index": process } }),
        );
    }

    fn thread(&mut self, track: Track, name: &str) {
        let Track { process, thread } = track;
        self.events.push(json!({ "ph": "M", "name": "thread_name", "pid": process, "tid": thread, "args": { "name": name } }));
    }

    /// Something that lasts, and that nothing else on its track overlaps.
    fn slice(&mut self, track: Track, name: &str, times: (Timestamp, Option<Timestamp>), args: &Value) {
        let (from, to) = (times.0, times.1.unwrap_or(self.end).max(times.0));
        self.events.push(json!({
            "ph": "X", "name": name, "cat": "qscope", "pid": track.process, "tid": track.thread,
            "ts": self.micros(from), "dur": micros(to.since(from)), "args": args,
        }));
    }

    /// Something that lasts, whatever else does meanwhile.
    fn span(
        &mut self,
        kind: &str,
        id: usize,
        name: &str,
        times: (Timestamp, Option<Timestamp>),
        args: &Value,
    ) {
        let (from, to) = (times.0, times.1.unwrap_or(self.end).max(times.0));
        let id = format!("{kind}-{id}");
        self.events.push(json!({
            "ph": "b", "name": name, "cat": kind, "id": id, "pid": ENSEMBLE, "tid": 0, "ts": self.micros(from), "args": args,
        }));
        self.events.push(json!({
            "ph": "e", "name": name, "cat": kind, "id": id, "pid": ENSEMBLE, "tid": 0, "ts": self.micros(to),
        }));
    }

    fn ensemble(&mut self) {
        let report = self.report;
        self.process(ENSEMBLE, "ensemble");
        let words = IncidentWords::in_utc(report);
        for incident in &report.incidents {
            let args = json!({
                "summary": words.summary(incident), "root": incident.root.name(),
                "confidence": incident.confidence.name(), "why": words.why(incident), "checks": words.checks(incident),
            });
            let name = format!("#{} {}", incident.id, words.headline(incident));
            self.span("incident", incident.id as usize, &name, (incident.start, incident.end), &args);
        }
        for (index, election) in report.elections.iter().enumerate() {
            let args = json!({
                "leader_sid": election.leader_sid.map(|sid| sid.to_string()), "epoch": election.epoch,
                "votes": election.votes,
            });
            self.span("election", index, "election", (election.start, election.end), &args);
        }
        for outage in &report.outages {
            let args = json!({ "kind": outage.kind.name(), "certain": outage.is_certain, "incident": outage.incident });
            self.span("outage", outage.id as usize, "no write committed", (outage.start, outage.end), &args);
        }
    }

    fn servers(&mut self) {
        for (index, server) in self.report.servers.iter().enumerate() {
            let track = Track { process: ENSEMBLE + 1 + index, thread: 0 };
            self.process(track.process, &name_of(server));
            self.thread(track, "role");
            for span in &server.roles {
                self.slice(track, span.role.name(), (span.from, span.to), &json!({}));
            }
        }
    }

    /// The track of a link's learner: `thread` 0 is the link itself, the others are its deadlines.
    fn track(&self, link: &Link, thread: usize) -> Track {
        Track { process: self.process_of(link.learner.address), thread: link.id as usize * THREADS + thread }
    }

    fn process_of(&self, address: Address) -> usize {
        let index = self.report.servers.iter().position(|server| server.address == address);
        index.map_or(ENSEMBLE, |index| ENSEMBLE + 1 + index)
    }

    fn links(&mut self) {
        for link in &self.report.links {
            let track = self.track(link, 0);
            let leader = self.report.servers.iter().find(|server| server.address == link.leader.address);
            let leader = leader.map_or_else(|| link.leader.address.to_string(), name_of);
            self.thread(track, &format!("link {} to {leader}", link.id));
            let args = json!({
                "leader": link.leader.to_string(), "learner": link.learner.to_string(), "epoch": link.epoch,
                "closed_by_leader": link.closed.map(|closed| closed.by_leader),
            });
            self.slice(
                track,
                &format!("link {}", link.id),
                (link.opened, link.closed.map(|closed| closed.at)),
                &args,
            );
        }
    }

    /// Waits that passed a deadline, and those that came near one.
    fn waits(&mut self) {
        let report = self.report;
        let mut waits = Vec::new();
        for stall in &report.stalls {
            for (link, deadline) in
                stall.links.iter().flat_map(|link| stall.deadlines.iter().map(move |one| (*link, *one)))
            {
                waits.push((link, deadline, stall.start, stall.end, stall.limit_ms, true));
            }
        }
        for miss in &report.near_misses {
            let end = miss.at.plus(Span::from_millis(i64::try_from(miss.wait_ms).unwrap_or(i64::MAX)));
            waits.push((miss.link, miss.deadline, miss.at, Some(end), miss.limit_ms, false));
        }
        for (id, deadline, from, to, limit_ms, is_stall) in waits {
            let Some(link) = report.links.iter().find(|link| link.id == id) else { continue };
            let track = self.track(link, 1 + deadline as usize);
            self.thread(track, &format!("link {id} {}", deadline.name()));
            let name = if is_stall { "stall" } else { "long wait" };
            self.slice(
                track,
                name,
                (from, to),
                &json!({ "limit_ms": limit_ms, "deadline": deadline.name() }),
            );
        }
    }

    /// The links' numbers over time, as counters.
    fn series(&mut self) {
        let Some(series) = &self.report.series else { return };
        for link in &series.links {
            self.counters(link, series.from, series.width);
        }
    }

    fn counters(&mut self, numbers: &LinkSeries, from: Timestamp, width: Span) {
        let Some(link) = self.report.links.iter().find(|link| link.id == numbers.link) else { return };
        let process = self.process_of(link.learner.address);
        for (index, one) in (numbers.first..).zip(&numbers.intervals) {
            let at = from.plus(width.times(i64::try_from(index).unwrap_or(i64::MAX)));
            let longest = one.waits.iter().flatten().max().map(|wait| wait.millis());
            let p99 = one.ack.map(|ack| ack.p99_us);
            let values =
                [("longest wait ms", longest), ("ack p99 us", p99), ("proposals", Some(one.proposals))];
            for (name, value) in values {
                let Some(value) = value else { continue };
                self.events.push(json!({
                    "ph": "C", "name": format!("link {} {name}", numbers.link), "pid": process, "ts": self.micros(at),
                    "args": { "value": value },
                }));
            }
        }
    }
}

fn name_of(server: &Server) -> String {
    server.name.clone().unwrap_or_else(|| server.address.to_string())
}

/// Microseconds, with the nanoseconds behind the point.
fn micros(span: Span) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a capture of 100 days is exact to a nanosecond")]
    let nanos = span.nanos() as f64;
    nanos / 1_000.0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::findings::sample;
    use std::collections::BTreeMap;

    /// What the format says of each phase: the fields that it has to have.
    fn check(event: &Value) {
        assert!(event["name"].is_string() && event["pid"].is_u64(), "{event}");
        let phase = event["ph"].as_str().unwrap();
        if phase != "M" {
            assert!(event["ts"].is_number(), "{event}");
        }
        match phase {
            "X" => assert!(event["dur"].as_f64().unwrap() >= 0.0 && event["tid"].is_u64(), "{event}"),
            "b" | "e" => assert!(event["id"].is_string() && event["cat"].is_string(), "{event}"),
            "C" => assert!(event["args"].as_object().unwrap().values().all(Value::is_number), "{event}"),
            "M" => {
                let names = ["process_name", "process_sort_index", "thread_name"];
                assert!(names.contains(&event["name"].as_str().unwrap()), "{event}");
            }
            other => panic!("no phase {other}: {event}"),
        }
    }

    #[test]
    fn every_event_is_one_of_the_format() {
        let report = sample::report();
        let mut out = Vec::new();
        write(&report, &mut out).unwrap();
        let trace: Value = serde_json::from_slice(&out).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        events.iter().for_each(check);
        let of = |phase: &str, cat: &str| {
            events.iter().filter(|one| one["ph"] == phase && one["cat"] == cat).count()
        };
        for (kind, number) in [
            ("incident", report.incidents.len()),
            ("election", report.elections.len()),
            ("outage", report.outages.len()),
        ] {
            assert_eq!((of("b", kind), of("e", kind)), (number, number), "{kind}");
        }
        let processes = events.iter().filter(|one| one["name"] == "process_name").count();
        assert_eq!(processes, 1 + report.servers.len());
        assert!(events.iter().any(|one| one["name"] == "stall" && one["ph"] == "X"));
    }

    #[test]
    fn names_of_threads_are_told_for_all_slices() {
        let mut out = Vec::new();
        write(&sample::report(), &mut out).unwrap();
        let trace: Value = serde_json::from_slice(&out).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let mut named = BTreeMap::new();
        for event in events.iter().filter(|one| one["name"] == "thread_name") {
            named.insert((event["pid"].as_u64(), event["tid"].as_u64()), ());
        }
        for event in events.iter().filter(|one| one["ph"] == "X") {
            assert!(named.contains_key(&(event["pid"].as_u64(), event["tid"].as_u64())), "{event}");
        }
    }
}
