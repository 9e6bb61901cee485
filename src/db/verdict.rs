//! From a database error to what it means, and to the answer.

use deadpool::managed::{PoolError, TimeoutType};

use super::dialect::{Verdict, postgres, sqlite};
use crate::domain::{Error, Result};

pub fn judge(error: &sqlx::Error) -> Verdict {
    sqlite::judge(error).or_else(|| postgres::judge(error)).unwrap_or(match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => Verdict::Lost,
        _ => Verdict::Unexpected,
    })
}

/// The database's own words, without where in its source they are said.
pub fn words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    }
}

/// Whether an error of a commit says for certain that nothing was committed.
pub fn is_rolled_back(error: &sqlx::Error) -> bool {
    judge(error) == Verdict::Conflict
        || error
            .as_database_error()
            .is_some_and(|error| !matches!(error.kind(), sqlx::error::ErrorKind::Other))
}

/// The answer to a database error.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` takes")]
pub fn trouble(error: sqlx::Error) -> Error {
    match judge(&error) {
        Verdict::Busy | Verdict::Conflict => Error::unavailable("the database is busy: try again"),
        Verdict::DiskFull => Error::unavailable("the disk is full: nothing was written"),
        Verdict::CantOpen => Error::unavailable("the database can't be opened"),
        Verdict::Lost => Error::unavailable("the database can't be reached: try again"),
        Verdict::Denied | Verdict::Fatal | Verdict::Unexpected => Error::internal(words(&error)),
    }
}

/// Takes what a pool gives.
pub fn acquired<T>(given: Result<T, PoolError<sqlx::Error>>) -> Result<T> {
    given.map_err(|error| match error {
        PoolError::Timeout(TimeoutType::Wait) => {
            Error::unavailable("no database connection became free: try again")
        }
        PoolError::Timeout(_) => Error::unavailable("the database can't be reached: try again"),
        PoolError::Backend(error) => {
            tracing::warn!(%error, "no connection to the database");
            trouble(error)
        }
        PoolError::Closed => Error::closing(),
        PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => Error::internal(error),
    })
}
