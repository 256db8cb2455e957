//! Stretches of time that a capture lacks as a whole: a file of a rotation is missing, the capturing stood still.
//!
//! No frame came by for longer than an ensemble that is alive keeps quiet, and behind it bytes prove to be missing
//! that went by meanwhile. What was waited for over such a stretch may have come.

use super::link::LinkTrack;
use super::wait::Wait;
use crate::address::Address;
use crate::findings::incident::CoverageGap;
use crate::time::{Span, Timestamp};
use std::collections::VecDeque;

/// Shorter stretches are lost segments rather than a capture that stood still.
pub(super) const MIN_HOLE: Span = Span::from_millis(1_000);
/// How long after a hole bytes that it hides are still found to be missing.
const FOUND_WITHIN: Span = Span::from_millis(35_000);
/// Stretches that may yet prove to be holes.
const MAX_QUIETS: usize = 64;
/// Holes kept.
const MAX_HOLES: usize = 256;
/// Of these, how many a link remembers that hid it.
const MAX_UNSEEN: usize = 16;
/// Hosts whose captures are told apart.
const MAX_HOSTS: usize = 64;

/// The holes of all captures.
#[derive(Clone, Debug, Default)]
pub(super) struct Holes {
    /// The last frame of each host's captures; of all whose host is not known together.
    watches: Vec<HostWatch>,
    /// The file of the last frame, and its watch.
    current: Option<(u32, usize)>,
    quiets: VecDeque<Hole>,
    found: Vec<Hole>,
    /// The link that began unseen last: its frame may be the very one that ends a quiet.
    began: Option<BeganUnseen>,
}

/// A link that was first seen in its midst.
#[derive(Clone, Copy, Debug)]
pub(super) struct BeganUnseen {
    /// The host of the capture, where that is known beforehand.
    pub(super) host: Option<Address>,
    pub(super) at: Timestamp,
    /// Without a frame for longer, it would have been given up.
    pub(super) longest: Span,
}

/// From when to when the captures of a host show frames.
#[derive(Clone, Copy, Debug)]
struct HostWatch {
    host: Option<Address>,
    first: Timestamp,
    last: Timestamp,
}

/// A stretch of time without a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hole {
    /// The host of the capture, where that is known beforehand.
    host: Option<Address>,
    file: u32,
    from: Timestamp,
    to: Timestamp,
    /// Whether captures of other hosts show what went by.
    is_seen_elsewhere: bool,
}

impl Holes {
    /// A frame of a file; `hosts` are those of the files. Answers how long none had come, where that may matter.
    #[inline(always)]
    pub(super) fn frame(&mut self, file: u32, at: Timestamp, hosts: &[Option<Address>]) -> Option<Span> {
        if let Some((current, watch)) = self.current
            && current == file
            && let Some(watch) = self.watches.get_mut(watch)
            && (Span::ZERO..MIN_HOLE).contains(&at.since(watch.last))
        {
            watch.last = at;
            return None;
        }
        self.any_frame(file, at, hosts)
    }

    /// The same for a frame after a while, an earlier one, or one of another file.
    #[cold]
    #[inline(never)]
    fn any_frame(&mut self, file: u32, at: Timestamp, hosts: &[Option<Address>]) -> Option<Span> {
        let watch = match self.current {
            Some((current, watch)) if current == file => watch,
            _ => self.enter(file, at, hosts),
        };
        let watch = self.watches.get_mut(watch)?;
        let quiet = at.since(watch.last);
        watch.last = watch.last.max(at);
        (quiet >= MIN_HOLE).then_some(quiet)
    }

    #[cold]
    fn enter(&mut self, file: u32, at: Timestamp, hosts: &[Option<Address>]) -> usize {
        let host = hosts.get(file as usize).copied().flatten();
        let known = self.watches.iter().position(|watch| watch.host == host);
        let watch = known.unwrap_or_else(|| {
            if self.watches.len() < MAX_HOSTS {
                self.watches.push(HostWatch { host, first: at, last: at });
            }
            self.watches.len() - 1
        });
        self.current = Some((file, watch));
        watch
    }

