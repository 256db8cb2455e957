//! The dissector: one conversation in any segmentation, cut anywhere; and complete captures.

use super::{Dice, FuzzBytes};
use crate::address::{Address, Endpoint};
use crate::dissect::{
    ByteSums, Direction, DissectOptions, Dissector, ElectionMessage, ElectionSeen, Event, LinkTotals,
    Observer, PacketSeen, PerDirection, Protection,
};
use crate::frame::{Frame, FrameRef};
use crate::packet::{self, Flags, Segment, SegmentHeader};
use crate::pcapfile::Decoder;
use crate::proto::election::Notification;
use crate::proto::{PacketType, Zxid, auth, quorum};
use crate::stream::ConnectionSlot;
use crate::time::{Span, Timestamp};

/// The longest segment that is sent.
const MAX_SEGMENT: usize = 1448;
const LEARNER: Endpoint = Endpoint { address: Address::v4(0x0a00_0001), port: 40_000 };
const LEADER: Address = Address::v4(0x0a00_0002);
const START: Timestamp = Timestamp::from_parts(1_795_248_000, 0);

/// One side sends some bytes.
struct Turn<'a> {
    from_learner: bool,
    bytes: &'a [u8],
}

/// A conversation over one connection.
struct Script<'a> {
    port: u16,
    /// Whether its SYN is in the capture.
    from_start: bool,
    turns: Vec<Turn<'a>>,
}

impl<'a> Script<'a> {
    /// A byte for port and start, then turns: two bytes of length whose top bit selects the side, and the
    /// bytes.
    fn read(data: &'a [u8]) -> Option<Self> {
        let mut input = FuzzBytes(data);
        let how = input.byte()?;
        let port = [2888, 3888, 2888, 5000][usize::from(how) % 4];
        let mut turns = Vec::new();
        while let Some(front) = input.u16() {
            let bytes = input.bytes(usize::from(front & 0x7fff));
            turns.push(Turn { from_learner: front & 0x8000 != 0, bytes });
        }
        Some(Self { port, from_start: how & 0x80 == 0, turns })
    }

    fn sent(&self, from_learner: bool) -> u64 {
        let turns = self.turns.iter().filter(|turn| turn.from_learner == from_learner);
        turns.map(|turn| turn.bytes.len() as u64).sum()
    }
}

/// How the conversation is segmented and captured.
#[derive(Clone, Copy)]
struct Wire {
    /// Maximum segment length; any length up to it if `is_random`.
    segment_max: usize,
    is_random: bool,
    /// Captured bytes per segment; any number up to it if `is_random`.
    kept: usize,
    /// One in this many segments is not in the capture; 0 for none.
    drop_one_of: usize,
}

/// A quorum packet as the observer received it.
#[derive(Debug, PartialEq)]
struct SeenPacket {
    direction: Direction,
    kind: PacketType,
    zxid: Option<Zxid>,
    data_len: Option<i32>,
    size: Option<u64>,
    seen: Vec<u8>,
    cut: u64,
    inferred: bool,
}

/// Everything the observer received that does not depend on frames and times.
#[derive(Debug, Default)]
struct ObservedLog {
    packets: Vec<SeenPacket>,
    snapshots: Vec<(u64, bool)>,
    election: Vec<(Endpoint, String, u64, u64)>,
    auth: Vec<(Endpoint, auth::SaslHead)>,
    opened: usize,
    totals: Option<LinkTotals>,
}

impl Observer for ObservedLog {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::LinkOpened(..) => self.opened += 1,
            Event::Segment(..) => assert_eq!(self.opened, 1),
            Event::Packet(_, packet) => self.packet(packet),
            Event::Snapshot(_, snapshot) => self.snapshots.push((snapshot.bytes, snapshot.is_complete)),
            Event::Gap(_, _, gap) => assert!(gap.len > 0),
            Event::LinkOver(_, totals) => {
                assert!(self.totals.is_none(), "a link is over once");
                self.totals = Some(*totals);
            }
            Event::Election(message) => self.election(message),
            Event::Auth(auth) => self.auth.push((auth.src, auth.head)),
            Event::AtLearner(..) | Event::SegmentMatch(..) => panic!("one host's capture has one end"),
            Event::LinkClosed(..)
            | Event::LinkEncrypted(_)
            | Event::Unread(..)
            | Event::LinkUnwatched(..)
            | Event::Peer(_)
            | Event::ElectionOver(_)
            | Event::Aside(..) => {}
        }
    }
}

