//! The input of the benches: a capture made from `testdata`, in a file and in memory.
//!
//! A layer is measured alone: frames and the results of the layers below are in memory before it starts.

#![allow(dead_code, reason = "each bench takes what it needs")]

mod large;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use quorumscope::capture::{Batch, Replay, ReplayOptions};
use quorumscope::diagnose::Analyzer;
use quorumscope::dissect::{DissectOptions, Dissector, Event, Observer};
use quorumscope::packet::{Segment, segment};
use quorumscope::track;
use std::error::Error;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Frames of the capture.
pub(crate) const FRAMES: u64 = 400_000;

/// A capture in a file, and in memory.
pub(crate) struct Input {
    file: tempfile::NamedTempFile,
    pub(crate) batches: Vec<Batch>,
}

impl Input {
    fn new() -> Result<Self, Box<dyn Error>> {
        let small = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/healthy/zk5.pcap.zst");
        let file = tempfile::NamedTempFile::new()?;
        let mut out = BufWriter::new(file.as_file());
        large::write_large(&mut out, FRAMES, 1, &[small])?;
        out.flush()?;
        drop(out);
        let mut replay = Replay::open(&[file.path().to_owned()], &on_one_thread())?;
        let mut batches = Vec::new();
        loop {
            let mut batch = Batch::new();
            if !replay.fill(&mut batch) {
                break;
            }
            batches.push(batch);
        }
        Ok(Self { file, batches })
    }

    /// The file's path.
    pub(crate) fn paths(&self) -> [PathBuf; 1] {
        [self.file.path().to_owned()]
    }
}

/// Runs a group with its throughput in frames. If the capture cannot be made, reports that and skips the
/// group.
pub(crate) fn measure(
    criterion: &mut Criterion,
    layer: &str,
    with: impl FnOnce(&mut BenchmarkGroup<'_, WallTime>, &Input),
) {
    let input = match Input::new() {
        Ok(input) => input,
        Err(error) => return eprintln!("no capture to measure with: {error}"),
    };
    let mut group = criterion.benchmark_group(layer);
    group.throughput(Throughput::Elements(FRAMES)).sample_size(20);
    with(&mut group, &input);
    group.finish();
}

/// How the file is read.
pub(crate) fn on_one_thread() -> ReplayOptions {
    ReplayOptions { threads: 1, ..ReplayOptions::default() }
}

/// Calls a function with each segment of a batch, by reference, since a segment is large.
#[inline]
pub(crate) fn for_each_segment(batch: &Batch, mut with: impl FnMut(&Segment<'_>)) {
    for frame in batch.frames() {
        if let Ok(segment) = &segment(&frame) {
            with(segment);
        }
    }
}

/// A dissector that has seen all segments, before its end.
pub(crate) fn dissect<O: Observer>(batches: &[Batch], observer: &mut O) -> Dissector {
    let mut dissector = Dissector::new(DissectOptions::default());
    for batch in batches {
        for_each_segment(batch, |segment| {
            dissector.segment(segment, observer);
        });
    }
    dissector
}

/// A new analyzer.
pub(crate) fn analyzer() -> Analyzer {
    Analyzer::new(track::TrackerOptions::default())
}

/// Ignores everything.
pub(crate) struct Nobody;

impl Observer for Nobody {
    #[inline(always)]
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Segment(_, seen) => {
                black_box(seen.new_bytes);
            }
            Event::Packet(_, packet) => {
                black_box(packet.zxid);
            }
            Event::LinkOpened(..)
            | Event::AtLearner(..)
            | Event::SegmentMatch(..)
            | Event::Snapshot(..)
            | Event::LinkClosed(..)
            | Event::Gap(..)
            | Event::Unread(..)
            | Event::LinkUnwatched(..)
            | Event::LinkEncrypted(_)
            | Event::LinkOver(..)
            | Event::Election(_)
            | Event::ElectionOver(_)
            | Event::Aside(..)
            | Event::Auth(_)
            | Event::Peer(_) => {}
        }
    }
}
