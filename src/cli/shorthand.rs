//! `qscope PATH...` for `qscope replay PATH...`.

use clap::Subcommand;
use std::ffi::OsString;
use std::path::Path;

/// Puts `replay` before arguments that name no command: options and paths.
///
/// A command's name stays one, even where a file is called so; `./live` names the file. A word that is neither a
/// command nor a path stays too, so that the parser names the command that was meant. A command behind its options,
/// as in `qscope --json dump PATH`, is put before them, where no file is called so.
pub(super) fn expanded(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if !args.get(1).is_some_and(is_for_replay) {
        return args;
    }
    let is_late_command = |arg: &OsString| arg.to_str().is_some_and(is_command) && !Path::new(arg).exists();
    let is_option = args.get(1).and_then(|arg| arg.to_str()).is_some_and(|arg| arg.starts_with('-'));
    match args.iter().position(is_late_command).filter(|_| is_option) {
        Some(late) => args.get_mut(1..=late).unwrap_or_default().rotate_right(1),
        None => args.insert(1, "replay".into()),
    }
    args
}

fn is_command(text: &str) -> bool {
    super::args::Command::has_subcommand(text) || text == "help"
}

fn is_for_replay(first: &OsString) -> bool {
    let Some(text) = first.to_str() else { return true };
    let is_own_option = matches!(text, "-h" | "--help" | "-V" | "--version");
    if is_command(text) || is_own_option {
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
    fn a_command_may_come_behind_its_options() {
        assert_eq!(expanded("qscope --no-pager replay a.pcap"), "qscope replay --no-pager a.pcap");
        assert_eq!(expanded("qscope --json -v dump a.pcap"), "qscope dump --json -v a.pcap");
        assert_eq!(expanded("qscope a.pcap dump"), "qscope replay a.pcap dump", "behind a path it is one");
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
