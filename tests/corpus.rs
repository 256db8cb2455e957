//! Runs the fuzzing corpus and all past crashes through the fuzzing functions.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use quorumscope::fuzzing::{FuzzTarget, TARGETS};

/// The inputs of a target, sorted by name.
fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder).join(target);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    paths.sort();
    paths
}

/// The inputs that violate a property.
fn replay(folder: &str) -> (usize, Vec<String>) {
    let mut count = 0;
    let mut failed = Vec::new();
    for &(name, target) in TARGETS {
        for path in inputs(folder, name) {
            count += 1;
            if !holds(target, &path) {
                failed.push(path.display().to_string());
            }
        }
    }
    (count, failed)
}

fn holds(target: FuzzTarget, path: &Path) -> bool {
    let data = fs::read(path).unwrap();
    catch_unwind(AssertUnwindSafe(|| target(&data))).is_ok()
}

#[test]
fn the_corpus_holds() {
    let (count, failed) = replay("corpus");
    assert!(count > 100, "{count} inputs: the corpus is part of the repository");
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn no_crash_comes_back() {
    let (_, failed) = replay("crashes");
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn every_target_has_its_program_and_its_corpus() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for &(name, _) in TARGETS {
        assert!(root.join("fuzz_targets").join(format!("{name}.rs")).is_file(), "{name}");
        assert!(!inputs("corpus", name).is_empty(), "{name}");
    }
}

#[test]
fn nothing_at_all_holds_everywhere() {
    for &(_, target) in TARGETS {
        for len in 0..64 {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                target(&vec![byte; len]);
            }
        }
    }
}
