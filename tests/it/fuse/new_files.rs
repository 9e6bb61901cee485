//! Files that are new to the store: spooled, and uploaded a second after their close.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::stage::{Stage, until, within};

#[test]
fn a_new_file_is_one_version_a_second_after_its_close() {
    let Some(stage) = Stage::new() else { return };
    let mount = stage.mount();

    mount.sh("mkdir -p a/b; { echo one; echo two; } > a/b/f");

    assert_eq!(mount.read("a/b/f"), "one\ntwo\n");
    assert_eq!(stage.history(), [""; 0]);
    within(Duration::from_secs(3), "uploaded", || !stage.history().is_empty());
    assert_eq!(stage.history(), ["created /a/b/f one\ntwo\n"]);
    assert_eq!(stage.spooled(), [""; 0].map(std::path::PathBuf::from));
}

#[test]
fn a_new_file_is_private_on_the_disk_until_its_upload() {
    let Some(stage) = Stage::new() else { return };
    let mount = stage.mount();

    mount.sh("echo secret > f");

    let spooled = stage.spooled();
    assert_eq!(spooled.len(), 1);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&spooled[0]), 0o600);
    for folder in spooled[0].ancestors().skip(1).take_while(|it| !it.ends_with("state")) {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    assert!(mount.stop().success());
    assert!(!stage.log().contains("secret"));
}

#[test]
fn a_temporary_file_renamed_over_a_memory_is_one_version_of_it() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/f", "old\n");
    let mount = stage.mount();

    mount.sh("cat f; echo new > .f.tmp; mv .f.tmp f; cat f");

    let versions = stage.versions();
    assert_eq!(stage.history(), ["created /f old\n", "modified /f new\n"]);
    assert_eq!(versions[1]["memory_id"], id.as_str());
    assert!(mount.stop().success());
    assert_eq!(stage.history().len(), 2);
}

#[test]
fn a_temporary_file_that_is_renamed_before_its_close_is_one_version() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount();

    mount.sh("cat f; exec 3>t; echo one >&3; mv t f; echo two >&3; exec 3>&-; cat f");

    assert_eq!(stage.history(), ["created /f old\n", "modified /f one\ntwo\n"]);
    assert!(mount.stop().success());
    assert_eq!(stage.history().len(), 2);
}

#[test]
fn a_file_that_is_removed_within_the_second_never_was() {
    let Some(stage) = Stage::new() else { return };
    let mount = stage.mount();

    mount.sh("echo one > f; rm f; echo two > g; mv g h");
    until("uploaded", || !stage.history().is_empty());

    assert!(mount.stop().success());
    assert_eq!(stage.history(), ["created /h two\n"]);
}

#[test]
fn a_sync_uploads_a_new_file_at_once() {
    let Some(stage) = Stage::new() else { return };
    let mount = stage.mount();

    mount.sh("echo one > f; sync f");

    assert_eq!(stage.history(), ["created /f one\n"]);
}

#[test]
fn a_file_written_twice_within_the_second_is_one_version() {
    let Some(stage) = Stage::new() else { return };
    let mount = stage.mount();

    mount.sh("echo one > f; echo two >> f");
    until("uploaded", || !stage.history().is_empty());

    assert!(mount.stop().success());
    assert_eq!(stage.history(), ["created /f one\ntwo\n"]);
}

#[test]
fn the_end_of_a_mount_uploads_what_waits() {
    let Some(stage) = Stage::new() else { return };
    let mount = stage.mount();

    mount.sh("echo one > f; touch empty");
    assert!(mount.stop().success());

    assert_eq!(stage.contents(), [("/empty".into(), String::new()), ("/f".into(), "one\n".into())]);
    assert!(stage.spooled().is_empty());
}

#[test]
fn what_waits_survives_kill_9() {
    let Some(stage) = Stage::new() else { return };
    let mount = stage.mount();
    mount.sh("mkdir d; echo one > d/f");
    mount.kill();
    assert_eq!(stage.history(), [""; 0]);

    let mount = stage.mount();

    assert_eq!(mount.read("d/f"), "one\n");
    until("uploaded", || !stage.history().is_empty());
    assert_eq!(stage.history(), ["created /d/f one\n"]);
    until("the spool is empty", || stage.spooled().is_empty());
}
