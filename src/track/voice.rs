//! What each server says on the election port, and whether it is looking for a leader.
//!
//! A LOOKING notification does not make its sender look. On a new connection a server first sends what it had
//! queued for that peer, or repeats what it last sent (`QuorumCnxManager.SendWorker.run`), however old that is;
//! and a notification that was lost arrives after the election that it belongs to. Such a one is held back until
//! the sender shows what it does: it votes again, it joins a leader, or it says that it follows or leads.
//!
//! Source: `apache/zookeeper: zookeeper-server/.../server/quorum/QuorumCnxManager.java`, `FastLeaderElection.java`.

use crate::address::{Address, Endpoint};
use crate::proto::election::Notification;
use crate::proto::{ServerState, Sid, Zxid};
use crate::time::{Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Servers whose words are remembered.
const MAX_VOICES: usize = 1_024;
/// Connections on which the first notification is still to come.
const MAX_FRESH: usize = 4_096;
/// A vote that may be a repeated one is believed if its sender acts on it within this time. An election takes
/// 0.2 s (`finalizeWait`) and longer where a server is still starting.
const MAX_HELD_BACK: Span = Span::from_millis(10_000);
/// For so long after a server's election is over, a vote of that round is a late copy. Later it may look again in
/// the same round: who rejoins takes over the round of the ensemble.
const SETTLING: Span = Span::from_millis(2_000);
/// A server that was answered and says nothing for so long has found its leader, on a link that is not in sight.
const QUIET: Span = Span::from_millis(1_000);
/// A server that only repeated a vote answers whoever connected to it within some milliseconds; one that voted
/// waits for better votes first, 200 ms (`finalizeWait`).
const MIN_DECIDING: Span = Span::from_millis(100);

/// What a notification says, without its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vote {
    pub(super) state: ServerState,
    pub(super) leader: Sid,
    pub(super) zxid: Zxid,
    pub(super) round: i64,
}

impl Vote {
    const fn of(notification: &Notification<'_>) -> Self {
        Self {
            state: notification.state,
            leader: notification.leader,
            zxid: notification.zxid,
            round: notification.election_epoch,
        }
    }
}

/// A server that is looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looking {
    /// Its first vote of this election.
    pub(super) since: Timestamp,
    /// Its latest vote.
    pub(super) vote: Vote,
    /// Whether it is an observer: it asks for the leader, and its vote counts nowhere.
    pub(super) is_observer: bool,
}

/// A server that follows, leads or observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    /// What it says.
    pub(super) vote: Vote,
    /// Until when it looked.
    pub(super) until: Timestamp,
    /// A vote of it that was held back, and that it has acted on by now.
    pub(super) voted: Option<Looking>,
}

/// What a notification means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Its sender is looking.
    Looks(Looking),
    /// Its sender follows, leads or observes.
    Settled(Settled),
    /// It may be a repeated one, or surely is.
    Unclear,
}

#[derive(Clone, Debug, Default)]
struct VoiceOf {
    looking: Option<(Timestamp, Vote)>,
    /// Its latest vote.
    voted_at: Timestamp,
    /// When a server last told it that it follows or leads.
    answered_at: Option<Timestamp>,
    /// A first vote on a new connection, which may be a repeated one.
    held_back: Option<(Timestamp, Vote)>,
    /// The round of its last election that is over, and when it was.
    done: Option<(i64, Timestamp)>,
    is_observer: bool,
    /// Whether it last said that it follows.
    is_following: bool,
}

/// All servers' words.
#[derive(Clone, Debug, Default)]
pub(super) struct Voices {
    held: BTreeMap<Address, VoiceOf>,
    /// Directions of new connections without a notification so far.
    fresh: BTreeSet<(Endpoint, Endpoint)>,
}

impl Voices {
    fn voice(&mut self, address: Address) -> Option<&mut VoiceOf> {
        if self.held.len() >= MAX_VOICES && !self.held.contains_key(&address) {
            return None;
        }
        Some(self.held.entry(address).or_default())
    }

    /// A server has dialed another.
    pub(super) fn hello(&mut self, src: Endpoint, dst: Endpoint) {
        if self.fresh.len() + 2 > MAX_FRESH {
            self.fresh.clear();
        }
        self.fresh.insert((src, dst));
        self.fresh.insert((dst, src));
        if let Some(voice) = self.voice(src.address) {
            // It may have been restarted, and its rounds count from 1 again.
            voice.done = None;
        }
    }

