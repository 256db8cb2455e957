//! etcd's peer protocol: bytes to raft's records; knows nothing of connections.
//!
//! Members speak HTTP/1.1 on the peer port. A member dials two streams to each other one and listens on them:
//! the acceptor answers with chunks for ever, and in the chunks stand raft's messages, in one of two codecs
//! (etcd's `rafthttp`: `msgappv2_codec.go`, `msg_codec.go`). What is decoded here is a prefix: a capture may have
//! cut a record anywhere, and whatever lies before the cut is told.

mod chunk;
mod codec;
mod head;
mod message;

pub use chunk::{ChunkHead, FLUSH, head as chunk_head, wire_len};
pub use codec::{Codec, Known, ParsedRecord, parse, starts_message};
pub use head::{AnswerHead, PeerRequest};
pub use message::{EntryHead, Message, MessageType};
