//! Reading stores.

use super::connection::Connection;
use super::rows::store_columns;
use super::sql::Sql;
use super::{Db, rows, verdict};
use crate::domain::id::{StoreId, WorkspaceId};
use crate::domain::page::{Cursor, List, Page, Paging, TimeRange};
use crate::domain::store::Store;
use crate::domain::{Error, Result};

const BY_ID: &str = concat!(
    "select ",
    store_columns!(),
    " from stores where id = $1 and workspace_id = $2 and deleted_at is null"
);
const OF_WORKSPACE: &str = concat!(
    "select ",
    store_columns!(),
    " from stores where deleted_at is null and workspace_id = "
);
const EXISTS: &str =
    "select 1 from stores where id = $1 and workspace_id = $2 and deleted_at is null";

impl Db {
    pub async fn store(&self, workspace: &WorkspaceId, id: &StoreId) -> Result<Store> {
        let mut reader = self.read().await?;
        let found = find(&mut reader, workspace, id, "").await.map_err(verdict::trouble)?;
        found.ok_or_else(|| Error::not_found(StoreId::WHAT, id))
    }

    /// Newest first.
    pub async fn stores(
        &self,
        workspace: &WorkspaceId,
        created: TimeRange,
        include_archived: bool,
        paging: &Paging,
    ) -> Result<Page<Store>> {
        let mut sql = Sql::new(OF_WORKSPACE);
        sql.push_bind(workspace.as_str());
        if !include_archived {
            sql.push(" and archived_at is null");
        }
        newest_first(&mut sql, List::Stores, workspace, created, paging)?;
        let mut reader = self.read().await?;
        let found = reader.fetch_all(sql).await.map_err(verdict::trouble)?;
        let stores = found.iter().map(rows::store).collect::<sqlx::Result<Vec<_>>>();
        Ok(Page::cut(stores.map_err(verdict::trouble)?, paging.limit, |store| {
            Cursor::time(List::Stores, workspace, store.created_at, &store.id)
        }))
    }
}

/// By which column of time a list is sorted, and from which end.
#[derive(Clone, Copy)]
pub struct Order {
    pub by: &'static str,
    pub newest_first: bool,
}

/// Ends a query that lists by `created_at`, newest first.
pub fn newest_first(
    sql: &mut Sql,
    list: List,
    owner: &impl ToString,
    created: TimeRange,
    paging: &Paging,
) -> Result<()> {
    in_order(sql, Order { by: "created_at", newest_first: true }, list, owner, created, paging)
}

/// Ends a query that lists by time: the range, where to resume, the order, one more than the limit.
pub fn in_order(
    sql: &mut Sql,
    Order { by, newest_first }: Order,
    list: List,
    owner: &impl ToString,
    range: TimeRange,
    paging: &Paging,
) -> Result<()> {
    let resume = paging.resume(list, owner, range)?;
    // The cursor lies within the range. A second bound on the same side would be taken for the index
    // in its place, and each page would walk over all before it.
    let is_bound = |end: bool| resume.is_some() && newest_first == end;
    if let Some(from) = range.from.filter(|_| !is_bound(false)) {
        sql.push(&format!(" and {by} >= ")).push_bind(from.micros());
    }
    if let Some(to) = range.to.filter(|_| !is_bound(true)) {
        sql.push(&format!(" and {by} <= ")).push_bind(to.micros());
    }
    if let Some((at, id)) = resume {
        let beyond = if newest_first { '<' } else { '>' };
        sql.push(&format!(" and ({by}, id) {beyond} (")).push_bind(at.micros());
        sql.push(", ").push_bind(id.to_owned()).push(")");
    }
    let way = if newest_first { "desc" } else { "asc" };
    sql.push(&format!(" order by {by} {way}, id {way} limit "));
    sql.push_bind(i64::try_from(paging.limit + 1).unwrap_or(i64::MAX));
    Ok(())
}

/// One store; `lock` is empty, or the dialect's.
pub async fn find(
    connection: &mut Connection,
    workspace: &WorkspaceId,
    id: &StoreId,
    lock: &str,
) -> sqlx::Result<Option<Store>> {
    let mut sql = Sql::new(BY_ID).bind(id.as_str()).bind(workspace.as_str());
    sql.push(lock);
    connection.fetch_optional(sql).await?.as_ref().map(rows::store).transpose()
}

/// Refuses a store that does not exist for this workspace.
pub async fn require(
    connection: &mut Connection,
    workspace: &WorkspaceId,
    store: &StoreId,
) -> Result<()> {
    let sql = Sql::new(EXISTS).bind(store.as_str()).bind(workspace.as_str());
    match connection.fetch_optional(sql).await.map_err(verdict::trouble)? {
        Some(_) => Ok(()),
        None => Err(Error::not_found(StoreId::WHAT, store)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    /// What a page of a range asks for, with the cursor at 5 or without one.
    fn ending(newest_first: bool, cursor: bool) -> String {
        let at = Timestamp::from_micros;
        let cursor = cursor.then(|| Cursor::time(List::Versions, &"s", at(5), &"memver_1"));
        let paging = Paging { limit: 1, after: cursor };
        let range = TimeRange { from: Some(at(1)), to: Some(at(9)) };
        let order = Order { by: "created_at", newest_first };
        let mut sql = Sql::default();
        in_order(&mut sql, order, List::Versions, &"s", range, &paging).unwrap();
        let (text, _) = sql.for_postgres().unwrap();
        text.as_str().split(" order by").next().unwrap().to_owned()
    }

    #[test]
    fn a_page_begins_at_its_cursor_and_nowhere_else() {
        assert_eq!(ending(true, false), " and created_at >= $1 and created_at <= $2");
        assert_eq!(ending(true, true), " and created_at >= $1 and (created_at, id) < ($2, $3)");
        assert_eq!(ending(false, true), " and created_at <= $1 and (created_at, id) > ($2, $3)");
    }
}
