//! Where the logs agree with the wire, and where they do not, a sentence each.
//!
//! The wire decides. A log line is what a process thought when it ran again: an `fsync-ing ... took`
//! supports `disk_slow` only where PINGs were answered meanwhile, since a process that stood still finds
//! its fsync slow too.

use crate::address::Address;
use crate::findings::{
    Cause, Deadline, Link, Outcome, Report, Stall,
    log::{Kind, LogLine, LogVerdict},
};
use crate::time::{Span, Timestamp};

/// How near a line lies to the close that it tells of.
const MAX_DISTANCE: Span = Span::from_millis(2_000);
/// A line that much later was written by a process that could not write before.
const LATE: Span = Span::from_millis(1_000);

/// Why a leader closes.
const REASONS: [Kind; 4] =
    [Kind::TransactionTimeout, Kind::ReadTimeout, Kind::LostQuorum, Kind::UnreasonableLength];

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

    fn words(&self) -> Vec<LogVerdict> {
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
    fn leaders_close(&self) -> Option<LogVerdict> {
        let leader = self.leader().filter(|_| self.stall.outcome == Outcome::ClosedByLeader)?;
        let end = self.stall.end?;
        let name = self.name(leader);
        let lines = || self.lines(leader).filter(|line| self.is_about(line.at, end));
        let is_so = |line: &&LogLine| match line.kind {
            Kind::ReadTimeout => self.waited(Deadline::LeaderRead) || self.waited(Deadline::Init),
            Kind::TransactionTimeout => self.waited(Deadline::Ack),
            _ => false,
        };
        let reason = lines().find(is_so).or_else(|| lines().find(|line| REASONS.contains(&line.kind)));
        if let Some(line) = reason {
            let is_so = is_so(&line);
            let why = if is_so { "for the reason" } else { "for another reason than the one" };
            let what = format!(
                "the leader {name} closed {why} that the wire shows{}, {}",
                early(line, end),
                told(line)
            );
            return Some(LogVerdict { agrees: Some(is_so), at: Some(line.at), what });
        }
        let parting = [Kind::HandlerFailed, Kind::Goodbye, Kind::Closing];
        if let Some(line) = lines().find(|line| parting.contains(&line.kind)) {
            let what =
                format!("the leader {name} parted from the learner and names no deadline, {}", told(line));
            return Some(LogVerdict { agrees: None, at: Some(line.at), what });
        }
        self.covers(leader).then(|| self.silence(&format!("the leader {name}")))
    }

    /// Learners closed: do they say so?
    fn learners_close(&self) -> Option<LogVerdict> {
        if self.stall.outcome != Outcome::ClosedByLearner {
            return None;
        }
        let mut first = None;
        let mut agree = Vec::new();
        let mut silent = Vec::new();
        for (learner, closed) in
            self.links.iter().filter_map(|link| Some((link.learner.address, link.closed?.at)))
        {
            let reason = self.lines(learner).find(|line| {
                matches!(line.kind, Kind::ReadTimeout | Kind::LearnerFailed) && self.is_about(line.at, closed)
            });
            match reason {
                Some(line) => {
                    first = first.or(Some((line, closed)));
                    agree.push(self.name(learner));
                }
                None if self.covers(learner) => silent.push(self.name(learner)),
                None => {}
            }
        }
        match first {
            Some((line, closed)) => Some(self.given_up(&agree.join(", "), line, closed)),
            None => (!silent.is_empty()).then(|| self.silence(&silent.join(", "))),
        }
    }

    /// Learners that say that they gave their leader up.
    fn given_up(&self, who: &str, line: &LogLine, closed: Timestamp) -> LogVerdict {
        let is_timeout = line.kind == Kind::ReadTimeout;
        let is_so = is_timeout && (self.waited(Deadline::LearnerRead) || self.waited(Deadline::Init));
        let mut what = format!("{who} gave the leader up{}, {}", early(line, closed), told(line));
        if is_timeout && !is_so {
            what.push_str(
                "; the leader's bytes of that time are in the capture, so they got lost or came late",
            );
        }
        LogVerdict { agrees: is_so.then_some(true), at: Some(line.at), what }
    }

    /// A log in which the close is missing. A RST may come from a kernel alone.
    fn silence(&self, whose: &str) -> LogVerdict {
        let begun =
            self.stall.log.iter().find(|line| line.kind == Kind::Started && line.at > self.stall.start);
        if let Some(line) = begun {
            let what = format!("the log of {whose} breaks off and begins anew: the process was gone");
            return LogVerdict { agrees: None, at: Some(line.at), what };
        }
        let is_reset = self.links.iter().filter_map(|link| link.closed).any(|closed| closed.reset);
        let (agrees, why) = if is_reset {
            (None, "; it was a RST, which a kernel sends by itself for a process that is gone")
        } else {
            (Some(false), "")
        };
        let what = format!("the log of {whose} says nothing of the close that the wire shows{why}");
        LogVerdict { agrees, at: None, what }
    }

    /// Whether a line may be about a close: one that a cut network held back is logged before it is seen.
    fn is_about(&self, at: Timestamp, closed: Timestamp) -> bool {
        at >= self.stall.start && at <= closed.plus(MAX_DISTANCE)
    }

    /// Nothing was closed: ZooKeeper says nothing of a wait that ends in time.
    fn no_close(&self) -> Option<LogVerdict> {
        let leader = self.leader().filter(|_| self.stall.outcome == Outcome::Recovered)?;
        let is_silent = self.lines(leader).all(|line| line.kind.rank() > 2) && self.covers(leader);
        is_silent.then(|| LogVerdict {
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
    fn disk(&self) -> Option<LogVerdict> {
        let subject = self.stall.subject;
        let name = self.name(subject);
        let slowest = self.during(Kind::Fsync).max_by_key(|line| line.took_ms);
        let Some(line) = slowest else {
            let is_missed = self.stall.cause == Cause::DiskSlow && self.covers(subject);
            return is_missed.then(|| LogVerdict {
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
            Cause::SyncSlow => {
                (None, format!("{name} had an fsync of {took} ms, which may be part of why it took so long"))
            }
            Cause::Unknown => {
                (None, format!("{name} had an fsync of {took} ms, which the wire does not decide on"))
            }
            cause => (
                Some(false),
                format!("{name} blames its disk (fsync took {took} ms), the wire shows {}", cause.name()),
            ),
        };
        Some(LogVerdict { agrees, at: Some(line.at), what })
    }

    /// The subject's own notice that it stood still.
    fn pause(&self) -> Option<LogVerdict> {
        let line = self.during(Kind::Pause).max_by_key(|line| line.took_ms)?;
        let name = self.name(self.stall.subject);
        let took = line.took_ms.unwrap_or(0);
        let agrees = match self.stall.cause {
            Cause::ProcessStalled => Some(true),
            Cause::Unknown => None,
            _ => Some(false),
        };
        Some(LogVerdict { agrees, at: Some(line.at), what: format!("{name} stood still for {took} ms") })
    }

    /// The subject noticed the close only when it ran, or heard, again.
    fn noticed_late(&self) -> Option<LogVerdict> {
        let end = self.stall.end.filter(|_| self.stall.outcome != Outcome::Recovered)?;
        // A leader that was away may fail as a follower later, which is another matter.
        let subject = Some(self.stall.subject).filter(|subject| self.leader() != Some(*subject))?;
        let noticed = self.lines(subject).find(|line| {
            matches!(line.kind, Kind::ReadTimeout | Kind::LearnerFailed) && line.at > self.stall.start
        })?;
        let late = noticed.at.since(end);
        (late > LATE).then(|| LogVerdict {
            agrees: None,
            at: Some(noticed.at),
            what: format!("{} noticed {late} after the close, {}", self.name(subject), told(noticed)),
        })
    }

    /// The leader lost its quorum.
    fn quorum(&self) -> Option<LogVerdict> {
        let line = self.stall.log.iter().find(|line| line.kind == Kind::LostQuorum)?;
        let name = line.server.map_or_else(|| "the leader".to_owned(), |server| self.name(server));
        let agrees = self.stall.election.map(|_| true);
        Some(LogVerdict {
            agrees,
            at: Some(line.at),
            what: format!("{name} lost its quorum, {}", told(line)),
        })
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

/// How long before it was seen a close was logged, where that is worth a word.
fn early(line: &LogLine, closed: Timestamp) -> String {
    let span = closed.since(line.at);
    if span > MAX_DISTANCE { format!(", {span} before the close was seen") } else { String::new() }
}

/// The line's own words, in quotes.
fn told(line: &LogLine) -> String {
    format!("'{}'", line.text)
}
