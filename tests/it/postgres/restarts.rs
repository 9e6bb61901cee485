//! Postgres crashes again and again under concurrent writers of two of the real programs, or ends all
//! their connections.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::Rng;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::cluster::Cluster;
use crate::support::server::text;
use crate::support::{Database, Program, Soak, numbers, program};

const KEY: &str = "restarts-key";
const WRITERS: usize = 8;
const RESTARTS: u64 = 6;
/// Acknowledged writes between two crashes, at most.
const WRITES: usize = 120;

const TERMINATE_ALL: &str = "select pg_terminate_backend(pid) from pg_stat_activity where \
                             application_name = 'memstored'";

/// What a client knows of a memory that it wanted to make.
#[derive(Clone, Debug)]
enum Known {
    Made(Value),
    /// Nobody knows whether it was made.
    Uncertain,
    NotMade,
}

#[derive(Default)]
struct Ledger {
    known: Mutex<BTreeMap<String, Known>>,
    made: AtomicUsize,
    over: AtomicBool,
}

/// One request; answers status, `x-should-retry` and body.
fn call(address: &str, path: &str, body: &Value) -> (u16, Option<bool>, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    let bytes = program::request(address, KEY, "POST", path, Some(body), "close");
    stream.write_all(&bytes).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let retry = answer.split("x-should-retry: ").nth(1).map(|rest| rest.starts_with("true"));
    let (status, body) = program::parse(&answer).unwrap_or_else(|| panic!("{answer:?}"));
    (status, retry, body)
}

/// Makes one memory after the other, each again for as long as it is told to.
fn write(address: &str, memories: &str, writer: usize, ledger: &Ledger) {
    for number in 0.. {
        let name = format!("/{writer}/{number}");
        let body = json!({"path": name, "content": name.repeat(20)});
        let known = loop {
            match call(address, memories, &body) {
                (200, _, made) => break Known::Made(made),
                (503, Some(true), _) if ledger.over.load(Ordering::Relaxed) => {
                    break Known::NotMade;
                }
                (503, Some(true), _) => {}
                (503, Some(false), _) => break Known::Uncertain,
                (status, _, answer) => panic!("{name}: {status} {answer:#}"),
            }
        };
        if let Known::Made(_) = known {
            ledger.made.fetch_add(1, Ordering::Relaxed);
        }
        ledger.known.lock().unwrap().insert(name, known);
        if ledger.over.load(Ordering::Relaxed) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_crashes_of_postgres_and_nothing_is_made_twice() {
    let cluster = Cluster::start();
    let folder = TempDir::new().unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--api-key", KEY, "--log", "error"];
    let many = ["--max-memories-per-store", "1000000"];
    let database = ["--database-url", &cluster.url];
    let start = || {
        Program::spawn(&mut program::command(
            folder.path(),
            &[&serve[..], &many, &database].concat(),
        ))
    };
    let programs = [start(), start()];
    let (_, store) =
        programs[0].call(KEY, "POST", "/v1/memory_stores", Some(&json!({"name": "n"})));
    let memories = format!("/v1/memory_stores/{}/memories", text(&store, "id"));
    let ledger = Arc::new(Ledger::default());
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let address = programs[writer % programs.len()].address.clone();
            let memories = memories.clone();
            let ledger = Arc::clone(&ledger);
            std::thread::spawn(move || write(&address, &memories, writer, &ledger))
        })
        .collect();

    let mut soak = Soak::of("crashes", RESTARTS);
    while let Some(seed) = soak.next_seed() {
        let wanted =
            ledger.made.load(Ordering::Relaxed) + numbers(seed).next_u32() as usize % WRITES;
        while ledger.made.load(Ordering::Relaxed) < wanted {
            let dead = writers.iter().any(std::thread::JoinHandle::is_finished);
            assert!(!dead, "a writer was told what must not be");
            std::thread::yield_now();
        }
        if seed % 3 == 0 {
            let mut direct = Database::Postgres(cluster.url.clone()).direct().await;
            direct.run(TERMINATE_ALL).await;
        } else {
            cluster.crash();
            cluster.start_again();
        }
    }
    soak.count("acknowledged memories", ledger.made.load(Ordering::Relaxed));
    ledger.over.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().unwrap();
    }

    let mut direct = Database::Postgres(cluster.url.clone()).direct().await;
    direct.check_history().await;
    let sql = "select path || ' ' || id || ' ' || encode(sha256, 'hex') from versions";
    let mut versions = BTreeMap::<String, Vec<String>>::new();
    for version in direct.texts(sql).await {
        let (path, rest) = version.split_once(' ').unwrap();
        versions.entry(path.to_owned()).or_default().push(rest.to_owned());
    }
    let known = ledger.known.lock().unwrap().clone();
    for (name, known) in &known {
        let found = versions.remove(name).unwrap_or_default();
        match known {
            Known::Made(made) => {
                let version = text(made, "memory_version_id");
                let made = format!("{version} {}", text(made, "content_sha256"));
                assert_eq!(found, [made], "{name} was acknowledged");
            }
            Known::Uncertain => assert!(found.len() <= 1, "{name} was made {found:?}"),
            Known::NotMade => assert!(found.is_empty(), "{name} was refused"),
        }
    }
    assert!(versions.is_empty(), "nobody asked for {versions:?}");
    for program in programs {
        program.stop();
    }
}
