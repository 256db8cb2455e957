//! Builds segments without frames.

use crate::address::{Address, Endpoint};
use crate::frame::FrameRef;
use crate::packet::{Flags, Segment, SegmentHeader};
use crate::time::Timestamp;

/// Port `port` of host 10.0.0.`host`.
pub(crate) const fn endpoint(host: u32, port: u16) -> Endpoint {
    Endpoint { address: Address::v4(0x0a00_0000 | host), port }
}

/// A segment with ACK set and its payload captured completely. `number` makes its frame distinct.
pub(crate) fn segment(src: Endpoint, dst: Endpoint, number: u32, seq: u32, payload: &[u8]) -> Segment<'_> {
    Segment {
        src,
        dst,
        header: SegmentHeader {
            at: Timestamp::from_nanos(0),
            frame: FrameRef { file: 0, number },
            seq,
            ack: 0,
            len: u32::try_from(payload.len()).unwrap(),
            timestamps: Some((number, 0)),
            window: 500,
            ip_id: 0,
            checksum: 0,
            window_scale: None,
            ttl: 64,
            flags: Flags(Flags::ACK),
            sack: false,
        },
        payload,
    }
}
