//! What the server is compared with: the least that its two ends cost without it. Each floor runs as
//! a process of its own, as the server does.

use std::fs::File;
use std::io::{Write, stdout};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use axum::serve::ListenerExt;
use clap::ValueEnum;
use rusqlite::{Connection, ToSql};
use tokio::net::TcpListener;

use crate::load::Sample;
use crate::server;

/// Serves the bytes of `body` from a bare axum handler, until it is ended.
pub fn http(body: &Path) -> Result<()> {
    let body = Bytes::from(std::fs::read(body)?);
    let handler = || async move { ([(CONTENT_TYPE, "application/json")], body) };
    let router = Router::new().route(server::MEMORY_ROUTE, get(handler));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let socket = TcpListener::bind("127.0.0.1:0").await?;
        let address = socket.local_addr()?;
        writeln!(stdout(), "floor listening on http://{address}")?;
        let socket = socket.tap_io(|stream| drop(stream.set_nodelay(true)));
        Ok(axum::serve(socket, router).await?)
    })
}

/// What is written straight into SQLite, one durable transaction after the other.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Floor {
    /// One row of one table
    OneInsert,
    /// What memstored writes for a new memory, into its own tables
    OwnRows,
}

const ONE_TABLE: &str = "create table floor (id text primary key, path text not null, content \
                         blob not null) strict";
/// What the rows of a new memory point to.
const OWNERS: &str = "insert into workspaces values ('wrkspc_1', 'default', 1, null, 1, 1);
    insert into stores values ('memstore_01', 'wrkspc_1', 'n', '', '{}', 1, 1, null, null, null, 0, 0, 0)";

impl Floor {
    fn prepare(self, connection: &Connection) -> Result<()> {
        match self {
            Self::OneInsert => connection.execute_batch(ONE_TABLE)?,
            Self::OwnRows => {
                connection.execute_batch(include_str!("../../migrations/sqlite/0001_init.sql"))?;
                connection.execute_batch(OWNERS)?;
            }
        }
        Ok(())
    }

    fn write(self, connection: &Connection, number: i64, content: &[u8]) -> Result<()> {
        let (id, path) = (format!("mem_{number:026}"), format!("/notes/{number:010}.md"));
        let run =
            |sql: &str, values: &[&dyn ToSql]| connection.prepare_cached(sql)?.execute(values);
        match self {
            Self::OneInsert => {
                run("insert into floor values (?1, ?2, ?3)", &[&id, &path, &content])?;
            }
            Self::OwnRows => {
                let (store, version) = ("memstore_01", format!("memver_{number:026}"));
                let (actor, request) = ("apikey_01", format!("req_{number:026}"));
                let (size, sha256, at) =
                    (i64::try_from(content.len())?, [0_u8; 32], 1_764_000_000_000_000 + number);
                run("begin immediate", &[])?;
                run(
                    "insert into versions values (?, ?, ?, 'created', ?, ?, ?, ?, ?, ?, null, null)",
                    &[&version, &store, &id, &path, &content, &size, &sha256, &at, &actor],
                )?;
                run(
                    "insert into memories values (?, ?, ?, ?, ?, ?, ?, ?)",
                    &[&id, &store, &path, &version, &size, &sha256, &at, &at],
                )?;
                run(
                    "insert into journal values (?, ?, ?, 'version_written', ?, ?, ?, ?, null)",
                    &[&store, &number, &at, &version, &actor, &actor, &request],
                )?;
                run(
                    "update stores set memories = ?, last_seq = ?, last_at = ? where id = ?",
                    &[&number, &number, &at, &store],
                )?;
                run("commit", &[])?;
            }
        }
        Ok(())
    }

    fn written(self) -> &'static str {
        match self {
            Self::OneInsert => "select count(*) from floor",
            Self::OwnRows => "select count(*) from memories",
        }
    }
}

/// Writes one after the other, each a durable transaction, and prints the sample.
pub fn sqlite(floor: Floor, database: &Path, content: &[u8], time: Duration) -> Result<()> {
    let is_new = !database.exists();
    let connection = Connection::open(database)?;
    connection.execute_batch("pragma journal_mode = wal; pragma synchronous = full")?;
    if is_new {
        floor.prepare(&connection)?;
    }
    let first: i64 = connection.query_row(floor.written(), [], |row| row.get(0))?;
    let begun = Instant::now();
    let mut latencies = Vec::new();
    for number in first + 1.. {
        let before = Instant::now();
        floor.write(&connection, number, content)?;
        let after = Instant::now();
        latencies.push(after - before);
        if after - begun >= time {
            break;
        }
    }
    let Sample { rate, p50, p99 } = Sample::of(latencies, begun.elapsed())?;
    Ok(writeln!(stdout(), "{rate} {} {}", p50.as_micros(), p99.as_micros())?)
}

/// Runs [`sqlite`] in a process of its own.
pub fn sqlite_elsewhere(floor: Floor, database: &Path, time: Duration) -> Result<Sample> {
    let mut command = server::own("floor-sqlite")?;
    command.arg(floor.to_possible_value().context("it has a name")?.get_name());
    command.arg(database).arg(time.as_millis().to_string());
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut numbers = text.split_ascii_whitespace();
    let mut number = || numbers.next().context("the SQLite floor printed no sample");
    Ok(Sample {
        rate: number()?.parse()?,
        p50: Duration::from_micros(number()?.parse()?),
        p99: Duration::from_micros(number()?.parse()?),
    })
}

/// The median time of appending 4 KiB to a file and of its fsync, which is what SQLite calls.
pub fn disk_sync(folder: &Path) -> Result<Duration> {
    let mut file = File::create(folder.join("sync"))?;
    let mut times = Vec::new();
    for _ in 0..300 {
        let begun = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_all()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
