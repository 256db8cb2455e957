//! Elections: who was looking, from when to when, and who won.
//!
//! An election begins with the first LOOKING notification and ends when a learner turns to its leader
//! (the first packet of a new link). A server that only comes back to a standing ensemble holds one by
//! itself. Source: `apache/zookeeper: zookeeper-server/.../server/quorum/FastLeaderElection.java`.

use crate::address::Address;
use crate::findings::Election;
use crate::proto::election::Notification;
use crate::proto::{ServerState, Sid};
use crate::time::{Span, Timestamp};
use std::collections::VecDeque;

/// Elections kept for the report; beyond, the oldest are let go.
const MAX_ELECTIONS: usize = 4_096;
/// Servers named as looking in one election.
const MAX_LOOKING: usize = 64;
/// Notifications so soon after the end still belong to it.
const AFTERMATH: Span = Span::from_millis(1_000);

#[derive(Clone, Debug)]
struct Held {
    election: Election,
    leader: Option<Address>,
    rounds: Option<(i64, i64)>,
}

/// All elections of a capture.
#[derive(Clone, Debug, Default)]
pub(super) struct Elections {
    held: VecDeque<Held>,
    /// Elections let go because there were too many.
    pub(super) evicted: u64,
    /// Notifications of servers that looked and are not named, since too many did.
    pub(super) unnamed: u64,
}

impl Elections {
    /// A notification from a server.
    pub(super) fn notification(&mut self, src: Address, notification: &Notification<'_>, at: Timestamp) {
        let is_looking = notification.state == ServerState::Looking;
        let is_current = self.held.back().is_some_and(|held| match held.election.end {
            None => true,
            Some(end) => at.since(end) < AFTERMATH,
        });
        if !is_current {
            if !is_looking {
                return;
            }
            if self.held.len() >= MAX_ELECTIONS {
                self.held.pop_front();
                self.evicted += 1;
            }
            let election = Election {
                start: at,
                end: None,
                leader_sid: None,
                epoch: None,
                votes: 0,
                by: Vec::new(),
                rounds: 0,
            };
            self.held.push_back(Held { election, leader: None, rounds: None });
        }
        let Some(held) = self.held.back_mut() else { return };
        held.election.votes += 1;
        if !is_looking {
            if notification.leader.0 >= 0 {
                held.election.leader_sid = Some(notification.leader);
            }
            return;
        }
        if !held.election.by.contains(&src) {
            if held.election.by.len() < MAX_LOOKING {
                held.election.by.push(src);
            } else {
                self.unnamed += 1;
            }
        }
        let round = notification.election_epoch;
        let (low, high) = held.rounds.unwrap_or((round, round));
        held.rounds = Some((low.min(round), high.max(round)));
    }

    /// A learner has turned to a leader.
    pub(super) fn followed(&mut self, leader: Address, leader_sid: Option<Sid>, at: Timestamp) {
        if let Some(held) = self.held.back_mut()
            && held.election.end.is_none()
        {
            held.election.end = Some(at);
            held.leader = Some(leader);
            held.election.leader_sid = leader_sid.or(held.election.leader_sid);
        }
    }

    /// A leader has named its epoch.
    pub(super) fn epoch(&mut self, leader: Address, epoch: u32) {
        if let Some(held) = self.held.back_mut()
            && held.leader == Some(leader)
        {
            held.election.epoch.get_or_insert(epoch);
        }
    }

    /// How many there were, and the last one.
    #[must_use]
    pub(super) fn last(&self) -> (u64, Option<Election>) {
        let number = self.evicted + self.held.len() as u64;
        (number, self.held.back().map(|held| held.election.clone()))
    }

    /// The elections, in order; `sid_of` names those leaders whose votes were cut away.
    #[must_use]
    pub(super) fn finish(self, sid_of: impl Fn(Address) -> Option<Sid>) -> Vec<Election> {
        self.held
            .into_iter()
            .map(|held| {
                let mut election = held.election;
                election.rounds = held.rounds.map_or(0, |(low, high)| low.abs_diff(high) + 1);
                election.leader_sid = held.leader.and_then(&sid_of).or(election.leader_sid);
                election
            })
            .collect()
    }
}
