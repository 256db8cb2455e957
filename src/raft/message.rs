//! `raftpb.Message` and `raftpb.Entry` (raft's `raftpb/raft.proto`), as far as they were captured.
//!
//! Fields come in ascending order, scalars always, 0 too (gogo's `MarshalTo`), up to 3.6. They are read by their
//! tags all the same: 3.7 leaves out what is not set.

/// Bytes of a varint at most.
const MAX_VARINT: usize = 10;

/// The type of a message. Those that never leave a member have no name here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageType {
    /// A follower hands a client's write to its leader.
    Prop,
    /// The leader sends entries, or asks where a follower's log ends.
    App,
    /// A follower has them, or refuses.
    AppResp,
    /// A candidate asks for a vote.
    Vote,
    /// Its answer.
    VoteResp,
    /// A database.
    Snap,
    /// The leader lives.
    Heartbeat,
    /// A follower has heard it.
    HeartbeatResp,
    /// The leader hands the lead over: campaign now.
    TimeoutNow,
    /// A follower asks how far a linearizable read must wait.
    ReadIndex,
    /// Its answer.
    ReadIndexResp,
    /// Would you vote for me? (3.4+, by default since 3.5)
    PreVote,
    /// Its answer.
    PreVoteResp,
    /// A number that no release sends.
    Unknown(u8),
}

impl MessageType {
    /// The type of a number on the wire.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            2 => Self::Prop,
            3 => Self::App,
            4 => Self::AppResp,
            5 => Self::Vote,
            6 => Self::VoteResp,
            7 => Self::Snap,
            8 => Self::Heartbeat,
            9 => Self::HeartbeatResp,
            14 => Self::TimeoutNow,
            15 => Self::ReadIndex,
            16 => Self::ReadIndexResp,
            17 => Self::PreVote,
            18 => Self::PreVoteResp,
            other => Self::Unknown(other),
        }
    }

    /// Its name, as raft spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prop => "MsgProp",
            Self::App => "MsgApp",
            Self::AppResp => "MsgAppResp",
            Self::Vote => "MsgVote",
            Self::VoteResp => "MsgVoteResp",
            Self::Snap => "MsgSnap",
            Self::Heartbeat => "MsgHeartbeat",
            Self::HeartbeatResp => "MsgHeartbeatResp",
            Self::TimeoutNow => "MsgTimeoutNow",
            Self::ReadIndex => "MsgReadIndex",
            Self::ReadIndexResp => "MsgReadIndexResp",
            Self::PreVote => "MsgPreVote",
            Self::PreVoteResp => "MsgPreVoteResp",
            Self::Unknown(_) => "UNKNOWN",
        }
    }
}

/// The head of an entry: what stands before its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryHead {
    /// Its bytes, as the length before it says.
    pub size: u64,
    /// 0 normal, 1 and 2 a change of the membership.
    pub kind: Option<u64>,
    /// The term in which it was proposed; 0 in a MsgProp.
    pub term: Option<u64>,
    /// Its index in the log; 0 in a MsgProp.
    pub index: Option<u64>,
    /// Bytes of its data.
    pub data_len: Option<u64>,
}

impl EntryHead {
    /// Reads an entry of `size` bytes from what was captured of it.
    #[must_use]
    pub fn read(size: u64, seen: &[u8]) -> Self {
        let mut entry = Self { size, ..Self::default() };
        for (field, value) in Fields(seen) {
            match (field, value) {
                (1, FieldValue::Number(kind)) => entry.kind = Some(kind),
                (2, FieldValue::Number(term)) => entry.term = Some(term),
                (3, FieldValue::Number(index)) => entry.index = Some(index),
                (4, FieldValue::Bytes(len, _)) => entry.data_len = Some(len),
                _ => {}
            }
        }
        entry
    }
}

/// A message, as far as it was captured: `None` is what the cut hides, or what the message does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Its type; `None` where nothing of it was captured.
    pub kind: Option<MessageType>,
    /// The receiver's member id.
    pub to: Option<u64>,
    /// The sender's member id; 0 together with `to` in a link heartbeat.
    pub from: Option<u64>,
    /// The sender's term.
    pub term: Option<u64>,
    /// The term of the entry at `index`.
    pub log_term: Option<u64>,
    /// Of a MsgApp the entry before those sent, of a MsgAppResp the last one appended.
    pub index: Option<u64>,
    /// Entries seen.
    pub entries: u32,
    /// The first of them.
    pub entry: Option<EntryHead>,
    /// The sender's commit index, as far as the receiver may know it.
    pub commit: Option<u64>,
    /// Whether the sender refuses.
    pub reject: Option<bool>,
    /// Where a refused MsgApp should rather begin.
    pub reject_hint: Option<u64>,
    /// Bytes of the context: 8 while a linearizable read waits; `CampaignTransfer` in a vote.
    pub context_len: Option<u64>,
}

