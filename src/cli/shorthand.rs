//! `qscope PATH...` for `qscope replay PATH...`.

use clap::Subcommand;
use std::ffi::OsString;
use std::path::Path;

/// Puts `replay` before arguments that name no command: options and paths.
///
/// A command's name stays one, even where a file is called so; `./live` names the file. A word that is neither a
/// command nor a path stays too, so that the parser names the command that was meant.
pub(super) fn expanded(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_some_and(is_for_replay) {
        args.insert(1, "replay".into());
    }
    args
}

fn is_for_replay(first: &OsString) -> bool {
    let Some(text) = first.to_str() else { return true };
    let is_command = super::args::Command::has_subcommand(text) || text == "help";
    let is_own_option = matches!(text, "-h" | "--help" | "-V" | "--version");
    if is_command || is_own_option {
        return false;
    }
    text.starts_with('-') || text.contains(['/', '.']) || Path::new(text).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(line: &str) -> String {
        let args = super::expanded(line.split_whitespace().map(OsString::from));
        args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn paths_and_options_are_for_replay() {
        for line in
            ["qscope a.pcap", "qscope ./live", "qscope .", "qscope --tz local dir", "qscope -", "qscope src"]
        {
            assert_eq!(expanded(line), line.replacen("qscope", "qscope replay", 1));
        }
    }

    #[test]
    fn commands_and_what_looks_like_one_stay() {
        for line in
            ["qscope", "qscope replay a", "qscope dump a", "qscope live", "qscope help", "qscope --help"]
        {
            assert_eq!(expanded(line), line);
        }
        assert_eq!(expanded("qscope repaly a.pcap"), "qscope repaly a.pcap", "a slip is named by the parser");
        assert_eq!(expanded("qscope -V"), "qscope -V");
    }
}
