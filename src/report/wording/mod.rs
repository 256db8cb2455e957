//! The report's sentences: findings are data, and here is what each form says of them.
//!
//! Text, JSON, annotations and announcements take their words from here, so that all say the same.
//! Names and log lines come off the wire and out of files: the forms escape what they write.

mod evidence;
mod log;
mod note;
mod terms;
mod violation;

pub use evidence::shows;
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
    /// The names that a report has.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let named = report.servers.iter().filter_map(|server| Some((server.address, server.name.clone()?)));
        Self(named.collect())
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
