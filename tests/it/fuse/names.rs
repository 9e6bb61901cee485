//! Renaming, removing, and folders.

use std::fs;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde_json::json;

use super::stage::{Stage, errno, until};
use crate::support::server::text;

#[test]
fn a_renamed_memory_keeps_its_id() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/f", "old\n");
    let mount = stage.mount();

    mount.sh("mkdir d; mv f d/g; cat d/g");

    let versions = stage.versions();
    assert_eq!(stage.history(), ["created /f old\n", "modified /d/g old\n"]);
    assert_eq!(versions[1]["memory_id"], id.as_str());
    assert_eq!(mount.names(""), ["d"]);
}

#[test]
fn a_memory_renamed_over_another_changes_that_one_and_is_deleted() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/a", "one\n");
    let id = stage.memory("/b", "two\n");
    let mount = stage.mount();

    mount.sh("cat b; mv a b; cat b");

    let history = ["created /a one\n", "created /b two\n", "modified /b one\n", "deleted /a -"];
    assert_eq!(stage.history(), history);
    assert_eq!(stage.versions()[2]["memory_id"], id.as_str());
    assert_eq!(mount.names(""), ["b"]);
}

#[test]
fn a_renamed_folder_renames_each_memory_in_order_and_keeps_ids() {
    let Some(stage) = Stage::new() else { return };
    let ids = ["/a/y", "/a/b/x", "/a-b"].map(|path| stage.memory(path, path));
    let mount = stage.mount();

    mount.sh("echo new > a/n; mkdir a/empty; mv a c");
    mount.sh("sync c/n");

    let versions = stage.versions();
    let moved: Vec<_> = versions[3..].iter().map(|it| text(it, "path")).collect();
    assert_eq!(moved, ["/c/b/x", "/c/y", "/c/n"]);
    assert_eq!([&versions[3], &versions[4]].map(|it| text(it, "memory_id")), [&ids[1], &ids[0]]);
    assert_eq!(mount.names("c"), ["b", "empty", "n", "y"]);
    assert_eq!(mount.names(""), ["a-b", "c"]);
}

#[test]
fn a_folder_rename_stops_at_the_first_failure_and_shows_what_it_did() {
    let Some(stage) = Stage::new() else { return };
    let ids = ["/a/1", "/a/2", "/a/3"].map(|path| stage.memory(path, path));
    let mount = stage.mount_with(&["--poll", "0"]);
    stage.change(&ids[1], &json!({"content": "theirs"}));

    let renamed = fs::rename(mount.path("a"), mount.path("c"));

    assert_eq!(errno(renamed), Errno::BUSY);
    until("shown", || mount.names("") == ["a", "c"]);
    assert_eq!(
        (mount.names("a"), mount.names("c")),
        (vec!["2".into(), "3".into()], vec!["1".into()])
    );
    let paths: Vec<_> = stage.contents().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["/a/2", "/a/3", "/c/1"]);
}

#[test]
fn a_rename_that_must_not_replace_does_not_and_none_exchanges() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/a", "one\n");
    stage.memory("/b", "two\n");
    let mount = stage.mount();
    let rename = |to: &str, flags| {
        let done = renameat_with(CWD, mount.path("a"), CWD, mount.path(to), flags);
        done.map_err(std::io::Error::from)
    };

    assert_eq!(errno(rename("b", RenameFlags::NOREPLACE)), Errno::EXIST);
    assert_eq!(errno(rename("b", RenameFlags::EXCHANGE)), Errno::INVAL);
    rename("c", RenameFlags::NOREPLACE).unwrap();

    assert_eq!(mount.names(""), ["b", "c"]);
}

#[test]
fn an_empty_folder_is_local_until_something_is_in_it() {
    let Some(stage) = Stage::new() else { return };
    let mount = stage.mount();

    mount.sh("mkdir -p a/b gone");
    assert_eq!(stage.history(), [""; 0]);
    mount.sh("echo one > a/b/f; sync a/b/f");
    assert!(mount.stop().success());

    let mount = stage.mount();
    assert_eq!(mount.names(""), ["a"]);
    mount.sh("rm a/b/f; test -d a/b; rmdir a/b a");
    assert_eq!(mount.names(""), [""; 0]);
}

#[test]
fn a_folder_with_something_in_it_is_not_removed() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/d/f", "old\n");
    let mount = stage.mount();

    assert_eq!(errno(fs::remove_dir(mount.path("d"))), Errno::NOTEMPTY);
    fs::create_dir(mount.path("e")).unwrap();
    assert_eq!(errno(fs::rename(mount.path("e"), mount.path("d"))), Errno::NOTEMPTY);
    mount.sh("mv -T d e; rm -r e");

    assert_eq!(stage.contents(), []);
}

#[test]
fn a_file_that_was_removed_can_be_read_by_who_has_it_open() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount();

    let seen = mount.sh("exec 3<f; rm f; cat <&3; echo new > f; sync f; cat f");

    assert_eq!(seen, "old\nnew\n");
    assert_eq!(stage.history(), ["created /f old\n", "deleted /f -", "created /f new\n"]);
}
