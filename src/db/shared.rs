//! What readers and the write path share: the connections, and whether the disk can be trusted.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use deadpool::managed::Pool;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, RwLock, RwLockReadGuard, watch};
use tokio_util::task::TaskTracker;

use super::connection::Connection;
use super::dialect::Verdict;
use super::dialect::postgres::{self, Servers};
use super::dialect::sqlite::{self, Readers};
use super::heads::{Change, Heads};
use super::location::{Location, Purpose};
use super::log;
use super::residue::DatabaseFile;
use super::verdict;
use crate::domain::limits::Limits;
use crate::domain::{Error, Result};
use crate::spell::Spell;

/// Memories that are kept near, with their contents.
const KEPT_BYTES: u64 = 32 << 20;

pub struct Shared {
    pub backend: Backend,
    /// Why nothing may be acknowledged any more, once that is so.
    broken: OnceLock<String>,
    /// Troubles of changes that pass by themselves.
    full: Spell,
    busy: Spell,
    pub limits: Limits,
    /// Wakes the reaper when a store was deleted.
    pub deleted: Notify,
    /// Tells those who wait for events or work that something has come.
    pub arrivals: watch::Sender<()>,
    transactions: AtomicUsize,
    /// Changes that run beside those who asked for them.
    changes: TaskTracker,
}

pub enum Backend {
    Sqlite(OneFile),
    Postgres(Pool<Servers>),
}

/// A SQLite database: one connection that writes, and beside it those that read. In memory the one
/// does both; where a file was opened only to read, the one reads.
pub struct OneFile {
    readers: Option<Pool<Readers>>,
    writer: Arc<Mutex<Connection>>,
    /// Held by the change that has borrowed a thread: more than one would only wait for the writer's
    /// connection, each on a thread of a pool that has an end.
    turn: Arc<Mutex<()>>,
    /// Reads hold it shared; an erasure holds it alone while it truncates the log.
    pub gate: RwLock<()>,
    /// The file, where it may be changed.
    pub file: Option<DatabaseFile>,
    /// Memories that were read, while the file is served.
    heads: OnceLock<Arc<Heads>>,
}

impl OneFile {
    fn open(location: &Location, purpose: Purpose) -> Result<Self> {
        let (writer, file) = match purpose {
            Purpose::Read => (sqlite::open_reader(location)?, None),
            Purpose::Serve(_) | Purpose::Upkeep => {
                (sqlite::open_writer(location, purpose.durability())?, location.file())
            }
        };
        Ok(Self {
            readers: file.map(|_| sqlite::readers(location)).transpose()?,
            writer: Arc::new(Mutex::new(writer.into())),
            heads: OnceLock::new(),
            turn: Arc::default(),
            gate: RwLock::new(()),
            file: file.map(DatabaseFile::open).transpose()?,
        })
    }
}

/// A connection, for as long as it is held.
pub enum Held {
    Pooled(Connection),
    Writer(OwnedMutexGuard<Connection>),
}

/// A connection for reading.
pub struct Reader<'a> {
    held: Held,
    _gate: Option<RwLockReadGuard<'a, ()>>,
}

impl Shared {
    pub fn open(location: &Location, purpose: Purpose, limits: Limits) -> Result<Self> {
        let backend = match location {
            Location::Postgres(server) => Backend::Postgres(postgres::pool(server, purpose)?),
            Location::File(_) | Location::Memory => {
                Backend::Sqlite(OneFile::open(location, purpose)?)
            }
        };
        Ok(Self {
            backend,
            broken: OnceLock::new(),
            full: Spell::default(),
            busy: Spell::default(),
            limits,
            deleted: Notify::new(),
            arrivals: watch::Sender::new(()),
            transactions: AtomicUsize::new(0),
            changes: TaskTracker::new(),
        })
    }

    /// Runs what writes beside the caller, to its end even when the caller goes away. SQLite syncs and
    /// waits for other processes on the thread that asks, so there it gets one of its own.
    pub async fn apart<T, F>(self: &Arc<Self>, work: impl FnOnce(Arc<Self>) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        // Held from the look to the spawn: who closes waits for it.
        let token = self.changes.token();
        self.still_open()?;
        let work = work(Arc::clone(self));
        let done = match &self.backend {
            Backend::Sqlite(file) => {
                let (runtime, turn) = (Handle::current(), Arc::clone(&file.turn));
                let shared = Arc::clone(self);
                self.changes.spawn(async move {
                    let _turn = turn.lock().await;
                    // Those that still wait would hold the end up, one after the other.
                    shared.still_open()?;
                    let done = tokio::task::spawn_blocking(move || runtime.block_on(work)).await;
                    done.map_err(|_| Error::Uncertain)?
                })
            }
            Backend::Postgres(_) => self.changes.spawn(work),
        };
        drop(token);
        // What ends in a panic, or with the program, may have committed.
        done.await.map_err(|_| Error::Uncertain)?
    }

    fn still_open(&self) -> Result<()> {
        if self.changes.is_closed() {
            return Err(Error::closing());
        }
        Ok(())
    }

    /// The first connection; where there is none, the reason in the database's own words.
    pub async fn opened(&self, location: &Location) -> Result<Held> {
        let Backend::Postgres(pool) = &self.backend else { return self.writing().await };
        match pool.get().await {
            Ok(connection) => Ok(Held::Pooled(connection.into())),
            Err(error) => {
                let reason = match error {
                    deadpool::managed::PoolError::Backend(error) => verdict::words(&error),
                    other => other.to_string(),
                };
                let reason = format!("can't open {location}: {reason}");
                Err(Error::Unavailable { reason, retry: false })
            }
        }
    }

