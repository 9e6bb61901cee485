//! The program as a person meets it: first start, settings, keys and workspaces, exit codes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use rstest::rstest;
use serde_json::json;
use tempfile::TempDir;

use crate::support::Program;
use crate::support::program::{command, parse, request, run, run_first, run_json};
use crate::support::server::text;

const STORES: &str = "/v1/memory_stores";
const ALL: &str = "read,write,redact,admin";

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn the_first_start_makes_a_file_a_workspace_and_a_key_shown_once() {
    let folder = TempDir::new().unwrap();
    let server = Program::serve(folder.path(), &[]);
    let key = server.key().unwrap();

    assert_eq!(server.call(&key, "POST", STORES, Some(&json!({"name": "n"}))).0, 200);
    let greeting = server.greeting.clone();
    let (status, log) = server.stop();
    let again = Program::serve(folder.path(), &[]);

    assert!(status.success());
    assert!(!log.contains(&key));
    assert!(greeting.contains("http://127.0.0.1:") && !greeting.contains(":0\n"), "{greeting}");
    assert_eq!(again.key(), None, "{}", again.greeting);
    let (status, page) = again.call(&key, "GET", STORES, None);
    assert_eq!((status, &page["data"][0]["name"]), (200, &json!("n")));
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
        let bytes = fs::read(entry.path()).unwrap();
        assert!(!bytes.windows(key.len()).any(|part| part == key.as_bytes()), "the key is kept");
    }
    let listed = run_json(folder.path(), &["workspace", "list", "--json"]);
    assert_eq!(listed[0]["name"], "default");
}

#[test]
fn a_configured_key_is_valid_while_configured_and_none_is_made() {
    let folder = TempDir::new().unwrap();
    let first = Program::serve(folder.path(), &["--api-key", "any"]);
    assert_eq!(first.key(), None);
    assert_eq!(first.call("any", "DELETE", "/v1/memory_stores/x", None).0, 404);
    let id = |server: &Program| {
        server.call("any", "GET", "/x/v1/api_keys", None).1["data"][0]["id"].clone()
    };
    let before = id(&first);
    first.stop();

    let second = Program::spawn(
        command(folder.path(), &["serve", "--listen", "127.0.0.1:0"])
            .env("MEMSTORED_API_KEY", "any"),
    );
    assert_eq!(id(&second), before);
    second.stop();
    let third = Program::serve(folder.path(), &[]);

    assert!(third.key().is_some());
    assert_eq!(third.call("any", "GET", STORES, None).0, 401);
}

