//! The same connection on both sides of an address translation.
//!
//! A node that translates a service's address (Kubernetes' ClusterIP, Swarm's VIP, a load balancer) shows each of
//! its frames twice: once with the service's address, once with the server's. Such connections begin with the same
//! segment, one right behind the other, so the first segment of a connection waits for the next frame. Of the two
//! the one with the server's own address is the link, and the other one's frames are copies.

use crate::address::Endpoint;
use crate::packet::{Segment, SegmentHeader};
use crate::stream::{ConnectionSlot, Side};
use crate::time::Span;

/// How far apart the two frames of a translation may be.
const TOGETHER: Span = Span::from_millis(2);

/// The first segment of a connection, until the next frame has come.
#[derive(Clone, Debug)]
pub(super) struct First {
    pub(super) slot: ConnectionSlot,
    pub(super) side: Side,
    src: Endpoint,
    dst: Endpoint,
    header: SegmentHeader,
    payload: Box<[u8]>,
}

impl First {
    /// A segment that may have a twin: one that nothing else looks like.
    pub(super) fn of(slot: ConnectionSlot, side: Side, segment: &Segment<'_>) -> Option<Self> {
        let is_unique = segment.timestamps.is_some() || segment.ip_id != 0;
        is_unique.then(|| Self {
            slot,
            side,
            src: segment.src,
            dst: segment.dst,
            header: segment.header,
            payload: segment.payload.into(),
        })
    }

    pub(super) fn segment(&self) -> Segment<'_> {
        Segment { src: self.src, dst: self.dst, header: self.header, payload: &self.payload }
    }

    /// Whether a segment is the same one with another address.
    pub(super) fn is_twin(&self, segment: &Segment<'_>) -> bool {
        let same = |header: &SegmentHeader| {
            let SegmentHeader { seq, ack, len, timestamps, window, ip_id, flags, .. } = *header;
            (seq, ack, len, timestamps, window, ip_id, flags)
        };
        let is_translated = (self.src == segment.src) != (self.dst == segment.dst);
        is_translated
            && same(&self.header) == same(&segment.header)
            && segment.at.since(self.header.at) <= TOGETHER
            && self.header.at.since(segment.at) <= TOGETHER
    }

    /// Whether the later of two has the server's own address: on the way to the server it is translated last, on the
    /// way back first.
    pub(super) fn is_later_real(&self, is_listened: impl Fn(u16) -> bool) -> bool {
        is_listened(self.dst.port) && !is_listened(self.src.port)
    }
}
