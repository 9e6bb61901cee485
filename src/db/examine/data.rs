//! Looks at what the schema holds. Each but that at contents is one statement that goes through whole
//! tables once, so it sees one state and takes seconds for a million versions.

use std::time::Instant;

use super::super::dialect::{Dialect, sqlite};
use super::super::pages::Pages;
use super::super::sql::Sql;
use super::super::tables::TABLES;
use super::super::{intact, migrate};
use super::{Exam, Grade, milliseconds};
use crate::domain::Error;

/// Clocks that differ by less are good enough.
const SKEW_MICROS: i64 = 1_000_000;

/// How many are named of what is wrong.
pub(super) const SHOWN: usize = 3;

const ROW: &str = "insert into pending_erasures (version_id) values ('doctor')";

/// Ledgers whose journal has not exactly the entries from 1 to the last, and journals of none.
const JOURNALS: &str = "\
    select count(*) from (select id, last_seq from stores union all select id, last_seq from \
    workspaces) l full join (select ledger, count(*) as entries, min(seq) as first, max(seq) as \
    last from journal group by ledger) j on j.ledger = l.id where l.id is null or j.ledger is \
    null or j.first <> 1 or j.entries <> l.last_seq or j.last <> l.last_seq";
/// Sessions whose events are not exactly those from 1 to the last.
const EVENTS: &str = "\
    select count(*) from sessions s left join (select session_id, count(*) as events, max(seq) as \
    last from events group by session_id) e on e.session_id = s.id where s.deleted_at is null and \
    (coalesce(e.events, 0) <> s.last_seq or coalesce(e.last, 0) <> s.last_seq)";
/// Memories that are not as their last version says.
const HEADS: &str = "\
    select count(*) from memories m left join versions v on v.id = m.head_version_id where v.id \
    is null or v.memory_id <> m.id or v.store_id <> m.store_id or v.content is null or v.path is \
    null or v.path <> m.path or v.size <> m.size or v.sha256 <> m.sha256";
/// Versions without their entry.
const UNWRITTEN: &str = "\
    select count(*) from (select store_id, created_at, id from versions except select ledger, at, \
    subject from journal where kind = 'version_written') as odd";
/// Entries without their version. A deleted store keeps its entries only.
const LOST: &str = "\
    select count(*) from (select j.ledger, j.at, j.subject from journal j join stores s on s.id = \
    j.ledger and s.deleted_at is null where j.kind = 'version_written' except select store_id, \
    created_at, id from versions) as odd";
const VERSIONS: &str = "select count(*) from versions";

impl Exam<'_> {
    /// Whether there is a schema that the rest can look at.
    pub(super) async fn schema(&mut self) -> bool {
        let schema = match migrate::schema(self.connection, self.location).await {
            Ok(schema) => schema,
            Err(error) => {
                self.no_schema(error).await;
                return false;
            }
        };
        let (applied, latest) = (schema.applied, schema.latest);
        if schema.missing.is_empty() {
            match migrate::installation(self.connection).await {
                Ok(Some(_)) => self.find("schema", Grade::Ok, format!("{applied}, up to date")),
                Ok(None) => {
                    let text = format!("{applied}, up to date; no installation yet");
                    self.find("schema", Grade::Ok, text);
                }
                Err(error) => self.fail("schema", &error),
            }
            return true;
        }
        let text = match applied {
            0 => "none: start a server on it, or run `memstored migrate`".to_owned(),
            _ => format!("{applied}, older than {latest}: run `memstored migrate`"),
        };
        self.find("schema", Grade::Fail, text);
        false
    }

    /// Notes why the schema can't be told. A database that is busy still answers otherwise.
    async fn no_schema(&mut self, error: Error) {
        let busy = matches!(error, Error::Unavailable { retry: true, .. })
            && self.number("select cast(1 as bigint)").await.is_ok();
        let text = match error {
            Error::Internal(source) => source.to_string(),
            other => other.to_string(),
        };
        if busy {
            let text = format!("skipped, with all looks at data: {text}");
            return self.find("schema", Grade::Warn, text);
        }
        self.find("schema", Grade::Fail, text);
    }

    /// Postgres' clock beside this machine's, and the last change beside both.
    pub(super) async fn clock(&mut self) {
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

    /// Whole journals and sessions, versions and their entries, and heads that are there.
    pub(super) async fn history(&mut self) {
        let looked = async {
            let journals = self.number(JOURNALS).await? + self.number(EVENTS).await?;
            let heads = self.number(HEADS).await?;
            let versions = self.number(UNWRITTEN).await? + self.number(LOST).await?;
            Ok((journals, versions, heads, self.number(VERSIONS).await?))
        };
        let looked: sqlx::Result<_> = looked.await;
        match looked {
            Ok((0, 0, 0, versions)) => {
                let text = format!("{versions} versions, no gap in a journal");
                self.find("history", Grade::Ok, text);
            }
            Ok((journals, versions, heads, _)) => {
                let text = format!(
                    "{journals} journals with gaps or without their end, {versions} versions and \
                     entries that don't match, {heads} memories that are not as their version says"
                );
                self.find("history", Grade::Fail, text);
            }
            Err(error) => self.fail("history", &error),
        }
    }

    /// Contents of all versions beside their sizes and hashes.
    pub(super) async fn contents(&mut self) {
        let Some(table) = TABLES.iter().find(|table| table.name == "versions") else { return };
        let (mut altered, mut shown) = (0_usize, Vec::new());
        let mut pages = Pages::of(table);
        let looked = async {
            while let Some(rows) = pages.next(self.connection).await? {
                for version in intact::altered(table, &rows) {
                    altered += 1;
                    if shown.len() < SHOWN {
                        shown.push(version.to_owned());
                    }
                }
            }
            Ok(pages.finish().rows)
        };
        let looked: sqlx::Result<_> = looked.await;
        match looked {
            Ok(versions) if altered == 0 => {
                let text = format!("{versions} versions looked at, all fit their sizes and hashes");
                self.find("contents", Grade::Ok, text);
            }
            Ok(versions) => {
                let text = format!(
                    "{altered} of {versions} versions don't fit their sizes and hashes, such as {}",
                    shown.join(", ")
                );
                self.find("contents", Grade::Fail, text);
            }
            Err(error) => self.fail("contents", &error),
        }
    }

    pub(super) async fn erasures(&mut self) {
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
    pub(super) async fn writes(&mut self) {
        let begun = Instant::now();
        let tried = match self.connection.dialect() {
            Dialect::Sqlite => sqlite::try_write(self.location, ROW),
            Dialect::Postgres => {
                let tried = async {
                    self.connection.begin().await?;
                    self.connection.execute(Sql::new(ROW)).await.map(drop)
                };
                let tried = tried.await;
                self.connection.roll_back().await;
                tried
            }
        };
        match tried {
            Ok(()) => {
                let text = format!(
                    "a row is written, and taken back, in {}",
                    milliseconds(begun.elapsed())
                );
                self.find("writes", Grade::Ok, text);
            }
            Err(error) => self.fail("writes", &error),
        }
    }
}
