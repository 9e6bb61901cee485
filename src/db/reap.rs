//! Erasing what a deleted store leaves, in batches small enough that writers hardly wait.

use sqlx::{Row, SqliteConnection};

use super::{Shared, dialect};
use crate::domain::Result;

const BATCH: i64 = 500;

/// Erases one batch; says whether there is more.
pub async fn run(shared: &Shared) -> Result<bool> {
    let mut connection = shared.writer.lock().await;
    shared.check()?;
    let failed = |error| shared.failed(error);
    dialect::begin(&mut connection).await.map_err(failed)?;
    let mut erased = erase(&mut connection).await;
    if let Ok(more) = erased {
        erased = dialect::commit(&mut connection).await.map(|()| more);
    }
    if erased.is_err() {
        dialect::roll_back(&mut connection).await;
    }
    erased.map_err(failed)
}

async fn erase(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    const NEXT: &str = "select id from stores where deleted_at is not null and erased_at is null \
                        order by deleted_at limit 1";
    let Some(row) = sqlx::query(NEXT).fetch_optional(&mut *connection).await? else {
        return Ok(false);
    };
    let store: String = row.try_get(0)?;
    for sql in [
        "delete from memories where id in (select id from memories where store_id = $1 limit $2)",
        "delete from versions where id in (select id from versions where store_id = $1 limit $2)",
    ] {
        let deleted = sqlx::query(sql).bind(&store).bind(BATCH).execute(&mut *connection).await?;
        if deleted.rows_affected() > 0 {
            return Ok(true);
        }
    }
    sqlx::query(
        "update stores set name = '', description = '', metadata = '{}', memories = 0, \
         erased_at = deleted_at where id = $1",
    )
    .bind(&store)
    .execute(connection)
    .await?;
    Ok(true)
}
