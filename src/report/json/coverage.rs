//! What the captures can tell: `coverage`.

use super::ViewContext;
use crate::findings::incident::{Coverage, CoverageGap, SharedAddress};
use crate::report::wording;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct CoverageView {
    stalls: &'static str,
    hosts: Vec<String>,
    hosts_expected: Option<u64>,
    links_seen: u64,
    links_expected: Option<u64>,
    from: Option<String>,
    to: Option<String>,
    gaps: Vec<GapView>,
    blind: Vec<String>,
    shared_addresses: Vec<SharedView>,
}

impl CoverageView {
    pub(super) fn of(coverage: &Coverage, ctx: &ViewContext<'_>) -> Self {
        Self {
            stalls: coverage.stalls.name(),
            hosts: coverage.hosts.iter().map(ToString::to_string).collect(),
            hosts_expected: coverage.hosts_expected,
            links_seen: coverage.links_seen,
            links_expected: coverage.links_expected,
            from: ctx.maybe(coverage.from),
            to: ctx.maybe(coverage.to),
            gaps: coverage.gaps.iter().map(|gap| GapView::of(gap, ctx)).collect(),
            blind: coverage.blind.iter().map(wording::blind).collect(),
            shared_addresses: coverage.shared_addresses.iter().map(SharedView::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct SharedView {
    address: String,
    sids: Vec<i64>,
}

impl SharedView {
    fn of(shared: &SharedAddress) -> Self {
        Self { address: shared.address.to_string(), sids: shared.sids.iter().map(|sid| sid.0).collect() }
    }
}

#[derive(Serialize)]
struct GapView {
    host: Option<String>,
    from: String,
    to: String,
}

impl GapView {
    fn of(gap: &CoverageGap, ctx: &ViewContext<'_>) -> Self {
        Self { host: gap.host.map(|host| host.to_string()), from: ctx.time(gap.from), to: ctx.time(gap.to) }
    }
}
