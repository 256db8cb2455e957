//! TCP reassembly: each direction of each connection becomes an ordered stream of bytes with gaps.
//!
//! In: segments in capture order. Out, through a [`Sink`]: chunks in stream order, each with the time and
//! frame it came in, its captured bytes and its length on the wire; and gaps, where a frame is not in the
//! capture at all. Cut bytes are not missing bytes: a chunk of 250 bytes of which 30 were captured is
//! complete.
//!
//! This layer knows TCP, not ZooKeeper. It holds only out-of-order segments (see [`Limits`]), never what was
//! delivered.

mod connection;
mod half;
mod held;
mod table;

pub use connection::{Closing, Connection, Membership};
pub use half::{StreamHalf, StreamHalfCounts};
pub use table::{ConnectionSlot, ConnectionTable, FlowKey, Lookup};

use crate::frame::FrameRef;
use crate::time::{Span, Timestamp};

/// One side of a connection, and the direction that it sends: side `A` is the lower endpoint of the
/// [`FlowKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The endpoint that sorts first.
    A,
    /// The other one.
    B,
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// A run of stream bytes that arrived in one frame.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Offset of the first byte in its stream.
    pub offset: u64,
    /// The bytes that were captured: a prefix of the run.
    pub seen: &'a [u8],
    /// Length of the run on the wire.
    pub len: u32,
    /// When its frame was captured.
    pub at: Timestamp,
    /// Which frame it was.
    pub frame: FrameRef,
}

/// What became of a segment's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// No payload.
    Empty,
    /// It continued the stream.
    InOrder,
    /// It fills a gap, so that held bytes follow it.
    FillsGap,
    /// It lies beyond the next expected byte, and is held.
    OutOfOrder,
    /// All of its bytes had been seen before.
    Retransmission,
    /// A probe of one byte or none just below the next expected byte.
    KeepAlive,
    /// Its sequence number lies outside any window, so it is ignored.
    OutOfWindow,
}

/// Receives what reassembly delivers, in stream order for each side.
///
/// ```
/// use quorumscope::frame::{Frame, FrameRef, LinkType};
/// use quorumscope::packet;
/// use quorumscope::stream::{Chunk, Connection, Fate, Limits, Membership, Side, Sink};
/// use quorumscope::time::Timestamp;
///
/// struct Text(String);
///
/// impl Sink for Text {
///     fn chunk(&mut self, _side: Side, chunk: Chunk<'_>) {
///         self.0.push_str(&String::from_utf8_lossy(chunk.seen));
///     }
///     fn gap(&mut self, _side: Side, _offset: u64, len: u64, _at: Timestamp) {
///         self.0.push_str(&format!("<{len} bytes missing>"));
///     }
/// }
///
/// // Ethernet, IPv4 10.0.0.1 to 10.0.0.2, TCP 40000 to 2888, ACK, sequence number 100, payload `hello`.
/// let mut bytes = vec![0; 12];
/// bytes.extend([8, 0, 0x45, 0, 0, 45, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
/// bytes.extend([0x9c, 0x40, 0x0b, 0x48, 0, 0, 0, 100, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
/// bytes.extend(b"hello");
/// let (at, id) = (Timestamp::default(), FrameRef { file: 0, number: 1 });
/// let frame = Frame { at, link: LinkType::Ethernet, orig_len: 59, data: &bytes, id };
/// let first = packet::segment(&frame).expect("a TCP segment");
/// let mut connection = Connection::new(first.at);
/// let (limits, mut text) = (Limits::default(), Text(String::new()));
///
/// let fate = connection.push(Side::A, &first, &limits, &mut text);
/// assert_eq!(fate, Membership::Part(Fate::InOrder));
/// // Three bytes of the stream never come: what follows waits, and is delivered at the end.
/// let header = packet::SegmentHeader { seq: 108, ip_id: 2, ..first.header };
/// let late = packet::Segment { header, ..first };
/// assert_eq!(connection.push(Side::A, &late, &limits, &mut text), Membership::Part(Fate::OutOfOrder));
/// connection.finish(late.at, &mut text);
/// assert_eq!(text.0, "hello<3 bytes missing>hello");
/// ```
pub trait Sink {
    /// The next bytes of the stream that `side` sends.
    fn chunk(&mut self, side: Side, chunk: Chunk<'_>);
    /// `len` bytes from `offset` on are missing from the capture. `at` is when that became known: the other
    /// side had acknowledged them, or a limit was reached.
    fn gap(&mut self, side: Side, offset: u64, len: u64, at: Timestamp);
}

/// Bounds of what reassembly holds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections tracked at once; the longest idle one is evicted first. One takes about 2 KiB, so a SYN
    /// flood fills 32 MiB.
    pub connections: usize,
    /// Out-of-order segments held for one stream.
    pub held_segments: usize,
    /// Bytes of memory for the held segments of all streams and for incomplete records together.
    pub held_bytes: usize,
    /// How long a segment is held where the other side's ACKs are not in the capture.
    pub held_for: Span,
    /// How long after an ACK the acknowledged bytes may still turn up in the capture, as frames captured out
    /// of order do, before they are reported missing.
    pub grace: Span,
    /// Whether what is common takes shorter ways, with the same outcome. Off only where both are compared.
    pub lanes: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            held_segments: 256,
            held_bytes: 16 * 1024 * 1024,
            held_for: Span::from_millis(30_000),
            grace: Span::from_millis(50),
            lanes: true,
        }
    }
}

#[cfg(test)]
mod tests;
