//! Events of sessions. They are shown when they are committed, in every instance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::watch;

use super::batch::padded;
use super::connection::Connection;
use super::sessions::{find_locked, save};
use super::shared::Backend;
use super::sql::{Row, Sql};
use super::stores::{Order, in_order};
use super::transaction::{Failure, Transaction};
use super::{Db, environments, rows, verdict, work};
use crate::domain::event::{Event, EventFilter, NewEvent, Sender};
use crate::domain::id::{EnvironmentId, EventId, SessionId, WorkId, WorkspaceId};
use crate::domain::json::Json;
use crate::domain::page::{Cursor, List, Page, Paging};
use crate::domain::session::{Surroundings, referred};
use crate::domain::time::Timestamp;
use crate::domain::{Error, Result};

/// With the size of the body in its place; bodies are read when it is known how many fit.
const MEASURED: &str =
    "select id, seq, kind, at, answers, cast(length(body) as bigint) from events where ";
const BODIES: &str = "select seq, body from events where ";
const EXISTS: &str = "select last_seq from sessions where id = $1 and workspace_id = $2 and \
                      deleted_at is null";
/// Rows of one statement: few, so that few distinct ones are prepared.
const CHUNK: usize = 32;
/// Characters of bodies that are read at once, unless one event alone has more.
const AT_ONCE: i64 = 16 << 20;
/// How often those who wait look for what another instance has committed.
const LOOK_EVERY: Duration = Duration::from_millis(250);
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
        let mut sql = of(MEASURED, session, &filter.kinds);
        let order = Order { by: "at", newest_first: filter.newest_first };
        in_order(&mut sql, order, List::Events, &owner, filter.at, paging)?;
        let mut reader = self.read().await?;
        let read = async {
            let found = reader.fetch_all(sql).await?;
            let (measured, limit) = fitting(&found, paging.limit)?;
            let mut page = Page::cut(measured, limit, |event: &Event| {
                Cursor::time(List::Events, &owner, event.at, &event.id)
            });
            fill(&mut reader, session, &filter.kinds, &mut page.items).await?;
            Ok(page)
        };
        let read = read.await;
        still_there(&mut reader, workspace, session).await?;
        read.map_err(verdict::trouble)
    }

    /// The number of a session's last event; 0 where it has none.
    pub async fn last_event(&self, workspace: &WorkspaceId, session: &SessionId) -> Result<i64> {
        last_seq(&mut *self.read().await?, workspace, session).await
    }

    /// The number of one event.
    pub async fn event_number(&self, session: &SessionId, id: &EventId) -> Result<Option<i64>> {
        let mut sql = Sql::new("select seq from events where session_id = ");
        sql.push_bind(session.as_str()).push(" and id = ").push_bind(id.as_str());
        let row = self.read().await?.fetch_optional(sql).await.map_err(verdict::trouble)?;
        row.map(|row| row.get(0)).transpose().map_err(verdict::trouble)
    }

    /// The first events behind a number, in their order.
    pub async fn events_behind(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        seq: i64,
        limit: i64,
    ) -> Result<Vec<Event>> {
        let mut reader = self.read().await?;
        if last_seq(&mut reader, workspace, session).await? <= seq {
            return Ok(Vec::new());
        }
        let mut sql = of(MEASURED, session, &[]);
        sql.push(" and seq > ").push_bind(seq).push(" order by seq limit ").push_bind(limit);
        let read = async {
            let found = reader.fetch_all(sql).await?;
            let (mut events, many) = fitting(&found, found.len())?;
            events.truncate(many);
            fill(&mut reader, session, &[], &mut events).await?;
            Ok(events)
        };
        let read = read.await;
        still_there(&mut reader, workspace, session).await?;
        read.map_err(verdict::trouble)
    }
}

/// A query of a session's events, of some kinds or of all.
fn of(select: &'static str, session: &SessionId, kinds: &[String]) -> Sql {
    let mut sql = Sql::new(select);
    sql.push("session_id = ").push_bind(session.as_str());
    if !kinds.is_empty() {
        sql.push(" and kind in (").push_list(kinds.iter().map(String::as_str)).push(")");
    }
    sql
}

