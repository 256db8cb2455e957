//! Writes each record as it passes: a line of text, or a line of JSON.
//!
//! In: what dissecting brings forth. Out: lines, in the order in which records become known. A record
//! that the cut hid is known once later ones prove it, so its time may lie before that of the line
//! above. Nothing is kept but the endpoints of open links.

mod json;
mod line;
mod peer;
pub(crate) mod record;

use super::clock::WallClock;
use crate::address::{Address, Endpoint};
use crate::dissect::{
    AuthSeen, Direction, ElectionSeen, Event, Gap, LinkOpened, Observer, PacketSeen, PeerEvent, PeerRecord,
    PeerRecordKind, SnapshotSeen,
};
use crate::proto::{PacketType, auth};
use crate::stream::{Closing, ConnectionSlot};
use crate::time::Timestamp;
use record::Record;
use std::io::{self, Write};

/// What to write, and how.
#[derive(Clone, Debug)]
pub struct DumpOptions {
    /// JSON lines rather than text.
    pub is_json: bool,
    /// Whether text shows what is in the records; JSON always does.
    pub is_verbose: bool,
    /// Only records of these types; empty for all.
    pub types: Vec<TypeChoice>,
    /// Only records from or to these addresses.
    pub servers: Option<Vec<Address>>,
    /// Nothing before.
    pub from: Option<Timestamp>,
    /// Nothing after.
    pub to: Option<Timestamp>,
    /// How times are shown in text.
    pub clock: WallClock,
    /// The paths of the input's files.
    pub files: Vec<String>,
    /// The same, as text shows them; see [`short_paths`](super::short_paths).
    pub short_files: Vec<String>,
}

/// A record's type, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeChoice(String);

/// The type of the election port's first record.
const HELLO: &str = "HELLO";
/// The type of its others.
const NOTIFICATION: &str = "NOTIFICATION";

impl TypeChoice {
    /// The type of a name; case does not matter. `UNKNOWN` stands for all that no release knows,
    /// `UNKNOWN(77)` or `77` for one. `None` where there is no such type.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        if let Ok(number) = text.parse() {
            return Some(Self(PacketType::from_number(number).to_string()));
        }
        if let Some(known) = PeerRecordKind::NAMES.iter().find(|known| known.eq_ignore_ascii_case(text)) {
            return Some(Self((*known).to_owned()));
        }
        let name = text.to_ascii_uppercase();
        let is_one_unknown = name
            .strip_prefix("UNKNOWN(")
            .and_then(|rest| rest.strip_suffix(')'))
            .is_some_and(|number| number.parse::<i32>().is_ok());
        (is_one_unknown || Self::names().any(|known| known == name)).then_some(Self(name))
    }

    /// All names there are.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let packets = (1..=20).map(|number| PacketType::from_number(number).name());
        let auth = (-1..=1).map(|number| auth::Status::from_number(number).name());
        packets.chain([HELLO, NOTIFICATION]).chain(auth).chain(PeerRecordKind::NAMES)
    }

    fn takes(&self, name: &str) -> bool {
        name == self.0 || self.0 == "UNKNOWN" && name.starts_with("UNKNOWN(")
    }
}

/// Bytes of a line of text; a path, or a configuration, may have as many as its sender likes.
const MAX_LINE: usize = 4_096;

/// Cuts a line that is too long, and says by how much.
fn shorten(line: &mut String) {
    if line.len() > MAX_LINE {
        let end = (0..=MAX_LINE).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
        let rest = line.len().saturating_sub(end);
        line.truncate(end);
        line.push_str(&format!("... ({rest} bytes more)"));
    }
}

/// Writes records as they pass.
#[derive(Debug)]
pub struct Dump<W> {
    out: W,
    options: DumpOptions,
    /// The ends of each open link, by slot: leader and learner.
    ends: Vec<Option<(Endpoint, Endpoint)>>,
    buffer: String,
    failed: Option<io::Error>,
    written: u64,
}

impl<W: Write> Dump<W> {
    /// Nothing has passed yet.
    pub fn new(out: W, options: DumpOptions) -> Self {
        Self { out, options, ends: Vec::new(), buffer: String::new(), failed: None, written: 0 }
    }

    /// How many lines were written.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Hands on what was written so far.
    ///
    /// # Errors
    /// What the writer said since the last time; nothing was written after that.
    pub fn flush(&mut self) -> io::Result<()> {
        self.check()?;
        self.out.flush()
    }

