//! When the ensemble served no writes: `outages[]`.

use super::ViewContext;
use crate::findings::incident::Outage;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct OutageView {
    id: u32,
    kind: &'static str,
    start: String,
    end: Option<String>,
    duration_ms: u64,
    incident: Option<u32>,
    certain: bool,
}

impl OutageView {
    pub(super) fn of(outage: &Outage, ctx: &ViewContext<'_>) -> Self {
        Self {
            id: outage.id,
            kind: outage.kind.name(),
            start: ctx.time(outage.start),
            end: ctx.maybe(outage.end),
            duration_ms: outage.duration_ms,
            incident: outage.incident,
            certain: outage.is_certain,
        }
    }
}
