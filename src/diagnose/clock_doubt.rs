//! Verdicts that rest on what happened first on different hosts are no surer than the hosts' clocks.
//!
//! Captures of several hosts are set to one clock by the segments that they share. Where they share none, or where
//! the estimates differ, what one host sent may seem to lie inside another's silence, or outside it.

use crate::address::Address;
use crate::findings::incident::{Confidence, Incident, Reason};
use crate::findings::{Cause, HostClock, Report, Suspect};
use std::collections::BTreeSet;

/// A clock that may be off by more puts what was heard into another stretch of time than it belongs to, in
/// microseconds: what hosts were heard saying is kept in stretches of a quarter of a second.
const MAX_UNCERTAINTY_US: u64 = 250_000;

/// Makes verdicts less sure that rest on an order which the clocks do not tell. `report` has its clocks and incidents.
pub fn doubt_clocks(report: &mut Report) {
    let doubtful: Vec<(Address, Option<u64>)> =
        report.clocks.iter().filter(|clock| is_doubtful(clock)).filter_map(with_host).collect();
    if doubtful.is_empty() {
        return;
    }
    let captured: BTreeSet<Address> = report.clocks.iter().filter_map(|clock| clock.host).collect();
    let half_limit_us = report.settings.stall_limit_ms().saturating_mul(1_000 / 2);
    let mut undecided: BTreeSet<u32> = BTreeSet::new();
    let concerned: Vec<BTreeSet<Address>> = report
        .incidents
        .iter()
        .map(|incident| match rests_on_order(incident, &captured) {
            true => hosts(incident, report, &captured),
            false => BTreeSet::new(),
        })
        .collect();
    for (incident, hosts) in report.incidents.iter_mut().zip(concerned) {
        if hosts.len() < 2 {
            continue;
        }
        let Some((host, by_us)) = doubtful.iter().find(|(host, _)| hosts.contains(host)).copied() else {
            continue;
        };
        incident.why.push(Reason::ClockUncertain { host, by_us });
        if by_us.is_some_and(|by_us| by_us >= half_limit_us) {
            (incident.root, incident.suspect) = (Cause::Unknown, None);
            incident.confidence = Confidence::Unknown;
            undecided.insert(incident.id);
        } else {
            incident.confidence = incident.confidence.min(Confidence::Likely);
        }
    }
    for stall in report.stalls.iter_mut().filter(|stall| undecided.contains(&stall.incident)) {
        (stall.cause, stall.suspect) = (Cause::Unknown, None);
    }
}

fn is_doubtful(clock: &HostClock) -> bool {
    let is_off = clock.uncertainty_us.is_none_or(|by_us| by_us > MAX_UNCERTAINTY_US);
    !clock.is_reference && is_off
}

fn with_host(clock: &HostClock) -> Option<(Address, Option<u64>)> {
    clock.host.map(|host| (host, clock.uncertainty_us))
}

/// Whether what one capture shows is held against what another one shows at the same time. That a host without a
/// capture of its own stood still is told from the silence in each of the others.
fn rests_on_order(incident: &Incident, captured: &BTreeSet<Address>) -> bool {
    match (incident.root, incident.suspect) {
        (Cause::ProcessStalled, Some(Suspect::Host(host))) => captured.contains(&host),
        (root, _) => matches!(
            root,
            Cause::NetworkCut
                | Cause::NetworkLoss
                | Cause::NetworkSlow
                | Cause::NetworkMtu
                | Cause::LinkReset
        ),
    }
}

/// The captured hosts that an incident is about.
fn hosts(incident: &Incident, report: &Report, captured: &BTreeSet<Address>) -> BTreeSet<Address> {
    let blamed = match incident.suspect {
        Some(Suspect::Host(a) | Suspect::HostNetwork(a)) => vec![a],
        Some(Suspect::Path(a, b) | Suspect::OneWay(a, b)) => vec![a, b],
        None => Vec::new(),
    };
    let links = report.links.iter().filter(|link| incident.links.contains(&link.id));
    let ends = links.flat_map(|link| [link.leader.address, link.learner.address]);
    let all = blamed.into_iter().chain(ends).chain(incident.members.iter().copied());
    all.filter(|host| captured.contains(host)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::findings::sample::{self, address, at};
    use crate::findings::{Outcome, Stall};

    /// A path between two captured hosts that was cut, and a process that ended.
    fn told(uncertainty_us: Option<u64>) -> Report {
        doubted(sample::report(), uncertainty_us)
    }

    fn doubted(mut report: Report, uncertainty_us: Option<u64>) -> Report {
        let clock = |number, is_reference, uncertainty_us| HostClock {
            host: Some(address(number)),
            is_reference,
            uncertainty_us,
            ..HostClock::default()
        };
        report.clocks = vec![clock(1, true, None), clock(3, false, uncertainty_us)];
        let stall = Stall { incident: 1, outcome: Outcome::Recovered, ..report.stalls[0].clone() };
        report.stalls = vec![Stall { cause: Cause::NetworkCut, ..stall }];
        let incident = |id, root, suspect| Incident {
            id,
            root,
            suspect: Some(suspect),
            confidence: Confidence::Proven,
            start: at(0),
            end: None,
            duration_ms: 0,
            stalls: Vec::new(),
            links: Vec::new(),
            members: Vec::new(),
            elections: Vec::new(),
            outages: Vec::new(),
            why: Vec::new(),
            evidence: Vec::new(),
            count: 1,
        };
        report.incidents = vec![
            incident(1, Cause::NetworkCut, Suspect::Path(address(1), address(3))),
            incident(2, Cause::ProcessEnded, Suspect::Host(address(3))),
        ];
        doubt_clocks(&mut report);
        report
    }

    #[test]
    fn a_verdict_is_no_surer_than_the_clocks_it_rests_on() {
        let limit_us = sample::report().settings.stall_limit_ms() * 1_000;
        for (uncertainty_us, confidence, root) in [
            (Some(200), Confidence::Proven, Cause::NetworkCut),
            (Some(300_000), Confidence::Likely, Cause::NetworkCut),
            (None, Confidence::Likely, Cause::NetworkCut),
            (Some(limit_us), Confidence::Unknown, Cause::Unknown),
        ] {
            let report = told(uncertainty_us);
            let cut = &report.incidents[0];
            assert_eq!((cut.confidence, cut.root), (confidence, root), "{uncertainty_us:?}");
            assert_eq!(report.stalls[0].cause, root, "{uncertainty_us:?}");
            assert_eq!(cut.why.is_empty(), confidence == Confidence::Proven, "{uncertainty_us:?}");
            // What one host's own capture shows needs no other clock.
            assert_eq!(report.incidents[1].confidence, Confidence::Proven, "{uncertainty_us:?}");
        }
    }

    #[test]
    fn a_limit_of_any_length_overflows_nothing() {
        let mut report = sample::report();
        (report.settings.tick_ms, report.settings.sync_limit) = (u32::MAX, u32::MAX);
        let report = doubted(report, Some(3_600_000_000));
        assert_eq!(report.incidents[0].confidence, Confidence::Likely);
        assert_eq!(report.incidents[0].root, Cause::NetworkCut);
    }
}
