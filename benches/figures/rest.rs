//! What it takes to start and to stay.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::load::Client;
use crate::report::{self, Single};
use crate::server::{self, Filled, Running};
use crate::{Bench, MEMORIES, say};

const QUIET: Duration = Duration::from_secs(1);
const LIMIT: &str = "10,000 connections need as many open files: see `ulimit -n`";

pub async fn measure(bench: &Bench<'_>) -> Result<()> {
    let database = bench.folder.join("rest.db");
    let filled = Filled::new(bench.program, &database, MEMORIES).await?;
    say(&format!("\n{}", report::SINGLE_HEAD))?;
    for figure in figures(bench, &filled).await? {
        say(&figure)?;
    }
    Ok(())
}

async fn figures(bench: &Bench<'_>, filled: &Filled) -> Result<[Single; 6]> {
    let health = server::request("GET", "/health", None);
    let mut starts = Vec::new();
    for _ in 0..10 {
        let begun = Instant::now();
        let command = server::memstored(bench.program, &filled.url, "full");
        let server = Running::start(command).await?;
        Client::connect(server.address).await?.exchange(&health).await?;
        starts.push(begun.elapsed().as_secs_f64() * 1e3);
        server.stop().await?;
    }

    let command = server::memstored(bench.program, &filled.url, "full");
    let server = Running::start(command).await?;
    tokio::time::sleep(QUIET).await;
    let started = server.memory("VmRSS")?;
    let read = server::read(&filled.store, &filled.memories[0]);
    Client::connect(server.address).await?.exchange(&read).await?;
    tokio::time::sleep(QUIET).await;
    let (used, own) = (server.memory("VmRSS")?, server.memory("RssAnon")?);
    server.stop().await?;
    let idle = idle(bench, filled).await?;

    let size = u32::try_from(std::fs::metadata(bench.program)?.len())?;
    let memory = |what, kib: u32, aim| {
        let values = vec![f64::from(kib) / 1024.0];
        Single { what, values, unit: "MiB", aim }
    };
    Ok([
        Single { what: "start to first answer", values: starts, unit: "ms", aim: Some(6.0) },
        memory("resident memory after start", started, Some(10.0)),
        memory("resident memory after one read", used, Some(10.0)),
        memory("of that, not pages of files", own, None),
        memory("resident memory with 10,000 idle connections", idle, Some(64.0)),
        Single {
            what: "size of the program",
            values: vec![f64::from(size) / 1e6],
            unit: "MB",
            aim: Some(12.0),
        },
    ])
}

/// Memory while so many connections, each of which had an answer, wait for their next request.
async fn idle(bench: &Bench<'_>, filled: &Filled) -> Result<u32> {
    const CONNECTIONS: usize = 10_000;
    let server = Running::start(server::memstored(bench.program, &filled.url, "full")).await?;
    let health = server::request("GET", "/health", None);
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(server.address).await.context(LIMIT)?;
        stream.write_all(&health).await?;
        let mut answer = [0; 1024];
        ensure!(stream.read(&mut answer).await? > 0, "the server closed a connection");
        connections.push(stream);
    }
    tokio::time::sleep(QUIET).await;
    let resident = server.memory("VmRSS")?;
    drop(connections);
    server.stop().await?;
    Ok(resident)
}
