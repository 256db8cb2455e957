//! Chunked framing (RFC 9112, section 7.1), as Go's `net/http` writes it.

/// What Go's response buffer holds (`net/http/server.go`, `bufferBeforeChunkingSize`): a flush of no more is one
/// chunk.
pub const FLUSH: u64 = 2048;
/// Digits of the longest size a member writes: its messages have at most 512 MiB (`msg_codec.go`).
const MAX_DIGITS: usize = 8;
/// The line end behind a chunk's size, and behind its data.
const LINE_END: u64 = 2;

/// The line before a chunk's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkHead {
    /// Bytes of data in the chunk; 0 in the last one.
    pub size: u64,
    /// Bytes of the line, its end included.
    pub len: usize,
}

impl ChunkHead {
    /// Bytes of the chunk on the wire: its line, its data, the line end behind.
    #[must_use]
    pub const fn wire_len(&self) -> u64 {
        self.size.saturating_add(self.len as u64).saturating_add(LINE_END)
    }
}

/// Reads a chunk's line: lower-case hex without leading zeros, CR, LF. `None` where that is not what stands there,
/// or the cut hides its end.
///
/// ```
/// use quorumscope::raft::chunk_head;
///
/// let head = chunk_head(b"1a\r\n\0\0").map(|head| (head.size, head.len));
/// assert_eq!(head, Some((26, 4)));
/// assert_eq!(chunk_head(b"1A\r\n"), None);
/// assert_eq!(chunk_head(b"1a"), None);
/// ```
#[must_use]
pub fn head(bytes: &[u8]) -> Option<ChunkHead> {
    let mut size: u64 = 0;
    for (index, byte) in bytes.iter().enumerate().take(MAX_DIGITS + 1) {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'\r' if index > 0 && bytes.get(index + 1) == Some(&b'\n') => {
                let has_leading_zero = index > 1 && bytes.first() == Some(&b'0');
                return (!has_leading_zero).then_some(ChunkHead { size, len: index + 2 });
            }
            _ => return None,
        };
        if index == MAX_DIGITS {
            return None;
        }
        size = size << 4 | u64::from(digit);
    }
    None
}

/// Bytes on the wire of a flush that was written in these pieces: what Go's `bufio.Writer` of [`FLUSH`] bytes makes
/// of them, each chunk with its line and its line end.
///
/// ```
/// use quorumscope::raft::wire_len;
///
/// // A put of 3000 bytes on a message stream: chunks of 0x800 and of the rest.
/// assert_eq!(wire_len([8, 3000].into_iter()), 3008 + (3 + 4) + (3 + 4));
/// ```
#[must_use]
pub fn wire_len(writes: impl Iterator<Item = u64>) -> u64 {
    let mut buffered: u64 = 0;
    let mut total: u64 = 0;
    for mut left in writes {
        while left > FLUSH - buffered {
            if buffered == 0 {
                total = total.saturating_add(framed(left));
                left = 0;
                break;
            }
            left -= FLUSH - buffered;
            total = total.saturating_add(framed(FLUSH));
            buffered = 0;
        }
        buffered += left;
    }
    if buffered > 0 { total.saturating_add(framed(buffered)) } else { total }
}

/// A chunk's bytes on the wire.
const fn framed(size: u64) -> u64 {
    let digits = (u64::BITS - size.leading_zeros()).div_ceil(4) as u64;
    size.saturating_add(digits + 2 * LINE_END)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_size_is_refused() {
        for bytes in [&b"\r\n"[..], b"01\r\n", b"g\r\n", b"123456789\r\n", b"1\r", b"1\n", b""] {
            assert_eq!(head(bytes), None, "{bytes:?}");
        }
        assert_eq!(head(b"0\r\n\r\n"), Some(ChunkHead { size: 0, len: 3 }));
        assert_eq!(ChunkHead { size: u64::MAX, len: 3 }.wire_len(), u64::MAX);
        assert_eq!(head(b"12345678\r\n").map(|head| head.size), Some(0x1234_5678));
    }

    #[test]
    fn a_flush_is_cut_as_gos_buffer_cuts_it() {
        assert_eq!(wire_len([1].into_iter()), 6);
        assert_eq!(wire_len([1, 8, 8, 200, 8].into_iter()), 225 + 6);
        // An entry beyond 4 KiB: a full chunk, one with all the rest, and the commit's 8 bytes.
        let entry = 10_000;
        let rest = entry - (FLUSH - 17);
        assert_eq!(wire_len([1, 8, 8, entry, 8].into_iter()), (FLUSH + 7) + (rest + 8) + (8 + 5));
    }
}
