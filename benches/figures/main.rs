//! Measures the figures of `docs/performance.md`. Run by `scripts/bench`.
//!
//! Server and floor take turns, each as a process of its own, so that what else the machine does
//! falls on both; what counts is the ratio within a turn.

mod cluster;
mod fill;
mod floors;
mod growth;
mod inspector;
mod lists;
mod load;
mod mount;
mod postgres;
mod report;
mod rest;
mod server;
mod sqlite;

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use floors::Floor;
use load::{Load, Sample, Target};
use server::Running;

/// Memories in the database that is read and started on.
const MEMORIES: usize = 3000;
const TICK: Duration = Duration::from_millis(10);

#[derive(Parser)]
struct Options {
    /// Given by `cargo bench`; without it there is nothing to do, as under `cargo test`
    #[arg(long)]
    bench: bool,
    /// A short run, for a rough idea
    #[arg(long)]
    quick: bool,
    /// What to measure; everything where not given
    #[arg(long)]
    part: Vec<Part>,
    /// The memstored program to measure
    #[arg(long, default_value = "target/release/memstored")]
    server: PathBuf,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Part {
    /// Reads and creates on SQLite, beside the floors
    Sqlite,
    /// Reads and creates on Postgres, beside pgbench; two instances beside one
    Postgres,
    /// What a thousand times as many versions add to a request, on both
    Growth,
    /// Searching and saving through the mount, beside the local disk and the API
    Mount,
    /// Lists over 32 connections on SQLite, and reads and creates beside them
    Lists,
    /// Calls and time of the inspector, beside a walk over the same lists
    Inspector,
    /// Start, memory, size
    Rest,
}

/// What this program starts itself as.
#[derive(Subcommand)]
enum Role {
    FloorHttp { body: PathBuf },
    FloorSqlite { floor: Floor, database: PathBuf, milliseconds: u64 },
}

fn main() -> Result<()> {
    let options = Options::parse();
    match &options.role {
        Some(Role::FloorHttp { body }) => return floors::http(body),
        Some(Role::FloorSqlite { floor, database, milliseconds }) => {
            let time = Duration::from_millis(*milliseconds);
            return floors::sqlite(*floor, database, server::content().as_bytes(), time);
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
        let parts = if options.part.is_empty() { Part::value_variants() } else { &options.part };
        for part in parts {
            match part {
                Part::Sqlite => sqlite::measure(&bench).await?,
                Part::Postgres => postgres::measure(&bench).await?,
                Part::Growth => growth::measure(&bench).await?,
                Part::Mount => mount::measure(&bench).await?,
                Part::Inspector => inspector::measure(&bench).await?,
                Part::Lists => lists::measure(&bench).await?,
                Part::Rest => rest::measure(&bench).await?,
            }
        }
        Ok(())
    }

    /// So many connections, each as fast as it can.
    fn load(&self, connections: usize) -> Load {
        let Self { warm_up, time, .. } = *self;
        Load { connections, pause: Duration::ZERO, warm_up, time }
    }

    /// One round of load, and the processor time that one answer cost the servers.
    async fn round(
        &self,
        servers: &[&Running],
        connections: usize,
        targets: &[Target],
    ) -> Result<(Sample, Duration)> {
        let ticks = || servers.iter().map(|server| server.ticks()).sum::<Result<u32>>();
        let before = ticks()?;
        let sample = load::run(self.load(connections), targets).await?;
        let used = TICK * (ticks()? - before);
        // The ticks are those of the warm-up, too.
        let answers = sample.rate * (self.warm_up + self.time).as_secs_f64();
        Ok((sample, used.div_f64(answers)))
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
