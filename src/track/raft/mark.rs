//! What one member was seen to say to another one, and when: marks in order of time.
//!
//! Marks of one kind within 5 ms are one. Of a long capture, stretches in which nothing went wrong are let go,
//! and a mark says so, so that no silence is made of them.

use crate::frame::FrameRef;
use crate::time::{Span, Timestamp};
use std::collections::VecDeque;

/// Marks of one kind that lie nearer are one: a flush, or a burst.
const MERGED: Span = Span::from_millis(5);
/// Marks looked at to find the last one of a kind.
const LOOKED_AT: usize = 24;
/// Of a voice that has too many, what is younger stays.
const KEPT_LATEST: Span = Span::from_millis(120_000);
/// What lies near something that went wrong stays.
const KEPT_AROUND: Span = Span::from_millis(30_000);

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarkKind {
    /// New bytes on any connection: the process wrote them.
    Data,
    /// MsgHeartbeat, a link heartbeat aside.
    Heartbeat,
    /// MsgHeartbeatResp.
    HeartbeatResp,
    /// MsgApp with entries, or AppEntries.
    App,
    /// A MsgApp in full: a leader's first, or a probe.
    AppInFull,
    /// AppEntries without entries: the commit index.
    Commit,
    /// MsgAppResp.
    AppResp,
    /// MsgProp.
    Prop,
    /// MsgVote.
    Vote,
    /// A MsgVote of one that was asked to take the lead: it has a context.
    TransferVote,
    /// MsgVoteResp.
    VoteResp,
    /// MsgPreVote.
    PreVote,
    /// MsgPreVoteResp.
    PreVoteResp,
    /// MsgTimeoutNow.
    TimeoutNow,
    /// Any other message of raft's.
    OtherMessage,
    /// A link heartbeat of either stream.
    LinkHeartbeat,
    /// The head of a request.
    Request,
    /// The head of an answer.
    Answer,
    /// An answer that the member was removed (403, 410).
    Removed,
    /// The head of a snapshot's request.
    Snapshot,
    /// A segment that acknowledges new bytes: the kernel lives, and hears.
    Ack,
    /// A segment with neither new bytes nor a new acknowledgment.
    Bare,
    /// Bytes, a SYN or a FIN sent again.
    Resent,
    /// A gap was filled that had been open for longer than reordering takes.
    Hole,
    /// A SYN that asks for a connection.
    Syn,
    /// A SYN that accepts one.
    SynAck,
    /// The first FIN of a connection, before the other side's; `count` says of how many.
    Fin,
    /// A FIN that answers one.
    FinBack,
    /// The end of a stream, as the acceptor says it.
    StreamEnd,
    /// A RST of an open connection.
    Rst,
    /// A RST that answers a SYN: nobody listens.
    Refusal,
    /// What the other one sent was acknowledged late; `count` is the longest round trip in milliseconds.
    Late,
    /// It was acknowledged in time.
    Prompt,
    /// Quiet stretches before this were let go.
    Skipped,
}

impl MarkKind {
    /// Whether raft's own loop sent it: neither a stream's writer nor the HTTP server can.
    #[must_use]
    pub const fn is_of_raft(self) -> bool {
        matches!(
            self,
            Self::Heartbeat
                | Self::HeartbeatResp
                | Self::App
                | Self::AppInFull
                | Self::Commit
                | Self::AppResp
                | Self::Prop
                | Self::Vote
                | Self::TransferVote
                | Self::VoteResp
                | Self::PreVote
                | Self::PreVoteResp
                | Self::TimeoutNow
                | Self::OtherMessage
        )
    }

    /// Whether only a leader sends it.
    #[must_use]
    pub const fn is_of_leader(self) -> bool {
        matches!(self, Self::Heartbeat | Self::App | Self::AppInFull | Self::Commit)
    }

    /// Whether the process sent it, but not raft's loop.
    #[must_use]
    pub const fn is_beside_raft(self) -> bool {
        matches!(self, Self::LinkHeartbeat | Self::Request | Self::Answer | Self::Snapshot)
    }

    /// Whether a frame stands behind it that left the host.
    #[must_use]
    pub const fn is_frame(self) -> bool {
        matches!(
            self,
            Self::Data
                | Self::Ack
                | Self::Bare
                | Self::Resent
                | Self::Syn
                | Self::SynAck
                | Self::Fin
                | Self::FinBack
                | Self::Rst
                | Self::Refusal
        )
    }

    const fn is_worth_keeping(self) -> bool {
        matches!(
            self,
            Self::Vote
                | Self::PreVote
                | Self::TimeoutNow
                | Self::Removed
                | Self::Snapshot
                | Self::Resent
                | Self::Hole
                | Self::Fin
                | Self::Rst
                | Self::Refusal
                | Self::Late
        )
    }
}

/// A moment at which something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaidAt {
    /// When.
    pub at: Timestamp,
    /// The frame.
    pub frame: FrameRef,
    /// What.
    pub kind: MarkKind,
    /// How many; of [`MarkKind::Late`] and [`MarkKind::Prompt`] a round trip in milliseconds.
    pub count: u16,
}

/// What one member says to another one.
#[derive(Clone, Debug, Default)]
pub struct Voice {
    marks: VecDeque<SaidAt>,
    last_data: Option<Timestamp>,
    last_raft: Option<Timestamp>,
    /// Times worth keeping, in order.
    kept: VecDeque<Timestamp>,
}

