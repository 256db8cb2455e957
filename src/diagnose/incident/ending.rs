//! Incidents without a stall: a process that ended, and a connection that something in between reset.
//!
//! When a process ends, its kernel closes all of its connections in one moment: the links and the election
//! connections. A server that merely leaves its leader keeps the latter. A RST without an acknowledgment is never
//! what a process that closes sends (RFC 9293, section 3.10.7.1): a kernel answers so to a segment of a connection
//! that it does not know, and so do firewalls and proxies. Where both processes go on, it was one of these.

use super::heard::{Heard, Window};
use super::unit::Verdict;
use crate::address::Address;
use crate::findings::incident::{Confidence, Reason};
use crate::findings::{Cause, Suspect};
use crate::time::{Span, Timestamp};
use crate::track::link::LinkTrack;
use crate::track::wait::Wait;
use crate::track::witness::Kinds;
use std::collections::{BTreeMap, BTreeSet};

/// Within this time the kernel of a process that ended closes all its connections.
const ONE_MOMENT: Span = Span::from_millis(400);
/// For so long after a close the capture must go on, or nothing tells what became of it.
const MIN_AFTER: Span = Span::from_millis(2_000);
/// Within this time a server whose connection was reset speaks again.
const GOES_ON: Span = Span::from_millis(2_500);

/// A connection's end.
#[derive(Clone, Copy, Debug)]
struct EndedConnection {
    at: Timestamp,
    by: Address,
    to: Address,
    is_link: Option<u32>,
    is_bare_reset: bool,
}

/// The ends of all connections, in order of time.
fn ends(links: &[LinkTrack], heard: &Heard<'_>) -> Vec<EndedConnection> {
    let of_links = links.iter().filter_map(|link| {
        let closed = link.teardown.closed?;
        let (leader, learner) = (link.opened.leader.address, link.opened.learner.address);
        let (by, to) = if closed.by_leader { (leader, learner) } else { (learner, leader) };
        let moment = Window {
            from: closed.at.minus(Span::from_millis(250)),
            to: closed.at.plus(Span::from_millis(250)),
        };
        let is_bare_reset = closed.reset && heard.any_flow_edges(by, to, moment).has(Kinds::BARE_RST);
        Some(EndedConnection { at: closed.at, by, to, is_link: Some(link.id), is_bare_reset })
    });
    let of_others = heard.connections().filter_map(|connection| {
        let ended = connection.ended?;
        let ends = [connection.dialer.address, connection.acceptor.address];
        let to = if ends.first() == Some(&ended.by) { ends.last() } else { ends.first() };
        Some(EndedConnection {
            at: ended.at,
            by: ended.by,
            to: to.copied()?,
            is_link: None,
            is_bare_reset: ended.is_bare,
        })
    });
    let mut ends: Vec<_> = of_links.chain(of_others).collect();
    ends.sort_by_key(|end| end.at);
    ends
}

/// Processes that ended, with the links that they closed.
pub(super) fn ended(
    links: &[LinkTrack],
    heard: &Heard<'_>,
    capture_end: Timestamp,
) -> Vec<(Verdict, Vec<u32>)> {
    let mut found: Vec<(Verdict, Vec<u32>)> = Vec::new();
    let ends = ends(links, heard);
    let mut by_host: BTreeMap<Address, Vec<EndedConnection>> = BTreeMap::new();
    for end in &ends {
        by_host.entry(end.by).or_default().push(*end);
    }
    for (host, ends) in by_host {
        let mut rest = &ends[..];
        while let Some(first) = rest.first() {
            let (moment, later) =
                rest.split_at(rest.partition_point(|end| end.at.since(first.at) <= ONE_MOMENT));
            rest = later;
            if capture_end.since(first.at) < MIN_AFTER {
                continue;
            }
            found.extend(process_end(host, moment, links, heard));
        }
    }
    found
}

