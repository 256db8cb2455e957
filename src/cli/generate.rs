//! What packages carry beside the binary: shell completions and man pages, made from the arguments themselves.

use super::args::Cli;
use super::exit::{ExitStatus, Failure};
use crate::output::{self, Folder, Replace};
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
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
    let wrong = |error: output::OutputError| Failure::wrong(format!("man pages: {}", error.sentence()));
    let folder = Folder::open(&args.folder).map_err(wrong)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    for command in std::iter::once(&command).chain(command.get_subcommands()).filter(|it| !it.is_hide_set()) {
        page(&folder, command).map_err(wrong)?;
    }
    Ok(ExitStatus::Done)
}

/// Writes one page; an older one is replaced.
fn page(folder: &Folder, command: &Command) -> Result<(), output::OutputError> {
    let page = Man::new(command.clone());
    let name = page.get_filename();
    let replace = Replace { force: true, inputs: &[] };
    let mut file = folder.begin(name.as_ref(), replace)?;
    page.render(&mut file).map_err(|error| output::OutputError::io(&folder.path().join(&name), error))?;
    file.finish(replace).map(drop)
}
