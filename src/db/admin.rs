//! Changes of workspaces and keys: rare, so one transaction each.

use sqlx::{Row, SqliteConnection};

use super::{Shared, batch, dialect, keys, rows, workspaces};
use crate::domain::id::{ApiKeyId, WorkspaceId};
use crate::domain::journal::{Attribution, Entry, Kind};
use crate::domain::key::{ApiKey, PrincipalKind};
use crate::domain::time::Timestamp;
use crate::domain::workspace::{self, Workspace};
use crate::domain::{Error, Result};

/// One change, by whom, when, and which workspace it may reach (`None`: all).
#[derive(Clone, Debug)]
pub struct Admin {
    pub command: AdminCommand,
    pub by: Attribution,
    pub at: Timestamp,
    pub reach: Option<WorkspaceId>,
    pub first_workspace: WorkspaceId,
}

#[derive(Clone, Debug)]
pub enum AdminCommand {
    CreateWorkspace(Workspace),
    /// With its stores, and with its keys revoked.
    DeleteWorkspace(WorkspaceId),
    /// Finds or makes the named principal; the ID is for a new one.
    CreateKey {
        key: ApiKey,
        principal: Option<(PrincipalKind, String, String)>,
    },
    RevokeKey(ApiKeyId),
    /// Keeps a key that is valid without being kept, and its workspace, so that IDs lead to names.
    Enroll {
        workspace: Option<Workspace>,
        key: ApiKey,
    },
}

#[derive(Clone, Debug)]
pub enum AdminOutcome {
    Workspace(Workspace),
    Key(ApiKey),
    Done,
}

/// A database error, or a refusal.
enum Failure {
    Database(sqlx::Error),
    Refused(Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

pub async fn run(shared: &Shared, admin: Admin) -> Result<AdminOutcome> {
    let mut connection = shared.writer.lock().await;
    shared.check()?;
    let done = async {
        dialect::begin(&mut connection).await?;
        let outcome = Change { connection: &mut connection, admin: &admin }.apply().await?;
        dialect::commit(&mut connection).await?;
        Ok(outcome)
    };
    let outcome: Result<_, Failure> = done.await;
    if outcome.is_ok() && matches!(admin.command, AdminCommand::DeleteWorkspace(_)) {
        shared.deleted.notify_one();
    }
    if outcome.is_err() {
        dialect::roll_back(&mut connection).await;
    }
    outcome.map_err(|failure| match failure {
        Failure::Database(error) => shared.failed(error),
        Failure::Refused(error) => error,
    })
}

struct Change<'a> {
    connection: &'a mut SqliteConnection,
    admin: &'a Admin,
}

impl Change<'_> {
    async fn apply(mut self) -> Result<AdminOutcome, Failure> {
        match &self.admin.command {
            AdminCommand::CreateWorkspace(new) => self.create_workspace(new).await,
            AdminCommand::DeleteWorkspace(id) => self.delete_workspace(id).await,
            AdminCommand::CreateKey { key, principal } => {
                self.create_key(key.clone(), principal.as_ref()).await
            }
            AdminCommand::RevokeKey(id) => self.revoke_key(id).await,
            AdminCommand::Enroll { workspace, key } => self.enroll(workspace.as_ref(), key).await,
        }
    }

    async fn create_workspace(&mut self, new: &Workspace) -> Result<AdminOutcome, Failure> {
        self.insert_workspace(new).await?;
        Ok(AdminOutcome::Workspace(new.clone()))
    }

    async fn insert_workspace(&mut self, new: &Workspace) -> Result<(), Failure> {
        let inserted = sqlx::query(
            "insert into workspaces (id, name, created_at, last_seq, last_at) \
             values ($1, $2, $3, 0, $3) on conflict (id) do nothing",
        )
        .bind(new.id.as_str())
        .bind(&new.name)
        .bind(new.created_at.micros())
        .execute(&mut *self.connection)
        .await?;
        if inserted.rows_affected() == 1 {
            self.enter("workspaces", new.id.as_str(), Kind::WorkspaceCreated, new.id.as_str())
                .await?;
        }
        Ok(())
    }

    /// The workspace, if it is live and within reach.
    async fn require_workspace(&mut self, id: &WorkspaceId) -> Result<Workspace, Failure> {
        let row = sqlx::query(
            "select id, name, created_at from workspaces where id = $1 and deleted_at is null",
        );
        let row = row.bind(id.as_str()).fetch_optional(&mut *self.connection).await?;
        let found = row.as_ref().map(workspaces::workspace).transpose()?;
        found
            .filter(|found| self.admin.reach.as_ref().is_none_or(|reach| *reach == found.id))
            .ok_or_else(|| Error::not_found(WorkspaceId::WHAT, id).into())
    }

    async fn delete_workspace(&mut self, id: &WorkspaceId) -> Result<AdminOutcome, Failure> {
        self.require_workspace(id).await?;
        workspace::check_deletable(id, &self.admin.first_workspace)?;
        let stores =
            sqlx::query("select id from stores where workspace_id = $1 and deleted_at is null")
                .bind(id.as_str())
                .fetch_all(&mut *self.connection)
                .await?;
        for row in stores {
            let store: String = row.try_get(0)?;
            let at = self.enter("stores", &store, Kind::StoreDeleted, &store).await?;
            sqlx::query("update stores set deleted_at = $1 where id = $2")
                .bind(at.micros())
                .bind(store)
                .execute(&mut *self.connection)
                .await?;
        }
        let at = self.enter("workspaces", id.as_str(), Kind::WorkspaceDeleted, id.as_str()).await?;
        for sql in [
            "update api_keys set revoked_at = $1 where workspace_id = $2 and revoked_at is null",
            "update workspaces set deleted_at = $1 where id = $2",
        ] {
            sqlx::query(sql)
                .bind(at.micros())
                .bind(id.as_str())
                .execute(&mut *self.connection)
                .await?;
        }
        Ok(AdminOutcome::Done)
    }

