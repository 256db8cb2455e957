//! What the logs of etcd's members say to the incidents that the wire shows.
//!
//! The wire decides. A member that stood still measures a slow disk once it runs again, and puts late heartbeats down to
//! it; a stream that was lost says that nothing came for five seconds, not why.

use super::Placed;
use super::tie::most_telling;
use crate::address::Address;
use crate::findings::incident::Incident;
use crate::findings::log::{LogEventKind, LogLine, LogSays, LogVerdict};
use crate::findings::raft::MemberLog;
use crate::findings::{Cause, Report, Suspect};
use crate::time::{Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What a line may be late by: clocks, a busy logger, and raft's own lines, which have whole seconds.
const TOLERATED: Span = Span::from_millis(1_000);
/// Lines that no incident is about, at most.
const MAX_ONLY: usize = 64;
/// From where on a write to the write-ahead log is slow (`wal.warnSyncDuration`).
const SLOW_SYNC_MS: u64 = 1_000;

/// Gives each incident of etcd's members its lines, and what they say to it.
pub(super) fn tell(report: &mut Report, placed: &[Placed<'_>]) {
    if report.raft.is_empty() || placed.is_empty() {
        return;
    }
    let ids: BTreeMap<u64, Address> =
        report.raft.members.iter().filter_map(|member| Some((member.id?, member.address))).collect();
    let of_members: BTreeSet<Address> = report.raft.members.iter().map(|member| member.address).collect();
    let lines: Vec<MemberSaid<'_>> = placed
        .iter()
        .filter_map(|line| {
            let server = line.server.filter(|server| of_members.contains(server))?;
            let peer = line.event.peer_member.and_then(|id| ids.get(&id).copied());
            Some(MemberSaid { line, server, peer: peer.filter(|peer| *peer != server) })
        })
        .collect();
    let after = Span::from_millis(report.raft.settings.election_ms.cast_signed()).times(2).max(TOLERATED);
    let incidents = report.incidents.iter().filter(|incident| !incident.members.is_empty());
    let scopes: Vec<MemberScope<'_>> =
        incidents.map(|incident| MemberScope::of(incident, report, after)).collect();
    let mut owned: Vec<Vec<usize>> = vec![Vec::new(); scopes.len()];
    let mut only = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let claims = scopes.iter().enumerate().filter(|(_, scope)| scope.holds(line));
        let nearest = claims.min_by_key(|(_, scope)| scope.distance(line.line.at)).map(|(scope, _)| scope);
        match nearest.and_then(|scope| owned.get_mut(scope)) {
            Some(of_scope) => of_scope.push(index),
            None if line.is_trouble() && is_in_sight(line.line.at, report) => only.push(line.line),
            None => {}
        }
    }
    let told = scopes.iter().zip(&owned).filter_map(|(scope, owned)| {
        let own: Vec<&MemberSaid<'_>> = owned.iter().filter_map(|index| lines.get(*index)).collect();
        let says = scope.says(&own, report);
        let lines = most_telling(own.iter().map(|line| line.line).collect());
        (!lines.is_empty() || !says.is_empty()).then_some(MemberLog {
            incident: scope.incident.id,
            lines,
            says,
        })
    });
    let told: Vec<MemberLog> = told.collect();
    only.truncate(MAX_ONLY);
    report.raft.log_only = only.into_iter().map(line_of).collect();
    report.raft.logs = told;
}

fn line_of(line: &Placed<'_>) -> LogLine {
    LogLine {
        server: line.server,
        at: line.at,
        level: line.event.level,
        kind: line.event.kind,
        took_ms: line.event.took_ms,
        peer: None,
        text: line.event.text.clone(),
    }
}

/// Whether the captures would show what a line tells of, and what led to it: members are stopped with them.
fn is_in_sight(at: Timestamp, report: &Report) -> bool {
    let seen = report.input.first.zip(report.input.last);
    seen.is_some_and(|(first, last)| first.plus(TOLERATED) <= at && at.plus(TOLERATED) <= last)
}

/// A line of a member, and whom it names.
struct MemberSaid<'a> {
    line: &'a Placed<'a>,
    server: Address,
    peer: Option<Address>,
}

impl MemberSaid<'_> {
    const fn kind(&self) -> LogEventKind {
        self.line.event.kind
    }

    fn is_lost(&self) -> bool {
        matches!(
            self.kind(),
            LogEventKind::StreamLost | LogEventKind::PeerInactive | LogEventKind::ProbeFailed
        )
    }

    const fn is_slow(&self) -> bool {
        matches!(self.kind(), LogEventKind::WalSync | LogEventKind::HeartbeatLate)
    }

    const fn is_of_lead(&self) -> bool {
        matches!(
            self.kind(),
            LogEventKind::Campaign | LogEventKind::LeaderKnown | LogEventKind::QuorumInactive
        )
    }

    /// Whether it tells of something that ought to show on the wire.
    fn is_trouble(&self) -> bool {
        match self.kind() {
            LogEventKind::StreamLost => self.line.event.text.contains("i/o timeout"),
            LogEventKind::WalSync => self.line.event.took_ms.is_some_and(|ms| ms >= SLOW_SYNC_MS),
            LogEventKind::HeartbeatLate | LogEventKind::QuorumInactive => true,
            _ => false,
        }
    }

    /// When what it tells of began.
    fn since(&self) -> Timestamp {
        let took = self.line.event.took_ms.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(0);
        self.line.at.minus(Span::from_millis(took))
    }
}

/// The lines that belong to an incident.
struct MemberScope<'a> {
    incident: &'a Incident,
    start: Timestamp,
    end: Timestamp,
    after: Span,
}

