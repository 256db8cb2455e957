//! What each layer costs per frame, one thread, on a capture made from `testdata`.
//!
//!     cargo bench
//!
//! Frames and what the layers below make of them lie in memory before a layer is measured, so that its figure
//! is its own. "records" takes the streams along, as a stream without anyone who reads it does nothing;
//! "whole" is all of them, from the file to the report's figures.

#![allow(missing_docs, reason = "criterion's macros make functions without")]

mod large;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use quorumscope::capture::{Batch, Options, Replay};
use quorumscope::dissect::{
    AuthSeen, Direction, Dissector, ElectionSeen, Events, LinkOpened, LinkTotals, Observer, PacketSeen,
    SegmentSeen, Settings, SnapshotSeen, Telling,
};
use quorumscope::packet::{Segment, segment};
use quorumscope::proto::quorum::Head;
use quorumscope::stream::{Chunk, Closing, Connection, FlowKey, Found, Limits, Side, Sink, Slot, Table};
use quorumscope::time::Timestamp;
use quorumscope::track::{self, Tracker};
use std::error::Error;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Frames of the capture.
const FRAMES: u64 = 400_000;

/// A capture in a file, and in memory.
struct Input {
    file: tempfile::NamedTempFile,
    batches: Vec<Batch>,
}

fn input() -> Result<Input, Box<dyn Error>> {
    let small = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/healthy/zk5.pcap.zst");
    let file = tempfile::NamedTempFile::new()?;
    let mut out = BufWriter::new(file.as_file());
    large::write_large(&mut out, FRAMES, 1, &[small])?;
    out.flush()?;
    drop(out);
    let mut replay = Replay::open(&[file.path().to_owned()], &alone())?;
    let mut batches = Vec::new();
    loop {
        let mut batch = Batch::new();
        if !replay.fill(&mut batch) {
            break;
        }
        batches.push(batch);
    }
    Ok(Input { file, batches })
}

fn alone() -> Options {
    Options { threads: 1, ..Options::default() }
}

/// Looks at nothing.
struct Nobody;

impl Observer for Nobody {
    fn link_opened(&mut self, _: Slot, _: &LinkOpened) {}
    fn segment(&mut self, _: Slot, seen: &SegmentSeen<'_>) {
        black_box(seen.new_bytes);
    }
    fn packet(&mut self, _: Slot, packet: &PacketSeen<'_>) {
        black_box(packet.zxid);
    }
    fn snapshot(&mut self, _: Slot, _: &SnapshotSeen) {}
    fn link_closed(&mut self, _: Slot, _: Direction, _: &Closing) {}
    fn gap(&mut self, _: Slot, _: Direction, _: u64, _: Timestamp) {}
    fn link_over(&mut self, _: Slot, _: &LinkTotals) {}
    fn election(&mut self, _: &ElectionSeen<'_>) {}
    fn auth(&mut self, _: &AuthSeen) {}
}

/// Reads nothing of a stream.
struct Drain;

impl Sink for Drain {
    fn chunk(&mut self, _: Side, chunk: Chunk<'_>) {
        black_box(&chunk);
    }
    fn gap(&mut self, _: Side, _: u64, _: u64, _: Timestamp) {}
}

fn segments(batch: &Batch) -> impl Iterator<Item = Segment<'_>> {
    batch.frames().filter_map(|frame| segment(&frame).ok())
}

/// Every segment to its connection, and its bytes in order.
fn streams(batches: &[Batch]) -> u64 {
    let limits = Limits::default();
    let mut table = Table::new(limits.connections);
    let mut connections: Vec<Connection> = Vec::new();
    for segment in batches.iter().flat_map(segments) {
        let found = table.find_recent(&segment.src, &segment.dst, segment.at);
        let (slot, side) = found.unwrap_or_else(|| {
            let (key, side) = FlowKey::of(segment.src, segment.dst);
            let (Found::Known(slot) | Found::New(slot) | Found::Instead(slot)) = table.find(&key, segment.at);
            (slot, side)
        });
        while connections.len() <= slot.index() {
            connections.push(Connection::new(segment.at));
        }
        if let Some(connection) = connections.get_mut(slot.index()) {
            black_box(connection.push(side, &segment, &limits, &mut Drain));
        }
    }
    connections.len() as u64
}

