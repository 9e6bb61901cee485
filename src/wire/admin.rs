//! Workspaces and keys, under `/x/v1`.

use serde::{Deserialize, Serialize};

use super::actor::Actor;
use crate::domain::access::{Scope, Scopes};
use crate::domain::id::EnvironmentId;
use crate::domain::key::{self, NewKey, PrincipalKind};
use crate::domain::time::Timestamp;
use crate::domain::{Error, Result, workspace};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Workspace {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
    pub name: String,
    pub created_at: String,
}

impl From<workspace::Workspace> for Workspace {
    fn from(workspace: workspace::Workspace) -> Self {
        Self {
            kind: "workspace".into(),
            id: workspace.id.to_string(),
            name: workspace.name,
            created_at: workspace.created_at.to_string(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateWorkspace {
    pub name: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiKey {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
    pub workspace_id: String,
    pub name: String,
    /// The key's prefix and last four characters.
    pub hint: String,
    pub scopes: Vec<String>,
    /// The environment whose work queue the key is for; null for an API key.
    pub environment_id: Option<String>,
    /// What `created_by` says of what is written with the key.
    pub actor: Actor,
    /// The name of the user or service account that the key acts as.
    pub actor_name: Option<String>,
    pub created_at: String,
    pub expires_at: Option<String>,
    pub revoked_at: Option<String>,
    /// The secret; only in the answer that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl From<key::ApiKey> for ApiKey {
    fn from(key: key::ApiKey) -> Self {
        Self {
            kind: "api_key".into(),
            id: key.id.to_string(),
            workspace_id: key.workspace.to_string(),
            name: key.name,
            hint: key.hint,
            scopes: key.scopes.iter().map(|scope| scope.to_string()).collect(),
            environment_id: key.environment.map(|id| id.to_string()),
            actor: Actor::from(&key.actor),
            actor_name: key.actor_name,
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|at| at.to_string()),
            revoked_at: key.revoked_at.map(|at| at.to_string()),
            key: None,
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_user: Option<String>,
}

impl CreateKey {
    /// Reads the scopes, the time and the principal; the rest is checked with the time known.
    pub fn parsed(self) -> Result<NewKey> {
        let acts_as = match (self.as_service, self.as_user) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid("only one of as_service and as_user may be given"));
            }
            (Some(name), None) => Some((PrincipalKind::ServiceAccount, name)),
            (None, Some(name)) => Some((PrincipalKind::User, name)),
            (None, None) => None,
        };
        let scopes = self.scopes.map(|names| {
            let scopes = names.iter().map(|name| name.parse::<Scope>());
            let scopes = scopes.collect::<Result<Scopes>>()?;
            if scopes.iter().count() < names.len() {
                return Err(Error::invalid("scopes must name each scope once"));
            }
            Ok(scopes)
        });
        let expires_at = self.expires_at.map(|text| {
            Timestamp::parse(&text).ok_or_else(|| {
                Error::Invalid(format!(
                    "expires_at must be an RFC 3339 time such as 2027-01-31T00:00:00Z; got {text:?}"
                ))
            })
        });
        let environment = self.environment_id.as_deref().map(EnvironmentId::parse).transpose()?;
        let none = if environment.is_some() { Scopes::of([]) } else { Scopes::default() };
        Ok(NewKey {
            name: self.name,
            environment,
            scopes: scopes.transpose()?.unwrap_or(none),
            expires_at: expires_at.transpose()?,
            acts_as,
        })
    }
}
