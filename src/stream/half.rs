//! One direction of a TCP connection: the next expected byte, held segments, counters.
//!
//! Sequence numbers are 32 bits and wrap (RFC 9293, section 3.4); offsets are 64 bits and start at 0
//! with the first byte that the capture covers.

use super::held::{HeldSegment, part};
use super::{Chunk, Fate, Limits};
use crate::frame::FrameRef;
use crate::packet::{Flags, Segment};
use crate::time::{Span, Timestamp};

/// How far ahead of the expected byte a segment may lie: the largest window that RFC 7323 allows.
const MAX_WINDOW: u32 = 1 << 30;

/// How far ahead a FIN, or the segment of an ACK, may lie: no receiver on these ports opens a larger window,
/// and a forger would have to guess 12 of 32 bits.
pub(super) const FAR: u32 = 1 << 20;

/// How far a segment may lie from the expected byte for its ACK to count. So up to 16 MiB may be missing in
/// both directions at once.
const MAX_JUMP: u32 = 1 << 24;

/// This many consecutive segments with unrelated sequence numbers, over [`OTHER_STREAM_FOR`], show that
/// another stream has replaced this one.
const MIN_OTHER_STREAM_SEGMENTS: u32 = 4;
/// See [`MIN_OTHER_STREAM_SEGMENTS`].
const OTHER_STREAM_FOR: Span = Span::from_millis(1_000);

/// Recent segments remembered, to tell a duplicate frame from a retransmission.
const RECENT: u8 = 32;

/// Counts of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamHalfCounts {
    /// Segments that brought only bytes seen before.
    pub retransmits: u64,
    /// Segments that came before an earlier one, which came too. Behind bytes that the capture lacks nothing is
    /// out of order.
    pub out_of_order: u64,
    /// Frames captured twice, identical in every field.
    pub duplicates: u64,
    /// Zero-window announcements.
    pub zero_windows: u64,
    /// Segments with a sequence number outside any window, or held for a gap that the stream turned out not
    /// to have.
    pub out_of_window: u64,
    /// Held segments released early because a limit was reached.
    pub pushed_out: u64,
}

/// Consecutive data with sequence numbers unrelated to this stream's.
#[derive(Clone, Copy, Debug)]
struct OtherStream {
    next_seq: u32,
    segments: u32,
    since: Timestamp,
}

/// One direction of a connection.
///
/// Held segments are sorted, lie beyond what was delivered and do not overlap: of bytes that arrive twice,
/// the first are kept.
#[derive(Clone, Debug, Default)]
pub struct StreamHalf {
    started: bool,
    next_seq: u32,
    next: u64,
    /// The next sequence number as the other side's ACKs give it, before this direction has started.
    expected: Option<u32>,
    /// Highest offset that the other side has acknowledged.
    acked: u64,
    /// When `acked` first lay beyond `next`.
    acked_beyond_since: Option<Timestamp>,
    /// When `acked` last advanced, if it lies beyond `next`.
    acked_beyond_at: Timestamp,
    /// Offset of the FIN, once one was seen.
    fin: Option<u64>,
    held: Vec<HeldSegment>,
    /// Captured bytes of `held`.
    held_bytes: usize,
    recent: [u64; RECENT as usize],
    /// One byte of each hash: enough to rule most of them out.
    recent_tags: [u16; RECENT as usize],
    recent_at: u8,
    /// The other stream that may have replaced this one.
    other_stream: Option<Box<OtherStream>>,
    /// Counters of this direction.
    pub counts: StreamHalfCounts,
}

impl StreamHalf {
    /// Stream bytes up to the next expected one.
    #[must_use]
    pub const fn delivered(&self) -> u64 {
        self.next
    }

    /// Offset up to which the other side has acknowledged.
    #[must_use]
    pub const fn acked(&self) -> u64 {
        self.acked
    }

    /// Whether a segment contains bytes not seen before.
    #[must_use]
    pub fn lacks(&self, segment: &Segment<'_>) -> bool {
        !self.started || segment.seq.wrapping_add(segment.len).wrapping_sub(self.next_seq).cast_signed() > 0
    }

    /// The sequence number up to which the other side has acknowledged; `None` before anything is known.
    #[must_use]
    pub fn acked_seq(&self) -> Option<u32> {
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers wrap")]
        let behind = self.next.wrapping_sub(self.acked) as u32;
        self.started.then(|| self.next_seq.wrapping_sub(behind))
    }

