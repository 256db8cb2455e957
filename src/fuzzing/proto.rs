//! Records: what is decoded encodes to the same bytes, and a cut never decodes to anything else.

use std::fmt::Debug;

use super::{FuzzBytes, cuts};
use crate::proto::auth::{self as sasl, TlsHead};
use crate::proto::body::{Body, TouchedSessions};
use crate::proto::config::{ConfigLine, ConfigText};
use crate::proto::election::{Hello, MIN_NOTIFICATION_LEN, Notification};
use crate::proto::jute::{Acl, Element, Id, List};
use crate::proto::quorum::{Glimpse, Head, Packet};
use crate::proto::request::{self, Request};
use crate::proto::snapshot::{END, EndFinder};
use crate::proto::txn::{self, SubTxn, Txn};
use crate::proto::{DecodeError, Decoded, LearnerInfo};

/// A limit that inputs can reach.
const MAX_RECORD: u32 = 4096;
/// How deep nested multis are checked.
const DEPTH: usize = 8;

/// Checks the record at the start: it encodes to the same bytes, every cut of it needs more, and never more
/// than the record's length.
fn front<'a, T: Debug>(
    data: &'a [u8],
    decode: impl Fn(&'a [u8]) -> Decoded<T>,
    encode: impl Fn(&T, &mut Vec<u8>),
) -> Option<(T, usize)> {
    let shorter = |len: usize| decode(&data[..len]);
    match decode(data) {
        Decoded::Record { value, used } => {
            assert!(used <= data.len());
            let mut again = Vec::new();
            encode(&value, &mut again);
            assert_eq!(again, data[..used]);
            for len in cuts(used) {
                match shorter(len) {
                    Decoded::NeedMore { at_least } => assert!(at_least > len && at_least <= used),
                    other => panic!("{other:?} at {len} of {used}"),
                }
            }
            Some((value, used))
        }
        Decoded::NeedMore { at_least } => {
            assert!(at_least > data.len());
            for len in cuts(data.len()) {
                assert!(
                    matches!(shorter(len), Decoded::NeedMore { .. }),
                    "sure at {len}, not at {}",
                    data.len()
                );
            }
            None
        }
        Decoded::Malformed(error) => {
            is_sound(&error, data);
            for len in cuts(data.len()) {
                assert!(shorter(len).record().is_none(), "a record at {len}, none at {}", data.len());
            }
            None
        }
    }
}

fn is_sound(error: &DecodeError, data: &[u8]) {
    assert!(error.offset <= data.len(), "{error}, of {}", data.len());
    assert!(!error.to_string().is_empty());
}

/// Vectors: a byte for what they hold, four for the count, then the elements.
///
/// Properties: there are as many elements as the count says, and together they make up the vector's bytes.
pub fn jute(data: &[u8]) {
    let mut input = FuzzBytes(data);
    let (Some(kind), Some(count)) = (input.byte(), input.u32()) else { return };
    let (count, raw) = (count.cast_signed(), input.0);
    match kind % 4 {
        0 => list::<Option<&[u8]>>(count, raw, |text, out| put(*text, out)),
        1 => list::<Id<'_>>(count, raw, Id::encode),
        2 => list::<Acl<'_>>(count, raw, Acl::encode),
        _ => list::<SubTxn<'_>>(count, raw, SubTxn::encode),
    }
}

fn list<'a, T: Element<'a> + Copy + Debug>(count: i32, raw: &'a [u8], encode: impl Fn(&T, &mut Vec<u8>)) {
    let list = match List::<T>::new(count, raw) {
        Ok(list) => list,
        Err(error) => return is_sound(&error, raw),
    };
    let mut again = Vec::new();
    let mut found = 0;
    for element in list {
        encode(&element, &mut again);
        found += 1;
    }
    assert_eq!((found, list.is_empty()), (list.len(), found == 0));
    assert_eq!(again, raw);
    again.clear();
    list.encode(&mut again);
    assert_eq!(again, [&count.to_be_bytes()[..], raw].concat());
    if !raw.is_empty() {
        assert!(List::<T>::new(count, &raw[..raw.len() - 1]).is_err(), "the last byte is not missed");
    }
}

fn put(text: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend(text.map_or(-1, |text| text.len() as i32).to_be_bytes());
    out.extend_from_slice(text.unwrap_or_default());
}

/// Consecutive packets of the quorum port.
///
/// Properties: each encodes to the same bytes, and every cut needs more; head, glimpse and packet agree; its
/// data, decoded for either direction and encoded, decodes to the same.
pub fn quorum_packet(data: &[u8]) {
    let mut rest = data;
    while let Some((packet, used)) = front(rest, |input| Packet::decode(input, MAX_RECORD), Packet::encode) {
        let head = Head::decode(rest).unwrap();
        let glimpse = Glimpse::decode(rest).unwrap();
        assert_eq!(head, packet.head);
        assert_eq!(
            (glimpse.kind, glimpse.zxid, glimpse.data_len),
            (head.kind, Some(head.zxid), Some(head.data_len))
        );
        assert_eq!(packet.data.map_or(0, <[u8]>::len) as u64, head.body_len());
        if packet.authinfo.is_null() {
            assert_eq!(head.size_without_authinfo(), used as u64);
        }
        for to_leader in [false, true] {
            if head.plausible(to_leader, MAX_RECORD) {
                assert!(head.body_len() <= u64::from(MAX_RECORD));
            }
            match packet.body(to_leader) {
                Ok(body) => body_again(&packet, to_leader, &body),
                Err(error) => is_sound(&error, &rest[..used]),
            }
        }
        rest = &rest[used..];
    }
}

