//! etcd's members: from peer connections to what each member said to each other one, and when.

pub mod facts;
pub mod mark;
mod trips;

use crate::address::Address;
use crate::common_host::CommonHost;
use crate::dissect::{PeerConnection, PeerEvent, PeerRecord, PeerRecordKind, PeerSegment, PeerTotals};
use crate::frame::FrameRef;
use crate::packet::Flags;
use crate::raft::{Codec, Known, Message, MessageType, PeerRequest};
use crate::stream::Fate;
use crate::time::{Span, Timestamp};
use facts::{MemberFacts, PeerFacts, PeerOptions, RaftFacts, SnapshotFacts, WayFacts};
use mark::MarkKind;
use std::collections::{BTreeMap, VecDeque};
use trips::Appends;

/// Hosts whose captures are told apart.
const MAX_VIEWS: usize = 64;
/// Pairs of members, each way, of all views together.
const MAX_VOICES: usize = 2_048;
/// Marks of all voices together, about; each takes 24 bytes.
const MAX_MARKS: usize = 1 << 20;
/// Marks of one voice, at least and at most.
const MIN_MARKS_OF_ONE: usize = 512;
/// See [`MIN_MARKS_OF_ONE`].
const MAX_MARKS_OF_ONE: usize = 60_000;
/// Members and ways.
const MAX_MEMBERS: usize = 1_024;
/// Connections held at once for their totals.
const MAX_CONNECTIONS: usize = 65_536;
/// Spacings of heartbeats that are kept.
const MAX_SPACINGS: usize = 4_096;
/// Spacings from which on the tick is known.
const MIN_SPACINGS: usize = 10;
/// Terms and snapshots remembered.
const MAX_TERMS: usize = 4_096;
/// A gap that is filled sooner was reordering on the way.
const REORDERED: Span = Span::from_millis(15);
/// An acknowledgment that takes longer is late: kernels delay theirs by 40 ms.
const LATE: Span = Span::from_millis(100);
/// A link heartbeat of a msgapp stream under TLS 1.3 and 1.2: 6 bytes and a record's own 22 or 29. Nothing else that
/// an acceptor sends on a stream is as short, but alerts at its end.
const TLS_HEARTBEATS: [u32; 2] = [28, 35];
/// Heartbeats without an answer that are remembered.
const MAX_UNANSWERED: usize = 256;

/// The tracker of etcd's peers.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    views: BTreeMap<u32, ViewState>,
    members: BTreeMap<Address, MemberFacts>,
    ways: BTreeMap<(Address, Address), WayFacts>,
    connections: BTreeMap<PeerConnection, ConnectionState>,
    spacings: Vec<Span>,
    strangers: (u64, u64),
    refused: u64,
    /// Voices of all views.
    voices: usize,
}

#[derive(Clone, Debug, Default)]
struct ViewState {
    view: RaftFacts,
    common: CommonHost,
    told: Option<Address>,
    /// The leader's last heartbeat on each way.
    beats: BTreeMap<(Address, Address), Timestamp>,
    unanswered: BTreeMap<(Address, Address), VecDeque<Timestamp>>,
    /// What leaders sent and wait for.
    appends: BTreeMap<(Address, Address), Appends>,
    /// The size of a MsgHeartbeatResp without a context.
    plain: BTreeMap<(Address, Address), u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct ConnectionState {
    is_recognised: bool,
    is_refused: bool,
    is_dialed: bool,
}

impl ViewState {
    /// More of a database, or the end of its connection.
    fn snapshot_goes_on(&mut self, segment: &PeerSegment) {
        /// Databases under way at once (`connPerPipeline` and more); older ones are over.
        const UNDER_WAY: usize = 16;
        let recent = self.view.snapshots.iter_mut().rev().take(UNDER_WAY);
        let mut open = recent.filter(|held| held.answered.is_none() && held.closed.is_none());
        let Some(snapshot) = open.find(|held| held.connection == segment.connection) else { return };
        if segment.flags.intersects(Flags::FIN | Flags::RST) {
            snapshot.closed = Some(segment.at);
        } else if segment.new_bytes > 0 && segment.src.address == snapshot.from {
            snapshot.last_body = segment.at;
            snapshot.bytes = snapshot.bytes.saturating_add(segment.new_bytes);
        }
    }
}

impl Peers {
    /// Whether nothing of etcd was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// The next event; `hosts` are those of the files, as far as they are known beforehand.
    pub fn event(&mut self, event: &PeerEvent, hosts: &[Option<Address>]) {
        match event {
            PeerEvent::Segment(segment) => self.segment(segment, hosts),
            PeerEvent::Record(record) => self.record(record),
            PeerEvent::Over(totals) => self.over(totals),
        }
    }

