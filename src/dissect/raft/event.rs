//! What etcd's peer connections show: segments, records, and where their bytes went.

use crate::address::Endpoint;
use crate::dissect::ByteSums;
use crate::frame::FrameRef;
use crate::packet::Flags;
use crate::raft::{AnswerHead, Codec, Known, PeerRequest};
use crate::stream::Fate;
use crate::time::{Span, Timestamp};

/// A connection as one host's captures show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerConnection {
    /// The host of the captures: its number from 1 in their order, 0 where it is not known beforehand.
    pub view: u32,
    /// Its first frame, which no other connection has.
    pub first: FrameRef,
}

/// A segment of a peer connection, or a record that it brought.
#[derive(Clone, Copy, Debug)]
pub enum PeerEvent {
    /// A segment.
    Segment(PeerSegment),
    /// A record, or the head of a request or of an answer.
    Record(PeerRecord),
    /// A connection is over, or the capture is.
    Over(PeerTotals),
}

/// A segment of a peer connection.
#[derive(Clone, Copy, Debug)]
pub struct PeerSegment {
    /// The connection.
    pub connection: PeerConnection,
    /// Its sender.
    pub src: Endpoint,
    /// Its receiver.
    pub dst: Endpoint,
    /// Time of its frame.
    pub at: Timestamp,
    /// Its frame.
    pub frame: FrameRef,
    /// Bytes of payload on the wire.
    pub len: u32,
    /// Bytes of them that had not been seen before.
    pub new_bytes: u64,
    /// Its flags.
    pub flags: Flags,
    /// What became of its payload.
    pub fate: Fate,
    /// Whether it acknowledges bytes that had not been acknowledged.
    pub acked_more: bool,
    /// Whether its SYN or FIN had been seen before.
    pub is_repeated: bool,
    /// Whether it is the first FIN or RST of its connection.
    pub is_first_close: bool,
    /// Whether it is a RST that answers a SYN: the host lives, nobody listens.
    pub is_refusal: bool,
    /// How long the bytes that it acknowledges first had been under way: the receiver's kernel to the sender's and
    /// back. Bytes that were retransmitted do not count (RFC 6298, section 3).
    pub round_trip: Option<Span>,
    /// How long the gap that it fills was open.
    pub filled_after: Option<Span>,
    /// Who dialed: whether it was the sender; `None` where the capture does not show it.
    pub is_dialers: Option<bool>,
    /// Whether the connection is a stream of raft's messages, as far as is known.
    pub is_stream: bool,
    /// Whether it is under TLS.
    pub is_tls: bool,
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerRecordKind {
    /// A request, and the dialer's member id where it names one.
    Request(PeerRequest, Option<u64>),
    /// An answer, and what it answers.
    Answer(AnswerHead, Option<PeerRequest>),
    /// A record of a stream.
    Stream(Codec, Known),
    /// What the cut hides behind the first records of a flush.
    Hidden(Codec),
    /// The acceptor ends its stream.
    StreamEnd,
}

impl PeerRecordKind {
    /// All names there are.
    pub const NAMES: [&'static str; 26] = [
        "STREAM_MSGAPP",
        "STREAM_MESSAGE",
        "PROBE",
        "PIPELINE",
        "SNAPSHOT",
        "VERSION",
        "MEMBERS",
        "REQUEST",
        "ANSWER",
        "LINK_HEARTBEAT",
        "AppEntries",
        "MsgProp",
        "MsgApp",
        "MsgAppResp",
        "MsgVote",
        "MsgVoteResp",
        "MsgSnap",
        "MsgHeartbeat",
        "MsgHeartbeatResp",
        "MsgTimeoutNow",
        "MsgReadIndex",
        "MsgReadIndexResp",
        "MsgPreVote",
        "MsgPreVoteResp",
        "HIDDEN",
        "STREAM_END",
    ];

    /// Its name in counts and in a dump: raft's own for messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Request(request, _) => request.name(),
            Self::Answer(..) => "ANSWER",
            Self::Stream(_, Known::LinkHeartbeat) => "LINK_HEARTBEAT",
            Self::Stream(_, Known::AppEntries { .. }) => "AppEntries",
            Self::Stream(codec, Known::Message(message)) => match (message.kind, codec) {
                (Some(kind), _) => kind.name(),
                (None, Codec::Append) => "MsgApp",
                (None, Codec::Message) => "HIDDEN",
            },
            Self::Hidden(_) => "HIDDEN",
            Self::StreamEnd => "STREAM_END",
        }
    }
}

/// A record of a peer connection.
#[derive(Clone, Copy, Debug)]
pub struct PeerRecord {
    /// The connection.
    pub connection: PeerConnection,
    /// Its sender.
    pub src: Endpoint,
    /// Its receiver.
    pub dst: Endpoint,
    /// When its first byte passed.
    pub at: Timestamp,
    /// The frame with its first byte.
    pub frame: FrameRef,
    /// What it is.
    pub kind: PeerRecordKind,
    /// Its bytes on the wire, without chunks' lines; 0 where they are not known.
    pub size: u64,
    /// Bytes of them that were not captured in that frame.
    pub cut: u64,
    /// How many there are of it: above 1 only where arithmetic proves several that the cut hides.
    pub count: u32,
    /// Whether the record lies in cut bytes.
    pub is_inferred: bool,
}

/// What there is to say of a connection at its end.
#[derive(Clone, Copy, Debug)]
pub struct PeerTotals {
    /// The connection.
    pub connection: PeerConnection,
    /// One end, and the other.
    pub ends: [Endpoint; 2],
    /// Where the bytes went that each of them sent.
    pub bytes: [ByteSums; 2],
    /// How often the framing of a stream was lost.
    pub losses: u32,
}
