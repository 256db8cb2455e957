//! Why an incident has its root and not another.

use super::IncidentWords;
use crate::address::Address;
use crate::findings::incident::{Incident, JoinsLost, Reason};
use crate::findings::{Cause, Suspect};
use crate::report::clock;
use crate::report::wording::number;
use crate::time::Timestamp;

impl IncidentWords<'_> {
    /// Why this root and not another, a clause each.
    #[must_use]
    pub fn why(&self, incident: &Incident) -> Vec<String> {
        incident.why.iter().map(|reason| self.reason(reason)).collect()
    }

    /// One reason in a clause.
    #[must_use]
    pub fn reason(&self, reason: &Reason) -> String {
        match reason {
            Reason::RunnerUp { cause, suspect } => {
                format!("these captures do not rule out {}", self.thing(*cause, *suspect))
            }
            Reason::CaptureWouldDecide { host } => format!("a capture on {} would decide", self.name(*host)),
            Reason::KernelAnswered { host, answers, silent_to } => format!(
                "the kernel of {} answered {}, while its process sent nothing new to {}",
                self.name(*host),
                number::count(u64::from(*answers), "time", "times"),
                match silent_to {
                    1 => "the one host that these captures show it talk to".to_owned(),
                    hosts => format!("any of {hosts} hosts"),
                }
            ),
            Reason::NothingArrived { leader, learner, to_learner, to_leader } => {
                let (leader, learner) = (self.name(*leader), self.name(*learner));
                match (to_learner, to_leader) {
                    (true, true) => format!("nothing that {leader} and {learner} sent each other arrived"),
                    (true, false) => format!("nothing that {leader} sent arrived at {learner}"),
                    (false, true) => format!("nothing that {learner} sent arrived at {leader}"),
                    (false, false) => format!(
                        "between {leader} and {learner} retransmissions were never answered; a dead host looks the same"
                    ),
                }
            }
            Reason::GotThroughAfterRetransmission { recoveries, again } => format!(
                "segments were retransmitted {}, and {} one got through after that",
                number::count(u64::from(*again), "time", "times"),
                number::count(*recoveries as u64, "time", "times")
            ),
            Reason::ArrivedLate { leader, learner } => format!(
                "what passed between {} and {} arrived, but late",
                self.name(*leader),
                self.name(*learner)
            ),
            Reason::NoPing { leader, learner } => format!(
                "{} sent no PING to {}, though it owes one every half tick",
                self.name(*leader),
                self.name(*learner)
            ),
            Reason::LongSegmentsVanish => {
                "long segments were retransmitted in vain while short ones arrived".to_owned()
            }
            Reason::ClosedAllAtOnce { host, connections } => format!(
                "the kernel of {} closed {} at one moment",
                self.name(*host),
                number::count(*connections as u64, "connection", "connections")
            ),
            Reason::DialsFailed { from, to, attempts, is_refused } => format!(
                "{} dialed {}:{} {}, and {}",
                self.name(*from),
                self.name(to.address),
                to.port,
                number::count(*attempts, "time", "times"),
                if *is_refused { "a RST answered" } else { "nothing answered" }
            ),
            Reason::TurnedAway { from, to, times } => format!(
                "{to} let go of {from}'s election connection {}, as the server with the higher id does, and no \
                 connection of its own to {from} stood",
                number::count(*times, "time", "times"),
                from = self.name(*from),
                to = self.name(*to),
            ),
            Reason::VotesIntoTheVoid { from, to, again, is_reset } => format!(
                "{} retransmitted votes to {} {} in vain, while other connections between the two were alive{}",
                self.name(*from),
                self.name(*to),
                number::count(u64::from(*again), "time", "times"),
                if *is_reset { "; a RST answered at last" } else { "" }
            ),
            Reason::TooLarge { learner, kind, size, path, times } => format!(
                "{} closed its link {} when a {kind} of {} bytes came{}",
                self.name(*learner),
                number::count(*times, "time", "times"),
                number::grouped(*size),
                path.as_ref().map(|path| format!(", of {path}")).unwrap_or_default()
            ),
            Reason::Peer(reason) => self.peer_reason(reason),
            Reason::JoinsLost { learner, times, of } => format!(
                "{} joined {} and was gone again before it was up to date{}",
                self.name(*learner),
                number::count(*times, "time", "times"),
                died_of(*of)
            ),
            Reason::OwnAckMissing { leader, prompt, quorum } => format!(
                "{} acknowledged at once; with {}'s own that makes the {quorum} of a quorum, and no COMMIT came",
                number::count(*prompt as u64, "follower", "followers"),
                self.name(*leader)
            ),
            Reason::ClockUncertain { host, by_us } => self.clock_uncertain(*host, *by_us),
            Reason::AckedTooEarly { learner, leader } => self.acked_too_early(*learner, *leader),
            Reason::Logged { server, at, line, .. } => self.log_says(*server, *at, line),
            Reason::BothWentOn { by, to, is_forged } => {
                let (by, to) = (self.name(*by), self.name(*to));
                let forged = if *is_forged { format!("; {by} never sent it") } else { String::new() };
                format!("a RST in the name of {by} reached {to}, and both went on{forged}")
            }
        }
    }

    fn acked_too_early(&self, learner: Address, leader: Address) -> String {
        format!(
            "{} acknowledged a PROPOSAL before NEWLEADER, which {} took for an ACK of another epoch: it never told it \
             UPTODATE (ZOOKEEPER-4685)",
            self.name(learner),
            self.name(leader)
        )
    }

    fn clock_uncertain(&self, host: Address, by_us: Option<u64>) -> String {
        let by = by_us.map_or_else(
            || "is not known beside the others': its captures share too little with theirs".to_owned(),
            |by_us| format!("may be off by {}", clock::millis(by_us / 1_000)),
        );
        format!("this rests on what came first on different hosts, and the clock of {} {by}", self.name(host))
    }

    fn log_says(&self, server: Option<Address>, at: Timestamp, line: &str) -> String {
        let whose =
            server.map_or_else(|| "a log".to_owned(), |server| format!("the log of {}", self.name(server)));
        format!("{whose} says so, at {}: {line}", self.moment(at))
    }

    /// A cause as a thing, and whose it is: `a slow disk on zk1`.
    #[must_use]
    pub fn thing(&self, cause: Cause, suspect: Option<Suspect>) -> String {
        format!("{}{}", noun(cause), self.of_whom(suspect))
    }

    fn of_whom(&self, suspect: Option<Suspect>) -> String {
        match suspect {
            None => String::new(),
            Some(Suspect::Host(host)) => format!(" on {}", self.name(host)),
            Some(Suspect::HostNetwork(host)) => format!(" around {}", self.name(host)),
            Some(Suspect::Path(a, b)) => format!(" between {} and {}", self.name(a), self.name(b)),
            Some(Suspect::OneWay(from, to)) => format!(" from {} to {}", self.name(from), self.name(to)),
        }
    }
}