    fn segment(&mut self, segment: &PeerSegment, hosts: &[Option<Address>]) {
        let (src, dst) = (segment.src.address, segment.dst.address);
        let state = self.connection(segment.connection);
        let is_first_dial = segment.is_dialers == Some(true)
            && segment.flags.contains(Flags::SYN)
            && !segment.flags.contains(Flags::ACK)
            && state.as_ref().is_some_and(|state| !state.is_dialed);
        if let Some(state) = state {
            state.is_dialed |= is_first_dial;
            state.is_refused |= segment.is_refusal;
        }
        self.counts(segment, is_first_dial);
        let number = segment.connection.view;
        let Some(state) = self.view(number) else { return };
        let view = &mut state.view;
        if view.voices.is_empty() {
            view.first = segment.at;
        }
        view.last = view.last.max(segment.at);
        view.is_tls |= segment.is_tls;
        state.told = state.told.or_else(|| hosts.get(segment.frame.file as usize).copied().flatten());
        if src != dst {
            state.common.pair(src, dst);
        }
        // What lay in a stream that ends is answered by nobody: the next answer is not to it. Heartbeats, which have no
        // numbers, begin anew with each probe too: what the cut hid of them is forgotten.
        if segment.flags.intersects(Flags::FIN | Flags::RST) {
            for way in [(src, dst), (dst, src)] {
                state.unanswered.remove(&way);
                if let Some(appends) = state.appends.get_mut(&way).filter(|_| segment.is_stream) {
                    appends.ends(segment.at);
                }
            }
        }
        state.snapshot_goes_on(segment);
        self.mark_segment(segment);
    }

    fn mark_segment(&mut self, segment: &PeerSegment) {
        let mut add = |kind, count| self.mark(segment.connection.view, segment, kind, count);
        let flags = segment.flags;
        if segment.new_bytes > 0 {
            add(MarkKind::Data, 1);
            if segment.is_tls && segment.is_dialers == Some(false) && TLS_HEARTBEATS.contains(&segment.len) {
                add(MarkKind::LinkHeartbeat, 1);
            }
        }
        if segment.acked_more && !flags.contains(Flags::SYN) {
            add(MarkKind::Ack, 1);
        }
        if segment.fate == Fate::Retransmission || segment.is_repeated {
            add(MarkKind::Resent, 1);
        }
        match (flags.contains(Flags::SYN), flags.contains(Flags::ACK)) {
            (true, false) => add(MarkKind::Syn, 1),
            (true, true) => add(MarkKind::SynAck, 1),
            _ => {}
        }
        if flags.contains(Flags::RST) {
            add(if segment.is_refusal { MarkKind::Refusal } else { MarkKind::Rst }, 1);
        } else if flags.contains(Flags::FIN) && !segment.is_repeated {
            add(if segment.is_first_close { MarkKind::Fin } else { MarkKind::FinBack }, 1);
        }
        if segment.len == 0 && !segment.acked_more && !flags.intersects(Flags::SYN | Flags::FIN | Flags::RST)
        {
            add(MarkKind::Bare, 1);
        }
        if segment.filled_after.is_some_and(|after| after > REORDERED) {
            add(MarkKind::Hole, 1);
        }
        if let Some(trip) = segment.round_trip {
            let ms = u16::try_from(trip.millis()).unwrap_or(u16::MAX);
            add(if trip > LATE { MarkKind::Late } else { MarkKind::Prompt }, ms);
        }
    }

