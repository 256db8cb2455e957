//! The events of dissection, in capture order: links, packets, notifications, closes.

use super::byte_sums::ByteSums;
use super::raft::PeerEvent;
use crate::address::Endpoint;
use crate::frame::FrameRef;
use crate::packet::Segment;
use crate::proto::quorum::Head;
use crate::proto::{PacketType, Zxid, auth, election};
use crate::stream::{Closing, ConnectionSlot, Fate, StreamHalfCounts};
use crate::time::Timestamp;

/// The direction of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From a learner to its leader.
    ToLeader,
    /// From the leader to a learner.
    ToLearner,
}

impl Direction {
    /// The opposite direction.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::ToLeader => Self::ToLearner,
            Self::ToLearner => Self::ToLeader,
        }
    }

    /// Whether it is to the leader.
    #[must_use]
    pub const fn is_to_leader(self) -> bool {
        matches!(self, Self::ToLeader)
    }
}

/// A value for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerDirection<T> {
    /// For the stream from learner to leader.
    pub to_leader: T,
    /// For the stream from leader to learner.
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

    /// The value of a direction, mutable.
    #[inline]
    pub const fn of_mut(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::ToLeader => &mut self.to_leader,
            Direction::ToLearner => &mut self.to_learner,
        }
    }
}

/// Authentication or encryption of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// Nothing.
    #[default]
    None,
    /// SASL at the start, then clear text.
    Sasl,
    /// TLS: the content cannot be read.
    Tls,
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
    /// Whether the capture began in mid-connection.
    pub picked_up: bool,
}

/// A quorum packet, seen or inferred.
#[derive(Clone, Copy, Debug)]
pub struct PacketSeen<'a> {
    /// Its direction.
    pub direction: Direction,
    /// Its type.
    pub kind: PacketType,
    /// Its zxid; `None` if it was cut and cannot be inferred.
    pub zxid: Option<Zxid>,
    /// Length of its data, −1 for null; `None` if unknown.
    pub data_len: Option<i32>,
    /// Its size on the wire; `None` if unknown.
    pub size: Option<u64>,
    /// Time of the frame that holds its first byte.
    pub at: Timestamp,
    /// Time of the frame that holds its last byte.
    pub last_at: Timestamp,
    /// The frame that holds its first byte.
    pub frame: FrameRef,
    /// Its captured bytes, from the first one up to the first gap.
    pub seen: &'a [u8],
    /// Bytes of it that were not captured.
    pub cut: u64,
    /// Whether it was inferred, since its head was cut.
    pub inferred: bool,
    /// Whether `at` is exact: false for an inferred packet that may be in any of several frames.
    pub timed: bool,
}

impl PacketSeen<'_> {
    /// Its head, if all fields are known.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        Some(Head { kind: self.kind, zxid: self.zxid?, data_len: self.data_len? })
    }
}

/// A snapshot that followed a SNAP packet.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotSeen {
    /// Its size on the wire, as far as it was followed.
    pub bytes: u64,
    /// Time of its first bytes.
    pub from: Timestamp,
    /// Time of its last ones.
    pub to: Timestamp,
    /// Whether its end was seen or inferred.
    pub is_complete: bool,
}

/// A frame of a link, for observers of TCP.
#[derive(Clone, Copy, Debug)]
pub struct SegmentSeen<'a> {
    /// Its direction.
    pub direction: Direction,
    /// The segment.
    pub segment: &'a Segment<'a>,
    /// What became of its payload.
    pub fate: Fate,
    /// Bytes that became deliverable with it.
    pub new_bytes: u64,
    /// Whether it acknowledged new bytes of the other direction.
    pub acked_more: bool,
    /// Whether both ends are being captured, so that [`Event::AtLearner`] shows what arrives there.
    pub both_ends_captured: bool,
}

/// A matched segment of a link captured at both ends: sent, and received or lost.
#[derive(Clone, Copy, Debug)]
pub struct SegmentMatch {
    /// Its direction.
    pub direction: Direction,
    /// The frame in its sender's capture.
    pub frame: FrameRef,
    /// When it was sent.
    pub sent: Timestamp,
    /// When it arrived; `None` if it was lost: the receiver's capture was running and does not hold it.
    pub arrived: Option<Timestamp>,
}

/// A message on the election port.
#[derive(Clone, Copy, Debug)]
pub struct ElectionSeen<'a> {
    /// The sender.
    pub src: Endpoint,
    /// The receiver.
    pub dst: Endpoint,
    /// The message.
    pub message: ElectionMessage<'a>,
    /// Its size on the wire, with a notification's length.
    pub size: u64,
    /// Bytes of it that were not captured.
    pub cut: u64,
    /// Time of its first byte.
    pub at: Timestamp,
    /// The frame that holds its first byte.
    pub frame: FrameRef,
}

