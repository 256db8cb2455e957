//! Records, as they pass.

use crate::address::Endpoint;
use crate::dissect::{Direction, Event, PeerEvent};
use crate::export::{ExportError, Table, Tables, Value};
use crate::report::dump::record::{Field, Operation, Record, op_name, state_name};
use crate::report::escape;
use crate::stream::ConnectionSlot;
use std::borrow::Cow;

/// Writes a row for each record. Nothing is kept but the ends of open links.
#[derive(Clone, Debug, Default)]
pub struct RecordRows {
    /// The ends of each open link, by slot: leader and learner.
    ends: Vec<Option<(Endpoint, Endpoint)>>,
}

impl RecordRows {
    /// Writes the record of an event, if it is one.
    ///
    /// # Errors
    /// What stands in the way of a file.
    pub fn event(&mut self, event: &Event<'_>, tables: &mut Tables) -> Result<(), ExportError> {
        match event {
            Event::LinkOpened(slot, opened) => self.set(*slot, Some((opened.leader, opened.learner))),
            Event::LinkOver(slot, _) => self.set(*slot, None),
            Event::Packet(slot, packet) => {
                let (src, dst) = self.ends(*slot, packet.direction);
                return put(&Record::of_packet(packet, src, dst), tables);
            }
            Event::Election(seen) => return put(&Record::of_election(seen), tables),
            Event::Auth(seen) => return put(&Record::of_auth(seen), tables),
            Event::Peer(PeerEvent::Record(seen)) => return put(&Record::of_peer(seen), tables),
            Event::Segment(..)
            | Event::AtLearner(..)
            | Event::SegmentMatch(..)
            | Event::Snapshot(..)
            | Event::LinkClosed(..)
            | Event::LinkEncrypted(_)
            | Event::Gap(..)
            | Event::Unread(..)
            | Event::LinkUnwatched(..)
            | Event::Aside(..)
            | Event::Peer(PeerEvent::Segment(_) | PeerEvent::Over(_))
            | Event::ElectionOver(_) => {}
        }
        Ok(())
    }

    fn set(&mut self, slot: ConnectionSlot, ends: Option<(Endpoint, Endpoint)>) {
        if self.ends.len() <= slot.index() {
            self.ends.resize(slot.index() + 1, None);
        }
        if let Some(place) = self.ends.get_mut(slot.index()) {
            *place = ends;
        }
    }

    fn ends(&self, slot: ConnectionSlot, direction: Direction) -> (Endpoint, Endpoint) {
        let (leader, learner) = self.ends.get(slot.index()).copied().flatten().unwrap_or_default();
        if direction.is_to_leader() { (learner, leader) } else { (leader, learner) }
    }
}

fn put(record: &Record<'_>, tables: &mut Tables) -> Result<(), ExportError> {
    if !tables.takes(record.at) {
        return Ok(());
    }
    let (src, dst) = (record.src.address.to_string(), record.dst.address.to_string());
    let none = Operation::default();
    let operation = record.txn.as_ref().or(record.request.as_ref()).unwrap_or(&none);
    let session = operation.session.or(record.session.flatten());
    let row = [
        tables.run().into(),
        record.frame.file.into(),
        record.frame.number.into(),
        record.at.into(),
        src.as_str().into(),
        record.src.port.into(),
        dst.as_str().into(),
        record.dst.port.into(),
        record.proto.into(),
        record.kind.as_ref().into(),
        record.length.into(),
        record.cut.into(),
        record.is_inferred.into(),
        (!record.is_timed).into(),
        number(record.zxid, |zxid| zxid.0.cast_signed()),
        number(record.data_length, i64::from),
        number(record.sid, |sid| sid.0),
        number(record.protocol_version, |version| version),
        number(record.epoch, |epoch| epoch),
        record.sessions.flatten().into(),
        operation.kind.map(op_name).into(),
        session.map(|session| session.0.cast_signed()).into(),
        operation.cxid.into(),
        operation.path.map(readable).into(),
        operation.error.into(),
        operation.timeout_ms.or(record.timeout_ms.flatten()).into(),
        record.state.flatten().map(state_name).into(),
        number(record.leader, |sid| sid.0),
        number(record.round, |round| round),
    ];
    tables.row_at(Table::Records, record.at, &row)
}

fn number<T>(field: Field<T>, value: impl Fn(T) -> i64) -> Value<'static> {
    field.flatten().map(value).into()
}

/// Text as it is; bytes that are not UTF-8 as `\xff`.
fn readable(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| escape::bytes(bytes), Cow::Borrowed)
}
