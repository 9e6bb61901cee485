//! From a secret to a caller. The credential alone decides who that is.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::recent::Recent;
use super::{App, secret};
use crate::clock;
use crate::db::{Admin, AdminCommand};
use crate::domain::access::{Caller, Credential, Grant, Reach, Required, Scopes};
use crate::domain::actor::Actor;
use crate::domain::id::{ApiKeyId, WorkspaceId};
use crate::domain::journal::Attribution;
use crate::domain::key::{ApiKey, KeyHash, Origin};
use crate::domain::time::Timestamp;
use crate::domain::token::SessionToken;
use crate::domain::workspace::Workspace;
use crate::domain::{Error, Result};

/// What is known about keys without asking the database.
pub struct Keys {
    configured: Option<Configured>,
    dev: bool,
    recent: Recent<ApiKey>,
    tokens: Recent<SessionToken>,
}

struct Configured {
    hash: KeyHash,
    id: ApiKeyId,
    hint: String,
}

impl Keys {
    pub fn new(configured: Option<SecretString>, dev: bool) -> Self {
        let configured = configured.map(|key| {
            let hash = KeyHash::of(key.expose_secret());
            Configured { hash, id: hash.key_id(), hint: secret::hint(&key) }
        });
        Self { configured, dev, recent: Recent::default(), tokens: Recent::default() }
    }

    pub fn forget(&self) {
        self.recent.forget();
        self.tokens.forget();
    }

    pub fn forget_tokens(&self) {
        self.tokens.forget();
    }

    /// Whether this is the ID of the configured key.
    pub fn is_configured(&self, id: &ApiKeyId) -> bool {
        self.configured.as_ref().is_some_and(|configured| configured.id == *id)
    }
}

impl App {
    /// Finds out whom a secret stands for.
    pub async fn authenticate(&self, secret: &str) -> Result<Caller> {
        let hash = KeyHash::of(secret);
        if let Some(configured) = &self.keys.configured
            && secret::same_hash(&configured.hash, &hash)
        {
            let home = self.first_workspace().clone();
            return Ok(self.with_all_scopes(configured.id.clone(), home, None));
        }
        let now = self.clock.now();
        if secret::is_token(secret) {
            return self.by_token(secret, &hash, now).await;
        }
        let Some(key) = self.known(&hash, now).await? else { return self.unknown(secret, hash) };
        if !secret::same_hash(&key.hash, &hash) {
            return Err(unauthenticated("invalid API key"));
        }
        match key.origin {
            Origin::Configured => {
                return Err(unauthenticated(
                    "this API key was configured on an earlier start only",
                ));
            }
            Origin::Dev if !self.keys.dev => return Err(unauthenticated("invalid API key")),
            Origin::Dev | Origin::Minted => {}
        }
        match key.refusal(now) {
            Some(refusal) => Err(unauthenticated(refusal)),
            None => Ok(self.caller(key)),
        }
    }

    pub(super) fn first_workspace(&self) -> &WorkspaceId {
        &self.db.installation.first_workspace
    }

    /// The session that a token stands for. No token is ever taken for a key, not even under `--dev`:
    /// one that has ended would be a workspace of its own.
    async fn by_token(&self, secret: &str, hash: &KeyHash, now: Timestamp) -> Result<Caller> {
        let found = self.known_token(hash, now).await?;
        match found {
            Some(token) if token.expires_at.is_none_or(|at| now < at) => Ok(Caller {
                first_workspace: token.workspace == *self.first_workspace(),
                workspace: token.workspace,
                actor: Actor::Session(token.session.clone()),
                credential: Credential::Token(token.id),
                scopes: Scopes::of([]),
                reach: Reach::Session { session: token.session, stores: Arc::clone(&token.stores) },
                unenrolled: None,
            }),
            Some(_) => Err(unauthenticated("this session token has ended")),
            None if secret::is_damaged(secret) => Err(unauthenticated(
                "invalid session token: its check sum is wrong, so it was cut or mistyped",
            )),
            None => Err(unauthenticated(
                "invalid session token: it is unknown, or its session is archived or deleted",
            )),
        }
    }

    async fn known_token(&self, hash: &KeyHash, now: Timestamp) -> Result<Option<SessionToken>> {
        if let Some(token) = self.keys.tokens.recall(hash, now) {
            return Ok(Some(token));
        }
        let found = self.db.token_by_hash(hash).await?;
        if let Some(token) = &found {
            self.keys.tokens.remember(*hash, token, now);
        }
        Ok(found)
    }

    /// The key with this hash.
    async fn known(&self, hash: &KeyHash, now: Timestamp) -> Result<Option<ApiKey>> {
        if let Some(key) = self.keys.recent.recall(hash, now) {
            return Ok(Some(key));
        }
        let found = self.db.key_by_hash(hash).await?;
        if let Some(key) = &found {
            self.keys.recent.remember(*hash, key, now);
        }
        Ok(found)
    }

