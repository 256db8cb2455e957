//! Turns the state of the trackers, polled regularly, into announcements.
//!
//! A stall is announced when its limit passes, with the verdict of that moment, and again when it is over; so is
//! each incident. All verdicts come from [`crate::diagnose`], as in a report. Announcements are remembered, so none is
//! made twice; the number of tracked links bounds the memory. All is judged anew only when something happened that may
//! be news, and then once a second until that has settled.

use super::incidents::{Patience, ToldIncidents, given_up_after};
use crate::address::Address;
use crate::diagnose::{self, Analyzer};
use crate::findings::incident::Incident;
use crate::findings::{Deadline, Outcome, Report, Settings, Stall};
use crate::report::live::{Announcement, Named, NearWait, StallNews, What};
use crate::time::{Span, Timestamp};
use crate::track::Tracker;
use crate::track::link::{LinkTrack, OpenWait};
use std::collections::{BTreeMap, HashMap, HashSet};

/// For so long after its end a stall is not told to be over: the kernel of a host whose process stands
/// still answers the close within half a second, and that is part of the verdict.
const SETTLING: Span = Span::from_millis(1_000);
/// An election is told to be over so long after it: its epoch is named a moment later.
const ELECTED: Span = Span::from_millis(500);
/// Stalls that were told and are remembered. Beyond, the oldest that are over are forgotten; where all go on,
/// no more is told until one of them is over.
const MAX_TOLD: usize = 256;

/// Between two judgements while nothing passes a limit.
const JUDGED_EVERY: Span = Span::from_millis(1_000);
/// Beside two and a half limits, how long after an incident its verdict may still change: a further stall of the same
/// root begins within one and a half limits, and passes its own a limit later.
const AFTERMATH: Span = Span::from_millis(3_000);

/// Beside one and a half limits, how long after an incident a further stall of the same root may begin, and what was
/// retransmitted for it may still arrive. A link is heard all the while, or it waits.
const JOINED_WITHIN: Span = Span::from_millis(2_500);

/// Beside four limits, how far back is looked: attempts to connect are an incident after half a minute.
const BACK: Span = Span::from_millis(60_000);

/// A stall that was told.
#[derive(Clone, Debug)]
struct AnnouncedStall {
    id: u32,
    stall: Stall,
    /// When its last wait was over; `None` while one goes on.
    quiet_since: Option<Timestamp>,
    is_over: bool,
    /// Whether it is over only because nothing more was seen of it.
    is_given_up: bool,
}

/// What was seen of a link.
#[derive(Clone, Copy, Debug, Default)]
struct SeenLink {
    waits_noted: u64,
    is_closed: bool,
    /// Warnings that are out, by whether the leader is waited for.
    warned: [Option<Warned>; 2],
}

#[derive(Clone, Copy, Debug)]
struct Warned {
    deadline: Deadline,
    start: Timestamp,
}

/// The announcements of a running capture.
#[derive(Debug)]
pub struct Watch {
    warn_at_percent: u32,
    seen: HashMap<u32, SeenLink>,
    told: Vec<AnnouncedStall>,
    incidents: ToldIncidents,
    stalls: u32,
    looked_at: Timestamp,
    judged_at: Timestamp,
    judgements: u64,
    /// Until when something may become news that passes no limit.
    busy_until: Timestamp,
    signs: u64,
    next_due: Timestamp,
    elections_begun: u64,
    elections_over: u64,
    /// Whether it was told that there are too many stalls to tell them all.
    is_full: bool,
}

impl Watch {
    /// A watch that tells waits from this share of their deadline on, in percent.
    #[must_use]
    pub fn new(warn_at_percent: u32) -> Self {
        Self {
            warn_at_percent,
            seen: HashMap::new(),
            told: Vec::new(),
            incidents: ToldIncidents::default(),
            stalls: 0,
            looked_at: Timestamp::MIN,
            judged_at: Timestamp::MIN,
            judgements: 0,
            busy_until: Timestamp::MIN,
            signs: 0,
            next_due: Timestamp::MIN,
            elections_begun: 0,
            elections_over: 0,
            is_full: false,
        }
    }

    /// When there may be something to tell although no frame comes: the next time that a wait reaches its
    /// limit or the share that is warned of.
    #[must_use]
    pub const fn next_due(&self) -> Timestamp {
        self.next_due
    }

