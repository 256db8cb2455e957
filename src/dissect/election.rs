//! One direction of a connection on the election port: hello, SASL, notifications.
//!
//! Notifications carry their length, so framing survives every cut. After a loss, framing resumes at the next
//! segment that begins with a length or, since ZooKeeper writes the length separately, with a notification.
//!
//! Source: `apache/zookeeper: zookeeper-server/.../server/quorum/QuorumCnxManager.java`.

use super::byte_sums::ByteSums;
use super::event::{AuthSeen, ElectionMessage, ElectionSeen, Event, Observer};
use super::framer::KEPT_FREE;
use crate::address::Endpoint;
use crate::frame::FrameRef;
use crate::proto::election::{Hello, LENGTH_LEN, MAX_FRAME, MIN_NOTIFICATION_LEN, Notification};
use crate::proto::{Decoded, ServerState, auth};
use crate::stream::Chunk;
use crate::time::Timestamp;

/// Captured bytes kept of one message; enough for a configuration of thousands of servers.
const MAX_KEPT: usize = 64 * 1024;
/// The shortest notification, by its length field.
#[expect(clippy::cast_possible_truncation, reason = "28")]
const MIN_NOTIFICATION_SIZE: u32 = MIN_NOTIFICATION_LEN as u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum VoteFraming {
    /// Expects a hello.
    Start,
    /// SASL packets or notifications.
    Frames,
    /// Searching for a length.
    Lost,
    /// TLS.
    Opaque,
}

/// The framing of one direction.
#[derive(Clone, Debug)]
pub(super) struct ElectionFramer {
    src: Endpoint,
    dst: Endpoint,
    mode: VoteFraming,
    /// Whether it is the dialer's direction of a connection whose start was seen: a hello must begin it.
    is_dialer: bool,
    /// Whether a message was recognised.
    has_spoken: bool,
    kept: Vec<u8>,
    /// Bytes of the open message so far, captured or not.
    passed: u64,
    at: Timestamp,
    frame: FrameRef,
    pub(super) sums: ByteSums,
}

/// What the start of a message shows.
enum MessageFront {
    Hello(u64),
    Auth(auth::SaslHead),
    Notification(u64),
    NeedMore,
    Tls,
    Bad,
}

impl ElectionFramer {
    /// The framing of a direction; `is_dialer` says whose it is, where the connection's start was seen.
    pub(super) const fn new(src: Endpoint, dst: Endpoint, is_dialer: Option<bool>) -> Self {
        Self {
            src,
            dst,
            mode: if is_dialer.is_some() { VoteFraming::Start } else { VoteFraming::Lost },
            is_dialer: matches!(is_dialer, Some(true)),
            has_spoken: false,
            kept: Vec::new(),
            passed: 0,
            at: Timestamp::MIN,
            frame: FrameRef { file: 0, number: 0 },
            sums: ByteSums { decoded: 0, cut: 0, missing: 0, unframed: 0, cut_unframed: 0 },
        }
    }

