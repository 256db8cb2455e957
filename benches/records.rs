//! From segments through streams to records, without a consumer; and the head of a single packet.
//!
//!     cargo bench --bench records

#![allow(missing_docs, reason = "criterion's macros make functions without")]

mod input;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use input::Nobody;
use quorumscope::dissect::{DissectOptions, Dissector, Hosts};
use quorumscope::proto::quorum::Head;
use quorumscope::time::Span;
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

/// The same with every segment captured at both ends; each counts as two frames.
fn both_ends(criterion: &mut Criterion) {
    let on_the_way = Span::from_nanos(50_000);
    input::measure(criterion, "records", |group, input| {
        let mut addresses = Vec::new();
        for batch in &input.batches {
            input::for_each_segment(batch, |segment| {
                for address in [segment.src.address, segment.dst.address] {
                    if !addresses.contains(&address) {
                        addresses.push(address);
                    }
                }
            });
        }
        let known: Vec<_> = addresses.iter().copied().map(Some).collect();
        let file_of =
            |address| (0..).zip(&addresses).find(|(_, known)| **known == address).map_or(0, |(file, _)| file);
        group.throughput(Throughput::Elements(2 * input::FRAMES));
        group.bench_function("both ends", |bench| {
            bench.iter(|| {
                let settings = DissectOptions { hosts: Hosts::new(&known), ..DissectOptions::default() };
                let mut dissector = Dissector::new(settings);
                for batch in &input.batches {
                    input::for_each_segment(batch, |segment| {
                        let mut here = *segment;
                        for (address, later) in
                            [(segment.src.address, Span::ZERO), (segment.dst.address, on_the_way)]
                        {
                            here.header.at = segment.at.plus(later);
                            here.header.frame.file = file_of(address);
                            dissector.segment(&here, &mut Nobody);
                        }
                    });
                }
                dissector.finish(&mut Nobody);
            });
        });
    });
}

criterion_group!(benches, streams, both_ends, head);
criterion_main!(benches);
