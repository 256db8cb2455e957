//! What is told while a capture runs: announcements, as data.
//!
//! [`text`](super::text::live) writes each as a line for people, [`json`](super::json::live) as an object
//! per line.

use crate::address::Address;
use crate::findings::incident::Incident;
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
    /// When it passes: then the waiter gives up on the subject.
    pub limit_at: Timestamp,
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

/// An incident as it is told: by its root, with what was known of it when it was told.
#[derive(Clone, Debug)]
pub struct IncidentNews {
    /// This incident alone, and what it names. Its numbers are those of the announcements.
    pub report: Report,
    /// What became of it.
    pub state: IncidentState,
}

/// What became of an incident that was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncidentState {
    /// It goes on, or its verdict may still change.
    #[default]
    Open,
    /// It is over, and judged by all that was seen of it.
    Over,
    /// Nothing more was seen of it for so long that its end is not waited for any more.
    LostFromSight,
    /// It turned out to be a part of the incident with this number.
    PartOf(u32),
    /// What was seen later denies it: the capture lacked what was waited for.
    Denied,
}

impl IncidentState {
    /// Its name in the JSON form.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Over => "over",
            Self::LostFromSight => "lost_from_sight",
            Self::PartOf(_) => "part_of",
            Self::Denied => "denied",
        }
    }
}

impl IncidentNews {
    /// An incident of a report as it is told at `now`.
    #[must_use]
    pub fn of(report: &Report, incident: &Incident, now: Timestamp) -> Self {
        let mut news = Report {
            settings: report.settings,
            servers: report.servers.clone(),
            links: report.links.iter().filter(|link| incident.links.contains(&link.id)).cloned().collect(),
            stalls: report.stalls.iter().filter(|stall| stall.incident == incident.id).cloned().collect(),
            outages: report.outages.iter().filter(|out| out.incident == Some(incident.id)).copied().collect(),
            incidents: vec![incident.clone()],
            elections: report.elections.clone(),
            raft: report.raft.clone(),
            ..Report::default()
        };
        // Its date is told where it did not begin today.
        (news.input.first, news.input.last) = (Some(incident.start), Some(now));
        Self { report: news, state: IncidentState::Open }
    }

    /// The incident, where this is the last word on it and it is one of its own.
    #[must_use]
    pub fn judged(&self) -> Option<&Incident> {
        let is_own = matches!(self.state, IncidentState::Over | IncidentState::LostFromSight);
        self.incident().filter(|_| is_own)
    }

    /// The incident.
    #[must_use]
    pub fn incident(&self) -> Option<&Incident> {
        self.report.incidents.first()
    }
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
    /// An incident began; its root as far as it is known.
    Incident(Box<IncidentNews>),
    /// An incident that was told is over.
    IncidentOver(Box<IncidentNews>),
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

impl Announcement {
    /// Changes every time in it.
    pub fn change_times(&mut self, change: &dyn Fn(Timestamp) -> Timestamp) {
        self.at = change(self.at);
        match &mut self.what {
            What::Warning(wait) | What::WarningOver(wait) => {
                (wait.start, wait.limit_at) = (change(wait.start), change(wait.limit_at));
            }
            What::Stall(news) | What::StallOver(news) => news.stall.change_times(change),
            What::Incident(news) | What::IncidentOver(news) => news.report.change_times(change),
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
pub struct Announcement {
    /// When it was made, by the capture's clock.
    pub at: Timestamp,
    /// What happened.
    pub what: What,
}
