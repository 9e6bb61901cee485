//! What only Postgres has: several instances, conflicts, a database that goes away. Part of every
//! run, whatever it is about.

mod cluster;
mod compose;
mod conflicts;
mod copy;
mod cut;
mod doctor;

mod instances;
mod lanes;
mod lost;
mod proxy;
mod redaction;
mod restarts;
mod rights;
mod roles;
mod schema;
mod sessions;
mod starts;
mod statements;
mod upgrade;

use std::sync::Arc;
use std::time::{Duration, Instant};

use memstored::clock::SystemSource;

use crate::support::server::Setup;
use crate::support::{Database, Direct, Server};

/// A server on a database of which it is not the only one.
async fn one_of_many(database: &Database, setup: Setup) -> Server {
    let location = Some(database.location());
    Server::with(Setup { location, source: Arc::new(SystemSource), ..setup }).await
}

async fn two_on(database: &Database) -> [Server; 2] {
    let one = one_of_many(database, Setup::default()).await;
    [one, one_of_many(database, Setup::default()).await]
}

/// Waits until `sql` counts `wanted`.
async fn until(direct: &mut Direct, sql: &str, wanted: i64) {
    let begun = Instant::now();
    while direct.count(sql).await != wanted {
        assert!(begun.elapsed() < Duration::from_secs(10), "it never counted {wanted}: {sql}");
        tokio::task::yield_now().await;
    }
}

/// Counts those who wait for a lock of the connection that asks.
const WAITING_FOR_ME: &str = "select count(*) from pg_locks where not granted and \
                              pg_backend_pid() = any(pg_blocking_pids(pid))";
