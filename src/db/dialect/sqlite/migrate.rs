//! The migrations of a SQLite file: what is missing is applied in one transaction, so that a file has
//! the schema from before or the new one. The table of what was applied is the one that sqlx keeps on
//! Postgres.

use rusqlite::{Connection, TransactionBehavior};
use sqlx::migrate::{MigrateError, Migrator};

use super::error::trouble;
use crate::db::schema::{Applied, check};

const APPLIED: &str = "create table if not exists _sqlx_migrations (
  version bigint primary key,
  description text not null,
  installed_on timestamp not null default current_timestamp,
  success boolean not null,
  checksum blob not null,
  execution_time bigint not null
)";

/// Another process that starts at the same time waits for the transaction, and finds nothing left.
pub fn run(connection: &mut Connection, migrator: &Migrator) -> Result<(), MigrateError> {
    let mut run = || {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(APPLIED)?;
        let applied = applied(&transaction)?;
        // Asked again: what was applied while this process waited for its turn may be more than it
        // knows.
        if let Err(refused) = check(&applied, migrator) {
            return Ok(Err(refused));
        }
        for migration in migrator.iter().filter(|one| !applied.contains_key(&one.version)) {
            transaction.execute_batch(migration.sql.as_str())?;
            let row = (migration.version, &*migration.description, &*migration.checksum);
            transaction.execute(
                "insert into _sqlx_migrations (version, description, success, checksum, \
                 execution_time) values (?, ?, true, ?, 0)",
                row,
            )?;
        }
        transaction.commit().map(Ok)
    };
    run().map_err(|error| MigrateError::Execute(trouble(error)))?
}

fn applied(connection: &Connection) -> rusqlite::Result<Applied> {
    let mut rows = connection.prepare("select version, checksum, success from _sqlx_migrations")?;
    rows.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?.collect()
}
