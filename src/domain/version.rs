//! Versions: the immutable, attributed history of memories.

use super::actor::Actor;
use super::content::{Content, Sha256};
use super::id::{MemoryId, StoreId, VersionId};
use super::path::MemoryPath;
use super::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Created,
    Modified,
    Deleted,
}

impl Operation {
    pub const ALL: [Self; 3] = [Self::Created, Self::Modified, Self::Deleted];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.as_str() == text)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub id: VersionId,
    pub store: StoreId,
    pub memory: MemoryId,
    pub operation: Operation,
    /// `None` exactly when redacted.
    pub path: Option<MemoryPath>,
    /// `None` when the operation is `deleted`, or when redacted.
    pub digest: Option<Digest>,
    /// Present where it was asked for and there is any.
    pub content: Option<Content>,
    pub created_at: Timestamp,
    pub created_by: Actor,
    pub redaction: Option<Redaction>,
}

/// Size and hash of a version's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    pub size: i64,
    pub sha256: Sha256,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    pub at: Timestamp,
    pub by: Actor,
}

/// Which versions a listing asks for; all conditions hold together.
#[derive(Clone, Debug, Default)]
pub struct VersionFilter {
    pub memory: Option<String>,
    pub operation: Option<Operation>,
    pub session: Option<String>,
    pub api_key: Option<String>,
    pub service_account: Option<String>,
    pub created: super::page::TimeRange,
}
