//! From segments through streams to records, which nobody looks at; and the head of one packet by itself.
//!
//!     cargo bench --bench records

#![allow(missing_docs, reason = "criterion's macros make functions without")]

mod input;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use input::Nobody;
use quorumscope::proto::quorum::Head;
use std::hint::black_box;

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

fn streams(criterion: &mut Criterion) {
    input::measure(criterion, "records", |group, input| {
        group.bench_function("dissected", |bench| {
            bench.iter(|| input::dissect(&input.batches, &mut Nobody).finish(&mut Nobody));
        });
    });
}

criterion_group!(benches, streams, head);
criterion_main!(benches);
