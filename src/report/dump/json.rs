//! A record as a line of JSON.

use super::DumpOptions;
use super::record::PeerFields;
use super::record::{Field, Operation, Record, op_name, state_name};
use crate::report::clock::rfc3339;
use crate::report::escape;
use crate::time::Timestamp;
use serde::Serialize;
use std::borrow::Cow;

/// The contract's keys, in its order; then those beyond it. Fields that records of a type do not have
/// are left out, those that are not known are null.
#[derive(Serialize)]
struct RecordView<'a> {
    file: Option<&'a str>,
    frame: u32,
    at: Option<String>,
    src: String,
    dst: String,
    proto: &'static str,
    r#type: &'a str,
    length: Option<u64>,
    cut: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    zxid: Field<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_length: Field<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Field<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol_version: Field<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Field<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Field<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    txn: Option<OperationView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Field<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leader: Field<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    round: Field<i64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    inferred: bool,
    /// Given where the time is that of one of several frames.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    at_is_vague: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<OperationView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Field<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Field<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Field<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_table: Option<Vec<DumpSessionView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addresses: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    peer: Option<&'a PeerFields>,
}

#[derive(Serialize)]
struct DumpSessionView {
    session: String,
    timeout_ms: i32,
}

#[derive(Serialize)]
struct OperationView<'a> {
    r#type: Option<Cow<'static, str>>,
    session: Option<String>,
    cxid: Option<i32>,
    path: Option<Cow<'a, str>>,
    /// Given where the path is not UTF-8: its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
}

impl<'a> OperationView<'a> {
    fn of(operation: &Operation<'a>) -> Self {
        let path = operation.path.map(readable);
        Self {
            r#type: operation.kind.map(op_name),
            session: operation.session.map(|session| session.to_string()),
            cxid: operation.cxid,
            path_hex: operation.path.filter(|path| std::str::from_utf8(path).is_err()).map(hex),
            path,
        }
    }
}

/// Appends a record, without a line feed.
pub(super) fn write(record: &Record<'_>, options: &DumpOptions, out: &mut String) {
    let view = RecordView {
        file: options.files.get(record.frame.file as usize).map(String::as_str),
        frame: record.frame.number,
        at: (record.at != Timestamp::UNKNOWN).then(|| rfc3339(record.at, options.clock.digits)),
        src: record.src.to_string(),
        dst: record.dst.to_string(),
        proto: record.proto,
        r#type: &record.kind,
        length: record.length,
        cut: record.cut,
        zxid: field(record.zxid, |zxid| zxid.to_string()),
        data_length: record.data_length,
        sid: field(record.sid, |sid| sid.0),
        protocol_version: record.protocol_version,
        epoch: record.epoch,
        sessions: record.sessions,
        txn: record.txn.as_ref().map(OperationView::of),
        state: field(record.state, state_name),
        leader: field(record.leader, |sid| sid.0),
        round: record.round,
        inferred: record.is_inferred,
        at_is_vague: !record.is_timed,
        request: record.request.as_ref().map(OperationView::of),
        session: field(record.session, |session| session.to_string()),
        timeout_ms: record.timeout_ms,
        valid: record.is_valid,
        session_table: record.session_table.filter(|table| !table.is_empty()).map(|table| {
            let view = |(session, timeout_ms): (crate::proto::SessionId, i32)| DumpSessionView {
                session: session.to_string(),
                timeout_ms,
            };
            table.iter().map(view).collect()
        }),
        config: record.config.map(readable),
        addresses: record.addresses.map(readable),
        peer: record.peer.as_ref(),
    };
    // Such a value can always be written.
    if let Ok(json) = serde_json::to_string(&view) {
        out.push_str(&escape::json(&json));
    }
}

fn field<T, U>(field: Field<T>, view: impl Fn(T) -> U) -> Field<U> {
    field.map(|value| value.map(view))
}

/// Text as it is; bytes that are not UTF-8 as `\xff`.
fn readable(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| escape::bytes(bytes), Cow::Borrowed)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
