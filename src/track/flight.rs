//! PROPOSALs on their way: who has acknowledged and who has committed what.
//!
//! Entries are in the order of their zxids. What was inferred comes late, so an ACK may be known before
//! its PROPOSAL is; such ACKs and COMMITs wait for it.

use crate::frame::FrameRef;
use crate::proto::Zxid;
use crate::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};

/// PROPOSALs remembered per link; beyond, the oldest is let go.
const MOST: usize = 16_384;
/// PROPOSALs that may be known by their answers alone; beyond, the oldest is let go.
const LOOSE_MOST: usize = 1_024;
/// How far behind the last ACK and COMMIT an entry without its own is still kept.
const BEHIND: u64 = 1_024;

/// One PROPOSAL.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its zxid.
    pub zxid: Zxid,
    /// When it was sent.
    pub at: Timestamp,
    /// Its frame.
    pub place: FrameRef,
    /// Whether its time is its own and the leader was timing this learner.
    pub counts: bool,
    is_acked: bool,
    is_committed: bool,
}

impl Entry {
    /// It, answered so.
    #[inline]
    const fn answered(&self, at: Timestamp, place: FrameRef, is_ack: bool, counts: bool) -> Answered {
        Answered {
            sent_at: self.at,
            sent_place: self.place,
            at,
            place,
            is_ack,
            counts: counts && self.counts,
        }
    }
}

/// An answer that came before its PROPOSAL was known.
#[derive(Clone, Copy, Debug)]
struct Answer {
    at: Timestamp,
    place: FrameRef,
    counts: bool,
}

/// The answers to a PROPOSAL that is not known yet.
#[derive(Clone, Copy, Debug, Default)]
struct Loose {
    ack: Option<Answer>,
    commit: Option<Answer>,
}

/// What an ACK or a COMMIT answers.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// When the PROPOSAL was sent.
    pub sent_at: Timestamp,
    /// Its frame.
    pub sent_place: FrameRef,
    /// When the answer was sent.
    pub at: Timestamp,
    /// Its frame.
    pub place: FrameRef,
    /// Whether it is an ACK (else a COMMIT).
    pub is_ack: bool,
    /// Whether both times are known.
    pub counts: bool,
}

/// The PROPOSALs of a link.
#[derive(Clone, Debug, Default)]
pub struct InFlight {
    entries: VecDeque<Entry>,
    loose: BTreeMap<Zxid, Loose>,
    last_ack: Option<Zxid>,
    last_commit: Option<Zxid>,
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
        place: FrameRef,
        counts: bool,
        mut answered: impl FnMut(Answered),
    ) {
        let mut entry = Entry { zxid, at, place, counts, is_acked: false, is_committed: false };
        let loose = if self.loose.is_empty() { None } else { self.loose.remove(&zxid) };
        for (answer, is_ack) in loose.iter().flat_map(|loose| [(loose.ack, true), (loose.commit, false)]) {
            let Some(Answer { at, place, counts }) = answer else { continue };
            *(if is_ack { &mut entry.is_acked } else { &mut entry.is_committed }) = true;
            answered(entry.answered(at, place, is_ack, counts));
        }
        match self.entries.back() {
            Some(last) if last.zxid >= zxid => {
                let index = self.entries.partition_point(|other| other.zxid < zxid);
                if self.entries.get(index).is_some_and(|other| other.zxid == zxid) {
                    return;
                }
                self.entries.insert(index, entry);
            }
            _ => self.entries.push_back(entry),
        }
        if self.entries.len() > MOST {
            self.evicted += 1;
            self.let_go();
        }
    }

    /// Notes an ACK or a COMMIT; answers the PROPOSAL it is for.
    #[inline]
    pub fn answer(
        &mut self,
        zxid: Zxid,
        at: Timestamp,
        place: FrameRef,
        is_ack: bool,
        counts: bool,
    ) -> Option<Answered> {
        let last = if is_ack { &mut self.last_ack } else { &mut self.last_commit };
        *last = (*last).max(Some(zxid));
        let Some(entry) = self.find(zxid) else {
            self.wait(zxid, is_ack, Answer { at, place, counts });
            return None;
        };
        let is_known = if is_ack { &mut entry.is_acked } else { &mut entry.is_committed };
        if std::mem::replace(is_known, true) {
            return None;
        }
        let answered = entry.answered(at, place, is_ack, counts);
        self.trim();
        Some(answered)
    }

    /// Keeps an answer whose PROPOSAL may yet turn up.
    #[cold]
    fn wait(&mut self, zxid: Zxid, is_ack: bool, answer: Answer) {
        if self.entries.front().is_some_and(|first| first.zxid >= zxid) {
            return;
        }
        let loose = self.loose.entry(zxid).or_default();
        let place_of = if is_ack { &mut loose.ack } else { &mut loose.commit };
        place_of.get_or_insert(answer);
        if self.loose.len() > LOOSE_MOST {
            self.loose.pop_first();
            self.evicted += 1;
        }
    }

    /// The entry of a zxid: as a rule the numbering has no holes.
    #[inline]
    fn find(&mut self, zxid: Zxid) -> Option<&mut Entry> {
        let first = self.entries.front()?.zxid;
        let guess = usize::try_from(zxid.0.checked_sub(first.0)?).ok()?;
        if self.entries.get(guess).is_some_and(|entry| entry.zxid == zxid) {
            return self.entries.get_mut(guess);
        }
        let index = self.search(zxid, guess)?;
        self.entries.get_mut(index)
    }

    /// The place of a zxid where the numbering has holes: with some, it lies a little before.
    #[cold]
    fn search(&self, zxid: Zxid, guess: usize) -> Option<usize> {
        const STEPS: usize = 4;
        let mut guess = guess.min(self.entries.len() - 1);
        for _ in 0..STEPS {
            let held = self.entries.get(guess)?.zxid;
            if held <= zxid {
                return (held == zxid).then_some(guess);
            }
            guess = guess.checked_sub(usize::try_from(held.0 - zxid.0).ok()?)?;
        }
        self.entries.binary_search_by_key(&zxid, |entry| entry.zxid).ok()
    }

    /// Lets go what is answered, and what is so far behind that its answers will not be found.
    #[inline]
    fn trim(&mut self) {
        let behind = self.last_ack.min(self.last_commit).map_or(0, |last| last.0.saturating_sub(BEHIND));
        while let Some(first) = self.entries.front() {
            if first.is_acked && first.is_committed {
                self.entries.pop_front();
            } else if first.zxid.0 < behind {
                self.let_go();
            } else {
                break;
            }
        }
    }

    fn let_go(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        if entry.counts {
            self.unacked += u64::from(!entry.is_acked && Some(entry.zxid) > self.last_ack);
            self.uncommitted += u64::from(!entry.is_committed && Some(entry.zxid) > self.last_commit);
        }
    }

    /// The oldest PROPOSAL that waits for its ACK: later than any that was acknowledged.
    #[must_use]
    pub fn oldest_unacked(&self) -> Option<Entry> {
        let mut waiting = self.entries.iter().rev().take_while(|entry| Some(entry.zxid) > self.last_ack);
        let mut oldest = None;
        for entry in waiting.by_ref().filter(|entry| entry.counts && !entry.is_acked) {
            oldest = Some(*entry);
        }
        oldest
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
            self.let_go();
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
