//! Both directions of one TCP connection: handshake, teardown, and the two streams.

use super::half::{FAR, Identity, Piece};
use super::{Chunk, Fate, Limits, Side, Sink, StreamHalf};
use crate::hash::mix;
use crate::packet::{Flags, Segment};
use crate::time::Timestamp;

/// How a connection ended: the first FIN or RST that the other side would believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The side that sent it.
    pub by: Side,
    /// Whether it was a RST.
    pub reset: bool,
    /// Time of its frame.
    pub at: Timestamp,
    /// Its frame.
    pub frame: crate::frame::FrameRef,
}

/// One TCP connection as the capture shows it.
#[derive(Clone, Debug)]
pub struct Connection {
    a: StreamHalf,
    b: StreamHalf,
    /// Who sent the SYN, where one was seen.
    pub opened_by: Option<Side>,
    /// Whether the other side answered with a SYN-ACK.
    pub accepted: bool,
    /// The first FIN or RST.
    pub closing: Option<Closing>,
    /// Whether both sides have closed, or one has reset.
    pub done: bool,
    /// A SYN for a new connection between the same endpoints, while it is unanswered.
    rival: Option<(Side, u32)>,
    isn: [Option<u32>; 2],
    /// Whether a segment lay far from its stream.
    has_strange: bool,
    /// Whether nothing is out of the ordinary: see [`Self::take_plain`].
    is_plain: bool,
    /// When its first and its last frame were seen.
    pub first_at: Timestamp,
    /// See `first_at`.
    pub last_at: Timestamp,
}

/// How a segment relates to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It belongs to the connection; what became of its payload.
    Part(Fate),
    /// A duplicate of a captured frame, from another file or interface.
    DuplicateFrame,
    /// It begins another connection between the same endpoints.
    NewConnection,
}

/// What a segment brought while nothing was out of the ordinary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain<'a> {
    /// The next bytes of its direction, if it has any.
    pub(crate) chunk: Option<Chunk<'a>>,
    /// Whether it acknowledged new bytes of the other.
    pub(crate) acked_more: bool,
}

impl Plain<'_> {
    /// What became of its payload.
    #[inline(always)]
    pub(crate) const fn fate(&self) -> Fate {
        if self.chunk.is_some() { Fate::InOrder } else { Fate::Empty }
    }
}

/// How far a segment brought the streams of its connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advance {
    /// Bytes of its own direction that became deliverable.
    pub(crate) new_bytes: u64,
    /// Whether it acknowledged new bytes of the other.
    pub(crate) acked_more: bool,
}

