//! Why a stall came about, and which frames show it.
//!
//! Each rule is a small function over the same measured facts; the first that holds gives the verdict.
//! Where none does the verdict is `unknown`, with what would have decided it.
//!
//! What counts as late follows from the link's own round trips ([`crate::track`] has the baseline), what
//! counts as long from ZooKeeper's limits. All other thresholds are the constants below, each with its source;
//! where no standard names one, the reason for it stands there.

use super::facts::{Finding, KERNEL_ANSWERS, StallFacts, shown};
use super::link_stall::LinkStall;
use super::one_way;
use crate::address::Address;
use crate::findings::{Cause, Deadline, Evidence, Note, Settings, Suspect};
use crate::time::{Span, Timestamp};
use crate::track::activity::Sum;
use crate::track::wait::{Ended, Mark, Silence};

/// Frames of evidence per stall.
const MAX_EVIDENCE: usize = 10;
/// Retransmissions of the same bytes after which a path is suspected (RFC 1122, section 4.2.3.5: R1, at least 3;
/// Linux: `net.ipv4.tcp_retries1`).
const MIN_REPEATS: u32 = 3;
/// FINs repeated though the other side had answered one: a single one may have crossed that answer.
const MIN_ANSWERED_CLOSES: u32 = 2;
/// The shortest retransmission timer of Linux (`TCP_RTO_MIN`).
const MIN_RTO: Span = Span::from_millis(200);
/// Retransmissions that are loss, at least: fewer may be one burst that a full queue dropped.
const MIN_RETRANSMISSIONS: u32 = 5;
/// One segment in so many is retransmitted on a path that loses. No standard names a share; at one in ten TCP's
/// window is down to four segments (RFC 5348, section 3.1), and PINGs wait for retransmission timers.
const LOSS_ONE_IN: u32 = 10;
/// Of the PINGs that a wait had time for, so many quarters were answered where the process was alive; the rest
/// leaves room for the edges of the wait. Chosen.
const ANSWERED_QUARTERS: i64 = 3;
/// And at most one answer in so many was late. Chosen.
const LATE_ONE_IN: i64 = 4;

/// The outcome of judging.
#[derive(Clone, Debug, Default)]
pub(super) struct CauseVerdict {
    pub(super) cause: Cause,
    pub(super) suspect: Option<Suspect>,
    pub(super) evidence: Vec<Evidence>,
    pub(super) notes: Vec<Note>,
}

/// A rule: what it finds where it holds.
type Rule = fn(&StallFacts<'_>) -> Option<Finding>;

/// The rules, in the order in which they are asked. Those of the network are left out where everything that
/// was sent is seen to arrive.
const RULES: [(Rule, About); 12] = [
    (path_was_losing, About::Network),
    (one_way::is_seen_to_vanish, About::Any),
    (one_way::is_seen_late, About::Any),
    (path_is_cut, About::Network),
    (close_is_unanswered, About::Network),
    (leader_is_unheard, About::Network),
    (path_loses, About::Network),
    (kernel_answers, About::Any),
    (close_is_answered, About::Any),
    (disk_is_late, About::Any),
    (answers_are_late, About::Any),
    (synchronisation, About::Any),
];

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// Segments that are inferred to be lost.
    Network,
    /// Anything else.
    Any,
}

