//! The frames that show a finding, and what each of them shows.

use crate::address::{Address, Endpoint};
use crate::frame::FrameRef;
use crate::time::{Span, Timestamp};

/// A frame that shows something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The frame.
    pub frame: FrameRef,
    /// Its time.
    pub at: Timestamp,
    /// What it shows.
    pub shows: Shows,
}

/// What a frame shows. [`crate::report::wording`] has the sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shows {
    /// A PROPOSAL to this learner whose ACK did not come in time.
    ProposalUnacked {
        /// The learner's end.
        learner: Endpoint,
    },
    /// The last new bytes from the leader before it went quiet.
    LastFromLeader {
        /// The learner's end of the link.
        learner: Endpoint,
    },
    /// The last new bytes from a learner before it went quiet.
    LastFromLearner {
        /// The learner's end of the link.
        learner: Endpoint,
    },
    /// The last of the FINs that nobody answers.
    LastFin,
    /// The FIN or RST that ended the link.
    LinkClosed {
        /// How long after the wait began.
        after: Span,
    },
    /// The ACK that was waited for.
    Ack {
        /// How long after the wait began.
        after: Span,
    },
    /// The bytes that ended a silence.
    NextBytes {
        /// How long after the wait began.
        after: Span,
    },
    /// The first sign of the quiet side's kernel while its process was quiet.
    KernelAnswers,
    /// The last such sign.
    KernelAnswersLast,
    /// The first retransmission of bytes that nobody acknowledged.
    FirstRetransmission,
    /// The last one.
    LastRetransmission,
    /// The last frame of any kind from the quiet side.
    LastFrameOfQuietSide,
    /// The last bytes from the side that waited.
    LastBytesOfOtherSide,
    /// A member's last new bytes before it fell silent.
    PeerLast,
    /// Its first new bytes after.
    PeerNext,
    /// A frame that shows what went wrong between members.
    PeerSign,
    /// A segment that was captured at its sender and never at its receiver.
    Lost {
        /// Its sender.
        from: Address,
        /// Its receiver.
        to: Address,
    },
}
