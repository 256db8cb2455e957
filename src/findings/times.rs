//! All times of a report, to be shown by another clock.

use super::{Election, Evidence, LogVerdict, Report, Stall};
use crate::time::Timestamp;

/// Changes a time.
type TimeChange<'a> = &'a dyn Fn(Timestamp) -> Timestamp;

impl Report {
    /// Changes every time in it; lengths stay.
    pub fn change_times(&mut self, change: TimeChange<'_>) {
        self.change_input(change);
        for server in &mut self.servers {
            for span in &mut server.roles {
                one(&mut span.from, change);
                some(&mut span.to, change);
            }
        }
        for link in &mut self.links {
            one(&mut link.opened, change);
            link.closed.iter_mut().for_each(|closed| one(&mut closed.at, change));
            let phases = &mut link.phases;
            let phases = [&mut phases.discovery, &mut phases.synchronization, &mut phases.broadcast];
            phases.into_iter().for_each(|at| some(at, change));
            link.headroom.iter_mut().for_each(|headroom| some(&mut headroom.at, change));
        }
        self.stalls.iter_mut().for_each(|stall| stall.change_times(change));
        self.near_misses.iter_mut().for_each(|miss| one(&mut miss.at, change));
        self.elections.iter_mut().for_each(|election| election.change_times(change));
        self.violations.iter_mut().for_each(|violation| one(&mut violation.at, change));
        for step in &mut self.clock_steps {
            one(&mut step.from, change);
            one(&mut step.to, change);
        }
        self.change_incidents(change);
    }

    fn change_input(&mut self, change: TimeChange<'_>) {
        some(&mut self.input.first, change);
        some(&mut self.input.last, change);
        for file in &mut self.input.files {
            some(&mut file.first, change);
            some(&mut file.last, change);
        }
        for log in &mut self.input.logs {
            some(&mut log.first, change);
            some(&mut log.last, change);
        }
    }

    fn change_incidents(&mut self, change: TimeChange<'_>) {
        for incident in &mut self.incidents {
            one(&mut incident.start, change);
            some(&mut incident.end, change);
            evidence(&mut incident.evidence, change);
        }
        for outage in &mut self.outages {
            one(&mut outage.start, change);
            some(&mut outage.end, change);
        }
        some(&mut self.coverage.from, change);
        some(&mut self.coverage.to, change);
        for gap in &mut self.coverage.gaps {
            one(&mut gap.from, change);
            one(&mut gap.to, change);
        }
        for session in &mut self.sessions.list {
            some(&mut session.created, change);
            some(&mut session.closed, change);
            for server in &mut session.servers {
                one(&mut server.from, change);
                one(&mut server.to, change);
            }
        }
    }
}

impl Stall {
    /// Changes every time in it.
    pub fn change_times(&mut self, change: TimeChange<'_>) {
        one(&mut self.start, change);
        some(&mut self.end, change);
        evidence(&mut self.evidence, change);
        self.log.iter_mut().for_each(|line| one(&mut line.at, change));
        self.log_says.iter_mut().for_each(|LogVerdict { at, .. }| some(at, change));
    }
}

impl Election {
    /// Changes both of its times.
    pub fn change_times(&mut self, change: TimeChange<'_>) {
        one(&mut self.start, change);
        some(&mut self.end, change);
    }
}

fn evidence(all: &mut [Evidence], change: TimeChange<'_>) {
    all.iter_mut().for_each(|evidence| one(&mut evidence.at, change));
}

fn one(at: &mut Timestamp, change: TimeChange<'_>) {
    *at = change(*at);
}

fn some(at: &mut Option<Timestamp>, change: TimeChange<'_>) {
    *at = at.map(change);
}
