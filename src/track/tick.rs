//! tickTime from the leaders' PINGs: half a tick apart (`apache/zookeeper: .../server/quorum/Leader.java`, `lead`).
//!
//! Each link has a tick of its own, its leader's. The ensemble's is the one that most links agree on: a link that pings
//! at another pace, by mistake or on purpose, changes nothing for the others.

use crate::time::Span;
use std::collections::{BTreeMap, HashMap};

/// Spacings up to this many milliseconds are counted; a tick of a minute is beyond any use.
const MAX_SPACING_MS: u16 = 30_000;
/// Spacings of a link, or of all, that are needed before they are believed.
const MIN_SPACINGS: usize = 4;
/// Spacings of a link that are remembered, the latest.
const MAX_SPACINGS: usize = 32;
/// Links whose ticks differ by no more than this part agree: 1 / 50.
const AGREEMENT: u32 = 50;

/// Spacings of one link's PINGs, in milliseconds.
#[derive(Clone, Debug, Default)]
struct LinkSpacings {
    latest: Vec<u16>,
    next: usize,
    seen: u64,
    /// The tick that they show, and that the link votes for.
    tick_ms: Option<u32>,
}

/// Spacings of PINGs on all links, and the ticks that they show.
#[derive(Clone, Debug, Default)]
pub(super) struct TickEstimator {
    /// By the links' numbers.
    links: HashMap<u32, LinkSpacings>,
    /// How many links show a tick, by its milliseconds.
    votes: BTreeMap<u32, u32>,
    /// What most of them agree on.
    agreed: Option<u32>,
    /// The first spacings of every link, for as long as none has enough of its own.
    first: Vec<u16>,
}

impl TickEstimator {
    /// Adds the time between two PINGs on a link.
    pub(super) fn add(&mut self, link: u32, spacing: Span) {
        let Ok(ms) = u16::try_from(spacing.nanos() / 1_000_000) else { return };
        if ms == 0 || ms >= MAX_SPACING_MS {
            return;
        }
        let own = self.links.entry(link).or_default();
        if own.latest.len() < MIN_SPACINGS && self.first.len() < MAX_SPACINGS {
            self.first.push(ms);
        }
        let before = own.tick_ms;
        if own.add(ms) && own.tick_ms != before {
            let after = own.tick_ms;
            self.vote(before, after);
        }
    }

    /// The ensemble's tickTime in milliseconds, as a number that people set.
    #[must_use]
    pub(super) fn tick_ms(&self) -> Option<u32> {
        self.agreed.or_else(|| tick_of(&self.first))
    }

    /// The tick of one link, its leader's.
    #[must_use]
    pub(super) fn of_link(&self, link: u32) -> Option<u32> {
        self.links.get(&link)?.tick_ms
    }

    /// Forgets the links that are not held any more.
    pub(super) fn retain(&mut self, is_held: impl Fn(u32) -> bool) {
        let gone: Vec<u32> = self.links.keys().copied().filter(|link| !is_held(*link)).collect();
        for link in gone {
            if let Some(own) = self.links.remove(&link) {
                self.vote(own.tick_ms, None);
            }
        }
    }

    fn vote(&mut self, before: Option<u32>, after: Option<u32>) {
        if let Some(before) = before
            && let Some(votes) = self.votes.get_mut(&before)
        {
            *votes = votes.saturating_sub(1);
            if *votes == 0 {
                self.votes.remove(&before);
            }
        }
        if let Some(after) = after {
            let votes = self.votes.entry(after).or_default();
            *votes = votes.saturating_add(1);
        }
        self.agreed = agreed(&self.votes);
    }
}

/// The tick around which most links agree; of several the longest, with which no limit passes too early.
fn agreed(votes: &BTreeMap<u32, u32>) -> Option<u32> {
    let votes: Vec<(u32, u32)> = votes.iter().map(|(tick, count)| (*tick, *count)).collect();
    let (mut start, mut sum, mut most, mut best) = (0, 0_u32, 0, 0..0);
    for (index, (tick, count)) in votes.iter().enumerate() {
        sum = sum.saturating_add(*count);
        while let Some((first, count)) = votes.get(start)
            && !agree(*first, *tick)
        {
            sum = sum.saturating_sub(*count);
            start += 1;
        }
        if sum >= most {
            (most, best) = (sum, start..index + 1);
        }
    }
    // Of those that agree, the one that most show.
    votes.get(best)?.iter().max_by_key(|(_, count)| *count).map(|(tick, _)| *tick)
}

