//! Ordinary programs just work.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::stage::{Mount, Stage, say, until};

#[test]
fn listing_and_searching_show_what_the_store_has() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/a.md", "alpha\n");
    stage.memory("/d/b.md", "beta and alpha\n");
    let mount = stage.mount();

    assert_eq!(mount.sh("rg --sort path -l alpha"), "a.md\nd/b.md\n");
    assert_eq!(mount.sh("grep -rc beta | sort"), "a.md:0\nd/b.md:1\n");
    assert_eq!(mount.sh("find . | sort"), ".\n./a.md\n./d\n./d/b.md\n");
    assert!(mount.sh("ls -lR").contains("-rw-r--r-- 1 root root 15"));
    assert_eq!(
        mount.sh("du -b --apparent-size d/b.md; df --output=iused . | tail -1 | tr -d ' '"),
        "15\td/b.md\n2\n"
    );
}

#[test]
fn trees_are_copied_moved_and_removed() {
    let Some(stage) = Stage::new() else { return };
    let mount = stage.mount();

    mount.sh("mkdir -p ../tree/x/y; echo 1 > ../tree/x/y/one; echo 2 > ../tree/two
        cp -r ../tree a; cp -a ../tree b; mv b c; diff -r a c; mkdir -p c/deep/er
        cp -r c ../back; rm -r a; mv ../back/two c/three");
    mount.sh("find . -type f -exec sync {} +");

    let wanted = [("/c/three", "2\n"), ("/c/two", "2\n"), ("/c/x/y/one", "1\n")];
    let wanted = wanted.map(|(path, text)| (path.to_owned(), text.to_owned()));
    assert_eq!(stage.contents(), wanted);
    mount.sh("rm -rf c/*");
    assert_eq!(stage.contents(), []);
}

#[test]
fn editors_that_write_a_temporary_file_and_rename_it_work() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/notes.md", "old\n");
    let mount = stage.mount();

    mount.python(
        "
import os, tempfile
text = open('notes.md').read()
fd, name = tempfile.mkstemp(dir='.', prefix='.notes.md.')
with os.fdopen(fd, 'w') as file:
    file.write(text + 'new\\n')
os.replace(name, 'notes.md')",
    );

    assert_eq!(stage.history(), ["created /notes.md old\n", "modified /notes.md old\nnew\n"]);
    assert_eq!(stage.versions()[1]["memory_id"], id.as_str());
}

#[test]
fn locks_are_local() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount();

    mount.sh("flock f -c 'echo one >> f'; flock -n f true");

    assert_eq!(stage.history().len(), 2);
}

#[test]
fn other_users_may_use_it_only_where_that_is_allowed() {
    let Some(stage) = Stage::new() else { return };
    let as_user = |mount: &Mount, script: &str| {
        mount.bash(&format!("setpriv --reuid 1 --regid 1 --clear-groups sh -c '{script}'"))
    };
    stage.memory("/f", "old\n");
    let (own, shared) = (stage.mount(), stage.mount_with(&["--allow-other", "--uid", "1"]));
    fs::set_permissions(stage.folder(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(shared.at(), fs::Permissions::from_mode(0o755)).unwrap();
    if !as_user(&shared, "true").status.success() {
        say("SKIPPED other_users_may_use_it_only_where_that_is_allowed: no other users here\n");
        return;
    }

    assert!(!as_user(&own, "cat f").status.success());
    assert!(as_user(&shared, "cat f && echo new > f").status.success());

    assert_eq!(stage.history(), ["created /f old\n", "modified /f new\n"]);
}

#[test]
fn a_mount_that_somebody_else_unmounts_ends() {
    let Some(stage) = Stage::new() else { return };
    let mount = stage.mount();
    mount.sh("echo one > f");

    let done = std::process::Command::new("umount").arg(mount.at()).status().unwrap();

    assert!(done.success());
    until("uploaded", || !stage.history().is_empty());
    assert_eq!(stage.history(), ["created /f one\n"]);
}

#[test]
fn a_mount_that_is_in_use_ends_all_the_same() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount();
    let at = mount.at().to_owned();
    let open = std::fs::File::open(mount.path("f")).unwrap();

    assert!(mount.stop().success());

    assert_eq!(std::fs::read_dir(at).unwrap().count(), 0);
    drop(open);
}
