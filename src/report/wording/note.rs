//! What a verdict rests on.

use crate::findings::{Arrivals, Note};

/// A note in words.
#[must_use]
pub fn note(note: &Note) -> String {
    match note {
        Note::OneDirection => {
            "only one direction was captured: what the other side sent, and how it ended, is not known"
                .to_owned()
        }
        Note::CaptureAtReceiver { taken_at, other } => {
            format!(
                "captured at {taken_at} itself: a capture at {other} would show whether anything arrived there"
            )
        }
        Note::CaptureAtSubject { subject } => {
            format!(
                "a capture at {subject} would show whether it was reached and whether its kernel answered"
            )
        }
        Note::HeardWhileRetransmitting { from, to } => {
            format!("{from} kept retransmitting the same bytes, though it could hear {to} all the while")
        }
        Note::Unacknowledged { from, to, times } => format!(
            "{from} sent the same bytes {times} times, and {to} never acknowledged them; a dead host looks the same"
        ),
        Note::Retransmissions { count, of } => {
            format!("{count} of {of} segments were retransmissions, with progress between them")
        }
        Note::FinUnanswered { times } => format!(
            "the FIN that ends the link was sent {times} times before anything came back; a dead host looks the same"
        ),
        Note::LeaderUnheard { leader, lasted } => {
            format!("the leader {leader} went on leading, and not one frame of it arrived here for {lasted}")
        }
        Note::KernelAcknowledged { subject, times } => {
            format!(
                "the kernel of {subject} acknowledged {times} times while its process sent not one new byte"
            )
        }
        Note::KernelAnsweredClose { subject, within } => format!(
            "nothing came from {subject} until the link was closed at its limit; then its kernel answered the close \
             within {} µs",
            within.micros()
        ),
        Note::PingsAnswered { count, waited } => {
            format!("{count} PINGs were answered on time while a PROPOSAL waited {waited} for its ACK")
        }
        Note::KernelAcksLate { late, of } => {
            format!("{late} of {of} timed ACKs from the kernels were late themselves")
        }
        Note::PingsLate { late, of } => {
            format!("{late} of {of} answers to PINGs were late; the kernel's ACKs were not")
        }
        Note::SnapshotUnderWay { bytes } => format!("a snapshot of {bytes} bytes was under way"),
        Note::SilentWhileSynchronising { is_leader } => {
            let who = if *is_leader { "leader" } else { "learner" };
            format!("the {who} was silent while synchronising")
        }
        Note::Arrived { to_leader, to_learner } => format!("{}, {}", arrived(to_leader), arrived(to_learner)),
        Note::TookLong { from, to, late, of } => {
            format!("{late} of {of} segments from {from} took half a second or more to reach {to}")
        }
    }
}

fn arrived(Arrivals { from, to, sent, arrived }: &Arrivals) -> String {
    format!("{arrived} of {sent} segments from {from} arrived at {to}")
}
