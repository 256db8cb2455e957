//! Reassembly against a simple model: a map of bytes in which the first to arrive wins.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by panicking"
)]

use super::*;
use crate::address::Endpoint;
use crate::packet::{Flags, Segment};
use crate::testkit::random::Random;
use crate::testkit::segment::{endpoint, segment};

/// What the sink received from one side.
#[derive(Debug, Default)]
struct Heard {
    /// Each byte of the stream: captured, or not (cut or missing).
    bytes: Vec<Option<u8>>,
    delivered: u64,
    missing: u64,
    chunks: Vec<(u64, u32, u32)>,
    gaps: Vec<(u64, u64)>,
}

impl Sink for [Heard; 2] {
    fn chunk(&mut self, side: Side, chunk: Chunk<'_>) {
        let heard = &mut self[side as usize];
        assert_eq!(chunk.offset, heard.bytes.len() as u64, "chunks and gaps follow each other");
        assert!(chunk.len > 0 && chunk.seen.len() <= chunk.len as usize);
        heard.bytes.extend(chunk.seen.iter().copied().map(Some));
        heard.bytes.resize(heard.bytes.len() + chunk.len as usize - chunk.seen.len(), None);
        heard.delivered += u64::from(chunk.len);
        heard.chunks.push((chunk.offset, chunk.len, chunk.frame.number));
    }

    fn gap(&mut self, side: Side, offset: u64, len: u64, _at: Timestamp) {
        let heard = &mut self[side as usize];
        assert_eq!(offset, heard.bytes.len() as u64, "chunks and gaps follow each other");
        assert!(len > 0 && len < 1 << 31, "a gap of {len}");
        heard.bytes.resize(heard.bytes.len() + usize::try_from(len).unwrap(), None);
        heard.missing += len;
        heard.gaps.push((offset, len));
    }
}

/// A connection between 10.0.0.1 (side A) and 10.0.0.2, with a clock and frame numbers.
struct Wire {
    connection: Connection,
    heard: [Heard; 2],
    limits: Limits,
    now: Timestamp,
    number: u32,
}

const A: Endpoint = endpoint(1, 40_000);
const B: Endpoint = endpoint(2, 2888);

impl Wire {
    fn new() -> Self {
        Self {
            connection: Connection::new(Timestamp::from_nanos(0)),
            heard: Default::default(),
            limits: Limits::default(),
            now: Timestamp::from_nanos(0),
            number: 0,
        }
    }

    /// Opened by A: both streams start after these sequence numbers.
    fn open(seq_a: u32, seq_b: u32) -> Self {
        let mut wire = Self::new();
        wire.send(Side::A, seq_a, b"", |s| s.header.flags = Flags(Flags::SYN));
        wire.send(Side::B, seq_b, b"", |s| {
            s.header.flags = Flags(Flags::SYN | Flags::ACK);
            s.header.ack = seq_a.wrapping_add(1);
        });
        wire
    }

