//! Why an incident has its root and not another.

use super::IncidentWords;
use crate::findings::incident::{Incident, Reason};
use crate::findings::{Cause, Suspect};

impl IncidentWords<'_> {
    /// Why this root and not another, a clause each.
    #[must_use]
    pub fn why(&self, incident: &Incident) -> Vec<String> {
        incident.why.iter().map(|reason| self.reason(reason)).collect()
    }

    fn reason(&self, reason: &Reason) -> String {
        match reason {
            Reason::RunnerUp { cause, suspect } => {
                format!("these captures do not rule out {}{}", noun(*cause), self.of_whom(*suspect))
            }
            Reason::CaptureWouldDecide { host } => format!("a capture on {} would decide", self.name(*host)),
        }
    }

    fn of_whom(&self, suspect: Option<Suspect>) -> String {
        match suspect {
            None => String::new(),
            Some(Suspect::Host(host)) => format!(" on {}", self.name(host)),
            Some(Suspect::HostNetwork(host)) => format!(" around {}", self.name(host)),
            Some(Suspect::Path(a, b)) => format!(" between {} and {}", self.name(a), self.name(b)),
            Some(Suspect::OneWay(from, to)) => format!(" from {} to {}", self.name(from), self.name(to)),
        }
    }
}

/// A cause as a thing.
const fn noun(cause: Cause) -> &'static str {
    match cause {
        Cause::ProcessStalled => "a process that stood still",
        Cause::DiskSlow => "a slow disk",
        Cause::NetworkCut => "a dead path",
        Cause::NetworkLoss => "packet loss",
        Cause::NetworkSlow => "a slow network",
        Cause::SyncSlow => "a slow synchronization",
        Cause::NetworkMtu => "a hop with a smaller MTU",
        Cause::ProcessEnded => "a process that ended",
        Cause::LinkReset => "a RST from something in between",
        Cause::Unknown => "something else",
    }
}
