//! Links: their life, records, round trips, headroom, TCP and bytes.

use super::{Both, ViewContext};
use crate::dissect::{ByteSums, FramingLosses, Protection};
use crate::findings::{Closed, Headroom, Link, Phases, RoundTrips, TcpCounts};
use crate::proto::PacketType;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
pub(super) struct LinkView {
    id: u32,
    leader: String,
    learner: String,
    learner_sid: Option<i64>,
    role: Option<&'static str>,
    opened: String,
    closed: Option<String>,
    closed_by: Option<&'static str>,
    close: Option<&'static str>,
    picked_up: bool,
    epoch: Option<u32>,
    sync: Option<&'static str>,
    protection: &'static str,
    phases: PhasesView,
    records: Both<CountByType>,
    inferred: Both<CountByType>,
    round_trips: RoundTripsView,
    headroom: HeadroomsView,
    tcp: TcpView,
    bytes: Both<BytesView>,
    losses: Both<u32>,
    losses_by_reason: Both<BTreeMap<&'static str, u32>>,
    tick_ms: Option<u32>,
    sessions: u64,
    vantage: VantageView,
    seen_from: Vec<String>,
    one_way: Option<Both<OneWayView>>,
    lost_on_the_way: Option<Both<u64>>,
}

/// Where it was seen from, and how that is known.
#[derive(Serialize)]
struct VantageView {
    end: &'static str,
    known_by: Option<&'static str>,
}

/// Type name to count.
type CountByType = BTreeMap<String, u64>;

impl LinkView {
    pub(super) fn of(link: &Link, ctx: &ViewContext<'_>) -> Self {
        Self {
            id: link.id,
            leader: link.leader.to_string(),
            learner: link.learner.to_string(),
            learner_sid: link.learner_sid.map(|sid| sid.0),
            role: link.role.map(|role| role.name()),
            opened: ctx.time(link.opened),
            closed: ctx.maybe(link.closed.map(|closed| closed.at)),
            closed_by: link.closed.as_ref().map(closer),
            close: link.closed.map(|closed| if closed.reset { "rst" } else { "fin" }),
            picked_up: link.picked_up,
            epoch: link.epoch,
            sync: link.sync.map(|sync| sync.name()),
            protection: protection(link.protection),
            phases: PhasesView::of(&link.phases, ctx),
            records: Both::of(&link.records, counts),
            inferred: Both::of(&link.inferred, counts),
            round_trips: RoundTripsView::of(link),
            headroom: HeadroomsView::of(&link.headroom, ctx),
            tcp: TcpView::of(link),
            bytes: Both::of(&link.bytes, BytesView::of),
            losses: Both::of(&link.losses, FramingLosses::total),
            losses_by_reason: Both::of(&link.losses, |losses| {
                losses.by_reason().map(|(reason, count)| (reason.name(), count)).collect()
            }),
            tick_ms: link.tick_ms,
            sessions: link.sessions,
            vantage: VantageView {
                end: link.vantage.end.name(),
                known_by: link.vantage.known_by.map(|known_by| known_by.name()),
            },
            seen_from: link.seen_from.iter().map(ToString::to_string).collect(),
            one_way: match (&link.one_way.to_leader, &link.one_way.to_learner) {
                (Some(to_leader), Some(to_learner)) => Some(Both {
                    to_leader: OneWayView::of(to_leader),
                    to_learner: OneWayView::of(to_learner),
                }),
                _ => None,
            },
            lost_on_the_way: match (link.lost_on_the_way.to_leader, link.lost_on_the_way.to_learner) {
                (Some(to_leader), Some(to_learner)) => Some(Both { to_leader, to_learner }),
                _ => None,
            },
        }
    }
}

const fn closer(closed: &Closed) -> &'static str {
    if closed.by_leader { "leader" } else { "learner" }
}

const fn protection(protection: Protection) -> &'static str {
    match protection {
        Protection::None => "none",
        Protection::Sasl => "sasl",
        Protection::Tls => "tls",
    }
}

fn counts(counts: &BTreeMap<PacketType, u64>) -> CountByType {
    counts.iter().map(|(kind, count)| (kind.to_string(), *count)).collect()
}

#[derive(Serialize)]
struct PhasesView {
    discovery: Option<String>,
    synchronization: Option<String>,
    broadcast: Option<String>,
    sync_bytes: Option<u64>,
}

impl PhasesView {
    fn of(phases: &Phases, ctx: &ViewContext<'_>) -> Self {
        Self {
            discovery: ctx.maybe(phases.discovery),
            synchronization: ctx.maybe(phases.synchronization),
            broadcast: ctx.maybe(phases.broadcast),
            sync_bytes: phases.sync_bytes,
        }
    }
}

