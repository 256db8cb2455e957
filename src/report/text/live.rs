//! Announcements as lines for people.

use super::page::{count, percent};
use crate::findings::{Deadline, Outcome, Received, Suspect};
use crate::report::clock::{self, WallClock};
use crate::report::escape;
use crate::report::live::{Announcement, IncidentNews, IncidentState, Named, NearWait, StallNews, What};
use crate::report::wording::{self, IncidentWords};
use crate::time::Timestamp;
use std::io::{self, Write};

/// Writes announcements, one a line: the time to the millisecond, a word, a sentence.
#[derive(Clone, Debug)]
pub struct TextLines {
    /// How times are shown.
    pub clock: WallClock,
    /// Whether to use colour.
    pub is_coloured: bool,
}

impl TextLines {
    /// Writes an announcement; of stalls their incidents alone.
    ///
    /// # Errors
    /// What the writer says.
    pub fn event(&self, event: &Announcement, out: &mut impl Write) -> io::Result<()> {
        // Their incidents are told.
        if matches!(event.what, What::Stall(_) | What::StallOver(_)) {
            return Ok(());
        }
        let (word, colour) = word(&event.what);
        let word = if self.is_coloured && colour > 0 {
            format!("\u{1b}[1;{colour}m{word}\u{1b}[0m")
        } else {
            word.to_owned()
        };
        let sentence = self.sentence(&event.what);
        let sentence = escape::text(&sentence);
        writeln!(out, "{} {word} {sentence}", self.clock.full(event.at))
    }

    /// The word that the line of an announcement begins with, and its colour's number, 0 for none: 31 is an alarm, 33 a
    /// warning, 32 the end of one.
    #[must_use]
    pub const fn word(what: &What) -> (&'static str, u8) {
        word(what)
    }

    /// What happened, as a sentence that is not yet safe to show.
    #[must_use]
    pub fn sentence(&self, what: &What) -> String {
        match what {
            What::Start { source, filter } if filter.is_empty() => format!("watching {source}"),
            What::Start { source, filter } => format!("watching {source}: {filter}"),
            What::Warning(wait) => self.warning(wait),
            What::WarningOver(wait) => {
                let (waited, limit) = clock::against(wait.wait_ms, wait.limit_ms);
                format!(
                    "{} was heard by {} again after {waited} ({}, {} % of {limit})",
                    wait.subject.name,
                    wait.waiter.name,
                    wait.deadline.name(),
                    percent(wait.wait_ms, wait.limit_ms),
                )
            }
            What::Stall(news) => self.stall(news),
            What::StallOver(news) => self.stall_over(news),
            What::Incident(news) => self.incident(news),
            What::IncidentOver(news) => self.incident_over(news),
            What::Election { by } => format!("{} looks for a leader", names(by)),
            What::ElectionOver { election, winner } => {
                let took = election.end.map_or_else(String::new, |end| {
                    format!(" after {}", clock::between(election.start, end))
                });
                let epoch = election.epoch.map_or_else(String::new, |epoch| format!(", epoch {epoch}"));
                let winner = winner.as_ref().map_or("a leader whose name was not seen", |named| &named.name);
                format!("{winner} is followed{took}{epoch}")
            }
            What::Drops { since, all } => drops(*since, all),
            What::Recording { path, frames, stall: 0 } => {
                format!("as asked for: {} in {path}", count(*frames, "frame", "frames"))
            }
            What::Recording { path, frames, stall } => {
                format!("{} in {path} (stall #{stall})", count(*frames, "frame", "frames"))
            }
            What::Page { path, incidents, stall } => {
                format!("{} in {path} (stall #{stall})", count(*incidents as u64, "incident", "incidents"))
            }
            What::Problem(what) | What::Notice(what) => what.clone(),
        }
    }

    fn stall(&self, news: &StallNews) -> String {
        let stall = &news.stall;
        let deadlines: Vec<_> = stall.deadlines.iter().map(|deadline| deadline.name()).collect();
        format!(
            "#{} {} since {}: {} passed, limit {}. So far: {}",
            stall.id,
            who(news),
            self.clock.time(stall.start),
            deadlines.join(", "),
            clock::millis(stall.limit_ms),
            verdict(news),
        )
    }

    fn stall_over(&self, news: &StallNews) -> String {
        let stall = &news.stall;
        let end = stall.end.map_or_else(String::new, |end| format!(" to {}", self.time(end, stall.start)));
        let so =
            if stall.outcome == Outcome::Open { "lost from sight" } else { wording::outcome(stall.outcome) };
        let (lasted, limit) = clock::against(stall.duration_ms, stall.limit_ms);
        format!(
            "#{} {} from {}{end}, {lasted} (limit {limit}); {so}. {}",
            stall.id,
            who(news),
            self.clock.time(stall.start),
            verdict(news),
        )
    }

