//! Session tokens: only their hashes are kept.

use std::sync::Arc;

use super::connection::Connection;
use super::ledger::{self, Entering};
use super::sessions::find_locked;
use super::sql::Sql;
use super::transaction::{Failure, Transaction};
use super::{Db, rows, verdict};
use crate::domain::id::{SessionId, StoreId, TokenId, WorkId, WorkspaceId};
use crate::domain::journal::{Attribution, Kind};
use crate::domain::key::KeyHash;
use crate::domain::time::Timestamp;
use crate::domain::token::{NewToken, SessionToken};
use crate::domain::{Error, Result};

/// A row for each attached store; one without where there is none.
const BY_HASH: &str = "select t.id, t.session_id, s.workspace_id, t.expires_at, a.store_id, a.access from \
     session_tokens t join sessions s on s.id = t.session_id join workspaces w on w.id = \
     s.workspace_id left join session_stores a on a.session_id = s.id where t.token_sha256 = $1 \
     and s.archived_at is null and s.deleted_at is null and w.deleted_at is null order by a.position";

impl Db {
    /// The token with this hash, of a live session.
    pub async fn token_by_hash(&self, hash: &KeyHash) -> Result<Option<SessionToken>> {
        let mut reader = self.read().await?;
        let sql = Sql::new(BY_HASH).bind(hash.as_bytes());
        let found = reader.fetch_all(sql).await.map_err(verdict::trouble)?;
        let Some(first) = found.first() else { return Ok(None) };
        let mut stores = Vec::new();
        let read = || -> sqlx::Result<SessionToken> {
            for row in &found {
                if let Some(store) = row.get::<Option<String>>(4)? {
                    let access: &str = row.get(5)?;
                    let access = access.parse().map_err(|_| rows::corrupt("access"))?;
                    stores.push((StoreId::stored(store), access));
                }
            }
            Ok(SessionToken {
                id: TokenId::stored(first.get(0)?),
                session: SessionId::stored(first.get(1)?),
                workspace: WorkspaceId::stored(first.get(2)?),
                expires_at: rows::maybe_time(first, 3)?,
                stores: Arc::from(stores),
            })
        };
        read().map(Some).map_err(verdict::trouble)
    }

    /// When the token ends, where it does so before its session.
    pub async fn token_expiry(&self, id: &TokenId) -> Result<Option<Timestamp>> {
        let mut reader = self.read().await?;
        let sql = Sql::new("select expires_at from session_tokens where id = $1");
        let row = reader.fetch_optional(sql.bind(id.as_str())).await.map_err(verdict::trouble)?;
        let expiry = row.as_ref().map(|row| rows::maybe_time(row, 0)).transpose();
        Ok(expiry.map_err(verdict::trouble)?.flatten())
    }

    /// Keeps a token that an administrator makes.
    pub async fn create_token(
        &self,
        workspace: WorkspaceId,
        token: NewToken,
        by: Attribution,
    ) -> Result<NewToken> {
        self.change(Create { workspace, token, by }).await
    }

    /// Ends all tokens of a session, those of its worker too, and says how many there were.
    pub async fn revoke_tokens(
        &self,
        workspace: WorkspaceId,
        session: SessionId,
        at: Timestamp,
        by: Attribution,
    ) -> Result<u64> {
        self.change(Revoke { workspace, session, at, by }).await
    }
}

struct Create {
    workspace: WorkspaceId,
    token: NewToken,
    by: Attribution,
}

impl Transaction for Create {
    type Done = NewToken;

    async fn apply(&self, connection: &mut Connection) -> Result<NewToken, Failure> {
        ledger::lock(connection, &self.workspace).await?;
        let session = find_locked(connection, &self.workspace, &self.token.session).await?;
        if session.archived_at.is_some() {
            let id = session.id.to_string();
            return Err(Error::Archived { what: SessionId::WHAT, id }.into());
        }
        let entering = Entering {
            workspace: self.workspace.as_str(),
            kind: Kind::TokenCreated,
            subject: self.token.id.as_str(),
            by: &self.by,
            at: self.token.created_at,
        };
        let created_at = ledger::enter(connection, entering).await?;
        let token = NewToken { created_at, ..self.token.clone() };
        insert(connection, &token, None).await?;
        Ok(token)
    }
}

struct Revoke {
    workspace: WorkspaceId,
    session: SessionId,
    at: Timestamp,
    by: Attribution,
}

impl Transaction for Revoke {
    type Done = u64;

    /// A row that is gone is known to no server, whatever its clock says.
    async fn apply(&self, connection: &mut Connection) -> Result<u64, Failure> {
        ledger::lock(connection, &self.workspace).await?;
        let session = find_locked(connection, &self.workspace, &self.session).await?;
        let delete = Sql::new("delete from session_tokens where session_id = $1");
        let revoked = connection.execute(delete.bind(session.id.as_str())).await?;
        if revoked > 0 {
            let entering = Entering {
                workspace: self.workspace.as_str(),
                kind: Kind::TokensRevoked,
                subject: session.id.as_str(),
                by: &self.by,
                at: self.at,
            };
            ledger::enter(connection, entering).await?;
        }
        Ok(revoked)
    }
}

pub async fn insert(
    connection: &mut Connection,
    token: &NewToken,
    work: Option<&WorkId>,
) -> sqlx::Result<()> {
    let sql = Sql::new(
        "insert into session_tokens (id, token_sha256, session_id, work_id, created_at, expires_at) \
         values ($1, $2, $3, $4, $5, $6)",
    );
    let sql = sql
        .bind(token.id.as_str())
        .bind(token.hash.as_bytes())
        .bind(token.session.as_str())
        .bind(work.map(WorkId::as_str))
        .bind(token.created_at.micros())
        .bind(token.expires_at.map(Timestamp::micros));
    connection.execute(sql).await.map(drop)
}