    /// No frame had come for this long before this one; `is_hole` where other captures show that some had gone by.
    #[cold]
    pub(super) fn quiet(&mut self, file: u32, at: Timestamp, quiet: Span, is_hole: bool) {
        let host = self.current.and_then(|(_, watch)| self.watches.get(watch)).and_then(|watch| watch.host);
        if is_hole {
            let hole = Hole { host, file, from: at.minus(quiet), to: at, is_seen_elsewhere: true };
            self.found.extend(Some(hole).filter(|_| self.found.len() < MAX_HOLES));
            return;
        }
        if self.quiets.len() >= MAX_QUIETS {
            self.quiets.pop_front();
        }
        self.quiets.push_back(Hole { host, file, from: at.minus(quiet), to: at, is_seen_elsewhere: false });
        if let Some(began) = self.began.filter(|began| began.at == at) {
            self.began_unseen(began);
        }
    }

    /// Bytes of a stream are missing, of which the last was seen at `since`; by `at` they had been sent. `hosts` are
    /// those whose captures show the stream.
    pub(super) fn missing(&mut self, hosts: &[Option<Address>], since: Timestamp, at: Timestamp) {
        let is_it = |hole: &Hole| {
            hosts.contains(&hole.host)
                && since <= hole.from
                && at >= hole.to
                && at.since(hole.to) < FOUND_WITHIN
        };
        while let Some(place) = self.quiets.iter().position(is_it) {
            let hole = self.quiets.remove(place);
            self.found.extend(hole.filter(|_| self.found.len() < MAX_HOLES));
        }
    }

    /// A link that is first seen in its midst began in the quiet that ends there: had it begun before the capture, it
    /// would have been given up meanwhile.
    #[cold]
    pub(super) fn began_unseen(&mut self, began: BeganUnseen) {
        self.began = Some(began);
        let BeganUnseen { host, at, longest } = began;
        let Some(watch) = self.watches.iter().find(|watch| watch.host == host).copied() else { return };
        let is_it = |hole: &Hole| {
            hole.host == host
                && hole.to <= at
                && at.since(hole.to) < MIN_HOLE
                && hole.from.since(watch.first) > longest
        };
        while let Some(place) = self.quiets.iter().position(is_it) {
            let hole = self.quiets.remove(place);
            self.found.extend(hole.filter(|_| self.found.len() < MAX_HOLES));
        }
    }

    /// Whether no other capture shows the link meanwhile: those of other hosts lack the same stretch, or most of it.
    fn hides(&self, hole: &Hole, link: &LinkTrack, hosts: &[Option<Address>]) -> bool {
        let half = Span::from_nanos(hole.to.since(hole.from).nanos() / 2);
        let lacks = |host: Option<Address>| {
            let is_its = |other: &Hole| other.host == host && hole.shared(other) > half;
            host == hole.host || self.found.iter().any(is_its) || self.quiets.iter().any(is_its)
        };
        link.frames.files.iter().all(|file| lacks(hosts.get(*file as usize).copied().flatten()))
    }

    /// What was waited for over a stretch that the capture lacks may have come meanwhile.
    pub(super) fn forget_waits(&self, link: &mut LinkTrack, hosts: &[Option<Address>]) {
        if self.found.is_empty() {
            return;
        }
        let hides: Vec<_> = self.found.iter().filter(|hole| self.hides(hole, link, hosts)).copied().collect();
        // Where both ends are captured, each side's wait is what its own host's capture shows.
        let (leader, learner) = (link.opened.leader.address, link.opened.learner.address);
        let is_seen_twice = link.one_way.is_some();
        for hole in &self.found {
            let is_hidden = hides.contains(hole);
            let is_its = |wait: &Wait| {
                is_hidden
                    || is_seen_twice
                        && hole.is_seen_elsewhere
                        && hole.host == Some(if wait.for_leader { learner } else { leader })
            };
            let before = link.waits.list.len();
            link.waits.list.retain(|wait| !(wait.start < hole.to && wait.end > hole.from && is_its(wait)));
            let is_less = link.waits.list.len() < before;
            let is_open =
                link.opened.at < hole.to && link.teardown.closed.is_none_or(|closed| closed.at > hole.from);
            link.frames.has_gaps |= is_less && !is_hidden;
            let is_half_hidden = is_seen_twice
                && hole.is_seen_elsewhere
                && hole.host.is_some_and(|host| [leader, learner].contains(&host));
            if (is_less || (is_hidden || is_half_hidden) && is_open) && link.frames.unseen.len() < MAX_UNSEEN
            {
                link.frames.unseen.push((hole.from, hole.to));
            }
        }
    }

