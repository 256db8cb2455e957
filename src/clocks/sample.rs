//! The start of a file, as far as it helps to set clocks: whose it is, and some of its segments.

use crate::address::Address;
use crate::capture::Replay;
use crate::common_host::CommonHost;
use crate::packet::{self, Segment};
use crate::time::Timestamp;
use hashbrown::HashMap;

/// Segments kept of a file. Which, their content decides, so that the same ones are kept of each file.
const KEPT: usize = 8_192;
/// Frames that tell whose capture it is.
const FOR_HOST: u32 = 2_048;

/// A segment that is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) at: Timestamp,
    pub(super) src: Address,
    pub(super) dst: Address,
    /// Two of the file look the same: which is which cannot be told.
    is_twice: bool,
}

/// What was seen of a file.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) file: u32,
    pub(super) vantage: CommonHost,
    kept: HashMap<u64, Kept, foldhash::fast::FixedState>,
    /// Only what hashes below is kept.
    below: u64,
}

/// Whose capture a file is, by its first frames.
pub(super) fn host(replay: &Replay, file: u32, most_bytes: u64) -> CommonHost {
    let mut vantage = CommonHost::default();
    let mut frames = 0;
    replay.look(file, most_bytes, |frame| {
        if let Ok(segment) = packet::segment(frame) {
            note(&mut vantage, &segment);
        }
        frames += 1;
        frames < FOR_HOST
    });
    vantage
}

fn note(vantage: &mut CommonHost, segment: &Segment<'_>) {
    // What a host says to itself tells nothing of where the others are.
    if segment.src.address != segment.dst.address {
        vantage.pair(segment.src.address, segment.dst.address);
    }
}

impl Sample {
    /// Looks at the first `most_bytes` of a file.
    pub(super) fn of(replay: &Replay, file: u32, most_bytes: u64) -> Self {
        let kept = HashMap::with_hasher(foldhash::fast::FixedState::default());
        let mut sample = Self { file, vantage: CommonHost::default(), kept, below: u64::MAX };
        replay.look(file, most_bytes, |frame| {
            if let Ok(segment) = packet::segment(frame) {
                note(&mut sample.vantage, &segment);
                sample.keep(&segment);
            }
            true
        });
        sample
    }

    fn keep(&mut self, segment: &Segment<'_>) {
        let Some(key) = key(segment).filter(|key| *key < self.below) else { return };
        let (at, src, dst) = (segment.at, segment.src.address, segment.dst.address);
        self.kept.entry(key).and_modify(|kept| kept.is_twice = true).or_insert(Kept {
            at,
            src,
            dst,
            is_twice: false,
        });
        if self.kept.len() > KEPT {
            self.below /= 2;
            let below = self.below;
            self.kept.retain(|key, _| *key < below);
        }
    }

    /// The segments that are in another file's sample too, each as it stands here and there.
    pub(super) fn shared<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'a Kept, &'a Kept)> {
        let here = self.kept.iter().filter(|(_, kept)| !kept.is_twice);
        here.filter_map(|(key, here)| {
            other.kept.get(key).filter(|there| !there.is_twice).map(|there| (here, there))
        })
    }
}

/// A number that only the same segment has, wherever it is seen: of a retransmission the timestamp
/// differs. The length takes no part, since what is one segment for its sender may be several on the
/// wire, of which the first begins alike. `None` for segments without payload, and where nothing tells a
/// retransmission from the first.
fn key(segment: &Segment<'_>) -> Option<u64> {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    if segment.len == 0 {
        return None;
    }
    let stamp = match segment.timestamps {
        Some((value, _)) => u64::from(value),
        None if segment.ip_id != 0 => u64::from(segment.ip_id) << 32 | u64::from(segment.ack),
        None => return None,
    };
    let fold = |address: Address| {
        let bits = address.bits();
        #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
        let folded = bits as u64 ^ (bits >> 64) as u64;
        folded
    };
    let mix = |hash: u64, more: u64| (hash ^ more).wrapping_mul(K).rotate_left(31);
    let ports =
        u64::from(segment.src.port) << 48 | u64::from(segment.dst.port) << 32 | u64::from(segment.seq);
    let hash = [fold(segment.src.address), fold(segment.dst.address), ports, stamp].into_iter().fold(0, mix);
    Some((hash ^ hash >> 29).wrapping_mul(K))
}
