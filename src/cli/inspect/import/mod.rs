//! `memstored import`

mod files;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use clap::Args;

use super::carry_out::left_alone;
use super::export::{MEMORIES, VERSIONS};
use super::files::same_hash;
use super::{Done, Failure, InStore, Why, array, find, output};
use crate::client::ClientError;
use crate::client::store::{StoreApi, View};
use crate::domain::content::Sha256;
use crate::domain::id::MemoryId;
use crate::domain::limits::Limits;
use crate::domain::occupied::Occupied;
use crate::domain::path::MemoryPath;
use crate::history::text::{counted, one_line};
use crate::history::{CREATED, DELETED};
use crate::wire::memory::{Item, Memory};
use crate::wire::version::Version;
use files::Found;

#[derive(Args, Debug)]
#[command(after_help = "\
All that is to come in is read and checked first, and what is no memory (a link, a device, a name or a
content that is not UTF-8, more bytes than the server takes, two files for one path) is listed, and
nothing is written; so it is where the store has no room for all. Files that a memory already holds are
left alone; a memory that changes meanwhile is, too (exit code 4). Memories without a file stay.

With --history the versions of an export with its history are written again, one by one: contents, paths
and order are kept, their authors and times become yours and today's. The store must be empty.

Examples:
  memstored import --store notes ./notes
  memstored import --store notes notes.tar --prefix /old/ --dry-run
  memstored import --store copy ./notes-with-history --history")]
pub struct Import {
    /// Folder, or archive where its name ends with .tar
    #[arg(value_name = "DIR|FILE.tar")]
    from: PathBuf,

    /// Folder of the store for what comes in
    #[arg(long, value_name = "FOLDER", default_value = "/", conflicts_with = "history")]
    prefix: String,

    /// Write the versions of an export with its history again
    #[arg(long)]
    history: bool,

    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    why: Why,

    #[command(flatten)]
    place: InStore,
}

/// What one file asks for.
enum Step {
    Create,
    /// Another memory is in the way, and what a server would say of that.
    LeftAlone(String),
    Update(Memory),
    Nothing(Memory),
}

impl Import {
    pub async fn run(self) -> Done {
        let mut prefix = find::folder(&self.prefix)?;
        if !prefix.ends_with('/') {
            prefix.push('/');
        }
        let store = self.why.store(self.place.open().await?)?;
        let limits = store.limits().await?;
        if self.history {
            let versions = versions(&self.from, limits.content_bytes)?;
            return self.again(&store, versions, &limits).await;
        }
        if self.from.join(VERSIONS).is_file() && self.from.join(MEMORIES).is_dir() {
            let from = self.from.display();
            return Err(Failure::Usage(format!(
                "{from} is an export with its history: give --history, or import {from}/{MEMORIES}"
            )));
        }
        let files = files::all(&self.from, &prefix, limits.content_bytes)?;
        let heads = store.memories(View::Basic).await?;
        let steps = planned(files, &heads);
        let new = steps.iter().filter(|(_, step)| matches!(step, Step::Create)).count();
        fit(heads.len(), new, &limits)?;
        self.carry_out(&store, steps).await
    }

    async fn carry_out(&self, store: &StoreApi, steps: Vec<(Found, Step)>) -> Done {
        let bar = output::bar(steps.len(), "importing");
        let (mut memories, mut changed, mut in_the_way) = (Vec::new(), 0, 0);
        for (file, step) in steps {
            bar.inc(1);
            let path = one_line(&file.path).into_owned();
            let mut leave = |why: &str| {
                in_the_way += 1;
                bar.suspend(|| output::say(&format!("left alone: {path}: {why}")));
            };
            let (done, what) = match (&step, self.dry_run) {
                (Step::Nothing(head), _) => {
                    memories.push(head.clone());
                    continue;
                }
                (Step::LeftAlone(why), _) => {
                    leave(why);
                    continue;
                }
                (Step::Create, true) => (None, "would create"),
                (Step::Update(_), true) => (None, "would update"),
                (Step::Create, false) => {
                    (Some(store.create(&file.path, &file.content).await), "created")
                }
                (Step::Update(head), false) => {
                    let expected = &head.content_sha256;
                    let update = store.update(&head.id, Some(&file.content), None, expected);
                    (Some(update.await), "updated")
                }
            };
            match done.transpose() {
                Ok(memory) => {
                    changed += 1;
                    if let Some(memory) = memory {
                        same_hash(&memory, &file.content)?;
                        memories.push(memory);
                    }
                    if !self.place.json() {
                        bar.suspend(|| output::print(&format!("{what} {path}")))?;
                    }
                }
                Err(ClientError::Refused { status, message, .. }) if status.as_u16() == 409 => {
                    leave(&message);
                }
                Err(error) => return Err(error.into()),
            }
        }
        bar.finish_and_clear();
        if self.place.json() {
            array(memories.into_iter().map(Item::Memory))?;
        } else if changed == 0 && in_the_way == 0 {
            output::print("nothing to do: the store holds all of it")?;
        }
        match in_the_way {
            0 => Ok(()),
            count => Err(left_alone(count)),
        }
    }

