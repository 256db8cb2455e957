//! What the cut hid, where only one reading is possible.
//!
//! In: spans of exactly known length without a visible packet head, and the packets seen before,
//! between and behind them. Out: for each span how many packets of each type it holds, if the
//! numbering of zxids and the sizes leave one reading. PROPOSALs count up by one, COMMITs follow them
//! in the same order, ACKs name each PROPOSAL once, PINGs keep their beat; a PROPOSAL's size is that
//! which any other link showed for its zxid. Where several readings remain, what they agree on is
//! proved and the rest is not reported.
//!
//! Source of the rules: `apache/zookeeper: zookeeper-server/.../server/quorum/`, Leader,
//! LearnerHandler and Learner; the smallest PROPOSAL is a closeSession of 3.5 (52 bytes), the smallest
//! REQUEST a closeSession without authinfo (36 bytes).

use super::framer::HiddenSpan;
use crate::proto::{PacketType, Zxid};
use crate::time::{Span, Timestamp};

/// Smallest PROPOSAL or INFORM on the wire.
const PROPOSAL_MIN: u64 = 52;
/// Smallest REQUEST on the wire.
const REQUEST_MIN: u64 = 36;
/// COMMIT, ACK, UPTODATE and a leader's PING.
const SMALL: u64 = 20;
/// A leader's REVALIDATE, and a learner's.
const REVALIDATE_ANSWER: u64 = 29;
const REVALIDATE_REQUEST: u64 = 32;
/// Readings tried for one group of spans before it is given up.
const TRIES_MAX: u32 = 4_000;
/// Different readings kept to find what they agree on.
const READINGS_MAX: usize = 32;

/// What came by while a span waits to be read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    Span(HiddenSpan),
    Seen { kind: PacketType, zxid: Zxid, at: Timestamp },
}

/// How many packets of each type a span holds. `main` are PROPOSALs (INFORMs to an observer) on the
/// way to a learner, ACKs on the way to the leader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) main: u32,
    pub(super) commits: u32,
    pub(super) pings: u32,
    pub(super) requests: u32,
    pub(super) revalidates: u32,
    pub(super) newleaders: u32,
    pub(super) uptodates: u32,
}

