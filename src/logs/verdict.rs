//! Compares the logs with the verdict of the capture: where they agree, and where they do not.
//!
//! The capture decides. A log line is what the process believed once it ran again: `fsync-ing ... took`
//! supports `disk_slow` only if PINGs were answered meanwhile, since a paused process measures a slow fsync
//! too.

use crate::address::Address;
use crate::findings::{
    Cause, Deadline, Link, Outcome, Report, Stall,
    log::{FsyncOnWire, LogEventKind, LogLine, LogSays, LogVerdict, Whose},
};
use crate::time::{Span, Timestamp};

/// How far a line may be from the close that it reports.
const MAX_DISTANCE: Span = Span::from_millis(2_000);
/// A line this much later shows that the process could not write before.
const LATE: Span = Span::from_millis(1_000);

/// The reasons for a leader's close.
const REASONS: [LogEventKind; 4] = [
    LogEventKind::TransactionTimeout,
    LogEventKind::ReadTimeout,
    LogEventKind::LostQuorum,
    LogEventKind::UnreasonableLength,
];

/// Adds the logs' verdicts to each stall.
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

    fn leader(&self) -> Option<Address> {
        self.links.first().map(|link| link.leader.address)
    }

    /// Whether a log of that server covers the whole stall.
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

    /// The leader closed: whether its log gives a reason, and the one that the capture shows.
    fn leaders_close(&self) -> Option<LogVerdict> {
        let leader = self.leader().filter(|_| self.stall.outcome == Outcome::ClosedByLeader)?;
        let end = self.stall.end?;
        let lines = || self.lines(leader).filter(|line| self.is_about(line.at, end));
        let is_so = |line: &&LogLine| match line.kind {
            LogEventKind::ReadTimeout => self.waited(Deadline::LeaderRead) || self.waited(Deadline::Init),
            LogEventKind::TransactionTimeout => self.waited(Deadline::Ack),
            _ => false,
        };
        let reason = lines().find(is_so).or_else(|| lines().find(|line| REASONS.contains(&line.kind)));
        if let Some(line) = reason {
            let is_seen = is_so(&line);
            let (early, text) = (early(line, end), line.text.clone());
            let says = LogSays::LeaderClosed { leader, is_seen, early, line: text };
            return Some(LogVerdict { agrees: Some(is_seen), at: Some(line.at), says });
        }
        let parting = [LogEventKind::HandlerFailed, LogEventKind::Goodbye, LogEventKind::Closing];
        if let Some(line) = lines().find(|line| parting.contains(&line.kind)) {
            let says = LogSays::LeaderParted { leader, line: line.text.clone() };
            return Some(LogVerdict { agrees: None, at: Some(line.at), says });
        }
        self.covers(leader).then(|| self.silence(Whose::Leader(leader)))
    }

    /// Learners closed: whether their logs say so.
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
                matches!(line.kind, LogEventKind::ReadTimeout | LogEventKind::LearnerFailed)
                    && self.is_about(line.at, closed)
            });
            match reason {
                Some(line) => {
                    first = first.or(Some((line, closed)));
                    agree.push(learner);
                }
                None if self.covers(learner) => silent.push(learner),
                None => {}
            }
        }
        match first {
            Some((line, closed)) => Some(self.given_up(agree, line, closed)),
            None => (!silent.is_empty()).then(|| self.silence(Whose::Learners(silent))),
        }
    }

    /// Learners whose logs say that they gave up on the leader.
    fn given_up(&self, learners: Vec<Address>, line: &LogLine, closed: Timestamp) -> LogVerdict {
        let is_timeout = line.kind == LogEventKind::ReadTimeout;
        let is_so = is_timeout && (self.waited(Deadline::LearnerRead) || self.waited(Deadline::Init));
        let says = LogSays::GaveUpLeader {
            learners,
            is_leader_heard: is_timeout && !is_so,
            early: early(line, closed),
            line: line.text.clone(),
        };
        LogVerdict { agrees: is_so.then_some(true), at: Some(line.at), says }
    }

    /// A log without the close. A RST may have come from the kernel alone.
    fn silence(&self, whose: Whose) -> LogVerdict {
        let begun = self
            .stall
            .log
            .iter()
            .find(|line| line.kind == LogEventKind::Started && line.at > self.stall.start);
        if let Some(line) = begun {
            return LogVerdict { agrees: None, at: Some(line.at), says: LogSays::BeginsAnew { whose } };
        }
        let is_reset = self.links.iter().filter_map(|link| link.closed).any(|closed| closed.reset);
        let agrees = if is_reset { None } else { Some(false) };
        LogVerdict { agrees, at: None, says: LogSays::SilentOnClose { whose, is_reset } }
    }

    /// Whether a line may be about a close. A close delayed by a network cut is logged before it is captured.
    fn is_about(&self, at: Timestamp, closed: Timestamp) -> bool {
        at >= self.stall.start && at <= closed.plus(MAX_DISTANCE)
    }

    /// Nothing was closed: ZooKeeper does not log a wait that ends in time.
    fn no_close(&self) -> Option<LogVerdict> {
        let leader = self.leader().filter(|_| self.stall.outcome == Outcome::Recovered)?;
        let is_silent = self.lines(leader).all(|line| line.kind.rank() > 2) && self.covers(leader);
        is_silent.then_some(LogVerdict { agrees: None, at: None, says: LogSays::SilentOnWait { leader } })
    }

    /// The subject's fsync: evidence for a slow disk only if PINGs were answered meanwhile.
    fn disk(&self) -> Option<LogVerdict> {
        let server = self.stall.subject;
        let slowest = self.during(LogEventKind::Fsync).max_by_key(|line| line.took_ms);
        let Some(line) = slowest else {
            let is_missed = self.stall.cause == Cause::DiskSlow && self.covers(server);
            return is_missed.then_some(LogVerdict {
                agrees: Some(false),
                at: None,
                says: LogSays::SilentOnFsync { server },
            });
        };
        let took_ms = line.took_ms.unwrap_or(0);
        let is_mute = self.waited(Deadline::LeaderRead) || self.waited(Deadline::Init);
        let (agrees, wire) = match self.stall.cause {
            Cause::DiskSlow => (Some(true), FsyncOnWire::PingsAnswered),
            Cause::ProcessStalled if is_mute => (Some(false), FsyncOnWire::PingsUnanswered),
            Cause::SyncSlow => (None, FsyncOnWire::Synchronising),
            Cause::Unknown => (None, FsyncOnWire::Undecided),
            cause => (Some(false), FsyncOnWire::Other(cause)),
        };
        Some(LogVerdict { agrees, at: Some(line.at), says: LogSays::Fsync { server, took_ms, wire } })
    }

    /// The subject's own log of a pause.
    fn pause(&self) -> Option<LogVerdict> {
        let line = self.during(LogEventKind::Pause).max_by_key(|line| line.took_ms)?;
        let says = LogSays::Paused { server: self.stall.subject, took_ms: line.took_ms.unwrap_or(0) };
        let agrees = match self.stall.cause {
            Cause::ProcessStalled => Some(true),
            Cause::Unknown => None,
            _ => Some(false),
        };
        Some(LogVerdict { agrees, at: Some(line.at), says })
    }

    /// The subject logged the close only once it ran, or received packets, again.
    fn noticed_late(&self) -> Option<LogVerdict> {
        let end = self.stall.end.filter(|_| self.stall.outcome != Outcome::Recovered)?;
        // A former leader may later fail as a follower, which is unrelated.
        let subject = Some(self.stall.subject).filter(|subject| self.leader() != Some(*subject))?;
        let noticed = self.lines(subject).find(|line| {
            matches!(line.kind, LogEventKind::ReadTimeout | LogEventKind::LearnerFailed)
                && line.at > self.stall.start
        })?;
        let late = noticed.at.since(end);
        (late > LATE).then(|| LogVerdict {
            agrees: None,
            at: Some(noticed.at),
            says: LogSays::NoticedLate { server: subject, late, line: noticed.text.clone() },
        })
    }

    /// The leader lost its quorum.
    fn quorum(&self) -> Option<LogVerdict> {
        let line = self.stall.log.iter().find(|line| line.kind == LogEventKind::LostQuorum)?;
        let says = LogSays::LostQuorum { leader: line.server, line: line.text.clone() };
        let agrees = self.stall.election.map(|_| true);
        Some(LogVerdict { agrees, at: Some(line.at), says })
    }

    /// The subject's lines of a kind whose time overlaps the stall.
    fn during(&self, kind: LogEventKind) -> impl Iterator<Item = &'a LogLine> {
        let (start, end) = (self.stall.start, self.stall.end.unwrap_or(Timestamp::MAX));
        self.lines(self.stall.subject).filter(move |line| {
            let took = Span::from_millis(line.took_ms.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(0));
            line.kind == kind && line.at >= start && line.at.minus(took) <= end
        })
    }
}

/// How long before its capture a close was logged, if it was significant.
fn early(line: &LogLine, closed: Timestamp) -> Option<Span> {
    let span = closed.since(line.at);
    (span > MAX_DISTANCE).then_some(span)
}
