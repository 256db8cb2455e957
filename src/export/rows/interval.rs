//! Numbers over time: a row a link, interval and kind, where there is something to tell.

use crate::export::{ExportError, Table, Tables, Value};
use crate::findings::series::{Bucket, Interval, LinkSeries, Series, Trips};
use crate::findings::{Deadline, Report};
use crate::time::Timestamp;

/// Where a row belongs.
struct Place {
    link: Option<u32>,
    t0: Timestamp,
    width_us: u64,
}

/// One number of an interval.
struct Number<'a> {
    kind: &'static str,
    count: Value<'a>,
    sum: Value<'a>,
    max: Value<'a>,
    buckets: Value<'a>,
}

/// All intervals of all links.
pub(super) fn intervals(report: &Report, tables: &mut Tables) -> Result<(), ExportError> {
    let Some(series) = &report.series else { return Ok(()) };
    for link in &series.links {
        of_link(series, link, Some(link.link), tables)?;
    }
    series.rest.iter().try_for_each(|rest| of_link(series, rest, None, tables))
}

fn of_link(
    series: &Series,
    link: &LinkSeries,
    id: Option<u32>,
    tables: &mut Tables,
) -> Result<(), ExportError> {
    for (interval, index) in link.intervals.iter().zip(link.first..) {
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        let t0 = series.from.plus(series.width.times(index));
        let place = Place { link: id, t0, width_us: series.width.micros() };
        for number in numbers(interval) {
            put(&place, number, tables)?;
        }
    }
    Ok(())
}

fn put(place: &Place, number: Number<'_>, tables: &mut Tables) -> Result<(), ExportError> {
    let Number { kind, count, sum, max, buckets } = number;
    let (link, t0, width) = (place.link.into(), place.t0.into(), place.width_us.into());
    let row = [tables.run().into(), link, t0, width, kind.into(), count, sum, max, buckets];
    tables.row_at(Table::Intervals, place.t0, &row)
}

/// What there is to tell of an interval.
fn numbers(interval: &Interval) -> Vec<Number<'_>> {
    let [ping, ack, commit] = &interval.buckets;
    let trips = [
        trips("ping", interval.ping, ping),
        trips("ack", interval.ack, ack),
        trips("commit", interval.commit, commit),
    ];
    let waits = Deadline::ALL
        .into_iter()
        .zip(interval.waits)
        .map(|(deadline, wait)| wait.map(|wait| greatest(wait_kind(deadline), wait.micros())));
    let counts = [
        count("records_to_leader", interval.records.to_leader),
        count("records_to_learner", interval.records.to_learner),
        count("proposals", interval.proposals),
        count("retransmits_to_leader", interval.retransmits.to_leader),
        count("retransmits_to_learner", interval.retransmits.to_learner),
        bytes("missing_to_leader", interval.missing.to_leader),
        bytes("missing_to_learner", interval.missing.to_learner),
        interval.sessions.map(|sessions| greatest("client_sessions", sessions)),
    ];
    trips.into_iter().chain(waits).chain(counts).flatten().collect()
}

const fn wait_kind(deadline: Deadline) -> &'static str {
    match deadline {
        Deadline::LeaderRead => "wait_leader_read",
        Deadline::LearnerRead => "wait_learner_read",
        Deadline::Ack => "wait_ack",
        Deadline::Init => "wait_init",
    }
}

fn trips<'a>(kind: &'static str, trips: Option<Trips>, buckets: &'a [Bucket]) -> Option<Number<'a>> {
    let trips = trips?;
    let (count, sum, max) = (trips.count.into(), trips.sum_us.into(), trips.max_us.into());
    Some(Number { kind, count, sum, max, buckets: buckets.into() })
}

fn greatest(kind: &'static str, max: u64) -> Number<'static> {
    Number { kind, count: Value::Null, sum: Value::Null, max: max.into(), buckets: Value::Null }
}

fn count(kind: &'static str, count: u64) -> Option<Number<'static>> {
    let number =
        Number { kind, count: count.into(), sum: Value::Null, max: Value::Null, buckets: Value::Null };
    (count > 0).then_some(number)
}

fn bytes(kind: &'static str, bytes: u64) -> Option<Number<'static>> {
    let number =
        Number { kind, count: Value::Null, sum: bytes.into(), max: Value::Null, buckets: Value::Null };
    (bytes > 0).then_some(number)
}
