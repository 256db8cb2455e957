//! One direction of a peer connection: heads, chunks, records, through the cut.
//!
//! Lengths carry the framing over hidden bytes. A flush of at most 2048 bytes is one chunk and begins a message; of
//! a longer one the chunks are computed from the message's own length, as Go's buffer makes them. Where a chunk's
//! line lies in cut bytes all the same, the next segment that begins with a chunk and a message takes up the thread.

use super::event::PeerRecordKind;
use crate::dissect::ByteSums;
use crate::raft::{
    AnswerHead, Codec, Known, MessageType, PeerRequest, chunk_head, parse, starts_message, wire_len,
};
use crate::stream::Chunk;

/// The line of a chunk, at most.
const MAX_LINE: usize = 10;
/// How many MsgAppResps one flush holds at most: raft sends one per Ready, and two may wait.
const MAX_APP_RESPS: u64 = 2;

/// What both directions of a connection share.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ConnectionTerms {
    /// What was asked last.
    pub(super) request: Option<PeerRequest>,
    /// How the acceptor's stream holds messages.
    pub(super) codec: Option<Codec>,
    pub(super) is_tls: bool,
}

/// A record that was found, in the frame of the chunk that was passed.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundRecord {
    pub(super) kind: PeerRecordKind,
    pub(super) size: u64,
    pub(super) cut: u64,
    pub(super) count: u32,
    pub(super) is_inferred: bool,
}

/// Where the framing stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FramerState {
    /// Heads and bodies: a request or an answer begins a segment.
    #[default]
    Heads,
    /// Chunks with raft's messages.
    Chunks {
        /// Bytes up to the next chunk's line.
        skip: u64,
        /// Bytes of a message that go on in later chunks.
        left: u64,
        /// Bytes up to the end of the flush, by that message's own length.
        planned: u64,
    },
    /// A stream whose framing was lost.
    Lost,
}

/// One direction.
#[derive(Clone, Debug, Default)]
pub(super) struct HalfFramer {
    state: FramerState,
    pub(super) sums: ByteSums,
    pub(super) losses: u32,
    /// Sizes of the last MsgHeartbeatResp without context and of the last MsgAppResp.
    heartbeat_resp: Option<u64>,
    app_resp: Option<u64>,
}

impl HalfFramer {
    /// Bytes that the capture lacks.
    pub(super) fn gap(&mut self, len: u64) {
        self.sums.missing += len;
        if let FramerState::Chunks { skip, planned, left } = &mut self.state {
            if len <= *skip {
                *skip -= len;
                *planned = planned.saturating_sub(len);
            } else if len <= *planned {
                *skip = *planned - len;
                (*planned, *left) = (0, 0);
            } else {
                self.lose();
            }
        }
    }

    fn lose(&mut self) {
        self.state = FramerState::Lost;
        self.losses += 1;
    }

    /// The next bytes of the stream.
    pub(super) fn chunk(
        &mut self,
        chunk: &Chunk<'_>,
        shared: &mut ConnectionTerms,
        out: &mut impl FnMut(FoundRecord),
    ) {
        let seen = chunk.seen.get(..chunk.len as usize).unwrap_or(chunk.seen);
        self.sums.cut += u64::from(chunk.len).saturating_sub(seen.len() as u64);
        let before = self.sums.unframed;
        match self.state {
            FramerState::Heads => self.heads(seen, chunk.len, shared, out),
            FramerState::Chunks { .. } => self.chunks(seen, u64::from(chunk.len), shared.codec, out),
            FramerState::Lost => self.resume(seen, chunk.len, shared.codec, out),
        }
        let unframed = self.sums.unframed - before;
        self.sums.decoded += (seen.len() as u64).saturating_sub(unframed);
    }

