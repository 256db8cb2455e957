//! Where the logs agree with the wire, and where they do not, a sentence each.
//!
//! The wire decides. A log line is what a process thought when it ran again: an `fsync-ing ... took`
//! supports `disk_slow` only where PINGs were answered meanwhile, since a process that stood still finds
//! its fsync slow too.

use crate::address::Address;
use crate::report::log::{Kind, LogLine, LogWord};
use crate::report::model::{Cause, Deadline, Link, Outcome, Report, Stall};
use crate::time::{Span, Timestamp};

/// How near a line lies to the close that it tells of.
const NEAR: Span = Span::from_millis(2_000);
/// A line that much later was written by a process that could not write before.
const LATE: Span = Span::from_millis(1_000);

/// Says of each stall what the logs say to it.
pub(super) fn say(report: &mut Report) {
    let words: Vec<_> = report.stalls.iter().map(|stall| Case::of(stall, report).words()).collect();
    for (stall, words) in report.stalls.iter_mut().zip(words) {
        stall.log_says = words;
    }
}

struct Case<'a> {
    stall: &'a Stall,
    report: &'a Report,
    links: Vec<&'a Link>,
}

impl<'a> Case<'a> {
    fn of(stall: &'a Stall, report: &'a Report) -> Self {
        let links = report.links.iter().filter(|link| stall.links.contains(&link.id)).collect();
        Self { stall, report, links }
    }

    fn words(&self) -> Vec<LogWord> {
        let mut words = Vec::new();
        words.extend(self.leaders_close());
        words.extend(self.learners_close());
        words.extend(self.no_close());
        words.extend(self.disk());
        words.extend(self.pause());
        words.extend(self.noticed_late());
        words.extend(self.quorum());
        words
    }

    fn name(&self, address: Address) -> String {
        let server = self.report.servers.iter().find(|server| server.address == address);
        let name = server.and_then(|server| server.name.clone());
        name.unwrap_or_else(|| address.to_string())
    }

    fn leader(&self) -> Option<Address> {
        self.links.first().map(|link| link.leader.address)
    }

    /// Whether a log of that server was running over the whole stall.
    fn covers(&self, server: Address) -> bool {
        let end = self.stall.end.unwrap_or(Timestamp::MAX);
        self.report.input.logs.iter().any(|log| {
            log.server == Some(server)
                && log.first.is_some_and(|first| first <= self.stall.start)
                && log.last.is_some_and(|last| last >= end)
        })
    }

