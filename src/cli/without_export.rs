//! `qscope export` in a build without it: says so.

use super::exit::{ExitStatus, Failure};
use clap::Args;
use std::ffi::OsString;

pub(super) const HELP: &str = "This qscope was built without export.";

/// Whatever is asked for.
#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    anything: Vec<OsString>,
}

/// Says how to get what is asked for.
pub(super) fn run(_args: &ExportArgs) -> Result<ExitStatus, Failure> {
    Err(Failure::wrong(
        "this qscope was built without export: build it with 'cargo install --path . --features export'",
    ))
}
