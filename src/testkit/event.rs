//! Events as the dissector makes them, one by one.

use super::segment::endpoint;
use crate::address::Endpoint;
use crate::dissect::{
    ByteSums, Direction, Event, LinkOpened, LinkTotals, Observer, PacketSeen, PerDirection, Protection,
};
use crate::frame::FrameRef;
use crate::proto::{PacketType, Zxid};
use crate::stream::ConnectionSlot;
use crate::time::{Span, Timestamp};

/// The leader's end of every link.
pub(crate) const LEADER: Endpoint = endpoint(200, 2888);
const START: Timestamp = Timestamp::from_parts(1_795_248_000, 0);

/// A time so many milliseconds after the first.
pub(crate) fn at(millis: u32) -> Timestamp {
    START.plus(Span::from_millis(i64::from(millis)))
}

/// The start of a link of host `learner`, in which the capture began.
pub(crate) fn link_opened(learner: u32, millis: u32) -> LinkOpened {
    LinkOpened {
        leader: LEADER,
        learner: endpoint(learner, 40_000),
        at: at(millis),
        frame: FrameRef { file: 0, number: 0 },
        picked_up: true,
    }
}

/// A link of host `learner`, in the slot of that number.
pub(crate) fn open(to: &mut impl Observer, learner: u32, millis: u32) -> ConnectionSlot {
    let slot = ConnectionSlot(learner);
    to.event(Event::LinkOpened(slot, &link_opened(learner, millis)));
    slot
}

/// The link of a slot is over.
pub(crate) fn close(to: &mut impl Observer, slot: ConnectionSlot) {
    // Some bytes, so that it is no stranger.
    let bytes = ByteSums { decoded: 20, ..ByteSums::default() };
    let totals = LinkTotals {
        epoch: None,
        bytes: PerDirection { to_leader: bytes, to_learner: bytes },
        tcp: PerDirection::default(),
        protection: Protection::None,
        losses: PerDirection::default(),
    };
    to.event(Event::LinkOver(slot, &totals));
}

/// A packet of 20 bytes, with a counter of epoch 1.
pub(crate) fn packet(
    to: &mut impl Observer,
    slot: ConnectionSlot,
    direction: Direction,
    kind: PacketType,
    zxid: u64,
    millis: u32,
) {
    let packet = PacketSeen {
        direction,
        kind,
        zxid: Some(Zxid(0x1_0000_0000 + zxid)),
        data_len: Some(-1),
        size: Some(20),
        at: at(millis),
        last_at: at(millis),
        frame: FrameRef::default(),
        seen: &[],
        cut: 0,
        inferred: false,
        timed: true,
    };
    to.event(Event::Packet(slot, &packet));
}