    /// From here on memories that are read from a file are kept near. Its schema is up to date, so
    /// its log has an index.
    pub async fn keep_heads(&self, location: &Location) -> Result<()> {
        if let (Backend::Sqlite(file), Some(path)) = (&self.backend, location.file()) {
            let heads = Arc::new(Heads::open(path, KEPT_BYTES)?);
            file.writer.lock().await.tell(Change::to(Arc::clone(&heads)));
            let _ = file.heads.set(heads);
        }
        Ok(())
    }

    /// Memories that were read, where it can be known that they are still true.
    pub fn heads(&self) -> Option<&Heads> {
        match &self.backend {
            Backend::Sqlite(file) => file.heads.get().map(|heads| &**heads),
            Backend::Postgres(_) => None,
        }
    }

    pub async fn read(&self) -> Result<Reader<'_>> {
        match &self.backend {
            Backend::Sqlite(OneFile { readers: Some(readers), gate, .. }) => {
                let gate = gate.read().await;
                let held = Held::Pooled(verdict::acquired(readers.get().await)?.into());
                Ok(Reader { held, _gate: Some(gate) })
            }
            _ => Ok(Reader { held: self.writing().await?, _gate: None }),
        }
    }

    /// A connection that may write; on SQLite there is one.
    pub async fn writing(&self) -> Result<Held> {
        match &self.backend {
            Backend::Sqlite(file) => Ok(Held::Writer(Arc::clone(&file.writer).lock_owned().await)),
            Backend::Postgres(pool) => {
                Ok(Held::Pooled(verdict::acquired(pool.get().await)?.into()))
            }
        }
    }

    /// The how manieth single transaction this is.
    pub fn count_transaction(&self) -> usize {
        self.transactions.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub fn broken(&self) -> Option<&str> {
        self.broken.get().map(String::as_str)
    }

    /// Refuses when an earlier I/O error forbids to acknowledge anything.
    pub fn check(&self) -> Result<()> {
        match self.broken() {
            Some(reason) => Err(Error::Unavailable { reason: reason.to_owned(), retry: false }),
            None => Ok(()),
        }
    }

    /// Turns a database error into an answer, and remembers one after which no commit can be
    /// trusted.
    pub fn failed(&self, error: sqlx::Error) -> Error {
        match verdict::judge(&error) {
            Verdict::Fatal => {
                let reason = format!("the database file can't be trusted until a restart: {error}");
                tracing::error!(reason, "no write is acknowledged any more");
                let _ = self.broken.set(reason);
            }
            Verdict::DiskFull => {
                if let Some(times) = self.full.met() {
                    tracing::warn!(%error, times, "the disk is full");
                }
            }
            Verdict::Busy => {
                if let Some(times) = self.busy.met() {
                    tracing::warn!(%error, times, "the database is busy");
                }
            }
            _ => {}
        }
        self.check().err().unwrap_or_else(|| verdict::trouble(error))
    }

    /// Says that troubles are over, once something was committed.
    pub fn committed(&self) {
        if let Some(times) = self.full.over() {
            tracing::info!(times, "the disk has room again");
        }
        if let Some(times) = self.busy.over() {
            tracing::info!(times, "the database is busy no longer");
        }
    }

    /// Closes after the changes that have begun; a file's log is emptied, as far as other processes
    /// allow.
    pub async fn close(&self) {
        self.changes.close();
        self.changes.wait().await;
        match &self.backend {
            Backend::Postgres(pool) => pool.close(),
            Backend::Sqlite(file) => {
                if let Some(readers) = &file.readers {
                    readers.close();
                }
                let mut connection = file.writer.lock().await;
                if file.file.is_some()
                    && self.check().is_ok()
                    && let Err(error) = log::truncate(&mut connection).await
                {
                    self.failed(error);
                }
            }
        }
    }
}

impl Deref for Held {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Writer(connection) => connection,
        }
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Connection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Writer(connection) => connection,
        }
    }
}

impl Deref for Reader<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.held
    }
}

impl DerefMut for Reader<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.held
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn a_change_that_ends_in_a_panic_may_have_been_made() {
        let shared = Shared::open(&Location::Memory, Purpose::Upkeep, Limits::default()).unwrap();

        let work = |_| async { panic!("after its commit") };
        let answer = Arc::new(shared).apart::<(), _>(work).await;

        assert!(matches!(answer, Err(Error::Uncertain)), "{answer:?}");
    }

    #[tokio::test]
    async fn at_the_end_what_has_begun_is_made_and_what_waits_is_refused() {
        let shared = Shared::open(&Location::Memory, Purpose::Upkeep, Limits::default()).unwrap();
        let shared = Arc::new(shared);
        let (begun, goes_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let work = {
            let (begun, goes_on) = (Arc::clone(&begun), Arc::clone(&goes_on));
            async move {
                begun.notify_one();
                goes_on.notified().await;
                Ok(())
            }
        };
        let first = Arc::clone(&shared);
        let first = tokio::spawn(async move { first.apart(|_| work).await });
        begun.notified().await;
        let second = Arc::clone(&shared);
        let second = tokio::spawn(async move { second.apart(|_| async { Ok(()) }).await });
        // On this one thread it has come to wait for the first.
        while shared.changes.len() < 2 {
            yield_now().await;
        }

        let end = Arc::clone(&shared);
        let end = tokio::spawn(async move { end.close().await });
        while !shared.changes.is_closed() {
            yield_now().await;
        }
        assert!(!end.is_finished());
        goes_on.notify_one();

        end.await.unwrap();
        assert!(first.await.unwrap().is_ok());
        let refused = second.await.unwrap();
        assert!(matches!(refused, Err(Error::Unavailable { retry: true, .. })), "{refused:?}");
    }
}
