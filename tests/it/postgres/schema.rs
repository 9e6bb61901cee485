//! The schema on Postgres: the same tables as on SQLite, byte order, history that stays.

use std::collections::BTreeMap;
use std::fs;

use memstored::db::{Durability, Fresh};
use memstored::domain::id::{RequestId, WorkspaceId};
use memstored::domain::limits::Limits;
use memstored::domain::time::Timestamp;

use crate::support::{Database, Direct, Server};

/// Makes the schema in an empty database.
pub async fn migrated(database: &Database) -> Direct {
    let fresh = Fresh {
        organization: String::new(),
        workspace: WorkspaceId::new("1"),
        request: RequestId::new("1"),
        at: Timestamp::from_micros(0),
    };
    let (location, limits) = (database.location(), Limits::default());
    let opened = memstored::db::Db::open(&location, Durability::Relaxed, limits, fresh).await;
    opened.unwrap().close().await;
    database.direct().await
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |database: &str| {
        let folder = format!("{}/migrations/{database}", env!("CARGO_MANIFEST_DIR"));
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };

    assert_eq!(names("postgres"), names("sqlite"));
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let (file, postgres) = (Database::file(), Database::postgres());

    let on_sqlite = migrated(&file)
        .await
        .texts(
            "select t.name || ' ' || c.name || ' ' || replace(replace(lower(c.type), 'integer', \
             'bigint'), 'blob', 'bytea') || case when c.\"notnull\" or c.pk then ' not null' else \
             '' end from sqlite_master t, pragma_table_info(t.name) c where t.type = 'table' and \
             t.name not like '%sqlx%' and t.name not like 'sqlite%' order by t.name, c.cid",
        )
        .await;
    let on_postgres = migrated(&postgres)
        .await
        .texts(
            "select table_name || ' ' || column_name || ' ' || data_type || case is_nullable when \
             'NO' then ' not null' else '' end from information_schema.columns where table_schema \
             = current_schema() and table_name not like '%sqlx%' order by table_name collate \"C\", \
             ordinal_position",
        )
        .await;

    assert!(on_sqlite.len() > 50 && on_sqlite.contains(&"versions content bytea".to_owned()));
    assert_eq!(on_postgres, on_sqlite);
}

#[tokio::test]
async fn both_databases_have_the_same_indexes() {
    let (file, postgres) = (Database::file(), Database::postgres());

    let on_sqlite = migrated(&file)
        .await
        .texts("select name from sqlite_master where type = 'index' and sql <> '' order by name")
        .await;
    let on_postgres = migrated(&postgres)
        .await
        .texts(
            "select indexname from pg_indexes where schemaname = current_schema() and indexname \
             not like '%_pkey' and indexname not like '%_key' order by indexname collate \"C\"",
        )
        .await;

    assert!(on_sqlite.len() > 5);
    assert_eq!(on_postgres, on_sqlite);
}

#[tokio::test]
async fn what_is_looked_up_and_ordered_is_in_byte_order() {
    let database = Database::postgres();

    let others = migrated(&database)
        .await
        .texts(
            "select distinct cast(column_name as text) from information_schema.columns where \
             table_schema = current_schema() and table_name not like '%sqlx%' and data_type = \
             'text' and collation_name is distinct from 'C' order by 1",
        )
        .await;

    // Only what is never compared but for equality.
    assert_eq!(
        others,
        [
            "access",
            "body",
            "budget",
            "description",
            "execution_identity",
            "hint",
            "instructions",
            "kind",
            "mcp_servers",
            "metadata",
            "model",
            "mount_path",
            "multiagent",
            "name",
            "networking",
            "operation",
            "organization_id",
            "origin",
            "outcomes",
            "packages",
            "place",
            "reason",
            "scopes",
            "skills",
            "state",
            "status",
            "system",
            "title",
            "tools",
            "unanswered",
            "usage",
        ]
    );
}

#[tokio::test]
async fn history_can_be_neither_changed_nor_removed() {
    let database = Database::postgres();
    let server = Server::on(&database).await;
    let store = server.store().await;
    server.memory(&store, "/a", "x").await;
    let mut direct = database.direct().await;
    let refused = BTreeMap::from([
        (
            "a version is immutable: it can only be redacted, once",
            &[
                "update versions set path = '/b'",
                "insert into versions select * from versions on conflict (id) do update set path = '/b'",
            ][..],
        ),
        (
            "a version is kept until its store is deleted",
            &[
                "delete from versions",
                "truncate versions",
                "with gone as (delete from memories) delete from versions",
            ],
        ),
        (
            "the journal is append-only",
            &[
                "update journal set actor = null",
                "delete from journal",
                "truncate journal",
                "insert into journal select * from journal on conflict (ledger, seq) do update set \
             kind = 'forged'",
            ],
        ),
        ("a deleted store keeps its row", &["delete from stores", "truncate stores cascade"]),
    ]);

    for (message, statements) in refused {
        for sql in statements {
            assert_eq!(direct.refusal(sql).await, message, "{sql}");
        }
    }
    server.delete(&store).await.ok();
    for sql in ["update stores set deleted_at = null", "update stores set deleted_at = 1"] {
        assert_eq!(direct.refusal(sql).await, "a deleted store stays deleted");
    }
}

