//! What goes wrong in SQLite: as the one type of error that this module's users know, and what it means.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use rusqlite::ffi;
use sqlx::error::{DatabaseError, ErrorKind};

use crate::db::dialect::Verdict;

/// SQLite's own words and code.
#[derive(Debug)]
pub struct SqliteError {
    /// The extended one.
    code: i32,
    message: String,
}

impl fmt::Display for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(code: {}) {}", self.code, self.message)
    }
}

impl StdError for SqliteError {}

impl DatabaseError for SqliteError {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.code.to_string().into())
    }

    fn kind(&self) -> ErrorKind {
        match self.code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
                ErrorKind::UniqueViolation
            }
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ErrorKind::ForeignKeyViolation,
            ffi::SQLITE_CONSTRAINT_NOTNULL => ErrorKind::NotNullViolation,
            ffi::SQLITE_CONSTRAINT_CHECK => ErrorKind::CheckViolation,
            _ => ErrorKind::Other,
        }
    }

    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
        self
    }
}

/// An error of SQLite's as what the rest of `db` takes.
pub fn trouble(error: rusqlite::Error) -> sqlx::Error {
    match error {
        rusqlite::Error::SqliteFailure(failure, message) => {
            let code = failure.extended_code;
            let message = message.unwrap_or_else(|| ffi::code_to_str(code).to_owned());
            sqlx::Error::Database(Box::new(SqliteError { code, message }))
        }
        rusqlite::Error::SqlInputError { error, msg: message, .. } => {
            let code = error.extended_code;
            sqlx::Error::Database(Box::new(SqliteError { code, message }))
        }
        other => sqlx::Error::Decode(Box::new(other)),
    }
}

/// The primary code; `None` for an error that is not SQLite's.
pub fn code(error: &sqlx::Error) -> Option<i32> {
    let error = error.as_database_error()?.try_downcast_ref::<SqliteError>()?;
    Some(error.code & 0xff)
}

/// What an error of SQLite means; `None` for any other.
pub fn judge(error: &sqlx::Error) -> Option<Verdict> {
    Some(match code(error)? {
        // Interrupted is what took too long.
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_INTERRUPT => Verdict::Busy,
        ffi::SQLITE_FULL => Verdict::DiskFull,
        ffi::SQLITE_CANTOPEN => Verdict::CantOpen,
        ffi::SQLITE_IOERR | ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Verdict::Fatal,
        _ => Verdict::Unexpected,
    })
}
