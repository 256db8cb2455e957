//! Incidents in words: who did what, and when; what followed; why this and not another; what to look at next.
//!
//! Every form takes these sentences from here. The summary names the culprit, never whoever noticed.

mod checks;
mod followed;
mod peer;
mod why;

use super::{Names, number};
use crate::address::Address;
use crate::findings::incident::{Incident, Reason};
use crate::findings::{Cause, Deadline, Link, Report, Role, Stall, Suspect};
use crate::report::clock::{self, Digits, WallClock};
use crate::time::Timestamp;
use jiff::tz::TimeZone;

/// A report's incidents in words.
#[derive(Debug)]
pub struct IncidentWords<'a> {
    report: &'a Report,
    names: Names,
    clock: WallClock,
}

/// What happened, in two halves: the first tells who did what, the second what that means.
struct Deed {
    did: String,
    meaning: &'static str,
}

impl<'a> IncidentWords<'a> {
    /// Words for a report's incidents, with times of a zone.
    #[must_use]
    pub fn new(report: &'a Report, clock: WallClock) -> Self {
        Self { report, names: Names::of(report), clock }
    }

    /// Words with times in UTC, as programs get them.
    #[must_use]
    pub fn in_utc(report: &'a Report) -> Self {
        Self::new(report, WallClock { zone: TimeZone::UTC, digits: Digits::Six })
    }

    /// Who did what, when, and what that means: one sentence.
    #[must_use]
    pub fn summary(&self, incident: &Incident) -> String {
        let meaning = self.meaning(incident);
        format!("{} ({meaning})", self.headline(incident))
    }

    /// Who did what, and when: `LEADER zk5 STOOD STILL for 10.0 s, from 09:33:38.1 to 09:33:48.1`.
    #[must_use]
    pub fn headline(&self, incident: &Incident) -> String {
        let times = if incident.count > 1 {
            format!(" {} times", number::grouped(incident.count))
        } else {
            String::new()
        };
        format!("{}{times} {}", self.deed(incident).did, self.when(incident))
    }

