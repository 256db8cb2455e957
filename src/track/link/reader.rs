//! What each side waits for: the next new bytes of the other.

use super::clock_step::SenderClock;
use crate::dissect::{LinkOpened, PerDirection};
use crate::findings::{ClockStep, Deadline};
use crate::track::wait::{Mark, Silence};

/// What is waited for in one direction: the next new bytes.
#[derive(Clone, Debug)]
pub(super) struct ReaderState {
    /// The last new bytes.
    pub(super) last: Mark,
    pub(super) deadline: Deadline,
    pub(super) silence: Silence,
    pub(super) is_over: bool,
    pub(super) clock: SenderClock,
    /// The last silence, if its sender's clock knows nothing of it.
    pub(super) unconfirmed_step: Option<ClockStep>,
}

impl ReaderState {
    fn new(last: Mark, deadline: Deadline) -> Self {
        Self {
            last,
            deadline,
            silence: Silence::default(),
            is_over: false,
            clock: SenderClock::default(),
            unconfirmed_step: None,
        }
    }

    /// A wait begins.
    #[inline(always)]
    pub(super) fn begin(&mut self, last: Mark, deadline: Deadline) {
        self.last = last;
        self.deadline = deadline;
        self.silence = Silence::default();
    }
}

/// Those of a link that has just appeared.
pub(super) fn both(opened: &LinkOpened) -> PerDirection<ReaderState> {
    let mark = Mark { frame: opened.frame, at: opened.at };
    let (to_leader, to_learner) = if opened.picked_up {
        (Deadline::LeaderRead, Deadline::LearnerRead)
    } else {
        (Deadline::Init, Deadline::Init)
    };
    PerDirection {
        to_leader: ReaderState::new(mark, to_leader),
        to_learner: ReaderState::new(mark, to_learner),
    }
}