    fn send(
        &mut self,
        side: Side,
        seq: u32,
        payload: &[u8],
        change: impl Fn(&mut Segment<'_>),
    ) -> Membership {
        let (src, dst) = if side == Side::A { (A, B) } else { (B, A) };
        self.number += 1;
        let mut sent = segment(src, dst, self.number, seq, payload);
        sent.header.flags = Flags(0);
        sent.header.at = self.now;
        change(&mut sent);
        self.connection.push(side, &sent, &self.limits, &mut self.heard)
    }

    fn data(&mut self, side: Side, seq: u32, payload: &[u8]) -> Fate {
        match self.send(side, seq, payload, |_| {}) {
            Membership::Part(fate) => fate,
            other => panic!("{other:?}"),
        }
    }

    fn ack(&mut self, side: Side, seq: u32, ack: u32) {
        self.send(side, seq, b"", |s| (s.header.flags, s.header.ack) = (Flags(Flags::ACK), ack));
    }

    fn flags(&mut self, side: Side, seq: u32, flags: u8) -> Membership {
        self.send(side, seq, b"", |s| s.header.flags = Flags(flags))
    }

    fn wait(&mut self, millis: i64) {
        self.now = self.now.plus(Span::from_millis(millis));
    }

    fn finish(&mut self) {
        self.connection.finish(self.now, &mut self.heard);
        for (side, heard) in [Side::A, Side::B].into_iter().zip(&self.heard) {
            let half = self.connection.half(side);
            assert_eq!(half.held(), 0);
            assert_eq!(half.delivered(), heard.bytes.len() as u64);
            assert_eq!(heard.delivered + heard.missing, heard.bytes.len() as u64);
        }
    }

    fn text(&self, side: Side) -> String {
        self.heard[side as usize].bytes.iter().map(|byte| byte.map_or('.', char::from)).collect()
    }

    fn counts(&self, side: Side) -> StreamHalfCounts {
        self.connection.half(side).counts
    }
}

/// Segments of a stream, lost, repeated, cut, overlapping and out of order.
fn shuffled(random: &mut Random, stream: &[u8]) -> Vec<(usize, Vec<u8>, u32)> {
    let mut segments = Vec::new();
    let mut at = 0;
    while at < stream.len() {
        let len = (1 + random.index(200)).min(stream.len() - at);
        let from = at.saturating_sub(if random.chance(10) { random.index(300) } else { 0 });
        let whole = stream[from..at + len].to_vec();
        let wire_len = u32::try_from(whole.len()).unwrap();
        let kept = if random.chance(30) { random.index(whole.len() + 1) } else { whole.len() };
        let times = if random.chance(8) { 0 } else { 1 + usize::from(random.chance(10)) };
        for _ in 0..times {
            let mut kept = whole[..kept].to_vec();
            if random.chance(20) {
                // Forged bytes; the genuine ones may have arrived first.
                kept.iter_mut().for_each(|byte| *byte ^= 0xff);
            }
            segments.push((from, kept, wire_len));
        }
        at += len;
    }
    for at in 1..segments.len() {
        if random.chance(15) {
            segments.swap(at, at - 1 - random.index(at.min(12)));
        }
    }
    segments
}

#[test]
fn any_segmentation_gives_the_bytes_that_came_first() {
    for seed in 0..400 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let len = 20 + random.index(6000);
        let stream = random.bytes(len);
        let isn = if random.chance(50) { u32::MAX - random.index(len) as u32 } else { random.next() as u32 };
        let mut wire = Wire::open(isn, 77);
        let mut model = vec![None; len];
        let (mut end, mut highest) = (0, 0);
        let first = isn.wrapping_add(1);
        for (from, kept, wire_len) in shuffled(&mut random, &stream) {
            wire.wait(1);
            let to = from + wire_len as usize;
            for (at, place) in model.iter_mut().enumerate().take(to).skip(from) {
                place.get_or_insert(kept.get(at - from).copied());
            }
            let seq = first.wrapping_add(from as u32);
            wire.send(Side::A, seq, &kept, |s| s.header.len = wire_len);
            end = end.max(to);
            if random.chance(20) && highest < end {
                highest += 1 + random.index(end - highest);
                // The receiver has everything, the capture does not; what it has is in order.
                let have = wire.connection.half(Side::A).delivered();
                if have >= highest as u64 {
                    wire.ack(Side::B, 78, first.wrapping_add(highest as u32));
                }
            }
        }
        wire.finish();
        model.truncate(end);
        let heard = &wire.heard[0];
        assert_eq!(heard.bytes.len(), end, "seed {seed}");
        let missing = model.iter().filter(|byte| byte.is_none()).count() as u64;
        assert_eq!((heard.missing, heard.delivered), (missing, end as u64 - missing), "seed {seed}");
        let model: Vec<Option<u8>> = model.into_iter().map(Option::flatten).collect();
        assert_eq!(heard.bytes, model, "seed {seed}");
        let counts = wire.counts(Side::A);
        assert_eq!(counts.out_of_window + counts.pushed_out, 0, "seed {seed}");
    }
}

