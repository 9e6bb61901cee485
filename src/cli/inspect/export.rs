//! `memstored export`

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Component, Path, PathBuf};

use clap::Args;
use rustix::fs::Mode;
use rustix::process::umask;

use super::partial::Partial;
use super::{Done, Failure, InStore, array, find, output, repository};
use crate::client::store::{StoreApi, View};
use crate::domain::git::{self, Bare};
use crate::domain::time::Timestamp;
use crate::history::moment::is_within;
use crate::history::text::{counted, one_line};
use crate::wire::memory::{Item, Memory};
use crate::wire::version::Version;

/// Where the memories lie in an export with its history, and the versions beside them.
pub const MEMORIES: &str = "memories";
pub const VERSIONS: &str = "versions.jsonl";

#[derive(Args, Debug)]
#[command(after_help = "\
Plain files: each memory at its path below DIR, or in an archive. With --history the memories lie in
memories/, and versions.jsonl has every version with its content, one a line, oldest first, as the
API gives them. With --git DIR becomes a repository with one commit a version, whose author is the
actor and whose date is the version's time; a redacted version is a commit that changes nothing.

What could not lie there is left out, and named: what would make the folder, or one in it, a git
repository with programs of its own (.git, and HEAD beside refs or commondir), and in a folder or
repository a name of more than 255 bytes.

DIR must be empty or not be there yet, FILE.tar must not be there; nothing is ever overwritten, and
FILE.tar is there when it is whole. What is made is its owner's alone (modes 0700 and 0600); a DIR that
is there keeps its mode.

Examples:
  memstored export --store notes ./notes
  memstored export --store notes notes.tar --history
  memstored export --store notes ./notes-git --git && git -C notes-git log --stat")]
pub struct Export {
    /// Folder, or archive where its name ends with .tar
    #[arg(value_name = "DIR|FILE.tar")]
    to: PathBuf,

    /// Only this folder of the store
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["history", "git"])]
    prefix: Option<String>,

    /// Every version with its metadata, too
    #[arg(long, conflicts_with = "git")]
    history: bool,

    /// As a git repository with one commit a version
    #[arg(long)]
    git: bool,

    #[command(flatten)]
    place: InStore,
}

impl Export {
    pub async fn run(self) -> Done {
        // As the database is, and of git's files, too.
        umask(Mode::RWXG | Mode::RWXO);
        let store = self.place.open().await?;
        if self.git {
            return self.repository(&store).await;
        }
        let mut memories = self.memories(&store).await?;
        let versions = if self.history { all_versions(&store).await? } else { Vec::new() };
        let mut target = Target::new(&self.to)?;
        let bar = output::bar(memories.len(), "exporting");
        let root = if self.history { MEMORIES } else { "" };
        let bare = Bare::among(memories.iter().map(|memory| memory.path.as_str()));
        memories.retain(|memory| match target.refuses(&memory.path, &bare) {
            Some(why) => {
                output::say(&format!("left out {}: {why}", one_line(&memory.path)));
                false
            }
            None => true,
        });
        for memory in &memories {
            let content = memory.content.as_deref().unwrap_or_default();
            target.file(&place(root, &memory.path)?, content.as_bytes(), time_of(memory))?;
            bar.inc(1);
        }
        if self.history {
            let mut lines = String::new();
            for version in &versions {
                lines.push_str(&serde_json::to_string(version).unwrap_or_default());
                lines.push('\n');
            }
            target.file(Path::new(VERSIONS), lines.as_bytes(), 0)?;
        }
        target.finish()?;
        bar.finish_and_clear();
        let count = memories.len();
        if self.place.json() {
            let basic = |memory| Item::Memory(Memory { content: None, ..memory });
            return array(memories.into_iter().map(basic));
        }
        let mut wrote = counted(count, "memory", "memories");
        if self.history {
            wrote.push_str(" and ");
            wrote.push_str(&counted(versions.len(), "version", "versions"));
        }
        output::print(&format!("wrote {wrote} to {}", self.to.display()))
    }

    /// The memories that are meant.
    async fn memories(&self, store: &StoreApi) -> Result<Vec<Memory>, Failure> {
        let prefix = self.prefix.as_deref().map(find::folder).transpose()?;
        let mut memories = store.memories(View::Full).await?;
        if let Some(prefix) = prefix.filter(|prefix| prefix != "/") {
            memories.retain(|memory| is_within(&memory.path, &prefix));
            if memories.is_empty() {
                return Err(find::nothing(&prefix));
            }
        }
        Ok(memories)
    }

