//! API keys as they are kept, and what one may ask for.
//!
//! Only the SHA-256 of a key is ever stored. A key's ID derives from that hash, so that a
//! configured or `--dev` key has the same ID on every start and instance.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::access::Scopes;
use super::actor::Actor;
use super::id::{ApiKeyId, EnvironmentId, TokenId, WorkspaceId, suffix_of_hash};
use super::time::Timestamp;
use super::{Error, Result};

/// The SHA-256 of a key: what is stored, and what a key is looked up by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Takes a hash that this server wrote itself, from its own database.
    pub fn stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// A second hash keeps the ID from disclosing part of the first.
    fn derived(&self, what: &str) -> String {
        suffix_of_hash(&Sha256::new().chain_update(what).chain_update(self.0).finalize().into())
    }

    pub fn key_id(&self) -> ApiKeyId {
        ApiKeyId::new(&self.derived("memstored api key "))
    }

    /// The ID of a session token.
    pub fn token_id(&self) -> TokenId {
        TokenId::new(&self.derived("memstored session token "))
    }

    /// The workspace of an unknown key under `--dev`.
    pub fn workspace_id(&self) -> WorkspaceId {
        WorkspaceId::new(&self.derived("memstored dev workspace "))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash")
    }
}

/// Where a key comes from, which decides when it is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Made here: valid until it expires or is revoked.
    Minted,
    /// Given by `--api-key`: valid only while configured.
    Configured,
    /// Seen under `--dev`: valid only under `--dev`.
    Dev,
}

impl Origin {
    pub const ALL: [Self; 3] = [Self::Minted, Self::Configured, Self::Dev];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minted => "minted",
            Self::Configured => "configured",
            Self::Dev => "dev",
        }
    }
}

impl FromStr for Origin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|origin| origin.as_str() == text);
        found.ok_or_else(|| Error::Invalid(format!("unknown origin of a key: {text:?}")))
    }
}

/// A key as it is kept; the secret itself is not.
#[derive(Clone, Debug)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub workspace: WorkspaceId,
    pub name: String,
    pub hash: KeyHash,
    pub hint: String,
    pub scopes: Scopes,
    pub origin: Origin,
    /// Whom the key acts as; the key itself unless a principal was named.
    pub actor: Actor,
    /// The principal's name, where there is one.
    pub actor_name: Option<String>,
    /// The environment whose work queue this key is for; it is for nothing else then.
    pub environment: Option<EnvironmentId>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Says why the key is not valid at `now`, if it is not.
    pub fn refusal(&self, now: Timestamp) -> Option<&'static str> {
        if self.revoked_at.is_some() {
            return Some("this API key has been revoked");
        }
        if self.expires_at.is_some_and(|at| at <= now) {
            return Some("this API key has expired");
        }
        None
    }
}

/// The kind of a named principal that a key acts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    User,
    ServiceAccount,
}

impl PrincipalKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ServiceAccount => "service_account",
        }
    }
}

/// What is asked for when a key is made.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub name: String,
    pub scopes: Scopes,
    pub expires_at: Option<Timestamp>,
    pub acts_as: Option<(PrincipalKind, String)>,
    pub environment: Option<EnvironmentId>,
}

impl NewKey {
    /// Checks the fields against the rules and the current time.
    pub fn checked(self, now: Timestamp) -> Result<Self> {
        let name = super::text::name("name", self.name)?;
        if self.environment.is_some() {
            if !self.scopes.is_empty() || self.acts_as.is_some() {
                return Err(Error::invalid(
                    "an environment key has no scopes and acts as nobody: give environment_id \
                     without scopes, as_service and as_user",
                ));
            }
        } else if self.scopes.is_empty() {
            return Err(Error::invalid(
                "scopes must name at least one of read, write, redact, admin",
            ));
        }
        if self.expires_at.is_some_and(|at| at <= now) {
            return Err(Error::Invalid(format!("expires_at must be in the future; now is {now}")));
        }
        let acts_as = match self.acts_as {
            Some((kind, name)) => Some((kind, super::text::name(as_field(kind), name)?)),
            None => None,
        };
        Ok(Self { name, acts_as, ..self })
    }
}

fn as_field(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::User => "as_user",
        PrincipalKind::ServiceAccount => "as_service",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_key_is_the_same_everywhere() {
        let id = KeyHash::of("secret").key_id();
        assert_eq!(id, KeyHash::of("secret").key_id());
        assert_ne!(id, KeyHash::of("other").key_id());
        assert!(ApiKeyId::parse(id.as_str()).is_ok());
    }
}
