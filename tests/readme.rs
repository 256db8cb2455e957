//! Checks that the documents show the tool's real output and options.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const REPORT: (&str, &str) = ("<!-- report -->\n```text\n", "```\n<!-- end of report -->");
/// What stands before the examples of a shell session that are not run.
const NOT_RUN: [&str; 17] = [
    "cargo ",
    "contrib/package.sh",
    "sudo ",
    "journalctl ",
    "ssh ",
    "tcpdump ",
    "printf ",
    "chmod ",
    "tshark ",
    "kill ",
    "apt-get ",
    "QSCOPE_",
    "git ",
    "curl ",
    "duckdb ",
    "parallel ",
    "spark-submit ",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn is_blessed() -> bool {
    std::env::var_os("QSCOPE_BLESS").is_some()
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

/// The text between two marks of a page is this one; or becomes it, where that is asked for.
fn shows(page: &str, (start, end): (&str, &str), printed: &str) {
    let text = read(page);
    let (before, rest) = text.split_once(start).unwrap();
    let (shown, after) = rest.split_once(end).unwrap();
    if is_blessed() {
        fs::write(root().join(page), format!("{before}{start}{printed}{end}{after}")).unwrap();
        return;
    }
    assert!(shown == printed, "{page}: QSCOPE_BLESS=1 writes it anew\n{printed}");
}

#[test]
fn the_report_shown_is_the_report_printed() {
    let readme = read("README.md");
    let command = readme.lines().find(|line| line.starts_with("cargo run --release -- replay")).unwrap();
    let args: Vec<_> = command.split_whitespace().skip(4).collect();
    shows("README.md", REPORT, &qscope(&args));
}

#[test]
fn the_options_shown_are_those_there_are() {
    let mut page = String::from(
        "# Commands and options\n\nAs `--help` prints them. `QSCOPE_BLESS=1 cargo test --test readme` writes this page anew.\n",
    );
    for command in [None, Some("replay"), Some("dump"), Some("export"), Some("index"), Some("live")] {
        let args: Vec<_> = command.into_iter().chain(["--help"]).collect();
        let title = command.map_or_else(|| "qscope".to_owned(), |command| format!("qscope {command}"));
        let help = qscope(&args);
        let help: Vec<_> = help.lines().map(str::trim_end).collect();
        write!(page, "\n## {title}\n\n```text\n{}\n```\n", help.join("\n")).unwrap();
    }
    if is_blessed() {
        fs::write(root().join("docs/options.md"), page).unwrap();
        return;
    }
    assert!(read("docs/options.md") == page, "QSCOPE_BLESS=1 writes it anew");
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = read("Cargo.toml");
    let page = read("docs/library.md");
    let (_, dependencies) = manifest.split_once("\n[dependencies]\n").unwrap();
    let (dependencies, _) = dependencies.split_once("\n\n").unwrap();
    for line in dependencies.lines().filter(|line| !line.starts_with('#')) {
        let (name, _) = line.split_once(' ').unwrap();
        assert!(page.contains(&format!("`{name}`")), "docs/library.md does not say why {name} is there");
    }
}

/// The lines of all fenced shell blocks of the documents, each with its page.
fn shell_lines() -> Vec<(String, String)> {
    let mut pages = vec!["README.md".to_owned()];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
            pages.push(format!("docs/{name}"));
        }
    }
    let mut lines = Vec::new();
    for page in pages {
        let text = read(&page);
        for block in text.split("```sh\n").skip(1) {
            let (block, _) = block.split_once("```").unwrap();
            lines.extend(block.replace("\\\n", " ").lines().map(|line| (page.clone(), line.to_owned())));
        }
    }
    lines
}

#[test]
fn every_command_shown_runs() {
    let (mut run, temporary) = (0, tempfile::tempdir().unwrap());
    let written = temporary.path().join("report.html");
    for (page, line) in shell_lines() {
        if line.starts_with('#')
            || NOT_RUN.iter().any(|start| line.starts_with(start))
            || line.contains("qscope live")
        {
            continue;
        }
        assert!(line.starts_with("qscope "), "{page}: neither run nor named as not to be run: {line}");
        let folder = "testdata/freeze-follower";
        let line = line
            .replace("zk1/ zk2/ zk3/", folder)
            .replace("PATH...", folder)
            .replace(" DIR", &format!(" {folder}"))
            .replace("report.html", written.to_str().unwrap())
            .replace("--parquet tables", &format!("--parquet {}", temporary.path().display()))
            .replace("zk1.log.gz", &format!("{folder}/zk1.log.gz"))
            .replace("zk5=zk5.log", &format!("zk5={folder}/zk5.log.gz"))
            .replace("zoo.cfg", &format!("{folder}/zoo.cfg"))
            .replace("10.0.0.7", "10.255.0.101");
        // What reads the output is not ours to test.
        let line = line.split(" | ").next().unwrap().replacen("qscope", env!("CARGO_BIN_EXE_qscope"), 1);
        let output =
            Command::new("sh").args(["-c", &line]).current_dir(root()).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{page}: {line}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "{page}: {line} prints nothing");
        run += 1;
    }
    assert!(run >= 4, "only {run} commands were found");
}

#[test]
fn every_page_that_is_named_is_there() {
    for page in [
        "README.md",
        "docs/installing.md",
        "docs/capturing.md",
        "docs/replay.md",
        "docs/live.md",
        "docs/export.md",
        "docs/fleet.md",
        "docs/library.md",
        "docs/limits.md",
    ] {
        let text = read(page);
        let folder = root().join(page).parent().unwrap().to_owned();
        for link in text.split("](").skip(1) {
            let (target, _) = link.split_once(')').unwrap();
            if !target.contains("://") {
                let file = target.split('#').next().unwrap();
                assert!(file.is_empty() || folder.join(file).exists(), "{page}: there is no {target}");
            }
        }
    }
}

#[test]
fn the_readme_is_short() {
    assert!(read("README.md").lines().count() < 150);
}