impl<'a> MemberScope<'a> {
    fn of(incident: &'a Incident, report: &Report, after: Span) -> Self {
        let end = incident.end.or(report.input.last).unwrap_or(incident.start);
        Self { incident, start: incident.start, end, after }
    }

    fn distance(&self, at: Timestamp) -> Span {
        self.start.since(at).max(at.since(self.end)).max(Span::ZERO)
    }

    /// The member that is to blame, if it is one.
    const fn host(&self) -> Option<Address> {
        match self.incident.suspect {
            Some(Suspect::Host(host) | Suspect::HostNetwork(host)) => Some(host),
            _ => None,
        }
    }

    fn holds(&self, line: &MemberSaid<'_>) -> bool {
        let is_then =
            self.start.minus(TOLERATED) <= line.line.at && line.since() <= self.end.plus(self.after);
        let is_ours = |one: Address| self.incident.members.contains(&one);
        let is_about = match (line.peer, self.incident.suspect) {
            (Some(peer), Some(Suspect::Host(host) | Suspect::HostNetwork(host))) => {
                peer == host || line.server == host
            }
            (Some(peer), Some(Suspect::Path(a, b) | Suspect::OneWay(a, b))) => {
                [(a, b), (b, a)].contains(&(line.server, peer))
            }
            (None, Some(Suspect::Host(host) | Suspect::HostNetwork(host))) => {
                line.server == host || line.is_of_lead()
            }
            _ => true,
        };
        is_then && (is_ours(line.server) || line.is_of_lead()) && is_about
    }

    fn says(&self, lines: &[&MemberSaid<'_>], report: &Report) -> Vec<LogVerdict> {
        let mut says = Vec::new();
        says.extend(self.slow(lines));
        says.extend(self.lost(lines));
        says.extend(self.began(lines));
        says.extend(self.lead(lines));
        if says.is_empty() {
            says.extend(self.silent(report));
        }
        says
    }

    /// The suspect's own account of a slow disk.
    fn slow(&self, lines: &[&MemberSaid<'_>]) -> Option<LogVerdict> {
        let host = self.host()?;
        let own = lines.iter().filter(|line| line.server == host && line.is_slow());
        let within = own.filter(|line| line.since() <= self.end);
        let line =
            within.max_by_key(|line| (line.kind() == LogEventKind::WalSync, line.line.event.took_ms))?;
        let agrees = match self.incident.root {
            Cause::DiskSlow => Some(true),
            Cause::ProcessEnded | Cause::Unknown | Cause::SnapshotSlow => None,
            _ => Some(false),
        };
        let says = LogSays::MemberSlow {
            member: host,
            heartbeats: line.kind() == LogEventKind::HeartbeatLate,
            took_ms: line.line.event.took_ms,
            wire: self.incident.root,
            is_seen: agrees,
        };
        Some(LogVerdict { agrees, at: Some(line.line.at), says })
    }

    /// Who lost streams from the suspect, or from each other.
    fn lost(&self, lines: &[&MemberSaid<'_>]) -> Option<LogVerdict> {
        let is_lost = |line: &&&MemberSaid<'_>| {
            line.is_lost() && line.line.at >= self.start && Some(line.server) != self.host()
        };
        let first = lines.iter().find(is_lost)?;
        let mut members: Vec<Address> = lines.iter().filter(is_lost).map(|line| line.server).collect();
        members.sort_unstable();
        members.dedup();
        let agrees = match self.incident.root {
            Cause::ProcessStalled
            | Cause::NetworkCut
            | Cause::NetworkLoss
            | Cause::NetworkSlow
            | Cause::ProcessEnded => Some(true),
            _ => None,
        };
        let line = first.line.event.text.clone();
        let says = LogSays::MembersLost { members, peer: first.peer, line };
        Some(LogVerdict { agrees, at: Some(first.line.at), says })
    }

    fn began(&self, lines: &[&MemberSaid<'_>]) -> Option<LogVerdict> {
        let host = self.host().filter(|_| self.incident.root == Cause::ProcessEnded)?;
        let is_it = |line: &&&MemberSaid<'_>| {
            line.server == host && line.kind() == LogEventKind::MemberStarted && line.line.at >= self.start
        };
        let line = lines.iter().find(is_it)?;
        let says = LogSays::MemberBegan { member: host };
        Some(LogVerdict { agrees: Some(true), at: Some(line.line.at), says })
    }

    fn lead(&self, lines: &[&MemberSaid<'_>]) -> Option<LogVerdict> {
        let of_lead = || lines.iter().filter(|line| line.is_of_lead());
        let last = of_lead().next_back()?;
        let mut members: Vec<Address> = of_lead().map(|line| line.server).collect();
        members.sort_unstable();
        members.dedup();
        let is_seen = !self.incident.elections.is_empty();
        let line = last.line.event.text.clone();
        let says = LogSays::LeadChanged { members, is_seen, line };
        Some(LogVerdict { agrees: is_seen.then_some(true), at: Some(last.line.at), says })
    }

    /// Logs that reach over all of it, and have no word about it.
    fn silent(&self, report: &Report) -> Option<LogVerdict> {
        let covers = report.input.logs.iter().filter(|log| {
            log.first.is_some_and(|first| first <= self.start)
                && log.last.is_some_and(|last| last >= self.end)
        });
        let members: Vec<Address> =
            covers.filter_map(|log| log.server).filter(|one| self.incident.members.contains(one)).collect();
        (!members.is_empty()).then_some(LogVerdict {
            agrees: None,
            at: None,
            says: LogSays::MembersSilent { members },
        })
    }
}