/// Whether the connections that a host closed in one moment are all it had.
fn process_end(
    host: Address,
    moment: &[EndedConnection],
    links: &[LinkTrack],
    heard: &Heard<'_>,
) -> Option<(Verdict, Vec<u32>)> {
    let at = moment.first()?.at;
    let last = moment.last()?.at;
    let of_links: Vec<u32> = moment.iter().filter_map(|end| end.is_link).collect();
    let elections: BTreeSet<Address> =
        moment.iter().filter(|end| end.is_link.is_none()).map(|end| end.to).collect();
    if of_links.is_empty() || elections.is_empty() || moment.iter().any(|end| end.is_bare_reset) {
        return None;
    }
    // A connection that it kept shows that it went on. Servers hold one election connection for each pair: an
    // older one was given up.
    let mut newest: BTreeMap<Address, (Timestamp, Option<Timestamp>)> = BTreeMap::new();
    for connection in heard.connections().filter(|connection| connection.opened < at) {
        let ends = [connection.dialer.address, connection.acceptor.address];
        let Some(peer) = ends.into_iter().find(|end| *end != host).filter(|_| ends.contains(&host)) else {
            continue;
        };
        let held = newest.entry(peer).or_insert((connection.opened, None));
        if connection.opened >= held.0 {
            *held = (connection.opened, connection.ended.map(|ended| ended.at));
        }
    }
    let keeps_election =
        newest.values().any(|(_, ended)| ended.is_none_or(|ended| ended > last.plus(ONE_MOMENT)));
    let mut newest: BTreeMap<(Address, Address), Option<Timestamp>> = BTreeMap::new();
    for link in links.iter().filter(|link| link.is_recognised && link.opened.at < at) {
        let ends = (link.opened.leader.address, link.opened.learner.address);
        if ends.0 == host || ends.1 == host {
            newest.insert(ends, link.teardown.closed.map(|closed| closed.at));
        }
    }
    // Of a learner only its last link counts: it has one leader.
    let last_leader = links
        .iter()
        .filter(|link| link.opened.learner.address == host && link.opened.at < at)
        .max_by_key(|link| link.opened.at)
        .map(|link| link.opened.leader.address);
    let keeps_link = newest.iter().any(|((leader, learner), ended)| {
        let counts = *leader == host || *learner == host && Some(*leader) == last_leader;
        counts && ended.is_none_or(|ended| ended > last.plus(ONE_MOMENT))
    });
    if keeps_election || keeps_link {
        return None;
    }
    let end = heard.first_start(host, last.plus(ONE_MOMENT));
    // A process does not start again so soon.
    if end.is_some_and(|end| end.since(at) < Span::from_millis(1_000)) {
        return None;
    }
    let verdict = Verdict {
        cause: Cause::ProcessEnded,
        suspect: Some(Suspect::Host(host)),
        confidence: Confidence::Proven,
        start: at,
        end,
        why: vec![Reason::ClosedAllAtOnce { host, connections: moment.len() }],
    };
    Some((verdict, of_links))
}

/// Links that were reset though both processes went on.
pub(super) fn reset(
    links: &[LinkTrack],
    heard: &Heard<'_>,
    limit: Span,
    limit_of: &dyn Fn(&Wait) -> Span,
    capture_end: Timestamp,
) -> Vec<(Verdict, Vec<u32>)> {
    let mut found = Vec::new();
    for link in links {
        let Some(closed) = link.teardown.closed.filter(|closed| closed.reset && link.is_recognised) else {
            continue;
        };
        let (leader, learner) = (link.opened.leader.address, link.opened.learner.address);
        let (by, to) = if closed.by_leader { (leader, learner) } else { (learner, leader) };
        if capture_end.since(closed.at) < MIN_AFTER {
            continue;
        }
        // A deadline that has passed is what closes it.
        let is_over = |wait: &Wait| wait.len() > limit_of(wait) && wait.end.plus(ONE_MOMENT) >= closed.at;
        if link.waits.list.iter().any(is_over) {
            continue;
        }
        let moment = Window {
            from: closed.at.minus(Span::from_millis(250)),
            to: closed.at.plus(Span::from_millis(250)),
        };
        // Its own capture shows what it sent; what arrived elsewhere may be forged.
        let is_forged = heard.is_captured(by)
            && heard.is_captured(to)
            && !heard.flow_edges(by, to, by, moment).has(Kinds::RST);
        let is_bare = heard.any_flow_edges(by, to, moment).has(Kinds::BARE_RST);
        if !is_forged && !is_bare {
            continue;
        }
        let after = Window { from: closed.at.plus(Span::from_millis(20)), to: closed.at.plus(GOES_ON) };
        let goes_on = |host: Address| {
            let sent = heard.sent(host, after);
            sent.fresh > 0 || sent.kinds.has(Kinds::SYN.plus(Kinds::SYN_ACK))
        };
        let before = Window { from: closed.at.minus(GOES_ON), to: closed.at };
        let went_on = |from: Address, to: Address| heard.any_flow(from, to, before).fresh > 0;
        let before = Window { from: closed.at.minus(limit).minus(limit), to: closed.at };
        let loss = heard.loss(leader, learner, before).plus(heard.loss(learner, leader, before));
        if loss.again > 0 || loss.holes > 0 {
            continue;
        }
        if !goes_on(by) || !goes_on(to) || !went_on(by, to) || !went_on(to, by) {
            continue;
        }
        let verdict = Verdict {
            cause: Cause::LinkReset,
            suspect: Some(Suspect::Path(leader, learner)),
            confidence: Confidence::Proven,
            start: closed.at,
            end: Some(closed.at),
            why: vec![Reason::BothWentOn { by, to, is_forged }],
        };
        found.push((verdict, vec![link.id]));
    }
    found
}
