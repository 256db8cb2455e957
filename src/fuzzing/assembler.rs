//! Reassembly against a simple model: a map from stream offset to the bytes sent there.

use std::collections::BTreeMap;

use super::FuzzBytes;
use crate::address::{Address, Endpoint};
use crate::frame::FrameRef;
use crate::packet::{Flags, Segment, SegmentHeader};
use crate::stream::{Chunk, Connection, Fate, Limits, Membership, Side, Sink};
use crate::time::{Span, Timestamp};

/// Low enough for inputs to reach them.
const HELD_SEGMENTS: usize = 8;
/// The largest window (RFC 7323); segments beyond it are invalid.
const MAX_WINDOW: u32 = 1 << 30;

/// Bytes of a stream as they were sent: the frame, and the value if it was captured. Several frames may have
/// sent a byte, with different values.
#[derive(Default)]
struct Model {
    sent: BTreeMap<u64, Vec<(u32, Option<u8>)>>,
    /// One past the last byte that was delivered or reported missing.
    next: u64,
    /// A byte that was sent and reported missing.
    lost: Option<u64>,
}

impl Sink for Model {
    fn chunk(&mut self, side: Side, chunk: Chunk<'_>) {
        assert_eq!(side, Side::A, "only one side has sent anything");
        assert_eq!(chunk.offset, self.next, "chunks come in stream order");
        assert!(chunk.seen.len() as u64 <= u64::from(chunk.len));
        for at in 0..u64::from(chunk.len) {
            let expected = (chunk.frame.number, chunk.seen.get(at as usize).copied());
            let sent = self.sent.get(&(chunk.offset + at)).map(Vec::as_slice).unwrap_or_default();
            assert!(sent.contains(&expected), "byte {} was {expected:?}, sent {sent:?}", chunk.offset + at);
        }
        self.next += u64::from(chunk.len);
    }

    fn gap(&mut self, _side: Side, offset: u64, len: u64, _at: Timestamp) {
        assert!(len > 0);
        assert_eq!(offset, self.next, "gaps come in stream order");
        let sent = self.sent.range(offset..offset + len).next();
        self.lost = self.lost.or(sent.map(|(at, _)| *at));
        self.next += len;
    }
}

/// The connection under test and its model.
struct AssemblerRun {
    connection: Connection,
    model: Model,
    limits: Limits,
    now: Timestamp,
    frame: u32,
    /// Sequence number of the stream's first byte.
    first_seq: u32,
    /// Segments outside the window that were sent.
    far: u64,
}

/// Operations on one direction of a connection: data at any offset, of any length, with any cut; arbitrary
/// ACKs; time that passes or steps back; arbitrary sequence numbers.
///
/// Properties: chunks and gaps do not overlap; every delivered byte was sent by the frame it is attributed
/// to; no byte that was sent is reported missing, unless a held segment was rejected as out of window, which
/// ends the run; segments outside the window change nothing; the limits hold; at the end every byte sent was
/// delivered.
pub fn assembler(data: &[u8]) {
    let mut input = FuzzBytes(data);
    let Some(first_seq) = input.u32() else { return };
    let limits = Limits { held_segments: HELD_SEGMENTS, ..Limits::default() };
    let now = Timestamp::from_parts(1_795_248_000, 0);
    let mut run = AssemblerRun {
        connection: Connection::new(now),
        model: Model::default(),
        limits,
        now,
        frame: 0,
        first_seq,
        far: 0,
    };
    run.push(Flags::SYN, first_seq.wrapping_sub(1), &[], 0);
    let mut end = 0;
    while let Some(operation) = input.byte() {
        let Some(number) = input.u16() else { break };
        match operation % 8 {
            // Data near the expected byte, partly not captured.
            0..=4 => {
                let Some(len) = input.byte() else { break };
                let offset = (run.model.next + u64::from(number % 512)).saturating_sub(128);
                let len = usize::from(len);
                let seen = input.bytes(if operation & 0x80 == 0 { len } else { len / 2 }).to_vec();
                if len > 0 {
                    end = end.max(offset + len as u64);
                }
                run.data(offset, &seen, len as u32);
            }
            5 => run.acknowledge(number),
            6 => run.pass(i64::from(number.cast_signed())),
            _ => run.anywhere(number, operation),
        }
        if run.has_stray() {
            return;
        }
        assert!(run.connection.half(Side::A).held() <= HELD_SEGMENTS);
        assert_eq!(run.connection.half(Side::A).delivered(), run.model.next);
    }
    run.connection.finish(run.now, &mut run.model);
    if run.has_stray() {
        return;
    }
    assert_eq!(run.connection.half(Side::A).held(), 0);
    assert!(run.model.next >= end, "bytes from {} to {end} never came", run.model.next);
    let last = run.model.sent.keys().next_back().copied();
    assert!(last.is_none_or(|last| last < run.model.next));
}