fn dissect<O: Observer>(batches: &[Batch], observer: &mut O) -> Dissector {
    let mut dissector = Dissector::new(Settings::default());
    for segment in batches.iter().flat_map(segments) {
        dissector.segment(&segment, observer);
    }
    dissector
}

/// All events, in pieces, as the tracker takes them from another thread.
struct Pieces {
    now: Events<Tracker>,
    full: Vec<Events<Tracker>>,
}

impl Pieces {
    fn of(batches: &[Batch]) -> Vec<Events<Tracker>> {
        let mut pieces = Self { now: Events::default(), full: Vec::new() };
        let mut dissector = Dissector::new(Settings::default());
        for segment in batches.iter().flat_map(segments) {
            dissector.segment(&segment, &mut pieces.now);
            if pieces.now.is_full() {
                pieces.full.push(std::mem::take(&mut pieces.now));
            }
        }
        dissector.finish(&mut pieces.now);
        pieces.full.push(pieces.now);
        pieces.full
    }
}

fn tracker() -> Tracker {
    Tracker::new(track::Options::default())
}

fn layers(criterion: &mut Criterion) {
    let input = match input() {
        Ok(input) => input,
        Err(error) => {
            eprintln!("no capture to measure with: {error}");
            return;
        }
    };
    let paths: [PathBuf; 1] = [input.file.path().to_owned()];
    let batches = input.batches.as_slice();
    let mut group = criterion.benchmark_group("layer");
    group.throughput(Throughput::Elements(FRAMES)).sample_size(20);
    group.bench_function("file", |bench| {
        let mut batch = Batch::new();
        bench.iter(|| {
            let mut frames = 0;
            if let Ok(mut replay) = Replay::open(&paths, &alone()) {
                while replay.fill(&mut batch) {
                    frames += batch.len();
                }
            }
            frames
        });
    });
    group.bench_function("packet", |bench| {
        bench.iter(|| batches.iter().flat_map(segments).map(|segment| u64::from(segment.len)).sum::<u64>());
    });
    group.bench_function("stream", |bench| bench.iter(|| streams(batches)));
    group.bench_function("records", |bench| bench.iter(|| dissect(batches, &mut Nobody).finish(&mut Nobody)));
    let pieces = Pieces::of(batches);
    group.bench_function("tracking", |bench| {
        bench.iter_batched_ref(
            || (tracker(), Telling::default()),
            |(tracker, telling)| pieces.iter().for_each(|piece| telling.tell(piece, tracker)),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("whole", |bench| {
        let mut batch = Batch::new();
        bench.iter(|| {
            let mut tracker = tracker();
            let mut dissector = Dissector::new(Settings::default());
            if let Ok(mut replay) = Replay::open(&paths, &alone()) {
                while replay.fill(&mut batch) {
                    for segment in segments(&batch) {
                        dissector.segment(&segment, &mut tracker);
                    }
                }
            }
            dissector.finish(&mut tracker);
            tracker.finish(&[])
        });
    });
    group.finish();
}

/// The head of a packet, from a slice.
fn head(criterion: &mut Criterion) {
    const HEADS: u64 = 1_024;
    let bytes: Vec<u8> = (0..HEADS)
        .flat_map(|number| {
            [&2u32.to_be_bytes()[..], &(1 << 32 | number).to_be_bytes(), &52u32.to_be_bytes()].concat()
        })
        .collect();
    let mut group = criterion.benchmark_group("head");
    group.throughput(Throughput::Elements(HEADS));
    group.bench_function("quorum packet", |bench| {
        bench.iter(|| {
            black_box(&bytes)
                .chunks(Head::LEN)
                .filter_map(Head::decode)
                .map(|head| head.body_len())
                .sum::<u64>()
        });
    });
    group.finish();
}

criterion_group!(benches, layers, head);
criterion_main!(benches);
