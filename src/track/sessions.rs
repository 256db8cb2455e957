//! Client sessions, as links show them: which server named one, who created and who closed it.
//!
//! A learner names its sessions in its PINGs and forwards their requests; a leader's own sessions show only when they
//! are created and closed. Of 96 bytes a frame the first session of a PING and session and `cxid` of a REQUEST or
//! PROPOSAL are left, which is enough for most of it: a PROPOSAL with `cxid` 0 creates a session or, where that was
//! there before, closes it for the leader, since it has expired.

use crate::address::Address;
use crate::dissect::{Direction, PacketSeen};
use crate::findings::session::{ClosedBy, Session, SessionServer};
use crate::proto::body::TouchedSessions as Table;
use crate::proto::quorum::Head;
use crate::proto::{PacketType, Zxid};
use crate::time::Timestamp;
use std::collections::HashMap;

/// Sessions that are kept; of more the closed ones go first.
const MAX_SESSIONS: usize = 16 * 1024;
/// New sessions that are refused, or let in, for each time that all are looked at.
const MAX_REFUSED: usize = MAX_SESSIONS / 16;
/// Servers kept of a session, the latest.
const MAX_SERVERS: usize = 8;
/// Bytes of a PROPOSAL that are looked at: its header up to the type, and a `createSession`'s timeout.
pub(super) const PROPOSAL_END: usize = Head::LEN + TxnOffsets::TYPE + 4 + 4;

/// `createSession` and `closeSession` (`ZooDefs.OpCode`).
const CREATE: i32 = -10;
/// See [`CREATE`].
const CLOSE: i32 = -11;

/// Offsets in a transaction (`TxnHeader`).
struct TxnOffsets;

impl TxnOffsets {
    const CXID: usize = 8;
    const TYPE: usize = 28;
}

/// Offsets in a REQUEST.
struct RequestOffsets;

impl RequestOffsets {
    const CXID: usize = 8;
    const TYPE: usize = 12;
    const BODY: usize = 16;
}

/// All client sessions seen.
#[derive(Clone, Debug, Default)]
pub(super) struct SessionTrack {
    all: HashMap<u64, KnownSession>,
    /// Sessions that were let go or refused.
    pub(super) let_go: u64,
    /// So many are refused before it is looked again for those that have closed.
    refuses: usize,
}

/// What is known of a session.
#[derive(Clone, Debug, Default)]
struct KnownSession {
    timeout_ms: Option<u32>,
    servers: Vec<SessionServer>,
    /// Named once by another server than the last one. Every learner names a new session once, and a server that
    /// a client left names its session once more.
    maybe: Option<SessionServer>,
    created: Option<Timestamp>,
    /// The PROPOSAL that created it.
    created_by: Option<Zxid>,
    /// When a PROPOSAL created it, or closed it for all that is known.
    unclear: Option<Timestamp>,
    /// A server forwarded its `closeSession`: whether its client had asked.
    close_asked: Option<bool>,
    closed: Option<Timestamp>,
    closed_by: Option<ClosedBy>,
}

impl SessionTrack {
    /// A packet of a link that may name sessions. `serves` says whether the learner was brought up to date: what it is
    /// sent before happened earlier.
    pub(super) fn packet(&mut self, learner: Address, packet: &PacketSeen<'_>, serves: bool) {
        let Some(data) = packet.seen.get(Head::LEN..).filter(|_| !packet.inferred) else { return };
        match (packet.direction, packet.kind) {
            (Direction::ToLeader, PacketType::Ping) => self.ping(learner, packet, data),
            (Direction::ToLeader, PacketType::Request) => self.request(learner, packet, data),
            (Direction::ToLeader, PacketType::Revalidate) => {
                let Some(id) = long(data, 0) else { return };
                self.forwarded(id, learner, packet.at, int(data, 8));
            }
            (Direction::ToLearner, PacketType::Proposal | PacketType::Inform) if serves => {
                self.proposal(packet, data);
            }
            _ => {}
        }
    }

