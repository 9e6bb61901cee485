//! Whoever writes memories runs no program on the machine of whoever exports them.

use std::fs;

use super::stage::{Stage, files};
use crate::support::Trap;

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
