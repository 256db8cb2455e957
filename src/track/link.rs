//! One link: its phases, its round trips, its waits.

mod at_learner;
pub(in crate::track) mod clock_step;
mod ping;
mod running;
mod teardown;
mod waits;
mod weight;

#[cfg(test)]
pub(super) use waits::MAX_WAITS;

pub use running::{AsOf, OpenWait};

use super::activity::{Activity, Sum};
use super::baseline::Baseline;
use super::counts::TypeCounts;
use super::flight::{Answered, InFlight};
use super::one_way::OneWay;
use super::samples::Samples;
use super::violation::Checks;
use super::wait::{Ended, Mark, REMEMBERED, Silence, Wait};
use crate::dissect::{
    Direction, LinkOpened, LinkTotals, PacketSeen, PerDirection, Protection, SegmentSeen, SnapshotSeen,
    Unread,
};
use crate::findings::ClockStep;
use crate::findings::{Closed, Deadline, Phases, Role, Sync, Violation};
use crate::frame::FrameRef;
use crate::packet::Flags;
use crate::proto::quorum::{Body, Head};
use crate::proto::{LearnerInfo, PacketType, Sid, Zxid};
use crate::stream::Fate;
use crate::time::{Span, Timestamp};
use clock_step::SenderClock;
use std::collections::VecDeque;

/// Bytes of an ACK.
const ACK_LEN: u64 = 20;
/// PINGs without an answer that are remembered.
const MAX_PINGS: usize = 64;
/// Files remembered per link.
const MAX_FILES: usize = 64;

/// The end of a wait that is not looked at when it is told what went on during it: what ends it does.
const EDGE: Span = Span::from_millis(500);
/// How far before a wait it is looked for what had gone on.
const BEFORE: Span = Span::from_millis(5_000);
/// How long after a close the other side may go on without having heard of it.
const UNHEARD: Span = Span::from_millis(1_000);

/// How often a limit made a link forget something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// PINGs, and answers to some, that waited for their other half.
    pub pings: u64,
    /// Waits, the shortest ones.
    pub waits: u64,
    /// Packets of unknown types beyond those that are told apart.
    pub types: u64,
    /// Durations; the quantiles are those of the later ones.
    pub samples: u64,
    /// Steps of the capture's clock.
    pub steps: u64,
}

/// What is waited for in one direction: the next new bytes.
#[derive(Clone, Debug)]
struct ReaderState {
    last: Mark,
    deadline: Deadline,
    silence: Silence,
    is_over: bool,
    clock: SenderClock,
    /// The last silence, if its sender's clock knows nothing of it.
    unconfirmed_step: Option<ClockStep>,
}

