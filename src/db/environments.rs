//! Environments.

use super::connection::Connection;
use super::ledger::{self, Entering};
use super::sql::{Row, Sql};
use super::stores::newest_first;
use super::transaction::{Failure, Transaction};
use super::{Db, rows, verdict};
use crate::domain::environment::{Environment, EnvironmentPatch, Place};
use crate::domain::id::{EnvironmentId, WorkspaceId};
use crate::domain::journal::{Attribution, Kind};
use crate::domain::page::{Cursor, List, Page, Paging, TimeRange};
use crate::domain::time::Timestamp;
use crate::domain::{Error, Result};

const ALL: &str = "select id, workspace_id, name, description, place, networking, packages, metadata, created_at, \
     updated_at, archived_at from environments where ";

/// Changes of an environment.
#[derive(Clone, Debug)]
pub enum EnvironmentChange {
    Update(EnvironmentPatch),
    Archive,
    Delete,
}

impl Db {
    pub async fn environment(
        &self,
        workspace: &WorkspaceId,
        id: &EnvironmentId,
    ) -> Result<Environment> {
        let mut reader = self.read().await?;
        let found = find(&mut reader, workspace, id).await.map_err(verdict::trouble)?;
        found.ok_or_else(|| Error::not_found(EnvironmentId::WHAT, id))
    }

    /// Newest first.
    pub async fn environments(
        &self,
        workspace: &WorkspaceId,
        include_archived: bool,
        paging: &Paging,
    ) -> Result<Page<Environment>> {
        let mut sql = Sql::new(ALL);
        sql.push("deleted_at is null and workspace_id = ").push_bind(workspace.as_str());
        if !include_archived {
            sql.push(" and archived_at is null");
        }
        newest_first(&mut sql, List::Environments, workspace, TimeRange::default(), paging)?;
        let mut reader = self.read().await?;
        let found = reader.fetch_all(sql).await.map_err(verdict::trouble)?;
        let found = found.iter().map(environment).collect::<sqlx::Result<Vec<_>>>();
        Ok(Page::cut(found.map_err(verdict::trouble)?, paging.limit, |environment| {
            Cursor::time(List::Environments, workspace, environment.created_at, &environment.id)
        }))
    }

    pub async fn create_environment(
        &self,
        environment: Environment,
        by: Attribution,
    ) -> Result<Environment> {
        self.change(Create { environment, by }).await
    }

    pub async fn change_environment(
        &self,
        workspace: WorkspaceId,
        id: EnvironmentId,
        change: EnvironmentChange,
        at: Timestamp,
        by: Attribution,
    ) -> Result<Environment> {
        self.change(Change { workspace, id, what: change, at, by }).await
    }
}

struct Create {
    environment: Environment,
    by: Attribution,
}

impl Transaction for Create {
    type Done = Environment;

    async fn apply(&self, connection: &mut Connection) -> Result<Environment, Failure> {
        let mut new = self.environment.clone();
        let entering = Entering {
            workspace: new.workspace.as_str(),
            kind: Kind::EnvironmentCreated,
            subject: new.id.as_str(),
            by: &self.by,
            at: new.created_at,
        };
        new.created_at = ledger::enter(connection, entering).await?;
        new.updated_at = new.created_at;
        let (networking, packages) = cloud(&new.place);
        let sql = Sql::new(
            "insert into environments (id, workspace_id, name, description, place, networking, \
             packages, metadata, created_at, updated_at) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
        );
        let sql = sql
            .bind(new.id.as_str())
            .bind(new.workspace.as_str())
            .bind(new.name.as_str())
            .bind(new.description.as_deref())
            .bind(new.place.as_str())
            .bind(networking)
            .bind(packages)
            .bind(rows::pairs(&new.metadata))
            .bind(new.created_at.micros());
        connection.execute(sql).await?;
        Ok(new)
    }
}

struct Change {
    workspace: WorkspaceId,
    id: EnvironmentId,
    what: EnvironmentChange,
    at: Timestamp,
    by: Attribution,
}

impl Transaction for Change {
    type Done = Environment;

    async fn apply(&self, connection: &mut Connection) -> Result<Environment, Failure> {
        ledger::lock(connection, &self.workspace).await?;
        let found = find(connection, &self.workspace, &self.id).await?;
        let found = found.ok_or_else(|| Error::not_found(EnvironmentId::WHAT, &self.id))?;
        match &self.what {
            EnvironmentChange::Update(patch) => match found.updated(patch.clone())? {
                Some(next) => self.update(connection, next).await,
                None => Ok(found),
            },
            EnvironmentChange::Archive if found.archived_at.is_some() => Ok(found),
            EnvironmentChange::Archive => self.archive(connection, found).await,
            EnvironmentChange::Delete => self.delete(connection, found).await,
        }
    }
}