    fn ping(&mut self, learner: Address, packet: &PacketSeen<'_>, data: &[u8]) {
        for (id, timeout) in Table::decode_cut(data).iter() {
            self.named(id.0, learner, packet.at, Some(timeout));
        }
        // The cut may leave a session without its timeout.
        let whole = data.len() - data.len() % Table::EACH;
        let is_cut =
            packet.data_len.is_some_and(|len| usize::try_from(len).is_ok_and(|len| len > data.len()));
        if let Some(id) = long(data, whole).filter(|_| is_cut) {
            self.named(id, learner, packet.at, None);
        }
    }

    fn request(&mut self, learner: Address, packet: &PacketSeen<'_>, data: &[u8]) {
        let Some(id) = long(data, 0).filter(|id| *id != 0) else { return };
        let Some(known) = self.forwarded(id, learner, packet.at, None) else { return };
        let Some(cxid) = int(data, RequestOffsets::CXID) else { return };
        match request_type(packet, data) {
            Some(CREATE) => {
                known.created.get_or_insert(packet.at);
                known.has_timeout(int(data, RequestOffsets::BODY));
            }
            Some(CLOSE) => known.close_asked = Some(cxid != 0),
            _ => {}
        }
    }

    fn proposal(&mut self, packet: &PacketSeen<'_>, data: &[u8]) {
        let Some((id, cxid)) = long(data, 0).filter(|id| *id != 0).zip(int(data, TxnOffsets::CXID)) else {
            return;
        };
        match int(data, TxnOffsets::TYPE) {
            Some(CREATE) => self.created(id, packet, int(data, TxnOffsets::TYPE + 4)),
            Some(CLOSE) => self.closed(id, packet, cxid),
            Some(_) => {}
            // A transaction with nothing behind its header closes a session; a digest may follow.
            None if matches!(packet.data_len, Some(32 | 44)) => self.closed(id, packet, cxid),
            None if cxid == 0 => self.created_or_closed(id, packet),
            None => {}
        }
    }

    /// A PROPOSAL without a `cxid` creates a session, or the leader closes one; which is hidden.
    fn created_or_closed(&mut self, id: u64, packet: &PacketSeen<'_>) {
        let is_new = !self.all.contains_key(&id);
        let Some(known) = self.known(id) else { return };
        let is_its = known.created_by == packet.zxid && packet.zxid.is_some();
        if is_its {
            return;
        }
        // Its REQUEST was seen, or nothing ever of the session: what is seen of it later tells.
        if is_new || known.created.is_some() && known.created_by.is_none() {
            known.created_by = packet.zxid;
            known.unclear = is_new.then_some(packet.at);
            return;
        }
        known.exists();
        known.is_closed(packet.at, 0);
    }

    fn closed(&mut self, id: u64, packet: &PacketSeen<'_>, cxid: i32) {
        if let Some(known) = self.known(id) {
            known.exists();
            known.is_closed(packet.at, cxid);
        }
    }

    fn created(&mut self, id: u64, packet: &PacketSeen<'_>, timeout: Option<i32>) {
        let Some(known) = self.known(id) else { return };
        known.created.get_or_insert(packet.at);
        known.created_by = packet.zxid;
        known.has_timeout(timeout);
    }

    /// A server sent something of a session: it is that session's.
    fn forwarded(
        &mut self,
        id: u64,
        server: Address,
        at: Timestamp,
        timeout: Option<i32>,
    ) -> Option<&mut KnownSession> {
        let known = self.known(id)?;
        known.exists();
        known.has_timeout(timeout);
        known.is_at(server, at);
        Some(known)
    }

