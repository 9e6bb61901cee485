//! Changes of workspaces and keys: rare, so one transaction each.

use super::connection::Connection;
use super::ledger::{self, Entering};
use super::script::Script;
use super::sql::{Row, Sql};
use super::transaction::{Failure, Transaction};
use super::{batch, environments, heads, keys, rows, workspaces};
use crate::domain::id::{ApiKeyId, EnvironmentId, WorkspaceId};
use crate::domain::journal::{Attribution, Entry, Kind};
use crate::domain::key::{ApiKey, PrincipalKind};
use crate::domain::time::Timestamp;
use crate::domain::workspace::{self, Workspace};
use crate::domain::{Error, Result};

/// Stores of a deleted workspace that are deleted in one trip.
const STORES: usize = 32;

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
    /// Unless one was ever made here.
    CreateFirstKey(ApiKey),
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

impl Transaction for Admin {
    type Done = AdminOutcome;

    async fn apply(&self, connection: &mut Connection) -> Result<AdminOutcome, Failure> {
        Change { connection, admin: self }.apply().await
    }
}

struct Change<'a> {
    connection: &'a mut Connection,
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
            AdminCommand::CreateFirstKey(key) => self.create_first_key(key).await,
            AdminCommand::RevokeKey(id) => self.revoke_key(id).await,
            AdminCommand::Enroll { workspace, key } => self.enroll(workspace.as_ref(), key).await,
        }
    }

    async fn create_workspace(&mut self, new: &Workspace) -> Result<AdminOutcome, Failure> {
        self.insert_workspace(new).await?;
        Ok(AdminOutcome::Workspace(new.clone()))
    }

    async fn insert_workspace(&mut self, new: &Workspace) -> Result<(), Failure> {
        let sql = Sql::new(
            "insert into workspaces (id, name, created_at, last_seq, last_at) \
             values ($1, $2, $3, 0, $3) on conflict (id) do nothing",
        );
        let sql = sql.bind(new.id.as_str()).bind(new.name.as_str()).bind(new.created_at.micros());
        if self.connection.execute(sql).await? == 1 {
            self.enter(new.id.as_str(), Kind::WorkspaceCreated, new.id.as_str()).await?;
        }
        Ok(())
    }

    /// The workspace, if it is live and within reach; locked.
    async fn require_workspace(&mut self, id: &WorkspaceId) -> Result<Workspace, Failure> {
        let mut sql = Sql::new(
            "select id, name, created_at from workspaces where id = $1 and deleted_at is null",
        );
        sql.push(self.connection.dialect().lock());
        let row = self.connection.fetch_optional(sql.bind(id.as_str())).await?;
        let found = row.as_ref().map(workspaces::workspace).transpose()?;
        found
            .filter(|found| self.admin.reach.as_ref().is_none_or(|reach| *reach == found.id))
            .ok_or_else(|| Error::not_found(WorkspaceId::WHAT, id).into())
    }

    /// In one trip.
    async fn delete_stores(&mut self, stores: &[Row]) -> sqlx::Result<()> {
        self.connection.change().map(heads::Change::touches_all);
        let mut script = Script::new(self.connection.dialect());
        let mut entries = Vec::with_capacity(stores.len());
        for row in stores {
            let store: &str = row.get(0)?;
            let (seq, at) = rows::ledger(row, 1)?.advance(self.admin.at);
            let sql = script.statement().push("update stores set last_seq = ").push_bind(seq);
            sql.push(", last_at = ").push_bind(at.micros());
            sql.push(", deleted_at = ").push_bind(at.micros());
            sql.push(" where id = ").push_bind(store);
            entries.push(self.entry(store, seq, at, Kind::StoreDeleted, store));
        }
        batch::journal(&mut script, &entries);
        self.connection.write(script).await
    }

    fn entry(&self, ledger: &str, seq: i64, at: Timestamp, kind: Kind, subject: &str) -> Entry {
        Entry {
            ledger: ledger.to_owned(),
            seq,
            at,
            kind,
            subject: subject.to_owned(),
            by: self.admin.by.clone(),
        }
    }

    async fn delete_workspace(&mut self, id: &WorkspaceId) -> Result<AdminOutcome, Failure> {
        self.require_workspace(id).await?;
        workspace::check_deletable(id, &self.admin.first_workspace)?;
        let mut stores = Sql::new(
            "select id, last_seq, last_at from stores where workspace_id = $1 and deleted_at is \
             null order by id",
        );
        stores.push(self.connection.dialect().lock());
        let stores = self.connection.fetch_all(stores.bind(id.as_str())).await?;
        for stores in stores.chunks(STORES) {
            self.delete_stores(stores).await?;
        }
        let id = id.as_str();
        let at = self.enter(id, Kind::WorkspaceDeleted, id).await?;
        for sql in [
            "update api_keys set revoked_at = $1 where workspace_id = $2 and revoked_at is null",
            "update sessions set deleted_at = $1 where workspace_id = $2 and deleted_at is null",
            "update environments set deleted_at = $1 where workspace_id = $2 and deleted_at is null",
            "update workspaces set deleted_at = $1 where id = $2",
        ] {
            self.connection.execute(Sql::new(sql).bind(at.micros()).bind(id)).await?;
        }
        Ok(AdminOutcome::Done)
    }

    async fn create_key(
        &mut self,
        mut key: ApiKey,
        principal: Option<&(PrincipalKind, String, String)>,
    ) -> Result<AdminOutcome, Failure> {
        self.require_workspace(&key.workspace).await?;
        if let Some(id) = &key.environment {
            self.require_queue(&key.workspace, id).await?;
        }
        if let Some((kind, name, fresh)) = principal {
            let id = self.principal(&key.workspace, *kind, name, fresh).await?;
            key.actor = rows::actor(id)?;
            key.actor_name = Some(name.clone());
        }
        let workspace = key.workspace.as_str();
        key.created_at = self.enter(workspace, Kind::KeyCreated, key.id.as_str()).await?;
        self.insert_key(&key).await?;
        Ok(AdminOutcome::Key(key))
    }

    /// Only a self-hosted environment has a work queue.
    async fn require_queue(
        &mut self,
        workspace: &WorkspaceId,
        id: &EnvironmentId,
    ) -> Result<(), Failure> {
        match environments::find(self.connection, workspace, id).await? {
            Some(environment) => Ok(environment.require_queue()?),
            None => Err(Error::not_found(EnvironmentId::WHAT, id).into()),
        }
    }

    /// Two instances that start on one new database make one key.
    async fn create_first_key(&mut self, key: &ApiKey) -> Result<AdminOutcome, Failure> {
        self.require_workspace(&key.workspace).await?;
        match self.connection.fetch_optional(Sql::new(keys::ANY_MINTED)).await? {
            Some(_) => Ok(AdminOutcome::Done),
            None => self.create_key(key.clone(), None).await,
        }
    }

    async fn principal(
        &mut self,
        workspace: &WorkspaceId,
        kind: PrincipalKind,
        name: &str,
        fresh: &str,
    ) -> sqlx::Result<String> {
        let insert = Sql::new(
            "insert into principals (id, workspace_id, kind, name, created_at) \
             values ($1, $2, $3, $4, $5) on conflict (workspace_id, kind, name) do nothing",
        );
        let insert = insert.bind(fresh).bind(workspace.as_str()).bind(kind.as_str()).bind(name);
        self.connection.execute(insert.bind(self.admin.at.micros())).await?;
        let find = Sql::new(
            "select id from principals where workspace_id = $1 and kind = $2 and name = $3",
        );
        let find = find.bind(workspace.as_str()).bind(kind.as_str()).bind(name);
        self.connection.fetch_one(find).await?.get(0)
    }

    async fn insert_key(&mut self, key: &ApiKey) -> sqlx::Result<()> {
        let principal = key.actor_name.as_ref().map(|_| key.actor.id());
        let sql = Sql::new(
            "insert into api_keys (id, workspace_id, name, key_sha256, hint, scopes, origin, \
             principal_id, created_at, expires_at, environment_id) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        );
        let sql = sql
            .bind(key.id.as_str())
            .bind(key.workspace.as_str())
            .bind(key.name.as_str())
            .bind(key.hash.as_bytes())
            .bind(key.hint.as_str())
            .bind(key.scopes.to_string())
            .bind(key.origin.as_str())
            .bind(principal)
            .bind(key.created_at.micros())
            .bind(key.expires_at.map(Timestamp::micros))
            .bind(key.environment.as_ref().map(EnvironmentId::as_str));
        self.connection.execute(sql).await.map(drop)
    }

    async fn find_key(&mut self, id: &ApiKeyId) -> sqlx::Result<Option<ApiKey>> {
        let mut sql = Sql::new(keys::COLUMNS);
        sql.push("id = ").push_bind(id.as_str());
        let row = self.connection.fetch_optional(sql).await?;
        row.as_ref().map(keys::key).transpose()
    }

    async fn revoke_key(&mut self, id: &ApiKeyId) -> Result<AdminOutcome, Failure> {
        let unknown = || Error::not_found(ApiKeyId::WHAT, id);
        let key = self.find_key(id).await?.ok_or_else(unknown)?;
        if self.admin.reach.as_ref().is_some_and(|reach| *reach != key.workspace) {
            return Err(unknown().into());
        }
        // Others that change keys hold the workspace first, too.
        ledger::lock(self.connection, &key.workspace).await?;
        let mut key = self.find_key(id).await?.ok_or_else(unknown)?;
        if key.revoked_at.is_none() {
            let workspace = key.workspace.as_str();
            let at = self.enter(workspace, Kind::KeyRevoked, id.as_str()).await?;
            let sql = Sql::new("update api_keys set revoked_at = $1 where id = $2");
            self.connection.execute(sql.bind(at.micros()).bind(id.as_str())).await?;
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
        self.require_workspace(&key.workspace).await?;
        let kept = Sql::new("select 1 from api_keys where id = $1").bind(key.id.as_str());
        if self.connection.fetch_optional(kept).await?.is_none() {
            let ledger = key.workspace.as_str();
            self.enter(ledger, Kind::KeyCreated, key.id.as_str()).await?;
            self.insert_key(key).await?;
        }
        Ok(AdminOutcome::Done)
    }

    /// Enters the change in the workspace's journal.
    async fn enter(
        &mut self,
        workspace: &str,
        kind: Kind,
        subject: &str,
    ) -> Result<Timestamp, Failure> {
        let entering = Entering { workspace, kind, subject, by: &self.admin.by, at: self.admin.at };
        ledger::enter(self.connection, entering).await
    }
}
