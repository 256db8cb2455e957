//! Sends a capture over an interface repeatedly, each time from other ports and with its connections closed
//! at the end: `flood IFACE LOOPS RATE CAPTURE...`, with RATE in frames per second, 0 for unlimited.
//!
//! For measuring `qscope live` on the other end of a veth pair. Cut bytes are sent as zeros.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a tool for measuring")]

#[path = "../tests/common/wire.rs"]
mod wire;

use quorumscope::capture::{Batch, Replay, ReplayOptions};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// Offset of the ports in Ethernet and IPv4 without options.
const PORTS: usize = 34;
/// How often the rate is checked.
const BURST: u64 = 64;

fn main() {
    let args: Vec<_> = std::env::args().collect();
    let [_, interface, loops, rate, captures @ ..] = args.as_slice() else {
        panic!("flood IFACE LOOPS RATE CAPTURE...");
    };
    let (loops, rate): (u16, u64) = (loops.parse().unwrap(), rate.parse().unwrap());
    let paths: Vec<_> = captures.iter().map(PathBuf::from).collect();
    let mut replay = Replay::open(&paths, &ReplayOptions::default()).unwrap();
    let mut frames: Vec<Vec<u8>> = Vec::new();
    let mut batch = Batch::new();
    while replay.fill(&mut batch) {
        for frame in batch.frames() {
            let mut whole = frame.data.to_vec();
            whole.resize(frame.orig_len as usize, 0);
            frames.push(whole);
        }
    }
    frames.extend(closes(&frames));
    let mut wire = wire::open(interface);
    let (began, mut sent) = (Instant::now(), 0_u64);
    for round in 0..loops {
        for frame in &mut frames {
            if round > 0 {
                renumber(frame);
            }
            if wire.send(frame).is_err() {
                // The queue is full.
                thread::yield_now();
                continue;
            }
            sent += 1;
            if rate > 0 && sent.is_multiple_of(BURST) {
                let due = began + Duration::from_nanos(sent * 1_000_000_000 / rate);
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        }
    }
    let took = began.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let reached = sent as f64 / took;
    println!("{sent} frames in {took:.1} s, {reached:.0} a second");
}

/// A reset for each connection, after the last bytes of one side.
fn closes(frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut last = BTreeMap::new();
    for frame in frames {
        let (Some(ends), Some(tcp)) = (frame.get(26..38), frame.get(PORTS..PORTS + 20)) else { continue };
        let total = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
        let head = usize::from(tcp[12] >> 4) * 4;
        let len = total.saturating_sub(20 + head) + usize::from(tcp[13] & 3 != 0);
        let seq = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
        let mut close = frame[..PORTS + 20].to_vec();
        close[16..18].copy_from_slice(&40_u16.to_be_bytes());
        close[PORTS + 4..PORTS + 8]
            .copy_from_slice(&seq.wrapping_add(u32::try_from(len).unwrap()).to_be_bytes());
        (close[PORTS + 12], close[PORTS + 13]) = (5 << 4, 0x14);
        // Both directions are one connection.
        let (src, dst) = ([&ends[..4], &ends[8..10]].concat(), [&ends[4..8], &ends[10..]].concat());
        last.insert((src.clone().min(dst.clone()), src.max(dst)), close);
    }
    last.into_values().collect()
}

/// Changes the port of the dialing side.
fn renumber(frame: &mut [u8]) {
    for place in [PORTS, PORTS + 2] {
        let Some(bytes) = frame.get_mut(place..place + 2) else { continue };
        let port = u16::from_be_bytes([bytes[0], bytes[1]]);
        if port != 2888 && port != 3888 {
            let next = if port == u16::MAX { 10_000 } else { port + 1 };
            bytes.copy_from_slice(&next.to_be_bytes());
        }
    }
}
