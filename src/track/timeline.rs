//! What the ensemble did when, by the second: writes on each link, and segments sent again.
//!
//! A stall is told with what went on around it, which is known only once the stall has been found. So it is
//! written down all along, in bounded memory: of a long capture the seconds around long waits are kept, and
//! of the others the latest.

use crate::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};

/// Entries kept of each kind.
const MAX_ENTRIES: usize = 65_536;
/// Entries looked at for the place of a new count: one for each link of the last seconds.
const MAX_LOOKBACK: usize = 64;

/// A link's counts of one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SecondOfLink {
    second: i64,
    link: u32,
    count: u32,
    /// The longest, in bytes.
    largest: u32,
}

/// Links whose last entries are found at once.
const MAX_KNOWN: usize = 64;

/// Counts of one kind by second and link, nearly in order of time.
#[derive(Clone, Debug)]
struct Entries {
    list: VecDeque<SecondOfLink>,
    /// Where the last entries of links are in the list: a link's number modulo [`MAX_KNOWN`]. Behind each are only
    /// such as are not earlier.
    known: [u32; MAX_KNOWN],
}

impl Default for Entries {
    fn default() -> Self {
        Self { list: VecDeque::new(), known: [u32::MAX; MAX_KNOWN] }
    }
}

impl Entries {
    #[inline]
    fn add(&mut self, link: u32, at: Timestamp, size: u32) {
        let second = second(at);
        let len = self.list.len();
        let known = self.known.get(link as usize % MAX_KNOWN).map_or(usize::MAX, |index| *index as usize);
        if let Some(entry) = self.list.get_mut(known)
            && (entry.second, entry.link) == (second, link)
            && known + MAX_LOOKBACK >= len
        {
            entry.count = entry.count.saturating_add(1);
            entry.largest = entry.largest.max(size);
            return;
        }
        self.add_slowly(link, second, size);
    }

    /// Looks through the latest entries.
    #[inline(never)]
    fn add_slowly(&mut self, link: u32, second: i64, size: u32) {
        let len = self.list.len();
        let near = self.list.iter().rev().take(MAX_LOOKBACK).take_while(|entry| entry.second + 2 >= second);
        let found = near.into_iter().position(|entry| entry.second == second && entry.link == link);
        let index = match found {
            Some(back) => len - 1 - back,
            None => {
                if self.list.back().is_some_and(|last| last.second > second) {
                    self.forget_places();
                }
                self.list.push_back(SecondOfLink { second, link, count: 0, largest: 0 });
                len
            }
        };
        if let Some(entry) = self.list.get_mut(index) {
            entry.count = entry.count.saturating_add(1);
            entry.largest = entry.largest.max(size);
        }
        // One that is found behind an earlier one would not be looked for there.
        let is_in_order = self.list.iter().skip(index + 1).all(|entry| entry.second >= second);
        if let Some(known) = self.known.get_mut(link as usize % MAX_KNOWN).filter(|_| is_in_order) {
            *known = u32::try_from(index).unwrap_or(u32::MAX);
        }
    }

    /// Where entries are has changed.
    fn forget_places(&mut self) {
        self.known = [u32::MAX; MAX_KNOWN];
    }
}

/// Counts by second and link.
#[derive(Clone, Debug, Default)]
pub struct CountsBySecond {
    writes: Entries,
    resent: Entries,
}

/// The second of a time.
const fn second(at: Timestamp) -> i64 {
    at.nanos().div_euclid(1_000_000_000)
}

/// Writes in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Writes {
    /// How many a second, on the link that shows the most of them.
    pub per_second: f64,
    /// The longest PROPOSAL on the wire, in bytes.
    pub largest: u32,
}

impl CountsBySecond {
    /// A PROPOSAL of so many bytes on a link.
    #[inline]
    pub(super) fn write(&mut self, link: u32, at: Timestamp, size: Option<u64>) {
        self.writes.add(link, at, size.and_then(|size| u32::try_from(size).ok()).unwrap_or(0));
    }

    /// A segment sent again on a link.
    pub(super) fn resent(&mut self, link: u32, at: Timestamp) {
        self.resent.add(link, at, 0);
    }

    /// Whether there are so many entries that some must go.
    pub(super) fn is_full(&self) -> bool {
        self.writes.list.len() > MAX_ENTRIES || self.resent.list.len() > MAX_ENTRIES
    }