    /// Whether the stream is TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.mode == VoteFraming::Opaque
    }

    /// Whether a message was recognised.
    pub(super) const fn has_spoken(&self) -> bool {
        self.has_spoken
    }

    /// The connection is over. Of bytes that never became a message nobody knows what they were.
    pub(super) fn finish(&mut self) {
        if !self.has_spoken {
            self.give_up(&[], 0);
        }
    }

    pub(super) fn chunk<O: Observer>(&mut self, chunk: &Chunk<'_>, observer: &mut O) {
        let mut seen = chunk.seen.get(..chunk.len as usize).unwrap_or(chunk.seen);
        let mut len = u64::from(chunk.len);
        if self.mode == VoteFraming::Lost && self.passed == 0 {
            if auth::is_tls(seen) {
                self.mode = VoteFraming::Opaque;
            } else if let Some(notification) = bare_notification(seen, len) {
                self.mode = VoteFraming::Frames;
                self.sums.decoded += seen.len() as u64;
                self.sums.cut += len - seen.len() as u64;
                return self.hand_on(ElectionMessage::Notification(notification), len, chunk, observer);
            } else if is_length(seen) {
                self.mode = VoteFraming::Frames;
            }
        }
        while len > 0 {
            if matches!(self.mode, VoteFraming::Lost | VoteFraming::Opaque) {
                return self.pass_over(seen, len);
            }
            if self.passed == 0 {
                (self.at, self.frame) = (chunk.at, chunk.frame);
            }
            let taken = self.take(seen, len, observer);
            let n = usize::try_from(taken).unwrap_or(usize::MAX).min(seen.len());
            seen = seen.get(n..).unwrap_or_default();
            len -= taken;
        }
    }

    /// Adds bytes to the open message; returns how many.
    fn take<O: Observer>(&mut self, seen: &[u8], len: u64, observer: &mut O) -> u64 {
        let total = match self.front(seen) {
            MessageFront::Hello(total) | MessageFront::Notification(total) => total,
            MessageFront::Auth(head) => head.size(),
            MessageFront::NeedMore if len > seen.len() as u64 => {
                // The message's length was cut.
                self.give_up(seen, len);
                return len;
            }
            MessageFront::NeedMore => u64::MAX,
            MessageFront::Tls => {
                self.mode = VoteFraming::Opaque;
                self.give_up(seen, len);
                return len;
            }
            MessageFront::Bad => {
                self.give_up(seen, len);
                return len;
            }
        };
        // A length smaller than the bytes already taken for this message is not a length.
        let Some(left) = total.checked_sub(self.passed).filter(|left| *left > 0) else {
            self.give_up(seen, len);
            return len;
        };
        let n = left.min(len);
        let captured = usize::try_from(n).unwrap_or(usize::MAX).min(seen.len());
        let is_whole = self.kept.len() as u64 == self.passed;
        if is_whole {
            let room = MAX_KEPT.saturating_sub(self.kept.len()).min(captured);
            self.kept.extend_from_slice(seen.get(..room).unwrap_or_default());
        }
        self.passed += n;
        self.sums.decoded += captured as u64;
        self.sums.cut += n - captured as u64;
        if self.passed >= total {
            self.finish_message(total, observer);
        }
        n
    }

    /// Decodes the kept bytes and the current ones, up to the message's length.
    fn front(&self, seen: &[u8]) -> MessageFront {
        let mut front = [0u8; 20];
        let kept = self.kept.len().min(20);
        let more = (20 - kept).min(seen.len());
        if let (Some(to), Some(from)) = (front.get_mut(..kept), self.kept.get(..kept)) {
            to.copy_from_slice(from);
        }
        if self.passed == self.kept.len() as u64
            && let (Some(to), Some(from)) = (front.get_mut(kept..kept + more), seen.get(..more))
        {
            to.copy_from_slice(from);
        }
        let have = front.get(..kept + more).unwrap_or_default();
        if auth::is_tls(have) && self.mode == VoteFraming::Start {
            return MessageFront::Tls;
        }
        if auth::is_magic(have) {
            return auth::SaslHead::decode(have).map_or(MessageFront::NeedMore, MessageFront::Auth);
        }
        if auth::MAGIC.starts_with(have) {
            return MessageFront::NeedMore;
        }
        if self.mode == VoteFraming::Start && self.is_dialer {
            return hello_front(have);
        }
        match have.first_chunk::<4>().map(|len| u32::from_be_bytes(*len)) {
            // No release writes a shorter one.
            Some(len @ MIN_NOTIFICATION_SIZE..=MAX_FRAME) => {
                MessageFront::Notification(u64::from(len) + LENGTH_LEN as u64)
            }
            Some(_) => MessageFront::Bad,
            None => MessageFront::NeedMore,
        }
    }

    fn finish_message<O: Observer>(&mut self, total: u64, observer: &mut O) {
        let kept = std::mem::take(&mut self.kept);
        let cut = total - kept.len() as u64;
        let origin = Chunk { offset: 0, seen: &[], len: 0, at: self.at, frame: self.frame };
        if let Some(head) = auth::SaslHead::decode(&kept) {
            let (src, dst) = (self.src, self.dst);
            observer.event(Event::Auth(&AuthSeen { src, dst, head, cut, at: self.at, frame: self.frame }));
        } else if self.mode == VoteFraming::Start && kept.starts_with(&[0xff]) {
            let hello = whole_hello(&kept, cut);
            self.mode = VoteFraming::Frames;
            self.send(hello, total, cut, &origin, observer);
        } else if self.mode == VoteFraming::Start && total == 8 {
            self.mode = VoteFraming::Frames;
            if let Decoded::Record { value, .. } = Hello::decode(&kept) {
                self.send(ElectionMessage::Hello(value), total, cut, &origin, observer);
            }
        } else {
            self.mode = VoteFraming::Frames;
            let payload = kept.get(LENGTH_LEN..).unwrap_or_default();
            let len = usize::try_from(total).unwrap_or(usize::MAX).saturating_sub(LENGTH_LEN);
            let message = Notification::decode_cut(payload, len)
                .map_or(ElectionMessage::Unread, ElectionMessage::Notification);
            if !self.has_spoken
                && let ElectionMessage::Notification(notification) = &message
                && !is_plausible(notification)
            {
                self.kept = kept;
                return self.give_up(&[], 0);
            }
            self.send(message, total, cut, &origin, observer);
        }
        if kept.capacity() <= KEPT_FREE {
            self.kept = kept;
        }
        self.kept.clear();
        self.passed = 0;
    }

    /// Memory of an open message in bytes, if it is large.
    pub(super) const fn kept_bytes(&self) -> usize {
        let bytes = self.kept.capacity();
        if bytes > KEPT_FREE { bytes } else { 0 }
    }

    /// Keeps only the start of the open message.
    pub(super) fn keep_less(&mut self) {
        if self.kept_bytes() > 0 {
            // A copy, as in [`super::framer::Framer::keep_less`].
            self.kept = self.kept.get(..KEPT_FREE).unwrap_or(&self.kept).to_vec();
        }
    }

    fn hand_on<O: Observer>(
        &mut self,
        message: ElectionMessage<'_>,
        len: u64,
        chunk: &Chunk<'_>,
        observer: &mut O,
    ) {
        self.send(message, len, len - chunk.seen.len() as u64, chunk, observer);
    }

    fn send<O: Observer>(
        &mut self,
        message: ElectionMessage<'_>,
        size: u64,
        cut: u64,
        chunk: &Chunk<'_>,
        observer: &mut O,
    ) {
        self.has_spoken |= !matches!(message, ElectionMessage::Unread);
        let (src, dst, at, frame) = (self.src, self.dst, chunk.at, chunk.frame);
        observer.event(Event::Election(&ElectionSeen { src, dst, message, size, cut, at, frame }));
    }

    fn give_up(&mut self, seen: &[u8], len: u64) {
        if self.mode != VoteFraming::Opaque {
            self.mode = VoteFraming::Lost;
        }
        let kept = self.kept.len() as u64;
        self.sums.decoded = self.sums.decoded.saturating_sub(kept);
        self.sums.unframed += kept;
        self.kept.clear();
        self.passed = 0;
        self.pass_over(seen, len);
    }

    const fn pass_over(&mut self, seen: &[u8], len: u64) {
        self.sums.unframed += seen.len() as u64;
        self.sums.cut += len - seen.len() as u64;
        self.sums.cut_unframed += len - seen.len() as u64;
    }

    pub(super) fn gap(&mut self, len: u64) {
        self.sums.missing += len;
        self.give_up(&[], 0);
    }
}

