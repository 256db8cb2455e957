//! Extracts seeds for the corpus from real captures: `cargo run --example seeds -- OUT LABEL=PATH...`
//!
//! In: captures of complete frames, each with a label, usually the version of ZooKeeper. Out: for every
//! target a directory with the shortest few inputs of each kind per label, without duplicates.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use quorumscope::address::Endpoint;
use quorumscope::capture::{Batch, ReplayOptions, Replay};
use quorumscope::dissect::{
    Direction, Dissector, ElectionMessage, ElectionSeen, Event, Observer, DissectOptions,
};
use quorumscope::frame::{Frame, LinkType};
use quorumscope::packet::{self, Flags, Segment};
use quorumscope::pcapfile::{ByteOrder, pcap, pcapng};
use quorumscope::proto::jute::List;
use quorumscope::proto::quorum::Packet;
use quorumscope::proto::snapshot::END;
use quorumscope::proto::{OpCode, PacketType, SessionId, Decoded, Zxid, auth, request, txn};
use quorumscope::time::{Span, Timestamp};

/// Inputs of each kind per label.
const EACH: usize = 2;
/// The longest record to use as a seed.
const MAX_RECORD: usize = 1500;
/// Stream bytes of a conversation.
const MAX_TALK: usize = 6000;
/// Frames per capture, and captured bytes of each.
const MAX_FRAMES: usize = 48;
const FRAME_KEPT: usize = 300;

type Conversation = (Endpoint, Endpoint);

/// Inputs by target and kind, the shortest first.
#[derive(Default)]
struct Seeds(BTreeMap<(&'static str, String), Vec<Vec<u8>>>);

impl Seeds {
    fn add(&mut self, target: &'static str, kind: String, input: Vec<u8>) {
        let known = self.0.entry((target, kind)).or_default();
        if !known.contains(&input) {
            known.push(input);
            known.sort_by_key(Vec::len);
            known.truncate(EACH);
        }
    }

    fn write(&self, out: &Path) -> std::io::Result<()> {
        let mut written = HashSet::new();
        for ((target, kind), inputs) in &self.0 {
            let folder = out.join(target);
            fs::create_dir_all(&folder)?;
            for (input, index) in inputs.iter().zip(1..) {
                if written.insert((target, input)) {
                    fs::write(folder.join(format!("seed-{kind}-{index}")), input)?;
                }
            }
        }
        Ok(())
    }
}

/// What one capture holds.
struct Finder<'s> {
    label: &'s str,
    seeds: &'s mut Seeds,
    /// Bytes of each election direction so far.
    election: HashMap<Conversation, Vec<u8>>,
}

impl Finder<'_> {
    fn add(&mut self, target: &'static str, kind: &str, input: &[u8]) {
        if input.len() <= MAX_RECORD {
            self.seeds.add(target, format!("{}-{kind}", self.label), input.to_vec());
        }
    }

    /// A packet, and what is inside it.
    fn quorum(&mut self, direction: Direction, bytes: &[u8]) {
        let Decoded::Record { value: packet, .. } = Packet::decode(bytes, MAX_RECORD as u32) else { return };
        let to = if direction.is_to_leader() { "leader" } else { "learner" };
        let name = packet.head.kind.name().to_lowercase();
        let data = packet.data.unwrap_or_default();
        // The offset of the type in a transaction or a request.
        let op = match (packet.head.kind, direction) {
            (PacketType::Proposal | PacketType::Inform, Direction::ToLearner) => data.get(28..32),
            (PacketType::Request, Direction::ToLeader) => data.get(12..16),
            _ => None,
        };
        let op = op.and_then(|op| op.first_chunk()).map_or(0, |op| i32::from_be_bytes(*op));
        self.add("quorum_packet", &format!("{name}-{to}-{op}"), bytes);
        match packet.head.kind {
            PacketType::Proposal | PacketType::Inform => self.add("proposal", &format!("{op}"), data),
            PacketType::Request => self.add("request", &format!("{op}"), data),
            PacketType::FollowerInfo | PacketType::ObserverInfo => self.add("learner_info", &name, data),
            _ => {}
        }
        if packet.head.kind == PacketType::Proposal && op == 14 {
            self.add("jute", "txns", &[&[3][..], data.get(32..).unwrap_or_default()].concat());
        }
        if !packet.authinfo.is_null() {
            let list =
                [&[1][..], &(packet.authinfo.len() as u32).to_be_bytes(), packet.authinfo.raw()].concat();
            self.add("jute", "ids", &list);
        }
    }
}

