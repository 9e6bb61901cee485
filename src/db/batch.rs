//! One round of a batch: reads what its commands need with a few statements, and writes what they
//! planned with a few multi-row ones. On Postgres a statement costs more than the rows in it, and on
//! SQLite no less than one for each row.

use std::collections::BTreeSet;

use super::connection::Connection;
use super::rows::{self, memory_columns, store_columns, version_columns};
use super::script::Script;
use super::sql::Sql;
use crate::domain::access::Credential;
use crate::domain::actor::Actor;
use crate::domain::id::{MemoryId, StoreId, VersionId, WorkspaceId};
use crate::domain::journal::{Entry, Reason};
use crate::domain::memory::Memory;
use crate::domain::path::MemoryPath;
use crate::domain::plan::{Needs, Overlay, Spot, Writes};
use crate::domain::store::Store;
use crate::domain::time::Timestamp;
use crate::domain::version::Version;

/// Rows of one statement; also bounds how many statements have to be kept prepared.
const CHUNK: usize = 32;

const STORES: &str =
    concat!("select ", store_columns!(), " from stores where deleted_at is null and id in (");
const MEMORIES: &str =
    concat!("select ", memory_columns!("null"), " from memories m where m.id in (");
const MEMORIES_WITH_CONTENT: &str = concat!(
    "select ",
    memory_columns!("v.content"),
    " from memories m join versions v on v.id = m.head_version_id where m.id in ("
);
const VERSIONS: &str =
    concat!("select ", version_columns!("v.content"), " from versions v where v.id in (");
const WORKSPACES: &str = "select id from workspaces where deleted_at is null and id in (";
/// A statement of its own after the one that locks: what waits for a lock sees the other tables as
/// they were before.
const STORES_OF: &str =
    "select count(*) from stores where deleted_at is null and workspace_id = $1";

/// Reads what is needed into a fresh overlay, within the transaction. The rows that others would
/// have to lock too come first.
pub async fn load(
    connection: &mut Connection,
    needs: Needs,
    count_stores: bool,
) -> sqlx::Result<Overlay> {
    let mut load = Load { connection, overlay: Overlay::default() };
    load.stores(&needs).await?;
    load.workspaces(&needs, count_stores).await?;
    let heads = load.versions(&needs).await?;
    load.memories(&needs, &heads).await?;
    load.spots(&needs.spots).await?;
    Ok(load.overlay)
}

struct Load<'a> {
    connection: &'a mut Connection,
    overlay: Overlay,
}

impl Load<'_> {
    async fn stores(&mut self, needs: &Needs) -> sqlx::Result<()> {
        for mut sql in selects(STORES, needs.stores.iter().map(StoreId::as_str)) {
            sql.push(self.connection.dialect().lock());
            for row in self.connection.fetch_all(sql).await? {
                self.overlay.know_store(rows::store(&row)?);
            }
        }
        Ok(())
    }

    async fn workspaces(&mut self, needs: &Needs, counted: bool) -> sqlx::Result<()> {
        for mut sql in selects(WORKSPACES, needs.workspaces.iter().map(WorkspaceId::as_str)) {
            sql.push(self.connection.dialect().lock());
            for row in self.connection.fetch_all(sql).await? {
                let workspace = WorkspaceId::stored(row.get(0)?);
                let mut stores = 0_i64;
                if counted {
                    let count = Sql::new(STORES_OF).bind(workspace.as_str());
                    stores = self.connection.fetch_one(count).await?.get(0)?;
                }
                self.overlay.know_workspace(workspace, stores.unsigned_abs());
            }
        }
        Ok(())
    }

    /// Reads versions, and answers their memories, whose heads decide what may be redacted.
    async fn versions(&mut self, needs: &Needs) -> sqlx::Result<BTreeSet<MemoryId>> {
        let mut heads = BTreeSet::new();
        for sql in selects(VERSIONS, needs.versions.iter().map(VersionId::as_str)) {
            for row in self.connection.fetch_all(sql).await? {
                let version = rows::version(&row, 0)?;
                heads.insert(version.memory.clone());
                self.overlay.know_version(version);
            }
        }
        Ok(heads)
    }

    async fn memories(&mut self, needs: &Needs, heads: &BTreeSet<MemoryId>) -> sqlx::Result<()> {
        let bare: BTreeSet<_> = needs.memories.union(heads).collect();
        let bare = bare.into_iter().filter(|id| !needs.contents.contains(*id));
        let full = needs.contents.iter().map(MemoryId::as_str);
        let bare = selects(MEMORIES, bare.map(MemoryId::as_str));
        for sql in bare.into_iter().chain(selects(MEMORIES_WITH_CONTENT, full)) {
            for row in self.connection.fetch_all(sql).await? {
                self.overlay.know_memory(rows::memory(&row, 0)?);
            }
        }
        Ok(())
    }

    /// Reads who is at each spot, above it, and first below it.
    async fn spots(&mut self, spots: &[Spot]) -> sqlx::Result<()> {
        for spots in spots.chunks(CHUNK) {
            for row in self.connection.fetch_all(select_spots(spots)).await? {
                self.overlay.know_occupied(
                    StoreId::stored(row.get(0)?),
                    MemoryPath::stored(row.get(1)?),
                    MemoryId::stored(row.get(2)?),
                );
            }
        }
        Ok(())
    }
}

