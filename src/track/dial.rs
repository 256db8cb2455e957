//! Attempts to connect, and election connections that are dead without knowing it.
//!
//! Before two servers have a link or an election connection, one of them dials the other. Nobody may listen (a RST
//! answers the SYN), nobody may answer, or the connection is made and let go of without a byte. All of it is counted by
//! who dials whom. An election connection over which votes are retransmitted and never acknowledged, until a RST
//! answers, was forgotten by something in between.

use crate::address::{Address, Endpoint};
use crate::dissect::Port;
use crate::findings::{Dial, DialFailure};
use crate::frame::FrameRef;
use crate::packet::{Flags, Segment};
use crate::time::{Span, Timestamp};
use std::collections::BTreeMap;

/// Connections under way that are remembered; beyond, the one that was silent longest goes.
const MAX_TALKS: usize = 4_096;
/// Pairs of a dialer and whom it dials.
const MAX_DIALS: usize = 1_024;
/// Runs of failures kept.
const MAX_RUNS: usize = 4_096;
/// Frames remembered of a run.
const MAX_FRAMES: usize = 8;
/// A retransmission comes no sooner after the segment (RFC 6298; Linux' least is 200 ms): what does was captured twice.
const MIN_AGAIN: Span = Span::from_millis(100);
/// A SYN that was not answered within this time was not answered: the first retransmission's time (RFC 6298).
const UNANSWERED: Span = Span::from_millis(900);
/// Retransmissions in vain that make a connection dead.
const MIN_IN_VAIN: u32 = 3;
/// A run of failures ends where there was none for so long.
const MAX_PAUSE: Span = Span::from_millis(65_000);

/// Attempts of one server to connect to another that failed in the same way, with no success between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialRun {
    /// Who dialed.
    pub dialer: Address,
    /// Whom.
    pub acceptor: Endpoint,
    /// How they failed.
    pub failure: DialFailure,
    /// The first attempt.
    pub first: Timestamp,
    /// The last sign of one.
    pub last: Timestamp,
    /// When one was accepted at last.
    pub until: Option<Timestamp>,
    /// How many.
    pub attempts: u64,
    /// The first frames.
    pub frames: Vec<(Timestamp, FrameRef)>,
}

/// An election connection that is dead, and whose sender does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadConnection {
    /// Who retransmitted.
    pub from: Address,
    /// To whom.
    pub to: Address,
    /// When the first segment was sent that was never acknowledged.
    pub since: Timestamp,
    /// The last retransmission, or the RST.
    pub last: Timestamp,
    /// Retransmissions.
    pub again: u32,
    /// The first of them.
    pub frame: FrameRef,
    /// Whether a RST of the other side ended it: it knew nothing of the connection.
    pub is_reset: bool,
}

