//! A system call of the database fails, whichever, or a write is short: nothing is acknowledged that is
//! not there. After an I/O error nothing is acknowledged at all until a restart; a full disk is refused
//! and forgotten.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::program::{bounded, tampered};
use crate::support::server::text;
use crate::support::{Direct, Program, Soak};

const KEY: &str = "durable-key";
const FAULTS: u64 = 10;
/// Changes after which the fault must have shown, or never will.
const CHANGES: usize = 60;
/// A file that can't grow to that has no server.
const SMALLEST: u64 = 200_000;
const SERVE: [&str; 7] = ["serve", "--listen", "127.0.0.1:0", "--api-key", KEY, "--log", "error"];

enum Fault {
    /// Which call fails, how, and the how manieth.
    Call { call: &'static str, error: &'static str, when: u64 },
    /// Files can't grow beyond so many bytes: a write is short, and all that follow there fail.
    Size(u64),
}

impl Fault {
    fn serve(&self, folder: &Path) -> Result<Program, String> {
        Program::try_spawn(&mut match self {
            Self::Call { call, error, when } => {
                tampered(folder, &SERVE, call, &format!("error={error}"), *when)
            }
            Self::Size(bytes) => bounded(folder, &SERVE, *bytes),
        })
    }

    fn is_a_full_disk(&self) -> bool {
        matches!(self, Self::Call { error: "ENOSPC", .. })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { call, error, when } => write!(f, "call {when} of {call} fails: {error}"),
            Self::Size(bytes) => write!(f, "no file grows beyond {bytes} bytes"),
        }
    }
}

fn serve(folder: &Path) -> Program {
    Program::serve(folder, &SERVE[3..])
}

/// What was told of each memory.
#[derive(Default)]
struct Told {
    contents: BTreeMap<String, String>,
    /// Path and content of the change that met the fault: nobody knows whether it was made.
    refused: Option<(String, String)>,
    redacted: Vec<String>,
    refusals: Vec<Value>,
}

/// Creates, updates and redacts one after the other.
fn change(server: &Program, store: &str, told: &mut Told, from: usize) {
    for number in from..from + CHANGES {
        let path = format!("/{}", number / 3);
        let content = format!("<{number}> ").repeat(400);
        let memories = format!("{store}/memories");
        let body = json!({"path": path, "content": content});
        let (status, answer) = match told.contents.keys().find(|id| id.ends_with(&path)) {
            None => server.call(KEY, "POST", &memories, Some(&body)),
            Some(known) => {
                let id = known.split('/').next().unwrap();
                server.call(KEY, "POST", &format!("{memories}/{id}"), Some(&body))
            }
        };
        if status != 200 {
            assert_eq!(status, 503, "{answer:#}");
            told.refused.get_or_insert((path, content));
            told.refusals.push(answer);
            continue;
        }
        let memory = format!("{}{path}", text(&answer, "id"));
        let before = told.contents.insert(memory, content);
        if before.is_some() && number % 3 == 2 {
            let list = format!("{store}/memory_versions?memory_id={}", text(&answer, "id"));
            let (_, page) = server.call(KEY, "GET", &list, None);
            let version = text(page["data"].as_array().unwrap().last().unwrap(), "id").to_owned();
            let redact = format!("{store}/memory_versions/{version}/redact");
            match server.call(KEY, "POST", &redact, None) {
                (200, _) => told.redacted.push(version),
                (status, answer) => {
                    assert_eq!(status, 503, "{answer:#}");
                    told.refusals.push(answer);
                }
            }
        }
    }
}

async fn check(folder: &Path, store: &str, told: &Told) {
    let server = serve(folder);
    for (memory, content) in &told.contents {
        let (id, path) = memory.split_once('/').unwrap();
        let (status, found) = server.call(KEY, "GET", &format!("{store}/memories/{id}"), None);
        assert_eq!(status, 200, "{memory} was acknowledged and is lost");
        let found = text(&found, "content");
        let refused = told
            .refused
            .as_ref()
            .is_some_and(|(of, content)| of.trim_start_matches('/') == path && content == found);
        assert!(found == content || refused, "{memory} is not what was acknowledged");
    }
    for version in &told.redacted {
        let (_, found) =
            server.call(KEY, "GET", &format!("{store}/memory_versions/{version}"), None);
        assert!(found["redacted_at"].is_string(), "{found:#}");
    }
    let body = json!({"path": "/after", "content": "x"});
    assert_eq!(server.call(KEY, "POST", &format!("{store}/memories"), Some(&body)).0, 200);
    server.stop();
    Direct::file(&folder.join("memstored.db")).check_history().await;
}

/// With the seeds every call comes to fail: the steps go around all that a run makes. So do the sizes,
/// by the bytes of a page of the log and some more, so that each is cut elsewhere.
fn fault(seed: u64) -> Fault {
    let round = seed / 5;
    let call =
        |call, error, most| Fault::Call { call, error, when: 1 + round.wrapping_mul(37) % most };
    match seed % 5 {
        0 => call("fsync,fdatasync", "EIO", 60),
        1 => call("pwrite64", "EIO", 400),
        2 => call("pwrite64", "ENOSPC", 400),
        3 => call("ftruncate", "EIO", 6),
        _ => Fault::Size(SMALLEST + round.wrapping_mul(37 * 4177) % 1_000_000),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_fails_costs_nothing_that_was_acknowledged() {
    let mut soak = Soak::of("faults", FAULTS);
    while let Some(seed) = soak.next_seed() {
        let fault = fault(seed);
        let folder = TempDir::new().unwrap();
        let plain = serve(folder.path());
        let (_, store) = plain.call(KEY, "POST", "/v1/memory_stores", Some(&json!({"name": "n"})));
        let store = format!("/v1/memory_stores/{}", text(&store, "id"));
        plain.stop();

        let mut told = Told::default();
        let replay = format!("seed {seed}: {fault}");
        match fault.serve(folder.path()) {
            Err(why) => {
                assert!(why.contains("error") || why.contains("can't"), "{replay}: {why}");
                soak.count("at a start", 1);
            }
            Ok(server) => {
                change(&server, &store, &mut told, 0);
                let (health, state) = server.call(KEY, "GET", "/health", None);
                let stopped = health == 503;
                if fault.is_a_full_disk() {
                    assert!(told.refusals.len() <= 2 && !stopped, "{replay}: {:?}", told.refusals);
                } else if !told.refusals.is_empty() {
                    let restart =
                        state["reason"].as_str().is_some_and(|why| why.contains("restart"));
                    assert!(stopped && restart, "{replay}: {state:#}");
                    let before = told.contents.clone();
                    change(&server, &store, &mut told, CHANGES);
                    assert_eq!(told.contents, before, "{replay}: acknowledged after an I/O error");
                }
                soak.count("shown", usize::from(!told.refusals.is_empty()));
                drop(server);
            }
        }
        soak.count("acknowledged memories", told.contents.len());
        check(folder.path(), &store, &told).await;
    }
}
