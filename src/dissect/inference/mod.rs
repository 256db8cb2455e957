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

mod candidates;
mod hypothesis;
mod numbering;

pub(super) use hypothesis::Hypothesis;
pub(super) use numbering::Numbering;

use super::span::HiddenSpan;
use crate::proto::{PacketType, Zxid};
use crate::time::{Span, Timestamp};
use numbering::{after, follows};
use std::rc::Rc;

/// States behind one item, and steps to them, before a group of spans is given up.
const MAX_STATES: usize = 256;
const MAX_STEPS: usize = 4_096;
/// Different readings of one span that are followed; with more the group is given up, since what they
/// have in common would not be known.
const MAX_HYPOTHESES: usize = 1_024;
/// The longest span that is read; no flush of a learner or a leader comes near it.
const MAX_SPAN: u64 = 16 * 1024 * 1024;
/// What came by while a span waits to be read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    Span(HiddenSpan),
    Seen { kind: PacketType, zxid: Zxid, at: Timestamp },
}

/// What else bears on the reading.
pub(super) struct Constraints<'a> {
    /// Whether the learner is an observer, as far as is known.
    pub(super) is_observer: bool,
    /// Size on the wire of the PROPOSAL of a zxid, where some link showed it.
    pub(super) size_of: &'a dyn Fn(Zxid) -> Option<u32>,
    /// Sizes that PROPOSALs of this ensemble usually have, if only those are to be believed.
    pub(super) common_sizes: Option<&'a [u32]>,
    /// Size of NEWLEADER in this ensemble, where some link showed it.
    pub(super) newleader_size: Option<u64>,
    /// The leader's beat.
    pub(super) ping_every: Option<Span>,
    /// How many REVALIDATEs of clients are without an answer.
    pub(super) revalidates_open: u32,
    /// For a span on the way to the leader: whether it may hold a PING's answer.
    pub(super) may_answer_ping: &'a dyn Fn(Timestamp) -> bool,
}

/// What a group of spans was found to hold.
#[derive(Clone, Debug)]
pub(super) struct Solved {
    /// One for each span, in order.
    pub(super) spans: Vec<SpanSolved>,
    /// Proved for the group, but not in which of its spans.
    pub(super) anywhere: Hypothesis,
    /// Whether every byte of the group is explained.
    pub(super) is_complete: bool,
}

/// What one span was found to hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpanSolved {
    /// What is proved to be in just this span.
    pub(super) hypothesis: Hypothesis,
    /// Whether all readings have as many PROPOSALs (ACKs) in it, so that the next ones keep their zxids.
    pub(super) is_main_certain: bool,
    /// The same for COMMITs.
    pub(super) is_commit_certain: bool,
}

impl Solved {
    /// Whether there is but one reading.
    pub(super) fn is_certain(&self) -> bool {
        self.is_complete && self.anywhere.is_empty()
    }
}

/// Reads the spans of a stream to a learner.
pub(super) fn read_to_learner(
    numbering: &Numbering,
    items: &[Item],
    constraints: &Constraints<'_>,
    scratch: &mut Scratch,
) -> Option<Solved> {
    Search { items, constraints, is_to_leader: false, scratch }.solve(numbering)
}

/// Reads the spans of a stream to the leader.
pub(super) fn read_to_leader(
    numbering: &Numbering,
    items: &[Item],
    constraints: &Constraints<'_>,
    scratch: &mut Scratch,
) -> Option<Solved> {
    Search { items, constraints, is_to_leader: true, scratch }.solve(numbering)
}

/// The memory that searches work in, one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// The states of all layers, one layer behind the other.
    states: Vec<State>,
    /// [`Numbering::digest`] of each, to find a state among many.
    digests: Vec<u64>,
    /// Where each layer begins in `states`; one more than there are items.
    layers: Vec<usize>,
    /// The steps over all items.
    steps: Vec<Transition>,
    /// Where the steps over each item begin in `steps`; one more than there are items.
    over: Vec<usize>,
    /// The ways to read one span.
    hypotheses: Vec<Hypothesis>,
    /// What [`sums_of`] gave, by count and most: many states ask for the same.
    sums: Vec<Sums>,
    /// What a former [`Solved`] held its answers in.
    spare: Vec<SpanSolved>,
}

impl Scratch {
    /// Takes back what a result was held in.
    pub(super) fn reuse(&mut self, solved: Solved) {
        self.spare = solved.spans;
    }

    /// The place of a state among those from `layer` on; a new one is added.
    fn enter(&mut self, layer: usize, numbering: Numbering) -> usize {
        let digest = numbering.digest();
        let Self { states, digests, .. } = self;
        let mut from = layer;
        while let Some(at) = digests.iter().skip(from).position(|other| *other == digest) {
            let index = from + at;
            if states.get(index).is_some_and(|state| state.numbering == numbering) {
                return index;
            }
            from = index + 1;
        }
        states.push(State::new(numbering));
        digests.push(digest);
        states.len() - 1
    }

