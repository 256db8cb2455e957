//! All layers, from a file to the figures of the report, on one thread.
//!
//!     cargo bench --bench whole

#![allow(missing_docs, reason = "criterion's macros make functions without")]

mod input;

use criterion::{Criterion, criterion_group, criterion_main};
use quorumscope::capture::{Batch, Replay};
use quorumscope::dissect::{DissectOptions, Dissector};

fn whole(criterion: &mut Criterion) {
    input::measure(criterion, "whole", |group, input| {
        let paths = input.paths();
        let mut batch = Batch::new();
        group.bench_function("plain", |bench| {
            bench.iter(|| {
                let mut analyzer = input::analyzer();
                let mut dissector = Dissector::new(DissectOptions::default());
                if let Ok(mut replay) = Replay::open(&paths, &input::on_one_thread()) {
                    while replay.fill(&mut batch) {
                        input::for_each_segment(&batch, |segment| {
                            dissector.segment(segment, &mut analyzer);
                        });
                    }
                }
                dissector.finish(&mut analyzer);
                analyzer.finish(&[])
            });
        });
    });
}

criterion_group!(benches, whole);
criterion_main!(benches);
