//! Client sessions and what happened to them in an incident: which of them moved to another server, which expired.

use crate::address::Address;
use crate::dissect::Direction;
use crate::findings::incident::Incident;
use crate::findings::session::{ClosedBy, Session, Sessions};
use crate::findings::{Link, Suspect};
use crate::time::Span;
use crate::track::link::LinkTrack;
use std::cmp::Reverse;

/// Sessions that a report lists.
const MAX_LISTED: usize = 1_000;
/// A server that said something so shortly before a session expired was alive: the session's client was not.
const ALIVE: Span = Span::from_millis(2_000);

/// What a report says of client sessions: the most affected first.
pub(super) fn sessions(
    mut all: Vec<Session>,
    incidents: &[Incident],
    links: &[Link],
    tracks: &[LinkTrack],
) -> Sessions {
    let seen = all.len() as u64;
    for session in &mut all {
        session.expired_after_ms = expired_after(session, tracks);
        session.incident = incident_of(session, incidents, links);
    }
    let rank = |session: &Session| {
        let has_expired = session.closed_by == Some(ClosedBy::Expiry);
        match (session.incident.is_some(), has_expired, session.servers.len() > 1) {
            (true, true, _) => 0,
            (true, false, _) => 1,
            (false, true, _) => 2,
            (false, false, true) => 3,
            (false, false, false) => 4,
        }
    };
    all.sort_by_key(|session| (rank(session), Reverse(session.expired_after_ms), session.id));
    all.truncate(MAX_LISTED);
    Sessions { seen, list: all }
}

/// How long after the last sign of life of its server a session expired; where the server lived on, after that of the
/// session itself.
fn expired_after(session: &Session, tracks: &[LinkTrack]) -> Option<u64> {
    let closed = session.closed.filter(|_| session.closed_by == Some(ClosedBy::Expiry))?;
    let last = session.servers.last()?;
    let of_server = tracks
        .iter()
        .filter(|link| link.opened.learner.address == last.address && link.opened.at <= closed)
        .map(|link| link.last_heard(Direction::ToLeader).min(closed))
        .max();
    let sign = of_server.filter(|at| closed.since(*at) > ALIVE).unwrap_or(last.to).max(last.to);
    Some(closed.since(sign).millis())
}

/// The incident in which a session expired or, at the last, moved: one that hurt the server it was on.
fn incident_of(session: &Session, incidents: &[Incident], links: &[Link]) -> Option<u32> {
    let moves = session.servers.windows(2).filter_map(|pair| match pair {
        [before, after] => Some((before.address, before.to, after.from)),
        _ => None,
    });
    let expiry = session
        .closed
        .filter(|_| session.closed_by == Some(ClosedBy::Expiry))
        .zip(session.servers.last())
        .map(|(closed, last)| (last.address, last.to, closed));
    let moves: Vec<_> = moves.collect();
    expiry.into_iter().chain(moves.into_iter().rev()).find_map(|(server, from, to)| {
        let is_its = |incident: &&Incident| {
            incident.start <= to
                && incident.end.is_none_or(|end| end >= from)
                && hurts(incident, server, links)
        };
        incidents.iter().rev().find(is_its).map(|incident| incident.id)
    })
}

/// Whether an incident was a server's, or hurt one of its links.
fn hurts(incident: &Incident, server: Address, links: &[Link]) -> bool {
    match incident.suspect {
        Some(Suspect::Host(host) | Suspect::HostNetwork(host)) if host == server => true,
        _ => links.iter().any(|link| {
            incident.links.contains(&link.id)
                && (link.learner.address == server || link.leader.address == server)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::sample;
    use crate::findings::session::SessionServer;
    use crate::time::Timestamp;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(0).plus(Span::from_millis(millis))
    }

    fn session(id: u64, servers: &[(u32, i64, i64)]) -> Session {
        let server = |(host, from, to): &(u32, i64, i64)| SessionServer {
            address: Address::v4(*host),
            from: at(*from),
            to: at(*to),
        };
        Session {
            id,
            timeout_ms: Some(4_000),
            servers: servers.iter().map(server).collect(),
            created: None,
            closed: None,
            closed_by: None,
            expired_after_ms: None,
            incident: None,
        }
    }

    fn incident(host: u32, from: i64, to: i64) -> Incident {
        Incident {
            suspect: Some(Suspect::Host(Address::v4(host))),
            start: at(from),
            end: Some(at(to)),
            id: 7,
            links: Vec::new(),
            ..sample::incident()
        }
    }

    #[test]
    fn a_session_that_moved_from_the_hurt_server_is_the_incident_s() {
        let moved = session(1, &[(1, 0, 5_000), (2, 9_000, 20_000)]);
        let earlier = session(2, &[(1, 0, 1_000), (2, 2_000, 20_000)]);
        let elsewhere = session(3, &[(3, 0, 5_000), (2, 9_000, 20_000)]);
        let found = sessions(vec![elsewhere, earlier, moved], &[incident(1, 5_000, 12_000)], &[], &[]);
        let told: Vec<_> = found.list.iter().map(|session| (session.id, session.incident)).collect();
        assert_eq!(told, [(1, Some(7)), (2, None), (3, None)]);
        assert_eq!(found.seen, 3);
    }

    #[test]
    fn an_expiry_is_reckoned_from_the_last_sign_of_life() {
        let mut expired = session(1, &[(1, 0, 5_000)]);
        (expired.closed, expired.closed_by) = (Some(at(11_500)), Some(ClosedBy::Expiry));
        let found = sessions(vec![expired], &[incident(1, 5_000, 12_000)], &[], &[]);
        assert_eq!(
            found.list.first().map(|one| (one.expired_after_ms, one.incident)),
            Some((Some(6_500), Some(7)))
        );
    }
}