    fn clear(&mut self) {
        self.states.clear();
        self.digests.clear();
        self.layers.clear();
        self.steps.clear();
        self.over.clear();
        self.sums.clear();
    }
}

/// How many packets of a numbered type a span can hold.
#[derive(Clone, Copy, Debug)]
struct Left {
    least: u32,
    most: u32,
}

impl Left {
    /// As many as there may be.
    const ANY: Self = Self { least: 0, most: u32::MAX };
}

/// The packet of a numbered type that is seen first behind a span.
#[derive(Clone, Copy, Debug)]
struct Next {
    zxid: Zxid,
    /// Whether no other span comes between.
    is_only_span: bool,
}

impl Next {
    /// How many packets of its type are hidden in the span before it: as many as lie between the last
    /// one and it, all of them if no other span comes between.
    fn left(self, last: Option<Zxid>, history_end: Option<Zxid>) -> Option<Left> {
        let (zxid, last) = (self.zxid, last?);
        let steps = |from: Zxid, to: Zxid| to.counter().saturating_sub(from.counter());
        let most = match history_end {
            _ if last.epoch() == zxid.epoch() => steps(last, zxid).saturating_sub(1),
            // An epoch's numbering ends with the history that led up to it.
            Some(end) if last.epoch() == end.epoch() => steps(last, end).saturating_add(zxid.counter() - 1),
            _ => return None,
        };
        Some(Left { least: if self.is_only_span { most } else { 0 }, most })
    }
}

/// What is seen behind a span, the same for all states before it.
#[derive(Clone, Copy, Debug, Default)]
struct Behind {
    main: Option<Next>,
    commit: Option<Next>,
}

/// What is supposed up to some item: one of the ways to read everything before it.
#[derive(Clone, Copy, Debug)]
struct State {
    numbering: Numbering,
    /// The least and the most of each type that the ways to this state have read.
    least: Hypothesis,
    most: Hypothesis,
    /// Whether a way that leads to the end has come here.
    is_reached: bool,
    /// Whether a way leads from here to the end.
    is_viable: bool,
}

impl State {
    fn new(numbering: Numbering) -> Self {
        let zero = Hypothesis::default();
        Self { numbering, least: zero, most: zero, is_reached: false, is_viable: false }
    }
}

/// A step from one state to one of the next layer, over one item.
#[derive(Clone, Copy, Debug)]
struct Transition {
    from: usize,
    to: usize,
    hypothesis: Hypothesis,
    is_viable: bool,
}

/// A count, the most, and the lengths that so many PROPOSALs can have.
type Sums = (u64, u64, Rc<[u64]>);

/// A search over all readings at once: a layer of states for each item, steps between them. Ways that
/// come to the same state are one from there on, so the work grows with items times states and not
/// with the number of readings.
struct Search<'a> {
    items: &'a [Item],
    constraints: &'a Constraints<'a>,
    is_to_leader: bool,
    scratch: &'a mut Scratch,
}