impl Connection {
    /// A connection whose first frame is `segment`.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self {
            a: StreamHalf::default(),
            b: StreamHalf::default(),
            opened_by: None,
            accepted: false,
            closing: None,
            done: false,
            rival: None,
            isn: [None; 2],
            has_strange: false,
            is_plain: false,
            first_at: at,
            last_at: at,
        }
    }

    /// The stream that `side` sends.
    #[must_use]
    pub const fn half(&self, side: Side) -> &StreamHalf {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    const fn half_mut(&mut self, side: Side) -> &mut StreamHalf {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    const fn isn_mut(&mut self, side: Side) -> &mut Option<u32> {
        let [a, b] = &mut self.isn;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    /// Counts a frame of `side` that the capture at the other end holds as well.
    pub const fn note_copy(&mut self, side: Side) {
        self.half_mut(side).counts.duplicates += 1;
    }

    /// Processes a segment that `side` sent, and delivers what is now in order to `sink`.
    #[inline]
    pub fn push(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        limits: &Limits,
        sink: &mut impl Sink,
    ) -> Membership {
        match self.take_plain(side, segment) {
            Some(plain) => {
                let fate = plain.fate();
                if let Some(chunk) = plain.chunk {
                    sink.chunk(side, chunk);
                }
                Membership::Part(fate)
            }
            None => self.push_advancing(side, segment, limits, sink).0,
        }
    }

    /// The same for any segment; answers how far both streams advanced, too.
    #[inline(never)]
    pub(crate) fn push_advancing(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        limits: &Limits,
        sink: &mut impl Sink,
    ) -> (Membership, Advance) {
        let before = (self.half(side).delivered(), self.half(side.other()).acked());
        let membership = self.push_any(side, segment, limits, sink);
        self.is_plain = limits.lanes && self.may_be_plain();
        let advance = Advance {
            new_bytes: self.half(side).delivered() - before.0,
            acked_more: self.half(side.other()).acked() > before.1,
        };
        (membership, advance)
    }

    /// Whether an established connection shows nothing that a segment which brings the next bytes would have to be
    /// held against.
    const fn may_be_plain(&self) -> bool {
        self.closing.is_none()
            && self.rival.is_none()
            && !self.done
            && !self.has_strange
            && self.a.is_plain()
            && self.b.is_plain()
    }

    /// Processes a segment with the next bytes, or an acknowledgment of more, while nothing is out of the ordinary:
    /// with the same outcome as [`Self::push_any`], which takes all others, but that the caller delivers. `None` where it
    /// is another, and nothing was done. A frame that begins with the next byte cannot have been seen before; one that only acknowledges can, if
    /// what it acknowledges was not known then.
    #[inline(always)]
    pub(crate) fn take_plain<'a>(&mut self, side: Side, segment: &Segment<'a>) -> Option<Plain<'a>> {
        if !self.is_plain {
            return None;
        }
        let (own, other) = match side {
            Side::A => (&mut self.a, &mut self.b),
            Side::B => (&mut self.b, &mut self.a),
        };
        let is_plain = segment.flags.0 & !Flags::PSH == Flags::ACK
            && segment.window != 0
            && segment.seq == own.next_seq();
        let acked = other.acked_by(segment.ack).filter(|_| is_plain)?;
        let identity = identity(segment);
        if segment.len == 0 && (acked <= other.acked() || own.has_seen_any(identity)) {
            return None;
        }
        let acked_more = acked > other.acked();
        other.set_acked(acked);
        self.last_at = self.last_at.max(segment.at);
        Some(Plain { chunk: own.take_next(segment, identity), acked_more })
    }

    /// Processes any segment.
    #[inline]
    fn push_any(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        limits: &Limits,
        sink: &mut impl Sink,
    ) -> Membership {
        if self.half_mut(side).is_duplicate_frame(identity(segment)) {
            return Membership::DuplicateFrame;
        }
        if segment.flags.intersects(Flags::SYN | Flags::FIN | Flags::RST) || self.rival.is_some() {
            if self.is_another(side, segment) {
                return Membership::NewConnection;
            }
            if self.rival == Some((side, segment.seq)) && segment.flags.contains(Flags::SYN) {
                // It counts only once it is answered.
                return Membership::Part(Fate::Empty);
            }
            if self.is_of_rival(side, segment) {
                self.half_mut(side).counts.out_of_window += 1;
                return Membership::Part(Fate::OutOfWindow);
            }
            self.note_flags(side, segment);
        }
        self.last_at = self.last_at.max(segment.at);
        if !self.half(side).is_near(segment.seq) {
            self.has_strange = true;
            if segment.len > 0 && self.half_mut(side).is_other_stream(segment) {
                return Membership::NewConnection;
            }
        } else if segment.flags.contains(Flags::ACK) {
            self.half_mut(side.other()).acknowledge(segment.ack, segment.at);
        }
        let fate = self.half_mut(side).push(segment, limits, deliver(side, sink));
        if segment.window == 0 && !segment.flags.intersects(Flags::SYN | Flags::RST) {
            self.half_mut(side).counts.zero_windows += 1;
        }
        if self.a.is_waiting() || self.b.is_waiting() {
            self.settle(segment.at, limits, sink);
        }
        Membership::Part(fate)
    }

    /// Gives up on overdue gaps as of `now`.
    pub fn settle(&mut self, now: Timestamp, limits: &Limits, sink: &mut impl Sink) {
        self.a.settle(now, limits, deliver(Side::A, sink));
        self.b.settle(now, limits, deliver(Side::B, sink));
    }

    /// Whether either side holds out-of-order segments.
    #[inline]
    #[must_use]
    pub const fn is_holding(&self) -> bool {
        self.a.held() + self.b.held() > 0
    }

    /// Memory of held segments, in bytes.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.a.held_bytes() + self.b.held_bytes()
    }

    /// Gives up on the first gap of each side that holds segments, to free memory.
    pub fn push_out(&mut self, now: Timestamp, sink: &mut impl Sink) {
        self.a.push_out(now, deliver(Side::A, sink));
        self.b.push_out(now, deliver(Side::B, sink));
    }

    /// Ends both streams; call once.
    pub fn finish(&mut self, now: Timestamp, sink: &mut impl Sink) {
        self.a.finish(now, deliver(Side::A, sink));
        self.b.finish(now, deliver(Side::B, sink));
    }

    /// Whether the segment proves that the endpoints opened a new connection. A SYN alone proves it only
    /// after this connection has ended. In mid-connection it must be answered, since anybody can forge one:
    /// the receiver sends a challenge ACK (RFC 9293, section 3.10.7.4).
    fn is_another(&mut self, side: Side, segment: &Segment<'_>) -> bool {
        let syn = segment.flags.contains(Flags::SYN);
        if syn && !segment.flags.contains(Flags::ACK) {
            if *self.isn_mut(side) == Some(segment.seq) {
                return false;
            }
            if self.closing.is_some() || !self.a.started() && !self.b.started() {
                return self.a.started() || self.b.started();
            }
            // Merged captures can hold a SYN behind its own SYN-ACK: it is late, not a new connection.
            let is_late = !self.half(side).started() && self.isn_mut(side.other()).is_some();
            if !is_late {
                self.rival = Some((side, segment.seq));
            }
            return false;
        }
        match self.rival {
            Some((by, seq)) if syn => side != by && segment.ack == seq.wrapping_add(1),
            // The SYN-ACK was not captured. If nothing of the other side was, data behind the SYN is proof
            // enough.
            Some((by, seq)) if side == by => {
                segment.len > 0
                    && segment.seq == seq.wrapping_add(1)
                    && !self.half(side.other()).is_captured()
            }
            // The answer to a forged SYN repeats the sequence number that the other side expects.
            Some((by, seq)) if segment.flags.contains(Flags::ACK) => {
                segment.ack.wrapping_sub(seq.wrapping_add(1)) <= FAR && !self.half(by).is_near(segment.ack)
            }
            _ => syn && self.closing.is_some() && *self.isn_mut(side) != Some(segment.seq),
        }
    }

    /// Whether a segment continues behind a SYN that is not answered yet.
    fn is_of_rival(&self, side: Side, segment: &Segment<'_>) -> bool {
        self.rival.is_some_and(|(by, seq)| {
            side == by
                && segment.seq.wrapping_sub(seq.wrapping_add(1)) <= FAR
                && !self.half(side).is_near(segment.seq)
        })
    }

    /// Since when one side has sent with unrelated sequence numbers, if that revealed a new connection.
    #[must_use]
    pub fn other_stream_since(&self) -> Option<Timestamp> {
        self.a.other_stream_since().or(self.b.other_stream_since())
    }

    fn note_flags(&mut self, side: Side, segment: &Segment<'_>) {
        let flags = segment.flags;
        if !self.half(side).started() && flags.contains(Flags::SYN) {
            *self.isn_mut(side) = Some(segment.seq);
            if flags.contains(Flags::ACK) {
                self.accepted = true;
                self.opened_by.get_or_insert(side.other());
            } else {
                self.opened_by.get_or_insert(side);
            }
        }
        if flags.contains(Flags::RST) {
            if self.half(side).believes(segment.seq, u32::from(segment.window)) {
                self.close(side, true, segment);
                self.done = true;
            } else {
                self.half_mut(side).counts.out_of_window += 1;
            }
        } else if flags.contains(Flags::FIN) && self.half(side).believes(segment.seq, FAR) {
            if self.closing.is_some_and(|c| c.by != side) {
                self.done = true;
            }
            self.close(side, false, segment);
        }
    }

    fn close(&mut self, by: Side, reset: bool, segment: &Segment<'_>) {
        self.closing.get_or_insert(Closing { by, reset, at: segment.at, frame: segment.frame });
    }
}

