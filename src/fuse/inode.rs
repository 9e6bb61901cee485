//! The tree that programs see: folders and files by number, name and memory.
//!
//! It holds names and states and decides nothing. Numbers are given once and start at a random
//! place, so that `holders.rs` can tell a file of this mount from all others by its number alone;
//! they stay below 2⁵³, which every language's numbers can hold. A node that was taken out of the
//! tree lives on, marked as gone, until the kernel forgets it: it may still be open.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::Mutex;

use super::cache::Bytes;
use super::remote::Head;
use super::spool::SpoolId;
use crate::domain::content::Sha256;
use crate::domain::time::Timestamp;

pub type Ino = u64;
/// The kernel's number for the root of every mount.
pub const ROOT: Ino = 1;

pub struct Node {
    pub parent: Ino,
    pub name: String,
    pub kind: Kind,
    /// What programs see as the time of the last change.
    pub changed: Timestamp,
    /// Taken out of the tree; may still be open.
    pub gone: bool,
    /// How often the kernel was told of it and has not forgotten.
    lookups: u64,
}

pub enum Kind {
    Folder(Folder),
    File(Box<File>),
}

/// Names in the order of their bytes.
#[derive(Default)]
pub struct Folder {
    pub children: BTreeMap<String, Ino>,
    /// Made here, so it stays when it is empty.
    pub own: bool,
}

/// A memory, a new file, or both: a memory with an unsaved change.
#[derive(Default)]
pub struct File {
    /// The memory as the server last said.
    pub memory: Option<Head>,
    /// What was written here and not saved yet. A file without a memory always has one.
    pub draft: Option<Draft>,
    /// A text that lost a race: never uploaded.
    pub kept: bool,
    /// The hash of the content that was last read or written through this mount.
    pub seen: Option<Sha256>,
    /// Held while the server is asked to change the memory.
    pub gate: Arc<Mutex<()>>,
    /// Counts what puts an upload off.
    pub turn: u64,
    /// A save failed for now, and is tried again.
    pub owed: bool,
    pub spooled: Option<SpoolId>,
    /// Where the memory was when it was deleted elsewhere: who still writes has lost a race.
    pub lost_at: Option<String>,
}

/// A text that is being written.
#[derive(Clone, Default)]
pub struct Draft {
    pub bytes: Vec<u8>,
    /// The hash of the memory that it began from; none for a new file.
    pub base: Option<Sha256>,
    /// Counts changes, so that a save knows whether there was one meanwhile.
    pub revision: u64,
    /// Nothing of the memory's former content was taken over unseen.
    pub whole: bool,
    /// A write was refused, so the text is not what the program meant.
    pub broken: bool,
    /// It replaces content that was never read here.
    pub blind: Option<Blind>,
}

/// Who replaced what was never read.
#[derive(Clone, Debug)]
pub struct Blind {
    pub pid: u32,
    pub program: String,
}

pub struct Tree {
    nodes: HashMap<Ino, Node>,
    memories: HashMap<String, Ino>,
    next: Ino,
}

impl Tree {
    /// `random` decides where numbers begin.
    pub fn new(random: u32, now: Timestamp) -> Self {
        let root = Node {
            parent: ROOT,
            name: String::new(),
            kind: Kind::Folder(Folder { own: true, ..Folder::default() }),
            changed: now,
            gone: false,
            lookups: 1,
        };
        let next = (1 << 52) | (u64::from(random) << 20);
        Self { nodes: HashMap::from([(ROOT, root)]), memories: HashMap::new(), next }
    }

    pub fn node(&self, ino: Ino) -> Option<&Node> {
        self.nodes.get(&ino)
    }

    pub fn node_mut(&mut self, ino: Ino) -> Option<&mut Node> {
        self.nodes.get_mut(&ino)
    }

    pub fn file(&self, ino: Ino) -> Option<&File> {
        match &self.nodes.get(&ino)?.kind {
            Kind::File(file) => Some(file),
            Kind::Folder(_) => None,
        }
    }

    pub fn file_mut(&mut self, ino: Ino) -> Option<&mut File> {
        match &mut self.nodes.get_mut(&ino)?.kind {
            Kind::File(file) => Some(file),
            Kind::Folder(_) => None,
        }
    }

    pub fn folder(&self, ino: Ino) -> Option<&Folder> {
        match &self.nodes.get(&ino)?.kind {
            Kind::Folder(folder) => Some(folder),
            Kind::File(_) => None,
        }
    }

    pub fn folder_mut(&mut self, ino: Ino) -> Option<&mut Folder> {
        match &mut self.nodes.get_mut(&ino)?.kind {
            Kind::Folder(folder) => Some(folder),
            Kind::File(_) => None,
        }
    }

    pub fn child(&self, parent: Ino, name: &str) -> Option<Ino> {
        self.folder(parent)?.children.get(name).copied()
    }

    /// The file of a memory.
    pub fn of_memory(&self, id: &str) -> Option<Ino> {
        self.memories.get(id).copied()
    }

    pub fn memories(&self) -> impl Iterator<Item = (&String, Ino)> {
        self.memories.iter().map(|(id, ino)| (id, *ino))
    }

    /// The path within the store; empty for the root.
    pub fn path(&self, ino: Ino) -> String {
        let mut names = Vec::new();
        let mut at = ino;
        while at != ROOT
            && let Some(node) = self.nodes.get(&at)
        {
            names.push(node.name.as_str());
            at = node.parent;
        }
        names.iter().rev().fold(String::new(), |path, name| path + "/" + name)
    }