impl Search<'_> {
    /// What all readings have in common; `None` where there is none, or too many states.
    fn solve(&mut self, numbering: &Numbering) -> Option<Solved> {
        self.scratch.clear();
        self.scratch.enter(0, *numbering);
        self.scratch.layers.push(0);
        self.scratch.over.push(0);
        for at in 0..self.items.len() {
            self.advance(at)?;
        }
        self.mark_viable();
        self.sum_up();
        self.judge()
    }

    /// Makes the layer behind an item; `None` where it is empty or grows too large.
    fn advance(&mut self, at: usize) -> Option<()> {
        let item = *self.items.get(at)?;
        if matches!(item, Item::Span(span) if span.len > MAX_SPAN) {
            return None;
        }
        let layer = self.scratch.states.len();
        let first = *self.scratch.layers.last()?;
        let behind = match item {
            Item::Span(_) if self.is_to_leader => {
                Behind { main: self.next(at, |kind| kind == PacketType::Ack), commit: None }
            }
            Item::Span(_) => Behind { main: self.next(at, is_main), commit: self.next(at, is_commit) },
            Item::Seen { .. } => Behind::default(),
        };
        let mut hypotheses = std::mem::take(&mut self.scratch.hypotheses);
        for from in first..layer {
            let numbering = self.scratch.states.get(from)?.numbering;
            hypotheses.clear();
            match &item {
                Item::Span(span) if self.is_to_leader => {
                    self.hypotheses_to_leader(behind, span, &numbering, &mut hypotheses);
                }
                Item::Span(span) => self.hypotheses_to_learner(at, behind, span, &numbering, &mut hypotheses),
                Item::Seen { .. } => hypotheses.push(Hypothesis::default()),
            }
            if hypotheses.len() >= MAX_HYPOTHESES {
                return None;
            }
            for &hypothesis in &hypotheses {
                let Some(numbering) = self.behind(&item, &numbering, &hypothesis) else { continue };
                let to = self.scratch.enter(layer, numbering);
                self.scratch.steps.push(Transition { from, to, hypothesis, is_viable: false });
                let taken = self.scratch.steps.len() - self.scratch.over.last()?;
                if self.scratch.states.len() - layer > MAX_STATES || taken > MAX_STEPS {
                    return None;
                }
            }
        }
        self.scratch.hypotheses = hypotheses;
        self.scratch.layers.push(layer);
        self.scratch.over.push(self.scratch.steps.len());
        (self.scratch.states.len() > layer).then_some(())
    }

    /// Marks the states and steps from which a way leads to the end.
    fn mark_viable(&mut self) {
        let Scratch { states, layers, steps, .. } = &mut *self.scratch;
        let ends = layers.last().copied().unwrap_or(0);
        states.iter_mut().skip(ends).for_each(|state| state.is_viable = true);
        for step in steps.iter_mut().rev() {
            step.is_viable = states.get(step.to).is_some_and(|state| state.is_viable);
            if step.is_viable
                && let Some(state) = states.get_mut(step.from)
            {
                state.is_viable = true;
            }
        }
    }

    /// Sums up, along viable steps, the least and the most of each type.
    fn sum_up(&mut self) {
        let Scratch { states, steps, .. } = &mut *self.scratch;
        for step in steps.iter().filter(|step| step.is_viable) {
            let Some(from) = states.get(step.from) else { continue };
            let (least, most) = (from.least.plus(step.hypothesis), from.most.plus(step.hypothesis));
            let Some(to) = states.get_mut(step.to) else { continue };
            to.least = if to.is_reached { to.least.common(least) } else { least };
            to.most = if to.is_reached { to.most.either(most) } else { most };
            to.is_reached = true;
        }
    }

    fn behind(&self, item: &Item, numbering: &Numbering, hypothesis: &Hypothesis) -> Option<Numbering> {
        match item {
            Item::Span(_) if self.is_to_leader => Some(Numbering {
                ack: numbering.ack.map(|last| last.plus(u64::from(hypothesis.main))),
                ..*numbering
            }),
            Item::Span(span) => Some(numbering.behind(hypothesis, span.at)),
            Item::Seen { kind: PacketType::Ack, zxid, .. } if self.is_to_leader && zxid.counter() != 0 => {
                follows(numbering.ack, *zxid).then_some(Numbering { ack: Some(*zxid), ..*numbering })
            }
            Item::Seen { .. } if self.is_to_leader => Some(*numbering),
            Item::Seen { kind, zxid, at } => after(*numbering, *kind, *zxid, *at, self.constraints),
        }
    }

    /// What the viable ways agree on.
    fn judge(&mut self) -> Option<Solved> {
        let ends = self.scratch.states.get(*self.scratch.layers.last()?..)?;
        let least = ends.iter().map(|state| state.least).reduce(Hypothesis::common)?;
        let most = ends.iter().map(|state| state.most).reduce(Hypothesis::either)?;
        let mut spans = std::mem::take(&mut self.scratch.spare);
        spans.clear();
        let mut solved = Solved { spans, anywhere: least, is_complete: least == most };
        for (item, over) in self.items.iter().zip(self.scratch.over.windows(2)) {
            let &[from, to] = over else { return None };
            if !matches!(item, Item::Span(_)) {
                continue;
            }
            let steps = self.scratch.steps.get(from..to)?.iter().filter(|step| step.is_viable);
            let least = steps.clone().map(|step| step.hypothesis).reduce(Hypothesis::common)?;
            let most = steps.map(|step| step.hypothesis).reduce(Hypothesis::either)?;
            solved.anywhere = solved.anywhere.minus(least);
            solved.spans.push(SpanSolved {
                hypothesis: least,
                is_main_certain: least.main == most.main,
                is_commit_certain: least.commits == most.commits,
            });
        }
        Some(solved)
    }

    /// The next packet of a numbered type that is seen behind item `at`.
    fn next(&self, at: usize, is_it: impl Fn(PacketType) -> bool) -> Option<Next> {
        let mut is_only_span = true;
        for item in self.items.iter().skip(at + 1) {
            match item {
                Item::Span(_) => is_only_span = false,
                Item::Seen { kind, zxid, .. } if is_it(*kind) && zxid.counter() != 0 => {
                    return Some(Next { zxid: *zxid, is_only_span });
                }
                Item::Seen { .. } => {}
            }
        }
        None
    }
}

const fn is_main(kind: PacketType) -> bool {
    matches!(kind, PacketType::Proposal | PacketType::Inform)
}

const fn is_commit(kind: PacketType) -> bool {
    matches!(kind, PacketType::Commit | PacketType::CommitAndActivate)
}
