//! Long text through a pager, as git does.
//!
//! `$PAGER` runs by a shell, `less` where it is not set. With `LESS` unset it gets `FRX`: what fits on one screen
//! is shown and that is all, colours pass, the screen is not cleared. No pager where standard output is no terminal,
//! with `--no-pager`, or where `$PAGER` is empty or `cat`.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};

/// The pager where nothing names one.
const CUSTOMARY: &str = "less";

/// Writes `text` to a pager where there is one, else to standard output.
///
/// # Errors
/// What standard output says.
pub(super) fn write(text: &[u8], is_allowed: bool) -> io::Result<()> {
    let pager = if is_allowed && io::stdout().is_terminal() { command(env::var("PAGER").ok()) } else { None };
    if pager.is_some_and(|pager| page(text, &pager)) {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()
}

/// The pager to run; `None` where there shall be none.
fn command(named: Option<String>) -> Option<String> {
    let command = named.unwrap_or_else(|| CUSTOMARY.to_owned());
    let command = command.trim();
    (!command.is_empty() && command != "cat").then(|| command.to_owned())
}

/// Runs the pager over `text`; false where it showed nothing, since there is no such program.
fn page(text: &[u8], pager: &str) -> bool {
    /// What a shell says of a command that it cannot run, or does not find (POSIX, 2.8.2).
    const NOT_RUN: [i32; 2] = [126, 127];
    let mut command = Command::new("sh");
    command.arg("-c").arg(pager).stdin(Stdio::piped());
    for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
        if env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    let Ok(mut child) = command.stderr(Stdio::null()).spawn() else { return false };
    if let Some(mut stdin) = child.stdin.take() {
        // Whoever reads may leave before the end.
        let _ = stdin.write_all(text);
    }
    child.wait().is_ok_and(|status| status.code().is_none_or(|code| !NOT_RUN.contains(&code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_the_pager_or_none() {
        let named = |name: &str| command(Some(name.to_owned()));
        assert_eq!(command(None).as_deref(), Some("less"));
        assert_eq!(named("less -S").as_deref(), Some("less -S"));
        assert_eq!([named(""), named(" "), named("cat")], [None, None, None]);
    }

    #[test]
    fn a_pager_that_is_not_there_shows_nothing() {
        assert!(!page(b"text", "/nonexistent/pager"));
        assert!(page(b"text", "cat > /dev/null"));
        assert!(page(&vec![b'x'; 1 << 20], "true"), "one that reads nothing is no failure");
    }
}
