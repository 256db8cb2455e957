//! Recognizes a certain packet start at an unknown offset.

use super::LinkState;
use crate::dissect::event::Direction;
use crate::proto::quorum::{Glimpse, Head, fixed_data_len};
use crate::proto::{PacketType, Zxid, jute};
use crate::time::Timestamp;
use std::ops::Range;

/// How far a zxid's counter may be from the last known one to be plausible.
const MAX_COUNTER_DISTANCE: u32 = 1 << 20;
/// How many epochs a history may reach back.
const EPOCHS_BACK: u32 = 64;
/// The largest plausible epoch while none is known.
const SOME_EPOCH: Range<u32> = 1..1 << 24;
/// Consecutive cut heads that prove an epoch.
const GLIMPSES: u8 = 4;
/// The largest plausible PROPOSAL while the epoch is unknown: ZooKeeper's own limit.
const MAX_BELIEVED: u32 = jute::DEFAULT_MAX_BUFFER;

impl LinkState {
    /// Whether a packet certainly starts with these captured bytes. `is_all` means that no cut bytes follow.
    pub(in crate::dissect) fn is_strong_start(
        &self,
        bytes: &[u8],
        at: Timestamp,
        direction: Direction,
        is_all: bool,
    ) -> bool {
        match (Head::decode(bytes), self.epoch) {
            (Some(head), Some(epoch)) => {
                head.plausible(direction.is_to_leader(), jute::MAX_BUFFER_LIMIT)
                    && self.is_near(head.kind, head.zxid, epoch)
                    && !self.is_txn_header(&head, at)
            }
            (Some(head), None) => {
                head.plausible(direction.is_to_leader(), MAX_BELIEVED) && stands_alone(&head, bytes)
            }
            (None, Some(epoch)) if !is_all => self.is_near_glimpse(bytes, direction, epoch),
            _ => false,
        }
    }

    /// Learns the epoch from the start of a segment, if the snaplen cuts every head: several in a row must
    /// look like heads and name the same epoch.
    pub(in crate::dissect) fn glimpse(&mut self, bytes: &[u8], direction: Direction) {
        let Some(epoch) = word(bytes, 4).filter(|epoch| SOME_EPOCH.contains(epoch)) else { return };
        let is_head = Glimpse::decode(bytes).is_some_and(|glimpse| {
            use PacketType::{Ack, Commit, Inform, Ping, Proposal};
            match direction {
                Direction::ToLearner => matches!(glimpse.kind, Proposal | Commit | Inform | Ping),
                Direction::ToLeader => matches!(glimpse.kind, Ack | Ping),
            }
        });
        let (last, count) = self.glimpsed;
        let count = match is_head {
            true if epoch == last => count + 1,
            true => 1,
            false => 0,
        };
        self.glimpsed = (epoch, count);
        if count >= GLIMPSES {
            self.epoch = Some(epoch);
            self.has_packets = true;
        }
    }

    /// Whether this is the middle of a TxnHeader: there a small cxid, the zxid and the upper half of the
    /// leader's clock look like a type, a zxid and a length.
    fn is_txn_header(&self, head: &Head, at: Timestamp) -> bool {
        let is_transaction = match head.kind {
            PacketType::Proposal => self.is_observer && !self.numbering.awaits_uptodate,
            PacketType::Inform => self.is_follower,
            _ => return false,
        };
        let clock = (at.nanos() / 1_000_000) >> 32;
        is_transaction || (i64::from(head.data_len) - clock).abs() <= 1
    }

    /// Whether a zxid is plausible for its type on this link.
    fn is_near(&self, kind: PacketType, zxid: Zxid, epoch: u32) -> bool {
        match kind {
            PacketType::Request | PacketType::Revalidate | PacketType::UpToDate | PacketType::Sync => true,
            PacketType::Ping if zxid.0 == 0 => true,
            PacketType::NewLeader if zxid.counter() != 0 => false,
            _ if zxid.epoch() == epoch => {
                let last = self.numbering.proposal.or(self.numbering.commit).or(self.numbering.ack);
                match last {
                    Some(last) if last.epoch() == epoch && zxid.counter() != 0 => {
                        zxid.counter().abs_diff(last.counter()) < MAX_COUNTER_DISTANCE
                    }
                    _ => true,
                }
            }
            _ => {
                zxid.epoch() < epoch && epoch - zxid.epoch() <= EPOCHS_BACK && self.numbering.awaits_uptodate
            }
        }
    }

