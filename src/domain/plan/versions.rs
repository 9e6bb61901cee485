//! Redaction (contract 3.7): what a version said is gone, that it existed stays.

use super::{Command, Outcome, Overlay};
use crate::domain::id::{StoreId, VersionId};
use crate::domain::journal::Kind;
use crate::domain::version::Redaction;
use crate::domain::{Error, Result};

/// Allowed in an archived store; a second time changes nothing.
pub fn redact(
    overlay: &mut Overlay,
    command: &Command,
    store: &StoreId,
    id: &VersionId,
) -> Result<Outcome> {
    overlay.store(command, store)?;
    let version = overlay.version(store, id)?;
    if version.redaction.is_some() {
        return Ok(Outcome::Version(version.clone()));
    }
    if overlay.is_head(version) {
        return Err(Error::Invalid(format!(
            "memory version {id} is the head of the live memory {} and can't be redacted: write a \
             new version of that memory first, or delete it",
            version.memory
        )));
    }

    let mut redacted = version.clone();
    let at = overlay.enter(command, store, Kind::VersionRedacted, id.as_str());
    redacted.path = None;
    redacted.digest = None;
    redacted.content = None;
    redacted.redaction = Some(Redaction { at, by: command.actor.clone() });
    overlay.replace_version(redacted.clone());
    Ok(Outcome::Version(redacted))
}
