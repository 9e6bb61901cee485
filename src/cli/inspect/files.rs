//! `memstored ls`, `cat`, `put`, `mv` and `rm`

use std::collections::HashSet;
use std::io::Read;

use clap::Args;

use super::{Done, Failure, InStore, Why, array, find, output, read, time};
use crate::client::pages::Items;
use crate::client::store::{StoreApi, View};
use crate::domain::content::Sha256;
use crate::domain::time::Timestamp;
use crate::history::moment::{Listed, listed};
use crate::history::text::{grouped, one_line};
use crate::wire::memory::{Item, Memory};
use crate::wire::version::Version;

/// Bytes of the largest request (contract 1.10): what is larger than a memory may be is refused by the
/// server, whose limits may be its own.
const MOST: u64 = 33_554_432;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  memstored ls --store notes                    the top folder
  memstored ls --store notes /todo.md           one memory
  memstored ls --store notes -R                 all memories
  memstored ls --store notes -R --at 2h         all memories as they were two hours ago")]
pub struct Ls {
    /// Folder, or memory; where there is neither, the exit code is 3
    #[arg(value_name = "PATH", default_value = "/")]
    path: String,

    /// Memories in folders below, too
    #[arg(short = 'R', long)]
    recursive: bool,

    /// As it was at this time: RFC 3339, 2026-11-26 10:30 (UTC), or an age such as 10m, 2h, 3d
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,

    #[command(flatten)]
    place: InStore,
}

impl Ls {
    pub async fn run(self) -> Done {
        let store = self.place.open().await?;
        let path = find::folder(&self.path)?;
        match self.at {
            Some(at) => self.then(&store, &path, at).await,
            None => self.now(&store, &path).await,
        }
    }

    async fn now(&self, store: &StoreApi, path: &str) -> Done {
        let depth = if self.recursive { "0" } else { "1" };
        let folder = format!("{}/", path.trim_end_matches('/'));
        let query = [("path_prefix", &*folder), ("depth", depth)];
        let mut items = Items::from(store.items(&query, View::Basic).ahead());
        let mut next = items.next().await?;
        if next.is_none() && folder != "/" {
            next = Some(Item::Memory(find::no_folder(store, path).await?));
        }
        if self.place.json() {
            let mut all = Vec::new();
            while let Some(item) = next {
                all.push(item);
                next = items.next().await?;
            }
            return array(all);
        }
        let mut out = self.place.shared.out();
        while let Some(item) = next {
            out.line(&row_of(&item))?;
            next = items.next().await?;
        }
        out.flush()
    }

    async fn then(&self, store: &StoreApi, path: &str, at: Timestamp) -> Done {
        let there = read::moment(store, at).await?;
        let listed = listed(&there, path, self.recursive);
        if listed.is_empty() && path != "/" {
            return Err(read::absent(store, &there, path, &at.to_string()).await?);
        }
        if self.place.json() {
            return array(listed);
        }
        let mut out = self.place.shared.out();
        for one in &listed {
            out.line(&match one {
                Listed::Version(version) => row(
                    version.content_size_bytes,
                    &version.created_at,
                    &version.id,
                    version.path.as_deref().unwrap_or("(redacted)"),
                ),
                Listed::Folder(item) => row_of(item),
            })?;
        }
        out.flush()
    }
}

fn row_of(item: &Item) -> String {
    match item {
        Item::Memory(memory) => row(
            memory.content_size_bytes.into(),
            &memory.updated_at,
            &memory.memory_version_id,
            &memory.path,
        ),
        Item::MemoryPrefix { path } => row(None, "", "", path),
    }
}

fn row(size: Option<i64>, at: &str, version: &str, path: &str) -> String {
    let size = size.map_or("-".to_owned(), grouped);
    format!("{size:>8}  {at:<27}  {version:<33}  {}", one_line(path))
}

#[derive(Args, Debug)]
#[command(after_help = "\
Into a pipe or a file go the very bytes; on a terminal, control characters are written out.

Examples:
  memstored cat --store notes /crdts.md
  memstored cat --store notes /crdts.md --at 2h > crdts.md
  memstored cat --store notes --version memver_01K…")]
