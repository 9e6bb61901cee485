//! Operations on environments.

use super::App;
use crate::db::EnvironmentChange;
use crate::domain::Result;
use crate::domain::access::{Grant, ToRead, ToWrite};
use crate::domain::environment::{Environment, EnvironmentPatch, NewEnvironment};
use crate::domain::id::EnvironmentId;
use crate::domain::page::{Page, Paging};

impl App {
    pub async fn create_environment(
        &self,
        grant: &Grant<ToWrite>,
        new: NewEnvironment,
    ) -> Result<Environment> {
        self.enroll(grant).await?;
        let now = self.clock.now();
        let environment = Environment {
            id: EnvironmentId::new(&self.suffix()),
            workspace: grant.workspace().clone(),
            name: new.name,
            description: new.description,
            place: new.place,
            metadata: new.metadata,
            created_at: now,
            updated_at: now,
            archived_at: None,
        };
        self.db.create_environment(environment, grant.attribution()).await
    }

    pub async fn environment(
        &self,
        grant: &Grant<ToRead>,
        id: &EnvironmentId,
    ) -> Result<Environment> {
        self.db.environment(grant.workspace(), id).await
    }

    pub async fn environments(
        &self,
        grant: &Grant<ToRead>,
        include_archived: bool,
        paging: &Paging,
    ) -> Result<Page<Environment>> {
        self.db.environments(grant.workspace(), include_archived, paging).await
    }

    pub async fn update_environment(
        &self,
        grant: &Grant<ToWrite>,
        id: EnvironmentId,
        patch: EnvironmentPatch,
    ) -> Result<Environment> {
        self.change_environment(grant, id, EnvironmentChange::Update(patch)).await
    }

    pub async fn archive_environment(
        &self,
        grant: &Grant<ToWrite>,
        id: EnvironmentId,
    ) -> Result<Environment> {
        self.change_environment(grant, id, EnvironmentChange::Archive).await
    }

    /// Its keys stop working; sessions that were made in it stay.
    pub async fn delete_environment(
        &self,
        grant: &Grant<ToWrite>,
        id: EnvironmentId,
    ) -> Result<()> {
        self.change_environment(grant, id, EnvironmentChange::Delete).await?;
        self.keys.forget();
        Ok(())
    }

    async fn change_environment(
        &self,
        grant: &Grant<ToWrite>,
        id: EnvironmentId,
        change: EnvironmentChange,
    ) -> Result<Environment> {
        let (workspace, by) = (grant.workspace().clone(), grant.attribution());
        self.db.change_environment(workspace, id, change, self.clock.now(), by).await
    }
}
