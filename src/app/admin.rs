//! Workspaces and keys.
//!
//! An administrator of the first workspace manages all of them; one of another workspace manages
//! the keys of that workspace, and may delete it. Whoever holds the database file is the operator.

use secrecy::SecretString;

use super::{App, mismatched, secret};
use crate::db::{Admin, AdminCommand, AdminOutcome};
use crate::domain::access::{Grant, Scopes, ToAdmin};
use crate::domain::actor::Actor;
use crate::domain::id::{ApiKeyId, RequestId, ServiceAccountId, UserId, WorkspaceId};
use crate::domain::journal::{Attribution, Reason};
use crate::domain::key::{ApiKey, KeyHash, NewKey, Origin, PrincipalKind};
use crate::domain::page::{Page, Paging};
use crate::domain::time::Timestamp;
use crate::domain::workspace::Workspace;
use crate::domain::{Error, Result, text};
use secrecy::ExposeSecret;

/// Who administers, and how far that reaches.
#[derive(Clone, Debug)]
pub struct Authority {
    by: Attribution,
    home: Option<WorkspaceId>,
    /// `None` reaches everything.
    reach: Option<WorkspaceId>,
}

impl From<&Grant<ToAdmin>> for Authority {
    fn from(grant: &Grant<ToAdmin>) -> Self {
        let home = grant.workspace().clone();
        Self {
            by: grant.attribution(),
            reach: (!grant.caller.first_workspace).then(|| home.clone()),
            home: Some(home),
        }
    }
}

impl Authority {
    /// The operator at the machine, who has the database itself.
    pub fn operator(request: RequestId) -> Self {
        let by = Attribution { actor: None, credential: None, request, reason: None };
        Self { by, home: None, reach: None }
    }

    /// The same, and why.
    #[must_use]
    pub fn because(mut self, reason: Option<Reason>) -> Self {
        self.by.reason = reason;
        self
    }
}

/// A new key, and the workspace it is for: the administrator's own where none is given.
#[derive(Clone, Debug)]
pub struct KeyRequest {
    pub workspace: Option<WorkspaceId>,
    pub new: NewKey,
}

impl App {
    /// What `grant` may administer; keeps a `--dev` key before its first change.
    pub async fn authority(&self, grant: &Grant<ToAdmin>) -> Result<Authority> {
        self.enroll(grant).await?;
        Ok(Authority::from(grant))
    }

    pub async fn create_workspace(&self, authority: Authority, name: String) -> Result<Workspace> {
        if authority.reach.is_some() {
            return Err(Error::Forbidden(
                "only an administrator of the first workspace may create workspaces".into(),
            ));
        }
        let name = text::name("name", name)?;
        let id = WorkspaceId::new(&self.suffix());
        let new = Workspace { id, name, created_at: self.clock.now() };
        match self.administer(authority, AdminCommand::CreateWorkspace(new)).await? {
            AdminOutcome::Workspace(workspace) => Ok(workspace),
            _ => Err(mismatched()),
        }
    }

    pub async fn workspaces(
        &self,
        authority: &Authority,
        paging: &Paging,
    ) -> Result<Page<Workspace>> {
        self.db.workspaces(authority.reach.as_ref(), paging).await
    }

    /// Deletes a workspace with its stores, and revokes its keys.
    pub async fn delete_workspace(&self, authority: Authority, id: WorkspaceId) -> Result<()> {
        self.administer(authority, AdminCommand::DeleteWorkspace(id)).await?;
        self.keys.forget();
        Ok(())
    }

    /// Makes a key; its secret is in this answer and nowhere else.
    pub async fn create_key(
        &self,
        authority: Authority,
        request: KeyRequest,
    ) -> Result<(ApiKey, SecretString)> {
        let now = self.clock.now();
        let new = request.new.checked(now)?;
        let home = authority.home.clone().unwrap_or_else(|| self.first_workspace().clone());
        let (mut key, secret) = self.minted(request.workspace.unwrap_or(home), now);
        key.name = new.name;
        key.scopes = new.scopes;
        key.expires_at = new.expires_at;
        key.environment = new.environment;
        let principal = new.acts_as.map(|(kind, name)| {
            let prefix = match kind {
                PrincipalKind::User => UserId::PREFIX,
                PrincipalKind::ServiceAccount => ServiceAccountId::PREFIX,
            };
            (kind, name, self.new_id(prefix))
        });
        match self.administer(authority, AdminCommand::CreateKey { key, principal }).await? {
            AdminOutcome::Key(key) => Ok((key, secret)),
            _ => Err(mismatched()),
        }
    }

    /// Makes the first key of an installation, where none was ever made.
    pub async fn first_key(&self) -> Result<Option<SecretString>> {
        if self.db.has_minted_keys().await? {
            return Ok(None);
        }
        let operator = Authority::operator(self.new_request());
        let (key, secret) = self.minted(self.first_workspace().clone(), self.clock.now());
        match self.administer(operator, AdminCommand::CreateFirstKey(key)).await? {
            AdminOutcome::Key(_) => Ok(Some(secret)),
            _ => Ok(None),
        }
    }

    /// A new key with all scopes, which acts as itself, and its secret.
    fn minted(&self, workspace: WorkspaceId, at: Timestamp) -> (ApiKey, SecretString) {
        let secret = self.new_secret();
        let hash = KeyHash::of(secret.expose_secret());
        let key = ApiKey {
            id: hash.key_id(),
            workspace,
            name: "first".into(),
            hash,
            hint: secret::hint(&secret),
            scopes: Scopes::ALL,
            origin: Origin::Minted,
            actor: Actor::ApiKey(hash.key_id()),
            actor_name: None,
            environment: None,
            created_at: at,
            expires_at: None,
            revoked_at: None,
        };
        (key, secret)
    }

    /// Whether there is any key that a client could use.
    pub async fn has_keys(&self) -> Result<bool> {
        self.db.has_usable_keys(self.clock.now()).await
    }

    /// The keys within reach, or of one workspace within reach.
    pub async fn keys(
        &self,
        authority: &Authority,
        workspace: Option<WorkspaceId>,
        paging: &Paging,
    ) -> Result<Page<ApiKey>> {
        if let Some(asked) = &workspace {
            let is_known = match &authority.reach {
                Some(reach) => reach == asked,
                None => self.db.workspace_was(asked).await?,
            };
            is_known.then_some(()).ok_or_else(|| Error::not_found(WorkspaceId::WHAT, asked))?;
        }
        let workspace = workspace.or_else(|| authority.reach.clone());
        self.db.keys(workspace.as_ref(), paging).await
    }

    pub async fn revoke_key(&self, authority: Authority, id: ApiKeyId) -> Result<ApiKey> {
        if self.keys.is_configured(&id) {
            return Err(Error::Invalid(format!(
                "{id} is the key that the server was started with (--api-key): it is valid while \
                 configured, so start the server without it"
            )));
        }
        let revoked = self.administer(authority, AdminCommand::RevokeKey(id)).await?;
        self.keys.forget();
        match revoked {
            AdminOutcome::Key(key) => Ok(key),
            _ => Err(mismatched()),
        }
    }

    async fn administer(
        &self,
        authority: Authority,
        command: AdminCommand,
    ) -> Result<AdminOutcome> {
        let admin = Admin {
            command,
            by: authority.by,
            at: self.clock.now(),
            reach: authority.reach,
            first_workspace: self.first_workspace().clone(),
        };
        self.db.administer(admin).await
    }
}
