//! Measures the figures of `docs/performance.md`. Run by `scripts/bench`.
//!
//! Server and floor take turns, each as a process of its own, so that what else the machine does
//! falls on both; what counts is the ratio within a turn.

mod floors;
mod load;
mod report;
mod server;

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use load::{Client, Load, Request};
use report::{Compared, Pair, Single};
use server::{Filled, Running};

const CONNECTIONS: [usize; 2] = [1, 32];
/// Memories in the database that is read and started on.
const MEMORIES: usize = 3000;
const TICK: Duration = Duration::from_millis(10);
const QUIET: Duration = Duration::from_secs(1);

#[derive(Parser)]
struct Options {
    /// Given by `cargo bench`; without it there is nothing to do, as under `cargo test`
    #[arg(long)]
    bench: bool,
    /// A short run, for a rough idea
    #[arg(long)]
    quick: bool,
    /// The memstored program to measure
    #[arg(long, default_value = "target/release/memstored")]
    server: PathBuf,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What this program starts itself as.
#[derive(Subcommand)]
enum Role {
    FloorHttp { body: PathBuf },
    FloorSqlite { database: PathBuf, milliseconds: u64 },
}

fn main() -> Result<()> {
    let options = Options::parse();
    match &options.role {
        Some(Role::FloorHttp { body }) => return floors::http(body),
        Some(Role::FloorSqlite { database, milliseconds }) => {
            let time = Duration::from_millis(*milliseconds);
            return floors::sqlite(database, server::content().as_bytes(), time);
        }
        None if !options.bench => return Ok(()),
        None => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        let mut interrupted = signal(SignalKind::interrupt())?;
        tokio::select! {
            done = Bench::run(&options) => done,
            _ = terminated.recv() => bail!("terminated"),
            _ = interrupted.recv() => bail!("interrupted"),
        }
    })
}

struct Bench<'a> {
    program: &'a Path,
    folder: &'a Path,
    rounds: usize,
    warm_up: Duration,
    time: Duration,
}

