//! Changing, archiving and deleting a session.

use super::super::connection::Connection;
use super::super::ledger::{self, Entering};
use super::super::sql::Sql;
use super::super::transaction::{Failure, Transaction};
use super::super::{Db, events, rows, work};
use super::{find_locked, outcomes, unanswered};
use crate::domain::Result;
use crate::domain::event::Event;
use crate::domain::id::{EventId, SessionId, WorkspaceId};
use crate::domain::journal::{Attribution, Kind};
use crate::domain::json::Json;
use crate::domain::session::{Changes, Session, SessionPatch, UPDATED};
use crate::domain::time::Timestamp;

/// A change of one session.
#[derive(Clone, Debug)]
pub struct SessionChange {
    pub workspace: WorkspaceId,
    pub id: SessionId,
    /// For the event that tells of it.
    pub event: EventId,
    pub at: Timestamp,
    pub by: Attribution,
}

impl Db {
    /// `told` writes the body of the event that tells what changed.
    pub async fn update_session(
        &self,
        change: SessionChange,
        patch: SessionPatch,
        told: fn(&Changes) -> Json,
    ) -> Result<Session> {
        let session = self.change(Update { change, patch, told }).await?;
        self.arrived();
        Ok(session)
    }

    /// Ends the session, its work and its tokens. Archiving again changes nothing.
    pub async fn archive_session(&self, change: SessionChange) -> Result<Session> {
        let session = self.change(Archive(change)).await?;
        self.arrived();
        Ok(session)
    }

    /// Deletes the session with its events, work and tokens: it is gone at once, and erased
    /// afterwards. What it wrote stays, in its name.
    pub async fn delete_session(&self, change: SessionChange) -> Result<()> {
        self.change(Delete(change)).await?;
        self.shared.deleted.notify_one();
        self.arrived();
        Ok(())
    }
}

impl SessionChange {
    async fn session(&self, connection: &mut Connection) -> Result<Session, Failure> {
        ledger::lock(connection, &self.workspace).await?;
        find_locked(connection, &self.workspace, &self.id).await
    }

    async fn enter(&self, connection: &mut Connection, kind: Kind) -> Result<Timestamp, Failure> {
        let entering = Entering {
            workspace: self.workspace.as_str(),
            kind,
            subject: self.id.as_str(),
            by: &self.by,
            at: self.at,
        };
        ledger::enter(connection, entering).await
    }
}

struct Update {
    change: SessionChange,
    patch: SessionPatch,
    told: fn(&Changes) -> Json,
}

impl Transaction for Update {
    type Done = Session;

    async fn apply(&self, connection: &mut Connection) -> Result<Session, Failure> {
        let session = self.change.session(connection).await?;
        let mut changes = session.updated(self.patch.clone())?;
        if !changes.any() {
            return Ok(session);
        }
        let body = (self.told)(&changes);
        let at = self.change.enter(connection, Kind::SessionUpdated).await?;
        changes.session.updated_at = at;
        let event = changes.session.event(self.change.event.clone(), UPDATED, body, at);
        save(connection, &changes.session, &[event]).await?;
        Ok(changes.session)
    }
}

struct Archive(SessionChange);

impl Transaction for Archive {
    type Done = Session;

    async fn apply(&self, connection: &mut Connection) -> Result<Session, Failure> {
        let mut session = self.0.session(connection).await?;
        let mut probe = session.clone();
        if probe.archive(self.0.event.clone(), self.0.at)?.is_none() {
            return Ok(session);
        }
        let at = self.0.enter(connection, Kind::SessionArchived).await?;
        let told = session.archive(self.0.event.clone(), at)?.unwrap_or_default();
        save(connection, &session, &told).await?;
        work::stop_all(connection, &session.id, at).await?;
        Ok(session)
    }
}

struct Delete(SessionChange);

impl Transaction for Delete {
    type Done = ();

    async fn apply(&self, connection: &mut Connection) -> Result<(), Failure> {
        let session = self.0.session(connection).await?;
        session.check_at_rest("deleted")?;
        let at = self.0.enter(connection, Kind::SessionDeleted).await?;
        work::stop_all(connection, &session.id, at).await?;
        let sql = Sql::new("update sessions set deleted_at = $1 where id = $2");
        connection.execute(sql.bind(at.micros()).bind(session.id.as_str())).await?;
        Ok(())
    }
}

/// Writes a session's present state, and the events that tell of it.
pub async fn save(
    connection: &mut Connection,
    session: &Session,
    told: &[Event],
) -> sqlx::Result<()> {
    let mut sql = Sql::new("update sessions set title = ");
    sql.push_bind(session.title.as_deref()).push(", metadata = ");
    sql.push_bind(rows::pairs(&session.metadata)).push(", budget = ");
    sql.push_bind(session.budget.as_ref().map(Json::as_str)).push(", outcomes = ");
    sql.push_bind(outcomes(session)).push(", usage = ");
    sql.push_bind(session.usage.as_ref().map(Json::as_str)).push(", status = ");
    sql.push_bind(session.status.as_str()).push(", unanswered = ");
    sql.push_bind(unanswered(session)).push(", active_micros = ");
    sql.push_bind(session.active_micros).push(", running_since = ");
    sql.push_bind(session.running_since.map(Timestamp::micros)).push(", updated_at = ");
    sql.push_bind(session.updated_at.micros()).push(", ended_at = ");
    sql.push_bind(session.ended_at.map(Timestamp::micros)).push(", archived_at = ");
    sql.push_bind(session.archived_at.map(Timestamp::micros)).push(", last_seq = ");
    sql.push_bind(session.ledger.seq).push(", last_at = ");
    sql.push_bind(session.ledger.at.micros()).push(", tools = ");
    sql.push_bind(session.config.tools.as_str()).push(", mcp_servers = ");
    sql.push_bind(session.config.mcp_servers.as_str()).push(" where id = ");
    sql.push_bind(session.id.as_str());
    connection.execute(sql).await?;
    events::insert(connection, &session.id, told).await
}
