//! A link while it runs: which waits are under way, and what it is as of now.
//!
//! A finished capture is judged by waits that have ended. While it runs, those that have not are looked at
//! here; [`LinkTrack::so_far`] ends them in a copy, so that the same rules judge both.

use super::LinkTrack;
use super::reader::ReaderState;
use crate::dissect::Direction;
use crate::findings::Deadline;
use crate::frame::FrameRef;
use crate::time::{Span, Timestamp};
use crate::track::wait::Ended;
use std::mem::take;

/// A wait under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenWait {
    /// The link's number.
    pub link: u32,
    /// Against which deadline it counts.
    pub deadline: Deadline,
    /// The last sign of life, or the PROPOSAL that waits for its ACK.
    pub start: Timestamp,
    /// Whether the leader is waited for.
    pub for_leader: bool,
    /// The frame at its start.
    pub from: FrameRef,
    /// Whether what is waited for may have come in bytes that the snaplen cut, which later ones decide.
    pub is_doubtful: bool,
}

/// As of when a link is looked at.
#[derive(Clone, Copy, Debug)]
pub struct AsOf {
    /// The present.
    pub now: Timestamp,
    /// When the waits end that are due: a little later than now.
    pub later: Timestamp,
    /// Waits that ended before are left out.
    pub since: Timestamp,
}

impl LinkTrack {
    /// The waits under way: none where the link is closed, else one for each side's next bytes, and
    /// one for the oldest PROPOSAL without its ACK.
    pub fn pending(&self) -> impl Iterator<Item = OpenWait> + '_ {
        let is_open = self.teardown.closed.is_none() && !self.is_one_sided();
        let reads = [Direction::ToLeader, Direction::ToLearner].map(|direction| {
            let ReaderState { last, deadline, is_over, .. } = self.reader.of(direction);
            (is_open && !is_over).then_some(OpenWait {
                link: self.id,
                deadline: *deadline,
                start: last.at,
                for_leader: !direction.is_to_leader(),
                from: last.frame,
                is_doubtful: false,
            })
        });
        let oldest = if is_open { self.proposals.flight.oldest_unacked() } else { None };
        let ack = oldest.map(|entry| OpenWait {
            link: self.id,
            deadline: Deadline::Ack,
            start: entry.at,
            for_leader: false,
            from: entry.frame,
            is_doubtful: self.proposals.hidden.may_answer(entry.at),
        });
        reads.into_iter().flatten().chain(ack)
    }

    /// The link as a capture that ends now would show it: waits under way are ended by the capture's
    /// end, those that `is_due` a little later. Without round trips and counts, which no verdict needs.
    #[must_use]
    pub fn so_far(&mut self, as_of: AsOf, is_due: impl Fn(&OpenWait) -> bool) -> Self {
        let pending: Vec<_> = self.pending().collect();
        let mut copy = self.bare();
        copy.waits.list.retain(|wait| wait.end >= as_of.since);
        for wait in pending {
            let at = if is_due(&wait) { as_of.later } else { as_of.now };
            match (wait.deadline, wait.for_leader) {
                (Deadline::Ack, _) => copy.ack_wait(wait.start, wait.from, at, Ended::CaptureEnd, None),
                (_, true) => copy.end_wait(Direction::ToLearner, at, Ended::CaptureEnd, None),
                (_, false) => copy.end_wait(Direction::ToLeader, at, Ended::CaptureEnd, None),
            }
        }
        copy.note_unanswered_close();
        copy
    }

    /// Ends what is waited for when the link went out of sight.
    pub fn ends_out_of_sight(&mut self, at: Timestamp) {
        self.waits.list.retain_mut(|wait| {
            if wait.ended == Ended::CaptureEnd {
                wait.end = wait.end.min(at);
            }
            wait.end > wait.start
        });
    }

    /// Whether it is over and still holds what no report shows.
    #[must_use]
    pub const fn is_to_be_compact(&self) -> bool {
        self.totals.is_some()
            && !self.is_compact
            && (self.teardown.closed.is_some() || self.unwatched.is_some())
    }

    /// A copy without what is large and no wait's.
    fn bare(&mut self) -> Self {
        let (ping, ack, commit) = (
            take(&mut self.pings.round_trips),
            take(&mut self.proposals.ack),
            take(&mut self.proposals.commit),
        );
        let (rtt, flight, checks) =
            (take(&mut self.kernel_rtt), take(&mut self.proposals.flight), take(&mut self.checks));
        let series = take(&mut self.series);
        let copy = self.clone();
        self.series = series;
        (self.pings.round_trips, self.proposals.ack, self.proposals.commit) = (ping, ack, commit);
        (self.kernel_rtt, self.proposals.flight, self.checks) = (rtt, flight, checks);
        copy
    }

    /// Begins a new window: round trips from before the last one are forgotten, and waits shorter than
    /// `near`, which no report lists.
    pub fn rotate(&mut self, near: Span) {
        self.pings.round_trips.rotate();
        self.proposals.ack.rotate();
        self.proposals.commit.rotate();
        self.kernel_rtt.to_leader.samples.rotate();
        self.kernel_rtt.to_learner.samples.rotate();
        self.waits.forget_short(near);
    }
}
