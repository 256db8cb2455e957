//! The README shows what the tool prints and names what the tool takes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const START: &str = "<!-- report -->\n```text\n";
const END: &str = "```\n<!-- end of report -->";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

fn qscope(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_qscope"))
        .args(args)
        .current_dir(root())
        .stdin(Stdio::null())
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_report_shown_is_the_report_printed() {
    let readme = readme();
    let command = readme.lines().find(|line| line.starts_with("cargo run --release -- replay")).unwrap();
    let args: Vec<_> = command.split_whitespace().skip(4).collect();
    let printed = qscope(&args);
    let (before, rest) = readme.split_once(START).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    if std::env::var_os("QSCOPE_BLESS").is_some() {
        fs::write(root().join("README.md"), format!("{before}{START}{printed}{END}{after}")).unwrap();
        return;
    }
    assert!(shown == printed, "QSCOPE_BLESS=1 writes it anew\n{printed}");
}

#[test]
fn every_option_is_named() {
    let readme = readme();
    for command in ["replay", "dump", "live"] {
        let help = qscope(&[command, "--help"]);
        let options: BTreeSet<_> = help
            .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
            .filter(|word| word.len() > 3 && word.starts_with("--") && *word != "--help")
            .collect();
        assert!(options.len() > 8, "{options:?}");
        for option in options {
            assert!(readme.contains(&format!("`{option}")), "{command} {option} is not in the README");
        }
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let readme = readme();
    let (_, dependencies) = manifest.split_once("\n[dependencies]\n").unwrap();
    let (dependencies, _) = dependencies.split_once("\n\n").unwrap();
    for line in dependencies.lines() {
        let (name, _) = line.split_once(' ').unwrap();
        assert!(readme.contains(&format!("`{name}`")), "the README does not say why {name} is there");
    }
}
