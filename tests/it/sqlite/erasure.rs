//! Redaction is real: when the answer arrives, no file of the database holds what was redacted.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memchr::memmem;
use memstored::db::Location;
use proptest::prelude::Rng;
use proptest::test_runner::TestRng;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::server::{Setup, text};
use crate::support::{Direct, Server, Soak, numbers};

/// Where `needle` still stands.
fn found(folder: &Path, needle: &[u8]) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|file| memmem::find(&fs::read(file).unwrap(), needle).is_some())
        .map(|file| file.display().to_string())
        .collect()
}

async fn on_disk() -> (TempDir, Server) {
    let folder = TempDir::new().unwrap();
    let server = open(&folder.path().join("db")).await;
    (folder, server)
}

async fn open(file: &Path) -> Server {
    let location = Some(Location::File(file.to_owned()));
    Server::with(Setup { location, ..Setup::default() }).await
}

fn unhex(text: &str) -> Vec<u8> {
    (0..32).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn assert_gone(folder: &Path, version: &Value, content: &str) {
    let hash = text(version, "content_sha256");
    for needle in
        [content.as_bytes(), text(version, "path").as_bytes(), hash.as_bytes(), &unhex(hash)]
    {
        let found = found(folder, needle);
        assert!(found.is_empty(), "{:?} is still in {found:?}", String::from_utf8_lossy(needle));
    }
}

#[tokio::test]
async fn content_path_and_hash_are_in_no_file_when_the_answer_arrives() {
    let (folder, server) = on_disk().await;
    let store = server.store().await;
    for length in [40, 1_000, 5_000, 50_000] {
        let content = format!("secret-{length}-").repeat(length / 12);
        let path = format!("/unique-path-of-{length}");
        let made = server.memory(&store, &path, &content).await;
        let memory = format!("{store}/memories/{}", text(&made, "id"));
        assert!(!found(folder.path(), content.as_bytes()[..30].into()).is_empty());
        server
            .post(&memory, json!({"content": "harmless", "path": format!("/h{length}")}))
            .await
            .ok();

        let version = text(&made, "memory_version_id");
        server.call("POST", &format!("{store}/memory_versions/{version}/redact"), None).await.ok();

        assert_gone(folder.path(), &made, &content);
        assert_eq!(server.get(&memory).await.ok()["content"], "harmless");
    }
}

const MOVES: u64 = 3;

/// Copies that SQLite leaves when it moves cells show only among many others: in about one of a
/// thousand paths. So many memories with random paths come, move and go before all is redacted.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_where_many_others_were_moved() {
    let mut soak = Soak::of("erasure", MOVES);
    while let Some(seed) = soak.next_seed() {
        soak.count("paths", move_and_redact(seed).await);
    }
}

/// Answers how many paths are gone.
async fn move_and_redact(seed: u64) -> usize {
    let (folder, server) = on_disk().await;
    let store = server.store().await;
    let mut rng = numbers(seed);
    let mut made = Vec::new();
    let mut paths = Vec::new();
    let mut path = |rng: &mut TestRng| {
        let length = [24, 30, 80, 300, 900][rng.next_u32() as usize % 5];
        paths.push(format!("/{}", word(rng, length)));
        paths.last().unwrap().clone()
    };
    for _ in 0..400 {
        let memory = server.memory(&store, &path(&mut rng), &word(&mut rng, 60)).await;
        made.push(text(&memory, "id").to_owned());
        for _ in 0..2 {
            if made.is_empty() {
                break;
            }
            let other = rng.next_u32() as usize % made.len();
            let memory = format!("{store}/memories/{}", made[other]);
            if rng.next_u32().is_multiple_of(4) {
                server.delete(&memory).await.ok();
                made.swap_remove(other);
            } else {
                server.post(&memory, json!({"path": path(&mut rng)})).await.ok();
            }
        }
    }

    let live = redact_history(&server, &store).await;

    let files: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    let gone: Vec<_> = paths.iter().filter(|path| !live.contains(*path)).collect();
    let is_left =
        |path: &&&String| files.iter().any(|file| memmem::find(file, path.as_bytes()).is_some());
    let left = gone.iter().filter(is_left);
    assert_eq!(left.count(), 0, "of {} paths", gone.len());
    gone.len()
}