    /// Stalls under way that were told.
    pub fn open_stalls(&self) -> impl Iterator<Item = &Stall> {
        self.told.iter().filter(|told| !told.is_over).map(|told| &told.stall)
    }

    /// How often what is not over was judged anew.
    #[must_use]
    pub const fn judgements(&self) -> u64 {
        self.judgements
    }

    /// Incidents under way that were told.
    pub fn open_incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.open()
    }

    /// Looks at the trackers as of `now`, and says what is new.
    #[must_use]
    pub fn look(&mut self, analyzer: &mut Analyzer, now: Timestamp) -> Vec<Announcement> {
        let tracker = analyzer.tracker();
        let settings = tracker.settings();
        let has_room = self.open_stalls().count() < MAX_TOLD;
        self.is_full &= !has_room;
        let mut found = WatchUpdate { next_due: Timestamp::MAX, ..WatchUpdate::default() };
        for link in tracker.links() {
            self.link(link, tracker, &settings, now, &mut found);
        }
        self.next_due = found.next_due;
        self.note_ends(tracker, &settings, now);
        if found.is_news && !has_room && !std::mem::replace(&mut self.is_full, true) {
            let what = format!("{MAX_TOLD} stalls go on: further ones are told once one of them is over");
            found.tell(now, What::Notice(what));
        }
        self.note_unrest(tracker, &settings, &found, now);
        let is_stall_due = self.told.iter().any(|told| told.is_due(now));
        let may_be_news = now <= self.busy_until || self.open_incidents().next().is_some();
        if found.is_fresh && has_room
            || is_stall_due
            || may_be_news && now.since(self.judged_at) >= JUDGED_EVERY
        {
            self.judge(analyzer, &settings, now, false, &mut found.events);
        }
        self.elections(analyzer.tracker(), now, &mut found.events);
        self.forget(analyzer.tracker(), &settings, now);
        self.looked_at = now;
        found.events
    }

    /// Ends the watching: stalls that settle are told now.
    #[must_use]
    pub fn finish(&mut self, analyzer: &mut Analyzer, now: Timestamp) -> Vec<Announcement> {
        let mut events = self.look(analyzer, now);
        let settings = analyzer.tracker().settings();
        for told in &mut self.told {
            if told.quiet_since.is_some() {
                told.quiet_since = Some(Timestamp::MIN);
            }
        }
        self.judge(analyzer, &settings, now, true, &mut events);
        events
    }

    /// Judges what is not over, and tells what is new of it.
    fn judge(
        &mut self,
        analyzer: &mut Analyzer,
        settings: &Settings,
        now: Timestamp,
        is_end: bool,
        events: &mut Vec<Announcement>,
    ) {
        (self.judged_at, self.judgements) = (now, self.judgements + 1);
        let limit = Span::from_millis(settings.stall_limit_ms().cast_signed());
        let settles = Span::from_nanos(limit.times(5).over(2).nanos().saturating_add(AFTERMATH.nanos()));
        let is_tense = self.seen.values().any(|seen| seen.warned != [None, None]);
        let since = self.since(settings, now);
        let joined = Span::from_nanos(limit.over(2).times(3).nanos().saturating_add(JOINED_WITHIN.nanos()));
        let settles_at_rest = joined.max(limit.times(2));
        let oldest_wait =
            analyzer.tracker().held_links().iter().flat_map(LinkTrack::pending).map(|wait| wait.start).min();
        let oldest_wait = oldest_wait.unwrap_or(now);
        let gives_up = given_up_after(limit);
        let patience = Patience { settles, settles_at_rest, oldest_wait, gives_up, is_tense, since };
        let mut report = analyzer.report_at(now, since);
        // What it found may have shown another syncLimit.
        let settings = &{ report.settings };
        self.incidents.number(&mut report, now, patience);
        let ids = self.compare(&report.stalls, analyzer.tracker(), settings, now, events);
        number_stalls(&mut report, &ids);
        let told = self.incidents.compare(&report, now, patience, is_end);
        events.extend(told.into_iter().map(|what| Announcement { at: now, what }));
    }

    /// Notes until when what happened may become news.
    fn note_unrest(&mut self, tracker: &Tracker, settings: &Settings, found: &WatchUpdate, now: Timestamp) {
        let signs = tracker.signs();
        let is_sign = std::mem::replace(&mut self.signs, signs) != signs;
        if is_sign || found.is_news || found.is_unrest || tracker.is_uneasy(now) {
            let limit = Span::from_millis(settings.stall_limit_ms().cast_signed());
            self.busy_until = self.busy_until.max(now.plus(limit.times(3)).plus(AFTERMATH));
        }
    }

    /// Looks at one link's waits.
    fn link(
        &mut self,
        link: &LinkTrack,
        tracker: &Tracker,
        settings: &Settings,
        now: Timestamp,
        found: &mut WatchUpdate,
    ) {
        let is_told = self.told.iter().any(|told| !told.is_over && told.stall.links.contains(&link.id));
        let seen = self.seen.entry(link.id).or_default();
        found.is_unrest |= !std::mem::replace(&mut seen.is_closed, link.teardown.closed.is_some())
            && link.teardown.closed.is_some();
        if seen.waits_noted != link.waits.noted {
            seen.waits_noted = link.waits.noted;
            let since = self.looked_at.minus(SETTLING);
            let is_long = |deadline, len: Span| len > diagnose::limit(deadline, settings);
            let mut late = link.waits.list.iter().filter(|wait| wait.end >= since);
            // A wait may have passed its limit and ended since the last look.
            let is_news = !is_told && late.clone().any(|wait| is_long(wait.deadline, wait.len()));
            (found.is_news, found.is_fresh) = (found.is_news || is_news, found.is_fresh || is_news);
            // One that came near it may be of a path that loses.
            found.is_unrest |= late.any(|wait| is_long(wait.deadline, wait.len().times(2)));
        }
        let mut pending = link.pending().peekable();
        if pending.peek().is_none() && seen.warned == [None, None] {
            return;
        }
        let pending: Vec<_> = pending.collect();
        for wait in &pending {
            let limit = diagnose::limit(wait.deadline, settings);
            let near = Span::from_nanos(limit.nanos() / 100 * i64::from(self.warn_at_percent));
            let age = now.since(wait.start);
            let told_after = diagnose::told_after(wait, settings);
            for passes in [near, told_after].map(|span| wait.start.plus(span)) {
                if passes >= now {
                    // A wait must be longer than its limit.
                    found.next_due = found.next_due.min(passes.plus(Span::from_nanos(1)));
                }
            }
            let is_news = !is_told && age > told_after && !is_given_up(wait, settings, now);
            found.is_news |= is_news;
            found.is_fresh |= is_news && self.looked_at.since(wait.start) <= told_after;
            found.is_unrest |= age.times(2) > limit && age <= limit;
            if age >= near && near < limit && age <= limit && !is_told {
                let place = seen.warned.get_mut(usize::from(wait.for_leader));
                if let Some(place) = place.filter(|place| place.is_none()) {
                    *place = Some(Warned { deadline: wait.deadline, start: wait.start });
                    let warning =
                        near_wait(link, tracker, settings, wait.for_leader, wait.deadline, wait.start, age);
                    found.tell(now, What::Warning(warning));
                }
            }
        }
        for (place, for_leader) in seen.warned.iter_mut().zip([false, true]) {
            let Some(warned) = *place else { continue };
            let is_same = |wait: &&OpenWait| wait.start == warned.start && wait.deadline == warned.deadline;
            if pending.iter().any(|wait| is_same(&wait)) {
                continue;
            }
            *place = None;
            let ended =
                link.waits.list.iter().find(|w| w.start == warned.start && w.deadline == warned.deadline);
            let len = ended.map_or_else(|| now.since(warned.start), |wait| wait.len());
            // What passed its limit is told as a stall.
            if len <= diagnose::limit(warned.deadline, settings) && !is_told {
                let over = near_wait(link, tracker, settings, for_leader, warned.deadline, warned.start, len);
                found.tell(now, What::WarningOver(over));
            }
        }
    }

    /// Notes which told stalls have no wait beyond its limit any more, and which have one again.
    fn note_ends(&mut self, tracker: &Tracker, settings: &Settings, now: Timestamp) {
        for told in self.told.iter_mut().filter(|told| !told.is_over) {
            let goes_on = told.stall.links.iter().filter_map(|id| tracker.link_by_id(*id)).any(|link| {
                link.pending().any(|wait| {
                    now.since(wait.start) > diagnose::told_after(&wait, settings)
                        && !is_given_up(&wait, settings, now)
                })
            });
            told.quiet_since = if goes_on { None } else { told.quiet_since.or(Some(now)) };
        }
    }

    /// What was over before is not looked at again.
    fn since(&self, settings: &Settings, now: Timestamp) -> Timestamp {
        let longest = settings.stall_limit_ms().max(settings.init_limit_ms());
        let back = Span::from_millis(longest.cast_signed()).times(4).nanos().saturating_add(BACK.nanos());
        let back = Span::from_nanos(back);
        let stalls = self.told.iter().filter(|told| !told.is_over).map(|told| told.stall.start);
        let open = stalls.chain(self.open_incidents().map(|incident| incident.start));
        open.min().unwrap_or(now).min(now).minus(back)
    }

    /// Sets the stalls of now against those that were told. Answers the numbers under which they are told.
    fn compare(
        &mut self,
        stalls: &[Stall],
        tracker: &Tracker,
        settings: &Settings,
        now: Timestamp,
        events: &mut Vec<Announcement>,
    ) -> BTreeMap<u32, u32> {
        let mut ids = BTreeMap::new();
        let mut tell = |what| events.push(Announcement { at: now, what });
        for stall in stalls {
            let number = stall.id;
            let stall = stall.clone();
            let known = self.told.iter_mut().find(|told| is_same(&told.stall, &stall, now));
            if let Some(told) = known {
                let id = told.id;
                ids.insert(number, id);
                if told.is_over && stall.outcome == Outcome::Open && !told.is_given_up {
                    (told.is_over, told.quiet_since) = (false, None);
                    tell(What::Stall(Box::new(news(&stall, id, tracker, settings, now))));
                }
                if !told.is_over {
                    told.stall = Stall { id, ..stall };
                }
                continue;
            }
            let limit = Span::from_millis(settings.stall_limit_ms().cast_signed());
            if stall.end.is_some_and(|end| now.since(end) > limit)
                || stall.end.is_none() && now.since(stall.start) > given_up_after(limit)
                || self.told.iter().filter(|told| !told.is_over).count() >= MAX_TOLD
            {
                continue;
            }
            self.stalls += 1;
            ids.insert(number, self.stalls);
            let quiet_since = (stall.outcome != Outcome::Open).then_some(now);
            let stall = Stall { id: self.stalls, ..stall };
            tell(What::Stall(Box::new(news(&stall, self.stalls, tracker, settings, now))));
            let (id, is_over, is_given_up) = (self.stalls, false, false);
            self.told.push(AnnouncedStall { id, stall, quiet_since, is_over, is_given_up });
        }
        for told in self.told.iter_mut().filter(|told| told.is_due(now)) {
            told.is_over = true;
            if told.stall.outcome == Outcome::Open {
                told.is_given_up = true;
                // Its waits are no longer to be seen: a link that was let go, or that went on elsewhere.
                told.stall.end = told.quiet_since.filter(|at| *at > told.stall.start);
            }
            let mut news = news(&told.stall, told.id, tracker, settings, now);
            if let Some(end) = news.stall.end {
                news.stall.duration_ms = end.since(news.stall.start).millis();
            }
            tell(What::StallOver(Box::new(news)));
        }
        ids
    }

    fn elections(&mut self, tracker: &Tracker, now: Timestamp, events: &mut Vec<Announcement>) {
        let (begun, Some(last)) = tracker.last_election() else { return };
        if begun > self.elections_begun {
            self.elections_begun = begun;
            let by = last.by.iter().map(|address| named(tracker, *address)).collect();
            events.push(Announcement { at: now, what: What::Election { by } });
        }
        if begun > self.elections_over && last.end.is_some_and(|end| now.since(end) >= ELECTED) {
            self.elections_over = begun;
            let winner = last.leader_sid.and_then(|sid| tracker.address_of(sid)).map(|a| named(tracker, a));
            events.push(Announcement { at: now, what: What::ElectionOver { election: last, winner } });
        }
    }

    /// Lets go of what cannot be told any more.
    fn forget(&mut self, tracker: &Tracker, settings: &Settings, now: Timestamp) {
        let held: HashSet<u32> = tracker.links().map(|link| link.id).collect();
        if self.seen.len() > held.len() {
            self.seen.retain(|id, _| held.contains(id));
        }
        let since = self.since(settings, now);
        self.incidents.forget(since);
        self.told.retain(|told| !told.is_over || told.stall.end.unwrap_or(told.stall.start) >= since);
        let mut excess = self.told.len().saturating_sub(MAX_TOLD);
        self.told.retain(|told| {
            let goes = excess > 0 && told.is_over;
            excess -= usize::from(goes);
            !goes
        });
    }
}