    /// A server named a session in a PING.
    fn named(&mut self, id: u64, server: Address, at: Timestamp, timeout: Option<i32>) {
        let Some(known) = self.known(id) else { return };
        known.exists();
        known.has_timeout(timeout);
        let is_first = known.servers.is_empty() && known.created.is_none();
        if is_first || known.servers.last().is_some_and(|last| last.address == server) {
            known.is_at(server, at);
            return;
        }
        match known.maybe.filter(|maybe| maybe.address == server && maybe.from < at) {
            Some(maybe) => {
                known.is_at(server, maybe.from);
                known.is_at(server, at);
            }
            None => known.maybe = Some(SessionServer { address: server, from: at, to: at }),
        }
    }

    /// What is known of a session, new where it is. `None` where there is no room for it.
    fn known(&mut self, id: u64) -> Option<&mut KnownSession> {
        if self.all.len() >= MAX_SESSIONS && !self.all.contains_key(&id) {
            if self.refuses == 0 {
                self.forget_closed();
            }
            if self.all.len() >= MAX_SESSIONS {
                self.refuses = self.refuses.saturating_sub(1);
                self.let_go += 1;
                return None;
            }
        }
        Some(self.all.entry(id).or_default())
    }

    /// Lets go of those that have closed. All are looked at, which is worth it for many new ones only.
    #[cold]
    fn forget_closed(&mut self) {
        let before = self.all.len();
        self.all.retain(|_, known| known.closed.is_none());
        let gone = before - self.all.len();
        self.let_go += gone as u64;
        self.refuses = MAX_REFUSED.saturating_sub(gone);
    }

    /// All of them, by id.
    pub(super) fn finish(self) -> Vec<Session> {
        let mut all: Vec<_> = self.all.into_iter().map(|(id, known)| known.finish(id)).collect();
        all.sort_unstable_by_key(|session| session.id);
        all
    }
}

impl KnownSession {
    /// Something is seen of it, so that what came before did not close it.
    fn exists(&mut self) {
        self.created = self.created.or(self.unclear.take());
    }

    fn has_timeout(&mut self, millis: Option<i32>) {
        self.timeout_ms = millis.and_then(|millis| u32::try_from(millis).ok()).or(self.timeout_ms);
    }

    fn is_at(&mut self, server: Address, at: Timestamp) {
        // Its close is committed at every server, which names it once more.
        if self.closed.is_some() {
            return;
        }
        self.maybe = None;
        match self.servers.last_mut().filter(|last| last.address == server) {
            Some(last) => last.to = last.to.max(at),
            None => {
                if self.servers.len() >= MAX_SERVERS {
                    self.servers.remove(0);
                }
                self.servers.push(SessionServer { address: server, from: at, to: at });
            }
        }
    }

    fn is_closed(&mut self, at: Timestamp, cxid: i32) {
        if self.closed.is_some() {
            return;
        }
        self.closed = Some(at);
        self.closed_by = match self.close_asked {
            Some(by_client) => by_client.then_some(ClosedBy::Client),
            None if cxid == 0 => Some(ClosedBy::Expiry),
            None => Some(ClosedBy::Client),
        };
    }

    fn finish(mut self, id: u64) -> Session {
        if self.servers.is_empty() {
            self.servers.extend(self.maybe);
        }
        Session {
            id,
            timeout_ms: self.timeout_ms,
            servers: self.servers,
            created: self.created,
            closed: self.closed,
            closed_by: self.closed_by,
            expired_after_ms: None,
            incident: None,
        }
    }
}

/// A REQUEST's type. Where the cut leaves the upper half of it, that says whether it is a session's, and its length
/// says which.
fn request_type(packet: &PacketSeen<'_>, data: &[u8]) -> Option<i32> {
    int(data, RequestOffsets::TYPE).or_else(|| {
        let is_session = data.get(RequestOffsets::TYPE..RequestOffsets::TYPE + 2)? == [0xff; 2];
        let is_empty = usize::try_from(packet.data_len?).ok()? == RequestOffsets::BODY;
        is_session.then_some(if is_empty { CLOSE } else { CREATE })
    })
}