impl LinkSpacings {
    /// Adds a spacing; whether the tick was looked at anew.
    fn add(&mut self, ms: u16) -> bool {
        if let Some(place) = self.latest.get_mut(self.next) {
            *place = ms;
        } else {
            self.latest.push(ms);
        }
        self.next = (self.next + 1) % MAX_SPACINGS;
        self.seen = self.seen.saturating_add(1);
        let is_due = self.seen <= 2 * MIN_SPACINGS as u64 || self.seen.is_multiple_of(8);
        if is_due {
            self.tick_ms = tick_of(&self.latest);
        }
        is_due
    }
}

const fn agree(one: u32, other: u32) -> bool {
    let larger = if one > other { one } else { other };
    one.abs_diff(other) <= larger / AGREEMENT
}

/// Twice the median spacing, as a number that people set; `None` where there are too few.
fn tick_of(spacings: &[u16]) -> Option<u32> {
    if spacings.len() < MIN_SPACINGS {
        return None;
    }
    let mut sorted = spacings.to_vec();
    sorted.sort_unstable();
    let raw = u32::from(*sorted.get(sorted.len() / 2)?) * 2;
    // A PING goes out late rather than early, by a millisecond or two, and half a tick is rounded down.
    let near = [500_u32, 100, 50, 10].into_iter().find_map(|step| {
        let rounded = (raw + step / 2) / step * step;
        (rounded > 0 && rounded.abs_diff(raw) <= (rounded / 100).max(2)).then_some(rounded)
    });
    Some(near.unwrap_or(raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(ticks: &mut TickEstimator, link: u32, spacings: impl IntoIterator<Item = i64>) {
        spacings.into_iter().for_each(|ms| ticks.add(link, Span::from_millis(ms)));
    }

    #[test]
    fn the_tick_is_twice_the_spacing() {
        for (spacings, tick) in [
            ([500, 501, 502, 501, 1003], 1000),
            ([1000, 1001, 1000, 1002, 999], 2000),
            ([125, 125, 126, 125, 125], 250),
        ] {
            let mut ticks = TickEstimator::default();
            add(&mut ticks, 1, spacings);
            assert_eq!(ticks.tick_ms(), Some(tick));
        }
        assert_eq!(TickEstimator::default().tick_ms(), None);
    }

    #[test]
    fn a_link_that_pings_at_another_pace_changes_nothing_for_the_others() {
        let mut ticks = TickEstimator::default();
        add(&mut ticks, 9, [10; 10_000]);
        for link in 1..=4 {
            add(&mut ticks, link, [1000; 8]);
        }
        assert_eq!(ticks.tick_ms(), Some(2000));
        assert_eq!(ticks.of_link(9), Some(20));
        assert_eq!(ticks.of_link(1), Some(2000));
    }

    #[test]
    fn links_agree_though_they_are_not_alike() {
        let mut ticks = TickEstimator::default();
        for (link, ms) in [(1, 617), (2, 618), (3, 619)] {
            add(&mut ticks, link, [ms; 8]);
        }
        add(&mut ticks, 4, [10; 8]);
        add(&mut ticks, 5, [10; 8]);
        assert!(ticks.tick_ms().is_some_and(|tick| (1234..=1250).contains(&tick)), "{:?}", ticks.tick_ms());
    }

    #[test]
    fn first_spacings_of_several_links_make_a_tick() {
        let mut ticks = TickEstimator::default();
        add(&mut ticks, 1, [1000, 1001]);
        assert_eq!(ticks.tick_ms(), None);
        add(&mut ticks, 2, [1000, 1000]);
        assert_eq!(ticks.tick_ms(), Some(2000));
    }

    #[test]
    fn links_that_are_gone_have_no_vote() {
        let mut ticks = TickEstimator::default();
        (0..100).for_each(|link| add(&mut ticks, link, [10; 8]));
        add(&mut ticks, 100, [1000; 8]);
        assert_eq!(ticks.tick_ms(), Some(20));
        ticks.retain(|link| link >= 100);
        assert_eq!((ticks.tick_ms(), ticks.links.len(), ticks.votes.len()), (Some(2000), 1, 1));
    }
}