impl Observer for Finder<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Packet(_, packet) if !packet.inferred && packet.cut == 0 => {
                self.quorum(packet.direction, packet.seen);
            }
            Event::Election(seen) => self.election(seen),
            Event::LinkOpened(..)
            | Event::Segment(..)
            | Event::AtLearner(..)
            | Event::SegmentMatch(..)
            | Event::Packet(..)
            | Event::Snapshot(..)
            | Event::LinkClosed(..)
            | Event::Gap(..)
            | Event::Unread(..)
            | Event::LinkUnwatched(..)
            | Event::LinkEncrypted(_)
            | Event::LinkOver(..)
            | Event::ElectionOver(_)
            | Event::Aside(..)
            | Event::Auth(_)
            | Event::Peer(_) => {}
        }
    }
}

impl Finder<'_> {
    fn election(&mut self, seen: &ElectionSeen<'_>) {
        let mut bytes = Vec::new();
        match seen.message {
            ElectionMessage::Hello(hello) => hello.encode(&mut bytes),
            ElectionMessage::Notification(notification) if seen.cut == 0 => notification.encode(&mut bytes),
            _ => return,
        }
        let said = self.election.entry((seen.src, seen.dst)).or_default();
        if said.len() < MAX_RECORD {
            said.extend_from_slice(&bytes);
        }
    }
}

/// Turns of a connection for the target `link`: see its `Script`.
struct Talk {
    script: Vec<u8>,
    last: Option<(bool, usize)>,
    next: [Option<u32>; 2],
    is_over: bool,
}

impl Talk {
    fn new(how: u8) -> Self {
        Self { script: vec![how], last: None, next: [None; 2], is_over: false }
    }

    /// Takes a segment if it is the next of its direction.
    fn take(&mut self, from_learner: bool, segment: &Segment<'_>) {
        let syn = u32::from(segment.flags.contains(Flags::SYN));
        let next = &mut self.next[usize::from(from_learner)];
        if next.is_some_and(|next| next != segment.seq) || segment.payload.len() as u32 != segment.len {
            return;
        }
        *next = Some(segment.seq.wrapping_add(segment.len + syn));
        if self.script.len() + segment.payload.len() > MAX_TALK {
            self.is_over = true;
        }
        if self.is_over || segment.payload.is_empty() {
            return;
        }
        match &mut self.last {
            Some((by, at)) if *by == from_learner => {
                let len = u16::from_be_bytes([self.script[*at], self.script[*at + 1]])
                    + segment.payload.len() as u16;
                self.script[*at..*at + 2].copy_from_slice(&len.to_be_bytes());
            }
            last => {
                *last = Some((from_learner, self.script.len()));
                let front = segment.payload.len() as u16 | u16::from(from_learner) << 15;
                self.script.extend(front.to_be_bytes());
            }
        }
        self.script.extend_from_slice(segment.payload);
    }
}

/// Frames of one connection, as a capture of its own.
#[derive(Default)]
struct Clip {
    frames: Vec<Kept>,
}

/// The start of a frame, its length on the wire and its time.
type Kept = (Vec<u8>, u32, Timestamp);

impl Clip {
    fn write(&self, label: &str, port: u16, seeds: &mut Seeds) {
        if self.frames.len() < 8 {
            return;
        }
        for (kept, name) in [(96, "96"), (FRAME_KEPT, "300")] {
            let frames = || {
                self.frames.iter().zip(1..).map(move |((data, orig_len, at), number)| Frame {
                    at: *at,
                    link: LinkType::Ethernet,
                    orig_len: *orig_len,
                    data: &data[..data.len().min(kept)],
                    id: quorumscope::frame::FrameRef { file: 0, number },
                })
            };
            for (order, nanos) in [(ByteOrder::Little, false), (ByteOrder::Big, true)] {
                let encoder = pcap::Encoder { order, nanos };
                let mut file = Vec::new();
                encoder.header(1, kept as u32, &mut file);
                frames().for_each(|frame| encoder.frame(&frame, &mut file));
                let kind = format!("{label}-{port}-pcap-{name}-{order:?}").to_lowercase();
                seeds.add("capture_file", format!("pcap-{name}-{order:?}").to_lowercase(), file.clone());
                if order == ByteOrder::Little {
                    seeds.add("whole", kind, file);
                }
            }
            for order in [ByteOrder::Little, ByteOrder::Big] {
                let encoder = pcapng::Encoder { order };
                let mut file = Vec::new();
                encoder.section("seed", &mut file);
                encoder.interface(1, kept as u32, &mut file);
                frames().take(12).for_each(|frame| encoder.frame(0, &frame, "c", &mut file));
                seeds.add("capture_file", format!("pcapng-{name}-{order:?}").to_lowercase(), file);
            }
        }
    }
}

