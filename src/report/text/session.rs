//! Client sessions, as the ensemble's own traffic shows them.

use super::page::{Page, count};
use crate::findings::session::{ClosedBy, Session, SessionServer};
use crate::report::clock;

/// Sessions shown, the most affected first.
const SESSIONS: usize = 20;
/// Servers named of a session.
const SERVERS: usize = 4;

pub(super) fn write(page: &mut Page<'_>) {
    let sessions = &page.report.sessions;
    if sessions.seen == 0 {
        return;
    }
    page.heading(
        &count(sessions.seen, "CLIENT SESSION", "CLIENT SESSIONS"),
        "those that moved or expired in an incident first",
    );
    for session in sessions.list.iter().take(SESSIONS) {
        let line = line(page, session);
        page.hanging(2, 4, &line);
    }
    let more = sessions.seen.saturating_sub(sessions.list.len().min(SESSIONS) as u64);
    if more > 0 {
        page.paragraph(4, &format!("and {more} more; --json lists {}", sessions.list.len()));
    }
}

fn line(page: &Page<'_>, session: &Session) -> String {
    let mut parts = vec![format!("{:#x}", session.id)];
    parts.extend(session.timeout_ms.map(|ms| format!("timeout {}", clock::millis(u64::from(ms)))));
    let servers: Vec<_> =
        session.servers.iter().take(SERVERS).map(|server| self::server(page, server)).collect();
    if !servers.is_empty() {
        parts.push(format!("on {}", servers.join(", then ")));
    }
    parts.extend(session.created.map(|at| format!("created {}", page.clock().full(at))));
    parts.extend(closed(page, session));
    parts.extend(session.incident.map(|id| format!("incident #{id}")));
    parts.join("; ")
}

fn server(page: &Page<'_>, server: &SessionServer) -> String {
    let clock = page.clock();
    let (from, to) = (clock.full(server.from), clock.beside(server.to, server.from));
    format!("{} ({from} to {to})", page.name(server.address))
}

/// `expired 08:02:42.493, 9.8 s after the last sign of life of its server`.
fn closed(page: &Page<'_>, session: &Session) -> Option<String> {
    let at = page.clock().full(session.closed?);
    Some(match (session.closed_by, session.expired_after_ms) {
        (Some(ClosedBy::Client), _) => format!("closed by its client {at}"),
        (Some(ClosedBy::Expiry), Some(ms)) => {
            format!("expired {at}, {} after the last sign of life of its server", clock::millis(ms))
        }
        (Some(ClosedBy::Expiry), None) => format!("expired {at}"),
        (None, _) => format!("closed {at}"),
    })
}
