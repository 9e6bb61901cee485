//! Whoever writes memories runs no program on the machine of whoever mounts them.

use std::fs::{self, File};

use rustix::io::Errno;
use serde_json::json;

use super::stage::{Stage, errno, until};
use crate::support::Trap;

#[test]
fn git_runs_nothing_of_a_store_that_is_mounted() {
    let Some(stage) = Stage::new() else { return };
    let trap = Trap::new(stage.folder());
    for (path, content) in trap.files() {
        stage.memory(&path, &content);
    }

    let mount = stage.mount();

    for folder in ["", "bare", "refs", "bare/objects"] {
        assert!(!trap.springs(&mount.path(folder)), "{folder}");
    }
    assert_eq!(mount.names(""), ["bare", "config", "objects", "refs"]);
    assert_eq!(mount.names("bare"), ["config", "objects", "refs"]);
    for hidden in [".git", ".git/config", "HEAD", "bare/HEAD"] {
        assert_eq!(errno(fs::metadata(mount.path(hidden))), Errno::NOENT, "{hidden}");
    }
    stage.logged("not shown: git would");
}

#[test]
fn what_git_takes_for_its_own_is_never_made_in_a_mount() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/f", "old\n");
    stage.memory("/d/f", "old\n");
    let mount = stage.mount();

    for name in ["HEAD", "d/HEAD", ".git", ".GIT", "git~1"] {
        assert_eq!(errno(File::create(mount.path(name))), Errno::PERM, "{name}");
        assert_eq!(errno(fs::rename(mount.path("f"), mount.path(name))), Errno::PERM, "{name}");
    }
    assert_eq!(errno(fs::create_dir(mount.path(".git"))), Errno::PERM);
    assert_eq!(errno(fs::rename(mount.path("d"), mount.path(".git"))), Errno::PERM);
    mount.sh("mkdir HEAD; echo a > HEAD/a; echo b > .gitignore; mv d HEAD; sync HEAD/a .gitignore");
    assert_eq!(mount.names(""), [".gitignore", "HEAD", "f"]);

    stage.change(&id, &json!({"path": "/d/HEAD"}));
    until("not shown any more", || mount.names("") == [".gitignore", "HEAD", "d"]);
    assert!(mount.names("d").is_empty());
    assert_eq!(errno(File::open(mount.path("d/HEAD"))), Errno::NOENT);
    stage.change(&id, &json!({"path": "/d/back"}));
    until("shown again", || mount.names("d") == ["back"]);
}
