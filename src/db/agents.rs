//! Agents and their versions.

use super::connection::Connection;
use super::ledger::{self, Entering};
use super::sql::{Arg, Row, Sql};
use super::stores::newest_first;
use super::transaction::{Failure, Transaction};
use super::{Db, rows, verdict};
use crate::domain::agent::{Agent, AgentPatch, Config};
use crate::domain::id::{AgentId, WorkspaceId};
use crate::domain::journal::{Attribution, Kind};
use crate::domain::json::Json;
use crate::domain::page::{Cursor, List, Page, Paging, TimeRange};
use crate::domain::time::Timestamp;
use crate::domain::{Error, Result};

/// Each agent as its newest version has it; `1 = 1` where all versions are wanted.
const NEWEST: &str = "select id, workspace_id, v.version, v.name, v.description, v.system, v.model, v.tools, \
     v.mcp_servers, v.skills, v.multiagent, v.execution_identity, v.metadata, created_at, \
     v.written_at, archived_at from agents a join agent_versions v on v.agent_id = a.id and \
     v.version = a.version where ";
const VERSIONS: &str = "select id, workspace_id, v.version, v.name, v.description, v.system, v.model, v.tools, \
     v.mcp_servers, v.skills, v.multiagent, v.execution_identity, v.metadata, created_at, \
     v.written_at, archived_at from agent_versions v join agents a on a.id = v.agent_id where ";

impl Db {
    /// One version of an agent, or its newest.
    pub async fn agent(
        &self,
        workspace: &WorkspaceId,
        id: &AgentId,
        version: Option<i64>,
    ) -> Result<Agent> {
        let mut reader = self.read().await?;
        let found = find(&mut reader, workspace, id, version).await.map_err(verdict::trouble)?;
        found.ok_or_else(|| unknown(id, version))
    }

    /// Newest first.
    pub async fn agents(
        &self,
        workspace: &WorkspaceId,
        created: TimeRange,
        include_archived: bool,
        paging: &Paging,
    ) -> Result<Page<Agent>> {
        let mut sql = Sql::new(NEWEST);
        sql.push("workspace_id = ").push_bind(workspace.as_str());
        if !include_archived {
            sql.push(" and archived_at is null");
        }
        newest_first(&mut sql, List::Agents, workspace, created, paging)?;
        let mut reader = self.read().await?;
        let found = reader.fetch_all(sql).await.map_err(verdict::trouble)?;
        let agents = found.iter().map(agent).collect::<sqlx::Result<Vec<_>>>();
        Ok(Page::cut(agents.map_err(verdict::trouble)?, paging.limit, |agent| {
            Cursor::time(List::Agents, workspace, agent.created_at, &agent.id)
        }))
    }

    /// Newest first.
    pub async fn agent_versions(
        &self,
        workspace: &WorkspaceId,
        id: &AgentId,
        paging: &Paging,
    ) -> Result<Page<Agent>> {
        let mut sql = Sql::new(VERSIONS);
        sql.push("agent_id = ").push_bind(id.as_str());
        sql.push(" and workspace_id = ").push_bind(workspace.as_str());
        if let Some(cursor) = &paging.after {
            let after = cursor.after_number(List::AgentVersions, id)?;
            sql.push(" and v.version < ").push_bind(after);
        }
        sql.push(" order by v.version desc limit ");
        sql.push_bind(i64::try_from(paging.limit + 1).unwrap_or(i64::MAX));
        let mut reader = self.read().await?;
        let found = reader.fetch_all(sql).await.map_err(verdict::trouble)?;
        let agents = found.iter().map(agent).collect::<sqlx::Result<Vec<_>>>();
        let agents = agents.map_err(verdict::trouble)?;
        if agents.is_empty() && paging.after.is_none() {
            return Err(unknown(id, None));
        }
        Ok(Page::cut(agents, paging.limit, |agent| {
            Cursor::number(List::AgentVersions, id, agent.version)
        }))
    }

    pub async fn create_agent(&self, agent: Agent, by: Attribution) -> Result<Agent> {
        self.change(Create { agent, by }).await
    }

    pub async fn update_agent(
        &self,
        workspace: WorkspaceId,
        id: AgentId,
        patch: AgentPatch,
        at: Timestamp,
        by: Attribution,
    ) -> Result<Agent> {
        self.change(Update { workspace, id, patch, at, by }).await
    }

    /// Once; archiving again changes nothing.
    pub async fn archive_agent(
        &self,
        workspace: WorkspaceId,
        id: AgentId,
        at: Timestamp,
        by: Attribution,
    ) -> Result<Agent> {
        self.change(Archive { workspace, id, at, by }).await
    }
}

struct Create {
    agent: Agent,
    by: Attribution,
}

impl Transaction for Create {
    type Done = Agent;

    async fn apply(&self, connection: &mut Connection) -> Result<Agent, Failure> {
        let mut agent = self.agent.clone();
        let at = agent.created_at;
        agent.created_at = enter(connection, &agent, Kind::AgentCreated, &self.by, at).await?;
        agent.updated_at = agent.created_at;
        let sql = Sql::new(
            "insert into agents (id, workspace_id, version, created_at, updated_at) \
             values ($1, $2, $3, $4, $4)",
        );
        let sql = sql.bind(agent.id.as_str()).bind(agent.workspace.as_str()).bind(agent.version);
        connection.execute(sql.bind(agent.created_at.micros())).await?;
        insert_version(connection, &agent).await?;
        Ok(agent)
    }
}

