//! The shortest way through: a segment that is one small packet, as half of all are.

use super::{Framer, FramerMode};
use crate::dissect::event::{Direction, Observer, PacketSeen};
use crate::dissect::link::{LinkContext, LinkState};
use crate::proto::{PacketType, Zxid};
use crate::stream::Chunk;

impl Framer {
    /// A segment that is one ACK to the leader, or one COMMIT to a learner, between packets: with the same outcome as
    /// [`Self::begin`]. False where it is anything else, and nothing was done.
    #[inline(always)]
    pub(super) fn short<O: Observer>(
        &mut self,
        direction: Direction,
        chunk: &Chunk<'_>,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) -> bool {
        const LEN: u32 = 20;
        let is_between = self.has_begun
            && self.open.is_none()
            && self.blind.is_none()
            && matches!(self.mode, FramerMode::Packets);
        let Some(bytes) = chunk.seen.first_chunk::<{ LEN as usize }>() else { return false };
        if !is_between || chunk.len != LEN {
            return false;
        }
        let [k0, k1, k2, k3, z0, z1, z2, z3, z4, z5, z6, z7, no_data @ ..] = *bytes;
        let zxid = Zxid(u64::from_be_bytes([z0, z1, z2, z3, z4, z5, z6, z7]));
        // No data and no authinfo; a zxid is never negative.
        if no_data != [0xff; 8] || zxid.0.cast_signed() < 0 {
            return false;
        }
        let packet = |direction, kind| PacketSeen {
            direction,
            kind,
            zxid: Some(zxid),
            data_len: Some(-1),
            size: Some(u64::from(LEN)),
            at: chunk.at,
            last_at: chunk.at,
            frame: chunk.frame,
            seen: bytes,
            cut: 0,
            inferred: false,
            timed: true,
        };
        // Each has code of its own, all the way.
        match (u32::from_be_bytes([k0, k1, k2, k3]), direction) {
            (3, Direction::ToLeader) => link.packet(&packet(Direction::ToLeader, PacketType::Ack), out),
            (4, Direction::ToLearner) if zxid.counter() != 0 => {
                link.packet(&packet(Direction::ToLearner, PacketType::Commit), out);
            }
            _ => return false,
        }
        self.sums.decoded += u64::from(LEN);
        true
    }
}
