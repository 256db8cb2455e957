//! What a link remembers of its past, and how it becomes less.

use super::{LinkTrack, Samples};

impl LinkTrack {
    /// Bytes of memory that what grows with the link's past takes.
    pub(in crate::track) fn held_bytes(&self) -> usize {
        let samples: usize = self.samples().map(Samples::held_bytes).sum();
        let waits = self.waits.held_bytes();
        self.proposals.flight.held_bytes()
            + waits
            + samples
            + self.checks.held_bytes()
            + self.series.held_bytes()
    }

    /// Makes that about as much as `share`, or less.
    #[cold]
    pub(in crate::track) fn lighten(&mut self, share: usize) {
        let part = share / 4;
        self.proposals.flight.keep_within(part);
        self.forgotten.waits += self.waits.lighten(part);
        self.series.keep_within(part);
        if self.checks.held_bytes() > part {
            self.checks.lighten();
        }
        let each = share / 4 / self.samples().count().max(1);
        let heavy = self.samples_mut().filter(|samples| samples.held_bytes() > each);
        let forgotten: u64 = heavy.map(Samples::forget_values).sum();
        self.forgotten.samples += forgotten;
    }

    /// All durations that are measured on it.
    fn samples(&self) -> impl Iterator<Item = &Samples> {
        let own = [&self.pings.round_trips, &self.proposals.ack, &self.proposals.commit];
        let rtt = [&self.kernel_rtt.to_leader.samples, &self.kernel_rtt.to_learner.samples];
        let ends =
            self.one_way.iter().flat_map(|one_way| [&one_way.delay.to_leader, &one_way.delay.to_learner]);
        own.into_iter().chain(rtt).chain(ends)
    }

    /// The same, to be changed.
    pub(super) fn samples_mut(&mut self) -> impl Iterator<Item = &mut Samples> {
        let own = [&mut self.pings.round_trips, &mut self.proposals.ack, &mut self.proposals.commit];
        let rtt = [&mut self.kernel_rtt.to_leader.samples, &mut self.kernel_rtt.to_learner.samples];
        let ends = self
            .one_way
            .iter_mut()
            .flat_map(|one_way| [&mut one_way.delay.to_leader, &mut one_way.delay.to_learner]);
        own.into_iter().chain(rtt).chain(ends)
    }
}