    /// What the headline means, in terms of packets.
    #[must_use]
    pub fn meaning(&self, incident: &Incident) -> &'static str {
        self.deed(incident).meaning
    }

    /// The moments of the root itself. The end shown is the start shown and the length shown, so that the three
    /// agree.
    fn when(&self, incident: &Incident) -> String {
        const SHORT_MS: u64 = 1_000;
        let start = self.moment(incident.start);
        let lasted = clock::millis(incident.duration_ms);
        match incident.end {
            Some(end) if end > incident.start && incident.duration_ms >= SHORT_MS => {
                let shown_end = clock::tenths(incident.start).plus(clock::tenths_of(incident.duration_ms));
                format!("for {lasted}, from {start} to {}", self.moment(shown_end))
            }
            Some(end) if end > incident.start => format!("for {lasted} at {start}"),
            Some(_) => format!("at {start}"),
            None if incident.root == Cause::ProcessEnded || incident.root == Cause::LinkReset => {
                format!("at {start}")
            }
            None => format!("from {start} on, for at least {lasted}"),
        }
    }

    /// A time to the tenth of a second; with its date where the captures span more than one day.
    fn moment(&self, at: Timestamp) -> String {
        let input = &self.report.input;
        let is_one_day =
            input.first.zip(input.last).is_some_and(|(first, last)| self.clock.is_same_day(first, last));
        if is_one_day { self.clock.tenth(at) } else { self.clock.day_and_tenth(at) }
    }

    fn deed(&self, incident: &Incident) -> Deed {
        if peer::is_of_peers(incident) {
            return self.peer_deed(incident);
        }
        let of = |did: String, meaning| Deed { did, meaning };
        let who = |host| self.who(incident, host);
        let Some(suspect) = incident.suspect else {
            return of(self.no_culprit(incident), no_culprit_means(incident.root));
        };
        match (incident.root, suspect) {
            (Cause::Unknown, _) => of(self.no_culprit(incident), no_culprit_means(Cause::Unknown)),
            (Cause::NetworkCut, suspect) => self.cut(incident, suspect),
            (Cause::LinkReset, suspect) => of(
                match self.hosts(incident, suspect) {
                    (host, None) => format!("THE LINKS OF {host} WERE RESET"),
                    (a, Some(b)) => format!("THE LINK BETWEEN {a} AND {b} WAS RESET"),
                },
                "a RST that neither process meant: both went on",
            ),
            (Cause::NetworkLoss, suspect) => of(
                match (suspect, self.hosts(incident, suspect)) {
                    (Suspect::OneWay(..), (from, Some(to))) => {
                        format!("PACKETS FROM {from} TO {to} WERE LOST")
                    }
                    (_, (a, Some(b))) => format!("PACKETS BETWEEN {a} AND {b} WERE LOST"),
                    (_, (host, None)) => format!("PACKETS TO AND FROM {host} WERE LOST"),
                },
                "some got through, after retransmissions",
            ),
            (Cause::NetworkSlow, suspect) => of(
                match (suspect, self.hosts(incident, suspect)) {
                    (Suspect::OneWay(..), (from, Some(to))) => {
                        format!("THE NETWORK FROM {from} TO {to} WAS SLOW")
                    }
                    (_, (a, Some(b))) => format!("THE NETWORK BETWEEN {a} AND {b} WAS SLOW"),
                    (_, (host, None)) => format!("THE NETWORK OF {host} WAS SLOW"),
                },
                "everything arrived, late",
            ),
            (Cause::NetworkMtu, suspect) => of(
                match (suspect, self.hosts(incident, suspect)) {
                    (Suspect::OneWay(..), (from, Some(to))) => {
                        format!("LONG PACKETS FROM {from} TO {to} VANISHED")
                    }
                    (_, (a, Some(b))) => format!("LONG PACKETS BETWEEN {a} AND {b} VANISHED"),
                    (_, (host, None)) => format!("LONG PACKETS OF {host} VANISHED"),
                },
                "short ones passed: some hop has a smaller MTU",
            ),
            (Cause::ConnectUnanswered, suspect) => of(
                match self.hosts(incident, suspect) {
                    (from, Some(to)) => format!("{to} DID NOT ANSWER {from}"),
                    (host, None) => format!("{host} ANSWERED NOBODY"),
                },
                "no SYN was answered: a firewall, a wrong address, a host that is down",
            ),
            (Cause::ConnectRefused, Suspect::Path(a, b)) => of(
                format!("{} TURNED {} AWAY", who(a), who(b)),
                "it has the higher id and must dial itself, and no election connection came of that",
            ),
            (Cause::ElectionLinkDead, Suspect::Path(a, b) | Suspect::OneWay(a, b)) => of(
                format!("THE ELECTION CONNECTION BETWEEN {} AND {} WAS DEAD", who(a), who(b)),
                "votes were retransmitted into the void, though the path was alive",
            ),
            (root, Suspect::Host(host) | Suspect::HostNetwork(host)) => self.of_host(incident, root, host),
            (root, Suspect::Path(a, b) | Suspect::OneWay(a, b)) => {
                of(format!("THE LINK BETWEEN {} AND {} FAILED", who(a), who(b)), no_culprit_means(root))
            }
        }
    }

    /// A server's own fault.
    fn of_host(&self, incident: &Incident, root: Cause, host: Address) -> Deed {
        let who = self.who(incident, host);
        let (did, meaning) = match root {
            Cause::ProcessStalled => {
                (format!("{who} STOOD STILL"), "its kernel answered, its process did not")
            }
            Cause::DiskSlow if self.leads(incident, host) => (
                format!("THE DISK OF {who} WAS SLOW"),
                "its followers acknowledged writes at once, its own COMMITs came late",
            ),
            Cause::DiskSlow => {
                (format!("THE DISK OF {who} WAS SLOW"), "it answered PINGs, but acknowledged writes late")
            }
            Cause::SyncSlow if acked_too_early(incident) => (
                format!("{who} WAS NOT TOLD THAT IT IS UP TO DATE"),
                "its leader misread its first ACK (ZOOKEEPER-4685)",
            ),
            Cause::SyncSlow => {
                (format!("{who} WAS TOO SLOW TO SYNCHRONIZE"), "that took longer than initLimit allows")
            }
            Cause::ProcessEnded => (
                match incident.end {
                    Some(_) => format!("{who} WAS DOWN"),
                    None => format!("{who} WENT DOWN"),
                },
                "its process ended: its own kernel closed its connections",
            ),
            Cause::ConnectRefused => (format!("{who} REFUSED CONNECTIONS"), "nobody listened on that port"),
            Cause::PacketTooLarge => (refuses(&who, incident), "larger than its jute.maxbuffer"),
            Cause::SyncLoop => {
                (format!("{who} JOINED AND WAS GONE AGAIN"), "none of the joins got as far as serving")
            }
            _ => (format!("{who} FAILED"), no_culprit_means(root)),
        };
        Deed { did, meaning }
    }

    fn cut(&self, incident: &Incident, suspect: Suspect) -> Deed {
        let who = |host| self.who(incident, host);
        let (did, meaning) = match suspect {
            Suspect::Host(host) => {
                (format!("{} WAS UNREACHABLE", who(host)), "nothing got through; a dead host looks the same")
            }
            Suspect::HostNetwork(host) => {
                (format!("{} WAS CUT OFF", who(host)), "nothing got through on any of its paths")
            }
            Suspect::Path(a, b) => (
                format!("NOTHING GOT THROUGH BETWEEN {} AND {}", who(a), who(b)),
                "on the path between these two, both ways",
            ),
            Suspect::OneWay(from, to) => {
                (format!("NOTHING FROM {} REACHED {}", who(from), who(to)), "one way only")
            }
        };
        Deed { did, meaning }
    }

    /// Nobody is blamed: between whom it was.
    fn no_culprit(&self, incident: &Incident) -> String {
        let links: Vec<_> = incident.links.iter().filter_map(|id| self.link(*id)).collect();
        let mut leaders: Vec<Address> = links.iter().map(|link| link.leader.address).collect();
        let mut learners: Vec<Address> = links.iter().map(|link| link.learner.address).collect();
        if links.is_empty()
            && let Some(logged) = self.logged(incident)
        {
            return logged;
        }
        for side in [&mut leaders, &mut learners] {
            side.sort_unstable();
            side.dedup();
        }
        let is_late = !incident.stalls.is_empty() && self.stalls(incident).all(|stall| !is_silence(stall));
        let what = if is_late { "WRITES STALLED" } else { "CONTACT WAS LOST" };
        match (leaders.as_slice(), learners.as_slice()) {
            ([leader], [learner]) => {
                format!("{what} BETWEEN {} AND {}", self.who(incident, *leader), self.name(*learner))
            }
            ([leader], others) if !others.is_empty() => format!(
                "{what} BETWEEN {} AND {}",
                self.who(incident, *leader),
                self.names_or_count(others, "learners")
            ),
            (others, [learner]) if !others.is_empty() => format!(
                "{what} BETWEEN {} AND {}",
                self.who(incident, *learner),
                self.names_or_count(others, "leaders")
            ),
            _ => what.to_owned(),
        }
    }

    /// Of whom a log speaks where no link of theirs is in sight.
    fn logged(&self, incident: &Incident) -> Option<String> {
        let (server, leads, peer) = incident.why.iter().find_map(|reason| match reason {
            Reason::Logged { server: Some(server), leads, peer, .. } => Some((*server, *leads, *peer)),
            _ => None,
        })?;
        let who = self.who(incident, server);
        Some(match peer {
            Some(peer) => format!("CONTACT WAS LOST BETWEEN {who} AND {}", self.name(peer)),
            None if leads => format!("{who} LOST ITS QUORUM"),
            None => format!("{who} LOST ITS LEADER"),
        })
    }

    /// The host, or both ends of a path.
    fn hosts(&self, incident: &Incident, suspect: Suspect) -> (String, Option<String>) {
        match suspect {
            Suspect::Host(host) | Suspect::HostNetwork(host) => (self.who(incident, host), None),
            Suspect::Path(a, b) | Suspect::OneWay(a, b) => {
                (self.who(incident, a), Some(self.who(incident, b)))
            }
        }
    }

    fn name(&self, host: Address) -> String {
        self.names.name(host)
    }

    /// A server with its role at the time: `LEADER zk5`.
    fn who(&self, incident: &Incident, host: Address) -> String {
        let role = match self.role(incident, host) {
            Some(Role::Leader) => "LEADER ",
            Some(Role::Follower) => "FOLLOWER ",
            Some(Role::Observer) => "OBSERVER ",
            Some(Role::Looking) | None => "",
        };
        format!("{role}{}", self.name(host))
    }

    /// What a server was when the incident began; a learner's own link tells where nothing else does.
    fn role(&self, incident: &Incident, host: Address) -> Option<Role> {
        let is_then = |from: Timestamp, to: Option<Timestamp>| {
            from <= incident.start && to.is_none_or(|to| to > incident.start)
        };
        let server = self.report.servers.iter().find(|server| server.address == host);
        let spans = server.into_iter().flat_map(|server| server.roles.iter().rev());
        let mut known = spans.filter(|span| span.role != Role::Looking && is_then(span.from, span.to));
        known.next().map(|span| span.role).or_else(|| {
            let mut links = incident.links.iter().filter_map(|id| self.link(*id));
            links.find_map(|link| match () {
                () if link.leader.address == host => Some(Role::Leader),
                () if link.learner.address == host => link.role,
                () => None,
            })
        })
    }

    fn leads(&self, incident: &Incident, host: Address) -> bool {
        self.role(incident, host) == Some(Role::Leader)
    }

    fn link(&self, id: u32) -> Option<&'a Link> {
        self.report.links.iter().find(|link| link.id == id)
    }

    fn stalls(&self, incident: &'a Incident) -> impl Iterator<Item = &'a Stall> {
        incident.stalls.iter().filter_map(|id| self.report.stalls.iter().find(|stall| stall.id == *id))
    }

    /// `zk1`, `zk1 and zk2`, `4 followers`.
    fn names_or_count(&self, hosts: &[Address], many: &str) -> String {
        const NAMED: usize = 3;
        if hosts.len() > NAMED {
            return format!("{} {many}", hosts.len());
        }
        let names: Vec<_> = hosts.iter().map(|host| self.name(*host)).collect();
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            _ => names.concat(),
        }
    }
}

