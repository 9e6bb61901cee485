//! The schema: brought up to date at every start; a newer one than this program knows is refused.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Row, SqliteConnection};

use super::{batch, dialect};
use crate::domain::id::{RequestId, WorkspaceId};
use crate::domain::journal::{Attribution, Entry, Kind};
use crate::domain::time::Timestamp;
use crate::domain::{Error, Result};

static MIGRATOR: Migrator = sqlx::migrate!("migrations/sqlite");

/// What is the same for every instance on one database.
#[derive(Clone, Debug)]
pub struct Installation {
    /// A UUID, sent with every answer.
    pub organization: String,
    pub first_workspace: WorkspaceId,
}

/// What a database that is new gets.
#[derive(Clone, Debug)]
pub struct Fresh {
    pub organization: String,
    pub workspace: WorkspaceId,
    pub request: RequestId,
    pub at: Timestamp,
}

pub async fn run(connection: &mut SqliteConnection, fresh: Fresh) -> Result<Installation> {
    MIGRATOR.run(&mut *connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) | MigrateError::VersionTooNew(version, _) => {
            Error::Unavailable {
                reason: format!(
                    "this database has schema {version}, which this memstored does not know: it \
                     was written by a newer one; run that version or a later one"
                ),
                retry: false,
            }
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            dialect::trouble(error)
        }
        other => Error::internal(other),
    })?;
    dialect::begin(connection).await.map_err(dialect::trouble)?;
    match settle(connection, fresh).await {
        Ok(installation) => {
            dialect::commit(connection).await.map_err(dialect::trouble)?;
            Ok(installation)
        }
        Err(error) => {
            dialect::roll_back(connection).await;
            Err(dialect::trouble(error))
        }
    }
}

/// Reads the installation, or founds it.
async fn settle(connection: &mut SqliteConnection, fresh: Fresh) -> sqlx::Result<Installation> {
    const READ: &str = "select organization_id, first_workspace_id from installation";
    if let Some(row) = sqlx::query(READ).fetch_optional(&mut *connection).await? {
        return Ok(Installation {
            organization: row.try_get(0)?,
            first_workspace: WorkspaceId::stored(row.try_get(1)?),
        });
    }
    sqlx::query(
        "insert into workspaces (id, name, created_at, last_seq, last_at) \
         values ($1, 'default', $2, 1, $2)",
    )
    .bind(fresh.workspace.as_str())
    .bind(fresh.at.micros())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "insert into installation (only_row, organization_id, first_workspace_id, created_at) \
         values (1, $1, $2, $3)",
    )
    .bind(&fresh.organization)
    .bind(fresh.workspace.as_str())
    .bind(fresh.at.micros())
    .execute(&mut *connection)
    .await?;
    let founding = Entry {
        ledger: fresh.workspace.to_string(),
        seq: 1,
        at: fresh.at,
        kind: Kind::WorkspaceCreated,
        subject: fresh.workspace.to_string(),
        by: Attribution { actor: None, credential: None, request: fresh.request },
    };
    batch::journal(connection, &[founding]).await?;
    Ok(Installation { organization: fresh.organization, first_workspace: fresh.workspace })
}