#[rstest]
#[case::scopes(&["--scope", "read"], "fewer scopes")]
#[case::expiry(&["--scope", ALL, "--expires", "2099-01-01T00:00:00Z"], "an expiry")]
#[case::actor(&["--scope", ALL, "--as-service", "nightly"], "somebody else")]
#[case::workspace(&["--scope", ALL, "--workspace", "other"], "another workspace")]
#[case::environment(&["--environment", "its"], "environment's workers")]
#[case::revoked(&["--scope", ALL, "revoke"], "was revoked")]
fn a_key_that_was_made_with_less_is_not_configured(#[case] made: &[&str], #[case] why: &str) {
    let folder = TempDir::new().unwrap();
    let server = Program::serve(folder.path(), &[]);
    let first = server.key().unwrap();
    let post = |path, body| {
        let (_, made) = server.call(&first, "POST", path, Some(&body));
        text(&made, "id").to_owned()
    };
    let other = post("/x/v1/workspaces", json!({"name": "other"}));
    let config = json!({"type": "self_hosted"});
    let its = post("/v1/environments", json!({"name": "its", "config": config}));
    server.stop();
    let revoke = made.contains(&"revoke");
    let made = made.iter().filter(|part| **part != "revoke").map(|part| match *part {
        "other" => &other,
        "its" => &its,
        part => part,
    });
    let create: Vec<_> = ["key", "create", "--json"].into_iter().chain(made).collect();
    let made = run_json(folder.path(), &create);
    if revoke {
        run_json(folder.path(), &["key", "revoke", "--json", text(&made, "id")]);
    }
    let start = |key: &str| {
        let mut start = command(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
        start.env("MEMSTORED_API_KEY", key);
        start
    };

    let refused = Program::try_spawn(&mut start(text(&made, "key"))).err();

    let refused = refused.expect("it is refused");
    assert!(refused.contains(why) && refused.contains("MEMSTORED_API_KEY"), "{refused}");
    assert_eq!(code(&start(text(&made, "key")).output().unwrap()), 1);
    // The first key has all that a configured one has.
    let server = Program::spawn(&mut start(&first));
    assert_eq!(server.call(&first, "GET", STORES, None).0, 200);
}

#[test]
fn a_start_without_a_valid_key_says_that_it_may_be_revoked() {
    let folder = TempDir::new().unwrap();
    let made = run_first(folder.path(), &["key", "create", "--json"]);
    run_json(folder.path(), &["key", "revoke", "--json", text(&made, "id")]);

    let refused = run(folder.path(), &["serve", "--listen", "0.0.0.0:0"]);

    assert_eq!(code(&refused), 1);
    let said = "no API key that is valid (none was made, or all are revoked or expired)";
    assert!(errors(&refused).contains(said), "{}", errors(&refused));
}

#[test]
fn an_in_memory_database_is_gone_at_exit() {
    let folder = TempDir::new().unwrap();
    let arguments = ["--database-url", "sqlite::memory:", "--api-key", "k"];
    let first = Program::serve(folder.path(), &arguments);
    let second = Program::serve(folder.path(), &arguments);
    first.call("k", "POST", STORES, Some(&json!({"name": "n"})));

    assert_eq!(first.call("k", "GET", STORES, None).1["data"].as_array().unwrap().len(), 1);
    assert_eq!(second.call("k", "GET", STORES, None).1["data"], json!([]));
    first.stop();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[rstest]
#[case::dev(&["--dev", "--listen", "0.0.0.0:0"], 2, "loopback")]
#[case::no_key(&["--listen", "0.0.0.0:0"], 1, "memstored key create")]
#[case::taken(&["--database-url", "sqlite:/nowhere/db"], 1, "can't open")]
#[case::scheme(&["--database-url", "mysql://db"], 2, "sqlite:PATH")]
#[case::durability(&["--durability", "none"], 2, "full")]
#[case::key(&["--api-key", "two words"], 2, "visible ASCII")]
#[case::host(&["--allowed-host", "http://notes"], 2, "by itself")]
#[case::pattern(&["--allowed-host", "*.notes"], 2, "by itself")]
#[case::connections(&["--max-connections", "0"], 2, "max-connections")]
#[case::parameter(&["--database-url", "postgres://a@h/d?sslmod=require"], 2, "sslmod")]
#[case::unknown(&["--color"], 2, "unexpected argument")]
fn a_start_that_can_not_be_is_refused_with_its_reason(
    #[case] arguments: &[&str],
    #[case] exit: i32,
    #[case] reason: &str,
) {
    let folder = TempDir::new().unwrap();

    let output = run(folder.path(), &[&["serve"], arguments].concat());

    assert_eq!(code(&output), exit, "{}", errors(&output));
    assert!(errors(&output).contains(reason), "{}", errors(&output));
    assert!(!folder.path().join("memstored.db-wal").exists(), "the database was closed");
}

#[test]
fn a_database_url_that_is_refused_is_not_repeated() {
    let folder = TempDir::new().unwrap();
    let bad = "postgres://ann:s3cret@host:port/notes";

    for arguments in [&["serve"][..], &["key", "list"], &["doctor"], &["migrate"]] {
        let mut refused = command(folder.path(), arguments);
        let refused = refused.env("MEMSTORED_DATABASE_URL", bad).output().unwrap();
        assert_eq!(code(&refused), 2);
        assert!(errors(&refused).contains("can't be read"), "{}", errors(&refused));
        assert!(!errors(&refused).contains("s3cret"), "{}", errors(&refused));
    }
    let refused = run(folder.path(), &["copy", "--from", bad, "--to", "sqlite:x"]);
    assert!(!errors(&refused).contains("s3cret"), "{}", errors(&refused));
}

#[test]
fn a_port_that_is_taken_costs_no_key() {
    let folder = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let refused = run(folder.path(), &["serve", "--listen", &address]);
    let started = Program::serve(folder.path(), &[]);

    assert_eq!(code(&refused), 1);
    assert!(errors(&refused).contains("can't listen on"), "{}", errors(&refused));
    assert!(started.key().is_some());
}

#[test]
fn an_empty_allowed_host_is_none() {
    let folder = TempDir::new().unwrap();
    let mut serve = command(folder.path(), &["serve", "--listen", "0.0.0.0:0", "--api-key", "k"]);
    let mut server = Program::spawn(serve.env("MEMSTORED_ALLOWED_HOST", ""));
    server.address = server.address.replace("0.0.0.0", "127.0.0.1");

    assert_eq!(server.call("k", "GET", STORES, None).0, 200);
}

#[test]
fn allowed_hosts_may_have_spaces_around_them() {
    let folder = TempDir::new().unwrap();
    let mut serve = command(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--api-key", "k"]);
    let server = Program::spawn(serve.env("MEMSTORED_ALLOWED_HOST", "one, two"));

    for (host, status) in [("two", 200), ("three", 403)] {
        let answer = server.raw(&request(host, "k", "GET", STORES, None, "close"));
        assert_eq!(parse(&answer).unwrap().0, status, "{host}");
    }
}

#[test]
fn a_public_address_needs_a_key_that_exists() {
    let folder = TempDir::new().unwrap();
    let key = run_first(folder.path(), &["key", "create", "--name", "ops", "--json"]);

    let mut server =
        Program::spawn(&mut command(folder.path(), &["serve", "--listen", "0.0.0.0:0"]));

    assert_eq!(server.key(), None);
    server.address = server.address.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(server.call(text(&key, "key"), "GET", STORES, None).0, 200);
}

#[test]
fn keys_are_made_listed_and_revoked_on_the_database_and_seen_by_a_running_server() {
    let folder = TempDir::new().unwrap();
    let server = Program::serve(folder.path(), &[]);
    let made =
        run_json(folder.path(), &["key", "create", "--name", "ci", "--scope", "read", "--json"]);
    let (id, key) = (text(&made, "id"), text(&made, "key"));
    assert_eq!(server.call(key, "GET", STORES, None).0, 200);

    let listed = run(folder.path(), &["key", "list"]);
    let revoked = run_json(folder.path(), &["key", "revoke", id, "--json"]);

    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.lines().next().unwrap().starts_with(&format!("{id}\tci\tmstd_…")), "{listed}");
    assert!(!listed.contains(key));
    assert!(revoked["revoked_at"].is_string());
    let begun = std::time::Instant::now();
    while server.call(key, "GET", STORES, None).0 != 401 {
        assert!(begun.elapsed().as_millis() < 1000, "a revoked key stops working within a second");
    }
}

#[test]
fn keys_and_workspaces_are_managed_through_a_server() {
    let folder = TempDir::new().unwrap();
    let elsewhere = TempDir::new().unwrap();
    let server = Program::serve(folder.path(), &["--api-key", "boss"]);
    let run = |arguments: &[&str]| {
        let mut command = command(elsewhere.path(), arguments);
        command.env_remove("MEMSTORED_DATABASE_URL");
        command.env("MEMSTORED_URL", server.url()).env("MEMSTORED_API_KEY", "boss");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", errors(&output));
        String::from_utf8(output.stdout).unwrap()
    };

    let workspace = run(&["workspace", "create", "research"]).trim().to_owned();
    let key = run(&["key", "create", "--name", "k", "--workspace", &workspace, "--as-user", "ada"]);
    let listed = run(&["key", "list", "--workspace", &workspace]);
    let id = listed.split('\t').next().unwrap().to_owned();

    assert_eq!(server.call(key.trim(), "POST", STORES, Some(&json!({"name": "n"}))).0, 200);
    assert!(listed.contains("ada"), "{listed}");
    assert!(run(&["workspace", "list"]).contains("research"));
    assert!(run(&["key", "revoke", &id]).contains("revoked"));
    assert!(run(&["workspace", "delete", &workspace, "--yes"]).contains("deleted"));
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0, "no database is made here");
}

#[test]
fn exit_codes_tell_what_went_wrong() {
    let folder = TempDir::new().unwrap();
    let server = Program::serve(folder.path(), &["--api-key", "boss"]);
    let url = server.url();
    let unknown = format!("apikey_{}", "0".repeat(26));
    let cases: &[(&[&str], i32, &str)] = &[
        (&["key", "revoke", &unknown], 3, "not found"),
        (&["key", "revoke", "nonsense"], 3, "not found"),
        (&["key", "create", "--scope", "root"], 2, "possible values"),
        (&["key", "list", "--database-url", "sqlite::memory:"], 2, "--url"),
        (&["key", "create", "--expires", "soon"], 1, "RFC 3339"),
        (&["key", "list", "--url", &url, "--database-url", "sqlite:x"], 2, "not both"),
        (&["key", "list", "--url", &url], 2, "admin scope"),
        (&["key", "list", "--url", &url, "--api-key", "wrong"], 1, "invalid API key"),
        (&["key", "revoke", &unknown, "--url", &url, "--api-key", "boss"], 3, "not found"),
        (&["key", "list", "--url", "nonsense", "--api-key", "boss"], 1, "--url"),
        (&["key", "list", "--database-url", "sqlite:missing"], 1, "there is no database"),
        (&["workspace", "create"], 2, "required"),
        (&["key"], 2, "Usage"),
    ];

    for (arguments, exit, reason) in cases {
        let output = run(folder.path(), arguments);
        assert_eq!(code(&output), *exit, "{arguments:?}: {}", errors(&output));
        assert!(errors(&output).contains(reason), "{arguments:?}: {}", errors(&output));
    }
}

#[test]
fn the_health_and_the_figures_are_told() {
    let folder = TempDir::new().unwrap();
    let arguments =
        ["--durability", "relaxed", "--metrics-listen", "127.0.0.1:0", "--api-key", "k"];
    let mut server = Program::serve(folder.path(), &arguments);

    let (status, health) = server.call("", "GET", "/health", None);
    server.call("k", "POST", STORES, Some(&json!({"name": "n"})));
    let figures = server.greeting.split("figures on http://").nth(1).unwrap();
    server.address = figures.split('/').next().unwrap().to_owned();
    let page = server.raw(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");

    let version = env!("CARGO_PKG_VERSION");
    let expected =
        json!({"ready": true, "version": version, "durability": "relaxed", "reason": null});
    assert_eq!((status, health), (200, expected));
    for figure in
        ["memstored_requests_total", "memstored_request_seconds", "memstored_commit_seconds"]
    {
        assert!(page.contains(&format!("# HELP {figure} ")), "{page}");
    }
}

#[test]
fn a_host_that_is_not_allowed_is_refused_on_loopback() {
    let folder = TempDir::new().unwrap();
    let server =
        Program::serve(folder.path(), &["--api-key", "k", "--allowed-host", "memory.test"]);
    let get = |host: &str| {
        let path = "/v1/memory_stores";
        let bytes = crate::support::program::request(host, "k", "GET", path, None, "close");
        crate::support::program::parse(&server.raw(&bytes)).unwrap().0
    };

    assert_eq!(get("evil.test"), 403);
    assert_eq!(get("memory.test"), 200);
    assert_eq!(get("localhost:1"), 200);
}

/// Canaries go through every part of a request; none may be logged, at any level.
#[test]
fn nothing_that_a_client_sends_is_logged() {
    let folder = TempDir::new().unwrap();
    let server = Program::serve(folder.path(), &["--log", "trace"]);
    let key = server.key().unwrap();
    let body = json!({"name": "canary-name", "description": "canary-description", "metadata": {"canary-key": "canary-value"}});
    let store = server.call(&key, "POST", STORES, Some(&body)).1;
    let memories = format!("{STORES}/{}/memories", text(&store, "id"));
    for body in [
        json!({"path": "/canary-path", "content": "canary-content"}),
        json!({"path": "canary-bad"}),
    ] {
        server.call(&key, "POST", &memories, Some(&body));
    }
    server.call(&key, "GET", &format!("{memories}?path_prefix=/canary-prefix/"), None);
    server.call("canary-secret", "GET", "/canary-route", None);
    server.call("canary-secret", "GET", STORES, None);

    let (_, log) = server.stop();

    assert!(log.contains("\"status\":200"), "{log}");
    assert!(!log.contains("canary") && !log.contains(&key), "{log}");
}

#[test]
fn the_help_of_a_command_says_what_the_list_of_commands_says() {
    let folder = TempDir::new().unwrap();
    let help =
        |arguments: &[&str]| String::from_utf8(run(folder.path(), arguments).stdout).unwrap();
    let all = help(&["--help"]);
    let listed = all.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let listed: Vec<_> = listed.lines().map(|line| line.trim().split_once("  ").unwrap()).collect();
    assert!(listed.len() > 25, "{listed:?}");

    for (command, says) in listed {
        if command != "help" {
            for asked in [[command, "--help"], ["help", command]] {
                let help = help(&asked);
                assert_eq!(help.lines().next(), Some(says.trim()), "{command}");
            }
        }
    }
}

#[test]
fn help_is_complete_and_settings_have_variables() {
    let folder = TempDir::new().unwrap();
    let help = run(folder.path(), &["serve", "--help"]);
    let help = String::from_utf8(help.stdout).unwrap();

    for flag in [
        "--listen",
        "--database-url",
        "--api-key",
        "--dev",
        "--lenient-headers",
        "--allowed-host",
        "--durability",
        "--metrics-listen",
        "--log",
        "--max-memories-per-store",
        "--max-stores",
        "--max-content-bytes",
        "--max-body-bytes",
        "--max-connections",
        "--rate-limit",
    ] {
        let variable = format!("MEMSTORED_{}", flag[2..].replace('-', "_").to_uppercase());
        assert!(help.contains(flag) && help.contains(&variable), "{flag} {variable}");
        let operations = include_str!("../../docs/operations.md");
        assert!(
            operations.contains(flag) && operations.contains(&variable),
            "{flag} in operations.md"
        );
    }
}
