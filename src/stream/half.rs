//! One direction of a TCP connection: what comes next, what waits, what was counted.
//!
//! Sequence numbers are 32 bits and wrap (RFC 9293, section 3.4); offsets are 64 bits and start at 0
//! with the first byte that the capture covers.

use super::{Chunk, Fate, Limits};
use crate::frame::FrameRef;
use crate::packet::{Flags, Segment};
use crate::time::Timestamp;

/// The farthest ahead of the expected byte that a segment is believed: the largest window that
/// RFC 7323 allows.
const WINDOW_MAX: i32 = 1 << 30;

/// How many recent segments are remembered to tell a copy of a frame from a retransmission.
const RECENT: usize = 32;

/// Counts of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HalfCounts {
    /// Frames with payload, keep-alives apart.
    pub data_segments: u64,
    /// Frames that carry nothing but an ACK.
    pub pure_acks: u64,
    /// Segments all of whose bytes had been seen.
    pub retransmits: u64,
    /// Segments that came before an earlier one.
    pub out_of_order: u64,
    /// Frames seen twice, the same to the letter.
    pub duplicates: u64,
    /// ACKs that told the other side to stop sending.
    pub zero_windows: u64,
    /// Keep-alive probes.
    pub keep_alives: u64,
    /// Segments with a sequence number outside any window.
    pub out_of_window: u64,
    /// Segments of which a part had been seen.
    pub overlaps: u64,
    /// Held segments that a limit pushed out, so that a gap was called missing early.
    pub pushed_out: u64,
}

/// A segment that waits for an earlier one.
#[derive(Clone, Debug)]
struct Held {
    offset: u64,
    len: u32,
    seen: Box<[u8]>,
    at: Timestamp,
    place: FrameRef,
}

/// One direction of a connection.
#[derive(Clone, Debug, Default)]
pub struct Half {
    started: bool,
    next_seq: u32,
    next: u64,
    /// Highest offset that the other side has acknowledged.
    acked: u64,
    /// When `acked` first lay beyond `next`.
    acked_beyond_since: Option<Timestamp>,
    /// Offset of the FIN, once one was seen.
    fin: Option<u64>,
    held: Vec<Held>,
    recent: [u64; RECENT],
    recent_at: u8,
    /// What happened so far.
    pub counts: HalfCounts,
}

impl Half {
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

    /// Whether a sequence number of this direction is known.
    #[must_use]
    pub const fn started(&self) -> bool {
        self.started
    }

