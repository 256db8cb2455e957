//! Frames to TCP segments: link layer, IP, TCP.
//!
//! Lax about what a snaplen cut away, strict about everything else: a frame that takes no part has
//! an [`IgnoreReason`], and every count is shown. This is the path of every frame: nothing here
//! allocates, formats or panics, and each header is length-checked once, as an array.

mod fast_path;
mod ip;
mod link;
mod reason;
mod tcp;

pub use reason::IgnoreReason;

use crate::address::Endpoint;
use crate::frame::{Frame, FrameRef};
use crate::time::Timestamp;
use std::ops::Deref;

/// TCP's flag bits (RFC 9293, section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// FIN.
    pub const FIN: u8 = 0x01;
    /// SYN.
    pub const SYN: u8 = 0x02;
    /// RST.
    pub const RST: u8 = 0x04;
    /// PSH.
    pub const PSH: u8 = 0x08;
    /// ACK.
    pub const ACK: u8 = 0x10;

    /// Whether any of `bits` is set.
    #[must_use]
    pub const fn has(self, bits: u8) -> bool {
        self.0 & bits != 0
    }
}

/// One TCP segment of one frame, what was captured of its payload included. Its header's fields are read
/// as its own: `segment.seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Who sent it.
    pub src: Endpoint,
    /// To whom.
    pub dst: Endpoint,
    /// All else that is not payload.
    pub header: SegmentHeader,
    /// The captured payload bytes, at most `header.len` of them.
    pub payload: &'a [u8],
}

/// A segment without its endpoints and its payload: what can be kept of it for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// When the capture saw the frame.
    pub at: Timestamp,
    /// Which frame it is.
    pub frame: FrameRef,
    /// Sequence number of the first payload byte (of the SYN, where that is set).
    pub seq: u32,
    /// Acknowledgment number; meaningful with [`Flags::ACK`].
    pub ack: u32,
    /// Payload bytes on the wire.
    pub len: u32,
    /// TCP timestamps option: value and echo reply (RFC 7323), where captured.
    pub timestamps: Option<(u32, u32)>,
    /// The window field, unscaled; 0 where the header was cut.
    pub window: u16,
    /// IPv4 identification; 0 for IPv6.
    pub ip_id: u16,
    /// The TCP checksum field; 0 where the header was cut.
    pub checksum: u16,
    /// Window scale option of a SYN, where captured.
    pub window_scale: Option<u8>,
    /// IPv4 time to live, IPv6 hop limit.
    pub ttl: u8,
    /// The flags.
    pub flags: Flags,
    /// Whether the segment carries a SACK block (RFC 2018).
    pub sack: bool,
}

impl Deref for Segment<'_> {
    type Target = SegmentHeader;

    #[inline(always)]
    fn deref(&self) -> &SegmentHeader {
        &self.header
    }
}

/// Finds the TCP segment in a frame.
///
/// The payload's length on the wire comes from the IP header; where that says 0, as in the super
/// segments that a sending host's capture holds, from the frame's original length.
///
/// # Errors
/// Why the frame holds no segment that could be used.
#[inline]
pub fn segment<'a>(frame: &Frame<'a>) -> Result<Segment<'a>, IgnoreReason> {
    fast_path::segment(frame, || any(frame))
}

/// The segment of a frame of any shape.
#[cold]
fn any<'a>(frame: &Frame<'a>) -> Result<Segment<'a>, IgnoreReason> {
    let network = link::network(frame.link, frame.data)?;
    let link_len = frame.data.len().saturating_sub(network.len());
    let wire_len = (frame.orig_len as usize).max(frame.data.len()).saturating_sub(link_len);
    let ip = ip::transport(network, wire_len)?;
    let tcp = tcp::header(ip.data, ip.wire_len)?;
    Ok(Segment {
        src: Endpoint { address: ip.src, port: tcp.src_port },
        dst: Endpoint { address: ip.dst, port: tcp.dst_port },
        header: SegmentHeader {
            at: frame.at,
            frame: frame.id,
            seq: tcp.seq,
            ack: tcp.ack,
            len: tcp.payload_len,
            timestamps: tcp.options.timestamps,
            window: tcp.window,
            ip_id: ip.id,
            checksum: tcp.checksum,
            window_scale: tcp.options.window_scale,
            ttl: ip.ttl,
            flags: tcp.flags,
            sack: tcp.options.sack,
        },
        payload: tcp.payload,
    })
}

/// A 16-bit number in network order at `at`, where the bytes reach that far.
#[inline]
fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
}

#[cfg(test)]
mod tests;