    fn counts(&mut self, segment: &PeerSegment, is_first_dial: bool) {
        let (src, dst) = (segment.src.address, segment.dst.address);
        if let Some(way) = self.way(src, dst) {
            way.retransmits += u64::from(segment.fate == Fate::Retransmission);
            way.dialed += u64::from(is_first_dial);
        }
        if let Some(way) = self.way(dst, src) {
            way.refused += u64::from(segment.is_refusal);
            if let Some(trip) = segment.round_trip {
                count(&mut way.kernel_us, trip);
            }
        }
    }

    fn record(&mut self, record: &PeerRecord) {
        if let Some(state) = self.connection(record.connection) {
            state.is_recognised |= !matches!(record.kind, PeerRecordKind::Request(PeerRequest::Other, _));
        }
        let (src, dst) = (record.src.address, record.dst.address);
        if let Some(way) = self.way(src, dst) {
            let records = if record.is_inferred { &mut way.inferred } else { &mut way.records };
            *records.entry(record.kind.name()).or_default() += u64::from(record.count);
            way.streams +=
                u64::from(matches!(record.kind, PeerRecordKind::Request(PeerRequest::Stream(_), _)));
        }
        self.learn(record);
        match record.kind {
            PeerRecordKind::Request(request, _) => self.request(record, request),
            PeerRecordKind::Answer(answer, to) => {
                self.mark_record(record, MarkKind::Answer);
                if answer.is_removed() {
                    self.mark_record(record, MarkKind::Removed);
                }
                if to == Some(PeerRequest::Snapshot) {
                    self.snapshot_answered(record);
                }
            }
            PeerRecordKind::Stream(codec, known) => self.known(record, codec, &known),
            PeerRecordKind::StreamEnd => self.mark_record(record, MarkKind::StreamEnd),
            PeerRecordKind::Hidden(_) => self.hidden(record),
        }
    }

    fn request(&mut self, record: &PeerRecord, request: PeerRequest) {
        self.mark_record(record, MarkKind::Request);
        if request == PeerRequest::Snapshot {
            self.mark_record(record, MarkKind::Snapshot);
            let snapshot = SnapshotFacts {
                from: record.src.address,
                to: record.dst.address,
                at: record.at,
                frame: record.frame,
                answered: None,
                connection: record.connection,
                last_body: record.at,
                bytes: 0,
                closed: None,
            };
            if let Some(state) = self.view(record.connection.view)
                && state.view.snapshots.len() < MAX_TERMS
            {
                state.view.snapshots.push(snapshot);
            }
        }
    }

    fn snapshot_answered(&mut self, record: &PeerRecord) {
        let Some(state) = self.view(record.connection.view) else { return };
        let (from, to) = (record.dst.address, record.src.address);
        let mut open = state.view.snapshots.iter_mut().rev();
        if let Some(snapshot) =
            open.find(|held| held.from == from && held.to == to && held.answered.is_none())
        {
            snapshot.answered = Some(record.at);
        }
    }

    fn known(&mut self, record: &PeerRecord, codec: Codec, known: &Known) {
        let kind = match known {
            Known::LinkHeartbeat => MarkKind::LinkHeartbeat,
            Known::AppEntries { count: 0, .. } => MarkKind::Commit,
            Known::AppEntries { .. } => MarkKind::App,
            Known::Message(message) => kind_of(message, codec),
        };
        self.mark_record(record, kind);
        self.append(record, kind, known);
        let (src, dst) = (record.src.address, record.dst.address);
        let has_context = matches!(known, Known::Message(message) if message.context_len.is_some());
        match kind {
            MarkKind::Heartbeat if !has_context => self.beat(record, (src, dst)),
            MarkKind::HeartbeatResp => self.answered(record, (dst, src)),
            MarkKind::Vote if has_context || self.is_longer(record) => {
                self.mark_record(record, MarkKind::TransferVote);
            }
            _ => {}
        }
        if kind == MarkKind::HeartbeatResp && !has_context && !record.is_inferred && record.count == 1 {
            self.is_plain(record);
        }
    }

