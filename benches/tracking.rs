//! From events to the facts about each link.
//!
//!     cargo bench --bench tracking

#![allow(missing_docs, reason = "criterion's macros make functions without")]

mod input;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use quorumscope::capture::Batch;
use quorumscope::diagnose::Analyzer;
use quorumscope::dissect::{DissectOptions, Dissector, Events, Replayer};

/// All events, in pieces, as the analyzer receives them from another thread.
struct Pieces {
    now: Events<Analyzer>,
    full: Vec<Events<Analyzer>>,
}

impl Pieces {
    fn of(batches: &[Batch]) -> Vec<Events<Analyzer>> {
        let mut pieces = Self { now: Events::default(), full: Vec::new() };
        let mut dissector = Dissector::new(DissectOptions::default());
        for batch in batches {
            input::for_each_segment(batch, |segment| {
                dissector.segment(segment, &mut pieces.now);
                if pieces.now.is_full() {
                    pieces.full.push(std::mem::take(&mut pieces.now));
                }
            });
        }
        dissector.finish(&mut pieces.now);
        pieces.full.push(pieces.now);
        pieces.full
    }
}

fn tracking(criterion: &mut Criterion) {
    input::measure(criterion, "tracking", |group, input| {
        let pieces = Pieces::of(&input.batches);
        group.bench_function("events", |bench| {
            bench.iter_batched_ref(
                || (input::analyzer(), Replayer::default()),
                |(analyzer, replayer)| pieces.iter().for_each(|piece| replayer.tell(piece, analyzer)),
                BatchSize::PerIteration,
            );
        });
    });
}

criterion_group!(benches, tracking);
criterion_main!(benches);