    /// Puts a new node into a folder.
    pub fn add(&mut self, parent: Ino, name: &str, kind: Kind, changed: Timestamp) -> Ino {
        let ino = self.next;
        self.next += 1;
        let node = Node { parent, name: name.into(), kind, changed, gone: true, lookups: 0 };
        self.nodes.insert(ino, node);
        self.attach(ino, parent, name);
        ino
    }

    /// Says that the server has this memory at the file.
    pub fn set_memory(&mut self, ino: Ino, head: Head) {
        let Some(file) = self.file_mut(ino) else { return };
        let id = head.id.clone();
        let former = file.memory.replace(head);
        if let Some(former) = former.filter(|former| former.id != id) {
            self.memories.remove(&former.id);
        }
        self.memories.insert(id, ino);
    }

    /// Says that the server has no memory at the file any more.
    pub fn clear_memory(&mut self, ino: Ino) {
        let former = self.file_mut(ino).and_then(|file| file.memory.take());
        if let Some(former) = former.filter(|former| self.of_memory(&former.id) == Some(ino)) {
            self.memories.remove(&former.id);
        }
    }

    /// Moves a node, or puts one that was taken out back.
    pub fn relocate(&mut self, ino: Ino, parent: Ino, name: &str) {
        self.take_out(ino);
        self.attach(ino, parent, name);
    }

    /// Takes a node out of the tree.
    pub fn detach(&mut self, ino: Ino) {
        self.take_out(ino);
        if let Some(memory) = self.file(ino).and_then(|file| file.memory.as_ref()) {
            let id = memory.id.clone();
            if self.of_memory(&id) == Some(ino) {
                self.memories.remove(&id);
            }
        }
        self.drop_forgotten(ino);
    }

    fn attach(&mut self, ino: Ino, parent: Ino, name: &str) {
        let Some(folder) = self.folder_mut(parent) else { return };
        folder.children.insert(name.to_owned(), ino);
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.parent = parent;
            name.clone_into(&mut node.name);
            node.gone = false;
        }
    }

    /// Takes a node out of its folder, to be put back or detached.
    pub fn take_out(&mut self, ino: Ino) {
        let Some(node) = self.nodes.get_mut(&ino) else { return };
        node.gone = true;
        let (parent, name) = (node.parent, node.name.clone());
        if self.child(parent, &name) == Some(ino)
            && let Some(folder) = self.folder_mut(parent)
        {
            folder.children.remove(&name);
        }
    }

    /// The kernel was told of a node.
    pub fn remember(&mut self, ino: Ino) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.lookups += 1;
        }
    }

    pub fn forget(&mut self, ino: Ino, times: u64) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.lookups = node.lookups.saturating_sub(times);
        }
        self.drop_forgotten(ino);
    }

    fn drop_forgotten(&mut self, ino: Ino) {
        if self.nodes.get(&ino).is_some_and(|node| node.gone && node.lookups == 0) {
            self.nodes.remove(&ino);
        }
    }

    /// All files at or below a node with their paths, in the order of the paths' bytes.
    pub fn files_below(&self, ino: Ino) -> Vec<(String, Ino)> {
        let mut found = Vec::new();
        let mut wanted = vec![ino];
        while let Some(at) = wanted.pop() {
            match self.nodes.get(&at).map(|node| &node.kind) {
                Some(Kind::Folder(folder)) => wanted.extend(folder.children.values()),
                Some(Kind::File(_)) => found.push((self.path(at), at)),
                None => {}
            }
        }
        found.sort_unstable();
        found
    }
}

impl Draft {
    /// A draft that takes the place of `content`.
    pub fn of(content: &Bytes, base: Option<Sha256>) -> Self {
        Self { bytes: content.to_vec(), base, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        Tree::new(7, Timestamp::from_micros(0))
    }

    fn folder(tree: &mut Tree, parent: Ino, name: &str) -> Ino {
        tree.add(parent, name, Kind::Folder(Folder::default()), Timestamp::from_micros(0))
    }

    fn file(tree: &mut Tree, parent: Ino, name: &str) -> Ino {
        tree.add(parent, name, Kind::File(Box::default()), Timestamp::from_micros(0))
    }

    #[test]
    fn files_come_in_byte_order_of_their_paths() {
        let mut tree = tree();
        let a = folder(&mut tree, ROOT, "a");
        file(&mut tree, a, "x");
        file(&mut tree, ROOT, "a-b");
        file(&mut tree, ROOT, "a0");

        let paths: Vec<_> = tree.files_below(ROOT).into_iter().map(|(path, _)| path).collect();

        assert_eq!(paths, ["/a-b", "/a/x", "/a0"]);
    }

    #[test]
    fn a_node_that_was_taken_out_lives_until_the_kernel_forgets_it() {
        let mut tree = tree();
        let ino = file(&mut tree, ROOT, "f");
        tree.remember(ino);

        tree.detach(ino);
        assert_eq!(tree.child(ROOT, "f"), None);
        assert!(tree.node(ino).is_some_and(|node| node.gone));

        tree.forget(ino, 1);
        assert!(tree.node(ino).is_none());
    }

    #[test]
    fn a_folder_moves_with_all_below_it() {
        let mut tree = tree();
        let (a, b) = (folder(&mut tree, ROOT, "a"), folder(&mut tree, ROOT, "b"));
        let ino = file(&mut tree, a, "f");

        tree.relocate(a, b, "c");

        assert_eq!(tree.path(ino), "/b/c/f");
        assert_eq!(tree.child(ROOT, "a"), None);
    }
}
