//! The short ways through against the general ones: the same events, frame by frame, over real captures as they are and
//! spoilt.

use super::*;
use crate::capture::{Batch, Replay, ReplayOptions};
use crate::frame::{Frame, FrameRef};
use crate::packet;
use crate::testkit::random::Random;
use std::fmt::Write;
use std::path::Path;

/// The events of the last frame, in words.
#[derive(Clone, Default)]
struct Words(String);

impl Observer for Words {
    fn event(&mut self, event: Event<'_>) {
        writeln!(self.0, "{event:?}").unwrap();
    }
}

/// A frame of its own.
struct Owned {
    frame: Frame<'static>,
    data: Vec<u8>,
}

fn frames(folder: &Path) -> Vec<Owned> {
    let mut replay = Replay::open(&[folder.to_owned()], &ReplayOptions::default()).unwrap();
    let (mut batch, mut frames) = (Batch::new(), Vec::new());
    while replay.fill(&mut batch) {
        frames.extend(batch.frames().map(|frame| {
            // All files as one capture.
            let id = FrameRef { file: 0, number: frame.id.number };
            let without = Frame { at: frame.at, link: frame.link, orig_len: frame.orig_len, data: &[], id };
            Owned { frame: without, data: frame.data.to_vec() }
        }));
    }
    frames
}

/// The same frames: some are missing, some come twice or late, some are cut.
fn spoilt(frames: &[Owned], random: &mut Random) -> Vec<Owned> {
    let mut spoilt: Vec<Owned> = Vec::new();
    for Owned { frame, data } in frames {
        let copy = || Owned { frame: *frame, data: data.clone() };
        let mut one = copy();
        if random.chance(3) {
            one.data.truncate(random.index(data.len().max(1)));
        }
        match random.index(40) {
            0 => {}
            1 => spoilt.extend([one, copy()]),
            2 => {
                let back = random.index(8).min(spoilt.len());
                spoilt.insert(spoilt.len() - back, one);
            }
            _ => spoilt.push(one),
        }
    }
    spoilt
}

fn agree(name: &str, frames: &[Owned]) {
    let with = |lanes| {
        let limits = Limits { lanes, ..Limits::default() };
        Dissector::new(DissectOptions { limits, ..DissectOptions::default() })
    };
    let (mut quick, mut general) = (with(true), with(false));
    let (mut by_quick, mut by_general) = (Words::default(), Words::default());
    for (index, Owned { frame, data }) in frames.iter().enumerate() {
        let frame = Frame { data, ..*frame };
        let Ok(segment) = packet::segment(&frame) else { continue };
        by_quick.0.clear();
        by_general.0.clear();
        let ignored = quick.segment(&segment, &mut by_quick);
        assert_eq!(ignored, general.segment(&segment, &mut by_general), "{name}: frame {index}");
        assert!(by_quick.0 == by_general.0, "{name}: frame {index}:\n{}\nnot\n{}", by_quick.0, by_general.0);
        // Now and then as if the capture ended here.
        if index % 997 == 0 {
            let mut ends = [(quick.clone(), Words::default()), (general.clone(), Words::default())];
            ends.iter_mut().for_each(|(dissector, words)| dissector.finish(words));
            assert!(ends[0].1.0 == ends[1].1.0, "{name}: the end at frame {index}");
        }
    }
    by_quick.0.clear();
    by_general.0.clear();
    quick.finish(&mut by_quick);
    general.finish(&mut by_general);
    assert!(by_quick.0 == by_general.0, "{name}: the end");
    assert_eq!(quick.counts, general.counts, "{name}");
}

#[test]
fn lanes_and_the_general_way_agree_on_every_frame() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut random = Random::new(17);
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let frames = frames(&path);
        seen += frames.len();
        agree(&name, &frames);
        agree(&format!("{name}, spoilt"), &spoilt(&frames, &mut random));
    }
    assert!(seen > 50_000, "{seen} frames");
}
