//! Disks that fail or are full: nothing is acknowledged that is not there. And what is on no disk.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::support::Program;
use crate::support::program::{tampered, traced};
use crate::support::server::text;

const KEY: &str = "durable-key";

fn serve(folder: &Path) -> Program {
    Program::serve(folder, &["--api-key", KEY, "--log", "error"])
}

const SERVE: [&str; 7] = ["serve", "--listen", "127.0.0.1:0", "--api-key", KEY, "--log", "error"];

/// SQLite itself would go on committing after a failed fsync; the server must not. (The second
/// sync is of the folder, whose failure SQLite ignores.)
#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_health_says_why() {
    for when in [1, 3, 6] {
        let folder = TempDir::new().unwrap();
        let plain = serve(folder.path());
        plain.call(KEY, "POST", "/v1/memory_stores", Some(&json!({"name": "before"})));
        plain.stop();
        let mut failing = tampered(folder.path(), &SERVE, "fsync,fdatasync", "error=EIO", when);
        let server = Program::spawn(&mut failing);
        let create = || server.call(KEY, "POST", "/v1/memory_stores", Some(&json!({"name": "n"})));

        let mut acknowledged = 0;
        let (status, body) = loop {
            match create() {
                (200, _) => acknowledged += 1,
                refused => break refused,
            }
            assert!(acknowledged < 50, "the fault never showed");
        };

        assert_eq!(status, 503, "{body}");
        assert_eq!(body["error"]["type"], "api_error");
        for _ in 0..3 {
            assert_eq!(create().0, 503, "no write is acknowledged until a restart");
        }
        let (health, body) = server.call(KEY, "GET", "/health", None);
        assert_eq!((health, &body["ready"]), (503, &json!(false)));
        assert!(text(&body, "reason").contains("restart"), "{body}");
        drop(server);

        let restarted = serve(folder.path());
        let (_, page) = restarted.call(KEY, "GET", "/v1/memory_stores?limit=100", None);
        assert!(page["data"].as_array().unwrap().len() > acknowledged, "{page}");
        assert_eq!(
            restarted.call(KEY, "POST", "/v1/memory_stores", Some(&json!({"name": "n"}))).0,
            200
        );
        restarted.stop();
    }
}

#[test]
fn a_full_disk_is_503_and_service_resumes_with_space() {
    let folder = TempDir::new().unwrap();
    let mount = |arguments: &[&str]| Command::new(arguments[0]).args(&arguments[1..]).status();
    let target = folder.path().to_str().unwrap().to_owned();
    let mounted = mount(&["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", &target]).unwrap();
    assert!(mounted.success(), "this test needs to mount a tmpfs, as root can");

    let outcome = std::panic::catch_unwind(|| fill_and_free(folder.path()));

    mount(&["umount", "-l", &target]).unwrap();
    outcome.unwrap();
}

fn fill_and_free(folder: &Path) {
    std::fs::write(folder.join("ballast"), vec![0; 600_000]).unwrap();
    let server = Program::serve(folder, &["--api-key", KEY]);
    let (_, store) = server.call(KEY, "POST", "/v1/memory_stores", Some(&json!({"name": "n"})));
    let memories = format!("/v1/memory_stores/{}/memories", text(&store, "id"));
    let create = |number: usize| {
        let body = json!({"path": format!("/{number}"), "content": "x".repeat(20_000)});
        server.call(KEY, "POST", &memories, Some(&body))
    };

    let mut written = 0;
    let (status, body) = loop {
        match create(written) {
            (200, _) => written += 1,
            refused => break refused,
        }
        assert!(written < 200, "the disk was never full");
    };
    assert_eq!(status, 503, "{body}");
    assert_eq!(body["error"]["message"], "the disk is full: nothing was written");
    assert_eq!(create(written).0, 503);
    assert_eq!(server.call(KEY, "GET", "/health", None).0, 200);
    std::fs::remove_file(folder.join("ballast")).unwrap();

    assert_eq!(create(written).0, 200, "service resumes with space");
    let (_, page) = server.call(KEY, "GET", &format!("{memories}?limit=100"), None);
    assert_eq!(page["data"].as_array().unwrap().len(), written + 1);
    // What returns within a second was not over.
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(create(written + 1).0, 200);
    let (_, log) = server.stop();
    for (level, says) in [("WARN", "the disk is full"), ("INFO", "the disk has room again")] {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(says)).collect();
        assert!(lines.len() == 1 && lines[0].contains(level), "{says}: {log}");
    }
}