#[test]
fn a_wrapping_sequence_number_is_one_like_any_other() {
    let mut wire = Wire::open(u32::MAX - 3, 0);
    assert_eq!(wire.data(Side::A, u32::MAX - 2, b"ab"), Fate::InOrder);
    assert_eq!(wire.data(Side::A, 2, b"fg"), Fate::OutOfOrder);
    assert_eq!(wire.data(Side::A, u32::MAX, b"cde"), Fate::FillsGap);
    assert_eq!(wire.data(Side::A, u32::MAX, b"cde"), Fate::Retransmission);
    wire.ack(Side::B, 1, 4);
    assert_eq!(wire.connection.half(Side::A).acked(), 7);
    wire.finish();
    assert_eq!(wire.text(Side::A), "abcdefg");
}

#[test]
fn a_stream_begins_where_the_capture_does() {
    let mut wire = Wire::new();
    assert_eq!(wire.data(Side::A, 1000, b"abc"), Fate::InOrder);
    assert_eq!(wire.data(Side::A, 990, b"before"), Fate::Retransmission);
    assert_eq!(wire.data(Side::A, 1001, b"bcde"), Fate::InOrder);
    // It starts before the expected byte, ends beyond it and reaches a held segment.
    assert_eq!(wire.data(Side::A, 1007, b"h"), Fate::OutOfOrder);
    assert_eq!(wire.data(Side::A, 998, b"__abcdefgXi"), Fate::FillsGap);
    wire.finish();
    assert_eq!(wire.text(Side::A), "abcdefghi");
    assert_eq!(wire.connection.opened_by, None);
}

#[test]
fn an_opening_says_who_dialed() {
    let wire = Wire::open(1, 2);
    assert_eq!((wire.connection.opened_by, wire.connection.accepted), (Some(Side::A), true));
    let mut wire = Wire::new();
    wire.flags(Side::B, 5, Flags::SYN | Flags::ACK);
    assert_eq!((wire.connection.opened_by, wire.connection.accepted), (Some(Side::A), true));
    // The SYN after the SYN-ACK, as in merged captures.
    assert_eq!(wire.flags(Side::A, 9, Flags::SYN), Membership::Part(Fate::Empty));
    assert_eq!(wire.data(Side::A, 10, b"a"), Fate::InOrder);
    assert_eq!(wire.data(Side::B, 6, b"b"), Fate::InOrder);
}

#[test]
fn data_in_a_syn_is_data() {
    let mut wire = Wire::new();
    wire.send(Side::A, 100, b"early", |s| s.header.flags = Flags(Flags::SYN));
    assert_eq!(wire.data(Side::A, 106, b" bird"), Fate::InOrder);
    assert_eq!(wire.text(Side::A), "early bird");
}

#[test]
fn a_fin_may_carry_data_and_takes_a_number() {
    let mut wire = Wire::open(0, 0);
    wire.send(Side::A, 1, b"last", |s| s.header.flags = Flags(Flags::FIN | Flags::ACK));
    assert_eq!(wire.connection.closing.map(|c| (c.by, c.reset)), Some((Side::A, false)));
    assert!(!wire.connection.done);
    wire.ack(Side::B, 1, 6);
    wire.wait(1000);
    wire.flags(Side::B, 1, Flags::FIN);
    assert!(wire.connection.done);
    wire.ack(Side::A, 6, 2);
    wire.finish();
    assert_eq!((wire.text(Side::A), wire.text(Side::B)), ("last".into(), String::new()));
    assert_eq!(wire.connection.closing.map(|c| c.by), Some(Side::A));
}

#[test]
fn a_fin_that_was_not_captured_is_no_missing_byte() {
    let mut wire = Wire::open(0, 0);
    wire.data(Side::A, 1, b"last");
    wire.ack(Side::B, 1, 6);
    wire.wait(1000);
    wire.ack(Side::B, 1, 6);
    wire.wait(1000);
    wire.ack(Side::A, 6, 1);
    wire.finish();
    assert_eq!(wire.text(Side::A), "last");
    assert!(wire.heard[0].gaps.is_empty());
}

#[test]
fn bytes_lost_before_a_fin_are_missing_and_its_number_is_not() {
    for wait in [0, 1000] {
        let mut wire = Wire::open(0, 0);
        wire.data(Side::A, 1, b"ab");
        wire.flags(Side::A, 4, Flags::FIN | Flags::ACK);
        wire.ack(Side::B, 1, 5);
        wire.wait(wait);
        wire.ack(Side::B, 1, 5);
        wire.finish();
        assert_eq!(wire.heard[0].gaps, [(2, 1)], "after {wait} ms");
    }
}

