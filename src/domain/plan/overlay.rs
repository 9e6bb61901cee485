//! What is known of the database while a batch is planned, and what is to be written.

use std::collections::{BTreeSet, HashMap};

use super::{Change, Command, spot};
use crate::domain::id::{MemoryId, StoreId, VersionId, WorkspaceId};
use crate::domain::journal::{Entry, Kind};
use crate::domain::memory::Memory;
use crate::domain::occupied::Occupied;
use crate::domain::path::MemoryPath;
use crate::domain::store::Store;
use crate::domain::time::Timestamp;
use crate::domain::version::Version;
use crate::domain::{Error, Result};

/// A path that a command wants to occupy, and the memory that moves there, which never blocks
/// itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spot {
    pub store: StoreId,
    pub path: MemoryPath,
    pub mover: Option<MemoryId>,
}

/// What has to be read before a batch can be planned.
#[derive(Debug, Default)]
pub struct Needs {
    pub stores: BTreeSet<StoreId>,
    /// Those that get a new store.
    pub workspaces: BTreeSet<WorkspaceId>,
    pub memories: BTreeSet<MemoryId>,
    /// Those of `memories` whose content goes into the new version unchanged.
    pub contents: BTreeSet<MemoryId>,
    /// With content, so that its traces can be searched for; their memories are needed too.
    pub versions: BTreeSet<VersionId>,
    pub spots: Vec<Spot>,
}

impl Needs {
    pub fn of<'a>(commands: impl IntoIterator<Item = &'a Command>) -> Self {
        let mut needs = Self::default();
        for command in commands {
            needs.add(command);
        }
        needs
    }

    fn add(&mut self, command: &Command) {
        self.spots.extend(spot(command));
        let store = match &command.change {
            Change::CreateStore { .. } => {
                self.workspaces.insert(command.workspace.clone());
                return;
            }
            Change::UpdateStore { store, .. }
            | Change::ArchiveStore { store }
            | Change::DeleteStore { store }
            | Change::CreateMemory { store, .. } => store,
            Change::UpdateMemory { store, memory, patch, .. } => {
                self.memories.insert(memory.clone());
                if patch.content.is_none() {
                    self.contents.insert(memory.clone());
                }
                store
            }
            Change::DeleteMemory { store, memory, .. } => {
                self.memories.insert(memory.clone());
                store
            }
            Change::RedactVersion { store, version } => {
                self.versions.insert(version.clone());
                store
            }
        };
        self.stores.insert(store.clone());
    }
}

/// What a round of commands wants written, each row in its final state.
#[derive(Debug, Default)]
pub struct Writes {
    /// New and changed stores; the time where one was deleted.
    pub stores: Vec<(Store, Option<Timestamp>)>,
    pub versions: Vec<Version>,
    pub removed: Vec<MemoryId>,
    /// New and changed memories that are still there.
    pub memories: Vec<Memory>,
    /// Redacted versions, as they become.
    pub redacted: Vec<Version>,
    /// Redacted versions, as they were.
    pub erased: Vec<Version>,
    pub journal: Vec<Entry>,
}

impl Writes {
    pub fn is_empty(&self) -> bool {
        self.journal.is_empty()
    }
}

/// The state that commands are planned over: what was read, and what earlier commands did to it.
#[derive(Debug, Default)]
pub struct Overlay {
    stores: HashMap<StoreId, Store>,
    memories: HashMap<MemoryId, Memory>,
    versions: HashMap<VersionId, Version>,
    workspaces: HashMap<WorkspaceId, u64>,
    occupied: HashMap<StoreId, Occupied>,
    freed: Vec<(StoreId, MemoryPath)>,
    changed_stores: BTreeSet<StoreId>,
    changed_memories: BTreeSet<MemoryId>,
    writes: Writes,
}

/// Filling in what was read.
impl Overlay {
    pub fn know_store(&mut self, store: Store) {
        self.stores.insert(store.id.clone(), store);
    }

    /// Takes a workspace that is not deleted, with the number of its stores where there is a cap.
    pub fn know_workspace(&mut self, workspace: WorkspaceId, stores: u64) {
        self.workspaces.insert(workspace, stores);
    }

    pub fn know_memory(&mut self, memory: Memory) {
        self.memories.insert(memory.id.clone(), memory);
    }

    pub fn know_version(&mut self, version: Version) {
        self.versions.insert(version.id.clone(), version);
    }

    pub fn know_occupied(&mut self, store: StoreId, path: MemoryPath, memory: MemoryId) {
        self.occupied.entry(store).or_default().take(path, memory);
    }
}

/// Looking things up, as the command's workspace sees them.
impl Overlay {
    pub(super) fn store(&self, command: &Command, id: &StoreId) -> Result<&Store> {
        self.stores
            .get(id)
            .filter(|store| store.workspace == command.workspace)
            .ok_or_else(|| Error::not_found(StoreId::WHAT, id))
    }