/// Redacts every version that is not the head of a memory, many at a time; answers the paths that
/// are still there.
async fn redact_history(server: &Server, store: &str) -> BTreeSet<String> {
    let mut live = BTreeSet::new();
    let versions = server.versions(store).await;
    for some in versions.chunks(100) {
        let redactions = some.iter().map(|version| {
            let redact = format!("{store}/memory_versions/{}/redact", text(version, "id"));
            let (server, path) = (server.clone(), text(version, "path").to_owned());
            tokio::spawn(async move { (server.call("POST", &redact, None).await.status, path) })
        });
        for redaction in redactions.collect::<Vec<_>>() {
            let (status, path) = redaction.await.unwrap();
            assert!(status == 200 || status == 400, "{status}");
            if status == 400 {
                live.insert(path);
            }
        }
    }
    live
}

#[tokio::test(flavor = "multi_thread")]
async fn redaction_erases_while_others_write() {
    let (folder, server) = on_disk().await;
    let store = server.store().await;
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|task| tokio::spawn(churn(server.clone(), store.clone(), task, Arc::clone(&stop))))
        .collect();

    let mut rng = numbers(7);
    for round in 0..30 {
        let content = format!("secret-{round}-{}", word(&mut rng, 40)).repeat(1 + 2 * round);
        let path = format!("/{}", word(&mut rng, 20 + round * 14));
        let made = server.memory(&store, &path, &content).await;
        server.delete(&format!("{store}/memories/{}", text(&made, "id"))).await.ok();
        let lineage = format!("{store}/memory_versions?memory_id={}", text(&made, "id"));
        for version in server.get(&lineage).await.ok()["data"].as_array().unwrap() {
            let version = text(version, "id");
            let redact = format!("{store}/memory_versions/{version}/redact");
            server.call("POST", &redact, None).await.ok();
        }
        assert_gone(folder.path(), &made, &content);
    }
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
}

fn word(rng: &mut TestRng, length: usize) -> String {
    (0..length).map(|_| char::from(b'a' + u8::try_from(rng.next_u32() % 26).unwrap())).collect()
}

/// Makes memories at random paths, moves them, and deletes some.
async fn churn(server: Server, store: String, task: u8, stop: Arc<AtomicBool>) {
    let mut rng = numbers(task.into());
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) && round < 400 {
        let length = [24, 80, 300, 900][round % 4];
        let path = format!("/{}", word(&mut rng, length));
        let content = word(&mut rng, length * 3);
        let made = server.memory(&store, &path, &content).await;
        let memory = format!("{store}/memories/{}", text(&made, "id"));
        let moved = json!({"path": format!("/{}", word(&mut rng, length))});
        server.post(&memory, moved).await.ok();
        if round % 8 != 0 {
            server.delete(&memory).await.ok();
        }
        round += 1;
    }
}

#[tokio::test]
async fn a_reader_that_holds_the_log_makes_it_503_until_it_is_gone() {
    let (folder, server) = on_disk().await;
    let store = server.store().await;
    let made = server.memory(&store, "/secret-path-of-mine", "secret content of mine").await;
    server.delete(&format!("{store}/memories/{}", text(&made, "id"))).await.ok();
    let version = text(&made, "memory_version_id");
    let redact = format!("{store}/memory_versions/{version}/redact");
    let mut other = Direct::file(&folder.path().join("db"));
    other.run("begin").await;
    other.count("select count(*) from versions").await;

    let held = server.call("POST", &redact, None).await;
    assert_eq!(held.header("x-should-retry"), Some("true"));
    held.refused(503);
    // The second time too it is told soon: nobody can read meanwhile.
    let begun = std::time::Instant::now();
    server.call("POST", &redact, None).await.refused(503);
    assert!(begun.elapsed().as_secs() < 3, "{:?}", begun.elapsed());
    let seen = server.get(&format!("{store}/memory_versions/{version}")).await.ok();
    assert!(seen["content"].is_null(), "it is hidden at once");
    other.run("rollback").await;
    server.call("POST", &redact, None).await.ok();

    let hash = unhex(text(&made, "content_sha256"));
    for needle in [b"secret content of mine".as_slice(), &hash] {
        assert_eq!(found(folder.path(), needle), Vec::<String>::new());
    }
    assert_eq!(other.count("select count(*) from pending_erasures").await, 0);
}

