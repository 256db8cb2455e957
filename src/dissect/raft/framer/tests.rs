use super::*;
use crate::frame::FrameRef;
use crate::time::Timestamp;

/// A MsgHeartbeat of 47 bytes with its length and its chunk, 61 bytes in all.
fn heartbeat(kind: u8) -> Vec<u8> {
    let mut message = vec![8, kind, 0x10];
    message.extend([0xa1, 0xfe, 0xfd, 0xcd, 0x92, 0xce, 0xce, 0xa6, 0xb6, 1]);
    message.extend([0x18, 0x9b, 0xb1, 0xab, 0xd8, 0x8d, 0xcf, 0xba, 0xdc, 0x3f, 0x20, 2, 0x28, 0, 0x30, 0]);
    message.extend([0x40, 3, 0x4a, 10, 0x12, 8, 10, 2, 0x28, 0, 0x10, 0, 0x18, 0, 0x50, 0, 0x58, 0]);
    let mut bytes = (message.len() as u64).to_be_bytes().to_vec();
    bytes.extend(message);
    bytes
}

fn chunk(data: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", data.len()).into_bytes();
    bytes.extend(data);
    bytes.extend(b"\r\n");
    bytes
}

/// A stream that is read.
struct Read {
    framer: HalfFramer,
    shared: ConnectionTerms,
    offset: u64,
    found: Vec<FoundRecord>,
}

impl Read {
    fn new(codec: Codec) -> Self {
        let shared =
            ConnectionTerms { request: Some(PeerRequest::Stream(codec)), codec: Some(codec), is_tls: false };
        let mut read = Self { framer: HalfFramer::default(), shared, offset: 0, found: Vec::new() };
        read.segment(b"HTTP/1.1 200 OK\r\nX-Etcd-Cluster-Id: 7337ee305290d2fa\r\n\r\n", 30);
        read
    }

    fn segment(&mut self, bytes: &[u8], kept: usize) {
        let seen = bytes.get(..kept).unwrap_or(bytes);
        let len = u32::try_from(bytes.len()).unwrap();
        let chunk =
            Chunk { offset: self.offset, seen, len, at: Timestamp::default(), frame: FrameRef::default() };
        self.offset += u64::from(len);
        let Self { framer, shared, found, .. } = self;
        framer.chunk(&chunk, shared, &mut |one| found.push(one));
        let sums = &self.framer.sums;
        assert_eq!(sums.stream(), self.offset, "{sums:?}");
    }

    fn names(&self) -> Vec<&'static str> {
        self.found.iter().map(|found| found.kind.name()).collect()
    }
}

#[test]
fn lengths_carry_the_framing_over_what_the_cut_hides() {
    let mut read = Read::new(Codec::Message);
    for _ in 0..3 {
        read.segment(&chunk(&heartbeat(8)), 30);
    }
    assert_eq!(read.names(), ["ANSWER", "MsgHeartbeat", "MsgHeartbeat", "MsgHeartbeat"]);
    assert_eq!((read.framer.losses, read.framer.sums.unframed), (0, 0));
}

#[test]
fn answers_behind_the_first_are_proven_by_their_sizes() {
    let mut read = Read::new(Codec::Message);
    read.segment(&chunk(&heartbeat(9)), 30);
    let mut append = heartbeat(4);
    append.push(0x60);
    append.push(0);
    append[7] += 2;
    read.segment(&chunk(&append), 30);
    let mut flush = append.clone();
    (0..25).for_each(|_| flush.extend(heartbeat(9)));
    read.segment(&chunk(&flush), 30);
    let last = read.found.last().unwrap();
    assert_eq!((last.kind.name(), last.count, last.is_inferred), ("MsgHeartbeatResp", 25, true));
}

#[test]
fn a_long_message_hides_the_lines_of_its_chunks() {
    // A put of 3000 bytes: chunks of 0x800 and of the rest, in one segment, of which 30 bytes were kept.
    let mut entry = vec![1];
    entry.extend(1_u64.to_be_bytes());
    entry.extend(3_000_u64.to_be_bytes());
    entry.extend([8, 0, 0x10, 2, 0x18, 9, 0x22]);
    entry.resize(1 + 8 + 8 + 3_000, 7);
    entry.extend(8_u64.to_be_bytes());
    let (first, rest) = entry.split_at(2_048);
    let mut bytes = chunk(first);
    bytes.extend(chunk(rest));
    for kept in [30, 60, usize::MAX] {
        let mut read = Read::new(Codec::Append);
        read.segment(&bytes, kept);
        read.segment(&chunk(&[0]), 30);
        read.segment(&bytes, kept);
        assert_eq!(read.names(), ["ANSWER", "AppEntries", "LINK_HEARTBEAT", "AppEntries"], "{kept}");
        assert_eq!(read.framer.losses, 0, "{kept}");
    }
}

#[test]
fn a_lost_thread_is_taken_up_where_a_segment_begins_with_a_message() {
    let mut read = Read::new(Codec::Message);
    read.segment(b"no chunk at all", 30);
    assert_eq!(read.framer.losses, 1);
    read.segment(&chunk(b"abc"), 30);
    read.segment(&chunk(&heartbeat(8)), 30);
    assert_eq!(read.names(), ["ANSWER", "MsgHeartbeat"]);
    assert!(read.framer.sums.unframed > 0);
    // So is a stream of which the capture lacks something.
    read.framer.gap(100);
    read.offset += 100;
    read.segment(&chunk(&heartbeat(9)), 30);
    assert_eq!(read.names().last(), Some(&"MsgHeartbeatResp"));
    assert_eq!(read.framer.sums.missing, 100);
}

#[test]
fn a_capture_that_begins_inside_a_stream_shows_what_it_is() {
    for (bytes, codec) in [(chunk(&heartbeat(8)), Codec::Message), (chunk(&[0]), Codec::Append)] {
        let shared = ConnectionTerms::default();
        let mut read = Read { framer: HalfFramer::default(), shared, offset: 0, found: Vec::new() };
        read.segment(&bytes, 30);
        assert_eq!(read.shared.codec, Some(codec));
        assert_eq!(read.found.len(), 1);
    }
}

#[test]
fn the_last_chunk_ends_the_stream() {
    let mut read = Read::new(Codec::Append);
    read.segment(b"0\r\n\r\n", 30);
    assert_eq!(read.names(), ["ANSWER", "STREAM_END"]);
    read.segment(b"HTTP/1.1 200 OK\r\n", 30);
    assert_eq!(read.names().last(), Some(&"ANSWER"));
}