#[test]
fn a_database_that_another_process_holds_is_in_the_log_once() {
    let folder = TempDir::new().unwrap();
    let server = Program::serve(folder.path(), &["--api-key", KEY]);
    let create = || server.call(KEY, "POST", "/v1/memory_stores", Some(&json!({"name": "n"}))).0;
    let holding = rusqlite::Connection::open(folder.path().join("memstored.db")).unwrap();

    holding.execute_batch("begin immediate").unwrap();
    assert_eq!(create(), 503);
    holding.execute_batch("rollback").unwrap();
    // What returns within a second was not over.
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(create(), 200);

    let (_, log) = server.stop();
    for (level, says) in [("WARN", "database is busy\""), ("INFO", "database is busy no longer")] {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(says)).collect();
        assert!(lines.len() == 1 && lines[0].contains(level), "{says}: {log}");
    }
}

#[test]
fn a_start_says_where_others_may_read_the_file() {
    let folder = TempDir::new().unwrap();
    let says = |program: Program| program.stop().1.contains("others may read the database");

    let says_at_first = says(Program::serve(folder.path(), &["--api-key", KEY]));
    let file = folder.path().join("memstored.db");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();

    assert!(!says_at_first);
    assert!(says(Program::serve(folder.path(), &["--api-key", KEY])));
}

/// The files that are made meanwhile, but for the database's own three.
fn made(folder: &Path, what: impl FnOnce(&Program)) -> Vec<String> {
    let calls = folder.join("calls");
    let server = Program::spawn(&mut traced(folder, &SERVE, "openat", &calls));
    what(&server);
    server.stop();
    let calls = std::fs::read_to_string(calls).unwrap();
    let made = calls.lines().filter(|call| call.contains("O_CREAT"));
    let (own, others): (Vec<_>, Vec<_>) = made.partition(|call| call.contains("memstored.db"));
    assert!(!own.is_empty(), "{calls}");
    others.into_iter().map(str::to_owned).collect()
}

/// A temporary file would be a copy of memories in another folder, or in none that may be written.
#[test]
fn what_a_change_needs_lies_in_memory_and_a_rewritten_copy_beside_the_file() {
    let folder = TempDir::new().unwrap();
    let database = || rusqlite::Connection::open(folder.path().join("memstored.db")).unwrap();
    let made_by_changes = made(folder.path(), |server| {
        let (_, store) = server.call(KEY, "POST", "/v1/memory_stores", Some(&json!({"name": "n"})));
        let memories = format!("/v1/memory_stores/{}/memories", text(&store, "id"));
        // Who holds the lock makes one batch of what comes meanwhile.
        let other = database();
        other.execute_batch("begin immediate").unwrap();
        std::thread::scope(|scope| {
            for number in 0..40 {
                let body = json!({"path": format!("/{number}"), "content": "x".repeat(100_000)});
                let memories = &memories;
                scope.spawn(move || {
                    assert_eq!(server.call(KEY, "POST", memories, Some(&body)).0, 200);
                });
            }
            std::thread::sleep(Duration::from_secs(1));
            other.execute_batch("rollback").unwrap();
        });
    });
    assert!(made_by_changes.is_empty(), "{made_by_changes:#?}");

    // As a crash leaves it, between a redaction's commit and the end of its erasure.
    database().execute("insert into pending_erasures values ('memver_1')", []).unwrap();
    let copies = made(folder.path(), |_| {});
    let beside = format!("\"{}/", folder.path().canonicalize().unwrap().display());
    assert!(!copies.is_empty() && copies.iter().all(|made| made.contains(&beside)), "{copies:#?}");
    let left: i64 = database()
        .query_row("select count(*) from pending_erasures", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}
