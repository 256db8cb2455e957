//! Framing of what precedes the first packet: SASL packets, or TLS instead of packets.

use super::{Cursor, Framer, FramerMode};
use crate::dissect::event::Observer;
use crate::dissect::link::{LinkContext, LinkState};
use crate::frame::FrameRef;
use crate::proto::auth;
use crate::time::Timestamp;

/// The longest plausible SASL token; Kerberos tickets stay below.
const MAX_TOKEN: u64 = 64 * 1024;

/// An incomplete SASL packet.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) head: auth::SaslHead,
    pub(super) left: u64,
    pub(super) cut: u64,
    pub(super) at: Timestamp,
    pub(super) frame: FrameRef,
}

impl Framer {
    /// SASL and TLS, which come before everything else. Returns whether it used any bytes.
    pub(super) fn greet<O: Observer>(
        &mut self,
        cursor: &mut Cursor<'_>,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) -> bool {
        if auth::is_tls(cursor.seen) {
            self.mode = FramerMode::Opaque;
            link.is_tls();
            return true;
        }
        let Some(head) = sasl_head(cursor.seen) else { return false };
        let (at, frame) = (cursor.at, cursor.frame);
        let (seen, _) = cursor.take(auth::SaslHead::LEN as u64);
        self.sums.decoded += seen.len() as u64;
        self.begin_token(head, at, frame, link, out);
        true
    }

    /// After the head of a SASL packet.
    pub(super) fn begin_token<O: Observer>(
        &mut self,
        head: auth::SaslHead,
        at: Timestamp,
        frame: FrameRef,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        let left = head.size() - auth::SaslHead::LEN as u64;
        let token = Token { head, left, cut: 0, at, frame };
        if left == 0 {
            self.mode = FramerMode::Packets;
            link.auth(self.direction, &token.head, token.cut, token.at, token.frame, out);
        } else {
            self.mode = FramerMode::Token(Box::new(token));
        }
    }

    pub(super) fn go_on_with_token<O: Observer>(
        &mut self,
        cursor: &mut Cursor<'_>,
        link: &mut LinkState,
        out: &mut LinkContext<'_, O>,
    ) {
        let FramerMode::Token(token) = &mut self.mode else { return };
        let before = cursor.len;
        let (seen, cut) = cursor.take(token.left);
        token.left -= before - cursor.len;
        token.cut += cut;
        self.sums.decoded += seen.len() as u64;
        self.sums.cut += cut;
        if token.left == 0 {
            self.end_token(link, out);
        }
    }

    pub(super) fn end_token<O: Observer>(&mut self, link: &mut LinkState, out: &mut LinkContext<'_, O>) {
        if !matches!(self.mode, FramerMode::Token(_)) {
            return;
        }
        if let FramerMode::Token(token) = std::mem::replace(&mut self.mode, FramerMode::Packets) {
            link.auth(self.direction, &token.head, token.cut, token.at, token.frame, out);
        }
    }
}

/// The head of a SASL packet with a token of plausible length.
pub(super) fn sasl_head(bytes: &[u8]) -> Option<auth::SaslHead> {
    auth::SaslHead::decode(bytes).filter(|head| head.size() <= MAX_TOKEN)
}
