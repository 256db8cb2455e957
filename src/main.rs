//! The `qscope` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    quorumscope::cli::run(std::env::args_os()).into()
}
