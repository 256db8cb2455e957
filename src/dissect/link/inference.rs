//! Pending spans: collects, interprets and reports them.

use super::{LinkContext, LinkState, PendingSpans, Sizes};
use crate::dissect::event::{Direction, Event, Observer, PacketSeen, Unread};
use crate::dissect::inference::{
    Constraints, Hypothesis, Item, Scratch, Solved, SpanSolved, read_to_leader, read_to_learner,
};
use crate::dissect::span::HiddenSpan;
use crate::proto::quorum::{Glimpse, fixed_data_len};
use crate::proto::{PacketType, Zxid};
use crate::time::{Span, Timestamp};

/// The most packets and spans that may be pending; beyond that the group is abandoned.
const MAX_ITEMS: usize = 512;
/// Items whose memory a link keeps for the next group.
const ITEMS_SPARE: usize = 32;
/// The most spans interpreted together.
const MAX_SPANS: usize = 48;

impl LinkState {
    /// Adds a span without a visible head, between two certain packet starts.
    pub(in crate::dissect) fn hidden<O: Observer>(
        &mut self,
        direction: Direction,
        span: HiddenSpan,
        out: &mut LinkContext<'_, O>,
    ) {
        let is_inform = span.glimpse().is_some_and(|glimpse| glimpse.kind == PacketType::Inform);
        self.is_observer |= self.has_packets && is_inform && direction == Direction::ToLearner;
        if self.pending.of(direction).is_none()
            && let Some(kind) = alone(&span, direction)
        {
            return self.read_alone(direction, &span, kind, out);
        }
        let numbering = self.numbering;
        let fits_main = match direction {
            Direction::ToLearner => span.len >= 52,
            Direction::ToLeader => !self.is_observer,
        };
        let fits_commit =
            direction == Direction::ToLearner && (!self.is_observer || numbering.awaits_newleader);
        let spare = self.spare.of_mut(direction);
        let pending = self.pending.of_mut(direction).get_or_insert_with(|| {
            let mut pending = spare.take().unwrap_or_default();
            *pending = PendingSpans {
                numbering,
                items: std::mem::take(&mut pending.items),
                ..PendingSpans::default()
            };
            pending
        });
        pending.items.push(Item::Span(span));
        pending.spans += 1;
        pending.needs_main |= fits_main;
        pending.needs_commit |= fits_commit;
        if pending.spans >= MAX_SPANS {
            self.read(direction, true, out);
        }
    }

    /// A span that is one packet of a known size.
    fn read_alone<O: Observer>(
        &mut self,
        direction: Direction,
        span: &HiddenSpan,
        kind: PacketType,
        out: &mut LinkContext<'_, O>,
    ) {
        self.account(direction, span, true);
        let seen = span.glimpse().and_then(|glimpse| glimpse.zxid);
        let zxid = match kind {
            PacketType::Commit => seen.or(self.numbering.commit.map(|last| last.plus(1))),
            PacketType::Ack => seen.or(self.numbering.ack.map(|last| last.plus(1))),
            _ => seen,
        };
        infer(direction, kind, zxid, Some(span.len), span, true, out);
        match (kind, direction) {
            (PacketType::Commit, _) if zxid.is_some() => self.numbering.commit = zxid,
            (PacketType::Ack, _) if zxid.is_some() => self.numbering.ack = zxid,
            (PacketType::Ping, Direction::ToLearner) => self.numbering.ping_at = Some(span.at),
            (PacketType::UpToDate, _) => {
                self.numbering.awaits_newleader = false;
                self.numbering.awaits_uptodate = false;
            }
            _ => {}
        }
    }

    /// Whether a direction has more pending items than allowed.
    #[inline]
    pub(in crate::dissect) fn waits_long(&self, direction: Direction) -> bool {
        self.pending.of(direction).as_ref().is_some_and(|pending| pending.items.len() > ITEMS_SPARE)
    }

    /// Memory of pending items in bytes, if it is large.
    pub(in crate::dissect) fn held_bytes(&self) -> usize {
        let held = |pending: &Option<Box<PendingSpans>>| match pending {
            Some(pending) if pending.items.len() > ITEMS_SPARE => {
                pending.items.capacity() * size_of::<Item>()
            }
            _ => 0,
        };
        held(&self.pending.to_leader) + held(&self.pending.to_learner)
    }

    /// Interprets the pending spans, as far as possible now.
    pub(in crate::dissect) fn read_all<O: Observer>(&mut self, out: &mut LinkContext<'_, O>) {
        for direction in [Direction::ToLearner, Direction::ToLeader] {
            if self.waits_long(direction) {
                self.read(direction, true, out);
            }
        }
    }

