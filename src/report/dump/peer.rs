//! What a record of etcd's peers says, as values.

use super::record::{PeerFields, Record};
use crate::dissect::{PeerRecord, PeerRecordKind};
use crate::raft::{Known, Message, PeerRequest};
use std::borrow::Cow;
use std::fmt::Write;

impl PeerFields {
    fn of(record: &PeerRecord) -> Self {
        let fields = match record.kind {
            PeerRecordKind::Request(_, from) => Self { from: from.map(id), ..Self::default() },
            PeerRecordKind::Answer(answer, _) => Self { status: Some(answer.0), ..Self::default() },
            PeerRecordKind::Stream(_, Known::Message(message)) => Self::of_message(&message),
            PeerRecordKind::Stream(_, Known::AppEntries { count, first, commit }) => Self {
                term: first.and_then(|entry| entry.term),
                index: first.and_then(|entry| entry.index),
                entry_bytes: first.map(|entry| entry.size),
                entries: Some(count),
                commit,
                ..Self::default()
            },
            _ => Self::default(),
        };
        Self { count: (record.count > 1).then_some(record.count), ..fields }
    }

    fn of_message(message: &Message) -> Self {
        Self {
            to: message.to.map(id),
            from: message.from.map(id),
            term: message.term,
            log_term: message.log_term,
            index: message.index,
            entries: (message.entries > 0).then_some(u64::from(message.entries)),
            entry_bytes: message.entry.map(|entry| entry.size),
            commit: message.commit,
            reject: message.reject,
            reject_hint: message.reject_hint.filter(|_| message.reject == Some(true)),
            context_bytes: message.context_len,
            ..Self::default()
        }
    }

    /// Appends them to a line of text.
    pub(super) fn show(&self, out: &mut String) {
        let numbers = [
            (" status ", self.status.map(u64::from)),
            (" term ", self.term),
            (" log term ", self.log_term),
            (" index ", self.index),
            (" entries ", self.entries),
            (" commit ", self.commit),
            (" hint ", self.reject_hint),
            (" context bytes ", self.context_bytes),
            (" times ", self.count.map(u64::from)),
        ];
        for (name, text) in [(" to ", &self.to), (" from ", &self.from)] {
            if let Some(text) = text {
                let _ = write!(out, "{name}{text}");
            }
        }
        for (name, number) in numbers {
            if let Some(number) = number {
                let _ = write!(out, "{name}{number}");
            }
        }
        if self.reject == Some(true) {
            out.push_str(" refused");
        }
    }
}

/// A member's id as etcd writes it.
fn id(id: u64) -> String {
    format!("{id:x}")
}

impl Record<'_> {
    /// A record of etcd's peers.
    pub(crate) fn of_peer(record: &PeerRecord) -> Self {
        let is_head = matches!(
            record.kind,
            PeerRecordKind::Request(PeerRequest::Pipeline | PeerRequest::Snapshot, _)
                | PeerRecordKind::Answer(..)
        );
        Self {
            frame: record.frame,
            at: record.at,
            src: record.src,
            dst: record.dst,
            proto: "raft",
            kind: Cow::Borrowed(record.kind.name()),
            length: (!is_head).then_some(record.size),
            cut: record.cut,
            is_inferred: record.is_inferred,
            is_timed: true,
            peer: Some(PeerFields::of(record)),
            ..Self::default()
        }
    }
}
