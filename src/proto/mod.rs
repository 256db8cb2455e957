//! Codecs for the records of ZooKeeper's quorum and election ports.
//!
//! Nothing here knows TCP, time or capture files. Every decoder borrows from its `&[u8]`. Input is hostile:
//! no decoder panics, allocates, or requests more bytes than its limit. Unknown types and versions are data;
//! only what cannot be framed is an error.
//!
//! | port | first | then |
//! | --- | --- | --- |
//! | quorum | [`auth`] where SASL or TLS is on | [`quorum::Packet`]s; after SNAP a stream whose end [`snapshot`] finds |
//! | election | [`election::Hello`] from the dialer, [`auth`] | [`election::Notification`]s |
//!
//! ```
//! use quorumscope::proto::quorum::{Head, Packet};
//! use quorumscope::proto::{Decoded, PacketType, Zxid, jute};
//!
//! // A leader's PING: type 5, zxid 0x100000002, null data (-1), null authinfo (-1).
//! let bytes = [0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 255, 255, 255, 255, 255, 255, 255, 255];
//! let Decoded::Record { value, used } = Packet::decode(&bytes, jute::DEFAULT_MAX_BUFFER) else { panic!() };
//! assert_eq!((value.head.kind, value.head.zxid, used), (PacketType::Ping, Zxid::new(1, 2), 20));
//!
//! // A capture cut in mid-packet still shows the head, and so where the packet ends.
//! assert_eq!(Packet::decode(&bytes[..16], 4096), Decoded::NeedMore { at_least: 20 });
//! assert_eq!(Head::decode(&bytes[..16]).map(|head| head.size_without_authinfo()), Some(20));
//! ```

pub mod auth;
pub mod body;
pub mod config;
pub mod election;
mod error;
pub mod id;
pub mod jute;
mod learner;
mod op;
pub mod quorum;
pub mod request;
pub mod snapshot;
pub mod txn;
mod wire_enum;

pub use error::{DecodeError, DecodeErrorKind, Decoded};
pub use id::{PacketType, ServerState, SessionId, Sid, Zxid};
pub use learner::LearnerInfo;
pub use op::OpCode;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by panicking"
)]
mod examples;
