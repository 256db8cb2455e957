//! Elections: who was looking, from when to when, and who won.
//!
//! An election begins with the first vote of a voter that looks and ends when a learner turns to the leader of a
//! new epoch (the first packet of a new link). A server that comes back to a standing leader votes too, and elects
//! nobody: the others answer that they follow, and the leader's epoch is an old one. Where the captures do not
//! show the end, the election has none.
//!
//! Source: `apache/zookeeper: zookeeper-server/.../server/quorum/FastLeaderElection.java`.

use super::voice::{Looking, Vote};
use crate::address::Address;
use crate::findings::Election;
use crate::proto::Sid;
use crate::time::{Span, Timestamp};
use std::collections::VecDeque;

/// Elections kept for the report; beyond, the oldest are evicted.
const MAX_ELECTIONS: usize = 4_096;
/// Servers named as looking in one election.
const MAX_LOOKING: usize = 64;
/// Answers remembered of one election, and notifications before it.
const MAX_ANSWERS: usize = 64;
/// Notifications so soon after the end still belong to it.
const AFTERMATH: Span = Span::from_millis(1_000);
/// So soon after it began, one server's vote is not announced as an election: whoever has a leader answers.
const ANSWERED_WITHIN: Span = Span::from_millis(1_000);

/// A voter and when it was seen to look.
#[derive(Clone, Copy, Debug)]
struct Voter {
    address: Address,
    first: Timestamp,
    last: Timestamp,
    vote: Vote,
}

/// A server that says that it follows or leads.
#[derive(Clone, Copy, Debug)]
struct SettledServer {
    from: Address,
    at: Timestamp,
    leader: Sid,
    round: i64,
}

#[derive(Clone, Debug)]
struct Held {
    election: Election,
    voters: Vec<Voter>,
    answers: Vec<SettledServer>,
    leader: Option<Address>,
    /// Who turned to it first, with its last vote.
    joiner: Option<(Address, Option<Vote>)>,
    rounds: Option<(i64, i64)>,
    /// The highest epoch known when it began.
    epoch_before: Option<u32>,
    /// The epoch that the joiner had accepted before.
    accepted: Option<u32>,
    /// Since when it is over for all that one of its voters says, though its end was not seen.
    over_at: Option<Timestamp>,
    last_at: Timestamp,
}

impl Held {
    fn new(at: Timestamp, epoch_before: Option<u32>) -> Self {
        let election = Election {
            start: at,
            end: None,
            leader_sid: None,
            epoch: None,
            votes: 0,
            by: Vec::new(),
            rounds: 0,
            handover_to: None,
        };
        Self {
            election,
            voters: Vec::new(),
            answers: Vec::new(),
            leader: None,
            joiner: None,
            rounds: None,
            epoch_before,
            accepted: None,
            over_at: None,
            last_at: at,
        }
    }

    fn is_current(&self, at: Timestamp) -> bool {
        match self.election.end {
            Some(end) => at.since(end) < AFTERMATH,
            None => self.over_at.is_none(),
        }
    }

    /// Whether something said in a round belongs to a later election, where no link shows how this one ended: it had
    /// been quiet, and whoever looks again begins a new round.
    fn is_before(&self, round: i64, at: Timestamp) -> bool {
        self.election.end.is_none()
            && self.rounds.is_some()
            && round > self.highest_round()
            && at.since(self.last_at) >= AFTERMATH
    }

    fn highest_round(&self) -> i64 {
        self.rounds.map_or(i64::MIN, |(_, high)| high)
    }

    fn is_voter(&self, address: Address) -> bool {
        self.voters.iter().any(|voter| voter.address == address)
    }

    /// Whether servers that did not vote said that they have a leader.
    fn is_answered(&self) -> bool {
        self.answers.iter().any(|answer| !self.is_voter(answer.from))
    }

    /// Whether its voters came back to a leader that stood all the time. `sid_of` names servers.
    fn is_rejoin(&self, sid_of: &impl Fn(Address) -> Option<Sid>) -> bool {
        let Some(leader) = self.leader else { return self.voters.len() < 2 && self.is_answered() };
        if let Some(epoch) = self.election.epoch
            && (self.epoch_before.is_some_and(|before| epoch <= before) || self.accepted == Some(epoch))
        {
            return true;
        }
        // Others had the same leader before: in this round, where the epoch is new to the captures.
        let is_new = self.election.epoch.is_some() && self.epoch_before.is_some();
        let sid = sid_of(leader);
        let end = self.election.end.unwrap_or(Timestamp::MAX);
        let before = self.answers.iter().filter(|answer| answer.at < end && !self.is_voter(answer.from));
        before.into_iter().any(|answer| {
            let is_same = sid.is_none_or(|sid| answer.leader == sid);
            is_same && (sid.is_some() && !is_new || answer.round >= self.highest_round())
        })
    }