    /// How many segments wait.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held.len()
    }

    /// Begins the stream: `seq` is the number of its first byte.
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

    /// Whether `seq` may carry a RST that this direction's receiver would believe: from what it has
    /// acknowledged to a window beyond what was sent.
    pub(super) fn believes(&self, seq: u32, window: u32) -> bool {
        if !self.started {
            return true;
        }
        let ahead = i64::from(seq.wrapping_sub(self.next_seq).cast_signed());
        let unacked = self.next.saturating_sub(self.acked.min(self.next)).cast_signed();
        // One below, since a FIN takes a number and many stacks answer with the one before it.
        ahead >= -unacked - 1 && ahead <= i64::from(window.max(65_535))
    }

    /// Whether this very frame was seen before; remembers it. `identity` is a hash of the fields
    /// that a retransmission would change (IP identification, timestamps, window, checksum).
    pub(super) fn is_copy(&mut self, identity: u64) -> bool {
        if self.recent.contains(&identity) {
            self.counts.duplicates += 1;
            return true;
        }
        if let Some(slot) = self.recent.get_mut(usize::from(self.recent_at)) {
            *slot = identity;
        }
        self.recent_at = (self.recent_at + 1) % RECENT as u8;
        false
    }

    /// Takes the payload of a segment that this direction sent.
    pub(super) fn push(
        &mut self,
        segment: &Segment<'_>,
        limits: &Limits,
        mut out: impl FnMut(Piece<'_>),
    ) -> Fate {
        let syn = segment.flags.has(Flags::SYN);
        let seq = if syn { segment.seq.wrapping_add(1) } else { segment.seq };
        if !self.started {
            self.start(seq);
        }
        let ahead = seq.wrapping_sub(self.next_seq).cast_signed();
        if segment.flags.has(Flags::FIN) && ahead.abs() < WINDOW_MAX && self.fin.is_none() {
            self.fin = self.offset_of(seq.wrapping_add(segment.len));
        }
        if segment.len == 0 {
            return self.without_payload(segment, ahead);
        }
        if ahead == 0 {
            self.counts.data_segments += 1;
            self.deliver(segment.payload, segment.len, segment.at, segment.place, &mut out);
            if self.held.is_empty() {
                return Fate::InOrder;
            }
            self.drain(&mut out);
            return Fate::Filled;
        }
        self.push_aside(segment, ahead, limits, &mut out)
    }

    fn without_payload(&mut self, segment: &Segment<'_>, ahead: i32) -> Fate {
        if !segment.flags.has(Flags::SYN | Flags::FIN | Flags::RST) {
            if ahead == -1 {
                self.counts.keep_alives += 1;
                return Fate::KeepAlive;
            }
            self.counts.pure_acks += 1;
        }
        Fate::Empty
    }

    /// A segment that does not start at the expected byte.
    #[cold]
    fn push_aside(
        &mut self,
        segment: &Segment<'_>,
        ahead: i32,
        limits: &Limits,
        out: &mut impl FnMut(Piece<'_>),
    ) -> Fate {
        if ahead == -1 && segment.len == 1 {
            self.counts.keep_alives += 1;
            return Fate::KeepAlive;
        }
        if ahead.abs() >= WINDOW_MAX {
            self.counts.out_of_window += 1;
            return Fate::OutOfWindow;
        }
        self.counts.data_segments += 1;
        if ahead < 0 {
            let known = ahead.unsigned_abs();
            if known >= segment.len {
                self.counts.retransmits += 1;
                return Fate::Again;
            }
            self.counts.overlaps += 1;
            let seen = segment.payload.get(known as usize..).unwrap_or_default();
            self.deliver(seen, segment.len - known, segment.at, segment.place, out);
            if self.held.is_empty() {
                return Fate::InOrder;
            }
            self.drain(out);
            return Fate::Filled;
        }
        self.hold(segment, u64::from(ahead.unsigned_abs()), limits, out)
    }

    fn hold(
        &mut self,
        segment: &Segment<'_>,
        ahead: u64,
        limits: &Limits,
        out: &mut impl FnMut(Piece<'_>),
    ) -> Fate {
        let offset = self.next + ahead;
        let end = offset + u64::from(segment.len);
        let at = self.held.partition_point(|h| h.offset <= offset);
        let covered = at.checked_sub(1).and_then(|i| self.held.get(i));
        if covered.is_some_and(|h| h.offset + u64::from(h.len) >= end) {
            self.counts.retransmits += 1;
            return Fate::Again;
        }
        self.counts.out_of_order += 1;
        let held = Held {
            offset,
            len: segment.len,
            seen: segment.payload.into(),
            at: segment.at,
            place: segment.place,
        };
        self.held.insert(at, held);
        if self.held.len() > limits.held_segments {
            self.counts.pushed_out += 1;
            self.give_up(segment.at, out);
        }
        Fate::Early
    }

    fn deliver(
        &mut self,
        seen: &[u8],
        len: u32,
        at: Timestamp,
        place: FrameRef,
        out: &mut impl FnMut(Piece<'_>),
    ) {
        let chunk = Chunk { offset: self.next, seen, len, at, place };
        self.next += u64::from(len);
        self.next_seq = self.next_seq.wrapping_add(len);
        out(Piece::Chunk(chunk));
    }

    /// Delivers held segments that have become due.
    fn drain(&mut self, out: &mut impl FnMut(Piece<'_>)) {
        let mut due = 0;
        let held = std::mem::take(&mut self.held);
        for h in &held {
            if h.offset > self.next {
                break;
            }
            due += 1;
            let known = self.next - h.offset;
            if known >= u64::from(h.len) {
                self.counts.overlaps += 1;
                continue;
            }
            if known > 0 {
                self.counts.overlaps += 1;
            }
            #[expect(clippy::cast_possible_truncation, reason = "known < h.len, a u32")]
            let known = known as u32;
            let seen = h.seen.get(known as usize..).unwrap_or_default();
            self.deliver(seen, h.len - known, h.at, h.place, out);
        }
        self.held = held;
        self.held.drain(..due);
    }

    /// Calls the first gap missing and goes on behind it.
    fn give_up(&mut self, now: Timestamp, out: &mut impl FnMut(Piece<'_>)) {
        if let Some(first) = self.held.first() {
            let to = first.offset;
            self.skip_to(to, now, out);
            self.drain(out);
        }
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

    /// Notes what the other side acknowledges of this stream.
    #[inline]
    pub(super) fn acknowledge(&mut self, ack: u32, now: Timestamp) {
        if !self.started {
            return;
        }
        let ahead = ack.wrapping_sub(self.next_seq).cast_signed();
        if ahead == 0 {
            self.acked = self.next;
        } else if ahead.abs() < WINDOW_MAX {
            let Some(offset) = self.next.checked_add_signed(i64::from(ahead)) else { return };
            self.acked = self.acked.max(offset);
            if ahead > 0 && self.acked_beyond_since.is_none() && self.fin != Some(self.next) {
                self.acked_beyond_since = Some(now);
            }
        }
    }

    /// Whether [`Half::settle`] may have something to do.
    #[inline]
    pub(super) const fn is_waiting(&self) -> bool {
        self.acked_beyond_since.is_some() || !self.held.is_empty()
    }

    /// Decides about gaps: what the other side acknowledged but the capture never showed is
    /// missing, once `limits.grace` has passed; so is what stayed open for `limits.held_for`.
    #[cold]
    pub(super) fn settle(&mut self, now: Timestamp, limits: &Limits, mut out: impl FnMut(Piece<'_>)) {
        if self.acked <= self.next {
            self.acked_beyond_since = None;
        }
        if let Some(since) = self.acked_beyond_since
            && now.since(since) >= limits.grace
        {
            let to = self.held.first().map_or(self.acked, |first| first.offset.min(self.acked));
            // A lone byte beyond everything seen is the number of a FIN that was not captured.
            if self.held.is_empty() && to == self.next + 1 {
                self.acked_beyond_since = None;
                return;
            }
            self.skip_to(to, now, &mut out);
            self.drain(&mut out);
            self.acked_beyond_since = (self.acked > self.next).then_some(since);
        }
        if self.held.first().is_some_and(|first| now.since(first.at) >= limits.held_for) {
            self.give_up(now, &mut out);
        }
    }

    /// Ends the stream: everything held is delivered, gaps between are missing.
    pub(super) fn finish(&mut self, now: Timestamp, mut out: impl FnMut(Piece<'_>)) {
        while !self.held.is_empty() {
            self.give_up(now, &mut out);
        }
        let end = self.fin.unwrap_or(self.acked).min(self.acked);
        if end > self.next + 1 {
            self.skip_to(end, now, &mut out);
        }
    }
}

/// What a half hands on.
pub(super) enum Piece<'a> {
    Chunk(Chunk<'a>),
    Gap { offset: u64, len: u64, at: Timestamp },
}
