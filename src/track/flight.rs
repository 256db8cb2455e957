//! PROPOSALs on their way: who has acknowledged and who has committed what.
//!
//! Entries are in the order of their zxids. What was inferred comes late, so an ACK may be known before
//! its PROPOSAL is; such ACKs and COMMITs wait for it.

use crate::frame::FrameRef;
use crate::proto::Zxid;
use crate::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;

/// PROPOSALs remembered per link; beyond, the oldest is let go.
const MAX_PROPOSALS: usize = 16_384;
/// PROPOSALs that may be known by their answers alone; beyond, the oldest is let go.
const MAX_LOOSE: usize = 1_024;
/// How far behind the last ACK and COMMIT an entry without its own is still kept.
const BEHIND: u64 = 1_024;
/// Behind how many later ones a PROPOSAL may turn up.
const MAX_LATE: usize = 1_024;
/// Entries from which on it is worth while to let go of answered ones between others.
const CROWDED: usize = 64;

/// One PROPOSAL.
#[derive(Clone, Copy, Debug)]
pub struct SentProposal {
    /// Its zxid.
    pub zxid: Zxid,
    /// When it was sent.
    pub at: Timestamp,
    /// Its frame.
    pub frame: FrameRef,
    /// Whether its time is its own and the leader was timing this learner.
    pub counts: bool,
    is_acked: bool,
    is_committed: bool,
}

impl SentProposal {
    /// It, answered so.
    #[inline]
    const fn answered(&self, at: Timestamp, frame: FrameRef, is_ack: bool, counts: bool) -> Answered {
        Answered {
            sent_at: self.at,
            sent_frame: self.frame,
            at,
            frame,
            is_ack,
            counts: counts && self.counts,
        }
    }
}

/// An answer that came before its PROPOSAL was known.
#[derive(Clone, Copy, Debug)]
struct EarlyAnswer {
    at: Timestamp,
    frame: FrameRef,
    counts: bool,
}

/// The answers to a PROPOSAL that is not known yet.
#[derive(Clone, Copy, Debug, Default)]
struct Loose {
    ack: Option<EarlyAnswer>,
    commit: Option<EarlyAnswer>,
}

/// What an ACK or a COMMIT answers.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// When the PROPOSAL was sent.
    pub sent_at: Timestamp,
    /// Its frame.
    pub sent_frame: FrameRef,
    /// When the answer was sent.
    pub at: Timestamp,
    /// Its frame.
    pub frame: FrameRef,
    /// Whether it is an ACK (else a COMMIT).
    pub is_ack: bool,
    /// Whether both times are known.
    pub counts: bool,
}

/// Where the next answer of each kind looks first.
#[derive(Clone, Copy, Debug, Default)]
struct SearchFrom {
    ack: usize,
    commit: usize,
}

impl SearchFrom {
    /// The first entry is gone.
    const fn shift(&mut self) {
        self.ack = self.ack.saturating_sub(1);
        self.commit = self.commit.saturating_sub(1);
    }
}

/// The PROPOSALs of a link.
#[derive(Clone, Debug, Default)]
pub struct InFlight {
    entries: VecDeque<SentProposal>,
    /// What was answered and let go while earlier entries wait, in order. One entry without an answer would
    /// hold on to a thousand behind it, and links with as many each would fill all caches.
    done: VecDeque<RangeInclusive<u64>>,
    /// Answered entries behind the first.
    answered_behind: usize,
    /// Where the next ACK and the next COMMIT look first; they come in order.
    next: SearchFrom,
    loose: BTreeMap<Zxid, Loose>,
    /// The highest zxid that ever was loose: a PROPOSAL beyond it has no answer yet.
    loose_last: Option<Zxid>,
    last_ack: Option<Zxid>,
    last_commit: Option<Zxid>,
    /// When an ACK was last seen.
    last_ack_at: Option<Timestamp>,
    /// See [`Self::doubted`].
    doubted: Option<(Timestamp, u64)>,
    /// PROPOSALs, and answers without one, that were let go because there were too many.
    pub evicted: u64,
    /// PROPOSALs let go without an ACK though no later one was acknowledged.
    pub unacked: u64,
    /// The same for COMMITs.
    pub uncommitted: u64,
}

