//! What is told while a capture runs: announcements, as data.
//!
//! [`text`](super::text::live) writes each as a line for people, [`json`](super::json::live) as an object
//! per line.

use crate::address::Address;
use crate::findings::{Deadline, Election, Received, Report, Stall};
use crate::time::Timestamp;

/// A server and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its address.
    pub address: Address,
    /// Its name, else `server.N`, else its address.
    pub name: String,
}

/// A wait that nears its deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearWait {
    /// The link's number.
    pub link: u32,
    /// Who is waited for.
    pub subject: Named,
    /// Who waits.
    pub waiter: Named,
    /// The deadline.
    pub deadline: Deadline,
    /// When the wait began.
    pub start: Timestamp,
    /// How long it is, or was.
    pub wait_ms: u64,
    /// The deadline's length.
    pub limit_ms: u64,
}

/// A stall, and what those in it are called.
#[derive(Clone, Debug)]
pub struct StallNews {
    /// The stall, judged by what is known by now. Its number is that of the announcements.
    pub stall: Stall,
    /// Who went quiet.
    pub subject: Named,
    /// Towards whom.
    pub others: Vec<Named>,
    /// Whether the subject leads.
    pub leads: bool,
    /// By how much the limit had passed when it was announced.
    pub past_limit_ms: u64,
}

impl Report {
    /// A stall of this report as it is told, with the names that the report has.
    #[must_use]
    pub fn news(&self, stall: &Stall) -> StallNews {
        let named = |address| {
            let server = self.servers.iter().find(|server| server.address == address);
            let by_sid = || server.and_then(|server| server.sid).map(|sid| format!("server.{sid}"));
            let name = server.and_then(|server| server.name.clone()).or_else(by_sid);
            Named { address, name: name.unwrap_or_else(|| address.to_string()) }
        };
        let mut leads = false;
        let mut others: Vec<Named> = Vec::new();
        for link in self.links.iter().filter(|link| stall.links.contains(&link.id)) {
            let is_leader = link.leader.address == stall.subject;
            leads |= is_leader;
            let other = if is_leader { link.learner.address } else { link.leader.address };
            if others.iter().all(|named| named.address != other) {
                others.push(named(other));
            }
        }
        let past_limit_ms = stall.duration_ms.saturating_sub(stall.limit_ms);
        StallNews { subject: named(stall.subject), others, leads, past_limit_ms, stall: stall.clone() }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// Watching begins.
    Start {
        /// What is watched.
        source: String,
        /// Which frames: a filter, or nothing for files.
        filter: String,
    },
    /// A wait reached the share of its deadline from which it is told.
    Warning(NearWait),
    /// Such a wait ended before its deadline.
    WarningOver(NearWait),
    /// A wait passed its deadline.
    Stall(Box<StallNews>),
    /// The stall is over, and judged.
    StallOver(Box<StallNews>),
    /// A server began to look for a leader.
    Election {
        /// Who looks.
        by: Vec<Named>,
    },
    /// A leader is followed again.
    ElectionOver {
        /// The election.
        election: Election,
        /// Who won, where that is known.
        winner: Option<Named>,
    },
    /// Frames were dropped since it was told last.
    Drops {
        /// How many since then.
        since: u64,
        /// All by now.
        all: Received,
    },
    /// A flight recording was written.
    Recording {
        /// The file.
        path: String,
        /// Frames in it.
        frames: u64,
        /// The announcements' number of the stall.
        stall: u32,
    },
    /// The page of an incident was written.
    Page {
        /// The file.
        path: String,
        /// Incidents on it.
        incidents: usize,
        /// The announcements' number of the first stall.
        stall: u32,
    },
    /// Something does not work; the watching goes on.
    Problem(String),
    /// Something worth knowing that is no problem.
    Notice(String),
}

impl Event {
    /// Changes every time in it.
    pub fn change_times(&mut self, change: &dyn Fn(Timestamp) -> Timestamp) {
        self.at = change(self.at);
        match &mut self.what {
            What::Warning(wait) | What::WarningOver(wait) => wait.start = change(wait.start),
            What::Stall(news) | What::StallOver(news) => news.stall.change_times(change),
            What::ElectionOver { election, .. } => election.change_times(change),
            What::Start { .. }
            | What::Election { .. }
            | What::Drops { .. }
            | What::Recording { .. }
            | What::Page { .. }
            | What::Problem(_)
            | What::Notice(_) => {}
        }
    }
}

/// An announcement.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it was made, by the capture's clock.
    pub at: Timestamp,
    /// What happened.
    pub what: What,
}
