//! Reading the journal.

use super::App;
use crate::domain::access::{Grant, ToAdmin};
use crate::domain::id::{StoreId, WorkspaceId};
use crate::domain::journal::{Entry, EntryFilter, Ledger};
use crate::domain::page::{Page, Paging};
use crate::domain::{Error, Result};

/// Whose journal is asked for.
#[derive(Clone, Debug)]
pub enum JournalOf {
    Store(StoreId),
    /// The caller's own where none is named.
    Workspace(Option<WorkspaceId>),
}

impl App {
    /// Newest first. Administrators of the first workspace read the journals of all.
    pub async fn journal(
        &self,
        grant: &Grant<ToAdmin>,
        of: JournalOf,
        filter: &EntryFilter,
        paging: &Paging,
    ) -> Result<Page<Entry>> {
        let home = grant.workspace();
        let within = (!grant.caller.first_workspace).then_some(home);
        let ledger = match of {
            JournalOf::Store(id) => Ledger::Store(id),
            JournalOf::Workspace(Some(id)) if within.is_some_and(|within| *within != id) => {
                return Err(Error::not_found(WorkspaceId::WHAT, &id));
            }
            JournalOf::Workspace(id) => Ledger::Workspace(id.unwrap_or_else(|| home.clone())),
        };
        self.db.journal(&ledger, home, within, filter, paging).await
    }
}
