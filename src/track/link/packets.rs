//! The packets of a link, counted.

use crate::dissect::{PacketSeen, PerDirection};
use crate::track::counts::TypeCounts;

/// Packets by type.
#[derive(Clone, Debug, Default)]
pub struct Packets {
    /// Those that were seen.
    pub seen: PerDirection<TypeCounts>,
    /// Those that were inferred.
    pub inferred: PerDirection<TypeCounts>,
}

impl Packets {
    /// Counts one. Answers whether its type is among those that are told apart.
    #[inline]
    pub(super) fn count(&mut self, packet: &PacketSeen<'_>) -> bool {
        let counts = if packet.inferred { &mut self.inferred } else { &mut self.seen };
        counts.of_mut(packet.direction).add(packet.kind)
    }
}