    fn heads(
        &mut self,
        seen: &[u8],
        len: u32,
        shared: &mut ConnectionTerms,
        out: &mut impl FnMut(FoundRecord),
    ) {
        let (size, cut) = (u64::from(len), u64::from(len).saturating_sub(seen.len() as u64));
        let head = |kind| FoundRecord { kind, size, cut, count: 1, is_inferred: false };
        if let Some(request) = PeerRequest::read(seen) {
            shared.request = Some(request);
            shared.codec = if let PeerRequest::Stream(codec) = request { Some(codec) } else { None };
            return out(head(PeerRecordKind::Request(request, PeerRequest::dialer(seen))));
        }
        if let Some(answer) = AnswerHead::read(seen) {
            out(head(PeerRecordKind::Answer(answer, shared.request)));
            if shared.codec.is_some() && answer.0 == 200 {
                // The head is flushed alone; what follows it was retransmitted together with it.
                let end = seen.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
                self.state = FramerState::Chunks { skip: 0, left: 0, planned: 0 };
                if let Some(end) = end.filter(|end| *end < len as usize) {
                    let rest = seen.get(end..).unwrap_or_default();
                    self.chunks(rest, u64::from(len) - end as u64, shared.codec, out);
                }
            }
            return;
        }
        if is_tls(seen) && shared.request.is_none() {
            shared.is_tls = true;
        }
        if shared.request.is_none() && !shared.is_tls {
            let codec = chunk_head(seen)
                .and_then(|head| starts_message(head.size, seen.get(head.len..).unwrap_or_default()));
            if let Some(codec) = codec {
                shared.codec = Some(codec);
                self.state = FramerState::Chunks { skip: 0, left: 0, planned: 0 };
                return self.chunks(seen, u64::from(len), shared.codec, out);
            }
        }
        if shared.request.is_none() {
            self.sums.unframed += seen.len() as u64;
        }
    }

    /// Takes up the thread where a segment begins with a chunk and a message.
    fn resume(&mut self, seen: &[u8], len: u32, codec: Option<Codec>, out: &mut impl FnMut(FoundRecord)) {
        let head = chunk_head(seen);
        let is_it = head.is_some_and(|head| {
            let data = seen.get(head.len..).unwrap_or_default();
            head.size == 0 && data.starts_with(b"\r\n") && data.len() == 2
                || codec.is_some() && starts_message(head.size, data) == codec
        });
        if is_it {
            self.state = FramerState::Chunks { skip: 0, left: 0, planned: 0 };
            self.chunks(seen, u64::from(len), codec, out);
        } else {
            self.sums.unframed += seen.len() as u64;
        }
    }

    fn chunks(&mut self, seen: &[u8], len: u64, codec: Option<Codec>, out: &mut impl FnMut(FoundRecord)) {
        let mut at: u64 = 0;
        while at < len {
            let FramerState::Chunks { skip, left, planned } = &mut self.state else { return };
            if *skip > 0 {
                let step = (*skip).min(len - at);
                *skip -= step;
                *planned = planned.saturating_sub(step);
                at += step;
                continue;
            }
            let rest = usize::try_from(at).ok().and_then(|at| seen.get(at..)).unwrap_or_default();
            let Some(head) = chunk_head(rest) else {
                let is_hidden = rest.len() < MAX_LINE && (rest.len() as u64) < len - at;
                if is_hidden && *planned > 0 {
                    *skip = *planned;
                    (*planned, *left) = (0, 0);
                    continue;
                }
                if !is_hidden {
                    self.sums.unframed += rest.len() as u64;
                } else if let Some(codec) = codec {
                    let hidden = len - at;
                    out(FoundRecord {
                        kind: PeerRecordKind::Hidden(codec),
                        size: hidden,
                        cut: hidden - rest.len() as u64,
                        count: 1,
                        is_inferred: false,
                    });
                }
                return self.lose();
            };
            if head.size == 0 {
                out(FoundRecord {
                    kind: PeerRecordKind::StreamEnd,
                    size: 0,
                    cut: 0,
                    count: 1,
                    is_inferred: false,
                });
                self.state = FramerState::Heads;
                return;
            }
            let begun = (*left).min(head.size);
            *left -= begun;
            *skip = head.wire_len();
            if *left == 0 {
                *planned = 0;
            }
            let data = rest.get(head.len..).unwrap_or_default();
            let data = data.get(..usize::try_from(head.size).unwrap_or(usize::MAX)).unwrap_or(data);
            if let Some(codec) = codec {
                self.records(codec, data, (begun, head.size), out);
            }
        }
    }

