//! Reading the journal.

use super::connection::Connection;
use super::sql::{Row, Sql};
use super::{Db, rows, verdict};
use crate::domain::access::Credential;
use crate::domain::id::{RequestId, StoreId, WorkspaceId};
use crate::domain::journal::{Attribution, Entry, EntryFilter, Kind, Ledger, Reason};
use crate::domain::page::{Cursor, List, Page, Paging};
use crate::domain::{Error, Result};

const ENTRIES: &str = "select ledger, seq, at, kind, subject, actor, credential, request, reason \
                       from journal where ledger = ";
/// A deleted store keeps its row, so that who deleted it stays known; so does a workspace.
const STORE: &str = "select 1 from stores where id = $1";
const WORKSPACE: &str = "select 1 from workspaces where id = $1";

impl Db {
    /// Newest first. `within` bounds whose stores there are; the workspace `home` is always there.
    pub async fn journal(
        &self,
        ledger: &Ledger,
        home: &WorkspaceId,
        within: Option<&WorkspaceId>,
        filter: &EntryFilter,
        paging: &Paging,
    ) -> Result<Page<Entry>> {
        let sql = select(ledger, filter, paging)?;
        let mut reader = self.read().await?;
        require(&mut reader, ledger, home, within).await?;
        let found = reader.fetch_all(sql).await.map_err(verdict::trouble)?;
        let entries = found.iter().map(entry).collect::<sqlx::Result<_>>();
        Ok(Page::cut(entries.map_err(verdict::trouble)?, paging.limit, |entry: &Entry| {
            Cursor::number(List::Journal, ledger, entry.seq)
        }))
    }
}

fn select(ledger: &Ledger, filter: &EntryFilter, paging: &Paging) -> Result<Sql> {
    let behind = paging.after.as_ref().map(|cursor| cursor.after_number(List::Journal, ledger));
    let mut sql = Sql::new(ENTRIES);
    sql.push_bind(ledger.as_str());
    if let Some(kind) = filter.kind {
        sql.push(" and kind = ").push_bind(kind.as_str());
    }
    if let Some(subject) = &filter.subject {
        sql.push(" and subject = ").push_bind(subject.clone());
    }
    if let Some(from) = filter.at.from {
        sql.push(" and at >= ").push_bind(from.micros());
    }
    if let Some(to) = filter.at.to {
        sql.push(" and at <= ").push_bind(to.micros());
    }
    if let Some(seq) = behind.transpose()? {
        sql.push(" and seq < ").push_bind(seq);
    }
    sql.push(" order by seq desc limit ");
    sql.push_bind(i64::try_from(paging.limit + 1).unwrap_or(i64::MAX));
    Ok(sql)
}

async fn require(
    connection: &mut Connection,
    ledger: &Ledger,
    home: &WorkspaceId,
    within: Option<&WorkspaceId>,
) -> Result<()> {
    let (mut sql, what) = match ledger {
        Ledger::Workspace(id) if id == home => return Ok(()),
        Ledger::Workspace(id) => (Sql::new(WORKSPACE).bind(id.as_str()), WorkspaceId::WHAT),
        Ledger::Store(id) => (Sql::new(STORE).bind(id.as_str()), StoreId::WHAT),
    };
    if let (Ledger::Store(_), Some(workspace)) = (ledger, within) {
        sql.push(" and workspace_id = ").push_bind(workspace.as_str());
    }
    match connection.fetch_optional(sql).await.map_err(verdict::trouble)? {
        Some(_) => Ok(()),
        None => Err(Error::not_found(what, ledger)),
    }
}

/// Reads [`ENTRIES`].
fn entry(row: &Row) -> sqlx::Result<Entry> {
    let kind: &str = row.get(3)?;
    let credential = row.get::<Option<String>>(6)?;
    let credential = credential
        .map(|id| Credential::stored(id).ok_or_else(|| rows::corrupt("credential")))
        .transpose()?;
    Ok(Entry {
        ledger: row.get(0)?,
        seq: row.get(1)?,
        at: rows::time(row, 2)?,
        kind: kind.parse::<Kind>().map_err(|_| rows::corrupt("kind"))?,
        subject: row.get(4)?,
        by: Attribution {
            actor: row.get::<Option<String>>(5)?.map(rows::actor).transpose()?,
            credential,
            request: RequestId::stored(row.get(7)?),
            reason: row.get::<Option<String>>(8)?.map(Reason::stored),
        },
    })
}
