//! A connection to either database, and the few ways to use one.
//!
//! It is picked here which driver runs a statement; nothing above this file asks. A connection
//! knows whether its transaction is open, so that one which is dropped midway (a client that goes
//! away, a deadline) never returns to its pool with it.

use std::time::Duration;

use deadpool::managed::Object;
use sqlx::Postgres;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgArguments;

use super::dialect::{Dialect, Verdict, postgres, sqlite};
use super::heads;
use super::location::Purpose;
use super::script::Script;
use super::sql::{Row, Sql};
use super::verdict;

pub struct Connection {
    native: Native,
    state: State,
    /// How long Postgres may take to answer before it is taken for lost.
    patience: Duration,
    /// What the transaction does to the memories that are kept; the writer's of a served file only.
    change: Option<heads::Change>,
}

enum Native {
    Writer(Box<rusqlite::Connection>),
    Reader(Object<sqlite::Readers>),
    Postgres(Object<postgres::Servers>),
    /// Not in its pool any more.
    GivenUp,
}

/// How far a transaction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Open,
    /// The commit was sent, and not answered yet.
    Committing,
    /// The connection is gone, and the transaction with it.
    Lost,
}

impl From<rusqlite::Connection> for Connection {
    fn from(connection: rusqlite::Connection) -> Self {
        Self::new(Native::Writer(Box::new(connection)), Duration::MAX)
    }
}

impl From<Object<sqlite::Readers>> for Connection {
    fn from(connection: Object<sqlite::Readers>) -> Self {
        Self::new(Native::Reader(connection), Duration::MAX)
    }
}

impl From<Object<postgres::Servers>> for Connection {
    fn from(connection: Object<postgres::Servers>) -> Self {
        let patience = postgres::patience(postgres::purpose(&connection));
        Self::new(Native::Postgres(connection), patience)
    }
}

impl State {
    /// Where SQLite's own is.
    fn of(connection: &rusqlite::Connection) -> Self {
        if connection.is_autocommit() { Self::Idle } else { Self::Open }
    }

    /// A commit that was sent stays uncertain.
    fn lose(&mut self) {
        if *self != Self::Committing {
            *self = Self::Lost;
        }
    }
}

/// Asks Postgres, for as long as its connection has patience.
macro_rules! ask {
    ($self:ident, $sql:ident, $method:ident) => {{
        let Native::Postgres(connection) = &mut $self.native else {
            return Err(given_up());
        };
        let (text, arguments) = $sql.for_postgres()?;
        let query = sqlx::query_with::<Postgres, PgArguments>(text, arguments);
        let answer = query.$method(&mut **connection);
        let answer = tokio::time::timeout($self.patience, answer).await;
        let answer = answer.unwrap_or_else(|_| Err(postgres::silent()));
        answer.inspect_err(|error| {
            if verdict::judge(error) == Verdict::Lost {
                postgres::lost(connection, error);
                $self.state.lose();
            }
        })
    }};
}

impl Connection {
    fn new(native: Native, patience: Duration) -> Self {
        Self { native, state: State::Idle, patience, change: None }
    }

    /// From here on its transactions are told to what is kept.
    pub fn tell(&mut self, change: heads::Change) {
        self.change = Some(change);
    }

    /// What is kept, where this connection's transactions change it.
    pub fn change(&mut self) -> Option<&mut heads::Change> {
        self.change.as_mut()
    }

    pub fn dialect(&self) -> Dialect {
        match self.native {
            Native::Writer(_) | Native::Reader(_) | Native::GivenUp => Dialect::Sqlite,
            Native::Postgres(_) => Dialect::Postgres,
        }
    }

    fn sqlite(&self) -> Option<&rusqlite::Connection> {
        match &self.native {
            Native::Writer(connection) => Some(connection),
            Native::Reader(connection) => Some(connection),
            Native::Postgres(_) | Native::GivenUp => None,
        }
    }

    /// How long SQLite waits for other processes. (Not by its pragma, which acts when it is compiled: one
    /// that is kept prepared does nothing.)
    pub fn wait_for_others(&self, time: Duration) -> sqlx::Result<()> {
        self.sqlite().map_or(Ok(()), |connection| sqlite::wait_for_others(connection, time))
    }

    /// Runs a statement; answers how many rows it changed.
    pub async fn execute(&mut self, sql: Sql) -> sqlx::Result<u64> {
        match self.sqlite() {
            Some(connection) => sqlite::execute(connection, &sql),
            None => ask!(self, sql, execute).map(|done| done.rows_affected()),
        }
    }

    pub async fn fetch_all(&mut self, sql: Sql) -> sqlx::Result<Vec<Row>> {
        match self.look(|connection| sqlite::fetch_all(connection, &sql)) {
            Some(rows) => rows,
            None => Ok(ask!(self, sql, fetch_all)?.into_iter().map(Row::Postgres).collect()),
        }
    }