    /// Lets entries go that are near none of `waits`, each a start and an end; where that is not enough, the
    /// oldest.
    pub(super) fn prune(&mut self, waits: &[(Timestamp, Timestamp)]) {
        /// Seconds around a wait that are told with it.
        const AROUND: i64 = 15;
        let is_near = |entry: &SecondOfLink| {
            waits
                .iter()
                .any(|(from, to)| (second(*from) - AROUND..=second(*to) + AROUND).contains(&entry.second))
        };
        for entries in [&mut self.writes, &mut self.resent] {
            entries.forget_places();
            let entries = &mut entries.list;
            let recent = entries.len().saturating_sub(MAX_ENTRIES / 4);
            let mut index = 0;
            entries.retain(|entry| {
                index += 1;
                index > recent || is_near(entry)
            });
            while entries.len() > MAX_ENTRIES / 4 * 3 {
                entries.pop_front();
            }
        }
    }

    /// Writes from one point in time up to another; `None` where nothing is known of that time.
    #[must_use]
    pub fn writes(&self, from: Timestamp, to: Timestamp) -> Option<Writes> {
        let first = self.writes.list.iter().map(|entry| entry.second).min()?;
        let (from, to) = (second(from).max(first), second(to));
        let seconds = to - from;
        if seconds <= 0 {
            return None;
        }
        let mut by_second: BTreeMap<i64, u32> = BTreeMap::new();
        let mut largest = 0;
        for entry in self.writes.list.iter().filter(|entry| (from..to).contains(&entry.second)) {
            let most = by_second.entry(entry.second).or_default();
            *most = (*most).max(entry.count);
            largest = largest.max(entry.largest);
        }
        let total: u64 = by_second.values().copied().map(u64::from).sum();
        #[expect(clippy::cast_precision_loss, reason = "counts that are shown with one digit")]
        Some(Writes { per_second: total as f64 / seconds as f64, largest })
    }

    /// Links on which segments were sent again in a stretch of time, and how many.
    #[must_use]
    pub fn resent_between(&self, from: Timestamp, to: Timestamp) -> BTreeMap<u32, u64> {
        let mut links = BTreeMap::new();
        for entry in
            self.resent.list.iter().filter(|entry| (second(from)..=second(to)).contains(&entry.second))
        {
            *links.entry(entry.link).or_default() += u64::from(entry.count);
        }
        links
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::time::Span;

    const START: Timestamp = Timestamp::from_nanos(1_795_248_000_000_000_000);

    fn after(ms: i64) -> Timestamp {
        START.plus(Span::from_millis(ms))
    }

    #[test]
    fn a_write_on_two_links_is_one() {
        let mut timeline = CountsBySecond::default();
        for ms in (0..20_000).step_by(50) {
            timeline.write(1, after(ms), Some(180));
            if ms < 10_000 {
                timeline.write(2, after(ms), Some(200));
            }
        }
        let early = timeline.writes(START, after(10_000)).unwrap();
        assert_eq!((early.per_second, early.largest), (20.0, 200));
        let late = timeline.writes(after(10_000), after(20_000)).unwrap();
        assert_eq!((late.per_second, late.largest), (20.0, 180));
        assert_eq!(timeline.writes(after(-5_000), START), None);
    }

    #[test]
    fn entries_are_found_by_their_places_as_by_looking() {
        let mut random = crate::testkit::random::Random::new(3);
        let (mut quick, mut slow) = (Entries::default(), Entries::default());
        let mut now = 0u64;
        for _ in 0..20_000 {
            now += random.within(0..40);
            let link = u32::try_from(random.within(1..100)).unwrap();
            // Some come late, few by much.
            let late = if random.chance(10) { random.within(0..4_000) } else { 0 };
            let at = after((now - late.min(now)).cast_signed());
            quick.add(link, at, 7);
            slow.add_slowly(link, second(at), 7);
            slow.forget_places();
        }
        assert_eq!(quick.list, slow.list);
    }

    #[test]
    fn a_long_capture_keeps_what_is_near_its_waits() {
        let mut timeline = CountsBySecond::default();
        let waits = [(after(100_000), after(110_000))];
        for second in 0..200_000 {
            timeline.write(1, after(second * 1000), None);
            timeline.resent(3, after(second * 1000));
            if timeline.is_full() {
                timeline.prune(&waits);
            }
        }
        assert!(timeline.writes.list.len() <= MAX_ENTRIES + 1);
        assert_eq!(timeline.writes(after(90_000), after(100_000)).unwrap().per_second, 1.0);
        assert_eq!(timeline.resent_between(after(100_000), after(109_000)), [(3, 10)].into());
        assert_eq!(timeline.writes(after(199_000_000), after(199_010_000)).unwrap().per_second, 1.0);
    }
}
