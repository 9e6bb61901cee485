//! Making a session: the agent, the environment and the stores are read, and kept as they are now.

use std::collections::BTreeMap;

use super::super::connection::Connection;
use super::super::ledger::{self, Entering};
use super::super::sql::{Arg, Sql};
use super::super::transaction::{Failure, Transaction};
use super::super::{Db, agents, environments, events, rows, stores, work};
use super::{outcomes, unanswered};
use crate::domain::attachment::{self, Attachment};
use crate::domain::environment::Environment;
use crate::domain::event::Sender;
use crate::domain::id::{EnvironmentId, EventId, SessionId, StoreId, WorkId, WorkspaceId};
use crate::domain::journal::{Attribution, Kind};
use crate::domain::json::Json;
use crate::domain::session::{NewSession, Session, Status, Surroundings};
use crate::domain::store::{Ledger, Store};
use crate::domain::time::Timestamp;
use crate::domain::{Error, Result};

/// A session to be made, with the IDs that it may need.
#[derive(Clone, Debug)]
pub struct NewSessionRow {
    pub id: SessionId,
    pub workspace: WorkspaceId,
    pub new: NewSession,
    pub work: WorkId,
    pub events: Vec<(EventId, EventId)>,
    pub at: Timestamp,
    pub by: Attribution,
}

impl Db {
    pub async fn create_session(&self, new: NewSessionRow) -> Result<Session> {
        let session = self.change(new).await?;
        self.arrived();
        Ok(session)
    }
}

impl Transaction for NewSessionRow {
    type Done = Session;

    async fn apply(&self, connection: &mut Connection) -> Result<Session, Failure> {
        // Before anything is read of it that others may change.
        ledger::lock(connection, &self.workspace).await?;
        let environment = self.environment(connection).await?;
        let attached = self.attached(connection).await?;
        let mut session = self.session(connection, attached).await?;
        let around = Surroundings {
            environment: &environment,
            referred: [].into(),
            answered: [].into(),
            now: session.created_at,
        };
        let (events, ids) = (self.new.events.clone(), self.events.clone());
        let received = session.receive(events, Sender::Client, &around, ids)?;
        insert(connection, &session).await?;
        insert_stores(connection, &session).await?;
        events::insert(connection, &session.id, &received.all).await?;
        if environment.is_self_hosted() {
            work::insert(connection, &session, self.work.clone(), session.created_at).await?;
        }
        Ok(session)
    }
}

impl NewSessionRow {
    async fn environment(&self, connection: &mut Connection) -> Result<Environment, Failure> {
        let id = &self.new.environment;
        let found = environments::find(connection, &self.workspace, id).await?;
        let found = found.ok_or_else(|| Error::not_found(EnvironmentId::WHAT, id))?;
        if found.archived_at.is_some() {
            return Err(Error::Coded {
                code: "environment_archived",
                message: format!("environment {id} is archived: it takes no new sessions"),
            }
            .into());
        }
        Ok(found)
    }

    async fn attached(&self, connection: &mut Connection) -> Result<Vec<Attachment>, Failure> {
        let mut ids: Vec<_> = self.new.stores.iter().map(|wanted| &wanted.store).collect();
        ids.sort_unstable();
        let mut found = BTreeMap::new();
        for id in ids {
            found.insert(id.clone(), self.store(connection, id).await?);
        }
        let stores =
            self.new.stores.iter().filter_map(|wanted| {
                found.remove(&wanted.store).map(|store| (wanted.clone(), store))
            });
        Ok(attachment::attach(stores.collect())?)
    }

    /// A store that nobody archives or deletes meanwhile.
    async fn store(&self, connection: &mut Connection, id: &StoreId) -> Result<Store, Failure> {
        let lock = connection.dialect().lock();
        let found = stores::find(connection, &self.workspace, id, lock).await?;
        found.ok_or_else(|| Error::not_found(StoreId::WHAT, id).into())
    }

    /// The session as it begins, entered in the journal.
    async fn session(
        &self,
        connection: &mut Connection,
        stores: Vec<Attachment>,
    ) -> Result<Session, Failure> {
        let (id, version) = (&self.new.agent, self.new.agent_version);
        let agent = agents::find(connection, &self.workspace, id, version).await?;
        let agent = agent.ok_or_else(|| agents::unknown(id, version))?;
        if agent.archived_at.is_some() {
            return Err(Error::Invalid(format!(
                "agent {id} is archived: it can't be used for new sessions"
            ))
            .into());
        }
        let config = agent.config.with(self.new.overrides.clone());
        config.check_size()?;
        let entering = Entering {
            workspace: self.workspace.as_str(),
            kind: Kind::SessionCreated,
            subject: self.id.as_str(),
            by: &self.by,
            at: self.at,
        };
        let at = ledger::enter(connection, entering).await?;
        Ok(Session {
            id: self.id.clone(),
            workspace: self.workspace.clone(),
            environment: self.new.environment.clone(),
            agent: agent.id,
            agent_version: agent.version,
            config,
            title: self.new.title.clone(),
            metadata: self.new.metadata.clone(),
            budget: self.new.budget.clone(),
            stores,
            outcomes: Vec::new(),
            usage: None,
            status: Status::Idle,
            unanswered: Vec::new(),
            active_micros: 0,
            running_since: None,
            created_at: at,
            updated_at: at,
            ended_at: None,
            archived_at: None,
            ledger: Ledger { seq: 0, at },
        })
    }
}

async fn insert(connection: &mut Connection, session: &Session) -> sqlx::Result<()> {
    let mut sql = Sql::new(
        "insert into sessions (id, workspace_id, environment_id, agent_id, agent_version, title, \
         metadata, budget, outcomes, status, unanswered, active_micros, running_since, created_at, \
         updated_at, last_seq, last_at, name, description, system, model, tools, mcp_servers, \
         skills, multiagent, execution_identity) ",
    );
    let mut values: Vec<Arg> = vec![
        session.id.as_str().into(),
        session.workspace.as_str().into(),
        session.environment.as_str().into(),
        session.agent.as_str().into(),
        session.agent_version.into(),
        session.title.as_deref().into(),
        rows::pairs(&session.metadata).into(),
        session.budget.as_ref().map(Json::as_str).into(),
        outcomes(session).into(),
        session.status.as_str().into(),
        unanswered(session).into(),
        session.active_micros.into(),
        session.running_since.map(Timestamp::micros).into(),
        session.created_at.micros().into(),
        session.updated_at.micros().into(),
        session.ledger.seq.into(),
        session.ledger.at.micros().into(),
    ];
    values.extend(agents::config_values(&session.config));
    sql.push("values (").push_list(values).push(")");
    connection.execute(sql).await.map(drop)
}

async fn insert_stores(connection: &mut Connection, session: &Session) -> sqlx::Result<()> {
    if session.stores.is_empty() {
        return Ok(());
    }
    let mut sql = Sql::new(
        "insert into session_stores (session_id, position, store_id, access, instructions, name, \
         description, mount_path) ",
    );
    sql.push_values((0..).zip(&session.stores), |(position, store): (i64, &Attachment)| {
        vec![
            session.id.as_str().into(),
            position.into(),
            store.store.as_str().into(),
            store.access.as_str().into(),
            store.instructions.as_deref().into(),
            store.name.as_str().into(),
            store.description.as_str().into(),
            store.mount_path.as_str().into(),
        ]
    });
    connection.execute(sql).await.map(drop)
}
