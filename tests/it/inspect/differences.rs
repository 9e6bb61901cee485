//! diff between two times, and what it says beside lines.

use std::process::Command;

use super::stage::{Stage, files};
use crate::support::server::text;

/// When the newest version of the store was written.
fn newest(stage: &Stage) -> String {
    text(&stage.json(&["log", "-n", "1"])[0], "created_at").to_owned()
}

#[test]
fn what_came_went_and_moved_is_said_where_no_line_differs() {
    let stage = Stage::new();
    stage.put("/old", "body");
    stage.put("/e0", "");
    let then = newest(&stage);
    stage.told(&["mv", "/old", "/new"]);
    let moved = &stage.versions()[0];
    stage.put("/e1", "");
    stage.told(&["rm", "/e0"]);

    let expected = "diff --git a/e0 b/e0\ndeleted file mode 100644\nindex e69de29..0000000\n\
                    diff --git a/e1 b/e1\nnew file mode 100644\nindex 0000000..e69de29\n\
                    diff --git a/old b/new\nrename from old\nrename to new\n";
    assert_eq!(stage.told(&["diff", &then, "0s"]), expected);
    assert_eq!(stage.told(&["diff", &then]), expected, "until now");
    assert!(stage.told(&["diff", "--help"]).contains("or now where A is a time"));
    assert_eq!(stage.told(&["diff", &then, "--word"]), expected);
    let counts = "/e0 | +0 -0 (deleted)\n/e1 | +0 -0 (created)\n/new | +0 -0 (moved from /old)\n";
    assert_eq!(stage.told(&["diff", &then, "--stat"]), counts);
    let rename = expected.split_inclusive("index 0000000..e69de29\n").nth(1).unwrap();
    assert_eq!(stage.told(&["diff", moved]), rename);
    for path in ["/old", "/new"] {
        assert_eq!(stage.told(&["diff", &then, "0s", path]), rename, "{path}");
    }
}

#[test]
fn what_differs_between_two_times_is_done_by_patch_and_by_git() {
    let stage = Stage::new();
    let [quoted, spaced] = ["/sub/new \"2\"", "/old name"];
    for (path, content) in [
        ("/a.md", "one\n"),
        ("/empty", ""),
        ("/gone name", "gone\n"),
        ("/old", "body"),
        (spaced, "x\n"),
        ("/replaced", "was\n"),
        ("/swap/1", "1\n"),
        ("/swap/2", "2\n"),
        ("/é", "é\n"),
    ] {
        stage.put(path, content);
    }
    let then = newest(&stage);
    for copy in ["by-patch", "by-git"] {
        stage.told(&["export", copy]);
    }
    stage.put("/a.md", "two\n");
    stage.told(&["rm", "/empty", "/gone name", "/replaced"]);
    stage.put("/replaced", "is\n");
    for (from, to) in [("/old", "/new"), (spaced, quoted), ("/é", "/è")] {
        stage.told(&["mv", from, to]);
    }
    for (from, to) in [("/swap/1", "/swap/3"), ("/swap/2", "/swap/1"), ("/swap/3", "/swap/2")] {
        stage.told(&["mv", from, to]);
    }
    stage.put(quoted, "y\n");
    stage.put("/made/empty", "");
    stage.told(&["export", "now"]);

    std::fs::write(stage.path("patch"), stage.told(&["diff", &then, "0s"])).unwrap();

    let now = files(&stage.path("now"));
    let programs = [
        ("by-patch", &["patch", "-p1", "--quiet", "--fuzz", "0", "-i", "../patch"][..]),
        ("by-git", &["git", "apply", "../patch"][..]),
    ];
    for (copy, program) in programs {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).current_dir(stage.path(copy));
        assert!(command.status().unwrap().success(), "{copy}");
        assert_eq!(files(&stage.path(copy)), now, "{copy}");
    }
}

#[test]
fn what_was_redacted_is_not_shown_as_new_or_as_nothing() {
    let stage = Stage::new();
    stage.put("/a", "secret\n");
    stage.put("/b", "secret\n");
    let then = newest(&stage);
    let [b, a] = stage.versions().try_into().unwrap();
    stage.put("/a", "is\n");
    let changed = stage.versions()[0].clone();
    let between = newest(&stage);
    stage.put("/a", "is now\n");
    stage.told(&["rm", "/b"]);
    let versions = stage.versions();
    let (deletion, last) = (&versions[0], &versions[1]);
    for version in [&a, &b] {
        stage.told(&["redact", version, "--reason", "r", "--yes"]);
    }
    std::fs::write(stage.path("own.md"), "own\n").unwrap();

    let of_a = format!("what it was before, {a}, was redacted");
    let of_b = format!("deleted; what it was before, {b}, was redacted");
    let lines = |told: String| told.lines().map(str::to_owned).collect::<Vec<_>>();
    let sorted = |arguments: &[&str]| {
        let mut lines = lines(stage.told(arguments));
        lines.sort();
        lines
    };
    for form in [&[][..], &["--word"]] {
        let told = sorted(&[&["diff", &then, "0s"][..], form].concat());
        assert_eq!(told, [format!("/a: {of_a}"), format!("/b: {of_b}")]);
    }
    let counts = sorted(&["diff", &then, "0s", "--stat"]);
    assert_eq!(counts, [format!("/a | {of_a}"), format!("/b | {of_b}")]);
    for (path, told) in [("/a", format!("/a: {of_a}\n")), ("/b", format!("/b: {of_b}\n"))] {
        assert_eq!(stage.told(&["diff", &then, "0s", path]), told);
    }
    assert_eq!(stage.told(&["diff", &a, last]), format!("/a: {of_a}\n"));
    assert_eq!(stage.told(&["diff", &changed]), format!("/a: {of_a}\n"));
    assert_eq!(stage.told(&["diff", deletion]), format!("/b: {of_b}\n"));
    let lost = format!("what it is compared with, {a}, was redacted");
    assert_eq!(stage.told(&["diff", &a, "own.md"]), format!("own.md: {lost}\n"));
    assert_eq!(stage.told(&["diff", &a, deletion]), format!("/b: {lost}\n"));
    let became = stage.told(&["diff", &a]);
    assert!(became.ends_with(&format!(": created; what it became, {a}, was redacted\n")));
    let before = stage.told(&["diff", "1h", &then]);
    assert!(before.contains(&format!("/b: created; what it became, {b}, was redacted\n")));
    assert!(before.contains(&format!("/a: created; what it became, {a}, was redacted\n")));
    assert!(stage.told(&["diff", &between, "0s", "/a"]).contains("-is\n+is now\n"));
    assert_eq!(stage.json(&["diff", &then, "0s"]).len(), 3);
}
