//! Creating, changing, archiving and deleting stores (contract 2.2, 3.8).

use super::{Command, Outcome, Overlay};
use crate::domain::id::StoreId;
use crate::domain::journal::Kind;
use crate::domain::limits::Limits;
use crate::domain::store::{Ledger, NewStore, Store, StorePatch};
use crate::domain::text;
use crate::domain::{Error, Result};

pub fn create(
    overlay: &mut Overlay,
    command: &Command,
    limits: &Limits,
    id: &StoreId,
    new: &NewStore,
) -> Result<Outcome> {
    let stores = overlay.stores_of(&command.workspace)?;
    if limits.stores_per_workspace.is_some_and(|cap| stores >= cap) {
        return Err(Error::invalid(format!(
            "this workspace has reached its limit of {} memory stores",
            limits.stores_per_workspace.unwrap_or_default()
        )));
    }
    overlay.add_store(Store {
        id: id.clone(),
        workspace: command.workspace.clone(),
        name: new.name.clone(),
        description: new.description.clone(),
        metadata: new.metadata.clone(),
        created_at: command.at,
        updated_at: command.at,
        archived_at: None,
        memories: 0,
        ledger: Ledger::EMPTY,
    });
    overlay.enter(command, id, Kind::StoreCreated, id.as_str());
    overlay.store(command, id).cloned().map(Outcome::Store)
}

pub fn update(
    overlay: &mut Overlay,
    command: &Command,
    id: &StoreId,
    patch: &StorePatch,
) -> Result<Outcome> {
    let store = overlay.open_store(command, id)?;
    let mut after = store.clone();
    after.name = patch.name.clone().unwrap_or(after.name);
    after.description = patch.description.clone().unwrap_or(after.description);
    if let Some(patch) = &patch.metadata {
        after.metadata = text::patched(&after.metadata, patch)?;
    }
    if after != *store {
        let at = overlay.enter(command, id, Kind::StoreUpdated, id.as_str());
        overlay.change_store(id, |store| {
            *store = Store { updated_at: at, ledger: store.ledger, ..after };
        });
    }
    overlay.store(command, id).cloned().map(Outcome::Store)
}

/// One way; archiving again changes nothing.
pub fn archive(overlay: &mut Overlay, command: &Command, id: &StoreId) -> Result<Outcome> {
    if overlay.store(command, id)?.archived_at.is_none() {
        let at = overlay.enter(command, id, Kind::StoreArchived, id.as_str());
        overlay.change_store(id, |store| {
            store.archived_at = Some(at);
            store.updated_at = at;
        });
    }
    overlay.store(command, id).cloned().map(Outcome::Store)
}

pub fn delete(overlay: &mut Overlay, command: &Command, id: &StoreId) -> Result<Outcome> {
    overlay.store(command, id)?;
    let at = overlay.enter(command, id, Kind::StoreDeleted, id.as_str());
    overlay.drop_store(id, at);
    Ok(Outcome::Deleted)
}