fn long(data: &[u8], at: usize) -> Option<u64> {
    data.get(at..)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

fn int(data: &[u8], at: usize) -> Option<i32> {
    data.get(at..)?.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

    use super::*;
    use crate::frame::FrameRef;
    use crate::time::Span;

    const A: Address = Address::v4(1);
    const B: Address = Address::v4(2);
    const ID: u64 = 0x0100_000b_54a3_0000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(0).plus(Span::from_millis(millis))
    }

    /// A packet of a learner's link, of whose data so many bytes were captured.
    fn packet(
        sessions: &mut SessionTrack,
        learner: Address,
        kind: PacketType,
        data: &[u8],
        seen: usize,
        millis: i64,
    ) {
        let to_learner = matches!(kind, PacketType::Proposal);
        let bytes = [&[0; Head::LEN][..], &data[..seen.min(data.len())]].concat();
        let packet = PacketSeen {
            direction: if to_learner { Direction::ToLearner } else { Direction::ToLeader },
            kind,
            zxid: Some(Zxid(millis.unsigned_abs())),
            data_len: Some(i32::try_from(data.len()).unwrap()),
            size: None,
            at: at(millis),
            last_at: at(millis),
            frame: FrameRef::default(),
            seen: &bytes,
            cut: (data.len() - seen.min(data.len())) as u64,
            inferred: false,
            timed: true,
        };
        sessions.packet(learner, &packet, true);
    }

    fn ping(sessions: &mut SessionTrack, learner: Address, millis: i64) {
        let table = [&ID.to_be_bytes()[..], &4_000_i32.to_be_bytes()].concat();
        packet(sessions, learner, PacketType::Ping, &table, 12, millis);
    }

    fn request(sessions: &mut SessionTrack, learner: Address, op: i32, cxid: i32, seen: usize, millis: i64) {
        let mut data = [&ID.to_be_bytes()[..], &cxid.to_be_bytes(), &op.to_be_bytes()].concat();
        if op == CREATE {
            data.extend(4_000_i32.to_be_bytes());
        }
        packet(sessions, learner, PacketType::Request, &data, seen, millis);
    }

    fn proposal(sessions: &mut SessionTrack, op: i32, cxid: i32, body: &[u8], seen: usize, millis: i64) {
        let head = [&ID.to_be_bytes()[..], &cxid.to_be_bytes(), &[0; 16], &op.to_be_bytes()].concat();
        packet(sessions, A, PacketType::Proposal, &[&head, body].concat(), seen, millis);
    }

    fn only(sessions: SessionTrack) -> Session {
        let all = sessions.finish();
        assert_eq!(all.len(), 1);
        all.into_iter().next().unwrap()
    }

    fn servers(session: &Session) -> Vec<(Address, i64, i64)> {
        let millis = |at: Timestamp| at.since(self::at(0)).millis().cast_signed();
        session
            .servers
            .iter()
            .map(|server| (server.address, millis(server.from), millis(server.to)))
            .collect()
    }

    /// Bytes of data that 96 bytes of a frame hold, and more than there are.
    const SEEN: [usize; 2] = [14, usize::MAX];

    #[test]
    fn a_client_that_comes_and_goes_is_told_at_any_length() {
        for seen in SEEN {
            let mut sessions = SessionTrack::default();
            request(&mut sessions, B, CREATE, 0, seen, 100);
            proposal(&mut sessions, CREATE, 0, &4_000_i32.to_be_bytes(), seen, 101);
            // Every learner names a new session once.
            ping(&mut sessions, A, 500);
            ping(&mut sessions, B, 510);
            ping(&mut sessions, B, 1_510);
            request(&mut sessions, B, CLOSE, 9, seen, 1_900);
            proposal(&mut sessions, CLOSE, 9, &[], seen, 1_901);
            let session = only(sessions);
            assert_eq!(servers(&session), [(B, 100, 1_900)], "{seen}");
            assert_eq!((session.created, session.closed), (Some(at(100)), Some(at(1_901))), "{seen}");
            assert_eq!(
                (session.closed_by, session.timeout_ms),
                (Some(ClosedBy::Client), Some(4_000)),
                "{seen}"
            );
        }
    }

    #[test]
    fn what_the_leader_closes_has_expired() {
        for (seen, body) in SEEN.into_iter().flat_map(|seen| [(seen, &[][..]), (seen, &[0; 16])]) {
            let mut sessions = SessionTrack::default();
            ping(&mut sessions, A, 0);
            proposal(&mut sessions, CLOSE, 0, body, seen, 6_000);
            let session = only(sessions);
            assert_eq!(
                (session.closed, session.closed_by),
                (Some(at(6_000)), Some(ClosedBy::Expiry)),
                "{seen}"
            );
        }
    }

    #[test]
    fn a_proposal_on_several_links_creates_once() {
        for seen in SEEN {
            let mut sessions = SessionTrack::default();
            (0..3).for_each(|_| proposal(&mut sessions, CREATE, 0, &4_000_i32.to_be_bytes(), seen, 10));
            ping(&mut sessions, A, 500);
            let session = only(sessions);
            assert_eq!((session.created, session.closed), (Some(at(10)), None), "{seen}");
        }
    }

    #[test]
    fn what_may_be_a_creation_or_a_close_is_neither() {
        let mut sessions = SessionTrack::default();
        proposal(&mut sessions, CLOSE, 0, &[0; 4], 14, 10);
        let session = only(sessions);
        assert_eq!((session.created, session.closed), (None, None));

        let mut sessions = SessionTrack::default();
        proposal(&mut sessions, CREATE, 0, &[0; 4], 14, 10);
        proposal(&mut sessions, CLOSE, 0, &[0; 4], 14, 5_000);
        let session = only(sessions);
        assert_eq!((session.created, session.closed), (Some(at(10)), Some(at(5_000))));
    }

    #[test]
    fn a_client_that_moved_is_on_the_other_server_at_once_or_from_the_second_naming_on() {
        let mut sessions = SessionTrack::default();
        ping(&mut sessions, A, 0);
        ping(&mut sessions, B, 5_000);
        ping(&mut sessions, A, 5_100);
        ping(&mut sessions, B, 6_000);
        ping(&mut sessions, B, 7_000);
        assert_eq!(servers(&only(sessions)), [(A, 0, 5_100), (B, 6_000, 7_000)]);

        let mut sessions = SessionTrack::default();
        ping(&mut sessions, A, 0);
        let data = [&ID.to_be_bytes()[..], &4_000_i32.to_be_bytes()].concat();
        packet(&mut sessions, B, PacketType::Revalidate, &data, 12, 3_000);
        // The server that it left names it once more.
        ping(&mut sessions, A, 3_500);
        assert_eq!(servers(&only(sessions)), [(A, 0, 0), (B, 3_000, 3_000)]);
    }

    #[test]
    fn what_is_remembered_is_limited_and_counted() {
        let mut sessions = SessionTrack::default();
        for id in 1..=MAX_SESSIONS as u64 + 10 {
            sessions.named(id, A, at(0), None);
        }
        assert_eq!((sessions.all.len(), sessions.let_go), (MAX_SESSIONS, 10));
        sessions.known(1).unwrap().is_closed(at(1), 0);
        // It makes room for another one, though not at once: to look at all of them for each would cost too much.
        let mut id = u64::MAX;
        sessions.named(id, A, at(2), None);
        while !sessions.all.contains_key(&id) {
            id -= 1;
            assert!(u64::MAX - id <= MAX_REFUSED as u64);
            sessions.named(id, A, at(2), None);
        }
        let refused = u64::MAX - id;
        assert_eq!((sessions.all.len(), sessions.let_go), (MAX_SESSIONS, 11 + refused));
    }
}
