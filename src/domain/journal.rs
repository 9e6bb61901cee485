//! The journal: an append-only entry for every change, gapless per store and per workspace.

use super::access::Credential;
use super::actor::Actor;
use super::id::RequestId;
use super::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    StoreCreated,
    StoreUpdated,
    StoreArchived,
    StoreDeleted,
    VersionWritten,
    VersionRedacted,
    WorkspaceCreated,
    WorkspaceDeleted,
    KeyCreated,
    KeyRevoked,
    AgentCreated,
    AgentUpdated,
    AgentArchived,
    EnvironmentCreated,
    EnvironmentUpdated,
    EnvironmentArchived,
    EnvironmentDeleted,
    SessionCreated,
    SessionUpdated,
    SessionArchived,
    SessionDeleted,
    TokenCreated,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StoreCreated => "store_created",
            Self::StoreUpdated => "store_updated",
            Self::StoreArchived => "store_archived",
            Self::StoreDeleted => "store_deleted",
            Self::VersionWritten => "version_written",
            Self::VersionRedacted => "version_redacted",
            Self::WorkspaceCreated => "workspace_created",
            Self::WorkspaceDeleted => "workspace_deleted",
            Self::KeyCreated => "key_created",
            Self::KeyRevoked => "key_revoked",
            Self::AgentCreated => "agent_created",
            Self::AgentUpdated => "agent_updated",
            Self::AgentArchived => "agent_archived",
            Self::EnvironmentCreated => "environment_created",
            Self::EnvironmentUpdated => "environment_updated",
            Self::EnvironmentArchived => "environment_archived",
            Self::EnvironmentDeleted => "environment_deleted",
            Self::SessionCreated => "session_created",
            Self::SessionUpdated => "session_updated",
            Self::SessionArchived => "session_archived",
            Self::SessionDeleted => "session_deleted",
            Self::TokenCreated => "token_created",
        }
    }
}

/// Who changes something, and by which request. At the machine itself there is neither an actor
/// nor a credential.
#[derive(Clone, Debug)]
pub struct Attribution {
    pub actor: Option<Actor>,
    pub credential: Option<Credential>,
    pub request: RequestId,
}

#[derive(Clone, Debug)]
pub struct Entry {
    /// The store or workspace whose sequence this continues.
    pub ledger: String,
    pub seq: i64,
    pub at: Timestamp,
    pub kind: Kind,
    /// The version, store, workspace, key, agent, environment or session that changed.
    pub subject: String,
    pub by: Attribution,
}
