//! What the contract refuses is the fitting errno, and a line in the log.

use std::fs::{self, File, OpenOptions};
use std::io::Write;

use rustix::io::Errno;
use serde_json::json;

use super::stage::{Stage, errno, until};

#[test]
fn content_that_no_memory_can_have_is_refused_and_nothing_is_saved() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount();
    let run = |script: &str| {
        let script = format!(
            "
import errno, os
def save(name, data, step=1 << 20):
    try:
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            for at in range(0, len(data), step):
                os.write(fd, data[at:at + step])
        finally:
            os.close(fd)
        return 'saved'
    except OSError as error:
        return errno.errorcode[error.errno]
open('f').read()
print({script})"
        );
        mount.python(&script)
    };

    assert_eq!(run("save('f', b'\\xff\\xfe')"), "EILSEQ");
    assert_eq!(run("save('new', b'\\x00\\xff')"), "EILSEQ");
    assert_eq!(run("save('f', b'x' * 102401)"), "EFBIG");
    assert_eq!(run("save('f', b'x' * 102401, 4096)"), "EFBIG");
    assert_eq!(run("save('new', b'x' * 102401, 100)"), "EFBIG");
    assert_eq!(mount.read("f"), "old\n");
    assert_eq!(mount.names(""), ["f"]);
    assert_eq!(run("save('f', b'x' * 102400, 4096)"), "saved");

    let history = stage.history();
    assert_eq!(history.len(), 2);
    assert_eq!(history[1].len(), "modified /f ".len() + 102_400);
    for why in ["at most 102400 bytes", "text in UTF-8"] {
        stage.logged(why);
    }
}

#[test]
fn a_file_may_be_as_large_as_the_server_takes() {
    if Stage::new().is_none() {
        return;
    }
    let stage = Stage::with(&["--max-content-bytes", "300000", "--max-memories-per-store", "7"]);
    stage.memory("/f", &"x".repeat(150_000));
    let mount = stage.mount();

    mount.sh("echo more >> f; head -c 300000 /dev/zero | tr '\\0' y > g; sync g");
    let mut file = OpenOptions::new().append(true).open(mount.path("g")).unwrap();
    assert_eq!(errno(file.write_all(b"y")), Errno::FBIG);
    drop(file);

    until("uploaded", || stage.contents().len() == 2);
    let sizes: Vec<_> = stage.contents().iter().map(|(_, content)| content.len()).collect();
    assert_eq!(sizes, [150_005, 300_000]);
    assert_eq!(mount.sh("df --output=itotal . | tail -1 | tr -d ' '").trim(), "7");
}

#[test]
fn a_sync_in_the_middle_of_a_character_refuses_and_keeps_the_text() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount();

    let mut file = File::create(mount.path("f")).unwrap();
    file.write_all(b"\xc3").unwrap();
    assert_eq!(errno(file.sync_all()), Errno::ILSEQ);
    file.write_all(b"\xa9\n").unwrap();
    file.sync_all().unwrap();

    assert_eq!(stage.history(), ["created /f old\n", "modified /f é\n"]);
}

#[test]
fn a_name_that_no_memory_can_have_is_refused() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount();
    let long = format!("{}/{}", "d".repeat(600), "f".repeat(423));
    fs::create_dir(mount.path(&"d".repeat(600))).unwrap();
    let deep = vec!["s"; 20].join("/");
    fs::create_dir_all(mount.path(&deep)).unwrap();

    for (name, wanted) in [
        ("a\nb", Errno::INVAL),
        ("e\u{301}", Errno::INVAL),
        ("\u{200d}", Errno::INVAL),
        ("\u{2028}", Errno::INVAL),
        (&format!("{deep}/t"), Errno::INVAL),
        (&long, Errno::NAMETOOLONG),
    ] {
        let path = mount.path(name);
        assert_eq!(errno(File::create(&path)), wanted, "{name:?}");
        assert_eq!(errno(fs::create_dir(&path)), wanted, "{name:?}");
        assert_eq!(errno(fs::rename(mount.path("f"), &path)), wanted, "{name:?}");
    }
    File::create(mount.path(&long[..long.len() - 1])).unwrap();

    stage.logged("normalization form C");
}

