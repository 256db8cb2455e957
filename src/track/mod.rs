//! Events to facts: servers, links, round trips, headroom, elections, stalls.

use crate::dissect::{
    AuthSeen, Direction, ElectionSeen, LinkOpened, LinkTotals, Observer, PacketSeen, SegmentSeen,
    SnapshotSeen,
};
use crate::proto::Sid;
use crate::report::model::{Origin, Report};
use crate::stream::{Closing, Slot};
use crate::time::Timestamp;
use std::net::IpAddr;

/// A server that a configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedServer {
    /// Its id.
    pub sid: Sid,
    /// The name to show: its host as the configuration has it, or `server.N` where that is an address.
    pub name: String,
    /// Its address, where the configuration gives one.
    pub address: Option<IpAddr>,
}

/// What the trackers are told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// tickTime in milliseconds, and where it came from; `None` to take it from the pings.
    pub tick_ms: Option<(u32, Origin)>,
    /// syncLimit in ticks.
    pub sync_limit: Option<(u32, Origin)>,
    /// initLimit in ticks.
    pub init_limit: Option<(u32, Origin)>,
    /// From which share of a deadline a wait is listed as a near miss, in percent.
    pub warn_at_percent: u32,
    /// Servers that a configuration names.
    pub servers: Vec<NamedServer>,
}

/// The trackers of a capture.
#[derive(Debug, Default)]
pub struct Tracker {
    options: Options,
}

impl Tracker {
    /// Trackers that have seen nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// The report, but for its input; `last` is the time of the capture's last frame.
    #[must_use]
    pub fn finish(self, last: Option<Timestamp>) -> Report {
        let _ = (last, self.options);
        Report::default()
    }
}

impl Observer for Tracker {
    fn link_opened(&mut self, _slot: Slot, _opened: &LinkOpened) {}
    fn segment(&mut self, _slot: Slot, _seen: &SegmentSeen<'_>) {}
    fn packet(&mut self, _slot: Slot, _packet: &PacketSeen<'_>) {}
    fn snapshot(&mut self, _slot: Slot, _snapshot: &SnapshotSeen) {}
    fn link_closed(&mut self, _slot: Slot, _direction: Direction, _closing: &Closing) {}
    fn gap(&mut self, _slot: Slot, _direction: Direction, _len: u64, _at: Timestamp) {}
    fn link_over(&mut self, _slot: Slot, _totals: &LinkTotals) {}
    fn election(&mut self, _message: &ElectionSeen<'_>) {}
    fn auth(&mut self, _auth: &AuthSeen) {}
}
