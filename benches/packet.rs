//! From frames to TCP segments.
//!
//!     cargo bench --bench packet

#![allow(missing_docs, reason = "criterion's macros make functions without")]

mod input;

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

fn packet(criterion: &mut Criterion) {
    input::measure(criterion, "packet", |group, input| {
        group.bench_function("segments", |bench| {
            bench.iter(|| {
                for batch in &input.batches {
                    input::for_each_segment(batch, |segment| {
                        black_box(segment);
                    });
                }
            });
        });
    });
}

criterion_group!(benches, packet);
criterion_main!(benches);
