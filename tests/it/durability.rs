//! What was acknowledged survives: `kill -9` under concurrent writers, disks that fail or are full.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sqlx::ConnectOptions;
use tempfile::TempDir;

use crate::support::Program;
use crate::support::program::command;
use crate::support::server::text;

const KEY: &str = "durable-key";
const WRITERS: usize = 8;
const KILLS: usize = 20;

fn serve(folder: &Path) -> Program {
    Program::serve(folder, &["--api-key", KEY, "--log", "error"])
}

/// Creates memories until the server is gone; notes each that was acknowledged.
fn write_until_killed(
    server: &Program,
    store: &str,
    round: usize,
    acknowledged: &Arc<Mutex<BTreeMap<String, Value>>>,
    count: &Arc<AtomicUsize>,
) -> Vec<std::thread::JoinHandle<()>> {
    (0..WRITERS)
        .map(|writer| {
            let (address, path) = (server.address.clone(), format!("{store}/memories"));
            let (acknowledged, count) = (Arc::clone(acknowledged), Arc::clone(count));
            std::thread::spawn(move || {
                for number in 0.. {
                    let name = format!("/{round}/{writer}/{number}");
                    let body = json!({"path": name, "content": format!("{name} ").repeat(40)});
                    let Some((200, memory)) = try_call(&address, &path, &body) else { return };
                    acknowledged.lock().unwrap().insert(name, memory);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect()
}

/// One request; `None` when the server is gone before it has answered.
fn try_call(address: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    let bytes = crate::support::program::request(address, KEY, "POST", path, Some(body), "close");
    stream.write_all(&bytes).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    crate::support::program::parse(&answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_write_survives_kill_9_byte_for_byte() {
    let folder = TempDir::new().unwrap();
    let acknowledged = Arc::new(Mutex::new(BTreeMap::new()));
    let mut server = serve(folder.path());
    let (_, store) = server.call(KEY, "POST", "/v1/memory_stores", Some(&json!({"name": "n"})));
    let store = format!("/v1/memory_stores/{}", text(&store, "id"));

    for round in 0..KILLS {
        let count = Arc::new(AtomicUsize::new(0));
        let writers = write_until_killed(&server, &store, round, &acknowledged, &count);
        while count.load(Ordering::Relaxed) < 20 + 7 * round {
            std::thread::yield_now();
        }
        server.signal("-KILL");
        server.wait();
        for writer in writers {
            writer.join().unwrap();
        }
        server = serve(folder.path());
    }

    let acknowledged = acknowledged.lock().unwrap().clone();
    for (name, memory) in &acknowledged {
        let path = format!("{store}/memories/{}", text(memory, "id"));
        let (status, kept) = server.call(KEY, "GET", &path, None);
        assert_eq!(status, 200, "{name} was acknowledged and is lost");
        assert_eq!(kept["content"], format!("{name} ").repeat(40));
        assert_eq!(kept["content_sha256"], memory["content_sha256"]);
        assert_eq!(kept["memory_version_id"], memory["memory_version_id"]);
    }
    assert!(acknowledged.len() >= KILLS * 20);
    server.stop();
    check_history(folder.path()).await;
}

/// Every memory has its head, every version its entry, and sequence and time grow together.
async fn check_history(folder: &Path) {
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("memstored.db"));
    let mut direct = file.connect().await.unwrap();
    for (what, sql) in [
        (
            "a memory without its head",
            "select count(*) from memories m where not exists (select 1 from versions v where v.id = m.head_version_id and v.path = m.path and v.sha256 = m.sha256)",
        ),
        (
            "a version without its entry",
            "select count(*) from versions v where not exists (select 1 from journal j where j.subject = v.id and j.kind = 'version_written' and j.at = v.created_at)",
        ),
        (
            "an entry without its version",
            "select count(*) from journal j where j.kind = 'version_written' and not exists (select 1 from versions v where v.id = j.subject)",
        ),
        (
            "a gap",
            "select count(*) from journal j where j.seq > 1 and not exists (select 1 from journal p where p.ledger = j.ledger and p.seq = j.seq - 1 and p.at < j.at)",
        ),
        (
            "a wrong count",
            "select count(*) from stores s where s.memories <> (select count(*) from memories m where m.store_id = s.id) or s.last_seq <> (select max(seq) from journal j where j.ledger = s.id)",
        ),
    ] {
        let found: i64 = sqlx::query_scalar(sql).fetch_one(&mut direct).await.unwrap();
        assert_eq!(found, 0, "{what}");
    }
    let checked: String =
        sqlx::query_scalar("pragma integrity_check").fetch_one(&mut direct).await.unwrap();
    assert_eq!(checked, "ok");
}

/// Starts the server under strace, which makes the `when`-th call of `syscall` fail, and only that:
/// what comes after it would succeed.
fn serve_with_fault(folder: &Path, syscall: &str, error: &str, when: usize) -> Program {
    let plain = command(folder, &[]);
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={syscall}")])
        .args(["-e", &format!("inject={syscall}:error={error}:when={when}")])
        .arg(plain.get_program())
        .args(["serve", "--listen", "127.0.0.1:0", "--api-key", KEY, "--log", "error"])
        .current_dir(folder);
    Program::spawn(&mut strace)
}

/// SQLite itself would go on committing after a failed fsync; the server must not. (The second
/// sync is of the folder, whose failure SQLite ignores.)
#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_health_says_why() {
    for when in [1, 3, 6] {
        let folder = TempDir::new().unwrap();
        let plain = serve(folder.path());
        plain.call(KEY, "POST", "/v1/memory_stores", Some(&json!({"name": "before"})));
        plain.stop();
        let server = serve_with_fault(folder.path(), "fsync,fdatasync", "EIO", when);
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
    let server = serve(folder);
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
    assert_eq!(server.call(KEY, "GET", "/health", None).0, 200);
    std::fs::remove_file(folder.join("ballast")).unwrap();

    assert_eq!(create(written).0, 200, "service resumes with space");
    let (_, page) = server.call(KEY, "GET", &format!("{memories}?limit=100"), None);
    assert_eq!(page["data"].as_array().unwrap().len(), written + 1);
    server.stop();
}
