//! Floods and forged packets: they are counted, produce no findings, and memory stays bounded.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use std::fs;
use std::io::{self, Write};
use std::process::{Command, Stdio};

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
/// The target server.
const HERE: (u32, u16) = (0x0ac8_0001, 2888);

/// Pipes a capture into `qscope replay`; returns the report and the peak memory in MiB.
fn replay(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> (Value, u64) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_qscope"))
        .args(["replay", "--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = io::BufWriter::new(child.stdin.take().unwrap());
    write(&mut stdin).unwrap();
    stdin.flush().unwrap();
    // At most a pipe's worth is unread, and the process waits for more.
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    (serde_json::from_slice(&output.stdout).unwrap(), peak / 1024)
}

fn header(out: &mut dyn Write) -> io::Result<()> {
    let words = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1];
    words.iter().try_for_each(|word| out.write_all(&word.to_le_bytes()))
}

/// A frame with its record header, `number` microseconds after the first.
fn frame(
    out: &mut dyn Write,
    number: u32,
    (src, dst): ((u32, u16), (u32, u16)),
    (seq, ack, flags): (u32, u32, u8),
    payload: &[u8],
) -> io::Result<()> {
    let len = u32::try_from(54 + payload.len()).unwrap();
    for word in [1_795_248_000 + number / 1_000_000, number % 1_000_000, len, len] {
        out.write_all(&word.to_le_bytes())?;
    }
    let mut head = [0; 54];
    head[12..14].copy_from_slice(&[8, 0]);
    head[14] = 0x45;
    head[16..18].copy_from_slice(&u16::try_from(len - 14).unwrap().to_be_bytes());
    head[18..20].copy_from_slice(&number.to_be_bytes()[2..]);
    head[22..24].copy_from_slice(&[64, 6]);
    head[26..30].copy_from_slice(&src.0.to_be_bytes());
    head[30..34].copy_from_slice(&dst.0.to_be_bytes());
    head[34..36].copy_from_slice(&src.1.to_be_bytes());
    head[36..38].copy_from_slice(&dst.1.to_be_bytes());
    head[38..42].copy_from_slice(&seq.to_be_bytes());
    head[42..46].copy_from_slice(&ack.to_be_bytes());
    head[46] = 0x50;
    head[47] = flags;
    out.write_all(&head)?;
    out.write_all(payload)
}

fn stranger(number: u32) -> (u32, u16) {
    (0x0a00_0000 + number / 60_000, u16::try_from(1_024 + number % 60_000).unwrap())
}

fn assert_nothing(report: &Value) {
    for key in ["links", "stalls", "elections", "violations"] {
        assert_eq!(report[key].as_array().unwrap().len(), 0, "{key}");
    }
}

#[test]
fn syns_of_half_a_million_ports() {
    let (report, peak) = replay(|out| {
        header(out)?;
        (0..500_000)
            .try_for_each(|number| frame(out, number, (stranger(number), HERE), (number, 0, SYN), b""))
    });
    assert_nothing(&report);
    assert_eq!(report["input"]["frames"], 500_000);
    assert!(report["limits_hit"]["connections"].as_u64().unwrap() > 400_000, "{}", report["limits_hit"]);
    assert!(peak < 96, "{peak} MiB");
}

#[test]
fn records_that_never_end() {
    // 300 MB of notifications and PROPOSALs that never end, each within the limit of its stream.
    let mut vote = 1_000_000_u32.to_be_bytes().to_vec();
    vote.resize(60_000, 0);
    let ping = [&5_u32.to_be_bytes()[..], &0x1_0000_0001_u64.to_be_bytes(), &[0xff; 8]].concat();
    let mut proposal = [&2_u32.to_be_bytes()[..], &0x1_0000_0001_u64.to_be_bytes()].concat();
    proposal.extend(1_000_000_u32.to_be_bytes());
    proposal.resize(60_000, 0);
    let (report, peak) = replay(|out| {
        header(out)?;
        for number in 0..2_500 {
            let (here, there) = ((HERE.0, 3888), (0x0a00_0000 + number, 40_000));
            frame(out, number, (there, here), (0, 0, SYN), b"")?;
            frame(out, number, (there, here), (1, 1, ACK), &7_u64.to_be_bytes())?;
            frame(out, number, (there, here), (9, 1, ACK), &vote)?;
            frame(out, number, (HERE, there), (1, 1, ACK), &ping)?;
            frame(out, number, (HERE, there), (21, 1, ACK), &proposal)?;
        }
        Ok(())
    });
    assert_eq!(report["links"].as_array().unwrap().len(), 2_500);
    assert_eq!(report["stalls"].as_array().unwrap().len(), 0);
    assert!(report["limits_hit"]["held_bytes"].as_u64().unwrap() > 4_000, "{}", report["limits_hit"]);
    assert!(peak < 128, "{peak} MiB");
}

#[test]
fn a_packed_file_that_unpacks_to_any_size() {
    let packed = |bytes: &[u8]| {
        let mut out = GzEncoder::new(Vec::new(), Compression::default());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    };
    let mut head = Vec::new();
    header(&mut head).unwrap();
    let mut frames = Vec::new();
    for number in 0..10_000 {
        frame(&mut frames, 0, (stranger(7), HERE), (number, 1, ACK), &[0; 46]).unwrap();
    }
    let (head, frames) = (packed(&head), packed(&frames));
    assert!(frames.len() < 100_000, "{} bytes", frames.len());
    let (report, peak) = replay(|out| {
        out.write_all(&head)?;
        (0..200).try_for_each(|_| out.write_all(&frames))
    });
    assert_nothing(&report);
    assert_eq!(report["input"]["frames"], 2_000_000);
    assert!(peak < 48, "{peak} MiB");
}

/// A link with a PING and its answer twice a second for 100 s; `forge` adds frames after some of them.
fn link_with(forge: impl Fn(&mut dyn Write, u32, u32) -> io::Result<()>) -> Value {
    let there = (0x0a00_0001, 40_000);
    let ping = [&5_u32.to_be_bytes()[..], &0x1_0000_0001_u64.to_be_bytes(), &[0xff; 8]].concat();
    let pong = [&5_u32.to_be_bytes()[..], &0x1_0000_0001_u64.to_be_bytes(), &[0; 4], &[0xff; 4]].concat();
    let (report, _) = replay(|out| {
        header(out)?;
        for number in 0..200 {
            let (at, seq) = (number * 500_000, 1 + number * 20);
            frame(out, at, (HERE, there), (seq, seq, ACK), &ping)?;
            frame(out, at + 200, (there, HERE), (seq, seq + 20, ACK), &pong)?;
            forge(out, number, at + 300)?;
        }
        Ok(())
    });
    assert_eq!(report["stalls"].as_array().unwrap().len(), 0, "{}", report["stalls"]);
    assert_eq!(report["servers"].as_array().unwrap().len(), 2);
    report
}

#[test]
fn a_beginning_that_one_side_forged_begins_nothing() {
    let there = (0x0a00_0001, 40_000);
    // Before, within and beyond the current window.
    for seq in [0x0100_0000, 0x3000_0000, 0x6000_0000, 0x9000_0000, 0xf000_0000_u32] {
        let report = link_with(|out, number, at| match number {
            20 | 60 => {
                frame(out, at, (there, HERE), (seq, 0, SYN), b"")?;
                frame(out, at + 1, (there, HERE), (seq + 1, 77, ACK), b"not a packet of ours")
            }
            _ => Ok(()),
        });
        let links = report["links"].as_array().unwrap();
        assert_eq!(links.len(), 1, "{seq:x}");
        assert_eq!(links[0]["records"]["to_leader"]["PING"], 200, "{seq:x}");
        assert_eq!(links[0]["bytes"]["to_leader"]["missing"], 0, "{seq:x}");
    }
}

#[test]
fn a_handshake_that_was_forged_costs_seconds_and_makes_no_stall() {
    let there = (0x0a00_0001, 40_000);
    for seq in [0x3000_0000, 0x6000_0000, 0x9000_0000, 0xf000_0000_u32] {
        let report = link_with(|out, number, at| match number {
            20 | 60 => {
                frame(out, at, (there, HERE), (seq, 0, SYN), b"")?;
                frame(out, at + 1, (HERE, there), (seq, seq + 1, SYN | ACK), b"")?;
                frame(out, at + 2, (there, HERE), (seq + 1, seq + 1, ACK), b"")
            }
            _ => Ok(()),
        });
        let links = report["links"].as_array().unwrap();
        let pings: u64 = links.iter().filter_map(|l| l["records"]["to_leader"]["PING"].as_u64()).sum();
        assert!(pings >= 190, "{seq:x}: {pings} of 200");
    }
}

#[test]
fn years_between_two_frames_are_no_silence() {
    let there = (0x0a00_0001, 40_000);
    let ping = [&5_u32.to_be_bytes()[..], &0x1_0000_0001_u64.to_be_bytes(), &[0xff; 8]].concat();
    // One direction, without TCP timestamps, and times from 1970 to 2106.
    let (report, _) = replay(|out| {
        header(out)?;
        for number in 0..400_u32 {
            let mut one = Vec::new();
            frame(&mut one, 0, (HERE, there), (1 + number * 20, 1 + number * 20, ACK), &ping)?;
            let seconds = if number % 7 == 3 { number.wrapping_mul(2_654_435_761) } else { number };
            one[..4].copy_from_slice(&seconds.to_le_bytes());
            one[34..36].copy_from_slice(&number.to_be_bytes()[2..]);
            out.write_all(&one)?;
            if number == 0 {
                // And another link without further frames.
                let other = (0x0a00_0002, 40_000);
                frame(out, 1, (HERE, other), (1, 1, ACK), &ping)?;
                frame(out, 2, (other, HERE), (1, 21, ACK), &ping)?;
            }
        }
        Ok(())
    });
    assert_eq!(report["stalls"].as_array().unwrap().len(), 0, "{}", report["stalls"]);
    assert_eq!(report["links"][0]["records"]["to_learner"]["PING"], 400);
    assert!(!report["input"]["clock_steps"].as_array().unwrap().is_empty());
}
