//! The rest of a frame behind the headers that were passed.

use super::IgnoreReason;
use crate::frame::Frame;
use pnet_packet::ethernet::EtherTypes;

/// Ethernet types of what lies inside a frame, a tunnel or a tag alike.
pub(super) const IPV4: u16 = EtherTypes::Ipv4.0;
pub(super) const IPV6: u16 = EtherTypes::Ipv6.0;
pub(super) const MPLS: u16 = EtherTypes::Mpls.0;

/// What the next bytes of a frame are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextHeader {
    /// An Ethernet header.
    Ethernet,
    /// What this Ethernet type says.
    Typed(u16),
    /// An LLC header (IEEE 802.2).
    Llc,
    /// A PPP header (RFC 1661), with or without HDLC's address and control bytes.
    Ppp,
    /// An IP header, of the version that it says.
    Ip,
}

/// Bytes not passed yet: what was captured of them, and how many there were on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest<'a> {
    pub(super) data: &'a [u8],
    pub(super) wire_len: usize,
    /// How many bytes of the frame lie before them.
    pub(super) used: usize,
}

impl<'a> Rest<'a> {
    pub(super) fn of(frame: &Frame<'a>) -> Self {
        let wire_len = (frame.orig_len as usize).max(frame.data.len());
        Self { data: frame.data, wire_len, used: 0 }
    }

    /// Passes over a header of `len` bytes.
    #[inline]
    pub(super) fn skip(&mut self, len: usize) -> Result<(), IgnoreReason> {
        self.data = self.data.get(len..).ok_or(IgnoreReason::CutHeader)?;
        self.wire_len = self.wire_len.saturating_sub(len);
        self.used += len;
        Ok(())
    }

    /// What lies beyond so many bytes belongs to no inner header: padding.
    pub(super) fn limit(&mut self, len: usize) {
        self.wire_len = self.wire_len.min(len);
        self.data = self.data.get(..len).unwrap_or(self.data);
    }

    /// A number in network order at `at`.
    #[inline]
    pub(super) fn be16(&self, at: usize) -> Result<u16, IgnoreReason> {
        super::be16(self.data, at).ok_or(IgnoreReason::CutHeader)
    }

    /// The first bytes.
    #[inline]
    pub(super) fn first_chunk<const N: usize>(&self) -> Result<[u8; N], IgnoreReason> {
        self.data.first_chunk().copied().ok_or(IgnoreReason::CutHeader)
    }
}
