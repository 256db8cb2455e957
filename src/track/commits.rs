//! When the ensemble committed: the stretches of time without a COMMIT that may matter.
//!
//! A leader sends each COMMIT to all its followers, and an INFORM to its observers: any link that serves shows
//! them all. An idle ensemble commits nothing either; so a stretch is kept only where a PROPOSAL waited in it, or
//! where another epoch began.

use crate::proto::Zxid;
use crate::time::{Span, Timestamp};
use std::collections::BTreeSet;

/// Shorter stretches are not kept: less than any sensible tickTime.
const MIN_QUIET: Span = Span::from_millis(300);
/// Stretches kept; beyond, the shorter half goes.
const MAX_QUIETS: usize = 1_024;
/// Links that serve and are told apart.
const MAX_SERVING: usize = 1_024;
/// Later stretches that a COMMIT may fall into that is told late.
const MAX_LATE: usize = 8;

/// A stretch of time without a COMMIT in sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// The last COMMIT before it.
    pub from: Timestamp,
    /// The first COMMIT after it, or when the last link that shows COMMITs ended.
    pub to: Timestamp,
    /// Whether a COMMIT ended it.
    pub is_over: bool,
    /// The epoch of the COMMIT before it.
    pub epoch_before: Option<u32>,
    /// The epoch of the COMMIT after it.
    pub epoch_after: Option<u32>,
    /// Since when a PROPOSAL waited for its COMMIT.
    pub waits_since: Option<Timestamp>,
    /// When the leader of the epoch before it was last heard.
    pub leader_heard: Option<Timestamp>,
    /// The first UPTODATE in it.
    pub up_at: Option<Timestamp>,
}

/// The leader's last word in an epoch.
#[derive(Clone, Copy, Debug)]
struct Word {
    epoch: u32,
    at: Timestamp,
}

/// All COMMITs of a capture, as far as they tell of stretches without one.
#[derive(Clone, Debug, Default)]
pub struct Commits {
    last: Option<(Timestamp, Option<u32>)>,
    last_zxid: Option<Zxid>,
    /// The first PROPOSAL that surely waits.
    waits: Option<(Zxid, Timestamp)>,
    newest: Option<(Zxid, Timestamp)>,
    word: Option<Word>,
    word_before: Option<Word>,
    up_at: Option<Timestamp>,
    serving: BTreeSet<u32>,
    quiets: Vec<Quiet>,
    /// Stretches let go because there were too many.
    pub forgotten: u64,
}

impl Commits {
    /// A COMMIT, or an INFORM.
    #[inline]
    pub(super) fn commit(&mut self, zxid: Option<Zxid>, at: Timestamp) {
        let Some((last, _)) = self.last else {
            self.last = Some((at, zxid.map(Zxid::epoch)));
            return self.answers(zxid);
        };
        if at < last {
            return self.late(at);
        }
        if at.since(last) >= MIN_QUIET {
            self.ends(zxid.map(Zxid::epoch), at);
        }
        self.last = Some((at, zxid.map(Zxid::epoch).or(self.last.and_then(|(_, epoch)| epoch))));
        self.answers(zxid);
    }

    #[inline]
    fn answers(&mut self, zxid: Option<Zxid>) {
        let Some(zxid) = zxid else { return };
        self.last_zxid = self.last_zxid.max(Some(zxid));
        if self.waits.is_some_and(|(waits, _)| waits <= zxid) {
            self.waits = self.newest.filter(|(newest, _)| *newest > zxid);
        }
        self.up_at = None;
    }

    /// A PROPOSAL on a link that serves.
    #[inline]
    pub(super) fn proposal(&mut self, zxid: Option<Zxid>, at: Timestamp) {
        let Some(zxid) = zxid.filter(|zxid| Some(*zxid) > self.last_zxid) else { return };
        if self.newest.is_none_or(|(newest, _)| newest < zxid) {
            self.newest = Some((zxid, at));
        }
        self.waits = self.waits.or(Some((zxid, at)));
    }

