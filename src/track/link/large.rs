//! A packet so long that its receiver may refuse it: `jute.maxbuffer` bounds what a server reads, not what it writes
//! (BinaryInputArchive.checkLength, all releases).

use super::LinkTrack;
use super::proposals::{Large, Proposals};
use crate::dissect::PacketSeen;
use crate::findings::Closed;
use crate::proto::PacketType;
use crate::proto::quorum::Head;

/// Shorter ones nobody refuses who has not set `jute.maxbuffer` far below its default of 1 MiB less a byte.
pub(super) const MIN_LARGE: u64 = 32 * 1024;
/// Where the body of a transaction begins in a PROPOSAL: behind the packet's head and the transaction's.
const BODY_AT: usize = Head::LEN + 32;
/// The longest path kept, in bytes.
const MAX_PATH: usize = 256;

impl Proposals {
    /// A large packet.
    #[cold]
    pub(super) fn is_large(&mut self, packet: &PacketSeen<'_>) {
        let Some(size) = packet.size else { return };
        if packet.direction.is_to_leader()
            || !matches!(packet.kind, PacketType::Proposal | PacketType::Inform)
        {
            return;
        }
        self.large = Some(Box::new(Large {
            kind: packet.kind,
            zxid: packet.zxid,
            size,
            path: path_of(packet.seen),
            at: packet.at,
            frame: packet.frame,
        }));
    }

    /// The large transaction at which the learner let go of the link, without having acknowledged it.
    fn refused(&self, closed: &Closed) -> Option<&Large> {
        let large = self.large.as_deref()?;
        let is_acked = self.last_acked.zip(large.zxid).is_some_and(|(acked, zxid)| acked >= zxid);
        let is_soon = closed.at >= large.at && closed.at.since(large.at) <= super::BEFORE;
        (is_soon && !is_acked).then_some(large)
    }
}

impl LinkTrack {
    /// The large transaction at which the learner let go of the link, without having acknowledged it.
    #[must_use]
    pub fn refused(&self) -> Option<&Large> {
        let closed = self.teardown.closed.filter(|closed| !closed.by_leader)?;
        self.proposals.refused(&closed)
    }
}

/// The path of a transaction whose body begins with one.
fn path_of(seen: &[u8]) -> Option<String> {
    let kind = seen.get(BODY_AT - 4..BODY_AT)?.first_chunk::<4>().map(|kind| i32::from_be_bytes(*kind))?;
    // create, delete, setData, setACL, create2, createContainer, createTTL.
    if !matches!(kind, 1 | 2 | 5 | 7 | 15 | 19 | 21) {
        return None;
    }
    let len = seen.get(BODY_AT..BODY_AT + 4)?.first_chunk::<4>().map(|len| u32::from_be_bytes(*len))?;
    let len = usize::try_from(len).ok().filter(|len| (1..=MAX_PATH).contains(len))?;
    let path = seen.get(BODY_AT + 4..BODY_AT + 4 + len)?;
    std::str::from_utf8(path).ok().filter(|path| path.starts_with('/')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_transaction_is_found_where_it_was_captured() {
        let mut seen = vec![0; BODY_AT];
        seen[BODY_AT - 1] = 5;
        seen.extend([0, 0, 0, 4]);
        seen.extend(b"/big");
        assert_eq!(path_of(&seen).as_deref(), Some("/big"));
        assert_eq!(path_of(&seen[..BODY_AT + 6]), None);
        seen[BODY_AT - 1] = 14;
        assert_eq!(path_of(&seen), None);
    }
}
