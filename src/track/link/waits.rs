//! Waits that are long enough to be remembered: what went on during them is gathered at their ends.

use super::{BEFORE, Deadline, Direction, EDGE, Ended, FrameRef, LinkTrack, Timestamp, Wait};

impl LinkTrack {
    /// Remembers a wait for new bytes of a direction.
    #[cold]
    pub(super) fn remember_silence(
        &mut self,
        direction: Direction,
        at: Timestamp,
        ended: Ended,
        to: Option<FrameRef>,
    ) {
        let reading = self.reading.of(direction);
        let start = reading.last.at;
        let len = at.since(start);
        let wait = Wait {
            deadline: reading.deadline,
            start,
            end: at,
            ended,
            for_leader: !direction.is_to_leader(),
            from: reading.last.place,
            to,
            silence: Some(reading.silence),
            activity: self.went_on(start, at.minus(EDGE)),
            crossed: self.crossed_between(start, at),
            in_flight: self.flight.waiting(),
            before: self.went_on(start.minus(BEFORE.min(len)), start),
        };
        self.remember(wait);
    }

    /// Remembers a wait for an ACK.
    #[cold]
    pub(super) fn remember_ack(
        &mut self,
        start: Timestamp,
        from: FrameRef,
        end: Timestamp,
        ended: Ended,
        to: Option<FrameRef>,
    ) {
        let activity = self.went_on(start, end.minus(EDGE));
        let before = self.went_on(start.minus(BEFORE.min(end.since(start))), start);
        let wait = Wait {
            deadline: Deadline::Ack,
            start,
            end,
            ended,
            for_leader: false,
            from,
            to,
            silence: None,
            activity,
            crossed: self.crossed_between(start, end),
            in_flight: self.flight.waiting(),
            before,
        };
        self.remember(wait);
    }
}
