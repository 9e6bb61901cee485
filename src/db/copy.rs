//! Moving a whole installation from one database to another, of either kind, byte for byte.
//!
//! The source is read in one state, the target is written in one transaction and read back before
//! its commit: it is the whole source afterwards, or as empty as before.

use super::connection::Connection;
use super::dialect::Dialect;
use super::location::{Location, Purpose};
use super::pages::Pages;
use super::shared::Shared;
use super::sql::Sql;
use super::tables::{TABLES, Table};
use super::{intact, migrate, verdict};
use crate::domain::limits::Limits;
use crate::domain::{Error, Result};

const LEDGERS: &str = "select cast((select coalesce(sum(last_seq), 0) from stores) + \
                       (select coalesce(sum(last_seq), 0) from workspaces) + \
                       (select coalesce(sum(last_seq), 0) from sessions) + \
                       (select count(*) from session_tokens) + (select \
                       coalesce(max(acknowledged_at), 0) + coalesce(max(latest_heartbeat_at), 0) + \
                       coalesce(max(stop_requested_at), 0) from work) as bigint)";

/// How far a copy has come. Each row is copied, and then compared.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub table: &'static str,
    pub comparing: bool,
    /// Rows copied or compared so far, of `of`.
    pub done: u64,
    pub of: u64,
}

/// What was copied of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    pub table: &'static str,
    pub rows: u64,
    /// SHA-256 of all rows in the order of their keys; the same in both databases.
    pub sha256: [u8; 32],
}

pub async fn copy(
    from: &Location,
    to: &Location,
    report: &mut (dyn FnMut(Progress) + Send),
) -> Result<Vec<Copied>> {
    if from.is_same(to) {
        return Err(Error::Invalid(format!(
            "{from} can't be copied to itself: name another target"
        )));
    }
    let source = Shared::open(from, Purpose::Read, Limits::default())?;
    let copied = async {
        let mut reading = source.opened(from).await?;
        check_source(&mut reading, from).await?;
        let target = Shared::open(to, Purpose::Upkeep, Limits::default())?;
        let copied = write(&mut reading, from, &target, to, report).await;
        target.close().await;
        copied
    };
    let copied = copied.await;
    source.close().await;
    copied
}

/// Fills the target; it is committed if the source is still the same.
async fn write(
    reading: &mut Connection,
    from: &Location,
    target: &Shared,
    to: &Location,
    report: &mut (dyn FnMut(Progress) + Send),
) -> Result<Vec<Copied>> {
    let mut writing = target.opened(to).await?;
    migrate::update(&mut writing, to).await?;
    let copy = Copy { from: reading, to: &mut writing, report, done: 0, of: 0 };
    let (copied, ledgers) = copy.run(to).await?;
    if ledgers_now(from).await? != ledgers {
        return Err(Error::Invalid(format!(
            "{from} was changed while it was copied, so nothing was copied: stop its servers first"
        )));
    }
    match writing.commit().await {
        Ok(()) => Ok(copied),
        Err(_) if writing.is_uncertain() => Err(uncertain(to)),
        Err(error) => Err(verdict::trouble(error)),
    }
}

async fn check_source(connection: &mut Connection, from: &Location) -> Result<()> {
    let schema = migrate::schema(connection, from).await?;
    if schema.applied > 0 && !schema.missing.is_empty() {
        return Err(Error::Invalid(format!(
            "{from} has the older schema {}: run `memstored migrate` on it",
            schema.applied
        )));
    }
    let found = schema.applied > 0
        && migrate::installation(connection).await.map_err(verdict::trouble)?.is_some();
    if !found {
        return Err(Error::Invalid(format!("there is no installation of memstored at {from}")));
    }
    Ok(())
}

fn uncertain(to: &Location) -> Error {
    Error::Unavailable {
        reason: format!(
            "the connection to {to} was lost while the copy was committed: it is there wholly or \
             not at all; look with `memstored doctor` before you repeat it"
        ),
        retry: false,
    }
}