impl Reading {
    /// What both readings hold.
    fn common(self, other: Self) -> Self {
        Self {
            main: self.main.min(other.main),
            commits: self.commits.min(other.commits),
            pings: self.pings.min(other.pings),
            requests: self.requests.min(other.requests),
            revalidates: self.revalidates.min(other.revalidates),
            newleaders: self.newleaders.min(other.newleaders),
            uptodates: self.uptodates.min(other.uptodates),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            main: self.main + other.main,
            commits: self.commits + other.commits,
            pings: self.pings + other.pings,
            requests: self.requests + other.requests,
            revalidates: self.revalidates + other.revalidates,
            newleaders: self.newleaders + other.newleaders,
            uptodates: self.uptodates + other.uptodates,
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// What is known before the first span of a group.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// Last PROPOSAL or INFORM to the learner.
    pub(super) proposal: Option<Zxid>,
    /// Last COMMIT to the learner.
    pub(super) commit: Option<Zxid>,
    /// Last ACK of a PROPOSAL to the leader.
    pub(super) ack: Option<Zxid>,
    /// Last PING to the learner.
    pub(super) ping_at: Option<Timestamp>,
    /// Whether NEWLEADER has still to come.
    pub(super) awaits_newleader: bool,
    /// Whether UPTODATE has still to come.
    pub(super) awaits_uptodate: bool,
}

/// What else bears on the reading.
pub(super) struct Facts<'a> {
    /// Whether the learner is an observer, as far as is known.
    pub(super) is_observer: bool,
    /// Size on the wire of the PROPOSAL of a zxid, where some link showed it.
    pub(super) size_of: &'a dyn Fn(Zxid) -> Option<u32>,
    /// Size of NEWLEADER in this ensemble, where some link showed it.
    pub(super) newleader_size: Option<u64>,
    /// The leader's beat.
    pub(super) ping_every: Option<Span>,
    /// Whether a client's REVALIDATE is without answer.
    pub(super) awaits_revalidate: bool,
    /// For a span on the way to the leader: whether it may hold a PING's answer.
    pub(super) may_answer_ping: &'a dyn Fn(Timestamp) -> bool,
}

/// What a group of spans was found to hold.
#[derive(Clone, Debug)]
pub(super) struct Solved {
    /// One for each span, in order: what is proved to be in just this span.
    pub(super) spans: Vec<Reading>,
    /// Proved for the group, but not in which of its spans.
    pub(super) anywhere: Reading,
    /// Whether every byte of the group is explained.
    pub(super) is_complete: bool,
    /// Whether all readings place the numbered packets alike, so that each has its zxid.
    pub(super) is_main_certain: bool,
    /// The same for COMMITs.
    pub(super) is_commit_certain: bool,
}

/// Reads the spans of a stream to a learner.
pub(super) fn read_to_learner(known: &Known, items: &[Item], facts: &Facts<'_>) -> Option<Solved> {
    let mut search = Search::new(items, facts);
    search.to_learner(0, *known);
    search.solved()
}

/// Reads the spans of a stream to the leader.
pub(super) fn read_to_leader(known: &Known, items: &[Item], facts: &Facts<'_>) -> Option<Solved> {
    let mut search = Search::new(items, facts);
    search.to_leader(0, *known);
    search.solved()
}

/// How many packets of a numbered type a span can hold.
#[derive(Clone, Copy, Debug)]
struct Left {
    least: u32,
    most: u32,
}

struct Search<'a> {
    items: &'a [Item],
    facts: &'a Facts<'a>,
    path: Vec<Reading>,
    found: Vec<Vec<Reading>>,
    tries: u32,
}

impl<'a> Search<'a> {
    const fn new(items: &'a [Item], facts: &'a Facts<'a>) -> Self {
        Self { items, facts, path: Vec::new(), found: Vec::new(), tries: 0 }
    }

    const fn is_over(&self) -> bool {
        self.tries >= TRIES_MAX || self.found.len() >= READINGS_MAX
    }

    /// What all readings have in common; `None` where there is none, or too many were tried.
    fn solved(self) -> Option<Solved> {
        if self.is_over() {
            return None;
        }
        let (first, others) = self.found.split_first()?;
        let sum = |readings: &[Reading]| readings.iter().copied().fold(Reading::default(), Reading::plus);
        let mut spans = first.clone();
        let mut total = sum(first);
        for other in others {
            for (span, theirs) in spans.iter_mut().zip(other) {
                *span = span.common(*theirs);
            }
            total = total.common(sum(other));
        }
        let placed = sum(&spans);
        let anywhere = Reading {
            main: total.main - placed.main,
            commits: total.commits - placed.commits,
            pings: total.pings - placed.pings,
            requests: total.requests - placed.requests,
            revalidates: total.revalidates - placed.revalidates,
            newleaders: total.newleaders - placed.newleaders,
            uptodates: total.uptodates - placed.uptodates,
        };
        let is_complete = self.found.iter().all(|reading| sum(reading) == total);
        let agrees = |count: fn(&Reading) -> u32| {
            others.iter().all(|other| other.iter().zip(first).all(|(a, b)| count(a) == count(b)))
        };
        let is_main_certain = agrees(|reading| reading.main);
        let is_commit_certain = agrees(|reading| reading.commits);
        Some(Solved { spans, anywhere, is_complete, is_main_certain, is_commit_certain })
    }

