//! What else was going on around a stall, in a line or two.

use super::page::{Page, bytes, count};
use crate::findings::{Context, LearnerLoad, Stall};

/// Learners and links named.
const NAMED: usize = 6;

pub(super) fn of_stall(page: &mut Page<'_>, stall: &Stall, label: usize) {
    let lines = [state(&stall.context), load(page, &stall.context)];
    for (index, line) in lines.into_iter().flatten().enumerate() {
        page.labelled(4, if index == 0 { "around" } else { "" }, label, &line);
    }
}

/// Writes, and what else was under way.
fn state(context: &Context) -> Option<String> {
    let mut parts = Vec::new();
    match (context.writes_per_s_before, context.writes_per_s_during) {
        (Some(before), Some(during)) => {
            parts.push(format!("{before:.0} writes/s before it, {during:.0} during"))
        }
        (Some(before), None) => parts.push(format!("{before:.0} writes/s before it")),
        (None, Some(during)) => parts.push(format!("{during:.0} writes/s")),
        (None, None) => {}
    }
    parts.extend(context.largest_proposal_bytes.map(|most| format!("PROPOSALs of at most {}", bytes(most))));
    parts.extend(context.proposals_in_flight.map(|number| format!("{number} in flight")));
    if context.is_election {
        parts.push("an election under way".to_owned());
    }
    if !context.snapshots.is_empty() {
        parts.push(format!("a snapshot under way on {}", links(&context.snapshots)));
    }
    if !context.resent_elsewhere.is_empty() {
        let sum: u64 = context.resent_elsewhere.iter().map(|(_, segments)| segments).sum();
        let ids: Vec<u32> = context.resent_elsewhere.iter().map(|(link, _)| *link).collect();
        parts.push(format!("{} sent again on {}", count(sum, "segment", "segments"), links(&ids)));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Sessions of the learners, most first.
fn load(page: &Page<'_>, context: &Context) -> Option<String> {
    let mut learners: Vec<&LearnerLoad> = context.learners.iter().filter(|load| load.sessions > 0).collect();
    learners.sort_by_key(|load| (std::cmp::Reverse(load.sessions), load.link));
    let each: Vec<_> = learners
        .iter()
        .take(NAMED)
        .map(|load| {
            let alike = load.hash_collisions.filter(|alike| *alike > 0);
            let alike =
                alike.map_or_else(String::new, |alike| format!(", {alike} of them with the same hash"));
            format!(
                "{} {} ({} a ping{alike})",
                page.name(load.learner),
                load.sessions,
                bytes(load.ping_bytes)
            )
        })
        .collect();
    (!each.is_empty()).then(|| format!("client sessions: {}", each.join(", ")))
}

fn links(ids: &[u32]) -> String {
    let shown: Vec<_> = ids.iter().take(NAMED).map(u32::to_string).collect();
    let more = if ids.len() > NAMED { format!(" and {} more", ids.len() - NAMED) } else { String::new() };
    format!("{} {}{more}", if ids.len() == 1 { "link" } else { "links" }, shown.join(", "))
}
