//! Many accounts of one trouble to one verdict: each host's captures show a part of it.

use super::candidate::{Blame, RaftCandidate};
use super::scene::Stretch;
use crate::address::Address;
use crate::findings::{Cause, Suspect};
use crate::time::{Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Accounts of one trouble begin within so much of each other's ends.
const JOINED: Span = Span::from_millis(2_000);
/// The same of troubles that come and go: slow disks, loss.
const JOINED_LOOSELY: Span = Span::from_millis(6_000);
/// How much earlier than the last sign of life one path's last sign may be: a link heartbeat and some.
const LAST_SIGNS: Span = Span::from_millis(1_750);

/// One trouble, with all accounts of it.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) root: Cause,
    pub(super) suspect: Option<Suspect>,
    pub(super) stretch: Stretch,
    pub(super) accounts: Vec<RaftCandidate>,
}

impl Trouble {
    /// The members that it may blame.
    pub(super) fn names(&self, member: Address) -> bool {
        match self.suspect {
            Some(Suspect::Host(one) | Suspect::HostNetwork(one)) => one == member,
            Some(Suspect::Path(a, b) | Suspect::OneWay(a, b)) => a == member || b == member,
            None => false,
        }
    }

    fn shares(&self, other: &Self) -> bool {
        self.accounts.iter().any(|account| match account.blame {
            Blame::Member(one) => other.names(one),
            Blame::Path(a, b) | Blame::OneWay(a, b) => other.names(a) || other.names(b),
            Blame::Nobody => false,
        })
    }

    pub(super) fn is_proven(&self) -> bool {
        self.accounts.iter().any(|account| account.is_proven)
    }
}

/// The verdicts, in order of their starts.
pub(super) fn merge(candidates: Vec<RaftCandidate>) -> Vec<Trouble> {
    let mut of_paths: BTreeMap<u8, Vec<RaftCandidate>> = BTreeMap::new();
    let mut of_members: BTreeMap<(u8, Address), Vec<RaftCandidate>> = BTreeMap::new();
    for candidate in candidates {
        match candidate.blame {
            Blame::Member(member) => {
                of_members.entry((rank(candidate.root), member)).or_default().push(candidate)
            }
            _ => of_paths.entry(rank(candidate.root)).or_default().push(candidate),
        }
    }
    let mut verdicts = Vec::new();
    for candidates in of_members.into_values() {
        verdicts.extend(clusters(candidates).into_iter().filter_map(of_member));
    }
    for candidates in of_paths.into_values() {
        verdicts.extend(clusters(candidates).into_iter().flat_map(of_paths_at_once));
    }
    verdicts.sort_by_key(|verdict: &Trouble| (verdict.stretch.start, rank(verdict.root)));
    settle(verdicts)
}

/// Roots in the order in which they explain each other: an ended process is silent, a silent one answers late.
const fn rank(root: Cause) -> u8 {
    match root {
        Cause::ProcessEnded => 0,
        Cause::NetworkCut => 1,
        Cause::ProcessStalled => 2,
        Cause::NetworkLoss => 3,
        Cause::NetworkSlow => 4,
        Cause::DiskSlow => 5,
        Cause::SnapshotSlow => 6,
        _ => 7,
    }
}

/// Accounts by time.
fn clusters(mut candidates: Vec<RaftCandidate>) -> Vec<Vec<RaftCandidate>> {
    candidates.sort_by_key(|candidate| candidate.stretch.start);
    let mut clusters: Vec<(Timestamp, Vec<RaftCandidate>)> = Vec::new();
    for candidate in candidates {
        let joined = match candidate.root {
            Cause::DiskSlow | Cause::NetworkLoss | Cause::NetworkSlow => JOINED_LOOSELY,
            Cause::ProcessEnded => Span::ZERO,
            _ => JOINED,
        };
        match clusters.last_mut() {
            Some((until, cluster)) if candidate.stretch.start <= until.plus(joined) => {
                *until = (*until).max(candidate.stretch.until);
                cluster.push(candidate);
            }
            _ => clusters.push((candidate.stretch.until, vec![candidate])),
        }
    }
    clusters.into_iter().map(|(_, cluster)| cluster).collect()
}

fn of_member(accounts: Vec<RaftCandidate>) -> Option<Trouble> {
    let first = accounts.first()?;
    let Blame::Member(member) = first.blame else { return None };
    let root = first.root;
    let stretch = stretch(root, &accounts)?;
    Some(Trouble { root, suspect: Some(Suspect::Host(member)), stretch, accounts })
}

