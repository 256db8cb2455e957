//! Attempts to connect, by who dials whom.

use crate::address::{Address, Endpoint};
use crate::time::Timestamp;

/// How an attempt to connect failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DialFailure {
    /// A RST answered the SYN: nobody listens there.
    Refused,
    /// Nothing answered the SYN.
    Unanswered,
    /// The connection was made and let go of without a byte.
    Empty,
    /// The acceptor let go after the dialer's first words: as a server does that has the higher id and dials itself
    /// (QuorumCnxManager, 3.4 to 3.9).
    TurnedAway,
}

/// Attempts of one server to connect to a port of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Who dials.
    pub from: Address,
    /// Whom.
    pub to: Endpoint,
    /// Attempts that were accepted.
    pub accepted: u64,
    /// Attempts that a RST answered.
    pub refused: u64,
    /// Attempts that nothing answered.
    pub unanswered: u64,
    /// Connections let go of without a byte.
    pub empty: u64,
    /// Connections that the acceptor let go of after the dialer's first words.
    pub turned_away: u64,
    /// The first attempt.
    pub first: Timestamp,
    /// The last sign of one.
    pub last: Timestamp,
}

impl Dial {
    /// None yet.
    #[must_use]
    pub const fn new(from: Address, to: Endpoint, at: Timestamp) -> Self {
        Self {
            from,
            to,
            accepted: 0,
            refused: 0,
            unanswered: 0,
            empty: 0,
            turned_away: 0,
            first: at,
            last: at,
        }
    }

    /// One more that failed.
    pub fn counts(&mut self, failure: DialFailure, at: Timestamp) {
        let count = match failure {
            DialFailure::Refused => &mut self.refused,
            DialFailure::Unanswered => &mut self.unanswered,
            DialFailure::Empty => &mut self.empty,
            DialFailure::TurnedAway => &mut self.turned_away,
        };
        *count += 1;
        self.last = self.last.max(at);
    }

    /// Whether anything but success was seen; each pair is turned away once by design.
    #[must_use]
    pub const fn is_notable(&self) -> bool {
        self.refused + self.unanswered + self.empty > 0 || self.turned_away > 1
    }
}
