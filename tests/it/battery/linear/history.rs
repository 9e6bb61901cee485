//! What clients asked and were told, and what the rules say of it.

use std::collections::BTreeMap;

/// A memory by its ID.
pub type Memory = String;

#[derive(Clone, Debug)]
pub enum Asked {
    Create { path: &'static str, content: String },
    Update { memory: Memory, change: Change, guard: Option<String> },
    Delete { memory: Memory, guard: Option<String> },
    Read { memory: Memory },
    List,
}

/// What an update asks for.
#[derive(Clone, Debug)]
pub struct Change {
    pub path: Option<&'static str>,
    pub content: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Created(Memory),
    Updated,
    Deleted,
    Shown {
        path: String,
        content: String,
    },
    /// Paths and contents, in order.
    Listed(Vec<(String, String)>),
    NotFound,
    PathTaken,
    PreconditionFailed,
}

/// One request and its answer, between two moments that order all of a history.
#[derive(Clone, Debug)]
pub struct Call {
    pub asked: Asked,
    pub told: Told,
    pub from: u64,
    pub to: u64,
}

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct State(BTreeMap<Memory, (String, String)>);

fn overlaps(one: &str, other: &str) -> bool {
    let below = |path: &str, directory: &str| path.starts_with(&format!("{directory}/"));
    one == other || below(one, other) || below(other, one)
}

impl State {
    /// What comes of a request that was answered so; `None` where the rules say another answer.
    pub fn after(&self, asked: &Asked, told: &Told) -> Option<Self> {
        let mut next = self.clone();
        (next.apply(asked, told) == *told).then_some(next)
    }

    /// The answer. Only the ID of a new memory is taken from what was told.
    fn apply(&mut self, asked: &Asked, told: &Told) -> Told {
        match asked {
            Asked::Create { path, .. } if self.is_taken(path, None) => Told::PathTaken,
            Asked::Create { path, content } => {
                let Told::Created(memory) = told else { return Told::Created(String::new()) };
                self.0.insert(memory.clone(), ((*path).to_owned(), content.clone()));
                told.clone()
            }
            Asked::Update { memory, change, guard } => {
                let Some(old) = self.0.get(memory) else { return Told::NotFound };
                let path = change.path.map_or(old.0.clone(), str::to_owned);
                let new = (path, change.content.clone().unwrap_or(old.1.clone()));
                if new == *old {
                    return Told::Updated;
                }
                if guard.as_ref().is_some_and(|guard| *guard != old.1) {
                    return Told::PreconditionFailed;
                }
                if self.is_taken(&new.0, Some(memory)) {
                    return Told::PathTaken;
                }
                self.0.insert(memory.clone(), new);
                Told::Updated
            }
            Asked::Delete { memory, guard } => match self.0.get(memory) {
                None => Told::NotFound,
                Some((_, content)) if guard.as_ref().is_some_and(|guard| guard != content) => {
                    Told::PreconditionFailed
                }
                Some(_) => {
                    self.0.remove(memory);
                    Told::Deleted
                }
            },
            Asked::Read { memory } => match self.0.get(memory).cloned() {
                Some((path, content)) => Told::Shown { path, content },
                None => Told::NotFound,
            },
            Asked::List => {
                let mut listed: Vec<_> = self.0.values().cloned().collect();
                listed.sort();
                Told::Listed(listed)
            }
        }
    }

    fn is_taken(&self, path: &str, mover: Option<&Memory>) -> bool {
        let others = self.0.iter().filter(|(memory, _)| Some(*memory) != mover);
        others.into_iter().any(|(_, (held, _))| overlaps(held, path))
    }
}
