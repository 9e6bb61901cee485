//! Sessions with their attached stores. Their events, work and tokens have files of their own.

mod change;
mod create;

pub use change::SessionChange;
pub(super) use change::save;
pub use create::NewSessionRow;

use super::agents;
use super::batch::padded;
use super::connection::Connection;
use super::sql::{Row, Sql};
use super::stores::{Order, in_order};
use super::{Db, rows, verdict};
use crate::domain::attachment::Attachment;
use crate::domain::id::{AgentId, EnvironmentId, SessionId, StoreId, WorkspaceId};
use crate::domain::page::{Cursor, List, Page, Paging, TwoWayPage};
use crate::domain::session::{Outcome, Session, SessionFilter};
use crate::domain::time::Timestamp;
use crate::domain::{Error, Result};

const COLUMNS: &str = "select id, workspace_id, environment_id, agent_id, agent_version, name, description, system, \
     model, tools, mcp_servers, skills, multiagent, execution_identity, title, metadata, budget, \
     outcomes, status, unanswered, active_micros, running_since, created_at, updated_at, \
     archived_at, last_seq, last_at, usage, ended_at from sessions where deleted_at is null and ";
const STORES: &str = "select session_id, store_id, access, instructions, name, description, mount_path from \
     session_stores where session_id in (";

impl Db {
    pub async fn session(&self, workspace: &WorkspaceId, id: &SessionId) -> Result<Session> {
        let mut reader = self.read().await?;
        let found = find(&mut reader, workspace, id, "").await.map_err(verdict::trouble)?;
        found.ok_or_else(|| Error::not_found(SessionId::WHAT, id))
    }

    pub async fn sessions(
        &self,
        workspace: &WorkspaceId,
        filter: &SessionFilter,
        paging: &Paging,
    ) -> Result<TwoWayPage<Session>> {
        let way = Way::of(workspace, filter, paging);
        let mut sql = select(workspace, filter);
        let order = Order { by: "created_at", newest_first: filter.oldest_first == way.back };
        in_order(&mut sql, order, List::Sessions, &way.owner(way.back), filter.created, paging)?;
        let mut reader = self.read().await?;
        let found = reader.fetch_all(sql).await.map_err(verdict::trouble)?;
        let sessions = found.iter().map(session).collect::<sqlx::Result<_>>();
        let mut page = way.cut(sessions.map_err(verdict::trouble)?, paging);
        attach(&mut reader, &mut page.items).await.map_err(verdict::trouble)?;
        Ok(page)
    }
}

/// Which way a list of sessions is walked. Tokens of one way and order are not taken for another's.
struct Way {
    list: String,
    back: bool,
}

impl Way {
    fn of(workspace: &WorkspaceId, filter: &SessionFilter, paging: &Paging) -> Self {
        let list = format!("{workspace}{}", if filter.oldest_first { " asc" } else { "" });
        let way = Self { list, back: true };
        let back = paging.after.as_ref().is_some_and(|cursor| cursor.owner == way.owner(true));
        Self { back, ..way }
    }

    fn owner(&self, back: bool) -> String {
        format!("{}{}", self.list, if back { " back" } else { "" })
    }

    /// Cuts what was read in this way, and puts it into the order of the list.
    fn cut(&self, sessions: Vec<Session>, paging: &Paging) -> TwoWayPage<Session> {
        let cursor = |session: &Session, back| {
            let owner = self.owner(back);
            Cursor::time(List::Sessions, &owner, session.created_at, &session.id)
        };
        let Page { mut items, next: beyond } =
            Page::cut(sessions, paging.limit, |session| cursor(session, self.back));
        let (previous, next) = if self.back {
            items.reverse();
            (beyond, items.last().map(|last| cursor(last, false)))
        } else {
            let first = items.first().filter(|_| paging.after.is_some());
            (first.map(|first| cursor(first, true)), beyond)
        };
        TwoWayPage { items, next, previous }
    }
}

fn select(workspace: &WorkspaceId, filter: &SessionFilter) -> Sql {
    let mut sql = Sql::new(COLUMNS);
    sql.push("workspace_id = ").push_bind(workspace.as_str());
    if !filter.include_archived {
        sql.push(" and archived_at is null");
    }
    if let Some(agent) = &filter.agent {
        sql.push(" and agent_id = ").push_bind(agent.as_str());
        if let Some(version) = filter.agent_version {
            sql.push(" and agent_version = ").push_bind(version);
        }
    }
    if let Some(store) = &filter.store {
        sql.push(" and id in (select session_id from session_stores where store_id = ");
        sql.push_bind(store.as_str()).push(")");
    }
    if !filter.statuses.is_empty() {
        sql.push(" and status in (");
        sql.push_list(filter.statuses.iter().map(|status| status.as_str())).push(")");
    }
    sql
}