    /// What the writer said since the last time.
    ///
    /// # Errors
    /// That.
    pub fn check(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    fn ends(&self, slot: ConnectionSlot, direction: Direction) -> (Endpoint, Endpoint) {
        let (leader, learner) = self.ends.get(slot.index()).copied().flatten().unwrap_or_default();
        if direction.is_to_leader() { (learner, leader) } else { (leader, learner) }
    }

    fn is_wanted(&self, at: Timestamp, src: Endpoint, dst: Endpoint) -> bool {
        let is_in_time =
            self.options.from.is_none_or(|from| at >= from) && self.options.to.is_none_or(|to| at <= to);
        let is_of = |servers: &Vec<Address>| servers.contains(&src.address) || servers.contains(&dst.address);
        is_in_time && self.options.servers.as_ref().is_none_or(is_of)
    }

    fn is_type_wanted(&self, name: &str) -> bool {
        self.options.types.is_empty() || self.options.types.iter().any(|choice| choice.takes(name))
    }

    fn record(&mut self, record: &Record<'_>) {
        if self.failed.is_some() || !self.is_type_wanted(&record.kind) {
            return;
        }
        self.buffer.clear();
        if self.options.is_json {
            json::write(record, &self.options, &mut self.buffer);
        } else {
            line::write(record, &self.options, &mut self.buffer);
            shorten(&mut self.buffer);
        }
        self.put();
    }

    /// A line that is about a stream, not about a record.
    fn remark(&mut self, slot: ConnectionSlot, direction: Direction, at: Timestamp, what: &str) {
        let (src, dst) = self.ends(slot, direction);
        let options = &self.options;
        if options.is_json || self.failed.is_some() || !options.types.is_empty() {
            return;
        }
        if self.is_wanted(at, src, dst) {
            self.buffer.clear();
            line::remark(at, src, dst, what, &self.options, &mut self.buffer);
            self.put();
        }
    }

    fn put(&mut self) {
        self.buffer.push('\n');
        self.written = self.written.saturating_add(1);
        if let Err(error) = self.out.write_all(self.buffer.as_bytes()) {
            self.failed = Some(error);
        }
    }
}

impl<W: Write> Observer for Dump<W> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::LinkOpened(slot, opened) => self.link_opened(slot, opened),
            Event::Packet(slot, packet) => self.packet(slot, packet),
            Event::Snapshot(slot, snapshot) => self.snapshot(slot, snapshot),
            Event::LinkClosed(slot, direction, closing) => self.link_closed(slot, direction, closing),
            Event::Gap(slot, direction, gap) => self.gap(slot, direction, gap),
            Event::LinkOver(slot, _) => self.link_over(slot),
            Event::Election(message) => self.election(message),
            Event::Auth(auth) => self.auth(auth),
            Event::Peer(PeerEvent::Record(seen)) => self.peer(seen),
            // A dump is of records: segments and what became of them have no line.
            Event::Segment(..)
            | Event::AtLearner(..)
            | Event::SegmentMatch(..)
            | Event::Unread(..)
            | Event::LinkEncrypted(_)
            | Event::LinkUnwatched(..)
            | Event::Aside(..)
            | Event::ElectionOver(_)
            | Event::Peer(_) => {}
        }
    }
}

impl<W: Write> Dump<W> {
    fn link_opened(&mut self, slot: ConnectionSlot, opened: &LinkOpened) {
        if self.ends.len() <= slot.index() {
            self.ends.resize(slot.index() + 1, None);
        }
        if let Some(ends) = self.ends.get_mut(slot.index()) {
            *ends = Some((opened.leader, opened.learner));
        }
    }

    fn packet(&mut self, slot: ConnectionSlot, packet: &PacketSeen<'_>) {
        let (src, dst) = self.ends(slot, packet.direction);
        if self.is_wanted(packet.at, src, dst) {
            self.record(&Record::of_packet(packet, src, dst));
        }
    }

    fn snapshot(&mut self, slot: ConnectionSlot, snapshot: &SnapshotSeen) {
        let end = if snapshot.is_complete { "" } else { ", its end not seen" };
        let lasted = super::clock::between(snapshot.from, snapshot.to);
        let what = format!("snapshot of {} bytes in {lasted}{end}", snapshot.bytes);
        self.remark(slot, Direction::ToLearner, snapshot.to, &what);
    }

    fn link_closed(&mut self, slot: ConnectionSlot, direction: Direction, closing: &Closing) {
        if self.options.is_verbose {
            let what = if closing.reset { "closed with RST" } else { "closed with FIN" };
            self.remark(slot, direction, closing.at, what);
        }
    }

    fn gap(&mut self, slot: ConnectionSlot, direction: Direction, gap: &Gap) {
        if self.options.is_verbose {
            self.remark(slot, direction, gap.at, &format!("{} bytes are not in the capture", gap.len));
        }
    }

    fn link_over(&mut self, slot: ConnectionSlot) {
        if let Some(ends) = self.ends.get_mut(slot.index()) {
            *ends = None;
        }
    }

    fn election(&mut self, message: &ElectionSeen<'_>) {
        if self.is_wanted(message.at, message.src, message.dst) {
            self.record(&Record::of_election(message));
        }
    }

    fn peer(&mut self, record: &PeerRecord) {
        if self.is_wanted(record.at, record.src, record.dst) {
            self.record(&Record::of_peer(record));
        }
    }

    fn auth(&mut self, auth: &AuthSeen) {
        if self.is_wanted(auth.at, auth.src, auth.dst) {
            self.record(&Record::of_auth(auth));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
