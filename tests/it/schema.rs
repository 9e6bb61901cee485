//! What the database itself refuses, whoever writes; and the schema's own history.

use memstored::db::{Durability, Location};
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tempfile::TempDir;

use crate::support::Server;
use crate::support::server::{Setup, text};

async fn filled() -> (TempDir, Server, SqliteConnection, String) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("db");
    let location = Location::File(file.clone());
    let server = Server::with(Setup { location, ..Setup::default() }).await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;
    let memory = format!("{store}/memories/{}", text(&made, "id"));
    server.post(&memory, json!({"content": "two"})).await.ok();
    let direct = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    (folder, server, direct, store)
}

async fn refusal(connection: &mut SqliteConnection, sql: &'static str) -> String {
    let error = sqlx::query(sql).execute(connection).await.expect_err(sql);
    error.as_database_error().unwrap().message().to_owned()
}

#[tokio::test]
async fn a_version_can_be_redacted_once_and_changed_in_no_other_way() {
    let (_folder, _server, mut direct, _) = filled().await;

    for sql in [
        "update versions set content = x'00'",
        "update versions set path = '/b'",
        "update versions set created_at = created_at + 1",
        "update versions set created_by = 'apikey_1'",
        "update versions set redacted_at = 1, redacted_by = 'apikey_1'",
        "update versions set redacted_at = 1, redacted_by = 'apikey_1', path = null, content = null, \
         size = null, sha256 = null, memory_id = 'mem_1'",
    ] {
        let message = refusal(&mut direct, sql).await;
        assert_eq!(message, "a version is immutable: it can only be redacted, once", "{sql}");
    }
    let redaction = "update versions set redacted_at = 1, redacted_by = 'apikey_1', path = null, \
                     content = null, size = null, sha256 = null";
    sqlx::query(redaction).execute(&mut direct).await.unwrap();
    refusal(&mut direct, redaction).await;
}

#[tokio::test]
async fn history_is_deleted_only_with_its_store() {
    let (_folder, _server, mut direct, _) = filled().await;

    assert_eq!(
        refusal(&mut direct, "delete from versions").await,
        "a version is kept until its store is deleted"
    );
    for sql in ["delete from journal", "update journal set actor = 'apikey_1'"] {
        assert_eq!(refusal(&mut direct, sql).await, "the journal is append-only");
    }
    assert_eq!(refusal(&mut direct, "delete from stores").await, "a deleted store keeps its row");
}

#[tokio::test]
async fn history_is_not_replaced_either() {
    let (_folder, _server, mut direct, _) = filled().await;

    for (sql, refused) in [
        (
            "insert or replace into versions select id, store_id, memory_id, operation, '/forged', \
             content, size, sha256, created_at, created_by, null, null from versions limit 1",
            "a version is immutable: it can only be redacted, once",
        ),
        (
            "insert or replace into journal select ledger, seq, at, kind, 'forged', actor, \
             credential, request, reason from journal limit 1",
            "the journal is append-only",
        ),
        ("insert or replace into stores select * from stores limit 1", "a store is not replaced"),
    ] {
        assert_eq!(refusal(&mut direct, sql).await, refused);
    }
}

#[tokio::test]
async fn a_deleted_store_is_erased_and_its_journal_stays() {
    let (_folder, server, mut direct, store) = filled().await;
    server.delete(&store).await.ok();
    let count = async |direct: &mut SqliteConnection, sql: &'static str| -> i64 {
        sqlx::query_scalar(sql).fetch_one(direct).await.unwrap()
    };

    while count(&mut direct, "select count(*) from stores where erased_at is not null").await == 0 {
        tokio::task::yield_now().await;
    }

    for sql in ["select count(*) from versions", "select count(*) from memories"] {
        assert_eq!(count(&mut direct, sql).await, 0);
    }
    assert_eq!(count(&mut direct, "select count(*) from stores where name = ''").await, 1);
    let kinds: Vec<String> =
        sqlx::query_scalar("select kind from journal where ledger like 'memstore%' order by seq")
            .fetch_all(&mut direct)
            .await
            .unwrap();
    assert_eq!(kinds, ["store_created", "version_written", "version_written", "store_deleted"]);
    sqlx::query("update stores set deleted_at = null").execute(&mut direct).await.unwrap_err();
}

