//! Merges the frames of growing files in order of time.
//!
//! Writers buffer frames for a moment, so a frame is passed on only when no other file can still deliver an
//! earlier one. A file that has not grown for [`PATIENCE`] delays nothing.

use super::{Active, PassedOver};
use crate::capture::Batch;
use crate::time::{Span, Timestamp};

/// How long frames wait for another file to catch up.
pub(super) const PATIENCE: Span = Span::from_millis(1_000);
/// Passes on the frames that no file can precede any more; frames before `from` are dropped and counted.
pub(super) fn pour(active: &mut [Active], now: Timestamp, out: &mut Batch) {
    let limit = if active.len() > 1 { limit(active, now) } else { Timestamp::MAX };
    pour_until(active, limit, out);
}

/// Passes on the frames up to a time.
pub(super) fn pour_until(active: &mut [Active], limit: Timestamp, out: &mut Batch) {
    loop {
        let next = active
            .iter_mut()
            .filter_map(|file| Some((file.waiting.next_at().filter(|at| *at <= limit)?, file)))
            .min_by_key(|(at, file)| (*at, file.source.file()));
        let Some((at, file)) = next else { break };
        let waiting = &mut file.waiting;
        if let Some(frame) = waiting.batch.frame(waiting.next)
            && file.from.is_none_or(|from| at > from)
        {
            out.add(&frame);
        } else {
            let PassedOver { frames, first, last } = &mut file.passed_over;
            *frames = frames.saturating_add(1);
            *first = Some(first.map_or(at, |first| first.min(at)));
            *last = (*last).max(Some(at));
        }
        waiting.next = waiting.next.saturating_add(1);
    }
    active.iter_mut().for_each(|file| file.waiting.tidy());
}

/// Up to when frames may be passed on: a file that is behind, or that may grow on, holds the others up.
fn limit(active: &[Active], now: Timestamp) -> Timestamp {
    let behind = active.iter().filter(|file| !file.is_at_end);
    let behind = behind.map(|file| file.waiting.last_at.unwrap_or(Timestamp::MIN)).min();
    let is_growing = |file: &&Active| !file.is_closed && now.since(file.grew_at) < PATIENCE;
    let growing = active.iter().filter(is_growing).filter_map(|file| file.waiting.last_at).min();
    let waited = active.iter().filter_map(|file| file.waiting.since).min();
    // Whoever writes fast is not held up by who writes slowly: what waits is bounded.
    let has_waited = waited.is_some_and(|since| now.since(since) >= PATIENCE)
        || active.iter().any(|file| file.waiting.is_full());
    let growing = growing.filter(|_| !has_waited);
    behind.into_iter().chain(growing).min().unwrap_or(Timestamp::MAX)
}
