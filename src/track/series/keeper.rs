//! Who keeps the numbers of a link: nobody, the link itself, or all the others together.

use super::interval::{LongestWaits, Peak};
use super::sheet::Sheet;
use super::{MAX_DETAILED, Trip};
use crate::dissect::{Direction, PacketSeen, PerDirection};
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
    Shared(Box<Share>),
}

/// What a link has for the sheet of all those without one. What comes most often is gathered for as long as an interval
/// of the sheet lasts: a look at the sheet costs more than to note it.
#[derive(Clone, Debug, Default)]
pub struct Share {
    sheet: Arc<Mutex<Sheet>>,
    /// The interval that it is gathered for; none where it is empty. The sheet's widths are multiples of earlier ones, so
    /// it lies within one interval of the sheet for good.
    from: Timestamp,
    to: Timestamp,
    records: PerDirection<u64>,
    proposals: u64,
    waits: LongestWaits,
}

impl Share {
    pub(super) fn of(sheet: Arc<Mutex<Sheet>>) -> Self {
        Self { sheet, ..Self::default() }
    }

    #[inline]
    pub(super) fn record(&mut self, at: Timestamp, direction: Direction, is_write: bool) {
        if !(self.from <= at && at < self.to) {
            self.gather_for(at);
        }
        *self.records.of_mut(direction) += 1;
        self.proposals += u64::from(is_write);
    }

    #[inline]
    pub(super) fn wait(&mut self, deadline: Deadline, start: Timestamp, len: Span) {
        let end = start.plus(len);
        if !(self.from <= start && end < self.to) {
            // Over several intervals, or of another one than what is gathered.
            return self.note(|sheet| sheet.wait(deadline, start, len));
        }
        if let Some(longest) = self.waits.get_mut(deadline as usize) {
            *longest = (*longest).max(Peak::of_span(len));
        }
    }

    /// See [`Sheet::has_longer`].
    #[inline]
    fn has_longer(&self, deadline: Deadline, start: Timestamp, end: Timestamp) -> bool {
        self.from <= start
            && end < self.to
            && self
                .waits
                .get(deadline as usize)
                .is_some_and(|longest| *longest >= Peak::of_span(end.since(start)))
    }

    /// Notes what is gathered, and gathers for the interval of another time.
    #[cold]
    fn gather_for(&mut self, at: Timestamp) {
        self.flush();
        let sheet = Arc::clone(&self.sheet);
        if let Ok(sheet) = sheet.lock() {
            (self.from, self.to) = sheet.interval_of(at);
        }
    }

    /// Notes what is gathered.
    pub(super) fn flush(&mut self) {
        let (records, proposals) = (std::mem::take(&mut self.records), std::mem::take(&mut self.proposals));
        let waits = std::mem::take(&mut self.waits);
        let is_empty = records.to_leader == 0
            && records.to_learner == 0
            && waits.iter().all(|longest| longest.is_none());
        if !is_empty {
            let from = self.from;
            self.note(|sheet| sheet.add(from, &records, proposals, waits));
        }
    }

    #[cold]
    fn note(&self, note: impl FnOnce(&mut Sheet)) {
        if let Ok(mut sheet) = self.sheet.lock() {
            note(&mut sheet);
        }
    }
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
        Keeper::Shared(Box::new(Share::of(self.rest.get_or_insert_default().clone())))
    }

    /// Makes this copy of a tracker's book independent of the original.
    pub(in crate::track) fn detach<'a>(&mut self, keepers: impl Iterator<Item = &'a mut Keeper>) {
        let Some(shared) = &self.rest else { return };
        let own = Arc::new(Mutex::new(shared.lock().map(|rest| rest.clone()).unwrap_or_default()));
        for keeper in keepers {
            if let Keeper::Shared(share) = keeper {
                share.sheet = own.clone();
            }
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
            Self::Shared(share) => share.note(note),
        }
    }

    /// A record passed; to a learner that `serves`, a PROPOSAL is a write and not an earlier one.
    #[inline(always)]
    pub(in crate::track) fn record(&mut self, packet: &PacketSeen<'_>, serves: bool) {
        let is_write = serves && packet.kind == PacketType::Proposal;
        match self {
            Self::Off => {}
            Self::Own(sheet) => sheet.record(packet.at, packet.direction, is_write),
            Self::Shared(share) => share.record(packet.at, packet.direction, is_write),
        }
    }

    /// A round trip ended.
    #[inline(always)]
    pub(in crate::track) fn trip(&mut self, trip: Trip, at: Timestamp, us: u64) {
        self.note(|sheet| sheet.trip(trip, at, us));
    }

    /// A wait ended.
    #[inline(always)]
    pub(in crate::track) fn wait(&mut self, deadline: Deadline, start: Timestamp, len: Span) {
        match self {
            Self::Off => {}
            Self::Own(sheet) => sheet.wait(deadline, start, len),
            Self::Shared(share) => share.wait(deadline, start, len),
        }
    }

    /// Whether a wait need not be noted: nobody asks, or its interval has one at least as long.
    #[inline(always)]
    pub(in crate::track) fn has_longer(&self, deadline: Deadline, start: Timestamp, end: Timestamp) -> bool {
        match self {
            Self::Off => true,
            Self::Own(sheet) => sheet.has_longer(deadline, start, end),
            Self::Shared(share) => share.has_longer(deadline, start, end),
        }
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
        if let Self::Shared(share) = self {
            share.flush();
        }
        self.note(|sheet| sheet.take_back(deadline, from, to));
    }

    /// Nothing more will come.
    pub(in crate::track) fn seal(&mut self) {
        match self {
            Self::Off => {}
            Self::Own(sheet) => sheet.seal(),
            Self::Shared(share) => share.flush(),
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
