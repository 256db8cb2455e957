//! One link: its phases, its round trips, its waits.

mod ahead;
mod at_learner;
pub(in crate::track) mod clock_step;
mod frames;
mod handshake;
mod kernel_rtt;
mod large;
mod packets;
mod pings;
mod proposals;
mod reader;
mod running;
mod teardown;
#[cfg(test)]
mod tests;
mod waits;
mod weight;

#[cfg(test)]
pub(super) use waits::MAX_WAITS;

pub use clock_step::ClockSteps;
pub use frames::Frames;
pub use handshake::Handshake;
pub use packets::Packets;
pub use pings::Pings;
pub use proposals::Large;
pub use proposals::Proposals;
pub use running::{AsOf, OpenWait};
pub use teardown::Teardown;
pub use waits::Waits;

use super::activity::{Activity, Sum};
use super::one_way::OneWay;
use super::quarter::QuarterSecond;
use super::samples::Samples;
use super::series::{Keeper, Trip};
use super::violation::Checks;
use super::wait::{Ended, Mark, REMEMBERED, Wait};
use crate::dissect::{
    Direction, LinkOpened, LinkTotals, PacketSeen, PerDirection, Protection, SegmentSeen, SnapshotSeen,
    Unread,
};
use crate::findings::{Deadline, Role, Violation};
use crate::frame::FrameRef;
use crate::packet::Flags;
use crate::proto::PacketType;
use crate::stream::Fate;
use crate::time::{Span, Timestamp};
use kernel_rtt::KernelRtt;
use reader::ReaderState;

/// The end of a wait that is not looked at when it is told what went on during it: what ends it does.
const EDGE: Span = Span::from_millis(500);
/// How far before a wait it is looked for what had gone on.
const BEFORE: Span = Span::from_millis(5_000);

/// How often a limit made a link forget something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Waits, the shortest ones.
    pub waits: u64,
    /// Packets of unknown types beyond those that are told apart.
    pub types: u64,
    /// Durations; the quantiles are those of the later ones.
    pub samples: u64,
    /// Steps of the capture's clock.
    pub steps: u64,
}

/// A link under way or over.
#[derive(Clone, Debug)]
pub struct LinkTrack {
    /// Its number, from 1.
    pub id: u32,
    /// How it appeared.
    pub opened: LinkOpened,
    /// How the learner came to serve.
    pub handshake: Handshake,
    /// How it ended.
    pub teardown: Teardown,
    /// Its packets by type.
    pub packets: Packets,
    /// PINGs and their answers.
    pub pings: Pings,
    /// PROPOSALs, their ACKs and COMMITs.
    pub proposals: Proposals,
    /// Its waits.
    pub waits: Waits,
    /// Its frames: where and when they were captured.
    pub frames: Frames,
    /// When the capture's clock was set forward while it went on.
    pub clock_steps: ClockSteps,
    /// Everything known at the end.
    pub totals: Option<LinkTotals>,
    /// Since when nothing of it is watched any more, though it was not seen to close.
    pub unwatched: Option<Timestamp>,
    /// Whether all that no report shows was let go.
    pub is_compact: bool,
    /// Whether a packet was recognised on it.
    pub is_recognised: bool,
    /// Whether it closed and was said to be under TLS.
    pub is_encrypted: bool,
    /// What limits made it forget.
    pub forgotten: Forgotten,
    /// Where its frames are noted by host: those of its first capture, and of the learner's.
    pub heard_at: (super::witness::FoundChannel, super::witness::FoundChannel),
    /// What its two ends show together, where both were captured.
    pub one_way: Option<Box<OneWay>>,
    /// Round trips of the kernels.
    kernel_rtt: PerDirection<KernelRtt>,
    reader: PerDirection<ReaderState>,
    activity: Option<Activity>,
    checks: Checks,
    /// Its numbers over time.
    pub(super) series: Keeper,
}

impl LinkTrack {
    /// A link that has just appeared.
    #[must_use]
    pub fn new(id: u32, opened: &LinkOpened) -> Self {
        Self {
            id,
            opened: *opened,
            handshake: Handshake::new(opened),
            teardown: Teardown::default(),
            packets: Packets::default(),
            pings: Pings::default(),
            proposals: Proposals::default(),
            waits: Waits::default(),
            frames: Frames::new(opened.at),
            clock_steps: ClockSteps::default(),
            totals: None,
            unwatched: None,
            is_compact: false,
            is_recognised: false,
            is_encrypted: false,
            forgotten: Forgotten::default(),
            heard_at: (None, None),
            one_way: None,
            kernel_rtt: PerDirection::default(),
            reader: reader::both(opened),
            activity: None,
            checks: Checks::default(),
            series: Keeper::Off,
        }
    }

    /// Round trips of the kernel that acknowledges what is sent in a direction.
    #[must_use]
    pub const fn kernel_rtt(&self, direction: Direction) -> &Samples {
        &self.kernel_rtt.of(direction).samples
    }

