//! Moving an installation between databases: every answer of both servers is the same afterwards.

use std::collections::BTreeMap;

use memstored::db::{Kind, TABLES};
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::program::run;
use crate::support::server::{KEY, text};
use crate::support::{Database, Direct, Program, Server};

/// Everything that there can be: renames, deletions, redactions, an archived and a deleted store,
/// other workspaces, keys of all kinds, bytes that text columns don't take.
async fn fill(server: &Server) {
    let store = server.store().await;
    for number in 0..130 {
        server.memory(&store, &format!("/many/{number:03}"), &format!("{number}\u{0}é\r\n")).await;
    }
    let made = server.memory(&store, "/a/ü", "secret").await;
    let memory = format!("{store}/memories/{}", text(&made, "id"));
    server.post(&memory, json!({"content": "second", "path": "/b"})).await.ok();
    server.post(&memory, json!({"content": ""})).await.ok();
    let redact = format!("{store}/memory_versions/{}/redact", text(&made, "memory_version_id"));
    server.call("POST", &redact, None).await.ok();
    let gone = server.memory(&store, "/gone", "x").await;
    server.delete(&format!("{store}/memories/{}", text(&gone, "id"))).await.ok();
    let patch = json!({"description": "d'\"", "metadata": {"k": "v\n"}});
    server.post(&store, patch).await.ok();
    let archived = server.store().await;
    server.call("POST", &format!("{archived}/archive"), None).await.ok();
    let deleted = server.store().await;
    server.memory(&deleted, "/x", "y").await;
    server.delete(&deleted).await.ok();

    let workspace = server.post("/x/v1/workspaces", json!({"name": "two"})).await.ok();
    let body = json!({
        "name": "k", "workspace_id": text(&workspace, "id"), "as_user": "ada",
        "scopes": ["read", "write"], "expires_at": "2030-01-01T00:00:00Z",
    });
    let key = server.post("/x/v1/api_keys", body).await.ok();
    let of_two = Some(json!({"name": "of two"}));
    server.call_as(text(&key, "key"), "POST", "/v1/memory_stores", of_two).await.ok();
    let key = server.post("/x/v1/api_keys", json!({"name": "r"})).await.ok();
    let revoke = format!("/x/v1/api_keys/{}/revoke", text(&key, "id"));
    server.call("POST", &revoke, None).await.ok();
}

/// Every page of every list, and every single thing, by path.
async fn answers(server: &Server) -> BTreeMap<String, Value> {
    let mut answers = BTreeMap::new();
    for list in ["/x/v1/workspaces", "/x/v1/api_keys"] {
        walk(server, list, &mut answers).await;
    }
    for store in walk(server, "/v1/memory_stores?include_archived=true", &mut answers).await {
        let store = format!("/v1/memory_stores/{store}");
        answers.insert(store.clone(), server.get(&store).await.ok());
        for (list, view) in
            [("memories", "?view=full"), ("memories", "?depth=1"), ("memory_versions", "")]
        {
            for id in walk(server, &format!("{store}/{list}{view}"), &mut answers).await {
                let path = format!("{store}/{list}/{id}");
                answers.insert(path.clone(), server.get(&path).await.ok());
            }
        }
    }
    answers
}

/// Reads a list to its end; answers the IDs in it.
async fn walk(server: &Server, list: &str, answers: &mut BTreeMap<String, Value>) -> Vec<String> {
    let separator = if list.contains('?') { '&' } else { '?' };
    let mut ids = Vec::new();
    let mut page = String::new();
    loop {
        let path = format!("{list}{separator}limit=7&page={page}");
        let answer = server.get(&path).await.ok();
        let items = answer["data"].as_array().unwrap();
        ids.extend(items.iter().filter_map(|item| item["id"].as_str()).map(str::to_owned));
        let next = answer["next_page"].as_str().map(str::to_owned);
        answers.insert(path, answer);
        match next {
            Some(next) => page = next,
            None => return ids,
        }
    }
}

