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
use rusqlite::Connection;
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

/// Inserts rows one by one, each a durable transaction, and prints the sample.
pub fn sqlite(database: &Path, content: &[u8], time: Duration) -> Result<()> {
    let connection = Connection::open(database)?;
    connection.execute_batch(
        "pragma journal_mode = wal;
         pragma synchronous = full;
         create table if not exists floor (
           id text primary key, path text not null, content blob not null
         ) strict;",
    )?;
    let first: i64 = connection.query_row("select count(*) from floor", [], |row| row.get(0))?;
    let mut insert = connection.prepare("insert into floor values (?1, ?2, ?3)")?;
    let begun = Instant::now();
    let mut latencies = Vec::new();
    for number in first.. {
        let before = Instant::now();
        let (id, path) = (format!("mem_{number:026}"), format!("/notes/{number:010}.md"));
        insert.execute((id, path, content))?;
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
pub fn sqlite_elsewhere(database: &Path, time: Duration) -> Result<Sample> {
    let mut command = server::own("floor-sqlite")?;
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
