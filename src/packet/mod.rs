//! Frames to TCP segments: link layer, tunnels, IP, TCP.
//!
//! Lenient about what a snaplen cut away, strict about everything else: a frame that is not used has an
//! [`IgnoreReason`], and the report shows the count of each. This is the hot path: nothing here allocates,
//! formats or panics, and each header is length-checked once, as an array.

mod fast_path;
mod ip;
mod link;
mod reason;
mod rest;
mod tcp;
mod tunnel;

pub use reason::IgnoreReason;
pub use tunnel::{Tunnel, Tunnels};

use crate::address::Endpoint;
use crate::frame::{Frame, FrameRef};
use crate::time::Timestamp;
use rest::{NextHeader, Rest};
use std::ops::Deref;
use tunnel::Opened;

/// TCP's flag bits (RFC 9293, section 3.1).
///
/// ```
/// use quorumscope::packet::Flags;
///
/// let syn_ack = Flags(Flags::SYN | Flags::ACK);
/// assert!(syn_ack.contains(Flags::SYN | Flags::ACK) && !syn_ack.contains(Flags::SYN | Flags::FIN));
/// assert!(syn_ack.intersects(Flags::SYN | Flags::FIN));
/// ```
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

    /// Whether all of `bits` are set.
    #[must_use]
    pub const fn contains(self, bits: u8) -> bool {
        self.0 & bits == bits
    }

    /// Whether any of `bits` is set.
    #[must_use]
    pub const fn intersects(self, bits: u8) -> bool {
        self.0 & bits != 0
    }
}

/// The TCP segment of a frame, with the captured part of its payload. It dereferences to its header, so that
/// a header's field reads as its own: `segment.seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The sender.
    pub src: Endpoint,
    /// The receiver.
    pub dst: Endpoint,
    /// The other fields.
    pub header: SegmentHeader,
    /// The captured payload bytes, at most `header.len` of them.
    pub payload: &'a [u8],
}

/// The fields of a segment except its endpoints and payload: `Copy`, so cheap to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Time of the frame.
    pub at: Timestamp,
    /// The frame.
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
    /// Whether the segment reports a gap by a SACK block (RFC 2018): not that something came twice (RFC 2883).
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
/// ```
/// use quorumscope::frame::{Frame, FrameRef, LinkType};
/// use quorumscope::packet::{self, Flags, IgnoreReason};
/// use quorumscope::time::Timestamp;
///
/// // Ethernet, IPv4 10.0.0.1 to 10.0.0.2, TCP 40000 to 2888, ACK, sequence number 100, payload `hello`.
/// let mut bytes = vec![0; 12];
/// bytes.extend([8, 0, 0x45, 0, 0, 45, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
/// bytes.extend([0x9c, 0x40, 0x0b, 0x48, 0, 0, 0, 100, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
/// bytes.extend(b"hello");
/// let (at, id) = (Timestamp::default(), FrameRef { file: 0, number: 1 });
/// let whole = Frame { at, link: LinkType::Ethernet, orig_len: 59, data: &bytes, id };
/// let segment = packet::segment(&whole).expect("a TCP segment");
/// assert_eq!((segment.src.port, segment.seq, segment.payload), (40_000, 100, &b"hello"[..]));
/// assert!(segment.flags.contains(Flags::ACK) && !segment.flags.intersects(Flags::SYN | Flags::RST));
///
/// // A capture that kept 56 bytes shows less of the payload, and its true length all the same.
/// let cut = packet::segment(&Frame { data: &bytes[..56], ..whole }).expect("a TCP segment");
/// assert_eq!((cut.payload, cut.len), (&b"he"[..], 5));
/// assert_eq!(packet::segment(&Frame { data: &bytes[..40], ..whole }).err(), Some(IgnoreReason::CutHeader));
/// ```
///
/// The payload's length on the wire comes from the IP header. Where that is 0, as in a capture taken before
/// segmentation offload, it comes from the frame's original length.
///
/// # Errors
/// The reason why the frame holds no usable segment.
#[inline]
pub fn segment<'a>(frame: &Frame<'a>) -> Result<Segment<'a>, IgnoreReason> {
    segment_counting(frame, &mut Tunnels::default())
}

/// The segment of a frame of the commonest shape: Ethernet, IPv4 without options, TCP with timestamps alone. `None` for
/// any other frame, which [`segment_counting`] looks at.
#[inline(always)]
pub(crate) fn common<'a>(frame: &Frame<'a>) -> Option<Segment<'a>> {
    fast_path::segment(frame)
}

/// The same as [`segment`], and counts the tunnels that the frame came through.
///
/// # Errors
/// Why the frame holds no segment that could be used.
#[inline]
pub fn segment_counting<'a>(frame: &Frame<'a>, tunnels: &mut Tunnels) -> Result<Segment<'a>, IgnoreReason> {
    match fast_path::segment(frame) {
        Some(segment) => Ok(segment),
        None => any(frame, tunnels),
    }
}

/// The segment of a frame of any shape.
#[cold]
fn any<'a>(frame: &Frame<'a>, tunnels: &mut Tunnels) -> Result<Segment<'a>, IgnoreReason> {
    let mut opened = Opened::default();
    let found = opened_segment(frame, &mut opened);
    let seen = found.as_ref().map(|segment| (segment.payload.len(), segment.len));
    tunnels.note(&opened, frame.data.len(), seen.map_err(|reason| *reason));
    found
}

fn opened_segment<'a>(frame: &Frame<'a>, opened: &mut Opened) -> Result<Segment<'a>, IgnoreReason> {
    let ip = innermost(frame, opened)?;
    let tcp = tcp::header(ip.rest.data, ip.rest.wire_len)?;
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

/// The IP packet that carries TCP, past every header around it. Ends, since every step but the choice of the next
/// one passes a byte at least.
fn innermost<'a>(frame: &Frame<'a>, opened: &mut Opened) -> Result<ip::IpPacket<'a>, IgnoreReason> {
    let mut rest = Rest::of(frame);
    let mut next = link::first(frame.link, &mut rest)?;
    loop {
        next = match next {
            NextHeader::Ethernet => link::ethernet(&mut rest)?,
            NextHeader::Typed(kind) => link::typed(kind, &mut rest, opened)?,
            NextHeader::Llc => link::llc(&mut rest)?,
            NextHeader::Ppp => link::ppp(&mut rest)?,
            NextHeader::Ip => {
                opened.ip(&rest);
                let mut packet = ip::packet(&rest)?;
                if packet.is_tcp() {
                    return Ok(packet);
                }
                let next = ip::tunnel(&mut packet, opened)?;
                rest = packet.rest;
                next
            }
        };
    }
}

/// A 16-bit number in network order at `at`, where the bytes reach that far.
#[inline]
fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
}

#[cfg(test)]
mod tests;