/// What most of the joins died of.
fn died_of(of: JoinsLost) -> String {
    match of {
        JoinsLost::InSnapshot => ": most ended amid a snapshot".to_owned(),
        JoinsLost::AfterProposal(zxid) => format!(": most ended after PROPOSAL {zxid}"),
        JoinsLost::Refused => ": its leader closed most before it began to synchronize".to_owned(),
        JoinsLost::Elsewhere => String::new(),
    }
}

/// A cause as a thing.
const fn noun(cause: Cause) -> &'static str {
    match cause {
        Cause::ProcessStalled => "a process that stood still",
        Cause::DiskSlow => "a slow disk",
        Cause::NetworkCut => "a dead path",
        Cause::NetworkLoss => "packet loss",
        Cause::NetworkSlow => "a slow network",
        Cause::SyncSlow => "a slow synchronization",
        Cause::NetworkMtu => "a hop with a smaller MTU",
        Cause::ProcessEnded => "a process that ended",
        Cause::LinkReset => "a RST from something in between",
        Cause::ConnectRefused => "a port that nobody listens on",
        Cause::ConnectUnanswered => "a server that does not answer",
        Cause::ElectionLinkDead => "an election connection that is dead",
        Cause::PacketTooLarge => "a transaction beyond jute.maxbuffer",
        Cause::SnapshotSlow => "a slow snapshot",
        Cause::ElectionNeedless => "an election without need",
        Cause::SyncLoop => "joins that fail",
        Cause::Unknown => "something else",
    }
}
