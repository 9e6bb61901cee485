//! Offering work: each item to one caller at a time, whichever instance it asks.

use super::connection::Connection;
use super::ledger::{self, Entering};
use super::sql::Sql;
use super::transaction::{Failure, Transaction};
use super::work::{COLUMNS, OnWork, WorkChange, save, work};
use super::{Db, tokens, verdict};
use crate::domain::Result;
use crate::domain::id::{EnvironmentId, WorkId, WorkspaceId};
use crate::domain::journal::{Attribution, Kind};
use crate::domain::token::NewToken;
use crate::domain::work::{GRACE_SECONDS, Work};

/// Those that a poll may offer; the rule is `Work::is_free`, which is asked again.
const TO_DO: &str = " and state <> 'stopped' and state <> 'stopping' and (state <> 'queued' or offered_at is null or \
     offered_at <= ";

/// A poll: which queue, and the secret that goes with what it finds.
#[derive(Clone, Debug)]
pub struct Poll {
    pub workspace: WorkspaceId,
    pub environment: EnvironmentId,
    pub reclaim_millis: i64,
    /// Its session and its end are those of the work.
    pub token: NewToken,
    /// The ID of an item that may have to follow an abandoned one.
    pub next: WorkId,
    pub by: Attribution,
}

impl Db {
    /// Offers the oldest item that is free.
    pub async fn poll_work(&self, poll: Poll) -> Result<Option<Work>> {
        // A queue is empty most of the time, and looking writes nothing.
        let mut reader = self.read().await?;
        let abandoned = poll.find_abandoned(&mut reader).await.map_err(verdict::trouble)?;
        let free = poll.find(&mut reader, "").await.map_err(verdict::trouble)?;
        drop(reader);
        if let Some(abandoned) = abandoned {
            // Its worker has died before it confirmed.
            let on = poll.on(abandoned);
            self.change_work(on, WorkChange::Stop { force: true }).await?;
        } else if free.is_none() {
            return Ok(None);
        }
        self.change(poll).await
    }
}

impl Poll {
    async fn find_abandoned(&self, connection: &mut Connection) -> sqlx::Result<Option<Work>> {
        let now = self.token.created_at;
        let mut sql = Sql::new(COLUMNS);
        sql.push("environment_id = ").push_bind(self.environment.as_str());
        sql.push(" and workspace_id = ").push_bind(self.workspace.as_str());
        sql.push(" and state = 'stopping' and leased_until <= ").push_bind(now.micros());
        sql.push(" order by created_at, id limit 1");
        let found = connection.fetch_optional(sql).await?.as_ref().map(work).transpose()?;
        Ok(found.filter(|work| work.is_abandoned(now)))
    }

    fn on(&self, work: Work) -> OnWork {
        OnWork {
            workspace: self.workspace.clone(),
            environment: self.environment.clone(),
            id: work.id,
            held_by: None,
            next: self.next.clone(),
            at: self.token.created_at,
        }
    }

    async fn find(&self, connection: &mut Connection, lock: &str) -> sqlx::Result<Option<Work>> {
        let now = self.token.created_at;
        let mut sql = Sql::new(COLUMNS);
        sql.push("environment_id = ").push_bind(self.environment.as_str());
        sql.push(" and workspace_id = ").push_bind(self.workspace.as_str());
        sql.push(TO_DO).push_bind(now.micros() - self.reclaim_millis * 1000);
        sql.push(") and (state = 'queued' or leased_until <= ").push_bind(now.micros());
        sql.push(") order by created_at, id limit 1").push(lock);
        connection.fetch_optional(sql).await?.as_ref().map(work).transpose()
    }
}

impl Transaction for Poll {
    type Done = Option<Work>;

    async fn apply(&self, connection: &mut Connection) -> Result<Option<Work>, Failure> {
        let now = self.token.created_at;
        let lock = connection.dialect().lock_free();
        // It is held before the work, as by all who enter something in its journal.
        ledger::lock(connection, &self.workspace).await?;
        let found = self.find(connection, lock).await?;
        let Some(mut found) = found.filter(|found| found.is_free(now, self.reclaim_millis)) else {
            return Ok(None);
        };
        found.offer(self.token.id.clone(), now);
        save(connection, &found).await?;
        // Whoever held it has lost it, and may still save what it has.
        let sql = Sql::new(
            "update session_tokens set expires_at = $1 where work_id = $2 and expires_at > $1",
        );
        let grace = now.plus_seconds(GRACE_SECONDS);
        connection.execute(sql.bind(grace.micros()).bind(found.id.as_str())).await?;
        let entering = Entering {
            workspace: self.workspace.as_str(),
            kind: Kind::TokenCreated,
            subject: self.token.id.as_str(),
            by: &self.by,
            at: now,
        };
        let token = NewToken {
            session: found.session.clone(),
            created_at: ledger::enter(connection, entering).await?,
            expires_at: found.token_until(),
            ..self.token.clone()
        };
        tokens::insert(connection, &token, Some(&found.id)).await?;
        Ok(Some(found))
    }
}
