//! Which parts have one root: one culprit, at one time.

use super::IncidentPart;
use super::heard::{Heard, Window};
use super::unit::{Open, Verdict, way_is};
use crate::address::Address;
use crate::findings::incident::{Confidence, Reason};
use crate::findings::{Cause, Suspect};
use crate::time::Span;

/// Beside one and a half limits, how far apart in time parts of one root may lie.
const MIN_GAP: Span = Span::from_millis(2_000);

/// Joins parts of one root, those of one link first.
pub(super) fn join(parts: Vec<IncidentPart>, heard: &Heard<'_>, limit: Span) -> Vec<IncidentPart> {
    let mut joined: Vec<IncidentPart> = Vec::new();
    // What is known first, so that what is not finds it.
    let (known, unknown): (Vec<_>, Vec<_>) =
        parts.into_iter().partition(|part| part.verdict.cause != Cause::Unknown);
    for part in known.into_iter().chain(unknown) {
        match joined.iter_mut().rev().find(|held| is_same(held, &part, limit, heard)) {
            Some(held) => add(held, part),
            None => joined.push(part),
        }
    }
    let mut left: Vec<IncidentPart> = Vec::new();
    for part in joined {
        match left.iter_mut().rev().find(|held| is_same(held, &part, limit, heard)) {
            Some(held) => add(held, part),
            None => left.push(part),
        }
    }
    for part in &mut left {
        widen(part, heard);
    }
    left
}

const fn is_network(cause: Cause) -> bool {
    matches!(cause, Cause::NetworkCut | Cause::NetworkLoss | Cause::NetworkMtu | Cause::NetworkSlow)
}

pub(super) fn hosts_of(suspect: Option<Suspect>) -> Vec<Address> {
    match suspect {
        Some(Suspect::Host(a) | Suspect::HostNetwork(a)) => vec![a],
        Some(Suspect::Path(a, b) | Suspect::OneWay(a, b)) => vec![a, b],
        None => Vec::new(),
    }
}

/// Whether two parts have one root.
fn is_same(held: &IncidentPart, part: &IncidentPart, limit: Span, heard: &Heard<'_>) -> bool {
    let is_unknown = |part: &IncidentPart| part.verdict.cause == Cause::Unknown;
    if is_unknown(held) && is_unknown(part) && part.stalls.iter().any(|stall| held.stalls.contains(stall)) {
        // Who went quiet is known, though not why.
        return true;
    }
    let gap = Span::from_nanos(limit.over(2).times(3).nanos().saturating_add(MIN_GAP.nanos()));
    let apart = if part.from > held.to { part.from.since(held.to) } else { held.from.since(part.to) };
    let shares = |a: &[Address], b: &[Address]| a.iter().any(|host| b.contains(host));
    if apart > gap {
        return false;
    }
    let overlaps = apart <= Span::ZERO;
    let (a, b) = (&held.verdict, &part.verdict);
    let (of_a, of_b) = (hosts_of(a.suspect), hosts_of(b.suspect));
    if a.cause == b.cause && a.cause != Cause::Unknown {
        return match a.cause {
            Cause::ProcessStalled | Cause::DiskSlow | Cause::ProcessEnded | Cause::SyncSlow => {
                a.suspect == b.suspect
            }
            Cause::NetworkCut => shares_network(held, part, limit, heard),
            _ => shares(&of_a, &of_b),
        };
    }
    if is_network(a.cause) && is_network(b.cause) {
        return shares(&of_a, &of_b);
    }
    // What nothing decides is taken along by what happened to the same link at the same time; so is what a host
    // of the culprit's links did in its wake.
    let takes_sync = is_network(a.cause) || a.cause == Cause::ProcessStalled;
    if b.cause == Cause::Unknown || b.cause == Cause::SyncSlow && takes_sync {
        return shares(&of_a, &part.hosts) && (overlaps || apart <= gap);
    }
    let is_culprit_in = |hosts: &[Address]| of_a.iter().any(|host| hosts.contains(host));
    if part.is_init
        && (is_network(a.cause) || overlaps)
        && part.hosts.iter().all(|host| held.hosts.contains(host))
    {
        return part.from >= held.from;
    }
    let lasts = held.to.max(a.end.unwrap_or(held.to));
    let is_in_it = part.from >= held.from && part.from <= lasts;
    let is_after = part.from >= held.from && part.from.since(lasts) <= gap;
    is_network(a.cause)
        && is_culprit_in(&of_b)
        && (b.cause == Cause::LinkReset && is_after || b.cause == Cause::ProcessEnded && is_in_it)
}

/// Whether two cuts are one: of the same path, or of all paths of one host that can be judged.
fn shares_network(held: &IncidentPart, part: &IncidentPart, limit: Span, heard: &Heard<'_>) -> bool {
    let (of_held, of_part) = (hosts_of(held.verdict.suspect), hosts_of(part.verdict.suspect));
    let shared: Vec<Address> = of_held.iter().copied().filter(|host| of_part.contains(host)).collect();
    if shared.len() != 1 || of_held.len() == 1 {
        return !shared.is_empty();
    }
    // While both last: beyond a limit one may be over.
    let from = held.from.max(part.from);
    let half = Span::from_millis(500);
    let window = Window { from: from.plus(half), to: from.plus(limit).minus(half) };
    shared.iter().all(|host| {
        heard.peers(*host).into_iter().all(|peer| {
            let is_cut = held.hosts.contains(&peer) || part.hosts.contains(&peer);
            let both = [way_is(heard, *host, peer, window), way_is(heard, peer, *host, window)];
            is_cut || both != [Open::Yes; 2]
        })
    })
}

