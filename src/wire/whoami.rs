//! What a credential is told of itself, under `/x/v1`.

use serde::{Deserialize, Serialize};

use super::actor::Actor;
use crate::domain::access::{Identity, Reach};
use crate::domain::limits;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Whoami {
    #[serde(rename = "type")]
    pub kind: String,
    pub credential_id: String,
    /// Of a key; a session token has none.
    pub name: Option<String>,
    pub scopes: Vec<String>,
    pub workspace_id: String,
    pub organization_id: String,
    /// What `created_by` says of what is written with the credential.
    pub created_by: Actor,
    /// The name of the user or service account that the key acts as.
    pub actor_name: Option<String>,
    pub expires_at: Option<String>,
    /// The session that a session token is for.
    pub session_id: Option<String>,
    /// The environment that an environment key is for.
    pub environment_id: Option<String>,
    /// What a session token reaches.
    pub stores: Vec<AttachedStore>,
    /// What the server takes, of any credential.
    pub limits: Limits,
}

/// The settings of a server that a client has to know before it writes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of UTF-8 in one memory.
    pub max_content_bytes: usize,
    /// Live memories in one store.
    pub max_memories_per_store: u64,
}

impl From<&limits::Limits> for Limits {
    fn from(limits: &limits::Limits) -> Self {
        Self {
            max_content_bytes: limits.content_bytes,
            max_memories_per_store: limits.memories_per_store,
        }
    }
}

impl From<Limits> for limits::Limits {
    fn from(limits: Limits) -> Self {
        Self {
            content_bytes: limits.max_content_bytes,
            memories_per_store: limits.max_memories_per_store,
            ..Self::default()
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AttachedStore {
    pub memory_store_id: String,
    pub access: String,
}

impl Whoami {
    pub fn new(identity: Identity, organization: &str, limits: &limits::Limits) -> Self {
        let Identity { caller, name, actor_name, expires_at } = identity;
        let (session_id, environment_id, stores) = match &caller.reach {
            Reach::Workspace => (None, None, Vec::new()),
            Reach::Environment(id) => (None, Some(id.to_string()), Vec::new()),
            Reach::Session { session, stores } => {
                let stores = stores.iter().map(|(id, access)| AttachedStore {
                    memory_store_id: id.to_string(),
                    access: access.as_str().into(),
                });
                (Some(session.to_string()), None, stores.collect())
            }
        };
        Self {
            kind: "whoami".into(),
            credential_id: caller.credential.as_str().into(),
            name,
            scopes: caller.scopes.iter().map(|scope| scope.to_string()).collect(),
            workspace_id: caller.workspace.to_string(),
            organization_id: organization.into(),
            created_by: Actor::from(&caller.actor),
            actor_name,
            expires_at: expires_at.map(|at| at.to_string()),
            session_id,
            environment_id,
            stores,
            limits: limits.into(),
        }
    }
}
