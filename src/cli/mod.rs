//! The command line: arguments to work, work to an exit code.
//!
//! Threads, signals, the terminal and the clock are known here and nowhere else. Results go to standard
//! output, everything else to standard error.

#![allow(clippy::disallowed_methods, reason = "what watches the present asks clocks what it is")]

mod annotate;
mod args;
mod config;
mod dump;
mod etcd_conf;
mod exit;
#[cfg(feature = "export")]
mod export;
#[cfg(not(feature = "export"))]
#[path = "without_export.rs"]
mod export;
mod generate;
mod index;
#[cfg(feature = "live")]
mod live;
#[cfg(not(feature = "live"))]
#[path = "without_live.rs"]
mod live;
mod logs;
mod pager;
mod picture;
mod pipeline;
mod progress;
mod reader;
mod replay;
mod shorthand;
mod version;
mod zone;

pub use exit::ExitStatus;

use crate::report::escape;
use args::{Cli, Command};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};
use exit::Failure;
use std::ffi::OsString;

/// Does what the arguments say, the program's own name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitStatus {
    let args = shorthand::expanded(args);
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(failure) = neither_command_nor_file(&error) {
                return failure.report();
            }
            let error = safe_to_show(error, &args);
            // Help and version go to standard output, the rest to standard error; a closed pipe is fine.
            let _ = error.print();
            return if error.use_stderr() { ExitStatus::Failed } else { ExitStatus::Done };
        }
    };
    let result = match &cli.command {
        Command::Replay(args) => replay::run(args),
        Command::Dump(args) => dump::run(args),
        Command::Export(args) => export::run(args),
        Command::Index(args) => index::run(args),
        Command::Live(args) => live::run(args),
        Command::Completions(args) => generate::completions(args),
        Command::Man(args) => generate::man(args),
    };
    result.unwrap_or_else(|failure| failure.report())
}

/// tickTime, syncLimit and initLimit of a configuration's text, for fuzzing.
#[cfg(feature = "fuzzing")]
pub(crate) fn config_settings(text: &str) -> Result<[Option<u32>; 3], String> {
    config::settings(text)
}

/// Heartbeat interval, election timeout and how many names a configuration of etcd has, for fuzzing.
#[cfg(feature = "fuzzing")]
pub(crate) fn etcd_settings(text: &str) -> Result<(Option<u32>, Option<u32>, usize), String> {
    let peers = etcd_conf::EtcdConf::of(text)?.peers;
    Ok((peers.heartbeat_ms, peers.election_ms, peers.names.len()))
}

/// What a first word is said to be that is no command, nothing like one, and no file.
fn neither_command_nor_file(error: &clap::Error) -> Option<Failure> {
    let is_like_one = error.get(ContextKind::SuggestedSubcommand).is_some();
    if error.kind() != ErrorKind::InvalidSubcommand || is_like_one {
        return None;
    }
    let ContextValue::String(word) = error.get(ContextKind::InvalidSubcommand)? else { return None };
    let commands: Vec<_> = Cli::command().get_subcommands().map(|it| it.get_name().to_owned()).collect();
    Some(Failure::wrong(format!(
        "{word}: there is no such file or folder, and no such command; commands are {}",
        commands.join(", ")
    )))
}

/// The same error with arguments that are safe to show: file names are anybody's. Whatever is wrong with the arguments
/// is wrong with the escaped ones too.
fn safe_to_show(error: clap::Error, args: &[OsString]) -> clap::Error {
    let escaped: Vec<String> =
        args.iter().map(|arg| escape::bytes(arg.as_encoded_bytes()).into_owned()).collect();
    if args.iter().zip(&escaped).all(|(arg, escaped)| arg == escaped.as_str()) {
        return error;
    }
    match Cli::try_parse_from(&escaped) {
        Err(escaped) => escaped,
        Ok(_) => Cli::command().error(error.kind(), "the arguments make no sense"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clap_says_is_safe_to_show() {
        for arg in [
            "--\u{1b}[2J",
            "--tz=\u{1b}]0;title\u{7}",
            "--warn-at=\u{202e}50",
            "live\u{1b}[31m\nqscope: all is well",
        ] {
            let args = ["qscope", "replay", "x", arg].map(OsString::from);
            let Err(error) = Cli::try_parse_from(&args) else { continue };
            let said = safe_to_show(error, &args).to_string();
            assert!(said.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{said:?}");
            assert!(!said.lines().any(|line| line.starts_with("qscope: ")), "{said:?}");
            assert!(said.contains("\\u{"), "{said:?}");
        }
    }
}
