//! Leaves out of a report what was not asked for: other times, other servers.
//!
//! Only what happened is chosen by time: stalls, near misses, elections and violations that overlap the
//! window. A link's figures are those of all that was read of it, since a link's state comes from before
//! the window; links that were over before it began, or opened after it, are left out.

use super::{Link, Report, Server};
use crate::address::Address;
use crate::proto::Sid;
use crate::time::{Span, Timestamp};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// What was asked for; nothing set means everything.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Nothing that ended before.
    pub from: Option<Timestamp>,
    /// Nothing that began after.
    pub to: Option<Timestamp>,
    /// Only what this server had a part in.
    pub server: Option<ServerChoice>,
}

/// A server, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerChoice {
    /// By its address.
    Address(Address),
    /// By its name in the configuration, or by `N` or `server.N` for its sid.
    Name(String),
}

impl ServerChoice {
    /// What a text stands for.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        bare.parse::<IpAddr>().map_or_else(|_| Self::Name(text.to_owned()), |ip| Self::Address(ip.into()))
    }

    /// Whether this is a server with these traits.
    #[must_use]
    pub fn is(&self, address: Option<Address>, sid: Option<Sid>, name: Option<&str>) -> bool {
        match self {
            Self::Address(choice) => address == Some(*choice),
            Self::Name(choice) => {
                let number = choice.strip_prefix("server.").unwrap_or(choice).parse().ok().map(Sid);
                name.is_some_and(|name| name.eq_ignore_ascii_case(choice))
                    || number.is_some() && number == sid
            }
        }
    }

    fn is_server(&self, server: &Server) -> bool {
        self.is(Some(server.address), server.sid, server.name.as_deref())
    }
}

/// As a person names it.
impl fmt::Display for ServerChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl Selection {
    /// Leaves out of `report` what was not asked for.
    pub fn apply(&self, report: &mut Report) {
        let kept = self.links(report);
        let of_server = Self { from: None, to: None, server: self.server.clone() }.links(report);
        report.links.retain(|link| kept.contains(&link.id));
        if let Some(series) = &mut report.series {
            series.links.retain(|series| kept.contains(&series.link));
        }
        let last = report.input.last;
        report.stalls.retain_mut(|stall| {
            stall.links.retain(|id| kept.contains(id));
            !stall.links.is_empty() && self.overlaps(stall.start, stall.end.or(last))
        });
        self.choose_incidents(report, &of_server);
        report.near_misses.retain(|miss| {
            let wait = Span::from_millis(i64::try_from(miss.wait_ms).unwrap_or(i64::MAX));
            kept.contains(&miss.link) && self.overlaps(miss.at, Some(miss.at.plus(wait)))
        });
        report.violations.retain(|violation| {
            kept.contains(&violation.link) && self.overlaps(violation.at, Some(violation.at))
        });
        self.choose_elections(report);
    }

    /// Incidents of the window, each with what is left of what it explains, and outages.
    fn choose_incidents(&self, report: &mut Report, of_server: &BTreeSet<u32>) {
        let last = report.input.last;
        report.outages.retain(|outage| self.overlaps(outage.start, outage.end.or(last)));
        let stalls: BTreeSet<u32> = report.stalls.iter().map(|stall| stall.id).collect();
        let outages: BTreeSet<u32> = report.outages.iter().map(|outage| outage.id).collect();
        let members = &report.raft.members;
        let name_of =
            |address: Address| members.iter().find(|member| member.address == address)?.name.as_deref();
        report.incidents.retain_mut(|incident| {
            let has_no_links = incident.links.is_empty();
            incident.links.retain(|id| of_server.contains(id));
            incident.stalls.retain(|id| stalls.contains(id));
            incident.outages.retain(|id| outages.contains(id));
            let is_of = |choice: &ServerChoice| {
                incident.members.is_empty()
                    || incident.members.iter().any(|member| choice.is(Some(*member), None, name_of(*member)))
            };
            let is_of_member = self.server.as_ref().is_none_or(is_of);
            let is_chosen = (has_no_links || !incident.links.is_empty()) && is_of_member;
            let is_in_window = self.overlaps(incident.start, incident.end.or(last));
            !incident.stalls.is_empty() || is_chosen && is_in_window
        });
        let incidents: BTreeSet<u32> = report.incidents.iter().map(|incident| incident.id).collect();
        for outage in &mut report.outages {
            outage.incident = outage.incident.filter(|id| incidents.contains(id));
        }
    }

    /// Elections of the window, and those that followed a stall or an incident of it.
    fn choose_elections(&self, report: &mut Report) {
        let of_incidents = report.incidents.iter().flat_map(|incident| incident.elections.iter().copied());
        let after_stall: BTreeSet<usize> =
            report.stalls.iter().filter_map(|stall| stall.election).chain(of_incidents).collect();
        let last = report.input.last;
        let mut moved = Vec::new();
        let mut kept = Vec::new();
        for (index, election) in std::mem::take(&mut report.elections).into_iter().enumerate() {
            if after_stall.contains(&index) || self.overlaps(election.start, election.end.or(last)) {
                moved.push(Some(kept.len()));
                kept.push(election);
            } else {
                moved.push(None);
            }
        }
        report.elections = kept;
        for stall in &mut report.stalls {
            stall.election = stall.election.and_then(|index| moved.get(index).copied().flatten());
        }
        for incident in &mut report.incidents {
            let now = incident.elections.iter().filter_map(|index| match index.checked_sub(moved.len()) {
                // etcd's stand behind ZooKeeper's, and stay.
                Some(of_peers) => Some(report.elections.len() + of_peers),
                None => moved.get(*index).copied().flatten(),
            });
            incident.elections = now.collect();
        }
    }

