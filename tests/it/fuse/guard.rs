//! The guard against blind overwrites, and the session that it is for.

use rstest::rstest;

use super::stage::Stage;

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
    let log = stage.log();
    let line = log.lines().find(|line| line.contains(BLIND)).expect("a line in the log");
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
    assert!(stage.log().contains("blind overwrite denied"));
}

#[rstest]
#[case::redirect("echo x > f")]
#[case::searched("rg x f; grep x f; wc f; sha256sum f; echo x > f")]
#[case::renamed("echo x > t; mv t f")]
#[case::memory_renamed("mv g f")]
#[case::cut("truncate -s 0 f")]
#[case::appended_first("echo x >> f; echo y > f")]
#[case::read_before_it_changed("cat f; curl_change; echo x > f")]
fn a_blind_overwrite_is_denied(#[case] script: &str) {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/f", "notes\n");
    stage.memory("/g", "other\n");
    let mount = stage.mount_with(&["--guard", "deny"]);
    let (before, after) = script.split_once("curl_change;").unwrap_or(("", script));
    mount.bash(before);
    if !before.is_empty() {
        stage.change(&id, &serde_json::json!({"content": "newer\n"}));
        while mount.bash("rg -q newer f").status.code() != Some(0) {}
    }

    let output = mount.bash(after);

    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("not permitted"), "{script}: {errors}");
    assert_ne!(mount.read("f"), "x\n");
}

#[rstest]
#[case::read("cat f; echo x > f")]
#[case::by_the_shell("text=$(< f); echo x > f")]
#[case::edited("sed -i s/notes/x/ f")]
#[case::appended("echo x >> f")]
#[case::in_place("printf x | dd of=f conv=notrunc 2> /dev/null")]
#[case::own("cat f; echo x > f; echo y > f")]
#[case::new("echo x > n; sync n; echo y > n")]
#[case::empty("echo x > e")]
#[case::removed("rm f")]
#[case::renamed_away("mv f g")]
#[case::renamed_over("cat f; echo x > t; mv t f")]
fn what_was_read_may_be_replaced(#[case] script: &str) {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "notes\n");
    stage.memory("/e", "");
    let mount = stage.mount_with(&["--guard", "deny"]);

    mount.sh(script);

    assert!(!stage.log().contains(BLIND), "{}", stage.log());
    assert!(stage.history().len() > 2);
}

#[test]
fn a_guard_that_is_off_says_nothing() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "notes\n");
    let mount = stage.mount_with(&["--guard", "off"]);

    mount.sh("echo x > f");

    assert_eq!(stage.history().len(), 2);
    assert!(!stage.log().contains(BLIND));
}
