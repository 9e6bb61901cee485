//! The work queues of self-hosted environments.

use super::connection::Connection;
use super::sessions::find_locked;
use super::sql::{Arg, Row, Sql};
use super::stores::newest_first;
use super::transaction::{Failure, Transaction};
use super::{Db, rows, verdict};
use crate::domain::id::{EnvironmentId, SessionId, TokenId, WorkId, WorkspaceId};
use crate::domain::page::{Cursor, List, Page, Paging, TimeRange};
use crate::domain::session::Session;
use crate::domain::text::MetadataPatch;
use crate::domain::time::Timestamp;
use crate::domain::work::{GRACE_SECONDS, Heartbeat, State, Work};
use crate::domain::{Error, Result};

pub const COLUMNS: &str = "select id, workspace_id, environment_id, session_id, state, metadata, created_at, offered_at, \
     acknowledged_at, started_at, latest_heartbeat_at, stop_requested_at, stopped_at, ttl_seconds, \
     leased_until, token_id from work where ";
/// Work of a deleted session is erased later; it is gone at once.
const OF_LIVE_SESSIONS: &str = " and exists (select 1 from sessions s where s.id = \
     work.session_id and s.deleted_at is null)";

/// What an item of work is asked for.
#[derive(Clone, Debug)]
pub enum WorkChange {
    Acknowledge,
    Heartbeat { expected: Option<String>, wish: Option<i64> },
    Stop { force: bool },
    Update { metadata: MetadataPatch },
}

/// Which item, for whom, when.
#[derive(Clone, Debug)]
pub struct OnWork {
    pub workspace: WorkspaceId,
    pub environment: EnvironmentId,
    pub id: WorkId,
    /// A session token reaches its own work only.
    pub held_by: Option<(SessionId, TokenId)>,
    /// The ID of an item that may have to follow.
    pub next: WorkId,
    pub at: Timestamp,
}

/// How a queue stands.
#[derive(Clone, Debug, Default)]
pub struct QueueStats {
    pub waiting: i64,
    pub offered: i64,
    pub oldest: Option<Timestamp>,
}

impl Db {
    pub async fn change_work(
        &self,
        on: OnWork,
        change: WorkChange,
    ) -> Result<(Work, Option<Heartbeat>)> {
        let changed = self.change(Change { on, change }).await?;
        self.arrived();
        Ok(changed)
    }

    pub async fn work(&self, on: &OnWork) -> Result<Work> {
        let mut reader = self.read().await?;
        let found = find(&mut reader, on, "").await.map_err(verdict::trouble)?;
        found.ok_or_else(|| Error::not_found(WorkId::WHAT, &on.id))
    }

    /// Newest first.
    pub async fn works(
        &self,
        workspace: &WorkspaceId,
        environment: &EnvironmentId,
        paging: &Paging,
    ) -> Result<Page<Work>> {
        let mut sql = Sql::new(COLUMNS);
        sql.push("environment_id = ").push_bind(environment.as_str());
        sql.push(" and workspace_id = ").push_bind(workspace.as_str()).push(OF_LIVE_SESSIONS);
        newest_first(&mut sql, List::Work, environment, TimeRange::default(), paging)?;
        let mut reader = self.read().await?;
        let found = reader.fetch_all(sql).await.map_err(verdict::trouble)?;
        let found = found.iter().map(work).collect::<sqlx::Result<Vec<_>>>();
        Ok(Page::cut(found.map_err(verdict::trouble)?, paging.limit, |work| {
            Cursor::time(List::Work, environment, work.created_at, &work.id)
        }))
    }

    pub async fn queue_stats(
        &self,
        workspace: &WorkspaceId,
        environment: &EnvironmentId,
    ) -> Result<QueueStats> {
        let sql = Sql::new(
            "select cast(coalesce(sum(case when offered_at is null then 1 else 0 end), 0) as \
             bigint), cast(coalesce(sum(case when offered_at is null then 0 else 1 end), 0) as \
             bigint), min(created_at) from work where environment_id = $1 and workspace_id = $2 \
             and state = 'queued'",
        );
        let sql = sql.bind(environment.as_str()).bind(workspace.as_str());
        let read = |row: Row| -> sqlx::Result<QueueStats> {
            Ok(QueueStats {
                waiting: row.get(0)?,
                offered: row.get(1)?,
                oldest: rows::maybe_time(&row, 2)?,
            })
        };
        let row = self.read().await?.fetch_one(sql).await;
        row.and_then(read).map_err(verdict::trouble)
    }
}

struct Change {
    on: OnWork,
    change: WorkChange,
}

impl Transaction for Change {
    type Done = (Work, Option<Heartbeat>);

