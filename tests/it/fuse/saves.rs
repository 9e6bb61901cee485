//! One save is one version.

use rstest::rstest;

use super::stage::{Stage, until};

/// What was written is one version, whatever way it was written.
#[rstest]
#[case::echo("echo one > f", "one\n")]
#[case::group("{ echo one; echo two; } > f", "one\ntwo\n")]
#[case::group_of_programs("{ date -u -d @0 +%s; printf 1; cat /dev/null; } > f", "0\n1")]
#[case::subshell("(echo one; echo two) > f", "one\ntwo\n")]
#[case::descriptor("exec 3>f; echo one >&3; echo two >&3; exec 3>&-", "one\ntwo\n")]
#[case::duplicates("exec 3>f 4>&3; echo one >&3; exec 3>&-; echo two >&4; exec 4>&-", "one\ntwo\n")]
#[case::children("exec 3>f; (echo one >&3); echo two >&3; exec 3>&-", "one\ntwo\n")]
#[case::pipe("printf 'one\ntwo\n' | cat > f", "one\ntwo\n")]
#[case::tee("echo one | tee f > /dev/null", "one\n")]
#[case::dd("echo one | dd of=f bs=1 2> /dev/null", "one\n")]
#[case::append("echo one >> f", "old\none\n")]
#[case::both("echo one 1<> f", "one\n")]
#[case::copy("cp ../new f", "new\n")]
#[case::edit("sed -i s/old/one/ f", "one\n")]
#[case::truncate("truncate -s 2 f", "ol")]
#[case::grow("truncate -s 6 f", "old\n\0\0")]
#[case::empty(": > f", "")]
#[case::moved("cp ../new t; mv t f", "new\n")]
#[case::python("python3 -c 'open(\"f\", \"w\").write(\"one\")'", "one")]
#[case::background("{ echo one; sleep 0.2; echo two; } > f & wait", "one\ntwo\n")]
#[case::orphan("bash -c '{ sleep 0.2; echo two; } & echo one' > f; sleep 0.4", "one\ntwo\n")]
fn a_save_is_one_version(#[case] script: &str, #[case] wanted: &str) {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    std::fs::write(stage.folder().join("new"), "new\n").unwrap();
    let mount = stage.mount();

    mount.sh(script);

    let wanted = vec!["created /f old\n".to_owned(), format!("modified /f {wanted}")];
    until(script, || stage.history().len() >= 2);
    assert_eq!(stage.history(), wanted, "{script}");
    assert!(mount.stop().success());
    assert_eq!(stage.history(), wanted, "{script}");
}

#[test]
fn a_parent_that_closes_its_copy_early_saves_nothing() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount();

    mount.python(
        "
import subprocess
with open('f', 'w') as file:
    child = subprocess.Popen(['sh', '-c', 'echo one; read go; echo two'], stdout=file,
                             stdin=subprocess.PIPE)
while open('f').read() != 'one\\n': pass
child.communicate(b'go\\n')",
    );

    assert_eq!(stage.history(), ["created /f old\n", "modified /f one\ntwo\n"]);
}

#[test]
fn each_append_of_a_loop_is_a_version() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "");
    let mount = stage.mount();

    mount.sh("for word in a b c; do echo $word >> f; done");

    let history = ["created /f ", "modified /f a\n", "modified /f a\nb\n", "modified /f a\nb\nc\n"];
    assert_eq!(stage.history(), history);
}

#[test]
fn each_sync_with_changes_is_a_version() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount();

    let seen = mount.python(
        "
import os
file = open('f', 'r+')
file.read()
for text in ('one\\n', 'two\\n', ''):
    file.write(text)
    file.flush()
    os.fsync(file.fileno())
file.close()
print(open('f').read())",
    );

    assert_eq!(seen, "old\none\ntwo");
    let history = ["created /f old\n", "modified /f old\none\n", "modified /f old\none\ntwo\n"];
    assert_eq!(stage.history(), history);
}

#[test]
fn what_changes_nothing_makes_no_version() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount();

    mount.sh("touch f; : >> f; cp f ../copy; cp ../copy f; cat f; chmod 700 f; chown 1:1 f");
    mount.sh("truncate -s 4 f; printf 'old\\n' > f");

    assert!(mount.stop().success());
    assert_eq!(stage.history(), ["created /f old\n"]);
}

#[test]
fn a_file_that_is_mapped_is_saved_when_it_is_closed() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount();

    mount.python(
        "
import mmap
with open('f', 'r+b') as file:
    pages = mmap.mmap(file.fileno(), 0)
    pages[0:3] = b'new'
    pages.flush()
    pages.close()",
    );

    until("saved", || stage.history().len() == 2);
    assert_eq!(stage.history(), ["created /f old\n", "modified /f new\n"]);
}

#[test]
fn a_save_is_attributed_and_seen_by_its_reader_at_once() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let mount = stage.mount();

    let seen = mount.sh("cat f; echo one > f; cat f; stat -c %s f");

    assert_eq!(seen, "old\none\n4\n");
    assert!(stage.versions()[1]["created_by"]["api_key_id"].is_string());
}