#[test]
fn both_sides_may_close_at_once() {
    let mut wire = Wire::open(0, 0);
    wire.flags(Side::A, 1, Flags::FIN | Flags::ACK);
    wire.flags(Side::B, 1, Flags::FIN | Flags::ACK);
    assert!(wire.connection.done);
    assert_eq!(wire.connection.closing.map(|c| (c.by, c.reset)), Some((Side::A, false)));
    wire.ack(Side::A, 2, 2);
    wire.ack(Side::B, 2, 2);
    wire.finish();
    assert_eq!(wire.text(Side::A) + &wire.text(Side::B), "");
}

#[test]
fn a_reset_is_believed_in_the_window_only() {
    for (seq, is_believed) in [(5, true), (4, true), (5 + 65_535, true), (5 + 65_536, false), (3, false)] {
        let mut wire = Wire::open(0, 0);
        wire.data(Side::A, 1, b"seen");
        wire.ack(Side::B, 1, 5);
        wire.flags(Side::A, seq, Flags::RST);
        assert_eq!(wire.connection.done, is_believed, "{seq}");
        assert_eq!(wire.connection.closing.is_some_and(|c| c.reset), is_believed, "{seq}");
        assert_eq!(wire.counts(Side::A).out_of_window, u64::from(!is_believed), "{seq}");
    }
    // Unacknowledged data may be reset.
    let mut wire = Wire::open(0, 0);
    wire.data(Side::A, 1, b"seen");
    wire.flags(Side::A, 1, Flags::RST);
    assert!(wire.connection.done);
}

#[test]
fn a_side_that_has_not_spoken_is_believed_where_the_other_expects_it() {
    for (seq, is_believed) in [(5000, true), (5_000_000, false)] {
        for flag in [Flags::RST, Flags::FIN] {
            let mut wire = Wire::new();
            wire.send(Side::B, 1, b"data", |s| (s.header.flags, s.header.ack) = (Flags(Flags::ACK), 5000));
            wire.flags(Side::A, seq, flag);
            assert_eq!(wire.connection.closing.is_some(), is_believed, "{seq} {flag}");
        }
    }
}

#[test]
fn a_fin_far_away_closes_nothing_and_hides_nothing() {
    let mut wire = Wire::open(0, 0);
    wire.data(Side::A, 1, b"abc");
    wire.flags(Side::A, 1 << 25, Flags::FIN | Flags::ACK);
    assert_eq!(wire.connection.closing, None);
    wire.ack(Side::B, 1, 10);
    wire.finish();
    assert_eq!(wire.heard[0].gaps, [(3, 6)]);
}

#[test]
fn ports_may_be_used_again_after_a_close() {
    for syn in [Flags::SYN, Flags::SYN | Flags::ACK] {
        let mut wire = Wire::open(0, 0);
        wire.flags(Side::B, 1, Flags::FIN | Flags::ACK);
        let side = if syn == Flags::SYN { Side::A } else { Side::B };
        assert_eq!(wire.flags(side, 0, syn), Membership::Part(Fate::Empty), "the old one, come again");
        assert_eq!(wire.flags(side, 70_000, syn), Membership::NewConnection);
    }
}

#[test]
fn in_mid_connection_a_syn_must_be_answered() {
    let mut wire = Wire::open(0, 0);
    wire.data(Side::A, 1, b"abc");
    assert_eq!(wire.flags(Side::A, 9999, Flags::SYN), Membership::Part(Fate::Empty));
    assert_eq!(wire.data(Side::A, 4, b"def"), Fate::InOrder);
    // An answer to something else.
    let other =
        wire.send(Side::B, 5, b"", |s| (s.header.flags, s.header.ack) = (Flags(Flags::SYN | Flags::ACK), 7));
    assert_eq!(other, Membership::Part(Fate::Empty));
    let answer = wire.send(Side::B, 5, b"", |s| {
        (s.header.flags, s.header.ack) = (Flags(Flags::SYN | Flags::ACK), 10_000);
    });
    assert_eq!(answer, Membership::NewConnection);
    wire.finish();
    assert_eq!(wire.text(Side::A), "abcdef");
}

