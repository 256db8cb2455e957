//! Links.

use crate::dissect::{PerDirection, Protection};
use crate::export::{ExportError, Table, Tables, Value};
use crate::findings::{Link, Quantiles, Report, RoundTrips};
use crate::proto::PacketType;
use std::collections::BTreeMap;

/// All links; of a run of one day those that were there on it.
pub(super) fn links(report: &Report, tables: &mut Tables) -> Result<(), ExportError> {
    for link in &report.links {
        if tables.reaches(link.opened, link.closed.map(|closed| closed.at)) {
            row(link, tables)?;
        }
    }
    Ok(())
}

fn row(link: &Link, tables: &mut Tables) -> Result<(), ExportError> {
    let (leader, learner) = (link.leader.address.to_string(), link.learner.address.to_string());
    let mut row: Vec<Value<'_>> = vec![
        tables.run().into(),
        link.id.into(),
        leader.as_str().into(),
        link.leader.port.into(),
        learner.as_str().into(),
        link.learner.port.into(),
        link.learner_sid.map(|sid| sid.0).into(),
        link.role.map(|role| role.name()).into(),
        link.opened.into(),
        link.closed.map(|closed| closed.at).into(),
        link.closed.map(|closed| if closed.by_leader { "leader" } else { "learner" }).into(),
        link.closed.map(|closed| if closed.reset { "rst" } else { "fin" }).into(),
        link.picked_up.into(),
        link.epoch.into(),
        link.sync.map(|sync| sync.name()).into(),
        protection(link.protection).into(),
        link.phases.synchronization.into(),
        link.phases.broadcast.into(),
        link.phases.sync_bytes.into(),
    ];
    let (seen, inferred) = (&link.records, &link.inferred);
    let total = |seen: &BTreeMap<PacketType, u64>| seen.values().sum::<u64>();
    row.extend([
        (total(&seen.to_leader) + total(&inferred.to_leader)).into(),
        (total(&seen.to_learner) + total(&inferred.to_learner)).into(),
        total(&inferred.to_leader).into(),
        total(&inferred.to_learner).into(),
    ]);
    round_trips(link, &mut row);
    row.extend(link.headroom.iter().map(|headroom| Value::from(headroom.worst_ms)));
    both(&link.tcp, |tcp| tcp.retransmits, &mut row);
    both(&link.tcp, |tcp| tcp.zero_windows, &mut row);
    both(&link.bytes, |bytes| bytes.stream(), &mut row);
    both(&link.bytes, |bytes| bytes.decoded, &mut row);
    both(&link.bytes, |bytes| bytes.unframed, &mut row);
    both(&link.bytes, |bytes| bytes.cut, &mut row);
    both(&link.bytes, |bytes| bytes.missing, &mut row);
    both(&link.losses, |losses| losses.total().into(), &mut row);
    row.extend([link.tick_ms.into(), link.sessions.into(), link.vantage.end.name().into()]);
    tables.row(Table::Links, &row)
}

fn both<T>(values: &PerDirection<T>, of: fn(&T) -> u64, row: &mut Vec<Value<'_>>) {
    row.extend([of(&values.to_leader).into(), of(&values.to_learner).into()]);
}

fn round_trips(link: &Link, row: &mut Vec<Value<'_>>) {
    let at = |trips: &RoundTrips| {
        let of = |value: fn(Quantiles) -> u64| Value::from(trips.quantiles.map(value));
        [of(|at| at.p50), of(|at| at.p99), of(|at| at.max)]
    };
    row.push(link.ping.count.into());
    row.extend(at(&link.ping));
    row.extend([link.ack.count.into(), link.ack.unanswered.into()]);
    row.extend(at(&link.ack));
    row.push(link.commit.count.into());
    row.extend(at(&link.commit));
}

const fn protection(protection: Protection) -> &'static str {
    match protection {
        Protection::None => "none",
        Protection::Sasl => "sasl",
        Protection::Tls => "tls",
    }
}