/// Enough rows that Postgres would read all of a table rather than use a wrong index.
const ROWS: &str = "\
    insert into stores select 's' || n, (select id from workspaces limit 1), '', '', '{}', n, n, \
      null, null, null, 0, 0, 0 from generate_series(1, 2000) n; \
    insert into versions select 'v' || n, 's' || n % 2 + 1, 'm' || n / 2 % 20, (array['created', \
      'modified'])[n / 2 % 2 + 1], '/' || n, 'x', 1, 'x', n, 'a' || n / 2 % 5 from \
      generate_series(1, 20000) n; \
    insert into memories select 'm' || n, 's' || n % 2 + 1, '/' || n, 'v' || n, 1, 'x', n, n \
      from generate_series(1, 10000) n; \
    analyze stores; analyze versions; analyze memories";

/// What the session side lists and looks for, and by which index.
const OF_SESSIONS: [(&str, &str); 12] = [
    (
        "agents where workspace_id = 'w1' order by created_at desc, id desc limit 21",
        "agents_by_time",
    ),
    (
        "environments where deleted_at is null and workspace_id = 'w1' order by created_at desc, \
         id desc limit 21",
        "environments_by_time",
    ),
    (
        "sessions where deleted_at is null and workspace_id = 'w1' order by created_at desc, id \
         desc limit 21",
        "sessions_by_time",
    ),
    (
        "sessions where deleted_at is null and workspace_id = 'w1' and status = 'idle' order by \
         created_at desc, id desc limit 21",
        "sessions_by_status",
    ),
    ("sessions where deleted_at is not null order by deleted_at limit 1", "sessions_to_erase"),
    ("session_stores where store_id = 's1'", "session_stores_by_store"),
    ("events where session_id = 's1' and seq > 5 order by seq limit 100", "events_pkey"),
    ("events where session_id = 's1' order by at, id limit 101", "events_by_time"),
    ("events where session_id = 's1' and answers in ('e1', 'e2')", "events_by_answer"),
    (
        "work where environment_id = 'e1' and state <> 'stopped' and state <> 'stopping' order by \
         created_at, id limit 1",
        "work_to_do",
    ),
    ("session_tokens where work_id = 'w1'", "session_tokens_by_work"),
    ("api_keys where environment_id = 'e1'", "api_keys_by_environment"),
];

#[tokio::test]
async fn listings_use_their_indexes() {
    let database = Database::postgres();
    let mut direct = migrated(&database).await;
    direct.run(ROWS).await;
    let newest = "order by created_at desc, id desc limit 21";
    let plans = [
        (
            "memories where store_id = 's1' and path >= '/' and path < '0' order by path limit 21"
                .to_owned(),
            "memories_store_id_path_key",
        ),
        (
            format!("versions where store_id = 's1' and (created_at, id) < (15000, 'x') {newest}"),
            "versions_by_time",
        ),
        (
            format!("versions where store_id = 's1' and memory_id = 'm5' {newest}"),
            "versions_by_memory",
        ),
        (
            format!("versions where store_id = 's1' and created_by = 'a1' {newest}"),
            "versions_by_actor",
        ),
        (
            format!("versions where store_id = 's1' and operation = 'modified' {newest}"),
            "versions_by_operation",
        ),
        (
            format!(
                "stores where deleted_at is null and workspace_id = (select id from workspaces) \
                 {newest}"
            ),
            "stores_by_time",
        ),
        (
            "stores where deleted_at is not null and erased_at is null order by deleted_at limit 1"
                .to_owned(),
            "stores_to_erase",
        ),
    ];

    let plans = plans.into_iter().chain(OF_SESSIONS.map(|(of, index)| (of.to_owned(), index)));

    // As the server's own connections have it.
    direct
        .run(
            "set enable_seqscan = off; set enable_bitmapscan = off; \
             set plan_cache_mode = force_generic_plan",
        )
        .await;
    for (of, index) in plans {
        let plan = direct.texts(&format!("explain (costs off) select * from {of}")).await;
        let plan = plan.join("\n");
        assert!(plan.contains(&format!("using {index} on")), "{of}: {plan}");
        assert!(!plan.contains("Sort"), "{of}: {plan}");
    }
}