#[test]
fn in_mid_connection_data_behind_a_syn_prove_it_where_its_answer_was_not_captured() {
    // One direction was captured.
    let mut wire = Wire::new();
    wire.data(Side::A, 1, b"abc");
    wire.flags(Side::A, 9999, Flags::SYN);
    assert_eq!(wire.send(Side::A, 10_000, b"new", |_| {}), Membership::NewConnection);
    // Where both were, the other side has to acknowledge it, and not what it had long acknowledged.
    let mut wire = Wire::open(0, 0);
    wire.data(Side::A, 1, b"abc");
    wire.flags(Side::A, 0x7000_0000, Flags::SYN);
    assert_eq!(wire.data(Side::A, 0x7000_0001, b"new"), Fate::OutOfWindow);
    wire.ack(Side::B, 1, 4);
    assert_eq!(wire.data(Side::A, 4, b"def"), Fate::InOrder);
    let acks = |s: &mut Segment<'_>| (s.header.flags, s.header.ack) = (Flags(Flags::ACK), 0x7000_0004);
    assert_eq!(wire.send(Side::B, 900_000, b"", acks), Membership::NewConnection);
    wire.finish();
    assert_eq!(wire.text(Side::A), "abcdef");
}

#[test]
fn a_stream_that_goes_on_elsewhere_is_another() {
    // Behind the stream and beyond any window; data ahead but within the window may lie behind a gap.
    for (far, is_another) in [(0x9000_0000_u32, true), (0x5000_0000, true), (0x2000_0000, false)] {
        let mut wire = Wire::open(0, 0);
        wire.data(Side::A, 1, b"abc");
        wire.wait(5_000);
        let verdicts: Vec<_> = (0..6)
            .map(|number| {
                wire.wait(400);
                wire.send(Side::A, far + number * 10, b"0123456789", |_| {}) == Membership::NewConnection
            })
            .collect();
        assert_eq!(verdicts, [false, false, false, is_another, is_another, is_another], "{far:x}");
        let since = wire.connection.other_stream_since();
        assert_eq!(since, is_another.then(|| Timestamp::from_nanos(5_400_000_000)), "{far:x}");
    }
}

#[test]
fn data_from_nowhere_do_not_end_a_stream_that_goes_on() {
    let mut wire = Wire::open(0, 0);
    for number in 0..100 {
        wire.wait(400);
        assert_eq!(wire.data(Side::A, 1 + number * 3, b"abc"), Fate::InOrder);
        for burst in 0..3 {
            wire.data(Side::A, 0x9000_0000 + (number * 3 + burst) * 10, b"0123456789");
        }
    }
    // Nor if each has an unrelated sequence number, however long that goes on.
    for number in 0..100 {
        wire.wait(400);
        wire.data(Side::A, 0x9000_0000 + number * 1_000, b"0123456789");
    }
    wire.data(Side::A, 301, b"def");
    wire.finish();
    assert!(wire.text(Side::A).ends_with("abcdef"));
}

#[test]
fn a_forged_syn_does_not_begin_a_stream_that_was_picked_up() {
    let mut wire = Wire::new();
    wire.send(Side::B, 1, b"xyz", |s| (s.header.flags, s.header.ack) = (Flags(Flags::ACK), 500));
    assert_eq!(wire.flags(Side::A, 0x7000_0000, Flags::SYN), Membership::Part(Fate::Empty));
    assert_eq!(wire.connection.opened_by, None);
    assert_eq!(wire.data(Side::A, 500, b"abc"), Fate::InOrder);
    assert_eq!(wire.data(Side::A, 503, b"def"), Fate::InOrder);
    assert_eq!(wire.text(Side::A), "abcdef");
}

#[test]
fn keep_alives_are_neither_data_nor_retransmissions() {
    let mut wire = Wire::open(0, 0);
    wire.data(Side::A, 1, b"abc");
    assert_eq!(wire.data(Side::A, 3, b""), Fate::KeepAlive);
    assert_eq!(wire.data(Side::A, 3, b"c"), Fate::KeepAlive);
    assert_eq!(wire.data(Side::A, 4, b""), Fate::Empty);
    assert_eq!(wire.counts(Side::A), StreamHalfCounts::default());
}

