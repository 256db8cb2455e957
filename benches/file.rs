//! From a file to frames.
//!
//!     cargo bench --bench file

#![allow(missing_docs, reason = "criterion's macros make functions without")]

mod input;

use criterion::{Criterion, criterion_group, criterion_main};
use quorumscope::capture::{Batch, Replay};

fn file(criterion: &mut Criterion) {
    input::measure(criterion, "file", |group, input| {
        let paths = input.paths();
        let mut batch = Batch::new();
        group.bench_function("plain", |bench| {
            bench.iter(|| {
                let mut frames = 0;
                if let Ok(mut replay) = Replay::open(&paths, &input::on_one_thread()) {
                    while replay.fill(&mut batch) {
                        frames += batch.len();
                    }
                }
                frames
            });
        });
    });
}

criterion_group!(benches, file);
criterion_main!(benches);