    /// The records of a chunk's data, of which the first `begun` bytes belong to an earlier one.
    fn records(
        &mut self,
        codec: Codec,
        data: &[u8],
        (begun, size): (u64, u64),
        out: &mut impl FnMut(FoundRecord),
    ) {
        let mut at = begun;
        while at < size {
            let seen = usize::try_from(at).ok().and_then(|at| data.get(at..)).unwrap_or_default();
            let Some(parsed) = parse(codec, seen) else {
                return self.hidden(codec, size - at, seen.len() as u64, out);
            };
            let whole = parsed.size.unwrap_or(size - at);
            let cut = whole.saturating_sub(seen.len() as u64);
            let kind = PeerRecordKind::Stream(codec, parsed.known);
            out(FoundRecord { kind, size: whole, cut, count: 1, is_inferred: false });
            self.learn_size(&parsed.known, whole);
            let Some(whole) = parsed.size else { return };
            if whole > size - at {
                if let FramerState::Chunks { left, planned, .. } = &mut self.state {
                    *left = whole - (size - at);
                    let writes = parsed.writes.into_iter().filter(|write| *write > 0);
                    let first = (at > 0).then_some(at);
                    *planned = wire_len(first.into_iter().chain(writes));
                }
                return;
            }
            at += whole;
        }
    }

    fn learn_size(&mut self, known: &Known, size: u64) {
        let Known::Message(message) = known else { return };
        match message.kind {
            // One with a context is 10 bytes longer; the shorter of two is the one without.
            Some(MessageType::HeartbeatResp) => {
                let least = self.heartbeat_resp.map_or(size, |least| least.min(size));
                self.heartbeat_resp = Some(if size > least + 12 { size } else { least });
            }
            Some(MessageType::AppResp) => self.app_resp = Some(size),
            _ => {}
        }
    }

    /// What lies in the cut behind the first records of a flush: answers of known sizes, where only one sum of them
    /// fits.
    fn hidden(&self, codec: Codec, size: u64, seen: u64, out: &mut impl FnMut(FoundRecord)) {
        let one = |kind, size, count| FoundRecord { kind, size, cut: size, count, is_inferred: true };
        let message = |kind| {
            let message = crate::raft::Message { kind: Some(kind), ..Default::default() };
            PeerRecordKind::Stream(codec, Known::Message(message))
        };
        if let (Codec::Message, Some((beats, appends))) = (codec, self.sums_to(size)) {
            if let (true, Some(each)) = (beats > 0, self.heartbeat_resp) {
                out(one(message(MessageType::HeartbeatResp), each, u32::try_from(beats).unwrap_or(u32::MAX)));
            }
            if let (true, Some(each)) = (appends > 0, self.app_resp) {
                out(one(message(MessageType::AppResp), each, u32::try_from(appends).unwrap_or(u32::MAX)));
            }
            return;
        }
        let cut = size.saturating_sub(seen);
        out(FoundRecord { kind: PeerRecordKind::Hidden(codec), size, cut, count: 1, is_inferred: false });
    }

    /// How many MsgHeartbeatResps and MsgAppResps make up `size`, where only one answer fits.
    fn sums_to(&self, size: u64) -> Option<(u64, u64)> {
        let beat = self.heartbeat_resp.filter(|beat| *beat > 0)?;
        let append = self.app_resp.filter(|append| *append != beat);
        let most = if append.is_some() { MAX_APP_RESPS } else { 0 };
        let fits = |appends: u64| {
            let rest = size.checked_sub(appends * append.unwrap_or(0))?;
            (rest % beat == 0).then_some((rest / beat, appends))
        };
        let mut all = (0..=most).filter_map(fits);
        let first = all.next()?;
        all.next().is_none().then_some(first)
    }
}

/// Whether a TLS record begins here (RFC 8446, section 5.1): handshake or data, version 3.1 to 3.4.
fn is_tls(seen: &[u8]) -> bool {
    matches!(seen, [20..=23, 3, 0..=4, ..])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
