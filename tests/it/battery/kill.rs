//! What was acknowledged survives `kill -9` under concurrent writers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::server::text;
use crate::support::{Database, Direct, Program, Soak, database};

const KEY: &str = "durable-key";
const WRITERS: usize = 8;
const KILLS: u64 = 25;

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

    let mut soak = Soak::of("kill", KILLS);
    let mut kills = 0;
    while soak.next_seed().is_some() {
        let round = kills;
        kills += 1;
        let count = Arc::new(AtomicUsize::new(0));
        let writers = write_until_killed(&server, &store, round, &acknowledged, &count);
        while count.load(Ordering::Relaxed) < 20 + 7 * (round % 25) {
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
    soak.count("acknowledged writes", acknowledged.len());
    assert!(acknowledged.len() >= kills * 20);
    server.stop();
    check_history(folder.path()).await;
}

/// Every memory has its head, every version its entry, and sequence and time grow together.
async fn check_history(folder: &Path) {
    let mut direct = match database::of_folder(folder) {
        Some(url) => Database::Postgres(url).direct().await,
        None => Direct::file(&folder.join("memstored.db")).await,
    };
    direct.check_history().await;
}