/// The longest silence of a learner, with some frames before and after it.
#[derive(Default)]
struct Quiet {
    before: VecDeque<Kept>,
    during: Vec<Kept>,
    longest: Span,
    clip: Clip,
    /// Frames still to be added after it.
    behind: usize,
}

impl Quiet {
    fn take(&mut self, kept: Kept, speaks: bool) {
        if self.behind > 0 {
            self.behind -= 1;
            self.clip.frames.push(kept.clone());
        }
        if !speaks {
            if self.during.len() < 8 {
                self.during.push(kept);
            }
            return;
        }
        let Some((_, _, last)) = self.before.back() else {
            self.during.clear();
            return self.before.push_back(kept);
        };
        let silence = kept.2.since(*last);
        if silence > self.longest {
            self.longest = silence;
            self.clip.frames = self.before.iter().chain(&self.during).chain([&kept]).cloned().collect();
            self.behind = 8;
        }
        self.before.extend(self.during.drain(..));
        self.before.push_back(kept);
        self.before.drain(..self.before.len().saturating_sub(14));
    }
}

/// A frame under each link layer there is, for the target `segment`.
fn frames(label: &str, frame: &Frame<'_>, segment: &Segment<'_>, seeds: &mut Seeds) {
    let skip = match frame.link {
        LinkType::Ethernet => 14,
        LinkType::LinuxSll => 16,
        LinkType::LinuxSll2 => 20,
        _ => return,
    };
    let Some(ip) = frame.data.get(skip..).map(|ip| &ip[..ip.len().min(200)]) else { return };
    let missing = (frame.orig_len as usize - skip - ip.len()).min(65_535) as u16;
    let heads: [(u8, &[u8]); 6] = [
        (0, &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]),
        (0, &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 100, 8, 0]),
        (1, &[]),
        (2, &[2, 0, 0, 0]),
        (3, &[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0]),
        (4, &[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]),
    ];
    for ((link, head), index) in heads.into_iter().zip(0..) {
        let input = [&[link][..], &missing.to_be_bytes(), head, ip].concat();
        seeds.add("segment", format!("{label}-{index}-{:02x}-{}", segment.flags.0, missing > 0), input);
    }
}

/// The direction of a segment, if it has a known port.
fn side(segment: &Segment<'_>) -> Option<(bool, u16, Conversation)> {
    [2888, 3888].into_iter().find_map(|port| {
        if segment.dst.port == port {
            Some((true, port, (segment.src, segment.dst)))
        } else if segment.src.port == port {
            Some((false, port, (segment.dst, segment.src)))
        } else {
            None
        }
    })
}

