//! A layer knows only those below it: the sources are read, and an import that runs upward is refused. So are two
//! files that take from each other, outside `cli`; one name for two types; and files over 600 lines, tests apart.
//!
//! The layers are those that the header of `src/lib.rs` lists, lowest first; modules on one line do not know
//! each other. What is compiled for tests alone may look anywhere.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules that are no layer: `testkit` is for tests, `main` and `lib` hold the rest together.
const NO_LAYERS: [&str; 3] = ["lib", "main", "testkit"];

/// The layer of each module by its line in a header: `//! 3. [`packet`]: frames to segments.`
fn layers(header: &str) -> BTreeMap<String, usize> {
    let mut layers = BTreeMap::new();
    for line in header.lines().filter_map(|line| line.strip_prefix("//! ")) {
        let Some((number, modules)) = line.split_once(". ") else { continue };
        let Ok(number) = number.parse::<usize>() else { continue };
        let modules = modules.split_once(':').map_or(modules, |(modules, _)| modules);
        for module in modules.split('`').skip(1).step_by(2) {
            assert!(layers.insert(module.to_owned(), number).is_none(), "{module} is in two layers");
        }
    }
    layers
}

/// A source without comments, strings' contents left alone: a path in a string is written as no module's.
fn without_comments(source: &str) -> String {
    source.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code)).fold(
        String::new(),
        |mut all, line| {
            all.push_str(line);
            all.push('\n');
            all
        },
    )
}

/// Up to where the bracket closes that `text` begins inside of.
fn inside(text: &str) -> &str {
    let mut depth = 1;
    let end = text.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    });
    &text[..end.unwrap_or(text.len())]
}

/// Leaves out `mod name { ... }` behind `#[cfg(test)]`, and tells the names of those that are files.
fn without_tests(code: &str) -> (String, BTreeSet<String>) {
    let mut kept = String::new();
    let mut files = BTreeSet::new();
    let mut pieces = code.split("#[cfg(test)]");
    kept.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        // Other attributes and a visibility may come between.
        let before = piece.find("mod ").filter(|at| !piece[..*at].contains(['{', ';']));
        let Some(at) = before else {
            kept.push_str(piece);
            continue;
        };
        let rest = &piece[at + "mod ".len()..];
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        match rest[name.len()..].trim_start().strip_prefix('{') {
            Some(body) => kept.push_str(&body[(inside(body).len() + 1).min(body.len())..]),
            None => {
                files.insert(name);
                kept.push_str(rest.split_once(';').map_or("", |(_, behind)| behind));
            }
        }
    }
    (kept, files)
}

/// The modules below the crate's root that a file names, `depth` modules below it itself.
fn imports(code: &str, depth: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let ups = "super::".repeat(depth);
    for root in ["crate::", ups.as_str()] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            let is_whole = before.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == ':'));
            let path = &code[at + root.len()..];
            if !is_whole || path.starts_with("super::") {
                continue;
            }
            match path.strip_prefix('{') {
                Some(group) => found.extend(heads(inside(group))),
                None => found.extend(heads(path)),
            }
        }
    }
    found
}

/// The first name of each path of a group, or of the one path that `text` begins with.
fn heads(text: &str) -> Vec<String> {
    let mut depth = 0;
    let mut heads = vec![String::new()];
    let mut is_head = true;
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.push(String::new());
                is_head = true;
                continue;
            }
            _ => {}
        }
        let is_name = c.is_alphanumeric() || c == '_';
        let head = heads.last_mut().unwrap();
        match is_name {
            true if is_head && depth == 0 => head.push(c),
            _ => is_head &= head.is_empty() && c.is_whitespace(),
        }
        if c == ';' {
            break;
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

/// The paths of a `use`, or of the one path that `text` begins with, groups taken apart.
fn paths(text: &str) -> Vec<Vec<String>> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut path = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut from, mut all) = (0, 0, Vec::new());
            let group = inside(group);
            for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
                depth += i32::from(c == '{') - i32::from(c == '}');
                if c == ',' && depth == 0 {
                    all.extend(paths(&group[from..at]).into_iter().map(|end| [path.clone(), end].concat()));
                    from = at + 1;
                }
            }
            return all;
        }
        let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        if name.is_empty() {
            break;
        }
        path.push(name.to_owned());
        match rest[name.len()..].strip_prefix("::") {
            Some(behind) => rest = behind.trim_start(),
            None => break,
        }
    }
    if path.is_empty() { Vec::new() } else { vec![path] }
}

