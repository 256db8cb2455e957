//! What etcd's members show, judged: by etcd's own deadlines, from each host's captures and from all together.

mod candidate;
mod election;
mod incident;
mod merge;
mod needless;
mod network;
mod raft_loop;
mod scene;
mod silence;
mod snapshot;
#[cfg(test)]
mod tests;

use crate::address::Address;
use crate::findings::incident::{Incident, Outage};
use crate::findings::raft::{
    Member, Path, PathWay, PeerElection, PeerNearMiss, PeerRoundTrips, PeerSettings, Raft,
};
use crate::findings::{Cause, Origin, Role, RoleSpan};
use crate::time::Span;
use crate::track::raft::facts::{PeerFacts, WayFacts};
use candidate::RaftCandidate;
use election::LeaderChange;
use merge::Trouble;
use scene::{RaftScene, Times};
use std::collections::{BTreeMap, BTreeSet};

/// etcd's default heartbeat interval, `--heartbeat-interval`.
const HEARTBEAT: Span = Span::from_millis(100);
/// The election timeout is customarily ten heartbeats (etcd's tuning guide; both defaults, kubeadm).
const HEARTBEATS_PER_ELECTION: i64 = 10;
/// Near misses that are told.
const MAX_NEAR_MISSES: usize = 64;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) raft: Raft,
    pub(super) incidents: Vec<Incident>,
    pub(super) outages: Vec<Outage>,
    pub(super) hosts: Vec<Address>,
}

/// Judges what is known of etcd's members; from `warn_at_percent` of a deadline on a wait is a near miss.
pub(super) fn judge(facts: &PeerFacts, warn_at_percent: u32) -> Judged {
    let is_known = !facts.members.is_empty() || facts.views.iter().any(|view| view.is_tls);
    if !is_known || facts.views.is_empty() {
        return Judged::default();
    }
    let (times, settings) = times(facts);
    let scenes: Vec<RaftScene<'_>> = facts.views.iter().map(|view| RaftScene { view, times }).collect();
    let changes: Vec<Vec<LeaderChange>> = scenes.iter().map(election::changes).collect();
    let verdicts = merge::merge(candidates(&scenes, &changes));
    let (verdicts, ended_last) = without_the_end(verdicts, facts, times);
    let verdicts = without_aftermath(verdicts, times);
    let mut elections = elections(&scenes, &changes);
    let (incidents, outages) = incident::incidents(&scenes, verdicts, &mut elections, times);
    let mut near_misses = near_misses(&scenes, times, warn_at_percent);
    near_misses.retain(|miss| !incidents.iter().any(|incident| is_within(incident, miss)));
    let mut hosts: Vec<Address> = facts.views.iter().filter_map(|view| view.host).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let paths = paths(facts);
    let members = members(facts, &elections);
    let all = members.len() as u64;
    let raft = Raft {
        settings,
        members,
        paths,
        elections,
        near_misses,
        paths_expected: all * all.saturating_sub(1) / 2,
        ended_last,
        is_tls: facts.views.iter().any(|view| view.is_tls),
        ..Raft::default()
    };
    Judged { raft, incidents, outages, hosts }
}

/// Whoever stops members and their captures stops them one after another: processes that end within an election timeout
/// of the captures' end are no incident, but out of sight.
fn without_the_end(verdicts: Vec<Trouble>, facts: &PeerFacts, times: Times) -> (Vec<Trouble>, u64) {
    let last = facts.views.iter().map(|view| view.last).max().unwrap_or_default();
    let is_end = |verdict: &Trouble| {
        verdict.root == Cause::ProcessEnded
            && verdict.stretch.end.is_none()
            && last.since(verdict.stretch.start) < times.election
    };
    let (ended, kept): (Vec<_>, Vec<_>) = verdicts.into_iter().partition(is_end);
    (kept, ended.len() as u64)
}

/// Whoever was in trouble campaigns when he is back, at a higher term: an election after that is not needless.
fn without_aftermath(mut verdicts: Vec<Trouble>, times: Times) -> Vec<Trouble> {
    let is_needless = |verdict: &Trouble| verdict.root == Cause::ElectionNeedless;
    let troubles: Vec<_> =
        verdicts.iter().filter(|verdict| !is_needless(verdict)).map(|verdict| verdict.stretch).collect();
    let aftermath = times.election.times(incident::AFTERMATH);
    verdicts.retain(|verdict| {
        let start = verdict.stretch.start;
        let led_to = |trouble: &scene::Stretch| {
            trouble.start.minus(times.election) <= start && start <= trouble.until.plus(aftermath)
        };
        !is_needless(verdict) || !troubles.iter().any(led_to)
    });
    verdicts
}

