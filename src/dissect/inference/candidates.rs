//! The ways in which packets can fill one span: their sizes must add up to its length.

use super::{Behind, Hypothesis, Item, Left, MAX_HYPOTHESES, Next, Numbering, Search, is_main};
use crate::dissect::span::HiddenSpan;
use crate::proto::PacketType;
use std::rc::Rc;

/// Size of the smallest PROPOSAL or INFORM on the wire.
const MIN_PROPOSAL_LEN: u64 = 52;
/// Size of the smallest REQUEST on the wire.
const MIN_REQUEST_LEN: u64 = 36;
/// Size of COMMIT, ACK, UPTODATE and a leader's PING.
const SMALL: u64 = 20;
/// Size of a leader's REVALIDATE, and of a learner's.
const REVALIDATE_ANSWER: u64 = 29;
const REVALIDATE_REQUEST: u64 = 32;
/// The longest span for which common sizes are tried for PROPOSALs of unknown size.
const MAX_COMMON_SIZE: u64 = 16 * 1024;

impl Search<'_> {
    /// All combinations of packets to a learner that fill a span.
    pub(super) fn hypotheses_to_learner(
        &mut self,
        at: usize,
        behind: Behind,
        span: &HiddenSpan,
        numbering: &Numbering,
        hypotheses: &mut Vec<Hypothesis>,
    ) {
        let left = |next: Option<Next>, last| next.and_then(|next| next.left(last, numbering.history_end));
        let proposals = left(behind.main, numbering.proposal).unwrap_or(Left::ANY);
        let mut commits = left(behind.commit, numbering.commit).unwrap_or(Left::ANY);
        if let Some(Item::Seen { kind, zxid, .. }) = self.items.get(at + 1)
            && is_main(*kind)
            && let Some(last) = numbering.commit.filter(|_| numbering.is_history(*zxid))
        {
            let exact = zxid.counter().saturating_sub(last.counter()).saturating_sub(1);
            commits = Left { least: exact, most: exact };
        }
        if let Some(Item::Seen { kind: PacketType::NewLeader | PacketType::UpToDate, .. }) =
            self.items.get(at + 1)
            && let (Some(last), Some(end)) = (numbering.commit, numbering.history_end)
            && last.epoch() == end.epoch()
        {
            commits.least = commits.least.max(end.counter().saturating_sub(last.counter()));
        }
        let hint = span.glimpse().map(|glimpse| glimpse.kind);
        let has_only_small = !numbering.awaits_newleader && self.constraints.revalidates_open == 0;
        let fits = u32::try_from(span.len / MIN_PROPOSAL_LEN).unwrap_or(u32::MAX);
        let mut sized = 0u64;
        let mut unsized_count = 0u64;
        for main in 0..=fits.min(proposals.most) {
            if main > 0 {
                let zxid = numbering.proposal.map(|last| last.plus(u64::from(main)));
                match zxid.and_then(|zxid| (self.constraints.size_of)(zxid)) {
                    Some(size) => sized += u64::from(size),
                    None => unsized_count += 1,
                }
            }
            let least = sized + unsized_count * MIN_PROPOSAL_LEN;
            if least > span.len || hypotheses.len() >= MAX_HYPOTHESES {
                break;
            }
            if main < proposals.least {
                continue;
            }
            // Then everything but PROPOSALs has 20 bytes.
            if has_only_small && unsized_count == 0 && !(span.len - sized).is_multiple_of(SMALL) {
                continue;
            }
            let commits = Left { least: commits.least.max(numbering.commits_due(main)), ..commits };
            let mut add = |hypothesis: Hypothesis| {
                let hypothesis = Hypothesis { main, ..hypothesis };
                if hint.is_none_or(|hint| hypothesis.holds(hint, false)) {
                    hypotheses.push(hypothesis);
                }
            };
            match self.constraints.common_sizes {
                Some(common_sizes) if unsized_count > 0 => {
                    for &sum in self.sums(common_sizes, unsized_count, span.len - sized).iter() {
                        if has_only_small && !(span.len - sized - sum).is_multiple_of(SMALL) {
                            continue;
                        }
                        self.fill_small(span, numbering, (sized + sum, 0), (main, commits), &mut add);
                    }
                }
                _ => self.fill_small(span, numbering, (sized, unsized_count), (main, commits), &mut add),
            }
        }
    }

    /// Fills the rest of a span with COMMITs, PINGs and the rarer small packets.
    fn fill_small(
        &self,
        span: &HiddenSpan,
        numbering: &Numbering,
        (sized, unsized_count): (u64, u64),
        (main, commits): (u32, Left),
        add: &mut impl FnMut(Hypothesis),
    ) {
        let commits_max = numbering.commits_possible(main).min(commits.most);
        let commits_max =
            if self.constraints.is_observer && !numbering.awaits_newleader { 0 } else { commits_max };
        let pings_max = u32::from(numbering.ping_possible(span, self.constraints.ping_every));
        for newleaders in 0..=u32::from(numbering.awaits_newleader) {
            let (named, unnamed) = match (newleaders, self.constraints.newleader_size) {
                (0, _) => (0, 0),
                (_, Some(size)) => (size, 0),
                (_, None) => (0, 1),
            };
            for revalidates in 0..=self.constraints.revalidates_open {
                for uptodates in 0..=u32::from(numbering.awaits_uptodate) {
                    for pings in 0..=pings_max {
                        let fixed = sized
                            + named
                            + u64::from(revalidates) * REVALIDATE_ANSWER
                            + u64::from(uptodates + pings) * SMALL;
                        let Some(space) = span.len.checked_sub(fixed) else { continue };
                        let free = unsized_count * MIN_PROPOSAL_LEN + unnamed * SMALL;
                        let hypothesis = |commits| Hypothesis {
                            commits,
                            pings,
                            newleaders,
                            uptodates,
                            revalidates,
                            ..Hypothesis::default()
                        };
                        if unsized_count + unnamed == 0 {
                            let exact = u32::try_from(space / SMALL).unwrap_or(u32::MAX);
                            if space % SMALL == 0 && (commits.least..=commits_max).contains(&exact) {
                                add(hypothesis(exact));
                            }
                        } else if let Some(spare) = space.checked_sub(free) {
                            let most = u32::try_from(spare / SMALL).unwrap_or(u32::MAX);
                            for commits in (commits.least..=commits_max.min(most)).take(MAX_HYPOTHESES) {
                                add(hypothesis(commits));
                            }
                        }
                    }
                }
            }
        }
    }

    /// All combinations of packets to the leader that fill a span: ACKs, followed by at most one packet that
    /// a learner flushes immediately.
    pub(super) fn hypotheses_to_leader(
        &self,
        behind: Behind,
        span: &HiddenSpan,
        numbering: &Numbering,
        hypotheses: &mut Vec<Hypothesis>,
    ) {
        let left = behind.main.and_then(|next| next.left(numbering.ack, None));
        let left = left.unwrap_or_else(|| Left { most: numbering.acks_possible(), ..Left::ANY });
        let most = left.most;
        let hint = span.glimpse().map(|glimpse| glimpse.kind);
        let fits = u32::try_from(span.len / SMALL).unwrap_or(u32::MAX);
        let may_answer = (self.constraints.may_answer_ping)(span.at);
        for main in left.least..=fits.min(most) {
            let rest = span.len - u64::from(main) * SMALL;
            let base = Hypothesis { main, ..Hypothesis::default() };
            let options = [
                (rest == 0, base),
                (
                    may_answer && rest >= SMALL && (rest - SMALL).is_multiple_of(12),
                    Hypothesis { pings: 1, ..base },
                ),
                (rest >= MIN_REQUEST_LEN, Hypothesis { requests: 1, ..base }),
                (rest == REVALIDATE_REQUEST, Hypothesis { revalidates: 1, ..base }),
            ];
            if hypotheses.len() >= MAX_HYPOTHESES {
                break;
            }
            hypotheses.extend(
                options
                    .into_iter()
                    .filter(|(fits, hypothesis)| {
                        *fits && hint.is_none_or(|hint| hypothesis.holds(hint, true))
                    })
                    .map(|(_, hypothesis)| hypothesis),
            );
        }
    }

    fn sums(&mut self, common_sizes: &[u32], count: u64, most: u64) -> Rc<[u64]> {
        let cache = &mut self.scratch.sums;
        if let Some((_, _, sums)) = cache.iter().find(|(c, m, _)| (*c, *m) == (count, most)) {
            return Rc::clone(sums);
        }
        let sums: Rc<[u64]> = sums_of(common_sizes, count, most).into();
        cache.push((count, most, Rc::clone(&sums)));
        sums
    }
}