/// What a file takes from other files of the crate: each path from the root on.
fn absolute(code: &str, modules: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for root in ["crate::", "super::"] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let (mut rest, mut base) = (&code[at..], modules.to_vec());
            if let Some(behind) = rest.strip_prefix("crate::") {
                (rest, base) = (behind, Vec::new());
            }
            while let Some(behind) = rest.strip_prefix("super::") {
                base.pop();
                rest = behind;
            }
            found.extend(paths(rest).into_iter().map(|path| [base.clone(), path].concat()));
        }
    }
    found
}

/// Files that take from each other, each with those that it takes from. A module's file and those below it are one
/// house: what a child takes from its parent is not counted, nor what it takes through it.
fn circles(files: &BTreeMap<Vec<String>, String>) -> Vec<(String, String)> {
    let taken = |modules: &Vec<String>, code: &str| -> BTreeSet<Vec<String>> {
        let file = |path: Vec<String>| {
            let len = (1..=path.len()).rev().find(|len| files.contains_key(&path[..*len]))?;
            Some(path[..len].to_vec())
        };
        absolute(code, modules)
            .into_iter()
            .filter_map(file)
            .filter(|file| !modules.starts_with(file))
            .collect()
    };
    let edges: BTreeMap<_, _> = files.iter().map(|(modules, code)| (modules, taken(modules, code))).collect();
    let reached = |from: &Vec<String>| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(file) = next.pop() {
            let new = edges.get(file).into_iter().flatten().filter(|to| seen.insert((*to).clone()));
            next.extend(new.collect::<Vec<_>>());
        }
        seen
    };
    let reached: BTreeMap<_, _> = files.keys().map(|file| (file, reached(file))).collect();
    let mut found = Vec::new();
    for (from, all) in &edges {
        for to in all.iter().filter(|to| reached.get(to).is_some_and(|back| back.contains(*from))) {
            found.push((from.join("::"), to.join("::")));
        }
    }
    found
}

/// What a file imports from its own layer's side or from above, its own module apart.
fn upward(layers: &BTreeMap<String, usize>, module: &str, imports: &BTreeSet<String>) -> Vec<String> {
    let own = layers[module];
    let is_up = |name: &&String| name.as_str() != module && layers.get(*name).is_some_and(|it| *it >= own);
    imports.iter().filter(is_up).cloned().collect()
}

/// All sources below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
    all.sort();
    all
}

/// The modules of a file's path, `src/live/mod.rs` being `live`.
fn modules_of(path: &Path, src: &Path) -> Vec<String> {
    let path = path.strip_prefix(src).unwrap().with_extension("");
    let names = path.iter().map(|name| name.to_str().unwrap().to_owned());
    names.filter(|name| name != "mod").collect()
}

/// The code of each file by its modules, without what is compiled for tests alone.
fn files(src: &Path) -> BTreeMap<Vec<String>, String> {
    let mut files = BTreeMap::new();
    let mut tests = BTreeSet::new();
    for path in sources(src) {
        let modules = modules_of(&path, src);
        let (code, of_tests) = without_tests(&without_comments(&fs::read_to_string(&path).unwrap()));
        tests.extend(of_tests.into_iter().map(|name| [modules.as_slice(), &[name]].concat()));
        files.insert(modules, code);
    }
    files.retain(|modules, _| {
        let is_test = (1..=modules.len()).any(|len| tests.contains(&modules[..len]));
        !is_test && !NO_LAYERS.contains(&modules[0].as_str())
    });
    files
}

/// The types that a file defines at its outermost level.
fn types(code: &str) -> Vec<String> {
    let of_line = |line: &str| {
        let line = match line.strip_prefix("pub") {
            Some(rest) => {
                rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |(_, rest)| rest)
            }
            None => line,
        };
        let rest = ["struct ", "enum ", "union ", "trait ", "type "]
            .iter()
            .find_map(|kind| line.trim_start().strip_prefix(kind).filter(|_| !line.starts_with("  ")))?;
        Some(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
    };
    code.lines().filter_map(of_line).collect()
}

