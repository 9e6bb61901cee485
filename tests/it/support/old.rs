//! A database as the first schema made it, with something in it: what an upgrade begins with.

use std::fmt::Write;
use std::path::Path;

use sha2::{Digest, Sha384};

use super::Direct;

const FIRST: [&str; 2] = [
    include_str!("../../../migrations/sqlite/0001_init.sql"),
    include_str!("../../../migrations/postgres/0001_init.sql"),
];
const SQLITE_TABLE: &str = "create table _sqlx_migrations (version bigint primary key, description \
    text not null, installed_on timestamp not null default current_timestamp, success boolean not \
    null, checksum blob not null, execution_time bigint not null)";
const POSTGRES_TABLE: &str = "create table _sqlx_migrations (version bigint primary key, \
    description text not null, installed_on timestamptz not null default now(), success boolean \
    not null, checksum bytea not null, execution_time bigint not null)";

/// Everything that the first schema's rows hang on, and one memory.
const ROWS: [&str; 6] = [
    "insert into workspaces values ('wrkspc_1', 'default', 1, null, 1, 1)",
    "insert into installation values (1, '00000000-0000-4000-8000-000000000000', 'wrkspc_1', 1)",
    "insert into journal values ('wrkspc_1', 1, 1, 'workspace_created', 'wrkspc_1', null, null, \
     'req_1', null)",
    "insert into stores values ('memstore_1', 'wrkspc_1', 'n', '', '{}', 1, 2, null, null, null, \
     1, 2, 2)",
    "insert into journal values ('memstore_1', 1, 1, 'store_created', 'memstore_1', 'apikey_1', \
     'apikey_1', 'req_2', null), ('memstore_1', 2, 2, 'version_written', 'memver_1', 'apikey_1', \
     'apikey_1', 'req_3', null)",
    "insert into versions values ('memver_1', 'memstore_1', 'mem_1', 'created', '/kept', CONTENT, \
     1, HASH, 2, 'apikey_1', null, null)",
];
const HEAD: &str = "insert into memories values ('mem_1', 'memstore_1', '/kept', 'memver_1', 1, \
                    HASH, 2, 2)";

/// Makes it.
pub async fn fill(direct: &mut Direct) {
    let sqlite = matches!(direct, Direct::Sqlite(_));
    let bytes = |hex: &str| {
        if sqlite { format!("x'{hex}'") } else { format!("'\\x{hex}'::bytea") }
    };
    let schema = FIRST[usize::from(!sqlite)];
    direct.run(schema).await;
    direct.run(if sqlite { SQLITE_TABLE } else { POSTGRES_TABLE }).await;
    let sum = bytes(&hex(&Sha384::digest(schema)));
    let applied = format!(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values (1, 'init', true, {sum}, 0)"
    );
    direct.run(&applied).await;
    let (content, hash) = (bytes("78"), bytes(&hex(&sha2::Sha256::digest("x"))));
    for row in ROWS.into_iter().chain([HEAD]) {
        direct.run(&row.replace("CONTENT", &content).replace("HASH", &hash)).await;
    }
}

/// What was there is there, once.
pub async fn check(direct: &mut Direct) {
    direct.check_history().await;
    for (count, sql) in [
        (migrations(), "select count(*) from _sqlx_migrations where success"),
        (1, "select count(*) from installation"),
        (1, "select count(*) from workspaces"),
        (1, "select count(*) from memories where path = '/kept' and head_version_id = 'memver_1'"),
        (0, "select count(*) from sessions"),
    ] {
        assert_eq!(direct.count(sql).await, count, "{sql}");
    }
}

/// How many there are for each database.
fn migrations() -> i64 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    folder.read_dir().unwrap().count().try_into().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in bytes {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}
