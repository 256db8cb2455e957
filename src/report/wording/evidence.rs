//! What a frame of evidence shows.

use crate::findings::Shows;

/// What a frame shows, in words.
#[must_use]
pub fn shows(shows: &Shows) -> String {
    match shows {
        Shows::ProposalUnacked { learner } => format!("PROPOSAL to {learner} that gets no ACK in time"),
        Shows::LastFromLeader { learner } => format!("the last new bytes from the leader to {learner}"),
        Shows::LastFromLearner { learner } => format!("the last new bytes from {learner}"),
        Shows::LastFin => "the last retransmission of the FIN".to_owned(),
        Shows::LinkClosed { after } => format!("the link is closed, {after} later"),
        Shows::Ack { after } => format!("its ACK, {after} later"),
        Shows::NextBytes { after } => format!("the next new bytes, {after} later"),
        Shows::KernelAnswers => "the quiet side's kernel still acknowledges".to_owned(),
        Shows::KernelAnswersLast => "the last acknowledgment from its kernel".to_owned(),
        Shows::FirstRetransmission => "the first retransmission, still unanswered".to_owned(),
        Shows::LastRetransmission => "the last retransmission".to_owned(),
        Shows::LastFrameOfQuietSide => "the last frame from the quiet side".to_owned(),
        Shows::LastBytesOfOtherSide => "the last bytes from the other side".to_owned(),
        Shows::PeerLast => "its last new bytes before".to_owned(),
        Shows::PeerNext => "its next new bytes".to_owned(),
        Shows::PeerSign => "a sign of it".to_owned(),
        Shows::Lost { from, to } => format!("sent by {from}, never seen at {to}"),
    }
}
