//! Waits: every one that took more than a tenth of its deadline.

use crate::export::{ExportError, Table, Tables};
use crate::findings::Settings;
use crate::track::wait::Ended;
use crate::track::wait_log::NotedWait;

/// Writes those that are long enough under these settings.
///
/// # Errors
/// What stands in the way of a file.
pub fn waits(waits: &[NotedWait], settings: &Settings, tables: &mut Tables) -> Result<(), ExportError> {
    for wait in waits.iter().filter(|wait| wait.is_long(settings)) {
        let (leader, learner) = (wait.leader.to_string(), wait.learner.to_string());
        let (subject, waiter) = if wait.for_leader { (leader, learner) } else { (learner, leader) };
        let limit_ms = wait.limit_ms(settings);
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
        let share = wait.len.micros() as f64 / (limit_ms.max(1) as f64 * 1_000.0);
        let row = [
            tables.run().into(),
            wait.link.into(),
            wait.deadline.name().into(),
            subject.into(),
            waiter.into(),
            wait.start.into(),
            wait.len.micros().into(),
            limit_ms.into(),
            share.into(),
            ended(wait.ended).into(),
        ];
        tables.row_at(Table::Waits, wait.start, &row)?;
    }
    Ok(())
}

const fn ended(ended: Ended) -> &'static str {
    match ended {
        Ended::Heard => "heard",
        Ended::Closed => "closed",
        Ended::CaptureEnd => "capture_end",
    }
}