    /// How many packets of a numbered type are hidden in the span before item `from`: as many as lie
    /// between the last one and the next that is seen, all of them if no other span comes between.
    fn left(&self, last: Option<Zxid>, from: usize, is_it: impl Fn(PacketType) -> bool) -> Left {
        let mut is_only_span = true;
        for item in self.items.iter().skip(from) {
            match item {
                Item::Span(_) => is_only_span = false,
                Item::Seen { kind, zxid, .. } if is_it(*kind) && zxid.counter() != 0 => {
                    let Some(last) = last.filter(|last| last.epoch() == zxid.epoch()) else { break };
                    let most = zxid.counter().saturating_sub(last.counter()).saturating_sub(1);
                    return Left { least: if is_only_span { most } else { 0 }, most };
                }
                Item::Seen { .. } => {}
            }
        }
        Left { least: 0, most: u32::MAX }
    }

    fn to_learner(&mut self, at: usize, known: Known) {
        self.tries += 1;
        if self.is_over() {
            return;
        }
        match self.items.get(at) {
            None => self.found.push(self.path.clone()),
            Some(Item::Seen { kind, zxid, at: seen_at }) => {
                if let Some(next) = after(known, *kind, *zxid, *seen_at, self.facts) {
                    self.to_learner(at + 1, next);
                }
            }
            Some(Item::Span(span)) => {
                let span = *span;
                for reading in self.readings_to_learner(at, &span, &known) {
                    self.path.push(reading);
                    self.to_learner(at + 1, known.behind(&reading, span.at));
                    self.path.pop();
                }
            }
        }
    }

    /// All ways in which packets to a learner can fill a span.
    fn readings_to_learner(&self, at: usize, span: &HiddenSpan, known: &Known) -> Vec<Reading> {
        let mut readings = Vec::new();
        let behind = at + 1;
        let proposals = self.left(known.proposal, behind, is_main);
        let commits = self.left(known.commit, behind, is_commit);
        let hint = span.glimpse().map(|glimpse| glimpse.kind);
        let fits = u32::try_from(span.len / PROPOSAL_MIN).unwrap_or(u32::MAX);
        let mut sized = 0u64;
        let mut unsized_count = 0u64;
        for main in 0..=fits.min(proposals.most) {
            if main > 0 {
                let zxid = known.proposal.map(|last| last.plus(u64::from(main)));
                match zxid.and_then(|zxid| (self.facts.size_of)(zxid)) {
                    Some(size) => sized += u64::from(size),
                    None => unsized_count += 1,
                }
            }
            let least = sized + unsized_count * PROPOSAL_MIN;
            if least > span.len || readings.len() >= READINGS_MAX * 4 {
                break;
            }
            if main < proposals.least {
                continue;
            }
            let mut add = |reading: Reading| {
                let reading = Reading { main, ..reading };
                if hint.is_none_or(|hint| reading.holds(hint, false)) {
                    readings.push(reading);
                }
            };
            self.fill_small(span, known, (sized, unsized_count), (main, commits), &mut add);
        }
        readings
    }

    /// Fills what PROPOSALs leave of a span with COMMITs, PINGs and the rarer small ones.
    fn fill_small(
        &self,
        span: &HiddenSpan,
        known: &Known,
        (sized, unsized_count): (u64, u64),
        (main, commits): (u32, Left),
        add: &mut impl FnMut(Reading),
    ) {
        let commits_max = known.commits_possible(main).min(commits.most);
        let commits_max = if self.facts.is_observer && !known.awaits_newleader { 0 } else { commits_max };
        let pings_max = u32::from(known.ping_possible(span, self.facts.ping_every));
        for newleaders in 0..=u32::from(known.awaits_newleader) {
            let (named, unnamed) = match (newleaders, self.facts.newleader_size) {
                (0, _) => (0, 0),
                (_, Some(size)) => (size, 0),
                (_, None) => (0, 1),
            };
            for revalidates in 0..=u32::from(self.facts.awaits_revalidate) {
                for uptodates in 0..=u32::from(known.awaits_uptodate) {
                    for pings in 0..=pings_max {
                        let fixed = sized
                            + named
                            + u64::from(revalidates) * REVALIDATE_ANSWER
                            + u64::from(uptodates + pings) * SMALL;
                        let Some(room) = span.len.checked_sub(fixed) else { continue };
                        let free = unsized_count * PROPOSAL_MIN + unnamed * SMALL;
                        let reading = |commits| Reading {
                            commits,
                            pings,
                            newleaders,
                            uptodates,
                            revalidates,
                            ..Reading::default()
                        };
                        if unsized_count + unnamed == 0 {
                            let exact = u32::try_from(room / SMALL).unwrap_or(u32::MAX);
                            if room % SMALL == 0 && (commits.least..=commits_max).contains(&exact) {
                                add(reading(exact));
                            }
                        } else if let Some(spare) = room.checked_sub(free) {
                            let most = u32::try_from(spare / SMALL).unwrap_or(u32::MAX);
                            (commits.least..=commits_max.min(most)).map(reading).for_each(&mut *add);
                        }
                    }
                }
            }
        }
    }

