//! What a stall's verdict rests on, or what would decide where nothing does.

use crate::address::Address;
use crate::time::Span;

/// A fact that a reader should know beside the verdict. [`crate::report::wording`] has the sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Only one direction of the link was captured: nobody is judged.
    OneDirection,
    /// Captured at the quiet host alone: whether anything arrived at the other end does not show.
    CaptureAtReceiver {
        /// The host of the capture, which is the quiet one.
        taken_at: Address,
        /// The host whose capture would decide.
        other: Address,
    },
    /// Not captured at the quiet host: whether it was reached does not show.
    CaptureAtSubject {
        /// The quiet host.
        subject: Address,
    },
    /// One side retransmitted the same bytes, and heard the other all the while.
    HeardWhileRetransmitting {
        /// Who retransmitted.
        from: Address,
        /// Who was heard.
        to: Address,
    },
    /// The same bytes were sent several times, and none was acknowledged.
    Unacknowledged {
        /// Who sent them.
        from: Address,
        /// Who did not acknowledge them.
        to: Address,
        /// How many times they were sent.
        times: u32,
    },
    /// Many segments were retransmissions, with progress between them.
    Retransmissions {
        /// How many were retransmissions.
        count: u32,
        /// Of how many.
        of: u32,
    },
    /// The FIN that ends the link was sent several times before anything came back.
    FinUnanswered {
        /// How many times.
        times: u32,
    },
    /// The leader went on leading, and not a frame of it arrived.
    LeaderUnheard {
        /// The leader.
        leader: Address,
        /// For how long.
        lasted: Span,
    },
    /// The kernel acknowledged, and the process sent nothing new.
    KernelAcknowledged {
        /// The quiet host.
        subject: Address,
        /// How many times.
        times: u32,
    },
    /// The kernel answered the close at once, after its process had been quiet for the whole limit.
    KernelAnsweredClose {
        /// The quiet host.
        subject: Address,
        /// How soon.
        within: Span,
    },
    /// PINGs were answered on time while a PROPOSAL waited for its ACK.
    PingsAnswered {
        /// How many.
        count: u32,
        /// How long the PROPOSAL waited.
        waited: Span,
    },
    /// The kernels' own ACKs were late.
    KernelAcksLate {
        /// How many were.
        late: u32,
        /// Of how many whose round trip was measured.
        of: u32,
    },
    /// Answers to PINGs were late, and the kernels' ACKs were not.
    PingsLate {
        /// How many were.
        late: u32,
        /// Of how many.
        of: u32,
    },
    /// A snapshot was being sent.
    SnapshotUnderWay {
        /// Bytes of the synchronisation.
        bytes: u64,
    },
    /// One side was silent while synchronising.
    SilentWhileSynchronising {
        /// Whether that was the leader, else the learner.
        is_leader: bool,
    },
    /// What arrived of the segments that each side sent, where both ends were captured.
    Arrived {
        /// From the learner to the leader.
        to_leader: Arrivals,
        /// From the leader to the learner.
        to_learner: Arrivals,
    },
    /// Segments took long, where both ends were captured.
    TookLong {
        /// Their sender.
        from: Address,
        /// Their receiver.
        to: Address,
        /// How many took long.
        late: u32,
        /// Of how many.
        of: u32,
    },
}

/// Segments of one direction, captured at both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrivals {
    /// Their sender.
    pub from: Address,
    /// Their receiver.
    pub to: Address,
    /// How many were sent.
    pub sent: u32,
    /// How many of these arrived.
    pub arrived: u32,
}