impl InFlight {
    /// Notes a PROPOSAL; hands on what had answered it already.
    pub fn proposal(
        &mut self,
        zxid: Zxid,
        at: Timestamp,
        frame: FrameRef,
        counts: bool,
        mut answered: impl FnMut(Answered),
    ) {
        let mut entry = SentProposal { zxid, at, frame, counts, is_acked: false, is_committed: false };
        let loose = if Some(zxid) > self.loose_last { None } else { self.loose.remove(&zxid) };
        for (answer, is_ack) in loose.iter().flat_map(|loose| [(loose.ack, true), (loose.commit, false)]) {
            let Some(EarlyAnswer { at, frame, counts }) = answer else { continue };
            *(if is_ack { &mut entry.is_acked } else { &mut entry.is_committed }) = true;
            answered(entry.answered(at, frame, is_ack, counts));
        }
        self.answered_behind += usize::from(entry.is_acked && entry.is_committed);
        match self.entries.back() {
            Some(last) if last.zxid >= zxid => {
                let index = self.entries.partition_point(|other| other.zxid < zxid);
                if self.entries.get(index).is_some_and(|other| other.zxid == zxid) || self.is_done(zxid) {
                    return;
                }
                // So late comes nothing that was inferred: a leader that has lost its count, or a forger.
                if self.entries.len() - index > MAX_LATE {
                    self.evicted += 1;
                    return;
                }
                self.entries.insert(index, entry);
            }
            _ => self.entries.push_back(entry),
        }
        if self.entries.len() > MAX_PROPOSALS {
            self.evicted += 1;
            self.evict();
        }
    }

    /// Notes an ACK or a COMMIT; answers the PROPOSAL it is for.
    #[inline(always)]
    pub fn answer(
        &mut self,
        zxid: Zxid,
        at: Timestamp,
        frame: FrameRef,
        is_ack: bool,
        counts: bool,
    ) -> Option<Answered> {
        let last = if is_ack { &mut self.last_ack } else { &mut self.last_commit };
        *last = (*last).max(Some(zxid));
        if is_ack {
            self.last_ack_at = self.last_ack_at.max(Some(at));
        }
        let from = if is_ack { self.next.ack } else { self.next.commit };
        let Some(index) = self.find(zxid, from) else {
            self.wait(zxid, is_ack, EarlyAnswer { at, frame, counts });
            return None;
        };
        *(if is_ack { &mut self.next.ack } else { &mut self.next.commit }) = index + 1;
        let entry = self.entries.get_mut(index)?;
        let is_known = if is_ack { &mut entry.is_acked } else { &mut entry.is_committed };
        if std::mem::replace(is_known, true) {
            return None;
        }
        let answered = entry.answered(at, frame, is_ack, counts);
        self.answered_behind += usize::from(index > 0 && entry.is_acked && entry.is_committed);
        self.trim();
        if self.entries.len() > CROWDED && self.answered_behind > self.entries.len() / 2 {
            self.thin_out();
        }
        Some(answered)
    }

    /// Keeps an answer whose PROPOSAL may yet turn up.
    #[cold]
    fn wait(&mut self, zxid: Zxid, is_ack: bool, answer: EarlyAnswer) {
        if self.entries.front().is_some_and(|first| first.zxid >= zxid) || self.is_done(zxid) {
            return;
        }
        self.loose_last = self.loose_last.max(Some(zxid));
        let loose = self.loose.entry(zxid).or_default();
        let place_of = if is_ack { &mut loose.ack } else { &mut loose.commit };
        place_of.get_or_insert(answer);
        if self.loose.len() > MAX_LOOSE {
            self.loose.pop_first();
            self.evicted += 1;
        }
    }

    /// The place of a zxid: as a rule where the last answer lets expect it, or where it is if the numbering
    /// has no holes.
    #[inline(always)]
    fn find(&self, zxid: Zxid, expected: usize) -> Option<usize> {
        let is_it = |index: usize| self.entries.get(index).is_some_and(|entry| entry.zxid == zxid);
        if is_it(expected) {
            return Some(expected);
        }
        self.find_elsewhere(zxid)
    }