/// Looks at the source anew: whoever reads a file that nobody had open may not see its changes.
async fn ledgers_now(from: &Location) -> Result<i64> {
    let source = Shared::open(from, Purpose::Read, Limits::default())?;
    let sum = ledger_sum(&mut *source.opened(from).await?).await;
    source.close().await;
    sum
}

async fn ledger_sum(connection: &mut Connection) -> Result<i64> {
    let sum = connection.fetch_one(Sql::new(LEDGERS)).await.and_then(|row| row.get(0));
    sum.map_err(verdict::trouble)
}

struct Copy<'a> {
    from: &'a mut Connection,
    to: &'a mut Connection,
    report: &'a mut (dyn FnMut(Progress) + Send),
    done: u64,
    of: u64,
}

impl Copy<'_> {
    /// Answers what was copied, and the sum of the source's ledgers; leaves the commit.
    async fn run(mut self, to: &Location) -> Result<(Vec<Copied>, i64)> {
        self.from.begin_snapshot().await.map_err(verdict::trouble)?;
        self.to.begin().await.map_err(verdict::trouble)?;
        if self.to.dialect() == Dialect::Postgres {
            let lock = Sql::new("lock table installation in exclusive mode");
            self.to.execute(lock).await.map_err(verdict::trouble)?;
        }
        for table in TABLES {
            if count(self.to, table).await? > 0 {
                return Err(Error::Invalid(format!(
                    "{to} is not empty: copy to a database that holds no installation yet"
                )));
            }
        }
        let tables = moved(self.to.dialect());
        for table in &tables {
            self.of += 2 * count(self.from, table).await?;
        }
        let ledgers = ledger_sum(self.from).await?;
        let mut copied = Vec::with_capacity(tables.len());
        for table in &tables {
            copied.push(self.table(table).await?);
        }
        for (table, copied) in tables.iter().zip(&copied) {
            self.compare(table, copied).await?;
        }
        self.from.commit().await.map_err(verdict::trouble)?;
        Ok((copied, ledgers))
    }

    async fn table(&mut self, table: &'static Table) -> Result<Copied> {
        let mut pages = Pages::of(table);
        while let Some(rows) = pages.next(self.from).await.map_err(verdict::trouble)? {
            self.advance(table, false, rows.len());
            if let Some(version) = intact::altered(table, &rows).next() {
                return Err(Error::Invalid(format!(
                    "version {version} of the source does not have the content that its hash and \
                     size say, so nothing was copied: look the source over with `memstored doctor`"
                )));
            }
            let mut sql = Sql::default();
            sql.push(&format!("insert into {} ({}) ", table.name, table.names()));
            sql.push_values(rows, |row| row);
            self.to.execute(sql).await.map_err(verdict::trouble)?;
        }
        Ok(pages.finish())
    }

    /// Reads a table back.
    async fn compare(&mut self, table: &'static Table, copied: &Copied) -> Result<()> {
        let mut pages = Pages::of(table);
        while let Some(rows) = pages.next(self.to).await.map_err(verdict::trouble)? {
            self.advance(table, true, rows.len());
        }
        if pages.finish() != *copied {
            return Err(Error::Invalid(format!(
                "table {} reads differently in the target, so nothing was copied",
                table.name
            )));
        }
        Ok(())
    }

    fn advance(&mut self, table: &'static Table, comparing: bool, rows: usize) {
        self.done += u64::try_from(rows).unwrap_or(0);
        let (done, of) = (self.done, self.of);
        (self.report)(Progress { table: table.name, comparing, done, of });
    }
}

/// The tables whose rows go along. What waits to be erased from a SQLite file is of no use on
/// Postgres, where nobody would ever clear it.
fn moved(to: Dialect) -> Vec<&'static Table> {
    let erases = |table: &&Table| to.erases() || table.name != "pending_erasures";
    TABLES.iter().filter(erases).collect()
}

async fn count(connection: &mut Connection, table: &Table) -> Result<u64> {
    let mut sql = Sql::new("select count(*) from ");
    sql.push(table.name);
    let count = connection.fetch_one(sql).await.and_then(|row| row.get::<i64>(0));
    count.map(i64::unsigned_abs).map_err(verdict::trouble)
}
