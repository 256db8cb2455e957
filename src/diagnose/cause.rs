//! Why a stall came about, and which frames show it.
//!
//! Each rule is a small function over the same measured facts; the first that holds gives the verdict.
//! Where none does the verdict is `unknown`, with what would have decided it. No rule has a threshold
//! of its own making: what counts as late follows from the link's own usual round trips, what counts
//! as long from ZooKeeper's limits.

use super::one_way;
use super::stall::LinkStall;
use crate::address::Address;
use crate::dissect::Direction;
use crate::findings::{Cause, Deadline, Evidence, Note, Settings, Shows, Suspect};
use crate::time::{Span, Timestamp};
use crate::track::activity::Sum;
use crate::track::wait::{Ended, Mark, Silence, Wait};

/// Frames of evidence per stall.
const MAX_EVIDENCE: usize = 10;
/// A kernel answers within its delayed-ACK time, 40 ms on Linux and at most 500 ms (RFC 1122,
/// section 4.2.3.2).
const KERNEL_ANSWERS: Span = Span::from_millis(500);

/// The outcome of judging.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    pub(super) cause: Cause,
    pub(super) suspect: Option<Suspect>,
    pub(super) evidence: Vec<Evidence>,
    pub(super) notes: Vec<Note>,
}

/// The facts that all rules look at.
pub(super) struct Facts<'a> {
    group: &'a [LinkStall<'a>],
    pub(super) first: &'a LinkStall<'a>,
    /// The wait that decides: the longest one for the subject, else the longest.
    pub(super) wait: &'a Wait,
    silence: Option<&'a Silence>,
    subject: Address,
    other: Address,
    is_subject_leader: bool,
    vantage: Option<Address>,
    settings: &'a Settings,
}

/// What a rule finds: a cause, whom it blames, and what that rests on.
pub(super) type Finding = (Cause, Option<Suspect>, Note);

