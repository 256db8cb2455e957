//! `qscope live` in a build without live capture: says so.

use super::exit::{ExitStatus, Failure};
use clap::Args;
use std::ffi::OsString;

pub(super) const HELP: &str = "This qscope was built without live capture.";

/// Whatever is asked for.
#[derive(Args, Debug)]
pub(super) struct LiveArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    anything: Vec<OsString>,
}

/// Says how to get what is asked for.
pub(super) fn run(_args: &LiveArgs) -> Result<ExitStatus, Failure> {
    Err(Failure::wrong(
        "this qscope was built without live capture: build it with 'cargo install --path . --features live', \
         which needs libpcap and its headers ('apt install libpcap-dev'); or pipe tcpdump into it: 'tcpdump -i eth0 -s \
         96 -w - port 2888 or port 3888 | qscope replay -'",
    ))
}