    /// A leader is heard, and names its epoch.
    pub(super) fn leader_speaks(&mut self, epoch: u32, at: Timestamp) {
        match &mut self.word {
            Some(word) if word.epoch == epoch => word.at = word.at.max(at),
            Some(word) if word.epoch > epoch => {
                if let Some(before) = self.word_before.as_mut().filter(|before| before.epoch == epoch) {
                    before.at = before.at.max(at);
                }
            }
            word => {
                self.word_before = word.take();
                *word = Some(Word { epoch, at });
            }
        }
    }

    /// A link serves: it shows COMMITs. `since` is its UPTODATE.
    pub(super) fn serves(&mut self, link: u32, since: Option<Timestamp>) {
        if self.serving.len() < MAX_SERVING {
            self.serving.insert(link);
        }
        self.up_at = self.up_at.or(since);
    }

    /// A link shows no more COMMITs. Nobody knows what is committed once none does.
    pub(super) fn ends_serving(&mut self, link: u32, at: Timestamp) {
        if !self.serving.remove(&link) || !self.serving.is_empty() {
            return;
        }
        if let (Some((last, epoch)), Some(_)) = (self.last, self.waits.take())
            && at.since(last) >= MIN_QUIET
        {
            let quiet = self.quiet(last, at, epoch);
            self.keep(Quiet { is_over: false, ..quiet });
        }
        self.newest = None;
    }

    /// COMMITs may have gone by unseen up to a time.
    pub(super) fn unknown(&mut self, from: Timestamp, to: Timestamp) {
        self.late(from);
        self.late(to);
        if let Some((last, _)) = &mut self.last {
            *last = (*last).max(to);
        }
        if self.waits.is_some_and(|(_, at)| at <= to) {
            self.waits = None;
            self.newest = None;
        }
    }

    fn ends(&mut self, epoch: Option<u32>, at: Timestamp) {
        let Some((last, before)) = self.last else { return };
        // Of a COMMIT that is cut too short the epoch is not known: an election decides.
        let is_other = before.is_none() || epoch.is_none() || epoch != before;
        // A write after a long rest is answered as any other.
        let waits = self.waits.filter(|(_, since)| at.since(*since) >= MIN_QUIET);
        if !is_other && waits.is_none() {
            return;
        }
        let quiet = Quiet { waits_since: waits.map(|(_, since)| since), ..self.quiet(last, at, before) };
        self.keep(Quiet { epoch_after: epoch, ..quiet });
    }

    fn quiet(&self, from: Timestamp, to: Timestamp, epoch: Option<u32>) -> Quiet {
        let words = [self.word, self.word_before].into_iter().flatten();
        let heard = words.filter(|word| Some(word.epoch) == epoch && word.at <= to).map(|word| word.at).max();
        Quiet {
            from,
            to,
            is_over: true,
            epoch_before: epoch,
            epoch_after: epoch,
            waits_since: self.waits.map(|(_, at)| at),
            leader_heard: heard,
            up_at: self.up_at.filter(|up| *up >= from && *up <= to),
        }
    }

    #[cold]
    fn keep(&mut self, quiet: Quiet) {
        if self.quiets.len() >= MAX_QUIETS {
            let mut lengths: Vec<_> = self.quiets.iter().map(|quiet| quiet.to.since(quiet.from)).collect();
            let (_, middle, _) = lengths.select_nth_unstable(MAX_QUIETS / 2);
            let middle = *middle;
            self.quiets.retain(|quiet| quiet.to.since(quiet.from) > middle);
            self.forgotten += (MAX_QUIETS - self.quiets.len()) as u64;
        }
        self.quiets.push(quiet);
    }

    /// A COMMIT that is told late: a stretch that seemed without one had one.
    #[cold]
    fn late(&mut self, at: Timestamp) {
        for quiet in self.quiets.iter_mut().rev().take(MAX_LATE) {
            if quiet.from < at && at < quiet.to {
                if at.since(quiet.from) > quiet.to.since(at) { quiet.to = at } else { quiet.from = at }
            }
        }
    }