    /// A packet was seen after pending spans: they may be decidable now.
    pub(super) fn try_reading<O: Observer>(
        &mut self,
        direction: Direction,
        kind: PacketType,
        zxid: Zxid,
        out: &mut LinkContext<'_, O>,
    ) {
        let Some(pending) = self.pending.of_mut(direction) else { return };
        match kind {
            // The ACKs of NEWLEADER and UPTODATE are not part of the numbering.
            PacketType::Ack if zxid.counter() == 0 => {}
            PacketType::Proposal | PacketType::Inform | PacketType::Ack => pending.needs_main = false,
            PacketType::Commit | PacketType::CommitAndActivate => pending.needs_commit = false,
            PacketType::Ping => pending.needs_ping = false,
            // A link that begins to serve has received all of its history.
            PacketType::UpToDate => pending.needs_commit = false,
            _ => {}
        }
        let is_ready = !pending.needs_main && !pending.needs_commit && !pending.needs_ping;
        let is_full = pending.items.len() >= MAX_ITEMS;
        if is_ready || is_full {
            self.read(direction, is_full, out);
        }
    }

    /// Interprets the pending spans of a direction. Unless `is_last`, spans that a later PING would decide
    /// stay pending.
    pub(super) fn read<O: Observer>(
        &mut self,
        direction: Direction,
        is_last: bool,
        out: &mut LinkContext<'_, O>,
    ) {
        let Some(mut pending) = self.pending.of_mut(direction).take() else { return };
        if direction == Direction::ToLeader {
            pending.numbering.proposal = self.numbering.proposal;
        }
        let pings = &self.pings;
        let may_answer = |at: Timestamp| {
            pings
                .iter()
                .any(|ping| ping.at <= at && (ping.is_skipped || at.since(ping.at) < Span::from_millis(1000)))
        };
        let newleader_size =
            out.sizes.newleader.filter(|(tag, _)| *tag == self.leader_tag).map(|(_, size)| size);
        let lacks_size = std::cell::Cell::new(false);
        let solve = |sizes: &Sizes, common_sizes: Option<&[u32]>, scratch: &mut Scratch| {
            let size_of = |zxid| {
                let size = sizes.size(self.leader_tag, zxid);
                lacks_size.set(lacks_size.get() || size.is_none());
                size
            };
            let constraints = Constraints {
                is_observer: self.is_observer,
                size_of: &size_of,
                common_sizes,
                newleader_size,
                ping_every: self.ping_every,
                revalidates_open: self.revalidates_open.min(4),
                may_answer_ping: &may_answer,
            };
            match direction {
                // No packet was seen: this may not be the quorum protocol at all.
                _ if !self.has_packets => None,
                Direction::ToLearner => {
                    read_to_learner(&pending.numbering, &pending.items, &constraints, scratch)
                }
                Direction::ToLeader => {
                    read_to_leader(&pending.numbering, &pending.items, &constraints, scratch)
                }
            }
        };
        let mut solved = solve(out.sizes, None, out.scratch);
        if lacks_size.get() && solved.as_ref().is_none_or(|solved| !solved.is_certain()) {
            out.sizes.count_usual(self.leader_tag);
            let common_sizes = out.sizes.common_sizes(self.leader_tag);
            if !common_sizes.is_empty() {
                solved =
                    solve(out.sizes, Some(common_sizes), out.scratch).filter(Solved::is_certain).or(solved);
            }
        }
        let is_done = solved.as_ref().is_some_and(|solved| solved.is_complete);
        if !is_done && !is_last && direction == Direction::ToLearner && pending.items.len() < MAX_ITEMS / 2 {
            let saw_ping_behind = pending
                .items
                .iter()
                .rev()
                .take_while(|item| !matches!(item, Item::Span(_)))
                .any(|item| matches!(item, Item::Seen { kind: PacketType::Ping, .. }));
            if !saw_ping_behind {
                pending.needs_ping = true;
                self.pending.to_learner = Some(pending);
                return;
            }
        }
        self.report(direction, &pending, solved.as_ref(), out);
        if let Some(solved) = solved {
            out.scratch.reuse(solved);
        }
        // The next group reuses the memory of this one, unless that is large.
        if pending.items.capacity() <= ITEMS_SPARE {
            pending.items.clear();
            *self.spare.of_mut(direction) = Some(pending);
        }
    }

