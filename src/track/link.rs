//! One link: its phases, its round trips, its waits.

mod acks;
mod ahead;
mod at_learner;
pub(in crate::track) mod clock_step;
mod handshake;
mod kernel_rtt;
mod large;
mod ping;
mod running;
mod teardown;
mod waits;
mod weight;

#[cfg(test)]
pub(super) use waits::MAX_WAITS;

pub use large::Large;
pub use running::{AsOf, OpenWait};

use super::activity::{Activity, Sum};
use super::baseline::Baseline;
use super::counts::TypeCounts;
use super::flight::InFlight;
use super::one_way::OneWay;
use super::samples::Samples;
use super::series::Keeper;
use super::violation::Checks;
use super::wait::{Ended, Mark, REMEMBERED, Silence, Wait};
use super::wait_log::WaitLog;
use crate::dissect::{
    Direction, LinkOpened, LinkTotals, PacketSeen, PerDirection, Protection, SegmentSeen, Unread,
};
use crate::findings::ClockStep;
use crate::findings::{Closed, Deadline, Phases, Role, Sync, Violation};
use crate::frame::FrameRef;
use crate::packet::Flags;
use crate::proto::quorum::{Body, Head};
use crate::proto::{PacketType, Sid, Zxid};
use crate::stream::Fate;
use crate::time::{Span, Timestamp};
use ahead::Ahead;
use clock_step::SenderClock;
use kernel_rtt::KernelRtt;
use std::collections::VecDeque;

/// PINGs without an answer that are remembered.
const MAX_PINGS: usize = 64;
/// Files remembered per link.
const MAX_FILES: usize = 64;

/// The end of a wait that is not looked at when it is told what went on during it: what ends it does.
const EDGE: Span = Span::from_millis(500);
/// How far before a wait it is looked for what had gone on.
const BEFORE: Span = Span::from_millis(5_000);
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
    /// Where its frames are noted by host: those of its first capture, and of the learner's.
    pub heard_at: (super::witness::Found, super::witness::Found),
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
    /// The last large transaction that the leader sent on it.
    large: Option<Box<Large>>,
    /// Its last frame.
    last_frame_at: Timestamp,
    /// Segments that came ahead of bytes which may still come.
    ahead: PerDirection<Ahead>,
    /// Whether the capture lacks bytes of a direction.
    lacks: PerDirection<bool>,
    /// Whether it lacks bytes that were on the way before the close: silences on it prove little.
    pub has_gaps: bool,
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
    /// Its numbers over time.
    pub(super) series: Keeper,
    /// Where its long waits are noted.
    pub(super) wait_log: WaitLog,
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
            heard_at: (None, None),
            one_way: None,
            files: Vec::new(),
            last_file: None,
            ttl: PerDirection::default(),
            last_proposed: None,
            last_acked: None,
            large: None,
            last_frame_at: opened.at,
            ahead: PerDirection::default(),
            lacks: PerDirection::default(),
            has_gaps: false,
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
            series: Keeper::Off,
            wait_log: WaitLog::default(),
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
        let overtook = self.ahead.of_mut(seen.direction).segment(seen);
        if let Some(counts) = self.activity.as_mut().and_then(|activity| activity.at(segment.at)) {
            let bump = |count: &mut [u8; 2]| {
                if let Some(count) = count.get_mut(side) {
                    *count = count.saturating_add(1);
                }
            };
            bump(&mut counts.frames);
            if overtook > 0
                && let Some(again) = counts.again.get_mut(side)
            {
                *again = again.saturating_add(overtook);
            }
            if is_fresh {
                bump(&mut counts.fresh);
            } else if is_again {
                bump(&mut counts.again);
            } else if seen.acked_more {
                bump(&mut counts.acked);
            }
        }
        if is_again {
            self.series.retransmitted(seen.direction, segment.at);
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
        if self.wait_log.wants(len) {
            self.note_wait(deadline, start, len, ended, !direction.is_to_leader());
        }
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
        self.series.wait(deadline, start, len);
    }

    /// A packet of the link.
    #[inline]
    pub fn packet(&mut self, packet: &PacketSeen<'_>) {
        let counts = if packet.inferred { &mut self.inferred } else { &mut self.records };
        self.forgotten.types += u64::from(!counts.of_mut(packet.direction).add(packet.kind));
        self.checks.packet(self.id, packet);
        self.series.record(packet, self.is_up_to_date);
        if packet.size >= Some(large::MIN_LARGE) {
            self.is_large(packet);
        }
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
                let is_any = sums.iter().any(|sums| sums.stream() > 0);
                totals.protection != Protection::None || is_unread && is_any
            })
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

    /// When a direction last brought something new.
    #[must_use]
    pub fn last_heard(&self, direction: Direction) -> Timestamp {
        self.reader.of(direction).last.at
    }

    /// Bytes are missing in the capture: a silence up to here proves nothing.
    pub fn gap(&mut self, direction: Direction, len: u64, at: Timestamp) {
        self.checks.gap(direction);
        self.series.missing(direction, at, len);
        if self.closed.is_none() {
            self.has_gaps = true;
            self.not_lost(direction);
        }
        if direction.is_to_leader() {
            self.pings_before_gap(at);
        }
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

    /// When its last frame came.
    #[must_use]
    pub const fn last_frame_at(&self) -> Timestamp {
        self.last_frame_at
    }

    /// The file of its last frame.
    #[must_use]
    pub const fn last_file(&self) -> Option<u32> {
        self.last_file
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
