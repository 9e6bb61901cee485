//! The write-ahead log of a SQLite file: how it is kept small, and emptied.

use std::time::Duration;

use super::connection::Connection;
use super::dialect::sqlite;
use super::sql::Sql;

const TRUNCATES_WITHIN: Duration = Duration::from_millis(500);

/// Copies the log into the file as far as readers allow.
pub async fn checkpoint(connection: &mut Connection) -> sqlx::Result<()> {
    connection.fetch_all(Sql::new("pragma wal_checkpoint(passive)")).await.map(drop)
}

/// Copies the log into the file and empties it; false where a reader prevents that for half a
/// second. (Everyone else waits meanwhile.)
pub async fn truncate(connection: &mut Connection) -> sqlx::Result<bool> {
    connection.wait_for_others(TRUNCATES_WITHIN)?;
    let row = connection.fetch_one(Sql::new("pragma wal_checkpoint(truncate)")).await;
    connection.wait_for_others(sqlite::BUSY_WAIT)?;
    Ok(row?.get::<i64>(0)? == 0)
}

/// Writes the whole file anew, so that its free space holds nothing. The copy that this takes is the one
/// thing that is kept in a temporary file and not in memory: it is as large as all stores.
pub async fn rewrite(connection: &mut Connection) -> sqlx::Result<()> {
    connection.execute(Sql::new("pragma temp_store = file")).await?;
    let rewritten = connection.execute(Sql::new("vacuum")).await;
    connection.execute(Sql::new("pragma temp_store = memory")).await?;
    rewritten.map(drop)
}
