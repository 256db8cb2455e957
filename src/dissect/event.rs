//! What dissecting brings forth, in capture order: links, packets, notifications, ends.

use crate::address::Endpoint;
use crate::frame::FrameRef;
use crate::packet::Segment;
use crate::proto::quorum::Head;
use crate::proto::{PacketType, Zxid, auth, election};
use crate::stream::{Closing, Fate, Slot, StreamHalfCounts};
use crate::time::Timestamp;

/// The way a stream runs, seen from the ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From a learner to its leader.
    ToLeader,
    /// From the leader to a learner.
    ToLearner,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::ToLeader => Self::ToLearner,
            Self::ToLearner => Self::ToLeader,
        }
    }

    /// Whether it runs to the leader.
    #[must_use]
    pub const fn is_to_leader(self) -> bool {
        matches!(self, Self::ToLeader)
    }
}

/// A value for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerDirection<T> {
    /// Of the stream from learner to leader.
    pub to_leader: T,
    /// Of the stream from leader to learner.
    pub to_learner: T,
}

impl<T> PerDirection<T> {
    /// The value of a direction.
    #[inline]
    pub const fn of(&self, direction: Direction) -> &T {
        match direction {
            Direction::ToLeader => &self.to_leader,
            Direction::ToLearner => &self.to_learner,
        }
    }

    /// The value of a direction, to change.
    #[inline]
    pub const fn of_mut(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::ToLeader => &mut self.to_leader,
            Direction::ToLearner => &mut self.to_learner,
        }
    }
}

/// What protects a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// Nothing.
    #[default]
    None,
    /// SASL at the start, then clear text.
    Sasl,
    /// TLS: nothing of it is read.
    Tls,
}

/// Where each byte of a stream went. `stream = decoded + cut + missing + unframed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteSums {
    /// Captured, inside records.
    pub decoded: u64,
    /// In captured frames, beyond what was kept of them.
    pub cut: u64,
    /// In frames that the capture lacks.
    pub missing: u64,
    /// Captured, in no record.
    pub unframed: u64,
    /// The part of `cut` that belongs to no record, seen or inferred.
    pub cut_unframed: u64,
}

impl ByteSums {
    /// All bytes of the stream.
    #[must_use]
    pub const fn stream(&self) -> u64 {
        self.decoded + self.cut + self.missing + self.unframed
    }

    /// Both together.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            decoded: self.decoded + other.decoded,
            cut: self.cut + other.cut,
            missing: self.missing + other.missing,
            unframed: self.unframed + other.unframed,
            cut_unframed: self.cut_unframed + other.cut_unframed,
        }
    }
}

/// A connection between a leader and a learner has appeared.
#[derive(Clone, Copy, Debug)]
pub struct LinkOpened {
    /// The side whose port is the quorum port.
    pub leader: Endpoint,
    /// The side that dialed.
    pub learner: Endpoint,
    /// Time of its first frame.
    pub at: Timestamp,
    /// Its first frame.
    pub frame: FrameRef,
    /// Whether the capture began inside the connection.
    pub picked_up: bool,
}

/// A quorum packet, seen or inferred.
#[derive(Clone, Copy, Debug)]
pub struct PacketSeen<'a> {
    /// Which way it went.
    pub direction: Direction,
    /// Its type.
    pub kind: PacketType,
    /// Its zxid; `None` where it was cut away and nothing proves it.
    pub zxid: Option<Zxid>,
    /// Length of its data, −1 for null; `None` where unknown.
    pub data_len: Option<i32>,
    /// Bytes on the wire; `None` where unknown.
    pub size: Option<u64>,
    /// Time of the frame that holds its first byte.
    pub at: Timestamp,
    /// Time of the frame that holds its last byte.
    pub last_at: Timestamp,
    /// The frame that holds its first byte.
    pub frame: FrameRef,
    /// What was captured of it, without a gap from its first byte on.
    pub seen: &'a [u8],
    /// Bytes of it that were not captured.
    pub cut: u64,
    /// Whether it was proved by arithmetic, its head being cut away.
    pub inferred: bool,
    /// Whether `at` is its own time: false for an inferred packet that may be in any of several frames.
    pub timed: bool,
}

