//! What a healthy ensemble never puts on the wire.

use crate::address::Address;
use crate::frame::FrameRef;
use crate::proto::{PacketType, Sid, Zxid};
use crate::time::Timestamp;

/// Something that a healthy ensemble never puts on the wire.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The link.
    pub link: u32,
    /// When.
    pub at: Timestamp,
    /// The frame.
    pub frame: FrameRef,
    /// What was seen.
    pub breach: Breach,
}

/// A rule that was broken, and how. [`crate::report::wording`] has the sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// A PROPOSAL, COMMIT or ACK that does not follow the one before.
    Numbering {
        /// Its type.
        kind: PacketType,
        /// Its zxid.
        zxid: Zxid,
        /// The zxid of the one before.
        last: Zxid,
    },
    /// A packet whose zxid is not that of the transaction it carries.
    HeaderZxid {
        /// Its type.
        kind: PacketType,
        /// The zxid of its head.
        zxid: Zxid,
        /// The zxid of its transaction.
        carried: Zxid,
    },
    /// Two servers that have one id: both hold a link to the leader, and both speak.
    SidTwice {
        /// The id.
        sid: Sid,
        /// One of them.
        first: Address,
        /// The other one.
        second: Address,
    },
    /// A leader that names an epoch below its learner's.
    EpochBackwards {
        /// The epoch.
        epoch: u32,
    },
}

impl Breach {
    /// The rule's name in the report.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Numbering { kind, zxid, last } => match (kind, zxid.0 > last.0) {
                (PacketType::Ack, true) => "ack_gap",
                (PacketType::Ack, false) => "ack_order",
                (PacketType::Commit | PacketType::CommitAndActivate, true) => "commit_gap",
                (PacketType::Commit | PacketType::CommitAndActivate, false) => "commit_order",
                (_, true) => "proposal_gap",
                (_, false) => "proposal_order",
            },
            Self::HeaderZxid { .. } => "header_zxid",
            Self::SidTwice { .. } => "sid_twice",
            Self::EpochBackwards { .. } => "epoch_backwards",
        }
    }
}
