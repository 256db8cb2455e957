//! A hypothesis about a span: the number of packets of each type.

use crate::proto::PacketType;

/// The number of packets of each type in a span. `main` counts PROPOSALs (INFORMs to an observer) in a stream
/// to a learner, and ACKs in a stream to the leader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::dissect) struct Hypothesis {
    pub(in crate::dissect) main: u32,
    pub(in crate::dissect) commits: u32,
    pub(in crate::dissect) pings: u32,
    pub(in crate::dissect) requests: u32,
    pub(in crate::dissect) revalidates: u32,
    pub(in crate::dissect) newleaders: u32,
    pub(in crate::dissect) uptodates: u32,
}

impl Hypothesis {
    /// The minimum of both hypotheses.
    pub(super) fn common(self, other: Self) -> Self {
        Self {
            main: self.main.min(other.main),
            commits: self.commits.min(other.commits),
            pings: self.pings.min(other.pings),
            requests: self.requests.min(other.requests),
            revalidates: self.revalidates.min(other.revalidates),
            newleaders: self.newleaders.min(other.newleaders),
            uptodates: self.uptodates.min(other.uptodates),
        }
    }

    /// The maximum of both hypotheses.
    pub(super) fn either(self, other: Self) -> Self {
        Self {
            main: self.main.max(other.main),
            commits: self.commits.max(other.commits),
            pings: self.pings.max(other.pings),
            requests: self.requests.max(other.requests),
            revalidates: self.revalidates.max(other.revalidates),
            newleaders: self.newleaders.max(other.newleaders),
            uptodates: self.uptodates.max(other.uptodates),
        }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            main: self.main.saturating_sub(other.main),
            commits: self.commits.saturating_sub(other.commits),
            pings: self.pings.saturating_sub(other.pings),
            requests: self.requests.saturating_sub(other.requests),
            revalidates: self.revalidates.saturating_sub(other.revalidates),
            newleaders: self.newleaders.saturating_sub(other.newleaders),
            uptodates: self.uptodates.saturating_sub(other.uptodates),
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            main: self.main + other.main,
            commits: self.commits + other.commits,
            pings: self.pings + other.pings,
            requests: self.requests + other.requests,
            revalidates: self.revalidates + other.revalidates,
            newleaders: self.newleaders + other.newleaders,
            uptodates: self.uptodates + other.uptodates,
        }
    }

    pub(in crate::dissect) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Whether it contains a packet of a type.
    pub(super) fn holds(&self, kind: PacketType, to_leader: bool) -> bool {
        match kind {
            PacketType::Ack => to_leader && self.main > 0,
            PacketType::Proposal | PacketType::Inform => !to_leader && self.main > 0,
            PacketType::Commit => self.commits > 0,
            PacketType::Ping => self.pings > 0,
            PacketType::Request => self.requests > 0,
            PacketType::Revalidate => self.revalidates > 0,
            PacketType::NewLeader => self.newleaders > 0,
            PacketType::UpToDate => self.uptodates > 0,
            _ => false,
        }
    }
}
