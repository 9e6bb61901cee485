//! One round of a batch: reads what its commands need with a few statements, and writes what they
//! planned with a few multi-row ones. A statement costs more than the rows in it.

use std::collections::BTreeSet;

use sqlx::query_builder::{QueryBuilder, Separated};
use sqlx::{Row, Sqlite, SqliteConnection};

use super::dialect;
use super::rows::{self, memory_columns, version_columns};
use crate::domain::id::{MemoryId, StoreId, WorkspaceId};
use crate::domain::journal::Entry;
use crate::domain::memory::Memory;
use crate::domain::path::MemoryPath;
use crate::domain::plan::{Needs, Overlay, Spot, Writes};
use crate::domain::store::Store;
use crate::domain::time::Timestamp;
use crate::domain::version::Version;

/// Rows of one statement; also bounds how many statements have to be kept prepared.
const CHUNK: usize = 32;

type Sql = QueryBuilder<Sqlite>;

/// Reads what is needed into a fresh overlay, within the transaction or, at `first`, beginning it.
pub async fn load(
    connection: &mut SqliteConnection,
    mut needs: Needs,
    count_stores: bool,
    first: bool,
) -> sqlx::Result<Overlay> {
    let mut overlay = Overlay::default();
    let with_stores = first && needs.versions.is_empty() && !needs.stores.is_empty();
    if first && !with_stores {
        dialect::begin(connection).await?;
    }
    load_versions(connection, &mut needs, &mut overlay).await?;
    load_stores(connection, &needs, with_stores, &mut overlay).await?;
    load_memories(connection, &needs, &mut overlay).await?;
    load_spots(connection, &needs.spots, &mut overlay).await?;
    load_workspaces(connection, &needs, count_stores, &mut overlay).await?;
    Ok(overlay)
}

async fn load_stores(
    connection: &mut SqliteConnection,
    needs: &Needs,
    mut begin: bool,
    overlay: &mut Overlay,
) -> sqlx::Result<()> {
    for ids in chunks(needs.stores.iter().map(StoreId::as_str)) {
        let mut sql = Sql::new(if std::mem::take(&mut begin) { dialect::BEGIN } else { "" });
        sql.push("select ")
            .push(rows::STORE)
            .push(" from stores where deleted_at is null and id in ");
        list(&mut sql, &ids);
        for row in sql.build().fetch_all(&mut *connection).await? {
            overlay.know_store(rows::store(&row)?);
        }
    }
    Ok(())
}

async fn load_memories(
    connection: &mut SqliteConnection,
    needs: &Needs,
    overlay: &mut Overlay,
) -> sqlx::Result<()> {
    const BARE: &str =
        concat!("select ", memory_columns!("null"), " from memories m where m.id in ");
    const WITH_CONTENT: &str = concat!(
        "select ",
        memory_columns!("v.content"),
        " from memories m join versions v on v.id = m.head_version_id where m.id in "
    );
    let bare = needs.memories.difference(&needs.contents);
    let bare = chunks(bare.map(MemoryId::as_str)).map(|ids| (BARE, ids));
    let full = chunks(needs.contents.iter().map(MemoryId::as_str)).map(|ids| (WITH_CONTENT, ids));
    for (select, ids) in bare.chain(full) {
        let mut sql = Sql::new(select);
        list(&mut sql, &ids);
        for row in sql.build().fetch_all(&mut *connection).await? {
            overlay.know_memory(rows::memory(&row, 0)?);
        }
    }
    Ok(())
}

/// Reads versions, and asks for their memories, whose heads decide what may be redacted.
async fn load_versions(
    connection: &mut SqliteConnection,
    needs: &mut Needs,
    overlay: &mut Overlay,
) -> sqlx::Result<()> {
    const SELECT: &str =
        concat!("select ", version_columns!("v.content"), " from versions v where v.id in ");
    for ids in chunks(needs.versions.iter().map(crate::domain::id::VersionId::as_str)) {
        let mut sql = Sql::new(SELECT);
        list(&mut sql, &ids);
        for row in sql.build().fetch_all(&mut *connection).await? {
            let version = rows::version(&row, 0)?;
            needs.memories.insert(version.memory.clone());
            overlay.know_version(version);
        }
    }
    Ok(())
}