    /// A notification. `serves` says whether its sender has a link on which it follows or leads.
    pub(super) fn notification(
        &mut self,
        (src, dst): (Endpoint, Endpoint),
        notification: &Notification<'_>,
        at: Timestamp,
        serves: bool,
    ) -> Meaning {
        let vote = Vote::of(notification);
        let is_fresh = self.fresh.remove(&(src, dst));
        if vote.state != ServerState::Looking {
            if let Some(asked) = self.held.get_mut(&dst.address) {
                asked.answered_at = Some(at);
            }
            let Some(voice) = self.voice(src.address) else { return Meaning::Unclear };
            return voice.says_where_it_stands(vote, at);
        }
        // All others are asked only where it matters: a storm of votes has thousands.
        let is_back =
            self.held.get(&src.address).is_some_and(|voice| voice.looking.is_some() && voice.is_quiet(at));
        let others = self.held.iter().filter(|(address, _)| **address != src.address);
        let is_new_round =
            is_back && others.filter_map(|(_, voice)| voice.looking).all(|(_, last)| last.round < vote.round);
        let Some(voice) = self.voice(src.address) else { return Meaning::Unclear };
        voice.votes(vote, at, is_fresh, serves, is_new_round)
    }

    /// A learner turns to a leader, or a leader names a new epoch: its election is over. Answers how it had looked.
    pub(super) fn acts(&mut self, address: Address, at: Timestamp, is_observer: bool) -> Option<Looking> {
        let voice = self.voice(address)?;
        voice.is_observer |= is_observer;
        let held_back =
            voice.held_back.take().filter(|(since, _)| at.since(*since) <= MAX_HELD_BACK && *since <= at);
        let (since, vote) = voice.looking.take().or(held_back)?;
        voice.done = Some((vote.round, at));
        Some(Looking { since, vote, is_observer: voice.is_observer })
    }

    /// Whether a server last said that it follows a leader.
    #[must_use]
    pub(super) fn follows(&self, address: Address) -> bool {
        self.held.get(&address).is_some_and(|voice| voice.is_following && voice.looking.is_none())
    }

    /// Since when a server is looking; `None` where it is not.
    #[must_use]
    pub(super) fn looks_since(&self, address: Address) -> Option<Timestamp> {
        self.held.get(&address).and_then(|voice| voice.looking).map(|(since, _)| since)
    }
}

impl VoiceOf {
    /// Whether its last vote was a while ago.
    fn is_quiet(&self, at: Timestamp) -> bool {
        at.since(self.voted_at) >= QUIET
    }

    fn votes(
        &mut self,
        vote: Vote,
        at: Timestamp,
        is_fresh: bool,
        serves: bool,
        is_new_round: bool,
    ) -> Meaning {
        // Only a non-voter's own vote is for nobody.
        self.is_observer |= vote.leader.0 == i64::MIN;
        let is_quiet = self.is_quiet(at);
        if let Some((_, last)) = self.looking {
            let was_answered = self.answered_at.is_some_and(|answered| answered >= self.voted_at);
            if is_quiet && is_fresh {
                return Meaning::Unclear;
            }
            if is_quiet && (was_answered || is_new_round && vote.round > last.round) {
                // It had found a leader meanwhile.
                self.looking = None;
            }
        }
        let since = match (self.looking, self.held_back.take()) {
            (Some((since, _)), _) => since,
            (None, _) if is_fresh && serves => return Meaning::Unclear,
            (None, held_back) if is_fresh => {
                self.held_back = held_back.or(Some((at, vote)));
                return Meaning::Unclear;
            }
            (None, Some((since, _))) if at.since(since) <= MAX_HELD_BACK => since,
            (None, _) if self.is_late_copy(vote, at) => return Meaning::Unclear,
            (None, _) => at,
        };
        self.done = None;
        self.voted_at = at;
        self.looking = Some((since, vote));
        Meaning::Looks(Looking { since, vote, is_observer: self.is_observer })
    }

    fn is_late_copy(&self, vote: Vote, at: Timestamp) -> bool {
        self.done.is_some_and(|(round, done)| vote.round <= round && at.since(done) < SETTLING)
    }

    fn says_where_it_stands(&mut self, vote: Vote, at: Timestamp) -> Meaning {
        if matches!(vote.state, ServerState::Unknown(_)) {
            return Meaning::Unclear;
        }
        self.is_following = vote.state == ServerState::Following;
        let held_back = self.held_back.take().filter(|(since, _)| {
            self.looking.is_none() && (MIN_DECIDING..=MAX_HELD_BACK).contains(&at.since(*since))
        });
        let voted = held_back.map(|(since, vote)| Looking { since, vote, is_observer: self.is_observer });
        if let Some((_, last)) = self.looking {
            if vote.round < last.round {
                // Sent before it began to look.
                return Meaning::Unclear;
            }
            self.looking = None;
            self.done = Some((vote.round, at));
        }
        // It joined on a link that is not in sight, soon after its last vote.
        let is_old = voted.is_none() && at.since(self.voted_at) >= QUIET;
        Meaning::Settled(Settled { vote, until: if is_old { self.voted_at } else { at }, voted })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const A: Address = Address::v4(1);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(0).plus(Span::from_millis(millis))
    }