impl AnnouncedStall {
    /// Whether it is to be told that it is over.
    fn is_due(&self, now: Timestamp) -> bool {
        !self.is_over && self.quiet_since.is_some_and(|since| now.since(since) >= SETTLING)
    }
}

impl PartialEq for Warned {
    fn eq(&self, other: &Self) -> bool {
        (self.deadline, self.start) == (other.deadline, other.start)
    }
}

/// What a look has found.
#[derive(Debug, Default)]
struct WatchUpdate {
    events: Vec<Announcement>,
    /// Whether a wait passed its limit that no stall covers which was told.
    is_news: bool,
    /// Whether one did so since the last look.
    is_fresh: bool,
    /// Whether a link was closed, or a wait came near its limit.
    is_unrest: bool,
    next_due: Timestamp,
}

impl WatchUpdate {
    fn tell(&mut self, at: Timestamp, what: What) {
        self.events.push(Announcement { at, what });
    }
}

fn is_given_up(wait: &OpenWait, settings: &Settings, now: Timestamp) -> bool {
    now.since(wait.start) > given_up_after(diagnose::limit(wait.deadline, settings))
}

/// Whether two stalls are one event: they share a link and a time.
fn is_same(told: &Stall, stall: &Stall, now: Timestamp) -> bool {
    let end = |stall: &Stall| stall.end.unwrap_or(now);
    told.links.iter().any(|id| stall.links.contains(id))
        && told.start <= end(stall)
        && stall.start <= end(told)
}

