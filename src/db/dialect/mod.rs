//! What the two databases do differently: how a transaction begins, how a row is locked, what an
//! error means. Where they live and how they are opened stands in `sqlite` and `postgres`.

pub mod postgres;
pub mod sqlite;

use deadpool::managed::{PoolError, TimeoutType};

use crate::domain::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// Begins a transaction that may write. SQLite waits here for another process where there is
    /// one.
    pub fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "begin immediate",
            Self::Postgres => "begin isolation level read committed",
        }
    }

    pub fn begin_snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => "begin",
            Self::Postgres => "begin isolation level repeatable read read only",
        }
    }

    /// Ends a select whose rows nobody else may change until the transaction ends. SQLite has one
    /// writer anyway.
    pub fn lock(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " for no key update",
        }
    }

    /// Whether redacted bytes have to be erased from the file. Postgres leaves that to its
    /// operator.
    pub fn erases(self) -> bool {
        self == Self::Sqlite
    }
}

/// What an error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Someone else holds what is needed.
    Busy,
    /// Two transactions were in each other's way, and this one was taken back.
    Conflict,
    DiskFull,
    CantOpen,
    /// The connection, or the whole database, is gone.
    Lost,
    /// SQLite would go on committing although the disk has lost something.
    Fatal,
    /// None of these: a defect.
    Unexpected,
}

pub fn judge(error: &sqlx::Error) -> Verdict {
    sqlite::judge(error).or_else(|| postgres::judge(error)).unwrap_or(match error {
        sqlx::Error::WorkerCrashed => Verdict::Fatal,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => Verdict::Lost,
        _ => Verdict::Unexpected,
    })
}

/// Whether an error of a commit says for certain that nothing was committed.
pub fn is_rolled_back(error: &sqlx::Error) -> bool {
    judge(error) == Verdict::Conflict
        || error
            .as_database_error()
            .is_some_and(|error| !matches!(error.kind(), sqlx::error::ErrorKind::Other))
}

/// The answer to a database error.
pub fn trouble(error: sqlx::Error) -> Error {
    let unavailable = |reason: &str| Error::Unavailable { reason: reason.to_owned(), retry: true };
    match judge(&error) {
        Verdict::Busy => unavailable("the database is busy: try again"),
        Verdict::Conflict => Error::Conflict,
        Verdict::DiskFull => unavailable("the disk is full: nothing was written"),
        Verdict::CantOpen => unavailable("the database can't be opened"),
        Verdict::Lost => unavailable("the database can't be reached: try again"),
        Verdict::Fatal | Verdict::Unexpected => Error::internal(error),
    }
}

/// Takes what a pool gives.
pub fn acquired<T>(given: Result<T, PoolError<sqlx::Error>>) -> Result<T> {
    let unavailable = |reason: &str| Error::Unavailable { reason: reason.to_owned(), retry: true };
    given.map_err(|error| match error {
        PoolError::Timeout(TimeoutType::Wait) => {
            unavailable("no database connection became free: try again")
        }
        PoolError::Timeout(_) => unavailable("the database can't be reached: try again"),
        PoolError::Backend(error) => {
            tracing::warn!(%error, "no connection to the database");
            trouble(error)
        }
        PoolError::Closed => unavailable("the server is shutting down"),
        PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => Error::internal(error),
    })
}
