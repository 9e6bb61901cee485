//! The boundaries of the house, read from the files: which module may know which.

use std::fs;
use std::path::{Path, PathBuf};

/// A module, what it may not name, and why.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    (
        "src/domain",
        &[
            "crate::app",
            "crate::db",
            "crate::http",
            "crate::wire",
            "crate::cli",
            "crate::clock",
            "crate::client",
            "sqlx",
            "rusqlite",
            "axum",
            "tokio",
            "serde",
            "async fn",
            ".await",
            "::now(",
        ],
        "rules are pure: no I/O, no clock, no other module of the crate",
    ),
    (
        "src/db",
        &["crate::app", "crate::http", "crate::wire", "crate::cli", "axum"],
        "the database knows rows, not doors",
    ),
    (
        "src/app",
        &["crate::http", "crate::wire", "crate::cli", "axum", "sqlx", "rusqlite"],
        "an operation is the same behind every door, and SQL lives in src/db",
    ),
    (
        "src/wire",
        &["crate::app", "crate::db", "crate::http", "axum", "sqlx", "rusqlite", "tokio"],
        "shapes are shared by server and client",
    ),
    (
        "src/http",
        &["sqlx", "rusqlite", "crate::db", "crate::cli", "crate::client"],
        "a handler calls app",
    ),
    (
        "src/client",
        &["crate::app", "crate::db", "crate::http", "axum", "sqlx", "rusqlite"],
        "the client speaks HTTP only",
    ),
    (
        "src/fuse",
        &["crate::app", "crate::db", "crate::http", "crate::cli::", "axum", "sqlx", "rusqlite"],
        "the mount is a client: it speaks HTTP only",
    ),
    ("src/fuse/fs", &["fuser::"], "what the mount decides knows no kernel"),
    (
        "src/history",
        &[
            "crate::app",
            "crate::db",
            "crate::http",
            "crate::client",
            "crate::cli",
            "crate::clock",
            "reqwest",
            "tokio",
            "std::fs",
            "async fn",
            ".await",
        ],
        "what a history says is pure: what must be known is read before and handed in",
    ),
    (
        "src/cli/inspect",
        &["crate::app", "crate::db", "crate::http", "crate::fuse"],
        "the inspector is a client: it works on any server of the contract",
    ),
    ("src/cli", &["sqlx", "rusqlite"], "SQL lives in src/db"),
];

/// Lines of a file before its tests. (Functions: clippy.toml.)
const FILE_LINES: usize = 400;

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    if folder.is_file() {
        return vec![folder.to_owned()];
    }
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The production lines of a file that are not comments.
fn production(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.to_owned()));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//")).collect()
}

#[test]
fn no_module_knows_what_it_must_not() {
    let mut found = Vec::new();
    for (module, words, reason) in FORBIDDEN {
        for file in rust_files(Path::new(module)) {
            if file.ends_with("plan/tests.rs") {
                continue;
            }
            for (number, line) in production(&file) {
                for word in words.iter().filter(|word| line.contains(**word)) {
                    found.push(format!("{}:{number}: {word:?}: {reason}", file.display()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn files_stay_small() {
    let long: Vec<_> = rust_files(Path::new("src"))
        .into_iter()
        .map(|file| (production(&file).len(), file))
        .filter(|(lines, _)| *lines > FILE_LINES)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn every_module_says_what_it_is_for() {
    for file in rust_files(Path::new("src")) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//! ") || file.ends_with("tests.rs"), "{}", file.display());
    }
}

#[test]
fn output_is_printed_in_one_place() {
    for file in rust_files(Path::new("src")) {
        if !file.ends_with("cli/output.rs") {
            for (number, line) in production(&file) {
                let prints = ["println!", "eprintln!", "print!(", "dbg!"];
                let print = prints.iter().find(|print| line.contains(**print));
                assert!(print.is_none(), "{}:{number}: {line}", file.display());
            }
        }
    }
}