impl PacketSeen<'_> {
    /// Its head, where all of it is known.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        Some(Head { kind: self.kind, zxid: self.zxid?, data_len: self.data_len? })
    }
}

/// A snapshot that followed a SNAP packet.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotSeen {
    /// Its bytes on the wire, as far as they were followed.
    pub bytes: u64,
    /// Time of its first bytes.
    pub from: Timestamp,
    /// Time of its last ones.
    pub to: Timestamp,
    /// Whether its end was seen or proved.
    pub is_complete: bool,
}

/// One frame of a link, for those who look at TCP itself.
#[derive(Clone, Copy, Debug)]
pub struct SegmentSeen<'a> {
    /// Which way it went.
    pub direction: Direction,
    /// The segment.
    pub segment: &'a Segment<'a>,
    /// What became of its payload.
    pub fate: Fate,
    /// Bytes that it made readable.
    pub new_bytes: u64,
    /// Whether it acknowledged bytes of the other direction that were not acknowledged before.
    pub acked_more: bool,
    /// Whether captures of both ends run, so that [`Event::AtLearner`] tells what arrives there.
    pub both_ends_captured: bool,
}

/// A segment of a link both ends of which were captured: sent, and arrived or lost on the way.
#[derive(Clone, Copy, Debug)]
pub struct SegmentMatch {
    /// Which way it went.
    pub direction: Direction,
    /// The frame in its sender's capture.
    pub frame: FrameRef,
    /// When it was sent.
    pub sent: Timestamp,
    /// When it arrived; `None` where it was not seen to, though the receiver's capture ran.
    pub arrived: Option<Timestamp>,
}

/// A message on the election port.
#[derive(Clone, Copy, Debug)]
pub struct ElectionSeen<'a> {
    /// Who sent it.
    pub src: Endpoint,
    /// To whom.
    pub dst: Endpoint,
    /// The message.
    pub message: ElectionMessage<'a>,
    /// Bytes on the wire, a notification's length included.
    pub size: u64,
    /// Bytes of it that were not captured.
    pub cut: u64,
    /// Time of its first byte.
    pub at: Timestamp,
    /// The frame that holds its first byte.
    pub frame: FrameRef,
}

/// What can be said on the election port.
#[derive(Clone, Copy, Debug)]
pub enum ElectionMessage<'a> {
    /// The dialer's first words.
    Hello(election::Hello<'a>),
    /// A vote or an answer.
    Notification(election::Notification<'a>),
    /// A notification whose fields were cut away.
    Unread,
}

/// A SASL packet before the stream proper.
#[derive(Clone, Copy, Debug)]
pub struct AuthSeen {
    /// Who sent it.
    pub src: Endpoint,
    /// To whom.
    pub dst: Endpoint,
    /// Its head.
    pub head: auth::Head,
    /// Bytes of it that were not captured.
    pub cut: u64,
    /// Time of its first byte.
    pub at: Timestamp,
    /// The frame that holds its first byte.
    pub frame: FrameRef,
}

/// Why framing was lost: where a packet ends was not known any more, and a sure start had to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramingLoss {
    /// A packet head that no server writes.
    BadHead,
    /// A packet whose last bytes are not what they must be.
    BadTail,
    /// Segments of whole packets inside what was taken for one packet or snapshot.
    Contradicted,
    /// A gap that covers the start of a packet.
    Gap,
    /// A REQUEST that ends somewhere among cut bytes.
    HiddenEnd,
}

impl FramingLoss {
    /// All of them, in the order of their counts.
    const ALL: [Self; 5] = [Self::BadHead, Self::BadTail, Self::Contradicted, Self::Gap, Self::HiddenEnd];

    /// As reports name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadHead => "bad_head",
            Self::BadTail => "bad_tail",
            Self::Contradicted => "contradicted",
            Self::Gap => "gap",
            Self::HiddenEnd => "hidden_end",
        }
    }
}

