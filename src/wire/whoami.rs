//! What a credential is told of itself, under `/x/v1`.

use serde::{Deserialize, Serialize};

use super::actor::Actor;
use crate::domain::access::{Identity, Reach};

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
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AttachedStore {
    pub memory_store_id: String,
    pub access: String,
}

impl Whoami {
    pub fn new(identity: Identity, organization: &str) -> Self {
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
        }
    }
}
