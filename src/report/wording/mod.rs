//! The report's sentences: findings are data, and here is what each form says of them.
//!
//! Text, JSON, annotations and announcements take their words from here, so that all say the same.
//! Names and log lines come off the wire and out of files: the forms escape what they write.

mod coverage;
mod evidence;
mod incident;
mod log;
mod note;
pub mod number;
mod terms;
mod violation;

pub use coverage::{OTHER_LINKS, blind, no_stall, not_seen, seen};
pub use evidence::shows;
pub use incident::IncidentWords;
pub use log::log_says;
pub use note::note;
pub use terms::{cause, deadline, outcome};
pub use violation::breach;

use crate::address::Address;
use crate::findings::Report;
use std::collections::BTreeMap;

/// What servers are called.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<Address, String>);

impl Names {
    /// The names that a report has: those of the configuration, else `server.N` where no other address has that
    /// sid.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let servers = &report.servers;
        let mut by_sid = BTreeMap::new();
        for sid in servers.iter().filter_map(|server| server.sid) {
            *by_sid.entry(sid).or_insert(0_u32) += 1;
        }
        let named = servers.iter().filter_map(|server| {
            let by_sid =
                || server.sid.filter(|sid| by_sid.get(sid) == Some(&1)).map(|sid| format!("server.{sid}"));
            Some((server.address, server.name.clone().or_else(by_sid)?))
        });
        let members = report.raft.members.iter();
        let members = members.filter_map(|member| Some((member.address, member.name.clone()?)));
        Self(members.chain(named).collect())
    }

    /// A server's name, else its address.
    #[must_use]
    pub fn name(&self, address: Address) -> String {
        self.0.get(&address).cloned().unwrap_or_else(|| address.to_string())
    }

    /// Names joined by commas.
    fn list(&self, addresses: &[Address]) -> String {
        addresses.iter().map(|address| self.name(*address)).collect::<Vec<_>>().join(", ")
    }
}
