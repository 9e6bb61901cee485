//! What is not the store: terminals, pipes, shells, the manual.

use std::io::Write;
use std::process::{Command, Stdio};

use super::door::Door;
use super::stage::{Ran, Stage};

/// Runs a command on a terminal of its own; answers what that shows.
fn on_a_terminal(stage: &Stage, arguments: &[&str]) -> String {
    typed_on_a_terminal(stage, arguments, "")
}

/// The same, with somebody who types.
fn typed_on_a_terminal(stage: &Stage, arguments: &[&str], typed: &str) -> String {
    let inner = stage.command(arguments);
    let script = "import os, pty, sys\n\
                  out = b''\n\
                  def read(fd):\n\
                  \x20   data = os.read(fd, 65536)\n\
                  \x20   return data\n\
                  pty.spawn(sys.argv[1:], read)\n";
    let mut python = Command::new("python3");
    python.arg("-c").arg(script).arg(inner.get_program()).args(inner.get_args());
    python.current_dir(stage.folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => python.env(name, value),
            None => python.env_remove(name),
        };
    }
    let mut child = python.env_remove("NO_COLOR").spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn a_redaction_waits_for_a_yes() {
    let stage = Stage::new();
    stage.put("/a", "secret");
    stage.told(&["rm", "/a"]);
    let version = &stage.versions()[1];
    let redact = ["redact", version, "--reason", "r"];

    let refused = typed_on_a_terminal(&stage, &redact, "y\n");
    assert!(
        refused.contains("6 bytes of /a") && refused.contains("nothing was redacted"),
        "{refused}"
    );
    assert_eq!(stage.told(&["cat", "--version", version]), "secret");
    let done = typed_on_a_terminal(&stage, &redact, "yes\n");
    assert!(done.contains(&format!("redacted {version}")), "{done}");
    assert_eq!(stage.run(&["cat", "--version", version]).code, 3);
}

const EVIL: &str = "\u{1b}]0;owned\u{7}\u{1b}[2Jback\u{8}\r\u{9b}31m \u{202e}evil\n";

#[test]
fn what_a_memory_holds_drives_no_terminal_and_reaches_a_pipe_unchanged() {
    let stage = Stage::new();
    stage.put("/evil", "x\n");
    stage.put("/evil", EVIL);
    let version = &stage.versions()[0];

    assert_eq!(stage.told(&["cat", "/evil"]), EVIL);
    for arguments in [
        &["cat", "/evil", "--color", "never"][..],
        &["log", "-p", "--color", "never"],
        &["diff", version, "--color", "never"],
        &["diff", version, "--word", "--color", "never"],
        &["show", version, "--color", "never"],
        &["blame", "/evil", "--color", "never"],
    ] {
        let shown = on_a_terminal(&stage, arguments).replace("\r\n", "\n");
        assert!(shown.contains("\\u{1b}"), "{arguments:?}: {shown:?}");
        for char in ['\u{1b}', '\u{7}', '\u{8}', '\r', '\u{9b}', '\u{202e}'] {
            assert!(!shown.contains(char), "{arguments:?}: {char:?} in {shown:?}");
        }
    }
}

#[test]
fn a_name_drives_no_terminal_either() {
    let stage = Stage::new();
    let session = stage.session("\u{1b}]0;owned\u{7}title");
    stage.create(&session, "/a", "a");

    let log = stage.told(&["log"]);

    assert!(log.contains("\\u{1b}]0;owned\\u{7}title"), "{log:?}");
}

#[test]
fn colours_are_for_terminals_or_those_who_ask() {
    let stage = Stage::new();
    stage.put("/a", "1\n");

    assert!(!stage.told(&["log", "-p"]).contains('\u{1b}'));
    assert!(stage.told(&["log", "-p", "--color", "always"]).contains('\u{1b}'));
    assert!(on_a_terminal(&stage, &["log", "-p"]).contains("\u{1b}[32m+1"));
    assert!(!on_a_terminal(&stage, &["log", "-p", "--color", "never"]).contains('\u{1b}'));
}

