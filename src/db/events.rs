//! Events of sessions. They are shown when they are committed, in every instance.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

use super::connection::Connection;
use super::sessions::{find_locked, save};
use super::shared::Backend;
use super::sql::{Row, Sql};
use super::stores::{Order, in_order};
use super::transaction::{Failure, Transaction};
use super::{Db, environments, rows, verdict, work};
use crate::domain::event::{Event, EventFilter, NewEvent, Sender};
use crate::domain::id::{EnvironmentId, EventId, SessionId, WorkId, WorkspaceId};
use crate::domain::page::{Cursor, List, Page, Paging};
use crate::domain::session::{Surroundings, referred};
use crate::domain::time::Timestamp;
use crate::domain::{Error, Result};

const COLUMNS: &str = "select id, seq, kind, at, body from events where ";
const EXISTS: &str = "select last_seq from sessions where id = $1 and workspace_id = $2";
/// Rows of one statement.
const CHUNK: usize = 500;
/// How often those who wait look for what another instance has committed.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A SQLite file has one server; what else writes to it writes neither events nor work.
const LOOK_SELDOM: Duration = Duration::from_secs(5);

/// Events on their way into a session, with the IDs that they may need.
#[derive(Clone, Debug)]
pub struct SendEvents {
    pub workspace: WorkspaceId,
    pub session: SessionId,
    pub events: Vec<NewEvent>,
    pub sender: Sender,
    pub ids: Vec<(EventId, EventId)>,
    pub work: WorkId,
    pub at: Timestamp,
}

/// Wakes whoever waits for events or work.
pub struct Arrivals {
    seen: watch::Receiver<()>,
    look: Duration,
}

impl Arrivals {
    /// Waits until something may have come.
    pub async fn next(&mut self) {
        let _ = tokio::time::timeout(self.look, self.seen.changed()).await;
    }
}

impl Db {
    pub fn arrivals(&self) -> Arrivals {
        let look = match self.shared.backend {
            Backend::Postgres(_) => LOOK_EVERY,
            Backend::Sqlite(_) => LOOK_SELDOM,
        };
        Arrivals { seen: self.shared.arrivals.subscribe(), look }
    }

    pub(super) fn arrived(&self) {
        self.shared.arrivals.send_replace(());
    }

    /// Answers the events as they are kept.
    pub async fn send_events(&self, events: SendEvents) -> Result<Vec<Event>> {
        let sent = self.change(events).await?;
        self.arrived();
        Ok(sent)
    }

    pub async fn events(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        filter: &EventFilter,
        paging: &Paging,
    ) -> Result<Page<Event>> {
        let owner = format!("{session}{}", if filter.newest_first { " desc" } else { "" });
        let mut sql = of(session);
        if !filter.kinds.is_empty() {
            sql.push(" and kind in (").push_list(filter.kinds.iter().map(String::as_str)).push(")");
        }
        let order = Order { by: "at", newest_first: filter.newest_first };
        in_order(&mut sql, order, List::Events, &owner, filter.at, paging)?;
        let mut reader = self.read().await?;
        let found = reader.fetch_all(sql).await.map_err(verdict::trouble)?;
        last_seq(&mut reader, workspace, session).await?;
        let events = found.iter().map(event).collect::<sqlx::Result<_>>();
        Ok(Page::cut(events.map_err(verdict::trouble)?, paging.limit, |event: &Event| {
            Cursor::time(List::Events, &owner, event.at, &event.id)
        }))
    }

    /// The number of a session's last event; 0 where it has none.
    pub async fn last_event(&self, workspace: &WorkspaceId, session: &SessionId) -> Result<i64> {
        last_seq(&mut *self.read().await?, workspace, session).await
    }

    /// The number of one event.
    pub async fn event_number(&self, session: &SessionId, id: &EventId) -> Result<Option<i64>> {
        let mut sql = of(session);
        sql.push(" and id = ").push_bind(id.as_str());
        let row = self.read().await?.fetch_optional(sql).await.map_err(verdict::trouble)?;
        Ok(row.as_ref().map(event).transpose().map_err(verdict::trouble)?.map(|event| event.seq))
    }