    async fn apply(&self, connection: &mut Connection) -> Result<Self::Done, Failure> {
        let unknown = || Error::not_found(WorkId::WHAT, &self.on.id);
        let session = match &self.change {
            WorkChange::Stop { .. } => {
                let found = find(connection, &self.on, "").await?.ok_or_else(unknown)?;
                // Whoever sends events holds the session first, too.
                Some(find_locked(connection, &self.on.workspace, &found.session).await?)
            }
            _ => None,
        };
        let lock = connection.dialect().lock();
        let mut found = find(connection, &self.on, lock).await?.ok_or_else(unknown)?;
        let before = found.clone();
        let token = self.token_of(connection, &found).await?;
        let mut beat = None;
        match &self.change {
            WorkChange::Acknowledge => found.acknowledge(self.on.at)?,
            WorkChange::Heartbeat { expected, wish } => {
                let expected = expected.as_deref();
                beat = Some(found.heartbeat(expected, *wish, token, self.on.at)?);
            }
            WorkChange::Stop { force } => {
                token.map_or(Ok(()), |token| found.check_stop(token))?;
                found.stop(*force, self.on.at);
            }
            WorkChange::Update { metadata } => found.update(metadata)?,
        }
        if found != before {
            save(connection, &found).await?;
        }
        if (found.token_until(), &found.token) != (before.token_until(), &before.token) {
            end_token(
                connection,
                before.token.as_ref().filter(|_| found.token != before.token),
                self.on.at,
            )
            .await?;
            extend_token(connection, &found).await?;
        }
        let stopped = found.state == State::Stopped && before.state != State::Stopped;
        if let Some(session) = session.filter(|_| stopped)
            && let Some(at) = session.left_by(&found, self.on.at)
        {
            insert(connection, &session, self.on.next.clone(), at).await?;
        }
        Ok((found, beat))
    }
}

impl Change {
    /// The token that asks, where it was made for an item. One that an administrator made was not.
    async fn token_of(
        &self,
        connection: &mut Connection,
        found: &Work,
    ) -> Result<Option<&TokenId>, Failure> {
        let Some((_, token)) = &self.on.held_by else { return Ok(None) };
        let sql = Sql::new("select work_id from session_tokens where id = $1");
        let row = connection.fetch_optional(sql.bind(token.as_str())).await?;
        match row.map(|row| row.get::<Option<String>>(0)).transpose()?.flatten() {
            Some(of) if of == found.id.as_str() => Ok(Some(token)),
            Some(_) => Err(Error::not_found(WorkId::WHAT, &found.id).into()),
            None => Ok(None),
        }
    }
}

/// Lets a token that has lost its item go on for as long as it takes to save what there is.
async fn end_token(
    connection: &mut Connection,
    token: Option<&TokenId>,
    now: Timestamp,
) -> sqlx::Result<()> {
    let Some(token) = token else { return Ok(()) };
    let sql = Sql::new("update session_tokens set expires_at = $1 where id = $2");
    let grace = now.plus_seconds(GRACE_SECONDS).micros();
    connection.execute(sql.bind(grace).bind(token.as_str())).await.map(drop)
}

/// The token of the last offer ends when its hold does; those of earlier offers have their end.
async fn extend_token(connection: &mut Connection, work: &Work) -> sqlx::Result<()> {
    let sql = Sql::new("update session_tokens set expires_at = $1 where id = $2");
    let sql = sql.bind(work.token_until().map(Timestamp::micros));
    connection.execute(sql.bind(work.token.as_ref().map(TokenId::as_str))).await.map(drop)
}

async fn find(connection: &mut Connection, on: &OnWork, lock: &str) -> sqlx::Result<Option<Work>> {
    let mut sql = Sql::new(COLUMNS);
    sql.push("id = ").push_bind(on.id.as_str());
    sql.push(" and environment_id = ").push_bind(on.environment.as_str());
    sql.push(" and workspace_id = ").push_bind(on.workspace.as_str()).push(OF_LIVE_SESSIONS);
    if let Some((session, _)) = &on.held_by {
        sql.push(" and session_id = ").push_bind(session.as_str());
    }
    sql.push(lock);
    connection.fetch_optional(sql).await?.as_ref().map(work).transpose()
}