/// Whether somebody was not heard at all, rather than late with its ACKs.
fn is_silence(stall: &Stall) -> bool {
    stall.deadlines.iter().any(|deadline| *deadline != Deadline::Ack)
}

fn acked_too_early(incident: &Incident) -> bool {
    incident.why.iter().any(|reason| matches!(reason, Reason::AckedTooEarly { .. }))
}

/// Which transaction a server refused.
fn refuses(who: &str, incident: &Incident) -> String {
    let what = incident.why.iter().find_map(|reason| match reason {
        Reason::TooLarge { kind, size, .. } => Some(format!("A {kind} OF {} BYTES", number::grouped(*size))),
        _ => None,
    });
    format!("{who} REFUSED {}", what.as_deref().unwrap_or("A TRANSACTION"))
}

/// What is known where nobody is blamed.
const fn no_culprit_means(root: Cause) -> &'static str {
    match root {
        Cause::SnapshotSlow => "a database took too long on its way",
        Cause::ElectionNeedless => "the old leader was heard in time",
        Cause::Unknown => "these captures do not show why",
        Cause::ProcessStalled => "a process stood still; these captures do not show whose",
        Cause::DiskSlow => "a disk was slow; these captures do not show whose",
        Cause::ProcessEnded => "a process ended; these captures do not show whose",
        Cause::SyncSlow => "synchronization took longer than initLimit allows",
        Cause::NetworkCut => "nothing got through; a dead host looks the same",
        Cause::NetworkLoss => "some packets got through, after retransmissions",
        Cause::NetworkSlow => "everything arrived, late",
        Cause::NetworkMtu => "long packets vanished, short ones passed",
        Cause::LinkReset => "a RST that neither process meant: both went on",
        Cause::ConnectRefused => "nobody listened on that port",
        Cause::ConnectUnanswered => "nothing answered: a firewall, a wrong address, a host that is down",
        Cause::ElectionLinkDead => "something in between had forgotten the connection",
        Cause::PacketTooLarge => "larger than its jute.maxbuffer",
        Cause::SyncLoop => "none of the joins got as far as serving",
    }
}
