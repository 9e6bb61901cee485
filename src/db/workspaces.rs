//! Reading workspaces.

use super::sql::{Row, Sql};
use super::stores::newest_first;
use super::{Db, rows, verdict};
use crate::domain::Result;
use crate::domain::id::WorkspaceId;
use crate::domain::page::{Cursor, List, Page, Paging, TimeRange};
use crate::domain::workspace::Workspace;

impl Db {
    /// Newest first; all of them, or the one that `reach` names.
    pub async fn workspaces(
        &self,
        reach: Option<&WorkspaceId>,
        paging: &Paging,
    ) -> Result<Page<Workspace>> {
        let mut sql =
            Sql::new("select id, name, created_at from workspaces where deleted_at is null");
        if let Some(workspace) = reach {
            sql.push(" and id = ").push_bind(workspace.as_str().to_owned());
        }
        newest_first(&mut sql, List::Workspaces, &"", TimeRange::default(), paging)?;
        let mut reader = self.read().await?;
        let found = reader.fetch_all(sql).await.map_err(verdict::trouble)?;
        let found = found.iter().map(workspace).collect::<sqlx::Result<_>>();
        Ok(Page::cut(found.map_err(verdict::trouble)?, paging.limit, |workspace: &Workspace| {
            Cursor::time(List::Workspaces, &"", workspace.created_at, &workspace.id)
        }))
    }

    /// Whether there is or was such a workspace.
    pub async fn workspace_was(&self, id: &WorkspaceId) -> Result<bool> {
        let sql = Sql::new("select 1 from workspaces where id = $1").bind(id.as_str().to_owned());
        let mut reader = self.read().await?;
        Ok(reader.fetch_optional(sql).await.map_err(verdict::trouble)?.is_some())
    }
}

/// Reads `id, name, created_at`.
pub fn workspace(row: &Row) -> sqlx::Result<Workspace> {
    Ok(Workspace {
        id: WorkspaceId::stored(row.get(0)?),
        name: row.get(1)?,
        created_at: rows::time(row, 2)?,
    })
}