pub struct Cat {
    /// Memory
    #[arg(value_name = "PATH", required_unless_present = "version")]
    path: Option<String>,

    /// As it was at this time
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "version")]
    at: Option<Timestamp>,

    /// Content of this version
    #[arg(long, value_name = "ID", conflicts_with = "path")]
    version: Option<String>,

    #[command(flatten)]
    place: InStore,
}

impl Cat {
    pub async fn run(self) -> Done {
        let store = self.place.open().await?;
        let version = match (&self.path, &self.version, self.at) {
            (_, Some(version), _) => find::version(&store, version).await?,
            (Some(path), None, Some(at)) => then(&store, &find::path(path)?, at).await?,
            (path, None, _) => {
                let path = find::path(path.as_deref().unwrap_or_default())?;
                let head = find::memory(&store, &path).await?;
                let memory = store.memory(&head.id).await?.ok_or_else(|| gone(&path))?;
                if self.place.json() {
                    return array([Item::Memory(memory)]);
                }
                return self.print(&memory.content.unwrap_or_default());
            }
        };
        let Some(content) = &version.content else {
            let why = if version.redacted_at.is_some() { "was redacted" } else { "is a deletion" };
            return Err(Failure::Missing(format!("{} has no content: it {why}", version.id)));
        };
        if self.place.json() {
            return array([&version]);
        }
        self.print(content)
    }

    fn print(&self, content: &str) -> Done {
        let mut out = self.place.shared.out();
        out.content(content)?;
        out.flush()
    }
}

fn gone(path: &str) -> Failure {
    Failure::Missing(format!("the memory at {path} was deleted just now"))
}

/// The version that was at a path at a moment.
async fn then(store: &StoreApi, path: &str, at: Timestamp) -> Result<Version, Failure> {
    let until = at.to_string();
    for memory in find::memories_of(store, path).await? {
        let query = [("memory_id", &*memory), ("created_at[lte]", &until)];
        let newest = store.newest(&query, View::Full).await?;
        if let Some(version) = newest.filter(|version| version.path.as_deref() == Some(path))
            && version.operation != crate::history::DELETED
        {
            return Ok(version);
        }
    }
    // Whatever was there has another name now, or was redacted.
    let there = read::moment(store, at).await?;
    match there.iter().find(|version| version.path.as_deref() == Some(path)) {
        Some(version) => Ok(store.version(&version.id).await?),
        None => Err(read::absent(store, &there, path, &until).await?),
    }
}

#[derive(Args, Debug)]
#[command(after_help = "\
What the memory holds is read first, and only that is replaced: where it changes in between, nothing
is written (exit code 4). --if guards with what you have read yourself.

Examples:
  memstored put --store notes /todo.md todo.md
  date | memstored put --store notes /now.md -
  memstored put --store notes /todo.md todo.md --if \"$(sha256sum < old.md | cut -c 1-64)\"")]
pub struct Put {
    /// Memory
    #[arg(value_name = "PATH")]
    path: String,

    /// File with the content; standard input where it is - or not given
    #[arg(value_name = "FILE", default_value = "-")]
    file: String,

    /// Replace only content with this SHA-256
    #[arg(long = "if", value_name = "SHA256", value_parser = sha256, conflicts_with = "new")]
    expected: Option<String>,

    /// Replace nothing: the path has to be free
    #[arg(long)]
    new: bool,

    #[command(flatten)]
    why: Why,

    #[command(flatten)]
    place: InStore,
}

fn sha256(text: &str) -> Result<String, String> {
    let parsed = Sha256::parse("it", text).map_err(|error| error.to_string())?;
    Ok(parsed.to_string())
}