    /// Who won, by the votes: what servers said behind it, or what the joiner had voted last. Nobody is known where
    /// others voted for another one after that: whoever said it was alone with it.
    fn winner_by_votes(&self, sid_of: &impl Fn(Address) -> Option<Sid>) -> Option<Sid> {
        let said = self
            .answers
            .iter()
            .rev()
            .find(|answer| answer.round >= self.highest_round() && answer.leader.0 >= 0);
        let voted = || {
            let (joiner, vote) = self.joiner?;
            let sid = vote?.leader;
            (sid.0 >= 0 && sid_of(joiner) != Some(sid)).then_some(sid)
        };
        let is_denied = |answer: &SettledServer| {
            self.voters.iter().any(|voter| {
                voter.vote.round >= answer.round
                    && voter.last > answer.at
                    && voter.vote.leader.0 >= 0
                    && voter.vote.leader != answer.leader
            })
        };
        match said {
            Some(answer) => (!is_denied(answer)).then_some(answer.leader),
            None => voted(),
        }
    }

    fn finish(&self, sid_of: &impl Fn(Address) -> Option<Sid>) -> Election {
        let mut election = self.election.clone();
        election.rounds = self.rounds.map_or(0, |(low, high)| low.abs_diff(high).saturating_add(1));
        election.leader_sid = self.leader.and_then(sid_of).or_else(|| self.winner_by_votes(sid_of));
        election
    }
}

/// All elections of a capture.
#[derive(Clone, Debug, Default)]
pub(super) struct ElectionTrack {
    held: VecDeque<Held>,
    /// The highest epoch that any link has shown.
    highest_epoch: Option<u32>,
    /// The server that a reconfiguration makes the leader, and when.
    handover: Option<(Sid, Timestamp)>,
    /// The latest notifications: a vote that was held back may make them part of an election.
    recent: VecDeque<(Timestamp, Option<SettledServer>)>,
    last_at: Timestamp,
    /// Elections evicted because there were too many.
    pub(super) evicted: u64,
    /// Servers that looked and are not named, since too many did.
    pub(super) unnamed: u64,
}

impl ElectionTrack {
    /// A server looks, and has voted at a time.
    pub(super) fn looks(
        &mut self,
        src: Address,
        looking: &Looking,
        at: Timestamp,
        sid_of: impl Fn(Address) -> Option<Sid>,
    ) {
        self.last_at = self.last_at.max(at);
        if looking.is_observer {
            return;
        }
        let is_current = self.held.back().is_some_and(|held| {
            // Whoever was answered has joined, on a link that is not in sight.
            let has_joined = held.is_answered() && at.since(held.last_at) >= AFTERMATH;
            // Who was looking before another decided goes on, and follows whom it likes.
            let goes_on = held.over_at.is_some_and(|over| looking.since <= over);
            let is_apart = self.highest_epoch.is_none() && held.is_before(looking.vote.round, looking.since);
            (held.is_current(at) || goes_on && held.election.end.is_none())
                && !(has_joined && held.election.end.is_none())
                && !is_apart
        });
        if !is_current {
            self.begin(looking.since, &sid_of);
        }
        let Some(held) = self.held.back_mut() else { return };
        held.election.start = held.election.start.min(looking.since);
        held.last_at = held.last_at.max(at);
        let is_room = held.voters.len() < MAX_LOOKING;
        match held.voters.iter_mut().find(|voter| voter.address == src) {
            Some(voter) => (voter.last, voter.vote) = (at, looking.vote),
            None if is_room => {
                held.voters.push(Voter { address: src, first: looking.since, last: at, vote: looking.vote });
                held.election.by.push(src);
            }
            None => self.unnamed += 1,
        }
        if held.election.end.is_some() {
            return;
        }
        let round = looking.vote.round;
        let (low, high) = held.rounds.unwrap_or((round, round));
        held.rounds = Some((low.min(round), high.max(round)));
    }

