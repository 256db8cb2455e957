//! The measured facts that all rules look at, and the frames that show them.

use super::link_stall::LinkStall;
use crate::address::Address;
use crate::dissect::Direction;
use crate::findings::{Cause, Deadline, Evidence, Note, Settings, Shows, Suspect};
use crate::time::Span;
use crate::track::wait::{Ended, Mark, Silence, Wait};

/// Links of which frames are shown as evidence: the others of a silent leader show the same.
const MAX_LINKS_SHOWN: usize = 3;
/// A kernel answers within its delayed-ACK time, 40 ms on Linux and at most 500 ms (RFC 1122,
/// section 4.2.3.2).
pub(super) const KERNEL_ANSWERS: Span = Span::from_millis(500);

/// The facts that all rules look at.
pub(super) struct StallFacts<'a> {
    pub(super) group: &'a [LinkStall<'a>],
    pub(super) first: &'a LinkStall<'a>,
    /// The wait that decides: the longest one for the subject, else the longest.
    pub(super) wait: &'a Wait,
    pub(super) silence: Option<&'a Silence>,
    pub(super) subject: Address,
    pub(super) other: Address,
    pub(super) is_subject_leader: bool,
    pub(super) vantage: Option<Address>,
    pub(super) settings: &'a Settings,
}

/// What a rule finds: a cause, whom it blames, and what that rests on.
pub(super) type Finding = (Cause, Option<Suspect>, Note);

impl<'a> StallFacts<'a> {
    /// The facts of a stall; `None` where it has no wait.
    pub(super) fn of(
        group: &'a [LinkStall<'a>],
        subject: Address,
        vantage: Option<Address>,
        settings: &'a Settings,
    ) -> Option<Self> {
        let first = group.first()?;
        let leader = first.link.opened.leader.address;
        let is_subject_leader = subject == leader;
        let all = || group.iter().flat_map(|stall| stall.waits.iter().copied());
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

    pub(super) fn all_waits(&self) -> impl Iterator<Item = &Wait> {
        self.group.iter().flat_map(|stall| stall.waits.iter().copied())
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
    pub(super) fn ends(&self) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        for stall in self.group.iter().take(MAX_LINKS_SHOWN) {
            let Some(longest) = stall.waits.iter().max_by_key(|wait| wait.len()) else { continue };
            let learner = stall.link.opened.learner;
            let shows = match (longest.deadline, longest.for_leader) {
                (Deadline::Ack, _) => Shows::ProposalUnacked { learner },
                (_, true) => Shows::LastFromLeader { learner },
                (_, false) => Shows::LastFromLearner { learner },
            };
            evidence.push(Evidence { frame: longest.from, at: longest.start, shows });
            if let Some(to) = longest.to {
                let is_end = stall.link.teardown.closed.is_some_and(|closed| closed.at == longest.end);
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

    /// What would decide where no rule holds.
    pub(super) fn what_would_decide(&self) -> Note {
        match self.vantage {
            Some(taken_at) if taken_at == self.subject => {
                Note::CaptureAtReceiver { taken_at, other: self.other }
            }
            _ => Note::CaptureAtSubject { subject: self.subject },
        }
    }
}

/// The frames of a silence that show a cause.
pub(super) fn shown(silence: &Silence, cause: Cause) -> Vec<Evidence> {
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