    async fn repository(&self, store: &StoreApi) -> Done {
        let versions = all_versions(store).await?;
        let mut names = super::names::Names::new(self.place.shared.client()?);
        let mut authors = HashMap::new();
        for version in &versions {
            let id = crate::history::author(version).unwrap_or("nobody").to_owned();
            authors.insert(id, names.of(version.created_by.as_ref()).await);
        }
        empty_folder(&self.to)?;
        let left_out = repository::write(&self.to, &versions, &authors)?;
        for path in &left_out {
            output::say(&format!("left out {}: git keeps no such path", one_line(path)));
        }
        if self.place.json() {
            let basic = |version| Version { content: None, ..version };
            return array(versions.into_iter().map(basic));
        }
        let wrote = counted(versions.len(), "commit", "commits");
        output::print(&format!("wrote {wrote} to {}", self.to.display()))
    }
}

/// All versions of a store with their contents, oldest first.
async fn all_versions(store: &StoreApi) -> Result<Vec<Version>, Failure> {
    let mut pages = store.versions(&[], View::Full).ahead();
    let mut versions = Vec::new();
    while let Some(page) = pages.next().await? {
        versions.extend(page);
    }
    versions.reverse();
    Ok(versions)
}

/// Where a memory goes below a folder. A server's word must not lead out of it.
fn place(root: &str, path: &str) -> Result<PathBuf, Failure> {
    let below = Path::new(path.trim_start_matches('/'));
    let plain = below.components().all(|part| matches!(part, Component::Normal(_)));
    if plain && path.starts_with('/') && below.as_os_str() != "" {
        return Ok(Path::new(root).join(below));
    }
    Err(Failure::Failed(format!("the server has a memory at {path:?}, which is no path")))
}

/// Seconds since 1970.
fn time_of(memory: &Memory) -> u64 {
    Timestamp::parse(&memory.updated_at).map_or(0, |at| at.millis() / 1000)
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("can't write {}: {error}", path.display()))
}

/// A folder that is new or empty.
pub fn empty_folder(path: &Path) -> Done {
    if path.is_dir() {
        let mut entries = fs::read_dir(path).map_err(|error| failed(path, &error))?;
        if entries.next().is_some() {
            let path = path.display();
            return Err(Failure::Failed(format!(
                "{path} is not empty, and nothing is overwritten"
            )));
        }
        return Ok(());
    }
    fs::create_dir_all(path).map_err(|error| failed(path, &error))
}

/// What files are written to.
enum Target {
    Folder(PathBuf),
    Archive(Partial, Box<tar::Builder<BufWriter<File>>>),
}

impl Target {
    fn new(to: &Path) -> Result<Self, Failure> {
        if to.extension().is_some_and(|extension| extension == "tar") {
            let (partial, file) = Partial::begin(to).map_err(|error| failed(to, &error))?;
            let archive = tar::Builder::new(BufWriter::new(file));
            return Ok(Self::Archive(partial, Box::new(archive)));
        }
        empty_folder(to)?;
        Ok(Self::Folder(to.to_owned()))
    }

    /// Why a memory can't lie there as a file.
    fn refuses(&self, path: &str, bare: &Bare) -> Option<&'static str> {
        if git::is_in_repository(path) || bare.has_head(path) {
            return Some("git would run what a memory there says");
        }
        let is_folder = matches!(self, Self::Folder(_));
        (is_folder && repository::is_long(path)).then_some("a file's name has at most 255 bytes")
    }

    /// A file with its time in seconds since 1970.
    fn file(&mut self, path: &Path, content: &[u8], time: u64) -> Done {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(path);
                let parent = path.parent().unwrap_or(folder);
                fs::create_dir_all(parent).map_err(|error| failed(&path, &error))?;
                let file = OpenOptions::new().write(true).create_new(true).open(&path);
                let written = file.and_then(|mut file| {
                    file.write_all(content)?;
                    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(time);
                    file.set_modified(time)
                });
                written.map_err(|error| failed(&path, &error))
            }
            Self::Archive(partial, archive) => {
                let mut header = tar::Header::new_gnu();
                header.set_size(content.len() as u64);
                header.set_mode(0o600);
                header.set_mtime(time);
                let appended = archive.append_data(&mut header, path, content);
                appended.map_err(|error| failed(partial.to(), &error))
            }
        }
    }

    fn finish(self) -> Done {
        match self {
            Self::Folder(_) => Ok(()),
            Self::Archive(partial, archive) => {
                let to = partial.to().to_owned();
                let ended = archive.into_inner().and_then(|mut file| file.flush());
                let ended = ended.and_then(|()| partial.finish());
                ended.map_err(|error| failed(&to, &error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_word_leads_out_of_no_folder() {
        assert_eq!(place("", "/a/b.md").unwrap(), Path::new("a/b.md"));
        assert_eq!(place(MEMORIES, "/a").unwrap(), Path::new("memories/a"));
        for bad in ["", "/", "a", "/../a", "/a/../../b", "../a", "/.."] {
            assert!(place("", bad).is_err(), "{bad}");
        }
    }
}
