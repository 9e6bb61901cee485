//! Reading memories.

use std::collections::HashMap;
use std::sync::Arc;

use super::connection::Connection;
use super::heads::Look;
use super::rows::memory_columns;
use super::sql::Sql;
use super::{Db, rows, stores, verdict};
use crate::domain::id::{MemoryId, StoreId, WorkspaceId};
use crate::domain::memory::{Listed, Memory, MemoryQuery, Retrieved, View};
use crate::domain::page::{Cursor, Page};
use crate::domain::path;
use crate::domain::{Error, Result};

const BY_ID: &str = concat!(
    "select ",
    memory_columns!("v.content"),
    " from stores s left join memories m on m.store_id = s.id and m.id = $3 left join versions v \
     on v.id = m.head_version_id where s.id = $1 and s.workspace_id = $2 and s.deleted_at is null"
);
const LISTED: &str = concat!(
    "select ",
    memory_columns!("null"),
    " from memories m where m.store_id = $1 and m.path >= $2 and m.path < $3 order by m.path \
     limit $4"
);
const LISTED_WITH_CONTENT: &str = concat!(
    "select ",
    memory_columns!("v.content"),
    " from memories m join versions v on v.id = m.head_version_id where m.store_id = $1 \
     and m.path >= $2 and m.path < $3 order by m.path limit $4"
);

const WITH_CONTENT: &str = concat!(
    "select ",
    memory_columns!("v.content"),
    " from memories m join versions v on v.id = m.head_version_id where m.id in ("
);

impl Db {
    /// One memory, with its content.
    pub async fn memory(
        &self,
        workspace: &WorkspaceId,
        store: &StoreId,
        id: &MemoryId,
    ) -> Result<Arc<Retrieved>> {
        let place = match self.shared.heads().map(|heads| heads.look(workspace, store, id)) {
            Some(Look::Found(memory)) => {
                metrics::counter!("memstored_memories_read_total", "from" => "kept").increment(1);
                return Ok(memory);
            }
            Some(Look::Missed(place)) => place,
            None => None,
        };
        metrics::counter!("memstored_memories_read_total", "from" => "database").increment(1);
        let mut reader = self.read().await?;
        let sql = Sql::new(BY_ID).bind(store.as_str()).bind(workspace.as_str()).bind(id.as_str());
        let row = reader.fetch_optional(sql).await.map_err(verdict::trouble)?;
        let row = row.ok_or_else(|| Error::not_found(StoreId::WHAT, store))?;
        if row.get::<Option<&str>>(0).map_err(verdict::trouble)?.is_none() {
            return Err(Error::not_found(MemoryId::WHAT, id));
        }
        let memory = rows::memory(&row, 0).map_err(verdict::trouble)?;
        let memory = Arc::new(Retrieved::from(memory));
        if let Some(place) = place {
            place.keep(workspace, &memory);
        }
        Ok(memory)
    }

    /// Memories in byte order of their paths, from one state of the database. That the store is there
    /// is asked last: it never comes back, so it was there while the page was read.
    pub async fn memories(
        &self,
        workspace: &WorkspaceId,
        store: &StoreId,
        query: &MemoryQuery,
    ) -> Result<Page<Listed>> {
        let after =
            query.paging.after.as_ref().map(|cursor| cursor.after_path(store)).transpose()?;
        let range = query.prefix.range();
        let from = after.map(path::after).unwrap_or_default().max(range.from);

        let mut reader = self.read().await?;
        if query.depth_one {
            reader.begin_snapshot().await.map_err(verdict::trouble)?;
        }
        let page = async {
            let page = read(&mut reader, store, query, from, &range.to).await;
            stores::require(&mut reader, workspace, store).await?;
            page.map_err(verdict::trouble)
        };
        let page = page.await;
        reader.roll_back().await;
        page
    }
}

async fn read(
    connection: &mut Connection,
    store: &StoreId,
    query: &MemoryQuery,
    from: String,
    to: &str,
) -> sqlx::Result<Page<Listed>> {
    let items = walk(connection, store, query, from, to).await?;
    let mut page = Page::cut(items, query.paging.limit, |item| Cursor::path(store, item.key()));
    if query.depth_one && query.view == View::Full {
        fill(connection, &mut page.items).await?;
    }
    Ok(page)
}

/// Collects one item more than the limit. A rolled-up directory is stepped over by seeking behind
/// it, so that its size does not matter.
async fn walk(
    connection: &mut Connection,
    store: &StoreId,
    query: &MemoryQuery,
    mut from: String,
    to: &str,
) -> sqlx::Result<Vec<Listed>> {
    let with_content = query.view == View::Full && !query.depth_one;
    let sql = if with_content { LISTED_WITH_CONTENT } else { LISTED };
    let mut items = Vec::new();
    loop {
        let wanted = query.paging.limit + 1 - items.len();
        let sql = Sql::new(sql)
            .bind(store.as_str())
            .bind(from.as_str())
            .bind(to)
            .bind(i64::try_from(wanted).unwrap_or(i64::MAX));
        let rows = connection.fetch_all(sql).await?;
        for row in &rows {
            let memory = rows::memory(row, 0)?;
            if memory.path.as_str() >= from.as_str() {
                let item = listed(query, memory);
                from = path::after(item.key());
                items.push(item);
            }
        }
        if rows.len() < wanted || items.len() > query.paging.limit {
            return Ok(items);
        }
    }
}

fn listed(query: &MemoryQuery, memory: Memory) -> Listed {
    let rollup = query.prefix.rollup(memory.path.as_str()).filter(|_| query.depth_one);
    rollup.map_or(Listed::Memory(memory), Listed::Prefix)
}

/// Reads the contents of a page whose walk left them out.
async fn fill(connection: &mut Connection, items: &mut [Listed]) -> sqlx::Result<()> {
    let memories = || {
        items.iter().filter_map(|item| match item {
            Listed::Memory(memory) => Some(memory),
            Listed::Prefix(_) => None,
        })
    };
    if memories().next().is_none() {
        return Ok(());
    }
    let mut sql = Sql::new(WITH_CONTENT);
    sql.push_list(memories().map(|memory| memory.id.as_str())).push(")");
    let rows = connection.fetch_all(sql).await?;
    let full =
        rows.iter().map(|row| rows::memory(row, 0).map(|memory| (memory.id.clone(), memory)));
    let mut full = full.collect::<sqlx::Result<HashMap<_, _>>>()?;
    for item in items {
        if let Listed::Memory(memory) = item
            && let Some(with_content) = full.remove(&memory.id)
        {
            *memory = with_content;
        }
    }
    Ok(())
}