    fn end(host: u32, port: u16) -> Endpoint {
        Endpoint { address: Address::v4(host), port }
    }

    fn said(state: ServerState, leader: i64, zxid: u64, round: i64) -> Notification<'static> {
        Notification {
            state,
            leader: Sid(leader),
            zxid: Zxid(zxid),
            election_epoch: round,
            peer_epoch: None,
            version: None,
            config: None,
            rest: &[],
        }
    }

    fn looks(voices: &mut Voices, port: u16, zxid: u64, round: i64, millis: i64, serves: bool) -> Meaning {
        let notification = said(ServerState::Looking, 1, zxid, round);
        voices.notification((end(1, 3888), end(2, port)), &notification, at(millis), serves)
    }

    #[test]
    fn a_repeated_vote_on_a_new_connection_is_none() {
        let mut voices = Voices::default();
        voices.hello(end(2, 40_000), end(1, 3888));
        assert_eq!(looks(&mut voices, 40_000, 0, 1, 0, false), Meaning::Unclear);
        let following = said(ServerState::Following, 3, 0, 1);
        let heard = voices.notification((end(1, 3888), end(2, 40_000)), &following, at(5), false);
        assert!(matches!(heard, Meaning::Settled(..)));
        assert_eq!(voices.acts(A, at(10), false), None);
    }

    #[test]
    fn who_serves_and_repeats_itself_does_not_look_and_who_votes_anew_does() {
        let mut voices = Voices::default();
        assert!(matches!(looks(&mut voices, 40_000, 0, 1, 0, true), Meaning::Looks(_)));
        assert!(voices.acts(A, at(10), false).is_some());
        voices.hello(end(2, 40_001), end(1, 3888));
        assert_eq!(looks(&mut voices, 40_001, 0, 1, 1_000, true), Meaning::Unclear);
        assert_eq!(voices.looks_since(A), None);
        assert!(matches!(looks(&mut voices, 40_001, 7, 2, 1_010, true), Meaning::Looks(_)));
        assert_eq!(voices.looks_since(A), Some(at(1_010)));
    }

    #[test]
    fn who_was_answered_and_looks_again_had_found_a_leader() {
        let mut voices = Voices::default();
        assert!(matches!(looks(&mut voices, 40_000, 0, 2, 0, false), Meaning::Looks(_)));
        let leading = said(ServerState::Leading, 2, 0, 1);
        voices.notification((end(2, 40_000), end(1, 3888)), &leading, at(5), true);
        let Meaning::Looks(again) = looks(&mut voices, 40_000, 0, 2, 60_000, false) else { panic!() };
        assert_eq!(again.since, at(60_000));
        // Nobody answers: it has been looking all the time.
        let Meaning::Looks(still) = looks(&mut voices, 40_000, 0, 2, 110_000, false) else { panic!() };
        assert_eq!(still.since, at(60_000));
    }

    #[test]
    fn a_first_vote_counts_once_its_sender_acts_on_it() {
        let mut voices = Voices::default();
        voices.hello(end(2, 40_000), end(1, 3888));
        assert_eq!(looks(&mut voices, 40_000, 0, 1, 0, false), Meaning::Unclear);
        assert_eq!(voices.acts(A, at(300), false).unwrap().since, at(0));
        let mut voices = Voices::default();
        voices.hello(end(2, 40_000), end(1, 3888));
        looks(&mut voices, 40_000, 0, 1, 0, false);
        let Meaning::Looks(looking) = looks(&mut voices, 40_000, 0, 1, 100, false) else { panic!() };
        assert_eq!(looking.since, at(0));
    }

    #[test]
    fn a_late_copy_of_a_vote_is_none() {
        let mut voices = Voices::default();
        assert!(matches!(looks(&mut voices, 40_000, 0, 2, 0, false), Meaning::Looks(_)));
        voices.acts(A, at(300), false);
        assert_eq!(looks(&mut voices, 40_000, 0, 2, 400, false), Meaning::Unclear);
        assert!(matches!(looks(&mut voices, 40_000, 0, 3, 500, false), Meaning::Looks(_)));
    }

    #[test]
    fn what_is_remembered_is_limited() {
        let mut voices = Voices::default();
        for host in 0..10_000u32 {
            voices.hello(end(host, 3888), end(host + 1, 40_000));
            let notification = said(ServerState::Looking, 1, 0, 1);
            voices.notification((end(host, 3888), end(host + 1, 40_000)), &notification, at(0), false);
        }
        assert!(voices.held.len() <= MAX_VOICES);
        assert!(voices.fresh.len() <= MAX_FRESH);
    }
}
