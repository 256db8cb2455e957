//! Facts as a report shows them: links, and what servers are called.

use super::NamedServer;
use super::link::LinkTrack;
use super::one_way::OneWay;
use super::samples::Samples;
use crate::address::Address;
use crate::dissect::{Direction, PerDirection};
use crate::findings::{Deadline, Headroom, Link, RoundTrips, Settings, TcpCounts};
use crate::proto::Sid;
use crate::stream::StreamHalfCounts;

/// What a configuration calls a server.
pub(super) fn name_of(
    named: &[NamedServer],
    address: Address,
    sid: Option<Sid>,
) -> (Option<Sid>, Option<String>) {
    let mut here = named.iter().filter(|server| server.address.map(Address::from) == Some(address));
    // Of several servers on one host the address tells none.
    let by_address = here.next().filter(|_| here.next().is_none());
    let found = by_address.or_else(|| named.iter().find(|server| Some(server.sid) == sid));
    (found.map(|server| server.sid), found.map(|server| server.name.clone()))
}

/// What a server is called where there is one line for it.
pub(super) fn shown_name(named: &[NamedServer], address: Address, sid: Option<Sid>) -> String {
    let (found, name) = name_of(named, address, sid);
    let by_sid = || sid.or(found).map(|sid| format!("server.{sid}"));
    name.or_else(by_sid).unwrap_or_else(|| address.to_string())
}

/// A link as the report shows it.
pub(super) fn shown(
    link: &LinkTrack,
    settings: &Settings,
    (vantage, seen_from): (crate::findings::Vantage, Vec<Address>),
) -> Link {
    let round_trips = |samples: &Samples, unanswered| RoundTrips {
        count: samples.count(),
        unanswered,
        quantiles: samples.quantiles(),
    };
    let headroom = Deadline::ALL.map(|deadline| {
        let worst = link.waits.worst.get(deadline as usize).copied().flatten();
        let limit_ms = match deadline {
            Deadline::Init => settings.init_limit_ms(),
            _ => settings.stall_limit_ms(),
        };
        Headroom { limit_ms, worst_ms: worst.map(|(len, _)| len.millis()), at: worst.map(|(_, at)| at) }
    });
    let both_ends = |value: fn(&OneWay, Direction) -> RoundTrips| PerDirection {
        to_leader: link.one_way.as_ref().map(|one_way| value(one_way, Direction::ToLeader)),
        to_learner: link.one_way.as_ref().map(|one_way| value(one_way, Direction::ToLearner)),
    };
    let totals = link.totals;
    let tcp = |counts: StreamHalfCounts| TcpCounts {
        retransmits: counts.retransmits,
        out_of_order: counts.out_of_order,
        duplicates: counts.duplicates,
        zero_windows: counts.zero_windows,
        out_of_window: counts.out_of_window,
    };
    let kernel = |direction| link.kernel_rtt(direction).quantiles();
    let rtt =
        PerDirection { to_leader: kernel(Direction::ToLeader), to_learner: kernel(Direction::ToLearner) };
    Link {
        id: link.id,
        leader: link.opened.leader,
        learner: link.opened.learner,
        learner_sid: link.handshake.learner_sid,
        role: link.handshake.role,
        opened: link.opened.at,
        closed: link.teardown.closed,
        picked_up: link.opened.picked_up,
        epoch: link.handshake.epoch,
        sync: link.handshake.sync,
        protection: totals.map(|totals| totals.protection).unwrap_or_default(),
        phases: link.handshake.phases,
        records: PerDirection {
            to_leader: link.packets.seen.to_leader.map(),
            to_learner: link.packets.seen.to_learner.map(),
        },
        inferred: PerDirection {
            to_leader: link.packets.inferred.to_leader.map(),
            to_learner: link.packets.inferred.to_learner.map(),
        },
        ping: round_trips(&link.pings.round_trips, link.pings.unanswered),
        ack: round_trips(&link.proposals.ack, link.proposals.flight.unacked),
        commit: round_trips(&link.proposals.commit, link.proposals.flight.uncommitted),
        headroom,
        tcp: totals
            .map(|t| PerDirection { to_leader: tcp(t.tcp.to_leader), to_learner: tcp(t.tcp.to_learner) })
            .unwrap_or_default(),
        rtt_p50_us: PerDirection {
            to_leader: rtt.to_leader.map(|q| q.p50),
            to_learner: rtt.to_learner.map(|q| q.p50),
        },
        rtt_max_us: PerDirection {
            to_leader: rtt.to_leader.map(|q| q.max),
            to_learner: rtt.to_learner.map(|q| q.max),
        },
        bytes: totals.map(|totals| totals.bytes).unwrap_or_default(),
        losses: totals.map(|totals| totals.losses).unwrap_or_default(),
        tick_ms: None,
        sessions: link.pings.sessions,
        vantage,
        seen_from,
        one_way: both_ends(|one_way, direction| {
            let samples = one_way.delay.of(direction);
            RoundTrips { count: samples.count(), unanswered: 0, quantiles: samples.quantiles() }
        }),
        lost_on_the_way: PerDirection {
            to_leader: link.one_way.as_ref().map(|one_way| one_way.lost.to_leader),
            to_learner: link.one_way.as_ref().map(|one_way| one_way.lost.to_learner),
        },
    }
}