    fn lines(&self, server: Address) -> impl Iterator<Item = &'a LogLine> {
        self.stall.log.iter().filter(move |line| line.server == Some(server))
    }

    fn waited(&self, deadline: Deadline) -> bool {
        self.stall.deadlines.contains(&deadline)
    }

    /// The leader closed: does it say why, and is it what the wire shows?
    fn leaders_close(&self) -> Option<LogWord> {
        let leader = self.leader().filter(|_| self.stall.outcome == Outcome::ClosedByLeader)?;
        let end = self.stall.end?;
        let near = |line: &&LogLine| is_near(line.at, end);
        let reasons =
            [Kind::TransactionTimeout, Kind::ReadTimeout, Kind::LostQuorum, Kind::UnreasonableLength];
        let reason = reasons
            .into_iter()
            .find_map(|kind| self.lines(leader).filter(near).find(|line| line.kind == kind));
        let name = self.name(leader);
        if let Some(line) = reason {
            let is_so = match line.kind {
                Kind::ReadTimeout => self.waited(Deadline::LeaderRead) || self.waited(Deadline::Init),
                Kind::TransactionTimeout => self.waited(Deadline::Ack),
                _ => false,
            };
            let what = if is_so {
                format!("the leader {name} closed for the reason that the wire shows, {}", told(line))
            } else {
                format!(
                    "the leader {name} gives another reason than the deadline that the wire shows, {}",
                    told(line)
                )
            };
            return Some(LogWord { agrees: Some(is_so), at: Some(line.at), what });
        }
        let parting = self
            .lines(leader)
            .filter(near)
            .find(|line| matches!(line.kind, Kind::Goodbye | Kind::HandlerFailed | Kind::Closing));
        if let Some(line) = parting {
            let what =
                format!("the leader {name} parted from the learner and names no deadline, {}", told(line));
            return Some(LogWord { agrees: None, at: Some(line.at), what });
        }
        self.covers(leader).then(|| LogWord {
            agrees: Some(false),
            at: None,
            what: format!("the log of the leader {name} says nothing of the close that the wire shows"),
        })
    }

    /// Learners closed: do they say so?
    fn learners_close(&self) -> Option<LogWord> {
        if self.stall.outcome != Outcome::ClosedByLearner {
            return None;
        }
        let closes = self.links.iter().filter_map(|link| Some((link.learner.address, link.closed?.at)));
        let mut first: Option<&LogLine> = None;
        let mut agree = Vec::new();
        let mut silent = Vec::new();
        for (learner, closed) in closes {
            let reason = self.lines(learner).find(|line| {
                matches!(line.kind, Kind::ReadTimeout | Kind::LearnerFailed) && is_near(line.at, closed)
            });
            match reason {
                Some(line) => {
                    first = first.or(Some(line));
                    agree.push(self.name(learner));
                }
                None if self.covers(learner) => silent.push(self.name(learner)),
                None => {}
            }
        }
        if let Some(line) = first {
            let is_timeout = line.kind == Kind::ReadTimeout;
            let is_so = is_timeout && (self.waited(Deadline::LearnerRead) || self.waited(Deadline::Init));
            let what = format!("{} gave the leader up, {}", agree.join(", "), told(line));
            return Some(LogWord { agrees: is_so.then_some(true), at: Some(line.at), what });
        }
        (!silent.is_empty()).then(|| LogWord {
            agrees: Some(false),
            at: None,
            what: format!("the log of {} says nothing of the close that the wire shows", silent.join(", ")),
        })
    }

    /// Nothing was closed: ZooKeeper says nothing of a wait that ends in time.
    fn no_close(&self) -> Option<LogWord> {
        let leader = self.leader().filter(|_| self.stall.outcome == Outcome::Recovered)?;
        let is_silent = self.lines(leader).all(|line| line.kind.rank() > 2) && self.covers(leader);
        is_silent.then(|| LogWord {
            agrees: None,
            at: None,
            what: format!(
                "the log of the leader {} says nothing: of a wait that ends without a close ZooKeeper writes \
                 no line",
                self.name(leader)
            ),
        })
    }

    /// The subject's fsync: the disk's fault only where PINGs were answered meanwhile.
    fn disk(&self) -> Option<LogWord> {
        let subject = self.stall.subject;
        let name = self.name(subject);
        let slowest = self.during(Kind::Fsync).max_by_key(|line| line.took_ms);
        let Some(line) = slowest else {
            let is_missed = self.stall.cause == Cause::DiskSlow && self.covers(subject);
            return is_missed.then(|| LogWord {
                agrees: Some(false),
                at: None,
                what: format!("the log of {name} says nothing of a slow fsync, which the wire shows"),
            });
        };
        let took = line.took_ms.unwrap_or(0);
        let is_mute = self.waited(Deadline::LeaderRead) || self.waited(Deadline::Init);
        let (agrees, what) = match self.stall.cause {
            Cause::DiskSlow => {
                (Some(true), format!("{name} had an fsync of {took} ms, while it answered PINGs"))
            }
            Cause::ProcessStalled if is_mute => (
                Some(false),
                format!(
                    "{name} blames its disk (fsync took {took} ms), but its PINGs were unanswered in that \
                     time too: the process stood still"
                ),
            ),
            Cause::Unknown => {
                (None, format!("{name} had an fsync of {took} ms, which the wire does not decide on"))
            }
            cause => (
                Some(false),
                format!("{name} blames its disk (fsync took {took} ms), the wire shows {}", cause.name()),
            ),
        };
        Some(LogWord { agrees, at: Some(line.at), what })
    }

    /// The subject's own notice that it stood still.
    fn pause(&self) -> Option<LogWord> {
        let line = self.during(Kind::Pause).max_by_key(|line| line.took_ms)?;
        let name = self.name(self.stall.subject);
        let took = line.took_ms.unwrap_or(0);
        let agrees = match self.stall.cause {
            Cause::ProcessStalled => Some(true),
            Cause::Unknown => None,
            _ => Some(false),
        };
        Some(LogWord { agrees, at: Some(line.at), what: format!("{name} stood still for {took} ms") })
    }

    /// The subject noticed the close only when it ran, or heard, again.
    fn noticed_late(&self) -> Option<LogWord> {
        let end = self.stall.end.filter(|_| self.stall.outcome != Outcome::Recovered)?;
        let subject = self.stall.subject;
        let noticed = self.lines(subject).find(|line| {
            matches!(line.kind, Kind::ReadTimeout | Kind::LearnerFailed | Kind::LostQuorum) && line.at > end
        })?;
        let late = noticed.at.since(end);
        (late > LATE).then(|| LogWord {
            agrees: None,
            at: Some(noticed.at),
            what: format!("{} noticed {late} after the close, {}", self.name(subject), told(noticed)),
        })
    }

    /// The leader lost its quorum.
    fn quorum(&self) -> Option<LogWord> {
        let line = self.stall.log.iter().find(|line| line.kind == Kind::LostQuorum)?;
        let name = line.server.map_or_else(|| "the leader".to_owned(), |server| self.name(server));
        let agrees = self.stall.election.map(|_| true);
        Some(LogWord { agrees, at: Some(line.at), what: format!("{name} lost its quorum, {}", told(line)) })
    }

    /// The subject's lines of a kind whose time overlaps the stall.
    fn during(&self, kind: Kind) -> impl Iterator<Item = &'a LogLine> {
        let (start, end) = (self.stall.start, self.stall.end.unwrap_or(Timestamp::MAX));
        self.lines(self.stall.subject).filter(move |line| {
            let took = Span::from_millis(line.took_ms.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(0));
            line.kind == kind && line.at >= start && line.at.minus(took) <= end
        })
    }
}

fn is_near(at: Timestamp, end: Timestamp) -> bool {
    at.since(end).nanos().abs() <= NEAR.nanos()
}

/// The line's own words, in quotes.
fn told(line: &LogLine) -> String {
    format!("'{}'", line.text)
}