/// How much a cause explains beside others of the same moment.
const fn rank(cause: Cause) -> u8 {
    match cause {
        // etcd's alone.
        Cause::Unknown | Cause::SnapshotSlow | Cause::ElectionNeedless => 0,
        Cause::SyncSlow => 1,
        Cause::ProcessEnded
        | Cause::LinkReset
        | Cause::ConnectRefused
        | Cause::ConnectUnanswered
        | Cause::ElectionLinkDead
        | Cause::PacketTooLarge
        | Cause::SyncLoop => 2,
        Cause::NetworkSlow => 3,
        Cause::NetworkCut => 4,
        Cause::NetworkMtu => 5,
        Cause::NetworkLoss => 6,
        Cause::DiskSlow | Cause::ProcessStalled => 7,
    }
}

fn add(held: &mut IncidentPart, part: IncidentPart) {
    let is_weak = part.is_init && !held.is_init && is_network(held.verdict.cause);
    // What a learner met that was brought up to date again does not say what had thrown it out, nor is it read well
    // without that.
    let is_overruled = held.is_init
        && !part.is_init
        && is_network(held.verdict.cause)
        && part.verdict.cause == Cause::Unknown
        && part.from < held.from;
    held.is_init &= part.is_init;
    held.from = held.from.min(part.from);
    held.to = held.to.max(part.to);
    held.stalls.extend(part.stalls);
    held.links.extend(part.links);
    held.hosts.extend(part.hosts);
    if is_overruled {
        held.verdict = part.verdict;
        return;
    }
    let (a, b) = (held.verdict.clone(), part.verdict);
    let (mut first, second) = if rank(b.cause) > rank(a.cause) && !is_weak { (b, a) } else { (a, b) };
    if first.cause == second.cause || is_network(first.cause) && is_network(second.cause) {
        first.start = first.start.min(second.start);
        first.end = match (first.end, second.end) {
            (Some(a), Some(b)) => Some(a.max(b)),
            _ => first.end.or(second.end),
        };
        first.suspect = common(first.suspect, second.suspect);
        first.confidence = first.confidence.max(second.confidence);
        first.why.extend(second.why);
    } else {
        // What prolonged it.
        let prolongs = |reason: &Reason| matches!(reason, Reason::AckedTooEarly { .. });
        first.why.extend(second.why.into_iter().filter(prolongs));
    }
    held.verdict = first;
}

/// What two suspects have in common.
fn common(a: Option<Suspect>, b: Option<Suspect>) -> Option<Suspect> {
    if a == b {
        return a;
    }
    let (of_a, of_b) = (hosts_of(a), hosts_of(b));
    let shared: Vec<Address> = of_a.iter().copied().filter(|host| of_b.contains(host)).collect();
    match (shared.first(), shared.get(1)) {
        (Some(first), Some(second)) => Some(Suspect::Path(*first, *second)),
        (Some(host), None) if matches!(a, Some(Suspect::Host(_))) => Some(Suspect::Host(*host)),
        (Some(host), None) => Some(Suspect::HostNetwork(*host)),
        _ => a.or(b),
    }
}

/// A path that is cut may be one of several that a host lost: then it is the host's network.
fn widen(part: &mut IncidentPart, heard: &Heard<'_>) {
    let Verdict { cause: Cause::NetworkCut, suspect: Some(suspect), .. } = &part.verdict else { return };
    let (Suspect::Path(a, b) | Suspect::OneWay(a, b)) = *suspect else { return };
    let window = Window {
        from: part.from.plus(Span::from_millis(500)),
        to: part.verdict.end.unwrap_or(part.to).max(part.to).minus(Span::from_millis(250)),
    };
    let is_lost = |host: Address, other: Address| {
        let peers: Vec<Address> =
            heard.peers(host).into_iter().filter(|peer| *peer != other && *peer != host).collect();
        let mut is_any = false;
        for peer in peers {
            let ways = [way_is(heard, host, peer, window), way_is(heard, peer, host, window)];
            if ways == [Open::Yes; 2] {
                return false;
            }
            let sees = heard.is_captured(host) || heard.is_captured(peer);
            let sent = heard.any_flow(host, peer, window);
            let back = heard.any_flow(peer, host, window);
            let is_dead =
                sees && (sent.again >= 2 && back.frames == 0 || back.again >= 2 && sent.frames == 0);
            is_any |= ways.contains(&Open::No) || is_dead;
        }
        is_any
    };
    match (is_lost(a, b), is_lost(b, a)) {
        (true, false) => part.verdict.suspect = Some(Suspect::HostNetwork(a)),
        (false, true) => part.verdict.suspect = Some(Suspect::HostNetwork(b)),
        _ => {}
    }
    if part.verdict.confidence == Confidence::Unknown {
        part.verdict.confidence = Confidence::Likely;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use crate::track::witness::Witness;

    fn part(host: u32, at: Timestamp) -> IncidentPart {
        IncidentPart {
            verdict: Verdict {
                cause: Cause::ProcessStalled,
                suspect: Some(Suspect::Host(Address::v4(host))),
                confidence: Confidence::Likely,
                start: at,
                end: None,
                why: Vec::new(),
            },
            stalls: Vec::new(),
            links: Vec::new(),
            from: at,
            to: at,
            hosts: vec![Address::v4(host)],
            is_init: false,
        }
    }

    #[test]
    fn a_limit_of_any_length_overflows_nothing() {
        let witness = Witness::default();
        let heard = Heard::new(&witness, None);
        let (early, late) = (Timestamp::from_nanos(0), Timestamp::MAX);
        let longest = Span::from_nanos(i64::MAX);
        assert!(is_same(&part(1, early), &part(1, late), longest, &heard));
        assert!(!is_same(&part(1, early), &part(2, late), longest, &heard));
        assert!(!is_same(&part(1, early), &part(1, late), Span::from_millis(10_000), &heard));
    }
}
