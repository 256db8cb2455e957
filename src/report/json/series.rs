//! Numbers over time: `series`. Its arrays stand on a line each, of numbers and nulls alone.

use super::{Both, ViewContext};
use crate::dissect::PerDirection;
use crate::findings::Deadline;
use crate::findings::series::{Interval, LinkSeries, Series, Trips};
use crate::time::Span;
use serde::{Serialize, Serializer};

/// An array in one line, as it is to be written: what [`Harmless`](super::Harmless) makes of bytes.
struct JsonRow(Vec<u8>);

impl Serialize for JsonRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

#[derive(Serialize)]
pub(super) struct SeriesView {
    width_ms: u64,
    from: String,
    intervals: usize,
    links: Vec<LinkSeriesView>,
    rest: Option<LinkSeriesView>,
}

impl SeriesView {
    pub(super) fn of(series: &Series, ctx: &ViewContext<'_>) -> Self {
        Self {
            width_ms: series.width.millis(),
            from: ctx.time(series.from),
            intervals: series.intervals,
            links: series.links.iter().map(|link| LinkSeriesView::of(link, Some(link.link))).collect(),
            rest: series.rest.as_ref().map(|rest| LinkSeriesView::of(rest, None)),
        }
    }
}

#[derive(Serialize)]
struct LinkSeriesView {
    link: Option<u32>,
    first: usize,
    waits_ms: WaitsView,
    ping: TripsView,
    ack: TripsView,
    commit: TripsView,
    records: Both<JsonRow>,
    proposals: JsonRow,
    retransmits: Both<JsonRow>,
    missing_bytes: Both<JsonRow>,
    sessions: JsonRow,
}

impl LinkSeriesView {
    fn of(series: &LinkSeries, link: Option<u32>) -> Self {
        let all = &series.intervals;
        Self {
            link,
            first: series.first,
            waits_ms: WaitsView::of(all),
            ping: TripsView::of(all, |one| one.ping),
            ack: TripsView::of(all, |one| one.ack),
            commit: TripsView::of(all, |one| one.commit),
            records: both(all, |one| &one.records),
            proposals: row(all, |one| one.proposals),
            retransmits: both(all, |one| &one.retransmits),
            missing_bytes: both(all, |one| &one.missing),
            sessions: row(all, |one| one.sessions),
        }
    }
}

#[derive(Serialize)]
struct WaitsView {
    leader_read: JsonRow,
    learner_read: JsonRow,
    ack: JsonRow,
    init: JsonRow,
}

impl WaitsView {
    fn of(all: &[Interval]) -> Self {
        let of = |deadline: Deadline| {
            row(all, |one| one.waits.get(deadline as usize).copied().flatten().map(Span::millis))
        };
        Self {
            leader_read: of(Deadline::LeaderRead),
            learner_read: of(Deadline::LearnerRead),
            ack: of(Deadline::Ack),
            init: of(Deadline::Init),
        }
    }
}

#[derive(Serialize)]
struct TripsView {
    count: JsonRow,
    p50_us: JsonRow,
    p99_us: JsonRow,
    max_us: JsonRow,
}

impl TripsView {
    fn of(all: &[Interval], of: fn(&Interval) -> Option<Trips>) -> Self {
        let quantile = |value: fn(Trips) -> u64| row(all, |one| of(one).map(value));
        Self {
            count: row(all, |one| of(one).map_or(0, |trips| trips.count)),
            p50_us: quantile(|trips| trips.p50_us),
            p99_us: quantile(|trips| trips.p99_us),
            max_us: quantile(|trips| trips.max_us),
        }
    }
}

fn both(all: &[Interval], of: fn(&Interval) -> &PerDirection<u64>) -> Both<JsonRow> {
    Both { to_leader: row(all, |one| of(one).to_leader), to_learner: row(all, |one| of(one).to_learner) }
}

/// A number of each interval, `null` where it has none.
fn row<T: Into<Option<u64>>>(all: &[Interval], value: impl Fn(&Interval) -> T) -> JsonRow {
    let mut row = Vec::with_capacity(2 + 2 * all.len());
    let mut digits = itoa::Buffer::new();
    row.push(b'[');
    for one in all {
        match value(one).into() {
            // Most numbers of most rows.
            Some(0) => row.extend_from_slice(b"0,"),
            Some(number) => {
                row.extend_from_slice(digits.format(number).as_bytes());
                row.push(b',');
            }
            None => row.extend_from_slice(b"null,"),
        }
    }
    if !all.is_empty() {
        row.pop();
    }
    row.push(b']');
    JsonRow(row)
}