/// How often framing was lost in one direction, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FramingLosses([u32; FramingLoss::ALL.len()]);

impl FramingLosses {
    /// One of each of these.
    #[cfg(test)]
    pub(crate) fn of(reasons: &[FramingLoss]) -> Self {
        let mut losses = Self::default();
        reasons.iter().for_each(|reason| losses.count(*reason));
        losses
    }

    /// Notes one more.
    pub(super) fn count(&mut self, reason: FramingLoss) {
        if let Some(count) = self.0.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
    }

    /// How often, whatever the reason.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The reasons that occurred, and how often each did.
    pub fn by_reason(&self) -> impl Iterator<Item = (FramingLoss, u32)> {
        FramingLoss::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

/// Bytes among which packets may have gone by unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// When the first of them came.
    pub from: Timestamp,
    /// When the last of them came.
    pub to: Timestamp,
    /// How many they are.
    pub len: u64,
}

/// Bytes that are missing from the capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// How many.
    pub len: u64,
    /// When they were given up.
    pub at: Timestamp,
}

/// What is known of an election connection when it is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElectionTotals {
    /// Byte sums of both directions together.
    pub bytes: ByteSums,
    /// Whether TLS protected it.
    pub is_tls: bool,
}

/// What is known of a link when it is let go.
#[derive(Clone, Copy, Debug)]
pub struct LinkTotals {
    /// The epoch that its packets name, or the fronts of their heads.
    pub epoch: Option<u32>,
    /// Byte sums of each direction.
    pub bytes: PerDirection<ByteSums>,
    /// TCP counts of each direction.
    pub tcp: PerDirection<StreamHalfCounts>,
    /// What protected it.
    pub protection: Protection,
    /// How often framing was lost in each direction, by reason.
    pub losses: PerDirection<FramingLosses>,
}

/// What happened, in capture order. Times within a link do not always ascend: what was inferred or
/// reassembled comes late and carries its own time.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A link has appeared.
    LinkOpened(Slot, &'a LinkOpened),
    /// A frame of a link, before what it brought forth.
    Segment(Slot, &'a SegmentSeen<'a>),
    /// A frame of the learner's capture, where the leader's has the link too: what arrived at the learner,
    /// and what it sent, as it looked there.
    AtLearner(Slot, &'a SegmentSeen<'a>),
    /// What became of a segment on its way, where both ends were captured. Comes up to some seconds late.
    SegmentMatch(Slot, &'a SegmentMatch),
    /// A quorum packet of a link.
    Packet(Slot, &'a PacketSeen<'a>),
    /// A snapshot has ended, or is let go unfinished.
    Snapshot(Slot, &'a SnapshotSeen),
    /// The first FIN or RST of a link, and which way it went.
    LinkClosed(Slot, Direction, &'a Closing),
    /// Bytes are missing in a direction of a link.
    Gap(Slot, Direction, &'a Gap),
    /// Bytes of a direction could not be read, or not in one way only. Comes late.
    Unread(Slot, Direction, &'a Unread),
    /// A link is about to be let go though it was not seen to close: what comes of it from this time on is
    /// not watched.
    LinkUnwatched(Slot, Timestamp),
    /// A link is over: no more of it will come.
    LinkOver(Slot, &'a LinkTotals),
    /// A message on the election port.
    Election(&'a ElectionSeen<'a>),
    /// An election connection is over.
    ElectionOver(&'a ElectionTotals),
    /// A SASL packet, on either port.
    Auth(&'a AuthSeen),
}

/// Takes what dissecting brings forth.
///
/// Match every event by name: a new one is then seen to by whoever it concerns. An implementation that
/// is called for each frame is inlined, so that of the match no more is left than the branch.
pub trait Observer {
    /// How many captured bytes of a packet of this type it looks at, from the packet's first on. The rest
    /// need not be shown.
    #[must_use]
    fn looks_at(kind: PacketType) -> usize
    where
        Self: Sized,
    {
        let _ = kind;
        usize::MAX
    }

    /// Takes the next event.
    fn event(&mut self, event: Event<'_>);
}
