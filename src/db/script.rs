//! Several statements that are written together.
//!
//! SQLite takes them one after the other, on the spot. Each costs Postgres a trip, so there they are
//! the parts of one `with`: all see the state before the first, and none may touch a row that another
//! has touched. What a round writes keeps to that: each row once, in its final state.

use super::dialect::Dialect;
use super::sql::Sql;

pub struct Script {
    dialect: Dialect,
    statements: Vec<Sql>,
}

impl Script {
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, statements: Vec::new() }
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Begins the next statement.
    pub fn statement(&mut self) -> &mut Sql {
        let next = self.statements.len();
        self.statements.push(Sql::default());
        &mut self.statements[next]
    }

    /// What is sent, one after the other.
    pub fn finish(self) -> Vec<Sql> {
        match self.dialect {
            Dialect::Sqlite => self.statements,
            Dialect::Postgres => together(self.statements).into_iter().collect(),
        }
    }
}

/// `None` without any statement.
fn together(statements: Vec<Sql>) -> Option<Sql> {
    let mut all = Sql::default();
    for (number, statement) in statements.into_iter().enumerate() {
        let head = if number == 0 { "with s" } else { "), s" };
        all.push(head).push(&number.to_string()).push(" as (").append(statement);
    }
    (!all.text().is_empty()).then(|| {
        all.push(") select 1");
        all
    })
}