fn select_spots(spots: &[Spot]) -> Sql {
    let mut sql = Sql::new("select store_id, path, id from memories where (store_id, path) in (");
    let places: BTreeSet<_> = spots
        .iter()
        .flat_map(|spot| {
            let paths = spot.path.ancestors().chain([spot.path.clone()]);
            paths.map(|path| (spot.store.as_str(), path))
        })
        .collect();
    sql.push_values(padded(&places), |(store, path)| vec![(*store).into(), path.as_str().into()]);
    sql.push(
        ") union all select m.store_id, m.path, m.id from (select column1 as store_id, \
         column2 as low, column3 as high, column4 as mover from (",
    );
    sql.push_values(padded(spots), |spot| {
        let below = spot.path.below();
        let mover = spot.mover.as_ref().map_or("", MemoryId::as_str);
        vec![spot.store.as_str().into(), below.from.into(), below.to.into(), mover.into()]
    });
    sql.push(
        ") as given) w join memories m on m.store_id = w.store_id and m.path = (select n.path \
         from memories n where n.store_id = w.store_id and n.path >= w.low and \
         n.path < w.high and n.id <> w.mover order by n.path limit 1)",
    );
    sql
}

/// Writes a round. Stores come first, since all else refers to them.
pub fn store(script: &mut Script, writes: &Writes) {
    for rows in writes.stores.chunks(CHUNK) {
        put_stores(script.statement(), rows);
    }
    for rows in writes.versions.chunks(CHUNK) {
        insert_versions(script.statement(), rows);
    }
    for ids in writes.removed.chunks(CHUNK) {
        let sql = script.statement().push("delete from memories where id in (");
        sql.push_list(padded(ids).map(MemoryId::as_str)).push(")");
    }
    for rows in writes.memories.chunks(CHUNK) {
        put_memories(script.statement(), rows);
    }
    for version in &writes.redacted {
        redact(script, version);
    }
    journal(script, &writes.journal);
}

/// Appends entries to their journals.
pub fn journal(script: &mut Script, entries: &[Entry]) {
    for rows in entries.chunks(CHUNK) {
        insert_entries(script.statement(), rows);
    }
}

fn put_stores(sql: &mut Sql, stores: &[(Store, Option<Timestamp>)]) {
    sql.push(
        "insert into stores (id, workspace_id, name, description, metadata, created_at, \
         updated_at, archived_at, deleted_at, memories, last_seq, last_at) ",
    );
    sql.push_values(stores, |(store, deleted_at)| {
        vec![
            store.id.as_str().into(),
            store.workspace.as_str().into(),
            store.name.as_str().into(),
            store.description.as_str().into(),
            rows::pairs(&store.metadata).into(),
            store.created_at.micros().into(),
            store.updated_at.micros().into(),
            store.archived_at.map(Timestamp::micros).into(),
            deleted_at.map(Timestamp::micros).into(),
            i64::try_from(store.memories).unwrap_or(i64::MAX).into(),
            store.ledger.seq.into(),
            store.ledger.at.micros().into(),
        ]
    });
    sql.push(
        " on conflict (id) do update set name = excluded.name, \
         description = excluded.description, metadata = excluded.metadata, \
         updated_at = excluded.updated_at, archived_at = excluded.archived_at, \
         deleted_at = excluded.deleted_at, memories = excluded.memories, \
         last_seq = excluded.last_seq, last_at = excluded.last_at",
    );
}

