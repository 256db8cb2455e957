//! Attempts to connect: `dials[]`.

use super::ViewContext;
use crate::findings::Dial;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct DialView {
    from: String,
    to: String,
    accepted: u64,
    refused: u64,
    unanswered: u64,
    empty: u64,
    turned_away: u64,
    first: String,
    last: String,
}

impl DialView {
    pub(super) fn of(dial: &Dial, ctx: &ViewContext<'_>) -> Self {
        let Dial { from, to, accepted, refused, unanswered, empty, turned_away, first, last } = *dial;
        Self {
            from: from.to_string(),
            to: to.to_string(),
            accepted,
            refused,
            unanswered,
            empty,
            turned_away,
            first: ctx.time(first),
            last: ctx.time(last),
        }
    }
}
