use serde_json::{Value, json};

use crate::support::Server;
use crate::support::server::{KEY, NOW, Setup, column, text};

const JOURNAL: &str = "/x/v1/journal";

fn id(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

fn numbers(page: &Value) -> Vec<i64> {
    let entries = page["data"].as_array().unwrap();
    entries.iter().map(|entry| entry["seq"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn an_entry_says_who_changed_what_when_and_by_which_request() {
    let server = Server::start().await;
    let store = server.store().await;

    let mut page = server.get(&format!("{JOURNAL}?store_id={}", id(&store))).await.ok();
    page.sort_all_objects();

    insta::assert_snapshot!(format!("{page:#}"), @r#"
    {
      "data": [
        {
          "created_at": "2026-11-22T10:00:00.000000Z",
          "created_by": {
            "api_key_id": "apikey_AGWVCVZABP1Q8NTQRNVMZZFD38",
            "type": "api_actor"
          },
          "credential_id": "apikey_AGWVCVZABP1Q8NTQRNVMZZFD38",
          "kind": "store_created",
          "ledger": "memstore_01M81B5H800000000000000006",
          "reason": null,
          "request_id": "req_01M81B5H800000000000000005",
          "seq": 1,
          "subject": "memstore_01M81B5H800000000000000006",
          "type": "journal_entry"
        }
      ],
      "next_page": null
    }
    "#);
}

#[tokio::test]
async fn what_was_done_at_the_machine_itself_has_neither_an_actor_nor_a_credential() {
    let server = Server::start().await;

    let page = server.get(JOURNAL).await.ok();

    assert_eq!(column(&page, "kind"), ["key_created", "workspace_created"]);
    let founding = &page["data"][1];
    assert!(founding["created_by"].is_null() && founding["credential_id"].is_null());
    assert_eq!(founding["ledger"], founding["subject"]);
}

#[tokio::test]
async fn the_journal_is_walked_newest_first_page_by_page() {
    let server = Server::start().await;
    let store = server.store().await;
    for number in 0..4 {
        server.memory(&store, &format!("/{number}"), "x").await;
    }
    let of = format!("{JOURNAL}?store_id={}", id(&store));

    let first = server.get(&format!("{of}&limit=2")).await.ok();
    server.memory(&store, "/late", "x").await;
    let next = text(&first, "next_page");
    let second = server.get(&format!("{of}&limit=2&page={next}")).await.ok();
    let last = server.get(&format!("{of}&page={}", text(&second, "next_page"))).await.ok();

    assert_eq!(numbers(&first), [5, 4]);
    assert_eq!(numbers(&second), [3, 2]);
    assert_eq!(numbers(&last), [1]);
    assert!(last["next_page"].is_null());
    let elsewhere = format!("{JOURNAL}?page={next}");
    assert!(server.get(&elsewhere).await.message(400).contains("another list"));
}

#[tokio::test]
async fn filters_hold_together() {
    let server = Server::start().await;
    let store = server.store().await;
    server.clock.set_micros(NOW + 1_000_000);
    let memory = server.memory(&store, "/a", "x").await;
    server.clock.set_micros(NOW + 2_000_000);
    server.post(&store, json!({"name": "m"})).await.ok();
    let filtered = async |filter: &str| {
        let path = format!("{JOURNAL}?store_id={}&{filter}", id(&store));
        numbers(&server.get(&path).await.ok())
    };
    let version = text(&memory, "memory_version_id");

    assert_eq!(filtered("kind=version_written").await, [2]);
    assert_eq!(filtered(&format!("subject={version}")).await, [2]);
    assert_eq!(filtered(&format!("subject={version}&kind=store_updated")).await, [0; 0]);
    assert_eq!(filtered("subject=nothing").await, [0; 0]);
    assert_eq!(filtered("created_at[gte]=2026-11-22T10:00:01Z").await, [3, 2]);
    assert_eq!(filtered("created_at[lte]=2026-11-22T10:00:01Z").await, [2, 1]);
    let both = "created_at[gte]=2026-11-22T10:00:01Z&created_at[lte]=2026-11-22T10:00:01Z";
    assert_eq!(filtered(both).await, [2]);
}

#[tokio::test]
async fn what_a_query_is_refused_for_is_named() {
    let server = Server::start().await;
    let store = server.store().await;
    let mut messages = Vec::new();

    for query in [
        format!("store_id={}&workspace_id=wrkspc_1", id(&store)),
        "kind=store_erased".into(),
        "limit=0".into(),
        "limit=101".into(),
        "created_at[gte]=today".into(),
        "page=page_1".into(),
        "subject=%00".into(),
    ] {
        messages.push(server.get(&format!("{JOURNAL}?{query}")).await.message(400));
    }

    insta::assert_snapshot!(messages.join("\n"), @r#"
    only one of store_id and workspace_id may be given
    kind must be one of store_created, store_updated, store_archived, store_deleted, version_written, version_redacted, workspace_created, workspace_deleted, key_created, key_revoked, agent_created, agent_updated, agent_archived, environment_created, environment_updated, environment_archived, environment_deleted, session_created, session_updated, session_archived, session_deleted, token_created, tokens_revoked; got "store_erased"
    limit must be between 1 and 100; got 0
    limit must be between 1 and 100; got 101
    created_at[gte] must be an RFC 3339 time with an offset, such as 2026-11-22T10:00:00Z; got "today"
    page is not a page token of this server: pass next_page on unchanged
    subject must not contain U+0000
    "#);
    for unknown in ["store_id=1", "store_id=", "workspace_id=1"] {
        server.get(&format!("{JOURNAL}?{unknown}")).await.refused(404);
    }
}

#[tokio::test]
async fn who_deleted_a_store_or_a_workspace_stays_known() {
    let server = Server::start().await;
    let made = server.post("/x/v1/workspaces", json!({"name": "w"})).await.ok();
    let workspace = text(&made, "id");
    let body = json!({"name": "k", "workspace_id": workspace, "scopes": ["write", "redact"]});
    let key = server.post("/x/v1/api_keys", body).await.ok();
    let made = Some(json!({"name": "n"}));
    let store = server.call_as(text(&key, "key"), "POST", "/v1/memory_stores", made).await.ok();
    let path = format!("/v1/memory_stores/{}", text(&store, "id"));
    server.call_as(text(&key, "key"), "DELETE", &path, None).await.ok();
    server.delete(&format!("/x/v1/workspaces/{workspace}")).await.ok();

    let of_store = server.get(&format!("{JOURNAL}?store_id={}", text(&store, "id"))).await.ok();
    let of_workspace = format!("{JOURNAL}?workspace_id={workspace}&limit=1");
    let of_workspace = server.get(&of_workspace).await.ok();

    assert_eq!(column(&of_store, "kind"), ["store_deleted", "store_created"]);
    assert_eq!(of_store["data"][0]["credential_id"], key["id"]);
    assert_eq!(column(&of_workspace, "kind"), ["workspace_deleted"]);
    assert_eq!(of_workspace["data"][0]["subject"], *workspace);
}

#[tokio::test]
async fn under_dev_a_key_that_only_read_has_an_empty_journal() {
    let server = Server::with(Setup { dev: true, ..Setup::default() }).await;

    let page = server.call_as("reader", "GET", JOURNAL, None).await.ok();

    assert_eq!(page, json!({"data": [], "next_page": null}));
    let known = server.call_as(KEY, "GET", "/x/v1/workspaces", None).await.ok();
    assert_eq!(column(&known, "name"), ["default"]);
}