/// The events without their bodies, and how many of the first `limit` are read at once.
fn fitting(rows: &[Row], limit: usize) -> sqlx::Result<(Vec<Event>, usize)> {
    let mut events = Vec::with_capacity(rows.len());
    let (mut size, mut many) = (0, 0);
    for row in rows {
        size += row.get::<i64>(5)?;
        if many < limit && (many == 0 || size <= AT_ONCE) {
            many += 1;
        }
        events.push(measured(row)?);
    }
    Ok((events, many))
}

/// Reads the bodies of events that follow each other in a list of these kinds.
async fn fill(
    reader: &mut Connection,
    session: &SessionId,
    kinds: &[String],
    events: &mut [Event],
) -> sqlx::Result<()> {
    let numbers = || events.iter().map(|event| event.seq);
    let Some((first, last)) = numbers().min().zip(numbers().max()) else { return Ok(()) };
    let mut sql = of(BODIES, session, kinds);
    sql.push(" and seq >= ").push_bind(first).push(" and seq <= ").push_bind(last);
    let mut bodies = BTreeMap::new();
    for row in reader.fetch_all(sql).await? {
        bodies.insert(row.get::<i64>(0)?, rows::json(&row, 1)?);
    }
    for event in events {
        event.body = bodies.remove(&event.seq).ok_or_else(|| rows::corrupt("event"))?;
    }
    Ok(())
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

/// Asked last: a deleted session is erased in parts, and what was read while that went on is not whole.
async fn still_there(
    reader: &mut Connection,
    workspace: &WorkspaceId,
    session: &SessionId,
) -> Result<()> {
    last_seq(reader, workspace, session).await.map(drop)
}

impl Transaction for SendEvents {
    type Done = Vec<Event>;

    async fn apply(&self, connection: &mut Connection) -> Result<Vec<Event>, Failure> {
        let mut session = find_locked(connection, &self.workspace, &self.session).await?;
        let id = &session.environment;
        let environment = environments::find_any(connection, &self.workspace, id).await?;
        let environment = environment.ok_or_else(|| Error::not_found(EnvironmentId::WHAT, id))?;
        let named = referred(&self.events);
        let referred = kinds(connection, &self.session, &named).await?;
        let answered = answered(connection, &self.session, &named).await?;
        let around = Surroundings { environment: &environment, referred, answered, now: self.at };
        let (events, ids) = (self.events.clone(), self.ids.clone());
        let received = session.receive(events, self.sender, &around, ids)?;
        save(connection, &session, &received.all).await?;
        if session.is_over() {
            work::stop_unheld(connection, &session.id, self.at).await?;
        } else if received.calls
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
        sql.push_list(padded(ids).map(String::as_str)).push(")");
        for row in connection.fetch_all(sql).await? {
            found.insert(row.get(0)?, row.get(1)?);
        }
    }
    Ok(found)
}

/// Those of a session's events that another one answers.
async fn answered(
    connection: &mut Connection,
    session: &SessionId,
    ids: &[String],
) -> sqlx::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for ids in ids.chunks(CHUNK) {
        let mut sql = Sql::new("select answers from events where session_id = ");
        sql.push_bind(session.as_str()).push(" and answers in (");
        sql.push_list(padded(ids).map(String::as_str)).push(")");
        for row in connection.fetch_all(sql).await? {
            found.insert(row.get(0)?);
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
        let mut sql =
            Sql::new("insert into events (session_id, seq, id, kind, at, answers, body) ");
        sql.push_values(events, |event| {
            vec![
                session.as_str().into(),
                event.seq.into(),
                event.id.as_str().into(),
                event.kind.as_str().into(),
                event.at.micros().into(),
                event.answers.as_deref().into(),
                event.body.as_str().into(),
            ]
        });
        connection.execute(sql).await?;
    }
    Ok(())
}

/// Reads [`MEASURED`].
fn measured(row: &Row) -> sqlx::Result<Event> {
    Ok(Event {
        id: EventId::stored(row.get(0)?),
        seq: row.get(1)?,
        kind: row.get(2)?,
        at: rows::time(row, 3)?,
        answers: row.get(4)?,
        body: Json::empty(),
    })
}
