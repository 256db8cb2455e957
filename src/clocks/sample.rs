//! A sample of a file's start for aligning clocks: its host, and some of its segments.

use crate::address::Address;
use crate::capture::Replay;
use crate::common_host::CommonHost;
use crate::hash::{fold, mix};
use crate::packet::{self, Segment};
use crate::time::Timestamp;
use hashbrown::HashMap;

/// Segments kept per file. A hash of the content selects them, so every file keeps the same ones.
const KEPT: usize = 8_192;
/// Frames read to determine the host.
const FOR_HOST: u32 = 2_048;

/// A sampled segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SampledSegment {
    pub(crate) at: Timestamp,
    pub(crate) src: Address,
    pub(crate) dst: Address,
    /// The file has two with the same key, so they cannot be matched.
    is_twice: bool,
}

/// A sample of one file.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) file: u32,
    pub(crate) vantage: CommonHost,
    kept: HashMap<u64, SampledSegment, foldhash::fast::FixedState>,
    /// Only segments that hash below this are kept.
    below: u64,
}

/// Determines the host of a file by its first frames.
pub(crate) fn host(replay: &Replay, file: u32, most_bytes: u64) -> CommonHost {
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
    // Traffic of a host with itself is no evidence.
    if segment.src.address != segment.dst.address {
        vantage.pair(segment.src.address, segment.dst.address);
    }
}

impl Sample {
    /// Samples the first `most_bytes` of a file.
    pub(crate) fn of(replay: &Replay, file: u32, most_bytes: u64) -> Self {
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
        self.kept.entry(key).and_modify(|kept| kept.is_twice = true).or_insert(SampledSegment {
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

    /// Hashes of its segments, the lowest, in order: the same in every file that holds them.
    pub(crate) fn lowest(&self, most: usize) -> Vec<u64> {
        let once = self.kept.iter().filter(|(_, kept)| !kept.is_twice);
        let mut all: Vec<u64> = once.map(|(key, _)| *key).collect();
        all.sort_unstable();
        all.truncate(most);
        all
    }

    /// The segments that another file's sample holds too, as both files have them.
    pub(crate) fn shared<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a SampledSegment, &'a SampledSegment)> {
        let here = self.kept.iter().filter(|(_, kept)| !kept.is_twice);
        here.filter_map(|(key, here)| {
            other.kept.get(key).filter(|there| !there.is_twice).map(|there| (here, there))
        })
    }
}

/// A key that identifies a segment in both captures; a retransmission has another timestamp. The length is
/// left out: with segmentation offload, one segment of the sender's capture is several on the wire, the first
/// of which starts alike. `None` for segments without payload, and if nothing distinguishes a retransmission.
fn key(segment: &Segment<'_>) -> Option<u64> {
    if segment.len == 0 {
        return None;
    }
    let stamp = match segment.timestamps {
        Some((value, _)) => u64::from(value),
        None if segment.ip_id != 0 => u64::from(segment.ip_id) << 32 | u64::from(segment.ack),
        None => return None,
    };
    let ports =
        u64::from(segment.src.port) << 48 | u64::from(segment.dst.port) << 32 | u64::from(segment.seq);
    let (src, dst) = (fold(segment.src.address.bits()), fold(segment.dst.address.bits()));
    let hash = [src, dst, ports, stamp].into_iter().fold(0, mix);
    Some(mix(hash, hash.rotate_left(31) >> 29))
}