impl Put {
    pub async fn run(self) -> Done {
        let path = find::path(&self.path)?;
        let content = read_text(&self.file)?;
        let store = self.why.store(self.place.open().await?)?;
        let head = if self.new { None } else { find::living(&store, &path).await? };
        let (memory, done) = match (&head, &self.expected) {
            (None, Some(_)) => {
                return Err(Failure::Conflict(format!("there is no memory at {path} to replace")));
            }
            (None, None) => (store.create(&path, &content).await?, "created"),
            (Some(head), expected) => {
                let expected = expected.as_deref().unwrap_or(&head.content_sha256);
                let memory = store.update(&head.id, Some(&content), None, expected).await?;
                let is_same = memory.memory_version_id == head.memory_version_id;
                (memory, if is_same { "unchanged" } else { "updated" })
            }
        };
        same_hash(&memory, &content)?;
        if self.place.json() {
            return array([Item::Memory(memory)]);
        }
        say_memory(done, &memory)
    }
}

/// What the server has is what was sent, or it is no server to trust.
pub fn same_hash(memory: &Memory, content: &str) -> Done {
    if memory.content_sha256 == Sha256::of(content.as_bytes()).to_string() {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "the server says another hash of {} than what was sent",
        memory.path
    )))
}

fn say_memory(done: &str, memory: &Memory) -> Done {
    output::print(&format!(
        "{done} {}: {} bytes, {}",
        one_line(&memory.path),
        grouped(memory.content_size_bytes),
        memory.memory_version_id
    ))
}

/// The text of a file, or of standard input.
pub fn read_text(file: &str) -> Result<String, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::Failed(format!("can't read {file}: {error}"));
    let mut bytes = Vec::new();
    let read = if file == "-" {
        std::io::stdin().lock().take(MOST + 1).read_to_end(&mut bytes)
    } else {
        let opened = std::fs::File::open(file).map_err(|error| failed(&error))?;
        opened.take(MOST + 1).read_to_end(&mut bytes)
    };
    read.map_err(|error| failed(&error))?;
    if bytes.len() as u64 > MOST {
        return Err(failed(&"it is larger than any request may be"));
    }
    String::from_utf8(bytes).map_err(|_| failed(&"it is not UTF-8, and a memory is text"))
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  memstored mv --store notes /todo.md /done/todo.md
  memstored mv --store notes /todo.md /done/        into a folder")]
pub struct Mv {
    /// Memory
    #[arg(value_name = "FROM")]
    from: String,

    /// New path; with a slash at its end, the folder it goes to
    #[arg(value_name = "TO")]
    to: String,

    #[command(flatten)]
    why: Why,

    #[command(flatten)]
    place: InStore,
}

impl Mv {
    pub async fn run(self) -> Done {
        let from = find::path(&self.from)?;
        let mut to = find::folder(&self.to)?;
        if to.ends_with('/') {
            to.push_str(from.rsplit('/').next().unwrap_or_default());
        }
        let to = find::path(&to)?;
        let store = self.why.store(self.place.open().await?)?;
        let head = find::memory(&store, &from).await?;
        let memory = store.update(&head.id, None, Some(&to), &head.content_sha256).await?;
        if self.place.json() {
            return array([Item::Memory(memory)]);
        }
        let (from, to) = (one_line(&from), one_line(&to));
        output::print(&format!("moved {from} to {to}, {}", memory.memory_version_id))
    }
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  memstored rm --store notes /todo.md
  memstored restore --store notes memver_01K…   brings it back")]
pub struct Rm {
    /// Memories
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,

    #[command(flatten)]
    why: Why,

    #[command(flatten)]
    place: InStore,
}

impl Rm {
    pub async fn run(self) -> Done {
        let mut paths =
            self.paths.iter().map(|path| find::path(path)).collect::<Result<Vec<_>, _>>()?;
        // One that is given twice is deleted once.
        let mut seen = HashSet::new();
        paths.retain(|path| seen.insert(path.clone()));
        let store = self.why.store(self.place.open().await?)?;
        // All are looked for before the first is deleted.
        let mut heads = Vec::new();
        for path in &paths {
            heads.push(find::memory(&store, path).await?);
        }
        let mut deleted = Vec::new();
        for head in &heads {
            deleted.push(store.delete(&head.id, &head.content_sha256).await?);
            if !self.place.json() {
                let was = &head.memory_version_id;
                output::print(&format!("deleted {} (was {was})", one_line(&head.path)))?;
            }
        }
        if self.place.json() { array(deleted) } else { Ok(()) }
    }
}
