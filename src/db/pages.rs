//! Going through whole tables in pages, so that it takes the same memory whatever their size.

use std::collections::VecDeque;

use sha2::{Digest, Sha256};

use super::connection::Connection;
use super::copy::Copied;
use super::sql::{Arg, Row, Sql};
use super::tables::Table;

/// Rows that are read or written at once.
const ROWS: usize = 100;
/// Bytes of contents that are read or written at once; a larger content goes alone.
const BYTES: i64 = 8 << 20;
/// Rows whose contents are measured at once, before they are read.
const MEASURED: usize = 1000;

/// The rows of a table in the order of its primary key, counted and hashed as they come.
pub struct Pages {
    table: &'static Table,
    after: Option<Vec<Arg>>,
    /// Keys of the next rows, and how large their contents are.
    measured: VecDeque<(Vec<Arg>, i64)>,
    rows: u64,
    digest: Sha256,
}

impl Pages {
    pub fn of(table: &'static Table) -> Self {
        let (measured, digest) = (VecDeque::new(), Sha256::new());
        Self { table, after: None, measured, rows: 0, digest }
    }

    pub async fn next(
        &mut self,
        connection: &mut Connection,
    ) -> sqlx::Result<Option<Vec<Vec<Arg>>>> {
        let table = self.table;
        let last = match table.large() {
            Some(column) => {
                self.measure(column, connection).await?;
                let last = self.last();
                if last.is_none() {
                    return Ok(None);
                }
                last
            }
            None => None,
        };
        let mut sql = Sql::default();
        sql.push(&format!("select {} from {}", table.names(), table.name));
        self.within(&mut sql, last, ROWS);
        let rows = connection.fetch_all(sql).await;
        let values = |row: &Row| table.values(row, table.columns.len());
        let rows = rows.and_then(|rows| rows.iter().map(values).collect());
        let rows: Vec<Vec<Arg>> = rows?;
        for row in &rows {
            add(&mut self.digest, row);
            self.rows += 1;
        }
        self.after = rows.last().map(|last| last[..table.key].to_vec());
        Ok((!rows.is_empty()).then_some(rows))
    }

    /// Asks how large the next contents are, which takes none of them.
    async fn measure(
        &mut self,
        column: &'static str,
        connection: &mut Connection,
    ) -> sqlx::Result<()> {
        if !self.measured.is_empty() {
            return Ok(());
        }
        let Table { name, key, .. } = self.table;
        let names = self.table.key_names();
        let mut sql = Sql::default();
        sql.push(&format!(
            "select {names}, cast(coalesce(length({column}), 0) as bigint) from {name}"
        ));
        self.within(&mut sql, None, MEASURED);
        for row in connection.fetch_all(sql).await? {
            self.measured.push_back((self.table.values(&row, *key)?, row.get(*key)?));
        }
        Ok(())
    }

    /// The key of the last of the measured rows that go together.
    fn last(&mut self) -> Option<Vec<Arg>> {
        let (mut last, mut bytes) = (None, 0);
        for _ in 0..ROWS {
            let next = self.measured.pop_front_if(|(_, size)| {
                bytes += *size;
                last.is_none() || bytes <= BYTES
            });
            let Some((key, _)) = next else { break };
            last = Some(key);
        }
        last
    }

    /// Takes the next rows, up to and with `last` where it is given.
    fn within(&self, sql: &mut Sql, last: Option<Vec<Arg>>, rows: usize) {
        let key = self.table.key_names();
        let mut word = "where";
        for (sign, bound) in [(">", self.after.clone()), ("<=", last)] {
            if let Some(bound) = bound {
                sql.push(&format!(" {word} ({key}) {sign} (")).push_list(bound).push(")");
                word = "and";
            }
        }
        sql.push(&format!(" order by {key} limit {rows}"));
    }

    pub fn finish(self) -> Copied {
        Copied { table: self.table.name, rows: self.rows, sha256: self.digest.finalize().into() }
    }
}

/// Adds a row so that no two different ones give the same bytes.
fn add(digest: &mut Sha256, row: &[Arg]) {
    for value in row {
        let number;
        let (kind, bytes): (u8, &[u8]) = match value {
            Arg::Text(None) | Arg::Integer(None) | Arg::Bytes(None) => (0, &[]),
            Arg::Text(Some(text)) => (1, text.as_bytes()),
            Arg::Integer(Some(value)) => {
                number = value.to_be_bytes();
                (2, &number)
            }
            Arg::Bytes(Some(bytes)) => (3, bytes),
        };
        digest.update([kind]);
        digest.update(u64::try_from(bytes.len()).unwrap_or(0).to_be_bytes());
        digest.update(bytes);
    }
}
