//! The schema: brought up to date at every start; a newer one than this program knows is refused.
//!
//! Instances that start together migrate one after the other, and one of them founds the
//! installation. A schema that is up to date is only read, so that a server needs no right to
//! change one.

use sqlx::migrate::{MigrateError, Migrator};

use super::connection::Connection;
use super::dialect::{Dialect, Verdict};
use super::location::Location;
use super::schema::{Applied, Tables, begins, check, foreign};
use super::script::Script;
use super::sql::Sql;
use super::{batch, verdict};
use crate::domain::id::{RequestId, WorkspaceId};
use crate::domain::journal::{Attribution, Entry, Kind};
use crate::domain::time::Timestamp;
use crate::domain::{Error, Result};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

const INSTALLATION: &str = "select organization_id, first_workspace_id from installation";

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

/// How a database's schema stands beside the one that this program knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// The last migration that was applied; 0 for an empty database.
    pub applied: i64,
    /// The last one that this program has.
    pub latest: i64,
    /// Numbers and names of those that are still to be applied.
    pub missing: Vec<(i64, String)>,
}

fn migrator(dialect: Dialect) -> &'static Migrator {
    match dialect {
        Dialect::Sqlite => &SQLITE,
        Dialect::Postgres => &POSTGRES,
    }
}

/// What the migrations are made of.
pub fn texts(dialect: Dialect) -> impl Iterator<Item = &'static str> {
    migrator(dialect).iter().map(|migration| migration.sql.as_str())
}

/// Compares schemas without changing anything; refuses one that is newer than this program, and
/// another program's.
pub async fn schema(connection: &mut Connection, location: &Location) -> Result<Schema> {
    let applied = applied(connection).await.map_err(|error| trouble(error, location))?;
    let migrator = migrator(connection.dialect());
    if !begins(&applied, migrator) {
        let tables = tables(connection).await.map_err(|error| trouble(error, location))?;
        if tables.are_foreign(&applied) {
            return Err(foreign(location));
        }
    }
    check(&applied, migrator).map_err(|error| in_words(error, location))?;
    let missing = migrator.iter().filter(|migration| !applied.contains_key(&migration.version));
    Ok(Schema {
        applied: applied.keys().last().copied().unwrap_or(0),
        latest: migrator.iter().map(|migration| migration.version).max().unwrap_or(0),
        missing: missing.map(|one| (one.version, one.description.to_string())).collect(),
    })
}

async fn applied(connection: &mut Connection) -> sqlx::Result<Applied> {
    let table = Sql::new(match connection.dialect() {
        Dialect::Sqlite => "select name from sqlite_master where name = '_sqlx_migrations'",
        Dialect::Postgres => {
            "select c.relname from pg_class c where c.oid = to_regclass('_sqlx_migrations')"
        }
    });
    if connection.fetch_optional(table).await?.is_none() {
        return Ok(Applied::new());
    }
    let sql = Sql::new(
        "select version, checksum, cast(case when success then 1 else 0 end as bigint) \
         from _sqlx_migrations",
    );
    let rows = connection.fetch_all(sql).await?;
    rows.iter().map(|row| Ok((row.get(0)?, (row.get(1)?, row.get::<i64>(2)? == 1)))).collect()
}

/// One statement, so that of an instance that is just migrating it sees all signs or none.
async fn tables(connection: &mut Connection) -> sqlx::Result<Tables> {
    let row = connection.fetch_one(Sql::new(connection.dialect().tables())).await?;
    Ok(Tables { others: row.get(0)?, signs: row.get(1)? })
}

/// Says who has to do something where a right is missing.
fn trouble(error: sqlx::Error, location: &Location) -> Error {
    match verdict::judge(&error) {
        Verdict::Denied => Error::Unavailable {
            reason: format!(
                "{location}: {}: the owner of its schema has to run `memstored migrate`, and to \
                 grant this role its rights",
                verdict::words(&error)
            ),
            retry: false,
        },
        _ => verdict::trouble(error),
    }
}