    /// Since when a PROPOSAL waits for its COMMIT, if one does.
    #[must_use]
    pub fn waits_since(&self) -> Option<Timestamp> {
        self.waits.map(|(_, at)| at)
    }

    /// The stretches, in order of their starts, and the one that goes on at `end`.
    #[must_use]
    pub fn finish(&self, end: Timestamp) -> Vec<Quiet> {
        let mut quiets = self.quiets.clone();
        if let Some((last, epoch)) = self.last.filter(|(last, _)| end.since(*last) >= MIN_QUIET) {
            let quiet = self.quiet(last, end, epoch);
            let waits_since = quiet.waits_since.filter(|_| !self.serving.is_empty());
            quiets.push(Quiet { is_over: false, epoch_after: None, waits_since, ..quiet });
        }
        quiets.sort_by_key(|quiet| (quiet.from, quiet.to));
        quiets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(0).plus(Span::from_millis(millis))
    }

    const fn zxid(epoch: i64, counter: i64) -> Option<Zxid> {
        Some(Zxid((epoch << 32 | counter).cast_unsigned()))
    }

    #[test]
    fn an_idle_ensemble_waits_for_nothing() {
        let mut commits = Commits::default();
        commits.serves(1, None);
        for number in 1..5 {
            commits.proposal(zxid(1, number), at(number * 60_000));
            commits.commit(zxid(1, number), at(number * 60_000 + 2));
        }
        let quiets = commits.finish(at(400_000));
        assert!(quiets.iter().all(|quiet| quiet.waits_since.is_none()), "{quiets:?}");
    }

    #[test]
    fn a_proposal_that_waits_is_remembered_until_its_commit() {
        let mut commits = Commits::default();
        commits.serves(1, None);
        commits.commit(zxid(1, 1), at(0));
        commits.proposal(zxid(1, 2), at(10_000));
        commits.leader_speaks(1, at(12_500));
        commits.proposal(zxid(1, 3), at(12_000));
        commits.commit(zxid(1, 2), at(13_000));
        commits.commit(zxid(1, 3), at(13_001));
        let quiets = commits.finish(at(13_002));
        assert_eq!(quiets.len(), 1);
        assert_eq!((quiets[0].from, quiets[0].to), (at(0), at(13_000)));
        assert_eq!(quiets[0].waits_since, Some(at(10_000)));
        assert_eq!(quiets[0].leader_heard, Some(at(12_500)));
    }

    #[test]
    fn what_no_link_shows_is_not_known() {
        let mut commits = Commits::default();
        commits.serves(1, None);
        commits.commit(zxid(1, 1), at(0));
        commits.proposal(zxid(1, 2), at(10));
        commits.ends_serving(1, at(20));
        commits.serves(2, Some(at(9_000)));
        commits.commit(zxid(1, 9), at(9_001));
        assert_eq!(commits.finish(at(9_002)), []);
    }

    #[test]
    fn a_commit_that_is_told_late_shortens_the_stretch() {
        let mut commits = Commits::default();
        commits.serves(1, None);
        commits.commit(zxid(1, 1), at(0));
        commits.proposal(zxid(1, 2), at(10));
        commits.commit(zxid(1, 3), at(5_000));
        commits.commit(zxid(1, 2), at(4_000));
        let quiets = commits.finish(at(5_000));
        assert_eq!((quiets[0].from, quiets[0].to), (at(0), at(4_000)));
    }

    #[test]
    fn stretches_are_limited() {
        let mut commits = Commits::default();
        commits.serves(1, None);
        for number in 0..10_000 {
            commits.proposal(zxid(1, number), at(number * 2_000));
            commits.commit(zxid(1, number), at(number * 2_000 + 400 + number % 7));
        }
        assert!(commits.quiets.len() <= MAX_QUIETS);
        assert!(commits.forgotten > 0);
    }
}