    /// Whom somebody is about to lose, and when.
    fn warning(&self, wait: &NearWait) -> String {
        let (waited, limit) = clock::against(wait.wait_ms, wait.limit_ms);
        format!(
            "{} is about to lose {}, at {}: {} for {waited} ({} % of {limit}, {})",
            wait.waiter.name,
            wait.subject.name,
            self.clock.time(wait.limit_at),
            wording::deadline(wait.deadline),
            percent(wait.wait_ms, wait.limit_ms),
            wait.deadline.name(),
        )
    }

    /// `#2 LEADER zk5 STOOD STILL from 09:33:38.1 on, for at least 5.0 s (...); so far proven; check on ...`
    fn incident(&self, news: &IncidentNews) -> String {
        let Some(incident) = news.incident() else { return String::new() };
        let words = IncidentWords::new(&news.report, self.clock.clone());
        let checks: String = words.checks(incident).iter().map(|check| format!("; {check}")).collect();
        format!(
            "#{} {} ({}); so far {}{checks}",
            incident.id,
            words.headline(incident),
            words.meaning(incident),
            incident.confidence.name()
        )
    }

    fn incident_over(&self, news: &IncidentNews) -> String {
        let Some(incident) = news.incident() else { return String::new() };
        let id = incident.id;
        match news.state {
            IncidentState::PartOf(other) => return format!("#{id} was a part of #{other}"),
            IncidentState::Denied => {
                return format!("#{id} was none: what was missed is not missed any more");
            }
            IncidentState::Open | IncidentState::Over | IncidentState::LostFromSight => {}
        }
        let words = IncidentWords::new(&news.report, self.clock.clone());
        let lost = if news.state == IncidentState::LostFromSight {
            "; lost from sight, its end not seen"
        } else {
            ""
        };
        let followed: String = words.followed(incident).iter().map(|clause| format!("; {clause}")).collect();
        format!(
            "#{id} {} ({}); {}{lost}{followed}",
            words.headline(incident),
            words.meaning(incident),
            incident.confidence.name()
        )
    }

    fn time(&self, at: Timestamp, beside: Timestamp) -> String {
        self.clock.beside(at, beside)
    }
}

/// The word a line begins with, and its colour's number, 0 for none.
const fn word(what: &What) -> (&'static str, u8) {
    match what {
        What::Start { .. } => ("START", 0),
        What::Warning(_) => ("WARNING", 33),
        What::WarningOver(_) => ("WARNING over", 32),
        What::Stall(_) => ("STALL", 31),
        What::StallOver(_) => ("STALL over", 32),
        What::Incident(_) => ("INCIDENT", 31),
        What::IncidentOver(_) => ("INCIDENT over", 32),
        What::Election { .. } => ("ELECTION", 33),
        What::ElectionOver { .. } => ("ELECTION over", 32),
        What::Drops { .. } => ("DROPS", 33),
        What::Recording { .. } => ("RECORDING", 0),
        What::Page { .. } => ("PAGE", 0),
        What::Problem(_) => ("PROBLEM", 33),
        What::Notice(_) => ("NOTICE", 0),
    }
}

fn names(all: &[Named]) -> String {
    let names: Vec<_> = all.iter().map(|named| named.name.as_str()).collect();
    if names.is_empty() { "somebody".to_owned() } else { names.join(", ") }
}

fn who(news: &StallNews) -> String {
    let quiet = match news.stall.deadlines.as_slice() {
        [Deadline::Ack] => "late with its ACKs to",
        [Deadline::Init] => "slow to synchronise with",
        _ => "quiet towards",
    };
    let (subject, others) = (&news.subject.name, names(&news.others));
    if news.leads {
        format!("{subject}, the leader, {quiet} {others}")
    } else {
        format!("{subject} {quiet} its leader {others}")
    }
}

fn verdict(news: &StallNews) -> String {
    let stall = &news.stall;
    let name = |address| {
        let all = std::iter::once(&news.subject).chain(&news.others);
        all.into_iter()
            .find(|named| named.address == address)
            .map_or_else(|| address.to_string(), |named| named.name.clone())
    };
    let suspect = match stall.suspect {
        None => String::new(),
        Some(Suspect::Host(host)) => format!(", suspect {}", name(host)),
        Some(Suspect::Path(a, b)) => format!(", suspect the network between {} and {}", name(a), name(b)),
        Some(Suspect::OneWay(a, b)) => format!(", suspect the network from {} to {}", name(a), name(b)),
        Some(Suspect::HostNetwork(host)) => format!(", suspect the network of {}", name(host)),
    };
    let note = stall.notes.first().map_or_else(String::new, |note| format!("; {}", wording::note(note)));
    format!("{} ({}){suspect}{note}", stall.cause.name(), wording::cause(stall.cause))
}

fn drops(since: u64, all: &Received) -> String {
    format!(
        "{} lost, and silences may be shorter than they look; in all {} received, {} dropped by the kernel, {} by \
         the interface, {} here",
        count(since, "frame", "frames"),
        all.received,
        all.dropped_kernel,
        all.dropped_interface,
        all.dropped_here
    )
}
