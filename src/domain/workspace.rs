//! Workspaces: what keeps tenants apart. Every look-up carries one.

use super::id::WorkspaceId;
use super::time::Timestamp;
use super::{Error, Result};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    pub id: WorkspaceId,
    pub name: String,
    pub created_at: Timestamp,
}

/// The first workspace stays: its administrators manage the installation.
pub fn check_deletable(id: &WorkspaceId, first: &WorkspaceId) -> Result<()> {
    if id == first {
        return Err(Error::Invalid(format!(
            "workspace {id} is the first one, which manages the installation, and can't be deleted"
        )));
    }
    Ok(())
}
