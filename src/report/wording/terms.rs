//! Deadlines, outcomes and causes in words.

use crate::findings::{Cause, Deadline, Outcome};

/// What a deadline is about.
#[must_use]
pub const fn deadline(deadline: Deadline) -> &'static str {
    match deadline {
        Deadline::LeaderRead => "the leader waited for anything from the learner",
        Deadline::LearnerRead => "the learner waited for anything from the leader",
        Deadline::Ack => "the leader waited for the learner's ACK of a PROPOSAL",
        Deadline::Init => "one waited for the other while synchronising",
    }
}

/// What ended a stall.
#[must_use]
pub const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Recovered => "it spoke again, and the link went on",
        Outcome::ClosedByLeader => "the leader closed the link",
        Outcome::ClosedByLearner => "the learner closed the link",
        Outcome::Open => "still quiet at the end of the capture",
    }
}

/// What a cause means.
#[must_use]
pub const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::ProcessStalled => "its kernel lives, the process does not run, or too seldom",
        Cause::DiskSlow => "it answers pings, its ACKs of PROPOSALs are late",
        Cause::NetworkCut => "nothing gets through; a dead host looks the same",
        Cause::NetworkLoss => "some gets through, after retransmissions",
        Cause::NetworkSlow => "all gets through, late",
        Cause::SyncSlow => "synchronisation outlasts initLimit",
        Cause::NetworkMtu => "long segments vanish, short ones pass",
        Cause::ProcessEnded => "the process died or was restarted: its own kernel closed its connections",
        Cause::LinkReset => "a RST ended the link, and both processes went on",
        Cause::ConnectRefused => "nobody listens: a RST answers each attempt to connect",
        Cause::ConnectUnanswered => "nothing answers an attempt to connect",
        Cause::ElectionLinkDead => {
            "votes are retransmitted into the void: something in between forgot the election connection"
        }
        Cause::PacketTooLarge => "a transaction is larger than the server reads (jute.maxbuffer)",
        Cause::SnapshotSlow => "a database on its way to a follower outlasts etcd's deadlines",
        Cause::ElectionNeedless => "another leader, though the old one was heard in time",
        Cause::SyncLoop => "a server joins and is gone again, over and over",
        Cause::Unknown => "the capture does not decide",
    }
}
