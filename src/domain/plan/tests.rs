//! Batches against single commands: planned together, commands must do what they do one by one.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;
use crate::domain::access::Credential;
use crate::domain::id::ApiKeyId;
use crate::domain::store::Ledger;

/// A database of maps, which reads into an overlay and takes its writes.
#[derive(Clone, Default)]
struct Tables {
    stores: BTreeMap<StoreId, Store>,
    memories: BTreeMap<MemoryId, Memory>,
    versions: BTreeMap<VersionId, Version>,
    journal: Vec<(String, i64, String)>,
}

impl Tables {
    fn load(&self, needs: &Needs) -> Overlay {
        let mut overlay = Overlay::default();
        for store in needs.stores.iter().filter_map(|id| self.stores.get(id)) {
            overlay.know_store(store.clone());
        }
        let versions = needs.versions.iter().filter_map(|id| self.versions.get(id));
        let behind = versions.clone().map(|version| &version.memory);
        for memory in needs.memories.iter().chain(behind).filter_map(|id| self.memories.get(id)) {
            overlay.know_memory(memory.clone());
        }
        for version in versions {
            overlay.know_version(version.clone());
        }
        for spot in &needs.spots {
            let here = |memory: &&Memory| memory.store == spot.store;
            let above: Vec<_> = spot.path.ancestors().chain([spot.path.clone()]).collect();
            let below = spot.path.below();
            let first_below = self
                .memories
                .values()
                .filter(here)
                .filter(|memory| below.contains(memory.path.as_str()))
                .filter(|memory| Some(&memory.id) != spot.mover.as_ref())
                .min_by_key(|memory| memory.path.clone());
            let found = self.memories.values().filter(here);
            let found = found.filter(|memory| above.contains(&memory.path)).chain(first_below);
            for memory in found {
                overlay.know_occupied(memory.store.clone(), memory.path.clone(), memory.id.clone());
            }
        }
        overlay
    }

    /// Checks the unique path as a database would, row by row.
    fn store(&mut self, writes: Writes) {
        for (store, deleted) in writes.stores {
            match deleted {
                Some(_) => self.stores.remove(&store.id),
                None => self.stores.insert(store.id.clone(), store),
            };
        }
        for version in writes.versions.into_iter().chain(writes.redacted) {
            self.versions.insert(version.id.clone(), version);
        }
        for id in writes.removed {
            self.memories.remove(&id);
        }
        for memory in writes.memories {
            let taken = self.memories.values().any(|other| {
                other.id != memory.id && other.store == memory.store && other.path == memory.path
            });
            assert!(!taken, "two memories at {}", memory.path);
            self.memories.insert(memory.id.clone(), memory);
        }
        let entries = writes.journal.into_iter();
        self.journal.extend(entries.map(|entry| (entry.ledger, entry.seq, entry.subject)));
    }

    /// Runs commands as the writer does; answers what each got, in the order of planning.
    fn run(&mut self, commands: &[Command]) -> Vec<(usize, Result<Outcome, String>)> {
        let mut answers = Vec::new();
        let mut open: Vec<_> = (0..commands.len()).collect();
        while !open.is_empty() {
            let mut overlay = self.load(&Needs::of(open.iter().map(|at| &commands[*at])));
            open.retain(|at| match plan(&mut overlay, &commands[*at], &LIMITS) {
                Step::Done(answer) => {
                    answers.push((*at, answer.map_err(|error| error.to_string())));
                    false
                }
                Step::Later => true,
            });
            self.store(overlay.finish());
        }
        answers
    }
}

const LIMITS: Limits =
    Limits { memories_per_store: 4, content_bytes: 100, stores_per_workspace: None };
const PATHS: [&str; 6] = ["/a", "/a/b", "/a/b/c", "/a-b", "/b", "/b/x"];

fn memory(number: usize) -> MemoryId {
    MemoryId::new(&number.to_string())
}

fn version(number: usize) -> VersionId {
    VersionId::new(&number.to_string())
}

fn store(number: usize) -> StoreId {
    StoreId::new(&number.to_string())
}

fn command(at: usize, change: Change) -> Command {
    let key = ApiKeyId::new("1");
    Command {
        workspace: WorkspaceId::new("1"),
        actor: Actor::ApiKey(key.clone()),
        credential: Credential::Key(key),
        request: RequestId::new(&at.to_string()),
        reason: None,
        at: Timestamp::from_micros(1000),
        change,
    }
}

fn content(text: &str) -> Content {
    Content::new(text.into(), 100).expect("short")
}

/// A change made of small numbers, so that changes meet each other.
fn change(at: usize, (kind, on, place, word): (u8, usize, usize, usize)) -> Change {
    let (store, version) = (store(on % 2), version(at));
    let path = MemoryPath::parse(PATHS[place]).expect("legal");
    let text = content(["one", "two"][word]);
    match kind {
        0..4 => {
            let new = NewMemory { path, content: text };
            Change::CreateMemory { store, memory: memory(at), version, new }
        }
        4..8 => {
            let update = MemoryPatch {
                content: (kind % 2 == 0).then_some(text),
                path: (kind > 4).then_some(path),
                precondition: (kind == 7).then(|| content("one").sha256()),
            };
            Change::UpdateMemory { store, memory: memory(on), version, patch: update }
        }
        8..10 => Change::DeleteMemory { store, memory: memory(on), version, expected: None },
        10 => Change::RedactVersion { store, version: self::version(on) },
        _ => Change::ArchiveStore { store },
    }
}

fn founded() -> Tables {
    let mut tables = Tables::default();
    for number in 0..2 {
        tables.stores.insert(
            store(number),
            Store {
                id: store(number),
                workspace: WorkspaceId::new("1"),
                name: "n".into(),
                description: String::new(),
                metadata: BTreeMap::new(),
                created_at: Timestamp::from_micros(0),
                updated_at: Timestamp::from_micros(0),
                archived_at: None,
                memories: 0,
                ledger: Ledger::EMPTY,
            },
        );
    }
    tables
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_batch_does_what_its_commands_do_one_by_one(
        numbers in prop::collection::vec((0u8..12, 0usize..20, 0usize..6, 0usize..2), 1..24),
        size in 1usize..12,
    ) {
        let commands: Vec<_> = numbers
            .into_iter()
            .enumerate()
            .map(|(at, numbers)| command(at, change(at, numbers)))
            .collect();
        let (mut together, mut single) = (founded(), founded());

        for batch in commands.chunks(size) {
            for (at, answer) in together.run(batch) {
                let alone = single.run(std::slice::from_ref(&batch[at])).remove(0).1;
                prop_assert_eq!(answer, alone);
            }
        }

        prop_assert_eq!(&together.memories, &single.memories);
        prop_assert_eq!(&together.versions, &single.versions);
        prop_assert_eq!(&together.stores, &single.stores);
        prop_assert_eq!(&together.journal, &single.journal);
        let counted = together.memories.values().fold(HashMap::new(), |mut counts, memory| {
            *counts.entry(memory.store.clone()).or_insert(0) += 1;
            counts
        });
        for store in together.stores.values() {
            prop_assert_eq!(store.memories, counted.get(&store.id).copied().unwrap_or(0));
        }
    }
}

#[test]
fn a_path_that_was_freed_is_looked_at_again() {
    let mut tables = founded();
    let create = |at, path: usize| command(at, change(at, (0, 0, path, 0)));
    tables.run(&[create(0, 1)]);
    let delete = command(1, change(1, (8, 0, 0, 0)));

    let answers = tables.run(&[delete, create(2, 0)]);

    assert!(answers.iter().all(|(_, answer)| answer.is_ok()), "{answers:?}");
}
