//! What others change is seen within a second.

use std::time::Duration;

use serde_json::json;

use super::stage::{Stage, within};

/// The second that is promised, and another for a machine that is busy with other tests.
const SECOND: Duration = Duration::from_secs(2);

#[test]
fn a_change_made_elsewhere_is_seen_within_a_second() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/d/f", "old\n");
    let mount = stage.mount();
    mount.sh("cat d/f; ls -lR");

    stage.change(&id, &json!({"content": "longer than before\n"}));
    within(SECOND, "content", || mount.read("d/f") == "longer than before\n");
    assert_eq!(mount.sh("stat -c %s d/f"), "19\n");

    stage.change(&id, &json!({"path": "/e/g"}));
    within(SECOND, "rename", || mount.path("e/g").exists() && !mount.path("d").exists());
    assert_eq!(mount.read("e/g"), "longer than before\n");

    stage.memory("/e/new", "new\n");
    within(SECOND, "creation", || mount.names("e") == ["g", "new"]);
    assert_eq!(mount.read("e/new"), "new\n");

    stage.delete(&id);
    within(SECOND, "deletion", || mount.names("e") == ["new"] && !mount.path("e/g").exists());
}

#[test]
fn many_changes_at_once_are_all_taken_in_in_order() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/a", "0");
    let mount = stage.mount();
    mount.read("a");

    let other = stage.memory("/b", "b");
    for number in 1..30 {
        stage.change(&id, &json!({"content": number.to_string()}));
    }
    stage.change(&id, &json!({"path": "/c"}));
    stage.change(&other, &json!({"path": "/a"}));
    stage.change(&id, &json!({"path": "/b"}));

    within(SECOND, "swapped", || mount.names("") == ["a", "b"] && mount.read("b") == "29");
    assert_eq!(mount.read("a"), "b");
}

#[test]
fn a_redacted_gap_is_closed_by_listing_again() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/a", "0");
    let mount = stage.mount();
    mount.read("a");

    stage.change(&id, &json!({"path": "/b"}));
    stage.change(&id, &json!({"path": "/c", "content": "1"}));
    let version = stage.versions()[1]["id"].as_str().unwrap().to_owned();
    stage.call("POST", &format!("{}/memory_versions/{version}/redact", stage.store), None);

    within(SECOND, "moved", || mount.names("") == ["c"]);
    assert_eq!(mount.read("c"), "1");
}

#[test]
fn an_open_file_shows_the_new_content() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/f", "old\n");
    let mount = stage.mount();
    let file = std::fs::File::open(mount.path("f")).unwrap();
    let read = || {
        let mut bytes = [0; 9];
        let read = std::os::unix::fs::FileExt::read_at(&file, &mut bytes, 0).unwrap();
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    };
    assert_eq!(read(), "old\n");

    stage.change(&id, &json!({"content": "new one\n"}));

    within(SECOND, "read", || read() == "new one\n");
}

#[test]
fn without_a_poll_nothing_is_seen() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/f", "old\n");
    let (still, looks) = (stage.mount_with(&["--poll", "0"]), stage.mount());
    assert_eq!((still.read("f"), looks.read("f")), ("old\n".into(), "old\n".into()));

    stage.change(&id, &json!({"content": "new\n"}));

    within(SECOND, "seen", || looks.read("f") == "new\n");
    assert_eq!(still.read("f"), "old\n");
}

#[test]
fn two_mounts_of_one_store_keep_their_texts_apart() {
    let Some(stage) = Stage::new() else { return };
    let (one, other) = (stage.mount(), stage.mount());

    one.sh("echo one > f");
    other.sh("echo two > g");

    within(2 * SECOND, "both", || one.names("") == ["f", "g"] && other.names("") == ["f", "g"]);
    assert_eq!((other.read("f"), one.read("g")), ("one\n".into(), "two\n".into()));
}
