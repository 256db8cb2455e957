//! One link's stall, held against everything that was heard of its two ends at the time.

use super::heard::{Heard, HeardLoss, Window};
use crate::address::Address;
use crate::findings::incident::{Confidence, CoverageGap, Reason};
use crate::findings::{Cause, Deadline, Stall, Suspect};
use crate::time::{Span, Timestamp};
use crate::track::link::LinkTrack;
use crate::track::wait::{Ended, Wait};
use crate::track::witness::Kinds;

/// A kernel answers within its delayed-ACK time, at most 500 ms (RFC 1122, section 4.2.3.2).
const KERNEL_ANSWERS: Span = Span::from_millis(500);
/// Times that something got through one way after a retransmission, from which on a path loses: a path that was cut
/// and healed shows one.
const MIN_RECOVERIES: usize = 2;
/// The same both ways together.
const MIN_RECOVERIES_OF_BOTH: usize = 5;
/// How long before a stall loss is looked for, at most.
const BEFORE: Span = Span::from_millis(10_000);
/// The slots that the end of a silence may fall into.
const MOMENT: Span = Span::from_millis(250);
/// Retransmissions that arrive after a silence, though none was needed, which make a path slow.
const MIN_LATE: u32 = 2;
/// How long before a silence begins the gap may have opened that ends it.
const BEFORE_GAP: Span = Span::from_millis(1_000);
/// Quarters of a second in which a side reports a gap that nothing fills, where the capture lacks frames. One may be
/// the last of a loss that was mended in nobody's sight.
const MIN_REPORTS: u32 = 2;
/// How often within a limit a leader speaks to others that has not stood still.
const OFTEN: i64 = 4;
/// Retransmissions without any answer that make a path dead.
const MIN_UNANSWERED: u32 = 2;

/// A stall as one link shows it.
pub(super) struct Unit<'a> {
    /// The index of its stall; `None` where it broke no deadline.
    pub(super) stall: Option<usize>,
    pub(super) link: &'a LinkTrack,
    pub(super) waits: Vec<&'a Wait>,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) limit: Span,
    /// Who went quiet.
    pub(super) subject: Address,
    /// Whether another learner was there at the same address: what is heard of that is not of one server alone.
    pub(super) is_address_shared: bool,
}

/// What a unit was read as.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) cause: Cause,
    pub(super) suspect: Option<Suspect>,
    pub(super) confidence: Confidence,
    pub(super) start: Timestamp,
    pub(super) end: Option<Timestamp>,
    pub(super) why: Vec<Reason>,
}

/// Whether a way was open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    Yes,
    No,
    Unknown,
}