fn read(label: &str, path: &Path, seeds: &mut Seeds) -> Result<(), Box<dyn std::error::Error>> {
    let mut replay =
        Replay::open(&[path.to_path_buf()], &ReplayOptions::default()).map_err(|error| error.to_string())?;
    let mut batch = Batch::new();
    let mut dissector = Dissector::new(DissectOptions::default());
    let mut talks: HashMap<Conversation, Talk> = HashMap::new();
    let mut clips: HashMap<Conversation, (u16, Clip)> = HashMap::new();
    let mut quiet: HashMap<Conversation, Quiet> = HashMap::new();
    let mut finder = Finder { label, seeds, election: HashMap::new() };
    while replay.fill(&mut batch) {
        for frame in batch.frames() {
            let Ok(segment) = packet::segment(&frame) else { continue };
            dissector.segment(&segment, &mut finder);
            frames(label, &frame, &segment, finder.seeds);
            if auth::is_magic(segment.payload) {
                finder.add("auth", &format!("{}", segment.payload.len() / 100), segment.payload);
            }
            let Some((from_learner, port, key)) = side(&segment) else { continue };
            let how = if port == 3888 { 1 } else { 0 };
            talks.entry(key).or_insert_with(|| Talk::new(how)).take(from_learner, &segment);
            let (_, clip) = clips.entry(key).or_insert_with(|| (port, Clip::default()));
            if frame.link == LinkType::Ethernet && clip.frames.len() < MAX_FRAMES {
                let kept = &frame.data[..frame.data.len().min(FRAME_KEPT)];
                clip.frames.push((kept.to_vec(), frame.orig_len, frame.at));
            }
            if frame.link == LinkType::Ethernet && port == 2888 {
                let kept = &frame.data[..frame.data.len().min(96)];
                let ends = segment.flags.contains(Flags::FIN) || segment.flags.contains(Flags::RST);
                quiet
                    .entry(key)
                    .or_default()
                    .take((kept.to_vec(), frame.orig_len, frame.at), ends || from_learner && segment.len > 0);
            }
        }
    }
    dissector.finish(&mut finder);
    for said in std::mem::take(&mut finder.election).into_values() {
        finder.add("election", "said", &said);
        let size = said.len() / 100;
        finder.add("election", &format!("said-{size}"), &said);
    }
    for talk in talks.into_values().filter(|talk| talk.script.len() > 100) {
        let kind = format!("{label}-{}-{}", talk.script[0], talk.script.len() / 1500);
        finder.seeds.add("link", kind, talk.script);
    }
    for (port, clip) in clips.into_values() {
        clip.write(label, port, finder.seeds);
    }
    for quiet in quiet.into_values().filter(|quiet| quiet.longest > Span::from_millis(1000)) {
        let encoder = pcap::Encoder { order: ByteOrder::Little, nanos: false };
        let mut file = Vec::new();
        encoder.header(1, 96, &mut file);
        for ((data, orig_len, at), number) in quiet.clip.frames.iter().zip(1..) {
            let id = quorumscope::frame::FrameRef { file: 0, number };
            let frame = Frame { at: *at, link: LinkType::Ethernet, orig_len: *orig_len, data, id };
            encoder.frame(&frame, &mut file);
        }
        finder.seeds.add("report", format!("{label}-quiet"), file);
    }
    Ok(())
}

