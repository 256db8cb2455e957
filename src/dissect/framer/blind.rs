//! Framing without a visible head: hidden bytes up to the next certain packet start, and the search for one
//! after a loss.

use super::{Cursor, Framer, FramerMode, sasl_head};
use crate::dissect::event::{Direction, Observer, Unread};
use crate::dissect::link::{LinkContext, LinkState};
use crate::dissect::span::HiddenSpan;
use crate::frame::FrameRef;
use crate::proto::quorum::Head;
use crate::proto::{PacketType, auth};
use crate::time::Timestamp;

/// The longest segment that is checked for being exactly whole packets.
const MAX_CHAIN: u64 = 1024;

/// Consecutive TLS records, each at the start of a segment, that prove TLS if its handshake was not captured.
const TLS_RECORDS: u8 = 3;

/// The shortest cut head that still identifies a packet start: the type and the upper part of the zxid.
const MIN_GLIMPSE_LEN: usize = 10;

impl Framer {
    /// No head is visible from here to the end of the chunk.
    pub(super) fn go_blind(&mut self, cursor: &mut Cursor<'_>, at: Timestamp, frame: FrameRef) {
        let mut blind = HiddenSpan::new(at, frame);
        blind.take_hint(cursor.seen);
        self.blind = Some(blind);
        self.extend_blind(cursor);
    }

    pub(super) fn extend_blind(&mut self, cursor: &mut Cursor<'_>) {
        if let Some(blind) = &mut self.blind {
            blind.pieces = blind.pieces.saturating_add(1);
            blind.last_at = cursor.at;
            blind.len += cursor.len;
            let (seen, cut) = cursor.take(u64::MAX);
            blind.seen += seen.len() as u64;
            self.sums.cut += cut;
        }
    }

    /// A new segment after hidden bytes: if a packet starts in its captured part, the hidden span has an
    /// exact end.
    #[cold]
    pub(super) fn try_end_blind<O: Observer>(
        &mut self,
        cursor: &mut Cursor<'_>,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        self.glimpse(cursor, link);
        let Some(skip) = find_start(cursor, link, self.direction) else {
            return self.extend_blind(cursor);
        };
        let Some(mut span) = self.blind.take() else { return };
        if skip > 0 {
            let (seen, cut) = cursor.take(skip as u64);
            span.len += skip as u64;
            span.seen += seen.len() as u64;
            self.sums.cut += cut;
            span.pieces = span.pieces.saturating_add(1);
        }
        link.hidden(self.direction, span, out);
    }

    /// A segment with less than a head captured may still show the epoch.
    fn glimpse(&self, cursor: &Cursor<'_>, link: &mut LinkState) {
        if link.epoch().is_none() && cursor.is_cut() && cursor.seen.len() < Head::LEN {
            link.glimpse(cursor.seen, self.direction);
        }
    }

    /// Searching: only a certain packet start counts.
    pub(super) fn search<O: Observer>(
        &mut self,
        cursor: &mut Cursor<'_>,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        if auth::is_tls(cursor.seen) && !link.has_packets() {
            self.mode = FramerMode::Opaque;
            return link.is_tls();
        }
        if !link.has_packets() && self.is_greeting(cursor) {
            if matches!(self.mode, FramerMode::Opaque) {
                link.is_tls();
            }
            return;
        }
        self.glimpse(cursor, link);
        match find_start(cursor, link, self.direction) {
            Some(skip) => {
                self.pass_over(cursor, skip as u64);
                self.mode = FramerMode::Packets;
                // A packet start with too little captured to frame it begins a hidden span.
                if Head::decode(cursor.seen).is_none() && cursor.is_cut() {
                    self.go_blind(cursor, cursor.at, cursor.frame);
                }
            }
            None => {
                let len = cursor.len;
                self.pass_over(cursor, u64::MAX);
                link.unread(self.direction, Unread { from: cursor.at, to: cursor.at, len }, out);
            }
        }
    }

    /// SASL or TLS, if the capture began inside it. Changes the mode if so.
    pub(super) fn is_greeting(&mut self, cursor: &Cursor<'_>) -> bool {
        if sasl_head(cursor.seen).is_some() {
            self.mode = FramerMode::Packets;
            self.has_begun = false;
            return true;
        }
        let is_record = auth::TlsHead::decode(cursor.seen).is_some_and(|head| head.len > 0);
        self.tls_records = if is_record { self.tls_records + 1 } else { 0 };
        if self.tls_records < TLS_RECORDS {
            return false;
        }
        self.mode = FramerMode::Opaque;
        true
    }

    pub(super) fn pass_over(&mut self, cursor: &mut Cursor<'_>, n: u64) {
        let (seen, cut) = cursor.take(n);
        self.sums.unframed += seen.len() as u64;
        self.sums.cut += cut;
        self.sums.cut_unframed += cut;
    }
}

/// Whether a segment consists exactly of whole, certain packets; `None` if it starts like that and its end
/// was cut.
pub(super) fn is_chain(cursor: &Cursor<'_>, link: &LinkState, direction: Direction) -> Option<bool> {
    if cursor.len > MAX_CHAIN {
        return Some(false);
    }
    let mut rest = cursor.seen;
    while let Some(head) = Head::decode(rest) {
        if !link.is_strong_start(rest, cursor.at, direction, true) {
            return Some(false);
        }
        let size = usize::try_from(head.size_without_authinfo()).unwrap_or(usize::MAX);
        match rest.split_at_checked(size) {
            Some((packet, behind)) if packet.ends_with(&[0xff; 4]) => rest = behind,
            None if cursor.is_cut() => return None,
            _ => return Some(false),
        }
    }
    match (cursor.is_cut(), rest.len() < cursor.seen.len()) {
        (true, true) => None,
        (_, is_any) => Some(is_any && rest.is_empty()),
    }
}

/// Finds a certain packet start in the captured part of a segment: usually its first byte; after the 4 bytes
/// of the previous packet's authinfo if ZooKeeper's 8 KiB buffer was flushed in between; else anywhere.
pub(super) fn find_start(cursor: &Cursor<'_>, link: &LinkState, direction: Direction) -> Option<usize> {
    let seen = cursor.seen;
    if link.is_strong_start(seen, cursor.at, direction, !cursor.is_cut()) {
        return Some(0);
    }
    link.epoch()?;
    let last = seen.len().checked_sub(MIN_GLIMPSE_LEN)?;
    (1..=last).find(|&skip| {
        let rest = seen.get(skip..).unwrap_or_default();
        let is_common = Head::decode(rest).is_some_and(|head| {
            use PacketType::{Ack, Commit, Inform, NewLeader, Ping, Proposal, UpToDate};
            matches!(head.kind, Ack | Commit | Inform | NewLeader | Ping | Proposal | UpToDate)
        });
        is_common && link.is_strong_start(rest, cursor.at, direction, false)
    })
}
