//! A record as a line of text, in the manner of tcpdump.

use super::DumpOptions;
use super::record::{Field, Operation, Record, op_name, state_name};
use crate::address::Endpoint;
use crate::proto::Zxid;
use crate::report::escape;
use crate::time::Timestamp;
use std::fmt::{Display, Write};

/// Sessions of a PING that a line shows.
const MAX_SESSIONS: usize = 8;

/// Appends a record, without a line feed. Writing to a string cannot fail.
pub(super) fn write(record: &Record<'_>, options: &DumpOptions, out: &mut String) {
    let at = match record.at {
        Timestamp::UNKNOWN => "-".to_owned(),
        at => options.clock.precise(at),
    };
    let sasl = if record.proto == "auth" { "SASL " } else { "" };
    let _ = write!(out, "{at} {} > {} {sasl}{}", record.src, record.dst, record.kind);
    fields(record, out);
    match record.length {
        Some(length) => drop(write!(out, ", length {length}")),
        None => out.push_str(", length unknown"),
    }
    if record.cut > 0 && !record.is_inferred {
        let _ = write!(out, " ({} cut)", record.cut);
    }
    if record.is_inferred {
        out.push_str(if record.is_timed { " (inferred)" } else { " (inferred, at about this time)" });
    }
    if options.is_verbose {
        body(record, out);
        let file = options.short_files.get(record.frame.file as usize).map_or("?", String::as_str);
        let _ = write!(out, " [{}#{}]", escape::text(file), record.frame.number);
    }
}

/// Appends a line that is about a stream.
pub(super) fn remark(
    at: Timestamp,
    src: Endpoint,
    dst: Endpoint,
    what: &str,
    options: &DumpOptions,
    out: &mut String,
) {
    let _ = write!(out, "{} {src} > {dst} -- {what}", options.clock.precise(at));
}

fn fields(record: &Record<'_>, out: &mut String) {
    show(out, " ", record.state.map(|state| state.map(state_name)));
    if record.state.is_some() {
        show(out, " for ", record.leader);
    } else {
        show(out, " leader ", record.leader);
    }
    if record.zxid != Some(Some(Zxid::NONE)) {
        show(out, if record.state.is_some() { ", zxid " } else { " " }, record.zxid);
    }
    show(out, ", sid ", record.sid);
    show(out, ", protocol ", record.protocol_version);
    show(out, ", round ", record.round);
    show(out, ", epoch ", record.epoch);
    show(out, ", sessions ", record.sessions);
    if let Some(peer) = &record.peer {
        peer.show(out);
    }
    if record.is_valid == Some(Some(false)) {
        out.push_str(", refused");
    }
}

fn show<T: Display>(out: &mut String, name: &str, field: Field<T>) {
    match field {
        None => {}
        Some(Some(value)) => drop(write!(out, "{name}{value}")),
        Some(None) => drop(write!(out, "{name}?")),
    }
}

/// What is inside, after a colon.
fn body(record: &Record<'_>, out: &mut String) {
    if let Some(operation) = record.txn.as_ref().or(record.request.as_ref()) {
        out.push_str(": ");
        self::operation(operation, out);
    }
    if let Some(Some(session)) = record.session {
        let _ = write!(out, ": session {session}");
        show(out, ", timeout ms ", record.timeout_ms.flatten().map(Some));
    }
    if let Some(table) = record.session_table.filter(|table| !table.is_empty()) {
        out.push(':');
        for (session, timeout_ms) in table.iter().take(MAX_SESSIONS) {
            let _ = write!(out, " {session}/{timeout_ms}ms");
        }
        if record.sessions.flatten() > Some(table.len().min(MAX_SESSIONS) as u64) {
            out.push_str(" ...");
        }
    }
    if let Some(config) = record.config {
        let lines: Vec<_> = config.split(|byte| *byte == b'\n').map(escape::bytes).collect();
        let _ = write!(out, ": {}", lines.join(" | "));
    }
    if let Some(addresses) = record.addresses {
        let _ = write!(out, ": {}", escape::bytes(addresses));
    }
}

fn operation(operation: &Operation<'_>, out: &mut String) {
    match operation.kind {
        Some(kind) => out.push_str(&op_name(kind)),
        None => out.push('?'),
    }
    if let Some(path) = operation.path {
        let _ = write!(out, " {}", escape::bytes(path));
    }
    let session = operation.session.map_or_else(|| "?".to_owned(), |session| session.to_string());
    let _ = write!(out, " session {session}");
    if let Some(cxid) = operation.cxid {
        let _ = write!(out, " cxid {cxid}");
    }
    for (name, value) in [("data", operation.data_len), ("operations", operation.parts)] {
        if let Some(value) = value {
            let _ = write!(out, " {name} {value}");
        }
    }
    for (name, value) in [("error", operation.error), ("timeout ms", operation.timeout_ms)] {
        if let Some(value) = value {
            let _ = write!(out, " {name} {value}");
        }
    }
}
