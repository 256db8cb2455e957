//! The plain way of a frame against the general one, over real captures.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::capture::{Batch, Replay, ReplayOptions};
use crate::dissect::{DissectOptions, Dissector, Event, Observer};
use crate::findings::Closed;
use crate::packet;
use std::collections::BTreeMap;
use std::path::Path;

/// Each link twice: taken as it is taken, and in the general way alone.
#[derive(Default)]
struct Both {
    links: BTreeMap<usize, (LinkTrack, LinkTrack)>,
    over: Vec<(LinkTrack, LinkTrack)>,
    plain: usize,
}

impl Both {
    fn each(&mut self, slot: usize, mut take: impl FnMut(&mut LinkTrack)) {
        if let Some((usual, general)) = self.links.get_mut(&slot) {
            take(usual);
            take(general);
        }
    }
}

impl Observer for Both {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::LinkOpened(slot, opened) => {
                let mut link = LinkTrack::new(1, opened);
                link.recognise();
                self.over.extend(self.links.insert(slot.index(), (link.clone(), link)));
            }
            Event::Segment(slot, seen) => {
                if let Some((usual, general)) = self.links.get_mut(&slot.index()) {
                    self.plain += usize::from(usual.is_plain(seen));
                    let quarter = QuarterSecond::of(seen.segment.at);
                    usual.segment(seen, quarter);
                    general.any_segment(seen, quarter);
                }
            }
            Event::Packet(slot, seen) => self.each(slot.index(), |link| link.packet(seen)),
            Event::Gap(slot, direction, gap) => {
                self.each(slot.index(), |link| link.gap(direction, gap.len, gap.at));
            }
            Event::LinkClosed(slot, direction, closing) => {
                let by_leader = direction == Direction::ToLearner;
                let (reset, frame) = (closing.reset, closing.frame);
                self.each(slot.index(), |link| {
                    link.close(Closed { at: closing.at, by_leader, reset, frame });
                });
            }
            _ => {}
        }
    }
}

#[test]
fn plain_frames_are_taken_as_any_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut plain = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let mut replay = Replay::open(std::slice::from_ref(&path), &ReplayOptions::default()).unwrap();
        let (mut batch, mut both) = (Batch::new(), Both::default());
        let mut dissector = Dissector::new(DissectOptions::default());
        while replay.fill(&mut batch) {
            for frame in batch.frames() {
                if let Ok(segment) = packet::segment(&frame) {
                    dissector.segment(&segment, &mut both);
                }
            }
        }
        dissector.finish(&mut both);
        both.over.extend(std::mem::take(&mut both.links).into_values());
        for (usual, general) in &both.over {
            assert!(format!("{usual:?}") == format!("{general:?}"), "{}", path.display());
        }
        plain += both.plain;
    }
    assert!(plain > 10_000, "{plain} plain frames");
}