impl ObservedLog {
    fn packet(&mut self, packet: &PacketSeen<'_>) {
        is_sound(packet);
        self.packets.push(SeenPacket {
            direction: packet.direction,
            kind: packet.kind,
            zxid: packet.zxid,
            data_len: packet.data_len,
            size: packet.size,
            seen: packet.seen.to_vec(),
            cut: packet.cut,
            inferred: packet.inferred,
        });
    }

    fn election(&mut self, message: &ElectionSeen<'_>) {
        assert!(message.cut <= message.size);
        let text = format!("{:?}", message.message);
        self.election.push((message.src, text, message.size, message.cut));
    }
}

fn is_sound(packet: &PacketSeen<'_>) {
    if let Some(size) = packet.size {
        assert!(size >= 20, "{packet:?}");
        assert!(packet.seen.len() as u64 + packet.cut <= size, "{packet:?}");
        if let Some(head) = packet.head().filter(|head| head.kind != PacketType::Request) {
            assert_eq!(head.size_without_authinfo(), size, "{packet:?}");
        }
    }
    if !packet.inferred
        && let Some(head) = quorum::Head::decode(packet.seen)
    {
        assert_eq!(packet.head(), Some(head));
    }
}

/// One connection on a quorum, an election or an unknown port, from its first byte or picked up.
///
/// Properties: `stream = decoded + cut + missing + unframed`, however it is segmented, cut and dropped; if
/// every byte was decoded in one segmentation, any other gives the same records; packets have the length that
/// their heads say.
pub fn link(data: &[u8]) {
    let Some(script) = Script::read(data) else { return };
    let mut dice = Dice::of(data);
    let small = 1 + dice.below(40);
    let kept = dice.below(120);
    let plain = Wire { segment_max: MAX_SEGMENT, is_random: false, kept: usize::MAX, drop_one_of: 0 };
    let whole = play(&script, plain, &mut dice);
    for wire in [Wire { segment_max: small, ..plain }, Wire { is_random: true, ..plain }] {
        let other = play(&script, wire, &mut dice);
        // A search for a packet start may succeed in one segmentation and fail in another.
        if script.from_start && script.port != 5000 {
            same_records(&whole, &other);
        }
    }
    let random = Wire { kept, is_random: true, ..plain };
    for wire in [Wire { kept, ..plain }, random, Wire { segment_max: small * 4, drop_one_of: 5, ..random }] {
        play(&script, wire, &mut dice);
    }
}

/// If the whole was decoded to its last byte, with no record left open, any segmentation gives the same
/// records. The rule for an open packet or snapshot depends on segments: it is abandoned if whole packets
/// fill the segments instead.
fn same_records(whole: &(ObservedLog, ByteSums), other: &(ObservedLog, ByteSums)) {
    if whole.1.unframed > 0 {
        return;
    }
    let is_read = |log: &ObservedLog| {
        let is_ended = |packet: &SeenPacket| {
            packet.inferred || packet.size == Some(packet.seen.len() as u64 + packet.cut)
        };
        let is_ended =
            log.packets.iter().all(is_ended) && log.snapshots.iter().all(|(_, is_complete)| *is_complete);
        is_ended
            && log.totals.is_none_or(|totals| {
                totals.protection != Protection::Tls
                    && totals.losses == PerDirection::default()
                    && totals.bytes.to_leader.unframed + totals.bytes.to_learner.unframed == 0
            })
    };
    if is_read(&whole.0) {
        assert_eq!(other.0.packets, whole.0.packets);
        assert_eq!(other.0.snapshots, whole.0.snapshots);
        assert_eq!(other.0.election, whole.0.election);
        assert_eq!(other.0.auth, whole.0.auth);
        assert_eq!(other.1, whole.1);
    }
}

