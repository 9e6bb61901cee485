//! Every decision of the mount, without the kernel and its types.
//!
//! What programs see is `State`, behind one lock that is never held while the server is asked. What
//! asks the server to change a memory holds the file's gate meanwhile, so that no two saves of one
//! file cross; and it holds `tree` for reading, so that the tree keeps its shape: whole folders move,
//! and the changes of others come in, only while `tree` is held for writing.
//!
//! A method whose name ends in `_now` answers from what is in memory, and `None` where the server has
//! to be asked. The kernel's thread calls these itself; all others are tasks.

mod follow;
mod later;
mod names;
mod open;
mod place;
mod rename;
mod save;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use tokio::sync::{RwLock, oneshot};

use super::cache::{Bytes, Cache};
use super::errno::{FuseError, Result};
use super::guard::{Guard, Searches};
use super::inode::{Draft, File, Folder, Ino, Kind, ROOT, Tree};
use super::remote::Remote;
use super::spool::Spool;
use crate::clock::{Clock, Source};
use crate::domain::content::Sha256;
use crate::domain::git;
use crate::domain::limits::Limits;
use crate::domain::path::{MemoryPath, PATH_BYTES};
use crate::domain::time::Timestamp;

pub use open::{How, Place};
pub use rename::Rename;

/// How a mount behaves.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub guard: Guard,
    /// Bytes of contents that are kept in memory.
    pub cache_bytes: usize,
    /// How long a new file waits after its close for a rename.
    pub spool_wait: Duration,
    /// Between two looks at what changed elsewhere; zero is never.
    pub poll: Duration,
    /// What the server takes.
    pub limits: Limits,
}

/// One mounted store.
pub struct Fs {
    state: Mutex<State>,
    tree: RwLock<()>,
    remote: Remote,
    /// None where the mount is read-only.
    spool: Option<Mutex<Spool>>,
    /// Told what it must forget.
    kernel: mpsc::Sender<Stale>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    /// A task is about to try failed saves again.
    retrying: AtomicBool,
}

struct State {
    tree: Tree,
    handles: HashMap<u64, Handle>,
    listings: HashMap<u64, Arc<[Listed]>>,
    next_handle: u64,
    cache: Cache,
    searches: Searches,
    /// Memories that were deleted; an ID never comes back.
    deleted: HashSet<String>,
    /// The newest version that was taken in.
    cursor: Option<String>,
    /// What came in did not fit, so that everything has to be listed again.
    lost: bool,
}

/// An open file.
struct Handle {
    ino: Ino,
    /// The process that opened it.
    opener: u32,
    writes: bool,
    /// Something was written through it that no close or sync has saved.
    dirty: bool,
    /// What it was opened on, or has last read.
    pin: Option<(Sha256, Bytes)>,
}

/// What the kernel remembers and must not any more.
pub enum Stale {
    /// Content and attributes; whoever waits is told when the kernel has forgotten them.
    Content(Ino, Option<oneshot::Sender<()>>),
    /// A name in a folder.
    Entry(Ino, String),
}

/// What programs see of a file or folder.
#[derive(Clone, Copy, Debug)]
pub struct Attr {
    pub ino: Ino,
    pub size: u64,
    pub changed: Timestamp,
    pub folder: bool,
}

/// An entry of a folder.
pub struct Listed {
    pub name: String,
    pub ino: Ino,
    pub folder: bool,
}

/// The sum of what is stored.
#[derive(Debug, Default)]
pub struct Totals {
    pub bytes: u64,
    pub files: u64,
}

