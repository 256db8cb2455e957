//! Segments to ordered bytes: each direction of each TCP connection becomes a stream with gaps.
//!
//! In: segments in capture order. Out, through a [`Sink`]: chunks in stream order, each with the
//! time and the frame it came in, what of it was captured and how long it truly was; and gaps, where
//! a frame is not in the capture at all. Cut bytes are not lost bytes: a chunk of 250 bytes of which
//! 30 were captured is whole.
//!
//! Knows TCP, not ZooKeeper. Holds only future segments (see [`Limits`]), never what was delivered.

mod connection;
mod half;
mod table;

pub use connection::{Closing, Connection, Membership};
pub use half::{StreamHalf, StreamHalfCounts};
pub use table::{FlowKey, Lookup, Slot, Table};

use crate::frame::FrameRef;
use crate::time::{Span, Timestamp};

/// One direction of a connection, named by the connection's side that sends: side `A` is the lower
/// endpoint of the [`FlowKey`].
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
    /// No payload, or none that counts.
    Empty,
    /// It continued the stream.
    InOrder,
    /// It continues the stream, and bytes that were held back follow it.
    FillsGap,
    /// It lies beyond the next expected byte and waits.
    OutOfOrder,
    /// All of it had been seen before: a retransmission.
    Retransmission,
    /// A probe of one byte or none just below the next expected byte.
    KeepAlive,
    /// Its sequence number lies outside any window; it took no part.
    OutOfWindow,
}

/// Takes what reassembly brings forth, in stream order for each side.
pub trait Sink {
    /// The next bytes of the stream that `side` sends.
    fn chunk(&mut self, side: Side, chunk: Chunk<'_>);
    /// `len` bytes from `offset` on lie in frames that the capture lacks; at `at` they had been sent, for all
    /// that is known: the other side acknowledged them, or it became certain that they do not come.
    fn gap(&mut self, side: Side, offset: u64, len: u64, at: Timestamp);
}

/// Bounds of what reassembly holds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections tracked at once; the longest idle is let go first. One is some 2 KiB, so that a
    /// flood of SYNs fills 32 MiB.
    pub connections: usize,
    /// Segments that may wait in one stream for an earlier one.
    pub held_segments: usize,
    /// Bytes of memory that waiting segments of all streams, and records of which more is to come, may take
    /// together.
    pub held_bytes: usize,
    /// How long a segment may wait where the other side's ACKs are not in the capture.
    pub held_for: Span,
    /// How long after the other side has acknowledged bytes they may still turn up in the capture
    /// (frames captured out of order) before they are called missing.
    pub grace: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            held_segments: 256,
            held_bytes: 16 * 1024 * 1024,
            held_for: Span::from_millis(30_000),
            grace: Span::from_millis(50),
        }
    }
}

#[cfg(test)]
mod tests;
