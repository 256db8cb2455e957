//! Framing of one direction of a link: where packets begin and end, across cut bytes and gaps.
//!
//! A QuorumPacket has no outer length, so only its head tells where it ends. If the head was captured, the
//! end is exact, however little of the rest was captured. If not, the bytes up to the next certain packet
//! start become a [`HiddenSpan`] of exactly known length, which [`super::inference`] interprets. After a gap
//! in the capture, framing resumes only at a certain packet start.

mod blind;
mod cursor;
mod short;
mod snapshot;
mod token;

use super::byte_sums::ByteSums;
use super::event::{Direction, FramingLoss, FramingLosses, Observer, PacketSeen};
use super::link::{LinkContext, LinkState, opens};
use super::span::HiddenSpan;
use crate::frame::FrameRef;
use crate::proto::quorum::{Glimpse, Head, Packet};
use crate::proto::{Decoded, PacketType, auth, jute};
use crate::stream::Chunk;
use crate::time::Timestamp;
use blind::is_chain;
use cursor::Cursor;
use snapshot::SnapshotFraming;
use token::{Token, sasl_head};

/// The most bytes buffered of a packet that spans segments. Bytes beyond are framed but not kept.
const MAX_KEPT: usize = 64 * 1024;
/// Up to this many buffered bytes do not count towards the shared limit.
pub(super) const KEPT_FREE: usize = 2 * 1024;

/// After this many consecutive segments that are exactly whole packets, the packet or snapshot that seems to
/// contain them is discarded.
const MAX_DOUBTS: u8 = 3;

/// An incomplete packet.
#[derive(Clone, Debug)]
struct OpenPacket {
    start: u64,
    at: Timestamp,
    last_at: Timestamp,
    frame: FrameRef,
    head: Option<Head>,
    /// The offset of its end; `None` while the head or a REQUEST's authinfo is unknown.
    end: Option<u64>,
    /// Bytes of it so far: captured, cut, and missing from the capture.
    seen: u64,
    cut: u64,
    missing: u64,
    /// Whether the kept bytes are complete up to the current one.
    is_whole: bool,
}

#[derive(Clone, Debug, Default)]
enum FramerMode {
    /// At a packet start, or inside one.
    Packets,
    /// Inside the snapshot after a SNAP packet.
    Snapshot(Box<SnapshotFraming>),
    /// Inside a SASL packet.
    Token(Box<Token>),
    /// Searching for a packet start.
    #[default]
    Lost,
    /// TLS: nothing to read.
    Opaque,
}

/// The framing of one direction.
#[derive(Clone, Debug)]
pub(super) struct Framer {
    direction: Direction,
    mode: FramerMode,
    /// Whether any packet was framed yet; SASL or TLS may come only before.
    has_begun: bool,
    open: Option<OpenPacket>,
    /// Captured bytes of the incomplete packet.
    kept: Vec<u8>,
    blind: Option<HiddenSpan>,
    /// Consecutive segments that contradict the open packet or snapshot.
    doubts: u8,
    /// Consecutive TLS records, while searching.
    tls_records: u8,
    pub(super) sums: ByteSums,
    pub(super) losses: FramingLosses,
}

impl Framer {
    /// The framing of a stream seen from its first byte (`from_start`), or picked up in the middle.
    pub(super) fn new(direction: Direction, from_start: bool) -> Self {
        Self {
            direction,
            mode: if from_start { FramerMode::Packets } else { FramerMode::Lost },
            has_begun: !from_start,
            open: None,
            kept: Vec::new(),
            blind: None,
            doubts: 0,
            tls_records: 0,
            sums: ByteSums::default(),
            losses: FramingLosses::default(),
        }
    }

