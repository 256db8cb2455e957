//! Sends captures over an interface with their own timing, `SPEED` times as fast, for `tests/live.rs`: `send
//! INTERFACE CAPTURES SPEED COPY`. `COPY` records what was sent, with the scheduled times.

#![allow(clippy::unwrap_used, reason = "what runs it sees that it failed")]

#[path = "wire.rs"]
mod wire;

use quorumscope::capture::{Batch, Replay, ReplayOptions};
use quorumscope::pcapfile::{ByteOrder, pcapng};
use quorumscope::time::Timestamp;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    let mut args = std::env::args().skip(1);
    let mut arg = || args.next().unwrap();
    let (interface, captures, speed, copy) = (arg(), PathBuf::from(arg()), arg().parse().unwrap(), arg());
    let mut replay = Replay::open(&[captures], &ReplayOptions::default()).unwrap();
    let mut wire = wire::open(&interface);
    let mut copy = File::create(copy).unwrap();
    let encoder = pcapng::PcapngEncoder { order: ByteOrder::Little };
    let mut out = Vec::new();
    encoder.section("", &mut out);
    encoder.interface(1, 96, &mut out);
    let mut batch = Batch::new();
    let mut first = None;
    let began = Instant::now();
    while replay.fill(&mut batch) {
        for mut frame in batch.frames() {
            let first = *first.get_or_insert(frame.at);
            let after = frame.at.since(first).over(speed);
            frame.at = Timestamp::from_parts(1_700_000_000, 0).plus(after);
            encoder.frame(0, &frame, "", &mut out);
            copy.write_all(&out).unwrap();
            out.clear();
            let due = began + Duration::from_micros(after.micros());
            thread::sleep(due.saturating_duration_since(Instant::now()));
            // Cut bytes are sent as zeros, and are cut again.
            let mut whole = frame.data.to_vec();
            whole.resize(frame.orig_len as usize, 0);
            wire.send(&whole).unwrap();
        }
    }
}