fn named(tracker: &Tracker, address: Address) -> Named {
    Named { address, name: tracker.name(address) }
}

fn near_wait(
    link: &LinkTrack,
    tracker: &Tracker,
    settings: &Settings,
    for_leader: bool,
    deadline: Deadline,
    start: Timestamp,
    len: Span,
) -> NearWait {
    let (leader, learner) = (link.opened.leader.address, link.opened.learner.address);
    let (subject, waiter) = if for_leader { (leader, learner) } else { (learner, leader) };
    NearWait {
        link: link.id,
        subject: named(tracker, subject),
        waiter: named(tracker, waiter),
        deadline,
        start,
        wait_ms: len.millis(),
        limit_ms: diagnose::limit(deadline, settings).millis(),
        limit_at: start.plus(diagnose::limit(deadline, settings)),
    }
}

/// Gives the stalls of a report the numbers under which they are told.
fn number_stalls(report: &mut Report, ids: &BTreeMap<u32, u32>) {
    report.stalls.retain(|stall| ids.contains_key(&stall.id));
    for stall in &mut report.stalls {
        stall.id = ids.get(&stall.id).copied().unwrap_or(0);
    }
    for incident in &mut report.incidents {
        incident.stalls = incident.stalls.iter().filter_map(|id| ids.get(id).copied()).collect();
        incident.stalls.sort_unstable();
        incident.stalls.dedup();
    }
}