#[test]
fn a_closed_window_is_counted() {
    let mut wire = Wire::open(0, 0);
    wire.send(Side::B, 1, b"", |s| {
        (s.header.flags, s.header.ack, s.header.window) = (Flags(Flags::ACK), 1, 0)
    });
    wire.send(Side::B, 1, b"", |s| (s.header.flags, s.header.window) = (Flags(Flags::RST), 0));
    assert_eq!(wire.counts(Side::B).zero_windows, 1);
}

#[test]
fn the_lengths_of_cut_payloads_survive_reordering() {
    let mut wire = Wire::open(0, 0);
    wire.send(Side::A, 251, b"second", |s| s.header.len = 100);
    wire.send(Side::A, 201, b"overlaps", |s| s.header.len = 200);
    wire.send(Side::A, 1, b"first", |s| s.header.len = 250);
    wire.finish();
    let heard = &wire.heard[0];
    assert_eq!(heard.chunks, [(0, 200, 5), (200, 50, 4), (250, 100, 3), (350, 50, 4)]);
    assert_eq!(heard.bytes.iter().flatten().copied().collect::<Vec<u8>>(), b"firstoverlapssecond");
}

#[test]
fn what_only_the_peer_has_seen_is_missing_after_the_grace() {
    let mut wire = Wire::open(0, 0);
    wire.data(Side::A, 1, b"abc");
    wire.data(Side::A, 9, b"ijk");
    wire.wait(1);
    wire.ack(Side::B, 1, 12);
    assert_eq!(wire.text(Side::A), "abc");
    wire.wait(49);
    wire.ack(Side::B, 1, 12);
    assert_eq!(wire.text(Side::A), "abc");
    wire.wait(1);
    wire.ack(Side::B, 1, 12);
    assert_eq!(wire.text(Side::A), "abc.....ijk");
    assert_eq!(wire.data(Side::A, 4, b"late"), Fate::Retransmission);
    wire.finish();
    assert_eq!(wire.heard[0].gaps, [(3, 5)]);
}

#[test]
fn within_the_grace_bytes_may_still_turn_up() {
    let mut wire = Wire::open(0, 0);
    wire.ack(Side::B, 1, 4);
    wire.wait(40);
    assert_eq!(wire.data(Side::A, 1, b"abc"), Fate::InOrder);
    wire.wait(40);
    wire.ack(Side::B, 1, 4);
    // A later gap has its own grace time.
    wire.ack(Side::B, 1, 6);
    wire.wait(40);
    wire.ack(Side::B, 1, 6);
    assert_eq!(wire.heard[0].missing, 0);
    wire.wait(20);
    wire.ack(Side::B, 1, 6);
    assert_eq!(wire.heard[0].gaps, [(3, 2)]);
}

#[test]
fn without_the_peers_acks_a_gap_is_missing_after_a_while() {
    let mut wire = Wire::open(0, 0);
    wire.data(Side::A, 1, b"abc");
    wire.data(Side::A, 6, b"f");
    wire.wait(29_999);
    wire.data(Side::A, 7, b"g");
    assert_eq!(wire.text(Side::A), "abc");
    wire.wait(1);
    wire.data(Side::A, 8, b"h");
    assert_eq!(wire.text(Side::A), "abc..fgh");
}

#[test]
fn a_segment_from_nowhere_does_not_end_a_stream() {
    for far in [100_u32, 1 << 20, (1 << 30) - 1, 1 << 30, 1 << 31, 0x9000_0000] {
        let mut wire = Wire::open(0, 0);
        wire.data(Side::A, 1, b"ab");
        wire.data(Side::A, 3_u32.wrapping_add(far), b"lie");
        for n in 0..40 {
            wire.wait(1000);
            assert!(matches!(wire.data(Side::A, 3 + n, b"c"), Fate::InOrder | Fate::FillsGap), "{far} {n}");
            wire.ack(Side::B, 1, 4 + n);
        }
        wire.finish();
        assert_eq!(wire.text(Side::A), format!("ab{}", "c".repeat(40)), "{far}");
        let counts = wire.counts(Side::A);
        assert_eq!(counts.out_of_window + counts.retransmits, 1, "{far}");
    }
}

