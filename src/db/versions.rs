//! Reading versions.

use super::rows::version_columns;
use super::sql::Sql;
use super::{Db, rows, stores, verdict};
use crate::domain::id::{ApiKeyId, ServiceAccountId, SessionId, StoreId, VersionId, WorkspaceId};
use crate::domain::memory::View;
use crate::domain::page::{Cursor, List, Page, Paging};
use crate::domain::version::{Version, VersionFilter};
use crate::domain::{Error, Result};

const BY_ID: &str = concat!(
    "select ",
    version_columns!("v.content"),
    " from stores s left join versions v on v.store_id = s.id and v.id = $3 where s.id = $1 and \
     s.workspace_id = $2 and s.deleted_at is null"
);
const LISTED: &str = concat!("select ", version_columns!("null"), " from versions v where ");
const LISTED_WITH_CONTENT: &str =
    concat!("select ", version_columns!("v.content"), " from versions v where ");

impl Db {
    /// One version, with its content.
    pub async fn version(
        &self,
        workspace: &WorkspaceId,
        store: &StoreId,
        id: &VersionId,
    ) -> Result<Version> {
        let mut reader = self.read().await?;
        let sql = Sql::new(BY_ID).bind(store.as_str()).bind(workspace.as_str()).bind(id.as_str());
        let row = reader.fetch_optional(sql).await.map_err(verdict::trouble)?;
        let row = row.ok_or_else(|| Error::not_found(StoreId::WHAT, store))?;
        if row.get::<Option<&str>>(0).map_err(verdict::trouble)?.is_none() {
            return Err(Error::not_found(VersionId::WHAT, id));
        }
        rows::version(&row, 0).map_err(verdict::trouble)
    }

    /// Newest first. That the store is there is asked last: it never comes back, so it was there while
    /// the page was read.
    pub async fn versions(
        &self,
        workspace: &WorkspaceId,
        store: &StoreId,
        filter: &VersionFilter,
        view: View,
        paging: &Paging,
    ) -> Result<Page<Version>> {
        let mut sql = select(store, filter, view);
        stores::newest_first(&mut sql, List::Versions, store, filter.created, paging)?;

        let mut reader = self.read().await?;
        let found = reader.fetch_all(sql).await.map_err(verdict::trouble)?;
        stores::require(&mut reader, workspace, store).await?;
        let versions = found.iter().map(|row| rows::version(row, 0)).collect::<sqlx::Result<_>>();
        Ok(Page::cut(versions.map_err(verdict::trouble)?, paging.limit, |version: &Version| {
            Cursor::time(List::Versions, store, version.created_at, &version.id)
        }))
    }
}

fn select(store: &StoreId, filter: &VersionFilter, view: View) -> Sql {
    let mut sql = Sql::new(match view {
        View::Basic => LISTED,
        View::Full => LISTED_WITH_CONTENT,
    });
    sql.push("v.store_id = ").push_bind(store.as_str().to_owned());
    if let Some(memory) = &filter.memory {
        sql.push(" and memory_id = ").push_bind(memory.clone());
    }
    if let Some(operation) = filter.operation {
        sql.push(" and operation = ").push_bind(operation.as_str());
    }
    let actors = [
        (SessionId::PREFIX, &filter.session),
        (ApiKeyId::PREFIX, &filter.api_key),
        (ServiceAccountId::PREFIX, &filter.service_account),
    ];
    for (prefix, id) in actors {
        match id {
            Some(id) if id.starts_with(prefix) => {
                sql.push(" and created_by = ").push_bind(id.clone());
            }
            Some(_) => {
                sql.push(" and 1 = 0");
            }
            None => {}
        }
    }
    sql
}
