//! A private Postgres, and pgbench on it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::fill::Fill;
use crate::load::Sample;
use crate::postgres::CONNECTIONS;
use crate::server;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/postgres");
const READ: &str = include_str!("pgbench/read.sql");
const CREATE: &str = include_str!("pgbench/create.sql");

/// Ends when it is dropped.
pub struct Cluster {
    folder: PathBuf,
    url: String,
}

/// What pgbench is to do.
pub struct Floor {
    script: String,
    variables: Vec<(&'static str, String)>,
}

impl Floor {
    /// Creates, each client in a store of its own up to so many.
    pub fn creates(stores: usize) -> Self {
        Self {
            script: CREATE.replace("STORES", &stores.to_string()),
            variables: vec![("content", server::content())],
        }
    }

    /// Reads of the memories that were filled in.
    pub fn reads(fill: &Fill, workspace: &str) -> Self {
        let (store, workspace) = (fill.store.clone(), workspace.to_owned());
        Self {
            script: READ.replace("MEMORIES", &fill.memories.to_string()),
            variables: vec![("store", store), ("workspace", workspace)],
        }
    }
}

impl Cluster {
    /// Starts one in a folder of its own within `folder`, which its user has to be let into.
    pub fn start(folder: &Path) -> Result<Self> {
        fs::set_permissions(folder, Permissions::from_mode(0o711))?;
        let folder = folder.join("pg");
        let mut command = Command::new(SCRIPT);
        command.arg("start").arg(&folder).arg("--durable").stderr(Stdio::inherit());
        let output = command.output()?;
        ensure!(output.status.success(), "Postgres does not start");
        Ok(Self { folder, url: String::from_utf8(output.stdout)?.trim().to_owned() })
    }

    fn url(&self, database: &str) -> String {
        self.url.replacen("/postgres?", &format!("/{database}?"), 1)
    }

    async fn run(&self, database: &str, sql: String) -> Result<()> {
        let options: PgConnectOptions = self.url(database).parse()?;
        let mut connection = options.connect().await?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// Makes a database; returns its URL.
    pub async fn database(&self, name: &str) -> Result<String> {
        self.run("postgres", format!("create database {name}")).await?;
        Ok(self.url(name))
    }

    /// Makes the stores that pgbench writes to, numbered from 0, as copies of one that is new;
    /// returns their workspace.
    pub async fn make_stores(&self, database: &str, like: &str, count: usize) -> Result<String> {
        let sql = format!(
            "insert into stores (id, workspace_id, name, description, metadata, created_at, \
             updated_at, memories, last_seq, last_at) select 'memstore_' || \
             lpad(n::text, 26, '0'), workspace_id, name, description, metadata, created_at, \
             updated_at, 0, 0, last_at from stores, generate_series(0, {count} - 1) as s (n) \
             where id = '{like}'"
        );
        self.run(database, sql).await?;
        let mut connection = self.url(database).parse::<PgConnectOptions>()?.connect().await?;
        let workspace = "select first_workspace_id from installation";
        Ok(sqlx::query_scalar(workspace).fetch_one(&mut connection).await?)
    }

    /// One round of pgbench, over as many connections as the server's clients have.
    pub fn pgbench(&self, database: &str, floor: &Floor, time: Duration) -> Result<Sample> {
        let folder = tempfile::tempdir_in(self.folder.parent().context("no folder")?)?;
        let (script, log) = (folder.path().join("script"), folder.path().join("log"));
        fs::write(&script, &floor.script)?;
        let mut command = self.command(database);
        for (name, value) in &floor.variables {
            command.args(["--define", &format!("{name}={value}")]);
        }
        command.arg("--file").arg(script).arg("--log-prefix").arg(log);
        command.args(["--time", &time.as_secs().max(1).to_string()]);
        let output = command.output()?;
        let failed = || String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "pgbench: {}", failed());
        sample(&String::from_utf8(output.stdout)?, folder.path())
    }

    fn command(&self, database: &str) -> Command {
        let mut command = Command::new(pgbench());
        command.args(["--no-vacuum", "--protocol=prepared", "--jobs=2"]);
        command.args(["--client", &CONNECTIONS.to_string()]);
        // Some of the times are enough for their spread, and cost less.
        command.args(["--log", "--sampling-rate=0.1"]);
        command.args(["--username=postgres", "--host"]).arg(&self.folder).arg(database);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut command = Command::new(SCRIPT);
        let _ = command.arg("stop").arg(&self.folder).arg("immediate").status();
    }
}

/// What pgbench printed and logged.
fn sample(printed: &str, folder: &Path) -> Result<Sample> {
    let rate = printed.lines().find_map(|line| line.strip_prefix("tps = "));
    let rate = rate.and_then(|rest| rest.split(' ').next()).context("pgbench printed no rate")?;
    let mut latencies = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        if file.file_name() != "script" {
            for line in fs::read_to_string(file.path())?.lines() {
                let micros = line.split(' ').nth(2).context("a log without times")?;
                latencies.push(Duration::from_micros(micros.parse()?));
            }
        }
    }
    Ok(Sample { rate: rate.parse()?, ..Sample::of(latencies, Duration::from_secs(1))? })
}

/// The program. Debian keeps those of the server off PATH, one folder a version, and on PATH a
/// script that looks for them.
fn pgbench() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let programs = versions.filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        let program = entry.path().join("bin/pgbench");
        program.exists().then_some((number, program))
    });
    programs.max().map_or_else(|| "pgbench".into(), |(_, program)| program)
}