#[test]
fn an_ack_from_nowhere_makes_nothing_missing() {
    let mut wire = Wire::open(0, 0);
    wire.data(Side::A, 1, b"ab");
    wire.data(Side::B, 1, b"xy");
    // A third party does not know B's sequence numbers.
    wire.ack(Side::B, 0x4000_0000, 1 << 29);
    wire.wait(1000);
    assert_eq!(wire.data(Side::A, 3, b"cd"), Fate::InOrder);
    wire.finish();
    assert_eq!(wire.heard[0].missing, 0);
}

#[test]
fn copies_of_a_frame_are_no_retransmissions() {
    let mut wire = Wire::open(0, 0);
    for number in 100..120 {
        let seq = 1 + (number - 100) * 3;
        let stamp = |s: &mut Segment<'_>| s.header.timestamps = Some((number, 0));
        assert_eq!(wire.send(Side::A, seq, b"abc", stamp), Membership::Part(Fate::InOrder));
        assert_eq!(wire.send(Side::A, seq, b"abc", stamp), Membership::DuplicateFrame);
    }
    // A retransmission has another IP identification, or another timestamp.
    let again =
        wire.send(Side::A, 1, b"abc", |s| (s.header.timestamps, s.header.ip_id) = (Some((100, 0)), 7));
    assert_eq!(again, Membership::Part(Fate::Retransmission));
    assert_eq!(wire.send(Side::A, 1, b"abc", |_| {}), Membership::Part(Fate::Retransmission));
    let counts = wire.counts(Side::A);
    assert_eq!((counts.duplicates, counts.retransmits), (20, 2));
}

#[test]
fn held_segments_are_limited() {
    let mut wire = Wire::open(0, 0);
    wire.limits.held_segments = 10;
    wire.data(Side::A, 1, b"a");
    for n in 0..100 {
        wire.data(Side::A, 11 + 2 * n, b"x");
        assert!(wire.connection.half(Side::A).held() <= 10);
    }
    wire.finish();
    let counts = wire.counts(Side::A);
    assert_eq!((counts.pushed_out, counts.out_of_order), (90, 0));
    assert_eq!((wire.heard[0].delivered, wire.heard[0].missing), (101, 9 + 99));

    // A segment that encloses many held ones is split into as many pieces, and the limit holds.
    let mut wire = Wire::open(0, 0);
    wire.limits.held_segments = 10;
    for n in 0..9 {
        wire.data(Side::A, 11 + 10 * n, b"y");
    }
    wire.data(Side::A, 2, &[b'z'; 200]);
    assert!(wire.connection.half(Side::A).held() <= 10);
    wire.finish();
    assert_eq!((wire.heard[0].delivered, wire.heard[0].missing), (200, 1));
    assert_eq!(wire.text(Side::A).matches('y').count(), 9);
}

#[test]
fn times_that_jump_do_no_harm() {
    let mut wire = Wire::open(0, 0);
    for nanos in [i64::MIN, i64::MAX, 0, -1, i64::MAX, i64::MIN] {
        wire.now = Timestamp::from_nanos(nanos);
        wire.data(Side::A, 10, b"x");
        wire.ack(Side::B, 1, 11);
        wire.flags(Side::B, 1, Flags::ACK);
    }
    wire.finish();
    assert_eq!(wire.heard[0].gaps, [(0, 9)]);
}

/// Adds up lengths and keeps no bytes.
#[derive(Default)]
struct Sums([u64; 2]);

impl Sink for Sums {
    fn chunk(&mut self, side: Side, chunk: Chunk<'_>) {
        assert_eq!(chunk.offset, self.0[side as usize]);
        assert!(chunk.len > 0 && chunk.seen.len() <= chunk.len as usize);
        self.0[side as usize] += u64::from(chunk.len);
    }

    fn gap(&mut self, side: Side, offset: u64, len: u64, _at: Timestamp) {
        assert_eq!(offset, self.0[side as usize]);
        assert!(len > 0);
        self.0[side as usize] += len;
    }
}