    async fn create_key(
        &mut self,
        mut key: ApiKey,
        principal: Option<&(PrincipalKind, String, String)>,
    ) -> Result<AdminOutcome, Failure> {
        self.require_workspace(&key.workspace).await?;
        if let Some((kind, name, fresh)) = principal {
            let id = self.principal(&key.workspace, *kind, name, fresh).await?;
            key.actor = rows::actor(id)?;
            key.actor_name = Some(name.clone());
        }
        key.created_at = self
            .enter("workspaces", key.workspace.as_str(), Kind::KeyCreated, key.id.as_str())
            .await?;
        self.insert_key(&key).await?;
        Ok(AdminOutcome::Key(key))
    }

    async fn principal(
        &mut self,
        workspace: &WorkspaceId,
        kind: PrincipalKind,
        name: &str,
        fresh: &str,
    ) -> sqlx::Result<String> {
        sqlx::query(
            "insert into principals (id, workspace_id, kind, name, created_at) \
             values ($1, $2, $3, $4, $5) on conflict (workspace_id, kind, name) do nothing",
        )
        .bind(fresh)
        .bind(workspace.as_str())
        .bind(kind.as_str())
        .bind(name)
        .bind(self.admin.at.micros())
        .execute(&mut *self.connection)
        .await?;
        sqlx::query_scalar(
            "select id from principals where workspace_id = $1 and kind = $2 and name = $3",
        )
        .bind(workspace.as_str())
        .bind(kind.as_str())
        .bind(name)
        .fetch_one(&mut *self.connection)
        .await
    }

    async fn insert_key(&mut self, key: &ApiKey) -> sqlx::Result<()> {
        let principal = key.actor_name.as_ref().map(|_| key.actor.id().to_owned());
        sqlx::query(
            "insert into api_keys (id, workspace_id, name, key_sha256, hint, scopes, origin, \
             principal_id, created_at, expires_at) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(key.id.as_str())
        .bind(key.workspace.as_str())
        .bind(&key.name)
        .bind(key.hash.as_bytes().to_vec())
        .bind(&key.hint)
        .bind(key.scopes.to_string())
        .bind(key.origin.as_str())
        .bind(principal)
        .bind(key.created_at.micros())
        .bind(key.expires_at.map(Timestamp::micros))
        .execute(&mut *self.connection)
        .await
        .map(drop)
    }

    async fn find_key(&mut self, id: &ApiKeyId) -> sqlx::Result<Option<ApiKey>> {
        let mut sql = sqlx::QueryBuilder::new(keys::COLUMNS);
        sql.push("id = ").push_bind(id.as_str().to_owned());
        let row = sql.build().fetch_optional(&mut *self.connection).await?;
        row.as_ref().map(keys::key).transpose()
    }

    async fn revoke_key(&mut self, id: &ApiKeyId) -> Result<AdminOutcome, Failure> {
        let found = self.find_key(id).await?;
        let mut key = found
            .filter(|key| self.admin.reach.as_ref().is_none_or(|reach| *reach == key.workspace))
            .ok_or_else(|| Error::not_found(ApiKeyId::WHAT, id))?;
        if key.revoked_at.is_none() {
            let workspace = key.workspace.to_string();
            let at = self.enter("workspaces", &workspace, Kind::KeyRevoked, id.as_str()).await?;
            sqlx::query("update api_keys set revoked_at = $1 where id = $2")
                .bind(at.micros())
                .bind(id.as_str())
                .execute(&mut *self.connection)
                .await?;
            key.revoked_at = Some(at);
        }
        Ok(AdminOutcome::Key(key))
    }

    async fn enroll(
        &mut self,
        workspace: Option<&Workspace>,
        key: &ApiKey,
    ) -> Result<AdminOutcome, Failure> {
        if let Some(workspace) = workspace {
            self.insert_workspace(workspace).await?;
        }
        let kept = sqlx::query("select 1 from api_keys where id = $1").bind(key.id.as_str());
        if kept.fetch_optional(&mut *self.connection).await?.is_none() {
            let ledger = key.workspace.as_str();
            self.enter("workspaces", ledger, Kind::KeyCreated, key.id.as_str()).await?;
            self.insert_key(key).await?;
        }
        Ok(AdminOutcome::Done)
    }

    /// Takes the next number and time of a ledger, and enters the change in its journal.
    async fn enter(
        &mut self,
        table: &'static str,
        ledger: &str,
        kind: Kind,
        subject: &str,
    ) -> sqlx::Result<Timestamp> {
        let (read, write) = match table {
            "stores" => (
                "select last_seq, last_at from stores where id = $1",
                "update stores set last_seq = $1, last_at = $2 where id = $3",
            ),
            _ => (
                "select last_seq, last_at from workspaces where id = $1",
                "update workspaces set last_seq = $1, last_at = $2 where id = $3",
            ),
        };
        let row = sqlx::query(read).bind(ledger).fetch_one(&mut *self.connection).await?;
        let (seq, at) = rows::ledger(&row, 0)?.advance(self.admin.at);
        sqlx::query(write)
            .bind(seq)
            .bind(at.micros())
            .bind(ledger)
            .execute(&mut *self.connection)
            .await?;
        let entry = Entry {
            ledger: ledger.to_owned(),
            seq,
            at,
            kind,
            subject: subject.to_owned(),
            by: self.admin.by.clone(),
        };
        batch::journal(self.connection, &[entry]).await?;
        Ok(at)
    }
}