struct Update {
    workspace: WorkspaceId,
    id: AgentId,
    patch: AgentPatch,
    at: Timestamp,
    by: Attribution,
}

impl Transaction for Update {
    type Done = Agent;

    async fn apply(&self, connection: &mut Connection) -> Result<Agent, Failure> {
        let agent = require_locked(connection, &self.workspace, &self.id).await?;
        let Some(mut next) = agent.updated(self.patch.clone())? else { return Ok(agent) };
        next.updated_at = enter(connection, &next, Kind::AgentUpdated, &self.by, self.at).await?;
        let sql = Sql::new("update agents set version = $1, updated_at = $2 where id = $3");
        let sql = sql.bind(next.version).bind(next.updated_at.micros()).bind(next.id.as_str());
        connection.execute(sql).await?;
        insert_version(connection, &next).await?;
        Ok(next)
    }
}

struct Archive {
    workspace: WorkspaceId,
    id: AgentId,
    at: Timestamp,
    by: Attribution,
}

impl Transaction for Archive {
    type Done = Agent;

    async fn apply(&self, connection: &mut Connection) -> Result<Agent, Failure> {
        let mut agent = require_locked(connection, &self.workspace, &self.id).await?;
        if agent.archived_at.is_none() {
            let at = enter(connection, &agent, Kind::AgentArchived, &self.by, self.at).await?;
            let sql = Sql::new("update agents set archived_at = $1 where id = $2");
            connection.execute(sql.bind(at.micros()).bind(agent.id.as_str())).await?;
            agent.archived_at = Some(at);
        }
        Ok(agent)
    }
}

async fn enter(
    connection: &mut Connection,
    agent: &Agent,
    kind: Kind,
    by: &Attribution,
    at: Timestamp,
) -> Result<Timestamp, Failure> {
    let workspace = agent.workspace.as_str();
    ledger::enter(connection, Entering { workspace, kind, subject: agent.id.as_str(), by, at })
        .await
}

/// The newest version, which nobody else changes meanwhile.
async fn require_locked(
    connection: &mut Connection,
    workspace: &WorkspaceId,
    id: &AgentId,
) -> Result<Agent, Failure> {
    ledger::lock(connection, workspace).await?;
    let found = find(connection, workspace, id, None).await?;
    found.ok_or_else(|| unknown(id, None).into())
}

pub async fn find(
    connection: &mut Connection,
    workspace: &WorkspaceId,
    id: &AgentId,
    version: Option<i64>,
) -> sqlx::Result<Option<Agent>> {
    let mut sql = Sql::new(if version.is_some() { VERSIONS } else { NEWEST });
    sql.push("id = ").push_bind(id.as_str());
    sql.push(" and workspace_id = ").push_bind(workspace.as_str());
    if let Some(version) = version {
        sql.push(" and v.version = ").push_bind(version);
    }
    connection.fetch_optional(sql).await?.as_ref().map(agent).transpose()
}

pub fn unknown(id: &AgentId, version: Option<i64>) -> Error {
    match version {
        Some(version) => Error::not_found(AgentId::WHAT, &format!("{id}, version {version}")),
        None => Error::not_found(AgentId::WHAT, id),
    }
}

async fn insert_version(connection: &mut Connection, agent: &Agent) -> sqlx::Result<()> {
    let mut sql = Sql::new(
        "insert into agent_versions (agent_id, version, written_at, metadata, name, description, \
         system, model, tools, mcp_servers, skills, multiagent, execution_identity) ",
    );
    let mut values: Vec<Arg> = vec![
        agent.id.as_str().into(),
        agent.version.into(),
        agent.updated_at.micros().into(),
        rows::pairs(&agent.metadata).into(),
    ];
    values.extend(config_values(&agent.config));
    sql.push("values (").push_list(values).push(")");
    connection.execute(sql).await.map(drop)
}

/// From `name` to `execution_identity`.
pub fn config_values(config: &Config) -> [Arg; 9] {
    [
        config.name.as_str().into(),
        config.description.as_deref().into(),
        config.system.as_deref().into(),
        config.model.as_str().into(),
        config.tools.as_str().into(),
        config.mcp_servers.as_str().into(),
        config.skills.as_str().into(),
        config.multiagent.as_ref().map(Json::as_str).into(),
        config.execution_identity.as_str().into(),
    ]
}

/// Reads `name` to `execution_identity`, the first of which is column `at`.
pub fn config(row: &Row, at: usize) -> sqlx::Result<Config> {
    Ok(Config {
        name: row.get(at)?,
        description: row.get(at + 1)?,
        system: row.get(at + 2)?,
        model: rows::json(row, at + 3)?,
        tools: rows::json(row, at + 4)?,
        mcp_servers: rows::json(row, at + 5)?,
        skills: rows::json(row, at + 6)?,
        multiagent: rows::maybe_json(row, at + 7)?,
        execution_identity: rows::json(row, at + 8)?,
    })
}

/// Reads [`NEWEST`] and [`VERSIONS`].
fn agent(row: &Row) -> sqlx::Result<Agent> {
    Ok(Agent {
        id: AgentId::stored(row.get(0)?),
        workspace: WorkspaceId::stored(row.get(1)?),
        version: row.get(2)?,
        config: config(row, 3)?,
        metadata: rows::metadata(row, 12)?,
        created_at: rows::time(row, 13)?,
        updated_at: rows::time(row, 14)?,
        archived_at: rows::maybe_time(row, 15)?,
    })
}
