//! One save is one version.

use super::stage::{Stage, until};

/// Ways to write a file that holds `old`, and what it holds then.
const SAVES: [(&str, &str); 22] = [
    ("echo one > f", "one\n"),
    ("{ echo one; echo two; } > f", "one\ntwo\n"),
    ("{ date -u -d @0 +%s; printf 1; cat /dev/null; } > f", "0\n1"),
    ("(echo one; echo two) > f", "one\ntwo\n"),
    ("exec 3>f; echo one >&3; echo two >&3; exec 3>&-", "one\ntwo\n"),
    ("exec 3>f 4>&3; echo one >&3; exec 3>&-; echo two >&4; exec 4>&-", "one\ntwo\n"),
    ("exec 3>f; (echo one >&3); echo two >&3; exec 3>&-", "one\ntwo\n"),
    ("printf 'one\ntwo\n' | cat > f", "one\ntwo\n"),
    ("echo one | tee f > /dev/null", "one\n"),
    ("echo one | dd of=f bs=1 2> /dev/null", "one\n"),
    ("echo one >> f", "old\none\n"),
    ("echo one 1<> f", "one\n"),
    ("echo new > /tmp/$$; cp /tmp/$$ f; rm /tmp/$$", "new\n"),
    ("sed -i s/old/one/ f", "one\n"),
    ("truncate -s 2 f", "ol"),
    ("truncate -s 6 f", "old\n\0\0"),
    (": > f", ""),
    ("echo new > t; mv t f", "new\n"),
    ("python3 -c 'open(\"f\", \"w\").write(\"one\")'", "one"),
    ("python3 -c 'import os; os.truncate(\"f\", 2)'", "ol"),
    ("{ echo one; sleep 0.2; echo two; } > f & wait", "one\ntwo\n"),
    ("bash -c '{ sleep 0.2; echo two; } & echo one' > f; sleep 0.4", "one\ntwo\n"),
];

#[test]
fn a_save_is_one_version_in_whatever_way_it_is_written() {
    let Some(stage) = Stage::new() else { return };
    for number in 0..SAVES.len() {
        stage.memory(&format!("/{number}/f"), "old\n");
    }
    let mount = stage.mount();
    let history = |number: usize| {
        let ours = |line: &String| line.contains(&format!(" /{number}/"));
        stage.history().into_iter().filter(ours).collect::<Vec<_>>()
    };
    let wanted = |number: usize, text: &str| {
        vec![format!("created /{number}/f old\n"), format!("modified /{number}/f {text}")]
    };

    for (number, (script, text)) in SAVES.iter().enumerate() {
        mount.sh(&format!("cd {number}; {script}"));
        until(script, || history(number).len() >= 2);
        assert_eq!(history(number), wanted(number, text), "{script}");
    }

    assert!(mount.stop().success());
    for (number, (script, text)) in SAVES.iter().enumerate() {
        assert_eq!(history(number), wanted(number, text), "{script}");
    }
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

/// The kernel closes it while it holds the program's entry under /proc.
#[test]
fn a_program_that_is_replaced_saves_what_it_wrote() {
    let Some(stage) = Stage::new() else { return };
    let id = stage.memory("/f", "old\n");
    let mount = stage.mount();
    let script = "import os\n\
                  f = os.open('f', os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)\n\
                  os.write(f, b'new\\n')\n\
                  os.execv('/bin/true', ['true'])\n";

    mount.python(script);

    until("the save", || stage.history().len() == 2);
    assert_eq!(mount.read("f"), "new\n");
    assert!(id.starts_with("mem_"));
}
