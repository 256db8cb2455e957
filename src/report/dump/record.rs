//! What a record says, whichever port it passed, as values.

use crate::address::Endpoint;
use crate::dissect::{AuthSeen, ElectionMessage, ElectionSeen, PacketSeen};
use crate::frame::FrameRef;
use crate::proto::body::{Body, TouchedSessions};
use crate::proto::election::{Hello, Notification};
use crate::proto::quorum::Head;
use crate::proto::request::Request;
use crate::proto::txn::Txn;
use crate::proto::{LearnerInfo, OpCode, PacketType, ServerState, SessionId, Sid, Zxid, request, txn};
use crate::time::Timestamp;
use serde::Serialize;
use std::borrow::Cow;

/// A field of a record: none where records of the type have none; `Some(None)` where it is not known.
pub(crate) type Field<T> = Option<Option<T>>;

/// One record.
#[derive(Debug, Default)]
pub(crate) struct Record<'a> {
    pub(crate) frame: FrameRef,
    pub(crate) at: Timestamp,
    pub(crate) src: Endpoint,
    pub(crate) dst: Endpoint,
    pub(crate) proto: &'static str,
    pub(crate) kind: Cow<'static, str>,
    pub(crate) length: Option<u64>,
    pub(crate) cut: u64,
    pub(crate) is_inferred: bool,
    pub(crate) is_timed: bool,
    pub(crate) zxid: Field<Zxid>,
    pub(crate) data_length: Field<i32>,
    pub(crate) sid: Field<Sid>,
    pub(crate) protocol_version: Field<i64>,
    pub(crate) epoch: Field<i64>,
    /// How many sessions a PING names.
    pub(crate) sessions: Field<u64>,
    /// Those of them that were captured.
    pub(crate) session_table: Option<TouchedSessions<'a>>,
    pub(crate) txn: Option<Operation<'a>>,
    pub(crate) request: Option<Operation<'a>>,
    /// A REVALIDATE's.
    pub(crate) session: Field<SessionId>,
    pub(crate) timeout_ms: Field<i32>,
    pub(crate) is_valid: Field<bool>,
    pub(crate) state: Field<ServerState>,
    pub(crate) leader: Field<Sid>,
    pub(crate) round: Field<i64>,
    /// A configuration's text.
    pub(crate) config: Option<&'a [u8]>,
    /// A hello's addresses.
    pub(crate) addresses: Option<&'a [u8]>,
    /// What etcd's peers say.
    pub(crate) peer: Option<PeerFields>,
}

/// What a client wants, or what became of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Operation<'a> {
    pub(crate) kind: Option<OpCode>,
    pub(crate) session: Option<SessionId>,
    pub(crate) cxid: Option<i32>,
    pub(crate) path: Option<&'a [u8]>,
    /// Bytes of the znode's new data.
    pub(crate) data_len: Option<usize>,
    /// The error code of a write that failed.
    pub(crate) error: Option<i32>,
    /// Operations of a multi.
    pub(crate) parts: Option<usize>,
    /// A new session's timeout.
    pub(crate) timeout_ms: Option<i32>,
}

/// The fields of a record of etcd's peers: those that the capture holds.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct PeerFields {
    /// Members' ids, in hex as etcd writes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) term: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) log_term: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entry_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) commit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reject: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reject_hint: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) context_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    /// How many such records: above 1 only where arithmetic proves several that the cut hides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<u32>,
}

impl<'a> Record<'a> {
    /// A quorum packet.
    pub(crate) fn of_packet(packet: &PacketSeen<'a>, src: Endpoint, dst: Endpoint) -> Self {
        let mut record = Self {
            frame: packet.frame,
            at: packet.at,
            src,
            dst,
            proto: "quorum",
            kind: match packet.kind {
                PacketType::Unknown(_) => Cow::Owned(packet.kind.to_string()),
                known => Cow::Borrowed(known.name()),
            },
            length: packet.size,
            cut: packet.cut,
            is_inferred: packet.inferred,
            is_timed: packet.timed,
            zxid: Some(packet.zxid),
            data_length: Some(packet.data_len),
            ..Self::default()
        };
        record.fields_of(packet.kind, packet.direction.is_to_leader(), packet.zxid);
        let data = packet.seen.get(Head::LEN..).unwrap_or_default();
        record.body(packet, data);
        record
    }