    /// Reports what is certain about a group of spans.
    fn report<O: Observer>(
        &mut self,
        direction: Direction,
        pending: &PendingSpans,
        solved: Option<&Solved>,
        out: &mut LinkContext<'_, O>,
    ) {
        let mut at = NextZxids {
            main: match direction {
                Direction::ToLearner => pending.numbering.proposal,
                Direction::ToLeader => pending.numbering.ack,
            },
            commit: pending.numbering.commit,
            is_history: pending.numbering.awaits_newleader,
        };
        let mut index = 0;
        let mut last_span = None;
        for item in &pending.items {
            match item {
                Item::Seen { kind, zxid, .. } => at.note(*kind, *zxid, direction),
                Item::Span(span) => {
                    last_span = Some(*span);
                    let found = solved.and_then(|solved| solved.spans.get(index).copied());
                    let hypothesis = found.map(|found| found.hypothesis).unwrap_or_default();
                    let is_complete = solved.is_some_and(|solved| solved.is_complete);
                    at.forget(found.as_ref());
                    at.note_front(span, &hypothesis);
                    self.account(direction, span, is_complete);
                    if !is_complete || found.is_none_or(|found| !found.is_main_certain) {
                        self.unread(direction, span.unread(), out);
                    }
                    if hypothesis.is_empty() {
                        self.report_hint(direction, span, solved, out);
                    } else {
                        self.report_hypothesis(direction, &hypothesis, span, &mut at, span.pieces == 1, out);
                    }
                    index += 1;
                }
            }
        }
        if let (Some(solved), Some(span)) = (solved, last_span)
            && !solved.anywhere.is_empty()
        {
            at = NextZxids { main: None, commit: None, ..at };
            self.report_hypothesis(direction, &solved.anywhere, &span, &mut at, false, out);
        }
    }

    /// Reports at least the type of a span's first packet, if it was captured.
    fn report_hint<O: Observer>(
        &mut self,
        direction: Direction,
        span: &HiddenSpan,
        solved: Option<&Solved>,
        out: &mut LinkContext<'_, O>,
    ) {
        let is_proof = self.has_packets && span.hint().len() >= 10 && solved.is_none();
        let is_known = |glimpse: &Glimpse| !matches!(glimpse.kind, PacketType::Unknown(_));
        let Some(glimpse) = span.glimpse().filter(|glimpse| is_proof && is_known(glimpse)) else {
            return;
        };
        infer(direction, glimpse.kind, glimpse.zxid, None, span, true, out);
    }

    fn report_hypothesis<O: Observer>(
        &mut self,
        direction: Direction,
        hypothesis: &Hypothesis,
        span: &HiddenSpan,
        at: &mut NextZxids,
        timed: bool,
        out: &mut LinkContext<'_, O>,
    ) {
        let main = match direction {
            Direction::ToLeader => PacketType::Ack,
            // Up to NEWLEADER an observer receives its history like every learner.
            Direction::ToLearner if self.is_observer && !at.is_history => PacketType::Inform,
            Direction::ToLearner => PacketType::Proposal,
        };
        for _ in 0..hypothesis.main {
            let zxid = at.next_main();
            let size = match direction {
                Direction::ToLeader => Some(20),
                Direction::ToLearner => {
                    zxid.and_then(|zxid| out.sizes.size(self.leader_tag, zxid)).map(u64::from)
                }
            };
            infer(direction, main, zxid, size, span, timed, out);
        }
        for _ in 0..hypothesis.commits {
            infer(direction, PacketType::Commit, at.next_commit(), Some(20), span, timed, out);
        }
        let rest = [
            (hypothesis.pings, PacketType::Ping),
            (hypothesis.requests, PacketType::Request),
            (hypothesis.revalidates, PacketType::Revalidate),
            (hypothesis.newleaders, PacketType::NewLeader),
            (hypothesis.uptodates, PacketType::UpToDate),
        ];
        let mut front = span.glimpse();
        for (count, kind) in rest {
            for _ in 0..count {
                // The first packet of a span may have been seen in part.
                let seen = front.take_if(|front| front.kind == kind).and_then(|front| front.zxid);
                infer(direction, kind, seen, None, span, timed, out);
            }
        }
        at.is_history &= hypothesis.newleaders == 0;
        self.note_hypothesis(direction, hypothesis, span);
    }

