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

        assert_eq!(said.code, 4, "{}", said.err);
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

    assert!(said.code == 0 && !said.err.contains("left out"), "{}", said.err);
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

/// An export whose files can't grow beyond 20,000 bytes.
fn cut_short(stage: &Stage, arguments: &[&str]) -> (Option<i32>, String) {
    let export = stage.command(arguments);
    let mut bounded = bounded(&stage.path(""), arguments, 20_000);
    for (name, value) in export.get_envs().filter_map(|(name, value)| Some((name, value?))) {
        bounded.env(name, value);
    }
    let failed = bounded.output().unwrap();
    (failed.status.code(), String::from_utf8_lossy(&failed.stderr).into_owned())
}

#[test]
fn an_archive_that_can_not_be_written_leaves_nothing_and_can_be_tried_again() {
    let stage = Stage::new();
    stage.put("/a", &"x".repeat(50_000));

    let (code, said) = cut_short(&stage, &["export", "out.tar"]);

    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("can't write out.tar"), "{said}");
    let left = fs::read_dir(stage.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("tar")).collect();
    assert!(left.is_empty(), "{left:?}");
    stage.told(&["export", "out.tar"]);
    let again = stage.run(&["export", "out.tar"]);
    assert!(again.err.contains("File exists"), "{}", again.err);
}

#[test]
fn a_folder_that_can_not_be_written_leaves_nothing_but_what_was_there() {
    let stage = Stage::new();
    for (path, bytes) in [("/a", 1), ("/b/c/d", 2), ("/b/e", 50_000)] {
        stage.put(path, &"x".repeat(bytes));
    }
    fs::create_dir_all(stage.path("there/empty")).unwrap();
    fs::write(stage.path("there/theirs"), "theirs").unwrap();
    let before = modes(&stage.path("there"));

    for how in [&[][..], &["--git"], &["--history"]] {
        for to in ["new", "there/empty", "there/new/deep"] {
            let (code, said) = cut_short(&stage, &[&["export", to], how].concat());

            assert_eq!(code, Some(1), "{to} {how:?}: {said}");
            assert!(!stage.path("new").exists(), "{to} {how:?}: {said}");
            assert_eq!(modes(&stage.path("there")), before, "{to} {how:?}: {said}");
        }
    }
    stage.told(&["export", "there/empty"]);
    let again = stage.run(&["export", "there/empty"]);
    assert!(again.code == 1 && again.err.contains("is not empty"), "{}", again.err);
    assert_eq!(files(&stage.path("there/empty")).len(), 3, "what was there is not removed");
}

#[test]
fn a_name_of_an_archive_that_is_not_made_is_a_usage_error() {
    let stage = Stage::new();
    stage.put("/a", "x");
    for (name, how) in [
        ("x.tar.gz", &[][..]),
        ("x.tgz", &[]),
        ("x.ZIP", &["--history"]),
        ("x.tar.zst", &[]),
        ("x.TAR", &[]),
        ("x.tar", &["--git"]),
        ("x.zip", &["--git"]),
        ("-", &["--git"]),
        ("-", &["--json"]),
    ] {
        let refused = stage.run(&[&["export", name], how].concat());

        assert_eq!(refused.code, 2, "{name} {how:?}: {}", refused.err);
        assert!(refused.err.contains("folder"), "{name} {how:?}: {}", refused.err);
        assert!(!stage.path(name).exists(), "{name}");
    }
    fs::create_dir(stage.path("v1.zip")).unwrap();
    stage.told(&["export", "v1.zip"]);
    assert!(stage.path("v1.zip/a").exists(), "a folder that is there is one whatever its name");
}

#[test]
fn an_archive_goes_to_standard_output() {
    let stage = Stage::new();
    stage.put("/sub/a", "x");
    for how in [&[][..], &["--history"]] {
        let output = stage.command(&[&["export", "-"], how].concat()).output().unwrap();

        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("wrote 1 memory"), "{said}");
        fs::write(stage.path("piped.tar"), &output.stdout).unwrap();
        stage.told(&[&["export", "whole.tar"], how].concat());
        assert_eq!(output.stdout, fs::read(stage.path("whole.tar")).unwrap());
        fs::remove_file(stage.path("whole.tar")).unwrap();
    }
    assert!(!stage.path("-").exists());
}

#[test]
fn git_keeps_names_with_a_backslash_but_none_of_its_own_behind_one() {
    let stage = Stage::new();
    for path in ["/a\\b", "/c\\d/e", "/x\\.git/config", "/GIT~1\\y"] {
        stage.put(path, "x");
    }

    let said = stage.run(&["export", "out", "--git"]);

    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("left out /x\\.git/config: "), "{}", said.err);
    assert!(said.err.contains("2 paths were left out"), "{}", said.err);
    assert_eq!(fs::read_to_string(stage.path("out/a\\b")).unwrap(), "x");
    assert_eq!(fs::read_to_string(stage.path("out/c\\d/e")).unwrap(), "x");
    let mut git = Command::new("git");
    let status = git.arg("-C").arg(stage.path("out")).args(["status", "-s"]).output().unwrap();
    assert!(status.status.success() && status.stdout.is_empty(), "{status:?}");
}