    fn begin(&mut self, at: Timestamp, sid_of: &impl Fn(Address) -> Option<Sid>) {
        if self.held.back().is_some_and(|held| held.is_rejoin(sid_of)) {
            self.held.pop_back();
        }
        if self.held.len() >= MAX_ELECTIONS {
            self.held.pop_front();
            self.evicted += 1;
        }
        let mut held = Held::new(at, self.highest_epoch);
        let handover = self.handover.take().filter(|(_, said)| at.since(*said) < AFTERMATH);
        held.election.handover_to = handover.map(|(sid, _)| sid);
        let recent = self.recent.iter().filter(|(said, _)| *said >= at);
        held.election.votes = recent.clone().count() as u64;
        held.answers = recent.filter_map(|(_, answer)| *answer).collect();
        self.held.push_back(held);
    }

    /// Counts a notification to the election under way.
    pub(super) fn counts(&mut self, at: Timestamp, answer: Option<(Address, &Vote)>) {
        if self.recent.len() >= MAX_ANSWERS {
            self.recent.pop_front();
        }
        let answer =
            answer.map(|(from, vote)| SettledServer { from, at, leader: vote.leader, round: vote.round });
        self.recent.push_back((at, answer));
        if let Some(held) = self.held.back_mut().filter(|held| held.is_current(at)) {
            held.election.votes += 1;
        }
    }

    /// A server says that it follows or leads. `looks_since` tells who is still looking.
    pub(super) fn settled(
        &mut self,
        src: Address,
        vote: &Vote,
        at: Timestamp,
        looks_since: impl Fn(Address) -> Option<Timestamp>,
    ) {
        self.last_at = self.last_at.max(at);
        let epoch = self.highest_epoch;
        let Some(held) = self.held.back_mut().filter(|held| held.is_current(at)) else { return };
        if epoch.is_none() && held.is_before(vote.round, at) {
            // Of an election that was not seen.
            return;
        }
        held.last_at = held.last_at.max(at);
        if held.answers.len() >= MAX_ANSWERS {
            held.answers.remove(0);
        }
        held.answers.push(SettledServer { from: src, at, leader: vote.leader, round: vote.round });
        let has_decided = held.is_voter(src) && vote.round >= held.highest_round();
        if !has_decided || held.election.end.is_some() {
            return;
        }
        held.over_at = Some(at);
        // Who began to look when the others had finished holds no part in it.
        let decided = held.voters.iter().filter(|voter| looks_since(voter.address).is_none());
        let last = decided.map(|voter| voter.last).max().unwrap_or(at);
        let is_late = |voter: &Voter| looks_since(voter.address).is_some() && voter.first > last;
        let (late, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut held.voters).into_iter().partition(is_late);
        held.voters = rest;
        held.election.by.retain(|address| !late.iter().any(|voter| voter.address == *address));
        let Some(start) = late.iter().map(|voter| voter.first).min() else { return };
        let mut later = Held::new(start, epoch);
        later.answers.push(SettledServer { from: src, at, leader: vote.leader, round: vote.round });
        later.election.by = late.iter().map(|voter| voter.address).collect();
        later.rounds = late
            .iter()
            .map(|voter| (voter.vote.round, voter.vote.round))
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        later.voters = late;
        later.last_at = at;
        self.held.push_back(later);
    }

    /// A follower has turned to a leader, in whose epoch it may have been before.
    pub(super) fn followed(
        &mut self,
        (leader, learner): (Address, Address),
        accepted: Option<u32>,
        vote: Option<Vote>,
        at: Timestamp,
    ) {
        self.last_at = self.last_at.max(at);
        let is_it = |held: &&mut Held| {
            held.election.end.is_none()
                && held.over_at.is_none_or(|over| at.since(over) < AFTERMATH)
                && (held.is_voter(learner) || held.is_voter(leader))
        };
        // Whoever looked last may have been too late for the election before.
        if let Some(held) = self.held.iter_mut().rev().take(2).find(is_it) {
            held.election.end = Some(at);
            held.leader = Some(leader);
            held.joiner = Some((learner, vote));
            held.accepted = accepted;
        }
    }

    /// A leader has named its epoch to a follower.
    pub(super) fn epoch(&mut self, leader: Address, epoch: u32, at: Timestamp) {
        self.last_at = self.last_at.max(at);
        let is_led = |held: &&mut Held| held.leader == Some(leader);
        if let Some(held) = self.held.iter_mut().rev().take(2).find(is_led) {
            held.election.epoch.get_or_insert(epoch);
        } else if let Some(held) = self.held.back_mut()
            && held.leader.is_none()
            && held.over_at.is_none_or(|over| at.since(over) < AFTERMATH)
            && held.epoch_before.is_some_and(|old| epoch > old)
        {
            // What its follower sent was not captured.
            held.election.end.get_or_insert(at);
            held.leader = Some(leader);
            held.election.epoch = Some(epoch);
        }
        self.epoch_seen(epoch);
    }

