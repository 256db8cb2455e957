//! The two codecs of a stream: messages with a length before each, and msgappv2.

use super::message::{EntryHead, Message, MessageType};

/// Bytes of a length or a count.
const LENGTH: usize = 8;
/// A message has at most 512 MiB (`msg_codec.go`, `readBytesLimit`).
const MAX_MESSAGE: u64 = 512 << 20;
/// Entries of one AppEntries: raft sends at most 1 MiB at a time, and an entry has 6 bytes at least.
const MAX_ENTRIES: u64 = 1 << 18;
/// msgappv2: the first byte of a link heartbeat.
const LINK_HEARTBEAT: u8 = 0;
/// The first byte of entries that continue the last message.
const APP_ENTRIES: u8 = 1;
/// The first byte of a whole MsgApp.
const APP: u8 = 2;

/// In which way a stream holds messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// `msgapp` (msgappv2): MsgApps, shortened where they continue the one before.
    Append,
    /// `message`: everything else, a length before each.
    Message,
}

/// What is known of a record of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The stream lives: every 5/3 s, whatever else passes.
    LinkHeartbeat,
    /// MsgApp in msgappv2's short form: entries that continue those sent before.
    AppEntries {
        /// How many; 0 tells the commit index alone.
        count: u64,
        /// The first of them.
        first: Option<EntryHead>,
        /// The commit index, where it was captured.
        commit: Option<u64>,
    },
    /// A message.
    Message(Message),
}

/// A record at the front of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedRecord {
    /// What it is.
    pub known: Known,
    /// Its bytes in the stream's chunks; `None` where lengths inside it lie in the cut.
    pub size: Option<u64>,
    /// The sizes of the `Write` calls that made it (see [`super::wire_len`]), up to four.
    pub writes: [u64; 5],
}

/// Reads the record that begins with `seen`, of which more may lie in the cut. `None` where the cut hides what it is,
/// or no member sends such bytes.
#[must_use]
pub fn parse(codec: Codec, seen: &[u8]) -> Option<ParsedRecord> {
    match codec {
        Codec::Message => message(seen, 0),
        Codec::Append => match *seen.first()? {
            LINK_HEARTBEAT => {
                Some(ParsedRecord { known: Known::LinkHeartbeat, size: Some(1), writes: [1, 0, 0, 0, 0] })
            }
            APP_ENTRIES => entries(seen.get(1..)?),
            APP => {
                let parsed = message(seen.get(1..)?, 1)?;
                let is_app = |message: &Message| message.kind.is_none_or(|kind| kind == MessageType::App);
                matches!(&parsed.known, Known::Message(message) if is_app(message)).then_some(parsed)
            }
            _ => None,
        },
    }
}

/// A length and a message; `before` bytes stood before it.
fn message(seen: &[u8], before: u64) -> Option<ParsedRecord> {
    let (size, rest) = number(seen)?;
    if size > MAX_MESSAGE || rest.first().is_some_and(|key| *key != 8) {
        return None;
    }
    let end = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
    let message = Message::read(rest.get(..end)?);
    if matches!(message.kind, Some(MessageType::Unknown(_))) {
        return None;
    }
    let known = if message.is_link_heartbeat(size) { Known::LinkHeartbeat } else { Known::Message(message) };
    let total = before + LENGTH as u64 + size;
    let writes =
        if before > 0 { [before, LENGTH as u64, size, 0, 0] } else { [LENGTH as u64, size, 0, 0, 0] };
    Some(ParsedRecord { known, size: Some(total), writes })
}

/// AppEntries behind its first byte: a count, each entry with its size, the commit index.
fn entries(seen: &[u8]) -> Option<ParsedRecord> {
    let (count, mut rest) = number(seen)?;
    if count > MAX_ENTRIES {
        return None;
    }
    let (mut first, mut size) = (None, Some(1 + LENGTH as u64));
    let mut writes = [1, LENGTH as u64, LENGTH as u64, 0, 0];
    for index in 0..count {
        let Some((len, after)) = number(rest) else {
            size = None;
            break;
        };
        if len > MAX_MESSAGE {
            return None;
        }
        let end = usize::try_from(len).unwrap_or(usize::MAX).min(after.len());
        let (entry, behind) = after.split_at_checked(end)?;
        first.get_or_insert_with(|| EntryHead::read(len, entry));
        size = size.map(|size: u64| size.saturating_add(LENGTH as u64 + len));
        if index == 0 {
            writes = [1, LENGTH as u64, LENGTH as u64, len, LENGTH as u64];
        }
        rest = behind;
        if (entry.len() as u64) < len && index + 1 < count {
            size = None;
            break;
        }
    }
    let is_whole = size.is_some();
    let commit = if is_whole { number(rest).map(|(commit, _)| commit) } else { None };
    let size = size.map(|size| size.saturating_add(LENGTH as u64));
    Some(ParsedRecord { known: Known::AppEntries { count, first, commit }, size, writes })
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first_chunk::<LENGTH>()?;
    Some((u64::from_be_bytes(*first), rest))
}

