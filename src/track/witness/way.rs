//! What one host sent to another in a quarter of a second.

use super::SLOT_NANOS;
use crate::packet::Flags;
use crate::time::Timestamp;

/// Which of the rarer kinds of segments came by; a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(pub u16);

impl Kinds {
    /// A SYN that asks for a connection.
    pub const SYN: Self = Self(1);
    /// A SYN that accepts one.
    pub const SYN_ACK: Self = Self(2);
    /// A FIN.
    pub const FIN: Self = Self(4);
    /// A RST on a connection that existed.
    pub const RST: Self = Self(8);
    /// A RST in answer to a SYN: the host lives, and nobody listens.
    pub const REFUSAL: Self = Self(16);
    /// A segment beyond a gap: an earlier one is missing here.
    pub const HOLE: Self = Self(32);
    /// A segment that fills a gap.
    pub const FILLED: Self = Self(64);
    /// An acknowledgment that says which later bytes arrived while earlier ones did not.
    pub const SACK: Self = Self(128);
    /// New bytes on an election connection.
    pub const VOTE: Self = Self(256);
    /// A RST without an acknowledgment on a connection that existed: an answer to a segment of an unknown
    /// connection (RFC 9293, section 3.10.7.1), never what a process that closes sends.
    pub const BARE_RST: Self = Self(512);

    /// Whether any of these is among them.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What one host sent to another in a slot, as one capture shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotWay {
    /// Segments with new bytes: its process wrote them.
    pub fresh: u8,
    /// Segments that acknowledged bytes which had not been acknowledged: its kernel got them.
    pub acked: u8,
    /// Segments with neither: its kernel lives.
    pub bare: u8,
    /// Segments that it retransmitted on links because a timer ran out.
    pub again: u8,
    /// The same on election connections.
    pub again_election: u8,
    /// What else came by.
    pub kinds: Kinds,
    /// When the first new bytes came, in nanoseconds from the slot's start.
    pub(super) first_fresh: u32,
    /// When the last new bytes came.
    pub(super) last_fresh: u32,
    /// When the last frame came.
    pub(super) last: u32,
    /// The longest segment that was new or that filled a gap, in bytes of payload.
    pub longest_fresh: u16,
    /// The shortest segment that was retransmitted.
    pub shortest_again: u16,
}

impl SlotWay {
    /// A gap is filled. What comes sooner than a timer runs out was overtaken on its way, or sent again at once:
    /// nobody waited for it.
    pub(super) const fn fills(&mut self, is_late: bool) {
        if is_late {
            self.kinds.add(Kinds::FILLED);
        } else {
            self.kinds = self.kinds.without(Kinds::HOLE);
        }
    }

    /// Frames of any kind.
    #[must_use]
    pub const fn frames(&self) -> u32 {
        self.fresh as u32
            + self.bare as u32
            + self.again as u32
            + self.again_election as u32
            + self.acked as u32
    }

    /// When the first new bytes came, for a slot of this number.
    #[must_use]
    pub fn first_fresh_at(&self, number: i64) -> Option<Timestamp> {
        (self.fresh > 0).then(|| time_of(number, self.first_fresh))
    }

    /// When the last new bytes came.
    #[must_use]
    pub fn last_fresh_at(&self, number: i64) -> Option<Timestamp> {
        (self.fresh > 0).then(|| time_of(number, self.last_fresh))
    }

    /// When the last frame came.
    #[must_use]
    pub fn last_at(&self, number: i64) -> Timestamp {
        time_of(number, self.last)
    }
}

const fn time_of(number: i64, part: u32) -> Timestamp {
    Timestamp::from_nanos(number.saturating_mul(SLOT_NANOS).saturating_add(part as i64))
}

/// The kinds of a segment by its flags. A RST on a connection that is not known refuses.
pub(super) const fn flags(flags: Flags, is_known: bool) -> Kinds {
    let mut kinds = Kinds(0);
    if flags.intersects(Flags::RST) {
        kinds.add(if is_known { Kinds::RST } else { Kinds::REFUSAL });
        if is_known && !flags.intersects(Flags::ACK) {
            kinds.add(Kinds::BARE_RST);
        }
    } else if flags.intersects(Flags::SYN) {
        kinds.add(if flags.intersects(Flags::ACK) { Kinds::SYN_ACK } else { Kinds::SYN });
    }
    if flags.intersects(Flags::FIN) {
        kinds.add(Kinds::FIN);
    }
    kinds
}
