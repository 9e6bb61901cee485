//! `kill -9` under concurrent writers, at any moment, also while it starts, makes its schema and
//! redacts: what was acknowledged is there byte for byte, what was not is there wholly or not at
//! all, and there is nothing that nobody asked for.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use memchr::memmem;
use proptest::prelude::Rng;
use proptest::test_runner::TestRng;
use serde_json::json;
use tempfile::TempDir;

use super::client::{Client, KEY, Lineage, Open, serve};
use super::there::{check_heads, check_history, found, is};
use crate::support::server::text;
use crate::support::{Program, Soak, database, numbers, program};

const KILLS: u64 = 50;
/// After so many rounds the next begins with a new database.
const ROUNDS_OF_A_DATABASE: u64 = 10;
fn pause(rng: &mut TestRng, most_micros: u32) {
    std::thread::sleep(Duration::from_micros((rng.next_u32() % most_micros).into()));
}

/// Starts the program and kills it before it has come far.
fn kill_while_it_starts(folder: &Path, rng: &mut TestRng) {
    let mut command = program::command(folder, &["serve", "--listen", "127.0.0.1:0"]);
    command.args(super::client::ARGUMENTS).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    pause(rng, 30_000);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Writers at work, killed in the midst of it; what each of them knows.
fn kill_while_it_writes(server: Program, store: &str, seed: u64, rng: &mut TestRng) -> Vec<Client> {
    let writers = Client::start_all(&server, store, 8 + seed % 9, seed, true);
    pause(rng, 120_000);
    server.signal("-KILL");
    server.wait();
    writers.into_iter().map(|writer| writer.join().unwrap()).collect()
}

/// Holds what is there against what one writer knows; takes it out.
fn account(client: &Client, there: &mut BTreeMap<String, Lineage>) {
    for (memory, told) in &client.acknowledged {
        let found = there.remove(memory).unwrap_or_default();
        let mut told = told.clone();
        match &client.open {
            Some(Open::Next(of, next)) if of == memory && found.len() > told.len() => {
                told.push(next.clone());
            }
            Some(Open::Redact(of, at)) if of == memory => told[*at].redacted = found[*at].redacted,
            _ => {}
        }
        let same = found.len() == told.len() && found.iter().zip(&told).all(|(a, b)| is(a, b));
        assert!(same, "{memory} was told as {told:#?} and is {found:#?}");
    }
    if let Some(Open::Create(told)) = &client.open {
        there.retain(|_, found| !(found.len() == 1 && is(&found[0], told)));
    }
}

/// What was redacted is in no file, now that the server has started again.
fn check_erased(folder: &Path, clients: &[Client], there: &BTreeMap<String, Lineage>) -> usize {
    let files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect();
    let mut redacted = 0;
    for (memory, told) in clients.iter().flat_map(|client| &client.acknowledged) {
        for (told, found) in told.iter().zip(&there[memory]).filter(|(_, found)| found.redacted) {
            // A version of the same content may still be there.
            let shared = there[memory].iter().any(|other| other.content == told.content);
            let Some(content) = told.content.as_ref().filter(|_| !shared) else { continue };
            redacted += 1;
            let left = files.iter().any(|file| memmem::find(file, content.as_bytes()).is_some());
            assert!(!left, "{found:?} was redacted and is still in a file");
        }
    }
    redacted
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9_whenever_it_comes() {
    let mut soak = Soak::of("kill", KILLS);
    let mut folder = TempDir::new().unwrap();
    let mut rounds = 0;
    while let Some(seed) = soak.next_seed() {
        let mut rng = numbers(seed);
        if rounds % ROUNDS_OF_A_DATABASE == 0 {
            folder = TempDir::new().unwrap();
            kill_while_it_starts(folder.path(), &mut rng);
        }
        rounds += 1;
        let server = serve(folder.path());
        let (_, store) = server.call(KEY, "POST", "/v1/memory_stores", Some(&json!({"name": "n"})));
        let store = format!("/v1/memory_stores/{}", text(&store, "id"));

        let clients = kill_while_it_writes(server, &store, seed, &mut rng);
        kill_while_it_starts(folder.path(), &mut rng);

        let server = serve(folder.path());
        let there = found(&server, &store);
        let mut left = there.clone();
        for client in &clients {
            account(client, &mut left);
            let versions = client.acknowledged.values().map(Vec::len).sum();
            soak.count("acknowledged versions", versions);
        }
        assert!(left.is_empty(), "nobody asked for {left:#?}");
        check_heads(&server, &store, &there);
        if !database::is_postgres() {
            soak.count("redacted", check_erased(folder.path(), &clients, &there));
        }
        server.signal("-KILL");
        server.wait();
        soak.count("kills", 3);
        check_history(folder.path()).await;
    }
}
