//! Operations on stores.

use super::{App, mismatched};
use crate::domain::Result;
use crate::domain::access::{Grant, Required, ToRead, ToReadStore, ToRedact, ToWrite};
use crate::domain::id::StoreId;
use crate::domain::page::{Page, Paging, TimeRange};
use crate::domain::plan::{Change, Outcome};
use crate::domain::store::{NewStore, Store, StorePatch};

impl App {
    pub async fn create_store(&self, grant: &Grant<ToWrite>, new: NewStore) -> Result<Store> {
        let store = StoreId::new(&self.suffix());
        self.change_store(grant, Change::CreateStore { store, new }).await
    }

    pub async fn store(&self, grant: &Grant<ToReadStore>, id: &StoreId) -> Result<Store> {
        self.db.store(grant.store(id)?, id).await
    }

    pub async fn stores(
        &self,
        grant: &Grant<ToRead>,
        created: TimeRange,
        include_archived: bool,
        paging: &Paging,
    ) -> Result<Page<Store>> {
        self.db.stores(grant.workspace(), created, include_archived, paging).await
    }

    pub async fn update_store(
        &self,
        grant: &Grant<ToWrite>,
        store: StoreId,
        patch: StorePatch,
    ) -> Result<Store> {
        self.change_store(grant, Change::UpdateStore { store, patch }).await
    }

    pub async fn archive_store(&self, grant: &Grant<ToWrite>, store: StoreId) -> Result<Store> {
        self.change_store(grant, Change::ArchiveStore { store }).await
    }

    /// Deletes the store with all its history. It is gone at once; its rows are erased afterwards.
    pub async fn delete_store(&self, grant: &Grant<ToRedact>, store: StoreId) -> Result<()> {
        self.write(grant, Change::DeleteStore { store }).await.map(drop)
    }

    async fn change_store<S: Required>(&self, grant: &Grant<S>, change: Change) -> Result<Store> {
        match self.write(grant, change).await? {
            Outcome::Store(store) => Ok(store),
            _ => Err(mismatched()),
        }
    }
}