/// Who asks for colours in a pipe has a pager behind it, which hands them on.
#[test]
fn what_is_coloured_for_a_pager_drives_no_terminal_either() {
    let stage = Stage::new();
    stage.put("/evil", "x\n");
    stage.put("/evil", EVIL);
    let version = &stage.versions()[0];

    for arguments in [
        &["log", "-p"][..],
        &["diff", version],
        &["diff", version, "--word"],
        &["show", version],
        &["blame", "/evil"],
    ] {
        let shown = stage.told(&[arguments, &["--color", "always"]].concat());
        assert!(shown.contains("\\u{1b}]0;owned\\u{7}"), "{arguments:?}: {shown:?}");
        for bad in ["\u{1b}]", "\u{1b}[2J", "\u{7}", "\r", "\u{9b}", "\u{202e}"] {
            assert!(!shown.contains(bad), "{arguments:?}: {bad:?} in {shown:?}");
        }
    }
    assert_eq!(stage.told(&["cat", "/evil", "--color", "always"]), EVIL, "the very bytes");
    assert!(stage.told(&["show", version]).contains(EVIL), "and without colours, too");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let stage = Stage::new();
    stage.put("/a", &"long line\n".repeat(10_000));
    let program = stage.command(&["blame", "/a"]);
    let mut child = { program }.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn shells_and_man_learn_every_verb() {
    let stage = Stage::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = stage.told(&["completions", shell]);
        assert!(script.contains("blame") && script.contains("undo"), "{shell}");
    }
    let bash = stage.told(&["completions", "bash"]);
    std::fs::write(stage.path("completions"), bash).unwrap();
    let checked = Command::new("bash").arg("-n").arg(stage.path("completions")).status().unwrap();
    assert!(checked.success());
    assert!(stage.told(&["man"]).starts_with(".ie"));
    let pages = stage.path("man1");
    std::fs::create_dir(&pages).unwrap();
    stage.told(&["man", pages.to_str().unwrap()]);
    for page in ["memstored.1", "memstored-log.1", "memstored-undo.1", "memstored-key-create.1"] {
        let text = std::fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(".SH NAME") && text.contains(".SH OPTIONS"), "{page}");
    }
    let fresh = stage.path(".local/share/man/man1");
    stage.told(&["man", fresh.to_str().unwrap()]);
    assert!(fresh.join("memstored.1").exists(), "the folder is made");
    let file = pages.join("memstored.1").join("man1");
    let refused = stage.run(&["man", file.to_str().unwrap()]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains(file.to_str().unwrap()), "{}", refused.err);
}

#[test]
fn no_server_is_a_plain_message_that_says_why() {
    let stage = Stage::new();
    let refused = |set: &[(&str, &str)]| {
        let mut command = stage.command(&["log", "--store", "memstore_0"]);
        let ran = Ran::of(command.envs(set.iter().copied()).output().unwrap());
        assert_eq!((ran.code, &*ran.out), (1, ""), "{set:?}: {}", ran.err);
        ran.err
    };

    let down = refused(&[("MEMSTORED_URL", "http://127.0.0.1:1")]);
    let why = "can't reach the server at http://127.0.0.1:1: Connection refused (os error 111)\n";
    assert_eq!(down, format!("memstored: {why}"));
    let no_tls = refused(&[("MEMSTORED_URL", &stage.server.url().replace("http:", "https:"))]);
    assert!(no_tls.contains("corrupt message"), "{no_tls}");
    for url in [&*stage.server.address, "localhost:8780", "mstd_secret", "ftp://localhost"] {
        let told = refused(&[("MEMSTORED_URL", url)]);
        assert!(told.contains("needs http:// or https:// in front"), "{url}: {told}");
        assert!(!told.contains("secret"), "{told}");
    }
    let told = refused(&[("MEMSTORED_API_KEY", "mstd_secret\n")]);
    assert!(told.contains("holds a character that no header can carry"), "{told}");
    assert!(!told.contains("secret"), "{told}");
}

/// A server of the contract that is no memstored: it has nothing under /x.
#[test]
fn another_server_of_the_contract_is_enough() {
    let (stage, sessions) = Stage::incident();
    stage.told(&["put", "/own", "/dev/null"]);
    let foreign = Door::before(
        &stage,
        Box::new(|_, path| {
            let body = r#"{"type":"error","error":{"type":"not_found_error","message":"no \u001b[2J"},"request_id":"req_1"}"#;
            let head = format!("content-type: application/json\r\ncontent-length: {}", body.len());
            path.starts_with("/x/")
                .then(|| format!("HTTP/1.1 404 Not Found\r\n{head}\r\n\r\n{body}"))
        }),
    );
    let run = |arguments: &[&str]| foreign.run(&stage, arguments);

    let log = run(&["log"]);
    assert_eq!(log.code, 0, "{}", log.err);
    assert!(
        log.out.contains("Add a paragraph on RGA") && log.out.contains("apikey_"),
        "{}",
        log.out
    );
    let whoami = run(&["whoami"]);
    assert_eq!(whoami.code, 0, "{}", whoami.err);
    assert!(whoami.err.contains("only says that the credential is accepted"), "{}", whoami.err);
    let journal = run(&["journal", "--workspace"]);
    assert_eq!(journal.code, 1);
    assert!(journal.err.contains("only a memstored has one"), "{}", journal.err);
    let journal = run(&["journal"]);
    assert!(journal.code == 3 && !journal.err.contains('\u{1b}'), "{:?}", journal.err);
    let undone = run(&["undo", "--session", &sessions[1].id, "--reason", "r"]);
    assert_eq!(undone.code, 0, "{}", undone.err);
}
