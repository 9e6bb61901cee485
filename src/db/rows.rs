//! From rows to the domain's values. What does not fit a rule here was not written by this server.

use super::connection::Connection;
use super::sql::{Row, Sql};
use crate::domain::actor::Actor;
use crate::domain::content::{Content, Sha256};
use crate::domain::id::{MemoryId, StoreId, VersionId, WorkspaceId};
use crate::domain::json::Json;
use crate::domain::memory::Memory;
use crate::domain::path::MemoryPath;
use crate::domain::store::{Ledger, Store};
use crate::domain::text::Metadata;
use crate::domain::time::Timestamp;
use crate::domain::version::{Digest, Operation, Redaction, Version};

pub fn corrupt(what: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("the database holds no valid {what}").into())
}

pub fn time(row: &Row, column: usize) -> sqlx::Result<Timestamp> {
    row.get(column).map(Timestamp::from_micros)
}

pub fn maybe_time(row: &Row, column: usize) -> sqlx::Result<Option<Timestamp>> {
    Ok(row.get::<Option<i64>>(column)?.map(Timestamp::from_micros))
}

pub fn json(row: &Row, column: usize) -> sqlx::Result<Json> {
    row.get(column).map(Json::parsed)
}

pub fn maybe_json(row: &Row, column: usize) -> sqlx::Result<Option<Json>> {
    Ok(row.get::<Option<String>>(column)?.map(Json::parsed))
}

pub fn metadata(row: &Row, column: usize) -> sqlx::Result<Metadata> {
    serde_json::from_str(row.get(column)?).map_err(|_| corrupt("metadata"))
}

/// Metadata as it is kept.
pub fn pairs(metadata: &Metadata) -> String {
    serde_json::json!(metadata).to_string()
}

pub fn ledger(row: &Row, seq: usize) -> sqlx::Result<Ledger> {
    Ok(Ledger { seq: row.get(seq)?, at: time(row, seq + 1)? })
}

/// The columns of [`store`].
macro_rules! store_columns {
    () => {
        "id, workspace_id, name, description, metadata, created_at, updated_at, archived_at, \
         memories, last_seq, last_at"
    };
}
pub(crate) use store_columns;

/// Reads the columns of `store_columns!`.
pub fn store(row: &Row) -> sqlx::Result<Store> {
    Ok(Store {
        id: StoreId::stored(row.get(0)?),
        workspace: WorkspaceId::stored(row.get(1)?),
        name: row.get(2)?,
        description: row.get(3)?,
        metadata: metadata(row, 4)?,
        created_at: time(row, 5)?,
        updated_at: time(row, 6)?,
        archived_at: maybe_time(row, 7)?,
        memories: row.get::<i64>(8)?.unsigned_abs(),
        ledger: ledger(row, 9)?,
    })
}

/// The columns of [`memory`], with the content where it is wanted.
macro_rules! memory_columns {
    ($content:literal) => {
        concat!(
            "m.id, m.store_id, m.path, m.head_version_id, m.size, m.sha256, m.created_at, \
             m.updated_at, ",
            $content
        )
    };
}
pub(crate) use memory_columns;

/// Reads the columns of `memory_columns!`, the first of which is column `at`.
pub fn memory(row: &Row, at: usize) -> sqlx::Result<Memory> {
    let sha256 = hash(row, at + 5)?.ok_or_else(|| corrupt("hash"))?;
    Ok(Memory {
        id: MemoryId::stored(row.get(at)?),
        store: StoreId::stored(row.get(at + 1)?),
        path: MemoryPath::stored(row.get(at + 2)?),
        head: VersionId::stored(row.get(at + 3)?),
        size: row.get(at + 4)?,
        sha256,
        created_at: time(row, at + 6)?,
        updated_at: time(row, at + 7)?,
        content: content(row, at + 8, Some(sha256))?,
    })
}

/// The columns of [`version`], with the content where it is wanted.
macro_rules! version_columns {
    ($content:literal) => {
        concat!(
            "v.id, v.store_id, v.memory_id, v.operation, v.path, v.size, v.sha256, v.created_at, \
             v.created_by, v.redacted_at, v.redacted_by, ",
            $content
        )
    };
}
pub(crate) use version_columns;

/// Reads the columns of `version_columns!`, the first of which is column `at`.
pub fn version(row: &Row, at: usize) -> sqlx::Result<Version> {
    let sha256 = hash(row, at + 6)?;
    let size: Option<i64> = row.get(at + 5)?;
    let redacted_by: Option<String> = row.get(at + 10)?;
    let redaction = match (maybe_time(row, at + 9)?, redacted_by) {
        (Some(at), Some(by)) => Some(Redaction { at, by: actor(by)? }),
        _ => None,
    };
    Ok(Version {
        id: VersionId::stored(row.get(at)?),
        store: StoreId::stored(row.get(at + 1)?),
        memory: MemoryId::stored(row.get(at + 2)?),
        operation: Operation::parse(row.get(at + 3)?).ok_or_else(|| corrupt("operation"))?,
        path: row.get::<Option<String>>(at + 4)?.map(MemoryPath::stored),
        digest: size.zip(sha256).map(|(size, sha256)| Digest { size, sha256 }),
        content: content(row, at + 11, sha256)?,
        created_at: time(row, at + 7)?,
        created_by: actor(row.get(at + 8)?)?,
        redaction,
    })
}

pub fn actor(id: String) -> sqlx::Result<Actor> {
    Actor::stored(id).ok_or_else(|| corrupt("actor"))
}

fn hash(row: &Row, column: usize) -> sqlx::Result<Option<Sha256>> {
    let bytes: Option<&[u8]> = row.get(column)?;
    bytes.map(|bytes| Sha256::stored(bytes).ok_or_else(|| corrupt("hash"))).transpose()
}

fn content(row: &Row, column: usize, sha256: Option<Sha256>) -> sqlx::Result<Option<Content>> {
    let bytes: Option<Vec<u8>> = row.get(column)?;
    let both = bytes.zip(sha256);
    both.map(|(bytes, hash)| Content::stored(bytes, hash).ok_or_else(|| corrupt("content")))
        .transpose()
}

/// The versions whose bytes have yet to be erased, whoever has redacted them.
pub async fn pending_erasures(connection: &mut Connection) -> sqlx::Result<Vec<VersionId>> {
    let rows = connection.fetch_all(Sql::new("select version_id from pending_erasures")).await?;
    rows.iter().map(|row| row.get(0).map(VersionId::stored)).collect()
}

pub async fn clear_pending_erasures(
    connection: &mut Connection,
    erased: &[VersionId],
) -> sqlx::Result<()> {
    for id in erased {
        let sql = Sql::new("delete from pending_erasures where version_id = $1");
        connection.execute(sql.bind(id.as_str())).await?;
    }
    Ok(())
}