    /// A frame of the link.
    #[inline(always)]
    pub fn segment(&mut self, seen: &SegmentSeen<'_>, quarter: QuarterSecond) {
        if self.is_plain(seen) {
            self.plain_segment(seen, quarter);
        } else {
            self.any_segment(seen, quarter);
        }
    }

    /// Whether a frame brings the next bytes or acknowledges some, and the link is neither new nor over.
    #[inline(always)]
    fn is_plain(&self, seen: &SegmentSeen<'_>) -> bool {
        matches!(seen.fate, Fate::InOrder | Fate::Empty)
            && seen.segment.flags.0 & !Flags::PSH == Flags::ACK
            && !seen.both_ends_captured
            && self.teardown.closed.is_none()
            && self.frames.last_file == Some(seen.segment.frame.file)
            && *self.frames.ttl.of(seen.direction) != 0
    }

    /// Such a frame, with the same outcome as [`Self::any_segment`].
    #[inline(always)]
    fn plain_segment(&mut self, seen: &SegmentSeen<'_>, quarter: QuarterSecond) {
        let segment = seen.segment;
        let mark = Mark { frame: segment.frame, at: segment.at };
        let is_fresh = seen.new_bytes > 0;
        let timed_ack = kernel_rtt::time(&mut self.kernel_rtt, seen, is_fresh, false);
        if let Some(counts) = self.activity.as_mut().and_then(|activity| activity.within(quarter)) {
            counts.plain_frame(usize::from(!seen.direction.is_to_leader()), is_fresh, seen.acked_more);
            counts.timed_ack(timed_ack);
        }
        self.frames.last_at = segment.at;
        if is_fresh {
            if seen.direction.is_to_leader() && segment.payload.len() < segment.len as usize {
                self.proposals.hidden.came(segment.at);
            }
            self.heard(seen.direction, mark, segment.timestamps.map(|(value, _)| value));
            self.reader.of_mut(seen.direction.other()).silence.other_frame(mark, true, None);
        } else {
            let silence = &mut self.reader.of_mut(seen.direction).silence;
            silence.quiet_frame(mark, segment.window, seen.acked_more, false);
        }
    }