    /// The fields that packets of a type have, as far as the head tells them.
    fn fields_of(&mut self, kind: PacketType, to_leader: bool, zxid: Option<Zxid>) {
        let epoch = zxid.map(|zxid| i64::from(zxid.epoch()));
        match kind {
            PacketType::FollowerInfo | PacketType::ObserverInfo => {
                self.epoch = Some(epoch);
                self.sid = Some(None);
                self.protocol_version = Some(None);
            }
            PacketType::LeaderInfo => {
                self.epoch = Some(epoch);
                self.protocol_version = Some(None);
            }
            PacketType::NewLeader => self.epoch = Some(epoch),
            PacketType::AckEpoch => self.epoch = Some(None),
            PacketType::Ping if to_leader => {
                let len = self.data_length.flatten();
                let count = len.map(|len| u64::try_from(len).unwrap_or(0) / TouchedSessions::EACH as u64);
                self.sessions = Some(count);
            }
            PacketType::Proposal | PacketType::Inform | PacketType::InformAndActivate => {
                self.txn = Some(Operation::default());
            }
            PacketType::Request => self.request = Some(Operation::default()),
            PacketType::Revalidate => {
                self.session = Some(None);
                if to_leader {
                    self.timeout_ms = Some(None);
                } else {
                    self.is_valid = Some(None);
                }
            }
            _ => {}
        }
    }

    /// What the data says; where the cut took its end, what its front shows.
    fn body(&mut self, packet: &PacketSeen<'a>, data: &'a [u8]) {
        let Some(len) = packet.data_len else { return };
        let to_leader = packet.direction.is_to_leader();
        let whole = usize::try_from(len).map_or(Some(None), |len| data.get(..len).map(Some));
        match whole.map(|data| Body::decode(packet.kind, to_leader, data)) {
            Some(Ok(body)) => self.whole(body),
            _ => {
                let len = usize::try_from(len).unwrap_or(0);
                self.glimpse(packet.kind, to_leader, data.get(..len).unwrap_or(data));
            }
        }
    }

    fn whole(&mut self, body: Body<'a>) {
        match body {
            Body::Request(request) => self.request = Some(Operation::of_request(&request)),
            Body::Proposal(txn) | Body::Inform(txn) => self.txn = Some(Operation::of_txn(&txn)),
            Body::InformAndActivate { leader, txn } => {
                self.leader = Some(Some(leader));
                self.txn = Some(Operation::of_txn(&txn));
            }
            Body::CommitAndActivate { leader } => self.leader = Some(Some(leader)),
            Body::Ping(sessions) => self.session_table = Some(sessions),
            Body::RevalidateRequest { session, timeout_ms } => {
                self.session = Some(Some(session));
                self.timeout_ms = Some(Some(timeout_ms));
            }
            Body::RevalidateAnswer { session, is_valid } => {
                self.session = Some(Some(session));
                self.is_valid = Some(Some(is_valid));
            }
            Body::NewLeader(config) => self.config = Some(config.0),
            Body::FollowerInfo(info) | Body::ObserverInfo(info) => self.learner_info(&info),
            Body::LeaderInfo { protocol_version } => {
                self.protocol_version = Some(Some(i64::from(protocol_version)));
            }
            Body::AckEpoch { current_epoch } => self.epoch = Some(current_epoch.map(i64::from)),
            Body::Empty | Body::Unknown(_) => {}
        }
    }

    fn glimpse(&mut self, kind: PacketType, to_leader: bool, data: &'a [u8]) {
        match kind {
            PacketType::Request => self.request = Some(Operation::of_cut_request(data)),
            PacketType::Proposal | PacketType::Inform => self.txn = Some(Operation::of_cut_txn(data)),
            PacketType::InformAndActivate => {
                self.txn = Some(Operation::of_cut_txn(data.get(8..).unwrap_or_default()));
            }
            PacketType::Ping if to_leader => self.session_table = Some(TouchedSessions::decode_cut(data)),
            PacketType::NewLeader if !data.is_empty() => self.config = Some(data),
            PacketType::FollowerInfo | PacketType::ObserverInfo => {
                self.learner_info(&LearnerInfo::decode(data));
            }
            _ => {}
        }
    }

    fn learner_info(&mut self, info: &LearnerInfo) {
        self.sid = Some(info.sid);
        self.protocol_version = Some(info.protocol_version.map(i64::from));
    }