/// Finds the cause of an stall.
pub(super) fn judge(
    group: &[LinkStall<'_>],
    subject: Address,
    vantage: Option<Address>,
    settings: &Settings,
) -> CauseVerdict {
    let Some(facts) = StallFacts::of(group, subject, vantage, settings) else {
        return CauseVerdict::default();
    };
    let mut verdict = CauseVerdict { evidence: facts.ends(), ..CauseVerdict::default() };
    let is_sound = one_way::is_sound(&facts);
    let asked = RULES.iter().filter(|(_, about)| !is_sound || *about == About::Any);
    let is_one_sided = group.iter().all(|stall| stall.link.is_one_sided());
    match asked.into_iter().find_map(|(rule, _)| rule(&facts)) {
        _ if is_one_sided => verdict.notes.push(Note::OneDirection),
        Some((cause, suspect, why)) => {
            (verdict.cause, verdict.suspect) = (cause, suspect);
            verdict.notes.push(why);
        }
        None => verdict.notes.push(facts.what_would_decide()),
    }
    if let Some(silence) = facts.silence {
        verdict.evidence.extend(shown(silence, verdict.cause));
    }
    verdict.evidence.extend(one_way::evidence(&facts));
    verdict.evidence.sort_by_key(|evidence| evidence.at);
    verdict.evidence.dedup_by_key(|evidence| evidence.frame);
    verdict.evidence.truncate(MAX_EVIDENCE);
    verdict
}

/// Whether a side's kernel showed itself well into a wait, and not only in its first moments, when
/// answers to what was sent before are still under way.
fn kernel_shows(silence: &Silence, start: Timestamp, end: Timestamp) -> bool {
    let half = start.plus(end.since(start).over(2));
    silence.acked > 0 && silence.last_frame.is_some_and(|mark| mark.at >= half)
}

/// *The network is cut*: the same bytes are sent again and again, with growing pauses, and nothing
/// acknowledges them. What still comes through, and from whom, tells which way.
fn path_is_cut(facts: &StallFacts<'_>) -> Option<Finding> {
    let unanswered = |for_leader: bool| {
        facts.all_waits().filter(|wait| wait.for_leader == for_leader).find_map(|wait| {
            let silence = wait.silence.as_ref()?;
            let is_repeated = silence.other_repeats >= MIN_REPEATS;
            let last_repeat = silence.last_repeat_at?;
            let first_repeat = silence.first_repeat?;
            // An acknowledgment after the repeating began would have ended it.
            let no_progress = silence.last_acked.is_none_or(|mark| mark.at <= first_repeat.at);
            (is_repeated && no_progress && is_backing_off(first_repeat, last_repeat, silence.other_repeats))
                .then_some(wait)
        })
    };
    let to_subject = unanswered(facts.is_subject_leader);
    let from_subject = unanswered(!facts.is_subject_leader);
    let wait = to_subject.or(from_subject)?;
    let silence = wait.silence.as_ref()?;
    // Who repeats, and whom it does not reach.
    let (sender, target) = if wait.for_leader {
        (facts.first.link.opened.learner.address, facts.first.link.opened.leader.address)
    } else {
        (facts.first.link.opened.leader.address, facts.first.link.opened.learner.address)
    };
    // Heard all the while, the target has its way out: only the way in is cut.
    let link = facts.first.link;
    let closer = link.teardown.closed.map(|closed| {
        if closed.by_leader { link.opened.leader.address } else { link.opened.learner.address }
    });
    let is_heard = silence.frames_between_retransmissions > 0
        || link.teardown.repeats_answered >= MIN_ANSWERED_CLOSES && closer == Some(target);
    let is_both = to_subject.is_some() && from_subject.is_some();
    // Taken at one end, the capture shows of the other only what arrives: with that, one way is open.
    let from_other = facts.vantage.and_then(|at| {
        let is_leader = at == link.opened.leader.address;
        let other = if is_leader { link.opened.learner.address } else { link.opened.leader.address };
        facts
            .all_waits()
            .filter(|wait| wait.for_leader != is_leader)
            .filter_map(|wait| wait.silence.as_ref())
            .find(|silence| silence.frames_between_retransmissions > 0)
            .map(|_| (at, other))
    });
    if let Some((from, to)) = from_other.filter(|(from, _)| facts.group.len() == 1 || *from == facts.subject)
    {
        let why = Note::HeardWhileRetransmitting { from, to };
        return Some((Cause::NetworkCut, Some(Suspect::OneWay(from, to)), why));
    }
    let is_one_way = facts.group.len() == 1 && is_heard && !is_both;
    let suspect = if is_one_way { Suspect::OneWay(sender, target) } else { facts.path() };
    let why = Note::Unacknowledged { from: sender, to: target, times: silence.other_repeats + 1 };
    Some((Cause::NetworkCut, Some(suspect), why))
}

/// Whether repetitions follow each other with growing pauses, as a retransmission timer's do
/// (RFC 6298, section 5.5): n of them span more than n times the shortest timer.
fn is_backing_off(first: Mark, last: Mark, repeats: u32) -> bool {
    last.at.since(first.at) >= MIN_RTO.times(i64::from(repeats.saturating_sub(1)))
}

/// *The network loses*: much was being sent again when the wait began, and there was progress between.
fn path_was_losing(facts: &StallFacts<'_>) -> Option<Finding> {
    loss(facts, facts.all_waits().map(|wait| wait.before))
}

/// The same while something was waited for that others overtook.
fn path_loses(facts: &StallFacts<'_>) -> Option<Finding> {
    loss(facts, facts.all_waits().map(|wait| wait.activity))
}

fn loss(facts: &StallFacts<'_>, sums: impl Iterator<Item = Sum>) -> Option<Finding> {
    let (again, fresh) = sums
        // Progress: both sides brought something new.
        .filter(|sum| sum.fresh.iter().all(|count| *count > 0))
        .map(|sum| (sum.again.iter().sum::<u32>(), sum.fresh.iter().sum::<u32>()))
        .filter(|(again, fresh)| *again >= MIN_RETRANSMISSIONS && again * LOSS_ONE_IN >= fresh + again)
        .max()?;
    let why = Note::Retransmissions { count: again, of: fresh + again };
    Some((Cause::NetworkLoss, Some(facts.path()), why))
}

/// *The network is cut* where nothing was under way: the FIN that ends the link is sent again and
/// again, and nobody answers.
fn close_is_unanswered(facts: &StallFacts<'_>) -> Option<Finding> {
    let stall = facts.group.iter().find(|stall| {
        let link = stall.link;
        link.teardown.repeats >= MIN_REPEATS
            && stall.waits.iter().any(|wait| {
                link.teardown.closed.is_some_and(|closed| wait.end == closed.at)
                    || link.teardown.last_repeat.is_some_and(|last| wait.end == last.at)
            })
    })?;
    let why = Note::FinUnanswered { times: stall.link.teardown.repeats + 1 };
    Some((Cause::NetworkCut, Some(facts.path()), why))
}

/// *The network is cut* as the learner sees it: the leader kept its quorum, so it lived and sent its
/// PINGs, and not a frame of it arrived.
fn leader_is_unheard(facts: &StallFacts<'_>) -> Option<Finding> {
    if facts.is_subject_leader {
        return None;
    }
    let wait = facts.all_waits().find(|wait| wait.deadline == Deadline::LearnerRead)?;
    let [_, from_leader] = wait.activity.frames;
    let is_unheard = from_leader == 0;
    is_unheard.then(|| {
        let why = Note::LeaderUnheard { leader: facts.other, lasted: wait.len() };
        (Cause::NetworkCut, Some(facts.path()), why)
    })
}

/// *The process stands still, the host lives*: the kernel goes on acknowledging, and nothing above
/// TCP answers.
fn kernel_answers(facts: &StallFacts<'_>) -> Option<Finding> {
    if facts.wait.deadline == Deadline::Init {
        return None;
    }
    let silence = facts.silence?;
    // Where its kernel comes back together with the process, or the close, both were away, or the path between.
    let [of_learner, of_leader] = facts.wait.activity.frames;
    let amid = if facts.is_subject_leader { of_leader } else { of_learner };
    let before_its_end = facts.wait.end.minus(KERNEL_ANSWERS);
    let is_early = silence.first_frame.is_some_and(|mark| mark.at <= before_its_end);
    let is_amid = amid > 0 || facts.wait.ended != Ended::Heard && silence.acked > 1 && is_early;
    (is_amid && kernel_shows(silence, facts.wait.start, facts.wait.end)).then(|| {
        let why = Note::KernelAcknowledged { subject: facts.subject, times: silence.acked };
        (Cause::ProcessStalled, Some(Suspect::Host(facts.subject)), why)
    })
}

/// The same where there was nothing to acknowledge: the kernel answers the FIN that ends the link.
fn close_is_answered(facts: &StallFacts<'_>) -> Option<Finding> {
    if facts.wait.deadline == Deadline::Init
        || facts.silence.is_none_or(|silence| silence.other_repeats >= MIN_REPEATS)
    {
        return None;
    }
    let answered = facts.group.iter().find(|stall| {
        let Some(closed) = stall.link.teardown.closed else { return false };
        let is_by_other = closed.by_leader != facts.is_subject_leader;
        is_by_other
            && stall.link.teardown.after_close.is_some_and(|mark| mark.at.since(closed.at) <= KERNEL_ANSWERS)
    })?;
    let closed = answered.link.teardown.closed?;
    let within = answered.link.teardown.after_close?.at.since(closed.at);
    let why = Note::KernelAnsweredClose { subject: facts.subject, within };
    Some((Cause::ProcessStalled, Some(Suspect::Host(facts.subject)), why))
}

/// *The disk is slow*: PINGs are answered as ever, ACKs of PROPOSALs are late.
fn disk_is_late(facts: &StallFacts<'_>) -> Option<Finding> {
    if facts.is_subject_leader || facts.all_waits().any(|wait| wait.deadline != Deadline::Ack) {
        return None;
    }
    let wait = facts.all_waits().max_by_key(|wait| wait.len())?;
    let beats =
        wait.len().nanos() / Span::from_millis(i64::from(facts.settings.tick_ms)).over(2).nanos().max(1);
    let pongs = i64::from(wait.activity.pongs);
    let is_prompt =
        pongs * 4 >= beats * ANSWERED_QUARTERS && i64::from(wait.activity.late_pongs) * LATE_ONE_IN <= pongs;
    (is_prompt && pongs > 0).then(|| {
        let why = Note::PingsAnswered { count: wait.activity.pongs, waited: wait.len() };
        (Cause::DiskSlow, Some(Suspect::Host(facts.subject)), why)
    })
}

/// The half case of a process that stands still: answers come, all of them late, while the kernel's
/// ACKs do not; where those are late too, the network is slow.
fn answers_are_late(facts: &StallFacts<'_>) -> Option<Finding> {
    if facts.is_subject_leader {
        return None;
    }
    let wait =
        facts.all_waits().filter(|wait| wait.deadline == Deadline::Ack).max_by_key(|wait| wait.len())?;
    let sum = wait.activity;
    if sum.late_acks * 2 > sum.timed_acks && sum.timed_acks > 0 {
        let why = Note::KernelAcksLate { late: sum.late_acks, of: sum.timed_acks };
        return Some((Cause::NetworkSlow, Some(facts.path()), why));
    }
    let is_slow = sum.late_pongs > 0 || sum.pongs == 0;
    (is_slow && sum.timed_acks > 0).then(|| {
        let why = Note::PingsLate { late: sum.late_pongs, of: sum.pongs };
        (Cause::ProcessStalled, Some(Suspect::Host(facts.subject)), why)
    })
}

/// *Synchronisation takes too long*.
fn synchronisation(facts: &StallFacts<'_>) -> Option<Finding> {
    if facts.wait.deadline != Deadline::Init {
        return None;
    }
    let bytes = facts.first.link.handshake.phases.sync_bytes;
    let is_leader = facts.is_subject_leader;
    let why =
        bytes.map_or(Note::SilentWhileSynchronising { is_leader }, |bytes| Note::SnapshotUnderWay { bytes });
    Some((Cause::SyncSlow, Some(Suspect::Host(facts.subject)), why))
}