    fn to_leader(&mut self, at: usize, known: Known) {
        self.tries += 1;
        if self.is_over() {
            return;
        }
        match self.items.get(at) {
            None => self.found.push(self.path.clone()),
            Some(Item::Seen { kind: PacketType::Ack, zxid, .. }) if zxid.counter() != 0 => {
                if follows(known.ack, *zxid) {
                    self.to_leader(at + 1, Known { ack: Some(*zxid), ..known });
                }
            }
            Some(Item::Seen { .. }) => self.to_leader(at + 1, known),
            Some(Item::Span(span)) => {
                let span = *span;
                for reading in self.readings_to_leader(at, &span, &known) {
                    let ack = known.ack.map(|last| last.plus(u64::from(reading.main)));
                    self.path.push(reading);
                    self.to_leader(at + 1, Known { ack, ..known });
                    self.path.pop();
                }
            }
        }
    }

    /// All ways in which packets to the leader can fill a span: ACKs, and behind them at most one of
    /// what a learner flushes at once.
    fn readings_to_leader(&self, at: usize, span: &HiddenSpan, known: &Known) -> Vec<Reading> {
        let left = self.left(known.ack, at + 1, |kind| kind == PacketType::Ack);
        let most = if left.most == u32::MAX { known.acks_possible() } else { left.most };
        let hint = span.glimpse().map(|glimpse| glimpse.kind);
        let fits = u32::try_from(span.len / SMALL).unwrap_or(u32::MAX);
        let may_answer = (self.facts.may_answer_ping)(span.at);
        let mut readings = Vec::new();
        for main in left.least..=fits.min(most) {
            let rest = span.len - u64::from(main) * SMALL;
            let base = Reading { main, ..Reading::default() };
            let options = [
                (rest == 0, base),
                (
                    may_answer && rest >= SMALL && (rest - SMALL).is_multiple_of(12),
                    Reading { pings: 1, ..base },
                ),
                (rest >= REQUEST_MIN, Reading { requests: 1, ..base }),
                (rest == REVALIDATE_REQUEST, Reading { revalidates: 1, ..base }),
            ];
            readings.extend(
                options
                    .into_iter()
                    .filter(|(fits, reading)| *fits && hint.is_none_or(|hint| reading.holds(hint, true)))
                    .map(|(_, reading)| reading),
            );
        }
        readings
    }
}

impl Reading {
    /// Whether it holds a packet of a type.
    fn holds(&self, kind: PacketType, to_leader: bool) -> bool {
        match kind {
            PacketType::Ack => to_leader && self.main > 0,
            PacketType::Proposal | PacketType::Inform => !to_leader && self.main > 0,
            PacketType::Commit => self.commits > 0,
            PacketType::Ping => self.pings > 0,
            PacketType::Request => self.requests > 0,
            PacketType::Revalidate => self.revalidates > 0,
            PacketType::NewLeader => self.newleaders > 0,
            PacketType::UpToDate => self.uptodates > 0,
            _ => false,
        }
    }
}