/// Queues a session.
pub async fn insert(
    connection: &mut Connection,
    session: &Session,
    id: WorkId,
    at: Timestamp,
) -> sqlx::Result<()> {
    let (workspace, environment) = (session.workspace.clone(), session.environment.clone());
    let work = Work::new(id, workspace, environment, session.id.clone(), at);
    let mut sql = Sql::new(
        "insert into work (id, workspace_id, environment_id, session_id, created_at, state, \
         metadata, offered_at, acknowledged_at, started_at, latest_heartbeat_at, \
         stop_requested_at, stopped_at, ttl_seconds, leased_until, token_id) ",
    );
    let mut values: Vec<Arg> = vec![
        work.id.as_str().into(),
        work.workspace.as_str().into(),
        work.environment.as_str().into(),
        work.session.as_str().into(),
        work.created_at.micros().into(),
    ];
    values.extend(states(&work).map(|(_, value)| value));
    sql.push("values (").push_list(values).push(")");
    connection.execute(sql).await.map(drop)
}

/// Whether a session is queued, or somebody works on it.
pub async fn is_any_open(
    connection: &mut Connection,
    session: &SessionId,
    now: Timestamp,
) -> sqlx::Result<bool> {
    Ok(of_session(connection, session).await?.iter().any(|work| work.is_open(now)))
}

/// Stops all work on a session.
pub async fn stop_all(
    connection: &mut Connection,
    session: &SessionId,
    now: Timestamp,
) -> sqlx::Result<()> {
    for mut work in of_session(connection, session).await? {
        end(connection, &mut work, now).await?;
    }
    Ok(())
}

async fn end(connection: &mut Connection, work: &mut Work, now: Timestamp) -> sqlx::Result<()> {
    work.stop(true, now);
    save(connection, work).await?;
    extend_token(connection, work).await
}

/// Stops what nobody has taken. Whoever works on a session sees by its events that it is over, and
/// saves what it has.
pub async fn stop_unheld(
    connection: &mut Connection,
    session: &SessionId,
    now: Timestamp,
) -> sqlx::Result<()> {
    for mut work in of_session(connection, session).await? {
        if work.state == State::Queued {
            end(connection, &mut work, now).await?;
        }
    }
    Ok(())
}

/// Items of a session that are not stopped; nobody else changes them meanwhile.
async fn of_session(connection: &mut Connection, session: &SessionId) -> sqlx::Result<Vec<Work>> {
    let mut sql = Sql::new(COLUMNS);
    sql.push("session_id = ").push_bind(session.as_str());
    sql.push(" and state <> 'stopped' order by created_at, id").push(connection.dialect().lock());
    connection.fetch_all(sql).await?.iter().map(work).collect()
}

pub async fn save(connection: &mut Connection, work: &Work) -> sqlx::Result<()> {
    let mut sql = Sql::new("update work set ");
    for (at, (column, value)) in states(work).into_iter().enumerate() {
        sql.push(if at == 0 { "" } else { ", " }).push(column).push(" = ").push_bind(value);
    }
    sql.push(" where id = ").push_bind(work.id.as_str());
    connection.execute(sql).await.map(drop)
}

/// The columns that change.
fn states(work: &Work) -> [(&'static str, Arg); 11] {
    let time = |at: Option<Timestamp>| at.map(Timestamp::micros).into();
    [
        ("state", work.state.as_str().into()),
        ("metadata", rows::pairs(&work.metadata).into()),
        ("offered_at", time(work.offered_at)),
        ("acknowledged_at", time(work.acknowledged_at)),
        ("started_at", time(work.started_at)),
        ("latest_heartbeat_at", time(work.latest_heartbeat_at)),
        ("stop_requested_at", time(work.stop_requested_at)),
        ("stopped_at", time(work.stopped_at)),
        ("ttl_seconds", work.ttl_seconds.into()),
        ("leased_until", time(work.leased_until)),
        ("token_id", work.token.as_ref().map(TokenId::as_str).into()),
    ]
}

/// Reads [`COLUMNS`].
pub fn work(row: &Row) -> sqlx::Result<Work> {
    Ok(Work {
        id: WorkId::stored(row.get(0)?),
        workspace: WorkspaceId::stored(row.get(1)?),
        environment: EnvironmentId::stored(row.get(2)?),
        session: SessionId::stored(row.get(3)?),
        state: State::parse(row.get(4)?).ok_or_else(|| rows::corrupt("state"))?,
        metadata: rows::metadata(row, 5)?,
        created_at: rows::time(row, 6)?,
        offered_at: rows::maybe_time(row, 7)?,
        acknowledged_at: rows::maybe_time(row, 8)?,
        started_at: rows::maybe_time(row, 9)?,
        latest_heartbeat_at: rows::maybe_time(row, 10)?,
        stop_requested_at: rows::maybe_time(row, 11)?,
        stopped_at: rows::maybe_time(row, 12)?,
        ttl_seconds: row.get(13)?,
        leased_until: rows::maybe_time(row, 14)?,
        token: row.get::<Option<String>>(15)?.map(TokenId::stored),
    })
}
