//! Deciding what a change does: from what was read to the rows to write, or to a refusal.
//!
//! The write path reads what a batch of commands [`Needs`] into an [`Overlay`], plans each command
//! over it in turn, and writes what the overlay has gathered. A command sees what earlier commands
//! of its batch did; a refused one leaves nothing behind, since every check precedes the first
//! change. A command that looks at a path which an earlier one has freed waits for a fresh read
//! ([`Step::Later`]): what else lies there was not read. So does the redaction of a version that the
//! round itself appends, since a round writes each row once.

mod memories;
mod overlay;
mod stores;
mod versions;

#[cfg(test)]
mod tests;

use super::access::Credential;
use super::actor::Actor;
use super::content::{Content, Sha256};
use super::id::{MemoryId, RequestId, StoreId, VersionId, WorkspaceId};
use super::journal::{Attribution, Reason};
use super::limits::Limits;
use super::memory::Memory;
use super::path::MemoryPath;
use super::store::{NewStore, Store, StorePatch};
use super::time::Timestamp;
use super::version::Version;
use super::{Error, Result};
pub use overlay::{Needs, Overlay, Spot, Writes};

/// One change, with everything that decides it beside the present state.
#[derive(Clone, Debug)]
pub struct Command {
    pub workspace: WorkspaceId,
    pub actor: Actor,
    pub credential: Credential,
    pub request: RequestId,
    pub reason: Option<Reason>,
    /// The clock's reading; what is written is this or the next instant of the store.
    pub at: Timestamp,
    pub change: Change,
}

/// New identifiers are drawn before planning, so that planning is a function.
#[derive(Clone, Debug)]
pub enum Change {
    CreateStore { store: StoreId, new: NewStore },
    UpdateStore { store: StoreId, patch: StorePatch },
    ArchiveStore { store: StoreId },
    DeleteStore { store: StoreId },
    CreateMemory { store: StoreId, memory: MemoryId, version: VersionId, new: NewMemory },
    UpdateMemory { store: StoreId, memory: MemoryId, version: VersionId, patch: MemoryPatch },
    DeleteMemory { store: StoreId, memory: MemoryId, version: VersionId, expected: Option<Sha256> },
    RedactVersion { store: StoreId, version: VersionId },
}

#[derive(Clone, Debug)]
pub struct NewMemory {
    pub path: MemoryPath,
    pub content: Content,
}

/// What an update of a memory asks for; `None` leaves a field as it is.
#[derive(Clone, Debug)]
pub struct MemoryPatch {
    pub content: Option<Content>,
    pub path: Option<MemoryPath>,
    /// The hash that the present content must have.
    pub precondition: Option<Sha256>,
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Store(Store),
    /// With its content.
    Memory(Memory),
    Version(Version),
    Deleted,
}

#[derive(Debug)]
pub enum Step {
    Done(Box<Result<Outcome>>),
    /// Plan it again after this round is written and read anew.
    Later,
}

/// Plans `command` over the overlay.
pub fn plan(overlay: &mut Overlay, command: &Command, limits: &Limits) -> Step {
    if waits(overlay, command) {
        return Step::Later;
    }
    Step::Done(Box::new(match &command.change {
        Change::CreateStore { store, new } => stores::create(overlay, command, limits, store, new),
        Change::UpdateStore { store, patch } => stores::update(overlay, command, store, patch),
        Change::ArchiveStore { store } => stores::archive(overlay, command, store),
        Change::DeleteStore { store } => stores::delete(overlay, command, store),
        Change::CreateMemory { .. } => memories::create(overlay, command, limits),
        Change::UpdateMemory { .. } => memories::update(overlay, command),
        Change::DeleteMemory { .. } => memories::delete(overlay, command),
        Change::RedactVersion { store, version } => {
            versions::redact(overlay, command, store, version)
        }
    }))
}

/// Whether a command has to see what this round has written.
fn waits(overlay: &Overlay, command: &Command) -> bool {
    match &command.change {
        Change::RedactVersion { version, .. } => overlay.was_appended(version),
        _ => spot(command).is_some_and(|spot| overlay.was_freed(&spot)),
    }
}

/// The place that a command is about to occupy.
fn spot(command: &Command) -> Option<Spot> {
    match &command.change {
        Change::CreateMemory { store, new, .. } => {
            Some(Spot { store: store.clone(), path: new.path.clone(), mover: None })
        }
        Change::UpdateMemory { store, memory, patch, .. } => patch.path.as_ref().map(|path| Spot {
            store: store.clone(),
            path: path.clone(),
            mover: Some(memory.clone()),
        }),
        _ => None,
    }
}

impl Change {
    /// The content that comes with it.
    pub fn content(&self) -> Option<&Content> {
        match self {
            Self::CreateMemory { new, .. } => Some(&new.content),
            Self::UpdateMemory { patch, .. } => patch.content.as_ref(),
            _ => None,
        }
    }
}

impl Command {
    pub fn attribution(&self) -> Attribution {
        Attribution {
            actor: Some(self.actor.clone()),
            credential: Some(self.credential.clone()),
            request: self.request.clone(),
            reason: self.reason.clone(),
        }
    }
}

/// A change has to be planned by the function that belongs to it.
fn misplaced() -> Error {
    Error::internal("a command was planned by the wrong function")
}