impl Change {
    async fn enter(&self, connection: &mut Connection, kind: Kind) -> Result<Timestamp, Failure> {
        let entering = Entering {
            workspace: self.workspace.as_str(),
            kind,
            subject: self.id.as_str(),
            by: &self.by,
            at: self.at,
        };
        ledger::enter(connection, entering).await
    }

    async fn update(
        &self,
        connection: &mut Connection,
        mut next: Environment,
    ) -> Result<Environment, Failure> {
        next.updated_at = self.enter(connection, Kind::EnvironmentUpdated).await?;
        let (networking, packages) = cloud(&next.place);
        let sql = Sql::new(
            "update environments set name = $1, description = $2, networking = $3, packages = $4, \
             metadata = $5, updated_at = $6 where id = $7",
        );
        let sql = sql
            .bind(next.name.as_str())
            .bind(next.description.as_deref())
            .bind(networking)
            .bind(packages)
            .bind(rows::pairs(&next.metadata))
            .bind(next.updated_at.micros())
            .bind(next.id.as_str());
        connection.execute(sql).await?;
        Ok(next)
    }

    async fn archive(
        &self,
        connection: &mut Connection,
        mut found: Environment,
    ) -> Result<Environment, Failure> {
        let at = self.enter(connection, Kind::EnvironmentArchived).await?;
        let sql =
            Sql::new("update environments set archived_at = $1, updated_at = $1 where id = $2");
        connection.execute(sql.bind(at.micros()).bind(self.id.as_str())).await?;
        found.archived_at = Some(at);
        found.updated_at = at;
        Ok(found)
    }

    /// With its keys revoked. Sessions that were made in it stay.
    async fn delete(
        &self,
        connection: &mut Connection,
        found: Environment,
    ) -> Result<Environment, Failure> {
        let at = self.enter(connection, Kind::EnvironmentDeleted).await?;
        for sql in [
            "update environments set deleted_at = $1 where id = $2",
            "update api_keys set revoked_at = $1 where environment_id = $2 and revoked_at is null",
        ] {
            connection.execute(Sql::new(sql).bind(at.micros()).bind(self.id.as_str())).await?;
        }
        Ok(found)
    }
}

fn cloud(place: &Place) -> (Option<&str>, Option<&str>) {
    match place {
        Place::Cloud { networking, packages } => {
            (Some(networking.as_str()), Some(packages.as_str()))
        }
        Place::SelfHosted => (None, None),
    }
}

/// One environment, deleted or not.
pub async fn find_any(
    connection: &mut Connection,
    workspace: &WorkspaceId,
    id: &EnvironmentId,
) -> sqlx::Result<Option<Environment>> {
    let mut sql = Sql::new(ALL);
    sql.push("workspace_id = ").push_bind(workspace.as_str());
    sql.push(" and id = ").push_bind(id.as_str());
    connection.fetch_optional(sql).await?.as_ref().map(environment).transpose()
}

pub async fn find(
    connection: &mut Connection,
    workspace: &WorkspaceId,
    id: &EnvironmentId,
) -> sqlx::Result<Option<Environment>> {
    let mut sql = Sql::new(ALL);
    sql.push("deleted_at is null and workspace_id = ").push_bind(workspace.as_str());
    sql.push(" and id = ").push_bind(id.as_str());
    connection.fetch_optional(sql).await?.as_ref().map(environment).transpose()
}

/// Reads [`ALL`].
fn environment(row: &Row) -> sqlx::Result<Environment> {
    let networking = rows::maybe_json(row, 5)?;
    let packages = rows::maybe_json(row, 6)?;
    Ok(Environment {
        id: EnvironmentId::stored(row.get(0)?),
        workspace: WorkspaceId::stored(row.get(1)?),
        name: row.get(2)?,
        description: row.get(3)?,
        place: match (networking, packages) {
            (Some(networking), Some(packages)) => Place::Cloud { networking, packages },
            _ => Place::SelfHosted,
        },
        metadata: rows::metadata(row, 7)?,
        created_at: rows::time(row, 8)?,
        updated_at: rows::time(row, 9)?,
        archived_at: rows::maybe_time(row, 10)?,
    })
}
