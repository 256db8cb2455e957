//! The numbering before a span, and what it implies for the span.

use super::{Constraints, Hypothesis, is_commit, is_main};
use crate::dissect::span::HiddenSpan;
use crate::hash::mix;
use crate::proto::{PacketType, Zxid};
use crate::time::{Span, Timestamp};

/// The fractions of the interval by which a PING may be late and early.
const LATE: i64 = 4;
const EARLY: i64 = 8;
/// A span of at least this many bytes may be delayed data.
const HELD_UP: u64 = 512;

/// The numbering before an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::dissect) struct Numbering {
    /// The last PROPOSAL or INFORM to the learner.
    pub(in crate::dissect) proposal: Option<Zxid>,
    /// The last COMMIT to the learner.
    pub(in crate::dissect) commit: Option<Zxid>,
    /// The last ACK of a PROPOSAL to the leader.
    pub(in crate::dissect) ack: Option<Zxid>,
    /// Time of the last PING to the learner.
    pub(in crate::dissect) ping_at: Option<Timestamp>,
    /// The end of the history that a DIFF or TRUNC announced: up to there each COMMIT directly follows its
    /// PROPOSAL.
    pub(in crate::dissect) history_end: Option<Zxid>,
    /// Whether NEWLEADER is still expected.
    pub(in crate::dissect) awaits_newleader: bool,
    /// Whether UPTODATE is still expected.
    pub(in crate::dissect) awaits_uptodate: bool,
}

impl Numbering {
    /// A hash of everything that a hypothesis changes.
    pub(super) fn digest(&self) -> u64 {
        let zxid = |zxid: Option<Zxid>| zxid.map_or(u64::MAX, |zxid| zxid.0);
        let ping = self.ping_at.map_or(u64::MAX, |at| at.nanos().cast_unsigned());
        let waits = u64::from(self.awaits_newleader) | u64::from(self.awaits_uptodate) << 1;
        [zxid(self.proposal), zxid(self.commit), zxid(self.ack), ping, waits].into_iter().fold(0, mix)
    }

    pub(super) fn is_history(&self, zxid: Zxid) -> bool {
        self.history_end.is_some_and(|end| zxid <= end && zxid.epoch() == end.epoch())
    }

    /// The numbering after a span with this hypothesis.
    pub(super) fn behind(self, hypothesis: &Hypothesis, at: Timestamp) -> Self {
        Self {
            proposal: self.proposal.map(|last| last.plus(u64::from(hypothesis.main))),
            commit: self.commit.map(|last| last.plus(u64::from(hypothesis.commits))),
            ping_at: if hypothesis.pings > 0 { Some(at) } else { self.ping_at },
            awaits_newleader: self.awaits_newleader && hypothesis.newleaders == 0,
            awaits_uptodate: self.awaits_uptodate && hypothesis.uptodates == 0,
            ..self
        }
    }

    /// The most COMMITs possible: one for each PROPOSAL, after it.
    pub(super) fn commits_possible(&self, new: u32) -> u32 {
        match (self.proposal, self.commit) {
            (Some(proposal), Some(commit)) if proposal.epoch() == commit.epoch() => {
                proposal.counter().saturating_sub(commit.counter()).saturating_add(new)
            }
            _ => u32::MAX,
        }
    }

    /// The fewest COMMITs after `new` PROPOSALs: in a history each directly follows its PROPOSAL, so at most
    /// the last one's is still outstanding.
    pub(super) fn commits_due(&self, new: u32) -> u32 {
        match (self.history_end, self.proposal, self.commit) {
            (Some(end), Some(proposal), Some(commit))
                if end.epoch() == proposal.epoch() && end.epoch() == commit.epoch() =>
            {
                let reached = proposal.counter().saturating_add(new);
                let due = if reached > end.counter() { end.counter() } else { reached.saturating_sub(1) };
                due.saturating_sub(commit.counter())
            }
            _ => 0,
        }
    }

    /// The most ACKs possible: one for each PROPOSAL.
    pub(super) fn acks_possible(&self) -> u32 {
        match (self.proposal, self.ack) {
            (Some(proposal), Some(ack)) if proposal.epoch() == ack.epoch() => {
                proposal.counter().saturating_sub(ack.counter())
            }
            _ => u32::MAX,
        }
    }

    /// Whether the PING interval allows a PING in a span. A leader schedules each PING relative to the last,
    /// so a busy leader's PINGs stay late; a PING is early only after a delayed one. In data that a lossy
    /// path delayed and released in a burst, a PING may be late by any amount.
    pub(super) fn ping_possible(&self, span: &HiddenSpan, every: Option<Span>) -> bool {
        let (Some(last), Some(every)) = (self.ping_at, every) else { return true };
        let since = span.at.since(last).nanos();
        let every = every.nanos().max(1);
        let late = since.rem_euclid(every);
        let is_on_time = late <= every / LATE || every - late <= every / EARLY;
        since > every / 2 && (is_on_time || span.len > HELD_UP)
    }

    /// Whether no PING can be missing between the last one and one now. A silence of several intervals comes
    /// from a paused leader, and proves nothing.
    pub(super) fn tick_fits(&self, at: Timestamp, every: Option<Span>) -> bool {
        let (Some(last), Some(every)) = (self.ping_at, every) else { return true };
        let (since, half) = (at.since(last).nanos(), every.nanos() / 2);
        since < half.saturating_mul(3) || since > half.saturating_mul(5)
    }
}

/// Whether `next` can be the zxid after `last`: one more, or the first of a later epoch. A repeated zxid is
/// accepted: leaders repeat a COMMIT for a learner that joins meanwhile.
pub(super) fn follows(last: Option<Zxid>, next: Zxid) -> bool {
    last.is_none_or(|last| {
        next == last.plus(1) || next == last || (next.epoch() > last.epoch() && next.counter() == 1)
    })
}

/// The numbering after a packet that was seen; `None` if it contradicts the numbering before it.
pub(super) fn after(
    numbering: Numbering,
    kind: PacketType,
    zxid: Zxid,
    at: Timestamp,
    constraints: &Constraints<'_>,
) -> Option<Numbering> {
    let mut next = numbering;
    match kind {
        kind if is_main(kind) => {
            if !follows(numbering.proposal, zxid)
                || numbering.is_history(zxid) && numbering.commit != numbering.proposal
            {
                return None;
            }
            next.proposal = Some(zxid);
        }
        kind if is_commit(kind) => {
            if !follows(numbering.commit, zxid) {
                return None;
            }
            next.commit = Some(zxid);
        }
        PacketType::Ping => {
            if !numbering.tick_fits(at, constraints.ping_every) {
                return None;
            }
            next.ping_at = Some(at);
        }
        PacketType::NewLeader => {
            next.awaits_newleader = false;
        }
        PacketType::UpToDate => {
            if numbering.awaits_newleader || !numbering.awaits_uptodate {
                return None;
            }
            next.awaits_uptodate = false;
        }
        _ => {}
    }
    Some(next)
}