/// Plays a conversation; returns what the observer received, and an election connection's sums.
fn play(script: &Script<'_>, wire: Wire, dice: &mut Dice) -> (ObservedLog, ByteSums) {
    let mut dissector = Dissector::new(DissectOptions::default());
    let mut log = ObservedLog::default();
    let mut end = Ends { script, sent: [0; 2], frame: 0, turn: 0 };
    if script.from_start {
        let syn = end.segment(true, Flags::SYN, 0, &[], 0);
        let answer = end.segment(false, Flags::SYN | Flags::ACK, 0, &[], 0);
        for mut segment in [syn, answer] {
            segment.header.seq = segment.seq.wrapping_sub(1);
            dissector.segment(&segment, &mut log);
        }
    }
    let ack = end.segment(true, Flags::ACK, 0, &[], 0);
    dissector.segment(&ack, &mut log);
    let answer = end.segment(false, Flags::ACK, 0, &[], 0);
    dissector.segment(&answer, &mut log);
    for turn in &script.turns {
        end.turn += 1;
        let mut rest = turn.bytes;
        while !rest.is_empty() {
            let most = wire.segment_max;
            let len = if wire.is_random { 1 + dice.below(most) } else { most }.min(rest.len());
            let (now, later) = rest.split_at(len);
            let kept = if wire.is_random && wire.kept < most { dice.below(wire.kept + 1) } else { wire.kept };
            let sent = end.sent[usize::from(turn.from_learner)];
            let is_edge = sent == 0 || sent + len as u64 == script.sent(turn.from_learner);
            let is_dropped = wire.drop_one_of > 0 && dice.below(wire.drop_one_of) == 0 && !is_edge;
            let segment = end.segment(turn.from_learner, Flags::ACK, len as u32, now, kept);
            if !is_dropped {
                dissector.segment(&segment, &mut log);
            }
            rest = later;
        }
    }
    dissector.finish(&mut log);
    let sums = dissector.counts.election_bytes;
    if script.port == 2888 {
        let Some(totals) = log.totals else { panic!("a connection on the quorum port is a link") };
        for (sums, from_learner) in [(totals.bytes.to_leader, true), (totals.bytes.to_learner, false)] {
            accounts_for(&sums, script.sent(from_learner));
        }
    } else if script.port == 3888 {
        accounts_for(&sums, script.sent(true) + script.sent(false));
    }
    (log, sums)
}

fn accounts_for(sums: &ByteSums, sent: u64) {
    assert_eq!(sums.stream(), sent, "{sums:?}");
    assert!(sums.cut_unframed <= sums.cut, "{sums:?}");
}

/// Both ends of the connection.
struct Ends<'s> {
    script: &'s Script<'s>,
    /// Bytes sent by the leader and by the learner.
    sent: [u64; 2],
    frame: u32,
    turn: i64,
}

impl Ends<'_> {
    /// The next segment of one end, which acknowledges everything the other has sent.
    fn segment<'a>(
        &mut self,
        from_learner: bool,
        flags: u8,
        len: u32,
        bytes: &'a [u8],
        kept: usize,
    ) -> Segment<'a> {
        let leader = Endpoint { address: LEADER, port: self.script.port };
        let (src, dst) = if from_learner { (LEARNER, leader) } else { (leader, LEARNER) };
        self.frame += 1;
        let (own, other) = (usize::from(from_learner), usize::from(!from_learner));
        let segment = Segment {
            src,
            dst,
            header: SegmentHeader {
                at: START.plus(Span::from_millis(self.turn * 10)),
                frame: FrameRef { file: 0, number: self.frame },
                seq: (0xffff_ff00 + self.sent[own]) as u32,
                ack: (0xffff_ff00 + self.sent[other]) as u32,
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
            payload: &bytes[..kept.min(bytes.len())],
        };
        self.sent[own] += u64::from(len);
        segment
    }
}

/// Counts events, and checks the properties of each.
#[derive(Default)]
struct Count {
    open: Vec<ConnectionSlot>,
    packets: u64,
    /// Bytes on the wire according to packets and snapshots.
    claimed: u64,
    sums: ByteSums,
}