    /// The same, where it is not the one that is expected.
    fn find_elsewhere(&self, zxid: Zxid) -> Option<usize> {
        let first = self.entries.front()?.zxid;
        let guess = usize::try_from(zxid.0.checked_sub(first.0)?).ok()?;
        if self.entries.get(guess).is_some_and(|entry| entry.zxid == zxid) {
            return Some(guess);
        }
        self.search(zxid, guess)
    }

    /// The place of a zxid where the numbering has holes: not behind the one it would have without.
    #[cold]
    fn search(&self, zxid: Zxid, guess: usize) -> Option<usize> {
        let (mut from, mut to) = (0, self.entries.len().min(guess.saturating_add(1)));
        // From the end on in growing steps: what is answered lies among the last ones.
        let mut step = 1;
        while let Some(index) = to.checked_sub(step) {
            if self.entries.get(index)?.zxid <= zxid {
                from = index;
                break;
            }
            to = index;
            step *= 2;
        }
        while from < to {
            let middle = from.midpoint(to);
            let held = self.entries.get(middle)?.zxid;
            if held == zxid {
                return Some(middle);
            }
            (from, to) = if held < zxid { (middle + 1, to) } else { (from, middle) };
        }
        None
    }

    /// Lets go the answered entries behind the first.
    #[cold]
    fn thin_out(&mut self) {
        let Some(first) = self.entries.front().map(|first| first.zxid) else { return };
        let mut done = VecDeque::with_capacity(self.done.len() + 8);
        let mut known = std::mem::take(&mut self.done).into_iter().peekable();
        let add = |done: &mut VecDeque<RangeInclusive<u64>>, range: RangeInclusive<u64>| match done.back_mut()
        {
            Some(last) if last.end().saturating_add(1) >= *range.start() => {
                *last = *last.start()..=*range.end().max(last.end())
            }
            _ => done.push_back(range),
        };
        self.entries.retain(|entry| {
            let stays = entry.zxid == first || !(entry.is_acked && entry.is_committed);
            if !stays {
                while let Some(range) = known.next_if(|range| *range.start() < entry.zxid.0) {
                    add(&mut done, range);
                }
                add(&mut done, entry.zxid.0..=entry.zxid.0);
            }
            stays
        });
        known.for_each(|range| add(&mut done, range));
        self.done = done;
        self.answered_behind = 0;
    }

    /// Whether a PROPOSAL was answered and let go though an earlier one waits.
    fn is_done(&self, zxid: Zxid) -> bool {
        let index = self.done.partition_point(|range| *range.end() < zxid.0);
        self.done.get(index).is_some_and(|range| range.contains(&zxid.0))
    }

    /// Lets go what is answered, and what is so far behind that its answers will not be found.
    #[inline(always)]
    fn trim(&mut self) {
        while let Some(first) = self.entries.front() {
            if first.is_acked && first.is_committed {
                self.entries.pop_front();
                self.answered_behind = self.answered_behind.saturating_sub(1);
                self.next.shift();
            } else if self.is_far_behind(first.zxid) {
                self.evict();
            } else {
                break;
            }
        }
        if !self.done.is_empty() {
            self.trim_done();
        }
    }

    /// Whether so many later ones have both answers that its own will not be found.
    #[inline]
    fn is_far_behind(&self, zxid: Zxid) -> bool {
        self.last_ack.min(self.last_commit).is_some_and(|last| zxid.0 < last.0.saturating_sub(BEHIND))
    }

    /// Forgets which answered ones were let go before the first that is left.
    #[cold]
    fn trim_done(&mut self) {
        while let (Some(range), Some(first)) = (self.done.front(), self.entries.front())
            && *range.end() < first.zxid.0
        {
            self.done.pop_front();
        }
        if self.entries.is_empty() {
            self.done.clear();
        }
    }