fn insert_versions(sql: &mut Sql, versions: &[Version]) {
    sql.push(
        "insert into versions (id, store_id, memory_id, operation, path, content, size, sha256, \
         created_at, created_by) ",
    );
    sql.push_values(versions, |version| {
        vec![
            version.id.as_str().into(),
            version.store.as_str().into(),
            version.memory.as_str().into(),
            version.operation.as_str().into(),
            version.path.as_ref().map(MemoryPath::as_str).into(),
            version.content.as_ref().map(|content| content.as_str().as_bytes()).into(),
            version.digest.map(|digest| digest.size).into(),
            version.digest.as_ref().map(|digest| digest.sha256.as_bytes().as_slice()).into(),
            version.created_at.micros().into(),
            version.created_by.id().into(),
        ]
    });
}

fn put_memories(sql: &mut Sql, memories: &[Memory]) {
    sql.push(
        "insert into memories (id, store_id, path, head_version_id, size, sha256, created_at, \
         updated_at) ",
    );
    sql.push_values(memories, |memory| {
        vec![
            memory.id.as_str().into(),
            memory.store.as_str().into(),
            memory.path.as_str().into(),
            memory.head.as_str().into(),
            memory.size.into(),
            memory.sha256.as_bytes().into(),
            memory.created_at.micros().into(),
            memory.updated_at.micros().into(),
        ]
    });
    sql.push(
        " on conflict (id) do update set path = excluded.path, \
         head_version_id = excluded.head_version_id, size = excluded.size, \
         sha256 = excluded.sha256, updated_at = excluded.updated_at",
    );
}

/// Empties the version, and notes where its bytes have yet to be erased.
fn redact(script: &mut Script, version: &Version) {
    let Some(redaction) = &version.redaction else { return };
    let sql = script.statement();
    sql.push(
        "update versions set path = null, content = null, size = null, sha256 = null, \
         redacted_at = ",
    );
    sql.push_bind(redaction.at.micros()).push(", redacted_by = ").push_bind(redaction.by.id());
    sql.push(" where id = ").push_bind(version.id.as_str());
    if script.dialect().erases() {
        let sql = script.statement().push("insert into pending_erasures (version_id) values (");
        sql.push_bind(version.id.as_str()).push(")");
    }
}

fn insert_entries(sql: &mut Sql, entries: &[Entry]) {
    sql.push(
        "insert into journal (ledger, seq, at, kind, subject, actor, credential, request, reason) ",
    );
    sql.push_values(entries, |entry| {
        vec![
            entry.ledger.as_str().into(),
            entry.seq.into(),
            entry.at.micros().into(),
            entry.kind.as_str().into(),
            entry.subject.as_str().into(),
            entry.by.actor.as_ref().map(Actor::id).into(),
            entry.by.credential.as_ref().map(Credential::as_str).into(),
            entry.by.request.as_str().into(),
            entry.by.reason.as_ref().map(Reason::as_str).into(),
        ]
    });
}

/// `select`, which ends with an open list, for each chunk of the IDs.
fn selects<'a>(select: &'static str, ids: impl Iterator<Item = &'a str>) -> Vec<Sql> {
    let ids: Vec<_> = ids.collect();
    let chunks = ids.chunks(CHUNK).map(|ids| {
        let mut sql = Sql::new(select);
        sql.push_list(padded(ids).copied()).push(")");
        sql
    });
    chunks.collect()
}

/// Repeats the last item up to a power of two, so that few distinct statements are prepared.
pub fn padded<'a, T: 'a>(items: impl IntoIterator<Item = &'a T>) -> impl Iterator<Item = &'a T> {
    let items: Vec<_> = items.into_iter().collect();
    let missing = items.len().next_power_of_two() - items.len();
    let last = items.last().copied();
    items.into_iter().chain(last.into_iter().cycle().take(missing))
}