impl Bench<'_> {
    async fn run(options: &Options) -> Result<()> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let bench = Bench {
            program: &options.server,
            folder: folder.path(),
            rounds: if options.quick { 3 } else { 7 },
            warm_up: Duration::from_millis(if options.quick { 100 } else { 300 }),
            time: Duration::from_millis(if options.quick { 500 } else { 2000 }),
        };
        say(&machine(folder.path())?)?;
        let filled = Filled::new(bench.program, bench.folder, MEMORIES).await?;
        say(&format!("\n{}", report::COMPARED_HEAD))?;
        for connections in CONNECTIONS {
            say(&bench.reads(&filled, connections).await?)?;
        }
        for connections in CONNECTIONS {
            say(&bench.creates(connections).await?)?;
        }
        say(&format!("\n{}", report::SINGLE_HEAD))?;
        for figure in bench.at_rest(&filled).await? {
            say(&figure)?;
        }
        Ok(())
    }

    async fn reads(&self, filled: &Filled, connections: usize) -> Result<Compared> {
        let server = server::memstored(self.program, &filled.database, "full");
        let server = Running::start(server).await?;
        let mut floor = server::own("floor-http")?;
        floor.arg(&filled.body);
        let floor = Running::start(floor).await?;
        let (ids, turn) = (filled.memories.clone(), AtomicUsize::new(0));
        let request = server::read(&filled.store, &ids[0]);
        let request = Request::new(request, &filled.memories[0], move |slot| {
            let id = &ids[turn.fetch_add(1, Ordering::Relaxed) % ids.len()];
            slot.copy_from_slice(id.as_bytes());
        })?;
        let mut pairs = Vec::new();
        for _ in 0..self.rounds {
            let (sample, cost) = self.round(&server, connections, &request).await?;
            let (floor, floor_cost) = self.round(&floor, connections, &request).await?;
            pairs.push(Pair { server: sample, floor, cost, floor_cost: Some(floor_cost) });
        }
        server.stop().await?;
        Ok(Compared { what: "read 4 KiB", connections, pairs, aim: Some(0.2) })
    }

    async fn creates(&self, connections: usize) -> Result<Compared> {
        const SLOT: &str = "0000000000";
        let database = self.folder.join(format!("created-{connections}.db"));
        let server = Running::start(server::memstored(self.program, &database, "full")).await?;
        let store = server::store(&mut Client::connect(server.address).await?).await?;
        let count = Arc::new(AtomicUsize::new(0));
        let request = Request::new(server::create(&store, SLOT), SLOT, move |slot| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            slot.copy_from_slice(format!("{number:010}").as_bytes());
        })?;
        let floor = self.folder.join(format!("floor-{connections}.db"));
        let mut pairs = Vec::new();
        for _ in 0..self.rounds {
            let (sample, cost) = self.round(&server, connections, &request).await?;
            let floor = floors::sqlite_elsewhere(&floor, self.time)?;
            pairs.push(Pair { server: sample, floor, cost, floor_cost: None });
        }
        server.stop().await?;
        let aim = (connections > 1).then_some(2.5);
        Ok(Compared { what: "create 4 KiB", connections, pairs, aim })
    }

    async fn round(
        &self,
        server: &Running,
        connections: usize,
        request: &Request,
    ) -> Result<(load::Sample, Duration)> {
        let load = Load { connections, warm_up: self.warm_up, time: self.time };
        let before = server.ticks()?;
        let sample = load::run(server.address, load, request).await?;
        let used = TICK * (server.ticks()? - before);
        // The ticks are those of the warm-up, too.
        let answers = sample.rate * (self.warm_up + self.time).as_secs_f64();
        Ok((sample, used.div_f64(answers)))
    }

    /// What it takes to start and to stay.
    async fn at_rest(&self, filled: &Filled) -> Result<[Single; 5]> {
        let health = server::request("GET", "/health", None);
        let mut starts = Vec::new();
        for _ in 0..10 {
            let begun = Instant::now();
            let command = server::memstored(self.program, &filled.database, "full");
            let server = Running::start(command).await?;
            Client::connect(server.address).await?.exchange(&health).await?;
            starts.push(begun.elapsed().as_secs_f64() * 1e3);
            server.stop().await?;
        }

        let command = server::memstored(self.program, &filled.database, "full");
        let server = Running::start(command).await?;
        tokio::time::sleep(QUIET).await;
        let started = server.memory("VmRSS")?;
        let read = server::read(&filled.store, &filled.memories[0]);
        Client::connect(server.address).await?.exchange(&read).await?;
        tokio::time::sleep(QUIET).await;
        let (used, own) = (server.memory("VmRSS")?, server.memory("RssAnon")?);
        server.stop().await?;

        let size = u32::try_from(std::fs::metadata(self.program)?.len())?;
        let memory = |what, kib: u32, aim| {
            let values = vec![f64::from(kib) / 1024.0];
            Single { what, values, unit: "MiB", aim }
        };
        Ok([
            Single { what: "start to first answer", values: starts, unit: "ms", aim: Some(10.0) },
            memory("resident memory after start", started, Some(10.0)),
            memory("resident memory after one read", used, Some(10.0)),
            memory("of that, not pages of files", own, None),
            Single {
                what: "size of the program",
                values: vec![f64::from(size) / 1e6],
                unit: "MB",
                aim: Some(15.0),
            },
        ])
    }
}

/// What the figures were measured on.
fn machine(folder: &Path) -> Result<String> {
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or("?".to_owned(), |value| value.trim_matches([':', ' ', '\t']).to_owned())
    };
    let kib = field("/proc/meminfo", "MemTotal");
    let kib: u32 = kib.trim_end_matches(" kB").parse().context("no MemTotal")?;
    Ok(format!(
        "{} cores ({}), {:.0} GiB of memory, Linux {}; 4 KiB appended and fsynced in {} µs",
        std::thread::available_parallelism()?,
        field("/proc/cpuinfo", "model name"),
        f64::from(kib) / f64::from(1 << 20),
        field("/proc/sys/kernel/osrelease", ""),
        floors::disk_sync(folder)?.as_micros()
    ))
}

fn say(line: &impl std::fmt::Display) -> Result<()> {
    Ok(writeln!(stdout(), "{line}")?)
}
