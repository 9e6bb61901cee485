//! Clients at once on one contended memory, and on paths that are in each other's way: their answers
//! are those of some order of their requests, each at a moment between its question and its answer.
//! Reads count too, so a stale one shows. On both databases, through one server and through two.

mod checker;
mod history;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http_body_util::BodyExt;
use memstored::clock::SystemSource;
use memstored::domain::content::Sha256;
use proptest::prelude::Rng;
use proptest::test_runner::TestRng;
use serde_json::{Value, json};
use tower::ServiceExt;

use self::history::{Asked, Call, Change, Told};
use crate::support::server::{KEY, Setup, request, text};
use crate::support::{Database, Server, Soak, numbers};

const HISTORIES: u64 = 50;
const CLIENTS: u64 = 8;
const CALLS: usize = 7;
const PATHS: [&str; 4] = ["/a", "/a/b", "/b", "/c"];

/// What the clients of a history share.
struct Scene {
    servers: Vec<Server>,
    store: String,
    now: AtomicU64,
    /// Memories that anybody was told of.
    memories: Mutex<Vec<String>>,
    calls: Mutex<Vec<Call>>,
    contents: AtomicU64,
}

impl Scene {
    fn memory(&self, rng: &mut TestRng) -> Option<String> {
        let memories = self.memories.lock().unwrap();
        // The oldest more often, so that they meet there.
        let among = if rng.next_u32().is_multiple_of(2) { 1 } else { memories.len() };
        (!memories.is_empty()).then(|| memories[rng.next_u32() as usize % among].clone())
    }

    /// Mostly new; now and then what somebody else may have written.
    fn content(&self, rng: &mut TestRng) -> String {
        let latest = self.contents.fetch_add(1, Ordering::Relaxed);
        let back = u64::from(rng.next_u32() % 4);
        latest.saturating_sub(back).to_string()
    }

    fn question(&self, rng: &mut TestRng) -> Asked {
        let kind = rng.next_u32() % 12;
        let path = PATHS[rng.next_u32() as usize % PATHS.len()];
        let Some(memory) = self.memory(rng) else {
            return Asked::Create { path, content: self.content(rng) };
        };
        let guard = rng.next_u32().is_multiple_of(2).then(|| self.content(rng));
        match kind {
            0..2 => Asked::Create { path, content: self.content(rng) },
            2..5 => {
                let change = Change { path: None, content: Some(self.content(rng)) };
                Asked::Update { memory, change, guard }
            }
            5 => {
                let change = Change { path: Some(path), content: None };
                Asked::Update { memory, change, guard: None }
            }
            6 => Asked::Delete { memory, guard },
            7..11 => Asked::Read { memory },
            _ => Asked::List,
        }
    }

    async fn ask(&self, server: &Server, asked: Asked) {
        let memories = format!("{}/memories", self.store);
        let one = |memory: &str| format!("{memories}/{memory}");
        let hash = |content: &String| Sha256::of(content.as_bytes()).to_string();
        let (method, path, body) = match &asked {
            Asked::Create { path, content } => {
                ("POST", memories.clone(), Some(json!({"path": path, "content": content})))
            }
            Asked::Update { memory, change, guard } => {
                let mut body = json!({"path": change.path, "content": change.content});
                if let Some(guard) = guard {
                    body["precondition"] =
                        json!({"type": "content_sha256", "content_sha256": hash(guard)});
                }
                ("POST", one(memory), Some(body))
            }
            Asked::Delete { memory, guard } => {
                let guard =
                    guard.as_ref().map(|guard| format!("?expected_content_sha256={}", hash(guard)));
                ("DELETE", one(memory) + &guard.unwrap_or_default(), None)
            }
            Asked::Read { memory } => ("GET", one(memory), None),
            Asked::List => ("GET", format!("{memories}?view=full"), None),
        };
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        let request = request(KEY, method, &path).body(body).unwrap();

        let from = self.now.fetch_add(1, Ordering::SeqCst);
        let response = server.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let to = self.now.fetch_add(1, Ordering::SeqCst);

        let told = told(&asked, status, &serde_json::from_slice(&body).unwrap());
        if let Told::Created(memory) = &told {
            self.memories.lock().unwrap().push(memory.clone());
        }
        self.calls.lock().unwrap().push(Call { asked, told, from, to });
    }
}

fn told(asked: &Asked, status: u16, body: &Value) -> Told {
    let pair =
        |memory: &Value| (text(memory, "path").to_owned(), text(memory, "content").to_owned());
    match (status, asked) {
        (200, Asked::Create { .. }) => Told::Created(text(body, "id").to_owned()),
        (200, Asked::Update { .. }) => Told::Updated,
        (200, Asked::Delete { .. }) => Told::Deleted,
        (200, Asked::Read { .. }) => {
            let (path, content) = pair(body);
            Told::Shown { path, content }
        }
        (200, Asked::List) => {
            Told::Listed(body["data"].as_array().unwrap().iter().map(pair).collect())
        }
        (404, _) => Told::NotFound,
        (409, _) => match text(&body["error"], "type") {
            "memory_path_conflict_error" => Told::PathTaken,
            "memory_precondition_failed_error" => Told::PreconditionFailed,
            _ => panic!("{asked:?}: {body:#}"),
        },
        _ => panic!("{asked:?}: {status} {body:#}"),
    }
}

/// What was answered to one client after the other, from a fresh store.
async fn history(servers: &[Server], seed: u64) -> Vec<Call> {
    let scene = Arc::new(Scene {
        servers: servers.to_vec(),
        store: servers[0].store().await,
        now: AtomicU64::new(0),
        memories: Mutex::default(),
        calls: Mutex::default(),
        contents: AtomicU64::new(0),
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let scene = Arc::clone(&scene);
            let mut rng = numbers(seed.wrapping_mul(CLIENTS).wrapping_add(client));
            tokio::spawn(async move {
                for _ in 0..CALLS {
                    let asked = scene.question(&mut rng);
                    let server = &scene.servers[rng.next_u32() as usize % scene.servers.len()];
                    scene.ask(server, asked).await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let mut calls = std::mem::take(&mut *scene.calls.lock().unwrap());
    calls.sort_by_key(|call| call.from);
    calls
}

async fn run(database: &Database, servers: usize) {
    let mut all = Vec::new();
    for _ in 0..servers {
        let (location, source) = (Some(database.location()), Arc::new(SystemSource));
        all.push(Server::with(Setup { location, source, ..Setup::default() }).await);
    }
    let mut soak = Soak::of("linear", HISTORIES);
    while let Some(seed) = soak.next_seed() {
        let history = history(&all, seed).await;
        let order = checker::order(&history);
        assert!(order.is_some(), "no order explains these answers: {history:#?}");
        soak.count("calls", history.len());
        let reads = history.iter().filter(|call| matches!(call.told, Told::Shown { .. }));
        soak.count("of them reads", reads.count());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_some_order() {
    run(&Database::fresh(), 1).await;
}

/// On a SQLite file too: two servers may share one.
#[tokio::test(flavor = "multi_thread")]
async fn answers_of_two_servers_are_those_of_some_order() {
    run(&Database::fresh(), 2).await;
}
