//! Finds the end of a snapshot on the wire.
//!
//! After a SNAP packet the leader sends its whole tree without a length, then the next packet. The snapshot
//! ends with the path `"/"`, which no node has, and the signature `BenWasHere`.
//!
//! | part | layout |
//! | --- | --- |
//! | sessions | int n, then n times: long session, int timeout |
//! | access control lists | int m, then m times: long key, vector of [`super::jute::Acl`] |
//! | znodes | string path, buffer data, long key of its list, 60 bytes of stat; the root's path is empty |
//! | end | string `/` |
//! | signature | string `BenWasHere` |
//!
//! The snapshot is skipped, not decoded. A znode's data could contain the same 19 bytes, so the caller has to
//! check that a packet follows.
//!
//! Source: `apache/zookeeper: zookeeper-server/.../server/util/SerializeUtils.java`, `DataTree.java`,
//! and `quorum/LearnerHandler.java` for the signature.

/// The last 19 bytes of every snapshot.
pub const END: [u8; 19] = *b"\x00\x00\x00\x01/\x00\x00\x00\x0aBenWasHere";

/// Failure function of [`END`] (Knuth, Morris and Pratt): for each number of matched bytes, how many still
/// match if the next one differs.
const FALLBACK: [usize; 19] = fallback();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse")]
const fn fallback() -> [usize; 19] {
    let mut table = [0; 19];
    let mut matched = 0;
    let mut at = 1;
    while at < END.len() - 1 {
        while matched > 0 && END[at] != END[matched] {
            matched = table[matched];
        }
        if END[at] == END[matched] {
            matched += 1;
        }
        at += 1;
        table[at] = matched;
    }
    table
}

/// Finds the end of a snapshot that arrives in pieces of any size. Buffers nothing; the time is linear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndFinder {
    matched: usize,
    passed: u64,
    hidden: u64,
}

impl EndFinder {
    /// A finder that starts at the first byte after the SNAP packet.
    #[must_use]
    pub const fn new() -> Self {
        Self { matched: 0, passed: 0, hidden: 0 }
    }

    /// Processes the next bytes of the stream. If the snapshot ends in them, returns how many belong to it;
    /// the next packet follows. `None` if all of them belong to it.
    pub fn seen(&mut self, bytes: &[u8]) -> Option<usize> {
        let end = self.search(bytes);
        let taken = end.unwrap_or(bytes.len());
        self.passed = self.passed.saturating_add(taken as u64);
        end
    }

    /// Skips bytes of the stream that were not captured. An end that lies wholly or partly in them is not
    /// found.
    pub const fn hidden(&mut self, bytes: u64) {
        if bytes > 0 {
            self.matched = 0;
        }
        self.passed = self.passed.saturating_add(bytes);
        self.hidden = self.hidden.saturating_add(bytes);
    }

    /// The snapshot's bytes so far, including those that were not captured.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a size on the wire, not a container's")]
    pub const fn len(&self) -> u64 {
        self.passed
    }

    /// How many of them were not captured.
    #[must_use]
    pub const fn hidden_len(&self) -> u64 {
        self.hidden
    }

    fn search(&mut self, bytes: &[u8]) -> Option<usize> {
        for (index, byte) in bytes.iter().enumerate() {
            while END.get(self.matched) != Some(byte) && self.matched > 0 {
                self.matched = FALLBACK.get(self.matched).copied().unwrap_or(0);
            }
            if END.get(self.matched) == Some(byte) {
                self.matched += 1;
            }
            if self.matched == END.len() {
                self.matched = 0;
                return Some(index + 1);
            }
        }
        None
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    use crate::proto::examples::{SNAPSHOT, hex};

    /// The example, followed by a PING.
    fn stream() -> (Vec<u8>, usize) {
        let mut bytes = hex(SNAPSHOT);
        let end = bytes.len();
        assert_eq!(end, 230);
        bytes.extend(hex("00000005 000000050000000B FFFFFFFF FFFFFFFF"));
        (bytes, end)
    }

    #[test]
    fn the_end_is_found_at_any_split() {
        let (bytes, end) = stream();
        for split in 0..=bytes.len() {
            let (front, back) = bytes.split_at(split);
            let mut finder = EndFinder::new();
            let found = finder.seen(front).or_else(|| finder.seen(back).map(|at| at + split));
            assert_eq!((found, finder.len()), (Some(end), end as u64), "split at {split}");
        }
        for size in 1..40 {
            let mut finder = EndFinder::new();
            let mut at = 0;
            let found = bytes.chunks(size).find_map(|chunk| {
                let found = finder.seen(chunk).map(|end| at + end);
                at += chunk.len();
                found
            });
            assert_eq!(found, Some(end), "in pieces of {size}");
        }
    }

    #[test]
    fn an_end_in_hidden_bytes_is_not_made_up() {
        let (bytes, end) = stream();
        for hidden in end - END.len()..end {
            let mut finder = EndFinder::new();
            assert_eq!(finder.seen(&bytes[..hidden]), None);
            finder.hidden(1);
            assert_eq!(finder.seen(&bytes[hidden + 1..]), None);
            assert_eq!((finder.len(), finder.hidden_len()), (bytes.len() as u64, 1));
        }
        let mut finder = EndFinder::new();
        finder.hidden(1 << 40);
        assert_eq!(finder.seen(&bytes[end - END.len()..]), Some(END.len()));
        finder.hidden(u64::MAX);
        assert_eq!(finder.len(), u64::MAX);
        let mut finder = EndFinder::new();
        assert_eq!(finder.seen(&bytes[..end - 3]), None);
        finder.hidden(0);
        assert_eq!(finder.seen(&bytes[end - 3..]), Some(3));
    }

    #[test]
    fn a_false_start_does_not_hide_the_end() {
        for start in 1..END.len() {
            for repeat in 1..4 {
                let mut bytes = END[..start].repeat(repeat);
                bytes.extend(END);
                let end = bytes.len();
                assert_eq!(EndFinder::new().seen(&bytes), Some(end), "{start} bytes, {repeat} times");
            }
        }
        let zeros = [&[0; 9][..], &END].concat();
        assert_eq!(EndFinder::new().seen(&zeros), Some(zeros.len()));
    }
}