#[tokio::test]
async fn every_change_is_one_gapless_entry_with_its_actor_and_credential() {
    let (_folder, server, mut direct, store) = filled().await;
    let first = server.versions(&store).await[1].clone();
    let redact = format!("{store}/memory_versions/{}/redact", text(&first, "id"));
    server.call("POST", &redact, None).await.ok();
    server.post(&store, json!({"description": "d"})).await.ok();
    server.post(&store, json!({"description": "d"})).await.ok();
    server
        .post(&format!("{store}/memories"), json!({"path": "/a", "content": ""}))
        .await
        .refused(409);
    server.call("POST", &format!("{store}/archive"), None).await.ok();
    server.call("POST", &format!("{store}/archive"), None).await.ok();

    let entries: Vec<(i64, i64, String, String, String, String)> = sqlx::query_as(
        "select seq, at, kind, actor, credential, request from journal \
         where ledger like 'memstore%' order by seq",
    )
    .fetch_all(&mut direct)
    .await
    .unwrap();

    let kinds: Vec<_> = entries.iter().map(|entry| (entry.0, entry.2.as_str())).collect();
    assert_eq!(
        kinds,
        [
            (1, "store_created"),
            (2, "version_written"),
            (3, "version_written"),
            (4, "version_redacted"),
            (5, "store_updated"),
            (6, "store_archived"),
        ]
    );
    assert!(entries.is_sorted_by(|one, two| one.1 < two.1), "time increases");
    let key = text(&first["created_by"], "api_key_id");
    assert!(entries.iter().all(|entry| entry.3 == key && entry.4 == key));
    assert!(entries.iter().all(|entry| entry.5.starts_with("req_")));
}

#[tokio::test]
async fn keys_and_workspaces_have_their_journal() {
    let (_folder, server, mut direct, _) = filled().await;
    let key = server.post("/x/v1/api_keys", json!({"name": "k"})).await.ok();
    let revoke = format!("/x/v1/api_keys/{}/revoke", text(&key, "id"));
    server.call("POST", &revoke, None).await.ok();
    server.call("POST", &revoke, None).await.ok();

    let entries: Vec<(i64, String)> =
        sqlx::query_as("select seq, kind from journal where ledger like 'wrkspc%' order by seq")
            .fetch_all(&mut direct)
            .await
            .unwrap();

    let kinds: Vec<_> = entries.iter().map(|(seq, kind)| (*seq, kind.as_str())).collect();
    assert_eq!(
        kinds,
        [(1, "workspace_created"), (2, "key_created"), (3, "key_created"), (4, "key_revoked")]
    );
}

#[tokio::test]
async fn a_database_of_a_newer_memstored_is_refused() {
    let (folder, server, mut direct, _) = filled().await;
    server.app.close().await;
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, \
                 execution_time) values (9999, 'later', 1, x'00', 0)";
    sqlx::query(newer).execute(&mut direct).await.unwrap();

    let location = Location::File(folder.path().join("db"));
    let opened = memstored::db::Db::open(
        &location,
        Durability::Full,
        memstored::domain::limits::Limits::default(),
        memstored::db::Fresh {
            organization: String::new(),
            workspace: memstored::domain::id::WorkspaceId::new("1"),
            request: memstored::domain::id::RequestId::new("1"),
            at: memstored::domain::time::Timestamp::from_micros(0),
        },
    );

    let refusal = opened.await.err().unwrap().to_string();
    assert!(refusal.contains("schema 9999") && refusal.contains("newer"), "{refusal}");
}

#[tokio::test]
async fn listings_use_their_indexes() {
    let (_folder, _server, mut direct, _) = filled().await;
    let plans = [
        "select id from memories where store_id = 's' and path >= '/' and path < '0' order by path",
        "select id from versions where store_id = 's' and (created_at, id) < (5, 'x') \
         order by created_at desc, id desc",
        "select id from versions where store_id = 's' and memory_id = 'm' \
         order by created_at desc, id desc",
        "select id from versions where store_id = 's' and created_by = 'a' \
         order by created_at desc, id desc",
        "select id from versions where store_id = 's' and operation = 'deleted' \
         order by created_at desc, id desc",
        "select id from stores where workspace_id = 'w' order by created_at desc, id desc",
    ];

    for sql in plans {
        let explained = sqlx::AssertSqlSafe(format!("explain query plan {sql}"));
        let steps: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(explained).fetch_all(&mut direct).await.unwrap();
        let plan: Vec<_> = steps.into_iter().map(|step| step.3).collect();
        assert!(plan.iter().all(|step| step.starts_with("SEARCH")), "{sql}: {plan:?}");
    }
}