    /// Since when a link that was last seen at a time is hidden, its end perhaps with it.
    pub(super) fn hides_from(&self, link: &LinkTrack, hosts: &[Option<Address>]) -> Option<Timestamp> {
        let last = link.last_frame_at();
        let is_it = |hole: &&Hole| {
            hole.from >= last && hole.from.since(last) < FOUND_WITHIN && self.hides(hole, link, hosts)
        };
        self.found.iter().filter(is_it).map(|hole| hole.from).min()
    }

    /// Whether nothing at all was captured for long, from about a time on.
    pub(super) fn is_quiet_after(&self, at: Timestamp) -> bool {
        let is_it = |hole: &Hole| hole.from >= at && hole.from.since(at) < MIN_HOLE;
        self.quiets.iter().any(is_it) || self.found.iter().any(is_it)
    }

    /// All of them, by time; `host_of` tells where a file was taken.
    pub(super) fn finish(&self, host_of: impl Fn(u32) -> Option<Address>) -> Vec<CoverageGap> {
        let gap = |hole: &Hole| CoverageGap {
            host: hole.host.or_else(|| host_of(hole.file)),
            from: hole.from,
            to: hole.to,
        };
        let mut gaps: Vec<_> = self.found.iter().map(gap).collect();
        gaps.sort_by_key(|gap| (gap.from, gap.to));
        gaps
    }
}

