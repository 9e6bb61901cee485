//! Creating, updating and deleting memories (contract 3.4 to 3.6). Each change is one version.

use super::{Change, Command, Outcome, Overlay, misplaced, spot};
use crate::domain::id::{MemoryId, StoreId, VersionId};
use crate::domain::journal::Kind;
use crate::domain::limits::Limits;
use crate::domain::memory::Memory;
use crate::domain::path::MemoryPath;
use crate::domain::time::Timestamp;
use crate::domain::version::{Digest, Operation, Version};
use crate::domain::{Error, Result};

/// Never overwrites, even with identical content.
pub fn create(overlay: &mut Overlay, command: &Command, limits: &Limits) -> Result<Outcome> {
    let Change::CreateMemory { store, memory, version, new } = &command.change else {
        return Err(misplaced());
    };
    let memories = overlay.open_store(command, store)?.memories;
    check_spot(overlay, command)?;
    if memories >= limits.memories_per_store {
        return Err(Error::Invalid(format!(
            "memory store {store} has reached its limit of {} memories: delete one to make room",
            limits.memories_per_store
        )));
    }

    let at = overlay.enter(command, store, Kind::VersionWritten, version.as_str());
    let created = Memory {
        id: memory.clone(),
        store: store.clone(),
        path: new.path.clone(),
        head: version.clone(),
        size: new.content.size(),
        sha256: new.content.sha256(),
        created_at: at,
        updated_at: at,
        content: Some(new.content.clone()),
    };
    overlay.change_store(store, |store| store.memories += 1);
    overlay.append(snapshot(&created, Operation::Created, command));
    overlay.put_memory(created.clone());
    Ok(Outcome::Memory(created))
}

/// The order of these checks is the contract's (3.5): identical comes before the precondition, so
/// that a client may repeat an update whose answer was lost.
pub fn update(overlay: &mut Overlay, command: &Command) -> Result<Outcome> {
    let Change::UpdateMemory { store, memory, version, patch } = &command.change else {
        return Err(misplaced());
    };
    overlay.store(command, store)?;
    let mut after = overlay.memory(store, memory)?.clone();
    overlay.open_store(command, store)?;
    let same_content = patch.content.as_ref().is_none_or(|new| new.sha256() == after.sha256);
    let same_path = patch.path.as_ref().is_none_or(|new| *new == after.path);
    after.content = patch.content.clone().or(after.content);
    if same_content && same_path {
        return Ok(Outcome::Memory(after));
    }
    if patch.precondition.is_some_and(|expected| expected != after.sha256) {
        return Err(Error::PreconditionFailed);
    }
    check_spot(overlay, command)?;
    let Some(content) = &after.content else {
        return Err(Error::internal("the content to carry over was not read"));
    };

    after.size = content.size();
    after.sha256 = content.sha256();
    after.path = patch.path.clone().unwrap_or(after.path);
    after.head = version.clone();
    after.updated_at = overlay.enter(command, store, Kind::VersionWritten, version.as_str());
    overlay.append(snapshot(&after, Operation::Modified, command));
    overlay.put_memory(after.clone());
    Ok(Outcome::Memory(after))
}

/// Allowed in an archived store.
pub fn delete(overlay: &mut Overlay, command: &Command) -> Result<Outcome> {
    let Change::DeleteMemory { store, memory, version, expected } = &command.change else {
        return Err(misplaced());
    };
    overlay.store(command, store)?;
    let last = overlay.memory(store, memory)?;
    if expected.is_some_and(|expected| expected != last.sha256) {
        return Err(Error::PreconditionFailed);
    }

    let path = last.path.clone();
    let at = overlay.enter(command, store, Kind::VersionWritten, version.as_str());
    overlay.change_store(store, |store| store.memories = store.memories.saturating_sub(1));
    overlay.append(tombstone(command, store, memory, version, path, at));
    overlay.drop_memory(memory);
    Ok(Outcome::Deleted)
}

fn check_spot(overlay: &Overlay, command: &Command) -> Result<()> {
    spot(command).map_or(Ok(()), |spot| overlay.check_free(&spot))
}

/// A version holds its own bytes, renames included, so that redacting one never takes another's.
fn snapshot(memory: &Memory, operation: Operation, command: &Command) -> Version {
    Version {
        id: memory.head.clone(),
        store: memory.store.clone(),
        memory: memory.id.clone(),
        operation,
        path: Some(memory.path.clone()),
        digest: Some(Digest { size: memory.size, sha256: memory.sha256 }),
        content: memory.content.clone(),
        created_at: memory.updated_at,
        created_by: command.actor.clone(),
        redaction: None,
    }
}

fn tombstone(
    command: &Command,
    store: &StoreId,
    memory: &MemoryId,
    version: &VersionId,
    path: MemoryPath,
    at: Timestamp,
) -> Version {
    Version {
        id: version.clone(),
        store: store.clone(),
        memory: memory.clone(),
        operation: Operation::Deleted,
        path: Some(path),
        digest: None,
        content: None,
        created_at: at,
        created_by: command.actor.clone(),
        redaction: None,
    }
}