    pub async fn fetch_optional(&mut self, sql: Sql) -> sqlx::Result<Option<Row>> {
        match self.look(|connection| sqlite::fetch_optional(connection, &sql)) {
            Some(row) => row,
            None => Ok(ask!(self, sql, fetch_optional)?.map(Row::Postgres)),
        }
    }

    /// Looks into SQLite, within bounds where it is not the connection that writes; `None` for Postgres.
    fn look<T>(
        &self,
        read: impl Fn(&rusqlite::Connection) -> sqlx::Result<T>,
    ) -> Option<sqlx::Result<T>> {
        match &self.native {
            Native::Reader(connection) => Some(sqlite::aside(connection, read)),
            Native::Writer(connection) => Some(read(connection)),
            Native::Postgres(_) | Native::GivenUp => None,
        }
    }

    pub async fn fetch_one(&mut self, sql: Sql) -> sqlx::Result<Row> {
        self.fetch_optional(sql).await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// Begins a transaction that may write.
    pub async fn begin(&mut self) -> sqlx::Result<()> {
        self.begin_as(self.dialect().begin()).await
    }

    /// Begins a transaction that reads one state of the database.
    pub async fn begin_snapshot(&mut self) -> sqlx::Result<()> {
        self.begin_as(self.dialect().begin_snapshot()).await
    }

    async fn begin_as(&mut self, text: &'static str) -> sqlx::Result<()> {
        // The one connection of a database in memory may come from somebody who went away.
        self.roll_back().await;
        self.state = State::Open;
        self.execute(Sql::new(text)).await?;
        self.change.as_mut().map(heads::Change::begun);
        Ok(())
    }

    /// Writes, and goes on in the transaction.
    pub async fn write(&mut self, script: Script) -> sqlx::Result<()> {
        for sql in script.finish() {
            self.execute(sql).await?;
        }
        Ok(())
    }

    pub async fn write_and_commit(&mut self, script: Script) -> sqlx::Result<()> {
        self.write(script).await?;
        self.commit().await
    }

    pub async fn commit(&mut self) -> sqlx::Result<()> {
        self.state = State::Committing;
        self.change.as_mut().map(heads::Change::committing);
        let done = self.execute(Sql::new("commit")).await;
        match &done {
            Ok(_) => self.committed(),
            Err(_) if let Some(connection) = self.sqlite() => {
                self.state = State::of(connection);
            }
            Err(error) if verdict::is_rolled_back(error) => self.state = State::Idle,
            Err(_) => {}
        }
        done.map(drop)
    }

    fn committed(&mut self) {
        self.state = State::Idle;
        self.change.as_mut().map(heads::Change::committed);
    }

    /// Ends a transaction, if one is open, without its changes.
    pub async fn roll_back(&mut self) {
        if self.state != State::Open {
            return;
        }
        // SQLite may have rolled back by itself.
        self.state = self.sqlite().map_or(self.state, State::of);
        if self.state == State::Open {
            match self.execute(Sql::new("rollback")).await {
                Ok(_) => self.state = State::Idle,
                Err(error) => tracing::debug!(%error, "the connection is given up"),
            }
        }
    }

    /// Whether a commit was sent whose answer never came.
    pub fn is_uncertain(&self) -> bool {
        self.state == State::Committing
    }

    /// Applies what is missing, however long it takes.
    pub async fn migrate(&mut self, migrator: &Migrator) -> Result<(), MigrateError> {
        match &mut self.native {
            Native::Writer(connection) => sqlite::migrate(connection, migrator)?,
            Native::Reader(connection) => sqlite::migrate(connection, migrator)?,
            Native::Postgres(connection) => {
                let unbounded = postgres::times(Purpose::Upkeep);
                sqlx::raw_sql(unbounded).execute(&mut **connection).await?;
                migrator.run(&mut **connection).await?;
                let usual = postgres::times(postgres::purpose(connection));
                sqlx::raw_sql(usual).execute(&mut **connection).await?;
            }
            Native::GivenUp => return Err(given_up().into()),
        }
        Ok(())
    }
}

fn given_up() -> sqlx::Error {
    sqlx::Error::Protocol("the connection was given up".into())
}

/// A connection that is dropped within a transaction does not return to its pool: closing it takes
/// the transaction back, whatever it was doing.
impl Drop for Connection {
    fn drop(&mut self) {
        if self.state != State::Idle {
            match std::mem::replace(&mut self.native, Native::GivenUp) {
                Native::Reader(connection) => drop(Object::take(connection)),
                Native::Postgres(connection) => drop(Object::take(connection)),
                Native::Writer(_) | Native::GivenUp => {}
            }
        }
    }
}
