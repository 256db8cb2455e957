//! What packages carry beside the binary: shell completions and man pages, made from the arguments themselves.

use super::args::Cli;
use super::exit::{ExitStatus, Failure};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io::{self, Write};
use std::path::PathBuf;

/// Which shell.
#[derive(Args, Debug)]
pub(super) struct CompletionArgs {
    /// The shell to complete for.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Where to.
#[derive(Args, Debug)]
pub(super) struct ManArgs {
    /// The folder to write the pages to; it must exist.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Prints a completion script.
pub(super) fn completions(args: &CompletionArgs) -> Result<ExitStatus, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "qscope", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(ExitStatus::Done)
}

/// Writes a man page for the program and one for each of its commands.
pub(super) fn man(args: &ManArgs) -> Result<ExitStatus, Failure> {
    clap_mangen::generate_to(Cli::command(), &args.folder).map_err(|error| {
        Failure::wrong(format!("man pages cannot be written to {}: {error}", args.folder.display()))
    })?;
    Ok(ExitStatus::Done)
}