/// The dialer's first words. Whatever else dials this port (scanners, health checks, clients) does not begin so.
fn hello_front(have: &[u8]) -> MessageFront {
    /// Ids are 1 to 255 by the manual, and some number their hosts beyond it.
    const MAX_BARE_SID: i64 = u16::MAX as i64;
    let Some(first) = have.first_chunk::<8>().map(|first| i64::from_be_bytes(*first)) else {
        // A hello of 3.5+ begins with a negative number, a bare sid with zeros.
        return MessageFront::NeedMore;
    };
    match first {
        Hello::V1 | Hello::V2 => {
            let len = have.get(16..20).and_then(|len| len.first_chunk::<4>());
            len.map_or(MessageFront::NeedMore, |len| match u32::from_be_bytes(*len) {
                len @ 1..=2048 => MessageFront::Hello(u64::from(len) + 20),
                _ => MessageFront::Bad,
            })
        }
        1..=MAX_BARE_SID => MessageFront::Hello(8),
        _ => MessageFront::Bad,
    }
}

/// Whether a notification can be one: what else begins with a length has numbers that make no sense here.
fn is_plausible(notification: &Notification<'_>) -> bool {
    let is_known = !matches!(notification.state, ServerState::Unknown(_));
    let is_sid = |sid: i64| (-1..=i64::from(i32::MAX)).contains(&sid) || sid == i64::MIN;
    // Rounds count from 1; an observer's is MIN, as all that it says.
    let is_round = (1..1 << 32).contains(&notification.election_epoch)
        || matches!(notification.election_epoch, i64::MIN | -1);
    // Nobody has logged what belongs to an epoch that was not established.
    let is_epoch = notification.peer_epoch.is_none_or(|epoch| {
        matches!(epoch, i64::MIN | -1)
            || (0..1 << 32).contains(&epoch)
                && (notification.zxid.0.cast_signed() < 0 || i64::from(notification.zxid.epoch()) <= epoch)
    });
    is_known && is_sid(notification.leader.0) && is_round && is_epoch
}

fn whole_hello(kept: &[u8], cut: u64) -> ElectionMessage<'_> {
    if cut == 0
        && let Decoded::Record { value, .. } = Hello::decode(kept)
    {
        return ElectionMessage::Hello(value);
    }
    let long =
        |at: usize| kept.get(at..at + 8).and_then(|b| b.first_chunk::<8>()).map(|b| i64::from_be_bytes(*b));
    match (long(0), long(8)) {
        (Some(protocol), Some(sid)) => ElectionMessage::Hello(Hello::Addressed {
            protocol,
            sid: crate::proto::Sid(sid),
            text: kept.get(20..).unwrap_or_default(),
        }),
        _ => ElectionMessage::Unread,
    }
}

/// Whether these bytes can be a notification's length.
fn is_length(seen: &[u8]) -> bool {
    match seen.first_chunk::<4>().map(|len| u32::from_be_bytes(*len)) {
        Some(len) => {
            (MIN_NOTIFICATION_SIZE..=1 << 16).contains(&len)
                && Notification::decode_state(seen.get(4..).unwrap_or_default())
                    .is_none_or(|state| !matches!(state, ServerState::Unknown(_)))
        }
        None => false,
    }
}

/// A notification whose length was in a segment of its own.
fn bare_notification(seen: &[u8], len: u64) -> Option<Notification<'_>> {
    let len = usize::try_from(len).ok().filter(|len| (MIN_NOTIFICATION_LEN..=1 << 16).contains(len))?;
    let notification = Notification::decode_cut(seen, len).ok()?;
    // Rounds count from 1.
    (is_plausible(&notification) && notification.election_epoch >= 1).then_some(notification)
}
