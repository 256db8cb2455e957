//! The records of ZooKeeper's quorum and election ports: bytes to records and back.
//!
//! Nothing here knows TCP, time or capture files; every decoder works on `&[u8]`.

pub mod id;

pub use id::{PacketType, ServerState, SessionId, Sid, Zxid};