    /// Something of an append, or its answer.
    fn append(&mut self, record: &PeerRecord, kind: MarkKind, known: &Known) {
        let (src, dst) = (record.src.address, record.dst.address);
        let Some(state) = self.view(record.connection.view) else { return };
        if !state.view.voices.contains_key(&(src, dst)) {
            return;
        }
        let trips = match (kind, known) {
            (MarkKind::App | MarkKind::Commit, Known::AppEntries { first, count, .. }) => {
                let last = first.and_then(|entry| entry.index).map(|index| index.saturating_add(*count) - 1);
                state.appends.entry((src, dst)).or_default().sent(record.at, *count > 0, last);
                return;
            }
            // How many entries it has, the cut may hide: it is answered, and not counted.
            (MarkKind::AppInFull, _) => {
                state.appends.entry((src, dst)).or_default().sent(record.at, true, None);
                return;
            }
            (MarkKind::AppResp, Known::Message(message)) => match state.appends.get_mut(&(dst, src)) {
                Some(appends) if message.reject == Some(true) => {
                    appends.hidden(record.at);
                    return;
                }
                Some(appends) => appends.answered(record.at, message.index),
                None => return,
            },
            _ => return,
        };
        if let Some(way) = self.way(dst, src) {
            trips.into_iter().for_each(|trip| count(&mut way.append_us, trip));
        }
    }

    /// The cut hides several messages: what they answer is not known, nor what they are answered by.
    fn hidden(&mut self, record: &PeerRecord) {
        let (src, dst) = (record.src.address, record.dst.address);
        let Some(state) = self.view(record.connection.view) else { return };
        for way in [(src, dst), (dst, src)] {
            if let Some(appends) = state.appends.get_mut(&way) {
                appends.hidden(record.at);
            }
        }
    }

    fn is_plain(&mut self, record: &PeerRecord) {
        let way = (record.src.address, record.dst.address);
        if let Some(state) = self.view(record.connection.view)
            && state.view.voices.contains_key(&way)
        {
            let known = state.plain.entry(way).or_insert(record.size);
            *known = record.size.min(*known);
        }
    }

    /// Whether a MsgVote is longer than one without a context is. It has the fields of a MsgHeartbeatResp, which is
    /// shorter by what term and index take, four bytes each at most; `CampaignTransfer` takes 18.
    fn is_longer(&mut self, record: &PeerRecord) -> bool {
        const CONTEXT: u64 = 12;
        let way = (record.src.address, record.dst.address);
        let Some(state) = self.view(record.connection.view) else { return false };
        state.plain.get(&way).is_some_and(|plain| record.size >= plain.saturating_add(CONTEXT))
    }

    /// A heartbeat of the leader's.
    fn beat(&mut self, record: &PeerRecord, way: (Address, Address)) {
        let Some(state) = self.view(record.connection.view) else { return };
        if !state.view.voices.contains_key(&way) {
            return;
        }
        let last = state.beats.insert(way, record.at);
        let queue = state.unanswered.entry(way).or_default();
        if queue.len() < MAX_UNANSWERED {
            queue.push_back(record.at);
        }
        if let Some(last) = last
            && self.spacings.len() < MAX_SPACINGS
        {
            self.spacings.push(record.at.since(last));
        }
    }

    /// As many heartbeats are answered, the oldest first.
    fn answered(&mut self, record: &PeerRecord, way: (Address, Address)) {
        let mut trips = Vec::new();
        if let Some(state) = self.view(record.connection.view)
            && let Some(queue) = state.unanswered.get_mut(&way)
        {
            for _ in 0..record.count {
                trips.extend(queue.pop_front().map(|sent| record.at.since(sent)));
            }
        }
        if let Some(way) = self.way(way.0, way.1) {
            trips.into_iter().for_each(|trip| count(&mut way.heartbeat_us, trip));
        }
    }