/// A message on the election port.
#[derive(Clone, Copy, Debug)]
pub enum ElectionMessage<'a> {
    /// The dialer's first message.
    Hello(election::Hello<'a>),
    /// A vote or an answer.
    Notification(election::Notification<'a>),
    /// A notification whose fields were cut.
    Unread,
}

/// A SASL packet, before the first packet of the protocol.
#[derive(Clone, Copy, Debug)]
pub struct AuthSeen {
    /// The sender.
    pub src: Endpoint,
    /// The receiver.
    pub dst: Endpoint,
    /// Its head.
    pub head: auth::SaslHead,
    /// Bytes of it that were not captured.
    pub cut: u64,
    /// Time of its first byte.
    pub at: Timestamp,
    /// The frame that holds its first byte.
    pub frame: FrameRef,
}

/// Why framing was lost: the end of a packet was no longer known, so a certain packet start had to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramingLoss {
    /// A packet head that no server writes.
    BadHead,
    /// A packet with invalid last bytes.
    BadTail,
    /// Segments of whole packets inside a supposed packet or snapshot.
    Contradicted,
    /// A gap that covers the start of a packet.
    Gap,
    /// A REQUEST that ends in cut bytes, at an unknown offset.
    HiddenEnd,
}

impl FramingLoss {
    /// All of them, in the order of their counts.
    const ALL: [Self; 5] = [Self::BadHead, Self::BadTail, Self::Contradicted, Self::Gap, Self::HiddenEnd];

    /// Its name in reports.
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

/// Bytes that may have contained unknown packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Time of the first of them.
    pub from: Timestamp,
    /// Time of the last of them.
    pub to: Timestamp,
    /// Their number.
    pub len: u64,
}

/// Bytes that are missing from the capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// How many.
    pub len: u64,
    /// When they were given up on.
    pub at: Timestamp,
}

/// Totals of an election connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElectionTotals {
    /// Byte sums of both directions together.
    pub bytes: ByteSums,
    /// Whether TLS protected it.
    pub is_tls: bool,
    /// Whether no peer spoke on it, for all that was captured: none of its bytes make sense, or it was opened and
    /// closed without one.
    pub is_stranger: bool,
}

/// Totals of a link.
#[derive(Clone, Copy, Debug)]
pub struct LinkTotals {
    /// The epoch of its packets, from whole or cut heads.
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

/// Which of ZooKeeper's ports a connection goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Learners connect to their leader here.
    Quorum,
    /// Servers elect a leader here.
    Election,
}

/// An event. Events come in capture order, but the times within a link do not always ascend: what was
/// inferred or reassembled comes later and has its own time.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A link has appeared.
    LinkOpened(ConnectionSlot, &'a LinkOpened),
    /// A frame of a link, before the events that it causes.
    Segment(ConnectionSlot, &'a SegmentSeen<'a>),
    /// A frame of the learner's capture, if the leader's holds the link too: what the learner received and
    /// sent.
    AtLearner(ConnectionSlot, &'a SegmentSeen<'a>),
    /// A segment was received or lost, if both ends were captured. Comes up to a few seconds late.
    SegmentMatch(ConnectionSlot, &'a SegmentMatch),
    /// A quorum packet of a link.
    Packet(ConnectionSlot, &'a PacketSeen<'a>),
    /// A snapshot has ended, or was abandoned unfinished.
    Snapshot(ConnectionSlot, &'a SnapshotSeen),
    /// The first FIN or RST of a link, and which way it went.
    LinkClosed(ConnectionSlot, Direction, &'a Closing),
    /// What a link says is under TLS. Comes just before its end, when its silences are judged.
    LinkEncrypted(ConnectionSlot),
    /// Bytes are missing in a direction of a link.
    Gap(ConnectionSlot, Direction, &'a Gap),
    /// Bytes of a direction could not be decoded unambiguously. Comes late.
    Unread(ConnectionSlot, Direction, &'a Unread),
    /// A link is about to be evicted although it was not seen to close: from this time on it is not observed.
    LinkUnwatched(ConnectionSlot, Timestamp),
    /// A link is over: no more events of it will come.
    LinkOver(ConnectionSlot, &'a LinkTotals),
    /// A frame of a connection that is no link: an election connection, or an attempt to open a link. Of
    /// captures of several hosts, each one's.
    Aside(&'a Segment<'a>, Port),
    /// A message on the election port.
    Election(&'a ElectionSeen<'a>),
    /// An election connection is over.
    ElectionOver(&'a ElectionTotals),
    /// A SASL packet, on either port.
    Auth(&'a AuthSeen),
    /// A segment or a record of etcd's peers.
    Peer(&'a PeerEvent),
}

/// Receives the events of dissection.
///
/// Match every event by name, so that a new event does not compile until every observer handles it. An
/// implementation that is called for each frame is inlined, so that only a branch is left of the match.
pub trait Observer {
    /// How many captured bytes of a packet of this type it needs, from the first one on. The rest need not be
    /// delivered.
    #[must_use]
    fn looks_at(kind: PacketType) -> usize
    where
        Self: Sized,
    {
        let _ = kind;
        usize::MAX
    }

    /// Handles the next event.
    fn event(&mut self, event: Event<'_>);
}
