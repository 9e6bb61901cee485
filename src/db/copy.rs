//! Moving a whole installation from one database to another, of either kind, byte for byte.
//!
//! The source is read in one state, the target is written in one transaction and read back before
//! its commit: it is the whole source afterwards, or as empty as before.

use sha2::{Digest, Sha256};

use super::connection::Connection;
use super::dialect::Dialect;
use super::location::{Location, Purpose};
use super::shared::Shared;
use super::sql::{Arg, Sql};
use super::tables::{TABLES, Table};
use super::{migrate, verdict};
use crate::domain::limits::Limits;
use crate::domain::{Error, Result};

/// Rows that are read or written at once; with the largest contents about 10 MB.
const ROWS: usize = 100;

const LEDGERS: &str = "select cast((select coalesce(sum(last_seq), 0) from stores) + \
                       (select coalesce(sum(last_seq), 0) from workspaces) as bigint)";

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
    let source = Shared::open(from, Purpose::Upkeep, Limits::default()).await?;
    let target = Shared::open(to, Purpose::Upkeep, Limits::default()).await?;
    let copied = async {
        let mut reading = source.opened(from).await?;
        check_source(&mut reading, from).await?;
        let mut writing = target.opened(to).await?;
        migrate::update(&mut writing).await?;
        let copy = Copy { from: &mut reading, to: &mut writing, report, done: 0, of: 0 };
        let (copied, ledgers) = copy.run(to).await?;
        drop(reading);
        let mut reading = source.writing().await?;
        if ledger_sum(&mut reading).await? != ledgers {
            return Err(Error::Invalid(format!(
                "{from} was changed while it was copied, so nothing was copied: stop its servers \
                 first"
            )));
        }
        writing.commit().await.map_err(verdict::trouble)?;
        Ok(copied)
    };
    let copied = copied.await;
    source.close().await;
    target.close().await;
    copied
}

async fn check_source(connection: &mut Connection, from: &Location) -> Result<()> {
    let schema = migrate::schema(connection).await?;
    if schema.missing.is_empty() {
        return Ok(());
    }
    Err(Error::Invalid(if schema.applied == 0 {
        format!("there is no installation of memstored at {from}")
    } else {
        format!("{from} has the older schema {}: run `memstored migrate` on it", schema.applied)
    }))
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
            self.of += 2 * count(self.from, table).await?;
        }
        let ledgers = ledger_sum(self.from).await?;
        let mut copied = Vec::with_capacity(TABLES.len());
        for table in TABLES {
            copied.push(self.table(table).await?);
        }
        for (table, copied) in TABLES.iter().zip(&copied) {
            self.compare(table, copied).await?;
        }
        self.from.commit().await.map_err(verdict::trouble)?;
        Ok((copied, ledgers))
    }

    async fn table(&mut self, table: &'static Table) -> Result<Copied> {
        let mut pages = Pages::of(table);
        while let Some(rows) = pages.next(self.from).await? {
            self.advance(table, false, rows.len());
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
        while let Some(rows) = pages.next(self.to).await? {
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

async fn count(connection: &mut Connection, table: &Table) -> Result<u64> {
    let mut sql = Sql::new("select count(*) from ");
    sql.push(table.name);
    let count = connection.fetch_one(sql).await.and_then(|row| row.get::<i64>(0));
    count.map(i64::unsigned_abs).map_err(verdict::trouble)
}

/// The rows of a table in the order of its primary key, counted and hashed as they come.
struct Pages {
    table: &'static Table,
    after: Option<Vec<Arg>>,
    rows: u64,
    digest: Sha256,
}

impl Pages {
    fn of(table: &'static Table) -> Self {
        Self { table, after: None, rows: 0, digest: Sha256::new() }
    }

    async fn next(&mut self, connection: &mut Connection) -> Result<Option<Vec<Vec<Arg>>>> {
        let (key, table) = (self.table.key_names(), self.table);
        let mut sql = Sql::default();
        sql.push(&format!("select {} from {}", table.names(), table.name));
        if let Some(after) = self.after.take() {
            sql.push(&format!(" where ({key}) > (")).push_list(after).push(")");
        }
        sql.push(&format!(" order by {key} limit {ROWS}"));
        let rows = connection.fetch_all(sql).await;
        let rows = rows.and_then(|rows| rows.iter().map(|row| table.values(row)).collect());
        let rows: Vec<Vec<Arg>> = rows.map_err(verdict::trouble)?;
        for row in &rows {
            add(&mut self.digest, row);
            self.rows += 1;
        }
        self.after = rows.last().map(|last| last[..table.key].to_vec());
        Ok((!rows.is_empty()).then_some(rows))
    }

    fn finish(self) -> Copied {
        Copied { table: self.table.name, rows: self.rows, sha256: self.digest.finalize().into() }
    }
}

/// Adds a row so that no two different ones give the same bytes.
fn add(digest: &mut Sha256, row: &[Arg]) {
    for value in row {
        let (kind, bytes) = match value {
            Arg::Text(None) | Arg::Integer(None) | Arg::Bytes(None) => (0, Vec::new()),
            Arg::Text(Some(text)) => (1, text.as_bytes().to_vec()),
            Arg::Integer(Some(number)) => (2, number.to_be_bytes().to_vec()),
            Arg::Bytes(Some(bytes)) => (3, bytes.clone()),
        };
        digest.update([kind]);
        digest.update(u64::try_from(bytes.len()).unwrap_or(0).to_be_bytes());
        digest.update(bytes);
    }
}
