//! Random operations against a small reference model: every answer and the final state agree, on
//! Postgres, in memory and on a file. A failure prints the seed that replays it.

use std::collections::BTreeMap;
use std::fmt::Write;

use proptest::prelude::Rng;
use proptest::test_runner::TestRng;
use serde_json::{Value, json};

use crate::support::database::is_postgres;
use crate::support::server::text;
use crate::support::{Answer, Database, Server, Soak, numbers};

const SEQUENCES: u64 = 500;
/// Sequences that both databases run side by side.
const TWINS: u64 = 50;
const STEPS: usize = 12;
const PATHS: [&str; 7] = ["/a", "/a/b", "/a/b/c", "/a-b", "/b", "/b/a", "/c"];
const CONTENTS: [&str; 3] = ["", "one", "two"];

/// What the rules say there is: nothing but maps and lists.
#[derive(Default)]
struct Model {
    /// Live memories: number → (path, content).
    memories: BTreeMap<usize, (&'static str, &'static str)>,
    /// All versions in order: (memory, operation, path, content), `None` once redacted.
    versions: Vec<(usize, &'static str, Option<Shown>)>,
    archived: bool,
}

type Shown = (&'static str, Option<&'static str>);

/// An operation on things by their number.
#[derive(Clone, Copy, Debug)]
enum Step {
    Create {
        path: &'static str,
        content: &'static str,
    },
    Update {
        memory: usize,
        path: Option<&'static str>,
        content: Option<&'static str>,
        guard: Option<&'static str>,
    },
    Delete {
        memory: usize,
        guard: Option<&'static str>,
    },
    Redact {
        version: usize,
    },
    Archive,
}

fn overlaps(one: &str, other: &str) -> bool {
    let below = |path: &str, directory: &str| path.starts_with(&format!("{directory}/"));
    one == other || below(one, other) || below(other, one)
}

impl Model {
    fn blocked(&self, path: &str, mover: Option<usize>) -> bool {
        self.memories
            .iter()
            .any(|(number, (held, _))| Some(*number) != mover && overlaps(held, path))
    }

    /// The status that a step must get; `made` is the number of the next memory.
    fn apply(&mut self, step: Step, made: usize) -> u16 {
        match step {
            Step::Archive => {
                self.archived = true;
                200
            }
            Step::Create { .. } if self.archived => 400,
            Step::Create { path, .. } if self.blocked(path, None) => 409,
            Step::Create { path, content } => {
                self.memories.insert(made, (path, content));
                self.versions.push((made, "created", Some((path, Some(content)))));
                200
            }
            Step::Update { memory, path, content, guard } => {
                let Some((old_path, old)) = self.memories.get(&memory).copied() else { return 404 };
                let (path, content) = (path.unwrap_or(old_path), content.unwrap_or(old));
                if self.archived {
                    return 400;
                }
                if (path, content) == (old_path, old) {
                    return 200;
                }
                if guard.is_some_and(|guard| guard != old) || self.blocked(path, Some(memory)) {
                    return 409;
                }
                self.memories.insert(memory, (path, content));
                self.versions.push((memory, "modified", Some((path, Some(content)))));
                200
            }
            Step::Delete { memory, guard } => {
                let Some((path, content)) = self.memories.get(&memory).copied() else { return 404 };
                if guard.is_some_and(|guard| guard != content) {
                    return 409;
                }
                self.memories.remove(&memory);
                self.versions.push((memory, "deleted", Some((path, None))));
                200
            }
            Step::Redact { version } => {
                let Some((memory, ..)) = self.versions.get(version).copied() else { return 404 };
                let last = self.versions.iter().rposition(|(other, ..)| *other == memory);
                if self.memories.contains_key(&memory) && last == Some(version) {
                    return 400;
                }
                self.versions[version].2 = None;
                200
            }
        }
    }
}

fn pick<T: Copy>(rng: &mut TestRng, items: &[T]) -> T {
    items[rng.next_u32() as usize % items.len()]
}

fn maybe<T: Copy>(rng: &mut TestRng, items: &[T]) -> Option<T> {
    let some = rng.next_u32().is_multiple_of(2);
    some.then(|| pick(rng, items))
}

fn random_step(rng: &mut TestRng, memories: usize, versions: usize) -> Step {
    let any = |rng: &mut TestRng, count: usize| rng.next_u32() as usize % (count + 1);
    match rng.next_u32() % 20 {
        0..7 => Step::Create { path: pick(rng, &PATHS), content: pick(rng, &CONTENTS) },
        7..14 => {
            let path = maybe(rng, &PATHS);
            let content =
                if path.is_none() { Some(pick(rng, &CONTENTS)) } else { maybe(rng, &CONTENTS) };
            Step::Update { memory: any(rng, memories), path, content, guard: maybe(rng, &CONTENTS) }
        }
        14..17 => Step::Delete { memory: any(rng, memories), guard: maybe(rng, &CONTENTS) },
        17..19 => Step::Redact { version: any(rng, versions) },
        _ if rng.next_u32().is_multiple_of(4) => Step::Archive,
        _ => Step::Create { path: pick(rng, &PATHS), content: pick(rng, &CONTENTS) },
    }
}

fn hash(content: &str) -> String {
    memstored::domain::content::Sha256::of(content.as_bytes()).to_string()
}

/// The store under test, and the IDs of what the model numbers.
struct Real<'a> {
    server: &'a Server,
    store: String,
    memories: Vec<String>,
}