    /// The same for a head cut after the upper part of its zxid.
    fn is_near_glimpse(&self, bytes: &[u8], direction: Direction, epoch: u32) -> bool {
        let Some(glimpse) = Glimpse::decode(bytes) else { return false };
        let Some(top) = bytes.get(4..10).and_then(|top| top.first_chunk::<6>()) else { return false };
        let [a, b, c, d, e, f] = *top;
        let to_leader = direction.is_to_leader();
        let is_legal = fixed_data_len(glimpse.kind, to_leader).is_some()
            || matches!(
                (glimpse.kind, to_leader),
                (PacketType::Request | PacketType::Ping, true)
                    | (PacketType::Proposal | PacketType::Inform | PacketType::NewLeader, false)
            );
        if !is_legal {
            return false;
        }
        match glimpse.kind {
            PacketType::Request | PacketType::Revalidate | PacketType::UpToDate => *top == [0xff; 6],
            PacketType::Sync => *top == [0; 6],
            _ => {
                let counter_top = u32::from(u16::from_be_bytes([e, f]));
                let last = self.numbering.proposal.or(self.numbering.commit).or(self.numbering.ack);
                u32::from_be_bytes([a, b, c, d]) == epoch
                    && last.is_none_or(|last| {
                        (last.counter() >> 16).abs_diff(counter_top) <= MAX_COUNTER_DISTANCE >> 16
                    })
            }
        }
    }
}

/// Whether a head, with the bytes after it, is certain although the epoch is unknown.
fn stands_alone(head: &Head, bytes: &[u8]) -> bool {
    let is_of_some_epoch = SOME_EPOCH.contains(&head.zxid.epoch());
    if !is_of_some_epoch && head.zxid != Zxid::NONE && head.kind != PacketType::Sync {
        return false;
    }
    // A session id or a time: other protocols have small numbers there.
    let is_session = |at: usize| word(bytes, at).is_none_or(|top| top >= 1 << 16);
    let is_said = match head.kind {
        PacketType::Proposal | PacketType::Inform => {
            let top = head.zxid.0.to_be_bytes();
            let is_embedded = match bytes.get(28..36) {
                Some(embedded) => embedded == top,
                None => bytes.get(28..30).is_none_or(|embedded| Some(embedded) == top.get(..2)),
            };
            is_embedded && (is_session(16) || bytes.get(16..24) == Some(&[0; 8]))
        }
        PacketType::Ping => head.data_len <= 0 || is_session(16),
        PacketType::FollowerInfo | PacketType::ObserverInfo => head.data_len >= 12 && opens(head, bytes),
        PacketType::LeaderInfo => opens(head, bytes),
        PacketType::NewLeader => head.zxid.counter() == 0 && opens(head, bytes),
        PacketType::InformAndActivate => false,
        _ => true,
    };
    is_said && (head.kind == PacketType::Request || has_tail(head, bytes))
}

/// Whether the captured part of a packet that opens a stream has the expected content: the protocol version,
/// or the text of a configuration.
pub(in crate::dissect) fn opens(head: &Head, bytes: &[u8]) -> bool {
    let is_protocol = |at: usize| word(bytes, at).is_none_or(|version| version == 0x0001_0000);
    let is_said = match head.kind {
        PacketType::FollowerInfo | PacketType::ObserverInfo => head.data_len < 12 || is_protocol(24),
        PacketType::LeaderInfo => is_protocol(16),
        PacketType::NewLeader => {
            let len = usize::try_from(head.body_len()).unwrap_or(usize::MAX);
            let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
            bytes.get(16..).unwrap_or_default().iter().take(len).all(is_text)
        }
        _ => false,
    };
    is_said && has_tail(head, bytes)
}

/// Whether a null authinfo ends the packet, as far as captured.
fn has_tail(head: &Head, bytes: &[u8]) -> bool {
    let end =
        16 + usize::try_from(head.body_len()).unwrap_or(usize::MAX).min(jute::MAX_BUFFER_LIMIT as usize);
    bytes.get(end..end + 4).is_none_or(|tail| tail == [0xff; 4])
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|word| u32::from_be_bytes(*word))
}
