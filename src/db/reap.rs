//! Erasing what deleted stores, sessions and workspaces leave, in batches small enough that writers
//! hardly wait.

use super::connection::Connection;
use super::log;
use super::shared::{Backend, Shared};
use super::sql::Sql;
use crate::domain::Result;
use crate::domain::time::Timestamp;

const BATCH: i64 = 100;

const NEXT: &str = "select id from stores where deleted_at is not null and erased_at is null \
                    order by deleted_at limit 1";
const MEMORIES: &str =
    "delete from memories where id in (select id from memories where store_id = $1 limit $2)";
const VERSIONS: &str =
    "delete from versions where id in (select id from versions where store_id = $1 limit $2)";
const EMPTY: &str = "update stores set name = '', description = '', metadata = '{}', memories = 0, \
                     erased_at = $2 where id = $1";

const NEXT_SESSION: &str =
    "select id from sessions where deleted_at is not null order by deleted_at limit 1";
const EVENTS: &str = "delete from events where session_id = $1 and seq in (select seq from events \
                      where session_id = $1 limit $2)";
/// What is left of a session without events. A token points to its work.
const SESSION: [&str; 4] = [
    "delete from session_tokens where session_id = $1",
    "delete from work where session_id = $1",
    "delete from session_stores where session_id = $1",
    "delete from sessions where id = $1",
];

/// What an older version made in a workspace half a second after its deletion.
const LATE: [&str; 2] = [
    "update sessions set deleted_at = $1 where deleted_at is null and workspace_id in (select w.id \
     from workspaces w where w.deleted_at is not null)",
    "update environments set deleted_at = $1 where deleted_at is null and workspace_id in (select \
     w.id from workspaces w where w.deleted_at is not null)",
];

const NEXT_AGENT: &str = "select id from agents where workspace_id in (select w.id from workspaces \
                          w where w.deleted_at is not null) limit 1";
const AGENT: [&str; 2] =
    ["delete from agent_versions where agent_id = $1", "delete from agents where id = $1"];

/// Erases one batch; says whether there is more.
pub async fn run(shared: &Shared, at: Timestamp) -> Result<bool> {
    let mut connection = shared.writing().await?;
    shared.check()?;
    let reaped = match transact(&mut connection, at).await {
        Ok(reaped) => reaped,
        Err(error) => {
            connection.roll_back().await;
            return Err(shared.failed(error));
        }
    };
    match (&shared.backend, reaped) {
        (_, Reaped::Nothing) => Ok(false),
        (Backend::Postgres(_), _) => Ok(true),
        (Backend::Sqlite(_), Reaped::Rows) => {
            let done = log::checkpoint(&mut connection).await;
            done.map(|()| true).map_err(|error| shared.failed(error))
        }
        // What the rows held is in the log until it is emptied; a reader may put that off.
        (Backend::Sqlite(_), Reaped::Last) => {
            Ok(shared.truncate(&mut connection).await.map_or(true, |()| true))
        }
    }
}

/// What one batch erased.
#[derive(Clone, Copy)]
enum Reaped {
    Nothing,
    Rows,
    /// The last of a store, a session or an agent.
    Last,
}

async fn transact(connection: &mut Connection, at: Timestamp) -> sqlx::Result<Reaped> {
    let mut next = Sql::new(NEXT);
    next.push(connection.dialect().lock());
    connection.begin().await?;
    let reaped = match connection.fetch_optional(next).await? {
        Some(store) => erase(connection, store.get(0)?, at).await?,
        None => erase_session(connection, at).await?,
    };
    connection.commit().await?;
    Ok(reaped)
}

async fn erase_session(connection: &mut Connection, at: Timestamp) -> sqlx::Result<Reaped> {
    let Some(session) = next(connection, NEXT_SESSION).await? else {
        return delete_late(connection, at).await;
    };
    let events = Sql::new(EVENTS).bind(session.as_str()).bind(BATCH);
    if connection.execute(events).await? > 0 {
        return Ok(Reaped::Rows);
    }
    for sql in SESSION {
        connection.execute(Sql::new(sql).bind(session.as_str())).await?;
    }
    Ok(Reaped::Last)
}

/// So that the sessions among it are erased next.
async fn delete_late(connection: &mut Connection, at: Timestamp) -> sqlx::Result<Reaped> {
    let mut found = 0;
    for sql in LATE {
        found += connection.execute(Sql::new(sql).bind(at.micros())).await?;
    }
    if found > 0 { Ok(Reaped::Rows) } else { erase_agent(connection).await }
}

/// Agents of a deleted workspace go when its sessions are gone, which point to them.
async fn erase_agent(connection: &mut Connection) -> sqlx::Result<Reaped> {
    let Some(agent) = next(connection, NEXT_AGENT).await? else { return Ok(Reaped::Nothing) };
    for sql in AGENT {
        connection.execute(Sql::new(sql).bind(agent.as_str())).await?;
    }
    Ok(Reaped::Last)
}

async fn next(connection: &mut Connection, sql: &'static str) -> sqlx::Result<Option<String>> {
    let mut sql = Sql::new(sql);
    sql.push(connection.dialect().lock());
    connection.fetch_optional(sql).await?.map(|row| row.get(0)).transpose()
}

async fn erase(connection: &mut Connection, store: &str, at: Timestamp) -> sqlx::Result<Reaped> {
    for sql in [MEMORIES, VERSIONS] {
        if connection.execute(Sql::new(sql).bind(store).bind(BATCH)).await? > 0 {
            return Ok(Reaped::Rows);
        }
    }
    connection.execute(Sql::new(EMPTY).bind(store).bind(at.micros())).await?;
    Ok(Reaped::Last)
}