impl AssemblerRun {
    /// Whether reassembly held a segment and later rejected it because of the other side's ACKs. If not, no
    /// byte that was sent may be lost.
    fn has_stray(&self) -> bool {
        let has_stray = self.connection.half(Side::A).counts.out_of_window > self.far;
        assert!(
            has_stray || self.model.lost.is_none(),
            "byte {:?} was sent and called missing",
            self.model.lost
        );
        has_stray
    }

    fn data(&mut self, offset: u64, seen: &[u8], len: u32) {
        let number = self.frame + 1;
        for at in 0..u64::from(len) {
            let byte = (number, seen.get(at as usize).copied());
            self.model.sent.entry(offset + at).or_default().push(byte);
        }
        let seq = self.first_seq.wrapping_add(offset as u32);
        self.push(Flags::ACK, seq, seen, len);
    }

    /// The other side acknowledges something from 256 bytes below the expected byte on.
    fn acknowledge(&mut self, number: u16) {
        let ack = self
            .first_seq
            .wrapping_add(self.model.next as u32)
            .wrapping_add(u32::from(number))
            .wrapping_sub(256);
        let mut segment = self.segment(Flags::ACK, 77, &[], 0);
        segment.header.ack = ack;
        self.connection.push(Side::B, &segment, &self.limits, &mut self.model);
    }

    fn pass(&mut self, millis: i64) {
        self.now = self.now.plus(Span::from_millis(millis));
        self.connection.settle(self.now, &self.limits, &mut self.model);
    }

    /// An arbitrary sequence number; it must be ignored if it is outside the window.
    fn anywhere(&mut self, number: u16, low: u8) {
        let ahead = u32::from(number) << 16 | u32::from(low >> 3);
        let is_far = ahead.cast_signed().unsigned_abs() >= MAX_WINDOW;
        if !is_far {
            return;
        }
        // Handle expired timers first.
        let mut before = (u64::MAX, 0);
        while before != (self.model.next, self.connection.half(Side::A).held()) {
            before = (self.model.next, self.connection.half(Side::A).held());
            self.pass(0);
        }
        let expected = self.first_seq.wrapping_add(self.model.next as u32);
        let fate = self.push(Flags::ACK, expected.wrapping_add(ahead), &[0xee; 40], 40);
        if let Membership::Part(fate) = fate {
            self.far += 1;
            assert_eq!(fate, Fate::OutOfWindow, "{ahead:#x} ahead");
        }
        assert_eq!((self.model.next, self.connection.half(Side::A).held()), before);
    }

    fn push(&mut self, flags: u8, seq: u32, seen: &[u8], len: u32) -> Membership {
        self.frame += 1;
        let segment = self.segment(flags, seq, seen, len);
        self.connection.push(Side::A, &segment, &self.limits, &mut self.model)
    }

    fn segment<'a>(&self, flags: u8, seq: u32, payload: &'a [u8], len: u32) -> Segment<'a> {
        Segment {
            src: Endpoint { address: Address::v4(1), port: 40_000 },
            dst: Endpoint { address: Address::v4(2), port: 2888 },
            header: SegmentHeader {
                at: self.now,
                frame: FrameRef { file: 0, number: self.frame },
                seq,
                ack: 77,
                len,
                timestamps: Some((self.frame, 0)),
                window: 501,
                ip_id: self.frame as u16,
                checksum: 0,
                window_scale: None,
                ttl: 64,
                flags: Flags(flags),
                sack: false,
            },
            payload,
        }
    }
}
