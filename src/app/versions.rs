//! Operations on versions.

use super::{App, mismatched};
use crate::domain::Result;
use crate::domain::access::{Grant, ToReadStore, ToRedact};
use crate::domain::id::{StoreId, VersionId};
use crate::domain::memory::View;
use crate::domain::page::{Page, Paging};
use crate::domain::plan::{Change, Outcome};
use crate::domain::version::{Version, VersionFilter};

impl App {
    pub async fn version(
        &self,
        grant: &Grant<ToReadStore>,
        store: &StoreId,
        id: &VersionId,
    ) -> Result<Version> {
        self.db.version(grant.store(store)?, store, id).await
    }

    pub async fn versions(
        &self,
        grant: &Grant<ToReadStore>,
        store: &StoreId,
        filter: &VersionFilter,
        view: View,
        paging: &Paging,
    ) -> Result<Page<Version>> {
        self.db.versions(grant.store(store)?, store, filter, view, paging).await
    }

    /// Answered when the bytes are erased, not merely hidden.
    pub async fn redact_version(
        &self,
        grant: &Grant<ToRedact>,
        store: StoreId,
        version: VersionId,
    ) -> Result<Version> {
        match self.write(grant, Change::RedactVersion { store, version }).await? {
            Outcome::Version(version) => Ok(version),
            _ => Err(mismatched()),
        }
    }
}
