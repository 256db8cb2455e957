//! Sizes of PROPOSALs, shared between the links of a leader.

use crate::proto::Zxid;

/// Sizes of PROPOSALs by leader and zxid, from any link: a leader sends every follower the same bytes. A
/// direct-mapped table in which the newer entry wins.
#[derive(Clone, Debug)]
pub(in crate::dissect) struct Sizes {
    entries: Box<[SizeEntry]>,
    pub(super) newleader: Option<(u32, u64)>,
    /// Common sizes of the most recently used leaders.
    common_sizes: Vec<(u32, Box<[u32]>)>,
    /// Entries added since the common sizes were counted.
    fresh: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct SizeEntry {
    zxid: Zxid,
    leader: u32,
    size: u32,
}

impl Sizes {
    /// Entries: enough for a second of a busy ensemble, few enough for the CPU's cache.
    const ENTRIES: usize = 8192;
    /// How often a size must occur to be a common one.
    const USUAL_COUNT: u32 = 4;
    /// The most common sizes: with more, almost any length is a sum of some.
    const MAX_COMMON_SIZES: usize = 12;
    /// Entries after which the common sizes are counted again.
    const USUAL_EVERY: u32 = 512;
    /// Leaders whose common sizes are remembered.
    const COMMON_SIZES_LEADERS: usize = 16;

    pub(in crate::dissect) fn new() -> Self {
        let entries = vec![SizeEntry::default(); Self::ENTRIES].into_boxed_slice();
        Self { entries, newleader: None, common_sizes: Vec::new(), fresh: 0 }
    }

    const fn slot(leader: u32, zxid: Zxid) -> usize {
        (zxid.counter() ^ leader) as usize % Self::ENTRIES
    }

    #[inline]
    pub(super) fn put(&mut self, leader: u32, zxid: Zxid, size: u64) {
        if let Some(entry) = self.entries.get_mut(Self::slot(leader, zxid)) {
            *entry = SizeEntry { zxid, leader, size: u32::try_from(size).unwrap_or(0) };
            self.fresh = self.fresh.saturating_add(1);
        }
    }

    pub(super) fn size(&self, leader: u32, zxid: Zxid) -> Option<u32> {
        let entry = self.entries.get(Self::slot(leader, zxid))?;
        (entry.zxid == zxid && entry.leader == leader && entry.size > 0).then_some(entry.size)
    }

    /// Counts the common sizes of a leader's PROPOSALs from time to time.
    pub(super) fn count_usual(&mut self, leader: u32) {
        if self.fresh >= Self::USUAL_EVERY {
            self.fresh = 0;
            self.common_sizes.clear();
        }
        if self.common_sizes.iter().any(|(of, _)| *of == leader) {
            return;
        }
        let mut counts = std::collections::BTreeMap::<u32, u32>::new();
        for entry in self.entries.iter().filter(|entry| entry.leader == leader && entry.size > 0) {
            *counts.entry(entry.size).or_default() += 1;
        }
        counts.retain(|_, count| *count >= Self::USUAL_COUNT);
        let sizes =
            if counts.len() > Self::MAX_COMMON_SIZES { Box::default() } else { counts.into_keys().collect() };
        self.common_sizes.truncate(Self::COMMON_SIZES_LEADERS - 1);
        self.common_sizes.insert(0, (leader, sizes));
    }

    /// The common sizes of a leader's PROPOSALs, as last counted; empty if there are too many.
    pub(super) fn common_sizes(&self, leader: u32) -> &[u32] {
        self.common_sizes.iter().find(|(of, _)| *of == leader).map_or(&[], |(_, sizes)| sizes)
    }
}