    /// The ids of the links to keep.
    fn links(&self, report: &Report) -> BTreeSet<u32> {
        let addresses: Option<BTreeSet<Address>> = self.server.as_ref().map(|choice| {
            let named = report.servers.iter().filter(|server| choice.is_server(server));
            named.map(|server| server.address).collect()
        });
        let is_chosen = |link: &&Link| {
            let is_of_server = addresses.as_ref().is_none_or(|chosen| {
                chosen.contains(&link.leader.address) || chosen.contains(&link.learner.address)
            });
            is_of_server && self.overlaps(link.opened, link.closed.map(|closed| closed.at))
        };
        report.links.iter().filter(is_chosen).map(|link| link.id).collect()
    }

    /// Whether something from `start` to `end` (open where that is not known) has a part in the window.
    fn overlaps(&self, start: Timestamp, end: Option<Timestamp>) -> bool {
        let is_before = end.zip(self.from).is_some_and(|(end, from)| end < from);
        let is_after = self.to.is_some_and(|to| start > to);
        !is_before && !is_after
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::findings::sample::{address, at, report};

    fn chosen(selection: &Selection) -> Report {
        let mut report = report();
        selection.apply(&mut report);
        report
    }

    fn ids(report: &Report) -> Vec<u32> {
        report.links.iter().map(|link| link.id).collect()
    }

    #[test]
    fn nothing_asked_for_leaves_all() {
        let report = chosen(&Selection::default());
        assert_eq!(ids(&report), [1, 2, 3, 4]);
        assert_eq!((report.stalls.len(), report.elections.len(), report.violations.len()), (1, 1, 1));
    }

    #[test]
    fn a_window_keeps_what_overlaps_it() {
        let stalls = |from, to| {
            let window = Selection { from: Some(at(from)), to: Some(at(to)), server: None };
            chosen(&window).stalls.len()
        };
        assert_eq!(stalls(0, 32_511), 0, "before its start");
        assert_eq!(stalls(0, 32_512), 1);
        assert_eq!(stalls(35_000, 36_000), 1, "inside");
        assert_eq!(stalls(42_514, 60_000), 1);
        assert_eq!(stalls(42_515, 60_000), 0, "after its end");
        let late = chosen(&Selection { from: Some(at(50_000)), ..Selection::default() });
        assert_eq!(ids(&late), [2, 3, 4], "a link that was over is left out");
        assert_eq!((late.near_misses.len(), late.elections.len(), late.violations.len()), (0, 0, 0));
        let early = chosen(&Selection { to: Some(at(2_000)), ..Selection::default() });
        assert_eq!(ids(&early), [1, 2, 4]);
    }

    #[test]
    fn an_election_after_a_stall_stays_with_it() {
        let mut report = report();
        let mut early = report.elections[0].clone();
        (early.start, early.end) = (at(0), Some(at(1)));
        report.elections.insert(0, early);
        (report.stalls[0].election, report.incidents[0].elections) = (Some(1), vec![1]);
        Selection { from: Some(at(40_000)), to: Some(at(42_900)), server: None }.apply(&mut report);
        assert_eq!(report.elections.len(), 1);
        assert_eq!(report.stalls[0].election, Some(0));
        assert_eq!(report.elections[0].start, at(43_000));
    }

    #[test]
    fn incidents_keep_what_is_left_of_what_they_explain() {
        let of = |from, to| chosen(&Selection { from: Some(at(from)), to: Some(at(to)), server: None });
        let late = of(45_000, 60_000);
        assert_eq!((late.incidents.len(), late.stalls.len(), late.outages.len()), (1, 0, 0));
        let incident = &late.incidents[0];
        assert_eq!((incident.stalls.len(), incident.outages.len()), (0, 0));
        assert_eq!(
            (incident.elections.as_slice(), late.elections.len()),
            (&[0][..], 1),
            "what it led to stays"
        );
        assert!(of(50_000, 60_000).incidents.is_empty());
        let server = Some(ServerChoice::read("zk2"));
        let other = chosen(&Selection { server, ..Selection::default() });
        assert!(other.incidents.is_empty(), "another server's");
        assert_eq!(other.outages[0].incident, None);
    }

    #[test]
    fn a_server_has_many_names() {
        for name in ["zk1", "ZK1", "server.1", "1", "10.255.0.1"] {
            let server = Some(ServerChoice::read(name));
            let report = chosen(&Selection { server, ..Selection::default() });
            assert_eq!(ids(&report), [1, 3], "{name}");
            assert_eq!((report.stalls.len(), report.near_misses.len()), (1, 0));
        }
        let server = Some(ServerChoice::Address(address(3)));
        assert_eq!(ids(&chosen(&Selection { server, ..Selection::default() })), [1, 2, 3, 4]);
        let server = Some(ServerChoice::read("zk9"));
        assert_eq!(ids(&chosen(&Selection { server, ..Selection::default() })), [0; 0]);
        assert_eq!(ServerChoice::read("[::1]"), ServerChoice::Address(Address::v6(1)));
    }
}