impl Hole {
    /// How long two of them share.
    fn shared(&self, other: &Self) -> Span {
        self.to.min(other.to).since(self.from.max(other.from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(0).plus(Span::from_millis(millis))
    }

    fn frame(holes: &mut Holes, file: u32, millis: i64, hosts: &[Option<Address>]) {
        if let Some(quiet) = holes.frame(file, at(millis), hosts) {
            holes.quiet(file, at(millis), quiet, false);
        }
    }

    #[test]
    fn links_that_lack_the_same_time_show_one_hole() {
        let mut holes = Holes::default();
        for millis in [0, 990, 1_400, 8_000, 8_100, 9_000, 11_000] {
            frame(&mut holes, 0, millis, &[]);
        }
        holes.missing(&[None], at(0), at(8_000));
        holes.missing(&[None], at(1_400), at(8_100));
        assert_eq!(holes.finish(|_| None), [CoverageGap { host: None, from: at(1_400), to: at(8_000) }]);
    }

    #[test]
    fn silence_with_nothing_missing_is_no_hole() {
        let mut holes = Holes::default();
        for millis in [0, 5_000, 5_100] {
            frame(&mut holes, 0, millis, &[]);
        }
        // What is missing is younger than the silence, or was found far too late.
        holes.missing(&[None], at(5_000), at(5_100));
        holes.missing(&[None], at(0), at(60_000));
        assert_eq!(holes.finish(|_| None), []);
    }

    #[test]
    fn a_link_that_is_there_all_at_once_began_in_the_quiet_before() {
        let mut holes = Holes::default();
        for millis in [0, 12_000, 12_500, 15_000] {
            frame(&mut holes, 0, millis, &[]);
        }
        // It may have stood still since before the capture, or is not the one that ended the quiet.
        let began = |millis: i64, longest_ms: i64| BeganUnseen {
            host: None,
            at: at(millis),
            longest: Span::from_millis(longest_ms),
        };
        holes.began_unseen(began(15_000, 20_000));
        holes.began_unseen(began(17_000, 10_000));
        assert_eq!(holes.finish(|_| None), []);
        holes.began_unseen(began(15_100, 10_000));
        let first = CoverageGap { host: None, from: at(12_500), to: at(15_000) };
        assert_eq!(holes.finish(|_| None), [first]);
        // Its packet is read before the frame is counted that ends the quiet.
        holes.began_unseen(began(18_000, 10_000));
        frame(&mut holes, 0, 18_000, &[]);
        let second = CoverageGap { host: None, from: at(15_000), to: at(18_000) };
        assert_eq!(holes.finish(|_| None), [first, second]);
    }

    #[test]
    fn one_host_s_hole_is_not_another_s() {
        let hosts = [Some(Address::v4(1)), Some(Address::v4(2)), Some(Address::v4(1))];
        let mut holes = Holes::default();
        for (file, millis) in [(0, 0), (1, 10), (1, 3_000), (2, 7_000), (1, 7_010)] {
            frame(&mut holes, file, millis, &hosts);
        }
        holes.missing(&hosts[..1], at(0), at(7_001));
        let found = holes.finish(|_| None);
        assert_eq!(found, [CoverageGap { host: hosts[0], from: at(0), to: at(7_000) }]);
    }

    #[test]
    fn what_all_captures_of_a_link_lack_is_hidden_from_it() {
        let hosts = [Some(Address::v4(1)), Some(Address::v4(2))];
        let mut holes = Holes::default();
        for (file, millis) in [(0, 0), (1, 10), (0, 8_000), (1, 8_010)] {
            frame(&mut holes, file, millis, &hosts);
        }
        holes.missing(&hosts, at(0), at(8_001));
        let link = |files: &[u32]| {
            let opened = crate::testkit::event::link_opened(1, 0);
            let mut link = LinkTrack::new(1, &opened);
            link.frames.files = files.to_vec();
            link
        };
        let hidden = |files: &[u32]| {
            let link = link(files);
            holes.found.iter().filter(|found| holes.hides(found, &link, &hosts)).count()
        };
        assert!(hidden(&[0, 1]) > 0);
        // A third host's capture goes on.
        assert_eq!(hidden(&[0, 2]), 0);
    }

    #[test]
    fn what_others_show_of_a_host_its_own_capture_lacks() {
        let hosts = [Some(Address::v4(1)), Some(Address::v4(2))];
        let mut holes = Holes::default();
        for (file, millis) in [(0, 0), (1, 10)] {
            frame(&mut holes, file, millis, &hosts);
        }
        let quiet = holes.frame(0, at(8_000), &hosts);
        holes.quiet(0, at(8_000), quiet.unwrap_or_default(), true);
        let gap = CoverageGap { host: hosts[0], from: at(0), to: at(8_000) };
        assert_eq!(holes.finish(|_| None), [gap]);
        // The learner's capture lacks it: what it waited for may have come, not what the leader waited for.
        let wait = |for_leader| Wait {
            deadline: crate::findings::Deadline::LearnerRead,
            start: at(1_000),
            end: at(6_000),
            ended: crate::track::wait::Ended::Heard,
            for_leader,
            from: crate::frame::FrameRef::default(),
            to: None,
            silence: None,
            activity: crate::track::activity::Sum::default(),
            delivery: crate::dissect::PerDirection::default(),
            in_flight: 0,
            before: crate::track::activity::Sum::default(),
        };
        let mut link = LinkTrack::new(1, &crate::testkit::event::link_opened(1, 0));
        link.opened.leader.address = Address::v4(2);
        link.opened.learner.address = Address::v4(1);
        link.frames.files = vec![0, 1];
        link.one_way = Some(Box::default());
        link.waits.list = vec![wait(true), wait(false)];
        holes.forget_waits(&mut link, &hosts);
        assert_eq!(link.waits.list.iter().map(|wait| wait.for_leader).collect::<Vec<_>>(), [false]);
        assert_eq!(link.frames.unseen, [(at(0), at(8_000))]);
        assert!(link.frames.has_gaps);
    }

    #[test]
    fn what_is_remembered_is_limited() {
        let mut holes = Holes::default();
        for second in 0..1_000 {
            frame(&mut holes, 0, second * 2_000, &[]);
            holes.missing(&[None], at((second - 1) * 2_000), at(second * 2_000 + 1));
        }
        assert_eq!(holes.finish(|_| None).len(), MAX_HOLES);
        assert!(holes.quiets.len() <= MAX_QUIETS);
    }
}
