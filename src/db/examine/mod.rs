//! Looking a database over without changing it.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::dialect::Dialect;
use super::location::{Location, Purpose};
use super::migrate;
use super::shared::Shared;
use super::sql::Sql;
use crate::domain::limits::Limits;
use crate::domain::time::Timestamp;
use crate::domain::{Error, Result};

const TRIPS: usize = 10;
/// Clocks that differ by less are good enough.
const SKEW_MICROS: i64 = 1_000_000;
const FREE_BYTES: u64 = 1 << 30;

/// What was looked at, and what was found.
#[derive(Clone, Debug)]
pub struct Finding {
    pub what: &'static str,
    pub grade: Grade,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    Ok,
    /// It works, and deserves a look.
    Warn,
    Fail,
}

impl Grade {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// Looks at everything; `now` is this machine's clock.
pub async fn examine(location: &Location, now: fn() -> Timestamp) -> Vec<Finding> {
    let opened = async {
        let shared = Shared::open(location, Purpose::Upkeep, Limits::default()).await?;
        let held = shared.opened(location).await?;
        Ok((shared, held))
    };
    let opened: Result<_> = opened.await;
    let (shared, mut held) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            return vec![Finding { what: "database", grade: Grade::Fail, text: error.to_string() }];
        }
    };
    let mut exam = Exam { connection: &mut held, location, now, findings: Vec::new() };
    exam.database().await;
    if exam.schema().await {
        exam.clock().await;
        exam.history().await;
        exam.erasures().await;
        exam.writes().await;
    }
    match exam.connection.dialect() {
        Dialect::Sqlite => exam.file().await,
        Dialect::Postgres => exam.server().await,
    }
    let findings = exam.findings;
    drop(held);
    shared.close().await;
    findings
}

struct Exam<'a> {
    connection: &'a mut Connection,
    location: &'a Location,
    now: fn() -> Timestamp,
    findings: Vec<Finding>,
}

