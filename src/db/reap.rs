//! Erasing what a deleted store leaves, in batches small enough that writers hardly wait.

use sqlx::{Row, SqliteConnection};

use super::{Shared, dialect};
use crate::domain::Result;
use crate::domain::time::Timestamp;

const BATCH: i64 = 100;

/// Erases one batch; says whether there is more.
pub async fn run(shared: &Shared, at: Timestamp) -> Result<bool> {
    let mut connection = shared.writer.lock().await;
    shared.check()?;
    let failed = |error| shared.failed(error);
    dialect::begin(&mut connection).await.map_err(failed)?;
    let mut erased = erase(&mut connection, at).await;
    if let Ok(reaped) = erased {
        erased = dialect::commit(&mut connection).await.map(|()| reaped);
    }
    if erased.is_err() {
        dialect::roll_back(&mut connection).await;
    }
    match erased.map_err(failed)? {
        Reaped::Nothing => Ok(false),
        Reaped::Rows => dialect::checkpoint(&mut connection).await.map(|()| true).map_err(failed),
        // What the rows held is in the log until it is emptied; a reader may put that off.
        Reaped::Store => Ok(shared.truncate(&mut connection).await.map_or(true, |()| true)),
    }
}

/// What one batch erased.
#[derive(Clone, Copy)]
enum Reaped {
    Nothing,
    Rows,
    /// The last of a store.
    Store,
}

async fn erase(connection: &mut SqliteConnection, at: Timestamp) -> sqlx::Result<Reaped> {
    const NEXT: &str = "select id from stores where deleted_at is not null and erased_at is null \
                        order by deleted_at limit 1";
    let Some(row) = sqlx::query(NEXT).fetch_optional(&mut *connection).await? else {
        return Ok(Reaped::Nothing);
    };
    let store: String = row.try_get(0)?;
    for sql in [
        "delete from memories where id in (select id from memories where store_id = $1 limit $2)",
        "delete from versions where id in (select id from versions where store_id = $1 limit $2)",
    ] {
        let deleted = sqlx::query(sql).bind(&store).bind(BATCH).execute(&mut *connection).await?;
        if deleted.rows_affected() > 0 {
            return Ok(Reaped::Rows);
        }
    }
    sqlx::query(
        "update stores set name = '', description = '', metadata = '{}', memories = 0, \
         erased_at = $2 where id = $1",
    )
    .bind(&store)
    .bind(at.micros())
    .execute(connection)
    .await?;
    Ok(Reaped::Store)
}
