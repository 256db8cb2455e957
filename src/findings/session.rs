//! Client sessions, as the ensemble's own traffic shows them.

use crate::address::Address;
use crate::time::Timestamp;

/// Client sessions as the ensemble's own traffic shows them.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    /// Different sessions seen.
    pub seen: u64,
    /// The most affected first; bounded.
    pub list: Vec<Session>,
}

/// A client session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id.
    pub id: u64,
    /// Its timeout, where a PING or `createSession` showed it.
    pub timeout_ms: Option<u32>,
    /// The servers that named it in their PINGs or forwarded requests for it.
    pub servers: Vec<SessionServer>,
    /// When a `createSession` for it was seen.
    pub created: Option<Timestamp>,
    /// When a `closeSession` for it was seen.
    pub closed: Option<Timestamp>,
    /// Who closed it.
    pub closed_by: Option<ClosedBy>,
    /// From the last sign of life of its server to its expiry, in milliseconds.
    pub expired_after_ms: Option<u64>,
    /// The incident in which it moved or expired.
    pub incident: Option<u32>,
}

/// A server that held a session, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionServer {
    /// The server.
    pub address: Address,
    /// First named.
    pub from: Timestamp,
    /// Last named.
    pub to: Timestamp,
}

/// Who closed a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// Its client: a server forwarded the request.
    Client,
    /// The leader, when its timeout had run out.
    Expiry,
}

impl ClosedBy {
    /// Its name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Expiry => "expiry",
        }
    }
}
