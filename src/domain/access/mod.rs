//! What a credential may do.
//!
//! A [`Caller`] is whoever a credential stands for. Before an operation runs, the caller is turned
//! into a [`Grant`] of the scope that the operation asks for by its type; there is no other way to
//! make one, so no door can reach an operation around the check.

mod grant;
mod required;
mod scope;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use grant::Grant;
pub use required::{
    Allowed, Keys, OfWorkspace, OnQueue, OnSession, Required, ToAdmin, ToHoldWork, ToRead,
    ToReadSession, ToReadStore, ToRedact, ToSeeItself, ToSeeQueue, ToWork, ToWrite, ToWriteSession,
    ToWriteStore,
};
pub use scope::{Scope, Scopes};

use super::actor::Actor;
use super::attachment::Access;
use super::id::{ApiKeyId, EnvironmentId, SessionId, StoreId, TokenId, WorkspaceId};
use super::key::KeyHash;
use super::time::Timestamp;
use super::{Error, Result};

/// What a caller has shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    Key(ApiKeyId),
    Token(TokenId),
}

impl Credential {
    /// Reads an ID that this server wrote itself.
    pub fn stored(id: String) -> Option<Self> {
        if id.starts_with(ApiKeyId::PREFIX) {
            return Some(Self::Key(ApiKeyId::stored(id)));
        }
        id.starts_with(TokenId::PREFIX).then(|| Self::Token(TokenId::stored(id)))
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Key(id) => id.as_str(),
            Self::Token(id) => id.as_str(),
        }
    }
}

/// How far a credential reaches.
#[derive(Clone, Debug)]
pub enum Reach {
    /// An API key: all of its workspace, as its scopes allow.
    Workspace,
    /// An environment key: the work queue of one environment.
    Environment(EnvironmentId),
    /// A session token: its session, and the stores attached to that.
    Session { session: SessionId, stores: Arc<[(StoreId, Access)]> },
}

/// Whoever a valid credential stands for. The credential alone decides every field.
#[derive(Clone, Debug)]
pub struct Caller {
    pub workspace: WorkspaceId,
    /// Whether `workspace` is the first one, whose administrators manage the installation.
    pub first_workspace: bool,
    pub actor: Actor,
    pub credential: Credential,
    /// Of an API key; the others have none.
    pub scopes: Scopes,
    pub reach: Reach,
    /// The hash of a `--dev` key that nothing has been written with yet.
    pub unenrolled: Option<KeyHash>,
}

/// A caller, and what is kept of its credential.
#[derive(Clone, Debug)]
pub struct Identity {
    pub caller: Caller,
    /// Of a key that is kept.
    pub name: Option<String>,
    pub actor_name: Option<String>,
    pub expires_at: Option<Timestamp>,
}

impl Caller {
    fn access(&self, store: &StoreId) -> Result<Access> {
        match &self.reach {
            Reach::Workspace => Ok(Access::ReadWrite),
            Reach::Session { stores, .. } => stores
                .iter()
                .find(|(attached, _)| attached == store)
                .map(|(_, access)| *access)
                .ok_or_else(|| Error::not_found(StoreId::WHAT, store)),
            Reach::Environment(_) => Err(Error::not_found(StoreId::WHAT, store)),
        }
    }
}