fn in_words(error: MigrateError, location: &Location) -> Error {
    let reason = match error {
        MigrateError::VersionMissing(version) | MigrateError::VersionTooNew(version, _) => format!(
            "this database has schema {version}, which this memstored does not know: it was \
             written by a newer one; run that version or a later one"
        ),
        MigrateError::Dirty(version) => format!(
            "schema {version} of this database was begun and never finished: restore it from a \
             backup"
        ),
        MigrateError::VersionMismatch(version) => format!(
            "schema {version} of this database is not the one that this memstored knows by that \
             number: it was made by a version that was never released"
        ),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            return trouble(error, location);
        }
        other => return Error::internal(other),
    };
    Error::Unavailable { reason, retry: false }
}

/// Brings the schema up to date, and reads the installation or founds it.
pub async fn run(
    connection: &mut Connection,
    location: &Location,
    fresh: Fresh,
) -> Result<Installation> {
    update(connection, location).await?;
    let known = installation(connection).await.map_err(|error| trouble(error, location))?;
    if let Some(known) = known {
        return Ok(known);
    }
    match found(connection, fresh).await {
        Ok(installation) => Ok(installation),
        Err(error) => {
            connection.roll_back().await;
            Err(verdict::trouble(error))
        }
    }
}

/// Applies what is missing. On Postgres the migrator holds an advisory lock meanwhile.
pub async fn update(connection: &mut Connection, location: &Location) -> Result<Schema> {
    let before = schema(connection, location).await?;
    if !before.missing.is_empty() {
        let migrator = migrator(connection.dialect());
        let migrated = connection.migrate(migrator).await;
        migrated.map_err(|error| in_words(error, location))?;
        // A newer program may have been faster.
        schema(connection, location).await?;
    }
    Ok(before)
}

pub async fn installation(connection: &mut Connection) -> sqlx::Result<Option<Installation>> {
    let row = connection.fetch_optional(Sql::new(INSTALLATION)).await?;
    row.map(|row| {
        Ok(Installation {
            organization: row.get(0)?,
            first_workspace: WorkspaceId::stored(row.get(1)?),
        })
    })
    .transpose()
}

/// Founds the installation, unless another instance has just done so.
async fn found(connection: &mut Connection, fresh: Fresh) -> sqlx::Result<Installation> {
    connection.begin().await?;
    if connection.dialect() == Dialect::Postgres {
        connection.execute(Sql::new("lock table installation in exclusive mode")).await?;
    }
    if let Some(found) = installation(connection).await? {
        connection.commit().await?;
        return Ok(found);
    }
    let (workspace, at) = (fresh.workspace.as_str(), fresh.at.micros());
    let founding = Entry {
        ledger: workspace.to_owned(),
        seq: 1,
        at: fresh.at,
        kind: Kind::WorkspaceCreated,
        subject: workspace.to_owned(),
        by: Attribution { actor: None, credential: None, request: fresh.request, reason: None },
    };
    let workspaces = "insert into workspaces (id, name, created_at, last_seq, last_at) \
                      values ($1, 'default', $2, 1, $2)";
    connection.execute(Sql::new(workspaces).bind(workspace).bind(at)).await?;
    let installation = "insert into installation (only_row, organization_id, first_workspace_id, \
                        created_at) values (1, $1, $2, $3)";
    let installation = Sql::new(installation).bind(fresh.organization.as_str());
    connection.execute(installation.bind(workspace).bind(at)).await?;
    let mut script = Script::new(connection.dialect());
    batch::journal(&mut script, &[founding]);
    connection.write_and_commit(script).await?;
    Ok(Installation { organization: fresh.organization, first_workspace: fresh.workspace })
}

#[cfg(test)]
mod tests {
    use sqlx::migrate::MigrationType;

    use super::*;

    #[test]
    fn what_is_applied_to_a_file_fits_one_transaction_and_goes_one_way() {
        for migration in SQLITE.iter() {
            assert!(!migration.no_tx, "{}", migration.description);
            assert_eq!(migration.migration_type, MigrationType::Simple);
        }
    }
}
