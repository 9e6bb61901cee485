//! SQL and rows, no rules.
//!
//! Reads take a `Reader`; changes go as commands to the write path, which answers after the
//! commit that holds them: one writer for a SQLite file (`writer`), one lane a store on Postgres
//! (`lanes`). What one database does differently stands in `dialect`.

mod admin;
mod agents;
mod batch;
mod commit;
mod connection;
mod copy;
mod dialect;
mod environments;
mod erasure;
mod events;
mod examine;
mod heads;
mod intact;
mod journal;
mod keys;
mod lanes;
mod ledger;
mod location;
mod log;
mod memories;
mod migrate;
mod pages;
mod polls;
mod reap;
mod residue;
mod rows;
mod schema;
mod script;
mod sessions;
mod shared;
mod sql;
mod stores;
mod tables;
mod tokens;
mod transaction;
mod verdict;
mod versions;
mod work;
mod workspaces;
mod writer;

use std::sync::Arc;

pub use admin::{Admin, AdminCommand, AdminOutcome};
pub use copy::{Copied, Progress, copy};
pub use environments::EnvironmentChange;
pub use events::{Arrivals, SendEvents};
pub use examine::{Finding, Grade, examine};
pub use location::{Durability, Location};
pub use migrate::{Fresh, Installation, Schema};
pub use polls::Poll;
pub use sessions::{NewSessionRow, SessionChange};
pub use tables::{Kind, TABLES, Table};
pub use work::{OnWork, QueueStats, WorkChange};

use self::dialect::sqlite;
use self::location::Purpose;
use self::shared::{Reader, Shared};
use self::sql::Sql;
use crate::domain::Result;
use crate::domain::limits::Limits;
use crate::domain::plan::{Command, Outcome};
use crate::domain::time::Timestamp;

/// Compares a database's schema with the one that this program knows, without changing it.
pub async fn schema(location: &Location) -> Result<Schema> {
    let shared = Shared::open(location, Purpose::Read, Limits::default())?;
    let schema = migrate::schema(&mut *shared.opened(location).await?, location).await;
    shared.close().await;
    schema
}

/// Brings a database's schema up to date; answers how it stood before.
pub async fn migrate(location: &Location) -> Result<Schema> {
    let shared = Shared::open(location, Purpose::Upkeep, Limits::default())?;
    let before = migrate::update(&mut *shared.opened(location).await?, location).await;
    shared.close().await;
    before
}

/// One open database: its readers, and its write path.
pub struct Db {
    shared: Arc<Shared>,
    writes: Writes,
    pub installation: Installation,
    pub durability: Durability,
}

enum Writes {
    Writer(writer::Inbox),
    Lanes(lanes::Lanes),
}

impl Db {
    /// Opens the database, brings its schema up to date, and starts the write path.
    pub async fn open(
        location: &Location,
        durability: Durability,
        limits: Limits,
        fresh: Fresh,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::open(location, Purpose::Serve(durability), limits)?);
        let installation =
            migrate::run(&mut *shared.opened(location).await?, location, fresh).await?;
        shared.keep_heads(location).await?;
        if location.file().is_some_and(sqlite::is_open_to_others) {
            tracing::warn!("others may read the database: set the mode of its files to 0600");
        }
        let writes = match location {
            Location::Postgres(server) => {
                Writes::Lanes(lanes::Lanes::new(Arc::clone(&shared), server.connections))
            }
            Location::File(_) | Location::Memory => {
                Writes::Writer(writer::start(Arc::clone(&shared))?)
            }
        };
        Ok(Self { shared, writes, installation, durability })
    }

    /// A connection for reading. Waits while an erasure is under way.
    async fn read(&self) -> Result<Reader<'_>> {
        self.shared.read().await
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<()> {
        let mut reader = self.read().await?;
        reader.fetch_one(Sql::new("select 1")).await.map(drop).map_err(verdict::trouble)
    }

    /// Finishes erasures that a crash cut short; what another process still reads is left to the
    /// writer, which tries again.
    pub async fn finish_erasures(&self) -> Result<()> {
        match &self.writes {
            Writes::Writer(inbox) => inbox.finish_erasures().await,
            Writes::Lanes(_) => Ok(()),
        }
    }

    /// Hands a command to the write path and waits for its commit.
    pub async fn write(&self, command: Command) -> Result<Outcome> {
        match &self.writes {
            Writes::Writer(inbox) => inbox.submit(command).await,
            Writes::Lanes(lanes) => lanes.submit(command).await,
        }
    }

    /// Changes workspaces or keys.
    pub async fn administer(&self, admin: Admin) -> Result<AdminOutcome> {
        let deletes = matches!(admin.command, AdminCommand::DeleteWorkspace(_));
        let outcome = self.change(admin).await?;
        if deletes {
            self.shared.deleted.notify_one();
        }
        Ok(outcome)
    }

    /// Waits until a store was deleted here.
    pub async fn store_deleted(&self) {
        self.shared.deleted.notified().await;
    }

    /// Erases one small batch of a deleted store's rows; says whether there is more.
    pub async fn reap(&self, at: Timestamp) -> Result<bool> {
        self.shared.apart(|shared| async move { reap::run(&shared, at).await }).await
    }

    /// Why nothing is acknowledged any more; `None` while all is well.
    pub fn broken(&self) -> Option<&str> {
        let stopped = match &self.writes {
            Writes::Writer(inbox) => inbox.is_stopped(),
            Writes::Lanes(_) => false,
        };
        self.shared.broken().or(stopped.then_some(writer::STOPPED))
    }

    /// Writes what waits, and closes.
    pub async fn close(&self) {
        match &self.writes {
            Writes::Writer(inbox) => inbox.close().await,
            Writes::Lanes(lanes) => lanes.close().await,
        }
        self.shared.close().await;
    }
}