    /// Whether a sequence number of this direction is known.
    #[must_use]
    pub const fn started(&self) -> bool {
        self.started
    }

    /// Whether a frame of this direction was captured.
    #[must_use]
    pub const fn is_captured(&self) -> bool {
        self.recent_at > 0
    }

    /// Segments held.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held.len()
    }

    /// Memory of the held segments, in bytes.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Starts the stream: `seq` is the sequence number of its first byte.
    pub(super) fn start(&mut self, seq: u32) {
        self.started = true;
        self.next_seq = seq;
    }

    /// The 64-bit offset of a sequence number near the expected one; `None` before the stream's
    /// first byte or out of any window.
    fn offset_of(&self, seq: u32) -> Option<u64> {
        let ahead = seq.wrapping_sub(self.next_seq).cast_signed();
        self.next.checked_add_signed(i64::from(ahead))
    }

    /// Whether the receiver would accept a RST at `seq`: from what it has acknowledged to one window beyond
    /// what was sent.
    pub(super) fn believes(&self, seq: u32, window: u32) -> bool {
        let next_seq = match self.expected {
            _ if self.started => self.next_seq,
            Some(expected) => expected,
            None => return true,
        };
        let ahead = i64::from(seq.wrapping_sub(next_seq).cast_signed());
        let unacked = self.next.saturating_sub(self.acked.min(self.next)).cast_signed();
        // One below, since a FIN takes a sequence number and many stacks answer with the one before it.
        ahead >= -unacked - 1 && ahead <= i64::from(window.max(65_535))
    }

    /// Whether `seq` is near enough for the segment's ACK and flags to count.
    #[inline]
    pub(super) const fn is_near(&self, seq: u32) -> bool {
        !self.started || seq.wrapping_sub(self.next_seq).cast_signed().unsigned_abs() <= MAX_JUMP
    }

    /// Notes data with unrelated sequence numbers. True once enough of it has come in sequence, for long
    /// enough, with nothing for this stream in between: then this stream was forged, or the endpoints opened
    /// a new connection that was not captured.
    #[cold]
    pub(super) fn is_other_stream(&mut self, segment: &Segment<'_>) -> bool {
        if (1..MAX_WINDOW).contains(&segment.seq.wrapping_sub(self.next_seq)) {
            // Ahead: it may lie behind bytes that the capture lacks.
            return false;
        }
        let next_seq = segment.seq.wrapping_add(segment.len);
        let other = match self.other_stream.take() {
            Some(other) if other.next_seq == segment.seq => {
                OtherStream { next_seq, segments: other.segments.saturating_add(1), since: other.since }
            }
            _ => OtherStream { next_seq, segments: 1, since: segment.at },
        };
        self.other_stream = Some(Box::new(other));
        self.other_stream_since().is_some_and(|since| segment.at.since(since) >= OTHER_STREAM_FOR)
    }

    /// Since when another stream has replaced this one, if one has.
    pub(super) fn other_stream_since(&self) -> Option<Timestamp> {
        self.other_stream
            .as_ref()
            .filter(|other| other.segments >= MIN_OTHER_STREAM_SEGMENTS)
            .map(|other| other.since)
    }

    /// Whether this frame was seen before; remembers it. `identity` is a hash of the fields that a
    /// retransmission changes (IP identification, timestamps, acknowledgment, window).
    #[inline]
    pub(super) fn is_duplicate_frame(&mut self, identity: Identity) -> bool {
        if self.has_seen_any(identity) {
            self.counts.duplicates += 1;
            return true;
        }
        self.remember(identity.now);
        false
    }

    /// Remembers a frame that was not seen before.
    #[inline(always)]
    fn remember(&mut self, identity: u64) {
        let tag = tag_of(identity);
        let at = usize::from(self.recent_at % RECENT);
        if let (Some(slot), Some(of_slot)) = (self.recent.get_mut(at), self.recent_tags.get_mut(at)) {
            (*slot, *of_slot) = (identity, tag);
        }
        // Starts at 1: 0 means that nothing was captured yet.
        self.recent_at = self.recent_at % RECENT + 1;
    }

    /// Whether nothing about this direction is out of the ordinary: see [`Self::take_next`].
    pub(super) const fn is_plain(&self) -> bool {
        self.started
            && !self.is_waiting()
            && self.other_stream.is_none()
            && self.fin.is_none()
            && self.counts.out_of_window == 0
    }

    /// Up to where the other side acknowledges, if it names bytes that this direction has brought.
    #[inline(always)]
    pub(super) const fn acked_by(&self, ack: u32) -> Option<u64> {
        let behind = self.next_seq.wrapping_sub(ack);
        if behind == 0 {
            return Some(self.next);
        }
        if behind >= MAX_WINDOW || behind as u64 > self.next {
            return None;
        }
        let offset = self.next - behind as u64;
        Some(if offset > self.acked { offset } else { self.acked })
    }

    /// The other side acknowledges up to an offset of [`Self::acked_by`].
    #[inline(always)]
    pub(super) const fn set_acked(&mut self, acked: u64) {
        self.acked = acked;
    }

    /// The sequence number of the next byte.
    #[inline(always)]
    pub(super) const fn next_seq(&self) -> u32 {
        self.next_seq
    }

    /// Takes a segment that begins with the next byte, while nothing is out of the ordinary: its bytes, if it has any.
    #[inline(always)]
    pub(super) fn take_next<'a>(&mut self, segment: &Segment<'a>, identity: Identity) -> Option<Chunk<'a>> {
        self.remember(identity.now);
        (segment.len > 0).then(|| self.next_chunk(segment.payload, segment.len, segment.at, segment.frame))
    }

    /// Whether this frame was seen lately.
    #[inline]
    pub(super) fn has_seen_any(&self, identity: Identity) -> bool {
        self.has_seen(identity.now) || identity.before.is_some_and(|before| self.has_seen(before))
    }

    /// Whether a frame with this identity was seen lately.
    #[inline]
    fn has_seen(&self, identity: u64) -> bool {
        is_among(&self.recent_tags, tag_of(identity)) && self.recent.contains(&identity)
    }

    /// Processes the payload of a segment that this direction sent.
    #[inline]
    pub(super) fn push(
        &mut self,
        segment: &Segment<'_>,
        limits: &Limits,
        mut out: impl FnMut(Piece<'_>),
    ) -> Fate {
        let syn = segment.flags.contains(Flags::SYN);
        let seq = if syn { segment.seq.wrapping_add(1) } else { segment.seq };
        if !self.started {
            self.start(seq);
        }
        let ahead = seq.wrapping_sub(self.next_seq).cast_signed();
        if self.other_stream.is_some() && self.is_near(seq) && segment.len > 0 {
            self.other_stream = None;
        }
        if segment.flags.contains(Flags::FIN) && self.fin.is_none() && self.believes(seq, FAR) {
            self.fin = self.offset_of(seq.wrapping_add(segment.len));
        }
        if segment.len == 0 {
            let is_probe = ahead == -1 && !segment.flags.intersects(Flags::SYN | Flags::FIN | Flags::RST);
            return if is_probe { Fate::KeepAlive } else { Fate::Empty };
        }
        if ahead == 0 && self.held.is_empty() {
            self.deliver(segment.payload, segment.len, segment.at, segment.frame, &mut out);
            return Fate::InOrder;
        }
        self.push_aside(segment, ahead, limits, &mut out)
    }

    /// A segment that does not start at the expected byte, or that arrives while others are held.
    #[cold]
    fn push_aside(
        &mut self,
        segment: &Segment<'_>,
        ahead: i32,
        limits: &Limits,
        out: &mut impl FnMut(Piece<'_>),
    ) -> Fate {
        if ahead == -1 && segment.len == 1 {
            return Fate::KeepAlive;
        }
        if ahead.unsigned_abs() >= MAX_WINDOW {
            self.counts.out_of_window += 1;
            return Fate::OutOfWindow;
        }
        if ahead > 0 {
            return self.hold(segment, self.next + u64::from(ahead.unsigned_abs()), limits, out);
        }
        let known = ahead.unsigned_abs();
        if known >= segment.len {
            self.counts.retransmits += 1;
            return Fate::Retransmission;
        }
        if self.held.is_empty() {
            let seen = segment.payload.get(known as usize..).unwrap_or_default();
            self.deliver(seen, segment.len - known, segment.at, segment.frame, out);
            return Fate::InOrder;
        }
        self.fill(segment, known, out);
        Fate::FillsGap
    }

    /// A segment that continues the stream while others are held. All but its first `known` bytes are new;
    /// bytes that are already held win.
    fn fill(&mut self, segment: &Segment<'_>, known: u32, out: &mut impl FnMut(Piece<'_>)) {
        let start = self.next;
        let end = start + u64::from(segment.len - known);
        let seen = segment.payload.get(known as usize..).unwrap_or_default();
        while self.next < end {
            let to = self.held.first().map_or(end, |first| first.offset.min(end));
            let (seen, len) = part(seen, self.next - start, to - start);
            self.deliver(seen, len, segment.at, segment.frame, out);
            self.counts.out_of_order += self.drain(out);
        }
        self.counts.out_of_order += self.drain(out);
    }

    /// Holds the new bytes of a segment that lies ahead.
    fn hold(
        &mut self,
        segment: &Segment<'_>,
        offset: u64,
        limits: &Limits,
        out: &mut impl FnMut(Piece<'_>),
    ) -> Fate {
        let end = offset + u64::from(segment.len);
        let mut from = offset;
        let mut kept = 0;
        while from < end {
            let at = self.held.partition_point(|h| h.offset <= from);
            let before = at.checked_sub(1).and_then(|i| self.held.get(i));
            from = before.map_or(from, |h| h.end().max(from));
            let to = self.held.get(at).map_or(end, |h| h.offset.min(end));
            if from < to {
                let (seen, len) = part(segment.payload, from - offset, to - offset);
                self.held_bytes += seen.len() + size_of::<HeldSegment>();
                let held = HeldSegment {
                    offset: from,
                    len,
                    seen: seen.into(),
                    at: segment.at,
                    frame: segment.frame,
                    next_then: self.next,
                };
                self.held.insert(at, held);
                kept += u64::from(len);
                from = to;
            }
        }
        if kept == 0 {
            self.counts.retransmits += 1;
            return Fate::Retransmission;
        }
        while self.held.len() > limits.held_segments {
            self.counts.pushed_out += 1;
            self.give_up(false, segment.at, out);
        }
        Fate::OutOfOrder
    }

    #[inline(always)]
    fn deliver(
        &mut self,
        seen: &[u8],
        len: u32,
        at: Timestamp,
        frame: FrameRef,
        out: &mut impl FnMut(Piece<'_>),
    ) {
        out(Piece::Chunk(self.next_chunk(seen, len, at, frame)));
    }

    /// The next bytes of the stream.
    #[inline(always)]
    fn next_chunk<'a>(&mut self, seen: &'a [u8], len: u32, at: Timestamp, frame: FrameRef) -> Chunk<'a> {
        let chunk = Chunk { offset: self.next, seen, len, at, frame };
        self.next += u64::from(len);
        self.next_seq = self.next_seq.wrapping_add(len);
        chunk
    }

    /// Delivers held segments that have become due: how many.
    fn drain(&mut self, out: &mut impl FnMut(Piece<'_>)) -> u64 {
        if self.held.first().is_none_or(|first| first.offset > self.next) {
            return 0;
        }
        let mut held = std::mem::take(&mut self.held);
        let mut due = 0;
        for h in &held {
            if h.offset > self.next {
                break;
            }
            due += 1;
            // Nothing is delivered beyond a held segment's start, so it continues the stream at its first
            // byte.
            self.deliver(&h.seen, h.len, h.at, h.frame, out);
            self.held_bytes -= h.weight();
        }
        held.drain(..due);
        self.held = held;
        due as u64
    }

    /// Gives up on the first gap, since what is held behind it takes too much memory.
    pub(super) fn push_out(&mut self, now: Timestamp, mut out: impl FnMut(Piece<'_>)) {
        if !self.held.is_empty() {
            self.counts.pushed_out += 1;
            self.give_up(false, now, &mut out);
        }
    }

    /// Gives up on the first gap and continues behind it, unless what is held there is no part of the stream.
    fn give_up(&mut self, is_old: bool, now: Timestamp, out: &mut impl FnMut(Piece<'_>)) {
        let Some(first) = self.held.first() else { return };
        if self.is_stray(first, is_old) {
            self.counts.out_of_window += 1;
            let stray = self.held.remove(0);
            self.held_bytes -= stray.weight();
            return;
        }
        let to = first.offset;
        self.skip_to(to, now, out);
        self.drain(out);
        for h in &mut self.held {
            h.next_then = self.next;
        }
    }

    /// Whether a held segment does not belong to this stream: the stream has continued in order since it
    /// arrived, and the other side, though it has acknowledged the rest long ago (`is_old`) or the gap is
    /// wider than any window, has never acknowledged anything beyond the gap.
    fn is_stray(&self, held: &HeldSegment, is_old: bool) -> bool {
        let is_long_refuted = is_old && self.acked > held.next_then;
        self.next > held.next_then
            && self.acked < held.offset
            && (is_long_refuted || held.offset - self.next > u64::from(FAR))
    }

    fn skip_to(&mut self, to: u64, now: Timestamp, out: &mut impl FnMut(Piece<'_>)) {
        let len = to.saturating_sub(self.next);
        if len == 0 {
            return;
        }
        out(Piece::Gap { offset: self.next, len, at: now });
        self.next = to;
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers wrap")]
        {
            self.next_seq = self.next_seq.wrapping_add(len as u32);
        }
    }

    /// Notes an ACK of this stream from the other side.
    #[inline]
    pub(super) fn acknowledge(&mut self, ack: u32, now: Timestamp) {
        if !self.started {
            match self.expected.replace(ack) {
                // Bytes of this direction were sent, though none was captured yet.
                Some(before) if (1..MAX_JUMP).contains(&ack.wrapping_sub(before)) => self.start(before),
                _ => return,
            }
        }
        let ahead = ack.wrapping_sub(self.next_seq).cast_signed();
        if ahead == 0 {
            self.acked = self.next;
        } else if ahead.unsigned_abs() < MAX_WINDOW {
            let Some(offset) = self.next.checked_add_signed(i64::from(ahead)) else { return };
            if ahead > 0 && offset > self.acked {
                self.acked_beyond_at = now;
            }
            self.acked = self.acked.max(offset);
            if ahead > 0 && self.acked_beyond_since.is_none() && self.fin != Some(self.next) {
                self.acked_beyond_since = Some(now);
            }
        }
    }

    /// Whether [`StreamHalf::settle`] may have something to do.
    #[inline]
    pub(super) const fn is_waiting(&self) -> bool {
        self.acked_beyond_since.is_some() || !self.held.is_empty()
    }

    /// Gives up on gaps: bytes that the other side acknowledged and the capture does not hold are missing
    /// once `limits.grace` has passed; so is a gap that stayed open for `limits.held_for`.
    #[cold]
    pub(super) fn settle(&mut self, now: Timestamp, limits: &Limits, mut out: impl FnMut(Piece<'_>)) {
        if self.acked <= self.next {
            self.acked_beyond_since = None;
        }
        if let Some(since) = self.acked_beyond_since
            && now.since(since) >= limits.grace
        {
            let end = self.acked_bytes();
            let to = self.held.first().map_or(end, |first| first.offset.min(end));
            // A lone byte beyond everything seen is the sequence number of a FIN that was not captured.
            if self.held.is_empty() && self.fin.is_none() && to == self.next + 1 {
                self.acked_beyond_since = None;
                return;
            }
            // They had been sent when they were acknowledged.
            self.skip_to(to, self.acked_beyond_at, &mut out);
            self.drain(&mut out);
            self.acked_beyond_since = (self.acked_bytes() > self.next).then_some(since);
        }
        if self.held.first().is_some_and(|first| now.since(first.at) >= limits.held_for) {
            self.give_up(true, now, &mut out);
        }
    }

    /// Ends the stream: delivers everything held, and reports the gaps between as missing.
    pub(super) fn finish(&mut self, now: Timestamp, mut out: impl FnMut(Piece<'_>)) {
        while !self.held.is_empty() {
            self.give_up(false, now, &mut out);
        }
        let end = self.acked_bytes();
        if end > self.next + u64::from(self.fin.is_none()) {
            // What was acknowledged had been sent by then, however late it is found to be missing.
            self.skip_to(end, now.min(self.acked_beyond_at), &mut out);
        }
    }

    /// The offset up to which bytes are acknowledged, without the FIN's sequence number.
    fn acked_bytes(&self) -> u64 {
        self.fin.map_or(self.acked, |fin| fin.min(self.acked))
    }
}

/// What two frames share only if they are copies of one; see [`super::connection`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) now: u64,
    /// The one that a copy some milliseconds ago would have had, where time is a part of it.
    pub(super) before: Option<u64>,
}

/// The upper bits of an identity, which are the better mixed ones.
#[inline]
const fn tag_of(identity: u64) -> u16 {
    (identity >> (u64::BITS - u16::BITS)) as u16
}

/// Whether a tag is among the others; compares all of them at once.
#[inline]
fn is_among(tags: &[u16; RECENT as usize], tag: u16) -> bool {
    tags.iter().fold(0, |found, other| found | u16::from(*other == tag).wrapping_neg()) != 0
}

/// What a stream releases: bytes or a gap.
pub(super) enum Piece<'a> {
    Chunk(Chunk<'a>),
    Gap { offset: u64, len: u64, at: Timestamp },
}
