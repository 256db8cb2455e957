//! From which end a link was seen, and how that is known.

use super::link::LinkTrack;
use super::vantage::Vantages;
use crate::address::Address;
use crate::dissect::Direction;
use crate::findings::{End, KnownBy, Vantage};

/// Answers of the kernels needed to compare them.
const MIN_TIMED_ANSWERS: u64 = 8;
/// How much faster an end must answer to be the one where the capture was taken: a delayed ACK at one end
/// only makes the other look near.
const FASTER: u64 = 4;
/// What hosts send their frames with; each router takes one off.
const FRESH_TTLS: [u8; 3] = [64, 128, 255];

/// Where a link was seen from, and the hosts whose captures show it. `all` is the host that every connection
/// has as an end; `hosts` are those of the files as far as they are known beforehand.
pub(super) fn of(
    link: &LinkTrack,
    vantages: &Vantages,
    all: Option<Address>,
    hosts: &[Option<Address>],
) -> (Vantage, Vec<Address>) {
    let (leader, learner) = (link.opened.leader.address, link.opened.learner.address);
    let mut seen_from = Vec::new();
    let mut is_between = !link.frames.files.is_empty();
    let mut known_by = KnownBy::Connections;
    for file in &link.frames.files {
        let told = hosts.get(*file as usize).copied().flatten();
        let own = vantages.host(*file).or(if told.is_none() { all } else { None });
        is_between &= vantages.is_between(*file);
        if own.is_none() && told.is_some() {
            known_by = KnownBy::OtherCapture;
        }
        let host = own.or(told).filter(|host| *host == leader || *host == learner);
        seen_from.extend(host.filter(|host| !seen_from.contains(host)));
    }
    let end = match (seen_from.contains(&leader), seen_from.contains(&learner)) {
        (true, true) => Some(End::Both),
        (true, false) => Some(End::Leader),
        (false, true) => Some(End::Learner),
        (false, false) if is_between => Some(End::Between),
        (false, false) => None,
    };
    let vantage = match end {
        Some(end) => Vantage { end, known_by: Some(known_by) },
        None => by_ttl(link).or_else(|| by_round_trips(link)).unwrap_or_default(),
    };
    let host = match vantage.end {
        End::Leader => Some(leader),
        End::Learner => Some(learner),
        _ => None,
    };
    seen_from.extend(host.filter(|host| !seen_from.contains(host)));
    seen_from.sort_unstable();
    (vantage, seen_from)
}

/// Frames that no router has touched, against others that one has.
fn by_ttl(link: &LinkTrack) -> Option<Vantage> {
    let is_fresh = |direction| FRESH_TTLS.contains(link.frames.ttl.of(direction));
    let is_known = |direction| *link.frames.ttl.of(direction) > 0;
    if !is_known(Direction::ToLeader) || !is_known(Direction::ToLearner) {
        return None;
    }
    let end = match (is_fresh(Direction::ToLeader), is_fresh(Direction::ToLearner)) {
        (true, false) => End::Learner,
        (false, true) => End::Leader,
        _ => return None,
    };
    Some(Vantage { end, known_by: Some(KnownBy::TimeToLive) })
}

/// The kernel at the capture's own end answers without a way to go.
fn by_round_trips(link: &LinkTrack) -> Option<Vantage> {
    let least = |direction| {
        let samples = link.kernel_rtt(direction);
        samples
            .quantiles()
            .filter(|_| samples.count() >= MIN_TIMED_ANSWERS)
            .map(|quantiles| quantiles.min.max(1))
    };
    // What goes to the leader is acknowledged by the leader's kernel.
    let (by_leader, by_learner) = (least(Direction::ToLeader)?, least(Direction::ToLearner)?);
    let end = if by_leader * FASTER <= by_learner {
        End::Leader
    } else if by_learner * FASTER <= by_leader {
        End::Learner
    } else {
        return None;
    };
    Some(Vantage { end, known_by: Some(KnownBy::RoundTrips) })
}