    /// Ids, terms and indices that a record names.
    fn learn(&mut self, record: &PeerRecord) {
        let (src, dst) = (record.src.address, record.dst.address);
        let mut term = None;
        match record.kind {
            PeerRecordKind::Request(_, Some(id)) => self.is_called(src, id),
            PeerRecordKind::Stream(Codec::Message, Known::LinkHeartbeat) => {
                if let Some(member) = self.member(src) {
                    member.link_heartbeat = Some(record.size);
                }
            }
            PeerRecordKind::Stream(_, Known::AppEntries { first, commit, count }) => {
                term = first.and_then(|entry| entry.term);
                let last = first.and_then(|entry| entry.index).map(|index| index.saturating_add(count) - 1);
                self.reaches(src, last.max(commit));
            }
            PeerRecordKind::Stream(_, Known::Message(message)) => {
                if let Some(id) = message.to {
                    self.is_called(dst, id);
                }
                if let Some(id) = message.from {
                    self.is_called(src, id);
                }
                if message.kind == Some(MessageType::AppResp) && message.reject == Some(false) {
                    self.reaches(src, message.index);
                }
                let is_asked = matches!(message.kind, Some(MessageType::PreVote | MessageType::PreVoteResp));
                term = message.term.filter(|term| *term > 0 && !is_asked);
            }
            _ => {}
        }
        if let Some(term) = term
            && let Some(state) = self.view(record.connection.view)
            && state.view.terms.len() < MAX_TERMS
            && state.view.terms.last().is_none_or(|(_, last)| term > *last)
        {
            state.view.terms.push((record.at, term));
        }
    }

    fn is_called(&mut self, address: Address, id: u64) {
        if let Some(member) = self.member(address).filter(|_| id != 0) {
            member.id = Some(id);
        }
    }

    fn reaches(&mut self, address: Address, index: Option<u64>) {
        if let Some(member) = self.member(address) {
            member.last_index = member.last_index.max(index);
        }
    }

    fn over(&mut self, totals: &PeerTotals) {
        let state = self.connections.remove(&totals.connection).unwrap_or_default();
        let [a, b] = totals.ends;
        let [from_a, from_b] = totals.bytes;
        for (way, sums) in [((a, b), from_a), ((b, a), from_b)] {
            if let Some(way) = self.way(way.0.address, way.1.address) {
                way.bytes = way.bytes.plus(&sums);
                way.losses += u64::from(totals.losses);
            }
        }
        if !state.is_recognised && !state.is_refused {
            let bytes = from_a.plus(&from_b).stream();
            self.strangers = (self.strangers.0 + u64::from(bytes > 0), self.strangers.1 + bytes);
        }
    }

    fn mark_record(&mut self, record: &PeerRecord, kind: MarkKind) {
        let count = u16::try_from(record.count).unwrap_or(u16::MAX);
        let way = (record.src.address, record.dst.address);
        self.put(record.connection.view, way, kind, (record.at, record.frame), count);
    }

    fn mark(&mut self, view: u32, segment: &PeerSegment, kind: MarkKind, count: u16) {
        let way = (segment.src.address, segment.dst.address);
        self.put(view, way, kind, (segment.at, segment.frame), count);
    }

    fn put(
        &mut self,
        view: u32,
        way: (Address, Address),
        kind: MarkKind,
        (at, frame): (Timestamp, FrameRef),
        count: u16,
    ) {
        // What a host says to itself shows nothing of the network, nor whose process it was.
        if way.0 == way.1 {
            return;
        }
        let has_room = self.voices < MAX_VOICES;
        let Some(state) = self.view(view) else { return };
        let voices = &mut state.view.voices;
        let is_known = voices.contains_key(&way);
        if is_known || has_room {
            voices.entry(way).or_default().add(kind, at, frame, count);
            self.voices += usize::from(!is_known);
            self.trim(view, way, at);
        } else {
            self.refused += 1;
        }
    }

    /// Keeps a voice within its share of all marks.
    fn trim(&mut self, view: u32, way: (Address, Address), now: Timestamp) {
        let most = (MAX_MARKS / self.voices.max(1)).clamp(MIN_MARKS_OF_ONE, MAX_MARKS_OF_ONE);
        let state = self.views.get_mut(&view);
        if let Some(voice) = state.and_then(|state| state.view.voices.get_mut(&way)) {
            voice.keep_within(most, now);
        }
    }

