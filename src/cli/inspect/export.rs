//! `memstored export`

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};

use clap::Args;
use rustix::fs::Mode;
use rustix::process::umask;

use super::partial::{Made, Partial};
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

/// How names end that promise what is not made, in small letters.
const OTHERS: [&str; 12] =
    [".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".tzst", ".zip", ".7z", ".rar"];

#[derive(Args, Debug)]
#[command(after_help = "\
Plain files: each memory at its path below DIR, or in an archive. With --history the memories lie in
memories/, and versions.jsonl has every version with its content, one a line, oldest first, as the
API gives them. With --git DIR becomes a repository with one commit a version, whose author is the
actor and whose date is the version's time; a redacted version is a commit that changes nothing.

What could not lie there is left out, and named, and then the exit code is 4: what would make the
folder, or one in it, a git repository with programs of its own (.git, and HEAD beside refs or
commondir), and in a folder or repository a name of more than 255 bytes.

DIR must be empty or not be there yet, FILE.tar must not be there; nothing is ever overwritten, and
FILE.tar is there when it is whole. What fails leaves nothing of what it made. What is made is its
owner's alone (modes 0700 and 0600); a DIR that is there keeps its mode. Archives are tar, as they
stand; for others, pipe the one that - writes.

Examples:
  memstored export --store notes ./notes
  memstored export --store notes notes.tar --history
  memstored export --store notes - | gzip > notes.tar.gz
  memstored export --store notes ./notes-git --git && git -C notes-git log --stat")]
pub struct Export {
    /// Folder, or archive where its name ends with .tar, or - for an archive on standard output
    #[arg(value_name = "DIR|FILE.tar|-")]
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
        let form = self.form()?;
        let store = self.place.open().await?;
        if self.git {
            return self.repository(&store).await;
        }
        let mut memories = self.memories(&store).await?;
        let versions = if self.history { all_versions(&store).await? } else { Vec::new() };
        let root = if self.history { MEMORIES } else { "" };
        let bare = Bare::among(memories.iter().map(|memory| memory.path.as_str()));
        let all = memories.len();
        memories.retain(|memory| match form.refuses(&memory.path, &bare) {
            Some(why) => {
                output::say(&format!("left out {}: {why}", one_line(&memory.path)));
                false
            }
            None => true,
        });
        let left_out = all - memories.len();
        let places = memories.iter().map(|memory| place(root, &memory.path));
        let places = places.collect::<Result<Vec<_>, _>>()?;
        let mut target = Target::new(&self.to, form)?;
        let bar = output::bar(memories.len(), "exporting");
        for (memory, place) in memories.iter().zip(&places) {
            let content = memory.content.as_deref().unwrap_or_default();
            target.file(place, content.as_bytes(), time_of(memory))?;
            bar.inc(1);
        }
        if self.history {
            target.file(Path::new(VERSIONS), lines(&versions).as_bytes(), 0)?;
        }
        target.finish()?;
        bar.finish_and_clear();
        self.told(memories, versions.len(), form)?;
        done_but_for(left_out)
    }

    /// What is to be made; a name that promises what is not made is refused.
    fn form(&self) -> Result<Form, Failure> {
        const GIT: &str = "--git makes a folder, and no archive: give another name";
        const JSON: &str = "--json has standard output for itself: give a folder or FILE.tar";
        const OTHER: &str = "no such archive is made: give a folder, FILE.tar, or - for an archive \
                             on standard output";
        let refuse = |why| Err(Failure::Usage(format!("{}: {why}", self.to.display())));
        let name = self.to.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let is_tar = self.to.extension().is_some_and(|extension| extension == "tar");
        match (self.to.as_os_str() == "-", self.git) {
            (true, true) => refuse(GIT),
            (true, false) if self.place.json() => refuse(JSON),
            (true, false) => Ok(Form::Stdout),
            (false, false) if is_tar => Ok(Form::Archive),
            _ if self.to.is_dir() => Ok(Form::Folder),
            _ if is_tar => refuse(GIT),
            _ if OTHERS.iter().any(|end| name.ends_with(end)) => refuse(OTHER),
            _ => Ok(Form::Folder),
        }
    }

    fn told(&self, memories: Vec<Memory>, versions: usize, form: Form) -> Done {
        let mut wrote = counted(memories.len(), "memory", "memories");
        if self.place.json() {
            let basic = |memory| Item::Memory(Memory { content: None, ..memory });
            return array(memories.into_iter().map(basic));
        }
        if self.history {
            wrote.push_str(" and ");
            wrote.push_str(&counted(versions, "version", "versions"));
        }
        if matches!(form, Form::Stdout) {
            output::say(&format!("wrote {wrote}"));
            return Ok(());
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
        let mut made = begin(&self.to)?;
        for name in repository::names(&versions) {
            made.by_program(self.to.join(name));
        }
        let left_out = repository::write(&self.to, &versions, &authors)?;
        made.finish();
        for path in &left_out {
            output::say(&format!("left out {}: git keeps no such path", one_line(path)));
        }
        if self.place.json() {
            let basic = |version| Version { content: None, ..version };
            array(versions.into_iter().map(basic))?;
        } else {
            let wrote = counted(versions.len(), "commit", "commits");
            output::print(&format!("wrote {wrote} to {}", self.to.display()))?;
        }
        done_but_for(left_out.len())
    }
}

/// How an export ends that has left something out.
fn done_but_for(left_out: usize) -> Done {
    match left_out {
        0 => Ok(()),
        1 => Err(Failure::Conflict("1 path was left out".into())),
        count => Err(Failure::Conflict(format!("{count} paths were left out"))),
    }
}

/// Versions as JSON, one a line.
fn lines(versions: &[Version]) -> String {
    let mut lines = String::new();
    for version in versions {
        lines.push_str(&serde_json::to_string(version).unwrap_or_default());
        lines.push('\n');
    }
    lines
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
fn begin(folder: &Path) -> Result<Made, Failure> {
    Made::begin(folder).map_err(|error| match error.kind() {
        io::ErrorKind::DirectoryNotEmpty => Failure::Failed(format!(
            "{} is not empty, and nothing is overwritten",
            folder.display()
        )),
        _ => failed(folder, &error),
    })
}

/// What an export is.
#[derive(Clone, Copy)]
enum Form {
    Folder,
    Archive,
    Stdout,
}

impl Form {
    /// Why a memory can't lie there as a file.
    fn refuses(self, path: &str, bare: &Bare) -> Option<&'static str> {
        if git::is_in_repository(path) || bare.has_head(path) {
            return Some("git would run what a memory there says");
        }
        let is_folder = matches!(self, Self::Folder);
        (is_folder && repository::is_long(path)).then_some("a file's name has at most 255 bytes")
    }
}

/// What files are written to.
enum Target {
    Folder(PathBuf, Made),
    /// With the place where it is to be, unless that is standard output.
    Archive(Option<Partial>, Box<tar::Builder<Box<dyn Write>>>),
}

impl Target {
    fn new(to: &Path, form: Form) -> Result<Self, Failure> {
        let archive = |partial: Option<Partial>, to: Box<dyn Write>| {
            Self::Archive(partial, Box::new(tar::Builder::new(to)))
        };
        match form {
            Form::Folder => Ok(Self::Folder(to.to_owned(), begin(to)?)),
            Form::Archive => {
                let (partial, file) = Partial::begin(to).map_err(|error| failed(to, &error))?;
                Ok(archive(Some(partial), Box::new(BufWriter::new(file))))
            }
            Form::Stdout => match output::bytes() {
                Some(stdout) => Ok(archive(None, Box::new(stdout))),
                None => Err(Failure::Usage(
                    "an archive is nothing for a terminal: pipe it, or give a folder or FILE.tar"
                        .into(),
                )),
            },
        }
    }

    /// A file with its time in seconds since 1970.
    fn file(&mut self, path: &Path, content: &[u8], time: u64) -> Done {
        match self {
            Self::Folder(folder, made) => {
                let path = folder.join(path);
                let parent = made.folder(path.parent().unwrap_or(folder));
                let written = parent.and_then(|()| made.file(&path)).and_then(|mut file| {
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
                archived(partial.as_ref(), archive.append_data(&mut header, path, content))
            }
        }
    }

    fn finish(self) -> Done {
        match self {
            Self::Folder(_, made) => {
                made.finish();
                Ok(())
            }
            Self::Archive(partial, archive) => {
                let ended = archive.into_inner().and_then(|mut file| file.flush());
                archived(partial.as_ref(), ended)?;
                let Some(partial) = partial else { return Ok(()) };
                let to = partial.to().to_owned();
                partial.finish().map_err(|error| failed(&to, &error))
            }
        }
    }
}

/// Whether a part of an archive could be written.
fn archived(partial: Option<&Partial>, done: io::Result<()>) -> Done {
    match partial {
        Some(partial) => done.map_err(|error| failed(partial.to(), &error)),
        None => output::written(done),
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