/// Reads who is at each spot, above it, and first below it.
async fn load_spots(
    connection: &mut SqliteConnection,
    spots: &[Spot],
    overlay: &mut Overlay,
) -> sqlx::Result<()> {
    for spots in spots.chunks(CHUNK) {
        let mut sql =
            Sql::new("select store_id, path, id from memories where (store_id, path) in (");
        let places: BTreeSet<_> = spots
            .iter()
            .flat_map(|spot| {
                let paths = spot.path.ancestors().chain([spot.path.clone()]);
                paths.map(|path| (spot.store.as_str(), path))
            })
            .collect();
        sql.push_values(padded(&places), |mut row, (store, path)| {
            row.push_bind(*store).push_bind(path.as_str().to_owned());
        });
        sql.push(
            ") union all select m.store_id, m.path, m.id from (select column1 as store_id, \
             column2 as low, column3 as high, column4 as mover from (",
        );
        sql.push_values(padded(spots), |mut row, spot| {
            let below = spot.path.below();
            row.push_bind(spot.store.as_str());
            row.push_bind(below.from).push_bind(below.to);
            row.push_bind(spot.mover.as_ref().map_or("", MemoryId::as_str));
        });
        sql.push(
            ") as given) w join memories m on m.store_id = w.store_id and m.path = (select n.path \
             from memories n where n.store_id = w.store_id and n.path >= w.low and \
             n.path < w.high and n.id <> w.mover order by n.path limit 1)",
        );
        for row in sql.build().fetch_all(&mut *connection).await? {
            overlay.know_occupied(
                StoreId::stored(row.try_get(0)?),
                MemoryPath::stored(row.try_get(1)?),
                MemoryId::stored(row.try_get(2)?),
            );
        }
    }
    Ok(())
}

async fn load_workspaces(
    connection: &mut SqliteConnection,
    needs: &Needs,
    count_stores: bool,
    overlay: &mut Overlay,
) -> sqlx::Result<()> {
    const LIVE: &str = "select id, 0 from workspaces where deleted_at is null and id in ";
    const COUNTED: &str = "select id, (select count(*) from stores s where s.workspace_id = w.id \
                           and s.deleted_at is null) from workspaces w where deleted_at is null \
                           and id in ";
    for ids in chunks(needs.workspaces.iter().map(WorkspaceId::as_str)) {
        let mut sql = Sql::new(if count_stores { COUNTED } else { LIVE });
        list(&mut sql, &ids);
        for row in sql.build().fetch_all(&mut *connection).await? {
            let stores: i64 = row.try_get(1)?;
            overlay.know_workspace(WorkspaceId::stored(row.try_get(0)?), stores.unsigned_abs());
        }
    }
    Ok(())
}

/// Writes a round. Stores come first, since all else refers to them. All statements go to the
/// database's thread as one script, the commit with the `last`: the way there costs more than most
/// of them.
pub async fn store(
    connection: &mut SqliteConnection,
    writes: &Writes,
    last: bool,
) -> sqlx::Result<()> {
    let mut sql = Sql::new("");
    for rows in writes.stores.chunks(CHUNK) {
        put_stores(&mut sql, rows);
    }
    for rows in writes.versions.chunks(CHUNK) {
        insert_versions(&mut sql, rows);
    }
    for ids in chunks(writes.removed.iter().map(MemoryId::as_str)) {
        sql.push("delete from memories where id in ");
        list(&mut sql, &ids);
        sql.push("; ");
    }
    for rows in writes.memories.chunks(CHUNK) {
        put_memories(&mut sql, rows);
    }
    for version in &writes.redacted {
        redact(&mut sql, version);
    }
    for rows in writes.journal.chunks(CHUNK) {
        insert_entries(&mut sql, rows);
    }
    if last {
        sql.push("commit");
    }
    sql.build().execute(connection).await.map(drop)
}

/// Appends entries to their journals.
pub async fn journal(connection: &mut SqliteConnection, entries: &[Entry]) -> sqlx::Result<()> {
    let mut sql = Sql::new("");
    for rows in entries.chunks(CHUNK) {
        insert_entries(&mut sql, rows);
    }
    sql.build().execute(connection).await.map(drop)
}

fn put_stores(sql: &mut Sql, stores: &[(Store, Option<Timestamp>)]) {
    sql.push(
        "insert into stores (id, workspace_id, name, description, metadata, created_at, \
         updated_at, archived_at, deleted_at, memories, last_seq, last_at) ",
    );
    sql.push_values(stores, |mut row, (store, deleted_at)| {
        row.push_bind(store.id.as_str()).push_bind(store.workspace.as_str());
        row.push_bind(store.name.as_str()).push_bind(store.description.as_str());
        row.push_bind(serde_json::json!(store.metadata).to_string());
        row.push_bind(store.created_at.micros()).push_bind(store.updated_at.micros());
        row.push_bind(store.archived_at.map(Timestamp::micros));
        row.push_bind(deleted_at.map(Timestamp::micros));
        row.push_bind(i64::try_from(store.memories).unwrap_or(i64::MAX));
        row.push_bind(store.ledger.seq).push_bind(store.ledger.at.micros());
    });
    sql.push(
        " on conflict (id) do update set name = excluded.name, \
         description = excluded.description, metadata = excluded.metadata, \
         updated_at = excluded.updated_at, archived_at = excluded.archived_at, \
         deleted_at = excluded.deleted_at, memories = excluded.memories, \
         last_seq = excluded.last_seq, last_at = excluded.last_at",
    );
    sql.push("; ");
}

