//! Infers the packets in cut bytes, if only one explanation is possible.
//!
//! In: spans of exactly known length without a visible packet head, and the packets seen before, between and
//! after them. Out: the number of packets of each type in each span, if zxids and sizes leave a single
//! hypothesis. PROPOSALs count up by one, COMMITs follow in the same order, there is one ACK per PROPOSAL,
//! PINGs are periodic, and a PROPOSAL has the size that any other link shows for its zxid. If several
//! hypotheses remain, what they agree on is certain, and the rest is not reported.
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

/// The most states after one item, and transitions to them, before a group of spans is abandoned.
const MAX_STATES: usize = 256;
const MAX_STEPS: usize = 4_096;
/// States of a layer from which on a table is quicker than looking through them.
const MANY_STATES: usize = 4;
/// Places for the states of a layer, more than there can be.
const PLACES: usize = 512;
const _: () = assert!(PLACES > MAX_STATES + 1);
/// The most hypotheses for one span. With more the group is abandoned, since what they have in common would
/// not be known.
const MAX_HYPOTHESES: usize = 1_024;
/// The longest span that is interpreted; no flush of a learner or a leader gets near it.
const MAX_SPAN: u64 = 16 * 1024 * 1024;
/// An item of a group: a span, or a packet that was seen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    Span(HiddenSpan),
    Seen { kind: PacketType, zxid: Zxid, at: Timestamp },
}

/// Further constraints on the hypotheses.
pub(super) struct Constraints<'a> {
    /// Whether the learner is an observer, as far as is known.
    pub(super) is_observer: bool,
    /// Size on the wire of the PROPOSAL with a zxid, if some link showed it.
    pub(super) size_of: &'a dyn Fn(Zxid) -> Option<u32>,
    /// The common sizes of PROPOSALs in this ensemble, if only those are to be tried.
    pub(super) common_sizes: Option<&'a [u32]>,
    /// Size of NEWLEADER in this ensemble, if some link showed it.
    pub(super) newleader_size: Option<u64>,
    /// The leader's PING interval.
    pub(super) ping_every: Option<Span>,
    /// The number of unanswered REVALIDATEs.
    pub(super) revalidates_open: u32,
    /// For a span to the leader: whether it may contain the answer to a PING.
    pub(super) may_answer_ping: &'a dyn Fn(Timestamp) -> bool,
}

/// The solution for a group of spans.
#[derive(Clone, Debug)]
pub(super) struct Solved {
    /// One for each span, in order.
    pub(super) spans: Vec<SpanSolved>,
    /// Certain for the group, but not in which of its spans.
    pub(super) anywhere: Hypothesis,
    /// Whether every byte of the group is explained.
    pub(super) is_complete: bool,
}

/// The solution for one span.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpanSolved {
    /// What is certain to be in this span.
    pub(super) hypothesis: Hypothesis,
    /// Whether all hypotheses have the same number of PROPOSALs (ACKs) in it, so that the zxids after it are
    /// certain.
    pub(super) is_main_certain: bool,
    /// The same for COMMITs.
    pub(super) is_commit_certain: bool,
}

impl Solved {
    /// Whether there is only one hypothesis.
    pub(super) fn is_certain(&self) -> bool {
        self.is_complete && self.anywhere.is_empty()
    }
}

/// Interprets the spans of a stream to a learner.
pub(super) fn read_to_learner(
    numbering: &Numbering,
    items: &[Item],
    constraints: &Constraints<'_>,
    scratch: &mut Scratch,
) -> Option<Solved> {
    Search { items, constraints, is_to_leader: false, scratch }.solve(numbering)
}

/// Interprets the spans of a stream to the leader.
pub(super) fn read_to_leader(
    numbering: &Numbering,
    items: &[Item],
    constraints: &Constraints<'_>,
    scratch: &mut Scratch,
) -> Option<Solved> {
    Search { items, constraints, is_to_leader: true, scratch }.solve(numbering)
}

/// Memory that searches reuse.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// The states of all layers, layer by layer.
    states: Vec<SearchState>,
    /// Where each state of the last layer is: a table by [`Numbering::digest`], of the state's index in its layer and
    /// one; 0 is free.
    places: Vec<u16>,
    /// The layer whose states these are.
    placed_from: usize,
    /// Where each layer begins in `states`; one more than there are items.
    layers: Vec<usize>,
    /// The transitions over all items.
    steps: Vec<Transition>,
    /// Where the transitions over each item begin in `steps`; one more than there are items.
    over: Vec<usize>,
    /// The hypotheses for one span.
    hypotheses: Vec<Hypothesis>,
    /// Cached results of `sums_of`, by count and most: many states need the same one.
    sums: Vec<TotalsKey>,
    /// The memory of an earlier [`Solved`].
    spare: Vec<SpanSolved>,
}

impl Scratch {
    /// Takes back the memory of a result.
    pub(super) fn reuse(&mut self, solved: Solved) {
        self.spare = solved.spans;
    }

