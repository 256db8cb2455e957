//! From segments to streams: every segment to its connection, and its bytes in order.
//!
//!     cargo bench --bench stream

#![allow(missing_docs, reason = "criterion's macros make functions without")]

mod input;

use criterion::{Criterion, criterion_group, criterion_main};
use quorumscope::capture::Batch;
use quorumscope::stream::{Chunk, Connection, FlowKey, Found, Limits, Side, Sink, Table};
use quorumscope::time::Timestamp;
use std::hint::black_box;

/// Reads nothing of a stream.
struct Drain;

impl Sink for Drain {
    fn chunk(&mut self, _: Side, chunk: Chunk<'_>) {
        black_box(&chunk);
    }
    fn gap(&mut self, _: Side, _: u64, _: u64, _: Timestamp) {}
}

/// Every segment to its connection, and its bytes in order.
fn streams(batches: &[Batch]) -> u64 {
    let limits = Limits::default();
    let mut table = Table::new(limits.connections);
    let mut connections: Vec<Connection> = Vec::new();
    for segment in batches.iter().flat_map(input::segments) {
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

fn stream(criterion: &mut Criterion) {
    input::measure(criterion, "stream", |group, input| {
        group.bench_function("chunks", |bench| bench.iter(|| streams(&input.batches)));
    });
}

criterion_group!(benches, stream);
criterion_main!(benches);