fn is_within(incident: &Incident, miss: &PeerNearMiss) -> bool {
    let until = incident.end.is_none_or(|end| miss.at <= end);
    let end = miss.at.plus(Span::from_millis(i64::try_from(miss.wait_ms).unwrap_or(i64::MAX)));
    until && end >= incident.start
}

fn candidates(scenes: &[RaftScene<'_>], changes: &[Vec<LeaderChange>]) -> Vec<RaftCandidate> {
    let mut all = Vec::new();
    for (scene, changes) in scenes.iter().zip(changes) {
        let ended = silence::endings(scene);
        all.extend(silence::silences(scene, &ended));
        all.extend(ended);
        all.extend(network::troubles(scene));
        all.extend(raft_loop::blocked(scene));
        all.extend(snapshot::slow(scene));
        all.extend(changes.iter().filter_map(|change| election::mute_leader(scene, change)));
        all.extend(changes.iter().filter_map(|change| needless::needless(scene, change)));
    }
    all
}

/// The heartbeat interval is told or measured; the election timeout is told, since it is not on the wire.
fn times(facts: &PeerFacts) -> (Times, PeerSettings) {
    let of_ms = |ms: u32| Span::from_millis(i64::from(ms));
    // Timers and a busy loop add a little.
    let ms = |span: Span| (span.micros() + 500) / 1_000;
    let measured = facts.tick.filter(|tick| tick.nanos() > 0);
    let told = &facts.told;
    let (tick, heartbeat_from) = match (told.heartbeat_ms, measured) {
        (Some(told), _) => (of_ms(told), Origin::Config),
        (None, Some(measured)) => (measured, Origin::Pings),
        (None, None) => (HEARTBEAT, Origin::Default),
    };
    let (election, election_ms, election_from) = match told.election_ms {
        Some(told) => (of_ms(told), u64::from(told), Origin::Config),
        None => (
            tick.times(HEARTBEATS_PER_ELECTION),
            ms(tick) * HEARTBEATS_PER_ELECTION.unsigned_abs(),
            Origin::Default,
        ),
    };
    let settings = PeerSettings {
        heartbeat_ms: ms(tick),
        measured_ms: measured.map(ms),
        heartbeat_from,
        election_ms,
        election_from,
    };
    (Times { tick, election }, settings)
}

/// The elections of all views, each once.
fn elections(scenes: &[RaftScene<'_>], changes: &[Vec<LeaderChange>]) -> Vec<PeerElection> {
    let mut all: Vec<PeerElection> = Vec::new();
    for (scene, changes) in scenes.iter().zip(changes) {
        let real = changes.iter().filter(|change| !election::is_denied(scenes, change));
        all.extend(real.map(|change| election::election(scene, change)));
    }
    all.sort_by_key(|election| election.end);
    let mut kept: Vec<PeerElection> = Vec::new();
    for election in all {
        let near = Span::from_millis(3_000);
        let is_known =
            |held: &&mut PeerElection| held.leader == election.leader && election.end.since(held.end) < near;
        let is_same_leader = kept.last().is_some_and(|last| last.leader == election.leader);
        match kept.iter_mut().rev().find(is_known) {
            Some(held) => {
                held.start = held.start.min(election.start);
                held.votes = held.votes.max(election.votes);
                held.is_transfer |= election.is_transfer;
                held.before = held.before.or(election.before);
                held.term = held.term.max(election.term);
                held.by.extend(election.by);
                held.by.sort_unstable();
                held.by.dedup();
            }
            // Whoever was cut off hears of a leader later than the others.
            None if is_same_leader && election.before != Some(election.leader) => {}
            None => kept.push(election),
        }
    }
    kept
}

fn near_misses(scenes: &[RaftScene<'_>], times: Times, warn_at_percent: u32) -> Vec<PeerNearMiss> {
    let least = Span::from_nanos(times.election.nanos() / 100 * i64::from(warn_at_percent));
    let mut all: Vec<PeerNearMiss> = Vec::new();
    for scene in scenes {
        for way in scene.view.voices.keys() {
            let is_of_leader = crate::track::raft::mark::MarkKind::is_of_leader;
            let gaps = scene.gaps(*way, least, is_of_leader);
            let ended = gaps.into_iter().filter(|gap| gap.end.is_some() && gap.len() < times.election);
            all.extend(ended.map(|gap| PeerNearMiss {
                member: way.1,
                leader: way.0,
                at: gap.start,
                wait_ms: gap.len().millis(),
                limit_ms: times.election.millis(),
            }));
        }
    }
    each_once(all)
}

/// The longest waits; the captures of both ends show the same one.
fn each_once(mut all: Vec<PeerNearMiss>) -> Vec<PeerNearMiss> {
    all.sort_by_key(|miss| (std::cmp::Reverse(miss.wait_ms), miss.at));
    let until = |miss: &PeerNearMiss| miss.at.plus(Span::from_millis(miss.wait_ms.cast_signed()));
    let mut kept: Vec<PeerNearMiss> = Vec::new();
    for miss in all {
        let is_same = |other: &PeerNearMiss| {
            (other.member, other.leader) == (miss.member, miss.leader)
                && miss.at < until(other)
                && other.at < until(&miss)
        };
        if kept.len() < MAX_NEAR_MISSES && !kept.iter().any(is_same) {
            kept.push(miss);
        }
    }
    kept
}

fn members(facts: &PeerFacts, elections: &[PeerElection]) -> Vec<Member> {
    let known: BTreeSet<Address> = facts
        .views
        .iter()
        .flat_map(|view| view.voices.keys().flat_map(|way| [way.0, way.1]))
        .chain(facts.members.keys().copied())
        .collect();
    let told = &facts.told.names;
    let of = |address: Address| {
        let facts = facts.members.get(&address).copied().unwrap_or_default();
        Member {
            address,
            name: told.get(&address).cloned(),
            id: facts.id,
            release: facts.link_heartbeat.and_then(release),
            roles: roles(address, elections),
            last_index: facts.last_index,
        }
    };
    known.into_iter().map(of).collect()
}

/// Which releases send link heartbeats of this size.
const fn release(link_heartbeat: u64) -> Option<&'static str> {
    match link_heartbeat {
        36 => Some("3.3"),
        38 => Some("3.4 or 3.5"),
        28 => Some("3.6"),
        10 => Some("3.7"),
        _ => None,
    }
}

fn roles(member: Address, elections: &[PeerElection]) -> Vec<RoleSpan> {
    let mut roles: Vec<RoleSpan> = Vec::new();
    for election in elections {
        let role = if election.leader == member { Role::Leader } else { Role::Follower };
        match roles.last_mut() {
            Some(last) if last.role == role => {}
            last => {
                if let Some(last) = last {
                    last.to = Some(election.end);
                }
                roles.push(RoleSpan { role, from: election.end, to: None });
            }
        }
    }
    roles
}

fn paths(facts: &PeerFacts) -> Vec<Path> {
    let mut pairs: BTreeMap<(Address, Address), BTreeSet<Address>> = BTreeMap::new();
    for view in &facts.views {
        for (a, b) in view.voices.keys() {
            let seen = pairs.entry((*a.min(b), *a.max(b))).or_default();
            seen.extend(view.host);
        }
    }
    let way = |from, to| facts.ways.get(&(from, to)).map(path_way).unwrap_or_default();
    let path = |(id, ((a, b), seen)): (u32, ((Address, Address), BTreeSet<Address>))| Path {
        id,
        members: [a, b],
        ways: [way(a, b), way(b, a)],
        seen_from: seen.into_iter().collect(),
    };
    (1..).zip(pairs).map(path).collect()
}

fn path_way(facts: &WayFacts) -> PathWay {
    let trips = |(count, sum, max): (u64, u64, u64)| PeerRoundTrips {
        count,
        mean_us: sum.checked_div(count),
        max_us: (count > 0).then_some(max),
    };
    PathWay {
        records: facts.records.clone(),
        inferred: facts.inferred.clone(),
        bytes: facts.bytes,
        retransmits: facts.retransmits,
        dialed: facts.dialed,
        refused: facts.refused,
        heartbeat: trips(facts.heartbeat_us),
        append: trips(facts.append_us),
        append_unclear: facts.append_unclear,
        kernel: trips(facts.kernel_us),
    }
}