/// What one server has noted and could not finish, another must not take for done.
#[tokio::test(flavor = "multi_thread")]
async fn a_redaction_that_is_repeated_at_another_server_is_done_there() {
    let (folder, one) = on_disk().await;
    let two = open(&folder.path().join("db")).await;
    let store = one.store().await;
    let made = one.memory(&store, "/secret-path-of-mine", "secret content of mine").await;
    one.delete(&format!("{store}/memories/{}", text(&made, "id"))).await.ok();
    let redact = format!("{store}/memory_versions/{}/redact", text(&made, "memory_version_id"));
    let mut reader = Direct::file(&folder.path().join("db"));
    reader.run("begin").await;
    reader.count("select count(*) from versions").await;

    one.call("POST", &redact, None).await.refused(503);
    two.call("POST", &redact, None).await.refused(503);
    reader.run("rollback").await;
    two.call("POST", &redact, None).await.ok();

    assert_eq!(found(folder.path(), b"secret content of mine"), Vec::<String>::new());
    assert_eq!(reader.count("select count(*) from pending_erasures").await, 0);
    one.call("POST", &redact, None).await.ok();
}

/// Writers that never pause must not put the second attempt off.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_was_held_up_is_finished_while_others_write() {
    let (folder, server) = on_disk().await;
    let store = server.store().await;
    let made = server.memory(&store, "/secret-path", "secret content of mine").await;
    server.delete(&format!("{store}/memories/{}", text(&made, "id"))).await.ok();
    let mut other = Direct::file(&folder.path().join("db"));
    other.run("begin").await;
    other.count("select count(*) from versions").await;
    let version = text(&made, "memory_version_id");
    let redact = format!("{store}/memory_versions/{version}/redact");
    server.call("POST", &redact, None).await.refused(503);
    other.run("rollback").await;

    let begun = std::time::Instant::now();
    let mut number = 0;
    while !found(folder.path(), b"secret content of mine").is_empty() {
        assert!(begun.elapsed().as_secs() < 10, "the second attempt never came");
        number += 1;
        server.memory(&store, &format!("/busy/{number}"), "x").await;
    }
}

/// Changes that wait for the writer must not take the threads that it waits for: here there is one.
#[test]
fn changes_and_redactions_that_wait_for_each_other_need_one_thread_beside_the_writer() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).max_blocking_threads(1).enable_all().build().unwrap();
    let work = async {
        let (_folder, server) = on_disk().await;
        let store = server.store().await;
        for round in 0..10 {
            let made = server.memory(&store, &format!("/{round}"), "secret content of mine").await;
            server.delete(&format!("{store}/memories/{}", text(&made, "id"))).await.ok();
            let version = text(&made, "memory_version_id");
            let redact = format!("{store}/memory_versions/{version}/redact");
            let keys = (0..8).map(|number| {
                server.post("/x/v1/api_keys", json!({"name": format!("{round}-{number}")}))
            });
            let keys = futures_util::future::join_all(keys);
            let (redacted, _) = tokio::join!(server.call("POST", &redact, None), keys);
            redacted.ok();
        }
    };
    let done = runtime
        .block_on(async { tokio::time::timeout(std::time::Duration::from_secs(30), work).await });
    runtime.shutdown_background();
    assert!(done.is_ok(), "they wait for each other");
}

/// As if the process had been killed between the commit and the truncation.
#[tokio::test]
async fn the_next_start_finishes_an_erasure_that_was_cut_short() {
    let (folder, server) = on_disk().await;
    let store = server.store().await;
    let made = server.memory(&store, "/secret-path-of-mine", "secret content of mine").await;
    server.delete(&format!("{store}/memories/{}", text(&made, "id"))).await.ok();
    server.app.close().await;
    let file = folder.path().join("db");
    let mut direct = Direct::file(&file);
    for sql in [
        "update versions set path = null, content = null, size = null, sha256 = null, \
         redacted_at = 1, redacted_by = 'apikey_1' where redacted_at is null",
        "insert into pending_erasures select id from versions",
    ] {
        direct.run(sql).await;
    }
    assert!(!found(folder.path(), b"secret content of mine").is_empty());

    let _server = open(&file).await;

    assert_gone(folder.path(), &made, "secret content of mine");
}
