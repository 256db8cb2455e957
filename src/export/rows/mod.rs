//! Rows of a finished run, from its report.

mod event;
mod interval;
mod link;
mod read;
mod record;
mod wait;

pub use record::RecordRows;
pub use wait::waits;

use super::{ExportError, Table, Tables};
use crate::findings::Report;
use crate::time::Timestamp;

/// Writes all of a report but for its waits and records, which came while it was read. The run's own row comes
/// last: where it is there, so is all the rest.
///
/// # Errors
/// What stands in the way of a file.
pub fn report(report: &Report, tables: &mut Tables) -> Result<(), ExportError> {
    read::files(report, tables)?;
    read::servers(report, tables)?;
    link::links(report, tables)?;
    interval::intervals(report, tables)?;
    event::incidents(report, tables)?;
    event::outages(report, tables)?;
    event::elections(report, tables)?;
    event::sessions(report, tables)?;
    for table in Table::ALL.into_iter().filter(|table| *table != Table::Runs) {
        tables.finish(table)?;
    }
    read::run(report, tables)?;
    tables.finish(Table::Runs)
}

/// How long something lasted, in milliseconds; `None` where its end is not known.
fn lasted_ms(from: Timestamp, to: Option<Timestamp>) -> Option<u64> {
    to.map(|to| to.since(from).millis())
}