#[test]
fn links_and_special_files_are_refused() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount();
    let (f, link) = (mount.path("f"), mount.path("link"));

    assert_eq!(errno(std::os::unix::fs::symlink(&f, &link)), Errno::PERM);
    assert_eq!(errno(fs::hard_link(&f, &link)), Errno::PERM);
    assert!(!mount.bash("mkfifo pipe").status.success());
    assert_eq!(mount.names(""), ["f"]);
}

#[test]
fn mode_owner_and_times_are_accepted_and_stay() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount_with(&["--uid", "12", "--gid", "34"]);
    let look = || mount.sh("stat -c '%a %u %g %Y' f");
    let before = look();

    mount.sh("chmod 600 f; chown 5:6 f; touch -d @0 f");

    assert!(before.starts_with("644 12 34 "), "{before}");
    assert_eq!(look(), before);
    mount.sh("cp -p f ../g; cp -p ../g f");
    assert_eq!(stage.history().len(), 1);
}

#[test]
fn a_read_only_mount_is_read_only_for_the_kernel() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount_with(&["--read-only"]);

    let appended = OpenOptions::new().append(true).open(mount.path("f"));

    assert_eq!(errno(appended), Errno::ROFS);
    assert_eq!(errno(File::create(mount.path("g"))), Errno::ROFS);
    assert_eq!(errno(fs::remove_file(mount.path("f"))), Errno::ROFS);
    assert_eq!(errno(fs::create_dir(mount.path("d"))), Errno::ROFS);
    assert_eq!(errno(fs::rename(mount.path("f"), mount.path("g"))), Errno::ROFS);
    assert_eq!(mount.read("f"), "old\n");
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let line = mounts.lines().find(|line| line.contains(mount.at().to_str().unwrap())).unwrap();
    assert!(line.split(' ').nth(3).unwrap().split(',').any(|option| option == "ro"), "{line}");
}

#[test]
fn a_store_that_takes_no_more_says_so_and_the_text_is_kept() {
    if Stage::new().is_none() {
        return;
    }
    let stage = Stage::with(&["--max-memories-per-store", "1"]);
    let id = stage.memory("/f", "old\n");
    let mount = stage.mount();

    let mut file = File::create(mount.path("g")).unwrap();
    file.write_all(b"mine\n").unwrap();
    assert_eq!(errno(file.sync_all()), Errno::NOSPC);
    drop(file);
    let kept = |name: &str| {
        let names = mount.names("").into_iter();
        names.filter(|it| it.starts_with(&format!("{name}.conflict-"))).collect::<Vec<_>>()
    };
    assert_eq!(mount.read(&kept("g")[0]), "mine\n");

    stage.call("POST", &format!("{}/archive", stage.store), None);
    let mut file = OpenOptions::new().append(true).open(mount.path("f")).unwrap();
    file.write_all(b"more\n").unwrap();
    assert_eq!(errno(file.sync_all()), Errno::ROFS);
    drop(file);
    assert_eq!(mount.read("f"), "old\n");
    assert_eq!(mount.read(&kept("f")[0]), "old\nmore\n");
    fs::remove_file(mount.path("f")).unwrap();
    assert!(stage.versions().last().unwrap()["memory_id"] == id.as_str());
    for why in ["archived", "limit of 1 memories"] {
        stage.logged(why);
    }
}

#[test]
fn a_key_that_is_revoked_is_permission_denied_and_no_text_is_lost() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let body = json!({"name": "mount", "as_user": "ada", "scopes": ["read", "write"]});
    let made = stage.call("POST", "/x/v1/api_keys", Some(&body));
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let mount = stage.mount_with(&["--api-key", key]);
    // Open before: whether it could be opened later depends on whether its content was there by then.
    let mut file = OpenOptions::new().append(true).open(mount.path("f")).unwrap();
    stage.call("POST", &format!("/x/v1/api_keys/{id}/revoke"), None);

    let refused = || {
        file.write_all(b"more\n").unwrap();
        file.sync_all().map_err(|error| error.raw_os_error())
            == Err(Some(Errno::ACCESS.raw_os_error()))
    };
    until("refused", refused);
    drop(file);

    assert_eq!(stage.spooled().len(), 1);
    mount.kill();
    let next = stage.call("POST", "/x/v1/api_keys", Some(&body));
    let mount = stage.mount_with(&["--api-key", next["key"].as_str().unwrap()]);
    until("saved", || stage.history().len() > 1);
    assert!(
        mount.read("f").starts_with("old\nmore\n"),
        "another key of the same user is the same actor"
    );
}