/// A rule: what it finds where it holds.
type Rule = fn(&Facts<'_>) -> Option<Finding>;

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

/// Finds the cause of an incident.
pub(super) fn judge(
    group: &[LinkStall<'_>],
    subject: Address,
    vantage: Option<Address>,
    settings: &Settings,
) -> Verdict {
    let Some(facts) = Facts::of(group, subject, vantage, settings) else { return Verdict::default() };
    let mut verdict = Verdict { evidence: facts.ends(), ..Verdict::default() };
    let is_sound = one_way::is_sound(&facts);
    let asked = RULES.iter().filter(|(_, about)| !is_sound || *about == About::Any);
    let is_one_sided = group.iter().all(|incident| incident.link.is_one_sided());
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

impl<'a> Facts<'a> {
    fn of(
        group: &'a [LinkStall<'a>],
        subject: Address,
        vantage: Option<Address>,
        settings: &'a Settings,
    ) -> Option<Self> {
        let first = group.first()?;
        let leader = first.link.opened.leader.address;
        let is_subject_leader = subject == leader;
        let all = || group.iter().flat_map(|incident| incident.waits.iter().copied());
        let reads = |wait: &&Wait| wait.silence.is_some() && wait.for_leader == is_subject_leader;
        let wait = all()
            .filter(reads)
            .max_by_key(|wait| wait.len())
            .or_else(|| {
                all().filter(|wait| wait.for_leader == is_subject_leader).max_by_key(|wait| wait.len())
            })
            .or_else(|| all().max_by_key(|wait| wait.len()))?;
        let other = if is_subject_leader { first.link.opened.learner.address } else { leader };
        Some(Self {
            group,
            first,
            wait,
            silence: wait.silence.as_ref(),
            subject,
            other,
            is_subject_leader,
            vantage,
            settings,
        })
    }

    fn all_waits(&self) -> impl Iterator<Item = &Wait> {
        self.group.iter().flat_map(|incident| incident.waits.iter().copied())
    }

    /// Whether frames of any kind came by in a direction well into the wait.
    pub(super) fn hears(&self, direction: Direction) -> bool {
        self.first.waits.iter().filter(|wait| wait.for_leader != direction.is_to_leader()).any(|wait| {
            let last = wait.silence.as_ref().and_then(|silence| silence.last_frame);
            last.is_some_and(|mark| mark.at.since(wait.start) > KERNEL_ANSWERS)
        })
    }

    /// The network between the two; of a leader cut off from all its learners, the first of these paths.
    pub(super) const fn path(&self) -> Suspect {
        Suspect::Path(self.subject, self.other)
    }

    /// The frames at the ends of the waits.
    fn ends(&self) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        for incident in self.group.iter().take(3) {
            let Some(longest) = incident.waits.iter().max_by_key(|wait| wait.len()) else { continue };
            let learner = incident.link.opened.learner;
            let shows = match (longest.deadline, longest.for_leader) {
                (Deadline::Ack, _) => Shows::ProposalUnacked { learner },
                (_, true) => Shows::LastFromLeader { learner },
                (_, false) => Shows::LastFromLearner { learner },
            };
            evidence.push(Evidence { frame: longest.from, at: longest.start, shows });
            if let Some(to) = longest.to {
                let is_end = incident.link.closed.is_some_and(|closed| closed.at == longest.end);
                let after = longest.len();
                let shows = match (longest.ended, longest.deadline) {
                    (Ended::Closed, _) if !is_end => Shows::LastFin,
                    (Ended::Closed, _) => Shows::LinkClosed { after },
                    (_, Deadline::Ack) => Shows::Ack { after },
                    _ => Shows::NextBytes { after },
                };
                evidence.push(Evidence { frame: to, at: longest.end, shows });
            }
        }
        evidence
    }

    fn what_would_decide(&self) -> Note {
        match self.vantage {
            Some(taken_at) if taken_at == self.subject => {
                Note::CaptureAtReceiver { taken_at, other: self.other }
            }
            _ => Note::CaptureAtSubject { subject: self.subject },
        }
    }
}

/// Whether a side's kernel showed itself well into a wait, and not only in its first moments, when
/// answers to what was sent before are still under way.
fn kernel_shows(silence: &Silence, start: Timestamp, end: Timestamp) -> bool {
    let half = start.plus(end.since(start).over(2));
    silence.acked > 0 && silence.last_frame.is_some_and(|mark| mark.at >= half)
}

/// *The network is cut*: the same bytes are sent again and again, with growing pauses, and nothing
/// acknowledges them. What still comes through, and from whom, tells which way.
fn path_is_cut(facts: &Facts<'_>) -> Option<Finding> {
    let unanswered = |for_leader: bool| {
        facts.all_waits().filter(|wait| wait.for_leader == for_leader).find_map(|wait| {
            let silence = wait.silence.as_ref()?;
            let is_repeated = silence.other_repeats >= 3;
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
    let closer = link.closed.map(|closed| {
        if closed.by_leader { link.opened.leader.address } else { link.opened.learner.address }
    });
    let is_heard = silence.frames_between_retransmissions > 0
        || link.close_repeats_answered >= 2 && closer == Some(target);
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
    /// The least timer of Linux.
    const MIN_RTO: Span = Span::from_millis(200);
    last.at.since(first.at) >= MIN_RTO.times(i64::from(repeats.saturating_sub(1)))
}

/// *The network loses*: much was being sent again when the wait began, and there was progress between.
fn path_was_losing(facts: &Facts<'_>) -> Option<Finding> {
    loss(facts, facts.all_waits().map(|wait| wait.before))
}

/// The same while something was waited for that others overtook.
fn path_loses(facts: &Facts<'_>) -> Option<Finding> {
    loss(facts, facts.all_waits().map(|wait| wait.activity))
}

fn loss(facts: &Facts<'_>, sums: impl Iterator<Item = Sum>) -> Option<Finding> {
    let (again, fresh) = sums
        // Progress: both sides brought something new.
        .filter(|sum| sum.fresh.iter().all(|count| *count > 0))
        .map(|sum| (sum.again.iter().sum::<u32>(), sum.fresh.iter().sum::<u32>()))
        // One in ten sent again: more than a healthy path ever shows.
        .filter(|(again, fresh)| *again >= 5 && again * 10 >= fresh + again)
        .max()?;
    let why = Note::Retransmissions { count: again, of: fresh + again };
    Some((Cause::NetworkLoss, Some(facts.path()), why))
}

/// *The network is cut* where nothing was under way: the FIN that ends the link is sent again and
/// again, and nobody answers.
fn close_is_unanswered(facts: &Facts<'_>) -> Option<Finding> {
    let incident = facts.group.iter().find(|incident| {
        let link = incident.link;
        link.close_repeats >= 3
            && incident.waits.iter().any(|wait| {
                link.closed.is_some_and(|closed| wait.end == closed.at)
                    || link.last_close_repeat.is_some_and(|last| wait.end == last.at)
            })
    })?;
    let why = Note::FinUnanswered { times: incident.link.close_repeats + 1 };
    Some((Cause::NetworkCut, Some(facts.path()), why))
}

/// *The network is cut* as the learner sees it: the leader kept its quorum, so it lived and sent its
/// PINGs, and not a frame of it arrived.
fn leader_is_unheard(facts: &Facts<'_>) -> Option<Finding> {
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
fn kernel_answers(facts: &Facts<'_>) -> Option<Finding> {
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
fn close_is_answered(facts: &Facts<'_>) -> Option<Finding> {
    if facts.wait.deadline == Deadline::Init || facts.silence.is_none_or(|silence| silence.other_repeats >= 3)
    {
        return None;
    }
    let answered = facts.group.iter().find(|incident| {
        let Some(closed) = incident.link.closed else { return false };
        let is_by_other = closed.by_leader != facts.is_subject_leader;
        is_by_other
            && incident.link.after_close.is_some_and(|mark| mark.at.since(closed.at) <= KERNEL_ANSWERS)
    })?;
    let closed = answered.link.closed?;
    let within = answered.link.after_close?.at.since(closed.at);
    let why = Note::KernelAnsweredClose { subject: facts.subject, within };
    Some((Cause::ProcessStalled, Some(Suspect::Host(facts.subject)), why))
}

/// *The disk is slow*: PINGs are answered as ever, ACKs of PROPOSALs are late.
fn disk_is_late(facts: &Facts<'_>) -> Option<Finding> {
    if facts.is_subject_leader || facts.all_waits().any(|wait| wait.deadline != Deadline::Ack) {
        return None;
    }
    let wait = facts.all_waits().max_by_key(|wait| wait.len())?;
    let beats =
        wait.len().nanos() / Span::from_millis(i64::from(facts.settings.tick_ms)).over(2).nanos().max(1);
    let pongs = i64::from(wait.activity.pongs);
    let is_prompt = pongs * 4 >= beats * 3 && i64::from(wait.activity.late_pongs) * 4 <= pongs;
    (is_prompt && pongs > 0).then(|| {
        let why = Note::PingsAnswered { count: wait.activity.pongs, waited: wait.len() };
        (Cause::DiskSlow, Some(Suspect::Host(facts.subject)), why)
    })
}

/// The half case of a process that stands still: answers come, all of them late, while the kernel's
/// ACKs do not; where those are late too, the network is slow.
fn answers_are_late(facts: &Facts<'_>) -> Option<Finding> {
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
fn synchronisation(facts: &Facts<'_>) -> Option<Finding> {
    if facts.wait.deadline != Deadline::Init {
        return None;
    }
    let bytes = facts.first.link.phases.sync_bytes;
    let is_leader = facts.is_subject_leader;
    let why =
        bytes.map_or(Note::SilentWhileSynchronising { is_leader }, |bytes| Note::SnapshotUnderWay { bytes });
    Some((Cause::SyncSlow, Some(Suspect::Host(facts.subject)), why))
}

/// The frames of a silence that show a cause.
fn shown(silence: &Silence, cause: Cause) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    let mut add = |mark: Option<Mark>, shows: Shows| {
        if let Some(mark) = mark {
            evidence.push(Evidence { frame: mark.frame, at: mark.at, shows });
        }
    };
    match cause {
        Cause::ProcessStalled => {
            add(silence.first_frame, Shows::KernelAnswers);
            add(silence.last_frame, Shows::KernelAnswersLast);
        }
        Cause::NetworkCut | Cause::NetworkLoss => {
            add(silence.first_repeat, Shows::FirstRetransmission);
            add(silence.last_repeat_at, Shows::LastRetransmission);
        }
        _ => {
            add(silence.last_frame, Shows::LastFrameOfQuietSide);
            add(silence.other_last, Shows::LastBytesOfOtherSide);
        }
    }
    evidence
}
