//! Operations on memories.

use std::sync::Arc;

use super::{App, mismatched};
use crate::domain::Result;
use crate::domain::access::{Grant, ToReadStore, ToWriteStore};
use crate::domain::content::Sha256;
use crate::domain::id::{MemoryId, StoreId, VersionId};
use crate::domain::memory::{Listed, Memory, MemoryQuery, Retrieved};
use crate::domain::page::Page;
use crate::domain::plan::{Change, MemoryPatch, NewMemory, Outcome};

impl App {
    pub async fn create_memory(
        &self,
        grant: &Grant<ToWriteStore>,
        store: StoreId,
        new: NewMemory,
    ) -> Result<Memory> {
        grant.store(&store)?;
        let memory = MemoryId::new(&self.suffix());
        let version = VersionId::new(&self.suffix());
        self.change_memory(grant, Change::CreateMemory { store, memory, version, new }).await
    }

    pub async fn memory(
        &self,
        grant: &Grant<ToReadStore>,
        store: &StoreId,
        id: &MemoryId,
    ) -> Result<Arc<Retrieved>> {
        self.db.memory(grant.store(store)?, store, id).await
    }

    pub async fn memories(
        &self,
        grant: &Grant<ToReadStore>,
        store: &StoreId,
        query: &MemoryQuery,
    ) -> Result<Page<Listed>> {
        self.db.memories(grant.store(store)?, store, query).await
    }

    pub async fn update_memory(
        &self,
        grant: &Grant<ToWriteStore>,
        store: StoreId,
        memory: MemoryId,
        patch: MemoryPatch,
    ) -> Result<Memory> {
        grant.store(&store)?;
        let version = VersionId::new(&self.suffix());
        self.change_memory(grant, Change::UpdateMemory { store, memory, version, patch }).await
    }

    pub async fn delete_memory(
        &self,
        grant: &Grant<ToWriteStore>,
        store: StoreId,
        memory: MemoryId,
        expected: Option<Sha256>,
    ) -> Result<()> {
        grant.store(&store)?;
        let version = VersionId::new(&self.suffix());
        let change = Change::DeleteMemory { store, memory, version, expected };
        self.write(grant, change).await.map(drop)
    }

    async fn change_memory(&self, grant: &Grant<ToWriteStore>, change: Change) -> Result<Memory> {
        match self.write(grant, change).await? {
            Outcome::Memory(memory) => Ok(memory),
            _ => Err(mismatched()),
        }
    }
}