    fn caller(&self, key: ApiKey) -> Caller {
        Caller {
            first_workspace: key.workspace == *self.first_workspace(),
            workspace: key.workspace,
            actor: key.actor,
            credential: Credential::Key(key.id),
            scopes: key.scopes,
            reach: key.environment.map_or(Reach::Workspace, Reach::Environment),
            unenrolled: None,
        }
    }

    fn with_all_scopes(
        &self,
        key: ApiKeyId,
        workspace: WorkspaceId,
        unenrolled: Option<KeyHash>,
    ) -> Caller {
        Caller {
            first_workspace: workspace == *self.first_workspace(),
            workspace,
            actor: Actor::ApiKey(key.clone()),
            credential: Credential::Key(key),
            scopes: Scopes::ALL,
            reach: Reach::Workspace,
            unenrolled,
        }
    }

    fn unknown(&self, secret: &str, hash: KeyHash) -> Result<Caller> {
        if self.keys.dev {
            return Ok(self.with_all_scopes(hash.key_id(), hash.workspace_id(), Some(hash)));
        }
        Err(unauthenticated(if secret::is_damaged(secret) {
            "invalid API key: its check sum is wrong, so it was cut or mistyped"
        } else {
            "invalid API key"
        }))
    }

    /// Keeps a `--dev` key and its workspace before the first write with it.
    pub(super) async fn enroll<S: Required>(&self, grant: &Grant<S>) -> Result<()> {
        let Some(hash) = grant.caller.unenrolled else { return Ok(()) };
        let at = self.clock.now();
        let workspace = Workspace {
            id: hash.workspace_id(),
            name: format!("dev {}", hash.key_id()),
            created_at: at,
        };
        let key = unminted(hash, "…", workspace.id.clone(), Origin::Dev, at);
        self.keep(Some(workspace), key, grant.attribution(), at).await
    }

    /// Keeps the configured key, so that its ID leads to a name.
    pub(super) async fn enroll_configured_key(&self) -> Result<()> {
        let Some(Configured { hash, hint, .. }) = &self.keys.configured else { return Ok(()) };
        let at = self.clock.now();
        let home = self.first_workspace().clone();
        if let Some(kept) = self.db.key_by_hash(hash).await? {
            return match short_of_configured(&kept, &home) {
                Some(why) => Err(Error::Invalid(format!(
                    "the API key given with --api-key or MEMSTORED_API_KEY would have all scopes, and \
                     is the key {}, which {why}: give one of its own, or none",
                    kept.id
                ))),
                None => Ok(()),
            };
        }
        let key = unminted(*hash, hint, home, Origin::Configured, at);
        let by = Attribution {
            actor: Some(key.actor.clone()),
            credential: Some(Credential::Key(key.id.clone())),
            request: self.new_request(),
            reason: None,
        };
        self.keep(None, key, by, at).await
    }

    async fn keep(
        &self,
        workspace: Option<Workspace>,
        key: ApiKey,
        by: Attribution,
        at: Timestamp,
    ) -> Result<()> {
        let admin = Admin {
            command: AdminCommand::Enroll { workspace, key },
            by,
            at,
            reach: None,
            first_workspace: self.first_workspace().clone(),
        };
        self.db.administer(admin).await.map(drop)
    }

    /// 256 random bits for a new key.
    pub(super) fn new_secret(&self) -> SecretString {
        secret::mint_key(&self.source.bytes())
    }

    /// 256 random bits for a new session token.
    pub(super) fn new_token(&self) -> SecretString {
        secret::mint_token(&self.source.bytes())
    }

    /// A fresh ID with the given prefix.
    pub(super) fn new_id(&self, prefix: &str) -> String {
        format!("{prefix}{}", clock::suffix(&*self.source, self.clock.now()))
    }
}

/// A key with all scopes that was not made here; it is named after its origin.
fn unminted(
    hash: KeyHash,
    hint: &str,
    workspace: WorkspaceId,
    origin: Origin,
    at: Timestamp,
) -> ApiKey {
    ApiKey {
        id: hash.key_id(),
        workspace,
        name: origin.as_str().into(),
        hash,
        hint: hint.into(),
        scopes: Scopes::ALL,
        origin,
        actor: Actor::ApiKey(hash.key_id()),
        actor_name: None,
        environment: None,
        created_at: at,
        expires_at: None,
        revoked_at: None,
    }
}

/// What a key was made without that it would have as the configured one.
fn short_of_configured(kept: &ApiKey, home: &WorkspaceId) -> Option<&'static str> {
    let short = [
        (kept.revoked_at.is_some(), "was revoked"),
        (kept.expires_at.is_some(), "has an expiry"),
        (kept.workspace != *home, "is of another workspace than the first"),
        (kept.environment.is_some(), "is of an environment's workers"),
        (kept.scopes != Scopes::ALL, "was made with fewer scopes"),
        (kept.actor != Actor::ApiKey(kept.id.clone()), "acts as somebody else"),
    ];
    short.into_iter().find_map(|(is_so, why)| is_so.then_some(why))
}

fn unauthenticated(message: &str) -> Error {
    Error::Unauthenticated(message.to_owned())
}
