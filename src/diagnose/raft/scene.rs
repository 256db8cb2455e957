//! What is asked of the marks: who said what between two moments.

use crate::address::Address;
use crate::time::{Span, Timestamp};
use crate::track::raft::facts::RaftFacts;
use crate::track::raft::mark::{MarkKind, SaidAt, Voice};
use std::collections::{BTreeMap, BTreeSet};

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) start: Timestamp,
    /// `None` where the capture ends first.
    pub(super) end: Option<Timestamp>,
    /// Its end, or the capture's.
    pub(super) until: Timestamp,
}

impl Stretch {
    pub(super) const fn len(&self) -> Span {
        self.until.since(self.start)
    }

    /// The part in which neither the last answers nor the first signs of an end pass any more: from 0.3 s on, up to
    /// six tenths. After a cut TCP brings old bytes before the process says something new.
    pub(super) fn middle(&self) -> (Timestamp, Timestamp) {
        let len = self.len();
        let from = len.over(5).min(Span::from_millis(300));
        (self.start.plus(from), self.start.plus(len.times(6).over(10)))
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.start <= other.until && other.start <= self.until
    }
}

/// etcd's times, as reckoned with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// The heartbeat interval.
    pub(super) tick: Span,
    /// The election timeout.
    pub(super) election: Span,
}

/// One host's captures, to be asked.
#[derive(Clone, Copy)]
pub(super) struct RaftScene<'a> {
    pub(super) view: &'a RaftFacts,
    pub(super) times: Times,
}

impl<'a> RaftScene<'a> {
    /// All members that are seen.
    pub(super) fn members(&self) -> BTreeSet<Address> {
        self.view.voices.keys().flat_map(|(from, to)| [*from, *to]).collect()
    }

    /// All that a member says to others, by whom to.
    pub(super) fn voices_of(&self, from: Address) -> impl Iterator<Item = (Address, &'a Voice)> + use<'a> {
        let voices: &'a BTreeMap<_, _> = &self.view.voices;
        let range = voices.range((from, Address::v6(0))..=(from, Address::v6(u128::MAX)));
        range.map(|((_, to), voice)| (*to, voice))
    }

    pub(super) fn voice(&self, from: Address, to: Address) -> Option<&'a Voice> {
        self.view.voices.get(&(from, to))
    }

    /// The marks of a voice within a time.
    pub(super) fn between(
        &self,
        (from, to): (Address, Address),
        (start, end): (Timestamp, Timestamp),
    ) -> impl Iterator<Item = &'a SaidAt> + use<'a> {
        self.voice(from, to).into_iter().flat_map(move |voice| within(voice, start, end))
    }

    /// How often something passed within a time.
    pub(super) fn count(
        &self,
        way: (Address, Address),
        time: (Timestamp, Timestamp),
        is: impl Fn(MarkKind) -> bool,
    ) -> usize {
        self.between(way, time).filter(|mark| is(mark.kind)).count()
    }

    /// The same of all that a member says to anybody.
    pub(super) fn count_of(
        &self,
        from: Address,
        time: (Timestamp, Timestamp),
        is: impl Fn(MarkKind) -> bool + Copy,
    ) -> usize {
        self.voices_of(from).map(|(to, _)| self.count((from, to), time, is)).sum()
    }

    /// The same of all that anybody says to a member.
    pub(super) fn count_to(
        &self,
        to: Address,
        time: (Timestamp, Timestamp),
        is: impl Fn(MarkKind) -> bool + Copy,
    ) -> usize {
        let ways = self.view.voices.keys().filter(|way| way.1 == to);
        ways.map(|way| self.count(*way, time, is)).sum()
    }

    /// Stretches of at least `least` in which none of these marks passed, after the first of them.
    pub(super) fn gaps(
        &self,
        way: (Address, Address),
        least: Span,
        is: impl Fn(MarkKind) -> bool,
    ) -> Vec<Stretch> {
        let marks = self.voice(way.0, way.1).into_iter().flat_map(|voice| voice.marks().iter());
        stretches(marks, self.view.last, least, is)
    }

    /// The same of all that a member says to anybody.
    pub(super) fn gaps_of(&self, from: Address, least: Span, is: impl Fn(MarkKind) -> bool) -> Vec<Stretch> {
        let voices = self.voices_of(from).map(|(_, voice)| voice);
        let mut marks: Vec<&SaidAt> = voices
            .flat_map(|voice| voice.marks().iter())
            .filter(|mark| is(mark.kind) || mark.kind == MarkKind::Skipped)
            .collect();
        marks.sort_by_key(|mark| mark.at);
        stretches(marks.into_iter(), self.view.last, least, is)
    }

    /// Whether a link heartbeat was due within a time: each stream has one every 5/3 s, whatever else passes.
    pub(super) fn is_link_heartbeat_due(
        &self,
        way: (Address, Address),
        (start, end): (Timestamp, Timestamp),
    ) -> bool {
        let slack = Span::from_millis(60);
        // A stream that was closed owes none.
        let is_close =
            |kind| matches!(kind, MarkKind::Fin | MarkKind::FinBack | MarkKind::Rst | MarkKind::StreamEnd);
        if self.count(way, (start, end), is_close) + self.count((way.1, way.0), (start, end), is_close) > 0 {
            return false;
        }
        let recent = (start.minus(LINK_HEARTBEAT.times(2)), start.plus(Span::from_millis(1)));
        let last = self.between(way, recent).filter(|mark| mark.kind == MarkKind::LinkHeartbeat);
        last.flat_map(|mark| [mark.at.plus(LINK_HEARTBEAT), mark.at.plus(LINK_HEARTBEAT.times(2))])
            .any(|due| due > start.plus(slack) && due.plus(slack) < end)
    }
}

/// The interval of link heartbeats (`ConnReadTimeout / 3`, 5/3 s).
pub(super) const LINK_HEARTBEAT: Span = Span::from_micros(1_666_667);
/// Without new bytes for longer, a link heartbeat of each stream has not come.
pub(super) const MUTE: Span = Span::from_millis(1_900);

/// The marks of a voice within a time, its ends included.
fn within(voice: &Voice, start: Timestamp, end: Timestamp) -> impl Iterator<Item = &SaidAt> {
    let marks = voice.marks();
    let from = marks.partition_point(|mark| mark.at < start);
    marks.range(from..).take_while(move |mark| mark.at <= end)
}

fn stretches<'a>(
    marks: impl Iterator<Item = &'a SaidAt>,
    last: Timestamp,
    least: Span,
    is: impl Fn(MarkKind) -> bool,
) -> Vec<Stretch> {
    let mut found = Vec::new();
    let mut since: Option<Timestamp> = None;
    for mark in marks {
        if mark.kind == MarkKind::Skipped {
            since = None;
        } else if is(mark.kind) {
            if let Some(start) = since.filter(|start| mark.at.since(*start) >= least) {
                found.push(Stretch { start, end: Some(mark.at), until: mark.at });
            }
            since = Some(mark.at);
        }
    }
    if let Some(start) = since.filter(|start| last.since(*start) >= least) {
        found.push(Stretch { start, end: None, until: last });
    }
    found
}