/// Paths that failed at once: those that have a member in common are that member's.
fn of_paths_at_once(mut accounts: Vec<RaftCandidate>) -> Vec<Trouble> {
    let mut verdicts = Vec::new();
    while let Some(first) = accounts.first() {
        let mut partners: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
        for (a, b) in accounts.iter().filter_map(|account| account.blame.pair()) {
            partners.entry(a).or_default().insert(b);
            partners.entry(b).or_default().insert(a);
        }
        let most = partners.iter().max_by_key(|(_, partners)| partners.len());
        let common = most.filter(|(_, partners)| partners.len() > 1).map(|(member, _)| *member);
        let pair = first.blame.pair();
        let (taken, rest): (Vec<_>, Vec<_>) = accounts.into_iter().partition(|account| match common {
            Some(member) => account.blame.names(member),
            None => account.blame.pair() == pair,
        });
        accounts = rest;
        let Some(root) = taken.first().map(|account| account.root) else { break };
        let suspect = match common {
            Some(member) => Some(Suspect::HostNetwork(member)),
            None => one_path(&taken),
        };
        if let Some(stretch) = stretch(root, &taken) {
            verdicts.push(Trouble { root, suspect, stretch, accounts: taken });
        }
        if pair.is_none() {
            break;
        }
    }
    verdicts
}

fn one_path(accounts: &[RaftCandidate]) -> Option<Suspect> {
    let first = accounts.first()?;
    let is_one_way = accounts.iter().all(|account| account.blame == first.blame);
    match first.blame {
        Blame::OneWay(a, b) if is_one_way => Some(Suspect::OneWay(a, b)),
        _ => first.blame.pair().map(|(a, b)| Suspect::Path(a, b)),
    }
}

/// The time of the root: from the last sign of life to the first one after; of what comes and goes, all of it.
fn stretch(root: Cause, accounts: &[RaftCandidate]) -> Option<Stretch> {
    let first = accounts.iter().map(|account| account.stretch.start).min()?;
    let until = accounts.iter().map(|account| account.stretch.until).max()?;
    let is_open = accounts.iter().any(|account| account.stretch.end.is_none());
    if matches!(root, Cause::DiskSlow | Cause::NetworkLoss | Cause::NetworkSlow) {
        return Some(Stretch { start: first, end: (!is_open).then_some(until), until });
    }
    let near = |start: Timestamp| start <= first.plus(LAST_SIGNS);
    let start = accounts.iter().map(|account| account.stretch.start).filter(|start| near(*start)).max()?;
    let ends = accounts.iter().filter_map(|account| account.stretch.end).filter(|end| *end > start);
    // Later accounts of the same trouble, as of streams that were dialed anew, reach farther.
    let reach = accounts.iter().map(|account| account.stretch.until).max()?;
    let earliest = ends.clone().min();
    let is_again = |end: Timestamp| accounts.iter().any(|account| account.stretch.start >= end);
    let end = match earliest {
        Some(end) if is_again(end) => ends.max(),
        end => end,
    };
    Some(Stretch { start, end, until: end.unwrap_or(reach) })
}

/// Lets go of what others explain, and of blame where accounts contradict each other.
fn settle(verdicts: Vec<Trouble>) -> Vec<Trouble> {
    let mut kept: Vec<Trouble> = Vec::new();
    let mut order: Vec<usize> = (0..verdicts.len()).collect();
    order.sort_by_key(|index| verdicts.get(*index).map(|verdict| rank(verdict.root)));
    for index in order {
        let Some(verdict) = verdicts.get(index) else { continue };
        let rival = kept.iter_mut().find(|other| {
            other.root != verdict.root
                && other.stretch.overlaps(&verdict.stretch)
                && (other.shares(verdict) || verdict.shares(other))
        });
        match rival {
            None => kept.push(verdict.clone()),
            Some(rival) if is_contradiction(rival, verdict) => {
                let is_own = verdict.accounts.iter().any(is_own_account);
                if is_own {
                    *rival = verdict.clone();
                } else {
                    rival.root = Cause::Unknown;
                    rival.suspect = None;
                }
            }
            Some(_) => {}
        }
    }
    kept.sort_by_key(|verdict| verdict.stretch.start);
    kept
}

/// A path that is dead, and a kernel that answers over it.
fn is_contradiction(cut: &Trouble, stalled: &Trouble) -> bool {
    cut.root == Cause::NetworkCut && stalled.root == Cause::ProcessStalled
}

/// Whether the silent member's own captures tell it.
const fn is_own_account(account: &RaftCandidate) -> bool {
    matches!(account.reason, crate::findings::incident::PeerReason::KernelAnswered { is_own: true, .. })
}
