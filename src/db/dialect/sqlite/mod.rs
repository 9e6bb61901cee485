//! SQLite: how it is opened, and what its errors mean.
//!
//! The automatic checkpoint is off: SQLite swallows its errors, and an fsync that failed there must
//! stop the server. The writer checkpoints instead (`log`), and looks at the result.

mod error;
mod migrate;
mod statement;

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Pool, QueueMode, RecycleResult};
use rusqlite::{Connection, OpenFlags, ffi};

pub use self::error::judge;
use self::error::{code, trouble};
pub use self::migrate::run as migrate;
pub use self::statement::{Read, Value, aside, execute, fetch_all, fetch_optional};
use crate::db::location::{Durability, Location};
use crate::db::schema::{Applied, Tables, foreign};
use crate::domain::{Error, Result};

const READERS: usize = 4;
/// How long a statement waits for another process.
pub const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Distinct statements that are kept prepared by each connection.
const STATEMENTS: usize = 64;
/// The writer's: the row counts of inserts, up to 32, tell them apart.
const WRITER_STATEMENTS: usize = 256;
/// A connection is never used by two threads at once.
const COMMON: OpenFlags = OpenFlags::SQLITE_OPEN_NO_MUTEX.union(OpenFlags::SQLITE_OPEN_URI);

pub const TABLES: &str = "\
    select coalesce(sum(name <> '_sqlx_migrations'), 0), \
    coalesce(sum(name in ('_sqlx_migrations', 'installation')), 0) \
    from sqlite_master where type = 'table' and name not like 'sqlite\\_%' escape '\\'";

