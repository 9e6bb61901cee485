//! Reading API keys.

use super::sql::{Row, Sql};
use super::stores::newest_first;
use super::{Db, rows, verdict};
use crate::domain::Result;
use crate::domain::actor::Actor;
use crate::domain::id::{ApiKeyId, EnvironmentId, WorkspaceId};
use crate::domain::key::{ApiKey, KeyHash, Origin};
use crate::domain::page::{Cursor, List, Page, Paging, TimeRange};
use crate::domain::time::Timestamp;

pub const COLUMNS: &str = "select id, workspace_id, name, key_sha256, hint, scopes, origin, principal_id, \
     (select p.name from principals p where p.id = principal_id), created_at, expires_at, \
     revoked_at, environment_id from api_keys where ";
pub const ANY_MINTED: &str = "select 1 from api_keys where origin = 'minted' limit 1";
/// Keys of a deleted workspace are kept, revoked, so that they are still known: they are shown where it is
/// named.
const OF_LIVE_WORKSPACES: &str =
    "workspace_id in (select w.id from workspaces w where w.deleted_at is null)";

impl Db {
    /// The key with this hash.
    pub async fn key_by_hash(&self, hash: &KeyHash) -> Result<Option<ApiKey>> {
        let mut sql = Sql::new(COLUMNS);
        sql.push("key_sha256 = ").push_bind(hash.as_bytes());
        let mut reader = self.read().await?;
        let row = reader.fetch_optional(sql).await.map_err(verdict::trouble)?;
        row.as_ref().map(key).transpose().map_err(verdict::trouble)
    }

    /// The key with this ID.
    pub async fn key(&self, id: &ApiKeyId) -> Result<Option<ApiKey>> {
        let mut sql = Sql::new(COLUMNS);
        sql.push("id = ").push_bind(id.as_str());
        let mut reader = self.read().await?;
        let row = reader.fetch_optional(sql).await.map_err(verdict::trouble)?;
        row.as_ref().map(key).transpose().map_err(verdict::trouble)
    }

    /// Newest first; of all workspaces, or of the one given.
    pub async fn keys(
        &self,
        workspace: Option<&WorkspaceId>,
        paging: &Paging,
    ) -> Result<Page<ApiKey>> {
        let owner = workspace.map_or("", WorkspaceId::as_str).to_owned();
        let mut sql = Sql::new(COLUMNS);
        match workspace {
            Some(_) => sql.push("workspace_id = ").push_bind(owner.clone()),
            None => sql.push(OF_LIVE_WORKSPACES),
        };
        newest_first(&mut sql, List::ApiKeys, &owner, TimeRange::default(), paging)?;
        let mut reader = self.read().await?;
        let found = reader.fetch_all(sql).await.map_err(verdict::trouble)?;
        let found = found.iter().map(key).collect::<sqlx::Result<_>>();
        Ok(Page::cut(found.map_err(verdict::trouble)?, paging.limit, |key: &ApiKey| {
            Cursor::time(List::ApiKeys, &owner, key.created_at, &key.id)
        }))
    }

    /// Whether there is a key that would be accepted at `now`.
    pub async fn has_usable_keys(&self, now: Timestamp) -> Result<bool> {
        let mut reader = self.read().await?;
        let sql = Sql::new(
            "select 1 from api_keys where origin = 'minted' and revoked_at is null and environment_id is null \
             and (expires_at is null or expires_at > $1) limit 1",
        );
        let row = reader.fetch_optional(sql.bind(now.micros())).await;
        Ok(row.map_err(verdict::trouble)?.is_some())
    }

    /// Whether any key was ever made here.
    pub async fn has_minted_keys(&self) -> Result<bool> {
        let mut reader = self.read().await?;
        Ok(reader.fetch_optional(Sql::new(ANY_MINTED)).await.map_err(verdict::trouble)?.is_some())
    }
}

/// Reads [`COLUMNS`].
pub fn key(row: &Row) -> sqlx::Result<ApiKey> {
    let id = ApiKeyId::stored(row.get(0)?);
    let principal: Option<String> = row.get(7)?;
    let invalid = |_| rows::corrupt("key");
    Ok(ApiKey {
        workspace: WorkspaceId::stored(row.get(1)?),
        name: row.get(2)?,
        hash: KeyHash::stored(row.get(3)?).ok_or_else(|| rows::corrupt("key"))?,
        hint: row.get(4)?,
        scopes: row.get::<&str>(5)?.parse().map_err(invalid)?,
        origin: row.get::<&str>(6)?.parse::<Origin>().map_err(invalid)?,
        actor: principal.map_or(Ok(Actor::ApiKey(id.clone())), rows::actor)?,
        actor_name: row.get(8)?,
        created_at: rows::time(row, 9)?,
        expires_at: rows::maybe_time(row, 10)?,
        revoked_at: rows::maybe_time(row, 11)?,
        environment: row.get::<Option<String>>(12)?.map(EnvironmentId::stored),
        id,
    })
}
