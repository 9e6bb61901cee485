//! SQLite: how it is opened, and what its errors mean.
//!
//! The automatic checkpoint is off: SQLite swallows its errors, and an fsync that failed there must
//! stop the server. The writer checkpoints instead (`log`), and looks at the result.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Pool, QueueMode, RecycleResult};
use sqlx::sqlite::{SqliteConnectOptions, SqliteError, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::Verdict;
use crate::db::location::{Durability, Location};
use crate::domain::{Error, Result};

const READERS: usize = 4;
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

/// Opens a file only to read it: nothing is made, changed or left behind.
///
/// SQLite makes a log and its index for a file that had them last, and can't in a folder that may
/// not be written. So one that nobody has open is taken as one that nobody changes.
pub async fn open_reader(location: &Location) -> Result<SqliteConnection> {
    let path = location.file();
    let options = options(location)
        .read_only(true)
        .immutable(path.is_some_and(is_at_rest))
        .pragma("query_only", "on");
    let opened = async {
        let mut connection = options.connect().await?;
        // What is wrong with the file shows at the first look into it.
        sqlx::raw_sql("select count(*) from sqlite_master").execute(&mut connection).await?;
        Ok(connection)
    };
    let opened: sqlx::Result<_> = opened.await;
    opened.map_err(|error| match path {
        Some(path) if code(&error) != Some(SQLITE_NOTADB) && !is_at_rest(path) => {
            let why = "changes wait in a file beside it, and if they can't be read, move all its \
                       files to a folder that may be written";
            cant_open(location, format!("{error}: {why}"))
        }
        _ => cant_open(location, error),
    })
}

/// Writes a row and takes it back, without changing how the file is kept.
pub async fn try_write(location: &Location, row: &'static str) -> sqlx::Result<()> {
    let options = options(location).pragma("wal_autocheckpoint", "0");
    let mut connection = options.connect().await?;
    let tried = async {
        for sql in ["begin immediate", row, "rollback"] {
            sqlx::raw_sql(sql).execute(&mut connection).await?;
        }
        Ok(())
    };
    let tried = tried.await;
    connection.close().await?;
    tried
}

/// The files that SQLite keeps beside another: its log, the log's index, and a rollback journal.
pub fn beside(path: &Path) -> [PathBuf; 3] {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    ["-wal", "-shm", "-journal"].map(|end| {
        let mut name = path.clone().into_os_string();
        name.push(end);
        name.into()
    })
}

/// Whether no process has the file open, and all of it is in it.
pub fn is_at_rest(path: &Path) -> bool {
    beside(path).iter().all(|file| match file.metadata() {
        Ok(metadata) => metadata.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    })
}

/// Opens the connections that read beside the writer.
pub struct Readers(SqliteConnectOptions);

/// The pool of connections that read beside the writer; opened when first needed.
pub fn readers(location: &Location) -> Result<Pool<Readers>> {
    let manager = Readers(options(location).pragma("query_only", "on"));
    let pool = Pool::builder(manager).max_size(READERS).queue_mode(QueueMode::Lifo).build();
    pool.map_err(Error::internal)
}

impl Manager for Readers {
    type Type = SqliteConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> sqlx::Result<SqliteConnection> {
        self.0.connect().await
    }

    async fn recycle(&self, _: &mut SqliteConnection, _: &Metrics) -> RecycleResult<sqlx::Error> {
        Ok(())
    }
}

fn options(location: &Location) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().busy_timeout(BUSY_WAIT).disable_statement_logging();
    match location.file() {
        Some(path) => options.filename(path),
        None => options.in_memory(true),
    }
}

fn create(path: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

fn cant_open(location: &Location, error: impl std::fmt::Display) -> Error {
    Error::Unavailable { reason: format!("can't open {location}: {error}"), retry: false }
}

fn code(error: &sqlx::Error) -> Option<i32> {
    let error = error.as_database_error()?;
    error.try_downcast_ref::<SqliteError>()?;
    Some(error.code()?.parse::<i32>().ok()? & 0xff)
}

/// What an error of SQLite means; `None` for any other.
pub fn judge(error: &sqlx::Error) -> Option<Verdict> {
    Some(match code(error)? {
        SQLITE_BUSY | SQLITE_LOCKED => Verdict::Busy,
        SQLITE_FULL => Verdict::DiskFull,
        SQLITE_CANTOPEN => Verdict::CantOpen,
        SQLITE_IOERR | SQLITE_CORRUPT | SQLITE_NOTADB => Verdict::Fatal,
        _ => Verdict::Unexpected,
    })
}