/// The encoding may differ (a boolean of 7, a learner's info with more bytes after it), the value may not.
fn body_again(packet: &Packet<'_>, to_leader: bool, body: &Body<'_>) {
    let mut data = Vec::new();
    body.encode(&mut data);
    assert!(data.len() <= packet.data.map_or(0, <[u8]>::len));
    let is_null = packet.data.is_none() || matches!(body, Body::Empty);
    let again = Body::decode(packet.head.kind, to_leader, (!is_null).then_some(&data));
    assert_eq!(again.as_ref(), Ok(body));
    if let Body::Ping(sessions) = body {
        assert_eq!(sessions.iter().count(), sessions.len());
        assert_eq!(TouchedSessions::decode_cut(packet.data.unwrap_or_default()), *sessions);
    }
    if let Body::NewLeader(text) = body {
        config(*text);
    }
}

/// A transaction: the data of PROPOSAL and INFORM.
///
/// Properties: it encodes to the same bytes, except for booleans; a glimpse of its start never contradicts
/// it; the same for every transaction of a multi.
pub fn proposal(data: &[u8]) {
    let whole = txn::TxnGlimpse::decode(data);
    for len in cuts(data.len()) {
        let cut = txn::TxnGlimpse::decode(&data[..len]);
        let fields = [
            (cut.session.is_none() || cut.session == whole.session, cut.session.is_some(), 8),
            (cut.cxid.is_none() || cut.cxid == whole.cxid, cut.cxid.is_some(), 12),
            (cut.zxid.is_none() || cut.zxid == whole.zxid, cut.zxid.is_some(), 20),
            (cut.time_ms.is_none() || cut.time_ms == whole.time_ms, cut.time_ms.is_some(), 28),
            (cut.kind.is_none() || cut.kind == whole.kind, cut.kind.is_some(), 32),
        ];
        for (agrees, is_some, end) in fields {
            assert!(agrees && is_some == (len >= end), "field that ends at {end}, cut at {len}");
        }
        assert!(cut.path.is_none() || cut.path == whole.path);
    }
    let txn = match Txn::decode(data) {
        Ok(txn) => txn,
        Err(error) => return is_sound(&error, data),
    };
    let mut again = Vec::new();
    txn.encode(&mut again);
    only_booleans_differ(data, &again);
    assert_eq!(Txn::decode(&again), Ok(txn));
    assert_eq!(whole.kind, Some(txn.header.kind));
    assert!(whole.path.is_none() || whole.path == txn.path());
    sub_txns(&txn.body, DEPTH);
}

fn sub_txns(body: &txn::TxnBody<'_>, depth: usize) {
    let txn::TxnBody::Multi(txns) = body else { return };
    for sub in *txns {
        let data = sub.data.unwrap_or_default();
        match sub.body() {
            Ok(body) => {
                let mut again = Vec::new();
                body.encode(&mut again);
                only_booleans_differ(data, &again);
                if depth > 0 {
                    sub_txns(&body, depth - 1);
                }
            }
            Err(error) => is_sound(&error, data),
        }
    }
}

/// A record has at most one boolean, and any value but 0 is encoded as 1.
fn only_booleans_differ(data: &[u8], again: &[u8]) {
    assert_eq!(data.len(), again.len());
    let differ: Vec<_> = data.iter().zip(again).filter(|(before, after)| before != after).collect();
    assert!(matches!(differ[..], [] | [(2.., 1)]), "{differ:?}");
}

/// A request: the data of REQUEST.
///
/// Properties: it encodes to the same bytes; a glimpse of its start never contradicts it.
pub fn request(data: &[u8]) {
    let whole = request::RequestGlimpse::decode(data);
    for len in cuts(data.len()) {
        let cut = request::RequestGlimpse::decode(&data[..len]);
        assert!(cut.session.is_none() || cut.session == whole.session);
        assert!(cut.cxid.is_none() || cut.cxid == whole.cxid);
        assert!(cut.op.is_none() || cut.op == whole.op);
        assert!(cut.path.is_none() || cut.path == whole.path);
        assert_eq!(
            (cut.session.is_some(), cut.cxid.is_some(), cut.op.is_some()),
            (len >= 8, len >= 12, len >= 16)
        );
    }
    let request = match Request::decode(data) {
        Ok(request) => request,
        Err(error) => return is_sound(&error, data),
    };
    let mut again = Vec::new();
    request.encode(&mut again);
    assert_eq!(Request::decode(&again), Ok(request));
    assert_eq!(again, data);
    assert!(whole.path.is_none() || whole.path == request.path());
}