/// Delivers what one side's stream releases to a sink.
fn deliver(side: Side, sink: &mut impl Sink) -> impl FnMut(Piece<'_>) {
    move |piece| match piece {
        Piece::Chunk(chunk) => sink.chunk(side, chunk),
        Piece::Gap { offset, len, at } => sink.gap(side, offset, len, at),
    }
}

/// A number that two frames share only if they are copies of one: a retransmission has another IP
/// identification, another timestamp or another acknowledgment. The checksum takes no part: where the
/// network card fills it in, both ends capture different ones.
///
/// Without timestamps and IP identification (IPv6, `tcp_timestamps=0`) a retransmission is the first sending to the
/// letter. Then time tells: a capture's copies are some milliseconds apart at most, a retransmission timer is 200 ms
/// at least.
#[inline(always)]
fn identity(segment: &Segment<'_>) -> Identity {
    if segment.timestamps.is_none() && segment.ip_id == 0 {
        return identity_in_time(segment);
    }
    Identity { now: identity_with(segment, 0), before: None }
}

#[cold]
fn identity_in_time(segment: &Segment<'_>) -> Identity {
    /// Copies that are farther apart than twice this are none.
    const TOGETHER_NANOS: i64 = 4_000_000;
    let part = segment.at.nanos().div_euclid(TOGETHER_NANOS).cast_unsigned();
    let of = |part: u64| identity_with(segment, part.wrapping_mul(0xd6e8_feb8_6659_fd93));
    Identity { now: of(part), before: Some(of(part.wrapping_sub(1))) }
}

#[inline(always)]
fn identity_with(segment: &Segment<'_>, more: u64) -> u64 {
    let (value, echo) = segment.timestamps.unwrap_or_default();
    let numbers = u64::from(segment.seq) << 32 | u64::from(segment.ack);
    let shape = u64::from(segment.len) << 32
        | u64::from(segment.flags.0) << 16
        | u64::from(segment.window)
        | u64::from(segment.ip_id) << 48;
    let stamps = (u64::from(value) << 32 | u64::from(echo)) ^ more;
    // Never 0, which marks an empty entry.
    mix(mix(mix(0, numbers), shape), stamps) | 1
}