impl Known {
    /// What is known behind a span that was read so.
    fn behind(self, reading: &Reading, at: Timestamp) -> Self {
        Self {
            proposal: self.proposal.map(|last| last.plus(u64::from(reading.main))),
            commit: self.commit.map(|last| last.plus(u64::from(reading.commits))),
            ping_at: if reading.pings > 0 { Some(at) } else { self.ping_at },
            awaits_newleader: self.awaits_newleader && reading.newleaders == 0,
            awaits_uptodate: self.awaits_uptodate && reading.uptodates == 0,
            ..self
        }
    }

    /// How many COMMITs there can be: one for each PROPOSAL, after it.
    fn commits_possible(&self, new: u32) -> u32 {
        match (self.proposal, self.commit) {
            (Some(proposal), Some(commit)) if proposal.epoch() == commit.epoch() => {
                proposal.counter().saturating_sub(commit.counter()).saturating_add(new)
            }
            _ => u32::MAX,
        }
    }

    /// How many ACKs there can be: one for each PROPOSAL.
    fn acks_possible(&self) -> u32 {
        match (self.proposal, self.ack) {
            (Some(proposal), Some(ack)) if proposal.epoch() == ack.epoch() => {
                proposal.counter().saturating_sub(ack.counter())
            }
            _ => u32::MAX,
        }
    }

    /// Whether the leader's beat lets a PING be in a span: within a tenth of a period of its time.
    fn ping_possible(&self, span: &HiddenSpan, every: Option<Span>) -> bool {
        let (Some(last), Some(every)) = (self.ping_at, every) else { return true };
        let since = span.at.since(last).nanos();
        let every = every.nanos().max(1);
        let slack = every / 10;
        let off = since.rem_euclid(every);
        since > every / 2 && (off <= slack || every - off <= slack)
    }
}

const fn is_main(kind: PacketType) -> bool {
    matches!(kind, PacketType::Proposal | PacketType::Inform)
}

const fn is_commit(kind: PacketType) -> bool {
    matches!(kind, PacketType::Commit | PacketType::CommitAndActivate)
}

/// Whether `next` can be the zxid behind `last`: one more, or the first of a later epoch. The same
/// again is let pass: leaders repeat a COMMIT for a learner that joins while it is under way.
fn follows(last: Option<Zxid>, next: Zxid) -> bool {
    last.is_none_or(|last| {
        next == last.plus(1) || next == last || (next.epoch() > last.epoch() && next.counter() == 1)
    })
}

/// What is known behind a packet that was seen; `None` where it contradicts what is supposed before it.
fn after(known: Known, kind: PacketType, zxid: Zxid, at: Timestamp, facts: &Facts<'_>) -> Option<Known> {
    let mut next = known;
    match kind {
        kind if is_main(kind) => {
            if !follows(known.proposal, zxid) {
                return None;
            }
            next.proposal = Some(zxid);
        }
        kind if is_commit(kind) => {
            if !follows(known.commit, zxid) {
                return None;
            }
            next.commit = Some(zxid);
        }
        PacketType::Ping => {
            if !known.beat_fits(at, facts.ping_every) {
                return None;
            }
            next.ping_at = Some(at);
        }
        PacketType::NewLeader => {
            if !known.awaits_newleader {
                return None;
            }
            next.awaits_newleader = false;
        }
        PacketType::UpToDate => {
            if known.awaits_newleader || !known.awaits_uptodate {
                return None;
            }
            next.awaits_uptodate = false;
        }
        _ => {}
    }
    Some(next)
}

impl Known {
    /// Whether a PING now leaves no PING out since the last one. A silence of several beats is a
    /// leader's that stood still, and proves nothing.
    fn beat_fits(&self, at: Timestamp, every: Option<Span>) -> bool {
        let (Some(last), Some(every)) = (self.ping_at, every) else { return true };
        let (since, half) = (at.since(last).nanos(), every.nanos() / 2);
        since < half.saturating_mul(3) || since > half.saturating_mul(5)
    }
}
