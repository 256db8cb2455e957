//! etcd's peers: records of which less was captured, and streams in any segmentation, cut anywhere.

use super::FuzzBytes;
use crate::address::{Address, Endpoint};
use crate::dissect::{DissectOptions, Dissector, Event, Observer, PeerEvent, PeerTotals};
use crate::frame::FrameRef;
use crate::packet::{Flags, Segment, SegmentHeader};
use crate::raft::{Codec, Known, Message, chunk_head, parse, starts_message};
use crate::time::{Span, Timestamp};

const DIALER: Endpoint = Endpoint { address: Address::v4(0x0a00_0001), port: 40_000 };
const ACCEPTOR: Endpoint = Endpoint { address: Address::v4(0x0a00_0002), port: 2380 };
const START: Timestamp = Timestamp::from_parts(1_795_248_000, 0);
/// The longest segment that is sent.
const MAX_SEGMENT: usize = 1_448;
/// Prefixes of a record that are tried.
const MAX_PREFIXES: usize = 256;

/// What is known of a record from a part of it holds for all of it; a stream of any bytes is accounted for.
pub fn peer(data: &[u8]) {
    for codec in [Codec::Append, Codec::Message] {
        prefixes(codec, data);
    }
    let _ = chunk_head(data).map(|head| starts_message(head.size, data.get(head.len..).unwrap_or_default()));
    stream(data);
}

fn prefixes(codec: Codec, data: &[u8]) {
    let whole = parse(codec, data);
    for len in 0..data.len().min(MAX_PREFIXES) {
        let Some(part) = parse(codec, &data[..len]) else { continue };
        // More bytes may show that it is no record at all.
        let Some(whole) = &whole else { continue };
        if let Some(size) = part.size {
            assert_eq!(Some(size), whole.size, "a length does not change with the cut");
        }
        if let (Known::Message(part), Known::Message(whole)) = (part.known, whole.known) {
            agree(&part, &whole);
        }
    }
}

fn agree(part: &Message, whole: &Message) {
    // Fields may repeat in what no member sends: then the last one counts.
    let is_orderly = |message: &Message| message.entries < 2;
    if is_orderly(whole) && part.kind.is_some() && part.kind != whole.kind {
        assert!(whole.kind.is_some(), "what was read is not lost");
    }
}

/// Counts what becomes of the bytes.
#[derive(Default)]
struct PeerSums(Vec<PeerTotals>);

impl Observer for PeerSums {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Peer(PeerEvent::Over(totals)) => self.0.push(*totals),
            Event::Peer(PeerEvent::Record(record)) => {
                assert!(record.cut <= record.size, "no more is hidden than there is");
                assert!(record.count > 0);
            }
            _ => {}
        }
    }
}

/// A stream's answer and then the bytes, in segments of which the input chooses length and cut.
fn stream(data: &[u8]) {
    let mut input = FuzzBytes(data);
    let Some(how) = input.byte() else { return };
    let mut dissector = Dissector::new(DissectOptions::default());
    let mut sums = PeerSums::default();
    let path = if how & 1 == 0 { "msgapp" } else { "message" };
    let request = format!("GET /raft/stream/{path}/1 HTTP/1.1\r\n\r\n");
    let mut number = 0;
    let mut send = |from_acceptor: bool, seq: u32, bytes: &[u8], kept: usize| {
        number += 1;
        let (src, dst) = if from_acceptor { (ACCEPTOR, DIALER) } else { (DIALER, ACCEPTOR) };
        let header = SegmentHeader {
            at: START.plus(Span::from_millis(i64::from(number))),
            frame: FrameRef { file: 0, number },
            seq,
            ack: 0,
            len: bytes.len() as u32,
            timestamps: Some((number, 0)),
            window: 500,
            ip_id: 0,
            checksum: 0,
            window_scale: None,
            ttl: 64,
            flags: Flags(Flags::ACK),
            sack: false,
        };
        let payload = &bytes[..kept.min(bytes.len())];
        dissector.segment(&Segment { src, dst, header, payload }, &mut sums);
    };
    if how & 2 == 0 {
        send(false, 1_000, request.as_bytes(), usize::MAX);
        send(true, 1_000, b"HTTP/1.1 200 OK\r\n\r\n", usize::MAX);
    }
    let (mut seq, mut sent) = (1_000 + if how & 2 == 0 { 19 } else { 0 }, 0);
    while let Some(front) = input.u16() {
        let bytes = input.bytes((usize::from(front & 0x7ff)).clamp(1, MAX_SEGMENT));
        let kept = if front & 0x8000 == 0 { usize::MAX } else { usize::from(front >> 11 & 15) * 4 };
        send(true, seq, bytes, kept);
        seq = seq.wrapping_add(bytes.len() as u32);
        sent += bytes.len() as u64;
    }
    dissector.finish(&mut sums);
    let streams: u64 = sums.0.iter().flat_map(|totals| totals.bytes).map(|sums| sums.stream()).sum();
    let heads = if how & 2 == 0 { request.len() as u64 + 19 } else { 0 };
    assert!(streams == sent + heads || sent == 0, "{streams} bytes of {}", sent + heads);
}