    /// A store whose memories may be created and updated.
    pub(super) fn open_store(&self, command: &Command, id: &StoreId) -> Result<&Store> {
        let store = self.store(command, id)?;
        match store.archived_at {
            Some(_) => Err(Error::StoreArchived(id.clone())),
            None => Ok(store),
        }
    }

    pub(super) fn memory(&self, store: &StoreId, id: &MemoryId) -> Result<&Memory> {
        self.memories
            .get(id)
            .filter(|memory| memory.store == *store)
            .ok_or_else(|| Error::not_found(MemoryId::WHAT, id))
    }

    pub(super) fn version(&self, store: &StoreId, id: &VersionId) -> Result<&Version> {
        self.versions
            .get(id)
            .filter(|version| version.store == *store)
            .ok_or_else(|| Error::not_found(VersionId::WHAT, id))
    }

    pub(super) fn is_head(&self, version: &Version) -> bool {
        self.memories.get(&version.memory).is_some_and(|memory| memory.head == version.id)
    }

    /// How many stores the caller's workspace has. It may have been deleted since the credential
    /// was checked.
    pub(super) fn stores_of(&self, workspace: &WorkspaceId) -> Result<u64> {
        self.workspaces.get(workspace).copied().ok_or_else(Error::revoked)
    }

    pub(super) fn was_freed(&self, spot: &Spot) -> bool {
        self.freed.iter().any(|(store, path)| *store == spot.store && path.overlaps(&spot.path))
    }

    /// Whether this round writes the version: then it can't be changed in it, too.
    pub(super) fn was_appended(&self, id: &VersionId) -> bool {
        self.writes.versions.iter().any(|version| version.id == *id)
    }

    /// Refuses a spot that another memory is in the way of.
    pub(super) fn check_free(&self, spot: &Spot) -> Result<()> {
        let check = |paths: &Occupied| paths.check(&spot.path, spot.mover.as_ref());
        self.occupied.get(&spot.store).map_or(Ok(()), check)
    }
}

/// Changing things. Nothing here can be refused.
impl Overlay {
    /// Takes the store's next number and instant, and enters the change in its journal.
    pub(super) fn enter(
        &mut self,
        command: &Command,
        store: &StoreId,
        kind: Kind,
        subject: &str,
    ) -> Timestamp {
        let Some(row) = self.stores.get_mut(store) else { return command.at };
        let (seq, at) = row.ledger.advance(command.at);
        self.changed_stores.insert(store.clone());
        self.writes.journal.push(Entry {
            ledger: store.to_string(),
            seq,
            at,
            kind,
            subject: subject.to_owned(),
            by: command.attribution(),
        });
        at
    }

    pub(super) fn add_store(&mut self, store: Store) {
        *self.workspaces.entry(store.workspace.clone()).or_default() += 1;
        self.know_store(store);
    }

    pub(super) fn change_store(&mut self, id: &StoreId, change: impl FnOnce(&mut Store)) {
        if let Some(store) = self.stores.get_mut(id) {
            change(store);
            self.changed_stores.insert(id.clone());
        }
    }

    pub(super) fn drop_store(&mut self, id: &StoreId, at: Timestamp) {
        self.changed_stores.remove(id);
        if let Some(store) = self.stores.remove(id) {
            self.writes.stores.push((store, Some(at)));
        }
    }

    /// Puts a memory at its path, new, changed or moved.
    pub(super) fn put_memory(&mut self, memory: Memory) {
        self.vacate(&memory.id, Some(&memory.path));
        let paths = self.occupied.entry(memory.store.clone()).or_default();
        paths.take(memory.path.clone(), memory.id.clone());
        self.changed_memories.insert(memory.id.clone());
        self.know_memory(memory);
    }

    pub(super) fn drop_memory(&mut self, id: &MemoryId) {
        self.vacate(id, None);
        self.changed_memories.remove(id);
        self.memories.remove(id);
        self.writes.removed.push(id.clone());
    }

    fn vacate(&mut self, id: &MemoryId, unless: Option<&MemoryPath>) {
        if let Some(memory) = self.memories.get(id)
            && Some(&memory.path) != unless
        {
            if let Some(paths) = self.occupied.get_mut(&memory.store) {
                paths.free(&memory.path);
            }
            self.freed.push((memory.store.clone(), memory.path.clone()));
        }
    }

    pub(super) fn append(&mut self, version: Version) {
        self.know_version(version.clone());
        self.writes.versions.push(version);
    }

    pub(super) fn replace_version(&mut self, redacted: Version) {
        let before = self.versions.insert(redacted.id.clone(), redacted.clone());
        self.writes.erased.extend(before);
        self.writes.redacted.push(redacted);
    }

    /// Hands over what is to be written.
    pub fn finish(mut self) -> Writes {
        let stores = self.changed_stores.iter().filter_map(|id| self.stores.remove(id));
        self.writes.stores.extend(stores.map(|store| (store, None)));
        let memories = self.changed_memories.iter().filter_map(|id| self.memories.remove(id));
        self.writes.memories.extend(memories);
        self.writes
    }
}
