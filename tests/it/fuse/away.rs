//! A server that is away: an error, recovery, and no lost save.

use std::fs::{self, OpenOptions};
use std::io::Write;

use rustix::io::Errno;
use serde_json::json;

use super::stage::{Mount, Stage, errno, until};
use crate::support::server::text;

fn append(mount: &Mount, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(mount.path("f"))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[test]
fn a_save_without_a_server_is_an_error_and_is_made_up_for() {
    let Some(mut stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount();
    until("read", || mount.read("f") == "old\n");
    stage.kill_server();

    assert_eq!(errno(append(&mount, "more\n")), Errno::IO);
    mount.sh("echo new > g");
    assert_eq!((mount.read("f"), mount.read("g")), ("old\nmore\n".into(), "new\n".into()));
    assert_eq!(stage.spooled().len(), 2);

    stage.start_server();
    until("saved", || stage.history().len() == 3);
    let mut saved = stage.history();
    saved[1..].sort();
    assert_eq!(saved, ["created /f old\n", "created /g new\n", "modified /f old\nmore\n"]);
    until("the spool is empty", || stage.spooled().is_empty());
    stage.logged("it will be tried again");
    append(&mount, "end\n").unwrap();
}

#[test]
fn an_unsaved_text_survives_the_mount_too() {
    let Some(mut stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount();
    until("read", || mount.read("f") == "old\n");
    stage.kill_server();
    assert_eq!(errno(append(&mount, "more\n")), Errno::IO);
    mount.kill();
    stage.start_server();

    let mount = stage.mount();

    assert_eq!(mount.read("f"), "old\nmore\n");
    until("saved", || stage.history().len() == 2);
    until("the spool is empty", || stage.spooled().is_empty());
}

#[test]
fn an_unsaved_text_that_has_lost_meanwhile_is_kept() {
    let Some(mut stage) = Stage::new() else { return };
    let id = stage.memory("/f", "old\n");
    let mount = stage.mount();
    until("read", || mount.read("f") == "old\n");
    stage.kill_server();
    assert_eq!(errno(append(&mount, "more\n")), Errno::IO);
    mount.kill();
    stage.start_server();
    stage.change(&id, &json!({"content": "theirs\n"}));

    let mount = stage.mount();

    until("kept", || mount.names("").len() == 2);
    let kept = mount.names("").pop().unwrap();
    assert!(kept.starts_with("f.conflict-"), "{kept}");
    until("shown", || mount.read("f") == "theirs\n");
    assert_eq!(mount.read(&kept), "old\nmore\n");
}

#[test]
fn names_stay_as_they_are_while_the_server_is_away() {
    let Some(mut stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    stage.memory("/g", "other\n");
    let mount = stage.mount();
    until("read", || mount.read("f") == "old\n");
    stage.kill_server();

    assert_eq!(errno(fs::rename(mount.path("f"), mount.path("h"))), Errno::IO);
    assert_eq!(errno(fs::rename(mount.path("f"), mount.path("g"))), Errno::IO);
    assert_eq!(errno(fs::remove_file(mount.path("f"))), Errno::IO);

    stage.start_server();
    assert_eq!(mount.names(""), ["f", "g"]);
    mount.sh("mv f h");
    assert_eq!(stage.contents().len(), 2);
}

#[test]
fn what_was_not_read_yet_is_an_error_while_the_server_is_away() {
    let Some(mut stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount_with(&["--cache-mib", "0"]);
    stage.kill_server();

    assert_eq!(mount.names(""), ["f"]);
    assert_eq!(errno(std::fs::read(mount.path("f"))), Errno::IO);

    stage.start_server();
    assert_eq!(mount.read("f"), "old\n");
}

/// A key that acts as a user.
fn key_of(stage: &Stage, user: &str, scopes: &[&str]) -> String {
    let body = json!({"name": user, "as_user": user, "scopes": scopes});
    text(&stage.call("POST", "/x/v1/api_keys", Some(&body)), "key").to_owned()
}

#[test]
fn what_one_has_left_is_not_uploaded_as_anothers() {
    let Some(mut stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let [ada, ben] = ["ada", "ben"].map(|user| key_of(&stage, user, &["read", "write"]));
    let mount = stage.mount_with(&["--api-key", &ada]);
    until("read", || mount.read("f") == "old\n");
    stage.kill_server();
    assert_eq!(errno(append(&mount, "of ada\n")), Errno::IO);
    mount.kill();
    stage.start_server();

    let others = stage.mount_with(&["--api-key", &ben]);
    assert_eq!(others.read("f"), "old\n");
    assert!(stage.logged("left by user_").contains("\"texts\":1"));
    append(&others, "of ben\n").unwrap();
    assert!(others.stop().success());
    assert_eq!(stage.spooled().len(), 1);

    let mount = stage.mount_with(&["--api-key", &ada]);
    until("kept", || mount.names("").iter().any(|name| name.starts_with("f.conflict-")));
    assert_eq!(mount.read("f"), "old\nof ben\n");
    assert_eq!(stage.history().len(), 2);
}

#[test]
fn a_mount_that_leaves_something_behind_fails_and_names_it() {
    let Some(mut stage) = Stage::new() else { return };
    let mount = stage.mount();
    stage.kill_server();
    mount.sh("echo new > g");

    assert_eq!(mount.stop().code(), Some(1));

    assert_eq!(stage.spooled().len(), 1);
    stage.start_server();
    let mount = stage.mount();
    until("saved", || stage.history() == ["created /g new\n"]);
    assert!(mount.stop().success());
}

#[test]
fn who_may_only_read_has_a_mount_to_read() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let reader = key_of(&stage, "ada", &["read"]);

    let mount = stage.mount_with(&["--api-key", &reader]);

    assert!(mount.greeting.ends_with(", read-only\n"), "{}", mount.greeting);
    assert_eq!(mount.read("f"), "old\n");
    assert_eq!(errno(append(&mount, "more\n")), Errno::ROFS);
    stage.logged("lacks the scope");
}
