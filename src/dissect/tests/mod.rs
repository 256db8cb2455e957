//! The dissector on whole connections that are built from encoded packets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a test fails by panicking"
)]

mod bytes;
mod election;
mod framing;
mod hostile;
mod lanes;
mod legal;
mod limits;
mod twin;

use super::*;
use crate::address::Endpoint;
use crate::packet::Flags;
use crate::proto::{PacketType, ServerState, Sid, Zxid};
use crate::testkit::segment::{endpoint, segment};

use Direction::{ToLeader, ToLearner};

const LEARNER: Endpoint = endpoint(1, 40_000);
const LEADER: Endpoint = endpoint(2, 2888);

/// A quorum packet as it was reported.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    direction: Direction,
    kind: PacketType,
    zxid: Option<Zxid>,
    size: Option<u64>,
    frame: u32,
    last_at: Timestamp,
    seen: Vec<u8>,
    cut: u64,
    inferred: bool,
    timed: bool,
}

/// An election message as it was reported: sender, content, size, cut bytes, frame.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Vote {
    src: Endpoint,
    what: What,
    size: u64,
    cut: u64,
    frame: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Hello(Sid),
    Notification(ServerState, Sid, Option<i64>),
    Unread,
}

/// Records all events.
#[derive(Debug, Default)]
struct Recorder {
    opened: Vec<LinkOpened>,
    records: Vec<Record>,
    snapshots: Vec<SnapshotSeen>,
    closed: Vec<(Direction, bool)>,
    gaps: Vec<(Direction, u64)>,
    totals: Vec<LinkTotals>,
    votes: Vec<Vote>,
    auths: Vec<AuthSeen>,
    segments: u32,
}

impl Observer for Recorder {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::LinkOpened(_, opened) => self.opened.push(*opened),
            Event::Segment(..) => self.segments += 1,
            Event::Packet(_, packet) => self.packet(packet),
            Event::Snapshot(_, snapshot) => self.snapshots.push(*snapshot),
            Event::LinkClosed(_, direction, closing) => self.closed.push((direction, closing.reset)),
            Event::Gap(_, direction, gap) => self.gaps.push((direction, gap.len)),
            Event::LinkOver(_, totals) => self.totals.push(*totals),
            Event::Election(message) => self.election(message),
            Event::Auth(auth) => self.auths.push(*auth),
            Event::Peer(_) => {}
            Event::AtLearner(..)
            | Event::Aside(..)
            | Event::SegmentMatch(..)
            | Event::Unread(..)
            | Event::LinkEncrypted(_)
            | Event::LinkUnwatched(..)
            | Event::ElectionOver(_) => {}
        }
    }
}

impl Recorder {
    fn packet(&mut self, packet: &PacketSeen<'_>) {
        if let (false, Some(size)) = (packet.inferred, packet.size) {
            assert!(packet.seen.len() as u64 + packet.cut <= size, "{:?} {size}", packet.head());
        }
        self.records.push(Record {
            direction: packet.direction,
            kind: packet.kind,
            zxid: packet.zxid,
            size: packet.size,
            frame: packet.frame.number,
            last_at: packet.last_at,
            seen: packet.seen.to_vec(),
            cut: packet.cut,
            inferred: packet.inferred,
            timed: packet.timed,
        });
    }

    fn election(&mut self, message: &ElectionSeen<'_>) {
        let what = match message.message {
            ElectionMessage::Hello(hello) => What::Hello(hello.sid()),
            ElectionMessage::Notification(vote) => {
                What::Notification(vote.state, vote.leader, vote.peer_epoch)
            }
            ElectionMessage::Unread => What::Unread,
        };
        let (src, size, cut, frame) = (message.src, message.size, message.cut, message.frame.number);
        self.votes.push(Vote { src, what, size, cut, frame });
    }

    fn kinds(&self, direction: Direction) -> Vec<PacketType> {
        self.records.iter().filter(|r| r.direction == direction).map(|r| r.kind).collect()
    }

    /// The number of packets of a type, seen or inferred.
    fn count(&self, direction: Direction, kind: PacketType) -> usize {
        self.records.iter().filter(|r| r.direction == direction && r.kind == kind).count()
    }
}