    /// The index of a state among those from `layer` on; adds it if it is new.
    fn enter(&mut self, layer: usize, numbering: Numbering) -> usize {
        let known = self.states.get(layer..).unwrap_or_default();
        if known.len() < MANY_STATES {
            if let Some(at) = known.iter().position(|state| state.numbering == numbering) {
                return layer + at;
            }
        } else {
            if self.placed_from != layer {
                self.place_all(layer);
            }
            if let Some(index) = self.find_or_place(layer, self.states.len(), &numbering) {
                return index;
            }
        }
        self.states.push(SearchState::new(numbering));
        self.states.len() - 1
    }

    /// Places the states from `layer` on, which have become many.
    fn place_all(&mut self, layer: usize) {
        self.placed_from = layer;
        self.places.clear();
        self.places.resize(PLACES, 0);
        for index in layer..self.states.len() {
            if let Some(numbering) = self.states.get(index).map(|state| state.numbering) {
                self.find_or_place(layer, index, &numbering);
            }
        }
    }

    /// The index of a placed state; where there is none, that of `index` is placed.
    fn find_or_place(&mut self, layer: usize, index: usize, numbering: &Numbering) -> Option<usize> {
        // The upper bits are mixed best.
        let mut place = usize::try_from(numbering.digest() >> 32).unwrap_or_default();
        loop {
            place = (place + 1) % PLACES;
            // Some place is always free: there are more of them than states in a layer.
            let taken = self.places.get_mut(place)?;
            let Some(at) = taken.checked_sub(1) else {
                *taken = u16::try_from(index - layer + 1).unwrap_or(u16::MAX);
                return None;
            };
            let found = layer + usize::from(at);
            if self.states.get(found).is_some_and(|state| state.numbering == *numbering) {
                return Some(found);
            }
        }
    }

    fn clear(&mut self) {
        self.states.clear();
        self.places.clear();
        self.placed_from = usize::MAX;
        self.layers.clear();
        self.steps.clear();
        self.over.clear();
        self.sums.clear();
    }
}

/// How many packets of a numbered type a span can contain.
#[derive(Clone, Copy, Debug)]
struct Left {
    least: u32,
    most: u32,
}

impl Left {
    /// Unconstrained.
    const ANY: Self = Self { least: 0, most: u32::MAX };
}

/// The first packet of a numbered type that is seen after a span.
#[derive(Clone, Copy, Debug)]
struct Next {
    zxid: Zxid,
    /// Whether no other span comes between.
    is_only_span: bool,
}

impl Next {
    /// How many packets of its type the span before it hides: at most as many as are missing between the last
    /// one and it, and exactly that if there is no other span between.
    fn left(self, last: Option<Zxid>, history_end: Option<Zxid>) -> Option<Left> {
        let (zxid, last) = (self.zxid, last?);
        let steps = |from: Zxid, to: Zxid| to.counter().saturating_sub(from.counter());
        let most = match history_end {
            _ if last.epoch() == zxid.epoch() => steps(last, zxid).saturating_sub(1),
            // The numbering of the previous epoch ends with the history.
            Some(end) if last.epoch() == end.epoch() => steps(last, end).saturating_add(zxid.counter() - 1),
            _ => return None,
        };
        Some(Left { least: if self.is_only_span { most } else { 0 }, most })
    }
}

/// The packets seen after a span; the same for all states before it.
#[derive(Clone, Copy, Debug, Default)]
struct Behind {
    main: Option<Next>,
    commit: Option<Next>,
}

/// A state of the search: one explanation of everything before an item.
#[derive(Clone, Copy, Debug)]
struct SearchState {
    numbering: Numbering,
    /// The smallest and largest count of each type over the paths to this state.
    least: Hypothesis,
    most: Hypothesis,
    /// Whether a path that reaches the end leads here.
    is_reached: bool,
    /// Whether a path leads from here to the end.
    is_viable: bool,
}

impl SearchState {
    fn new(numbering: Numbering) -> Self {
        let zero = Hypothesis::default();
        Self { numbering, least: zero, most: zero, is_reached: false, is_viable: false }
    }
}

/// A transition from one state to one of the next layer, over one item.
#[derive(Clone, Copy, Debug)]
struct Transition {
    from: usize,
    to: usize,
    hypothesis: Hypothesis,
    is_viable: bool,
}

/// A count, a maximum, and the total lengths that this many PROPOSALs can have.
type TotalsKey = (u64, u64, Rc<[u64]>);

/// A search over all hypotheses at once (dynamic programming): a layer of states for each item, with
/// transitions between layers. Paths that reach the same state merge, so the work grows with items times
/// states, not with the number of hypotheses.
struct Search<'a> {
    items: &'a [Item],
    constraints: &'a Constraints<'a>,
    is_to_leader: bool,
    scratch: &'a mut Scratch,
}

impl Search<'_> {
    /// What all hypotheses have in common; `None` if there is none, or if there are too many states.
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

    /// Builds the layer after an item; `None` if it is empty or too large.
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

    /// Marks the states and transitions from which a path leads to the end.
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

    /// Adds up the smallest and largest counts of each type along viable transitions.
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

    /// What the viable paths agree on.
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

    /// The next packet of a numbered type that is seen after item `at`.
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
