//! From segments to streams: connection lookup and reassembly.
//!
//!     cargo bench --bench stream

#![allow(missing_docs, reason = "criterion's macros make functions without")]

mod input;

use criterion::{Criterion, criterion_group, criterion_main};
use quorumscope::capture::Batch;
use quorumscope::packet::Segment;
use quorumscope::stream::{
    Chunk, Connection, ConnectionTable, FlowKey, Limits, Lookup, Membership, Side, Sink,
};
use quorumscope::time::Timestamp;
use std::hint::black_box;

/// Ignores the stream.
struct Drain;

impl Sink for Drain {
    fn chunk(&mut self, _: Side, chunk: Chunk<'_>) {
        black_box(&chunk);
    }
    fn gap(&mut self, _: Side, _: u64, _: u64, _: Timestamp) {}
}

/// Connection lookup and reassembly of every segment.
fn streams(batches: &[Batch]) -> usize {
    let limits = Limits::default();
    let mut table = ConnectionTable::new(limits.connections);
    let mut connections: Vec<Connection> = Vec::new();
    let mut take = |segment: &Segment<'_>| {
        let (slot, side) = table.find_recent(&segment.src, &segment.dst, segment.at).unwrap_or_else(|| {
            let (key, side) = FlowKey::of(segment.src, segment.dst);
            let (Lookup::Known(slot) | Lookup::New(slot) | Lookup::Instead(slot)) =
                table.find(&key, segment.at);
            (slot, side)
        });
        while connections.len() <= slot.index() {
            connections.push(Connection::new(segment.at));
        }
        let Some(connection) = connections.get_mut(slot.index()) else { return };
        if connection.push(side, segment, &limits, &mut Drain) == Membership::NewConnection {
            *connection = Connection::new(segment.at);
            connection.push(side, segment, &limits, &mut Drain);
        }
    };
    for batch in batches {
        input::for_each_segment(batch, &mut take);
    }
    connections.len()
}

fn stream(criterion: &mut Criterion) {
    input::measure(criterion, "stream", |group, input| {
        group.bench_function("chunks", |bench| bench.iter(|| streams(&input.batches)));
    });
}

criterion_group!(benches, stream);
criterion_main!(benches);
