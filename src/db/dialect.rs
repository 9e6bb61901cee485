//! What SQLite does differently: where it lives, how it is opened, what its errors mean, and how
//! its log is kept small and emptied.
//!
//! The automatic checkpoint is off: SQLite swallows its errors, and an fsync that failed there must
//! stop the server. The writer checkpoints instead, and looks at the result.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Row, SqliteConnection, SqlitePool};

use crate::domain::{Error, Result};

const READERS: u32 = 4;
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Distinct scripts of the writer that are kept prepared: the row counts of inserts tell them apart.
const WRITER_STATEMENTS: usize = 128;

const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_IOERR: i32 = 10;
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_CANTOPEN: i32 = 14;
const SQLITE_NOTADB: i32 = 26;

/// Where a database is, as given by `--database-url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    File(PathBuf),
    /// Private to the process and gone at its end.
    Memory,
}

impl Location {
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Memory => None,
        }
    }
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        let refuse = || {
            Error::Invalid(format!(
                "database URL must be sqlite:PATH or sqlite::memory:; got {url:?}"
            ))
        };
        let path = url.strip_prefix("sqlite:").ok_or_else(refuse)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        match path {
            "" => Err(refuse()),
            ":memory:" => Ok(Self::Memory),
            path => Ok(Self::File(path.into())),
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "sqlite:{}", path.display()),
            Self::Memory => f.write_str("sqlite::memory:"),
        }
    }
}

/// Whether an acknowledged write survives a power failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Durability {
    /// Every commit is synced to disk before it is answered.
    Full,
    /// Commits are not synced: for tests.
    Relaxed,
}

impl Durability {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Relaxed => "relaxed",
        }
    }
}

/// Opens the connection that writes; makes the file, readable by its owner only.
pub async fn open_writer(location: &Location, durability: Durability) -> Result<SqliteConnection> {
    if let Location::File(path) = location {
        create(path).map_err(|error| cant_open(location, error))?;
    }
    let synchronous = match durability {
        Durability::Full => SqliteSynchronous::Full,
        Durability::Relaxed => SqliteSynchronous::Off,
    };
    let mut options = options(location)
        .synchronous(synchronous)
        .statement_cache_capacity(WRITER_STATEMENTS)
        .pragma("secure_delete", "on")
        .pragma("wal_autocheckpoint", "0");
    if matches!(location, Location::File(_)) {
        options = options.journal_mode(SqliteJournalMode::Wal);
    }
    options.connect().await.map_err(|error| cant_open(location, error))
}

/// The pool of connections that read beside the writer; opened when first needed.
pub fn readers(location: &Location) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options(location).pragma("query_only", "on"))
}

fn options(location: &Location) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().busy_timeout(BUSY_WAIT).disable_statement_logging();
    match location {
        Location::File(path) => options.filename(path),
        Location::Memory => options.in_memory(true),
    }
}

fn create(path: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

fn cant_open(location: &Location, error: impl std::fmt::Display) -> Error {
    Error::Unavailable { reason: format!("can't open {location}: {error}"), retry: false }
}

/// Begins a transaction that may write, waiting for another process where there is one; what
/// follows may stand in the same script.
pub const BEGIN: &str = "begin immediate; ";

pub async fn begin(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query(BEGIN).execute(connection).await.map(drop)
}

pub async fn commit(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query("commit").execute(connection).await.map(drop)
}

/// Takes a failed transaction back; SQLite may have done so already.
pub async fn roll_back(connection: &mut SqliteConnection) {
    if let Err(error) = sqlx::query("rollback").execute(connection).await {
        tracing::debug!(%error, "nothing to roll back");
    }
}

/// Copies the log into the file as far as readers allow.
pub async fn checkpoint(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query("pragma wal_checkpoint(passive)").fetch_all(connection).await.map(drop)
}

/// Copies the log into the file and empties it; false where a reader prevents that for half a
/// second. (Everyone else waits meanwhile.)
pub async fn truncate_log(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    sqlx::query("pragma busy_timeout = 500").execute(&mut *connection).await?;
    let row = sqlx::query("pragma wal_checkpoint(truncate)").fetch_one(&mut *connection).await;
    sqlx::query("pragma busy_timeout = 5000").execute(connection).await?;
    Ok(row?.try_get::<i64, _>(0)? == 0)
}

/// Writes the whole file anew, so that its free space holds nothing.
pub async fn rewrite(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query("vacuum").execute(connection).await.map(drop)
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<i32>().ok().map(|extended| extended & 0xff)
}

/// An error after which SQLite would go on committing although the disk has lost something.
pub fn is_fatal(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(SQLITE_IOERR | SQLITE_CORRUPT | SQLITE_NOTADB))
        || matches!(error, sqlx::Error::WorkerCrashed)
}

/// Whether a batch that failed this way is worth running again one by one.
pub fn is_worth_splitting(error: &sqlx::Error) -> bool {
    !is_fatal(error)
        && !matches!(primary_code(error), Some(SQLITE_FULL | SQLITE_BUSY | SQLITE_LOCKED))
}

/// The answer to a database error.
pub fn trouble(error: sqlx::Error) -> Error {
    let unavailable = |reason: &str| Error::Unavailable { reason: reason.to_owned(), retry: true };
    match primary_code(&error) {
        Some(SQLITE_BUSY | SQLITE_LOCKED) => unavailable("the database is busy: try again"),
        Some(SQLITE_FULL) => unavailable("the disk is full: nothing was written"),
        Some(SQLITE_CANTOPEN) => unavailable("the database file can't be opened"),
        _ if matches!(error, sqlx::Error::PoolTimedOut) => {
            unavailable("no database connection became free: try again")
        }
        _ => Error::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file_or_memory() {
        let parse = |url: &str| url.parse::<Location>().ok();
        assert_eq!(parse("sqlite::memory:"), Some(Location::Memory));
        assert_eq!(parse("sqlite:notes.db"), Some(Location::File("notes.db".into())));
        assert_eq!(parse("sqlite:///var/notes.db"), Some(Location::File("/var/notes.db".into())));
        for bad in ["", "sqlite:", "notes.db", "postgres://db", "mysql://db"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
