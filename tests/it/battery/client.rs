//! A client that changes memories of its own until the server is gone, and knows what it was told.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread::JoinHandle;

use memstored::domain::content::Sha256;
use proptest::prelude::Rng;
use proptest::test_runner::TestRng;
use serde_json::{Value, json};

use crate::support::program::{parse, request};
use crate::support::server::text;
use crate::support::{Program, numbers};

pub const KEY: &str = "durable-key";
pub const ARGUMENTS: [&str; 4] = ["--api-key", KEY, "--log", "error"];

/// The program whose clients these are.
pub fn serve(folder: &Path) -> Program {
    Program::serve(folder, &ARGUMENTS)
}

/// One version as it was told, oldest first: path, content and ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub path: String,
    /// None where the version is a deletion.
    pub content: Option<String>,
    pub id: Option<String>,
    pub redacted: bool,
}

/// A memory's versions.
pub type Lineage = Vec<Version>;

/// What was asked and not answered.
#[derive(Clone, Debug)]
pub enum Open {
    Create(Version),
    /// The memory's next version.
    Next(String, Version),
    /// The memory, and which of its versions.
    Redact(String, usize),
}

pub struct Client {
    address: String,
    store: String,
    /// Where its paths begin, and what its contents hold.
    name: String,
    rng: TestRng,
    redacts: bool,
    pub acknowledged: BTreeMap<String, Lineage>,
    pub open: Option<Open>,
    count: usize,
}

impl Client {
    /// So many at work.
    pub fn start_all(
        server: &Program,
        store: &str,
        count: u64,
        seed: u64,
        redact: bool,
    ) -> Vec<JoinHandle<Self>> {
        let clients = (0..count).map(|number| Self {
            address: server.address.clone(),
            store: store.to_owned(),
            name: format!("{seed}-{number}"),
            rng: numbers(seed.wrapping_mul(31).wrapping_add(number)),
            redacts: redact,
            acknowledged: BTreeMap::new(),
            open: None,
            count: 0,
        });
        clients.map(|client| std::thread::spawn(|| client.run())).collect()
    }

    /// Until the server is gone.
    fn run(mut self) -> Self {
        loop {
            self.count += 1;
            let asked = self.draw();
            self.open = Some(asked.clone());
            let Some(answer) = self.ask(&asked) else { return self };
            self.note(asked, &answer);
            self.open = None;
        }
    }

    fn next(&self, path: Option<&str>) -> Version {
        let content = format!("<{}-{}> ", self.name, self.count).repeat(30);
        let new = format!("/{}/{}", self.name, self.count);
        let path = path.map_or(new, str::to_owned);
        Version { path, content: Some(content), id: None, redacted: false }
    }

    fn draw(&mut self) -> Open {
        let live: Vec<_> =
            self.acknowledged.iter().filter(|(_, lineage)| is_live(lineage)).collect();
        let kind = self.rng.next_u32() % 8;
        if live.is_empty() || kind < 3 {
            return Open::Create(self.next(None));
        }
        let (memory, lineage) = live[self.rng.next_u32() as usize % live.len()];
        let head = lineage.last().unwrap();
        let next = match kind {
            3..5 => self.next(Some(&head.path)),
            5 => Version { content: head.content.clone(), ..self.next(None) },
            6 => Version { content: None, ..self.next(Some(&head.path)) },
            _ if !self.redacts => self.next(Some(&head.path)),
            _ => match lineage[..lineage.len() - 1].iter().position(|version| !version.redacted) {
                Some(at) => return Open::Redact(memory.clone(), at),
                None => self.next(Some(&head.path)),
            },
        };
        Open::Next(memory.clone(), next)
    }

    /// The answer's body; `None` when the server is gone before it has answered.
    fn ask(&self, asked: &Open) -> Option<Value> {
        let memories = format!("{}/memories", self.store);
        let (method, path, body) = match asked {
            Open::Create(version) => {
                let body = json!({"path": version.path, "content": version.content});
                ("POST", memories, Some(body))
            }
            Open::Next(memory, next) => {
                let head = self.acknowledged[memory].last().unwrap();
                let hash = Sha256::of(head.content.as_ref().unwrap().as_bytes()).to_string();
                match &next.content {
                    None => {
                        let guard = format!("?expected_content_sha256={hash}");
                        ("DELETE", format!("{memories}/{memory}{guard}"), None)
                    }
                    Some(content) => {
                        let guard = json!({"type": "content_sha256", "content_sha256": hash});
                        let body =
                            json!({"path": next.path, "content": content, "precondition": guard});
                        ("POST", format!("{memories}/{memory}"), Some(body))
                    }
                }
            }
            Open::Redact(memory, at) => {
                let version = self.acknowledged[memory][*at].id.as_ref().unwrap();
                ("POST", format!("{}/memory_versions/{version}/redact", self.store), None)
            }
        };
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let bytes = request(&self.address, KEY, method, &path, body.as_ref(), "close");
        stream.write_all(&bytes).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (status, body) = parse(&answer)?;
        // Its own memories are in nobody's way.
        assert_eq!(status, 200, "{asked:?}: {body:#}");
        Some(body)
    }

    fn note(&mut self, asked: Open, answer: &Value) {
        match asked {
            Open::Create(version) => {
                let id = Some(text(answer, "memory_version_id").to_owned());
                let lineage = vec![Version { id, ..version }];
                self.acknowledged.insert(text(answer, "id").to_owned(), lineage);
            }
            Open::Next(memory, version) => {
                let id = answer["memory_version_id"].as_str().map(str::to_owned);
                self.acknowledged.get_mut(&memory).unwrap().push(Version { id, ..version });
            }
            Open::Redact(memory, at) => {
                self.acknowledged.get_mut(&memory).unwrap()[at].redacted = true;
            }
        }
    }
}

fn is_live(lineage: &Lineage) -> bool {
    lineage.last().is_some_and(|head| head.content.is_some())
}