impl Voice {
    /// All marks, in order of time.
    #[must_use]
    pub const fn marks(&self) -> &VecDeque<SaidAt> {
        &self.marks
    }

    /// Adds a mark; its time is not before that of the last one, but for clocks that were set.
    pub(super) fn add(&mut self, kind: MarkKind, at: Timestamp, frame: FrameRef, count: u16) {
        let recent = self.marks.iter_mut().rev().take(LOOKED_AT);
        let mut same = recent.take_while(|mark| at.since(mark.at) < MERGED).filter(|mark| mark.kind == kind);
        if let Some(mark) = same.next() {
            mark.count = match kind {
                MarkKind::Late | MarkKind::Prompt => mark.count.max(count),
                _ => mark.count.saturating_add(count),
            };
            return;
        }
        if self.is_notable(kind, at) {
            self.keep(at);
        }
        self.marks.push_back(SaidAt { at, frame, kind, count });
    }

    /// Lets quiet stretches go where there are more than `most` marks.
    pub(super) fn keep_within(&mut self, most: usize, now: Timestamp) {
        if self.marks.len() > most {
            self.let_go(most, now);
        }
    }

    fn is_notable(&mut self, kind: MarkKind, at: Timestamp) -> bool {
        /// A link heartbeat comes every 1.67 s on each of two streams.
        const LONG: Span = Span::from_millis(1_900);
        /// Twice the customary heartbeat and more.
        const LONG_OF_RAFT: Span = Span::from_millis(240);
        let is_after = |last: &mut Option<Timestamp>, long: Span| {
            last.replace(at).is_some_and(|last| at.since(last) > long)
        };
        let is_late = match kind {
            MarkKind::Data => is_after(&mut self.last_data, LONG),
            kind if kind.is_of_raft() => is_after(&mut self.last_raft, LONG_OF_RAFT),
            _ => false,
        };
        is_late || kind.is_worth_keeping()
    }

    fn keep(&mut self, at: Timestamp) {
        if self.kept.back().is_none_or(|last| at.since(*last) > Span::from_millis(1_000)) {
            self.kept.push_back(at);
        }
    }

    /// Lets quiet stretches go; where too much is left all the same, the oldest half.
    fn let_go(&mut self, most: usize, now: Timestamp) {
        let latest = now.minus(KEPT_LATEST);
        let kept = std::mem::take(&mut self.kept);
        let is_near = |at: Timestamp| {
            let after = kept.partition_point(|time| time.plus(KEPT_AROUND) < at);
            kept.get(after).is_some_and(|time| time.minus(KEPT_AROUND) <= at)
        };
        let mut left = VecDeque::with_capacity(self.marks.len() / 2);
        let mut is_skipping = false;
        for mark in self.marks.drain(..) {
            if mark.at >= latest || is_near(mark.at) {
                if is_skipping && mark.kind != MarkKind::Skipped {
                    left.push_back(SaidAt { kind: MarkKind::Skipped, ..mark });
                }
                is_skipping = false;
                left.push_back(mark);
            } else {
                is_skipping = true;
            }
        }
        if left.len() > most / 2 {
            let surplus = left.len() - most / 2;
            left.drain(..surplus);
            if let Some(first) = left.front().copied() {
                left.push_front(SaidAt { kind: MarkKind::Skipped, ..first });
            }
        }
        let first = left.front().map_or(now, |mark| mark.at);
        self.marks = left;
        self.kept = kept.into_iter().filter(|time| time.plus(KEPT_AROUND) >= first).collect();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    fn add(voice: &mut Voice, kind: MarkKind, ms: i64) {
        voice.add(kind, at(ms), FrameRef::default(), 1);
    }

    #[test]
    fn a_burst_is_one_mark() {
        let mut voice = Voice::default();
        for ms in [0, 1, 2, 100] {
            add(&mut voice, MarkKind::HeartbeatResp, ms);
            add(&mut voice, MarkKind::Data, ms);
        }
        let counts: Vec<_> = voice.marks().iter().map(|mark| (mark.kind, mark.count)).collect();
        let (beat, data) = (MarkKind::HeartbeatResp, MarkKind::Data);
        assert_eq!(counts, [(beat, 3), (data, 3), (beat, 1), (data, 1)]);
    }

    #[test]
    fn quiet_stretches_go_and_leave_a_mark() {
        const MOST: usize = 20_000;
        let mut voice = Voice::default();
        for beat in 0..200_000 {
            add(&mut voice, MarkKind::Data, beat * 50);
            voice.keep_within(MOST, at(beat * 50));
            if beat == 20_000 {
                add(&mut voice, MarkKind::Resent, beat * 50 + 10);
            }
        }
        let marks = voice.marks();
        assert!(marks.len() <= MOST, "{}", marks.len());
        assert!(marks.iter().any(|mark| mark.kind == MarkKind::Resent), "what went wrong stays");
        for (one, next) in marks.iter().zip(marks.iter().skip(1)) {
            let is_told = next.kind == MarkKind::Skipped || next.at.since(one.at) <= Span::from_millis(50);
            assert!(is_told, "{one:?} {next:?}");
        }
    }
}
