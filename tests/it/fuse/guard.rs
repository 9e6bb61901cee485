//! The guard against blind overwrites, and the session that it is for.

use super::stage::{Stage, until};

const BLIND: &str = "blind overwrite";

/// The third session of the field report: 7,285 bytes of notes, a search that matches nothing, and
/// 1,509 bytes over them.
const SESSION: &str = r"
rg -i 'crdt\\|sequence\\|rga' . -l
head -c 1509 /dev/zero | tr '\0' b > ../draft
cp ../draft crdts.md
";

fn notes() -> String {
    "a".repeat(7285)
}

#[test]
fn the_session_that_searched_and_overwrote_is_noticed() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/crdts.md", &notes());
    let mount = stage.mount();

    mount.bash(SESSION);

    assert_eq!(mount.read("crdts.md").len(), 1509);
    let line = stage.logged(BLIND);
    for word in ["/crdts.md", "7285", "1509", "\"program\":\"cp\"", "sha256"] {
        assert!(line.contains(word), "{word}: {line}");
    }
}

#[test]
fn the_session_that_searched_and_overwrote_is_stopped_where_that_is_denied() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/crdts.md", &notes());
    let mount = stage.mount_with(&["--guard", "deny"]);

    let output = mount.bash(SESSION);

    assert!(String::from_utf8_lossy(&output.stderr).contains("Operation not permitted"));
    assert_eq!(mount.read("crdts.md"), notes());
    assert_eq!(stage.history().len(), 1);
    stage.logged("blind overwrite denied");
}

/// Where `(change)` stands, somebody else changes the memory.
const BLIND_ONES: [&str; 11] = [
    "echo x > f",
    "rg x f; grep x f; wc f; sha256sum f; echo x > f",
    "echo x > t; mv t f",
    "mv g f",
    "truncate -s 0 f",
    "python3 -c 'import os; os.truncate(\"f\", 0)'",
    "echo x >> f; echo y > f",
    "cat f; (change) echo x > f",
    "n=$(mktemp -p /tmp); echo x > $n; mv $n f; rm $n",
    "n=$(mktemp -p /tmp); cp --remove-destination $n f; rm $n",
    "n=$(mktemp -p /tmp); install $n f; rm $n",
];

#[test]
fn a_blind_overwrite_is_denied() {
    let Some(stage) = Stage::new() else { return };
    let make = |number| {
        stage.memory(&format!("/{number}/g"), "other\n");
        stage.memory(&format!("/{number}/f"), "notes\n")
    };
    let ids: Vec<_> = (0..BLIND_ONES.len()).map(make).collect();
    let mount = stage.mount_with(&["--guard", "deny"]);

    for (number, script) in BLIND_ONES.iter().enumerate() {
        let (before, after) = script.split_once("(change)").unwrap_or(("", script));
        if !before.is_empty() {
            mount.sh(&format!("cd {number}; {before}"));
            stage.change(&ids[number], &serde_json::json!({"content": "newer\n"}));
            let seen = || mount.bash(&format!("cmp {number}/f <(echo newer)")).status.success();
            until("seen", seen);
        }
        let output = mount.bash(&format!("cd {number}; {after}"));

        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("not permitted"), "{script}: {errors}");
        assert!(mount.read(&format!("{number}/f")).contains('e'), "{script}");
    }
}

const FINE_ONES: [&str; 13] = [
    "cat f; echo x > f",
    "text=$(< f); echo x > f",
    "sed -i s/notes/x/ f",
    "echo x >> f",
    "printf x | dd of=f conv=notrunc 2> /dev/null",
    "cat f; echo x > f; echo y > f",
    "echo x > n; sync n; echo y > n",
    "echo x > e",
    "rm f",
    "mv f g",
    "cat f; echo x > t; mv t f",
    "n=$(mktemp -p /tmp); echo x > $n; cat f; mv $n f",
    "n=$(mktemp -d -p /tmp); mv f $n; rm -r $n",
];

#[test]
fn what_was_read_may_be_replaced() {
    let Some(stage) = Stage::new() else { return };
    for number in 0..FINE_ONES.len() {
        stage.memory(&format!("/{number}/f"), "notes\n");
        stage.memory(&format!("/{number}/e"), "");
    }
    let mount = stage.mount_with(&["--guard", "deny"]);

    for (number, script) in FINE_ONES.iter().enumerate() {
        let before = stage.history().len();
        mount.sh(&format!("cd {number}; {script}"));
        assert!(stage.history().len() > before, "{script}");
    }

    assert!(mount.stop().success());
    assert!(!stage.log().contains(BLIND), "{}", stage.log());
}

/// A file of another file system comes after the memory is gone, so its size is not known.
#[test]
fn what_mv_brings_over_an_unread_memory_is_noticed() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/crdts.md", &notes());
    let mount = stage.mount();

    mount.sh("n=$(mktemp -p /tmp); echo x > $n; mv $n crdts.md");

    assert_eq!(mount.read("crdts.md"), "x\n");
    let line = stage.logged(BLIND);
    for word in ["/crdts.md", "7285", "\"program\":\"mv\"", "sha256"] {
        assert!(line.contains(word), "{word}: {line}");
    }
}

#[test]
fn a_guard_that_is_off_says_nothing() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "notes\n");
    let mount = stage.mount_with(&["--guard", "off"]);

    mount.sh("echo x > f");

    assert_eq!(stage.history().len(), 2);
    assert!(mount.stop().success());
    assert!(!stage.log().contains(BLIND));
}
