//! Several statements that are sent as one.
//!
//! SQLite takes them one after the other in one text. Postgres takes one statement at a time, so
//! there they are the parts of a `with`: all see the state before the first, and none may touch a
//! row that another has touched. What a round writes keeps to that: each row once, in its final
//! state.

use super::dialect::Dialect;
use super::sql::Sql;

pub struct Script {
    dialect: Dialect,
    sql: Sql,
    statements: usize,
}

impl Script {
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, sql: Sql::default(), statements: 0 }
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Begins the next statement.
    pub fn statement(&mut self) -> &mut Sql {
        let number = self.statements;
        self.statements += 1;
        match (self.dialect, number) {
            (Dialect::Sqlite, 0) => &mut self.sql,
            (Dialect::Sqlite, _) => self.sql.push("; "),
            (Dialect::Postgres, 0) => self.sql.push("with s0 as ("),
            (Dialect::Postgres, _) => self.sql.push(&format!("), s{number} as (")),
        }
    }

    /// The whole; `None` without any statement.
    pub fn finish(mut self) -> Option<Sql> {
        if self.dialect == Dialect::Postgres {
            self.sql.push(") select 1");
        }
        (self.statements > 0).then_some(self.sql)
    }
}