/// The time from bytes to the kernel's ACK of them, one sample at a time (RFC 6298, section 4).
#[derive(Clone, Debug, Default)]
struct KernelRtt {
    timed: Option<(u32, Timestamp)>,
    samples: Samples,
    baseline: Baseline,
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
    /// The wait of the other side, which hears nothing of a close: from the last new bytes to the last
    /// repetition of the FIN.
    pub unanswered_close: Option<Box<Wait>>,
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
    /// How many waits there were that were worth remembering.
    pub waits_noted: u64,
    /// How long a wait must be to be remembered: longer than those that were let go for want of room.
    remembers: Span,
    /// The longest wait for each deadline, in the order of [`Deadline::ALL`].
    pub worst: [Option<(Span, Timestamp)>; 4],
    /// The longest time that an ACK took, or surely took.
    worst_answered: Option<(Span, Timestamp)>,
    /// Everything known at the end.
    pub totals: Option<LinkTotals>,
    /// Since when nothing of it is watched any more, though it was not seen to close.
    pub unwatched: Option<Timestamp>,
    /// Whether all that no report shows was let go.
    pub is_compact: bool,
    /// Whether a packet was recognised on it.
    pub is_recognised: bool,
    /// What limits made it forget.
    pub forgotten: Forgotten,
    /// The most client sessions named in one PING.
    pub sessions: u64,
    /// The longest data of one PING's answer, in bytes.
    pub ping_bytes: u64,
    /// Sessions of one that share their hash with another; `None` where none was captured whole.
    pub hash_collisions: Option<u64>,
    /// What its two ends show together, where both were captured.
    pub one_way: Option<Box<OneWay>>,
    /// The files that hold frames of it, at most 64.
    pub files: Vec<u32>,
    last_file: Option<u32>,
    /// Time to live of the first frame of each direction; 0 while there was none.
    pub ttl: PerDirection<u8>,
    /// The highest zxid that the leader proposed on it, and that the learner acknowledged.
    pub last_proposed: Option<Zxid>,
    /// See `last_proposed`.
    pub last_acked: Option<Zxid>,
    /// Its last frame.
    last_frame_at: Timestamp,
    /// Whether the capture lacks bytes of a direction.
    lacks: PerDirection<bool>,
    /// Round trips of the kernels.
    rtt: PerDirection<KernelRtt>,
    reader: PerDirection<ReaderState>,
    activity: Option<Activity>,
    ping_baseline: Baseline,
    checks: Checks,
    /// When the capture's clock was set forward while it went on.
    pub steps: Vec<ClockStep>,
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
        let mark = Mark { frame: opened.frame, at: opened.at };
        let reader = |deadline| ReaderState {
            last: mark,
            deadline,
            silence: Silence::default(),
            is_over: false,
            clock: SenderClock::default(),
            unconfirmed_step: None,
        };
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
            unanswered_close: None,
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
            waits_noted: 0,
            remembers: REMEMBERED,
            worst: [None; 4],
            worst_answered: None,
            totals: None,
            unwatched: None,
            is_compact: false,
            is_recognised: false,
            forgotten: Forgotten::default(),
            sessions: 0,
            ping_bytes: 0,
            hash_collisions: None,
            one_way: None,
            files: Vec::new(),
            last_file: None,
            ttl: PerDirection::default(),
            last_proposed: None,
            last_acked: None,
            last_frame_at: opened.at,
            lacks: PerDirection::default(),
            rtt: PerDirection::default(),
            reader: PerDirection { to_leader: reader(leader_read), to_learner: reader(learner_read) },
            activity: None,
            ping_baseline: Baseline::default(),
            checks: Checks::default(),
            steps: Vec::new(),
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
        let mark = Mark { frame: segment.frame, at: segment.at };
        let is_fresh = seen.new_bytes > 0;
        let is_again = seen.fate == Fate::Retransmission;
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
            } else if is_again || seen.fate == Fate::OutOfOrder {
                bump(&mut counts.again);
            } else if seen.acked_more {
                bump(&mut counts.acked);
            }
        }
        self.time_kernel(seen, is_fresh, is_again);
        if self.last_file.is_none() && !self.opened.picked_up {
            // Nobody waits on a connection that is still being made.
            self.reader.to_leader.last = mark;
            self.reader.to_learner.last = mark;
        }
        self.of_file(segment.frame.file);
        self.last_frame_at = segment.at;
        let ttl = self.ttl.of_mut(seen.direction);
        if *ttl == 0 {
            *ttl = segment.ttl;
        }
        if let Some(closed) = self.closed {
            self.behind_close(&closed, seen, mark);
            return;
        }
        if self.is_reopened && segment.flags.intersects(Flags::FIN | Flags::RST) {
            let by_leader = !seen.direction.is_to_leader();
            self.close(Closed {
                at: mark.at,
                by_leader,
                reset: segment.flags.contains(Flags::RST),
                frame: mark.frame,
            });
            return;
        }
        if segment.flags.contains(Flags::FIN) {
            self.fin_end.get_or_insert(segment.seq.wrapping_add(segment.len).wrapping_add(1));
        }
        // What ends the link is the end of a silence, not a part of it.
        if segment.flags.intersects(Flags::FIN | Flags::RST) && !is_fresh {
            return;
        }
        // What the learner waits for is told by its own capture.
        let tells = |direction: Direction| direction.is_to_leader() || !seen.both_ends_captured;
        if tells(seen.direction) {
            self.came(seen, mark);
        }
        if tells(seen.direction.other()) {
            self.other_came(seen, mark);
        }
    }

    /// A frame of the direction that is waited for.
    #[inline(always)]
    fn came(&mut self, seen: &SegmentSeen<'_>, mark: Mark) {
        if seen.new_bytes > 0 {
            self.heard(seen.direction, mark, seen.segment.timestamps.map(|(value, _)| value));
        } else {
            let silence = &mut self.reader.of_mut(seen.direction).silence;
            silence.quiet_frame(
                mark,
                seen.segment.window,
                seen.acked_more,
                seen.fate == Fate::Retransmission,
            );
        }
    }

    /// A frame of the side that waits.
    #[inline]
    fn other_came(&mut self, seen: &SegmentSeen<'_>, mark: Mark) {
        let is_fresh = seen.new_bytes > 0;
        if seen.segment.len > 0 || is_fresh {
            let again = (seen.fate == Fate::Retransmission).then_some(seen.segment.seq);
            let silence = &mut self.reader.of_mut(seen.direction.other()).silence;
            silence.other_frame(mark, is_fresh, again);
        }
    }

    #[inline]
    fn of_file(&mut self, file: u32) {
        if self.last_file != Some(file) {
            self.last_file = Some(file);
            if self.files.len() < MAX_FILES && !self.files.contains(&file) {
                self.files.push(file);
            }
        }
    }

    /// A frame behind the close.
    fn behind_close(&mut self, closed: &Closed, seen: &SegmentSeen<'_>, mark: Mark) {
        let is_by_closer = closed.by_leader != seen.direction.is_to_leader();
        if is_by_closer {
            if seen.segment.flags.contains(Flags::FIN) {
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
                seen.segment.flags.contains(Flags::ACK)
                    && seen.segment.ack.wrapping_sub(end).cast_signed() >= 0
            }
            None => seen.acked_more,
        };
        self.after_close.get_or_insert(mark);
        let is_late = mark.at.since(closed.at) >= UNHEARD;
        if !self.is_close_heard && is_late && seen.segment.flags.intersects(Flags::FIN | Flags::RST) {
            // It gave up by itself, without having heard.
            let by_leader = !seen.direction.is_to_leader();
            let reset = seen.segment.flags.contains(Flags::RST);
            self.reopen();
            return self.close(Closed { at: mark.at, by_leader, reset, frame: mark.frame });
        }
        let goes_on = seen.new_bytes > 0 || seen.fate == Fate::Retransmission;
        if !self.is_close_heard && goes_on && is_late {
            self.reopen();
        }
    }

    /// The other side has not heard of the close: seen from there the link goes on. (A capture from both
    /// ends shows the last words of a host that nobody hears any more.)
    fn reopen(&mut self) {
        // What the learner waited for its own capture knows.
        let both_ends_captured = self.one_way.is_some();
        self.waits.retain(|wait| wait.ended != Ended::Closed || wait.for_leader && both_ends_captured);
        self.closed = None;
        self.after_close = None;
        self.is_reopened = true;
        self.reader.to_leader.is_over = false;
        self.reader.to_learner.is_over &= both_ends_captured;
    }

    #[inline(always)]
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
            && segment.flags.contains(Flags::ACK)
            && segment.ack.wrapping_sub(end).cast_signed() >= 0
        {
            acked.timed = None;
            let us = segment.at.since(at).micros();
            acked.samples.record(us);
            let is_late = acked.baseline.is_late(us);
            if let Some(counts) = self.activity.as_mut().and_then(|activity| activity.at(segment.at)) {
                counts.timed_acks = counts.timed_acks.saturating_add(1);
                counts.late_acks = counts.late_acks.saturating_add(u8::from(is_late));
            }
        }
    }

    /// New bytes of a direction: its wait is over, the next begins.
    #[inline(always)]
    fn heard(&mut self, direction: Direction, mark: Mark, clock: Option<u32>) {
        let deadline = self.deadline(direction);
        self.end_wait(direction, mark.at, Ended::Heard, Some(mark.frame));
        self.look_for_step(direction, clock, mark.at);
        let reader = self.reader.of_mut(direction);
        reader.last = mark;
        reader.deadline = deadline;
        reader.silence = Silence::default();
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
        let reader = self.reader.of(direction);
        let (start, deadline) = (reader.last.at, reader.deadline);
        let len = at.since(start);
        if ended == Ended::CaptureEnd && len >= clock_step::NEVER {
            return;
        }
        self.note_worst(deadline, len, start);
        if len >= self.remembers {
            self.remember_silence(direction, at, ended, to);
        }
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

    /// A packet of the link.
    #[inline]
    pub fn packet(&mut self, packet: &PacketSeen<'_>) {
        let counts = if packet.inferred { &mut self.inferred } else { &mut self.records };
        self.forgotten.types += u64::from(!counts.of_mut(packet.direction).add(packet.kind));
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

    /// Whether the learner was brought up to date.
    #[must_use]
    pub const fn serves_now(&self) -> bool {
        self.is_up_to_date
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
        self.flight.proposal(zxid, packet.at, packet.frame, counts, |answered| {
            if let Some(free) = early.iter_mut().find(|free| free.is_none()) {
                *free = Some(answered);
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
        if let Some(answered) = self.flight.answer(zxid, packet.at, packet.frame, is_ack, packet.timed) {
            self.answered(&answered);
        }
    }

    #[inline]
    fn answered(&mut self, answered: &Answered) {
        if !answered.counts {
            return;
        }
        let len = self.without_steps(answered.sent_at, answered.at).since(answered.sent_at);
        if !answered.is_ack {
            self.commit.record(len.micros());
            return;
        }
        self.ack.record(len.micros());
        self.ack_wait(answered.sent_at, answered.sent_frame, answered.at, Ended::Heard, Some(answered.frame));
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
        let end = self.without_steps(start, end);
        let len = end.since(start);
        if ended == Ended::CaptureEnd && len >= clock_step::NEVER {
            return;
        }
        self.note_worst(Deadline::Ack, len, start);
        if ended == Ended::Heard && self.worst_answered.is_none_or(|(longest, _)| len > longest) {
            self.worst_answered = Some((len, start));
        }
        if len >= self.remembers {
            self.remember_ack(start, from, end, ended, to);
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

    /// A packet was recognised on it. What goes on is noted from here on: of strangers nobody asks.
    pub fn recognise(&mut self) {
        self.is_recognised = true;
        self.activity = Some(Activity::default());
    }

    /// Whether of one direction not a frame was captured, though the other side has acknowledged bytes of it:
    /// how the link ended may stand in these. (Who says nothing gets nothing acknowledged.)
    #[must_use]
    pub const fn is_one_sided(&self) -> bool {
        self.lacks.to_leader && self.ttl.to_leader == 0 || self.lacks.to_learner && self.ttl.to_learner == 0
    }

    /// Whether it is a link for all that is known: a packet was recognised, or nothing was captured that
    /// would contradict it, all of its payload being encrypted or cut. Anybody may speak to these ports.
    #[must_use]
    pub fn may_be_link(&self) -> bool {
        self.is_recognised
            || self.totals.is_some_and(|totals| {
                let sums = [totals.bytes.to_leader, totals.bytes.to_learner];
                let is_unread = sums.iter().all(|sums| sums.unframed == 0);
                let is_any = self.opened.picked_up || sums.iter().any(|sums| sums.stream() > 0);
                totals.protection != Protection::None || is_unread && is_any
            })
    }

    /// Forgets who waited for whom: where no packet was recognised, nobody knows.
    pub fn forget_waits(&mut self) {
        self.waits = Vec::new();
        self.worst = [None; 4];
    }

    /// Breaks of the rules, certain or suspected, beyond those that are kept.
    #[must_use]
    pub const fn violations_forgotten(&self) -> u64 {
        self.checks.forgotten
    }

    /// What the link showed that a healthy one never does.
    pub fn violations(&mut self) -> Vec<Violation> {
        let bytes = self.totals.map(|totals| totals.bytes).unwrap_or_default();
        self.checks.finish(self.id, &bytes)
    }

    /// Bytes are missing in the capture: a silence up to here proves nothing.
    pub fn gap(&mut self, direction: Direction, len: u64, at: Timestamp) {
        self.checks.gap(direction);
        *self.lacks.of_mut(direction) = true;
        // What is missing at the end as a rule was lost on the way, and answered nothing.
        let last = self.reader.of(direction).last.at.min(at);
        let from = if self.closed.is_some() { at } else { last };
        self.unread(direction, &Unread { from, to: at, len });
        let deadline = self.deadline(direction);
        let reader = self.reader.of_mut(direction);
        reader.last.at = reader.last.at.max(at);
        reader.deadline = deadline;
        reader.silence = Silence::default();
    }

    /// Among these bytes ACKs may have gone by unseen: a PROPOSAL without its own may have waited no longer than
    /// up to them.
    pub fn unread(&mut self, direction: Direction, unread: &Unread) {
        let Unread { from, to, len } = *unread;
        if !direction.is_to_leader() || len < ACK_LEN {
            return;
        }
        let oldest = self.flight.oldest_unacked();
        if !self.flight.doubt(to, len / ACK_LEN) {
            return;
        }
        // It comes late: what was said meanwhile is taken back.
        let is_ack = |wait: &Wait| wait.deadline == Deadline::Ack && wait.ended != Ended::Heard;
        for wait in self.waits.iter_mut().filter(|wait| is_ack(wait) && wait.start < to && wait.end > from) {
            (wait.end, wait.ended, wait.to) = (from.max(wait.start), Ended::Heard, None);
        }
        let least = self.remembers;
        self.waits.retain(|wait| wait.deadline != Deadline::Ack || wait.len() >= least);
        if let Some(worst) = self.worst.get_mut(Deadline::Ack as usize)
            && worst.is_some_and(|(_, start)| start < to)
        {
            let waits = self.waits.iter().filter(|wait| wait.deadline == Deadline::Ack);
            let waited = waits.map(|wait| (wait.len(), wait.start));
            *worst = waited.chain(self.worst_answered).max_by_key(|(len, _)| *len);
        }
        match (oldest, self.closed) {
            (Some(oldest), None) if oldest.at < from => {
                self.ack_wait(oldest.at, oldest.frame, from, Ended::Heard, None);
            }
            (Some(_), Some(closed)) => {
                let is_told = |start: Timestamp| {
                    self.waits.iter().any(|wait| is_ack(wait) && (wait.start, wait.end) == (start, closed.at))
                };
                let oldest = self.flight.oldest_unacked().filter(|oldest| oldest.at < closed.at);
                if let Some(oldest) = oldest.filter(|oldest| !is_told(oldest.at)) {
                    self.ack_wait(oldest.at, oldest.frame, closed.at, Ended::Closed, Some(closed.frame));
                }
            }
            _ => {}
        }
    }

    /// The first FIN or RST.
    pub fn close(&mut self, closed: Closed) {
        self.end_waits(closed.at, Ended::Closed, Some(closed.frame));
        self.closed = Some(closed);
    }

    fn end_waits(&mut self, at: Timestamp, ended: Ended, to: Option<FrameRef>) {
        for direction in [Direction::ToLeader, Direction::ToLearner] {
            // The learner may not have heard of it yet.
            if !direction.is_to_leader() && self.one_way.is_some() && ended == Ended::Closed && to.is_some() {
                continue;
            }
            if !std::mem::replace(&mut self.reader.of_mut(direction).is_over, true) {
                self.end_wait(direction, at, ended, to);
            }
        }
        if let Some(oldest) = self.flight.oldest_unacked() {
            self.ack_wait(oldest.at, oldest.frame, at, ended, to);
        }
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
