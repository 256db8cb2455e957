//! Leaves out of a report what was not asked for: other times, other servers.
//!
//! Only what happened is chosen by time: stalls, near misses, elections and violations that overlap the
//! window. A link's figures are those of all that was read of it, since a link's state comes from before
//! the window; links that were over before it began, or opened after it, are left out.

use super::model::{Link, Report, Server};
use crate::address::Address;
use crate::proto::Sid;
use crate::time::{Span, Timestamp};
use std::collections::BTreeSet;
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

impl Selection {
    /// Leaves out of `report` what was not asked for.
    pub fn apply(&self, report: &mut Report) {
        let kept = self.links(report);
        report.links.retain(|link| kept.contains(&link.id));
        let last = report.input.last;
        report.stalls.retain_mut(|stall| {
            stall.links.retain(|id| kept.contains(id));
            !stall.links.is_empty() && self.overlaps(stall.start, stall.end.or(last))
        });
        report.near_misses.retain(|miss| {
            let wait = Span::from_millis(i64::try_from(miss.wait_ms).unwrap_or(i64::MAX));
            kept.contains(&miss.link) && self.overlaps(miss.at, Some(miss.at.plus(wait)))
        });
        report.violations.retain(|violation| {
            kept.contains(&violation.link) && self.overlaps(violation.at, Some(violation.at))
        });
        self.choose_elections(report);
    }

    /// Elections of the window, and those that followed a stall of it.
    fn choose_elections(&self, report: &mut Report) {
        let after_stall: BTreeSet<usize> = report.stalls.iter().filter_map(|stall| stall.election).collect();
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
