//! A syncLimit that nobody named, and that the ensemble shows to be shorter than assumed.
//!
//! Who closes a link after a silence of whole ticks has most likely waited for its syncLimit. Where nothing else
//! explains the close, `diagnose` reckons with that limit. What is left is no proof, and no stall is made of it; but
//! whoever reads "No stall" beside ZooKeeper's `Read timed out` should know.

use super::page::{Page, Paint};
use crate::findings::{Deadline, Link, Origin, Report, Settings};
use crate::report::clock;
use crate::time::{Span, Timestamp};

/// How near to a whole number of ticks the silence must end, and to its end the close must come.
const MAX_DISTANCE: Span = Span::from_millis(60);
/// ZooKeeper looks for PROPOSALs without an ACK once in half a tick.
const LOOKS_PER_TICK: i64 = 2;

/// A close that a shorter syncLimit would explain.
struct Sign<'a> {
    link: &'a Link,
    by_leader: bool,
    at: Timestamp,
    wait_ms: u64,
    ticks: u64,
}

/// Whether something speaks against the syncLimit that was assumed.
pub(super) fn is_in_doubt(report: &Report) -> bool {
    most_telling(report).is_some()
}

fn most_telling(report: &Report) -> Option<Sign<'_>> {
    let settings = &report.settings;
    if settings.sync_limit_from != Origin::Default || settings.tick_from == Origin::Default {
        return None;
    }
    let signs = report.links.iter().filter_map(|link| sign(link, settings));
    // The longest: whoever waited so long was allowed to.
    let sign = signs.max_by_key(|sign| sign.ticks)?;
    let is_outlasted = longest_read_ms(report) > (sign.ticks + 1) * u64::from(settings.tick_ms);
    (!is_outlasted).then_some(sign)
}

pub(super) fn write(page: &mut Page<'_>) {
    let settings = &page.report.settings;
    let Some(sign) = most_telling(page.report) else { return };
    let (closer, other) = match sign.by_leader {
        true => (sign.link.leader, sign.link.learner),
        false => (sign.link.learner, sign.link.leader),
    };
    let line = format!(
        "{} syncLimit was assumed to be {}, but {} closed its link with {} at {} after a wait of {}, as if it \
         were {}: see what --sync-limit {} says, or name the configuration by --zoo-cfg.",
        page.paint(Paint::Yellow, "Is the limit right?"),
        settings.sync_limit,
        page.name(closer.address),
        page.name(other.address),
        page.clock().full(sign.at),
        clock::millis(sign.wait_ms),
        sign.ticks,
        sign.ticks,
    );
    page.paragraph(0, &line);
}

/// The longest wait for anything from the other side, whatever came of it.
fn longest_read_ms(report: &Report) -> u64 {
    let each = report.links.iter().flat_map(|link| Deadline::ALL.into_iter().zip(&link.headroom));
    let reads = each.filter(|(deadline, _)| matches!(deadline, Deadline::LeaderRead | Deadline::LearnerRead));
    reads.filter_map(|(_, headroom)| headroom.worst_ms).max().unwrap_or(0)
}

/// Whether a link was closed by who had waited for a whole number of ticks, fewer than the limit.
fn sign<'a>(link: &'a Link, settings: &Settings) -> Option<Sign<'a>> {
    let closed = link.closed?;
    let tick = i64::from(settings.tick_ms);
    let each = Deadline::ALL.into_iter().zip(&link.headroom);
    let waits = each.filter(|(deadline, _)| match deadline {
        Deadline::LeaderRead | Deadline::Ack => closed.by_leader,
        Deadline::LearnerRead => !closed.by_leader,
        Deadline::Init => false,
    });
    let mut signs = waits.filter_map(|(deadline, headroom)| {
        let (wait_ms, at) = headroom.worst_ms.zip(headroom.at)?;
        let wait = i64::try_from(wait_ms).ok()?;
        let slack = match deadline {
            Deadline::Ack => tick / LOOKS_PER_TICK,
            _ => 0,
        };
        let ticks = (wait + MAX_DISTANCE.millis().cast_signed()) / tick;
        let beyond = wait - ticks * tick;
        let ends_with_close = closed.at.since(at.plus(Span::from_millis(wait)));
        let is_near =
            beyond <= MAX_DISTANCE.millis().cast_signed() + slack && ends_with_close.abs() <= MAX_DISTANCE;
        let ticks = u64::try_from(ticks).ok()?;
        let is_limit = (2..u64::from(settings.sync_limit)).contains(&ticks);
        (is_near && is_limit).then_some(Sign {
            link,
            by_leader: closed.by_leader,
            at: closed.at,
            wait_ms,
            ticks,
        })
    });
    signs.next()
}
