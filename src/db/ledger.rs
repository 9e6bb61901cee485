//! The journal of a workspace: its numbers have no gaps, and its times increase.

use super::connection::Connection;
use super::script::Script;
use super::sql::Sql;
use super::transaction::Failure;
use super::{batch, rows};
use crate::domain::Error;
use crate::domain::id::WorkspaceId;
use crate::domain::journal::{Attribution, Entry, Kind};
use crate::domain::time::Timestamp;

/// A change that is to be entered.
pub struct Entering<'a> {
    pub workspace: &'a str,
    pub kind: Kind,
    pub subject: &'a str,
    pub by: &'a Attribution,
    pub at: Timestamp,
}

/// Takes the next number and time of the workspace's ledger, and enters the change. The workspace may have
/// been deleted since the credential was checked.
pub async fn enter(
    connection: &mut Connection,
    entering: Entering<'_>,
) -> Result<Timestamp, Failure> {
    let Entering { workspace, kind, subject, by, at } = entering;
    let mut read =
        Sql::new("select last_seq, last_at from workspaces where id = $1 and deleted_at is null")
            .bind(workspace);
    read.push(connection.dialect().lock());
    let row = connection.fetch_optional(read).await?.ok_or_else(Error::revoked)?;
    let (seq, at) = rows::ledger(&row, 0)?.advance(at);
    let write = Sql::new("update workspaces set last_seq = $1, last_at = $2 where id = $3");
    connection.execute(write.bind(seq).bind(at.micros()).bind(workspace)).await?;
    let entry = Entry {
        ledger: workspace.to_owned(),
        seq,
        at,
        kind,
        subject: subject.to_owned(),
        by: by.clone(),
    };
    let mut script = Script::new(connection.dialect());
    batch::journal(&mut script, &[entry]);
    connection.write(script).await?;
    Ok(at)
}

/// Waits for the workspace's row. Whoever changes what belongs to it holds it first.
pub async fn lock(connection: &mut Connection, workspace: &WorkspaceId) -> sqlx::Result<()> {
    let mut sql = Sql::new("select 1 from workspaces where id = $1");
    sql.push(connection.dialect().lock());
    connection.fetch_optional(sql.bind(workspace.as_str())).await.map(drop)
}