impl Real<'_> {
    fn memory(&self, number: usize) -> String {
        let unknown = format!("mem_{}", "0".repeat(26));
        format!("{}/memories/{}", self.store, self.memories.get(number).unwrap_or(&unknown))
    }

    async fn apply(&mut self, step: Step) -> Answer {
        match step {
            Step::Archive => {
                self.server.call("POST", &format!("{}/archive", self.store), None).await
            }
            Step::Create { path, content } => {
                let body = json!({"path": path, "content": content});
                let answer = self.server.post(&format!("{}/memories", self.store), body).await;
                if answer.status == 200 {
                    self.memories.push(text(&answer.json(), "id").to_owned());
                }
                answer
            }
            Step::Update { memory, path, content, guard } => {
                let mut body = json!({"path": path, "content": content});
                if let Some(guard) = guard {
                    body["precondition"] =
                        json!({"type": "content_sha256", "content_sha256": hash(guard)});
                }
                self.server.post(&self.memory(memory), body).await
            }
            Step::Delete { memory, guard } => {
                let guard = guard.map(|guard| format!("?expected_content_sha256={}", hash(guard)));
                self.server.delete(&(self.memory(memory) + &guard.unwrap_or_default())).await
            }
            Step::Redact { version } => {
                let versions = self.server.versions(&self.store).await;
                let id = versions.iter().rev().nth(version).map(|version| text(version, "id"));
                let id = id.unwrap_or("memver_00000000000000000000000000");
                let path = format!("{}/memory_versions/{id}/redact", self.store);
                self.server.call("POST", &path, None).await
            }
        }
    }

    /// All that can be asked, as it is answered.
    async fn told(&self) -> Vec<String> {
        let mut told = Vec::new();
        for list in [
            "memories?view=full",
            "memories?depth=1",
            "memories?path_prefix=/a/&depth=1",
            "memory_versions?view=full",
            "memory_versions?operation=deleted",
            "memory_versions?limit=2",
        ] {
            told.push(self.server.get(&format!("{}/{list}", self.store)).await.render());
        }
        told.push(self.server.get(&self.store).await.render());
        told.push(
            self.server.get("/v1/memory_stores?limit=3&include_archived=true").await.render(),
        );
        told
    }

    async fn agrees_with(&self, model: &Model, trace: &str) {
        let page = self.server.get(&format!("{}/memories?view=full", self.store)).await.ok();
        let listed: Vec<_> = page["data"].as_array().unwrap().iter().map(state).collect();
        let mut wanted: Vec<_> = model.memories.iter().collect();
        wanted.sort_by_key(|(_, (path, _))| *path);
        let wanted: Vec<_> = wanted
            .into_iter()
            .map(|(number, (path, content))| {
                json!([self.memories[*number], path, content, content.len(), hash(content)])
            })
            .collect();
        assert_eq!(listed, wanted, "{trace}");

        let versions = self.server.versions(&self.store).await;
        let versions: Vec<_> = versions.iter().rev().map(history).collect();
        let wanted: Vec<_> = model
            .versions
            .iter()
            .map(|(memory, operation, shown)| {
                let path = shown.map(|(path, _)| path);
                let content = shown.and_then(|(_, content)| content);
                json!([
                    self.memories[*memory],
                    operation,
                    path,
                    content,
                    content.map(hash),
                    shown.is_none()
                ])
            })
            .collect();
        assert_eq!(versions, wanted, "{trace}");
    }
}

