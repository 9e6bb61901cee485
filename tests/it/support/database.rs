//! The database that a test gets: its own, empty, of the kind that the run is about.
//!
//! A run is about SQLite unless `MEMSTORED_TEST_ON` says `postgres`. Postgres is the server that
//! `TEST_POSTGRES_URL` names (scripts/test starts one); each test gets a schema of its own there, in
//! a database whose collation is not that of bytes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use memstored::db::Location;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection};
use tempfile::TempDir;

/// Where this run's schemas are.
const DATABASE: &str = "memstored_test";

pub fn is_postgres() -> bool {
    match variable("MEMSTORED_TEST_ON").as_deref() {
        Some("postgres") => true,
        None | Some("sqlite") => false,
        Some(other) => panic!("MEMSTORED_TEST_ON is sqlite or postgres, not {other}"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a run is about is said to the tests themselves"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A database that outlives the servers on it.
pub enum Database {
    File(TempDir),
    Postgres(String),
}

impl Database {
    /// A new one, of the kind that the run is about.
    pub fn fresh() -> Self {
        if is_postgres() { Self::postgres() } else { Self::file() }
    }

    pub fn file() -> Self {
        Self::File(TempDir::new().unwrap())
    }

    pub fn postgres() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::Postgres(schema(&format!("test_{}_{number}", std::process::id())))
    }

    pub fn url(&self) -> String {
        match self {
            Self::File(folder) => format!("sqlite:{}", folder.path().join("db").display()),
            Self::Postgres(url) => url.clone(),
        }
    }

    /// Names and bytes of all that is in a file's folder. The index of a log is written by whoever
    /// reads; only its name counts.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let Self::File(folder) = self else { panic!("a schema has no files") };
        let entries = std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
        let file = |entry: std::fs::DirEntry| {
            let name = entry.file_name().into_string().unwrap();
            let index = name.ends_with("-shm");
            let bytes = if index { Vec::new() } else { std::fs::read(entry.path()).unwrap() };
            (name, bytes)
        };
        entries.map(file).collect()
    }

    pub fn location(&self) -> Location {
        self.url().parse().unwrap()
    }

    /// A connection of the test's own, beside the server.
    pub async fn direct(&self) -> Direct {
        match self {
            Self::File(folder) => Direct::file(&folder.path().join("db")),
            Self::Postgres(url) => Direct::Postgres(connect(url).await),
        }
    }
}

/// The URL of the database of a program that runs in `folder`: of the kind that the run is about.
pub fn of_folder(folder: &Path) -> Option<String> {
    let name = folder.file_name().unwrap().to_str().unwrap();
    is_postgres()
        .then(|| schema(&format!("folder_{}", name.replace(['.', '-'], "_").to_lowercase())))
}

/// The URL of a schema, which is made where it is missing.
fn schema(name: &str) -> String {
    static READY: OnceLock<String> = OnceLock::new();
    let url = READY.get_or_init(prepare);
    run(url, &[&format!("create schema if not exists \"{name}\"")]);
    with_options(url, &format!("-csearch_path={name}"))
}

pub fn with_options(url: &str, options: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}options={}", options.replace('=', "%3D"))
}

/// The server that the run may use.
pub fn server() -> String {
    variable("TEST_POSTGRES_URL").expect(
        "TEST_POSTGRES_URL names a Postgres whose user may create databases: scripts/test starts \
         one, and so does `scripts/postgres start FOLDER`",
    )
}

/// Makes the database, and drops what earlier runs have left.
fn prepare() -> String {
    let server = server();
    // Several test processes may start at once.
    let made = try_run(
        &server,
        &format!(
            "create database {DATABASE} template template0 encoding 'UTF8' locale_provider icu \
         icu_locale 'en' locale 'C'"
        ),
    );
    if let Err(error) = made {
        let exists = error
            .as_database_error()
            .is_some_and(|error| matches!(error.code().as_deref(), Some("42P04" | "23505")));
        assert!(exists, "{error}");
    }
    let (before, query) = server.split_once('?').unwrap_or((&server, ""));
    let (before, _) = before.rsplit_once('/').unwrap();
    format!("{before}/{DATABASE}?{query}")
}

