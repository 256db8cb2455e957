//! Databases that take longer on their way to a follower than etcd waits for anything else.

use super::candidate::{Blame, RaftCandidate};
use super::scene::{RaftScene, Stretch};
use crate::findings::Cause;
use crate::findings::incident::PeerReason;
use crate::time::Span;
use crate::track::raft::facts::SnapshotFacts;

/// What a leader waits for the rest of an answer, and a follower for the next bytes of a database
/// (`snapResponseReadTimeout`, `ConnReadTimeout`).
const SLOW: Span = Span::from_millis(5_000);

/// The slow ones of a view.
pub(super) fn slow(scene: &RaftScene<'_>) -> Vec<RaftCandidate> {
    scene.view.snapshots.iter().filter_map(|snapshot| of(scene, snapshot)).collect()
}

fn of(scene: &RaftScene<'_>, snapshot: &SnapshotFacts) -> Option<RaftCandidate> {
    let end = snapshot.answered.or(snapshot.closed);
    let until = end.unwrap_or(scene.view.last);
    let took = until.since(snapshot.at);
    // Nothing came for long: that is a silence, and others tell whose.
    let sent = snapshot.last_body.since(snapshot.at);
    let waited = until.since(snapshot.last_body);
    if took < SLOW || snapshot.answered.is_none() && waited >= SLOW {
        return None;
    }
    // The whole database was there, and was being saved: else it is on its way.
    let is_saving = waited > sent && snapshot.answered.is_some();
    let (from, to) = (snapshot.from, snapshot.to);
    Some(RaftCandidate {
        root: Cause::SnapshotSlow,
        blame: if is_saving { Blame::Member(to) } else { Blame::Path(from, to) },
        stretch: Stretch { start: snapshot.at, end, until },
        is_proven: false,
        reason: PeerReason::SnapshotTook {
            from,
            to,
            bytes: snapshot.bytes,
            sent_ms: sent.millis(),
            waited_ms: waited.millis(),
        },
        members: vec![from, to],
        frames: vec![(snapshot.frame, snapshot.at)],
    })
}