impl Exam<'_> {
    fn find(&mut self, what: &'static str, grade: Grade, text: impl Into<String>) {
        self.findings.push(Finding { what, grade, text: text.into() });
    }

    /// Notes an error of the database as a failure.
    fn fail(&mut self, what: &'static str, error: &sqlx::Error) {
        let text = match error {
            sqlx::Error::Database(error) => error.message().to_owned(),
            other => other.to_string(),
        };
        tracing::debug!(%error, what, "a look at the database failed");
        self.find(what, Grade::Fail, text);
    }

    async fn number(&mut self, sql: &'static str) -> sqlx::Result<i64> {
        self.connection.fetch_one(Sql::new(sql)).await?.get(0)
    }

    async fn text(&mut self, sql: &'static str) -> sqlx::Result<String> {
        self.connection.fetch_one(Sql::new(sql)).await?.get(0)
    }

    /// That it answers, how fast, and which one it is.
    async fn database(&mut self) {
        let version = match self.connection.dialect() {
            Dialect::Sqlite => "select 'SQLite ' || sqlite_version()",
            Dialect::Postgres => "select 'Postgres ' || current_setting('server_version')",
        };
        let mut trips = Vec::with_capacity(TRIPS);
        let looked = async {
            for _ in 0..TRIPS {
                let begun = Instant::now();
                self.connection.fetch_one(Sql::new("select 1")).await?;
                trips.push(begun.elapsed());
            }
            self.text(version).await
        };
        match looked.await {
            Ok(version) => {
                trips.sort_unstable();
                let median = milliseconds(trips[TRIPS / 2]);
                let text = format!("{}: {version}, a round trip takes {median}", self.location);
                self.find("database", Grade::Ok, text);
            }
            Err(error) => self.fail("database", &error),
        }
    }

    /// Whether there is a schema that the rest can look at.
    async fn schema(&mut self) -> bool {
        let schema = match migrate::schema(self.connection).await {
            Ok(schema) => schema,
            Err(error) => {
                let text = match error {
                    Error::Internal(source) => source.to_string(),
                    other => other.to_string(),
                };
                self.find("schema", Grade::Fail, text);
                return false;
            }
        };
        let (applied, latest) = (schema.applied, schema.latest);
        if schema.missing.is_empty() {
            self.find("schema", Grade::Ok, format!("{applied}, up to date"));
            return true;
        }
        let text = match applied {
            0 => "none: start a server on it, or run `memstored migrate`".to_owned(),
            _ => format!("{applied}, older than {latest}: run `memstored migrate`"),
        };
        self.find("schema", Grade::Fail, text);
        false
    }

    /// Postgres' clock beside this machine's, and the last change beside both.
    async fn clock(&mut self) {
        const LAST: &str = "select coalesce(max(last_at), 0) from stores";
        const SERVER: &str =
            "select cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)";
        let mut apart = 0;
        if self.connection.dialect() == Dialect::Postgres {
            let before = (self.now)().micros();
            match self.number(SERVER).await {
                Ok(server) => apart = server - i64::midpoint(before, (self.now)().micros()),
                Err(error) => return self.fail("clock", &error),
            }
        }
        match self.number(LAST).await {
            Ok(last) if last - (self.now)().micros() > SKEW_MICROS => {
                let ahead = (last - (self.now)().micros()) / 1_000_000;
                let text = format!(
                    "the last change is dated {ahead} s ahead of this machine's clock; later ones \
                     are dated right after it until that time has come"
                );
                self.find("clock", Grade::Warn, text);
            }
            Ok(_) if apart.abs() > SKEW_MICROS => {
                let text = format!("Postgres' clock is {} ms off this machine's", apart / 1000);
                self.find("clock", Grade::Warn, text);
            }
            Ok(_) => self.find("clock", Grade::Ok, "no change is dated ahead of it"),
            Err(error) => self.fail("clock", &error),
        }
    }

    /// Journals without gaps, and heads that are there.
    async fn history(&mut self) {
        const GAPS: &str = "select count(*) from (select ledger from journal group by ledger \
                            having count(*) <> max(seq) or min(seq) <> 1) as broken";
        const HEADS: &str = "select count(*) from memories m where not exists (select 1 from \
                             versions v where v.id = m.head_version_id and v.memory_id = m.id)";
        const VERSIONS: &str = "select count(*) from versions";
        let looked = async {
            let (gaps, heads) = (self.number(GAPS).await?, self.number(HEADS).await?);
            Ok((gaps, heads, self.number(VERSIONS).await?))
        };
        let looked: sqlx::Result<_> = looked.await;
        match looked {
            Ok((0, 0, versions)) => {
                self.find(
                    "history",
                    Grade::Ok,
                    format!("{versions} versions, no gap in a journal"),
                );
            }
            Ok((gaps, heads, _)) => {
                let text = format!("{gaps} journals with gaps, {heads} memories without a version");
                self.find("history", Grade::Fail, text);
            }
            Err(error) => self.fail("history", &error),
        }
    }

    async fn erasures(&mut self) {
        if !self.connection.dialect().erases() {
            return;
        }
        match self.number("select count(*) from pending_erasures").await {
            Ok(0) => self.find("redactions", Grade::Ok, "all erased from the disk"),
            Ok(count) => {
                let text =
                    format!("{count} not erased from the disk yet: a running server does it");
                self.find("redactions", Grade::Warn, text);
            }
            Err(error) => self.fail("redactions", &error),
        }
    }

    /// Writes a row and takes it back.
    async fn writes(&mut self) {
        let begun = Instant::now();
        let tried = async {
            self.connection.begin().await?;
            let insert = "insert into pending_erasures (version_id) values ('doctor')";
            self.connection.execute(Sql::new(insert)).await
        };
        let tried = tried.await;
        self.connection.roll_back().await;
        match tried {
            Ok(_) => {
                let text = format!(
                    "a row is written, and taken back, in {}",
                    milliseconds(begun.elapsed())
                );
                self.find("writes", Grade::Ok, text);
            }
            Err(error) => self.fail("writes", &error),
        }
    }

    /// Integrity, mode and room of a SQLite file.
    async fn file(&mut self) {
        match self.text("pragma quick_check(1)").await {
            Ok(ok) if ok == "ok" => self.find("integrity", Grade::Ok, "quick_check finds nothing"),
            Ok(found) => self.find("integrity", Grade::Fail, found),
            Err(error) => self.fail("integrity", &error),
        }
        let Some(path) = self.location.file() else { return };
        match disk(path) {
            Ok((size, free, open)) => {
                let text = format!("{} of data, {} free", bytes(size), bytes(free));
                let tight = free < FREE_BYTES.max(2 * size);
                let advice = if tight { ", less than a rewrite of the file may take" } else { "" };
                let grade = if tight { Grade::Warn } else { Grade::Ok };
                self.find("disk", grade, text + advice);
                if open {
                    let text = "others may read the file: set its mode to 0600";
                    self.find("mode", Grade::Warn, text);
                }
            }
            Err(error) => self.find("disk", Grade::Fail, error.to_string()),
        }
    }

    /// What a Postgres server has to be told to keep what it acknowledges.
    async fn server(&mut self) {
        const OFF: &str = "select coalesce(string_agg(name, ', ' order by name), '') from \
                           pg_settings where name in ('fsync', 'full_page_writes') and \
                           setting = 'off'";
        const STANDBY: &str =
            "select count(*) from (select 1 where pg_is_in_recovery()) as standby";
        const SIZE: &str = "select pg_database_size(current_database())";
        const FREE: &str = "select cast(current_setting('max_connections') as bigint) - \
                            (select count(*) from pg_stat_activity where backend_type = \
                            'client backend')";
        let looked = async {
            let (off, standby) = (self.text(OFF).await?, self.number(STANDBY).await?);
            Ok((off, standby, self.number(SIZE).await?, self.number(FREE).await?))
        };
        let looked: sqlx::Result<_> = looked.await;
        let (off, standby, size, free) = match looked {
            Ok(looked) => looked,
            Err(error) => return self.fail("server", &error),
        };
        if standby > 0 {
            self.find("server", Grade::Fail, "a standby, which takes no writes");
        }
        match off.as_str() {
            "" => self.find("durability", Grade::Ok, "fsync and full_page_writes are on"),
            off => {
                let text = format!("off: {off}; an operating system that fails loses writes");
                self.find("durability", Grade::Warn, text);
            }
        }
        let text =
            format!("{} of data; what is free is the server's to tell", bytes(size.unsigned_abs()));
        self.find("disk", Grade::Ok, text);
        let grade = if free < 5 { Grade::Warn } else { Grade::Ok };
        self.find("connections", grade, format!("{free} free"));
    }
}

/// Size of the file, free bytes around it, and whether others may read it.
fn disk(path: &std::path::Path) -> std::io::Result<(u64, u64, bool)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path)?;
    let room = rustix::fs::statvfs(path)?;
    Ok((metadata.len(), room.f_bavail * room.f_frsize, metadata.mode() & 0o077 != 0))
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let shifts = (1..=UNITS.len()).rev().find(|power| count >> (10 * power) > 0);
    match shifts {
        Some(power) => format!("{} {}", count >> (10 * power), UNITS[power - 1]),
        None => format!("{count} bytes"),
    }
}
