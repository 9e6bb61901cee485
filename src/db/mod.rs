//! SQL and rows, no rules.
//!
//! Reads take a [`Reader`]; changes go as commands to the one writer (`writer`), which answers
//! after the commit that holds them. What one database does differently stands in [`dialect`].

mod admin;
mod batch;
pub mod dialect;
mod keys;
mod memories;
mod migrate;
mod reap;
mod residue;
mod rows;
mod stores;
mod versions;
mod workspaces;
mod writer;

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, RwLock, RwLockReadGuard};
use tokio::task::JoinHandle;

pub use admin::{Admin, AdminCommand, AdminOutcome};
pub use dialect::{Durability, Location};
pub use migrate::{Fresh, Installation};

use crate::domain::limits::Limits;
use crate::domain::plan::{Command, Outcome};
use crate::domain::time::Timestamp;
use crate::domain::{Error, Result};

/// How long a redaction waits for reads under way before it answers 503.
const READERS_LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// One open database: its readers, and its one writer.
pub struct Db {
    shared: Arc<Shared>,
    writer: writer::Inbox,
    task: Mutex<Option<JoinHandle<()>>>,
    pub installation: Installation,
    pub durability: Durability,
}

/// What readers and the writer share.
struct Shared {
    readers: Readers,
    writer: Arc<Mutex<SqliteConnection>>,
    /// Reads hold it shared; an erasure holds it alone while it truncates the log.
    gate: RwLock<()>,
    /// Why nothing may be acknowledged any more, once that is so.
    broken: OnceLock<String>,
    file: Option<residue::DatabaseFile>,
    limits: Limits,
    /// Wakes the reaper when a store was deleted.
    deleted: Notify,
}

/// A file has a pool of readers beside its writer; an in-memory database is one connection.
enum Readers {
    Pool(SqlitePool),
    Writer,
}

impl Db {
    /// Opens the database, brings its schema up to date, finishes erasures that a crash cut short,
    /// and starts the writer.
    pub async fn open(
        location: &Location,
        durability: Durability,
        limits: Limits,
        fresh: Fresh,
    ) -> Result<Self> {
        let mut connection = dialect::open_writer(location, durability).await?;
        let installation = migrate::run(&mut connection, fresh).await?;
        let shared = Arc::new(Shared {
            readers: match location {
                Location::File(_) => Readers::Pool(dialect::readers(location)),
                Location::Memory => Readers::Writer,
            },
            writer: Arc::new(Mutex::new(connection)),
            gate: RwLock::new(()),
            broken: OnceLock::new(),
            file: location.file().map(residue::DatabaseFile::open).transpose()?,
            limits,
            deleted: Notify::new(),
        });
        let (writer, task) = writer::start(Arc::clone(&shared));
        Ok(Self { shared, writer, task: Mutex::new(Some(task)), installation, durability })
    }

    /// A connection for reading. Waits while an erasure is under way.
    pub async fn read(&self) -> Result<Reader<'_>> {
        match &self.shared.readers {
            Readers::Pool(pool) => {
                let gate = self.shared.gate.read().await;
                let connection = pool.acquire().await.map_err(dialect::trouble)?;
                Ok(Reader { connection: Connection::Pooled(connection), _gate: Some(gate) })
            }
            Readers::Writer => {
                let connection = Arc::clone(&self.shared.writer).lock_owned().await;
                Ok(Reader { connection: Connection::Writer(connection), _gate: None })
            }
        }
    }

    /// Finishes erasures that a crash cut short; what another process still reads is left to the
    /// writer, which tries again.
    pub async fn finish_erasures(&self) -> Result<()> {
        self.writer.finish_erasures().await
    }

    /// Hands a command to the writer and waits for its commit.
    pub async fn write(&self, command: Command) -> Result<Outcome> {
        self.writer.submit(command).await
    }

    /// Changes workspaces or keys; runs to its end even when the caller goes away.
    pub async fn administer(&self, admin: Admin) -> Result<AdminOutcome> {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move { admin::run(&shared, admin).await })
            .await
            .map_err(Error::internal)?
    }

    /// Waits until a store was deleted here.
    pub async fn store_deleted(&self) {
        self.shared.deleted.notified().await;
    }

    /// Erases one small batch of a deleted store's rows; says whether there is more.
    pub async fn reap(&self, at: Timestamp) -> Result<bool> {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move { reap::run(&shared, at).await }).await.map_err(Error::internal)?
    }

    /// Why nothing is acknowledged any more; `None` while all is well.
    pub fn broken(&self) -> Option<&str> {
        let stopped = self.writer.is_stopped().then_some("the writer has stopped");
        self.shared.broken.get().map(String::as_str).or(stopped)
    }

    /// Writes what waits, folds the log into the file, and closes.
    pub async fn close(&self) {
        self.writer.close();
        if let Some(task) = self.task.lock().await.take()
            && task.await.is_err()
        {
            tracing::error!("the writer ended in a panic");
        }
        if let Readers::Pool(pool) = &self.shared.readers {
            pool.close().await;
        }
        self.shared.fold_log().await;
    }
}