/// Which codec wrote the data of a chunk of `size` bytes that begins with `seen`: where a capture begins inside a
/// stream, and behind bytes that it lacks. `None` where that cannot be a record's beginning, or shows too little.
///
/// ```
/// use quorumscope::raft::{Codec, starts_message};
///
/// let heartbeat = [0, 0, 0, 0, 0, 0, 0, 47, 8, 8, 0x10, 0xa1];
/// assert_eq!(starts_message(55, &heartbeat), Some(Codec::Message));
/// assert_eq!(starts_message(1, &[0, 13, 10]), Some(Codec::Append));
/// assert_eq!(starts_message(55, b"HTTP/1.1 200"), None);
/// ```
#[must_use]
pub fn starts_message(size: u64, seen: &[u8]) -> Option<Codec> {
    if size == 1 {
        return (seen.first() == Some(&LINK_HEARTBEAT)).then_some(Codec::Append);
    }
    let (first, rest) = seen.split_first()?;
    let fits =
        |len: u64, before: u64| size >= super::FLUSH || len.saturating_add(before + LENGTH as u64) <= size;
    match *first {
        0 => {
            let (len, message) = number(seen)?;
            let [key, kind, to, ..] = *message else { return None };
            let is_type = !matches!(MessageType::from_number(kind), MessageType::Unknown(_));
            let is_one = key == 8 && is_type && (to == 0x10 || len == 2);
            (is_one && len <= MAX_MESSAGE && fits(len, 0)).then_some(Codec::Message)
        }
        APP_ENTRIES => {
            let (count, _) = number(rest)?;
            (count <= MAX_ENTRIES && size > 2 * LENGTH as u64).then_some(Codec::Append)
        }
        APP => {
            let (len, message) = number(rest)?;
            (len <= MAX_MESSAGE && message.starts_with(&[8, 3, 0x10]) && fits(len, 1))
                .then_some(Codec::Append)
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// AppEntries of one entry of 200 bytes, term 2, index 291, and the commit index 290.
    fn append() -> Vec<u8> {
        let mut bytes = vec![1];
        bytes.extend(1_u64.to_be_bytes());
        bytes.extend(200_u64.to_be_bytes());
        bytes.extend([8, 0, 0x10, 2, 0x18, 0xa3, 2, 0x22, 0xbe, 1]);
        bytes.resize(bytes.len() + 190, 7);
        bytes.extend(290_u64.to_be_bytes());
        bytes
    }

    #[test]
    fn entries_are_told_from_thirty_bytes() {
        let bytes = append();
        let parsed = parse(Codec::Append, &bytes[..26]).unwrap();
        assert_eq!(parsed.size, Some(225));
        let Known::AppEntries { count: 1, first: Some(first), commit: None } = parsed.known else {
            panic!("{parsed:?}")
        };
        assert_eq!((first.size, first.term, first.index), (200, Some(2), Some(291)));
        let whole = parse(Codec::Append, &bytes).unwrap();
        assert!(matches!(whole.known, Known::AppEntries { commit: Some(290), .. }), "{whole:?}");
    }

    #[test]
    fn a_size_in_the_cut_leaves_the_length_open() {
        let mut bytes = append();
        bytes[8] = 2;
        let parsed = parse(Codec::Append, &bytes[..26]).unwrap();
        assert_eq!(parsed.size, None);
    }

    #[test]
    fn other_bytes_are_no_record() {
        assert_eq!(parse(Codec::Append, &[3, 0, 0]), None);
        assert_eq!(parse(Codec::Message, &[0xff; 20]), None);
        assert_eq!(parse(Codec::Message, &[0, 0, 0, 0, 0, 0, 0, 4, 9, 9, 9, 9]), None);
        assert_eq!(parse(Codec::Message, &[]), None);
        assert_eq!(starts_message(17, &[1, 0, 0, 0, 0, 0, 0, 0, 0]), Some(Codec::Append));
        assert_eq!(starts_message(300, &[0, 0, 0, 0, 0, 0, 0, 47, 8, 1, 0x10]), None, "a local type");
    }
}
