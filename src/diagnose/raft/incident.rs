//! Verdicts to incidents: with the elections they led to, and how long nobody led.

use super::merge::Trouble;
use super::scene::{RaftScene, Stretch, Times};
use crate::address::Address;
use crate::findings::incident::{Confidence, Incident, Outage, OutageKind, PeerReason, Reason};
use crate::findings::raft::PeerElection;
use crate::findings::{Cause, Evidence, Shows, Suspect};
use crate::time::{Span, Timestamp};

/// Incidents and outages told; beyond, the shortest are left out.
const MAX_TOLD: usize = 1_024;
/// Frames shown of an incident.
const MAX_EVIDENCE: usize = 12;
/// Reasons told of an incident.
const MAX_REASONS: usize = 4;
/// How long after an incident an election may come that it led to, in election timeouts: who was cut off campaigns
/// with a higher term when he is back, and votes may be split.
pub(super) const AFTERMATH: i64 = 6;

/// All incidents, numbered, and all outages. Elections learn what led to them.
pub(super) fn incidents(
    scenes: &[RaftScene<'_>],
    mut verdicts: Vec<Trouble>,
    elections: &mut [PeerElection],
    times: Times,
) -> (Vec<Incident>, Vec<Outage>) {
    if verdicts.len() > MAX_TOLD {
        verdicts.sort_by_key(|verdict| std::cmp::Reverse(verdict.stretch.len()));
        verdicts.truncate(MAX_TOLD);
        verdicts.sort_by_key(|verdict| verdict.stretch.start);
    }
    let gaps: Vec<Option<Leaderless>> =
        elections.iter().map(|election| leaderless(scenes, &verdicts, election)).collect();
    for (election, gap) in elections.iter().zip(&gaps) {
        if explained_by(&verdicts, election, times).is_none()
            && let Some(unexplained) = unexplained(election, gap.as_ref(), times)
        {
            verdicts.push(unexplained);
        }
    }
    verdicts.sort_by_key(|verdict| verdict.stretch.start);
    let mut incidents: Vec<Incident> =
        (1..).zip(&verdicts).map(|(id, verdict)| incident(id, verdict)).collect();
    let mut outages = Vec::new();
    for (index, (election, gap)) in elections.iter_mut().zip(gaps).enumerate() {
        let cause = explained_by(&verdicts, election, times);
        let incident = cause.and_then(|cause| incidents.get_mut(cause));
        let id = incident.as_ref().map(|incident| incident.id);
        election.incident = id;
        let outage =
            gap.filter(|gap| gap.len() >= times.election.over(2)).map(|gap| outage(outages.len(), &gap, id));
        if let Some(incident) = incident {
            incident.elections.push(index);
            incident.outages.extend(outage.map(|outage| outage.id));
        }
        outages.extend(outage);
    }
    (incidents, outages)
}

/// A time without a leader.
#[derive(Clone, Copy, Debug)]
struct Leaderless {
    start: Timestamp,
    end: Timestamp,
    is_certain: bool,
}

impl Leaderless {
    const fn len(&self) -> Span {
        self.end.since(self.start)
    }
}

/// From the old leader's last word to the new one's first, as those show it who were not cut off themselves.
fn leaderless(scenes: &[RaftScene<'_>], verdicts: &[Trouble], election: &PeerElection) -> Option<Leaderless> {
    let old = election.before?;
    let mut start = None;
    let mut is_certain = false;
    for scene in scenes {
        let Some(host) = scene.view.host else { continue };
        let last =
            scene.voices_of(old).flat_map(|(to, _)| scene.between((old, to), (Timestamp::MIN, election.end)));
        let last = last.filter(|mark| mark.kind.is_of_leader()).map(|mark| mark.at).max();
        let Some(last) = last else { continue };
        let time = Stretch { start: last, end: Some(election.end), until: election.end };
        let is_hurt = |is: &dyn Fn(Option<Suspect>) -> bool| {
            verdicts.iter().any(|verdict| is(verdict.suspect) && verdict.stretch.overlaps(&time))
        };
        let own =
            |suspect| matches!(suspect, Some(Suspect::Host(one) | Suspect::HostNetwork(one)) if one == host);
        if is_hurt(&own) || old == host && scenes.len() > 1 {
            continue;
        }
        let path = |suspect| matches!(suspect, Some(Suspect::Path(a, b) | Suspect::OneWay(a, b)) if a == host || b == host);
        is_certain |= !is_hurt(&path);
        start = start.max(Some(last));
    }
    start.filter(|start| *start < election.end).map(|start| Leaderless {
        start,
        end: election.end,
        is_certain,
    })
}

fn outage(before: usize, gap: &Leaderless, incident: Option<u32>) -> Outage {
    Outage {
        id: u32::try_from(before + 1).unwrap_or(u32::MAX),
        kind: OutageKind::NoLeader,
        start: gap.start,
        end: Some(gap.end),
        duration_ms: gap.len().millis(),
        incident,
        is_certain: gap.is_certain,
    }
}

/// The incident that led to an election: of those in whose time or shortly after it lies, the latest.
fn explained_by(verdicts: &[Trouble], election: &PeerElection, times: Times) -> Option<usize> {
    let slack = times.election;
    let is_it = |verdict: &Trouble| {
        verdict.stretch.start.minus(slack) <= election.end
            && election.start <= verdict.stretch.until.plus(times.election.times(AFTERMATH))
    };
    let all = verdicts.iter().enumerate().filter(|(_, verdict)| is_it(verdict));
    election.before?;
    all.max_by_key(|(_, verdict)| verdict.stretch.start).map(|(index, _)| index)
}

/// A change of leaders that nothing explains; handing the lead over is none.
fn unexplained(election: &PeerElection, gap: Option<&Leaderless>, times: Times) -> Option<Trouble> {
    let from = election.before?;
    let gap = gap?;
    if election.is_transfer || gap.len() < times.election.over(2) {
        return None;
    }
    let stretch = Stretch { start: gap.start, end: Some(gap.end), until: gap.end };
    let account = super::candidate::RaftCandidate {
        root: Cause::Unknown,
        blame: super::candidate::Blame::Nobody,
        stretch,
        is_proven: false,
        reason: PeerReason::LeaderChanged { from, to: election.leader },
        members: vec![from, election.leader],
        frames: Vec::new(),
    };
    Some(Trouble { root: Cause::Unknown, suspect: None, stretch, accounts: vec![account] })
}

fn incident(id: u32, verdict: &Trouble) -> Incident {
    let mut members: Vec<Address> = Vec::new();
    let mut why = Vec::new();
    let mut evidence = Vec::new();
    for account in &verdict.accounts {
        members.extend(&account.members);
        match account.blame {
            super::candidate::Blame::Member(one) => members.push(one),
            super::candidate::Blame::Path(a, b) | super::candidate::Blame::OneWay(a, b) => {
                members.extend([a, b])
            }
            super::candidate::Blame::Nobody => {}
        }
        let reason = Reason::Peer(account.reason);
        if why.len() < MAX_REASONS && !why.contains(&reason) {
            why.push(reason);
        }
        evidence.extend(account.frames.iter().map(|(frame, at)| {
            let shows = match () {
                () if *at == account.stretch.start => Shows::PeerLast,
                () if Some(*at) == account.stretch.end => Shows::PeerNext,
                () => Shows::PeerSign,
            };
            Evidence { frame: *frame, at: *at, shows }
        }));
    }
    if verdict.root == Cause::Unknown
        && !matches!(why.first(), Some(Reason::Peer(PeerReason::LeaderChanged { .. })))
    {
        why.insert(0, Reason::Peer(PeerReason::Undecided));
    }
    members.sort_unstable();
    members.dedup();
    evidence.sort_by_key(|evidence: &Evidence| evidence.at);
    evidence.dedup_by_key(|evidence| evidence.frame);
    evidence.truncate(MAX_EVIDENCE);
    Incident {
        id,
        root: verdict.root,
        suspect: verdict.suspect,
        confidence: match () {
            () if verdict.root == Cause::Unknown => Confidence::Unknown,
            () if verdict.is_proven() => Confidence::Proven,
            () => Confidence::Likely,
        },
        start: verdict.stretch.start,
        end: verdict.stretch.end,
        duration_ms: verdict.stretch.len().millis(),
        stalls: Vec::new(),
        links: Vec::new(),
        members,
        elections: Vec::new(),
        outages: Vec::new(),
        why,
        evidence,
        count: 1,
    }
}
