//! Client sessions, as the servers' own traffic shows them: `sessions`.

use super::ViewContext;
use crate::findings::session::{ClosedBy, Session, Sessions};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct SessionsView {
    seen: u64,
    list: Vec<SessionView>,
}

#[derive(Serialize)]
struct SessionView {
    id: String,
    timeout_ms: Option<u32>,
    servers: Vec<SessionServerView>,
    created: Option<String>,
    closed: Option<String>,
    closed_by: Option<&'static str>,
    expired_after_ms: Option<u64>,
    incident: Option<u32>,
}

#[derive(Serialize)]
struct SessionServerView {
    address: String,
    from: String,
    to: String,
}

impl SessionsView {
    pub(super) fn of(sessions: &Sessions, ctx: &ViewContext<'_>) -> Self {
        let list = sessions.list.iter().map(|session| SessionView::of(session, ctx)).collect();
        Self { seen: sessions.seen, list }
    }
}

impl SessionView {
    fn of(session: &Session, ctx: &ViewContext<'_>) -> Self {
        let servers = session.servers.iter().map(|server| SessionServerView {
            address: server.address.to_string(),
            from: ctx.time(server.from),
            to: ctx.time(server.to),
        });
        Self {
            id: format!("{:#x}", session.id),
            timeout_ms: session.timeout_ms,
            servers: servers.collect(),
            created: ctx.maybe(session.created),
            closed: ctx.maybe(session.closed),
            closed_by: session.closed_by.map(ClosedBy::name),
            expired_after_ms: session.expired_after_ms,
            incident: session.incident,
        }
    }
}
