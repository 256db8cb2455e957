//! Client sessions as a server's hash maps see them.

use crate::proto::body::TouchedSessions;

/// What Java's `Long.hashCode` makes of a session id: its halves, one folded onto the other.
#[expect(clippy::cast_possible_truncation, reason = "that is what a hash is")]
const fn hash(session: u64) -> u32 {
    (session ^ session >> 32) as u32
}

/// How many of the sessions have a hash that another one has too. A server keeps sessions in maps by this
/// hash: ids that meet in it turn a map into a list.
pub(super) fn collisions(sessions: &TouchedSessions<'_>) -> u64 {
    let mut hashes: Vec<u32> = sessions.iter().map(|(session, _)| hash(session.0)).collect();
    hashes.sort_unstable();
    let alike = hashes.chunk_by(|a, b| a == b).filter(|alike| alike.len() > 1);
    alike.map(|alike| alike.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn halves_that_cancel_out_meet() {
        // Both halves count up together, so that all fold to one.
        let ids = [0x0100_0001_0100_0001_u64, 0x0100_0002_0100_0002, 0x0100_0003_0000_0000];
        let raw: Vec<u8> =
            ids.iter().flat_map(|id| [&id.to_be_bytes()[..], &30_000_i32.to_be_bytes()].concat()).collect();
        assert_eq!(collisions(&TouchedSessions::decode(&raw).unwrap()), 2);
        assert_eq!(collisions(&TouchedSessions::decode(&[]).unwrap()), 0);
    }
}