#[derive(Serialize)]
struct RoundTripsView {
    ping: RoundTripView,
    ack: RoundTripView,
    commit: RoundTripView,
}

impl RoundTripsView {
    fn of(link: &Link) -> Self {
        Self {
            ping: RoundTripView::of(&link.ping),
            ack: RoundTripView::of(&link.ack),
            commit: RoundTripView::of(&link.commit),
        }
    }
}

#[derive(Serialize)]
struct RoundTripView {
    count: u64,
    unanswered: u64,
    min_us: Option<u64>,
    p50_us: Option<u64>,
    p90_us: Option<u64>,
    p99_us: Option<u64>,
    p999_us: Option<u64>,
    max_us: Option<u64>,
}

impl RoundTripView {
    fn of(trips: &RoundTrips) -> Self {
        let at = trips.quantiles.as_ref();
        Self {
            count: trips.count,
            unanswered: trips.unanswered,
            min_us: at.map(|at| at.min),
            p50_us: at.map(|at| at.p50),
            p90_us: at.map(|at| at.p90),
            p99_us: at.map(|at| at.p99),
            p999_us: at.map(|at| at.p999),
            max_us: at.map(|at| at.max),
        }
    }
}

/// Times on the way.
#[derive(Serialize)]
struct OneWayView {
    count: u64,
    min_us: Option<u64>,
    p50_us: Option<u64>,
    p99_us: Option<u64>,
    max_us: Option<u64>,
}

impl OneWayView {
    fn of(trips: &RoundTrips) -> Self {
        let at = trips.quantiles.as_ref();
        Self {
            count: trips.count,
            min_us: at.map(|at| at.min),
            p50_us: at.map(|at| at.p50),
            p99_us: at.map(|at| at.p99),
            max_us: at.map(|at| at.max),
        }
    }
}

/// In the order of [`crate::findings::Deadline::ALL`].
#[derive(Serialize)]
struct HeadroomsView {
    leader_read: HeadroomView,
    learner_read: HeadroomView,
    ack: HeadroomView,
    init: HeadroomView,
}

impl HeadroomsView {
    fn of([leader_read, learner_read, ack, init]: &[Headroom; 4], ctx: &ViewContext<'_>) -> Self {
        Self {
            leader_read: HeadroomView::of(leader_read, ctx),
            learner_read: HeadroomView::of(learner_read, ctx),
            ack: HeadroomView::of(ack, ctx),
            init: HeadroomView::of(init, ctx),
        }
    }
}

#[derive(Serialize)]
struct HeadroomView {
    limit_ms: u64,
    worst_ms: Option<u64>,
    at: Option<String>,
}

impl HeadroomView {
    fn of(headroom: &Headroom, ctx: &ViewContext<'_>) -> Self {
        Self { limit_ms: headroom.limit_ms, worst_ms: headroom.worst_ms, at: ctx.maybe(headroom.at) }
    }
}

#[derive(Serialize)]
struct TcpView {
    retransmits: Both<u64>,
    out_of_order: Both<u64>,
    duplicates: Both<u64>,
    zero_windows: Both<u64>,
    out_of_window: Both<u64>,
    rtt_p50_us: Both<Option<u64>>,
    rtt_max_us: Both<Option<u64>>,
}

impl TcpView {
    fn of(link: &Link) -> Self {
        let each = |value: fn(&TcpCounts) -> u64| Both::of(&link.tcp, value);
        Self {
            retransmits: each(|tcp| tcp.retransmits),
            out_of_order: each(|tcp| tcp.out_of_order),
            duplicates: each(|tcp| tcp.duplicates),
            zero_windows: each(|tcp| tcp.zero_windows),
            out_of_window: each(|tcp| tcp.out_of_window),
            rtt_p50_us: Both::of(&link.rtt_p50_us, |rtt| *rtt),
            rtt_max_us: Both::of(&link.rtt_max_us, |rtt| *rtt),
        }
    }
}

#[derive(Serialize)]
pub(super) struct BytesView {
    stream: u64,
    decoded: u64,
    unframed: u64,
    cut: u64,
    missing: u64,
    cut_unframed: u64,
}

impl BytesView {
    pub(super) const fn of(sums: &ByteSums) -> Self {
        Self {
            stream: sums.stream(),
            decoded: sums.decoded,
            unframed: sums.unframed,
            cut: sums.cut,
            missing: sums.missing,
            cut_unframed: sums.cut_unframed,
        }
    }
}
