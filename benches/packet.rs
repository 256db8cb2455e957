//! From frames to TCP segments.
//!
//!     cargo bench --bench packet

#![allow(missing_docs, reason = "criterion's macros make functions without")]

mod input;

use criterion::{Criterion, criterion_group, criterion_main};

fn packet(criterion: &mut Criterion) {
    input::measure(criterion, "packet", |group, input| {
        group.bench_function("segments", |bench| {
            bench.iter(|| {
                let segments = input.batches.iter().flat_map(input::segments);
                segments.map(|segment| u64::from(segment.len)).sum::<u64>()
            });
        });
    });
}

criterion_group!(benches, packet);
criterion_main!(benches);