async fn connect(url: &str) -> PgConnection {
    url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
}

fn try_run(url: &str, sql: &str) -> sqlx::Result<()> {
    let (url, sql) = (url.to_owned(), sql.to_owned());
    let run = async move {
        let mut connection = url.parse::<PgConnectOptions>()?.connect().await?;
        connection.execute(AssertSqlSafe(sql)).await.map(drop)
    };
    // A test may be within a runtime or not.
    std::thread::spawn(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run)
    })
    .join()
    .unwrap()
}

/// Runs statements on a connection of their own.
pub fn run(url: &str, statements: &[&str]) {
    for sql in statements {
        try_run(url, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// A connection of the test's own, beside the server.
pub enum Direct {
    Sqlite(rusqlite::Connection),
    Postgres(PgConnection),
}

impl Direct {
    pub fn file(path: &Path) -> Self {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        Self::Sqlite(connection)
    }

    pub async fn run(&mut self, sql: &str) {
        self.attempt(sql).await.unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
    }

    /// The database's own words against a statement.
    pub async fn refusal(&mut self, sql: &str) -> String {
        self.attempt(sql).await.expect_err(sql)
    }

    /// Runs statements; fails in the database's own words.
    pub async fn attempt(&mut self, sql: &str) -> Result<(), String> {
        match self {
            Self::Sqlite(connection) => {
                connection.execute_batch(sql).map_err(|error| match error {
                    rusqlite::Error::SqliteFailure(_, Some(words)) => words,
                    other => other.to_string(),
                })
            }
            Self::Postgres(connection) => {
                let done = connection.execute(AssertSqlSafe(sql.to_owned())).await;
                done.map(drop).map_err(|error| match error {
                    sqlx::Error::Database(error) => error.message().to_owned(),
                    other => other.to_string(),
                })
            }
        }
    }

    pub async fn count(&mut self, sql: &str) -> i64 {
        match self {
            Self::Sqlite(connection) => connection.query_row(sql, [], |row| row.get(0)).unwrap(),
            Self::Postgres(connection) => {
                let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
                query.fetch_one(connection).await.unwrap()
            }
        }
    }

    /// The first column, which is text.
    pub async fn texts(&mut self, sql: &str) -> Vec<String> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare(sql).unwrap();
                let texts = statement.query_map([], |row| row.get(0)).unwrap();
                texts.collect::<Result<_, _>>().unwrap()
            }
            Self::Postgres(connection) => {
                let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
                query.fetch_all(connection).await.unwrap()
            }
        }
    }
}

/// What must hold in every database, whatever happened to its servers.
const HISTORY: [(&str, &str); 5] = [
    (
        "a memory without its head",
        "select count(*) from memories m where not exists (select 1 from versions v where v.id = \
         m.head_version_id and v.path = m.path and v.sha256 = m.sha256)",
    ),
    (
        "a version without its entry",
        "select count(*) from versions v where not exists (select 1 from journal j where \
         j.subject = v.id and j.kind = 'version_written' and j.at = v.created_at)",
    ),
    (
        "an entry without its version",
        "select count(*) from journal j where j.kind = 'version_written' and not exists (select 1 \
         from versions v where v.id = j.subject) and not exists (select 1 from stores s where \
         s.id = j.ledger and s.deleted_at is not null)",
    ),
    (
        "a gap",
        "select count(*) from journal j where j.seq > 1 and not exists (select 1 from journal p \
         where p.ledger = j.ledger and p.seq = j.seq - 1 and p.at < j.at)",
    ),
    (
        "a wrong count",
        "select count(*) from stores s where s.deleted_at is null and (s.memories <> (select \
         count(*) from memories m where m.store_id = s.id) or s.last_seq <> (select max(seq) from \
         journal j where j.ledger = s.id))",
    ),
];

impl Direct {
    /// Every memory has its head, every version its entry, and sequence and time grow together.
    pub async fn check_history(&mut self) {
        for (what, sql) in HISTORY {
            assert_eq!(self.count(sql).await, 0, "{what}");
        }
        if let Self::Sqlite(_) = self {
            assert_eq!(self.texts("pragma integrity_check").await, ["ok"]);
        }
    }
}