fn insert_versions(sql: &mut Sql, versions: &[Version]) {
    sql.push(
        "insert into versions (id, store_id, memory_id, operation, path, content, size, sha256, \
         created_at, created_by) ",
    );
    sql.push_values(versions, |mut row, version| {
        row.push_bind(version.id.as_str()).push_bind(version.store.as_str());
        row.push_bind(version.memory.as_str()).push_bind(version.operation.as_str());
        row.push_bind(version.path.as_ref().map(MemoryPath::as_str));
        row.push_bind(version.content.as_ref().map(|content| content.as_str().as_bytes()));
        row.push_bind(version.digest.map(|digest| digest.size));
        row.push_bind(version.digest.map(|digest| digest.sha256.as_bytes().to_vec()));
        row.push_bind(version.created_at.micros()).push_bind(version.created_by.id());
    });
    sql.push("; ");
}

fn put_memories(sql: &mut Sql, memories: &[Memory]) {
    sql.push(
        "insert into memories (id, store_id, path, head_version_id, size, sha256, created_at, \
         updated_at) ",
    );
    sql.push_values(memories, |mut row, memory| {
        row.push_bind(memory.id.as_str()).push_bind(memory.store.as_str());
        row.push_bind(memory.path.as_str()).push_bind(memory.head.as_str());
        row.push_bind(memory.size).push_bind(memory.sha256.as_bytes().to_vec());
        row.push_bind(memory.created_at.micros()).push_bind(memory.updated_at.micros());
    });
    sql.push(
        " on conflict (id) do update set path = excluded.path, \
         head_version_id = excluded.head_version_id, size = excluded.size, \
         sha256 = excluded.sha256, updated_at = excluded.updated_at",
    );
    sql.push("; ");
}

/// Empties the version and notes that its bytes have yet to be erased.
fn redact(sql: &mut Sql, version: &Version) {
    let Some(redaction) = &version.redaction else { return };
    sql.push(
        "update versions set path = null, content = null, size = null, sha256 = null, \
         redacted_at = ",
    );
    sql.push_bind(redaction.at.micros()).push(", redacted_by = ");
    sql.push_bind(redaction.by.id().to_owned()).push(" where id = ");
    sql.push_bind(version.id.as_str().to_owned());
    sql.push("; insert into pending_erasures (version_id) values (");
    sql.push_bind(version.id.as_str().to_owned()).push("); ");
}

fn insert_entries(sql: &mut Sql, entries: &[Entry]) {
    sql.push("insert into journal (ledger, seq, at, kind, subject, actor, credential, request) ");
    sql.push_values(entries, |mut row, entry| {
        row.push_bind(entry.ledger.as_str()).push_bind(entry.seq).push_bind(entry.at.micros());
        row.push_bind(entry.kind.as_str()).push_bind(entry.subject.as_str());
        row.push_bind(entry.by.actor.as_ref().map(|actor| actor.id().to_owned()));
        row.push_bind(entry.by.credential.as_ref().map(|key| key.as_str().to_owned()));
        row.push_bind(entry.by.request.as_str());
    });
    sql.push("; ");
}

fn list(sql: &mut Sql, ids: &[&str]) {
    sql.push("(");
    let mut ids_sql: Separated<'_, Sqlite, _> = sql.separated(", ");
    for id in padded(ids) {
        ids_sql.push_bind(*id);
    }
    ids_sql.push_unseparated(")");
}

fn chunks<'a>(ids: impl Iterator<Item = &'a str>) -> impl Iterator<Item = Vec<&'a str>> {
    let ids: Vec<_> = ids.collect();
    let chunks: Vec<_> = ids.chunks(CHUNK).map(<[_]>::to_vec).collect();
    chunks.into_iter()
}

/// Repeats the last item up to a power of two, so that few distinct statements are prepared.
fn padded<'a, T: 'a>(items: impl IntoIterator<Item = &'a T>) -> impl Iterator<Item = &'a T> {
    let items: Vec<_> = items.into_iter().collect();
    let missing = items.len().next_power_of_two() - items.len();
    let last = items.last().copied();
    items.into_iter().chain(last.into_iter().cycle().take(missing))
}