    /// [`Self::chunk`], where nothing about the connection is out of the ordinary. `direction` is its own.
    #[inline(always)]
    pub(super) fn plain_chunk<O: Observer>(
        &mut self,
        direction: Direction,
        chunk: &Chunk<'_>,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        if !self.short(direction, chunk, link, out) {
            self.chunk(chunk, link, out);
        }
    }

    /// Processes the next bytes of the stream.
    #[inline(never)]
    pub(super) fn chunk<O: Observer>(
        &mut self,
        chunk: &Chunk<'_>,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        let mut cursor = Cursor::new(chunk);
        if self.blind.is_some() {
            self.try_end_blind(&mut cursor, link, out);
        }
        if self.open.is_some() || matches!(self.mode, FramerMode::Snapshot(_)) {
            self.doubt(&cursor, link, out);
        }
        while cursor.len > 0 {
            match self.mode {
                FramerMode::Packets if self.open.is_none() => self.begin(&mut cursor, link, out),
                FramerMode::Packets => self.go_on(&mut cursor, link, out),
                FramerMode::Lost => self.search(&mut cursor, link, out),
                FramerMode::Snapshot(_) => self.snapshot(&mut cursor, link, out),
                FramerMode::Token(_) => self.go_on_with_token(&mut cursor, link, out),
                FramerMode::Opaque => self.pass_over(&mut cursor, u64::MAX),
            }
        }
    }

    /// At a packet start.
    #[inline]
    fn begin<O: Observer>(
        &mut self,
        cursor: &mut Cursor<'_>,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        if !self.has_begun && self.greet(cursor, link, out) {
            return;
        }
        let Some(head) = Head::decode(cursor.seen).or_else(|| self.cut_head(cursor)) else {
            return self.begin_short(cursor, link, out);
        };
        if !self.accepts(&head, cursor.seen, link) {
            return self.lose(FramingLoss::BadHead, link, out);
        }
        self.has_begun = true;
        let size = if head.kind == PacketType::Request {
            match Packet::decode(cursor.seen, jute::MAX_BUFFER_LIMIT) {
                Decoded::Record { used, .. } => used as u64,
                _ => return self.open(Some(head), cursor),
            }
        } else {
            head.size_without_authinfo()
        };
        if size > cursor.len {
            return self.open(Some(head), cursor);
        }
        let (at, frame) = (cursor.at, cursor.frame);
        let (seen, cut) = cursor.take(size);
        if cut == 0 && head.kind != PacketType::Request && !seen.ends_with(&[0xff; 4]) {
            self.sums.unframed += size;
            return self.lose(FramingLoss::BadTail, link, out);
        }
        self.sums.decoded += seen.len() as u64;
        self.sums.cut += cut;
        let packet = PacketSeen {
            direction: self.direction,
            kind: head.kind,
            zxid: Some(head.zxid),
            data_len: Some(head.data_len),
            size: Some(size),
            at,
            last_at: at,
            frame,
            seen,
            cut,
            inferred: false,
            timed: true,
        };
        self.emit(&packet, link, out);
    }

    /// The head of a packet whose data length was cut but follows from its type.
    #[cold]
    fn cut_head(&self, cursor: &Cursor<'_>) -> Option<Head> {
        let glimpse = Glimpse::decode(cursor.seen).filter(|_| cursor.is_cut() && self.has_begun)?;
        glimpse.head(self.direction.is_to_leader())
    }

    /// At a packet start with less than a head captured.
    fn begin_short<O: Observer>(
        &mut self,
        cursor: &mut Cursor<'_>,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        if !cursor.is_cut() {
            self.open(None, cursor);
        } else if self.may_begin(cursor.seen) {
            self.go_blind(cursor, cursor.at, cursor.frame);
        } else {
            self.lose(FramingLoss::BadHead, link, out);
        }
    }

    /// Whether these few bytes can be the start of a packet, or of a SASL packet before it.
    fn may_begin(&self, seen: &[u8]) -> bool {
        if !self.has_begun && auth::MAGIC.starts_with(seen.get(..8).unwrap_or(seen)) {
            return true;
        }
        match Glimpse::decode(seen) {
            Some(Glimpse { kind: PacketType::Unknown(_), .. }) => false,
            Some(glimpse) => self.has_begun || may_open(glimpse.kind, self.direction),
            None => seen.iter().all(|byte| *byte == 0),
        }
    }

    /// Whether a packet can start like this here. A stream begins with one of few types, which rules out
    /// other protocols.
    #[inline]
    fn accepts(&self, head: &Head, bytes: &[u8], link: &LinkState) -> bool {
        (self.has_begun || may_open(head.kind, self.direction) && opens(head, bytes))
            && link.accepts(head, self.direction)
    }

    /// A segment inside a packet or a snapshot: if it is exactly whole packets, it contradicts that. So a
    /// forged or misread length hides the following packets only for a few segments.
    fn doubt<O: Observer>(
        &mut self,
        cursor: &Cursor<'_>,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        match is_chain(cursor, link, self.direction) {
            Some(true) => self.doubts += 1,
            Some(false) => self.doubts = 0,
            None => {}
        }
        if self.doubts < MAX_DOUBTS {
            return;
        }
        let (seen, cut) = match (&self.open, &self.mode) {
            (Some(open), _) => (open.seen, open.cut),
            (None, FramerMode::Snapshot(snapshot)) => (snapshot.seen, snapshot.cut),
            (None, _) => return,
        };
        self.sums.decoded -= seen;
        self.sums.unframed += seen;
        self.sums.cut_unframed += cut;
        self.end_snapshot(cursor.at, false, true, link, out);
        self.lose(FramingLoss::Contradicted, link, out);
    }

    fn open(&mut self, head: Option<Head>, cursor: &mut Cursor<'_>) {
        self.kept.clear();
        self.open = Some(OpenPacket {
            start: cursor.offset,
            at: cursor.at,
            last_at: cursor.at,
            frame: cursor.frame,
            head,
            end: head
                .filter(|h| h.kind != PacketType::Request)
                .map(|h| cursor.offset + h.size_without_authinfo()),
            seen: 0,
            cut: 0,
            missing: 0,
            is_whole: true,
        });
        self.doubts = 0;
    }

    /// Inside a packet.
    fn go_on<O: Observer>(
        &mut self,
        cursor: &mut Cursor<'_>,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        let Some(mut open) = self.open.take() else { return };
        open.last_at = cursor.at;
        let Some(head) = open.head else { return self.read_head(open, cursor, link, out) };
        let known = open.end.unwrap_or(open.start + Head::LEN as u64 + head.body_len());
        if cursor.offset < known {
            self.swallow(&mut open, cursor, known - cursor.offset);
        }
        if let Some(end) = open.end {
            if cursor.offset < end {
                self.open = Some(open);
            } else {
                self.close(open, head, link, out);
            }
        } else if cursor.offset < known {
            self.open = Some(open);
        } else {
            self.read_authinfo(open, head, cursor, link, out);
        }
    }

    fn read_head<O: Observer>(
        &mut self,
        mut open: OpenPacket,
        cursor: &mut Cursor<'_>,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        let need = Head::LEN - self.kept.len().min(Head::LEN);
        let n = need.min(cursor.seen.len());
        self.swallow(&mut open, cursor, n as u64);
        if let Some(head) = Head::decode(&self.kept) {
            if !self.has_begun
                && let Some(head) = sasl_head(&self.kept)
            {
                return self.begin_token(head, open.at, open.frame, link, out);
            }
            if !self.accepts(&head, &self.kept, link) {
                if !self.has_begun && auth::is_tls(&self.kept) {
                    link.is_tls();
                    self.mode = FramerMode::Opaque;
                }
                self.sums.decoded -= self.kept.len() as u64;
                self.sums.unframed += self.kept.len() as u64;
                if matches!(self.mode, FramerMode::Opaque) {
                    return;
                }
                return self.lose(FramingLoss::BadHead, link, out);
            }
            self.has_begun = true;
            open.head = Some(head);
            if head.kind != PacketType::Request {
                open.end = Some(open.start + head.size_without_authinfo());
            }
            self.open = Some(open);
        } else if cursor.is_cut() && cursor.seen.is_empty() {
            // The head continues in bytes that were not captured.
            self.sums.decoded -= self.kept.len() as u64;
            let mut blind = HiddenSpan::new(open.at, open.frame);
            blind.take_hint(&self.kept);
            blind.len = self.kept.len() as u64;
            blind.seen = blind.len;
            self.blind = Some(blind);
            self.extend_blind(cursor);
        } else {
            self.open = Some(open);
        }
    }

    /// Adds `n` bytes to the open packet.
    fn swallow(&mut self, open: &mut OpenPacket, cursor: &mut Cursor<'_>, n: u64) {
        let (seen, cut) = cursor.take(n);
        self.sums.decoded += seen.len() as u64;
        self.sums.cut += cut;
        if open.is_whole {
            let room = MAX_KEPT.saturating_sub(self.kept.len()).min(seen.len());
            self.kept.extend_from_slice(seen.get(..room).unwrap_or_default());
            open.is_whole = cut == 0 && room == seen.len();
        }
        open.seen += seen.len() as u64;
        open.cut += cut;
    }

    /// After the data of a REQUEST: its authinfo, the only part whose length the head does not give.
    fn read_authinfo<O: Observer>(
        &mut self,
        mut open: OpenPacket,
        head: Head,
        cursor: &mut Cursor<'_>,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        if cursor.len == 0 {
            self.open = Some(open);
            return;
        }
        let before = if open.is_whole { self.kept.len() } else { usize::MAX };
        if open.is_whole {
            self.kept
                .extend_from_slice(cursor.seen.get(..cursor.seen.len().min(MAX_KEPT)).unwrap_or_default());
            match Packet::decode(&self.kept, jute::MAX_BUFFER_LIMIT) {
                Decoded::Record { used, .. } => {
                    self.kept.truncate(before);
                    let rest = used.saturating_sub(before) as u64;
                    self.swallow(&mut open, cursor, rest);
                    open.end = Some(cursor.offset);
                    return self.close(open, head, link, out);
                }
                Decoded::NeedMore { .. } if !cursor.is_cut() && self.kept.len() < MAX_KEPT => {
                    self.kept.truncate(before);
                    self.swallow(&mut open, cursor, u64::MAX);
                    self.open = Some(open);
                    return;
                }
                Decoded::NeedMore { .. } => self.kept.truncate(before),
                Decoded::Malformed(_) => {
                    self.kept.truncate(before);
                    self.sums.decoded -= open.seen;
                    self.sums.unframed += open.seen;
                    return self.lose(FramingLoss::BadTail, link, out);
                }
            }
        }
        // Cut. A learner flushes after each REQUEST, so the segment shows where it ends.
        let read = cursor.offset - (open.start + Head::LEN as u64 + head.body_len());
        let Some(rest) = link.request_rest(head.data_len, read + cursor.len) else {
            self.close(open, head, link, out);
            return self.lose(FramingLoss::HiddenEnd, link, out);
        };
        let rest = rest.saturating_sub(read);
        self.swallow(&mut open, cursor, rest);
        open.end = Some(cursor.offset);
        self.close(open, head, link, out);
    }

    fn close<O: Observer>(
        &mut self,
        open: OpenPacket,
        head: Head,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        let size = self.kept.len() as u64;
        if open.is_whole && head.kind != PacketType::Request && !self.kept.ends_with(&[0xff; 4]) {
            self.sums.decoded -= size;
            self.sums.unframed += size;
            return self.lose(FramingLoss::BadTail, link, out);
        }
        let kept = std::mem::take(&mut self.kept);
        let packet = open.packet(self.direction, head, &kept);
        self.emit(&packet, link, out);
        if kept.capacity() <= KEPT_FREE {
            self.kept = kept;
        }
    }

    fn emit<O: Observer>(
        &mut self,
        packet: &PacketSeen<'_>,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        link.packet(packet, out);
        if packet.kind == PacketType::Snap {
            self.begin_snapshot(packet.last_at);
        }
    }

    /// Bytes are missing from the capture.
    pub(super) fn gap<O: Observer>(
        &mut self,
        offset: u64,
        len: u64,
        at: Timestamp,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        self.sums.missing += len;
        if let Some(span) = self.blind.take() {
            link.abandon(self.direction, &span, out);
        }
        if let FramerMode::Snapshot(snapshot) = &mut self.mode {
            snapshot.is_blind = true;
            snapshot.end.hidden(len);
            return;
        }
        if let FramerMode::Token(token) = &mut self.mode {
            token.cut += len.min(token.left);
            token.left -= len.min(token.left);
            if token.left > 0 {
                return;
            }
            self.end_token(link, out);
        }
        if let Some(mut open) = self.open.take() {
            open.is_whole = false;
            open.missing += open.end.map_or(len, |end| len.min(end.saturating_sub(offset)));
            open.last_at = at;
            let head = open.head;
            match (head, open.end) {
                (Some(_), Some(end)) if offset + len < end => {
                    self.open = Some(open);
                    return;
                }
                (Some(head), Some(end)) if offset + len == end => return self.close(open, head, link, out),
                (Some(head), _) => self.close(open, head, link, out),
                (None, _) => {
                    let kept = self.kept.len() as u64;
                    self.sums.decoded -= kept;
                    self.sums.unframed += kept;
                }
            }
        }
        if matches!(self.mode, FramerMode::Packets) {
            self.lose(FramingLoss::Gap, link, out);
        } else {
            link.lost(self.direction, out);
        }
    }

    /// Memory of an open packet in bytes, if it is large.
    #[inline]
    pub(super) const fn kept_bytes(&self) -> usize {
        let bytes = self.kept.capacity();
        if bytes > KEPT_FREE { bytes } else { 0 }
    }

    /// Keeps only the start of the open packet; its end is still known.
    pub(super) fn keep_less(&mut self) {
        if self.kept_bytes() == 0 {
            return;
        }
        // Copy: shrinking in place would fragment the heap.
        self.kept = self.kept.get(..KEPT_FREE).unwrap_or(&self.kept).to_vec();
        if let Some(open) = &mut self.open {
            open.is_whole = false;
        }
    }

    fn lose<O: Observer>(&mut self, reason: FramingLoss, link: &mut LinkState, out: &mut LinkContext<'_, O>) {
        self.mode = FramerMode::Lost;
        self.open = None;
        self.has_begun = true;
        self.losses.count(reason);
        link.lost(self.direction, out);
    }

    /// The stream has ended: reports what is known of an open packet.
    pub(super) fn finish<O: Observer>(
        &mut self,
        at: Timestamp,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        if let Some(span) = self.blind.take() {
            link.hidden(self.direction, span, out);
        }
        if let Some(open) = self.open.take() {
            match open.head {
                Some(head) => self.close(OpenPacket { is_whole: false, ..open }, head, link, out),
                None => {
                    let kept = self.kept.len() as u64;
                    self.sums.decoded -= kept;
                    self.sums.unframed += kept;
                }
            }
        }
        self.end_token(link, out);
        self.end_snapshot(at, false, true, link, out);
    }
}

impl OpenPacket {
    fn packet<'a>(&self, direction: Direction, head: Head, kept: &'a [u8]) -> PacketSeen<'a> {
        PacketSeen {
            direction,
            kind: head.kind,
            zxid: Some(head.zxid),
            data_len: Some(head.data_len),
            size: self.end.map(|end| end - self.start),
            at: self.at,
            last_at: self.last_at,
            frame: self.frame,
            seen: kept,
            cut: self.cut + self.missing,
            inferred: false,
            timed: true,
        }
    }
}

/// Whether a stream can begin with a packet of this type.
const fn may_open(kind: PacketType, direction: Direction) -> bool {
    use PacketType::{FollowerInfo, LeaderInfo, NewLeader, ObserverInfo};
    match direction {
        Direction::ToLeader => matches!(kind, FollowerInfo | ObserverInfo),
        Direction::ToLearner => matches!(kind, LeaderInfo | NewLeader),
    }
}