impl Observer for Count {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::LinkOpened(slot, _) => {
                assert!(!self.open.contains(&slot), "a slot has one link at a time");
                self.open.push(slot);
            }
            Event::Segment(slot, seen) => {
                assert!(self.open.contains(&slot));
                assert!(seen.segment.payload.len() as u64 <= u64::from(seen.segment.len));
            }
            Event::Packet(slot, packet) => self.packet(slot, packet),
            Event::Snapshot(slot, snapshot) => {
                assert!(self.open.contains(&slot));
                self.claimed += snapshot.bytes;
            }
            Event::LinkEncrypted(slot) | Event::LinkClosed(slot, ..) | Event::Unread(slot, ..) => {
                assert!(self.open.contains(&slot))
            }
            // Of any evicted connection, a link or not.
            Event::LinkUnwatched(..) => {}
            Event::Gap(slot, _, gap) => assert!(self.open.contains(&slot) && gap.len > 0),
            Event::LinkOver(slot, totals) => self.link_over(slot, totals),
            Event::Election(message) => self.election(message),
            Event::Auth(auth) => assert!(auth.cut <= auth.head.size()),
            Event::AtLearner(..) | Event::SegmentMatch(..) => panic!("one host's capture has one end"),
            Event::ElectionOver(_) | Event::Aside(..) | Event::Peer(_) => {}
        }
    }
}

impl Count {
    fn packet(&mut self, slot: ConnectionSlot, packet: &PacketSeen<'_>) {
        assert!(self.open.contains(&slot));
        is_sound(packet);
        self.packets += 1;
        // A packet whose end was not captured is longer than what was seen of it.
        self.claimed += packet.seen.len() as u64 + packet.cut;
    }

    fn link_over(&mut self, slot: ConnectionSlot, totals: &LinkTotals) {
        let before = self.open.len();
        self.open.retain(|open| *open != slot);
        assert_eq!(self.open.len() + 1, before, "a link is over once");
        for sums in [totals.bytes.to_leader, totals.bytes.to_learner] {
            self.add(&sums);
        }
    }

    fn election(&mut self, message: &ElectionSeen<'_>) {
        assert!(message.cut <= message.size);
        if let ElectionMessage::Notification(Notification { config: Some(config), .. }) = message.message {
            assert!(config.len() as u64 + message.cut <= message.size);
        }
    }

    fn add(&mut self, sums: &ByteSums) {
        assert!(sums.cut_unframed <= sums.cut, "{sums:?}");
        self.sums.decoded += sums.decoded;
        self.sums.cut += sums.cut;
        self.sums.missing += sums.missing;
        self.sums.unframed += sums.unframed;
    }
}

/// A capture through every layer up to the events.
///
/// Properties: every event belongs to an open link, and every link is closed once; decoded and unframed bytes
/// do not exceed the captured ones, cut bytes do not exceed those that were cut; packets do not claim more
/// bytes than there were.
pub fn whole(data: &[u8]) {
    let Some(mut decoder) = Decoder::sniff(data) else { return };
    let mut heads = Vec::new();
    decoder.decode(data, &mut |head| heads.push(head));
    let mut dissector = Dissector::new(DissectOptions::default());
    let mut count = Count::default();
    let (mut captured, mut cut) = (0, 0);
    for head in heads {
        let start = head.start as usize;
        let frame = Frame {
            at: head.at,
            link: head.link,
            orig_len: head.orig_len,
            data: &data[start..start + head.len as usize],
            id: FrameRef { file: 0, number: head.number },
        };
        let Ok(segment) = packet::segment(&frame) else { continue };
        captured += segment.payload.len() as u64;
        cut += u64::from(segment.len) - segment.payload.len() as u64;
        dissector.segment(&segment, &mut count);
    }
    dissector.finish(&mut count);
    let election = dissector.counts.election_bytes;
    let links = count.sums.stream();
    count.add(&election);
    assert!(count.open.is_empty(), "links that are never over: {:?}", count.open);
    assert!(count.sums.decoded + count.sums.unframed <= captured, "{:?}", count.sums);
    assert!(count.sums.cut <= cut, "{:?}", count.sums);
    assert!(count.claimed <= links, "{} claimed of {links}", count.claimed);
    // The last packet may end after the capture.
    assert!(count.packets * 10 <= links, "{} packets in {links} bytes", count.packets);
}
