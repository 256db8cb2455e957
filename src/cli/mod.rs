//! The command line: arguments to work, work to an exit code.
//!
//! Threads, signals, the terminal and the clock are known here and nowhere else. Results go to standard
//! output, everything else to standard error.

mod annotate;
mod args;
mod config;
mod dump;
mod exit;
mod generate;
#[cfg(feature = "live")]
mod live;
#[cfg(not(feature = "live"))]
#[path = "without_live.rs"]
mod live;
mod logs;
mod pipeline;
mod progress;
mod reader;
mod replay;
mod version;
mod zone;

pub use exit::ExitStatus;

use args::{Cli, Command};
use clap::Parser;
use std::ffi::OsString;

/// Does what the arguments say, the program's own name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitStatus {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output, the rest to standard error; a closed pipe is fine.
            let _ = error.print();
            return if error.use_stderr() { ExitStatus::Failed } else { ExitStatus::Done };
        }
    };
    let result = match &cli.command {
        Command::Replay(args) => replay::run(args),
        Command::Dump(args) => dump::run(args),
        Command::Live(args) => live::run(args),
        Command::Completions(args) => generate::completions(args),
        Command::Man(args) => generate::man(args),
    };
    result.unwrap_or_else(|failure| failure.report())
}