fn state(memory: &Value) -> Value {
    let field = |name: &str| memory[name].clone();
    json!([
        field("id"),
        field("path"),
        field("content"),
        field("content_size_bytes"),
        field("content_sha256")
    ])
}

fn history(version: &Value) -> Value {
    let field = |name: &str| version[name].clone();
    let redacted = version["redacted_at"].is_string();
    json!([
        field("memory_id"),
        field("operation"),
        field("path"),
        field("content"),
        field("content_sha256"),
        redacted
    ])
}

async fn run(server: &Server, seed: u64) {
    let mut rng = numbers(seed);
    let mut model = Model::default();
    let mut real = Real { server, store: server.store().await, memories: Vec::new() };
    let mut trace = format!("seed {seed}");
    for _ in 0..STEPS {
        let step = random_step(&mut rng, real.memories.len(), model.versions.len());
        write!(trace, "\n{step:?}").unwrap();
        let wanted = model.apply(step, real.memories.len());
        assert_eq!(real.apply(step).await.status.as_u16(), wanted, "{trace}");
    }
    real.agrees_with(&model, &trace).await;
}

#[tokio::test]
async fn random_sequences_agree_with_the_model() {
    let server = Server::start().await;
    let mut soak = Soak::of("model", SEQUENCES);
    while let Some(seed) = soak.next_seed() {
        run(&server, seed).await;
    }
}

#[tokio::test]
async fn random_sequences_agree_with_the_model_on_a_file() {
    if is_postgres() {
        return;
    }
    let server = Server::on(&Database::file()).await;
    let mut soak = Soak::of("model", SEQUENCES);
    while let Some(seed) = soak.next_seed() {
        run(&server, SEQUENCES + seed).await;
    }
}

/// Clock and identifiers are those of the test, so nothing may differ.
#[tokio::test]
async fn both_databases_answer_the_same_to_the_byte() {
    let [file, postgres] = [Database::file(), Database::postgres()];
    let [file, postgres] = [Server::on(&file).await, Server::on(&postgres).await];
    let mut soak = Soak::of("model", TWINS);
    while let Some(seed) = soak.next_seed() {
        let mut rng = numbers(seed.wrapping_add(2 * SEQUENCES));
        let mut one = Real { server: &file, store: file.store().await, memories: Vec::new() };
        let mut other =
            Real { server: &postgres, store: postgres.store().await, memories: Vec::new() };
        let mut model = Model::default();
        for _ in 0..STEPS {
            let step = random_step(&mut rng, one.memories.len(), model.versions.len());
            model.apply(step, one.memories.len());
            let (answer, wanted) = (one.apply(step).await, other.apply(step).await);
            assert_eq!(answer.render(), wanted.render(), "seed {seed}: {step:?}");
        }
        assert_eq!(one.told().await, other.told().await, "seed {seed}");
    }
}