    /// A link shows its epoch.
    pub(super) fn epoch_seen(&mut self, epoch: u32) {
        self.highest_epoch = self.highest_epoch.max(Some(epoch));
    }

    /// A reconfiguration hands the lead over: COMMITANDACTIVATE names another server than the leader.
    pub(super) const fn hands_over(&mut self, to: Sid, at: Timestamp) {
        self.handover = Some((to, at));
    }

    /// How many began, rejoins too, and when the last one began if it is not over.
    #[must_use]
    pub(super) fn begun(&self) -> (u64, Option<Timestamp>) {
        let open = self.held.back().filter(|held| held.election.end.is_none());
        (self.evicted + self.held.len() as u64, open.map(|held| held.election.start))
    }

    /// How many there were, and the last one. One server's first vote is none yet: its answers come.
    #[must_use]
    pub(super) fn last(&self, sid_of: impl Fn(Address) -> Option<Sid>) -> (u64, Option<Election>) {
        let is_young =
            |held: &Held| held.voters.len() < 2 && self.last_at.since(held.election.start) < ANSWERED_WITHIN;
        let told: Vec<_> =
            self.held.iter().filter(|held| !held.is_rejoin(&sid_of) && !is_young(held)).collect();
        (self.evicted + told.len() as u64, told.last().map(|held| held.finish(&sid_of)))
    }

    /// The elections, in order; `sid_of` names those leaders whose votes were cut away.
    #[must_use]
    pub(super) fn finish(self, sid_of: impl Fn(Address) -> Option<Sid>) -> Vec<Election> {
        let told = self.held.iter().filter(|held| !held.is_rejoin(&sid_of));
        told.map(|held| held.finish(&sid_of)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{ServerState, Zxid};

    const A: Address = Address::v4(1);
    const B: Address = Address::v4(2);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(0).plus(Span::from_millis(millis))
    }

    const fn vote(leader: i64, round: i64) -> Vote {
        Vote { state: ServerState::Looking, leader: Sid(leader), zxid: Zxid(0), round }
    }

    const fn nobody(_: Address) -> Option<Sid> {
        None
    }

    /// Two servers vote for one in a round, at a time in milliseconds.
    fn votes(elections: &mut ElectionTrack, leader: i64, round: i64, millis: i64) {
        for src in [A, B] {
            let looking = Looking { since: at(millis), vote: vote(leader, round), is_observer: false };
            elections.looks(src, &looking, at(millis + 10), nobody);
        }
    }

    #[test]
    fn of_the_election_port_alone_separate_elections_stay_separate() {
        let mut elections = ElectionTrack::default();
        votes(&mut elections, 3, 1, 0);
        votes(&mut elections, 2, 2, 60_000);
        let told = elections.finish(nobody);
        let rounds: Vec<_> = told.iter().map(|election| (election.rounds, election.leader_sid)).collect();
        assert_eq!(rounds, [(1, None), (1, None)]);
        assert_eq!(told.first().map(|election| election.start), Some(at(0)));
        assert_eq!(told.last().map(|election| election.start), Some(at(60_000)));
        // A round that follows at once is one of the same election.
        let mut elections = ElectionTrack::default();
        votes(&mut elections, 3, 1, 0);
        votes(&mut elections, 3, 2, 300);
        assert_eq!(elections.finish(nobody).len(), 1);
    }

    #[test]
    fn a_winner_of_a_later_election_is_none_of_this_one() {
        let mut elections = ElectionTrack::default();
        votes(&mut elections, 3, 1, 0);
        let following = Vote { state: ServerState::Following, ..vote(2, 2) };
        elections.settled(Address::v4(3), &following, at(60_000), |_| None);
        assert_eq!(elections.finish(nobody).first().and_then(|election| election.leader_sid), None);
    }

    #[test]
    fn who_leads_by_its_own_word_alone_has_not_won() {
        let said = |later: Option<i64>| {
            let mut elections = ElectionTrack::default();
            votes(&mut elections, 3, 1, 0);
            let leading = Vote { state: ServerState::Leading, ..vote(3, 1) };
            elections.settled(Address::v4(3), &leading, at(200), |_| None);
            if let Some(leader) = later {
                votes(&mut elections, leader, 1, 300);
            }
            elections.finish(nobody).first().and_then(|election| election.leader_sid)
        };
        assert_eq!(said(None), Some(Sid(3)));
        assert_eq!(said(Some(3)), Some(Sid(3)));
        assert_eq!(said(Some(5)), None, "the others went on to vote for another");
    }
}
