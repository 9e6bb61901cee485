//! What a server may do in its Postgres, and what it says when it may not.

use std::fs;
use std::process::Output;

use rstest::rstest;
use serde_json::json;
use tempfile::TempDir;

use super::cluster::Cluster;
use super::{one_of_many, until};
use crate::support::server::{Setup, text};
use crate::support::{Database, program};

fn serve(url: &str) -> Output {
    let folder = TempDir::new().unwrap();
    program::run(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--database-url", url])
}

/// What a start that failed says.
fn refusal(url: &str) -> String {
    let output = serve(url);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty(), "{:?}", output.stdout);
    said
}

#[rstest]
#[case::nobody_there("postgres://ann:secret@127.0.0.1:1/notes", "refused")]
#[case::no_such_host("postgres://ann:secret@host.invalid/notes", "can't open")]
fn a_start_without_a_postgres_says_so(#[case] url: &str, #[case] reason: &str) {
    let said = refusal(url);

    assert!(said.contains("can't open postgres://ann@") && said.contains(reason), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn a_start_that_postgres_refuses_says_why_and_never_the_password() {
    let cluster = Cluster::start();
    let url = |user: &str, database: &str| {
        let (_, query) = cluster.url.split_once('?').unwrap();
        format!("postgres://{user}:secret-word@localhost/{database}?{query}")
    };
    crate::support::database::run(
        &cluster.url,
        &["create role ann login password 'other'", "create role bob", "create role nobody login"],
    );
    let rules = cluster.data().join("pg_hba.conf");
    fs::write(rules, "local all ann scram-sha-256\nlocal all all trust\n").unwrap();
    cluster.crash();
    cluster.start_again();

    for (url, reason) in [
        (url("ann", "postgres"), "password authentication failed for user \"ann\""),
        (url("bob", "postgres"), "role \"bob\" is not permitted to log in"),
        (url("eve", "postgres"), "role \"eve\" does not exist"),
        (url("postgres", "notes"), "database \"notes\" does not exist"),
        (
            url("nobody", "postgres"),
            "permission denied for schema public: the owner of its schema has to run \
             `memstored migrate`",
        ),
    ] {
        let said = refusal(&url);
        assert!(said.contains(reason), "{said}");
        assert!(!said.contains("secret-word") && !said.contains("at line"), "{said}");
    }
    let folder = TempDir::new().unwrap();
    program::run(folder.path(), &["migrate", "--database-url", &cluster.url]);
    let said = refusal(&url("nobody", "postgres"));
    assert!(said.contains("permission denied for table _sqlx_migrations: the owner"), "{said}");
}

#[tokio::test]
async fn a_server_whose_user_may_change_rows_only_runs_on_a_schema_that_is_up_to_date() {
    let cluster = Cluster::start();
    let owned = Database::Postgres(cluster.url.clone());
    one_of_many(&owned, Setup::default()).await.app.close().await;
    crate::support::database::run(
        &cluster.url,
        &[
            "create role server login",
            "grant select, insert, update, delete on all tables in schema public to server",
        ],
    );
    let limited = Database::Postgres(cluster.url.replace("postgres@", "server@"));
    limited.direct().await.refusal("create table more (id text)").await;

    let server = one_of_many(&limited, Setup::default()).await;

    let workspace = server.post("/x/v1/workspaces", json!({"name": "w"})).await.ok();
    let body = json!({"name": "k", "workspace_id": workspace["id"]});
    let key = server.post("/x/v1/api_keys", body).await.ok();
    let revoke = format!("/x/v1/api_keys/{}/revoke", text(&key, "id"));
    server.call("POST", &revoke, None).await.ok();
    server.delete(&format!("/x/v1/workspaces/{}", text(&workspace, "id"))).await.ok();
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;
    let memory = format!("{store}/memories/{}", text(&made, "id"));
    server.post(&memory, json!({"content": "two"})).await.ok();
    let version = text(&made, "memory_version_id");
    server.call("POST", &format!("{store}/memory_versions/{version}/redact"), None).await.ok();
    server.delete(&memory).await.ok();
    server.delete(&store).await.ok();
    let mut direct = owned.direct().await;
    until(&mut direct, "select count(*) from stores where erased_at is not null", 1).await;
    direct.check_history().await;
}
