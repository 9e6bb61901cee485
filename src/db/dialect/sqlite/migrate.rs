//! The migrations of a SQLite file: what is missing is applied in one transaction, so that a file has
//! the schema from before or the new one. The table of what was applied is the one that sqlx keeps on
//! Postgres.

use std::collections::BTreeSet;

use rusqlite::{Connection, TransactionBehavior};
use sqlx::migrate::Migrator;

use super::error::trouble;

const APPLIED: &str = "create table if not exists _sqlx_migrations (
  version bigint primary key,
  description text not null,
  installed_on timestamp not null default current_timestamp,
  success boolean not null,
  checksum blob not null,
  execution_time bigint not null
)";

/// Another process that starts at the same time waits for the transaction, and finds nothing left.
pub fn run(connection: &mut Connection, migrator: &Migrator) -> sqlx::Result<()> {
    let mut run = || {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(APPLIED)?;
        let applied: BTreeSet<i64> = transaction
            .prepare("select version from _sqlx_migrations")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for migration in migrator.iter().filter(|one| !applied.contains(&one.version)) {
            transaction.execute_batch(migration.sql.as_str())?;
            let row = (migration.version, &*migration.description, &*migration.checksum);
            transaction.execute(
                "insert into _sqlx_migrations (version, description, success, checksum, \
                 execution_time) values (?, ?, true, ?, 0)",
                row,
            )?;
        }
        transaction.commit()
    };
    run().map_err(trouble)
}
