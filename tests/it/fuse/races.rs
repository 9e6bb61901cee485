//! Lost races: an error to the program, and its text is kept beside the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::stage::{Mount, Stage, until};

/// Opens `f`, reads it, lets somebody else go first, writes and closes; answers the error's name.
fn write_late(mount: &Mount, meanwhile: impl FnOnce()) -> String {
    use std::io::{BufRead, BufReader, Write};
    let mut python = std::process::Command::new("python3");
    let script = "
import errno, os, sys
fd = os.open('f', os.O_RDWR)
os.read(fd, 100)
print('read', flush=True)
input()
os.lseek(fd, 0, 0)
os.write(fd, b'mine\\n')
try:
    os.close(fd)
    print('saved')
except OSError as error:
    print(errno.errorcode[error.errno])";
    let python = python.args(["-c", script]).current_dir(mount.at());
    let pipe = std::process::Stdio::piped;
    let mut python = python.stdin(pipe()).stdout(pipe()).spawn().unwrap();
    let mut lines = BufReader::new(python.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "read");
    meanwhile();
    python.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let answer = lines.next().unwrap().unwrap();
    python.wait().unwrap();
    answer
}

fn conflicts(mount: &Mount) -> Vec<String> {
    let names = mount.names("").into_iter();
    names.filter(|name| name.starts_with("f.conflict-2")).collect()
}

#[test]
fn a_lost_race_is_an_error_and_keeps_the_text_beside_the_file() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/f", "old\n");
    let mount = stage.mount();

    let answer = write_late(&mount, || {
        stage.change(&id, &json!({"content": "theirs\n"}));
        until("seen", || mount.read("f") == "theirs\n");
    });

    assert_eq!(answer, "ESTALE");
    assert_eq!(mount.read("f"), "theirs\n");
    let kept = conflicts(&mount);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(mount.read(&kept[0]), "mine\n");
    assert_eq!(stage.history(), ["created /f old\n", "modified /f theirs\n"]);
    stage.logged("kept here");
}

#[test]
fn a_change_that_was_not_seen_yet_wins_as_well() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/f", "old\n");
    let mount = stage.mount_with(&["--poll", "0"]);

    let answer = write_late(&mount, || stage.change(&id, &json!({"content": "theirs\n"})));

    assert_eq!(answer, "ESTALE");
    assert_eq!(mount.read("f"), "theirs\n");
    assert_eq!(mount.read(&conflicts(&mount)[0]), "mine\n");
}

#[test]
fn a_deletion_elsewhere_wins_over_a_change() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/f", "old\n");
    let mount = stage.mount();

    let answer = write_late(&mount, || stage.delete(&id));

    assert_eq!(answer, "ESTALE");
    until("gone", || !mount.path("f").exists());
    assert_eq!(mount.read(&conflicts(&mount)[0]), "mine\n");
    assert_eq!(stage.history(), ["created /f old\n", "deleted /f -"]);
}

#[test]
fn a_deletion_that_was_seen_before_the_write_wins_too() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/d/f", "old\n");
    stage.change(&id, &json!({"path": "/f"}));
    let mount = stage.mount();

    let answer = write_late(&mount, || {
        stage.delete(&id);
        until("gone", || !mount.path("f").exists());
    });

    assert_eq!(answer, "ESTALE");
    assert_eq!(mount.read(&conflicts(&mount)[0]), "mine\n");
}

#[test]
fn losing_races_and_renaming_in_one_folder_do_not_wait_for_each_other() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/f", "old\n");
    stage.memory("/g", "other\n");
    let mount = stage.mount_with(&["--poll", "0.01"]);
    let at = mount.at().to_owned();
    let done = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&done);
    let renames = std::thread::spawn(move || {
        while !ends.load(Ordering::Relaxed) {
            std::fs::rename(at.join("g"), at.join("h")).unwrap();
            std::fs::rename(at.join("h"), at.join("g")).unwrap();
        }
    });

    for number in 0..10 {
        let change = json!({"content": format!("{number}\n")});
        assert_eq!(write_late(&mount, || stage.change(&id, &change)), "ESTALE");
    }

    done.store(true, Ordering::Relaxed);
    renames.join().unwrap();
    assert_eq!(conflicts(&mount).len(), 10);
}

#[test]
fn the_same_text_from_elsewhere_is_no_race() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/f", "old\n");
    let mount = stage.mount_with(&["--poll", "0"]);

    let answer = write_late(&mount, || stage.change(&id, &json!({"content": "mine\n"})));

    assert_eq!(answer, "saved");
    assert_eq!(conflicts(&mount), [""; 0]);
}

#[test]
fn a_rename_over_a_memory_that_has_changed_loses_too() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/f", "old\n");
    let mount = stage.mount_with(&["--poll", "0"]);
    mount.sh("cat f; echo mine > t");
    stage.change(&id, &json!({"content": "theirs\n"}));

    let output = mount.bash("mv t f");

    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("busy"));
    assert_eq!(mount.read("f"), "theirs\n");
    assert_eq!(mount.read(&conflicts(&mount)[0]), "mine\n");
}

#[test]
fn a_new_file_loses_against_a_memory_that_came_first() {
    let Some(stage) = Stage::new() else { return };
    let mount = stage.mount_with(&["--poll", "0"]);
    mount.sh("echo mine > f");

    stage.memory("/f", "theirs\n");
    let output = mount.bash("sync f");

    assert!(!output.status.success());
    assert_eq!(mount.read(&conflicts(&mount)[0]), "mine\n");
    assert_eq!(stage.history(), ["created /f theirs\n"]);
}

#[test]
fn a_removal_of_what_has_changed_is_refused() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/f", "old\n");
    let mount = stage.mount_with(&["--poll", "0"]);
    stage.change(&id, &json!({"content": "theirs\n"}));

    let output = mount.bash("rm f");

    assert!(String::from_utf8_lossy(&output.stderr).contains("busy"));
    assert_eq!(mount.read("f"), "theirs\n");
    mount.sh("rm f");
    assert_eq!(stage.contents(), []);
}

#[test]
fn a_kept_text_stays_local_until_it_is_given_a_name_of_its_own() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/f", "old\n");
    let mount = stage.mount_with(&["--poll", "0"]);
    write_late(&mount, || stage.change(&id, &json!({"content": "theirs\n"})));
    let kept = conflicts(&mount).remove(0);
    mount.sh(&format!("echo more >> {kept}; sync {kept}"));
    let versions = stage.history().len();
    assert!(mount.stop().success());

    let mount = stage.mount();
    assert_eq!(mount.read(&kept), "mine\nmore\n");
    assert_eq!(stage.history().len(), versions);
    mount.sh(&format!("cp {kept} copy; mv {kept} g; sync g; rm copy"));

    assert!(mount.stop().success());
    assert_eq!(
        stage.contents(),
        [("/f".into(), "theirs\n".into()), ("/g".into(), "mine\nmore\n".into())]
    );
    assert!(stage.spooled().is_empty());
}

#[test]
fn a_kept_text_can_be_removed_for_good() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/f", "old\n");
    let mount = stage.mount_with(&["--poll", "0"]);
    write_late(&mount, || stage.change(&id, &json!({"content": "theirs\n"})));

    mount.sh("rm f.conflict-*");

    assert!(stage.spooled().is_empty());
    assert!(mount.stop().success());
    assert_eq!(stage.mount().names(""), ["f"]);
}
