//! Incidents of etcd's members, in etcd's own terms.

use super::{Deed, IncidentWords};
use crate::address::Address;
use crate::findings::incident::{Incident, PeerReason};
use crate::findings::{Cause, Role, Suspect};
use crate::report::clock;
use crate::report::wording::number;

/// Whether an incident is one of etcd's members.
pub(super) const fn is_of_peers(incident: &Incident) -> bool {
    !incident.members.is_empty()
}

impl IncidentWords<'_> {
    /// What happened.
    pub(super) fn peer_deed(&self, incident: &Incident) -> Deed {
        let of = |did: String, meaning| Deed { did, meaning };
        let who = |member| self.member(incident, member);
        let Some(suspect) = incident.suspect else {
            return of(self.peer_change(incident), "these captures do not show why");
        };
        match (incident.root, suspect) {
            (Cause::ProcessStalled, Suspect::Host(one)) => {
                of(format!("{} STOOD STILL", who(one)), "its kernel answered, its process did not")
            }
            (Cause::DiskSlow, Suspect::Host(one)) => of(
                format!("THE DISK OF {} WAS SLOW", who(one)),
                "its link heartbeats went on, while raft's messages waited for the write-ahead log",
            ),
            (Cause::ProcessEnded, Suspect::Host(one)) => of(
                match incident.end {
                    Some(_) => format!("{} WAS DOWN", who(one)),
                    None => format!("{} WENT DOWN", who(one)),
                },
                "its process ended: its own kernel closed its connections and refused the next",
            ),
            (Cause::NetworkCut, Suspect::HostNetwork(one)) => of(
                format!("{} WAS CUT OFF", who(one)),
                "nothing got through on any of its paths; a dead host looks the same",
            ),
            (Cause::NetworkCut, Suspect::OneWay(from, to)) => {
                of(format!("NOTHING FROM {} REACHED {}", who(from), who(to)), "one way only")
            }
            (Cause::NetworkCut, Suspect::Path(a, b)) => of(
                format!("NOTHING GOT THROUGH BETWEEN {} AND {}", who(a), who(b)),
                "on the path between these two; a dead host looks the same",
            ),
            (Cause::NetworkSlow, suspect) => of(
                format!("THE NETWORK {} WAS SLOW", self.peer_place(incident, suspect)),
                "everything arrived, late",
            ),
            (Cause::NetworkLoss, suspect) => of(
                format!("PACKETS {} WERE LOST", self.peer_place(incident, suspect)),
                "some got through, after retransmissions",
            ),
            (Cause::SnapshotSlow, suspect) => of(
                format!("A SNAPSHOT {} WAS SLOW", self.peer_place(incident, suspect)),
                "a follower that lags behind gets the whole database, and counts for nothing until it has it",
            ),
            (Cause::ElectionNeedless, Suspect::Host(one)) => of(
                format!("{} CALLED A NEEDLESS ELECTION", who(one)),
                "it had answered its leader's heartbeats until then, and was not asked to take the lead",
            ),
            (_, suspect) => of(
                format!("SOMETHING FAILED {}", self.peer_place(incident, suspect)),
                "these captures do not show what",
            ),
        }
    }

    fn peer_place(&self, incident: &Incident, suspect: Suspect) -> String {
        match suspect {
            Suspect::Host(one) | Suspect::HostNetwork(one) => format!("OF {}", self.member(incident, one)),
            Suspect::Path(a, b) | Suspect::OneWay(a, b) => {
                format!("BETWEEN {} AND {}", self.member(incident, a), self.member(incident, b))
            }
        }
    }

    fn peer_change(&self, incident: &Incident) -> String {
        let change = incident.why.iter().find_map(|reason| match reason {
            crate::findings::incident::Reason::Peer(PeerReason::LeaderChanged { from, to }) => {
                Some((*from, *to))
            }
            _ => None,
        });
        match change {
            Some((from, to)) => format!("{} LOST THE LEAD TO {}", self.name(from), self.name(to)),
            None => format!("CONTACT WAS LOST AMONG {}", self.names_or_count(&incident.members, "members")),
        }
    }

    /// A member with its role when the incident began: `LEADER 10.0.0.7`.
    fn member(&self, incident: &Incident, member: Address) -> String {
        let member_of = self.report.raft.members.iter().find(|one| one.address == member);
        let spans = member_of.into_iter().flat_map(|one| one.roles.iter().rev());
        let mut then =
            spans.filter(|span| span.from <= incident.start && span.to.is_none_or(|to| to > incident.start));
        let role = match then.next().map(|span| span.role) {
            Some(Role::Leader) => "LEADER ",
            Some(Role::Follower) => "FOLLOWER ",
            _ => "",
        };
        format!("{role}{}", self.name(member))
    }

    /// Who led next, and how long nobody did.
    pub(super) fn peer_followed(&self, incident: &Incident) -> Vec<String> {
        let zookeepers = self.report.elections.len();
        let elections = incident.elections.iter().filter_map(|index| {
            index.checked_sub(zookeepers).and_then(|index| self.report.raft.elections.get(index))
        });
        let mut clauses: Vec<String> = elections
            .map(|election| {
                let later = clock::between(incident.start.min(election.end), election.end);
                let again = if election.before == Some(election.leader) { " again" } else { "" };
                format!("{} led{again} {later} later", self.name(election.leader))
            })
            .collect();
        let outages = self.report.outages.iter().filter(|outage| incident.outages.contains(&outage.id));
        clauses.extend(outages.map(|outage| {
            let seen = if outage.is_certain { "" } else { " as far as is seen" };
            format!("nobody led for {}{seen}", clock::millis(outage.duration_ms))
        }));
        if clauses.is_empty() {
            clauses.push("no leader was lost".to_owned());
        }
        clauses
    }

    /// What to look at next on a member.
    pub(super) fn peer_checks(&self, incident: &Incident) -> Vec<String> {
        match incident.suspect {
            Some(Suspect::Host(one) | Suspect::HostNetwork(one)) => {
                vec![format!("check on {}: {}", self.place(one), on_member(incident.root))]
            }
            Some(Suspect::Path(a, b) | Suspect::OneWay(a, b)) => {
                let at = format!("check between {} and {}", self.place(a), self.place(b));
                vec![format!("{at}: {}", self.on_path(incident.root, b))]
            }
            None => {
                let names = self.names_or_count(&incident.members, "members");
                vec![format!(
                    "check on {names}: etcd's log, iostat -x, ip -s link; a capture on each would decide"
                )]
            }
        }
    }

    /// One reason in a clause.
    pub(super) fn peer_reason(&self, reason: &PeerReason) -> String {
        let times = |count: u32| number::count(u64::from(count), "time", "times");
        match *reason {
            PeerReason::KernelAnswered { member, answers, is_own } => {
                let by = if is_own { ", as its own capture shows" } else { "" };
                format!(
                    "the kernel of {} acknowledged {}, while its process wrote nothing, not even link heartbeats{by}",
                    self.name(member),
                    times(answers)
                )
            }
            PeerReason::NothingCame { member, other, again } => format!(
                "no frame of {} came, while {} retransmitted {} in vain",
                self.name(member),
                self.name(other),
                times(again)
            ),
            PeerReason::HeardButNotHearing { member, other, again } => format!(
                "{} was heard to retransmit or dial {}, and never acknowledged what {} sent",
                self.name(member),
                times(again),
                self.name(other)
            ),
            PeerReason::ClosedAndRefused { member } => {
                format!(
                    "the kernel of {} closed its connections at one moment, and refused new ones",
                    self.name(member)
                )
            }
            PeerReason::RaftWaited { member, waits, longest_ms, leads } => {
                let what = if leads { "heartbeats" } else { "answers" };
                format!(
                    "raft's {what} of {} came late {}, by up to {}, and nothing was retransmitted",
                    self.name(member),
                    times(waits),
                    clock::millis(longest_ms)
                )
            }
            PeerReason::LeaderMute { member, beside } => format!(
                "the leader {} sent nothing of raft's, but {} link heartbeats or answers; a busy raft loop looks the same",
                self.name(member),
                beside
            ),
            PeerReason::AcknowledgedLate { member, other, late, middle_ms } => format!(
                "{} acknowledgments of {} to {} took {} and more",
                late,
                self.name(member),
                self.name(other),
                clock::millis(middle_ms)
            ),
            PeerReason::CameWhenSentAgain { member, other, holes, again } => format!(
                "from {} to {} segments were missing {} and came when they were retransmitted ({again} retransmissions \
                 both ways)",
                self.name(member),
                self.name(other),
                times(holes)
            ),
            PeerReason::CalledNeedlessly { member, leader, heard_ms } => format!(
                "{} had answered a heartbeat of {} {} before it asked for votes",
                self.name(member),
                self.name(leader),
                clock::millis(heard_ms)
            ),
            PeerReason::SnapshotTook { from, to, bytes, sent_ms, waited_ms } => format!(
                "{} sent {} {} of a snapshot in {}, and {} answered {} later",
                self.name(from),
                self.name(to),
                number::bytes(bytes),
                clock::millis(sent_ms),
                self.name(to),
                clock::millis(waited_ms)
            ),
            PeerReason::Undecided => "the captures contradict each other".to_owned(),
            PeerReason::LeaderChanged { from, to } => {
                format!(
                    "{} led after {}, and nothing these captures show explains it",
                    self.name(to),
                    self.name(from)
                )
            }
        }
    }
}

/// What to look at on a member's host.
const fn on_member(root: Cause) -> &'static str {
    match root {
        Cause::ProcessStalled => "CPU throttling (cpu.stat), swap (sar -W), a paused VM or SIGSTOP",
        Cause::DiskSlow => {
            "iostat -x, etcd_disk_wal_fsync_duration_seconds, what else writes to the disk of data-dir or wal-dir"
        }
        Cause::ProcessEnded => "dmesg for the OOM killer, journalctl -u etcd, who restarted it",
        Cause::SnapshotSlow => "iostat -x while it saves the database, its size (etcdctl endpoint status)",
        Cause::ElectionNeedless => {
            "its log around that time, --election-timeout of each member (all must be the same), its clock and CPU"
        }
        Cause::NetworkCut => {
            "whether it was up (last -x, dmesg), ip -s link, its switch port, firewall rules"
        }
        Cause::NetworkLoss => "ip -s link and ethtool -S, its switch port, cable and duplex",
        Cause::NetworkSlow => "sar -n DEV, tc -s qdisc, load of its uplink",
        _ => "etcd's log, iostat -x, ip -s link",
    }
}