/// The total lengths up to `most` that `count` PROPOSALs of common sizes can have, as a bit set: adding a
/// size is a shift.
fn sums_of(common_sizes: &[u32], count: u64, most: u64) -> Vec<u64> {
    if most > MAX_COMMON_SIZE {
        return Vec::new();
    }
    let words = usize::try_from(most / 64 + 1).unwrap_or(1);
    let mut sums = vec![0u64; words];
    if let Some(first) = sums.first_mut() {
        *first = 1;
    }
    for _ in 0..count {
        let mut next = vec![0u64; words];
        for size in common_sizes {
            let (skip, shift) = (*size as usize / 64, size % 64);
            for (at, word) in sums.iter().enumerate().filter(|(_, word)| **word != 0) {
                if let Some(to) = next.get_mut(at + skip) {
                    *to |= word << shift;
                }
                if let Some(to) = next.get_mut(at + skip + 1).filter(|_| shift > 0) {
                    *to |= word >> (64 - shift);
                }
            }
        }
        sums = next;
    }
    let mut lengths = Vec::new();
    for (at, mut word) in (0u64..).zip(sums) {
        while word != 0 {
            lengths.push(at * 64 + u64::from(word.trailing_zeros()));
            word &= word - 1;
        }
    }
    lengths.retain(|sum| *sum <= most);
    lengths
}
