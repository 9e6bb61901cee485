//! Fills a store straight through SQL, with rows as the server would have written them: versions,
//! the memories they are the heads of, the journal, and the store's own counts.

use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::Connection as File;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// Who wrote the last versions, where a session is said to have.
pub const SESSION: &str = "sesn_00000000000000000000000001";

/// What a store is filled with. It was made by the server, and nothing was done to it since.
pub struct Fill {
    pub store: String,
    pub memories: usize,
    /// The first of each memory; the rest, a multiple of `changed`, falls on the first memories
    /// in turn. A multiple of `changed` itself.
    pub versions: usize,
    /// The memories that have more than one version, where there are more versions than memories.
    pub changed: usize,
    /// How many of the last versions [`SESSION`] wrote.
    pub by_session: usize,
    /// Of every version; without quotes.
    pub content: String,
}

/// How the databases differ.
struct Dialect {
    numbers: fn(usize) -> String,
    padded: fn(&str) -> String,
    bytes: fn(&str) -> String,
}

const POSTGRES: Dialect = Dialect {
    numbers: |count| format!("select n from generate_series(0, {count} - 1) as s (n)"),
    padded: |number| format!("lpad(({number})::text, 26, '0')"),
    bytes: |hex| format!("decode('{hex}', 'hex')"),
};
const SQLITE: Dialect = Dialect {
    numbers: |count| {
        format!(
            "with recursive s (n) as (select 0 union all select n + 1 from s where n + 1 < {count}) \
             select n from s"
        )
    },
    padded: |number| format!("printf('%026d', {number})"),
    bytes: |hex| format!("x'{hex}'"),
};

impl Fill {
    /// The IDs of the memories.
    pub fn ids(&self) -> Vec<String> {
        (0..self.memories).map(|number| format!("mem_{number:026}")).collect()
    }

    fn script(&self, dialect: &Dialect) -> [String; 4] {
        let Self { store, memories, versions, changed, by_session, content } = self;
        let (numbers, padded) = (dialect.numbers, dialect.padded);
        let numbers = numbers(*versions);
        let bytes = |bytes: &[u8]| (dialect.bytes)(&hex(bytes));
        let (bytes, sha256) = (bytes(content.as_bytes()), bytes(&Sha256::digest(content)));
        // As whoever made the store.
        let maker = |column: &str| {
            format!("(select {column} from journal where ledger = stores.id and seq = last_seq)")
        };
        let (actor, credential) = (maker("actor"), maker("credential"));
        let actor =
            format!("case when n >= {versions} - {by_session} then '{SESSION}' else {actor} end");
        let size = content.len();
        let memory = format!("case when n < {memories} then n else n % {changed} end");
        let memory_id = padded(&memory);
        // The last version of memory n.
        let head = padded(&format!(
            "case when n < {changed} and {versions} > {memories} \
             then {versions} - {changed} + n else n end"
        ));
        let version_id = padded("n");
        let path = format!("'/filled/' || substr({memory_id}, 17) || '.md'");
        let of = format!("from ({numbers}) as numbers, stores where id = '{store}'");
        [
            format!(
                "insert into versions (id, store_id, memory_id, operation, path, content, size, \
                 sha256, created_at, created_by) select 'memver_' || {version_id}, id, \
                 'mem_' || {memory_id}, case when n < {memories} then 'created' else 'modified' \
                 end, {path}, {bytes}, {size}, {sha256}, created_at + 1 + n, \
                 {actor} {of}"
            ),
            format!(
                "insert into memories (id, store_id, path, head_version_id, size, sha256, \
                 created_at, updated_at) select 'mem_' || {version_id}, id, {path}, \
                 'memver_' || {head}, {size}, {sha256}, created_at + 1 + n, \
                 (select v.created_at from versions v where v.id = 'memver_' || {head}) \
                 {of} and n < {memories}"
            ),
            format!(
                "insert into journal (ledger, seq, at, kind, subject, actor, credential, request) \
                 select id, last_seq + 1 + n, created_at + 1 + n, 'version_written', \
                 'memver_' || {version_id}, {actor}, {credential}, 'req_' || {version_id} {of}"
            ),
            format!(
                "update stores set memories = {memories}, last_seq = last_seq + {versions}, \
                 last_at = created_at + {versions} where id = '{store}'"
            ),
        ]
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// Fills a store, and has the database look at what it now holds, as its own autovacuum would.
pub async fn postgres(url: &str, fill: &Fill) -> Result<()> {
    let mut connection = url.parse::<PgConnectOptions>()?.connect().await?;
    // What refers to the store needs no check a row: it is there.
    let before = ["set session_replication_role = replica", "set maintenance_work_mem = '512MB'"];
    let script = fill.script(&POSTGRES);
    let after = ["vacuum analyze", "checkpoint"].map(str::to_owned);
    for sql in before.map(str::to_owned).into_iter().chain(script).chain(after) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    }
    Ok(connection.close().await?)
}

/// Fills a store of a file that no server has open.
pub fn sqlite(database: &Path, fill: &Fill) -> Result<()> {
    let connection = File::open(database)?;
    connection.execute_batch(
        "pragma journal_mode = memory; pragma synchronous = off; pragma cache_size = -500000;",
    )?;
    for sql in fill.script(&SQLITE) {
        connection.execute(&sql, []).context(sql)?;
    }
    Ok(connection.execute_batch("pragma journal_mode = wal")?)
}
