//! Every statement that stands in src/db is taken by both databases. Statements are read from the
//! source: each text that begins as one, whole, or completed by the little that its function adds.

use std::fs;
use std::path::Path;

use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};

use super::schema::migrated;
use crate::support::{Database, Direct};

const BEGINNINGS: [&str; 5] = ["select ", "insert ", "update ", "delete ", "lock "];

/// What only one database is sent.
const ON_SQLITE_ONLY: &[&str] = &["sqlite_"];
const ON_POSTGRES_ONLY: &[&str] = &["pg_", "lock table", "clock_timestamp", "current_setting"];

/// Ends of what a function completes, and with what.
const COMPLETED: &[(&str, &str)] = &[
    ("(store_id, path) in (", "values ($1, $2))"),
    ("events where session_id = ", "$1"),
    (" set ", "id = id"),
    (" set title = ", "$1"),
    (" in (", "$1)"),
    (" from ", "stores"),
    (" where ", "1 = 1"),
    (" and ", "1 = 1"),
    ("workspace_id = ", "$1"),
    ("ledger = ", "$1"),
    ("redacted_at = ", "$1"),
    ("last_seq = ", "$1"),
    ("(version_id) values (", "$1)"),
];

/// String literals of a source file, with `concat!` and the macros of columns written out.
struct Literals<'a> {
    rest: &'a str,
    columns: &'a [(String, String)],
    found: Vec<String>,
}

impl Literals<'_> {
    fn collect(mut self) -> Vec<String> {
        while let Some(at) = self.next() {
            if let Some(text) = self.text(at) {
                self.found.push(text);
            }
        }
        self.found
    }

    /// The next place where a text may begin.
    fn next(&mut self) -> Option<usize> {
        self.rest.find(['"', '\'', '/', 'c'])
    }

    /// The text that begins there; what begins there is behind us then.
    fn text(&mut self, at: usize) -> Option<String> {
        self.rest = &self.rest[at..];
        if self.rest.starts_with("//") {
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
            return None;
        }
        if self.rest.starts_with("'\"'") {
            self.skip(3);
            return None;
        }
        if self.rest.starts_with('"') {
            return Some(self.literal());
        }
        if self.rest.starts_with("concat!(") {
            self.skip("concat!(".len());
            return Some(self.concatenated());
        }
        self.skip(1);
        None
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn literal(&mut self) -> String {
        let end = 1 + self.rest[1..].find('"').unwrap();
        let text = self.rest[1..end].to_owned();
        self.skip(end + 1);
        unwrapped(&text)
    }

    fn concatenated(&mut self) -> String {
        let mut whole = String::new();
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\n', ',']);
            if self.rest.starts_with('"') {
                whole.push_str(&self.literal());
                continue;
            }
            let Some((name, _)) = self.rest.split_once("!(").filter(|(name, _)| {
                name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
            }) else {
                return whole;
            };
            let (_, columns) = self.columns.iter().find(|(of, _)| of == name).expect(name);
            whole.push_str(columns);
            self.skip(name.len() + 2);
            if self.rest.starts_with('"') {
                whole.push_str(&self.literal());
            }
            self.skip(1);
        }
    }
}

/// A literal that is broken with backslashes, in one line.
fn unwrapped(text: &str) -> String {
    let mut lines = text.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |whole, line| whole + line.trim_start())
}

/// The names of the macros of columns, with what they stand for before their argument.
fn columns(rows: &str) -> Vec<(String, String)> {
    rows.split("macro_rules! ")
        .skip(1)
        .map(|rule| {
            let (name, body) = rule.split_once(" {").unwrap();
            (name.to_owned(), unwrapped(body.split('"').nth(1).unwrap()))
        })
        .collect()
}

/// All files below, but for what is special to one database.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = paths
        .filter(|path| !path.ends_with("dialect"))
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    below.collect()
}

/// All statements of src/db, whole. What is special to one database stands in `dialect`, apart.
fn statements() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/db");
    let columns = columns(&fs::read_to_string(folder.join("rows.rs")).unwrap());
    let mut statements = Vec::new();
    for file in files(&folder) {
        let source = fs::read_to_string(&file).unwrap();
        let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
        let literals = Literals { rest: source, columns: &columns, found: Vec::new() }.collect();
        let begun = literals.into_iter().filter(|text| {
            // Not what `format!` fills: the parts of it that are SQL stand elsewhere.
            let is_filled = text.replace("'{}'", "").contains('{');
            BEGINNINGS.iter().any(|beginning| text.starts_with(beginning)) && !is_filled
        });
        statements.extend(begun.map(completed));
    }
    statements
}

fn completed(mut text: String) -> String {
    if let Some((_, end)) = COMPLETED.iter().find(|(open, _)| text.ends_with(open)) {
        text.push_str(end);
    } else if text.starts_with("insert ") && text.ends_with(") ") {
        let count = text.matches(',').count() + 1;
        let values: Vec<_> = (1..=count).map(|number| format!("${number}")).collect();
        text = format!("{text}values ({})", values.join(", "));
    }
    text
}

async fn refusal(direct: &mut Direct, sql: &str) -> Option<String> {
    let prepared = match direct {
        Direct::Sqlite(connection) => {
            connection.prepare(sql).map(drop).map_err(|error| error.to_string())
        }
        Direct::Postgres(connection) => {
            let prepared = connection.prepare(AssertSqlSafe(sql.to_owned()).into_sql_str()).await;
            prepared.map(drop).map_err(|error| error.to_string())
        }
    };
    prepared.err()
}

#[tokio::test]
async fn every_statement_is_taken_by_both_databases() {
    let (file, postgres) = (Database::file(), Database::postgres());
    let mut on_sqlite = migrated(&file).await;
    let mut on_postgres = migrated(&postgres).await;
    let statements = statements();
    let only = |of: &[&str], sql: &str| of.iter().any(|word| sql.contains(word));
    let mut refused = Vec::new();

    for sql in &statements {
        if !only(ON_POSTGRES_ONLY, sql) {
            refused.extend(refusal(&mut on_sqlite, sql).await.map(|error| (sql, error)));
        }
        if !only(ON_SQLITE_ONLY, sql) {
            refused.extend(refusal(&mut on_postgres, sql).await.map(|error| (sql, error)));
        }
    }

    assert!(refused.is_empty(), "{refused:#?}");
    assert!(statements.len() > 85, "only {} were found: {statements:#?}", statements.len());
}
