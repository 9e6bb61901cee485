//! Keys and workspaces on the command line: what is asked before, what is noted, what is shown.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::Program;
use crate::support::program::{command, run, run_first, run_json};
use crate::support::server::text;

fn told(output: &Output) -> (i32, String) {
    let errors = String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned() + &errors)
}

/// Runs a command on a terminal of its own, with an answer to what it asks.
fn answered(folder: &Path, arguments: &[&str], answer: &str) -> (i32, String) {
    const ON_A_TERMINAL: &str = "import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let plain = command(folder, arguments);
    let mut python = Command::new("python3");
    python.args(["-c", ON_A_TERMINAL]).arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs().filter_map(|(name, value)| Some((name, value?))) {
        python.env(name, value);
    }
    python.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = python.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{answer}").unwrap();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    told(&output)
}

fn made(folder: &Path, name: &str) -> String {
    let made = run_first(folder, &["workspace", "create", name, "--json"]);
    text(&made, "id").to_owned()
}

fn workspaces(folder: &Path) -> usize {
    run_json(folder, &["workspace", "list", "--json"]).as_array().unwrap().len()
}

#[test]
fn a_workspace_is_deleted_only_after_a_yes() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let id = made(folder, "research");
    let delete = ["workspace", "delete", &id];
    let count = workspaces(folder);

    let (code, said) = told(&run(folder, &delete));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("--yes") && said.contains("research"), "{said}");
    let (code, said) = answered(folder, &delete, "y");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("(research)") && said.contains("nothing was deleted"), "{said}");
    assert_eq!(workspaces(folder), count);

    let (code, said) = answered(folder, &delete, "yes");
    assert_eq!(code, 0, "{said}");
    assert_eq!(workspaces(folder), count - 1);
    assert_eq!(told(&run(folder, &delete)).0, 3, "there is nothing to ask about");
    let other = made(folder, "other");
    assert_eq!(told(&run(folder, &["workspace", "delete", &other, "--yes"])).0, 0);
}

#[test]
fn a_workspace_is_deleted_through_a_server_only_after_a_yes() {
    let folder = TempDir::new().unwrap();
    let server = Program::serve(folder.path(), &["--api-key", "boss"]);
    let (url, id) = (server.url(), made(folder.path(), "research"));
    let delete = ["workspace", "delete", &id, "--url", &url, "--api-key", "boss"];

    let (code, said) = told(&run(folder.path(), &delete));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("--yes") && said.contains("research"), "{said}");
    assert_eq!(told(&run(folder.path(), &[&delete[..], &["--yes"]].concat())).0, 0);
}

/// Kinds and reasons of a workspace's journal, oldest first.
fn reasons(server: &Program, workspace: &str) -> Vec<(String, String)> {
    let path = format!("/x/v1/journal?workspace_id={workspace}");
    let (status, journal) = server.call("boss", "GET", &path, None);
    assert_eq!(status, 200, "{journal:#}");
    let word = |entry: &Value, name: &str| entry[name].as_str().unwrap_or("-").to_owned();
    let entries = journal["data"].as_array().unwrap().iter().rev();
    entries.map(|entry| (word(entry, "kind"), word(entry, "reason"))).collect()
}

#[test]
fn a_reason_goes_into_the_journal_from_the_database_and_through_a_server() {
    let folder = TempDir::new().unwrap();
    let server = Program::serve(folder.path(), &["--api-key", "boss"]);
    let url = server.url();
    for place in [&[][..], &["--url", &url, "--api-key", "boss"]] {
        let run =
            |arguments: &[&str]| run_json(folder.path(), &[arguments, &["--json"], place].concat());
        let workspace = run(&["workspace", "create", "w", "--reason", "made"]);
        let id = text(&workspace, "id");
        let key = run(&["key", "create", "--workspace", id, "--reason", "für Ada"]);
        run(&["key", "revoke", text(&key, "id"), "--reason", "left"]);
        run(&["workspace", "delete", id, "--yes", "--reason", "over"]);

        let expected = [
            ("workspace_created", "made"),
            ("key_created", "für Ada"),
            ("key_revoked", "left"),
            ("workspace_deleted", "over"),
        ];
        let expected = expected.map(|(kind, reason)| (kind.to_owned(), reason.to_owned()));
        assert_eq!(reasons(&server, id), expected, "{place:?}");
    }
}

#[test]
fn a_reason_that_no_journal_takes_is_a_usage_error() {
    let folder = TempDir::new().unwrap();
    for bad in ["", " ", "a\nb"] {
        let (code, said) =
            told(&run(folder.path(), &["workspace", "create", "w", "--reason", bad]));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("1 to 1024 characters"), "{said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn lists_of_keys_and_workspaces_write_out_what_hides_or_turns_text() {
    let folder = TempDir::new().unwrap();
    let name = "a\u{202e}b";
    let id = made(folder.path(), name);
    let key = ["key", "create", "--name", name, "--as-user", name, "--workspace", &id, "--json"];
    let key = run_json(folder.path(), &key);

    for list in ["key", "workspace"] {
        let (_, listed) = told(&run(folder.path(), &[list, "list"]));
        let line = listed.lines().find(|line| line.contains(&id)).unwrap();
        assert!(!listed.contains('\u{202e}') && line.contains("a\\u{202e}b"), "{listed}");
    }
    let (_, listed) = told(&run(folder.path(), &["key", "list"]));
    assert!(listed.contains(text(&key, "created_at")), "{listed}");
    let (_, revoked) = told(&run(folder.path(), &["key", "revoke", text(&key, "id")]));
    assert!(revoked.contains("(a\\u{202e}b)"), "{revoked}");
}

#[test]
fn a_key_may_end_with_the_last_second_that_there_is() {
    let folder = TempDir::new().unwrap();
    let never = "9999-12-31T23:59:59Z";

    let key = run_first(folder.path(), &["key", "create", "--expires", never, "--json"]);

    assert_eq!(key["expires_at"], "9999-12-31T23:59:59.000000Z");
}

/// In a folder that is the wrong one, say.
#[test]
fn a_database_that_nobody_named_is_not_made_by_the_way() {
    let folder = TempDir::new().unwrap();
    let run = |arguments: &[&str], named: &[(&str, &str)]| {
        let mut command = command(folder.path(), arguments);
        command.env_remove("MEMSTORED_DATABASE_URL").envs(named.iter().copied());
        told(&command.output().unwrap())
    };
    for arguments in [&["key", "create"][..], &["workspace", "create", "w"]] {
        let (code, said) = run(arguments, &[]);

        assert_eq!(code, 1, "{arguments:?}: {said}");
        assert!(said.contains("there is no database of memstored at"), "{said}");
        assert!(said.contains("--database-url sqlite:memstored.db"), "{said}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
    }

    let named = [("MEMSTORED_DATABASE_URL", "sqlite:memstored.db")];
    let (code, said) = run(&["key", "create"], &named);
    assert!(code == 0 && said.contains("making a new database"), "{said}");
    assert_eq!(run(&["key", "create"], &[]).0, 0, "there is one now");
    let (code, said) = run(&["key", "create", "--database-url", "sqlite:other.db"], &[]);
    assert!(code == 0 && folder.path().join("other.db").exists(), "{said}");
}