/// Opens the connection that writes; makes the file, readable by its owner only.
pub fn open_writer(location: &Location, durability: Durability) -> Result<Connection> {
    if let Location::File(path) = location {
        create(path).map_err(|error| cant_open(location, error))?;
    }
    let opened = || {
        let connection = open(location)?;
        if let Some(path) = location.file() {
            // Before anything is changed in it.
            if is_foreign(&connection)? {
                return Ok(Err(foreign(location)));
            }
            let mode = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
            let mode = connection.pragma_update_and_check(None, "journal_mode", "wal", mode)?;
            if mode != "wal" {
                let why = "a write-ahead log can't be kept beside it";
                return Ok(Err(cant_open(location, why)));
            }
            keep_beside(&connection, path)?;
        }
        connection.set_prepared_statement_cache_capacity(WRITER_STATEMENTS);
        let synchronous = match durability {
            Durability::Full => "full",
            Durability::Relaxed => "off",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update_and_check(None, "secure_delete", "on", |_| Ok(()))?;
        connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
        Ok(Ok(connection))
    };
    opened().map_err(|error: rusqlite::Error| cant_open(location, words(error)))?
}

/// Whether a file holds another program's tables.
fn is_foreign(connection: &Connection) -> rusqlite::Result<bool> {
    let tables = |row: &rusqlite::Row<'_>| Ok(Tables { others: row.get(0)?, signs: row.get(1)? });
    Ok(connection.query_row(TABLES, [], tables)?.are_foreign(&Applied::new()))
}

/// The copy that a rewrite takes lies where its original is, and not where the system puts temporary
/// files: that may be another disk, or no place that can be written.
fn keep_beside(connection: &Connection, path: &Path) -> rusqlite::Result<()> {
    let folder = path.canonicalize().ok();
    match folder.as_deref().and_then(Path::parent).and_then(Path::to_str) {
        Some(folder) => connection.pragma_update(None, "temp_store_directory", folder),
        None => Ok(()),
    }
}

pub fn wait_for_others(connection: &Connection, time: Duration) -> sqlx::Result<()> {
    connection.busy_timeout(time).map_err(trouble)
}

/// Opens a file only to read it: nothing is made, changed or left behind.
///
/// SQLite makes a log and its index for a file that had them last, and can't in a folder that may
/// not be written. So one that nobody has open is taken as one that nobody changes.
pub fn open_reader(location: &Location) -> Result<Connection> {
    let path = location.file();
    let opened = || {
        let connection = match path {
            Some(path) => open_read_only(path)?,
            None => open(location)?,
        };
        connection.pragma_update(None, "query_only", "on")?;
        // What is wrong with the file shows at the first look into it.
        connection.query_row("select count(*) from sqlite_master", [], |_| Ok(()))?;
        Ok(connection)
    };
    opened().map_err(trouble).map_err(|error| match path {
        Some(path) if code(&error) != Some(ffi::SQLITE_NOTADB) && !is_at_rest(path) => {
            let why = "changes wait in a file beside it, and if they can't be read, move all its \
                       files to a folder that may be written";
            cant_open(location, format!("{error}: {why}"))
        }
        _ => cant_open(location, error),
    })
}

/// Writes a row and takes it back, without changing how the file is kept.
pub fn try_write(location: &Location, row: &'static str) -> sqlx::Result<()> {
    let tried = || {
        let connection = open(location)?;
        connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
        for sql in ["begin immediate", row, "rollback"] {
            connection.execute_batch(sql)?;
        }
        Ok(())
    };
    tried().map_err(trouble)
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

/// Whether another user may read the file or one beside it.
pub fn is_open_to_others(path: &Path) -> bool {
    let open = |file: &Path| file.metadata().is_ok_and(|file| file.mode() & 0o077 != 0);
    open(path) || beside(path).iter().any(|file| open(file))
}

/// Whether no process has the file open, and all of it is in it.
pub fn is_at_rest(path: &Path) -> bool {
    beside(path).iter().all(|file| match file.metadata() {
        Ok(metadata) => metadata.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    })
}

/// Opens the connections that read beside the writer.
pub struct Readers(Location);

/// The pool of connections that read beside the writer; opened when first needed.
pub fn readers(location: &Location) -> Result<Pool<Readers>> {
    let manager = Readers(location.clone());
    let pool = Pool::builder(manager).max_size(READERS).queue_mode(QueueMode::Lifo).build();
    pool.map_err(Error::internal)
}

impl Manager for Readers {
    type Type = Box<Connection>;
    type Error = sqlx::Error;

    async fn create(&self) -> sqlx::Result<Box<Connection>> {
        let opened = || {
            let connection = open(&self.0)?;
            connection.pragma_update(None, "query_only", "on")?;
            Ok(Box::new(connection))
        };
        opened().map_err(trouble)
    }

    async fn recycle(&self, _: &mut Box<Connection>, _: &Metrics) -> RecycleResult<sqlx::Error> {
        Ok(())
    }
}

fn open(location: &Location) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | COMMON;
    prepared(match location.file() {
        Some(path) => Connection::open_with_flags(uri(path), flags)?,
        None => Connection::open_in_memory_with_flags(flags)?,
    })
}

fn open_read_only(path: &Path) -> rusqlite::Result<Connection> {
    let immutable = if is_at_rest(path) { "?immutable=1" } else { "" };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | COMMON;
    prepared(Connection::open_with_flags(uri(path) + immutable, flags)?)
}

/// A path as SQLite takes it, which reads any that begins with `file:` as a URI.
fn uri(path: &Path) -> String {
    let mut uri = String::from(if path.is_absolute() { "file://" } else { "file:" });
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            _ if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            _ => drop(write!(uri, "%{byte:02x}")),
        }
    }
    uri
}

fn prepared(connection: Connection) -> rusqlite::Result<Connection> {
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", "on")?;
    // What a statement would need to be taken back, the pages that it changes, is put into a file in
    // another folder otherwise, when it is more than 64 KiB.
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(connection)
}

fn create(path: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

fn words(error: rusqlite::Error) -> String {
    trouble(error).to_string()
}

fn cant_open(location: &Location, error: impl std::fmt::Display) -> Error {
    Error::Unavailable { reason: format!("can't open {location}: {error}"), retry: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_have_any_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["plain.db", "file:x?mode=ro", "100%41 #1.db", "ü", "-q"] {
            let path = folder.path().join(name);
            let location = Location::File(path.clone());

            let writer = open_writer(&location, Durability::Full).unwrap();
            writer.execute_batch("create table _sqlx_migrations (x)").unwrap();
            drop(writer);
            open_reader(&location).unwrap();

            assert!(path.metadata().unwrap().len() > 0, "{name}");
        }
    }
}