/// One session; `lock` is empty, or the dialect's.
pub async fn find(
    connection: &mut Connection,
    workspace: &WorkspaceId,
    id: &SessionId,
    lock: &str,
) -> sqlx::Result<Option<Session>> {
    let mut sql = Sql::new(COLUMNS);
    sql.push("id = ").push_bind(id.as_str());
    sql.push(" and workspace_id = ").push_bind(workspace.as_str()).push(lock);
    let row = connection.fetch_optional(sql).await?;
    let Some(found) = row.as_ref().map(session).transpose()? else { return Ok(None) };
    let mut found = [found];
    attach(connection, &mut found).await?;
    let [found] = found;
    Ok(Some(found))
}

/// One session that nobody else changes meanwhile.
pub async fn find_locked(
    connection: &mut Connection,
    workspace: &WorkspaceId,
    id: &SessionId,
) -> Result<Session, super::transaction::Failure> {
    let lock = connection.dialect().lock();
    let found = find(connection, workspace, id, lock).await?;
    found.ok_or_else(|| Error::not_found(SessionId::WHAT, id).into())
}

/// Reads the attached stores of sessions.
async fn attach(connection: &mut Connection, sessions: &mut [Session]) -> sqlx::Result<()> {
    if sessions.is_empty() {
        return Ok(());
    }
    let mut sql = Sql::new(STORES);
    sql.push_list(padded(&*sessions).map(|session| session.id.as_str()));
    sql.push(") order by session_id, position");
    for row in connection.fetch_all(sql).await? {
        let id: &str = row.get(0)?;
        if let Some(session) = sessions.iter_mut().find(|session| session.id.as_str() == id) {
            session.stores.push(attachment(&row)?);
        }
    }
    Ok(())
}

fn attachment(row: &Row) -> sqlx::Result<Attachment> {
    Ok(Attachment {
        store: StoreId::stored(row.get(1)?),
        access: row.get::<&str>(2)?.parse().map_err(|_| rows::corrupt("access"))?,
        instructions: row.get(3)?,
        name: row.get(4)?,
        description: row.get(5)?,
        mount_path: row.get(6)?,
    })
}

/// Reads [`COLUMNS`].
fn session(row: &Row) -> sqlx::Result<Session> {
    let outcomes: Vec<OutcomeRow> =
        serde_json::from_str(row.get(17)?).map_err(|_| rows::corrupt("outcomes"))?;
    Ok(Session {
        id: SessionId::stored(row.get(0)?),
        workspace: WorkspaceId::stored(row.get(1)?),
        environment: EnvironmentId::stored(row.get(2)?),
        agent: AgentId::stored(row.get(3)?),
        agent_version: row.get(4)?,
        config: agents::config(row, 5)?,
        title: row.get(14)?,
        metadata: rows::metadata(row, 15)?,
        budget: rows::maybe_json(row, 16)?,
        stores: Vec::new(),
        outcomes: outcomes.into_iter().map(outcome).collect(),
        usage: rows::maybe_json(row, 27)?,
        ended_at: rows::maybe_time(row, 28)?,
        status: row.get::<&str>(18)?.parse().map_err(|_| rows::corrupt("status"))?,
        unanswered: serde_json::from_str(row.get(19)?).map_err(|_| rows::corrupt("unanswered"))?,
        active_micros: row.get(20)?,
        running_since: rows::maybe_time(row, 21)?,
        created_at: rows::time(row, 22)?,
        updated_at: rows::time(row, 23)?,
        archived_at: rows::maybe_time(row, 24)?,
        ledger: rows::ledger(row, 25)?,
    })
}

/// ID, description, iteration, result, explanation, time of completion.
type OutcomeRow = (String, String, i64, String, Option<String>, Option<i64>);

fn outcome((id, description, iteration, result, explanation, completed): OutcomeRow) -> Outcome {
    let completed_at = completed.map(Timestamp::from_micros);
    Outcome { id, description, iteration, result, explanation, completed_at }
}

fn outcomes(session: &Session) -> String {
    let rows = session.outcomes.iter().map(|outcome| {
        let completed = outcome.completed_at.map(Timestamp::micros);
        let Outcome { id, description, iteration, result, explanation, .. } = outcome;
        (id, description, iteration, result, explanation, completed)
    });
    serde_json::json!(rows.collect::<Vec<_>>()).to_string()
}

fn unanswered(session: &Session) -> String {
    serde_json::json!(session.unanswered).to_string()
}