    /// Any frame of the link.
    #[inline(never)]
    fn any_segment(&mut self, seen: &SegmentSeen<'_>, quarter: QuarterSecond) {
        let segment = seen.segment;
        let mark = Mark { frame: segment.frame, at: segment.at };
        let is_fresh = seen.new_bytes > 0;
        let is_again = seen.fate == Fate::Retransmission;
        let side = usize::from(!seen.direction.is_to_leader());
        let overtook = self.frames.ahead.of_mut(seen.direction).segment(seen);
        let timed_ack = kernel_rtt::time(&mut self.kernel_rtt, seen, is_fresh, is_again);
        if let Some(counts) = self.activity.as_mut().and_then(|activity| activity.within(quarter)) {
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
            counts.timed_ack(timed_ack);
        }
        if is_fresh && seen.direction.is_to_leader() && segment.payload.len() < segment.len as usize {
            self.proposals.hidden.came(segment.at);
        }
        if is_again {
            self.series.retransmitted(seen.direction, segment.at);
        }
        if self.frames.last_file.is_none() && !self.opened.picked_up {
            // Nobody waits on a connection that is still being made.
            self.reader.to_leader.last = mark;
            self.reader.to_learner.last = mark;
        }
        self.frames.of_file(segment.frame.file);
        self.frames.last_at = segment.at;
        let ttl = self.frames.ttl.of_mut(seen.direction);
        if *ttl == 0 {
            *ttl = segment.ttl;
        }
        if let Some(closed) = self.teardown.closed {
            self.behind_close(&closed, seen, mark);
            return;
        }
        if self.teardown.is_closed_again(seen) {
            return self.close_by(seen, mark);
        }
        self.teardown.before_close(seen);
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

    /// A PING of the leader's.
    fn leader_ping(&mut self, packet: &PacketSeen<'_>) {
        self.handshake.set_epoch(packet);
        if let Some(counts) = self.activity.as_mut().and_then(|activity| activity.at(packet.at)) {
            counts.pings = counts.pings.saturating_add(1);
        }
        if let Some(answered) = self.pings.leader_ping(packet, self.handshake.is_up_to_date()) {
            self.series.trip(Trip::Ping, answered.at, answered.us);
        }
    }

    /// Its answer.
    fn pong(&mut self, packet: &PacketSeen<'_>) {
        let is_first = !self.handshake.is_up_to_date();
        self.handshake.serves(packet.at);
        if let Some(counts) = self.activity.as_mut().and_then(|activity| activity.at(packet.at)) {
            counts.pongs = counts.pongs.saturating_add(1);
        }
        if let Some(sessions) = self.pings.load(packet) {
            self.series.sessions(packet.at, sessions);
        }
        let Some(answered) = self.pings.pong(packet, is_first) else { return };
        self.series.trip(Trip::Ping, answered.at, answered.us);
        if answered.is_late
            && let Some(counts) = self.activity.as_mut().and_then(|activity| activity.at(answered.at))
        {
            counts.late_pongs = counts.late_pongs.saturating_add(1);
        }
    }

    /// A snapshot of the synchronisation has ended.
    pub const fn snapshot(&mut self, snapshot: &SnapshotSeen) {
        self.handshake.snapshot(snapshot);
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

    /// New bytes of a direction: its wait is over, the next begins.
    #[inline(always)]
    fn heard(&mut self, direction: Direction, mark: Mark, clock: Option<u32>) {
        let deadline = self.handshake.deadline(direction);
        let reader = self.reader.of(direction);
        let (since, waited_for) = (reader.last.at, reader.deadline);
        if !self.is_unremarkable(waited_for, since, mark.at) {
            self.end_wait(direction, mark.at, Ended::Heard, Some(mark.frame));
            self.look_for_step(direction, mark.at, clock);
        }
        let reader = self.reader.of_mut(direction);
        if let Some(value) = clock {
            reader.clock.saw(value, mark.at);
        }
        reader.begin(mark, deadline);
    }

    /// Whether nothing is noted of a wait that has ended: it was short, and there was a longer one.
    #[inline(always)]
    fn is_unremarkable(&self, deadline: Deadline, start: Timestamp, end: Timestamp) -> bool {
        let waited = end.since(start);
        (Span::ZERO..clock_step::MIN_SILENCE).contains(&waited)
            && waited < self.waits.remembers()
            && self.waits.is_not_worst(deadline, waited)
            && !self.waits.log.wants(waited)
            && self.series.has_longer(deadline, start, end)
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
        if self.waits.log.wants(len) {
            self.note_wait(deadline, start, len, ended, !direction.is_to_leader());
        }
        if len >= self.waits.remembers() {
            self.remember_silence(direction, at, ended, to);
        }
    }

    /// What went on on the link in a stretch of time.
    fn went_on(&self, from: Timestamp, to: Timestamp) -> Sum {
        self.activity.as_ref().map(|activity| activity.sum(from, to)).unwrap_or_default()
    }

    #[inline]
    fn note_worst(&mut self, deadline: Deadline, len: Span, start: Timestamp) {
        self.waits.note_worst(deadline, len, start);
        self.series.wait(deadline, start, len);
    }

    /// A packet of the link.
    #[inline(always)]
    pub fn packet(&mut self, packet: &PacketSeen<'_>) {
        self.forgotten.types += u64::from(!self.packets.count(packet));
        self.checks.packet(self.id, packet);
        self.series.record(packet, self.handshake.is_up_to_date());
        if packet.cut > 0 && packet.direction.is_to_leader() {
            self.proposals.hidden.packet(packet);
        }
        if packet.size >= Some(large::MIN_LARGE) {
            self.proposals.is_large(packet);
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
                self.handshake.role = Some(Role::Observer);
                self.proposals.last_proposed = self.proposals.last_proposed.max(packet.zxid);
                self.handshake.set_epoch(packet);
            }
            (Direction::ToLeader, PacketType::Request | PacketType::Revalidate) => {
                self.handshake.serves(packet.at);
            }
            _ => {
                self.handshake.packet(packet);
                if packet.kind == PacketType::UpToDate && packet.timed {
                    self.pings.forget_sent_before(packet.at);
                }
            }
        }
    }

    /// Whether the learner was brought up to date.
    #[must_use]
    pub const fn serves_now(&self) -> bool {
        self.handshake.is_up_to_date()
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
        self.frames.is_one_sided()
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

    /// Whether what is said on it is under TLS; known when it closes.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.is_encrypted || self.totals.is_some_and(|totals| totals.protection == Protection::Tls)
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
        // A close may come before the word of what had been acknowledged until then.
        let is_open = self.teardown.closed.is_none_or(|closed| at < closed.at);
        if is_open {
            self.frames.has_gaps = true;
            self.frames.not_lost(direction);
        }
        if direction.is_to_leader() {
            self.pings.gap(at);
        }
        *self.frames.lacks.of_mut(direction) = true;
        // What is missing at the end as a rule was lost on the way, and answered nothing.
        let last = self.reader.of(direction).last.at.min(at);
        let from = if is_open { last } else { at };
        self.unread(direction, &Unread { from, to: at, len });
        let deadline = self.handshake.deadline(direction);
        let reader = self.reader.of_mut(direction);
        let last = Mark { at: reader.last.at.max(at), ..reader.last };
        reader.begin(last, deadline);
    }

    /// When its last frame came.
    #[must_use]
    pub const fn last_frame_at(&self) -> Timestamp {
        self.frames.last_at
    }

    /// The file of its last frame.
    #[must_use]
    pub const fn last_file(&self) -> Option<u32> {
        self.frames.last_file
    }

    /// When the leader last sent a PING on it.
    #[must_use]
    pub const fn last_ping_at(&self) -> Option<Timestamp> {
        self.pings.last_at()
    }
}
