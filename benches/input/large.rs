//! Makes a large capture from a small one, by repeating its traffic over time and on other ports.

use quorumscope::capture::{Batch, Replay, ReplayOptions};
use quorumscope::frame::LinkType;
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

pub(crate) const SNAPLEN: u32 = 96;
/// Offsets in an Ethernet frame with IPv4 without options.
pub(crate) const PORTS: usize = 14 + 20;
pub(crate) const SEQ: usize = PORTS + 4;
pub(crate) const ACK: usize = PORTS + 8;
pub(crate) const FLAGS: usize = PORTS + 13;
pub(crate) const HAS_ACK: u8 = 0x10;

pub(crate) struct Held {
    pub(crate) at: i64,
    pub(crate) orig_len: u32,
    pub(crate) data: Vec<u8>,
}

/// Writes `frames` frames cut at 96 bytes as one classic pcap; `at_once` copies of the traffic run at the
/// same time.
pub(crate) fn write_large(
    out: &mut impl Write,
    frames: u64,
    at_once: u16,
    inputs: &[PathBuf],
) -> Result<(), Box<dyn Error>> {
    let held = read(inputs)?;
    let (Some(first), Some(last)) = (held.first(), held.last()) else { return Err("no frames".into()) };
    let span = last.at - first.at + 1_000_000_000;
    out.write_all(&header())?;
    let mut written = 0;
    let mut round = 0u32;
    while written < frames {
        for frame in &held {
            for copy in 0..at_once {
                write(out, frame, i64::from(round) * span, round, u32::from(copy))?;
                written += 1;
                if written == frames {
                    out.flush()?;
                    return Ok(());
                }
            }
        }
        round += 1;
    }
    Ok(())
}

pub(crate) fn read(inputs: &[PathBuf]) -> Result<Vec<Held>, Box<dyn Error>> {
    let mut replay = Replay::open(inputs, &ReplayOptions::default())?;
    let mut batch = Batch::new();
    let mut held = Vec::new();
    while replay.fill(&mut batch) {
        for frame in batch.frames().filter(|frame| frame.link == LinkType::Ethernet) {
            let kept = frame.data.len().min(SNAPLEN as usize);
            let data = frame.data.get(..kept).unwrap_or_default().to_vec();
            held.push(Held { at: frame.at.nanos(), orig_len: frame.orig_len, data });
        }
        batch.clear();
    }
    Ok(held)
}

pub(crate) fn header() -> [u8; 24] {
    let mut header = [0; 24];
    for (at, word) in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, SNAPLEN, 1].into_iter().enumerate() {
        if let Some(place) = header.get_mut(at * 4..at * 4 + 4) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }
    header
}

fn write(out: &mut impl Write, frame: &Held, later: i64, round: u32, copy: u32) -> std::io::Result<()> {
    let at = frame.at + later;
    let secs = u32::try_from(at / 1_000_000_000).unwrap_or(u32::MAX);
    let micros = u32::try_from(at % 1_000_000_000 / 1000).unwrap_or(0);
    let len = u32::try_from(frame.data.len()).unwrap_or(0);
    for word in [secs, micros, len, frame.orig_len] {
        out.write_all(&word.to_le_bytes())?;
    }
    let mut data = [0; SNAPLEN as usize];
    let data = data.get_mut(..frame.data.len()).unwrap_or_default();
    data.copy_from_slice(&frame.data);
    set_ports(data, copy);
    set_sequence(data, round, copy);
    out.write_all(data)
}

/// Gives the dialing side of a copy its own port; known ports are kept.
fn set_ports(data: &mut [u8], copy: u32) {
    for at in [PORTS, PORTS + 2] {
        let Some([high, low]) = data.get(at..at + 2).and_then(|port| port.first_chunk::<2>()) else { return };
        let port = u16::from_be_bytes([*high, *low]);
        if port < 10_000 {
            continue;
        }
        // 55,535 ports from 10,000 on.
        let moved = (u32::from(port) - 10_000).wrapping_add(copy.wrapping_mul(61)) % 55_535 + 10_000;
        if let (Some(place), Ok(moved)) = (data.get_mut(at..at + 2), u16::try_from(moved)) {
            place.copy_from_slice(&moved.to_be_bytes());
        }
    }
}

/// Shifts the sequence numbers of both sides: each round opens new connections on the ports of the round
/// before, so that the number of connections stays constant. Copies begin at numbers of their own, as connections do:
/// the same ones would be the two sides of an address translation.
fn set_sequence(data: &mut [u8], round: u32, copy: u32) {
    let by = round.wrapping_mul(0x3000_0001).wrapping_add(copy.wrapping_mul(0x0123_4567));
    let has_ack = data.get(FLAGS).is_some_and(|flags| flags & HAS_ACK != 0);
    for at in [Some(SEQ), has_ack.then_some(ACK)].into_iter().flatten() {
        let Some(place) = data.get_mut(at..at + 4).and_then(|place| place.first_chunk_mut::<4>()) else {
            return;
        };
        *place = u32::from_be_bytes(*place).wrapping_add(by).to_be_bytes();
    }
}