impl Fs {
    /// An empty tree; [`Fs::load`] fills it.
    pub fn new(
        remote: Remote,
        spool: Option<Spool>,
        kernel: mpsc::Sender<Stale>,
        settings: Settings,
        clock: Arc<dyn Clock>,
        source: &dyn Source,
    ) -> Self {
        let bytes = source.bytes();
        let random = u32::from_be_bytes([bytes[28], bytes[29], bytes[30], bytes[31]]);
        let state = State {
            tree: Tree::new(random, clock.now()),
            handles: HashMap::new(),
            listings: HashMap::new(),
            next_handle: 1,
            cache: Cache::new(settings.cache_bytes),
            searches: Searches::default(),
            deleted: HashSet::new(),
            cursor: None,
            lost: false,
        };
        Self {
            state: Mutex::new(state),
            tree: RwLock::new(()),
            remote,
            spool: spool.map(Mutex::new),
            kernel,
            clock,
            settings,
            retrying: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn lookup(&self, parent: Ino, name: &str) -> Result<Attr> {
        let mut state = self.lock();
        let found = state.tree.child(parent, name).filter(|ino| state.shows(name, *ino));
        let ino = found.ok_or(FuseError::NotFound)?;
        state.tree.remember(ino);
        state.attr(ino)
    }

    pub fn attr(&self, ino: Ino) -> Result<Attr> {
        self.lock().attr(ino)
    }

    pub fn forget(&self, ino: Ino, times: u64) {
        self.lock().tree.forget(ino, times);
    }

    /// Opens a folder: what it holds now is what is read from the handle.
    pub fn open_folder(&self, ino: Ino) -> Result<u64> {
        let mut state = self.lock();
        let folder = state.tree.folder(ino).ok_or(FuseError::NotFolder)?;
        let parent = state.tree.node(ino).map_or(ino, |node| node.parent);
        let above = [(".", ino), ("..", parent)];
        let above = above.map(|(name, ino)| Listed { name: name.into(), ino, folder: true });
        let children = folder.children.iter().filter(|(name, ino)| state.shows(name, **ino));
        let children = children.map(|(name, ino)| Listed {
            name: name.clone(),
            ino: *ino,
            folder: state.tree.folder(*ino).is_some(),
        });
        let listing: Vec<_> = above.into_iter().chain(children).collect();
        let handle = state.new_handle();
        state.listings.insert(handle, listing.into());
        Ok(handle)
    }

    pub fn listing(&self, handle: u64) -> Result<Arc<[Listed]>> {
        self.lock().listings.get(&handle).cloned().ok_or(FuseError::NotOpen)
    }

    pub fn close_folder(&self, handle: u64) {
        self.lock().listings.remove(&handle);
    }

    /// The attributes of an entry of a listing that the kernel is told of, if it is still there.
    pub fn listed(&self, folder: Ino, entry: &Listed) -> Option<Attr> {
        let mut state = self.lock();
        let (name, ino) = (entry.name.as_str(), entry.ino);
        if !matches!(name, "." | "..") && state.tree.child(folder, name) != Some(ino) {
            return None;
        }
        let attr = state.attr(ino).ok()?;
        state.tree.remember(ino);
        Some(attr)
    }

    /// What the server takes.
    pub fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    /// Bytes that a memory may have.
    fn limit(&self) -> usize {
        self.settings.limits.content_bytes
    }

    pub fn totals(&self) -> Totals {
        let state = self.lock();
        let heads =
            state.tree.memories().filter_map(|(_, ino)| state.tree.file(ino)?.memory.as_ref());
        heads.fold(Totals::default(), |sum, head| Totals {
            bytes: sum.bytes + head.size,
            files: sum.files + 1,
        })
    }

    /// What the kernel still shows of a file is out of date.
    fn forget_content(&self, ino: Ino) {
        let _ = self.kernel.send(Stale::Content(ino, None));
    }

    /// The same, and the kernel has done it when this returns. Not for an operation that holds pages
    /// of the file, as a write does.
    async fn forget_content_first(&self, ino: Ino) {
        let (done, waits) = oneshot::channel();
        if self.kernel.send(Stale::Content(ino, Some(done))).is_ok() {
            let _ = waits.await;
        }
    }

    fn forget_entry(&self, parent: Ino, name: &str) {
        let _ = self.kernel.send(Stale::Entry(parent, name.to_owned()));
        self.forget_content(parent);
    }

    /// Says why something was refused, where a person could want to know.
    fn log_refusal(path: &str, error: &FuseError) {
        tracing::warn!(path, "refused: {error}");
    }
}

impl State {
    fn attr(&self, ino: Ino) -> Result<Attr> {
        let node = self.tree.node(ino).ok_or(FuseError::NotFound)?;
        let (size, folder) = match &node.kind {
            Kind::Folder(_) => (0, true),
            Kind::File(file) => (file.size(), false),
        };
        Ok(Attr { ino, size, changed: node.changed, folder })
    }

    fn new_handle(&mut self) -> u64 {
        self.next_handle += 1;
        self.next_handle - 1
    }

    /// Says whether somebody is in the middle of writing a file.
    fn is_written(&self, ino: Ino) -> bool {
        self.handles.values().any(|handle| handle.ino == ino && handle.dirty)
    }

    /// The path that a name in a folder stands for, which must be a legal one.
    fn path_for(&self, parent: Ino, name: &str) -> Result<MemoryPath> {
        let folder = self.tree.node(parent).ok_or(FuseError::NotFound)?;
        if folder.gone {
            return Err(FuseError::NotFound);
        }
        legal(&format!("{}/{name}", self.tree.path(parent)))
    }

    /// The same for what a program makes, which git must not take for its own.
    fn path_to_make(&self, parent: Ino, name: &str, folder: bool) -> Result<MemoryPath> {
        let path = self.path_for(parent, name)?;
        if is_gits(name, folder) { Err(FuseError::Repository) } else { Ok(path) }
    }

    /// Says whether programs see what lies at a name. What they don't see they can't open.
    fn shows(&self, name: &str, ino: Ino) -> bool {
        !is_gits(name, self.tree.folder(ino).is_some())
    }

    /// A memory lies below the folder now, so it does not need this mount to exist.
    fn disown(&mut self, mut folder: Ino) {
        while folder != ROOT
            && let Some(node) = self.tree.node(folder)
        {
            let parent = node.parent;
            if let Some(folder) = self.tree.folder_mut(folder) {
                folder.own = false;
            }
            folder = parent;
        }
    }

    /// A program has taken something out of the folder; it stays, even if that was all.
    fn own_if_empty(&mut self, folder: Ino) {
        if let Some(folder) = self.tree.folder_mut(folder)
            && folder.children.is_empty()
        {
            folder.own = true;
        }
    }
}

/// Says whether git would take what has this name for a part of a repository. It reads no folder that
/// is called HEAD.
fn is_gits(name: &str, folder: bool) -> bool {
    git::is_repository(name) || (name == git::HEAD && !folder)
}

/// Checks a path by the rules of the contract.
fn legal(path: &str) -> Result<MemoryPath> {
    if path.len() > PATH_BYTES {
        return Err(FuseError::NameTooLong);
    }
    MemoryPath::parse(path).map_err(Into::into)
}

impl File {
    fn size(&self) -> u64 {
        match (&self.draft, &self.memory) {
            (Some(draft), _) => draft.bytes.len().try_into().unwrap_or(u64::MAX),
            (None, Some(head)) => head.size,
            (None, None) => 0,
        }
    }

    fn sha256(&self) -> Option<Sha256> {
        self.memory.as_ref().map(|head| head.sha256)
    }
}

fn new_folder() -> Kind {
    Kind::Folder(Folder::default())
}

fn new_file(draft: Draft) -> Kind {
    Kind::File(Box::new(File { draft: Some(draft), ..File::default() }))
}