#[test]
fn nothing_on_the_wire_makes_it_panic_or_lie_about_its_sums() {
    let mut others = 0;
    for seed in 0..20_000 {
        let mut random = Random::new(seed);
        let mut connection = Connection::new(Timestamp::from_nanos(0));
        let mut sums = Sums::default();
        let limits = Limits { held_segments: 1 + random.index(8), ..Limits::default() };
        let bytes = random.bytes(64);
        let (mut near, mut now) = (random.next() as u32, 0_i64);
        for number in 0..60 {
            let (side, src, dst) = if random.chance(50) { (Side::A, A, B) } else { (Side::B, B, A) };
            now += i64::try_from(random.within(0..40_000_000)).unwrap() - 3_000_000;
            let spread = 1_u64 << random.within(0..33);
            let mut sent = segment(src, dst, number, 0, &bytes[..random.index(64)]);
            sent.header.at = Timestamp::from_nanos(if random.chance(1) { random.next() as i64 } else { now });
            sent.header.seq = near.wrapping_add((random.next() % spread) as u32);
            sent.header.ack = near.wrapping_add((random.next() % spread) as u32);
            sent.header.flags =
                Flags(random.next() as u8 & if random.chance(80) { Flags::ACK } else { 0xff });
            sent.header.len += random.within(0..30) as u32;
            near = near.wrapping_add(random.within(0..20) as u32);
            others +=
                u32::from(connection.push(side, &sent, &limits, &mut sums) == Membership::NewConnection);
            let half = connection.half(side);
            assert!(half.held() <= limits.held_segments, "seed {seed}");
            assert_eq!(half.delivered(), sums.0[side as usize], "seed {seed}");
        }
        connection.finish(Timestamp::from_nanos(now), &mut sums);
        for side in [Side::A, Side::B] {
            assert_eq!(connection.half(side).held(), 0, "seed {seed}");
            assert_eq!(connection.half(side).delivered(), sums.0[side as usize], "seed {seed}");
        }
    }
    assert!(others > 1000, "{others}");
}

fn key(host: u32, port: u16) -> FlowKey {
    FlowKey::of(endpoint(host, port), B).0
}

#[test]
fn a_full_table_lets_the_longest_idle_go() {
    let at = Timestamp::from_nanos;
    let mut table = ConnectionTable::new(8);
    for port in 0..8 {
        assert_eq!(table.find(&key(1, port), at(port.into())), Lookup::New(ConnectionSlot(port.into())));
    }
    for port in [0, 1, 2, 4, 5, 6, 7] {
        assert_eq!(table.find(&key(1, port), at(100)), Lookup::Known(ConnectionSlot(port.into())));
    }
    assert_eq!(table.find(&key(1, 9), at(101)), Lookup::Instead(ConnectionSlot(3)));
    assert_eq!((table.key(ConnectionSlot(3)), table.len(), table.evicted), (Some(key(1, 9)), 8, 1));
    assert_eq!(
        table.find(&key(1, 3), at(102)),
        Lookup::Instead(ConnectionSlot(0)),
        "the evicted one is a new one"
    );
    table.remove(ConnectionSlot(5));
    assert_eq!((table.len(), table.key(ConnectionSlot(5))), (7, None));
    assert_eq!(table.find(&key(1, 0), at(103)), Lookup::New(ConnectionSlot(5)));
    table.remove(ConnectionSlot(5));
    table.remove(ConnectionSlot(5));
    assert_eq!((table.len(), table.is_empty()), (7, false));
}

#[test]
fn a_flood_of_syns_leaves_a_busy_connection_alone() {
    let mut table = ConnectionTable::new(1000);
    let busy = key(7, 7);
    let mut now = 0;
    // A connection with a long run of its own frames counts as busy.
    for _ in 0..1000 {
        now += 1_000_000;
        table.find(&busy, Timestamp::from_nanos(now));
    }
    for flood in 0..200_000_u32 {
        now += 10;
        table.find(&key(1_000 + (flood >> 14), (flood % (1 << 14)) as u16), Timestamp::from_nanos(now));
        if flood % 700 == 0 {
            assert!(matches!(table.find(&busy, Timestamp::from_nanos(now)), Lookup::Known(_)), "{flood}");
        }
    }
    assert_eq!(table.len(), 1000);
    assert_eq!(table.evicted, 200_001 - 1000);
}
