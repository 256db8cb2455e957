//! The hypothesis that came next: a verdict that is only likely names it.

use super::heard::Heard;
use super::scope::hosts_of;
use super::unit::Verdict;
use crate::findings::incident::{Confidence, Reason};
use crate::findings::{Cause, Suspect};

/// Names the runner-up of a verdict that is only likely, and which capture would decide between the two.
pub(super) fn name(verdict: &mut Verdict, heard: &Heard<'_>) {
    // What was refuted stands in the others.
    let leaves_another = |reason: &Reason| {
        matches!(
            reason,
            Reason::NothingArrived { .. } | Reason::ArrivedLate { .. } | Reason::LongSegmentsVanish
        )
    };
    if verdict.confidence != Confidence::Likely || !verdict.why.iter().all(leaves_another) {
        return;
    }
    let Some((cause, suspect)) = verdict.suspect.and_then(|suspect| next(verdict.cause, suspect)) else {
        return;
    };
    verdict.why.push(Reason::RunnerUp { cause, suspect: Some(suspect) });
    // No capture shows a disk.
    let is_seen = !matches!(verdict.cause, Cause::DiskSlow | Cause::SyncSlow);
    let unseen = hosts_of(verdict.suspect).into_iter().find(|host| !heard.is_captured(*host));
    verdict.why.extend(unseen.filter(|_| is_seen).map(|host| Reason::CaptureWouldDecide { host }));
}

/// What looks most like a cause, and whom it would blame.
const fn next(cause: Cause, suspect: Suspect) -> Option<(Cause, Suspect)> {
    Some(match (cause, suspect) {
        // Who acknowledges late may be too busy to write.
        (Cause::DiskSlow, _) => (Cause::ProcessStalled, suspect),
        (Cause::SyncSlow, Suspect::Host(_)) => (Cause::DiskSlow, suspect),
        (Cause::ProcessStalled, Suspect::Host(host)) => (Cause::NetworkCut, Suspect::HostNetwork(host)),
        // A host that is down answers no more than one that is cut off; the quiet side stands first.
        (Cause::NetworkCut, Suspect::Path(quiet, _) | Suspect::HostNetwork(quiet)) => {
            (Cause::ProcessStalled, Suspect::Host(quiet))
        }
        (Cause::NetworkCut | Cause::NetworkSlow | Cause::NetworkMtu, _) => (Cause::NetworkLoss, suspect),
        (Cause::NetworkLoss | Cause::SyncSlow, _) => (Cause::NetworkSlow, suspect),
        _ => return None,
    })
}
