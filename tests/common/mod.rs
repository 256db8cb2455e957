//! Shared by the tests over `testdata`.

#![allow(dead_code, reason = "each test takes what it needs")]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The directory of captures.
pub(crate) fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// The report of `qscope replay` over these captures.
pub(crate) fn report(config: &Path, captures: &[PathBuf]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_qscope"))
        .args(["replay", "--format", "json", "--zoo-cfg"])
        .arg(config)
        .args(captures)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    // 3: there was nothing to analyse, and the report says why.
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "{captures:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The array under a key.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no array {key} in {value}"))
}

/// Compares a test's text with the expected file; `QSCOPE_BLESS=1` writes the file.
pub(crate) fn checked_in(name: &str, made: &str) {
    let path = testdata().join(name);
    if std::env::var_os("QSCOPE_BLESS").is_some() {
        fs::write(&path, made).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let changed: Vec<_> = made.lines().filter(|line| !kept.lines().any(|kept| kept == *line)).collect();
    let gone: Vec<_> = kept.lines().filter(|line| !made.lines().any(|made| made == *line)).collect();
    assert!(
        kept == made,
        "testdata/{name} is not what the code says now (QSCOPE_BLESS=1 writes it anew)\nnow: {changed:#?}\nchecked in: {gone:#?}"
    );
}