/// A connection that is no link, in one capture.
#[derive(Clone, Debug)]
struct Talk {
    port: Port,
    view: Option<Address>,
    /// Who dialed, and the other end; the lower end first where that was not seen.
    dialer: Endpoint,
    acceptor: Endpoint,
    state: TalkState,
    last: Timestamp,
    /// The dialer's direction, and the acceptor's.
    ways: [DialWay; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TalkState {
    /// A SYN that nothing has answered.
    Dialing {
        seq: u32,
        first: Timestamp,
        frame: FrameRef,
    },
    Made,
    Over,
}

/// One direction.
#[derive(Clone, Copy, Debug, Default)]
struct DialWay {
    next: Option<u32>,
    acked: Option<u32>,
    has_spoken: bool,
    sent_at: Timestamp,
    again: u32,
    frame: FrameRef,
}

/// Election connections of one pair that the server with the higher id let go of, to dial itself.
#[derive(Clone, Copy, Debug)]
struct TurnedAway {
    run: usize,
    /// Whether the acceptor has dialed back, and that connection stands.
    is_dialed_back: bool,
}

/// All attempts to connect, and what became of them.
#[derive(Clone, Debug, Default)]
pub struct Dials {
    talks: BTreeMap<(Endpoint, Endpoint), Talk>,
    dials: BTreeMap<(Address, Endpoint), Dial>,
    open: BTreeMap<(Address, Endpoint), usize>,
    /// The runs of election connections that were turned away, by dialer and acceptor.
    turned_away: BTreeMap<(Address, Address), TurnedAway>,
    runs: Vec<DialRun>,
    dead: Vec<DeadConnection>,
    /// Requests for a connection so far, repeated ones too.
    pub(super) syns: u64,
    /// Pairs and runs for which there was no room.
    pub forgotten: u64,
}

impl Dials {
    /// A frame of a connection that is no link; `view` is the host of the capture, where that is known.
    pub(super) fn segment(&mut self, segment: &Segment<'_>, port: Port, view: Option<Address>) {
        let key = (segment.src.min(segment.dst), segment.src.max(segment.dst));
        let is_opening = segment.flags.contains(Flags::SYN) && !segment.flags.contains(Flags::ACK);
        self.syns += u64::from(is_opening);
        match self.talks.get_mut(&key) {
            Some(talk) if talk.view != view => return,
            Some(talk) if talk.is_going_on(segment) => return talk.goes_on(segment),
            Some(talk) if is_opening && !talk.is_same_dial(segment) => {
                self.ends(&key, segment.at);
                self.enter(key, segment, port, view);
            }
            Some(_) => {}
            None => self.enter(key, segment, port, view),
        }
        let Some(mut talk) = self.talks.remove(&key) else { return };
        self.takes(&mut talk, segment, is_opening);
        talk.last = talk.last.max(segment.at);
        self.talks.insert(key, talk);
    }

    /// A dial became a link.
    pub(super) fn is_link(&mut self, learner: Endpoint, leader: Endpoint, at: Timestamp, picked_up: bool) {
        self.talks.remove(&(leader.min(learner), leader.max(learner)));
        if !picked_up {
            self.made(learner.address, leader, at);
        }
    }

    /// A link was made and let go of without a byte.
    pub(super) fn was_empty(&mut self, learner: Endpoint, leader: Endpoint, at: Timestamp, frame: FrameRef) {
        self.failed(learner.address, leader, DialFailure::Empty, (at, at), frame);
    }

    fn enter(&mut self, key: (Endpoint, Endpoint), segment: &Segment<'_>, port: Port, view: Option<Address>) {
        if self.talks.len() >= MAX_TALKS {
            self.make_room(segment.at);
        }
        let is_syn = segment.flags.contains(Flags::SYN);
        let (dialer, acceptor) = match (is_syn, segment.flags.contains(Flags::ACK)) {
            (true, false) => (segment.src, segment.dst),
            (true, true) => (segment.dst, segment.src),
            _ => key,
        };
        let is_dial = is_syn && dialer == segment.src;
        let state = if is_dial {
            TalkState::Dialing { seq: segment.seq, first: segment.at, frame: segment.frame }
        } else {
            TalkState::Made
        };
        let talk =
            Talk { port, view, dialer, acceptor, state, last: segment.at, ways: [DialWay::default(); 2] };
        self.talks.insert(key, talk);
    }

    /// Lets go of the connections that have been quiet for longest, of many at once: to look for one costs as much.
    #[cold]
    fn make_room(&mut self, now: Timestamp) {
        let mut all: Vec<_> = self.talks.iter().map(|(key, talk)| (talk.last, *key)).collect();
        let most = (MAX_TALKS / 8).min(all.len().saturating_sub(1));
        let (oldest, ..) = all.select_nth_unstable(most);
        oldest.sort_unstable();
        for (_, key) in oldest {
            self.ends(key, now);
            self.talks.remove(key);
        }
    }

    fn takes(&mut self, talk: &mut Talk, segment: &Segment<'_>, is_opening: bool) {
        let is_reset = segment.flags.contains(Flags::RST);
        let by_dialer = segment.src == talk.dialer;
        match talk.state {
            TalkState::Dialing { first, frame, .. } if is_reset && !by_dialer => {
                let (dialer, acceptor) = (talk.dialer.address, talk.acceptor);
                self.failed(dialer, acceptor, DialFailure::Refused, (first, segment.at), frame);
                talk.state = TalkState::Over;
            }
            TalkState::Dialing { .. } if is_opening => {}
            TalkState::Dialing { .. } if is_reset => talk.state = TalkState::Over,
            TalkState::Dialing { .. } => {
                talk.state = TalkState::Made;
                self.made(talk.dialer.address, talk.acceptor, segment.at);
                self.dials_back(talk, true);
            }
            TalkState::Made if is_reset || segment.flags.contains(Flags::FIN) => {
                talk.speaks(segment);
                if is_reset {
                    self.dead.extend(talk.dead(by_dialer, segment.at).filter(|_| self.dead.len() < MAX_RUNS));
                }
                self.lets_go(talk, segment, by_dialer);
                self.dials_back(talk, false);
                talk.state = TalkState::Over;
            }
            TalkState::Made => talk.speaks(segment),
            TalkState::Over => {}
        }
    }

    /// The first FIN or RST of a connection on which little was said.
    fn lets_go(&mut self, talk: &Talk, segment: &Segment<'_>, by_dialer: bool) {
        let [dialer, acceptor] = talk.ways.map(|way| way.has_spoken);
        let failure = match (dialer, acceptor) {
            (false, false) => DialFailure::Empty,
            // The acceptor has the higher id, and dials itself.
            (true, false) if !by_dialer => DialFailure::TurnedAway,
            _ => return,
        };
        self.failed(talk.dialer.address, talk.acceptor, failure, (segment.at, segment.at), segment.frame);
        if failure == DialFailure::TurnedAway && talk.port == Port::Election {
            self.turns_away(talk, segment);
        }
    }

    /// The acceptor's own connection is made, or over.
    fn dials_back(&mut self, talk: &Talk, stands: bool) {
        if talk.port == Port::Election
            && let Some(pair) = self.turned_away.get_mut(&(talk.acceptor.address, talk.dialer.address))
        {
            pair.is_dialed_back = stands;
        }
    }

    /// Once for each pair that is by design (QuorumCnxManager.handleConnection, all releases); again and again, with no
    /// connection the other way that stands, it is a loop.
    fn turns_away(&mut self, talk: &Talk, segment: &Segment<'_>) {
        let key = (talk.dialer.address, talk.acceptor.address);
        let known = self.turned_away.get(&key).filter(|pair| !pair.is_dialed_back);
        let run = known
            .and_then(|pair| self.runs.get_mut(pair.run))
            .filter(|run| segment.at.since(run.last) <= MAX_PAUSE);
        if let Some(run) = run {
            run.attempts += 1;
            run.last = run.last.max(segment.at);
            if run.frames.len() < MAX_FRAMES {
                run.frames.push((segment.at, segment.frame));
            }
            return;
        }
        let is_room = self.turned_away.len() < MAX_DIALS || self.turned_away.contains_key(&key);
        if !is_room || self.runs.len() >= MAX_RUNS {
            self.forgotten += 1;
            return;
        }
        self.turned_away.insert(key, TurnedAway { run: self.runs.len(), is_dialed_back: false });
        self.runs.push(DialRun {
            dialer: talk.dialer.address,
            acceptor: talk.acceptor,
            failure: DialFailure::TurnedAway,
            first: segment.at,
            last: segment.at,
            until: None,
            attempts: 1,
            frames: vec![(segment.at, segment.frame)],
        });
    }

    /// Nothing more is to come of a connection.
    fn ends(&mut self, key: &(Endpoint, Endpoint), now: Timestamp) {
        let Some(talk) = self.talks.get(key) else { return };
        if let TalkState::Dialing { first, frame, .. } = talk.state
            && now.since(first) >= UNANSWERED
        {
            let times = (first, talk.last);
            self.failed(talk.dialer.address, talk.acceptor, DialFailure::Unanswered, times, frame);
        }
    }

    fn failed(
        &mut self,
        dialer: Address,
        acceptor: Endpoint,
        failure: DialFailure,
        (first, last): (Timestamp, Timestamp),
        frame: FrameRef,
    ) {
        let key = (dialer, acceptor);
        let Some(dial) = self.dial(key, first) else { return };
        dial.counts(failure, last);
        if matches!(failure, DialFailure::TurnedAway) {
            // Of these only those on the election port make runs.
            return;
        }
        let open = self.open.get(&key).and_then(|index| self.runs.get_mut(*index));
        if let Some(run) = open
            .filter(|run| run.failure == failure && run.until.is_none() && first.since(run.last) <= MAX_PAUSE)
        {
            run.last = run.last.max(last);
            run.attempts += 1;
            if run.frames.len() < MAX_FRAMES {
                run.frames.push((first, frame));
            }
            return;
        }
        if self.runs.len() >= MAX_RUNS {
            self.forgotten += 1;
            return;
        }
        self.open.insert(key, self.runs.len());
        let frames = vec![(first, frame)];
        self.runs.push(DialRun { dialer, acceptor, failure, first, last, until: None, attempts: 1, frames });
    }

    fn made(&mut self, dialer: Address, acceptor: Endpoint, at: Timestamp) {
        if let Some(dial) = self.dial((dialer, acceptor), at) {
            dial.accepted += 1;
            dial.last = dial.last.max(at);
        }
        let run = self.open.remove(&(dialer, acceptor)).and_then(|index| self.runs.get_mut(index));
        if let Some(run) = run.filter(|run| run.failure != DialFailure::Empty) {
            run.until = Some(at);
        }
    }

    fn dial(&mut self, key: (Address, Endpoint), at: Timestamp) -> Option<&mut Dial> {
        if self.dials.len() >= MAX_DIALS && !self.dials.contains_key(&key) {
            self.forgotten += 1;
            return None;
        }
        Some(self.dials.entry(key).or_insert_with(|| Dial::new(key.0, key.1, at)))
    }

    /// What failed by now: runs, dead connections, and the counts by pair, the capture having come to `now`.
    #[must_use]
    pub fn so_far(&self, now: Timestamp) -> (Vec<DialRun>, Vec<DeadConnection>, Vec<Dial>) {
        let mut all = self.clone();
        let keys: Vec<_> = all.talks.keys().copied().collect();
        for key in keys {
            all.ends(&key, now);
            if let Some(talk) = all.talks.get(&key).filter(|talk| talk.state == TalkState::Made) {
                let dead = [true, false].into_iter().filter_map(|by_dialer| talk.unheard(by_dialer));
                all.dead.extend(dead);
            }
        }
        all.dead.sort_by_key(|dead| dead.since);
        (all.runs, all.dead, all.dials.into_values().collect())
    }
}

impl Talk {
    /// Whether a segment neither makes nor ends the connection.
    const fn is_going_on(&self, segment: &Segment<'_>) -> bool {
        let flags = segment.header.flags;
        matches!(self.state, TalkState::Made | TalkState::Over)
            && !flags.intersects(Flags::SYN | Flags::FIN | Flags::RST)
    }

    /// Such a segment.
    fn goes_on(&mut self, segment: &Segment<'_>) {
        if self.state == TalkState::Made {
            self.speaks(segment);
        }
        self.last = self.last.max(segment.at);
    }

    /// Whether a SYN is the same one again.
    fn is_same_dial(&self, segment: &Segment<'_>) -> bool {
        matches!(self.state, TalkState::Dialing { seq, .. } if seq == segment.seq)
    }

    /// Payload, and what it acknowledges.
    fn speaks(&mut self, segment: &Segment<'_>) {
        let by_dialer = segment.src == self.dialer;
        let [dialer, acceptor] = &mut self.ways;
        let (own, other) = if by_dialer { (dialer, acceptor) } else { (acceptor, dialer) };
        if segment.flags.contains(Flags::ACK) && !segment.flags.contains(Flags::RST) {
            other.is_acknowledged(segment.ack);
        }
        if segment.len > 0 {
            own.sends(segment);
        }
    }

    /// A RST: whether the other side had retransmitted in vain.
    fn dead(&self, by_dialer: bool, at: Timestamp) -> Option<DeadConnection> {
        let dead = self.unheard(!by_dialer)?;
        Some(DeadConnection { last: at, is_reset: true, ..dead })
    }

    /// A side whose segments are not acknowledged any more.
    fn unheard(&self, by_dialer: bool) -> Option<DeadConnection> {
        let [dialer, acceptor] = &self.ways;
        let way = if by_dialer { dialer } else { acceptor };
        let (from, to) = if by_dialer { (self.dialer, self.acceptor) } else { (self.acceptor, self.dialer) };
        (self.port == Port::Election && way.again >= MIN_IN_VAIN).then_some(DeadConnection {
            from: from.address,
            to: to.address,
            since: way.sent_at,
            last: self.last,
            again: way.again,
            frame: way.frame,
            is_reset: false,
        })
    }
}

impl DialWay {
    fn sends(&mut self, segment: &Segment<'_>) {
        self.has_spoken = true;
        let end = segment.seq.wrapping_add(segment.len);
        let is_new = self.next.is_none_or(|next| end.wrapping_sub(next).cast_signed() > 0);
        if is_new {
            let is_all_acked = self.next.is_none() || self.next == self.acked;
            self.next = Some(end);
            if is_all_acked {
                self.sent_at = segment.at;
            }
        } else if segment.at.since(self.sent_at) >= MIN_AGAIN {
            if self.again == 0 {
                self.frame = segment.frame;
            }
            self.again = self.again.saturating_add(1);
        }
    }

    fn is_acknowledged(&mut self, ack: u32) {
        let is_more = self.acked.is_none_or(|acked| ack.wrapping_sub(acked).cast_signed() > 0);
        if is_more {
            self.acked = Some(ack);
            self.again = 0;
        }
    }
}

#[cfg(test)]
mod tests;