/// A learner's introduction.
///
/// Properties: complete fields are decoded, and encode to the same bytes.
pub fn learner_info(data: &[u8]) {
    let whole = LearnerInfo::decode(data);
    for len in cuts(data.len() + 1) {
        let info = LearnerInfo::decode(&data[..len]);
        let there = (info.sid.is_some(), info.protocol_version.is_some(), info.config_version.is_some());
        assert_eq!(there, (len >= 8, len >= 12, len >= 20));
        assert!(info.sid.is_none() || info.sid == whole.sid);
        assert!(info.protocol_version.is_none() || info.protocol_version == whole.protocol_version);
        let mut again = Vec::new();
        info.encode(&mut again);
        let end = [20, 12, 8, 0].into_iter().find(|end| *end <= len).unwrap();
        assert_eq!(again, data[..end]);
        assert_eq!(LearnerInfo::decode(&again), info);
    }
}

/// The dialer's stream on the election port: hello, SASL packets, notifications.
///
/// Properties: each encodes to the same bytes, and every cut needs more; a cut notification never contradicts
/// the whole one.
pub fn election(data: &[u8]) {
    let mut rest = data;
    if let Some((hello, used)) = front(rest, Hello::decode, Hello::encode) {
        if let Hello::Addressed { text, .. } = hello {
            let addresses: Vec<_> = hello.addresses().collect();
            assert_eq!(addresses.join(&b'|'), text);
        }
        rest = &rest[used..];
    }
    loop {
        let used = if sasl::is_magic(rest) {
            front(rest, |input| sasl::SaslPacket::decode(input, MAX_RECORD), sasl::SaslPacket::encode)
                .map(|(_, used)| used)
        } else {
            front(rest, Notification::decode, Notification::encode).map(|(notification, used)| {
                notification_cut(&notification, &rest[4..used]);
                used
            })
        };
        let Some(used) = used else { return };
        rest = &rest[used..];
    }
}

fn notification_cut(whole: &Notification<'_>, payload: &[u8]) {
    for len in cuts(payload.len()) {
        let Ok(cut) = Notification::decode_cut(&payload[..len], payload.len()) else {
            assert!(len < MIN_NOTIFICATION_LEN);
            continue;
        };
        let key = |n: &Notification<'_>| (n.state, n.leader, n.zxid, n.election_epoch);
        assert_eq!(key(&cut), key(whole));
        assert_eq!(Notification::decode_state(&payload[..len]), Some(whole.state));
        assert!(cut.peer_epoch.is_none() || cut.peer_epoch == whole.peer_epoch);
        assert!(cut.version.is_none() || cut.version == whole.version);
        assert!(cut.config.is_none() && cut.rest.is_empty());
    }
    assert_eq!(Notification::decode_cut(payload, payload.len()).as_ref(), Ok(whole));
    if let Some(text) = whole.config {
        config(ConfigText(text));
    }
}

/// Every byte of a configuration is in one of its lines, or white space.
fn config(text: ConfigText<'_>) {
    let lines = text.0.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    assert_eq!(text.lines().count(), lines.count());
    for line in text.lines() {
        if let ConfigLine::Server(server) = line {
            assert!(server.addresses().count() > 0, "a server without an address");
        }
    }
}

/// Consecutive SASL packets, and the detection of TLS.
///
/// Properties: each encodes to the same bytes, and every cut needs more; its head gives its size; SASL is
/// never taken for TLS.
pub fn auth(data: &[u8]) {
    let mut rest = data;
    while let Some((packet, used)) =
        front(rest, |input| sasl::SaslPacket::decode(input, MAX_RECORD), sasl::SaslPacket::encode)
    {
        let head = sasl::SaslHead::decode(rest).unwrap();
        assert_eq!((head.size(), head.status), (used as u64, packet.status));
        assert!(sasl::is_magic(rest) && !sasl::is_tls(rest) && TlsHead::decode(rest).is_none());
        rest = &rest[used..];
    }
    if let Some(head) = TlsHead::decode(data) {
        assert!(head.size() <= 5 + 16_384 + 2_048);
        assert_eq!(head.content == 22, sasl::is_tls(data));
    }
    if let Some(head) = sasl::SaslHead::decode(data) {
        assert!(head.size() <= 16 + i32::MAX as u64);
    }
}

/// A snapshot on the wire: a byte for the size of its pieces, then the snapshot.
///
/// Properties: its end is where a simple search finds it, in pieces of any size.
pub fn snapshot(data: &[u8]) {
    let [size, data @ ..] = data else { return };
    let expected = data.windows(END.len()).position(|window| window == END).map(|at| at + END.len());
    for size in [usize::MAX, usize::from(*size).max(1), 1] {
        let mut finder = EndFinder::new();
        let mut passed = 0;
        let found = data.chunks(size.min(data.len()).max(1)).find_map(|piece| {
            let end = finder.seen(piece).map(|end| passed + end);
            passed += piece.len();
            end
        });
        assert_eq!(found, expected, "in pieces of {size}");
        assert_eq!(finder.len(), expected.unwrap_or(data.len()) as u64);
        assert_eq!(finder.hidden_len(), 0);
    }
}
