//! What the program tells its caller, and how it says what went wrong.

use crate::report::escape;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// How a run came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: the input was read, or the reader of the output had enough.
    Done,
    /// 1: stalls were found, and the caller asked to be told.
    StallsFound,
    /// 2: nothing could be read, or the arguments make no sense.
    Failed,
    /// 3: the input was read, and nothing in it could be analyzed: no stall found means nothing.
    NothingAnalyzed,
}

impl From<ExitStatus> for ExitCode {
    fn from(outcome: ExitStatus) -> Self {
        match outcome {
            ExitStatus::Done => Self::SUCCESS,
            ExitStatus::StallsFound => Self::from(1),
            ExitStatus::Failed => Self::from(2),
            ExitStatus::NothingAnalyzed => Self::from(3),
        }
    }
}

/// Why a run stopped.
#[derive(Debug)]
pub(super) enum Failure {
    /// One sentence for each thing that is wrong.
    Wrong(Vec<String>),
    /// The output could not be written.
    Output(io::Error),
}

impl Failure {
    /// One thing is wrong.
    pub(super) fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(vec![what.into()])
    }

    /// Says it on standard error, and what follows from it.
    pub(super) fn report(self) -> ExitStatus {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitStatus::Done,
            Self::Output(error) => {
                complain(format_args!("cannot write the output: {error}"));
                ExitStatus::Failed
            }
            Self::Wrong(sentences) => {
                for sentence in sentences {
                    complain(format_args!("{sentence}"));
                }
                ExitStatus::Failed
            }
        }
    }
}

#[cfg(feature = "live")]
impl From<crate::live::LiveError> for Failure {
    fn from(error: crate::live::LiveError) -> Self {
        Self::wrong(error.sentence())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Writes a line to standard error, safe to show.
pub(super) fn complain(what: fmt::Arguments<'_>) {
    let line = what.to_string();
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "qscope: {}", escape::text(&line));
}