/// A stall with names, as it is told.
fn news(stall: &Stall, id: u32, tracker: &Tracker, settings: &Settings, now: Timestamp) -> StallNews {
    let mut leads = false;
    let mut others: Vec<Named> = Vec::new();
    for link in stall.links.iter().filter_map(|id| tracker.link_by_id(*id)) {
        let (leader, learner) = (link.opened.leader.address, link.opened.learner.address);
        leads |= leader == stall.subject;
        let other = if leader == stall.subject { learner } else { leader };
        if others.iter().all(|named| named.address != other) {
            others.push(named(tracker, other));
        }
    }
    StallNews {
        subject: named(tracker, stall.subject),
        others,
        leads,
        past_limit_ms: past_limit(stall, tracker, settings, now).millis(),
        stall: Stall { id, ..stall.clone() },
    }
}

/// How long ago the first of a stall's waits passed its limit.
fn past_limit(stall: &Stall, tracker: &Tracker, settings: &Settings, now: Timestamp) -> Span {
    let links = || stall.links.iter().filter_map(|id| tracker.link_by_id(*id));
    let pending = links().flat_map(LinkTrack::pending).map(|wait| (wait.deadline, wait.start));
    let ended = links().flat_map(|link| &link.waits.list).map(|wait| (wait.deadline, wait.start));
    let passed = pending
        .chain(ended)
        .filter(|(_, start)| *start >= stall.start)
        .map(|(deadline, start)| start.plus(diagnose::limit(deadline, settings)))
        .min();
    passed.map_or(Span::ZERO, |passed| now.since(passed))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::address::Endpoint;
    use crate::dissect::{self, Direction, LinkOpened, Observer, PacketSeen};
    use crate::findings::Origin;
    use crate::frame::FrameRef;
    use crate::proto::{PacketType, Zxid};
    use crate::stream::ConnectionSlot;
    use crate::track::TrackerOptions;
    use std::net::{IpAddr, Ipv4Addr};

    fn endpoint(number: u32, port: u16) -> Endpoint {
        Endpoint { address: IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number)).into(), port }
    }

    fn at(seconds: u32) -> Timestamp {
        Timestamp::from_parts(i64::from(seconds), 0)
    }

    /// Trackers of links, each of a leader of its own, that fall silent at once.
    fn silent(links: u32) -> Analyzer {
        let mut analyzer = Analyzer::new(TrackerOptions {
            tick_ms: Some((2_000, Origin::Option)),
            ..TrackerOptions::default()
        });
        for number in 0..links {
            let slot = ConnectionSlot(number);
            let (leader, learner) = (endpoint(2 * number, 2888), endpoint(2 * number + 1, 40_000));
            let frame = FrameRef::default();
            let opened = LinkOpened { leader, learner, at: at(0), frame, picked_up: true };
            analyzer.event(dissect::Event::LinkOpened(slot, &opened));
            let packet = PacketSeen {
                direction: Direction::ToLearner,
                kind: PacketType::Ping,
                zxid: Some(Zxid(0x1_0000_0000)),
                data_len: Some(-1),
                size: Some(20),
                at: at(0),
                last_at: at(0),
                frame,
                seen: &[],
                cut: 0,
                inferred: false,
                timed: true,
            };
            analyzer.event(dissect::Event::Packet(slot, &packet));
        }
        analyzer
    }

    fn count(events: &[Announcement], is: fn(&What) -> bool) -> usize {
        events.iter().filter(|event| is(&event.what)).count()
    }

    #[test]
    fn a_silence_without_end_is_over_some_time() {
        let mut analyzer = silent(1);
        let mut watch = Watch::new(100);
        let events: Vec<_> = (0..2_000).flat_map(|second| watch.look(&mut analyzer, at(second))).collect();
        assert_eq!(count(&events, |what| matches!(what, What::Stall(_))), 1);
        let over = events.iter().find(|event| matches!(event.what, What::StallOver(_))).unwrap();
        assert!((at(300)..at(310)).contains(&over.at), "{}", over.at.nanos());
        // The incident is told as the stall is.
        assert_eq!(count(&events, |what| matches!(what, What::Incident(_))), 1);
        assert_eq!(count(&events, |what| matches!(what, What::IncidentOver(_))), 1);
        assert_eq!((watch.open_stalls().count(), watch.open_incidents().count(), events.len()), (0, 0, 4));
    }

    #[test]
    fn stalls_beyond_those_that_are_remembered_are_not_told_again_and_again() {
        let mut analyzer = silent(300);
        let mut watch = Watch::new(100);
        let events: Vec<_> = (0..60).flat_map(|second| watch.look(&mut analyzer, at(second))).collect();
        assert_eq!(count(&events, |what| matches!(what, What::Stall(_))), MAX_TOLD);
        assert_eq!(count(&events, |what| matches!(what, What::Notice(_))), 1);
        assert_eq!(watch.open_stalls().count(), MAX_TOLD);
    }
}
