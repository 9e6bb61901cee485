//! Operations on agents.

use super::App;
use crate::domain::Result;
use crate::domain::access::{Grant, ToRead, ToWrite};
use crate::domain::agent::{Agent, AgentPatch, NewAgent};
use crate::domain::id::AgentId;
use crate::domain::page::{Page, Paging, TimeRange};

impl App {
    pub async fn create_agent(&self, grant: &Grant<ToWrite>, new: NewAgent) -> Result<Agent> {
        new.config.check_size()?;
        self.enroll(grant).await?;
        let now = self.clock.now();
        let agent = Agent {
            id: AgentId::new(&self.suffix()),
            workspace: grant.workspace().clone(),
            version: 1,
            config: new.config,
            metadata: new.metadata,
            created_at: now,
            updated_at: now,
            archived_at: None,
        };
        self.db.create_agent(agent, grant.attribution()).await
    }

    /// One version, or the newest.
    pub async fn agent(
        &self,
        grant: &Grant<ToRead>,
        id: &AgentId,
        version: Option<i64>,
    ) -> Result<Agent> {
        self.db.agent(grant.workspace(), id, version).await
    }

    pub async fn agents(
        &self,
        grant: &Grant<ToRead>,
        created: TimeRange,
        include_archived: bool,
        paging: &Paging,
    ) -> Result<Page<Agent>> {
        self.db.agents(grant.workspace(), created, include_archived, paging).await
    }

    pub async fn agent_versions(
        &self,
        grant: &Grant<ToRead>,
        id: &AgentId,
        paging: &Paging,
    ) -> Result<Page<Agent>> {
        self.db.agent_versions(grant.workspace(), id, paging).await
    }

    pub async fn update_agent(
        &self,
        grant: &Grant<ToWrite>,
        id: AgentId,
        patch: AgentPatch,
    ) -> Result<Agent> {
        let (workspace, by) = (grant.workspace().clone(), grant.attribution());
        self.db.update_agent(workspace, id, patch, self.clock.now(), by).await
    }

    pub async fn archive_agent(&self, grant: &Grant<ToWrite>, id: AgentId) -> Result<Agent> {
        let (workspace, by) = (grant.workspace().clone(), grant.attribution());
        self.db.archive_agent(workspace, id, self.clock.now(), by).await
    }
}
