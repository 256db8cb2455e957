//! What one host's captures say of a trouble: a root, whom it blames, and how far that reaches.

use super::scene::Stretch;
use crate::address::Address;
use crate::findings::Cause;
use crate::findings::incident::PeerReason;
use crate::frame::FrameRef;
use crate::time::Timestamp;

/// Whom a candidate blames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// A member's own process, disk or host.
    Member(Address),
    /// The path between two members.
    Path(Address, Address),
    /// The path from the first to the second.
    OneWay(Address, Address),
    /// Nobody.
    Nobody,
}

impl Blame {
    pub(super) fn names(&self, member: Address) -> bool {
        match *self {
            Self::Member(one) => one == member,
            Self::Path(a, b) | Self::OneWay(a, b) => a == member || b == member,
            Self::Nobody => false,
        }
    }

    /// Both ends of a path, the lower one first.
    pub(super) fn pair(&self) -> Option<(Address, Address)> {
        match *self {
            Self::Path(a, b) | Self::OneWay(a, b) => Some((a.min(b), a.max(b))),
            Self::Member(_) | Self::Nobody => None,
        }
    }
}

/// One account of a trouble.
#[derive(Clone, Debug)]
pub(super) struct RaftCandidate {
    pub(super) root: Cause,
    pub(super) blame: Blame,
    pub(super) stretch: Stretch,
    /// Whether frames refute the other causes; else it is the best of several readings.
    pub(super) is_proven: bool,
    pub(super) reason: PeerReason,
    /// Who went without a word of the other.
    pub(super) members: Vec<Address>,
    /// Frames that show it.
    pub(super) frames: Vec<(FrameRef, Timestamp)>,
}