    /// A message of the election port.
    pub(crate) fn of_election(seen: &ElectionSeen<'a>) -> Self {
        let mut record = Self {
            frame: seen.frame,
            at: seen.at,
            src: seen.src,
            dst: seen.dst,
            proto: "election",
            kind: Cow::Borrowed(super::NOTIFICATION),
            length: Some(seen.size),
            cut: seen.cut,
            is_timed: true,
            ..Self::default()
        };
        match &seen.message {
            ElectionMessage::Hello(hello) => record.hello(hello),
            ElectionMessage::Notification(notification) => record.notification(notification),
            ElectionMessage::Unread => {
                record.state = Some(None);
                record.leader = Some(None);
                record.zxid = Some(None);
                record.round = Some(None);
                record.epoch = Some(None);
            }
        }
        record
    }

    fn hello(&mut self, hello: &Hello<'a>) {
        self.kind = Cow::Borrowed(super::HELLO);
        self.sid = Some(Some(hello.sid()));
        self.protocol_version = Some(match hello {
            Hello::Bare { .. } => None,
            Hello::Addressed { protocol, .. } => Some(*protocol),
        });
        if let Hello::Addressed { text, .. } = hello {
            self.addresses = Some(text);
        }
    }

    fn notification(&mut self, notification: &Notification<'a>) {
        self.state = Some(Some(notification.state));
        self.leader = Some(Some(notification.leader));
        self.zxid = Some(Some(notification.zxid));
        self.round = Some(Some(notification.election_epoch));
        self.epoch = Some(notification.peer_epoch);
        self.config = notification.config;
    }

    /// A SASL packet.
    pub(crate) fn of_auth(seen: &AuthSeen) -> Self {
        Self {
            frame: seen.frame,
            at: seen.at,
            src: seen.src,
            dst: seen.dst,
            proto: "auth",
            kind: match seen.head.status {
                crate::proto::auth::Status::Unknown(number) => Cow::Owned(format!("UNKNOWN({number})")),
                known => Cow::Borrowed(known.name()),
            },
            length: Some(seen.head.size()),
            cut: seen.cut,
            is_timed: true,
            data_length: Some(Some(seen.head.token_len)),
            ..Self::default()
        }
    }
}

impl<'a> Operation<'a> {
    fn of_request(request: &Request<'a>) -> Self {
        let mut operation = Self {
            kind: Some(request.op),
            session: Some(request.session),
            cxid: Some(request.cxid),
            path: request.path(),
            ..Self::default()
        };
        match &request.body {
            request::RequestBody::Create { data, .. } | request::RequestBody::SetData { data, .. } => {
                operation.data_len = data.map(<[u8]>::len);
            }
            request::RequestBody::Multi(ops) => operation.parts = Some(ops.iter().count()),
            _ => {}
        }
        operation
    }

    fn of_txn(txn: &Txn<'a>) -> Self {
        let mut operation = Self {
            kind: Some(txn.header.kind),
            session: Some(txn.header.session),
            cxid: Some(txn.header.cxid),
            path: txn.path(),
            ..Self::default()
        };
        match &txn.body {
            txn::TxnBody::Create { data, .. }
            | txn::TxnBody::CreateContainer { data, .. }
            | txn::TxnBody::CreateTtl { data, .. }
            | txn::TxnBody::SetData { data, .. } => operation.data_len = data.map(<[u8]>::len),
            txn::TxnBody::Multi(txns) => operation.parts = Some(txns.iter().count()),
            txn::TxnBody::Error { code } => operation.error = Some(*code),
            txn::TxnBody::CreateSession { timeout_ms } => operation.timeout_ms = Some(*timeout_ms),
            _ => {}
        }
        operation
    }

    fn of_cut_request(data: &'a [u8]) -> Self {
        let request::RequestGlimpse { session, cxid, op, path } = request::RequestGlimpse::decode(data);
        Self { kind: op, session, cxid, path, ..Self::default() }
    }

    fn of_cut_txn(data: &'a [u8]) -> Self {
        let txn::TxnGlimpse { session, cxid, kind, path, .. } = txn::TxnGlimpse::decode(data);
        Self { kind, session, cxid, path, ..Self::default() }
    }
}

/// A type of operation, by name.
pub(crate) fn op_name(op: OpCode) -> Cow<'static, str> {
    match op {
        OpCode::Unknown(number) => Cow::Owned(format!("unknown({number})")),
        known => Cow::Borrowed(known.name()),
    }
}

/// A server's state, by name.
pub(crate) fn state_name(state: ServerState) -> Cow<'static, str> {
    match state {
        ServerState::Unknown(number) => Cow::Owned(format!("UNKNOWN({number})")),
        known => Cow::Borrowed(known.name()),
    }
}