#[test]
fn one_name_is_one_type() {
    // Of these a build has one or the other: with and without a feature, or libpcap.
    const ALTERNATIVES: [&str; 4] = ["ExportArgs", "LiveArgs", "OpenSource", "ScreenView"];
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (modules, code) in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        for name in types(&code) {
            named.entry(name).or_default().push(modules.join("::"));
        }
    }
    assert!(named.len() > 500, "types are seen: {}", named.len());
    named.retain(|name, files| files.len() > 1 && !ALTERNATIVES.contains(&name.as_str()));
    assert!(named.is_empty(), "names of several types: {named:#?}");
    let code = "pub(super) struct A<'a> {\nenum B {\n    type Item = u8;\npub type C = u8;\nstructure";
    assert_eq!(types(code), ["A", "B", "C"]);
}

#[test]
fn files_are_short() {
    let long: Vec<_> = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .into_iter()
        .map(|(modules, code)| (code.trim_end().lines().count(), modules.join("::")))
        .filter(|(lines, _)| *lines > 600)
        .collect();
    assert!(long.is_empty(), "over 600 lines without their tests: {long:?}");
}

#[test]
fn no_two_files_take_from_each_other() {
    let mut files = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    // One command names the others, and they share their arguments: see `cli::args`.
    files.retain(|modules, _| modules[0] != "cli");
    let found = circles(&files);
    assert!(found.is_empty(), "circles:\n{found:#?}");
}

#[test]
fn a_circle_is_seen_however_it_is_written() {
    let file = |path: &str, code: &str| (path.split("::").map(str::to_owned).collect(), code.to_owned());
    let three = [
        file("track", "mod wait;\nuse wait::Wait;"),
        file("track::wait", "use super::{end::End, mark};"),
        file("track::end", "fn f() { crate::track::mark::{self}; }\nuse crate::{\n    track::way::Way,\n};"),
        file("track::way", "fn f() -> super::wait::Wait {}"),
        file("track::mark", "use super::Tracker;"),
    ];
    let found = circles(&BTreeMap::from(three.clone()));
    let names = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    assert_eq!(
        found,
        [
            names("track::end", "track::way"),
            names("track::wait", "track::end"),
            names("track::way", "track::wait")
        ]
    );
    let [track, wait, end, _, mark] = three;
    assert!(circles(&BTreeMap::from([track, wait, end, mark])).is_empty());
}

#[test]
fn no_import_runs_upward() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let layers = layers(&fs::read_to_string(src.join("lib.rs")).unwrap());
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    let files = files(&src);
    for (modules, code) in &files {
        let module = modules[0].as_str();
        assert!(layers.contains_key(module), "{module} has no layer in the header of lib.rs");
        seen.insert(module);
        for up in upward(&layers, module, &imports(code, modules.len())) {
            wrong.push(format!("{} imports {up}", modules.join("::")));
        }
    }
    let gone: Vec<_> = layers.keys().filter(|module| !seen.contains(module.as_str())).collect();
    assert!(gone.is_empty(), "layers without a module: {gone:?}");
    assert!(wrong.is_empty(), "imports that run upward:\n{}", wrong.join("\n"));
}

#[test]
fn an_import_that_runs_upward_is_seen_however_it_is_written() {
    let layers = layers("//! 1. [`time`]\n//! 2. [`stream`], [`proto`]: bytes.\n//! 3. [`track`]\n");
    for (code, depth) in [
        ("use crate::track::Tracker;", 1),
        ("use crate::{time::Span, track};", 1),
        ("use crate::{time::{Span, Timestamp}, track::{Tracker, weight}};", 2),
        ("fn f() { crate::track::f() }", 1),
        ("use super::track::Tracker;", 1),
        ("fn f(of: &super::super::track::Tracker) {}", 2),
        ("#[cfg(test)]\nmod tests { use crate::stream; }\nuse crate::track;", 1),
        ("use crate::time; // crate::stream\nuse crate::track;", 1),
    ] {
        let (code, _) = without_tests(&without_comments(code));
        assert_eq!(upward(&layers, "stream", &imports(&code, depth)), ["track"], "{code}");
    }
    assert_eq!(upward(&layers, "stream", &imports("use crate::proto::Sid;", 1)), ["proto"], "side by side");
    for (code, depth) in [
        ("use crate::time::Span;\nuse crate::stream::Half;", 1),
        ("use super::track::of_this_module;", 2),
        ("/// [`crate::track`] does.\nfn f() {}", 1),
        ("#[cfg(test)]\n#[allow(clippy::unwrap_used)]\nmod tests {\n use crate::track; fn f() {}\n}", 1),
        ("#[cfg(test)]\npub(crate) mod sample;", 1),
    ] {
        let (code, _) = without_tests(&without_comments(code));
        assert!(upward(&layers, "stream", &imports(&code, depth)).is_empty(), "{code}");
    }
}
