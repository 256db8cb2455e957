//! What the servers' logs say to what the wire shows.

use super::Names;
use crate::findings::Cause;
use crate::findings::log::{FsyncOnWire, LogSays, Whose};
use crate::time::Span;

/// What logs say, in words.
#[must_use]
pub fn log_says(says: &LogSays, names: &Names) -> String {
    match says {
        LogSays::LeaderClosed { leader, is_seen, early, line } => {
            let why = if *is_seen {
                "for the reason that the wire shows"
            } else {
                "for a reason that the wire does not show"
            };
            format!("the leader {} closed {why}{}, '{line}'", names.name(*leader), before(*early))
        }
        LogSays::LeaderParted { leader, line } => {
            format!(
                "the leader {} parted from the learner and names no deadline, '{line}'",
                names.name(*leader)
            )
        }
        LogSays::GaveUpLeader { learners, is_leader_heard, early, line } => {
            let heard = if *is_leader_heard {
                "; the leader's bytes of that time are in the capture, so they got lost or came late"
            } else {
                ""
            };
            format!("{} gave up on the leader{}, '{line}'{heard}", names.list(learners), before(*early))
        }
        LogSays::BeginsAnew { whose } => {
            format!(
                "the log of {} breaks off and begins anew: the process was gone",
                self::whose(whose, names)
            )
        }
        LogSays::SilentOnClose { whose, is_reset } => {
            let why = if *is_reset {
                "; it was a RST, which a kernel sends by itself for a process that is gone"
            } else {
                ""
            };
            format!(
                "the log of {} says nothing of the close that the wire shows{why}",
                self::whose(whose, names)
            )
        }
        LogSays::SilentOnWait { leader } => format!(
            "the log of the leader {} says nothing: ZooKeeper writes no line for a wait that ends without a close",
            names.name(*leader)
        ),
        LogSays::SilentOnFsync { server } => {
            format!("the log of {} says nothing of a slow fsync, which the wire shows", names.name(*server))
        }
        LogSays::Fsync { server, took_ms, wire } => fsync(&names.name(*server), *took_ms, *wire),
        LogSays::Paused { server, took_ms } => {
            format!("{} stood still for {took_ms} ms", names.name(*server))
        }
        LogSays::NoticedLate { server, late, line } => {
            format!("{} noticed {late} after the close, '{line}'", names.name(*server))
        }
        LogSays::MemberSlow { member, heartbeats, took_ms, wire, is_seen } => {
            let what = if *heartbeats { "late heartbeats" } else { "a slow write to its write-ahead log" };
            let took = took_ms.map_or_else(String::new, |ms| format!(" ({ms} ms)"));
            let wire = match (is_seen, wire) {
                (Some(true), _) => "its link heartbeats went on all the while".to_owned(),
                (Some(false), Cause::ProcessStalled) => {
                    "but it wrote not even link heartbeats: the process stood still".to_owned()
                }
                (Some(false), wire) => format!("the wire shows {}", wire.name()),
                (None, _) => "the wire does not show whether that was the cause".to_owned(),
            };
            format!("the log of {} has {what}{took}; {wire}", names.name(*member))
        }
        LogSays::MembersLost { members, peer, line } => {
            let whom = peer.map_or_else(String::new, |peer| format!(" from {}", names.name(peer)));
            format!("{} lost streams{whom}, '{line}'", names.list(members))
        }
        LogSays::MemberBegan { member } => {
            format!("the log of {} begins anew: the process was gone", names.name(*member))
        }
        LogSays::LeadChanged { members, is_seen, line } => {
            let wire = if *is_seen { ", as the wire shows" } else { "" };
            format!("{} campaigned or changed leaders{wire}, '{line}'", names.list(members))
        }
        LogSays::MembersSilent { members } => {
            format!("the logs of {} say nothing of what the wire shows", names.list(members))
        }
        LogSays::LostQuorum { leader, line } => {
            let leader = leader.map_or_else(|| "the leader".to_owned(), |leader| names.name(leader));
            format!("{leader} lost its quorum, '{line}'")
        }
    }
}

fn fsync(server: &str, took_ms: u64, wire: FsyncOnWire) -> String {
    match wire {
        FsyncOnWire::PingsAnswered => {
            format!("{server} had an fsync of {took_ms} ms, and answered PINGs all the while")
        }
        FsyncOnWire::PingsUnanswered => format!(
            "{server} blames its disk (fsync took {took_ms} ms), but it answered no PING in that time either: the \
             process stood still"
        ),
        FsyncOnWire::Synchronising => {
            format!("{server} had an fsync of {took_ms} ms, which may be part of why it took so long")
        }
        FsyncOnWire::Undecided => {
            format!(
                "{server} had an fsync of {took_ms} ms; the wire does not show whether that was the cause"
            )
        }
        FsyncOnWire::Other(cause) => {
            format!("{server} blames its disk (fsync took {took_ms} ms); the wire shows {}", cause.name())
        }
    }
}

fn whose(whose: &Whose, names: &Names) -> String {
    match whose {
        Whose::Leader(leader) => format!("the leader {}", names.name(*leader)),
        Whose::Learners(learners) => names.list(learners),
    }
}

fn before(early: Option<Span>) -> String {
    early.map_or_else(String::new, |early| format!(", {early} before the close was seen"))
}