/// A connection for reading, for as long as it is held.
pub struct Reader<'a> {
    connection: Connection,
    _gate: Option<RwLockReadGuard<'a, ()>>,
}

enum Connection {
    Pooled(PoolConnection<Sqlite>),
    Writer(OwnedMutexGuard<SqliteConnection>),
}

impl Deref for Reader<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        match &self.connection {
            Connection::Pooled(connection) => connection,
            Connection::Writer(connection) => connection,
        }
    }
}

impl DerefMut for Reader<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        match &mut self.connection {
            Connection::Pooled(connection) => connection,
            Connection::Writer(connection) => connection,
        }
    }
}

impl Shared {
    /// Refuses when an earlier I/O error forbids to acknowledge anything.
    fn check(&self) -> Result<()> {
        match self.broken.get() {
            Some(reason) => Err(Error::Unavailable { reason: reason.clone(), retry: false }),
            None => Ok(()),
        }
    }

    /// Turns a database error into an answer, and remembers one after which no commit can be
    /// trusted.
    fn failed(&self, error: sqlx::Error) -> Error {
        if dialect::is_fatal(&error) {
            let reason = format!("the database file can't be trusted until a restart: {error}");
            tracing::error!(reason, "no write is acknowledged any more");
            let _ = self.broken.set(reason);
        }
        self.check().err().unwrap_or_else(|| dialect::trouble(error))
    }

    /// Empties the log at the end, as far as other processes allow.
    async fn fold_log(&self) {
        let mut connection = self.writer.lock().await;
        if self.check().is_ok()
            && let Err(error) = dialect::truncate_log(&mut connection).await
        {
            self.failed(error);
        }
    }

    /// Makes sure that no copy of redacted bytes is left: truncates the log, looks for traces in the file's free space, and rewrites the file where there are any or
    /// where it is not known what to look for.
    async fn erase(
        &self,
        connection: &mut SqliteConnection,
        traces: Option<&residue::Traces>,
    ) -> Result<()> {
        let Some(file) = &self.file else {
            return self.settle_erasures(connection).await;
        };
        self.truncate(connection).await?;
        let rewrite = match traces {
            Some(traces) => file.holds(traces).await?,
            None => true,
        };
        if rewrite {
            dialect::rewrite(connection).await.map_err(|error| self.not_erased(error))?;
            self.truncate(connection).await?;
        }
        self.settle_erasures(connection).await
    }

    /// Only this needs readers away: once the log is empty, none can see or bring back old bytes.
    async fn truncate(&self, connection: &mut SqliteConnection) -> Result<()> {
        let hold = tokio::time::timeout(READERS_LEAVE_WITHIN, self.gate.write()).await;
        let _hold = hold.map_err(|_| unerased("a read under way"))?;
        match dialect::truncate_log(connection).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(unerased("a read of another process")),
            Err(error) => Err(self.not_erased(error)),
        }
    }

    async fn settle_erasures(&self, connection: &mut SqliteConnection) -> Result<()> {
        let cleared = rows::clear_pending_erasures(connection).await;
        cleared.map_err(|error| self.not_erased(error))
    }

    /// The redaction is committed, so an error of the erasure must not deny it.
    fn not_erased(&self, error: sqlx::Error) -> Error {
        match self.failed(error) {
            Error::Unavailable { reason, retry: true } => unerased(&reason),
            other => other,
        }
    }
}

fn unerased(why: &str) -> Error {
    Error::Unavailable {
        reason: format!(
            "the version is redacted, but its bytes are not yet erased from the disk ({why}): \
             repeat the request"
        ),
        retry: true,
    }
}
