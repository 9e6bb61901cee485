//! What the database itself refuses, whoever writes; and the schema's own history.

use std::time::{Duration, Instant};

use memstored::db::{Db, Durability, Fresh};
use memstored::domain::limits::Limits;
use serde_json::json;

use crate::support::server::{NOW, text};
use crate::support::{Database, Direct, Server};

pub async fn filled() -> (Database, Server, Direct, String) {
    let database = Database::fresh();
    let server = Server::on(&database).await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;
    let memory = format!("{store}/memories/{}", text(&made, "id"));
    server.post(&memory, json!({"content": "two"})).await.ok();
    let direct = database.direct().await;
    (database, server, direct, store)
}

#[tokio::test]
async fn a_version_can_be_redacted_once_and_changed_in_no_other_way() {
    let (_folder, _server, mut direct, _) = filled().await;

    for sql in [
        "update versions set content = sha256",
        "update versions set path = '/b'",
        "update versions set created_at = created_at + 1",
        "update versions set created_by = 'apikey_1'",
        "update versions set redacted_at = 1, redacted_by = 'apikey_1'",
        "update versions set redacted_at = 1, redacted_by = 'apikey_1', path = null, content = null, \
         size = null, sha256 = null, memory_id = 'mem_1'",
    ] {
        let message = direct.refusal(sql).await;
        assert_eq!(message, "a version is immutable: it can only be redacted, once", "{sql}");
    }
    let redaction = "update versions set redacted_at = 1, redacted_by = 'apikey_1', path = null, \
                     content = null, size = null, sha256 = null";
    direct.run(redaction).await;
    direct.refusal(redaction).await;
}

#[tokio::test]
async fn history_is_deleted_only_with_its_store() {
    let (_folder, _server, mut direct, _) = filled().await;

    assert_eq!(
        direct.refusal("delete from versions").await,
        "a version is kept until its store is deleted"
    );
    for sql in ["delete from journal", "update journal set actor = 'apikey_1'"] {
        assert_eq!(direct.refusal(sql).await, "the journal is append-only");
    }
    assert_eq!(direct.refusal("delete from stores").await, "a deleted store keeps its row");
}

#[tokio::test]
async fn a_deleted_store_is_erased_and_its_journal_stays() {
    let (_folder, server, mut direct, store) = filled().await;
    server.delete(&store).await.ok();

    while direct.count("select count(*) from stores where erased_at is not null").await == 0 {
        tokio::task::yield_now().await;
    }

    for sql in ["select count(*) from versions", "select count(*) from memories"] {
        assert_eq!(direct.count(sql).await, 0);
    }
    assert_eq!(direct.count("select count(*) from stores where name = ''").await, 1);
    let kinds =
        direct.texts("select kind from journal where ledger like 'memstore%' order by seq").await;
    assert_eq!(kinds, ["store_created", "version_written", "version_written", "store_deleted"]);
    direct.refusal("update stores set deleted_at = null").await;
}

/// As an older version could make it, within half a second.
#[tokio::test]
async fn what_was_made_in_a_workspace_after_its_deletion_is_erased_too() {
    let database = Database::fresh();
    let server = Server::on(&database).await;
    let workspace = server.post("/x/v1/workspaces", json!({"name": "w"})).await.ok();
    let workspace = text(&workspace, "id");
    let key = json!({"name": "k", "workspace_id": workspace});
    let key = text(&server.post("/x/v1/api_keys", key).await.ok(), "key").to_owned();
    let make = async |path: &str, body| server.call_as(&key, "POST", path, Some(body)).await.ok();
    let agent = make("/v1/agents", json!({"name": "a", "model": "m"})).await;
    let environment = make("/v1/environments", json!({"name": "e"})).await;
    let session = json!({"agent": agent["id"], "environment_id": environment["id"]});
    make("/v1/sessions", session).await;
    server.app.close().await;
    let mut direct = database.direct().await;
    direct.run(&format!("update workspaces set deleted_at = {NOW} where id = '{workspace}'")).await;

    let _server = Server::on(&database).await;

    let begun = Instant::now();
    while direct.count("select count(*) from agents").await > 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "they are never erased");
        tokio::task::yield_now().await;
    }
    assert_eq!(direct.count("select count(*) from sessions").await, 0);
    let left = "select count(*) from environments where deleted_at is null";
    assert_eq!(direct.count(left).await, 0);
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

    let of_store = async |direct: &mut Direct, column: &str| {
        let sql =
            format!("select {column} from journal where ledger like 'memstore%' order by seq");
        direct.texts(&sql).await
    };

    assert_eq!(
        of_store(&mut direct, "seq || ' ' || kind").await,
        [
            "1 store_created",
            "2 version_written",
            "3 version_written",
            "4 version_redacted",
            "5 store_updated",
            "6 store_archived",
        ]
    );
    let times = of_store(&mut direct, "cast(at as text)").await;
    assert!(times.is_sorted_by(|one, two| one < two), "time increases: {times:?}");
    let key = text(&first["created_by"], "api_key_id");
    for column in ["actor", "credential"] {
        assert!(of_store(&mut direct, column).await.iter().all(|id| id == key));
    }
    let requests = of_store(&mut direct, "request").await;
    assert!(requests.iter().all(|request| request.starts_with("req_")));
}

#[tokio::test]
async fn keys_and_workspaces_have_their_journal() {
    let (_folder, server, mut direct, _) = filled().await;
    let key = server.post("/x/v1/api_keys", json!({"name": "k"})).await.ok();
    let revoke = format!("/x/v1/api_keys/{}/revoke", text(&key, "id"));
    server.call("POST", &revoke, None).await.ok();
    server.call("POST", &revoke, None).await.ok();

    let sql = "select seq || ' ' || kind from journal where ledger like 'wrkspc%' order by seq";

    assert_eq!(
        direct.texts(sql).await,
        ["1 workspace_created", "2 key_created", "3 key_created", "4 key_revoked"]
    );
}

#[tokio::test]
async fn a_database_of_a_newer_memstored_is_refused() {
    let (database, server, mut direct, _) = filled().await;
    server.app.close().await;
    direct
        .run(
            "insert into _sqlx_migrations (version, description, success, checksum, \
             execution_time) select 9999, 'later', success, checksum, 0 from _sqlx_migrations \
             where version = 1",
        )
        .await;

    let location = database.location();
    let opened = Db::open(
        &location,
        Durability::Full,
        Limits::default(),
        Fresh {
            organization: String::new(),
            workspace: memstored::domain::id::WorkspaceId::new("1"),
            request: memstored::domain::id::RequestId::new("1"),
            at: memstored::domain::time::Timestamp::from_micros(0),
        },
    );

    let refusal = opened.await.err().unwrap().to_string();
    assert!(refusal.contains("schema 9999") && refusal.contains("newer"), "{refusal}");
}