    fn view(&mut self, number: u32) -> Option<&mut ViewState> {
        if !self.views.contains_key(&number) && self.views.len() >= MAX_VIEWS {
            return None;
        }
        Some(self.views.entry(number).or_default())
    }

    fn member(&mut self, address: Address) -> Option<&mut MemberFacts> {
        if !self.members.contains_key(&address) && self.members.len() >= MAX_MEMBERS {
            return None;
        }
        Some(self.members.entry(address).or_default())
    }

    fn way(&mut self, from: Address, to: Address) -> Option<&mut WayFacts> {
        if !self.ways.contains_key(&(from, to)) && self.ways.len() >= MAX_MEMBERS {
            return None;
        }
        Some(self.ways.entry((from, to)).or_default())
    }

    fn connection(&mut self, of: PeerConnection) -> Option<&mut ConnectionState> {
        if !self.connections.contains_key(&of) && self.connections.len() >= MAX_CONNECTIONS {
            return None;
        }
        Some(self.connections.entry(of).or_default())
    }

    /// How often a term was seen to rise.
    #[must_use]
    pub fn terms_seen(&self) -> usize {
        self.views.values().map(|state| state.view.terms.len()).sum()
    }

    /// What was counted by now, each way.
    pub fn ways(&self) -> impl Iterator<Item = ((Address, Address), &WayFacts)> {
        self.ways.iter().map(|(way, facts)| (*way, facts))
    }

    /// The highest term that was seen.
    #[must_use]
    pub fn highest_term(&self) -> Option<u64> {
        self.views.values().filter_map(|state| state.view.terms.last()).map(|(_, term)| *term).max()
    }

    /// What is known at the end.
    #[must_use]
    pub fn finish(mut self) -> PeerFacts {
        let views = std::mem::take(&mut self.views);
        for (way, appends) in views.values().flat_map(|state| &state.appends) {
            if let Some(way) = self.way(way.0, way.1) {
                way.append_unclear += appends.unclear();
            }
        }
        let views = views.into_values().map(|state| {
            let host = state.told.or_else(|| state.common.host());
            RaftFacts { host, ..state.view }
        });
        PeerFacts {
            views: views.filter(|view| !view.voices.is_empty()).collect(),
            members: self.members,
            ways: self.ways,
            tick: middle(self.spacings),
            strangers: self.strangers,
            told: PeerOptions::default(),
            refused: self.refused,
        }
    }
}

/// The middle spacing of heartbeats.
fn middle(mut spacings: Vec<Span>) -> Option<Span> {
    spacings.sort_unstable();
    spacings.get(spacings.len() / 2).copied().filter(|_| spacings.len() >= MIN_SPACINGS)
}

/// Adds a length of time to a count, a sum and the longest.
fn count(of: &mut (u64, u64, u64), trip: Span) {
    let us = trip.micros();
    *of = (of.0 + 1, of.1.saturating_add(us), of.2.max(us));
}

const fn kind_of(message: &Message, codec: Codec) -> MarkKind {
    match (message.kind, codec) {
        (Some(MessageType::App), _) | (None, Codec::Append) => MarkKind::AppInFull,
        (Some(MessageType::Heartbeat), _) => MarkKind::Heartbeat,
        (Some(MessageType::HeartbeatResp), _) => MarkKind::HeartbeatResp,
        (Some(MessageType::AppResp), _) => MarkKind::AppResp,
        (Some(MessageType::Prop), _) => MarkKind::Prop,
        (Some(MessageType::Vote), _) => MarkKind::Vote,
        (Some(MessageType::VoteResp), _) => MarkKind::VoteResp,
        (Some(MessageType::PreVote), _) => MarkKind::PreVote,
        (Some(MessageType::PreVoteResp), _) => MarkKind::PreVoteResp,
        (Some(MessageType::TimeoutNow), _) => MarkKind::TimeoutNow,
        _ => MarkKind::OtherMessage,
    }
}