fn copy(from: &Database, to: &Database) -> (bool, String) {
    let folder = TempDir::new().unwrap();
    let output = run(folder.path(), &["copy", "--from", &from.url(), "--to", &to.url()]);
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[rstest]
#[case::to_postgres(Database::file(), Database::postgres())]
#[case::to_sqlite(Database::postgres(), Database::file())]
#[case::between_files(Database::file(), Database::file())]
#[tokio::test]
async fn a_copy_gives_the_same_answers(#[case] from: Database, #[case] to: Database) {
    let source = Server::on(&from).await;
    fill(&source).await;
    let before = answers(&source).await;
    let organization =
        source.get("/health").await.header("anthropic-organization-id").map(str::to_owned);
    source.app.close().await;

    let (copied, said) = copy(&from, &to);
    assert!(copied, "{said}");
    assert!(said.contains("and compared"), "{said}");

    let target = Server::on(&to).await;
    let after = answers(&target).await;
    assert!(before.len() > 150);
    for (path, answer) in &before {
        assert_eq!(after.get(path), Some(answer), "{path}");
    }
    assert_eq!(after.len(), before.len());
    let health = target.get("/health").await;
    assert_eq!(health.header("anthropic-organization-id"), organization.as_deref());
    to.direct().await.check_history().await;
    target.app.close().await;
    let folder = TempDir::new().unwrap();
    let arguments = ["--api-key", KEY, "--database-url", &to.url()];
    let on = Program::serve(folder.path(), &arguments);
    assert_eq!(on.call(KEY, "POST", "/v1/memory_stores", Some(&json!({"name": "n"}))).0, 200);
}

#[tokio::test]
async fn a_target_that_holds_anything_is_refused_and_left_alone() {
    let (from, to) = (Database::file(), Database::postgres());
    Server::on(&from).await.app.close().await;
    let target = Server::on(&to).await;
    let store = target.store().await;

    let (copied, said) = copy(&from, &to);

    assert!(!copied);
    assert!(said.contains("is not empty"), "{said}");
    target.get(&store).await.ok();
}

#[tokio::test]
async fn a_source_that_is_missing_or_empty_is_refused_and_not_made() {
    let to = Database::postgres();
    let (missing, empty) = (Database::file(), Database::postgres());

    for (from, reason) in [(missing, "no database"), (empty, "no installation")] {
        let (copied, said) = copy(&from, &to);
        assert!(!copied);
        assert!(said.contains(reason), "{said}");
        if let Database::File(folder) = &from {
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}

/// Table, column, type and place in the key of each column.
const SQLITE: &str = "select t.name || ' ' || c.name || ' ' || lower(c.type) || ' ' || c.pk from \
                      sqlite_master t join pragma_table_info(t.name) c where t.type = 'table' \
                      and t.name not like 'sqlite_%' and t.name <> '_sqlx_migrations'";
const POSTGRES: &str = "select c.table_name || ' ' || c.column_name || ' ' || \
                        replace(replace(c.data_type, 'bigint', 'integer'), 'bytea', 'blob') || \
                        ' ' || coalesce(k.ordinal_position, 0) from information_schema.columns c \
                        left join information_schema.table_constraints p on p.table_schema = \
                        c.table_schema and p.table_name = c.table_name and p.constraint_type = \
                        'PRIMARY KEY' left join information_schema.key_column_usage k on \
                        k.constraint_schema = p.constraint_schema and k.constraint_name = \
                        p.constraint_name and k.column_name = c.column_name where c.table_schema \
                        = current_schema() and c.table_name <> '_sqlx_migrations'";

/// A table or column that `copy` does not know would be lost.
#[tokio::test]
async fn every_table_and_column_is_known() {
    let mut known = Vec::new();
    for table in TABLES {
        for (number, (column, kind)) in table.columns.iter().enumerate() {
            let kind = match kind {
                Kind::Text => "text",
                Kind::Integer => "integer",
                Kind::Bytes => "blob",
            };
            let key = if number < table.key { number + 1 } else { 0 };
            known.push(format!("{} {column} {kind} {key}", table.name));
        }
    }
    known.sort();
    for (database, sql) in [(Database::file(), SQLITE), (Database::postgres(), POSTGRES)] {
        let server = Server::on(&database).await;
        let mut direct: Direct = database.direct().await;
        let mut found = direct.texts(sql).await;
        found.sort();
        assert_eq!(found, known);
        server.app.close().await;
    }
}
