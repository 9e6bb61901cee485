//! What an export leaves on the machine of whoever makes it: no program of others, nothing for others
//! to read, and nothing that is half.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::stage::{Stage, files};
use crate::support::Trap;
use crate::support::program::bounded;

fn trapped() -> (Stage, Trap) {
    let stage = Stage::new();
    let trap = Trap::new(&stage.path(""));
    for (path, content) in trap.files() {
        stage.put(&path, &content);
    }
    (stage, trap)
}

#[test]
fn git_runs_nothing_of_a_store_that_was_exported() {
    let (stage, trap) = trapped();
    let plain = stage.path("plain");
    trap.set(&plain);
    assert!(trap.springs(&plain.join("bare")), "it would, without the check");
    fs::remove_dir_all(plain.join(".git")).unwrap();
    assert!(trap.springs(&plain), "it would, without the check");

    for how in [&["--history"][..], &["--git"], &[]] {
        let out = stage.path(&format!("out{}", how.len() + how.concat().len()));
        let said = stage.run(&[&["export", out.to_str().unwrap()], how].concat());

        assert_eq!(said.code, 0, "{}", said.err);
        for path in ["/HEAD", "/bare/HEAD", "/.git/HEAD", "/.git/config"] {
            assert!(said.err.contains(&format!("left out {path}: ")), "{how:?} {}", said.err);
        }
        let root = if how == ["--history"] { out.join("memories") } else { out };
        for folder in [root.clone(), root.join("bare"), root.join("bare/refs")] {
            assert!(!trap.springs(&folder), "{how:?} {}", folder.display());
        }
        assert!(root.join("bare/config").exists());
    }
}

#[test]
fn a_head_that_makes_no_repository_is_exported() {
    let stage = Stage::new();
    stage.put("/HEAD", "x");
    stage.put("/a/refs", "x");
    let out = stage.path("out");

    let said = stage.run(&["export", out.to_str().unwrap()]);

    assert!(!said.err.contains("left out"), "{}", said.err);
    assert_eq!(files(&out).len(), 2);
}

/// Everything below a folder, and itself, with its mode.
fn modes(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = vec![(folder.to_owned(), fs::metadata(folder).unwrap().mode() & 0o777)];
    for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(modes(&entry.path()));
        } else {
            found.push((entry.path(), entry.metadata().unwrap().mode() & 0o777));
        }
    }
    found
}

#[test]
fn what_is_exported_is_its_owners_alone() {
    let stage = Stage::new();
    stage.put("/a/b", "x");
    for how in [&["out"][..], &["out-history", "--history"], &["out-git", "--git"], &["out.tar"]] {
        let export = stage.command(&[&["export"], how].concat());
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask 022; exec \"$@\"", "sh"]).arg(export.get_program());
        shell.args(export.get_args()).current_dir(stage.path(""));
        for (name, value) in export.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            shell.env(name, value);
        }
        assert!(shell.output().unwrap().status.success(), "{how:?}");

        let made = stage.path(how[0]);
        let open: Vec<_> = modes(&made).into_iter().filter(|(_, mode)| mode & 0o077 != 0).collect();
        assert!(open.is_empty(), "{open:?}");
    }
    let tar = Command::new("tar").arg("-tvf").arg(stage.path("out.tar")).output().unwrap();
    let listed = String::from_utf8(tar.stdout).unwrap();
    assert!(listed.starts_with("-rw-------"), "{listed}");
}

#[test]
fn an_archive_that_can_not_be_written_leaves_nothing_and_can_be_tried_again() {
    let stage = Stage::new();
    stage.put("/a", &"x".repeat(50_000));
    let export = stage.command(&["export", "out.tar"]);
    let mut bounded = bounded(&stage.path(""), &["export", "out.tar"], 20_000);
    for (name, value) in export.get_envs().filter_map(|(name, value)| Some((name, value?))) {
        bounded.env(name, value);
    }

    let failed = bounded.output().unwrap();

    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("can't write out.tar"), "{said}");
    let left = fs::read_dir(stage.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("tar")).collect();
    assert!(left.is_empty(), "{left:?}");
    stage.told(&["export", "out.tar"]);
    let again = stage.run(&["export", "out.tar"]);
    assert!(again.err.contains("File exists"), "{}", again.err);
}