impl Unit<'_> {
    pub(super) const fn leader(&self) -> Address {
        self.link.opened.leader.address
    }

    pub(super) const fn learner(&self) -> Address {
        self.link.opened.learner.address
    }

    /// The network between the two, the quiet one first.
    fn path(&self) -> Suspect {
        let (leader, learner) = (self.leader(), self.learner());
        if self.subject == leader { Suspect::Path(leader, learner) } else { Suspect::Path(learner, leader) }
    }

    /// The same, or one direction of it where the link itself told so.
    fn path_or(&self, told: Option<&Stall>) -> Suspect {
        match told.and_then(|stall| stall.suspect) {
            Some(one @ Suspect::OneWay(from, to))
                if [from, to].contains(&self.leader()) && [from, to].contains(&self.learner()) =>
            {
                one
            }
            _ => self.path(),
        }
    }

    /// The longest read wait for a side.
    fn silence_of(&self, is_leader: bool) -> Option<&Wait> {
        let reads = self.waits.iter().filter(|wait| wait.deadline != Deadline::Ack);
        reads.filter(|wait| wait.for_leader == is_leader).max_by_key(|wait| wait.len()).copied()
    }

    /// The middle of a wait: without what came just after its start, and what its end brought; not beyond the
    /// moment at which it had lasted a limit and the deadline took effect.
    fn core(&self, wait: &Wait) -> Window {
        let end = wait.end.min(wait.start.plus(self.limit).plus(Span::from_millis(1_000)));
        let margin = Span::from_nanos(KERNEL_ANSWERS.nanos().min(end.since(wait.start).nanos() / 5));
        Window { from: wait.start.plus(margin), to: end.minus(margin) }
    }

    /// Judges it. `stall` is what the link alone told.
    pub(super) fn judge(&self, heard: &Heard<'_>, stall: Option<&Stall>, gaps: &[CoverageGap]) -> Verdict {
        let verdict = self.judge_by_hosts(heard, stall, gaps);
        let denies_link = stall.is_none_or(|stall| stall.cause != verdict.cause);
        // What it lacks may be how far synchronisation had come: until it is over, nobody has to answer.
        let is_early = self.link.frames.has_gaps
            && verdict.cause == Cause::ProcessStalled
            && self.waits.iter().any(|wait| wait.deadline == Deadline::Init);
        if self.is_address_shared && denies_link || is_early { self.unknown() } else { verdict }
    }

    /// The same, where an address is one server's.
    fn judge_by_hosts(&self, heard: &Heard<'_>, stall: Option<&Stall>, gaps: &[CoverageGap]) -> Verdict {
        if self.link.is_one_sided() || gaps.iter().any(|gap| self.may_lie_in(gap)) {
            return self.unknown();
        }
        let [there, back] = self.losses(heard);
        let is_lossy = self.is_lossy(&there, &back);
        if is_lossy {
            return self.lossy(&there.plus(back));
        }
        if stall.is_none() || self.is_torn(heard) {
            return self.unknown();
        }
        if let Some(early) = self.acked_too_early() {
            return early;
        }
        if let Some(slow) = self.slow(heard, stall) {
            return slow;
        }
        let of_leader = self.silence_of(true);
        let of_learner = self.silence_of(false);
        if let Some(core) = of_leader.or(of_learner).map(|wait| self.core(wait))
            && self.is_gap_left(heard, core)
        {
            return self.mtu(heard, core).unwrap_or_else(|| self.unknown());
        }
        if let Some(frozen) = of_leader.and_then(|wait| self.frozen(heard, self.leader(), wait)) {
            return frozen;
        }
        if let Some(cut) = of_leader.or(of_learner).and_then(|wait| self.cut(heard, wait, stall)) {
            return cut;
        }
        if let Some(idle) = of_learner.and_then(|wait| self.never_asked(heard, wait)) {
            return idle;
        }
        let of_learner = of_learner.or_else(|| self.waits.first().copied().filter(|wait| !wait.for_leader));
        if let Some(frozen) = of_learner.and_then(|wait| self.frozen(heard, self.learner(), wait)) {
            return frozen;
        }
        stall.map_or_else(|| self.unknown(), |stall| self.as_told(stall))
    }

    /// Whether the link was closed by a RST to a segment that the sender's own capture does not show: it lacks what
    /// came before, or something in between forged the RST. (A RST without an acknowledgment answers a segment, RFC
    /// 9293, section 3.10.7.1.)
    fn is_torn(&self, heard: &Heard<'_>) -> bool {
        // Where its learner is back on another link, nobody cares any more how the old one ends.
        let closed = self.link.teardown.closed.filter(|closed| closed.reset && closed.at <= self.end);
        let Some(closed) = closed else { return false };
        let (by, to) =
            if closed.by_leader { (self.leader(), self.learner()) } else { (self.learner(), self.leader()) };
        let moment = Window { from: closed.at.minus(MOMENT), to: closed.at.plus(MOMENT) };
        // Not one frame of whoever was reset.
        let is_mute = |wait: &Wait| {
            wait.ended == Ended::Closed
                && wait.for_leader != closed.by_leader
                && wait.silence.is_some_and(|silence| silence.frames == 0)
        };
        self.link.one_way.is_none()
            && heard.is_captured(to)
            && heard.any_flow_edges(by, to, moment).has(Kinds::BARE_RST)
            && self.waits.iter().any(|wait| is_mute(wait))
    }

    /// Whether a stretch that the capture lacks may hold what decides.
    fn may_lie_in(&self, gap: &CoverageGap) -> bool {
        // Where both ends are captured, the other one shows it, but for what is held against each other.
        let is_hidden = |(from, to): &(Timestamp, Timestamp)| *from < gap.to && gap.from < *to;
        let is_seen = self.link.one_way.is_some() && !self.link.frames.unseen.iter().any(is_hidden);
        let is_its = gap.host.is_none_or(|host| [self.leader(), self.learner()].contains(&host));
        let around = (self.start.minus(Span::from_millis(1_000)), self.end.plus(self.limit));
        is_its && !is_seen && gap.from < around.1 && around.0 < gap.to
    }

    fn unknown(&self) -> Verdict {
        Verdict {
            cause: Cause::Unknown,
            suspect: None,
            confidence: Confidence::Unknown,
            start: self.start,
            end: None,
            why: Vec::new(),
        }
    }

    fn as_told(&self, stall: &Stall) -> Verdict {
        // What answered may be among what the capture lacks.
        let is_silent_both_ways = self.silence_of(true).is_some() && self.silence_of(false).is_some();
        let is_shaky = self.link.frames.has_gaps
            && is_silent_both_ways
            && !matches!(stall.cause, Cause::DiskSlow | Cause::SyncSlow);
        let is_known = stall.cause != Cause::Unknown && !is_shaky;
        Verdict {
            cause: if is_known { stall.cause } else { Cause::Unknown },
            suspect: stall.suspect.filter(|_| is_known),
            confidence: if is_known { Confidence::Likely } else { Confidence::Unknown },
            start: self.start,
            end: stall.end,
            why: Vec::new(),
        }
    }

    /// Retransmissions and what came of them around it, each way.
    fn losses(&self, heard: &Heard<'_>) -> [HeardLoss; 2] {
        let around = Window {
            from: self.start.minus(self.limit.times(2).min(BEFORE)),
            to: self.end.plus(self.limit).plus(self.limit),
        };
        let (leader, learner) = (self.leader(), self.learner());
        [heard.loss(leader, learner, around), heard.loss(learner, leader, around)]
    }

    /// A cut shows nothing getting through before it is over, and after it once each way.
    fn is_lossy(&self, there: &HeardLoss, back: &HeardLoss) -> bool {
        let soon = self.start.plus(Span::from_nanos(self.limit.nanos() / 5 * 4));
        let early = |loss: &HeardLoss| loss.recoveries.iter().filter(|at| **at < soon).count();
        let is_early = self.stall.is_some() && early(there) + early(back) > 0;
        let (there, back) = (there.recoveries.len(), back.recoveries.len());
        is_early && there + back >= MIN_RECOVERIES
            || there.max(back) > MIN_RECOVERIES && there + back >= MIN_RECOVERIES_OF_BOTH
    }

    fn lossy(&self, loss: &HeardLoss) -> Verdict {
        Verdict {
            cause: Cause::NetworkLoss,
            suspect: Some(self.path()),
            confidence: Confidence::Proven,
            start: loss
                .first
                .map_or(self.start, |first| first.max(self.start.minus(self.limit)))
                .min(self.start),
            end: loss.last,
            why: vec![Reason::GotThroughAfterRetransmission {
                recoveries: loss.recoveries.len(),
                again: loss.again,
            }],
        }
    }

    /// *The leader misread an ACK*: the learner waited for UPTODATE in vain, its NEWLEADER acknowledged too late.
    fn acked_too_early(&self) -> Option<Verdict> {
        let handshake = &self.link.handshake;
        let is_it =
            handshake.acks_early && handshake.phases.broadcast.is_none() && self.silence_of(true).is_some();
        is_it.then(|| Verdict {
            cause: Cause::SyncSlow,
            suspect: Some(Suspect::Host(self.learner())),
            confidence: Confidence::Likely,
            start: self.start,
            end: Some(self.end),
            why: vec![Reason::AckedTooEarly { learner: self.learner(), leader: self.leader() }],
        })
    }

    /// *The network is slow*: what was sent arrived, late; where nothing was heard, all that had been retransmitted
    /// meanwhile came after it.
    fn slow(&self, heard: &Heard<'_>, told: Option<&Stall>) -> Option<Verdict> {
        let (leader, learner) = (self.leader(), self.learner());
        let told = told.filter(|stall| stall.cause == Cause::NetworkSlow);
        let comes_late = |from: Address, to: Address| {
            // Where the capture lacks frames, one may only repeat what a frame of before had acknowledged.
            let wait = self.waits.iter().filter(|wait| wait.silence.is_some()).max_by_key(|wait| wait.len());
            wait.is_some_and(|wait| {
                let core = self.core(wait);
                let moment =
                    Window { from: wait.end.minus(MOMENT), to: wait.end.plus(KERNEL_ANSWERS.times(2)) };
                let first = heard.flow(from, to, to, moment);
                let after = Window { from: moment.from, to: wait.end.plus(self.limit) };
                !heard.is_captured(from)
                    && heard.is_captured(to)
                    && heard.flow(from, to, to, core).frames == 0
                    && first.acked > u32::from(self.link.frames.has_gaps)
                    && heard.flow(from, to, to, after).again >= MIN_LATE
            })
        };
        let is_late = comes_late(leader, learner) || comes_late(learner, leader);
        if told.is_none() && !is_late {
            return None;
        }
        Some(Verdict {
            cause: Cause::NetworkSlow,
            suspect: told.and_then(|stall| stall.suspect).or(Some(self.path())),
            confidence: Confidence::Likely,
            start: self.start,
            end: told.and_then(|stall| stall.end),
            why: vec![Reason::ArrivedLate { leader, learner }],
        })
    }

    /// *The leader's process ran too seldom*: the learner was silent, and nobody had asked it anything.
    fn never_asked(&self, heard: &Heard<'_>, wait: &Wait) -> Option<Verdict> {
        let core = self.core(wait);
        let leader = self.leader();
        let heard_of_it = heard.any_flow(leader, self.learner(), Window { from: wait.start, to: core.to });
        let owes_ack = self.waits.iter().any(|wait| wait.deadline == Deadline::Ack);
        // While both are silent, the next frames tell which of them it was.
        let is_open = wait.ended == Ended::CaptureEnd;
        // A frame that comes long after the close is no kernel's answer to it.
        let teardown = &self.link.teardown;
        let is_answered = teardown
            .closed
            .zip(teardown.after_close)
            .is_some_and(|(closed, mark)| mark.at.since(closed.at) <= KERNEL_ANSWERS);
        let is_unanswered = wait.ended == Ended::Closed && !is_answered;
        if (is_open || is_unanswered) && heard.any_flow(leader, self.learner(), core).frames == 0 {
            return None;
        }
        let is_it = wait.deadline == Deadline::LeaderRead
            && self.link.is_recognised
            && wait.activity.pings == 0
            && !owes_ack
            && !self.speaks_elsewhere(heard, core)
            && heard_of_it.frames > 0
            && self.is_sound(heard, core);
        is_it.then(|| Verdict {
            cause: Cause::ProcessStalled,
            suspect: Some(Suspect::Host(leader)),
            confidence: Confidence::Likely,
            start: wait.start,
            end: Some(wait.end).filter(|_| !is_open),
            why: vec![Reason::NoPing { leader, learner: self.learner() }],
        })
    }

    /// Whether the leader spoke to other learners meanwhile, and not seldom: PINGs alone are two a tick.
    fn speaks_elsewhere(&self, heard: &Heard<'_>, core: Window) -> bool {
        let here = heard.any_flow(self.leader(), self.learner(), core).fresh;
        let elsewhere = heard.sent(self.leader(), core).fresh.saturating_sub(here);
        self.limit.times(i64::from(elsewhere)) >= core.to.since(core.from).times(OFTEN)
    }

    /// *A process stood still*: nothing new of it anywhere, while its kernel answered and the network was sound.
    fn frozen(&self, heard: &Heard<'_>, host: Address, wait: &Wait) -> Option<Verdict> {
        if wait.deadline == Deadline::Init {
            return None;
        }
        let core = self.core(wait);
        let sent = heard.sent(host, core);
        let ended = Kinds::SYN.plus(Kinds::FIN).plus(Kinds::RST);
        if sent.fresh > 0 || sent.kinds.has(ended) {
            return None;
        }
        let other = if host == self.leader() { self.learner() } else { self.leader() };
        if self.is_unanswered(heard, other, host, core) || !self.is_sound(heard, core) {
            return None;
        }
        // A learner answers: it owes nothing before the leader asks.
        if host == self.learner() {
            // Behind TLS whatever the leader sends is taken for a PING or a PROPOSAL.
            let is_asked = wait.activity.pings > 0 || !self.link.is_recognised;
            let owes_ack = self.waits.iter().any(|wait| wait.deadline == Deadline::Ack);
            let asked = Window { from: wait.start, to: core.to };
            let hears = heard.any_flow(self.leader(), host, asked).fresh;
            if hears == 0 || !is_asked && !owes_ack {
                return None;
            }
        }
        let kernel = self.kernel_of(heard, host, wait, core)?;
        let start = heard.last_word(host, core.from).unwrap_or(wait.start);
        let end = heard.first_word(host, core.to);
        Some(Verdict {
            cause: Cause::ProcessStalled,
            suspect: Some(Suspect::Host(host)),
            confidence: if self.link.is_recognised { Confidence::Proven } else { Confidence::Likely },
            start,
            end,
            why: vec![Reason::KernelAnswered { host, answers: kernel, silent_to: heard.peers(host).len() }],
        })
    }

    /// Whether nothing had to be retransmitted between the two, and nothing arrived behind a gap.
    fn is_sound(&self, heard: &Heard<'_>, core: Window) -> bool {
        let (leader, learner) = (self.leader(), self.learner());
        let wide = Window { from: core.from.minus(Span::from_millis(1_500)), to: core.to };
        let loss = heard.loss(leader, learner, wide).plus(heard.loss(learner, leader, wide));
        loss.again < MIN_UNANSWERED && loss.holes == 0
    }

    /// How often the kernel of a host showed itself well into a wait; `None` where it did not.
    fn kernel_of(&self, heard: &Heard<'_>, host: Address, wait: &Wait, core: Window) -> Option<u32> {
        let third = Span::from_nanos(core.to.since(core.from).nanos() / 3);
        let late = Window { from: core.from.plus(third), to: wait.end.plus(KERNEL_ANSWERS) };
        let in_middle = Window { from: late.from, to: core.to };
        let answers = heard.sent(host, in_middle).acked;
        let closes = self.link.teardown.closed.filter(|closed| closed.by_leader != (host == self.leader()));
        let is_close_answered = closes.is_some_and(|closed| {
            closed.at <= wait.end.plus(Span::from_millis(100))
                && closed.at >= late.from
                && self
                    .link
                    .teardown
                    .after_close
                    .is_some_and(|mark| mark.at.since(closed.at) <= KERNEL_ANSWERS)
        });
        let is_any = answers > 0 || is_close_answered;
        // Where its kernel comes back only with its process, both were away.
        (is_any && (wait.ended != Ended::Heard || answers > 0))
            .then_some(answers + u32::from(is_close_answered))
    }

    /// Whether what one sent to the other was retransmitted, and nothing of the other came back.
    fn is_unanswered(&self, heard: &Heard<'_>, from: Address, to: Address, core: Window) -> bool {
        let until = Window { from: core.from, to: self.end.max(core.to).plus(self.limit) };
        let (sent, back) = if heard.is_captured(from) {
            (heard.flow(from, to, from, core), heard.flow(to, from, from, core))
        } else {
            (heard.any_flow(from, to, core), heard.any_flow(to, from, core))
        };
        let is_by_from = |by_leader: bool| (from == self.leader()) == by_leader;
        let is_fin_unanswered = self.link.teardown.closed.is_some_and(|closed| {
            closed.at <= until.to
                && is_by_from(closed.by_leader)
                && self.link.teardown.repeats >= MIN_UNANSWERED
                && self.link.teardown.repeats_answered == 0
                && self.link.teardown.after_close.is_none_or(|mark| mark.at.since(closed.at) > KERNEL_ANSWERS)
        });
        sent.again >= MIN_UNANSWERED && back.acked == 0 && back.frames == 0 || is_fin_unanswered
    }

    /// *The network is cut*, one way or both; or only long segments vanish.
    fn cut(&self, heard: &Heard<'_>, wait: &Wait, told: Option<&Stall>) -> Option<Verdict> {
        let core = self.core(wait);
        let (leader, learner) = (self.leader(), self.learner());
        let there = way_is(heard, leader, learner, core);
        let back = way_is(heard, learner, leader, core);
        let is_dead = self.is_unanswered(heard, leader, learner, core)
            || self.is_unanswered(heard, learner, leader, core);
        if let Some(mtu) = self.mtu(heard, core) {
            return Some(mtu);
        }
        let suspect = match (there, back) {
            (Open::No, Open::Yes) => Suspect::OneWay(leader, learner),
            (Open::Yes, Open::No) => Suspect::OneWay(learner, leader),
            (Open::No, _) | (_, Open::No) => self.path_or(told),
            (Open::Yes, Open::Yes) => return None,
            _ if is_dead => self.path_or(told),
            _ => return None,
        };
        let is_both_seen = heard.is_captured(leader) && heard.is_captured(learner);
        let ends = [
            heard.first_frame(learner, leader, core.to).filter(|_| back != Open::Yes),
            heard.first_frame(leader, learner, core.to).filter(|_| there != Open::Yes),
        ];
        Some(Verdict {
            cause: Cause::NetworkCut,
            suspect: Some(suspect),
            confidence: if is_both_seen || is_dead { Confidence::Proven } else { Confidence::Likely },
            start: self.start,
            end: ends.into_iter().flatten().max(),
            why: vec![Reason::NothingArrived {
                to_learner: there == Open::No,
                to_leader: back == Open::No,
                leader,
                learner,
            }],
        })
    }

    /// Whether one side reported a gap again and again that nothing filled, in a capture that lacks frames: longer
    /// segments vanish, or what filled it is among what the capture lacks.
    fn is_gap_left(&self, heard: &Heard<'_>, core: Window) -> bool {
        let (leader, learner) = (self.leader(), self.learner());
        let is_left = |from: Address, to: Address| self.reports_in_vain(heard, from, to, core) > 0;
        self.link.frames.has_gaps && (is_left(leader, learner) || is_left(learner, leader))
    }

    /// How often the receiver of one way reported a gap that nothing filled: up to the close, which says so last.
    fn reports_in_vain(&self, heard: &Heard<'_>, from: Address, to: Address, core: Window) -> u32 {
        let whole = Window { from: core.from.minus(BEFORE_GAP), to: self.end };
        heard.loss(from, to, whole).reported_in_vain
    }

    /// *Only short segments pass*: a segment is retransmitted in vain while the other side answers later ones.
    fn mtu(&self, heard: &Heard<'_>, core: Window) -> Option<Verdict> {
        let (leader, learner) = (self.leader(), self.learner());
        let wide = Window { from: core.from.minus(BEFORE_GAP), to: core.to };
        // A capture that lacks frames has gaps of its own, which are filled in nobody's sight.
        let has_gaps = self.link.frames.has_gaps;
        let is_it = |from: Address, to: Address| {
            let loss = heard.loss(from, to, wide);
            if heard.is_captured(from) {
                loss.again >= 3
                    && loss.recoveries.is_empty()
                    && loss.answers_to_repeats >= 1
                    && (!has_gaps || self.reports_in_vain(heard, from, to, core) > 0)
                    && loss.shortest_again > 64
            } else {
                // Whoever lacks something says so: else it is the capture that lacks it.
                loss.holes > 0
                    && loss.gaps_reported > 0
                    && loss.recoveries.is_empty()
                    && (has_gaps || !loss.is_acknowledged)
                    && (!has_gaps || self.reports_in_vain(heard, from, to, core) >= MIN_REPORTS)
            }
        };
        let suspect = match (is_it(leader, learner), is_it(learner, leader)) {
            (true, true) => self.path(),
            (true, false) => Suspect::OneWay(leader, learner),
            (false, true) => Suspect::OneWay(learner, leader),
            (false, false) => return None,
        };
        Some(Verdict {
            cause: Cause::NetworkMtu,
            suspect: Some(suspect),
            confidence: Confidence::Likely,
            start: self.start,
            end: None,
            why: vec![Reason::LongSegmentsVanish],
        })
    }
}

/// Whether what one host sent to another in a stretch of time arrived there.
pub(super) fn way_is(heard: &Heard<'_>, from: Address, to: Address, core: Window) -> Open {
    let (sees_from, sees_to) = (heard.is_captured(from), heard.is_captured(to));
    let arrived = if sees_to { heard.flow(from, to, to, core).frames } else { 0 };
    if arrived > 0 || heard.any_flow(to, from, core).acked > 0 {
        return Open::Yes;
    }
    if sees_from {
        let sent = heard.flow(from, to, from, core);
        if sees_to && sent.frames >= 2 {
            return Open::No;
        }
        let back = heard.flow(to, from, from, core);
        if sent.again >= MIN_UNANSWERED && back.frames > 0 {
            return Open::No;
        }
    }
    Open::Unknown
}
