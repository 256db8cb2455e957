//! Framing of the snapshot after a SNAP packet, which has no length: its last bytes mark its end.

use super::blind::find_start;
use super::{Cursor, Framer, FramerMode};
use crate::dissect::event::{Event, Observer, SnapshotSeen};
use crate::dissect::link::{LinkContext, LinkState};
use crate::proto::snapshot::EndFinder;
use crate::time::Timestamp;

#[derive(Clone, Debug)]
pub(super) struct SnapshotFraming {
    pub(super) start: u64,
    pub(super) from: Timestamp,
    pub(super) end: EndFinder,
    /// Whether some of it was cut or missing, so that its end may not be seen.
    pub(super) is_blind: bool,
    pub(super) seen: u64,
    pub(super) cut: u64,
}

impl Framer {
    /// Starts after a SNAP packet.
    pub(super) fn begin_snapshot(&mut self, from: Timestamp) {
        self.mode = FramerMode::Snapshot(Box::new(SnapshotFraming {
            start: self.sums.stream(),
            from,
            end: EndFinder::default(),
            is_blind: false,
            seen: 0,
            cut: 0,
        }));
        self.doubts = 0;
    }

    /// Inside a snapshot.
    pub(super) fn snapshot<O: Observer>(
        &mut self,
        cursor: &mut Cursor<'_>,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        let FramerMode::Snapshot(snapshot) = &mut self.mode else { return };
        let is_blind = snapshot.is_blind;
        if is_blind && find_start(cursor, link, self.direction) == Some(0) {
            return self.end_snapshot(cursor.at, true, true, link, out);
        }
        let FramerMode::Snapshot(snapshot) = &mut self.mode else { return };
        if let Some(end) = snapshot.end.seen(cursor.seen) {
            let (seen, cut) = cursor.take(end as u64);
            self.sums.decoded += seen.len() as u64;
            self.sums.cut += cut;
            return self.end_snapshot(cursor.at, true, false, link, out);
        }
        let (seen, cut) = cursor.take(u64::MAX);
        snapshot.end.hidden(cut);
        snapshot.is_blind |= cut > 0;
        snapshot.seen += seen.len() as u64;
        snapshot.cut += cut;
        self.sums.decoded += seen.len() as u64;
        self.sums.cut += cut;
    }

    pub(super) fn end_snapshot<O: Observer>(
        &mut self,
        at: Timestamp,
        is_complete: bool,
        is_blind: bool,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        if !matches!(self.mode, FramerMode::Snapshot(_)) {
            return;
        }
        if let FramerMode::Snapshot(snapshot) = std::mem::replace(&mut self.mode, FramerMode::Packets) {
            let bytes = self.sums.stream().saturating_sub(snapshot.start);
            link.snapshot_ended(is_blind);
            let seen = SnapshotSeen { bytes, from: snapshot.from, to: at, is_complete };
            out.observer.event(Event::Snapshot(out.slot, &seen));
        }
    }
}
