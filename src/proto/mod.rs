//! The records of ZooKeeper's quorum and election ports: bytes to records and back.
//!
//! Nothing here knows TCP, time or capture files; every decoder works on `&[u8]` and keeps pointing into
//! it. What comes off the wire may be anything: no decoder panics, allocates, or asks for more bytes
//! than its limit. Types and versions that no release knows are data; only what cannot be framed is an error.
//!
//! | port | first | then |
//! | --- | --- | --- |
//! | quorum | [`auth`] where SASL or TLS is on | [`quorum::Packet`]s; after SNAP a stream whose end [`snapshot`] finds |
//! | election | [`election::Hello`] from the dialer, [`auth`] | [`election::Notification`]s |

pub mod auth;
mod body;
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