impl Message {
    /// Reads a message from what was captured of it: all fields up to the cut.
    #[must_use]
    pub fn read(seen: &[u8]) -> Self {
        let mut message = Self::default();
        for (field, value) in Fields(seen) {
            match (field, value) {
                (1, FieldValue::Number(kind)) => {
                    let kind = u8::try_from(kind).unwrap_or(u8::MAX);
                    message.kind = Some(MessageType::from_number(kind));
                }
                (2, FieldValue::Number(to)) => message.to = Some(to),
                (3, FieldValue::Number(from)) => message.from = Some(from),
                (4, FieldValue::Number(term)) => message.term = Some(term),
                (5, FieldValue::Number(log_term)) => message.log_term = Some(log_term),
                (6, FieldValue::Number(index)) => message.index = Some(index),
                (7, FieldValue::Bytes(len, seen)) => {
                    message.entries += 1;
                    message.entry.get_or_insert_with(|| EntryHead::read(len, seen));
                }
                (8, FieldValue::Number(commit)) => message.commit = Some(commit),
                (10, FieldValue::Number(reject)) => message.reject = Some(reject != 0),
                (11, FieldValue::Number(hint)) => message.reject_hint = Some(hint),
                (12, FieldValue::Bytes(len, _)) => message.context_len = Some(len),
                _ => {}
            }
        }
        message
    }

    /// Whether it is a link heartbeat of the message stream (`linkHeartbeatMessage`): a MsgHeartbeat from nobody
    /// to nobody, or of 3.7 a bare one of `size` 2.
    #[must_use]
    pub fn is_link_heartbeat(&self, size: u64) -> bool {
        self.kind == Some(MessageType::Heartbeat)
            && (self.to == Some(0) && self.from.is_none_or(|from| from == 0) || size == 2)
    }
}

/// A field's value.
enum FieldValue<'a> {
    Number(u64),
    /// Its length, and what was captured of it.
    Bytes(u64, &'a [u8]),
}

/// The fields of a protobuf message, up to the cut or to the first that is none.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, FieldValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, rest) = varint(self.0)?;
        let (number, rest) = varint(rest)?;
        match key & 7 {
            0 => {
                self.0 = rest;
                Some((key >> 3, FieldValue::Number(number)))
            }
            2 => {
                let end = usize::try_from(number).unwrap_or(usize::MAX).min(rest.len());
                let (seen, after) = rest.split_at_checked(end)?;
                self.0 = after;
                Some((key >> 3, FieldValue::Bytes(number, seen)))
            }
            _ => {
                self.0 = &[];
                None
            }
        }
    }
}

/// A varint, and what follows it; `None` where the cut hides its end, or where it has too many bytes.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value: u64 = 0;
    for (index, byte) in bytes.iter().enumerate().take(MAX_VARINT) {
        value |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(index).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..).unwrap_or_default()));
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// An AppResp of the reference, 102 to 103, term 2, index 290.
    const APP_RESP: &str = "0804109bb1abd88dcfbadc3f18fe938c87c7f4e7abdf012002280030a20240004a0a12080a022800100018005000\
                            5800";

    fn bytes(hex: &str) -> Vec<u8> {
        let hex: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        hex.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn fields_are_told_up_to_the_cut() {
        let all = bytes(APP_RESP);
        let whole = Message::read(&all);
        assert_eq!(whole.kind, Some(MessageType::AppResp));
        assert_eq!((whole.to, whole.from), (Some(0x3fb8_ea78_db0a_d89b), Some(0xdf57_9fa4_70e3_09fe)));
        assert_eq!((whole.term, whole.index, whole.commit), (Some(2), Some(290), Some(0)));
        assert_eq!((whole.reject, whole.reject_hint), (Some(false), Some(0)));
        // 96 bytes of a frame leave 18 of the message: type and receiver.
        let cut = Message::read(&all[..18]);
        assert_eq!((cut.kind, cut.to, cut.from), (whole.kind, whole.to, None));
        for len in 0..all.len() {
            let part = Message::read(&all[..len]);
            assert!(part.term.is_none_or(|term| term == 2), "{len}");
        }
    }

    #[test]
    fn a_link_heartbeat_is_from_nobody() {
        let of_34 = bytes("080810001800200028003000400 04a0a1208 0a022800 10001800 50005800");
        assert!(Message::read(&of_34).is_link_heartbeat(30));
        assert!(Message::read(&of_34[..4]).is_link_heartbeat(30));
        assert!(Message::read(&bytes("0808")).is_link_heartbeat(2));
        assert!(!Message::read(&bytes(APP_RESP)).is_link_heartbeat(48));
    }

    #[test]
    fn what_is_no_message_ends_the_reading() {
        assert_eq!(Message::read(&[0xff; 40]), Message::default());
        assert_eq!(Message::read(&[0x0d, 1, 2]).kind, None);
        let long = Message::read(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]);
        assert_eq!(long.entries, 1, "an entry beyond all bounds, of which a byte was captured");
    }
}