/// One connection through a dissector: sends segments, counts their bytes, and compares the byte sums at the
/// end.
struct Wire {
    dissector: Dissector,
    recorder: Recorder,
    /// Side that dialed, side that was dialed.
    ends: [Endpoint; 2],
    seq: [u32; 2],
    /// Stream bytes of each side from the first that was captured on.
    sent: [u64; 2],
    /// Captured payload bytes per frame.
    keeps: usize,
    now: Timestamp,
    number: u32,
}

/// The time of a test's first frame, in 2026.
const START: Timestamp = Timestamp::from_parts(1_795_248_000, 0);

impl Wire {
    /// A connection to a leader, captured from its SYN on.
    fn open() -> Self {
        let mut wire = Self::picked_up();
        wire.handshake();
        wire
    }

    /// A connection to a leader, captured from its middle on.
    fn picked_up() -> Self {
        Self::between(LEARNER, LEADER)
    }

    fn between(dialer: Endpoint, dialed: Endpoint) -> Self {
        Self {
            dissector: Dissector::new(DissectOptions::default()),
            recorder: Recorder::default(),
            ends: [dialer, dialed],
            seq: [0xffff_f000, 7000],
            sent: [0; 2],
            keeps: usize::MAX,
            now: START,
            number: 0,
        }
    }

    fn handshake(&mut self) {
        self.segment(ToLeader, 0, b"", Flags::SYN);
        self.seq[0] = self.seq[0].wrapping_add(1);
        self.segment(ToLearner, 0, b"", Flags::SYN | Flags::ACK);
        self.seq[1] = self.seq[1].wrapping_add(1);
        self.segment(ToLeader, 0, b"", Flags::ACK);
    }

    fn segment(&mut self, direction: Direction, back: u32, payload: &[u8], flags: u8) {
        let (from, to) = if direction.is_to_leader() { (0, 1) } else { (1, 0) };
        self.number += 1;
        let seen = &payload[..payload.len().min(self.keeps)];
        let seq = self.seq[from].wrapping_sub(back);
        let mut sent = segment(self.ends[from], self.ends[to], self.number, seq, seen);
        sent.header.len = payload.len() as u32;
        (sent.header.at, sent.header.ack, sent.header.flags) = (self.now, self.seq[to], Flags(flags));
        self.dissector.segment(&sent, &mut self.recorder);
    }

    /// Sends these bytes in one segment.
    fn send(&mut self, direction: Direction, bytes: &[u8]) {
        self.segment(direction, 0, bytes, Flags::ACK);
        self.skip(direction, bytes.len());
    }

    /// Sends the bytes in a segment that is not captured.
    fn skip(&mut self, direction: Direction, len: usize) {
        let side = usize::from(!direction.is_to_leader());
        self.seq[side] = self.seq[side].wrapping_add(len as u32);
        self.sent[side] += len as u64;
    }

    /// Sends them in segments of `size` bytes.
    fn send_in(&mut self, direction: Direction, bytes: &[u8], size: usize) {
        bytes.chunks(size).for_each(|piece| self.send(direction, piece));
    }

    /// A pure ACK.
    fn ack(&mut self, direction: Direction) {
        self.segment(direction, 0, b"", Flags::ACK);
    }

    fn wait(&mut self, millis: i64) {
        self.now = self.now.plus(Span::from_millis(millis));
    }

    /// Ends the capture, and checks that every byte of both streams is accounted for.
    fn finish(mut self) -> Recorder {
        self.dissector.finish(&mut self.recorder);
        if self.recorder.totals.is_empty() {
            assert_eq!(self.dissector.counts.election_bytes.stream(), self.sent[0] + self.sent[1]);
            return self.recorder;
        }
        assert_eq!(self.recorder.totals.len(), 1);
        let bytes = &self.recorder.totals[0].bytes;
        for (direction, sent) in [(ToLeader, self.sent[0]), (ToLearner, self.sent[1])] {
            let sums = bytes.of(direction);
            assert_eq!(sums.stream(), sent, "{direction:?}: {sums:?}");
            assert!(sums.cut_unframed <= sums.cut, "{direction:?}: {sums:?}");
            let lost: u64 = self.recorder.gaps.iter().filter(|g| g.0 == direction).map(|g| g.1).sum();
            assert_eq!(sums.missing, lost, "{direction:?}: {sums:?}");
        }
        self.recorder
    }
}