    /// Updates the link's state with a hypothesis.
    fn note_hypothesis(&mut self, direction: Direction, hypothesis: &Hypothesis, span: &HiddenSpan) {
        if hypothesis.newleaders > 0 {
            self.numbering.awaits_newleader = false;
        }
        if hypothesis.uptodates > 0 {
            self.numbering.awaits_uptodate = false;
        }
        if hypothesis.pings > 0 {
            match direction {
                Direction::ToLearner => self.numbering.ping_at = self.numbering.ping_at.max(Some(span.at)),
                Direction::ToLeader => self.pings.retain(|ping| !ping.is_skipped),
            }
        }
    }

    fn account(&mut self, direction: Direction, span: &HiddenSpan, is_read: bool) {
        let sums = self.sums.of_mut(direction);
        if is_read {
            sums.decoded += span.seen;
        } else {
            sums.unframed += span.seen;
            sums.cut_unframed += span.cut();
        }
    }

    /// Reports bytes that could not be interpreted.
    pub(in crate::dissect) fn unread<O: Observer>(
        &self,
        direction: Direction,
        unread: Unread,
        out: &mut LinkContext<'_, O>,
    ) {
        if self.has_packets {
            out.observer.event(Event::Unread(out.slot, direction, &unread));
        }
    }

    /// A span after which the numbering is lost.
    pub(in crate::dissect) fn abandon<O: Observer>(
        &mut self,
        direction: Direction,
        span: &HiddenSpan,
        out: &mut LinkContext<'_, O>,
    ) {
        self.account(direction, span, false);
        self.unread(direction, span.unread(), out);
    }
}

/// The next zxids while a hypothesis is reported.
struct NextZxids {
    main: Option<Zxid>,
    commit: Option<Zxid>,
    /// Whether NEWLEADER is still outstanding.
    is_history: bool,
}

impl NextZxids {
    fn note(&mut self, kind: PacketType, zxid: Zxid, direction: Direction) {
        self.is_history &= kind != PacketType::NewLeader;
        match (direction, kind) {
            (Direction::ToLearner, PacketType::Proposal | PacketType::Inform) => {
                self.main = Some(zxid);
            }
            (Direction::ToLeader, PacketType::Ack) if zxid.counter() != 0 => self.main = Some(zxid),
            (Direction::ToLearner, PacketType::Commit) => self.commit = Some(zxid),
            _ => {}
        }
    }

    /// Drops the zxids that are not certain from a span on.
    fn forget(&mut self, found: Option<&SpanSolved>) {
        if found.is_none_or(|found| !found.is_main_certain) {
            self.main = None;
        }
        if found.is_none_or(|found| !found.is_commit_certain) {
            self.commit = None;
        }
    }

    /// The captured start of a span may show its first packet's zxid, which then is certain.
    fn note_front(&mut self, span: &HiddenSpan, hypothesis: &Hypothesis) {
        let Some(glimpse) = span.glimpse() else { return };
        let Some(before) = glimpse.zxid.filter(|zxid| zxid.counter() > 0).map(|zxid| Zxid(zxid.0 - 1)) else {
            return;
        };
        match glimpse.kind {
            PacketType::Proposal | PacketType::Inform | PacketType::Ack if hypothesis.main > 0 => {
                self.main = Some(before);
            }
            PacketType::Commit if hypothesis.commits > 0 => self.commit = Some(before),
            _ => {}
        }
    }

    fn next_main(&mut self) -> Option<Zxid> {
        self.main = self.main.map(|last| last.plus(1));
        self.main
    }

    fn next_commit(&mut self) -> Option<Zxid> {
        self.commit = self.commit.map(|last| last.plus(1));
        self.commit
    }
}

/// The type of a span's only packet, if its captured start names a type of exactly the span's size.
fn alone(span: &HiddenSpan, direction: Direction) -> Option<PacketType> {
    let glimpse = span.glimpse().filter(|_| span.hint().len() >= 10)?;
    let size = u64::from(fixed_data_len(glimpse.kind, direction.is_to_leader())?.max(0).unsigned_abs()) + 20;
    (size == span.len).then_some(glimpse.kind)
}

pub(super) fn infer<O: Observer>(
    direction: Direction,
    kind: PacketType,
    zxid: Option<Zxid>,
    size: Option<u64>,
    span: &HiddenSpan,
    timed: bool,
    out: &mut LinkContext<'_, O>,
) {
    let data_len = fixed_data_len(kind, direction.is_to_leader());
    let packet = PacketSeen {
        direction,
        kind,
        zxid,
        data_len,
        size,
        at: span.at,
        last_at: span.at,
        frame: span.frame,
        seen: &[],
        cut: size.unwrap_or(0),
        inferred: true,
        timed,
    };
    out.observer.event(Event::Packet(out.slot, &packet));
}