    /// Bytes of memory that they take.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<SentProposal>() + self.loose.len() * size_of::<(Zxid, Loose)>()
    }

    /// Lets the oldest go until they take no more memory than `bytes`.
    pub fn keep_within(&mut self, bytes: usize) {
        let most = bytes / 2 / size_of::<SentProposal>();
        while self.entries.len() > most {
            self.evicted += 1;
            self.evict();
        }
        self.entries.shrink_to(most);
        while self.loose.len() > bytes / 2 / size_of::<(Zxid, Loose)>() {
            self.evicted += 1;
            self.loose.pop_first();
        }
    }

    fn evict(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        self.next.shift();
        if entry.counts {
            self.unacked += u64::from(!entry.is_acked && Some(entry.zxid) > self.last_ack);
            self.uncommitted += u64::from(!entry.is_committed && Some(entry.zxid) > self.last_commit);
        }
    }

    /// Up to then so many ACKs may have gone by unseen. Answers whether that leaves what waits in doubt.
    pub fn doubt(&mut self, until: Timestamp, most: u64) -> bool {
        let is_refuted = Some(until) < self.last_ack_at;
        if is_refuted {
            return false;
        }
        let (_, so_far) = self.doubted();
        self.doubted =
            Some((self.doubted.map_or(until, |(at, _)| at.max(until)), so_far.saturating_add(most)));
        true
    }

    /// Up to when how many ACKs may have gone by unseen. They come in order: one that is seen later shows that
    /// none of a later PROPOSAL had.
    fn doubted(&self) -> (Option<Timestamp>, u64) {
        match self.doubted {
            Some((until, most)) if Some(until) >= self.last_ack_at => (Some(until), most),
            _ => (None, 0),
        }
    }

    /// The oldest PROPOSAL that surely waits for its ACK: later than any that was acknowledged, and than those
    /// that may have been.
    #[must_use]
    pub fn oldest_unacked(&self) -> Option<SentProposal> {
        let (until, most) = self.doubted();
        let first = self.entries.partition_point(|entry| Some(entry.zxid) <= self.last_ack);
        // In the order of their zxids they were sent.
        let before = self.entries.partition_point(|entry| Some(entry.at) < until);
        let behind = first.saturating_add(usize::try_from(most).unwrap_or(usize::MAX));
        let waiting = self.entries.iter().skip(first.max(before.min(behind)));
        waiting.into_iter().find(|entry| entry.counts && !entry.is_acked).copied()
    }

    /// How many PROPOSALs later than any that was acknowledged wait for their ACK.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        let waiting = self.entries.iter().rev().take_while(|entry| Some(entry.zxid) > self.last_ack);
        u32::try_from(waiting.count()).unwrap_or(u32::MAX)
    }

    /// The link is over: what is left stays without answer.
    pub fn finish(&mut self) {
        while !self.entries.is_empty() {
            self.evict();
        }
    }

    /// Only the counts.
    #[must_use]
    pub fn over(&self) -> Self {
        Self {
            evicted: self.evicted,
            unacked: self.unacked,
            uncommitted: self.uncommitted,
            ..Self::default()
        }
    }

    /// How many PROPOSALs are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_zxid_of_all_may_be_answered_again_and_again() {
        let mut flight = InFlight::default();
        let (at, frame) = (Timestamp::default(), FrameRef::default());
        let first = u64::MAX - 1_000;
        flight.proposal(Zxid(first), at, frame, true, |_| {});
        for turn in 0..3 {
            let zxids: Vec<_> =
                (1..200).map(|number| Zxid(first + turn * 200 + number)).chain([Zxid::NONE]).collect();
            zxids.iter().for_each(|zxid| flight.proposal(*zxid, at, frame, true, |_| {}));
            for zxid in zxids.iter().rev().take(1).chain(&zxids[..150]) {
                let answers =
                    [true, false].map(|is_ack| flight.answer(*zxid, at, frame, is_ack, true).is_some());
                assert_eq!(answers, [true; 2], "{zxid} in turn {turn}");
            }
            assert!(flight.is_done(Zxid::NONE), "turn {turn}");
        }
        assert!(flight.oldest_unacked().is_none());
    }
}
