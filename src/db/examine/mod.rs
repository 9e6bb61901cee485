//! Looking a database over without changing it: what is the same on both here and in `data`, what
//! is a file's in `file`, what is a server's in `server`, and whether the schema is whole in `objects`.

mod data;
mod file;
mod objects;
mod server;
mod written;

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::dialect::{Dialect, Verdict};
use super::location::{Location, Purpose};
use super::shared::Shared;
use super::sql::Sql;
use super::verdict;
use crate::domain::Result;
use crate::domain::limits::Limits;
use crate::domain::time::Timestamp;

const TRIPS: usize = 10;
/// A look at Postgres that takes longer, or waits longer for someone's lock, is skipped.
const BOUNDS: [&str; 2] = ["set statement_timeout = '5min'", "set lock_timeout = '5s'"];

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

/// Looks at everything, and reports what it finds as it comes; `now` is this machine's clock.
pub async fn examine(
    location: &Location,
    now: fn() -> Timestamp,
    report: &mut (dyn FnMut(Finding) + Send),
) {
    let before = file::State::of(location);
    let opened = async {
        let shared = Shared::open(location, Purpose::Read, Limits::default())?;
        let held = shared.opened(location).await?;
        Ok((shared, held))
    };
    let opened: Result<_> = opened.await;
    let (shared, mut held) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let text = error.to_string();
            return report(Finding { what: "database", grade: Grade::Fail, text });
        }
    };
    let mut exam = Exam { connection: &mut held, location, now, report };
    exam.database().await;
    if exam.schema().await {
        exam.clock().await;
        exam.objects().await;
        exam.history().await;
        exam.contents().await;
        exam.erasures().await;
        exam.writes().await;
    }
    match exam.connection.dialect() {
        Dialect::Sqlite => exam.file(&before).await,
        Dialect::Postgres => exam.server().await,
    }
    drop(held);
    shared.close().await;
}

struct Exam<'a> {
    connection: &'a mut Connection,
    location: &'a Location,
    now: fn() -> Timestamp,
    report: &'a mut (dyn FnMut(Finding) + Send),
}

impl Exam<'_> {
    fn find(&mut self, what: &'static str, grade: Grade, text: impl Into<String>) {
        (self.report)(Finding { what, grade, text: text.into() });
    }

    /// Notes an error of the database as a failure, unless it only says that others were in the
    /// way.
    fn fail(&mut self, what: &'static str, error: &sqlx::Error) {
        let text = verdict::words(error);
        tracing::debug!(%error, what, "a look at the database failed");
        match verdict::judge(error) {
            Verdict::Busy => self.find(what, Grade::Warn, format!("skipped: {text}")),
            _ => self.find(what, Grade::Fail, text),
        }
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
            if self.connection.dialect() == Dialect::Postgres {
                for bound in BOUNDS {
                    self.connection.execute(Sql::new(bound)).await?;
                }
            }
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
