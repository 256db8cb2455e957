//! Who keeps the numbers of a link: nobody, the link itself, or all the others together.

use super::sheet::Sheet;
use super::{MAX_DETAILED, Trip};
use crate::dissect::{Direction, PacketSeen};
use crate::findings::Deadline;
use crate::proto::PacketType;
use crate::time::{Span, Timestamp};
use std::sync::{Arc, Mutex};

/// What is asked of the series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesOptions {
    /// Intervals of all links together that the report may hold.
    pub max_intervals: usize,
    /// Whether to tell how long round trips took by bucket, so that histograms can be merged.
    pub buckets: bool,
}

/// Where a link's numbers go.
#[derive(Clone, Debug, Default)]
pub enum Keeper {
    /// Nowhere.
    #[default]
    Off,
    /// To a sheet of its own.
    Own(Box<Sheet>),
    /// To that of all links which have none of their own.
    Shared(Arc<Mutex<Sheet>>),
}

/// Hands out sheets.
#[derive(Clone, Debug, Default)]
pub struct SeriesBook {
    pub(super) options: Option<SeriesOptions>,
    pub(super) rest: Option<Arc<Mutex<Sheet>>>,
    detailed: usize,
}

impl SeriesBook {
    /// A book in which nothing is written yet; `None` where nobody asks.
    pub(in crate::track) fn new(options: Option<SeriesOptions>) -> Self {
        Self { options, ..Self::default() }
    }

    /// The keeper of a new link.
    pub(in crate::track) fn keeper(&mut self) -> Keeper {
        if self.options.is_none() {
            return Keeper::Off;
        }
        if self.detailed < MAX_DETAILED {
            self.detailed += 1;
            return Keeper::Own(Box::default());
        }
        Keeper::Shared(self.rest.get_or_insert_default().clone())
    }

    /// Makes this copy of a tracker's book independent of the original.
    pub(in crate::track) fn detach<'a>(&mut self, keepers: impl Iterator<Item = &'a mut Keeper>) {
        let Some(shared) = &self.rest else { return };
        let own = Arc::new(Mutex::new(shared.lock().map(|rest| rest.clone()).unwrap_or_default()));
        for keeper in keepers.filter(|keeper| matches!(keeper, Keeper::Shared(_))) {
            *keeper = Keeper::Shared(own.clone());
        }
        self.rest = Some(own);
    }
}

impl Keeper {
    /// Has the sheet, if there is one, take something down.
    #[inline(always)]
    fn note(&mut self, note: impl FnOnce(&mut Sheet)) {
        match self {
            Self::Off => {}
            Self::Own(sheet) => note(sheet),
            Self::Shared(sheet) => share(sheet, note),
        }
    }

    /// Whether nothing is taken down.
    #[inline(always)]
    pub(in crate::track) const fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    /// A record passed; to a learner that `serves`, a PROPOSAL is a write and not an earlier one.
    #[inline(always)]
    pub(in crate::track) fn record(&mut self, packet: &PacketSeen<'_>, serves: bool) {
        let is_write = serves && packet.kind == PacketType::Proposal;
        self.note(|sheet| sheet.record(packet.at, packet.direction, is_write));
    }

    /// A round trip ended.
    #[inline(always)]
    pub(in crate::track) fn trip(&mut self, trip: Trip, at: Timestamp, us: u64) {
        self.note(|sheet| sheet.trip(trip, at, us));
    }

    /// A wait ended.
    #[inline(always)]
    pub(in crate::track) fn wait(&mut self, deadline: Deadline, start: Timestamp, len: Span) {
        self.note(|sheet| sheet.wait(deadline, start, len));
    }

    /// A segment was retransmitted.
    #[cold]
    pub(in crate::track) fn retransmitted(&mut self, direction: Direction, at: Timestamp) {
        self.note(|sheet| sheet.retransmitted(direction, at));
    }

    /// The capture lacks bytes.
    #[cold]
    pub(in crate::track) fn missing(&mut self, direction: Direction, at: Timestamp, len: u64) {
        self.note(|sheet| sheet.missing(direction, at, len));
    }

    /// The learner named so many sessions.
    pub(in crate::track) fn sessions(&mut self, at: Timestamp, count: u64) {
        self.note(|sheet| sheet.sessions(at, count));
    }

    /// Waits in this stretch of time were none, or shorter.
    #[cold]
    pub(in crate::track) fn take_back(&mut self, deadline: Deadline, from: Timestamp, to: Timestamp) {
        self.note(|sheet| sheet.take_back(deadline, from, to));
    }

    /// Nothing more will come.
    pub(in crate::track) fn seal(&mut self) {
        if let Self::Own(sheet) = self {
            sheet.seal();
        }
    }

    /// Bytes of memory that it takes.
    pub(in crate::track) fn held_bytes(&self) -> usize {
        if let Self::Own(sheet) = self { sheet.held_bytes() } else { 0 }
    }

    /// Takes at most about so many bytes from here on.
    pub(in crate::track) fn keep_within(&mut self, bytes: usize) {
        if let Self::Own(sheet) = self {
            sheet.keep_within(bytes);
        }
    }
}

/// Many links share one sheet, on one thread.
#[cold]
fn share(sheet: &Arc<Mutex<Sheet>>, note: impl FnOnce(&mut Sheet)) {
    if let Ok(mut sheet) = sheet.lock() {
        note(&mut sheet);
    }
}