    /// Writes versions again, oldest first.
    async fn again(&self, store: &StoreApi, versions: Vec<Version>, limits: &Limits) -> Done {
        if !store.memories(View::Basic).await?.is_empty() {
            return Err(Failure::Conflict(
                "the store is not empty: a history needs one that is".into(),
            ));
        }
        let count = versions.len();
        let versions = writable(versions);
        fit(0, at_once(&versions), limits)?;
        let (written, left_out) = (versions.len(), count - versions.len());
        if !self.dry_run {
            let bar = output::bar(written, "importing");
            let mut heads: HashMap<String, Memory> = HashMap::new();
            for version in versions {
                let head = heads.remove(&version.memory_id);
                if let Some(memory) = one_again(store, &version, head).await? {
                    heads.insert(version.memory_id, memory);
                }
                bar.inc(1);
            }
            bar.finish_and_clear();
        }
        if self.place.json() {
            return array(store.memories(View::Basic).await?.into_iter().map(Item::Memory));
        }
        let would = if self.dry_run { "would write" } else { "wrote" };
        let left = match left_out {
            0 => String::new(),
            count => format!("; {count} without content left are not"),
        };
        let versions = counted(written, "version", "versions");
        output::print(&format!("{would} {versions} again{left}"))
    }
}

/// What each file asks for, by what is there. Files are in no way of each other.
fn planned(files: Vec<Found>, heads: &[Memory]) -> Vec<(Found, Step)> {
    let mut occupied = Occupied::default();
    for Memory { path, id, .. } in heads {
        occupied.take(MemoryPath::stored(path.clone()), MemoryId::stored(id.clone()));
    }
    let heads: HashMap<_, _> = heads.iter().map(|memory| (&*memory.path, memory)).collect();
    let planned = files.into_iter().map(|file| {
        let hash = Sha256::of(file.content.as_bytes()).to_string();
        let step = match heads.get(&*file.path).copied() {
            None => match occupied.check(&MemoryPath::stored(file.path.clone()), None) {
                Ok(()) => Step::Create,
                Err(error) => Step::LeftAlone(error.to_string()),
            },
            Some(head) if head.content_sha256 == hash => Step::Nothing(head.clone()),
            Some(head) => Step::Update(head.clone()),
        };
        (file, step)
    });
    planned.collect()
}

/// Refuses more memories than a store may have. What others make meanwhile can't be known.
fn fit(memories: usize, new: usize, limits: &Limits) -> Done {
    let most = usize::try_from(limits.memories_per_store).unwrap_or(usize::MAX);
    if new == 0 || memories.saturating_add(new) <= most {
        return Ok(());
    }
    let most = counted(most, "memory", "memories");
    Err(Failure::Failed(format!(
        "a store holds at most {most}: this one has {memories}, and {new} more would come in, so \
         nothing was written"
    )))
}

/// How many memories there are at one time while the versions are written.
fn at_once(versions: &[Version]) -> usize {
    let (mut alive, mut most) = (HashSet::new(), 0);
    for version in versions {
        match &*version.operation {
            DELETED => alive.remove(&version.memory_id),
            _ => alive.insert(&version.memory_id),
        };
        most = most.max(alive.len());
    }
    most
}

/// Without what was redacted, of which nothing is left, and deletions of what so never was.
fn writable(versions: Vec<Version>) -> Vec<Version> {
    let mut alive = HashSet::new();
    let is_left = |version: &Version| match &*version.operation {
        DELETED => alive.remove(&version.memory_id),
        _ if version.redacted_at.is_some() => false,
        _ => {
            alive.insert(version.memory_id.clone());
            true
        }
    };
    versions.into_iter().filter(is_left).collect()
}

async fn one_again(
    store: &StoreApi,
    version: &Version,
    head: Option<Memory>,
) -> Result<Option<Memory>, Failure> {
    let content = version.content.as_deref();
    let path = version.path.as_deref().unwrap_or_default();
    match head {
        Some(head) if version.operation == DELETED => {
            store.delete(&head.id, &head.content_sha256).await?;
            Ok(None)
        }
        Some(head) => {
            let updated = store.update(&head.id, content, Some(path), &head.content_sha256);
            Ok(Some(updated.await?))
        }
        None => Ok(Some(store.create(path, content.unwrap_or_default()).await?)),
    }
}

/// The versions of an export, checked: each has what its operation needs, and no more bytes than
/// `largest`.
fn versions(from: &Path, largest: usize) -> Result<Vec<Version>, Failure> {
    let text = files::named(from, VERSIONS)?.ok_or_else(|| {
        Failure::Missing(format!(
            "{} has no {VERSIONS} beside {MEMORIES}/: it is no export with its history",
            from.display()
        ))
    })?;
    let mut versions = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let refuse = |why: &dyn std::fmt::Display| {
            Failure::Failed(format!("{VERSIONS}, line {}: {why}", number + 1))
        };
        let version: Version = serde_json::from_str(line).map_err(|error| refuse(&error))?;
        let has_all = version.redacted_at.is_some()
            || (version.path.is_some()
                && (version.operation == DELETED || version.content.is_some()));
        if !has_all || ![CREATED, "modified", DELETED].contains(&&*version.operation) {
            return Err(refuse(&"this is no version with its content"));
        }
        if version.content.as_ref().is_some_and(|content| content.len() > largest) {
            return Err(refuse(&files::too_large(largest)));
        }
        if let Some(path) = &version.path {
            find::path(path).map_err(|error| refuse(&error))?;
        }
        versions.push(version);
    }
    Ok(versions)
}