/// Seeds that captures rarely contain: the rarer transactions and requests, and inputs of targets that do not
/// read records.
fn made(seeds: &mut Seeds) {
    let acl = [&[0, 0, 0, 31][..], &text(b"world"), &text(b"anyone")].concat();
    let acl = List::new(1, &acl).unwrap();
    let (path, data) = (Some(&b"/a"[..]), Some(&b"x"[..]));
    let sub = [&1_i32.to_be_bytes()[..], &text(b""), &(-1_i32).to_be_bytes(), &text(&[0, 0, 0, 0])].concat();
    let paths = [text(b"/a"), text(b"/b")].concat();
    let bodies = [
        (OpCode::CreateContainer, txn::Body::CreateContainer { path, data, acl, parent_cversion: 1 }),
        (OpCode::CreateTtl, txn::Body::CreateTtl { path, data, acl, parent_cversion: 1, ttl_ms: 9 }),
        (OpCode::Delete, txn::Body::Delete { path }),
        (OpCode::SetData, txn::Body::SetData { path, data, version: 1 }),
        (OpCode::Reconfig, txn::Body::SetData { path, data: Some(b"server.1=a:1:2\nversion=1"), version: 1 }),
        (OpCode::SetAcl, txn::Body::SetAcl { path, acl, version: 1 }),
        (OpCode::Check, txn::Body::Check { path, version: 1 }),
        (OpCode::CloseSession, txn::Body::CloseSession { paths: Some(List::new(2, &paths).unwrap()) }),
        (OpCode::Multi, txn::Body::Multi(List::new(2, &sub).unwrap())),
        (OpCode::Error, txn::Body::Error { code: -110 }),
        (OpCode::Unknown(99), txn::Body::Unknown(b"anything")),
    ];
    for (kind, body) in bodies {
        let header = txn::Header { session: SessionId(1), cxid: 2, zxid: Zxid::new(3, 4), time_ms: 5, kind };
        for digest in [None, Some(txn::Digest { version: txn::Digest::VERSION, tree: 6 })] {
            let mut bytes = Vec::new();
            txn::Txn { header, body, digest }.encode(&mut bytes);
            seeds.add("proposal", format!("made-{}", kind.number()), bytes);
        }
    }
    let bodies = [
        (OpCode::CreateTtl, request::Body::Create { path, data, acl, flags: 5, ttl_ms: Some(1) }),
        (OpCode::Delete, request::Body::Delete { path, version: -1 }),
        (OpCode::DeleteContainer, request::Body::DeleteContainer { path: b"/a" }),
        (OpCode::SetData, request::Body::SetData { path, data, version: -1 }),
        (OpCode::SetAcl, request::Body::SetAcl { path, acl, version: -1 }),
        (OpCode::Sync, request::Body::Sync { path }),
        (
            OpCode::Reconfig,
            request::Body::Reconfig { joining: data, leaving: None, new_members: path, config_id: -1 },
        ),
    ];
    for (op, body) in bodies {
        let mut bytes = Vec::new();
        request::Request { session: SessionId(1), cxid: 2, op, body }.encode(&mut bytes);
        seeds.add("request", format!("made-{}", op.number()), bytes);
    }
    let delete = [&text(b"/a")[..], &[0xff; 4]].concat();
    let front = [&[0; 11][..], &[1, 0, 0, 0, 14]].concat();
    let multi = [
        &front[..],
        &[0, 0, 0, 2, 0, 0xff, 0xff, 0xff, 0xff],
        &delete,
        &[0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff],
    ];
    seeds.add("request", "made-14".to_owned(), multi.concat());
    seeds.add("jute", "made-strings".to_owned(), [&[0, 0, 0, 0, 2][..], &paths].concat());
    seeds.add("jute", "made-acls".to_owned(), [&[2, 0, 0, 0, 1][..], acl.raw()].concat());
    seeds.add("jute", "made-txns".to_owned(), [&[3, 0, 0, 0, 2][..], &sub].concat());
    seeds.add("snapshot", "made".to_owned(), [&[3][..], b"data\0\0\0\x01/", &END, b"next"].concat());
    seeds.add("auth", "made-tls".to_owned(), vec![22, 3, 1, 0, 2, 1, 2]);
    for status in [-1_i32, 0, 1] {
        let packet = [&auth::MAGIC[..], &status.to_be_bytes(), &text(b"token")].concat();
        seeds.add("auth", format!("made-{status}"), packet);
    }
    seeds.add("election", "made-bare".to_owned(), 3_u64.to_be_bytes().to_vec());
    assembler(seeds);
}

/// Data in order, out of order, retransmitted and overlapping; ACKs; time.
fn assembler(seeds: &mut Seeds) {
    let data =
        |at: u16, len: u8| [&[0][..], &at.to_be_bytes(), &[len], &vec![len; usize::from(len)]].concat();
    let early =
        [vec![0xff; 4], data(128, 30), data(150, 10), data(140, 30), data(128, 12), data(100, 60)].concat();
    let acked =
        [&[0xff, 0xff, 0xff, 0][..], &data(128, 9), &data(200, 9), &[5, 1, 80, 6, 0, 100, 7, 0x80, 0]]
            .concat();
    let cut = [&[0; 4][..], &[0x80, 0, 128, 20], &[7; 10], &data(90, 70), &[6, 0x80, 0, 5, 1, 0]].concat();
    for (input, index) in [early, acked, cut].into_iter().zip(1..) {
        seeds.add("assembler", format!("made-{index}"), input);
    }
}

/// Bytes with their length before them.
fn text(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = PathBuf::from(arguments.next().ok_or("OUT LABEL=PATH...")?);
    let mut seeds = Seeds::default();
    for argument in arguments {
        let (label, path) = argument.split_once('=').ok_or("LABEL=PATH")?;
        read(label, Path::new(path), &mut seeds)?;
    }
    made(&mut seeds);
    seeds.write(&out)?;
    Ok(())
}
