//! One link: its phases, its round trips, its waits.

use super::activity::{Activity, Sum};
use super::flight::{Answered, InFlight};
use super::samples::Samples;
use super::violation::Checks;
use super::wait::{Ended, Mark, REMEMBERED, Silence, Wait};
use crate::dissect::{
    Direction, LinkOpened, LinkTotals, PacketSeen, PerDirection, SegmentSeen, SnapshotSeen,
};
use crate::frame::FrameRef;
use crate::packet::Flags;
use crate::proto::quorum::{Body, Head};
use crate::proto::{LearnerInfo, PacketType, Sid, Zxid};
use crate::report::model::{Closed, Deadline, Phases, Role, Sync, Violation};
use crate::stream::Fate;
use crate::time::{Span, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// PINGs without an answer that are remembered.
const PINGS_MOST: usize = 64;
/// Waits remembered per link; beyond, the shortest are let go.
const WAITS_MOST: usize = 4_096;
/// Waits kept of a link that is over.
const WAITS_KEPT: usize = 64;

/// The end of a wait that is not looked at when it is told what went on during it: what ends it does.
const EDGE: Span = Span::from_millis(500);
/// How far before a wait it is looked for what had gone on.
const BEFORE: Span = Span::from_millis(5_000);
/// How long after a close the other side may go on without having heard of it.
const UNHEARD: Span = Span::from_millis(1_000);

/// Counts by packet type: the numbers of the protocol, with all unknown ones apart.
#[derive(Clone, Debug, Default)]
pub struct TypeCounts {
    known: [u64; 20],
    unknown: BTreeMap<i32, u64>,
}

/// Unknown types told apart per link and direction.
const UNKNOWN_MOST: usize = 64;

impl TypeCounts {
    #[inline]
    fn add(&mut self, kind: PacketType) {
        let number = kind.number();
        match usize::try_from(number).ok().and_then(|index| self.known.get_mut(index)) {
            Some(count) => *count += 1,
            None if self.unknown.len() < UNKNOWN_MOST || self.unknown.contains_key(&number) => {
                *self.unknown.entry(number).or_default() += 1;
            }
            None => {}
        }
    }

    /// Types with their counts, those above 0.
    #[must_use]
    pub fn map(&self) -> BTreeMap<PacketType, u64> {
        let known = (0..).zip(self.known);
        known
            .filter(|(_, count)| *count > 0)
            .chain(self.unknown.iter().map(|(number, count)| (*number, *count)))
            .map(|(number, count)| (PacketType::from_number(number), count))
            .collect()
    }
}

/// What is waited for in one direction: the next new bytes.
#[derive(Clone, Debug)]
struct Reading {
    last: Mark,
    deadline: Deadline,
    silence: Silence,
    is_over: bool,
}

/// The time from bytes to the kernel's ACK of them, one sample at a time (RFC 6298, section 4).
#[derive(Clone, Debug, Default)]
struct KernelRtt {
    timed: Option<(u32, Timestamp)>,
    samples: Samples,
    usual: Usual,
}

/// What a duration usually is on this link: a slow average that outliers hardly move.
#[derive(Clone, Copy, Debug, Default)]
struct Usual {
    /// In microseconds, times 16.
    average: u64,
}

impl Usual {
    /// Delayed ACKs, 40 ms on Linux, are no lateness.
    const DELAYED_ACK_US: u64 = 40_000;

    /// Whether a duration is late: beyond ten times the usual one and a delayed ACK. What is late does
    /// not count towards the usual.
    fn is_late(&mut self, us: u64) -> bool {
        if self.average > 0 && us > Self::DELAYED_ACK_US + self.average / 16 * 10 {
            return true;
        }
        self.average = if self.average == 0 { us * 16 } else { self.average - self.average / 16 + us }.max(1);
        false
    }
}

#[derive(Clone, Copy, Debug)]
struct SentPing {
    zxid: Option<Zxid>,
    at: Timestamp,
    counts: bool,
}

/// A link under way or over.
#[derive(Clone, Debug)]
pub struct LinkTrack {
    /// Its number, from 1.
    pub id: u32,
    /// How it appeared.
    pub opened: LinkOpened,
    /// The learner's id.
    pub learner_sid: Option<Sid>,
    /// Follower or observer.
    pub role: Option<Role>,
    /// The epoch it served.
    pub epoch: Option<u32>,
    /// How the learner was brought up to date.
    pub sync: Option<Sync>,
    /// Its phases.
    pub phases: Phases,
    /// How it ended.
    pub closed: Option<Closed>,
    /// The first frame of the other side behind the close.
    pub after_close: Option<Mark>,
    /// How often the FIN was sent again without an answer.
    pub close_repeats: u32,
    /// How often although there had been an answer: it did not arrive.
    pub close_repeats_answered: u32,
    /// The last time that it was.
    pub last_close_repeat: Option<Mark>,
    /// Packets by type, seen.
    pub records: PerDirection<TypeCounts>,
    /// Packets by type, inferred.
    pub inferred: PerDirection<TypeCounts>,
    /// PING to its answer.
    pub ping: Samples,
    /// PINGs that were never answered.
    pub pings_unanswered: u64,
    /// PROPOSAL to ACK.
    pub ack: Samples,
    /// PROPOSAL to COMMIT.
    pub commit: Samples,
    /// PROPOSALs under way.
    pub flight: InFlight,
    /// Waits worth remembering.
    pub waits: Vec<Wait>,
    /// The longest wait for each deadline, in the order of [`Deadline::ALL`].
    pub worst: [Option<(Span, Timestamp)>; 4],
    /// Everything known at the end.
    pub totals: Option<LinkTotals>,
    /// The most client sessions named in one PING.
    pub sessions: u64,
    /// The highest zxid that the leader proposed on it, and that the learner acknowledged.
    pub last_proposed: Option<Zxid>,
    /// See `last_proposed`.
    pub last_acked: Option<Zxid>,
    /// Round trips of the kernels.
    rtt: PerDirection<KernelRtt>,
    reading: PerDirection<Reading>,
    activity: Option<Activity>,
    usual_ping: Usual,
    checks: Checks,
    pings: VecDeque<SentPing>,
    skipped: VecDeque<SentPing>,
    /// Answers whose PING is not known, or not yet.
    loose_pongs: VecDeque<SentPing>,
    last_ping_at: Option<Timestamp>,
    /// Since when the leader times this learner: its ACK of NEWLEADER.
    armed_at: Option<Timestamp>,
    is_up_to_date: bool,
    /// The number behind the first FIN, which acknowledges it.
    fin_end: Option<u32>,
    is_close_heard: bool,
    is_reopened: bool,
}

impl LinkTrack {
    /// A link that has just appeared.
    #[must_use]
    pub fn new(id: u32, opened: &LinkOpened) -> Self {
        let mark = Mark { place: opened.place, at: opened.at };
        let reading =
            |deadline| Reading { last: mark, deadline, silence: Silence::default(), is_over: false };
        let (leader_read, learner_read) = if opened.picked_up {
            (Deadline::LeaderRead, Deadline::LearnerRead)
        } else {
            (Deadline::Init, Deadline::Init)
        };
        Self {
            id,
            opened: *opened,
            learner_sid: None,
            role: None,
            epoch: None,
            sync: None,
            phases: Phases::default(),
            closed: None,
            after_close: None,
            close_repeats: 0,
            close_repeats_answered: 0,
            fin_end: None,
            is_close_heard: false,
            is_reopened: false,
            last_close_repeat: None,
            records: PerDirection::default(),
            inferred: PerDirection::default(),
            ping: Samples::default(),
            pings_unanswered: 0,
            ack: Samples::default(),
            commit: Samples::default(),
            flight: InFlight::default(),
            waits: Vec::new(),
            worst: [None; 4],
            totals: None,
            sessions: 0,
            last_proposed: None,
            last_acked: None,
            rtt: PerDirection::default(),
            reading: PerDirection { to_leader: reading(leader_read), to_learner: reading(learner_read) },
            activity: Some(Activity::default()),
            usual_ping: Usual::default(),
            checks: Checks::default(),
            pings: VecDeque::new(),
            skipped: VecDeque::new(),
            loose_pongs: VecDeque::new(),
            last_ping_at: None,
            armed_at: opened.picked_up.then_some(Timestamp::MIN),
            is_up_to_date: opened.picked_up,
        }
    }

    /// Round trips of the kernel that acknowledges what is sent in a direction.
    #[must_use]
    pub const fn kernel_rtt(&self, direction: Direction) -> &Samples {
        &self.rtt.of(direction).samples
    }

    /// A frame of the link.
    #[inline(always)]
    pub fn segment(&mut self, seen: &SegmentSeen<'_>) {
        let segment = seen.segment;
        let mark = Mark { place: segment.place, at: segment.at };
        let is_fresh = seen.new_bytes > 0;
        let is_again = seen.fate == Fate::Again;
        let side = usize::from(!seen.direction.is_to_leader());
        if let Some(counts) = self.activity.as_mut().and_then(|activity| activity.at(segment.at)) {
            let bump = |count: &mut [u8; 2]| {
                if let Some(count) = count.get_mut(side) {
                    *count = count.saturating_add(1);
                }
            };
            bump(&mut counts.frames);
            if is_fresh {
                bump(&mut counts.fresh);
            } else if is_again || seen.fate == Fate::Early {
                bump(&mut counts.again);
            } else if seen.acked_more {
                bump(&mut counts.acked);
            }
        }
        self.time_kernel(seen, is_fresh, is_again);
        if let Some(closed) = self.closed {
            self.behind_close(&closed, seen, mark);
            return;
        }
        if self.is_reopened && segment.flags.has(Flags::FIN | Flags::RST) {
            let by_leader = !seen.direction.is_to_leader();
            self.close(Closed {
                at: mark.at,
                by_leader,
                reset: segment.flags.has(Flags::RST),
                place: mark.place,
            });
            return;
        }
        if segment.flags.has(Flags::FIN) {
            self.fin_end.get_or_insert(segment.seq.wrapping_add(segment.len).wrapping_add(1));
        }
        // What ends the link is the end of a silence, not a part of it.
        if segment.flags.has(Flags::FIN | Flags::RST) && !is_fresh {
            return;
        }
        if is_fresh {
            self.heard(seen.direction, mark);
        } else {
            let silence = &mut self.reading.of_mut(seen.direction).silence;
            silence.quiet_frame(mark, segment.window, seen.acked_more, is_again);
        }
        let other = self.reading.of_mut(seen.direction.other());
        if segment.len > 0 || is_fresh {
            other.silence.other_frame(mark, is_fresh, is_again.then_some(segment.seq));
        }
    }

    /// A frame behind the close.
    fn behind_close(&mut self, closed: &Closed, seen: &SegmentSeen<'_>, mark: Mark) {
        let is_by_closer = closed.by_leader != seen.direction.is_to_leader();
        if is_by_closer {
            if seen.segment.flags.has(Flags::FIN) {
                self.close_repeats = self.close_repeats.saturating_add(1);
                self.close_repeats_answered += u32::from(self.is_close_heard);
                if self.after_close.is_none() {
                    self.last_close_repeat = Some(mark);
                }
            }
            return;
        }
        self.is_close_heard |= match self.fin_end {
            Some(end) => {
                seen.segment.flags.has(Flags::ACK) && seen.segment.ack.wrapping_sub(end).cast_signed() >= 0
            }
            None => seen.acked_more,
        };
        self.after_close.get_or_insert(mark);
        let is_late = mark.at.since(closed.at) >= UNHEARD;
        if !self.is_close_heard && is_late && seen.segment.flags.has(Flags::FIN | Flags::RST) {
            // It gave up by itself, without having heard.
            let by_leader = !seen.direction.is_to_leader();
            let reset = seen.segment.flags.has(Flags::RST);
            self.reopen();
            return self.close(Closed { at: mark.at, by_leader, reset, place: mark.place });
        }
        let goes_on = seen.new_bytes > 0 || seen.fate == Fate::Again;
        if !self.is_close_heard && goes_on && is_late {
            self.reopen();
        }
    }

    /// The other side has not heard of the close: seen from there the link goes on. (A capture from both
    /// ends shows the last words of a host that nobody hears any more.)
    fn reopen(&mut self) {
        self.waits.retain(|wait| wait.ended != Ended::Closed);
        self.closed = None;
        self.after_close = None;
        self.is_reopened = true;
        for direction in [Direction::ToLeader, Direction::ToLearner] {
            self.reading.of_mut(direction).is_over = false;
        }
    }

    #[inline]
    fn time_kernel(&mut self, seen: &SegmentSeen<'_>, is_fresh: bool, is_again: bool) {
        let segment = seen.segment;
        let sent = self.rtt.of_mut(seen.direction);
        if is_again {
            // An ACK of bytes sent twice tells nothing (Karn's rule).
            sent.timed = None;
        } else if is_fresh && sent.timed.is_none() {
            sent.timed = Some((segment.seq.wrapping_add(segment.len), segment.at));
        }
        let acked = self.rtt.of_mut(seen.direction.other());
        if let Some((end, at)) = acked.timed
            && segment.flags.has(Flags::ACK)
            && segment.ack.wrapping_sub(end).cast_signed() >= 0
        {
            acked.timed = None;
            let us = segment.at.since(at).micros();
            acked.samples.record(us);
            let is_late = acked.usual.is_late(us);
            if let Some(counts) = self.activity.as_mut().and_then(|activity| activity.at(segment.at)) {
                counts.timed_acks = counts.timed_acks.saturating_add(1);
                counts.late_acks = counts.late_acks.saturating_add(u8::from(is_late));
            }
        }
    }

    /// New bytes of a direction: its wait is over, the next begins.
    fn heard(&mut self, direction: Direction, mark: Mark) {
        let deadline = self.deadline(direction);
        self.end_wait(direction, mark.at, Ended::Heard, Some(mark.place));
        let reading = self.reading.of_mut(direction);
        reading.last = mark;
        reading.deadline = deadline;
        reading.silence = Silence::default();
    }

    const fn deadline(&self, direction: Direction) -> Deadline {
        match direction {
            Direction::ToLeader if self.armed_at.is_some() => Deadline::LeaderRead,
            Direction::ToLearner if self.is_up_to_date => Deadline::LearnerRead,
            _ => Deadline::Init,
        }
    }

    #[inline]
    fn end_wait(&mut self, direction: Direction, at: Timestamp, ended: Ended, to: Option<FrameRef>) {
        let reading = self.reading.of(direction);
        let (start, deadline) = (reading.last.at, reading.deadline);
        let len = at.since(start);
        self.note_worst(deadline, len, start);
        if len >= REMEMBERED {
            self.remember_silence(direction, at, ended, to);
        }
    }

    /// Remembers a wait for new bytes of a direction.
    #[cold]
    fn remember_silence(&mut self, direction: Direction, at: Timestamp, ended: Ended, to: Option<FrameRef>) {
        let reading = self.reading.of(direction);
        let start = reading.last.at;
        let len = at.since(start);
        let wait = Wait {
            deadline: reading.deadline,
            start,
            end: at,
            ended,
            for_leader: !direction.is_to_leader(),
            from: reading.last.place,
            to,
            silence: Some(reading.silence),
            activity: self.went_on(start, at.minus(EDGE)),
            before: self.went_on(start.minus(BEFORE.min(len)), start),
        };
        self.remember(wait);
    }

    /// What went on on the link in a stretch of time.
    fn went_on(&self, from: Timestamp, to: Timestamp) -> Sum {
        self.activity.as_ref().map(|activity| activity.sum(from, to)).unwrap_or_default()
    }

    #[inline]
    fn note_worst(&mut self, deadline: Deadline, len: Span, start: Timestamp) {
        if let Some(worst) = self.worst.get_mut(deadline as usize)
            && worst.is_none_or(|(longest, _)| len > longest)
        {
            *worst = Some((len, start));
        }
    }

    fn remember(&mut self, wait: Wait) {
        if self.waits.len() >= WAITS_MOST {
            let shortest = (0..self.waits.len()).min_by_key(|&i| self.waits.get(i).map(Wait::len));
            if let Some(shortest) = shortest {
                self.waits.swap_remove(shortest);
            }
        }
        self.waits.push(wait);
    }

    /// A packet of the link.
    #[inline]
    pub fn packet(&mut self, packet: &PacketSeen<'_>) {
        let counts = if packet.inferred { &mut self.inferred } else { &mut self.records };
        counts.of_mut(packet.direction).add(packet.kind);
        self.checks.packet(self.id, packet);
        match (packet.direction, packet.kind) {
            (Direction::ToLearner, PacketType::Proposal) => self.proposal(packet),
            (Direction::ToLearner, PacketType::Commit | PacketType::CommitAndActivate) => {
                self.answer(packet, false);
            }
            (Direction::ToLeader, PacketType::Ack) => self.acked(packet),
            (Direction::ToLearner, PacketType::Ping) => self.leader_ping(packet),
            (Direction::ToLeader, PacketType::Ping) => self.pong(packet),
            (Direction::ToLearner, PacketType::Inform) => {
                self.role = Some(Role::Observer);
                self.last_proposed = self.last_proposed.max(packet.zxid);
                self.set_epoch(packet);
            }
            (Direction::ToLeader, PacketType::Request | PacketType::Revalidate) => self.serves(packet.at),
            _ => self.handshake(packet),
        }
    }

    /// Only a learner that was told UPTODATE answers PINGs and forwards requests.
    fn serves(&mut self, at: Timestamp) {
        self.is_up_to_date = true;
        self.armed_at.get_or_insert(at);
    }

    fn set_epoch(&mut self, packet: &PacketSeen<'_>) {
        if self.epoch.is_none()
            && self.is_up_to_date
            && let Some(zxid) = packet.zxid.filter(|zxid| zxid.0 != 0 && *zxid != Zxid::NONE)
        {
            self.epoch = Some(zxid.epoch());
        }
    }

    fn proposal(&mut self, packet: &PacketSeen<'_>) {
        self.set_epoch(packet);
        if self.is_up_to_date {
            self.role = self.role.or(Some(Role::Follower));
        }
        let Some(zxid) = packet.zxid else { return };
        self.last_proposed = self.last_proposed.max(Some(zxid));
        let counts = packet.timed && self.armed_at.is_some_and(|armed_at| packet.at >= armed_at);
        let mut early: [Option<Answered>; 2] = [None; 2];
        self.flight.proposal(zxid, packet.at, packet.place, counts, |answered| {
            if let Some(place) = early.iter_mut().find(|place| place.is_none()) {
                *place = Some(answered);
            }
        });
        for answered in early.into_iter().flatten() {
            self.answered(&answered);
        }
    }

    fn acked(&mut self, packet: &PacketSeen<'_>) {
        let Some(zxid) = packet.zxid else { return };
        if zxid.counter() == 0 {
            // The ACK of NEWLEADER, from which on the leader keeps the shorter limit.
            self.armed_at.get_or_insert(packet.at);
            return;
        }
        self.last_acked = self.last_acked.max(Some(zxid));
        self.answer(packet, true);
    }

    #[inline]
    fn answer(&mut self, packet: &PacketSeen<'_>, is_ack: bool) {
        self.set_epoch(packet);
        let Some(zxid) = packet.zxid else { return };
        if let Some(answered) = self.flight.answer(zxid, packet.at, packet.place, is_ack, packet.timed) {
            self.answered(&answered);
        }
    }

    #[inline]
    fn answered(&mut self, answered: &Answered) {
        if !answered.counts {
            return;
        }
        let len = answered.at.since(answered.sent_at);
        if !answered.is_ack {
            self.commit.record(len.micros());
            return;
        }
        self.ack.record(len.micros());
        self.ack_wait(answered.sent_at, answered.sent_place, answered.at, Ended::Heard, Some(answered.place));
    }

    #[inline]
    fn ack_wait(
        &mut self,
        start: Timestamp,
        from: FrameRef,
        end: Timestamp,
        ended: Ended,
        to: Option<FrameRef>,
    ) {
        let len = end.since(start);
        self.note_worst(Deadline::Ack, len, start);
        if len >= REMEMBERED {
            self.remember_ack(start, from, end, ended, to);
        }
    }

    /// Remembers a wait for an ACK.
    #[cold]
    fn remember_ack(
        &mut self,
        start: Timestamp,
        from: FrameRef,
        end: Timestamp,
        ended: Ended,
        to: Option<FrameRef>,
    ) {
        let activity = self.went_on(start, end.minus(EDGE));
        let before = self.went_on(start.minus(BEFORE.min(end.since(start))), start);
        let wait = Wait {
            deadline: Deadline::Ack,
            start,
            end,
            ended,
            for_leader: false,
            from,
            to,
            silence: None,
            activity,
            before,
        };
        self.remember(wait);
    }

    fn leader_ping(&mut self, packet: &PacketSeen<'_>) {
        self.set_epoch(packet);
        self.last_ping_at = Some(packet.at);
        if self.pings.len() >= PINGS_MOST {
            self.pings.pop_front();
            self.pings_unanswered += u64::from(self.is_up_to_date);
        }
        let ping = SentPing { zxid: packet.zxid, at: packet.at, counts: packet.timed };
        if !packet.inferred {
            self.pings.push_back(ping);
            return;
        }
        // An inferred one comes late: its answer may have come by already.
        if let Some(index) = self.loose_pongs.iter().position(|pong| pong.at >= ping.at) {
            if let Some(pong) = self.loose_pongs.remove(index)
                && ping.counts
            {
                self.ping.record(pong.at.since(ping.at).micros());
            }
        } else {
            let index = self.pings.partition_point(|other| other.at <= ping.at);
            self.pings.insert(index, ping);
        }
    }

    /// A PING's answer echoes its zxid; answers come in order.
    fn pong(&mut self, packet: &PacketSeen<'_>) {
        let is_first = !self.is_up_to_date;
        self.serves(packet.at);
        if let Some(counts) = self.activity.as_mut().and_then(|activity| activity.at(packet.at)) {
            counts.pongs = counts.pongs.saturating_add(1);
        }
        if let Some(Body::Ping(sessions)) =
            packet.head().filter(|head| head.data_len > 0).and_then(|head| body(&head, packet))
        {
            self.sessions = self.sessions.max(sessions.len() as u64);
        } else if let Some(len) = packet.data_len {
            self.sessions = self.sessions.max(u64::try_from(len / 12).unwrap_or(0));
        }
        let is_it = |ping: &SentPing| {
            ping.at <= packet.at && (ping.zxid == packet.zxid || ping.zxid.is_none() || packet.zxid.is_none())
        };
        if is_first {
            // What the leader sent before UPTODATE is consumed and never answered.
            let answered = self.pings.iter().rposition(is_it).unwrap_or(self.pings.len());
            self.pings.drain(..answered);
        }
        if packet.inferred
            && let Some(index) = self.skipped.iter().rposition(is_it)
        {
            if let Some(ping) = self.skipped.remove(index) {
                self.ping_answered(&ping, packet);
            }
            return;
        }
        let Some(index) = self.pings.iter().position(is_it) else {
            if self.loose_pongs.len() >= PINGS_MOST {
                self.loose_pongs.pop_front();
            }
            self.loose_pongs.push_back(SentPing { zxid: packet.zxid, at: packet.at, counts: packet.timed });
            return;
        };
        for _ in 0..index {
            if let Some(ping) = self.pings.pop_front() {
                if self.skipped.len() >= PINGS_MOST {
                    self.skipped.pop_front();
                    self.pings_unanswered += 1;
                }
                self.skipped.push_back(ping);
            }
        }
        if let Some(ping) = self.pings.pop_front() {
            self.ping_answered(&ping, packet);
        }
    }

    fn ping_answered(&mut self, ping: &SentPing, packet: &PacketSeen<'_>) {
        if ping.counts && packet.timed {
            let us = packet.at.since(ping.at).micros();
            self.ping.record(us);
            if self.usual_ping.is_late(us)
                && let Some(counts) = self.activity.as_mut().and_then(|activity| activity.at(packet.at))
            {
                counts.late_pongs = counts.late_pongs.saturating_add(1);
            }
        }
    }

    fn handshake(&mut self, packet: &PacketSeen<'_>) {
        match packet.kind {
            PacketType::FollowerInfo | PacketType::ObserverInfo => {
                let is_follower = packet.kind == PacketType::FollowerInfo;
                self.role = Some(if is_follower { Role::Follower } else { Role::Observer });
                self.phases.discovery.get_or_insert(packet.at);
                self.begin_sync();
                let info = LearnerInfo::decode(packet.seen.get(Head::LEN..).unwrap_or_default());
                if packet.data_len.is_some_and(|len| len >= 8) {
                    self.learner_sid = info.sid.or(self.learner_sid);
                }
            }
            PacketType::LeaderInfo => self.epoch = packet.zxid.map(Zxid::epoch).or(self.epoch),
            PacketType::Diff | PacketType::Snap | PacketType::Trunc => {
                self.sync = Some(match packet.kind {
                    PacketType::Diff => Sync::Diff,
                    PacketType::Snap => Sync::Snap,
                    _ => Sync::Trunc,
                });
                self.phases.synchronization.get_or_insert(packet.at);
                self.begin_sync();
            }
            PacketType::NewLeader => self.epoch = packet.zxid.map(Zxid::epoch).or(self.epoch),
            PacketType::UpToDate => {
                self.phases.broadcast.get_or_insert(packet.at);
                if packet.timed {
                    self.pings.retain(|ping| ping.at >= packet.at);
                }
                self.serves(packet.at);
            }
            _ => {}
        }
    }

    const fn begin_sync(&mut self) {
        self.is_up_to_date = false;
        self.armed_at = None;
    }

    /// A snapshot of the synchronisation has ended.
    pub const fn snapshot(&mut self, snapshot: &SnapshotSeen) {
        self.phases.sync_bytes = Some(snapshot.bytes);
    }

    /// What the link showed that a healthy one never does.
    pub fn violations(&mut self) -> Vec<Violation> {
        let bytes = self.totals.map(|totals| totals.bytes).unwrap_or_default();
        self.checks.finish(self.id, &bytes)
    }

    /// Bytes are missing in the capture: a silence up to here proves nothing.
    pub fn gap(&mut self, direction: Direction, at: Timestamp) {
        self.checks.gap(direction);
        let reading = self.reading.of_mut(direction);
        reading.last.at = reading.last.at.max(at);
        reading.silence = Silence::default();
    }

    /// The first FIN or RST.
    pub fn close(&mut self, closed: Closed) {
        self.end_waits(closed.at, Ended::Closed, Some(closed.place));
        self.closed = Some(closed);
    }

    fn end_waits(&mut self, at: Timestamp, ended: Ended, to: Option<FrameRef>) {
        for direction in [Direction::ToLeader, Direction::ToLearner] {
            if !std::mem::replace(&mut self.reading.of_mut(direction).is_over, true) {
                self.end_wait(direction, at, ended, to);
            }
        }
        if let Some(oldest) = self.flight.oldest_unacked() {
            self.ack_wait(oldest.at, oldest.place, at, ended, to);
        }
    }

    /// The capture, or what it holds of the link, is over.
    pub fn finish(&mut self, at: Timestamp) {
        if self.closed.is_none() {
            self.end_waits(at, Ended::CaptureEnd, None);
        }
        self.flight.finish();
        self.pings_unanswered += (self.pings.len() + self.skipped.len()) as u64;
        self.pings.clear();
        self.skipped.clear();
    }

    /// The link is over and closed: lets go of all that no report shows. `near` is the shortest wait
    /// that may still be shown.
    pub fn compact(&mut self, near: Span) {
        self.ping.seal();
        self.ack.seal();
        self.commit.seal();
        self.rtt.to_leader.samples.seal();
        self.rtt.to_learner.samples.seal();
        self.waits.retain(|wait| wait.len() >= near);
        if self.waits.len() > WAITS_KEPT {
            self.waits.sort_by_key(|wait| std::cmp::Reverse(wait.len()));
            self.waits.truncate(WAITS_KEPT);
        }
        self.waits.shrink_to_fit();
        self.activity = None;
        self.flight = self.flight.over();
        self.pings = VecDeque::new();
        self.skipped = VecDeque::new();
        self.loose_pongs = VecDeque::new();
    }

    /// When the leader last sent a PING on it.
    #[must_use]
    pub const fn last_ping_at(&self) -> Option<Timestamp> {
        self.last_ping_at
    }
}

/// A packet's data, decoded as far as it was captured whole.
fn body<'a>(head: &Head, packet: &PacketSeen<'a>) -> Option<Body<'a>> {
    let len = usize::try_from(head.data_len).ok()?;
    let data = packet.seen.get(Head::LEN..Head::LEN + len)?;
    Body::decode(head.kind, packet.direction.is_to_leader(), Some(data)).ok()
}