    /// The first events behind a number, in their order.
    pub async fn events_behind(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        seq: i64,
        limit: i64,
    ) -> Result<Vec<Event>> {
        let mut sql = of(session);
        sql.push(" and seq > ").push_bind(seq).push(" order by seq limit ").push_bind(limit);
        let mut reader = self.read().await?;
        let found = reader.fetch_all(sql).await.map_err(verdict::trouble)?;
        last_seq(&mut reader, workspace, session).await?;
        found.iter().map(event).collect::<sqlx::Result<_>>().map_err(verdict::trouble)
    }
}

fn of(session: &SessionId) -> Sql {
    let mut sql = Sql::new(COLUMNS);
    sql.push("session_id = ").push_bind(session.as_str());
    sql
}

async fn last_seq(
    reader: &mut Connection,
    workspace: &WorkspaceId,
    session: &SessionId,
) -> Result<i64> {
    let sql = Sql::new(EXISTS).bind(session.as_str()).bind(workspace.as_str());
    let row = reader.fetch_optional(sql).await.map_err(verdict::trouble)?;
    let row = row.ok_or_else(|| Error::not_found(SessionId::WHAT, session))?;
    row.get(0).map_err(verdict::trouble)
}

impl Transaction for SendEvents {
    type Done = Vec<Event>;

    async fn apply(&self, connection: &mut Connection) -> Result<Vec<Event>, Failure> {
        let mut session = find_locked(connection, &self.workspace, &self.session).await?;
        let id = &session.environment;
        let environment = environments::find_any(connection, &self.workspace, id).await?;
        let environment = environment.ok_or_else(|| Error::not_found(EnvironmentId::WHAT, id))?;
        let referred = kinds(connection, &self.session, &referred(&self.events)).await?;
        let around = Surroundings { environment: &environment, referred, now: self.at };
        let (events, ids) = (self.events.clone(), self.ids.clone());
        let received = session.receive(events, self.sender, &around, ids)?;
        save(connection, &session, &received.all).await?;
        if session.is_over() {
            work::stop_unheld(connection, &session.id, self.at).await?;
        } else if received.woken
            && environment.is_self_hosted()
            && !work::is_any_open(connection, &session.id, self.at).await?
        {
            work::insert(connection, &session, self.work.clone(), self.at).await?;
        }
        Ok(received.sent)
    }
}

/// Kinds of a session's events by their IDs.
async fn kinds(
    connection: &mut Connection,
    session: &SessionId,
    ids: &[String],
) -> sqlx::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for ids in ids.chunks(CHUNK) {
        let mut sql = Sql::new("select id, kind from events where session_id = ");
        sql.push_bind(session.as_str()).push(" and id in (");
        sql.push_list(ids.iter().map(String::as_str)).push(")");
        for row in connection.fetch_all(sql).await? {
            found.insert(row.get(0)?, row.get(1)?);
        }
    }
    Ok(found)
}

pub async fn insert(
    connection: &mut Connection,
    session: &SessionId,
    events: &[Event],
) -> sqlx::Result<()> {
    for events in events.chunks(CHUNK) {
        let mut sql = Sql::new("insert into events (session_id, seq, id, kind, at, body) ");
        sql.push_values(events, |event| {
            vec![
                session.as_str().into(),
                event.seq.into(),
                event.id.as_str().into(),
                event.kind.as_str().into(),
                event.at.micros().into(),
                event.body.as_str().into(),
            ]
        });
        connection.execute(sql).await?;
    }
    Ok(())
}

/// Reads [`COLUMNS`].
fn event(row: &Row) -> sqlx::Result<Event> {
    Ok(Event {
        id: EventId::stored(row.get(0)?),
        seq: row.get(1)?,
        kind: row.get(2)?,
        at: rows::time(row, 3)?,
        body: rows::json(row, 4)?,
    })
}
