//! Postgres: how it is connected to, and what its errors mean.
//!
//! A connection that was lost takes all older ones with it: when the server went away, the rest
//! are dead too, and asking each before its use would cost every request a trip. Only one that
//! rested is asked.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{
    Manager, Metrics, Object, Pool, PoolConfig, QueueMode, RecycleError, RecycleResult, Timeouts,
};
use sqlx::postgres::{PgConnectOptions, PgDatabaseError};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::Verdict;
use crate::db::location::{Durability, Purpose, Server};
use crate::domain::{Error, Result};

const CONNECTS_WITHIN: Duration = Duration::from_secs(5);
const FREE_WITHIN: Duration = Duration::from_secs(10);
/// One that was not used for that long is asked whether it is still there.
const RESTED: Duration = Duration::from_secs(1);
/// Distinct statements that are kept prepared: the row counts of inserts tell them apart.
const STATEMENTS: usize = 256;

/// How long it may take to answer a statement before it is taken for lost; longer than its own
/// `statement_timeout`.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// Single statements read what is committed.
const SESSION: &str = "set default_transaction_isolation = 'read committed'";
/// A transaction of an instance that hangs must not hold a store for long. (The wait for a standby at
/// a commit is not bounded by these.) Every statement of a server has its index, in the order that
/// it needs, so one plan serves all values and sizes, and is kept.
const BOUNDED: &str = "set statement_timeout = '15s'; set lock_timeout = '10s'; \
                       set idle_in_transaction_session_timeout = '30s'; \
                       set enable_seqscan = off; set enable_bitmapscan = off; \
                       set plan_cache_mode = force_generic_plan";
const UNBOUNDED: &str = "set statement_timeout = 0; set lock_timeout = 0; \
                         set idle_in_transaction_session_timeout = 0; \
                         set enable_seqscan = on; set enable_bitmapscan = on; \
                         set plan_cache_mode = auto";
/// A stricter `synchronous_commit` of the server's own is left as it is.
const SYNC: &str = "select set_config('synchronous_commit', 'on', false) \
                    where current_setting('synchronous_commit') in ('off', 'local')";
const NO_SYNC: &str = "set synchronous_commit = off";

pub const TABLES: &str = "\
    select coalesce(sum(case when c.relname = '_sqlx_migrations' then 0 else 1 end), 0), \
    coalesce(sum(case when c.relname in ('_sqlx_migrations', 'installation') then 1 else 0 end), 0) \
    from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    where n.nspname = current_schema() and c.relkind in ('r', 'p', 'f') and not exists (select 1 \
    from pg_depend d where d.classid = cast('pg_class' as regclass) and d.objid = c.oid and \
    d.deptype = 'e')";

/// The settings for statements that are bounded in time, or for those that take what they need.
pub fn times(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Serve(_) => BOUNDED,
        Purpose::Upkeep | Purpose::Read => UNBOUNDED,
    }
}

/// How long to wait for an answer.
pub fn patience(purpose: Purpose) -> Duration {
    match purpose {
        Purpose::Serve(_) => ANSWERS_WITHIN,
        Purpose::Upkeep | Purpose::Read => Duration::MAX,
    }
}

/// Makes connections, and knows when one was lost.
pub struct Servers {
    options: PgConnectOptions,
    purpose: Purpose,
    lost: Mutex<Option<Instant>>,
}

pub fn pool(server: &Server, purpose: Purpose) -> Result<Pool<Servers>> {
    let options = server.options.clone().application_name("memstored");
    let servers = Servers {
        options: options.statement_cache_capacity(STATEMENTS).disable_statement_logging(),
        purpose,
        lost: Mutex::default(),
    };
    let mut config = PoolConfig::new(server.connections.max(1));
    config.queue_mode = QueueMode::Lifo;
    config.timeouts = Timeouts {
        wait: Some(FREE_WITHIN),
        create: Some(CONNECTS_WITHIN),
        recycle: Some(CONNECTS_WITHIN),
    };
    let pool = Pool::builder(servers).config(config).runtime(Runtime::Tokio1).build();
    pool.map_err(Error::internal)
}

impl Manager for Servers {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> sqlx::Result<PgConnection> {
        let mut connection = self.options.connect().await?;
        let times = times(self.purpose);
        let sync = match self.purpose.durability() {
            Durability::Full => SYNC,
            Durability::Relaxed => NO_SYNC,
        };
        for settings in [SESSION, times, sync] {
            sqlx::raw_sql(settings).execute(&mut connection).await?;
        }
        Ok(connection)
    }

    async fn recycle(
        &self,
        connection: &mut PgConnection,
        metrics: &Metrics,
    ) -> RecycleResult<sqlx::Error> {
        let lost = *self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if lost.is_some_and(|lost| metrics.created <= lost) {
            return Err(RecycleError::message("another connection was lost since"));
        }
        if metrics.last_used() > RESTED {
            connection.ping().await?;
        }
        Ok(())
    }
}

/// What a connection was opened for.
pub fn purpose(connection: &Object<Servers>) -> Purpose {
    Object::pool(connection).map_or(Purpose::Upkeep, |pool| pool.manager().purpose)
}

/// Remembers that a connection was lost.
pub fn lost(connection: &Object<Servers>, error: &sqlx::Error) {
    if let Some(pool) = Object::pool(connection) {
        tracing::warn!(%error, "a connection to the database was lost");
        let mut lost = pool.manager().lost.lock().unwrap_or_else(PoisonError::into_inner);
        *lost = Some(Instant::now());
    }
}

/// The error of a server that does not answer any more.
pub fn silent() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "Postgres does not answer"))
}

/// What an error of Postgres means; `None` for any other.
pub fn judge(error: &sqlx::Error) -> Option<Verdict> {
    let code = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?.code();
    Some(match code {
        "40001" | "40P01" => Verdict::Conflict,
        "53100" => Verdict::DiskFull,
        // A lock or a statement that took too long; no memory, no connection left.
        "55P03" | "57014" | "53200" | "53300" | "53400" => Verdict::Busy,
        // A standby, after a switch-over; an idle transaction that was ended; a failed disk.
        "25006" | "25P03" | "58030" => Verdict::Lost,
        // Wrong password, no such database: said in full where the server is started.
        "3D000" => Verdict::CantOpen,
        "42501" => Verdict::Denied,
        _ if code.starts_with("28") => Verdict::CantOpen,
        _ if code.starts_with("57P") || code.starts_with("08") => Verdict::Lost,
        _ => Verdict::Unexpected,
    })
}
